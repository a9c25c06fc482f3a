# SPDX-License-Identifier: Apache-2.0
"""A confederate answers now and then (or forges the victim's answers), so that the flood may go on."""
from kit import *

# 8, and four for each of five answers.
ALLOWED, AT_LEAST = 8 + 4 * 5, 8
POLICY = policy(unanswered=8)


def attack(pot, out, family):
    src, dst = pot.ip(family), out.ip(family)
    for n in range(6):
        pot.send_packets([udp(src, 1000, dst, 9, b"x" * 1000)] * 100)
        if n < 5:
            out.send_packet(udp(dst, 9, src, 1000))
            pot.take(1)
