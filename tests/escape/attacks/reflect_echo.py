# SPDX-License-Identifier: Apache-2.0
"""Echo requests from a forged victim bring it thousands of replies."""
from kit import *


def ask(victim, me, n):
    return ping(victim, me, 7)


def answer(victim, me, n):
    return icmp(me, victim, 129 if ":" in me else 0, struct.pack(">HH", 7, 1) + b"x" * 1000)


POLICY, COUNT, ALLOWED = REFLECT_POLICY, total_bytes, reflect_allowed(ask)
attack = reflect(ask, answer)
