# SPDX-License-Identifier: Apache-2.0
"""A packet to a fenced machine travels inside one to an allowed machine."""
from kit import *


def wrappings(src, dst, inner):
    kind = 4 if inner[0] >> 4 == 4 else 41
    frame = ethernet(b"\2\0\0\0\0\1", b"\2\0\0\0\0\2", inner)
    yield ip(src, dst, kind, inner)
    yield gre(src, dst, inner)
    yield gre(src, dst, frame, 0x6558)
    yield ip(src, dst, 47, struct.pack(">HHIII", 0xb000, 0x0800 if kind == 4 else 0x86dd, 0, 7, 1) + inner)
    if kind == 41:
        yield teredo(src, dst, inner)
        yield teredo(src, dst, b"\0\1\0\0" + b"\0" * 9 + inner)
    yield vxlan(src, dst, inner)


def attack(pot, out, family):
    src, dst = pot.ip(family), out.ip(family)
    for fenced in FENCED.values():
        here = pot.ip(6 if ":" in fenced else 4)
        for n in range(10):
            for inner in (tcp(here, 1000 + n, fenced, 80), udp(here, 1000 + n, fenced, 53), ping(here, fenced, n),
                          ip(here, fenced, 50, b"\0" * 40)):
                pot.send_packets(wrappings(src, dst, inner))
