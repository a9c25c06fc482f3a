# SPDX-License-Identifier: Apache-2.0
"""One UDP conversation, let out once, is a flood of its own."""
from kit import *

ALLOWED, AT_LEAST = 8, 1
POLICY = policy(unanswered=8)


def attack(pot, out, family):
    pot.send_packets([udp(pot.ip(family), 1000, out.far(family), 9, b"x" * 1000)] * 1000)
