# SPDX-License-Identifier: Apache-2.0
"""Sources that no machine can have confuse filters, logs and victims."""
from kit import *

BOGONS = {4: ["0.0.0.1", "10.255.255.1", "127.0.0.1", "169.254.1.1", "192.0.2.1", "224.0.0.1", "239.1.2.3",
              "240.0.0.1", "255.255.255.255", "10.66.0.0", "10.66.0.255"],
          6: ["::1", "::2", "ff02::1", "ff0e::1", "::ffff:10.66.0.5", "::10.66.0.5", "2001:db8::1",
              "fec0::1", "fd66::", "64:ff9b::a42:5", "2002:a42:5::1", "3fff::1"]}


def attack(pot, out, family):
    dst = out.ip(family)
    for src in BOGONS[family]:
        for n in range(10):
            pot.send_packets([tcp(src, 1000 + n, dst, 80), udp(src, 1000 + n, dst, 9), ping(src, dst, n)])
