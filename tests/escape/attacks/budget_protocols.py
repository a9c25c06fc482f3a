# SPDX-License-Identifier: Apache-2.0
"""All 256 IP protocols: one of them will not be counted."""
from kit import *

# Of those with a class of their own too; the rest is "other".
ALLOWED = TCP + UDP + ICMP + OTHER
AT_LEAST, COUNT = 1, conversations


def attack(pot, out, family, rng):
    for _ in range(2):
        for proto in range(256):
            pot.send(pot.frame(ip(pot.ip(family), out.far(family), proto, rng.randbytes(60))))
