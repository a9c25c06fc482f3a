# SPDX-License-Identifier: Apache-2.0
"""Who is there? ARP or neighbour solicitations for a whole network."""
from kit import *

ALLOWED = AT_LEAST = 20
POLICY = policy(neighbour="20/h")


def attack(pot, family):
    for n in range(1, 250):
        if family == 4:
            pot.send(ethernet(BROADCAST, pot.mac, arp(pot.mac, pot.ip(4), f"10.66.0.{n}"), 0x0806))
        else:
            packet = solicitation(pot.ip(6), f"fd66::{n:x}", pot.mac)
            pot.send(ethernet(group(str(ipaddress.ip_address(packet[24:40]))), pot.mac, packet))
