# SPDX-License-Identifier: Apache-2.0
"""Two hosts, and between them a namespace with two NICs: p-a [e0] -- [g0] p-g [g1] -- [e0] p-b."""
import contextlib
import ctypes
import os
import pathlib
import select
import socket
import struct
import subprocess
import time

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING, ETH_P_ALL = 263, 8, 23, 3


def ip(*args):
    subprocess.run(['ip', *args], check=True, capture_output=True)


@contextlib.contextmanager
def inside(ns):
    """Sockets that are made within belong to that namespace."""
    with open('/proc/self/ns/net') as here, open(f'/run/netns/{ns}') as there:
        assert libc.setns(there.fileno(), CLONE_NEWNET) == 0
        try:
            yield
        finally:
            assert libc.setns(here.fileno(), CLONE_NEWNET) == 0


class Wire:
    """A raw socket that shows frames as on the wire, tags in place."""

    def __init__(self, ns, nic):
        with inside(ns):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        self.sock.bind((nic, ETH_P_ALL))

    def send(self, frame):
        self.sock.send(frame)

    def recv(self, seconds=0.3):
        """The next frame, None when there is none in that time."""
        if not select.select([self.sock], [], [], seconds)[0]:
            return None
        frame, extra, _, _ = self.sock.recvmsg(70000, 256)
        for level, kind, data in extra:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, _, _, _, _, tci, tpid = struct.unpack('IIIHHHH', data)
                if status & 0x10:
                    frame = frame[:12] + struct.pack('!HH', tpid if status & 0x40 else 0x8100, tci) + frame[12:]
        return frame

    def all(self, seconds=0.3):
        frames = []
        while (frame := self.recv(seconds)) is not None:
            frames.append(frame)
        return frames


class Lab:
    def __init__(self, build, mtu=1500):
        self.build, self.run = pathlib.Path(build), f'fbport{os.getpid()}'
        self.a, self.b, self.g = (f'{self.run}{x}' for x in 'abg')
        self.started = []
        for ns in (self.a, self.b, self.g):
            ip('netns', 'add', ns)
            for conf in ('default', 'all'):
                self.sysctl(ns, f'net/ipv6/conf/{conf}/disable_ipv6', 1)
        for ns, nic in ((self.a, 'g0'), (self.b, 'g1')):
            ip('link', 'add', 'e0', 'mtu', str(mtu), 'netns', ns, 'type', 'veth', 'peer', 'name', nic,
               'mtu', str(mtu), 'netns', self.g)
            ip('-n', ns, 'link', 'set', 'e0', 'up')
            ip('-n', ns, 'link', 'set', 'lo', 'up')
            ip('-n', self.g, 'link', 'set', nic, 'up')

    def sysctl(self, ns, name, value):
        with inside(ns):
            pathlib.Path('/proc/sys', name).write_text(f'{value}\n')

    def addresses(self):
        """Gives the hosts 10.9.0.1, fd09::1 and 10.9.0.2, fd09::2."""
        for ns, n in ((self.a, 1), (self.b, 2)):
            self.sysctl(ns, 'net/ipv6/conf/all/disable_ipv6', 0)
            self.sysctl(ns, 'net/ipv6/conf/e0/disable_ipv6', 0)
            ip('-n', ns, 'addr', 'add', f'10.9.0.{n}/24', 'dev', 'e0')
            ip('-n', ns, 'addr', 'add', f'fd09::{n}/64', 'dev', 'e0', 'nodad')

    def start(self, program, *args, ns=None):
        process = subprocess.Popen(['ip', 'netns', 'exec', ns or self.g, self.build / 'tests/lab' / program, *args],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.started.append(process)
        return process

    def forwarder(self, merge=None):
        if merge:  # as fb-gate has its NICs: the kernel cuts
            for nic in ('g0', 'g1'):
                subprocess.run(['ip', 'netns', 'exec', self.g, 'ethtool', '-K', nic, 'tso', 'off', 'tx', 'off'],
                               check=True, capture_output=True)
        process = self.start('forwarder', *([merge] if merge else []), 'g0', 'g1')
        assert process.stdout.readline() == 'ready\n'
        return process

    def close(self):
        for process in self.started:
            process.kill()
            process.wait()
        for ns in (self.a, self.b, self.g):
            subprocess.run(['ip', 'netns', 'del', ns], check=False)


def wait_until(what, seconds=5):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, 'timed out'
        time.sleep(0.05)
