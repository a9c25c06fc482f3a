# SPDX-License-Identifier: Apache-2.0
"""A gateway that starts anew learns who is who from the first frame: the intruder is first."""
from kit import *

# The NIC of a honeypot is configured, as it should be where each has its own.
POT1 = 'nic = "fbin1"'


def attack(pot, pot1, out, gw, family):
    dst = out.ip(family)
    gw.kill_all()
    gw.start()
    pot.send_packets([tcp(pot1.ip(family), 1000 + n, dst, 80) for n in range(50)])
    pot.send_many([ethernet(out.mac, pot1.mac, tcp(pot1.ip(family), 2000 + n, dst, 80)) for n in range(50)])
