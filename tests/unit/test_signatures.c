/* SPDX-License-Identifier: Apache-2.0 */
/* Files of signatures: what is read, what is a fault and where, and what the limits do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/out.h"
#include "fingerprint/http.h"
#include "base/cur.h"
#include "fingerprint/signatures.h"

#define REQUEST "classes = win,unix,other\n[tcp:request]\n"
#define HTTP    "[http:request]\nlabel = s:!:Some program:1\n"

static const char whole[] =
	"; a comment\r\nclasses = win, unix\r\n\r\n"
	"[mtu]\nlabel = Ethernet\nsig   = 1500\nsig = 576\n"
	"[tcp:request]\nlabel = s:unix:Linux:3.x\n"
	"sig = *:64:0:*:mss*10,*:mss,sok,ts,nop,ws:df,id+:0\n"
	"label = g:win:Windows:\n  sig =4:128:0:1460:%8192,8:mss,nop,?77,eol+2:df:*\n"
	"label = s:!:scanner:a: b\nsys = @unix,Windows\nsig = 6:64-:8:0:*,0::flow,exws,bad:+\n"
	"[tcp:response]\nlabel = s:unix:Linux:4\nsig = *:255:0:0:mtu*2,0:sack:0+,ack-,pushf+:0\n"
	"[http:request]\nua_os = Linux,iOS=[iPad]\nlabel = s:!:Some program:1\nsys = Linux\n"
	"sig = 1:Host,?Accept=[,*/*;q=a:b],User-Agent::Some/\n"
	"sig = *::Cookie,X-A:\n"
	"[http:response]\nlabel = g:!:server:\nsig = 0:Server=[x]:Date: server";

static struct signatures *read_set(const char *text)
{
	struct signatures *set;

	assert_int_equal(signatures_new(&set), 0);
	assert_int_equal(signatures_read(set, "some.fp", text, strlen(text)), 0);
	return set;
}

static bool says(struct text text, const char *str)
{
	return text.len == strlen(str) && memcmp(text.at, str, text.len) == 0;
}

static size_t n_faults(const struct signatures *set)
{
	uint64_t more;
	size_t n;

	signatures_faults(set, &n, &more);
	return n + more;
}

static void test_all_that_there_is(void **state)
{
	struct signatures *set = read_set(whole);
	const struct signature_tcp *tcp = signatures_tcp(set, false);
	const struct signature_http *http = signatures_http(set, false);
	const struct signature_label *label;

	(void)state;
	assert_int_equal(n_faults(set), 0);
	assert_int_equal(signatures_count(set, SIGNATURE_MTU), 2);
	assert_int_equal(signatures_count(set, SIGNATURE_SYN), 3);
	assert_int_equal(signatures_count(set, SIGNATURE_SYN_ACK), 1);
	assert_int_equal(signatures_count(set, SIGNATURE_REQUEST), 2);
	assert_int_equal(signatures_count(set, SIGNATURE_RESPONSE), 1);
	assert_true(says(signatures_link(set, 576)->name, "Ethernet"));
	assert_null(signatures_link(set, 577));

	label = signatures_label(set, tcp[0].label);
	assert_true(says(label->name, "Linux") && says(label->flavour, "3.x"));
	assert_true(says(label->family, "unix") && !label->generic && !label->application);
	assert_int_equal(tcp[0].version, 0);
	assert_int_equal(tcp[0].mss, -1);
	assert_int_equal(tcp[0].scale, -1);
	assert_int_equal(tcp[0].window_kind, WINDOW_MSS);
	assert_int_equal(tcp[0].window, 10);
	assert_int_equal(tcp[0].n_options, 5);
	assert_int_equal(tcp[0].quirks, QUIRK_DF | QUIRK_ID_SET);

	label = signatures_label(set, tcp[1].label);
	assert_true(label->generic && says(label->flavour, ""));
	assert_int_equal(tcp[1].window_kind, WINDOW_MULTIPLE);
	assert_int_equal(tcp[1].window, 8192);
	assert_int_equal(tcp[1].options[2], 77);
	assert_int_equal(tcp[1].eol_pad, 2);
	assert_int_equal(tcp[1].payload, -1);

	label = signatures_label(set, tcp[2].label);
	assert_true(label->application && says(label->flavour, "a: b"));
	assert_true(says(label->systems, "@unix,Windows"));
	assert_true(signatures_runs_on(label, signatures_label(set, tcp[0].label)));
	assert_true(tcp[2].ttl_random);
	assert_int_equal(tcp[2].ip_options, 8);
	assert_int_equal(tcp[2].window_kind, WINDOW_ANY);
	assert_int_equal(tcp[2].n_options, 0);
	assert_int_equal(tcp[2].payload, 1);

	assert_int_equal(signatures_tcp(set, true)[0].window_kind, WINDOW_MTU);
	assert_int_equal(http[0].n_headers, 3);
	assert_int_equal(http[0].n_absent, 0);
	assert_true(says(http[0].software, "Some/"));
	assert_true(signatures_headers(set)[http[0].first_header + 1].optional);
	assert_true(says(signatures_headers(set)[http[0].first_header + 1].value, ",*/*;q=a:b"));
	assert_int_equal(http[1].version, -1);
	assert_int_equal(http[1].n_absent, 2);
	assert_true(says(signatures_http(set, true)[0].software, " server"));
	assert_true(says(signatures_named_systems(set), "Linux,iOS=[iPad]"));
	signatures_free(set);
}

