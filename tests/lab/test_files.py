# SPDX-License-Identifier: Apache-2.0
"""Files that are carried through the running gateway: each content is kept once and told of once, whatever dies."""
import hashlib
import json
import os
import random
import stat
import subprocess
import sys
import time
import zipfile

import pytest

from lab import BUILD, FISHBOWL, Lab, can_run, run, wait_for

pytestmark = [
    pytest.mark.skipif(can_run() is not None, reason=str(can_run())),
    pytest.mark.skipif(not (BUILD / "src/cmd/fb-vault/fb-vault").exists(), reason="no fb-vault"),
]

POT, PORT = "10.66.0.5", 8080
KILLS = int(os.environ.get("FISHBOWL_FILE_KILLS", "10"))
SEGMENTS = 'capture { segment_size = "256K" keep_free = "0" }'


class Net(Lab):
    def begin(self, **settings):
        self.write_conf(**settings)
        gateway = self.start()
        gateway.wait_up()
        return gateway

    def begin_waiting(self):
        """All processes run, whatever one of them waits for."""
        self.write_conf()
        gateway = self.start()
        wait_for(lambda: (status := gateway.status()) and all(p["state"] == "up" for p in status["processes"]), 20)
        return gateway

    def serve(self, files):
        """The honeypot offers these over HTTP."""
        self.web = self.dir / "web"
        self.web.mkdir()
        for name, content in files.items():
            (self.web / name).write_bytes(content)
        self.spawn("pot0", [sys.executable, "-m", "http.server", str(PORT), "-d", self.web],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def fetch(self, name):
        self.attacker(f"curl -sS --retry 20 --retry-all-errors --retry-delay 1 -o /dev/null http://{POT}:{PORT}/{name}")

    def told(self):
        return [r for r in self.gateway.journal() if r["event_type"] == "file"]

    def kept(self):
        """SHA-256 of what is kept, by its name in the store."""
        return {p.name: p for p in (self.state / "files").glob("[0-9a-f][0-9a-f]/*")}

    def files(self, *args, check=True):
        return run([FISHBOWL, "files", *args, "-c", self.conf], check=check)


@pytest.fixture
def net():
    with Net(extra=SEGMENTS) as net:
        yield net


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_kept(net):
    """One file: its record, its content, and what `fishbowl files` makes of it."""
    script = b"#!/bin/sh\necho " + b"x" * 5000 + b"\n"
    gateway = net.begin()
    net.serve({"bot.sh": script})
    net.fetch("bot.sh")
    net.fetch("bot.sh")
    first, second = wait_for(lambda: len(net.told()) >= 2 and net.told(), 30)
    assert first["file"]["sha256"] == sha256(script) == second["file"]["sha256"]
    assert first["file"]["new"] and not second["file"]["new"] and second["file"]["stored"]
    assert first["file"]["name"] == "/bot.sh" and "shell script" in first["file"]["magic"]
    assert first["src_ip"] == POT and first["fishbowl"]["honeypot"] == "pot0"
    assert first["fishbowl"]["origin"] == "vault" and first["app_proto"] == "http"
    kept = net.kept()
    assert list(kept) == [sha256(script)]
    path = kept[sha256(script)]
    assert path.read_bytes() == script and stat.S_IMODE(path.stat().st_mode) == 0o440
    assert path.stat().st_uid not in (0, os.geteuid())
    status = gateway.status()
    assert status["files"]["kept"] == 1 and status["files"]["bytes"] == len(script)
    assert "files: 1 kept" in run([FISHBOWL, "status", "-c", net.conf], check=False).stdout
    check_verb(net, script)
    assert gateway.stop() == 0


def check_verb(net, script):
    sha = sha256(script)
    row, = [json.loads(line) for line in net.files("--json").stdout.splitlines()]
    assert row["sha256"] == sha and row["times"] == 2 and row["size"] == len(script)
    assert row["stored"] and not row["pinned"] and row["name"] == "/bot.sh"
    assert sha in net.files("--honeypot", "pot0").stdout
    assert sha not in net.files("--honeypot", "pot9").stdout
    assert sha in net.files("show", sha[:12]).stdout
    archive = net.dir / "out.zip"
    net.files("get", sha[:12], "-o", archive)
    with zipfile.ZipFile(archive) as z:
        with pytest.raises(RuntimeError):
            z.read(sha)
        assert z.read(sha, pwd=b"infected") == script
    assert "pinned" in net.files("pin", sha).stdout
    assert json.loads(net.files("--json").stdout)["pinned"]
    net.files("purge", sha, "--reason", "the owner asked for it")
    assert not net.kept()
    assert not json.loads(net.files("--json").stdout)["stored"]
    assert net.files("get", sha, "-o", net.dir / "again.zip", check=False).returncode == 1
    order = wait_for(lambda: [r for r in net.gateway.journal() if "is removed" in
                              r["fishbowl"].get("detail", "")], 10)[0]
    assert order["fishbowl"]["reason"] == "operator" and sha in order["fishbowl"]["detail"]
    assert "the owner asked for it" in order["fishbowl"]["detail"]
    assert order["fishbowl"]["operator"] == "root"


def test_yara(net):
    """A fault in a file of rules is told; the others hold."""
    good, bad = net.dir / "good.yar", net.dir / "bad.yar"
    good.write_text('rule is_evil { strings: $a = "evil" condition: $a }')
    bad.write_text("rule broken { condition: nothing_of_that_name }")
    for path in (good, bad):
        path.chmod(0o600)
    net.extra = SEGMENTS + f'\nfiles {{ yara = {{"{bad}", "{good}", "{net.dir}/missing.yar"}} }}'
    gateway = net.begin()
    net.serve({"a": b"an evil thing" * 100, "b": b"harmless" * 100})
    net.fetch("a")
    net.fetch("b")
    told = {r["file"]["name"]: r["file"] for r in
            wait_for(lambda: len(net.told()) >= 2 and net.told(), 30)}
    assert told["/a"]["yara"] == ["is_evil"] and told["/b"]["yara"] == []
    faults = [r["fishbowl"]["detail"] for r in gateway.journal()
              if r["fishbowl"].get("reason") == "files-fault"]
    assert any("bad.yar: line 1:" in f for f in faults), faults
    assert any("missing.yar" in f for f in faults), faults
    assert gateway.stop() == 0


def test_killed(net):
    """fb-lens and fb-vault are killed at random moments: records and store are those of an undisturbed run."""
    rng = random.Random(7)
    files = {f"f{n}.bin": rng.randbytes(rng.randrange(1, 200000)) for n in range(6 * KILLS)}
    files["same.bin"] = files["f0.bin"]
    gateway = net.begin()
    net.serve(files)
    deaths = {"fb-lens": 0, "fb-vault": 0}
    names = list(files)
    for n, name in enumerate(names):
        net.fetch(name)
        if n % 6 == 5:
            victim = rng.choice(["fb-lens", "fb-vault"])
            time.sleep(rng.random() * 0.5)
            gateway.kill(victim)
            deaths[victim] += 1
    gateway.wait_up(30)
    wait_for(lambda: len(net.told()) >= len(files), 60)
    assert gateway.stop() == 0
    told = [(r["file"]["name"].lstrip("/"), r["file"]["sha256"]) for r in net.told()]
    assert sorted(told) == sorted((name, sha256(content)) for name, content in files.items())
    assert all(r["file"]["stored"] and "holes" not in r["file"] and "cut" not in r["file"]
               for r in net.told())
    kept = net.kept()
    assert set(kept) == {sha256(content) for content in files.values()}
    assert all(sha256(path.read_bytes()) == name for name, path in kept.items())
    assert not list((net.state / "files/open").iterdir())
    assert replayed(net, gateway) == [r["file"] for r in net.told()]
    print(f"{deaths} deaths, {len(told)} files")


def replayed(net, gateway):
    """What replay finds in the gateway's own capture."""
    out = net.dir / "replayed"
    run([FISHBOWL, "replay", "-c", net.conf, "--files", out / "files", "-o", out, *gateway.segments()],
        timeout=300)
    return [record["file"] for record in map(json.loads, (out / "eve.json").read_text().splitlines())
            if record["event_type"] == "file"]


def test_full_from_the_start(net):
    """The disk of the files is full at the very first start: fb-vault says so once and waits; nothing is lost."""
    place = net.state / "files"
    place.mkdir(parents=True)
    run(["mount", "-t", "tmpfs", "-o", "size=32k,mode=755", "none", place])
    try:
        gateway = net.begin_waiting()
        net.serve({"a": b"content" * 100})
        net.fetch("a")
        wait_for(lambda: [r for r in gateway.journal() if r["event_type"] == "fileinfo"], 30)
        vault = gateway.pids()["fb-vault"]
        warnings = gateway.status()["warnings"]
        assert any("files cannot be kept: No space left" in w for w in warnings), warnings
        time.sleep(2)
        assert gateway.pids()["fb-vault"] == vault and not net.told()
        run(["mount", "-o", "remount,size=16m", place])
        told, = wait_for(lambda: net.told(), 30)
        assert told["file"]["sha256"] == sha256(b"content" * 100) and told["file"]["stored"]
        assert list(net.kept()) == [sha256(b"content" * 100)]
        assert gateway.pids()["fb-vault"] == vault
        assert not any("files cannot" in w for w in gateway.status()["warnings"])
        assert gateway.output().count("it waits until state_dir/files can be written") == 1
        assert not [r for r in gateway.journal() if r["fishbowl"].get("reason") == "died"]
        assert gateway.stop() == 0
    finally:
        run(["umount", "-l", place], check=False)


def test_off(net):
    """Without it no process runs, nothing is kept, and the lens does not wait."""
    net.extra = SEGMENTS + "\nfiles { keep = false }"
    gateway = net.begin()
    net.serve({"a": b"content" * 100})
    net.fetch("a")
    wait_for(lambda: [r for r in gateway.journal() if r["event_type"] == "fileinfo"], 30)
    assert "fb-vault" not in gateway.pids() and not net.told() and not net.kept()
    assert gateway.status()["files"] is None
    assert gateway.stop() == 0
