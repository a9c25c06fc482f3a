/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/out.h"
#include "event/event.h"
#include "random_record.h"

static const struct record_identity identity = {
	.honeynet = "a \"net\"",
	.boot = 0x1122334455667788,
	.seq = 42,
	.origin = "gate",
	.origin_seq = 7,
};

static uint8_t packed[RECORD_PACKED_MAX], packed_again[RECORD_PACKED_MAX];
static char line[RECORD_JSON_MAX];

static void test_round_trip(void **state)
{
	(void)state;
	srandom(1);
	for (int round = 0; round < 20000; round++) {
		struct record record, got;
		int n;

		random_record(&record);
		n = record_pack(&record, packed, sizeof(packed));
		assert_true(n > 0);
		assert_int_equal(record_unpack(packed, (size_t)n, &got), 0);
		assert_int_equal(record_pack(&got, packed_again, sizeof(packed_again)), n);
		assert_memory_equal(packed, packed_again, (size_t)n);
		assert_int_equal(record_pack(&record, packed_again, (size_t)n), n);
		assert_int_equal(record_pack(&record, packed_again, (size_t)n - 1), -ENOSPC);
	}
}

static void test_every_prefix(void **state)
{
	(void)state;
	srandom(2);
	for (int round = 0; round < 200; round++) {
		struct record record, got;
		int n;

		random_record(&record);
		n = record_pack(&record, packed, sizeof(packed));
		for (int len = 0; len < n; len++) {
			uint8_t *copy = malloc(len ? (size_t)len : 1);

			memcpy(copy, packed, (size_t)len);
			assert_int_equal(record_unpack(copy, (size_t)len, &got), -EBADMSG);
			free(copy);
		}
		assert_int_equal(record_unpack(packed, (size_t)n + 1, &got), -EBADMSG);
	}
}

/* Whatever unpack lets through can be printed, packed again and is the same. */
static void test_mutations(void **state)
{
	int taken = 0;

	(void)state;
	srandom(3);
	for (int round = 0; round < 100000; round++) {
		struct record record, got;
		struct out o = out_make(line, sizeof(line));
		int n;

		random_record(&record);
		n = record_pack(&record, packed, sizeof(packed));
		for (int i = 0; i < 3; i++)
			packed[random() % (i ? n : 8)] = (uint8_t)random();
		if (record_unpack(packed, (size_t)n, &got) < 0)
			continue;
		taken++;
		assert_int_equal(record_pack(&got, packed_again, sizeof(packed_again)), n);
		assert_memory_equal(packed, packed_again, (size_t)n);
		record_json(&o, &got, &identity);
		assert_true(out_ok(&o));
	}
	assert_true(taken > 1000);
}

