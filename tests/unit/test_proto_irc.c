/* SPDX-License-Identifier: Apache-2.0 */
/* IRC: what is said, logins, offers of files; and DCC, which brings them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto_kit.h"

#define N(parts) (sizeof(parts) / sizeof((parts)[0]))

static const struct proto_flow_info tcp = { .ip_proto = 6, .port = { 4000, 31337 } };

static void test_a_session(void **state)
{
	static const struct kit_part parts[] = {
		C("PASS secret\r\nNICK bob\r\nUSER b 0 * :B\r\n"),
		S(":srv NOTICE * :*** Looking up\r\nPING :1\r\n"),
		C("PONG :1\n"),
		S(":srv 001 bob :Welcome\r\n:srv 372 bob :- motd\r\n"),
		C("JOIN #a,#b key\r\n"),
		S(":bob!b@h JOIN #a\r\n:bob!b@h JOIN :#b\r\n:srv 332 bob #a :.scan 10.0.0.0/8\r\n"
		  "@time=1 :al!a@h JOIN #a al :Al Example\r\n:al!a@h PRIVMSG #a :hi \xff\r\n"),
		C("PRIVMSG #a,al :one : two\r\nNICK rob\r\nTOPIC #a\r\n"),
		S(":bob!b@h NICK :rob\r\n"),
		C("NOTICE al :psst\r\nKICK #a al :go away\r\nMODE #a +o  al\r\nINVITE al "
		  "#a\r\nPART #b\r\n"),
		S(":rob!b@h KICK #a al :go away\r\n:al!a@h QUIT :Gone\r\n"),
		C("QUIT\r\n"),
		S("ERROR :Closing Link\r\n"),
	};

	(void)state;
	kit_check(&tcp, parts, N(parts),
		"irc \"chat\":{\"kind\":\"notice\",\"nick\":\"srv\",\"to\":\"*\","
		"\"text\":\"*** Looking up\"}\n"
		"irc "
		"\"chat\":{\"kind\":\"join\",\"nick\":\"bob\",\"channel\":\"#a\",\"text\":\"key\"}"
		"\n"
		"irc "
		"\"chat\":{\"kind\":\"join\",\"nick\":\"bob\",\"channel\":\"#b\",\"text\":\"key\"}"
		"\n"
		"irc \"chat\":{\"kind\":\"topic\",\"nick\":\"srv\",\"channel\":\"#a\","
		"\"text\":\".scan 10.0.0.0/8\"}\n"
		"irc \"chat\":{\"kind\":\"join\",\"nick\":\"al\",\"channel\":\"#a\"}\n"
		"irc \"chat\":{\"kind\":\"message\",\"nick\":\"al\",\"channel\":\"#a\","
		"\"text\":\"hi \\ufffd\"}\n"
		"irc \"chat\":{\"kind\":\"message\",\"nick\":\"bob\",\"channel\":\"#a\","
		"\"text\":\"one : two\"}\n"
		"irc \"chat\":{\"kind\":\"message\",\"nick\":\"bob\",\"to\":\"al\","
		"\"text\":\"one : two\"}\n"
		"irc \"chat\":{\"kind\":\"nick\",\"nick\":\"bob\",\"to\":\"rob\"}\n"
		"irc "
		"\"chat\":{\"kind\":\"notice\",\"nick\":\"rob\",\"to\":\"al\",\"text\":\"psst\"}\n"
		"irc \"chat\":{\"kind\":\"kick\",\"nick\":\"rob\",\"channel\":\"#a\",\"to\":\"al\","
		"\"text\":\"go away\"}\n"
		"irc \"chat\":{\"kind\":\"mode\",\"nick\":\"rob\",\"channel\":\"#a\","
		"\"text\":\"+o  al\"}\n"
		"irc \"chat\":{\"kind\":\"invite\",\"nick\":\"rob\",\"channel\":\"#a\","
		"\"to\":\"al\"}\n"
		"irc \"chat\":{\"kind\":\"part\",\"nick\":\"rob\",\"channel\":\"#b\"}\n"
		"irc \"chat\":{\"kind\":\"quit\",\"nick\":\"al\",\"text\":\"Gone\"}\n"
		"irc \"chat\":{\"kind\":\"quit\",\"nick\":\"rob\"}\n");
}

/* What the server does to the client unasked is told, and its nick followed. */
static void test_what_was_not_asked_for(void **state)
{
	static const struct kit_part parts[] = {
		C("NICK bob\r\n"),
		S(":srv 001 bob :Welcome\r\n:bob!b@h JOIN #a\r\n:bob!b@h NICK Guest7\r\n"),
		C("JOIN #b\r\n"),
		S(":srv 473 Guest7 #b :Cannot join\r\n:Guest7!b@h JOIN #c\r\n"),
		C("PRIVMSG #b :x\r\n"),
		S(":Guest7 PRIVMSG #b :.update\r\n"),
	};

	(void)state;
	kit_check(&tcp, parts, N(parts),
		"irc \"chat\":{\"kind\":\"join\",\"nick\":\"bob\",\"channel\":\"#a\"}\n"
		"irc \"chat\":{\"kind\":\"nick\",\"nick\":\"bob\",\"to\":\"Guest7\"}\n"
		"irc \"chat\":{\"kind\":\"join\",\"nick\":\"Guest7\",\"channel\":\"#b\"}\n"
		"irc \"chat\":{\"kind\":\"join\",\"nick\":\"Guest7\",\"channel\":\"#c\"}\n"
		"irc \"chat\":{\"kind\":\"message\",\"nick\":\"Guest7\",\"channel\":\"#b\","
		"\"text\":\"x\"}\n"
		"irc \"chat\":{\"kind\":\"message\",\"nick\":\"Guest7\",\"channel\":\"#b\","
		"\"text\":\".update\"}\n");
}

