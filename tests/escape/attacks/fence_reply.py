# SPDX-License-Identifier: Apache-2.0
"""A confederate forges a fenced machine's address; the honeypot 'answers' into the fence."""
from kit import *


def attack(pot, out, family):
    fenced, me = FENCED[family], pot.ip(family)
    for n in range(30):
        out.send_packet(tcp(fenced, 2000 + n, me, 22, "S"))
        out.send_packet(udp(fenced, 2000 + n, me, 53))
        out.send_packet(ping(fenced, me, n))
        pot.take(3, 0.2)
        pot.send_packets([tcp(me, 22, fenced, 2000 + n, "SA", 1, 2), udp(me, 53, fenced, 2000 + n),
                          icmp(me, fenced, 129 if family == 6 else 0, struct.pack(">HH", n, 1) + b"ping"),
                          icmp(me, fenced, *((1, b"\0" * 4 + udp(fenced, 2000 + n, me, 53), 4) if family == 6 else
                                             (3, b"\0" * 4 + udp(fenced, 2000 + n, me, 53), 3)))])
