#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench - what the gateway costs, beside a kernel bridge measured in the same run.

Every round measures every configuration, one after the other; the table shows medians over the
rounds. All hosts share this machine, so read the ratios to the kernel bridge, not the figures.
"""
import argparse
import glob
import gzip
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

NETNS_EXEC = os.path.join(os.path.dirname(os.path.abspath(__file__)),
	"../../src/cmd/fb-lab/netns-exec")

PREFIX = f"fb-bench-{os.getpid()}-"
OUT, IN, GATE = PREFIX + "out", PREFIX + "in", PREFIX + "gate"
OUT_IP, IN_IP = "192.0.2.1", "192.0.2.2"
OUT_MAC, IN_MAC = "02:fb:be:00:00:01", "02:fb:be:00:00:02"
STOP_S = 30  # the gateway writes what is in its rings
CONFIGURATIONS = ("direct", "bridge", "forward", "wire", "least", "capture", "full", "rules")
GATEWAYS = ("wire", "least", "capture", "full", "rules")
ET_OPEN = os.path.join(os.environ.get("FISHBOWL_SHARED", os.path.join(os.path.dirname(
	os.path.abspath(__file__)), "../../../shared")), "data/rules/et-open.rules.gz")
FORWARDERS = ("fb-gate", "forwarder")
TEXT = {"direct": "direct veth pair", "bridge": "kernel bridge", "forward": "forwarding only",
	"wire": "forwarding + capture", "least": "everything white", "capture": "control + full capture",
	"full": "all control + capture", "rules": "capture + ET Open"}
# What control adds: "wire" is fb-gate with another gate linked in, which judges nothing and knows no
# conversations; "least" has everything on the white list, so that hardly a row of the chain is asked;
# "full" has every limit set, and
LIST_ENTRIES, HONEYPOTS = 100000, 1000

# (measure, of, kind, to, operator, goal, text): ratio of one configuration to another, added to it, or
# the value itself. Without a goal it is only told.
GOALS = [
	("tcp1_mbit", "capture", "ratio", "bridge", ">=", 0.65, "TCP x1, ratio to the kernel bridge"),
	("tcp4_mbit", "capture", "ratio", "bridge", ">=", 0.55, "TCP x4, ratio to the kernel bridge"),
	("noloss_kpps", "capture", "value", None, ">=", 600, "60-byte UDP without loss, kpps"),
	("rtt_median_us", "capture", "added", "direct", "<=", 18, "RTT median added to a direct veth, us"),
	("rtt_p99_us", "capture", "added", "direct", "<=", 30, "RTT p99 added to a direct veth, us"),
	("rtt1_median_us", "capture", "added", "direct", "<=", 18, "  the same, all on one CPU"),
	("rtt1_p99_us", "capture", "added", "direct", "<=", 30, "  the same, all on one CPU, p99"),
	("rss_mib", "capture", "value", None, "<=", 150, "RSS of all processes, MiB"),
	("rtt_median_us", "full", "added", "wire", "<=", 3, "control: RTT median added, us"),
	("rtt1_median_us", "full", "added", "wire", "<=", 3, "  the same, all on one CPU"),
	("flood_kpps", "full", "ratio", "wire", ">=", 0.9, "control: inbound 60-byte flood, ratio"),
	("noloss_kpps", "full", "ratio", "wire", ">=", 0.9, "  the same, without loss"),
	("answer_kpps", "full", "ratio", "wire", ">=", 0.9, "control: answers 60-byte flood, ratio"),
	("noloss_answer_kpps", "full", "ratio", "wire", ">=", 0.9, "  the same, without loss"),
	("flood_ns", "full", "added", "wire", None, None, "  CPU time added to an inbound frame, ns"),
	("answer_ns", "full", "added", "wire", None, None, "  CPU time added to an answer, ns"),
	("rtt1_median_us", "full", "added", "least", None, None, "to everything white: RTT added, one CPU, us"),
	("flood_kpps", "full", "ratio", "least", None, None, "  inbound 60-byte flood, ratio"),
	("answer_kpps", "full", "ratio", "least", None, None, "  answers 60-byte flood, ratio"),
	("rtt1_median_us", "full", "added", "forward", None, None, "to the C forwarder: RTT added, one CPU, us"),
	("flood_kpps", "full", "ratio", "forward", None, None, "  inbound 60-byte flood, ratio"),
	("answer_kpps", "full", "ratio", "forward", None, None, "  answers 60-byte flood, ratio"),
	("tcp1_mbit", "rules", "ratio", "bridge", ">=", 0.45, "rules: TCP entering, ratio to the kernel bridge"),
	("tcp_out_mbit", "rules", "ratio", "bridge", ">=", 0.45, "  TCP leaving"),
	("rtt_median_us", "rules", "added", "direct", "<=", 22, "  RTT median added to a direct veth, us"),
	("rtt1_median_us", "rules", "added", "capture", None, None, "  RTT added to capture, one CPU, us"),
	("gate_rss_mib", "rules", "value", None, "<=", 200, "  RSS of fb-gate, MiB"),
	("rules_compile_s", "rules", "value", None, "<=", 2, "  from start of fb-rules to the image, s"),
	("rules_open_ms", "rules", "value", None, None, None, "  fb-gate takes up the image, ms"),
	("uncaptured", "capture", "most", None, "<=", 0, "frames forwarded and not captured"),
	("uncaptured", "full", "most", None, "<=", 0, "  the same, with all control"),
	("uncaptured", "rules", "most", None, "<=", 0, "  the same, with rules"),
]


def sh(*argv, netns=None, check=True, **more):
	enter = ["nsenter", f"--net=/run/netns/{netns}"] if netns else []
	return subprocess.run([*enter, *argv], check=check, capture_output=True, text=True, **more)


def start(*argv, netns, **more):
	more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL,
		"stderr": subprocess.DEVNULL} | more
	return subprocess.Popen(["nsenter", f"--net=/run/netns/{netns}", *argv], **more)


class Wire:
	"""Two hosts and what is between them; a context that leaves nothing behind."""

	def __init__(self, options, name):
		self.options, self.name = options, name
		self.gateway = None
		self.namespaces, self.inside = [OUT, IN, GATE], ["inside"]

	def __enter__(self):
		try:
			for netns in self.namespaces:
				sh("ip", "netns", "add", netns)
			sh("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6", netns=GATE)
			if self.name == "direct":
				self._cable(OUT, "eth0", IN, "eth0")
			else:
				self._cable(OUT, "eth0", GATE, "outside")
				self._cable(IN, "eth0", GATE, "inside")
			self._host(OUT, OUT_IP, OUT_MAC)
			self._host(IN, IN_IP, IN_MAC)
			getattr(self, "_start_" + self.name)()
			self._try_it()
		except BaseException:
			self.__exit__()
			raise
		return self

	def _host(self, netns, ip, mac):
		sh(NETNS_EXEC, netns, "ip", "link", "set", "eth0", "address", mac, "up")
		sh(NETNS_EXEC, netns, "ip", "addr", "add", ip + "/24", "dev", "eth0")
		sh(NETNS_EXEC, netns, "ip", "link", "set", "lo", "up")

	def _try_it(self):
		with echo(self.options) as answers:
			time.sleep(0.1)
			tried = sh(self.options.tools + "/frames", "ping", IN_IP, "7", "1", netns=OUT,
				check=False)
			answers.kill()
		if tried.returncode:
			raise SystemExit(f"bench: no way through '{TEXT[self.name]}'")

	def __exit__(self, *_):
		self._stop_gateway()
		for netns in self.namespaces:
			for pid in sh("ip", "netns", "pids", netns, check=False).stdout.split():
				os.kill(int(pid), signal.SIGKILL)
			sh("ip", "netns", "del", netns, check=False)
		if hasattr(self, "run_dir"):
			shutil.rmtree(self.options.state, ignore_errors=True)

	def _cable(self, a, nic_a, b, nic_b):
		sh("ip", "link", "add", nic_a, "netns", a, "type", "veth", "peer", "name", nic_b,
			"netns", b)
		for netns, nic in ((a, nic_a), (b, nic_b)):
			sh("ethtool", "-K", nic, "tso", "off", "gso", "off", "gro", "off", "tx", "off",
				"rx", "off", "sg", "off", netns=netns, check=False)
			if netns != GATE or self.name == "bridge":
				sh(NETNS_EXEC, netns, "ip", "link", "set", nic, "up")

	def _start_direct(self):
		pass

	def _start_bridge(self):
		sh(NETNS_EXEC, GATE, "ip", "link", "add", "bridge", "type", "bridge", "stp_state", "0",
			"mcast_snooping", "0")
		for nic in ("outside", "inside"):
			sh(NETNS_EXEC, GATE, "ip", "link", "set", nic, "master", "bridge")
		sh(NETNS_EXEC, GATE, "ip", "link", "set", "bridge", "up")

	def _start_forward(self):
		for nic in ("outside", "inside"):
			sh(NETNS_EXEC, GATE, "ip", "link", "set", nic, "up")
		self.gateway = start(self.options.forwarder, "outside", "inside", netns=GATE)
		time.sleep(0.5)

	def _start_capture(self):
		self._start_gateway(f'honeypot "bench" {{ address = {{"{IN_IP}"}} }}\n')

	def _start_wire(self):
		programs = self.options.state + "/libexec"
		os.makedirs(programs)
		os.chmod(self.options.state, 0o755)
		os.symlink(self.options.tools + "/fb-gate-wire", programs + "/fb-gate")
		for name in ("fb-tap", "fb-store", "fb-rules"):
			os.symlink(f"{os.path.dirname(self.options.fishbowl)}/../{name}/{name}", f"{programs}/{name}")
		self._start_gateway(f'honeypot "bench" {{ address = {{"{IN_IP}"}} }}\n', FISHBOWL_LIBEXEC=programs)

	def _start_least(self):
		self._start_gateway(f'white = {{"0.0.0.0/0"}}\nhoneypot "bench" {{ address = {{"{IN_IP}"}} }}\n')

	def _start_full(self):
		os.makedirs(self.options.state, exist_ok=True)
		self._start_gateway(all_control(self.options.state))

	def _start_rules(self):
		os.makedirs(self.options.state, exist_ok=True)
		path = self.options.state + "/et-open.rules"
		with gzip.open(ET_OPEN) as packed, open(path, "wb") as f:
			shutil.copyfileobj(packed, f)
		self._start_gateway(f'rules = {{"{path}"}}\nlimit {{ reply_bytes = unlimited }}\n'
			f'honeypot "bench" {{ address = {{"{IN_IP}"}} }}\n')

	def rules(self):
		"""What the gateway says of its rules."""
		told = self.status()["rules"]
		if not told["in_force"]:
			raise SystemExit(f"bench: rules are not in force: {told}")
		return {"rules_loaded": told["loaded"], "rules_compile_s": told["compile_seconds"],
			"rules_open_ms": told["open_seconds"] * 1000}

	def _start_gateway(self, conf, **environment):
		state = self.options.state
		os.makedirs(state + "/run", exist_ok=True)
		run_dir = tempfile.mkdtemp(prefix="fb-bench-", dir="/dev/shm")
		quoted = '", "'.join(self.inside)
		self.run_dir = run_dir
		with open(state + "/fishbowl.conf", "w") as f:
			f.write(f'outside = "outside"\ninside = {{"{quoted}"}}\nsyslog = false\n'
				f'state_dir = "{state}/state"\nrun_dir = "{run_dir}"\n'
				f'{conf}{self.options.conf}\n')
		os.makedirs(state + "/state")
		with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
			ready.bind(run_dir + "/notify")
			ready.settimeout(30)
			with open(state + "/log", "w") as log:
				self.gateway = subprocess.Popen([NETNS_EXEC, GATE,
					self.options.fishbowl, "run", "-c", state + "/fishbowl.conf"],
					stdin=subprocess.DEVNULL, stdout=log, stderr=log,
					env=os.environ | environment | {"NOTIFY_SOCKET": run_dir + "/notify"})
			try:
				while b"READY=1" not in ready.recv(4096):
					pass
			except TimeoutError:
				raise SystemExit("bench: fishbowl run did not get ready:\n" + self._log())

	def _stop_gateway(self):
		"""False: it had to be killed, and what was in its rings is lost."""
		stopped = True
		if self.gateway:
			self.gateway.send_signal(signal.SIGTERM)
			try:
				self.gateway.wait(STOP_S)
			except subprocess.TimeoutExpired:
				self.gateway.kill()
				self.gateway.wait()
				stopped = False
			self.gateway = None
		if hasattr(self, "run_dir"):
			shutil.rmtree(self.run_dir, ignore_errors=True)
		return stopped

	def settle(self):
		"""Every measure finds the gateway idle: not at work for the capture of the one before."""
		pids = family(self.gateway.pid) if self.gateway else []
		for _ in range(20):
			before = sum(cpu_seconds(pid) for pid in pids)
			time.sleep(0.2)
			if sum(cpu_seconds(pid) for pid in pids) - before < 0.03:
				return

	def check_capture(self):
		"""Stops the gateway and compares its files with what the kernel says left its NICs."""
		sent, status = self._sent(), self.status()
		if status["capture"]["removed"]:
			raise SystemExit("bench: segments were removed, for the budget or because the disk is full: "
				"what is missing in the capture cannot be told")
		if not self._stop_gateway():
			raise SystemExit(f"bench: the gateway did not stop within {STOP_S} s, and was killed")
		sent = [max(pair) for pair in zip(sent, self._sent())]
		files = sorted(glob.glob(self.options.state + "/state/capture/*.pcapng"))
		done = sh(self.options.tools + "/count-pcapng", *files, check=False)
		packets, passed, outward, twice = (int(word) for word in done.stdout.split())
		if done.returncode or twice:
			raise SystemExit(f"bench: capture damaged: {done.stderr} {twice} packet ids twice")
		# What a honeypot sends to somebody unknown goes to the other inside NICs as well.
		missing = sum(sent) - passed if len(sent) == 2 else sent[0] - outward
		return {"forwarded": sum(sent), "captured": packets, "captured_passed": passed,
			"uncaptured": missing, "nics_at_stop": status["nics"], "capture_at_stop": status["capture"],
			"log": self._log()[-4000:] if missing else ""}

	def _log(self):
		with open(self.options.state + "/log") as log:
			return log.read()

	def status(self):
		return json.loads(sh(self.options.fishbowl, "status", "--json", "-c",
			self.options.state + "/fishbowl.conf", check=False).stdout)

	def _sent(self):
		return [counter(GATE, nic, "tx_packets") for nic in ("outside", *self.inside)]


def list_entries(kind, count):
	"""Mixed prefix lengths of both families, some with ports; none has an address of this bench."""
	for i in range(count):
		number = (kind << 20 | i) * 2654435761 & 0xffffffff
		if i % 2:
			bits = 24 + i // 2 % 41
			yield f"2001:db8:{number >> 16:x}:{number & 0xffff:x}::/{max(bits, 64)}" if bits > 40 else \
				f"3f{kind:02x}:{number >> 24:02x}00::/{bits}"
			continue
		bits = 17 + i // 2 % 16
		net = (16 + number % 150 << 24 | number >> 8) & 0xffffffff << 32 - bits & 0xffffffff
		port = f" tcp/{1 + i % 60000}" if i % 10 == 0 else ""
		yield f"{net >> 24}.{net >> 16 & 255}.{net >> 8 & 255}.{net & 255}/{bits}{port}"


def all_control(state):
	"""A configuration with every limit, many honeypots, and long lists, whose files it writes."""
	share = {"fence": LIST_ENTRIES * 2 // 5, "black": LIST_ENTRIES * 2 // 5, "white": LIST_ENTRIES // 5}
	conf = ""
	for kind, (name, count) in enumerate(share.items()):
		with open(f"{state}/{name}.list", "w") as f:
			f.writelines(line + "\n" for line in list_entries(kind, count))
		conf += f'{name}_files = {{"{state}/{name}.list"}}\n'
	# Answers are within the limits: what is measured is what asking costs.
	conf += """limit {
	all = "50/h" destinations = "30/h" ports = "30/h"
	flow_packets = 100000000 flow_bytes = "1T"
	reply_packets = "100M/s" reply_bytes = "100G/s" peer_allowance = "1G"
}
honeynet_limit {
	tcp = "5000/h" udp = "5000/h" icmp = "5000/h" other = "5000/h" all = "10000/h"
	packets = "100K/s" packets_sum = "100M/h" bytes = "1G/s" bytes_sum = "100G/h"
}
resolvers = {"198.51.100.53"}
ntp_servers = {"198.51.100.123"}
"""
	for i in range(HONEYPOTS - 1):
		conf += f'honeypot "pot{i}" {{ address = {{"10.9.{i >> 8}.{i & 255}"}} }}\n'
		if i == HONEYPOTS // 2:
			conf += f'honeypot "bench" {{ address = {{"{IN_IP}"}} limit {{ net = "20/h" }} }}\n'
	return conf


def counter(netns, nic, name):
	told = json.loads(sh(NETNS_EXEC, netns, "ip", "-j", "-s", "link", "show", nic).stdout)[0]["stats64"]
	way, what = name.split("_")
	return told[way][what]


def family(pid):
	"""pid and all its descendants."""
	children = {}
	for name in filter(str.isdigit, os.listdir("/proc")):
		try:
			with open(f"/proc/{name}/stat") as f:
				parent = int(f.read().rsplit(")", 1)[1].split()[1])
			children.setdefault(parent, []).append(int(name))
		except OSError:
			pass
	found = [pid]
	for one in found:
		found += children.get(one, [])
	return found


def process_name(pid):
	with open(f"/proc/{pid}/comm") as f:
		return f.read().strip()


def cpu_seconds(pid):
	with open(f"/proc/{pid}/stat") as f:
		fields = f.read().rsplit(")", 1)[1].split()
	return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def forwarder_ns(gateway):
	"""CPU time of whoever forwards, in ns; what it does for a frame does not depend on other load."""
	total = 0
	for pid in family(gateway.pid) if gateway else []:
		if process_name(pid) in FORWARDERS:
			with open(f"/proc/{pid}/schedstat") as f:
				total += int(f.read().split()[0])
	return total


def memory_mib(pids):
	rss = pss = 0
	for pid in pids:
		with open(f"/proc/{pid}/smaps_rollup") as f:
			fields = {line.split()[0]: int(line.split()[1]) for line in f if "kB" in line}
		rss += fields["Rss:"]
		pss += fields["Pss:"]
	return rss / 1024, pss / 1024


def iperf(seconds, *more):
	server = start("iperf3", "-s", "-1", netns=IN)
	time.sleep(0.2)
	done = sh("iperf3", "-c", IN_IP, "-J", "-t", str(seconds), *more, netns=OUT, check=False,
		timeout=seconds + 30)
	server.kill()
	server.wait()
	try:
		return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"] / 1e6
	except (KeyError, ValueError):
		return 0.0


def round_trip(options, *pin):
	"""Median and p99 in microseconds."""
	with echo(options, *pin) as answers:
		time.sleep(0.1)
		median, p99, _ = sh(*pin, options.tools + "/frames", "ping", IN_IP, "7",
			str(options.pings), netns=OUT).stdout.split()
		answers.kill()
	return int(median) / 1000, int(p99) / 1000


def one_cpu_round_trip(options, gateway):
	"""The same with both ends and whoever forwards on one CPU: the work, without what a wake-up from
	one CPU to another costs (in a virtual machine tens of microseconds, and not the same each time)."""
	threads = [int(name) for pid in (family(gateway.pid) if gateway else [])
		if process_name(pid) in FORWARDERS for name in os.listdir(f"/proc/{pid}/task")]
	before = {thread: os.sched_getaffinity(thread) for thread in threads}
	try:
		for thread in threads:
			os.sched_setaffinity(thread, {0})
		return round_trip(options, "taskset", "1")
	finally:
		for thread, cpus in before.items():
			os.sched_setaffinity(thread, cpus)


def echo(options, *pin):
	return start(*pin, options.tools + "/frames", "echo", "7", netns=IN)


def flood(options, kpps, ms, verb="flood"):
	"""(frames sent a second, frames delivered a second, lost share)"""
	sender, receiver = (OUT, IN) if verb == "flood" else (IN, OUT)
	ends = (IN_MAC, OUT_IP, IN_IP) if verb == "flood" else (OUT_MAC, IN_IP, OUT_IP)
	before = counter(receiver, "eth0", "rx_packets")
	done = sh(options.tools + "/frames", verb, "eth0", *ends, f"{kpps:.1f}", str(ms), netns=sender)
	sent, took_ns = (int(word) for word in done.stdout.split())
	last, arrived = -1, 0
	while arrived != last:
		last = arrived
		time.sleep(0.05)
		arrived = counter(receiver, "eth0", "rx_packets") - before
	seconds = took_ns / 1e9
	return sent / seconds, arrived / seconds, max(0, 1 - arrived / sent)


def no_loss_kpps(options, wire, top_kpps, verb):
	"""Highest offered rate that loses less than one frame in a thousand."""
	low, high = 0.0, top_kpps
	for _ in range(options.bisection):
		wire.settle()
		middle = (low + high) / 2
		offered, _, lost = flood(options, middle, options.flood_ms // 2, verb)
		if lost < 0.001:
			low = max(low, offered / 1000)
		else:
			high = middle
		if high <= low:
			break
	return low


def measure(options, name):
	with Wire(options, name) as wire:
		got = {}
		# What the flood leaves at its end goes nowhere, and costs no answer.
		for netns, port in ((IN, "dport"), (OUT, "sport")):
			sh("nft", "add table netdev sink; add chain netdev sink in { type filter hook ingress "
				f"device eth0 priority 0; }}; add rule netdev sink in udp {port} 9 drop", netns=netns)
		got["rtt_median_us"], got["rtt_p99_us"] = round_trip(options)
		got["rtt1_median_us"], got["rtt1_p99_us"] = one_cpu_round_trip(options, wire.gateway)
		if wire.gateway:
			got |= cpu(options, wire.gateway.pid)
		for verb, suffix in (("flood", ""), ("answer", "answer_")):
			before = forwarder_ns(wire.gateway)
			offered, delivered, lost = flood(options, 0, options.flood_ms, verb)
			got[verb + "_kpps"] = delivered / 1000
			if wire.gateway:
				got[verb + "_ns"] = (forwarder_ns(wire.gateway) - before) / \
					max(1, delivered * options.flood_ms / 1000)
			got[f"noloss_{suffix}kpps"] = offered / 1000 if lost < 0.001 else \
				no_loss_kpps(options, wire, offered / 1000 * 1.05, verb)
			wire.settle()
		got["tcp1_mbit"] = iperf(options.seconds)
		wire.settle()
		got["tcp4_mbit"] = iperf(options.seconds, "-P", "4")
		wire.settle()
		got["tcp_out_mbit"] = iperf(options.seconds, "-R")
		if name == "rules":
			got |= wire.rules()
		if wire.gateway:
			pids = family(wire.gateway.pid)
			got["rss_mib"], got["pss_mib"] = memory_mib(pids)
			got["gate_rss_mib"], got["gate_pss_mib"] = memory_mib(
				[p for p in pids if process_name(p) in FORWARDERS])
		if name in GATEWAYS:
			got |= wire.check_capture()
		return got


def cpu(options, pid):
	pids = family(pid)
	before = {p: cpu_seconds(p) for p in pids}
	start_s = time.monotonic()
	got = {"cpu_offered_mbit": iperf(options.seconds, "-b", "500M")}
	took = time.monotonic() - start_s - 0.2
	busy = {p: 100 * (cpu_seconds(p) - before[p]) / options.seconds for p in pids}
	got["cpu_percent"] = sum(busy.values())
	got["cpu_percent_by_process"] = {f"{process_name(p)}": round(busy[p], 1) for p in pids}
	got["gate_cpu_percent"] = sum(busy[p] for p in pids if process_name(p) in FORWARDERS)
	got["cpu_wall_s"] = took
	return got


def median_of(rounds, name, measure_name):
	values = [r[name][measure_name] for r in rounds if measure_name in r.get(name, {})]
	return statistics.median(values) if values else None


def judge(rounds):
	"""Rows of (text, value, operator, goal, met); without a goal the last three are None."""
	for name, of, kind, to, operator, goal, text in GOALS:
		value, other = median_of(rounds, of, name), median_of(rounds, to, name) if to else None
		if kind == "ratio":
			value = value / other if value and other else None
		elif kind == "added":
			value = value - other if value is not None and other is not None else None
		elif kind == "most":
			value = max((r[of][name] for r in rounds if of in r), default=None)
		if value is None:
			continue
		met = None if goal is None else value >= goal if operator == ">=" else value <= goal
		yield text, value, operator, goal, met


COLUMNS = [("tcp1_mbit", "TCP x1", 0, True), ("tcp4_mbit", "TCP x4", 0, True),
	("tcp_out_mbit", "TCP leaving", 0, True),
	("flood_kpps", "flood kpps", 0, True), ("noloss_kpps", "no loss", 0, True),
	("answer_kpps", "answers kpps", 0, True), ("noloss_answer_kpps", "no loss", 0, True),
	("rtt_median_us", "RTT us", 1, False), ("rtt_p99_us", "p99 us", 1, False),
	("rtt1_median_us", "1 CPU us", 1, False), ("rtt1_p99_us", "p99 us", 1, False),
	("cpu_percent", "CPU %", 0, False), ("gate_cpu_percent", "gate CPU %", 0, False),
	("flood_ns", "flood ns", 0, False), ("answer_ns", "answers ns", 0, False),
	("rss_mib", "RSS MiB", 0, False),
	("pss_mib", "PSS MiB", 0, False), ("gate_rss_mib", "gate RSS MiB", 0, False),
	("gate_pss_mib", "gate PSS MiB", 0, False)]


def print_goals(rounds):
	for text, value, operator, goal, met in judge(rounds):
		verdict = "       " if met is None else "met    " if met else "NOT MET"
		print(f"  {verdict}  {text:<44} {value:8.2f}" + (f"  goal {operator} {goal}" if operator else ""))


def print_table(rounds, names):
	print(f"\n{'':<23}" + "".join(f"{title:>13}" for _, title, _, _ in COLUMNS))
	for name in names:
		cells = []
		for key, _, digits, is_ratio in COLUMNS:
			value, bridge = median_of(rounds, name, key), median_of(rounds, "bridge", key)
			cell = "-" if value is None else f"{value:.{digits}f}"
			if is_ratio and value is not None and bridge:
				cell += f" ({value / bridge:.2f})"
			cells.append(f"{cell:>13}")
		print(f"{TEXT[name]:<23}" + "".join(cells))
	print("(in brackets: ratio to the kernel bridge of this run; CPU at an offered 500 Mbit/s, all "
		"processes;\n ns: CPU time of the forwarder for a frame of the flood; 1 CPU: round trips with both ends and the forwarder on one CPU; PSS counts memory that processes share once)\n")


def draw(rounds, names, path):
	"""Bars: each configuration's ratio to the kernel bridge; for RTT, the direct veth's share."""
	groups = [("TCP x1", "tcp1_mbit"), ("TCP x4", "tcp4_mbit"), ("60-byte flood", "flood_kpps"),
		("60-byte, no loss", "noloss_kpps"), ("60-byte answers", "answer_kpps"),
		("speed of a round trip", "rtt_median_us")]
	colours = {"direct": "#9aa5b1", "bridge": "#52606d", "forward": "#7bb3d9", "wire": "#2a9d8f", "least": "#8bc34a",
		"capture": "#d9822b", "full": "#b03a2e", "rules": "#6a4c93"}
	bar, gap, left, height, base = 30, 34, 50, 240, 300
	group_width = bar * len(names) + gap
	width = left + group_width * len(groups) + 20
	parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="390" '
		'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>',
		f'<text x="{left}" y="24" font-size="15">Speed as a ratio to the kernel bridge '
		'(higher is better)</text>']
	bars = [(g, n, _ratio(rounds, n, key)) for g, (_, key) in enumerate(groups) for n in names]
	top = max([1.0] + [ratio for _, _, ratio in bars if ratio])
	for step in range(0, int(top / 0.25) + 1):
		y = base - height * step * 0.25 / top
		parts.append(f'<line x1="{left}" x2="{width - 10}" y1="{y:.0f}" y2="{y:.0f}" '
			f'stroke="{"#52606d" if step == 4 else "#e4e7eb"}"/>'
			f'<text x="{left - 6}" y="{y + 4:.0f}" text-anchor="end">{step * 0.25:.2f}</text>')
	for group, name, ratio in bars:
		if ratio is None:
			continue
		x = left + 10 + group * group_width + names.index(name) * bar
		h = height * ratio / top
		parts.append(f'<rect x="{x}" y="{base - h:.1f}" width="{bar - 4}" height="{h:.1f}" '
			f'fill="{colours[name]}"/><text x="{x + bar / 2 - 2}" y="{base - h - 4:.1f}" '
			f'font-size="10" text-anchor="middle">{ratio:.2f}</text>')
	for group, (title, _) in enumerate(groups):
		x = left + 10 + group * group_width + bar * len(names) / 2
		parts.append(f'<text x="{x:.0f}" y="{base + 18}" text-anchor="middle">{title}</text>')
	for i, name in enumerate(names):
		x = left + 10 + i * 180
		parts.append(f'<rect x="{x}" y="{base + 44}" width="12" height="12" fill="{colours[name]}"/>'
			f'<text x="{x + 18}" y="{base + 54}">{TEXT[name]}</text>')
	with open(path, "w") as f:
		f.write("\n".join(parts) + "</svg>\n")


def _ratio(rounds, name, key):
	value, bridge = median_of(rounds, name, key), median_of(rounds, "bridge", key)
	if not value or not bridge:
		return None
	return bridge / value if key.startswith("rtt") else value / bridge


def options():
	parser = argparse.ArgumentParser(description=__doc__)
	parser.add_argument("--rounds", type=int, default=3)
	parser.add_argument("--quick", action="store_true", help="one short round")
	parser.add_argument("--smoke", action="store_true", help="does it work at all: no figures "
		"worth reading, only the check that what was forwarded was captured")
	parser.add_argument("--only", action="append", choices=CONFIGURATIONS)
	parser.add_argument("--build", default="build", help="build directory")
	parser.add_argument("--state", help="state directory (default: in the build directory)")
	parser.add_argument("--conf", default="", help="more lines for the configuration")
	parser.add_argument("--fishbowl", help="the fishbowl command (default: that of the build)")
	parser.add_argument("--out", help="results (default: BUILD/bench-results)")
	o = parser.parse_args()
	build = os.path.abspath(o.build)
	o.seconds, o.flood_ms, o.bisection, o.pings = 2, 1000, 8, 35000
	if o.quick or o.smoke:
		o.rounds, o.seconds, o.flood_ms, o.bisection, o.pings = 1, 1, 500, 5, 10000
	if o.smoke:
		o.flood_ms, o.bisection, o.pings = 200, 2, 2000
		o.only = o.only or ["bridge", "capture"]
	o.tools = build + "/tests/perf"
	o.forwarder = build + "/tests/lab/forwarder"
	o.fishbowl = os.path.abspath(o.fishbowl) if o.fishbowl else build + "/src/cmd/fishbowl/fishbowl"
	o.out = o.out or build + "/bench-results"
	o.state = os.path.abspath(o.state or build) + f"/fb-bench-state-{os.getpid()}"
	return o


def where(path):
	return sh("stat", "-f", "-c", "%T", path).stdout.strip()


def main():
	o = options()
	if os.geteuid():
		raise SystemExit("bench: needs root")
	for tool in ("iperf3", "ethtool", "nft"):
		if not shutil.which(tool):
			raise SystemExit(f"bench: '{tool}' is not installed; `make install-deps` installs it")
	names = [n for n in CONFIGURATIONS if (not o.only or n in o.only) and
		(n != "forward" or os.path.exists(o.forwarder)) and (n != "rules" or os.path.exists(ET_OPEN))]
	if not os.path.exists(ET_OPEN):
		print(f"'{TEXT['rules']}' is left out: there is no {ET_OPEN} (FISHBOWL_SHARED)")
	print(f"{o.rounds} rounds of {', '.join(TEXT[n] for n in names)}; {os.cpu_count()} CPUs, load "
		f"{os.getloadavg()[0]:.1f}; state on {where(os.path.dirname(o.state))}", flush=True)
	rounds = []
	for number in range(o.rounds):
		rounds.append({})
		for name in names[number % len(names):] + names[:number % len(names)]:
			got = rounds[-1][name] = measure(o, name)
			print(f"  round {number + 1}, {TEXT[name]}: TCP {got['tcp1_mbit']:.0f} and "
				f"{got['tcp4_mbit']:.0f} Mbit/s, flood {got['flood_kpps']:.0f}, no loss "
				f"{got['noloss_kpps']:.0f} kpps, RTT {got['rtt_median_us']:.1f} / "
				f"{got['rtt_p99_us']:.1f} us", flush=True)
	print_table(rounds, names)
	if not o.smoke:
		print_goals(rounds)
		save(o, rounds, names)
	bad = [got for r in rounds for got in r.values() if got.get("uncaptured")]
	for got in bad:
		print(f"bench: {got['uncaptured']} frames were forwarded and not captured: {got}")
	return 1 if bad else 0


def save(o, rounds, names):
	os.makedirs(o.out, exist_ok=True)
	result = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "kernel": os.uname().release,
		"cpus": os.cpu_count(), "state_on": where(os.path.dirname(o.state)), "rounds": rounds,
		"median": {n: {k: median_of(rounds, n, k) for k, *_ in COLUMNS} for n in names},
		"goals": [{"goal": t, "value": v, "operator": op, "target": g, "met": met}
			for t, v, op, g, met in judge(rounds)]}
	with open(o.out + "/bench.json", "w") as f:
		json.dump(result, f, indent=1)
	draw(rounds, names, o.out + "/bench.svg")
	print(f"\n{o.out}/bench.json, {o.out}/bench.svg")


if __name__ == "__main__":
	signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
	sys.exit(main())
