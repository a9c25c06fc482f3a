#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes conversations into tests/corpus/proto, as tests/fuzz/fuzz_proto.c reads them."""
"""Writes conversations of HTTP and mail into tests/corpus/proto, as tests/fuzz/fuzz_proto.c reads them."""
"""Writes conversations of HTTP and SNMP into tests/corpus/proto, as tests/fuzz/fuzz_proto.c reads them."""
"""Writes conversations of HTTP and of small protocols over UDP into tests/corpus/proto, as tests/fuzz/fuzz_proto.c reads them."""
"""Writes conversations of HTTP and of databases into tests/corpus/proto, as tests/fuzz/fuzz_proto.c reads them."""
import base64
import gzip
import pathlib
import struct
import zlib

HERE = pathlib.Path(__file__).parent / 'proto'
BODY = b'what was compressed, and what was compressed' * 3
ASK = b'GET /a/../b%63?q=1 HTTP/1.1\r\nHost: H.example\r\nCookie: a=1\r\n\r\n'


PORT_21, PORT_80 = 3, 9  # its number in fuzz_proto.c
SERVER, END, GAP = 1, 14 << 1, 15 << 1


def conversation(name, *steps, port=PORT_80):
    """`steps`: (what, bytes) - see piece() of fuzz_proto.c."""
    data = bytes([port])
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
    form = b'user=a%20b&x&pass=%zz+%4'
    post = b'POST /u HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n'
    conversation('http-form', (0, post % len(form) + form), (1, response(b'')))
    text = b'{"a":[{}],"params":{"username":"a\\u00e9","password":-1,"x":"\\"]"},"pwd":"b"}'
    post = b'POST /?user=q&pwd=%%2 HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n'
    conversation('http-json', (0, post % len(text) + text + post % 2 + b'[}'), (1, response(b'') * 2))
    part = b'HTTP/1.1 206 P\r\nContent-Length: 3\r\nContent-Range: bytes %d-%d/9\r\n\r\nabc'
    conversation('http-parts', (0, ASK * 4), *((1, part % (at, at + 2)) for at in (0, 2, 7, 5)))
    conversation('http-connect', (0, b'CONNECT h:443 HTTP/1.1\r\n\r\n'), (1, b'HTTP/1.1 200 Yes\r\n\r\n'),
                 (0, ASK), (1, response(b'inner')))
    conversation('http-continue', (0, b'PUT /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n'),
                 (1, b'HTTP/1.1 100 Continue\r\n\r\n'), (0, b'abc'), (1, response(b'')))
    conversation('http-gap', (0, ASK), (1, response(b'x' * 30)[:50]), (GAP | SERVER, b'x' * 20), (1, b'x' * 10), (END | SERVER, b''))
    conversation('http-alone', (1, response(b'nobody asked')))
    conversation('http-old', (0, b'GET /old\r\n'), (1, b'<html>plain</html>'))


PORT_445, PORT_389, PORT_161, PORT_5060 = 4, 10, 12, 13


def setup(side, number, status, blob):
    message = struct.pack('<4sHHIHHIIQIIQ16x', b'\xfeSMB', 64, 0, status, 1, 1, side, 0, number, 0, 0, 0) + blob
    return side, struct.pack('>I', len(message)) + message


def logins():
    conversation('login-basic', (0, ASK[:-2] + b'Authorization: Basic YWRtaW46cw==\r\n\r\n'), (1, response(b'')))
    conversation('login-digest', (0, ASK[:-2] + b'Proxy-Authorization: Digest username="u, v", response=f00\r\n\r\n'),
                 (1, b'HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n'))
    conversation('login-ldap', (0, b'0\x14\2\1\1\x60\x0f\2\1\3\4\4cn=a\x80\4pass'), (1, b'0\x0c\2\1\1\x61\7\x0a\1\x31\4\0\4\0'),
                 port=PORT_389)
    conversation('login-digest-odd', (0, ASK[:-2] + b'Authorization: digest\tresponse=f , x=\'a\\\'\';Username*=U\'\'b username="c'
                 b'\r\n\r\n'), (1, response(b'')))
    conversation('login-sip', (0, b'REGISTER sip:h SIP/2.0\r\nAuthorization: Digest username="1",response="f"\r\n\r\n'),
                 (1, b'SIP/2.0 403 No\r\n\r\n'), port=PORT_5060)
    fields = b''.join(struct.pack('<HHI', size, size, at) for size, at in ((24, 64), (28, 88), (1, 116), (2, 117), (0, 0), (0, 0)))
    type3 = b'NTLMSSP\0\3\0\0\0' + fields + struct.pack('<I', 2) + bytes(range(52)) + b'Dme'
    conversation('login-ntlm', setup(0, 1, 0, b''), setup(1, 1, 0xc0000016, b'NTLMSSP\0\2\0\0\0' + bytes(12) + b'12345678'),
                 setup(0, 2, 0, type3), setup(1, 2, 0xc000006d, b''), port=PORT_445)
    type2 = b'NTLMSSP\0\2\0\0\0' + bytes(12) + b'12345678'
    ask = b'GET / HTTP/1.1\r\nAuthorization: NTLM ' + base64.b64encode(type3) + b'\r\n\r\n'
    challenge = b'HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic x, NTLM ' + base64.b64encode(type2) + b'\r\nContent-Length: 0\r\n\r\n'
    conversation('login-http-ntlm', (0, ASK), (1, challenge), (0, ask), (1, response(b'')))
    bind = b'\2\1\3\4\0\xa3\x82' + struct.pack('>H', len(type3) + 16) + b'\4\x0aGSS-SPNEGO\4\x82' + struct.pack('>H', len(type3)) + type3
    bind = b'\2\1\1\x60\x82' + struct.pack('>H', len(bind)) + bind
    conversation('login-ldap-ntlm', (0, b'0\x82' + struct.pack('>H', len(bind)) + bind), (1, b'0\x0c\2\1\1\x61\7\x0a\1\0\4\0\4\0'),
                 (0, b'0\x1e\2\1\2\x60\x19\2\1\3\4\0\xa3\x12\4\5PLAIN\4\x09\0joe\0pass'), port=PORT_389)


def framed(*messages):
    return struct.pack('>I', len(b''.join(messages))) + b''.join(messages)


