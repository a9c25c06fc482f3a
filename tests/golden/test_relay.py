# SPDX-License-Identifier: Apache-2.0
"""What a honeypot only passes on for others is marked: proxies, mail relays, chat servers. What looks like it and is its
own is not."""
import packets as p
import pytest
from fishbowl import run
from test_incidents import BOT, HONEYPOT, SERVER, Wire

OTHER_POT = '192.0.2.11'
GET = b'GET /mail HTTP/1.1\r\nHost: mail.example.org\r\n\r\n'
PAGE = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'
CONNECT = b'CONNECT %s HTTP/1.1\r\nHost: mail.example.org\r\n\r\n'
GRANTED = b'HTTP/1.1 200 Connection established\r\n\r\n'


def mail(receiver):
    return [(1, b'220 box ESMTP\r\n'), (0, b'HELO a\r\n'), (1, b'250 box\r\n'), (0, b'MAIL FROM:<a@example.com>\r\n'),
            (1, b'250 ok\r\n'), (0, b'RCPT TO:<%s>\r\n' % receiver), (1, b'250 ok\r\n'), (0, b'DATA\r\n'),
            (1, b'354 go on\r\n'), (0, b'Subject: s\r\n\r\ntext\r\n.\r\n'), (1, b'250 queued\r\n'), (0, b'QUIT\r\n'),
            (1, b'221 bye\r\n')]


def chat(nick):
    return [(0, b'NICK %s\r\nUSER a 0 * :a\r\n' % nick), (1, b':irc.example.org 001 %s :Welcome\r\n' % nick),
            (0, b'JOIN #c\r\n'), (1, b':%s!a@b JOIN #c\r\n' % nick), (0, b'PRIVMSG #c :hello\r\n'), 1]


def socks(host):
    return [(0, b'\x05\x01\x00'), (1, b'\x05\x00'), (0, b'\x05\x01\x00' + host + b'\x00\x50'), 1,
            (1, b'\x05\x00\x00\x01\0\0\0\0\0\0'), (0, GET), (1, PAGE)]


def through(steps, port=443, pot=HONEYPOT, back=SERVER, asked=3128):
    """What comes to a honeypot, and what a honeypot begins half a second later."""
    return [(0, BOT, HONEYPOT, asked, steps), (0.5, pot, back, port, [(0, b'\x01\x02'), (1, b'\x03\x04')])]


SCENES = {
    'connect': (through([(0, CONNECT % b'mail.example.org:443'), 1, (1, GRANTED), (0, GET), (1, PAGE)]), 'proxy', 2),
    'connect-address': (through([(0, CONNECT % b'203.0.113.80:443'), 1, (1, GRANTED), (0, GET), (1, PAGE)]), 'proxy', 2),
    'connect-to-another': (through([(0, CONNECT % b'203.0.113.81:443'), 1, (1, GRANTED), (0, GET), (1, PAGE)]), 'proxy', 1),
    'connect-other-pot': (through([(0, CONNECT % b'a:443'), 1, (1, GRANTED), (0, GET), (1, PAGE)], pot=OTHER_POT), 'proxy', 1),
    'connect-refused': (through([(0, CONNECT % b'a:443'), 1, (1, b'HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n')]), '', 0),
    'page': (through([(0, GET.replace(b'/mail', b'http://mail.example.org/mail')), 1, (1, PAGE)], port=80), 'proxy', 2),
    'page-port': (through([(0, GET.replace(b'/mail', b'http://203.0.113.80:8080')), 1, (1, PAGE)], port=8080), 'proxy', 2),
    'page-its-own': (through([(0, GET.replace(b'/mail', b'http://mail.example.org/mail')), 1, (1, PAGE)], port=25), '', 0),
    'page-usual': (through([(0, GET), 1, (1, PAGE)], port=80), '', 0),
    'socks': (through(socks(b'\x01\xcb\x00\x71\x50'), port=80, asked=1080), 'proxy', 2),
    'socks-name': (through(socks(b'\x03\x10mail.example.org'), port=80, asked=1080), 'proxy', 2),
    'way-out': ([(0, HONEYPOT, SERVER, 3128, [(0, CONNECT % b'a:443'), (1, GRANTED), (0, GET), (1, PAGE)])], '', 0),
    'mail': ([(0, BOT, HONEYPOT, 25, mail(b'x@example.org')), (300, HONEYPOT, SERVER, 25, mail(b'X@example.org'))], 'mail', 1),
    'mail-at-once': ([(0, BOT, HONEYPOT, 25, mail(b'x@example.org')[:-2] + [20, *mail(b'')[-2:]]),
                      (5, HONEYPOT, SERVER, 25, mail(b'x@example.org'))], 'mail', 2),
    'mail-of-its-own': ([(0, BOT, HONEYPOT, 25, mail(b'x@example.org')), (300, HONEYPOT, SERVER, 25, mail(b'y@example.org'))], '', 0),
    'chat': ([(0, HONEYPOT, SERVER, 6667, chat(b'pot') + [9]), (2, BOT, HONEYPOT, 6667, chat(b'bot'))], 'chat', 2),
    'chat-of-its-own': ([(0, HONEYPOT, SERVER, 6667, chat(b'pot'))], '', 0),
}


