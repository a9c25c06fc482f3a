# SPDX-License-Identifier: Apache-2.0
"""Made a roach motel in mid-attack: conversations that are new leave all the same."""
from kit import *


def attack(pot, out, gw, family):
    src, dst = pot.ip(family), out.ip(family)
    inbound(pot, out, family)
    handshake(pot, out, family)
    gw.ctl("roach-motel", "pot0")
    out.forget()
    pot.send_packets(syns(src, dst, 50) + [udp(src, 1000 + n, dst, 9) for n in range(50)])
    pot.send_packets([ping(src, dst, n) for n in range(50)] + [ip(src, dst, 11, b"x" * 40)] * 50)
