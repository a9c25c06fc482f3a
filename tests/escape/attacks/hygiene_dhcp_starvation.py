# SPDX-License-Identifier: Apache-2.0
"""A thousand questions take all addresses that the DHCP server outside has."""
from kit import *

ALLOWED = 4
POLICY = policy(dhcp="4/h")


def attack(pot, family, rng):
    for n in range(300):
        if family == 4:
            chaddr = pot.mac if n % 2 else bytes([2]) + rng.randbytes(5)
            body = b"\1\1\6\0" + rng.randbytes(4) + b"\0\0\x80\0" + b"\0" * 16 + chaddr + b"\0" * 202 + \
                b"\x63\x82\x53\x63\x35\1\1\xff"
            pot.send(ethernet(BROADCAST, pot.mac, udp("0.0.0.0", 68, "255.255.255.255", 67, body)))
        else:
            body = b"\1" + rng.randbytes(3) + b"\0\1\0\x0e\0\1\0\1" + rng.randbytes(10) + b"\0\6\0\2\0\x17"
            pot.send(ethernet(group("ff02::1:2"), pot.mac,
                              udp(pot.link_local(), 546, "ff02::1:2", 547, body)))
