/* SPDX-License-Identifier: Apache-2.0 */
/* The gate's budgets against a slow model: a plain list of the times of all conversations let out. With
 * restarts, reboots, other limits, wall clock jumps, v4 and v6 in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gate_bench.h"
#include "gate_traffic.h"

enum { PACKETS = 1000000, MODEL_MAX = 1 << 20 };

struct model {
	int64_t last;   /* newest time the budgets were asked */
	int64_t offset; /* as told by reboots */
	unsigned n[POTS][TRAFFIC_KINDS];
	int64_t *time[POTS][TRAFFIC_KINDS];
};

static struct model m;
static uint64_t seed = 42;

static int64_t model_now(const struct bench *b)
{
	int64_t now = b->now.steady_ns + m.offset;

	if (now > m.last)
		m.last = now;
	return m.last;
}

static bool model_allows(struct bench *b, unsigned pot, enum traffic kind)
{
	struct conf_rate *r = traffic_limit(b, pot, kind);
	int64_t now = model_now(b);
	unsigned n = 0;

	for (unsigned i = m.n[pot][kind];
		i-- > 0 && m.time[pot][kind][i] > now - r->period_s * SECOND;)
		n++;
	if (n >= r->count)
		return false;
	if (m.n[pot][kind] == MODEL_MAX)
		abort();
	m.time[pot][kind][m.n[pot][kind]++] = now;
	return true;
}

static unsigned pick(unsigned n)
{
	return (unsigned)(traffic_random(&seed) % n);
}

static void step_time(struct bench *b)
{
	uint64_t dice = traffic_random(&seed) % 100;

	if (dice < 40)
		bench_wait(b, (int64_t)(traffic_random(&seed) % (10 * SECOND)));
	else if (dice < 41)
		bench_wait(b, (int64_t)(traffic_random(&seed) % (1800 * SECOND)));
	else if (dice < 42)
		b->now.wall_ns = (int64_t)(traffic_random(&seed) % (1ull << 61));
}

static void restart(struct bench *b)
{
	bool reboot = traffic_random(&seed) % 4 == 0;

	b->gate = gate_free(b->gate); /* as a kill: nothing is written */
	if (reboot) {
		b->now.steady_ns = (int64_t)(traffic_random(&seed) % (100 * SECOND));
		m.offset = m.last - b->now.steady_ns;
	}
	if (traffic_random(&seed) % 2)
		traffic_limit(b, pick(POTS), pick(TRAFFIC_KINDS))->count = pick(30);
	if (traffic_random(&seed) % 5 == 0)
		traffic_limit(b, pick(POTS), pick(TRAFFIC_KINDS))->period_s = 1 + pick(7200);
	bench_open(b, !reboot);
}

static void test_model(void **state)
{
	struct bench *b = bench_new(POTS, 8192);
	unsigned let_out = 0;

	(void)state;
	traffic_prepare(b);
	b->conf->flow.tcp_new =
		1; /* so few are half-open at a time that the limit on those is far */
	for (unsigned i = 0; i < POTS; i++)
		b->honeypot[i].limit.half_open = 256;
	bench_open(b, true);
	for (unsigned i = 0; i < POTS * TRAFFIC_KINDS; i++)
		m.time[i / TRAFFIC_KINDS][i % TRAFFIC_KINDS] = calloc(MODEL_MAX, sizeof(int64_t));
	for (unsigned i = 0; i < PACKETS; i++) {
		unsigned pot = pick(POTS);
		enum traffic kind = pick(TRAFFIC_KINDS);
		struct gate_answer answer = traffic_new(b, pot, kind, pick(2), i);
		bool expected = model_allows(b, pot, kind);

		if ((answer.verdict == VERDICT_PASS) != expected)
			fail_msg("packet %u: pot %u kind %d: gate %s, model %s", i, pot, kind,
				reason_name(answer.reason), expected ? "pass" : "drop");
		let_out += expected;
		step_time(b);
		if (i % 64 == 0)
			gate_tick(b->gate, &b->now);
		if (traffic_random(&seed) % 4000 == 0)
			restart(b);
		if (i % 4096 == 0)
			assert_true(bench_counts_hold(b));
	}
	assert_true(let_out > 10000);
	while (!gate_finish(b->gate, &b->now))
		continue;
	assert_true(bench_counts_hold(b));
	for (unsigned i = 0; i < POTS * TRAFFIC_KINDS; i++)
		free(m.time[i / TRAFFIC_KINDS][i % TRAFFIC_KINDS]);
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_model) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
