#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The escape matrix: runs attacks from a compromised honeypot and counts, by a capture of its own outside
the gateway, what comes out. README.md says how to add one."""
import argparse
import contextlib
import fnmatch
import importlib.util
import inspect
import json
import multiprocessing
import os
import pathlib
import queue
import random
import signal
import struct
import sys
import time
from collections import Counter

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab")]
sys.dont_write_bytecode = True


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.replace("\n", " "))
    parser.add_argument("name", nargs="*", help="attacks to run, or globs (fence_*); all if none")
    parser.add_argument("--list", action="store_true", help="name them, with what the intruder hopes for")
    parser.add_argument("--json", metavar="FILE", help="also write the results there")
    parser.add_argument("--pcap", metavar="DIR", type=pathlib.Path,
                        help="frames seen outside in attacks that did not hold, a file each")
    parser.add_argument("--family", type=int, choices=(4, 6), help="only IPv4 or only IPv6")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first that did not hold")
    parser.add_argument("--build", metavar="DIR", help="build directory (build)")
    parser.add_argument("--seed", default="1", help="of what attacks choose at random")
    parser.add_argument("--bridge", action="store_true",
                        help="a plain wire in place of the gateway: shows that the attacks are real")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), metavar="N",
                        help="so many networks at a time (%(default)s)")
    return parser.parse_args()


ARGS = arguments()
if ARGS.build:
    os.environ["FISHBOWL_BUILD"] = str(pathlib.Path(ARGS.build).resolve())

import lab  # noqa: E402 # it looks for the build
from kit import STRICT  # noqa: E402
from net import Gw, Net, NoTest  # noqa: E402

HELD, ESCAPED, NO_TEST = "held", "ESCAPED", "no test"
ATTACK_SECONDS = 60  # what takes longer hangs


class Attack:
    """One file of attacks/."""

    def __init__(self, path):
        self.name = path.stem
        spec = importlib.util.spec_from_file_location(f"attacks.{self.name}", path)
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.hope = (self.module.__doc__ or "").strip().splitlines()[0] if self.module.__doc__ else ""
        self.families = tuple(getattr(self.module, "FAMILIES", (4, 6)))
        self.wanted = list(inspect.signature(self.module.attack).parameters)

    def setting(self, name, default, family):
        """A constant of the file, or what its function of that name says for the family."""
        value = getattr(self.module, name, default)
        return value(family) if callable(value) else value

    def run(self, offers):
        self.module.attack(**{name: offers[name] for name in self.wanted})


def find(patterns):
    paths = sorted((HERE / "attacks").glob("*.py"))
    attacks = [Attack(p) for p in paths
               if not patterns or any(fnmatch.fnmatch(p.stem, pattern) for pattern in patterns)]
    for pattern in patterns:
        if not any(fnmatch.fnmatch(a.name, pattern) for a in attacks):
            sys.exit(f"escape: no attack is named {pattern}; --list shows them")
    return attacks


class Result:
    """What became of one attack in one family: a line of the table, an object of the JSON."""

    def __init__(self, attack, family, seed):
        self.attack, self.family, self.seed = attack.name, family, seed
        self.sent = self.allowed = self.seen = 0
        self.verdict, self.reasons, self.note = NO_TEST, {}, ""
        self.aborted = False  # the attack ended before its time: what came out says nothing
        self.began, self.seconds = time.monotonic(), 0.0

    def judge(self, seen, allowed, at_least, uncaptured):
        """seen and allowed: by the attack's own COUNT. self.note: why it was not carried through."""
        self.seen, self.allowed = seen, allowed
        if uncaptured:
            self.verdict, self.note = ESCAPED, f"{uncaptured} frames are not in the capture"
        elif self.aborted:
            pass
        elif seen > allowed:
            self.verdict = ESCAPED
        elif self.note:
            pass
        elif self.sent == 0:
            self.note = "nothing was sent"
        elif seen < at_least:
            self.note = f"fewer than {at_least} came out: this is not what should be tested"
        else:
            self.verdict = HELD

    def as_json(self):
        keys = "attack family sent allowed seen verdict reasons seconds seed".split()
        out = {key: getattr(self, key) for key in keys}
        out["seconds"] = round(self.seconds, 2)
        if self.note:
            out["note"] = self.note
        return out


def count_sent(net):
    return sum(pot.count_sent() for pot in net.pots_)


def attack_once(net, attack, result, offers):
    """The attack between two controls; raises NoTest. Its frames are in net.out.frames in any case."""
    family = result.family
    control = attack.setting("CONTROL", (0, 1), family)
    control_after = attack.setting("CONTROL_AFTER", control, family)
    net.begin(attack.setting("POLICY", STRICT, family),
              [attack.setting(f"POT{i}", "", family) for i in range(3)], control)
    net.out.begin()
    before = count_sent(net)
    try:
        result.aborted = True
        attack.run(offers)
        result.aborted = False
        net.settle()
    finally:
        net.out.seen()
        result.sent = count_sent(net) - before
        result.reasons = net.reasons()
    if net.out.lost():
        raise NoTest("the capture outside missed frames")
    net.control((family,), control_after)


