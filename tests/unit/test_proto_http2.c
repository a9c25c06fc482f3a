/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "packets.h"
#include "proto/http2.h"
#include "proto_kit.h"

static const struct proto_flow_info tcp = { .ip_proto = 6, .port = { 4000, 80 } };

enum { DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION };
enum { END_STREAM = 1, END_HEADERS = 4, PADDED = 8, WITH_PRIORITY = 0x20 };

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static struct bytes client, server;

static void put_frame(struct bytes *b, unsigned type, unsigned flags, uint32_t stream,
	const void *body, size_t len)
{
	put8(b, (unsigned)len >> 16);
	put16(b, len & 0xffff);
	put8(b, type);
	put8(b, flags);
	put32(b, stream);
	put(b, body, len);
}

#define FRAME(b, type, flags, stream, body) \
	put_frame(b, type, flags, stream, body, sizeof(body) - 1)

/* A header that is not indexed, in plain letters (RFC 7541, 6.2.2). */
static void put_header(struct bytes *b, const char *name, const char *value)
{
	put8(b, 0);
	put8(b, (unsigned)strlen(name));
	put(b, name, strlen(name));
	put8(b, (unsigned)strlen(value));
	put(b, value, strlen(value));
}

static void put_headers(struct bytes *b, unsigned flags, uint32_t stream, const char *const *pairs)
{
	static struct bytes block;

	block.len = 0;
	for (; *pairs; pairs += 2)
		put_header(&block, pairs[0], pairs[1]);
	put_frame(b, HEADERS, flags, stream, block.at, block.len);
}

#define PAIRS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void begin(void)
{
	client.len = server.len = 0;
	put(&client, PREFACE, sizeof(PREFACE) - 1);
	FRAME(&client, SETTINGS, 0, 0, "\0\1\0\1\0\0");
	FRAME(&server, SETTINGS, 0, 0, "\0\3\0\0\0\x64");
}

static const char *check(const char *expected)
{
	const struct kit_part parts[] = { { 0, client.at, client.len },
		{ 1, server.at, server.len } };

	kit_show_logins = true;
	kit_check(&tcp, parts, 2, expected);
	return kit_run(&tcp, parts, 2, 0, SIZE_MAX);
}

static bool has(const char *line)
{
	const struct kit_part parts[] = { { 0, client.at, client.len },
		{ 1, server.at, server.len } };

	return kit_has(&tcp, parts, 2, line);
}

/* RFC 7541, C.4.1, C.4.2 and C.6.1: Huffman's codes, and a table that grows. */
static void test_published_blocks(void **state)
{
	(void)state;
	begin();
	FRAME(&client, HEADERS, END_STREAM | END_HEADERS, 1,
		"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff");
	FRAME(&client, HEADERS, END_STREAM | END_HEADERS, 3,
		"\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf");
	FRAME(&server, HEADERS, END_STREAM | END_HEADERS, 1,
		"\x48\x82\x64\x02\x58\x85\xae\xc3\x77\x1a\x4b\x61\x96\xd0\x7a\xbe\x94\x10\x54\xd4"
		"\x44"
		"\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff\x6e\x91\x9d\x29\xad\x17"
		"\x18"
		"\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3");
	check("http2 \"http\":{\"version\":\"2\",\"hostname\":\"www.example.com\",\"url\":\"/\","
	      "\"http_method\":\"GET\",\"protocol\":\"HTTP/2\",\"status\":302,\"redirect\":"
	      "\"https://www.example.com\",\"length\":0,\"http2\":{\"stream_id\":1,\"request\":{},"
	      "\"response\":{}}}\n"
	      "http2 \"http\":{\"version\":\"2\",\"hostname\":\"www.example.com\",\"url\":\"/\","
	      "\"http_method\":\"GET\",\"protocol\":\"HTTP/"
	      "2\",\"length\":0,\"http2\":{\"stream_id\":"
	      "3,\"request\":{},\"response\":{}}}\n");
	assert_true(has("http.request_header=cache-control: no-cache\n"));
	assert_true(has("http.response_header=cache-control: private\n"));
}

static void put_post(void)
{
	begin();
	put_headers(&client, END_HEADERS, 1,
		PAIRS(":method", "POST", ":path", "/a/../b%63?q", ":authority", "H.example:81",
			"user-agent", "me", "authorization", "Basic YWRtaW46cw==", "cookie", "a=1",
			"cookie", "b=2"));
	FRAME(&client, DATA, PADDED, 1,
		"\3"
		"bo"
		"\0\0\0");
	FRAME(&client, DATA, END_STREAM, 1, "dy");
	put_headers(&server, END_HEADERS, 1, PAIRS(":status", "103", "link", "x"));
	put_headers(&server, END_HEADERS, 1,
		PAIRS(":status", "401", "content-type", "text/plain; charset=x", "server", "s"));
	FRAME(&server, DATA, 0, 1, "no");
	put_headers(&server, END_HEADERS | END_STREAM, 1, PAIRS("trailer", "t"));
}

