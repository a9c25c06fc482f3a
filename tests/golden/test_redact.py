# SPDX-License-Identifier: Apache-2.0
"""Records for a viewer: whatever protocol carried it, a password is not in them, nor words, nor who said them."""
import base64
import json
import os
import re
import subprocess

import pytest

import packets as p
from fishbowl import FISHBOWL, PCAPS, captures, run
from packets import talk

SECRET, WORDS, PERSON = 'hunter2horse', 'meet me at noon', 'wanda'
PLAIN = base64.b64encode(f'\0{PERSON}\0{SECRET}'.encode()).decode()
FORM = f'user={PERSON}&pass={SECRET}'
JSON = json.dumps({'user': {'email': PERSON, 'password': SECRET}})
BASIC = base64.b64encode(f'{PERSON}:{SECRET}'.encode()).decode()


def said(*lines):
    """The client's lines and the server's answers in turn; who begins is the server."""
    return [((n + 1) % 2, line.encode() + b'\r\n') for n, line in enumerate(lines)]


TALKS = {
    'ftp': (21, said('220 FTP ready', f'USER {PERSON}', '331 password', f'PASS {SECRET}', '230 in', 'QUIT', '221 bye')),
    'pop3': (110, said('+OK POP3', f'USER {PERSON}', '+OK', f'PASS {SECRET}', '-ERR no', 'QUIT', '+OK bye')),
    'imap': (143, said('* OK IMAP4rev1', f'a1 LOGIN {PERSON} {SECRET}', 'a1 OK in', 'a2 LOGOUT', '* BYE')),
    'smtp': (25, said('220 mx ESMTP', 'EHLO x', '250-mx\r\n250 AUTH PLAIN', f'AUTH PLAIN {PLAIN}', '235 in',
                      f'MAIL FROM:<{PERSON}@example.net>', '250 ok', f'RCPT TO:<{PERSON}@example.org>', '250 ok', 'DATA',
                      '354 go', f'From: {PERSON}@example.net\r\nSubject: {WORDS}\r\n\r\n{WORDS}\r\n.', '250 ok', 'QUIT',
                      '221 bye')),
    'http': (80, [(0, f'GET /x HTTP/1.1\r\nHost: h\r\nAuthorization: Basic {BASIC}\r\n\r\n'.encode()),
                  (1, b'HTTP/1.1 401 no\r\nContent-Length: 0\r\n\r\n')]),
    'form': (8080, [(0, f'POST /x HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: '
                        f'{len(FORM)}\r\n\r\n{FORM}'.encode()), (1, b'HTTP/1.1 302 no\r\nContent-Length: 0\r\n\r\n')]),
    'json': (8081, [(0, f'POST /x HTTP/1.1\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: '
                        f'{len(JSON)}\r\n\r\n{JSON}'.encode()), (1, b'HTTP/1.1 401 no\r\nContent-Length: 0\r\n\r\n')]),
    'query': (8082, [(0, f'GET /x?{FORM} HTTP/1.1\r\nHost: h\r\nReferer: http://h/in?{FORM}\r\n\r\n'.encode()),
                     (1, f'HTTP/1.1 302 on\r\nLocation: /y?{FORM}&z=1\r\nContent-Length: 0\r\n\r\n'.encode())]),
    'telnet': (23, [(1, b'\xff\xfd\x01\xff\xfb\x03'), (0, b'\xff\xfb\x01\xff\xfd\x03'), (1, b'\r\nbox login: '),
                    (0, f'{PERSON}\r\0'.encode()), (1, f'{PERSON}\r\nPassword: '.encode()), (0, f'{SECRET}\r\0'.encode()),
                    (1, b'\r\nLogin incorrect\r\nbox login: ')]),
    'passwd': (2323, [(1, b'\xff\xfd\x01\xff\xfb\x03'), (0, b'\xff\xfb\x01\xff\xfd\x03'), (1, b'\r\n# '),
                      (0, f'echo {PERSON}:{SECRET}|chpasswd\r\0'.encode()), (1, b'# '), (0, b'passwd\r\0'),
                      (1, b'New password: '), (0, f'{SECRET}\r\0'.encode()), (1, b'\r\nRetype new password: '),
                      (0, f'{SECRET}\r\0'.encode()), (1, b'\r\nupdated\r\n# ')]),
    'irc': (6667, [(0, f'PASS {SECRET}\r\nNICK {PERSON}\r\nUSER {PERSON} 0 * :{PERSON}\r\n'.encode()),
                   (1, f':irc 001 {PERSON} :Welcome\r\n'.encode()), (0, b'JOIN #room\r\n'),
                   (0, f'PRIVMSG #room :{WORDS}\r\n'.encode()), (1, b':irc PONG\r\n')]),
    'redis': (6379, [(0, f'*2\r\n$4\r\nAUTH\r\n${len(SECRET)}\r\n{SECRET}\r\n'.encode()), (1, b'-ERR invalid password\r\n')]),
}


def capture(tmp_path, packets):
    path = tmp_path / 'capture.pcap'
    path.write_bytes(p.pcap('raw', [(10**18 + n * 10**7, packet) for n, packet in enumerate(packets)]))
    return path


