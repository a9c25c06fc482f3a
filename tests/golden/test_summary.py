# SPDX-License-Identifier: Apache-2.0
"""The summary of many captures in one replay: who, what and how much, readable on any terminal."""
import os
import subprocess

import pytest

from fishbowl import FISHBOWL, PCAPS, captures, run

COLUMNS = 80
SHOWN = 10


@pytest.fixture(scope='module', name='summary')
def make_summary():
    """Of all captures at once: many descriptors are open then."""
    paths = [os.path.join(PCAPS, name) for name in captures()]
    if not paths:
        pytest.skip('no captures in ../shared')
    done = run('--ignore-checksums', '--midstream=true', '-o', '-', *paths)
    assert done.returncode == 0, done.stderr
    return done.stderr


def section(summary, head):
    lines = summary.split('\n' + head, 1)[1].split('\n\n')[0].splitlines()[1:]
    assert 0 < len(lines) <= 2 * SHOWN
    return lines


def test_alone():
    """Without -o nothing else comes, on standard output."""
    path = os.path.join(os.path.dirname(__file__), 'decoders', 'input.pcap')
    alone, both = run(path), run('-o', '-', path)
    assert alone.returncode == both.returncode == 0
    assert (alone.stdout, alone.stderr) == (both.stderr, '')
    with open('/dev/full', 'wb') as full:
        failed = subprocess.run([FISHBOWL, 'replay', path], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert failed.returncode == 3 and 'cannot write the summary' in failed.stderr


def test_is_readable(summary):
    for line in summary.splitlines():
        assert len(line) <= COLUMNS and line.isprintable() and line.isascii(), line


def test_hosts(summary):
    hosts = [line.split() for line in section(summary, 'hosts, by conversations')]
    assert hosts[0][0] == '127.0.0.1' and int(hosts[0][3]) > 797
    assert hosts == sorted(hosts, key=lambda host: -int(host[3]) - int(host[4]))


def test_logins(summary):
    assert any(line.split() == ['irc', 'tim', '/', 'test', '3', '2'] for line in section(summary, 'logins '))
    assert any(line.startswith('  imap samir / pfres ') for line in section(summary, 'logins that worked'))


def test_files_and_chats(summary):
    sha256, name = section(summary, 'files')[:2]
    assert sha256.split()[0] == '566c4819a8130d65d29076930bd46dde5c2595a4a8be4a380857feb5b430ec6e'
    assert name.split()[0] == 'ssh.trace'
    assert any(line.split()[:2] == ['#testing', '9'] for line in section(summary, 'chats'))
