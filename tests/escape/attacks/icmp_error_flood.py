# SPDX-License-Identifier: Apache-2.0
"""Unreachable, time exceeded and too big, about packets that never came, tear down others' connections."""
from kit import *

# What answers nothing is an ICMP conversation like any other.
ALLOWED = ICMP
POLICY = policy(unanswered=1)


def attack(pot, out, family):
    me = pot.ip(family)
    for n in range(60):
        for quoted in (tcp(out.far(family, n), 1000, out.far(family), 80), tcp(me, 1000 + n, out.far(family, n), 80),
                       udp(out.far(family, n), 1000 + n, me, 9)):
            for kind, code in ((1, 4), (2, 0), (3, 0)) if family == 6 else ((3, 3), (3, 4), (11, 0), (12, 0), (4, 0)):
                pot.send_packets([icmp(me, out.far(family, n), kind, b"\0\0\5\0" + quoted, code)])
