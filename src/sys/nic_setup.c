/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/nic_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/out.h"
#include "sys/nic_link.h"

enum { GATE_TEXT_MAX = 8192, FEATURES_MAX = 256 };

int nic_fail(struct nic_error *ret_error, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(ret_error->text, sizeof(ret_error->text), fmt, args);
	va_end(args);
	return code;
}

/* ---- /proc/sys ---- */

static bool sysctl_is(const char *path, const char *value)
{
	char now[16] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, now, sizeof(now) - 1);

	if (fd >= 0)
		close(fd);
	return n > 0 && strcspn(now, "\n") == strlen(value) && !strncmp(now, value, strlen(value));
}

static int sysctl_set(const char *family, const char *nic, const char *key, const char *value,
	struct nic_error *ret_error)
{
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, nic, key);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : write(fd, value, strlen(value));
	if (n < 0 && !sysctl_is(path, value)) {
		int code = -errno;

		if (fd >= 0)
			close(fd);
		return nic_fail(ret_error, code,
			"%s: cannot be set to %s (%s); is /proc/sys read-only?", path, value,
			strerror(-code));
	}
	if (fd >= 0)
		close(fd);
	return 0;
}

/* arp_ignore 8: no answer for any local address (Documentation/networking/ip-sysctl). */
static int silence(const char *nic, struct nic_error *ret_error)
{
	int r = sysctl_set("ipv4", nic, "arp_ignore", "8", ret_error);

	if (!r && !access("/proc/sys/net/ipv6/conf", F_OK))
		r = sysctl_set("ipv6", nic, "disable_ipv6", "1", ret_error);
	return r;
}

int nic_setup_namespace(struct nic_error *ret_error)
{
	int r = silence("default", ret_error);

	return r ? r : silence("all", ret_error);
}

/* ---- nft ---- */

/* The program, not libnftables: that is GPL-2.0-only, which does not go together with our licence in
 * one program (doc/design/dependencies.md). */
static const char *const nft_paths[] = { "/usr/sbin/nft", "/sbin/nft", "/usr/local/sbin/nft" };

/* The script as its standard input, its messages into `messages`; in our network namespace. */
static int spawn_nft(int script, int messages, pid_t *ret_pid)
{
	char *argv[] = { strdup("nft"), strdup("-f"), strdup("-"), NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int r = ENOENT;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, script, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, messages, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, messages, STDERR_FILENO);
	posix_spawnattr_init(&attributes);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	for (size_t i = 0; i < sizeof(nft_paths) / sizeof(nft_paths[0]) && r == ENOENT; i++)
		r = posix_spawn(ret_pid, nft_paths[i], &actions, &attributes, argv, NULL);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	for (size_t i = 0; argv[i]; i++)
		free(argv[i]);
	return -r;
}

