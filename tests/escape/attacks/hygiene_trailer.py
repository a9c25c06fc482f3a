# SPDX-License-Identifier: Apache-2.0
"""Data behind the packet, where nobody looks: a neighbour outside reads it from the wire."""
from kit import *


def attack(pot, out, family):
    hidden = b"secret" * 100
    for _ in range(30):
        pot.send(pot.frame(udp(pot.ip(family), 1000, out.ip(family), 9)) + hidden)
        if family == 4:
            pot.send(BROADCAST + pot.mac + b"\x08\x06" + arp(pot.mac, pot.ip(4), out.ip(4)) + hidden)
