# SPDX-License-Identifier: Apache-2.0
"""Each new IPv6 link-local address is another identity, without end."""
from kit import *

FAMILIES = (6,)
# Link-local addresses are a honeypot's own, up to four; they share its budget.
ALLOWED = UDP


def attack(pot, out):
    for n in range(200):
        pot.send(pot.frame(udp(f"fe80::{n + 1:x}", 1000 + n, out.ip(6), 9)))
