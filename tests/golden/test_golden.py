# SPDX-License-Identifier: Apache-2.0
"""Golden captures: tests/golden/NAME/{input.pcap[ng], args, conf, expect.ndjson, expect.txt}.

`fishbowl replay` over the input must write exactly expect.ndjson (records) and expect.txt (summary).
args: more arguments, as in a shell; conf: a configuration file, given with -c. Both may be absent.
`pytest tests/golden --accept` rewrites what is expected and shows the difference.
"""

import difflib
import glob
import os
import shlex
import subprocess

import pytest

import make_captures
from fishbowl import FISHBOWL

HERE = os.path.dirname(os.path.abspath(__file__))
SIGNATURES = os.path.join(os.path.dirname(os.path.dirname(HERE)), "data", "fingerprints", "fishbowl.fp")
CASES = sorted(os.path.basename(os.path.dirname(p)) for p in glob.glob(os.path.join(HERE, "*", "input.pcap*")))


def read(path):
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


def replay(where):
    args = shlex.split(read(os.path.join(where, "args")))
    if os.path.exists(os.path.join(where, "conf")):
        args += ["-c", "conf"]
    inputs = sorted(os.path.basename(p) for p in glob.glob(os.path.join(where, "input.pcap*")))
    # Signatures of our own alone: which others there are depends on the machine.
    done = subprocess.run([FISHBOWL, "replay", "-o", "-", "--signatures", SIGNATURES, *args, *inputs], cwd=where, capture_output=True,
                          text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize("name", CASES)
def test_golden(name, request):
    where = os.path.join(HERE, name)
    for made, file in zip(replay(where), ("expect.ndjson", "expect.txt")):
        expected = read(os.path.join(where, file))
        diff = "".join(difflib.unified_diff(expected.splitlines(True), made.splitlines(True),
                                            f"{name}/{file}", "now", n=1))
        if diff and request.config.getoption("--accept"):
            print(diff)
            with open(os.path.join(where, file), "w", encoding="utf-8") as out:
                out.write(made)
        else:
            assert not diff, "\n" + diff


def test_inputs_are_what_the_script_makes():
    for name, data in make_captures.captures().items():
        with open(os.path.join(HERE, name), "rb") as file:
            assert file.read() == data, name
