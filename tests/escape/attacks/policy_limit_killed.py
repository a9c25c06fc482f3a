# SPDX-License-Identifier: Apache-2.0
"""The gate is killed after the limit was lowered: the new one knows the old limit."""
from kit import *

# One connection is out already.


def attack(pot, out, gw, family):
    src, dst = pot.ip(family), out.ip(family)
    inbound(pot, out, family)
    handshake(pot, out, family)
    gw.ctl("limit", "pot0", "tcp=1/h", "udp=0/h")
    gw.kill("fb-gate")
    gw.wait_up()
    out.forget()
    pot.send_packets(syns(src, dst, 100) + [udp(src, 1000 + n, dst, 9) for n in range(100)])
