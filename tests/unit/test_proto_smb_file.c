/* SPDX-License-Identifier: Apache-2.0 */
/* Files over SMB1 and SMB2: what is read and written in any order, in chains and long messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "packets.h"
#include "proto_kit.h"

enum { TREE_DISCONNECT = 4, CREATE = 5, CLOSE = 6, READ = 8, WRITE = 9, CANCEL = 12, FIND = 14 };

#define RELATED 4u
#define SAME    0xffffffffu /* a file's number: the one before, in a chain */
#define NO_FILE 0xc0000034u

static const struct proto_flow_info info = { .ip_proto = 6, .port = { 4000, 445 } };

/* A conversation: frames in the order in which they are sent. */
static uint8_t store[256 << 10];
static size_t stored;
static struct kit_part parts[128];
static size_t n_parts;

static void begin(void)
{
	stored = n_parts = 0;
	kit_show_contents = true;
	kit_show_logins = true;
}

static void put_raw(unsigned side, const void *bytes, size_t len)
{
	if (stored + len > sizeof(store) || n_parts == sizeof(parts) / sizeof(parts[0]))
		abort();
	memcpy(store + stored, bytes, len);
	parts[n_parts++] = (struct kit_part){ side, store + stored, len };
	stored += len;
}

/* A frame of these messages; `more` bytes follow elsewhere. */
static void put_frame(unsigned side, const struct bytes *b, size_t more)
{
	struct bytes frame = { 0 };

	put32(&frame, (uint32_t)(b->len + more));
	put(&frame, b->at, b->len);
	put_raw(side, frame.at, frame.len);
}

static void le16(struct bytes *b, unsigned v)
{
	put8(b, v & 255);
	put8(b, v >> 8 & 255);
}

static void le32(struct bytes *b, uint32_t v)
{
	le16(b, v & 0xffff);
	le16(b, v >> 16);
}

static void put_wide(struct bytes *b, const char *text)
{
	for (; *text; text++)
		le16(b, (uint8_t)*text);
}

/* ---- SMB2 ---- */

static size_t message_at; /* where the last message began */

static void put_message(struct bytes *b, unsigned side, unsigned command, unsigned id,
	uint32_t status, uint32_t flags)
{
	message_at = b->len;
	put(b, "\xfeSMB\x40\0\0\0", 8);
	le32(b, status);
	le16(b, command);
	le16(b, 1);
	le32(b, side | flags);
	le32(b, 0);
	le32(b, id);
	le32(b, 0);
	le32(b, 0);
	le32(b, 7); /* tree */
	le32(b, 9); /* session */
	put_zero(b, 4 + 16);
}

/* Another message follows the last one. */
static void chain(struct bytes *b)
{
	uint32_t next;

	while ((b->len - message_at) % 8)
		put8(b, 0);
	next = (uint32_t)(b->len - message_at);
	b->at[message_at + 20] = next & 255;
	b->at[message_at + 21] = (uint8_t)(next >> 8);
}

static void put_handle(struct bytes *b, uint32_t handle)
{
	for (unsigned i = 0; i < 4; i++)
		le32(b, i == 0 || handle == SAME ? handle : 0);
}

static void ask_create(struct bytes *b, const char *name)
{
	put_zero(b, 36);
	le32(b, 2);
	le32(b, 0);
	le16(b, 64 + 56);
	le16(b, (unsigned)strlen(name) * 2);
	put_zero(b, 8);
	put_wide(b, name);
}

static void ask_write(
	struct bytes *b, uint32_t handle, uint32_t offset, const char *data, size_t len)
{
	le16(b, 49);
	le16(b, 64 + 48);
	le32(b, (uint32_t)len);
	le32(b, offset);
	le32(b, 0);
	put_handle(b, handle);
	put_zero(b, 16);
	if (data)
		put(b, data, len);
}

static void answer_create(struct bytes *b, uint32_t handle, uint32_t size)
{
	put_zero(b, 48);
	le32(b, size);
	put_zero(b, 12);
	put_handle(b, handle);
}

static void ask_close(struct bytes *b, uint32_t handle)
{
	put_zero(b, 8);
	put_handle(b, handle);
}

static unsigned next_id;

