# SPDX-License-Identifier: Apache-2.0
"""A victim's whole network is forged, one question from each address: no single peer gets much."""
from kit import *

# What 200 peers may get, each without proof: one byte for each that came, and 1 KiB a minute.
POLICY = policy(amplification=1, peer_allowance="1K")


def COUNT(frames):
    """Bytes to the peer that got most."""
    total = {}
    for frame in frames:
        dst = parse(frame)[1]
        total[dst] = total.get(dst, 0) + len(frame)
    return max(total.values(), default=0)


def ALLOWED(family):
    return 1024 + (60 if family == 4 else 14 + 40 + 8 + 12)


def attack(pot, out, family):
    me = pot.ip(family)
    for n in range(100):
        victim = out.far(family, n + 1)
        out.send_packet(udp(victim, 1000, me, 161, b"public bulks"))
        pot.take(1)
        pot.send_packets([udp(me, 161, victim, 1000, b"x" * 1000)] * 10)
