# SPDX-License-Identifier: Apache-2.0
"""Ordinary life is not hurt: real programs, in the lab that `fishbowl lab up` makes. Honeypots `web` and
`files` have the limits of the preset standard, `old` those of open-watch. All works, and after each exchange
the gateway must have dropped nothing, but for what the test explains.

FISHBOWL_SCP_BYTES sets what scp brings in (100 MB; the contract says 1 GB)."""
import contextlib
import glob
import hashlib
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import time

import pytest

import raw
from lab import FISHBOWL, NETNS_EXEC, ROOT, can_run, run, sanitized, wait_for

sys.path.insert(0, str(ROOT / "src/cmd/fb-lab"))
sys.dont_write_bytecode = True
from fblab import packages, plan, proc  # noqa: E402

pytestmark = [pytest.mark.skipif(can_run() is not None, reason=str(can_run())),
              pytest.mark.skipif(sanitized() and "FISHBOWL_SCP_BYTES" not in os.environ,
                                 reason="with sanitizers test_daemons.py has real programs")]

SCP_BYTES = int(os.environ.get("FISHBOWL_SCP_BYTES", "100000000"))
HERE = pathlib.Path(__file__).parent
CLIENTS = ["busybox", "chrony", "isc-dhcp-client", "traceroute"]  # what the honeypots run besides
SSH = ["env", "SSH_ASKPASS=/srv/askpass", "SSH_ASKPASS_REQUIRE=force"]
SSH_OPTIONS = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
WEB, WEB6 = "192.0.2.11", "2001:db8:0:1::11"
FILES, FILES6 = "192.0.2.12", "2001:db8:0:1::12"
SLAAC = "2001:db8:0:2:fb:ff:fe00:12"  # made from the MAC address of files
DROPS = {name for name, verdict in re.findall(
    r"REASON\(\w+, \"([\w-]+)\", (\w+),", (ROOT / "src/event/reason.def").read_text()) if verdict == "DROP"}


