/* SPDX-License-Identifier: Apache-2.0 */
/* Rules against packets, streams and transactions: which are hit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "base/out.h"
#include "rules_kit.h"

static struct kit kit;

static void open_rules(const char *text)
{
	assert_true(kit_open(&kit, text, strlen(text)));
}

/* "1 2 2" */
static void expect(const char *where, const char *wanted)
{
	char got[1024];
	struct out o = out_make(got, sizeof(got));

	for (unsigned i = 0; i < kit.n_hits; i++)
		out_fmt(&o, "%s%s%u", i ? " " : "", kit.hit[i].tired ? "t" : "", kit.sid[i]);
	if (strcmp(got, wanted) != 0)
		fail_msg("%s: wanted \"%s\", got \"%s\"", where, wanted, got);
}

/* A rule's options, the pieces of a stream with `~` between them, and how many hits there are. */
struct stream_case {
	const char *options, *pieces;
	unsigned hits;
};

static const struct stream_case stream_cases[] = {
	{ "content:\"abc\";", "xxabcxx", 1 },
	{ "content:\"abc\";", "xxab~cxx", 1 },
	{ "content:\"abc\";", "x~a~b~c~x", 1 },
	{ "content:\"abc\";", "abc~xabc~yy", 2 },
	{ "content:\"ABC\";", "abc", 0 },
	{ "content:\"ABC\"; nocase;", "xaBc", 1 },
	{ "content:\"a|62 63|\";", "abc", 1 },
	/* Back to another place of an earlier content. */
	{ "content:\"ab\"; content:\"cd\"; distance:0; within:2;", "ab-ab-abcd", 1 },
	{ "content:\"ab\"; content:\"cd\"; distance:1; within:2;", "ab-cd", 1 },
	{ "content:\"ab\"; content:\"cd\"; distance:1; within:2;", "abcd ab--cd", 0 },
	{ "content:\"cd\"; content:\"ab\"; distance:-4; within:2;", "abcd", 1 },
	{ "content:\"ab\"; content:\"cd\"; within:4; content:\"ef\"; within:2;", "abcd--ab-cdef",
		1 },
	{ "content:\"ab\"; content:\"cd\"; distance:0;", "ab~~--~cd", 1 },
	{ "content:\"ab\"; content:\"cd\"; distance:0;", "cd~ab", 0 },
	/* Places in the stream. */
	{ "content:\"ab\"; depth:2;", "abxx", 1 },
	{ "content:\"ab\"; depth:2;", "xabx", 0 },
	{ "content:\"ab\"; offset:1; depth:2;", "xabx", 1 },
	{ "content:\"ab\"; startswith;", "ab", 1 },
	{ "content:\"ab\"; startswith;", "xab", 0 },
	{ "content:\"ab\"; endswith;", "xxab", 1 },
	{ "content:\"ab\"; endswith;", "xxabx", 0 },
	/* Rules without a literal: where their byte has to be is asked first. */
	{ "content:\"a\"; depth:1;", "abc", 1 },
	{ "content:\"a\"; depth:1;", "bac", 0 },
	{ "content:\"a\"; depth:1; content:\"d\"; offset:3; depth:1;", "a~b~c~d~e", 1 },
	{ "content:\"a\"; depth:1; content:\"d\"; offset:3; depth:1;", "a~b~d~c~d", 0 },
	{ "content:\"c\"; offset:2; depth:3;", "abxc", 1 },
	{ "content:\"c\"; offset:2; depth:3;", "abxx~c", 1 },
	{ "content:\"c\"; offset:2; depth:3;", "acxxxc", 0 },
	{ "content:\"C\"; nocase; offset:1; depth:1;", "xc", 1 },
	{ "content:\"c\"; nocase; offset:1; depth:1;", "xC", 1 },
	{ "content:\"C\"; offset:1; depth:1;", "xc", 0 },
	{ "content:\"aaa\"; depth:4;", "xaaa", 1 },
	{ "content:\"aaa\"; depth:4;", "xxaaa", 0 },
	{ "content:\"a\"; startswith;", "a", 1 },
	{ "content:\"a\"; startswith;", "ba", 0 },
	{ "content:!\"a\"; depth:1;", "ba", 1 },
	{ "dsize:4; byte_test:4,>,399,0;", "abcd", 1 },
	{ "dsize:4; byte_test:4,>,399,0;", "abcde", 0 },
	/* What is not there. */
	{ "content:\"ab\"; content:!\"cd\";", "abef", 1 },
	{ "content:\"ab\"; content:!\"cd\";", "abcd", 0 },
	{ "content:\"ab\"; content:!\"cd\"; within:2;", "abcd", 0 },
	{ "content:\"ab\"; content:!\"cd\"; within:2;", "abxcd", 1 },
	{ "content:\"ab\"; content:!\"cd\"; within:2;", "ab~c~d", 0 },
	{ "content:\"ab\"; content:!\"cd\"; within:2;", "ab~x~d", 1 },
	{ "content:\"ab\"; content:!\"x\"; content:\"cd\"; distance:0;", "ab--cd", 1 },
	/* Expressions. */
	{ "content:\"ab\"; pcre:\"/a.c/\";", "ab axc", 1 },
	{ "content:\"ab\"; pcre:\"/^x.z/R\";", "abxyz", 1 },
	{ "content:\"ab\"; pcre:\"/^x.z/R\";", "ab~xy~z", 1 },
	{ "content:\"ab\"; pcre:\"/^x.z/R\";", "ab abxyz", 1 },
	{ "content:\"ab\"; pcre:!\"/q/\";", "ab", 1 },
	{ "pcre:\"/fo+bar/i\";", "xFOO~BAR", 1 },
	{ "pcre:\"/fo+bar/\";", "foobar~xx~fobar", 2 },
	{ "pcre:\"/(a)b/\"; content:\"c\"; within:1;", "ab abc", 1 },
	/* Data that is there. */
	{ "content:\"ab\"; isdataat:3,relative;", "abcde", 1 },
	{ "content:\"ab\"; isdataat:4,relative;", "abcde", 0 },
	{ "content:\"ab\"; isdataat:4,relative;", "abcde~f", 1 },
	{ "content:\"ab\"; isdataat:!1,relative;", "xxab", 1 },
	{ "content:\"ab\"; isdataat:!1,relative;", "xxabc", 0 },
	{ "content:\"ab\"; isdataat:4;", "abcde", 1 },
	{ "content:\"ab\"; isdataat:5;", "abcde", 0 },
	/* Numbers. */
	{ "content:\"ab\"; byte_test:1,=,0x31,0,relative;", "ab1", 1 },
	{ "content:\"ab\"; byte_test:1,!=,0x31,0,relative;", "ab1", 0 },
	{ "content:\"ab\"; byte_test:2,>,100,0,relative,string,dec;", "ab99", 0 },
	{ "content:\"ab\"; byte_test:3,>,100,0,relative,string,dec;", "ab101", 1 },
	{ "content:\"ab\"; byte_test:4,=,255,0,relative,string,hex;", "ab00fF", 1 },
	{ "content:\"ab\"; byte_test:2,=,0x3231,0,relative,little;", "ab12", 1 },
	{ "content:\"ab\"; byte_test:2,=,0x3132,0,relative;", "ab~1~2", 1 },
	{ "content:\"ab\"; byte_test:1,&,1,0,relative;", "ab1", 1 },
	{ "content:\"ab\"; byte_test:1,&,2,0,relative;", "ab1", 0 },
	{ "content:\"ab\"; byte_test:1,!&,2,0,relative;", "ab1", 1 },
	{ "content:\"ab\"; byte_jump:1,0,relative,string,dec; content:\"Z\"; within:1;", "ab3xxxZ",
		1 },
	{ "content:\"ab\"; byte_jump:1,0,relative,string,dec; content:\"Z\"; within:1;", "ab3xxZ",
		0 },
	{ "content:\"ab\"; byte_jump:1,0,relative,string,dec,multiplier 2; content:\"Z\"; "
	  "within:1;",
		"ab2xxxxZ", 1 },
	{ "content:\"ab\"; byte_jump:1,0,relative,string,dec,post_offset -1; content:\"Z\"; "
	  "within:1;",
		"ab2xZ", 1 },
	{ "content:\"ab\"; byte_jump:1,0,relative,string,dec,from_beginning; content:\"Z\"; "
	  "within:1;",
		"ab5xxZ", 1 },
	{ "content:\"ab\"; byte_jump:1,0,relative,string,dec,align; content:\"Z\"; within:1;",
		"ab1xxxxZ", 1 },
	{ "content:\"ab\"; byte_jump:1,0,relative,string,dec; content:\"Z\"; within:1;",
		"ab9 ab1xZ", 1 },
	{ "content:\"ab\"; byte_extract:1,0,n,relative,string,dec; content:\"Z\"; offset:n; "
	  "depth:1;",
		"ab5xxZ", 1 },
	{ "content:\"ab\"; byte_extract:1,0,n,relative,string,dec; content:\"Z\"; distance:n; "
	  "within:1;",
		"ab2xxZ", 1 },
	{ "content:\"ab\"; byte_extract:1,0,n,relative,string,dec; content:\"Z\"; distance:n; "
	  "within:1;",
		"ab7 ab2xxZ", 1 },
	{ "content:\"ab\"; byte_extract:1,0,n,relative,string,dec; "
	  "byte_test:1,=,n,0,relative,string,dec;",
		"ab11", 1 },
	{ "content:\"ab\"; byte_math:bytes 1, offset 0, oper +, rvalue 2, result n, relative, "
	  "string dec; content:\"Z\"; distance:n; within:1;",
		"ab1xxxZ", 1 },
	/* Base64. */
	{ "content:\"b=\"; base64_decode:relative; base64_data; content:\"attack\"; depth:6;",
		"b=YXR0YWNrIQ==", 1 },
	{ "content:\"b=\"; base64_decode:relative; base64_data; content:\"attack\"; depth:6;",
		"b=YXR0YWNr b=", 1 },
	{ "content:\"b=\"; base64_decode:relative; base64_data; content:\"attack\"; depth:6;",
		"b=zzzz b=YXR0YWNr", 1 },
	{ "content:\"b=\"; base64_decode:relative; base64_data; content:\"x\";", "b=YXR0YWNr", 0 },
	/* The prefilter's parts. */
	{ "content:\"abcdef\"; fast_pattern:2,3;", "abcdef", 1 },
	{ "content:\"abcdef\"; fast_pattern:2,3;", "~~abcde~f", 1 },
	{ "content:\"abcdef\"; fast_pattern:2,3;", "xxcdexx", 0 },
	{ "content:\"ab\"; content:\"cd\"; fast_pattern:only;", "cdab", 1 },
	{ "content:\"0123456789012345678901234567890123456789\";",
		"012345678901234567890~1234567890123456789", 1 },
	{ "content:\"0123456789012345678901234567890123456789\";",
		"0123456y8901234567890123456789012~3456789", 0 },
	{ "flow:to_client; content:\"ab\";", "ab", 0 },
	{ "flow:to_server,established; content:\"ab\";", "ab", 1 },
	{ "flow:stateless; content:\"ab\";", "ab", 1 },
	{ "flow:no_stream; content:\"ab\";", "a~b", 0 },
	{ "flow:no_stream; content:\"ab\";", "xx~ab", 1 },
	{ "flow:only_stream; content:\"ab\";", "a~b", 1 },
	{ "dsize:2; content:\"ab\";", "ab", 1 },
	{ "dsize:>2; content:\"ab\";", "ab", 0 },
	{ "dsize:2; content:\"ab\";", "a~b", 0 },
	{ "flags:PA; content:\"ab\";", "ab", 1 },
	{ "flags:S;", "ab", 0 },
	{ "stream_size:client,>,3; content:\"e\";", "abc~e", 1 },
	{ "window:!0; seq:1; content:\"ab\"; ttl:>1;", "ab", 1 },
};

