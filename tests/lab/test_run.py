# SPDX-License-Identifier: Apache-2.0
"""`fishbowl run`: starts, forwards, captures, survives the death of any part, stops; refuses clearly."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from lab import BUILD, FISHBOWL, Lab, run, wait_for

TRAFFIC = pathlib.Path(__file__).with_name("traffic.py")
POT, POT6 = "10.66.0.5", "fd66::5"
PORT = 4000


def traffic(lab, where, *args, **more):
    return lab.exec(where, [sys.executable, str(TRAFFIC), *map(str, args)], **more).stdout.strip()


@pytest.fixture
def lab():
    with Lab() as lab:
        server = lab.spawn("pot0", [sys.executable, TRAFFIC, "echo", PORT], stdout=subprocess.PIPE)
        assert server.stdout.readline() == b"ready\n"
        yield lab


def restarts(gw):
    return {p["name"]: p["restarts"] for p in gw.status()["processes"]}


def numbers_in_capture(lab, skip_dropped=True):
    """How often each number of traffic.py's UDP requests is in the capture, on the outside NIC."""
    seen = {}
    for segment in sorted((lab.state / "capture").glob("*.pcapng*")):
        if segment.suffix == ".zst":
            continue
        out = run(["tshark", "-n", "-r", segment, "-Y",
                   f"udp.dstport == {PORT} && frame.interface_id == 0", "-T", "fields",
                   "-e", "udp.payload", "-e", "frame.comment"]).stdout
        for line in out.splitlines():
            payload, _, comment = line.partition("\t")
            if skip_dropped and comment.startswith("drop"):
                continue
            number = int(payload[:8], 16)
            seen[number] = seen.get(number, 0) + 1
    return seen


def numbers_arrived(capture):
    """The numbers of the requests that a Capture saw, with how often."""
    seen = {}
    for frame in capture.frames():
        if frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[36:38] == PORT.to_bytes(2, "big"):
            number = int.from_bytes(frame[42:46], "big")
            seen[number] = seen.get(number, 0) + 1
    return seen


def test_start_forward_stop(lab):
    gw = lab.start()
    assert traffic(lab, "attacker", "ping", POT, 3) == "3"
    assert traffic(lab, "attacker", "ping", POT6, 3) == "3"
    assert traffic(lab, "attacker", "tcp", POT, PORT, 300000) == "ok 300000"
    assert traffic(lab, "attacker", "tcp", POT6, PORT, 300000) == "ok 300000"
    status = gw.wait_up()
    assert {p["name"] for p in status["processes"]} == {"fb-gate", "fb-tap", "fb-store", "fb-lens", "fb-vault"}
    assert status["frames"]["passed"] > 100
    assert status["capture"]["segment"]
    text = run([FISHBOWL, "status", "-c", lab.conf], check=False).stdout
    assert "fb-gate" in text and "received" in text
    assert gw.stop() == 0
    assert "stopped" in gw.output()
    types = [record["event_type"] for record in gw.journal()]
    assert "flow" in types and "control" in types
    assert gw.segments()


def test_malloc_is_nobody_elses(lab):
    """What it calls is in a process's sandbox, or the process would end: whatever the environment asks for."""
    gw = lab.start(env={"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.perturb=5"})
    gw.wait_up()
    asked = {p["name"]: pathlib.Path(f"/proc/{p['pid']}/environ").read_text().split("\0")
             for p in gw.status()["processes"]}
    asked = {name: [word for word in words if word.startswith("GLIBC_TUNABLES")] for name, words in asked.items()}
    assert asked.pop("fb-lens") == ["GLIBC_TUNABLES=glibc.malloc.hugetlb=1"]
    assert not any(asked.values()), asked
    assert traffic(lab, "attacker", "tcp", POT, PORT, 300000) == "ok 300000"
    assert gw.stop() == 0


