/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "login_kit.h"

static const struct proto_flow_info tcp = { .ip_proto = 6, .port = { 4000, 25 } };

#define ENVELOPE                                                                          \
	S("220 mx ESMTP\r\n"), C("EHLO me\r\n"), S("250-mx\r\n250 CHUNKING\r\n"),         \
		C("MAIL FROM:<a@b> SIZE=9\r\n"), S("250 ok\r\n"), C("RCPT TO:<c@d>\r\n"), \
		S("250 ok\r\n")
#define SMTP "\"smtp\":{\"helo\":\"me\",\"mail_from\":\"<a@b>\",\"rcpt_to\":[\"<c@d>\"]}"

static const struct kit_part mail[] = { ENVELOPE, C("DATA\r\n"), S("354 go\r\n"),
	C("From: A <a@b>\r\nTo: c@d, \"x,y\" <e@f>\r\nSubject: one\r\n two\r\n"
	  "Content-Type: multipart/mixed;\r\n\tboundary=\"cut here\"\r\n\r\npreamble\r\n"
	  "--cut here\r\nContent-Type: text/plain\r\n\r\nsee http://x.example/y now\r\n"
	  "..dots\r\n--cut here\r\nContent-Type: application/zip; name=a.zip\r\n"
	  "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8g\r\nd29ybGQ=\r\n--cut here\r\n"
	  "Content-Disposition: attachment; filename=\"b.txt\"\r\n"
	  "Content-Transfer-Encoding: quoted-printable\r\n\r\na=3Db=\r\nc\r\nd\r\n"
	  "--cut here--\r\nepilogue\r\n.\r\n"),
	S("250 queued\r\n"), C("QUIT\r\n"), S("221 bye\r\n") };

static void test_a_mail_with_files(void **state)
{
	(void)state;
	kit_check(&tcp, mail, sizeof(mail) / sizeof(mail[0]),
		"file a.zip 11\nfile b.txt 7\nfile onetwo.eml 458\n"
		"smtp " SMTP ",\"email\":{\"status\":\"PARSE_DONE\",\"from\":\"A <a@b>\",\"to\":"
		"[\"c@d\",\"\\\"x,y\\\" <e@f>\"],\"subject\":\"onetwo\",\"attachment\":"
		"[\"a.zip\",\"b.txt\"],\"url\":[\"http://x.example/y\"]}\n");
	assert_true(kit_has(&tcp, mail, sizeof(mail) / sizeof(mail[0]), "file.data=hello world\n"));
	assert_true(
		kit_has(&tcp, mail, sizeof(mail) / sizeof(mail[0]), "file.data=a=bc\\x0d\\x0ad\n"));
	assert_true(kit_has(&tcp, mail, sizeof(mail) / sizeof(mail[0]), "smtp.rcpt_to=<c@d>\n"));
}

/* Names in pieces (RFC 2231), none at all, and files in the text. */
static void test_names_of_files(void **state)
{
	static const struct kit_part parts[] = { ENVELOPE, C("DATA\r\n"), S("354 go\r\n"),
		C("Subject: s\r\nContent-Type: multipart/mixed; boundary=cut\r\n\r\n--cut\r\n"
		  "Content-Disposition: attachment; filename*0=\"lo\"; "
		  "filename*1=\"ng.exe\"\r\n\r\n"
		  "MZ\r\n--cut\r\n"
		  "Content-Type: image/png; name*=utf-8'en'a%2fb%2\r\n\r\nabc\r\n--cut\r\n"
		  "Content-Type: text/html; name=x\r\n"
		  "Content-Disposition: inline; filename*1=no; "
		  "filename*0*=''%41\r\n\r\nab\r\n--cut\r\n"
		  "Content-Type: application/x-elf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
		  "f0VMRg==\r\n--cut\r\n"
		  "Content-Type: text/plain\r\n\r\nhere:\r\nbegin 644 "
		  "old.com\r\n%:&5L;&\\\r\n`\r\nend\r\n"
		  "begin 600 half\r\n%:&5L;&\\\r\nbegin the day\r\n--cut--\r\n.\r\n"),
		S("250 queued\r\n") };

	(void)state;
	kit_check(&tcp, parts, sizeof(parts) / sizeof(parts[0]), NULL);
	kit_run(&tcp, parts, sizeof(parts) / sizeof(parts[0]), 0, SIZE_MAX);
	assert_true(
		strncmp(kit_text,
			"file long.exe 2\nfile a/b%2 3\nfile A 2\nfile  4\nfile old.com 5\n"
			"file half 5 cut\nfile s.eml ",
			strlen("file long.exe 2\nfile a/b%2 3\nfile A 2\nfile  4\nfile old.com 5\n"
			       "file half 5 cut\nfile s.eml ")) == 0);
	assert_non_null(strstr(
		kit_text, "\"attachment\":[\"long.exe\",\"a/b%2\",\"A\",\"old.com\",\"half\"]"));
}

