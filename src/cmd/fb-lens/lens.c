/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fb-lens/lens.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/ring.h"
#include "capture/zfile.h"
#include "sys/chan.h"
#include "vault/piece.h"

enum {
	NAP_MS = 20,
	IDLE_MS = 100,     /* ... when nothing came for a while */
	IDLE_AFTER = 50,   /* empty looks */
	ASK_PACKETS = 64,  /* between two looks at orders */
	LAST_WAIT_MS = 50, /* draining: for a segment after this one */
	LAST_WAITS = 6,
	DRAIN_S = 8,
	POISON = 2, /* deaths in one packet */
};

#define NS_PER_S INT64_C(1000000000)

struct lens {
	struct lens_setup setup;
	struct ring *records;
	struct ring *pieces; /* NULL: files are not kept */
	struct zfile *file;  /* the segment that is read; NULL: none */
	struct capture_reader *reader;
	uint64_t number;          /* of it */
	bool whole;               /* it does not grow any more */
	bool damaged;             /* it cannot be read on */
	struct lens_segment next; /* fd -1: it has not come */
	uint64_t wanted;          /* what was asked for last */
	struct lens_place base;   /* where reading begins: the place, or before it */
	bool warming;             /* what is read was done before */
	uint64_t said;            /* records of the next step that are in the ring already */
	uint64_t kept;            /* the same of pieces */
	enum lens_order order;
	int64_t drain_until_ns;
	bool given_up; /* the step cannot be finished: it will be done again */
	unsigned asked, empty_looks, last_waits;
	uint8_t packed[RECORD_PACKED_MAX];
};

