/* SPDX-License-Identifier: Apache-2.0 */
/* POP3 and IMAP4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "login_kit.h"

#define N(parts) (sizeof(parts) / sizeof((parts)[0]))

/* Of neither's own port: what is said must be enough. */
static const struct proto_flow_info tcp = { .ip_proto = 6, .port = { 4000, 4001 } };
static const struct proto_flow_info pop3 = { .ip_proto = 6, .port = { 4000, 110 } };

#define MAIL                                                                         \
	"From: A <a@b>\r\nTo: c@d\r\nSubject: one\r\n"                               \
	"Content-Type: multipart/mixed; boundary=cut\r\n\r\n--cut\r\n"               \
	"Content-Type: application/zip; name=a.zip\r\n"                              \
	"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8g\r\nd29ybGQ=\r\n--cut\r\n" \
	"\r\nsee http://x.example/y\r\n--cut--\r\n"
#define MAIL_SIZE "234"
#define EMAIL                                                                         \
	"\"email\":{\"status\":\"PARSE_DONE\",\"from\":\"A <a@b>\",\"to\":[\"c@d\"]," \
	"\"subject\":\"one\",\"attachment\":[\"a.zip\"],\"url\":[\"http://x.example/y\"]}"

static void test_pop3(void **state)
{
	static const struct kit_part parts[] = { S("+OK ready <1@h>\r\n"), C("CAPA\r\n"),
		S("+OK these\r\nTOP\r\n..x\r\n.\r\n"), C("user a b\r\n"), S("+OK\r\n"),
		C("PASS p  w \r\n"), S("+OK in\r\n"), C("LIST 1\r\nLIST\r\nRETR 1\r\n"),
		S("+OK 1 9\r\n+OK\r\n1 9\r\n.\r\n"), S("+OK it is\r\n" MAIL ".\r\n"),
		C("DELE 9\r\n"), S("-ERR no such\r\n"), C("QUIT\r\n") };

	(void)state;
	kit_show_logins = true;
	kit_check(&tcp, parts, N(parts),
		"pop3 \"pop3\":{\"response\":{\"success\":true,\"status\":\"OK\",\"header\":"
		"\"ready <1@h>\"}}\n"
		"pop3 \"pop3\":{\"request\":{\"command\":\"CAPA\",\"args\":[]},\"response\":"
		"{\"success\":true,\"status\":\"OK\",\"header\":\"these\",\"data\":[\"TOP\",\".x\"]"
		"}}\n"
		"pop3 \"pop3\":{\"request\":{\"command\":\"USER\",\"args\":[\"a\",\"b\"]},"
		"\"response\":{\"success\":true,\"status\":\"OK\",\"header\":\"\"}}\n"
		"login password a b p  w  - success\n"
		"pop3 \"pop3\":{\"request\":{\"command\":\"PASS\",\"args\":[\"p  w \"]},"
		"\"response\":{\"success\":true,\"status\":\"OK\",\"header\":\"in\"}}\n"
		"pop3 \"pop3\":{\"request\":{\"command\":\"LIST\",\"args\":[\"1\"]},"
		"\"response\":{\"success\":true,\"status\":\"OK\",\"header\":\"1 9\"}}\n"
		"pop3 \"pop3\":{\"request\":{\"command\":\"LIST\",\"args\":[]},\"response\":"
		"{\"success\":true,\"status\":\"OK\",\"header\":\"\",\"data\":[\"1 9\"]}}\n"
		"file a.zip 11\nfile one.eml " MAIL_SIZE "\n"
		"pop3 \"pop3\":{\"request\":{\"command\":\"RETR\",\"args\":[\"1\"]},\"response\":"
		"{\"success\":true,\"status\":\"OK\",\"header\":\"it is\"}}," EMAIL "\n"
		"pop3 \"pop3\":{\"request\":{\"command\":\"DELE\",\"args\":[\"9\"]},\"response\":"
		"{\"success\":false,\"status\":\"ERR\",\"header\":\"no such\"}}\n"
		"pop3 \"pop3\":{\"request\":{\"command\":\"QUIT\",\"args\":[]}}\n");
	kit_show_logins = false;
	assert_true(kit_has(&tcp, parts, N(parts), "file.data=hello world\n"));
}

static void test_pop3_logins(void **state)
{
	static const struct attempt attempts[] = {
		{ "USER u\r\n", "-ERR who\r\n", "", "", "login password u - - failure\n" },
		{ "USER u\r\nPASS p\r\n", "+OK\r\n-ERR no\r\n", "", "",
			"login password u p - failure\n" },
		{ "USER u\r\nPASS p\r\nUSER v\r\n", "+OK\r\n", "PASS q\r\n",
			"-ERR no\r\n+OK\r\n+OK\r\n",
			"login password u p - failure\nlogin password v q - success\n" },
		{ "APOP u c4c9334bac560ecc\r\n", "+OK\r\n", "", "",
			"login apop u - c4c9334bac560ecc success\n" },
		{ "AUTH PLAIN\r\n", "+ \r\n", "AHUAcA==\r\n", "-ERR no\r\n",
			"login plain u p - failure\n" },
		{ "AUTH PLAIN AHUAcA==\r\n", "+OK\r\n", "", "", "login plain u p - success\n" },
		{ "AUTH LOGIN\r\n", "+ VXNlcm5hbWU6\r\n", "dQ==\r\ncA==\r\n", "+ x\r\n+OK\r\n",
			"login login u p - success\n" },
		{ "AUTH CRAM-MD5\r\n", "+ PDE+\r\n", "dSAwYWYx\r\n", "-ERR no\r\n",
			"login cram-md5 u - $cram_md5$PDE+$dSAwYWYx failure\n" },
		{ "AUTH\r\nUSER u\r\n", "-ERR\r\n+OK\r\n", "PASS p\r\n", "",
			"login password u p - unknown\n" },
	};

	static const struct attempt early[] = { { "CAPA\r\nUSER u\r\nPASS p\r\n",
		"+OK hello\r\n+OK\r\nUSER\r\n.\r\n+OK\r\n-ERR no\r\n", "", "",
		"login password u p - failure\n" } };

	(void)state;
	check_logins(&tcp, "+OK hello\r\n", attempts, N(attempts));
	check_logins(&tcp, "", early, N(early));
}

