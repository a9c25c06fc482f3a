# SPDX-License-Identifier: Apache-2.0
"""The TCP flags stand in the second fragment, so the first looks harmless (RFC 1858)."""
from kit import *


def attack(pot, out, family):
    for n in range(60):
        packet = tcp(pot.ip(family), 1000 + n, out.ip(family), 80, "S", 1, 0, b"x" * 40)
        pot.send_packets(fragments(packet, 8, n + 1))
        pot.send_packets(fragments_at(packet, [(0, 16, True), (16, 60, False)], 1000 + n))
