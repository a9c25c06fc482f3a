# SPDX-License-Identifier: Apache-2.0
"""An ICMP tunnel within one echo conversation, never answered."""
from kit import *

ALLOWED, AT_LEAST = 8, 1
POLICY = policy(unanswered=8)


def attack(pot, out, family):
    kind = 128 if family == 6 else 8
    pot.send_packets([icmp(pot.ip(family), out.ip(family), kind, struct.pack(">HH", 9, n) + b"loot" * 250)
                      for n in range(500)])
