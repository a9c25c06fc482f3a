# SPDX-License-Identifier: Apache-2.0
"""The fenced destination stands in the second fragment of a tunnel's packet."""
from kit import *


def attack(pot, out, family):
    src, dst = pot.ip(family), out.ip(family)
    ident = itertools.count(1)
    for fenced in FENCED.values():
        inner = udp(pot.ip(6 if ":" in fenced else 4), 1000, fenced, 9, b"x" * 200)
        wholes = [gre(src, dst, inner), ip(src, dst, 41 if ":" in fenced else 4, inner), vxlan(src, dst, inner)]
        for whole in wholes + ([teredo(src, dst, inner)] if ":" in fenced else []):
            for size in (8, 16, 24, 32, 64, 128):
                parts = fragments(whole, size, next(ident))
                pot.send_packets(parts)
                pot.send_packets(reversed(fragments(whole, size, next(ident))))
