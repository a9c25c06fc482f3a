# SPDX-License-Identifier: Apache-2.0
"""nmap -sU finds open UDP ports outside."""
from kit import *

ALLOWED, AT_LEAST, COUNT = UDP, 1, conversations


def attack(pot, out, family):
    six = "-6 " if family == 6 else ""
    pot.run(f"nmap {six}-sU -Pn -n -T5 --min-rate 400 --max-retries 0 --host-timeout 3s -p 200-400 "
            f"{out.world(family)}", 6)
