# SPDX-License-Identifier: Apache-2.0
"""After the gate's death nobody knows who began a conversation: what came in becomes a way out."""
from kit import *

ALLOWED = TCP


def attack(pot, out, gw, family):
    src, dst = inbound(pot, out, family)
    gw.kill("fb-gate")
    gw.wait_up()
    out.forget()
    pot.send_packets([tcp(src, 22, dst, 4000, "S", 500 + n) for n in range(100)])
    pot.send_packets([tcp(src, 22, dst, port, "A", 2, 101, b"x") for port in range(4001, 4200)])