class Life:
    """The lab, and the ordinary network around it."""

    def __init__(self, directory):
        self.dir, self.servers, self.conf = directory, [], plan.path("gateway", "fishbowl.conf")
        self.dropped = {}

    def fishbowl(self, *words, check=True):
        return run([FISHBOWL, *words], check=check, timeout=120, stdin=subprocess.DEVNULL)

    def up(self):
        self.fishbowl("lab", "up")
        conf = pathlib.Path(self.conf)
        text = conf.read_text().replace(f'"{FILES6}"', f'"{FILES6}", "{SLAAC}"')
        text = text.replace('honeypot "old" {', 'honeypot "old" { preset = "open-watch"')
        conf.write_text(text + 'resolvers = {"192.0.2.80", "2001:db8:0:1::80"}\n'
                        'ntp_servers = {"192.0.2.80", "2001:db8:0:1::80"}\n')
        self.fishbowl("ctl", "reload", "-c", self.conf)
        for name in ("web", "files", "old", "attacker"):
            self._equip(name)
        for name in ("web", "files", "old"):
            self._connect(name)
        # The world beyond the router, all of it played by the attacker's machine.
        self.net("attacker", "sh", "-ec", "ip route add local 198.51.100.0/24 dev lo; "
                 "ip -6 route add local 2001:db8:51::/64 dev lo; "
                 "echo 1 >/proc/sys/net/ipv6/ip_nonlocal_bind")
        self.root("attacker", "sh", "-c", "printf '#!/bin/sh\necho 123456\n' >/srv/askpass; chmod 755 /srv/askpass")
        for name in ("dns", "ntp"):
            self.serve("victim", name)

    def _equip(self, name):
        for deb in glob.glob(str(pathlib.Path(plan.CACHE) / "debs/*.deb")):
            archive = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
            subprocess.run(proc.inside(name, "tar", "-x", "--keep-directory-symlink", "-C", "/"),
                           stdin=archive.stdout, check=True)
            archive.wait()

    def _connect(self, name):
        self.net(name, "sh", "-ec", "ip route add default via 192.0.2.66; "
                 "ip -6 route add default via 2001:db8:0:1::66")
        self.root(name, "sh", "-c", "echo nameserver 192.0.2.80 >/etc/resolv.conf; "
                  "echo 'hosts: files dns' >>/etc/nsswitch.conf")

    def root(self, host, *argv, timeout=60, check=True):
        """A command on that host, with its own root; what it said."""
        done = proc.on(host, *argv, timeout=timeout)
        assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def net(self, host, *argv, **more):
        """A command of this machine in that host's network."""
        return run([NETNS_EXEC, plan.host(host).netns, *argv], **more).stdout

    def traffic(self, host, *argv, **more):
        return self.net(host, sys.executable, HERE / "traffic.py", *argv, **more)

    def serve(self, host, *argv):
        """A server of services.py; it ends with the lab."""
        server = subprocess.Popen([NETNS_EXEC, plan.host(host).netns, sys.executable, HERE / "services.py",
                                   *map(str, argv)], stdout=subprocess.PIPE)
        self.servers.append(server)
        assert server.stdout.readline() == b"ready\n"
        return server

    def status(self):
        return json.loads(self.fishbowl("status", "--json", "-c", self.conf, check=False).stdout)

    def drops(self):
        """What the gateway dropped until now: reason -> frames. Waits until it has nothing to do."""
        frames, last = self.status()["frames"], None
        while frames != last:
            time.sleep(0.1)
            frames, last = self.status()["frames"], frames
        assert frames["missed"] == 0 and frames["received"] == frames["captured"]
        return {reason: n for reason, n in frames["by_reason"].items() if reason in DROPS}

    @contextlib.contextmanager
    def nothing_dropped(self, explained=None):
        """Nothing since the last time, but what explained() counts: reason -> frames."""
        before = self.dropped
        yield
        self.dropped = self.drops()
        more = {reason: n - before.get(reason, 0) for reason, n in self.dropped.items()}
        excused = explained() if explained else {}
        more = {reason: n for reason, n in more.items() if n != excused.get(reason, 0)}
        assert not more, f"dropped: {more}\n" + self.fishbowl(
            "events", "-c", self.conf, "--type", "drop", check=False).stdout[-3000:]


def written(status):
    """Frames that the capture will have: those that came, and once more those that left otherwise."""
    return status["frames"]["captured"] + status["rules"]["changed"]


class Resets:
    """Frames of connections that the outside has reset before: what was on its way when the reset came,
    and what the honeypot sends until it hears of it, belongs to no connection any more (repeated), or, once a
    client has begun another one from the same port, not to that (out-of-window)."""

    def __init__(self, life):
        self.life, self.from_packet = life, written(life.status())

    def __call__(self):
        """How many there were of each. Fails when one of them is anything else."""
        frames = written(self.life.status())
        wait_for(lambda: self.life.status()["capture"]["frames"] == frames, 20)
        reset, found = set(), {"repeated": 0, "out-of-window": 0}
        paths = sorted(pathlib.Path(plan.path("gateway", "state", "capture")).glob("*.pcapng"))
        for n, (nic, frame, comment) in enumerate(raw.pcapng_packets(paths)):
            if n < self.from_packet or frame[12:14] not in (b"\x08\0", b"\x86\xdd"):
                continue
            at, src, dst = (34, frame[26:30], frame[30:34]) if frame[12] == 8 else \
                (54, frame[22:38], frame[38:54])
            if frame[23 if at == 34 else 20] != 6:
                continue
            if nic == "outside" and frame[at + 13] & 4:
                reset.add((dst, src, frame[at + 2:at + 4], frame[at:at + 2]))
            reason = comment.split()[1] if comment.startswith("drop ") else ""
            if reason in found:
                assert (src, dst, frame[at:at + 2], frame[at + 2:at + 4]) in reset, comment
                found[reason] += 1
        return found


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    os.environ["FISHBOWL_LAB_PREFIX"] = plan.PREFIX = f"fbo{os.getpid()}-"
    os.environ["FISHBOWL_LAB_DIR"] = plan.STATE = str(tmp_path_factory.mktemp("lab"))
    plan.CACHE, plan.PACKAGES = plan.CACHE + "/clients", CLIENTS
    life = Life(tmp_path_factory.mktemp("life"))
    try:
        try:
            packages.fetch(print)
        except proc.LabError as error:
            pytest.skip(str(error))
        life.up()
        yield life
    finally:
        for server in life.servers:
            server.kill()
            server.wait()
        life.fishbowl("lab", "down")