def smb1(side, number, command, words, said=b'', more=b'', status=0):
    head = b'\xffSMB' + struct.pack('<BIBH12xHHHH', command, status, 0x80 * side, 0x4000, 3, 0, 4, number)
    return (side, framed(head + bytes([len(words) // 2]) + words + struct.pack('<H', len(said)) + said + more))


def smb2(side, number, command, body, flags=0, last=True):
    head = b'\xfeSMB' + struct.pack('<HHIHHIIQIIQ16x', 64, 0, 0, command, 1, side | flags, 0 if last else 64 + len(body),
                                    number, 0, 7, 9)
    return head + body


def smb_files():
    name = 'file.txt'.encode('utf-16-le')
    create = bytes(36) + struct.pack('<IIHH8x', 2, 0, 120, len(name)) + name
    created = bytes(48) + struct.pack('<Q8x', 8) + struct.pack('<QQ', 1, 2)
    same, known = b'\xff' * 16, struct.pack('<QQ', 1, 2)

    def write(handle, at, said):
        return struct.pack('<HHIQ', 49, 112, len(said), at) + handle + bytes(16) + said

    def read(at):
        return bytes(8) + struct.pack('<Q', at) + known + bytes(16)

    def was_read(said):
        return struct.pack('<HHI8x', 17, 80, len(said)) + said

    def turn(number, command, ask, answer):
        return (0, framed(smb2(0, number, command, ask))), (1, framed(smb2(1, number, command, answer)))

    conversation('smb-files', *turn(1, 5, create, created), *turn(2, 9, write(known, 4, b'late'), bytes(16)),
                 *turn(3, 9, write(known, 0, b'soon'), bytes(16)), *turn(4, 8, read(4), was_read(b'4567')),
                 *turn(5, 8, read(0), was_read(b'0123')), *turn(6, 6, bytes(8) + known, bytes(60)), port=PORT_445)
    ask = framed(smb2(0, 1, 5, create, last=False), smb2(0, 2, 9, write(same, 0, b'12345678'), flags=4, last=False),
                 smb2(0, 3, 6, bytes(8) + same, flags=4))
    answer = framed(smb2(1, 1, 5, created, last=False), smb2(1, 2, 9, bytes(16), flags=4, last=False),
                    smb2(1, 3, 6, bytes(64), flags=4))
    conversation('smb-chained', (0, ask), (1, answer), port=PORT_445)
    long = smb2(0, 2, 9, write(known, 0, bytes(49500)), last=False) + smb2(0, 3, 6, bytes(8) + known, flags=4)
    conversation('smb-long', *turn(1, 5, create, created), (0, framed(long)[:30000]), (GAP, b'x' * 1000), (0, framed(long)[31000:]),
                 (GAP, bytes(9)), *turn(4, 5, create, created), *turn(5, 9, write(known, 9, b'x'), bytes(16)), port=PORT_445)
    find = b'\x21\0\x03\0' + bytes(20) + struct.pack('<HH4x', 96, 2) + b'*\0'
    entry = struct.pack('<I56xI30x', 0, len(name)) + name
    conversation('smb-find', *turn(1, 14, find, struct.pack('<HHI', 9, 72, len(entry)) + entry), port=PORT_445)
    andx = b'\xff\0\0\0'
    challenge = struct.pack('<HB', 0, 3) + bytes(30) + b'\x08'
    account = andx + bytes(10) + struct.pack('<HH8x', 24, 24)
    conversation('smb-old', smb1(0, 1, 0x72, b'', b'\2NT LM 0.12\0'), smb1(1, 1, 0x72, challenge, b'12345678'),
                 smb1(0, 2, 0x73, account, b'L' * 24 + b'N' * 24 + b'joe\0WG\0Unix\0Samba\0'), smb1(1, 2, 0x73, andx + bytes(2), b'Unix\0S\0'),
                 smb1(0, 3, 0x75, andx + b'\0\0\x18\0', b'p' * 24 + b'\\\\H\\S\0A:\0'), smb1(1, 3, 0x75, andx, b'A:\0'),
                 smb1(0, 4, 0x02, bytes(4), b'\4a.txt\0'), smb1(1, 4, 0x02, b'\1\0' + bytes(12)),
                 smb1(0, 5, 0x0b, b'\1\0\3\0\0\0\0\0\0\0', b'\1\3\0abc'), smb1(1, 5, 0x0b, b'\3\0'),
                 smb1(0, 6, 0x0a, b'\1\0\3\0\0\0\0\0\0\0'), smb1(1, 6, 0x0a, b'\3\0' + bytes(8), b'\1\3\0abc'),
                 smb1(0, 7, 0x2c, b'\1\0\1\0\3\0\0\0' + bytes(4), b'\0d'), smb1(1, 7, 0x2c, b'\1\0'),
                 smb1(0, 8, 0x81, bytes(4), b'\4\\*\0\5\0\0'), smb1(1, 8, 0x81, b'\1\0', b'\5\x2b\0' + bytes(30) + b'A.TXT' + bytes(8)),
                 smb1(0, 9, 0x07, bytes(2), b'\4a\0\4b\0'), smb1(1, 9, 0x71, b''), port=PORT_445)
    chained = b'\x2e\0\x47\0' + bytes(26), b'\x0a' + andx + b'\xff\xff' + bytes(14) + bytes(2)
    answers = b'\x2e\0\x41\0\x08\0' + bytes(24), b'\x0c' + andx + bytes(6) + b'\2\0\x5c\0' + bytes(10) + b'\2\0go'
    conversation('smb-andx', smb1(0, 1, 0x2d, chained[0], b'c.txt\0', chained[1]), smb1(1, 1, 0x2d, answers[0], b'', answers[1]),
                 port=PORT_445)
    query = b'\x22\0' + bytes(16) + b'\x22\0\x41\0' + bytes(4) + b'\1\0\1\0'
    entry = struct.pack('<IIIH', 0, 0, 2, 0x2a)
    conversation('smb-trans2', smb1(0, 1, 0x32, query, struct.pack('<HHHHI', 0, 9, 0, 0x103, 0) + b'\\*\0'),
                 smb1(1, 1, 0x32, bytes(6) + b'\0\0\x37\0\0\0' + struct.pack('<HH4x', len(entry), 55), entry), port=PORT_445)


def tlv(tag, *parts):
    body = b''.join(parts)
    return bytes([tag]) + (bytes([len(body)]) if len(body) < 128 else b'\x82' + struct.pack('>H', len(body))) + body


def krb5():
    def number(n):
        return tlv(2, struct.pack('b', n))

    def name(*parts):
        return tlv(0x30, tlv(0xa0, number(1)), tlv(0xa1, tlv(0x30, *(tlv(0x1b, part) for part in parts))))

    realm, service = tlv(0x1b, b'R.ORG'), name(b'krbtgt', b'R.ORG')
    proof = tlv(0x30, tlv(0xa0, number(23)), tlv(0xa2, tlv(4, bytes(52))))
    padata = tlv(0x30, tlv(0x30, tlv(0xa1, number(2)), tlv(0xa2, tlv(4, proof))))
    body = tlv(0x30, tlv(0xa0, number(0)), tlv(0xa1, name(b'joe')), tlv(0xa2, realm), tlv(0xa3, service),
               tlv(0xa8, tlv(0x30, number(18), number(-128))))
    ask = tlv(0x6a, tlv(0x30, tlv(0xa1, number(5)), tlv(0xa2, number(10)), tlv(0xa3, padata), tlv(0xa4, body)))
    ticket = tlv(0x61, tlv(0x30, tlv(0xa0, number(5)), tlv(0xa1, realm), tlv(0xa2, service), tlv(0xa3, proof)))
    give = tlv(0x6b, tlv(0x30, tlv(0xa0, number(5)), tlv(0xa1, number(11)), tlv(0xa3, realm), tlv(0xa4, name(b'joe')),
                         tlv(0xa5, ticket), tlv(0xa6, proof)))
    no = tlv(0x7e, tlv(0x30, tlv(0xa0, number(5)), tlv(0xa1, number(30)), tlv(0xa6, number(24)), tlv(0xaa, service)))
    conversation('krb5-udp', (0, ask), (1, no), (0, ask), (1, give), port=PORT_161)
    conversation('krb5-tcp', *((side, framed(message)) for side, message in ((0, ask), (1, no), (0, ask), (1, give))),
                 (0, b'\0\xff\0\0' + bytes(99)))


def remote():
    challenge, screen = b'0123456789abcdef', b'\3\x20\2\x58\x20\x18\0\1\0\xff\0\xff\0\xff\x10\x08\0\0\0\0\0\0\0\1x'
    conversation('rfb-3.3', (1, b'RFB 003.003\n'), (0, b'RFB 003.003\n'), (1, b'\0\0\0\2' + challenge), (0, challenge),
                 (1, bytes(4)), (0, b'\1'), (1, screen))
    conversation('rfb-3.8', (1, b'RFB 003.008\n'), (0, b'RFB 003.008\n'), (1, b'\2\2\1'), (0, b'\2'), (1, challenge),
                 (0, challenge), (1, b'\0\0\0\1\0\0\0\2no'))
    conversation('rfb-none', (1, b'RFB 003.007\n'), (0, b'RFB 003.007\n'), (1, b'\1\1'), (0, b'\1\1'), (1, screen))

    connect = b'\5\1\0\3\7h.local\0\x50'
    conversation('socks-5', (0, b'\5\2\0\2'), (1, b'\5\2'), (0, b'\1\3joe\4pass'), (1, b'\1\0'), (0, connect),
                 (1, b'\5\0\0\1\1\2\3\4\0\x50'), (0, ASK), (1, response(b'inner')))
    conversation('socks-5-v6', (0, b'\5\1\0\5\2\0\4' + bytes(18)), (1, b'\5\0' + 2 * (b'\5\0\0\1' + bytes(6))), (0, ASK))
    conversation('socks-4a', (0, b'\4\1\0\x50\0\0\0\1me\0h.local\0'), (1, b'\0\x5a' + bytes(6)), (0, ASK), (1, response(b'')))
    conversation('socks-reverse', (0, b'NZ\x8d\x08'), (1, b'\5\1\0' + connect), (0, b'\5\0\5\0\0\1' + bytes(6)), (1, ASK))
    cookie = b'Cookie: mstshash=admin\r\n\1\1\x08\0\3\0\0\0'
    conversation('rdp-tls', (0, b'\3\0\0\x2b\x26\xe0\0\0\0\0\0' + cookie),
                 (1, b'\3\0\0\x13\x0e\xd0\0\0\x12\x34\0\2\1\x08\0\2\0\0\0'), (0, ASK))
    conversation('rdp-plain', (0, b'\3\0\0\x0b\6\xe0\0\0\0\0\0'), (1, b'\3\0\0\x0b\6\xd0\0\0\x12\x34\0'),
                 (0, b'\3\0\0\x0c\2\xf0\x80\4\1\0\1\0'))
    core = struct.pack('<HHIHHIII', 0xc001, 216, 0x80004, 800, 600, 0xaa03ca01, 0x409, 2600) + b'P\0'.ljust(32, b'\0')
    core = (core + struct.pack('<III', 4, 0, 12) + bytes(64) + struct.pack('<HHIHHH', 0xca01, 1, 0, 24, 7, 0x57)).ljust(216, b'\0')
    blocks = core + struct.pack('<HHI8sI', 0xc003, 20, 1, b'rdpdr', 0)
    blocks = b'\0\5\0\x14\x7c\0\1\x81\6\0\x08\0\x10\0\1\xc0\0Duca' + struct.pack('>H', 0x8000 | len(blocks)) + blocks
    body = b'\4\1\1\4\1\1\1\1\xff\x30\0\x30\0\x30\0\4\x82' + struct.pack('>H', len(blocks)) + blocks
    body = b'\2\xf0\x80\x7f\x65\x82' + struct.pack('>H', len(body)) + body
    conversation('rdp-connect', (0, b'\3\0\0\x0b\6\xe0\0\0\0\0\0'), (1, b'\3\0\0\x0b\6\xd0\0\0\x12\x34\0'),
                 (0, b'\3\0' + struct.pack('>H', len(body) + 4) + body))
    choice = (1, b'RFB 003.008\n'), (0, b'RFB 003.008\n'), (1, b'\1\x13'), (0, b'\x13'), (1, b'\0\2'), (0, b'\0\2'), (1, b'\0\2\0\0\1\0\0\0\1\2')
    conversation('rfb-plain', *choice, (0, b'\0\0\1\0\0\0\0\1\0\0\0\2upw'), (1, b'\0\0\0\1\0\0\0\2no'))
    conversation('rfb-tls', *choice, (0, b'\0\0\1\2'), (1, b'\1'), (0, ASK))
def shell():
    conversation('shell-telnet', (1, b'\xff\xfd\x18\xff\xfb\x01login: '), (0, b'\xff\xfa\x1f\0\x50\0\x18\xff\xf0ro\xff\xfd\x03t\bot\r\0'),
                 (1, b'root\r\nPassword: '), (0, b'x\x15pw\r\0'), (1, b'\r\nLogin incorrect\r\nlogin: '), (0, b'a\r\nb\r\n'),
                 (1, b'Password: '), (1, b'\r\n\x1b[1m$ \x1b[0m'), (0, b'ls -l\x17\r\nid\r\n'), (1, b'\xff\xffx\r\n$ '))
    conversation('shell-bare', (1, b'Linux\r\nbox Login: '), (0, b'root\n'), (1, b'# '), (0, b'passwd\n'),
                 (1, b'New password: '), (0, b'x\n'), (GAP | SERVER, b'xx'), (1, b'# '), (GAP, b'y'), (0, b'id\n'))
    conversation('shell-environ', (1, b'\xff\xfd\x27'), (0, b'\xff\xfa\x27\0\0DISPLAY\1:0\0USER\1root\xff\xff\xff\xf0'),
                 (1, b'Password: '), (0, b'p\r\0'), (1, b'% '), (0, b'w\r\0'), (END | SERVER, b''), (0, b'x\r\0'))
    conversation('shell-rlogin', (0, b'\0al\0root\0xterm/38400\0'), (1, b'\0\x80Password: '),
                 (0, b'\xff\xffss\0\x18\0\x50\0\0\0\0pw\r'), (1, b'\r\n# '), (0, b'ls\r'), (1, b'ls\r\nf\r\n# '))
    conversation('shell-passwd', (1, b'\xff\xfd\x18# '), (0, b'passwd b\r\n'), (1, b'New password: '), (0, b'x\r\ny\r\n'),
                 (1, b'\r\nRetype new password: '), (1, b'\r\nnot changed\r\n# '), (0, b'echo -e "a\\nb"|passwd\r\n'),
                 (0, b'chpasswd << E\na:b\nc:$1$d$e\nE\nuseradd -m -p x --shell y u; usermod -pz v\n'),
                 (0, b'mysqladmin -uroot password w; sh -c "echo r:s | sudo chpasswd"\n'), (1, b'# '))
    conversation('shell-rsh', (0, b'1022\0'), (0, b'al\0root\0id\0in'), (1, b'\0uid=0\n'))
    conversation('shell-code', (1, b'\xff\xfd\x18# '), (0, b'''python -c "exec(__import__('base64').b64decode('YQ=='))"\r\n'''),
                 (0, b'''python3 - << EOF\r\nwith open("k", 'ab') as f:\r\n  f.write(b"\\x41" + bytes([66, 0x43]))\r\nEOF\r\n'''),
                 (0, b'''perl -e 'open(F,">k");print F pack("H*","4142");print {$f} "a"."b";' | dd of=d\r\n'''),
                 (0, b'''sh -c 'php -r "file_put_contents(\\"p\\", hex2bin(\\"41\\"), FILE_APPEND);"'\r\n'''))
    conversation('shell-rexec', (0, b'\0root\0pw\0id\0'), (1, b'\1no\n'))


MAIL = (b'From: a\r\nTo: b, c\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: a/b; name=f\r\n'
        b'Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--x--\r\n')


def mail():
    conversation('pop3-mail', (1, b'+OK hi <1@h>\r\n'), (0, b'USER u\r\n'), (1, b'+OK\r\n'), (0, b'PASS p\r\n'), (1, b'+OK\r\n'),
                 (0, b'LIST\r\nRETR 1\r\n'), (1, b'+OK\r\n1 9\r\n.\r\n+OK\r\n' + MAIL + b'.\r\n'), (0, b'QUIT\r\n'))
    conversation('pop3-many', (0, b'CAPA\r\n' + b'USER u\r\nPASS p\r\nLIST\r\n' * 40), (1, b'+OK hi\r\n' + b'+OK\r\nx\r\n.\r\n-ERR\r\n' * 40))
    conversation('ftp-many', (0, b'USER u\r\nPASS p\r\n' * 60), (1, b'220 FTP\r\n' + b'331-p\r\n331 p\r\n530 no\r\n' * 60), port=PORT_21)
    conversation('smtp-words', (1, b'220 ESMTP\r\n'), (0, b'MAIL FROM:<a>\r\nDATA\r\n'), (1, b'250\r\n354\r\n'),
                 (0, b'Subject: =?utf-8?B?w6Q=?= =?latin1*x?Q?=E4_=?= =?x?B?gA==?=\r\n\r\n.\r\n'), (1, b'250\r\n'))
    conversation('pop3-auth', (1, b'+OK hi\r\n'), (0, b'AUTH\r\nAUTH LOGIN\r\n'), (1, b'-ERR\r\n+ x\r\n'), (0, b'dQ==\r\n'),
                 (1, b'+ y\r\n'), (0, b'cA==\r\n'), (1, b'-ERR no\r\n'), (0, b'APOP u 0af1\r\nAUTH PLAIN AHUAcA==\r\n'),
                 (1, b'-ERR no\r\n+OK\r\n'), (0, b'STLS\r\n'), (1, b'+OK\r\n'), (0, ASK))
    conversation('pop3-auth-refused', (1, b'+OK hi\r\n'), (0, b'AUTH X\r\n\tUSER\tu\r\nAUTH LOGIN\r\ndQ==\r\ncA==\r\nAUTH\r\n'),
                 (1, b'-ERR\r\n+OK\r\n+ x\r\n+ y\r\n-ERR no\r\n+OK\r\nPLAIN\r\n.\r\n'), (0, b'PASS p\0x\r\nAUTH PLAIN\r\n*\r\nQUIT\r\n'),
                 (1, b'+OK\r\n+ \r\n'))
    conversation('ftp-telnet', (0, b'\xff\xfd\x18\xff\xf4\xff\xf2 US\xff\xf1ER\tu\r\n\r\n\0PASS\r p\0x\r\n'), (1, b'220 FTP\r\n\xff\xfe\x18331 p\r\n'),
                 (1, b'530 no\r\n'), (0, b'CWD \xff\xffa\xff\x01\xff\r\n'), (1, b'\xff\xfc\n500 no\r\n'), port=PORT_21)
    conversation('ftp-at-once', (1, b'220 FTP\r\n'), (0, b'NOOP\nUSER u\nPASS p\r\nPASV\r\nRETR a\r\nEPSV\r\nSTOR b\r\n'),
                 (1, b'200\r\n227 (1,2,3,4,1,0)\r\n226\r\n425\r\n'), (0, b'PASV\r\n'), (1, b'227 1,2,3,4,1,1\r\n'), port=PORT_21)
    conversation('pop3-gap', (1, b'+OK hi\r\n'), (0, b'TOP 1 2\r\n'), (1, b'+OK\r\n' + MAIL[:140]),
                 (GAP | SERVER, b'x' * 20), (1, b'x\r\n.\r\n'))
    conversation('imap-mail', (1, b'* OK hi\r\n'), (0, b'a LOGIN "u\\"" {1+}\r\np\r\nb UID FETCH 1 (BODY.PEEK[])\r\n'),
                 (1, b'a OK in\r\n* 1 FETCH (BODY[] {%d}\r\n' % len(MAIL) + MAIL + b' FLAGS ())\r\nb OK\r\n'),
                 (0, b'c APPEND {3}\r\nbox (x) {%d}\r\n' % len(MAIL) + MAIL + b'\r\n'), (1, b'+ \r\n+ \r\nc OK\r\n'))
    conversation('imap-auth', (1, b'* OK hi\r\n'), (0, b'a AUTHENTICATE CRAM-MD5\r\n'), (1, b'+ PDE+\r\n'), (0, b'dSAwYWYx\r\n'),
                 (1, b'a NO\r\n'), (0, b'b LOGIN u {3}\r\n'), (1, b'b BAD\r\n'), (0, b'c STARTTLS\r\n'), (1, b'c OK\r\n'), (0, ASK))
    conversation('imap-gap', (1, b'* OK hi\r\n* 1 FETCH (RFC822 {300}\r\n' + MAIL), (GAP | SERVER, b'x' * 20), (1, MAIL))
    conversation('smtp-auth', (1, b'220 ESMTP\r\n'), (0, b'AUTH PLAIN\r\n'), (1, b'334 \r\n'), (0, b'AHUAcA==\r\n'), (1, b'535\r\n'),
                 (0, b'AUTH LOGIN dQ==\r\n'), (1, b'334 x\r\n'), (0, b'cA==\r\n'), (1, b'235\r\n'))
def datagrams(name, kind, *steps):
    """As conversation(), over UDP: `kind` is the number of the port in fuzz_proto.c."""
    data = bytes([kind])
    for side, said in steps:
        data += struct.pack('<BH', side, len(said)) + said
    (HERE / name).write_bytes(data)


def ber(tag, *parts):
    body = b''.join(parts)
    return bytes([tag, len(body)]) + body


def snmp():
    def number(n):
        return ber(2, bytes([n]))

    def pdu(tag):
        var = ber(0x30, ber(6, bytes([43, 6, 1, 2, 1, 1, 1, 0])), ber(5))
        return ber(tag, number(1), number(0), number(0), ber(0x30, var))

    def v2c(community, tag):
        return ber(0x30, number(1), ber(4, community), pdu(tag))

    def v3(flags, said):
        usm = ber(0x30, ber(4, b'e'), number(0), number(0), ber(4, b'admin'), ber(4), ber(4))
        head = ber(0x30, number(1), ber(2, b'\5\xdc'), ber(4, bytes([flags])), number(3))
        return ber(0x30, number(3), head, ber(4, usm), said)

    trap = ber(0xa4, ber(6, bytes([43, 6, 1, 4, 1, 9])), ber(0x40, bytes([10, 0, 0, 1])), number(6), number(1),
               ber(0x43, b'\1'), ber(0x30))
    datagrams('snmp-v2c', 12, (0, v2c(b'public', 0xa0)), (0, v2c(b'private', 0xa1)), (1, v2c(b'private', 0xa2)))
    datagrams('snmp-trap', 12, (0, ber(0x30, number(0), ber(4, b'public'), trap)))
    datagrams('snmp-v3', 12, (0, v3(0, ber(0x30, ber(4, b'e'), ber(4), pdu(0xa5)))), (1, v3(3, ber(4, b'xyz'))))


def tftp():
    read, data = b'\0\1f\0octet\0blksize\x008\0', b'\0\3\0\1abcdefgh'
    datagrams('tftp-read', 11, (0, read), (1, b'\0\6blksize\x008\0'), (0, b'\0\4\0\0'), (1, data), (1, data),
              (0, b'\0\4\0\1'), (1, b'\0\3\0\2ij'))
    datagrams('tftp-write', 11, (0, b'\0\2up\0netascii\0'), (1, b'\0\4\0\0'), (0, data), (1, b'\0\5\0\3full\0'))
    datagrams('tftp-lost', 11, (0, read), (1, data + b'longer'), (0, b'\0\4\0\2'), (1, b'\0\3\0\3'))


def dhcp():
    head = b'\1\6\0\0\0\0\1\0\0\0\0' + bytes(16) + b'\2\0\0\0\0\5' + bytes(202) + b'\x63\x82\x53\x63'
    asks = (b'\x35\1\3\x3d\7\1\2\0\0\0\0\5\x0c\3pot\x32\4\x0a\0\0\2\x37\3\1\3\xfc\x3c\2v1\x34\1\3\xff')
    says = (b'\x35\1\5\x33\4\0\0\x0e\x10\x3a\4\0\0\7\x08\x3b\4\0\0\x0c\x4e\1\4\xff\xff\xff\0'
            b'\3\x08\x0a\0\0\1\x0a\0\0\xfe\6\4\x0a\0\0\1\xff')
    datagrams('dhcp', 12, (0, b'\1' + head + asks), (1, b'\2' + head + says))
    datagrams('dhcp-cut', 12, (0, b'\1' + head + b'\x0c\x09abc'), (0, b'\1' + head + b'\x33\2\0\1'))


def ntp():
    datagrams('ntp', 14, (0, b'\x23' + bytes(46) + b'\1'), (1, b'\x24\2' + bytes(10) + b'GPS' + bytes(33)),
              (0, b'\x16\2\0\1' + bytes(8)), (0, b'\x17\0\3\x2a' + bytes(4)))


def syslog():
    datagrams('syslog', 12, (0, b'<34>Oct 11 22:14:15 host su: failed'), (0, b'<165>1 2003-10-11T22:14:15Z h a - - x'))
def mysql_packet(number, body):
    return struct.pack('<I', len(body))[:3] + bytes([number]) + body


CHALLENGE, RESPONSE = b'abcdefgh' + b'ijklmnopqrst', bytes(range(0xa0, 0xb4))
MYSQL_GREETING = mysql_packet(0, b'\x0a8.0.30\0' + struct.pack('<I', 8) + CHALLENGE[:8] + b'\0\xff\xff\xff\2\0\xff\xdf\x15' +
                              bytes(10) + CHALLENGE[8:] + b'\0mysql_native_password\0')
MYSQL_CAPS = 0x0008a20d  # PLUGIN_AUTH, SECURE_CONNECTION, TRANSACTIONS, PROTOCOL_41, CONNECT_WITH_DB, ...


def mysql_login(caps, rest):
    return mysql_packet(1, struct.pack('<IIB', caps, 1 << 24, 33) + bytes(23) + rest)


MYSQL_NATIVE = mysql_login(MYSQL_CAPS, b'root\0\x14' + RESPONSE + b'shop\0mysql_native_password\0')
MYSQL_OLD = mysql_packet(1, struct.pack('<H', 0x200d & ~0x200) + b'\0\0\1old\0IJKLMNOP\0test\0')
MYSQL_OK = b'\0\0\0\2\0\0\0'
MYSQL_DENIED = b'\xff\x15\x04#28000Access denied'


def mysql():
    conversation('mysql-login', (1, MYSQL_GREETING), (0, MYSQL_NATIVE), (1, mysql_packet(2, MYSQL_OK)),
                 (0, mysql_packet(0, b'\3SELECT 1')), (1, mysql_packet(1, b'\1') + mysql_packet(2, b'def')),
                 (0, mysql_packet(0, b'\2mysql')), (1, mysql_packet(1, MYSQL_DENIED)),
                 (0, mysql_packet(0, b'\x11eve\0\x14' + RESPONSE + b'db\0\x21\0mysql_native_password\0')),
                 (1, mysql_packet(1, MYSQL_DENIED)), (0, mysql_packet(0, b'\1')))
    conversation('mysql-switch', (1, MYSQL_GREETING), (0, MYSQL_NATIVE),
                 (1, mysql_packet(2, b'\xfemysql_clear_password\0')), (0, mysql_packet(3, b'secret\0')),
                 (1, mysql_packet(4, MYSQL_DENIED)))
    conversation('mysql-old', (1, MYSQL_GREETING), (0, MYSQL_OLD), (1, mysql_packet(2, MYSQL_OK)))
    conversation('mysql-tls', (1, MYSQL_GREETING), (0, mysql_login(MYSQL_CAPS | 0x800, b'') + b'\x16\3\1\0\5\1\0\0\1\0'))


def pg(kind, body=b''):
    return kind + struct.pack('>I', len(body) + 4) + body


def pg_auth(code, rest=b''):
    return pg(b'R', struct.pack('>I', code) + rest)


PG_ASKS_TLS = pg(b'', struct.pack('>I', 80877103))
PG_STARTUP = pg(b'', b'\0\3\0\0user\0bob\0database\0shop\0application_name\0psql\0\0')
PG_READY = pg(b'Z', b'I')
PG_DENIED = pg(b'E', b'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "bob"\0Fauth.c\0\0')
PG_WELCOME = (pg_auth(0) + pg(b'S', b'TimeZone\0UTC\0') + pg(b'S', b'is_superuser\0on\0') +
              pg(b'K', struct.pack('>II', 77, 88)) + PG_READY)
PG_ROWS = (pg(b'T', b'\0\1a\0' + bytes(18)) + pg(b'D', b'\0\1\0\0\0\3abc') + pg(b'D', b'\0\1\xff\xff\xff\xff') +
           pg(b'C', b'SELECT 2\0') + PG_READY)
SCRAM_FIRST, SCRAM_FINAL = b'n,,n=,r=clientnonce', b'c=biws,r=clientnonceservernonce,p=cHJvb2Y='


def pgsql():
    conversation('pgsql-clear', (0, PG_ASKS_TLS), (1, b'N'), (0, PG_STARTUP), (1, pg_auth(3)),
                 (0, pg(b'p', b'secret\0')), (1, PG_WELCOME), (0, pg(b'Q', b'SELECT a FROM t\0')), (1, PG_ROWS),
                 (0, pg(b'P', b'\0SELECT $1\0\0\0') + pg(b'B', bytes(8)) + pg(b'E', bytes(5)) + pg(b'S')),
                 (1, pg(b'1') + pg(b'2') + pg(b'E', b'SERROR\0C42601\0Msyntax error\0\0') + PG_READY), (0, pg(b'X')))
    conversation('pgsql-md5', (0, PG_STARTUP), (1, pg_auth(5, b'\x88\'N5')),
                 (0, pg(b'p', b'md5e4cfa9552468cae5d48ca2822ca36e22\0')), (1, PG_DENIED))
    conversation('pgsql-scram', (0, PG_STARTUP), (1, pg_auth(10, b'SCRAM-SHA-256\0\0')),
                 (0, pg(b'p', b'SCRAM-SHA-256\0' + struct.pack('>I', len(SCRAM_FIRST)) + SCRAM_FIRST)),
                 (1, pg_auth(11, b'r=clientnonceservernonce,s=c2FsdA==,i=4096')), (0, pg(b'p', SCRAM_FINAL)),
                 (1, pg_auth(12, b'v=c2lnbmF0dXJl') + PG_WELCOME))
    conversation('pgsql-tls', (0, PG_ASKS_TLS), (1, b'S'), (0, b'\x16\3\1\0\5\1\0\0\1\0'))
    conversation('pgsql-cancel', (0, pg(b'', struct.pack('>III', 80877102, 77, 88))))



def tds(kind, body, status=1):
    return struct.pack('>BBHHBB', kind, status, len(body) + 8, 0, 1, 0) + body


def wide(text):
    return text.encode('utf-16-le')


def tds_login(host, user, password, app, server, library, database):
    hidden = bytes(((b << 4 | b >> 4) & 255) ^ 0xa5 for b in wide(password))
    parts = [(host, wide(host)), (user, wide(user)), (password, hidden), (app, wide(app)), (server, wide(server)), ('', b''),
             (library, wide(library)), ('', b''), (database, wide(database))]
    table, data, offset = b'', b'', 94
    for text, part in parts:
        table += struct.pack('<HH', offset + len(data), len(text))
        data += part
    table += bytes(6) + struct.pack('<HHHHHHI', offset + len(data), 0, offset + len(data), 0, offset + len(data), 0, 0)
    fixed = struct.pack('<IIIIIBBBBiI', 0x74000004, 4096, 7, 100, 0, 0xe0, 3, 0, 0, 0, 0x409)
    return tds(16, struct.pack('<I', 4 + len(fixed) + len(table) + len(data)) + fixed + table + data)


def tds_options(encryption):
    return b'\0\0\x10\0\6\1\0\x16\0\1\2\0\x17\0\1\xff' + b'\x0b\0\x08\x34\0\0' + bytes([encryption]) + b'\0'


def tds_token(kind, body):
    return bytes([kind]) + struct.pack('<H', len(body)) + body


def tds_error(number, text):
    return tds_token(0xaa, struct.pack('<IBBH', number, 1, 14, len(text)) + wide(text) + b'\1' + wide('S') + b'\0\1\0\0\0')


TDS_DONE = b'\xfd' + bytes(12)
TDS_PROGRAM = 'Microsoft SQL Server'
TDS_ACK = tds_token(0xad, b'\1\x74\0\0\4' + bytes([len(TDS_PROGRAM)]) + wide(TDS_PROGRAM) + b'\x0b\0\x08\x34')
TDS_CHANGE = tds_token(0xe3, b'\1\6' + wide('master') + b'\0')
TDS_HEADERS = struct.pack('<IIHQI', 22, 18, 2, 0, 1)
TDS_OPENING = (0, tds(18, tds_options(2))), (1, tds(4, tds_options(2)))


def mssql():
    conversation('mssql-login', *TDS_OPENING, (0, tds_login('pc', 'sa', 'P\u00e4ss1', 'app', 'srv', 'ODBC', 'master')),
                 (1, tds(4, TDS_CHANGE + TDS_ACK + TDS_DONE)),
                 (0, tds(1, TDS_HEADERS + wide("EXEC xp_cmdshell 'dir'"))), (1, tds(4, tds_error(15281, 'blocked') + TDS_DONE)),
                 (0, tds(3, TDS_HEADERS + b'\xff\xff\x0a\0\0\0')), (1, tds(4, b'\x81\0\0', 0) + tds(4, TDS_DONE)))
    conversation('mssql-denied', *TDS_OPENING, (0, tds_login('pc', 'sa', 'sa', 'app', 'srv', 'ODBC', '')),
                 (1, tds(4, tds_error(18456, "Login failed for user 'sa'.") + TDS_DONE)))
    names = {0: b'pc', 31: b'sa', 62: b'pw', 140: b'app', 171: b'srv'}
    old = bytearray(504)
    for at, name in names.items():
        old[at:at + len(name)], old[at + 30] = name, len(name)
    conversation('mssql-old', (0, tds(2, bytes(old), 0)), (1, tds(4, b'\xad\x0d\0\6\5\0\0\0\3ASE\0\0\0\0' + TDS_DONE)))
    conversation('mssql-tls', (0, tds(18, tds_options(1))), (1, tds(4, tds_options(1))),
                 (0, tds(18, b'\x16\3\1\0\5\1\0\0\1\0')), (1, tds(18, b'\x16\3\1\0\5\2\0\0\1\0')))


def resp(*words):
    return b'*%d\r\n' % len(words) + b''.join(b'$%d\r\n%s\r\n' % (len(word), word) for word in words)


def redis():
    conversation('redis-login', (0, resp(b'AUTH', b'foobared')), (1, b'-WRONGPASS invalid password\r\n'),
                 (0, resp(b'AUTH', b'admin', b'secret') + resp(b'CONFIG', b'SET', b'dir', b'/root/.ssh')),
                 (1, b'+OK\r\n+OK\r\n'), (0, b'SET k v\r\n' + resp(b'KEYS', b'*') + resp(b'GET', b'k')),
                 (1, b'+OK\r\n*2\r\n$1\r\nk\r\n*1\r\n:5\r\n$1\r\nv\r\n'))
    conversation('redis-3', (0, resp(b'HELLO', b'3', b'AUTH', b'eve', b'pw')),
                 (1, b'%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n'), (0, resp(b'GET', b'x')), (1, b'>2\r\n+a\r\n+b\r\n$-1\r\n'))


def irc():
    hello = b'PASS s\r\nNICK bob\r\nUSER b 0 * :B\r\n'
    conversation('irc-chat', (0, hello), (1, b':s 001 bob :Hi\r\nPING :1\r\n'), (0, b'JOIN #a,#b k\r\n'),
                 (1, b'@t=1 :bob!b@h JOIN :#a\r\n:s 332 bob #a :.scan\r\n:al!a@h PRIVMSG #a :hi\r\n:al KICK #a bob :x\r\n'),
                 (0, b'PRIVMSG #a,al :one two\r\nMODE #a +o al\r\nNICK rob\r\nQUIT :bye\r\n'), (1, b':bob NICK rob\r\n'))
    conversation('irc-logins', (0, hello), (1, b':s 433 * bob :In use\r\n'), (0, b'NICK b\r\n'), (1, b':s 001 b :Hi\r\n'),
                 (0, b'OPER a b\r\nNS IDENTIFY c\r\nPRIVMSG NickServ :IDENTIFY d e\r\n'),
                 (1, b':s 381 b :Yes\r\n:NickServ!s@s NOTICE b :Invalid password\r\n:s 670 b :TLS\r\n'), (0, b'\x16\3\1'))
    offer = b'PRIVMSG bob :\1DCC SEND "a b" %s %d 9 7\1\r\n'
    conversation('irc-dcc', (1, b'NOTICE AUTH :***\r\n:al!a@h ' + offer % (b'3221225985', 4000) + b':al ' + offer % (b'2001:db8::1', 0)),
                 (0, hello + offer % (b'1', 4001)))
    conversation('irc-long', (1, b':s NOTICE * :' + b'x' * 9000 + b'\r\n:a PRIVMSG b :c'), (GAP | SERVER, b'x'), (1, b'd\r\n:a QUIT\r\n'))


PORT_137, PORT_139, PORT_79, PORT_547, NO_PORT = 16, 17, 18, 19, 20


def netbios_name(name, kind):
    name = name.ljust(15) + bytes([kind])
    return b' ' + bytes(65 + half for byte in name for half in (byte >> 4, byte & 15)) + b'\0'


def mailslot(slot, data):
    words = struct.pack('<HHHHBBHIHHHHHBBHHH', 0, len(data), 0, 0, 0, 0, 0, 0, 0, 0, 0, len(data), 69 + len(slot) + 1, 3, 0, 1, 1, 2)
    return b'\xffSMB\x25' + bytes(27) + b'\x11' + words + struct.pack('<H', 0) + slot + b'\0' + data


def netbios_datagram(data, kind=17, offset=0):
    names = netbios_name(b'NODE', 0) + netbios_name(b'GRP', 30)
    return struct.pack('>BBHIHHH', kind, 2, 7, 0x0a000001, 138, len(names + data), offset) + names + data


def netbios():
    fred, group = netbios_name(b'FRED', 32), netbios_name(b'GRP', 30)[:-1] + b'\3one\0'
    asks = b'\0\1\1\x10\0\1\0\0\0\0\0\0' + fred + b'\0\x20\0\1'
    datagrams('netbios-names', PORT_137, (0, asks),
              (1, b'\0\1\x85\0\0\0\0\1\0\0\0\0' + fred + b'\0\x20\0\1\0\0\0\x3c\0\x0c\xe0\0\x0a\0\0\1\x20\0\x0a\0\0\2'),
              (0, b'\0\2\x29\x10\0\1\0\0\0\0\0\1' + group + b'\0\x20\0\1\xc0\x0c\0\x20\0\1\0\4\x93\xe0\0\6\x80\0\x0a\0\0\1'),
              (1, b'\0\4\x84\0\0\0\0\1\0\0\0\0' + fred + b'\0\x21\0\1\0\0\0\0\0\x19\1FRED           \x20\4\0\2\0\0\0\0\5'))
    host = b'\1\0\x60\xea\0\0NODE\0xxxxxxxxxxx\5\1\3\x10\1\0\x0f\1\x55\xaaa host\0'
    datagrams('netbios-datagrams', PORT_137, *((0, netbios_datagram(mailslot(b'\\MAILSLOT\\BROWSE', data))) for data in (
        host, b'\x08\1\3\0\0\1\1\0\0\0\0\0\0\0NODE\0', b'\2\0NODE\0', b'\x0a\2\1\0\0\0A\0B\0')),
        (0, netbios_datagram(mailslot(b'\\MAILSLOT\\MESSNGR', b'EVE\0AL\0text\0'))), (0, netbios_datagram(b'x', 16, 512)),
        (1, b'\x13\0\0\7\x0a\0\0\1\0\x8a\x82'))
    frame = b'\xf0\xf0\3\x2c\0\xff\xef%c' + bytes(7) + b'GRP            \x1eNODE           \0'
    datagrams('netbios-frames', NO_PORT, (0, frame % 8 + mailslot(b'\\MAILSLOT\\BROWSE', host)), (0, frame % 10), (1, frame % 14), (0, frame % 1))
    call = b'\x81\0\0\x44' + fred + netbios_name(b'NODE', 0)
    negotiate = b'\xffSMB\x72' + bytes(27) + b'\0\x0c\0\2NT LM 0.12\0'
    conversation('netbios-session', (0, call), (1, b'\x82\0\0\0'), (0, struct.pack('>I', len(negotiate)) + negotiate), port=PORT_139)
    conversation('netbios-refused', (0, call), (1, b'\x83\0\0\1\x82'), (0, call), (1, b'\x84\0\0\6\x0a\0\0\x09\1\xbd'), port=PORT_139)


def bo(seed, kind, data):
    out = b''
    for byte in b'*!*QWTY?' + struct.pack('<IIB', 17 + len(data), 5, kind) + data:
        seed = (seed * 214013 + 2531011) & 0xffffffff
        out += bytes([byte ^ seed >> 16 & 255])
    return out


def backorifice():
    datagrams('backorifice', PORT_137, (0, bo(31337, 1, b'\0')), (1, bo(31337, 0x81, b'  !PONG!1.20!HOST!\0')),
              (0, bo(77, 0x38, b'a\0b\0\0')), (1, bo(31337, 0xc4, b'list')))


def finger():
    conversation('finger', (0, b'/W al@in.example@out.example\r\n'), (1, b'[out.example]\r\n'), (GAP | SERVER, b'xx'),
                 (1, b'more'), (END | SERVER, b''), port=PORT_79)
    conversation('finger-elsewhere', (0, b'al\r\n'), (1, b'[h]\r\n'), (1, b'Login: al'), (1, b'\t\t\tName: A\r\n'))


def dhcpv6():
    duid, address = b'\0\1\0\x0e\0\1\0\1\x11\x22\x33\x44\2\0\0\0\0\5', b'\x20\1\x0d\xb8' + bytes(11) + b'\1'
    solicit = b'\1\0\0\7' + duid + b'\0\6\0\4\0\x17\0\x18\0\x10\0\x08\0\0\1\x37\0\2MS\0\x27\0\x06\0\3pot\0'
    reply = (b'\7\0\0\7' + duid + b'\0\2\0\x0a\0\3\0\1\2\0\0\0\0\1\0\x17\0\x10' + address + b'\0\x18\0\6\1a\2bc\0'
             b'\0\3\0\x28' + bytes(12) + b'\0\5\0\x18' + address + b'\0\0\0\x3c\0\0\0\x78'
             b'\0\x19\0\x29' + bytes(12) + b'\0\x1a\0\x19\0\0\0\5\0\0\0\6\x38' + address + b'\0\x0d\0\5\0\2no!')
    datagrams('dhcpv6', PORT_547, (0, solicit), (1, reply), (0, b'\x0c\0' + 2 * address + b'\0\x09' + struct.pack('>H', len(solicit)) + solicit))


def p2p():
    info_hash, peer = b'a' * 20, b'-UT3530-bbbbbbbbbbbb'
    hello = b'\x13BitTorrent protocol' + b'\x80\0\0\0\0\x10\0\5' + info_hash + peer
    conversation('bittorrent', (0, hello), (1, hello))
    utp = b'\x12\x34\0\0\0\1\0\0\0\0\0\x10\0\0\0\1\0\0'
    datagrams('bittorrent-utp', PORT_137, (0, b'\x41\0' + utp), (0, b'\1\1' + utp + b'\0\4abcd' + hello), (1, b'\1\0' + utp + hello))
    datagrams('bittorrent-dht', PORT_137,
              (0, b'd1:ad2:id20:' + peer + b'9:info_hash20:' + info_hash + b'4:porti6881e5:token1:xe1:q13:announce_peer1:t2:aa1:v4:UT\1\0011:y1:qe'),
              (1, b'd1:rd2:id20:' + peer + b'5:nodes26:' + info_hash + b'\x0a\0\0\1\x1a\xe16:valuesl6:\x0a\0\0\2\0\2ee1:t2:aa1:y1:re'),
              (1, b'd1:eli201e5:A Bade1:t2:aa1:y1:ee'))
    conversation('p2p-gnutella', (0, b'GNUTELLA CONNECT/0.6\r\nUser-Agent: L\r\n\r\n'), (1, b'GNUTELLA/0.6 200 OK\r\n\r\n'))
    user = b'h' * 16 + b'\4\3\2\1\x36\x12'
    ask, answer = b'\1\x10' + user + b'\2\0\0\0\2\1\0\1\3\0bob\x89\x0f\5\1\2\3\4\5\6', b'\x4c' + user + b'\1\0\0\0\x93\1bob' + bytes(6)
    conversation('p2p-edonkey', *((side, b'\xe3' + struct.pack('<I', len(said)) + said) for side, said in enumerate((ask, answer))))
    conversation('p2p-direct-connect', (1, b'$Lock EXT Pk=Hub|'), (0, b'$Supports x|$ValidateNick bob|'))
    conversation('p2p-direct-connect-peers', (0, b'$MyNick a|$Lock EXT Pk=x|'), (1, b'$MyNick b|$Lock EXT Pk=y|'))
    conversation('p2p-adc', (0, b'HSUP ADBASE\n'), (1, b'ISUP ADBASE\n'))


def frame2(kind, flags, stream, body):
    return struct.pack('>I', len(body))[1:] + struct.pack('>BBI', kind, flags, stream) + body


def literal(*pairs):
    return b''.join(b'\0' + bytes([len(n)]) + n + bytes([len(v)]) + v for n, v in pairs)


def http2():
    hello = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + frame2(4, 0, 0, b'\0\1\0\1\0\0')
    settings = frame2(4, 0, 0, b'\0\3\0\0\0\x64')
    get = frame2(1, 5, 1, bytes.fromhex('828684418cf1e3c2e5f23a6ba0ab90f4ff'))
    again = frame2(1, 5, 3, bytes.fromhex('828684be5886a8eb10649cbf'))
    post = frame2(1, 4, 5, literal((b':method', b'POST'), (b':path', b'/up'), (b':authority', b'h:1'),
                                   (b'authorization', b'Basic YWRtaW46cw=='), (b'content-type', b'multipart/form-data; boundary=b')))
    part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="n"\r\n\r\ndata\r\n--b--\r\n'
    body = frame2(0, 8, 5, b'\2' + part[:30] + b'\0\0') + frame2(0, 1, 5, part[30:])
    found = frame2(1, 4, 1, bytes.fromhex('88') + literal((b'content-encoding', b'gzip'), (b'set-cookie', b'a=b')))
    data = gzip.compress(BODY, mtime=0)
    promise = frame2(5, 4, 1, struct.pack('>I', 2) + literal((b':method', b'GET'), (b':path', b'/p')))
    conversation('http2-plain', (0, hello + get + again), (1, settings + found + frame2(0, 0, 1, data[:20])),
                 (1, frame2(0, 1, 1, data[20:]) + frame2(1, 5, 3, b'\x8d')))
    conversation('http2-post', (0, hello + post + body), (1, settings + frame2(1, 4, 5, literal((b':status', b'103')))),
                 (1, frame2(1, 4, 5, b'\x88') + frame2(0, 0, 5, b'ok') + frame2(1, 5, 5, literal((b'trailer', b't')))))
    conversation('http2-continued', (0, hello + frame2(1, 0x29, 1, b'\1\0\0\0\0\xff\x82\0') + frame2(9, 0, 1, b'\x86')
                                     + frame2(9, 4, 1, b'\x84') + frame2(2, 0, 3, b'\0\0\0\1\7')),
                 (1, settings + promise + frame2(1, 4, 2, b'\x88') + frame2(3, 0, 2, b'\0\0\0\x08') + frame2(7, 0, 0, b'\0' * 8)))
    upgrade = b'Upgrade: h2c\r\nConnection: Upgrade\r\n'
    conversation('http2-upgrade', (0, ASK[:-2] + upgrade + b'HTTP2-Settings: AAMAAABk\r\n\r\n'),
                 (1, b'HTTP/1.1 101 Yes\r\n' + upgrade + b'\r\n' + settings + found + frame2(0, 1, 1, data)), (0, hello + again))
    conversation('http2-gap', (0, hello + post), (0, frame2(0, 1, 5, b'x' * 30)[:19]), (GAP, b'x' * 10), (0, b'x' * 10))


UDP_443, SEALED = 21, 13 << 1


def quic():
    hello = struct.pack('>H32xB', 0x303, 0) + b'\0\4\x13\1\x13\2\1\0'
    extensions = b'\0\0\0\x0c\0\x0a\0\0\7example\0\x10\0\5\0\3\2h3\0\x2b\0\3\2\3\4'
    hello += struct.pack('>H', len(extensions)) + extensions
    hello = b'\1' + struct.pack('>I', len(hello))[1:] + hello
    answer = struct.pack('>H32xB', 0x303, 0) + b'\x13\1\0\0\6\0\x2b\0\2\3\4'
    answer = b'\2' + struct.pack('>I', len(answer))[1:] + answer
    conversation('quic-hello', (SEALED, b'\6\0' + bytes([0x40, len(hello)]) + hello),
                 (SEALED | SERVER, b'\2\1\0\0\0\6\0' + bytes([0x40, len(answer)]) + answer), port=UDP_443)
    conversation('quic-pieces', (SEALED, b'\6\x32' + bytes([0x40, len(hello) - 50]) + hello[50:] + b'\1'),
                 (SEALED, b'\6\0\x3c' + hello[:60]), port=UDP_443)
    tags = b'SNI\0\4\0\0\0UAID\x09\0\0\0' + b'h.exagent'
    conversation('quic-google', (0, b'\xc3Q046\x50' + b'i' * 8 + b'\0\0\0\1' + b'h' * 12 + b'\xa0\1\0\x22CHLO\2\0\0\0' + tags),
                 port=UDP_443)


PORT_CHAT = 22  # a talk that was announced


def content():
    elf = b'\x7fELF\1\1\1\0' + bytes(40)
    conversation('raw-elf', (0, elf[:5]), (0, elf[5:]), (END, b''), port=15)
    conversation('raw-both', (0, b'kit 9\r\nPK\3\4' + bytes(40)), (1, b'MZ' + bytes(58) + b'\x40\0\0\0PE\0\0'), port=15)
    conversation('raw-script', (1, b'#!/bin/sh\nid\n'), (GAP | SERVER, b'xx'), (1, b'y'), port=15)
    conversation('raw-tar', (0, b'name' + bytes(253) + b'ustar\x0000' + bytes(200)), port=15)
    conversation('shell-bind', (0, b'id\n'), (1, b'uid=0(root) gid=0(root)\n'), (0, b'cat > f\none\n\4base64 -d f > g\n'), (1, b'# '), port=15)
    conversation('shell-reverse', (0, b'Microsoft Windows [Version 6.1]\r\n\r\nC:\\>'), (1, b'net user\n'), (0, b'bob\r\nC:\\>'),
                 (1, b'su\n'), (0, b'Password: '), (1, b'x\n'), port=15)
    conversation('shell-prompts', (1, b'root@h:/# '), (0, b'./x\n'), (GAP | SERVER, b'xx'), (1, b'$ '), (0, b'w\n'), port=15)
    lines = [b'>.d; echo -ne "\\x7f\\x45" > .d', b"busybox echo -en '\\x4c\\0106\\c' >> .d && cat .d | tee -a e", b'printf "%b%s%%\\1" a b c >| p 2>&1',
             b'cat <<-E | base64 -d > k', b'\taGVsbG8=', b'\tE', b'openssl enc -base64 -d -in k -out l', b'begin 644 f', b'#86)C', b'`', b'end',
             b'begin-base64 644 g', b'aGVs', b'====', b'uudecode -o u << X', b'begin 644 h', b'#86)C', b'`', b'end', b'X',
             b"echo 'a", b"b' \"c\\\"\" $'\\x41\\'' | xxd -r -p > x", b'base64 -d <<< aGk= | sh', b'base64 -d < k >> m', b'cat > z << E', b'cut']
    conversation('shell-paste', (1, b'\xff\xfb\1# '), *((0, line + b'\r\n') for line in lines), (1, b'# '))
    conversation('dcc-chat', (1, b'hi\r\n'), (0, b'there\n\nx'), (GAP, b'yy'), (0, b'y\nbye'), (1, b'z' * 9000), port=PORT_CHAT)
    conversation('irc-dcc-chat', (1, b'NOTICE AUTH :***\r\n:al!a@h PRIVMSG bob :\1DCC CHAT chat 3221225985 4000\1\r\n'),
                 (0, b'NICK bob\r\nPRIVMSG al :\1DCC CHAT chat 1 0 5\1\r\n'))


if __name__ == '__main__':
    HERE.mkdir(exist_ok=True)
    content()
    http()
    http2()
    quic()
    logins()
    smb_files()
    krb5()
    remote()
    shell()
    irc()
    mail()
    snmp()
    tftp()
    dhcp()
    ntp()
    syslog()
    mysql()
    pgsql()
    mssql()
    redis()
    netbios()
    backorifice()
    finger()
    dhcpv6()
    p2p()
