# SPDX-License-Identifier: Apache-2.0
"""Converted rules on real attacks: what clients in captures from elsewhere said is sent out of a honeypot, and what a
converted rule is about does not arrive as it was sent."""
import json
import re
import struct
import subprocess
import time

import pytest

import raw
from lab import BUILD, FISHBOWL, Lab, can_run, run, wait_for

RULES = [raw.SHARED / "data/rules" / f"{name}.rules.gz" for name in ("et-open", "gpl")]
pytestmark = [
    pytest.mark.skipif(can_run() is not None, reason=str(can_run())),
    pytest.mark.skipif(not all(path.exists() for path in RULES), reason="no public rules"),
    pytest.mark.skipif(not (BUILD / "src/cmd/fb-rules/fb-rules").exists(), reason="no fb-rules"),
]

POT, VICTIM = "10.66.0.5", "10.66.0.1"
LEAST, MOST, HARMLESS = 50, 400, 10
SAID_MAX = 65536
FIRST_PORT, PORTS = 1024, 64000

SERVER = """
import json, selectors, socket, sys
chosen = selectors.DefaultSelector()
for port in map(int, sys.argv[2:]):
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((sys.argv[1], port))
    server.listen(64)
    chosen.register(server, 1, None)
print("ready", flush=True)
while True:
    for key, _ in chosen.select():
        if key.data is None:
            client, peer = key.fileobj.accept()
            chosen.register(client, 1, peer[1])
            continue
        try:
            data = key.fileobj.recv(65536)
        except OSError:
            data = b""
        print(json.dumps([key.data, data.hex()]), flush=True)
        if not data:
            chosen.unregister(key.fileobj)
            key.fileobj.close()
"""

