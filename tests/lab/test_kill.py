# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at random moments under traffic: what left the gateway is in the capture exactly once,
nothing passes while it is down, nothing is counted twice, no budget begins anew.

Every frame has a number of its own. Both far ends keep what they see with the kernel's time; the
capture is read here without code of the gateway's. FISHBOWL_KILLS sets how many kills (60),
FISHBOWL_KILL_SEED which ones."""
import bisect
import json
import multiprocessing
import os
import pathlib
import random
import select
import signal
import socket
import struct
import time
import zlib

import pytest

import raw
from lab import FISHBOWL, Lab, can_run, run, wait_for

pytestmark = pytest.mark.skipif(can_run() is not None, reason=str(can_run()))

KILLS = int(os.environ.get("FISHBOWL_KILLS", "60"))
SEED = int(os.environ.get("FISHBOWL_KILL_SEED", "1"))
BLOCK = 30  # kills between two looks at the capture
PAUSE = 0.35  # seconds between two kills, in the mean
BURST = 16  # frames a far end sends at once
GAP = 0.005
UDP_LIMIT, UDP_PERIOD, TCP_LIMIT = 40, 20, 60

MAGIC = b"FbKl"
ASK4, ANSWER4, ASK6, ANSWER6, OTHER, OUT_UDP, OUT_SYN = range(1, 8)
ATTACKER, POT, ATTACKER6, POT6 = "10.66.0.1", "10.66.0.5", "fd66::1", "fd66::5"
SO_TIMESTAMPNS = 35
PADDING = bytes(i * 7 & 0xff for i in range(2048))


def body(kind, number, size):
    return MAGIC + struct.pack(">BI", kind, number) + PADDING[:max(size - 9, 0)]


def size_of(number):
    """Small ones mostly, every eighth as large as fits."""
    return 1440 if number % 8 == 0 else 9 + number * 37 % 400


def identity(frame):
    """(kind, number) of a frame of ours, or None."""
    at = frame.find(MAGIC, 14, 100)
    if at < 0 or at + 9 > len(frame):
        return None
    return struct.unpack_from(">BI", frame, at + 4)


class FarEnd:
    """A process with a NIC at one end: sends numbered frames in bursts while it is told to, and
    keeps (kind, number) -> [(kernel time, check sum)] of all that arrives."""

    def __init__(self, lab, where, nic, make):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(
            target=self._main, args=(lab.ns(where), nic, make, theirs), daemon=True)
        self.process.start()
        self.mac = self.pipe.recv()

    def ask(self, word, value=None):
        self.pipe.send((word, value))
        return self.pipe.recv()

    def _main(self, netns, nic_name, make, pipe):
        nic = raw.Nic(netns, nic_name)
        nic.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        pipe.send(nic.mac)
        state = {"peer": None, "send": False, "next": 0}
        seen, foreign, sent = {}, [], 0
        due = time.monotonic()
        while True:
            ready, _, _ = select.select([pipe, nic.socket], [], [], max(due - time.monotonic(), 0))
            if pipe in ready:
                word, value = pipe.recv()
                if word == "quit":
                    return
                if word == "seen":
                    pipe.send((seen, foreign, state["next"]))
                    seen, foreign = {}, []
                else:
                    state[word] = value
                    pipe.send(state["next"])
            if nic.socket in ready:
                for frame, when in self._take(nic.socket):
                    who = identity(frame)
                    if who is None:
                        foreign.append(frame.hex())
                        continue
                    seen.setdefault(who, []).append((when, zlib.crc32(frame)))
                    answer = make.answer(who, nic.mac, state["peer"])
                    if answer:
                        nic.send(answer)
            if state["send"] and time.monotonic() >= due:
                for _ in range(BURST):
                    nic.send(make.frame(state["next"], nic.mac, state["peer"]))
                    state["next"] += 1
            if time.monotonic() >= due:
                due = time.monotonic() + GAP

    @staticmethod
    def _take(s):
        while True:
            try:
                data, notes, _, _ = s.recvmsg(65536, 128)
            except BlockingIOError:
                return
            except OSError:
                continue
            when = 0
            for level, kind, value in notes:
                if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                    seconds, ns = struct.unpack("=qq", value[:16])
                    when = seconds + ns / 1e9
            yield data, when


class Outside:
    """What the attacker sends: conversations with the honeypot, and something that is no IP."""

    @staticmethod
    def frame(n, us, peer):
        if n % 16 == 3:
            return raw.ethernet(peer, us, body(OTHER, n, size_of(n)), 0x88b5)
        kind, src, dst = (ASK6, ATTACKER6, POT6) if n % 4 == 1 else (ASK4, ATTACKER, POT)
        return raw.ethernet(peer, us, raw.udp(src, 10000 + n // 300 % 40000, dst, 4000,
                                              body(kind, n, size_of(n))))

    @staticmethod
    def answer(_who, _us, _peer):
        return None


class Inside:
    """What the honeypot sends by itself: conversations that the budget lets out or not."""

    @staticmethod
    def frame(n, us, peer):
        conversation = n // 16
        if conversation % 4 == 3:
            return raw.ethernet(peer, us, raw.tcp(POT, 1024 + conversation % 60000, ATTACKER, 7777,
                                                  data=body(OUT_SYN, n, 9)))
        return raw.ethernet(peer, us, raw.udp(POT, 1024 + conversation % 60000, ATTACKER, 9,
                                              body(OUT_UDP, n, size_of(n))))

    @staticmethod
    def answer(who, us, peer):
        kind, n = who
        if kind not in (ASK4, ASK6):
            return None
        kind, src, dst = (ANSWER6, POT6, ATTACKER6) if kind == ASK6 else (ANSWER4, POT, ATTACKER)
        return raw.ethernet(peer, us, raw.udp(src, 4000, dst, 10000 + n // 300 % 40000,
                                              body(kind, n, size_of(n))))


class Captured:
    """The segments, read on from where they ended the last time."""

    def __init__(self, directory):
        self.directory, self.places, self.last_id = directory, {}, 0
        self.frames = self.in_flows = 0

    def read(self):
        """(kind, number) -> [(passed, NIC, check sum)]; the packet ids must grow."""
        found = {}
        for path in sorted(self.directory.glob("*.pcapng")):
            with open(path, "rb") as file:
                file.seek(self.places.get(path, 0))
                data = file.read()
            self.places[path] = self.places.get(path, 0) + self._blocks(data, found)
        return found

    def _blocks(self, data, found):
        at = 0
        while at + 12 <= len(data):
            kind, length = struct.unpack_from("<II", data, at)
            assert length >= 12 and length % 4 == 0, f"block of {length} bytes"
            if at + length > len(data):
                break
            assert data[at + length - 4:at + length] == data[at + 4:at + 8]
            if kind == 6:
                self._packet(data, at, length, found)
            at += length
        return at

    def _packet(self, data, at, length, found):
        nic, _, _, size = struct.unpack_from("<IIII", data, at + 8)
        frame = data[at + 28:at + 28 + size]
        options, comment, number = at + 28 + (size + 3) // 4 * 4, b"", None
        while options + 4 <= at + length - 4:
            code, n = struct.unpack_from("<HH", data, options)
            if code == 0:
                break
            if code == 1:
                comment = data[options + 4:options + 4 + n]
            elif code == 5:
                number, = struct.unpack_from("<Q", data, options + 4)
            options += 4 + (n + 3) // 4 * 4
        assert number is not None and number > self.last_id, f"packet {number} after {self.last_id}"
        self.last_id = number
        self.frames += 1
        self.in_flows += b" flow " in comment
        found.setdefault(identity(frame), []).append(
            (comment.startswith(b"pass"), nic, zlib.crc32(frame)))


class Killer:
    """Kills processes of the gateway and sees to it that it runs on, as systemd would."""

    def __init__(self, lab):
        self.lab, self.random = lab, random.Random(SEED)
        self.gate = lab.start(env={"FISHBOWL_AUDIT_SECONDS": "3"})
        self.kills = {"fb-gate": 0, "fb-tap": 0, "fb-store": 0, "fishbowl": 0, "all": 0, "two": 0}
        self.down = []  # (from, to): no gate ran in between
        self.dead_since = None
        self.dead_gate = 0
        self.gate_deaths = 0

    def pids(self):
        try:
            numbers = (self.lab.run_dir / "pids").read_text().split()
        except OSError:
            return {}
        found = {}
        for name, number in zip(("fb-gate", "fb-tap", "fb-store"), numbers):
            try:
                comm = pathlib.Path(f"/proc/{number}/comm").read_text().strip()
            except OSError:
                continue
            if comm == name:
                found[name] = int(number)
        return found

    def _gate_number(self):
        try:
            return int((self.lab.run_dir / "pids").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return self.dead_gate

    def watch(self, seconds):
        """Waits; notes when a new gate comes."""
        end = time.monotonic() + seconds
        while True:
            before = time.time()
            if self.dead_since is not None and self._gate_number() != self.dead_gate:
                self._gate_is_back()
            elif self.dead_since is not None:
                self.last_seen_dead = before
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.002))

    def _gate_is_back(self):
        self.down.append((self.dead_since, self.last_seen_dead))
        self.dead_since = None

    def kill(self):
        what = self.random.choices(list(self.kills), (30, 20, 20, 16, 7, 7))[0]
        pids = self.pids()
        pids["fishbowl"] = self.gate.process.pid
        names = list(pids) if what == "all" else \
            self.random.sample(sorted(pids), min(2, len(pids))) if what == "two" else [what]
        names = [name for name in names if name in pids]
        if not names:
            return False
        self.random.shuffle(names)
        self._kill({name: pids[name] for name in names})
        self.kills[what] += 1
        return True

    def _kill(self, pids):
        fds = {name: self._pidfd(pid) for name, pid in pids.items()}
        watched = pids.get("fb-gate") or self.pids().get("fb-gate")
        gate_fd = fds.get("fb-gate") or (self._pidfd(watched) if "fishbowl" in pids else None)
        for fd in fds.values():
            if fd:
                try:
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        # Without its supervisor a gate ends by itself.
        if gate_fd and select.select([gate_fd], [], [], 5)[0] and self.dead_since is None:
            self.dead_since = self.last_seen_dead = time.time()
            self.dead_gate = watched
            self.gate_deaths += 1
        for fd in {*fds.values(), gate_fd}:
            if fd:
                os.close(fd)
        if "fishbowl" in pids:
            self.gate.process.wait()
            self.gate = self.lab.launch(env={"FISHBOWL_AUDIT_SECONDS": "3"})

    @staticmethod
    def _pidfd(pid):
        try:
            return os.pidfd_open(pid) if pid else None
        except ProcessLookupError:
            return None


@pytest.fixture
def lab():
    with Lab(extra='flow { udp = "3s" tcp_new = "3s" }\n'
             'capture { segment_size = "16M" segment_time = "7s" keep_free = "0" }',
             limit=f'limit {{ udp = "{UDP_LIMIT}/{UDP_PERIOD}s" tcp = "{TCP_LIMIT}/h" }}') as lab:
        raw.silence(lab)
        yield lab


class Account:
    """Compares what the far ends saw with the capture, block by block."""

    def __init__(self, lab, killer):
        self.killer, self.captured = killer, Captured(lab.state / "capture")
        self.seen = self.passed_unseen = self.dropped = 0
        self.let_out = {OUT_UDP: {}, OUT_SYN: {}}  # conversation -> first time
        self.ends_before = (0, 0)
        self.down_checked = 0

    def check(self, outside, inside):
        at_out, foreign_out, next_out = outside.ask("seen")
        at_in, foreign_in, next_in = inside.ask("seen")
        assert not foreign_out and not foreign_in, "frames that nobody sent: " + \
            " ".join((foreign_out + foreign_in)[:5])
        found = self.captured.read()
        found.pop(None, None)
        self._numbers(found, (next_out, next_in))
        self._each(at_in, found, 0)
        self._each(at_out, found, 1)
        self._silence({**at_in, **at_out})
        self._budgets(at_out)
        for who, entries in found.items():
            assert len(entries) == 1, f"{who} is {len(entries)} times in the capture"
            if not entries[0][0]:
                self.dropped += 1
            elif who not in at_in and who not in at_out:
                self.passed_unseen += 1

    def _numbers(self, found, ends):
        """Nothing of an earlier block comes again."""
        for kind, number in found:
            inside = kind in (OUT_UDP, OUT_SYN)
            assert self.ends_before[inside] <= number < ends[inside], (kind, number)
        self.ends_before = ends

    def _each(self, seen, found, nic):
        for who, times in seen.items():
            assert len(times) == 1, f"{who} arrived {len(times)} times"
            assert who in found, f"{who} arrived and is not in the capture"
            passed, from_nic, check_sum = found[who][0]
            assert passed and from_nic == nic, (who, found[who])
            assert check_sum == times[0][1], f"{who} differs"
        self.seen += len(seen)

    def _silence(self, seen):
        times = sorted(t[0][0] for t in seen.values())
        for since, until in self.killer.down[self.down_checked:]:
            a, b = bisect.bisect(times, since + 0.002), bisect.bisect(times, until)
            assert a >= b, f"{b - a} frames while no gate ran, {times[a] - since:.4f} s after its end"
        self.down_checked = len(self.killer.down)

    def _budgets(self, at_out):
        for (kind, number), times in at_out.items():
            if kind in self.let_out:
                out = self.let_out[kind]
                out[number // 16] = min(out.get(number // 16, 1e18), times[0][0])

    def check_budgets(self):
        udp = sorted(self.let_out[OUT_UDP].values())
        for first, later in zip(udp, udp[UDP_LIMIT:]):
            assert later - first > UDP_PERIOD - 0.5, f"{UDP_LIMIT + 1} in {later - first:.2f} s"
        assert len(self.let_out[OUT_SYN]) <= TCP_LIMIT
        return len(udp), len(self.let_out[OUT_SYN])


def settle(killer, outside, inside):
    """Traffic ends, the gateway comes up, everything is written."""
    for end in (outside, inside):
        end.ask("send", False)
    killer.watch(0.05)
    wait_for(killer.gate.ready, 60)
    killer.watch(0)
    status = killer.gate.wait_up(60)
    wait_for(lambda: written(killer.gate), 20)
    return status


def written(gateway):
    status = gateway.status()
    return status and status["capture"]["frames"] == status["frames"]["captured"] and \
        status["capture"]["ring_used"] == 0


def journal_lines(lab):
    for path in sorted((lab.state / "journal").glob("*")):
        for line in path.read_text().splitlines():
            yield json.loads(line)


def check_journal(lab, captured, deaths):
    seq, origins, flow_frames, alarms = 0, {}, 0, []
    for record in journal_lines(lab):
        body = record["fishbowl"]
        assert body["seq"] == seq + 1, f"journal line {body['seq']} after {seq}"
        seq = body["seq"]
        origin, number = body["origin"], body["origin_seq"]
        if origin != "store":
            assert number == origins.get(origin, 0) + 1 or origin == "gate" and \
                number > origins[origin], f"{origin} {number} after {origins.get(origin)}"
        origins[origin] = number
        if record["event_type"] == "flow":
            flow = record["flow"]
            flow_frames += flow["pkts_toserver"] + flow["pkts_toclient"] + flow.get("icmp_errors", 0)
        if record["event_type"] == "audit" and not body["agree"]:
            alarms.append(body)
    assert abs(flow_frames - captured.in_flows) <= deaths, (flow_frames, captured.in_flows)
    assert not alarms, alarms[:3]
    return seq, flow_frames - captured.in_flows


def test_kills_under_traffic(lab):
    killer = Killer(lab)
    outside, inside = FarEnd(lab, "attacker", "out", Outside), FarEnd(lab, "pot0", "eth0", Inside)
    account, began = Account(lab, killer), time.monotonic()
    try:
        outside.ask("peer", inside.mac)
        inside.ask("peer", outside.mac)
        while sum(killer.kills.values()) < KILLS:
            for end in (outside, inside):
                end.ask("send", True)
            for _ in range(min(BLOCK, KILLS - sum(killer.kills.values()))):
                killer.watch(killer.random.uniform(0, 2 * PAUSE))
                killer.kill()
            settle(killer, outside, inside)
            account.check(outside, inside)
        assert killer.gate.stop() == 0
    finally:
        for end in (outside, inside):
            end.process.terminate()
    account.captured.read()
    lines, difference = check_journal(lab, account.captured, killer.gate_deaths)
    udp, tcp = account.check_budgets()
    verified = run([FISHBOWL, "verify", "-c", lab.conf])
    down = sum(b - a for a, b in killer.down)
    print(f"seed {SEED}: kills {killer.kills}; {killer.gate_deaths} gates died; "
          f"{time.monotonic() - began:.0f} s\n{account.seen} frames arrived, "
          f"{account.captured.frames} in the capture, {account.dropped} of them dropped, "
          f"{account.passed_unseen} with verdict pass that a kill kept from leaving\n"
          f"let out: {udp} UDP, {tcp} TCP conversations; {lines} journal lines; frames in flow "
          f"records less those captured: {difference}; no gate for {down:.1f} s, in the mean "
          f"{down / max(len(killer.down), 1):.3f} s\n{verified.stdout}")
    assert account.seen > KILLS * 100
    assert account.passed_unseen <= 64 * killer.gate_deaths + account.dropped
