# SPDX-License-Identifier: Apache-2.0
"""A small honeynet in network namespaces, for tests: attacker | gw | honeypot.

    with Lab() as lab:                 # namespaces and links, nothing of ours runs yet
        gw = lab.start()               # fishbowl run; waits until it forwards
        lab.attacker("ping -c1 10.66.0.5")
        gw.kill("fb-tap"); gw.stop()

Everything a lab makes has a name with its own prefix and goes away with it, whatever happens.
"""
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FISHBOWL_BUILD", ROOT / "build"))
NETNS_EXEC = str(ROOT / "src/cmd/fb-lab/netns-exec")
FISHBOWL = pathlib.Path(os.environ.get("FISHBOWL", BUILD / "src/cmd/fishbowl/fishbowl"))

ATTACKER = ("10.66.0.1/24", "fd66::1/64")
HONEYPOT = ("10.66.0.5/24", "fd66::5/64")

_count = 0


def run(command, check=True, timeout=60, **more):
    """A command line (str or list); the finished process with its output as text."""
    args = shlex.split(command) if isinstance(command, str) else [str(a) for a in command]
    done = subprocess.run(args, capture_output=True, text=True, timeout=timeout, **more)
    if check and done.returncode:
        raise AssertionError(f"{args} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def wait_for(what, seconds=10, every=0.05):
    """Calls what() until it gives something true, which is returned."""
    end = time.monotonic() + seconds
    while True:
        got = what()
        if got:
            return got
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(every)


def can_run():
    """None, or why labs cannot run here."""
    if os.geteuid():
        return "needs root"
    if not FISHBOWL.exists():
        return f"no {FISHBOWL}: build first, or set FISHBOWL_BUILD"
    name = f"fbprobe{os.getpid()}"
    if run(["ip", "netns", "add", name], check=False).returncode:
        return "cannot make network namespaces"
    run(["ip", "netns", "del", name])
    return None


def sanitized():
    """Whether fb-gate was built with sanitizers: then it is slow."""
    gate = BUILD / "src/cmd/fb-gate/fb-gate"
    return gate.exists() and b"__asan_init" in gate.read_bytes()


class Gateway:
    """A running `fishbowl run`."""

    def __init__(self, lab, process, log):
        self.lab, self.process, self.log = lab, process, log

    @property
    def pid(self):
        return self.process.pid

    def output(self):
        return self.log.read_text(errors="replace")

    def ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"fishbowl ended with {self.process.returncode}:\n{self.output()}")
        return "forwarding;" in self.output()

    def status(self):
        done = run([FISHBOWL, "status", "--json", "-c", self.lab.conf], check=False)
        return json.loads(done.stdout) if done.stdout else None

    def pids(self):
        """Process name -> pid, of those that run."""
        status = self.status() or {}
        return {p["name"]: p["pid"] for p in status.get("processes", []) if p["pid"] > 0}

    def kill(self, name, sig=signal.SIGKILL):
        def killed():
            try:
                os.kill(self.pids()[name], sig)
                return True
            except (KeyError, ProcessLookupError):
                return False  # it is still ending from a kill before
        wait_for(killed)

    def wait_up(self, seconds=15):
        """Until all processes are up."""
        def all_up():
            status = self.status()
            return status and status.get("ok") and all(
                p["state"] == "up" for p in status["processes"]) and status
        return wait_for(all_up, seconds)

    def ctl(self, verb):
        return json.loads(run([FISHBOWL, "ctl", verb, "-c", self.lab.conf]).stdout)

    def stop(self, seconds=60):
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def records(self, *filters):
        """EVE records from `fishbowl events --json`, oldest first."""
        done = run([FISHBOWL, "events", "--json", "-c", self.lab.conf, *filters])
        return [json.loads(line) for line in done.stdout.splitlines()]

    def journal(self):
        """All lines of the journal as they are on the disk."""
        lines = []
        for path in sorted((self.lab.state / "journal").glob("journal-*.jsonl")):
            for line in path.read_text(errors="replace").splitlines():
                try:
                    lines.append(json.loads(line))
                except ValueError:
                    pass  # the last line of a killed writer
        return lines

    def segments(self):
        return sorted((self.lab.state / "capture").glob("*.pcapng"))


