# SPDX-License-Identifier: Apache-2.0
"""IP inside 802.2 LLC and SNAP is not recognised as IP."""
from kit import *


def attack(pot, out, family):
    kind = b"\x08\0" if family == 4 else b"\x86\xdd"
    sap = b"\x06" if family == 4 else b"\x42"
    for n in range(50):
        packet = tcp(pot.ip(family), 1000 + n, out.ip(family), 80)
        for head in (b"\xaa\xaa\3\0\0\0" + kind, b"\xaa\xaa\3\0\0\xf8" + kind, sap + sap + b"\3"):
            body = head + packet
            pot.send(out.mac + pot.mac + struct.pack(">H", len(body)) + body)