static void feed_pieces(const char *pieces)
{
	while (*pieces) {
		size_t len = strcspn(pieces, "~");

		if (len)
			kit_segment(&kit, 0, pieces, (uint32_t)len);
		pieces += len + (pieces[len] == '~');
	}
}

static void streams(bool prefilter)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < sizeof(stream_cases) / sizeof(stream_cases[0]); i++) {
		const struct stream_case *c = &stream_cases[i];
		char rule[1024];

		snprintf(rule, sizeof(rule),
			"alert tcp any any -> any any (msg:\"x\"; %s sid:1;)\n", c->options);
		open_rules(rule);
		rules_set_prefilter(kit.rules, prefilter);
		feed_pieces(c->pieces);
		if (kit.n_hits != c->hits) {
			print_error("%s on %s: %u hits, not %u\n", c->options, c->pieces,
				kit.n_hits, c->hits);
			wrong++;
		}
		kit_close(&kit);
	}
	assert_int_equal(wrong, 0);
}

static void test_streams(void **state)
{
	(void)state;
	streams(true);
}

static void test_streams_without_prefilter(void **state)
{
	(void)state;
	streams(false);
}

/* ------------------------------------------------------------------ packets */

struct packet_case {
	const char *rule; /* without its end */
	unsigned proto, side, flags;
	const char *payload;
	unsigned hits;
};

