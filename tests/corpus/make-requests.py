#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make-requests.py: writes the seeds of the fuzz targets dns and ntp beside this file."""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent


def name(text):
    return b''.join(bytes([len(label)]) + label.encode() for label in text.split('.') if label) + b'\0'


def question(text, kind=1, extra=()):
    return struct.pack('!6H', 7, 0x120, 1, 0, 0, len(extra)) + name(text) + struct.pack('!HH', kind, 1) + b''.join(extra)


def edns(options=b''):
    return b'\0' + struct.pack('!HHIH', 41, 1232, 0x8000, len(options)) + options


COOKIE = struct.pack('!HH', 10, 8) + bytes(8)
SIGNATURE = name('key.example.com') + struct.pack('!HHIH', 250, 255, 0, 20) + bytes(20)
QUESTIONS = {
    'plain': question('www.example.com'),
    'root': question('', 2),
    'edns': question('www.example.com', 28, [edns(COOKIE)]),
    'signed': question('www.example.com', 28, [edns(), SIGNATURE]),
    'selector': question('6gbrjpgwjskckoa6a5zn6fwqkn67xbtw._domainkey.example.com', 16),
    'guid': question('_ldap._tcp.a1b2c3d4-e5f6-4890-abcd-ef1234567890.domains._msdcs.corp.example.com', 33),
    'base32': question('0abwtqk3zmvylhx4d5cgr2n.e1ofspjuiaqzxw.t.example.com', 16),
    'hex': question('0123456789abcdef0123456789abcdef0123456789abcdef.example.com', 5),
    'labels': question('a.' * 127),
}
HEAD = b'\x23' + bytes(47)
FIELD = struct.pack('!HH', 0x104, 36) + bytes(32)
REQUESTS = {
    'plain': HEAD,
    'mac': HEAD + bytes(20),
    'fields': HEAD + FIELD * 3,
    'fields-mac': HEAD + FIELD + bytes(24),
    'control': b'\x16\x02' + bytes(10),
}


def main():
    for target in ('dns', 'ntp'):
        (HERE / target).mkdir(exist_ok=True)
    for seed, message in QUESTIONS.items():
        (HERE / 'dns' / seed).write_bytes(bytes([0, 255, 40]) + message)
        (HERE / 'dns' / f'{seed}-tcp').write_bytes(bytes([1, 100, 40]) + struct.pack('!H', len(message)) + message)
    for seed, request in REQUESTS.items():
        (HERE / 'ntp' / seed).write_bytes(request)


if __name__ == '__main__':
    main()
