# SPDX-License-Identifier: Apache-2.0
"""Every protocol that is read has a golden capture: in decoders/ (made of tests/corpus/proto), or where its test is."""

import json
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
# What another connection announces.
ELSEWHERE = {"ftp-data": "test_files.py", "dcc": "test_chat.py"}


def protocols():
    with open(os.path.join(ROOT, "src", "proto", "proto.def"), encoding="utf-8") as file:
        return re.findall(r'^PROTO\([A-Z0-9_]+, "([^"]+)"', file.read(), re.MULTILINE)


def test_every_protocol_has_a_capture():
    with open(os.path.join(HERE, "decoders", "expect.ndjson"), encoding="utf-8") as file:
        seen = {json.loads(line).get("app_proto") for line in file}
    names = protocols()
    assert len(names) > 40
    assert [name for name in names if name not in seen and name not in ELSEWHERE] == []
    assert [name for name in ELSEWHERE if name in seen] == []
    for name, test in ELSEWHERE.items():
        with open(os.path.join(HERE, test), encoding="utf-8") as file:
            assert name.split("-", maxsplit=1)[0] in file.read().lower()
