#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make-frames.py: writes the seeds of the fuzz targets frame, gate, refuse and whole beside this file."""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent


def mac(n):
    return bytes([2, 0, 0, 0, 0, n])


def eth(payload, kind, to=200, source=1, tags=()):
    head = mac(to) + mac(source)
    for tag in tags:
        head += struct.pack('!HH', 0x8100, tag)
    return head + struct.pack('!H', kind) + payload


def v4(payload, proto, src='10.0.0.1', dst='192.0.2.9', ident=7, fragment=0, options=b''):
    address = bytes(int(x) for x in (src + '.' + dst).split('.'))
    words = 5 + len(options) // 4
    return struct.pack('!BBHHHBBH', 0x40 | words, 0, words * 4 + len(payload), ident, fragment, 64, proto,
                       0) + address + options + payload


def v6(payload, proto, src=1, dst=9, hops=64, local=False):
    prefix = bytes.fromhex('fe80000000000000' if local else '20010db800000000') + bytes(7)
    return struct.pack('!IHBB', 0x60000000, len(payload), proto, hops) + prefix + bytes([src]) + prefix + bytes(
        [dst]) + payload


def tcp(sport=1000, dport=80, flags=2, seq=1):
    return struct.pack('!HHIIBBHI', sport, dport, seq, 0, 0x50, flags, 1000, 0)


def udp(payload=b'x' * 8, sport=1000, dport=53):
    return struct.pack('!HHHH', sport, dport, 8 + len(payload), 0) + payload


def icmp(kind, code=0, rest=bytes(4), payload=b''):
    return bytes([kind, code, 0, 0]) + rest + payload


def arp(op=1):
    return struct.pack('!HHBBH', 1, 0x800, 6, 4, op) + mac(1) + bytes([10, 0, 0, 1]) + bytes(6) + bytes([10, 0, 0, 200])


def nd(kind, option):
    return icmp(kind, payload=bytes.fromhex('fe800000000000000000000000000001') + bytes([option, 1]) + mac(1))


