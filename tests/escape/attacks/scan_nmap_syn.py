# SPDX-License-Identifier: Apache-2.0
"""nmap -sS finds open ports outside."""
from kit import *

ALLOWED, AT_LEAST, COUNT = TCP, 1, conversations


def attack(pot, out, family):
    six = "-6 " if family == 6 else ""
    pot.run(f"nmap {six}-sS -Pn -n -T5 --min-rate 400 --max-retries 0 --host-timeout 5s -p 1-300 "
            f"{out.world(family)}", 8)