CLIENT = """
import json, socket, sys, threading
def talk(sport, dport, data):
    with socket.socket() as s:
        s.settimeout(10)
        s.bind((sys.argv[1], sport))
        try:
            s.connect((sys.argv[2], dport))
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            s.recv(1)
        except OSError:
            pass
threads = [threading.Thread(target=talk, args=(sport, dport, bytes.fromhex(data)))
           for sport, dport, data in json.load(open(sys.argv[3]))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


# ---- what clients said ----

def tcp_of(frame):
    """((client, its port, server, its port), flags, number, bytes) of a TCP segment; None."""
    at = 12
    while frame[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    kind, at = frame[at:at + 2], at + 2
    if kind == b"\x08\x00" and len(frame) >= at + 40 and frame[at + 9] == 6:
        end = at + struct.unpack(">H", frame[at + 2:at + 4])[0]
        hosts, tcp = (frame[at + 12:at + 16], frame[at + 16:at + 20]), at + (frame[at] & 15) * 4
    elif kind == b"\x86\xdd" and len(frame) >= at + 60 and frame[at + 6] == 6:
        end = at + 40 + struct.unpack(">H", frame[at + 4:at + 6])[0]
        hosts, tcp = (frame[at + 8:at + 24], frame[at + 24:at + 40]), at + 40
    else:
        return None
    if len(frame) < max(end, tcp + 20):
        return None
    sport, dport, seq = struct.unpack(">HHI", frame[tcp:tcp + 8])
    return (hosts[0], sport, hosts[1], dport), frame[tcp + 13], seq, \
        frame[tcp + (frame[tcp + 12] >> 4) * 4:end]


def client_streams(path):
    """(server's port, bytes) of each connection; without a SYN the client is whose port is higher."""
    first, said = {}, {}
    for frame in raw.file_frames(path):
        segment = tcp_of(frame)
        if not segment:
            continue
        key, flags, seq, data = segment
        if flags & 0x12 == 2:
            first.setdefault(key, seq + 1)
            said.setdefault(key, bytearray())
        elif key in first or data and key[1] > key[3]:
            first.setdefault(key, seq)
            said.setdefault(key, bytearray())
            at = (seq - first[key]) & 0xffffffff
            if at <= len(said[key]) < SAID_MAX:
                said[key][at:at + len(data)] = data
    return [(key[3], bytes(data[:SAID_MAX])) for key, data in said.items() if data and key[3]]


def all_streams():
    """Different ones of all captures."""
    paths = sorted(p for p in raw.PCAPS.iterdir() if p.suffix in (".pcap", ".cap", ".pcapng"))
    paths += sorted((raw.SHARED / "data/suricata-verify").rglob("*.pcap"))
    return list(dict.fromkeys(stream for path in paths for stream in client_streams(path)))[:PORTS]


# ---- which of it converted rules are about ----

def write_capture(path, streams):
    """A client of ours says the same, to a server that only acknowledges; its ports count the streams."""
    now = 0

    def write(to, packet):
        nonlocal now
        now += 100
        frame = raw.ethernet(b"\2\0\0\0\0\2", b"\2\0\0\0\0\1", packet)
        to.write(struct.pack("<IIII", 10**9 + now // 10**6, now % 10**6, len(frame), len(frame)) + frame)

    with open(path, "wb") as to:
        to.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for sport, (dport, data) in enumerate(streams, FIRST_PORT):
            def there(flags, seq, ack, part=b""):
                write(to, raw.tcp(POT, sport, VICTIM, dport, flags, seq, ack, part))

            def back(flags, seq, ack):
                write(to, raw.tcp(VICTIM, dport, POT, sport, flags, seq, ack))
            there("S", 1, 0)
            back("SA", 1, 2)
            there("A", 2, 2)
            for at in range(0, len(data), 1448):
                there("PA", 2 + at, 2, data[at:at + 1448])
                back("A", 2, 2 + at + len(data[at:at + 1448]))
            there("FA", 2 + len(data), 2)
            back("FA", 2, 3 + len(data))
            there("A", 3 + len(data), 3)


def converted_rules(path):
    """Writes them; {sid: rule} of those that drop or replace."""
    text = run([FISHBOWL, "rules", "convert", *RULES], check=False, timeout=300).stdout
    path.write_text(text, errors="surrogateescape")
    return {int(sid): line for line, sid in re.findall(r"^((?:drop|alert) .*[( ]sid:\s*(\d+);.*)", text, re.M)
            if line.startswith("drop") or "; replace:" in line}


def attacks(directory):
    """(streams in all, [(rule, server's port, bytes)] of those that converted rules stop or change)."""
    act = converted_rules(directory / "converted.rules")
    streams = all_streams()
    write_capture(directory / "said.pcap", streams)
    done = subprocess.run([FISHBOWL, "replay", "-o", "-", "--home", POT, "--external", VICTIM, "--rules",
                           directory / "converted.rules", directory / "said.pcap"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=500, check=True)
    about = {}  # stream -> the first rule that would stop or change it
    for line in done.stdout.splitlines():
        record = json.loads(line)
        if record["event_type"] == "alert" and record.get("src_ip") == POT and \
                record["alert"]["signature_id"] in act:
            about.setdefault(record["src_port"] - FIRST_PORT, record["alert"]["signature_id"])
    return streams, [(act[sid], *streams[number]) for number, sid in about.items()]


# ---- sent by a honeypot ----

def arrived(log):
    """Port of the client -> what its server has read."""
    got = {}
    for line in log.read_text().splitlines():
        if line[:1] == "[":
            port, data = json.loads(line)
            got[port] = got.get(port, b"") + bytes.fromhex(data)
    return got


def send_all(lab, talks):
    """[(client's port, server's port, bytes)] by the honeypot's own stack; what arrived."""
    log, what = lab.dir / "server.log", lab.dir / "said.json"
    what.write_text(json.dumps([(sport, dport, data.hex()) for sport, dport, data in talks]))
    with open(log, "wb") as to:
        lab.spawn("attacker", ["python3", "-c", SERVER, VICTIM, *sorted({t[1] for t in talks})], stdout=to)
    wait_for(lambda: "ready" in log.read_text())
    lab.pot(["python3", "-c", CLIENT, POT, VICTIM, str(what)], timeout=120)
    time.sleep(1)
    return arrived(log)


def test_none_arrives_as_it_was_sent(capsys):
    with Lab() as lab:
        streams, found = attacks(lab.dir)
        sample = found[:MOST]
        lab.write_conf(rules=f'{{"{lab.dir / "converted.rules"}"}}', white=f'{{"{VICTIM}"}}')
        lab.start(120)
        talks = [(20000 + i, dport, data) for i, (_, dport, data) in enumerate(sample)]
        plain = [(30000 + i, dport, b"quite ordinary, number %d\r\n" % i * 20)
                 for i, (_, dport, _) in enumerate(sample[:HARMLESS])]
        got = send_all(lab, talks + plain)
        whole = [rule for (sport, _, data), (rule, _, _) in zip(talks, sample) if got.get(sport) == data]
        changed = sum(len(got.get(sport, b"")) == len(data) for sport, _, data in talks) - len(whole)
        told = {r["src_port"] for r in wait_for(lambda: lab.gateway.records("--type", "alert"))
                if r.get("src_ip") == POT}
        with capsys.disabled():
            print(f"\n{len(streams)} different client streams; converted rules are about {len(found)} of them; "
                  f"sent {len(talks)}, of {len({rule for rule, _, _ in sample})} rules: {len(whole)} arrived whole, "
                  f"{changed} changed, {len(talks) - changed - len(whole)} cut")
        assert len(sample) >= LEAST
        assert whole == []
        # Every process bears so many rules.
        lab.gateway.wait_up(60)
        assert "process died" not in lab.gateway.output()
        # A threshold thins out what is told, not what is done.
        assert [rule for (sport, _, _), (rule, _, _) in zip(talks, sample)
                if sport not in told and "threshold:" not in rule] == []
        # Connections work, and it is the rules that tell attacks from the rest.
        assert [got.get(sport) for sport, _, _ in plain] == [data for _, _, data in plain]
