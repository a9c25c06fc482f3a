# SPDX-License-Identifier: Apache-2.0
"""Small protocols over UDP, in captures from elsewhere."""
import json
import os

import pytest

import packets as p
from fishbowl import PCAPS, RULES, SHARED, records

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


def expected(name, key):
    with open(os.path.join(PCAPS, "expected.json"), encoding="utf-8") as file:
        return set(json.load(file)[name]["findings"][key])


@pytest.mark.parametrize("name", ["netbios-dgm-browser", "netbios-vlan", "smtp", "teredo", "netbeui-win98-smb"])
def test_netbios_names(name):
    found = [r["netbios"] for r in of(os.path.join(PCAPS, name + ".pcap"), "netbios", "--ignore-checksums")]
    datagrams = [n for n in found if n["service"] == "datagram"]
    assert {n["source"] for n in datagrams} == expected(name + ".pcap", "nbdgm_source")
    assert {n["destination"] for n in datagrams} == expected(name + ".pcap", "nbdgm_destination")
    assert {n["browser"]["server"] for n in datagrams} == expected(name + ".pcap", "browser_server")


def test_netbios_records():
    records_of = of(os.path.join(PCAPS, "netbios-vlan.pcap"), "netbios")
    found = [r["netbios"] for r in records_of]
    status = next(r for r in records_of if r["netbios"].get("id") == 8360 and r["netbios"]["type"] == "response")
    assert (status["src_ip"], status["dest_port"]) == ("10.0.4.24", 57836)
    answer, = status["netbios"]["answers"]
    assert (answer["name"], answer["type"], answer["mac"]) == ("*<00>", "NBSTAT", "00:1c:c4:10:79:0f")
    assert [n["name"] for n in answer["names"]] == ["GUNNAR<00>", "VIGILANT_GROUP<00>", "GUNNAR<20>", "VIGILANT_GROUP<1e>"]
    assert sum(n["service"] == "name" for n in found) == 256
    browser = next(n["browser"] for n in found if n.get("source") == "NVR9<20>")
    assert browser["os_version"] == "6.1" and "sql_server" in browser["server_type"]


def test_netbios_without_ip():
    found = [r for r in of(os.path.join(PCAPS, "netbeui-win98-smb.pcap"), "netbios") if r["netbios"].get("link") == "llc"]
    assert all("src_ip" not in r and "flow_id" not in r for r in found)
    names = [r for r in found if r["netbios"]["service"] == "name"]
    assert {r["netbios"]["source"] for r in names} >= {"MDJR98<20>", "WORKGROUP<1e>", "TEST1<00>"}
    called, = [r for r in names if r["netbios"]["type"] == "name_query"]
    assert called["netbios"]["destination"] == "MDJR98<20>"
    assert called["ether"] == {"src_mac": "00:0c:29:d4:79:b2", "dest_mac": "03:00:00:00:00:01"}
    datagrams = [r["netbios"] for r in found if r["netbios"]["service"] == "datagram"]
    assert len(datagrams) == 15 and {d["browser"]["server"] for d in datagrams} == {"MDJR98", "WORKGROUP"}


def test_netbios_session():
    found = of(os.path.join(PCAPS, "netbios-vlan.pcap"), "netbios", "--midstream=true")
    session, = [r for r in found if r["netbios"]["service"] == "session"]
    assert (session["src_ip"], session["dest_port"]) == ("10.19.71.184", 139)
    assert session["netbios"] == {"service": "session", "called": "IBIFHQ11WS023<20>", "calling": "ROSFHQ07WS004<00>"}


def test_back_orifice():
    found = of(os.path.join(PCAPS, "synth-backorifice.pcap"), "backorifice")
    assert [r["backorifice"] for r in found] == [
        {"key": 31337, "id": 1, "code": 1, "command": "ping"},
        {"key": 31337, "id": 1, "code": 1, "command": "ping", "text": "  !PONG!1.20!HONEY-WIN98!"},
        {"key": 31337, "id": 2, "code": 63, "command": "application_list", "arguments": ["C:\\"]}]
    assert [r["src_ip"] for r in found] == ["198.51.100.7", "192.0.2.101", "198.51.100.7"]


def test_bittorrent_dht():
    found = of(os.path.join(SV, "bittorrent-dht", "input.pcap"), "bittorrent_dht", "--ignore-checksums")
    assert len(found) == 16
    peers, = [r["bittorrent_dht"] for r in found if "values" in r["bittorrent_dht"].get("response", {})]
    assert peers["response"]["values"] == [{"ip": "97.120.106.101", "port": 11893}, {"ip": "105.100.104.116", "port": 28269}]
    announced = [r["bittorrent_dht"]["request"] for r in found if r["bittorrent_dht"].get("request_type") == "announce_peer"]
    assert {a["info_hash"] for a in announced} == {"6d6e6f707172737475767778797a313233343536"}


def duid_datagrams():
    """Nobody's capture of DHCPv6 and uTP is at hand: what a host asks for, and two peers."""
    duid = b"\0\1\0\x0e\0\1\0\1\x11\x22\x33\x44\2\0\0\0\0\5"
    solicit = b"\1\0\0\7" + duid + b"\0\x27\0\6\0\3pot\0"
    hello = b"\x13BitTorrent protocol" + bytes(8) + b"a" * 20 + b"-UT3530-bbbbbbbbbbbb"
    utp = b"\0\0\0\0\0\1\0\0\0\0\0\x10\0\0\0\1\0\0"
    return [p.udp("fe80::1", "ff02::1:2", 546, 547, solicit), p.udp("10.0.0.1", "203.0.113.5", 4000, 6881, b"\x41\0" + utp),
            p.udp("10.0.0.1", "203.0.113.5", 4000, 6881, b"\1\0" + utp + hello),
            p.udp("203.0.113.5", "10.0.0.1", 6881, 4000, b"\1\0" + utp + hello)]


def test_dhcpv6_and_utp(tmp_path):
    path = tmp_path / "made.pcap"
    path.write_bytes(p.pcap("ethernet", [((i + 1) * 10**9, p.eth(packet)) for i, packet in enumerate(duid_datagrams())]))
    found = {r["event_type"]: r for r in records("--rules", RULES, path) if r["event_type"] in ("dhcpv6", "bittorrent")}
    assert found["dhcpv6"]["dhcpv6"] == {"type": "solicit", "id": 7, "client_id": "00:01:00:01:11:22:33:44:02:00:00:00:00:05",
                                         "client_mac": "02:00:00:00:00:05", "fqdn": "pot", "leases": []}
    assert found["dhcpv6"]["dest_ip"] == "ff02::1:2"
    assert found["bittorrent"]["src_ip"] == "10.0.0.1"
    assert found["bittorrent"]["bittorrent"]["transport"] == "utp"
    assert found["bittorrent"]["bittorrent"]["server"]["client"] == "-UT3530-"
