# SPDX-License-Identifier: Apache-2.0
"""fishbowl rules: what is said of rules, and how many of the world's rules load."""
import gzip
import json
import os
import re
import subprocess

import pytest

from fishbowl import FISHBOWL, PCAPS, SHARED

RULES = os.path.join(SHARED, 'data', 'rules')
VERIFY = os.path.join(SHARED, 'data', 'suricata-verify', 'tests')

FIGURE = ('alert tcp $HONEYNET any -> $EXTERNAL_NET 53 (msg:"DNS EXPLOIT named";flags: A+; '
          'content:"|CD80 E8D7 FFFFFFFF|/bin/sh"; replace:"|0000 E8D7 FFFFFFFF|/ben/sh";)\n')

MIXED = FIGURE + r'''
alert http $HOME_NET any -> any any (msg:"\"odd\""; http.uri; content:"/a"; nosuch; sid:5;)
#alert tcp any any -> any any (sid:6;)
alert tcp any any -> any any \
    (content:"abc"; depth:2; sid:7;)
drop mqtt any any -> any any (sid:8;)
alert tcp any any -> any any (sid:9; rev:1;)
alert tcp any any -> any any (sid:9; rev:2;)
'''

REFUSALS = [
    (3, MIXED.splitlines()[2].index('nosuch') + 1, 5, 'unknown-keyword'),
    (6, 27, 7, 'too-narrow'),
    (7, 6, 8, 'unsupported-protocol'),
]


def run(*args):
    return subprocess.run([FISHBOWL, *map(str, args)], capture_output=True, text=True, check=False, timeout=300)


def rules(*args):
    return run('rules', *args)


@pytest.fixture
def mixed(tmp_path):
    path = tmp_path / 'mixed.rules'
    path.write_text(MIXED)
    return path


def test_text(mixed):
    done = rules('check', mixed)
    assert done.returncode == 1 and done.stderr == ''
    lines = done.stdout.splitlines()
    for line, (row, column, sid, reason) in zip(lines, REFUSALS):
        assert line.startswith(f'{mixed}:{row}:{column}: sid {sid}: {reason}: ')
    assert lines[3:] == [
        '3 rules loaded, 3 refused, 1 switched off; 1 of the loaded give way to another with their sid',
        '       1 too-narrow',
        '       1 unknown-keyword',
        '       1 unsupported-protocol',
    ]


def test_json(mixed):
    done = rules('check', '--json', mixed)
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert {name: said[name] for name in ('loaded', 'refused', 'disabled', 'superseded')} == {
        'loaded': 3, 'refused': 3, 'disabled': 1, 'superseded': 1}
    assert said['reasons'] == {reason: 1 for *_, reason in REFUSALS}
    assert [(r['line'], r['column'], r['sid'], r['reason']) for r in said['refusals']] == REFUSALS
    assert all(r['file'] == str(mixed) and r['text'] for r in said['refusals'])


def test_hostile_text_is_escaped(tmp_path):
    path = tmp_path / 'x.rules'
    path.write_bytes(b'alert \x1b[2J\xff" any any -> any any (sid:1;)\n')
    done = rules('check', '-j', path)
    assert json.loads(done.stdout)['refused'] == 1
    assert rules('check', path).stdout.isascii() and '\x1b' not in rules('check', path).stdout


def test_exit_status(tmp_path, mixed):
    fine = tmp_path / 'fine.rules.gz'
    fine.write_bytes(gzip.compress(FIGURE.encode()))
    assert rules('check', fine).returncode == 0
    cut = tmp_path / 'cut.rules.gz'
    cut.write_bytes(gzip.compress((FIGURE * 1000).encode())[:-12])
    for args, said in (([cut], 'not a whole gzip file'), ([tmp_path / 'absent'], 'No such file'),
                       (['-S', 'X', mixed], 'NAME=VALUE'), (['-S', '1=2', mixed], 'not a variable'),
                       ([], 'Usage')):
        done = rules('check', *args)
        assert done.returncode in (2, 64), args
        assert said in done.stderr
    assert rules().returncode == 2
    assert rules('nosuch').returncode == 2
    assert rules('--help').returncode == 0


