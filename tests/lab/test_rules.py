# SPDX-License-Identifier: Apache-2.0
"""Rules in the running gateway: an exploit that leaves is disarmed, however it is cut up, and the connection lives
on; drop, reject and pass; reload and death of the gate under traffic."""
import json
import signal
import struct
import subprocess
import time

import pytest

import raw
from lab import BUILD, FISHBOWL, Lab, can_run, run, wait_for

pytestmark = [
    pytest.mark.skipif(can_run() is not None, reason=str(can_run())),
    pytest.mark.skipif(not (BUILD / "src/cmd/fb-rules/fb-rules").exists(), reason="no fb-rules"),
]

POT, VICTIM = "10.66.0.5", "10.66.0.1"
EVIL = bytes.fromhex("CD80E8D7FFFFFFFF") + b"/bin/sh"
TAME = bytes.fromhex("0000E8D7FFFFFFFF") + b"/ben/sh"
BEFORE, AFTER = b"\x00\x40query", b"\x00\x01rest of it"

# The first one is Figure 3 of the article on the Honeynet's GenII, with the parenthesis that is missing there.
RULES = r"""
alert tcp $HONEYNET any -> $EXTERNAL_NET 53 (msg:"DNS EXPLOIT named";flags: A+; content:"|CD80 E8D7 FFFFFFFF|/bin/sh"; replace:"|0000 E8D7 FFFFFFFF|/ben/sh";)
alert udp $HONEYNET any -> $EXTERNAL_NET 53 (msg:"the same by UDP"; content:"|CD80 E8D7 FFFFFFFF|/bin/sh"; replace:"|0000 E8D7 FFFFFFFF|/ben/sh"; sid:1000002; rev:3;)
drop tcp $HONEYNET any -> $EXTERNAL_NET 7001 (msg:"to be dropped"; content:"drop-me"; sid:1000003;)
sdrop tcp $HONEYNET any -> $EXTERNAL_NET 7002 (msg:"silently"; content:"drop-me"; sid:1000004;)
reject tcp $HONEYNET any -> $EXTERNAL_NET 7003 (msg:"to be rejected"; content:"drop-me"; sid:1000005;)
reject udp $HONEYNET any -> $EXTERNAL_NET 7003 (msg:"UDP rejected"; content:"drop-me"; sid:1000006;)
pass tcp $HONEYNET any -> $EXTERNAL_NET 7004 (content:"let-me"; sid:1000007;)
drop tcp $HONEYNET any -> $EXTERNAL_NET 7004 (msg:"not with let-me"; content:"drop-me"; sid:1000008;)
alert tcp $EXTERNAL_NET any -> $HONEYNET 22 (msg:"inbound"; flow:to_server,established; content:"SSH-attack"; sid:1000009;)
"""

