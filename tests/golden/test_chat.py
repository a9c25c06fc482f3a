# SPDX-License-Identifier: Apache-2.0
"""IRC in real captures: who said what, who logged in, and the file that was offered."""
import base64
import json
import os
import subprocess

import pytest

from fishbowl import FISHBOWL, PCAPS, RULES, SHARED, bodies, replay_packets
from packets import talk


def replay(tmp_path, name):
    """The records of a capture."""
    capture = os.path.join(PCAPS, name)
    if not os.path.exists(capture):
        pytest.skip('no captures in ../shared')
    subprocess.run([FISHBOWL, 'replay', '--rules', RULES, '-o', tmp_path / 'out', capture],
                   capture_output=True, check=True, timeout=120)
    with open(tmp_path / 'out' / 'eve.json', encoding='utf-8') as file:
        return [json.loads(line) for line in file]


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
    assert [record['chat'] for record in records if record['event_type'] == 'chat' and record['app_proto'] == 'dcc'] == [
        said('message', 'tim1', to='tim2', text='hello, are you there?'), said('message', 'tim2', to='tim1', text='yes i am!')]


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


def test_languages(tmp_path):
    """What is not UTF-8 is there byte by byte, too; topics, keys of channels, and a bot that repeats itself."""
    texts = ['привет'.encode(), '你好 €'.encode(), 'привет'.encode('koi8-r'), 'こんにちは'.encode('shift_jis'), 'grüß'.encode('latin-1')]
    steps = [(0, b'NICK bot\r\nUSER a b c :d\r\n'), (1, b':s 001 bot :hi\r\n'), (0, b'JOIN #c s3cret\r\n'),
             (1, b':s 332 bot #c :.scan 10.0.0.0/8\r\n'), (1, b':op!u@h MODE #c +k k3y\r\n')]
    steps += [(0, b'PRIVMSG #c :' + text + b'\r\n') for text in texts + [b'[SCAN] done'] * 120]
    chat = bodies(replay_packets(tmp_path, talk(steps, 40000, 7000)), 'chat')
    said_there = [line for line in chat if line['kind'] == 'message']
    for line, text in zip(said_there, texts):
        try:
            assert line['text'] == text.decode() and 'text_base64' not in line
        except UnicodeDecodeError:
            assert base64.b64decode(line['text_base64']) == text
    assert [line['text'] for line in said_there[len(texts):]] == ['[SCAN] done'] * 120
    assert said('join', 'bot', channel='#c', text='s3cret') in chat
    assert said('topic', 's', channel='#c', text='.scan 10.0.0.0/8') in chat
    assert said('mode', 'op', channel='#c', text='+k k3y') in chat


@pytest.mark.parametrize('passive', [False, True])
def test_dcc_resume(tmp_path, passive):
    """A file that goes on where an earlier connection ended has a hole in front, and no hash of what is not there."""
    offer, end = (b'0 300 77', b'0 200 77') if passive else (b'5050 300', b'5050 200')
    steps = [(0, b'NICK bob\r\nUSER a b c :d\r\n'), (1, b':s 001 bob :hi\r\n'),
             (1, b':eve!u@h PRIVMSG bob :\x01DCC SEND a.tgz 3405803777 ' + offer + b'\x01\r\n'),
             (0, b'PRIVMSG eve :\x01DCC RESUME a.tgz ' + end + b'\x01\r\n'),
             (1, b':eve!u@h PRIVMSG bob :\x01DCC ACCEPT a.tgz ' + end + b'\x01\r\n')]
    if passive:
        steps.append((0, b'PRIVMSG eve :\x01DCC SEND a.tgz 3325256711 5050 300 77\x01\r\n'))
    ends = ('203.0.113.1', '198.51.100.7') if passive else ('198.51.100.7', '203.0.113.1')
    packets = talk(steps, 40000, 6667) + talk([(0 if passive else 1, b'z' * 100)], 40001, 5050, ends=ends)
    [file] = bodies(replay_packets(tmp_path, packets), 'fileinfo')
    assert (file['filename'], file['size'], file['state'], file.get('gaps')) == ('a.tgz', 300, 'TRUNCATED', True)
    assert 'sha256' not in file


@pytest.mark.parametrize('server', [False, True])
def test_dcc_chat(tmp_path, server):
    """Whoever offers the talk listens: the client, or somebody else."""
    if server:
        offer, host = (1, b':eve!u@h PRIVMSG bob :\x01DCC CHAT chat 3405803777 5050\x01\r\n'), '203.0.113.1'
    else:
        offer, host = (0, b'PRIVMSG eve :\x01DCC CHAT chat 3325256714 5050\x01\r\n'), '198.51.100.7'
    packets = talk([(0, b'NICK bob\r\nUSER a b c :d\r\n'), (1, b':s 001 bob :hi\r\n'), offer], 40000, 6667)
    packets += talk([(1, b'welcome\n'), (0, b'id'), (0, b'\r\n\r\n'), (1, b'uid=0\n'), (0, b'bye')], 40001, 5050,
                    ends=('198.51.100.7' if server else '203.0.113.1', host))
    listens, comes = ('eve', 'bob') if server else ('bob', 'eve')
    chat = [line for line in bodies(replay_packets(tmp_path, packets), 'chat') if '\x01' not in line.get('text', '')]
    assert chat == [said('message', listens, to=comes, text='welcome'), said('message', comes, to=listens, text='id'),
                    said('message', listens, to=comes, text='uid=0'), said('message', comes, to=listens, text='bye')]
