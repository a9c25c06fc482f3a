/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream - one direction of a TCP connection as the bytes its receiver will read, in order. A place in it is an
 * offset: 0 is the byte behind the SYN, or the first one seen.
 *
 * Policy for overlaps: what came first stands, and no later copy changes it (RFC 9293 leaves that to the
 * receiver). A gateway inline enforces it: the bytes of a later copy are made equal to the first ones before
 * it leaves (stream_overlay()), so all receivers agree. Bytes beyond the peer's window are the caller's to refuse.
 *
 * Kept are, in one piece of a pool that all streams share: segments that came too early, until the gap is filled;
 * bytes not acknowledged, if `inline`; and the last ones before those that were read, for whoever looks for what began
 * in an earlier segment. A byte is copied once, and once more when the piece grows or is full. When there is no
 * memory a segment is refused, never half taken.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/pool.h"

#define STREAM_LOOK_BACK (16u << 10) /* bytes kept behind what was read, unless told otherwise */
#define STREAM_EARLY_MAX (1u << 20)  /* how far ahead a segment may come */
#define STREAM_UNACKED_MAX \
	(16u << 20)         /* bytes kept for retransmissions; needs as much of the pool again */
#define STREAM_PARTS_MAX 64 /* pieces with gaps between them at a time */

struct stream;

int stream_new(struct pool *pool, struct stream **ret_stream); /* -ENOMEM */
struct stream *stream_free(struct stream *stream);

enum stream_result {
	STREAM_TAKEN,   /* in order: there are new bytes to be read */
	STREAM_EARLY,   /* kept until what is missing before it comes */
	STREAM_OLD,     /* nothing new in it */
	STREAM_NO_ROOM, /* not kept: memory, STREAM_UNACKED_MAX or STREAM_PARTS_MAX */
	STREAM_OUTSIDE, /* too far ahead */
};

/* The sequence number of offset 0. Forgets all there was. */
void stream_start(struct stream *stream, uint32_t seq);
bool stream_started(const struct stream *stream);
/* How many bytes to keep behind what was read, from now on. */
void stream_keep(struct stream *stream, uint32_t look_back);
/* From now on bytes are kept until they are acknowledged (`inline`); there must be none that came too early. */
void stream_keep_unacked(struct stream *stream);
enum stream_result stream_take(
	struct stream *stream, uint32_t seq, const uint8_t *bytes, uint32_t len);
/* Of the sequence number, within 2^31 of the end; below 0: before the start. */
int64_t stream_offset(const struct stream *stream, uint32_t seq);

/* kept <= read <= end: [kept, end) is in memory, [read, end) was not handed over. */
uint64_t stream_kept(const struct stream *stream);
uint64_t stream_read(const struct stream *stream);
uint64_t stream_end(const struct stream *stream);
/* The bytes in order from `offset` (kept or more, up to the end) on, borrowed until the next call that changes
 * the stream. */
const uint8_t *stream_bytes(const struct stream *stream, uint64_t offset);
/* All bytes in order have been read. They may be forgotten with the next segment, but for the look-back. */
void stream_read_all(struct stream *stream);
/* The same of those before `offset`, which is not before what was read. */
void stream_read_to(struct stream *stream, uint64_t offset);

/* Changes bytes from `offset` on, all of them kept and in order: what later copies are made equal to. */
void stream_change(struct stream *stream, uint64_t offset, const uint8_t *bytes, size_t len);
/* Makes those bytes of a segment at `seq` that are before stream_end() equal to what is kept. Those that are
 * forgotten become 0: if the peer has them, it ignores what comes. Those before the start stay. True when it
 * changed something. */
bool stream_overlay(const struct stream *stream, uint32_t seq, uint8_t *bytes, uint32_t len);

/* The peer has everything before `seq`. Numbers that cannot be are ignored. */
void stream_acked(struct stream *stream, uint32_t seq);
/* What the peer acknowledged goes beyond the end, and there are bytes behind the gap. */
bool stream_missed(const struct stream *stream);
/* Bytes that came too early. */
uint32_t stream_early(const struct stream *stream);
/* Passive only: gives up waiting for what is missing before the next early bytes; returns how many bytes that are,
 * 0: nothing waits. What was never seen reads as 0; before it everything was read. */
uint64_t stream_skip(struct stream *stream);
/* Gives back memory, keeping what is needed and `look_back` bytes before it. */
void stream_trim(struct stream *stream, uint32_t look_back);
/* Memory it holds. */
size_t stream_room(const struct stream *stream);
