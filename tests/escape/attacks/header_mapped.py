# SPDX-License-Identifier: Apache-2.0
"""IPv4-mapped, -compatible and -translated addresses in IPv6 headers are read as IPv4 by some."""
from kit import *

FAMILIES = (6,)


def attack(pot, out):
    for prefix in ("::ffff:", "::", "::ffff:0:"):
        for n in range(20):
            for a, b in ((pot.ip(4), out.ip(4)), (pot.ip(4), FENCED[4])):
                src, dst = prefix + a, prefix + b
                pot.send_packets([tcp(src, 1000 + n, dst, 80), udp(src, 1000 + n, dst, 9)])
            pot.send_packets([tcp(pot.ip(6), 1000 + n, "::ffff:" + out.ip(4), 80)])