static const struct packet_case packet_cases[] = {
	{ "udp any any -> any 80 (content:\"ab\";", 17, 0, 0, "xab", 1 },
	{ "udp any any -> any 81 (content:\"ab\";", 17, 0, 0, "xab", 0 },
	{ "udp any any -> any !81 (content:\"ab\";", 17, 0, 0, "xab", 1 },
	{ "udp any any -> any [1:79,81:] (content:\"ab\";", 17, 0, 0, "xab", 0 },
	{ "udp any 80 <> any any (content:\"ab\";", 17, 0, 0, "xab", 1 },
	{ "tcp any any -> any any (content:\"ab\";", 17, 0, 0, "xab", 0 },
	{ "ip any any -> any any (content:\"ab\";", 17, 0, 0, "xab", 1 },
	{ "udp 10.0.0.0/8 any -> 198.51.100.0/24 any (content:\"ab\";", 17, 0, 0, "ab", 1 },
	{ "udp 10.0.0.0/8 any -> 198.51.100.0/24 any (content:\"ab\";", 17, 1, 0, "ab", 0 },
	{ "udp !10.0.0.0/8 any -> any any (content:\"ab\";", 17, 0, 0, "ab", 0 },
	{ "udp [10.0.0.0/8,!10.0.0.1] any -> any any (content:\"ab\";", 17, 0, 0, "ab", 0 },
	{ "udp [10.0.0.0/8,!10.0.0.2] any -> any any (content:\"ab\";", 17, 0, 0, "ab", 1 },
	{ "tcp any any -> any any (flags:S;", 6, 0, 0x02, "", 1 },
	{ "tcp any any -> any any (flags:S;", 6, 0, 0x12, "", 0 },
	{ "tcp any any -> any any (flags:S+;", 6, 0, 0x12, "", 1 },
	{ "tcp any any -> any any (flags:*SF;", 6, 0, 0x12, "", 1 },
	{ "tcp any any -> any any (flags:S,12;", 6, 0, 0xc2, "", 1 },
	{ "tcp 10.0.0.1 any -> any any (flags:S;", 6, 0, 0x02, "", 1 },
	{ "tcp [10.0.0.1,10.0.0.9] any -> any any (flags:S;", 6, 1, 0x02, "", 0 },
	{ "tcp any any -> [198.51.100.7,203.0.113.0/24] 80 (flags:S;", 6, 0, 0x02, "", 1 },
	{ "icmp any any -> any any (itype:8; icode:0; icmp_id:666; icmp_seq:7;", 1, 0, 0, "", 1 },
	{ "icmp any any -> any any (itype:>8;", 1, 0, 0, "", 0 },
	{ "ip any any -> any any (ip_proto:1;", 1, 0, 0, "", 1 },
	{ "ip any any -> any any (ip_proto:!1;", 1, 0, 0, "", 0 },
	{ "ip any any -> any any (ip_proto:17;", 17, 0, 0, "x", 1 },
	{ "ip any any -> any any (ip_proto:17;", 6, 0, 0x10, "x", 0 },
	{ "ip any any -> any any (ip_proto:>6;", 17, 0, 0, "x", 1 },
	{ "ip any any -> any any (ttl:64; id:1; fragbits:!M; fragoffset:0;", 1, 0, 0, "", 1 },
	{ "ip any any -> any any (sameip;", 1, 0, 0, "", 0 },
	{ "ip any any -> any any (ipopts:any;", 1, 0, 0, "", 0 },
	{ "udp any any -> any any (dsize:3;", 17, 0, 0, "abc", 1 },
	{ "udp any any -> any any (dsize:2<>4;", 17, 0, 0, "abcde", 0 },
	{ "udp any any -> any any (dsize:3; content:\"c\"; offset:2; depth:1;", 17, 0, 0, "abc",
		1 },
	{ "udp any any -> any any (content:\"ab\"; isdataat:!1,relative;", 17, 0, 0, "ab", 1 },
	{ "udp any any -> any any (rpc:100000,2,3;", 17, 0, 0,
		"\1\1\1\1\0\0\0\0\0\0\0\2\0\1\x86\xa0\0\0\0\2\0\0\0\3", 0 },
	{ "udp any any -> any any (udp.hdr; content:\"|00 50|\"; offset:2; depth:2;", 17, 0, 0, "x",
		1 },
	{ "udp any any -> any any (ipv4.hdr; content:\"|11|\"; offset:9; depth:1;", 17, 0, 0, "x",
		1 },
	{ "udp any any -> any any (pkt_data; xor:\"20\"; content:\"AB\";", 17, 0, 0, "ab", 1 },
	{ "udp any any -> any any (pkt_data; to_md5; content:\"|18 7e f4 43|\"; startswith;", 17, 0,
		0, "ab", 1 },
	{ "udp any any -> any any (pkt_data; url_decode; content:\"a b/\";", 17, 0, 0, "a+b%2f",
		1 },
	{ "udp any any -> any any (pkt_data; strip_whitespace; content:\"ab\";", 17, 0, 0, "a b",
		1 },
};

static void test_packets(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(packet_cases) / sizeof(packet_cases[0]); i++) {
		const struct packet_case *c = &packet_cases[i];
		char rule[1024];

		snprintf(rule, sizeof(rule), "alert %s msg:\"x\"; sid:1;)\n", c->rule);
		open_rules(rule);
		kit_packet(&kit, c->proto, c->side, c->flags, c->payload,
			(uint32_t)strlen(c->payload));
		if (kit.n_hits != c->hits) {
			print_error("%s on %s: %u hits, not %u\n", c->rule, c->payload, kit.n_hits,
				c->hits);
			wrong++;
		}
		kit_close(&kit);
	}
	assert_int_equal(wrong, 0);
}

