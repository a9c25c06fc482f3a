/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ring.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Positions are byte counts that only grow; position modulo data size is the place. The producer's
 * and the consumer's words are on cache lines of their own.
 *
 * `head` is the one word that publishes. A restarted producer also needs the next sequence number,
 * and two words cannot be stored as one: so the header of the entry that will come next, with its
 * sequence number, is written behind each entry before head is moved over that entry. */
struct ring_shared {
	_Alignas(64) uint32_t magic;
	uint32_t version;
	uint64_t data_size;
	_Alignas(64) _Atomic uint64_t head; /* producer: end of the last committed entry */
	_Alignas(64) _Atomic uint64_t tail; /* consumer: end of the last released entry */
	_Alignas(64) uint8_t data[];
};

struct ring {
	struct ring_shared *shared;
	uint64_t mask;
	uint64_t size;
	uint64_t at;       /* producer: head; consumer: end of the last peeked entry */
	uint64_t last_at;  /* consumer: start of the last peeked entry */
	uint64_t limit;    /* cached word of the other side */
	uint64_t next_seq; /* producer */
	uint64_t reserved_at;
	uint32_t reserved_size;
	bool reserved;
};

enum { ENTRY_ALIGN = 8, KIND_PADDING = 0 };

static uint64_t entry_span(uint32_t payload_size)
{
	return sizeof(struct ring_entry) +
	       (((uint64_t)payload_size + ENTRY_ALIGN - 1) & ~(uint64_t)(ENTRY_ALIGN - 1));
}

static struct ring_entry *entry_at(const struct ring *ring, uint64_t position)
{
	return (struct ring_entry *)(void *)(ring->shared->data + (position & ring->mask));
}

/* Where the entry that starts at `position` has its header: fewer bytes to the end of the area
 * than a header needs are skipped. */
static uint64_t next_place(const struct ring *ring, uint64_t position)
{
	uint64_t to_end = ring->size - (position & ring->mask);

	return to_end < sizeof(struct ring_entry) ? position + to_end : position;
}

size_t ring_memory_size(size_t data_size)
{
	return sizeof(struct ring_shared) + data_size;
}

static bool is_size(uint64_t size)
{
	return size >= 4096 && (size & (size - 1)) == 0;
}

int ring_format(void *memory, size_t memory_size, uint64_t first_seq)
{
	struct ring_shared *shared = memory;

	if (memory_size < sizeof(*shared) || !is_size(memory_size - sizeof(*shared)))
		return -EINVAL;
	memset(shared, 0, sizeof(*shared));
	shared->version = RING_VERSION;
	shared->data_size = memory_size - sizeof(*shared);
	*(struct ring_entry *)(void *)shared->data = (struct ring_entry){ .seq = first_seq };
	atomic_thread_fence(memory_order_release);
	shared->magic = RING_MAGIC;
	return 0;
}

int ring_open(void *memory, size_t memory_size, struct ring **ret_ring)
{
	struct ring_shared *shared = memory;
	uint64_t head, tail;
	struct ring *ring;

	if (memory_size < sizeof(*shared) || !is_size(memory_size - sizeof(*shared)) ||
		shared->magic != RING_MAGIC || shared->version != RING_VERSION ||
		shared->data_size != memory_size - sizeof(*shared))
		return -EBADMSG;
	head = atomic_load(&shared->head);
	tail = atomic_load(&shared->tail);
	if (head - tail > shared->data_size || head % ENTRY_ALIGN || tail % ENTRY_ALIGN)
		return -EBADMSG;
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	ring->shared = shared;
	ring->size = memory_size - sizeof(*shared);
	ring->mask = ring->size - 1;
	/* Which side this is shows with the first call; both start where the shared words stand. */
	ring->at = UINT64_MAX;
	ring->next_seq = entry_at(ring, next_place(ring, head))->seq;
	*ret_ring = ring;
	return 0;
}

struct ring *ring_free(struct ring *ring)
{
	free(ring);
	return NULL;
}

static void start_producer(struct ring *ring)
{
	if (ring->at != UINT64_MAX)
		return;
	ring->at = next_place(ring, atomic_load(&ring->shared->head));
	ring->limit = atomic_load(&ring->shared->tail);
}

