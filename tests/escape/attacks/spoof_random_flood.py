# SPDX-License-Identifier: Apache-2.0
"""A flood from sources at random, as booters send it, hits a victim."""
from kit import *


def attack(pot, out, family, rng):
    dst = out.far(family)
    for n in range(1500):
        src = str(ipaddress.ip_address(rng.randbytes(4 if family == 4 else 16)))
        if src not in (pot.ip(family), pot.host(family)) and src[:3] not in ("fe8", "fe9", "fea", "feb"):
            pot.send(pot.frame(tcp(src, 1024 + n, dst, 80) if n % 2 else udp(src, 1024 + n, dst, 53)))
