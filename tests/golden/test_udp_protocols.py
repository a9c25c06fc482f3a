# SPDX-License-Identifier: Apache-2.0
"""Small protocols over UDP, in captures from elsewhere."""
import os

import pytest

from fishbowl import PCAPS, ROOT, SHARED, records

RULES = os.path.join(ROOT, "data", "rules", "outbound.rules")
SV = os.path.join(SHARED, "data", "suricata-verify", "tests")


def of(path, kind, *args):
    if not os.path.exists(path):
        pytest.skip("the capture is not in ../shared")
    return [r for r in records("--rules", RULES, *args, path) if r["event_type"] == kind]


def test_a_file_over_tftp():
    path = os.path.join(PCAPS, "tftp-rrq.pcap")
    asked = of(path, "tftp")
    assert [r["tftp"] for r in asked] == [{"packet": "read", "file": "rfc1350.txt", "mode": "octet"}]
    assert asked[0]["dest_port"] == 69
    file, = [r["fileinfo"] for r in of(path, "fileinfo")]
    assert (file["filename"], file["size"], file["state"]) == ("rfc1350.txt", 24599, "CLOSED")
    assert file["sha256"] == "39c9534e5fa6fecd3ac083ffd6256c2cc9a58f9f1058cb2e472d1782040231f9"


def test_a_community_that_was_right():
    path = os.path.join(SV, "snmp-v2c-get", "SNMPv2c_get_requests.pcap")
    logins = of(path, "login", "--ignore-checksums")
    assert len(logins) == 4
    assert all(r["login"] == {"method": "community", "password": "[R0_C@cti!]", "result": "success"} for r in logins)
    assert all(r["dest_port"] == 161 for r in logins)
