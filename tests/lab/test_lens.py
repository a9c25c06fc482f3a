# SPDX-License-Identifier: Apache-2.0
"""fb-lens in the running gateway: what comes in is held against the rules behind the capture, each packet exactly
once, whatever dies; what it could not look at is told."""
import base64
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

sys.path.insert(1, str(pathlib.Path(__file__).parent.parent / "golden"))
import mmdb  # noqa: E402
from lab import BUILD, FISHBOWL, Lab, can_run, run, wait_for

pytestmark = [
    pytest.mark.skipif(can_run() is not None, reason=str(can_run())),
    pytest.mark.skipif(not (BUILD / "src/cmd/fb-rules/fb-rules").exists(), reason="no fb-rules"),
]

OWN_SIGNATURES = pathlib.Path(__file__).parents[2] / "data/fingerprints/fishbowl.fp"
TRAFFIC = pathlib.Path(__file__).with_name("traffic.py")
POT, PORT = "10.66.0.5", 4000
EACH, MARK, LEAVES = 9000001, 9000002, 9000003
RULES = f"""
alert udp any any -> $HOME_NET {PORT} (msg:"each datagram"; sid:{EACH};)
alert tcp any any -> $HOME_NET {PORT} (msg:"a mark comes in"; flow:to_server; content:"evil|2d|mark"; metadata:purpose lab; classtype:trojan-activity; sid:{MARK}; rev:3;)
alert tcp $HOME_NET {PORT} -> any any (msg:"a mark goes out"; content:"evil|2d|mark"; sid:{LEAVES};)
"""
SEGMENTS = 'capture { segment_size = "64K" keep_free = "0" }'


class Net(Lab):
    def begin(self, **settings):
        self.rules = self.dir / "test.rules"
        self.rules.write_text(RULES)
        self.write_conf(rules=f'{{"{self.rules}"}}', **settings)
        if not self.started:
            server = self.spawn("pot0", [sys.executable, TRAFFIC, "echo", PORT],
                                stdout=subprocess.PIPE)
            assert server.stdout.readline() == b"ready\n"
        gateway = self.start()
        gateway.wait_up()
        return gateway

    def datagrams(self, count, gap=0.001):
        return self.spawn("attacker", [sys.executable, TRAFFIC, "udp", POT, str(PORT), str(count),
                                       str(gap)], stdout=subprocess.DEVNULL)

    def alerts(self, sid, origin="lens"):
        return [r for r in self.gateway.journal() if r["event_type"] == "alert"
                and r["alert"]["signature_id"] == sid and r["fishbowl"]["origin"] == origin]

    def captured(self):
        """Packet ids of the datagrams that came in."""
        return [int(line) for segment in self.gateway.segments() for line in run(
            ["tshark", "-n", "-r", segment, "-Y",
             f"udp.dstport == {PORT} && frame.interface_id == 0", "-T", "fields",
             "-e", "frame.packet_id"]).stdout.splitlines()]

    def check_each(self, least):
        """Each datagram has exactly one alert, in the order of the capture."""
        captured = self.captured()
        told = [r["fishbowl"]["packet"] for r in self.alerts(EACH)]
        assert len(captured) >= least
        assert told == captured, (len(told), len(captured), set(told) ^ set(captured))
        return len(told)


def lens(gateway):
    return gateway.status()["lens"]


def restarts(gateway):
    return {p["name"]: p["restarts"] for p in gateway.status()["processes"]}


def up_to_date(gateway):
    def is_up_to_date():
        status = lens(gateway)
        return status["packets"] > 0 and status["lag_seconds"] == 0 and status
    time.sleep(0.2)
    return wait_for(is_up_to_date, 60)


@pytest.fixture
def net():
    with Net(extra=SEGMENTS) as net:
        yield net


