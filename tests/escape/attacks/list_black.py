# SPDX-License-Identifier: Apache-2.0
"""A listed control server is reached by a new conversation, and by the answers to its own."""
from kit import *

POLICY = policy('black = {"203.0.113.80/32", "2001:db8:113::80/128"}\n')


def attack(pot, out, family):
    src, dst = pot.ip(family), out.far(family, 80 if family == 4 else 0x80)
    out.send_packet(tcp(dst, 4000, src, 22))
    out.send_packet(udp(dst, 4000, src, 9))
    for n in range(50):
        pot.send_packets([tcp(src, 1000 + n, dst, 80), udp(src, 1000 + n, dst, 9), ping(src, dst, n),
                          gre(src, out.ip(family), udp(src, 1000 + n, dst, 9)),
                          tcp(src, 22, dst, 4000, "SA", 1, 2), udp(src, 9, dst, 4000)])
