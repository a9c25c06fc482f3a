/* SPDX-License-Identifier: Apache-2.0 */
/* SMB2, its files, and DCE/RPC in its pipes and alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "packets.h"
#include "proto_kit.h"

#define UUID "\x81\xbb\x7a\x36\x44\x98\xf1\x35\xad\x32\x98\xf0\x38\0\x10\3"
#define ID   "\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0"

enum { TREE_CONNECT = 3, CREATE = 5, CLOSE = 6, READ = 8, WRITE = 9 };

static const struct proto_flow_info smb = { .ip_proto = 6, .port = { 4000, 445 } };
static const struct proto_flow_info dcerpc = { .ip_proto = 6, .port = { 4000, 135 } };

static struct bytes said[2];

static void le16(struct bytes *b, unsigned v)
{
	put8(b, v & 255);
	put8(b, v >> 8);
}

static void le32(struct bytes *b, uint32_t v)
{
	le16(b, v & 0xffff);
	le16(b, v >> 16);
}

/* A message in its frame; the body's length is known. */
static void put_message(unsigned side, unsigned command, unsigned id, const struct bytes *body)
{
	struct bytes *b = &said[side];

	put32(b, 64 + body->len);
	put(b, "\xfeSMB\x40\0\0\0\0\0\0\0", 12);
	le16(b, command);
	le16(b, 1);
	le32(b, side);
	le32(b, 0);
	le32(b, id);
	le32(b, 0);
	le32(b, 0);
	le32(b, 7); /* tree */
	le32(b, 9); /* session */
	put_zero(b, 4 + 16);
	put(b, body->at, body->len);
}

static void put_wide(struct bytes *b, const char *text)
{
	for (; *text; text++)
		le16(b, (uint8_t)*text);
}

static void connect_tree(unsigned id, const char *share, unsigned kind)
{
	struct bytes ask = { 0 }, answer = { 0 };

	le32(&ask, 9);
	le16(&ask, 64 + 8);
	le16(&ask, (unsigned)strlen(share) * 2);
	put_wide(&ask, share);
	put_message(0, TREE_CONNECT, id, &ask);
	le16(&answer, 16);
	put8(&answer, kind);
	put_zero(&answer, 13);
	put_message(1, TREE_CONNECT, id, &answer);
}

static void create(unsigned id, const char *name)
{
	struct bytes ask = { 0 }, answer = { 0 };

	put_zero(&ask, 36);
	le32(&ask, 2); /* create */
	le32(&ask, 0);
	le16(&ask, 64 + 56);
	le16(&ask, (unsigned)strlen(name) * 2);
	put_zero(&ask, 8);
	put_wide(&ask, name);
	put_message(0, CREATE, id, &ask);
	put_zero(&answer, 64);
	put(&answer, ID, 16);
	put_message(1, CREATE, id, &answer);
}

static void write_bytes(unsigned id, unsigned offset, const struct bytes *data)
{
	struct bytes ask = { 0 }, answer = { 0 };

	le16(&ask, 49);
	le16(&ask, 64 + 48);
	le32(&ask, data->len);
	le32(&ask, offset);
	le32(&ask, 0);
	put(&ask, ID, 16);
	put_zero(&ask, 16);
	put(&ask, data->at, data->len);
	put_message(0, WRITE, id, &ask);
	put_zero(&answer, 16);
	put_message(1, WRITE, id, &answer);
}

static void read_bytes(unsigned id, const struct bytes *data)
{
	struct bytes ask = { 0 }, answer = { 0 };

	put_zero(&ask, 16);
	put(&ask, ID, 16);
	put_zero(&ask, 16);
	put_message(0, READ, id, &ask);
	le16(&answer, 17);
	le16(&answer, 64 + 16);
	le32(&answer, data->len);
	put_zero(&answer, 8);
	put(&answer, data->at, data->len);
	put_message(1, READ, id, &answer);
}