def test_inbound_alert(net):
    """An attacker's bytes in an alert with the packet that brought them; what leaves is not told twice."""
    gateway = net.begin()
    program = (f"import socket; s = socket.create_connection(('{POT}', {PORT}))\n"
               "s.sendall(b'GET /' + b'x' * 2000 + b'evil-')\nimport time; time.sleep(0.2)\n"
               "s.sendall(b'mark and more'); n = 0\n"
               "while n < 2023: n += len(s.recv(4096))")
    net.attacker([sys.executable, "-c", program])
    alert, = wait_for(lambda: gateway.records("--type", "alert") and net.alerts(MARK), 30)
    assert alert["alert"] | {"signature": "a mark comes in", "rev": 3, "action": "allowed",
                             "metadata": {"purpose": ["lab"]}} == alert["alert"]
    assert alert["dest_ip"] == POT and alert["dest_port"] == PORT and alert["proto"] == "TCP"
    assert alert["fishbowl"]["direction"] == "inbound" and alert["fishbowl"]["honeypot"] == "pot0"
    assert alert["fishbowl"]["origin"] == "lens"
    assert b"evil-mark" in base64.b64decode(alert["payload"])
    # The packet it names is the one that completed the mark.
    out = run(["tshark", "-n", "-r", gateway.segments()[-1], "-Y",
               f"frame.packet_id == {alert['fishbowl']['packet']}", "-T", "fields",
               "-e", "tcp.payload"]).stdout
    assert bytes.fromhex(out.strip()) == b"mark and more"
    flow_id = alert["flow_id"]
    assert gateway.stop() == 0
    assert any(r["event_type"] == "flow" and r["flow_id"] == flow_id for r in gateway.journal())
    assert len(net.alerts(LEAVES, "gate")) == 1 and not net.alerts(LEAVES)
    assert not net.alerts(MARK, "gate") and len(net.alerts(MARK)) == 1


