# SPDX-License-Identifier: Apache-2.0
"""The network of the escape matrix: outside | gateway | pot0 (the compromised one), pot1, pot2.

One set of namespaces serves all attacks; each attack gets a gateway with fresh state. A machine has two
addresses on its NIC: a raw one, for frames that the attack builds itself (no kernel answers there), and
one of its kernel, for programs (nmap, hping3) and ordinary sockets.
"""
import contextlib
import itertools
import json
import os
import pathlib
import random
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))

import lab as labs  # noqa: E402
import raw  # noqa: E402

CONTROL = {4: "10.66.0.9", 6: "fd66::9"}  # who asks for the control packet
WORLD = {4: "198.51.100.", 6: "2001:db8:51::"}  # machines far away that the outside's kernel plays
FAR = {4: "203.0.113.", 6: "2001:db8:113::"}  # machines far away that answer nothing
PACKET_STATISTICS, SOL_PACKET = 6, 263

# Nobody's kernel says anything by itself: no DAD, no link-local addresses, no solicitations; the
# neighbours are known for ever.
QUIET = """
net.ipv6.conf.default.addr_gen_mode=1
net.ipv6.conf.default.accept_dad=0
net.ipv6.conf.default.accept_ra=0
net.ipv6.conf.default.accept_redirects=0
net.ipv6.conf.default.router_solicitations=0
net.ipv6.conf.default.mldv2_unsolicited_report_interval=1
net.ipv6.mld_qrv=1
net.ipv4.conf.default.accept_redirects=0
net.ipv4.conf.all.accept_redirects=0
net.ipv4.conf.default.rp_filter=0
net.ipv4.conf.all.rp_filter=0
net.ipv4.icmp_ratelimit=0
net.ipv4.icmp_msgs_per_sec=100000
net.ipv4.ip_forward=0
""".split("\n")


class NoTest(Exception):
    """The attack cannot be judged here; says why."""


class Machine:
    """A NIC of one machine, raw."""

    def __init__(self, net, where, nic, raw4, raw6, host4, host6):
        self.net, self.where = net, where
        self.nic = raw.Nic(net.ns(where), nic)
        self.mac, self.nic_name = self.nic.mac, nic
        self._raw, self._host = {4: raw4, 6: raw6}, {4: host4, 6: host6}

    def ip(self, family):
        """Its address for frames built by hand."""
        return self._raw[family]

    def host(self, family):
        """Its address for programs."""
        return self._host[family]

    def link_local(self):
        """An IPv6 link-local address of its own (nobody's kernel has it)."""
        m = self.mac
        words = bytes([m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]])
        return "fe80::" + ":".join(words[i:i + 2].hex() for i in range(0, 8, 2))

    def send(self, *frames):
        for frame in frames:
            self.nic.send(frame)

    def send_many(self, frames, pps=4000):
        """At that rate (packets per second)."""
        begin = time.monotonic()
        for n, frame in enumerate(frames):
            while n > (time.monotonic() - begin) * pps:
                time.sleep(0.001)
            self.nic.send(frame)

    def take(self, count=1, seconds=1.0):
        """Frames that arrived: waits for `count` of them, for so many seconds."""
        return self.nic.take_until(count, seconds)

    def run(self, command, timeout=20):
        """A command line in its namespace; its output, also when it fails or takes too long."""
        try:
            done = self.net.exec(self.where, command, check=False, timeout=timeout)
        except subprocess.TimeoutExpired as late:
            return str(late.output or "")
        if done.returncode in (126, 127):
            raise NoTest(f"{command.split()[0]} is missing")
        return done.stdout + done.stderr

    def socket(self, family, kind=socket.SOCK_DGRAM, proto=0):
        """An ordinary socket in its namespace."""
        with raw.in_netns(self.net.ns(self.where)):
            return socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, kind, proto)

    def count_sent(self):
        """Frames that left its NIC, whoever sent them."""
        out = self.net.exec(self.where, ["cat", f"/sys/class/net/{self.nic_name}/statistics/tx_packets"])
        return int(out.stdout)


