# SPDX-License-Identifier: Apache-2.0
"""The honeypot answers SNMP GetBulk, SSDP or chargen to a forged victim."""
from kit import *


def ask(victim, me, n):
    return udp(victim, 1000, me, (161, 1900, 19)[n % 3], b"0&\2\1\1\4\6public")


def answer(victim, me, n):
    return udp(me, (161, 1900, 19)[n % 3], victim, 1000, b"x" * 1000)


POLICY, COUNT, ALLOWED = REFLECT_POLICY, total_bytes, reflect_allowed(ask)
attack = reflect(ask, answer)
