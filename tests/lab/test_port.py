# SPDX-License-Identifier: Apache-2.0
"""A pair of ports is a wire: every frame arrives as it was sent, in order, and nothing else does."""
import hashlib
import json
import random
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from portlab import Lab, Wire, inside, ip, wait_until

EQUAL_MACS = bytes.fromhex('020000000002') + bytes.fromhex('020000000001')


def frame(dst, ethertype, payload):
    return bytes.fromhex(dst) + bytes.fromhex('020000000001') + struct.pack('!H', ethertype) + payload


def tagged(tpid, tci, inner, payload):
    return EQUAL_MACS + struct.pack('!HHH', tpid, tci, inner) + payload


ODD = {
    'runt of 14': frame('020000000002', 0x88b5, b''),
    'runt of 22': frame('020000000002', 0x88b5, b'12345678'),
    '59 bytes': frame('020000000002', 0x88b5, bytes(45)),
    '802.3 with LLC': frame('020000000002', 38, b'\x42\x42\x03' + bytes(35)),
    '802.3 raw IPX': frame('ffffffffffff', 46, b'\xff\xff' + bytes(44)),
    'STP': frame('0180c2000000', 38, b'\x42\x42\x03' + bytes(43)),
    'LLDP': frame('0180c200000e', 0x88cc, b'\x02\x07\x04' + bytes(43)),
    'pause': frame('0180c2000001', 0x8808, bytes(46)),
    'unknown ethertype': frame('020000000002', 0xbeef, random.Random(1).randbytes(200)),
    'tag': tagged(0x8100, 5, 0x88b5, bytes(60)),
    'priority tag': tagged(0x8100, 0xe000, 0x88b5, bytes(60)),
    'QinQ': tagged(0x88a8, 100, 0x8100, struct.pack('!HH', 0x2007, 0x88b5) + bytes(60)),
    'two 0x8100 tags': tagged(0x8100, 100, 0x8100, struct.pack('!HH', 7, 0x88b5) + bytes(60)),
    '0x9100 tag': tagged(0x9100, 100, 0x88b5, bytes(60)),
    'full size': frame('020000000002', 0x88b5, random.Random(2).randbytes(1500)),
    'full size with tag': tagged(0x8100, 5, 0x88b5, random.Random(3).randbytes(1500)),
    'IP protocol 11': frame('020000000002', 0x0800, bytes.fromhex(
        '4500002800010000400b66c20a0900010a090002') + bytes(20)),
    'IP with a wrong checksum': frame('020000000002', 0x0800, bytes.fromhex(
        '45000028000100004006dead0a0900010a090002') + bytes(20)),
}


@pytest.fixture
def lab(build):
    lab = Lab(build)
    yield lab
    lab.close()


def finish(process):
    process.terminate()
    out, _ = process.communicate(timeout=5)
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize('backwards', [False, True])
def test_odd_frames(lab, backwards):
    process = lab.forwarder()
    a, b = Wire(lab.a, 'e0'), Wire(lab.b, 'e0')
    if backwards:
        a, b = b, a
    for name, data in ODD.items():
        a.send(data)
        assert b.recv() == data, name
    for data in ODD.values():
        a.send(data)
    assert b.all() == list(ODD.values())
    assert a.all(0.1) == []
    counts = finish(process)
    assert sum(c['received'] for c in counts) == 2 * len(ODD)
    assert not any(c['failed'] + c['refused'] + c['oversize'] + c['checksum'] + c['unseen'] for c in counts)
    assert sum(c['seen'] for c in counts) > 0


def test_ten_thousand_in_order(lab):
    lab.forwarder()
    a, b = Wire(lab.a, 'e0'), Wire(lab.b, 'e0')
    rng = random.Random(4)
    sent = [frame('020000000002', 0x88b5, struct.pack('!I', n) + rng.randbytes(rng.randrange(1497))) for n in range(10000)]
    for at in range(0, len(sent), 500):
        for data in sent[at:at + 500]:
            a.send(data)
        assert [b.recv(1) for _ in range(500)] == sent[at:at + 500]
    assert a.all(0.1) == b.all(0.1) == []


def sum16(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data[:len(data) & ~1])) + (data[-1] << 8 if len(data) % 2 else 0)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


class Segments:
    """Frames of one TCP stream, as a sender makes them."""

    def __init__(self, version, rng):
        self.version, self.rng = version, rng
        self.seq, self.id = rng.randrange(1 << 32), rng.randrange(1 << 16)

    def next(self, size, flags=0x10, window=500, ttl=64, options=b'\x01\x01\x08\x0a' + bytes(8), jump=0, bad=False):
        payload = self.rng.randbytes(size)
        tcp = struct.pack('!HHIIBBHHH', 80, 4000, (self.seq + jump) & 0xffffffff, 7, (20 + len(options)) << 2, flags,
                          window, 0, 0) + options + payload
        if self.version == 4:
            addresses = bytes.fromhex('0a0900010a090002')
            head = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(tcp), self.id, 0x4000, ttl, 6, 0) + addresses
            head = head[:10] + struct.pack('!H', sum16(head) ^ 0xffff) + head[12:]
        else:
            addresses = bytes.fromhex('fd09' + '00' * 13 + '01' + 'fd09' + '00' * 13 + '02')
            head = struct.pack('!IHBB', 0x60012345, len(tcp), 6, ttl) + addresses
        total = sum16(addresses + struct.pack('!HH', 6, len(tcp)) + tcp) ^ 0xffff
        tcp = tcp[:16] + struct.pack('!H', total ^ bad) + tcp[18:]
        self.seq, self.id = (self.seq + size) & 0xffffffff, (self.id + 1) & 0xffff
        return frame('020000000002', 0x0800 if self.version == 4 else 0x86dd, head + tcp)


