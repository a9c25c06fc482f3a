/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto_kit.h"

static const struct proto_flow_info tcp = { .ip_proto = 6, .port = { 4000, 21 } };

static const struct kit_part session[] = { S("220 FTP here\r\n"), C("USER anonymous\r\n"),
	S("331 password?\r\n"), C("EPSV\r\n"), S("229-wait\r\n229 passive (|||5001|)\r\n"),
	C("RETR a file\r\n"), S("150 here\r\n226 done\r\n"), C("port 10,1,2,3,19,136\r\n"),
	S("200 ok\r\n"), C("STOR up\r\n"), S("150 send\r\n"), C("QUIT\r\n") };
#define N (sizeof(session) / sizeof(session[0]))

static void test_a_session(void **state)
{
	(void)state;
	kit_check(&tcp, session, N,
		"ftp \"ftp\":{\"completion_code\":[\"220\"],\"reply\":[\"FTP here\"],"
		"\"reply_received\":\"yes\",\"reply_truncated\":false}\n"
		"ftp \"ftp\":{\"command\":\"USER\",\"command_data\":\"anonymous\","
		"\"command_truncated\":false,\"completion_code\":[\"331\"],\"reply\":"
		"[\"password?\"],\"reply_received\":\"yes\",\"reply_truncated\":false}\n"
		"ftp \"ftp\":{\"command\":\"EPSV\",\"command_truncated\":false,"
		"\"completion_code\":[\"229\",\"229\"],\"reply\":[\"wait\",\"passive (|||5001|)\"],"
		"\"dynamic_port\":5001,\"mode\":\"passive\",\"reply_received\":\"yes\","
		"\"reply_truncated\":false}\n"
		"expect ftp-data 5001 1 1 RETR a file\n"
		"ftp \"ftp\":{\"command\":\"RETR\",\"command_data\":\"a file\","
		"\"command_truncated\":false,\"completion_code\":[\"150\",\"226\"],\"reply\":"
		"[\"here\",\"done\"],\"reply_received\":\"yes\",\"reply_truncated\":false}\n"
		"ftp \"ftp\":{\"command\":\"port\",\"command_data\":\"10,1,2,3,19,136\","
		"\"command_truncated\":false,\"completion_code\":[\"200\"],\"reply\":[\"ok\"],"
		"\"dynamic_port\":5000,\"mode\":\"active\",\"reply_received\":\"yes\","
		"\"reply_truncated\":false}\n"
		"expect ftp-data 5000 0 0 STOR up\n"
		"ftp \"ftp\":{\"command\":\"STOR\",\"command_data\":\"up\","
		"\"command_truncated\":false,\"completion_code\":[\"150\"],\"reply\":[\"send\"],"
		"\"reply_received\":\"yes\",\"reply_truncated\":false}\n"
		"ftp \"ftp\":{\"command\":\"QUIT\",\"command_truncated\":false,"
		"\"reply_received\":\"no\",\"reply_truncated\":false}\n");
	assert_true(kit_has(&tcp, session, N, "ftp.command=RETR\n"));
	assert_true(kit_has(&tcp, session, N, "ftp.reply=here\n"));
	assert_true(kit_has(&tcp, session, N, "ftp.dynamic_port=5001\n"));
}

static void test_passive_without_parentheses(void **state)
{
	static const struct kit_part parts[] = { C("USER x\r\n"), S("331 p\r\n"), C("PASV\r\n"),
		S("227 Entering Passive Mode 1,2,3,4,1,2\r\n"), C("RETR f\r\n") };

	(void)state;
	kit_check(&tcp, parts, 5, NULL);
	assert_non_null(
		strstr(kit_run(&tcp, parts, 5, 0, SIZE_MAX), "expect ftp-data 258 1 1 RETR f\n"));
}

