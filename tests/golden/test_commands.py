# SPDX-License-Identifier: Apache-2.0
"""What was asked of servers of FTP and POP3, however it was said, and whether or not they answered."""
import pytest

import packets as p
from fishbowl import bodies, records

ENDS = 3  # packets in which talk() ends a connection


def replay(tmp_path, said, port, segment=None, ends=True):
    """`segment`: bytes of each."""
    if segment:
        said = [(side, text[at:at + segment]) for side, text in said for at in range(0, len(text), segment)]
    packets = p.talk(said, 4000, port)
    path = tmp_path / 'talk.pcap'
    path.write_bytes(p.pcap('raw', list(enumerate(packets if ends else packets[:-ENDS]))))
    return records(path)


@pytest.mark.parametrize('ends', [False, True])
def test_ftp_without_answers(tmp_path, ends):
    """The capture or the connection ends before the server has answered."""
    found = replay(tmp_path, [(1, b'220 ftp\r\n'), (0, b'USER a\r\n'), (1, b'331 who\r\n'),
                              (0, b'PASS b\r\nDELE x\r\nQUIT\r\n')], 21, ends=ends)
    asked = [(one.get('command'), one.get('command_data'), one['reply_received']) for one in bodies(found, 'ftp')]
    assert asked == [(None, None, 'yes'), ('USER', 'a', 'yes'), ('PASS', 'b', 'no'), ('DELE', 'x', 'no'),
                     ('QUIT', None, 'no')]
    assert bodies(found, 'login') == [{'user': 'a', 'password': 'b', 'result': 'unknown'}]


@pytest.mark.parametrize('ends', [False, True])
def test_pop3_without_answers(tmp_path, ends):
    found = replay(tmp_path, [(1, b'+OK pop\r\n'), (0, b'USER a\r\n'), (1, b'+OK who\r\n'),
                              (0, b'PASS b\r\nDELE 1\r\nAUTH X\r\nQUIT\r\n')], 110, ends=ends)
    asked = [(one['request']['command'], 'response' in one) for one in bodies(found, 'pop3') if 'request' in one]
    assert asked == [('USER', True), ('PASS', False), ('DELE', False), ('AUTH', False), ('QUIT', False)]
    assert bodies(found, 'login') == [{'method': 'password', 'user': 'a', 'password': 'b', 'result': 'unknown'}]


@pytest.mark.parametrize('segment', [None, 1, 5])
def test_ftp_said_oddly(tmp_path, segment):
    """Telnet's commands, blanks, and a server that refuses options in front of its replies."""
    found = replay(tmp_path, [
        (1, b'220 ftp\r\n'), (0, b'\xff\xfb\x18 \tuS\xff\xf1eR\ta\r\n'), (1, b'\xff\xfe\x18331 who\r\n'),
        (0, b'\rPASS\xff\xfd\x01 b\r\n'), (1, b'\xff\xfc\x01230 in\r\n'), (0, b'\xff\xf4\xff\xf2ABOR\r\n'),
        (1, b'226 nothing\r\n')], 21, segment)
    asked = [(one['command'], one['completion_code']) for one in bodies(found, 'ftp') if 'command' in one]
    assert asked == [('uSeR', ['331']), ('PASS', ['230']), ('ABOR', ['226'])]
    assert bodies(found, 'login') == [{'user': 'a', 'password': 'b', 'result': 'success'}]


@pytest.mark.parametrize('segment', [None, 1, 5])
def test_pop3_behind_auth(tmp_path, segment):
    """What comes behind a mechanism that the server does not know."""
    found = replay(tmp_path, [
        (1, b'+OK pop\r\n'), (0, b'AUTH X\r\nFOO\r\n USER\ta\r\nPASS b\r\n'),
        (1, b'-ERR no\r\n-ERR what\r\n+OK who\r\n-ERR no\r\n'), (0, b'AUTH PLAIN\r\n'), (1, b'+ \r\n'),
        (0, b'AGMAZA==\r\nSTAT\r\n'), (1, b'+OK in\r\n+OK 0 0\r\n')], 110, segment)
    asked = [(one['request']['command'], one['response']['status']) for one in bodies(found, 'pop3')
             if 'request' in one]
    assert asked == [('AUTH', 'ERR'), ('FOO', 'ERR'), ('USER', 'OK'), ('PASS', 'ERR'), ('AUTH', 'OK'), ('STAT', 'OK')]
    assert bodies(found, 'login') == [
        {'method': 'password', 'user': 'a', 'password': 'b', 'result': 'failure'},
        {'method': 'plain', 'user': 'c', 'password': 'd', 'result': 'success'}]