class Capture:
    """tcpdump in a namespace. frames() after the `with` block: list of bytes."""

    def __init__(self, lab, where, nic, direction=None, bpf=""):
        self.path = lab.dir / f"{where}-{nic}-{time.monotonic_ns()}.pcap"
        args = [NETNS_EXEC, lab.ns(where), "tcpdump", "-i", nic, "-w", self.path, "-U",
                "-s", "0", "-B", "32768", "--immediate-mode"]
        if direction:
            args += ["-Q", direction]
        self.process = subprocess.Popen([str(a) for a in args + shlex.split(bpf)],
                                        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        while b"listening on" not in self.process.stderr.readline():
            assert self.process.poll() is None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        time.sleep(0.2)
        self.process.send_signal(signal.SIGINT)
        self.process.communicate()

    def frames(self):
        data, at, found = self.path.read_bytes(), 24, []
        while at + 16 <= len(data):
            size = int.from_bytes(data[at + 8:at + 12], "little")
            found.append(data[at + 16:at + 16 + size])
            at += 16 + size
        return found


class Lab:
    """attacker (NIC out) <-> gw (NICs fbout, fbin0, fbin1, ...) <-> pot0, pot1, ... (NIC eth0)."""

    def __init__(self, pots=1, extra="", data_netns="no", limit=None, prefix=None):
        global _count
        _count += 1
        self.prefix = prefix or f"fb{os.getpid() % 100000}x{_count}"
        self.pots, self.extra, self.data_netns, self.limit = pots, extra, data_netns, limit
        self.gateway = None
        self.started = []

    def ns(self, name):
        return f"{self.prefix}-{name}"

    def pot_addresses(self, i):
        return (f"10.66.0.{5 + i}/24", f"fd66::{5 + i}/64")

    def __enter__(self):
        # In /dev/shm: a tmpfs, so rings are where they should be.
        base = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.prefix}-", dir=base))
        self.dir.chmod(0o755)
        self.state, self.run_dir = self.dir / "state", self.dir / "run"
        self.conf = self.dir / "fishbowl.conf"
        try:
            self._links()
            self.write_conf()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()
        if self.gateway and self.gateway.process.poll() is None:
            try:
                self.gateway.stop(20)
            except subprocess.TimeoutExpired:
                self.gateway.process.kill()
                self.gateway.process.wait()
        self._end_left_over()
        for name in ["attacker", "gw"] + [f"pot{i}" for i in range(self.pots)]:
            run(["ip", "netns", "del", self.ns(name)], check=False)
        if not os.environ.get("FISHBOWL_LAB_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)

    def _end_left_over(self):
        """Children of a supervisor that a test killed: they hold our lock file."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                open_files = [os.readlink(f"/proc/{pid}/fd/{fd}")
                              for fd in os.listdir(f"/proc/{pid}/fd")]
                if str(self.run_dir / "lock") in open_files:
                    os.kill(int(pid), signal.SIGKILL)
            except OSError:
                pass  # it has ended meanwhile

    def _links(self):
        names = ["attacker", "gw"] + [f"pot{i}" for i in range(self.pots)]
        for name in names:
            run(["ip", "netns", "add", self.ns(name)])
            run([NETNS_EXEC, self.ns(name), "ip", "link", "set", "lo", "up"])
        # The gateway's kernel says nothing from the first moment on.
        self.exec("gw", "sysctl -qw net.ipv6.conf.default.disable_ipv6=1")
        self._veth("attacker", "out", "fbout", ATTACKER)
        for i in range(self.pots):
            self._veth(f"pot{i}", "eth0", f"fbin{i}", self.pot_addresses(i))

    def _veth(self, ns, nic, gw_nic, addresses):
        run(["ip", "link", "add", gw_nic, "netns", self.ns("gw"), "type", "veth", "peer", "name",
             nic, "netns", self.ns(ns)])
        run([NETNS_EXEC, self.ns(ns), "ip", "link", "set", nic, "up"])
        for address in addresses:
            run([NETNS_EXEC, self.ns(ns), "ip", "addr", "add", address, "dev", nic]
                + (["nodad"] if ":" in address else []))

    def write_conf(self, text=None, **settings):
        """The configuration; `text` replaces it whole, `extra` of the constructor is added."""
        if text is None:
            inside = ", ".join(f'"fbin{i}"' for i in range(self.pots))
            text = (f'outside = "fbout"\ninside = {{{inside}}}\nstate_dir = "{self.state}"\n'
                    f'run_dir = "{self.run_dir}"\ndata_netns = "{self.data_netns}"\n'
                    'seccomp = "trap"\nhoneynet = "lab"\nself_test = false\n')
            for key, value in settings.items():
                text += f"{key} = {value}\n"
            for i in range(self.pots):
                addresses = ", ".join(f'"{a.split("/")[0]}"' for a in self.pot_addresses(i))
                limit = f" {self.limit}" if self.limit else ""
                text += f'honeypot "pot{i}" {{ address = {{{addresses}}}{limit} }}\n'
            text += self.extra + "\n"
        self.conf.write_text(text)
        return self.conf

    def exec(self, where, command, **more):
        args = shlex.split(command) if isinstance(command, str) else list(command)
        return run([NETNS_EXEC, self.ns(where), *args], **more)

    def attacker(self, command, **more):
        return self.exec("attacker", command, **more)

    def pot(self, command, i=0, **more):
        return self.exec(f"pot{i}", command, **more)

    def spawn(self, where, command, **more):
        """A process that runs on; it ends with the lab."""
        args = shlex.split(command) if isinstance(command, str) else [str(a) for a in command]
        process = subprocess.Popen([NETNS_EXEC, self.ns(where), *args], **more)
        self.started.append(process)
        return process

    def capture(self, where, nic, **more):
        return Capture(self, where, nic, **more)

    def launch(self, env=None):
        """`fishbowl run` without waiting."""
        log = self.dir / f"run-{time.monotonic_ns()}.log"
        with open(log, "wb") as to:
            process = subprocess.Popen(
                [NETNS_EXEC, self.ns("gw"), str(FISHBOWL), "run", "-c", str(self.conf)],
                stdout=to, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})})
        self.gateway = Gateway(self, process, log)
        return self.gateway

    def start(self, seconds=60, env=None):
        gateway = self.launch(env)
        wait_for(gateway.ready, seconds)
        return gateway

    def fails(self, seconds=60, env=None):
        """`fishbowl run` that must not start: its output."""
        gateway = self.launch(env)
        assert gateway.process.wait(seconds) not in (0, -11), gateway.output()
        return gateway.output()


def udp_echo_program(address, port):
    """Python source of a UDP and TCP echo server on that address and port."""
    family = "AF_INET6" if ":" in address else "AF_INET"
    return f"""
import selectors, socket
u = socket.socket(socket.{family}, socket.SOCK_DGRAM); u.bind(("{address}", {port}))
t = socket.socket(socket.{family}); t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
t.bind(("{address}", {port})); t.listen(64)
s = selectors.DefaultSelector(); s.register(u, 1); s.register(t, 1)
print("ready", flush=True)
while True:
    for key, _ in s.select():
        f = key.fileobj
        if f is u:
            data, peer = u.recvfrom(65536); u.sendto(data, peer)
        elif f is t:
            c, _ = t.accept(); s.register(c, 1)
        else:
            try: data = f.recv(65536)
            except OSError: data = b""
            if data: f.sendall(data)
            else: s.unregister(f); f.close()
"""
