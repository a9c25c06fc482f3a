/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring - one producer, one consumer, entries of any size, in memory that two processes share.
 *
 * The memory is a file or memfd that a third process (the supervisor) keeps: neither side's death
 * loses an entry that was committed. Every entry carries a sequence number that grows by one, so a
 * consumer that writes entries to disk can find after a crash where to go on (exactly once), and a
 * reader can see a gap.
 *
 *   producer: ring_reserve -> fill the payload -> ring_commit          (no system call, never waits)
 *   consumer: ring_peek ... ring_peek -> use the payloads -> ring_release
 *
 * The consumer treats the memory as hostile: an entry's header is copied once and checked before
 * it is used, and a fault is -EBADMSG. (The payload may still change under a compromised producer;
 * who interprets it, copies first.) Entries never wrap: the end of the area is filled by padding.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RING_MAGIC   0x46425249 /* "FBRI" */
#define RING_VERSION 1

/* What precedes each payload, 32 bytes. `kind`, `flow` and `time_ns` belong to the user. */
struct ring_entry {
	uint32_t size; /* of the payload, bytes */
	uint16_t kind; /* 0 = padding, never shown */
	uint16_t flags;
	uint64_t seq;
	uint64_t flow;
	int64_t time_ns;
};

struct ring; /* one side's view; private memory, so that the peer cannot lie about sizes */

/* Bytes of shared memory that a ring with `data_size` (power of two >= 4096) of data needs. */
size_t ring_memory_size(size_t data_size);

/* Formats fresh shared memory. `first_seq` is the sequence number of the first entry to come. */
int ring_format(void *memory, size_t memory_size, uint64_t first_seq);

/* Opens one side's view of formatted memory. -EBADMSG: not a ring, or its indices are impossible.
 * The caller keeps the memory mapped until ring_free. */
int ring_open(void *memory, size_t memory_size, struct ring **ret_ring);
struct ring *ring_free(struct ring *ring);

/* Producer. NULL from reserve means full: nothing was changed. The payload is `size` bytes,
 * aligned to 8; it and the entry's kind, flags, flow, time are the caller's until commit. */
void *ring_reserve(struct ring *ring, uint32_t size, struct ring_entry **ret_entry);
/* Publishes the reserved entry, cut to `size` (<= reserved). Returns its sequence number. */
uint64_t ring_commit(struct ring *ring, uint32_t size);
/* Sequence number that the next commit will get. */
uint64_t ring_next_seq(const struct ring *ring);
/* Bytes that can still be reserved before the ring is full (at most; wrapping may cost some). */
size_t ring_room(const struct ring *ring);

/* Consumer. Next entry not yet peeked: 1 and a copied header and borrowed payload, 0 when there is
 * none, -EBADMSG when the producer wrote nonsense. Payloads stay valid until ring_release. */
int ring_peek(struct ring *ring, struct ring_entry *ret_entry, const void **ret_payload);
/* Gives everything peeked so far back to the producer. */
void ring_release(struct ring *ring);
/* Gives back what was peeked before the last ring_peek; that one will be peeked again. */
void ring_unpeek(struct ring *ring);
/* Bytes committed and not yet released. */
size_t ring_used(const struct ring *ring);
size_t ring_data_size(const struct ring *ring);