INNER = v4(udp(), 17, '172.16.0.1', '172.16.0.2')
FRAMES = {
    'tcp4': eth(v4(tcp(), 6), 0x800),
    'tcp6': eth(v6(tcp(), 6), 0x86dd),
    'tcp4-options': eth(v4(tcp(), 6, options=b'\x01\x83\x03\x04'), 0x800),
    'udp4-vlan': eth(v4(udp(), 17), 0x800, tags=(5, 6)),
    'icmp4-echo': eth(v4(icmp(8), 1), 0x800),
    'icmp4-error': eth(v4(icmp(3, 3, payload=v4(udp(), 17, '192.0.2.9', '10.0.0.1')), 1), 0x800),
    'icmp6-ns': eth(v6(nd(135, 1), 58, hops=255, local=True), 0x86dd),
    'icmp6-na': eth(v6(nd(136, 2), 58, hops=255, local=True), 0x86dd),
    'icmp6-error': eth(v6(icmp(1, 4, payload=v6(udp(), 17)), 58), 0x86dd),
    'extensions6': eth(v6(b'\x3c\0' + bytes(6) + b'\x2b\0\0\1' + bytes(4) + b'\x2c\0' + bytes(6) + b'\x33\0\0\1' + bytes(4) +
                          b'\x06\2' + bytes(14) + tcp(), 0), 0x86dd),
    'fragment4-first': eth(v4(udp(b'y' * 16), 17, fragment=0x2000), 0x800),
    'fragment4-last': eth(v4(b'y' * 16, 17, fragment=3), 0x800),
    'fragment6': eth(v6(b'\x11\0\0\1\0\0\0\7' + udp(), 44), 0x86dd),
    'sctp': eth(v4(struct.pack('!HHII', 1, 2, 3, 4), 132), 0x800),
    'proto11': eth(v4(b'z' * 40, 11), 0x800),
    'ipip': eth(v4(INNER, 4), 0x800),
    '6in4': eth(v4(v6(tcp(), 6), 41), 0x800),
    'gre': eth(v4(b'\x20\0\x08\0\0\0\0\1' + INNER, 47), 0x800),
    'gre-teb': eth(v4(b'\0\0\x65\x58' + eth(INNER, 0x800), 47), 0x800),
    'pptp': eth(v4(b'\x30\x01\x88\x0b\0\x20\0\1\0\0\0\1\xff\x03\0\x21' + INNER, 47), 0x800),
    'teredo': eth(v4(udp(b'\0\1\0\0' + bytes(9) + b'\0\0' + bytes(6) + v6(tcp(), 6), 3544, 3544), 17), 0x800),
    'vxlan': eth(v4(udp(b'\x08\0\0\0\0\0\1\0' + eth(INNER, 0x800), 1, 4789), 17), 0x800),
    'l2tp': eth(v4(udp(bytes.fromhex('4a02002e0001000200030004000209090021') + INNER, 1701, 1701), 17), 0x800),
    'l2tp-control': eth(v4(udp(bytes.fromhex('c802000c0001000000000000'), 1701, 1701), 17), 0x800),
    'gtp': eth(v4(udp(bytes.fromhex('34ff002800000001000100850110028501070700') + INNER, 2152, 2152),
                  17), 0x800),
    'gre-udp': eth(v4(udp(b'\x20\0\x08\0\0\0\0\1' + INNER, 1, 4754), 17), 0x800),
    'vxlan-gpe': eth(v4(udp(b'\x0c\0\0\5\0\0\1\0\0\0\x11\x40' + INNER, 1, 4790), 17), 0x800),
    'geneve': eth(v4(udp(b'\2\0\x65\x58\0\0\1\0\1\2\3\1wxyz' + eth(INNER, 0x800), 1, 6081), 17), 0x800),
    'mpls-udp': eth(v4(udp(b'\0\0\x11\x40' + v6(tcp(), 6), 1, 6635), 17), 0x800),
    'mpls-ip': eth(v4(b'\0\0\x11\x40' + INNER, 137), 0x800),
    'etherip': eth(v4(b'\x30\0' + eth(INNER, 0x800), 97), 0x800),
    'esp': eth(v4(b'e' * 40, 50), 0x800),
    'ah-esp': eth(v4(b'\x32\1' + bytes(10) + b'e' * 40, 51), 0x800),
    'esp-udp': eth(v4(udp(b'e' * 40, 4500, 4500), 17), 0x800),
    'mpls': eth(b'\0\0\x10\x40\0\0\x11\x40' + INNER, 0x8847),
    'pppoe': eth(b'\x11\0\0\1' + struct.pack('!H', 2 + len(INNER)) + b'\0\x21' + INNER, 0x8864),
    'arp': eth(arp(), 0x806, to=255),
    'stp': bytes.fromhex('0180c2000000') + mac(1) + b'\0\x07\x42\x42\3\0\0\0\0',
    'snap': eth(b'\xaa\xaa\3\0\0\0\x08\0' + v4(udp(), 17), 44),
    'lldp': eth(b'\2\7\4' + bytes(8), 0x88cc),
    'dhcp': eth(v4(udp(b'd' * 20, 68, 67), 17, '0.0.0.0', '255.255.255.255'), 0x800),
}
BARE = {
    'raw4': (1, INNER),
    'cooked': (2, b'\0\0\0\1\0\6' + mac(1) + b'\0\0\x08\0' + INNER),
    'cooked2': (3, b'\x08\0\0\0\0\0\0\1\0\1\0\6' + mac(1) + b'\0\0' + INNER),
    'null': (4, b'\2\0\0\0' + INNER),
    'loop': (5, b'\0\0\0\x18' + v6(tcp(), 6)),
}


def reply(frame):
    """The same with both ends exchanged: what the other side would send."""
    out = bytearray(frame)
    out[0:6], out[6:12] = frame[6:12], frame[0:6]
    if frame[12:14] == b'\x08\0' and len(frame) >= 34:
        out[26:30], out[30:34] = frame[30:34], frame[26:30]
        out[34:36], out[36:38] = frame[36:38], frame[34:36]
    return bytes(out)


def step(frame, what, wait=0):
    return bytes([what, wait]) + struct.pack('!H', len(frame)) + frame