@pytest.fixture(scope="module")
def session(life):
    """An interactive ssh session, idle while the other tests run."""
    with life.nothing_dropped():
        shell = subprocess.Popen(proc.inside("attacker", *SSH, "ssh", *SSH_OPTIONS, f"root@{WEB}", "cat"),
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        shell.stdin.write(b"hello\n")
        assert shell.stdout.readline() == b"hello\n"
    yield shell, time.monotonic()
    shell.kill()
    shell.wait()


def test_interactive_ssh_begins(session):
    pass


# ---- from inside ----

def make_repository(directory, count=40, size=500000):
    """Packages p0..., and `all` that needs them; Packages as dpkg-scanpackages makes it."""
    directory.mkdir()
    for n in [*range(count), "all"]:
        tree = directory.parent / f"tree-{n}"
        (tree / "DEBIAN").mkdir(parents=True)
        depends = "Depends: " + ", ".join(f"p{i}" for i in range(count)) + "\n" if n == "all" else ""
        (tree / "DEBIAN/control").write_text(
            f"Package: p{n}\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.net>\n{depends}"
            "Description: one of many\n")
        (tree / f"data-{n}").write_bytes(random.Random(n).randbytes(size))
        run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, directory / f"p{n}.deb"])
    index = ""
    for deb in sorted(directory.glob("*.deb")):
        data = deb.read_bytes()
        index += run(["dpkg-deb", "-f", deb]).stdout + f"Filename: ./{deb.name}\nSize: {len(data)}\n" \
            f"SHA256: {hashlib.sha256(data).hexdigest()}\n\n"
    (directory / "Packages").write_text(index)
    (directory / "Release").write_text("Suite: lab\nSHA256:\n " + hashlib.sha256(index.encode()).hexdigest() +
                                       f" {len(index)} Packages\n")


def test_apt_get_through_open_watch(life):
    """update, install of 41 packages and download of three: 22 MB from a server known by name."""
    make_repository(life.dir / "debian")
    life.serve("victim", "web", 8000, life.dir)
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "Dir=/tmp/apt", "-o",
           "Dir::State::status=/tmp/apt/dpkg/status", "-o", "APT::Sandbox::User=root", "-o",
           "DPkg::Options::=--root=/tmp/apt/root", "-o", "DPkg::Options::=--log=/dev/null"]
    life.root("old", "sh", "-ec", "cd /tmp; mkdir -p apt/etc/apt/preferences.d apt/var/lib/apt/lists/partial "
              "apt/var/cache/apt/archives/partial apt/var/log/apt apt/dpkg apt/root/var/lib/dpkg/updates "
              "apt/root/var/lib/dpkg/info; "
              "touch apt/root/var/lib/dpkg/status; rmdir apt/dpkg; ln -s root/var/lib/dpkg apt/dpkg; "
              "echo 'deb [trusted=yes] http://deb.example.net:8000/debian ./' >apt/etc/apt/sources.list")
    with life.nothing_dropped():
        said = life.root("old", *apt, "update")
        assert "Packages" in said and "Err:" not in said, said
        said = life.root("old", *apt, "install", "pall", timeout=120)
        assert "Need to get 21.4 MB" in said and said.count("Setting up") == 41, said
        life.root("old", *apt, "clean")
        life.root("old", "sh", "-c", "cd /tmp && " + " ".join(apt) + " download p1 p2 p3")
    sums = life.root("old", "sh", "-c", "sha256sum /tmp/*.deb")
    for n in (1, 2, 3):
        assert hashlib.sha256((life.dir / f"debian/p{n}.deb").read_bytes()).hexdigest() in sums


