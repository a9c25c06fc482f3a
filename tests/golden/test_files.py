# SPDX-License-Identifier: Apache-2.0
"""Files that were carried in captures from elsewhere: replay --files keeps each content once, under its SHA-256."""
import hashlib
import itertools
import json
import os
import stat
import struct
import subprocess
import zipfile

import pytest

import packets as p
from fishbowl import FISHBOWL, PCAPS

CAPTURES = ['http-jpegs.cap', 'ftp-ipv4.pcap', 'tftp-rrq.pcap']


def path_of(name):
    path = os.path.join(PCAPS, name)
    if not os.path.exists(path):
        pytest.skip(f'no {name} in ../shared')
    return path


def replay(tmp_path, *names, more=()):
    """Lines of eve.json, and the directory of files."""
    out, kept = tmp_path / 'out', tmp_path / 'kept'
    done = subprocess.run([FISHBOWL, 'replay', '--files', kept, '-o', out, *more, *map(path_of, names)],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return (out / 'eve.json').read_text().splitlines(), kept


def files_of(lines):
    return [record for record in map(json.loads, lines) if record['event_type'] == 'file']


def contents(kept):
    return {path.name: path for path in kept.glob('[0-9a-f][0-9a-f]/*')}


def objects(name):
    with open(os.path.join(PCAPS, 'expected.json'), encoding='utf-8') as file:
        return {one['sha256']: one['size'] for one in json.load(file)[name]['objects']}


# Two kinds of objects in expected.json, which tshark exported, are no files: a chunked body's end, and the tail of
# a body whose beginning it did not take for one.
LAST_CHUNK = hashlib.sha256(b'0\r\n\r\n').hexdigest()


def is_tail(sha256, size, there):
    return any(hashlib.sha256(path.read_bytes()[-size:]).hexdigest() == sha256 for path in there.values())


@pytest.mark.parametrize('name', CAPTURES)
def test_expected(name, tmp_path):
    lines, kept = replay(tmp_path, name)
    told = {record['file']['sha256']: record['file'] for record in files_of(lines)}
    there = contents(kept)
    assert set(there) == set(told)
    for sha256, size in objects(name).items():
        if sha256 in told:
            assert told[sha256]['size'] == size and told[sha256]['stored']
        else:
            assert sha256 == LAST_CHUNK or is_tail(sha256, size, there)
    for sha256, path in there.items():
        content = path.read_bytes()
        assert hashlib.sha256(content).hexdigest() == sha256 == path.name and path.parent.name == sha256[:2]
        assert hashlib.md5(content).hexdigest() == told[sha256]['md5']
        assert hashlib.sha1(content).hexdigest() == told[sha256]['sha1']
        assert stat.S_IMODE(path.stat().st_mode) == 0o440
    assert not list((kept / 'open').iterdir())
    # What a file's own record says is what the file's says.
    infos = [json.loads(line)['fileinfo'] for line in lines if '"event_type":"fileinfo"' in line]
    assert {info['sha256'] for info in infos if 'sha256' in info} <= set(told)


def test_same(tmp_path):
    """The same captures give the same bytes, also into a directory that has them already."""
    (tmp_path / 'a').mkdir()
    (tmp_path / 'b').mkdir()
    first, kept = replay(tmp_path / 'a', *CAPTURES)
    second, _ = replay(tmp_path / 'b', *CAPTURES)
    again, _ = replay(tmp_path / 'a', *CAPTURES)
    assert first == second == again
    rows = subprocess.run([FISHBOWL, 'files', '-d', kept, '--json'], capture_output=True, text=True, check=True)
    times = {row['sha256']: row['times'] for row in map(json.loads, rows.stdout.splitlines())}
    told = [record['file']['sha256'] for record in files_of(first)]
    assert times == {sha256: told.count(sha256) for sha256 in told}
    assert sum(record['file']['new'] for record in files_of(first)) == len(times)


def test_verb(tmp_path):
    _, kept = replay(tmp_path, 'tftp-rrq.pcap')
    sha256, = contents(kept)

    def files(*args, status=0):
        done = subprocess.run([FISHBOWL, 'files', '-d', kept, *args], capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        return done
    assert 'rfc1350.txt' in files().stdout
    assert files('--since', '2014-01-01').stdout == ''
    assert files('--since', '2013-01-01', '--sha256', sha256[:8]).stdout.startswith(sha256)
    assert '192.168.0.10' in files('show', sha256[:10]).stdout
    files('get', sha256, '-o', tmp_path / 'x.zip', '--password', 'other')
    with zipfile.ZipFile(tmp_path / 'x.zip') as z:
        assert hashlib.sha256(z.read(sha256, pwd=b'other')).hexdigest() == sha256
    files('get', sha256, '-o', tmp_path / 'x.zip', status=1)  # never over what is there
    raw = files('get', sha256, '-o', tmp_path / 'raw', '--raw')
    assert 'WARNING' in raw.stderr
    assert hashlib.sha256((tmp_path / 'raw').read_bytes()).hexdigest() == sha256
    files('pin', sha256)
    assert json.loads(files('--json').stdout)['pinned']
    files('purge', sha256)
    assert not contents(kept) and not json.loads(files('--json').stdout)['stored']
    files('purge', sha256, status=1)
    files('get', 'nothex', '-o', 'x', status=2)
    files('show', status=2)


def test_budget(tmp_path):
    """Fewer are kept than came; the records are there all the same, and the budget is told once."""
    conf = tmp_path / 'fishbowl.conf'
    conf.write_text('outside = "eth8"\ninside = {"eth9"}\nhoneypot a { address = {"10.1.1.101"} }\n'
                    'files { count = 3 }\n')
    lines, kept = replay(tmp_path, 'http-jpegs.cap', more=['-c', conf])
    told = [json.loads(line) for line in lines if '"reason":"files-budget"' in line]
    assert len(contents(kept)) == 3 and len(told) == 1
    assert len({record['file']['sha256'] for record in files_of(lines)}) > 10


def test_archive(tmp_path):
    """Members of a zip file in a mail."""
    lines, _ = replay(tmp_path, 'smtp-zip.pcap', more=['--ignore-checksums'])
    record, = [record for record in files_of(lines) if record['file'].get('name') == 'a.zip']
    archive = record['file']['archive']
    assert archive['format'].startswith('ZIP') and archive['members'], archive


GATEWAY, ATTACKER, HONEYPOT = '203.0.113.1', '198.51.100.7', '192.0.2.10'


def vxlan(src, dst, packet):
    """Whoever sends chooses the port by what is inside."""
    return p.udp(src, dst, 50000 + p.checksum(packet) % 1000, 4789, b'\x08\0\0\0\0\0\7\0' + p.eth(packet))


def gre(src, dst, packet):
    return p.ip4(src, dst, 47, struct.pack('>HH', 0, 0x0800) + packet)


@pytest.mark.parametrize('tunnel', [gre, vxlan])
def test_tunnelled(tmp_path, tunnel):
    """Conversations at the same time in one tunnel are kept apart, and the last one does not come to its end."""
    sent = [b'#!/bin/sh\nexit %d\n' % n * (n + 1) for n in range(4)]
    talks = [p.tcp_talk(ATTACKER, HONEYPOT, 40000 + n, 4444, request=data, answer=b'') for n, data in enumerate(sent)]
    talks[-1] = talks[-1][:5]
    steps = [step for steps in itertools.zip_longest(*talks) for step in steps if step]
    packets = [tunnel(GATEWAY, HONEYPOT, packet) if up else tunnel(HONEYPOT, GATEWAY, packet) for up, packet in steps]
    capture = tmp_path / 'capture.pcap'
    capture.write_bytes(p.pcap('raw', [(10**18 + n * 10**7, packet) for n, packet in enumerate(packets)]))
    lines, kept = replay(tmp_path, capture)
    assert sorted(path.read_bytes() for path in contents(kept).values()) == sorted(sent)
    told = files_of(lines)
    assert {(one['src_ip'], one['src_port'], one['dest_ip']) for one in told} == {
        (ATTACKER, 40000 + n, HONEYPOT) for n in range(4)}
    flows = [json.loads(line)['flow_id'] for line in lines if '"event_type":"flow"' in line]
    assert {one['flow_id'] for one in told} <= set(flows)
