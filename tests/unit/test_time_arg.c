/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "cmd/fishbowl/time_arg.h"

static const int64_t noon_ns = 1769860800000000000; /* 2026-01-31 12:00 UTC */

static void test_dates(void **state)
{
	static const char *const same[] = { "2026-01-31T12:00:00Z", "2026-01-31 12:00",
		"2026-01-31 12:00:00", "2026-01-31T14:00:00+02:00", "2026-01-31T07:30:00-0430",
		"2026-01-31T12:00:00.000Z" };
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		assert_true(time_arg_parse(same[i], &ns));
		assert_int_equal(ns, noon_ns);
	}
	assert_true(time_arg_parse("2026-01-31T12:00:00.5Z", &ns));
	assert_int_equal(ns, noon_ns + 500000000);
	assert_true(time_arg_parse("2026-01-31", &ns));
	assert_int_equal(ns, noon_ns - INT64_C(43200000000000));
}

static void test_before_now(void **state)
{
	int64_t ns, now_s = time(NULL);

	(void)state;
	assert_true(time_arg_parse("-1h", &ns));
	assert_true(ns / 1000000000 >= now_s - 3602 && ns / 1000000000 <= now_s - 3598);
	assert_true(time_arg_parse("today", &ns));
	assert_int_equal(ns % INT64_C(86400000000000), 0);
	assert_true(time_arg_parse("now", &ns));
}

static void test_nonsense(void **state)
{
	static const char *const wrong[] = { "", "-", "-1", "-1y", "-1hh", "--1h", "2026",
		"26-1-31", "2026-01-31X", "2026-01-31T25:00:00Z", "2026-01-31T12:00:00+",
		"2026-13-01", "tomorrow", "-99999999999999999999s" };
	int64_t ns = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (time_arg_parse(wrong[i], &ns))
			fail_msg("'%s' was taken", wrong[i]);
	assert_int_equal(ns, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_before_now),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