/* Blanks in front or others than a space; for some servers a NUL ends the line. */
static void test_pop3_blanks_and_zeros(void **state)
{
	static const struct attempt attempts[] = {
		{ " USER u\r\n", "+OK\r\n", "\t \rpass p q \r\n", "-ERR no\r\n",
			"login password u p q  - failure\n" },
		{ "USER\tu\r\n", "+OK\r\n", "PASS\tp\r\n", "+OK\r\n",
			"login password u p - success\n" },
		{ "\tAPOP\t u\t c4c9\r\n", "+OK\r\n", "", "", "login apop u - c4c9 success\n" },
		{ " AUTH  PLAIN AHUAcA==\r\n", "+OK\r\n", "", "", "login plain u p - success\n" },
		{ "LIST  \r\nUSER u\r\nPASS p\r\n", "+OK\r\n-ERR\r\n.\r\n+OK\r\n+OK\r\n", "", "",
			"login password u p - success\n" },
	};
	static const struct kit_part zeros[] = { S("+OK hi\r\n"),
		C("\0USER u\0x\r\nPASS\0 p\r\nLIST\0 1\r\n"),
		S("+OK\r\n-ERR\r\n+OK\r\n1 2\r\n.\r\n") };
	static const struct kit_part early[] = { C(" \tSTAT\r\n"), S("+OK\r\n+OK 0 0\r\n") };

	(void)state;
	check_logins(&tcp, "+OK hello\r\n", attempts, N(attempts));
	kit_check(&tcp, zeros, N(zeros), NULL);
	assert_true(kit_has(&tcp, zeros, N(zeros),
		"{\"command\":\"LIST\",\"args\":[\"\\u0000\",\"1\"]},\"response\":{\"success\":"
		"true,\"status\":\"OK\",\"header\":\"\",\"data\":[\"1 2\"]}"));
	kit_show_logins = true;
	kit_check_lines(&tcp, zeros, N(zeros), "login ", "login password u - - failure\n");
	kit_show_logins = false;
	kit_spoil(&tcp, zeros, N(zeros));
	assert_true(kit_has(&pop3, early, N(early), "{\"command\":\"STAT\",\"args\":[]}"));
}

/* Behind AUTH comes a command, unless the server asks for more: also when the client does not wait for that, and the
 * server answers all at once. */
