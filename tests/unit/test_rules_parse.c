/* SPDX-License-Identifier: Apache-2.0 */
/* The rule language: what comes out of rules, why others are refused, and where. Rules of the
 * world: tests/golden/test_rules.py. */
#include <errno.h>
#include <stdbool.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/out.h"
#include "proto/proto.h"
#include "rules/explain.h"
#include "rules/parse.h"

/* ---- a rule as one line ---- */

static void print_value(struct out *o, const struct rule_value *value)
{
	if (value->is_var)
		out_fmt(o, "$%u", value->var);
	else
		out_i64(o, value->number);
}

static void print_compare(struct out *o, const struct rule_compare *compare)
{
	static const char *const words[] = { "=", "!=", "<", "<=", ">", ">=", "in ",
		"in= ", "out " };

	out_str(o, words[compare->op]);
	print_value(o, &compare->a);
	if (compare->op >= RULE_RANGE) {
		out_char(o, '-');
		print_value(o, &compare->b);
	}
}

static void print_prefixes(struct out *o, const struct ip_prefix *prefix, uint32_t n)
{
	char buf[IP_TEXT_MAX];

	for (uint32_t i = 0; i < n; i++)
		out_fmt(o, "%s%s", i ? "," : "", ip_prefix_text(&prefix[i], buf));
}

static void print_nets(struct out *o, const struct rule_nets *nets)
{
	out_str(o, nets->any ? "any" : nets->n_in ? "" : "none");
	print_prefixes(o, nets->in, nets->n_in);
	out_str(o, nets->n_out ? "-" : "");
	print_prefixes(o, nets->out, nets->n_out);
}

static void print_ports(struct out *o, const struct rule_ports *ports)
{
	out_str(o, ports->any ? " any" : ports->n ? " " : " none");
	for (uint32_t i = 0; i < ports->n; i++) {
		out_fmt(o, "%s%u", i ? "," : "", ports->range[i].first);
		if (ports->range[i].last != ports->range[i].first)
			out_fmt(o, "-%u", ports->range[i].last);
	}
}

static void print_header(struct out *o, const struct rule *rule)
{
	static const char *const actions[] = { "alert", "log", "pass", "drop", "sdrop", "reject" };
	static const char *const protos[] = { "ip", "tcp", "tcp-pkt", "tcp-stream", "udp", "icmp",
		"sctp", "ether" };

	out_fmt(o, "%s %s ", actions[rule->action],
		rule->proto == RULE_PROTO_APP ? proto_name((enum proto_id)rule->app)
					      : protos[rule->proto]);
	if (rule->only_version)
		out_fmt(o, "v%u ", rule->only_version);
	if (rule->reject != RULE_REJECT_SOURCE)
		out_fmt(o, "to%d ", rule->reject);
	print_nets(o, &rule->src);
	print_ports(o, &rule->sport);
	out_str(o, rule->both_ways ? " <> " : " > ");
	print_nets(o, &rule->dst);
	print_ports(o, &rule->dport);
	if (rule->flow)
		out_fmt(o, " flow=%x", rule->flow);
	if (rule->noalert)
		out_str(o, " noalert");
}

static void print_place(struct out *o, const char *name, bool has, const struct rule_value *value)
{
	if (has) {
		out_fmt(o, " %s=", name);
		print_value(o, value);
	}
}

static void print_content(struct out *o, const struct rule_content *content)
{
	out_char(o, ' ');
	out_hex(o, content->bytes, content->len);
	out_str(o, content->nocase ? " nocase" : "");
	out_str(o, content->raw ? " raw" : "");
	out_str(o, content->startswith ? " start" : "");
	out_str(o, content->endswith ? " end" : "");
	out_str(o, content->fast ? " fast" : "");
	out_str(o, content->fast_only ? " only" : "");
	if (content->fast_len)
		out_fmt(o, " %u,%u", content->fast_at, content->fast_len);
	print_place(o, "offset", content->has_offset, &content->offset);
	print_place(o, "depth", content->has_depth, &content->depth);
	print_place(o, "distance", content->has_distance, &content->distance);
	print_place(o, "within", content->has_within, &content->within);
	if (content->replace) {
		out_str(o, " replace=");
		out_hex(o, content->replace, content->len);
	}
}

static void print_bytes(struct out *o, const struct rule_option *option)
{
	static const char *const tests[] = { "<", ">", "=", "<=", ">=", "&", "^" };
	static const char *const signs[] = { "+", "-", "*", "/", "<<", ">>" };
	const struct rule_bytes *bytes = &option->bytes;

	out_char(o, ' ');
	print_value(o, &bytes->count);
	out_char(o, '@');
	print_value(o, &bytes->offset);
	out_str(o, bytes->relative ? " relative" : "");
	out_str(o, bytes->endian == RULE_LITTLE ? " little" : "");
	out_str(o, bytes->endian == RULE_DCE ? " dce" : "");
	if (bytes->string)
		out_fmt(o, " string%u", bytes->base);
	if (bytes->bitmask)
		out_fmt(o, " mask=%llx", (unsigned long long)bytes->bitmask);
	if (bytes->multiplier != 1)
		out_fmt(o, " times=%u", bytes->multiplier);
	out_str(o, bytes->align ? " align" : "");
	out_str(o, bytes->from_beginning ? " beginning" : "");
	out_str(o, bytes->from_end ? " end" : "");
	if (bytes->extract_align)
		out_fmt(o, " align=%u", bytes->extract_align);
	print_place(o, "post", bytes->post_offset.number != 0 || bytes->post_offset.is_var,
		&bytes->post_offset);
	if (option->keyword == RULE_BYTE_TEST)
		out_fmt(o, " %s", tests[bytes->test]);
	if (option->keyword == RULE_BYTE_MATH)
		out_fmt(o, " %s", signs[bytes->math]);
	if (option->keyword == RULE_BYTE_TEST || option->keyword == RULE_BYTE_MATH)
		print_value(o, &bytes->value);
	if (option->keyword == RULE_BYTE_EXTRACT || option->keyword == RULE_BYTE_MATH)
		out_fmt(o, " $%u", bytes->result);
}

static void print_bits(struct out *o, const struct rules_text *text, enum rules_names_kind kind,
	const struct rule_bits *bits)
{
	static const char *const words[] = { "set", "unset", "toggle", "isset", "isnotset" };

	out_fmt(o, " %s", words[bits->command]);
	for (unsigned i = 0; i < bits->n; i++)
		out_fmt(o, "%s%s",
			i == 0      ? " "
			: bits->all ? "&"
				    : "|",
			text->names[kind].name[bits->name[i]]);
	if (bits->track != RULE_TRACK_FLOW)
		out_fmt(o, " track=%d", bits->track);
	if (bits->expire_s)
		out_fmt(o, " expire=%u", bits->expire_s);
}

static void print_integer(
	struct out *o, const struct rules_text *text, const struct rule_int *integer)
{
	static const char *const actions[] = { "?", "=", "+", "-" };
	const struct rules_names *names = &text->names[RULES_NAMES_FLOWINT];

	out_fmt(o, " %s ", names->name[integer->name]);
	if (integer->is_set || integer->is_not_set) {
		out_str(o, integer->is_set ? "isset" : "notset");
		return;
	}
	out_str(o, actions[integer->action]);
	if (integer->action == RULE_INT_COMPARE)
		out_fmt(o, "%d", integer->compare.op);
	if (integer->by_name)
		out_fmt(o, " %s", names->name[integer->other]);
	else
		out_fmt(o, " %lld", (long long)integer->number);
}

static void print_filter(struct out *o, const struct rule_threshold *filter)
{
	out_fmt(o, " type=%d track=%d count=%u seconds=%u", filter->type, filter->track,
		filter->count, filter->seconds);
	if (filter->multiplier)
		out_fmt(o, " times=%u", filter->multiplier);
	if (filter->timeout_s)
		out_fmt(o, " timeout=%u action=%d", filter->timeout_s, filter->action);
}

static void print_word(struct out *o, const struct rule_option *option)
{
	if (option->word.text)
		out_fmt(o, " '%s'", option->word.text);
	if (option->word.value)
		out_fmt(o, " %llu", (unsigned long long)option->word.value);
	for (unsigned i = 0; i < option->word.n; i++)
		out_fmt(o, " #%u", option->word.numbers[i]);
}

