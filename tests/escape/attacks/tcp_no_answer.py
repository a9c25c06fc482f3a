# SPDX-License-Identifier: Apache-2.0
"""A SYN is let out, nobody answers, and everything else of the 'connection' follows."""
from kit import *

ALLOWED = AT_LEAST = 1  # the SYN


def attack(pot, out, family):
    src, dst = pot.ip(family), out.far(family)
    pot.send_packets([tcp(src, 3000, dst, 80, "S", 1)])
    pot.send_packets([tcp(src, 3000, dst, 80, "PA", 2 + n * 100, 1, b"x" * 100) for n in range(200)])
    pot.send_packets([tcp(src, 3000, dst, 80, "FA", 2, 1) for n in range(100)])
