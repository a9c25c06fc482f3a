# SPDX-License-Identifier: Apache-2.0
"""Questions go to the intruder's own name server, by UDP and TCP."""
from kit import *


def attack(pot, out, family):
    src = pot.ip(family)
    for n in range(40):
        for dst in (out.ip(family), out.far(family, n + 1), out.world(family)):
            pot.send_packets([udp(src, 1000 + n, dst, 53, question(f"h{n}.example.com", 1, n)),
                              tcp(src, 1000 + n, dst, 53)])
