# SPDX-License-Identifier: Apache-2.0
"""fb-store is killed again and again while the flood goes on: one of the moments lets more out."""
from kit import *

ALLOWED, AT_LEAST = TCP + UDP, 1


def attack(pot, out, gw, family, rng):
    src, dst = pot.ip(family), out.far(family)
    for n in range(5):
        gw.kill("fb-store")
        for i in range(300):
            pot.send_packets([tcp(src, 20000 + n * 300 + i, dst, 80), udp(src, 20000 + n * 300 + i, dst, 9)], 20000)
            time.sleep(rng.random() / 1000)
        gw.wait_up()
    pot.send_packets(syns(src, dst, 100, 50000))