def test_status_tells_of_incidents(lab):
    gw = lab.start()
    gw.wait_up()
    assert gw.status()["incidents"] == {"open": 0, "told": 0, "critical": 0, "high": 0, "medium": 0,
                                        "complete": True, "most_severe": []}
    text = run([FISHBOWL, "status", "-c", lab.conf], check=False).stdout
    assert "incidents: 0 open, 0 in the last 24 hours\n" in text
    traffic(lab, "pot0", "ping", "10.66.0.1", 1)
    found = wait_for(lambda: gw.status()["incidents"]["open"] and gw.status()["incidents"])
    assert (found["told"], found["high"], found["complete"]) == (1, 1, True)
    one, = found["most_severe"]
    assert one["open"] and one["severity"] == "high" and one["title"].startswith("pot0: it began")
    text = run([FISHBOWL, "status", "-c", lab.conf], check=False).stdout
    assert "incidents: 1 open, 1 in the last 24 hours: 1 high (`fishbowl incidents`)\n" in text
    assert f"  high      open    {one['id']}  " in text
    assert one["id"] in run([FISHBOWL, "incidents", "-c", lab.conf]).stdout
    assert gw.stop() == 0


def test_self_test_and_own_namespace():
    """As in real use: the self-test first, the NICs in a namespace of their own, and back again."""
    with Lab(data_netns="auto") as lab:
        lab.conf.write_text(lab.conf.read_text().replace("self_test = false", "self_test = true"))
        lab.exec("gw", "ip link add other type veth peer name another")
        gw = lab.start()
        assert "14 probes, no answer" in gw.output()
        assert "fbout" not in lab.exec("gw", "ip link").stdout
        assert traffic(lab, "attacker", "ping", POT, 1) == "1"
        outside = gw.status()["nics"][0]
        assert outside["rx_packets"] > 0 and outside["gate"]["captured"] == outside["gate"]["received"] > 0
        assert outside["gate"]["sent"] > 0 == outside["gate"]["unseen"]
        assert gw.stop() == 0
        assert "fbout" in lab.exec("gw", "ip link").stdout


def test_privileges(lab):
    """No capability, own uid, no_new_privs, seccomp in every process."""
    gw = lab.start()
    uids = set()
    for name, pid in gw.wait_up() and gw.pids().items():
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        assert int(fields["CapEff"], 16) == 0 and int(fields["CapPrm"], 16) == 0, name
        assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2", name
        uids.add(fields["Uid"].split()[0])
        assert fields["Groups"].strip() == "", name
    assert len(uids) == 5 and "0" not in uids


@pytest.mark.parametrize("name", ["fb-gate", "fb-tap", "fb-store", "fb-lens", "fb-vault"])
def test_kill_under_traffic(lab, name):
    """What arrived at the honeypot is in the capture exactly once; forwarding comes back."""
    gw = lab.start()
    gw.wait_up()
    with lab.capture("pot0", "eth0", direction="in") as arrived:
        sender = lab.spawn("attacker", [sys.executable, TRAFFIC, "udp", POT, "4000", "3000", "0.001"],
                           stdout=subprocess.PIPE)
        for _ in range(5):
            time.sleep(0.4)
            pid = wait_for(lambda: gw.pids().get(name))
            os.kill(pid, signal.SIGKILL)
        sender.communicate(timeout=30)
    gw.wait_up()
    assert traffic(lab, "attacker", "ping", POT, 1) == "1"
    assert restarts(gw)[name] >= 5
    assert gw.stop() == 0
    out, captured = numbers_arrived(arrived), numbers_in_capture(lab)
    assert out and not [n for n in out if n not in captured]
    assert {n: c for n, c in captured.items() if c != 1} == {}
    if name != "fb-gate":
        assert len(out) == 3000  # the death of a writer is not felt on the wire
    reasons = [r.get("fishbowl", {}).get("reason") for r in gw.journal()]
    assert reasons.count("died") >= 5


