# SPDX-License-Identifier: Apache-2.0
"""nmap -sO asks for every IP protocol."""
from kit import *

FAMILIES = (4,)
ALLOWED, AT_LEAST, COUNT = TCP + UDP + ICMP + OTHER, 1, conversations


def attack(pot, out):
    pot.run(f"nmap -sO -Pn -n -T5 --min-rate 400 --max-retries 0 --host-timeout 4s {out.world(4)}", 6)
