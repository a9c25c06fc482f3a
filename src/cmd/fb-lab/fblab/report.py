# SPDX-License-Identifier: Apache-2.0
"""What came of it: the gateway's records beside captures made without it."""
import collections
import json
import os

from . import lab, plan, proc, watch

PERIOD_S = 3600


def records():
	try:
		with open(plan.path("gateway", "eve.json")) as f:
			return [json.loads(line) for line in f if line.endswith("\n")]
	except OSError:
		return []


def report():
	"""Prints the report. Exit status: 0 when outside arrived exactly what the policy allows."""
	watch.settle()
	proc.wait_for(lambda: _dropped(records()) >= _status()["dropped"], 10, 0.5)
	seen = records()
	print()
	_what_the_gateway_saw(seen)
	_what_it_stopped(seen)
	_incidents(seen)
	good = _what_was_disarmed(seen)
	good = _what_arrived() and good
	_how_to_look_further(seen)
	return 0 if good else 1


def _status():
	"""The gateway's own counts; it writes a series of drops down when the series has ended."""
	asked = proc.run(lab.fishbowl(), "status", "--json", "-c", plan.path("gateway", "fishbowl.conf"),
		check=False)
	try:
		return json.loads(asked.stdout)["frames"]
	except (KeyError, ValueError):
		return {"dropped": 0, "flows_active": 0}


def _dropped(seen):
	return sum(r["fishbowl"]["count"] for r in seen if r["event_type"] == "drop")


def _what_the_gateway_saw(seen):
	flows = [r for r in seen if r["event_type"] == "flow"]
	print(f"What the gateway saw (conversations that have ended; {_status()['flows_active']} are open)")
	print("  honeypot   inbound  outbound  internal   frames     bytes")
	for h in plan.HONEYPOTS:
		mine = [r for r in flows if r["fishbowl"].get("honeypot") == h.name]
		ways = collections.Counter(r["fishbowl"].get("direction") for r in mine)
		frames = sum(r["flow"]["pkts_toserver"] + r["flow"]["pkts_toclient"] for r in mine)
		size = sum(r["flow"]["bytes_toserver"] + r["flow"]["bytes_toclient"] for r in mine)
		print(f"  {h.name:<9} {ways['inbound']:>8} {ways['outbound']:>9} {ways['internal']:>9}"
			f" {frames:>8} {size:>9}")
	print()


def _what_it_stopped(seen):
	stopped = collections.Counter()
	for r in seen:
		if r["event_type"] == "drop":
			mine = r["fishbowl"]
			stopped[mine.get("honeypot", "-"), r["drop"]["reason"]] += mine["count"]
	print("What it stopped" + ("" if stopped else ": nothing"))
	for (honeypot, reason), frames in sorted(stopped.items()):
		print(f"  {honeypot:<9} {reason:<20} {frames:>7} frames")
	print()


def _incidents(seen):
	for r in seen:
		if r["event_type"] == "incident":
			print(f"INCIDENT {r['timestamp'][11:19]} {r['fishbowl'].get('honeypot', '')}: "
				f"{r['fishbowl']['title']} ({r.get('proto', '')} to {r.get('dest_ip', '')}"
				f"{' port %d' % r['dest_port'] if 'dest_port' in r else ''})")
	print()


def _what_was_disarmed(seen):
	rows = list(_attacks(seen))
	if rows:
		print("Attacks that left, by captures on the wire made without the gateway")
		print("  honeypot   attack      sent                      arrived at the victim     ")
	for honeypot, name, sent, arrived, outcome, signature in rows:
		print(f"  {honeypot:<9}  {name:<10}  {_printable(sent):<24}  {_printable(arrived):<24}  "
			f"{outcome}{' by ' + signature if signature else ''}")
	print(end="\n" if rows else "")
	return all(outcome != "ARRIVED WHOLE" for *_, outcome, _ in rows)


def _attacks(seen):
	"""Rows of (honeypot, attack, the part that carries it, what became of that, outcome, signature)."""
	for h in plan.HONEYPOTS:
		for name, port, _, part in plan.EXPLOITS:
			there = watch.said("victim", h, port)
			for sport, sent in watch.said(h.name, h, port).items():
				at = sent.find(part)
				if at < 0:
					continue
				came = there.get(sport, b"")
				arrived = came[at:at + len(part)]
				outcome = "ARRIVED WHOLE" if part in came else \
					"disarmed" if len(came) == len(sent) else "stopped"
				yield h.name, name, part, arrived, outcome, _signature(seen, h, sport)


def _signature(seen, host, sport):
	return next((r["alert"]["signature"] for r in seen if r["event_type"] == "alert" and
		r.get("src_port") == sport and r.get("src_ip") in (host.ip4, host.ip6)), "")


def _printable(data):
	return "".join(chr(b) if 32 <= b < 127 else f"\\x{b:02x}" for b in data)


def allowed(times, limit):
	"""How many of these beginnings a sliding budget of limit/hour lets out."""
	out = []
	for t in sorted(times):
		if len([o for o in out if o > t - PERIOD_S]) < limit:
			out.append(t)
	return len(out)


def _what_arrived():
	good = True
	print("What arrived outside, by captures on the wire made without the gateway")
	print("  honeypot   kind      tried  allowed  came out  at the victim")
	for row in _comparison():
		honeypot, kind, tried, may, out, there = row
		equal = out == may and there <= out
		good = good and equal
		print(f"  {honeypot:<9}  {kind:<7} {tried:>7} {may:>8} {out:>9} {there:>14}  "
			f"{'as the policy says' if equal else 'NOT AS THE POLICY SAYS'}")
	if watch.full():
		print(f"  (no comparison after {watch.FILE_MAX >> 20} MiB: the captures of "
			f"{', '.join(watch.full())} are full; `fishbowl lab up --restart` begins anew)")
	print()
	return good or bool(watch.full())


def _comparison():
	"""Rows of (honeypot, kind, tried, allowed, came out, reached the victim)."""
	for h in plan.HONEYPOTS:
		wires = (h.name, "street", "victim")
		tried, out, there = (watch.begun_by(wire, h) for wire in wires)
		for kind, limit in plan.LIMITS.items():
			if tried[kind]:
				yield (h.name, kind, len(tried[kind]), allowed(tried[kind].values(), limit),
					len(out[kind]), len(there[kind]))
		tried, out, there = (watch.spoofed(wire, h) for wire in wires)
		if tried:
			yield h.name, "spoofed", tried, 0, out, there


def _how_to_look_further(seen):
	victim, web = plan.host("victim"), plan.HONEYPOTS[0]
	flow = next((r["flow_id"] for r in seen if r["event_type"] == "incident" and "flow_id" in r), None)
	print("How to look further")
	print(f"  F={lab.fishbowl()} C={plan.path('gateway', 'fishbowl.conf')}")
	print("  $F events -c $C --type incident")
	print(f"  $F events -c $C --honeypot {web.name} --follow")
	if flow:
		print(f"  $F cut -c $C --flow {flow} -o /tmp/first.pcapng")
	print(f"  $F cut -c $C --host {victim.ip4} -o /tmp/victim.pcapng")
	print("  tshark -r /tmp/victim.pcapng -Y 'frame.comment contains \"drop\"' "
		"-T fields -e frame.number -e ip.src -e ip.dst -e frame.comment")
	print("  $F verify -c $C")
	print(f"  $F lab shell {web.name}   (or attacker, victim, files, old, gateway)")
