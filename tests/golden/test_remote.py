# SPDX-License-Identifier: Apache-2.0
"""Remote access in real captures: what was asked for, and who tried to be let in."""
import os

import pytest

import packets as p
from fishbowl import PCAPS, RULES, bodies, records

SV = os.path.join(PCAPS, '..', 'suricata-verify', 'tests')


def replay(capture, kind, *more):
    if not os.path.exists(capture):
        pytest.skip(f'{os.path.basename(capture)} is not in ../shared')
    return [record for record in records(*more, '--rules', RULES, capture) if record['event_type'] in (kind, 'login')]


def test_vnc_scanner():
    found = replay(os.path.join(PCAPS, 'vnc-scanner.pcap'), 'rfb')
    [login], [rfb] = bodies(found, 'login'), bodies(found, 'rfb')
    assert login == {'method': 'vnc', 'result': 'failure',
                     'hash': '$vnc$*435414aa5735603f719e3bab73fd2de5*50e93126e93f23aeebc83832eb69af52'}
    assert rfb['authentication']['security_result'] == 'FAIL'
    assert rfb['server_security_failure_reason'].startswith('Authentication failed from')


def test_ntlm():
    found = replay(os.path.join(SV, 'smb2-ntlmssp-order', 'smb2.pcap'), 'smb', '--ignore-checksums')
    [login] = bodies(found, 'login')
    assert (login['method'], login['user'], login['result']) == ('ntlm', 'CONTOSO\\SERVER01', 'success')


def test_rdp():
    found = replay(os.path.join(SV, 'rdp-protocol', 'RDP-003.pcap'), 'rdp', '--ignore-checksums')
    assert bodies(found, 'login') == [{'method': 'rdp-cookie', 'user': 'A70067', 'result': 'unknown'}]
    assert [(rdp['event_type'], rdp.get('cookie')) for rdp in bodies(found, 'rdp')] == [
        ('initial_request', 'A70067'), ('initial_response', None), ('connect_request', None)]
    assert bodies(found, 'rdp')[-1]['client']['client_name'] == 'ISD2-KM84178'


def test_socks_reverse():
    """The bot connects; its master asks."""
    found = replay(os.path.join(PCAPS, 'socks5-reverse.pcap'), 'socks', '--ignore-checksums')
    [socks] = bodies(found, 'socks')
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
    [finger] = bodies(replay(os.path.join(PCAPS, 'finger.pcap'), 'finger'), 'finger')
    assert (finger['query'], finger['user'], finger['long']) == ('julien', 'julien', False)
    assert finger['answer'].startswith('\r\nLogin: julien\t\t\t\tName: \n')
    assert len(finger['answer']) == 1024 and finger['answer_bytes'] == 2005


def test_peers(tmp_path):
    hello = b'\x13BitTorrent protocol' + b'\0\0\0\0\0\x10\0\1' + b'a' * 20 + b'-TR2940-bbbbbbbbbbbb'
    gnutella = b'GNUTELLA CONNECT/0.6\r\nUser-Agent: LimeWire/4.0\r\n\r\n', b'GNUTELLA/0.6 200 OK\r\n\r\n'
    talks = [p.tcp_talk('10.0.0.1', '203.0.113.5', 4000, 51413, hello, hello),
             p.tcp_talk('10.0.0.1', '203.0.113.6', 4001, 80, *gnutella)]
    path = tmp_path / 'peers.pcap'
    frames = [p.eth(packet, src='a' if up else 'w') for talk in talks for up, packet in talk]
    path.write_bytes(p.pcap('ethernet', [((i + 1) * 10**6, frame) for i, frame in enumerate(frames)]))
    found = {r['event_type']: r for r in records('--rules', RULES, path) if r['event_type'] in ('bittorrent', 'p2p')}
    peer = {'peer_id': '2d5452323934302d626262626262626262626262', 'client': '-TR2940-', 'extensions': ['extension_protocol', 'dht']}
    assert found['bittorrent']['bittorrent'] == {'transport': 'tcp', 'info_hash': '61' * 20, 'client': peer, 'server': peer}
    assert found['bittorrent']['dest_port'] == 51413
    assert found['p2p']['p2p'] == {'network': 'gnutella', 'client': {'greeting': gnutella[0].splitlines()[0].decode(),
                                   'user_agent': 'LimeWire/4.0'}, 'server': {'greeting': 'GNUTELLA/0.6 200 OK'}}
