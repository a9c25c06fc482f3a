#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""report - what `fishbowl replay` recovers from the captures in ../shared/data/pcaps, held against what is known.

Expectations are those of expected.json (found with tshark), of verified.tsv (found by hand), and tshark's own counts
where it is installed. Each is met, missing, or explained: explanations.tsv has a sentence for what Fishbowl says
otherwise on purpose, and the file that must be there instead. An explanation of what is met, or of nothing that is
expected, is an error as what is missing is.

Exit status: 0 everything is met or explained; 1 something is not; 2 there are no captures.
"""
import argparse
import base64
import collections
import csv
import json
import os
import re
import shutil
import subprocess
import sys

from fishbowl import PCAPS, captures, records

HERE = os.path.dirname(os.path.abspath(__file__))
EXPLANATIONS = os.path.join(HERE, 'explanations.tsv')
OPTIONS = ('--rules', os.path.join(HERE, 'report.rules'))
TSHARK = 'tshark'
TSHARK_SAYS = 'tshark: '
TSHARK_SECONDS = 120

# files: SHA-256 of those that are there.
Expectation = collections.namedtuple('Expectation', 'capture kind finding met files', defaults=(frozenset(),))


# ---- records ----

class Records:
    """Those of one capture, by what they are."""

    def __init__(self, found):
        self.found = found
        self.by_type = collections.defaultdict(list)
        for record in found:
            self.by_type[record['event_type']].append(record)

    def bodies(self, kind):
        return [record[kind] for record in self.by_type[kind] if kind in record]

    def logins(self, proto):
        return [record['login'] for record in self.by_type['login'] if record.get('app_proto') == proto]

    def flows(self, proto):
        return [record for record in self.by_type['flow'] if record.get('proto') == proto]

    def files(self):
        return {body.get('sha256'): body for body in self.bodies('fileinfo')}


def http_requests(got):
    """Method, host and URI in one, as expected.json has them."""
    for http in got.bodies('http'):
        uri, port = http.get('url', ''), http.get('http_port')
        host = http.get('hostname', '') + (f':{port}' if port else '')
        yield f"{http.get('http_method')} {host}{uri}"
        yield f"{http.get('http_method')} {uri}"  # the URI is absolute


def ftp_logins(got):
    return [f"{login.get('user')}/{login.get('password')}" for login in got.logins('ftp')]


def ftp_files(got):
    return [f"{ftp.get('command')} {ftp.get('filename')}" for ftp in got.bodies('ftp_data')]


def basic_logins(got):
    return [f"{login.get('user')}:{login.get('password')}" for login in got.logins('http')
            if login.get('method') == 'basic']


def dns_names(got):
    return [query['rrname'] for dns in got.bodies('dns') for query in dns.get('queries', [])]


def smtp_commands(got):
    for smtp in got.bodies('smtp'):
        yield 'EHLO', smtp.get('helo')
        yield 'HELO', smtp.get('helo')
        yield 'MAIL', smtp.get('mail_from')
        for to in smtp.get('rcpt_to', []):
            yield 'RCPT', to
    for login in got.logins('smtp'):
        yield 'AUTH', login.get('method', '').upper()


def is_smtp(got, line):
    """`RCPT TO:<x>`, `MAIL From:<x> SIZE=1`: the address is what is told."""
    word, _, rest = line.partition(' ')
    address = re.search(r'<.*?>', rest)
    return (word, address.group() if address else rest) in set(smtp_commands(got))


def is_smtp_login(got, line):
    said = base64.b64decode(line).decode()
    return any(said in (login.get('user'), login.get('password')) for login in got.logins('smtp'))


def pop3_commands(got):
    for pop3 in got.bodies('pop3'):
        request = pop3.get('request', {})
        yield ' '.join([request.get('command', ''), *(request.get('args') or [''])])


def unquoted(line):
    return line.replace('"', '')


def imap_commands(got):
    for imap in got.bodies('imap'):
        request = imap.get('request')
        if request:
            yield unquoted(' '.join([request['tag'], request['command'], *request['args']]))


def banners(got):
    for ssh in got.bodies('ssh'):
        for side in ('client', 'server'):
            one = ssh.get(side, {})
            comments = f" {one['comments']}" if 'comments' in one else ''
            yield f"SSH-{one.get('proto_version')}-{one.get('software_version')}{comments}"


def chat(got, **wanted):
    return any(all(one.get(key) == value for key, value in wanted.items()) for one in got.bodies('chat'))


def irc_login(got, **wanted):
    return any(all(one.get(key) == value for key, value in wanted.items()) for one in got.logins('irc'))


IRC = {
    'PASS': lambda got, arg, text: irc_login(got, password=arg[0]),
    'OPER': lambda got, arg, text: irc_login(got, method='oper', user=arg[0], password=arg[1]),
    'USER': lambda got, arg, text: bool(got.logins('irc')),
    'NICK': lambda got, arg, text: irc_login(got, user=arg[0]) or chat(got, kind='nick', to=arg[0]),
    'JOIN': lambda got, arg, text: chat(got, kind='join', channel=arg[0]),
    'PART': lambda got, arg, text: chat(got, kind='part', channel=arg[0]),
    'TOPIC': lambda got, arg, text: chat(got, kind='topic', channel=arg[0], text=text),
    'KICK': lambda got, arg, text: chat(got, kind='kick', channel=arg[0], to=arg[1]),
    'INVITE': lambda got, arg, text: chat(got, kind='invite', to=arg[0], channel=arg[1]),
    'QUIT': lambda got, arg, text: chat(got, kind='quit', text=text),
    'PRIVMSG': lambda got, arg, text: (chat(got, kind='message', channel=arg[0], text=text) or
                                       chat(got, kind='message', to=arg[0], text=text)),
    'MODE': lambda got, arg, text: (chat(got, kind='mode', channel=arg[0], text=arg[-1]) or
                                    chat(got, kind='mode', to=arg[0], text=arg[-1])),
}


def is_irc(got, line):
    words, colon, trailing = line.partition(' :')
    word, *args = words.split()
    text = trailing if colon else ' '.join(args[1:]) or (args[0] if args else '')
    known = IRC.get(word.upper())
    return bool(known and args + [trailing] and known(got, args or [trailing], text))


def smb_accounts(got):
    for smb in got.bodies('smb'):
        yield smb.get('account')
        for side in ('ntlmssp', 'request'):
            yield smb.get(side, {}).get('user')
    for login in got.logins('smb'):
        yield login.get('user')


def within(name):
    """The findings that a function yields are those that are met."""
    return lambda got, line: line in set(name(got))


def member(kind, *path):
    def values(got):
        for body in got.bodies(kind):
            for key in path:
                body = body.get(key, {}) if isinstance(body, dict) else {}
            yield body if isinstance(body, str) else None
    return within(values)


def anywhere(kind):
    """A value of any member of records of that kind."""
    def strings(value):
        if isinstance(value, dict):
            for one in value.values():
                yield from strings(one)
        elif isinstance(value, list):
            for one in value:
                yield from strings(one)
        else:
            yield str(value)
    return lambda got, line: any(line in set(strings(body)) for body in got.bodies(kind))


def vlans(got):
    return [str(vlan) for record in got.found for vlan in record.get('vlan', [])]


# Of each kind of finding in expected.json: whether the records have it.
FINDINGS = {
    'browser_server': member('netbios', 'browser', 'server'),
    'dns_name': within(dns_names),
    'finger': lambda got, line: anywhere('finger')(got, line.replace('\\r\\n', '')),
    'ftp_file': within(ftp_files),
    'ftp_login': within(ftp_logins),
    'http_basic_auth': within(basic_logins),
    'http_request': within(http_requests),
    'http_server': member('http', 'server'),
    'http_user_agent': member('http', 'http_user_agent'),
    'imap_request': lambda got, line: unquoted(line) in set(imap_commands(got)),
    'irc_request': is_irc,
    'nbdgm_destination': anywhere('netbios'),
    'nbdgm_source': anywhere('netbios'),
    'pop3': within(pop3_commands),
    'smb_account': within(smb_accounts),
    'smb_file': anywhere('smb'),
    'smb_path': anywhere('smb'),
    'smtp': is_smtp,
    'smtp_auth': is_smtp_login,
    'ssh_banner': within(banners),
    'tftp_file': member('tftp', 'file'),
    'tls_sni': member('tls', 'sni'),
    'vlan': within(vlans),
}


# ---- what was found by hand ----

def parts_of_dcc(got, text):
    sha256 = re.search(r'sha256 ([0-9a-f]{64})', text).group(1)
    yield 'file of DCC SEND', sha256 in got.files()
    for line in re.findall(r'"(.*?)"', text):
        yield f'DCC CHAT "{line}"', chat(got, kind='message', text=line)


def parts_of_irc(got, text):
    nick = re.search(r'NICK (\w+)', text).group(1)
    address, = re.findall(r'\d+\.\d+\.\d+\.\d+', text)
    yield f'IRC of {address}', any(flow['dest_ip'] == address and flow.get('app_proto') == 'irc'
                                   for flow in got.flows('TCP'))
    yield f'NICK {nick}', irc_login(got, user=nick)


def parts_of_rsh(got, text):
    rsh = got.bodies('rsh')
    for name, key in (('local user', 'client_user'), ('remote user', 'server_user')):
        user = re.search(rf'{name} (\w+)', text).group(1)
        yield f'{name} {user}', any(one.get(key) == user for one in rsh) or any(
            user == login.get('user') for login in got.logins('rsh'))
    command, answer = re.findall(r'"(.*?)"', text)
    yield f'command {command}', any(one.get('command') == command for one in rsh)
    yield f'answer {answer}', any(answer in json.dumps(one) for one in rsh)


def parts_of_back_orifice(got, text):
    key = re.search(r'key (\d+)', text).group(1)
    found = [record for record in got.found if record.get('app_proto') == 'backorifice' or
             record['event_type'] == 'backorifice']
    yield 'Back Orifice on UDP', bool(found)
    yield f'key {key}', any(key in json.dumps(record) for record in found)
    for kind in ('PING', 'PONG'):
        yield kind, any(kind in json.dumps(record).upper() for record in found)


def parts_of_protocols(got, text):
    numbers = re.search(r'IP protocols (.*)', text).group(1)
    for number, times in re.findall(r'(\d+)(?: \((\d+) frames\))?', numbers):
        frames = sum(flow['flow']['pkts_toserver'] + flow['flow']['pkts_toclient']
                     for flow in got.flows(f'{int(number):03}'))
        yield f'IP protocol {number}', frames == int(times or 1)


def parts_of_udp(got, text):
    count, size, source, hosts, port = re.match(
        r'(\d+) datagrams of (\d+) bytes from (\S+) to (\d+) hosts, udp/(\d+)', text).groups()
    flows = [flow for flow in got.flows('UDP') if flow['src_ip'] == source and flow['dest_port'] == int(port)]
    yield f'{count} datagrams', sum(flow['flow']['pkts_toserver'] for flow in flows) == int(count)
    yield f'{hosts} hosts', len({flow['dest_ip'] for flow in flows}) == int(hosts)
    headers = 14 + 20 + 8
    yield f'{size} bytes', {flow['flow']['bytes_toserver'] for flow in flows} == {int(size) + headers}


def parts_of_fragments(got, text):
    """An overlap is an alert of report.rules."""
    alerts = [alert['signature_id'] for alert in got.bodies('alert')]
    old, reverse, incomplete = re.findall(r'id (\d+)', text)
    yield f'id {old}, {reverse}: their overlaps are seen', alerts == [1, 1]
    frames = sum(flow['flow']['pkts_toserver'] for flow in got.flows('UDP'))
    yield f'id {incomplete}: its fragment is counted', frames == 7


VERIFIED = {
    'irc-dcc-send.pcapng': parts_of_dcc,
    'irc-highport.pcap': parts_of_irc,
    'rsh.pcap': parts_of_rsh,
    'synth-backorifice.pcap': parts_of_back_orifice,
    'synth-ipproto11.pcap': parts_of_protocols,
    'synth-udp1434-376.pcap': parts_of_udp,
    'synth-ipfrag-overlap.pcap': parts_of_fragments,
}


# ---- expectations ----

def senders(got):
    """Addresses that sent a packet, in a tunnel or not."""
    for flow in got.by_type['flow']:
        if flow['flow']['pkts_toserver']:
            yield flow['src_ip']
        if flow['flow']['pkts_toclient']:
            yield flow['dest_ip']


def count(capture, kind, theirs, ours):
    """A count that must be the same; the finding names both, so that an explanation holds for these two only."""
    finding = str(theirs) if theirs == ours else f'{theirs}, ours {ours}'
    return Expectation(capture, kind, finding, theirs == ours)


def of_expected(capture, expected, got):
    yield count(capture, 'tcp flows', expected['tcp_flows'], len(got.flows('TCP')))
    yield count(capture, 'udp flows', expected['udp_flows'], len(got.flows('UDP')))
    yield count(capture, 'hosts', expected['hosts'], len(set(senders(got))))
    for kind, findings in expected['findings'].items():
        for finding in findings:
            yield Expectation(capture, kind, finding, kind in FINDINGS and FINDINGS[kind](got, finding))
    files = got.files()
    for one in expected['objects']:
        name = f"{one['name']} {one['sha256'][:12]}"
        yield Expectation(capture, f"{one['kind']} object", name,
                          files.get(one['sha256'], {}).get('size') == one['size'], frozenset(files))


def of_verified(capture, got, rows):
    for text in rows.get(capture, []):
        if capture not in VERIFIED:
            yield Expectation(capture, 'verified', text, False)
            continue
        for finding, met in VERIFIED[capture](got, text):
            yield Expectation(capture, 'verified', finding, met)


# ---- tshark's counts ----

FIELDS = ('tcp.stream', 'udp.stream', 'http.request.method', 'dns.qry.name', 'smtp.req.command', 'ftp.request.command')


def tshark_fields(path):
    """Of each field all values, in the order of the frames."""
    argv = [TSHARK, '-n', '-r', path, '-T', 'fields', '-E', 'occurrence=a', '-E', 'separator=/t', '-E', 'aggregator=|']
    for field in FIELDS:
        argv += ['-e', field]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=TSHARK_SECONDS)
    found = collections.defaultdict(list)
    for line in done.stdout.splitlines():
        for field, values in zip(FIELDS, line.split('\t')):
            found[field] += [value for value in values.split('|') if value]
    return found


# What is counted, how tshark does, and how the records do.
COUNTS = (
    ('tcp flows', lambda said: len(set(said['tcp.stream'])), lambda got: len(got.flows('TCP'))),
    ('udp flows', lambda said: len(set(said['udp.stream'])), lambda got: len(got.flows('UDP'))),
    ('HTTP requests', lambda said: len(said['http.request.method']),
     lambda got: len([http for http in got.bodies('http') if http.get('http_method')])),
    ('DNS names', lambda said: len(set(said['dns.qry.name'])), lambda got: len(set(dns_names(got)))),
    ('SMTP recipients', lambda said: said['smtp.req.command'].count('RCPT'),
     lambda got: sum(len(smtp.get('rcpt_to', [])) for smtp in got.bodies('smtp'))),
    ('FTP commands', lambda said: len(said['ftp.request.command']),
     lambda got: len([ftp for ftp in got.bodies('ftp') if ftp.get('command')])),
)


def of_tshark(capture, path, got):
    said = tshark_fields(path)
    for kind, theirs, ours in COUNTS:
        if theirs(said) or ours(got):
            yield count(capture, TSHARK_SAYS + kind, theirs(said), ours(got))


# ---- explanations ----

def read_rows(path):
    with open(path, encoding='utf-8', newline='') as file:
        rows = [line for line in file if line.strip() and not line.startswith('#')]
    return list(csv.DictReader(rows, delimiter='\t', quoting=csv.QUOTE_NONE))


def read_explanations():
    """(capture, kind, finding) -> sentence, and the SHA-256 of what must be there instead or None. No sentence, or two for one finding: the file is wrong."""
    found = {}
    for row in read_rows(EXPLANATIONS):
        key = row['capture'], row['kind'], row['finding']
        if not row['why'] or key in found:
            raise SystemExit(f'{EXPLANATIONS}: {key}: no sentence, or two')
        found[key] = row['why'], None if row['instead'] == '-' else row['instead']
    return found


# ---- the report ----

def examine(with_tshark, only):
    with open(os.path.join(PCAPS, 'expected.json'), encoding='utf-8') as file:
        expected = json.load(file)
    verified = collections.defaultdict(list)
    for row in read_rows(os.path.join(PCAPS, 'verified.tsv')):
        verified[row['file']].append(row['finding'])
    for capture in only or captures():
        path = os.path.join(PCAPS, capture)
        got = Records(records(*OPTIONS, path))
        yield from of_expected(capture, expected[capture], got)
        yield from of_verified(capture, got, verified)
        if with_tshark:
            yield from of_tshark(capture, path, got)


def key_of(one):
    """An explanation of a count holds for tshark's, too."""
    return one.capture, one.kind.removeprefix(TSHARK_SAYS), one.finding