static void do_create(const char *name, uint32_t handle, uint32_t size)
{
	struct bytes ask = { 0 }, answer = { 0 };

	put_message(&ask, 0, CREATE, ++next_id, 0, 0);
	ask_create(&ask, name);
	put_frame(0, &ask, 0);
	put_message(&answer, 1, CREATE, next_id, 0, 0);
	answer_create(&answer, handle, size);
	put_frame(1, &answer, 0);
}

static void do_write(uint32_t handle, uint32_t offset, const char *data)
{
	struct bytes ask = { 0 }, answer = { 0 };

	put_message(&ask, 0, WRITE, ++next_id, 0, 0);
	ask_write(&ask, handle, offset, data, strlen(data));
	put_frame(0, &ask, 0);
	put_message(&answer, 1, WRITE, next_id, 0, 0);
	put_zero(&answer, 16);
	put_frame(1, &answer, 0);
}

static unsigned do_ask_read(uint32_t handle, uint32_t offset)
{
	struct bytes ask = { 0 };

	put_message(&ask, 0, READ, ++next_id, 0, 0);
	put_zero(&ask, 8);
	le32(&ask, offset);
	le32(&ask, 0);
	put_handle(&ask, handle);
	put_zero(&ask, 16);
	put_frame(0, &ask, 0);
	return next_id;
}

static void do_answer_read(unsigned id, const char *data)
{
	struct bytes answer = { 0 };

	put_message(&answer, 1, READ, id, 0, 0);
	le16(&answer, 17);
	le16(&answer, 64 + 16);
	le32(&answer, (uint32_t)strlen(data));
	put_zero(&answer, 8);
	put(&answer, data, strlen(data));
	put_frame(1, &answer, 0);
}

static void do_close(uint32_t handle)
{
	struct bytes ask = { 0 }, answer = { 0 };

	put_message(&ask, 0, CLOSE, ++next_id, 0, 0);
	ask_close(&ask, handle);
	put_frame(0, &ask, 0);
	put_message(&answer, 1, CLOSE, next_id, 0, 0);
	put_zero(&answer, 60);
	put_frame(1, &answer, 0);
}

/* Lines of what was told that begin so. */
static const char *lines_of(const char *told, const char *word)
{
	static char text[KIT_TEXT];
	struct out o = out_make(text, sizeof(text));

	while (*told) {
		size_t len = strcspn(told, "\n") + 1;

		if (strncmp(told, word, strlen(word)) == 0)
			out_bytes(&o, told, len);
		told += len;
	}
	return text;
}

/* The files that come of it: in any pieces the same, of every prefix anything. */
static void check_files(const char *expected)
{
	kit_check(&info, parts, n_parts, NULL);
	assert_string_equal(
		lines_of(kit_run(&info, parts, n_parts, 0, SIZE_MAX), "file "), expected);
}

static void test_interleaved(void **state)
{
	unsigned id;

	(void)state;
	begin();
	do_create("one", 1, 0);
	do_create("two", 2, 6);
	do_write(1, 0, "hello ");
	id = do_ask_read(2, 0);
	do_write(1, 6, "world");
	do_answer_read(id, "abcdef");
	do_close(2);
	do_close(1);
	check_files("file two 6 abcdef\nfile one 11 hello world\n");
	assert_true(kit_has(&info, parts, n_parts, "file.data=hello world\n"));
}

static void test_early(void **state)
{
	unsigned first, second, third;

	(void)state;
	begin();
	do_create("early", 1, 9);
	first = do_ask_read(1, 0);
	second = do_ask_read(1, 3);
	third = do_ask_read(1, 6);
	do_answer_read(third, "ghi");
	do_answer_read(second, "def");
	do_answer_read(first, "abc");
	do_answer_read(do_ask_read(1, 2), "cdef"); /* again */
	do_close(1);
	do_create("written", 2, 0);
	do_write(2, 3, "def");
	do_write(2, 6, "ghi");
	do_write(2, 0, "abc");
	do_close(2);
	check_files("file early 9 abcdefghi\nfile written 9 abcdefghi\n");
}

