# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around the gateway: a full ring, a full disk, one that is read-only, NICs that come
and go, a clock that jumps, orders of start and stop that nobody plans. Each has a defined outcome, is
recorded, and needs no hand."""
import contextlib
import os
import signal
import struct
import time

import pytest

import raw
from lab import BUILD, FISHBOWL, Lab, can_run, run, wait_for
from wire import LIMIT, TCP_LIMIT, Account, FarEnd, Inside, Outside, check_journal, journal_lines, \
    settle

pytestmark = pytest.mark.skipif(can_run() is not None, reason=str(can_run()))

FLOW = 'flow { udp = "3s" tcp_new = "3s" }\n'
YEAR = 366 * 86400


class Net:
    """A lab with traffic from both ends, and its account."""

    def __init__(self, lab):
        self.lab = lab
        self.outside = FarEnd(lab, "attacker", "out", Outside)
        self.inside = FarEnd(lab, "pot0", "eth0", Inside)
        self.ends = (self.outside, self.inside)
        self.outside.ask("peer", self.inside.mac)
        self.inside.ask("peer", self.outside.mac)
        self.account = Account(lab)

    def traffic(self, on=True):
        for end in self.ends:
            end.ask("send", on)

    def check(self, gateway):
        """All is well again and everything adds up."""
        settle(gateway, self.ends)
        before = self.account.seen
        self.account.check(*self.ends)
        return self.account.seen - before

    def close(self):
        for end in self.ends:
            end.process.terminate()

    def flows(self, gateway):
        """Forwards now, and all that it forwards is captured."""
        self.traffic()
        time.sleep(0.5)
        assert self.check(gateway) > 100


def make_net(**more):
    lab = Lab(limit=LIMIT, **more)
    lab.__enter__()
    raw.silence(lab)
    return lab, Net(lab)


@pytest.fixture
def net(request):
    extra = FLOW + getattr(request, "param", 'capture { ring = "1M" keep_free = "0" }')
    with Lab(limit=LIMIT, extra=extra) as lab:
        raw.silence(lab)
        net = Net(lab)
        yield net
        net.close()


def reasons(lab):
    return [r["fishbowl"].get("reason") for r in journal_lines(lab)]


def passed(gateway):
    return gateway.status()["frames"]["passed"]


def nothing_passes(gateway, seconds=0.5):
    time.sleep(0.2)
    before = passed(gateway)
    time.sleep(seconds)
    assert passed(gateway) == before


def dropped(gateway, reason):
    return gateway.status()["frames"]["by_reason"].get(reason, 0)


def finish(net, gateway, deaths=0):
    """Orderly end; the journal and the capture are whole."""
    unseen = deaths + dropped(gateway, "capture-ring-full")
    assert gateway.stop() == 0, gateway.output()
    net.account.captured.read()
    check_journal(net.lab, net.account.captured, unseen)
    net.account.check_budgets()
    run([FISHBOWL, "verify", "-c", net.lab.conf])


# ---- the ring ----

def test_ring_full(net):
    """fb-tap stands still for less than what makes it count as hung."""
    gateway = net.lab.start()
    net.traffic()
    gateway.kill("fb-tap", signal.SIGSTOP)
    wait_for(lambda: dropped(gateway, "capture-ring-full") > 1000)
    nothing_passes(gateway)
    assert any("could not be captured" in w for w in gateway.status()["warnings"])
    gateway.kill("fb-tap", signal.SIGCONT)
    net.check(gateway)
    net.flows(gateway)
    assert all(p["restarts"] == 0 for p in gateway.status()["processes"])
    finish(net, gateway)
    assert "capture-ring-full" in reasons(net.lab)


def test_flood_leaves_room():
    """fb-tap stands still and a honeypot floods: half of the ring stays for the others."""
    with Lab(pots=2, limit=LIMIT, extra='capture { ring = "4M" }') as lab:
        gateway = lab.start()
        lab.attacker("ping -c1 -W2 10.66.0.6")
        gateway.kill("fb-tap", signal.SIGSTOP)
        mac = raw.Nic(lab.ns("attacker"), "out").mac
        lab.exec("pot0", [BUILD / "tests/perf/frames", "storm", "eth0", mac.hex(":"), "10.66.0.5", "fd66::5",
                          "0", "1000", "0"])
        lab.attacker("ping -c20 -i0.01 -W2 10.66.0.6")
        capture = gateway.status()["capture"]
        gateway.kill("fb-tap", signal.SIGCONT)
        assert capture["ring_size"] * 0.45 < capture["ring_used"] < capture["ring_size"] * 0.6
        assert dropped(gateway, "capture-ring-full") == 0
        assert gateway.status()["frames"]["dropped"] > 5000
        assert gateway.stop() == 0, gateway.output()
        run([FISHBOWL, "verify", "-c", lab.conf])


def test_record_ring_full(net):
    """fb-store stands still until it is replaced: what may pass passes and is captured."""
    gateway = net.lab.start()
    net.traffic()
    gateway.kill("fb-store", signal.SIGSTOP)
    wait_for(lambda: restarts(gateway, "fb-store") > 0, 20)
    net.check(gateway)
    net.flows(gateway)
    finish(net, gateway)
    assert "died" in reasons(net.lab)


def restarts(gateway, name):
    return {p["name"]: p["restarts"] for p in gateway.status()["processes"]}[name]


# ---- the disk ----

@pytest.fixture
def small_disk():
    """state_dir is a disk of its own with little room."""
    with Lab(limit=LIMIT, extra=FLOW + 'capture { ring = "1M" keep_free = "0" }') as lab:
        raw.silence(lab)
        lab.state.mkdir()
        run(["mount", "-t", "tmpfs", "-o", "size=40m,mode=755", "none", lab.state])
        net = Net(lab)
        try:
            yield net
        finally:
            net.close()
            if lab.gateway and lab.gateway.process.poll() is None:
                lab.gateway.stop(30)
            run(["umount", "-l", lab.state], check=False)


def fill(path):
    with open(path, "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 16))


def test_disk_full(small_disk):
    net = small_disk
    gateway = net.lab.start()
    net.flows(gateway)
    net.traffic()
    filler = net.lab.state / "filler"
    fill(filler)
    wait_for(lambda: dropped(gateway, "capture-ring-full") > 1000, 20)
    assert any("No space" in w for w in gateway.status()["warnings"]), gateway.status()["warnings"]
    nothing_passes(gateway)
    filler.unlink()
    net.check(gateway)
    net.flows(gateway)
    assert not any("No space" in w for w in gateway.status()["warnings"])
    finish(net, gateway)
    assert {"disk-full", "disk-writable", "capture-ring-full"} <= set(reasons(net.lab))


def test_disk_full_and_everything_killed(small_disk):
    """With a full disk the gateway starts, or says why not; with room again it does."""
    net = small_disk
    gateway = net.lab.start()
    net.flows(gateway)
    filler = net.lab.state / "filler"
    fill(filler)
    net.traffic()
    wait_for(lambda: dropped(gateway, "capture-ring-full") > 0, 20)
    for pid in [gateway.pid, *gateway.pids().values()]:
        os.kill(pid, signal.SIGKILL)
    gateway.process.wait()
    gateway = net.lab.launch()
    time.sleep(2)
    filler.unlink()
    if gateway.process.poll() is not None:
        assert "No space" in gateway.output()
        gateway = net.lab.launch()
    net.check(gateway)
    net.flows(gateway)
    finish(net, gateway, 1)


class Faults:
    """The switches of tests/lab/fault.c."""

    def __init__(self, lab):
        self.path = lab.dir / "faults"
        self.path.write_bytes(bytes(16))
        self.path.chmod(0o644)
        library = BUILD / "tests/lab/fault.so"
        if not library.exists():
            pytest.skip(f"no {library}")
        self.env = {"LD_PRELOAD": str(library), "FISHBOWL_TEST_FAULTS": str(self.path),
                    "ASAN_OPTIONS": "verify_asan_link_order=0", "FISHBOWL_AUDIT_SECONDS": "3"}

    def set(self, clock=0, write=0):
        with open(self.path, "r+b") as file:
            file.write(struct.pack("=qq", clock, write))


def test_read_only_disk(net):
    """As a file system that was mounted anew read-only after an error: EROFS from every write."""
    faults = Faults(net.lab)
    gateway = net.lab.start(env=faults.env)
    net.flows(gateway)
    net.traffic()
    faults.set(write=30)
    wait_for(lambda: dropped(gateway, "capture-ring-full") > 1000, 20)
    assert any("Read-only" in w for w in gateway.status()["warnings"]), gateway.status()["warnings"]
    nothing_passes(gateway)
    faults.set()
    net.check(gateway)
    net.flows(gateway)
    finish(net, gateway)
    assert {"disk-full", "disk-writable", "capture-ring-full"} <= set(reasons(net.lab))


# ---- NICs ----

def flap(net, where, nic):
    net.lab.exec(where, f"ip link set {nic} down")
    time.sleep(0.3)
    net.lab.exec(where, f"ip link set {nic} up")
    time.sleep(0.5)


def test_link_down_and_up(net):
    """Far ends and our own NICs, under traffic."""
    gateway = net.lab.start()
    net.traffic()
    for where, nic in (("attacker", "out"), ("pot0", "eth0"), ("gw", "fbout"), ("gw", "fbin0")):
        time.sleep(0.2)
        flap(net, where, nic)
        net.traffic()
    net.check(gateway)
    net.flows(gateway)
    finish(net, gateway)
    assert {"link-down", "link-up"} <= set(reasons(net.lab))


@pytest.mark.parametrize("side", ["outside", "inside"])
def test_nic_gone_and_back(net, side):
    lab, gateway = net.lab, net.lab.start()
    net.flows(gateway)
    net.traffic()
    time.sleep(0.3)
    where, nic, ours = ("attacker", "out", "fbout") if side == "outside" else \
        ("pot0", "eth0", "fbin0")
    lab.exec("gw", f"ip link del {ours}")
    wait_for(lambda: any("gone" in w for w in gateway.status()["warnings"]))
    net.traffic(False)
    gone = net.outside if side == "outside" else net.inside
    state = gone.ask("seen")
    gone.process.terminate()
    lab._veth(where, nic, ours, [])
    raw.silence(lab)
    fresh = FarEnd(lab, where, nic, Outside if side == "outside" else Inside)
    if side == "outside":
        net.outside = fresh
    else:
        net.inside = fresh
    net.ends = (net.outside, net.inside)
    fresh.ask("keep", state)
    net.outside.ask("peer", net.inside.mac)
    net.inside.ask("peer", net.outside.mac)
    net.check(gateway)
    net.flows(gateway)
    # The honeypot has another MAC address now: it is learnt anew.
    assert dropped(gateway, "spoofed-mac") == 0
    finish(net, gateway)
    assert {"nic-gone", "nic-back"} <= set(reasons(lab))


# ---- the clock ----

@pytest.mark.parametrize("net", ['capture { ring = "1M" segment_time = "2s" segment_size = "1M" budget = "8M" '
                                 'keep_free = "0" }'], indirect=True)
def test_clock_jumps_a_year_both_ways(net):
    """The budgets stay used up, the capture goes on and its retention takes the oldest segments only,
    the journal goes on, and every jump is recorded."""
    faults = Faults(net.lab)
    gateway = net.lab.start(env=faults.env)
    net.traffic()
    for years in (0, 1, 0, -1, 0):
        faults.set(clock=years * YEAR)
        newest = gateway.status()["capture"]["segment"]
        wait_for(lambda: gateway.status()["capture"]["segment"] > newest, 15)
        wait_for(lambda: gateway.status()["audit"], 15)
    settle(gateway, net.ends)
    assert dropped(gateway, "tcp-limit") > 0, gateway.status()["frames"]["by_reason"]
    at_out = net.outside.ask("seen")[0]
    net.account._budgets(at_out)
    assert net.account.check_budgets()[1] == TCP_LIMIT
    segments = gateway.segments()
    assert gateway.stop() == 0
    # Retention has worked, by number.
    numbers = [int(s.name.split("-")[2].split(".")[0]) for s in gateway.segments()]
    assert numbers == list(range(numbers[0], numbers[-1] + 1)) and segments
    # Times in the capture are the kernel's.
    times = run(["tshark", "-n", "-r", gateway.segments()[-1], "-T", "fields", "-e",
                 "frame.time_epoch"]).stdout.split()
    assert all(abs(float(t) - time.time()) < 600 for t in times)
    found = list(journal_lines(net.lab))
    jumps = [r["fishbowl"]["detail"] for r in found if r["fishbowl"].get("reason") == "clock-jump"]
    assert [round(float(j.split()[0]) / YEAR) for j in jumps] == [1, -1, -1, 1], jumps
    assert [r["fishbowl"]["seq"] for r in found] == list(range(1, len(found) + 1))
    run([FISHBOWL, "verify", "-c", net.lab.conf])
    # A store that starts afterwards goes on where the journal ends, and finds all days.
    gateway = net.lab.start()

    gateway.wait_up()
    assert gateway.stop() == 0
    after = [r["fishbowl"]["seq"] for r in journal_lines(net.lab)]
    assert after == list(range(1, len(after) + 1)) and len(after) > len(found)
    assert len(gateway.records()) >= len(found)
