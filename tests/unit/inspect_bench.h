/* SPDX-License-Identifier: Apache-2.0 */
/* inspect_bench - hands that make a conversation and give it to inspect. Static functions, so
 * that a test needs no more. */
#pragma once

#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "frame/frame.h"
#include "inspect/inspect.h"
#include "packets.h"
#include "sums.h"

#define SECOND 1000000000ll
#define MS     1000000ll
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32 };

/* What was told. */
struct told {
	unsigned hits;
	char before[64], after[64];
	uint64_t changed_at, packet;
	bool dropped;
	uint32_t payload_len;
};

struct bench {
	struct inspect *inspect;
	struct inspect_setup setup;
	struct told told;
	int64_t now_ns;
	uint64_t packet;
	uint32_t seq[2];   /* of the first byte */
	uint32_t acked[2]; /* offset that the peer acknowledges */
	bool v6, leaves;
	unsigned port; /* of the server; 0: 80 */
	uint64_t flow;
};

static void on_hit(void *context, const struct inspect_hit *hit)
{
	struct bench *b = context;

	b->told.hits++;
	b->told.packet = hit->frame->packet;
	b->told.dropped = hit->dropped;
	b->told.changed_at = hit->changed_at;
	b->told.payload_len = hit->payload_len;
	if (hit->before && hit->changed_len < sizeof(b->told.before)) {
		snprintf(b->told.before, sizeof(b->told.before), "%.*s", (int)hit->changed_len,
			(const char *)hit->before);
		snprintf(b->told.after, sizeof(b->told.after), "%.*s", (int)hit->changed_len,
			(const char *)hit->after);
	}
}

static void bench_open(struct bench *b, const struct inspect_setup *setup)
{
	b->setup = *setup;
	b->setup.on_hit = on_hit;
	b->setup.context = b;
	if (!b->setup.flows_max)
		b->setup.flows_max = 16;
	if (!b->setup.hold_ns)
		b->setup.hold_ns = 30 * MS;
	if (inspect_new(&b->setup, &b->inspect) < 0)
		abort();
	b->now_ns = 1000 * SECOND;
	b->flow = 1;
	b->seq[0] = 1001;
	b->seq[1] = 5001;
}

/* A TCP frame of a side, its data at `offset` of its stream; a SYN's sequence number is one
 * less. */
static void tcp_of(struct bench *b, struct bytes *f, unsigned side, int64_t offset, unsigned flags,
	const void *data, unsigned len)
{
	static const char *const ip[2][2] = { { "10.0.0.1", "192.0.2.9" },
		{ "2001:db8::1", "2001:db8::9" } };
	const unsigned port[2] = { 40000, b->port ? b->port : 80 };
	uint32_t seq = b->seq[side] + (uint32_t)offset - ((flags & SYN) != 0);
	const char *src = ip[b->v6][side], *dst = ip[b->v6][!side];

	put_ethernet(f, 2 - side, 1 + side, type_of(src));
	put_ip(f, src, dst, 6, 20 + len);
	put_tcp(f, port[side], port[!side], seq, flags);
	set_ack(f, b->seq[!side] + b->acked[!side]);
	put(f, data, len);
	sums_fix(f->at, f->len);
}

static struct inspect_answer give(
	struct bench *b, struct bytes *f, unsigned side, struct frame *parsed)
{
	struct inspect_frame frame = { .frame = parsed,
		.bytes = f->at,
		.len = f->len,
		.flow_id = b->flow,
		.side = side,
		.leaves = b->leaves && side == 0,
		.parent_of_inner = b->flow,
		.direction = side == 0 ? DIRECTION_OUTBOUND : DIRECTION_INBOUND,
		.wall_ns = b->now_ns,
		.steady_ns = b->now_ns,
		.packet = ++b->packet };

	frame_parse(f->at, f->len, FRAME_LINK_ETHERNET, parsed);
	return inspect_take(b->inspect, &frame, &b->packet, sizeof(b->packet));
}

__attribute__((unused)) static void bench_close(struct bench *b)
{
	b->inspect = inspect_free(b->inspect);
}