static void test_json_is_valid(void **state)
{
	(void)state;
	srandom(4);
	for (int round = 0; round < 20000; round++) {
		struct record record;
		struct out o = out_make(line, sizeof(line));
		json_error_t error;
		json_t *json;

		random_record(&record);
		record_json(&o, &record, round % 2 ? &identity : NULL);
		assert_true(out_ok(&o));
		assert_null(memchr(line, '\n', o.len));
		json = json_loadb(line, o.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
		if (!json)
			fail_msg("%s in %s", error.text, line);
		assert_string_equal(json_string_value(json_object_get(json, "event_type")),
			event_type_name(record.type));
		json_decref(json);
	}
}

/* The largest record that can be packed, of the bytes that grow most, can be printed. */
static void test_largest(void **state)
{
	static char bytes[RECORD_PLAIN_MAX + 1];
	struct record record = { .type = EVENT_CONTROL };
	struct out o = out_make(line, sizeof(line));
	int n;

	(void)state;
	memset(bytes, 1, sizeof(bytes));
	record.control.detail = (struct text){ bytes, sizeof(bytes) };
	assert_int_equal(record_pack(&record, packed, sizeof(packed)), -E2BIG);
	while ((n = record_pack(&record, packed, sizeof(packed))) < 0)
		record.control.detail.len--;
	assert_int_equal(n, RECORD_PLAIN_MAX);
	record_json(&o, &record, &identity);
	assert_true(out_ok(&o));
	o = out_make(line, 2000);
	record_json(&o, &record, &identity);
	assert_false(out_ok(&o));
}

static bool members_ok(const char *text)
{
	struct record record = { .type = EVENT_HTTP };
	char *copy = strdup(text); /* its exact size, so that no byte behind it is read unnoticed */
	int n;

	*record_members(&record) = (struct text){ copy, (uint32_t)strlen(text) };
	n = record_pack(&record, packed, sizeof(packed));
	assert_true(n > 0 || n == -EINVAL);
	free(copy);
	return n > 0;
}

/* What is taken is valid JSON in its line and has no name of ours. */
static void test_members(void **state)
{
	static const char *const good[] = { "", "\"a\":1", "\"a\":-0.5e+10,\"b\":\"\\u00e9\"",
		"\"a\":[],\"b\":{},\"c\":[[1,2],{\"timestamp\":null}]", "\"seq\":1,\"links\":\"\"",
		"\"a\":true,\"b\":false", "\"a\":\"\xf0\x9f\x90\x9f\"",
		"\"a\":999999999999999999" };
	static const char *const bad[] = { "a", "\"a\"", "\"a\":", "\"a\":1,", ",\"a\":1",
		"\"a\":1}", "\"a\":{\"b\":1", "\"a\":[1,]", "\"a\":01", "\"a\":1.", "\"a\":+1",
		"\"a\":1e", "\"a\":1e999", "\"a\":9999999999999999999", "\"a\":\"\n\"",
		"\"a\":\"\\x\"", "\"a\":\"\\u12\"", "\"a\":\"\\ud800\"", "\"a\":\"\xff\"",
		"\"a\":\"\xed\xa0\x80\"", "\"a\": 1", "\"a\":nul", "\"a\":tru", "\"timestamp\":1",
		"\"event_type\":\"flow\"", "\"fishbowl\":{}", "\"src_ip\":1", "\"link\":\"\"",
		"\"\\u0073rc_ip\":1" };
	char deep[2 * RECORD_MEMBERS_DEPTH_MAX + 16] = "\"a\":";

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!members_ok(good[i]))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (members_ok(bad[i]))
			fail_msg("%s", bad[i]);
	memset(deep + 4, '[', RECORD_MEMBERS_DEPTH_MAX);
	memset(deep + 4 + RECORD_MEMBERS_DEPTH_MAX, ']', RECORD_MEMBERS_DEPTH_MAX);
	assert_true(members_ok(deep));
	memset(deep + 4, '[', RECORD_MEMBERS_DEPTH_MAX + 1);
	memset(deep + 5 + RECORD_MEMBERS_DEPTH_MAX, ']', RECORD_MEMBERS_DEPTH_MAX + 1);
	assert_false(members_ok(deep));
}

/* As many members as there may be, beside as much text as there may be. */
static void test_largest_members(void **state)
{
	static char bytes[RECORD_MEMBERS_MAX + 1], text[RECORD_PLAIN_MAX];
	struct record record = { .type = EVENT_ALERT };
	struct out o = out_make(line, sizeof(line));
	int n;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, "\"a\":\"", 5);
	bytes[RECORD_MEMBERS_MAX - 1] = '"';
	memset(text, 1, sizeof(text));
	record.alert.members = (struct text){ bytes, RECORD_MEMBERS_MAX };
	record.alert.signature = (struct text){ text, sizeof(text) };
	while ((n = record_pack(&record, packed, sizeof(packed))) < 0) {
		assert_int_equal(n, -E2BIG);
		record.alert.signature.len--;
	}
	assert_int_equal(n, RECORD_PACKED_MAX);
	assert_true(record_room(&record) >= (size_t)n);
	record_json(&o, &record, &identity);
	assert_true(out_ok(&o));
	record.alert.more = text_of("\"a\":1");
	record.alert.signature.len = 0;
	assert_int_equal(record_pack(&record, packed, sizeof(packed)), -E2BIG);
	record.alert.members.len -= 10;
	record.alert.members.at += 5;
	bytes[0] = 0;
	assert_int_equal(record_pack(&record, packed, sizeof(packed)), -EINVAL);
}

static void test_out_of_range(void **state)
{
	struct record record = { .type = EVENT_STATS };

	(void)state;
	record.stats.bytes = (uint64_t)RECORD_U64_MAX + 1;
	assert_int_equal(record_pack(&record, packed, sizeof(packed)), -ERANGE);
	record.stats.bytes--;
	assert_true(record_pack(&record, packed, sizeof(packed)) > 0);
	record.head.reason = REASON_COUNT;
	assert_int_equal(record_pack(&record, packed, sizeof(packed)), -ERANGE);
	record.type = EVENT_NONE;
	assert_int_equal(record_pack(&record, packed, sizeof(packed)), -EINVAL);
}

