# SPDX-License-Identifier: Apache-2.0
"""After the gate's death the MAC addresses that it had learnt are for the taking."""
from kit import *

ALLOWED = 0


def attack(pot, pot1, out, gw, family):
    dst = out.ip(family)
    for _ in range(3):
        gw.kill("fb-gate")
        for n in range(300):
            pot.send(pot.frame(tcp(pot1.ip(family), 1000 + n, dst, 80)),
                     ethernet(out.mac, pot1.mac, tcp(pot1.ip(family), 1000 + n, dst, 80)))
            time.sleep(0.0005)
        gw.wait_up()
