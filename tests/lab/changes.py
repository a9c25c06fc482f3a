# SPDX-License-Identifier: Apache-2.0
"""Changes of policy under traffic, and what they cost: for test_policy_change.py and `make bench`.

All frames have numbers and the time when they were sent. Between the moment when `fishbowl ctl` has said that
they must not leave and the next command that may change that none arrives, not even one that was sent before.

FISHBOWL_MBIT sets the rate (500), FISHBOWL_RELOADS how many reloads are measured of each kind (5; the contract
was measured with 20)."""
import os
import re
import statistics
import struct
import subprocess
import time

from lab import BUILD, FISHBOWL, Lab, run

NUMBERS = BUILD / "tests/lab/numbers"
MBIT = int(os.environ.get("FISHBOWL_MBIT", "500"))
RELOADS = int(os.environ.get("FISHBOWL_RELOADS", "5"))
SIZE = 1514
IN, SAME, LISTED, NEW = 9000, 9001, 9002, 9003  # destination ports of the streams
OUT_PPS = 1000
POT, ATTACKER, OTHER = "10.66.0.5", "10.66.0.1", "10.66.0.77"
LIMIT = ('limit { udp = "unlimited" packets = "unlimited" packets_sum = "unlimited" bytes = "unlimited" '
         'bytes_sum = "unlimited" unanswered = 1000000 }\n')
FLOWS = 'flow { udp = "20s" }\n'  # one for each frame of NEW, 20,000 at a time
NS = 10 ** 9
STUCK = 5 * NS  # what takes longer than this hangs, on whatever machine


