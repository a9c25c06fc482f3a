# SPDX-License-Identifier: Apache-2.0
"""A TTL of 0 or 1 and multicast look like what a host says to its own link, which is not counted."""
from kit import *

ALLOWED, COUNT = TCP + UDP + ICMP + OTHER, conversations


def attack(pot, out, family):
    src = pot.ip(family)
    groups = ("224.0.0.1", "224.0.0.251", "239.1.1.1") if family == 4 else ("ff02::1", "ff02::16", "ff05::1")
    for n in range(40):
        for dst in (*groups, out.ip(family)):
            for ttl in (0, 1, 255):
                ports = struct.pack(">HHHH", 1000 + n, 5353, 48, 0) + b"loot" * 10
                mac = out.mac if dst == out.ip(family) else group(dst)
                for proto in (17, 103, 88, 89, 112):
                    pot.send(ethernet(mac, pot.mac, ip(src, dst, proto, ports, ttl)))
                pot.send(ethernet(mac, pot.mac, icmp(src, dst, 8 if family == 4 else 128,
                                                     struct.pack(">HH", n, 1), ttl=ttl)))
