# SPDX-License-Identifier: Apache-2.0
"""ARP whose sender is not the frame's, or whose form is odd, poisons what reads it otherwise."""
from kit import *

FAMILIES = (4,)


def attack(pot, pot1, out):
    own = arp(pot.mac, pot.ip(4), out.ip(4), 2, out.mac)
    bodies = [arp(mac, pot.ip(4), out.ip(4), op, out.mac)
              for mac in (pot1.mac, out.mac, BROADCAST, b"\0" * 6) for op in (1, 2)]
    bodies += [own[:4] + lengths + own[6:] for lengths in (b"\x08\4", b"\6\x10", b"\0\0", b"\xff\xff")]
    bodies += [own[:2] + b"\x86\xdd" + own[4:], own[:10], own[:20]]
    for body in bodies:
        pot.send((out.mac + pot.mac + b"\x08\x06" + body), (BROADCAST + pot.mac + b"\x08\x06" + body))
    rarp = pot.mac + b"\x80\x35" + own[:6] + b"\0\3" + own[8:]
    pot.send(BROADCAST + rarp, out.mac + rarp)
