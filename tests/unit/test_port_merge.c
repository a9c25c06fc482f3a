/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "merge_check.h"
#include "merge_frames.h"

enum { PSH = 0x08, FIN = 0x01, SIZE = 100 };

static struct merge_check check;

static struct merge_flow new_flow(uint8_t version)
{
	return (struct merge_flow){ .version = version,
		.option_words = (unsigned)random() % 11,
		.seq = (uint32_t)random() * 3,
		.id = (uint16_t)random() };
}

static void begin(void)
{
	memset(&check, 0, sizeof(check));
}

/* Streams of any sizes, with PSH here and there. */
static void test_streams(void **state)
{
	uint8_t frame[MERGE_FRAME_MAX];

	(void)state;
	srandom(1);
	begin();
	for (int round = 0; round < 500; round++) {
		struct merge_flow flow = new_flow(random() & 1 ? 4 : 6);
		size_t size = 1 + (size_t)random() % 1400;

		for (int i = 0; i < 100; i++) {
			size_t now = random() % 20 ? size : 1 + (size_t)random() % 1400;
			uint8_t flags = random() % 20 ? 0 : PSH;
			size_t len = merge_frame(&flow, flags, now, frame);

			assert_true(merge_check_take(&check, frame, len));
		}
		assert_true(merge_check_end(&check));
	}
	assert_true(check.merged > 40000);
}

/* How many of these two are taken together. */
static unsigned taken(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	unsigned n = 0;

	begin();
	n += port_merge_take(&check.merge, a, a_len);
	n += port_merge_take(&check.merge, b, b_len);
	return n;
}

/* Every bit of the second one's headers and of a payload: changed as it is, or with checksums made right, it
 * is told from what would go on, or is cut again as it came. */
static void test_every_bit(void **state)
{
	uint8_t frame[3][MERGE_FRAME_MAX];
	size_t len[3];

	(void)state;
	srandom(2);
	for (int round = 0; round < 8; round++) {
		struct merge_flow flow = new_flow(round & 1 ? 4 : 6);

		for (int i = 0; i < 3; i++)
			len[i] = merge_frame(&flow, 0, SIZE, frame[i]);
		assert_int_equal(taken(frame[0], len[0], frame[1], len[1]), 2);
		for (size_t bit = 0; bit < 2 * 8 * len[1]; bit++) {
			uint8_t changed[MERGE_FRAME_MAX];

			memcpy(changed, frame[1], len[1]);
			changed[bit / 2 / 8] ^= (uint8_t)(1 << bit / 2 % 8);
			if (bit & 1)
				merge_frame_sums(changed, len[1]);
			begin();
			assert_true(merge_check_take(&check, frame[0], len[0]));
			assert_true(merge_check_take(&check, changed, len[1]));
			assert_true(merge_check_take(&check, frame[2], len[2]));
			assert_true(merge_check_end(&check));
			if (!(bit & 1))
				assert_int_equal(check.merged, 0); /* a checksum is wrong */
		}
	}
}

/* Nothing follows one with PSH or a shorter one; nothing longer than the first, no FIN, nothing empty. */
static void test_ends(void **state)
{
	static const struct {
		uint8_t flags[2];
		size_t size[2];
		unsigned taken;
	} rows[] = {
		{ { 0, 0 }, { SIZE, SIZE }, 2 },
		{ { 0, PSH }, { SIZE, SIZE }, 2 },
		{ { 0, 0 }, { SIZE, 1 }, 2 },
		{ { PSH, 0 }, { SIZE, SIZE }, 1 },
		{ { 0, 0 }, { SIZE, SIZE + 1 }, 1 },
		{ { 0, FIN }, { SIZE, SIZE }, 1 },
		{ { 0, 0 }, { SIZE, 0 }, 1 },
		{ { 0, 0 }, { 0, SIZE }, 1 },
	};
	uint8_t frame[2][MERGE_FRAME_MAX];
	size_t len[2];

	(void)state;
	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		struct merge_flow flow = { .version = row & 1 ? 4 : 6, .seq = 0xffffffff - 50 };

		for (int i = 0; i < 2; i++)
			len[i] =
				merge_frame(&flow, rows[row].flags[i], rows[row].size[i], frame[i]);
		assert_int_equal(taken(frame[0], len[0], frame[1], len[1]), rows[row].taken);
	}
}

/* The identification goes round; so does the sequence number. */
static void test_wraps(void **state)
{
	struct merge_flow flow = { .version = 4, .seq = 0xffffff00, .id = 0xfffe };
	uint8_t frame[MERGE_FRAME_MAX];

	(void)state;
	begin();
	for (int i = 0; i < 10; i++)
		assert_true(merge_check_take(&check, frame, merge_frame(&flow, 0, SIZE, frame)));
	assert_int_equal(check.merge.n, 10);
	assert_true(merge_check_end(&check));
}

/* A checksum has two forms of zero, and the kernel would write its own. */
static void test_zero_sums(void **state)
{
	uint8_t frame[2][MERGE_FRAME_MAX];
	size_t len[2], at;

	(void)state;
	for (int round = 0; round < 2; round++) {
		struct merge_flow flow = { .version = round ? 4 : 6, .seq = 7 };
		uint16_t sum;

		for (int i = 0; i < 2; i++)
			len[i] = merge_frame(&flow, 0, SIZE, frame[i]);
		at = (round ? 34 : 54) + 16;
		sum = (uint16_t)(frame[1][at] << 8 | frame[1][at + 1]);
		/* What the checksum lacks, into two bytes of the payload: then it is zero. */
		sum = inet_sum_fold((uint64_t)sum + inet_sum(frame[1] + len[1] - SIZE, 2));
		merge_put(frame[1] + len[1] - SIZE, sum, 2);
		for (unsigned form = 0; form < 2; form++) {
			merge_put(frame[1] + at, form ? 0xffff : 0, 2);
			assert_int_equal(taken(frame[0], len[0], frame[1], len[1]), 1);
		}
		merge_frame_sums(frame[1], len[1]);
		sum = (uint16_t)(frame[1][at] << 8 | frame[1][at + 1]);
		assert_true(sum == 0 || sum == 0xffff);
	}
}

/* Every length of a frame, and none of its bytes beyond. */
static void test_every_prefix(void **state)
{
	uint8_t frame[MERGE_FRAME_MAX];

	(void)state;
	for (uint8_t version = 4; version <= 6; version += 2) {
		struct merge_flow flow = { .version = version, .option_words = 3 };
		size_t len = merge_frame(&flow, 0, SIZE, frame);

		for (size_t n = 0; n <= len; n++) {
			uint8_t *exact = malloc(n + 1);

			assert_non_null(exact);
			memcpy(exact + 1, frame, n);
			begin();
			assert_int_equal(port_merge_take(&check.merge, exact + 1, n), n == len);
			free(exact);
		}
	}
}

/* It never gets larger than what a super-frame may be. */
static void test_limits(void **state)
{
	static const size_t sizes[] = { 1, 1400 };
	uint8_t frame[MERGE_FRAME_MAX];

	(void)state;
	for (size_t row = 0; row < sizeof(sizes) / sizeof(sizes[0]); row++) {
		struct merge_flow flow = { .version = 4 };

		begin();
		while (port_merge_take(
			&check.merge, frame, merge_frame(&flow, 0, sizes[row], frame)))
			assert_in_range(check.merge.len, 1, PORT_MERGE_SIZE);
		assert_int_equal(check.merge.n, PORT_MERGE_SEGMENTS);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_wraps),
		cmocka_unit_test(test_zero_sums),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
