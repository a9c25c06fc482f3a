/* SPDX-License-Identifier: Apache-2.0 */
/* [base, end) is in order, parts are behind it, all at their place in one buffer; `floor` is what is needed of it. */
#include "stream/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <assert.h>

struct part {
	uint64_t from, to;
};

struct stream {
	struct pool *pool;
	uint8_t *at; /* bytes from offset `base` on */
	size_t room;
	uint64_t base, read, end, acked;
	uint32_t start_seq, look_back;
	bool is_inline, started;
	uint16_t n_parts;
	struct part *part; /* of the pool while there are parts; sorted, with gaps between them */
};

static uint64_t at_least(uint64_t value, uint64_t least)
{
	return value < least ? least : value;
}

static uint64_t at_most(uint64_t value, uint64_t most)
{
	return value > most ? most : value;
}

int stream_new(struct pool *pool, struct stream **ret_stream)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->pool = pool;
	s->look_back = STREAM_LOOK_BACK;
	*ret_stream = s;
	return 0;
}

static void drop_parts(struct stream *s)
{
	pool_put(s->pool, s->part);
	s->part = NULL;
	s->n_parts = 0;
}

static void drop_buffer(struct stream *s)
{
	pool_put(s->pool, s->at);
	s->at = NULL;
	s->room = 0;
}

struct stream *stream_free(struct stream *s)
{
	if (!s)
		return NULL;
	drop_parts(s);
	drop_buffer(s);
	free(s);
	return NULL;
}

void stream_start(struct stream *s, uint32_t seq)
{
	drop_parts(s);
	s->base = s->read = s->end = s->acked = 0;
	s->start_seq = seq;
	s->started = true;
}

bool stream_started(const struct stream *s)
{
	return s->started;
}

void stream_keep(struct stream *s, uint32_t look_back)
{
	s->look_back = look_back;
}

void stream_keep_unacked(struct stream *s)
{
	if (s->is_inline)
		return;
	s->is_inline = true;
	s->acked = at_most(s->acked, s->end);
}

int64_t stream_offset(const struct stream *s, uint32_t seq)
{
	uint32_t end_seq = s->start_seq + (uint32_t)s->end;

	return (int64_t)s->end + (int32_t)(seq - end_seq);
}

/* The first offset that must stay. */
static uint64_t floor_of(const struct stream *s, uint32_t look_back)
{
	uint64_t floor = s->read - at_most(s->read, look_back);

	if (s->is_inline)
		floor = at_most(floor, s->acked);
	return at_least(floor, s->base);
}

/* Up to where there is something in the buffer. */
static uint64_t top_of(const struct stream *s)
{
	return s->n_parts > 0 ? s->part[s->n_parts - 1].to : s->end;
}

static void move_down(struct stream *s, uint64_t floor)
{
	if (top_of(s) > floor)
		memmove(s->at, s->at + (floor - s->base), top_of(s) - floor);
	s->base = floor;
}

static bool move_to(struct stream *s, uint64_t floor, size_t size)
{
	size_t room;
	uint8_t *at = pool_get(s->pool, size, &room);

	if (!at)
		return false;
	if (s->at && top_of(s) > floor)
		memcpy(at, s->at + (floor - s->base), top_of(s) - floor);
	pool_put(s->pool, s->at);
	s->at = at;
	s->room = room;
	s->base = floor;
	return true;
}

/* Room for bytes up to `to`. Twice of what is needed, if it can be had, so that moving what is kept is rare. */
static bool make_room(struct stream *s, uint64_t to)
{
	uint64_t floor;
	size_t need;

	if (to - s->base <= s->room)
		return true;
	floor = floor_of(s, s->look_back);
	need = to - floor;
	if (need > STREAM_UNACKED_MAX)
		return false;
	if ((size_t)(2 * (top_of(s) - floor)) <= s->room && need <= s->room) {
		move_down(s, floor);
		return true;
	}
	if ((need > POOL_PIECE_MIN && move_to(s, floor, 2 * need)) || move_to(s, floor, need))
		return true;
	if (need > s->room)
		return false;
	move_down(s, floor);
	return true;
}

/* Place of the first part that ends at or behind `from`. */
static unsigned find_part(const struct stream *s, uint64_t from)
{
	unsigned i = s->n_parts;

	while (i > 0 && s->part[i - 1].to >= from)
		i--;
	return i;
}

/* Copies what of [from, to) is in no part; what is, came first. `i`: first part that it touches. */
static void fill_gaps(
	struct stream *s, unsigned i, uint64_t from, uint64_t to, const uint8_t *bytes)
{
	uint64_t at = from;

	for (; at < to; i++) {
		uint64_t stop = i < s->n_parts ? at_most(s->part[i].from, to) : to;

		if (stop > at)
			memcpy(s->at + (at - s->base), bytes + (at - from), stop - at);
		at = i < s->n_parts ? at_least(at, s->part[i].to) : to;
	}
}

static bool have_parts(struct stream *s)
{
	size_t room;

	if (!s->part)
		s->part = pool_get(s->pool, STREAM_PARTS_MAX * sizeof(struct part), &room);
	return s->part;
}

/* Parts i.. that [from, to) touches become one with it. */
static void merge_parts(struct stream *s, unsigned i, uint64_t from, uint64_t to)
{
	unsigned last = i;

	while (last < s->n_parts && s->part[last].from <= to)
		last++;
	if (last > i) {
		from = at_most(from, s->part[i].from);
		to = at_least(to, s->part[last - 1].to);
	}
	memmove(s->part + i + 1, s->part + last, (s->n_parts - last) * sizeof(struct part));
	s->n_parts = (uint16_t)(s->n_parts + 1 + i - last);
	s->part[i] = (struct part){ from, to };
}