static void udp(const char *payload)
{
	kit_packet(&kit, 17, 0, 0, payload, (uint32_t)strlen(payload));
}

/* Most rules are about one way: 10/8 is what most of these name. */
static void test_ways(void **state)
{
	static const char rules[] =
		"alert udp 10.0.0.0/8 any -> !10.0.0.0/8 any (content:\"ab\"; sid:1;)\n"
		"alert udp !10.0.0.0/8 any -> 10.0.0.0/8 any (content:\"ab\"; sid:2;)\n"
		"alert udp any any -> 10.0.0.0/8 any (content:\"ab\"; sid:3;)\n"
		"alert udp 10.0.0.0/8 any <> any any (content:\"ab\"; sid:4;)\n"
		"alert udp any any -> any any (content:\"ab\"; sid:5;)\n"
		"alert udp 198.51.100.0/24 any -> any any (content:\"ab\"; sid:6;)\n"
		"alert udp 10.0.0.0/8 any -> 10.0.0.0/8 any (content:\"ab\"; sid:7;)\n"
		"alert udp [9.0.0.0/8,10.0.0.1,198.0.0.0/8] any -> any any (content:\"a\"; "
		"depth:1; sid:8;)\n"
		"alert udp any any -> [10.0.0.0/8,198.51.100.7] any (dsize:2; sid:9;)\n";

	(void)state;
	open_rules(rules);
	for (unsigned prefilter = 0; prefilter < 2; prefilter++) {
		rules_set_prefilter(kit.rules, prefilter);
		kit_restart(&kit);
		kit_packet(&kit, 17, 0, 0, "ab", 2);
		expect("out of it", "1 4 5 8 9");
		kit_restart(&kit);
		kit_packet(&kit, 17, 1, 0, "ab", 2);
		expect("into it", "2 3 4 5 6 8 9");
	}
	kit_close(&kit);
	/* What both ends are in goes neither way. */
	open_rules(
		"alert udp [10.0.0.0/8,198.51.100.0/24] any -> any any (content:\"ab\"; sid:1;)\n"
		"alert udp [10.0.0.0/8,198.51.100.0/24] any -> [10.0.0.0/8,198.51.100.0/24] any "
		"(content:\"ab\"; sid:2;)\n"
		"alert udp any any -> [10.0.0.0/8,198.51.100.0/24] any (content:\"ab\"; sid:3;)\n"
		"alert udp ![10.0.0.0/8,198.51.100.0/24] any -> any any (content:\"ab\"; "
		"sid:4;)\n");
	kit_packet(&kit, 17, 0, 0, "ab", 2);
	expect("within", "1 2 3");
	kit_close(&kit);
}

/* ------------------------------------------------------------------ marks, order, thresholds */

static void test_flowbits(void **state)
{
	(void)state;
	open_rules("alert udp any any -> any any (content:\"two\"; flowbits:isset,a; sid:2;)\n"
		   "alert udp any any -> any any (content:\"one\"; flowbits:set,a; "
		   "flowbits:noalert; sid:1;)\n"
		   "alert udp any any -> any any (content:\"not\"; flowbits:isnotset,a; sid:3;)\n"
		   "alert udp any any -> any any (content:\"off\"; flowbits:unset,a; sid:4;)\n"
		   "alert udp any any -> any any (content:\"flip\"; flowbits:toggle,b; sid:5;)\n"
		   "alert udp any any -> any any (content:\"any\"; flowbits:isset,a|b; sid:6;)\n"
		   "alert udp any any -> any any (content:\"all\"; flowbits:isset,a&b; sid:7;)\n"
		   "alert udp any any -> any any (content:\"num\"; flowint:n,notset; "
		   "flowint:n,=,1; sid:8;)\n"
		   "alert udp any any -> any any (content:\"add\"; flowint:n,isset; flowint:n,+,2; "
		   "sid:9;)\n"
		   "alert udp any any -> any any (content:\"cmp\"; flowint:n,>,2; sid:10;)\n");
	udp("two not");
	udp("one two"); /* one that sets comes before one that asks */
	udp("off");
	udp("two any all");
	udp("flip any all");
	udp("one any all");
	expect("flowbits", "3 2 4 5 6 6 7");
	kit_restart(&kit);
	udp("cmp add num");
	udp("cmp");
	udp("add num");
	udp("cmp");
	expect("flowint", "8 9 10 10 9 10");
	kit_close(&kit);
}

static void test_xbits(void **state)
{
	(void)state;
	open_rules("alert udp any any -> any any (content:\"set\"; xbits:set,x,track ip_src,expire "
		   "10; sid:1;)\n"
		   "alert udp any any -> any any (content:\"ask\"; xbits:isset,x,track ip_src; "
		   "sid:2;)\n");
	udp("ask");
	udp("set");
	kit_restart(&kit); /* it is the address's, not the conversation's */
	udp("ask");
	kit.now_ns += INT64_C(11000000000);
	udp("ask");
	expect("xbits", "2");
	kit_close(&kit);
}

static void test_order_and_pass(void **state)
{
	(void)state;
	open_rules("alert udp any any -> any any (content:\"ab\"; sid:1;)\n"
		   "drop udp any any -> any any (content:\"ab\"; sid:2;)\n"
		   "reject udp any any -> any any (content:\"ab\"; sid:3;)\n"
		   "pass udp any any -> any any (content:\"abc\"; sid:4;)\n"
		   "pass udp any any -> any any (content:\"xy\"; alert; sid:5;)\n");
	udp("ab");
	udp("abc");
	assert_false(kit.hit[3].alert);
	udp("xy"); /* the one that says so is told */
	assert_true(kit.hit[4].alert);
	expect("order", "2 3 1 4 5");
	kit_close(&kit);
}

struct threshold_case {
	const char *options, *times; /* seconds */
	const char *alerts;
};

static const struct threshold_case threshold_cases[] = {
	{ "threshold:type limit, track by_src, count 2, seconds 10;", "0 1 2 3 11 12 13",
		"1100110" },
	{ "threshold:type threshold, track by_src, count 3, seconds 10;", "0 1 2 3 4 5 6",
		"0010010" },
	{ "threshold:type both, track by_src, count 2, seconds 10;", "0 1 2 3 11 12 13",
		"0100010" },
	{ "detection_filter:track by_src, count 2, seconds 10;", "0 1 2 3 20 21 22", "0011001" },
};

