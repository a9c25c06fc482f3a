# SPDX-License-Identifier: Apache-2.0
"""Up, down, status: the lab as a whole."""
import os
import shutil
import signal
import socket
import subprocess
import sys

from . import hosts, packages, plan, proc, watch
from .proc import ip, wait_for


def say(text):
	print(text, flush=True)


def need_mount_root():
	"""In a plain chroot: once more, where "/" is a mount point."""
	if not os.environ.get("FB_LAB_MOUNT_ROOT"):
		os.environ["FB_LAB_MOUNT_ROOT"] = "1"
		script = os.path.join(os.path.dirname(os.path.realpath(sys.argv[0])), "mount-root")
		os.execv(script, [script, sys.executable, "-B", *sys.argv])


def need_root():
	if os.geteuid() != 0:
		raise proc.LabError("needs root (namespaces and packet sockets); use sudo")


def is_up():
	return all(proc.host_init(host.name) for host in plan.HOSTS) and gateway_pid() is not None


def up(restart=False):
	if is_up() and not restart:
		say("the lab is up already; `fishbowl lab status` shows it")
		return
	down(quiet=True)
	packages.fetch(say)
	os.makedirs(plan.STATE, mode=0o711, exist_ok=True)
	try:
		packages.unpack()
		_wire()
		watch.start_all()
		_start_gateway()
		for host in plan.HOSTS:
			hosts.start(host)
			say(f"  {host.name:<9} {host.ip4:<11} {host.ip6:<18} {host.text}")
	except BaseException:
		down(quiet=True)
		raise
	say("the lab is up. Next: fishbowl lab attack | shell HOST | status | down")


def down(quiet=False, forget_packages=False):
	"""Ends and removes everything of the lab, whatever state it is in: found by prefix, not memory."""
	pid = gateway_pid()
	if pid:
		proc.stop([pid], grace_s=10)
	for netns in proc.netns_list():
		proc.stop(proc.netns_pids(netns))
		ip("netns", "del", netns, check=False)
	for where in _mounts_below(plan.STATE):
		proc.run("umount", "-l", where, check=False)
	shutil.rmtree(plan.STATE, ignore_errors=True)
	if forget_packages:
		shutil.rmtree(plan.CACHE, ignore_errors=True)
	if not quiet:
		say("the lab is down; nothing of it is left" if not proc.netns_list() else
			"the lab is down, but these namespaces are still there: " +
			" ".join(proc.netns_list()))


def _mounts_below(directory):
	with open("/proc/self/mounts") as f:
		points = [line.split()[1] for line in f]
	return [p for p in reversed(points) if p.startswith(directory + "/")]


def _wire():
	for host in plan.HOSTS:
		_netns(host.netns)
	_netns(plan.GATEWAY)
	_netns(plan.STREET)
	ip("link", "add", "street", "type", "bridge", "stp_state", "0", "mcast_snooping", "0",
		netns=plan.STREET)
	ip("link", "set", "street", "up", netns=plan.STREET)
	for host in plan.OUTSIDERS:
		_cable(host.netns, "eth0", plan.STREET, host.name)
	_cable(plan.GATEWAY, "outside", plan.STREET, "gateway")
	for host in plan.HONEYPOTS:
		_cable(host.netns, "eth0", plan.GATEWAY, host.name)
	for name in [h.name for h in plan.OUTSIDERS] + ["gateway"]:
		ip("link", "set", name, "master", "street", "up", netns=plan.STREET)
	for host in plan.HOSTS:
		_address(host)


def _netns(name):
	ip("netns", "add", name)
	quiet = "" if name.endswith(tuple(h.name for h in plan.HOSTS)) else \
		"echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6;"
	proc.run("nsenter", f"--net=/run/netns/{name}", "sh", "-c", quiet +
		"ip link set lo up; echo 0 >/proc/sys/net/ipv6/conf/default/accept_ra")


def _cable(netns_a, nic_a, netns_b, nic_b):
	ip("link", "add", nic_a, "netns", netns_a, "type", "veth", "peer", "name", nic_b,
		"netns", netns_b)


