# SPDX-License-Identifier: Apache-2.0
"""Wrong configurations: each fault with its line and what to do about it. Right ones: fine."""
import os
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
    'rate beyond the longest period': (GOOD + POT + 'limit {\n ports = "1/8d"\n}\n', [
        '5: ports = "1/8d" is not a rate; write count/period with a count of 0 to 10000 and a period of s, m, h or d (at most 7d), such as "10/h" or "5/30m", or unlimited',
    ]),
    'rate of infinity': (GOOD + POT + 'honeynet_limit { all = "infinite" }\n', [
        '4: all = "infinite" is not a rate; write count/period with a count of 0 to 10000 and a period of s, m, h or d (at most 7d), such as "10/h" or "5/30m", or unlimited',
    ]),
    'bytes without period': (GOOD + POT + 'limit {\n bytes = "4M"\n}\n', [
        '5: bytes = "4M" is not an amount of bytes in a period; write bytes/period with K, M, G or T (at most 1024T) and a period of s, m, h or d (at most 7d), such as "4M/s" or "1G/h", or unlimited',
    ]),
    'bytes beyond the largest amount': (GOOD + POT + 'limit { bytes_sum = "1025T/h" }\n', [
        '4: bytes_sum = "1025T/h" is not an amount of bytes in a period; write bytes/period with K, M, G or T (at most 1024T) and a period of s, m, h or d (at most 7d), such as "4M/s" or "1G/h", or unlimited',
    ]),
    'bytes beyond 64 bits': (GOOD + POT + 'limit { reply_bytes = "99999999999T/h" }\n', [
        '4: reply_bytes = "99999999999T/h" is not an amount of bytes in a period; write bytes/period with K, M, G or T (at most 1024T) and a period of s, m, h or d (at most 7d), such as "4M/s" or "1G/h", or unlimited',
    ]),
    'packets in G': (GOOD + POT + 'limit { packets = "1G/h" }\n', [
        '4: packets = "1G/h" is not a number of packets in a period; write packets/period with K or M for thousands and millions and a period of s, m, h or d (at most 7d), such as "2000/s" or "1M/h", or unlimited',
    ]),
    'packets in no time': (GOOD + POT + 'honeynet_limit {\n packets_sum = "1/0s"\n}\n', [
        '5: packets_sum = "1/0s" is not a number of packets in a period; write packets/period with K or M for thousands and millions and a period of s, m, h or d (at most 7d), such as "2000/s" or "1M/h", or unlimited',
    ]),
    'jitter out of range': (GOOD + POT + 'limit { jitter = 91 }\n', [
        '4: jitter = 91 is out of range; give 0 to 90',
    ]),
    'no room for one half-open': (GOOD + POT + 'limit { half_open = 0 }\n', [
        '4: half_open = 0 is out of range; give 1 to 256',
    ]),
    'line too slow': (GOOD + 'honeypot "web" {\n address = {"10.0.0.5"}\n limit { bandwidth = 500 }\n}\n', [
        '5: bandwidth = 500 is out of range; give 0 or 1K to 1T',
    ]),
    'attendance too short': (GOOD + POT + 'attendance = 5s\n', [
        '4: attendance = 5s is out of range; give 0 or 1m to 30d',
    ]),
    'no such preset': (GOOD + POT + 'preset = open\n', [
        '4: preset = "open" is no choice; write standard, article, honeywall, quiet or open-watch',
    ]),
    'no such preset for a honeypot': (GOOD + 'honeypot "web" {\n address = {"10.0.0.5"}\n preset = loud\n}\n', [
        '5: preset = "loud" is no choice; write inherit, standard, article, honeywall, quiet or open-watch',
    ]),
    'no such refusal': (GOOD + POT + 'refuse {\n udp = "drop"\n}\n', [
        '5: udp = "drop" is no choice; write silence, reset or unreachable',
    ]),
    'router without address': (GOOD + POT + 'refuse {\n tcp = reset\n router = "gw.example"\n}\n', [
        '6: router "gw.example" is not an IP address; write one such as "10.0.0.5" or "2001:db8::5"',
    ]),
    'name too long to ask for': (GOOD + POT + 'dns { name_max = 256 }\n', [
        '4: name_max = 256 is out of range; give 0 to 255',
    ]),
    'not an NTP server': (GOOD + POT + 'ntp_servers = {"192.0.2.1",\n"pool.ntp.org"}\n', [
        '5: NTP server "pool.ntp.org" is not an IP address; write one such as "10.0.0.5" or "2001:db8::5"',
    ]),
    'NTP server is a honeypot': ('ntp_servers = {"10.0.0.5"}\n' + GOOD + POT, [
        '4: address 10.0.0.5 of honeypot "web" is in ntp_servers as well; an NTP server is a machine outside, remove it from one of the two',
    ]),
    'honeynet is a name': (GOOD + POT + 'honeynet { tcp = "1/h" }\n', [
        '4: honeynet is a setting, not a section; write honeynet = ...',
    ]),
    'budget outside its section': (GOOD + 'honeypot "web" {\n address = {"10.0.0.5"}\n dns = "1/h"\n}\n', [
        '5: dns is not a setting in section honeypot; it belongs in section limit',
    ]),
    'host bits in the black list': (GOOD + POT + 'black = {"10.1.2.3/8 tcp/25"}\n', [
        '4: black "10.1.2.3/8" is an address inside a network; write the network, "10.0.0.0/8"',
    ]),
    'no port': (GOOD + POT + 'white = {"10.0.0.0/8 tcp/25",\n"10.0.0.0/8 0"}\n', [
        '5: white "0" is not a port; write PORT, PORT-PORT or tcp/PORT, with ports of 1 to 65535',
    ]),
    'ports backwards': (GOOD + POT + 'white = {"10.0.0.0/8 udp/90-80"}\n', [
        '4: white "90-80" runs backwards; write 80-90',
    ]),
    'no protocol': (GOOD + POT + 'fence = {"10.0.0.0/8 http"}\n', [
        '4: fence "http" is not a protocol; write tcp, udp, sctp, dccp, icmp, gre or esp',
    ]),
    'port of ICMP': (GOOD + POT + 'fence = {"10.0.0.0/8 icmp/8"}\n', [
        '4: fence "icmp/8" names a port, but icmp has none; write icmp alone',
    ]),
    'no time': (GOOD + POT + 'black = {"10.0.0.0/8 until tomorrow"}\n', [
        '4: black "tomorrow" is not a time; write one such as "2026-01-31T12:00:00Z"',
    ]),
    'entry too long': (GOOD + POT + 'black = {"10.0.0.0/8 tcp/25 and so on"}\n', [
        '4: black "and" is too much; write NET [[PROTOCOL/]PORT[-PORT]] [until TIME]',
    ]),
    'relative list file': (GOOD + POT + 'black_files = {"/a",\n"black.list"}\n', [
        '5: black_files "black.list" is not an absolute path; begin it with /',
    ]),
    'list file twice': (GOOD + POT + 'fence_files = {"/a", "/a"}\n', [
        '4: fence_files names "/a" twice; remove one',
    ]),
    'relative rules': (GOOD + POT + 'rules = {"/a",\n"b.rules"}\nthreshold_file = "t"\n', [
        '5: rules "b.rules" is not an absolute path; begin it with /',
        '6: threshold_file "t" is not an absolute path; begin it with /',
    ]),
    'rules twice': (GOOD + POT + 'rules = {"/a", "/a"}\n', [
        '4: rules names "/a" twice; remove one',
    ]),
    'no variable': (GOOD + POT + 'rule_vars = {"PORTS=80",\n"$X=1", "Y="}\n', [
        '5: rule_vars "$X=1" sets no variable; write "NAME=VALUE", such as "HTTP_PORTS=[80,8080]"',
        '5: rule_vars "Y=" sets no variable; write "NAME=VALUE", such as "HTTP_PORTS=[80,8080]"',
    ]),
    'undecided': (GOOD + POT + 'rules_limit { undecided = reject hold = 2000 }\n', [
        '4: hold = 2000 is out of range; give 0 to 1000',
        '4: undecided = "reject" is no choice; write drop or pass',
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
    'limits of every kind': GOOD + POT + 'limit { tcp = unlimited all = "100/d" packets = "20K/5m" bytes_sum = "1T/7d"\n'
    ' reply_bytes = unlimited flow_bytes = 10M flow_packets = 1000 bandwidth = 1K jitter = 90 amplification = 0\n'
    ' dns_anywhere = yes }\nhoneynet_limit { tcp = "0/h" bytes = "0/s" }\n',
    'presets': 'preset = quiet\n' + GOOD + 'honeypot "web" { address = {"10.0.0.5"} preset = open-watch limit { tcp = "1/h" } }\n',
    'refusals': GOOD + POT + 'refuse { tcp = reset udp = unreachable fence = reset dns = silence router = "192.0.2.1" }\n',
    'the rest of data control': GOOD + POT + 'attendance = 2h ntp_servers = {"192.0.2.1"}\ndns { name_max = 0 entropy = 80 }\n',
    'entries': GOOD + POT + 'fence = {"10.0.0.0/8", "fd00::/8 icmp", "192.0.2.0/24 25", "192.0.2.0/24 tcp/1-1023"}\n'
    'black = {"192.0.2.66 until 2199-01-31T00:00:00+02:00"}\nwhite = {"203.0.113.10 udp/123 until 2026-01-31T12:00:00.5Z"}\n',
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
    lines = [line for line in example.stdout.splitlines() if not line.startswith(('honeypot "web"', 'rules = '))]
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


LIST_FORM = 'write NET [[PROTOCOL/]PORT[-PORT]] [until TIME]'
LISTS = {
    'fine': ('# networks\n\n10.0.0.0/8\n192.0.2.0/24 tcp/25 # mail\r\n', None),
    'host bits': ('10.0.0.0/8\n\n192.0.2.1/24\n', [
        ':3: "192.0.2.1/24" is an address inside a network; write the network, "192.0.2.0/24"']),
    'several': ('example.org\n10.0.0.0/8 99999\n', [
        ':1: "example.org" is not a network; write address/length, such as "192.168.0.0/16" or "fd00::/8"',
        ':2: "99999" is not a port; write PORT, PORT-PORT or tcp/PORT, with ports of 1 to 65535']),
    'binary': ('10.0.0.0/8\0\n\x1b[31m\n', [
        ':1: byte 0x00 is not text of a list; ' + LIST_FORM,
        ':2: byte 0x1b is not text of a list; ' + LIST_FORM]),
    'long line': ('x' * 500, [
        ':1: the entry is longer than 200 characters; ' + LIST_FORM]),
    'very wrong': ('x\n' * 1000, None),
}


@pytest.mark.parametrize('name', LISTS)
def test_list_files(fishbowl, tmp_path, name):
    text, expected = LISTS[name]
    entries, path = tmp_path / 'black.list', tmp_path / 'fishbowl.conf'
    entries.write_bytes(text.encode())
    path.write_text(GOOD + POT + f'black_files = {{"{entries}"}}\n')
    done = check(fishbowl, path)
    if name == 'fine':
        assert (done.stderr, done.returncode) == ('', 0)
        assert 'black, dropped in both directions: 2 entries, 2 of them from 1 file\n' in done.stdout
        return
    said = done.stderr.replace(str(entries), '').splitlines()
    assert (done.stdout, done.returncode) == ('', 1)
    if expected:
        assert said == expected
    else:
        assert len(said) == 65 and said[-1] == ': and 936 more faults'


@pytest.mark.parametrize('make, word', [
    (lambda path: None, 'there is no such file'),
    (lambda path: path.mkdir(), 'it is a directory'),
    (lambda path: os.mkfifo(path), 'it is not a regular file'),
    (lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_RDWR), (64 << 20) + 1), 'it is larger than 64 MiB'),
])
def test_not_a_list(fishbowl, tmp_path, make, word):
    entries, path = tmp_path / 'black.list', tmp_path / 'fishbowl.conf'
    make(entries)
    path.write_text(GOOD + POT + f'black_files = {{"{entries}"}}\n')
    done = check(fishbowl, path)
    assert (done.stdout, done.returncode) == ('', 1)
    assert done.stderr.startswith(f'{entries}: {word}')


