# SPDX-License-Identifier: Apache-2.0
"""IPv4 options (record route, timestamp, router alert, unknown) make the packet look like another."""
from kit import *

FAMILIES = (4,)
ALLOWED, COUNT = TCP + UDP + ICMP, conversations


def attack(pot, out):
    options = [b"\7\x07\4\0\0\0\0", b"\x44\x0c\5\0" + b"\0" * 8, b"\x94\4\0\0", b"\x88\4\0\0", b"\x52\4\0\0",
               b"\1" * 40, b"\0" * 4, b"\x99\4\0\0", b"\7\xff\4\0", b"\x82\x0b" + b"\0" * 9]
    for n in range(40):
        for one in options:
            pot.send_packets([options4(packet, one) for packet in
                              (tcp(pot.ip(4), 1000 + n, out.ip(4), 80), udp(pot.ip(4), 1000 + n, out.ip(4), 9),
                               ping(pot.ip(4), out.ip(4), n))])
