/* SPDX-License-Identifier: Apache-2.0 */
/* Free pieces are in a list by size; a piece is named by its first unit of POOL_PIECE_MIN. */
#include "stream/pool.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <assert.h>

enum { UNIT = POOL_PIECE_MIN, ORDERS = 16 };
#define NONE UINT32_MAX
static_assert((UNIT << (ORDERS - 1)) == POOL_PIECE_MAX, "largest order");

struct unit {
	uint32_t next, prev; /* in the list of its order, while free */
	uint8_t order;
	bool is_free; /* the first of a free piece */
};

struct pool {
	uint8_t *at;
	uint32_t units, used;
	uint32_t first[ORDERS];
	struct unit unit[];
};

static void list_add(struct pool *pool, uint32_t n, unsigned order)
{
	uint32_t next = pool->first[order];

	pool->unit[n] = (struct unit){
		.next = next, .prev = NONE, .order = (uint8_t)order, .is_free = true
	};
	if (next != NONE)
		pool->unit[next].prev = n;
	pool->first[order] = n;
}

static void list_remove(struct pool *pool, uint32_t n)
{
	struct unit *u = &pool->unit[n];

	if (u->prev == NONE)
		pool->first[u->order] = u->next;
	else
		pool->unit[u->prev].next = u->next;
	if (u->next != NONE)
		pool->unit[u->next].prev = u->prev;
	u->is_free = false;
}

/* The whole as the largest pieces that it is made of. */
static void split_all(struct pool *pool)
{
	for (unsigned i = 0; i < ORDERS; i++)
		pool->first[i] = NONE;
	for (uint32_t n = 0; n < pool->units;) {
		unsigned order = ORDERS - 1;

		while (n & ((1u << order) - 1) || (1u << order) > pool->units - n)
			order--;
		list_add(pool, n, order);
		n += 1u << order;
	}
}

int pool_new(size_t size, struct pool **ret_pool)
{
	size_t units = size / UNIT + (size % UNIT != 0);
	struct pool *pool;

	if (units == 0 || units >= NONE)
		return -EINVAL;
	pool = calloc(1, sizeof(*pool) + units * sizeof(pool->unit[0]));
	if (!pool)
		return -ENOMEM;
	pool->at = mmap(NULL, units * UNIT, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pool->at == MAP_FAILED) {
		free(pool);
		return -ENOMEM;
	}
	pool->units = (uint32_t)units;
	split_all(pool);
	*ret_pool = pool;
	return 0;
}

struct pool *pool_free(struct pool *pool)
{
	if (!pool)
		return NULL;
	assert(pool->used == 0);
	munmap(pool->at, (size_t)pool->units * UNIT);
	free(pool);
	return NULL;
}

static unsigned order_of(size_t size)
{
	unsigned order = 0;

	while (((size_t)UNIT << order) < size)
		order++;
	return order;
}

void *pool_get(struct pool *pool, size_t size, size_t *ret_room)
{
	unsigned order, from;
	uint32_t n;

	if (size > POOL_PIECE_MAX)
		return NULL;
	order = order_of(size);
	for (from = order; from < ORDERS && pool->first[from] == NONE; from++)
		;
	if (from == ORDERS)
		return NULL;
	n = pool->first[from];
	list_remove(pool, n);
	while (from > order) {
		from--;
		list_add(pool, n + (1u << from), from);
	}
	pool->unit[n].order = (uint8_t)order;
	pool->used += 1u << order;
	*ret_room = (size_t)UNIT << order;
	return pool->at + (size_t)n * UNIT;
}

void pool_put(struct pool *pool, void *piece)
{
	uint32_t n;
	unsigned order;

	if (!piece)
		return;
	n = (uint32_t)((size_t)((uint8_t *)piece - pool->at) / UNIT);
	order = pool->unit[n].order;
	pool->used -= 1u << order;
	while (order < ORDERS - 1) {
		uint32_t buddy = n ^ (1u << order);

		if (buddy >= pool->units || !pool->unit[buddy].is_free ||
			pool->unit[buddy].order != order)
			break;
		list_remove(pool, buddy);
		n &= ~(1u << order);
		order++;
	}
	list_add(pool, n, order);
}

size_t pool_size(const struct pool *pool)
{
	return (size_t)pool->units * UNIT;
}

size_t pool_used(const struct pool *pool)
{
	return (size_t)pool->used * UNIT;
}
