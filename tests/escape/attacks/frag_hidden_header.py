# SPDX-License-Identifier: Apache-2.0
"""The transport header stands in the second fragment, behind extension headers or options."""
from kit import *


def attack(pot, out, family):
    for n in range(60):
        if family == 6:
            packet = extension(tcp(pot.ip(6), 1000 + n, out.ip(6), 80), (60, b"\1\x7a" + b"\0" * 122))
            pot.send_packets(fragments(packet, 64, n + 1))
        else:
            packet = ah(tcp(pot.ip(4), 1000 + n, out.ip(4), 80), n)
            pot.send_packets(fragments(packet, 24, n + 1))