static void print_transforms(struct out *o, const struct rule_option *option)
{
	for (unsigned i = 0; i < option->n_transforms; i++) {
		const struct rule_transform *transform = &option->transform[i];

		out_fmt(o, " t%d", transform->how);
		if (transform->key_len)
			out_hex(o, transform->key, transform->key_len);
		if (transform->pattern)
			out_fmt(o, "'%s'", transform->pattern);
		if (transform->bytes || transform->offset || transform->mode)
			out_fmt(o, ":%u,%u,%u", transform->bytes, transform->offset,
				transform->mode);
	}
}

static const struct {
	const char *name;
	enum rule_form form;
} keywords[] = {
#define KEYWORD(ID, name, form, text) { name, RULE_FORM_##form },
#include "rules/option.def"
#undef KEYWORD
};

static void print_rest(struct out *o, const struct rule_option *option, enum rule_form form)
{
	switch (form) {
	case RULE_FORM_STREAM_SIZE:
		out_fmt(o, " %u ", option->stream_size.side);
		print_compare(o, &option->stream_size.compare);
		break;
	case RULE_FORM_BASE64:
		print_place(o, "count", true, &option->base64.count);
		print_place(o, "offset", true, &option->base64.offset);
		out_str(o, option->base64.relative ? " relative" : "");
		break;
	case RULE_FORM_ASN1:
		out_fmt(o, " %d%d%d%d oversize=%u offset=%d", option->asn1.bitstring,
			option->asn1.overflow, option->asn1.has_offset, option->asn1.relative,
			option->asn1.oversize, option->asn1.offset);
		break;
	case RULE_FORM_RPC:
		out_fmt(o, " %u,%u,%u any=%d%d", option->rpc.program, option->rpc.version,
			option->rpc.procedure, option->rpc.any_version, option->rpc.any_procedure);
		break;
	case RULE_FORM_TAG:
		out_fmt(o, " %d %u %u %u", option->tag.session, option->tag.count, option->tag.unit,
			option->tag.direction);
		break;
	case RULE_FORM_FLAGS:
		out_fmt(o, " %x ignore=%x how=%d", option->flags.bits, option->flags.ignore,
			option->flags.how);
		break;
	default:
		print_word(o, option);
	}
}

static void print_option(
	struct out *o, const struct rules_text *text, const struct rule_option *option)
{
	enum rule_form form = keywords[option->keyword].form;

	out_fmt(o, "; %s%s", option->negated ? "!" : "", keywords[option->keyword].name);
	if (option->keyword == RULE_NUMBER)
		out_fmt(o, "[%s]", proto_number_info((enum proto_number_id)option->buffer)->name);
	else if (option->buffer > BUFFER_PAYLOAD)
		out_fmt(o, "[%s]", proto_buffer_info((enum proto_buffer_id)option->buffer)->name);
	if (option->list)
		out_fmt(o, "/%u", option->list);
	print_transforms(o, option);
	if (form == RULE_FORM_CONTENT)
		print_content(o, &option->content);
	else if (form == RULE_FORM_PCRE)
		out_fmt(o, " %s flags=%x%s", option->pcre.pattern, option->pcre.pcre2_flags,
			option->pcre.relative ? " relative" : "");
	else if (form == RULE_FORM_BYTES)
		print_bytes(o, option);
	else if (form == RULE_FORM_ISDATAAT) {
		out_char(o, ' ');
		print_value(o, &option->isdataat.at);
		out_str(o, option->isdataat.relative ? " relative" : "");
	} else if (form == RULE_FORM_BITS)
		print_bits(o, text,
			option->keyword == RULE_XBITS ? RULES_NAMES_XBITS : RULES_NAMES_FLOWBITS,
			&option->bits);
	else if (form == RULE_FORM_INTEGER)
		print_integer(o, text, &option->integer);
	else if (form == RULE_FORM_COMPARE) {
		out_char(o, ' ');
		print_compare(o, &option->compare);
	} else if (form == RULE_FORM_FILTER)
		print_filter(o, &option->filter);
	else
		print_rest(o, option, form);
}

static const char *line_of(const struct rules_text *text, const struct rule *rule)
{
	static char buf[1 << 16];
	struct out o = out_make(buf, sizeof(buf));

	print_header(&o, rule);
	for (unsigned i = 0; i < rule->n_options; i++)
		print_option(&o, text, &rule->option[i]);
	if (rule->has_threshold) {
		out_str(&o, "; told");
		print_filter(&o, &rule->threshold);
	}
	if (rule->has_rate_filter) {
		out_str(&o, "; rate");
		print_filter(&o, &rule->rate_filter);
	}
	assert_true(out_ok(&o));
	return buf;
}

/* ---- what comes out ---- */

