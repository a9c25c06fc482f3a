# SPDX-License-Identifier: Apache-2.0
"""What data control looks like from inside: silence, a chosen failure, a slow line; and datagrams in parts."""
import errno
import time

import pytest

import raw
from lab import ROOT, Lab, can_run, wait_for

pytestmark = pytest.mark.skipif(can_run() is not None, reason=str(can_run()))

TRAFFIC = str(ROOT / "tests/lab/traffic.py")
FAR4, FAR6, FENCED = "203.0.113.9", "2001:db8:113::9", "192.168.7.7"
ROUTER = "198.51.100.1"
PORT = 7777
# Prints how the second of two attempts ended, and after how long.
PROBE = """
import socket, sys, time
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
for n in range(2):
    s = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(3)
    if kind == "udp":  # IP_RECVERR, IPV6_RECVERR: else nobody is told
        s.setsockopt(*((41, 25) if family == socket.AF_INET6 else (0, 11)), 1)
    start, end = time.monotonic(), 0
    try:
        s.connect((address, port))
        s.send(b"x")
        s.recv(9)
    except socket.timeout:
        end = -1
    except OSError as e:
        end = e.errno
    keep = s if n == 0 else None
print(end, time.monotonic() - start)
"""


@pytest.fixture(scope="module")
def lab():
    extra = (f'fence = {{"{FENCED}/32"}}\n'
             f'refuse {{ tcp = "reset" udp = "unreachable" fence = "unreachable" router = "{ROUTER}" }}')
    with Lab(pots=2, limit='limit { tcp = "1/h" udp = "1/h" icmp = "100/h" }', extra=extra) as made:
        for address in (f"{FAR4}/32", f"{FAR6}/128", f"{FENCED}/32"):
            made.attacker(["ip", "addr", "add", address, "dev", "out"] + (["nodad"] if ":" in address else []))
        for i in range(2):
            made.pot("ip route add default via 10.66.0.1", i=i)
            made.pot("ip route add default via fd66::1", i=i)
        made.spawn("attacker", ["python3", TRAFFIC, "echo", str(PORT)], stdout=-3)
        made.gateway = made.start()
        wait_for(lambda: made.pot("ping -c1 -W1 10.66.0.1", check=False).returncode == 0)
        yield made


def second(lab, kind, address, port=PORT, i=0):
    end, seconds = lab.pot(["python3", "-c", PROBE, kind, address, str(port)], i=i).stdout.split()
    return int(end), float(seconds)


def test_connection_is_reset_as_from_afar(lab):
    with lab.capture("pot0", "eth0", bpf="tcp") as seen:
        end, seconds = second(lab, "tcp", FAR4)
    assert end == errno.ECONNREFUSED and 0.015 < seconds < 0.3
    resets = [f for f in seen.frames() if f[47] & 4 and f[26:30] == bytes([203, 0, 113, 9])]
    assert len(resets) == 1
    assert 40 < resets[0][22] < 124 and resets[0][22] != 64  # a TTL of somebody some hops away


@pytest.mark.parametrize("i, address", [(0, FAR4), (1, FAR6)])
def test_host_is_unreachable(lab, i, address):
    with lab.capture(f"pot{i}", "eth0", bpf="icmp or icmp6") as seen:
        end, seconds = second(lab, "udp", address, i=i)
    assert end == errno.EHOSTUNREACH and 0.015 < seconds < 0.3
    if i == 0:
        errors = [f for f in seen.frames() if f[23] == 1 and f[34] == 3 and f[30:34] == bytes([10, 66, 0, 5])]
        assert [f[26:30] for f in errors] == [bytes(map(int, ROUTER.split(".")))]


def test_fenced_host_is_unreachable_too(lab):
    assert second(lab, "udp", FENCED, i=1)[0] == errno.EHOSTUNREACH


def test_on_the_own_network_there_is_silence(lab):
    lab.attacker("ip addr add 10.66.0.77/32 dev out")
    assert second(lab, "tcp", "10.66.0.77")[0] == -1


def test_refusals_are_evidence(lab):
    """In the capture as sent, and the layers agree."""
    lab.gateway.ctl("audit")
    wait_for(lambda: (lab.gateway.status()["audit"] or {}).get("agree"), 10)
    refusals = [comment for _, _, comment in raw.pcapng_packets(lab.gateway.segments()) if "refusal" in comment]
    assert refusals and all(comment.startswith("pass refusal") for comment in refusals)


@pytest.mark.parametrize("command", ["ping -c1 -W2 -s 8000 10.66.0.1", "ping -c1 -W2 -s 8000 fd66::1"])
def test_datagrams_in_parts_leave(lab, command):
    lab.pot(command)


def test_slow_line():
    """200 KB through a line of 64 KB a second, as an echo to somebody outside."""
    with Lab(limit='limit { bandwidth = "64K" }') as lab:
        lab.spawn("pot0", ["python3", TRAFFIC, "echo", str(PORT)], stdout=-3)
        gateway = lab.start()
        wait_for(lambda: lab.attacker("ping -c1 -W1 10.66.0.5", check=False).returncode == 0)
        start = time.monotonic()
        assert lab.attacker(["python3", TRAFFIC, "tcp", "10.66.0.5", str(PORT), "200000"]).stdout.startswith("ok")
        assert 2.5 < time.monotonic() - start < 8
        dropped = {r for r, n in gateway.status()["frames"]["by_reason"].items() if n} - {
            "inbound", "reply", "neighbour", "multicast-join", "icmp-error", "established", "within-budget"}
        assert dropped <= {"line-full"}
