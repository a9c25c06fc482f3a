# SPDX-License-Identifier: Apache-2.0
"""SCTP, DCCP, UDP-Lite, GRE, ESP and L2TPv3 knock at many doors without being counted as connections."""
from kit import *

ALLOWED, AT_LEAST = OTHER, 1


def attack(pot, out, family):
    src = pot.ip(family)
    for n in range(1, 60):
        dst = out.far(family, n)
        ports = struct.pack(">HH", 1000 + n, 80)
        pot.send_packets([ip(src, dst, 132, ports + b"\0" * 8 + b"\1\0\0\x14\0\0\0\1\0\1\0\0\0\1\0\1\0\0\0\1"),
                          ip(src, dst, 33, ports + b"\4\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0"),
                          ip(src, dst, 136, ports + b"\0\x08\0\0" + b"x" * 30),
                          ip(src, dst, 47, b"\0\0\xff\xff" + b"x" * 40),
                          ip(src, dst, 50, struct.pack(">II", n, 1) + b"x" * 40),
                          ip(src, dst, 115, struct.pack(">I", n) + b"x" * 40)])
