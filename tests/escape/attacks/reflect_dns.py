# SPDX-License-Identifier: Apache-2.0
"""The honeypot is an open resolver: questions from a forged victim, answers 50 times as large."""
from kit import *


def ask(victim, me, n):
    return udp(victim, 1000, me, 53, question("x.example", 255))


def answer(victim, me, n):
    return udp(me, 53, victim, 1000, question("x.example", 255, 1, 0x8180) + b"\0" * 1200)


POLICY, COUNT, ALLOWED = REFLECT_POLICY, total_bytes, reflect_allowed(ask)
attack = reflect(ask, answer)
