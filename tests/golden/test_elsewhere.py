# SPDX-License-Identifier: Apache-2.0
"""Captures from elsewhere: wrong checksums, and conversations that began before the capture."""
import struct

import pytest

import packets as p
from fishbowl import bodies, replay_packets

A, B = '192.0.2.1', '198.51.100.2'
REQUEST = b'GET /what HTTP/1.0\r\nHost: h\r\n\r\n'


def left_open(packet):
    """The checksum as the stack hands it to a NIC that fills it in: that of the pseudo header."""
    size = len(packet) - 20
    total = ~p.checksum(packet[12:20] + struct.pack('>HH', packet[9], size)) & 0xffff
    at = 20 + (16 if packet[9] == 6 else 6)
    return packet[:at] + struct.pack('>H', total) + packet[at + 2:]


def spoilt(packet):
    at = 20 + (16 if packet[9] == 6 else 6)
    return packet[:at] + bytes([packet[at] ^ 0x55]) + packet[at + 1:]


def conversation(client=bytes, server=bytes):
    return [client(packet) if of_client else server(packet)
            for of_client, packet in p.tcp_talk(A, B, 40000, 80, request=REQUEST)]


def urls(tmp_path, packets, *args):
    """None: of an answer whose request was not looked at."""
    return [http.get('url') for http in bodies(replay_packets(tmp_path, packets, *args), 'http')]


@pytest.mark.parametrize('change', [left_open, spoilt])
def test_left_to_the_nic_or_always_wrong(tmp_path, change):
    for packets, right in ((conversation(client=change), [None]), (conversation(client=change, server=change), [])):
        assert urls(tmp_path, packets) == ['/what']
        assert urls(tmp_path, packets, '--checksums=any') == ['/what']
        assert urls(tmp_path, packets, '--checksums=right') == right


def without_length(packet):
    """As a super-frame is captured before the NIC cuts it up."""
    return packet[:2] + bytes(2) + packet[4:] if len(packet) > 60 else packet


def test_super_frames_have_no_length(tmp_path):
    packets = conversation(client=lambda packet: without_length(left_open(packet)))
    assert any(packet[2:4] == bytes(2) for packet in packets)
    assert urls(tmp_path, packets) == ['/what']


WIFI = bytes.fromhex('0802 0000 020000000001 020000000002 020000000003 1000 aaaa03000000 0800')


@pytest.mark.parametrize('link, header', [(9, '21'), (50, 'ff030021'), (50, '0f000800'), (104, '0f000800'), (105, WIFI.hex()),
                                          (127, '00000a00000000000101' + WIFI.hex())])
def test_links(tmp_path, link, header):
    packets = [bytes.fromhex(header) + packet for packet in conversation()]
    [http] = bodies(replay_packets(tmp_path, packets, link=link), 'http')
    assert http['url'] == '/what' and http['status'] == 200


def test_wrong_ones_between_right_ones(tmp_path):
    """What his peer does not take cannot hide what it takes, from who asks for right ones."""
    packets = conversation()
    at = next(n for n, packet in enumerate(packets) if REQUEST in packet)
    packets.insert(at, spoilt(packets[at].replace(b'/what', b'/lies')))
    assert urls(tmp_path, packets, '--checksums=right') == ['/what']
    assert urls(tmp_path, packets) == ['/lies']


def test_dns_on_the_loopback_interface(tmp_path):
    question = struct.pack('>HHHHHH', 7, 0x100, 1, 0, 0, 0) + b'\3www\7example\0' + struct.pack('>HH', 1, 1)
    packet = left_open(p.udp('127.0.0.1', '127.0.0.53', 40000, 53, question))
    [dns] = bodies(replay_packets(tmp_path, [packet]), 'dns')
    assert dns['queries'][0]['rrname'] == 'www.example'


def test_began_before_the_capture(tmp_path):
    late = conversation()[3:]
    assert urls(tmp_path, late) == ['/what']
    assert urls(tmp_path, late, '--midstream=false') == []


def test_answer_first(tmp_path):
    """The capture begins with an answer to an earlier request."""
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
    first = p.tcp(B, A, 80, 40000, p.PSH | p.ACK, seq=5001 - len(answer), ack=1001, data=answer)
    found = replay_packets(tmp_path, [first, *conversation()[3:]])
    assert [http.get('url') for http in bodies(found, 'http')] == [None, '/what']
    [flow] = [record for record in found if record['event_type'] == 'flow']
    assert (flow['src_ip'], flow['dest_port'], flow['app_proto']) == (A, 80, 'http')


@pytest.mark.parametrize('first', [0, 1, 2])
def test_ftp_began_before_the_capture(tmp_path, first):
    """On a port of nobody, whoever speaks first in the capture."""
    data = p.talk([(0, b'not of any type\n')], 20, 1234, (B, A))
    steps = [(0, b'PASS b\r\n'), (1, b'230 ok\r\n'), (0, b'PORT 192,0,2,1,4,210\r\n'), (1, b'200 ok\r\n'), (0, b'RETR k\r\n'),
             (1, b'150 ok\r\n'), *data, (1, b'226 ok\r\n')]
    packets = p.talk(steps, 1046, 5554, (A, B))
    found = replay_packets(tmp_path, packets[3 + first:])
    assert [(file['filename'], file['size']) for file in bodies(found, 'fileinfo')] == [('k', 16)]
    commands = [(record['src_port'], record['ftp']['command']) for record in found
                if record['event_type'] == 'ftp' and 'command' in record['ftp']]
    assert (1046, 'PORT') in commands and (1046, 'RETR') in commands


def test_http_began_before_the_capture(tmp_path):
    steps = [(1, b'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n'), (0, REQUEST), (1, b'HTTP/1.0 200 OK\r\n\r\n')]
    assert '/what' in urls(tmp_path, p.talk(steps, 1046, 5554, (A, B))[3:])
