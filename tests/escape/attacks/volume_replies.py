# SPDX-License-Identifier: Apache-2.0
"""A confederate connects to the honeypot and takes everything away as answers."""
from kit import *

ALLOWED, AT_LEAST = 30, 5
CONTROL_AFTER = (1,)  # pot0 has no answer left
POLICY = policy(reply_packets="30/h")


def attack(pot, out, family):
    src, dst = inbound(pot, out, family)
    for n in range(100):
        pot.send_packets([tcp(src, 22, dst, 4000, "PA", 2 + n * 1000, 101, b"x" * 1000)])
        out.send_packet(tcp(dst, 4000, src, 22, "A", 101, 1002 + n * 1000))
        pot.take(1, 0.05)
