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


def test_kerberos():
    path = os.path.join(SV, "bug-8278-krb5-03", "baseline.2.flows.pcap")
    said = [r["krb5"] for r in of(path, "krb5", "--ignore-checksums", "--midstream=true")]
    assert [m["msg_type"] for m in said].count("KRB_AS_REQ") == 2
    assert {m.get("error_code") for m in said} == {None, "KDC_ERR_PREAUTH_REQUIRED", "KDC_ERR_S_PRINCIPAL_UNKNOWN"}
    [login] = [r["login"] for r in of(path, "login", "--ignore-checksums", "--midstream=true")]
    assert (login["method"], login["user"], login["result"]) == ("kerberos", "test@DOM189.LOCAL", "success")
    assert login["hash"].startswith("$krb5pa$23$test$DOM189.LOCAL$$fb68a75550bb4caf") and len(login["hash"]) == 134
