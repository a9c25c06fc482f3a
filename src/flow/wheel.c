/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers: a wheel of one bucket a second. A frame only moves its flow's last time; when the flow's bucket
 * is due its deadline is worked out anew, and it is ended or put into a later bucket. So a frame costs
 * nothing here, and each flow is looked at once a timeout or once a turn.
 */
#include "flow/table.h"

enum { NS = 1000000000 };

/* The end takes a handshake too: both FINs are sent again until they are acknowledged. */
static enum flow_timeout timeout_of_tcp(const struct flow_tally *t)
{
	if (t->state == FLOW_CLOSED)
		return FLOW_TIMEOUT_TCP_CLOSED;
	return t->state == FLOW_NEW || t->fin_seen == 3 ? FLOW_TIMEOUT_TCP_NEW
							: FLOW_TIMEOUT_TCP_ESTABLISHED;
}

static enum flow_timeout timeout_of(const struct flow *flow)
{
	switch (flow->key.proto) {
	case IPPROTO_TCP:
		return timeout_of_tcp(&flow->tally);
	case 17:
		return FLOW_TIMEOUT_UDP;
	case 1:
	case 58:
		return FLOW_TIMEOUT_ICMP;
	default:
		return FLOW_TIMEOUT_OTHER;
	}
}

int64_t flow_deadline(const struct flow_table *table, const struct flow *flow)
{
	return flow->tally.last_steady_ns + table->timeout_ns[timeout_of(flow)];
}

bool flow_timed_out(const struct flow_table *table, const struct flow *flow, int64_t steady_ns)
{
	return steady_ns > flow_deadline(table, flow);
}

void wheel_init(struct flow_table *table)
{
	for (unsigned i = 0; i < WHEEL_SECONDS; i++)
		table->bucket[i] = FLOW_NONE;
	table->ended_first = table->ended_last = FLOW_NONE;
	table->wheel_s = -1; /* set by the first flow */
}

/* The second after the deadline, but never one that is done already nor one beyond a turn. */
void wheel_add(struct flow_table *table, uint32_t slot)
{
	int64_t due = flow_deadline(table, &table->flow[slot]) / NS + 1;
	uint32_t b;

	if (table->wheel_s < 0)
		table->wheel_s = table->flow[slot].tally.last_steady_ns / NS;
	if (due < table->wheel_s)
		due = table->wheel_s;
	if (due >= table->wheel_s + WHEEL_SECONDS)
		due = table->wheel_s + WHEEL_SECONDS - 1;
	b = (uint32_t)(due % WHEEL_SECONDS);
	table->bucket_of[slot] = b;
	table->link[slot] = (struct flow_link){ .next = table->bucket[b], .prev = FLOW_NONE };
	if (table->bucket[b] != FLOW_NONE)
		table->link[table->bucket[b]].prev = slot;
	table->bucket[b] = slot;
}

void wheel_remove(struct flow_table *table, uint32_t slot)
{
	struct flow_link link = table->link[slot];

	if (link.prev != FLOW_NONE)
		table->link[link.prev].next = link.next;
	else
		table->bucket[table->bucket_of[slot]] = link.next;
	if (link.next != FLOW_NONE)
		table->link[link.next].prev = link.prev;
}

void flow_reschedule(struct flow_table *table, uint32_t slot)
{
	wheel_remove(table, slot);
	wheel_add(table, slot);
}

static void look_at(struct flow_table *table, uint32_t slot, int64_t steady_ns)
{
	const struct flow *flow = &table->flow[slot];

	if (!flow_timed_out(table, flow, steady_ns))
		flow_reschedule(table, slot);
	else
		flow_end(table, slot,
			flow->tally.state == FLOW_CLOSED ? FLOW_END_CLOSED : FLOW_END_TIMEOUT);
}

void flow_expire(struct flow_table *table, int64_t steady_ns, uint32_t max)
{
	int64_t now_s = steady_ns / NS;

	/* After a long pause one turn sees every flow. */
	if (table->wheel_s >= 0 && table->wheel_s < now_s - WHEEL_SECONDS)
		table->wheel_s = now_s - WHEEL_SECONDS;
	/* A bucket is done when its second is over. */
	while (table->wheel_s >= 0 && table->wheel_s < now_s) {
		uint32_t slot = table->bucket[table->wheel_s % WHEEL_SECONDS];

		if (slot == FLOW_NONE) {
			table->wheel_s++;
			continue;
		}
		if (max-- == 0)
			return;
		look_at(table, slot, steady_ns);
	}
}
