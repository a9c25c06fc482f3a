# SPDX-License-Identifier: Apache-2.0
"""The policy changes while 500 Mbit/s come in and a honeypot tries to get out: no frame passes under no policy
or under one that is over, no order and no new limit costs a frame.

On a machine that does other things as well the gateway may not get the processor when it needs it. So what
must not be lost has three tries; what must not pass has one. How long orders and reloads take is printed here,
and held against its goals by `make bench` (tests/perf/policy.py)."""
import signal
import time

import pytest

from changes import (LISTED, NEW, NS, NUMBERS, IN, SAME, Operator, check_forbidden, make_lab, missing, orders, rate,
                     reloads, start, with_another_pot, with_limit)
from lab import can_run, run, sanitized, wait_for

pytestmark = [pytest.mark.skipif(can_run() is not None, reason=str(can_run())),
              pytest.mark.skipif(not NUMBERS.exists(), reason="built without tests"),
              pytest.mark.skipif(sanitized(), reason="needs its full speed: not with sanitizers")]


def one_of_three(measure):
    """measure(lab) -> how many frames were lost, which may have been the machine's fault, and times."""
    for _ in range(3):
        with make_lab() as lab:
            lost, _ = measure(lab)
        if not lost:
            return
        print(f"  once more: {lost} frames lost")
    pytest.fail(f"{lost} frames lost")


def test_orders():
    """isolate and release, the black list, limits: each holds when the command has said so, and costs no frame."""
    one_of_three(orders)


def test_reload_of_limits():
    one_of_three(lambda lab: reloads(lab, with_limit))


def test_reload_of_honeypots():
    """fb-gate is replaced, which costs the frames of that moment."""
    with make_lab() as lab:
        reloads(lab, with_another_pot)


def test_kills_and_restarts():
    """While nothing of the honeypot may leave, the gate dies, the supervisor dies, the gateway is restarted:
    nothing leaves, and inbound frames come again."""
    with make_lab() as lab:
        kills_and_restarts(lab)


def kills_and_restarts(lab):
    gateway, traffic = start(lab, 14)
    operator = Operator(lab)
    time.sleep(1.5)
    operator.begin()
    operator.change(False, (SAME, LISTED, NEW), "isolate", "pot0")
    outages = []
    for _ in range(3):
        since = time.time_ns()
        gateway.kill("fb-gate")
        time.sleep(0.7)
        outages.append((since, time.time_ns()))
    since = time.time_ns()
    gateway.process.send_signal(signal.SIGKILL)
    gateway.process.wait()
    wait_for(lambda: not lab_processes(lab), 10)
    gateway = lab.start()
    gateway.stop()
    gateway = lab.start()
    gateway.wait_up()
    outages.append((since, time.time_ns()))
    time.sleep(0.5)
    assert traffic.senders[0].poll() is None, "the traffic ended too early"
    operator.change(True, (SAME, LISTED, NEW), "release", "pot0")
    time.sleep(0.5)
    operator.end()
    sent, got = traffic.finish()
    stopped, arrived, _ = check_forbidden(operator, got)
    print(f"\n{rate(got):.0f} Mbit/s in; {stopped} forbidden frames stopped over 3 kills of fb-gate, 1 of the "
          f"supervisor and 1 restart; {missing(sent, got)} of {sent[IN]} inbound frames lost")
    for since, until in outages:
        assert any(since < taken < until + NS for _, taken, _ in got[IN]), "nothing came in again"
    assert stopped > 3000 and arrived > 100


def lab_processes(lab):
    return run(["fuser", lab.run_dir / "lock"], check=False).stdout.split()
