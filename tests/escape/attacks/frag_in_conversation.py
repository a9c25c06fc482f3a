# SPDX-License-Identifier: Apache-2.0
"""Within an allowed connection fragments without first, without end, and of another protocol."""
from kit import *


def attack(pot, out, family):
    src, dst = inbound(pot, out, family)
    out.forget()
    for n in range(50):
        packet = tcp(src, 22, dst, 4000, "PA", 2, 101, b"x" * 200)
        parts = fragments(packet, 64, n + 1)
        pot.send_packets(parts[1:] if n % 2 else parts[:-1])
