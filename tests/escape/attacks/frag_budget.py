# SPDX-License-Identifier: Apache-2.0
"""Every datagram in fragments: is each counted, and only once?"""
from kit import *

# Four datagrams of four fragments.
ALLOWED, AT_LEAST = UDP * 4, 4


def attack(pot, out, family):
    for n in range(100):
        packet = udp(pot.ip(family), 1000 + n, out.ip(family), 9, b"x" * 248)
        pot.send_packets(fragments(packet, 64, n + 1))
