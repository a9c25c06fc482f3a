# SPDX-License-Identifier: Apache-2.0
"""What is on the white list lends its freedom to what is not: other ports, machines behind a tunnel."""
from kit import *

ALLOWED, AT_LEAST = UDP + TCP, 1
POLICY = policy('white = {"198.51.100.7/32 udp/7777", "2001:db8:51::7/128 udp/7777"}\n')
COUNT = matching(lambda frame: b"free" not in frame)


def attack(pot, out, family):
    src, dst = pot.ip(family), out.world(family, 7)
    pot.send_packets([udp(src, 1000 + n, dst, 7777, b"free") for n in range(5)])
    for n in range(100):
        pot.send_packets([udp(src, 2000 + n, dst, 7778), tcp(src, 2000 + n, dst, 7777),
                          udp(src, 7777, out.world(family, 8), 3000 + n)])