static void test_thresholds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(threshold_cases) / sizeof(threshold_cases[0]); i++) {
		const struct threshold_case *c = &threshold_cases[i];
		char rule[512], got[16] = "", *at;
		unsigned n = 0;
		const char *times = c->times;

		snprintf(rule, sizeof(rule),
			"alert udp any any -> any any (content:\"ab\"; %s sid:1;)\n", c->options);
		open_rules(rule);
		while (*times) {
			kit.now_ns = INT64_C(1000000000) * (1 + strtol(times, &at, 10));
			times = at;
			kit.n_hits = 0;
			udp("ab");
			got[n++] = kit.n_hits ? '1' : '0';
		}
		assert_string_equal(got, c->alerts);
		kit_close(&kit);
	}
}

static void test_threshold_does_not_thin_drops(void **state)
{
	(void)state;
	open_rules("drop udp any any -> any any (content:\"ab\"; "
		   "threshold:type limit, track by_src, count 1, seconds 10; sid:1;)\n");
	udp("ab");
	udp("ab");
	assert_int_equal(kit.n_hits, 2);
	assert_true(kit.hit[0].alert);
	assert_false(kit.hit[1].alert);
	assert_int_equal(kit.hit[1].action, RULE_DROP);
	kit_close(&kit);
}

/* ------------------------------------------------------------------ replace */

static void test_replace(void **state)
{
	(void)state;
	open_rules("alert tcp any any -> any any (content:\"/bin/sh\"; replace:\"/ben/sh\"; "
		   "sid:1;)\n");
	for (uint32_t cut = 1; cut < 9; cut++) {
		const char *sent = "x/bin/sh /bin/sh";

		kit_restart(&kit);
		kit_segment(&kit, 0, sent, cut);
		kit_segment(&kit, 0, sent + cut, 16 - cut);
		assert_int_equal(kit.n_hits, 2);
		assert_memory_equal(kit.bytes[0], "x/ben/sh /ben/sh", 16);
	}
	kit_close(&kit);
}

static uint32_t tail(const char *bytes)
{
	struct bytes b;
	struct frame frame;
	struct rules_unit unit = kit_unit(&kit, 6, 0, 0x18, &b, &frame);

	unit.kind = RULES_STREAM;
	unit.bytes = (const uint8_t *)bytes;
	unit.len = (uint32_t)strlen(bytes);
	return rules_tail(kit.rules, &unit);
}

static void test_tail(void **state)
{
	(void)state;
	open_rules("alert tcp any any -> any any (content:\"/bin/sh\"; replace:\"/ben/sh\"; "
		   "sid:1;)\n");
	assert_int_equal(tail("xx/"), 1);
	assert_int_equal(tail("xx/bin/s"), 6);
	assert_int_equal(tail("xx/bin/sh"), 0);
	assert_int_equal(tail("xx/bin/"), 5);
	assert_int_equal(tail("xx/biN"), 0);
	assert_int_equal(tail(""), 0);
	kit_close(&kit);
	open_rules("alert tcp any any -> any any (content:\"AbC\"; nocase; replace:\"xxx\"; "
		   "sid:1;)\n");
	assert_int_equal(tail("xaB"), 2);
	kit_close(&kit);
	open_rules("alert tcp any any -> any 81 (content:\"abc\"; replace:\"xxx\"; sid:1;)\n");
	assert_int_equal(tail("xab"), 0); /* the header does not fit */
	kit_close(&kit);
}

/* ------------------------------------------------------------------ transactions */

static void on_tx(void *context, struct proto_tx *tx, unsigned side)
{
	struct bytes b;
	struct frame frame;
	struct rules_unit unit = kit_unit(&kit, 6, side, 0x18, &b, &frame);

	(void)context;
	unit.kind = RULES_TX;
	unit.tx = tx;
	unit.app = PROTO_HTTP;
	kit_look(&kit, &unit);
}

struct tx_case {
	const char *rule, *request, *response;
	unsigned hits;
};

#define GET    "GET /a/index.php?x=A HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: tester\r\n\r\n"
#define POST   "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\nhello=attack"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: s\r\n\r\nfound"

static const struct tx_case tx_cases[] = {
	{ "http any any -> any any (http.uri; content:\"index.php\";", GET, ANSWER, 1 },
	{ "tcp any any -> any any (content:\"index.php\"; http_uri;", GET, ANSWER, 1 },
	{ "tcp any any -> any any (content:\"x=A\"; http_uri; isdataat:!1,relative;", GET, ANSWER,
		1 },
	{ "tcp any any -> any any (content:\"x=\"; http_uri; isdataat:!1,relative;", GET, ANSWER,
		0 },
	{ "tcp any any -> any any (uricontent:\"/a/\"; pcre:\"/^index/R\";", GET, ANSWER, 1 },
	{ "tcp any any -> any any (flow:to_client; content:\"index\"; http_uri;", GET, ANSWER, 1 },
	{ "http any any -> any any (http.method; content:\"GET\"; http.uri; content:\"index\";",
		GET, "", 1 },
	{ "http any any -> any any (http.method; content:\"POST\"; http.uri; content:\"index\";",
		GET, "", 0 },
	{ "http any any -> any any (http.uri; content:\"index\"; http.stat_code; content:\"200\";",
		GET, ANSWER, 1 },
	{ "http any any -> any any (http.uri; content:\"index\"; http.stat_code; content:\"404\";",
		GET, ANSWER, 0 },
	{ "http any any -> any any (http.uri; content:\"index\"; content:!\"cmd\";", GET, ANSWER,
		1 },
	{ "http any any -> any any (http.uri; content:\"index\"; http.user_agent; "
	  "content:!\"test\";",
		GET, ANSWER, 0 },
	{ "http any any -> any any (http.request_body; content:\"attack\";", POST, ANSWER, 1 },
	{ "http any any -> any any (http.request_body; content:\"hello\"; content:!\"xx\";", POST,
		ANSWER, 1 },
	{ "tcp any any -> any any (flow:to_client; file_data; content:\"found\"; depth:5;", GET,
		ANSWER, 1 },
	{ "tcp any any -> any any (flow:to_server; file_data; content:\"found\";", GET, ANSWER, 0 },
	{ "http any any -> any any (urilen:>5; http.uri; content:\"index\";", GET, ANSWER, 1 },
	{ "http any any -> any any (http.host; bsize:15; content:\"example\";", GET, ANSWER, 1 },
	{ "http any any -> any any (http.host; to_uppercase; content:\"EXAMPLE\";", GET, ANSWER,
		1 },
	{ "http any any -> any any (http.cookie; absent;", GET, ANSWER, 1 },
	{ "http any any -> any any (http.stat_number:200;", GET, ANSWER, 1 },
	{ "tls any any -> any any (content:\"index\";", GET, ANSWER, 0 },
	{ "http any any -> any any (pcre:\"/index.php/U\";", GET, ANSWER, 1 },
};

