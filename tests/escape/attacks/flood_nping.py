# SPDX-License-Identifier: Apache-2.0
"""nping floods with TCP, UDP and ICMP at once."""
from kit import *

ALLOWED, AT_LEAST, COUNT = TCP + UDP + ICMP, 1, conversations


def attack(pot, out, family):
    six = "-6 " if family == 6 else ""
    mac = ":".join(f"{b:02x}" for b in out.mac)
    own = ":".join(f"{b:02x}" for b in pot.mac)
    common = (f"nping {six}-q -N -e eth0 --send-eth --source-mac {own} --dest-mac {mac} --rate 400 "
              f"-S {pot.host(family)} {out.far(family)} ")
    pot.run(common + "--tcp --flags syn -p 1-100 -g 4000 -c 1", 4)
    pot.run(common + "--udp -p 1000-1099 -g 4000 -c 1", 4)
    pot.run(common + ("--icmp -c 100" if family == 4 else "--tcp --flags syn -p 200-300 -c 1"), 4)
