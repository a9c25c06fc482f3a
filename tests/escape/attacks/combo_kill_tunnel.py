# SPDX-License-Identifier: Apache-2.0
"""The gate dies while a tunnel is open: what is inside is not counted any more."""
from kit import *

ALLOWED = TCP
AT_LEAST = 1


def attack(pot, out, gw, family):
    src, dst = pot.ip(family), out.ip(family)
    for n in range(3):
        pot.send_packets([gre(src, dst, tcp(src, 2000 + n * 100 + i, out.far(family), 80)) for i in range(50)])
        gw.kill("fb-gate")
        gw.wait_up()
        pot.send_packets([gre(src, dst, tcp(src, 5000 + n * 100 + i, out.far(family), 80)) for i in range(50)])
