# SPDX-License-Identifier: Apache-2.0
"""Packets and capture files as bytes, for the golden captures and the tests that make their own."""

import ipaddress
import struct

MAC = {  # by the first letter of who sends: attacker, web honeypot, mail honeypot, gateway to the outside
    "a": bytes.fromhex("020000000a01"),
    "w": bytes.fromhex("020000000b05"),
    "m": bytes.fromhex("020000000b06"),
}
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def eth(payload, ethertype=None, src="a", dst="w"):
    if ethertype is None:
        ethertype = 0x0800 if payload[0] >> 4 == 4 else 0x86DD
    return MAC[dst] + MAC[src] + struct.pack(">H", ethertype) + payload


def vlan(frame, *tags, outer=0x8100):
    """Puts tags into an Ethernet frame; the first is the outermost."""
    inner = b""
    for i, tag in enumerate(tags):
        inner += struct.pack(">HH", outer if i == 0 else 0x8100, tag)
    return frame[:12] + inner + frame[12:]


def ip4(src, dst, proto, payload, ident=1, offset=0, more=False, ttl=64):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident,
                       (0x2000 if more else 0) | offset // 8, ttl, proto, 0,
                       ipaddress.IPv4Address(src).packed, ipaddress.IPv4Address(dst).packed)
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def ip6(src, dst, proto, payload, hops=64):
    return struct.pack(">IHBB16s16s", 0x60000000, len(payload), proto, hops,
                       ipaddress.IPv6Address(src).packed, ipaddress.IPv6Address(dst).packed) + payload


def ip(src, dst, proto, payload, **more):
    return (ip6 if ":" in src else ip4)(src, dst, proto, payload, **more)


def pseudo(src, dst, proto, size):
    if ":" in src:
        return (ipaddress.IPv6Address(src).packed + ipaddress.IPv6Address(dst).packed +
                struct.pack(">II", size, proto))
    return (ipaddress.IPv4Address(src).packed + ipaddress.IPv4Address(dst).packed +
            struct.pack(">HH", proto, size))


def summed(src, dst, proto, segment, at):
    total = checksum(pseudo(src, dst, proto, len(segment)) + segment)
    return segment[:at] + struct.pack(">H", total or 0xFFFF) + segment[at + 2:]


def tcp_segment(src, dst, sport, dport, flags, seq=1000, ack=1001, data=b""):
    segment = struct.pack(">HHIIBBHHH", sport, dport, seq, ack if flags & ACK else 0, 0x50, flags,
                          64240, 0, 0) + data
    return summed(src, dst, 6, segment, 16)


def tcp(src, dst, sport, dport, flags, **more):
    return ip(src, dst, 6, tcp_segment(src, dst, sport, dport, flags, **more))


def udp_segment(src, dst, sport, dport, data=b""):
    return summed(src, dst, 17, struct.pack(">HHHH", sport, dport, 8 + len(data), 0) + data, 6)


def udp(src, dst, sport, dport, data=b""):
    return ip(src, dst, 17, udp_segment(src, dst, sport, dport, data))


def icmp(src, dst, kind, code, rest, data=b""):
    """`rest`: the four bytes behind the checksum."""
    message = struct.pack(">BBH", kind, code, 0) + rest + data
    if ":" in src:
        return ip6(src, dst, 58, summed(src, dst, 58, message, 2))
    return ip4(src, dst, 1, message[:2] + struct.pack(">H", checksum(message)) + message[4:])


def echo(src, dst, ident, seq, reply=False, data=b"0123456789abcdef"):
    kind = (129 if reply else 128) if ":" in src else (0 if reply else 8)
    return icmp(src, dst, kind, 0, struct.pack(">HH", ident, seq), data)


def arp(op, sender_mac, sender, target_mac, target):
    return struct.pack(">HHBBH6s4s6s4s", 1, 0x0800, 6, 4, op, sender_mac,
                       ipaddress.IPv4Address(sender).packed, target_mac,
                       ipaddress.IPv4Address(target).packed)


def tcp_talk(client, server, cport, sport, request=b"GET / HTTP/1.0\r\n\r\n", answer=b"HTTP/1.0 200 OK\r\n\r\nhi\n",
             seq=1000):
    """A whole connection: [(from the client?, packet)]"""
    s, n, m = 5000, seq + 1 + len(request), 5001 + len(answer)
    steps = [
        (True, SYN, seq, 0, b""), (False, SYN | ACK, s, seq + 1, b""), (True, ACK, seq + 1, s + 1, b""),
        (True, PSH | ACK, seq + 1, s + 1, request), (False, ACK, s + 1, n, b""),
        (False, PSH | ACK, s + 1, n, answer), (False, FIN | ACK, m, n, b""),
        (True, FIN | ACK, n, m + 1, b""), (False, ACK, m + 1, n + 1, b""),
    ]
    return [(up, tcp(client, server, cport, sport, flags, seq=q, ack=k, data=d) if up else
             tcp(server, client, sport, cport, flags, seq=q, ack=k, data=d))
            for up, flags, q, k, d in steps]