/* Longer than FTP_LINE_MAX, in both directions: cut, an event, and the next line is whole again. */
static void test_long_lines(void **state)
{
	static char command[6000], reply[6000];
	const struct kit_part parts[] = { C("USER x\r\n"), { 0, command, sizeof(command) },
		{ 1, reply, sizeof(reply) }, C("PASV\r\n"), S("227 (1,2,3,4,1,0)\r\n") };

	(void)state;
	memset(command, 'a', sizeof(command));
	memcpy(command, "RETR ", 5);
	command[5999] = '\n';
	memset(reply, 'b', sizeof(reply));
	memcpy(reply, "500 ", 4);
	reply[5999] = '\n';
	kit_check(&tcp, parts, 5, NULL);
	assert_true(kit_has(&tcp, parts, 5, " !ftp.request_command_too_long"));
	assert_true(kit_has(&tcp, parts, 5, " !ftp.response_command_too_long"));
	assert_true(kit_has(&tcp, parts, 5, "\"command\":\"PASV\""));
	assert_true(kit_has(&tcp, parts, 5, "\"dynamic_port\":256"));
}

static void test_a_data_connection_is_a_file(void **state)
{
	static const struct proto_expect announced = { .proto = PROTO_FTP_DATA,
		.listens = 1,
		.sender = 1,
		.command = "RETR",
		.name_len = 1,
		.name = "x" };
	static const struct proto_flow_info data = { .ip_proto = 6, .expected = &announced };
	static const struct kit_part parts[] = { S("GET / HTTP/1.0\r\n\r\n"), S("more") };

	(void)state;
	kit_check(&data, parts, 2,
		"file x 22\nftp-data \"ftp_data\":{\"filename\":\"x\",\"command\":\"RETR\"}\n");
	assert_true(kit_has(&data, parts, 2, "file.data=GET / HTTP/1.0\\x0d\\x0a\\x0d\\x0amore\n"));
}

/* REST is about the next transfer only; what lies before is a hole in the file, or it is cut. */
static void test_transfers_that_go_on(void **state)
{
	static const struct kit_part parts[] = { S("220 hi\r\n"),
		C("REST 5\r\nPORT 127,0,0,1,1,0\r\nRETR f\r\n"),
		S("350 at 5\r\n200 ok\r\n150 go\r\n"),
		C("PORT 127,0,0,1,1,1\r\nRETR g\r\nREST x\r\nPORT 127,0,0,1,1,2\r\nSTOR h\r\n"),
		S("200 ok\r\n150 go\r\n") };
	static const struct kit_part bytes[] = { S("rest of it") };
	struct proto_expect announced = {
		.proto = PROTO_FTP_DATA, .listens = 1, .sender = 1, .command = "RETR", .offset = 5
	};
	const struct proto_flow_info data = { .ip_proto = 6, .expected = &announced };

	(void)state;
	kit_check(&tcp, parts, 5, NULL);
	assert_true(kit_has(&tcp, parts, 5, "expect ftp-data 256 0 1 RETR f from 5\n"));
	assert_true(kit_has(&tcp, parts, 5, "expect ftp-data 257 0 1 RETR g\n"));
	assert_true(kit_has(&tcp, parts, 5, "expect ftp-data 258 0 0 STOR h\n"));
	kit_show_contents = true;
	kit_check_lines(
		&data, bytes, 1, "file ", "file  15 odd \\x00\\x00\\x00\\x00\\x00rest of it\n");
	announced.offset = UINT32_MAX;
	kit_check_lines(&data, bytes, 1, "file ", "file  10 cut rest of it\n");
	kit_show_contents = false;
}

#define MANY 250 /* attempts: two commands each, more than are told with their answer */

