# SPDX-License-Identifier: Apache-2.0
"""Every port of a machine from one source port."""
from kit import *

ALLOWED, AT_LEAST = TCP + UDP, 2


def attack(pot, out, family):
    src, dst = pot.ip(family), out.far(family)
    pot.send_packets([make(src, 999, dst, port) for port in range(1, 400) if port not in (53, 123)
                      for make in (tcp, udp)])
