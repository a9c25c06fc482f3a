/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nic - the data NICs: where they live, that they are mute, and what becomes of them.
 *
 * For the supervisor (CAP_NET_ADMIN, CAP_SYS_ADMIN for namespaces), which has one thread: calls
 * change the network namespace of the thread and change it back.
 *
 * A prepared NIC: in the data namespace; no address, IPv6 off, ARP off; an nft table drops all that
 * the kernel would receive and all it would send without NIC_MARK; no GRO or LRO; segments and checksums of
 * what leaves are the kernel's work (nic_setup_cuts); then up. The table
 * and the settings stay when the program goes, however it goes: a NIC without gateway is silent.
 */
#pragma once

#include <linux/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "sys/port.h"

#define NIC_MAX      17          /* data NICs of one gateway: the outside and 16 inside */
#define NIC_MARK     0x46425753U /* SO_MARK of what a port sends */
#define NIC_TEXT_MAX 256

struct nic_set;

struct nic_error {
	char text[NIC_TEXT_MAX]; /* one line: NIC, fault, remedy */
};

struct nic_counters {
	uint64_t rx_frames, tx_frames, rx_bytes, tx_bytes, rx_dropped, tx_dropped;
};

enum nic_change {
	NIC_LINK_DOWN,
	NIC_LINK_UP,
	NIC_GONE,
	NIC_BACK, /* it is there again, unprepared: nic_again() */
	NIC_UNCUT, /* somebody made it one on which nic_port_open_merged() may not be used any more */
};

struct nic_event {
	unsigned nic;
	enum nic_change change;
};

/*
 * Finds and prepares the NICs, in the order given (the outside first). `data_netns`: "no" = they stay;
 * "auto" = a namespace of their own (fishbowl-data-OUTSIDE[-NUMBER]) unless this one holds nothing else; or
 * the name of a namespace, made if missing (kept in /run/netns as by `ip netns add`). NICs that an
 * earlier, killed run left there are found. Failure: -errno and *ret_error; NICs that could not be
 * prepared are down or gated, never open.
 */
int nic_prepare(const char *const *names, unsigned n, const char *data_netns,
	struct nic_set **ret_set, struct nic_error *ret_error);

/* Prepares one NIC again that was gone. */
int nic_again(struct nic_set *set, unsigned nic, struct nic_error *ret_error);

/* Locked: the table drops what ports send as well, so nothing passes whoever forwards. Ports still
 * receive. Holds for NICs that come back, too. After a failure the table is as it was. */
int nic_lock(struct nic_set *set, bool locked, struct nic_error *ret_error);

/* Opens a port (see port_open) on a prepared NIC, whatever namespace it is in. */
int nic_port_open(struct nic_set *set, unsigned nic, int *ret_fd, struct port_info *ret_info);
/* The same with port_open_merged. -EOPNOTSUPP: it is not such a NIC. */
int nic_port_open_merged(struct nic_set *set, unsigned nic, int *ret_fd);

/* Clean stop: links down, moved NICs go back. The table stays where NICs stay. */
int nic_restore(struct nic_set *set);

/* Forgets, changes nothing. */
struct nic_set *nic_set_free(struct nic_set *set);

/* Of the kernel, since the NIC exists. -ENODEV: it does not at the moment. */
int nic_counters(struct nic_set *set, unsigned nic, struct nic_counters *ret_counters);

/* Name of the data namespace, "" when the NICs stayed where they were. */
const char *nic_namespace(const struct nic_set *set);
/* Descriptor of the data namespace, borrowed, for setns. */
int nic_namespace_fd(const struct nic_set *set);
const char *nic_name(const struct nic_set *set, unsigned nic);

/* Descriptors to poll for POLLIN: of the data and of the first namespace (-1 if the same). */
void nic_watch_fds(const struct nic_set *set, int ret_fds[static 2]);
/* What changed since the last call, at most one event a NIC (a NIC that went and came back between
 * two calls is NIC_BACK). Returns how many, or -errno. */
int nic_watch_read(struct nic_set *set, struct nic_event ret_events[static NIC_MAX]);
