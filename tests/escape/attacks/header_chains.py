# SPDX-License-Identifier: Apache-2.0
"""Extension headers, one or twenty, in order or not, hide what is behind them."""
from kit import *

FAMILIES = (6,)
ALLOWED = TCP + UDP + ICMP + OTHER


def attack(pot, out):
    hop, dest = (0, b"\1\4\0\0\0\0"), (60, b"\1\4\0\0\0\0")
    chains = [[hop], [dest], [hop, dest], [dest, hop], [dest] * 3, [dest] * 20, [(60, b"\1\x7a" + b"\0" * 122)],
              [hop, hop], [(0, b"\xc2\4\0\0\5\xdc")], [(135, b"\0" * 14)], [(139, b"\0" * 14)], [(140, b"\0" * 6)],
              [(253, b"\0" * 6)], [(254, b"\0" * 6)], [(59, b"\0" * 6)]]
    for n in range(40):
        for chain in chains:
            for packet in (tcp(pot.ip(6), 1000 + n, out.ip(6), 80), udp(pot.ip(6), 1000 + n, out.ip(6), 9),
                           ping(pot.ip(6), out.ip(6), n)):
                pot.send_packets([extension(packet, *chain)])


COUNT = conversations