def send_at_once(process, wire, frames):
    """The forwarder finds them all in its ring: so it takes them in bursts, whatever else this machine does."""
    process.send_signal(signal.SIGSTOP)
    for data in frames:
        wire.send(data)
    process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize('version,how', [(4, '-m'), (6, '-m'), (4, '-r'), (6, '-r')])
def test_merged_segments(lab, version, how):
    """What goes together through the kernel arrives in the frames in which it came, and in their order; also where
    the kernel does not take it like that."""
    process = lab.forwarder(merge=how)
    a, b = Wire(lab.a, 'e0'), Wire(lab.b, 'e0')
    rng = random.Random(version)
    for _ in range(30):
        stream, sent = Segments(version, rng), []
        size = rng.choice([1, 7, 536, 1000, 1440 if version == 4 else 1420])
        for n in range(200):
            sent.append(rng.choices([
                lambda: stream.next(size), lambda: stream.next(size, flags=0x18), lambda: stream.next(max(1, size // 3)),
                lambda: stream.next(size, flags=0x11), lambda: stream.next(size, window=n), lambda: stream.next(size, ttl=9),
                lambda: stream.next(0), lambda: stream.next(size, bad=True), lambda: stream.next(size, jump=1),
                lambda: stream.next(size, options=b''), lambda: frame('020000000002', 0x88b5, bytes(60)),
            ], [60] + [1] * 10)[0]())
        send_at_once(process, a, sent)
        assert [b.recv(1) for _ in sent] == sent
    assert a.all(0.1) == b.all(0.1) == []
    counts = finish(process)
    merged = sum(c['merged'] for c in counts)
    assert merged > 1000 if how == '-m' else merged == 0, counts
    assert not any(c['failed'] + c['refused'] + c['lost'] for c in counts), counts


def test_merged_that_may_have_left(lab):
    """No room, says the kernel, and it may be so of the last frame only: none of them goes again, all count as failed."""
    process = lab.forwarder(merge='-d')
    a, b = Wire(lab.a, 'e0'), Wire(lab.b, 'e0')
    stream = Segments(4, random.Random(3))
    send_at_once(process, a, [stream.next(1000) for _ in range(2000)])
    arrived = len(b.all(0.5))
    counts = finish(process)
    failed = sum(c['failed'] for c in counts)
    assert failed > 500 and arrived + failed == 2000, (arrived, counts)
    assert sum(c['sent'] for c in counts) == arrived and sum(c['merged'] for c in counts) == 0, counts


def test_not_merged_beyond_the_mtu(lab):
    """A frame has room for a tag; without one it may be too long for the other end, which the driver tells of each."""
    process = lab.forwarder(merge='-m')
    ip('-n', lab.a, 'link', 'set', 'e0', 'mtu', '1504')
    a, b = Wire(lab.a, 'e0'), Wire(lab.b, 'e0')
    stream = Segments(4, random.Random(4))
    sent = [stream.next(1504 - 20 - 32) for _ in range(200)]
    send_at_once(process, a, sent)
    assert b.all(0.5) == sent
    assert sum(c['merged'] for c in finish(process)) == 0


def test_merged_streams(lab):
    lab.addresses()
    process = lab.forwarder(merge='-m')
    b = Wire(lab.b, 'e0')
    for family, address in ((socket.AF_INET, '10.9.0.2'), (socket.AF_INET6, 'fd09::2')):
        exchange(lab, family, address)
    assert max(len(f) for f in b.all(0.1)) <= 1514
    assert sum(c['merged'] for c in finish(process)) > 1000


def exchange(lab, family, address):
    """Sends 8 MB each way on one TCP connection."""
    data = random.Random(5).randbytes(8 << 20)
    got = {}

    def talk(name, sock):
        sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))
        sender.start()
        got[name] = hashlib.sha256()
        while block := sock.recv(1 << 16):
            got[name].update(block)
        sender.join()

    with inside(lab.b):
        server = socket.socket(family, socket.SOCK_STREAM)
    server.settimeout(20)
    server.bind((address, 5000))
    server.listen()
    with inside(lab.a):
        client = socket.socket(family, socket.SOCK_STREAM)
    client.settimeout(20)
    client.connect((address, 5000))
    other, _ = server.accept()
    other.settimeout(20)
    threads = [threading.Thread(target=talk, args=pair) for pair in (('client', client), ('server', other))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    expected = hashlib.sha256(data).hexdigest()
    assert [got[name].hexdigest() for name in ('client', 'server')] == [expected, expected]


@pytest.mark.parametrize('vlan', [False, True])
@pytest.mark.parametrize('family,address', [(socket.AF_INET, '10.9.0.2'), (socket.AF_INET6, 'fd09::2')])
def test_tcp_with_default_offloads(lab, family, address, vlan):
    """Checksums are left open and super-frames of 64 KiB come, on a VLAN too."""
    if vlan:
        for ns, n in ((lab.a, 1), (lab.b, 2)):
            lab.sysctl(ns, 'net/ipv6/conf/all/disable_ipv6', 0)
            lab.sysctl(ns, 'net/ipv6/conf/default/disable_ipv6', 0)
            try:
                ip('-n', ns, 'link', 'add', 'link', 'e0', 'name', 'v5', 'type', 'vlan', 'id', '5')
            except subprocess.CalledProcessError:
                pytest.skip('this kernel has no VLAN interfaces')
            ip('-n', ns, 'link', 'set', 'v5', 'up')
            ip('-n', ns, 'addr', 'add', f'10.9.0.{n}/24', 'dev', 'v5')
            ip('-n', ns, 'addr', 'add', f'fd09::{n}/64', 'dev', 'v5', 'nodad')
    else:
        lab.addresses()
    process = lab.forwarder()
    b = Wire(lab.b, 'e0')
    exchange(lab, family, address)
    assert max(len(f) for f in b.all(0.1)) <= 1518
    counts = finish(process)
    assert not any(c['oversize'] + c['checksum'] + c['runt'] for c in counts), counts


def test_udp_segmentation(lab):
    lab.addresses()
    process = lab.forwarder()
    data = random.Random(6).randbytes(60000)
    with inside(lab.b):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(('10.9.0.2', 5000))
    server.settimeout(2)
    with inside(lab.a):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.setsockopt(17, 103, 1001)  # UDP_SEGMENT
    client.sendto(data, ('10.9.0.2', 5000))
    got = [server.recv(2000) for _ in range(60)]
    assert b''.join(got) == data and {len(d) for d in got[:-1]} == {1001}
    assert finish(process)[0]['received'] >= 60


def test_sctp_checksum(lab):
    lab.addresses()
    lab.forwarder()
    try:
        with inside(lab.b):
            server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
        with inside(lab.a):
            client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
    except OSError:
        pytest.skip('this kernel has no SCTP')
    server.bind(('10.9.0.2', 5000))
    server.listen()
    client.settimeout(5)
    client.connect(('10.9.0.2', 5000))


def test_jumbo(build):
    lab = Lab(build, mtu=9000)
    try:
        lab.forwarder()
        a, b = Wire(lab.a, 'e0'), Wire(lab.b, 'e0')
        data = frame('020000000002', 0x88b5, random.Random(7).randbytes(9000))
        a.send(data)
        assert b.recv() == data
    finally:
        lab.close()


def test_mtu_refused(lab):
    ip('-n', lab.g, 'link', 'set', 'g0', 'mtu', '20000')
    done = subprocess.run(['ip', 'netns', 'exec', lab.g, lab.build / 'tests/lab/forwarder', 'g0', 'g1'],
                          capture_output=True, text=True, timeout=5)
    assert done.returncode == 2 and 'g0: Message too long' in done.stderr


@pytest.mark.parametrize('merge', [None, '-m'])
@pytest.mark.parametrize('far', [True, False])
def test_link_flap(lab, far, merge):
    """Frames for a NIC without carrier (far end down) or set down are counted; then all is well again."""
    where = (lab.b, 'e0') if far else (lab.g, 'g1')
    process = lab.forwarder(merge)
    a, b = Wire(lab.a, 'e0'), Wire(lab.b, 'e0')
    ip('-n', where[0], 'link', 'set', where[1], 'down')
    stream = Segments(4, random.Random(5))
    for _ in range(100):  # at once, and when the kernel has noticed
        a.send(stream.next(500))
    time.sleep(1.5)
    for _ in range(100):
        a.send(stream.next(500))
    time.sleep(0.3)
    ip('-n', where[0], 'link', 'set', where[1], 'up')
    del b
    b = Wire(lab.b, 'e0')
    sent = [frame('020000000002', 0x88b5, struct.pack('!I', n) + bytes(60)) for n in range(1000, 3000)]
    for data in sent:
        a.send(data)
    assert [f for f in b.all(0.5) if f[14:16] == sent[0][14:16] and f >= sent[0]] == sent
    counts = finish(process)
    assert counts[1]['failed'] == 200, counts
    assert counts[0]['received'] == 2200


def test_nic_deleted(lab):
    process = lab.forwarder()
    a = Wire(lab.a, 'e0')
    a.send(ODD['tag'])
    ip('-n', lab.g, 'link', 'del', 'g1')
    wait_until(lambda: process.poll() is not None)
    assert process.returncode == 3
