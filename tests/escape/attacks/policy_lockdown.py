# SPDX-License-Identifier: Apache-2.0
"""Locked down in mid-conversation: what was let out goes on, in one direction at least."""
from kit import *


def attack(pot, out, gw, family):
    src, dst = pot.ip(family), out.ip(family)
    inbound(pot, out, family)
    handshake(pot, out, family)
    gw.ctl("lockdown")
    out.forget()
    pot.send_packets([tcp(src, 22, dst, 4000, "PA", 2, 101, b"answer")] * 50)
    pot.send_packets([tcp(src, 3000, dst, 80, "PA", 2, 101, b"more")] * 50)
    pot.send_packets(syns(src, dst, 50) + [udp(src, 1000 + n, dst, 9) for n in range(50)])
    pot.send(*[ethernet(BROADCAST, pot.mac, arp(pot.mac, pot.ip(4), out.ip(4)), 0x0806)] * 20)
    gw.settle()
    gw.ctl("unlock")
