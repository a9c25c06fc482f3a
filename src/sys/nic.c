/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/nic.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/nic_link.h"
#include "sys/nic_setup.h"

#define NETNS_DIR "/run/netns"

enum { LINKS_MAX = 256, NS_NAME_MAX = 64 };

enum presence { PRESENT, GONE, OFFERED };

struct nic {
	char name[IFNAMSIZ];
	int ifindex; /* when it was prepared */
	int offered; /* ifindex of the one that NIC_BACK told of */
	enum presence presence;
	bool up;
	bool merged; /* nic_port_open_merged() was used on it */
};

struct nic_set {
	int origin_ns, data_ns;       /* equal when the NICs stay */
	int origin_link, data_link;   /* rtnetlink for requests */
	int origin_watch, data_watch; /* rtnetlink for news */
	char ns_name[NS_NAME_MAX];    /* "" when the NICs stay */
	char table[NS_NAME_MAX];
	bool own;       /* nothing else lives in the data namespace */
	bool automatic; /* the data namespace has a name of ours */
	bool locked;
	unsigned n;
	struct nic nic[NIC_MAX];
};

static bool moves(const struct nic_set *set)
{
	return set->data_ns != set->origin_ns;
}

/* ---- namespaces ---- */

static int enter(int ns)
{
	return setns(ns, CLONE_NEWNET) < 0 ? -errno : 0;
}

/* A socket opened in `ns`. */
static int socket_in(struct nic_set *set, int ns, uint32_t groups)
{
	int r = enter(ns), fd;

	if (r)
		return r;
	fd = nic_link_socket(groups);
	r = enter(set->origin_ns);
	return r ? r : fd;
}

/* The directory must propagate mounts, as `ip netns` arranges it. */
static int share_directory(void)
{
	if (mkdir(NETNS_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (!mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL))
		return 0;
	if (errno != EINVAL || mount(NETNS_DIR, NETNS_DIR, "none", MS_BIND | MS_REC, NULL) < 0)
		return -errno;
	return mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) < 0 ? -errno : 0;
}

static pid_t parent_of(pid_t pid)
{
	char path[64], text[512] = "";
	const char *after;
	int fd, parent;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	after = n > 0 ? strrchr(text, ')') : NULL; /* the name before may hold anything */
	return after && sscanf(after, ") %*c %d", &parent) == 1 ? parent : 0;
}

/* `ip netns exec` and systemd's sandbox give a program mounts of its own, which go with it. The data
 * namespace has to stay, so it is pinned where the eldest ancestor sees it whose mounts we may use. */
static pid_t eldest(void)
{
	pid_t found = getpid();

	for (pid_t pid = parent_of(found); pid > 0; pid = parent_of(pid)) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/root/run", pid);
		if (access(path, X_OK) == 0)
			found = pid;
	}
	return found;
}

/* With that process's root, too: it may be in a chroot, and setns() goes to the root of all. */
static void enter_mounts(pid_t pid)
{
	char path[64];
	int mounts, root;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	mounts = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mounts >= 0 && root >= 0 && setns(mounts, CLONE_NEWNS) == 0 && fchdir(root) == 0)
		(void)!chroot(".");
	if (mounts >= 0)
		close(mounts);
	if (root >= 0)
		close(root);
}

