# SPDX-License-Identifier: Apache-2.0
"""The limit is lowered in mid-attack: what it was before still counts."""
from kit import *

# One connection is out already.


def attack(pot, out, gw, family):
    src, dst = pot.ip(family), out.ip(family)
    inbound(pot, out, family)
    handshake(pot, out, family)
    gw.ctl("limit", "pot0", "tcp=1/h", "udp=0/h")
    out.forget()
    pot.send_packets(syns(src, dst, 100) + [udp(src, 1000 + n, dst, 9) for n in range(100)])