static void test_holes(void **state)
{
	(void)state;
	begin();
	do_create("hole", 1, 0);
	do_write(1, 0, "ab");
	do_write(1, 4, "ef");
	do_close(1);
	do_create("rewritten", 2, 0);
	do_write(2, 0, "abcd");
	do_write(2, 1, "XY");
	do_write(2, 4, "e");
	do_close(2);
	do_create("short", 3, 100);
	do_answer_read(do_ask_read(3, 0), "abc");
	do_close(3);
	check_files("file hole 6 odd ab\\x00\\x00ef\nfile rewritten 5 odd aXYde\n"
		    "file short 3 cut abc\n");
	assert_non_null(strstr(kit_run(&info, parts, n_parts, 0, SIZE_MAX), "!smb.file_overlap"));
}

/* Too much to be kept is told at once. */
static void test_much_too_early(void **state)
{
	static char data[1500];

	(void)state;
	begin();
	memset(data, 'x', sizeof(data) - 1);
	do_create("ranges", 1, 0);
	for (unsigned i = 0; i < 20; i++)
		do_write(1, 10 + 2 * i, "x");
	do_close(1);
	do_create("bytes", 2, 0);
	for (unsigned i = 0; i < 20; i++)
		do_write(2, 10 + (unsigned)strlen(data) * i, data);
	do_write(2, 0, "0123456789");
	do_close(2);
	assert_non_null(strstr(kit_run(&info, parts, n_parts, 0, SIZE_MAX), "file ranges 49 odd "));
	assert_non_null(strstr(kit_text, "file bytes 29990 0123456789xxxx"));
	kit_run(&info, parts, n_parts, 100, SIZE_MAX);
	assert_non_null(strstr(kit_text, "file bytes 29990 0123456789xxxx"));
}

/* Create, write and close in one frame each way. */
static void do_compound(uint32_t status)
{
	struct bytes ask = { 0 }, answer = { 0 };

	put_message(&ask, 0, CREATE, next_id + 1, 0, 0);
	ask_create(&ask, "chained");
	chain(&ask);
	put_message(&ask, 0, WRITE, next_id + 2, 0, RELATED);
	ask_write(&ask, SAME, 0, "data", 4);
	chain(&ask);
	put_message(&ask, 0, CLOSE, next_id + 3, 0, RELATED);
	ask_close(&ask, SAME);
	put_frame(0, &ask, 0);
	put_message(&answer, 1, CREATE, next_id + 1, status, 0);
	answer_create(&answer, 5, 0);
	chain(&answer);
	put_message(&answer, 1, WRITE, next_id + 2, status, RELATED);
	put_zero(&answer, 16);
	chain(&answer);
	put_message(&answer, 1, CLOSE, next_id + 3, status, RELATED);
	put_zero(&answer, 60);
	put_frame(1, &answer, 0);
	next_id += 3;
}

static void test_compound(void **state)
{
	(void)state;
	begin();
	do_compound(0);
	do_compound(NO_FILE);
	check_files("file chained 4 data\nfile chained 4 cut data\n");
}

/* A chain is as long as its frame has room. */
static void test_long_chain(void **state)
{
	enum { ECHO = 13, ECHOES = 600 };
	static uint8_t frame[4 + 72 * ECHOES + 256];
	size_t len = 4;
	struct bytes one;

	(void)state;
	begin();
	for (unsigned i = 0; i <= ECHOES; i++) {
		one.len = 0;
		put_message(&one, 0, i < ECHOES ? ECHO : CREATE, i, 0, 0);
		if (i < ECHOES) {
			put_zero(&one, 4);
			chain(&one);
		} else {
			ask_create(&one, "evil");
		}
		memcpy(frame + len, one.at, one.len);
		len += one.len;
	}
	frame[1] = (uint8_t)((len - 4) >> 16);
	frame[2] = (uint8_t)((len - 4) >> 8);
	frame[3] = (uint8_t)(len - 4);
	put_raw(0, frame, len);
	kit_run(&info, parts, n_parts, 0, SIZE_MAX);
	assert_non_null(strstr(kit_text, "\"filename\":\"evil\""));
}

