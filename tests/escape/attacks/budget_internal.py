# SPDX-License-Identifier: Apache-2.0
"""A conversation inside, with another honeypot or with itself, lends its permission to one that leaves."""
from kit import *

ALLOWED = TCP + UDP + ICMP


def attack(pot, pot1, out, family):
    src, dst = pot.ip(family), out.ip(family)
    for n in range(60):
        for packet in (tcp(src, 1000 + n, dst, 80), udp(src, 1000 + n, dst, 9), ping(src, dst, n)):
            for mac in (pot1.mac, pot.mac):
                pot.send(ethernet(mac, pot.mac, packet))
            pot.send(pot.frame(packet))
