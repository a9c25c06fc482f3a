# SPDX-License-Identifier: Apache-2.0
"""A SYN scan through one GRE tunnel whose far end answers."""
from kit import *

ALLOWED, AT_LEAST = TCP, 1


def attack(pot, out, family):
    src, dst = pot.ip(family), out.ip(family)
    pot.send_packets([gre(src, dst, tcp(src, 3000, out.far(family, n // 20), n)) for n in range(1, 200)])
