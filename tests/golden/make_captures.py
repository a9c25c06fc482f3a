#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the captures of the golden tests: tests/golden/make_captures.py [DIRECTORY].

Outside: 198.51.100.x, 2001:db8:a::x. Honeypots: web 10.0.0.5 and 2001:db8::5, mail 10.0.0.6 and
2001:db8::6 (RFC 5737, RFC 3849 and private addresses).
"""

import os
import re
import struct
import sys

from packets import *  # noqa: F403 - the vocabulary of this file

A4, W4, M4 = "198.51.100.7", "10.0.0.5", "10.0.0.6"
A6, W6, M6 = "2001:db8:a::7", "2001:db8::5", "2001:db8::6"
START = 1_700_000_000 * 10**9
MS = 10**6
SECOND = 10**9


def clock(packets, start=START, step=MS):
    return [(start + i * step, p) for i, p in enumerate(packets)]


def talk():
    """IP packets of a small mixed conversation, v4 and v6."""
    return ([p for _, p in tcp_talk(A4, W4, 40000, 80)] + [p for _, p in tcp_talk(A6, W6, 40001, 80)] +
            [udp(A4, W4, 5353, 53, b"question"), udp(W4, A4, 53, 5353, b"the answer"),
             udp(A6, W6, 5354, 53, b"question"), udp(W6, A6, 53, 5354, b"the answer"),
             echo(A4, W4, 77, 1), echo(W4, A4, 77, 1, reply=True),
             echo(A6, W6, 78, 1), echo(W6, A6, 78, 1, reply=True)])


def ethernet(packets):
    return [eth(p, src="a" if (A4 == src_of(p) or A6 == src_of(p)) else "w",
                dst="w" if (A4 == src_of(p) or A6 == src_of(p)) else "a") for p in packets]


def src_of(packet):
    raw = packet[12:16] if packet[0] >> 4 == 4 else packet[8:24]
    return str(ipaddress.ip_address(raw))


def links():
    """The same packets in every framing that replay reads, both byte orders, both resolutions."""
    made = {
        "link-ethernet": pcap("ethernet", clock(ethernet(talk()))),
        "link-ethernet-be-nano": pcap("ethernet", clock(ethernet(talk())), endian=">", nano=True),
        "link-raw": pcap("raw", clock(talk())),
        "link-raw-bsd": pcap("raw-bsd", clock(talk()), endian=">"),
        "link-ipv4": pcap("ipv4", clock([p for p in talk() if p[0] >> 4 == 4])),
        "link-ipv6": pcap("ipv6", clock([p for p in talk() if p[0] >> 4 == 6])),
        "link-cooked": pcap("cooked", clock([cooked(p, src_of(p) != A4) for p in talk()])),
        "link-cooked2": pcap("cooked2", clock([cooked2(p, src_of(p) != A4) for p in talk()])),
        "link-null": pcap("null", clock([loopback(p, "<") for p in talk()])),
        "link-null-be": pcap("null", clock([loopback(p, ">") for p in talk()]), endian=">"),
        "link-loop": pcap("loop", clock([loopback(p, ">") for p in talk()])),
    }
    return {name + "/input.pcap": data for name, data in made.items()}


def pcapng_sections():
    """Two sections of opposite byte order; interfaces of several kinds; all clock resolutions."""
    frames, packets = ethernet(talk()), talk()
    out = shb("<", option(4, b"golden\0") + option(0, b""))
    out += idb("ethernet") + idb("raw", tsresol=9) + idb("cooked", tsresol=0x80 | 20, tsoffset=1_700_000_000)
    out += block(0x7F00F00D, b"unknown blocks are skipped")
    for i, frame in enumerate(frames[:9]):
        out += epb(0, START // 1000 + i * 1000, frame)
    for i, packet in enumerate(packets[9:12]):
        out += epb(1, START + 9 * MS + i * MS, packet, options=option(1, b"a comment") + option(0, b""))
    for i, packet in enumerate(packets[12:15]):
        out += epb(2, (12 + i) * (1 << 20) // 1000, cooked(packet))
    out += shb(">") + idb("ethernet", ">", tsresol=3)
    for i, frame in enumerate(frames[15:]):
        out += epb(0, START // MS + 15 + i, frame, ">")
    out += spb(frames[-1], ">")
    return {"pcapng-sections/input.pcapng": out}


def tags():
    plain = ethernet([p for _, p in tcp_talk(A4, W4, 40100, 80)])
    double = ethernet([p for _, p in tcp_talk(A4, W4, 40101, 80)])
    return {"vlan/input.pcap": pcap("ethernet", clock(
        [vlan(f, 5) for f in plain] + [vlan(f, 100, 7, outer=0x88A8) for f in double] +
        [vlan(ethernet([udp(A4, W4, 1, 2, b"x")])[0], 1, 2, 3, 4, 5, 6)]))}


def fragments():
    whole = udp_segment(A4, W4, 6000, 6001, bytes(3000))
    v4 = [ip4(A4, W4, 17, whole[i:i + 1480], ident=9, offset=i, more=i + 1480 < len(whole))
          for i in range(0, len(whole), 1480)]
    whole = udp_segment(A6, W6, 6000, 6001, bytes(3000))
    v6 = [ip6(A6, W6, 44, struct.pack(">BBHI", 17, 0, i | (i + 1440 < len(whole)), 99) + whole[i:i + 1440])
          for i in range(0, len(whole), 1440)]
    lost = [ip4(A4, M4, 17, bytes(64), ident=10, offset=1480)]  # its first fragment never came
    late = [v4[1], v4[0], v4[2]]
    late = [p[:4] + struct.pack(">H", 11) + p[6:10] + b"\0\0" + p[12:] for p in late]
    late = [p[:10] + struct.pack(">H", checksum(p[:20])) + p[12:] for p in late]
    return {"fragments/input.pcap": pcap("ethernet", clock(ethernet(v4 + v6 + lost + late)))}


def tunnels():
    inner6 = [p for _, p in tcp_talk("2001:db8:1::1", "2001:db8:2::2", 41000, 80)]
    inner4 = [p for _, p in tcp_talk("192.0.2.1", "192.0.2.2", 41001, 80)]

    def ends(i):
        return (A4, W4) if i in (0, 2, 3, 7) else (W4, A4)

    six = [ip4(*ends(i), 41, p) for i, p in enumerate(inner6)]
    gre = [ip4(*ends(i), 47, struct.pack(">HH", 0, 0x0800) + p) for i, p in enumerate(inner4)]
    teredo = [udp(*ends(i), 3544, 3544, p) for i, p in enumerate(inner6)]
    vxlan = [udp(*ends(i), 50000, 4789, struct.pack(">II", 0x08000000, 42 << 8) + eth(p))
             for i, p in enumerate(inner4)]
    return {f"tunnel-{name}/input.pcap": pcap("ethernet", clock(ethernet(packets)))
            for name, packets in [("6in4", six), ("gre", gre), ("teredo", teredo), ("vxlan", vxlan)]}


def other_protocols():
    packets = [ip4(A4, W4, 11, bytes(20)), ip4(A4, W4, 255, b"covert"), ip4(W4, A4, 255, b"answer"),
               ip6(A6, W6, 11, bytes(20)), ip6(A6, W6, 59, b""), ip4(A4, W4, 132, bytes(12)),
               ip4(A4, W4, 1, b""), ip4(A4, W4, 6, b"\0\x50")]
    odd = [eth(arp(1, MAC["a"], A4, bytes(6), W4), 0x0806),
           MAC["w"] + MAC["a"] + struct.pack(">H", 3) + b"\x42\x42\x03",  # 802.3 with LLC
           MAC["w"] + MAC["a"] + b"\x88\xcc" + bytes(20),                 # LLDP
           MAC["w"] + MAC["a"] + b"\x08\x00",                             # IP without IP
           MAC["w"], b""]
    return {"other-protocols/input.pcap": pcap("ethernet", clock(ethernet(packets) + odd))}


def icmp_errors():
    ask4, ask6 = udp(A4, W4, 7000, 7001, b"anybody?"), udp(A6, W6, 7000, 7001, b"anybody?")
    syn = tcp(A4, W4, 7002, 81, SYN)
    stray = udp(W4, A4, 9, 9, b"never sent")
    return {"icmp-errors/input.pcap": pcap("ethernet", clock(ethernet(
        [ask4, icmp(W4, A4, 3, 3, bytes(4), ask4), ask6, icmp(W6, A6, 1, 4, bytes(4), ask6),
         syn, icmp("10.0.0.1", A4, 3, 1, bytes(4), syn[:28]), icmp(A4, W4, 3, 3, bytes(4), stray),
         icmp(W4, A4, 3, 3, bytes(4), ask4[:10])])))}


def tcp_oddities():
    reuse = [p for seq in (1000, 900000) for _, p in tcp_talk(A4, W4, 40200, 80, seq=seq)]
    middle = [tcp(A4, W4, 40201, 80, PSH | ACK, data=b"more"), tcp(W4, A4, 80, 40201, ACK)]
    answer_first = [tcp(W4, A4, 80, 40202, SYN | ACK), tcp(A4, W4, 40202, 80, ACK)]
    refused = [tcp(A4, W4, 40203, 81, SYN), tcp(W4, A4, 81, 40203, RST | ACK)]
    silent = [tcp(A4, W4, 40204, 82, SYN)] * 3
    both = [tcp(A4, W4, 40205, 40205, SYN), tcp(W4, A4, 40205, 40205, SYN)]  # simultaneous open
    late = clock(ethernet([udp(A4, W4, 40206, 53, b"1"), udp(A4, W4, 40206, 53, b"2")]),
                 START + 60 * SECOND, 600 * SECOND)  # beyond the timeout: two records
    return {"tcp-oddities/input.pcap": pcap("ethernet", clock(
        ethernet(reuse + middle + answer_first + refused + silent + both)) + late)}


def budget():
    """50 connections out of the web honeypot, v4 then v6, each SYN sent three times."""
    packets = []
    for src, dst in ((W4, A4), (W6, A6)):
        for i in range(50):
            packets += [tcp(src, dst, 42000 + i, 80, SYN)] * 3
    return {"budget/input.pcap": pcap("ethernet", clock(ethernet(packets)))}


def policy():
    """Inbound talk with its answers, then what a honeypot may not do; see the conf beside it."""
    inbound = ethernet([p for _, p in tcp_talk(A4, W4, 43000, 80)] + [p for _, p in tcp_talk(A6, W6, 43000, 80)] +
                       [echo(A4, W4, 5, 1), echo(W4, A4, 5, 1, reply=True)])
    fence = ethernet([tcp(W4, "203.0.113.9", 43001, 22, SYN), udp(W6, "2001:db8:f::9", 1, 2)])
    spoofed = [eth(tcp("10.9.9.9", A4, 43002, 80, SYN), src="w", dst="a"),
               eth(tcp("2001:db8:bad::1", A6, 43002, 80, SYN), src="w", dst="a"),
               eth(tcp(W4, A4, 43002, 80, SYN), src="m", dst="a"),
               eth(arp(2, MAC["w"], "10.0.0.1", MAC["m"], M4), 0x0806, src="w", dst="m")]
    internal = [eth(tcp(W4, M4, 43003, 25, SYN), src="w", dst="m"),
                eth(tcp(M4, W4, 25, 43003, SYN | ACK), src="m", dst="w")]
    kinds = ethernet([udp(W4, A4, 43004, 9), echo(W4, A4, 6, 1), ip4(W4, A4, 11, bytes(8)),
                      udp(W4, "198.51.100.53", 43005, 53, question()),
                      tcp(W4, A4, 43006, 80, SYN), tcp(A4, W4, 80, 43006, SYN | ACK), tcp(W4, A4, 43006, 80, ACK),
                      tcp(W4, A4, 43007, 80, ACK)])
    frames = clock(inbound + fence + spoofed + internal + kinds)
    return {"policy/input.pcap": pcap("ethernet", frames), "roach-motel/input.pcap": pcap("ethernet", frames)}


def rules():
    """What rules look for: in HTTP, in a datagram, in a stream in two pieces, in fragments. Twice: alerts, and inline."""
    http = [p for _, p in tcp_talk(W4, A4, 44000, 80, request=b"GET /evil.php HTTP/1.1\r\nHost: example.org\r\n\r\n",
                                   answer=b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi\n")]
    datagram = [udp(W4, A4, 44001, 9999, b"an exploit: /bin/sh")]
    begin = [tcp(W4, A4, 44002, 21, SYN, seq=999), tcp(A4, W4, 21, 44002, SYN | ACK, seq=999, ack=1000),
             tcp(W4, A4, 44002, 21, ACK, seq=1000, ack=1000)]
    pieces = [tcp(W4, A4, 44002, 21, PSH | ACK, seq=1000, ack=1000, data=b"USER /bi"),
              tcp(A4, W4, 21, 44002, ACK, seq=1000, ack=1008),
              tcp(W4, A4, 44002, 21, PSH | ACK, seq=1008, ack=1000, data=b"n/sh\r\n"),
              tcp(A4, W4, 21, 44002, ACK, seq=1000, ack=1014)]
    whole = udp_segment(W4, A4, 44003, 9999, b"x" * 8 + b"/bin/sh in fragments")
    parts = [ip4(W4, A4, 17, whole[:24], ident=7, more=True), ip4(W4, A4, 17, whole[24:], ident=7, offset=24)]
    data = pcap("ethernet", clock(ethernet(http + datagram + begin + pieces + parts)))
    return {"rules/input.pcap": data, "rules-inline/input.pcap": data}


HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)


def conversations():
    """What tests/corpus/proto has for fuzz_proto.c, which says how it is written: (name, IP protocol, port, pieces)."""
    with open(os.path.join(TESTS, "fuzz", "fuzz_proto.c"), encoding="utf-8") as file:
        table = file.read().split("kinds[] = ")[1].split(";")[0]
    kinds = re.findall(r"{ (\d+), (\d+)(, true)? }", table)
    where = os.path.join(TESTS, "corpus", "proto")
    for name in sorted(os.listdir(where)):
        with open(os.path.join(where, name), "rb") as file:
            data = file.read()
        number, port, announced = kinds[data[0] % len(kinds)]
        pieces, at = [], 1
        while len(data) - at >= 3:
            what, size = data[at], data[at + 1] | data[at + 2] << 8
            pieces.append((what & 1, what >> 1 & 15, size, data[at + 3:at + 3 + size]))
            at += 3 + size
        if int(number) and not announced and all(kind != SEALED for _, kind, _, _ in pieces):
            yield name, int(number), int(port), pieces


SEALED, END, GAP = 13, 14, 15  # pieces of fuzz_proto.c; all else is bytes


def stream(ends, pieces):
    """A TCP connection of these pieces, each acknowledged; what a gap hides is acknowledged, too."""
    seq, ended = [1000, 5000], [False, False]
    packets = [tcp(*ends[0], SYN, seq=999), tcp(*ends[1], SYN | ACK, seq=4999, ack=1000),
               tcp(*ends[0], ACK, seq=1000, ack=5000)]

    def say(side, flags, data=b""):
        packets.append(tcp(*ends[side], flags, seq=seq[side], ack=seq[1 - side], data=data))

    for side, kind, size, data in pieces:
        if kind == END:
            say(side, FIN | ACK)
            seq[side], ended[side] = seq[side] + 1, True
        elif kind == GAP:
            seq[side] += size
            say(1 - side, ACK)
        for at in range(0, len(data) if kind < SEALED else 0, 1400):
            say(side, PSH | ACK, data[at:at + 1400])
            seq[side] += len(data[at:at + 1400])
            say(1 - side, ACK)
    for side in (0, 1):
        if not ended[side]:
            say(side, FIN | ACK)
            seq[side] += 1
    say(1, ACK)
    return packets


def decoders():
    """Every conversation of the corpus, between a host outside and a honeypot of its own."""
    packets = []
    for i, (_, number, port, pieces) in enumerate(conversations()):
        ends = [(f"198.18.{i >> 8}.{i & 255}", f"10.1.{i >> 8}.{i & 255}", 40000, port),
                (f"10.1.{i >> 8}.{i & 255}", f"198.18.{i >> 8}.{i & 255}", port, 40000)]
        packets += stream(ends, pieces) if number == 6 else [udp(*ends[side], data) for side, _, _, data in pieces]
    return {"decoders/input.pcap": pcap("raw", clock(packets))}


def corpus():
    """Small captures to begin fuzzing with (tests/fuzz/fuzz_replay.c)."""
    tunnel = ip4(A4, W4, 41, tcp("2001:db8:1::1", "2001:db8:2::2", 1, 80, SYN))
    six = ip6(W6, A6, 44, struct.pack(">BBHI", 17, 0, 1, 9) + udp_segment(W6, A6, 1, 2, bytes(8)))
    ask = udp(W4, A4, 7, 9, b"x")
    section = shb() + idb("ethernet", name="inside", tsresol=9)
    section += epb(0, START, eth(ask, src="w", dst="a"), options=option(1, b"pass within-budget flow 1") + option(0, b""))
    made = {
        "talk.pcap": pcap("ethernet", clock(ethernet([tcp(W4, A4, 1, 80, SYN), tcp(A4, W4, 80, 1, SYN | ACK)]))),
        "tunnel.pcap": pcap("raw", clock([tunnel])),
        "fragment.pcap": pcap("cooked2", clock([cooked2(six)])),
        "error.pcap": pcap("null", clock([loopback(icmp(A4, W4, 3, 3, bytes(4), ask), "<")])),
        "arp.pcap": pcap("ethernet", clock([vlan(eth(arp(1, MAC["w"], W4, bytes(6), A4), 0x0806, src="w"), 5)])),
        "inside.pcapng": section,
    }
    return {"../corpus/replay/" + name: data for name, data in made.items()}


def captures():
    made = {}
    for make in (links, pcapng_sections, tags, fragments, tunnels, other_protocols, icmp_errors,
                 tcp_oddities, budget, policy, rules, decoders, corpus):
        made.update(make())
    return made


if __name__ == "__main__":
    where = sys.argv[1] if len(sys.argv) > 1 else HERE
    for name, data in captures().items():
        os.makedirs(os.path.dirname(os.path.join(where, name)), exist_ok=True)
        with open(os.path.join(where, name), "wb") as file:
            file.write(data)