class Pot(Machine):
    """A honeypot whose root user is the intruder."""

    def __init__(self, net, i):
        super().__init__(net, f"pot{i}", "eth0", f"10.66.0.{5 + i}", f"fd66::{5 + i}",
                         f"10.66.0.{15 + i}", f"fd66::{15 + i}")

    def frame(self, packet):
        """The packet in a frame of ours to the router."""
        return raw.ethernet(self.net.out.mac, self.mac, packet)

    def send_packets(self, packets, pps=4000):
        self.send_many((self.frame(p) for p in packets), pps)

    def scapy(self, code, timeout=30):
        """A scapy program in its namespace; the names of scapy.all are there, and ROUTER (a MAC)."""
        router = ":".join(f"{b:02x}" for b in self.net.out.mac)
        code = ("from scapy.all import *\nconf.verb = 0\nconf.iface = 'eth0'\n"
                f"ROUTER = {router!r}\n" + code)
        return self.run(["/usr/bin/python3", "-c", code], timeout)


class Out(Machine):
    """The outside: the independent capture, and a confederate of the intruder."""

    def __init__(self, net):
        super().__init__(net, "attacker", "out", "10.66.0.200", "fd66::200", "10.66.0.1", "fd66::1")
        self._counter = raw.Nic(net.ns("attacker"), "out")
        self.frames, self._stop, self._threads, self._sockets = [], threading.Event(), [], []

    @staticmethod
    def world(family, n=80):
        """The n-th machine of a net whose machines the outside's kernel plays: they answer."""
        return WORLD[family] + (str(n) if family == 4 else f"{n:x}")

    @staticmethod
    def far(family, n=80):
        """The n-th machine of a net where nobody answers."""
        return FAR[family] + (str(n) if family == 4 else f"{n:x}")

    def send_packet(self, packet, to=None):
        """In a frame to that honeypot (pot0)."""
        self.send(raw.ethernet((to or self.net.pots_[0]).mac, self.mac, packet))

    def seen(self):
        """All frames that came out since the attack began, or since forget()."""
        self.frames += self._counter.take()
        return self.frames

    def forget(self):
        """What came out until now does not count: what counts comes out from now on."""
        self.net.all_seen += self.seen()
        self.frames = []

    def lost(self):
        """Whether the capture missed frames."""
        stats = self._counter.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        return struct.unpack("=II", stats)[1]

    def answer(self, function):
        """From now on calls function(frame) for each frame that comes out; sends what it returns (a
        list of packets, to pot0)."""
        nic = raw.Nic(self.net.ns(self.where), "out")

        def loop():
            while not self._stop.is_set():
                if select.select([nic.socket], [], [], 0.05)[0]:
                    for frame in nic.take():
                        for packet in function(frame) or []:
                            nic.send(raw.ethernet(self.net.pots_[0].mac, self.mac, packet))
            nic.close()
        self._start(loop)

    def server(self, family, port, kind=socket.SOCK_STREAM, echo=True):
        """A real TCP or UDP server on that port of all machines of world() and of host()."""
        s = self.socket(family, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("0.0.0.0" if family == 4 else "::", port))
        if kind == socket.SOCK_STREAM:
            s.listen(128)
        s.setblocking(False)
        self._sockets.append(s)
        self._start(lambda: self._serve(s, kind, echo))
        return s

    def _serve(self, s, kind, echo):
        waiting = [s]
        while not self._stop.is_set():
            for one in select.select(waiting, [], [], 0.05)[0]:
                with contextlib.suppress(OSError):
                    if one is s and kind == socket.SOCK_STREAM:
                        waiting.append(s.accept()[0])
                        self._sockets.append(waiting[-1])
                    elif kind == socket.SOCK_STREAM:
                        data = one.recv(65536)
                        if not data:
                            waiting.remove(one)
                            one.close()
                        elif echo:
                            one.sendall(data)
                    else:
                        data, peer = s.recvfrom(65536)
                        if echo:
                            s.sendto(data, peer)

    def _start(self, loop):
        thread = threading.Thread(target=loop, daemon=True)
        self._threads.append(thread)
        thread.start()

    def begin(self):
        self._counter.take()
        self.nic.take()
        self.lost()
        self.frames = []

    def end(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(2)
        for s in self._sockets:
            s.close()
        self._stop, self._threads, self._sockets = threading.Event(), [], []


class Gw:
    """What a fault, an operator or a crash does to the gateway in mid-attack."""

    def __init__(self, net):
        self.net = net

    @property
    def pids(self):
        return self.net.gateway.pids()

    def kill(self, name):
        """kill -9 of "fb-gate", "fb-tap", "fb-store" or "supervisor"."""
        if name == "supervisor":
            self.net.gateway.process.kill()
            self.net.gateway.process.wait()
        else:
            self.net.gateway.kill(name)

    def kill_all(self):
        """Everything at once, as a power cut does (what is on the disk and in run_dir stays)."""
        pids = [self.net.gateway.pid, *self.pids.values()]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.net.gateway.process.wait()

    def wait_up(self):
        self.net.gateway.wait_up(20)

    def settle(self):
        """Until everything that was sent is judged."""
        self.net.settle()

    def stop(self):
        self.net.gateway.stop(20)

    def start(self):
        """`fishbowl run` again, after kill("supervisor"), kill_all() or stop()."""
        self.net.start(30)
        self.wait_up()

    def configure(self, policy, pot=("", "", "")):
        """Other settings in the file; start() or reload() reads them."""
        self.net.write_policy(policy, pot)

    def ctl(self, *words):
        """`fishbowl ctl WORDS`; no test where this version does not know the verb."""
        done = labs.run([labs.FISHBOWL, "ctl", "-c", self.net.conf, *words], check=False)
        if done.returncode:
            said = (done.stdout + done.stderr).strip().splitlines()
            if done.stdout:
                said = [json.loads(done.stdout).get("error", "refused")]
            raise NoTest(f"ctl {' '.join(words)}: {said[0] if said else 'refused'}")
        with contextlib.suppress(ValueError):
            return json.loads(done.stdout)
        return {}


class Net(labs.Lab):
    """The network, and one gateway at a time."""

    def __init__(self, bridge=False):
        super().__init__(pots=3)
        self.bridge, self.process, self._n = bridge, None, itertools.count()
        self.all_seen = []

    def pot_addresses(self, i):
        return (f"10.66.0.{15 + i}/24", f"fd66::{15 + i}/64")

    def _veth(self, ns, nic, gw_nic, addresses):
        self.exec(ns, ["sysctl", "-qw", *filter(None, QUIET)], check=False)
        super()._veth(ns, nic, gw_nic, addresses)

    def _links(self):
        super()._links()
        self.out = Out(self)
        self.pots_ = [Pot(self, i) for i in range(self.pots)]
        text = ["ip route add local 198.51.100.0/24 dev lo",
                "ip -6 route add local 2001:db8:51::/64 dev lo"]
        for pot in self.pots_:
            text += self._know(pot, "out")
        self._shell("attacker", text)
        for pot in self.pots_:
            text = self._know(self.out, "eth0")
            text += ["ip route add default via 10.66.0.1", "ip -6 route add default via fd66::1"]
            for other in self.pots_:
                text += self._know(other, "eth0") if other is not pot else []
            self._shell(pot.where, text)

    @staticmethod
    def _know(machine, nic):
        mac = ":".join(f"{b:02x}" for b in machine.mac)
        return [f"ip neigh replace {a} lladdr {mac} dev {nic} nud permanent"
                for f in (4, 6) for a in (machine.ip(f), machine.host(f))]

    def _shell(self, where, lines):
        self.exec(where, ["sh", "-ec", "\n".join(lines)])

    def write_conf(self, text=None, **settings):
        return self.write_policy("")

    def write_policy(self, policy, pot=("", "", "")):
        text = (f'outside = "fbout"\ninside = {{"fbin0", "fbin1", "fbin2"}}\ndata_netns = "no"\n'
                f'state_dir = "{self.state}"\nrun_dir = "{self.run_dir}"\nhoneynet = "escape"\n'
                f'self_test = false\nsyslog = false\n{policy}\n')
        for i in range(self.pots):
            text += (f'honeypot "pot{i}" {{ address = {{"10.66.0.{5 + i}", "fd66::{5 + i}", '
                     f'"10.66.0.{15 + i}", "fd66::{15 + i}"}} {pot[i]} }}\n')
        self.conf.write_text(text)
        return self.conf

    def begin(self, policy, pot, control=(0, 1)):
        """A gateway that knows nothing of the attack before."""
        at = self.dir / f"{next(self._n)}"
        self.state, self.run_dir = at / "state", at / "run"
        at.mkdir(mode=0o755)
        self.all_seen = []
        self.write_policy(policy, pot)
        if self.bridge:
            for nic in ("fbout", "fbin0"):
                self.exec("gw", f"ip link set {nic} up promisc on")
            self.process = self.spawn("gw", [labs.BUILD / "tests/lab/forwarder", "fbout", "fbin0"],
                                      stdout=subprocess.PIPE)
            self.process.stdout.readline()
            self.control((4, 6), (0,))
            return
        checked = labs.run([labs.FISHBOWL, "check-config", "-c", self.conf], check=False)
        if checked.returncode:
            said = (checked.stdout + checked.stderr).strip().splitlines()
            raise NoTest("policy: " + (said[0] if said else "refused").replace(f"{self.conf}:", "line ").split(";")[0])
        self.start(30)
        # Who they are and where is learnt from what each says first.
        self.control((4, 6), {*control, 2})

    def control(self, families, pots):
        """A question from outside, and its answer: both must get through. By number of the honeypots."""
        for i, family in itertools.product(sorted(pots) if not self.bridge else (0,), families):
            self._control(self.pots_[i], family)

    def _control(self, pot, family, seconds=10):
        me, end = CONTROL[family], time.monotonic() + seconds
        for n in itertools.count(random.randrange(20000)):
            ask = raw.udp(me, 40000 + n % 20000, pot.ip(family), 7, b"control %d" % n)
            reply = pot.frame(raw.udp(pot.ip(family), 7, me, 40000 + n % 20000, b"answer %d" % n))
            pot.nic.take()
            self.out.nic.take()
            self.out.send_packet(ask, pot)
            if self._arrives(pot.nic, raw.ethernet(pot.mac, self.out.mac, ask)):
                pot.send(reply)
                if self._arrives(self.out.nic, reply):
                    return
            if time.monotonic() > end:
                raise NoTest(f"the control packet of {pot.where} did not get through (IPv{family})")

    @staticmethod
    def _arrives(nic, frame, seconds=0.5):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            select.select([nic.socket], [], [], 0.05)
            if any(f[:len(frame)] == frame for f in nic.take()):
                return True
        return False

    def settle(self):
        """Until the gateway has judged everything and nothing comes out any more."""
        last, quiet = None, time.monotonic()
        while time.monotonic() < quiet + 0.25:
            now = (len(self.out.seen()), self._received())
            if now != last:
                last, quiet = now, time.monotonic()
            time.sleep(0.05)

    def _received(self):
        status = None if self.bridge else self.gateway.status()
        return status["frames"]["received"] if status and "frames" in status else 0

    def reasons(self):
        status = None if self.bridge else self.gateway.status()
        return status["frames"]["by_reason"] if status and "frames" in status else {}

    def finish(self):
        """Ends the gateway; the frames its capture calls passed, from inside. None with a bridge."""
        if self.bridge:
            self.process.terminate()
            self.process.wait()
            return None
        passed = []
        if self.gateway and self.gateway.process.poll() is None:
            self.gateway.stop(30)
        if self.gateway:
            passed = [frame for nic, frame, comment in
                      raw.pcapng_packets(sorted((self.state / "capture").glob("*.pcapng")))
                      if comment.startswith("pass") and (nic != "fbout" or "outbound" in comment)]
        self._end_left_over()
        shutil.rmtree(self.state.parent, ignore_errors=True)
        for log in self.dir.glob("run-*.log"):
            log.unlink()
        self.gateway = None
        return passed
