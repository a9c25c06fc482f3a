# SPDX-License-Identifier: Apache-2.0
"""Thousands of frames that were damaged at random: one of them will be misread."""
from kit import *

POLICY = policy("roach_motel = true\n")
COUNT = no_neighbours


def attack(pot, out, family, rng):
    src, dst = pot.ip(family), out.ip(family)
    seeds = [tcp(src, 1000, dst, 80), udp(src, 1000, dst, 53, question("a.example")), ping(src, dst, 7),
             gre(src, dst, udp(src, 1, FENCED[family], 2)), vxlan(src, dst, tcp(src, 1, dst, 2)),
             *fragments(udp(src, 5, dst, 6, b"x" * 100), 64), ah(udp(src, 1, dst, 2))]
    if family == 6:
        seeds += [extension(tcp(src, 1, dst, 2), (0, b"\1\4\0\0\0\0"), (60, b"\1\4\0\0\0\0"))]
    for _ in range(3000):
        frame = bytearray(pot.frame(rng.choice(seeds)))
        for _ in range(rng.randrange(1, 6)):
            frame[rng.randrange(0, len(frame))] = rng.randrange(256)
        frame = bytes(frame[:rng.choice((len(frame), len(frame), rng.randrange(14, len(frame))))])
        pot.send(frame)
