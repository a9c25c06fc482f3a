# SPDX-License-Identifier: Apache-2.0
"""The source of a machine that has no address yet (0.0.0.0, ::) carries ordinary traffic."""
from kit import *


def attack(pot, out, family):
    src, dst = ("0.0.0.0", out.ip(4)) if family == 4 else ("::", out.ip(6))
    for n in range(20):
        packets = [tcp(src, 1000 + n, dst, 80), udp(src, 1000 + n, dst, 53), ping(src, dst, n),
                   udp(src, 68, dst, 67, b"\1\1\6\0" + b"\0" * 296), ip(src, dst, 47, b"\0" * 40)]
        if family == 6:
            packets += [ip(src, "ff02::16", 17, b"\0" * 40), ping(src, "ff02::1", n),
                        icmp(src, dst, 143, b"\0" * 24, ttl=1), udp(src, 546, "ff02::1:2", 547)][:3]
        pot.send_packets(packets)
