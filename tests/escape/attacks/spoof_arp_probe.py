# SPDX-License-Identifier: Apache-2.0
"""Probes (sender 0.0.0.0) for others' addresses make machines outside give their addresses up."""
from kit import *

FAMILIES = (4,)


def attack(pot, pot1, out):
    for target in (out.host(4), out.ip(4), pot1.ip(4), "10.66.0.77"):
        for operation in (1, 2):
            pot.send(ethernet(BROADCAST, pot.mac, arp(pot.mac, "0.0.0.0", target, operation), 0x0806))