static void test_logins(void **state)
{
	static const struct kit_part parts[] = {
		C("CAP LS\r\nPASS s1\r\nNICK bob\r\n"),
		S(":srv 433 * bob :Nickname is already in use.\r\n"),
		C("NICK bob_\r\n"),
		S(":srv 001 bob_ :Welcome\r\n"),
		C("OPER root bad\r\n"),
		S(":srv 491 bob_ :No\r\n"),
		C("OPER root worse\r\n"),
		S(":srv 464 bob_ :No\r\n"),
		C("OPER root good\r\n"),
		S(":srv 381 bob_ :Yes\r\n"),
		C("PRIVMSG NickServ :IDENTIFY pw1\r\n"),
		S(":NickServ!s@services NOTICE bob_ :Invalid password for bob_.\r\n"),
		C("PRIVMSG NickServ@services. :identify acc pw2\r\n"),
		S(":NickServ!s@services NOTICE bob_ :You are now identified for acc.\r\n"),
		C("NS IDENTIFY pw3\r\n"),
	};

	(void)state;
	kit_show_logins = true;
	kit_check(&tcp, parts, N(parts),
		"login - bob s1 - failure\n"
		"login - bob_ s1 - success\n"
		"login oper root bad - failure\n"
		"login oper root worse - failure\n"
		"login oper root good - success\n"
		"login nickserv bob_ pw1 - failure\n"
		"irc \"chat\":{\"kind\":\"notice\",\"nick\":\"NickServ\",\"to\":\"bob_\","
		"\"text\":\"Invalid password for bob_.\"}\n"
		"login nickserv acc pw2 - success\n"
		"irc \"chat\":{\"kind\":\"notice\",\"nick\":\"NickServ\",\"to\":\"bob_\","
		"\"text\":\"You are now identified for acc.\"}\n"
		"login nickserv bob_ pw3 - unknown\n");
	kit_show_logins = false;
}

static void test_nobody_answers(void **state)
{
	static const struct kit_part parts[] = { C("PASS s1\r\nNICK bob\r\nUSER b 0 * :B\r\n") };

	(void)state;
	kit_show_logins = true;
	kit_check(&tcp, parts, N(parts), "login - bob s1 - unknown\n");
	kit_show_logins = false;
}

/* ngircd says it without a number. */
static void test_turned_away(void **state)
{
	static const struct kit_part parts[] = {
		C("PASS s1\r\nNICK bob\r\nUSER b 0 * :B\r\n"),
		S("ERROR :Access denied: Bad password?\r\n"),
	};

	(void)state;
	kit_show_logins = true;
	kit_check(&tcp, parts, N(parts), "login - bob s1 - failure\n");
	kit_show_logins = false;
}

static void test_offers(void **state)
{
	static const struct kit_part parts[] = {
		C("NICK bob\r\nPRIVMSG al :\1DCC SEND a.sh 2130706433 4000 12\1\r\n"),
		S(":srv 001 bob :Welcome\r\n"),
		S(":al!a@h PRIVMSG bob :\1DCC SEND \"b c\" 3221225985 4001 12\1\r\n"),
		S(":al!a@h PRIVMSG bob :\1DCC SEND d 2001:db8::1 4002\1\r\n"),
		S(":al!a@h PRIVMSG bob :\1DCC SEND passive 3221225985 0 12 77\1\r\n"),
		S(":al!a@h PRIVMSG bob :\1DCC SEND x 99999999999 4003 1\1\r\n"),
		S(":al!a@h PRIVMSG bob :\1DCC SEND x :: 4003 1\1\r\n"),
		S(":al!a@h PRIVMSG bob :\1DCC SEND x 1 65536\1\r\n"),
		S(":al!a@h PRIVMSG bob :\1DCC SEND\1\r\n"),
		C("PRIVMSG al :\1DCC SEND passive 2130706433 4004 12 77\1\r\n"),
	};
	const char *text;

	(void)state;
	kit_check(&tcp, parts, N(parts), NULL);
	text = kit_run(&tcp, parts, N(parts), 0, SIZE_MAX);
	assert_non_null(strstr(text, "expect dcc 4000 0 0 SEND a.sh\n"));
	assert_non_null(strstr(text, "expect dcc 4001 1 1 SEND b c\n"));
	assert_non_null(strstr(text, "expect dcc 4002 1 1 SEND d\n"));
	assert_non_null(strstr(text, "expect dcc 4004 0 1 SEND passive\n"));
	assert_null(strstr(text, "SEND x\n"));
	assert_null(strstr(text, "expect dcc 0 "));
}

