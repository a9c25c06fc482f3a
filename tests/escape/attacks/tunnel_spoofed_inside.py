# SPDX-License-Identifier: Apache-2.0
"""Inside the tunnel packets have forged sources: the far end sends them on as a reflector does."""
from kit import *

ALLOWED, COUNT = UDP + OTHER, len
POLICY = policy(unanswered=1000)


def attack(pot, out, family):
    src, dst = pot.ip(family), out.ip(family)
    for n in range(200):
        inner = udp(out.far(family, n % 200 + 1), 53, out.world(family), 1000 + n)
        pot.send_packets([gre(src, dst, inner), ip(src, dst, 4 if family == 4 else 41, inner)])