static void close_file(unsigned id)
{
	struct bytes ask = { 0 }, answer = { 0 };

	put_zero(&ask, 8);
	put(&ask, ID, 16);
	put_message(0, CLOSE, id, &ask);
	put_zero(&answer, 60);
	put_message(1, CLOSE, id, &answer);
}

static void put_dce(struct bytes *b, unsigned type, unsigned flags, const char *body, size_t len)
{
	put8(b, 5);
	put8(b, 0);
	put8(b, type);
	put8(b, flags);
	put(b, "\x10\0\0\0", 4);
	le16(b, 16 + (unsigned)len);
	le16(b, 0);
	le32(b, 5);
	put(b, body, len);
}

#define DCE(b, type, flags, body) put_dce(b, type, flags, body, sizeof(body) - 1)
#define BIND                      "\0\x10\0\x10\0\0\0\0\1\0\0\0\0\0\1\0" UUID "\2\0\0\0" UUID "\0\0\0\0"
#define BINDACK                    \
	"\0\x10\0\x10\0\0\0\0\4\0" \
	"135\0\0\0\1\0\0\0\0\0\0\0" UUID "\2\0\0\0"
#define REQUEST              \
	"\0\0\0\0\0\0\x0f\0" \
	"stub"
#define RESPONSE           \
	"\0\0\0\0\0\0\0\0" \
	"answer"

static void forget(void)
{
	said[0].len = said[1].len = 0;
}

static void parts_of(struct kit_part ret_parts[2])
{
	ret_parts[0] = (struct kit_part){ 0, said[0].at, said[0].len };
	ret_parts[1] = (struct kit_part){ 1, said[1].at, said[1].len };
}

#define REST "\"status\":\"STATUS_SUCCESS\",\"status_code\":\"0x0\",\"session_id\":9,\"tree_id\":7"
#define HEAD(id, command)                                                                        \
	"smb \"smb\":{\"id\":" id ",\"dialect\":\"unknown\",\"command\":\"SMB2_COMMAND_" command \
	"\","

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines in the order of their text. */
static void sort_lines(const char *told, char ret_text[static KIT_TEXT])
{
	static char copy[KIT_TEXT];
	struct out o = out_make(ret_text, KIT_TEXT);
	char *line[64], *rest = copy;
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", told);
	while (n < 64 && (line[n] = strsep(&rest, "\n")))
		n++;
	qsort(line, n, sizeof(line[0]), compare_lines);
	for (size_t i = 0; i < n; i++)
		out_fmt(&o, "%s\n", line[i]);
}

/* What one says all at once is told together, its files first: in pieces it is the same in another order. */
static void check_lines(const struct kit_part parts[static 2])
{
	static char whole[KIT_TEXT], pieces[KIT_TEXT];

	sort_lines(kit_run(&smb, parts, 2, 0, SIZE_MAX), whole);
	for (size_t piece = 1; piece < 70; piece++) {
		sort_lines(kit_run(&smb, parts, 2, piece, SIZE_MAX), pieces);
		assert_string_equal(whole, pieces);
	}
	for (size_t limit = 0; limit < kit_size(parts, 2); limit++)
		kit_run(&smb, parts, 2, 0, limit);
}

static void test_a_file(void **state)
{
	struct bytes one = { 0 }, two = { 0 };
	struct kit_part parts[2];

	(void)state;
	forget();
	put(&one, "hello ", 6);
	put(&two, "world", 5);
	connect_tree(1, "\\\\h\\C$", 1);
	create(2, "a.txt");
	write_bytes(3, 0, &one);
	write_bytes(4, 6, &two);
	close_file(5);
	parts_of(parts);
	/* Answers come when all has been asked: the file is known by its number first. */
	check_lines(parts);
	assert_true(kit_has(&smb, parts, 2,
		HEAD("1", "TREE_CONNECT") "\"path\":\"\\\\\\\\h\\\\C$\"," REST ",\"share\":"));
	assert_true(kit_has(&smb, parts, 2, "smb.share=\\x5c\\x5ch\\x5cC$\n"));
	assert_true(kit_has(&smb, parts, 2, "file a.txt 11\n"));
}

