# SPDX-License-Identifier: Apache-2.0
"""An order is given and taken back, again and again: each time the budget begins anew."""
from kit import *

ALLOWED, AT_LEAST = TCP, 1


def attack(pot, out, gw, family):
    src, dst = pot.ip(family), out.far(family)
    for n in range(4):
        pot.send_packets(syns(src, dst, 50, 2000 + n * 1000))
        gw.ctl("roach-motel", "pot0")
        pot.send_packets(syns(src, dst, 50, 2500 + n * 1000))
        gw.ctl("release", "pot0")
    pot.send_packets(syns(src, dst, 50, 9000))
