/* SPDX-License-Identifier: Apache-2.0 */
/* stream_model - what a stream must be, byte by byte and slowly, and a walk of both by dice that
 * are thrown by random numbers or by a fuzzer. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "stream/stream.h"

enum { MODEL_BYTES = 1 << 16, MODEL_SEGMENT = 3000, MODEL_REACH = 6000 };

struct dice {
	const uint8_t *bytes; /* NULL: from the seed */
	size_t n;
	uint64_t seed;
};

struct walk {
	struct dice dice;
	struct pool *pool;
	struct stream *stream;
	bool is_inline;
	uint32_t start, look_back;
	uint64_t end, read, acked;
	bool have[MODEL_BYTES];
	uint8_t value[MODEL_BYTES];
	uint64_t refused;
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static uint32_t throw_dice(struct dice *d, uint32_t sides)
{
	uint32_t v = 0;

	if (d->bytes) {
		for (unsigned i = 0; i < 2 && d->n > 0; i++, d->n--)
			v = v << 8 | *d->bytes++;
		return v % sides;
	}
	d->seed = d->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(d->seed >> 33) % sides;
}

static enum stream_result expected(
	const struct walk *w, uint64_t from, uint64_t to, bool *ret_touches)
{
	*ret_touches = false;
	if (from == to || to <= w->end)
		return STREAM_OLD;
	for (uint64_t i = from; i <= to; i++)
		*ret_touches |= w->have[i] || (i > 0 && w->have[i - 1]);
	return from > w->end ? STREAM_EARLY : STREAM_TAKEN;
}

static void put_segment(struct walk *w, uint64_t from, const uint8_t *bytes, uint32_t len)
{
	for (uint64_t i = from; i < from + len; i++) {
		if (!w->have[i])
			w->value[i] = bytes[i - from];
		w->have[i] = true;
	}
	while (w->have[w->end])
		w->end++;
}

static void walk_take(struct walk *w)
{
	static uint8_t bytes[MODEL_SEGMENT];
	uint64_t back = throw_dice(&w->dice, MODEL_REACH), from;
	uint32_t len = throw_dice(&w->dice, throw_dice(&w->dice, 4) ? 40 : MODEL_SEGMENT);
	enum stream_result result, wanted;
	bool touches;

	from = w->end + back;
	from = throw_dice(&w->dice, 2)  ? w->end
	       : from < MODEL_REACH / 2 ? 0
					: from - MODEL_REACH / 2;
	if (from + len + 1 >= MODEL_BYTES)
		return;
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)throw_dice(&w->dice, 256);
	wanted = expected(w, from, from + len, &touches);
	result = stream_take(w->stream, w->start + (uint32_t)from, bytes, len);
	if (result == STREAM_NO_ROOM && wanted != STREAM_OLD) {
		w->refused++;
		return;
	}
	must(result == wanted);
	if (result != STREAM_OLD)
		put_segment(w, from, bytes, len);
}

static void walk_overlay(struct walk *w)
{
	uint8_t bytes[100];
	uint64_t from = w->end - throw_dice(&w->dice, w->end < 300 ? (uint32_t)w->end + 1 : 300);
	uint32_t len = throw_dice(&w->dice, sizeof(bytes));
	bool changed = false, was;

	memset(bytes, 7, len);
	was = stream_overlay(w->stream, w->start + (uint32_t)from, bytes, len);
	for (uint32_t i = 0; i < len; i++) {
		uint8_t wanted = from + i >= w->end                  ? 7
				 : from + i < stream_kept(w->stream) ? 0
								     : w->value[from + i];

		changed |= wanted != 7;
		must(bytes[i] == wanted);
	}
	must(was == changed);
}

static void walk_change(struct walk *w)
{
	uint64_t kept = stream_kept(w->stream);
	uint64_t at = kept + throw_dice(&w->dice, (uint32_t)(w->end - kept) + 1);
	uint8_t byte = (uint8_t)throw_dice(&w->dice, 256);

	stream_change(w->stream, at, &byte, at < w->end);
	if (at < w->end)
		w->value[at] = byte;
}

static void walk_ack(struct walk *w)
{
	uint64_t to = w->acked + throw_dice(&w->dice, 2000);
	uint64_t top = w->is_inline ? w->end : w->end + STREAM_EARLY_MAX;

	stream_acked(w->stream, w->start + (uint32_t)to);
	if (to <= top)
		w->acked = to;
}

static void walk_skip(struct walk *w)
{
	uint64_t to = w->end;
	bool waits = false;

	for (uint64_t i = w->end; i < w->end + MODEL_REACH && i < MODEL_BYTES; i++)
		waits |= w->have[i];
	must(waits == (stream_early(w->stream) > 0));
	if (w->is_inline || !waits)
		return;
	while (!w->have[to])
		to++;
	must(stream_missed(w->stream) == (w->acked >= to));
	stream_read_all(w->stream);
	must(stream_skip(w->stream) == to - w->end);
	while (w->end < to)
		w->have[w->end++] = true;
	w->read = to;
	put_segment(w, to, NULL, 0);
}

/* All that can be seen of it. */
static void walk_check(const struct walk *w)
{
	uint64_t kept = stream_kept(w->stream);
	uint64_t needed = w->read - (w->read < w->look_back ? w->read : w->look_back);

	must(stream_end(w->stream) == w->end && stream_read(w->stream) == w->read);
	must(kept <= w->read && (!w->is_inline || kept <= w->acked));
	must(kept <= needed || w->look_back == 0);
	if (kept < w->end)
		must(memcmp(stream_bytes(w->stream, kept), w->value + kept, w->end - kept) == 0);
}

static void walk_step(struct walk *w)
{
	switch (throw_dice(&w->dice, 16)) {
	case 0:
		stream_read_all(w->stream);
		w->read = w->end;
		break;
	case 1:
		walk_overlay(w);
		break;
	case 2:
		walk_change(w);
		break;
	case 3:
	case 4:
		walk_ack(w);
		break;
	case 5:
		if (throw_dice(&w->dice, 8) == 0)
			walk_skip(w);
		break;
	case 6:
		if (w->look_back == 0)
			stream_trim(w->stream, 0);
		break;
	default:
		walk_take(w);
	}
	walk_check(w);
}

static void walk_begin(struct walk *w, const struct dice *dice)
{
	memset(w, 0, sizeof(*w));
	w->dice = *dice;
	w->is_inline = throw_dice(&w->dice, 2);
	w->look_back = throw_dice(&w->dice, 2) ? throw_dice(&w->dice, 5000) : 0;
	w->start = throw_dice(&w->dice, 2) ? 0u - throw_dice(&w->dice, MODEL_BYTES) : 12345;
	must(pool_new(throw_dice(&w->dice, 4) ? 1 << 20 : 40 << 10, &w->pool) == 0);
	must(stream_new(w->pool, &w->stream) == 0);
	if (w->is_inline)
		stream_keep_unacked(w->stream);
	stream_keep(w->stream, w->look_back);
	stream_start(w->stream, w->start);
}

static void walk_end(struct walk *w)
{
	stream_free(w->stream);
	must(pool_used(w->pool) == 0);
	pool_free(w->pool);
}
