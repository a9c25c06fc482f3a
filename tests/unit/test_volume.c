/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "control/volume.h"
#include "dice.h"

#define SECOND 1000000000ll
enum { TAKEN_MAX = 1 << 16 };

static struct {
	int64_t at;
	uint64_t amount;
} taken[TAKEN_MAX];
static unsigned n_taken;
static uint64_t seed = 7;

static uint64_t dice(uint64_t n)
{
	return (dice_next(&seed) >> 16) % n;
}

static bool try(struct volume *v, const struct volume_limit *limit, uint64_t amount, int64_t now)
{
	if (!volume_allows(v, limit, amount, now))
		return false;
	volume_take(v, limit, amount);
	assert_true(n_taken < TAKEN_MAX);
	taken[n_taken].at = now;
	taken[n_taken++].amount = amount;
	return true;
}

/* Of every window, those that end with something taken hold the most. */
static void check_windows(const struct volume_limit *limit)
{
	uint64_t sum = 0;
	unsigned first = 0;

	for (unsigned i = 0; i < n_taken; i++) {
		sum += taken[i].amount;
		while (taken[first].at <= taken[i].at - limit->period_ns)
			sum -= taken[first++].amount;
		assert_true(sum <= limit->amount);
	}
	n_taken = 0;
}

static void test_no_window_has_more(void **state)
{
	static const int64_t period[] = { SECOND, 7 * SECOND, 60 * SECOND, 3600 * SECOND };

	(void)state;
	for (unsigned run = 0; run < 40; run++) {
		struct volume_limit limit = { 1 + dice(1000), period[run % 4] };
		struct volume v = { 0 };
		int64_t now = (int64_t)dice(1u << 30);

		for (unsigned i = 0; i < 20000; i++) {
			try(&v, &limit, 1 + dice(limit.amount / 4 + 1), now);
			now += (int64_t)dice((uint64_t)limit.period_ns / (dice(50) ? 400 : 1));
		}
		check_windows(&limit);
	}
}

/* Somebody who always sends what he may gets at least 31/32 of it. */
static void test_use(void **state)
{
	(void)state;
	for (unsigned run = 0; run < 20; run++) {
		struct volume_limit limit = { 50 + dice(100), SECOND * (int64_t)(1 + dice(100)) };
		struct volume v = { 0 };
		int64_t start = (int64_t)dice(1u << 30), now = start;
		uint64_t sum = 0;

		for (; now < start + 64 * limit.period_ns; now += limit.period_ns / 1000)
			while (try(&v, &limit, 1, now))
				sum++;
		assert_true(sum * 32 >= limit.amount * 64 * 31);
		check_windows(&limit);
	}
}

static void test_other_limits(void **state)
{
	struct volume_limit hour = { 100, 3600 * SECOND }, minute = { 100, 60 * SECOND };
	const struct volume_limit none = { UINT64_MAX, SECOND };
	struct volume v = { 0 };

	(void)state;
	volume_take(&v, &hour, volume_allows(&v, &hour, 60, SECOND) ? 60 : 0);
	assert_false(volume_allows(&v, &hour, 41, 2 * SECOND));
	assert_true(volume_allows(&v, &hour, 40, 2 * SECOND));
	/* What was used counts as used now. */
	assert_false(volume_allows(&v, &minute, 41, 30 * SECOND));
	assert_false(volume_allows(&v, &minute, 41, 89 * SECOND));
	assert_true(volume_allows(&v, &minute, 100, 93 * SECOND));
	assert_true(volume_allows(&v, &none, UINT64_MAX, 93 * SECOND));
	minute.amount = 0;
	assert_false(volume_allows(&v, &minute, 1, 100 * SECOND));
}

/* Killed while it was written: never less than what was used. */
static void test_mended(void **state)
{
	const struct volume_limit limit = { 100, 3600 * SECOND };
	struct volume v = { 0 }, cut;

	(void)state;
	volume_take(&v, &limit, volume_allows(&v, &limit, 60, SECOND) ? 60 : 0);
	for (size_t i = 0; i <= sizeof(v); i += 8) { /* from there on as before the first time */
		cut = (struct volume){ 0 };
		memcpy(&cut, &v, i);
		volume_mend(&cut, 2 * SECOND);
		if (i == sizeof(v))
			assert_false(volume_allows(&cut, &limit, 41, 3 * SECOND));
		assert_false(volume_allows(&cut, &limit, 101, 3 * SECOND));
	}
	for (unsigned i = 0; i < 10000; i++) {
		for (size_t k = 0; k < sizeof(cut); k++)
			((uint8_t *)&cut)[k] = (uint8_t)dice(256);
		volume_mend(&cut, 2 * SECOND);
		volume_allows(&cut, &limit, dice(200), 3 * SECOND);
		volume_take(&cut, &limit, dice(200));
		assert_true(volume_allows(&cut, &limit, 100, 20000 * SECOND));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_window_has_more),
		cmocka_unit_test(test_use),
		cmocka_unit_test(test_other_limits),
		cmocka_unit_test(test_mended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
