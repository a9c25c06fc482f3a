# SPDX-License-Identifier: Apache-2.0
"""The classes' budgets together are more than what all may have."""
from kit import *

ALLOWED = AT_LEAST = 4
COUNT = conversations
POLICY = policy(all="4/h")


def attack(pot, out, family):
    src, dst = pot.ip(family), out.far(family)
    for n in range(50):
        pot.send_packets([tcp(src, 1000 + n, dst, 80), udp(src, 1000 + n, dst, 9), ping(src, dst, n),
                          ip(src, dst, 11, b"x" * 40)])