SERVER = """
import json, socketserver, sys, threading
class Handler(socketserver.BaseRequestHandler):
    def say(self, **what):
        print(json.dumps({"from": self.client_address[1], **what}), flush=True)
    def handle(self):
        try:
            while data := self.request.recv(65536):
                self.say(hex=data.hex())
            self.request.sendall(b"bye")
            self.say(end="fin")
        except OSError:
            self.say(end="reset")
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.daemon_threads = True
socketserver.ThreadingTCPServer.request_queue_size = 64
for port in map(int, sys.argv[2:]):
    server = socketserver.ThreadingTCPServer((sys.argv[1], port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""


class Net(Lab):
    """The honeypot's stack is this file's, the victim's is Linux."""

    def begin(self, rules=RULES, **settings):
        self.rules = self.dir / "test.rules"
        self.rules.write_text(rules)
        self.write_conf(rules=f'{{"{self.rules}"}}', white=f'{{"{VICTIM}"}}', **settings)
        self.nic = raw.Nic(self.ns("pot0"), "eth0")
        self.exec("pot0", ["sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6; "
                           "ip addr flush dev eth0"])
        self.outside = raw.Nic(self.ns("attacker"), "out")
        mac = ":".join(f"{b:02x}" for b in self.nic.mac)
        self.attacker(f"ip neigh replace {POT} lladdr {mac} dev out nud permanent")
        self.log = self.dir / "server.log"
        with open(self.log, "wb") as to:
            self.spawn("attacker", ["python3", "-c", SERVER, VICTIM, "53", "7001", "7002", "7003",
                                    "7004"], stdout=to)
        wait_for(lambda: "ready" in self.log.read_text())
        self.port = 20000
        return self.start()

    def heard(self, port):
        """What the victim's program has read from this source port, and how it ended."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line[:1] == "{"]
        mine = [line for line in lines if line["from"] == port]
        return (b"".join(bytes.fromhex(line.get("hex", "")) for line in mine),
                next((line["end"] for line in mine if "end" in line), None))

    def send(self, packet):
        self.nic.send(raw.ethernet(self.outside.mac, self.nic.mac, packet))

    def alerts(self, signature):
        return [r for r in self.gateway.records("--type", "alert")
                if r["alert"]["signature"] == signature]


class Talk:
    """A TCP connection of the honeypot, segment by segment."""

    def __init__(self, net, dport=53):
        net.port += 1
        self.net, self.sport, self.dport, self.seq, self.end = net, net.port, dport, 5000, 5000
        self.ack = 0
        self.net.nic.take()
        self.segment("S")
        answer = wait_for(lambda: self.answers("SA"))[0]
        self.ack = answer["seq"] + 1
        self.seq = self.end = 5001
        self.segment("A")

    def segment(self, flags, at=0, data=b""):
        self.net.send(self.packet(flags, at, data))

    def packet(self, flags, at=0, data=b""):
        return raw.tcp(POT, self.sport, VICTIM, self.dport, flags, self.seq + at, self.ack, data)

    def send(self, data, at=None):
        """Bytes at that place of the stream; at its end."""
        at = self.end - self.seq if at is None else at
        self.segment("PA", at, data)
        self.end = max(self.end, self.seq + at + len(data))

    def answers(self, flags):
        """Segments that have come with these flags."""
        want = sum({"F": 1, "S": 2, "R": 4, "A": 16}[f] for f in flags)
        found = []
        for frame in self.net.nic.take():
            if frame[12:14] != b"\x08\x00" or frame[23] != 6:
                continue
            sport, dport, seq, ack, _, got = struct.unpack(">HHIIBB", frame[34:48])
            if (sport, dport) == (self.dport, self.sport) and got & want == want:
                found.append({"seq": seq, "ack": ack})
        return found

    def heard(self):
        return self.net.heard(self.sport)[0]

    def finish(self, expected_len):
        """An orderly end; what the victim has read. It must have come to it all."""
        wait_for(lambda: len(self.heard()) >= expected_len, 5)
        self.segment("FA", self.end - self.seq)
        wait_for(lambda: self.net.heard(self.sport)[1] == "fin", 5)
        return self.heard()


@pytest.fixture(scope="module")
def net():
    with Net(extra='flow { udp = "1s" }') as lab:
        lab.begin()
        yield lab


@pytest.fixture
def wire(net):
    """The outside wire during a test; what tshark finds odd in what the honeypot sent."""
    capture = net.capture("attacker", "out")
    with capture:
        yield capture


def tshark(path, condition):
    done = run(["tshark", "-r", path, "-o", "tcp.check_checksum:TRUE", "-o",
                "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
                # What is sent here is none of these.
                "--disable-protocol", "dns", "--disable-protocol", "mdns", "-Y",
                f"ip.src == {POT} && ({condition})"])
    return [line for line in done.stdout.splitlines() if line.strip()]


def assert_clean(wire, retransmissions=0):
    """Checksums are right, and there is nothing odd but what the sender did."""
    time.sleep(0.3)
    path = wire.path
    assert tshark(path, "tcp.checksum.status == 0 || ip.checksum.status == 0 || "
                  "udp.checksum.status == 0 || _ws.malformed") == []
    odd = tshark(path, "tcp.analysis.flags && !tcp.analysis.retransmission")
    assert odd == []
    assert len(tshark(path, "tcp.analysis.retransmission")) <= retransmissions
    assert EVIL not in b"".join(f for f in wire.frames())


def disarmed(talk):
    whole = BEFORE + TAME + AFTER
    assert talk.finish(len(whole)) == whole


def test_sent_whole(net, wire):
    before = len(net.alerts("DNS EXPLOIT named"))
    talk = Talk(net)
    talk.send(BEFORE + EVIL + AFTER)
    disarmed(talk)
    assert_clean(wire)
    alert = wait_for(lambda: net.alerts("DNS EXPLOIT named")[before:])[0]
    assert alert["src_ip"] == POT and alert["dest_port"] == 53
    assert bytes.fromhex(alert["fishbowl"]["before"]) in EVIL
    assert bytes.fromhex(alert["fishbowl"]["after"]) in TAME


def test_the_flow_record_says_so(net):
    net.port += 2
    net.send(raw.udp(POT, net.port, VICTIM, 53, BEFORE + EVIL + AFTER))
    net.send(raw.udp(POT, net.port - 1, VICTIM, 53, BEFORE + AFTER))

    def flow(port):
        return wait_for(lambda: [r for r in net.gateway.records("--type", "flow")
                                 if r.get("src_port") == port], 20)[0]["flow"]
    assert flow(net.port)["alerted"] is True and flow(net.port - 1)["alerted"] is False


def test_both_versions_are_in_the_capture(net):
    talk = Talk(net)
    talk.send(BEFORE + EVIL + AFTER)
    disarmed(talk)

    def both():
        mine = [(nic, frame, comment) for nic, frame, comment in
                raw.pcapng_packets(net.gateway.segments())
                if frame[34:36] == struct.pack(">H", talk.sport) and len(frame) > 70]
        came = [c for nic, f, c in mine if nic == "fbin0" and EVIL in f]
        left = [c for nic, f, c in mine if nic == "fbout" and TAME in f]
        return came and left and (came, left)
    came, left = wait_for(both)
    assert len(came) == len(left) == 1
    assert "rule-replaced" in came[0] and "rule-replaced" in left[0]


@pytest.mark.parametrize("at", range(1, len(EVIL)))
def test_split_in_two(net, wire, at):
    talk = Talk(net)
    talk.send(BEFORE + EVIL[:at])
    talk.send(EVIL[at:] + AFTER)
    disarmed(talk)
    assert_clean(wire)


@pytest.mark.parametrize("at", range(1, len(EVIL)))
def test_split_and_late(net, wire, at):
    """What is held leaves when its time is over; then the rest is changed."""
    talk = Talk(net)
    talk.send(BEFORE + EVIL[:at])
    time.sleep(0.1)
    talk.send(EVIL[at:] + AFTER)
    got = talk.finish(len(BEFORE + EVIL + AFTER))
    assert got.startswith(BEFORE) and got.endswith(AFTER) and len(got) == len(BEFORE + EVIL + AFTER)
    assert EVIL not in got
    assert_clean(wire)


def test_in_segments_of_one_byte(net, wire):
    talk = Talk(net)
    for byte in BEFORE + EVIL + AFTER:
        talk.send(bytes([byte]))
    disarmed(talk)
    assert_clean(wire)


def test_out_of_order(net, wire):
    talk = Talk(net)
    whole = BEFORE + EVIL + AFTER
    pieces = [(i, whole[i:i + 4]) for i in range(0, len(whole), 4)]
    for at, piece in pieces[::-1]:
        talk.send(piece, at)
    disarmed(talk)
    assert_clean(wire)


def test_a_retransmission_that_differs(net, wire):
    """What came first stands; a later copy cannot complete what the first one was not."""
    talk = Talk(net)
    talk.send(BEFORE + b"x" * 5)
    wait_for(lambda: len(talk.heard()) == len(BEFORE) + 5)
    talk.send(BEFORE + EVIL[:5], 0)
    talk.send(EVIL[5:] + AFTER)
    got = talk.finish(len(BEFORE + EVIL + AFTER))
    assert got == BEFORE + b"x" * 5 + EVIL[5:] + AFTER
    assert_clean(wire, 1)


def test_a_retransmission_of_what_was_changed(net, wire):
    talk = Talk(net)
    talk.send(BEFORE + EVIL + AFTER)
    wait_for(lambda: len(talk.heard()) == len(BEFORE + EVIL + AFTER))
    talk.send(BEFORE + EVIL + AFTER, 0)
    talk.send(EVIL[3:] + AFTER, len(BEFORE) + 3)
    disarmed(talk)
    assert_clean(wire, 2)


def fragments(packet, size, ident):
    """IPv4 fragments with `size` bytes each."""
    body = packet[20:]
    for at in range(0, len(body), size):
        part = body[at:at + size]
        more = 0x2000 if at + size < len(body) else 0
        head = packet[:2] + struct.pack(">HHH", 20 + len(part), ident, more | at // 8) + \
            packet[8:10] + b"\0\0" + packet[12:20]
        yield head[:10] + struct.pack(">H", raw.checksum(head)) + head[12:] + part


@pytest.mark.parametrize("size", [32, 40])
def test_in_fragments(net, wire, size):
    talk = Talk(net)
    packet = talk.packet("PA", 0, BEFORE + EVIL + AFTER)
    talk.end += len(BEFORE + EVIL + AFTER)
    for part in fragments(packet, size, 700 + size):
        net.send(part)
    disarmed(talk)
    assert_clean(wire)


@pytest.mark.parametrize("size", [0, 16])
def test_udp(net, wire, size):
    net.port += 1
    packet = raw.udp(POT, net.port, VICTIM, 53, BEFORE + EVIL + AFTER)
    net.outside.take()
    for part in fragments(packet, size, 800) if size else [packet]:
        net.send(part)
    got = [f for f in net.outside.take_quiet() if f[12:14] == b"\x08\x00" and f[23] == 17]
    assert b"".join(f[34:14 + struct.unpack(">H", f[16:18])[0]] for f in got)[8:] == \
        BEFORE + TAME + AFTER
    assert_clean(wire)


# ---- drop, reject, pass ----

def test_what_is_dropped_does_not_arrive_and_nothing_behind_it(net):
    for port, signature in ((7001, "to be dropped"), (7002, "silently")):
        talk = Talk(net, port)
        talk.send(b"fine ")
        wait_for(lambda: talk.heard() == b"fine ")
        talk.send(b"drop-")
        talk.send(b"me please")
        talk.send(b"drop-me please", 5)
        talk.send(b" and more")
        time.sleep(0.5)
        assert b"me" not in talk.heard()
        assert talk.answers("R") == []
        # sdrop is silent towards the sender, as all drops are here, and is recorded all the same.
        assert wait_for(lambda: net.alerts(signature))[0]["alert"]["action"] == "blocked"
    assert net.gateway.status()["frames"]["by_reason"]["rule-drop"] >= 2


def test_the_sender_of_what_is_rejected_is_told(net):
    talk = Talk(net, 7003)
    talk.send(b"drop-me")
    assert wait_for(lambda: talk.answers("R"))
    assert talk.heard() == b""
    net.port += 1
    net.nic.take()
    net.send(raw.udp(POT, net.port, VICTIM, 7003, b"drop-me"))
    unreachable = wait_for(lambda: [f for f in net.nic.take() if f[23] == 1 and f[34:36] == b"\3\3"])
    assert unreachable[0][26:30] == bytes(map(int, VICTIM.split(".")))
    assert net.gateway.status()["frames"]["by_reason"]["rule-reject"] >= 2


def test_pass_goes_before_drop(net):
    talk = Talk(net, 7004)
    talk.send(b"let-me drop-me")
    assert talk.finish(14) == b"let-me drop-me"
    talk = Talk(net, 7004)
    talk.send(b"drop-me")
    time.sleep(0.3)
    assert talk.heard() == b""


def test_rules_about_what_comes_in_only_tell(net):
    """An attack on the honeypot arrives; the record says so."""
    mac, src, sport = net.outside.mac, "10.66.0.77", 4000
    net.nic.take()

    def outside(flags, seq, ack, data=b""):
        net.outside.send(raw.ethernet(net.nic.mac, mac,
                                      raw.tcp(src, sport, POT, 22, flags, seq, ack, data)))
    outside("S", 1, 0)
    assert net.nic.take_until(1)
    net.outside.take()
    net.send(raw.tcp(POT, 22, src, sport, "SA", 100, 2))
    assert net.outside.take_until(1)
    outside("A", 2, 101)
    outside("PA", 2, 101, b"SSH-attack")
    assert wait_for(lambda: [f for f in net.nic.take() if b"SSH-attack" in f])
    alert = wait_for(lambda: net.alerts("inbound"))[0]
    assert alert["src_ip"] == src and alert["alert"]["action"] == "allowed"


def test_the_layers_agree(net):
    """Also about frames that were held, changed and made."""
    number = net.gateway.ctl("audit")["number"]

    def done():
        audit = (net.gateway.status() or {}).get("audit")
        return audit and audit["number"] >= number and audit
    assert wait_for(done, 30)["agree"], net.gateway.status()["audit"]


# ---- status, reload, death ----

def test_status_tells(net):
    rules = net.gateway.status()["rules"]
    assert rules["loaded"] == 9 and rules["refused"] == 0 and rules["in_force"]
    assert rules["hits"] > 0 and rules["changed"] > 0
    assert "rules: 9 loaded" in run([FISHBOWL, "status", "-c", net.conf], check=False).stdout


def reload(net):
    return run([FISHBOWL, "ctl", "reload", "-c", net.conf], check=False)


def test_reload_under_traffic(net):
    """Rules change between two frames; what was held or dropped by the old ones is not any more."""
    stop = time.monotonic() + 4
    reloads = 0
    talk = Talk(net)
    expected = b""
    while time.monotonic() < stop or reloads < 2:
        talk.send(b"abc" + EVIL + b"xyz")
        expected += b"abc" + TAME + b"xyz"
        if reloads < 2 and time.monotonic() > stop - 3 + reloads:
            assert reload(net).returncode == 0
            reloads += 1
        time.sleep(0.02)
    assert talk.finish(len(expected)) == expected
    assert net.gateway.status()["frames"]["by_reason"].get("no-rules", 0) == 0


def test_rules_that_cannot_be_had_leave_the_old_ones(net):
    good = net.rules.read_text()
    net.rules.write_text("this is no rule\n")
    done = reload(net)
    assert done.returncode != 0 and "test.rules:1" in done.stdout + done.stderr
    assert wait_for(lambda: [r for r in net.gateway.records("--type", "control")
                             if r["fishbowl"]["reason"] == "rules-refused"])
    talk = Talk(net)
    talk.send(BEFORE + EVIL + AFTER)
    disarmed(talk)
    net.rules.write_text(good + "alert tcp any any -> any any (frobnicate:1; sid:9;)\n")
    assert reload(net).returncode == 0
    rules = net.gateway.status()["rules"]
    assert rules["loaded"] == 9 and rules["refused"] == 1
    net.rules.write_text(good)
    assert reload(net).returncode == 0


def test_a_killed_gate_comes_back_with_its_rules(net):
    """Nothing passes meanwhile; a conversation that was open goes on, and is followed from where it is."""
    talk = Talk(net)
    talk.send(BEFORE)
    wait_for(lambda: talk.heard() == BEFORE)
    net.gateway.kill("fb-gate", signal.SIGKILL)
    end = time.monotonic() + 15
    while talk.heard() == BEFORE and time.monotonic() < end:
        talk.send(EVIL + AFTER, len(BEFORE))
        time.sleep(0.05)
    disarmed(talk)


def test_without_rules_no_conversation_leaves():
    with Net() as lab:
        gone = lab.dir / "gone.rules"
        lab.begin().stop()
        text = lab.conf.read_text()
        lab.conf.write_text(text.replace("test.rules", "gone.rules"))
        gateway = lab.start()
        assert any("no rules are in force" in w for w in gateway.status()["warnings"])
        lab.nic.take()
        lab.port += 1
        lab.send(raw.tcp(POT, lab.port, VICTIM, 53))
        assert [f for f in lab.nic.take_quiet() if f[23] == 6] == []
        gone.write_text(RULES)
        assert reload(lab).returncode == 0
        talk = Talk(lab)
        talk.send(BEFORE + EVIL + AFTER)
        disarmed(talk)
