# SPDX-License-Identifier: Apache-2.0
"""p0f's verdicts on captures and ours, counted. `p0f.py [CAPTURE...]` prints a table of all shared captures, or of
these: capture, verdicts of p0f on SYN and SYN+ACK, how many of them ours are the same as, and the share."""
import collections
import ipaddress
import os
import shutil
import subprocess
import sys
import tempfile

from fishbowl import PCAPS, captures, records

SIGNATURES = '/etc/p0f/p0f.fp'
KINDS = ('syn', 'syn+ack', 'http request', 'http response')


def program():
    return shutil.which('p0f', path=os.environ.get('PATH', '') + ':/usr/sbin')


def missing():
    """Why nothing can be compared; None if it can."""
    if not program():
        return "Debian's package p0f is not installed"
    return None if os.path.exists(SIGNATURES) else f'{SIGNATURES} is not there'


def lines(path, signatures=SIGNATURES):
    """p0f's own lines as dictionaries, in order."""
    with tempfile.TemporaryDirectory() as place:
        log = os.path.join(place, 'log')
        subprocess.run([program(), '-f', signatures, '-r', str(path), '-o', log], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False, timeout=120)
        if not os.path.exists(log):
            return []
        with open(log, encoding='latin-1') as text:
            return [dict(part.split('=', 1) for part in line.rstrip('\n').split('] ', 1)[1].split('|', 7)
                         if '=' in part) for line in text]


def theirs(path):
    """(kind, host, label) of each verdict."""
    return [(line['mod'], line[line['subj']].rsplit('/', 1)[0], line.get('os') or line.get('app'))
            for line in lines(path) if line['mod'] in KINDS]


def ours(path, *args):
    """(kind, host) and all labels that it was given; ??? for none, as p0f has it."""
    found = collections.defaultdict(set)
    for record in records('--ignore-checksums', '--signatures', SIGNATURES, *args, path):
        if record['event_type'] == 'fingerprint':
            said = record['fingerprint']
            found[said['kind'], short(said['subject'])].add(said.get('os') or said.get('app') or '???')
    return found


def short(address):
    """As p0f writes it: without the zeros and :: of IPv6."""
    ip = ipaddress.ip_address(address)
    return str(ip) if ip.version == 4 else ':'.join(f'{int(part, 16):x}' for part in ip.exploded.split(':'))


def compare(said, own, kinds=KINDS[:2]):
    """(verdicts, those that ours are not the same as) of what the two have said of a capture."""
    verdicts = [verdict for verdict in said if verdict[0] in kinds]
    return len(verdicts), [verdict for verdict in verdicts if verdict[2] not in own[verdict[:2]]]


def main(paths):
    why = missing()
    if why:
        sys.exit(f'p0f.py: {why}')
    total = [0, 0]
    print(f'{"capture":40} {"verdicts":>8} {"same":>8} {"%":>7}')
    for path in paths or [os.path.join(PCAPS, name) for name in captures()]:
        n, differ = compare(theirs(path), ours(path))
        same = n - len(differ)
        total[0] += n
        total[1] += same
        if n:
            print(f'{os.path.basename(path):40} {n:8} {same:8} {100 * same / n:7.2f}')
        for kind, host, label in differ:
            print(f'    {kind} {host}: p0f says {label}')
    if total[0]:
        print(f'{"all":40} {total[0]:8} {total[1]:8} {100 * total[1] / total[0]:7.2f}')


if __name__ == '__main__':
    main(sys.argv[1:])
