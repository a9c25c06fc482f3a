# SPDX-License-Identifier: Apache-2.0
"""The same ports again with another sequence number each time: is that one connection or a flood?"""
from kit import *

ALLOWED, AT_LEAST, COUNT = TCP, 1, conversations


def attack(pot, out, family):
    src, dst = pot.ip(family), out.far(family)
    pot.send_packets([tcp(src, 3000, dst, 80, "S", n * 100000 + 1) for n in range(500)])
