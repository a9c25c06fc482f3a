/* SPDX-License-Identifier: Apache-2.0 */
/* nic_setup - the steps that make a NIC mute, in the current network namespace. For nic.c, mute.c. */
#pragma once

#include <stdbool.h>

#include "sys/nic.h"

__attribute__((format(printf, 3, 4))) int nic_fail(
	struct nic_error *ret_error, int code, const char *fmt, ...);

/* IPv6 off and ARP silent for interfaces that come into this namespace later. */
int nic_setup_namespace(struct nic_error *ret_error);

/* (Re)places the nft table: one transaction. Every NIC named must exist. `locked`: what has the mark is
 * dropped too. */
int nic_setup_gate(const char *table, const char *const *names, unsigned n, bool locked,
	struct nic_error *ret_error);
int nic_setup_gate_remove(const char *table);

/* One NIC behind a gate: down, silent, no addresses, offloads off, up. */
int nic_setup_nic(int netlink, const char *name, struct nic_error *ret_error);

/* Whether the kernel makes all segments and checksums of what leaves by it, not the NIC. */
bool nic_setup_cuts(const char *name);

/* Gate, down, silent, no addresses, offloads off, up: all NICs that are named. */
int nic_setup(int netlink, const char *table, const char *const *names, unsigned n,
	struct nic_error *ret_error);
