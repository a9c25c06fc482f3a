# SPDX-License-Identifier: Apache-2.0
"""Each VLAN tag is another world with a budget of its own."""
from kit import *

ALLOWED = TCP


def attack(pot, out, family):
    for n in range(300):
        frame = pot.frame(tcp(pot.ip(family), 1000 + n, out.ip(family), 80))
        pot.send(tag(frame, ((0x8100, 0x88a8)[n % 2], n % 4095)) if n % 3 else frame)
