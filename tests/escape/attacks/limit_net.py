# SPDX-License-Identifier: Apache-2.0
"""All the budget of the hour at one victim's network."""
from kit import *

ALLOWED = AT_LEAST = 4
POLICY = policy(udp="100/h", net="4/h")


def attack(pot, out, family):
    pot.send_packets([udp(pot.ip(family), 1000 + n, out.far(family, n + 1), 9) for n in range(100)])
