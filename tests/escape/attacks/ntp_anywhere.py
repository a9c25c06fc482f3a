# SPDX-License-Identifier: Apache-2.0
"""Port 123 of anybody takes loot that looks like questions for the time."""
from kit import *


def attack(pot, out, family, rng):
    for n in range(60):
        pot.send_packets([udp(pot.ip(family), 123, out.far(family, n + 1), 123, b"\x23\0\6\xec" + rng.randbytes(44)),
                          udp(pot.ip(family), 5000 + n, out.ip(family), 123, b"\x23\0\6\xec" + rng.randbytes(44))])