static void start_consumer(struct ring *ring)
{
	if (ring->at != UINT64_MAX)
		return;
	ring->at = atomic_load(&ring->shared->tail);
	ring->last_at = ring->at;
	ring->limit = ring->at;
}

static bool has_room(struct ring *ring, uint64_t need)
{
	if (ring->at + need - ring->limit <= ring->size)
		return true;
	ring->limit = atomic_load_explicit(&ring->shared->tail, memory_order_acquire);
	/* A consumer that lies about its tail can only make the ring look full. */
	return ring->at - ring->limit <= ring->size && ring->at + need - ring->limit <= ring->size;
}

void *ring_reserve(struct ring *ring, uint32_t size, struct ring_entry **ret_entry)
{
	uint64_t span = entry_span(size), to_end, start;
	struct ring_entry *entry;

	start_producer(ring);
	to_end = ring->size - (ring->at & ring->mask);
	if (span > ring->size / 2)
		return NULL;
	start = to_end < span ? ring->at + to_end : ring->at;
	/* Behind the entry comes the next one's header, perhaps after a few skipped bytes. */
	if (!has_room(ring, start - ring->at + span + 2 * sizeof(*entry)))
		return NULL;
	if (start != ring->at) {
		entry = entry_at(ring, ring->at);
		entry->kind = KIND_PADDING;
		entry->size = (uint32_t)(to_end - sizeof(*entry));
	}
	ring->reserved_at = start;
	ring->reserved_size = size;
	ring->reserved = true;
	entry = entry_at(ring, start);
	entry->flags = 0;
	entry->flow = 0;
	*ret_entry = entry;
	return entry + 1;
}

uint64_t ring_commit(struct ring *ring, uint32_t size)
{
	struct ring_entry *entry = entry_at(ring, ring->reserved_at);
	uint64_t seq = ring->next_seq, head = ring->reserved_at + entry_span(size);

	assert(ring->reserved && size <= ring->reserved_size && entry->kind != KIND_PADDING);
	entry->size = size;
	entry->seq = seq;
	ring->reserved = false;
	ring->at = next_place(ring, head);
	ring->next_seq = seq + 1;
	entry_at(ring, ring->at)->seq = ring->next_seq;
	atomic_store_explicit(&ring->shared->head, head, memory_order_release);
	return seq;
}

uint64_t ring_next_seq(const struct ring *ring)
{
	return ring->next_seq;
}

size_t ring_used(const struct ring *ring)
{
	uint64_t used = atomic_load_explicit(&ring->shared->head, memory_order_acquire) -
			atomic_load_explicit(&ring->shared->tail, memory_order_acquire);

	return used <= ring->size ? (size_t)used : (size_t)ring->size;
}

size_t ring_room(const struct ring *ring)
{
	return (size_t)ring->size - ring_used(ring);
}

size_t ring_data_size(const struct ring *ring)
{
	return (size_t)ring->size;
}

int ring_peek(struct ring *ring, struct ring_entry *ret_entry, const void **ret_payload)
{
	start_consumer(ring);
	for (;;) {
		uint64_t to_end = ring->size - (ring->at & ring->mask), span;
		struct ring_entry entry;

		if (ring->at == ring->limit) {
			ring->limit =
				atomic_load_explicit(&ring->shared->head, memory_order_acquire);
			if (ring->at == ring->limit)
				return 0;
			if (ring->limit - ring->at > ring->size)
				return -EBADMSG;
		}
		if (to_end < sizeof(entry)) {
			if (ring->limit - ring->at < to_end)
				return -EBADMSG;
			ring->at += to_end;
			continue;
		}
		memcpy(&entry, entry_at(ring, ring->at), sizeof(entry));
		span = entry_span(entry.size);
		if (span > to_end || span > ring->limit - ring->at)
			return -EBADMSG;
		ring->last_at = ring->at;
		ring->at += span;
		if (entry.kind == KIND_PADDING)
			continue;
		*ret_entry = entry;
		*ret_payload = entry_at(ring, ring->last_at) + 1;
		return 1;
	}
}

void ring_release(struct ring *ring)
{
	if (ring->at == UINT64_MAX)
		return;
	atomic_store_explicit(&ring->shared->tail, ring->at, memory_order_release);
	ring->last_at = ring->at;
}

void ring_unpeek(struct ring *ring)
{
	ring->at = ring->last_at;
	ring_release(ring);
}