def test_gzip_everywhere(tmp_path):
    """The setting, --rules of replay and check-config unpack what `fishbowl rules` does."""
    fine, cut = tmp_path / 'fine.rules.gz', tmp_path / 'cut.rules.gz'
    packed = gzip.compress(FIGURE.encode()) + gzip.compress(FIGURE.replace(')', 'sid:2;)').encode())
    fine.write_bytes(packed)
    cut.write_bytes(packed[:-12])
    assert json.loads(rules('check', '-j', fine).stdout)['loaded'] == 2
    capture = tmp_path / 'nothing.pcap'
    capture.write_bytes(bytes.fromhex('d4c3b2a1020004000000000000000000ffff000001000000'))
    conf = tmp_path / 'fishbowl.conf'
    for path, status, said in ((fine, 0, ''), (cut, 4, f'{cut}: not a whole gzip file')):
        done = run('replay', '--rules', path, '-o', tmp_path / 'out', capture)
        assert done.returncode == status and said in done.stderr
        conf.write_text(f'outside = "eth0"\ninside = {{"eth1"}}\nrules = {{"{path}"}}\n'
                        'honeypot "web" { address = {"10.0.0.5"} }\n')
        done = run('check-config', '-c', conf)
        assert (done.returncode == 0) is (status == 0) and said in done.stderr, done


def test_variables(tmp_path):
    path = tmp_path / 'x.rules'
    path.write_text('alert tcp $HONEYNET any -> $MINE $DOOR (sid:3;)\n')
    assert 'undefined-variable' in rules('check', path).stdout
    done = rules('explain', '3', path, '-S', 'HOME_NET=10.0.0.0/24', '-S', 'MINE=!$HOME_NET', '-S', 'DOOR=8080')
    assert done.returncode == 0
    assert 'Tells of TCP from 10.0.0.0/24, any port, to any address but 10.0.0.0/24, port 8080.' in done.stdout


def test_configuration(tmp_path):
    conf = tmp_path / 'fishbowl.conf'
    conf.write_text('outside = "eth0"\ninside = {"eth1"}\n'
                    'honeypot "web" { address = {"10.0.0.5", "2001:db8::5"} }\n')
    path = tmp_path / 'x.rules'
    path.write_text(FIGURE.replace('(', '(sid:3; '))
    said = rules('explain', '-c', conf, '3', path).stdout
    assert 'Tells of TCP from 10.0.0.5/32, 2001:db8::5/128, any port, to any address but 10.0.0.5/32, 2001:db8::5/128, port 53.' in said
    assert r'"\xcd\x80\xe8\xd7\xff\xff\xff\xff/bin/sh", which becomes "\x00\x00\xe8\xd7\xff\xff\xff\xff/ben/sh"' in said

    conf.write_text(f'rules = {{"{path}"}}\n' + conf.read_text())
    assert rules('explain', '-c', conf, '3').stdout == said
    assert rules('check', '-c', conf).stdout.startswith('1 rules loaded')
    assert rules('check', '-c', tmp_path / 'absent').returncode == 2


def test_explain(mixed):
    assert rules('explain', '5', mixed).stdout.startswith(f'{mixed}:3:77: sid 5: unknown-keyword')
    assert rules('explain', '77', mixed).returncode == 1
    assert rules('explain', 'x', mixed).returncode == 2


def test_words():
    said = rules('words').stdout
    for word in ('content', 'http_uri', 'http.uri', 'byte_math', 'from_base64', 'tls.sni', 'xbits'):
        assert f'\n{word} ' in said or said.startswith(f'{word} ')


@pytest.mark.parametrize('name, least', [('et-open', 20094), ('gpl', 3106), ('et-open-suricata', 16887),
                                         ('et-gpl-origin', 917), ('et-gpl-origin-suricata', 940)])
def test_public_rules_load(name, least):
    path = os.path.join(RULES, name + '.rules.gz')
    if not os.path.exists(path):
        pytest.skip('the public rule sets are not here')
    said = json.loads(rules('check', '--json', path).stdout)
    assert said['loaded'] >= least
    assert said['refused'] <= 1
    with gzip.open(path, 'rt', encoding='latin-1') as file:
        enabled = sum(line.startswith('alert') for line in file)
    assert said['loaded'] + said['refused'] == enabled


def test_rules_of_verify():
    """What is refused there is of protocols and words that are not read here."""
    if not os.path.isdir(VERIFY):
        pytest.skip('suricata-verify is not here')
    files = [os.path.join(where, name) for where, _, names in os.walk(VERIFY) for name in names
             if name.endswith('.rules')]
    said = json.loads(rules('check', '--json', *files).stdout)
    assert said['loaded'] >= 1070
    assert set(said['reasons']) <= {
        'unsupported-protocol', 'unsupported-keyword', 'unsupported-hook', 'unsupported-action',
        'unsupported-direction', 'unsupported-value', 'requires'}