static const struct {
	const char *rule, *line;
	bool whole; /* else: what stands between the parentheses, and behind the header */
} good[] = {
	{ "content:\"abc\"; sid:1;", "; content 616263" },
	{ "content:!\"abc\"; sid:1;", "; !content 616263" },
	{ "content: ! \"abc\" ; sid:1;", "; !content 616263" },
	{ "content:\"a|42 43|d|4546|\"; sid:1;", "; content 614243644546" },
	{ "content:\"\\\"\\;\\\\\\:|3b|\"; sid:1;", "; content 223b5c3a3b" },
	{ "content:\"a;b)\"; sid:1;", "; content 613b6229" },
	{ "content:\"a\"; nocase; offset:3; depth:5; sid:1;",
		"; content 61 nocase offset=3 depth=5" },
	{ "content:\"a\"; content:\"b\"; distance:-2; within:10; sid:1;",
		"; content 61; content 62 distance=-2 within=10" },
	{ "content:\"abcdef\"; fast_pattern; content:\"b\"; sid:1;",
		"; content 616263646566 fast; content 62" },
	{ "content:\"abcdef\"; fast_pattern:only; sid:1;", "; content 616263646566 fast only" },
	{ "content:\"abcdef\"; fast_pattern:2,3; sid:1;", "; content 616263646566 fast 2,3" },
	{ "content:\"a\"; rawbytes; sid:1;", "; content 61 raw" },
	{ "content:\"a\"; startswith; content:\"b\"; endswith; sid:1;",
		"; content 61 start; content 62 end" },
	{ "content:\"a\", nocase, depth 8; sid:1;", "; content 61 nocase depth=8" },
	{ "content:\"abc\"; replace:\"xyz\"; content:\"d\"; replace:\"|00|\"; sid:1;",
		"; content 616263 replace=78797a; content 64 replace=00" },
	{ "content:\"a\"; http_uri; nocase; content:\"b\"; http_header; sid:1;",
		"; content[http.uri] 61 nocase; content[http.header] 62" },
	{ "content:\"a\"; http_method; content:\"b\"; http_client_body; content:\"c\"; "
	  "http_cookie; sid:1;",
		"; content[http.method] 61; content[http.request_body] 62; content[http.cookie] "
		"63" },
	{ "content:\"200\"; http_stat_code; content:\"OK\"; http_stat_msg; content:\"x\"; "
	  "http_raw_uri; sid:1;",
		"; content[http.stat_code] 323030; content[http.stat_msg] 4f4b; "
		"content[http.uri.raw] 78" },
	{ "uricontent:\"/a.php\"; nocase; sid:1;", "; content[http.uri] 2f612e706870 nocase" },
	{ "http.uri; content:\"a\"; content:\"b\"; distance:0; http.user_agent; content:\"c\"; "
	  "sid:1;",
		"; content[http.uri]/1 61; content[http.uri]/1 62 distance=0; "
		"content[http.user_agent]/2 63" },
	{ "file_data; content:\"a\"; pkt_data; content:\"b\"; sid:1;",
		"; content[file.data]/1 61; content 62" },
	{ "file.data; content:\"a\"; within:4; sid:1;", "; content[file.data]/1 61 within=4" },
	{ "tls.sni; content:\"example.org\"; bsize:11; sid:1;",
		"; content[tls.sni]/1 6578616d706c652e6f7267; bsize[tls.sni]/1 =11" },
	{ "http.host; bsize:>5; sid:1;", "; bsize[http.host]/1 >5" },
	{ "http.host; content:\"a\"; bsize:5<>10; sid:1;",
		"; content[http.host]/1 61; bsize[http.host]/1 in 5-10" },
	{ "dns.query; dotprefix; content:\".example.org\"; endswith; nocase; sid:1;",
		"; content[dns.query]/1 t7 2e6578616d706c652e6f7267 nocase end" },
	{ "http.user_agent; to_lowercase; strip_whitespace; content:\"a\"; sid:1;",
		"; content[http.user_agent]/1 t0 t5 61" },
	{ "pkt_data; xor:\"0d0ac8ff\"; content:\"a\"; sid:1;", "; content t90d0ac8ff 61" },
	{ "http.uri; url_decode; to_md5; content:\"|00 11|\"; sid:1;",
		"; content[http.uri]/1 t8 t2 0011" },
	{ "http.request_body; from_base64: bytes 20, offset 2, mode rfc2045; content:\"a\"; sid:1;",
		"; content[http.request_body]/1 t14:20,2,1 61" },
	{ "http.host; pcrexform:\"^(.*)\\.org\"; content:\"a\"; sid:1;",
		"; content[http.host]/1 t15'^(.*)\\.org' 61" },
	{ "http.referer; absent; sid:1;", "; absent[http.referer]/1" },
	{ "http.referer; absent: or_else; content:\"a\"; sid:1;",
		"; absent[http.referer]/1 1; content[http.referer]/1 61" },
	{ "tls.fingerprint:\"aa:bb\"; sid:1;",
		"; content[tls.cert_fingerprint]/1 61613a6262 nocase start end" },
	{ "ssh.softwareversion:\"libssh\"; sid:1;", "; content[ssh.software]/1 6c6962737368" },
	{ "tls.version:1.2; sid:1;", "; content[tls.version]/1 312e32 nocase start end" },
	{ "tls.version; content:\"1.2\"; sid:1;", "; content[tls.version]/1 312e32" },
	{ "fileext:\"jpg\"; filestore; sid:1;", "; content[file.name]/1 2e6a7067 nocase end" },
	{ "filename:\"secret\"; sid:1;", "; content[file.name]/1 736563726574 nocase" },
	{ "ja3_hash; content:\"e7d7\"; sid:1;", "; content[ja3.hash]/1 65376437" },
	{ "pcre:\"/ab+c/i\"; sid:1;", "; pcre ab+c flags=8" },
	{ "pcre:!\"/ab+c/smxAEG\"; sid:1;", "; !pcre ab+c flags=800404b0" },
	{ "content:\"a\"; pcre:\"/^b/R\"; sid:1;", "; content 61; pcre ^b flags=0 relative" },
	{ "pcre:\"/\\/x\\.php\\?id=[^&]+\\;/Ui\"; sid:1;",
		"; pcre[http.uri] \\/x\\.php\\?id=[^&]+\\; flags=8" },
	{ "pcre:\"/a/P\"; pcre:\"/a/H\"; pcre:\"/a/M\"; pcre:\"/a/C\"; pcre:\"/a/S\"; "
	  "pcre:\"/a/Y\"; pcre:\"/a/D\"; pcre:\"/a/I\"; pcre:\"/a/K\"; sid:1;",
		"; pcre[http.request_body] a flags=0; pcre[http.header] a flags=0; "
		"pcre[http.method] a flags=0; pcre[http.cookie] a flags=0; pcre[http.stat_code] a "
		"flags=0; pcre[http.stat_msg] a flags=0; pcre[http.header.raw] a flags=0; "
		"pcre[http.uri.raw] a flags=0; pcre[http.cookie.raw] a flags=0" },
	{ "pcre:\"/a/V\"; pcre:\"/a/W\"; pcre:\"/a/Q\"; pcre:\"/a/BO\"; sid:1;",
		"; pcre[http.user_agent] a flags=0; pcre[http.host] a flags=0; "
		"pcre[http.response_body] a flags=0; pcre a flags=0" },
	{ "pcre:\"m#a/b#i\"; sid:1;", "; pcre a/b flags=8" },
	{ "http.uri; pcre:\"/(\\d+)/\", num; byte_test:1,>,num,0; sid:1;",
		"; pcre[http.uri]/1 (\\d+) flags=0; byte_test[http.uri]/1 1@0 >$0" },
	{ "byte_test:4,>,1000,12,relative,little; sid:1;",
		"; byte_test 4@12 relative little >1000" },
	{ "byte_test:1,!&,128,6,relative; sid:1;", "; !byte_test 1@6 relative &128" },
	{ "byte_test:2, ^, 0xff, -2, relative, bitmask 0xf0; sid:1;",
		"; byte_test 2@-2 relative mask=f0 ^255" },
	{ "byte_test:5,>=,10,0,string,dec; sid:1;", "; byte_test 5@0 string10 >=10" },
	{ "byte_test:4,!=,0,8,dce; sid:1;", "; !byte_test 4@8 dce =0" },
	{ "byte_jump:4,4,relative,align; sid:1;", "; byte_jump 4@4 relative align" },
	{ "byte_jump:2,-17,relative,from_beginning,little; sid:1;",
		"; byte_jump 2@-17 relative little beginning" },
	{ "byte_jump:4,0,relative,little,multiplier 2,post_offset -4; sid:1;",
		"; byte_jump 4@0 relative little times=2 post=-4" },
	{ "byte_jump:3,0,string,hex,from_end; sid:1;", "; byte_jump 3@0 string16 end" },
	{ "byte_extract:2,0,len,relative,little; content:\"a\"; within:len; isdataat:len,relative; "
	  "sid:1;",
		"; byte_extract 2@0 relative little $0; content 61 within=$0; isdataat $0 "
		"relative" },
	{ "byte_extract:4,2,x,multiplier 4,align 2; content:\"a\"; offset:x; depth:x; sid:1;",
		"; byte_extract 4@2 times=4 align=2 $0; content 61 offset=$0 depth=$0" },
	{ "byte_math:bytes 2, offset 1, oper +, rvalue 5, result r, relative, endian little; "
	  "byte_test:1,=,r,0; sid:1;",
		"; byte_math 2@1 relative little +5 $0; byte_test 1@0 =$0" },
	{ "byte_math:bytes 4,offset 0,oper <<,rvalue 3,result r,bitmask 0xff00,string dec; sid:1;",
		"; byte_math 4@0 string10 mask=ff00 <<3 $0" },
	{ "isdataat:100,relative; isdataat:!1,relative; isdataat:5; sid:1;",
		"; isdataat 100 relative; !isdataat 1 relative; isdataat 5" },
	{ "base64_decode:bytes 365, offset 1, relative; base64_data; content:\"a\"; sid:1;",
		"; base64_decode count=365 offset=1 relative; content[base64_data]/1 61" },
	{ "base64_decode; base64_data; content:\"a\"; sid:1;",
		"; base64_decode count=0 offset=0; content[base64_data]/1 61" },
	{ "asn1:double_overflow, bitstring_overflow, relative_offset 27, oversize_length 2048; "
	  "sid:1;",
		"; asn1 1111 oversize=2048 offset=27" },
	{ "rpc:100005,*,1; sid:1;", "; rpc 100005,0,1 any=10" },
	{ "rpc:100083,2,*; sid:1;", "; rpc 100083,2,0 any=01" },
	{ "ftpbounce; sid:1;", "; ftpbounce" },
	{ "urilen:5; urilen:<10; urilen:5<>10; urilen:>3,raw; sid:1;",
		"; urilen[http.uri] =5; urilen[http.uri] <10; urilen[http.uri] in 5-10; "
		"urilen[http.uri.raw] >3" },
	{ "dsize:>11; dsize:48; dsize:<500; dsize:5<>10; dsize:!0; sid:1;",
		"; dsize >11; dsize =48; dsize <500; dsize in= 5-10; dsize !=0" },
	{ "flags:S; flags:S,12; flags:A+; flags:*AP,CE; flags:!A; flags:0; sid:1;",
		"; flags 2 ignore=0 how=0; flags 2 ignore=c0 how=0; flags 10 ignore=0 how=1; flags "
		"18 ignore=c0 how=2; flags 10 ignore=0 how=3; flags 0 ignore=0 how=0" },
	{ "fragbits:M+; fragbits:!D; fragbits:MD; sid:1;",
		"; fragbits 1 ignore=0 how=1; fragbits 2 ignore=0 how=3; fragbits 3 ignore=0 "
		"how=0" },
	{ "fragoffset:>0; ttl:<5; ttl:5-7; tos:!8; id:666; sid:1;",
		"; fragoffset >0; ttl <5; ttl in 5-7; tos !=8; id =666" },
	{ "ip_proto:!tcp; ip_proto:>134; ip_proto:47; sid:1;",
		"; ip_proto !=6; ip_proto >134; ip_proto =47" },
	{ "ipopts:rr; ipopts:any; ipopts:eol; sid:1;", "; ipopts 7; ipopts; ipopts 256" },
	{ "sameip; seq:0; ack:0; window:!55808; tcp.mss:<536; tcp.flags:SA; sid:1;",
		"; sameip; seq =0; ack =0; window !=55808; tcp.mss <536; flags 12 ignore=0 how=0" },
	{ "itype:8; icode:>0; icmp_id:666; icmp_seq:0; itype:3<>11; sid:1;",
		"; itype =8; icode >0; icmp_id =666; icmp_seq =0; itype in 3-11" },
	{ "flow:established,to_server; sid:1;", " flow=5" },
	{ "flow: from_server , stateless; sid:1;", " flow=12" },
	{ "flow:to_client,not_established,no_stream; flow:only_frag; sid:1;", " flow=ca" },
	{ "flowbits:set,a; flowbits:isset,b; flowbits:noalert; sid:1;",
		" noalert; flowbits set a; flowbits isset b" },
	{ "flowbits:isset,a|b; flowbits:isnotset,a&b; flowbits:toggle,c; flowbits:unset,d; sid:1;",
		"; flowbits isset a|b; flowbits isnotset a&b; flowbits toggle c; flowbits unset "
		"d" },
	{ "xbits:set,bad,track ip_src,expire 3600; xbits:isset,bad,track ip_pair; sid:1;",
		"; xbits set bad track=1 expire=3600; xbits isset bad track=3" },
	{ "hostbits:set,h; hostbits:isset,h,dst; sid:1;",
		"; xbits set h track=1; xbits isset h track=2" },
	{ "flowint:n,+,1; flowint:n,>,5; flowint:n,notset; flowint:n,=,m; flowint: m , isset; "
	  "sid:1;",
		"; flowint n + 1; flowint n ?4 5; flowint n notset; flowint n = m; flowint m "
		"isset" },
	{ "stream_size:client,>,424; stream_size:server, <=, 4; stream_size:either,!=,1; sid:1;",
		"; stream_size 0 >424; stream_size 1 <=4; stream_size 3 !=1" },
	{ "stream_reassemble:disable,client; sid:1;", "; stream_reassemble 'disable,client'" },
	{ "flow.age:>3600; flow.pkts:toclient,>10; flow.bytes_toserver:<100; sid:1;",
		"; flow.age >3600; flow.pkts/1 >10; flow.bytes <100" },
	{ "threshold:type limit, track by_src, count 1, seconds 60; sid:1;",
		"; told type=0 track=1 count=1 seconds=60" },
	{ "threshold: type both,count 5,seconds 10 ,track by_dst; sid:1;",
		"; told type=2 track=2 count=5 seconds=10" },
	{ "threshold: type backoff, track by_flow, count 1, multiplier 10; sid:1;",
		"; told type=5 track=0 count=1 seconds=0 times=10" },
	{ "detection_filter:track by_dst, count 4, seconds 20; sid:1;",
		"; detection_filter type=3 track=2 count=4 seconds=20" },
	{ "tag:session,300,seconds; sid:1;", "; tag 1 300 1 0" },
	{ "tag:host,5,packets,src; sid:1;", "; tag 0 5 0 1" },
	{ "app-layer-protocol:http; app-layer-protocol:!tls; app-layer-protocol:failed; sid:1;",
		"; app-layer-protocol '' 1; !app-layer-protocol '' 2; app-layer-protocol '' 255" },
	{ "app-layer-event:http.request_field_too_long; decode-event:ipv4.trunc_pkt; "
	  "stream-event:3whs_ack_in_wrong_dir; sid:1;",
		"; app-layer-event 'http.request_field_too_long'; decode-event 'ipv4.trunc_pkt'; "
		"stream-event '3whs_ack_in_wrong_dir'" },
	{ "ssl_version:sslv3; ssl_version:!tls1.0,!tls1.1; ssl_state:server_hello; sid:1;",
		"; ssl_version 2; !ssl_version 12; ssl_state 2" },
	{ "dce_iface:367ABB81-9844-35F1-AD32-98F038001003; sid:1;",
		"; dcerpc.iface '367abb81-9844-35f1-ad32-98f038001003'" },
	{ "dcerpc.iface:367abb81-9844-35f1-ad32-98f038001003,<5,any_frag; sid:1;",
		"; dcerpc.iface '367abb81-9844-35f1-ad32-98f038001003' 1 #2 #5" },
	{ "http.stat_number:>399; sid:1;", "; number[http.stat_number]/1 >399" },
	{ "snmp.pdu_type:get_next_request; snmp.pdu_type:!response; snmp.version:>=2; sid:1;",
		"; number[snmp.pdu_type]/1 =1; number[snmp.pdu_type]/2 !=2; number[snmp.version]/3 "
		">=2" },
	{ "tls_cert_notafter:>2015; tls_cert_notbefore:2024<>2025-03-01T12:00:00; sid:1;",
		"; number[tls_cert_notafter]/1 >1420070400; number[tls_cert_notbefore]/2 in "
		"1704067200-1740830400" },
	{ "ftpdata_command:stor; sid:1;",
		"; content[ftpdata_command]/1 73746f72 nocase start end" },
	{ "ttl:!5-9; dsize:!5<>9; dsize:5-9; id:0x10; http.host; bsize:>1kb; bsize:<2MiB; sid:1;",
		"; ttl out 6-8; dsize out 5-9; dsize in= 5-9; id =16; bsize[http.host]/1 >1024; "
		"bsize[http.host]/1 <2097152" },
	{ "requires: version >= 7.0.3 < 10, keyword content; content:\"a\"; sid:1;",
		"; content 61" },
	{ "requires: version < 4 | >= 8; content:\"a\"; sid:1;", "; content 61" },
	{ "noalert; prefilter; content:\"a\"; sid:1;", " noalert; content 61" },
	{ "content:\"a\"; sid:1", "; content 61" },
	{ "msg:\"no content\"; classtype:attempted-admin; priority:2; reference:cve,2001-1; "
	  "metadata:a b; gid:3; rev:7; target:dest_ip; sid:1;",
		"" },
	{ "alert tcp $HONEYNET any -> $EXTERNAL_NET 53 (msg:\"DNS EXPLOIT named\";flags: A+; "
	  "content:\"|CD80 E8D7 FFFFFFFF|/bin/sh\"; replace:\"|0000 E8D7 FFFFFFFF|/ben/sh\";)",
		"alert tcp any any > any 53; flags 10 ignore=0 how=1; content "
		"cd80e8d7ffffffff2f62696e2f7368 replace=0000e8d7ffffffff2f62656e2f7368",
		true },
	{ "  drop udp 10.0.0.0/8 1024: -> !192.168.0.0/16 :1023 (sid:1;)",
		"drop udp 10.0.0.0/8 1024-65535 > any-192.168.0.0/16 0-1023", true },
	{ "sdrop ip any any <> any any (sid:1;)", "sdrop ip any any <> any any", true },
	{ "reject tcp [10.0.0.1,10.0.0.2,10.0.0.8-10.0.0.11] any -> any [80,443,8000:8080] "
	  "(sid:1;)",
		"reject tcp 10.0.0.1/32,10.0.0.2/32,10.0.0.8/30 any > any 80,443,8000-8080", true },
	{ "rejectdst tcp any any -> any ![80,443] (sid:1;)",
		"reject tcp to1 any any > any 0-79,81-442,444-65535", true },
	{ "rejectboth tcp any any -> any [1:100,!50:60] (sid:1;)",
		"reject tcp to2 any any > any 1-49,61-100", true },
	{ "pass icmp ! 10.0.0.0/8 any -> any any (sid:1;)",
		"pass icmp any-10.0.0.0/8 any > any any", true },
	{ "log icmpv6 2001:db8::/32 any -> ::1 any (sid:1;)",
		"log icmp v6 2001:db8::/32 any > ::1/128 any", true },
	{ "alert http any any -> any any (sid:1;)", "alert http any any > any any", true },
	{ "alert ssl any any -> any any (sid:1;)", "alert tls any any > any any", true },
	{ "alert tcp-pkt any any -> any any (sid:1;)", "alert tcp-pkt any any > any any", true },
	{ "alert tcp-stream any any -> any any (sid:1;)", "alert tcp-stream any any > any any",
		true },
	{ "alert pkthdr any any -> any any (sid:1;)", "alert ip any any > any any", true },
	{ "alert ipv6 any any -> any any (sid:1;)", "alert ip v6 any any > any any", true },
	{ "alert arp any any -> any any (sid:1;)", "alert ether any any > any any", true },
	{ "alert tcp [10.0.0.0/8,![10.1.0.0/16,!10.1.2.0/24]] any -> any any (sid:1;)",
		"alert tcp "
		"10.0.0.0/16,10.1.2.0/24,10.2.0.0/15,10.4.0.0/14,10.8.0.0/13,10.16.0.0/"
		"12,10.32.0.0/11,10.64.0.0/10,10.128.0.0/9 any > any any",
		true },
	{ "alert tcp [!10.0.0.0/8, !192.168.0.0/16] any -> any any (sid:1;)",
		"alert tcp any-10.0.0.0/8,192.168.0.0/16 any > any any", true },
	{ "alert tcp $POTS any -> !$POTS $WEB (sid:1;)",
		"alert tcp 10.0.0.0/24,10.0.2.0/24 any > any-10.0.0.0/24,10.0.2.0/24 80,443",
		true },
	{ "alert tcp [$POTS,192.0.2.1] any -> [$ELSEWHERE,!198.51.100.0/24] !$WEB (sid:1;)",
		"alert tcp 10.0.0.0/24,10.0.2.0/24,192.0.2.1/32 any > "
		"any-10.0.0.0/24,10.0.2.0/24,198.51.100.0/24 0-79,81-442,444-65535",
		true },
	{ "alert tcp 10.1.2.3/8 any -> 10.0.0.0/255.255.255.0 any (sid:1;)",
		"alert tcp 10.0.0.0/8 any > 10.0.0.0/24 any", true },
	{ "alert tcp any !5938,!1433 -> any any (sid:1;)",
		"alert tcp any 0-1432,1434-5937,5939-65535 > any any", true },
	{ "alert tcp any [80:80,81,82:90,85:95] -> any any (sid:1;)",
		"alert tcp any 80-95 > any any", true },
	{ "alert IP any any -> any any", "alert ip any any > any any", true },
	{ "alert tcp !$ALL any -> any !$ALLPORTS (sid:1;)", "alert tcp none any > any none", true },
};