def cut4(data, sizes, ident=7, tags=(), proto=17):
    """An IPv4 datagram in parts of these sizes and the rest."""
    at, out = 0, []
    for size in [*sizes, len(data) - sum(sizes)]:
        more = 0x2000 if at + size < len(data) else 0
        out.append(eth(v4(data[at:at + size], proto, ident=ident, fragment=more | at // 8), 0x800, tags=tags))
        at += size
    return out


def cut6(data, sizes, before=b'', first=44, proto=17, tags=()):
    """The same in IPv6, behind extension headers of which the last says 44."""
    at, out = 0, []
    for size in [*sizes, len(data) - sum(sizes)]:
        header = struct.pack('!BBHI', proto, 0, at | (at + size < len(data)), 7)
        out.append(eth(v6(before + header + data[at:at + size], first), 0x86dd, tags=tags))
        at += size
    return out


DATA = udp(bytes(range(56)))
ROUTING = b'\x2c\0\0\0' + bytes(4)
HEADERS = b'\x2b\0\1\4' + bytes(4) + ROUTING
AUTH = b'\x2c\1\0\0' + bytes(8)
WHOLES = {
    'whole4': cut4(DATA, [16, 24]),
    'backwards4': cut4(DATA, [8, 8, 8, 8])[::-1],
    'tags4': cut4(DATA, [32], tags=(5, 6)),
    'twice4': cut4(DATA, [32]) * 2,
    'overlap4': cut4(DATA, [16, 24])[:2] + cut4(DATA, [32, 8])[1:],
    'tiny4': cut4(tcp() + bytes(20), [16], proto=6),
    'hole4': cut4(DATA, [16, 24])[::2],
    'two4': [f for pair in zip(cut4(DATA, [16]), cut4(DATA, [16], ident=8)) for f in pair],
    'range4': [eth(v4(bytes(64), 17, fragment=8190), 0x800)],
    'source-route4': [eth(v4(DATA, 17, fragment=2, options=b'\x01\x83\x03\x04'), 0x800)],
    'whole6': cut6(DATA, [16, 24]),
    'headers6': cut6(DATA, [16, 24], HEADERS, 0)[::-1],
    'auth6': cut6(DATA, [16], AUTH, 51),
    'behind6': cut6(b'\x11\0\1\4' + bytes(4) + DATA, [24], proto=60),
    'chain6': cut6(b'\x11\1\1\x0c' + bytes(12) + DATA, [8], proto=60),
    'nested6': cut6(b'\x11\0\0\0\0\0\0\x09' + DATA, [24], proto=44),
    'differ6': cut6(DATA, [16])[:1] + cut6(DATA, [16], ROUTING, 43)[1:],
    'flood': [f for ident in range(70) for f in cut4(DATA, [16], ident)[:1]],
    'mpls': [eth(b'\0\0\x11\x40' + f[14:], 0x8847) for f in cut4(DATA, [16])],
}


def main():
    for target in ('frame', 'gate', 'refuse', 'whole'):
        (HERE / target).mkdir(exist_ok=True)
    for name, frame in FRAMES.items():
        (HERE / 'frame' / name).write_bytes(b'\0' + frame)
        (HERE / 'refuse' / name).write_bytes(bytes([1, len(name)]) + frame)
        steps = step(frame, 1) + step(reply(frame), 0) + step(frame, 1 | 1 << 5) + step(frame, 1 | 31 << 1) + step(
            reply(frame), 0, 40)
        (HERE / 'gate' / name).write_bytes(steps)
    for name, (link, frame) in BARE.items():
        (HERE / 'frame' / name).write_bytes(bytes([link]) + frame)
    everything = b''.join(step(frame, 1 | (i % 4) << 5, i) for i, frame in enumerate(FRAMES.values()))
    (HERE / 'gate' / 'everything').write_bytes(everything * 2)
    scan = b''.join(step(eth(v4(tcp(seq=i), 6, dst=f'192.0.2.{i}'), 0x800), 1) for i in range(100))
    (HERE / 'gate' / 'scan').write_bytes(scan)
    for name, frames in WHOLES.items():
        late = step(frames[0], 1) + step(frames[-1], 3, 71)
        (HERE / 'whole' / name).write_bytes(b''.join(step(frame, 0) for frame in frames) + late)


if __name__ == '__main__':
    main()
