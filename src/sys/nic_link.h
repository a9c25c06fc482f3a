/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nic_link - rtnetlink as far as nic.c and mute.c need it. Each call is one request and its answer
 * on a socket, which stays in the network namespace in which it was opened. 0 or -errno.
 */
#pragma once

#include <linux/if.h>
#include <stdbool.h>
#include <stdint.h>

struct nic_link {
	int ifindex;
	char name[IFNAMSIZ];
	uint32_t flags; /* IFF_* */
	uint32_t mtu;
	int master;  /* ifindex of a bridge or bond; 0 = none */
	bool queues; /* it has a queueing discipline */
	uint8_t mac[6];
	uint64_t rx_frames, tx_frames, rx_bytes, tx_bytes, rx_dropped, tx_dropped;
};

int nic_link_socket(uint32_t groups); /* descriptor, close-on-exec, or -errno */

/* -ENODEV when there is none of that name. */
int nic_link_find(int netlink, const char *name, struct nic_link *ret_link);
/* At most `max`; returns how many there are. */
int nic_link_list(int netlink, struct nic_link *ret_links, int max);
int nic_link_set_up(int netlink, int ifindex, bool up);
int nic_link_move(int netlink, int ifindex, int ns);
int nic_link_add_veth(int netlink, const char *name, const char *peer);
int nic_link_add_address(int netlink, int ifindex, const uint8_t ip[static 4], uint8_t bits);
/* Removes every IPv4 and IPv6 address of the interface. */
int nic_link_flush(int netlink, int ifindex);
