# SPDX-License-Identifier: Apache-2.0
"""Nested VLAN tags hop to another VLAN, or hide what is in the frame."""
from kit import *


def attack(pot, out, family):
    for n in range(30):
        frame = pot.frame(tcp(pot.ip(family), 1000 + n, out.ip(family), 80))
        for outer in (0x8100, 0x88a8, 0x9100):
            for inner in (0x8100, 0x88a8):
                pot.send(tag(frame, (outer, 1), (inner, 20)), tag(frame, (outer, 0), (inner, 0)),
                         tag(frame, (outer, 1), (inner, 2), (inner, 3)))
