#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes HTTP conversations into tests/corpus/proto, as tests/fuzz/fuzz_proto.c reads them."""
import gzip
import pathlib
import struct
import zlib

HERE = pathlib.Path(__file__).parent / 'proto'
BODY = b'what was compressed, and what was compressed' * 3
ASK = b'GET /a/../b%63?q=1 HTTP/1.1\r\nHost: H.example\r\nCookie: a=1\r\n\r\n'


PORT_80 = 9  # its number in fuzz_proto.c
SERVER, END, GAP = 1, 14 << 1, 15 << 1


def conversation(name, *steps):
    """`steps`: (what, bytes) - see piece() of fuzz_proto.c."""
    data = bytes([PORT_80])
    for what, said in steps:
        data += struct.pack('<BH', what, len(said)) + said
    (HERE / name).write_bytes(data)


def response(body, *headers):
    head = b'HTTP/1.1 200 OK\r\n' + b''.join(line + b'\r\n' for line in headers)
    return head + b'Content-Length: %d\r\n\r\n' % len(body) + body


def http():
    conversation('http-plain', (0, ASK), (1, response(b'hello', b'Set-Cookie: b=2')))
    conversation('http-pipelined', (0, ASK * 3), (1, response(b'x') * 3))
    conversation('http-gzip', (0, ASK), (1, response(gzip.compress(BODY, mtime=0), b'Content-Encoding: gzip')))
    conversation('http-deflate', (0, ASK), (1, response(zlib.compress(BODY), b'Content-Encoding: deflate')))
    twice = gzip.compress(gzip.compress(BODY, mtime=0), mtime=0)
    conversation('http-twice', (0, ASK), (1, response(twice, b'Content-Encoding: gzip, gzip')))
    deflated = response(zlib.compress(BODY), b'Content-Encoding: deflate')
    conversation('http-deflate-pieces', (0, ASK), (1, deflated[:-60]), *((1, deflated[i:i + 1]) for i in range(-60, -1)))
    conversation('http-deflate-raw', (0, ASK), (1, response(zlib.compress(BODY)[2:-4], b'Content-Encoding: deflate')))
    member = gzip.compress(BODY, mtime=0)
    fields = member[:3] + b'\x1e' + member[4:10] + b'\2\0ab' + b'name\0' + b'comment\0' + b'12' + member[10:]
    conversation('http-members', (0, ASK), (1, response(fields + member + b'\x1fgarbage', b'Content-Encoding: x-gzip')))
    conversation('http-not-gzip', (0, ASK), (1, response(BODY, b'Content-Encoding: gzip, identity, deflate')))
    post = b'POST /u HTTP/1.1\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n'
    conversation('http-request-deflate', (0, post % len(member) + member), (1, response(b'')))
    chunks = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfoo \r\n3;x\r\nbar\r\n0\r\nT: 1\r\n\r\n'
    conversation('http-chunked', (0, ASK), (1, chunks[:60]), (1, chunks[60:]))
    parts = (b'--b\r\nContent-Disposition: form-data; name="f"; filename="n"\r\n\r\ndata\r\n'
             b'--b\r\n\r\nfield\r\n--b--\r\n')
    post = b'POST /u HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n'
    conversation('http-multipart', (0, post % len(parts) + parts), (1, response(b'')))
    conversation('http-connect', (0, b'CONNECT h:443 HTTP/1.1\r\n\r\n'), (1, b'HTTP/1.1 200 Yes\r\n\r\n'),
                 (0, ASK), (1, response(b'inner')))
    conversation('http-continue', (0, b'PUT /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n'),
                 (1, b'HTTP/1.1 100 Continue\r\n\r\n'), (0, b'abc'), (1, response(b'')))
    conversation('http-gap', (0, ASK), (1, response(b'x' * 30)[:50]), (GAP | SERVER, b'x' * 20), (1, b'x' * 10), (END | SERVER, b''))
    conversation('http-alone', (1, response(b'nobody asked')))
    conversation('http-old', (0, b'GET /old\r\n'), (1, b'<html>plain</html>'))


if __name__ == '__main__':
    HERE.mkdir(exist_ok=True)
    http()
