# SPDX-License-Identifier: Apache-2.0
"""Small servers of an ordinary network, run as programs inside a namespace; each says "ready":

    services.py dns                    NAME.example.net is 192.0.2.80 and 2001:db8:0:1::80; big*.example.net has
                                       40 addresses, too many for UDP: truncated there, whole over TCP
    services.py ntp                    answers clients (RFC 5905)
    services.py dhcp ADDRESS SECONDS   leases that one address
    services.py router                 answers router solicitations: prefix 2001:db8:0:2::/64
    services.py udp PORT BYTES         answers each datagram with so many bytes
    services.py web PORT DIRECTORY     files over HTTP/1.1, connections kept alive
"""
import functools
import http.server
import socket
import struct
import sys
import threading
import time

FOUR, SIX = "192.0.2.80", "2001:db8:0:1::80"
SO_BINDTODEVICE = 25


def bound(port, kind=socket.SOCK_DGRAM):
    s = socket.socket(socket.AF_INET6, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::", port))
    return s


def ready():
    print("ready", flush=True)


def dns_answer(question, over_tcp):
    end = question.index(b"\0", 12) + 5
    labels, kind = question[12:end - 4], question[end - 4:end - 2]
    records = []
    if labels.endswith(b"\x07example\x03net\0"):
        address = {b"\0\1": socket.inet_aton(FOUR), b"\0\x1c": socket.inet_pton(socket.AF_INET6, SIX)}.get(kind)
        many = 40 if labels[1:4] == b"big" else 1
        if address:
            records = [b"\xc0\x0c" + kind + struct.pack(">HIH", 1, 60, len(address)) +
                       (address if many == 1 else address[:-1] + bytes([n + 1])) for n in range(many)]
    truncated = len(records) > 1 and not over_tcp
    head = question[:2] + (b"\x87\x80" if truncated else b"\x85\x80") + \
        struct.pack(">HHHH", 1, 0 if truncated else len(records), 0, 0)
    return head + question[12:end] + (b"" if truncated else b"".join(records))


def dns():
    tcp = bound(53, socket.SOCK_STREAM)
    tcp.listen(64)
    threading.Thread(target=_dns_tcp, args=(tcp,), daemon=True).start()
    udp = bound(53)
    ready()
    while True:
        question, peer = udp.recvfrom(4096)
        udp.sendto(dns_answer(question, False), peer)


def _dns_tcp(listener):
    while True:
        s = listener.accept()[0]
        with s:
            s.settimeout(5)
            try:
                while len(head := s.recv(2, socket.MSG_WAITALL)) == 2:
                    answer = dns_answer(s.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL), True)
                    s.sendall(len(answer).to_bytes(2, "big") + answer)
            except OSError:
                pass


def ntp():
    s = bound(123)
    ready()
    while True:
        ask, peer = s.recvfrom(512)
        now = int((time.time() + 2208988800) * (1 << 32))
        s.sendto(struct.pack(">BBbbII4sQ8sQQ", 0x24, 1, 6, -20, 0, 16, b"LAB\0", now, ask[40:48], now, now), peer)


def dhcp(address, seconds):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, b"eth0")
    s.bind(("", 67))
    ready()
    while True:
        ask, _ = s.recvfrom(2048)
        kind = ask[ask.index(b"\x35\x01", 240) + 2]
        answer = {1: 2, 3: 5}.get(kind)  # DISCOVER: OFFER; REQUEST: ACK
        if answer is None:
            continue
        known = ask[12:16] != b"\0\0\0\0"
        reply = b"\2" + ask[1:16] + socket.inet_aton(address) + socket.inet_aton(FOUR) + b"\0" * 4 + ask[28:44] + \
            b"\0" * 192 + b"\x63\x82\x53\x63" + bytes([53, 1, answer]) + b"\x36\4" + socket.inet_aton(FOUR) + \
            b"\x33\4" + struct.pack(">I", seconds) + b"\1\4\xff\xff\xff\0" + b"\xff"
        s.sendto(reply, (address if known else "255.255.255.255", 68))


def router():
    s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    nic = socket.if_nametoindex("eth0")
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                 socket.inet_pton(socket.AF_INET6, "ff02::2") + struct.pack("=I", nic))
    prefix = struct.pack(">BBBBIII", 3, 4, 64, 0xc0, 3600, 3600, 0) + \
        socket.inet_pton(socket.AF_INET6, "2001:db8:0:2::")
    ready()
    while True:
        if s.recv(2048)[0] == 133:
            s.sendto(struct.pack(">BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + prefix, ("ff02::1", 0, 0, nic))


def udp(port, size):
    s = bound(port)
    ready()
    while True:
        s.sendto(bytes(size), s.recvfrom(2048)[1])


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass


def web(port, directory):
    server = Server(("::", port), functools.partial(Handler, directory=directory))
    ready()
    server.serve_forever()


if __name__ == "__main__":
    name, *args = sys.argv[1:]
    {"dns": dns, "ntp": ntp, "dhcp": dhcp, "router": router, "udp": udp, "web": web}[name](
        *(int(a) if a.isdigit() else a for a in args))