def one_byte_differs(old, new):
    """Both as text of a content; a kind stays what it was."""
    def read(text):
        parts = re.split(r'\|([0-9A-Fa-f ]*)\|', re.sub(r'\\(.)', lambda m: '|%02x|' % ord(m[1]), text))
        return b''.join(bytes.fromhex(p.replace(' ', '')) if i % 2 else p.encode('latin-1') for i, p in enumerate(parts))

    pairs = [(a, b) for a, b in zip(read(old), read(new), strict=True) if a != b]
    assert len(pairs) == 1, (old, new)
    a, b = (chr(c) for c in pairs[0])
    assert a.isascii() is False or (a.isdigit(), a.islower(), a.isupper()) == (b.isdigit(), b.islower(), b.isupper())


@pytest.mark.parametrize('name, least, replaced', [('et-open', 14974, 980), ('gpl', 2892, 970)])
def test_public_rules_are_converted(tmp_path, name, least, replaced):
    path = os.path.join(RULES, name + '.rules.gz')
    if not os.path.exists(path):
        pytest.skip('the public rule sets are not here')
    done = rules('convert', path)
    assert done.returncode in (0, 1), done.stderr
    assert int(done.stderr.split()[0]) >= least
    made = tmp_path / 'made.rules'
    made.write_text(done.stdout, encoding='latin-1')
    said = json.loads(rules('check', '--json', made).stdout)
    assert said['refused'] == 0 and said['superseded'] == 0 and said['loaded'] >= least
    pairs = re.findall(r'content:"((?:[^"\\]|\\.)*)"; replace:"([^"]*)"', done.stdout)
    assert len(pairs) >= replaced
    for old, new in pairs:
        one_byte_differs(old, new)
    assert rules('convert', path).stdout == done.stdout
    fewer = rules('convert', '--enabled', path)
    assert 0 < int(fewer.stderr.split()[0]) < int(done.stderr.split()[0])


# ---- profile ----

PROFILED = r'''
alert http any any -> any any (msg:"seen \"often\""; http.uri; content:"/"; sid:11;)
alert tcp any any -> any any (msg:"never right"; content:"GET "; fast_pattern; content:"no such thing"; sid:12;)
alert udp any any -> any 9 (content:"never looked at"; sid:13;)
alert udp $HONEYNET any -> $EXTERNAL_NET 9 (msg:"whoever is at home"; content:"never looked at"; sid:14;)
'''


def profile(*args):
    return rules('profile', *args)


def test_profile(tmp_path):
    capture = os.path.join(PCAPS, 'http-chunked-eicar.pcap')
    if not os.path.exists(capture):
        pytest.skip('the captures are not here')
    path = tmp_path / 'x.rules'
    path.write_text(PROFILED)
    done = profile('--json', '--rules', path, capture)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said['loaded'] == 4 and said['checked'] == 2
    by_sid = {rule['sid']: rule for rule in said['rules']}
    assert set(by_sid) == {11, 12}
    assert by_sid[11]['matches'] > 0 and by_sid[11]['signature'] == 'seen "often"'
    assert by_sid[12]['matches'] == 0 and by_sid[12]['checks'] > 0
    assert by_sid[12]['file'] == str(path) and by_sid[12]['line'] == 3
    for name in ('checks', 'matches', 'ns'):
        assert said[name] == sum(rule[name] for rule in said['rules'])
    assert [rule['ns'] for rule in said['rules']] == sorted((r['ns'] for r in said['rules']), reverse=True)
    assert said['ns'] > 0
    hits = subprocess.run([FISHBOWL, 'replay', '-o', '-', '--rules', path, capture], capture_output=True,
                          text=True, check=True).stdout.count('"event_type":"alert"')
    assert said['matches'] == hits

    lines = profile('--count', '1', '--rules', path, capture).stdout.splitlines()
    assert len(lines) == 3 and lines[-1].endswith('2 of 4 rules were looked at')


def test_profile_arguments(tmp_path):
    path = tmp_path / 'x.rules'
    path.write_text(PROFILED)
    for args, said in ((['--rules', path], 'no capture'), (['x.pcap'], '--rules'),
                       (['--rules', path, '--count', '0', 'x.pcap'], 'not a number'),
                       (['--rules', tmp_path / 'absent', 'x.pcap'], 'No such file')):
        done = profile(*args)
        assert done.returncode == 2 and said in done.stderr, args
    assert profile('--rules', path, tmp_path / 'absent.pcap').returncode == 1
