# SPDX-License-Identifier: Apache-2.0
"""Two hundred questions for the time, each with 40 bytes of loot."""
from kit import *

ALLOWED, AT_LEAST = 3, 1
POLICY = policy('ntp_servers = {"203.0.113.123", "2001:db8:113::123"}\n', ntp="3/h")
SERVER = {4: "203.0.113.123", 6: "2001:db8:113::123"}


def attack(pot, family, rng):
    pot.send_packets([udp(pot.ip(family), 123, SERVER[family], 123, b"\x23" + b"\0" * 39 + rng.randbytes(8))
                      for _ in range(200)])
