#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make-fingerprint.py: writes the seeds of the fuzz target fingerprint into fingerprint/ beside this file."""
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / 'golden'))
import packets as p  # noqa: E402

LINUX = b'\2\4\5\xb4\4\2\10\n%s\0\0\0\0\1\3\3\7'
A, B, C = '192.0.2.1', '198.51.100.2', '198.51.100.3'


def step(what, flow=1, later=1, kind=0):
    return bytes([kind, flow, later, len(what)]) + what


def segment(src, dst, sport, dport, flags, options=b'', window=64240):
    head = p.tcp_segment(src, dst, sport, dport, flags)
    return head[:12] + bytes([(5 + len(options) // 4) << 4, flags]) + window.to_bytes(2, 'big') + head[16:20] + options


def syn(options, ttl=64, window=64240, src=A, dst=B, sport=40000, flags=p.SYN):
    ports = (80, sport) if flags & p.ACK and flags & p.SYN else (sport, 80)
    return p.ip(src, dst, 6, segment(src, dst, *ports, flags, options, window),
                **({'hops': ttl} if ':' in src else {'ttl': ttl}))


REQUEST = b'Host: x\r\nUser-Agent: Tool/1 (Linux)\r\nVia: 1.1 y\r\n'
SEEDS = {
    'linux': step(syn(LINUX % b'\0\1\0\0')) + step(syn(b'\2\4\5\xb4', 53, 14600, B, A, flags=p.SYN | p.ACK)) +
    step(syn(b'\1\1\10\n\0\1\1\xf4\0\0\0\0', flags=p.ACK), later=8) + step(REQUEST, kind=5) +
    step(b'Server: Server\r\n', kind=7),
    'shared': b''.join(step(syn(LINUX % b'\0\1\0\0', sport=40000 + n)) +
                       step(syn(b'\2\4\5\xb4\1\3\3\10\1\1\4\2', 128, sport=50000 + n), 2) for n in range(4)),
    'uptime': step(syn(LINUX % b'\0\1\0\0')) + step(syn(b'\1\1\10\n\0\1\1\xf4\0\0\0\0', flags=p.ACK), later=8) +
    step(syn(LINUX % b'\x30\1\0\0', dst=C), 2) + step(syn(b'\1\1\10\n\x30\1\1\xf4\0\0\0\0', dst=C, flags=p.ACK), 2, 8),
    'ipv6': step(syn(LINUX % b'\0\1\0\0', src='2001:db8::1', dst='2001:db8::2')),
    'odd': step(syn(b'\2\4\5\xb4\0\1\2\3')) + step(syn(b'\5\n' + bytes(8) + b'\x4c\1')) + step(syn(b'\3\3\x0f\1')) +
    step(syn(b'\2\4\5\xb4', 41, 1024)) + step(syn(b'', 255, 1)),
    'tunnel': step(p.ip4(A, B, 4, syn(LINUX % b'\0\1\0\0'))),
}

for seed, data in SEEDS.items():
    (HERE / 'fingerprint').mkdir(exist_ok=True)
    (HERE / 'fingerprint' / f'{seed}.bin').write_bytes(data)