/* What they come to, as kit_run() tells it: every third one is good. */
static void write_attempts(unsigned n, char *commands, char *replies, char *logins, size_t room)
{
	struct out c = out_make(commands, room), r = out_make(replies, room);
	struct out l = out_make(logins, room);

	for (unsigned i = 0; i < n; i++) {
		out_fmt(&c, "USER u%u\r\nPASS p%u\r\n", i, i);
		out_fmt(&r, "331 password\r\n%s\r\n", i % 3 ? "530-no\r\n530 no" : "230 in");
		out_fmt(&l, "login - u%u p%u - %s\n", i, i, i % 3 ? "failure" : "success");
	}
	assert_true(out_ok(&c) && out_ok(&r) && out_ok(&l));
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

/* All are sent before the first one is answered. */
static void test_many_commands(void **state)
{
	static char commands[65536], replies[65536], logins[65536];
	struct kit_part parts[] = { S("220 FTP here\r\n"), { 0, commands, 0 }, { 1, replies, 0 },
		C("PASV\r\n"), S("227 (1,2,3,4,1,0)\r\n"), C("RETR f\r\n") };

	(void)state;
	write_attempts(MANY, commands, replies, logins, sizeof(commands));
	parts[1].len = strlen(commands);
	parts[2].len = strlen(replies);
	kit_show_logins = true;
	for (size_t piece = 0; piece < 8; piece++) {
		const char *told = kit_run(&tcp, parts, 6, piece, SIZE_MAX);

		assert_string_equal(kit_lines(told, "login "), logins);
		assert_int_equal(count(told, "\"command\":"), 2 * MANY + 2);
		assert_int_equal(count(told, "\"reply_received\":\"yes\""), 1 + 192 + 1);
		assert_non_null(strstr(told, "expect ftp-data 256 1 1 RETR f\n"));
	}
	kit_show_logins = false;
}

/* More than are counted: no answer is taken for another's. */
static void test_too_many_commands(void **state)
{
	static char commands[65536], replies[65536], logins[65536];
	struct kit_part parts[] = { S("220 FTP here\r\n"), { 0, commands, 0 }, { 1, replies, 0 } };
	const char *told;

	(void)state;
	write_attempts(600, commands, replies, logins, sizeof(commands));
	parts[1].len = strlen(commands);
	parts[2].len = strlen(replies);
	kit_show_logins = true;
	told = kit_run(&tcp, parts, 3, 0, SIZE_MAX);
	assert_int_equal(count(told, "login - "), 600);
	assert_int_equal(count(told, " unknown\n"), 600);
	assert_int_equal(count(told, "\"command\":"), 1200);
	assert_int_equal(count(told, "\"reply_received\":\"yes\""), 1);
	kit_show_logins = false;
}

/* A name alone; a password twice; one that needs none, whose password is refused then. */
static void test_logins(void **state)
{
	static const struct kit_part parts[] = { C("USER a\r\nUSER b\r\nPASS x\r\n"),
		S("220 FTP\r\n331 p\r\n331 p\r\n"), S("530 no\r\n"), C("PASS y\r\n"),
		S("530 no\r\n"), C("USER c\r\nPASS z\r\n"), S("230 in\r\n503 in\r\n"),
		C("USER d\r\n"), S("331 p\r\n") };

	(void)state;
	kit_show_logins = true;
	kit_check_lines(&tcp, parts, 9, "login ",
		"login - a - - unknown\nlogin - b x - failure\nlogin - - y - failure\n"
		"login - c z - success\nlogin - d - - unknown\n");
	kit_show_logins = false;
}

/* Some servers skip blanks in front, or take others than a space for one; for some a NUL ends the line. */
static void test_blanks_and_zeros(void **state)
{
	static const struct kit_part parts[] = { C(" \t USER a\r\n"), S("220 FTP\r\n"),
		S("331 p\r\n"), C("\0\tpass\tx\0y\r\n"), S("530 no\r\n"), C("USER\r b\n"),
		S("331 p\r\n"), C("\r PASS z z \r\n"), S("230 in\r\n"), C("\v\fPASV\0 x\r\n"),
		S("227 (1,2,3,4,1,2)\r\n"), C(" \r\n"), S("500 what\r\n"), C("\tRETR  f\r\n") };
	static const char *const lines[] = { "ftp.command=USER\n", "ftp.command_data=a\n",
		"ftp.command=pass\n", "ftp.command_data=x\\x00y\n", "ftp.command=PASV\n",
		"ftp.command_data=\\x00 x\n", "ftp.command=\n",
		"expect ftp-data 258 1 1 RETR f\n" };

	(void)state;
	kit_check(&tcp, PARTS(parts), NULL);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_true(kit_has(&tcp, PARTS(parts), lines[i]));
	kit_show_logins = true;
	kit_check_lines(
		&tcp, PARTS(parts), "login ", "login - a x - failure\nlogin - b z z - success\n");
	kit_show_logins = false;
	kit_spoil(&tcp, PARTS(parts));
}

#define IAC "\xff"

/* Telnet's commands in front and inside of a command, and in front of a reply; IAC itself, and 0xff alone in a name. */
static void test_telnet_commands(void **state)
{
	static const struct kit_part parts[] = { C(IAC "\xfd\x18" IAC "\xfb\x01USER a\r\n"),
		S("220 FTP\r\n"),
		S(IAC "\xfc\x18" IAC "\xfe\x01"
		      "331 p\r\n"),
		C(" P" IAC "\xf1"
		  "A" IAC "\x05SS" IAC "\xfd\n x" IAC "\xff" IAC "\xfdqy\r\n"),
		S("500 empty\r\n530 no\r\n"),
		C(IAC "\xf4" IAC "\xf2"
		      "ABOR" IAC "\xf9\r\n"),
		S("226 none\r\n"), C("CWD n" IAC "i" IAC "\r\n"), S("250 " IAC "i\r\n"),
		C(IAC "\r\n"), S("500 what\r\n") };
	static const char *const lines[] = { "ftp.command=USER\n", "ftp.command=PASS\n",
		"ftp.command=ABOR\n", "ftp.command_data=n\\xffi\\xff\n", "ftp.command=\n",
		"ftp.reply=p\n", "ftp.reply=\\xffi\n" };

	(void)state;
	kit_check(&tcp, PARTS(parts), NULL);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_true(kit_has(&tcp, PARTS(parts), lines[i]));
	kit_show_logins = true;
	kit_check_lines(&tcp, PARTS(parts), "login ", "login - a - - failure\n");
	kit_show_logins = false;
	kit_spoil(&tcp, PARTS(parts));
}

/* A line full of them, and such that goes on behind what is kept. */
static void test_nothing_but_telnet(void **state)
{
	static char line[6000];
	const struct kit_part parts[] = { S("220 FTP\r\n"), { 0, line, 0 }, C("\nQUIT\r\n") };
	struct kit_part said[3];

	(void)state;
	memcpy(said, parts, sizeof(parts));
	memset(line, 0xff, sizeof(line));
	for (size_t len = 4090; len < 4100; len++) {
		said[1].len = len;
		kit_run(&tcp, said, 3, 0, SIZE_MAX);
		assert_int_equal(
			strstr(kit_text, "!ftp.request_command_too_long") != NULL, len > 4095);
		assert_non_null(strstr(kit_text, "\"command\":\"QUIT\""));
	}
	said[1].len = sizeof(line);
	kit_check(&tcp, said, 3, NULL);
}

/* Whoever speaks first to FTP's port may speak Telnet; what the server says decides. */
static void test_telnet_on_the_port(void **state)
{
	static const struct kit_part ftp[] = { C(IAC "\xfd\x18"), C("FOO\r\nUSER x\r\n"),
		S("220 hello\r\n") };
	struct proto_conn *conn = kit_open(&tcp);

	(void)state;
	assert_true(kit_has(&tcp, PARTS(ftp), "ftp.command=USER\n"));
	kit_check(&tcp, PARTS(ftp), NULL);
	kit_feed(conn, 0, (const uint8_t *)IAC "\xfd\x18", 3);
	assert_int_equal(proto_conn_app(conn), PROTO_NONE);
	kit_feed(conn, 1, (const uint8_t *)IAC "\xfb\x18login: ", 10);
	assert_int_equal(proto_conn_app(conn), PROTO_TELNET);
	proto_conn_free(conn);
}

/* Long ones that nobody answers, and long answers: they do not use up the room of what comes behind them. */
static void test_much_that_waits(void **state)
{
	static char client[1u << 21], server[1u << 21], text[4090];
	struct out c, s;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	for (unsigned kind = 0; kind < 3; kind++) {
		struct proto_conn *conn = kit_open(&tcp);

		c = out_make(client, sizeof(client));
		s = out_make(server, sizeof(server));
		out_str(&s, "220-hi\r\n");
		for (unsigned i = 0; i < 400; i++) {
			out_fmt(kind ? &s : &c, "%s%s\r\n", kind ? "" : "SITE ", text);
			if (kind == 2)
				out_str(&c, "NOOP\r\n");
		}
		out_str(&s, "220 there\r\n");
		out_str(&c, "USER u\r\nPASS p\r\n");
		assert_true(out_ok(&c) && out_ok(&s));
		kit_out = out_make(kit_text, sizeof(kit_text));
		kit_show_logins = true;
		for (size_t at = 0; at < s.len; at += 1400)
			kit_feed(conn, 1, (const uint8_t *)server + at,
				s.len - at < 1400 ? s.len - at : 1400);
		for (size_t at = 0; at < c.len; at += 60000)
			kit_feed(conn, 0, (const uint8_t *)client + at,
				c.len - at < 60000 ? c.len - at : 60000);
		for (unsigned i = 0; i < 400 * (kind != 1); i++)
			kit_feed(conn, 1, (const uint8_t *)"200 ok\r\n", 8);
		kit_feed(conn, 1, (const uint8_t *)"331 p\r\n230 in\r\n", 15);
		assert_false(proto_conn_overrun(conn));
		assert_int_equal(proto_conn_limited(conn), kind != 0);
		assert_non_null(strstr(kit_text, "login - u p - success\n"));
		kit_show_logins = false;
		proto_conn_free(conn);
	}
}

/* Lines that a server passes over in silence do not shift what its replies are about. */
static void test_lines_without_answers(void **state)
{
	static const struct kit_part empty[] = { S("220 FTP\r\n"), C("\r\nUSER a\r\n"),
		S("331 p\r\n"), C("\r\n\r\nPASS b\r\n"), S("530 no\r\n"), C("\r\n"), C("PASV\r\n"),
		S("227 (1,2,3,4,1,2)\r\n"), C("\r\n"), S("500 what\r\n"), C("USER c\r\n"),
		S("230-in\r\n230 in\r\n") };
	static const struct kit_part at_once[] = { S("220 FTP\r\n"),
		C("\r\nUSER a\r\n\r\nPASS b\r\n"),
		S("500 what\r\n331 p\r\n500 what\r\n230 in\r\n") };
	static const struct kit_part feeds[] = { S("220 FTP\r\n"), C("NOOP\nUSER x\nEPSV\r\n"),
		S("200 ok\r\n"), C("USER a\r\n"), S("331 p\r\n"), C("PASS b\r\n"), S("230 in\r\n"),
		C("EPSV\r\n"), S("229 (|||5001|)\r\n"), C("RETR f\r\n") };

	(void)state;
	kit_show_logins = true;
	kit_check_lines(
		&tcp, PARTS(empty), "login ", "login - a b - failure\nlogin - c - - success\n");
	kit_check_lines(&tcp, PARTS(at_once), "login ", "login - a b - success\n");
	kit_check_lines(
		&tcp, PARTS(feeds), "login ", "login - x - - unknown\nlogin - a b - success\n");
	kit_show_logins = false;
	kit_check(&tcp, PARTS(empty), NULL);
	assert_true(kit_has(&tcp, PARTS(empty),
		"\"command\":\"\",\"command_truncated\":false,"
		"\"completion_code\":[\"500\"]"));
	assert_true(kit_has(&tcp, PARTS(empty),
		"\"command\":\"\",\"command_truncated\":false,"
		"\"reply_received\":\"no\""));
	assert_true(kit_has(&tcp, PARTS(feeds), "expect ftp-data 5001 1 1 RETR f\n"));
	kit_spoil(&tcp, PARTS(empty));
}

/* Transfers that are asked for before the answer to PASV comes have its port all the same. */
static void test_transfers_at_once(void **state)
{
	static const struct kit_part parts[] = { S("220 FTP\r\n"),
		C("PASV\r\nRETR a\r\nEPSV\r\nPASV\r\nSTOR b\r\n"),
		C("PASV\r\nRETR c\r\nLIST\r\nPASV\r\n"), S("227 (1,2,3,4,1,0)\r\n226 a\r\n"),
		S("229 (|||300|)\r\n227 (1,2,3,4,2,0)\r\n226 b\r\n"),
		S("425 none\r\n425 c\r\n425 l\r\n"), S("227 (1,2,3,4,3,0)\r\n"), C("RETR d\r\n"),
		S("226 d\r\n"), C("RETR e\r\n") };
	static char many[20 * 15 + 1];
	struct kit_part at_once[] = { S("220 FTP\r\n"), { 0, many, 0 },
		S("227 (1,2,3,4,1,0)\r\n") };
	struct out o = out_make(many, sizeof(many));

	(void)state;
	kit_check_lines(&tcp, PARTS(parts), "expect ",
		"expect ftp-data 256 1 1 RETR a\nexpect ftp-data 512 1 0 STOR b\n"
		"expect ftp-data 768 1 1 RETR d\n");
	kit_spoil(&tcp, PARTS(parts));
	for (unsigned i = 0; i < 20; i++)
		out_str(&o, "PASV\r\nRETR f\r\n");
	at_once[1].len = o.len;
	kit_check_lines(&tcp, PARTS(at_once), "expect ", "expect ftp-data 256 1 1 RETR f\n");
}

/* A server that refuses PORT goes on to listen where it said; whoever does not wait for that has two places. */
static void test_refused_port(void **state)
{
	static const struct kit_part parts[] = { S("220 FTP\r\n"), C("PASV\r\n"),
		S("227 (1,2,3,4,1,0)\r\n"), C("PORT 1,2,3,5,2,0\r\n"), S("550 no\r\n"),
		C("RETR a\r\n"), S("150 a\r\n226 a\r\n"), C("PASV\r\n"), S("227 (1,2,3,4,3,0)\r\n"),
		C("EPRT |1|1.2.3.5|1024|\r\n"), S("200 good\r\n"), C("RETR b\r\n"), S("226 b\r\n"),
		C("RETR c\r\n"), S("425 c\r\n") };
	static const struct kit_part at_once[] = { S("220 FTP\r\n"), C("PASV\r\n"),
		S("227 (1,2,3,4,1,0)\r\n"), C("PORT x\r\nPORT 1,2,3,5,2,0\r\nRETR a\r\n"),
		S("500 what\r\n550 no\r\n226 a\r\n"), C("RETR b\r\n") };

	(void)state;
	kit_check_lines(&tcp, PARTS(parts), "expect ",
		"expect ftp-data 256 1 1 RETR a\nexpect ftp-data 1024 0 1 RETR b\n");
	kit_check_lines(&tcp, PARTS(at_once), "expect ",
		"expect ftp-data 512 0 1 RETR a\nexpect ftp-data 256 1 1 RETR a\n");
	kit_spoil(&tcp, PARTS(at_once));
}

static void test_random_conversations(void **state)
{
	static const char *const client[] = { "USER u\r\n", " PASS p\r\n", "PASV\r\n", "RETR f\n",
		IAC "\xf4", IAC, IAC "\xfd", "\r\n", "\n", "x", " ", "QUIT\r\n", "AUTH X\r\n" };
	static const char *const server[] = { "331 p\r\n", "230 in\r\n", "530 no\r\n", "500 \r\n",
		"227 (1,2,3,4,5,6)\r\n", IAC "\xfe\x18", "220-x\r\n", "220 x\r\n", "150 y\r\n",
		"\n" };
	const char *const *words[] = { client, server };
	const size_t n_words[] = { sizeof(client) / sizeof(client[0]),
		sizeof(server) / sizeof(server[0]) };

	(void)state;
	kit_show_logins = true;
	for (uint64_t seed = 1; seed <= 4000; seed++)
		kit_check_words(&tcp, words, n_words, seed);
	kit_show_logins = false;
}

/* Lines that were never seen cost no others. */
static void test_lost_lines(void **state)
{
	static const struct kit_part parts[] = { C("SYST\r\n"), C("PASS x\r\n"),
		C("word\r\nUSER u\r\n"), C("PASS y\r\n"), S("331 p\r\n"), S("230 in\r\n") };
	struct proto_conn *conn = kit_open(&tcp);

	(void)state;
	kit_show_logins = true;
	kit_out = out_make(kit_text, sizeof(kit_text));
	kit_feed(conn, 1, (const uint8_t *)"220 FTP\r\n", 9);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		kit_feed(conn, parts[i].side, parts[i].bytes, parts[i].len);
		proto_gap(conn, parts[i].side, 10);
	}
	proto_end(conn, 0);
	proto_end(conn, 1);
	proto_conn_free(conn);
	kit_show_logins = false;
	assert_non_null(strstr(kit_text, "login - - x - "));
	assert_non_null(strstr(kit_text, "login - u y - success"));
}

