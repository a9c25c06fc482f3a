/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/later.h"

static struct later *later;

static int set_up(void **state)
{
	(void)state;
	return later_new(&later);
}

static int tear_down(void **state)
{
	(void)state;
	later = later_free(later);
	return 0;
}

/* A frame that says of itself when it is due and which it is. */
static int put(int64_t due, uint16_t honeypot, uint32_t len, uint64_t n)
{
	uint8_t data[LATER_FRAME_MAX + 1];

	memset(data, (int)(n & 255), len);
	memcpy(data, &n, sizeof(n));
	return later_put(later, due, (uint32_t)n, honeypot % 16, honeypot, data, len);
}

static uint64_t number_of(const struct later_frame *f)
{
	uint64_t n;

	memcpy(&n, f->data, sizeof(n));
	for (uint32_t i = sizeof(n); i < f->len; i++)
		assert_int_equal(f->data[i], n & 255);
	assert_int_equal(f->out_ports, (uint32_t)n);
	return n;
}

static uint64_t take(int64_t now)
{
	const struct later_frame *f = later_due(later, now);
	uint64_t n;

	if (!f)
		return UINT64_MAX;
	assert_true(f->due_ns <= now);
	assert_true(f->due_ns == later_next_ns(later));
	later_pop(later);
	n = number_of(f); /* still there */
	return n;
}

static void test_order(void **state)
{
	(void)state;
	assert_true(later_next_ns(later) == INT64_MAX);
	assert_null(later_due(later, INT64_MAX));
	assert_int_equal(put(300, 1, 60, 1), 0);
	assert_int_equal(put(100, 2, 1514, 2), 0);
	assert_int_equal(put(100, 1, 9000, 3), 0);
	assert_int_equal(put(200, 1, LATER_FRAME_MAX, 4), 0);
	assert_int_equal(put(100, 3, 129, 5), 0);
	assert_true(later_next_ns(later) == 100);
	assert_null(later_due(later, 99));
	assert_int_equal(later_due(later, 100)->honeypot, 2);
	assert_int_equal(later_due(later, 100)->in_port, 2);
	assert_int_equal(later_due(later, 100)->len, 1514);
	assert_int_equal(take(100), 2);
	assert_int_equal(take(100), 3);
	assert_int_equal(take(100), 5);
	assert_true(take(199) == UINT64_MAX);
	assert_int_equal(take(1000), 4);
	assert_int_equal(take(1000), 1);
	assert_true(take(INT64_MAX) == UINT64_MAX);
}

static void test_too_long(void **state)
{
	(void)state;
	assert_int_equal(put(0, 1, LATER_FRAME_MAX + 1, 1), -EMSGSIZE);
	assert_true(later_next_ns(later) == INT64_MAX);
}

static unsigned fill(uint16_t honeypot, uint32_t len)
{
	unsigned n = 0;

	while (put(7, honeypot, len, n) == 0)
		n++;
	assert_int_equal(put(7, honeypot, len, n), -ENOSPC);
	return n;
}

/* One gets a quarter; the others still get theirs; what is taken can be put again. */
static void test_shares(void **state)
{
	static const uint32_t lens[] = { 60, 1514, LATER_FRAME_MAX };
	unsigned frames = 0;
	uint64_t bytes = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		for (uint16_t honeypot = 0; honeypot < 6; honeypot++) {
			unsigned n = fill(honeypot, lens[i]);

			assert_int_equal(n > 0, honeypot < 4);
			frames += n;
			bytes += (uint64_t)n * lens[i];
		}
	assert_int_equal(frames, LATER_FRAMES_MAX);
	assert_in_range(bytes, LATER_BYTES_MAX / 2, LATER_BYTES_MAX);
	while (take(7) != UINT64_MAX)
		frames--;
	assert_int_equal(frames, 0);
	assert_true(fill(5, 60) > 0);
}

/* Whoever is no honeypot is one owner. */
static void test_nobody(void **state)
{
	(void)state;
	assert_true(fill(0xffff, 1514) > 0);
	assert_int_equal(fill(0xfffe, 1514), 0);
	assert_true(fill(1023, 1514) > 0);
}

static uint32_t random_below(uint32_t n)
{
	static uint64_t x = 1;

	x = x * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(x >> 33) % n;
}

enum { STEPS = 60000 };

/* Of those that wait, by a plain list. */
static struct listed {
	int64_t due;
	bool waits;
} list[STEPS];

static uint32_t list_first(uint32_t from, uint32_t to, int64_t now)
{
	uint32_t best = STEPS;

	for (uint32_t i = from; i < to; i++)
		if (list[i].waits && list[i].due <= now &&
			(best == STEPS || list[i].due < list[best].due))
			best = i;
	return best;
}

static void test_random(void **state)
{
	uint32_t first = 0;
	int64_t now = 0;

	(void)state;
	for (uint32_t n = 0; n < STEPS; n++) {
		now += random_below(3);
		list[n] = (struct listed){ now + random_below(60), true };
		assert_int_equal(
			put(list[n].due, (uint16_t)random_below(40), 8 + random_below(1600), n), 0);
		for (uint32_t takes = random_below(4); takes > 0; takes--) {
			uint32_t expected;

			while (first < n && !list[first].waits)
				first++;
			expected = list_first(first, n + 1, now);
			assert_true(take(now) == (expected == STEPS ? UINT64_MAX : expected));
			if (expected != STEPS)
				list[expected].waits = false;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_long, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shares, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_random, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