LOOKUPS = """
import socket, sys
names, want = sys.argv[1:], int(sys.argv[1])
for n in range(int(sys.argv[2])):
    name = sys.argv[3] % n
    got = {a[4][0] for a in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)}
    assert len(got) == want, (name, got)
"""


def test_dns(life):
    """100 look-ups of A and AAAA in an hour: the budget of 200 questions is for just that."""
    with life.nothing_dropped():
        life.root("web", "python3", "-c", LOOKUPS, "2", "100", "host%d.example.net")


def test_dns_over_tcp(life):
    """Answers that do not fit are asked for again over TCP."""
    with life.nothing_dropped():
        life.root("files", "python3", "-c", LOOKUPS, "80", "5", "big%d.example.net")


def test_dns_over_ipv6(life):
    with life.nothing_dropped():
        life.root("files", "sh", "-c", "echo nameserver 2001:db8:0:1::80 >/etc/resolv.conf")
        life.root("files", "python3", "-c", LOOKUPS, "2", "10", "six%d.example.net")


@pytest.mark.parametrize("server", ["192.0.2.80", "2001:db8:0:1::80"])
def test_ntp(life, server):
    """chronyd measures the clock, as at its start, and does not set it."""
    with life.nothing_dropped():
        said = life.root("web", "chronyd", "-Q", "-u", "root", "-t", "20", "-f", "/dev/null",
                         f"server {server} iburst maxsamples 1", timeout=40)
    assert "System clock wrong by" in said, said


@pytest.mark.parametrize("client", ["udhcpc", "dhclient"])
def test_dhcp(life, client):
    """A lease and its release by the client of busybox; a lease and its renewal by that of ISC."""
    server = life.serve("victim", "dhcp", FILES, 8)
    script = "/run/dhcp-script"
    life.root("files", "sh", "-c", f"cat >{script} <<'E'\n#!/bin/sh\necho \"$1$reason $ip$new_ip_address\" "
              f">>/run/dhcp-log\nE\nchmod 755 {script}; rm -f /run/dhcp-log")
    command = {"udhcpc": f"busybox udhcpc -f -q -n -R -i eth0 -s {script}",
               "dhclient": f"mkdir -p /var/lib/dhcp; timeout 7 dhclient -4 -d -1 -sf {script} -lf /run/leases "
                           "-pf /run/pid eth0 & wait; true"}[client]
    with life.nothing_dropped():
        life.root("files", "sh", "-c", command, timeout=40, check=False)
        said = life.root("files", "cat", "/run/dhcp-log")
    server.kill()
    assert re.search(rf"(?i)(bound) {re.escape(FILES)}", said), said
    if client == "dhclient":
        assert f"RENEW {FILES}" in said, said


def test_slaac(life):
    """The NIC comes up: DAD, group reports, a router solicitation, the advertisement, DAD again."""
    life.serve("victim", "router")
    life.net("victim", "ip", "addr", "add", "2001:db8:0:2::80/64", "dev", "eth0", "nodad")
    failed = life.dropped.get("transmit-failed", 0)
    # What others send while the NIC is down cannot be sent on to it.
    with life.nothing_dropped(lambda: {"transmit-failed": life.dropped.get("transmit-failed", 0) - failed}):
        life.net("files", "sh", "-ec", "cd /proc/sys/net/ipv6/conf/eth0; echo 1 >keep_addr_on_down; "
                 "echo 1 >accept_ra; ip link set eth0 down; ip link set eth0 up; "
                 "ip route replace default via 192.0.2.66; ip -6 route replace default via 2001:db8:0:1::66")
        wait_for(lambda: re.search(rf"{SLAAC}/64 scope global (?!.*tentative)",
                                   life.net("files", "ip", "-6", "-o", "addr", "show", "eth0")), 20)
        life.root("victim", "ping", "-n", "-c3", "-i0.2", SLAAC)


