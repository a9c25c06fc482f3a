/* SPDX-License-Identifier: Apache-2.0 */
/* gate_bench - a gate on a test bench: configuration, memory, a sink for its records. Honeypot n (from 1)
 * has MAC n, addresses 10.0.0.n and 2001:db8::n, behind inside port 1; MAC 200 is the router. */
#pragma once

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "conf/list.h"
#include "control/gate.h"
#include "control/parts.h"
#include "control/policy.h"
#include "event/event.h"
#include "frame/frame.h"
#include "packets.h"

enum { ROUTER = 200, RECORDS_MAX = 4096 };
#define SECOND 1000000000ll

struct bench {
	struct conf *conf;
	struct conf_a_honeypot honeypot[8];
	struct ip ip[8][2];
	struct list list[LIST_COUNT]; /* bench_list() */
	struct policy *policy;
	uint64_t generation;
	bool lockdown;
	void *flow_memory, *budget_memory;
	struct gate *gate;
	struct whole *whole;
	struct gate_answer part[WHOLE_PARTS_MAX]; /* of the last datagram in parts */
	unsigned n_parts;
	struct gate_time now;
	uint64_t packets;
	bool full; /* the sink takes nothing */
	uint64_t n_records;
	uint64_t by_type[EVENT_COUNT];
	uint64_t flow_frames;              /* of all flow records, as gate.h says */
	struct record record[RECORDS_MAX]; /* texts that are not the gate's own are lost */
};

__attribute__((unused)) static int bench_emit(void *context, const struct record *record)
{
	struct bench *b = context;

	if (b->full)
		return -ENOSPC;
	b->record[b->n_records++ % RECORDS_MAX] = *record;
	b->by_type[record->type]++;
	if (record->type == EVENT_FLOW && !record->flow.parent_id)
		b->flow_frames += record->flow.pkts_toserver + record->flow.pkts_toclient +
				  record->flow.icmp_errors;
	return 0;
}

__attribute__((unused)) static uint64_t bench_emitted(void *context)
{
	return ((struct bench *)context)->n_records;
}

/* Another entry of a list, from the next bench_open() or bench_apply() on. */
__attribute__((unused)) static void bench_list(
	struct bench *b, enum list_kind kind, const char *text)
{
	struct list *list = &b->list[kind];
	char why[LIST_WHY_MAX];

	list->rule = realloc(list->rule, (list->n + 1) * sizeof(*list->rule));
	if (!list->rule || list_rule_parse(text, &list->rule[list->n++], why) < 0)
		abort();
}

/* What the configuration and the lists say now; the caller's. */
__attribute__((unused)) static struct policy *bench_policy(struct bench *b)
{
	const struct policy_source source = { .conf = b->conf,
		.list = b->list,
		.lockdown = b->lockdown,
		.generation = ++b->generation,
		.now_ns = b->now.wall_ns };
	struct policy *policy;

	if (policy_build(&source, &policy) < 0 || !policy_check(policy, policy->size))
		abort();
	return policy;
}

/* Another policy, live. */
__attribute__((unused)) static void bench_apply(struct bench *b)
{
	struct policy *policy = bench_policy(b);

	if (gate_set_policy(b->gate, policy, &b->now) < 0)
		abort();
	free(b->policy);
	b->policy = policy;
}

__attribute__((unused)) static void bench_open(struct bench *b, bool same_boot)
{
	struct policy *policy = bench_policy(b);
	struct gate_setup setup = { .conf = b->conf,
		.policy = policy,
		.flow_memory = b->flow_memory,
		.budget_memory = b->budget_memory,
		.emit = bench_emit,
		.emitted = bench_emitted,
		.emit_context = b,
		.boot = 5,
		.same_boot = same_boot,
		.now = b->now };

	if (gate_new(&setup, &b->gate) < 0)
		abort();
	free(b->policy);
	b->policy = policy;
}