class Traffic:
    """Streams through the gateway: one in, three out (one conversation; one to a host that gets listed; a
    conversation for each frame)."""

    def __init__(self, lab, seconds):
        self.lab = lab
        self.takers = [self._taker("pot0", "eth0"), self._taker("attacker", "out")]
        macs = [lab.exec(w, ["cat", f"/sys/class/net/{n}/address"]).stdout.strip()
                for w, n in (("pot0", "eth0"), ("attacker", "out"))]
        pps = MBIT * 1000000 // (8 * SIZE)
        self.pps = pps
        self.senders = [
            self._sender("attacker", "out", macs[0], seconds, f"{ATTACKER},5,{POT},{IN},{SIZE},{pps}"),
            self._sender("pot0", "eth0", macs[1], seconds, f"{POT},1001,{ATTACKER},{SAME},100,{OUT_PPS}",
                         f"{POT},1002,{OTHER},{LISTED},100,{OUT_PPS}", f"{POT},0,{ATTACKER},{NEW},100,{OUT_PPS}")]

    def _taker(self, where, nic):
        file = open(self.lab.dir / f"taken-{where}", "w+b")
        taker = self.lab.spawn(where, [NUMBERS, "take", nic], stdout=file, stderr=subprocess.PIPE)
        assert taker.stderr.readline() == b"ready\n"
        return taker, file

    def _sender(self, where, nic, mac, seconds, *streams):
        return self.lab.spawn(where, [NUMBERS, "send", nic, mac, seconds, *streams], stdout=subprocess.PIPE,
                              text=True)

    def finish(self):
        """(port -> how many were sent, port -> [(sent, taken, number)])."""
        sent = {}
        for sender in self.senders:
            out, _ = sender.communicate(timeout=200)
            assert sender.returncode == 0
            sent.update((int(a), int(b)) for a, b in (line.split() for line in out.splitlines()))
        time.sleep(0.5)
        got = {IN: [], SAME: [], LISTED: [], NEW: []}
        for taker, file in self.takers:
            taker.kill()
            taker.wait()
            file.seek(0)
            data = file.read()
            for at, taken, number, port in struct.iter_unpack("=qqII", data[:len(data) // 24 * 24]):
                got[port].append((at, taken, number))
            file.close()
        return sent, got


class Operator:
    """Gives orders; knows since when, and until when, each stream is forbidden or free."""

    def __init__(self, lab):
        self.lab, self.took = lab, {}
        self.spans = {SAME: [], LISTED: [], NEW: []}  # (from, to, allowed)
        self.since = {port: (None, True) for port in self.spans}

    def ctl(self, *words):
        begin = time.time_ns()
        done = run([FISHBOWL, "ctl", "-c", self.lab.conf, *words], check=False)
        end = time.time_ns()
        assert done.returncode == 0, done.stdout + done.stderr
        self.took.setdefault(words[0], []).append(end - begin)
        return begin, end

    def change(self, allowed, ports, *words):
        """An order after which these streams are allowed or not."""
        begin, end = self.ctl(*words)
        for port in ports:
            since, before = self.since[port]
            if since is not None:
                self.spans[port].append((since, begin, before))
            self.since[port] = (end, allowed)

    def begin(self):
        for port in self.since:
            self.since[port] = (time.time_ns(), True)

    def end(self):
        for port, (since, allowed) in self.since.items():
            self.spans[port].append((since, time.time_ns(), allowed))


def make_lab(more=""):
    return Lab(extra=LIMIT + FLOWS + 'capture { ring = "64M" budget = "3G" }\n' + more)


def start(lab, seconds):
    """The gateway with traffic through it, all streams known to arrive."""
    gateway = lab.start()
    gateway.wait_up()
    return gateway, Traffic(lab, seconds)


def check_forbidden(operator, got):
    """Nothing arrives while it is forbidden. Returns how many were sent then, how many came that were sent while
    it was allowed, and how many of these are missing between the first and the last."""
    stopped = arrived = absent = 0
    for port, spans in operator.spans.items():
        for since, until, allowed in spans:
            if not allowed:
                wrong = [(n, (at - since) / 1e6, (taken - since) / 1e6) for at, taken, n in got[port]
                         if since < taken < until]
                assert not wrong, f"frames to {port} that came out, ms after it was forbidden: {wrong}"
                stopped += int((until - since) / NS * OUT_PPS)
            elif inside := [n for at, _, n in got[port] if since < at < until]:
                arrived += len(inside)
                absent += max(inside) - min(inside) + 1 - len(inside)
    return stopped, arrived, absent


def missing(sent, got):
    return sent[IN] - len({n for _, _, n in got[IN]})


def longest_gap(got, since, until):
    """ns without an arriving inbound frame between the two times."""
    times = [since] + [taken for _, taken, _ in got[IN] if since < taken < until] + [until]
    return max(b - a for a, b in zip(times, times[1:]))


def rate(got):
    return len(got[IN]) * SIZE * 8e3 / (got[IN][-1][1] - got[IN][0][1])


def give_orders(operator):
    all_ = (SAME, LISTED, NEW)
    for _ in range(2):
        operator.change(False, all_, "isolate", "pot0")
        time.sleep(0.4)
        operator.change(True, all_, "release", "pot0")
        time.sleep(0.4)
        operator.change(False, (LISTED,), "black", "add", OTHER)
        time.sleep(0.4)
        operator.change(False, (NEW,), "limit", "pot0", "udp=0/h")
        time.sleep(0.4)
        operator.change(True, (LISTED,), "black", "remove", OTHER)
        operator.change(True, (NEW,), "release", "pot0")
        time.sleep(0.4)
        operator.change(False, (NEW,), "roach-motel", "pot0")
        time.sleep(0.4)
        operator.change(True, (NEW,), "release", "pot0", "roach-motel")
    time.sleep(0.3)


def orders(lab):
    """(frames lost, verb -> ns of each order)."""
    gateway, traffic = start(lab, 8)
    operator = Operator(lab)
    time.sleep(1)
    operator.begin()
    give_orders(operator)
    operator.end()
    sent, got = traffic.finish()
    stopped, arrived, absent = check_forbidden(operator, got)
    lost, missed = missing(sent, got) + absent, gateway.status()["frames"]["missed"]
    print(f"\n{rate(got):.0f} Mbit/s in, {sum(sent.values())} frames, {lost} missing ({missed} missed by a NIC); "
          f"{stopped} forbidden frames stopped, {arrived} allowed ones arrived")
    for verb, took in operator.took.items():
        print(f"  {verb}: median {statistics.median(took) / 1e6:.1f} ms, worst {max(took) / 1e6:.1f} ms")
    assert lost <= missed, "the gateway itself lost frames"
    assert stopped > 3000 and arrived > 3000
    assert max(max(took) for took in operator.took.values()) < STUCK
    return lost, operator.took


def with_pots(lab, n):
    """The configuration with n more honeypots."""
    text = lab.conf.read_text().split("# more\n")[0]
    lab.conf.write_text(text + "# more\n" + "".join(
        f'honeypot "more{i}" {{ address = {{"10.66.0.{100 + i}"}} }}\n' for i in range(n)))


def with_another_pot(lab, n):
    """The configuration with one honeypot more, or less."""
    with_pots(lab, n % 2 + 1)


def with_limit(lab, n):
    """The configuration with another limit."""
    lab.conf.write_text(re.sub(r'limit \{( icmp = "\d+/h")?', f'limit {{ icmp = "{n + 1}/h"', lab.conf.read_text()))


def reloads(lab, write, each_s=1.1):
    """(frames lost, ns without a frame around each reload)."""
    gateway, traffic = start(lab, int(3 + RELOADS * each_s))
    operator, windows = Operator(lab), []
    time.sleep(1)
    operator.begin()
    operator.change(False, (LISTED,), "black", "add", OTHER)
    for n in range(RELOADS):
        write(lab, n)
        time.sleep(0.2)
        begin, end = operator.ctl("reload")
        time.sleep(0.5)
        windows.append((begin - NS // 10, end + NS // 5))
    operator.end()
    sent, got = traffic.finish()
    assert windows[-1][1] < got[IN][-1][1], "the traffic ended too early"
    absent = check_forbidden(operator, got)[2]
    gaps = [longest_gap(got, *w) for w in windows]
    lost, missed = missing(sent, got) + absent, gateway.status()["frames"]["missed"]
    print(f"\n{rate(got):.0f} Mbit/s in; gap median {statistics.median(gaps) / 1e6:.1f} ms, worst "
          f"{max(gaps) / 1e6:.1f} ms; {lost} of {sum(sent.values())} frames lost ({missed} by a NIC) "
          f"in {RELOADS} reloads, which took {statistics.median(operator.took['reload']) / 1e6:.0f} ms")
    assert max(gaps) < STUCK
    return lost, gaps
