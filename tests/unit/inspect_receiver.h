/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect_receiver - who gets what leaves. Of receivers there are two in one: one keeps the first
 * copy of a byte, one the last. Neither may ever have what a rule replaces.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inspect_bench.h"

enum { TEXT_MAX = 4096 };

/* What is sent, and what must not arrive. */
static struct {
	const char *text, *never;
	uint32_t len, never_len;
} plan;

static struct bench b;
static struct bytes f;
static struct frame parsed;

/* The receiver, and how it was treated. */
static struct {
	bool have[TEXT_MAX];
	char first[TEXT_MAX + 1], last[TEXT_MAX + 1];
	uint32_t next, most,
		urgent; /* next: all before it came; urgent: frames with an urgent pointer */
	unsigned frames, dropped, changed, held, rst, fin;
	uint64_t order; /* number of the frame that came last */
	bool overtaken;
} got;

static void start_flow(uint64_t flow, uint32_t seq)
{
	memset(&got, 0, sizeof(got));
	memset(&b.told, 0, sizeof(b.told));
	b.flow = flow;
	b.leaves = true;
	b.seq[0] = seq;
	b.acked[0] = b.acked[1] = 0;
}

static void stop(void)
{
	struct inspect_counts counts;

	inspect_end_flow(b.inspect, b.flow, NULL);
	for (struct inspect_released r; inspect_next(b.inspect, b.now_ns, &r);)
		;
	inspect_counts(b.inspect, &counts);
	assert_int_equal(counts.held, 0);
	assert_int_equal(counts.held_bytes, 0);
	assert_int_equal(counts.flows, 0);
	assert_int_equal(counts.pool_used, 0);
	bench_close(&b);
}

static void receive_payload(const struct frame_packet *p, const uint8_t *at, uint32_t len)
{
	uint32_t offset = p->tcp_seq + ((p->tcp_flags & SYN) != 0) - b.seq[0];

	for (uint32_t i = 0; i < len && offset + i < TEXT_MAX; i++) {
		if (!got.have[offset + i])
			got.first[offset + i] = (char)at[i];
		got.last[offset + i] = (char)at[i];
		got.have[offset + i] = true;
	}
	if (offset < TEXT_MAX && offset + len > got.most)
		got.most = offset + len < TEXT_MAX ? offset + len : TEXT_MAX;
	while (got.next < TEXT_MAX && got.have[got.next])
		got.next++;
}

static void receive(const uint8_t *bytes, uint32_t len, uint64_t number)
{
	struct frame frame;
	const struct frame_packet *p = &frame.packet[0];

	frame_parse(bytes, len, FRAME_LINK_ETHERNET, &frame);
	assert_int_equal(sums_wrong(&frame), 0);
	got.frames++;
	got.overtaken |= number < got.order;
	got.order = number;
	got.urgent += (p->tcp_flags & URG) != 0;
	got.fin += (p->tcp_flags & FIN) != 0;
	got.rst += (p->tcp_flags & RST) != 0;
	if (p->end_at > p->payload_at && !(p->tcp_flags & RST))
		receive_payload(p, bytes + p->payload_at, p->end_at - p->payload_at);
	assert_null(memmem(got.first, got.most, plan.never, plan.never_len));
	assert_null(memmem(got.last, got.most, plan.never, plan.never_len));
}

static void count(enum inspect_verdict verdict)
{
	got.dropped += verdict == INSPECT_DROP || verdict == INSPECT_REJECT;
	got.changed += verdict == INSPECT_CHANGED;
}

static void pump(void)
{
	for (struct inspect_released r; inspect_next(b.inspect, b.now_ns, &r);) {
		uint64_t number;

		memcpy(&number, r.tag, sizeof(number));
		count(r.answer.verdict);
		if (r.answer.verdict == INSPECT_DROP)
			continue;
		assert_int_equal(
			memcmp(r.before, r.bytes, r.len) != 0, r.answer.verdict == INSPECT_CHANGED);
		receive(r.bytes, r.len, number);
	}
}

static enum inspect_verdict give_now(unsigned side)
{
	struct inspect_answer answer = give(&b, &f, side, &parsed);

	count(answer.verdict);
	got.held += answer.verdict == INSPECT_HELD;
	if (side == 0 && (answer.verdict == INSPECT_PASS || answer.verdict == INSPECT_CHANGED))
		receive(f.at, f.len, b.packet);
	pump();
	return answer.verdict;
}

static enum inspect_verdict send_data(
	uint32_t offset, unsigned flags, const char *data, uint32_t len)
{
	tcp_of(&b, &f, 0, offset, flags, data, len);
	return give_now(0);
}

/* A part of the text. */
static enum inspect_verdict send_part(uint32_t from, uint32_t to)
{
	return send_data(from, ACK | PSH, plan.text + from, to - from);
}

static void later(int64_t ns)
{
	b.now_ns += ns;
	pump();
}

static void acknowledge(void)
{
	b.acked[0] = got.next;
	tcp_of(&b, &f, 1, 0, ACK, "", 0);
	assert_int_equal(give_now(1), INSPECT_PASS);
}

__attribute__((unused)) static void handshake(void)
{
	assert_int_equal(send_data(0, SYN, "", 0), INSPECT_PASS);
	tcp_of(&b, &f, 1, 0, SYN | ACK, "", 0);
	assert_int_equal(give_now(1), INSPECT_PASS);
	assert_int_equal(send_data(0, ACK, "", 0), INSPECT_PASS);
}

/* As a stack does: what was not acknowledged is sent again, until it is. */
__attribute__((unused)) static void finish_as_sender(void)
{
	for (unsigned i = 0; i < 20 && got.next < plan.len; i++) {
		later(300 * MS);
		acknowledge();
		send_part(got.next, plan.len);
		later(40 * MS);
	}
	acknowledge();
	later(2 * SECOND);
}
