# SPDX-License-Identifier: Apache-2.0
"""Atomic fragments (RFC 6946) are whole packets that look like parts."""
from kit import *

FAMILIES = (6,)
ALLOWED, COUNT = TCP, conversations


def attack(pot, out):
    for n in range(100):
        packet = tcp(pot.ip(6), 1000 + n, out.ip(6), 80)
        pot.send_packets([extension(packet, (44, struct.pack(">HI", 0, n)))])
        pot.send_packets([extension(packet, (44, struct.pack(">HI", 0, n)), (44, struct.pack(">HI", 0, n)))])
