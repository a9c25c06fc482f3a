# SPDX-License-Identifier: Apache-2.0
"""Neighbour solicitations with a foreign source or a foreign MAC fill the neighbour tables outside."""
from kit import *

FAMILIES = (6,)


def attack(pot, pot1, out):
    to = group("ff02::1:ff00:200")
    for src, mac in ((pot.ip(6), pot1.mac), (pot.ip(6), out.mac), (pot1.ip(6), pot.mac),
                     (out.host(6), pot.mac), (out.ip(6), pot.mac), ("fd66::1234", pot.mac)):
        for _ in range(20):
            pot.send(ethernet(to, pot.mac, solicitation(src, out.ip(6), mac)),
                     ethernet(out.mac, pot.mac, solicitation(src, out.ip(6), mac, out.ip(6))))
