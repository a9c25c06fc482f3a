/* SPDX-License-Identifier: Apache-2.0 */
/* A gate killed at any instruction: a child judges random frames on shared memory and is killed, many
 * times. After each death another takes over; what must hold about counts and budgets, holds. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "gate_bench.h"
#include "gate_traffic.h"

enum { DEATHS = 200, SENT_MAX = 1 << 20, FRAMES_MAX = 1 << 22 };

/* What both sides see and no death can spoil: each list grows by one store. */
struct witness {
	uint64_t seed, n;
	struct gate_time now;
	uint64_t records;                 /* the record ring's next number */
	uint64_t flow_frames[FRAMES_MAX]; /* sum of frames in the flow records up to this one */
	uint64_t incidents;
	uint64_t n_sent;
	struct sent {
		int64_t at;
		uint8_t pot, kind;
	} sent[SENT_MAX];
};

static struct witness *w;

static int emit(void *context, const struct record *record)
{
	uint64_t sum = w->records ? w->flow_frames[w->records % FRAMES_MAX] : 0;

	(void)context;
	if (record->type == EVENT_FLOW && !record->flow.parent_id)
		sum += record->flow.pkts_toserver + record->flow.pkts_toclient +
		       record->flow.icmp_errors;
	w->flow_frames[(w->records + 1) % FRAMES_MAX] = sum;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	w->records++;
	return 0;
}

static uint64_t emitted(void *context)
{
	(void)context;
	return w->records;
}

static void open_gate(struct bench *b)
{
	struct gate_setup setup = { .conf = b->conf,
		.policy = b->policy,
		.flow_memory = b->flow_memory,
		.budget_memory = b->budget_memory,
		.emit = emit,
		.emitted = emitted,
		.boot = 1,
		.same_boot = true,
		.now = w->now };

	if (gate_new(&setup, &b->gate) < 0)
		abort();
}

static void note_sent(unsigned pot, enum traffic kind)
{
	if (w->n_sent == SENT_MAX)
		abort();
	w->sent[w->n_sent] =
		(struct sent){ .at = w->now.steady_ns, .pot = (uint8_t)pot, .kind = (uint8_t)kind };
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	w->n_sent++;
}

/* Frames in: new ones, some of them closing at once, so that flows end and records are written. */
static void come_in(struct bench *b, uint32_t n)
{
	struct bytes f;

	tcp_frame(&f, 1 + n % POTS, ROUTER, "192.0.2.1", n & 0xffff,
		n & 4 ? "10.0.0.1" : "10.0.0.2", 80, n, n & 1 ? 2 : 20);
	bench_send(b, GATE_OUTSIDE, &f);
}

static void live(struct bench *b)
{
	open_gate(b);
	for (;;) {
		unsigned pot = (unsigned)(traffic_random(&w->seed) % POTS);
		enum traffic kind = traffic_random(&w->seed) % TRAFFIC_KINDS;
		struct gate_answer answer;

		w->now.steady_ns += (int64_t)(traffic_random(&w->seed) % (SECOND / 2));
		w->now.wall_ns = w->now.steady_ns;
		b->now = w->now;
		w->n++;
		answer = traffic_new(b, pot, kind, w->n & 1, (uint32_t)w->n);
		if (answer.verdict == VERDICT_PASS)
			note_sent(pot, kind);
		come_in(b, (uint32_t)traffic_random(&w->seed));
		if (w->n % 8 == 0)
			gate_tick(b->gate, &b->now);
	}
}

static void check_counts(struct bench *b)
{
	struct gate_counts c;

	open_gate(b);
	gate_counts(b->gate, &c);
	assert_int_equal(c.received, c.passed + c.dropped);
	assert_int_equal(c.received, c.in_flows + c.other_frames);
	assert_int_equal(c.in_flows, w->flow_frames[w->records % FRAMES_MAX] + c.open_frames);
	b->gate = gate_free(b->gate);
}

static void check_budgets(struct bench *b)
{
	for (unsigned pot = 0; pot < POTS; pot++)
		for (unsigned kind = 0; kind < TRAFFIC_KINDS; kind++) {
			const struct conf_rate *rate = traffic_limit(b, pot, kind);
			int64_t ring[200] = { 0 }, period = rate->period_s * SECOND;
			uint64_t n = 0;

			for (uint64_t i = 0; i < w->n_sent; i++) {
				if (w->sent[i].pot != pot || w->sent[i].kind != kind)
					continue;
				if (n >= rate->count)
					assert_true(
						w->sent[i].at - ring[n % rate->count] >= period);
				ring[n++ % rate->count] = w->sent[i].at;
			}
		}
}

static void *share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

static void test_killed(void **state)
{
	struct bench *b = bench_new(POTS, 1024);
	uint64_t dice = 4711;

	(void)state;
	traffic_prepare(b);
	b->policy = bench_policy(b);
	free(b->flow_memory);
	free(b->budget_memory);
	b->flow_memory = share(gate_flow_memory_size(b->conf));
	b->budget_memory = share(gate_budget_memory_size(b->conf));
	w = share(sizeof(*w));
	w->seed = 99;
	w->now.steady_ns = 1000 * SECOND;
	for (unsigned i = 0; i < DEATHS; i++) {
		pid_t child = fork();

		if (child == 0)
			live(b);
		nanosleep(&(struct timespec){ .tv_nsec = (long)(4000000 +
								traffic_random(&dice) % 12000000) },
			NULL);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		check_counts(b);
	}
	assert_true(w->n > DEATHS);
	check_budgets(b);
	munmap(b->flow_memory, gate_flow_memory_size(b->conf));
	munmap(b->budget_memory, gate_budget_memory_size(b->conf));
	b->flow_memory = b->budget_memory = NULL;
	bench_free(b);
	print_message("%u frames, %u records, %u conversations let out\n", (unsigned)w->n * 2,
		(unsigned)w->records, (unsigned)w->n_sent);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_killed) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
