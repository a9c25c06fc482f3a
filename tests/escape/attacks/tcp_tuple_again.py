# SPDX-License-Identifier: Apache-2.0
"""Each time the connection is ended the same ports begin another one, free of charge."""
from kit import *

ALLOWED, AT_LEAST, COUNT = TCP, 1, conversations


def attack(pot, out, family):
    src, dst = pot.ip(family), out.ip(family)
    for n in range(30):
        syn = tcp(src, 3000, dst, 80, "S", n * 1000000 + 1)
        pot.send_packets([syn])
        out.send_packet(tcp(dst, 80, src, 3000, ("SA", "RA")[n % 2], 100, n * 1000000 + 2))
        pot.take(1, 0.1)
        pot.send_packets([tcp(src, 3000, dst, 80, "A", n * 1000000 + 2, 101),
                          tcp(src, 3000, dst, 80, ("RA", "FA")[n // 2 % 2], n * 1000000 + 2, 101)])
        out.send_packet(tcp(dst, 80, src, 3000, "FA", 101, n * 1000000 + 3))
