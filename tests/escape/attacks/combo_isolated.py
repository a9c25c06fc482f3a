# SPDX-License-Identifier: Apache-2.0
"""An isolated honeypot answers: connections, echo, ARP and neighbour solicitations, errors, DHCP."""
from kit import *

POT0 = "isolate = true"
CONTROL = (1,)


def attack(pot, out, family):
    src, dst = pot.ip(family), out.ip(family)
    for n in range(30):
        out.send_packet(tcp(dst, 2000 + n, src, 22))
        out.send_packet(udp(dst, 2000 + n, src, 9))
        out.send_packet(ping(dst, src, n))
    pot.take(90, 1)
    for n in range(30):
        pot.send_packets([tcp(src, 22, dst, 2000 + n, "SA", 1, 2), udp(src, 9, dst, 2000 + n),
                          icmp(src, dst, 0 if family == 4 else 129, struct.pack(">HH", n, 1) + b"ping"),
                          tcp(src, 1000 + n, dst, 80), udp(src, 1000 + n, RESOLVER[family], 53, question("a.example"))])
        if family == 4:
            pot.send(ethernet(BROADCAST, pot.mac, arp(pot.mac, src, dst), 0x0806),
                     ethernet(BROADCAST, pot.mac, udp("0.0.0.0", 68, "255.255.255.255", 67, b"\1\1\6\0" + b"\0" * 240)))
        else:
            pot.send(ethernet(out.mac, pot.mac, advertisement(src, dst, src, pot.mac)),
                     ethernet(group("ff02::1"), pot.mac, advertisement(pot.link_local(), "ff02::1", pot.link_local(),
                                                                       pot.mac)))
