/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "control/shape.h"

static const int64_t S = 1000000000, MS = 1000000;

enum { RATE = 125000, LEFT_MAX = 20000 }; /* 1 Mbit/s */

static struct {
	int64_t ns;
	uint32_t bytes; /* on the wire */
} left[LEFT_MAX];
static unsigned n_left;

static uint32_t random_below(uint32_t n)
{
	static uint64_t x = 1;

	x = x * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(x >> 33) % n;
}

static uint32_t on_wire(uint32_t len)
{
	return len < 60 ? 84 : len + 24;
}

/* Ten times the rate for a minute; what left and when. Returns the longest delay. */
static int64_t offer(uint64_t rate)
{
	struct shape_line line = { 0 };
	int64_t now = 5 * S, longest = 0;

	n_left = 0;
	while (now < 65 * S) {
		uint32_t len = random_below(2) ? 1514 : 60 + random_below(1000);
		int64_t due = shape_due_ns(&line, rate, len, now);

		if (due >= 0) {
			assert_true(due > now);
			assert_true(n_left == 0 || due > left[n_left - 1].ns);
			assert_true(n_left < LEFT_MAX);
			left[n_left].ns = due;
			left[n_left++].bytes = on_wire(len);
			longest = due - now > longest ? due - now : longest;
		}
		now += (int64_t)on_wire(len) * S / (int64_t)rate / 10;
	}
	return longest;
}

/* In every window (from, to] between two departures: exactly what the rate allows, and one
 * frame. */
static void expect_no_burst(uint64_t rate)
{
	for (unsigned from = 0; from < n_left; from++) {
		uint64_t bytes = 0;

		for (unsigned to = from + 1; to < n_left; to++) {
			bytes += left[to].bytes;
			assert_true(bytes * (uint64_t)S <=
				    (uint64_t)(left[to].ns - left[from].ns) * rate);
		}
	}
}

static void test_never_faster(void **state)
{
	uint64_t bytes = 0;

	(void)state;
	assert_in_range(offer(RATE), 380 * MS, 400 * MS);
	expect_no_burst(RATE);
	for (unsigned i = 0; i < n_left; i++)
		bytes += left[i].bytes;
	assert_in_range(bytes, 59 * RATE, 61 * RATE); /* and the line is full */
}

/* At 1000 bytes/s a full frame takes 1.5 s: two fit. */
static void test_very_slow(void **state)
{
	struct shape_line line = { 0 };
	int64_t first = shape_due_ns(&line, 1000, 1514, S);

	(void)state;
	assert_true(first == S + 1538 * MS);
	assert_true(shape_due_ns(&line, 1000, 1514, S) == S + 2 * 1538 * MS);
	assert_true(shape_due_ns(&line, 1000, 1514, S) == -1);
	assert_true(shape_due_ns(&line, 1000, 1514, first) == S + 3 * 1538 * MS);
	offer(1000);
	expect_no_burst(1000);
	assert_true(n_left > 30);
}

static void test_idle_line(void **state)
{
	struct shape_line line = { 0 };

	(void)state;
	for (int64_t now = 0; now < 100 * S; now += S)
		assert_true(shape_due_ns(&line, RATE, 1226, now) == now + 10 * MS);
	assert_true(shape_due_ns(&line, 1, 9000, 200 * S) == 200 * S + 9024 * S);
	assert_true(shape_due_ns(&line, 1, 60, 200 * S) == -1);
}

/* A sender that answers loss and delay as TCP does: the round trip grows with its window up to
 * the length of the queue, then it loses, and on the whole it gets the rate. */
static void test_tcp_like_sender(void **state)
{
	struct shape_line line = { 0 };
	double window = 2;
	int64_t now = S, end = 61 * S, shortest = INT64_MAX, longest = 0;
	uint64_t sent = 0, lost = 0;

	(void)state;
	while (now < end) {
		int64_t last = now;
		bool loss = false;

		for (unsigned i = 0; i < (unsigned)window; i++) {
			int64_t due = shape_due_ns(&line, RATE, 1514, now);

			loss |= due < 0;
			lost += due < 0;
			sent += due >= 0;
			last = due > last ? due : last;
		}
		shortest = last - now < shortest ? last - now : shortest;
		longest = last - now > longest ? last - now : longest;
		window = loss ? window / 2 : window + 1;
		now = last > now + 20 * MS ? last : now + 20 * MS;
	}
	assert_true(shortest < 30 * MS);
	assert_in_range(longest, 380 * MS, 400 * MS);
	assert_in_range(sent * 1538, 55 * RATE, 61 * RATE);
	assert_in_range(lost, 1, sent / 10);
}

static void test_no_shaping(void **state)
{
	struct shape_line line = { 0 };
	int64_t due;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_true(shape_due_ns(&line, 0, 1514, S) == S);
	due = shape_due_ns(&line, RATE, 1514, S);
	assert_true(shape_due_ns(&line, 0, 60, S) == due); /* does not overtake */
	assert_true(shape_due_ns(&line, 0, 60, 2 * S) == 2 * S);
	assert_true(shape_due_ns(&line, UINT64_MAX, 60, 3 * S) == 3 * S + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_never_faster),
		cmocka_unit_test(test_very_slow),
		cmocka_unit_test(test_idle_line),
		cmocka_unit_test(test_tcp_like_sender),
		cmocka_unit_test(test_no_shaping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