@pytest.mark.parametrize('name', SCENES)
def test_scene(name, tmp_path):
    talks, kind, n = SCENES[name]
    wire = Wire()
    for i, (second, client, server, port, steps) in enumerate(talks):
        wire.talk(second, client, server, 40000 + i, port, steps)
    records = wire.replay(tmp_path)
    flows = [one for one in records if one['event_type'] == 'flow']
    marked = [one for one in flows if 'third_party' in one['fishbowl']]
    assert len(flows) == len(talks)
    assert [one['fishbowl']['third_party'] for one in marked] == [kind] * n, flows


def test_what_is_said_behind_it(tmp_path):
    """Not only the flow: each record from there on."""
    wire = Wire()
    for i, (second, client, server, port, steps) in enumerate(SCENES['connect'][0]):
        wire.talk(second, client, server, 40000 + i, port, steps)
    inner = [one for one in wire.replay(tmp_path) if one['event_type'] == 'http' and one['http']['http_method'] == 'GET']
    assert [one['fishbowl']['third_party'] for one in inner] == ['proxy']


def test_viewer(tmp_path):
    """Whose page it was is nobody's business who only looks on."""
    talks, _, _ = SCENES['page']
    wire = Wire()
    for i, (second, client, server, port, steps) in enumerate(talks):
        wire.talk(second, client, server, 40000 + i, port, steps)
    wire.replay(tmp_path)
    shown = run('--home', '192.0.2.0/24', '--role', 'viewer', '-o', '-', tmp_path / 'capture.pcap').stdout
    assert '"third_party":"proxy"' in shown and 'mail' not in shown


def scanned(wire, pot):
    """A scan from a honeypot, which nobody answers."""
    for n in range(600):
        wire.add(0.6 + n / 10000, p.tcp(pot, f'198.18.{n // 200}.{n % 200}', 30000 + n, 443, p.SYN, seq=1))


def visited(wire, pot):
    """The same, and all answer."""
    for n in range(300):
        wire.talk(0.6 + n / 10000, pot, f'198.18.{n // 200}.{n % 200}', 30000 + n, 443, [], pause=0.0001)


@pytest.mark.parametrize('flood, pot', [(scanned, HONEYPOT), (scanned, OTHER_POT), (visited, OTHER_POT)])
def test_flood(flood, pot, tmp_path):
    """What else honeypots begin meanwhile makes a proxy's own conversation no other's."""
    wire = Wire()
    for i, (second, client, server, port, steps) in enumerate(SCENES['connect'][0]):
        wire.talk(second, client, server, 40000 + i, port, steps)
    flood(wire, pot)
    flows = [one for one in wire.replay(tmp_path) if one['event_type'] == 'flow' and 'third_party' in one['fishbowl']]
    assert sorted(one['dest_ip'] for one in flows) == [HONEYPOT, SERVER]


def test_known_at_the_end(tmp_path):
    """An answer without a length and a body, and nobody says that it is over: the answer is the honeypot's all the same."""
    talks, _, _ = SCENES['page']
    wire = Wire()
    for i, (second, client, server, port, steps) in enumerate(talks):
        steps = [(side, data.replace(b'Content-Length: 2\r\n\r\nhi', b'\r\n')) for side, data in (s for s in steps if s != 1)]
        wire.talk(second if i else 1, client, server, 40000 + i, port, steps)
        if i == 0:
            del wire.packets[-3:]
    flows = [one for one in wire.replay(tmp_path) if one['event_type'] == 'flow']
    assert [one['fishbowl'].get('third_party') for one in flows if one['dest_ip'] == HONEYPOT] == ['proxy']
