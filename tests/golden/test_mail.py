# SPDX-License-Identifier: Apache-2.0
"""Mail in captures from elsewhere: who logged in and how, what was asked, and what the mails brought."""
import json
import os

import pytest

from fishbowl import PCAPS, ROOT, records

RULES = os.path.join(ROOT, 'data', 'rules', 'outbound.rules')


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
