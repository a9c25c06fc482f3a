# SPDX-License-Identifier: Apache-2.0
"""A budget of connections is exact over every sliding window, whatever happens to the gateway meanwhile: its
gate is killed, its supervisor too, it is restarted, the clock is set. And it is given out to the last.

FISHBOWL_EXACT_PERIOD is the window in seconds (5; the contract was measured with 20): ten connections in each,
10,000 attempts in three windows and a bit, a fifth of them at once."""
import os
import signal
import socket
import threading
import time

import pytest

import raw
from lab import Lab, can_run, run, sanitized, wait_for
from test_faults import Faults
from wire import SO_TIMESTAMPNS, FarEnd

pytestmark = [pytest.mark.skipif(can_run() is not None, reason=str(can_run())),
              pytest.mark.skipif(sanitized(), reason="measures time: not with sanitizers")]

PERIOD = int(os.environ.get("FISHBOWL_EXACT_PERIOD", "5"))
COUNT, ATTEMPTS = 10, 10000
SECONDS = max(3 * PERIOD + 2, 17)
JITTER = 0.05  # between what the gate judges by and when a frame is seen outside
POT, OUT = "10.66.0.5", "10.66.0.200"


class Attempts:
    """SYNs of a honeypot, each from another port, and when which of them came out."""

    def __init__(self, lab):
        self.inside = raw.Nic(lab.ns("pot0"), "eth0")
        self.outside = raw.Nic(lab.ns("attacker"), "out")
        self.outside.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.sent, self.seen = 0, []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _send(self):
        self.inside.send(raw.ethernet(self.outside.mac, self.inside.mac,
                                      raw.tcp(POT, 20000 + self.sent, OUT, 80, seq=self.sent)))
        self.sent += 1

    def _look(self):
        for frame, when in FarEnd._take(self.outside.socket):
            if frame[12:14] == b"\x08\0" and frame[23] == 6:
                self.seen.append((when, int.from_bytes(frame[34:36], "big") - 20000))

    def _run(self):
        begin, burst = time.monotonic(), ATTEMPTS // 5
        while not self.stop.is_set():
            due = burst + int((time.monotonic() - begin) / SECONDS * (ATTEMPTS - burst))
            while self.sent < min(due, ATTEMPTS):
                self._send()
            self._look()
            time.sleep(0.005)

    def finish(self):
        self.stop.set()
        self.thread.join()
        time.sleep(0.2)
        self._look()
        return sorted(self.seen)


def kill_supervisor(lab, env):
    lab.gateway.process.send_signal(signal.SIGKILL)
    lab.gateway.process.wait()
    wait_for(lambda: not run(["fuser", lab.run_dir / "lock"], check=False).stdout.split(), 10)
    lab.start(env=env)


def restart(lab, env):
    lab.gateway.stop()
    lab.start(env=env)


def test_never_more_than_ten_in_a_window():
    with Lab(limit=f'limit {{ tcp = "{COUNT}/{PERIOD}s" half_open = 256 }}') as lab:
        raw.silence(lab)
        faults = Faults(lab)
        gateway = lab.start(env=faults.env)
        gateway.wait_up()
        attempts = Attempts(lab)
        begin = time.monotonic()
        attempts.thread.start()

        def gate():
            lab.gateway.kill("fb-gate")

        def clock(seconds):
            faults.set(clock=seconds)

        events = [gate, lambda: clock(86400), gate, lambda: kill_supervisor(lab, faults.env), gate,
                  lambda: clock(-86400), lambda: restart(lab, faults.env), gate, lambda: clock(0),
                  lambda: kill_supervisor(lab, faults.env), gate]
        for n, event in enumerate(events):
            time.sleep(max(0, begin + (n + 0.5) * SECONDS / (len(events) + 1) - time.monotonic()))
            if event is gate:
                lab.gateway.wait_up()
            event()
        wait_for(lambda: attempts.sent == ATTEMPTS, SECONDS + 10)
        took = time.monotonic() - begin
        seen = attempts.finish()
    times = [when for when, _ in seen]
    assert len({n for _, n in seen}) == len(seen), "an attempt came out twice"
    closest = min(later - first for first, later in zip(times, times[COUNT:]))
    print(f"\n{attempts.sent} attempts in {took:.1f} s, {len(seen)} let out; the closest {COUNT + 1} within "
          f"{closest:.3f} s of {PERIOD}")
    assert closest > PERIOD - JITTER
    # All ten of each window, but for what a kill took between counting and sending.
    assert len(seen) >= COUNT * int(took / PERIOD) - 3
    assert len([t for t in times if t < times[0] + 1]) == COUNT
