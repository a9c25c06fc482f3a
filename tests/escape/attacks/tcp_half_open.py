# SPDX-License-Identifier: Apache-2.0
"""Connections that are never answered fill a victim's table, slowly and within the budget of the hour."""
from kit import *

ALLOWED = AT_LEAST = 5
POLICY = policy(tcp="100/h", half_open=5)


def attack(pot, out, family):
    pot.send_packets(syns(pot.ip(family), out.far(family), 100))
