/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP: what its buffers, files and events are, whole, in pieces, cut off, and when it is meant
 * to hurt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/out.h"
#include "proto/proto.h"
#include "proto_kit.h"

static const struct proto_flow_info tcp = { .ip_proto = 6, .port = { 4000, 80 } };

#define TEXT_MAX (512u << 10)

/* All that came of a conversation: each transaction when it is done, each file when it ends. */
struct heard {
	char text[TEXT_MAX];
	struct out out;
	size_t bytes_max;
	bool overrun;
	enum proto_id app;
};
static struct heard heard, again;
static struct proto_conn *conn;

static void note_buffers(struct heard *h, struct proto_tx *tx)
{
	for (unsigned id = 1; id < BUFFER_COUNT; id++) {
		const struct proto_buffer_info *info = proto_buffer_info(id);
		struct proto_bytes b;

		for (unsigned n = 0; n < 2 * 64; n++) {
			if (!proto_tx_buffer(tx, id, n, &b))
				continue;
			assert_int_equal(b.complete, true);
			out_fmt(&h->out, "%s/%u=", info->name, n);
			out_quoted(&h->out, (const char *)b.at, b.len);
			out_char(&h->out, '\n');
		}
	}
}

static void on_tx(void *context, struct proto_tx *tx, unsigned side)
{
	struct heard *h = context;
	struct proto_tx_state state = proto_tx_state(tx);
	const char *event;

	(void)side;
	if (proto_conn_bytes(conn) > h->bytes_max)
		h->bytes_max = proto_conn_bytes(conn);
	if (!state.done[0] || !state.done[1])
		return;
	note_buffers(h, tx);
	for (unsigned n = 0; (event = proto_tx_event(tx, n)); n++)
		out_fmt(&h->out, "!%s\n", event);
	proto_tx_json(tx, &h->out);
	out_str(&h->out, "\n\n");
}

static void on_file(void *context, const struct proto_file *file, const uint8_t *bytes, size_t len)
{
	struct heard *h = context;

	if (len)
		assert_true(bytes[0] <= 255);
	if (!file->end)
		return;
	out_fmt(&h->out, "file %u ", file->side);
	out_quoted(&h->out, file->name, file->name_len);
	out_fmt(&h->out, " %llu%s\n", (unsigned long long)file->size, file->cut ? " cut" : "");
}

static void open_conn(struct heard *h)
{
	struct proto_setup setup = { .on_tx = on_tx, .on_file = on_file, .context = h };

	h->out = out_make(h->text, sizeof(h->text));
	h->bytes_max = 0;
	assert_int_equal(proto_conn_new(&setup, &tcp, &conn), 0);
}

static void close_conn(struct heard *h)
{
	proto_end(conn, 0);
	proto_end(conn, 1);
	h->overrun = proto_conn_overrun(conn);
	h->app = proto_conn_app(conn);
	conn = proto_conn_free(conn);
}

/* Parts of a conversation, each in pieces of `piece` bytes (0: whole), no more than `limit`
 * bytes of it. */
static void run(struct heard *h, const struct kit_part *parts, size_t n, size_t piece, size_t limit)
{
	open_conn(h);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *bytes = parts[i].bytes;
		size_t len = parts[i].len < limit ? parts[i].len : limit;

		limit -= len;
		for (size_t at = 0, take; at < len; at += take) {
			take = piece && piece < len - at ? piece : len - at;
			kit_feed(conn, parts[i].side, bytes + at, take);
		}
	}
	close_conn(h);
}

/* Whole; in pieces of several sizes, which must be the same; every prefix, which must be safe. */
static const char *check(const struct kit_part *parts, size_t n)
{
	static const size_t pieces[] = { 1, 2, 3, 5, 64 };

	for (size_t limit = 0; limit < kit_size(parts, n); limit += 1 + limit / 512)
		run(&again, parts, n, 0, limit);
	run(&heard, parts, n, 0, SIZE_MAX);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		run(&again, parts, n, pieces[i], SIZE_MAX);
		assert_string_equal(heard.text, again.text);
	}
	return heard.text;
}

#define CLIENT(text)                      \
	{                                 \
		0, text, sizeof(text) - 1 \
	}
#define SERVER(text)                      \
	{                                 \
		1, text, sizeof(text) - 1 \
	}
#define CHECK(parts) check(parts, sizeof(parts) / sizeof(parts[0]))

static void has(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("not there: %s\nin: %s", line, text);
}

static void has_not(const char *text, const char *line)
{
	if (strstr(text, line))
		fail_msg("there: %s\nin: %s", line, text);
}