static const struct {
	const char *rule, *reason;
	uint32_t column; /* among the options, or in the whole rule */
	bool whole;
} bad[] = {
	{ "content:\"abc; sid:1;", "bad-quotes", 9 },
	{ "content:abc; sid:1;", "bad-value", 9 },
	{ "content:\"\"; sid:1;", "bad-value", 10 },
	{ "content:\"a|4|\"; sid:1;", "bad-hex", 13 },
	{ "content:\"a|41\"; sid:1;", "bad-hex", 10 },
	{ "content:\"a|4g|\"; sid:1;", "bad-hex", 13 },
	{ "content:\"a\\x\"; sid:1;", "bad-escape", 11 },
	{ "content; sid:1;", "missing-value", 1 },
	{ "content:\"a\" x; sid:1;", "bad-value", 13 },
	{ "content:\"a\", sid 5; sid:1;", "unknown-keyword", 14 },
	{ "nocase; content:\"a\"; sid:1;", "no-content", 1 },
	{ "http_uri; sid:1;", "no-content", 1 },
	{ "content:\"a\"; nocase:1; sid:1;", "bad-value", 21 },
	{ "content:\"abc\"; depth:2; sid:1;", "too-narrow", 22 },
	{ "content:\"a\"; content:\"abc\"; within:2; sid:1;", "too-narrow", 36 },
	{ "content:\"a\"; offset:x; sid:1;", "unknown-variable", 21 },
	{ "content:\"a\"; offset:-1; sid:1;", "bad-value", 21 },
	{ "content:\"a\"; offset:1; offset:2; sid:1;", "bad-combination", 24 },
	{ "content:\"a\"; startswith; offset:1; sid:1;", "bad-combination", 1 },
	{ "content:\"abc\"; fast_pattern:3,1; sid:1;", "bad-value", 29 },
	{ "content:\"abc\"; fast_pattern:1; sid:1;", "bad-value", 29 },
	{ "replace:\"a\"; sid:1;", "no-content", 1 },
	{ "content:\"abc\"; replace:\"ab\"; sid:1;", "replace-length", 24 },
	{ "content:!\"abc\"; replace:\"xyz\"; sid:1;", "replace-on-negated", 17 },
	{ "content:\"abc\"; replace:\"xyz\"; http_uri; sid:1;", "replace-on-buffer", 16 },
	{ "http.uri; content:\"abc\"; replace:\"xyz\"; sid:1;", "replace-on-buffer", 26 },
	{ "uricontent:\"abc\"; replace:\"xyz\"; sid:1;", "replace-on-buffer", 19 },
	{ "content:\"a\"; replace:\"b\"; replace:\"c\"; sid:1;", "bad-combination", 27 },
	{ "pkt_data; to_md5; content:\"a\"; replace:\"b\"; sid:1;", "replace-on-buffer", 32 },
	{ "file_data; sid:1;", "unused-buffer", 1 },
	{ "http.uri; tls.sni; content:\"a\"; http.host; sid:1;", "unused-buffer", 33 },
	{ "to_md5; content:\"a\"; sid:1;", "bad-combination", 1 },
	{ "absent; sid:1;", "bad-combination", 1 },
	{ "http.uri; absent:never; sid:1;", "bad-value", 18 },
	{ "pkt_data; xor:\"0\"; content:\"a\"; sid:1;", "bad-value", 16 },
	{ "pkt_data; from_base64:mode x; content:\"a\"; sid:1;", "bad-value", 28 },
	{ "bsize:x; sid:1;", "bad-value", 7 },
	{ "pcre:\"abc\"; sid:1;", "bad-value", 7 },
	{ "pcre:\"/a(b/\"; sid:1;", "bad-pcre", 11 },
	{ "pcre:\"/a/j\"; sid:1;", "bad-pcre-flag", 10 },
	{ "pcre:\"/a[/i\"; sid:1;", "bad-pcre", 10 },
	{ "byte_test:4,>,1000; sid:1;", "missing-value", 1 },
	{ "byte_test:9,>,1000,0; sid:1;", "bad-value", 11 },
	{ "byte_test:4,~,1000,0; sid:1;", "bad-value", 13 },
	{ "byte_test:4,>,y,0; sid:1;", "unknown-variable", 15 },
	{ "byte_test:4,>,1,0,sideways; sid:1;", "bad-value", 19 },
	{ "byte_jump:4; sid:1;", "missing-value", 1 },
	{ "byte_jump:4,0,multiplier 0; sid:1;", "bad-value", 26 },
	{ "byte_jump:4,0,from_beginning,from_end; sid:1;", "bad-combination", 11 },
	{ "byte_extract:4,0; sid:1;", "missing-value", 1 },
	{ "byte_extract:4,0,9x; sid:1;", "bad-value", 18 },
	{ "byte_extract:4,0,x,align 3; sid:1;", "bad-value", 26 },
	{ "byte_math:bytes 4, offset 0, oper +, rvalue 1; sid:1;", "missing-value", 11 },
	{ "byte_math:bytes 4, offset 0, oper /, rvalue 0, result x; sid:1;", "bad-value", 11 },
	{ "byte_math:bytes 4, offset 0, oper %, rvalue 1, result x; sid:1;", "bad-value", 35 },
	{ "isdataat:many; sid:1;", "unknown-variable", 10 },
	{ "isdataat:5,nearby; sid:1;", "bad-value", 12 },
	{ "base64_decode:lines 3; sid:1;", "bad-value", 15 },
	{ "asn1:overflow; sid:1;", "bad-value", 6 },
	{ "rpc:*,1,1; sid:1;", "bad-value", 5 },
	{ "urilen:5,cooked; sid:1;", "bad-value", 10 },
	{ "urilen; sid:1;", "missing-value", 1 },
	{ "dsize:big; sid:1;", "bad-value", 7 },
	{ "dsize:10<>5; sid:1;", "bad-value", 7 },
	{ "dsize; sid:1;", "missing-value", 1 },
	{ "flags:SX; sid:1;", "bad-value", 8 },
	{ "flags:+; sid:1;", "bad-value", 7 },
	{ "fragbits:Q; sid:1;", "bad-value", 10 },
	{ "ip_proto:300; sid:1;", "bad-value", 10 },
	{ "ip_proto:nosuch; sid:1;", "bad-value", 10 },
	{ "ipopts:xx; sid:1;", "bad-value", 8 },
	{ "sameip:1; sid:1;", "bad-value", 8 },
	{ "flow:to_server,to_client; sid:1;", "bad-combination", 16 },
	{ "flow:sideways; sid:1;", "bad-value", 6 },
	{ "flow; sid:1;", "missing-value", 1 },
	{ "flowbits:set; sid:1;", "bad-value", 10 },
	{ "flowbits:put,a; sid:1;", "bad-value", 10 },
	{ "flowbits:isset,a|b&c; sid:1;", "bad-value", 16 },
	{ "flowbits:set,a|b; sid:1;", "bad-value", 10 },
	{ "xbits:set,a; sid:1;", "bad-value", 7 },
	{ "xbits:set,a,track ip_src,expire 0; sid:1;", "bad-value", 33 },
	{ "flowint:n; sid:1;", "bad-value", 9 },
	{ "flowint:n,%,1; sid:1;", "bad-value", 11 },
	{ "stream_size:client,5; sid:1;", "bad-value", 13 },
	{ "stream_size:left,>,5; sid:1;", "bad-value", 13 },
	{ "threshold:type limit, track by_src, count 1; sid:1;", "missing-value", 11 },
	{ "threshold:type limit, track by_src, count 1, seconds 0; sid:1;", "bad-value", 54 },
	{ "threshold:type some, track by_src, count 1, seconds 1; sid:1;", "bad-value", 16 },
	{ "threshold:type limit,track by_src,count 1,seconds 1; threshold:type limit,track "
	  "by_src,count 1,seconds 1; sid:1;",
		"bad-combination", 54 },
	{ "detection_filter:track by_src, count 1; sid:1;", "missing-value", 18 },
	{ "detection_filter:track by_src, count 1, seconds 1, unique_on src_port; sid:1;",
		"unsupported-value", 52 },
	{ "tag:everything; sid:1;", "bad-value", 5 },
	{ "app-layer-protocol:mqtt; sid:1;", "unsupported-protocol", 20 },
	{ "app-layer-protocol:nosuch; sid:1;", "unknown-protocol", 20 },
	{ "app-layer-event:mqtt.missing_connect; sid:1;", "unsupported-protocol", 17 },
	{ "decode-event:a b; sid:1;", "bad-value", 14 },
	{ "ssl_version:tls9; sid:1;", "bad-value", 13 },
	{ "ssl_state:server_hello,!client_hello; sid:1;", "bad-value", 25 },
	{ "dce_iface:1234; sid:1;", "bad-value", 11 },
	{ "tls_cert_notafter:>soon; sid:1;", "bad-value", 19 },
	{ "dns.rrtype:1,0; sid:1;", "unsupported-value", 12 },
	{ "nosuch:1; sid:1;", "unknown-keyword", 1 },
	{ "mqtt.type:CONNECT; sid:1;", "unsupported-keyword", 1 },
	{ "lua:script.lua; sid:1;", "unsupported-keyword", 1 },
	{ "frame:smb.records; sid:1;", "unsupported-keyword", 1 },
	{ "sid:0;", "bad-value", 5 },
	{ "sid:x;", "bad-value", 5 },
	{ "sid:1; sid:2;", "bad-combination", 8 },
	{ "priority:0; sid:1;", "bad-value", 10 },
	{ "reference:x; sid:1;", "bad-value", 11 },
	{ "target:both; sid:1;", "bad-value", 8 },
	{ "requires: version >= 99; sid:1;", "requires", 11 },
	{ "requires: feature nosuch; sid:1;", "requires", 11 },
	{ "requires: weather; sid:1;", "bad-value", 11 },
	{ "content:\"a\" sid:1;", "bad-value", 13 },
	{ "content:\"a\";; sid:1;", "bad-syntax", 13 },
	{ "!content:\"a\"; sid:1;", "bad-syntax", 1 },
	{ "alert", "bad-header", 6, true },
	{ "alert tcp any any -> any", "bad-header", 25, true },
	{ "alert tcp any any -> any any any (sid:1;)", "bad-header", 30, true },
	{ "alert tcp any any -> any any (sid:1;", "bad-syntax", 36, true },
	{ "alert tcp any any -> any any (sid:1;) x", "bad-syntax", 39, true },
	{ "shout tcp any any -> any any (sid:1;)", "unknown-action", 1, true },
	{ "config http any any -> any any (sid:1;)", "unsupported-action", 1, true },
	{ "alert xyz any any -> any any (sid:1;)", "unknown-protocol", 7, true },
	{ "alert mqtt any any -> any any (sid:1;)", "unsupported-protocol", 7, true },
	{ "alert dns:request_complete any any -> any any (sid:1;)", "unsupported-hook", 7, true },
	{ "alert tcp any any <- any any (sid:1;)", "bad-direction", 19, true },
	{ "alert tcp any any => any any (sid:1;)", "unsupported-direction", 19, true },
	{ "alert tcp $NOSUCH any -> any any (sid:1;)", "undefined-variable", 11, true },
	{ "alert tcp $LOOP any -> any any (sid:1;)", "bad-variable", 11, true },
	{ "alert tcp $BROKEN any -> any any (sid:1;)", "bad-variable", 11, true },
	{ "alert tcp 10.0.0.300 any -> any any (sid:1;)", "bad-address", 11, true },
	{ "alert tcp 10.0.0.0/33 any -> any any (sid:1;)", "bad-address", 20, true },
	{ "alert tcp 10.0.0.0/255.0.255.0 any -> any any (sid:1;)", "bad-address", 20, true },
	{ "alert tcp 10.0.0.9-10.0.0.1 any -> any any (sid:1;)", "bad-address", 11, true },
	{ "alert tcp [10.0.0.1 any -> any any (sid:1;)", "bad-list", 11, true },
	{ "alert tcp [10.0.0.1,] any -> any any (sid:1;)", "bad-list", 21, true },
	{ "alert tcp [] any -> any any (sid:1;)", "bad-list", 12, true },
	{ "alert tcp !any any -> any any (sid:1;)", "matches-nothing", 11, true },
	{ "alert tcp [10.0.0.1,!10.0.0.0/8] any -> any any (sid:1;)", "matches-nothing", 11, true },
	{ "alert tcp any 65536 -> any any (sid:1;)", "bad-port", 15, true },
	{ "alert tcp any http -> any any (sid:1;)", "bad-port", 15, true },
	{ "alert tcp any 90:80 -> any any (sid:1;)", "bad-port", 15, true },
	{ "alert tcp any : -> any any (sid:1;)", "bad-port", 15, true },
	{ "alert tcp any [80,!80] -> any any (sid:1;)", "matches-nothing", 15, true },
	{ "alert tcp [[[[[[[[[[[[[[[[[[10.0.0.1]]]]]]]]]]]]]]]]]] any -> any any (sid:1;)",
		"too-long", 28, true },
	{ "This is not a rule", "unknown-action", 1, true },
};