def _address(host):
	ip("link", "set", "eth0", "address", host.mac, "up", netns=host.netns)
	ip("addr", "add", host.ip4 + "/24", "dev", "eth0", netns=host.netns)
	ip("addr", "add", host.ip6 + "/64", "dev", "eth0", "nodad", netns=host.netns)


def fishbowl():
	"""The fishbowl command that goes with this lab: beside it when installed, else FISHBOWL or PATH."""
	beside = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "../../bin/fishbowl")
	for candidate in (os.environ.get("FISHBOWL"), beside, shutil.which("fishbowl")):
		if candidate and os.access(candidate, os.X_OK):
			return os.path.abspath(candidate)
	raise proc.LabError("no fishbowl command found; build and install it, or set FISHBOWL")


def gateway_pid():
	try:
		with open(plan.path("gateway", "pid")) as f:
			pid = int(f.read())
		with open(f"/proc/{pid}/cmdline", "rb") as f:
			return pid if plan.path("gateway", "fishbowl.conf").encode() in f.read() else None
	except (OSError, ValueError):
		return None


def _start_gateway():
	os.makedirs(plan.path("gateway", "run"), exist_ok=True)
	os.makedirs(plan.path("gateway", "state"), exist_ok=True)
	conf = plan.path("gateway", "fishbowl.conf")
	with open(conf, "w") as f:
		f.write(plan.gateway_config())
	with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, \
			open(plan.path("gateway", "log"), "w") as log:
		notify.bind(plan.path("gateway", "notify"))
		notify.settimeout(0.1)
		gateway = subprocess.Popen(proc.netns_exec(plan.GATEWAY, fishbowl(), "run", "-c",
			conf), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
			start_new_session=True,
			env=os.environ | {"NOTIFY_SOCKET": plan.path("gateway", "notify")})
		with open(plan.path("gateway", "pid"), "w") as f:
			f.write(str(gateway.pid))
		if not wait_for(lambda: gateway.poll() is not None or _says_ready(notify), 30):
			gateway.kill()
	if gateway.poll() is not None:
		with open(plan.path("gateway", "log")) as log:
			raise proc.LabError("the gateway did not start:\n" + log.read().strip()[-1500:])
	say(f"  gateway   pid {gateway.pid}, no address; configuration {conf}")


def _says_ready(notify):
	try:
		return b"READY=1" in notify.recv(4096)
	except TimeoutError:
		return False


def status():
	if not proc.netns_list():
		say("the lab is down; `fishbowl lab up` starts it")
		return
	pid = gateway_pid()
	say(f"gateway   {'running, pid ' + str(pid) if pid else 'NOT RUNNING'}")
	for host in plan.HOSTS:
		init = proc.host_init(host.name)
		missing = [str(p) for name in host.services for p in hosts.PORTS[name]
			if init and not _listens(init, p)]
		state = "down" if not init else "port " + ",".join(missing) + " silent" if missing else "up"
		say(f"{host.name:<9} {state:<6} {host.ip4:<11} {host.ip6:<18} {host.text}")
	if pid:
		say("")
		sys.stdout.flush()
		subprocess.run([fishbowl(), "status", "-c", plan.path("gateway", "fishbowl.conf")])


def _listens(pid, port):
	for table in ("tcp", "tcp6"):
		with open(f"/proc/{pid}/net/{table}") as f:
			for line in f:
				fields = line.split()
				if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
					return True
	return False


def shell(name, command):
	if name == "gateway":
		argv = ["nsenter", f"--net=/run/netns/{plan.GATEWAY}", "bash", "--norc"]
		os.environ["PS1"] = r"gateway (lab) \w# "
	else:
		host = plan.host(name)
		colour = 33 if host.honeypot else 31 if name == "attacker" else 36
		prompt = rf"PS1=\[\e[1;{colour}m\]{name}\[\e[0m\] (lab, {host.ip4}) \w\$ "
		argv = proc.inside(name, prompt, "bash", "--norc")
	signal.signal(signal.SIGINT, signal.SIG_DFL)
	os.execvp(argv[0], argv + (["-c", command] if command else []))