static void every_buffer_has_its_bytes(void **state)
{
	static const struct kit_part parts[] = {
		CLIENT("GET /a/./b/../%63?q=%41+b HTTP/1.1\r\nHost: Example.ORG:8080\r\n"
		       "User-Agent: fish\r\nCookie: a=1; b=2\r\nAccept: text/html,\r\n\t*/*\r\n"
		       "Accept-Language: de\r\nAccept-Encoding: gzip\r\nReferer: http://r/\r\n"
		       "X: 1\r\nX: 2\r\nConnection: close\r\n\r\n"),
		SERVER("HTTP/1.1 301 Gone away\r\nServer: s\r\nSet-Cookie: c=3\r\nLocation: /z\r\n"
		       "Content-Type: text/plain; x=y\r\nContent-Length: 5\r\n\r\nhello"),
	};
	const char *text = CHECK(parts);

	(void)state;
	has(text, "http.uri/0=/a/c?q=%41+b\n");
	has(text, "http.uri.raw/0=/a/./b/../%63?q=%41+b\n");
	has(text, "http.method/0=GET\n");
	has(text, "http.protocol/0=HTTP/1.1\nhttp.protocol/1=HTTP/1.1\n");
	has(text, "http.request_line/0=GET /a/./b/../%63?q=%41+b HTTP/1.1\n");
	has(text, "http.response_line/0=HTTP/1.1 301 Gone away\n");
	has(text,
		"http.header/0=Host: Example.ORG:8080\\x0d\\x0aUser-Agent: fish\\x0d\\x0aAccept: ");
	has(text, "X: 1, 2\\x0d\\x0aConnection: close\\x0d\\x0a\n");
	has_not(text, "http.header/0=Cookie");
	has(text,
		"http.header/1=Server: s\\x0d\\x0aLocation: /z\\x0d\\x0aContent-Type: text/plain; "
		"x=y\\x0d\\x0aContent-Length: 5\\x0d\\x0a\n");
	has(text, "http.header_names/"
		  "1=\\x0d\\x0aServer\\x0d\\x0aSet-Cookie\\x0d\\x0aLocation\\x0d\\x0a"
		  "Content-Type\\x0d\\x0aContent-Length\\x0d\\x0a\\x0d\\x0a\n");
	has(text, "http.request_header/0=Host: Example.ORG:8080\n");
	has(text, "http.request_header/2=Cookie: a=1; b=2\n");
	has(text, "http.response_header/4=Content-Length: 5\n");
	has(text, "http.cookie/0=a=1; b=2\nhttp.cookie/1=c=3\n");
	has(text, "http.host/0=example.org\nhttp.host.raw/0=Example.ORG:8080\n");
	has(text, "http.user_agent/0=fish\n");
	has(text, "http.referer/0=http://r/\n");
	has(text, "http.accept_lang/0=de\n");
	has(text, "http.accept_enc/0=gzip\n");
	has(text, "http.connection/0=close\n");
	has(text, "http.content_type/1=text/plain; x=y\n");
	has(text, "http.content_len/1=5\n");
	has(text, "http.start/1=HTTP/1.1 301 Gone away\\x0d\\x0aServer: s");
	has(text, "http.stat_code/0=301\nhttp.stat_msg/0=Gone away\n");
	has(text, "http.server/0=s\nhttp.location/0=/z\n");
	has(text, "http.response_body/0=hello\n");
	has(text, "file.data/1=hello\nfile.name/1=/a/c\n");
	has(text, "file 1 /a/c 5\n");
	has(text, "!http.request_server_port_tcp_port_mismatch\n");
	has(text, "\"http\":{\"hostname\":\"Example.ORG\",\"http_port\":8080,"
		  "\"url\":\"/a/./b/../%63?q=%41+b\",\"http_user_agent\":\"fish\",\"server\":\"s\","
		  "\"http_content_type\":\"text/plain\",\"http_refer\":\"http://r/\","
		  "\"http_method\":\"GET\",\"protocol\":\"HTTP/1.1\",\"status\":301,"
		  "\"redirect\":\"/z\",\"length\":5}");
}

static void pipelined_and_chunked(void **state)
{
	static const struct kit_part parts[] = {
		CLIENT("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPUT /d/2 HTTP/1.1\r\nHost: h\r\n"
		       "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: "
		       "1\r\n\r\n"
		       "HEAD /3 HTTP/1.1\r\nHost: h\r\n\r\n"),
		SERVER("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfoo "
		       "\r\n3\r\nbar\r\n"
		       "0\r\nAfter: all\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n"
		       "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"),
	};
	const char *text = CHECK(parts);

	(void)state;
	has(text, "http.response_body/0=foo bar\n");
	has(text, "http.header/1=Transfer-Encoding: chunked\\x0d\\x0aAfter: all\\x0d\\x0a\n");
	has(text, "http.request_body/0=abcde\n");
	has(text, "file.data/0=abcde\nfile.name/0=/d/2\n");
	has(text, "file 0 /d/2 5\n");
	has(text,
		"\"url\":\"/3\",\"http_method\":\"HEAD\",\"protocol\":\"HTTP/1.1\",\"status\":200,"
		"\"length\":0");
}

static void parts_of_a_multipart_body_are_files(void **state)
{
	static const struct kit_part parts[] = {
		CLIENT("POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 347\r\n"
		       "Content-Type: multipart/form-data; boundary=\"x--y\"\r\n\r\n"
		       "before\r\n--x--y\r\nContent-Disposition: form-data; "
		       "name=\"f\"\r\n\r\nfield\r\n"
		       "--x--y\r\nContent-Disposition: form-data; name=\"a\"; "
		       "filename=\"one.txt\"\r\n"
		       "Content-Type: text/plain\r\n\r\nline\r\n\n-x\r\n--x\r\nend\r\n--x--y\r\n"
		       "content-disposition: form-data; name=\"b\"; FILENAME=two.bin "
		       "\r\n\r\n\r\r\n\r\n"
		       "--x--y\r\nContent-Disposition: form-data; filename=none\r\n\r\n\r\n"
		       "--x--y--\r\n"),
		SERVER("HTTP/1.0 200 OK\r\n\r\nuntil the end"),
	};
	const char *text = CHECK(parts);

	(void)state;
	has(text, "file.data/0=line\\x0d\\x0a\\x0a-x\\x0d\\x0a--x\\x0d\\x0aend\n");
	has(text, "file.data/2=\\x0d\\x0d\\x0a\n");
	has(text, "file.name/0=one.txt\n");
	has(text, "file.name/2=two.bin\n");
	has(text, "file 0 one.txt 19\n");
	has(text, "file 0 two.bin 3\n");
	has(text, "file 0 none 0\n");
	has(text, "!http.multipart_no_filedata\n");
	has(text, "file 1 /up 13\n");
}

