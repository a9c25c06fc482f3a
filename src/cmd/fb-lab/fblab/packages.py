# SPDX-License-Identifier: Apache-2.0
"""The tree of Debian packages that the hosts run from. The machine's own packages lie under it."""
import glob
import os
import subprocess

from . import plan
from .proc import LabError, run


def tree():
	return plan.path("packages")


def fetch(say):
	"""Downloads what this machine lacks (nothing is installed on it), once."""
	done = os.path.join(plan.CACHE, "complete")
	if os.path.exists(done):
		return
	debs = _debs()
	os.makedirs(os.path.join(debs, "partial"), exist_ok=True)
	say("fetching the honeypots' daemons from Debian (once; nothing is installed on this machine)")
	if not _download(debs):
		run("apt-get", "-qq", "update", check=False)
		if not _download(debs):
			raise LabError("apt-get cannot download " + " ".join(plan.PACKAGES) +
				"; the lab needs a Debian mirror once")
	open(done, "w").close()


def unpack():
	"""Into a tmpfs: as a layer it must not lie on the file system of the layer below it."""
	os.makedirs(tree())
	run("mount", "-t", "tmpfs", "-o", "size=2g,mode=755", "lab", tree())
	_make_merged_usr()
	for deb in sorted(glob.glob(os.path.join(_debs(), "*.deb"))):
		_unpack(deb)
	_link_alternatives()


def _link_alternatives():
	"""What an installed package's own script would do: nmap's libblas is behind an alternative."""
	for lib in glob.glob(os.path.join(tree(), "usr/lib/*/*as/*.so.[0-9]")):
		link = os.path.join(os.path.dirname(os.path.dirname(lib)), os.path.basename(lib))
		if not os.path.lexists(link):
			os.symlink(os.path.relpath(lib, os.path.dirname(link)), link)


def _debs():
	return os.path.join(plan.CACHE, "debs")


def _download(debs):
	return run("apt-get", "-y", "-qq", "--no-install-recommends", "--download-only",
		"-o", f"Dir::Cache::archives={debs}", "-o", "APT::Sandbox::User=root",
		"install", *plan.PACKAGES, check=False).returncode == 0


def _make_merged_usr():
	"""A package's lib/ must land in usr/lib: a directory would hide the machine's symbolic link."""
	for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
		if os.path.islink("/" + name):
			os.makedirs(os.path.join(tree(), "usr", name), exist_ok=True)
			os.symlink("usr/" + name, os.path.join(tree(), name))


def _unpack(deb):
	archive = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
	tar = subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", tree()],
		stdin=archive.stdout, capture_output=True, text=True)
	archive.stdout.close()
	if archive.wait() or tar.returncode:
		raise LabError(f"cannot unpack {deb}: {tar.stderr.strip()}")
