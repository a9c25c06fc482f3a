# SPDX-License-Identifier: Apache-2.0
"""Wrong configurations: each fault with its line and what to do about it. Right ones: fine."""
import subprocess

import pytest

GOOD = 'outside = "eth0"\ninside = {"eth1"}\n'
POT = 'honeypot "web" { address = {"10.0.0.5"} }\n'

# Name: the file, and what is said about it (without the file's name).
WRONG = {
    'empty': ('', [
        '1: the file is empty; `fishbowl check-config --settings` prints one to start from',
    ]),
    'comments only': ('# nothing\n\n', [
        '1: outside is not set; name the NIC towards the outside: outside = "eth0"',
        '1: inside is not set; name the NICs towards the honeypots: inside = {"eth1"}',
        '1: there is no honeypot; add one: honeypot "web" { address = {"10.0.0.5"} }',
    ]),
    'no outside': ('inside = {"eth1"}\n' + POT, [
        '1: outside is not set; name the NIC towards the outside: outside = "eth0"',
    ]),
    'no inside': ('outside = "eth0"\n' + POT, [
        '1: inside is not set; name the NICs towards the honeypots: inside = {"eth1"}',
    ]),
    'inside without entries': ('outside = "eth0"\ninside = {}\n' + POT, [
        '1: inside is not set; name the NICs towards the honeypots: inside = {"eth1"}',
    ]),
    'no honeypot': (GOOD, [
        '1: there is no honeypot; add one: honeypot "web" { address = {"10.0.0.5"} }',
    ]),
    'unknown setting': (GOOD + POT + 'resolver = {"10.0.0.1"}\n', [
        '4: there is no setting resolver at the top level; did you mean resolvers?',
    ]),
    'wrong case': ('Outside = "eth0"\ninside = {"eth1"}\n' + POT, [
        '1: there is no setting Outside at the top level; did you mean outside?',
        '1: outside is not set; name the NIC towards the outside: outside = "eth0"',
    ]),
    'unknown, nothing near': (GOOD + POT + 'colour = "blue"\n', [
        '4: there is no setting colour at the top level; `fishbowl check-config --settings` lists all',
    ]),
    'unknown section': (GOOD + POT + 'captur {\n ring = "4M"\n}\n', [
        '4: there is no section captur at the top level; did you mean capture?',
    ]),
    'unknown in honeypot': (GOOD + 'honeypot "web" {\n adress = {"10.0.0.5"}\n}\n', [
        '3: honeypot "web" has no address; give it one: address = {"10.0.0.5"}',
        '4: there is no setting adress in section honeypot; did you mean address?',
    ]),
    'unknown in limit': (GOOD + 'honeypot "web" {\n address = {"10.0.0.5"}\n limit { tpc = "1/h" }\n}\n', [
        '5: there is no setting tpc in section limit; did you mean tcp?',
    ]),
    'several unknown': ('outsid = "eth0"\nindise = {"eth1"}\nhoneypt "web" { adress = {"10.0.0.5"} }\n', [
        '1: there is no setting outsid at the top level; did you mean outside?',
        '1: outside is not set; name the NIC towards the outside: outside = "eth0"',
        '1: inside is not set; name the NICs towards the honeypots: inside = {"eth1"}',
        '1: there is no honeypot; add one: honeypot "web" { address = {"10.0.0.5"} }',
        '2: there is no setting indise at the top level; did you mean inside?',
        '3: there is no section honeypt at the top level; did you mean honeypot?',
    ]),
    'setting in the wrong place': (GOOD + POT + 'segment_size = "16M"\n', [
        '4: segment_size is not a setting at the top level; it belongs in section capture',
    ]),
    'section in the wrong place': (GOOD + 'honeypot "web" {\n address = {"10.0.0.5"}\n capture { ring = "4M" }\n}\n', [
        '5: section capture cannot stand in section honeypot, which began on line 3; close that one before it',
    ]),
    'outside is inside': ('outside = "eth0"\ninside = {"eth1",\n"eth0"}\n' + POT, [
        '3: "eth0" is the outside NIC as well; the two sides need a NIC each',
    ]),
    'inside twice': ('outside = "eth0"\ninside = {"eth1", "eth1"}\n' + POT, [
        '2: inside names "eth1" twice; remove one',
    ]),
    'loopback': ('outside = "lo"\ninside = {"eth1"}\n' + POT, [
        '1: outside "lo" is the loopback device; name an Ethernet NIC',
    ]),
    'long NIC': ('outside = "enp0s31f6-outside"\ninside = {"eth1"}\n' + POT, [
        '1: outside "enp0s31f6-outside" cannot be the name of a NIC (1 to 15 characters without spaces, quotes and / : , ;); `ip link` lists the names',
    ]),
    'NIC with a space': ('outside = "eth 0"\ninside = {"eth1"}\n' + POT, [
        '1: outside "eth 0" cannot be the name of a NIC (1 to 15 characters without spaces, quotes and / : , ;); `ip link` lists the names',
    ]),
    'management is a data NIC': (GOOD + POT + 'management = "eth1"\n', [
        '4: management "eth1" is a data NIC; management needs a NIC of its own, or leave the setting out',
    ]),
    'honeypot without address': (GOOD + '\nhoneypot "web" {\n}\n', [
        '4: honeypot "web" has no address; give it one: address = {"10.0.0.5"}',
    ]),
    'honeypot without name': (GOOD + 'honeypot { address = {"10.0.0.5"} }\n', [
        '3: this honeypot has no name; write honeypot "name" { ... }',
    ]),
    'honeypot twice': (GOOD + POT + 'honeypot "web" { address = {"10.0.0.6"} }\n', [
        '4: honeypot "web" is already defined on line 3; give each its own name',
    ]),
    'address of another': (GOOD + POT + 'honeypot "ssh" { address = {"10.0.0.6",\n"10.0.0.5"} }\n', [
        '5: address 10.0.0.5 belongs to honeypot "web" already; give each its own',
    ]),
    'address twice, spelt differently': (GOOD + 'honeypot "web" { address = {"2001:db8::5", "2001:DB8:0::5"} }\n', [
        '3: honeypot "web" lists 2001:DB8:0::5 twice; remove one',
    ]),
    'not an address': (GOOD + 'honeypot "web" { address = {"10.0.0.256"} }\n', [
        '3: address "10.0.0.256" is not an IP address; write one such as "10.0.0.5" or "2001:db8::5"',
    ]),
    'address with a length': (GOOD + 'honeypot "web" { address = {"10.0.0.5/24"} }\n', [
        '3: address "10.0.0.5/24" is a network; write the address alone, without the length',
    ]),
    'multicast address': (GOOD + 'honeypot "web" { address = {"224.0.0.5"} }\n', [
        '3: address "224.0.0.5" is no address of a single machine; write the machine\'s own',
    ]),
    'loopback address': (GOOD + 'honeypot "web" { address = {"127.0.0.1", "::1"} }\n', [
        '3: address "127.0.0.1" is no address of a single machine; write the machine\'s own',
    ]),
    'odd name': (GOOD + 'honeypot "my web" { address = {"10.0.0.5"} }\n', [
        '3: honeypot "my web" cannot be a name; use 1 to 31 letters, digits, dots, dashes or underscores, beginning with a letter or digit',
    ]),
    'long name': (GOOD + 'honeypot "a-name-that-is-longer-than-thirty-one-characters" { address = {"10.0.0.5"} }\n', [
        '3: honeypot "a-name-that-is-longer-than-thirty-one-ch" cannot be a name; use 1 to 31 letters, digits, dots, dashes or underscores, beginning with a letter or digit',
    ]),
    'empty name': (GOOD + 'honeypot "" { address = {"10.0.0.5"} }\n', [
        '3: honeypot "" cannot be a name; use 1 to 31 letters, digits, dots, dashes or underscores, beginning with a letter or digit',
    ]),
    'bad mac': (GOOD + 'honeypot "web" {\n address = {"10.0.0.5"}\n mac = "52:54:00:12:34"\n}\n', [
        '5: mac "52:54:00:12:34" is not a MAC address; write six pairs of hexadecimal digits: "52:54:00:12:34:56"',
    ]),
    'group mac': (GOOD + 'honeypot "web" { address = {"10.0.0.5"} mac = "01:00:5e:00:00:01" }\n', [
        "3: mac 01:00:5e:00:00:01 is a group address; write the honeypot's own",
    ]),
    'mac of another': (GOOD + 'honeypot "a" { address = {"10.0.0.5"} mac = "52:54:00:12:34:56" }\nhoneypot "b" { address = {"10.0.0.6"} mac = "52:54:00:12:34:56" }\n', [
        '4: mac 52:54:00:12:34:56 belongs to honeypot "a" already; give each its own',
    ]),
    'nic not inside': (GOOD + 'honeypot "web" {\n address = {"10.0.0.5"}\n nic = "eth9"\n}\n', [
        '5: nic "eth9" is not among the inside NICs; add it to inside, or name one of them',
    ]),
    'host bits': (GOOD + POT + 'fence = {"10.1.2.3/8"}\n', [
        '4: fence "10.1.2.3/8" is an address inside a network; write the network, "10.0.0.0/8"',
    ]),
    'host bits, version 6': (GOOD + POT + 'fence = {"10.0.0.0/8",\n "2001:db8::1/32"}\n', [
        '5: fence "2001:db8::1/32" is an address inside a network; write the network, "2001:db8::/32"',
    ]),
    'not a network': (GOOD + POT + 'fence = {"10.0.0.0/33"}\n', [
        '4: fence "10.0.0.0/33" is not a network; write address/length, such as "192.168.0.0/16" or "fd00::/8"',
    ]),
    'not a resolver': (GOOD + POT + 'resolvers = {"dns.example"}\n', [
        '4: resolver "dns.example" is not an IP address; write one such as "10.0.0.5" or "2001:db8::5"',
    ]),
    'honeypot as resolver': (GOOD + POT + 'resolvers = {"10.0.0.5"}\n', [
        '3: address 10.0.0.5 of honeypot "web" is in resolvers as well; a resolver is a machine outside, remove it from one of the two',
    ]),
    'period without meaning': (GOOD + POT + 'limit { tcp = "10/x" }\n', [
        '4: tcp = "10/x" is not a rate; write count/period with a count of 0 to 10000 and a period of s, m, h or d (at most 7d), such as "10/h" or "5/30m", or unlimited',
    ]),
    'rate without period': (GOOD + POT + 'limit {\n tcp = 10\n}\n', [
        '5: tcp = "10" is not a rate; write count/period with a count of 0 to 10000 and a period of s, m, h or d (at most 7d), such as "10/h" or "5/30m", or unlimited',
    ]),
    'negative rate': (GOOD + 'honeypot "web" { address = {"10.0.0.5"} limit { udp = "-1/h" } }\n', [
        '3: udp = "-1/h" is not a rate; write count/period with a count of 0 to 10000 and a period of s, m, h or d (at most 7d), such as "10/h" or "5/30m", or unlimited',
    ]),
    'huge rate': (GOOD + POT + 'limit { tcp = "99999999999999999999/h" }\n', [
        '4: tcp = "99999999999999999999/h" is not a rate; write count/period with a count of 0 to 10000 and a period of s, m, h or d (at most 7d), such as "10/h" or "5/30m", or unlimited',
    ]),
    'bad flag': (GOOD + POT + 'roach_motel = maybe\n', [
        '4: roach_motel = "maybe" is neither true nor false; write roach_motel = true or roach_motel = false',
    ]),
    'bad choice': (GOOD + POT + 'seccomp = "panic"\n', [
        '4: seccomp = "panic" is no choice; write trap, log or kill',
    ]),
    'bad number': (GOOD + POT + 'flow {\n max = "many"\n}\n', [
        '5: max = "many" is not a number; write a whole number',
    ]),
    'number out of range': (GOOD + POT + 'flow { max = 4 }\n', [
        '4: max = 4 is out of range; give 16 to 16777216',
    ]),
    'bad size': (GOOD + POT + 'capture { budget = "20 gigabytes" }\n', [
        '4: budget = "20 gigabytes" is not a size; write a size: a whole number with K, M, G or T, such as "128M"',
    ]),
    'size out of range': (GOOD + POT + 'capture { segment_size = "1K" }\n', [
        '4: segment_size = 1K is out of range; give 64K to 64G',
    ]),
    'size beyond 64 bits': (GOOD + POT + 'capture { budget = "99999999999T" }\n', [
        '4: budget = "99999999999T" is not a size; write a size: a whole number with K, M, G or T, such as "128M"',
    ]),
    'ring not a power of two': (GOOD + POT + 'capture { ring = "3M" }\n', [
        '4: ring is not a power of two; write 2M or 4M',
    ]),
    'segment larger than budget': (GOOD + POT + 'capture {\n budget = "64M"\n segment_size = "128M"\n}\n', [
        '6: segment_size is larger than the budget of all segments; make it smaller or budget larger',
    ]),
    'bad time': (GOOD + POT + 'capture { segment_time = "soon" }\n', [
        '4: segment_time = "soon" is not a time; write a time: a whole number with s, m, h or d, such as "10m"',
    ]),
    'time out of range': (GOOD + POT + 'flow { udp = "0s" }\n', [
        '4: udp = 0s is out of range; give 1s to 7d',
    ]),
    'relative path': (GOOD + POT + 'state_dir = "var/fishbowl"\n', [
        '4: state_dir "var/fishbowl" is not an absolute path; begin it with /',
    ]),
    'one directory for both': (GOOD + POT + 'run_dir = "/var/lib/fishbowl"\n', [
        '4: run_dir is state_dir as well; run_dir is for what a reboot may lose, choose another such as /run/fishbowl',
    ]),
    'long path': (GOOD + POT + 'run_dir = "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"\n', [
        '4: run_dir is longer than 79 characters; choose a shorter path',
    ]),
    'bad namespace': (GOOD + POT + 'data_netns = "a/b"\n', [
        '4: data_netns "a/b" cannot be the name of a namespace; write auto, no or a name without / and spaces',
    ]),
    'bad honeynet name': (GOOD + POT + 'honeynet = "our net"\n', [
        '4: honeynet "our net" cannot be a name; use 1 to 31 letters, digits, dots, dashes or underscores, beginning with a letter or digit',
    ]),
    'set twice': (GOOD + POT + 'outside = "eth2"\n', [
        '4: outside is already set on line 1; keep one of the two',
    ]),
    'section twice': (GOOD + POT + 'flow { max = 64 }\n\nflow { udp = 5s }\n', [
        '6: section flow is already given on line 4; join the two',
    ]),
    'list for a single value': ('outside = {"eth0"}\ninside = {"eth1"}\n' + POT, [
        '1: outside takes one value, not a list; write it without { }',
    ]),
    'section as a setting': (GOOD + POT + 'capture = "4M"\n', [
        '4: capture is a section; write it without =',
    ]),
    'setting as a section': (GOOD + POT + 'fence {\n}\n', [
        '4: fence is a setting, not a section; write fence = ...',
    ]),
    'no equals sign': ('outside "eth0"\ninside = {"eth1"}\n' + POT, [
        '1: after outside an equals sign is missing; write outside = ...',
    ]),
    'no value': ('outside =\ninside = {"eth1"}\n' + POT, [
        '1: outside has no value; write outside = "..."',
    ]),
    'no value at the end': (GOOD + POT + 'honeynet =', [
        '4: honeynet has no value; write honeynet = "..."',
    ]),
    'no closing quote': ('outside = "eth0\ninside = {"eth1"}\n' + POT, [
        '1: the text that begins with "eth0 has no closing quote; close it on the same line',
    ]),
    'no opening quote': ('outside = eth0"\ninside = {"eth1"}\n' + POT, [
        '1: the text that begins with " has no closing quote; close it on the same line',
    ]),
    'no closing quote in a list': ('outside = "eth0"\ninside = {"eth1}\n' + POT, [
        '2: the text that begins with "eth1} has no closing quote; close it on the same line',
    ]),
    'no closing brace': (GOOD + 'honeypot "web" {\n address = {"10.0.0.5"}\n\nhoneypot "ssh" { address = {"10.0.0.6"} }\n', [
        '3: section honeypot web is opened here and never closed; add a } at its end',
        '6: section honeypot cannot stand in section honeypot, which began on line 3; close that one before it',
    ]),
    'no closing brace at the end': (GOOD + 'honeypot "web" {\n address = {"10.0.0.5"}\n', [
        '3: section honeypot web is opened here and never closed; add a } at its end',
    ]),
    'list not closed': (GOOD + 'honeypot "web" {\n address = {"10.0.0.5"\n}\n', [
        '3: section honeypot web is opened here and never closed; add a } at its end',
    ]),
    'list not closed at the end': (GOOD + POT + 'fence = {"10.0.0.0/8"\n', [
        '4: the list fence is never closed; end it with }',
    ]),
    'brace too many': (GOOD + POT + '}\n', [
        '4: this } closes nothing; remove it, or add the { that it should close',
    ]),
    'no opening brace': (GOOD + 'honeypot "web"\n address = {"10.0.0.5"}\n}\n', [
        '3: honeypot has no opening brace; write honeypot "name" { ... }',
    ]),
    'no comma': ('outside = "eth0"\ninside = {"eth1" "eth2"}\n' + POT, [
        '2: before "eth2" a comma is missing; put one between the entries of inside',
    ]),
    'comment not closed': (GOOD + POT + '/* and so on\n', [
        '4: the comment that begins here is never closed; close it with */',
    ]),
    'semicolon': ('outside = "eth0";\ninside = {"eth1"};\n' + POT, [
        '1: a setting does not end with a semicolon; remove it',
    ]),
    'colon': ('outside: "eth0"\ninside: {"eth1"}\n' + POT, [
        '1: after outside an equals sign is missing; write outside = ...',
    ]),
    'another format': ('[gateway]\noutside = "eth0"\n', [
        '1: "[gateway]" cannot be the name of a setting; write name = value',
    ]),
    'many at once': ('outside = "eth0"\ninside = {"eth0"}\nfence = {"10.0.0.1/8"}\nhoneypot "web" {\n mac = "x"\n limit { tcp = "many" }\n}\nflow { max = 1 }\n', [
        '2: "eth0" is the outside NIC as well; the two sides need a NIC each',
        '3: fence "10.0.0.1/8" is an address inside a network; write the network, "10.0.0.0/8"',
        '4: honeypot "web" has no address; give it one: address = {"10.0.0.5"}',
        '5: mac "x" is not a MAC address; write six pairs of hexadecimal digits: "52:54:00:12:34:56"',
        '6: tcp = "many" is not a rate; write count/period with a count of 0 to 10000 and a period of s, m, h or d (at most 7d), such as "10/h" or "5/30m", or unlimited',
        '8: max = 1 is out of range; give 16 to 16777216',
    ]),
}