def test_supervisor_killed(lab):
    """Nothing passes without a supervisor; the next run goes on with what was left."""
    gw = lab.start()
    assert traffic(lab, "attacker", "udp", POT, PORT, 100).count(" ") == 99
    os.kill(fishbowl_pid(gw), signal.SIGKILL)
    gw.process.wait(10)
    time.sleep(0.3)
    assert traffic(lab, "attacker", "ping", POT, 1) == "0"
    gw = lab.start()
    assert traffic(lab, "attacker", "ping", POT, 1) == "1"
    assert gw.stop() == 0
    assert set(numbers_in_capture(lab)) == set(range(100))
    assert set(numbers_in_capture(lab).values()) == {1}


def fishbowl_pid(gw):
    return gw.status()["pid"]


def test_gate_down_nothing_passes(lab):
    gw = lab.start()
    gw.wait_up()
    gw.kill("fb-gate", signal.SIGSTOP)
    time.sleep(0.1)
    with lab.capture("pot0", "eth0", direction="in") as arrived:
        assert traffic(lab, "attacker", "ping", POT, 2) == "0"
    assert not [f for f in arrived.frames() if f[12:14] == b"\x08\x00"]
    wait_for(lambda: restarts(gw)["fb-gate"] >= 1, 20)
    gw.wait_up()  # a hung gate is replaced
    assert traffic(lab, "attacker", "ping", POT, 1) == "1"


def test_ring_full():
    """fb-tap stopped: frames are dropped when the ring is full, none leaves unseen."""
    with Lab(extra='capture { ring = "1M" }') as lab:
        server = lab.spawn("pot0", [sys.executable, TRAFFIC, "echo", PORT], stdout=subprocess.PIPE)
        assert server.stdout.readline() == b"ready\n"
        gw = lab.start()
        gw.wait_up()
        gw.kill("fb-tap", signal.SIGSTOP)
        with lab.capture("pot0", "eth0", direction="in") as arrived:
            traffic(lab, "attacker", "udp", POT, PORT, 6000, 0.0002)
        status = gw.status()
        assert status["frames"]["by_reason"]["capture-ring-full"] > 0
        assert any("not forwarded" in w or "more than half" in w for w in status["warnings"])
        wait_for(lambda: restarts(gw)["fb-tap"] >= 1, 30)  # hung: replaced
        gw.wait_up()
        wait_for(lambda: traffic(lab, "attacker", "ping", POT, 1) == "1")
        assert gw.stop() == 0
        out, captured = numbers_arrived(arrived), numbers_in_capture(lab)
        assert 0 < len(out) < 6000
        assert set(out) == set(captured) and set(captured.values()) == {1}


def test_audit(lab):
    gw = lab.start(env={"FISHBOWL_AUDIT_SECONDS": "2"})
    traffic(lab, "attacker", "udp", POT, PORT, 2000, 0.0005)

    def done():
        audit = gw.status()["audit"]
        return audit and audit["number"] >= 2 and audit
    audit = wait_for(done, 20)
    assert audit["agree"], audit
    assert gw.stop() == 0
    audits = [r for r in gw.journal() if r["event_type"] == "audit"]
    assert audits and all(r["fishbowl"]["agree"] for r in audits), audits
    assert [r for r in gw.journal() if r["event_type"] == "stats"]


def test_nic_gone_and_back(lab):
    gw = lab.start()
    lab.exec("pot0", "ip link del eth0")
    wait_for(lambda: any("gone" in w for w in gw.status()["warnings"]))
    lab._veth("pot0", "eth0", "fbin0", lab.pot_addresses(0))
    lab.attacker("ip neigh flush all")  # the honeypot has another MAC address now
    wait_for(lambda: traffic(lab, "attacker", "ping", POT, 1) == "1", 20)
    assert gw.stop() == 0
    reasons = {r.get("fishbowl", {}).get("reason") for r in gw.journal()}
    assert {"nic-gone", "nic-back"} <= reasons