/* A server leaves out frames of other kinds than messages, as long as they are. */
static void test_other_frames(void **state)
{
	enum { LEN = 70000, FIRST = 30000 };
	static uint8_t other[4 + LEN + 4 + sizeof(((struct bytes *)NULL)->at)];
	struct bytes ask = { 0 };

	(void)state;
	begin();
	do_create("one", 1, 0);
	put_message(&ask, 0, CREATE, 99, 0, 0);
	ask_create(&ask, "two");
	memset(other, 0xff, sizeof(other));
	memcpy(other, "\x85\1\x11\x70", 4);
	memcpy(other + 4 + LEN, "\0\0\0", 3);
	other[4 + LEN + 3] = (uint8_t)ask.len;
	memcpy(other + 4 + LEN + 4, ask.at, ask.len);
	put_raw(0, other, FIRST);
	put_raw(0, other + FIRST, 4 + LEN + 4 + ask.len - FIRST);
	for (size_t piece = 0; piece < 4000; piece += 1300) {
		kit_run(&info, parts, n_parts, piece, SIZE_MAX);
		assert_non_null(strstr(kit_text, "\"filename\":\"two\""));
	}
}

/* Cancelling has the number of what is cancelled, and no answer. */
static void test_ends(void **state)
{
	struct bytes ask = { 0 }, answer = { 0 };
	unsigned id;

	(void)state;
	begin();
	do_create("tree", 1, 0);
	do_write(1, 0, "abc");
	put_message(&ask, 0, TREE_DISCONNECT, ++next_id, 0, 0);
	put_frame(0, &ask, 0);
	put_message(&answer, 1, TREE_DISCONNECT, next_id, 0, 0);
	put_frame(1, &answer, 0);
	do_create("end", 2, 0);
	id = do_ask_read(2, 0);
	ask.len = 0;
	put_message(&ask, 0, CANCEL, id, 0, 0);
	put_frame(0, &ask, 0);
	do_answer_read(id, "xyz");
	do_answer_read(do_ask_read(77, 5), "opened before");
	check_files("file tree 3 abc\nfile end 3 xyz\nfile  18 odd \\x00\\x00\\x00\\x00\\x00opened "
		    "before\n");
}

/* A long write, whose close is in the same frame; `gap`: bytes of it that are not seen. */
#define LONG 60000u
static void do_long(struct proto_conn *conn, size_t piece, size_t gap)
{
	static uint8_t data[LONG];
	struct bytes head = { 0 }, tail = { 0 };
	size_t at = 0;

	memset(data, 'L', sizeof(data));
	memcpy(data, "begin", 5);
	memcpy(data + LONG - 3, "end", 3);
	put_message(&head, 0, WRITE, next_id + 1, 0, 0);
	ask_write(&head, 5, 0, NULL, LONG);
	head.at[20] = (uint8_t)((head.len + LONG) & 255);
	head.at[21] = (uint8_t)((head.len + LONG) >> 8 & 255);
	head.at[22] = (uint8_t)((head.len + LONG) >> 16);
	put_message(&tail, 0, CLOSE, next_id + 2, 0, RELATED);
	ask_close(&tail, SAME);
	begin();
	put_frame(0, &head, LONG + tail.len);
	kit_feed(conn, 0, parts[0].bytes, parts[0].len);
	while (at < LONG) {
		size_t n = piece < LONG - at ? piece : LONG - at;

		if (gap && at >= LONG / 2) {
			proto_gap(conn, 0, gap);
			at += gap;
			gap = 0;
			continue;
		}
		kit_feed(conn, 0, data + at, n);
		at += n;
	}
	if (at > LONG)
		return;
	for (unsigned i = 0; i < tail.len; i++)
		kit_feed(conn, 0, tail.at + i, 1);
}

static void feed_parts(struct proto_conn *conn)
{
	for (size_t i = 0; i < n_parts; i++)
		kit_feed(conn, parts[i].side, parts[i].bytes, parts[i].len);
	begin();
}

static const char *long_file(size_t piece, size_t gap)
{
	struct proto_conn *conn = kit_open(&info);
	struct bytes answer = { 0 };

	kit_out = out_make(kit_text, sizeof(kit_text));
	memset(kit_files, 0, sizeof(kit_files));
	begin();
	do_create("long", 5, 0);
	feed_parts(conn);
	do_long(conn, piece, gap);
	begin();
	put_message(&answer, 1, WRITE, next_id + 1, 0, 0);
	put_zero(&answer, 16);
	put_frame(1, &answer, 0);
	answer.len = 0;
	put_message(&answer, 1, CLOSE, next_id + 2, 0, 0);
	put_zero(&answer, 60);
	put_frame(1, &answer, 0);
	next_id += 2;
	do_create("next", 6, 0);
	do_write(6, 0, "n");
	do_close(6);
	feed_parts(conn);
	proto_end(conn, 0);
	proto_end(conn, 1);
	proto_conn_free(conn);
	return lines_of(kit_text, "file ");
}