static void test_pop3_auth_refused(void **state)
{
	static const struct attempt attempts[] = {
		{ "AUTH X\r\n", "-ERR no\r\n", "FOO\r\nUSER u\r\nPASS p\r\n",
			"-ERR\r\n+OK\r\n+OK\r\n", "login password u p - success\n" },
		{ "AUTH X\r\nFOO\r\nUSER u\r\nPASS p\r\n", "-ERR no\r\n-ERR\r\n+OK\r\n-ERR\r\n",
			"APOP v 0a\r\n", "+OK\r\n",
			"login password u p - failure\nlogin apop v - 0a success\n" },
		{ "AUTH PLAIN\r\nUSER u\r\nPASS p\r\n", "-ERR\r\n+OK\r\n", "", "+OK\r\n",
			"login password u p - success\n" },
		{ "AUTH PLAIN\r\nAHUAcA==\r\nSTAT\r\n", "+ \r\n+OK\r\n", "RSET\r\n",
			"+OK\r\n+OK\r\n", "login plain u p - success\n" },
		{ "AUTH LOGIN\r\ndQ==\r\nUSER\r\nSTAT\r\n", "+ x\r\n+ y\r\n-ERR\r\n", "AUTH X\r\n",
			"-ERR\r\n", "login login u Q!\x5cx11 - failure\n" },
		{ "AUTH X\r\n", "+ 1\r\n", "USER\r\n", "+ 2\r\n", "" },
		{ "AUTH PLAIN\r\n*\r\n", "+ \r\n-ERR\r\n", "USER u\r\n", "+OK\r\n",
			"login password u - - unknown\n" },
		{ "AUTH PLAIN\r\nAHUAcA==\r\nUSER v\r\n", "", "", "",
			"login plain u p - unknown\nlogin password v - - unknown\n" },
		{ "USER u\r\n", "+OK\r\n", "AUTH\r\nPASS p\r\n", "+OK\r\nPLAIN\r\n.\r\n+OK\r\n",
			"login password u p - success\n" },
	};
	static const struct attempt between[] = {
		{ "USER u\r\n", "+OK\r\n", "AUTH X\r\nPASS p\r\n", "-ERR\r\n+OK\r\n",
			"login password u p - success\n" },
		{ "USER u\r\n", "+OK\r\n", "APOP v 0a\r\nAUTH PLAIN AHcAcQ==\r\nPASS p\r\n",
			"-ERR\r\n-ERR\r\n-ERR\r\n",
			"login apop v - 0a failure\nlogin plain w q - failure\n"
			"login password u p - failure\n" },
	};
	static const struct attempt early[] = { { "CAPA\r\nAUTH X\r\nUSER u\r\nPASS p\r\n",
		"+OK hello\r\n+OK\r\nSASL\r\n.\r\n-ERR\r\n+OK\r\n-ERR no\r\n", "", "",
		"login password u p - failure\n" } };
	static const struct kit_part told[] = { S("+OK hi\r\n"), C("AUTH X\r\nFOO\r\nBAR\r\n"),
		S("-ERR 1\r\n-ERR 2\r\n-ERR 3\r\n"), C("AUTH Y\r\nQUIT\r\n") };

	(void)state;
	check_logins(&tcp, "+OK hello\r\n", attempts, N(attempts));
	check_logins(&tcp, "+OK hello\r\n", between, N(between));
	check_logins(&tcp, "", early, N(early));
	kit_check(&tcp, told, N(told),
		"pop3 \"pop3\":{\"response\":{\"success\":true,\"status\":\"OK\",\"header\":"
		"\"hi\"}}\n"
		"pop3 \"pop3\":{\"request\":{\"command\":\"AUTH\",\"args\":[\"X\"]},\"response\":"
		"{\"success\":false,\"status\":\"ERR\",\"header\":\"1\"}}\n"
		"pop3 \"pop3\":{\"request\":{\"command\":\"FOO\",\"args\":[]},\"response\":"
		"{\"success\":false,\"status\":\"ERR\",\"header\":\"2\"}}\n"
		"pop3 \"pop3\":{\"request\":{\"command\":\"BAR\",\"args\":[]},\"response\":"
		"{\"success\":false,\"status\":\"ERR\",\"header\":\"3\"}}\n"
		"pop3 \"pop3\":{\"request\":{\"command\":\"AUTH\",\"args\":[\"Y\"]}}\n"
		"pop3 \"pop3\":{\"request\":{\"command\":\"QUIT\",\"args\":[]}}\n");
	kit_spoil(&tcp, told, N(told));
}

/* A server that says nothing to AUTH, or of whom something was not seen, does not keep commands from us. */
static void test_pop3_auth_not_decided(void **state)
{
	static char client[40000];
	struct out o = out_make(client, sizeof(client));
	struct proto_conn *conn = kit_open(&tcp);

	(void)state;
	kit_show_logins = true;
	kit_out = out_make(kit_text, sizeof(kit_text));
	kit_feed(conn, 1, (const uint8_t *)"+OK hi\r\n", 8);
	out_str(&o, "AUTH X\r\n");
	for (unsigned i = 0; i < 1500; i++)
		out_str(&o, "APOP u 0af1\r\n");
	kit_feed(conn, 0, (const uint8_t *)client, o.len);
	assert_non_null(strstr(kit_text, "login apop u - 0af1 unknown\n"));
	assert_false(proto_conn_overrun(conn));
	proto_conn_free(conn);

	conn = kit_open(&tcp);
	kit_out = out_make(kit_text, sizeof(kit_text));
	kit_feed(conn, 1, (const uint8_t *)"+OK hi\r\n", 8);
	kit_feed(conn, 0, (const uint8_t *)"AUTH PLAIN\r\n", 12);
	proto_gap(conn, 1, 4);
	kit_feed(conn, 0, (const uint8_t *)"AHUAcA==\r\nUSER v\r\n", 18);
	kit_feed(conn, 1, (const uint8_t *)"x\r\n+OK\r\n+OK\r\n", 13);
	assert_non_null(strstr(kit_text, "login plain u p - success\n"));
	assert_non_null(strstr(kit_text, "\"command\":\"USER\",\"args\":[\"v\"]"));
	proto_conn_free(conn);
	kit_show_logins = false;
}

/* A server answers whole lines alone: the client says no others. */
static void test_pop3_random_conversations(void **state)
{
	static const char *const client[] = { "USER u\r\n", "\tPASS p\r\n", "AUTH PLAIN\r\n",
		"AUTH X\r\n", "AUTH LOGIN\r\n", "AUTH\r\n", "AHUAcA==\r\n", "dQ==\r\n", "FOO\n",
		"\r\n", " y\r\n", "LIST\r\n", "APOP u 0af1\r\n", "QUIT\r\n" };
	static const char *const server[] = { "+OK\r\n", "-ERR\r\n", "+ \r\n", "+ x\r\n", ".\r\n",
		"1 2\r\n", "+", "\n" };
	const char *const *words[] = { client, server };
	const size_t n_words[] = { N(client), N(server) };

	(void)state;
	kit_show_logins = true;
	for (uint64_t seed = 1; seed <= 4000; seed++)
		kit_check_words(&pop3, words, n_words, seed);
	kit_show_logins = false;
}

