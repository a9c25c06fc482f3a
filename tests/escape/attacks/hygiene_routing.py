# SPDX-License-Identifier: Apache-2.0
"""The intruder speaks to the routers of the outside as one of them, and changes their routes."""
from kit import *


def attack(pot, family):
    src = pot.ip(family)
    groups = ["224.0.0.2", "224.0.0.5", "224.0.0.9", "224.0.0.13", "224.0.0.18"] if family == 4 else \
        ["ff02::2", "ff02::5", "ff02::9", "ff02::d", "ff02::12"]
    for group_ in groups:
        for proto in (88, 89, 103, 112):  # EIGRP, OSPF, PIM, VRRP
            pot.send(*[pot.frame(ip(src, group_, proto, b"\2\1" + b"\0" * 42, ttl=1))] * 5)
        for port in (520, 521, 1985, 2029, 3222):  # RIP, RIPng, HSRP, HSRPv6, GLBP
            pot.send(*[pot.frame(udp(src, port, group_, port, b"\2\2" + b"\0" * 22))] * 5)