/* Runs `work` in a child, because there is no way back from other mounts. */
static int in_child(int (*work)(const char *name, pid_t mounts), const char *name)
{
	pid_t mounts = eldest(), child = fork();
	int status;

	if (child < 0)
		return -errno;
	if (child == 0)
		_exit(-work(name, mounts));
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

static int pin_new(const char *name, pid_t mounts)
{
	char path[128];
	int fd, r;

	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	enter_mounts(mounts);
	r = share_directory();
	if (r)
		return r;
	snprintf(path, sizeof(path), NETNS_DIR "/%s", name);
	/* A file that is no namespace is left of a run that was killed right here. */
	fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	close(fd);
	return mount("/proc/self/ns/net", path, "none", MS_BIND, NULL) < 0 ? -errno : 0;
}

static int unpin(const char *name, pid_t mounts)
{
	char path[128];

	enter_mounts(mounts);
	snprintf(path, sizeof(path), NETNS_DIR "/%s", name);
	if (umount2(path, MNT_DETACH) < 0)
		return -errno;
	return unlink(path) < 0 ? -errno : 0;
}

/* As the eldest ancestor sees it, else as we do. */
static int open_pinned(const struct nic_set *set)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/root" NETNS_DIR "/%s", eldest(), set->ns_name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), NETNS_DIR "/%s", set->ns_name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Opens the named namespace if there is one. -ENOENT otherwise. */
static int open_namespace(struct nic_set *set)
{
	struct stat now, named;
	int fd = open_pinned(set), r;

	if (fd < 0)
		return fd;
	r = enter(fd);
	if (r == -EINVAL)
		r = -ENOENT;
	if (!r && !(r = enter(set->origin_ns)) &&
		(fstat(fd, &named) < 0 || fstat(set->origin_ns, &now) < 0))
		r = -errno;
	if (r) {
		close(fd);
		return r;
	}
	if (now.st_ino == named.st_ino) { /* we are in it already */
		close(fd);
		set->ns_name[0] = 0;
		return 0;
	}
	set->data_ns = fd;
	return 0;
}

/* ---- choosing the data namespace ---- */

static int nic_of(const struct nic_set *set, const char *name)
{
	for (unsigned i = 0; i < set->n; i++)
		if (!strcmp(set->nic[i].name, name))
			return (int)i;
	return -1;
}

/* How many interfaces there are besides lo and the data NICs, and how many data NICs. */
static int count_links(struct nic_set *set, int netlink, unsigned *ret_others, unsigned *ret_nics)
{
	static struct nic_link links[LINKS_MAX];
	int n = nic_link_list(netlink, links, LINKS_MAX);

	if (n < 0)
		return n;
	*ret_others = n > LINKS_MAX ? (unsigned)n - LINKS_MAX : 0;
	*ret_nics = 0;
	for (int i = 0; i < n && i < LINKS_MAX; i++) {
		if (nic_of(set, links[i].name) >= 0)
			++*ret_nics;
		else if (!(links[i].flags & IFF_LOOPBACK))
			++*ret_others;
	}
	return 0;
}

/* With "auto": is a namespace of their own needed, or already in use? */
static int needs_namespace(struct nic_set *set, bool *ret_needed)
{
	unsigned others, nics, there = 0;
	int r = count_links(set, set->origin_link, &others, &nics);

	if (!r && moves(set)) {
		int netlink = socket_in(set, set->data_ns, 0);

		if (netlink < 0)
			return netlink;
		r = count_links(set, netlink, &(unsigned){ 0 }, &there);
		close(netlink);
	}
	*ret_needed = others || there;
	return r;
}

static bool name_possible(const char *name)
{
	if (!*name || *name == '.' || strlen(name) >= NS_NAME_MAX)
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("-_.", *name))
			return false;
	return true;
}

static void stay(struct nic_set *set)
{
	if (moves(set))
		close(set->data_ns);
	set->data_ns = set->origin_ns;
	set->ns_name[0] = 0;
}

/* fishbowl-data-OUTSIDE; in a network namespace other than the machine's own with its number behind
 * it, since another honeynet's may have a NIC of the same name. */
static void name_namespace(struct nic_set *set)
{
	const char *outside = set->table + strlen("fishbowl-");
	struct stat machine, here;

	snprintf(set->ns_name, sizeof(set->ns_name), "fishbowl-data-%s", outside);
	if (fstat(set->origin_ns, &here) < 0)
		return;
	if (stat("/proc/1/ns/net", &machine) == 0 && machine.st_ino == here.st_ino)
		return;
	snprintf(set->ns_name, sizeof(set->ns_name), "fishbowl-data-%s-%llx", outside,
		(unsigned long long)here.st_ino);
}

static int choose_namespace(
	struct nic_set *set, const char *data_netns, struct nic_error *ret_error)
{
	bool automatic = !strcmp(data_netns, "auto"), needed = true;
	int r;

