# SPDX-License-Identifier: Apache-2.0
"""Few large packets carry out more than was meant to leave."""
from kit import *

ALLOWED, AT_LEAST = 20 << 10, 5 << 10
POLICY = policy(udp="20/h", unanswered=100, bytes="20K/h")


def COUNT(frames):
    """Bytes."""
    return sum(len(frame) for frame in frames)


def attack(pot, out, family):
    for n in range(20):
        pot.send_packets([udp(pot.ip(family), 1000 + i, out.far(family), 9, b"x" * 1200) for i in range(10)])
