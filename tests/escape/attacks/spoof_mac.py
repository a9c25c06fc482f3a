# SPDX-License-Identifier: Apache-2.0
"""Frames under foreign MAC addresses slip past whoever watches by MAC address."""
from kit import *


def attack(pot, pot1, out, family, rng):
    src, dst = pot.ip(family), out.ip(family)
    foreign = [pot1.mac, out.mac, BROADCAST, b"\1\0\x5e\0\0\1", b"\0" * 6, pot.mac[:5] + bytes([pot.mac[5] ^ 0xee])]
    foreign += [bytes([2]) + rng.randbytes(5) for _ in range(50)]
    for n, mac in enumerate(foreign):
        for packet in (tcp(src, 1000 + n, dst, 80), udp(src, 1000 + n, dst, 9), ping(src, dst, n)):
            pot.send(ethernet(out.mac, mac, packet), ethernet(BROADCAST, mac, packet))
