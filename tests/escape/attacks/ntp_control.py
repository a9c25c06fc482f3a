# SPDX-License-Identifier: Apache-2.0
"""NTP modes 6 and 7, symmetric and broadcast modes, and noise, to the configured server."""
from kit import *

POLICY = policy('ntp_servers = {"203.0.113.123", "2001:db8:113::123"}\n', ntp="3/h")
SERVER = {4: "203.0.113.123", 6: "2001:db8:113::123"}


def attack(pot, family, rng):
    for n in range(10):
        for first in (0x16, 0x17, 0x26, 0x27, 0x21, 0x22, 0x24, 0x25, 0x20):
            pot.send_packets([udp(pot.ip(family), 123, SERVER[family], 123, bytes([first]) + rng.randbytes(47))])
        pot.send_packets([udp(pot.ip(family), 123, SERVER[family], 123, body)
                          for body in (b"", b"\x23", b"\x23" + rng.randbytes(200), rng.randbytes(30))])