static enum stream_result take_early(
	struct stream *s, uint64_t from, const uint8_t *bytes, uint32_t len)
{
	uint64_t to = from + len;
	unsigned i;

	if (to - s->end > STREAM_EARLY_MAX)
		return STREAM_OUTSIDE;
	if (!make_room(s, to) || !have_parts(s))
		return STREAM_NO_ROOM;
	i = find_part(s, from);
	if (s->n_parts == STREAM_PARTS_MAX && (i == s->n_parts || s->part[i].from > to))
		return STREAM_NO_ROOM;
	fill_gaps(s, i, from, to, bytes);
	merge_parts(s, i, from, to);
	return STREAM_EARLY;
}

/* The end moves on, over parts that are reached. */
static void advance(struct stream *s, uint64_t to)
{
	unsigned n = 0;

	while (n < s->n_parts && s->part[n].from <= to)
		to = at_least(to, s->part[n++].to);
	s->end = to;
	if (n == 0)
		return;
	s->n_parts = (uint16_t)(s->n_parts - n);
	memmove(s->part, s->part + n, s->n_parts * sizeof(struct part));
	if (s->n_parts == 0)
		drop_parts(s);
}

enum stream_result stream_take(struct stream *s, uint32_t seq, const uint8_t *bytes, uint32_t len)
{
	int64_t offset = stream_offset(s, seq);
	int64_t to = offset + len;

	if (len == 0 || to <= (int64_t)s->end)
		return STREAM_OLD;
	if (offset > (int64_t)s->end)
		return take_early(s, (uint64_t)offset, bytes, len);
	bytes += (int64_t)s->end - offset;
	if (!make_room(s, (uint64_t)to))
		return STREAM_NO_ROOM;
	if (s->n_parts > 0)
		fill_gaps(s, 0, s->end, (uint64_t)to, bytes);
	else
		memcpy(s->at + (s->end - s->base), bytes, (uint64_t)to - s->end);
	advance(s, (uint64_t)to);
	return STREAM_TAKEN;
}

uint64_t stream_kept(const struct stream *s)
{
	return s->base;
}

uint64_t stream_read(const struct stream *s)
{
	return s->read;
}

uint64_t stream_end(const struct stream *s)
{
	return s->end;
}

const uint8_t *stream_bytes(const struct stream *s, uint64_t offset)
{
	assert(offset >= s->base && offset <= s->end);
	return s->at ? s->at + (offset - s->base) : NULL;
}

void stream_read_all(struct stream *s)
{
	s->read = s->end;
}

void stream_read_to(struct stream *s, uint64_t offset)
{
	assert(offset >= s->read && offset <= s->end);
	s->read = offset;
}

void stream_change(struct stream *s, uint64_t offset, const uint8_t *bytes, size_t len)
{
	assert(offset >= s->base && offset <= s->end && len <= s->end - offset);
	if (len > 0)
		memcpy(s->at + (offset - s->base), bytes, len);
}

static bool zero(uint8_t *bytes, size_t len)
{
	bool changed = false;

	for (size_t i = 0; i < len; i++) {
		changed |= bytes[i] != 0;
		bytes[i] = 0;
	}
	return changed;
}

bool stream_overlay(const struct stream *s, uint32_t seq, uint8_t *bytes, uint32_t len)
{
	int64_t offset = stream_offset(s, seq);
	uint64_t from, to;
	bool changed = false;

	if (offset < 0) {
		uint64_t before = (uint64_t)-offset;

		if (before >= len)
			return false;
		bytes += before;
		len -= (uint32_t)before;
		offset = 0;
	}
	from = (uint64_t)offset;
	to = at_most(from + len, s->end);
	if (from < s->base) {
		uint64_t n = at_most(s->base, at_least(to, from)) - from;

		changed = zero(bytes, n);
		bytes += n;
		from += n;
	}
	if (from >= to || memcmp(bytes, s->at + (from - s->base), to - from) == 0)
		return changed;
	memcpy(bytes, s->at + (from - s->base), to - from);
	return true;
}

void stream_acked(struct stream *s, uint32_t seq)
{
	int64_t offset = stream_offset(s, seq);
	uint64_t top = s->is_inline ? s->end : s->end + STREAM_EARLY_MAX;

	if (offset > (int64_t)s->acked && (uint64_t)offset <= top)
		s->acked = (uint64_t)offset;
}

bool stream_missed(const struct stream *s)
{
	return s->n_parts > 0 && s->acked >= s->part[0].from;
}

uint32_t stream_early(const struct stream *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->n_parts; i++)
		n += s->part[i].to - s->part[i].from;
	return (uint32_t)n;
}

uint64_t stream_skip(struct stream *s)
{
	uint64_t gap;

	if (s->n_parts == 0)
		return 0;
	gap = s->part[0].from - s->end;
	memset(s->at + (s->end - s->base), 0, gap);
	s->read = s->part[0].from;
	advance(s, s->read);
	return gap;
}

void stream_trim(struct stream *s, uint32_t look_back)
{
	uint64_t floor = floor_of(s, look_back);
	size_t need = top_of(s) - floor;

	if (!s->at)
		return;
	if (need == 0) {
		drop_buffer(s);
		s->base = floor;
	} else if (2 * need <= s->room / 2) {
		move_to(s, floor, need);
	}
}

size_t stream_room(const struct stream *s)
{
	return s->room;
}
