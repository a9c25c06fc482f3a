# SPDX-License-Identifier: Apache-2.0
"""What the gateway captured, replayed with its configuration: the same verdict for every packet, and the
same conversations and drops in the flow log."""
import collections
import json
import random
import subprocess

import pytest

import raw
from lab import FISHBOWL, Lab, can_run, wait_for

pytestmark = pytest.mark.skipif(can_run() is not None, reason=str(can_run()))

OUT4, OUT6 = "10.66.0.200", "fd66::200"
POTS = 2


def own(i, family):
    return f"10.66.0.{5 + i}" if family == 4 else f"fd66::{5 + i:x}"


def some_packet(choose):
    """-> (honeypot or None for the outside, packet)"""
    family = choose.choice((4, 6))
    i, outside = choose.randrange(POTS), (OUT4 if family == 4 else OUT6)
    pot, port = own(i, family), choose.randrange(40000, 40040)
    inbound = choose.random() < 0.4
    src, dst = (outside, pot) if inbound else (pot, choose.choice((outside, own(1 - i, family))))
    if not inbound and choose.random() < 0.1:
        src = "10.66.0.77" if family == 4 else "fd66::77"
    kind = choose.randrange(6)
    if kind < 2:
        packet = raw.tcp(src, port, dst, 80, choose.choice(("S", "S", "A", "SA", "R", "FA")))
    elif kind == 2:
        packet = raw.tcp(src, 80, dst, port, choose.choice(("SA", "A", "FA")))
    elif kind == 3:
        packet = raw.udp(src, port, dst, choose.choice((53, 123, 4000)))
    elif kind == 4:
        packet = raw.ping(src, dst, port)
    else:
        packet = raw.ip(src, dst, 11, b"secret" * 8)
    return (None if inbound else i), packet


@pytest.fixture(scope="module")
def run_of_the_gateway(tmp_path_factory):
    """(directory of the replay, its output on standard error, records live, records replayed)"""
    choose = random.Random(4711)
    with Lab(pots=POTS, extra='fence = {"10.66.0.99", "fd66::99"}') as lab:
        raw.silence(lab)
        gateway = lab.start()
        outside = raw.Nic(lab.ns("attacker"), "out")
        inside = [raw.Nic(lab.ns(f"pot{i}"), "eth0") for i in range(POTS)]
        for _ in range(1500):
            i, packet = some_packet(choose)
            nic, peer = (outside, inside[0]) if i is None else (inside[i], outside)
            nic.send(raw.ethernet(peer.mac, nic.mac, packet))
        wait_for(lambda: outside.take_quiet() is not None)
        assert gateway.stop() == 0
        live = gateway.journal()
        out = tmp_path_factory.mktemp("replay")
        done = subprocess.run([FISHBOWL, "replay", "-c", lab.conf, "--check-verdicts", "-o", out,
                               *gateway.segments()], stderr=subprocess.PIPE, text=True, check=False)
        replayed = [json.loads(line) for line in (out / "eve.json").read_text().splitlines()]
        yield done, live, replayed


def test_same_verdict_for_every_packet(run_of_the_gateway):
    done, _, _ = run_of_the_gateway
    assert done.returncode == 0, done.stderr
    frames = int(done.stderr.split("frames", 1)[1].split()[0])
    assert frames >= 1500
    assert f"recorded    verdicts in the capture that are the same now {frames}\n" in done.stderr


def keyed(records, kind, *fields):
    found = collections.Counter()
    for r in records:
        if r["event_type"] != kind:
            continue
        key = [r.get(name) for name in ("src_ip", "src_port", "dest_ip", "dest_port", "proto", "icmp_type")]
        key += [r["fishbowl"].get(name) for name in ("honeypot", "direction", "verdict", "reason")]
        for path in fields:
            value = r
            for part in path.split("."):
                value = value.get(part, 0)
            key.append(value)
        found[tuple(key)] += 1
    return found


def test_same_conversations(run_of_the_gateway):
    _, live, replayed = run_of_the_gateway
    fields = ["flow." + name for name in ("pkts_toserver", "pkts_toclient", "bytes_toserver", "bytes_toclient",
                                          "state", "pkts_dropped", "start", "end")]
    mine, theirs = keyed(live, "flow", *fields), keyed(replayed, "flow", *fields)
    assert mine and mine == theirs


def test_same_incidents_and_drops(run_of_the_gateway):
    """Which incidents were opened: how they grow is told by the clock, and live they go on. Drops by reason: one record
    or a series, the frames are the same."""
    _, live, replayed = run_of_the_gateway
    opened = [[r for r in records if r.get("incident", {}).get("stage") == "opened"] for records in (live, replayed)]
    assert opened[0] and keyed(opened[0], "incident") == keyed(opened[1], "incident")
    frames = [collections.Counter(), collections.Counter()]
    for records, into in zip((live, replayed), frames):
        for r in records:
            if r["event_type"] == "drop":
                into[r["drop"]["reason"]] += r["fishbowl"]["count"]
    assert frames[0] and frames[0] == frames[1]