def test_application_records(net):
    """What a protocol carries, both ways, is a record of the lens; a reload turns that off."""
    gateway = net.begin()
    with open(net.dir / "index.html", "w") as page:
        page.write("hello")
    net.spawn("pot0", [sys.executable, "-m", "http.server", "8080", "-d", net.dir],
              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    get = f"curl -sS --retry 5 --retry-connrefused http://{POT}:8080/index.html"
    assert net.attacker(get).stdout == "hello"
    def http():
        return [r for r in gateway.journal() if r["event_type"] == "http"]
    record, = wait_for(http, 30)
    assert record["fishbowl"]["origin"] == "lens" and record["http"]["url"] == "/index.html"
    assert record["http"]["status"] == 200 and record["dest_port"] == 8080
    net.conf.write_text(net.conf.read_text().replace('honeynet = "lab"',
                                                     'honeynet = "lab"\napplication_records = false'))
    run([FISHBOWL, "ctl", "reload", "-c", net.conf])
    wait_for(lambda: gateway.wait_up() and restarts(gateway)["fb-lens"] == 1, 20)
    assert net.attacker(get).stdout == "hello"
    up_to_date(gateway)
    assert gateway.stop() == 0
    assert len(http()) == 1


@pytest.fixture
def systems():
    """A database of autonomous systems that everybody can read; it knows this lab."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="fishbowl-place-"))
    place.chmod(0o755)
    database = place / "as.mmdb"
    database.write_bytes(mmdb.make({"10.66.0.0/16": {"autonomous_system_number": 64500}}))
    yield database
    shutil.rmtree(place)


def test_fingerprints(net, systems):
    """Who connects is known by his SYN, told once; by signatures that the supervisor opens for fb-lens, and with the
    place of his address, by a database that it reads itself."""
    net.extra = (f'fingerprint {{ signatures = {{"{OWN_SIGNATURES}"}} }}\n'
                 f'geo {{ database = {{"{systems}"}} }}')
    gateway = net.begin()
    connect = f"import socket\nfor n in range(3): socket.create_connection(('{POT}', {PORT})).close()"
    net.attacker([sys.executable, "-c", connect])

    def told(kind):
        return [r for r in gateway.journal() if r["event_type"] == "fingerprint" and r["fingerprint"]["kind"] == kind]
    syn, = wait_for(lambda: told("syn") and told("syn+ack") and told("syn"), 30)
    assert syn["fishbowl"]["origin"] == "lens" and syn["dest_ip"] == POT
    assert syn["fingerprint"]["subject"] == syn["src_ip"] and syn["fingerprint"]["os"].startswith("Linux ")
    assert syn["geo"] == {"as_number": 64500}
    up_to_date(gateway)
    assert gateway.stop() == 0
    assert len(told("syn")) == 1 and told("syn+ack")[0]["fingerprint"]["subject"] == POT


def test_incidents_tell_where_from(net, systems):
    """fb-store remembers what fb-lens has told of hosts: an incident says where its intruder is."""
    net.extra = f'geo {{ database = {{"{systems}"}} }}'
    gateway = net.begin()
    net.attacker([sys.executable, str(TRAFFIC), "tcp", POT, str(PORT), "1000"])
    wait_for(lambda: {r["event_type"] for r in gateway.journal() if r.get("src_ip") == "10.66.0.1"} >=
             {"flow", "fingerprint"}, 30)
    net.exec("pot0", "ping -c1 10.66.0.1")
    one, = wait_for(lambda: gateway.status()["incidents"]["most_severe"])
    assert one["geo"] == {"as_number": 64500} and one["title"].endswith("after 10.66.0.1 was in touch")
    assert "was in touch (AS64500)\n" in run([FISHBOWL, "status", "-c", net.conf], check=False).stdout
    assert gateway.stop() == 0


def test_reload_rules(net):
    """Other rules hold in the lens too, without a restart."""
    gateway = net.begin()
    net.datagrams(20).wait(30)
    up_to_date(gateway)
    net.rules.write_text(RULES.replace(str(EACH), str(EACH + 100)))
    run([FISHBOWL, "ctl", "reload", "-c", net.conf])
    net.datagrams(30).wait(30)
    up_to_date(gateway)
    assert restarts(gateway)["fb-lens"] == 0
    assert gateway.stop() == 0
    assert len(net.alerts(EACH)) == 20 and len(net.alerts(EACH + 100)) == 30


def test_kill(net):
    """Killed again and again while segments come and go: no alert is lost or doubled."""
    gateway = net.begin()
    sender = net.datagrams(4000)
    for _ in range(10):
        time.sleep(0.4)
        gateway.kill("fb-lens")
    sender.wait(60)
    gateway.wait_up()
    status = up_to_date(gateway)
    assert status["unread"] == 0 and status["poison"] == 0
    deaths = restarts(gateway)
    assert deaths["fb-lens"] >= 8 and deaths["fb-gate"] == 0
    assert gateway.stop() == 0
    n = net.check_each(3000)
    print(f"{deaths['fb-lens']} restarts, {n} alerts, {len(gateway.segments())} segments")
    assert len(gateway.segments()) > 3


def test_stopped(net):
    """Stopped under traffic for FISHBOWL_LENS_STOP seconds, and each time that it is started again for being hung: then
    it catches up, and nothing was lost."""
    seconds = int(os.environ.get("FISHBOWL_LENS_STOP", "14"))
    gateway = net.begin()
    sender = net.datagrams(seconds * 200, 0.005)
    end, stopped = time.monotonic() + seconds, set()
    while time.monotonic() < end:
        pid = gateway.pids().get("fb-lens")
        if pid and pid not in stopped:
            os.kill(pid, signal.SIGSTOP)
            stopped.add(pid)
        time.sleep(0.2)
    for pid in stopped:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass
    sender.wait(60)
    gateway.wait_up()
    assert up_to_date(gateway)["unread"] == 0
    assert gateway.stop() == 0
    print(f"stopped {len(stopped)} times, {net.check_each(seconds * 150)} alerts")


def test_kill_others(net):
    """Whoever else dies: the lens goes on, and the gateway's next run where this one ended."""
    gateway = net.begin()
    sender = net.datagrams(3000)
    for name in ("fb-tap", "fb-store", "fb-gate", "fb-tap", "fb-store"):
        time.sleep(0.4)
        gateway.kill(name)
    sender.wait(60)
    gateway.wait_up()
    assert gateway.stop() == 0
    before = net.check_each(1500)
    gateway = net.start()
    gateway.wait_up()
    net.datagrams(200).wait(30)
    up_to_date(gateway)
    assert gateway.stop() == 0
    assert net.check_each(before + 190) > before


def test_priority(net):
    gateway = net.begin()
    stat = pathlib.Path(f"/proc/{gateway.pids()['fb-lens']}/stat").read_text()
    assert int(stat.rsplit(")", 1)[1].split()[16]) == 15
    text = run([FISHBOWL, "status", "-c", net.conf], check=False).stdout
    assert "lens: " in text and "up to date" in text


def test_off_and_unread(net):
    """Without the lens the gate tells of what matches; what retention removes meanwhile is told when it is back."""
    gateway = net.begin()
    net.datagrams(50).wait(30)
    up_to_date(gateway)
    assert gateway.stop() == 0
    assert len(net.alerts(EACH)) == 50
    net.extra = SEGMENTS.replace("}", 'budget = "1M" }')
    gateway = net.begin(lens="false")
    assert lens(gateway) is None and "fb-lens" not in gateway.pids()
    first = gateway.segments()[0]
    for _ in range(20):
        net.datagrams(3000, 0.0002).wait(30)
        if not first.exists():
            break
    assert not first.exists()
    assert gateway.stop() == 0
    assert len(net.alerts(EACH)) == 50 and len(net.alerts(EACH, "gate")) >= 3000
    gateway = net.begin()
    wait_for(lambda: lens(gateway)["unread"] > 0, 20)
    up_to_date(gateway)
    told, = wait_for(lambda: [r for r in gateway.journal()
                              if r["fishbowl"].get("reason") == "unread"], 20)
    assert "were not looked at" in told["fishbowl"]["detail"]
    assert told["fishbowl"]["process"] == "fb-lens"
    warnings = gateway.status()["warnings"]
    assert any("removed before fb-lens" in w for w in warnings), warnings
    assert gateway.stop() == 0
