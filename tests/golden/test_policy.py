# SPDX-License-Identifier: Apache-2.0
"""Data control, offline: the budgets and guards on captures of a honeypot that misbehaves."""

import collections
import datetime
import json

import pytest

from fishbowl import records, run
from make_captures import A4, A6, M4, MS, SECOND, START, W4, W6, clock
from packets import ACK, MAC, PSH, RST, SYN, arp, echo, epb, eth, idb, option, pcap, question, shb, tcp, tcp_talk, udp

HOUR = 3600 * SECOND
CONF = """
outside = "eth0"
inside = {"eth1"}
%s
honeypot "web" { address = {"10.0.0.5", "2001:db8::5"} mac = "02:00:00:00:0b:05" }
honeypot "mail" { address = {"10.0.0.6", "2001:db8::6"} mac = "02:00:00:00:0b:06" }
limit { tcp = "10/h" udp = "20/h" icmp = "20/h" other = "5/h" dns = "60/h" }
"""
V4V6 = pytest.mark.parametrize("inside, outside", [(W4, A4), (W6, A6)])


class Wire:
    """Frames in the order of time, and the verdict that each of them gets."""

    def __init__(self, tmp_path, settings=""):
        self.frames, self.dir, self.settings = [], tmp_path, settings

    def add(self, time_ns, packet, src="w", dst="a", **more):
        self.frames.append((time_ns, eth(packet, src=src, dst=dst, **more)))

    def replay(self):
        (self.dir / "conf").write_text(CONF % self.settings)
        (self.dir / "input.pcap").write_bytes(pcap("ethernet", self.frames, nano=True))
        return records("-c", self.dir / "conf", self.dir / "input.pcap")

    def passed(self):
        """Frames out of or into the honeynet, by flow record; see dropped for the others."""
        return sum(r["flow"]["pkts_toserver"] + r["flow"]["pkts_toclient"] - r["flow"].get("pkts_dropped", 0)
                   for r in self.replay() if r["event_type"] == "flow")


def dropped(made):
    reasons = collections.Counter()
    for r in made:
        if r["event_type"] == "drop":
            reasons[r["drop"]["reason"]] += r["fishbowl"]["count"]
    return reasons


def flows_let_out(made):
    return [r for r in made if r["event_type"] == "flow" and r["fishbowl"]["direction"] == "outbound" and
            r["fishbowl"]["verdict"] == "pass"]