/* Of a part alone the headers may have come before; else it is decoded if it looks like Base64. Those of another part
 * or mail, too long or with a hole, are not its own. */
static void test_imap_parts(void **state)
{
#define HEADS "Content-Type: application/x; name=p.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n"
#define TEXT  "cGFydCBvZiBhIG1haWwgdGhhdCBpcyBsb25nIGVub3VnaCB0byBmaWxsIGEgd2hvbGUgbGluZSwg"
	static char much[1000];
	struct kit_part parts[] = { S("* OK IMAP\r\n"), C("a1 FETCH 1 (BODY.PEEK[2.MIME])\r\n"),
		S("* 1 FETCH (BODY[2.MIME] {78}\r\n" HEADS ")\r\n"),
		S("* 1 FETCH (BODY[2] {8}\r\naGVsbG8=)\r\n"),
		S("* 1 FETCH (BODY[3] {8}\r\naGVsbG8=)\r\n"),
		S("* 2 FETCH (BODY[2] {8}\r\naGVsbG8=)\r\n"),
		S("* 2 FETCH (BODY[1.2.MIME] {78}\r\n" HEADS " BODY[1.2] {8}\r\naGVsbG8=)\r\n"),
		S("* 3 FETCH (BODY[2] {84}\r\n" TEXT "\r\naGVsbG)\r\n"),
		S("* 3 FETCH (BODY[2.MIME] {1078}\r\n"), { 1, much, sizeof(much) },
		S(HEADS " BODY[2] {8}\r\naGVsbG8= BODY[2.TEXT] {1}\r\nx BODY[MIME] {1}\r\nx "
			"BINARY[2]"
			" {1}\r\nx)\r\n"),
		S("a1 OK\r\n") };

	(void)state;
	memset(much, '\n', sizeof(much));
	kit_check_lines(&tcp, parts, N(parts), "file ",
		"file p.bin 5\nfile  8\nfile  8\nfile p.bin 5\nfile  61\nfile  8\n");
	kit_spoil(&tcp, parts, N(parts));
}

/* fetchmail asks for a mail in two pieces. Headers alone bring no attachment, though they may name one. */
static void test_imap_text(void **state)
{
	struct kit_part parts[] = { S("* OK IMAP\r\n"), C("a1 FETCH 1:3 (RFC822.HEADER)\r\n"),
		S("* 1 FETCH (RFC822.HEADER {61}\r\nSubject: s\r\nContent-Type: "
		  "multipart/mixed;\r\n"
		  " boundary=cut\r\n\r\n)\r\n"),
		S("* 1 FETCH (BODY[TEXT] {68}\r\n--cut\r\nContent-Disposition: attachment; "
		  "filename=a\r\n\r\nabc\r\n--cut--\r\n)\r\n"),
		S("* 2 FETCH (BODY[HEADER] {78}\r\n" HEADS ")\r\n"),
		S("* 2 FETCH (RFC822.TEXT {8}\r\naGVsbG8=)\r\n"),
		S("* 3 FETCH (BODY[TEXT] {5}\r\nplain)\r\n"), S("a1 OK\r\n") };

	(void)state;
	kit_check_lines(&tcp, parts, N(parts), "file ",
		"file s.eml 61\nfile a 3\nfile message.eml 78\nfile p.bin 5\nfile  5\n");
	kit_spoil(&tcp, parts, N(parts));
}

static void test_imap_logins(void **state)
{
	static const struct attempt attempts[] = {
		{ "1 LOGIN u p\r\n", "1 OK in\r\n", "", "", "login password u p - success\n" },
		{ "1 login \"u \\\"x\\\\\" \"\"\r\n", "1 NO out\r\n", "", "",
			"login password u \"x\\x5c - - failure\n" },
		{ "1 LOGIN {1}\r\n", "+ go on\r\n", "u {3+}\r\np q\r\n", "1 NO out\r\n",
			"login password u p q - failure\n" },
		{ "1 LOGIN u {1}\r\n", "1 BAD no literals\r\n", "2 LOGIN u p\r\n", "2 OK in\r\n",
			"login password u - - failure\nlogin password u p - success\n" },
		{ "1 AUTHENTICATE PLAIN\r\n", "+ \r\n", "AHUAcA==\r\n", "1 NO out\r\n",
			"login plain u p - failure\n" },
		{ "1 AUTHENTICATE PLAIN AHUAcA==\r\n", "1 OK in\r\n", "", "",
			"login plain u p - success\n" },
		{ "1 AUTHENTICATE LOGIN\r\n", "+ VXNlcm5hbWU6\r\n", "dQ==\r\ncA==\r\n",
			"+ x\r\n1 OK in\r\n", "login login u p - success\n" },
		{ "1 AUTHENTICATE CRAM-MD5\r\n", "+ PDE+\r\n", "dSAwYWYx\r\n", "1 OK in\r\n",
			"login cram-md5 u - $cram_md5$PDE+$dSAwYWYx success\n" },
		{ "1 LOGIN u p\r\n2 LOGIN v q\r\n3 LOGIN w r\r\n", "2 OK\r\n1 NO\r\n", "", "",
			"login password v q - success\nlogin password u p - failure\n"
			"login password w r - unknown\n" },
		{ "1 AUTHENTICATE X\r\n2 LOGIN u p\r\n", "1 NO\r\n2 OK\r\n", "", "",
			"login password u p - success\n" },
		{ "1 LOGIN u p\r\n2 NOOP\r\n", "2 OK\r\n", "", "",
			"login password u p - unknown\n" },
	};

	(void)state;
	check_logins(&tcp, "* OK hello\r\n", attempts, N(attempts));
}

