# SPDX-License-Identifier: Apache-2.0
"""A connection that was reset goes on as if it had not been."""
from kit import *

# src/flow/flow.h: FLOW_CLOSED_MAX frames that were under way, beside those that came after the end.
ALLOWED = 8 + 2


def attack(pot, out, family):
    src, dst = inbound(pot, out, family)
    out.send_packet(tcp(dst, 4000, src, 22, "RA", 101, 2))
    pot.take(1)
    out.forget()
    pot.send_packets([tcp(src, 22, dst, 4000, "PA", 2 + n * 100, 101, b"x" * 100) for n in range(200)])
