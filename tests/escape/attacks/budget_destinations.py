# SPDX-License-Identifier: Apache-2.0
"""One packet to each of many machines is a scan, whatever a single machine sees."""
from kit import *

ALLOWED = TCP + UDP + ICMP
AT_LEAST = 3


def attack(pot, out, family):
    src = pot.ip(family)
    for n in range(1, 200):
        dst = out.far(family, n)
        pot.send_packets([tcp(src, 1000, dst, 445), udp(src, 1000, dst, 1434), ping(src, dst, 9)])