/* Words of two charsets, side by side, with a language; what is no word or cannot be read stays as it is, and so does
 * what rules see. */
static void test_encoded_words(void **state)
{
	static const struct kit_part parts[] = { ENVELOPE, C("DATA\r\n"), S("354 go\r\n"),
		C("From: =?iso-8859-1?q?J=F6rg_B?= <a@b>\r\nSubject: re: =?UTF-8?B?cGF5?=\r\n"
		  " =?utf-8*en?Q?m=65nt?= now =?koi8-r?B?8A==?= =?x?Z?y?= =?utf-8?B?a\r\n"
		  "Content-Type: multipart/mixed; boundary=cut\r\n\r\n--cut\r\n"
		  "Content-Disposition: attachment; filename=\"=?utf-8?B?w6QuZXhl?=\"\r\n\r\n"
		  "MZ\r\n--cut\r\nContent-Type: image/png; name==?gb2312?Q?a=2Escr?=\r\n\r\nM\r\n"
		  "--cut--\r\n.\r\n"),
		S("250 queued\r\n") };
	const size_t n = sizeof(parts) / sizeof(parts[0]);

	(void)state;
	kit_check(&tcp, parts, n,
		"file \\xc3\\xa4.exe 2\nfile a.scr 1\n"
		"file re: payment now =?koi8-r?B?8A==?= =?x?Z?y?= =?utf-8?B?a.eml 337\n"
		"smtp " SMTP
		",\"email\":{\"status\":\"PARSE_DONE\",\"from\":\"J\xc3\xb6rg B <a@b>\","
		"\"subject\":\"re: payment now =?koi8-r?B?8A==?= =?x?Z?y?= =?utf-8?B?a\","
		"\"attachment\":[\"\xc3\xa4.exe\",\"a.scr\"]}\n");
	assert_true(
		kit_has(&tcp, parts, n, "email.subject=re: =?UTF-8?B?cGF5?==?utf-8*en?Q?m=65nt?="));
	assert_true(kit_has(&tcp, parts, n, "file.name=\\xc3\\xa4.exe\n"));
	kit_spoil(&tcp, parts, n);
}

/* The last of many files is one, too; what is more is not looked at, and that is known. */
static void test_many_files(void **state)
{
	static char text[64 << 10];

	(void)state;
	for (unsigned files = 60; files <= 100; files += 40) {
		struct out o = out_make(text, sizeof(text));
		const struct kit_part parts[] = { ENVELOPE, C("DATA\r\n"), S("354 go\r\n"),
			{ 0, text, 0 } };
		struct proto_conn *conn = kit_open(&tcp);
		char last[64];

		kit_out = out_make(kit_text, sizeof(kit_text));
		out_str(&o, "Content-Type: multipart/mixed; boundary=c\r\n\r\n");
		for (unsigned i = 0; i < files; i++)
			out_fmt(&o, "--c\r\nContent-Type: application/zip; name=f%u\r\n\r\nabc\r\n",
				i);
		out_str(&o, "--c--\r\n.\r\n");
		for (size_t i = 0; i + 1 < sizeof(parts) / sizeof(parts[0]); i++)
			kit_feed(conn, parts[i].side, parts[i].bytes, parts[i].len);
		kit_feed(conn, 0, (const uint8_t *)text, o.len);
		snprintf(last, sizeof(last), "file f%u 3\n", files - 1);
		assert_int_equal(strstr(kit_text, last) != NULL, files == 60);
		assert_int_equal(proto_conn_limited(conn), files != 60);
		proto_conn_free(conn);
	}
}

