#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make-merge.py: writes port_merge/, segments of TCP as tests/fuzz/fuzz_port_merge.c reads them."""
import pathlib
import struct


def segment(version, n, size, flags=0x10):
    tcp = struct.pack('!HHIIBBHHH', 80, 4000, 1000 + n * size, 7, 5 << 4, flags, 500, 0, 0) + bytes(size)
    if version == 4:
        ip = struct.pack('!BBHHHBBH8x', 0x45, 0, 20 + len(tcp), n, 0x4000, 64, 6, 0)
    else:
        ip = struct.pack('!IHBB32x', 6 << 28, len(tcp), 6, 64)
    frame = bytes(12) + (b'\x08\x00' if version == 4 else b'\x86\xdd') + ip + tcp
    return struct.pack('!HB', len(frame), 1) + frame


def main():
    to = pathlib.Path(__file__).parent / 'port_merge'
    to.mkdir(exist_ok=True)
    for version in (4, 6):
        (to / f'tcp{version}').write_bytes(b''.join(segment(version, n, 20) for n in range(5)) +
                                           segment(version, 5, 20, 0x18) + segment(version, 6, 20))


main()