	set->automatic = automatic;
	set->data_ns = set->origin_ns;
	if (!strcmp(data_netns, "no"))
		return 0;
	if (!automatic && !name_possible(data_netns))
		return nic_fail(ret_error, -EINVAL,
			"data_netns: \"%s\" is not a namespace name (letters, digits, - _ .)",
			data_netns);
	if (automatic)
		name_namespace(set);
	else
		snprintf(set->ns_name, sizeof(set->ns_name), "%s", data_netns);
	r = open_namespace(set);
	if (r && r != -ENOENT)
		return nic_fail(
			ret_error, r, "network namespace %s: %s", set->ns_name, strerror(-r));
	if (automatic && needs_namespace(set, &needed) == 0 && !needed) {
		stay(set);
		return 0;
	}
	if (r == -ENOENT && !(r = in_child(pin_new, set->ns_name)))
		r = open_namespace(set);
	if (r)
		return nic_fail(ret_error, r,
			"network namespace %s cannot be made: %s; CAP_SYS_ADMIN is needed, or "
			"data_netns = \"no\"",
			set->ns_name, strerror(-r));
	return 0;
}

/* ---- finding and moving ---- */

/* Where a NIC is: in the data namespace, or still (again) in the first one. */
static int locate(struct nic_set *set, const char *name, struct nic_link *ret_link, bool *ret_moved)
{
	int r = nic_link_find(set->data_link, name, ret_link);

	*ret_moved = !r && moves(set);
	return r && moves(set) ? nic_link_find(set->origin_link, name, ret_link) : r;
}

static int check_nic(struct nic_set *set, unsigned i, uint32_t *mtu, struct nic_error *ret_error)
{
	const char *name = set->nic[i].name;
	struct nic_link link;
	bool moved;
	int r = locate(set, name, &link, &moved);

	if (r == -ENODEV)
		return nic_fail(ret_error, r,
			"%s: no such network interface in this network namespace; `ip link` lists "
			"them",
			name);
	if (r)
		return nic_fail(ret_error, r, "%s: %s", name, strerror(-r));
	if (link.flags & IFF_LOOPBACK)
		return nic_fail(ret_error, -EINVAL, "%s: is the loopback, not a NIC", name);
	if (link.master)
		return nic_fail(ret_error, -EBUSY,
			"%s: is part of a bridge or bond, which would carry frames past the "
			"gateway; "
			"`ip link set %s nomaster` takes it out",
			name, name);
	if (link.mtu > PORT_MTU_MAX)
		return nic_fail(ret_error, -EMSGSIZE,
			"%s: MTU %u is above %u; `ip link set %s mtu %u`", name, link.mtu,
			PORT_MTU_MAX, name, PORT_MTU_MAX);
	if (*mtu && link.mtu != *mtu)
		return nic_fail(ret_error, -EMSGSIZE,
			"%s: MTU %u differs from %u of %s; `ip link set %s mtu %u`", name, link.mtu,
			*mtu, set->nic[0].name, name, *mtu);
	*mtu = link.mtu;
	return 0;
}

static int check_all(struct nic_set *set, struct nic_error *ret_error)
{
	uint32_t mtu = 0;
	int r = 0;

	for (unsigned i = 0; !r && i < set->n; i++)
		r = check_nic(set, i, &mtu, ret_error);
	return r;
}

/* Setting a NIC down or moving it must not let a last word of the kernel out, so: gate first. */
static int move_all(struct nic_set *set, struct nic_error *ret_error)
{
	const char *names[NIC_MAX];
	int ifindex[NIC_MAX];
	unsigned n = 0;
	int r = 0;

	for (unsigned i = 0; i < set->n && moves(set); i++) {
		struct nic_link link;
		bool moved;

		if (locate(set, set->nic[i].name, &link, &moved) || moved)
			continue;
		names[n] = set->nic[i].name;
		ifindex[n++] = link.ifindex;
	}
	if (!n)
		return 0;
	r = nic_setup_gate(set->table, names, n, set->locked, ret_error);
	for (unsigned i = 0; !r && i < n; i++) {
		r = nic_link_set_up(set->origin_link, ifindex[i], false);
		r = r ? r : nic_link_move(set->origin_link, ifindex[i], set->data_ns);
		if (r)
			nic_fail(ret_error, r,
				"%s: cannot be moved to network namespace %s: %s; data_netns = "
				"\"no\" leaves it",
				names[i], set->ns_name, strerror(-r));
	}
	if (!r)
		nic_setup_gate_remove(set->table);
	return r;
}