static void test_a_file(void **state)
{
	static const struct proto_expect announced = { .proto = PROTO_DCC,
		.listens = 1,
		.sender = 1,
		.command = "SEND",
		.name_len = 1,
		.name = "x" };
	static const struct proto_flow_info data = { .ip_proto = 6, .expected = &announced };
	static const struct kit_part parts[] = { S("GET / HTTP/1.0\r\n\r\n"), C("\0\0\0\x12"),
		S("more"), C("\0\0\0\x16") };
	static const struct kit_part other[] = { C("GET / HTTP/1.0\r\n\r\n") };

	(void)state;
	kit_check(&data, parts, N(parts),
		"file x 22\ndcc \"dcc\":{\"filename\":\"x\",\"command\":\"SEND\"}\n");
	assert_true(kit_has(&data, other, 1, "http.method=GET\n"));
}

/* Lines longer than any, fields longer than a record has room for. */
static void test_long(void **state)
{
	static char text[40000];
	struct kit_part parts[] = { C("NICK bob\r\n"), { 1, text, 0 } };
	const char *cut;

	(void)state;
	parts[1].len = (size_t)snprintf(text, sizeof(text),
		":a PRIVMSG #%0*d :%0*d\r\n:a 372 bob :%0*d\r\n:a PRIVMSG b :c\r\n", 300, 1, 20000,
		2, 10000, 3);
	kit_show_buffers = false;
	cut = kit_run(&tcp, parts, 2, 0, SIZE_MAX);
	assert_non_null(strstr(cut, "0\",\"cut\":true} !irc.line_too_long\nirc -"));
	assert_non_null(strstr(cut, "irc - !irc.line_too_long\nirc \"chat\":{"));
	assert_non_null(strstr(cut, "\"nick\":\"a\",\"to\":\"b\",\"text\":\"c\"}\n"));
	assert_in_range(strlen(cut), 256 + 2560, 256 + 2560 + 400);
	for (size_t piece = 1; piece < 20000; piece = piece * 7 + 1) {
		char *whole = strdup(cut);

		assert_string_equal(whole, kit_run(&tcp, parts, 2, piece, SIZE_MAX));
		free(whole);
	}
}

/* Many parameters, targets and none; a gap in a line. */
static void test_odd(void **state)
{
	static const struct kit_part parts[] = { C(
		"NICK bob\r\n\r\n \r\nJOIN\r\nPRIVMSG x\r\n:\r\n@\r\n"
		"MODE a b c d e f g h i j k l m n o p q r\r\n"
		"PRIVMSG 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17 :z") };
	const char *text;
	struct proto_conn *conn;

	(void)state;
	kit_check(&tcp, parts, 1, NULL);
	text = kit_run(&tcp, parts, 1, 0, SIZE_MAX);
	assert_non_null(strstr(text, "\"text\":\"b c d e f g h i j k l m n o p q r\"}\n"));
	assert_non_null(strstr(text, "\"to\":\"16,17\",\"text\":\"z\"}\n"));
	assert_null(strstr(text, "\"join\""));

	kit_out = out_make(kit_text, sizeof(kit_text));
	conn = kit_open(&tcp);
	kit_feed(conn, 0, (const uint8_t *)"NICK bob\r\nPRIVMSG a :lo", 23);
	proto_gap(conn, 0, 10);
	kit_feed(conn, 0, (const uint8_t *)"ng\r\nPRIVMSG a :2\r\nPRIVMSG a :lo", 31);
	proto_gap(conn, 0, 10);
	kit_feed(conn, 0, (const uint8_t *)"PRIVMSG a :3\r\n", 14);
	proto_conn_free(conn);
	assert_string_equal(kit_text,
		"irc "
		"\"chat\":{\"kind\":\"message\",\"nick\":\"bob\",\"to\":\"a\",\"text\":\"2\"}\n"
		"irc "
		"\"chat\":{\"kind\":\"message\",\"nick\":\"bob\",\"to\":\"a\",\"text\":\"3\"}\n");
}