def test_neighbours_are_learnt_again(life):
    """50 times each from both sides, ARP and ND, in two minutes' budgets of ARP and ND."""
    with life.nothing_dropped():
        for n in range(50):
            pot, other = ("web", "files")[n % 2], (WEB, FILES)[n % 2]
            life.net(pot, "ip", "neigh", "flush", "dev", "eth0")
            life.net("victim", "ip", "neigh", "flush", "dev", "eth0")
            life.root("victim", "ping", "-n", "-c1", "-W2", other)
            life.root("victim", "ping", "-n", "-c1", "-W2", (WEB6, FILES6)[n % 2])


def test_gratuitous_arp(life):
    """At interface up, and as heartbeat tools send it."""
    with life.nothing_dropped():
        life.net("web", "sh", "-ec", "echo 1 >/proc/sys/net/ipv4/conf/eth0/arp_notify; "
                 "echo 1 >/proc/sys/net/ipv6/conf/eth0/keep_addr_on_down; ip link set eth0 down; "
                 "ip link set eth0 up; ip route replace default via 192.0.2.66; "
                 "ip -6 route replace default via 2001:db8:0:1::66")
        for option in ("-U", "-A"):
            life.root("web", "busybox", "arping", "-c2", "-I", "eth0", option, WEB, check=False)


GROUPS = """
import socket, struct, time
four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
nic = socket.if_nametoindex("eth0")
for n in range(3):
    four.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(f"239.1.2.{n}") +
                    socket.inet_aton("192.0.2.11"))
    six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                   socket.inet_pton(socket.AF_INET6, f"ff05::1:{n}") + struct.pack("=I", nic))
time.sleep(1)
"""


def test_multicast_groups_are_joined_and_left(life):
    with life.nothing_dropped():
        life.root("web", "python3", "-c", GROUPS)


# ---- from outside ----

def random_file(life, host, path, size):
    """Makes a file of that size on a file system of its own; its sum."""
    return life.root(host, "sh", "-ec", f"mountpoint -q /mnt/big || {{ mkdir -p /mnt/big; mount -t tmpfs -o "
                     f"size={3 * size // 2 + (1 << 20)} big /mnt/big; }}; [ {size} = 0 ] || "
                     f"head -c {size} /dev/urandom >{path}; [ {size} = 0 ] || sha256sum <{path}", timeout=120)


