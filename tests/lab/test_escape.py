# SPDX-License-Identifier: Apache-2.0
"""A sample of the escape matrix (tests/escape): one attack of each kind. `make escape` runs all."""
import json
import pathlib
import subprocess
import sys

import pytest

from lab import BUILD, ROOT, can_run

pytestmark = pytest.mark.skipif(can_run() is not None, reason=str(can_run()))

SAMPLE = """spoof_mac spoof_ip_neighbour spoof_arp_reply spoof_nd_override hygiene_ra_hidden hygiene_double_tag
    hygiene_ethertypes fence_direct fence_tunnel fence_reply fence_source_route budget_syns budget_families
    budget_restart kill_gate_then_spoof kill_everything scan_flags tcp_synack_unasked frag_tiny frag_no_first
    header_land header_mapped icmp_unasked_replies dns_many_ports combo_roach_motel combo_isolated
    combo_mutations""".split()


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    path = tmp_path_factory.mktemp("escape") / "results.json"
    done = subprocess.run([sys.executable, ROOT / "tests/escape/escape.py", "--build", BUILD, "--keep-going",
                           "--json", path, *SAMPLE], capture_output=True, text=True, timeout=500)
    print(done.stdout, done.stderr)
    return json.loads(pathlib.Path(path).read_text())


@pytest.mark.parametrize("attack", SAMPLE)
def test_nothing_escapes(results, attack):
    mine = [r for r in results if r["attack"] == attack]
    assert mine
    for r in mine:
        assert r["verdict"] == "held", r


@pytest.mark.skipif(not (BUILD / "tests/lab/forwarder").exists(), reason="built without tests")
def test_a_wire_in_place_of_the_gateway_lets_them_escape():
    """A check that cannot fail would be worthless."""
    done = subprocess.run([sys.executable, ROOT / "tests/escape/escape.py", "--build", BUILD, "--bridge",
                           "spoof_mac", "fence_tunnel", "frag_tiny"], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and "6 escaped" in done.stdout, done.stdout + done.stderr


def test_every_attack_is_described():
    listed = subprocess.run([sys.executable, ROOT / "tests/escape/escape.py", "--list"], capture_output=True,
                            text=True, check=True).stdout.splitlines()
    assert len(listed) == len(list((ROOT / "tests/escape/attacks").glob("*.py"))) >= 60
    assert all(len(line.split(None, 2)) == 3 for line in listed)
