# SPDX-License-Identifier: Apache-2.0
"""Independent captures on the lab's wires, and counting in them. Shares no code with the gateway."""
import glob
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import namedtuple

from . import plan

# Where it listens: before the gateway (each honeypot), behind it (the street), and at the victim.
WIRES = {"street": (plan.STREET, "gateway"), "victim": (plan.PREFIX + "victim", "eth0")}
WIRES |= {h.name: (h.netns, "eth0") for h in plan.HONEYPOTS}

# A watcher ends here: somebody who floods by hand must not fill the disk.
FILE_MAX = 128 << 20

Packet = namedtuple("Packet", "time src_mac family src dst proto sport dport flags icmp length seq data")


def start_all():
	os.makedirs(plan.path("watch"), exist_ok=True)
	for wire, (netns, nic) in WIRES.items():
		with open(plan.path("watch", wire + ".log"), "w") as log:
			subprocess.Popen(["nsenter", f"--net=/run/netns/{netns}", sys.executable, "-B",
				sys.argv[0], "watch", nic, plan.path("watch", wire + ".pcap")],
				stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def watch_main(nic, path):
	"""Writes all frames of a NIC to a pcap file until it is ended or the file is full."""
	sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
	sniffer.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
	sniffer.bind((nic, 0))
	signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
	with open(path, "wb") as f:
		f.write(struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 65535, 1))
		f.flush()
		while True:
			if not select.select([sniffer], [], [], 0.2)[0]:
				f.flush()
				continue
			try:
				data, now = sniffer.recv(65535), time.time_ns()
			except OSError:  # the link went down
				continue
			f.write(struct.pack("<IIII", now // 10**9, now % 10**9, len(data), len(data)) + data)
			if f.tell() > FILE_MAX:
				return


def settle():
	"""Waits until the captures have written what they saw."""
	sizes = None
	for _ in range(50):
		now = [os.path.getsize(p) for p in sorted(glob.glob(plan.path("watch", "*.pcap")))]
		if now == sizes:
			return
		sizes = now
		time.sleep(0.5)


def full():
	"""The wires whose capture ended because it was too large."""
	return [w for w in WIRES if os.path.getsize(plan.path("watch", w + ".pcap")) > FILE_MAX]


def packets(wire):
	with open(plan.path("watch", wire + ".pcap"), "rb") as f:
		f.read(24)
		while len(head := f.read(16)) == 16:
			seconds, nano, length, _ = struct.unpack("<IIII", head)
			if len(data := f.read(length)) < length:
				return
			packet = _decode(seconds + nano / 1e9, data)
			if packet:
				yield packet


def _decode(when, data):
	mac, kind = data[6:12].hex(":"), data[12:14]
	if kind == b"\x08\x00" and len(data) >= 34:
		head = 14 + (data[14] & 15) * 4
		return _transport(when, mac, socket.AF_INET, data[26:30], data[30:34], data[23], data[head:],
			len(data))
	if kind == b"\x86\xdd" and len(data) >= 54:
		return _transport(when, mac, socket.AF_INET6, data[22:38], data[38:54], data[20], data[54:],
			len(data))
	return None


def _transport(when, mac, family, src, dst, proto, rest, length):
	sport = dport = flags = icmp = seq = 0
	data = b""
	if proto in (6, 17) and len(rest) >= 8:
		sport, dport = struct.unpack(">HH", rest[:4])
	if proto == 6 and len(rest) >= 14:
		seq, flags, data = struct.unpack(">I", rest[4:8])[0], rest[13], rest[(rest[12] >> 4) * 4:]
	elif proto in (1, 58) and len(rest) >= 8:
		icmp, sport = rest[0], struct.unpack(">H", rest[4:6])[0]
	return Packet(when, mac, family, socket.inet_ntop(family, src), socket.inet_ntop(family, dst),
		proto, sport, dport, flags, icmp, length, seq, data)


def kind(packet):
	return {6: "tcp", 17: "udp", 1: "icmp", 58: "icmp"}.get(packet.proto, "other")


def begun_by(wire, host):
	"""Conversations to the outside that `host` began, as seen on a wire: {kind: {key: first time}}.

	Answers, ICMP errors and neighbour discovery begin nothing. Only packets under the host's own
	addresses, MAC and IP, count; spoofed() has the others."""
	begun = {name: {} for name in plan.LIMITS}
	seen = set()
	outside = {ip for h in plan.OUTSIDERS for ip in (h.ip4, h.ip6)}
	for p in packets(wire):
		key = (p.proto, p.src, p.sport, p.dst, p.dport)
		if p.src not in (host.ip4, host.ip6):
			seen.add((p.proto, p.dst, p.dport, p.src, p.sport))
			continue
		if p.src_mac != host.mac or p.dst not in outside or key in seen:
			continue
		if p.proto == 6 and p.flags & 0x12 != 0x02:
			continue
		if p.proto in (1, 58) and p.icmp not in (8, 128):
			continue
		begun[kind(p)].setdefault(key, p.time)
	return begun


def said(wire, host, dport):
	"""What `host` said by TCP to servers at this port, as seen on a wire: {its port: bytes}."""
	first, bytes_of = {}, {}
	for p in packets(wire):
		if p.proto != 6 or p.src not in (host.ip4, host.ip6) or p.dport != dport:
			continue
		if p.flags & 2:
			first[p.sport], bytes_of[p.sport] = p.seq + 1, bytearray()
		elif p.sport in first and p.data:
			at = (p.seq - first[p.sport]) & 0xffffffff
			if at <= len(bytes_of[p.sport]):  # a gap stays one: nothing behind it was read
				bytes_of[p.sport][at:at + len(p.data)] = p.data
	return {sport: bytes(data) for sport, data in bytes_of.items()}


def spoofed(wire, host):
	"""Packets that carry the host's MAC address with somebody else's source address."""
	return sum(1 for p in packets(wire) if p.src_mac == host.mac and p.src not in (host.ip4, host.ip6)
		and not p.src.startswith("fe80:") and p.src not in ("::", "0.0.0.0"))
