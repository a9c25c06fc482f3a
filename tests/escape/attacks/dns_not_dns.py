# SPDX-License-Identifier: Apache-2.0
"""Port 53 of the resolver takes anything: an OpenVPN, noise, answers, several questions, trailing bytes."""
from kit import *

POLICY = policy(dns="500/h")


def attack(pot, out, family, rng):
    good = question("www.example.com")
    bodies = [b"", b"\x38" + rng.randbytes(60), rng.randbytes(400), good[:9], good[:-3], good + rng.randbytes(300),
              question("www.example.com", head=0x8180), question("www.example.com", counts=(0, 0, 0, 0)),
              question("www.example.com", counts=(2, 0, 0, 0)), question("www.example.com", counts=(1, 1, 1, 1)),
              question("www.example.com", head=0x2800), question("www.example.com", head=0x7800),
              question(b"\xc0\x0c"), question(b"\x40" + b"x" * 64 + b"\0")]
    for n in range(5):
        pot.send_packets([udp(pot.ip(family), 1000 + n, RESOLVER[family], 53, body) for body in bodies])