static void test_bodies_logins_trailers(void **state)
{
	(void)state;
	put_post();
	check("file /bc 4\n"
	      "login basic admin s - failure\n"
	      "file /bc 2\n"
	      "http2 "
	      "\"http\":{\"version\":\"2\",\"hostname\":\"H.example\",\"http_port\":81,\"url\":"
	      "\"/a/../"
	      "b%63?q\",\"http_user_agent\":\"me\",\"server\":\"s\",\"http_content_type\":\"text/"
	      "plain\","
	      "\"http_method\":\"POST\",\"protocol\":\"HTTP/2\",\"status\":401,\"length\":2,"
	      "\"http2\":{\"stream_id\":1,\"request\":{},\"response\":{}}}\n");
}

static void test_buffers(void **state)
{
	static const char *const lines[] = { "http.uri=/bc?q\n", "http.uri.raw=/a/../b%63?q\n",
		"http.method=POST\n", "http.host=h.example\n", "http.host.raw=H.example:81\n",
		"http.user_agent=me\n", "http.request_body=body\n", "http.response_body=no\n",
		"http.stat_code=401\n", "http.request_line=POST /a/../b%63?q HTTP/2\n",
		"http.response_line=HTTP/2 401\n", "http.cookie=a=1; b=2\n", "http.server=s\n",
		"http.response_header=trailer: t\n", "http.stat_number=401\n", "file.data=body\n",
		"http.protocol=HTTP/2\n" };

	(void)state;
	put_post();
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_true(has(lines[i]));
}

/* Frames of streams come between each other; blocks of headers are continued. */
static void test_streams_and_continuations(void **state)
{
	static struct bytes block;
	const char *text;

	(void)state;
	begin();
	block.len = 0;
	put_header(&block, ":method", "GET");
	put_header(&block, ":path", "/one");
	put_frame(&client, HEADERS, END_STREAM | WITH_PRIORITY | PADDED, 1, "\2\0\0\0\0\xff", 6);
	client.at[client.len - 6 - 9 + 2] = (uint8_t)(6 + 5 + 2);
	put(&client, block.at, 5);
	put_zero(&client, 2);
	put_frame(&client, CONTINUATION, 0, 1, block.at + 5, 9);
	put_frame(&client, CONTINUATION, END_HEADERS, 1, block.at + 14, block.len - 14);
	put_headers(&client, END_STREAM | END_HEADERS, 3, PAIRS(":method", "GET", ":path", "/two"));
	put_headers(
		&client, END_STREAM | END_HEADERS, 5, PAIRS(":method", "GET", ":path", "/three"));
	FRAME(&client, PING, 0, 0, "12345678");
	FRAME(&client, 0x77, 0xff, 9, "unknown");
	FRAME(&client, RST, 0, 5, "\0\0\0\2");
	put_headers(&server, END_HEADERS, 1, PAIRS(":status", "200"));
	FRAME(&server, DATA, 0, 1, "a");
	put_headers(&server, END_HEADERS, 3, PAIRS(":status", "404"));
	FRAME(&server, DATA, END_STREAM, 1, "b");
	FRAME(&server, DATA, END_STREAM, 3, "");
	text = check(NULL);
	assert_non_null(
		strstr(text, "\"url\":\"/one\",\"http_method\":\"GET\",\"protocol\":\"HTTP/2\","
			     "\"status\":200,\"length\":2,"));
	assert_non_null(
		strstr(text, "\"url\":\"/two\",\"http_method\":\"GET\",\"protocol\":\"HTTP/2\","
			     "\"status\":404,\"length\":0,"));
	assert_non_null(
		strstr(text, "\"stream_id\":5,\"request\":{\"error_code\":\"INTERNALERROR\"}"));
	assert_non_null(strstr(text, "file /one 2\n"));
}