static struct record a_flow(void)
{
	return (struct record){ .type = EVENT_FLOW,
		.head = { .time_ns = 1769860800123456789,
			.flow_id = 77,
			.in_iface = text_of("eth0"),
			.src = ip_from_v4((uint8_t[]){ 192, 0, 2, 1 }),
			.sport = 40000,
			.dst = ip_from_v4((uint8_t[]){ 10, 0, 0, 5 }),
			.dport = 22,
			.proto = 6,
			.honeypot = text_of("web"),
			.direction = DIRECTION_INBOUND,
			.verdict = VERDICT_PASS,
			.reason = REASON_INBOUND,
			.packet = 9 },
		.flow = { .pkts_toserver = 10,
			.pkts_toclient = 8,
			.bytes_toserver = 1000,
			.bytes_toclient = 900,
			.start_ns = 1769860790000000000,
			.end_ns = 1769860800123456789,
			.age_s = 10,
			.state = text_of("closed"),
			.end_reason = text_of("closed") } };
}

static void test_flow_text(void **state)
{
	struct record record = a_flow();
	struct out o = out_make(line, sizeof(line));

	(void)state;
	record_json(&o, &record, &identity);
	assert_string_equal(line,
		"{\"timestamp\":\"2026-01-31T12:00:00.123456+0000\",\"event_type\":\"flow\","
		"\"flow_id\":77,\"in_iface\":\"eth0\",\"ip_v\":4,\"src_ip\":\"192.0.2.1\",\"src_"
		"port\":40000,"
		"\"dest_ip\":\"10.0.0.5\",\"dest_port\":22,\"proto\":\"TCP\","
		"\"fishbowl\":{\"honeypot\":\"web\",\"direction\":\"inbound\",\"verdict\":\"pass\","
		"\"reason\":\"inbound\",\"packet\":9,\"honeynet\":\"a \\\"net\\\"\","
		"\"boot\":\"1122334455667788\",\"seq\":42,\"origin\":\"gate\",\"origin_seq\":7},"
		"\"flow\":{\"pkts_toserver\":10,\"pkts_toclient\":8,\"bytes_toserver\":1000,"
		"\"bytes_toclient\":900,\"start\":\"2026-01-31T11:59:50.000000+0000\","
		"\"end\":\"2026-01-31T12:00:00.123456+0000\",\"age\":10,\"state\":\"closed\","
		"\"reason\":\"closed\",\"alerted\":false}}");
}

/* The same dates as the C library's, leap days and times before 1970 included. */
static void test_times(void **state)
{
	(void)state;
	srandom(5);
	for (int round = 0; round < 100000; round++) {
		int64_t s = (int64_t)(random_u64() % 18000000000u) - 9000000000;
		time_t t = (time_t)s;
		char want[64], got[64];
		struct out o = out_make(got, sizeof(got));
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000001+0000", &tm);
		out_time_eve(&o, s * 1000000000 + 1999);
		assert_string_equal(got, want);
	}
}

/* Not a gate: prints how long a flow record takes. */
static void test_speed(void **state)
{
	struct record record = a_flow();
	struct timespec from, to;
	enum { ROUNDS = 100000 };

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < ROUNDS; i++) {
		struct out o = out_make(line, sizeof(line));

		record.head.flow_id = (uint64_t)i;
		record_json(&o, &record, &identity);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	print_message("%.0f ns a flow record\n",
		((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) /
			ROUNDS);
}

static void test_reasons_by_name(void **state)
{
	(void)state;
	for (int reason = 0; reason < REASON_COUNT; reason++)
		assert_int_equal(reason_find(reason_name((enum reason)reason)), reason);
	assert_int_equal(reason_find("tcp-limi"), -1);
	assert_int_equal(reason_find("TCP-limit"), -1);
}

static void test_words(void **state)
{
	(void)state;
	assert_true(text_is_word(text_of("closed"), "closed"));
	assert_false(text_is_word(text_of("close"), "closed"));
	assert_false(text_is_word(text_of("closed"), "close"));
	assert_false(text_is_word(text_of("Closed"), "closed"));
	assert_false(text_is_word((struct text){ 0 }, "closed"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_json_is_valid),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_largest_members),
		cmocka_unit_test(test_out_of_range),
		cmocka_unit_test(test_flow_text),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_reasons_by_name),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
