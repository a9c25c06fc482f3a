# SPDX-License-Identifier: Apache-2.0
"""scapy's own sender: an idle scan that bounces SYNs off another honeypot, as if it were that one."""
from kit import *

FAMILIES = (4,)


def attack(pot, pot1, out):
    pot.scapy(f"sendp([Ether(dst=ROUTER)/IP(src='{pot1.ip(4)}', dst='{out.far(4)}')/TCP(sport=80, dport=p, "
              "flags='S') for p in range(1, 200)], iface='eth0')")
