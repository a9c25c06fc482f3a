# SPDX-License-Identifier: Apache-2.0
"""A tunnel in one TCP connection to the resolver: as many questions as fit."""
from kit import *

ALLOWED, AT_LEAST = DNS, 1


def COUNT(frames):
    """Frames with data."""
    got = [parse(frame) for frame in frames]
    return sum(1 for p in got if p and (p[2] != 6 or len(p[3].rstrip(b"\0")) > 24))


def attack(pot, out, family):
    src, dst = pot.ip(family), RESOLVER[family]
    pot.send_packets([tcp(src, 3000, dst, 53, "S", 1)])
    out.take(1)
    out.send_packet(tcp(dst, 53, src, 3000, "SA", 100, 2))
    pot.take(1)
    pot.send_packets([tcp(src, 3000, dst, 53, "A", 2, 101)])
    seq = 2
    for n in range(100):
        body = question(f"h{n}.example.com", 16, n)
        body = struct.pack(">H", len(body)) + body
        pot.send_packets([tcp(src, 3000, dst, 53, "PA", seq, 101, body)])
        seq += len(body)
        out.send_packet(tcp(dst, 53, src, 3000, "A", 101, seq))
        pot.take(1, 0.02)