#define BEGINNING "alert tcp any any -> any any ("

static struct rules_text *new_text(void)
{
	struct rules_text *text;

	assert_int_equal(rules_text_new(&text), 0);
	assert_int_equal(rules_text_set(text, "POTS", "[10.0.0.0/24,10.0.2.0/24]"), 0);
	assert_int_equal(rules_text_set(text, "ELSEWHERE", "!$POTS"), 0);
	assert_int_equal(rules_text_set(text, "WEB", "[80,443]"), 0);
	assert_int_equal(rules_text_set(text, "ALL", "any"), 0);
	assert_int_equal(rules_text_set(text, "ALLPORTS", "any"), 0);
	assert_int_equal(rules_text_set(text, "LOOP", "[10.0.0.1,$LOOP]"), 0);
	assert_int_equal(rules_text_set(text, "BROKEN", "[10.0.0.1,x]"), 0);
	return text;
}

/* In memory of its own size: a read past the end is seen. */
static struct rules_text *read_bytes(const char *bytes, size_t len)
{
	struct rules_text *text = new_text();
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	assert_int_equal(rules_text_read(text, "rules", copy, len), 0);
	free(copy);
	return text;
}

static struct rules_text *read_text(const char *string)
{
	return read_bytes(string, strlen(string));
}

