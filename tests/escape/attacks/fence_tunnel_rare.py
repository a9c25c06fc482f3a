# SPDX-License-Identifier: Apache-2.0
"""Tunnels that few firewalls read (GENEVE, GTP-U, L2TP, MPLS, EtherIP, GUE, ERSPAN) reach behind the fence."""
from kit import *


def wrappings(src, dst, inner, n):
    six = inner[0] >> 4 == 6
    frame = ethernet(b"\2\0\0\0\0\1", b"\2\0\0\0\0\2", inner)
    mpls = b"\0\1\1\x40" + inner
    yield geneve(src, dst, inner, 5000 + n)
    yield udp(src, 5000 + n, dst, 8472, struct.pack(">II", 8 << 24, 7 << 8) + frame)
    yield udp(src, 5000 + n, dst, 4790, struct.pack(">II", 0xc << 24 | (2 if six else 1), 7 << 8) + inner)
    yield udp(src, 5000 + n, dst, 2152, struct.pack(">BBHI", 0x30, 255, len(inner), 7) + inner)
    yield udp(src, 1701, dst, 1701, struct.pack(">HHHBB", 2, 7, 7, 0xff, 3) + (b"\0\x57" if six else b"\0\x21") + inner)
    yield udp(src, 5000 + n, dst, 6635, mpls)
    yield ip(src, dst, 137, mpls)
    yield gre(src, dst, mpls, 0x8847)
    yield udp(src, 5000 + n, dst, 4754, (b"\0\0\x86\xdd" if six else b"\0\0\x08\0") + inner)
    yield ip(src, dst, 97, b"\x30\0" + frame)


def attack(pot, out, family):
    src, dst = pot.ip(family), out.ip(family)
    for fenced in FENCED.values():
        here = pot.ip(6 if ":" in fenced else 4)
        for n in range(10):
            pot.send_packets(wrappings(src, dst, tcp(here, 1000 + n, fenced, 80), n))