static void cut_bodies_are_cut_files(void **state)
{
	static const struct kit_part parts[] = {
		CLIENT("GET /f HTTP/1.1\r\nHost: h\r\n\r\n"),
		SERVER("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"
		       "Content-Disposition: attachment; x; filename = a.exe ; y\r\n\r\nhello"),
	};

	(void)state;
	has(CHECK(parts), "file 1 a.exe 5 cut\n");
}

static void gap_in_a_body_is_not_the_end(void **state)
{
	static const char ask[] = "GET /f HTTP/1.1\r\nHost: h\r\n\r\n";
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel";

	(void)state;
	open_conn(&heard);
	kit_feed(conn, 0, (const uint8_t *)ask, strlen(ask));
	kit_feed(conn, 1, (const uint8_t *)answer, strlen(answer));
	proto_gap(conn, 1, 5);
	kit_feed(conn, 1, (const uint8_t *)"ld", 2);
	kit_feed(conn, 0, (const uint8_t *)ask, strlen(ask));
	kit_feed(conn, 1, (const uint8_t *)"HTTP/1.1 201 Two\r\n\r\n", 20);
	close_conn(&heard);
	has(heard.text, "file 1 /f 10\n"); /* with a hole */
	has(heard.text, "\"status\":201");
}

/* What stood before the gap and behind it is read; the line that it is in is lost. */
static void gap_in_headers_loses_a_line(void **state)
{
	static const char ask[] = "GET /f HTTP/1.1\r\nHost: h\r\nUser-Agent: fi";
	static const char asked[] = "sh\r\nReferer: r\r\n\r\n";
	static const char status[] = "HTTP/1.1 302 Moved";
	static const char answer[] = "okie\r\nLocation: /z\r\nContent-Length: 2\r\n\r\nok";

	(void)state;
	open_conn(&heard);
	kit_feed(conn, 0, (const uint8_t *)ask, strlen(ask));
	proto_gap(conn, 0, 100);
	kit_feed(conn, 0, (const uint8_t *)asked, strlen(asked));
	kit_feed(conn, 1, (const uint8_t *)status, strlen(status));
	proto_gap(conn, 1, 1460);
	kit_feed(conn, 1, (const uint8_t *)answer, strlen(answer));
	close_conn(&heard);
	has(heard.text, "file 1 /f 2\n");
	has(heard.text, "\"http_user_agent\":\"fi\"");
	has(heard.text, "\"http_refer\":\"r\"");
	has(heard.text, "\"status\":302,\"redirect\":\"/z\",\"length\":2}");
}

static void gap_beyond_the_headers(void **state)
{
	static const char ask[] = "GET /f HTTP/1.1\r\nHost: h\r\n\r\n";
	static const char status[] = "HTTP/1.1 200 Ok\r\nContent-Ty";
	static const char body[] = "of the body\nthe rest is here\n";

	(void)state;
	open_conn(&heard);
	kit_feed(conn, 0, (const uint8_t *)ask, strlen(ask));
	kit_feed(conn, 1, (const uint8_t *)status, strlen(status));
	proto_gap(conn, 1, 1460);
	kit_feed(conn, 1, (const uint8_t *)body, strlen(body));
	close_conn(&heard);
	has(heard.text, "file 1 /f 29\n");
	has(heard.text, "\"status\":200,\"length\":29}");
}

