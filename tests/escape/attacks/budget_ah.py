# SPDX-License-Identifier: Apache-2.0
"""TCP, UDP and ICMP behind an authentication header are not seen as what they are."""
from kit import *

ALLOWED = TCP + UDP + ICMP + OTHER


def attack(pot, out, family):
    src, dst = pot.ip(family), out.far(family)
    for n in range(100):
        pot.send_packets([ah(tcp(src, 1000 + n, dst, 80), n), ah(udp(src, 1000 + n, dst, 9), n),
                          ah(ping(src, dst, n), n)])
