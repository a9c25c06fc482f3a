# SPDX-License-Identifier: Apache-2.0
"""fishbowl rules propose: from conversations to a rule that matches them and no others; and the rules of our own."""
import os
import re
import subprocess

import packets as p
from fishbowl import FISHBOWL

VICTIM, BAD, GOOD = '192.0.2.1', '198.51.100.', '203.0.113.'
OUTBOUND = os.path.join(os.path.dirname(__file__), '..', '..', 'data', 'rules', 'outbound.rules')


def rules(*args):
    return subprocess.run([FISHBOWL, 'rules', *map(str, args)], capture_output=True, text=True, check=False, timeout=60)


def talks():
    for n in range(1, 6):
        attack = b'OPEN item-%d\r\nRUN \x90\x90\x90\x90\xe8%c\x00\x00\x00/bin/sh\x00 now\r\n' % (n * 37, n)
        yield from (frame for _, frame in p.tcp_talk(BAD + str(n), VICTIM, 4000 + n, 7777, request=attack))
    for n in range(1, 30):
        calm = b'OPEN item-%d\r\nCLOSE\r\n' % n
        yield from (frame for _, frame in p.tcp_talk(GOOD + str(n), VICTIM, 5000 + n, 7777, request=calm))


def capture(tmp_path):
    path = tmp_path / 'talks.pcap'
    path.write_bytes(p.pcap('raw', [(1_700_000_000_000_000_000 + n * 10**7, frame) for n, frame in enumerate(talks())]))
    return path


def test_common_and_rare(tmp_path):
    done = rules('propose', '--host', BAD + '0/24', '--sid', 77, '--msg', 'seen "twice"', capture(tmp_path))
    assert done.returncode == 0, done.stderr
    assert 'matches 5 of the 5 chosen conversations, and 0 of 29 others\n' in done.stderr
    line = done.stdout.strip()
    assert re.match(r'alert tcp any any -> any 7777 \(msg:"seen .twice."; flow:established,to_server; ', line)
    assert '|0D 0A|RUN |90 90 90 90 E8|' in line and '|00 00 00|/bin/sh|00| now|0D 0A|' in line and 'sid:77;' in line
    proposed = tmp_path / 'proposed.rules'
    proposed.write_text(done.stdout)
    assert rules('check', proposed).returncode == 0


def test_too_wide(tmp_path):
    """One of the crowd: what it says others say too."""
    done = rules('propose', '--host', GOOD + '2/31', capture(tmp_path))
    assert done.returncode == 1
    assert 'look at it before you use it' in done.stderr


def test_nothing(tmp_path):
    path = capture(tmp_path)
    assert rules('propose', '--host', '192.0.2.99', path).returncode == 1
    for wrong in (('--host', BAD + '1'), (path,), ('--host', 'nobody', path), ('--flow', 'x', path),
                  ('--port', 70000, '--host', BAD + '1', path), ('--host', BAD + '1', tmp_path / 'none.pcap')):
        done = rules('propose', *wrong)
        assert done.returncode in (2, 4) and done.stderr, wrong


def test_cut_capture(tmp_path):
    path = capture(tmp_path)
    path.write_bytes(path.read_bytes()[:-5])
    done = rules('propose', '--host', BAD + '0/24', path)
    assert done.returncode == 0 and 'what was before it is used' in done.stderr


def test_our_own_rules_load():
    done = rules('check', OUTBOUND)
    assert done.returncode == 0, done.stdout
    assert not re.search('switched off [^0]|, [1-9][0-9]* refused', done.stdout)
