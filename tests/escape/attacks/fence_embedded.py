# SPDX-License-Identifier: Apache-2.0
"""IPv6 addresses that hold a fenced IPv4 address (6to4, NAT64, Teredo, ISATAP) are taken there by a relay."""
from kit import *

FAMILIES = (6,)


def attack(pot, out):
    v4 = packed(FENCED[4])
    turned = bytes(b ^ 255 for b in v4)
    for dst in (b"\x20\2" + v4 + b"\0" * 9 + b"\1", b"\0\x64\xff\x9b" + b"\0" * 8 + v4,
                b"\0\x64\xff\x9b\0\1" + b"\0" * 6 + v4, b"\x20\1\0\0" + v4 + b"\x80\0\x12\x34" + packed(out.ip(4)),
                b"\x20\1\0\0" + packed(out.ip(4)) + b"\x80\0\xf0\xf0" + turned,
                packed("2001:db8::")[:8] + b"\0\0\x5e\xfe" + v4, packed("2001:db8::")[:8] + b"\2\0\x5e\xfe" + v4,
                b"\0" * 10 + b"\xff\xff" + v4, b"\0" * 12 + v4, b"\0" * 8 + b"\xff\xff\0\0" + v4):
        dst = str(ipaddress.ip_address(dst))
        for n in range(10):
            pot.send_packets([tcp(pot.ip(6), 1000 + n, dst, 80), udp(pot.ip(6), 1000 + n, dst, 9),
                              ping(pot.ip(6), dst, n)])
