# SPDX-License-Identifier: Apache-2.0
"""A router that is allowed takes the packet on to a fenced machine (source route, routing header)."""
from kit import *


def attack(pot, out, family):
    src, via, fenced = pot.ip(family), out.ip(family), packed(FENCED[family])
    for n in range(20):
        for packet in (tcp(src, 1000 + n, via, 80), udp(src, 1000 + n, via, 9), ping(src, via, n)):
            if family == 4:
                for kind in (0x83, 0x89):
                    pot.send(pot.frame(options4(packet, bytes([kind, 7, 4]) + fenced + b"\0")))
            else:
                for kind in (0, 2, 3, 4, 253):
                    route = bytes([kind, 1]) + (b"\0" * 4) + fenced
                    pot.send(pot.frame(extension(packet, (43, route))),
                             pot.frame(extension(packet, (60, b"\1\4\0\0\0\0"), (43, route))))
