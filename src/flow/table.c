/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/table.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

size_t flow_table_size(uint32_t slots)
{
	return sizeof(struct flow_head) + (size_t)slots * sizeof(struct flow);
}

struct flow *flow_memory_slots(void *memory)
{
	return (struct flow *)(void *)((struct flow_head *)memory + 1);
}

void flow_memory_clear(void *memory)
{
	memset(memory, 0, sizeof(struct flow_head));
}

uint32_t flow_reached(const struct flow_table *table)
{
	return table->head->reached;
}

static uint32_t hash_of(const struct flow_table *table, const struct flow_key *key)
{
	uint64_t hash;

	crypto_shorthash(
		(unsigned char *)&hash, (const unsigned char *)key, sizeof(*key), table->hash_key);
	return (uint32_t)hash;
}

static bool key_equal(const struct flow_key *a, const struct flow_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Position of the key in the index, or of the empty place where it belongs. */
static uint32_t index_place(
	const struct flow_table *table, uint32_t hash, const struct flow_key *key)
{
	uint32_t at = hash & table->index_mask;

	for (;; at = (at + 1) & table->index_mask) {
		const struct flow_index *i = &table->index[at];

		if (i->place == 0)
			return at;
		if (i->hash == hash && key_equal(&table->flow[i->place - 1].key, key))
			return at;
	}
}

/* Linear probing without tombstones: what could not lie nearer to its place moves up. */
static void index_remove(struct flow_table *table, uint32_t hole)
{
	uint32_t mask = table->index_mask, at = hole;

	for (;;) {
		uint32_t home;

		at = (at + 1) & mask;
		if (table->index[at].place == 0)
			break;
		home = table->index[at].hash & mask;
		if (((at - home) & mask) >= ((at - hole) & mask)) {
			table->index[hole] = table->index[at];
			hole = at;
		}
	}
	table->index[hole].place = 0;
}

static void queue_ended(struct flow_table *table, uint32_t slot)
{
	table->link[slot] = (struct flow_link){ .next = FLOW_NONE, .prev = table->ended_last };
	if (table->ended_last != FLOW_NONE)
		table->link[table->ended_last].next = slot;
	else
		table->ended_first = slot;
	table->ended_last = slot;
}

static bool index_add(struct flow_table *table, uint32_t slot)
{
	uint32_t hash = hash_of(table, &table->flow[slot].key);
	uint32_t at = index_place(table, hash, &table->flow[slot].key);

	if (table->index[at].place != 0)
		return false;
	table->index[at] = (struct flow_index){ .hash = hash, .place = slot + 1 };
	table->hash[slot] = hash;
	return true;
}

/* What a table before this one left in a slot. False: it cannot be that. */
static bool take_over(struct flow_table *table, uint32_t slot)
{
	struct flow *flow = &table->flow[slot];

	if (flow->starter > 1 || flow->id == 0 || flow->tally.state > FLOW_CLOSED ||
		flow->tally.end > FLOW_END_SHUTDOWN || flow->direction > DIRECTION_INTERNAL ||
		flow->tally.reason >= REASON_COUNT || flow->tally.verdict > VERDICT_DROP)
		return false;
	switch (flow->tally.status) {
	case FLOW_ENDED:
		queue_ended(table, slot);
		return true;
	case FLOW_LIVE:
		if (!index_add(table, slot))
			return false;
		table->live++;
		wheel_add(table, slot);
		return true;
	}
	return false;
}

static void scan(struct flow_table *table, uint32_t *ret_lost)
{
	uint32_t lost = 0;

	if (table->head->reached > table->slots)
		table->head->reached = table->slots;
	for (uint32_t slot = table->head->reached; slot-- > 0;) {
		struct flow *flow = &table->flow[slot];

		if (flow->tally.status != FLOW_FREE && take_over(table, slot)) {
			table->used++;
			continue;
		}
		lost += flow->tally.status != FLOW_FREE;
		flow->tally.status = FLOW_FREE;
		table->free[table->n_free++] = slot;
	}
	*ret_lost = lost;
}

static int allocate(struct flow_table *table, uint32_t slots)
{
	uint32_t size = 1;

	while (size < 2 * slots)
		size *= 2;
	table->index_mask = size - 1;
	table->index = calloc(size, sizeof(*table->index));
	table->hash = calloc(slots, sizeof(*table->hash));
	table->free = calloc(slots, sizeof(*table->free));
	table->link = calloc(slots, sizeof(*table->link));
	table->bucket_of = calloc(slots, sizeof(*table->bucket_of));
	if (!table->index || !table->hash || !table->free || !table->link || !table->bucket_of)
		return -ENOMEM;
	return 0;
}

int flow_table_open(void *memory, uint32_t slots, const int64_t *timeout_ns,
	struct flow_table **ret_table, uint32_t *ret_lost)
{
	struct flow_table *table;

	if (slots == 0 || slots > FLOW_MAX)
		return -EINVAL;
	table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	table->head = memory;
	table->flow = flow_memory_slots(memory);
	table->slots = slots;
	memcpy(table->timeout_ns, timeout_ns, sizeof(table->timeout_ns));
	crypto_shorthash_keygen(table->hash_key);
	wheel_init(table);
	if (allocate(table, slots) < 0) {
		flow_table_close(table);
		return -ENOMEM;
	}
	scan(table, ret_lost);
	*ret_table = table;
	return 0;
}

struct flow_table *flow_table_close(struct flow_table *table)
{
	if (!table)
		return NULL;
	free(table->index);
	free(table->hash);
	free(table->free);
	free(table->link);
	free(table->bucket_of);
	free(table);
	return NULL;
}

struct flow *flow_get(struct flow_table *table, uint32_t slot)
{
	return &table->flow[slot];
}

uint32_t flow_slots(const struct flow_table *table)
{
	return table->slots;
}

uint32_t flow_used(const struct flow_table *table)
{
	return table->used;
}

uint32_t flow_find(const struct flow_table *table, const struct flow_key *key)
{
	uint32_t place = table->index[index_place(table, hash_of(table, key), key)].place;

	return place ? place - 1 : FLOW_NONE;
}

uint32_t flow_reserve(struct flow_table *table, const struct flow_key *key)
{
	struct flow *flow;
	uint32_t slot;

	if (table->n_free > 0)
		slot = table->free[table->n_free - 1];
	else if (table->head->reached < table->slots)
		slot = table->head->reached;
	else
		return FLOW_NONE;
	flow = &table->flow[slot];
	memset(flow, 0, sizeof(*flow));
	flow->key = *key;
	return slot;
}

void flow_begin(struct flow_table *table, uint32_t slot)
{
	if (table->n_free > 0)
		table->n_free--;
	else
		table->head->reached = slot + 1;
	atomic_thread_fence(memory_order_release); /* reached before it is live */
	table->used++;
	table->live++;
	index_add(table, slot);
	wheel_add(table, slot);
	table->flow[slot].tally.status = FLOW_LIVE;
}

void flow_end(struct flow_table *table, uint32_t slot, enum flow_end end)
{
	struct flow *flow = &table->flow[slot];

	index_remove(table, index_place(table, table->hash[slot], &flow->key));
	wheel_remove(table, slot);
	queue_ended(table, slot);
	if (--table->live == 0)
		table->wheel_s = -1; /* after a reboot time begins anew */
	flow->tally.end = (uint8_t)end;
	flow->tally.status = FLOW_ENDED;
}

uint32_t flow_first_ended(const struct flow_table *table)
{
	return table->ended_first;
}

void flow_free_ended(struct flow_table *table)
{
	uint32_t slot = table->ended_first;

	table->flow[slot].tally.status = FLOW_FREE;
	table->ended_first = table->link[slot].next;
	if (table->ended_first == FLOW_NONE)
		table->ended_last = FLOW_NONE;
	else
		table->link[table->ended_first].prev = FLOW_NONE;
	table->free[table->n_free++] = slot;
	table->used--;
}
