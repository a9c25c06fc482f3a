# SPDX-License-Identifier: Apache-2.0
"""The black-box suite of suricata-verify over `fishbowl replay --rules`: what passed once, passes.

tests/sv/passing names the tests, one a line; tests/sv/run BUILD runs all of them and says which fail.
With sanitizers, and in a hurry, each tenth of them; `make check` runs all with the build as released.
"""

import json
import os
import subprocess

import pytest

from fishbowl import BUILD, ROOT, SHARED

SV = os.path.join(ROOT, "tests", "sv")
EVERY = 10 if os.environ.get("FISHBOWL_QUICK") or os.environ.get("FISHBOWL_SANITIZED") else 1
NEEDS = [os.path.join(SHARED, "data", "suricata-verify"), os.path.join(SHARED, "tools", "sv_harness.py")]


def passing():
    with open(os.path.join(SV, "passing"), encoding="utf-8") as file:
        return file.read().split()[::EVERY]


@pytest.mark.skipif(not all(map(os.path.exists, NEEDS)), reason="suricata-verify is not in ../shared")
def test_what_passed_passes(tmp_path):
    pytest.importorskip("yaml")
    result, names = tmp_path / "result.json", tmp_path / "names"
    names.write_text("\n".join(passing()))
    done = subprocess.run([os.path.join(SV, "run"), BUILD, "--tests", names, "--json", result],
                          capture_output=True, text=True, check=False)
    assert result.exists(), done.stderr
    tests = {test["test"]: test for test in json.loads(result.read_text())}
    missing = [name for name in passing() if name not in tests]
    failed = [f"{name}: {test['err'] or test['fails'][0]}" for name, test in tests.items() if not test["ok"]]
    assert not missing, missing
    assert not failed, "\n".join(failed)
