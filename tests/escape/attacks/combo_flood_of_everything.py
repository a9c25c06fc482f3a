# SPDX-License-Identifier: Apache-2.0
"""So much at once that the gateway cannot keep up: what it cannot capture it lets through."""
from kit import *

ALLOWED, COUNT = TCP + UDP + ICMP + OTHER, conversations
AT_LEAST = 4


def attack(pot, pot1, out, family):
    src, dst = pot.ip(family), out.far(family)
    frames = [pot.frame(p) for n in range(4000) for p in
              (tcp(src, 20000 + n, dst, 80, "S", 1, 0, b"x" * 1300), udp(src, 20000 + n, dst, 9, b"x" * 1300),
               ping(src, dst, n), ip(src, dst, 11, b"x" * 1300), tcp(pot1.ip(family), 20000 + n, dst, 80))]
    pot.send_many(frames, 200000)
