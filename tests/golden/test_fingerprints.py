# SPDX-License-Identifier: Apache-2.0
"""JA3, JA3S and HASSH of real captures, over TCP and QUIC, are those of tshark; QUIC's and HTTP/2's records."""
import collections
import os
import shutil
import subprocess

import pytest

from fishbowl import PCAPS, records

SV = os.path.join(PCAPS, '..', 'suricata-verify', 'tests')
FIELDS = {'ja3': 'tls.handshake.ja3', 'ja3s': 'tls.handshake.ja3s', 'hassh': 'ssh.kex.hassh', 'hasshserver': 'ssh.kex.hasshserver'}
# A client that is sent elsewhere says its hello twice, and tshark shows one of them.
TWICE = {'quic-retry/input.pcap', 'quic-retry-multiple/input.pcap'}
CAPTURES = [os.path.join(PCAPS, name + '.pcap') for name in (
    '6in4-tunnel', 'gre', 'malware-tls', 'smtp', 'ssh-guess', 'tls10')] + [os.path.join(SV, name) for name in (
        'ja4-tls/input.pcap', 'ldap-starttls/input.pcap', 'pgsql/pgsql-upgrade-tls/input.pcap', 'ssh-newkeys/input.pcap',
        'quic-frag-unordered/input.pcap', 'quic-frag-wait/input.pcap', 'quic-ietf/input.pcap',
        'quic-initial-not-first/input.pcap', 'quic-retry/input.pcap', 'quic-retry-multiple/input.pcap')]


def replay(capture):
    if not os.path.exists(capture):
        pytest.skip(f'{os.path.basename(capture)} is not in ../shared')
    return records('--ignore-checksums', '--midstream', 'true', capture)


def ours(capture):
    count = collections.Counter()
    for record in replay(capture):
        kind = record['event_type']
        if kind in ('tls', 'quic'):
            for name in ('ja3', 'ja3s'):
                if name in record[kind]:
                    count[name, record[kind][name]['hash']] += 1
            assert 'ja3' not in record[kind] or record[kind]['ja4'][0] == kind[0]
        elif kind == 'ssh':
            for side, name in (('client', 'hassh'), ('server', 'hasshserver')):
                if 'hassh' in record['ssh'].get(side, {}):
                    count[name, record['ssh'][side]['hassh']['hash']] += 1
    return count


def theirs(capture):
    command = ['tshark', '-r', capture, '-Y', ' || '.join(FIELDS.values()), '-T', 'fields']
    for field in FIELDS.values():
        command += ['-e', field]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True, timeout=120)
    count = collections.Counter()
    for line in done.stdout.splitlines():
        for name, values in zip(FIELDS, line.split('\t')):
            for value in filter(None, values.split(',')):
                count[name, value] += 1
    return count


@pytest.mark.skipif(not shutil.which('tshark'), reason='no tshark')
@pytest.mark.parametrize('capture', CAPTURES, ids=lambda capture: os.path.relpath(capture, PCAPS))
def test_fingerprints(capture):
    have, want = ours(capture), theirs(capture)
    assert want
    if os.path.relpath(capture, SV) in TWICE:
        have = collections.Counter(dict.fromkeys(have, 1))
    assert have == want


def test_quic():
    found = [record for record in replay(os.path.join(SV, 'quic-frag-unordered', 'input.pcap')) if record['event_type'] == 'quic']
    assert [record['src_ip'] for record in found] == ['192.168.0.5', '151.101.129.91']
    assert (found[0]['quic']['version'], found[0]['quic']['sni']) == ('1', 'mastodon.social')
    found = [record['quic'] for record in replay(os.path.join(SV, 'quic-cyu', 'input.pcap')) if record['event_type'] == 'quic']
    assert (found[0]['version'], found[0]['sni'], found[0]['cyu'][0]['hash']) == (
        'Q046', 'accounts.google.com', 'a46560d4548108cf99308319b3b85346')


def test_http2():
    found = replay(os.path.join(SV, 'http2-keywords', 'input.pcap'))
    asked = {record['http']['url']: record['http'] for record in found if record['event_type'] == 'http'}
    files = {record['fileinfo']['filename']: record['fileinfo'] for record in found if record['event_type'] == 'fileinfo'}
    assert len(asked) == len(files) == 6
    for url, http in asked.items():
        assert (http['version'], http['http_method'], http['status']) == ('2', 'GET', 200)
        assert (files[url]['size'], files[url]['state']) == (http['length'], 'CLOSED')
    assert asked['/doc/manual/html/index.html']['http_user_agent'] == 'nghttp2/0.5.2-DEV'


def test_http2_is_asked_for(tmp_path):
    """Behind an upgrade of HTTP/1; rules about HTTP see both."""
    capture = os.path.join(SV, 'http2-keywords2', 'input.pcap')
    if not os.path.exists(capture):
        pytest.skip('http2-keywords2 is not in ../shared')
    rules = tmp_path / 'http2.rules'
    rules.write_text('''
alert http any any -> any any (http.uri; content:"/robots.txt"; sid:1;)
alert http2 any any -> any any (http.uri; content:"/robots.txt"; sid:2;)
alert http1 any any -> any any (http.uri; content:"/robots.txt"; sid:3;)
alert http2 any any -> any any (http.stat_code; content:"404"; sid:4;)
alert http2 any any -> any any (http.response_body; content:"not found"; sid:5;)
''')
    found = records('--ignore-checksums', '--midstream', 'true', '--rules', rules, capture)
    sids = collections.Counter(record['alert']['signature_id'] for record in found if record['event_type'] == 'alert')
    assert sids == {1: 2, 2: 1, 3: 1, 4: 1, 5: 1}
    asked = [(record['app_proto'], record['http']['url'], record['http'].get('status')) for record in found if record['event_type'] == 'http']
    assert asked == [('http', '/robots.txt', 101), ('http2', '/robots.txt', 200), ('http2', '/humans.txt', 404)]
