# SPDX-License-Identifier: Apache-2.0
"""Records for other tools: eve_file under both forms of logrotate, eve_socket with readers that are slow,
go and come back, syslog; and `fishbowl events` beside and without the gateway."""
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

import pytest

from lab import FISHBOWL, Lab, run, wait_for
from test_run import POT, PORT, TRAFFIC, traffic

STRANGER = 61999


@pytest.fixture
def lab():
    with Lab(extra='flow { tcp_closed = "1s" }') as lab:
        lab.dir.chmod(0o755)
        server = lab.spawn("pot0", [sys.executable, TRAFFIC, "echo", PORT], stdout=subprocess.PIPE)
        assert server.stdout.readline() == b"ready\n"
        yield lab


def seqs(lines):
    """Each line is one JSON record; their numbers."""
    return [json.loads(line)["fishbowl"]["seq"] for line in lines if line]


def make_records(lab, n=20):
    """`n` conversations that end at once, so that their records come soon."""
    for _ in range(n):
        traffic(lab, "attacker", "tcp", POT, PORT, 100)


def journal_seqs(gw):
    return [record["fishbowl"]["seq"] for record in gw.journal()]


class Reader(threading.Thread):
    """A listening unix stream socket that keeps what it gets, connection by connection."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        path.unlink(missing_ok=True)
        self.listener.bind(str(path))
        path.chmod(0o777)
        self.listener.listen(4)
        self.data, self.paused, self.connection = b"", False, None
        self.start()

    def run(self):
        try:
            self.connection = self.listener.accept()[0]
            while True:
                while self.paused:
                    time.sleep(0.05)
                got = self.connection.recv(65536)
                if not got:
                    return
                self.data += got
        except OSError:
            pass

    def lines(self):
        return self.data.split(b"\n")[:-1]

    def close(self):
        self.listener.close()
        if self.connection:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.connection.close()


def test_eve_file_rotated_by_rename_and_by_truncation(lab):
    directory = lab.dir / "eve"
    directory.mkdir()
    directory.chmod(0o777)
    eve = directory / "eve.json"
    lab.write_conf(eve_file=f'"{eve}"')
    gw = lab.start()
    make_records(lab)
    wait_for(lambda: eve.stat().st_size > 0)
    # logrotate: rename, and nobody makes a new one
    eve.rename(directory / "eve.json.1")
    make_records(lab)
    wait_for(eve.exists, 5)
    # logrotate `create`: rename, and a new empty file of another owner is there already
    eve.rename(directory / "eve.json.2")
    eve.touch()
    eve.chmod(0o666)
    make_records(lab)
    wait_for(lambda: eve.stat().st_size > 0, 15)
    # logrotate `copytruncate`
    time.sleep(1)
    before = eve.read_bytes()
    os.truncate(eve, 0)
    make_records(lab)
    assert gw.stop() == 0
    after = eve.read_bytes()
    assert not after.startswith(b"\0")
    numbers = seqs((directory / "eve.json.1").read_bytes().splitlines()
                   + (directory / "eve.json.2").read_bytes().splitlines()
                   + before.splitlines() + after.splitlines())
    assert numbers == journal_seqs(gw)


def test_eve_socket_slow_gone_and_back(lab):
    path = lab.dir / "eve.sock"
    lab.write_conf(eve_socket=f'"{path}"')
    reader = Reader(path)
    gw = lab.start()
    make_records(lab)
    reader.paused = True
    make_records(lab, 50)
    reader.paused = False
    wait_for(lambda: len(reader.lines()) >= len(gw.journal()) - 2, 10)
    first = seqs(reader.lines())
    assert first == journal_seqs(gw)[:len(first)]
    reader.close()
    make_records(lab)
    again = Reader(path)
    wait_for(lambda: again.lines(), 10)
    make_records(lab, 5)
    assert gw.stop() == 0
    again.join(5)
    second = seqs(again.lines())
    # What came between was kept (it is little); the last line to the first reader may be lost.
    journal = journal_seqs(gw)
    assert second == journal[journal.index(second[0]):]
    assert second[0] - first[-1] <= 40
    again.close()


@pytest.mark.skipif(os.path.exists("/dev/log"), reason="this machine has a syslog daemon")
def test_syslog(lab):
    """Calm without a daemon; with one a line for each incident and control record."""
    gw = lab.start()
    make_records(lab, 3)
    time.sleep(1.5)
    assert gw.output().count("/dev/log") == 1
    assert not [r for r in gw.journal() if r["fishbowl"].get("reason") == "output-lost"]
    daemon = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    daemon.bind("/dev/log")
    try:
        os.chmod("/dev/log", 0o666)
        daemon.settimeout(10)
        time.sleep(1.1)
        gw.kill("fb-tap")
        while "fb-tap process died" not in (line := daemon.recv(2048).decode()):
            assert line.startswith("<") and "fishbowl: " in line, line
        assert int(line[1:line.index(">")]) >> 3 == 3  # facility daemon
    finally:
        daemon.close()
        os.unlink("/dev/log")
    gw.wait_up()
    assert gw.stop() == 0


def events(lab, *args, **more):
    return run([FISHBOWL, "events", "-c", lab.conf, *args], **more)


def as_user(uid, gid, *command):
    return run(["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--", *command],
               check=False)


def test_events(lab):
    gw = lab.start()
    make_records(lab, 5)
    wait_for(lambda: "fb-gate" in events(lab).stdout)

    def flows():
        return [json.loads(x) for x in events(lab, "--json", "-t", "flow").stdout.splitlines()]

    for round in ("while it runs", "after it"):
        if round == "after it":
            assert gw.stop() == 0
        assert all(f["event_type"] == "flow" for f in flows())
        assert len(events(lab, "--json", "-n", "3").stdout.splitlines()) == 3
        everything = [json.loads(x) for x in events(lab, "--json", "-n", "0").stdout.splitlines()]
        assert [r["timestamp"] for r in everything] == sorted(r["timestamp"] for r in everything)
        assert events(lab, "-t", "control").stdout.count("fb-gate") >= 1
        assert events(lab, "--honeypot", "nobody").stdout == ""
        assert events(lab, "--json", "--host", "203.0.113.9").stdout == ""
        assert events(lab, "--json", "--from", "2000-01-01", "--to", "2000-01-02").stdout == ""
    tcp = [f for f in flows() if f["proto"] == "TCP"]
    assert len(tcp) == 5
    for question, want in ((["--host", "10.66.0.1"], True), (["--peer", "10.66.0.5"], True),
                           (["--host", "10.66.0.0/24", "--port", str(PORT)], True),
                           (["--proto", "udp"], False), (["--port", "1"], False),
                           (["--flow", str(tcp[0]["flow_id"])], True)):
        got = [json.loads(x)["flow_id"] for x in
               events(lab, "--json", "-t", "flow", "-n", "0", *question).stdout.splitlines()]
        assert (tcp[0]["flow_id"] in got) == want, question


def test_events_follows(lab):
    gw = lab.start()
    follow = subprocess.Popen([FISHBOWL, "events", "-c", lab.conf, "--follow", "--json", "-n", "1",
                               "-t", "control"], stdout=subprocess.PIPE)
    lab.started.append(follow)
    follow.stdout.readline()
    time.sleep(1)
    for _ in range(2):
        gw.kill("fb-tap")
        at = time.monotonic()
        line = json.loads(follow.stdout.readline())
        assert time.monotonic() - at < 1 and line["event_type"] == "control"
        gw.wait_up()
        time.sleep(1)
    follow.terminate()
    assert gw.stop() == 0


@pytest.mark.parametrize("wrong", [["--port", "70000"], ["--host", "x"], ["--from", "soon"], ["-t", "x"],
                                   ["--severity", "x"], ["--proto", "x"], ["-n", "x"],
                                   ["--reason", "x"], ["--flow", "x"], ["rest"]])
def test_events_wrong_arguments(lab, wrong):
    done = events(lab, *wrong, check=False)
    assert done.returncode not in (0, 1) and done.stdout == ""
    assert done.stderr.startswith("fishbowl events: ") and wrong[-1] in done.stderr, done.stderr


def test_events_of_no_store_and_for_others(lab):
    done = events(lab, check=False)
    assert done.returncode != 0 and str(lab.state) in done.stderr, done.stderr
    gw = lab.start()
    gid = (lab.state / "db").stat().st_gid
    make_records(lab, 3)
    wait_for(lambda: events(lab, "-t", "flow").stdout)
    for round in ("while it runs", "after it"):
        if round == "after it":
            assert gw.stop() == 0
        member = as_user(STRANGER, gid, FISHBOWL, "events", "-c", lab.conf, "-t", "flow")
        assert member.returncode == 0 and member.stdout, member.stderr
        stranger = as_user(STRANGER, STRANGER, FISHBOWL, "events", "-c", lab.conf)
        assert stranger.returncode != 0 and "ermission denied" in stranger.stderr, stranger
    pathlib.Path(lab.state / "db").joinpath("days").unlink(missing_ok=True)
    for day in (lab.state / "db").glob("ev-*"):
        day.unlink()
    assert events(lab).stdout == ""