/* Question and answer in turns. */
static void exchange(struct proto_conn *conn)
{
	kit_feed(conn, 0, said[0].at, said[0].len);
	kit_feed(conn, 1, said[1].at, said[1].len);
	forget();
}

static void test_files_and_pipes_in_turns(void **state)
{
	struct bytes one = { 0 }, two = { 0 };
	struct proto_conn *conn = kit_open(&smb);

	(void)state;
	forget();
	kit_out = out_make(kit_text, sizeof(kit_text));
	put(&one, "hello ", 6);
	put(&two, "world", 5);
	connect_tree(1, "\\\\h\\C$", 1);
	exchange(conn);
	create(2, "a.txt");
	exchange(conn);
	write_bytes(3, 0, &one);
	exchange(conn);
	write_bytes(4, 6, &two);
	exchange(conn);
	close_file(5);
	exchange(conn);
	assert_non_null(strstr(kit_text, "file a.txt 11\n"));
	assert_non_null(strstr(kit_text,
		HEAD("3", "WRITE") REST ",\"filename\":\"a.txt\",\"fuid\":"
					"\"00000001-0000-0000-0002-000000000000\"}"));
	connect_tree(6, "\\\\h\\IPC$", 2);
	exchange(conn);
	create(7, "svcctl");
	exchange(conn);
	one.len = two.len = 0;
	DCE(&one, 11, 3, BIND);
	write_bytes(8, 0, &one);
	exchange(conn);
	DCE(&two, 12, 3, BINDACK);
	read_bytes(9, &two);
	exchange(conn);
	assert_non_null(strstr(kit_text, "\"named_pipe\":\"\\\\\\\\h\\\\IPC$\""));
	assert_non_null(strstr(kit_text, "\"dcerpc\":{\"call_id\":5,\"rpc_version\":\"5.0\","
					 "\"request\":\"BIND\",\"response\":\"BINDACK\","));
	proto_conn_free(conn);
}

/* A request of SMB1: parameters, and `n` texts that are nothing but escapes in JSON, each behind a byte or none. */
static size_t put_smb1(uint8_t *at, unsigned command, size_t n_words, unsigned n, bool behind)
{
	const uint8_t head[] = { 0xff, 'S', 'M', 'B', (uint8_t)command, 0, 0, 0, 0, 0x18, 1, 0 };
	size_t len = 4;

	memset(at, 0, 4 + 32 + 1 + 2 * n_words + 2);
	memcpy(at + len, head, sizeof(head));
	len += 32;
	at[len++] = (uint8_t)n_words;
	if (n_words)
		at[len] = 0xff; /* no other command follows */
	len += 2 * n_words;
	at[len++] = (uint8_t)(n * 252);
	at[len++] = (uint8_t)(n * 252 >> 8);
	for (unsigned i = 0; i < n; i++) {
		if (behind)
			at[len++] = 2;
		memset(at + len, 1, 250);
		len += 250;
		at[len++] = 0;
	}
	at[2] = (uint8_t)((len - 4) >> 8);
	at[3] = (uint8_t)(len - 4);
	return len;
}

/* What is said of a message is said, however long its texts are. */
static void test_long_texts(void **state)
{
	static uint8_t bytes[16 << 10];
	struct kit_part part = { 0, bytes, put_smb1(bytes, 0x72, 0, 16, true) };

	(void)state;
	kit_run(&smb, &part, 1, 0, SIZE_MAX);
	assert_non_null(strstr(kit_text, "SMB1_COMMAND_NEGOTIATE_PROTOCOL"));
	assert_non_null(strstr(kit_text, "\"client_dialects\":[\"\\u0001"));
	part.len = put_smb1(bytes, 0x73, 13, 4, false);
	kit_run(&smb, &part, 1, 0, SIZE_MAX);
	assert_non_null(strstr(kit_text, "SMB1_COMMAND_SESSION_SETUP_ANDX"));
	assert_non_null(strstr(kit_text, "\"native_lm\":\"\\u0001"));
}

