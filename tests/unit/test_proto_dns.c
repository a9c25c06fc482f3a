/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "proto_kit.h"

#define NAME "\3www\7example\3com\0"

static const struct proto_flow_info udp = { .ip_proto = 17, .port = { 4000, 53 } };
static const struct proto_flow_info tcp = { .ip_proto = 6, .port = { 4000, 53 } };

static const char question[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0" NAME "\0\1\0\1";
static const char answer[] = "\x12\x34\x81\x80\0\1\0\2\0\1\0\0" NAME "\0\1\0\1"
			     "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1a\xc0\x10"
			     "\xc0\x2d\0\1\0\1\0\0\0\x3c\0\4\x0a\1\2\3"
			     "\xc0\x10\0\6\0\1\0\0\0\x0a\0\x1b\1n\xc0\x10\1r\0"
			     "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5";

static void test_question_and_answer(void **state)
{
	const struct kit_part parts[] = { { 0, question, sizeof(question) - 1 },
		{ 1, answer, sizeof(answer) - 1 } };

	(void)state;
	kit_check(&udp, parts, 2,
		"dns \"dns\":{\"version\":3,\"type\":\"request\",\"tx_id\":0,\"id\":4660,"
		"\"flags\":\"100\",\"rd\":true,\"opcode\":0,\"rcode\":\"NOERROR\","
		"\"queries\":[{\"rrname\":\"www.example.com\",\"rrtype\":\"A\"}]}\n"
		"dns \"dns\":{\"version\":3,\"type\":\"response\",\"tx_id\":1,\"id\":4660,"
		"\"flags\":\"8180\",\"qr\":true,\"rd\":true,\"ra\":true,\"opcode\":0,"
		"\"rcode\":\"NOERROR\","
		"\"queries\":[{\"rrname\":\"www.example.com\",\"rrtype\":\"A\"}],"
		"\"answers\":[{\"rrname\":\"www.example.com\",\"rrtype\":\"CNAME\",\"ttl\":60,"
		"\"rdata\":\"a.example.com\"},{\"rrname\":\"a.example.com\",\"rrtype\":\"A\","
		"\"ttl\":60,\"rdata\":\"10.1.2.3\"}],\"authorities\":[{\"rrname\":"
		"\"example.com\",\"rrtype\":\"SOA\",\"ttl\":10,\"soa\":{\"mname\":"
		"\"n.example.com\",\"rname\":\"r\",\"serial\":1,\"refresh\":2,\"retry\":3,"
		"\"expire\":4,\"minimum\":5}}],\"grouped\":{\"CNAME\":[\"a.example.com\"],"
		"\"A\":[\"10.1.2.3\"]}}\n");
	assert_true(kit_has(&udp, parts, 2, "dns.query=www.example.com\n"));
	assert_true(kit_has(&udp, parts, 2, "dns.response.rrname=a.example.com\n"));
	assert_true(kit_has(&udp, parts, 2, "dns.rrtype=5\n"));
}

static void test_tcp_has_lengths(void **state)
{
	char bytes[2 * (sizeof(question) + 1)];
	const struct kit_part part = { 0, bytes, sizeof(bytes) };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		char *at = bytes + i * (sizeof(question) + 1);

		at[0] = 0;
		at[1] = sizeof(question) - 1;
		memcpy(at + 2, question, sizeof(question) - 1);
	}
	kit_check(&tcp, &part, 1, NULL);
	assert_true(kit_has(&tcp, &part, 1, "\"tx_id\":1,"));
}

static enum proto_id id_of(
	const struct proto_flow_info *info, unsigned side, const char *bytes, size_t len)
{
	struct proto_conn *conn = kit_open(info);
	enum proto_id id;

	kit_feed(conn, side, (const uint8_t *)bytes, len);
	id = proto_conn_id(conn, side);
	proto_conn_free(conn);
	return id;
}

