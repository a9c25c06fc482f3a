# SPDX-License-Identifier: Apache-2.0
"""nmap -sn finds the machines of a network by echo, timestamp and address mask requests, SYN, ACK and UDP."""
from kit import *

ALLOWED, AT_LEAST, COUNT = TCP + UDP + ICMP, 1, conversations


def attack(pot, out, family):
    if family == 4:
        probes, targets = "-PE -PP -PM -PS80 -PA80 -PU999", "198.51.100.0/26"
    else:
        probes, targets = "-6 -PE -PS80 -PA80 -PU999", " ".join(out.world(6, n) for n in range(1, 40))
    pot.run(f"nmap -sn -n -T5 --min-rate 500 --max-retries 0 --host-timeout 3s {probes} {targets}", 8)
