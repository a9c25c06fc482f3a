# SPDX-License-Identifier: Apache-2.0
"""The rules of our own: what each of them is about does not leave as it was sent."""
import json
import re
import subprocess

import pytest

import packets as p
from fishbowl import FISHBOWL, RULES

HONEYPOT, OUTSIDE = '192.0.2.10', '198.51.100.7'
OPTION = re.compile(r'(content|replace|offset|depth|distance|within|dsize|file_data|sid|nocase)(?::\s*"?((?:[^";\\]|\\.)*)"?)?;')


def unpacked(content):
    """Bytes of a content: text, and hexadecimal between bars."""
    pieces = content.split('|')
    return b''.join(bytes.fromhex(piece) if n % 2 else piece.encode() for n, piece in enumerate(pieces))


class Rule:
    def __init__(self, line):
        head, self.options = line.split('(', 1)
        self.action, self.proto, _, _, _, _, port = head.split()
        self.port = int(re.sub(r'[^0-9].*', '', port.strip('[]')) or 8080) if port != 'any' else 8080
        self.file = 'file_data;' in self.options
        self.before, self.after = b'', []
        for name, value in OPTION.findall(self.options):
            getattr(self, 'on_' + name, lambda value: None)(value)

    def on_sid(self, value):
        self.sid = int(value)

    def on_dsize(self, _):
        self.before = b'hello'

    def on_content(self, value):
        self.last, self.gap = unpacked(value), 1 if self.before else 0
        self.at = len(self.before) + self.gap
        self.before += b' ' * self.gap + self.last

    def move(self, at):
        self.before = self.before[:self.at - self.gap].ljust(at, b' ') + self.last
        self.at = at

    def on_offset(self, value):
        self.move(int(value))

    def on_depth(self, _):
        if self.at and self.before[:self.at].strip() == b'':
            self.move(self.at)

    def on_distance(self, value):
        self.move(self.at - self.gap + int(value))

    def on_replace(self, value):
        self.after.append((self.last, unpacked(value)))


def all_rules():
    with open(RULES, encoding='utf-8') as file:
        return [Rule(line) for line in file if re.match('alert|drop', line)]


def frames(rule, n):
    payload = rule.before + b'\r\n'
    if rule.proto == 'udp':
        return [p.udp(HONEYPOT, OUTSIDE, 2000 + n, rule.port, data=payload)]
    return [frame for _, frame in p.tcp_talk(HONEYPOT, OUTSIDE, 2000 + n, rule.port, request=payload)]


@pytest.fixture(scope='module', name='alerts')
def fixture_alerts(tmp_path_factory):
    """All samples in one capture; the alerts by rule."""
    folder = tmp_path_factory.mktemp('outbound')
    sent = [frame for n, rule in enumerate(all_rules()) if not rule.file for frame in frames(rule, n)]
    capture = folder / 'sent.pcap'
    capture.write_bytes(p.pcap('raw', [(10**18 + n * 10**6, frame) for n, frame in enumerate(sent)]))
    done = subprocess.run([FISHBOWL, 'replay', '-o', '-', '--mode', 'ips', '--home', '192.0.2.0/24', '--rules', RULES,
                           capture], capture_output=True, text=True, check=True, timeout=120)
    found = {}
    for line in done.stdout.splitlines():
        record = json.loads(line)
        if record['event_type'] == 'alert':
            found.setdefault(record['alert']['signature_id'], []).append(record)
    return found


@pytest.mark.parametrize('rule', [rule for rule in all_rules() if not rule.file], ids=lambda rule: str(rule.sid))
def test_disarmed(alerts, rule):
    assert rule.sid in alerts, f'{rule.before!r} was not noticed'
    record = alerts[rule.sid][0]
    if rule.action == 'drop':
        assert record['alert']['action'] == 'blocked'
    for before, after in rule.after:
        said = record['fishbowl']
        assert len(before) == len(after) and before.lower() != after.lower()
        assert bytes.fromhex(said['before']) in before and bytes.fromhex(said['after']) in after, said


def test_one_of_them_alone_is_quiet():
    """No two rules have one number, and none is about nothing."""
    numbers = [rule.sid for rule in all_rules()]
    assert len(numbers) == len(set(numbers)) > 60
    assert all(rule.before or rule.file for rule in all_rules())
