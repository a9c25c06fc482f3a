#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""flood - a honeypot that runs amok: what the outside sees, what the other honeypots notice, and what
the gateway needs.

One of three honeypots sends as fast as it can: SYN, UDP and ping of both families to a million
destinations, half of it under false addresses. Meanwhile a stream comes in to another honeypot. The
same stream is measured beside the same generator that sends into a wire that goes nowhere: what is
lost against that is the gateway's doing and not for want of CPUs.
"""
import argparse
import contextlib
import json
import os
import signal
import sys
import threading
import time

import bench
from bench import GATE, IN, IN_IP, IN_MAC, NETNS_EXEC, OUT, OUT_MAC, PREFIX, counter, sh

AMOK, QUIET = PREFIX + "amok", PREFIX + "quiet"
AMOK_IP, AMOK_IP6, AMOK_MAC = "192.0.2.3", "2001:db8::3", "02:fb:be:00:00:03"
QUIET_IP, QUIET_MAC = "192.0.2.4", "02:fb:be:00:00:04"
# What policy (preset standard) lets out: conversations an hour, frames of each without an answer.
POLICY = {"tcp": 10 * 9, "udp": 20 * 8, "icmp": 20 * 8, "other": 0}
NEIGHBOUR_A_MINUTE = 200 * 60
MIB = {"fb-store": 40,  # it fills its cache of the database, and indexes a segment at a time
	"fb-lens": 80}  # where frames are missing, what follows waits in a pool of 64 MiB
FLOWS = 10 + 20 + 20 + 2 * 64 + 16  # let out, refused (GATE_REFUSED_MAX), and the streams'


class FloodWire(bench.Wire):
	def __init__(self, options):
		super().__init__(options, "flood")
		self.namespaces += [AMOK, QUIET]
		self.inside = ["inside", "amok", "quiet"]

	def _start_flood(self):
		for netns, nic, ip, mac in ((AMOK, "amok", AMOK_IP, AMOK_MAC), (QUIET, "quiet", QUIET_IP, QUIET_MAC)):
			self._cable(netns, "eth0", GATE, nic)
			self._host(netns, ip, mac)
		sh(NETNS_EXEC, AMOK, "ip", "link", "add", "nowhere", "type", "veth", "peer", "name", "end")
		for nic in ("nowhere", "end"):
			sh(NETNS_EXEC, AMOK, "ip", "link", "set", nic, "up")
		sh("nft", "add table netdev t; add chain netdev t in { type filter hook ingress device end "
			"priority 0; }; add rule netdev t in drop", netns=AMOK)
		self._count_outside()
		pots = (("bench", IN_IP, IN_MAC, "inside"), ("amok", f'{AMOK_IP}", "{AMOK_IP6}', AMOK_MAC, "amok"),
			("quiet", QUIET_IP, QUIET_MAC, "quiet"))
		self._start_gateway("".join(f'honeypot "{name}" {{ address = {{"{ip}"}} mac = "{mac}" '
			f'nic = "{nic}" }}\n' for name, ip, mac, nic in pots))

	def _count_outside(self):
		"""Whatever does not come from one of the other honeypots counts as the one that runs amok."""
		names = ("neighbour", *POLICY)
		rules = [f"ether saddr {{ {IN_MAC}, {QUIET_MAC} }} accept",
			"ether type arp counter name n_neighbour accept",
			"icmpv6 type != echo-request counter name n_neighbour accept",
			"meta l4proto tcp counter name n_tcp accept", "meta l4proto udp counter name n_udp accept",
			"meta l4proto { icmp, ipv6-icmp } counter name n_icmp accept", "counter name n_other"]
		sh("nft", "; ".join(["add table netdev t",
			"add chain netdev t in { type filter hook ingress device eth0 priority 0; }",
			*[f"add counter netdev t n_{name}" for name in names],
			*[f"add rule netdev t in {rule}" for rule in rules]]), netns=OUT)

	def said(self):
		return self._log().splitlines()

	def outside(self):
		told = json.loads(sh("nft", "-j", "list", "counters", netns=OUT).stdout)["nftables"]
		return {one["counter"]["name"][2:]: one["counter"]["packets"] for one in told if "counter" in one}

	@contextlib.contextmanager
	def storm(self, nic, ms):
		"""The generator at work; yields a dict that has its figures in the end.

		A honeypot has a CPU of its own, which nothing on the gateway can slow down: with real-time
		priority the generator has one, too, and all else shares the others.
		"""
		got = {}
		generator = bench.start("chrt", "--fifo", "1", self.options.tools + "/frames", "storm", nic, OUT_MAC,
			AMOK_IP, AMOK_IP6, str(self.options.kpps), str(ms), "4", netns=AMOK, stdout=bench.subprocess.PIPE)
		try:
			yield got
			sent, took_ns = (int(word) for word in generator.communicate(timeout=ms / 1000 + 20)[0].split())
			got |= {"offered": sent, "offered_kpps": sent / took_ns * 1e6, "seconds": took_ns / 1e9}
		finally:
			generator.kill()
			generator.wait()


def stream(seconds, *more):
	"""Mbit/s of an iperf3 stream from outside: what arrives at the honeypot's NIC. (What its stack makes of
	it depends on how soon the server gets a CPU.)"""
	server = bench.start("iperf3", "-s", "-1", netns=IN)
	time.sleep(0.3)
	before = counter(IN, "eth0", "rx_bytes")
	sh("iperf3", "-c", IN_IP, "-t", str(seconds), *more, netns=OUT, check=False, timeout=seconds + 60)
	time.sleep(0.2)
	mbit = (counter(IN, "eth0", "rx_bytes") - before) * 8 / seconds / 1e6
	server.kill()
	server.wait()
	return mbit


def streams(o):
	rate = f"{o.mbit}M"
	return {"udp_mbit": stream(o.stream_s, "-u", "-l", "1400", "-b", rate),
		"tcp_mbit": stream(o.stream_s, "-b", rate), "tcp_most_mbit": stream(o.stream_s)}


class Memory(threading.Thread):
	"""Largest RSS of each process in the first and in the second half of `seconds`, in MiB."""

	def __init__(self, pid, seconds):
		super().__init__(daemon=True)
		self.pids, self.middle = bench.family(pid), time.monotonic() + seconds / 2
		self.most, self.ended = ({}, {}), threading.Event()

	def now(self):
		mib = {}
		for pid in self.pids:
			with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended: goals() tells
				mib[bench.process_name(pid)] = bench.memory_mib([pid])[0]
		return {name: n for name, n in mib.items() if name.startswith(("fb-", "fishbowl"))}

	def run(self):
		while not self.ended.wait(0.5):
			most = self.most[time.monotonic() > self.middle]
			for name, mib in self.now().items():
				most[name] = max(mib, most.get(name, 0))

	def stop(self):
		self.ended.set()
		self.join()
		return self.most


def measure(o, wire):
	got = {"kpps": o.kpps, "before": streams(o)}
	with wire.storm("nowhere", o.ms) as beside:
		got["beside"] = streams(o)
	got["beside"] |= beside
	with wire.storm("eth0", 1000):  # all memory that a flood ever needs has been touched once
		pass
	wire.settle()
	memory = Memory(wire.gateway.pid, o.seconds)
	outside, status = wire.outside(), wire.status()
	got["rss_before"] = memory.now()
	memory.start()
	with wire.storm("eth0", o.ms) as during:
		got["during"] = streams(o)
	got["during"] |= during
	got["rss_first_half"], got["rss_second_half"] = memory.stop()
	wire.settle()
	time.sleep(1.5)
	after = wire.status()
	got["rss_after"] = memory.now()
	got["outside"] = wire.outside()
	got["outside_new"] = {name: n - outside[name] for name, n in got["outside"].items()}
	got["ports"] = [{name: nic["gate"][name] - was["gate"][name] for name in nic["gate"]}
		for nic, was in zip(after["nics"], status["nics"])]
	got["by_reason"] = {name: n - status["frames"]["by_reason"].get(name, 0)
		for name, n in after["frames"]["by_reason"].items()}
	got["ended"] = [line for line in wire.said() if "hung" in line or "exit status" in line]
	got["flows_active"] = after["frames"]["flows_active"]
	got["audit"] = after.get("audit")
	got |= wire.check_capture()
	return got


def share(got, what, of):
	return got["during"][what] / got[of][what] if got[of][what] else 0


def goals(got):
	"""Rows of (text, value, operator, goal)."""
	minutes = int(got["beside"]["seconds"] + got["during"]["seconds"]) // 60 + 2
	yield "offered, kpps", got["during"]["offered_kpps"], ">=", 0.98 * got["kpps"]
	yield "UDP stream to another honeypot, of that beside", share(got, "udp_mbit", "beside"), ">=", 0.9
	yield "TCP stream to another honeypot, of that beside", share(got, "tcp_mbit", "beside"), ">=", 0.9
	yield "  TCP as fast as it goes, of that beside", share(got, "tcp_most_mbit", "beside"), None, None
	yield "  UDP, of that without any flood", share(got, "udp_mbit", "before"), None, None
	yield "  TCP, of that without any flood", share(got, "tcp_mbit", "before"), None, None
	for name, most in POLICY.items():
		yield f"outside: {name} frames", got["outside"][name], "<=", most
	yield "outside: ARP and ND frames", got["outside"]["neighbour"], "<=", NEIGHBOUR_A_MINUTE * minutes
	yield "frames forwarded and not captured", got["uncaptured"], "<=", 0
	yield "flows in the table", got["flows_active"], "<=", FLOWS
	yield "processes that ended", len(got["ended"]), "<=", 0
	for name in got["rss_before"]:
		first, second = got["rss_first_half"].get(name, 0), got["rss_second_half"].get(name, 0)
		if name in MIB:
			yield f"{name}: RSS, MiB", max(first, second), "<=", MIB[name]
		else:
			yield f"{name}: RSS grown in the second half, MiB", second - first, "<=", 2


def is_met(value, operator, goal):
	return None if operator is None else value >= goal if operator == ">=" else value <= goal


def report(got):
	during, flood, outside = got["during"], got["ports"][2], got["ports"][0]
	print(f"  offered {during['offered_kpps']:.0f} kpps for {during['seconds']:.0f} s (into nowhere: "
		f"{got['beside']['offered_kpps']:.0f}): {during['offered']} frames, of which {flood['captured']} "
		f"({100 * flood['captured'] / max(1, during['offered']):.0f} %) were judged and captured")
	print(f"  not forwarded because not captured: {flood['missed']} that the gate left in its socket, "
		f"{flood['unseen']} for want of room in the frame ring; from outside {outside['missed']} and "
		f"{outside['unseen']}")
	print(f"  reasons: " + ", ".join(f"{name} {n}" for name, n in sorted(got["by_reason"].items(),
		key=lambda row: -row[1]) if n))
	print(f"\n{'':<10}{'offered kpps':>14}{'UDP Mbit/s':>14}{'TCP Mbit/s':>14}{'TCP at most':>14}")
	for name in ("before", "beside", "during"):
		row = got[name]
		print(f"{name:<10}{row.get('offered_kpps', 0):>14.0f}{row['udp_mbit']:>14.1f}{row['tcp_mbit']:>14.1f}"
			f"{row['tcp_most_mbit']:>14.0f}")
	print(f"\n{'RSS, MiB':<10}" + "".join(f"{name:>14}" for name in got["rss_before"]))
	for when in ("before", "first_half", "second_half", "after"):
		print(f"{when.replace('_half', ''):<10}" + "".join(f"{mib:>14.1f}" for mib in got["rss_" + when].values()))
	print("", *got["ended"], sep="\n")
	for text, value, operator, goal in goals(got):
		met = is_met(value, operator, goal)
		verdict = "       " if met is None else "met    " if met else "NOT MET"
		print(f"  {verdict}  {text:<50} {value:8.2f}" + (f"  goal {operator} {goal}" if operator else ""))


def save(o, got):
	os.makedirs(o.out, exist_ok=True)
	rows = [{"goal": text, "value": value, "operator": operator, "target": goal,
		"met": is_met(value, operator, goal)} for text, value, operator, goal in goals(got)]
	with open(o.out + "/flood.json", "w") as f:
		json.dump({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "kernel": os.uname().release,
			"cpus": os.cpu_count(), "load": o.load, "measured": got, "goals": rows}, f, indent=1)
	print(f"\n{o.out}/flood.json")


def options():
	parser = argparse.ArgumentParser(description=__doc__)
	parser.add_argument("--seconds", type=int, default=60, help="how long the flood lasts")
	parser.add_argument("--kpps", type=int, default=1000, help="thousand frames a second to offer")
	parser.add_argument("--mbit", type=int, default=200, help="of the stream to another honeypot")
	parser.add_argument("--build", default="build", help="build directory")
	parser.add_argument("--conf", default="", help="more lines for the configuration")
	parser.add_argument("--out", help="results (default: BUILD/bench-results)")
	o = parser.parse_args()
	build = os.path.abspath(o.build)
	o.tools, o.fishbowl = build + "/tests/perf", build + "/src/cmd/fishbowl/fishbowl"
	o.out = o.out or build + "/bench-results"
	o.state = build + f"/fb-bench-state-{os.getpid()}"
	o.ms, o.stream_s = o.seconds * 1000, max(1, o.seconds // 3 - 1)
	o.load = os.getloadavg()[0]
	return o


def main():
	o = options()
	if os.geteuid():
		raise SystemExit("flood: needs root")
	print(f"a honeypot floods for {o.seconds} s; {os.cpu_count()} CPUs, load {o.load:.1f}", flush=True)
	with FloodWire(o) as wire:
		got = measure(o, wire)
	report(got)
	save(o, got)
	rows = {text: is_met(value, operator, goal) for text, value, operator, goal in goals(got)}
	return any(met is False for text, met in rows.items() if text.startswith(("outside", "frames", "flows")))


if __name__ == "__main__":
	signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
	sys.exit(main())
