# SPDX-License-Identifier: Apache-2.0
"""So many conversations between honeypots that none from outside finds room any more."""
from kit import *

CONTROL = CONTROL_AFTER = (1, 2)


def attack(pot, pot1, family):
    src, dst = pot.ip(family), pot1.ip(family)
    to = pot1.mac
    frames = [ethernet(to, pot.mac, udp(src, 10000 + n % 50000, dst, 9 + n // 50000)) for n in range(70000)]
    pot.send_many(frames, 40000)