/* Both sides, `step` bytes at a time. */
static void converse(const struct tx_case *c, size_t step)
{
	struct proto_setup setup = { .on_tx = on_tx };
	struct proto_flow_info info = { .ip_proto = 6, .port = { 40000, 80 } };
	struct proto_conn *conn;
	const char *said[2] = { c->request, c->response };

	assert_int_equal(proto_conn_new(&setup, &info, &conn), 0);
	for (unsigned side = 0; side < 2; side++)
		for (size_t at = 0, len = strlen(said[side]); at < len; at += step)
			proto_feed(conn, side, (const uint8_t *)said[side] + at,
				len - at < step ? len - at : step, 1);
	proto_end(conn, 0);
	proto_end(conn, 1);
	proto_conn_free(conn);
}

static void test_transactions(void **state)
{
	static const size_t steps[] = { 4096, 7, 1 };
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(tx_cases) / sizeof(tx_cases[0]); i++) {
		const struct tx_case *c = &tx_cases[i];
		char rule[1024];

		snprintf(rule, sizeof(rule), "alert %s sid:1;)\n", c->rule);
		open_rules(rule);
		for (unsigned n = 0; n < 6; n++) {
			kit_restart(&kit);
			rules_set_prefilter(kit.rules, n < 3);
			converse(c, steps[n % 3]);
			if (kit.n_hits != c->hits) {
				print_error("%s (%zu at a time, prefilter %d): %u hits, not %u\n",
					c->rule, steps[n % 3], n < 3, kit.n_hits, c->hits);
				wrong++;
			}
		}
		kit_close(&kit);
	}
	assert_int_equal(wrong, 0);
}