ATTACKER, HONEYPOT = "198.51.100.7", "192.0.2.10"


def talk(steps, cport, sport, ends=(ATTACKER, HONEYPOT)):
    """A whole TCP connection of what its two sides say in turn, [(side, bytes)]. What else is among the steps comes
    out in its place."""
    ends = [(*ends, cport, sport), (*reversed(ends), sport, cport)]
    seq = [1000, 5000]
    out = []

    def say(side, flags, data=b"", size=None):
        out.append(tcp(*ends[side], flags, seq=seq[side], ack=seq[not side], data=data))
        seq[side] += len(data) if size is None else size

    say(0, SYN, size=1)
    say(1, SYN | ACK, size=1)
    say(0, ACK)
    for step in steps:
        if isinstance(step, tuple):
            say(step[0], PSH | ACK, step[1])
            say(not step[0], ACK)
        else:
            out.append(step)
    say(0, FIN | ACK, size=1)
    say(1, FIN | ACK, size=1)
    say(0, ACK)
    return out


# Capture files. A packet is (time in ns, bytes).

LINK = {"ethernet": 1, "raw": 101, "raw-bsd": 12, "ipv4": 228, "ipv6": 229, "null": 0, "loop": 108,
        "cooked": 113, "cooked2": 276}


def pcap(link, packets, endian="<", nano=False):
    out = struct.pack(endian + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 262144,
                      LINK.get(link, link))
    for time_ns, data in packets:
        out += struct.pack(endian + "IIII", time_ns // 10**9, time_ns % 10**9 // (1 if nano else 1000),
                           len(data), len(data)) + data
    return out


def block(kind, body, endian="<"):
    body += bytes(-len(body) % 4)
    size = len(body) + 12
    return struct.pack(endian + "II", kind, size) + body + struct.pack(endian + "I", size)


def option(code, value, endian="<"):
    return struct.pack(endian + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def shb(endian="<", options=b""):
    return block(0x0A0D0D0A, struct.pack(endian + "IHHq", 0x1A2B3C4D, 1, 0, -1) + options, endian)


def idb(link, endian="<", name=None, tsresol=None, tsoffset=None, snaplen=0):
    options = b""
    if name:
        options += option(2, name.encode(), endian)
    if tsresol is not None:
        options += option(9, bytes([tsresol]), endian)
    if tsoffset is not None:
        options += option(14, struct.pack(endian + "q", tsoffset), endian)
    if options:
        options += option(0, b"", endian)
    return block(1, struct.pack(endian + "HHI", LINK.get(link, link), 0, snaplen) + options, endian)


def epb(interface, ticks, data, endian="<", options=b"", original=None):
    return block(6, struct.pack(endian + "IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(data),
                                len(data) if original is None else original) +
                 data + bytes(-len(data) % 4) + options, endian)


def spb(data, endian="<"):
    return block(3, struct.pack(endian + "I", len(data)) + data, endian)


def cooked(packet, outgoing=False):
    """Linux cooked v1 (LINKTYPE_LINUX_SLL)."""
    ethertype = 0x0800 if packet[0] >> 4 == 4 else 0x86DD
    return struct.pack(">HHH8sH", 4 if outgoing else 0, 1, 6, MAC["a"] + b"\0\0", ethertype) + packet


def cooked2(packet, outgoing=False):
    """Linux cooked v2 (LINKTYPE_LINUX_SLL2)."""
    ethertype = 0x0800 if packet[0] >> 4 == 4 else 0x86DD
    return struct.pack(">HHIHBB8s", ethertype, 0, 2, 1, 4 if outgoing else 0, 6, MAC["a"] + b"\0\0") + packet


def loopback(packet, endian):
    """BSD null/loop: 24, 28 or 30 is AF_INET6, by system."""
    family = 2 if packet[0] >> 4 == 4 else 30
    return struct.pack(endian + "I", family) + packet


def question(name="www.example.org", number=7):
    """A plain DNS question for an address."""
    labels = b"".join(bytes([len(l)]) + l.encode() for l in name.split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, 1, 1)