static void test_long(void **state)
{
	static const size_t pieces[] = { 100, 1460, 50000, LONG };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_ptr_equal(strstr(long_file(pieces[i], 0), "file long 60000 beginL"),
			lines_of(kit_text, "file "));
		assert_non_null(strstr(kit_text, "\nfile next 1 n\n"));
	}
	/* A hole; more than the rest of the frame: what comes next is found again. */
	assert_non_null(strstr(long_file(1000, 5000), "file long 60000 odd beginL"));
	assert_non_null(strstr(kit_text, "\nfile next 1 n\n"));
	assert_non_null(
		strstr(long_file(1000, 40000), "file next 1 n\nfile long 30000 cut beginL"));
}

/* Names in a directory. */
static void test_directory(void **state)
{
	struct bytes ask = { 0 }, answer = { 0 };

	(void)state;
	begin();
	put_message(&ask, 0, FIND, ++next_id, 0, 0);
	put(&ask, "\x21\0\x0c\0", 4); /* names alone */
	put_zero(&ask, 20);
	le16(&ask, 64 + 32);
	le16(&ask, 2);
	put_zero(&ask, 4);
	put_wide(&ask, "*");
	put_frame(0, &ask, 0);
	put_message(&answer, 1, FIND, next_id, 0, 0);
	le16(&answer, 9);
	le16(&answer, 64 + 8);
	le32(&answer, 16 + 18);
	le32(&answer, 16);
	le32(&answer, 0);
	le32(&answer, 2);
	put_wide(&answer, ".");
	put_zero(&answer, 2);
	le32(&answer, 0);
	le32(&answer, 0);
	le32(&answer, 6);
	put_wide(&answer, "a\"b");
	put_frame(1, &answer, 0);
	kit_check(&info, parts, n_parts, NULL);
	assert_non_null(strstr(kit_run(&info, parts, n_parts, 0, SIZE_MAX),
		"\"pattern\":\"*\",\"status\":\"STATUS_SUCCESS\""));
	assert_non_null(strstr(kit_text, "\"entries\":[\".\",\"a\\\"b\"]"));
}

/* ---- SMB1 ---- */

static void put_old(struct bytes *b, unsigned side, unsigned command, unsigned id, uint32_t status)
{
	put(b, "\xffSMB", 4);
	put8(b, command);
	le32(b, status);
	put8(b, side ? 0x80 : 0);
	le16(b, 0x4000);
	put_zero(b, 12);
	le16(b, 3); /* tree */
	le16(b, 0);
	le16(b, 4); /* user */
	le16(b, id);
}

/* Parameters, and bytes behind them. */
static void put_body(struct bytes *b, const struct bytes *words, const void *bytes, size_t len)
{
	put8(b, words->len / 2);
	put(b, words->at, words->len);
	le16(b, (unsigned)len);
	put(b, bytes, len);
}

static void do_old(unsigned side, unsigned command, uint32_t status, const struct bytes *words,
	const void *bytes, size_t len)
{
	struct bytes b = { 0 };

	next_id += !side;
	put_old(&b, side, command, next_id, status);
	put_body(&b, words, bytes, len);
	put_frame(side, &b, 0);
}

/* WORDS("..."): parameters as bytes. */
#define WORDS(text) (&(struct bytes){ .len = sizeof(text) - 1, .at = text })
#define NOTHING     (&(struct bytes){ .len = 0 })

