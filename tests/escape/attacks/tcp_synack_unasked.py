# SPDX-License-Identifier: Apache-2.0
"""SYN-ACKs and RSTs that nothing asked for hide a flood among answers."""
from kit import *


def attack(pot, out, family):
    src = pot.ip(family)
    for n in range(200):
        dst = out.far(family, n)
        pot.send_packets([tcp(src, 80, dst, 3000 + n, "SA", 1, 2), tcp(src, 80, dst, 3000 + n, "RA", 1, 2)])
