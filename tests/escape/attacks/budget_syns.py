# SPDX-License-Identifier: Apache-2.0
"""A flood of SYNs from many source ports reaches a victim."""
from kit import *

ALLOWED, AT_LEAST = TCP, 1


def attack(pot, out, family):
    pot.send_packets(syns(pot.ip(family), out.far(family), 500))
