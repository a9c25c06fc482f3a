# SPDX-License-Identifier: Apache-2.0
"""A confederate opens the tunnel from outside; through the answers the honeypot begins what it likes."""
from kit import *

ALLOWED = TCP + UDP


def attack(pot, out, family):
    src, dst = pot.ip(family), out.ip(family)
    for wrap in (gre, vxlan, lambda a, b, p: ip(a, b, 4 if p[0] >> 4 == 4 else 41, p)):
        out.send_packet(wrap(dst, src, udp(out.far(family), 1000, src, 9)))
        pot.take(1)
        for n in range(60):
            pot.send_packets([wrap(src, dst, tcp(src, 2000 + n, out.far(family), 80)),
                              wrap(src, dst, udp(src, 2000 + n, out.far(family), 9))])
