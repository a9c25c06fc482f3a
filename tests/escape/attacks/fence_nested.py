# SPDX-License-Identifier: Apache-2.0
"""Tunnels in tunnels in tunnels hide a fenced destination deeper than anybody looks."""
from kit import *


def attack(pot, out, family):
    src, dst = pot.ip(family), out.ip(family)
    for fenced in FENCED.values():
        inner = udp(pot.ip(6 if ":" in fenced else 4), 1000, fenced, 9)
        for wrap in (lambda p: gre(src, dst, p), lambda p: vxlan(src, dst, p),
                     lambda p: ip(src, dst, 4 if p[0] >> 4 == 4 else 41, p)):
            packet = inner
            for _ in range(12):
                packet = wrap(packet)
                pot.send(*[pot.frame(packet)] * 5)
                pot.send(pot.frame(gre(src, dst, packet)), pot.frame(vxlan(src, dst, packet)))
