# SPDX-License-Identifier: Apache-2.0
"""IPv4 and IPv6 have a budget each, and the two of them make twice as much."""
from kit import *

FAMILIES = (4,)
ALLOWED, AT_LEAST = TCP + UDP + ICMP + OTHER, 4


def attack(pot, out):
    for n in range(100):
        for f in (4, 6):
            for src in (pot.ip(f), pot.host(f)):
                dst = out.far(f, n + 1)
                pot.send_packets([tcp(src, 1000 + n, dst, 80), udp(src, 1000 + n, dst, 9), ping(src, dst, n),
                                  ip(src, dst, 11, b"x" * 40)])
