/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sequence of frames through the gate. Each step: one byte of port and action, one of time, two of length,
 * and the frame. Actions beside judging: a tick, a crash and restart, a full record ring. What must always
 * hold about the counts is checked after each step.
 */
#include "gate_bench.h"

#include "base/cur.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FLOWS = 64 };

static struct bench *bench_again(void)
{
	static struct bench *b;

	if (!b) {
		b = bench_new(3, FLOWS);
		bench_list(b, LIST_FENCE, "172.16.0.0/12");
		b->honeypot[2].set.roach_motel = true;
	}
	memset(b->flow_memory, 0, gate_flow_memory_size(b->conf));
	memset(b->budget_memory, 0, 1 << 16);
	b->now = (struct gate_time){ .wall_ns = 1700000000 * SECOND, .steady_ns = 1000 * SECOND };
	b->full = false;
	b->n_records = b->flow_frames = b->packets = 0;
	bench_open(b, true);
	return b;
}

static void crash(struct bench *b, bool same_boot)
{
	b->gate = gate_free(b->gate);
	bench_open(b, same_boot);
}

static void act(struct bench *b, uint8_t what)
{
	switch (what) {
	case 0:
		gate_tick(b->gate, &b->now);
		break;
	case 1:
		crash(b, true);
		break;
	case 2:
		b->full = !b->full;
		break;
	}
}

static void step(struct bench *b, struct cur *c)
{
	uint8_t what = cur_u8(c);
	uint64_t wait = cur_u8(c);
	size_t len = cur_be16(c);
	struct cur frame = cur_sub(c, len < cur_left(c) ? len : cur_left(c));
	struct frame f;
	struct gate_answer answer;

	bench_wait(b, (int64_t)(wait * wait * SECOND / 16));
	frame_parse(frame.at, (uint32_t)cur_left(&frame), FRAME_LINK_ETHERNET, &f);
	answer = gate_judge(b->gate, what & 1, &f, &b->now, ++b->packets);
	if ((what & 1) == GATE_OUTSIDE && answer.verdict != VERDICT_PASS)
		abort();
	if (answer.verdict == VERDICT_DROP && answer.out_ports)
		abort();
	if (answer.verdict == VERDICT_PASS && (what >> 1 & 31) == 31)
		gate_failed(b->gate, what & 1, REASON_TX_FAILED, &f, &b->now);
	act(b, what >> 5);
	if (!bench_counts_hold(b))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bench *b = bench_again();
	struct cur c = cur_make(data, size);

	while (cur_left(&c) > 4)
		step(b, &c);
	b->full = false;
	while (!gate_finish(b->gate, &b->now))
		continue;
	if (!bench_counts_hold(b))
		abort();
	b->gate = gate_free(b->gate);
	return 0;
}
