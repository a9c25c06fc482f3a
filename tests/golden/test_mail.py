# SPDX-License-Identifier: Apache-2.0
"""Mail in captures from elsewhere: who logged in and how, what was asked, and what the mails brought."""
import json
import os

import pytest

import packets as p
from fishbowl import PCAPS, RULES, records
from packets import talk


def replay(name):
    """Records by their type."""
    path = os.path.join(PCAPS, name)
    if not os.path.exists(path):
        pytest.skip(f'no {name} in ../shared')
    by_type = {}
    for record in records('--ignore-checksums', '--rules', RULES, path):
        by_type.setdefault(record['event_type'], []).append(record)
    return by_type


def expected(name):
    with open(os.path.join(PCAPS, 'expected.json'), encoding='utf-8') as file:
        return json.load(file)[name]['findings']


def logins(got):
    return [record['login'] for record in got.get('login', [])]


def test_pop3():
    got = replay('pop3.pcap')
    wrong, *good = logins(got)
    assert wrong == {'method': 'plain', 'user': 'digitalinvestigator@networksims.com', 'password': 'napier',
                     'result': 'failure'}
    assert good == [{**wrong, 'password': 'napier123', 'result': 'success'}] * 2
    asked = [record['pop3'] for record in got['pop3'] if 'request' in record['pop3']]
    assert [one['request']['command'] for one in asked].count('RETR') == 3
    assert [one['response']['data'] for one in asked if one['request']['command'] == 'LIST'] == [
        ['1 5565', '2 8412', '3 5214']]
    assert [record['email']['subject'] for record in got['pop3'] if 'email' in record] == [
        'A message from 1&1 Internet', 'Testing', 'RE: Testing']


def test_imap():
    got = replay('imap-login.pcap')
    assert logins(got) == [{'method': 'password', 'user': 'samir', 'password': 'pfres', 'result': 'success'}]
    asked = [record['imap']['request'] for record in got['imap'] if 'request' in record['imap']]
    assert [f"{one['tag']} {one['command']}" for one in asked] == [
        ' '.join(line.split()[:3 if ' UID ' in line else 2]) for line in expected('imap-login.pcap')['imap_request']]
    mail, = (record['email'] for record in got['imap'] if 'email' in record)
    assert mail['subject'] == 'coucou' and mail['from'] == 'employe@ent2.com'


def test_smtp_login():
    got = replay('smtp.pcap')
    assert logins(got) == [{'method': 'login', 'user': 'gurpartap@patriots.in', 'password': 'punjab@123',
                            'result': 'success'}]


def test_smtp_mails():
    spam = replay('smtp-auth-spam.pcap')
    assert not logins(spam)  # whatever its name says
    to = [address for record in spam['smtp'] for address in record['smtp'].get('rcpt_to', [])]
    assert to == [line[8:] for line in expected('smtp-auth-spam.pcap')['smtp'] if line.startswith('RCPT To:')]
    files = [record['fileinfo']['filename'] for record in replay('smtp-zip.pcap')['fileinfo']]
    assert files == ['a.zip', 'zip test.eml']


def test_many_recipients(tmp_path):
    """A mail to more than a record has room for is told of all the same."""
    said = [(1, b'220 mx\r\n'), (0, b'HELO h.example\r\n'), (1, b'250 mx\r\n'), (0, b'MAIL FROM:<spam@h.example>\r\n'),
            (1, b'250 ok\r\n')]
    for n in range(900):
        said += [(0, b'RCPT TO:<somebody.with.a.long.name.%d@somewhere.example>\r\n' % n), (1, b'250 ok\r\n')]
    said += [(0, b'DATA\r\n'), (1, b'354 go\r\n'), (0, b'Subject: buy\r\n\r\nthis\r\n.\r\n'), (1, b'250 ok\r\n'),
             (0, b'QUIT\r\n'), (1, b'221 bye\r\n')]
    path = tmp_path / 'spam.pcap'
    path.write_bytes(p.pcap('raw', list(enumerate(talk(said, 4000, 25)))))
    mail, = (record for record in records(path) if record['event_type'] == 'smtp')
    assert mail['smtp']['mail_from'] == '<spam@h.example>' and mail['email']['subject'] == 'buy'
    assert 100 < len(mail['smtp']['rcpt_to']) < 900 and mail['smtp']['rcpt_to_count'] == 900


def test_more_than_a_record(tmp_path):
    """Of what does not fit into a record at all there is one."""
    said = [(1, b'220 ftp\r\n'), (0, b'USER a\r\n'), (1, b'331 who\r\n'), (0, b'SITE ' + b'\1' * 4000 + b'\r\n')]
    said += [(1, b'200-' + b'x' * 500 + b'\r\n')] * 60 + [(1, b'200 ok\r\n'), (0, b'QUIT\r\n'), (1, b'221 bye\r\n')]
    path = tmp_path / 'long.pcap'
    path.write_bytes(p.pcap('raw', list(enumerate(talk(said, 4000, 21)))))
    told = [record['ftp'] for record in records(path) if record['event_type'] == 'ftp']
    assert [one.get('command') for one in told] == [None, 'USER', None, 'QUIT'] and told[2] == {'cut': True}
