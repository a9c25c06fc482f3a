# SPDX-License-Identifier: Apache-2.0
"""What nobody can read: other IP protocols, other ethertypes, and conversations in no known protocol, as records."""
import hashlib
import math
import random

import packets as p
from fishbowl import records
from packets import ATTACKER, HONEYPOT, talk

SECOND = 10**9


def replay(tmp_path, link, frames):
    """`frames`: (time in ns, frame)."""
    path = tmp_path / 'capture.pcap'
    path.write_bytes(p.pcap(link, [(10**18 + at, frame) for at, frame in frames]))
    return [r for r in records(path) if r['event_type'] == 'unknown']


def entropy(data):
    shares = [data.count(c) / len(data) for c in set(data)]
    return round(-1000 * sum(share * math.log2(share) for share in shares))


def test_ip_protocols(tmp_path):
    """One record for each packet up to eight of a side; what is the same, whoever sends it, is one group."""
    data = random.Random(1).randbytes(300)
    frames = [(n, p.ip4(f'198.51.100.{n + 1}', HONEYPOT, 99, data)) for n in range(3)]
    frames += [(9 + n, p.ip4(ATTACKER, HONEYPOT, 55, bytes([n] * 20))) for n in range(10)]
    got = replay(tmp_path, 'raw', frames)
    spoofed = [r for r in got if r['proto'] == '099']
    assert len(spoofed) == 3 and len({r['src_ip'] for r in spoofed}) == 3
    assert {r['unknown']['group'] for r in spoofed} == {hashlib.sha256(data[:16]).hexdigest()[:16]}
    said = spoofed[0]['unknown']
    assert said['len'] == 300 and said['first'] == data[:64].hex() and abs(said['entropy'] - entropy(data)) <= 1
    assert said['printable'] == 100 * sum(32 <= c < 127 or c in b'\t\n\v\f\r' for c in data) // 300
    assert len([r for r in got if r['proto'] == '055']) == 8


def test_conversations(tmp_path):
    """Each side once, with who sent it."""
    frames = talk([(0, b'\1\2\3\4what is this?'), (1, b'\5\6nobody knows')] * 3, 4000, 9999)
    got = replay(tmp_path, 'raw', list(enumerate(frames)))
    assert [(r['src_ip'], r['src_port'], r['proto']) for r in got] == [
        (ATTACKER, 4000, 'TCP'), (HONEYPOT, 9999, 'TCP')]
    assert got[0]['unknown']['text'].startswith('\1\2\3\4what is this?')


def test_ethertypes(tmp_path):
    """A sender's frames of an ethertype are told of once a minute; what every network has is not."""
    def frame(ethertype, src, data=b'hidden here'):
        return p.eth(data.ljust(46, b'\0'), ethertype, src=src)

    frames = [(n * SECOND, frame(0x88b5, 'a')) for n in range(70)] + [(70 * SECOND, frame(0x88b5, 'w'))]
    frames += [(80 * SECOND, frame(ethertype, 'a')) for ethertype in (0x88cc, 0x8808, 40)]
    got = replay(tmp_path, 'ethernet', frames)
    assert [r['fishbowl']['ethertype'] for r in got] == [0x88b5] * len(got) and 3 <= len(got) <= 4
    assert len({r['fishbowl']['src_mac'] for r in got}) == 2
    assert got[0]['unknown']['text'].startswith('hidden here') and 'src_ip' not in got[0]


def test_known_is_not_unknown(tmp_path):
    assert not replay(tmp_path, 'raw', [(n, packet) for n, (_, packet) in enumerate(p.tcp_talk(ATTACKER, HONEYPOT, 4000, 80))])


def test_not_what_ends_before_tls(tmp_path):
    """The client asked for it, the server agreed, and nothing came of it: what was said is known."""
    request = b'\3\0\0\x27\x22\xe0\0\0\0\0\0Cookie: mstshash=administr\r\n'
    frames = talk([(0, request), (1, b'\3\0\0\x13\x0e\xd0\0\0\x12\x34\0\2\1\x08\0\1\0\0\0')], 4000, 3389)
    assert not replay(tmp_path, 'raw', list(enumerate(frames)))
