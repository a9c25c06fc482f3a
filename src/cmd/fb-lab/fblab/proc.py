# SPDX-License-Identifier: Apache-2.0
"""Running commands in the lab's namespaces, and finding the lab's own processes again."""
import os
import signal
import subprocess
import time

from . import plan


class LabError(Exception):
	"""Something a person can mend; the text says how."""


def run(*argv, check=True, **more):
	try:
		done = subprocess.run(argv, capture_output=True, text=True, **more)
	except FileNotFoundError:
		raise LabError(f"'{argv[0]}' is not installed; `make install-deps` installs it") from None
	if check and done.returncode:
		said = (done.stderr or done.stdout).strip()
		raise LabError(f"`{' '.join(argv)}` failed: {said or done.returncode}")
	return done


def ip(*argv, netns=None, check=True):
	return run(*(["nsenter", f"--net=/run/netns/{netns}"] if netns else []), "ip", *argv,
		check=check)


def netns_list():
	listed = ip("netns", "list", check=False).stdout
	names = [line.split()[0] for line in listed.splitlines() if line]
	return [name for name in names if name.startswith(plan.PREFIX)]


def netns_pids(netns):
	return [int(pid) for pid in ip("netns", "pids", netns, check=False).stdout.split()]


def netns_exec(netns, *argv):
	"""The command line that runs argv in a namespace, with that namespace's /sys."""
	return [os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))),
		"netns-exec"), netns, *argv]


def host_init(name):
	"""The pid of a host's first process, or None when the host is not up."""
	try:
		with open(plan.path("hosts", name, "pid")) as f:
			pid = int(f.read())
		same = os.stat(f"/proc/{pid}/ns/net").st_ino == os.stat(
			f"/run/netns/{plan.PREFIX}{name}").st_ino
	except (OSError, ValueError):
		return None
	return pid if same else None


def inside(name, *argv):
	"""The command line that runs argv in a host, as its root."""
	pid = host_init(name)
	if not pid:
		raise LabError(f"{name} is not up; start the lab with `fishbowl lab up`")
	return ["nsenter", "-t", str(pid), "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--", "env", "-i",
		"HOME=/root", "TERM=" + os.environ.get("TERM", "dumb"), "LANG=C.UTF-8",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *argv]


def on(name, *argv, timeout=30, **more):
	try:
		return subprocess.run(inside(name, *argv), capture_output=True, text=True,
			errors="replace", timeout=timeout, stdin=subprocess.DEVNULL, **more)
	except subprocess.TimeoutExpired as late:
		said = late.stdout or b""
		return subprocess.CompletedProcess(argv, 124, said.decode(errors="replace"), "timeout")


def stop(pids, grace_s=0.0):
	"""SIGTERM, time to end, SIGKILL: for processes found in our own namespaces only."""
	for pid in pids if grace_s else []:
		_signal(pid, signal.SIGTERM)
	wait_for(lambda: not any(alive(pid) for pid in pids), grace_s)
	for pid in pids:
		_signal(pid, signal.SIGKILL)
	wait_for(lambda: not any(alive(pid) for pid in pids), 5)


def alive(pid):
	try:
		with open(f"/proc/{pid}/stat") as f:
			return f.read().rsplit(")", 1)[1].split()[0] != "Z"
	except OSError:
		return False


def wait_for(condition, seconds, step=0.02):
	end = time.monotonic() + seconds
	while not condition():
		if time.monotonic() >= end:
			return False
		time.sleep(step)
	return True


def _signal(pid, number):
	try:
		os.kill(pid, number)
	except ProcessLookupError:
		pass
