/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget - what each honeypot, and all of them together, may begin and send, in memory that survives its
 * user's death at any instruction, and a reboot.
 *
 * - New conversations and questions: exact sliding logs. A log keeps the times of the last `count` that
 *   were let out; another one is let out only when the oldest of them left the window.
 * - Different destinations and ports: a slot for each, with the time it was last begun to; a new one
 *   needs a slot whose time left the window. Networks: a log of times and networks.
 * - Packets and bytes: control/volume.h.
 * A crash in the middle of taking can only cost the honeypot. Times in the memory are of its own clock, which
 * never goes back: steady time plus an offset; after a reboot it goes on where it stood when the memory
 * was last used.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "event/event.h"

struct conf;
struct policy;
struct budget;

#define BUDGET_TIMES_MAX (2u << 20) /* times of all logs of all honeypots together */
#define BUDGET_SEEN_MAX  (1u << 18) /* destinations, ports and networks, the same */
#define BUDGET_NETS      512        /* conversations that the log of networks remembers, at least */

/* What counts as one, each with a log of its own. */
enum budget_class {
	BUDGET_TCP,
	BUDGET_UDP,
	BUDGET_ICMP,
	BUDGET_OTHER,
	BUDGET_DNS, /* from here on: each packet */
	BUDGET_NTP,
	BUDGET_DHCP,
	BUDGET_NEIGHBOUR,
	BUDGET_CLASSES
};

/* One new conversation, question or neighbour's message. */
struct budget_item {
	enum budget_class class;
	bool has_port;
	uint16_t port; /* destination */
	struct ip dst;
};

/* Whose traffic it is. */
enum budget_way {
	BUDGET_BEGUN, /* in conversations that the honeypot began */
	BUDGET_REPLY  /* in those that came in */
};

/* Where a honeypot stands as to the "probably compromised" incident. */
enum budget_mark { BUDGET_MARK_NONE, BUDGET_MARK_PENDING, BUDGET_MARK_DONE };

size_t budget_memory_size(void);
/* -E2BIG: its limits together have more than BUDGET_TIMES_MAX or BUDGET_SEEN_MAX; -ENOMEM. */
int budget_check(const struct policy *policy);

/* -ENOMEM; -E2BIG: more than BUDGET_TIMES_MAX or BUDGET_SEEN_MAX in all limits. Zeroed memory is fresh.
 * Memory that makes no sense becomes used-up budgets. With other limits or honeypots than before, what
 * was used is kept by the honeypot's name. */
int budget_open(void *memory, const struct conf *conf, const struct policy *policy,
	int64_t steady_ns, bool same_boot, struct budget **ret_budget);
struct budget *budget_close(struct budget *budget);
/* Other limits from now on. On failure (as above) the old ones hold. */
int budget_set_policy(struct budget *budget, const struct policy *policy, int64_t steady_ns);

/* REASON_NONE: it may be let out now; else the limit that is used up. Takes nothing. */
enum reason budget_refuses(struct budget *budget, unsigned honeypot, const struct budget_item *item,
	int64_t steady_ns);
void budget_take(struct budget *budget, unsigned honeypot, const struct budget_item *item,
	int64_t steady_ns);

/* Takes packets and bytes (of whole frames) and says REASON_NONE, or takes nothing. */
enum reason budget_send(struct budget *budget, unsigned honeypot, enum budget_way way,
	uint64_t packets, uint64_t bytes, int64_t steady_ns);

enum budget_mark budget_mark(const struct budget *budget, unsigned honeypot);
void budget_set_mark(struct budget *budget, unsigned honeypot, enum budget_mark mark);
