# SPDX-License-Identifier: Apache-2.0
"""What attack files build their packets of, and how they count: `from kit import *`.

Packets come from tests/lab/raw.py (ip, tcp, udp, icmp, ping, arp, ethernet), which shares no code with
the gateway. Addresses decide the family: raw.tcp("fd66::5", 1, "fd66::200", 80) is IPv6.
"""
import ipaddress
import itertools
import pathlib
import random
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))

from net import NoTest  # noqa: E402
from raw import (BROADCAST, arp, checksum, ethernet, icmp, ip, ping, tcp, udp)  # noqa: E402

__all__ = """NoTest BROADCAST arp checksum ethernet icmp ip ping tcp udp struct socket time itertools
ipaddress random TCP UDP ICMP OTHER DNS STRICT RESOLVER FENCED limits policy packed syns flags fragments
fragments_at extension options4 parse conversations matching no_neighbours handshake inbound question
dns_name tag group mac_of advertisement solicitation vxlan geneve gre teredo ah pad REFLECT_POLICY total_bytes
reflect_allowed reflect""".split()

# The policy of an attack that names no other. Numbers differ, so that one is not taken for another.
TCP, UDP, ICMP, OTHER, DNS = 3, 4, 5, 2, 6
RESOLVER = {4: "203.0.113.53", 6: "2001:db8:113::53"}
FENCED = {4: "192.168.7.7", 6: "fd99::7"}
_LISTS = ('resolvers = {"203.0.113.53", "2001:db8:113::53"}\n'
          'fence = {"192.168.0.0/16", "fd99::/16"}\n')


def limits(**more):
    """The `limit` section of the default policy, with these settings changed or added. Numbers stay
    numbers; text gets quotes."""
    all_ = {"tcp": f"{TCP}/h", "udp": f"{UDP}/h", "icmp": f"{ICMP}/h", "other": f"{OTHER}/h",
            "dns": f"{DNS}/h", **more}
    inside = " ".join(f"{k} = " + (f'"{v}"' if isinstance(v, str) else str(v)) for k, v in all_.items())
    return f"limit {{ {inside} }}\n"


def policy(text="", **more):
    """The default policy with these limits changed or added, and text."""
    return _LISTS + limits(**more) + text


STRICT = policy()


def packed(address):
    return ipaddress.ip_address(address).packed


def mac_of(text):
    return bytes.fromhex(text.replace(":", ""))


def pad(data, n=4):
    return data + b"\0" * (-len(data) % n)


# ---- TCP ----

def flags(packet, bits):
    """The same TCP packet (no extension headers) with other flags (number), checksum made again."""
    at = 20 if packet[0] >> 4 == 4 else 40
    head, body = packet[:at], packet[at:]
    src, dst = (head[12:16], head[16:20]) if at == 20 else (head[8:24], head[24:40])
    body = body[:12] + bytes([body[12] & 0xf0 | bits >> 8, bits & 255]) + body[14:16] + b"\0\0" + body[18:]
    pseudo = src + dst + (struct.pack(">BBH", 0, 6, len(body)) if at == 20 else
                          struct.pack(">II", len(body), 6))
    return head + body[:16] + struct.pack(">H", checksum(pseudo + body)) + body[18:]


def syns(src, dst, count=200, sport=20000, dport=80, step=0):
    """SYNs from so many source ports; `step` 1: to as many destination ports."""
    return [tcp(src, sport + n % 40000, dst, dport + n * step) for n in range(count)]


def handshake(pot, out, family, sport=3000, dport=80, window=8192):
    """A connection that pot begins with out's raw address, all by hand; (src, dst) of pot. pot has sent
    sequence number 1 (SYN), its next is 2; out's next is 101."""
    src, dst = pot.ip(family), out.ip(family)
    syn = tcp(src, sport, dst, dport, "S", 1)
    out.take(0, 0)
    pot.send(pot.frame(syn))
    if not any(syn in frame for frame in out.take(1)):
        raise NoTest("the first connection was not let out")
    out.send_packet(with_window(tcp(dst, dport, src, sport, "SA", 100, 2), window))
    pot.take(1)
    pot.send(pot.frame(tcp(src, sport, dst, dport, "A", 2, 101)))
    return src, dst


def inbound(pot, out, family, sport=4000, dport=22, peer=None):
    """A connection that out (or somebody whose address it forges) begins with pot, by hand; (src, dst) of
    pot. pot's next sequence number is 2, out's 101."""
    src, dst = pot.ip(family), peer or out.ip(family)
    out.send_packet(tcp(dst, sport, src, dport, "S", 100))
    pot.take(1)
    pot.send(pot.frame(tcp(src, dport, dst, sport, "SA", 1, 101)))
    out.take(1)
    out.send_packet(tcp(dst, sport, src, dport, "A", 101, 2))
    pot.take(1)
    return src, dst


