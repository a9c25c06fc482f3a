# SPDX-License-Identifier: Apache-2.0
"""The supervisor is killed in mid-flood and started again: the budgets begin anew, or nobody watches meanwhile."""
from kit import *

ALLOWED, AT_LEAST = TCP + UDP, 1


def attack(pot, out, gw, family):
    src, dst = pot.ip(family), out.far(family)
    for n in range(2):
        pot.send_packets(syns(src, dst, 50, 1000 + n * 1000))
        gw.kill("supervisor")
        pot.send_packets([p for i in range(300) for p in (tcp(src, 20000 + n * 300 + i, dst, 80),
                                                          udp(src, 20000 + n * 300 + i, dst, 9))], 2000)
        gw.start()
    pot.send_packets(syns(src, dst, 100, 50000))
