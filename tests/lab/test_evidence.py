# SPDX-License-Identifier: Apache-2.0
"""Evidence of a real run: what was changed or taken away is named; what the budgets remove leaves the
rest whole; packets are found again, while the gateway runs and after, compressed or not."""
import json
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import time

import pytest

from lab import FISHBOWL, Lab, run, wait_for
from test_run import POT, PORT, TRAFFIC, traffic

SMALL = ('capture {{ segment_size = "1M"  segment_time = "1h"  budget = "{budget}"  keep_free = "0"\n'
         '  compress = {compress} }}\n'
         'store {{ journal_budget = "16M"  database_budget = "64M" }}')


def make_lab(compress="false", budget="1G"):
    lab = Lab(extra=SMALL.format(compress=compress, budget=budget))
    lab.__enter__()
    server = lab.spawn("pot0", [sys.executable, TRAFFIC, "echo", PORT], stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"ready\n"
    return lab


def verify(lab):
    """Exit status, findings, totals of `fishbowl verify --json`."""
    done = run([FISHBOWL, "verify", "--json", "-c", lab.conf], check=False)
    assert done.returncode in (0, 1), done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    faults = [line for line in lines[:-1] if line["fault"]]
    assert bool(faults) == bool(done.returncode), lines
    return done.returncode, faults, lines[-1]


def good(lab):
    status, faults, totals = verify(lab)
    assert status == 0, faults
    return totals


def cut(lab, *question, check=True):
    """Number of packets that `fishbowl cut` found; tshark must read them without a word."""
    to = lab.dir / "cut.pcapng"
    run([FISHBOWL, "cut", "-c", lab.conf, "-o", to, *question], check=check)
    statement = json.loads((lab.dir / "cut.pcapng.manifest.json").read_text())
    shark = run(["tshark", "-n", "-r", to, "-T", "fields", "-e", "frame.number"])
    assert "Running as user" in shark.stderr or shark.stderr == "", shark.stderr
    assert len(shark.stdout.splitlines()) == statement["packets"]
    digest = run(["sha256sum", to]).stdout.split()[0]
    assert statement["sha256"] == digest and statement["sig"]
    return statement


def evidence_files(lab):
    """Not fb-store's own state: it follows from the journal's lines, and has a sum of its own."""
    return sorted(p for d in ("capture", "journal") for p in (lab.state / d).iterdir()
                  if p.is_file() and p.suffix != ".pin" and p.name != "incidents")


def stop(lab, gw):
    assert gw.stop() == 0
    totals = good(lab)
    assert totals["unsealed"] == 0 and totals["journal_unsigned"] == 0, totals
    return totals


@pytest.fixture(scope="module", params=["false", "true"], ids=["plain", "compressed"])
def stopped(request):
    """A lab whose gateway has run and ended."""
    lab = make_lab(compress=request.param)
    try:
        gw = lab.start()
        for _ in range(3):
            assert traffic(lab, "attacker", "tcp", POT, PORT, 500000) == "ok 500000"
        traffic(lab, "attacker", "udp", POT, PORT, 300)
        if request.param == "true":
            wait_for(lambda: len(list((lab.state / "capture").glob("*.zst"))) >= 2, 30)
        stop(lab, gw)
        yield lab
    finally:
        lab.__exit__()


def touches(finding, path, at, line):
    """Does the finding name that file, and the byte or its line (or the next one)?"""
    if finding["file"].split("/")[-1].removesuffix(".zst") != path.name.removesuffix(".zst"):
        return False
    if "from" in finding:
        return finding["from"] <= at <= finding["to"]
    return finding.get("line", 0) in (0, line, line + 1)


def test_each_changed_byte_is_named(stopped):
    draw = random.Random(20)
    files = [p for p in evidence_files(stopped) if p.stat().st_size]
    assert {"manifest.jsonl", "manifest.head", "head"} <= {p.name for p in files}
    for n in range(200 if files[0].suffix != ".zst" else 100):
        path = files[n % len(files)]
        before = path.read_bytes()
        at = draw.randrange(len(before))
        changed = bytearray(before)
        changed[at] ^= 1 << draw.randrange(8)
        mode = path.stat().st_mode
        path.chmod(0o600)
        path.write_bytes(changed)
        status, faults, _ = verify(stopped)
        line = before[:at].count(b"\n") + 1
        assert status == 1 and any(touches(f, path, at, line) for f in faults), (path, at, faults)
        path.write_bytes(before)
        path.chmod(mode)
    good(stopped)


def test_each_missing_line_is_named(stopped):
    for path in evidence_files(stopped):
        if path.suffix != ".jsonl":
            continue
        before = path.read_bytes()
        lines = before.splitlines(keepends=True)
        for gone in {0, len(lines) // 2, len(lines) - 2, len(lines) - 1}:
            path.chmod(0o600)
            path.write_bytes(b"".join(lines[:gone] + lines[gone + 1:]))
            status, faults, _ = verify(stopped)
            assert status == 1 and any(f["file"].endswith(path.name) for f in faults), (path, gone)
        path.write_bytes(b"".join(lines[:len(lines) // 2]))
        status, faults, _ = verify(stopped)
        assert status == 1 and any(f["file"].endswith(path.name) for f in faults), path
        path.write_bytes(before)
    good(stopped)


def test_each_missing_file_is_named(stopped):
    for path in evidence_files(stopped):
        aside = stopped.dir / "aside"
        shutil.move(path, aside)
        status, faults, _ = verify(stopped)
        shutil.move(aside, path)
        name = path.name.removesuffix(".zst")
        assert status == 1, path
        assert any(name in f["file"] or "journal" in path.name and "missing" in f["text"]
                   for f in faults), (path, faults)
    shutil.move(stopped.state / "journal", stopped.state / "elsewhere")
    status, faults, _ = verify(stopped)
    shutil.move(stopped.state / "elsewhere", stopped.state / "journal")
    assert status == 1 and "gone" in faults[0]["text"]
    good(stopped)


def test_cut_finds_it_again(stopped):
    """The same packets with the index and without, by 5-tuple, by flow id, by time."""
    flows = [r for r in map(json.loads, run(
        [FISHBOWL, "events", "--json", "-t", "flow", "-c", stopped.conf]).stdout.splitlines())
        if r["proto"] == "TCP" and r["dest_port"] == PORT]
    assert len(flows) == 3
    for flow in flows:
        want = flow["flow"]["pkts_toserver"] + flow["flow"]["pkts_toclient"]
        by_id = cut(stopped, "--flow", str(flow["flow_id"]))
        assert by_id["packets"] == want and not by_id["gaps"]
        assert cut(stopped, "--scan", "--flow", str(flow["flow_id"]))["packets"] == want
        by_tuple = cut(stopped, "--host", flow["src_ip"], "--peer", flow["dest_ip"], "--port",
                       str(flow["src_port"]), "--proto", "tcp")
        assert by_tuple["packets"] == want
        assert all(s["sha256"] for s in by_tuple["segments"])
    everything = cut(stopped, "--from=-1h")
    assert everything["packets"] == good(stopped)["packets"]


def test_compressed_segments_are_read_by_everybody(stopped):
    packed = sorted((stopped.state / "capture").glob("*.zst"))
    for path in packed[:2]:
        plain = stopped.dir / "plain.pcapng"
        run(["zstd", "-q", "-d", "-f", path, "-o", plain])
        assert run(["capinfos", "-c", plain]).returncode == 0
        run([FISHBOWL, "replay", "-o", stopped.dir / "again", plain])
        done = run([FISHBOWL, "replay", "-o", stopped.dir / "again", path], check=False)
        assert done.returncode == 1 and "zstd -d" in done.stderr


def test_cut_while_it_runs():
    lab = make_lab()
    try:
        gw = lab.start()
        assert traffic(lab, "attacker", "tcp", POT, PORT, 300000) == "ok 300000"
        found = cut(lab, "--host", POT, "--port", str(PORT), "--proto", "tcp")
        assert found["packets"] > 10 and not found["gaps"]
        talk = lab.spawn("attacker", [sys.executable, TRAFFIC, "udp", POT, str(PORT), "3000",
                                      "0.001"], stdout=subprocess.PIPE)
        last = 0
        for _ in range(5):
            found = cut(lab, "--host", POT, "--port", str(PORT), "--proto", "udp")
            assert found["packets"] >= last and not found["gaps"]
            last = found["packets"]
            good(lab)
            time.sleep(0.3)
        talk.wait()
        stop(lab, gw)
        assert cut(lab, "--host", POT, "--port", str(PORT), "--proto", "udp")["packets"] == 6000
    finally:
        lab.__exit__()


def numbers(lab):
    return sorted({int(re.search(r"-(\d+)\.pcapng", p.name)[1])
            for p in (lab.state / "capture").glob("*.pcapng*") if p.suffix != ".pin"})


@pytest.mark.parametrize("compress", ["false", "true"])
def test_budgets_while_it_runs(compress):
    """The oldest go first, pinned ones stay, the chain stays whole, nobody is restarted."""
    lab = make_lab(compress=compress, budget="6M")
    try:
        gw = lab.start()
        gw.wait_up()
        pids = gw.pids()
        traffic(lab, "attacker", "tcp", POT, PORT, 1500000)
        cut(lab, "--host", POT, "--pin")
        pinned = {p.name.removesuffix(".pin") for p in (lab.state / "capture").glob("*.pin")}
        assert pinned
        for _ in range(8):
            traffic(lab, "attacker", "tcp", POT, PORT, 1500000)
            good(lab)

        def settled():
            files = [p for p in (lab.state / "capture").glob("*.pcapng*") if p.suffix != ".pin"]
            kept = [p for p in files if p.name.removesuffix(".zst") in pinned]
            return (sum(p.stat().st_size for p in files if p not in kept) <= 7 << 20 and
                    {p.name.removesuffix(".zst") for p in kept} == pinned)
        wait_for(settled, 20)
        free = [n for n in numbers(lab) if n > max(int(p[-15:-7]) for p in pinned)]
        assert free == list(range(free[0], free[-1] + 1))
        assert gw.pids() == pids
        totals = stop(lab, gw)
        if compress == "false":
            assert totals["removed"] >= 5

        # The index knows none that is gone.
        names = set()
        for day in (lab.state / "db").glob("ev-*.db"):
            with sqlite3.connect(f"file:{day}?mode=ro", uri=True) as db:
                names |= {row[0] for row in db.execute("SELECT name FROM segment")}
        assert names and names <= {p.name.removesuffix(".zst") for p in
                                   (lab.state / "capture").glob("*.pcapng*") if p.suffix != ".pin"}
        # What is left can be cut, what is gone is said.
        found = cut(lab, "--host", POT, "--proto", "tcp", "--from=-1h")
        assert found["packets"] > 100
        if compress == "false":
            assert any("removed" in gap["why"] for gap in found["gaps"])
    finally:
        lab.__exit__()
