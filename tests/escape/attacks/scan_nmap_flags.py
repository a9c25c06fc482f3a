# SPDX-License-Identifier: Apache-2.0
"""nmap's FIN, NULL, Xmas, Maimon and ACK scans."""
from kit import *


def attack(pot, out, family):
    six = "-6 " if family == 6 else ""
    for kind in ("-sF", "-sN", "-sX", "-sM", "-sA"):
        pot.run(f"nmap {six}{kind} -Pn -n -T5 --min-rate 500 --max-retries 0 --host-timeout 2s -p 1-60 "
                f"{out.world(family)}", 4)
