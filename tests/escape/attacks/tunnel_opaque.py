# SPDX-License-Identifier: Apache-2.0
"""What cannot be read inside (ESP, IPsec over UDP, WireGuard, OpenVPN) carries out what it likes."""
from kit import *

# Each of the conversations that the budgets let out, as long as nobody answers.
ALLOWED, AT_LEAST = (UDP + OTHER) * 8, 1
POLICY = policy(unanswered=8)


def attack(pot, out, family, rng):
    src = pot.ip(family)
    for n in range(40):
        for host in range(1, 8):
            dst = out.far(family, host)
            pot.send_packets([ip(src, dst, 50, struct.pack(">II", 7, n) + rng.randbytes(200)),
                              udp(src, 4500, dst, 4500, struct.pack(">II", 7, n) + rng.randbytes(200)),
                              udp(src, 51820, dst, 51820, b"\4\0\0\0" + rng.randbytes(200))])
