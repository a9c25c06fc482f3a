# SPDX-License-Identifier: Apache-2.0
"""A forged handshake opens a window of a gigabyte; the victim never says anything more."""
from kit import *

# src/flow/flow.h: FLOW_CREDIT_START before anything was heard, FLOW_CREDIT_FACTOR for each byte that was.
ALLOWED = (1 << 18) + 2000 * 80


def COUNT(frames):
    """Bytes."""
    return sum(len(frame) for frame in frames)


def attack(pot, out, family):
    src, dst = pot.ip(family), out.ip(family)
    pot.send_packets([tcp(src, 3000, dst, 80, "S", 1)])
    out.take(1)
    out.send_packet(tcp(dst, 80, src, 3000, "SA", 100, 2))
    pot.take(1)
    pot.send_packets([tcp(src, 3000, dst, 80, "A", 2, 101)])
    pot.send_packets([tcp(src, 3000, dst, 80, "PA", 2, 101, b"x" * 1400) for n in range(2500)], 8000)
