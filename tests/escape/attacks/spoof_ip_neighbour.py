# SPDX-License-Identifier: Apache-2.0
"""Another honeypot takes the blame, and its budget is spent."""
from kit import *


def attack(pot, pot1, pot2, out, family):
    dst = out.ip(family)
    for other in (pot1, pot2):
        for src in (other.ip(family), other.host(family)):
            for n in range(30):
                for packet in (tcp(src, 1000 + n, dst, 80), udp(src, 1000 + n, dst, 9), ping(src, dst, n),
                               ip(src, dst, 11, b"x" * 40)):
                    pot.send(ethernet(out.mac, pot.mac, packet), ethernet(out.mac, other.mac, packet))
