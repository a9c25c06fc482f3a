# SPDX-License-Identifier: Apache-2.0
"""Three honeypots together send three times what one may."""
from kit import *

ALLOWED = AT_LEAST = 4
POLICY = policy('honeynet_limit { tcp = "4/h" }\n')


def attack(pot, pot1, pot2, out, family):
    for n in range(50):
        for one in (pot, pot1, pot2):
            one.send_packets([tcp(one.ip(family), 1000 + n, out.far(family), 80)])
