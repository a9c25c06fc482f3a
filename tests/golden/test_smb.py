# SPDX-License-Identifier: Apache-2.0
"""Files, names and accounts over SMB, in real captures."""
import json
import os
import struct

import pytest

from fishbowl import PCAPS, RULES, records
from packets import ACK, FIN, PSH, SYN, eth, pcap, tcp

EXPECTED = os.path.join(PCAPS, "expected.json")
ARGS = ("--ignore-checksums", "--midstream=true", "--rules", RULES)


def expected(name):
    if not os.path.exists(os.path.join(PCAPS, name)):
        pytest.skip("the capture is not in ../shared")
    with open(EXPECTED, encoding="utf-8") as file:
        return json.load(file)[name]


def strings(value):
    """All text in a record, however deep."""
    if isinstance(value, dict):
        return [text for inner in value.values() for text in strings(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in strings(inner)]
    return [value] if isinstance(value, str) else []


def check(found, want):
    files = {r["fileinfo"]["sha256"]: r["fileinfo"] for r in found if r["event_type"] == "fileinfo" and "sha256" in r["fileinfo"]}
    said = {text for r in found if r["event_type"] == "smb" for text in strings(r["smb"])}
    for thing in want["objects"]:
        assert files[thing["sha256"]]["size"] == thing["size"]
        assert files[thing["sha256"]]["state"] == "CLOSED"
    for kind in ("smb_account", "smb_path", "smb_file"):
        assert set(want["findings"].get(kind, [])) - said == set()
    users = {r["login"]["user"].split("\\")[-1] for r in found if r["event_type"] == "login"}
    assert set(want["findings"].get("smb_account", [])) <= users


@pytest.mark.parametrize("name", ["smb-psexec-samba.pcap", "smb2-readwrite.pcap", "smb1-eternal.pcap"])
def test_findings(name):
    want = expected(name)
    check(records(*ARGS, os.path.join(PCAPS, name)), want)


NETBIOS = b"\xf0"  # LLC's number of it
DATA_FIRST, DATA_LAST = 0x15, 0x16  # NetBIOS frames that carry data


def netbeui_messages(path):
    """SMB of a capture that knows no IP: who sent it, the message. What is sent again is left out."""
    with open(path, "rb") as file:
        data = file.read()
    last, parts, at = {}, {}, 24
    while at < len(data):
        size = struct.unpack("<I", data[at + 8:at + 12])[0]
        frame, at = data[at + 16:at + 16 + size], at + 16 + size
        length = struct.unpack(">H", frame[12:14])[0]
        llc = frame[14:14 + length]
        if length > 1500 or llc[:1] != NETBIOS or len(llc) < 18 or llc[2] & 1 or llc[8] not in (DATA_FIRST, DATA_LAST):
            continue
        who = frame[6:12]
        if last.get(who) == llc[2]:
            continue
        last[who] = llc[2]
        parts[who] = parts.get(who, b"") + llc[18:]
        if llc[8] == DATA_LAST:
            yield who, parts.pop(who)


def as_tcp(messages):
    """The same as a conversation over TCP."""
    client, seq, packets = None, [1001, 5001], []

    def send(side, flags, data=b""):
        ends = [("198.51.100.7", 1026), ("10.0.0.5", 139)]
        source, target = ends[side], ends[1 - side]
        packets.append(eth(tcp(source[0], target[0], source[1], target[1], flags, seq=seq[side] - bool(flags & SYN), ack=seq[1 - side], data=data)))
        seq[side] += len(data) + bool(flags & FIN)

    send(0, SYN)
    send(1, SYN | ACK)
    send(0, ACK)
    for who, message in messages:
        client = client or who
        side = int(who != client)
        send(side, PSH | ACK, struct.pack(">I", len(message)) + message)
        send(1 - side, ACK)
    send(0, FIN | ACK)
    send(1, FIN | ACK)
    send(0, ACK)
    return pcap("ethernet", [(0, packet) for packet in packets])


def test_windows_98(tmp_path):
    """What it says over NetBEUI, which has no IP and is not read; the same over TCP is."""
    want = expected("netbeui-win98-smb.pcap")
    capture = tmp_path / "98.pcap"
    messages = [m for m in netbeui_messages(os.path.join(PCAPS, "netbeui-win98-smb.pcap")) if m[1][:4] == b"\xffSMB"]
    capture.write_bytes(as_tcp(messages))
    found = records(*ARGS, str(capture))
    want["findings"]["smb_file"].remove("???????????")  # the pattern in a resume key, no name
    check(found, want)
    [share] = [r["login"] for r in found if r["event_type"] == "login" and r["login"]["method"] == "share"]
    assert (share["user"], share["result"]) == ("\\\\MDJR98\\TEST", "success")
    assert share["hash"].startswith("$NETLM$15050380011bf65d$")
