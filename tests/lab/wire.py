# SPDX-License-Identifier: Apache-2.0
"""Numbered frames from both ends of a lab, and the account: what arrived against what was captured.

Every frame has a number of its own. Both far ends keep what they see with the kernel's time; the
capture is read here without code of the gateway's."""
import bisect
import contextlib
import json
import multiprocessing
import select
import socket
import struct
import time
import zlib

import raw
from lab import wait_for

BURST = 16  # frames a far end sends at once
GAP = 0.005
UDP_LIMIT, UDP_PERIOD, TCP_LIMIT = 40, 20, 60
LIMIT = f'limit {{ udp = "{UDP_LIMIT}/{UDP_PERIOD}s" tcp = "{TCP_LIMIT}/h" half_open = 256 }}'

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
        seen, foreign = {}, []
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
                elif word == "keep":  # what another saw that went away
                    seen, _, state["next"] = value
                    pipe.send(None)
                else:
                    state[word] = value
                    pipe.send(None)
            if nic.socket in ready:
                for frame, when in self._take(nic.socket):
                    who = identity(frame)
                    if who is None:
                        foreign.append(frame.hex())
                        continue
                    seen.setdefault(who, []).append((when, zlib.crc32(frame)))
                    answer = make.answer(who, nic.mac, state["peer"])
                    if answer:
                        self._send(nic, answer)
            if state["send"] and time.monotonic() >= due:
                for _ in range(BURST):
                    self._send(nic, make.frame(state["next"], nic.mac, state["peer"]))
                    state["next"] += 1
            if time.monotonic() >= due:
                due = time.monotonic() + GAP

    @staticmethod
    def _send(nic, frame):
        with contextlib.suppress(OSError):  # the link is down, or gone
            nic.send(frame)

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
            return raw.ethernet(peer, us, raw.tcp(POT, 10000 + conversation % 50000, ATTACKER, 7777,
                                                  data=body(OUT_SYN, n, 9)))
        return raw.ethernet(peer, us, raw.udp(POT, 10000 + conversation % 50000, ATTACKER, 9,
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


class Account:
    """Compares what the far ends saw with the capture, block by block."""

    def __init__(self, lab, down=()):
        self.down, self.captured = down, Captured(lab.state / "capture")
        self.seen = self.passed_unseen = self.dropped = 0
        self.let_out = {OUT_UDP: {}, OUT_SYN: {}}  # conversation -> first time
        self.ends_before = (0, 0)
        self.down_checked = 0

    def check(self, outside, inside):
        at_out, foreign_out, next_out = outside.ask("seen")
        at_in, foreign_in, next_in = inside.ask("seen")
        foreign = foreign_out + foreign_in
        assert not foreign, f"frames that nobody sent: {foreign[:5]}"
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
        for since, until in self.down[self.down_checked:]:
            a, b = bisect.bisect(times, since + 0.002), bisect.bisect(times, until)
            assert a >= b, f"{b - a} frames while no gate ran, {times[a] - since:.4f} s after its end"
        self.down_checked = len(self.down)

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


def written(gateway):
    """How many frames the gate has captured, when the capture holds all of them; else None."""
    status = gateway.status()
    if status and status["capture"]["frames"] == status["frames"]["captured"] and status["capture"]["ring_used"] == 0:
        return status["frames"]["captured"]
    return None


def is_quiet(gateway):
    """All is written, and nothing else comes: of a flood the gate leaves frames in the NIC's ring until its own has room."""
    before = written(gateway)
    time.sleep(0.2)
    return before is not None and before == written(gateway)


def settle(gateway, ends):
    """Traffic ends, the gateway comes up, everything is written."""
    for end in ends:
        end.ask("send", False)
    wait_for(gateway.ready, 60)
    gateway.wait_up(60)
    wait_for(lambda: is_quiet(gateway), 20)


def journal_lines(lab):
    for path in sorted((lab.state / "journal").glob("journal-*.jsonl")):
        for line in path.read_text().splitlines():
            yield json.loads(line)


def check_journal(lab, captured, unseen):
    """The journal has every record once. Frames in flow records are those captured with a flow, and
    at most `unseen` more: those that were received and could not be captured, or whose gate died
    between the two. Returns (lines, how many more)."""
    seq, origins, flow_frames, alarms = 0, {}, 0, []
    for record in journal_lines(lab):
        body = record["fishbowl"]
        assert body["seq"] == seq + 1, f"journal line {body['seq']} after {seq}"
        seq = body["seq"]
        origin, number, last = body["origin"], body["origin_seq"], origins.get(body["origin"], 0)
        # The gate's ring has markers of the audit too, which have a number and no line.
        assert number == last + 1 or origin == "gate" and number > last or origin == "store", \
            f"{origin} {number} after {last}"
        origins[origin] = number
        if record["event_type"] == "flow":
            flow = record["flow"]
            flow_frames += flow["pkts_toserver"] + flow["pkts_toclient"] + flow.get("icmp_errors", 0)
        if record["event_type"] == "audit" and not body["agree"]:
            alarms.append(body)
    assert captured.in_flows <= flow_frames <= captured.in_flows + unseen
    assert not alarms, alarms[:3]
    return seq, flow_frames - captured.in_flows