static void test_old_files(void **state)
{
	(void)state;
	begin();
	/* NT_CREATE_ANDX; WRITE_ANDX, data at 63 (32 + 1 + 28 + 2) */
	do_old(0, 0xa2, 0, WORDS("\xff\0\0\0"), "nt.txt", 7);
	do_old(1, 0xa2, 0, WORDS("\xff\0\0\0\0\x11\x22\0"), "", 0);
	do_old(0, 0x2f, 0,
		WORDS("\xff\0\0\0\x11\x22\0\0\0\0\0\0\0\0\0\0\0\0\0\0\5\0\x3f\0\0\0\0\0"), "hello",
		5);
	do_old(1, 0x2f, 0, WORDS("\xff\0\0\0\5\0\0\0\0\0\0\0"), "", 0);
	/* WRITE (0x0b), WRITE_AND_UNLOCK (0x14), WRITE_AND_CLOSE (0x2c) */
	do_old(0, 0x0b, 0, WORDS("\x11\x22\1\0\5\0\0\0\0\0"), "\1\1\0 ", 4);
	do_old(1, 0x0b, 0, WORDS("\1\0"), "", 0);
	do_old(0, 0x14, 0, WORDS("\x11\x22\2\0\6\0\0\0\0\0"), "\1\2\0wo", 5);
	do_old(1, 0x14, 0, WORDS("\2\0"), "", 0);
	do_old(0, 0x2c, 0, WORDS("\x11\x22\3\0\x08\0\0\0\0\0\0\0"), "\0rld", 4);
	do_old(1, 0x2c, 0, WORDS("\3\0"), "", 0);
	/* OPEN (0x02) of three bytes, READ (0x0a) out of order, CLOSE (0x04) */
	do_old(0, 0x02, 0, WORDS("\0\0\0\0"), "\4old.txt", 9);
	do_old(1, 0x02, 0, WORDS("\1\0\0\0\0\0\0\0\3\0\0\0\0\0"), "", 0);
	do_old(0, 0x0a, 0, WORDS("\1\0\2\0\1\0\0\0\0\0"), "", 0);
	do_old(1, 0x0a, 0, WORDS("\2\0\0\0\0\0\0\0\0\0"), "\1\2\0bc", 5);
	do_old(0, 0x13, 0, WORDS("\1\0\1\0\0\0\0\0\0\0"), "", 0);
	do_old(1, 0x13, 0, WORDS("\1\0\0\0\0\0\0\0\0\0"), "\1\1\0a", 4);
	do_old(0, 0x04, 0, WORDS("\1\0\0\0\0\0"), "", 0);
	do_old(1, 0x04, 0, NOTHING, "", 0);
	/* CREATE_NEW (0x0f), refused */
	do_old(0, 0x0f, 0, WORDS("\0\0\0\0\0\0"), "\4no.txt", 8);
	do_old(1, 0x0f, NO_FILE, NOTHING, "", 0);
	check_files("file nt.txt 11 hello world\nfile old.txt 3 abc\n");
}