/* The rule of a table; the caller frees. */
static char *rule_of(bool whole, const char *rule)
{
	char *all;

	assert_true(asprintf(&all, "%s%s%s", whole ? "" : BEGINNING, rule, whole ? "" : ")") >= 0);
	return all;
}

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char *rule = rule_of(good[i].whole, good[i].rule);
		struct rules_text *text = read_text(rule);
		const char *line;

		if (text->n_faults)
			fail_msg("%s: %s", rule, text->fault[0].text);
		assert_int_equal(text->n_rules, 1);
		line = line_of(text, text->rule[0]);
		if (!good[i].whole)
			line += strlen("alert tcp any any > any any");
		assert_string_equal(line, good[i].line);
		assert_string_equal(text->rule[0]->text, rule + strspn(rule, " "));
		rules_text_free(text);
		free(rule);
	}
}

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *rule = rule_of(bad[i].whole, bad[i].rule);
		struct rules_text *text = read_text(rule);
		const struct rules_fault *fault = text->fault;

		if (text->n_faults != 1)
			fail_msg("%s: %u faults", rule, text->n_faults);
		assert_int_equal(text->n_rules, 0);
		if (strcmp(fault->reason, bad[i].reason) != 0)
			fail_msg("%s: %s", rule, fault->reason);
		if (fault->column != bad[i].column + (bad[i].whole ? 0 : strlen(BEGINNING)))
			fail_msg("%s: column %u", rule, fault->column);
		assert_int_equal(fault->line, 1);
		rules_text_free(text);
		free(rule);
	}
}