/* Text, and in which line what is wrong. */
static const struct {
	const char *text;
	uint32_t line;
	const char *why;
} wrong[] = {
	{ "[udp:request]\nsig = x\n", 1, "section" },
	{ REQUEST "nonsense\n", 3, "neither" },
	{ REQUEST "sig = *:64:0:*:*,*::0\n", 3, "without a label" },
	{ REQUEST "label = x:unix:A:\n", 3, "s or g" },
	{ REQUEST "label = s:amiga:A:\n", 3, "classes" },
	{ REQUEST "label = s:unix::1\n", 3, "no name" },
	{ REQUEST "label = s:unix:A:\nsys = Linux\n", 4, "\"sys\"" },
	{ REQUEST "label = s:unix:A:\n\nsig = 5:64:0:*:*,*:::0\n", 5, "IP version" },
	{ REQUEST "label = s:unix:A:\nsig = *:0:0:*:*,*:::0\n", 4, "TTL" },
	{ REQUEST "label = s:unix:A:\nsig = *:256:0:*:*,*:::0\n", 4, "TTL" },
	{ REQUEST "label = s:unix:A:\nsig = *:64:x:*:*,*:::0\n", 4, "IP options" },
	{ REQUEST "label = s:unix:A:\nsig = *:64:0:65536:*,*:::0\n", 4, "MSS" },
	{ REQUEST "label = s:unix:A:\nsig = *:64:0:*:mss*0,*:::0\n", 4, "window" },
	{ REQUEST "label = s:unix:A:\nsig = *:64:0:*:%0,*:::0\n", 4, "window" },
	{ REQUEST "label = s:unix:A:\nsig = *:64:0:*:1 ,*:::0\n", 4, "window" },
	{ REQUEST "label = s:unix:A:\nsig = *:64:0:*:*,300:::0\n", 4, "scale" },
	{ REQUEST "label = s:unix:A:\nsig = *:64:0:*:*:::0\n", 4, "scale" },
	{ REQUEST "label = s:unix:A:\nsig = *:64:0:*:*,*:mss,foo::0\n", 4, "option that" },
	{ REQUEST "label = s:unix:A:\nsig = *:64:0:*:*,*:eol+1,mss::0\n", 4, "last" },
	{ REQUEST "label = s:unix:A:\nsig = *:64:0:*:*,*:nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,"
		  "nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop::0\n",
		4, "too many" },
	{ REQUEST "label = s:unix:A:\nsig = *:64:0:*:*,*::dff:0\n", 4, "quirk" },
	{ REQUEST "label = s:unix:A:\nsig = 4:64:0:*:*,*::flow:0\n", 4, "quirk" },
	{ REQUEST "label = s:unix:A:\nsig = *:64:0:*:*,*:::1\n", 4, "payload" },
	{ REQUEST "label = s:unix:A:\nsig = *:64:0:*:*,*::\n", 4, "payload" },
	{ "[mtu]\nlabel = A\nsig = 0\n", 3, "MTU" },
	{ "[mtu]\nlabel = A\nsig = 99999999999999999999\n", 3, "MTU" },
	{ HTTP "sig = 2:Host::\n", 3, "version" },
	{ HTTP "sig = 1:Host\n", 3, "headers" },
	{ HTTP "sig = 1:Host,,A::\n", 3, "header" },
	{ HTTP "sig = 1:Host=[x::\n", 3, "header" },
	{ HTTP "sig = 1:Host:?Cookie:\n", 3, "header" },
};

static void test_wrong_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct signatures *set = read_set(wrong[i].text);
		const struct signatures_fault *fault;
		uint64_t more;
		size_t n;

		fault = signatures_faults(set, &n, &more);
		if (n != 1 || fault->line != wrong[i].line || !strstr(fault->why, wrong[i].why))
			fail_msg("%s: %zu faults, line %u: %s", wrong[i].text, n,
				n ? fault->line : 0, n ? fault->why : "none");
		assert_string_equal(fault->file, "some.fp");
		signatures_free(set);
	}
}

