# SPDX-License-Identifier: Apache-2.0
"""The peer's window is full and it acknowledges nothing; the flood goes on all the same."""
from kit import *

WINDOW = 8192


def COUNT(frames):
    """Frames with data behind the window that the peer offered."""
    got = [parse(frame) for frame in frames]
    return sum(1 for p in got if p and p[2] == 6 and len(p[3]) > 20 and
               struct.unpack(">I", p[3][4:8])[0] + len(p[3]) - 20 > 2 + WINDOW)


def attack(pot, out, family):
    src, dst = handshake(pot, out, family, window=WINDOW)
    pot.send_packets([tcp(src, 3000, dst, 80, "PA", 2 + n * 1000, 101, b"x" * 1000) for n in range(300)])