def too_late(*_):
    raise NoTest(f"not done in {ATTACK_SECONDS} s")


def run_one(net, attack, family, seed):
    result = Result(attack, family, seed)
    offers = {"pot": net.pots_[0], "pot1": net.pots_[1], "pot2": net.pots_[2], "out": net.out, "gw": Gw(net),
              "family": family, "rng": random.Random(f"{seed}/{attack.name}/{family}")}
    net.out.begin()
    signal.alarm(ATTACK_SECONDS)
    try:
        attack_once(net, attack, result, offers)
    except NoTest as why:
        result.note = str(why)
    except Exception as wrong:  # pylint: disable=broad-except # of an attack that somebody else wrote
        last = (str(wrong).strip().splitlines() or [""])[-1]
        result.note = f"{type(wrong).__name__}: {last[:200]}"
    signal.alarm(0)
    frames = list(net.out.frames)
    net.out.end()
    passed = net.finish()
    missing = 0
    if passed is not None:
        missing = sum((Counter(net.all_seen + frames) - Counter(passed)).values())
    count = getattr(attack.module, "COUNT", len)
    result.judge(count(frames), attack.setting("ALLOWED", 0, family),
                 attack.setting("AT_LEAST", 0, family), missing)
    result.seconds = time.monotonic() - result.began
    if ARGS.pcap and result.verdict != HELD:
        write_pcap(ARGS.pcap / f"{attack.name}-v{family}.pcap", frames)
    return result


def write_pcap(path, frames):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1) +
                     b"".join(struct.pack("<IIII", 0, 0, len(f), len(f)) + f for f in frames))


class Table:
    """Lines as they come, aligned."""

    def __init__(self, attacks):
        self.width = max([len(a.name) for a in attacks] + [6])

    def head(self):
        print(f"{'attack':{self.width}}  ip  {'sent':>6}  {'allowed':>7}  {'seen':>6}  {'verdict':7}  "
              f"{'s':>4}  why", flush=True)

    def line(self, r):
        why = r.note or ", ".join(f"{name} {n}" for name, n in
                                  sorted(r.reasons.items(), key=lambda item: -item[1])[:3])
        print(f"{r.attack:{self.width}}  v{r.family}  {r.sent:6}  {r.allowed:7}  {r.seen:6}  "
              f"{r.verdict:7}  {r.seconds:4.1f}  {why}", flush=True)


def summary(results):
    names = {r.attack for r in results}
    n = Counter(r.verdict for r in results)
    return (f"{len(results)} attacks ({len(names)} by name), {n[HELD]} held, {n[ESCAPED]} escaped, "
            f"{n[NO_TEST]} without test")


def work(args, jobs, results, stop):
    """A process with a network of its own; takes jobs until there are no more."""
    signal.signal(signal.SIGALRM, too_late)
    with Net(bridge=args.bridge) as net:
        time.sleep(0.5)
        while not stop.is_set():
            try:
                n, name, family = jobs.get_nowait()
            except queue.Empty:
                return
            results.put((n, run_one(net, find([name])[0], family, args.seed)))


def in_order(results, workers, total):
    """The results in the order of the jobs, as soon as they are there."""
    waiting, following = {}, 0
    while following < total:
        try:
            n, result = results.get(timeout=1)
            waiting[n] = result
        except queue.Empty:
            if not any(w.is_alive() for w in workers) and results.empty():
                return
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def run_all(args, attacks):
    todo = [(a, family) for a in attacks for family in a.families
            if args.family in (None, family) and not (args.bridge and "gw" in a.wanted)]
    jobs, results, stop = multiprocessing.Queue(), multiprocessing.Queue(), multiprocessing.Event()
    for n, (attack, family) in enumerate(todo):
        jobs.put((n, attack.name, family))
    time.sleep(0.1)  # the queue's own thread needs a moment
    workers = [multiprocessing.Process(target=work, args=(args, jobs, results, stop))
               for _ in range(max(1, min(args.jobs, len(todo))))]
    for worker in workers:
        worker.start()
    table, done = Table(attacks), []
    table.head()
    for result in in_order(results, workers, len(todo)):
        done.append(result)
        table.line(result)
        if result.verdict != HELD and not (args.keep_going or args.bridge):
            break
    stop.set()
    jobs.cancel_join_thread()
    for worker in workers:
        while worker.is_alive():
            with contextlib.suppress(queue.Empty):
                results.get(timeout=0.1)
        worker.join()
    return done, len(todo)


def main():
    args = ARGS
    attacks = find(args.name)
    if args.list:
        width = max(len(a.name) for a in attacks)
        for a in attacks:
            print(f"{a.name:{width}}  {','.join(f'v{f}' for f in a.families):5}  {a.hope}")
        return 0
    why = lab.can_run()
    if why:
        print(f"escape: cannot run: {why}", file=sys.stderr)
        return 77
    results, wanted = run_all(args, attacks)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps([r.as_json() for r in results], indent=1) + "\n")
    print(summary(results))
    right = ESCAPED if args.bridge else HELD
    return 0 if results and len(results) == wanted and all(r.verdict == right for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
