# SPDX-License-Identifier: Apache-2.0
"""A limit that was raised and lowered again has forgotten what was used up."""
from kit import *

# 20 of the raised limit; nothing more when it is lowered.
ALLOWED = AT_LEAST = 20


def attack(pot, out, gw, family):
    for n, limit in enumerate(("3/h", "20/h", "3/h", "20/h")):
        gw.stop()
        gw.configure(policy(tcp=limit))
        gw.start()
        pot.send_packets(syns(pot.ip(family), out.far(family), 60, 1000 * n + 1000))
