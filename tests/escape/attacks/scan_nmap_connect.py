# SPDX-License-Identifier: Apache-2.0
"""nmap -sT finds open ports outside with whole connections."""
from kit import *

ALLOWED, AT_LEAST, COUNT = TCP, 1, conversations


def attack(pot, out, family):
    six = "-6 " if family == 6 else ""
    out.server(family, 80)
    pot.run(f"nmap {six}-sT -Pn -n -T5 --min-rate 400 --max-retries 0 --host-timeout 3s -p 75-300 "
            f"{out.world(family)}", 6)
