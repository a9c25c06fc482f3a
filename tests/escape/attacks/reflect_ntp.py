# SPDX-License-Identifier: Apache-2.0
"""The honeypot answers monlist (NTP mode 7) to a forged victim."""
from kit import *


def ask(victim, me, n):
    return udp(victim, 1000, me, 123, b"\x17\0\3\x2a" + b"\0" * 4)


def answer(victim, me, n):
    return udp(me, 123, victim, 1000, b"\xd7\0\3\x2a" + b"\0" * 440)


POLICY, COUNT, ALLOWED = REFLECT_POLICY, total_bytes, reflect_allowed(ask)
attack = reflect(ask, answer)
