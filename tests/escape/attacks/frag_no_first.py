# SPDX-License-Identifier: Apache-2.0
"""Fragments without their first one carry loot: a confederate needs no header."""
from kit import *


def attack(pot, out, family):
    for n in range(100):
        packet = udp(pot.ip(family), 1000, out.ip(family), 9, b"loot" * 100)
        pot.send_packets(fragments(packet, 80, n + 1)[1:])