/* A piece of a rule is refused or, rarely, a rule; nothing is read past its end. */
static void test_prefixes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char *rule = rule_of(good[i].whole, good[i].rule);

		for (size_t len = 0; len < strlen(rule); len++) {
			struct rules_text *text = read_bytes(rule, len);

			assert_in_range(text->n_rules + text->n_faults, 0, 1);
			for (uint32_t j = 0; j < text->n_faults; j++)
				assert_in_range(text->fault[j].column, 1, len + 1);
			rules_text_free(text);
		}
		free(rule);
	}
}

/* Every word alone, with an empty value, with commas only. */
static void test_no_value(void **state)
{
	static const char *const word[] = {
#define WORD(name, handler, argument, text) name,
#include "rules/word.def"
#undef WORD
	};
	static const struct {
		const char *before, *after;
	} form[] = { { "", "; sid:1;" }, { "", ":; sid:1;" }, { "", ":,; sid:1;" },
		{ "", ":,,,; sid:1;" }, { "content:\"a\"; ", "; sid:1;" },
		{ "content:\"a\"; ", ":,; sid:1;" } };

	(void)state;
	for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		for (size_t f = 0; f < sizeof(form) / sizeof(form[0]); f++) {
			struct rules_text *text;
			char options[128];
			char *rule;

			snprintf(options, sizeof(options), "%s%s%s", form[f].before, word[i],
				form[f].after);
			rule = rule_of(false, options);
			text = read_text(rule);
			assert_int_equal(text->n_rules + text->n_faults, 1);
			rules_text_free(text);
			free(rule);
		}
}

/* ---- lines ---- */

static void test_lines(void **state)
{
	struct rules_text *text =
		read_text("# a comment, (not) a rule\n"
			  "\r\n"
			  "alert tcp any any -> any any (sid:1;)\r\n"
			  "#alert tcp any any -> any any (sid:2;)\n"
			  "  # drop tcp any any -> any any (sid:3;)\n"
			  "alert tcp any any -> any any \\\n"
			  "  (content:\"a\"; \\\n"
			  "  nosuch; sid:4;)\n"
			  "alert tcp any any -> any any (msg:\"x\"; content:\"a\\\n"
			  "b\"; sid:5;)\n"
			  "var MORE 192.0.2.0/24\n"
			  "alert tcp $MORE any -> any any (sid:6;)\n"
			  "var 1x y\n"
			  "# the last line goes on into nothing \\\n"
			  "alert tcp any any -> any any (sid:7;) \\");

	(void)state;
	assert_int_equal(text->n_disabled, 2);
	assert_int_equal(text->n_loaded, 3);
	assert_int_equal(text->n_faults, 3);
	assert_string_equal(text->fault[0].reason, "unknown-keyword");
	assert_int_equal(text->fault[0].line, 8);
	assert_int_equal(text->fault[0].column, 3);
	assert_int_equal(text->fault[0].sid, 4);
	assert_string_equal(text->fault[1].reason, "bad-variable");
	assert_int_equal(text->fault[1].line, 13);
	assert_string_equal(text->fault[2].reason, "bad-syntax");
	assert_int_equal(text->fault[2].line, 15);
	assert_int_equal(text->rule[0]->line, 3);
	assert_int_equal(text->rule[1]->line, 9);
	assert_memory_equal(text->rule[1]->option[0].content.bytes, "ab", 2);
	assert_string_equal(line_of(text, text->rule[2]), "alert tcp 192.0.2.0/24 any > any any");
	rules_text_free(text);
}

/* Of rules with one gid and sid the highest rev stays. */
static void test_superseded(void **state)
{
	struct rules_text *text =
		read_text("alert tcp any any -> any any (sid:1; rev:2; msg:\"two\";)\n"
			  "alert tcp any any -> any any (sid:1; rev:1; msg:\"one\";)\n"
			  "alert tcp any any -> any any (sid:1; rev:3; msg:\"three\";)\n"
			  "alert tcp any any -> any any (sid:1; rev:3; msg:\"again\";)\n"
			  "alert tcp any any -> any any (gid:2; sid:1; msg:\"other\";)\n"
			  "alert tcp any any -> any any (msg:\"without\";)\n"
			  "alert tcp any any -> any any (msg:\"without\";)\n");

	(void)state;
	assert_int_equal(text->n_loaded, 7);
	assert_int_equal(text->n_superseded, 3);
	assert_int_equal(text->n_rules, 4);
	assert_string_equal(text->rule[0]->msg, "three");
	rules_text_free(text);
}

/* ---- what stands beside rules ---- */

static void test_about(void **state)
{
	struct rules_text *text = new_text();
	static const char classes[] = "config classification: mine,What I look for,4\n"
				      "config classification: attempted-admin,Changed,2\n"
				      "# comment\n"
				      "config classification: x\n";
	static const char rules[] =
		"alert tcp any any -> any any (msg:\"a \\\"b\\\"\"; classtype:mine; sid:1; rev:7;"
		" reference:cve,2001-1; reference:url,x.org/a,b; metadata:a b; metadata:c d, e f;"
		" target:src_ip;)\n"
		"alert tcp any any -> any any (classtype:attempted-admin; priority:9; sid:2;)\n"
		"alert tcp any any -> any any (priority:9; classtype:shellcode-detect; sid:3;)\n"
		"alert tcp any any -> any any (classtype:never-heard-of; sid:4;)\n";
	const struct rule *rule;

	(void)state;
	assert_int_equal(rules_text_read_classes(text, "classes", classes, sizeof(classes) - 1), 0);
	assert_int_equal(text->n_faults, 1);
	assert_int_equal(text->fault[0].line, 4);
	assert_int_equal(rules_text_read(text, "rules", rules, sizeof(rules) - 1), 0);
	assert_int_equal(text->n_rules, 4);
	rule = text->rule[0];
	assert_string_equal(rule->msg, "a \"b\"");
	assert_string_equal(rule->classtype, "mine");
	assert_string_equal(rule->category, "What I look for");
	assert_int_equal(rule->priority, 4);
	assert_int_equal(rule->rev, 7);
	assert_int_equal(rule->target, 1);
	assert_int_equal(rule->n_references, 2);
	assert_string_equal(rule->reference[1].system, "url");
	assert_string_equal(rule->reference[1].id, "x.org/a,b");
	assert_string_equal(rule->metadata, "a b, c d, e f");
	assert_string_equal(text->rule[1]->category, "Changed");
	assert_int_equal(text->rule[1]->priority, 9);
	assert_int_equal(text->rule[2]->priority, 9);
	assert_null(text->rule[3]->category);
	assert_int_equal(text->rule[3]->priority, 3);
	rules_text_free(text);
}

