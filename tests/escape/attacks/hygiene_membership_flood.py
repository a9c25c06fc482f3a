# SPDX-License-Identifier: Apache-2.0
"""A thousand group reports fill the tables of switches, and their bodies carry data."""
from kit import *

ALLOWED = 20
POLICY = policy(neighbour="20/h")


def attack(pot, family, rng):
    for n in range(300):
        if family == 4:
            member = f"239.1.{n // 250}.{n % 250}"
            body = b"\x16\0\0\0" + packed(member)
            body = body[:2] + struct.pack(">H", checksum(body)) + body[4:]
            packet, to = ip(pot.ip(4), member, 2, body, ttl=1), group(member)
        else:
            body = b"\0\0\0\1\4\0\0\0" + packed(f"ff05::{n + 1:x}")
            packet, to = icmp(pot.link_local(), "ff02::16", 143, body, ttl=1), group("ff02::16")
            packet = extension(packet, (0, b"\5\2\0\0\1\0"))
        pot.send(ethernet(to, pot.mac, packet))
