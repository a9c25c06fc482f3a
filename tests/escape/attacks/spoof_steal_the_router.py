# SPDX-License-Identifier: Apache-2.0
"""A honeypot that claims the router's link-local address first answers for it ever after."""
from kit import *

FAMILIES = (6,)


def attack(pot, out):
    router = out.link_local()
    out.send(ethernet(group("ff02::1"), out.mac, advertisement(router, "ff02::1", router, out.mac)))
    pot.take(1)
    for _ in range(20):
        pot.send(ethernet(group("ff02::1"), pot.mac, advertisement(router, "ff02::1", router, pot.mac)),
                 pot.frame(udp(router, 1000, out.ip(6), 9)),
                 pot.frame(advertisement(pot.ip(6), out.ip(6), router, pot.mac)))
