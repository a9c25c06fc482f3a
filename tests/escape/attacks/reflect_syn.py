# SPDX-License-Identifier: Apache-2.0
"""SYNs from a forged victim bring it thousands of SYN-ACKs, from as many connections."""
from kit import *


def ask(victim, me, n):
    return tcp(victim, 1000 + n, me, 80, "S", 5)


def answer(victim, me, n):
    return tcp(me, 80, victim, 1000 + n, "SA", 9, 6, b"x" * 500)


POLICY, COUNT, ALLOWED = REFLECT_POLICY, total_bytes, reflect_allowed(ask)
attack = reflect(ask, answer)