@pytest.mark.parametrize("web,size", [(WEB, SCP_BYTES), (f"[{WEB6}]", SCP_BYTES // 5)])
def test_scp_in(life, web, size):
    """A file comes into the honeypot; a fifth of it goes back to whoever brought it."""
    back = size // 5
    life.root("web", "mkdir", "-p", "/mnt/big")
    random_file(life, "web", "/mnt/big/x", 1)
    life.root("web", "mount", "-o", f"remount,size={size + back + (1 << 24)}", "/mnt/big")
    there = random_file(life, "attacker", "/mnt/big/file", size)
    scp = [*SSH, "scp", "-q", *SSH_OPTIONS]
    with life.nothing_dropped():
        begin = time.monotonic()
        life.root("attacker", *scp, "/mnt/big/file", f"root@{web}:/mnt/big/file", timeout=500)
        took = time.monotonic() - begin
        assert life.root("web", "sh", "-c", "sha256sum </mnt/big/file", timeout=100) == there
    print(f"scp in: {size} bytes in {took:.1f} s, {size / took / 1e6:.0f} MB/s")
    there = life.root("web", "sh", "-c", f"head -c {back} /mnt/big/file | sha256sum; truncate -s {back} /mnt/big/file")
    with life.nothing_dropped():
        begin = time.monotonic()
        life.root("attacker", *scp, f"root@{web}:/mnt/big/file", "/mnt/big/back", timeout=500)
        took = time.monotonic() - begin
        assert life.root("attacker", "sh", "-c", "sha256sum </mnt/big/back", timeout=100) == there
    print(f"scp out: {back} bytes in {took:.1f} s, {back / took / 1e6:.0f} MB/s")
    for host in ("attacker", "web"):
        life.root(host, "umount", "/mnt/big")


@pytest.mark.parametrize("web,sources,n", [(WEB, "198.51.100.", 250), (WEB6, "2001:db8:51::", 250),
                                           (WEB, "198.51.100.", 1)])
def test_1000_web_clients(life, web, sources, n):
    life.root("web", "sh", "-c", "cd /var/www/html; head -c 30000 /dev/urandom >page; head -c 400000 /dev/urandom >large")
    # Every tenth client resets a connection with data on its way.
    with life.nothing_dropped(Resets(life)):
        said = life.traffic("attacker", "web", web, 1000, sources, n, timeout=120)
    assert said.strip() == "1000 done, 0 not answered"


@pytest.mark.parametrize("files", [FILES, f"[{FILES6}]"])
@pytest.mark.parametrize("mode", [["--ftp-pasv"], ["-P", "-"]])
def test_ftp_in(life, files, mode):
    """Passive and active. With the active one the honeypot begins the connection for the data, so that is
    outbound and has the limit of 4,000 packets a second: one such file a second and no more."""
    url = f"ftp://{files}/f"
    curl = ["curl", "-sS", "--user", "guest:guest", *mode]
    life.root("attacker", "sh", "-c", "head -c 500000 /dev/urandom >/tmp/file")
    with life.nothing_dropped():
        life.root("attacker", *curl, "-T", "/tmp/file", url)
        life.root("attacker", *curl, "-o", "/tmp/back", url)
        life.root("attacker", "cmp", "/tmp/file", "/tmp/back")


@pytest.mark.parametrize("web,source", [(WEB, "198.51.100.7"), (WEB6, "2001:db8:51::7")])
def test_ping_in(life, web, source):
    """Small ones, and large ones that come in fragments and are answered in fragments."""
    with life.nothing_dropped():
        for size in (56, 1400, 8000):
            said = life.root("attacker", "ping", "-n", "-I", source, "-c20", "-i0.02", "-s", str(size), web)
            assert "20 received" in said, said


@pytest.mark.parametrize("web,source", [(WEB, "198.51.100.8"), (WEB6, "2001:db8:51::8")])
@pytest.mark.parametrize("kind", ["-U", "-I", "-T"])
def test_traceroute_in(life, web, source, kind):
    """UDP (answered by port unreachable), ICMP, TCP."""
    with life.nothing_dropped():
        said = life.root("attacker", "traceroute.db", kind, "-n", "-s", source, "-w", "1", web)
    assert re.search(rf"^ 1  {re.escape(web)} ", said, re.M), said


def test_small_udp_services_in(life):
    """As name services and such are asked: 100 machines, 50 bytes, 90 bytes back."""
    life.serve("web", "udp", 137, 90)
    with life.nothing_dropped():
        got = life.traffic("attacker", "asks", WEB, 137, 50, "198.51.100.", 100)
    assert got.strip() == "100"


def test_interactive_ssh_after_all_that_time(life, session):
    shell, since = session
    with life.nothing_dropped():
        shell.stdin.write(b"still there?\n")
        assert shell.stdout.readline() == b"still there?\n"
    print(f"idle for {time.monotonic() - since:.0f} s")


def test_layers_agree(life):
    answer = json.loads(life.fishbowl("ctl", "audit", "-c", life.conf).stdout)
    assert answer.get("agree", True), answer
    print(life.drops())
