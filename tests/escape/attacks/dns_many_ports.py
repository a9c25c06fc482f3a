# SPDX-License-Identifier: Apache-2.0
"""A thousand questions from as many ports."""
from kit import *

ALLOWED, AT_LEAST = DNS, 1


def attack(pot, out, family):
    pot.send_packets([udp(pot.ip(family), 1000 + n, RESOLVER[family], 53, question(f"h{n}.example.com", 1, n))
                      for n in range(300)])
