# SPDX-License-Identifier: Apache-2.0
"""With the gateway dead the wire is open: whatever is sent then arrives."""
from kit import *


def attack(pot, out, gw, family):
    src, dst = pot.ip(family), out.ip(family)
    inbound(pot, out, family)
    gw.kill_all()
    time.sleep(0.1)
    out.forget()
    pot.send_packets(syns(src, dst, 100) + [tcp(src, 22, dst, 4000, "A", 2, 101, b"data")] * 100)
    pot.send(*[ethernet(BROADCAST, pot.mac, arp(pot.mac, pot.ip(4), out.ip(4)), 0x0806)] * 50)
    time.sleep(0.3)
    gw.start()