/* A file in memory with this text, read from its beginning. */
static int text_file(const char *text)
{
	int fd = memfd_create("nft", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (pwrite(fd, text, strlen(text), 0) != (ssize_t)strlen(text)) {
		close(fd);
		return -ENOSPC;
	}
	return fd;
}

static int run_nft(const char *text, struct nic_error *ret_error)
{
	int script = text_file(text), messages = text_file(""), status = -1, r;
	char said[160] = "";
	pid_t pid;

	r = script < 0 ? script : messages < 0 ? messages : spawn_nft(script, messages, &pid);
	if (r == 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	if (r < 0)
		r = nic_fail(ret_error, r, "the program nft: %s; it is in the package nftables",
			strerror(-r));
	else if (status != 0 && pread(messages, said, sizeof(said) - 1, 0) >= 0)
		r = nic_fail(ret_error, -EPROTO,
			"nftables refuses the gate (the kernel needs nf_tables netdev egress, "
			"Linux 5.16): %.*s",
			(int)strcspn(said, "\n"), said);
	if (script >= 0)
		close(script);
	if (messages >= 0)
		close(messages);
	return r;
}

int nic_setup_gate(const char *table, const char *const *names, unsigned n, bool locked,
	struct nic_error *ret_error)
{
	char text[GATE_TEXT_MAX];
	struct out o = out_make(text, sizeof(text));

	out_fmt(&o, "table netdev %s {}\ndelete table netdev %s\ntable netdev %s {\n", table, table,
		table);
	for (unsigned i = 0; i < n; i++) {
		out_fmt(&o,
			"chain in%u { type filter hook ingress device \"%s\" priority -500; policy "
			"drop; }\n",
			i, names[i]);
		out_fmt(&o,
			"chain out%u { type filter hook egress device \"%s\" priority 500; policy "
			"drop; ",
			i, names[i]);
		if (!locked)
			out_fmt(&o, "meta mark 0x%x accept; ", NIC_MARK);
		out_str(&o, "}\n");
	}
	out_str(&o, "}\n");
	if (!out_ok(&o))
		return nic_fail(ret_error, -E2BIG, "too many data NICs");
	return run_nft(text, ret_error);
}

int nic_setup_gate_remove(const char *table)
{
	struct nic_error error;
	char text[128];

	snprintf(text, sizeof(text), "table netdev %s {}\ndelete table netdev %s\n", table, table);
	return run_nft(text, &error);
}

/* ---- offloads: what merges frames or takes tags out of them; what cuts them (nic_setup_cuts) ---- */

static const struct {
	const char *name;
	bool must_be_off; /* it would merge frames: those that left the wire could not be had back */
} offloads[] = {
	{ "rx-gro", true },
	{ "rx-gro-hw", true },
	{ "rx-gro-list", true },
	{ "rx-udp-gro-forwarding", true },
	{ "rx-lro", true },
	{ "rx-vlan-hw-parse", false },
	{ "tx-vlan-hw-insert", false },
	{ "tx-tcp-segmentation", false },
	{ "tx-tcp-ecn-segmentation", false },
	{ "tx-tcp-mangleid-segmentation", false },
	{ "tx-tcp6-segmentation", false },
	{ "tx-checksum-ip-generic", false },
	{ "tx-checksum-ipv4", false },
	{ "tx-checksum-ipv6", false },
	{ "tx-checksum-sctp", false },
};

static int ethtool(int fd, const char *nic, void *data)
{
	struct ifreq req = { .ifr_data = data };

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", nic);
	return ioctl(fd, SIOCETHTOOL, &req) < 0 ? -errno : 0;
}

struct features {
	unsigned n;
	char name[FEATURES_MAX][ETH_GSTRING_LEN];
};

static int read_names(int fd, const char *nic, struct features *ret_features)
{
	union {
		struct ethtool_sset_info head;
		uint8_t room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
	} count = { .head = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1U << ETH_SS_FEATURES } };
	struct ethtool_gstrings *strings;
	int r = ethtool(fd, nic, &count);

	if (r || count.head.data[0] > FEATURES_MAX)
		return r ? r : -E2BIG;
	strings = calloc(1, sizeof(*strings) + sizeof(ret_features->name));
	if (!strings)
		return -ENOMEM;
	strings->cmd = ETHTOOL_GSTRINGS;
	strings->string_set = ETH_SS_FEATURES;
	strings->len = count.head.data[0];
	r = ethtool(fd, nic, strings);
	ret_features->n = strings->len;
	memcpy(ret_features->name, strings->data, sizeof(ret_features->name));
	free(strings);
	return r;
}

static int feature_index(const struct features *f, const char *name)
{
	for (unsigned i = 0; i < f->n; i++)
		if (!strncmp(f->name[i], name, ETH_GSTRING_LEN))
			return (int)i;
	return -1;
}

static int switch_off(
	int fd, const char *nic, const struct features *f, struct nic_error *ret_error)
{
	union {
		struct ethtool_sfeatures head;
		uint8_t room[sizeof(struct ethtool_sfeatures) +
			     FEATURES_MAX / 32 * sizeof(struct ethtool_set_features_block)];
	} set = { .head = { .cmd = ETHTOOL_SFEATURES, .size = (f->n + 31) / 32 } };
	union {
		struct ethtool_gfeatures head;
		uint8_t room[sizeof(struct ethtool_gfeatures) +
			     FEATURES_MAX / 32 * sizeof(struct ethtool_get_features_block)];
	} get = { .head = { .cmd = ETHTOOL_GFEATURES, .size = (f->n + 31) / 32 } };
	int at;

	for (size_t i = 0; i < sizeof(offloads) / sizeof(*offloads); i++)
		if ((at = feature_index(f, offloads[i].name)) >= 0)
			set.head.features[at / 32].valid |= 1U << at % 32;
	(void)ethtool(fd, nic, &set); /* judged by the outcome */
	if (ethtool(fd, nic, &get))
		return 0;
	for (size_t i = 0; i < sizeof(offloads) / sizeof(*offloads); i++) {
		at = feature_index(f, offloads[i].name);
		if (at >= 0 && offloads[i].must_be_off &&
			get.head.features[at / 32].active >> at % 32 & 1)
			return nic_fail(ret_error, -EOPNOTSUPP,
				"%s: %s cannot be switched off; it merges frames", nic,
				offloads[i].name);
	}
	return 0;
}

/* A NIC without ethtool support has nothing to switch off. */
static int offloads_off(const char *nic, struct nic_error *ret_error)
{
	struct features features;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = 0;

	if (fd < 0)
		return nic_fail(ret_error, -errno, "%s: %s", nic, strerror(errno));
	if (!read_names(fd, nic, &features))
		r = switch_off(fd, nic, &features, ret_error);
	close(fd);
	return r;
}

bool nic_setup_cuts(const char *name)
{
	/* Any transmit checksum, that of SCTP too. */
	static const uint32_t offload[] = { ETHTOOL_GTSO, ETHTOOL_GTXCSUM };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool cuts = fd >= 0;

	for (size_t i = 0; cuts && i < sizeof(offload) / sizeof(*offload); i++) {
		struct ethtool_value is = { .cmd = offload[i] };

		cuts = ethtool(fd, name, &is) == 0 && is.data == 0;
	}
	if (fd >= 0)
		close(fd);
	return cuts;
}

int nic_setup_nic(int netlink, const char *name, struct nic_error *ret_error)
{
	struct nic_link link;
	int r = nic_link_find(netlink, name, &link);

	if (!r)
		r = nic_link_set_up(netlink, link.ifindex, false);
	if (r)
		return nic_fail(ret_error, r, "%s: cannot be set down: %s", name, strerror(-r));
	r = silence(name, ret_error);
	if (r)
		return r;
	r = nic_link_flush(netlink, link.ifindex);
	if (r)
		return nic_fail(
			ret_error, r, "%s: addresses cannot be removed: %s", name, strerror(-r));
	r = offloads_off(name, ret_error);
	if (r)
		return r;
	r = nic_link_set_up(netlink, link.ifindex, true);
	return r ? nic_fail(ret_error, r, "%s: cannot be set up: %s", name, strerror(-r)) : 0;
}

int nic_setup(int netlink, const char *table, const char *const *names, unsigned n,
	struct nic_error *ret_error)
{
	int r = nic_setup_gate(table, names, n, false, ret_error);

	for (unsigned i = 0; !r && i < n; i++)
		r = nic_setup_nic(netlink, names[i], ret_error);
	return r;
}
