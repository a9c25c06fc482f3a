# SPDX-License-Identifier: Apache-2.0
"""As many machines as the budget has conversations."""
from kit import *

ALLOWED, AT_LEAST = 4, 4
POLICY = policy(udp="100/h", destinations="4/h")


def COUNT(frames):
    """Different destinations."""
    return len({parse(frame)[1] for frame in frames})


def attack(pot, out, family):
    for _ in range(2):
        pot.send_packets([udp(pot.ip(family), 1000, out.far(family, n + 1), 9) for n in range(100)])
        pot.send_packets([udp(pot.ip(family), 1001, out.world(family, n + 1), 9) for n in range(100)])
