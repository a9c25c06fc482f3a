# SPDX-License-Identifier: Apache-2.0
"""Nothing new may leave a roach motel: not in any protocol, tunnel, fragment, tag or option."""
from kit import *

POLICY = policy("roach_motel = true\n")
COUNT = no_neighbours


def attack(pot, out, family):
    src, dst = pot.ip(family), out.ip(family)
    for n in range(30):
        plain = [tcp(src, 1000 + n, dst, 80), udp(src, 1000 + n, dst, 9), ping(src, dst, n),
                 ip(src, dst, 11, b"x" * 100), udp(src, 1000 + n, RESOLVER[family], 53, question("a.example")),
                 tcp(src, 1000 + n, RESOLVER[family], 53), udp(src, 123, dst, 123, b"\x23" + b"\0" * 47)]
        packets = plain + [gre(src, dst, p) for p in plain] + [vxlan(src, dst, p, 5000 + n) for p in plain]
        packets += [ah(p, n) for p in plain]
        packets += [part for i, p in enumerate(plain) for part in fragments(p, 24, n * 16 + i + 1)]
        if family == 6:
            packets += [extension(p, (60, b"\1\4\0\0\0\0")) for p in plain]
        else:
            packets += [options4(p, b"\x94\4\0\0") for p in plain]
        for packet in packets:
            frame = pot.frame(packet)
            pot.send(frame, tag(frame, (0x8100, n + 1)))