/* Files that have ended make room for the next ones: rules see all of them. */
static void test_large_files(void **state)
{
	static char text[100 << 10];
	static const struct kit_part parts[] = { ENVELOPE, C("DATA\r\n"), S("354 go\r\n"),
		C("Content-Type: multipart/mixed; boundary=c\r\n\r\n") };
	struct proto_conn *conn = kit_open(&tcp);
	struct out o;

	(void)state;
	kit_out = out_make(kit_text, sizeof(kit_text));
	kit_show_buffers = true;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		kit_feed(conn, parts[i].side, parts[i].bytes, parts[i].len);
	for (unsigned i = 0; i < 30; i++) {
		o = out_make(text, sizeof(text));
		out_fmt(&o, "--c\r\nContent-Type: application/zip; name=f%u\r\n\r\n", i);
		while (o.len < 90000)
			out_str(&o,
				"nothing but this, in lines that are long enough for a file\r\n");
		out_fmt(&o, "evil %u\r\n", i);
		for (size_t at = 0; at < o.len; at += 1400) {
			kit_out.len = 0;
			kit_feed(conn, 0, (const uint8_t *)text + at,
				o.len - at < 1400 ? o.len - at : 1400);
		}
		snprintf(text, sizeof(text), "evil %u", i);
		assert_non_null(strstr(kit_text, text));
	}
	assert_false(proto_conn_limited(conn));
	kit_show_buffers = false;
	proto_conn_free(conn);
}

