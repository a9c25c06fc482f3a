# SPDX-License-Identifier: Apache-2.0
"""fishbowl ctl: orders to a running gateway. They hold at once, under load too, over restarts and kills, end when
they are told to, and leave a record of who gave them. The lockdown works whatever else does not."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import pytest

import raw
from lab import FISHBOWL, Lab, can_run, run, wait_for

pytestmark = pytest.mark.skipif(can_run() is not None, reason=str(can_run()))

TRAFFIC = pathlib.Path(__file__).with_name("traffic.py")
OUT, POT, PORT = "10.66.0.1", "10.66.0.5", 7
SOON = 0.5  # s: what takes longer hangs; how long it takes is measured by `make bench` (tests/perf/policy.py)


def call(lab, *args, **more):
    return run([FISHBOWL, "ctl", "-c", lab.conf, *args], check=False, **more)


def ctl(lab, *args):
    """The answer of an order that must succeed."""
    done = call(lab, "--json", *args)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def refused(lab, *args):
    done = call(lab, *args)
    assert done.returncode == 1, done.stdout
    return done.stderr


def orders(lab):
    return ctl(lab, "orders")["orders"]


def control(gateway, word):
    """Control records with that word in their detail."""
    return wait_for(lambda: [r for r in gateway.journal() if r["event_type"] == "control" and
                             word in r["fishbowl"].get("detail", "")])


class Echo:
    """Numbered datagrams from the outside to an echo server on a honeypot, one a millisecond."""

    def __init__(self, lab, gap=0.001):
        with raw.in_netns(lab.ns("attacker")):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((POT, PORT))
        self.socket.setblocking(False)
        self.gap, self.sent, self.back = gap, [], set()
        self.going = True
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while self.going:
            try:
                self.socket.send(len(self.sent).to_bytes(4, "big") + b"x" * 60)
            except OSError:
                pass
            self.sent.append(time.monotonic())
            time.sleep(self.gap)
            try:
                while True:
                    self.back.add(int.from_bytes(self.socket.recv(100)[:4], "big"))
            except OSError:
                pass

    def __enter__(self):
        self.thread.start()
        wait_for(lambda: self.back)
        return self

    def __exit__(self, *_):
        self.going = False
        self.thread.join()
        self.socket.close()

    def last(self):
        """When the last datagram was sent that came back."""
        time.sleep(0.3)
        return self.sent[max(self.back)]

    def answered_after(self, when):
        time.sleep(0.3)
        return [n for n in self.back if self.sent[n] > when]

    def works(self):
        now = time.monotonic()
        return wait_for(lambda: any(self.sent[n] > now for n in list(self.back)))

    def longest_gap(self):
        """Between the sending of two that came back one after the other."""
        times = [self.sent[n] for n in sorted(self.back)]
        return max(b - a for a, b in zip(times, times[1:]))


@pytest.fixture
def lab():
    with Lab(pots=2, extra='limit { udp = "1000/h" }') as lab:
        for where in ("pot0", "pot1", "attacker"):
            server = lab.spawn(where, ["python3", TRAFFIC, "echo", PORT], stdout=subprocess.PIPE)
            assert server.stdout.readline() == b"ready\n"
        yield lab


@pytest.fixture
def gateway(lab):
    return lab.start()


def leaves(lab, i=0):
    """A new conversation of a honeypot with the outside gets an answer."""
    return lab.pot(["python3", TRAFFIC, "udp", OUT, PORT, "1"], i=i).stdout.strip() == "0"


def everything_held(lab):
    """Nothing passes, in any direction."""
    return not leaves(lab) and lab.attacker(f"ping -c1 -W1 {POT}", check=False).returncode != 0


# ---- orders hold ----


def test_isolate_and_release(lab, gateway):
    with Echo(lab) as echo:
        ctl(lab, "isolate", "pot1")
        assert echo.works()  # it is not about pot0
        began = time.monotonic()
        answer = ctl(lab, "isolate", "pot0", "--reason", "it \u201cscans\u201d", "--for", "2h")
        done = time.monotonic()
        assert answer["applied"] and answer["applied_ms"] < SOON * 1000
        assert echo.answered_after(done) == [] and echo.last() - began < 0.1 + (done - began)
        assert gateway.status()["policy"]["isolated"] == ["pot0", "pot1"]
        ctl(lab, "release", "pot0")
        assert echo.works()
    record = control(gateway, "isolate: pot0")[-1]
    assert record["fishbowl"]["operator"].startswith("root")
    assert record["fishbowl"]["honeypot"] == "pot0" and record["fishbowl"]["reason"] == "operator"
    assert "scans" in record["fishbowl"]["detail"] and "(2 h 00 min)" in record["fishbowl"]["detail"]
    assert [o["honeypot"] for o in orders(lab)] == ["pot1"]


def test_isolate_between_questions_and_answers(lab, gateway):
    """Where the next frame always comes at once fb-gate looks for it instead of sleeping: it hears orders all the same."""
    def came():
        return int(lab.exec("attacker", ["cat", "/sys/class/net/out/statistics/rx_packets"]).stdout)

    def comes(n):
        before = came()
        return wait_for(lambda: came() > before + n)

    asks = lab.spawn("attacker", ["ping", "-f", "-q", "-w", "20", POT], stdout=subprocess.DEVNULL)
    comes(1000)
    assert ctl(lab, "isolate", "pot0")["applied"]
    before = came()
    time.sleep(0.5)
    assert came() == before
    ctl(lab, "release", "pot0")
    comes(1000)
    asks.kill()


def test_at_once_under_load(lab, gateway):
    """Measured by traffic: what is sent when the order was given does not come out."""
    floods = [lab.spawn("attacker", ["python3", TRAFFIC, "udp", f"10.66.0.{5 + i}", 9, 1000000, 0],
                        stdout=subprocess.DEVNULL) for i in (0, 1)]
    with Echo(lab) as echo:
        for _ in range(5):
            echo.works()
            process = subprocess.Popen([FISHBOWL, "ctl", "-c", lab.conf, "--json", "isolate", "pot0"],
                                       stdout=subprocess.PIPE)
            answer = json.loads(process.communicate()[0])
            done = time.monotonic()
            assert answer["applied"] and answer["applied_ms"] < SOON * 1000, answer
            assert echo.answered_after(done) == []
            ctl(lab, "release", "pot0", "isolate")
        echo.works()
    for flood in floods:
        flood.kill()


def test_roach_motel(lab, gateway):
    with Echo(lab) as echo:
        assert leaves(lab)
        ctl(lab, "roach-motel", "pot0")
        assert not leaves(lab) and leaves(lab, 1)
        assert echo.works()  # it answers
        assert gateway.status()["policy"]["roach_motel"] == ["pot0"]
        ctl(lab, "release", "all")
        assert leaves(lab)


def test_limits_and_presets(lab, gateway):
    answer = ctl(lab, "limit", "pot0", "udp=1/h", "tcp=3/h")
    assert "udp 1000/h -> 1/h" in answer["said"] and "tcp 10/h -> 3/h" in answer["said"]
    assert leaves(lab) and not leaves(lab) and leaves(lab, 1)
    limits = ctl(lab, "policy", "pot0")["honeypots"][0]["limits"]
    assert limits["udp"] == {"value": "1/h", "from": f"order {answer['order']}"}
    assert limits["icmp"] == {"value": "20/h", "from": "preset standard"}
    assert limits["half_open"]["from"] == "preset standard"
    other = ctl(lab, "policy", "pot1")["honeypots"][0]["limits"]
    assert other["udp"] == {"value": "1000/h", "from": "configuration"}
    ctl(lab, "preset", "all", "quiet", "--for", "1h")
    limits = ctl(lab, "policy", "pot0")["honeypots"][0]["limits"]
    assert limits["udp"]["value"] == "2/h" and limits["half_open"]["value"] == "2"
    preset = orders(lab)[-1]["id"]
    ctl(lab, "release", "order", str(preset))
    assert ctl(lab, "policy", "pot0")["honeypots"][0]["limits"]["udp"]["value"] == "1/h"
    ctl(lab, "release", "pot0", "limit")
    assert leaves(lab)


def test_lists(lab, gateway):
    with Echo(lab) as echo:
        ctl(lab, "fence", "add", f"{OUT}/32", f"udp/{PORT}")
        assert not leaves(lab) and echo.works()
        entries = ctl(lab, "fence", "list", "--match", OUT)["entries"]
        assert entries == [{"entry": f"{OUT}/32 udp/{PORT}", "from": "order 1"}]
        assert ctl(lab, "fence", "list", "--match", "10.66.0.9")["number"] == 0
        ctl(lab, "fence", "remove", OUT, f"udp/{PORT}")
        assert leaves(lab)
        answer = ctl(lab, "black", "add", "10.66.0.0/29")
        assert echo.answered_after(time.monotonic()) == []
        ctl(lab, "release", "order", str(answer["order"]))
        assert echo.works()
    ctl(lab, "limit", "pot0", "udp=0/h")
    assert not leaves(lab)
    ctl(lab, "white", "add", OUT)
    assert leaves(lab)
    assert "black has no entry" in refused(lab, "black", "remove", "10.9.0.0/16")


def test_a_rule_of_the_configuration_is_not_an_order(lab):
    file = lab.dir / "my.list"
    file.write_text("# mine\n10.9.0.0/16 tcp/25\n")
    lab.write_conf(lab.conf.read_text() + f'black = {{"10.8.0.0/16"}}\nblack_files = {{"{file}"}}\n')
    lab.start()
    assert f"it is in {lab.conf}" in refused(lab, "black", "remove", "10.8.0.0/16")
    assert f"it is in {file}" in refused(lab, "black", "remove", "10.9.0.0/16", "tcp/25")
    assert "it is also in" in ctl(lab, "black", "add", "10.8.0.0/16")["said"]
    assert "it still holds" in ctl(lab, "black", "remove", "10.8.0.0/16")["said"]
    assert ctl(lab, "black", "list")["number"] == 2
    file.write_text("10.9.0.0/16\n10.10.0.0/16\n")
    assert "black: 2 -> 3 entries" in ctl(lab, "reload")["said"]


def test_kill_flow(lab, gateway):
    with Echo(lab) as echo:
        echo.works()
        flow = wait_for(lambda: [r["flow_id"] for r in gateway.records("--type", "flow")] or
                        _open_flow(lab, gateway))[0]
        ctl(lab, "kill-flow", str(flow))
        assert echo.answered_after(time.monotonic()) == []
    assert "no conversation 7 is open" in refused(lab, "kill-flow", "7")
    assert control(gateway, f"conversation {flow} is ended")


def _open_flow(lab, gateway):
    """The id in the comments of the capture: its record comes only at the end."""
    ids = [int(comment.split("flow ")[1].split()[0], 16)
           for _, frame, comment in raw.pcapng_packets(gateway.segments())
           if "flow" in comment and frame[23:24] == b"\x11"]
    return ids[-1:]


# ---- and end ----


def test_ends_by_itself(lab, gateway):
    with Echo(lab) as echo:
        ctl(lab, "isolate", "pot0", "--for", "1s")
        done = time.monotonic()
        wait_for(lambda: any(echo.sent[n] > done for n in list(echo.back)), 5)
        first = min(echo.sent[n] for n in echo.back if echo.sent[n] > done)
        assert 0.7 < first - done < 1.3
    assert control(gateway, "ended by itself: isolate pot0")
    assert orders(lab) == []


@pytest.mark.parametrize("killed", [False, True])
def test_over_restarts(lab, killed):
    gateway = lab.start()
    ctl(lab, "isolate", "pot0", "--reason", "worm")
    ctl(lab, "limit", "pot1", "udp=0/h")
    short = ctl(lab, "black", "add", "192.0.2.0/24", "--for", "1s")["order"]
    before = [o for o in orders(lab) if o["id"] != short]
    if killed:
        for pid in [gateway.pid, *gateway.pids().values()]:
            os.kill(pid, signal.SIGKILL)
        gateway.process.wait()
    else:
        gateway.stop()
    time.sleep(1)
    gateway = lab.start()
    assert orders(lab) == before
    assert not leaves(lab) and not leaves(lab, 1)
    assert gateway.status()["policy"]["isolated"] == ["pot0"]
    ctl(lab, "release", "all")
    wait_for(lambda: leaves(lab) and leaves(lab, 1))  # its ARP was stopped too


def test_kills_while_orders_are_given(lab):
    """What was confirmed is there after a kill at any moment; the file is always whole."""
    confirmed = 0

    def give():
        return call(lab, "black", "add", f"10.{kill}.{confirmed % 256}.0/24").returncode == 0

    for kill in range(10):
        gateway = lab.start()
        assert not gateway.status()["policy"]["lockdown"]
        assert len(orders(lab)) >= confirmed
        began = time.monotonic()
        assert give()
        confirmed += 1
        timer = threading.Timer((time.monotonic() - began) * kill / 4, gateway.process.kill)
        timer.start()
        while give():
            confirmed += 1
        gateway.process.wait()
        timer.join()
        text = json.loads((lab.state / "orders.json").read_text())
        assert len(text["orders"]) >= confirmed
    gateway = lab.start()
    number = len(orders(lab))
    assert confirmed <= number <= confirmed + 10 and confirmed > 10


def test_damaged_orders(lab):
    """An order may be lost, so nothing passes; then they are given anew."""
    lab.start()
    ctl(lab, "isolate", "pot0")
    lab.gateway.stop()
    path = lab.state / "orders.json"
    text = path.read_text()
    path.write_text(text[:len(text) // 2])
    gateway = lab.start()
    assert "damaged" in gateway.output() and "LOCKDOWN" in gateway.output()
    assert everything_held(lab)
    warnings = " ".join(gateway.status()["warnings"])
    assert "LOCKDOWN" in warnings and "damaged" in warnings
    gateway.stop()
    gateway = lab.start()  # again: the lockdown is an order by now
    assert everything_held(lab)
    ctl(lab, "unlock")
    assert wait_for(lambda: leaves(lab))
    assert (lab.state / "orders.json.damaged").read_text() == text[:len(text) // 2]
    assert gateway.status()["policy"]["orders"] == 0


# ---- lockdown ----


def rules(lab):
    return lab.exec("gw", "nft list ruleset").stdout


def test_lockdown(lab, gateway):
    with Echo(lab) as echo:
        answer = ctl(lab, "lockdown", "--reason", "enough")
        assert answer["nics_locked"] and answer["applied"] and "accept" not in rules(lab)
        assert echo.answered_after(time.monotonic()) == [] and everything_held(lab)
        status = gateway.status()
        assert status["policy"]["lockdown"] and "LOCKDOWN" in status["warnings"][0]
        # What comes in is captured all the same.
        before = gateway.status()["frames"]["received"]
        assert wait_for(lambda: gateway.status()["frames"]["received"] > before + 100)
        ctl(lab, "unlock")
        assert echo.works() and "accept" in rules(lab)
    assert control(gateway, "because: enough")
    assert refused(lab, "unlock") == "fishbowl: there is no lockdown\n"


def test_lockdown_over_restart_and_with_a_nic_that_comes_back(lab, gateway):
    ctl(lab, "lockdown")
    gateway.process.kill()
    gateway.process.wait()
    gateway = lab.start()
    assert everything_held(lab) and "accept" not in rules(lab)
    lab.exec("gw", "ip link del fbin1")
    wait_for(lambda: "gone" in " ".join(gateway.status()["warnings"]))
    lab._veth("pot1", "eth0", "fbin1", lab.pot_addresses(1))
    gateway.wait_up()
    wait_for(lambda: "gone" not in " ".join(gateway.status()["warnings"]))
    assert "fbin1" in rules(lab) and "accept" not in rules(lab)
    assert not leaves(lab, 1)
    ctl(lab, "unlock")
    assert wait_for(lambda: leaves(lab, 1))


def test_lockdown_by_signal(lab, gateway):
    with Echo(lab) as echo:
        gateway.process.send_signal(signal.SIGUSR1)
        wait_for(lambda: gateway.status()["policy"]["lockdown"])
        assert echo.answered_after(time.monotonic()) == [] and "accept" not in rules(lab)
        assert orders(lab)[0]["operator"].startswith("SIGUSR1 from uid 0")
        ctl(lab, "unlock")
        assert echo.works()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_lockdown_when_fb_gate_is_dead_or_hangs(lab, gateway, how):
    with Echo(lab) as echo:
        pid = gateway.pids()["fb-gate"]
        gateway.kill("fb-gate", how)
        answer = ctl(lab, "lockdown")
        assert answer["nics_locked"]
        now = time.monotonic()
        if how == signal.SIGSTOP:
            assert not answer["applied"]
            # It wakes up with the old policy and full sockets: the NICs stop what it sends.
            os.kill(pid, signal.SIGCONT)
        gateway.wait_up()
        assert echo.answered_after(now) == [] and everything_held(lab)
        ctl(lab, "unlock")
        assert echo.works()


def test_lockdown_when_the_supervisor_hangs(lab, gateway):
    with Echo(lab) as echo:
        gate = gateway.pids()["fb-gate"]
        gateway.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        done = call(lab, "lockdown", "--reason", "it hangs")
        assert done.returncode == 0 and time.monotonic() - began < 4
        assert f"fb-gate (pid {gate}) was killed: nothing passes" in done.stdout
        assert "orders.json (order 1)" in done.stdout
        now = time.monotonic()
        assert echo.answered_after(now) == []
        gateway.process.send_signal(signal.SIGCONT)  # and starts another gate at once
        gateway.wait_up()
        assert gateway.status()["policy"]["lockdown"] and everything_held(lab)
        assert "accept" not in rules(lab)
        ctl(lab, "unlock")
        assert echo.works()


def test_lockdown_when_nothing_runs(lab, gateway):
    for pid in [gateway.pid, *gateway.pids().values()]:
        os.kill(pid, signal.SIGKILL)
    gateway.process.wait()
    time.sleep(0.5)  # the kernel closes its sockets
    done = call(lab, "lockdown")
    assert done.returncode == 0 and "fb-gate does not run" in done.stdout
    lab.start()
    assert everything_held(lab)
    ctl(lab, "unlock")
    assert wait_for(lambda: leaves(lab))


def test_ctl_with_a_faulty_configuration(lab, gateway):
    """The gateway that runs is found all the same."""
    lab.write_conf(lab.conf.read_text() + "nonsense = 1\n")
    done = call(lab, "lockdown")
    assert done.returncode == 0 and "has faults" in done.stderr
    assert everything_held(lab)


# ---- attendance ----


def set_absent(lab, seconds):
    """As if somebody was there so long ago."""
    path = lab.state / "orders.json"
    text = json.loads(path.read_text())
    text["attended_ns"] = int((time.time() - seconds) * 1e9)
    path.write_text(json.dumps(text))


def test_attendance(lab):
    lab.write_conf(lab.conf.read_text() + 'attendance = "60s"\n')
    gateway = lab.start()
    assert gateway.status()["policy"]["attendance"]["limit"] == 60
    assert wait_for(lambda: json.loads((lab.state / "orders.json").read_text())["attended_ns"])
    gateway.stop()
    set_absent(lab, 50)
    gateway = lab.start()
    wait_for(lambda: "nobody has acknowledged" in " ".join(gateway.status()["warnings"]))
    assert leaves(lab)
    gateway.stop()
    set_absent(lab, 3600)
    gateway = lab.start()
    assert not leaves(lab)  # from the first frame on
    with Echo(lab) as echo:
        assert echo.works()  # it answers
    assert gateway.status()["policy"]["attendance"]["roach_motel"]
    flag = ctl(lab, "policy", "pot0")["honeypots"][0]["roach_motel"]
    assert flag == {"value": True, "from": "attendance"}
    records = wait_for(lambda: [r for r in gateway.journal()
                                if r["fishbowl"].get("reason") == "attendance"])
    assert "roach motel for all" in records[-1]["fishbowl"]["detail"]
    assert "the roach motel is lifted" in ctl(lab, "ack")["said"]
    assert leaves(lab)
    gateway.stop()
    set_absent(lab, -86400)  # the clock was set back; no more time for that
    gateway = lab.start()
    assert gateway.status()["policy"]["attendance"]["absent"] < 30


# ---- reload ----


def test_reload_with_faults(lab, gateway):
    before = lab.conf.read_text()
    lab.write_conf(before + 'limit { tcp = "1/x" }\nnonsense = 4\n')
    text = refused(lab, "reload")
    assert "is not a rate" in text and "there is no setting nonsense" in text
    assert f"{lab.conf}:" in text
    assert leaves(lab)
    lab.write_conf(before + 'black_files = {"/nonexistent"}\n')
    assert "/nonexistent: there is no such file" in refused(lab, "reload")
    lab.write_conf(before.replace("fbin1", "fbin9"))
    assert "needs a restart" in refused(lab, "reload")
    lab.write_conf(before + 'capture { ring = "4M" }\n')
    assert "capture ring 32M -> 4M" in refused(lab, "reload")
    assert control(gateway, "reload refused")
    lab.write_conf(before)
    assert "no setting differs" in ctl(lab, "reload")["said"]


def test_reload_of_policy_keeps_the_gate(lab, gateway):
    pids = gateway.pids()
    with Echo(lab) as echo:
        lab.write_conf(lab.conf.read_text().replace('udp = "1000/h"', 'udp = "0/h"'))
        ctl(lab, "reload")
        assert not leaves(lab) and echo.works()
        lab.write_conf(lab.conf.read_text().replace('udp = "0/h"', 'udp = "1000/h"'))
        gateway.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "SIGHUP: reload" in gateway.output())
        assert leaves(lab)
        assert echo.longest_gap() < SOON
    assert gateway.pids() == pids


def test_reload_under_traffic(lab, gateway):
    """A new honeypot, other timeouts: a new fb-gate, whose start interrupts for some milliseconds."""
    gaps = []
    with Echo(lab, 0.0005) as echo:
        for n in range(5):
            lab.write_conf(lab.conf.read_text() + f'honeypot "new{n}" {{ address = '
                           f'{{"10.66.0.{100 + n}"}} }}\n')
            said = ctl(lab, "reload")["said"]
            assert f"honeypot new{n} is new" in said and "with a new fb-gate" in said
            assert echo.works()
        gaps.append(echo.longest_gap())
    print("longest gap", gaps, "s")
    assert max(gaps) < SOON
    names = [p["name"] for p in ctl(lab, "policy")["honeypots"]]
    assert names == ["pot0", "pot1"] + [f"new{n}" for n in range(5)]
    assert wait_for(lambda: gateway.output().count("fb-gate: process started") == 6)
    gateway.wait_up()
    run([FISHBOWL, "ctl", "audit", "-c", lab.conf])
    audit = wait_for(lambda: gateway.status()["audit"])
    assert audit["agree"], audit
    gateway.stop()
    numbers = [r["fishbowl"]["seq"] for r in gateway.journal()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_reload_of_capture_and_records(lab, gateway):
    before = gateway.pids()
    with Echo(lab) as echo:
        lab.write_conf(lab.conf.read_text() + 'capture { segment_size = "1M" }\n'
                       'store { journal_budget = "1G" }\n')
        ctl(lab, "reload")
        wait_for(lambda: gateway.pids().get("fb-tap", before["fb-tap"]) != before["fb-tap"], 20)
        gateway.wait_up()
        assert echo.works() and echo.longest_gap() < SOON
    assert gateway.pids()["fb-gate"] == before["fb-gate"]


# ---- what is said ----


def test_faults_are_explained(lab, gateway):
    cases = {
        ("isolate", "pt0"): "one of: pot0, pot1",
        ("isolate",): "which honeypot?",
        ("isolate", "pot0", "pot1"): "\"pot1\" is too much",
        ("limit", "pot0"): "no limit is named",
        ("limit", "pot0", "tcp"): "write NAME=VALUE",
        ("limit", "pot0", "tcp=many"): "is not a rate; write",
        ("limit", "pot0", "tpc=1/h"): "the limits are tcp, udp",
        ("preset", "pot0", "loud"): "the presets are standard",
        ("black", "add", "10.0.0.1/8"): "write the network",
        ("black", "enlarge"): "write black add ENTRY",
        ("release", "pot0"): "no such order",
        ("release", "pot0", "black"): "is no order for a honeypot",
        ("release", "order", "99"): "there is no order 99",
        ("kill-flow", "x"): "flow_id",
        ("lockdown", "--for", "2h"): "leave --for and --until out",
        ("isolate", "pot0", "--until", "2020-01-01"): "is over",
        ("isolate", "pot0", "--until", "soon"): "is not a time; write",
        ("isolate", "pot0", "--for", "2h", "--until", "2099-01-01"): "either",
        ("isolate", "pot0", "--reason", "x" * 300): "plain text",
        ("isolate", "pot0", "--reason", "\x1b[2J"): "plain text",
    }
    for args, words in cases.items():
        assert words in refused(lab, *args), args
    for args in (["fly"], [], ["isolate", "pot0", "--for", "soon"]):
        assert call(lab, *args).returncode not in (0, 1)
    assert orders(lab) == []


def ask(lab, text):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(5)
    s.connect(str(lab.run_dir / "ctl.sock"))
    s.send(text)
    answer = b""
    while part := s.recv(1 << 20):
        answer += part
    return json.loads(answer)


def test_requests_by_hand(lab, gateway):
    assert ask(lab, b"status")["ok"] and ask(lab, b"audit")["ok"]
    assert ask(lab, b'{"verb":"isolate","args":["pot0"],"for":60,"reason":"by hand"}')["ok"]
    for wrong in (b"{", b"{}", b"[]", b'{"verb":7}', b'{"verb":"isolate","args":"pot0"}',
                  b'{"verb":"isolate","args":[7]}', b'{"verb":"isolate","args":["pot0"],"for":-1}',
                  b'{"verb":"isolate","args":["pot0"],"for":1e300}',
                  b'{"verb":"isolate","args":["pot0"],"for":"long"}',
                  b'{"verb":"isolate","args":["pot0"],"until":7}',
                  b'{"verb":"isolate","args":["pot0"],"reason":[]}', b"obey", b"\xff\xfe",
                  b'{"verb":"isolate","verb":"stop"}', b"{" * 4000):
        answer = ask(lab, wrong)
        assert answer["ok"] is False and answer["error"], wrong
    assert len(orders(lab)) == 1 and leaves(lab, 1)


def test_many_honeypots_in_one_answer(lab):
    lab.write_conf(lab.conf.read_text() + "".join(
        f'honeypot "h{n}" {{ address = {{"10.70.{n >> 8}.{n & 255}"}} }}\n' for n in range(1, 900)))
    lab.start()
    assert len(ctl(lab, "policy")["honeypots"]) == 901
    answer = ctl(lab, "limit", "all", "udp=7/h")
    assert answer["applied_ms"] < SOON * 1000
    assert "and 881 more" in refused(lab, "isolate", "h1x")
    assert "one of: h1, h10," in refused(lab, "isolate", "h1x")
