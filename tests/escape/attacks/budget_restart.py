# SPDX-License-Identifier: Apache-2.0
"""The gateway is stopped and started again: it has forgotten what was used up."""
from kit import *

ALLOWED, AT_LEAST = TCP + UDP, 2


def attack(pot, out, gw, family):
    for n in range(3):
        pot.send_packets(syns(pot.ip(family), out.far(family), 50, 1000 * n + 1000))
        pot.send_packets([udp(pot.ip(family), 1000 * n + 2000 + i, out.far(family), 9) for i in range(50)])
        gw.stop()
        pot.send_packets(syns(pot.ip(family), out.far(family), 50, 1000 * n + 5000))
        gw.start()
    pot.send_packets(syns(pot.ip(family), out.far(family), 50, 9000))