static void test_promises(void **state)
{
	static struct bytes block;
	const char *text;

	(void)state;
	begin();
	put_headers(&client, END_STREAM | END_HEADERS, 1, PAIRS(":method", "GET", ":path", "/"));
	block.len = 0;
	put32(&block, 2);
	put_header(&block, ":method", "GET");
	put_header(&block, ":path", "/pushed");
	put_frame(&server, PUSH, END_HEADERS, 1, block.at, block.len);
	put_headers(&server, END_HEADERS, 2, PAIRS(":status", "200"));
	FRAME(&server, DATA, END_STREAM, 2, "xyz");
	text = check(NULL);
	assert_non_null(strstr(text, "file /pushed 3\n"));
	assert_non_null(strstr(text, "\"url\":\"/pushed\""));
}

/* HTTP/1 asks for it: the request is stream 1. */
static void test_upgrade(void **state)
{
	static const char ask[] = "GET /up?x HTTP/1.1\r\nHost: h.example\r\nUser-Agent: me\r\n"
				  "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
				  "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
	static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
				     "Upgrade: h2c\r\n\r\n";
	struct kit_part parts[3];
	const char *text;

	(void)state;
	begin();
	{
		struct bytes frames = server;

		server.len = 0;
		put(&server, answer, sizeof(answer) - 1);
		put(&server, frames.at, frames.len);
	}
	put_headers(&server, END_HEADERS, 1, PAIRS(":status", "200"));
	FRAME(&server, DATA, END_STREAM, 1, "hello");
	put_headers(
		&client, END_STREAM | END_HEADERS, 3, PAIRS(":method", "GET", ":path", "/more"));
	parts[0] = (struct kit_part){ 0, ask, sizeof(ask) - 1 };
	parts[1] = (struct kit_part){ 1, server.at, server.len };
	parts[2] = (struct kit_part){ 0, client.at, client.len };
	kit_check(&tcp, parts, 3, NULL);
	text = kit_run(&tcp, parts, 3, 0, SIZE_MAX);
	assert_non_null(
		strstr(text, "http \"http\":{\"hostname\":\"h.example\",\"url\":\"/up?x\""));
	assert_non_null(
		strstr(text, "http2 \"http\":{\"version\":\"2\",\"hostname\":\"h.example\",\"url\":"
			     "\"/up?x\",\"http_user_agent\":\"me\",\"http_method\":\"GET\","
			     "\"protocol\":\"HTTP/2\",\"status\":200,\"length\":5,"));
	assert_non_null(strstr(text, "\"url\":\"/more\""));
	assert_non_null(strstr(text, "file /up 5\n"));
	/* The capture begins behind the request. */
	kit_check(&tcp, parts + 1, 2, NULL);
	text = kit_run(&tcp, parts + 1, 2, 0, SIZE_MAX);
	assert_non_null(
		strstr(text, "http2 \"http\":{\"version\":\"2\",\"status\":200,\"length\":5,"));
	assert_non_null(strstr(text, "\"url\":\"/more\""));
}

/* A server that speaks HTTP/2 to a client that does not. */
static void test_no_preface(void **state)
{
	static const struct kit_part parts[] = { { 1, "\0\0\0\4\0\0\0\0\0", 9 },
		{ 0, "something else altogether\r\n", 27 } };
	static const struct kit_part old[] = { { 1, "\0\0\0\4\0\0\0\0\0", 9 },
		{ 0, "GET /old HTTP/1.1\r\nHost: h\r\n\r\n", 30 } };

	(void)state;
	kit_check(&tcp, parts, 2, "");
	kit_check(&tcp, old, 2, NULL);
	assert_non_null(strstr(kit_run(&tcp, old, 2, 0, SIZE_MAX),
		"http \"http\":{\"hostname\":\"h\",\"url\":\"/old\""));
}

