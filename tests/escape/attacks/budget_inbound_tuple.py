# SPDX-License-Identifier: Apache-2.0
"""A confederate knocks first, so that the honeypot's own connection looks like an answer."""
from kit import *

ALLOWED = TCP


def attack(pot, out, family):
    src, dst = pot.ip(family), out.ip(family)
    for n in range(100):
        out.send_packet(tcp(dst, 2000 + n, src, 80, "S" if n % 2 else "A", 1, 1))
    pot.take(100, 2)
    pot.send_packets([tcp(src, 80, dst, 2000 + n, "S", 77) for n in range(100)])
