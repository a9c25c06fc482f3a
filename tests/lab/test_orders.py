# SPDX-License-Identifier: Apache-2.0
"""Orders of start and stop that nobody plans: each ends well, or says clearly why not."""
import os
import shutil
import signal
import subprocess
import time

import pytest

from lab import FISHBOWL, NETNS_EXEC, Lab, can_run, run, wait_for

pytestmark = pytest.mark.skipif(can_run() is not None, reason=str(can_run()))

POT = "10.66.0.5"


@pytest.fixture
def lab():
    with Lab() as lab:
        yield lab


def forwards(lab):
    return lab.attacker(f"ping -c1 -W1 {POT}", check=False).returncode == 0


def works_and_stops(lab):
    gateway = lab.start()
    wait_for(lambda: forwards(lab), 10)
    assert gateway.stop() == 0, gateway.output()
    return gateway


def left_over(lab):
    """Processes that hold the lock of run_dir."""
    return run(["fuser", lab.run_dir / "lock"], check=False).stdout.split()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_ended_while_it_starts(lab, sig):
    for wait in (0, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15):
        gateway = lab.launch()
        time.sleep(wait)
        gateway.process.send_signal(sig)
        gateway.process.wait(20)
        if sig != signal.SIGKILL:
            assert not left_over(lab)
    works_and_stops(lab)


def test_two_signals_hurry(lab):
    gateway = lab.start()
    gateway.process.send_signal(signal.SIGTERM)
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(10) == 0
    works_and_stops(lab)


def test_sighup_changes_nothing(lab):
    gateway = lab.start()
    gateway.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "SIGHUP" in gateway.output())
    assert forwards(lab)
    assert gateway.stop() == 0


def test_two_honeynets(lab):
    """Each in a namespace of its own, with NICs of the same names."""
    with Lab() as other:
        first, second = lab.start(), other.start()
        assert forwards(lab) and forwards(other)
        assert first.stop() == 0
        assert forwards(other) and not forwards(lab)
        assert second.stop() == 0


def test_run_dir_removed(lab):
    """The gateway runs on; it cannot be asked any more, and it stops when it is told to."""
    gateway = lab.start()
    shutil.rmtree(lab.run_dir)
    assert forwards(lab)
    done = run([FISHBOWL, "status", "-c", lab.conf], check=False)
    assert done.returncode and done.stderr
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(30) == 0
    works_and_stops(lab)


def test_run_dir_removed_and_fb_gate_killed(lab):
    gateway = lab.start()
    pid = gateway.pids()["fb-gate"]
    shutil.rmtree(lab.run_dir)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: gateway.output().count("fb-gate: process started") == 2)
    wait_for(lambda: forwards(lab))
    assert gateway.stop() == 0


@pytest.mark.parametrize("killed", [False, True])
def test_another_configuration_on_the_same_state(lab, killed):
    """More honeypots, another ring, other limits: what the earlier run has left is written first."""
    gateway = lab.start()
    assert forwards(lab)
    pids = [gateway.pid, *gateway.pids().values()]
    if killed:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        gateway.process.wait()
    else:
        gateway.stop()
    lab.write_conf(lab.conf.read_text() + 'honeypot "aaa" { address = {"10.66.0.77"} }\n'
                   'honeypot "zzz" { address = {"10.66.0.78"} }\nlimit { tcp = "3/h" udp = "1000/h" }\n'
                   'capture { ring = "4M" segment_size = "1M" }\nflow { max = 1000 }\n')
    gateway = lab.start()
    assert forwards(lab)
    assert gateway.stop() == 0
    numbers = [r["fishbowl"]["seq"] for r in gateway.journal()]
    assert numbers == list(range(1, len(numbers) + 1))
    echoes = sum(run(["tshark", "-n", "-r", s, "-Y", "icmp.type == 8"]).stdout.count("\n")
                 for s in gateway.segments())
    assert echoes == 2
    run([FISHBOWL, "verify", "-c", lab.conf])


def test_closed_descriptors(lab):
    """No standard input, output or errors."""
    shell = f"exec {FISHBOWL} run -c {lab.conf} <&- >&- 2>&-"
    process = subprocess.Popen([NETNS_EXEC, lab.ns("gw"), "sh", "-c", shell])
    lab.started.append(process)
    wait_for(lambda: forwards(lab), 20)
    status = run([FISHBOWL, "status", "-c", lab.conf])
    assert "fb-gate" in status.stdout
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    # Nothing of it went into a file that happened to get their number.
    assert b"fishbowl:" not in (lab.state / "boot").read_bytes()
    works_and_stops(lab)


def test_output_goes_nowhere(lab):
    """The terminal, or the pipe to a pager, went away."""
    process = subprocess.Popen([NETNS_EXEC, lab.ns("gw"), str(FISHBOWL), "run", "-c", lab.conf],
                               stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    lab.started.append(process)
    process.stdout.readline()
    process.stdout.close()
    wait_for(lambda: forwards(lab), 20)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert forwards(lab)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_damaged_files_in_run_dir(lab):
    """Garbage where a killed run had its rings and tables."""
    for name in ("frame.ring", "record-gate.ring", "flow.table", "store.counts", "run.state"):
        gateway = lab.start()
        for pid in [gateway.pid, *gateway.pids().values()]:
            os.kill(pid, signal.SIGKILL)
        gateway.process.wait()
        path = lab.run_dir / name
        path.write_bytes(os.urandom(path.stat().st_size))
        works_and_stops(lab)


def test_damaged_entries_of_the_frame_ring(lab):
    """The run ends with an error, as the service manager wants it; the next one has fresh rings."""
    gateway = lab.start()
    gateway.kill("fb-tap", signal.SIGSTOP)
    assert forwards(lab)
    for pid in [gateway.pid, *gateway.pids().values()]:
        os.kill(pid, signal.SIGKILL)
    gateway.process.wait()
    with open(lab.run_dir / "frame.ring", "r+b") as file:
        file.seek(192)  # behind the head
        file.write(os.urandom(1 << 20))
    gateway = lab.launch()
    assert gateway.process.wait(30) == 1
    assert "fresh rings" in gateway.output()
    works_and_stops(lab)
    assert any("exit status 3" in r["fishbowl"].get("detail", "") for r in gateway.journal())


def test_damaged_state(lab):
    """Garbage in budget.state: used up rather than empty; in the others: said, or made anew."""
    works_and_stops(lab)
    path = lab.state / "budget.state"
    path.write_bytes(os.urandom(path.stat().st_size))
    (lab.state / "boot").write_text("nonsense")
    works_and_stops(lab)
