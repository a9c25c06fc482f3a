/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gate_bench.h"

enum { SYN = 2, RST = 4, ACK = 16, FIN = 1 };

static struct bench *b;
static struct bytes f;

static int set_up(void **state)
{
	(void)state;
	b = bench_new(3, 4096);
	bench_open(b, true);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_true(bench_counts_hold(b));
	bench_free(b);
	return 0;
}

static void check(struct gate_answer answer, enum reason reason)
{
	assert_string_equal(reason_name(answer.reason), reason_name(reason));
	assert_int_equal(answer.verdict, reason_verdict(reason));
	assert_int_equal(answer.out_ports != 0, answer.verdict == VERDICT_PASS);
}

static void out_tcp(const char *src, unsigned sport, uint32_t seq, unsigned flags, enum reason reason)
{
	bool v6 = strchr(src, ':');

	tcp_frame(&f, ROUTER, 1, src, sport, v6 ? "2001:db8:9::9" : "192.0.2.9", 80, seq, flags);
	check(bench_send(b, 1, &f), reason);
}

static void test_budget_and_established(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++)
		out_tcp(i % 2 ? "2001:db8::1" : "10.0.0.1", 1000 + i, i, SYN,
			i < 10 ? REASON_WITHIN_BUDGET : REASON_TCP_LIMIT);
	out_tcp("10.0.0.1", 1000, 1, ACK, REASON_ESTABLISHED);
	out_tcp("10.0.0.1", 2000, 1, ACK, REASON_NO_FLOW);
	bench_wait(b, 3600 * SECOND);
	out_tcp("10.0.0.1", 3000, 1, SYN, REASON_WITHIN_BUDGET);
	assert_int_equal(b->by_type[EVENT_INCIDENT], 1);
}

static void test_replies_are_free(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		tcp_frame(&f, 1, ROUTER, "192.0.2.9", 5000 + i, "10.0.0.1", 22, i, SYN);
		check(bench_send(b, 0, &f), REASON_INBOUND);
		tcp_frame(&f, ROUTER, 1, "10.0.0.1", 22, "192.0.2.9", 5000 + i, 9, SYN | ACK);
		check(bench_send(b, 1, &f), REASON_REPLY);
	}
	assert_int_equal(b->by_type[EVENT_INCIDENT], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_budget_and_established, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replies_are_free, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
