# SPDX-License-Identifier: Apache-2.0
"""As many ports as the budget has conversations."""
from kit import *

ALLOWED = AT_LEAST = 4
POLICY = policy(udp="100/h", ports="4/h")


def COUNT(frames):
    """Different destination ports."""
    return len({parse(frame)[3][2:4] for frame in frames})


def attack(pot, out, family):
    for source in (1000, 1001):
        pot.send_packets([udp(pot.ip(family), source, out.far(family), 1000 + n) for n in range(100)])