def test_link_flap(lab):
    gw = lab.start()
    lab.exec("attacker", "ip link set out down")
    wait_for(lambda: any("no link" in w for w in gw.status()["warnings"]))
    lab.exec("attacker", "ip link set out up")
    lab.exec("attacker", "ip addr add fd66::1/64 dev out nodad", check=False)
    wait_for(lambda: traffic(lab, "attacker", "ping", POT, 1) == "1", 20)
    assert gw.stop() == 0
    reasons = {r.get("fishbowl", {}).get("reason") for r in gw.journal()}
    assert {"link-down", "link-up"} <= reasons


def test_merged_until_the_nic_cuts(lab):
    """Each NIC has a second socket, of protocol 0, for segments that go together; not one that makes segments itself."""
    def sockets():
        return lab.exec("gw", "cat /proc/net/packet").stdout.count(" 0000 ")

    gw = lab.start()
    gw.wait_up()
    assert sockets() == 2
    lab.exec("gw", "ethtool -K fbin0 tx on tso on")
    wait_for(lambda: sockets() == 1 and restarts(gw)["fb-gate"] == 1, 20)
    assert traffic(lab, "attacker", "tcp", POT, PORT, 300000) == "ok 300000"
    assert gw.stop() == 0
    assert "NIC fbin0: " in gw.output()


def test_second_run_is_refused(lab):
    gw = lab.start()
    done = lab.exec("gw", [str(FISHBOWL), "run", "-c", str(lab.conf)], check=False)
    assert done.returncode == 1 and "already runs" in done.stderr
    assert traffic(lab, "attacker", "ping", POT, 1) == "1"
    assert gw.ctl("stop")["ok"]
    assert gw.process.wait(30) == 0


def test_status_without_gateway(lab):
    done = run([FISHBOWL, "status", "-c", lab.conf], check=False)
    assert done.returncode == 3 and "does not run" in done.stderr


def expect(lab, *words, env=None):
    output = lab.fails(env=env)
    for word in words:
        assert word in output, output
    return output


def test_wrong_nic_missing(lab):
    lab.write_conf(lab.conf.read_text().replace('"fbout"', '"fbnone"'))
    expect(lab, "fbnone")


def test_wrong_nic_twice(lab):
    lab.write_conf(lab.conf.read_text().replace('{"fbin0"}', '{"fbout"}'))
    expect(lab, "fbout")


def test_wrong_nic_is_no_ethernet(lab):
    lab.write_conf(lab.conf.read_text().replace('"fbout"', '"lo"'))
    expect(lab, "lo")


def test_wrong_state_dir_read_only(lab):
    target = lab.dir / "ro"
    target.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "ro", "none", target])
    try:
        lab.write_conf(lab.conf.read_text().replace(str(lab.state), f"{target}/state"))
        expect(lab, "state_dir", "ead-only")
    finally:
        run(["umount", target])


def test_wrong_run_dir_is_a_file(lab):
    lab.run_dir.write_text("")
    expect(lab, "run_dir", str(lab.run_dir))


def test_wrong_run_dir_too_small(lab):
    lab.run_dir.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", lab.run_dir])
    try:
        expect(lab, "No space left", "run_dir needs room")
    finally:
        run(["umount", lab.run_dir])


def test_wrong_libexec(lab):
    expect(lab, "fb-store", "FISHBOWL_LIBEXEC", env={"FISHBOWL_LIBEXEC": "/nonexistent"})


def test_wrong_not_root(lab):
    lab.dir.chmod(0o755)
    done = run(["setpriv", "--reuid=65534", "--clear-groups", FISHBOWL, "run", "-c", lab.conf],
               check=False)
    assert done.returncode == 1
    assert "root" in done.stderr or "ermission" in done.stderr


def test_wrong_mtu(lab):
    lab.exec("gw", "ip link set fbout mtu 60000", check=False)
    if "mtu 60000" not in lab.exec("gw", "ip link show fbout").stdout:
        pytest.skip("this kernel's veth has no such MTU")
    expect(lab, "fbout", "MTU")


def test_wrong_no_such_file(lab):
    lab.conf.unlink()
    expect(lab, str(lab.conf))