class Row:
    """Of one capture, all that is expected of a kind."""

    def __init__(self):
        self.met, self.explained, self.missing = [], [], []


class Report:
    def __init__(self, expectations, explanations):
        self.rows = collections.defaultdict(Row)
        self.explanations = explanations
        self.needed = set()
        known = set()
        for one in expectations:
            key = key_of(one)
            known.add(key)
            row = self.rows[one.capture, one.kind]
            if one.met:
                row.met.append(one)
            elif key in explanations and (not explanations[key][1] or explanations[key][1] in one.files):
                row.explained.append(one)
                self.needed.add(key)
            else:
                row.missing.append(one)
                self.needed.add(key)
        self.unneeded = [key for key in explanations if key not in self.needed]
        self.unneeded_met = [key for key in self.unneeded if key in known]

    def missing(self):
        return [one for row in self.rows.values() for one in row.missing]

    def total(self, kind):
        return sum(len(getattr(row, kind)) for row in self.rows.values())

    def lines(self):
        line = '{:<26} {:<24} {:>5} {:>8} {:>10}'.format
        yield line('capture', 'expectation', 'met', 'missing', 'explained')
        for (capture, kind), row in self.rows.items():
            yield line(capture, kind, len(row.met), len(row.missing) or '', len(row.explained) or '')
            for one in row.missing:
                yield f'    missing: {printable(one.finding)}'
            for one in row.explained:
                yield f'    {printable(one.finding)}: {self.explanations[key_of(one)][0]}'
        yield line('all', '', self.total('met'), self.total('missing'), self.total('explained'))
        for key in self.unneeded:
            why = 'is met' if key in self.unneeded_met else 'is not expected'
            yield f"explanations.tsv: {' / '.join(map(printable, key))}: {why}; take the explanation out"

    def failed(self):
        return bool(self.missing() or self.unneeded)


def printable(text):
    return ''.join(c if c.isprintable() else f'\\x{ord(c):02x}' for c in text)


def make(only=()):
    """The report, of these captures or all; tshark's counts are left out where it is not installed."""
    with_tshark = shutil.which(TSHARK) is not None
    counted = {kind for kind, _, _ in COUNTS if not kind.endswith('flows')}
    explanations = {key: why for key, why in read_explanations().items()
                    if (with_tshark or key[1] not in counted) and (not only or key[0] in only)}
    return Report(examine(with_tshark, only), explanations), with_tshark


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('capture', nargs='*', help='names of captures (default: all)')
    only = parser.parse_args().capture
    if not captures():
        print(f'golden-report: left out: there are no captures in {PCAPS} (FISHBOWL_SHARED)')
        return 2
    report, with_tshark = make(only)
    print('\n'.join(report.lines()))
    if not with_tshark:
        print('golden-report: tshark is not installed: not compared with it')
    return 1 if report.failed() else 0


if __name__ == '__main__':
    sys.exit(main())