static void other_protocols_behind_connect(void **state)
{
	static const char hello[] = "GET /inner HTTP/1.1\r\nHost: i\r\n\r\n";
	static const struct kit_part parts[] = {
		CLIENT("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"),
		SERVER("HTTP/1.1 200 Yes\r\n\r\n"),
		{ 0, hello, sizeof(hello) - 1 },
		SERVER("HTTP/1.1 202 Inside\r\nContent-Length: 2\r\n\r\nok"),
	};
	static const struct kit_part hasty[] = {
		CLIENT("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\nGET /inner HTTP/1.1\r\n\r\n"),
		SERVER("HTTP/1.1 200 Yes\r\n\r\n"),
		SERVER("HTTP/1.1 202 Inside\r\nContent-Length: 2\r\n\r\nok"),
	};
	static const struct kit_part refused[] = {
		CLIENT("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"),
		SERVER("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"),
		CLIENT("GET /next HTTP/1.1\r\nHost: h\r\n\r\n"),
		SERVER("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
	};

	(void)state;
	has(CHECK(parts), "http.uri/0=/inner\n");
	has(heard.text, "\"http_method\":\"CONNECT\"");
	has(heard.text, "\"status\":202");
	has(CHECK(hasty), "http.uri/0=/inner\n");
	has(heard.text, "\"status\":202");
	has(CHECK(refused), "http.uri/0=/next\n");
}

static void old_and_odd_ways(void **state)
{
	static const struct kit_part zero_nine[] = { CLIENT("GET /old\r\n"),
		SERVER("<html>plain</html>") };
	static const struct kit_part by_hand[] = { CLIENT("GET /old\r\n\r\n"),
		SERVER("<html>plain</html>") };
	static const struct kit_part alone[] = { SERVER(
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") };
	static const struct kit_part proxy[] = {
		CLIENT("GET http://User@Host.Example:81/p HTTP/1.1\r\nHost: other\r\n\r\n"),
		SERVER("HTTP/1.1 2XX OK\r\nContent-Length: 0\r\n\r\n")
	};

	(void)state;
	has(CHECK(zero_nine), "http.uri/0=/old\n");
	has(heard.text, "http.response_body/0=<html>plain</html>\n");
	has(CHECK(by_hand), "file 1 /old 18\n");
	has_not(heard.text, "file 0");
	has(CHECK(alone), "!http.unable_to_match_response_to_request\n");
	has(heard.text, "http.response_body/0=ok\n");
	has(CHECK(proxy), "http.uri/0=/p\n");
	has(heard.text, "http.host/0=host.example\nhttp.host.raw/0=host.example\n");
	has(heard.text, "!http.host_header_ambiguous\n");
	has(heard.text, "\"status_string\":\"2XX\"");
}

/* A program that asks for a file stops where the response says that it ends; rules see what follows, too. */
static void bytes_behind_a_response_are_not_in_the_file(void **state)
{
	static const struct kit_part parts[] = {
		CLIENT("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"),
		SERVER("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde\n"),
	}, chunked[] = {
		CLIENT("GET /b HTTP/1.1\r\nHost: h\r\n\r\n"),
		SERVER("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		       "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n\n"),
	};

	(void)state;
	kit_show_contents = true;
	kit_check_lines(&tcp, parts, 2, "file ", "file /a 5 abcde\n");
	kit_check_lines(&tcp, chunked, 2, "file ", "file /b 5 abcde\n");
	kit_show_contents = false;
}

static void ranges_are_told(void **state)
{
	static const struct kit_part parts[] = {
		CLIENT("GET /r HTTP/1.1\r\nHost: h\r\n\r\nGET /s HTTP/1.1\r\nHost: h\r\n\r\n"),
		SERVER("HTTP/1.1 206 Part\r\nContent-Range: bytes 1-2/30\r\nContent-Length: "
		       "2\r\n\r\nab"
		       "HTTP/1.1 206 Part\r\nContent-Range: bytes */x\r\nContent-Length: "
		       "0\r\n\r\n"),
	};

	(void)state;
	has(CHECK(parts), "\"content_range\":{\"raw\":\"bytes 1-2/30\",\"start\":1,\"end\":2,"
			  "\"size\":30}");
	has(heard.text, "\"content_range\":{\"raw\":\"bytes */x\"}");
}

#define PART(range, total, len, text)                                               \
	"HTTP/1.1 206 Part\r\nETag: \"1\"\r\nContent-Range: bytes " range "/" total \
	"\r\nContent-Length: " len "\r\n\r\n" text
#define ASK(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

/* In order, twice, with those of another file between, of another edition; one that lacks its end, one its middle;
 * one that would be mostly hole. */
static void parts_become_one_file(void **state)
{
	static const struct kit_part parts[] = {
		CLIENT(ASK("/a") ASK("/b") ASK("/a") ASK("/a") ASK("/c") ASK("/a") ASK("/b") ASK("/d")),
		SERVER(PART("0-3", "10", "4", "abcd") PART("3-4", "6", "2", "DE")
				PART("0-3", "10", "4", "abcd") PART("2-5", "10", "4", "cdef")
					PART("5-6", "*", "2", "56") PART("6-9", "10", "4", "ghij")
						PART("0-1", "6", "2", "AB")
							PART("99999999-99999999", "*", "1", "z")),
	}, changed[] = {
		CLIENT(ASK("/a") ASK("/a")),
		SERVER(PART("0-1", "4", "2", "ab") "HTTP/1.1 206 Part\r\nETag: \"2\"\r\n"
		       "Content-Range: bytes 2-3/4\r\nContent-Length: 2\r\n\r\nCD"),
	};

	(void)state;
	kit_show_contents = true;
	kit_check_lines(&tcp, parts, 2, "file ",
		"file /a 10 abcdefghij\nfile /d 1 z\n"
		"file /b 5 cut odd AB\\x00DE\nfile /c 7 cut odd \\x00\\x00\\x00\\x00\\x0056\n");
	kit_check_lines(
		&tcp, changed, 2, "file ", "file /a 2 cut ab\nfile /a 4 cut odd \\x00\\x00CD\n");
	kit_show_contents = false;
}

static size_t pack(const void *bytes, size_t len, int window, void *ret_packed, size_t room)
{
	z_stream z = { 0 };
	size_t size;

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)bytes;
	z.avail_in = (uInt)len;
	z.next_out = ret_packed;
	z.avail_out = (uInt)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	size = room - z.avail_out;
	deflateEnd(&z);
	return size;
}

static uint8_t packed[2][4 << 20];

/* A response with that encoding around the bytes. */
static size_t respond(
	const char *encoding, const void *bytes, size_t len, char *ret_text, size_t room)
{
	int head = snprintf(ret_text, room,
		"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %zu\r\n\r\n", encoding,
		len);

	assert_true((size_t)head + len < room);
	memcpy(ret_text + head, bytes, len);
	return (size_t)head + len;
}

static char response[5 << 20];

/* A body and how it is encoded: from the innermost layer to the outermost. */
#define GZIP_IT 31
#define ZLIB_IT 15
#define RAW_IT  (-15)

static const char short_body[] = "what was compressed, and what was compressed";

/* Returns the encoded bytes, which stay until the next call. */
static const uint8_t *encode(const int *layers, unsigned n, size_t *ret_len)
{
	size_t len = strlen(short_body);

	memcpy(packed[1], short_body, len);
	for (unsigned i = 0; i < n; i++)
		len = pack(packed[(i + 1) % 2], len, layers[i], packed[i % 2], sizeof(packed[0]));
	*ret_len = len;
	return packed[(n + 1) % 2];
}

static char request[1 << 20];

/* The same as a request's body, if it is short. */
static size_t ask(const char *encoding, const void *bytes, size_t len)
{
	int head = snprintf(request, sizeof(request),
		"POST /z HTTP/1.1\r\nHost: h\r\nContent-Encoding: %s\r\nContent-Length: "
		"%zu\r\n\r\n",
		encoding, len);

	assert_true((size_t)head + len < sizeof(request));
	memcpy(request + head, bytes, len);
	return (size_t)head + len;
}

/* Cut once, at every place: the same comes of it. */
static void check_cuts(const struct kit_part *part)
{
	const uint8_t *bytes = part->bytes;

	for (size_t cut = 1; cut < part->len; cut++) {
		const struct kit_part parts[] = { { part->side, bytes, cut },
			{ part->side, bytes + cut, part->len - cut } };

		run(&again, parts, 2, 0, SIZE_MAX);
		assert_string_equal(heard.text, again.text);
	}
}

/* Whole, in pieces of every size, cut everywhere, as a response and as a request: the body is that. */
static void check_body(const char *encoding, const uint8_t *bytes, size_t len, const char *body)
{
	char line[2][200];

	for (unsigned side = 0; side < 2; side++) {
		struct kit_part part = { side, side ? response : request,
			side ? respond(encoding, bytes, len, response, sizeof(response))
			     : ask(encoding, bytes, len) };

		check(&part, 1);
		snprintf(line[0], sizeof(line[0]), "file.data/%u=%s\n", side, body);
		snprintf(line[1], sizeof(line[1]), "http.%s_body/0=%s\n",
			side ? "response" : "request", body);
		has(heard.text, line[0]);
		has(heard.text, line[1]);
		check_cuts(&part);
	}
}

static void compressed_bodies_are_read(void **state)
{
	static const struct {
		const char *name;
		int layers[3];
		unsigned n;
	} encodings[] = {
		{ "gzip", { GZIP_IT }, 1 },
		{ "x-gzip", { GZIP_IT }, 1 },
		{ "GZip", { GZIP_IT }, 1 },
		{ "deflate", { ZLIB_IT }, 1 },
		{ "deflate", { RAW_IT }, 1 },
		{ "x-deflate", { ZLIB_IT }, 1 },
		{ "deflate", { GZIP_IT }, 1 },
		{ "gzip", { ZLIB_IT }, 1 },
		{ "gzip", { RAW_IT }, 1 },
		{ ", gzip;q=1 ,", { GZIP_IT }, 1 },
		{ "identity, gzip", { GZIP_IT }, 1 },
		{ "gzip, gzip", { GZIP_IT, GZIP_IT }, 2 },
		{ "deflate, gzip", { RAW_IT, GZIP_IT }, 2 },
		{ "gzip,deflate", { GZIP_IT, ZLIB_IT }, 2 },
		{ "deflate, gzip, deflate", { ZLIB_IT, GZIP_IT, RAW_IT }, 3 },
		{ "br, gzip", { GZIP_IT }, 1 },
		{ "gzip, br", { 0 }, 0 },
		{ "br", { 0 }, 0 },
		{ "gzip", { 0 }, 0 },
		{ "deflate", { 0 }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
		size_t len;
		const uint8_t *bytes = encode(encodings[i].layers, encodings[i].n, &len);

		check_body(encodings[i].name, bytes, len, short_body);
	}
}

/* A gzip member with every field that its header may have. */
static size_t pack_with_fields(uint8_t *ret_packed, size_t room)
{
	uint8_t extra[300] = { 1, 2 };
	gz_header header = { .extra = extra, .extra_len = sizeof(extra), .hcrc = 1 };
	uint8_t name[] = "name", comment[] = "what it is";
	z_stream z = { 0 };

	header.name = name;
	header.comment = comment;
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, GZIP_IT, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflateSetHeader(&z, &header), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)short_body;
	z.avail_in = (uInt)strlen(short_body);
	z.next_out = ret_packed;
	z.avail_out = (uInt)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return room - z.avail_out;
}

static void gzip_has_fields_members_and_garbage(void **state)
{
	static const char twice[] = "what was compressed, and what was compressed"
				    "what was compressed, and what was compressed";
	uint8_t bytes[2000];
	size_t one = pack_with_fields(bytes, sizeof(bytes));
	size_t two = one + pack(short_body, strlen(short_body), GZIP_IT, bytes + one, 500);

	(void)state;
	check_body("gzip", bytes, one, short_body);
	check_body("gzip", bytes, two, twice);
	/* Whoever decodes nothing sees what follows. */
	memcpy(bytes + two, "\x1fx", 2);
	check_body("gzip", bytes, two + 2,
		"what was compressed, and what was compressed"
		"what was compressed, and what was compressed\\x1fx");
	/* Without its trailer. */
	check_body("gzip", bytes, two - 8, twice);
	/* With flags that mean nothing, and a wrong sum. */
	bytes[one + 3] = 0xe0;
	bytes[two - 6] ^= 1;
	check_body("gzip", bytes, two, twice);
}

static void broken_bodies_are_read_as_far_as_they_go(void **state)
{
	uint8_t bytes[200];
	size_t len;

	(void)state;
	/* A block that is stored, and one that cannot be. */
	memcpy(bytes,
		"\x00\x04\x00\xfb\xff"
		"fine\xff"
		"rest",
		14);
	check_body("deflate", bytes, 9, "fine");
	check_body("deflate", bytes, 14, "fine\\x00\\x04\\x00\\xfb\\xfffine\\xffrest");
	has(heard.text, "!http.gzip_decompression_failed\n");
	/* Raw, though its first bytes could be a zlib header: a stored block whose padding is not
	 * zero. */
	memcpy(bytes, "\x08\x1d\x00\xe2\xff", 5);
	memset(bytes + 5, 'a', 0x1d);
	check_body("deflate", bytes, 5 + 0x1d, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	/* Cut off within the data. */
	len = pack(short_body, strlen(short_body), GZIP_IT, bytes, sizeof(bytes));
	check_body("gzip", bytes, len - 14, "what was compressed, an");
}

/* Text that is said to be compressed, whatever it begins with. */
static void uncompressed_bodies_are_read(void **state)
{
	char text[200] = "? what is said to be compressed but is just text, all of it: EICAR";

	(void)state;
	for (unsigned first = 0; first < 256; first++) {
		size_t len;

		if (first == '\r' || first == '\n')
			continue; /* may still be the end of the headers for libhtp */
		text[0] = (char)first;
		len = respond(first & 1 ? "gzip" : "deflate", text, strlen(text + 1) + 1, response,
			sizeof(response));
		struct kit_part part = { 1, response, len };

		run(&heard, &part, 1, 0, SIZE_MAX);
		run(&again, &part, 1, 1, SIZE_MAX);
		has(heard.text, "just text, all of it: EICAR\n");
		assert_string_equal(heard.text, again.text);
	}
}

/* Broken anywhere: what is read still does not depend on the pieces it comes in. */
static void broken_bodies_are_the_same_in_pieces(void **state)
{
	static const int layers[] = { GZIP_IT, ZLIB_IT, RAW_IT };
	static uint8_t text[6000], bytes[8000];

	(void)state;
	srandom(1);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)("fish bowl"[random() % 9] + (i % 97 == 0));
	for (unsigned round = 0; round < 150; round++) {
		size_t len = pack(text, sizeof(text), layers[round % 3], bytes, sizeof(bytes));

		for (unsigned i = 0; i < 1 + round % 4; i++)
			bytes[(size_t)random() % (round & 8 ? len : 64)] ^=
				(uint8_t)(1 << random() % 8);
		len = respond("deflate", bytes, len, response, sizeof(response));
		struct kit_part part = { 1, response, len };

		run(&heard, &part, 1, 0, SIZE_MAX);
		for (size_t piece = 1; piece < 600; piece = 3 * piece + 1) {
			run(&again, &part, 1, piece, SIZE_MAX);
			assert_string_equal(heard.text, again.text);
		}
	}
}

static uint8_t same[24 << 20];

static void give_up_on(const char *encoding, size_t len)
{
	len = respond(encoding, packed[0], len, response, sizeof(response));
	struct kit_part parts[] = { CLIENT("GET /z HTTP/1.1\r\nHost: h\r\n\r\n"),
		{ 1, response, len }, CLIENT("GET /y HTTP/1.1\r\nHost: h\r\n\r\n") };

	run(&heard, parts, 3, 1400, SIZE_MAX);
	has(heard.text, "!http.compression_bomb\n");
	has_not(heard.text, "http.uri/0=/y");
	assert_true(heard.overrun);
	assert_true(heard.bytes_max <= PROTO_CONN_BYTES_MAX);
}

static void bombs_are_given_up(void **state)
{
	size_t len;

	(void)state;
	memset(same, 'A', sizeof(same));
	len = pack(same, sizeof(same), GZIP_IT, packed[0], sizeof(packed[0]));
	give_up_on("gzip", len);
	/* As a request. */
	len = ask("gzip", packed[0], len);
	struct kit_part part = { 0, request, len };

	run(&heard, &part, 1, 1400, SIZE_MAX);
	has(heard.text, "!http.compression_bomb\n");
	assert_true(heard.overrun);
	/* All but nothing comes out of the inner layer, for much in it: a header that does not end. */
	memset(same, 'A', sizeof(same));
	memcpy(same, "\x1f\x8b\x08\x08", 4);
	len = pack(same, sizeof(same), GZIP_IT, packed[0], sizeof(packed[0]));
	give_up_on("gzip, gzip", len);
}

/* Zlib's memory is counted as long as a body comes, and no longer. */
static void memory_of_layers_is_counted(void **state)
{
	static const int layers[] = { GZIP_IT, GZIP_IT, GZIP_IT };
	size_t len, before, within;
	const uint8_t *bytes = encode(layers, 3, &len);
	size_t size = ask("gzip, gzip, gzip", bytes, len);

	(void)state;
	open_conn(&heard);
	kit_feed(conn, 0, (const uint8_t *)"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27);
	before = proto_conn_bytes(conn);
	kit_feed(conn, 0, (const uint8_t *)request, size - 1);
	within = proto_conn_bytes(conn);
	assert_true(within > before + 3 * (40u << 10));
	kit_feed(conn, 0, (const uint8_t *)request + size - 1, 1);
	assert_true(proto_conn_bytes(conn) < within - 3 * (40u << 10));
	close_conn(&heard);
}

static void nested_encodings_end(void **state)
{
	char encoding[64 * 8];
	struct out names = out_make(encoding, sizeof(encoding));
	size_t len = pack("deep", 4, 31, packed[0], sizeof(packed[0]));

	(void)state;
	out_str(&names, "gzip");
	for (unsigned i = 1; i < 64; i++) {
		out_str(&names, ", gzip");
		len = pack(packed[(i - 1) % 2], len, 31, packed[i % 2], sizeof(packed[0]));
	}
	len = respond(encoding, packed[1], len, response, sizeof(response));
	struct kit_part parts[] = { CLIENT("GET /z HTTP/1.1\r\nHost: h\r\n\r\n"),
		{ 1, response, len } };

	has(CHECK(parts), "!http.too_many_encoding_layers\n");
	has_not(heard.text, "=deep\n");
	assert_true(heard.bytes_max <= PROTO_CONN_BYTES_MAX);
}

/* The same text for ever: memory stays within its limit. */
static void feed_for_ever(const char *start, const char *line, size_t times)
{
	open_conn(&heard);
	kit_feed(conn, 0, (const uint8_t *)start, strlen(start));
	for (size_t i = 0; i < times; i++) {
		kit_feed(conn, 0, (const uint8_t *)line, strlen(line));
		if (proto_conn_bytes(conn) > heard.bytes_max)
			heard.bytes_max = proto_conn_bytes(conn);
	}
	assert_true(heard.bytes_max <= PROTO_CONN_BYTES_MAX);
	close_conn(&heard);
}

static void endless_requests_are_bounded(void **state)
{
	char line[1200];

	(void)state;
	snprintf(line, sizeof(line), "X: %01000d\r\n", 0);
	feed_for_ever("GET / HTTP/1.1\r\n", "X: 1\r\n", 10000);
	feed_for_ever("GET / HTTP/1.1\r\n", line, 2000);
	feed_for_ever("GET / HTTP/1.1\r\nX: 1\r\n", " folded\r\n", 10000);
	feed_for_ever("GET /", line + 3, 100);
	feed_for_ever("", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 1000);
	assert_true(heard.overrun);
	feed_for_ever("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 5000);
	feed_for_ever("POST / HTTP/1.1\r\nContent-Length: 99999999\r\nContent-Type: "
		      "multipart/form-data; boundary=b\r\n\r\n",
		"--b\r\nContent-Disposition: x; filename=f\r\n\r\nxx\r\n", 5000);
}

/* A header or a line of 17000 bytes. */
static size_t put_long(char *at, const char *before, char byte, const char *behind)
{
	size_t len = strlen(before);

	memcpy(at, before, len);
	memset(at + len, byte, 17000);
	len += 17000;
	memcpy(at + len, behind, strlen(behind));
	return len + strlen(behind);
}

static void on_tx_json(void *context, struct proto_tx *tx, unsigned side)
{
	struct proto_tx_state state = proto_tx_state(tx);

	(void)side;
	if (state.done[0] && state.done[1])
		assert_true(proto_tx_json(tx, context));
}

/* However long its texts are, the record has room for what is said of them. */
static void long_texts_are_cut(void **state)
{
	static const char *const asked[] = { "Host: ", "User-Agent: ", "Referer: ", "X: " };
	static const char *const told[] = {
		"Server: ", "Location: ", "Content-Type: ", "Content-Range: "
	};
	static const char begin[] = "\r\nHTTP/1.1 302 Go\r\n", end[] = "Content-Length: 0\r\n\r\n";
	static char text[200000], json[400000];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct out o = out_make(json, sizeof(json));
		struct proto_setup setup = { .on_tx = on_tx_json, .context = &o };
		size_t len = put_long(text, "GET /start", 'u', " HTTP/1.1\r\n"), answer;
		char byte = i ? 'a' : '\xff';

		for (unsigned h = 0; h < 4; h++)
			len += put_long(text + len, asked[h], byte, "\r\n");
		answer = len + 2;
		memcpy(text + len, begin, sizeof(begin) - 1);
		len += sizeof(begin) - 1;
		for (unsigned h = 0; h < 4; h++)
			len += put_long(text + len, told[h], byte, "\r\n");
		memcpy(text + len, end, sizeof(end) - 1);
		len += sizeof(end) - 1;
		assert_int_equal(proto_conn_new(&setup, &tcp, &conn), 0);
		for (size_t at = 0; at < len; at += 1000) {
			size_t n = len - at < 1000 ? len - at : 1000;
			size_t asks = at >= answer ? 0 : n < answer - at ? n : answer - at;

			kit_feed(conn, 0, (const uint8_t *)text + at, asks);
			kit_feed(conn, 1, (const uint8_t *)text + at + asks, n - asks);
		}
		proto_end(conn, 0);
		proto_end(conn, 1);
		conn = proto_conn_free(conn);
		assert_true(out_ok(&o));
		assert_in_range(o.len, 15000, 32 << 10);
		assert_non_null(strstr(json, "\"url\":\"/startuuu"));
		assert_non_null(strstr(json,
			i ? "\"http_user_agent\":\"aaa" : "\"http_user_agent\":\"\\ufffd\\ufffd"));
		assert_non_null(strstr(json, "\"redirect\":\""));
	}
}

/* Of a connection that goes on for long, nothing remains. */
static void many_transactions_leave_nothing(void **state)
{
	static const char ask[] = "GET /f HTTP/1.1\r\nHost: h\r\n\r\n";
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	size_t bytes;

	(void)state;
	open_conn(&heard);
	for (unsigned i = 0; i < 3000; i++) {
		kit_feed(conn, 0, (const uint8_t *)ask, strlen(ask));
		kit_feed(conn, 1, (const uint8_t *)answer, strlen(answer));
		heard.out.len = 0;
		if (i == 0)
			bytes = proto_conn_bytes(conn);
		assert_int_equal(proto_conn_bytes(conn), bytes);
	}
	close_conn(&heard);
}

static void complaints_have_names(void **state)
{
	static const struct {
		const char *ask, *answer, *event;
	} cases[] = {
		{ "GET / HTTP/1.1\r\n\r\n", "", "missing_host_header" },
		{ "GET / HTTP/1.1\r\nHost: h\r\nbad\r\n\r\n", "", "request_field_missing_colon" },
		{ "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", "", "request_header_invalid" },
		{ "GET / HTTP/1.1\r\n x\r\nHost: h\r\n\r\n", "", "invalid_request_field_folding" },
		{ "GET / HTTP/1.1\r\nHost: h h\r\n\r\n", "", "request_header_host_invalid" },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab",
			"", "duplicate_content_length_field_in_request" },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", "",
			"invalid_content_length_field_in_request" },
		{ "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "",
			"invalid_request_chunk_len" },
		{ "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: what\r\n\r\n", "",
			"invalid_transfer_encoding_value_in_request" },
		{ "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nbad\r\n\r\n",
			"response_field_missing_colon" },
		{ "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
			"response_invalid_status" },
		{ "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
			"invalid_response_chunk_len" },
		{ "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
			"duplicate_content_length_field_in_response" },
		{ "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
			"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			"response_chunked_old_proto" },
		{ "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Encoding: what\r\n\r\n", "abnormal_ce_header" },
		{ "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: What x\r\n\r\n", "",
			"request_auth_unrecognized" },
		{ "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot "
			"gzip!",
			"gzip_decompression_failed" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct kit_part parts[] = { { 0, cases[i].ask, strlen(cases[i].ask) },
			{ 1, cases[i].answer, strlen(cases[i].answer) } };
		char event[100];

		snprintf(event, sizeof(event), "!http.%s\n", cases[i].event);
		run(&heard, parts, 2, 0, SIZE_MAX);
		has(heard.text, event);
	}
	const struct kit_part fine[] = { CLIENT(
		"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer x\r\n\r\n") };
	has_not(CHECK(fine), "!");
}

static void only_http_is_taken_for_it(void **state)
{
	static const struct {
		unsigned side;
		const char *bytes;
		enum proto_id id;
	} cases[] = {
		{ 0, "GET / HTTP/1.1\r\n", PROTO_HTTP },
		{ 0, "GET /", PROTO_HTTP },
		{ 0, "\r\nPOST\t/", PROTO_HTTP },
		{ 0, "GE", PROTO_NONE },
		{ 0, "XYZZY /x HTTP/1.0\r\n", PROTO_HTTP },
		{ 0, "XYZZY /x", PROTO_NONE },
		{ 0, "XYZZY /x\r\n", PROTO_FAILED },
		{ 0, "OPTIONS sip:a SIP/2.0\r\n", PROTO_SIP },
		{ 0, "OPTIONS s", PROTO_NONE },
		{ 0, "OPTIONS rtsp:a RTSP/1.0\r\n", PROTO_FAILED },
		{ 1, "HTTP/1.1 200 OK\r\n", PROTO_HTTP },
		{ 1, "HTT", PROTO_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_conn(&heard);
		kit_feed(conn, cases[i].side, (const uint8_t *)cases[i].bytes,
			strlen(cases[i].bytes));
		if (proto_conn_id(conn, cases[i].side) != cases[i].id)
			fail_msg("%s is %s", cases[i].bytes,
				proto_name(proto_conn_id(conn, cases[i].side)));
		close_conn(&heard);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_buffer_has_its_bytes),
		cmocka_unit_test(pipelined_and_chunked),
		cmocka_unit_test(parts_of_a_multipart_body_are_files),
		cmocka_unit_test(cut_bodies_are_cut_files),
		cmocka_unit_test(gap_in_a_body_is_not_the_end),
		cmocka_unit_test(gap_in_headers_loses_a_line),
		cmocka_unit_test(gap_beyond_the_headers),
		cmocka_unit_test(other_protocols_behind_connect),
		cmocka_unit_test(old_and_odd_ways),
		cmocka_unit_test(bytes_behind_a_response_are_not_in_the_file),
		cmocka_unit_test(ranges_are_told),
		cmocka_unit_test(parts_become_one_file),
		cmocka_unit_test(compressed_bodies_are_read),
		cmocka_unit_test(gzip_has_fields_members_and_garbage),
		cmocka_unit_test(broken_bodies_are_read_as_far_as_they_go),
		cmocka_unit_test(uncompressed_bodies_are_read),
		cmocka_unit_test(broken_bodies_are_the_same_in_pieces),
		cmocka_unit_test(bombs_are_given_up),
		cmocka_unit_test(memory_of_layers_is_counted),
		cmocka_unit_test(nested_encodings_end),
		cmocka_unit_test(endless_requests_are_bounded),
		cmocka_unit_test(many_transactions_leave_nothing),
		cmocka_unit_test(long_texts_are_cut),
		cmocka_unit_test(complaints_have_names),
		cmocka_unit_test(only_http_is_taken_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