__attribute__((unused)) static struct bench *bench_new(unsigned n_honeypots, uint64_t flows)
{
	struct bench *b = calloc(1, sizeof(*b));

	if (!b || conf_default(&b->conf) < 0)
		abort();
	b->conf->honeypot = b->honeypot;
	b->conf->n_honeypots = n_honeypots;
	b->conf->flow.max = flows;
	for (unsigned i = 0; i < n_honeypots; i++) {
		struct conf_a_honeypot *h = &b->honeypot[i];
		char text[64];

		snprintf(h->name, sizeof(h->name), "pot%u", i + 1);
		snprintf(text, sizeof(text), "10.0.0.%u", i + 1);
		b->ip[i][0] = address(text);
		snprintf(text, sizeof(text), "2001:db8::%u", i + 1);
		b->ip[i][1] = address(text);
		h->address = b->ip[i];
		h->n_addresses = 2;
		h->limit = b->conf->limit;
		h->inside = -1;
	}
	if (whole_new(&b->whole) < 0)
		abort();
	b->flow_memory = calloc(1, gate_flow_memory_size(b->conf));
	b->budget_memory = calloc(1, gate_budget_memory_size(b->conf));
	b->now = (struct gate_time){ .wall_ns = 1700000000 * SECOND, .steady_ns = 1000 * SECOND };
	return b;
}

__attribute__((unused)) static void bench_free(struct bench *b)
{
	gate_free(b->gate);
	whole_free(b->whole);
	b->conf->honeypot = NULL;
	b->conf->n_honeypots = 0;
	b->conf->resolver = NULL;
	b->conf->n_resolvers = 0;
	b->conf->ntp_server = NULL;
	b->conf->n_ntp_servers = 0;
	conf_free(b->conf);
	free(b->policy);
	for (unsigned i = 0; i < LIST_COUNT; i++)
		free(b->list[i].rule);
	free(b->flow_memory);
	free(b->budget_memory);
	free(b);
}

__attribute__((unused)) static void bench_wait(struct bench *b, int64_t ns)
{
	b->now.wall_ns += ns;
	b->now.steady_ns += ns;
}

/* The answers to all parts; the last one's is returned. */
static struct gate_answer bench_judge_set(struct bench *b, const struct whole_set *set)
{
	struct parts parts = { 0 };

	b->n_parts = set->n;
	for (unsigned i = 0; i < set->n; i++) {
		parts_judge(&parts, b->gate, set, i, &b->now, ++b->packets);
		b->part[i] = parts.answer;
	}
	return parts.answer;
}

/* A part that waits has no answer yet: dropped, for no reason. */
__attribute__((unused)) static struct gate_answer bench_send(
	struct bench *b, unsigned port, const struct bytes *frame)
{
	const struct whole_set *set;
	struct frame f;

	frame_parse(frame->at, frame->len, FRAME_LINK_ETHERNET, &f);
	if (!gate_wants_whole(b->gate, port, &f))
		return gate_judge(b->gate, port, &f, &b->now, ++b->packets);
	if (whole_take(b->whole, port, &f, &b->now, 0, &set) == WHOLE_SET)
		return bench_judge_set(b, set);
	return (struct gate_answer){ .verdict = VERDICT_DROP };
}

/* Time is over for parts that wait; how many frames were judged. */
__attribute__((unused)) static unsigned bench_expire(struct bench *b, int64_t steady_ns)
{
	const struct whole_set *set;
	unsigned n = 0;

	while ((set = whole_expired(b->whole, steady_ns)) != NULL) {
		n += set->n;
		if (bench_judge_set(b, set).verdict != VERDICT_DROP)
			abort();
	}
	return n;
}

/* The identities that must always hold. */
__attribute__((unused)) static bool bench_counts_hold(struct bench *b)
{
	struct gate_counts c;

	gate_counts(b->gate, &c);
	return c.received == c.passed + c.dropped && c.received == c.in_flows + c.other_frames &&
	       c.in_flows == b->flow_frames + c.open_frames;
}