/* A wrong line spoils nothing but itself. */
static void test_the_rest_is_read(void **state)
{
	struct signatures *set = read_set(
		REQUEST "label = s:unix:A:\nsig = *:64:0:*:nonsense,*:::0\nsig = *:64:0:*:*,*:::0\n"
			"label = s:nosuch:B:\nsig = *:64:0:*:*,*:::0\n"
			"[nosuch]\nlabel = anything\nsig = whatever\n"
			"[mtu]\nlabel = E\nsig = 1500\n");
	char text[600];
	struct out o = out_make(text, sizeof(text));

	(void)state;
	assert_int_equal(signatures_count(set, SIGNATURE_SYN), 1);
	assert_int_equal(signatures_count(set, SIGNATURE_MTU), 1);
	assert_int_equal(n_faults(set), 4);
	signatures_print_faults(&o, set);
	assert_non_null(strstr(text, "some.fp:4: the window is not"));
	assert_non_null(strstr(text, "some.fp:7: a signature without a label"));
	signatures_free(set);
}

static char *repeat(const char *head, const char *line, size_t n)
{
	size_t head_len = strlen(head), len = strlen(line);
	char *text = malloc(head_len + n * len + 1);

	assert_non_null(text);
	memcpy(text, head, head_len);
	for (size_t i = 0; i < n; i++)
		memcpy(text + head_len + i * len, line, len);
	text[head_len + n * len] = '\0';
	return text;
}

static void test_limits(void **state)
{
	char *text = repeat("[mtu]\nlabel = A\n", "sig = 9\n", SIGNATURES_MAX + 3);
	struct signatures *set = read_set(text);

	(void)state;
	assert_int_equal(signatures_count(set, SIGNATURE_MTU), SIGNATURES_MAX);
	assert_int_equal(n_faults(set), 3);
	for (unsigned i = 1; i < SIGNATURES_FILES_MAX; i++)
		assert_int_equal(signatures_read(set, "x", "", 0), 0);
	assert_int_equal(signatures_read(set, "x", "", 0), -E2BIG);
	signatures_free(set);
	free(text);

	text = repeat("", "\n", SIGNATURES_LINES_MAX + 5);
	set = read_set(text);
	assert_int_equal(n_faults(set), 1);
	assert_int_equal(signatures_read(set, "x", text, SIGNATURES_BYTES_MAX + 1), -EFBIG);
	signatures_free(set);
	free(text);

	text = repeat("label = ", "x", SIGNATURES_LINE_MAX);
	set = read_set(text);
	assert_int_equal(n_faults(set), 1);
	signatures_free(set);
	free(text);

	text = repeat("[mtu]\nlabel = A\n", "sig = x\n", SIGNATURES_FAULTS_MAX + 7);
	set = read_set(text);
	assert_int_equal(n_faults(set), SIGNATURES_FAULTS_MAX + 7);
	signatures_free(set);
	free(text);
}

/* Each in memory of its own size, so that a sanitizer sees a read past the end. */
static void test_every_prefix(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(whole); len++) {
		char *copy = malloc(len ? len : 1);
		struct signatures *set;

		assert_non_null(copy);
		memcpy(copy, whole, len);
		assert_int_equal(signatures_new(&set), 0);
		assert_int_equal(signatures_read(set, "cut", copy, len), 0);
		free(copy);
		assert_true(n_faults(set) <= 1);
		signatures_free(set);
	}
}

/* ---- HTTP ---- */

static const char *program_of(const struct signatures *set, bool response, int8_t version,
	const char *headers, bool *ret_dishonest)
{
	static char name[64];
	struct http_look look;
	struct http_match m;

	if (!http_look_read(cur_make(headers, strlen(headers)), response, version, &look))
		return "no headers";
	http_match(set, &look, &m);
	*ret_dishonest = m.dishonest;
	if (!m.label)
		return "";
	snprintf(name, sizeof(name), "%.*s%.*s", (int)m.label->name.len, m.label->name.at,
		(int)m.label->flavour.len, m.label->flavour.at);
	return name;
}