/* A tag is as long as a server takes it: of a long one the beginning is kept, and how long it is. */
static void test_imap_long_tags(void **state)
{
#define LONG "aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd"
	static const struct kit_part parts[] = { S("* OK hi\r\n"),
		C(LONG "1 LOGIN u p\r\n" LONG "22 LOGIN u q\r\n"),
		S(LONG "1 NO x\r\n" LONG "22 OK y\r\n") };

	(void)state;
	kit_show_logins = true;
	for (size_t piece = 0; piece < 64; piece++) {
		kit_run(&tcp, parts, N(parts), piece, SIZE_MAX);
		assert_non_null(strstr(kit_text, "login password u p - failure\n"));
		assert_non_null(strstr(kit_text, "login password u q - success\n"));
	}
	kit_show_logins = false;
}

static void test_imap(void **state)
{
	static const struct kit_part parts[] = { S("* OK [X] ready\r\n"),
		C("a1 SELECT \"in box\"\r\n"), S("* 1 EXISTS\r\na1 OK [RW] done\r\n"),
		C("a2 UID FETCH 1:* (FLAGS BODY.PEEK[])\r\na3 NOOP\r\n"),
		S("* 1 FETCH (UID 7 BODY[] {" MAIL_SIZE "}\r\n" MAIL " FLAGS ())\r\n"),
		S("* 2 FETCH (BODY[1] {5}\r\nxx\r\nx FLA"),
		S("GS () RFC822.HEADER {11}\r\nSubject: x\n)\r\n"), S("a3 OK\r\n"),
		S("a2 NO some\r\n"), C("a4 APPEND box (\\Seen) {" MAIL_SIZE "}\r\n"),
		S("+ go on\r\n"), C(MAIL "\r\n"), S("a4 OK it is\r\n"), C("DONE\r\na5 LOGOUT\r\n"),
		S("* BYE now\r\n") };

	(void)state;
	kit_check(&tcp, parts, N(parts),
		"imap \"imap\":{\"response\":{\"success\":true,\"status\":\"OK\",\"header\":"
		"\"[X] ready\"}}\n"
		"imap \"imap\":{\"request\":{\"tag\":\"a1\",\"command\":\"SELECT\",\"args\":"
		"[\"in box\"]},\"response\":{\"success\":true,\"status\":\"OK\",\"header\":"
		"\"[RW] done\",\"data\":[\"1 EXISTS\"]}}\n"
		"file a.zip 11\nfile one.eml " MAIL_SIZE "\n"
		"imap \"imap\":{\"response\":{\"data\":[\"1 FETCH (UID 7 BODY[]\"]}}," EMAIL "\n"
		"file  5\n"
		"imap \"imap\":{\"response\":{\"data\":[\"2 FETCH (BODY[1]\"]}},"
		"\"email\":{\"status\":\"PARSE_DONE\"}\n"
		"file x.eml 11\n"
		"imap \"imap\":{\"response\":{\"data\":[\"FLAGS () RFC822.HEADER\"]}},"
		"\"email\":{\"status\":\"PARSE_DONE\",\"subject\":\"x\"}\n"
		"imap \"imap\":{\"request\":{\"tag\":\"a3\",\"command\":\"NOOP\",\"args\":[]},"
		"\"response\":{\"success\":true,\"status\":\"OK\",\"header\":\"\",\"data\":"
		"[\"1 FETCH (UID 7 BODY[]\",\"2 FETCH (BODY[1]\"]}}\n"
		"imap \"imap\":{\"request\":{\"tag\":\"a2\",\"command\":\"UID FETCH\",\"args\":"
		"[\"1:*\",\"(FLAGS BODY.PEEK[])\"]},\"response\":{\"success\":false,\"status\":"
		"\"NO\",\"header\":\"some\"}}\n"
		"file a.zip 11\nfile one.eml " MAIL_SIZE "\n"
		"imap \"imap\":{\"request\":{\"tag\":\"a4\",\"command\":\"APPEND\",\"args\":"
		"[\"box\",\"(\\\\Seen)\"]},\"response\":{\"success\":true,\"status\":\"OK\","
		"\"header\":\"it is\"}}," EMAIL "\n"
		"imap "
		"\"imap\":{\"request\":{\"tag\":\"a5\",\"command\":\"LOGOUT\",\"args\":[]}}\n");
	assert_true(kit_has(&tcp, parts, N(parts), "file.data=hello world\n"));
}

/* TLS, or here HTTP, begins behind the answer. */
static void test_another_protocol_begins(void **state)
{
	static const struct kit_part by_pop3[] = { S("+OK hi\r\n"), C("STLS\r\n"),
		S("+OK begin\r\n"), C("GET / HTTP/1.0\r\n\r\n") };
	static const struct kit_part by_imap[] = { S("* OK hi\r\n"), C("1 STARTTLS\r\n"),
		S("1 OK begin\r\n"), C("GET / HTTP/1.0\r\n\r\n") };

	(void)state;
	kit_check(&tcp, by_pop3, N(by_pop3), NULL);
	assert_true(kit_has(&tcp, by_pop3, N(by_pop3), "http \"http\":{"));
	kit_check(&tcp, by_imap, N(by_imap), NULL);
	assert_true(kit_has(&tcp, by_imap, N(by_imap), "http \"http\":{"));
}

