# SPDX-License-Identifier: Apache-2.0
"""Real daemons and real clients through the gateway, in the lab that `fishbowl lab up` makes: files
arrive as they left, with the offloads that virtual links have by default and without them."""
import os
import subprocess

import pytest

from lab import FISHBOWL, NETNS_EXEC, can_run

pytestmark = pytest.mark.skipif(can_run() is not None, reason=str(can_run()))

SIZE = 8 << 20
PREFIX = f"fbd{os.getpid()}-"
SSH = ("export SSH_ASKPASS=/tmp/askpass SSH_ASKPASS_REQUIRE=force; O='-o StrictHostKeyChecking=no "
       "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=5'; ")
HOSTS = ("attacker", "web", "files", "old")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    os.environ["FISHBOWL_LAB_PREFIX"] = PREFIX
    os.environ["FISHBOWL_LAB_DIR"] = str(tmp_path_factory.mktemp("lab"))
    try:
        up = fishbowl_lab("up", check=False)
        if "cannot download" in up.stderr:
            pytest.skip(up.stderr.strip())
        assert up.returncode == 0, up.stderr
        on("attacker", "printf '#!/bin/sh\\necho 123456\\n' >/tmp/askpass; chmod 755 /tmp/askpass;"
           f"head -c {SIZE} /dev/urandom >/tmp/file")
        yield
    finally:
        fishbowl_lab("down")


def fishbowl_lab(*argv, check=True):
    done = subprocess.run([FISHBOWL, "lab", *argv], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL)
    assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done


def on(host, command):
    return fishbowl_lab("shell", host, "-c", command).stdout.strip()


@pytest.fixture(params=["on", "off"])
def offloads(request, lab):
    for host in HOSTS:
        subprocess.run([NETNS_EXEC, PREFIX + host, "ethtool", "-K", "eth0"] +
                       [word for name in ("tx", "rx", "sg", "tso", "gso", "gro")
                        for word in (name, request.param)], capture_output=True, check=False)
    return request.param


def same(command):
    """Runs a transfer that ends in /tmp/back on the attacker's machine; it must equal /tmp/file."""
    on("attacker", "rm -f /tmp/back; " + command)
    on("attacker", "cmp /tmp/file /tmp/back")


@pytest.mark.parametrize("web", ["192.0.2.11", "[2001:db8:0:1::11]"])
def test_ssh_both_ways(offloads, web):
    same(SSH + f"scp $O /tmp/file root@{web}:/tmp/f && scp $O root@{web}:/tmp/f /tmp/back")


@pytest.mark.parametrize("files", ["192.0.2.12", "[2001:db8:0:1::12]"])
def test_ftp_both_ways(offloads, files):
    url = f"ftp://{files}/f"
    same(f"curl -sS -u guest:guest -T /tmp/file {url} && curl -sS -u guest:guest -o /tmp/back {url}")


@pytest.mark.parametrize("web", ["192.0.2.11", "[2001:db8:0:1::11]"])
def test_http(offloads, web):
    same(SSH + f"scp $O /tmp/file root@{web}:/var/www/html/f && wget -q -O /tmp/back http://{web}/f")


def test_a_honeypot_fetches_a_file(offloads):
    on("attacker", "cp /tmp/file /srv/tools/file")
    same(SSH + "ssh $O root@192.0.2.11 'wget -q -T 5 -t 1 -O /tmp/got http://192.0.2.66/file' && "
         "scp $O root@192.0.2.11:/tmp/got /tmp/back")
