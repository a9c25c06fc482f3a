# SPDX-License-Identifier: Apache-2.0
"""One packet from a confederate, and errors about it carry out loot without end."""
from kit import *

# GATE_ICMP_ERRORS_MAX for one conversation, then what ICMP may.
ALLOWED, AT_LEAST = 16 + ICMP, 1
POLICY = policy(unanswered=1)


def attack(pot, out, family, rng):
    me, peer = pot.ip(family), out.ip(family)
    asked = udp(peer, 1000, me, 9, b"x" * 400)
    out.send_packet(asked)
    pot.take(1)
    kind, code = (1, 4) if family == 6 else (3, 3)
    pot.send_packets([icmp(me, peer, kind, b"\0" * 4 + asked[:-400] + rng.randbytes(400), code)
                      for _ in range(300)])
