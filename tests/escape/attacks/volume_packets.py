# SPDX-License-Identifier: Apache-2.0
"""Many small conversations within their budgets make a flood together."""
from kit import *

ALLOWED, AT_LEAST = 50, 20
POLICY = policy(udp="20/h", unanswered=100, packets="50/h")


def attack(pot, out, family):
    for n in range(60):
        pot.send_packets([udp(pot.ip(family), 1000 + i, out.far(family), 9) for i in range(10)])
