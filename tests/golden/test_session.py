# SPDX-License-Identifier: Apache-2.0
"""`fishbowl session`: transcripts of conversations as asciicast and as text."""
import json
import os
import struct
import subprocess

import pytest

import packets as p
from fishbowl import FISHBOWL, PCAPS
from packets import talk
from test_shell import RLOGIN

STEP_S = 0.01  # between two packets
TELNET = [
    (1, b'\xff\xfd\x18\xff\xfd\x1f\xff\xfb\x01'), (0, b'\xff\xfb\x18\xff\xfa\x1f\0\x84\0\x2b\xff\xf0\xff\xfa\x18\0xterm-256color\xff\xf0'),
    (1, b'\r\nbox login: '), (0, b'root\r\0'), (1, b'root\r\nPassword: '), (0, b'xc3511\r\0'), (1, b'\r\n~ # '),
    (0, 'echo grüß\r\0'.encode()), (1, 'echo grü'.encode()[:-1]), (1, 'ü'.encode()[1:] + 'ß\r\ngrüß'.encode() + b'\xe9\x1b[0m\x07\r\n~ # '),
    (0, b'\xff\xfa\x1f\0\x64\0\x32\xff\xf0exit\r\0'),
]
SHELL = [(0, b'bash: no job control in this shell\nwww@box:/$ '), (1, b'id\n'), (0, b'uid=33(www-data) gid=33(www-data)\nwww@box:/$ ')]
SMTP = [(1, b'220 h ESMTP\r\n'), (0, b'EHLO x\r\n'), (1, b'250 h\r\n'), (0, b'QUIT\r\n'), (1, b'221 bye\r\n')]
BINARY = [(0, bytes(range(256)) * 4), (1, bytes(range(255, -1, -1)) * 4)]


def capture(tmp_path, *talks):
    path = tmp_path / 'capture.pcap'
    packets = [packet for n, steps in enumerate(talks) for packet in talk(steps, 40000 + n, 2300 + n)]
    path.write_bytes(p.pcap('raw', [(10**18 + n * int(STEP_S * 10**9), packet) for n, packet in enumerate(packets)]))
    return path


def session(*args, code=0):
    done = subprocess.run([FISHBOWL, 'session', *map(str, args)], capture_output=True, check=False, timeout=120)
    assert done.returncode == code, done.stderr
    return done


def cast(data):
    head, *events = [json.loads(line) for line in data.decode().splitlines()]
    times = [event[0] for event in events]
    assert times == sorted(times) and head['version'] == 2
    return head, events


def said(events, kind):
    return ''.join(text for _, what, text in events if what == kind)


def test_asciicast(tmp_path):
    head, events = cast(session('--flow', 1, capture(tmp_path, TELNET)).stdout)
    assert (head['width'], head['height'], head['env'], head['timestamp']) == (132, 43, {'TERM': 'xterm-256color'}, 10**9)
    assert head['title'] == 'telnet, flow 1: 198.51.100.7 40000 to 192.0.2.10 2300'
    assert said(events, 'i') == 'root\rxc3511\recho grüß\rexit\r'
    assert said(events, 'o') == ('\r\nbox login: root\r\nPassword: \r\n~ # echo grüß\r\ngrüß\ufffd\x1b[0m\x07\r\n~ # ')
    assert said(events, 'r') == '100x50'
    asked = next(time for time, kind, text in events if kind == 'o')
    answered = next(time for time, kind, text in events if kind == 'i')
    assert answered - asked == pytest.approx(2 * STEP_S)


def test_text(tmp_path):
    text = session('--format', 'text', '--flow', 1, capture(tmp_path, TELNET)).stdout.decode()
    head = [line for line in text.splitlines() if line.startswith('#')]
    lines = [line.split(' ', 1)[1] for line in text.splitlines() if not line.startswith('#')]
    assert head[0] == '# telnet, flow 1: 198.51.100.7 40000 to 192.0.2.10 2300'
    assert 'terminal of 132 columns and 43 rows, "xterm-256color"' in head[1]
    assert lines == ['< box login: ', '> root', '< root', '< Password: ', '> xc3511', '< ~ # ', '> echo grüß', '< echo grüß',
                     '< grüß\\ufffd\\u001b[0m\\u0007', '< ~ # ', '> exit']


def test_reverse_shell(tmp_path):
    """The server types. What came before it was known to be a shell has its own time."""
    path = capture(tmp_path, SHELL)
    _, events = cast(session('--flow', 1, path).stdout)
    assert said(events, 'i') == 'id\n'
    assert said(events, 'o').startswith('bash: no job control in this shell\r\nwww@box:/$ uid=33')
    assert [time for time, _, _ in events] == pytest.approx([0, 2 * STEP_S, 4 * STEP_S])
    _, events = cast(session('--echo', '--flow', 1, path).stdout)
    assert said(events, 'o').startswith('bash: no job control in this shell\r\nwww@box:/$ id\r\nuid=33')