static unsigned list_present(struct nic_set *set, const char **ret_names)
{
	struct nic_link link;
	unsigned n = 0;

	for (unsigned i = 0; i < set->n; i++)
		if (!nic_link_find(set->data_link, set->nic[i].name, &link))
			ret_names[n++] = set->nic[i].name;
	return n;
}

/* From now on changes are told from this. */
static void note(struct nic_set *set, struct nic *nic)
{
	struct nic_link link;

	nic->presence = GONE;
	if (nic_link_find(set->data_link, nic->name, &link))
		return;
	nic->presence = PRESENT;
	nic->ifindex = link.ifindex;
	nic->up = link.flags & IFF_LOWER_UP;
}

static int set_up_all(struct nic_set *set, struct nic_error *ret_error)
{
	const char *names[NIC_MAX];
	int r = set->own ? nic_setup_namespace(ret_error) : 0;

	if (!r)
		r = nic_setup(
			set->data_link, set->table, names, list_present(set, names), ret_error);
	for (unsigned i = 0; i < set->n; i++)
		note(set, &set->nic[i]);
	return r;
}

/* Runs in the data namespace what works on the current one. */
static int set_up_there(struct nic_set *set, struct nic_error *ret_error)
{
	int r = enter(set->data_ns);

	if (r)
		return nic_fail(
			ret_error, r, "network namespace %s: %s", set->ns_name, strerror(-r));
	r = set_up_all(set, ret_error);
	enter(set->origin_ns);
	return r;
}

/* IPv6 has to be off in a new namespace before the first NIC gets there. */
static int silence_namespace(struct nic_set *set, struct nic_error *ret_error)
{
	int r = set->own ? enter(set->data_ns) : 0;

	if (!r && set->own) {
		r = nic_setup_namespace(ret_error);
		enter(set->origin_ns);
	}
	return r;
}

static int open_sockets(struct nic_set *set)
{
	set->data_link = moves(set) ? socket_in(set, set->data_ns, 0) : set->origin_link;
	if (set->data_link < 0)
		return set->data_link;
	set->data_watch = socket_in(set, set->data_ns, RTMGRP_LINK | RTMGRP_TC);
	if (set->data_watch < 0)
		return set->data_watch;
	if (moves(set))
		set->origin_watch = nic_link_socket(RTMGRP_LINK);
	return set->origin_watch < 0 && moves(set) ? set->origin_watch : 0;
}

static int prepare(struct nic_set *set, const char *data_netns, struct nic_error *ret_error)
{
	unsigned others = 0, nics;
	int r = choose_namespace(set, data_netns, ret_error);

	if (r)
		return r;
	r = open_sockets(set);
	if (!r)
		r = count_links(set, set->data_link, &others, &nics);
	if (r)
		return nic_fail(ret_error, r, "rtnetlink: %s", strerror(-r));
	set->own = !others;
	r = check_all(set, ret_error);
	r = r ? r : silence_namespace(set, ret_error);
	r = r ? r : move_all(set, ret_error);
	return r ? r : set_up_there(set, ret_error);
}

/* Names go into nft text and paths. */
static int take_names(struct nic_set *set, const char *const *names, struct nic_error *ret_error)
{
	for (unsigned i = 0; i < set->n; i++) {
		if (!*names[i] || strlen(names[i]) >= IFNAMSIZ || strpbrk(names[i], "\"\\/ $*\n"))
			return nic_fail(
				ret_error, -EINVAL, "\"%s\" is not a usable NIC name", names[i]);
		if (nic_of(set, names[i]) >= 0)
			return nic_fail(ret_error, -EINVAL, "%s: is named twice", names[i]);
		snprintf(set->nic[i].name, IFNAMSIZ, "%s", names[i]);
	}
	snprintf(set->table, sizeof(set->table), "fishbowl-%s", names[0]);
	for (char *c = set->table; *c; c++)
		if (!isalnum((unsigned char)*c))
			*c = *c == '-' ? '-' : '_';
	return 0;
}

