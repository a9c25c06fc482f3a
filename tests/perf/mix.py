#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mix - frames of real conversations, HTTP, FTP, IRC and SMTP, against rules: how many packets a second one core holds.

Bulk TCP flatters: its frames are large and say little. Here the conversations of the captures in
../shared/data/pcaps are repeated with other addresses (mix.c), and `fishbowl replay` reads them. What reading and
compiling the rules takes is measured with an empty capture and taken away.
The same of all captures goes to what fb-lens does with a frame (bench_lens.c), and its memory is measured with
500,000 conversations under way. The goal: 250,000 packets/s or 1.5 Gbit/s on one core.
"""
import argparse
import glob
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.environ.get("FISHBOWL_SHARED", os.path.join(HERE, "../../../shared"))
RULES = os.path.join(SHARED, "data/rules")
KINDS = ("http", "ftp", "irc", "smtp")
CONFIGURATIONS = {
	"without rules": [],
	"our own rules": [os.path.join(HERE, "../../data/rules/outbound.rules")],
	"ET Open for Snort": [os.path.join(RULES, "et-open.rules.gz")],
	"ET Open for Suricata": [os.path.join(RULES, "et-open-suricata.rules.gz")],
}


def unpacked(path, scratch):
	if not path.endswith(".gz"):
		return path
	to = os.path.join(scratch, os.path.basename(path)[:-3])
	if not os.path.exists(to):
		with open(to, "wb") as f:
			subprocess.run(["gzip", "-dc", path], check=True, stdout=f)
	return to


def run(o, rules, capture, scratch):
	"""(seconds of CPU, peak RSS in MiB) of a replay."""
	argv = [o.fishbowl, "replay", *[f"--rules={unpacked(path, scratch)}" for path in rules],
		"--ignore-checksums", "--midstream=true", "-o", scratch + "/records", capture]
	before = resource.getrusage(resource.RUSAGE_CHILDREN)
	child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
	told = child.stderr.read()
	_, status, used = os.wait4(child.pid, 0)
	if status:
		raise SystemExit(f"mix: {' '.join(argv)} failed:\n{told}")
	after = resource.getrusage(resource.RUSAGE_CHILDREN)
	return sum(after[i] - before[i] for i in range(2)), used.ru_maxrss / 1024


def count_alerts(scratch):
	with open(scratch + "/records/eve.json") as f:
		return sum('"event_type":"alert"' in line for line in f)


def measure(o, capture, empty, rules, scratch):
	start = min(run(o, rules, empty, scratch)[0] for _ in range(2))
	took, rss = min(run(o, rules, capture, scratch) for _ in range(o.rounds))
	took = max(took - start, 1e-9)
	return {"cpu_s": took, "start_s": start, "packets_per_core": o.packets / took,
		"mbit_per_core": os.path.getsize(capture) * 8 / took / 1e6, "rss_mib": rss,
		"alerts": count_alerts(scratch)}


def measure_lens(o, *args):
	"""Its heap as the supervisor has fb-lens have it (sys/spawn.c)."""
	return json.loads(subprocess.run([o.lens, *args], check=True, stdout=subprocess.PIPE, text=True,
		env={**os.environ, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}).stdout)


def show_lens(o, scratch):
	sources = sorted(glob.glob(os.path.join(SHARED, "data/pcaps/*.*cap*")))
	capture = make(o, o.packets, sources, scratch + "/all.pcap")
	best = max((measure_lens(o, capture) for _ in range(o.rounds)), key=lambda row: row["packets_per_core"])
	many = measure_lens(o, "--flows", str(o.flows))
	print(f"fb-lens, {o.packets} packets of {len(sources)} captures: {best['packets_per_core']:.0f} packets/s, "
		f"{best['mbit_per_core']:.0f} Mbit/s on one core, {best['records']} records")
	print(f"fb-lens, {many['flows']} HTTP conversations under way: {many['rss_mib']:.0f} MiB, "
		f"{many['bytes_per_flow']:.0f} bytes each", flush=True)
	return {"mix": best, "flows": many}


def make(o, packets, sources, path):
	with open(path, "wb") as f:
		subprocess.run([o.tool, str(packets), *sources], check=True, stdout=f)
	return path


def options():
	parser = argparse.ArgumentParser(description=__doc__)
	parser.add_argument("--packets", type=int, default=500000)
	parser.add_argument("--rounds", type=int, default=2, help="the best one counts")
	parser.add_argument("--flows", type=int, default=500000, help="conversations of the lens (default: 500000)")
	parser.add_argument("--kind", action="append", help="captures whose names begin so (default: %s)" % ", ".join(KINDS))
	parser.add_argument("--build", default="build", help="build directory")
	parser.add_argument("--out", help="results (default: BUILD/bench-results)")
	o = parser.parse_args()
	build = os.path.abspath(o.build)
	o.lens = build + "/tests/perf/bench_lens"
	o.tool, o.fishbowl = build + "/tests/perf/mix", build + "/src/cmd/fishbowl/fishbowl"
	o.out = o.out or build + "/bench-results"
	return o


def main():
	o = options()
	sources = sorted(path for kind in o.kind or KINDS
		for path in glob.glob(os.path.join(SHARED, f"data/pcaps/{kind}*.*cap*")))
	if not sources:
		print("mix: left out: there are no captures in ../shared/data/pcaps (FISHBOWL_SHARED)")
		return 0
	print(f"{o.packets} packets of {len(sources)} captures; {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}", flush=True)
	got = {}
	with tempfile.TemporaryDirectory(prefix="fb-mix-") as scratch:
		os.chmod(scratch, 0o755)
		capture = make(o, o.packets, sources, scratch + "/mix.pcap")
		empty = make(o, 0, sources, scratch + "/empty.pcap")
		print(f"{'':<22}{'packets/s/core':>15}{'Mbit/s/core':>13}{'ns a packet':>13}{'ratio':>7}{'RSS MiB':>9}{'alerts':>9}")
		for name, rules in CONFIGURATIONS.items():
			if not all(os.path.exists(path) for path in rules):
				print(f"{name:<22} left out: {rules} is not there")
				continue
			row = got[name] = measure(o, capture, empty, rules, scratch)
			ratio = row["packets_per_core"] / got["without rules"]["packets_per_core"]
			print(f"{name:<22}{row['packets_per_core']:>15.0f}{row['mbit_per_core']:>13.0f}"
				f"{1e9 / row['packets_per_core']:>13.0f}{ratio:>7.2f}{row['rss_mib']:>9.0f}{row['alerts']:>9}", flush=True)
		got["fb-lens"] = show_lens(o, scratch)
	os.makedirs(o.out, exist_ok=True)
	with open(o.out + "/mix.json", "w") as f:
		json.dump({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "kernel": os.uname().release,
			"packets": o.packets, "captures": [os.path.basename(path) for path in sources], "measured": got}, f, indent=1)
	return 0


if __name__ == "__main__":
	sys.exit(main())
