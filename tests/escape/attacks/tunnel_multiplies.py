# SPDX-License-Identifier: Apache-2.0
"""One tunnel is one conversation; what is inside is free."""
from kit import *

# Each conversation inside counts as one of its own class.
ALLOWED = TCP + UDP + ICMP + OTHER
POLICY = policy(unanswered=1000)


def attack(pot, out, family):
    src, dst = pot.ip(family), out.ip(family)
    wraps = [lambda p: gre(src, dst, p), lambda p: vxlan(src, dst, p), lambda p: geneve(src, dst, p),
             lambda p: ip(src, dst, 4 if p[0] >> 4 == 4 else 41, p),
             lambda p: gre(src, dst, ethernet(b"\2\0\0\0\0\1", b"\2\0\0\0\0\2", p), 0x6558)]
    for i, wrap in enumerate(wraps):
        for n in range(i * 40, i * 40 + 40):
            for f in (4, 6):
                a, b = pot.ip(f), out.far(f, n + 1)
                pot.send_packets([wrap(tcp(a, 1000 + n, b, 80)), wrap(udp(a, 1000 + n, b, 9)), wrap(ping(a, b, n)),
                                  wrap(ip(a, b, 11, b"x" * 40))])
