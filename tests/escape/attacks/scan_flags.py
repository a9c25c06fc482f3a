# SPDX-License-Identifier: Apache-2.0
"""FIN, NULL, Xmas, Maimon, ACK, window and odd flags find ports without a SYN."""
from kit import *

# A SYN with ECE and CWR is one that asks for ECN (RFC 3168): the only one here that may begin anything.
ALLOWED = TCP


def attack(pot, out, family):
    src, dst = pot.ip(family), out.far(family)
    for n in range(10):
        pot.send_packets([flags(tcp(src, 1000 + n * 600 + bits, dst, 80 + n), bits)
                          for bits in range(512) if bits & 0x12 != 2 or bits & 5])
    pot.send_packets([flags(tcp(src, 900 + n, dst, 80), 0xc2) for n in range(60)])
