# SPDX-License-Identifier: Apache-2.0
"""EDNS options (padding, cookies, local ones) carry loot behind a harmless name."""
from kit import *

ALLOWED = DNS


def attack(pot, out, family, rng):
    for n in range(100):
        option = struct.pack(">HH", (12, 65001, 10)[n % 3], 900) + rng.randbytes(900)
        edns = b"\0" + struct.pack(">HHIH", 41, 4096, 0, len(option)) + option
        pot.send_packets([udp(pot.ip(family), 1000, RESOLVER[family], 53,
                              question("www.example.com", 1, n, more=edns, counts=(1, 0, 0, 1)))])