/* Whose it is: "-", when it is neither's. */
static const char *whose(const struct proto_flow_info *info, unsigned side, const char *said)
{
	struct proto_conn *conn = kit_open(info);
	enum proto_id id;

	kit_feed(conn, side, (const uint8_t *)said, strlen(said));
	id = proto_conn_app(conn);
	proto_conn_free(conn);
	return id == PROTO_NONE || id == PROTO_FAILED ? "-" : proto_name(id);
}

static void test_who_begins(void **state)
{
	static const struct proto_flow_info ftp = { .ip_proto = 6, .port = { 4000, 21 } };

	(void)state;
	assert_string_equal(whose(&tcp, 1, "+OK ready\r\n"), "pop3");
	assert_string_equal(whose(&tcp, 1, "+OK\r\n"), "-"); /* Redis says this */
	assert_string_equal(whose(&pop3, 1, "+OK\r\n"), "pop3");
	assert_string_equal(whose(&tcp, 0, "CAPA\r\n"), "pop3");
	assert_string_equal(whose(&pop3, 0, "USER x\r\n"), "pop3");
	assert_string_equal(whose(&ftp, 0, "USER login\r\n"), "ftp");
	assert_string_equal(whose(&tcp, 1, "* OK IMAP\r\n"), "imap");
	assert_string_equal(whose(&tcp, 0, "a001 login x y\r\n"), "imap");
	assert_string_equal(whose(&tcp, 0, "USER LOGIN x\r\n"), "ftp");
	assert_string_equal(whose(&tcp, 0, "say LOGIN x\r\n"), "-");
}

/* Lengths that lie, lines without end, more commands than anybody answers: safe, and over. */
static void test_limits(void **state)
{
	static char bytes[200000];
	struct out o;
	struct kit_part parts[] = { S("+OK hi\r\n"), { 0, bytes, 0 }, { 1, bytes, 0 } };
	static const char *const hostile[] = { "1 LOGIN {99999999999999999999}\r\nu",
		"1 LOGIN {999999999999999999}\r\nu", "1 LOGIN {-1}\r\n1 LOGIN {}\r\n",
		"1 APPEND x {0}\r\n {0+}\r\n\r\n", "* 1 FETCH (BODY[] {999999999}\r\nSubject: x",
		"* 1 FETCH (BODY[]<0> {9}\r\nSubject: x)\r\n", "{1}\r\n+ \r\n* \r\n\r\n] {1}\r\n" };

	(void)state;
	for (size_t i = 0; i < N(hostile); i++) {
		const struct kit_part both[] = { S("* OK hi\r\n"),
			{ 0, hostile[i], strlen(hostile[i]) },
			{ 1, hostile[i], strlen(hostile[i]) } };

		kit_check(&tcp, both, N(both), NULL);
	}
	for (unsigned kind = 0; kind < 4; kind++) {
		parts[0] = (struct kit_part){ 1, kind & 1 ? "+OK hi\r\n" : "* OK hi\r\n",
			kind & 1 ? 8 : 9 };
		o = out_make(bytes, sizeof(bytes));
		while (o.len < sizeof(bytes) - 100)
			out_str(&o, kind & 2 ? "a1 LIST x {5}" : "a1 LIST x\r\n* a {3}\r\n+OK\r\n");
		parts[1].len = parts[2].len = o.len;
		kit_run(&tcp, parts, N(parts), 1400, SIZE_MAX);
	}
}

/* Whoever waits for no answers may send any number: the last ones are matched, the first ones told without. */
static void test_imap_many_commands(void **state)
{
	static char client[100000], server[100000];
	struct out c = out_make(client, sizeof(client)), s = out_make(server, sizeof(server));
	const struct kit_part greeting = S("* OK hi\r\n");
	struct proto_conn *conn = kit_open(&tcp);

	(void)state;
	for (unsigned i = 1; i <= 1000; i++) {
		out_fmt(&c, i == 900 ? "%u LOGIN u p\r\n" : "%u NOOP\r\n", i);
		out_fmt(&s, "%u OK done\r\n", i);
	}
	kit_show_logins = true;
	kit_out = out_make(kit_text, sizeof(kit_text));
	kit_feed(conn, 1, (const uint8_t *)greeting.bytes, greeting.len);
	for (size_t at = 0; at < c.len; at += 1000)
		kit_feed(conn, 0, (const uint8_t *)client + at,
			c.len - at < 1000 ? c.len - at : 1000);
	assert_non_null(strstr(kit_text, "\"tag\":\"808\",\"command\":\"NOOP\",\"args\":[]}}\n"));
	assert_null(strstr(kit_text, "\"tag\":\"809\""));
	kit_feed(conn, 1, (const uint8_t *)server, s.len);
	assert_false(proto_conn_overrun(conn));
	assert_non_null(strstr(kit_text, "\"tag\":\"809\",\"command\":\"NOOP\",\"args\":[]},"
					 "\"response\":{\"success\":true"));
	assert_non_null(strstr(kit_text, "\"tag\":\"1000\",\"command\":\"NOOP\",\"args\":[]},"
					 "\"response\":{\"success\":true"));
	assert_non_null(strstr(kit_text, "login password u p - success\n"));
	kit_show_logins = false;
	proto_conn_free(conn);
}