/* All of a body that is kept is transformed, and what an expression cannot decide within its limits is undecided. */
static void test_transforms_of_much(void **state)
{
	enum { LEN = 170000 };
	static char post[LEN + 128],
		doubt[] = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 60\r\n\r\n"
			  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
	int head = snprintf(post, sizeof(post),
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %u\r\n\r\n", LEN);

	(void)state;
	memset(post + head, '.', LEN);
	memcpy(post + head + 165000, "EVIL", 4);
	open_rules("drop http any any -> any any (http.request_body; to_lowercase; "
		   "content:\"evil\"; sid:1;)\n"
		   "drop http any any -> any any (http.request_body; pcrexform:\"((x+x+)+[yz])\"; "
		   "content:\"x\"; sid:2;)\n");
	converse(&(struct tx_case){ .request = post, .response = "" }, 16384);
	expect("much", "1");
	kit_restart(&kit);
	converse(&(struct tx_case){ .request = doubt, .response = "" }, 16384);
	expect("doubt", "t2 t2"); /* as it came, and at its end */
	kit_close(&kit);
}

/* Of many headers, receivers and so on the first ones are looked at; whether what is found further on matches is
 * undecided, and what is in none of them is not there. */
static void test_many_instances(void **state)
{
	static char request[4096];
	struct out o = out_make(request, sizeof(request));

	(void)state;
	out_str(&o, "GET / HTTP/1.1\r\nHost: h\r\n");
	for (unsigned i = 1; i < 100; i++)
		out_fmt(&o, "X%u: %s\r\n", i, i == 62 ? "near" : i == 90 ? "far" : "x");
	out_str(&o, "\r\n");
	open_rules(
		"drop http any any -> any any (http.request_header; content:\"near\"; sid:1;)\n"
		"drop http any any -> any any (http.request_header; content:\"far\"; sid:2;)\n"
		"drop http any any -> any any (http.request_header; content:\"gone\"; sid:3;)\n");
	converse(&(struct tx_case){ .request = request, .response = "" }, sizeof(request));
	expect("many", "1 t2");
	kit_close(&kit);
}

/* A rule that names no direction is told of an operation and of its answer. */
static void test_each_side(void **state)
{
	static const uint8_t request[] = { 5, 0, 0, 3, 16, 0, 0, 0, 28, 0, 0, 0, 5, 0, 0, 0, 4, 0,
		0, 0, 0, 0, 15, 0, 's', 't', 'u', 'b' };
	static const uint8_t answer[] = { 5, 0, 2, 3, 16, 0, 0, 0, 28, 0, 0, 0, 5, 0, 0, 0, 4, 0, 0,
		0, 0, 0, 0, 0, 'd', 'o', 'n', 'e' };
	struct proto_setup setup = { .on_tx = on_tx };
	struct proto_flow_info info = { .ip_proto = 6, .port = { 40000, 135 } };
	struct proto_conn *conn;

	(void)state;
	open_rules("alert tcp any any -> any any (dcerpc.opnum:15; sid:1;)\n"
		   "alert dcerpc any any -> any any (flow:to_server; dcerpc.opnum:15; sid:2;)\n"
		   "alert dcerpc any any -> any any (dcerpc.opnum:16; sid:3;)\n");
	assert_int_equal(proto_conn_new(&setup, &info, &conn), 0);
	proto_feed(conn, 0, request, sizeof(request), 1);
	expect("request", "1 2");
	proto_feed(conn, 1, answer, sizeof(answer), 1);
	proto_conn_free(conn);
	expect("answer", "1 2 1");
	kit_close(&kit);
}

/* ------------------------------------------------------------------ limits */

static void test_limits(void **state)
{
	static char text[65536];
	uint32_t n = 60000;

	(void)state;
	open_rules("drop tcp any any -> any any (content:\"a\"; content:\"b\"; within:50; "
		   "content:\"c\"; within:50; content:\"d\"; within:50; sid:1;)\n"
		   "drop tcp any any -> any any (content:\"start\"; pcre:\"/(x+x+)+[yz]/\"; "
		   "sid:2;)\n"
		   "drop tcp any any -> any any (content:\"begin\"; pcre:\"/q{1,90}[qr][cd]/\"; "
		   "sid:3;)\n");
	for (uint32_t i = 0; i < n; i++)
		text[i] = "abc"[i % 3];
	kit_segment(&kit, 0, text, n);
	expect("backtracking", "t1");
	kit_restart(&kit);
	memset(text, 'x', sizeof(text));
	memcpy(text, "start", 5);
	kit_segment(&kit, 0, text, n);
	expect("catastrophe", "t2");
	kit_restart(&kit);
	memset(text, 'q', sizeof(text));
	memcpy(text, "begin", 5);
	kit_segment(&kit, 0, text, n);
	expect("many small ones", "t3");
	kit_close(&kit);
}

/* What may stand only at the start is not looked for behind it, however much has come. */
static void test_depth_far_behind(void **state)
{
	static char text[20000];

	(void)state;
	open_rules("drop tcp any any -> any any (content:\"AB\"; depth:2; content:\"needle\"; "
		   "distance:0; sid:1;)\n");
	memset(text, '.', sizeof(text));
	kit_segment(&kit, 0, text, sizeof(text));
	kit_segment(&kit, 0, text, sizeof(text));
	kit_segment(&kit, 0, "needle", 6);
	expect("far behind", "");
	kit_close(&kit);
}

/* Lists of addresses: of two sets, the one that fewer rules name leads to a rule. */
static void test_lists_of_addresses(void **state)
{
	(void)state;
	open_rules("alert ip 10.0.0.1 any -> [203.0.113.1,203.0.113.2] any (sid:1;)\n"
		   "alert ip 10.0.0.1 any -> [203.0.113.3,203.0.113.9] any (sid:2;)\n"
		   "alert ip 10.0.0.1 any -> [203.0.113.5,198.51.100.0/24] any (sid:3;)\n");
	udp("x");
	expect("lists", "3");
	assert_int_equal(rules_cost(kit.rules, 0).checks, 0);
	assert_int_equal(rules_cost(kit.rules, 1).checks, 0);
	assert_int_equal(rules_cost(kit.rules, 2).checks, 1);
	kit_close(&kit);
}

/* More rules wait than may: those without room say so. */
static void test_too_many_wait(void **state)
{
	static char text[300 * 100];
	size_t len = 0;
	unsigned tired = 0;

	(void)state;
	for (unsigned i = 1; i <= 300; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
			"drop tcp any any -> any any (content:\"first\"; content:\"o%u\"; "
			"sid:%u;)\n",
			i, i);
	assert_true(kit_open(&kit, text, len));
	kit_segment(&kit, 0, "first", 5);
	for (unsigned i = 0; i < kit.n_hits; i++)
		tired += kit.hit[i].tired;
	assert_int_equal(tired, RULES_HITS_MAX);
	kit_segment(&kit, 0, "........................................", 40);
	kit.n_hits = 0;
	kit_segment(&kit, 0, "o200", 4); /* o2, o20, o200 were among those that wait */
	expect("waiting", "2 20 200");
	kit_close(&kit);
}

/* Nobody is told of alerts, but what they leave behind is there for rules that are told. */
static void test_quiet(void **state)
{
	static const char segment[] = "mark pass wide";

	(void)state;
	open_rules("alert tcp any any -> any any (content:\"mark\"; flowbits:set,m; sid:1;)\n"
		   "alert tcp any any -> any any (content:\"mark\"; sid:2;)\n"
		   "alert tcp any any -> any any (content:\"far\"; flowbits:isset,m; sid:3;)\n"
		   "drop tcp any any -> any any (content:\"wide\"; sid:4;)\n"
		   "alert tcp any any -> any any (flags:PA; sid:5;)\n");
	kit.quiet = true;
	kit_segment(&kit, 0, segment, sizeof(segment) - 1);
	expect("quiet", "4 1");
	kit.quiet = false;
	kit.n_hits = 0;
	kit_segment(&kit, 1, "so far", 6);
	expect("loud", "5 3");
	kit_close(&kit);
}

/* Where a literal may end is what its rule says, and no byte less. */
static void test_last_place(void **state)
{
	static const struct {
		const char *options;
		unsigned end; /* of "ab", at most */
	} cases[] = {
		{ "dsize:>99; content:\"ab\"; depth:40;", 40 },
		{ "dsize:>99; content:\"ab\"; offset:10; depth:40;", 50 },
		{ "dsize:>99; content:\"x\"; depth:1; content:\"ab\"; distance:8; within:9;", 18 },
		{ "dsize:>99; content:\"x\"; depth:1; content:!\"q\"; content:\"ab\"; within:9;",
			10 },
		{ "dsize:100<>400; content:\"ab\";", 300 },
		{ "dsize:300; content:\"ab\";", 300 },
		{ "dsize:<301; content:\"ab\";", 300 },
		{ "flow:only_stream; content:\"ab\"; offset:200; depth:40;", 240 },
	};
	char text[256], bytes[300];

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
		unsigned end = cases[i / 2].end + i % 2, len = sizeof(bytes);

		memset(bytes, '.', sizeof(bytes));
		bytes[0] = 'x';
		if (end <= len)
			memcpy(bytes + end - 2, "ab", 2);
		snprintf(text, sizeof(text), "alert tcp any any -> any any (%s sid:1;)\n",
			cases[i / 2].options);
		open_rules(text);
		kit_segment(&kit, 0, bytes, len);
		expect(text, i % 2 == 0 ? "1" : "");
		kit_close(&kit);
	}
}

