# SPDX-License-Identifier: Apache-2.0
"""Where the program under test and the shared captures are; running a replay."""

import json
import os
import subprocess

from packets import pcap

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("FISHBOWL_BUILD", os.path.join(ROOT, "build"))
FISHBOWL = os.path.join(BUILD, "src", "cmd", "fishbowl", "fishbowl")
SHARED = os.environ.get("FISHBOWL_SHARED", os.path.join(ROOT, "..", "shared"))
PCAPS = os.path.join(SHARED, "data", "pcaps")
RULES = os.path.join(ROOT, "data", "rules", "outbound.rules")


def captures():
    """Names of the captures from elsewhere; none where they are absent."""
    if not os.path.isdir(PCAPS):
        return []
    return sorted(f for f in os.listdir(PCAPS) if f.endswith((".pcap", ".cap", ".pcapng")))


def run(*args, **more):
    return subprocess.run([FISHBOWL, "replay", *map(str, args)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=120, **more)


def records(*args):
    """The records of a replay that must succeed."""
    done = run("-o", "-", *args)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def replay_packets(tmp_path, packets, *args, link="raw"):
    """The records of these packets (of IP, if link does not say otherwise), ten milliseconds apart, with the rules that come with
    Fishbowl."""
    capture = tmp_path / "capture.pcap"
    capture.write_bytes(pcap(link, [(10**18 + n * 10**7, packet) for n, packet in enumerate(packets)]))
    return records("--rules", RULES, *args, capture)


def bodies(found, kind):
    """What records of this type say beside what all do."""
    return [record[kind] for record in found if record["event_type"] == kind]
