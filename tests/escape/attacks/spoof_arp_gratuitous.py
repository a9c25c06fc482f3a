# SPDX-License-Identifier: Apache-2.0
"""Everybody outside sends to the intruder what is for the router, a victim or another honeypot."""
from kit import *

FAMILIES = (4,)


def attack(pot, pot1, out):
    for victim in (out.host(4), out.ip(4), pot1.ip(4), "10.66.0.99"):
        for operation in (1, 2):
            for target in (b"\0" * 6, BROADCAST, out.mac):
                body = arp(pot.mac, victim, victim, operation, target)
                pot.send(ethernet(BROADCAST, pot.mac, body, 0x0806), ethernet(out.mac, pot.mac, body, 0x0806))