def time_of(record):
    return datetime.datetime.strptime(record["flow"]["start"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()


@V4V6
def test_fifty_connections_ten_pass(tmp_path, inside, outside):
    wire = Wire(tmp_path)
    for i in range(50):
        wire.add(START + i * SECOND, tcp(inside, outside, 40000 + i, 80, SYN))
    made = wire.replay()
    assert len(flows_let_out(made)) == 10
    assert dropped(made) == {"tcp-limit": 40}
    told = [r for r in made if r["event_type"] == "incident"]
    assert [r["incident"]["stage"] for r in told] == ["opened", "raised", "closed"]
    assert [r["fishbowl"].get("reason") for r in told] == ["first-outbound", None, None]
    assert len({r["incident"]["id"] for r in told}) == 1


@V4V6
@pytest.mark.parametrize("step_s", [7, 30, 61, 359, 360, 361])
def test_ten_in_every_sliding_hour(tmp_path, inside, outside, step_s):
    """Three hours of attempts: never an eleventh in any window of an hour, and no slot unused."""
    wire = Wire(tmp_path)
    times = range(0, 3 * 3600, step_s)
    for i, t in enumerate(times):
        wire.add(START + t * SECOND, tcp(inside, outside, 1024 + i, 80, SYN))
    made = sorted(round(time_of(r) - START / SECOND) for r in flows_let_out(wire.replay()))
    expected = []  # the exact sliding log
    for t in times:
        if sum(t - 3600 < e for e in expected) < 10:
            expected.append(t)
    assert made == expected
    for i in range(len(made) - 10):
        assert made[i + 10] - made[i] >= 3600


@V4V6
def test_refused_retransmissions_stay_refused(tmp_path, inside, outside):
    """A refused SYN sent again is not a new attempt, and does not slip through."""
    wire = Wire(tmp_path)
    for i in range(12):
        for again in range(4):
            wire.add(START + i * SECOND + again * 200 * MS, tcp(inside, outside, 40000 + i, 80, SYN))
    made = wire.replay()
    assert len(flows_let_out(made)) == 10
    assert dropped(made) == {"tcp-limit": 8}


@V4V6
def test_replies_to_inbound_are_free(tmp_path, inside, outside):
    """100 inbound connections are answered whatever the budget is, even with none left."""
    wire = Wire(tmp_path)
    for i in range(12):
        wire.add(START + i, tcp(inside, outside, 30000 + i, 80, SYN))
    for i in range(100):
        for up, packet in tcp_talk(outside, inside, 40000 + i, 80):
            wire.add(START + SECOND + i * MS, packet, *("aw" if up else "wa"))
    for i in range(100):
        wire.add(START + 2 * SECOND + i, echo(outside, inside, i, 1), "a", "w")
        wire.add(START + 2 * SECOND + i, echo(inside, outside, i, 1, reply=True))
        wire.add(START + 3 * SECOND + i, udp(outside, inside, 5000 + i, 123), "a", "w")
        wire.add(START + 3 * SECOND + i, udp(inside, outside, 123, 5000 + i))
    assert dropped(wire.replay()) == {"tcp-limit": 2}


@V4V6
def test_roach_motel_lets_nothing_new_out(tmp_path, inside, outside):
    wire = Wire(tmp_path, "roach_motel = true")
    for i in range(20):
        wire.add(START + i, tcp(inside, outside, 40000 + i, 80, SYN))
        wire.add(START + i, udp(inside, outside, 40000 + i, 4000))
        wire.add(START + i, echo(inside, outside, i, 1))
    for up, packet in tcp_talk(outside, inside, 50000, 80):
        wire.add(START + SECOND, packet, *("aw" if up else "wa"))
    made = wire.replay()
    assert not flows_let_out(made)
    assert dropped(made) == {"roach-motel": 60}


def test_spoofed_sources(tmp_path):
    wire = Wire(tmp_path)
    wire.add(START, tcp("10.9.9.9", A4, 1, 80, SYN))
    wire.add(START + 1, tcp("2001:db8:bad::1", A6, 1, 80, SYN))
    wire.add(START + 2, udp("192.0.2.1", A4, 1, 53))
    wire.add(START + 3, tcp(W4, A4, 1, 80, SYN), src="m")  # web's address from mail's machine
    wire.add(START + 4, arp(2, MAC["w"], "10.0.0.1", MAC["m"], M4), "w", "m", ethertype=0x0806)
    made = wire.replay()
    assert not flows_let_out(made)
    assert sum(dropped(made).values()) == 5
    assert set(dropped(made)) <= {"spoofed-ip", "spoofed-mac", "spoofed-arp"}


def test_fence(tmp_path):
    wire = Wire(tmp_path, 'fence = {"203.0.113.0/24", "2001:db8:f::/48"}')
    wire.add(START, tcp(W4, "203.0.113.9", 1, 22, SYN))
    wire.add(START, tcp(W4, "203.0.114.9", 1, 22, SYN))
    wire.add(START, udp(W6, "2001:db8:f::1", 1, 22))
    made = wire.replay()
    assert dropped(made) == {"fence": 2}
    assert len(flows_let_out(made)) == 1


def test_budgets_are_per_honeypot_and_protocol(tmp_path):
    wire = Wire(tmp_path, 'resolvers = {"198.51.100.53"}')
    for i in range(70):
        for n, (src, letter) in enumerate(((W4, "w"), (M4, "m"))):
            at = START + i * MS + n
            wire.add(at, tcp(src, A4, 1024 + i, 80, SYN), letter)
            wire.add(at, udp(src, A4, 1024 + i, 99), letter)
            wire.add(at, echo(src, A4, i, 1), letter)
            wire.add(at, udp(src, "198.51.100.53", 1024 + i, 53, question()), letter)
    made = wire.replay()
    assert dropped(made) == {"tcp-limit": 120, "udp-limit": 100, "icmp-limit": 100, "dns-limit": 20}


def test_middle_of_a_connection_does_not_leave(tmp_path):
    """Outbound packets of a connection that nobody saw begin."""
    wire = Wire(tmp_path)
    wire.add(START, tcp(W4, A4, 40000, 80, PSH | ACK, data=b"x"))
    wire.add(START, tcp(W4, A4, 40001, 80, RST | ACK))
    made = wire.replay()
    assert sum(dropped(made).values()) == 2


def comments(verdicts):
    return [option(1, v.encode()) + option(0, b"") for v in verdicts]


def test_check_verdicts(tmp_path):
    """A gateway's capture: ports by interface, recorded verdicts compared, copies not judged twice."""
    out = shb() + idb("ethernet", name="outside", tsresol=9) + idb("ethernet", name="inside", tsresol=9)
    said = ["pass within-budget flow 1"] * 10 + ["drop tcp-limit flow 2", "pass within-budget flow 3",
                                                 "drop capture-ring-full"]
    for i, comment in enumerate(comments(said)):
        out += epb(1, START + i, eth(tcp(W4, A4, 40000 + i, 80, SYN), src="w", dst="a"), options=comment)
    copy = option(2, b"\2\0\0\0") + option(0, b"")
    out += epb(0, START + 20, eth(tcp(W4, A4, 40000, 80, SYN), src="w", dst="a"), options=copy)
    (tmp_path / "x.pcapng").write_bytes(out)
    (tmp_path / "conf").write_text(CONF % "")
    done = run("-o", "-", "-c", tmp_path / "conf", "--check-verdicts", tmp_path / "x.pcapng")
    assert done.returncode == 1
    assert "frame 12: recorded 'pass within-budget flow 3', now 'drop tcp-limit'" in done.stderr
    assert "that are the same now 11, that are not 1, of the gateway's own trouble, not comparable 1" in " ".join(done.stderr.split())
    assert "outbound copies 1" in done.stderr


def test_without_configuration_nothing_is_judged(tmp_path):
    (tmp_path / "x.pcap").write_bytes(pcap("ethernet", clock(
        [eth(tcp(W4, A4, 40000 + i, 80, SYN), src="w", dst="a") for i in range(50)])))
    made = [r for r in records(tmp_path / "x.pcap") if r["event_type"] != "fingerprint"]
    assert {r["event_type"] for r in made} == {"flow", "incident"}
    assert sum(r["event_type"] == "flow" for r in made) == 50
    assert all("verdict" not in r["fishbowl"] and r["fishbowl"]["direction"] == "outbound" for r in made)
    for home, external, direction in (("any", "any", None), ("[10.0.0.0/8,198.51.100.0/24]", None, "internal"),
                                      ("198.51.100.0/24", "!$HOME_NET", "inbound")):
        args = ["--home", home] + (["--external", external] if external else [])
        assert {r.get("fishbowl", {}).get("direction") for r in records(*args, tmp_path / "x.pcap")} == {direction}


def test_a_full_flow_table_is_said(tmp_path):
    """Bounded memory: later conversations have no record of their own, and the summary counts them."""
    wire = Wire(tmp_path, "flow { max = 64 }")
    for i in range(1000):
        wire.add(START + i, udp(A4, W4, 1024 + i, 7), "a", "w")
    wire.replay()
    done = run("-o", "-", "-c", tmp_path / "conf", tmp_path / "input.pcap")
    flows = done.stdout.count('"event_type":"flow"')
    assert flows <= 64
    assert f"no flow     {1000 - flows} frames" in done.stderr
    assert "1000 passed, 0 dropped" in done.stderr


def test_same_bytes_every_time(tmp_path):
    """Twice, from different directories and under different names: the same records."""
    frames = []
    for i in range(300):
        frames += [(START + i * MS, eth(tcp(W4, f"198.51.{i % 7}.{i % 200}", 1024 + i, 80, SYN), src="w", dst="a")),
                   (START + i * MS, eth(udp(f"198.51.{i % 9}.{i % 99}", W4, 99, i)))]
    made = []
    for name in ("one", "another/place"):
        where = tmp_path / name
        where.mkdir(parents=True)
        (where / "conf").write_text(CONF % "")
        (where / "input.pcap").write_bytes(pcap("ethernet", frames))
        done = run("-o", where / "out", "-c", where / "conf", where / "input.pcap", cwd=where,
                   env={"HOME": str(where), "TZ": "Asia/Tokyo" if "/" in name else "UTC"})
        assert done.returncode == 0, done.stderr
        made.append(((where / "out" / "eve.json").read_bytes(), done.stderr))
    assert made[0] == made[1]
    assert all(json.loads(line) for line in made[0][0].splitlines())
