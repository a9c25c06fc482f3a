# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at random moments under traffic: what left the gateway is in the capture exactly once,
nothing passes while it is down, nothing is counted twice, no budget begins anew.

FISHBOWL_KILLS sets how many kills (60), FISHBOWL_KILL_SEED which ones."""
import os
import pathlib
import random
import select
import signal
import time

import pytest

import raw
from lab import FISHBOWL, Lab, can_run, run
from wire import LIMIT, Account, FarEnd, Inside, Outside, check_journal, settle

pytestmark = pytest.mark.skipif(can_run() is not None, reason=str(can_run()))

KILLS = int(os.environ.get("FISHBOWL_KILLS", "60"))
SEED = int(os.environ.get("FISHBOWL_KILL_SEED", "1"))
BLOCK = 30  # kills between two looks at the capture
PAUSE = 0.35  # seconds between two kills, in the mean


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
             limit=LIMIT) as lab:
        raw.silence(lab)
        yield lab


def test_kills_under_traffic(lab):
    killer = Killer(lab)
    outside, inside = FarEnd(lab, "attacker", "out", Outside), FarEnd(lab, "pot0", "eth0", Inside)
    account, began = Account(lab, killer.down), time.monotonic()
    try:
        outside.ask("peer", inside.mac)
        inside.ask("peer", outside.mac)
        while sum(killer.kills.values()) < KILLS:
            for end in (outside, inside):
                end.ask("send", True)
            for _ in range(min(BLOCK, KILLS - sum(killer.kills.values()))):
                killer.watch(killer.random.uniform(0, 2 * PAUSE))
                killer.kill()
            killer.watch(0.05)
            settle(killer.gate, (outside, inside))
            killer.watch(0)
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
