# SPDX-License-Identifier: Apache-2.0
"""A victim's address is forged for one handshake; then ACKs without end flood it."""
from kit import *

ALLOWED, AT_LEAST = 30, 3
POLICY = policy(flow_packets=30)


def attack(pot, out, family):
    src, dst = handshake(pot, out, family)
    pot.send_packets([tcp(src, 3000, dst, 80, "A", 2, 101)] * 1000)
