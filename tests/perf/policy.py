#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""policy - how long it takes until the policy has changed, while 500 Mbit/s come in and a honeypot tries to
get out: orders of `fishbowl ctl`, from its start to its end, and what a reload costs.

What must not pass, and must not be lost, is tests/lab/test_policy_change.py's; this measures.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile
import time

from mix import RULES, unpacked

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ORDER_MS, GAP_MS = 100, 50
STARTS = 9
RULES_S = 20  # a reload of them, at most: whoever compiles leaves the processor to frames
ET_OPEN = os.path.join(RULES, "et-open.rules.gz")


def starts(fishbowl, run):
	"""ms that the program takes that does nothing, with no traffic beside it: what an order costs at least."""
	took = []
	for _ in range(STARTS):
		begin = time.time_ns()
		run([fishbowl, "--version"])
		took.append((time.time_ns() - begin) / 1e6)
	return statistics.median(took)


def measure(changes, fishbowl, run):
	"""Rows of (text, value, goal or None)."""
	yield "start of a program that does nothing, ms", starts(fishbowl, run), None
	with changes.make_lab() as lab:
		lost, took = changes.orders(lab)
	ms = [ns / 1e6 for times in took.values() for ns in times]
	yield "order: median, ms", statistics.median(ms), None
	yield "order: slowest, ms", max(ms), ORDER_MS
	yield "order: frames lost", lost, 0
	for name, write in (("limits", changes.with_limit), ("honeypots", changes.with_another_pot)):
		with changes.make_lab() as lab:
			lost, gaps = changes.reloads(lab, write)
		yield f"reload of {name}: nothing arrived, median, ms", statistics.median(gaps) / 1e6, None
		yield f"reload of {name}: nothing arrived, longest, ms", max(gaps) / 1e6, GAP_MS
		yield f"reload of {name}: frames lost", lost, 0 if name == "limits" else None
	yield from measure_rules(changes)


def measure_rules(changes):
	"""ET Open is read, compiled and taken up anew; one rule is another each time."""
	if not os.path.exists(ET_OPEN):
		print(f"reload of rules is left out: there is no {ET_OPEN} (FISHBOWL_SHARED)")
		return
	with tempfile.TemporaryDirectory(prefix="fb-policy-") as scratch:
		os.chmod(scratch, 0o755)
		et, own = unpacked(ET_OPEN, scratch), scratch + "/own.rules"

		def write(_, n):
			with open(own, "w") as f:
				f.write(f'alert tcp any any -> any any (content:"number {n}"; sid:{n + 2};)\n')
		write(None, -1)
		with changes.make_lab(f'rules = {{"{et}", "{own}"}}\n') as lab:
			lost, gaps = changes.reloads(lab, write, RULES_S)
	yield "reload of ET Open: nothing arrived, median, ms", statistics.median(gaps) / 1e6, None
	yield "reload of ET Open: nothing arrived, longest, ms", max(gaps) / 1e6, GAP_MS
	yield "reload of ET Open: frames lost", lost, 0


def main():
	parser = argparse.ArgumentParser(description=__doc__)
	parser.add_argument("--build", default="build", help="build directory")
	o = parser.parse_args()
	if os.geteuid():
		raise SystemExit("policy: needs root")
	os.environ["FISHBOWL_BUILD"] = os.path.abspath(o.build)
	sys.path.insert(0, ROOT + "/tests/lab")
	import changes
	from lab import FISHBOWL, run
	rows = list(measure(changes, FISHBOWL, run))
	print(f"\npolicy changes at {changes.MBIT} Mbit/s, {os.cpu_count()} CPUs")
	for text, value, goal in rows:
		verdict = "       " if goal is None else "met    " if value <= goal else "NOT MET"
		print(f"  {verdict}  {text:<50} {value:8.2f}" + ("" if goal is None else f"  goal <= {goal}"))
	out = o.build + "/bench-results"
	os.makedirs(out, exist_ok=True)
	with open(out + "/policy.json", "w") as f:
		json.dump([{"measure": text, "value": value, "goal": goal} for text, value, goal in rows], f, indent=1)


if __name__ == "__main__":
	main()
