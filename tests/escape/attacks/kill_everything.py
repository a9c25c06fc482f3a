# SPDX-License-Identifier: Apache-2.0
"""All processes die at once; what was used up is forgotten."""
from kit import *

ALLOWED, AT_LEAST = TCP + UDP, 1


def attack(pot, out, gw, family):
    src, dst = pot.ip(family), out.far(family)
    for n in range(2):
        pot.send_packets(syns(src, dst, 2, 1000 + n * 1000))
        gw.kill_all()
        pot.send_packets(syns(src, dst, 200, 2000 + n * 1000))
        gw.start()
    pot.send_packets([p for i in range(100) for p in (tcp(src, 9000 + i, dst, 80), udp(src, 9000 + i, dst, 9))])