def test_too_many_entries(fishbowl, tmp_path):
    """The bound is for all lists together; a million entries take a moment."""
    path = tmp_path / 'fishbowl.conf'
    for name, n in ('fence', 600_000), ('white', 400_001):
        (tmp_path / name).write_text('192.0.2.1\n' * n)
    path.write_text(GOOD + POT + f'fence_files = {{"{tmp_path}/fence"}}\nwhite_files = {{"{tmp_path}/white"}}\n')
    done = check(fishbowl, path)
    assert done.stderr == (f'{tmp_path}/white:400001: there are more than 1000000 entries in all lists; '
                           'remove some, or write larger networks\n')


WARNINGS = {
    'nothing': ('fence = {"10.0.0.0/8"} resolvers = {"192.0.2.53"}', []),
    'no fence, no resolvers': ('', [
        'nothing is fenced; list your own networks in fence, so that no honeypot ever reaches them',
        'honeypot web cannot ask DNS, for there are no resolvers; list them in resolvers, or set dns_anywhere']),
    'no resolvers, on purpose': ('fence = {"10.0.0.0/8"} limit { dns = "0/h" }', []),
    'DNS anywhere': ('fence = {"10.0.0.0/8"} limit { dns_anywhere = true }', []),
    'fenced resolver': ('fence = {"10.0.0.0/8"} resolvers = {"10.1.2.3"}', [
        'no honeypot reaches resolver 10.1.2.3, for it is in fence; take it out of one of the two']),
    'other port fenced': ('fence = {"10.0.0.0/8 udp/1-52", "10.0.0.0/8 tcp"} resolvers = {"10.1.2.3"}', []),
    'black NTP server': ('fence = {"10.0.0.0/8"} black = {"192.0.2.0/24 udp/123"}\n'
                         'resolvers = {"192.0.2.53"} ntp_servers = {"192.0.2.1"}', [
        'no honeypot reaches NTP server 192.0.2.1, for it is in black; take it out of one of the two']),
    'wide white list': ('fence = {"10.0.0.0/8"} resolvers = {"192.0.2.53"}\n'
                        'white = {"0.0.0.0/0 tcp/80", "11.0.0.0/8", "2000::/3"}', [
        'white has 0.0.0.0/0 tcp/80, a large part of the Internet, without limits; write smaller networks',
        'white has 2000::/3, a large part of the Internet, without limits; write smaller networks']),
    'over': ('fence = {"10.0.0.0/8"} resolvers = {"192.0.2.53"} black = {"192.0.2.1 until 2020-01-01T00:00:00Z"}', [
        '1 entry of black ended in the past; remove it']),
}