static void test_chunks_and_pipelining(void **state)
{
	static const struct kit_part parts[] = { ENVELOPE,
		C("BDAT 9\r\nFrom: a\r\nBDAT 7 LAST\r\n\r\nhello"
		  "MAIL FROM:<g@h>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
		S("250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n503 no\r\n") };

	(void)state;
	kit_check(&tcp, parts, sizeof(parts) / sizeof(parts[0]),
		"file message.eml 16\n"
		"smtp " SMTP ",\"email\":{\"status\":\"PARSE_DONE\",\"from\":\"a\"}\n"
		"smtp \"smtp\":{\"helo\":\"me\",\"mail_from\":\"<g@h>\",\"rcpt_to\":[\"<c@d>\"]}"
		" !smtp.data_command_rejected\n");
}

/* RFC 3030, 4.3: the end of a message may be a chunk of nothing. */
static void test_last_chunk_is_empty(void **state)
{
	static const struct kit_part parts[] = { ENVELOPE,
		C("BDAT 18\r\nFrom: a\r\n\r\nhello\r\nBDAT 0 LAST\r\nQUIT\r\n"),
		S("250 ok\r\n250 ok\r\n221 bye\r\n") };
	static const struct kit_part waits[] = { ENVELOPE,
		C("BDAT 18 \r\nFrom: a\r\n\r\nhello\r\n"), S("250 ok\r\n"), C("BDAT 0 LAST\r\n"),
		S("250 ok\r\n"), C("QUIT\r\n"), S("221 bye\r\n") };

	(void)state;
	kit_check(&tcp, parts, sizeof(parts) / sizeof(parts[0]),
		"file message.eml 18\n"
		"smtp " SMTP ",\"email\":{\"status\":\"PARSE_DONE\",\"from\":\"a\"}\n");
	kit_check(&tcp, waits, sizeof(waits) / sizeof(waits[0]),
		"file message.eml 18\n"
		"smtp " SMTP ",\"email\":{\"status\":\"PARSE_DONE\",\"from\":\"a\"}\n");
}

/* Bots say all they have before they are welcome. */
static void test_all_at_once(void **state)
{
	static const struct kit_part parts[] = {
		C("EHLO me\r\nAUTH PLAIN AHUAcA==\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"
		  "From: a\r\n\r\nhello\r\n.\r\nQUIT\r\n"),
		S("220 x\r\n250-x\r\n250 AUTH PLAIN\r\n535 no\r\n250 ok\r\n250 ok\r\n354 go\r\n"
		  "250 ok\r\n221 bye\r\n")
	};

	(void)state;
	kit_show_logins = true;
	kit_check(&tcp, parts, sizeof(parts) / sizeof(parts[0]),
		"file message.eml 18\n"
		"login plain u p - failure\n"
		"smtp " SMTP ",\"email\":{\"status\":\"PARSE_DONE\",\"from\":\"a\"}\n");
	kit_show_logins = false;
}

/* What RSET gave up is told late: the message that has begun since then goes on. */
static void test_late_answer(void **state)
{
	static const struct kit_part parts[] = { ENVELOPE, C("RSET\r\nDATA\r\nFrom: a\r\n"),
		S("250 ok\r\n"), C("To: c@d\r\n\r\nhi\r\n.\r\n"), S("354 go\r\n250 queued\r\n") };

	(void)state;
	kit_check(&tcp, parts, sizeof(parts) / sizeof(parts[0]),
		"file message.eml 24\n"
		"smtp " SMTP ",\"email\":{\"status\":\"PARSE_DONE\",\"from\":\"a\",\"to\":"
		"[\"c@d\"]}\n");
}

/* An envelope that is sent ahead of the answer to what gave up the one before. */
static void test_envelope_ahead(void **state)
{
	static const struct kit_part parts[] = { S("220 mx ESMTP\r\n"),
		C("EHLO me\r\nMAIL FROM:<a>\r\nRCPT TO:<no>\r\n"),
		S("250 hello\r\n250 ok\r\n550 no\r\n"),
		C("RSET\r\nMAIL FROM:<b>\r\nRCPT TO:<yes>\r\nDATA\r\n"),
		S("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"), C("Subject: b\r\n\r\nx\r\n.\r\n"),
		S("250 queued\r\n") };

	(void)state;
	kit_check(&tcp, PARTS(parts),
		"smtp \"smtp\":{\"helo\":\"me\",\"mail_from\":\"<a>\",\"rcpt_to\":[\"<no>\"]}\n"
		"file b.eml 17\n"
		"smtp \"smtp\":{\"helo\":\"me\",\"mail_from\":\"<b>\",\"rcpt_to\":[\"<yes>\"]},"
		"\"email\":{\"status\":\"PARSE_DONE\",\"subject\":\"b\"}\n");
}

static void test_what_is_wrong_is_an_event(void **state)
{
	static const struct {
		const char *client, *server, *event;
	} wrong[] = {
		{ "NOOP\r\n", "25x\r\n", "!smtp.invalid_reply" },
		{ "NOOP\r\n", "250 a\r\n250 b\r\n", "!smtp.unable_to_match_reply_with_request" },
		{ "STARTTLS\r\n", "454 no\r\n", "!smtp.tls_rejected" },
		{ "BDAT x\r\n", "501 no\r\n", "!smtp.invalid_bdat" },
		{ "MAIL FROM:<i@j>\r\n", "503 no\r\n", "!smtp.duplicate_fields" },
		{ "DATA\r\nContent-Transfer-Encoding: base64\r\n\r\n!!\r\n.\r\n", "354 go\r\n",
			"!smtp.mime_invalid_base64" },
		{ "DATA\r\nwhat is this\r\n\r\n.\r\n", "354 go\r\n", "!smtp.mime_malformed_msg" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const struct kit_part parts[] = { ENVELOPE,
			{ 0, wrong[i].client, strlen(wrong[i].client) },
			{ 1, wrong[i].server, strlen(wrong[i].server) } };
		size_t n = sizeof(parts) / sizeof(parts[0]);

		kit_check(&tcp, parts, n, NULL);
		assert_true(kit_has(&tcp, parts, n, wrong[i].event));
	}
}

/* Lines without end and 64 multiparts in each other: taken in pieces, counted, and over. */
static void test_limits(void **state)
{
	static char bytes[300000];
	struct out o = out_make(bytes, sizeof(bytes));
	const struct kit_part head[] = { ENVELOPE };
	struct kit_part parts[8];

	(void)state;
	memcpy(parts, head, sizeof(head));
	out_str(&o, "DATA\r\n");
	for (int i = 0; i < 64; i++)
		out_fmt(&o, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
	while (o.len < 290000)
		out_str(&o, "Content-Type: text/plain; name=x");
	parts[7] = (struct kit_part){ 0, bytes, o.len };
	assert_non_null(strstr(kit_run(&tcp, parts, 8, 1400, SIZE_MAX), "!smtp.mime_long_line"));
}

/* What AUTH says (RFC 4954), with the first line in the command or after 334, is a login. */
static void test_logins(void **state)
{
	static const struct attempt attempts[] = {
		{ "AUTH PLAIN AHUAcA==\r\n", "235 ok\r\n", "", "", "login plain u p - success\n" },
		{ "AUTH PLAIN\r\n", "334 \r\n", "AHUAcA==\r\n", "535 no\r\n",
			"login plain u p - failure\n" },
		{ "auth login\r\n", "334 VXNlcm5hbWU6\r\n", "dQ==\r\ncA==\r\n",
			"334 UGFzc3dvcmQ6\r\n535 no\r\n", "login login u p - failure\n" },
		{ "AUTH LOGIN dQ==\r\n", "334 UGFzc3dvcmQ6\r\n", "cA==\r\n", "235 ok\r\n",
			"login login u p - success\n" },
		{ "AUTH CRAM-MD5\r\n", "334 PDE+\r\n", "dSAwYWYx\r\n", "235 ok\r\n",
			"login cram-md5 u - $cram_md5$PDE+$dSAwYWYx success\n" },
		{ "AUTH CRAM-MD5 dSAwYWYx\r\n", "235 ok\r\n", "", "",
			"login cram-md5 u - 0af1 success\n" },
		{ "AUTH PLAIN AHUA\r\n", "535 no\r\n", "", "", "login plain u - - failure\n" },
		{ "AUTH PLAIN dQBw\r\n", "535 no\r\n", "", "", "login plain u p - failure\n" },
		{ "AUTH PLAIN u:p\r\n", "535 no\r\n", "", "", "login plain - - u:p failure\n" },
		{ "AUTH LOGIN dQ==\r\n", "334 UGFzc3dvcmQ6\r\n", "*\r\n", "501 no\r\n",
			"login login u - - failure\n" },
		{ "AUTH PLAIN AHUAcA==\r\n", "", "", "", "login plain u p - unknown\n" },
	};

	(void)state;
	check_logins(&tcp, "220 mx ESMTP\r\n", attempts, sizeof(attempts) / sizeof(attempts[0]));
}

#define AUTH(letter) "AUTH PLAIN AHUA" letter "\r\n" /* u and a password of a letter */

/* Attempts ahead of their answers, few, more than are kept, and more commands than wait. */
static void test_logins_ahead(void **state)
{
	static const struct kit_part two[] = { S("220 mx ESMTP\r\n"), C(AUTH("cA==") AUTH("cQ==")),
		S("235 in\r\n503 already\r\n") };
	static const struct kit_part other[] = { S("220 mx ESMTP\r\n"),
		C("AUTH X y\r\n" AUTH("cA==")), S("504 what\r\n235 in\r\n") };
	static char asks[16 << 10], answers[16 << 10];
	struct out a = out_make(asks, sizeof(asks)), b = out_make(answers, sizeof(answers));

	(void)state;
	kit_show_logins = true;
	kit_run(&tcp, two, 3, 0, SIZE_MAX);
	assert_string_equal(kit_text, "login plain u p - success\nlogin plain u q - failure\n");
	kit_run(&tcp, other, 3, 0, SIZE_MAX);
	assert_non_null(strstr(kit_text, "login plain u p - success\n"));
	for (unsigned i = 0; i < 20; i++) {
		out_str(&a, AUTH("cA=="));
		out_str(&b, "535 no\r\n");
	}
	out_str(&a, AUTH("cQ=="));
	out_str(&b, "235 in\r\n");
	for (unsigned i = 0; i < 300; i++) {
		out_str(&a, "NOOP\r\n");
		out_str(&b, "250 ok\r\n");
	}
	kit_run(&tcp,
		(struct kit_part[]){ S("220 mx ESMTP\r\n"), { 0, asks, a.len },
			{ 1, answers, b.len }, C(AUTH("cg==")), S("535 no\r\n") },
		5, 0, SIZE_MAX);
	assert_non_null(strstr(kit_text, "login plain u q - success\nlogin plain u r - failure\n"));
	kit_show_logins = false;
}

/* What servers leave out in front of a command. */
static void test_blanks(void **state)
{
	static const struct kit_part parts[] = { ENVELOPE, C(" \tDATA\r\n"), S("354 go\r\n"),
		C("Subject: s\r\n\r\nx\r\n.\r\n"), S("250 ok\r\n"), C(" MAIL FROM:<q@r>\r\n"),
		S("250 ok\r\n") };

	(void)state;
	kit_run(&tcp, parts, sizeof(parts) / sizeof(parts[0]), 0, SIZE_MAX);
	assert_non_null(strstr(kit_text, "\"subject\":\"s\""));
	assert_non_null(strstr(kit_text, "\"mail_from\":\"<q@r>\""));
}

/* What a server has not asked for is a command, if it can be one. */
static void test_command_behind_auth(void **state)
{
	static const char *const auths[] = { "AUTH X\r\nDATA\r\n", "AUTH PLAIN\r\nDATA\r\n",
		"AUTH LOGIN dQ==\r\nDATA\r\n" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct kit_part parts[] = { ENVELOPE, { 0, auths[i], strlen(auths[i]) },
			S("504 no\r\n354 go\r\n"), C("Subject: s\r\n\r\nx\r\n.\r\n"),
			S("250 ok\r\n") };

		kit_run(&tcp, parts, sizeof(parts) / sizeof(parts[0]), 0, SIZE_MAX);
		assert_non_null(strstr(kit_text, "\"subject\":\"s\""));
	}
}

#define GREETING      S("220 mx ESMTP\r\n"), C("EHLO me\r\n"), S("250 hello\r\n")
#define TEXT(subject) "Subject: " subject "\r\n\r\nx\r\n.\r\n"
#define MAIL(letter)                                                                              \
	C("MAIL FROM:<" letter ">\r\n"), S("250 ok\r\n"), C("RCPT TO:<no>\r\n"), S("550 no\r\n"), \
		C("RCPT TO:<yes>\r\n"), S("250 ok\r\n"), C("DATA\r\n"), S("354 go\r\n"),          \
		C(TEXT(letter)), S("250 queued\r\n")
#define GROUPED_MAIL(letter)                                                                       \
	C("MAIL FROM:<" letter ">\r\nRCPT TO:<no>\r\nRCPT TO:<yes>\r\nDATA\r\n"), S("250 ok\r\n"), \
		S("550 no\r\n"), S("250 ok\r\n"), S("354 go\r\n"), C(TEXT(letter)),                \
		S("250 queued\r\n")
#define REFUSED_LOGIN                                                                             \
	C("AUTH LOGIN\r\n"), S("334 VXNlcm5hbWU6\r\n"), C("dQ==\r\n"), S("334 UGFzc3dvcmQ6\r\n"), \
		C("cA==\r\n"), S("535 no\r\n")
#define GOOD_LOGIN C(AUTH("cQ==")), S("235 in\r\n")
#define LOST_MAX   64

/* The n-th of the parts is never seen, which is told at once, or only behind what follows it. */
static const char *without(const struct kit_part *parts, size_t n_parts, size_t n, bool late)
{
	static char sorted[KIT_TEXT];
	struct kit_part seen[LOST_MAX];

	assert_true(n_parts <= LOST_MAX);
	memcpy(seen, parts, n_parts * sizeof(parts[0]));
	if (late) {
		seen[n] = seen[n + 1];
		n++;
	}
	seen[n] = (struct kit_part){ parts[n - late].side, NULL, 0 };
	kit_sort(kit_run_lossy(&tcp, seen, n_parts), sorted, sizeof(sorted));
	return sorted;
}

/* What is told without any loss, but for the result of a login whose answer is lost. */
static const char *but_for(const struct kit_part *lost, const char *told)
{
	static char text[KIT_TEXT];
	const char *result = memcmp(lost->bytes, "535", 3) == 0   ? "failure\n"
			     : memcmp(lost->bytes, "235", 3) == 0 ? "success\n"
								  : NULL;
	const char *at = result ? strstr(told, result) : NULL;
	struct out o = out_make(text, sizeof(text));

	if (!at)
		return told;
	out_bytes(&o, told, (size_t)(at - told));
	out_str(&o, "unknown\n");
	out_str(&o, at + strlen(result));
	return text;
}

static void check_each_lost_reply(const struct kit_part *parts, size_t n)
{
	static char told[KIT_TEXT];

	kit_sort(kit_run_lossy(&tcp, parts, n), told, sizeof(told));
	assert_null(strstr(told, "!smtp"));
	for (size_t i = 0; i + 1 < n; i++)
		for (int late = 0; parts[i].side == 1 && late <= !parts[i + 1].side; late++)
			assert_string_equal(without(parts, n, i, late), but_for(&parts[i], told));
}

/* Whichever reply is never seen, it costs no other one: who does not send ahead has had it, of the others a reply tells
 * what it can be about. */
static void test_lost_replies(void **state)
{
	static const struct kit_part one_by_one[] = { GREETING, REFUSED_LOGIN, GOOD_LOGIN,
		MAIL("a"), C("RSET\r\n"), S("250 ok\r\n"), MAIL("b"), C("QUIT\r\n"),
		S("221 bye\r\n") };
	static const struct kit_part groups[] = { GREETING, GROUPED_MAIL("a"), REFUSED_LOGIN,
		GROUPED_MAIL("b"), GOOD_LOGIN, GROUPED_MAIL("c"), C("QUIT\r\n"), S("221 bye\r\n") };

	(void)state;
	check_each_lost_reply(PARTS(one_by_one));
	check_each_lost_reply(PARTS(groups));
}

/* Of a login of several rounds, a question; whether DATA was refused; the last line of a reply, and the rest of one. */
static void test_lost_in_between(void **state)
{
	static const struct kit_part rounds[] = { GREETING, C("AUTH NTLM\r\n"), S("334 \r\n"),
		C("TlRMTVNTUAAB\r\n"), LOST, C("TlRMTVNTUAAD\r\n"), S("535 no\r\n"), GOOD_LOGIN };
	static const struct kit_part refused[] = { GREETING, C("MAIL FROM:<a>\r\n"),
		S("250 ok\r\n"), C("DATA\r\n"), LOST, C("RSET\r\n"), S("250 ok\r\n"), MAIL("b") };
	static const struct kit_part last_line[] = { S("220 mx ESMTP\r\n"), C("EHLO me\r\n"),
		S("250-hello\r\n"), LOST, S("AUTH\r\n"), C(AUTH("cA==")), S("535 no\r\n"),
		GOOD_LOGIN };

	(void)state;
	assert_string_equal(kit_lines(kit_run_lossy(&tcp, PARTS(rounds)), "login "),
		"login plain u q - success\n");
	kit_run_lossy(&tcp, PARTS(refused));
	assert_non_null(
		strstr(kit_text, "\"mail_from\":\"<b>\",\"rcpt_to\":[\"<no>\",\"<yes>\"]},"
				 "\"email\":{\"status\":\"PARSE_DONE\",\"subject\":\"b\"}"));
	kit_run_lossy(&tcp, PARTS(last_line));
	assert_null(strstr(kit_text, "!smtp"));
	assert_string_equal(kit_lines(kit_text, "login "),
		"login plain u p - failure\nlogin plain u q - success\n");
}

/* Whatever of the client is never seen, its answer is not taken for that to another command. */
static void test_lost_commands(void **state)
{
	static const struct kit_part parts[] = { GREETING, REFUSED_LOGIN, MAIL("a"), GOOD_LOGIN,
		MAIL("b"), C("QUIT\r\n"), S("221 bye\r\n") };
	static const struct kit_part group[] = { GREETING, C("MAIL FROM:<a>\r\n"), LOST_C,
		C("RCPT TO:<yes>\r\nDATA\r\n"), S("250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n"),
		C(TEXT("b")), S("250 queued\r\n") };
	const char *second = "{\"status\":\"PARSE_DONE\",\"subject\":\"b\"}\n";

	(void)state;
	for (size_t i = 0; parts[i].side || strncmp(parts[i].bytes, "AUTH PLAIN", 10) != 0; i++)
		for (int late = 0; parts[i].side == 0 && late < 2; late++) {
			const char *told = without(PARTS(parts), i, late);

			assert_true(late || !strstr(told, "!smtp"));
			assert_non_null(strstr(told, "login plain u q - success\n"));
			assert_non_null(strstr(told, second));
			assert_non_null(strstr(told, "\"mail_from\":\"<b>\",\"rcpt_to\":[\"<no>\","
						     "\"<yes>\"]}"));
		}
	kit_run_lossy(&tcp, PARTS(group));
	assert_non_null(strstr(kit_text, second));
	assert_null(strstr(kit_text, "!smtp"));
}

/* Of the message its begin, its middle, its end; a piece of a chunk, and the rest of the last one. */
static void test_lost_text(void **state)
{
#define ASKED C("MAIL FROM:<a>\r\n"), S("250 ok\r\n"), C("DATA\r\n"), S("354 go\r\n")
	static const struct kit_part begin[] = { GREETING, ASKED, LOST_C, C(".\r\n"),
		S("250 queued\r\n"), GOOD_LOGIN, MAIL("b") };
	static const struct kit_part middle[] = { GREETING, ASKED, C("Subject: a\r\n\r\n"), LOST_C,
		C("x\r\n.\r\n"), S("250 queued\r\n"), GOOD_LOGIN, MAIL("b") };
	static const struct kit_part stop[] = { GREETING, ASKED, C("Subject: a\r\n\r\n"), LOST_C,
		S("250 queued\r\n"), GOOD_LOGIN, MAIL("b") };
	static const struct kit_part late[] = { GREETING, ASKED, C("Subject: a\r\n\r\n"),
		S("250 queued\r\n"), LOST_C, GOOD_LOGIN, MAIL("b") };
	static const struct kit_part chunk[] = { GREETING, C("MAIL FROM:<a>\r\nBDAT 30 LAST\r\n"),
		C("Subject: a\r\n\r\n"), LOST_C, C("abcdef" AUTH("cQ==")),
		S("250 ok\r\n250 queued\r\n235 in\r\n"), MAIL("b") };
	static const struct kit_part last[] = { GREETING, C("MAIL FROM:<a>\r\nBDAT 24 LAST\r\n"),
		C("Subject: a\r\n\r\n"), LOST_C, S("250 ok\r\n250 queued\r\n"), GOOD_LOGIN,
		MAIL("b") };
	static const struct {
		const struct kit_part *parts;
		size_t n;
	} lost[] = { { PARTS(begin) }, { PARTS(middle) }, { PARTS(stop) }, { PARTS(late) },
		{ PARTS(chunk) }, { PARTS(last) } };

	(void)state;
	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		kit_run_lossy(&tcp, lost[i].parts, lost[i].n);
		assert_true(lost[i].parts == late || !strstr(kit_text, "!smtp"));
		assert_non_null(strstr(kit_text, " cut\n"));
		assert_non_null(strstr(kit_text, "\"mail_from\":\"<a>\"},\"email\""));
		assert_non_null(strstr(kit_text, "login plain u q - success\n"));
		assert_non_null(strstr(
			kit_text, "file b.eml 17\nsmtp \"smtp\":{\"helo\":\"me\",\"mail_from\":"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_mail_with_files),
		cmocka_unit_test(test_names_of_files),
		cmocka_unit_test(test_encoded_words),
		cmocka_unit_test(test_many_files),
		cmocka_unit_test(test_large_files),
		cmocka_unit_test(test_chunks_and_pipelining),
		cmocka_unit_test(test_last_chunk_is_empty),
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_late_answer),
		cmocka_unit_test(test_envelope_ahead),
		cmocka_unit_test(test_what_is_wrong_is_an_event),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_logins),
		cmocka_unit_test(test_logins_ahead),
		cmocka_unit_test(test_blanks),
		cmocka_unit_test(test_command_behind_auth),
		cmocka_unit_test(test_lost_replies),
		cmocka_unit_test(test_lost_in_between),
		cmocka_unit_test(test_lost_commands),
		cmocka_unit_test(test_lost_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