/* Answers of POP3 come in order, some of them in several lines: that is kept of more than are told with theirs. */
static void test_pop3_many_commands(void **state)
{
	static char client[65536], server[65536], logins[65536];
	const struct kit_part parts[] = { S("+OK hi\r\n"), { 0, client, 0 }, { 1, server, 0 } };

	(void)state;
	kit_show_logins = true;
	for (unsigned n = 160; n <= 1600; n *= 10) {
		struct out c = out_make(client, sizeof(client)),
			   s = out_make(server, sizeof(server));
		struct out l = out_make(logins, sizeof(logins));
		struct kit_part said[N(parts)];

		for (unsigned i = 0; i < n; i++) {
			out_fmt(&c, "USER u%u\r\nPASS p%u\r\nLIST\r\n", i, i);
			out_fmt(&s, "+OK\r\n%s\r\n+OK\r\n-ERR 1\r\n.\r\n", i % 3 ? "-ERR" : "+OK");
			out_fmt(&l, "login password u%u p%u - %s\n", i, i,
				n > 160 ? "unknown"
				: i % 3 ? "failure"
					: "success");
		}
		memcpy(said, parts, sizeof(parts));
		said[1].len = c.len;
		said[2].len = s.len;
		assert_true(out_ok(&c) && out_ok(&s) && out_ok(&l));
		assert_string_equal(
			kit_lines(kit_run(&tcp, said, N(parts), 1400, SIZE_MAX), "login "), logins);
		assert_int_equal(strstr(kit_text, "\"data\":[\"-ERR 1\"]") != NULL, n == 160);
	}
	kit_show_logins = false;
}

/* Long ones that nobody answers do not use up the room of what comes behind them. */
static void test_pop3_much_that_waits(void **state)
{
	static char client[1u << 20];
	struct out c = out_make(client, sizeof(client));
	struct proto_conn *conn = kit_open(&tcp);
	const char *answers = "+OK\r\n+OK\r\n";

	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		out_str(&c, "NOOP ");
		for (unsigned at = 0; at < 1000; at++)
			out_char(&c, 1);
		out_str(&c, "\r\n");
	}
	out_str(&c, "USER u\r\nPASS p\r\n");
	assert_true(out_ok(&c));
	kit_show_logins = true;
	kit_out = out_make(kit_text, sizeof(kit_text));
	kit_feed(conn, 1, (const uint8_t *)"+OK hi\r\n", 8);
	for (size_t at = 0; at < c.len; at += 60000)
		kit_feed(conn, 0, (const uint8_t *)client + at,
			c.len - at < 60000 ? c.len - at : 60000);
	kit_out = out_make(kit_text, sizeof(kit_text));
	for (unsigned i = 0; i < 201; i++)
		kit_feed(conn, 1, (const uint8_t *)answers, strlen(answers));
	assert_true(out_ok(&kit_out));
	assert_false(proto_conn_overrun(conn));
	assert_non_null(strstr(kit_text, "login password u p - success\n"));
	kit_show_logins = false;
	proto_conn_free(conn);
}

static void test_gaps(void **state)
{
	static const char *const heads[] = { "* OK\r\n* 1 FETCH (BODY[] {500}\r\n", "+OK hi\r\n" };

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		for (unsigned len = 1; len < 1000; len += 499) {
			struct proto_conn *conn = kit_open(&pop3);

			kit_out = out_make(kit_text, sizeof(kit_text));
			kit_feed(conn, 1, (const uint8_t *)heads[i], strlen(heads[i]));
			kit_feed(conn, 0, (const uint8_t *)"RETR 1\r\n", 8);
			kit_feed(conn, 1, (const uint8_t *)"+OK\r\n" MAIL, 150);
			proto_gap(conn, 1, len);
			kit_feed(conn, 1, (const uint8_t *)"x\r\n.\r\n+OK\r\n", 11);
			proto_gap(conn, 0, len);
			kit_feed(conn, 0, (const uint8_t *)"x\r\n1 LOGIN a b\r\n", 16);
			proto_conn_free(conn);
		}
}

/* A command whose literal was not seen to its end is over: the next one is one of its own. */
static void test_gap_in_a_command(void **state)
{
	struct proto_conn *conn = kit_open(&tcp);

	(void)state;
	kit_out = out_make(kit_text, sizeof(kit_text));
	kit_feed(conn, 1, (const uint8_t *)"* OK hi\r\n", 9);
	kit_feed(conn, 0, (const uint8_t *)"a1 SEARCH TEXT {9+}\r\nabc", 24);
	proto_gap(conn, 0, 100);
	kit_feed(conn, 0, (const uint8_t *)"rest\r\na2 SELECT x\r\n", 19);
	kit_feed(conn, 1, (const uint8_t *)"a1 OK\r\na2 NO\r\n", 14);
	assert_non_null(strstr(kit_text, "\"command\":\"SEARCH\",\"args\":[\"TEXT\",\"abc\"]}"));
	assert_non_null(
		strstr(kit_text, "\"tag\":\"a2\",\"command\":\"SELECT\",\"args\":[\"x\"]}"));
	proto_conn_free(conn);
}