static void test_dcerpc_alone(void **state)
{
	struct kit_part parts[4];
	static struct bytes bind, ack, request, response;

	(void)state;
	DCE(&bind, 11, 3, BIND);
	DCE(&ack, 12, 3, BINDACK);
	DCE(&request, 0, 1, REQUEST); /* two fragments */
	DCE(&request, 0, 2, REQUEST);
	DCE(&response, 2, 3, RESPONSE);
	parts[0] = (struct kit_part){ 0, bind.at, bind.len };
	parts[1] = (struct kit_part){ 1, ack.at, ack.len };
	parts[2] = (struct kit_part){ 0, request.at, request.len };
	parts[3] = (struct kit_part){ 1, response.at, response.len };
	kit_check(&dcerpc, parts, 4,
		"dcerpc \"dcerpc\":{\"call_id\":5,\"rpc_version\":\"5.0\",\"request\":\"BIND\","
		"\"response\":\"BINDACK\",\"interfaces\":[{\"uuid\":"
		"\"367abb81-9844-35f1-ad32-98f038001003\",\"version\":\"2.0\",\"ack_result\":0}]}\n"
		"dcerpc \"dcerpc\":{\"call_id\":5,\"rpc_version\":\"5.0\",\"request\":\"REQUEST\","
		"\"interfaces\":[{\"uuid\":\"367abb81-9844-35f1-ad32-98f038001003\",\"version\":"
		"\"2.0\",\"ack_result\":0,\"service\":\"svcctl\",\"procedure\":\"OpenSCManagerW\"}]"
		","
		"\"req\":{\"opnum\":15,\"frag_cnt\":2,\"stub_data_size\":8},\"response\":"
		"\"RESPONSE\",\"res\":{\"frag_cnt\":1,\"stub_data_size\":6}}\n");
	assert_true(kit_has(&dcerpc, parts, 4, "dcerpc.stub_data=stubstub\n"));
	assert_true(kit_has(&dcerpc, parts, 4, "dcerpc.stub_data=answer\n"));
	assert_true(kit_has(&dcerpc, parts, 4, "dcerpc.opnum=15\n"));
}

/* Interfaces that are agreed on, and accepted, before the one that is called. */
static void test_dcerpc_many_interfaces(void **state)
{
	enum { BINDS = 15, EACH = 20 };
	static struct bytes ask[BINDS], answer[BINDS], request;
	struct kit_part parts[2 * BINDS + 1];
	struct bytes body;

	(void)state;
	for (unsigned i = 0; i < BINDS; i++) {
		body.len = ask[i].len = answer[i].len = 0;
		put_zero(&body, 8);
		le32(&body, EACH);
		for (unsigned k = 0; k < EACH; k++) {
			bool last = i == BINDS - 1 && k == EACH - 1;

			le16(&body, last ? 0 : 1 + EACH * i + k);
			le16(&body, 1);
			put(&body, last ? UUID : "0123456789abcdef", 16);
			le32(&body, 2);
			put_zero(&body, 20);
		}
		put_dce(&ask[i], i ? 14 : 11, 3, (const char *)body.at, body.len);
		body.len = 0;
		put_zero(&body, 12);
		le32(&body, EACH);
		put_zero(&body, 24 * EACH);
		put_dce(&answer[i], i ? 15 : 12, 3, (const char *)body.at, body.len);
		parts[2 * i] = (struct kit_part){ 0, ask[i].at, ask[i].len };
		parts[2 * i + 1] = (struct kit_part){ 1, answer[i].at, answer[i].len };
	}
	DCE(&request, 0, 3, REQUEST);
	parts[2 * BINDS] = (struct kit_part){ 0, request.at, request.len };
	kit_run(&dcerpc, parts, 2 * BINDS + 1, 0, SIZE_MAX);
	assert_non_null(strstr(kit_text, "\"service\":\"svcctl\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file),
		cmocka_unit_test(test_files_and_pipes_in_turns),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_dcerpc_alone),
		cmocka_unit_test(test_dcerpc_many_interfaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