/* Lines that were never seen cost no others. */
static void test_lost_lines(void **state)
{
	static const char said[] = "NICK bob\r\n", next[] = "PRIVMSG a :1\r\n",
			  rest[] = "of it\r\nPRIVMSG a :2\r\n";
	struct proto_conn *conn = kit_open(&tcp);

	(void)state;
	kit_out = out_make(kit_text, sizeof(kit_text));
	kit_feed(conn, 0, (const uint8_t *)said, sizeof(said) - 1);
	proto_gap(conn, 0, 10);
	kit_feed(conn, 0, (const uint8_t *)next, sizeof(next) - 1);
	proto_gap(conn, 0, 10);
	kit_feed(conn, 0, (const uint8_t *)rest, sizeof(rest) - 1);
	proto_gap(conn, 1, 10);
	kit_feed(conn, 1, (const uint8_t *)":x!y@z ", 7);
	kit_feed(conn, 1, (const uint8_t *)"JOIN #a\r\n", 9);
	proto_conn_free(conn);
	assert_string_equal(kit_text,
		"irc \"chat\":{\"kind\":\"message\",\"nick\":\"bob\",\"to\":\"a\",\"text\":\"1\"}\n"
		"irc \"chat\":{\"kind\":\"message\",\"nick\":\"bob\",\"to\":\"a\",\"text\":\"2\"}\n"
		"irc \"chat\":{\"kind\":\"join\",\"nick\":\"x\",\"channel\":\"#a\"}\n");
}

static enum proto_id recognised(unsigned side, const char *said)
{
	struct proto_conn *conn = kit_open(&tcp);
	enum proto_id id;

	kit_feed(conn, side, (const uint8_t *)said, strlen(said));
	id = proto_conn_id(conn, side);
	proto_conn_free(conn);
	return id;
}

static void test_guess(void **state)
{
	static const char *const client[] = { "CAP LS 302\r\n", "nick x\r\n", "PASS a\r\nNICK x\n",
		"USER a b c :d\r\n", "PASS a\r\nUSER a b c d\r\n", "PONG :x\r\n", "JOIN #x\r\n" };
	static const char *const server[] = { ":srv 001 x :Hi\r\n", "NOTICE AUTH :***\r\n",
		"PING :x\r\n", "@a=b :srv NOTICE * :x\r\n", ":a!b@c PRIVMSG #d :e\r\n" };
	static const char *const others[] = { "USER a\r\n", "CAP X\r\n", "NICKEL x\r\n",
		"JOIN us\r\n", "PASS\r\n", "GET / HTTP/1.0\r\n\r\n" };

	(void)state;
	for (size_t i = 0; i < N(client); i++)
		assert_int_equal(recognised(0, client[i]), PROTO_IRC);
	for (size_t i = 0; i < N(server); i++)
		assert_int_equal(recognised(1, server[i]), PROTO_IRC);
	for (size_t i = 0; i < N(others); i++)
		assert_int_not_equal(recognised(0, others[i]), PROTO_IRC);
	assert_int_not_equal(recognised(1, ": hello\r\n"), PROTO_IRC);
	assert_int_not_equal(recognised(1, "ERROR 5\r\n"), PROTO_IRC);
	assert_int_equal(recognised(0, "USER a\r\n"), PROTO_FTP);
}

static void test_starttls(void **state)
{
	static const struct kit_part parts[] = { C("NICK bob\r\nSTARTTLS\r\n"),
		S(":srv 670 bob :go ahead\r\n"), C("NICK rob\r\nPRIVMSG a :b\r\n") };

	(void)state;
	kit_check(&tcp, parts, N(parts),
		"irc "
		"\"chat\":{\"kind\":\"message\",\"nick\":\"rob\",\"to\":\"a\",\"text\":\"b\"}\n");
}

/* A server that goes on to TLS unasked is not believed. */
static void test_tls_unasked(void **state)
{
	static const struct kit_part parts[] = { C("NICK bob\r\n"),
		S(":srv 001 bob :hi\r\n:srv 670 bob :go ahead\r\nx y\r\n:al!a@h PRIVMSG bob "
		  ":do\r\n") };

	(void)state;
	kit_check(&tcp, parts, N(parts),
		"irc "
		"\"chat\":{\"kind\":\"message\",\"nick\":\"al\",\"to\":\"bob\",\"text\":\"do\"}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_session),
		cmocka_unit_test(test_what_was_not_asked_for),
		cmocka_unit_test(test_logins),
		cmocka_unit_test(test_nobody_answers),
		cmocka_unit_test(test_turned_away),
		cmocka_unit_test(test_offers),
		cmocka_unit_test(test_a_file),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_odd),
		cmocka_unit_test(test_lost_lines),
		cmocka_unit_test(test_guess),
		cmocka_unit_test(test_starttls),
		cmocka_unit_test(test_tls_unasked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