/* The order of stores is what a later start relies on; all of them are this process's. */
static void barrier(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* ---- the place ---- */

static const struct lens_place *place(const struct lens *l)
{
	return &l->setup.state->place[l->setup.state->current];
}

static void add_mark(struct lens_state *state, const struct lens_place *p)
{
	const struct lens_place *last = &state->mark[(state->n_marks - 1) % LENS_MARKS];

	if (state->n_marks > 0 && p->segment == last->segment &&
		p->bytes - last->bytes < LENS_MARK_BYTES &&
		p->time_ns - last->time_ns < LENS_MARK_NS)
		return;
	state->mark[state->n_marks % LENS_MARKS] = *p;
	barrier();
	state->n_marks++;
}

static uint64_t next_piece(const struct lens *l)
{
	return l->pieces ? ring_next_seq(l->pieces) : 0;
}

/* The step is done: the next start goes on behind it. */
static void commit(struct lens *l, struct lens_place next)
{
	struct lens_state *state = l->setup.state;
	uint64_t other = !state->current;

	next.record = ring_next_seq(l->records);
	next.piece = next_piece(l);
	state->place[other] = next;
	barrier();
	state->current = other;
	barrier();
	state->trying = state->died = 0;
	l->said = l->kept = 0;
	add_mark(state, &state->place[other]);
}

static void begin_step(struct lens *l)
{
	l->setup.state->trying = 1;
	barrier();
}

/* The oldest mark from where it does not take long to come to the place. The slot that is
 * written next may be half written. */
static struct lens_place warm_base(const struct lens_state *state, const struct lens_place *end)
{
	struct lens_place base = *end;

	for (uint64_t back = 1; back < LENS_MARKS && back <= state->n_marks; back++) {
		const struct lens_place *m = &state->mark[(state->n_marks - back) % LENS_MARKS];

		if (m->segment == 0 || m->segment > base.segment || m->bytes > base.bytes ||
			end->bytes - m->bytes > LENS_WARM_BYTES ||
			end->time_ns - m->time_ns > LENS_WARM_NS)
			break;
		base = *m;
	}
	return base;
}

static void read_state(struct lens *l)
{
	struct lens_state *state = l->setup.state;
	uint64_t next = ring_next_seq(l->records);

	if (state->magic != LENS_STATE_MAGIC || state->current > 1) {
		memset(state, 0, sizeof(*state));
		state->magic = LENS_STATE_MAGIC;
	}
	bool spoilt = state->warming && state->warming == state->warm_died;

	state->died = state->trying ? state->died + 1 : 0;
	state->warm_died = state->warming;
	state->trying = state->warming = 0;
	if (state->run == l->setup.run && place(l)->record <= next)
		l->said = next - place(l)->record;
	else
		state->place[state->current].record = next;
	/* 0: files were not kept then. */
	if (state->run == l->setup.run && place(l)->piece > 0 && place(l)->piece <= next_piece(l))
		l->kept = next_piece(l) - place(l)->piece;
	else
		state->place[state->current].piece = next_piece(l);
	barrier();
	state->run = l->setup.run;
	l->base = *place(l);
	if (!spoilt)
		l->base = warm_base(state, place(l));
	l->warming = l->base.segment != place(l)->segment || l->base.offset != place(l)->offset;
}

static void end_warming(struct lens *l)
{
	l->warming = false;
}

static bool was_done(const struct lens *l, uint64_t end)
{
	return l->number < place(l)->segment ||
	       (l->number == place(l)->segment && end <= place(l)->offset);
}

/* ---- orders ---- */

static void wait_ms(struct lens *l, int ms)
{
	enum lens_order order = l->setup.wait(l->setup.context, ms);

	if (order == LENS_GO || l->order == LENS_END)
		return;
	if (l->order == LENS_GO)
		l->drain_until_ns = now_ns() + DRAIN_S * NS_PER_S;
	l->order = order;
}

static bool must_end(const struct lens *l)
{
	return l->order == LENS_END || (l->order == LENS_DRAIN && now_ns() > l->drain_until_ns);
}

static void want(struct lens *l, uint64_t number)
{
	l->wanted = number;
	l->setup.want(l->setup.context, number);
}

void lens_give(struct lens *l, const struct lens_segment *segment)
{
	if (l->next.fd >= 0)
		close(l->next.fd);
	l->next = *segment;
}

/* ---- records ---- */

static void *reserve(
	struct lens *l, struct ring *ring, uint32_t size, struct ring_entry **ret_entry)
{
	void *payload = ring_reserve(ring, size, ret_entry);

	if (payload)
		return payload;
	/* Whatever ends the process while it waits, it is not the packet. */
	l->setup.state->trying = 0;
	while (!payload && !must_end(l)) {
		wait_ms(l, NAP_MS);
		payload = ring_reserve(ring, size, ret_entry);
	}
	begin_step(l);
	return payload;
}

void lens_emit(struct lens *l, const struct record *record)
{
	struct ring_entry *entry;
	void *payload;
	int size;

	if (l->warming || l->given_up)
		return;
	size = record_pack(record, l->packed, sizeof(l->packed));
	if (size < 0) {
		l->setup.counts->refused++;
		return;
	}
	if (l->said > 0) {
		l->said--;
		return;
	}
	payload = reserve(l, l->records, (uint32_t)size, &entry);
	if (!payload) {
		l->given_up = true;
		return;
	}
	memcpy(payload, l->packed, (size_t)size);
	entry->kind = RECORD_KIND_DATA;
	entry->time_ns = record->head.time_ns;
	ring_commit(l->records, (uint32_t)size);
	l->setup.counts->records++;
}

/* True: it is to be put into the ring. */
static bool is_piece_new(struct lens *l)
{
	if (!l->pieces || l->warming || l->given_up)
		return false;
	if (l->kept == 0)
		return true;
	l->kept--;
	return false;
}

void lens_keep(struct lens *l, const struct piece *piece)
{
	uint32_t size = (uint32_t)piece_size(piece);
	struct ring_entry *entry;
	void *payload;

	if (!is_piece_new(l))
		return;
	payload = reserve(l, l->pieces, size, &entry);
	if (!payload) {
		l->given_up = true;
		return;
	}
	piece_write(piece, payload);
	entry->kind = PIECE_DATA;
	entry->time_ns = piece->record.head.time_ns;
	ring_commit(l->pieces, size);
	l->setup.counts->pieces++;
}

/* Whoever keeps the files learns how late it is, by the packets' time. */
static void keep_clock(struct lens *l, int64_t time_ns)
{
	struct ring_entry *entry;

	if (!piece_clock_due(place(l)->time_ns, time_ns) || !is_piece_new(l))
		return;
	if (!reserve(l, l->pieces, 0, &entry)) {
		l->given_up = true;
		return;
	}
	entry->kind = PIECE_CLOCK;
	entry->time_ns = time_ns;
	ring_commit(l->pieces, 0);
}

static void tell(struct lens *l, enum reason reason, const char *detail)
{
	struct timespec now;
	struct record record = { .type = EVENT_CONTROL,
		.head = { .reason = (uint16_t)reason },
		.control = { .process = text_of("fb-lens"), .detail = text_of(detail) } };

	clock_gettime(CLOCK_REALTIME, &now);
	record.head.time_ns = now.tv_sec * NS_PER_S + now.tv_nsec;
	lens_emit(l, &record);
}

/* ---- segments ---- */

static ssize_t read_at(void *context, uint64_t offset, void *buf, size_t n)
{
	return zfile_read_at(context, offset, buf, n);
}

static void close_segment(struct lens *l)
{
	l->reader = capture_reader_free(l->reader);
	if (l->file)
		l->file = zfile_close(l->file);
	l->whole = l->damaged = false;
	l->setup.counts->damaged = 0;
}

/* The first segment that was not read to its end. */
static uint64_t first_unread(const struct lens *l)
{
	return place(l)->segment + (l->file && l->number == place(l)->segment);
}

/* Nobody looked at these, and nobody will. */
static void tell_unread(struct lens *l, uint64_t first, uint64_t last)
{
	char detail[160];

	snprintf(detail, sizeof(detail),
		"segments %" PRIu64 " to %" PRIu64 " are gone; packets behind %" PRIu64
		" were not looked at",
		first, last, place(l)->packet);
	l->setup.counts->unread += last - first + 1;
	tell(l, REASON_UNREAD, detail);
}

static void tell_damage(struct lens *l)
{
	char detail[256];

	snprintf(detail, sizeof(detail), "segment %" PRIu64 " cannot be read on: %s", l->number,
		l->reader ? capture_reader_error(l->reader) : "it cannot be opened");
	tell(l, REASON_UNREAD, detail);
}

/* The place moves to the beginning of the segment that is next, with what is to be said about
 * that. */
static void move_to_next(struct lens *l)
{
	struct lens_place next = *place(l);

	begin_step(l);
	if (l->damaged)
		tell_damage(l);
	if (next.segment > 0 && l->next.number > first_unread(l))
		tell_unread(l, first_unread(l), l->next.number - 1);
	if (l->given_up)
		return;
	next.segment = l->next.number;
	next.offset = 0;
	commit(l, next);
}

static bool comes_after_place(const struct lens *l)
{
	return l->next.number > place(l)->segment || l->next.number < l->base.segment;
}

/* Takes up the segment that is next. 0, -ENOMEM; a damaged one is skipped when another one is
 * there. */
static int open_next(struct lens *l)
{
	const struct lens_segment next = l->next;
	int result;

	if (l->warming && comes_after_place(l))
		end_warming(l);
	if (comes_after_place(l))
		move_to_next(l);
	if (l->given_up)
		return 0;
	close_segment(l);
	l->number = next.number;
	l->next.fd = -1;
	result = zfile_open_fd(next.fd, next.compressed, &l->file);
	if (result == 0)
		result = capture_reader_new_growing(read_at, l->file, &l->reader);
	if (result == -ENOMEM)
		return result;
	l->damaged = result < 0;
	want(l, l->number + 1);
	return 0;
}

/* ---- packets ---- */

/* Where reading begins in this segment; the first packet was read only for the interfaces before
 * it. */
static bool skip_to_base(struct lens *l, const struct capture_packet *packet)
{
	uint64_t offset = l->base.offset;

	if (l->number != l->base.segment || packet->offset >= offset)
		return false;
	l->base = (struct lens_place){ 0 };
	capture_reader_go_on(l->reader, offset);
	return true;
}

static void tell_poison(struct lens *l, const struct capture_packet *packet)
{
	char detail[128];

	snprintf(detail, sizeof(detail),
		"packet %" PRIu64 " ended fb-lens %d times; it is not looked at", packet->id,
		POISON);
	l->setup.counts->poison++;
	tell(l, REASON_UNREAD, detail);
}

static void look(struct lens *l, const struct capture_packet *packet)
{
	l->setup.look(
		l->setup.context, packet, capture_reader_interface(l->reader, packet->interface));
}

static void look_again(struct lens *l, const struct capture_packet *packet)
{
	l->setup.state->warming = packet->id + 1; /* of captures that have none, too */
	barrier();
	look(l, packet);
	barrier();
	l->setup.state->warming = 0;
}

static void count(struct lens *l, const struct capture_packet *packet)
{
	volatile struct counts_lens *counts = l->setup.counts;

	counts->packets++;
	counts->bytes += packet->block_len;
	counts->last_packet = packet->id;
	counts->last_ns = packet->time_ns;
	counts->segment = l->number;
}

static void take_packet(struct lens *l, const struct capture_packet *packet)
{
	struct lens_place next = *place(l);
	uint64_t end = packet->offset + packet->block_len;

	if (was_done(l, end)) {
		if (l->warming)
			look_again(l, packet);
		return;
	}
	if (l->warming)
		end_warming(l);
	begin_step(l);
	keep_clock(l, packet->time_ns);
	if (l->setup.state->died >= POISON)
		tell_poison(l, packet);
	else
		look(l, packet);
	if (l->given_up)
		return;
	next.segment = l->number;
	next.offset = end;
	next.packet = packet->id;
	next.time_ns = packet->time_ns;
	next.bytes += packet->block_len;
	commit(l, next);
	count(l, packet);
}

/* Everything there is was read; before the first segment came nobody knows. */
static void rest(struct lens *l)
{
	if (l->file)
		l->setup.counts->behind = 0;
	if (l->order == LENS_DRAIN) {
		if (++l->last_waits > LAST_WAITS)
			l->order = LENS_END;
		wait_ms(l, LAST_WAIT_MS);
		return;
	}
	if (l->empty_looks < IDLE_AFTER)
		l->empty_looks++;
	wait_ms(l, l->empty_looks < IDLE_AFTER ? NAP_MS : IDLE_MS);
}

/* No packet now: the segment grows, or the next one is to be taken up. 0, -ENOMEM. */
static int at_end(struct lens *l)
{
	if (l->next.fd < 0) {
		rest(l);
		return 0;
	}
	/* What was written before the next one was begun may have come since the last look. */
	if (l->file && !l->whole && !l->damaged) {
		l->whole = true;
		return 0;
	}
	return open_next(l);
}

static int step(struct lens *l)
{
	struct capture_packet packet;
	int result = 0;

	if (l->reader && !l->damaged)
		result = capture_reader_next(l->reader, &packet);
	if (result == -ENOMEM)
		return result;
	if (result < 0) {
		l->damaged = true;
		l->setup.counts->damaged = l->number;
	}
	if (result != 1)
		return at_end(l);
	l->empty_looks = l->last_waits = 0;
	if (skip_to_base(l, &packet))
		return 0;
	l->setup.counts->behind = 1;
	take_packet(l, &packet);
	if (++l->asked % ASK_PACKETS == 0)
		wait_ms(l, 0);
	return 0;
}

int lens_new(const struct lens_setup *setup, struct lens **ret_lens)
{
	struct lens *l = calloc(1, sizeof(*l));
	int result;

	if (!l)
		return -ENOMEM;
	l->setup = *setup;
	l->setup.counts->behind = 1; /* whatever an earlier one has said */
	l->next.fd = -1;
	result = ring_open(setup->records, setup->records_size, &l->records);
	if (result == 0 && setup->pieces)
		result = ring_open(setup->pieces, setup->pieces_size, &l->pieces);
	if (result < 0) {
		ring_free(l->records);
		free(l);
		return result;
	}
	read_state(l);
	*ret_lens = l;
	return 0;
}

struct lens *lens_free(struct lens *l)
{
	if (l) {
		close_segment(l);
		if (l->next.fd >= 0)
			close(l->next.fd);
		ring_free(l->records);
		ring_free(l->pieces);
		free(l);
	}
	return NULL;
}

int lens_run(struct lens *l)
{
	int result = 0;

	want(l, l->base.segment);
	while (result == 0 && !l->given_up && !must_end(l))
		result = step(l);
	/* An end that was asked for is no death. */
	l->setup.state->trying = l->setup.state->warming = 0;
	return result;
}
