# SPDX-License-Identifier: Apache-2.0
"""Foreign MAC, forged source, tunnel, fragments, tags and a fenced destination at once."""
from kit import *


def attack(pot, pot1, out, family, rng):
    ident = itertools.count(1)
    for n in range(40):
        inner = tcp(pot1.ip(family), 1000 + n, FENCED[family], 80, "S", 1, 0, b"x" * 100)
        for packet in (gre(pot1.ip(family), out.ip(family), inner), gre(pot.ip(family), out.ip(family), inner),
                       vxlan(pot.ip(family), out.ip(family), inner)):
            for part in [packet] + fragments(packet, 64, next(ident)):
                for mac in (pot.mac, pot1.mac):
                    frame = ethernet(out.mac, mac, part)
                    pot.send(frame, tag(frame, (0x8100, n + 1)))