static int start(struct nic_set *set, struct nic_error *ret_error)
{
	set->origin_ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	set->data_ns = set->origin_ns;
	set->origin_link = set->origin_ns < 0 ? -errno : nic_link_socket(0);
	if (set->origin_link < 0)
		return nic_fail(ret_error, set->origin_link, "network namespace: %s",
			strerror(-set->origin_link));
	return 0;
}

int nic_prepare(const char *const *names, unsigned n, const char *data_netns,
	struct nic_set **ret_set, struct nic_error *ret_error)
{
	struct nic_set *set;
	int r;

	if (!n || n > NIC_MAX)
		return nic_fail(ret_error, -EINVAL, "from 1 to %d data NICs are possible", NIC_MAX);
	set = calloc(1, sizeof(*set));
	if (!set)
		return nic_fail(ret_error, -ENOMEM, "out of memory");
	set->n = n;
	set->origin_ns = set->data_ns = -1;
	set->origin_link = set->data_link = set->origin_watch = set->data_watch = -1;
	r = take_names(set, names, ret_error);
	r = r ? r : start(set, ret_error);
	r = r ? r : prepare(set, data_netns, ret_error);
	if (r)
		nic_set_free(set);
	else
		*ret_set = set;
	return r;
}

int nic_again(struct nic_set *set, unsigned nic, struct nic_error *ret_error)
{
	const char *names[NIC_MAX];
	uint32_t mtu = 0;
	int r = check_nic(set, nic, &mtu, ret_error);

	r = r ? r : move_all(set, ret_error);
	if (r)
		return r;
	r = enter(set->data_ns);
	if (r)
		return nic_fail(ret_error, r, "network namespace: %s", strerror(-r));
	/* The gate for all that are there; the steps for the new one only: others are in use. */
	r = nic_setup_gate(set->table, names, list_present(set, names), set->locked, ret_error);
	if (!r)
		r = nic_setup_nic(set->data_link, set->nic[nic].name, ret_error);
	note(set, &set->nic[nic]);
	enter(set->origin_ns);
	return r;
}

int nic_lock(struct nic_set *set, bool locked, struct nic_error *ret_error)
{
	const char *names[NIC_MAX];
	int r = enter(set->data_ns);

	if (r)
		return nic_fail(ret_error, r, "network namespace: %s", strerror(-r));
	set->locked = locked; /* NICs that come back later are told too */
	r = nic_setup_gate(set->table, names, list_present(set, names), locked, ret_error);
	enter(set->origin_ns);
	return r;
}

int nic_port_open(struct nic_set *set, unsigned nic, int *ret_fd, struct port_info *ret_info)
{
	int r = enter(set->data_ns);

	if (r)
		return r;
	r = port_open(set->nic[nic].ifindex, NIC_MARK, ret_fd, ret_info);
	enter(set->origin_ns);
	return r;
}

/* Whether the kernel cuts what leaves by it, exactly and at once. */
static bool cuts(const struct nic_set *set, const struct nic_link *link)
{
	bool r = !link->queues && enter(set->data_ns) == 0;

	if (r) {
		r = nic_setup_cuts(link->name);
		enter(set->origin_ns);
	}
	return r;
}

int nic_port_open_merged(struct nic_set *set, unsigned nic, int *ret_fd)
{
	struct nic_link link;
	int r = nic_link_find(set->data_link, set->nic[nic].name, &link);

	set->nic[nic].merged = false;
	if (!r)
		r = cuts(set, &link) ? enter(set->data_ns) : -EOPNOTSUPP;
	if (r)
		return r;
	r = port_open_merged(link.ifindex, NIC_MARK, ret_fd);
	enter(set->origin_ns);
	set->nic[nic].merged = r == 0;
	return r;
}

