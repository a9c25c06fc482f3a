/* SPDX-License-Identifier: Apache-2.0 */
/* Initials of QUIC: keys as RFC 9001 and RFC 9369 publish them (appendix A of each), packets that are made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hello_kit.h"
#include "proto_kit.h"
#include "quic_kit.h"

static const struct proto_flow_info udp = { .ip_proto = 17, .port = { 4000, 443 } };

#define ID QUIC_ID

static void test_published_keys(void **state)
{
	static const struct {
		uint32_t version;
		unsigned side;
		const char *key, *iv, *hp;
	} published[] = {
		{ 1, 0, "1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c",
			"9f50449e04a0e810283a1e9933adedd2" },
		{ 1, 1, "cf3a5331653c364c88f0f379b6067e37", "0ac1493ca1905853b0bba03e",
			"c206b8d9b9f0f37644430b490eeaa314" },
		{ 0x6b3343cf, 0, "8b1a0bc121284290a29e0971b5cd045d", "91f73e2351d8fa91660e909f",
			"45b95e15235d6f45a6b19cbcb0294ba9" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
		char text[3][40];
		struct quic_keys keys;
		struct out key = out_make(text[0], 40), iv = out_make(text[1], 40),
			   hp = out_make(text[2], 40);

		assert_true(quic_keys_make(version_of(published[i].version), cur_make(ID, 8),
			published[i].side, &keys));
		out_hex(&key, keys.key, sizeof(keys.key));
		out_hex(&iv, keys.iv, sizeof(keys.iv));
		out_hex(&hp, keys.hp, sizeof(keys.hp));
		assert_string_equal(text[0], published[i].key);
		assert_string_equal(text[1], published[i].iv);
		assert_string_equal(text[2], published[i].hp);
	}
}

static void put_crypto(struct bytes *b, const struct bytes *hello, uint32_t from, uint32_t len)
{
	put8(b, 6);
	put16(b, 0x4000 | from);
	put16(b, 0x4000 | len);
	put(b, hello->at + from, len);
}

static void put_server_hello(struct bytes *b)
{
	uint32_t message, list;

	put8(b, 2);
	message = begin(b, 3);
	put16(b, 0x0303);
	put_zero(b, 32);
	put(b, "\0\x13\1\0", 4);
	list = begin(b, 2);
	EXTENSION(b, 43, "\3\4");
	EXTENSION(b, 51, "\0\0");
	end(b, list, 2);
	end(b, message, 3);
}

static struct bytes datagram[4];

/* The hello in three pieces, the last first, in two datagrams; the server's answer. */
static size_t make(uint32_t version, struct kit_part parts[3])
{
	static struct bytes hello, frames;

	for (unsigned i = 0; i < 4; i++)
		datagram[i].len = 0;
	hello.len = frames.len = 0;
	put_browser_hello(&hello);
	put_zero(&frames, 3);
	put8(&frames, 1);
	put_crypto(&frames, &hello, 200, hello.len - 200);
	put_crypto(&frames, &hello, 0, 70);
	put_initial(&datagram[0], version, ID, 0, 0, &frames);
	frames.len = 0;
	put_crypto(&frames, &hello, 60, 140);
	put(&frames, "\2\5\0\1\2\1\1", 7); /* ACK: 5 to 3, and 0 */
	put_initial(&datagram[1], version, ID, 0, 1, &frames);
	frames.len = hello.len = 0;
	put_server_hello(&hello);
	put(&frames, "\2\1\0\0\0", 5);
	put_crypto(&frames, &hello, 0, hello.len);
	put_initial(&datagram[2], version, ID, 1, 0, &frames);
	for (unsigned i = 0; i < 3; i++)
		parts[i] = (struct kit_part){ i == 2, datagram[i].at, datagram[i].len };
	return 3;
}

static void test_hellos(void **state)
{
	static const uint32_t numbers[] = { 1, 0x6b3343cf, 0xff00001d };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct kit_part parts[3];
		size_t n = make(numbers[i], parts);
		char start[64];

		kit_check(&udp, parts, n, NULL);
		kit_run(&udp, parts, n, 0, SIZE_MAX);
		snprintf(start, sizeof(start),
			"quic \"quic\":{\"version\":\"%x\",\"sni\":\"example.org\",", numbers[i]);
		assert_non_null(strstr(kit_text, start));
		assert_non_null(
			strstr(kit_text, "\"ja4\":\"q13d1516h2_8daaf6152771_e5627efa2ab1\""));
		assert_non_null(strstr(kit_text,
			"{\"name\":\"server_name\",\"type\":0,\"values\":[\"example.org\"]}"));
		assert_non_null(strstr(kit_text,
			"{\"name\":\"alpn\",\"type\":16,\"values\":[\"h2\",\"http/1.1\"]}"));
		assert_non_null(
			strstr(kit_text, "\"ja3s\":{\"hash\":\"f4febc55ea12b31ae17cfb7e614afda8\","
					 "\"string\":\"771,4865,43-51\"}"));
		assert_true(kit_has(&udp, parts, n, "quic.sni=example.org\n"));
	}
}

