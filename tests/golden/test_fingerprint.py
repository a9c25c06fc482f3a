# SPDX-License-Identifier: Apache-2.0
"""What hosts are, by the way they speak: the same as p0f says, of all captures and of packets that were made; and where
they are."""
import collections
import json
import os
import random
import struct
import subprocess

import pytest

import mmdb
import p0f
import packets as p
from fishbowl import BUILD, PCAPS, ROOT, captures, records, run

OWN = os.path.join(ROOT, 'data', 'fingerprints', 'fishbowl.fp')
PRINT = os.path.join(BUILD, 'tests', 'unit', 'print_fingerprints')
A, B = '192.0.2.1', '198.51.100.2'
T0 = 1_700_000_000_000_000_000
LINUX = b'\2\4\5\xb4\4\2\x08\n' + struct.pack('>II', 65536, 0) + b'\1\3\3'
needs_p0f = pytest.mark.skipif(p0f.missing() is not None, reason=str(p0f.missing()))


def segment(src, dst, sport, dport, flags, options=b'', window=64240, seq=1000, ack=0, urgent=0, reserved=0, data=b''):
    head = struct.pack('>HHIIBBHHH', sport, dport, seq, ack, (5 + len(options) // 4) << 4 | reserved, flags, window, 0,
                       urgent)
    return p.summed(src, dst, 6, head + options + data, 16)


def write(tmp_path, frames):
    path = tmp_path / 'made.pcap'
    path.write_bytes(p.pcap('raw', [(T0 + n * 10**7, frame) for n, frame in enumerate(frames)]))
    return path


def fingerprints(path, *args):
    return [r for r in records('--signatures', OWN, *args, path) if r['event_type'] == 'fingerprint']


def labels(found):
    return [(f['fingerprint']['kind'], f['fingerprint']['subject'],
             f['fingerprint'].get('os') or f['fingerprint'].get('app') or f['fingerprint'].get('link'))
            for f in found]


# ---- p0f ----

@needs_p0f
@pytest.mark.skipif(not captures(), reason='the shared captures are not here')
def test_same_as_p0f():
    """Of all verdicts on SYN and SYN+ACK at least 98 in 100, and nobody gets a name that p0f does not give him; and of
    the programs that p0f knows by their HTTP."""
    total = same = programs = same_programs = 0
    for name in captures():
        path = os.path.join(PCAPS, name)
        said, own = p0f.theirs(path), p0f.ours(path)
        n, differ = p0f.compare(said, own)
        total, same = total + n, same + n - len(differ)
        print(f'{name:40} {n:6} {n - len(differ):6}', *differ)
        n, differ = p0f.compare([verdict for verdict in said if verdict[2] != '???'], own, p0f.KINDS[2:])
        programs, same_programs = programs + n, same_programs + n - len(differ)
        theirs = collections.defaultdict(set)
        for kind, host, label in said:
            theirs[kind, host].add(label)
        for key, labels_of in own.items():
            if key[0] in p0f.KINDS[:2] and key in theirs:
                assert labels_of <= theirs[key], (name, key)
    print(f'{"all":40} {total:6} {same:6} {100 * same / total:.2f} %; programs {programs} {same_programs}')
    assert total > 300 and same >= 0.98 * total
    assert programs > 20 and same_programs >= 0.98 * programs


def read_signatures():
    """Those of TCP, by section; and labels of those that are of IPv4 alone."""
    sections, section, label, only4 = {'request': [], 'response': []}, None, '', set()
    with open(p0f.SIGNATURES, encoding='latin-1') as text:
        for line in map(str.strip, text):
            if line.startswith('['):
                section = line[5:-1] if line.startswith('[tcp:') else None
            elif section and line.startswith('label'):
                label = ' '.join(line.split(':', 3)[2:]).strip()
            elif section and line.startswith('sig'):
                sections[section].append(line.split('=', 1)[1].strip())
                if sections[section][-1].startswith('4:'):
                    only4.add(label)
    return sections, only4


def make_options(rng, layout, mss, scale, quirks, response):
    made = b''
    for name in layout:
        if name.startswith('eol'):
            made += bytes(int(name[4:]) + 1)
        elif name.startswith('?'):
            made += bytes([int(name[1:]), 4, 1, 2])
        else:
            made += {'nop': b'\1', 'mss': b'\2\4' + struct.pack('>H', mss), 'ws': bytes([3, 3, scale]),
                     'sok': b'\4\2', 'sack': b'\5\n' + bytes(8),
                     'ts': b'\x08\n' + struct.pack('>II', 0 if 'ts1-' in quirks else 12345,
                                                   9 if response or 'ts2+' in quirks else 0)}[name]
    if rng.random() < 0.04 and made:
        at = rng.randrange(len(made))
        made = made[:at] + bytes([rng.randrange(256)]) + made[at + 1:]
    made = made[:40]
    return made + (b'\1' if rng.random() < 0.1 else b'\0') * (-len(made) % 4)


def make_window(rng, text, mss, peer):
    if text[:4] in ('mss*', 'mtu*'):
        base = [mss, mss, mss - 12, 1460, 1448, 1440, peer, peer - 12] if text[1] == 's' else [mss + 40, 1500, mss + 60]
        return int(text[4:]) * rng.choice(base) & 0xffff
    if text == '*':
        return rng.choice([rng.randrange(65536), mss * 5, 4500, (mss + 40) * 2, peer * 2]) & 0xffff
    return int(text[1:]) * 3 if text[0] == '%' else int(text)


def make_packet(rng, signature, sport, peer, version):
    """A packet that fits a signature, or nearly; and its MSS. `peer`: of a SYN+ACK, that of its SYN."""
    response = peer is not None
    _, ttl, _, mss, window, layout, quirks, _ = signature.split(':')
    window, scale = window.split(',')
    quirks = {quirk for quirk in quirks.split(',') if quirk}
    if rng.random() < 0.25:
        quirks ^= {rng.choice('df id+ id- ecn 0+ flow seq- ack- uptr+ urgf+ pushf+ ts1- ts2+'.split())}
    layout = layout.split(',') if layout else []
    if layout and rng.random() < 0.1:
        layout[rng.randrange(len(layout))] = rng.choice(['nop', 'sok', 'ts', 'ws', '?9', 'sack', '?76'])
        layout = [name for name in layout if not name.startswith('eol')]
    mss = rng.choice([1460, 1460, 1452, 1380, 1300, 536, 100, 50]) if mss == '*' else int(mss)
    options = make_options(rng, layout, mss, rng.choice([0, 2, 7, 8, 15]) if scale == '*' else int(scale), quirks,
                           response)
    ttl = max(1, int(ttl.rstrip('-')) - rng.choice([0, 0, 1, 5, 20, 35, 36, 40]))
    if rng.random() < 0.1:
        ttl = rng.choice([30, 60, 64, 128, 200, 255])
    ecn = rng.randrange(1, 6) if 'ecn' in quirks else 0
    flags = p.SYN | (p.ACK if response else 0) | (32 if 'urgf+' in quirks else 0) | \
        (p.PSH if 'pushf+' in quirks else 0) | {3: 0x40, 4: 0x80}.get(ecn, 0)
    a, b = (('10.0.0.1', '10.0.0.2') if version == 4 else ('2001:db8::1', '2001:db8::2'))[::-1 if response else 1]
    ports = (80, sport) if response else (sport, 80)
    tcp = segment(a, b, *ports, flags, options, make_window(rng, window, mss, peer or 0),
                  seq=0 if 'seq-' in quirks else rng.randrange(1, 1 << 32),
                  ack=77 if response and 'ack-' not in quirks else 0, urgent=3 if 'uptr+' in quirks else 0,
                  reserved=ecn == 5, data=b'xy' if rng.random() < 0.05 else b'')
    tos = ecn if ecn < 3 else 0
    if version == 6:
        packet = bytearray(p.ip6(a, b, 6, tcp, hops=ttl))
        packet[:4] = struct.pack('>I', 0x60000000 | tos << 20 | (5 if 'flow' in quirks else 0))
    else:
        no_id = 'id-' in quirks or ('df' in quirks and 'id+' not in quirks)
        packet = bytearray(p.ip4(a, b, 6, tcp, ident=0 if no_id else 7, ttl=ttl))
        packet[1] = tos
        packet[6] |= (0x40 if 'df' in quirks else 0) | (0x80 if '0+' in quirks else 0)
        packet[10:12] = bytes(2)
        packet[10:12] = struct.pack('>H', p.checksum(bytes(packet[:20])))
    return bytes(packet), mss if 'mss' in layout else 0


def p0f_verdicts(path):
    return {(line['mod'], int(line['cli'].rsplit('/', 1)[1])):
            (line.get('os') or line.get('app'), line['dist'].replace('<= ', ''), 'generic' in line['params'],
             'fuzzy' in line['params'], line['raw_sig'])
            for line in p0f.lines(path) if line['mod'] in ('syn', 'syn+ack')}


def own_verdicts(path):
    done = subprocess.run([PRINT, p0f.SIGNATURES, str(path)], stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    found = {}
    for line in done.stdout.splitlines():
        kind, port, label, hops, match, raw = line.split('|')
        found[kind, int(port)] = label, hops, 'generic' in match, 'fuzzy' in match, raw
    return found


@needs_p0f
def test_random_packets_same_as_p0f(tmp_path):
    """Packets near p0f's signatures: label, distance, how it fits, and how it is written. Left out is what p0f 3.09b
    has wrong: it sees no acknowledgement number in a SYN, nor a last byte behind the options; it takes signatures of
    IPv4 for IPv6, too; where only a program's signature fits fuzzily, it gives no distance."""
    rng = random.Random(20)
    (signatures, only4), frames = read_signatures(), []
    for sport in range(1025, 4000):
        version = rng.choice([4, 4, 4, 6])
        syn, mss = make_packet(rng, rng.choice(signatures['request']), sport, None, version)
        answer, _ = make_packet(rng, rng.choice(signatures['response']), sport, mss, version)
        frames += [syn, answer]
    path = write(tmp_path, frames)
    theirs, ours = p0f_verdicts(path), own_verdicts(path)
    assert len(theirs) > 5000
    differ = [(key, verdict, ours.get(key)) for key, verdict in theirs.items()
              if ours.get(key) != verdict and 'opt+' not in ours[key][4] and
              not (verdict[4].startswith('6') and verdict[0] in only4) and
              not (verdict[0] == '???' and verdict[1] == '0' and ours[key][0] == '???')]
    assert not differ, differ[:3]
    assert sum(verdict[0] != '???' for verdict in theirs.values()) > 2000


# ---- our own signatures ----

def test_own_signatures(tmp_path):
    """A kernel of today, and scanners; each told once, with what they can be known by."""
    linux = p.ip4(A, B, 6, segment(A, B, 40000, 80, p.SYN, LINUX + b'\7'))
    packet = bytearray(linux)
    packet[6] |= 0x40
    packet[10:12] = bytes(2)
    packet[10:12] = struct.pack('>H', p.checksum(bytes(packet[:20])))
    masscan = p.ip4('192.0.2.9', B, 6, segment('192.0.2.9', B, 61000, 80, p.SYN, window=1024), ttl=240)
    raw = p.ip4('192.0.2.8', B, 6, segment('192.0.2.8', B, 5555, 23, p.SYN, window=31000), ttl=50)
    found = fingerprints(write(tmp_path, [bytes(packet), bytes(packet), masscan, raw, raw]))
    assert labels(found) == [
        ('syn', A, 'Linux 4.20 and newer'), ('mtu', A, None), ('syn', '192.0.2.9', 'masscan'),
        ('syn', '192.0.2.8', 'packets made by hand')]
    first = found[0]
    assert first['fingerprint']['raw_sig'] == '4:64+0:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0'
    assert (first['src_ip'], first['dest_ip'], first['dest_port'], first['pcap_cnt']) == (A, B, 80, 1)
    assert found[2]['fingerprint']['distance'] == 15 and 'os' not in found[2]['fingerprint']
    assert found[3]['fingerprint']['match'] == 'generic'


def test_wrong_checksums_say_nothing(tmp_path):
    packet = bytearray(p.ip4(A, B, 6, segment(A, B, 40000, 80, p.SYN, LINUX + b'\7')))
    packet[-1] ^= 1
    path = write(tmp_path, [bytes(packet)])
    assert not fingerprints(path, '--checksums=right')
    assert fingerprints(path, '--checksums=any') and fingerprints(path, '--ignore-checksums')


def test_faults_of_a_file(tmp_path):
    """Each with its line; the rest is read."""
    signatures = tmp_path / 'some.fp'
    signatures.write_text('classes = unix\n[tcp:request]\nlabel = s:unix:One:\nsig = *:64:0:*:nonsense,0:mss::0\n'
                          'sig = *:64:0:*:*,*:mss,sok,ts,nop,ws::0\n')
    path = write(tmp_path, [p.ip4(A, B, 6, segment(A, B, 40000, 80, p.SYN, LINUX + b'\7'))])
    done = run('-o', '-', '--signatures', signatures, path)
    assert done.returncode == 0 and f'{signatures}:4: the window is not' in done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines() if '"fingerprint"' in line]
    assert told[0]['fingerprint']['os'] == 'One'
    missing = run('-o', '-', '--signatures', tmp_path / 'nosuch', path)
    assert missing.returncode == 2 and 'nosuch: No such file' in missing.stderr


def test_no_records_no_fingerprints(tmp_path):
    conf = tmp_path / 'fishbowl.conf'
    conf.write_text('outside = "eth0"\ninside = {"eth1"}\napplication_records = false\n'
                    'honeypot "web" { address = {"198.51.100.2"} }\n'
                    f'fingerprint {{ signatures = {{"{OWN}"}} }}\n')
    path = write(tmp_path, [p.ip4(A, B, 6, segment(A, B, 40000, 80, p.SYN, LINUX + b'\7'))])
    assert not [r for r in records('-c', conf, path) if r['event_type'] == 'fingerprint']
    conf.write_text(conf.read_text().replace('application_records = false\n', ''))
    assert [r for r in records('-c', conf, path) if r['event_type'] == 'fingerprint']


# ---- where addresses are ----

def place_frames(src):
    return [p.ip(src, B if '.' in src else '2001:db8::2', 6,
                 segment(src, B if '.' in src else '2001:db8::2', 40000, 80, p.SYN, LINUX + b'\7'))]


def test_places(tmp_path):
    """Countries of one file, autonomous systems of another; longest prefix, both versions, both forms of a country."""
    country, system = tmp_path / 'country.mmdb', tmp_path / 'as.mmdb'
    country.write_bytes(mmdb.make({'192.0.2.0/24': {'country': {'iso_code': 'NL', 'names': {'en': 'x'}}},
                                   '192.0.2.128/25': {'country_code': 'DE'},
                                   '2001:db8::/32': {'country_code': 'CZ'}}))
    system.write_bytes(mmdb.make({'192.0.2.0/24': {'autonomous_system_number': 64500,
                                                   'autonomous_system_organization': 'Example "AS"\n'}}))
    frames = [f for a in ('192.0.2.1', '192.0.2.200', '203.0.113.1', '2001:db8::1') for f in place_frames(a)]
    found = fingerprints(write(tmp_path, frames), '--geo', country, '--geo', system)
    places = {f['fingerprint']['subject']: f.get('geo') for f in found}
    assert places == {
        '192.0.2.1': {'country': 'NL', 'as_number': 64500, 'as_name': 'Example "AS"\n'},
        '192.0.2.200': {'country': 'DE', 'as_number': 64500, 'as_name': 'Example "AS"\n'},
        '203.0.113.1': None,
        '2001:db8::1': {'country': 'CZ'},
    }


def test_place_of_a_login(tmp_path):
    system = tmp_path / 'as.mmdb'
    system.write_bytes(mmdb.make({'192.0.2.0/24': {'autonomous_system_number': 64500}}))
    said = [(A, B, 40000, 21, b''), (B, A, 21, 40000, b'220 hi\r\n'), (A, B, 40000, 21, b'USER bob\r\n'),
            (B, A, 21, 40000, b'331 password\r\n'), (A, B, 40000, 21, b'PASS x\r\n'), (B, A, 21, 40000, b'230 in\r\n')]
    seq = {A: 1001, B: 5001}
    frames = [p.ip4(A, B, 6, segment(A, B, 40000, 21, p.SYN, seq=1000)),
              p.ip4(B, A, 6, segment(B, A, 21, 40000, p.SYN | p.ACK, seq=5000, ack=1001))]
    for src, dst, sport, dport, data in said:
        frames.append(p.ip4(src, dst, 6, segment(src, dst, sport, dport, p.ACK, seq=seq[src], ack=seq[dst], data=data)))
        seq[src] += len(data)
    frames.append(p.ip4(A, B, 6, segment(A, B, 40000, 21, p.ACK, seq=seq[A], ack=seq[B])))
    login, = [r for r in records('--geo', system, write(tmp_path, frames)) if r['event_type'] == 'login']
    assert login['login']['user'] == 'bob' and login['geo'] == {'as_number': 64500, 'ip': A}


def test_no_database(tmp_path):
    """What is none is refused by name; what is damaged is refused, or says nothing, but harms nobody."""
    path = write(tmp_path, place_frames(A))
    missing = run('-o', '-', '--geo', tmp_path / 'nosuch.mmdb', path)
    assert missing.returncode != 0 and 'nosuch.mmdb' in missing.stderr
    whole = mmdb.make({'192.0.2.0/24': {'country_code': 'NL'}})
    database = tmp_path / 'cut.mmdb'
    for size in [*range(0, len(whole), len(whole) // 8), len(whole) - 1]:
        database.write_bytes(whole[:size])
        assert run('-o', '-', '--geo', database, path).returncode in (0, 4), size
    rng = random.Random(4)
    for _ in range(16):
        broken = bytearray(whole)
        for _ in range(4):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        database.write_bytes(bytes(broken))
        assert run('-o', '-', '--geo', database, path).returncode in (0, 4), bytes(broken)