RIGHT = {
    'three lines': GOOD + POT,
    'both versions': GOOD + 'honeypot "web" { address = {"10.0.0.5", "2001:db8::5"} }\n',
    'everything of a honeypot': GOOD + 'honeypot "web" {\n address = {"10.0.0.5"}\n mac = "52:54:00:12:34:56"\n'
    ' nic = "eth1"\n roach_motel = yes\n isolate = off\n limit { tcp = "0/h" udp = "5/30m" dns = "1/s" }\n}\n',
    'no quotes': 'outside = eth0\ninside = {eth1, eth2}\nhoneypot web { address = {10.0.0.5} }\n',
    'single quotes': "outside = 'eth0'\ninside = {'eth1'}\nhoneypot 'web' { address = {'10.0.0.5'} }\n",
    'one value for a list': GOOD.replace('{"eth1"}', '"eth1"') + POT,
    'lists that grow': GOOD + POT + 'fence = {"10.0.0.0/8"}\nfence += {"192.168.0.0/16"}\n',
    'comments': '# one\n// two\n/* three\nthree */ ' + GOOD + POT + '# last without a line end',
    'windows lines': (GOOD + POT).replace('\n', '\r\n'),
    'all on one line': (GOOD + POT).replace('\n', ' '),
    'sizes and times': GOOD + POT + 'capture { ring = "1M" segment_size = 1048576 segment_time = "1d" '
    'budget = "1T" keep_free = 0 }\nflow { max = 16 udp = 30 }\n',
    'fence and resolvers': GOOD + POT + 'resolvers = {"10.0.0.1", "2001:db8::1"}\n'
    'fence = {"10.0.0.0/8", "fd00::/8", "192.0.2.7"}\n',
    'many honeypots': GOOD + ''.join(f'honeypot "h{i}" {{ address = {{"10.0.{i // 250}.{i % 250 + 1}"}} }}\n'
                                     for i in range(1000)),
}


