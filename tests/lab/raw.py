# SPDX-License-Identifier: Apache-2.0
"""Frames by hand: packet sockets in other namespaces, building, and reading captures. It shares no
code with the gateway, so that a mistake there is not made here as well."""
import contextlib
import ctypes
import ipaddress
import os
import pathlib
import select
import socket
import struct
import time

SHARED = pathlib.Path(os.environ.get("FISHBOWL_SHARED",
                                     pathlib.Path(__file__).resolve().parents[3] / "shared"))
PCAPS = SHARED / "data" / "pcaps"

BROADCAST = b"\xff" * 6
LONGEST = 1518  # an Ethernet frame at MTU 1500 with a VLAN tag, without its check sum

_libc = ctypes.CDLL(None, use_errno=True)
_SOL_PACKET, _PACKET_AUXDATA, _PACKET_IGNORE_OUTGOING = 263, 8, 23
_SO_RCVBUFFORCE = 33


@contextlib.contextmanager
def in_netns(name):
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{name}") as there:
        if _libc.setns(there.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), f"setns {name}")
        try:
            yield
        finally:
            _libc.setns(home.fileno(), 0x40000000)


class Nic:
    """A NIC of another namespace: sends frames, and keeps those that arrive until take()."""

    def __init__(self, netns, nic):
        with in_netns(netns):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s = self.socket
        s.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        s.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        s.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 29)
        s.bind((nic, 0))
        s.setblocking(False)
        self.mac = s.getsockname()[4]
        self.take()

    def close(self):
        self.socket.close()

    def send(self, frame):
        while True:
            try:
                return self.socket.send(frame)
            except BlockingIOError:
                select.select([], [self.socket], [], 1)
            except OSError as error:
                if error.errno != 105:  # ENOBUFS
                    raise
                time.sleep(0.001)

    def take(self):
        """All frames that have arrived, with their VLAN tag where it belongs."""
        frames = []
        while True:
            try:
                data, notes, _, _ = self.socket.recvmsg(65536, 64)
            except BlockingIOError:
                return frames
            except OSError:  # the link went down or came back
                continue
            frames.append(self._with_tag(data, notes))

    def take_until(self, count, seconds=5):
        frames, end = self.take(), time.monotonic() + seconds
        while len(frames) < count and time.monotonic() < end:
            select.select([self.socket], [], [], 0.05)
            frames += self.take()
        return frames

    def take_quiet(self, quiet=0.4):
        """Until nothing has arrived for `quiet` seconds."""
        frames = self.take()
        while select.select([self.socket], [], [], quiet)[0]:
            frames += self.take()
        return frames

    @staticmethod
    def _with_tag(data, notes):
        for level, kind, value in notes:
            if level == _SOL_PACKET and kind == _PACKET_AUXDATA:
                status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", value[:20])
                if status & 0x10:  # TP_STATUS_VLAN_VALID
                    if not status & 0x40:
                        tpid = 0x8100
                    return data[:12] + struct.pack(">HH", tpid, tci) + data[12:]
        return data


def silence(lab):
    """The hosts' own kernels say nothing any more, of NICs that come later neither: what is on the wires is what a test
    sends."""
    for where, nic in [("attacker", "out")] + [(f"pot{i}", "eth0") for i in range(lab.pots)]:
        lab.exec(where, ["sh", "-c", f"for at in default {nic}; do "
                         "echo 1 >/proc/sys/net/ipv6/conf/$at/disable_ipv6; done; "
                         f"ip addr flush dev {nic}"])


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def _pseudo(src, dst, proto, length):
    a, b = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    if len(a) == 4:
        return a + b + struct.pack(">BBH", 0, proto, length)
    return a + b + struct.pack(">II", length, proto)


def ip(src, dst, proto, body, ttl=64):
    a, b = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    if len(a) == 16:
        return struct.pack(">IHBB", 6 << 28, len(body), proto, ttl) + a + b + body
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, ttl, proto, 0) + a + b
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body


def ethernet(dst_mac, src_mac, packet, kind=None):
    kind = kind or (0x86dd if packet[0] >> 4 == 6 else 0x0800)
    return (dst_mac + src_mac + struct.pack(">H", kind) + packet).ljust(60, b"\0")


def tcp(src, sport, dst, dport, flags="S", seq=1, ack=0, data=b""):
    bits = sum({"F": 1, "S": 2, "R": 4, "P": 8, "A": 16}[f] for f in flags)
    head = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, 5 << 4, bits, 8192, 0, 0) + data
    total = checksum(_pseudo(src, dst, 6, len(head)) + head)
    return ip(src, dst, 6, head[:16] + struct.pack(">H", total) + head[18:])


def udp(src, sport, dst, dport, data=b"x"):
    head = struct.pack(">HHHH", sport, dport, 8 + len(data), 0) + data
    total = checksum(_pseudo(src, dst, 17, len(head)) + head) or 0xffff
    return ip(src, dst, 17, head[:6] + struct.pack(">H", total) + head[8:])


def icmp(src, dst, kind, body, code=0, ttl=64):
    proto = 58 if ":" in src else 1
    head = struct.pack(">BBH", kind, code, 0) + body
    extra = _pseudo(src, dst, 58, len(head)) if proto == 58 else b""
    return ip(src, dst, proto, head[:2] + struct.pack(">H", checksum(extra + head)) + head[4:], ttl)


def ping(src, dst, ident):
    return icmp(src, dst, 128 if ":" in src else 8, struct.pack(">HH", ident, 1) + b"ping")


def arp(sender_mac, sender_ip, target_ip, operation=1, target_mac=b"\0" * 6):
    return struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation) + sender_mac + \
        socket.inet_aton(sender_ip) + target_mac + socket.inet_aton(target_ip)


def file_frames(path):
    """Ethernet frames of a pcap or pcapng file; nothing for other link types."""
    data = path.read_bytes()
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        for _, frame, _ in pcapng_packets([path]):
            yield frame
        return
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    if struct.unpack(order + "I", data[20:24])[0] & 0xffff != 1:
        return
    at = 24
    while at + 16 <= len(data):
        size, whole = struct.unpack(order + "II", data[at + 8:at + 16])
        if size == whole:
            yield data[at + 16:at + 16 + size]
        at += 16 + size


def pcapng_packets(paths):
    """(name of the interface, frame, comment) of all packets."""
    for path in paths:
        data, at, names = path.read_bytes(), 0, []
        while at + 12 <= len(data):
            kind, length = struct.unpack_from("<II", data, at)
            if length < 12 or at + length > len(data):
                break
            end = at + length - 4
            if kind == 0x0a0d0d0a:
                names = []
            elif kind == 1:
                names.append(_option(data, at + 16, end, 2).decode())
            elif kind == 6:
                number, _, _, size = struct.unpack_from("<IIII", data, at + 8)
                yield (names[number], data[at + 28:at + 28 + size],
                       _option(data, at + 28 + (size + 3) // 4 * 4, end, 1).decode())
            at += length


def _option(data, at, end, wanted):
    while at + 4 <= end:
        code, size = struct.unpack_from("<HH", data, at)
        if code == wanted:
            return data[at + 4:at + 4 + size].rstrip(b"\0")
        if code == 0:
            break
        at += 4 + (size + 3) // 4 * 4
    return b""