/* Tunnels and the resolvers of bots take other ports. */
static void test_any_port(void **state)
{
	static const struct proto_flow_info odd = { .ip_proto = 17, .port = { 4000, 4001 } };
	static const struct proto_flow_info odd_tcp = { .ip_proto = 6, .port = { 4000, 4001 } };
	static const struct proto_flow_info mdns = { .ip_proto = 17, .port = { 4000, 5353 } };
	static const char edns[] =
		"\x12\x34\1\x20\0\1\0\0\0\0\0\1\4\xe1\xe2\xe3\xe4\1t\2ex\0\0\x0a\0\1"
		"\0\0\x29\x10\0\0\0\0\0\0\0";
	static const char netbios[] = "\x12\x34\1\x10\0\1\0\0\0\0\0\0\x20"
				      "CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0\x21\0\1";
	static const char behind[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0" NAME "\0\1\0\1x";
	static const char chaos[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0" NAME "\0\1\0\3";
	char stream[2 + sizeof(question) - 1] = { 0, sizeof(question) - 1 };

	(void)state;
	assert_int_equal(id_of(&odd, 0, question, sizeof(question) - 1), PROTO_DNS);
	assert_int_equal(id_of(&odd, 1, answer, sizeof(answer) - 1), PROTO_DNS);
	assert_int_equal(id_of(&odd, 0, edns, sizeof(edns) - 1), PROTO_DNS);
	assert_int_not_equal(id_of(&odd, 0, netbios, sizeof(netbios) - 1), PROTO_DNS);
	assert_int_not_equal(id_of(&odd, 0, behind, sizeof(behind) - 1), PROTO_DNS);
	assert_int_not_equal(id_of(&odd, 0, chaos, sizeof(chaos) - 1), PROTO_DNS);
	assert_int_not_equal(id_of(&mdns, 0, question, sizeof(question) - 1), PROTO_DNS);
	memcpy(stream + 2, question, sizeof(question) - 1);
	assert_int_equal(id_of(&odd_tcp, 0, stream, sizeof(stream)), PROTO_DNS);
	for (size_t len = 0; len < sizeof(stream); len++)
		assert_int_equal(id_of(&odd_tcp, 0, stream, len), PROTO_NONE);
	stream[1]--;
	assert_int_not_equal(id_of(&odd_tcp, 0, stream, sizeof(stream)), PROTO_DNS);
}

/* A resolver leaves out what is none and hears the next one: so do we. */
static void test_behind_other_datagrams(void **state)
{
	struct proto_conn *conn = kit_open(&udp);

	(void)state;
	kit_out = out_make(kit_text, sizeof(kit_text));
	for (unsigned i = 0; i < 300; i++) {
		kit_feed(conn, 0, (const uint8_t *)"nothing", 7);
		if (i == 200)
			kit_feed(conn, 1, (const uint8_t *)"nothing", 7);
		assert_in_range(proto_conn_bytes(conn), 0, 16 << 10);
	}
	assert_int_equal(proto_conn_app(conn), PROTO_FAILED);
	kit_feed(conn, 0, (const uint8_t *)question, sizeof(question) - 1);
	assert_int_equal(proto_conn_app(conn), PROTO_DNS);
	kit_feed(conn, 1, (const uint8_t *)answer, sizeof(answer) - 1);
	proto_conn_free(conn);
	assert_non_null(strstr(kit_text, "\"type\":\"request\",\"tx_id\":0"));
	assert_non_null(strstr(kit_text, "\"type\":\"response\",\"tx_id\":1"));
}

/* What a resolver leaves out may be of another protocol. */
static void test_behind_another_protocol(void **state)
{
	static const char tftp[] = "\0\1file\0octet", odd[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\3ww";
	struct proto_conn *conn = kit_open(&udp);

	(void)state;
	kit_out = out_make(kit_text, sizeof(kit_text));
	kit_feed(conn, 0, (const uint8_t *)tftp, sizeof(tftp));
	assert_int_equal(proto_conn_app(conn), PROTO_TFTP);
	kit_feed(conn, 0, (const uint8_t *)question, sizeof(question) - 1);
	assert_int_equal(proto_conn_app(conn), PROTO_DNS);
	assert_int_equal(proto_conn_before(conn), PROTO_TFTP);
	kit_feed(conn, 0, (const uint8_t *)odd, sizeof(odd) - 1);
	kit_feed(conn, 1, (const uint8_t *)answer, sizeof(answer) - 1);
	assert_int_equal(proto_conn_app(conn), PROTO_DNS);
	proto_conn_free(conn);
	assert_non_null(strstr(kit_text, "\"type\":\"request\",\"tx_id\":0"));
	assert_non_null(strstr(kit_text, "!dns.malformed_data"));
	assert_non_null(strstr(kit_text, "\"type\":\"response\",\"tx_id\":2"));
}

static void test_a_loop_of_pointers_ends(void **state)
{
	static const char loop[] = "\0\1\x81\x80\0\1\0\1\0\0\0\0\1a\0\0\1\0\1"
				   "\xc0\x13\0\1\0\1\0\0\0\0\0\0";
	const struct kit_part part = { 1, loop, sizeof(loop) - 1 };

	(void)state;
	kit_check(&udp, &part, 1, NULL);
	assert_true(kit_has(&udp, &part, 1, "!dns.infinite_loop"));
}

static void test_what_is_wrong_is_an_event(void **state)
{
	static const struct {
		const char *bytes, *event;
		size_t len;
	} wrong[] = {
#define WRONG(bytes, event) { bytes, event, sizeof(bytes) - 1 }
		WRONG("\0\1\1\x40\0\1\0\0\0\0\0\0\1a\0\0\1\0\1", "!dns.z_flag_set"),
		WRONG("\0\1\1\0\0\1\0\1\0\0\0\0\1a\0\0\1\0\1", "!dns.malformed_data"),
		WRONG("\0\1\1\0\0\1\0\0\0\1\0\0\1a\0\0\1\0\1", "!dns.invalid_authorities"),
		WRONG("\0\1\1\0\0\1\0\0\0\0\0\1\1a\0\0\1\0\1", "!dns.invalid_additionals"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const struct kit_part part = { 0, wrong[i].bytes, wrong[i].len };

		kit_check(&udp, &part, 1, NULL);
		assert_true(kit_has(&udp, &part, 1, wrong[i].event));
	}
}

/* 5000 records, each with the longest name by a pointer: what does not fit is left out, the text stays JSON. */
static void test_a_message_that_grows(void **state)
{
	static uint8_t bytes[65000];
	size_t at = 12;
	const struct kit_part part = { 1, bytes, sizeof(bytes) };
	const char *text;

	(void)state;
	memcpy(bytes, "\0\1\x81\x80\0\1\0\0\0\0\0\0", 12);
	bytes[6] = 5000 >> 8;
	bytes[7] = 5000 & 255;
	for (unsigned i = 0; i < 4; i++, at += 63) {
		bytes[at++] = 62;
		memset(bytes + at, 1, 62);
		at--;
	}
	at += 1;
	memcpy(bytes + at, "\0\1\0\1", 4);
	for (at += 4; at + 12 <= sizeof(bytes); at += 12)
		memcpy(bytes + at, "\xc0\x0c\0\1\0\1\0\0\0\0\0\0", 12);
	text = kit_run(&udp, &part, 1, 0, SIZE_MAX);
	assert_true(strlen(text) < 40000);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* 400 records whose names are 28,000 labels and begin again at their end: no more of a name is read than is told. */
static void test_long_names_that_begin_again(void **state)
{
	static uint8_t bytes[65000];
	const size_t behind = sizeof(bytes) - 400 * 16;
	const struct kit_part part = { 1, bytes, sizeof(bytes) };
	double from = seconds();
	size_t at = 12;

	(void)state;
	memcpy(bytes, "\0\1\x81\x80\0\0\1\x91\0\0\0\0", 12);
	for (; at + 2 + 12 <= behind; at += 2)
		memcpy(bytes + at, "\1a", 2);
	memcpy(bytes + at, "\xc0\x0c\0\1\0\1\0\0\0\0\0\0", 12);
	for (at += 12; at + 16 <= sizeof(bytes); at += 16)
		memcpy(bytes + at, "\1b\xc0\x0c\0\5\0\1\0\0\0\0\0\2\xc0\x0c", 16);
	assert_non_null(strstr(kit_run(&udp, &part, 1, 0, SIZE_MAX), "!dns.name_too_long"));
	assert_true(seconds() - from < 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_question_and_answer),
		cmocka_unit_test(test_tcp_has_lengths),
		cmocka_unit_test(test_any_port),
		cmocka_unit_test(test_behind_other_datagrams),
		cmocka_unit_test(test_behind_another_protocol),
		cmocka_unit_test(test_a_loop_of_pointers_ends),
		cmocka_unit_test(test_what_is_wrong_is_an_event),
		cmocka_unit_test(test_a_message_that_grows),
		cmocka_unit_test(test_long_names_that_begin_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
