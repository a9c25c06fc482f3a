# SPDX-License-Identifier: Apache-2.0
"""Data far outside the window of an allowed connection carries loot that no peer will ever see as its."""
from kit import *


def attack(pot, out, family, rng):
    src, dst = inbound(pot, out, family)
    out.forget()
    pot.send_packets([tcp(src, 22, dst, 4000, "PA", (2 + rng.randrange(1 << 20, 1 << 31)) & 0xffffffff, 101,
                          b"loot" * 100) for _ in range(100)])
    pot.send_packets([tcp(src, 22, dst, 4000, "PA", 2, (101 + rng.randrange(1 << 20, 1 << 31)) & 0xffffffff,
                          b"loot" * 100) for _ in range(100)])
