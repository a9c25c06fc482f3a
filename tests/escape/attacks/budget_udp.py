# SPDX-License-Identifier: Apache-2.0
"""A UDP flood from many source ports reaches a victim."""
from kit import *

ALLOWED, AT_LEAST = UDP, 1


def attack(pot, out, family):
    pot.send_packets([udp(pot.ip(family), 1024 + n, out.far(family), 9, b"x" * 1000) for n in range(500)])