def test_all(tmp_path):
    path = capture(tmp_path, TELNET, RLOGIN, SHELL, SMTP, BINARY)
    assert b'3 conversations' in session('-o', tmp_path / 'some', path).stderr
    assert sorted(os.listdir(tmp_path / 'some')) == ['rlogin-2.cast', 'shell-3.cast', 'telnet-1.cast']
    assert b'4 conversations' in session('-a', '-m', 'text', '-o', tmp_path / 'all', path).stderr
    assert sorted(os.listdir(tmp_path / 'all')) == ['rlogin-2.txt', 'shell-3.txt', 'smtp-4.txt', 'telnet-1.txt']
    for name in os.listdir(tmp_path / 'some'):
        one = session('--flow', name.split('-')[1].split('.')[0], path)
        assert one.stdout == (tmp_path / 'some' / name).read_bytes()
    head, _ = cast((tmp_path / 'some' / 'rlogin-2.cast').read_bytes())
    assert head['env'] == {'TERM': 'xterm'}
    smtp = (tmp_path / 'all' / 'smtp-4.txt').read_text()
    assert [line.split(' ', 1)[1] for line in smtp.splitlines()[3:]] == [
        '< 220 h ESMTP', '> EHLO x', '< 250 h', '> QUIT', '< 221 bye']
    """A binary conversation is written down when it is asked for."""
    assert b'\\u0000' in session('--flow', 5, path).stdout


def test_hostile(tmp_path):
    """Every byte, in pieces of every size: always JSON, one event a line, nothing lost."""
    noise = bytes(range(256)) * 20
    steps = [(1, b'\xff\xfb\x01login: '), *((1, noise[at:at + 7].replace(b'\xff', b'\xff\xff')) for at in range(0, len(noise), 7))]
    _, events = cast(session('--flow', 1, capture(tmp_path, steps)).stdout)
    assert said(events, 'o').count('A') == 20
    text = session('-m', 'text', '--flow', 1, capture(tmp_path, steps)).stdout
    assert all(byte >= 32 or byte == 10 for byte in text)


def test_long(tmp_path):
    """More than is kept back, and many at a time."""
    steps = [*TELNET, *((1, b'%060d\r\n' % n) for n in range(900))]
    path = capture(tmp_path, *[steps] * 3)
    session('-o', tmp_path / 'out', path)
    for n in (1, 2, 3):
        head, events = cast((tmp_path / 'out' / f'telnet-{n}.cast').read_bytes())
        assert head['width'] == 132 and said(events, 'o').endswith('%060d\r\n' % 899)


def test_none(tmp_path):
    done = session('-o', tmp_path / 'out', capture(tmp_path, SMTP), code=1)
    assert done.stdout == b'' and b'no conversation' in done.stderr
    assert os.listdir(tmp_path / 'out') == []


@pytest.mark.parametrize('args', [[], ['x'], ['--flow', '0', 'x'], ['-m', 'gif', '--flow', '1', 'x'], ['--from', 'noon', '--flow', '1'],
                                  ['--from', '-1h', '-o', '/tmp', 'x']])
def test_wrong_arguments(args):
    session(*args, code=2)


def test_broken_capture(tmp_path):
    path = capture(tmp_path, TELNET)
    path.write_bytes(path.read_bytes()[:-30])
    assert cast(session('--flow', 1, path, code=1).stdout)
    assert session('--flow', 1, tmp_path / 'absent', code=1).stdout == b''


@pytest.mark.skipif(not os.path.exists(os.path.join(PCAPS, 'http-log4j.pcap')), reason='no captures: ' + PCAPS + ' is absent')
def test_a_real_one(tmp_path):
    """What log4shell brought: a shell that connects back."""
    session('--ignore-checksums', '-o', tmp_path / 'out', os.path.join(PCAPS, 'http-log4j.pcap'))
    [name] = os.listdir(tmp_path / 'out')
    assert name.startswith('shell-')
    _, events = cast((tmp_path / 'out' / name).read_bytes())
    assert said(events, 'i').split('\n') == ['id', 'pwd', 'sudo cat /etc/shadow', 'exit', '']
    assert 'uid=1000(user)' in said(events, 'o')


def test_the_gateways_capture(tmp_path):
    """Flow ids are those in the comments; what was forwarded is there twice."""
    conf, directory = tmp_path / 'fishbowl.conf', tmp_path / 'state' / 'capture'
    directory.mkdir(parents=True)
    conf.write_text(f'state_dir = "{tmp_path}/state"\noutside = "o"\ninside = "i"\nhoneypot "h" {{ address = "192.0.2.10" }}\n')
    blocks = p.shb() + p.idb('ethernet', name='o', tsresol=9) + p.idb('ethernet', name='i', tsresol=9)
    for n, packet in enumerate(talk(TELNET, 40000, 23)):
        for flags in (1, 2):
            options = p.option(1, b'pass inbound flow 1a2b') + p.option(2, struct.pack('<I', flags))
            blocks += p.epb(flags - 1, 10**18 + n * 10**7, p.eth(packet), options=options)
    (directory / 'fb-1-00000001.pcapng').write_bytes(blocks)
    head, events = cast(session('-c', conf, '--flow', '0x1a2b').stdout)
    assert said(events, 'i') == 'root\rxc3511\recho grüß\rexit\r' and head['width'] == 132
