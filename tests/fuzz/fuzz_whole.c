/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sequence of frames into the waiting room for fragments. Each step: one byte of port and action, one of
 * time, two of length, and the frame. Every frame must come out once, as it was, and every whole be one.
 */
#include "whole_check.h"

#include "base/cur.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct whole *whole;
	const uint8_t *data;
	struct gate_time now;
	unsigned frames; /* that must be waiting */
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* A frame's number is where it stands in the input. */
static void check_set(struct run *r, const struct whole_set *set, bool with_given)
{
	must(whole_set_holds(set));
	for (unsigned i = 0; i < set->n; i++) {
		const struct whole_part *part = &set->part[i];

		must(memcmp(part->data, r->data + part->packet, part->len) == 0);
		must(i == 0 || part->packet > set->part[i - 1].packet);
	}
	r->frames -= set->n - with_given;
}

static void expire(struct run *r, int64_t steady_ns)
{
	const struct whole_set *set;

	while ((set = whole_expired(r->whole, steady_ns))) {
		must(set->fault == WHOLE_LATE);
		check_set(r, set, false);
	}
}

static void take(struct run *r, unsigned in_port, const struct frame *f)
{
	uint64_t packet = (uint64_t)(f->data - r->data);
	const struct whole_set *set;

	switch (whole_take(r->whole, in_port, f, &r->now, packet, &set)) {
	case WHOLE_NOT:
		must(f->n_packets == 0 || !f->packet[0].is_fragment);
		break;
	case WHOLE_HELD:
		r->frames++;
		break;
	case WHOLE_SET:
		must(set->part[set->n - 1].data == f->data && set->in_port == in_port);
		check_set(r, set, true);
		break;
	}
}

static void step(struct run *r, struct cur *c)
{
	uint8_t what = cur_u8(c);
	int64_t wait = cur_u8(c);
	size_t len = cur_be16(c);
	struct cur frame = cur_sub(c, len < cur_left(c) ? len : cur_left(c));
	struct whole_held held;
	struct frame f;

	r->now.steady_ns += wait * wait * 1000000;
	if (what & 2)
		expire(r, r->now.steady_ns);
	frame_parse(frame.at, (uint32_t)cur_left(&frame), FRAME_LINK_ETHERNET, &f);
	if (what & 4)
		f.wire_len++;
	take(r, 1 + (what & 1), &f);
	held = whole_held(r->whole);
	must(held.frames == r->frames && held.datagrams <= held.frames);
	must(held.datagrams <= WHOLE_DATAGRAMS_MAX);
}

/* One room for all inputs, for its memory is large; each begins when nothing is remembered any more. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct run r;
	struct cur c = cur_make(data, size);

	if (!r.whole)
		must(whole_new(&r.whole) == 0);
	r.data = data;
	r.now.steady_ns += WHOLE_REUSE_S * INT64_C(1000000000);
	while (cur_left(&c) > 4)
		step(&r, &c);
	expire(&r, INT64_MAX);
	must(r.frames == 0 && whole_held(r.whole).datagrams == 0);
	return 0;
}
