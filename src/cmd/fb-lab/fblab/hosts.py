# SPDX-License-Identifier: Apache-2.0
"""One host of the lab: namespaces of its own, and a root that is a throw-away layer over the machine's.

host_main() is the host's first process. When it ends, everything in the host ends with it. What is
written in the host lies in a tmpfs and is gone then; the machine's files are never changed.
"""
import os
import signal
import socket
import subprocess
import sys
import time

from . import packages, plan, proc

# Enough for daemons and raw sockets; not for mounts, devices or modules of the machine.
CAPABILITIES = ("chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
	"net_bind_service", "net_raw", "net_admin", "sys_chroot", "audit_write")

PASSWD = """root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
_sshd:x:100:65534::/run/sshd:/usr/sbin/nologin
sshd:x:101:65534::/run/sshd:/usr/sbin/nologin
ftp:x:102:65534::/srv/ftp:/usr/sbin/nologin
guest:x:1000:1000:guest:/home/guest:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
GROUP = "root:x:0:\ntty:x:5:\nutmp:x:43:\nwww-data:x:33:\nguest:x:1000:\nnogroup:x:65534:\n"
PAM = "".join(f"{kind} required pam_unix.so\n" for kind in ("auth", "account", "session"))
SSHD = """HostKey /etc/ssh/lab_key
PermitRootLogin yes
PasswordAuthentication yes
UsePAM no
MaxStartups 100
Subsystem sftp internal-sftp
"""
VSFTPD = """listen=NO
listen_ipv6=YES
background=NO
anonymous_enable=NO
local_enable=YES
write_enable=YES
local_umask=022
isolate=NO
isolate_network=NO
seccomp_sandbox=NO
pam_service_name=vsftpd
secure_chroot_dir=/run/vsftpd
xferlog_enable=NO
"""
LIGHTTPD = """server.modules = ("mod_cgi")
server.document-root = "/var/www/html"
server.port = 80
server.bind = "0.0.0.0"
index-file.names = ("index.html")
mimetype.assign = (".html" => "text/html", "" => "application/octet-stream")
$SERVER["socket"] == "[::]:80" { }
"""
FILES = {
	"/etc/passwd": PASSWD, "/etc/group": GROUP,
	"/etc/shadow": f"root:{plan.HASH[plan.ROOT_PASSWORD]}:19000:0:99999:7:::\n"
		f"guest:{plan.HASH['guest']}:19000:0:99999:7:::\n",
	"/etc/gshadow": "", "/etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\n"
		"hosts: files\nservices: files\n",
	"/etc/resolv.conf": "", "/etc/shells": "/bin/bash\n/bin/sh\n", "/etc/motd": "",
	"/etc/pam.d/login": PAM, "/etc/pam.d/remote": PAM, "/etc/pam.d/vsftpd": PAM,
	"/etc/ssh/lab_config": SSHD, "/etc/lab/vsftpd.conf": VSFTPD, "/etc/lab/lighttpd.conf": LIGHTTPD,
	"/etc/lab/inetd.conf": "23 stream tcp6 nowait root /usr/sbin/telnetd telnetd\n",
	"/var/www/html/index.html": "<html><title>Welcome</title><h1>It works.</h1></html>\n",
	"/root/.bashrc": "",
}
MODES = {"/etc/shadow": 0o640, "/etc/gshadow": 0o640, "/etc/ssh/lab_config": 0o600}


def start(host):
	"""Starts the host's first process and waits until its services are there."""
	os.makedirs(plan.path("hosts", host.name), exist_ok=True)
	with open(plan.path("hosts", host.name, "log"), "w") as log:
		unshare = subprocess.Popen(["nsenter", f"--net=/run/netns/{host.netns}", "unshare",
			"--mount", "--propagation", "private", "--uts", "--ipc", "--pid", "--fork",
			"--kill-child=KILL", sys.executable, "-B", sys.argv[0], "host", host.name],
			stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
	proc.wait_for(lambda: _child_of(unshare.pid) or unshare.poll() is not None, 5)
	with open(plan.path("hosts", host.name, "pid"), "w") as f:
		f.write(str(_child_of(unshare.pid) or 0))
	ready = plan.path("hosts", host.name, "ready")
	proc.wait_for(lambda: os.path.exists(ready) or unshare.poll() is not None, 20)
	if not os.path.exists(ready):
		with open(plan.path("hosts", host.name, "log")) as log:
			raise proc.LabError(f"{host.name} did not come up: {log.read().strip()[-600:]}")


def _child_of(parent):
	for name in os.listdir("/proc"):
		if name.isdigit():
			try:
				with open(f"/proc/{name}/stat") as f:
					if int(f.read().rsplit(")", 1)[1].split()[1]) == parent:
						return int(name)
			except OSError:
				continue
	return None


# From here on: inside the host.

def host_main(host):
	# The directory of the lab is hidden by the new root; this descriptor still leads there.
	here = os.open(plan.path("hosts", host.name), os.O_RDONLY | os.O_DIRECTORY)
	_enter_root(host)
	socket.sethostname(host.name)
	services = [service for name in host.services for service in SERVICES[name]]
	running = [_spawn(argv) for argv in services]
	_wait_for_ports([port for name in host.services for port in PORTS[name]])
	os.close(os.open("ready", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=here))
	os.close(here)
	signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
	_reap_for_ever({process.pid: argv for process, argv in zip(running, services)})


def _enter_root(host):
	base = plan.path("hosts", host.name, "fs")
	os.makedirs(base, exist_ok=True)
	_mount("-t", "tmpfs", "-o", "size=512m,mode=755", "lab", base)
	for name in ("upper", "work", "root"):
		os.mkdir(os.path.join(base, name))
	root = os.path.join(base, "root")
	_mount("-t", "overlay", "-o", f"lowerdir={packages.tree()}:/,upperdir={base}/upper,"
		f"workdir={base}/work", "lab", root)
	_mount("-t", "proc", "proc", root + "/proc")
	for name in ("dev", "run", "tmp", "root", "home", "srv", "var/log", "var/lib", "var/cache", "mnt"):
		os.makedirs(f"{root}/{name}", exist_ok=True)
		_mount("-t", "tmpfs", "-o", "size=128m,mode=" + ("1777" if name == "tmp" else "755"),
			"lab", f"{root}/{name}")
	_make_dev(root + "/dev")
	os.chroot(root)
	os.chdir("/")
	for name, text in FILES.items():
		_write(name, text, MODES.get(name, 0o644))
	for name in ("/run/sshd", "/run/vsftpd", "/var/log/lighttpd"):
		os.makedirs(name, exist_ok=True)
	os.makedirs("/home/guest")
	os.chown("/home/guest", 1000, 1000)
	_write("/etc/hosts", "127.0.0.1 localhost\n" + "".join(
		f"{ip} {h.name}\n" for h in plan.HOSTS for ip in (h.ip4, h.ip6)), 0o644)
	_write("/etc/hostname", host.name + "\n", 0o644)
	if "toolshop" in host.services:
		_write("/srv/tools/toolkit.sh", TOOLKIT, 0o755)
		_write("/srv/tools/rootkit.bin", bytes(range(256)) * 4096, 0o644)
	if "ssh" in host.services:
		subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/etc/ssh/lab_key"],
			check=True, stdin=subprocess.DEVNULL)