/* Whoever asks when the last answer has come has had those before: what was not seen of the answers costs no others. The
 * gap is told when what comes behind it does, or when it was acknowledged. */
static void test_pop3_lost_answers(void **state)
{
	static const struct kit_part greeting[] = { C("USER u\r\n"), LOST, S("+OK\r\n"),
		C("PASS p\r\n"), S("-ERR\r\n") };
	static const struct kit_part list[] = { S("+OK hi\r\n"), C("AUTH PLAIN\r\n"), S("+ \r\n"),
		C("AHUAcA==\r\n"), S("+OK in\r\n"), C("STAT\r\n"), S("+OK 1\r\n"), C("LIST\r\n"),
		C("UIDL\r\n"), LOST, S("+OK\r\n1 one\r\n.\r\n"), C("QUIT\r\n"), S("+OK bye\r\n") };
	static const struct kit_part early[] = { S("+OK hi\r\n"), C("STAT\r\n"), LOST,
		C("RETR 1\r\n"), S("+OK\r\nmail\r\n.\r\n"), C("QUIT\r\n"), S("+OK bye\r\n") };
	static const struct kit_part dot[] = { S("+OK hi\r\n"), C("LIST\r\n"), S("+OK\r\n1 9\r\n"),
		C("STAT\r\n"), LOST, S("+OK 7\r\n"), C("QUIT\r\n"), S("+OK bye\r\n") };

	(void)state;
	assert_non_null(
		strstr(kit_run_lossy(&pop3, PARTS(greeting)), "login password u p - failure\n"));
	kit_run_lossy(&pop3, PARTS(list));
	assert_non_null(
		strstr(kit_text, "\"UIDL\",\"args\":[]},\"response\":{\"success\":true,"
				 "\"status\":\"OK\",\"header\":\"\",\"data\":[\"1 one\"]}"));
	assert_non_null(strstr(kit_text, "\"header\":\"bye\""));
	kit_run_lossy(&pop3, PARTS(early));
	assert_non_null(strstr(kit_text, "file message.eml 6"));
	assert_non_null(strstr(kit_text, "\"header\":\"bye\""));
	kit_run_lossy(&pop3, PARTS(dot));
	assert_non_null(strstr(kit_text, "\"data\":[\"1 9\"]}"));
	assert_non_null(strstr(kit_text, "\"header\":\"7\""));
	assert_non_null(strstr(kit_text, "\"header\":\"bye\""));
}

/* What AUTH asks for belongs to it, though it was not seen that it asked. */
static void test_pop3_lost_questions(void **state)
{
	static const struct kit_part plain[] = { S("+OK hi\r\n"), C("AUTH PLAIN\r\n"),
		C("AHUAcA==\r\n"), LOST, S("+OK in\r\n"), C("STAT\r\n"), S("+OK 7\r\n") };
	static const struct kit_part first[] = { S("+OK hi\r\n"), C("AUTH LOGIN\r\n"),
		C("dQ==\r\n"), LOST, S("+ UGFzc3dvcmQ6\r\n"), C("cA==\r\n"), S("-ERR no\r\n"),
		C("STAT\r\n"), S("+OK 7\r\n") };
	static const struct kit_part second[] = { S("+OK hi\r\n"), C("AUTH LOGIN\r\n"),
		S("+ VXNlcm5hbWU6\r\n"), C("dQ==\r\n"), C("cA==\r\n"), LOST, S("-ERR no\r\n"),
		C("STAT\r\n"), S("+OK 7\r\n") };

	(void)state;
	kit_run_lossy(&pop3, PARTS(plain));
	assert_non_null(strstr(kit_text, "login plain u p - success\n"));
	assert_non_null(strstr(kit_text, "\"STAT\",\"args\":[]},\"response\":{\"success\":true,"));
	kit_run_lossy(&pop3, PARTS(first));
	assert_non_null(strstr(kit_text, "login login u p - failure\n"));
	assert_non_null(strstr(kit_text, "\"STAT\",\"args\":[]},\"response\":{\"success\":true,"));
	kit_run_lossy(&pop3, PARTS(second));
	assert_non_null(strstr(kit_text, "login login u p - failure\n"));
	assert_non_null(strstr(kit_text, "\"STAT\",\"args\":[]},\"response\":{\"success\":true,"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pop3),
		cmocka_unit_test(test_pop3_logins),
		cmocka_unit_test(test_pop3_blanks_and_zeros),
		cmocka_unit_test(test_pop3_auth_refused),
		cmocka_unit_test(test_pop3_auth_not_decided),
		cmocka_unit_test(test_pop3_random_conversations),
		cmocka_unit_test(test_imap_long_tags),
		cmocka_unit_test(test_imap),
		cmocka_unit_test(test_imap_parts),
		cmocka_unit_test(test_imap_text),
		cmocka_unit_test(test_imap_logins),
		cmocka_unit_test(test_another_protocol_begins),
		cmocka_unit_test(test_who_begins),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_imap_many_commands),
		cmocka_unit_test(test_pop3_many_commands),
		cmocka_unit_test(test_pop3_much_that_waits),
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_pop3_lost_answers),
		cmocka_unit_test(test_pop3_lost_questions),
		cmocka_unit_test(test_gap_in_a_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
