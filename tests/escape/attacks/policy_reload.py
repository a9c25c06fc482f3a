# SPDX-License-Identifier: Apache-2.0
"""The configuration is read again in mid-attack: for a moment there is no policy, or the budgets begin anew."""
from kit import *

ALLOWED, AT_LEAST = TCP + UDP, 1


def attack(pot, out, gw, family):
    src, dst = pot.ip(family), out.far(family)
    for n in range(3):
        pot.send_packets([p for i in range(100) for p in (tcp(src, 20000 + n * 100 + i, dst, 80),
                                                          udp(src, 20000 + n * 100 + i, dst, 9))])
        gw.configure(policy(tcp=f"{TCP - n % 2}/h"))
        gw.ctl("reload")
        pot.send_packets(syns(src, dst, 100, 10000 + n * 1000))
        gw.wait_up()
