# SPDX-License-Identifier: Apache-2.0
"""Tags, fragments and options at once in front of a fenced destination."""
from kit import *


def attack(pot, out, family):
    src, fenced = pot.ip(family), FENCED[family]
    for n in range(40):
        packet = udp(src, 1000 + n, fenced, 9, b"x" * 100)
        variants = fragments(packet, 48, n + 1)
        if family == 4:
            variants += [options4(packet, b"\x94\4\0\0"), options4(packet, b"\1\1\1\1")]
        else:
            variants += [extension(packet, (60, b"\1\4\0\0\0\0")), extension(packet, (44, b"\0\0\0\0\0\1")),
                         extension(packet, (0, b"\1\4\0\0\0\0"), (60, b"\1\4\0\0\0\0"))]
        for one in variants:
            frame = pot.frame(one)
            pot.send(frame, tag(frame, (0x8100, n)))