static void test_thresholds(void **state)
{
	struct rules_text *text = read_text(
		"alert tcp any any -> any any (sid:1;)\n"
		"alert tcp any any -> any any (sid:2; threshold:type both, track by_dst, count 2, "
		"seconds 3;)\n"
		"alert tcp any any -> any any (sid:3;)\n");
	static const char orders[] =
		"# comment\n"
		"threshold gen_id 1, sig_id 1, type limit, track by_src, count 1, seconds 60\n"
		"event_filter gen_id 0, sig_id 0, type threshold, track by_dst, count 5, seconds "
		"9\n"
		"rate_filter gen_id 1, sig_id 3, track by_rule, count 7, seconds 8, "
		"new_action drop, timeout 10\n"
		"suppress gen_id 1, sig_id 2\n"
		"suppress gen_id 1, sig_id 3, track by_src, ip [10.0.0.0/8,!10.1.0.0/16]\n"
		"suppress gen_id 1, sig_id 3, track by_either, ip $POTS\n"
		"suppress gen_id 1\n"
		"suppress gen_id 1, sig_id 1, track by_src\n"
		"suppress gen_id 1, sig_id 1, track by_src, ip x\n"
		"threshold gen_id 1, sig_id 1, type limit, track by_src, count 1\n"
		"threshold gen_id 1, sig_id 1, type limit, type limit\n"
		"suppress gen_id 1, sig_id 1, count 5\n"
		"forget gen_id 1, sig_id 1\n";
	static const char *const reasons[] = { "missing-value", "missing-value", "bad-address",
		"missing-value", "bad-combination", "unknown-keyword", "unknown-keyword" };

	(void)state;
	assert_int_equal(rules_text_read_thresholds(text, "orders", orders, sizeof(orders) - 1), 0);
	assert_string_equal(line_of(text, text->rule[0]),
		"alert tcp any any > any any; told type=0 track=1 count=1 seconds=60");
	assert_string_equal(line_of(text, text->rule[1]),
		"alert tcp any any > any any; told type=2 track=2 count=2 seconds=3");
	assert_string_equal(line_of(text, text->rule[2]),
		"alert tcp any any > any any; told type=1 track=2 count=5 seconds=9; rate type=4 "
		"track=4 count=7 seconds=8 timeout=10 action=3");
	assert_int_equal(text->n_suppress, 3);
	assert_int_equal(text->suppress[0].by, RULES_SUPPRESS_ALL);
	assert_int_equal(text->suppress[0].sid, 2);
	assert_int_equal(text->suppress[1].by, RULES_SUPPRESS_SRC);
	assert_int_equal(text->suppress[1].nets.n_in, 8);
	assert_int_equal(text->suppress[2].by, RULES_SUPPRESS_EITHER);
	assert_int_equal(text->n_faults, sizeof(reasons) / sizeof(reasons[0]));
	for (size_t i = 0; i < text->n_faults; i++) {
		assert_string_equal(text->fault[i].reason, reasons[i]);
		assert_int_equal(text->fault[i].line, 8 + i);
	}
	rules_text_free(text);
}

/* ---- limits ---- */

static void check_limit(const char *piece, unsigned times, unsigned limit, const char *reason)
{
	static char buf[1 << 18];
	struct out o = out_make(buf, sizeof(buf));
	struct rules_text *text;

	out_str(&o, BEGINNING);
	for (unsigned i = 0; i < times; i++)
		out_fmt(&o, "%s", piece);
	out_str(&o, "sid:1;)");
	assert_true(out_ok(&o));
	text = read_text(buf);
	assert_int_equal(text->n_faults, times > limit);
	if (times > limit)
		assert_string_equal(text->fault[0].reason, reason);
	rules_text_free(text);
}

static void test_limits(void **state)
{
	static char pattern[RULE_PCRE_MAX + 64];
	struct out o = out_make(pattern, sizeof(pattern));

	(void)state;
	check_limit("content:\"a\"; ", RULE_OPTIONS_MAX, RULE_OPTIONS_MAX, NULL);
	check_limit("content:\"a\"; ", RULE_OPTIONS_MAX + 1, RULE_OPTIONS_MAX, "too-long");
	check_limit("metadata:a; ", 65000 / 12, 65000 / 12, NULL);
	check_limit("metadata:a; ", 66000 / 12, 65000 / 12, "too-long");
	out_str(&o, "pcre:\"/");
	while (o.len < RULE_PCRE_MAX + 20)
		out_char(&o, 'a');
	out_str(&o, "/\"; ");
	check_limit(pattern, 1, 0, "too-long");
	/* PCRE2 refuses what would need more than it can address */
	check_limit("pcre:\"/((((a{900}){900}){900}){900})/\"; ", 1, 0, "bad-pcre");
}

/* So many times the same line. */
static int read_lines(rules_text_reader *reads, const char *line, size_t times)
{
	struct rules_text *text = new_text();
	char *lines = malloc(times * strlen(line) + 1);
	struct out o = out_make(lines, times * strlen(line) + 1);
	int r;

	assert_non_null(lines);
	for (size_t i = 0; i < times; i++)
		out_str(&o, line);
	assert_true(out_ok(&o));
	r = reads(text, "lines", lines, o.len);
	free(lines);
	rules_text_free(text);
	return r;
}

static void test_line_limits(void **state)
{
	static const char *const line[] = { "var A any\n", "suppress gen_id 1, sig_id 1\n",
		"config classification: x\n" };
	rules_text_reader *const reads[] = { rules_text_read, rules_text_read_thresholds,
		rules_text_read_classes };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(read_lines(reads[i], line[i], RULES_ORDERS_MAX), 0);
		assert_int_equal(read_lines(reads[i], line[i], RULES_ORDERS_MAX + 1), -E2BIG);
	}
}

/* ---- in sentences ---- */

static void test_explain(void **state)
{
	char *buf = malloc(RULES_EXPLAIN_MAX);

	(void)state;
	assert_non_null(buf);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char *rule = rule_of(good[i].whole, good[i].rule);
		struct rules_text *text = read_text(rule);
		struct out o = out_make(buf, RULES_EXPLAIN_MAX);

		rule_explain(text, text->rule[0], &o);
		assert_true(out_ok(&o));
		assert_non_null(strstr(buf, " from "));
		for (size_t j = 0; j < o.len; j++)
			assert_true(buf[j] == '\n' || (buf[j] >= ' ' && buf[j] <= '~'));
		rules_text_free(text);
		free(rule);
	}
	free(buf);
}

static void test_variables(void **state)
{
	struct rules_text *text = new_text();

	(void)state;
	assert_int_equal(rules_text_set(text, "", "any"), -EINVAL);
	assert_int_equal(rules_text_set(text, "1A", "any"), -EINVAL);
	assert_int_equal(rules_text_set(text, "A-B", "any"), -EINVAL);
	/* Those made of another one follow it. */
	assert_int_equal(rules_text_set(text, "HOME_NET", "192.0.2.0/24"), 0);
	assert_int_equal(rules_text_read(text, "a", "drop tcp $HONEYNET any -> !$SQL_SERVERS any",
				 strlen("drop tcp $HONEYNET any -> !$SQL_SERVERS any")),
		0);
	assert_string_equal(
		line_of(text, text->rule[0]), "drop tcp 192.0.2.0/24 any > any-192.0.2.0/24 any");
	rules_text_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_no_value),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_superseded),
		cmocka_unit_test(test_about),
		cmocka_unit_test(test_thresholds),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_line_limits),
		cmocka_unit_test(test_explain),
		cmocka_unit_test(test_variables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
