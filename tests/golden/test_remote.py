# SPDX-License-Identifier: Apache-2.0
"""Remote access in real captures: what was asked for, and who tried to be let in."""
import os

import pytest

from fishbowl import PCAPS, ROOT, records

RULES = os.path.join(ROOT, 'data', 'rules', 'outbound.rules')
SV = os.path.join(PCAPS, '..', 'suricata-verify', 'tests')


def replay(capture, kind, *more):
    if not os.path.exists(capture):
        pytest.skip(f'{os.path.basename(capture)} is not in ../shared')
    return [record for record in records(*more, '--rules', RULES, capture) if record['event_type'] in (kind, 'login')]


def of(found, kind):
    return [record[kind] for record in found if record['event_type'] == kind]


def test_vnc_scanner():
    found = replay(os.path.join(PCAPS, 'vnc-scanner.pcap'), 'rfb')
    [login], [rfb] = of(found, 'login'), of(found, 'rfb')
    assert login == {'method': 'vnc', 'result': 'failure',
                     'hash': '$vnc$*435414aa5735603f719e3bab73fd2de5*50e93126e93f23aeebc83832eb69af52'}
    assert rfb['authentication']['security_result'] == 'FAIL'
    assert rfb['server_security_failure_reason'].startswith('Authentication failed from')


def test_ntlm():
    found = replay(os.path.join(SV, 'smb2-ntlmssp-order', 'smb2.pcap'), 'smb', '--ignore-checksums')
    [login] = of(found, 'login')
    assert (login['method'], login['user'], login['result']) == ('ntlm', 'CONTOSO\\SERVER01', 'success')


def test_rdp():
    found = replay(os.path.join(SV, 'rdp-protocol', 'RDP-003.pcap'), 'rdp', '--ignore-checksums')
    assert of(found, 'login') == [{'method': 'rdp-cookie', 'user': 'A70067', 'result': 'unknown'}]
    assert [(rdp['event_type'], rdp.get('cookie')) for rdp in of(found, 'rdp')] == [
        ('initial_request', 'A70067'), ('initial_response', None)]


def test_socks_reverse():
    """The bot connects; its master asks."""
    found = replay(os.path.join(PCAPS, 'socks5-reverse.pcap'), 'socks', '--ignore-checksums')
    [socks] = of(found, 'socks')
    assert socks == {'version': 5, 'command': 'connect', 'host': '74.125.131.103', 'port': 80, 'status': 'succeeded'}


RFB_RULES = '''
alert rfb any any -> any any (msg:"type"; rfb.sectype:2; sid:1;)
alert rfb any any -> any any (msg:"fail"; rfb.secresult:fail; sid:2;)
alert rfb any any -> any any (msg:"ok"; rfb.secresult:ok; sid:3;)
alert rfb any any -> any any (msg:"name"; rfb.name; content:"localdomain"; sid:5;)
'''


@pytest.mark.parametrize('capture,sids', [
    (os.path.join(PCAPS, 'vnc-scanner.pcap'), {1, 2}),
    (os.path.join(SV, 'rfb-rules', '00-vnc-openwall-3.7.pcap'), {1, 3, 5})])
def test_rules_of_rfb(tmp_path, capture, sids):
    if not os.path.exists(capture):
        pytest.skip(f'{os.path.basename(capture)} is not in ../shared')
    rules = tmp_path / 'rfb.rules'
    rules.write_text(RFB_RULES)
    found = records('--ignore-checksums', '--rules', rules, capture)
    assert {record['alert']['signature_id'] for record in found if record['event_type'] == 'alert'} == sids


def test_finger():
    [finger] = of(replay(os.path.join(PCAPS, 'finger.pcap'), 'finger'), 'finger')
    assert (finger['query'], finger['user'], finger['long']) == ('julien', 'julien', False)
    assert finger['answer'].startswith('\r\nLogin: julien\t\t\t\tName: \n')
    assert len(finger['answer']) == 1024 and finger['answer_bytes'] == 2005
