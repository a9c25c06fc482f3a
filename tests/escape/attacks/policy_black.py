# SPDX-License-Identifier: Apache-2.0
"""A peer is put on the black list in mid-conversation: what was let out goes on."""
from kit import *


def attack(pot, out, gw, family):
    src, dst = pot.ip(family), out.ip(family)
    inbound(pot, out, family)
    handshake(pot, out, family)
    gw.ctl("black", "add", dst)
    out.forget()
    pot.send_packets([tcp(src, 22, dst, 4000, "PA", 2, 101, b"answer")] * 50)
    pot.send_packets([tcp(src, 3000, dst, 80, "PA", 2, 101, b"more")] * 50)
    pot.send_packets(syns(src, dst, 50))
