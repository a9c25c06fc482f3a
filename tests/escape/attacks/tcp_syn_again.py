# SPDX-License-Identifier: Apache-2.0
"""One connection, never answered: its SYN is repeated ten thousand times, with other numbers, too."""
from kit import *

ALLOWED, AT_LEAST = 20, 1
POLICY = policy(flow_packets=20, tcp="1/h")


def attack(pot, out, family):
    src, dst = pot.ip(family), out.far(family)
    pot.send_packets([tcp(src, 3000, dst, 80, "S", 1)] * 500)
    pot.send_packets([tcp(src, 3000, dst, 80, "S", n * 100000) for n in range(500)])