/* What was never seen of the replies costs no other one. */
static void test_lost_replies(void **state)
{
	static const struct kit_part last_line[] = { S("220 FTP\r\n"), C("USER u\r\n"),
		S("331 p\r\n"), C("PASS p\r\n"), S("230-hello\r\n"), C("SYST\r\n"), LOST,
		S("215 UNIX\r\n"), C("PWD\r\n"), S("257 /\r\n") };
	static const struct kit_part whole[] = { S("220 FTP\r\n"), C("TYPE A\r\n"), C("NOOP\r\n"),
		LOST, S("200 NOOP\r\n"), C("PWD\r\n"), LOST, C("CWD x\r\n"), S("250 there\r\n"),
		C("QUIT\r\n"), S("221 bye\r\n") };
	static const struct kit_part several[] = { S("220 FTP\r\n"), C("NOOP\r\nPWD\r\n"),
		S("200 one\r\n"), LOST, S("257 two\r\n"), C("NOOP\r\nPWD\r\n"), LOST,
		S("200 three\r\n257 four\r\n") };

	(void)state;
	kit_run_lossy(&tcp, PARTS(last_line));
	assert_non_null(strstr(kit_text, "login - u p - success\n"));
	assert_non_null(strstr(kit_text, "[\"215\"],\"reply\":[\"UNIX\"]"));
	kit_run_lossy(&tcp, PARTS(whole));
	assert_non_null(strstr(kit_text, "\"NOOP\",\"command_truncated\":false,\"completion_code\":"
					 "[\"200\"],\"reply\":[\"NOOP\"]"));
	assert_non_null(strstr(kit_text, "\"x\",\"command_truncated\":false,\"completion_code\":["
					 "\"250\"],\"reply\":[\"there\"]"));
	kit_run_lossy(
		&tcp, PARTS(several)); /* whoever does not wait for answers has none told as lost */
	assert_non_null(strstr(kit_text, "\"NOOP\",\"command_truncated\":false,\"completion_code\":"
					 "[\"200\"],\"reply\":[\"three\"]"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_session),
		cmocka_unit_test(test_lost_replies),
		cmocka_unit_test(test_passive_without_parentheses),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_a_data_connection_is_a_file),
		cmocka_unit_test(test_transfers_that_go_on),
		cmocka_unit_test(test_many_commands),
		cmocka_unit_test(test_too_many_commands),
		cmocka_unit_test(test_logins),
		cmocka_unit_test(test_blanks_and_zeros),
		cmocka_unit_test(test_telnet_commands),
		cmocka_unit_test(test_nothing_but_telnet),
		cmocka_unit_test(test_telnet_on_the_port),
		cmocka_unit_test(test_much_that_waits),
		cmocka_unit_test(test_lines_without_answers),
		cmocka_unit_test(test_transfers_at_once),
		cmocka_unit_test(test_refused_port),
		cmocka_unit_test(test_random_conversations),
		cmocka_unit_test(test_lost_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
