# SPDX-License-Identifier: Apache-2.0
"""JA3, JA3S and HASSH of real captures, over TCP and QUIC, are those of tshark; QUIC's records."""
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
