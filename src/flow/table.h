/* SPDX-License-Identifier: Apache-2.0 */
/* table - the private side of a flow table. Private to src/flow. */
#pragma once

#include <netinet/in.h>

#include "flow/flow.h"

/* The wheel turns once in so many seconds; longer timeouts are looked at once a turn. */
enum { WHEEL_SECONDS = 4096 };

struct flow_link {
	uint32_t next, prev;
};

struct flow_index {
	uint32_t hash;
	uint32_t place; /* slot + 1; 0: empty */
};

/* In front of the slots. Those from `reached` on were never used: nobody reads them, and they cost no memory. */
struct flow_head {
	uint32_t reached;
	uint32_t zero[15];
};

struct flow_table {
	struct flow_head *head; /* in the caller's memory */
	struct flow *flow;      /* behind it */
	uint32_t slots, used, live;
	int64_t timeout_ns[FLOW_TIMEOUTS];
	unsigned char hash_key[16];
	struct flow_index *index; /* open addressing, linear, at most half full */
	uint32_t index_mask;
	uint32_t *hash; /* of each slot's key */
	uint32_t *free; /* stack of slots that are free again */
	uint32_t n_free;
	struct flow_link
		*link;       /* of a live slot in its wheel bucket, of an ended one in the queue */
	uint32_t *bucket_of; /* of a live slot */
	uint32_t bucket[WHEEL_SECONDS];
	uint32_t ended_first, ended_last;
	int64_t wheel_s; /* buckets before this second are done; -1: nothing is live */
};

/* Between honeypots no side is one. */
static inline bool flow_is_honeypot(const struct flow *flow, unsigned side)
{
	return flow->direction == (side == 0 ? DIRECTION_OUTBOUND : DIRECTION_INBOUND);
}

void wheel_init(struct flow_table *table);
void wheel_add(struct flow_table *table, uint32_t slot);
void wheel_remove(struct flow_table *table, uint32_t slot);
int64_t flow_deadline(const struct flow_table *table, const struct flow *flow);
