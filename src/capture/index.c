/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/index.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cur.h"
#include "capture/pcapng.h"
#include "capture/reader.h"

enum { NUMBER_MAX = 10 /* bytes of a LEB128 number of 64 bits */ };

struct place {
	uint64_t flow;
	uint64_t offset;
	uint64_t id;
	int64_t time_ns;
};

struct run {
	struct place *place;
	size_t n;
	uint8_t *blob;
	size_t blob_size;
};

static int compare_places(const void *a_, const void *b_)
{
	const struct place *a = a_, *b = b_;

	if (a->flow != b->flow)
		return a->flow < b->flow ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static size_t put_number(uint8_t *at, uint64_t n)
{
	size_t len = 0;

	for (; n >= 0x80; n >>= 7)
		at[len++] = (uint8_t)(n | 0x80);
	at[len++] = (uint8_t)n;
	return len;
}

static int make_blob_room(struct run *run, size_t n_packets)
{
	size_t need = n_packets * 2 * NUMBER_MAX;
	uint8_t *blob;

	if (need <= run->blob_size)
		return 0;
	blob = realloc(run->blob, need);
	if (!blob)
		return -ENOMEM;
	run->blob = blob;
	run->blob_size = need;
	return 0;
}

/* One flow's places, which stand together. */
static int yield_flow(
	struct run *run, const struct place *place, size_t n, capture_index_fn *fn, void *context)
{
	struct capture_index_entry entry = { .flow = place->flow,
		.first_ns = place->time_ns,
		.last_ns = place->time_ns,
		.first_id = place->id,
		.n_packets = n };
	uint64_t offset = 0, id = 0;
	size_t len = 0;

	if (make_blob_room(run, n) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++, place++) {
		len += put_number(run->blob + len, (place->offset - offset) / 4);
		len += put_number(run->blob + len, place->id - id);
		offset = place->offset;
		id = place->id;
		if (place->time_ns < entry.first_ns)
			entry.first_ns = place->time_ns;
		if (place->time_ns > entry.last_ns)
			entry.last_ns = place->time_ns;
	}
	entry.last_id = id;
	entry.blob = run->blob;
	entry.blob_len = len;
	return fn(context, &entry);
}

static int yield_run(struct run *run, capture_index_fn *fn, void *context)
{
	int result = 0;

	qsort(run->place, run->n, sizeof(*run->place), compare_places);
	for (size_t i = 0, end; i < run->n && result == 0; i = end) {
		for (end = i + 1; end < run->n && run->place[end].flow == run->place[i].flow;)
			end++;
		result = yield_flow(run, run->place + i, end - i, fn, context);
	}
	run->n = 0;
	return result;
}

static void count(struct capture_index_total *total, const struct capture_packet *packet)
{
	if (total->packets++ == 0) {
		total->first_ns = total->last_ns = packet->time_ns;
		total->first_id = packet->id;
	}
	if (packet->time_ns < total->first_ns)
		total->first_ns = packet->time_ns;
	if (packet->time_ns > total->last_ns)
		total->last_ns = packet->time_ns;
	total->last_id = packet->id;
}

struct capture_index {
	struct capture_reader *reader;
	struct run run;
	capture_index_fn *fn;
	void *context;
	struct capture_index_total total;
};

int capture_index_new(struct capture_reader *reader, capture_index_fn *fn, void *context,
	struct capture_index **ret_index)
{
	struct capture_index *index = calloc(1, sizeof(*index));

	if (!index)
		return -ENOMEM;
	index->reader = reader;
	index->fn = fn;
	index->context = context;
	index->run.place = malloc(CAPTURE_INDEX_RUN * sizeof(*index->run.place));
	if (!index->run.place) {
		capture_index_free(index);
		return -ENOMEM;
	}
	*ret_index = index;
	return 0;
}

struct capture_index *capture_index_free(struct capture_index *index)
{
	if (index) {
		free(index->run.place);
		free(index->run.blob);
		free(index);
	}
	return NULL;
}

struct capture_index_total capture_index_sum(const struct capture_index *index)
{
	return index->total;
}

int capture_index_step(struct capture_index *index, size_t max)
{
	struct capture_packet packet;
	struct run *run = &index->run;
	int result, end = 1;

	while (max-- > 0 && (end = capture_reader_next(index->reader, &packet)) == 1) {
		run->place[run->n++] = (struct place){
			.flow = pcapng_comment_flow(packet.comment.at, packet.comment.len),
			.offset = packet.offset,
			.id = packet.id,
			.time_ns = packet.time_ns,
		};
		count(&index->total, &packet);
		if (run->n == CAPTURE_INDEX_RUN &&
			(result = yield_run(run, index->fn, index->context)) != 0)
			return result;
	}
	if (end == 1)
		return 1;
	result = yield_run(run, index->fn, index->context);
	return result ? result : end;
}

int capture_index_reader(struct capture_reader *reader, capture_index_fn *fn, void *context,
	struct capture_index_total *ret_total)
{
	struct capture_index *index;
	int result = capture_index_new(reader, fn, context, &index);

	if (result < 0)
		return result;
	result = capture_index_step(index, SIZE_MAX);
	if (ret_total && (result == 0 || result == -EBADMSG))
		*ret_total = index->total;
	capture_index_free(index);
	return result;
}

int capture_index_segment(
	int fd, capture_index_fn *fn, void *context, struct capture_index_total *ret_total)
{
	struct capture_reader *reader;
	int result = capture_reader_new(fd, &reader);

	if (result < 0)
		return result;
	result = capture_index_reader(reader, fn, context, ret_total);
	capture_reader_free(reader);
	return result;
}

static uint64_t get_number(struct cur *c)
{
	uint64_t n = 0;

	for (unsigned shift = 0;; shift += 7) {
		uint8_t byte = cur_u8(c);

		if (shift > 63 || (shift == 63 && byte > 1))
			cur_fail(c);
		if (c->bad)
			return 0;
		n |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return n;
	}
}

int capture_index_decode(struct capture_index_cursor *cursor)
{
	struct cur c = cur_make(cursor->blob, cursor->len);
	uint64_t offset, id;

	if (cursor->len == 0)
		return 0;
	offset = get_number(&c);
	id = get_number(&c);
	if (!cur_ok(&c) || offset > UINT64_MAX / 4)
		return -EBADMSG;
	cursor->offset += offset * 4;
	cursor->id += id;
	cursor->blob = c.at;
	cursor->len = cur_left(&c);
	return 1;
}