def with_window(packet, window):
    """A TCP packet with that window."""
    at = 20 if packet[0] >> 4 == 4 else 40
    return flags(packet[:at + 14] + struct.pack(">H", window) + packet[at + 16:],
                 packet[at + 13] | (packet[at + 12] & 15) << 8)


# ---- headers ----

def _head4(packet, **fields):
    """An IPv4 header with other fields (ident, frag), checksum made again."""
    head = bytearray(packet[:20])
    if "ident" in fields:
        head[4:6] = struct.pack(">H", fields["ident"])
    if "frag" in fields:
        head[6:8] = struct.pack(">H", fields["frag"])
    head[2:4] = struct.pack(">H", len(packet))
    head[10:12] = b"\0\0"
    head[10:12] = struct.pack(">H", checksum(bytes(head)))
    return bytes(head) + packet[20:]


def fragments_at(packet, parts, ident=1):
    """Fragments of an IP packet without options: parts is a list of (from, to, more), in bytes behind the
    IP header; they may overlap or leave gaps."""
    at = 20 if packet[0] >> 4 == 4 else 40
    body, out = packet[at:], []
    for begin, end, more in parts:
        if at == 20:
            part = packet[:20] + body[begin:end]
            out.append(_head4(part, ident=ident, frag=begin // 8 | (0x2000 if more else 0)))
        else:
            head = struct.pack(">BBHI", packet[6], 0, begin // 8 * 8 | bool(more), ident)
            part = head + body[begin:end]
            out.append(packet[:4] + struct.pack(">H", len(part)) + b"\x2c" + packet[7:40] + part)
    return out


def fragments(packet, size=64, ident=1):
    """The packet in fragments of so many bytes."""
    n = len(packet) - (20 if packet[0] >> 4 == 4 else 40)
    return fragments_at(packet, [(at, min(at + size, n), at + size < n) for at in range(0, n, size)], ident)


def extension(packet, *headers):
    """An IPv6 packet with extension headers in front of its payload: (type, bytes behind next and
    length) each, padded."""
    body, kind = packet[40:], packet[6]
    for proto, data in reversed(headers):
        if proto == 44:
            head = bytes([kind, 0]) + data
        else:
            data = data + b"\0" * (-(len(data) + 2) % 8)
            head = bytes([kind, (len(data) + 2) // 8 - 1]) + data
        body, kind = head + body, proto
    return packet[:4] + struct.pack(">H", len(body)) + bytes([kind]) + packet[7:40] + body


def options4(packet, options):
    """An IPv4 packet with options."""
    options = pad(options)
    head = bytes([0x40 | (20 + len(options)) // 4]) + packet[1:2] + \
        struct.pack(">H", len(packet) + len(options)) + packet[4:10] + b"\0\0" + packet[12:20] + options
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + packet[20:]


def ah(packet, spi=1):
    """The packet with an authentication header (RFC 4302) in front of its payload."""
    at = 20 if packet[0] >> 4 == 4 else 40
    kind = packet[9 if at == 20 else 6]
    head = struct.pack(">BBHII", kind, 4, 0, spi, 1) + b"\0" * 12
    if at == 40:
        return packet[:4] + struct.pack(">H", len(packet) - 40 + 24) + b"\x33" + packet[7:40] + head + packet[40:]
    return _head4(packet[:9] + b"\x33" + packet[10:20] + head + packet[20:])


# ---- layer 2 ----

def tag(frame, *tags):
    """A frame with VLAN tags: (ethertype, number) each, the outer one first."""
    return frame[:12] + b"".join(struct.pack(">HH", *t) for t in tags) + frame[12:]


def group(address):
    """The MAC address of a multicast address."""
    raw_ = packed(address)
    return b"\x33\x33" + raw_[12:] if len(raw_) == 16 else bytes([1, 0, 0x5e, raw_[1] & 127]) + raw_[2:]


def advertisement(src, dst, target, mac, bits=0xa0):
    """A neighbour advertisement (RFC 4861, 4.4); bits: router 0x80, solicited 0x40, override 0x20."""
    return icmp(src, dst, 136, bytes([bits, 0, 0, 0]) + packed(target) + b"\2\1" + mac, ttl=255)


def solicitation(src, target, mac=None, dst=None):
    """A neighbour solicitation, with the sender's MAC unless None."""
    dst = dst or str(ipaddress.ip_address(b"\xff\2" + b"\0" * 9 + b"\1\xff" + packed(target)[13:]))
    return icmp(src, dst, 135, b"\0" * 4 + packed(target) + (b"\1\1" + mac if mac else b""), ttl=255)


# ---- tunnels: their payload behind the outer IP header ----

def gre(src, dst, inner, kind=None):
    kind = kind or (0x86dd if inner[0] >> 4 == 6 else 0x0800)
    return ip(src, dst, 47, struct.pack(">HH", 0, kind) + inner)


def vxlan(src, dst, inner, sport=5000):
    frame = ethernet(b"\2\0\0\0\0\1", b"\2\0\0\0\0\2", inner)
    return udp(src, sport, dst, 4789, struct.pack(">II", 8 << 24, 7 << 8) + frame)


def geneve(src, dst, inner, sport=5001):
    frame = ethernet(b"\2\0\0\0\0\1", b"\2\0\0\0\0\2", inner)
    return udp(src, sport, dst, 6081, struct.pack(">BBHI", 0, 0, 0x6558, 7 << 8) + frame)


def teredo(src, dst, inner, sport=5002):
    return udp(src, sport, dst, 3544, inner)


# ---- DNS ----

def dns_name(*labels):
    return b"".join(bytes([len(part)]) + part for part in labels) + b"\0"


def question(name, kind=1, ident=1, head=0x0100, more=b"", counts=(1, 0, 0, 0)):
    """A DNS message with one question; name is text or bytes in wire form."""
    if isinstance(name, str):
        name = dns_name(*name.encode().split(b"."))
    return struct.pack(">HHHHHH", ident, head, *counts) + name + struct.pack(">HH", kind, 1) + more


# ---- what came out ----

def parse(frame):
    """(src, dst, proto, bytes behind the IP header) of a frame, or None when it is no IP packet. Tags and
    IPv6 extension headers are stepped over, atomic fragments' too; a fragment's proto is 44."""
    at = 12
    while frame[at:at + 2] in (b"\x81\0", b"\x88\xa8", b"\x91\0"):
        at += 4
    kind, p = frame[at:at + 2], frame[at + 2:]
    if kind == b"\x08\0" and len(p) >= 20:
        proto = 44 if struct.unpack(">H", p[6:8])[0] & 0x3fff else p[9]
        body = p[(p[0] & 15) * 4:struct.unpack(">H", p[2:4])[0]]
        return socket.inet_ntoa(p[12:16]), socket.inet_ntoa(p[16:20]), proto, body
    if kind == b"\x86\xdd" and len(p) >= 40:
        proto, body = p[6], p[40:40 + struct.unpack(">H", p[4:6])[0]]
        while proto in (0, 43, 60, 44) and len(body) >= 8:
            if proto == 44 and body[2:4] != b"\0\0":
                break
            proto, body = body[0], body[(body[1] + 1) * 8 if proto != 44 else 8:]
        return (socket.inet_ntop(socket.AF_INET6, p[8:24]), socket.inet_ntop(socket.AF_INET6, p[24:40]),
                proto, body)
    return None


def _conversation(frame):
    got = parse(frame)
    if not got:
        return frame
    src, dst, proto, body = got
    if proto == 6 and len(body) >= 20:
        syn = body[4:8] if body[13] & 0x12 == 2 else None
        return src, dst, proto, body[:4], syn
    if proto in (1, 58) and body[:1] in (b"\x08", b"\0", b"\x80", b"\x81"):
        return src, dst, proto, body[:1] + body[4:6]
    return (src, dst, proto, body[:4]) if proto in (17, 132, 33, 136) else (src, dst, proto)


def conversations(frames):
    """How many conversations they belong to; each SYN with another sequence number begins one."""
    keys = {_conversation(frame) for frame in frames}
    begun = {key[:4] for key in keys if len(key) == 5 and key[4] is not None and isinstance(key, tuple)}
    return sum(1 for key in keys
               if not (isinstance(key, tuple) and len(key) == 5 and key[4] is None and key[:4] in begun))


def matching(wanted):
    """A COUNT: the frames for which wanted(frame) holds."""
    return lambda frames: sum(1 for frame in frames if wanted(frame))


def _neighbour(frame):
    if frame[12:14] == b"\x08\x06":
        return True
    got = parse(frame)
    return bool(got and got[2] == 58 and got[3][:1] in (b"\x87", b"\x88", b"\x8f"))


def no_neighbours(frames):
    """A COUNT: all but ARP, neighbour discovery and group reports."""
    return sum(1 for frame in frames if not _neighbour(frame))


# ---- reflection: a confederate asks with the victim's address, the honeypot answers massively ----

REFLECT_QUESTIONS = 20
# One byte for each that came, and 1 KiB a minute.
REFLECT_POLICY = policy(amplification=1, peer_allowance="1K")


def total_bytes(frames):
    return sum(len(frame) for frame in frames)


def reflect_allowed(ask):
    """ask(victim, honeypot, n): the n-th question."""
    def allowed(family):
        victim, me = ("10.66.0.200", "10.66.0.5") if family == 4 else ("fd66::200", "fd66::5")
        return 1024 + sum(len(ethernet(b"\0" * 6, b"\0" * 6, ask(victim, me, n))) for n in range(REFLECT_QUESTIONS))
    return allowed


def reflect(ask, answer):
    """answer(victim, honeypot, n): sent 20 times."""
    def attack(pot, out, family):
        me, victim = pot.ip(family), out.ip(family)
        for n in range(REFLECT_QUESTIONS):
            out.send_packet(ask(victim, me, n))
            pot.take(1)
            pot.send_packets([answer(victim, me, n)] * 20)
    return attack