def _mount(*argv):
	proc.run("mount", *argv)


def _make_dev(dev):
	for name in ("null", "zero", "full", "random", "urandom", "tty"):
		open(f"{dev}/{name}", "w").close()
		_mount("--bind", f"/dev/{name}", f"{dev}/{name}")
	os.mkdir(dev + "/pts")
	os.mkdir(dev + "/shm", 0o1777)
	_mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620,gid=5", "devpts", dev + "/pts")
	os.symlink("pts/ptmx", dev + "/ptmx")
	os.symlink("/proc/self/fd", dev + "/fd")
	for number, name in enumerate(("stdin", "stdout", "stderr")):
		os.symlink(f"/proc/self/fd/{number}", f"{dev}/{name}")


def _write(name, text, mode):
	os.makedirs(os.path.dirname(name), exist_ok=True)
	if os.path.islink(name):
		os.unlink(name)
	with open(name, "wb") as f:
		f.write(text if isinstance(text, bytes) else text.encode())
	os.chmod(name, mode)


def _spawn(argv):
	caps = ",".join("+" + name for name in CAPABILITIES)
	return subprocess.Popen(["setpriv", f"--bounding-set=-all,{caps}", *argv],
		stdin=subprocess.DEVNULL, start_new_session=True)


def _wait_for_ports(ports):
	for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
		for port in ports:
			if not proc.wait_for(lambda: _answers(family, address, port), 15):
				raise SystemExit(f"nothing listens at [{address}]:{port}")


def _answers(family, address, port):
	with socket.socket(family) as s:
		s.settimeout(1)
		return s.connect_ex((address, port)) == 0


def _reap_for_ever(services):
	while True:
		try:
			pid, _ = os.wait()
		except ChildProcessError:
			signal.pause()
			continue
		if pid in services:  # a flood may have ended it; a honeypot stays attractive
			argv = services.pop(pid)
			time.sleep(0.5)
			services[_spawn(argv).pid] = argv


TOOLKIT = """#!/bin/sh
# What an intruder brings along. Usage: toolkit.sh connect HOST FROM TO
[ "$1" = connect ] || exit 2
for port in $(seq "$3" "$4"); do
	timeout 0.2 bash -c "exec 3<>/dev/tcp/$2/$port" 2>/dev/null && echo "$2:$port open"
done
exit 0
"""
# Accepts on every port an attack step uses and says nothing interesting.
TARGET = """
import socketserver, threading, socket
class Say(socketserver.BaseRequestHandler):
	def handle(self):
		self.request.settimeout(5)
		try:
			self.request.sendall(b"220 victim\\r\\n")
			self.request.recv(1024)
		except OSError:
			pass
class Tcp(socketserver.ThreadingTCPServer):
	address_family = socket.AF_INET6
	allow_reuse_address = daemon_threads = True
	request_queue_size = 256
for port in (21, 22, 25, 80, 443, 6667):
	threading.Thread(target=Tcp(("::", port), Say).serve_forever).start()
"""
WEB_SHOP = "import http.server as h, socket\n" \
	"class S(h.ThreadingHTTPServer): address_family = socket.AF_INET6\n" \
	"import os; os.chdir('/srv/tools')\n" \
	"S(('::', 80), h.SimpleHTTPRequestHandler).serve_forever()\n"
SERVICES = {
	"ssh": [["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/lab_config"]],
	"ftp": [["/usr/sbin/vsftpd", "/etc/lab/vsftpd.conf"]],
	"web": [["/usr/sbin/lighttpd", "-D", "-f", "/etc/lab/lighttpd.conf"]],
	"telnet": [["/usr/sbin/inetutils-inetd", "-d", "/etc/lab/inetd.conf"]],
	"toolshop": [["python3", "-c", WEB_SHOP]],
	"target": [["python3", "-c", TARGET]],
}
PORTS = {"ssh": [22], "ftp": [21], "web": [80], "telnet": [23], "toolshop": [80],
	"target": [21, 22, 25, 80, 443, 6667]}
