/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gate that lets everything pass and remembers nothing, in place of control/gate.c: with it fb-gate
 * forwards and captures, and no more. Only for the benchmark, to tell what control costs.
 */
#include <errno.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "control/gate.h"

struct gate {
	const struct policy *policy;
	uint32_t inside;
	struct gate_counts counts;
};

size_t gate_flow_memory_size(const struct conf *conf)
{
	(void)conf;
	return 4096;
}

size_t gate_budget_memory_size(const struct conf *conf)
{
	(void)conf;
	return 4096;
}

int gate_new(const struct gate_setup *setup, struct gate **ret_gate)
{
	struct gate *gate = calloc(1, sizeof(*gate));

	if (!gate)
		return -ENOMEM;
	gate->policy = setup->policy;
	gate->inside = (2u << setup->conf->top.inside.n) - 2;
	*ret_gate = gate;
	return 0;
}

struct gate *gate_free(struct gate *gate)
{
	free(gate);
	return NULL;
}

struct gate_answer gate_judge(struct gate *gate, unsigned in_port, const struct frame *frame,
	const struct gate_time *now, uint64_t packet)
{
	bool inbound = in_port == GATE_OUTSIDE;

	(void)frame, (void)now, (void)packet;
	gate->counts.received++;
	gate->counts.passed++;
	gate->counts.other_frames++;
	return (struct gate_answer){ .verdict = VERDICT_PASS,
		.reason = inbound ? REASON_INBOUND : REASON_NONE,
		.direction = inbound ? DIRECTION_INBOUND : DIRECTION_OUTBOUND,
		.out_ports = inbound ? gate->inside : 1u << GATE_OUTSIDE,
		.honeypot = GATE_NO_HONEYPOT };
}

struct gate_answer gate_judge_part(struct gate *gate, unsigned in_port,
	const struct gate_whole *whole, const struct frame *part, const struct gate_answer *before,
	const struct gate_time *now, uint64_t packet)
{
	(void)whole, (void)before;
	return gate_judge(gate, in_port, part, now, packet);
}

bool gate_wants_whole(struct gate *gate, unsigned in_port, const struct frame *frame)
{
	(void)gate, (void)in_port, (void)frame;
	return false;
}

int gate_set_policy(struct gate *gate, const struct policy *policy, const struct gate_time *now)
{
	(void)now;
	gate->policy = policy;
	return 0;
}

const struct policy *gate_policy(const struct gate *gate)
{
	return gate->policy;
}

uint64_t gate_secret(const struct gate *gate)
{
	(void)gate;
	return 0;
}

int gate_kill_flow(struct gate *gate, uint64_t flow_id)
{
	(void)gate, (void)flow_id;
	return -ENOENT;
}

void gate_failed(struct gate *gate, unsigned in_port, enum reason reason, const struct frame *frame,
	const struct gate_time *now)
{
	(void)in_port, (void)reason, (void)frame, (void)now;
	gate->counts.passed--;
	gate->counts.dropped++;
}

void gate_failed_late(struct gate *gate, unsigned in_port, enum reason reason,
	const struct frame *frame, const struct gate_time *now)
{
	(void)in_port, (void)reason, (void)frame, (void)now;
	gate->counts.passed--;
	gate->counts.dropped++;
}

void gate_tick(struct gate *gate, const struct gate_time *now)
{
	(void)gate, (void)now;
}

bool gate_finish(struct gate *gate, const struct gate_time *now)
{
	(void)gate, (void)now;
	return true;
}

void gate_counts(const struct gate *gate, struct gate_counts *ret_counts)
{
	*ret_counts = gate->counts;
}
