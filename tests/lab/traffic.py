# SPDX-License-Identifier: Apache-2.0
"""Traffic for lab tests, run as a program inside a namespace:

    traffic.py echo PORT                     UDP and TCP echo server, v4 and v6; says "ready"
    traffic.py udp ADDRESS PORT COUNT [GAP]  numbered datagrams; prints the numbers that came back
    traffic.py tcp ADDRESS PORT BYTES        one connection; checks the echo, prints "ok BYTES"
    traffic.py connect ADDRESS PORT COUNT    COUNT connections at once; prints how many were accepted
    traffic.py ping ADDRESS [COUNT]          ICMP or ICMPv6 echo; prints how many answers came
    traffic.py web ADDRESS COUNT FROM N      COUNT times GET /page, 50 at once, each a connection of its own, from N
                                             addresses (FROM is one without its last number); every tenth gets
                                             /large and resets it half way. Prints "COUNT done, BAD not answered"
    traffic.py asks ADDRESS PORT BYTES FROM N   a datagram from each of N addresses; prints how many were answered
"""
import asyncio
import os
import selectors
import socket
import struct
import sys
import time


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def echo(port):
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    tcp = socket.socket(socket.AF_INET6)
    for s in (udp, tcp):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("::", port))
    tcp.listen(256)
    wait = selectors.DefaultSelector()
    wait.register(udp, selectors.EVENT_READ)
    wait.register(tcp, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in wait.select():
            s = key.fileobj
            if s is udp:
                udp.sendto(*udp.recvfrom(65536))
            elif s is tcp:
                wait.register(tcp.accept()[0], selectors.EVENT_READ)
            else:
                try:
                    data = s.recv(65536)
                except OSError:
                    data = b""
                if data:
                    s.sendall(data)
                else:
                    wait.unregister(s)
                    s.close()


def udp(address, port, count, gap=0.001):
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.connect((address, port))
    s.setblocking(False)
    back = set()

    def collect():
        try:
            while True:
                back.add(struct.unpack("!I", s.recv(2048)[:4])[0])
        except OSError:
            pass
    begin = time.monotonic()
    for n in range(count):
        try:
            s.send(struct.pack("!I", n) + b"x" * 60)
        except OSError:
            pass
        # By the clock, or a busy machine makes ten minutes of it twenty; but never all at once.
        time.sleep(max(begin + (n + 1) * gap - time.monotonic(), gap / 10))
        collect()
    time.sleep(0.3)
    collect()
    print(*sorted(back))


def tcp(address, port, size):
    s = socket.create_connection((address, port), timeout=20)
    sent = os.urandom(size)
    got = bytearray()
    at = 0
    while len(got) < size:
        if at < size and at - len(got) < 65536:
            at += s.send(sent[at:at + 16384])
        else:
            data = s.recv(65536)
            assert data, "closed early"
            got += data
    assert bytes(got) == sent, "echo differs"
    print("ok", size)


def connect(address, port, count):
    sockets = [socket.socket(family(address)) for _ in range(count)]
    for s in sockets:
        s.setblocking(False)
        s.connect_ex((address, port))
    time.sleep(1)
    print(sum(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0 and _connected(s)
              for s in sockets))


def _connected(s):
    try:
        s.getpeername()
        return True
    except OSError:
        return False


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def ping(address, count=1):
    six = ":" in address
    s = socket.socket(family(address), socket.SOCK_RAW,
                      socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
    s.settimeout(1)
    answers = 0
    for n in range(count):
        body = struct.pack("!HH", os.getpid() & 0xffff, n) + b"fishbowl"
        head = struct.pack("!BBH", 128 if six else 8, 0, 0)
        if not six:
            head = struct.pack("!BBH", 8, 0, checksum(head + body))
        s.sendto(head + body, (address, 0))
        try:
            while True:
                got = s.recv(2048)
                got = got if six else got[20:]
                if got[0] == (129 if six else 0) and got[4:] == body:
                    answers += 1
                    break
        except socket.timeout:
            pass
    print(answers)


async def _get(address, source, path, half_way):
    reader, writer = await asyncio.open_connection(address, 80, local_addr=(source, 0))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: pot\r\nConnection: close\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(head.lower().split(b"content-length: ")[1].split()[0])
    body = await reader.readexactly(size // 2 if half_way else size)
    if half_way:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        assert await reader.read() == b""
        writer.close()
    return head.startswith(b"HTTP/1.1 200") and len(body) > 0


async def _clients(address, count, sources, n_sources):
    numbers, bad = iter(range(count)), []

    async def one_after_the_other():
        for n in numbers:
            half_way = n % 10 == 9
            source = f"{sources}{n % n_sources + 1}"
            try:
                good = await asyncio.wait_for(
                    _get(address, source, "/large" if half_way else "/page", half_way), 20)
            except Exception as error:  # whatever it is, this client got no answer
                print(n, source, repr(error), file=sys.stderr)
                good = False
            if not good:
                bad.append(n)
    await asyncio.gather(*(one_after_the_other() for _ in range(50)))
    print(f"{count} done, {len(bad)} not answered")


def web(address, count, sources, n_sources):
    asyncio.run(_clients(address, count, sources, n_sources))


def asks(address, port, size, sources, n_sources):
    answered = 0
    for n in range(n_sources):
        with socket.socket(family(address), socket.SOCK_DGRAM) as s:
            s.settimeout(2)
            s.bind((f"{sources}{n + 1}", 0))
            s.sendto(bytes(size), (address, port))
            try:
                answered += s.recv(2048) != b""
            except socket.timeout:
                pass
    print(answered)


if __name__ == "__main__":
    name, *args = sys.argv[1:]
    values = [int(a) if a.isdigit() else float(a) if a.replace(".", "", 1).isdigit() else a
              for a in args]
    {"echo": echo, "udp": udp, "tcp": tcp, "connect": connect, "ping": ping,
     "web": web, "asks": asks}[name](*values)
