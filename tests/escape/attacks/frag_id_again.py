# SPDX-License-Identifier: Apache-2.0
"""The identification of a datagram that was let out serves for more fragments, of other contents."""
from kit import *

# The first datagram's three fragments.
ALLOWED = AT_LEAST = 3


def attack(pot, out, family):
    packet = udp(pot.ip(family), 1000, out.ip(family), 9, b"x" * 184)
    pot.send_packets(fragments(packet, 64, 7))
    for n in range(50):
        pot.send_packets(fragments(udp(pot.ip(family), 1001 + n, out.ip(family), 9, b"loot" * 46), 64, 7))
        pot.send_packets(fragments(packet[:-184] + b"loot" * 46, 64, 7)[1:])