/* What a packet had is not searched for again in its stream, unless it was more than is kept. */
static void test_found_once(void **state)
{
	char rules[8192], bytes[512];
	size_t n_rules = 0, len = 0;

	(void)state;
	for (unsigned i = 1; i <= 80; i++) {
		n_rules += (size_t)snprintf(rules + n_rules, sizeof(rules) - n_rules,
			"alert tcp any any -> any any (content:\"w%02u.\"; flow:only_stream; "
			"sid:%u;)\n",
			i, i);
		len += (size_t)snprintf(bytes + len, sizeof(bytes) - len, "w%02u.", i);
	}
	assert_true(kit_open(&kit, rules, n_rules));
	for (uint32_t n = 1; n <= 80; n++) {
		kit_restart(&kit);
		kit_segment(&kit, 0, bytes, 1);
		kit_segment(&kit, 0, bytes + 1, 4 * n - 1);
		assert_int_equal(kit.n_hits, n < RULES_HITS_MAX ? n : RULES_HITS_MAX);
	}
	kit_close(&kit);
	open_rules(
		"alert tcp any any -> any any (content:\"needle\"; depth:100; flow:only_stream; "
		"sid:1;)\n"
		"alert tcp any any -> any any (content:\"needle\"; depth:10; dsize:6; sid:2;)\n");
	memset(bytes, '.', sizeof(bytes));
	for (uint32_t before = 94; before <= 95; before++) {
		kit_restart(&kit);
		kit_segment(&kit, 0, bytes, before);
		kit_segment(&kit, 0, "needle", 6);
		expect("reach of either", before == 94 ? "2 1" : "2");
	}
	kit_close(&kit);
}

/* What has to be near the start is searched for there only, and a stream is longer than 32 bits can say. */
static void test_near_and_far(void **state)
{
	static const struct {
		uint64_t before;
		const char *hits;
	} cases[] = { { 250, "1 2 3 4" }, { 251, "2 3 4" }, { 252, "3 4" }, { 294, "3 4" },
		{ 295, "4" }, { UINT64_C(5) << 30, "4" } };
	char bytes[512];

	(void)state;
	memset(bytes, '.', sizeof(bytes));
	open_rules("alert tcp any any -> any any (content:\"needle\"; depth:256; flow:only_stream; "
		   "sid:1;)\n"
		   "alert tcp any any -> any any (content:\"needle\"; depth:257; flow:only_stream; "
		   "sid:2;)\n"
		   "alert tcp any any -> any any (content:\"needle\"; depth:300; flow:only_stream; "
		   "sid:3;)\n"
		   "alert tcp any any -> any any (content:\"needle\"; flow:only_stream; sid:4;)\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		kit_restart(&kit);
		kit.total[0] = cases[i].before;
		kit_segment(&kit, 0, "needle", 6);
		expect("a place in the stream", cases[i].hits);
		if (cases[i].before > sizeof(bytes))
			continue;
		kit_restart(&kit);
		kit_segment(&kit, 0, bytes, (uint32_t)cases[i].before);
		kit_segment(&kit, 0, "needle", 6);
		expect("a place in two segments", cases[i].hits);
	}
	kit_close(&kit);
}

/* Rules without a literal that need SYN, found in a list and by address. */
static void test_syn(void **state)
{
	static const struct {
		unsigned flags;
		const char *hits;
	} cases[] = { { 0x02, "1 2 3 4" }, { 0xc2, "2 3 4" }, { 0x12, "3" }, { 0x18, "5 6" } };

	(void)state;
	open_rules("alert tcp any any -> any any (flags:S; sid:1;)\n"
		   "alert tcp 10.0.0.1 any -> any any (flags:S,12; sid:2;)\n"
		   "alert tcp any any -> 198.51.100.7 any (flags:S+; sid:3;)\n"
		   "alert tcp any any -> any any (flags:!PA; flags:S,12; sid:4;)\n"
		   "alert tcp any any -> any any (flags:!S; sid:5;)\n"
		   "alert tcp any any -> any any (flags:*PU; sid:6;)\n");
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		kit_restart(&kit);
		kit_packet(&kit, 6, 0, cases[i].flags, "", 0);
		expect(cases[i].hits, cases[i].hits);
	}
	kit_close(&kit);
}

static void test_bad_images(void **state)
{
	struct rules *rules;
	uint8_t *copy;

	(void)state;
	open_rules("alert tcp any any -> any any (content:\"ab\"; pcre:\"/x/\"; sid:1;)\n");
	copy = malloc(kit.size);
	assert_non_null(copy);
	for (size_t at = 0; at < kit.size; at++) {
		memcpy(copy, kit.image, kit.size);
		copy[at] ^= 0xff;
		if (rules_open(copy, kit.size, &rules) == 0)
			rules_close(rules);
		memcpy(copy, kit.image, kit.size);
		if (at % 64 == 0)
			assert_int_equal(rules_open(copy, at, &rules), -EBADMSG);
	}
	free(copy);
	kit_close(&kit);
}

static void test_opened_in_pieces(void **state)
{
	struct rules *rules;
	unsigned pieces = 0;
	int r = 1;

	(void)state;
	open_rules("alert tcp any any -> any any (content:\"ab\"; pcre:\"/x/\"; sid:1;)\n"
		   "alert udp any any -> any any (content:\"cd\"; sid:2;)\n");
	for (; r == 1; pieces++) { /* each time one more, and then it is closed */
		assert_int_equal(rules_open_begin(kit.image, kit.size, &rules), 0);
		for (unsigned i = 0; i <= pieces; i++)
			r = rules_open_more(rules);
		assert_in_range(r, 0, 1);
		if (r == 1)
			rules_close(rules);
	}
	assert_true(pieces > 2);
	rules_close(kit.rules);
	kit.rules = rules;
	kit_restart(&kit);
	kit_packet(&kit, 17, 0, 0, "abcd", 4);
	expect("in pieces", "2");
	kit_close(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_streams_without_prefilter),
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_ways),
		cmocka_unit_test(test_flowbits),
		cmocka_unit_test(test_xbits),
		cmocka_unit_test(test_order_and_pass),
		cmocka_unit_test(test_thresholds),
		cmocka_unit_test(test_threshold_does_not_thin_drops),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_tail),
		cmocka_unit_test(test_transactions),
		cmocka_unit_test(test_transforms_of_much),
		cmocka_unit_test(test_many_instances),
		cmocka_unit_test(test_each_side),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_depth_far_behind),
		cmocka_unit_test(test_lists_of_addresses),
		cmocka_unit_test(test_too_many_wait),
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_last_place),
		cmocka_unit_test(test_found_once),
		cmocka_unit_test(test_near_and_far),
		cmocka_unit_test(test_syn),
		cmocka_unit_test(test_bad_images),
		cmocka_unit_test(test_opened_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
