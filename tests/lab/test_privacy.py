# SPDX-License-Identifier: Apache-2.0
"""Capture policies in the running gateway: what is kept, what is not, and that all of it is forwarded all the same."""
import subprocess
import sys

import pytest

from lab import FISHBOWL, ROOT, Lab, can_run, run, wait_for

pytestmark = pytest.mark.skipif(can_run() is not None, reason=str(can_run()))

TRAFFIC = str(ROOT / "tests/lab/traffic.py")
POT, OUT, PORT = "10.66.0.5", "10.66.0.1", 4000
RULE = f'alert udp $HOME_NET any -> any {PORT} (msg:"it talks"; content:"words of"; sid:9000001;)'
TALK = ("import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)\n"
        "s.sendto(sys.argv[2].encode(), (sys.argv[1], int(sys.argv[3]))); print(s.recv(999).decode())")


@pytest.fixture
def lab():
    with Lab() as made:
        (made.dir / "test.rules").write_text(RULE + "\n")
        for where in ("attacker", "pot0"):
            server = made.spawn(where, [sys.executable, TRAFFIC, "echo", PORT], stdout=subprocess.PIPE)
            assert server.stdout.readline() == b"ready\n"
        yield made


def begin(lab, privacy):
    lab.extra = f"privacy {{ {privacy} }}"
    lab.write_conf(rules=f'{{"{lab.dir}/test.rules"}}')
    lab.gateway = lab.start()
    lab.gateway.wait_up()
    return lab.gateway


def talk(lab, where, to, words):
    assert lab.exec(where, [sys.executable, "-c", TALK, to, words, str(PORT)]).stdout.strip() == words


def captured(gateway):
    """(direction of the packet, captured, sent) of each UDP frame."""
    rows = []
    for segment in gateway.segments():
        out = run(["tshark", "-n", "-r", segment, "-Y", f"udp.port == {PORT}", "-T", "fields", "-e", "ip.src",
                   "-e", "udp.dstport", "-e", "frame.cap_len", "-e", "frame.len"]).stdout
        rows += [tuple(line.split("\t")) for line in out.splitlines()]
    return [(src, port == str(PORT), int(cap), int(sent)) for src, port, cap, sent in rows]


def test_minimise(lab):
    """What a honeypot and a third party say to each other is not kept: not in the capture, not in an alert."""
    gateway = begin(lab, 'policy = "minimise" purpose = "no mail of others"')
    talk(lab, "attacker", POT, "words of the intruder")
    talk(lab, "pot0", OUT, "words of somebody else")
    alert, = wait_for(lambda: [r for r in gateway.journal() if r["event_type"] == "alert"], 20)
    assert alert["alert"]["signature"] == "it talks" and "payload" not in alert and "packet" not in alert
    shown = run([FISHBOWL, "ctl", "policy", "-c", lab.conf]).stdout
    assert "privacy: minimise; no mail of others" in shown
    assert "privacy: minimise; no mail of others" in run([FISHBOWL, "check-config", "-c", lab.conf]).stdout
    assert gateway.stop() == 0
    rows = captured(gateway)
    assert len(rows) == 4
    for src, asks, cap, sent in rows:
        assert (cap == sent) == ((src == OUT) == asks), rows
        assert cap in (sent, 14 + 20 + 8)
    for segment in gateway.segments():
        assert b"somebody else" not in segment.read_bytes()
    run([FISHBOWL, "verify", "-c", lab.conf])


def test_banner_only(lab):
    """Only what went to a service with a banner is kept, until the policy is another one."""
    gateway = begin(lab, f'policy = "banner-only" bannered = {{"{POT} tcp/{PORT}"}}')
    talk(lab, "attacker", POT, "without a banner")
    connect = (f"import socket; s = socket.create_connection(('{POT}', {PORT})); s.sendall(b'behind a banner')\n"
               "assert s.recv(99) == b'behind a banner'")
    lab.attacker([sys.executable, "-c", connect])
    lab.conf.write_text(lab.conf.read_text().replace('"banner-only"', '"full"'))
    run([FISHBOWL, "ctl", "reload", "-c", lab.conf])
    talk(lab, "attacker", POT, "now all is kept")
    assert gateway.stop() == 0
    flows = {(r["proto"], r.get("dest_port")): r["fishbowl"] for r in gateway.journal() if r["event_type"] == "flow"}
    assert flows["TCP", PORT]["consent"] == "shown" and flows["UDP", PORT]["consent"] == "none"
    kept = b"".join(segment.read_bytes() for segment in gateway.segments())
    assert b"behind a banner" in kept and b"now all is kept" in kept and b"without a banner" not in kept


@pytest.mark.parametrize("wrong,why", [
    ('policy = "banner-only"', "keeps nothing that is said while bannered is empty"),
    ('bannered = {"10.66.0.5"}', "names no service"),
    ('bannered = {"10.66.0.5 tcp/22 until 2031-01-01T00:00:00Z"}', "names no service"),
    ('bannered = {"pot"}', "bannered"),
    ('policy = "some"', "is no choice"),
])
def test_wrong(lab, wrong, why):
    lab.extra = f"privacy {{ {wrong} }}"
    lab.write_conf()
    done = run([FISHBOWL, "check-config", "-c", lab.conf], check=False)
    assert done.returncode and why in done.stderr, done