/* Each: what is wrong, behind a request that is well. */
static void test_what_is_wrong(void **state)
{
	static const struct {
		unsigned type, flags;
		uint32_t stream;
		const char *body;
		size_t len;
		const char *event;
	} wrong[] = {
#define WRONG(type, flags, stream, body, event) \
	{ type, flags, stream, body, sizeof(body) - 1, event }
		WRONG(HEADERS, END_HEADERS, 3, "\xff\xff\xff\xff\xff\x7f",
			"!http2.failed_decompression"),
		WRONG(HEADERS, END_HEADERS, 3, "\xc4", "!http2.failed_decompression"),
		WRONG(DATA, PADDED, 1, "\x09small", "!http2.invalid_frame_length"),
		WRONG(CONTINUATION, END_HEADERS, 1, "\x82", "!http2.invalid_frame_header"),
		WRONG(HEADERS, END_HEADERS, 3, "\x3f\xe2\xff\x3f\x82",
			"!http2.failed_decompression"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		begin();
		put_headers(&client, END_HEADERS, 1, PAIRS(":method", "POST", ":path", "/"));
		put_frame(&client, wrong[i].type, wrong[i].flags, wrong[i].stream, wrong[i].body,
			wrong[i].len);
		check(NULL);
		assert_true(has(wrong[i].event));
	}
}

static struct proto_conn *open_conn(void)
{
	struct proto_conn *conn = kit_open(&tcp);

	kit_out = out_make(kit_text, sizeof(kit_text));
	begin();
	kit_feed(conn, 0, client.at, client.len);
	return conn;
}

static void close_conn(struct proto_conn *conn)
{
	proto_end(conn, 0);
	proto_end(conn, 1);
	proto_conn_free(conn);
}

static void feed_client(struct proto_conn *conn)
{
	kit_feed(conn, 0, client.at, client.len);
	client.len = 0;
	assert_in_range(proto_conn_bytes(conn), 0, PROTO_CONN_BYTES_MAX);
}

static void test_streams_are_bounded(void **state)
{
	struct proto_conn *conn = open_conn();

	(void)state;
	client.len = 0;
	for (unsigned i = 0; i < 1000; i++) {
		put_headers(&client, END_HEADERS, 2 * i + 1, PAIRS(":method", "GET", ":path", "/"));
		feed_client(conn);
	}
	assert_false(proto_conn_overrun(conn));
	assert_true(proto_conn_limited(conn));
	close_conn(conn);
	assert_non_null(strstr(kit_text, "!http2.too_many_streams"));
}

/* One byte a header of the table's size: decoded, and not kept. */
static void test_header_bombs_are_bounded(void **state)
{
	struct proto_conn *conn = open_conn();
	char value[120];

	(void)state;
	memset(value, 'v', sizeof(value));
	value[sizeof(value) - 1] = 0;
	client.len = 0;
	put_frame(&client, HEADERS, 0, 1, "\x40", 1); /* with indexing */
	client.at[2] = (uint8_t)(1 + 1 + 4 + 1 + strlen(value));
	put8(&client, 4);
	put(&client, "long", 4);
	put8(&client, (unsigned)strlen(value));
	put(&client, value, strlen(value));
	for (unsigned i = 0; i < 60; i++) {
		uint8_t same[1000];

		memset(same, 0xbe, sizeof(same));
		put_frame(&client, CONTINUATION, i == 59 ? END_HEADERS : 0, 1, same, sizeof(same));
		feed_client(conn);
	}
	assert_false(proto_conn_overrun(conn));
	assert_true(proto_conn_limited(conn));
	close_conn(conn);
	assert_non_null(strstr(kit_text, "!http2.extra_header_data"));
}

static void test_floods_of_continuations_end(void **state)
{
	struct proto_conn *conn = open_conn();

	(void)state;
	client.len = 0;
	FRAME(&client, HEADERS, 0, 1, "\x82");
	for (unsigned i = 0; i < 100; i++)
		FRAME(&client, CONTINUATION, 0, 1, "");
	feed_client(conn);
	close_conn(conn);
	assert_non_null(strstr(kit_text, "!http2.reassembly_limit_reached"));
}

static unsigned news;

static void count_news(void *context, struct proto_tx *tx, unsigned side)
{
	(void)context;
	(void)tx;
	(void)side;
	news++;
}

static unsigned count(const char *line)
{
	unsigned n = 0;

	for (const char *at = kit_text; (at = strstr(at, line)); at++)
		n++;
	return n;
}

/* Bodies of streams that go on at the same time are not all kept, and all told. */
static void test_bodies_are_bounded(void **state)
{
	struct proto_conn *conn = open_conn();
	static uint8_t data[1500];

	(void)state;
	client.len = 0;
	for (unsigned i = 0; i < 40; i++)
		put_headers(
			&client, END_HEADERS, 2 * i + 1, PAIRS(":method", "PUT", ":path", "/f"));
	feed_client(conn);
	for (unsigned n = 0; n < 100; n++)
		for (unsigned i = 0; i < 40; i++) {
			put_frame(&client, DATA, n == 99 ? END_STREAM : 0, 2 * i + 1, data,
				sizeof(data));
			feed_client(conn);
		}
	assert_false(proto_conn_overrun(conn));
	close_conn(conn);
	assert_int_equal(count("file /f 150000\n"), 40);
}

/* The beginning of a gzip member (RFC 1952), and of what is in it: "GATE", stored (RFC 1951, 3.2.4). */
#define GZIP_BEGIN "\x1f\x8b\x08\0\0\0\0\0\0\xff\1\4\0\xfb\xffGATE"

/* Compressed bodies at the same time: not all are undone, the connection is read on, and when some have ended others
 * are. */
static void test_compressed_bodies_are_bounded(void **state)
{
	struct proto_conn *conn = open_conn();

	(void)state;
	client.len = 0;
	for (unsigned i = 0; i < 40; i++) {
		put_headers(&client, END_HEADERS, 2 * i + 1,
			PAIRS(":method", "PUT", ":path", "/f", "content-encoding", "gzip"));
		FRAME(&client, DATA, 0, 2 * i + 1, GZIP_BEGIN);
		feed_client(conn);
	}
	assert_false(proto_conn_overrun(conn));
	assert_true(proto_conn_limited(conn));
	for (unsigned i = 0; i < 40; i++) {
		put_frame(&client, DATA, END_STREAM, 2 * i + 1, "", 0);
		feed_client(conn);
	}
	put_headers(&client, END_HEADERS, 101,
		PAIRS(":method", "PUT", ":path", "/g", "content-encoding", "gzip"));
	FRAME(&client, DATA, END_STREAM, 101, GZIP_BEGIN);
	feed_client(conn);
	assert_false(proto_conn_overrun(conn));
	close_conn(conn);
	assert_true(count("file /f 4\n") >= 8);
	assert_int_equal(count("file /f 4\n") + count("file /f 19\n"), 40);
	assert_int_equal(count("!http.too_many_compressed_bodies"), count("file /f 19\n"));
	assert_int_equal(count("file /g 4\n"), 1);
}

/* What is told of bodies is told of many bytes together, however they are cut into frames. */
static void test_small_frames_are_not_told_one_by_one(void **state)
{
	static const struct proto_setup setup = { .on_tx = count_news };
	struct proto_conn *conn;
	char value[125];

	(void)state;
	memset(value, 'v', sizeof(value));
	value[sizeof(value) - 1] = 0;
	assert_int_equal(proto_conn_new(&setup, &tcp, &conn), 0);
	begin();
	for (unsigned i = 0; i < 40; i++) {
		put_headers(&client, 0, 2 * i + 1, PAIRS(":method", "PUT", ":path", "/f"));
		for (unsigned n = 0; n < 14; n++) {
			static struct bytes block;

			block.len = 0;
			for (unsigned h = 0; h < 2; h++)
				put_header(&block, h ? "b" : "a", value);
			put_frame(&client, CONTINUATION, n == 13 ? END_HEADERS : 0, 2 * i + 1,
				block.at, block.len);
			feed_client(conn);
		}
	}
	assert_false(proto_conn_overrun(conn));
	assert_true(proto_conn_bytes(conn) > HTTP2_KEEP_MAX);
	news = 0;
	for (unsigned i = 0; i < 4000; i++) {
		put_frame(&client, DATA, 0, 2 * (i % 40) + 1, "x", 1);
		if (i % 100 == 99)
			feed_client(conn);
	}
	assert_false(proto_conn_overrun(conn));
	assert_in_range(news, 1, 40 * 40);
	proto_conn_free(conn);
}

static void test_gaps(void **state)
{
	struct proto_conn *conn = open_conn();

	(void)state;
	client.len = 0;
	put_headers(&client, END_HEADERS, 1, PAIRS(":method", "PUT", ":path", "/f"));
	put_frame(&client, DATA, END_STREAM, 1, "0123456789", 10);
	client.len -= 8;
	feed_client(conn);
	proto_gap(conn, 0, 4);
	put(&client, "6789", 4);
	put_headers(
		&client, END_STREAM | END_HEADERS, 3, PAIRS(":method", "GET", ":path", "/behind"));
	feed_client(conn);
	close_conn(conn);
	assert_non_null(strstr(kit_text, "file /f 6 cut\n"));
	assert_non_null(strstr(kit_text, "\"url\":\"/behind\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_blocks),
		cmocka_unit_test(test_bodies_logins_trailers),
		cmocka_unit_test(test_buffers),
		cmocka_unit_test(test_streams_and_continuations),
		cmocka_unit_test(test_promises),
		cmocka_unit_test(test_upgrade),
		cmocka_unit_test(test_no_preface),
		cmocka_unit_test(test_what_is_wrong),
		cmocka_unit_test(test_streams_are_bounded),
		cmocka_unit_test(test_header_bombs_are_bounded),
		cmocka_unit_test(test_floods_of_continuations_end),
		cmocka_unit_test(test_bodies_are_bounded),
		cmocka_unit_test(test_compressed_bodies_are_bounded),
		cmocka_unit_test(test_small_frames_are_not_told_one_by_one),
		cmocka_unit_test(test_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
