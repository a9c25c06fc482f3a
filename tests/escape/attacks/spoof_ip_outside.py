# SPDX-License-Identifier: Apache-2.0
"""Somebody outside takes the blame: the router, the resolver, a victim, the destination itself."""
from kit import *


def attack(pot, out, family):
    dst = out.ip(family)
    for src in (out.host(family), out.ip(family), RESOLVER[family], out.world(family), out.far(family)):
        for n in range(30):
            pot.send_packets([tcp(src, 1000 + n, dst, 80), udp(src, 53, dst, 1000 + n),
                              tcp(src, 80, dst, 1000 + n, "SA", 1, 1), ip(src, dst, 47, b"\0" * 40)])
