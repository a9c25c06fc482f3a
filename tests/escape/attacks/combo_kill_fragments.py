# SPDX-License-Identifier: Apache-2.0
"""The gate dies between the fragments of a datagram: the rest is taken for part of one that was judged."""
from kit import *

# UDP datagrams of four fragments; what waits when the gate dies is lost.
ALLOWED, COUNT = UDP * 4, len


def attack(pot, out, gw, family):
    for n in range(6):
        parts = fragments(udp(pot.ip(family), 1000 + n, out.ip(family), 9, b"x" * 248), 64, n + 1)
        pot.send_packets(parts[:2])
        if n % 2:
            gw.kill("fb-gate")
            gw.wait_up()
        pot.send_packets(parts[2:])
        pot.send_packets(fragments(udp(pot.ip(family), 1000 + n, FENCED[family], 9, b"x" * 248), 64, n + 1)[1:])