/* A file opened by TRANS2, read with a chain of open and read, and closed with the tree. */
static void test_old_chains(void **state)
{
	struct bytes b = { 0 };

	(void)state;
	begin();
	/* parameters at 32 + 1 + 30 + 2 = 65: 28 bytes, then the name */
	do_old(0, 0x32, 0,
		WORDS("\x22\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x22\0\x41\0\0\0\0\0\1\0\0\0"),
		"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0t.txt", 34);
	/* parameters at 32 + 1 + 20 + 2 = 55 */
	do_old(1, 0x32, 0, WORDS("\x0c\0\0\0\0\0\x0c\0\x37\0\0\0\0\0\0\0\0\0\0\0"),
		"\7\0\0\0\0\0\0\0\2\0\0\0", 12);
	do_old(0, 0x0a, 0, WORDS("\7\0\2\0\0\0\0\0\0\0"), "", 0);
	do_old(1, 0x0a, 0, WORDS("\2\0\0\0\0\0\0\0\0\0"), "\1\2\0ok", 5);
	do_old(0, 0x71, 0, NOTHING, "", 0);
	do_old(1, 0x71, 0, NOTHING, "", 0);
	/* OPEN_ANDX and, at 32 + 1 + 30 + 2 + 6 = 71, READ_ANDX */
	put_old(&b, 0, 0x2d, ++next_id, 0);
	put_body(&b, WORDS("\x2e\0\x47\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
		"c.txt", 6);
	put_body(&b, WORDS("\xff\0\0\0\xff\xff\0\0\0\0\2\0\0\0\0\0\0\0\0\0"), "", 0);
	put_frame(0, &b, 0);
	/* and in the answer, at 32 + 1 + 30 + 2 = 65; its data at 65 + 1 + 24 + 2 = 92 */
	b.len = 0;
	put_old(&b, 1, 0x2d, next_id, 0);
	put_body(&b, WORDS("\x2e\0\x41\0\x08\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
		"", 0);
	put_body(&b, WORDS("\xff\0\0\0\0\0\0\0\0\0\2\0\x5c\0\0\0\0\0\0\0\0\0\0\0"), "go", 2);
	put_frame(1, &b, 0);
	do_old(0, 0x04, 0, WORDS("\x08\0\0\0\0\0"), "", 0);
	do_old(1, 0x04, 0, NOTHING, "", 0);
	check_files("file t.txt 2 ok\nfile c.txt 2 go\n");
	assert_non_null(strstr(kit_text, "\"subcmd\":\"OPEN2\",\"filename\":\"t.txt\""));
}

/* DOS's way to look into a directory, and to name things. */
/* As long as the message has room. */
static void test_old_long_chain(void **state)
{
	struct bytes b = { 0 };

	(void)state;
	begin();
	put_old(&b, 0, 0x24, ++next_id, 0);
	for (unsigned i = 0; i < 150; i++) { /* LOCKING_ANDX */
		put8(&b, 2);
		put8(&b, i < 149 ? 0x24 : 0xa2);
		put8(&b, 0);
		le16(&b, b.len + 4);
		le16(&b, 0);
	}
	put_body(&b, WORDS("\xff\0\0\0"), "nt.txt", 7);
	put_frame(0, &b, 0);
	kit_run(&info, parts, n_parts, 0, SIZE_MAX);
	assert_non_null(strstr(kit_text, "\"filename\":\"nt.txt\""));
}

static void test_old_names(void **state)
{
	static uint8_t found[3 + 2 * 43] = { 5, 86, 0 };

	(void)state;
	begin();
	memcpy(found + 3 + 30, "A.TXT", 5);
	memcpy(found + 3 + 43 + 30, "B", 1);
	do_old(0, 0x81, 0, WORDS("\x10\0\0\0"), "\4\\????????.???\0\5\0\0", 18);
	do_old(1, 0x81, 0, WORDS("\2\0"), found, sizeof(found));
	do_old(0, 0x07, 0, WORDS("\0\0"), "\4a\0\4b", 6);
	do_old(1, 0x07, 0, NOTHING, "", 0);
	do_old(0, 0x06, 0, WORDS("\0\0"), "\4gone", 6);
	do_old(1, 0x06, 0, NOTHING, "", 0);
	kit_check(&info, parts, n_parts, NULL);
	assert_non_null(strstr(
		kit_run(&info, parts, n_parts, 0, SIZE_MAX), "\"pattern\":\"\\\\????????.???\""));
	assert_non_null(strstr(kit_text, "\"entries\":[\"A.TXT\",\"B\"]"));
	assert_non_null(strstr(kit_text, "\"rename\":{\"from\":\"a\",\"to\":\"b\"}"));
	assert_non_null(
		strstr(kit_text, "\"command\":\"SMB1_COMMAND_DELETE\",\"filename\":\"gone\""));
}

/* ---- logins ---- */

#define ANSWER "aaaaaaaaaaaaaaaaaaaaaaaa"

/* NT LM 0.12; `mode` 3: passwords are not sent as they are. */
static void do_negotiate(unsigned mode)
{
	struct bytes words = { 0 };

	do_old(0, 0x72, 0, NOTHING, "\2NT LM 0.12", 12);
	le16(&words, 0);
	put8(&words, mode);
	put_zero(&words, 30);
	put8(&words, 8);
	do_old(1, 0x72, 0, &words, "12345678D", 10);
}

static void do_setup(unsigned lm, unsigned nt, const char *bytes, size_t len, uint32_t status)
{
	struct bytes words = { 0 };

	put(&words, "\xff\0\0\0", 4);
	put_zero(&words, 10);
	le16(&words, lm);
	le16(&words, nt);
	put_zero(&words, 8);
	do_old(0, 0x73, 0, &words, bytes, len);
	do_old(1, 0x73, status, WORDS("\xff\0\0\0\0\0"), "Unix\0Samba", 11);
}

static void check_logins(const char *expected)
{
	kit_check(&info, parts, n_parts, NULL);
	assert_string_equal(
		lines_of(kit_run(&info, parts, n_parts, 0, SIZE_MAX), "login "), expected);
}

#define SETUP(lm, nt, text, status) do_setup(lm, nt, text, sizeof(text), status)

static void test_accounts(void **state)
{
	(void)state;
	begin();
	do_negotiate(3);
	SETUP(24, 24, ANSWER "bbbbbbbbbbbbbbbbbbbbbbbbjoe\0WG\0Unix\0Samba", 0);
	SETUP(24, 0, ANSWER "old\0\0Windows 4.0\0", 0xc000006d);
	SETUP(0, 30, "ppppppppppppppppBBBBBBBBBBBBBBnew\0WG\0", 0);
	SETUP(1, 0, "\0\0\0\0", 0); /* nobody */
	SETUP(0, 1, "\0guest\0\0", 0);
	do_old(0, 0x73, 0, WORDS("\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\1\0\0\0\0\0\0\0\0\0"),
		"\0\0any\0\0", 7);
	do_old(1, 0x73, 0, WORDS("\xff\0\0\0\1\0"), "Unix\0Samba", 11);
	check_logins("login ntlm WG\\x5cjoe - joe::WG:"
		     "616161616161616161616161616161616161616161616161:"
		     "626262626262626262626262626262626262626262626262:3132333435363738 success\n"
		     "login ntlm old - $NETLM$3132333435363738$"
		     "616161616161616161616161616161616161616161616161 failure\n"
		     "login ntlm WG\\x5cnew - new::WG:3132333435363738:"
		     "70707070707070707070707070707070:4242424242424242424242424242 success\n"
		     "login password guest - - success\n"
		     "login guest any - - success\n");
	begin();
	do_negotiate(1);
	SETUP(7, 0, "secret\0joe\0WG\0Unix\0", 0xc000006d);
	check_logins("login password WG\\x5cjoe secret - failure\n");
}

/* LAN Manager 2.1, which does not say how long its challenge is. */
static void test_lan_manager(void **state)
{
	(void)state;
	begin();
	do_old(0, 0x72, 0, NOTHING, "\2LANMAN2.1", 11);
	do_old(1, 0x72, 0, WORDS("\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
		"abcdefgh", 8);
	SETUP(24, 0, ANSWER "joe\0", 0);
	check_logins("login ntlm joe - $NETLM$6162636465666768$"
		     "616161616161616161616161616161616161616161616161 success\n");
}

/* A share with a password, in the chain of a session setup. */
static void test_share_password(void **state)
{
	struct bytes b = { 0 };

	(void)state;
	begin();
	do_negotiate(2);
	put_old(&b, 0, 0x73, ++next_id, 0);
	/* one password, empty; at 32 + 1 + 20 + 2 + 4 = 59 */
	put_body(&b, WORDS("\x75\0\x3b\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0"), "\0me", 4);
	put_body(&b, WORDS("\xff\0\0\0\0\0\x18\0"), ANSWER "\\\\H\\S\0A:", 24 + 9);
	put_frame(0, &b, 0);
	b.len = 0;
	put_old(&b, 1, 0x73, next_id, 0);
	/* at 32 + 1 + 6 + 2 = 41 */
	put_body(&b, WORDS("\x75\0\x29\0\0\0"), "", 0);
	put_body(&b, WORDS("\xff\0\0\0"), "A:", 3);
	put_frame(1, &b, 0);
	check_logins("login password me - - success\nlogin share \\x5c\\x5cH\\x5cS - "
		     "$NETLM$3132333435363738$616161616161616161616161616161616161616161616161 "
		     "success\n");
	assert_non_null(strstr(kit_text, "\"share\":\"\\\\\\\\H\\\\S\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interleaved),
		cmocka_unit_test(test_early),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_much_too_early),
		cmocka_unit_test(test_compound),
		cmocka_unit_test(test_long_chain),
		cmocka_unit_test(test_other_frames),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_old_files),
		cmocka_unit_test(test_old_chains),
		cmocka_unit_test(test_old_long_chain),
		cmocka_unit_test(test_old_names),
		cmocka_unit_test(test_accounts),
		cmocka_unit_test(test_lan_manager),
		cmocka_unit_test(test_share_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
