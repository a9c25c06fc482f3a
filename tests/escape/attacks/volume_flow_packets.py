# SPDX-License-Identifier: Apache-2.0
"""A conversation with a confederate who answers everything has no end."""
from kit import *

ALLOWED, AT_LEAST = 40, 10
POLICY = policy(flow_packets=40)


def attack(pot, out, family):
    src, dst = pot.ip(family), out.ip(family)
    out.answer(lambda frame: [udp(dst, 9, src, 1000, b"go on")])
    pot.send_packets([udp(src, 1000, dst, 9, b"x" * 500)] * 400, 1000)