/* After a Retry the client begins again, with keys of the id that it was given. */
static void test_retry(void **state)
{
	static struct bytes hello, frames;
	struct kit_part parts[2];
	const char *first;

	(void)state;
	hello.len = frames.len = datagram[0].len = datagram[1].len = 0;
	put_browser_hello(&hello);
	put_crypto(&frames, &hello, 0, hello.len);
	put_initial(&datagram[0], 1, ID, 0, 0, &frames);
	put_initial(&datagram[1], 1, "anotherx", 0, 1, &frames);
	for (unsigned i = 0; i < 2; i++)
		parts[i] = (struct kit_part){ 0, datagram[i].at, datagram[i].len };
	kit_check(&udp, parts, 2, NULL);
	kit_run(&udp, parts, 2, 0, SIZE_MAX);
	first = strstr(kit_text, "\"ja4\":\"q13d1516h2_");
	assert_non_null(first);
	assert_non_null(strstr(first + 1, "\"ja4\":\"q13d1516h2_"));
}

/* A connection has no more than so many packets opened: what comes then is not read. */
static void test_tries_are_bounded(void **state)
{
	static struct bytes hello, frames;
	struct proto_conn *conn = kit_open(&udp);

	(void)state;
	kit_out = out_make(kit_text, sizeof(kit_text));
	hello.len = frames.len = datagram[0].len = datagram[1].len = 0;
	put_browser_hello(&hello);
	put_zero(&frames, 100);
	put_initial(&datagram[0], 1, ID, 0, 0, &frames);
	for (unsigned i = 0; i < 1000; i++)
		kit_feed(conn, 0, datagram[0].at, datagram[0].len);
	frames.len = 0;
	put_crypto(&frames, &hello, 0, hello.len);
	put_initial(&datagram[1], 1, ID, 0, 1, &frames);
	kit_feed(conn, 0, datagram[1].at, datagram[1].len);
	assert_in_range(proto_conn_bytes(conn), 1, 64 << 10);
	assert_true(proto_conn_limited(conn));
	proto_end(conn, 0);
	proto_end(conn, 1);
	proto_conn_free(conn);
	assert_string_equal(kit_text, "");
}

static void put_google(struct bytes *b)
{
	b->len = 0;
	put(b, "\xc3Q046\x50" ID "\0\0\0\1abcdefghijkl\xa0\1", 32);
	put16(b, 8 + 16 + 9 + 6);
	put(b, "CHLO\2\0\0\0SNI\0\x09\0\0\0UAID\x0f\0\0\0host.testagent1", 24 + 15);
}

static void test_records_are_bounded(void **state)
{
	static struct bytes b;
	struct proto_conn *conn = kit_open(&udp);
	unsigned n = 0;

	(void)state;
	kit_out = out_make(kit_text, sizeof(kit_text));
	put_google(&b);
	for (unsigned i = 0; i < 100; i++)
		kit_feed(conn, 0, b.at, b.len);
	proto_end(conn, 0);
	proto_end(conn, 1);
	proto_conn_free(conn);
	for (const char *at = kit_text; (at = strstr(at, "\"ua\":\"agent1\"")); at++)
		n++;
	assert_int_equal(n, 16);
}

/* Q046: tags, each with the end of its value. */
static void test_google(void **state)
{
	static struct bytes b;
	struct kit_part part;

	(void)state;
	put_google(&b);
	part = (struct kit_part){ 0, b.at, b.len };
	kit_check(&udp, &part, 1,
		"quic "
		"\"quic\":{\"version\":\"Q046\",\"sni\":\"host.test\",\"ua\":\"agent1\",\"cyu\":[{"
		"\"hash\":\"3ee85c355061ebe189ec4ca49623e324\",\"string\":\"46,SNI-UAID\"}]}\n");
}

static void test_what_is_not_quic(void **state)
{
	static const struct kit_part other = { 0, "\xc0\0\0\0\1\x30" ID, 14 };

	(void)state;
	kit_check(&udp, &other, 1, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_keys),
		cmocka_unit_test(test_hellos),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_tries_are_bounded),
		cmocka_unit_test(test_google),
		cmocka_unit_test(test_records_are_bounded),
		cmocka_unit_test(test_what_is_not_quic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
