# SPDX-License-Identifier: Apache-2.0
"""Logins to databases, in real captures."""
import os

import pytest

from fishbowl import RULES, SHARED, records

CAPTURES = os.path.join(SHARED, "data", "suricata-verify", "tests", "pgsql")
LOGINS = {
    "pgsql-ssl-rejected-md5-auth-simple-query": [
        {"method": "md5", "user": "indexer", "result": "unknown"},
        {"method": "md5", "user": "indexer", "result": "success",
         "hash": "$postgres$indexer*9f691a8e*e4cfa9552468cae5d48ca2822ca36e22"}],
    "pgsql-cancel-request": [{"method": "md5", "user": "rules", "result": "success",
                              "hash": "$postgres$rules*eeeb0697*3b30a1bada4ebb4b96adac64102b5c99"}],
    "pgsql-upgrade-tls": [{"user": "rep", "result": "failure"}],
}


@pytest.mark.skipif(not os.path.isdir(CAPTURES), reason="suricata-verify is not in ../shared")
@pytest.mark.parametrize("name", LOGINS)
def test_logins(name):
    found = records("--ignore-checksums", "--midstream=true", "--rules", RULES, os.path.join(CAPTURES, name, "input.pcap"))
    logins = [record["login"] for record in found if record["event_type"] == "login"]
    assert logins == LOGINS[name]
