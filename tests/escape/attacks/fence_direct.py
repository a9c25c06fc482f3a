# SPDX-License-Identifier: Apache-2.0
"""A fenced network is reached by every protocol, and through every MAC address."""
from kit import *


def attack(pot, pot1, out, family):
    src = pot.ip(family)
    net = ("192.168.0.1", "192.168.7.7", "192.168.255.255") if family == 4 else ("fd99::", "fd99:ffff::1", FENCED[6])
    for n, dst in enumerate(net):
        for packet in (tcp(src, 1000 + n, dst, 80), udp(src, 1000 + n, dst, 53), ping(src, dst, n),
                       ip(src, dst, 132, b"\0" * 40), ip(src, dst, 50, b"\0" * 40),
                       tcp(src, 80, dst, 1000, "SA", 1, 1)):
            for mac in (out.mac, BROADCAST, b"\2\0\0\0\0\x99", pot1.mac[:5] + b"\x99"):
                pot.send(ethernet(mac, pot.mac, packet))
