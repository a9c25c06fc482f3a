# SPDX-License-Identifier: Apache-2.0
"""Headers that lie about their length, version or end."""
from kit import *


def attack(pot, out, family, rng):
    for n in range(60):
        p = bytearray(udp(pot.ip(family), 1000 + n, out.ip(family), 9, b"x" * 60))
        if family == 4:
            lies = [(0, 0x44), (0, 0x4f), (0, 0x65), (0, 0x05), (2, 0xff), (3, 10), (24 + 1, 200), (24 + 1, 4)]
        else:
            lies = [(0, 0x40), (0, 0x00), (4, 0xff), (45, 250), (45, 3), (6, 0)]
        at, value = lies[n % len(lies)]
        p[at] = value
        if family == 4 and at < 20:
            p[10:12] = b"\0\0"
            p[10:12] = struct.pack(">H", checksum(bytes(p[:20])))
        kind = b"\x08\0" if family == 4 else b"\x86\xdd"
        pot.send((out.mac + pot.mac + kind + bytes(p)).ljust(60, b"\0"),
                 out.mac + pot.mac + kind + bytes(p[:rng.randrange(8, 20)]))
