/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hosts - what is remembered of hosts and of conversations under way. Tables of fixed size; where one is full, the
 * entry used longest ago of a few goes. Private to src/fingerprint.
 */
#pragma once

#include "base/ip.h"
#include "fingerprint/clock.h"
#include "fingerprint/fingerprint.h"
#include "fingerprint/nat.h"
#include "fingerprint/tcp.h"

/* Which looks have been told of, by a number for each. */
struct told {
	uint64_t look[FINGERPRINT_LOOKS];
	uint8_t n;
};

#define HOSTS_WAYS 8

enum { AS_CLIENT, AS_SERVER, HOST_ROLES };

struct host {
	struct ip ip; /* unset: free */
	int64_t used_ns;
	uint64_t used; /* when, in calls */
	struct told told[SIGNATURE_KINDS];
	struct nat nat[HOST_ROLES];
	struct clock clock;
};

struct conversation {
	uint64_t used;
	struct ip client;
	uint16_t client_port;
	uint16_t mss; /* of the SYN */
	uint32_t seq;
	bool answered;             /* a SYN+ACK has come */
	bool requested, responded; /* HTTP messages have been looked at */
	struct clock_reading first[HOST_ROLES];
};

struct hosts;

/* Multiples of HOSTS_WAYS. -ENOMEM. */
int hosts_new(size_t n_hosts, size_t n_conversations, struct hosts **ret_hosts);
struct hosts *hosts_free(struct hosts *hosts);

/* What is known of a host; nothing yet, if it is new or was not seen for long. Valid until the next call. */
struct host *hosts_get(struct hosts *hosts, const struct ip *ip, int64_t wall_ns);
/* NULL: it is not known. */
struct conversation *hosts_find_conversation(struct hosts *hosts, uint64_t key);
/* A new one takes the place of another if need be. `key` is not 0. */
struct conversation *hosts_new_conversation(struct hosts *hosts, uint64_t key);