@pytest.mark.parametrize('name', WARNINGS)
def test_warnings(fishbowl, tmp_path, name):
    text, expected = WARNINGS[name]
    path = tmp_path / 'fishbowl.conf'
    path.write_text(GOOD + POT + text + '\n')
    done = check(fishbowl, path)
    assert (done.stderr, done.returncode) == ('', 0)
    assert [line[9:] for line in done.stdout.splitlines() if line.startswith('warning: ')] == expected


def test_meaning(fishbowl, tmp_path):
    """The limits that hold, as they may be written."""
    path = tmp_path / 'fishbowl.conf'
    path.write_text('preset = article\n' + GOOD + 'limit { udp = "5/30m" bytes = "3K/s" packets = "3000/10s" }\n' + POT +
                    'honeypot "ssh" { address = {"10.0.0.6"} preset = quiet limit { other = unlimited } }\n'
                    'refuse { tcp = unreachable }\n')
    said = ' '.join(check(fishbowl, path).stdout.split())
    assert 'limits: preset article honeypot web:' in said
    assert 'may send to the outside: tcp 10/h, udp 5/30m, icmp 10/h, other 5/h, all 10/h, dns 200/h,' in said
    assert 'packets 3K/10s, packets_sum 1M/h, bytes 3K/s, bytes_sum 1G/h,' in said
    assert 'may send to the outside, preset quiet: tcp 2/h, udp 2/h, icmp 2/h, other unlimited, all 2/h,' in said
    assert 'tcp unreachable, udp silence,' in said