def check(fishbowl, path):
    return subprocess.run([fishbowl, 'check-config', '-c', path], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize('name', WRONG)
def test_wrong(fishbowl, tmp_path, name):
    text, expected = WRONG[name]
    path = tmp_path / 'fishbowl.conf'
    path.write_bytes(text.encode())
    done = check(fishbowl, path)
    said = done.stderr.replace(f'{path}:', '').splitlines()
    assert (said, done.stdout, done.returncode) == (expected, '', 1)
    assert all(line.split(':')[0].isdigit() for line in said)


@pytest.mark.parametrize('name', RIGHT)
def test_right(fishbowl, tmp_path, name):
    path = tmp_path / 'fishbowl.conf'
    path.write_text(RIGHT[name], newline='')
    done = check(fishbowl, path)
    assert (done.stderr, done.returncode) == ('', 0)
    assert done.stdout.startswith(f'{path}: fine\n')


def test_example_is_right(fishbowl, tmp_path):
    example = subprocess.run([fishbowl, 'check-config', '--settings'], capture_output=True, text=True, check=True)
    path = tmp_path / 'example.conf'
    path.write_text(example.stdout)
    assert check(fishbowl, path).returncode == 0


def test_every_default_is_taken(fishbowl, tmp_path):
    """The example with its comment marks removed: every setting with its default is accepted."""
    example = subprocess.run([fishbowl, 'check-config', '--settings'], capture_output=True, text=True, check=True)
    lines = [line for line in example.stdout.splitlines() if not line.startswith('honeypot "web"')]
    text = '\n'.join(line.replace('# ', '', 1) if ' = ' in line or line.endswith('{') or line == '# }' else line
                     for line in lines)
    for needed in ('outside = ""', 'inside = {}'):
        text = text.replace(needed, '', 1)
    path = tmp_path / 'all.conf'
    path.write_text(text.replace('address = {}', 'address = {"10.0.0.5"}').replace('"NAME"', '"web"'))
    done = check(fishbowl, path)
    assert (done.stderr, done.returncode) == ('', 0)


@pytest.mark.parametrize('make, word', [
    (lambda path: None, 'there is no such file'),
    (lambda path: path.mkdir(), 'is a directory'),
    (lambda path: path.write_bytes(b'#' * (2 << 20)), 'larger than 1 MiB'),
    (lambda path: path.write_bytes(b'\x7fELF\0\0'), ':1: byte 0x7f is not text'),
    (lambda path: path.write_bytes(GOOD.encode() + b'\0'), ':3: byte 0x00 is not text'),
    (lambda path: path.write_bytes(b'\xef\xbb\xbf' + GOOD.encode()), ':1: the file begins with a byte order mark'),
])
def test_not_a_configuration(fishbowl, tmp_path, make, word):
    path = tmp_path / 'fishbowl.conf'
    make(path)
    done = check(fishbowl, path)
    assert done.returncode == 1
    assert done.stderr.startswith(str(path)) and word in done.stderr