def replay(path, *args):
    done = run('-o', '-', *args, path)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize('name', TALKS)
def test_secrets(tmp_path, name):
    port, steps = TALKS[name]
    path = capture(tmp_path, talk(steps, 4000, port))
    whole, hidden = replay(path), replay(path, '--role', 'viewer')
    assert SECRET in whole and '"event_type":"login"' in hidden
    for word in (SECRET, PLAIN, BASIC, WORDS):
        assert word not in hidden, [line for line in hidden.splitlines() if word in line]
    assert len(whole.splitlines()) == len(hidden.splitlines())
    # Who tried a name on a honeypot is no third person; who wrote and to whom is.
    for record in map(json.loads, hidden.splitlines()):
        if record['event_type'] in ('chat', 'smtp'):
            assert PERSON not in json.dumps(record), record


def test_passwords_in_urls(tmp_path):
    """What a login is looked for in is hidden; the rest of the URL, an attack perhaps, is not."""
    form = os.path.join(os.path.dirname(__file__), '../../src/proto/http_form.c')
    with open(form, encoding='ascii') as source:
        words = re.search(r'password_words\[\] = {(.*?)NULL', source.read(), re.S).group(1)
    names = re.findall(r'"(\w+)"', words) + ['p%61ss', 'new[PASSWORD]', 'x' * 300]
    assert len(names) > 9
    urls = [f'/a?x=..%2f&{name}={SECRET}&user=ada' for name in names]
    asked = ''.join(f'GET {url} HTTP/1.1\r\nHost: h\r\n\r\n' for url in [*urls, '/?x=(hid', '/?pwd', f'/{SECRET[:3]}?a&b=?'])
    answers = b'HTTP/1.1 200 ok\r\nContent-Length: 0\r\n\r\n' * (len(urls) + 3)
    path = capture(tmp_path, talk([(0, asked.encode()), (1, answers)], 4000, 80))
    whole, hidden = replay(path), replay(path, '--role', 'viewer')
    assert whole.count('"method":"query"') == len(names) - 1 and SECRET not in hidden
    shown = [r['http']['url'] for r in map(json.loads, hidden.splitlines()) if r['event_type'] == 'http']
    assert shown == [url.replace(SECRET, '(hidden)') for url in urls] + ['/?x=(hid', '/?pwd', f'/{SECRET[:3]}?a&b=?']


def test_same_person_same_name(tmp_path):
    steps = TALKS['irc'][1] + [(0, b'PRIVMSG #room :again\r\n'), (1, b':other!o@h PRIVMSG #room :hi\r\n')]
    lines = replay(capture(tmp_path, talk(steps, 4000, 7000)), '--role', 'viewer').splitlines()
    nicks = [r['chat']['nick'] for r in map(json.loads, lines) if r['event_type'] == 'chat' and r['chat']['kind'] == 'message']
    assert nicks[0] == nicks[1] != nicks[2] and all(re.fullmatch('person-[0-9a-f]{8}', nick) for nick in nicks)


@pytest.mark.parametrize('port, steps', [
    (79, [(0, f'{PERSON}\r\n'.encode()), (1, f'Login: {PERSON}\r\nPlan: {WORDS}\r\n'.encode())]),
    (411, [(1, b'$Lock EXT Pk=Hub|'), (0, f'$Supports x|$ValidateNick {PERSON}|'.encode())]),
], ids=['finger', 'p2p'])
def test_persons_elsewhere(tmp_path, port, steps):
    path = capture(tmp_path, talk(steps, 4000, port))
    whole, hidden = replay(path), replay(path, '--role', 'viewer')
    assert PERSON in whole and PERSON not in hidden and WORDS not in hidden


def test_payload_of_an_alert(tmp_path):
    rules = tmp_path / 'test.rules'
    rules.write_text('alert tcp any any -> any 21 (msg:"a password"; content:"PASS"; sid:1;)\n')
    path = capture(tmp_path, talk(TALKS['ftp'][1], 4000, 21))
    alert, = (r for r in map(json.loads, replay(path, '--rules', rules, '--role', 'viewer').splitlines())
              if r['event_type'] == 'alert')
    assert alert['payload'] == alert['payload_printable'] == '(hidden)' and alert['alert']['signature'] == 'a password'


@pytest.mark.parametrize('name', captures())
def test_captures(name):
    """No password or hash of a login is in any record that a viewer sees."""
    path = os.path.join(PCAPS, name)
    whole, hidden = (replay(path, '--ignore-checksums', *role) for role in ((), ('--role', 'viewer')))
    secrets = {r['login'].get(key) for r in map(json.loads, whole.splitlines()) if r['event_type'] == 'login'
               for key in ('password', 'hash')} - {None}
    for secret in secrets:
        quoted = json.dumps(secret)
        assert quoted not in hidden, [line for line in hidden.splitlines() if quoted in line][0]


def test_roles():
    for verb in (('replay', '-o', '-', '--role', 'king', '/dev/null'), ('events', '--role', 'king')):
        done = subprocess.run([FISHBOWL, *verb], capture_output=True, text=True, check=False)
        assert done.returncode and 'analyst or viewer' in done.stderr, done.stderr