static void test_http(void **state)
{
	static const struct {
		const char *headers;
		int8_t version;
		const char *program;
		bool dishonest;
	} good[] = {
		{ "Host: a\r\nUser-Agent: A/1\r\nAccept: */*\r\n\r\n", 1, "A1", false },
		{ "Host: a\nX: y\nUser-Agent: A/1\nAccept: text, */*\n", 1, "A1", false },
		{ "Host: a\r\nUser-Agent: A/1\r\nDNT: 1\r\nAccept: */*\r\n", 1, "A1", false },
		{ "Host: a\r\nDNT: 1\r\nUser-Agent: A/1\r\nAccept: */*\r\n", 1, "B1", true },
		{ "Host: a\r\nUser-Agent: A/1\r\nDNT: 0\r\nAccept: */*\r\n", 1, "B1", true },
		{ "User-Agent: A/1\r\nHost: a\r\nAccept: */*\r\n", 1, "", false },
		{ "host: a\r\nUser-Agent: A/1\r\nAccept: */*\r\n", 1, "", false },
		{ "Host: a\r\nUser-Agent: A/1\r\nAccept: text\r\n", 1, "B1", true },
		{ "Host: a\r\nUser-Agent: A/1\r\nAccept: */*\r\nCookie: 1\r\n", 1, "", false },
		{ "Host: a\r\nUser-Agent: A/1\r\nAccept: */*\r\n", 0, "", false },
		{ "Host: a\r\nUser-Agent: Zed/1\r\nAccept: */*\r\n", 1, "A1", true },
		{ "Host: a\r\nUser-Agent: B/1\r\nAccept: */*\r\n", 1, "B1", false },
		{ "X: a\r\nY: b\r\n", 1, "any", false },
		{ "\r\n", 1, "no headers", false },
	};
	struct signatures *set = read_set(
		"[http:request]\nlabel = g:!:any:\nsig = 1:X,Y::\n"
		"label = s:!:A:1\nsig = 1:Host,User-Agent,?DNT=[1],Accept=[*/*]:Cookie:A/\n"
		"label = s:!:B:1\nsig = 1:Host,User-Agent,Accept:Cookie:B/\n");
	bool dishonest = false;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		dishonest = false;
		assert_string_equal(
			program_of(set, false, good[i].version, good[i].headers, &dishonest),
			good[i].program);
		assert_int_equal(dishonest, good[i].dishonest);
	}
	signatures_free(set);
}

/* Nothing is asked for, so everything fits. */
static void test_http_without_headers(void **state)
{
	struct signatures *set = read_set("[http:request]\nlabel = s:!:anything:\nsig = *:::\n");
	bool dishonest;

	(void)state;
	assert_string_equal(program_of(set, false, 1, "Host: a\r\n", &dishonest), "anything");
	signatures_free(set);
}

static void test_http_text(void **state)
{
	static const char request[] = "Host: a.b\r\nUser-Agent: X/1 (Linux)\r\n folded\r\n"
				      "Accept: */*\r\nCookie: secret\r\nVia: 1.1 p\r\n: none\r\n";
	static const char response[] = "Server: S/2\r\nDate: now\r\nContent-Length: 3\r\nX-A:b\r\n";
	struct signatures *set = read_set("[http:request]\nua_os = Windows,Lin=[Linux]\n");
	char text[HTTP_RAW_MAX];
	struct out o = out_make(text, sizeof(text));
	struct http_look look;

	(void)state;
	assert_true(http_look_read(cur_make(request, sizeof(request) - 1), false, 1, &look));
	http_look_text(&o, &look);
	assert_string_equal(text, "1:Host,User-Agent,Accept=[*/*],?Cookie,?Via:Connection,"
				  "Accept-Encoding,Accept-Language,Accept-Charset,Keep-Alive:"
				  "X/1 (Linux)");
	assert_true(look.forwarded);
	assert_true(says(http_named_system(set, &look), "Lin"));
	o = out_make(text, sizeof(text));
	assert_true(http_look_read(cur_make(response, sizeof(response) - 1), true, 0, &look));
	http_look_text(&o, &look);
	assert_string_equal(text, "0:Server,Date,?Content-Length,X-A=[b]:Content-Type,Connection,"
				  "Keep-Alive,Accept-Ranges:S/2");
	o = out_make(text, 20); /* what has no room is left out, and it stays whole */
	http_look_text(&o, &look);
	assert_true(strlen(text) < 20 && strncmp(text, "0:Server", 8) == 0);
	for (size_t len = 0; len < sizeof(request); len++) {
		char *copy = malloc(len ? len : 1);

		assert_non_null(copy);
		memcpy(copy, request, len);
		if (http_look_read(cur_make(copy, len), false, 1, &look)) {
			o = out_make(text, sizeof(text));
			http_look_text(&o, &look);
			assert_true(out_ok(&o));
		}
		free(copy);
	}
	signatures_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_there_is),
		cmocka_unit_test(test_wrong_lines),
		cmocka_unit_test(test_the_rest_is_read),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_http_without_headers),
		cmocka_unit_test(test_http_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