/* An empty namespace that we named is not left behind. */
static void forget_namespace(struct nic_set *set)
{
	unsigned others, nics;

	if (set->automatic && moves(set) && count_links(set, set->data_link, &others, &nics) == 0 &&
		others + nics == 0)
		(void)in_child(unpin, set->ns_name);
}

int nic_restore(struct nic_set *set)
{
	int result = 0;

	for (unsigned i = 0; i < set->n; i++) {
		struct nic_link link;
		int r = nic_link_find(set->data_link, set->nic[i].name, &link);

		if (r)
			continue;
		r = nic_link_set_up(set->data_link, link.ifindex, false);
		if (!r && moves(set))
			r = nic_link_move(set->data_link, link.ifindex, set->origin_ns);
		result = result ? result : r;
	}
	forget_namespace(set);
	return result;
}

static void close_once(int fd, int other)
{
	if (fd >= 0 && fd != other)
		close(fd);
}

struct nic_set *nic_set_free(struct nic_set *set)
{
	if (!set)
		return NULL;
	close_once(set->data_link, set->origin_link);
	close_once(set->origin_link, -1);
	close_once(set->data_watch, -1);
	close_once(set->origin_watch, -1);
	close_once(set->data_ns, set->origin_ns);
	close_once(set->origin_ns, -1);
	free(set);
	return NULL;
}

/* ---- looking on ---- */

int nic_counters(struct nic_set *set, unsigned nic, struct nic_counters *ret_counters)
{
	struct nic_link link;
	int r = nic_link_find(set->data_link, set->nic[nic].name, &link);

	if (r)
		return r;
	*ret_counters = (struct nic_counters){ link.rx_frames, link.tx_frames, link.rx_bytes,
		link.tx_bytes, link.rx_dropped, link.tx_dropped };
	return 0;
}

const char *nic_namespace(const struct nic_set *set)
{
	return set->ns_name;
}

int nic_namespace_fd(const struct nic_set *set)
{
	return set->data_ns;
}

const char *nic_name(const struct nic_set *set, unsigned nic)
{
	return set->nic[nic].name;
}

void nic_watch_fds(const struct nic_set *set, int ret_fds[static 2])
{
	ret_fds[0] = set->data_watch;
	ret_fds[1] = set->origin_watch;
}

/* The news only wake us; what is so now is asked for. So lost news (ENOBUFS) lose nothing. */
static void drain(int fd)
{
	char buf[4096];

	while (fd >= 0 && (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0 || errno == ENOBUFS))
		;
}

/* Compares a NIC with what is known of it; false when nothing changed. */
static bool look(struct nic_set *set, struct nic *nic, enum nic_change *ret_change)
{
	struct nic_link link;
	bool moved, up, was_up = nic->up;
	int r = locate(set, nic->name, &link, &moved);

	if (r) {
		*ret_change = NIC_GONE;
		r = nic->presence != GONE;
		nic->presence = GONE;
		return r;
	}
	if (nic->presence != PRESENT || link.ifindex != nic->ifindex || moved != moves(set)) {
		*ret_change = NIC_BACK;
		r = nic->presence != OFFERED || nic->offered != link.ifindex;
		nic->presence = OFFERED;
		nic->offered = link.ifindex;
		return r;
	}
	if (nic->merged && !cuts(set, &link)) {
		*ret_change = NIC_UNCUT;
		nic->merged = false;
		return true;
	}
	up = link.flags & IFF_LOWER_UP;
	nic->up = up;
	*ret_change = up ? NIC_LINK_UP : NIC_LINK_DOWN;
	return up != was_up;
}

int nic_watch_read(struct nic_set *set, struct nic_event ret_events[static NIC_MAX])
{
	int n = 0;

	drain(set->data_watch);
	drain(set->origin_watch);
	for (unsigned i = 0; i < set->n; i++) {
		enum nic_change change;

		if (look(set, &set->nic[i], &change))
			ret_events[n++] = (struct nic_event){ i, change };
	}
	return n;
}
