# SPDX-License-Identifier: Apache-2.0
"""Each echo identifier is a conversation of its own; other questions of ICMP are, too."""
from kit import *

ALLOWED, AT_LEAST = ICMP, 1


def attack(pot, out, family):
    src, dst = pot.ip(family), out.far(family)
    packets = [ping(src, dst, n) for n in range(200)]
    kinds = (13, 15, 17, 10, 37, 40, 42) if family == 4 else (139, 144, 127, 100, 200, 160)
    packets += [icmp(src, dst, kind, struct.pack(">HH", n, 1) + b"\0" * 12) for kind in kinds for n in range(20)]
    pot.send_packets(packets)
