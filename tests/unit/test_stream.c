/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "stream_model.h"

static struct pool *pool;
static struct stream *s;

static void start(bool is_inline, size_t pool_bytes, uint32_t seq)
{
	assert_int_equal(pool_new(pool_bytes, &pool), 0);
	assert_int_equal(stream_new(pool, &s), 0);
	if (is_inline)
		stream_keep_unacked(s);
	stream_start(s, seq);
}

static void stop(void)
{
	s = stream_free(s);
	assert_int_equal(pool_used(pool), 0);
	pool = pool_free(pool);
}

static enum stream_result take(uint32_t seq, const char *text)
{
	return stream_take(s, seq, (const uint8_t *)text, (uint32_t)strlen(text));
}

static void assert_reads(const char *text)
{
	size_t len = stream_end(s) - stream_read(s);

	assert_int_equal(len, strlen(text));
	assert_memory_equal(stream_bytes(s, stream_read(s)), text, len);
	stream_read_all(s);
}

static void test_in_order(void **state)
{
	(void)state;
	start(false, 1 << 20, 1000);
	assert_int_equal(take(1000, "hello"), STREAM_TAKEN);
	assert_int_equal(take(1000, "hello"), STREAM_OLD);
	assert_int_equal(take(1005, ""), STREAM_OLD);
	assert_reads("hello");
	assert_int_equal(take(1003, "XX world"), STREAM_TAKEN);
	assert_reads(" world");
	stop();
}

static void test_early(void **state)
{
	(void)state;
	start(false, 1 << 20, 0xfffffffe);
	assert_int_equal(take(4, "g"), STREAM_EARLY);
	assert_int_equal(take(1, "defX"), STREAM_EARLY);
	assert_int_equal(stream_early(s), 4);
	assert_int_equal(take(0xfffffffe, "abcXYZ"), STREAM_TAKEN);
	assert_int_equal(stream_early(s), 0);
	assert_reads("abcdefg");
	stop();
}

static void test_gap(void **state)
{
	(void)state;
	start(false, 1 << 20, 1);
	assert_int_equal(stream_skip(s), 0);
	assert_int_equal(take(4, "late"), STREAM_EARLY);
	assert_false(stream_missed(s));
	stream_acked(s, 4);
	assert_true(stream_missed(s));
	assert_int_equal(stream_skip(s), 3);
	assert_reads("late");
	assert_int_equal(take(1, "abc"), STREAM_OLD);
	stop();
}

static void test_limits(void **state)
{
	(void)state;
	start(false, 64 << 10, 1);
	assert_int_equal(take(STREAM_EARLY_MAX + 1, "a"), STREAM_OUTSIDE);
	assert_int_equal(take(STREAM_EARLY_MAX, "a"), STREAM_NO_ROOM);
	for (uint32_t i = 0; i < STREAM_PARTS_MAX; i++)
		assert_int_equal(take(10 + 2 * i, "x"), STREAM_EARLY);
	assert_int_equal(take(1000, "x"), STREAM_NO_ROOM);
	assert_int_equal(take(11, "x"), STREAM_EARLY); /* joins two */
	assert_int_equal(take(1000, "x"), STREAM_EARLY);
	stop();
}

/* Inline, what was not acknowledged stays, whatever has been read; then it goes. */
static void test_unacknowledged(void **state)
{
	static uint8_t bytes[10000];
	uint8_t copy[10];

	(void)state;
	start(true, 8 << 20, 5);
	stream_keep(s, 0);
	for (uint32_t i = 0; i < 100; i++) {
		memset(bytes, (int)i + 1, sizeof(bytes));
		assert_int_equal(stream_take(s, 5 + i * 10000, bytes, 10000), STREAM_TAKEN);
		stream_read_all(s);
	}
	memset(copy, 'x', sizeof(copy));
	assert_true(stream_overlay(s, 0, copy, 10)); /* 5 before the start */
	assert_memory_equal(copy, "xxxxx\1\1\1\1\1", 10);
	stream_acked(s, 5 + 500000);
	stream_trim(s, 0);
	assert_int_equal(stream_kept(s), 500000);
	assert_true(stream_overlay(s, 5 + 499995, copy, 10));
	assert_memory_equal(copy, "\0\0\0\0\0\x33\x33\x33\x33\x33", 10);
	assert_false(stream_overlay(s, 5 + 499995, copy, 10));
	stop();
}

/* Against the model. */
static void test_random(void **state)
{
	static struct walk w;
	uint64_t refused = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 400; seed++) {
		walk_begin(&w, &(struct dice){ .seed = seed * 977 });
		for (unsigned i = 0; i < 400; i++)
			walk_step(&w);
		refused += w.refused;
		walk_end(&w);
	}
	assert_true(refused > 0);
}

/* Pieces do not overlap, and all memory is one piece again at the end. */
static void test_pool(void **state)
{
	static uint8_t *piece[300];
	static size_t room[300];
	uint64_t seed = 5;
	size_t all;

	(void)state;
	assert_int_equal(pool_new((1 << 20) + 3000, &pool), 0);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned n;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		n = (unsigned)(seed >> 33) % 300;
		for (size_t k = 0; piece[n] && k < room[n]; k += 512)
			assert_int_equal(*(uint16_t *)(void *)(piece[n] + k), n);
		pool_put(pool, piece[n]);
		piece[n] = pool_get(pool, (seed >> 44) % 40000, &room[n]);
		for (size_t k = 0; piece[n] && k < room[n]; k += 512)
			*(uint16_t *)(void *)(piece[n] + k) = (uint16_t)n;
	}
	for (unsigned n = 0; n < 300; n++)
		pool_put(pool, piece[n]);
	assert_int_equal(pool_used(pool), 0);
	piece[0] = pool_get(pool, 1 << 20, &all);
	assert_non_null(piece[0]);
	assert_null(pool_get(pool, 4096, &all));
	pool_put(pool, piece[0]);
	pool = pool_free(pool);
	assert_int_equal(pool_new(0, &pool), -EINVAL);
}

/* 4 GiB and more in frames of 64 KiB: numbers go round; memory stays small. */
static void test_bulk(void **state)
{
	static uint8_t bytes[65536];
	struct timespec from, to;
	uint64_t n = (5ull << 30) / sizeof(bytes);

	(void)state;
	start(true, 8 << 20, 77);
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (uint64_t i = 0; i < n; i++) {
		uint32_t seq = 77 + (uint32_t)(i * sizeof(bytes));

		bytes[0] = (uint8_t)i;
		assert_int_equal(stream_take(s, seq, bytes, sizeof(bytes)), STREAM_TAKEN);
		assert_int_equal(*stream_bytes(s, stream_read(s)), (uint8_t)i);
		stream_read_all(s);
		stream_acked(s, seq);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_int_equal(stream_end(s), n * sizeof(bytes));
	assert_true(stream_room(s) <= 1 << 20);
	print_message("%.1f GB/s\n",
		(double)(n * sizeof(bytes)) / ((double)(to.tv_sec - from.tv_sec) * 1e9 +
						      (double)(to.tv_nsec - from.tv_nsec)));
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_early),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_unacknowledged),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_bulk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
