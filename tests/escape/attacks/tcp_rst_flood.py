# SPDX-License-Identifier: Apache-2.0
"""RSTs at random into an allowed connection, whose peer's address was forged, hit a victim."""
from kit import *


def attack(pot, out, family, rng):
    src, dst = inbound(pot, out, family)
    out.forget()
    pot.send_packets([tcp(src, 22, dst, 4000, "R", (2 + rng.randrange(1 << 20, 1 << 31)) & 0xffffffff)
                      for _ in range(300)])