def test_rules(fishbowl, tmp_path):
    """What loads, and each rule that does not, with its place; variables are those of the honeypots."""
    rules, path = tmp_path / 'test.rules', tmp_path / 'fishbowl.conf'
    rules.write_text('alert tcp $HONEYNET any -> $EXTERNAL_NET $MINE (msg:"x"; content:"y"; sid:1;)\n'
                     'alert tcp any any -> any any (msg:"x"; frobnicate; sid:2;)\n')
    path.write_text(GOOD + POT + f'rules = {{"{rules}"}}\nrule_vars = {{"MINE=[1,2]"}}\n')
    done = check(fishbowl, path)
    assert (done.stderr, done.returncode) == ('', 0)
    assert 'rules: 1 loaded, 1 refused\n' in done.stdout
    assert f'warning: {rules}:2:' in done.stdout and 'frobnicate' in done.stdout
    rules.unlink()
    done = check(fishbowl, path)
    assert (done.stdout, done.returncode) == ('', 1)
    assert done.stderr == f'{rules}: No such file or directory\n'


def test_presets(fishbowl):
    done = subprocess.run([fishbowl, 'check-config', '--presets'], capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ['standard', 'article', 'honeywall', 'quiet', 'open-watch'] in rows
    assert ['icmp', '20/h', '10/h', '50/h', '2/h', '200/h'] in rows
    assert ['dns_anywhere', 'false', 'false', 'false', 'false', 'true'] in rows
