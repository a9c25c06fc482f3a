/* SPDX-License-Identifier: Apache-2.0 */
/* Kerberos over UDP and TCP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "packets.h"
#include "proto_kit.h"

static const struct proto_flow_info udp = { .ip_proto = 17, .port = { 4000, 9988 } };
static const struct proto_flow_info tcp = { .ip_proto = 6, .port = { 4000, 9988 } };

/* An element of BER around others. */
static struct bytes tlv(unsigned tag, const struct bytes *parts, size_t n)
{
	struct bytes b = { 0 };
	unsigned len = 0;

	for (size_t i = 0; i < n; i++)
		len += parts[i].len;
	put8(&b, tag);
	if (len >= 128) {
		put8(&b, 0x82);
		put16(&b, len);
	} else {
		put8(&b, len);
	}
	for (size_t i = 0; i < n; i++)
		put(&b, parts[i].at, parts[i].len);
	return b;
}

#define TLV(tag, ...)                                   \
	tlv(tag, (const struct bytes[]){ __VA_ARGS__ }, \
		sizeof((const struct bytes[]){ __VA_ARGS__ }) / sizeof(struct bytes))

static struct bytes number(int n)
{
	struct bytes b = { 0 };

	put(&b, "\2\1", 2);
	put8(&b, (unsigned)n & 255);
	return b;
}

static struct bytes string(unsigned tag, const char *text)
{
	struct bytes b = { 0 };

	put(&b, text, strlen(text));
	return tlv(tag, &b, 1);
}

static struct bytes name(const char *one, const char *two)
{
	struct bytes parts[2] = { string(0x1b, one), string(0x1b, two ? two : "") };
	struct bytes list = tlv(0x30, parts, two ? 2 : 1);

	return TLV(0x30, TLV(0xa0, number(1)), TLV(0xa1, list));
}

/* With the proof of the password: 20 bytes, encrypted in this way; 0: without. */
static struct bytes as_req(int etype)
{
	struct bytes body = TLV(0x30, TLV(0xa0, number(0)), TLV(0xa1, name("joe", NULL)),
		TLV(0xa2, string(0x1b, "R.ORG")), TLV(0xa3, name("krbtgt", "R.ORG")),
		TLV(0xa8, TLV(0x30, number(18), number(-128))));
	struct bytes proof =
		TLV(0x30, TLV(0xa0, number(etype)), TLV(0xa2, string(4, "aaaaaaaaaaaaaaaabbbb")));
	struct bytes other = TLV(0x30, TLV(0xa1, number(1)), TLV(0xa2, string(4, "x")));
	struct bytes padata =
		TLV(0x30, other, TLV(0x30, TLV(0xa1, number(2)), TLV(0xa2, TLV(4, proof))));

	if (!etype)
		return TLV(0x6a,
			TLV(0x30, TLV(0xa1, number(5)), TLV(0xa2, number(10)), TLV(0xa4, body)));
	return TLV(0x6a, TLV(0x30, TLV(0xa1, number(5)), TLV(0xa2, number(10)), TLV(0xa3, padata),
				 TLV(0xa4, body)));
}

static struct bytes as_rep(void)
{
	struct bytes how = TLV(0x30, TLV(0xa0, number(23)), TLV(0xa2, string(4, "secret")));
	struct bytes ticket =
		TLV(0x61, TLV(0x30, TLV(0xa0, number(5)), TLV(0xa1, string(0x1b, "R.ORG")),
				  TLV(0xa2, name("krbtgt", "R.ORG")), TLV(0xa3, how)));
	struct bytes reply = TLV(0x30, TLV(0xa0, number(18)), TLV(0xa2, string(4, "secret")));

	return TLV(0x6b, TLV(0x30, TLV(0xa0, number(5)), TLV(0xa1, number(11)),
				 TLV(0xa3, string(0x1b, "R.ORG")), TLV(0xa4, name("joe", NULL)),
				 TLV(0xa5, ticket), TLV(0xa6, reply)));
}

static struct bytes error(int code)
{
	return TLV(0x7e,
		TLV(0x30, TLV(0xa0, number(5)), TLV(0xa1, number(30)), TLV(0xa6, number(code)),
			TLV(0xa9, string(0x1b, "R.ORG")), TLV(0xaa, name("krbtgt", "R.ORG"))));
}

static struct bytes framed(const struct bytes *message)
{
	struct bytes b = { 0 };

	put32(&b, message->len);
	put(&b, message->at, message->len);
	return b;
}

#define ASKED                                                                               \
	"krb5 \"krb5\":{\"msg_type\":\"KRB_AS_REQ\",\"cname\":\"joe\",\"realm\":\"R.ORG\"," \
	"\"sname\":\"krbtgt/R.ORG\",\"encryption\":\"<none>\",\"weak_encryption\":false,"   \
	"\"etypes\":[\"aes256-cts-hmac-sha1-96\",\"-128\"]}\n"
#define GIVEN                                                                               \
	"krb5 \"krb5\":{\"msg_type\":\"KRB_AS_REP\",\"cname\":\"joe\",\"realm\":\"R.ORG\"," \
	"\"sname\":\"krbtgt/R.ORG\",\"encryption\":\"aes256-cts-hmac-sha1-96\","            \
	"\"weak_encryption\":false,\"ticket_encryption\":\"rc4-hmac\","                     \
	"\"ticket_weak_encryption\":true}\n"
#define REFUSED(code)                                                                        \
	"krb5 \"krb5\":{\"msg_type\":\"KRB_ERROR\",\"failed_request\":\"KRB_AS_REQ\","       \
	"\"error_code\":\"" code "\",\"cname\":\"<empty>\",\"realm\":\"<empty>\",\"sname\":" \
	"\"krbtgt/R.ORG\",\"encryption\":\"<none>\",\"weak_encryption\":false}\n"

static void check(const struct proto_flow_info *info)
{
	static struct bytes said[6];
	static struct kit_part parts[6];

	said[0] = as_req(0);
	said[1] = error(25);
	said[2] = as_req(18);
	said[3] = error(24);
	said[4] = as_req(23);
	said[5] = as_rep();
	for (unsigned i = 0; i < 6; i++) {
		if (info == &tcp)
			said[i] = framed(&said[i]);
		parts[i] = (struct kit_part){ i & 1, said[i].at, said[i].len };
	}
	kit_show_logins = true;
	kit_check(info, parts, 6,
		ASKED REFUSED("KDC_ERR_PREAUTH_REQUIRED") ASKED
		"login kerberos joe@R.ORG - $krb5pa$18$joe$R.ORG$"
		"6161616161616161616161616161616162626262 failure\n" REFUSED(
			"KDC_ERR_PREAUTH_FAILED") ASKED
		"login kerberos joe@R.ORG - $krb5pa$23$joe$R.ORG$$"
		"6262626261616161616161616161616161616161 success\n" GIVEN);
	assert_true(kit_has(info, parts, 6, "krb5_err_code=24\n"));
	assert_true(kit_has(info, parts, 6, "krb5_msg_type=11\n"));
	assert_true(kit_has(info, parts, 6, "krb5.sname=krbtgt/R.ORG\n"));
	assert_true(kit_has(info, parts, 6, "krb5.cname=joe\n"));
}

static void test_udp(void **state)
{
	(void)state;
	check(&udp);
}

static void test_tcp(void **state)
{
	(void)state;
	check(&tcp);
}

/* Who proves to know the password and gives the ticket to himself was not let in. */
static void test_own_answer(void **state)
{
	struct bytes said[] = { as_req(23), as_rep(), error(24) };
	const struct kit_part parts[] = { { 0, said[0].at, said[0].len },
		{ 0, said[1].at, said[1].len }, { 0, said[2].at, said[2].len },
		{ 1, said[1].at, said[1].len } };

	(void)state;
	kit_show_logins = true;
	assert_non_null(strstr(kit_run(&udp, parts, 3, 0, SIZE_MAX), "16161 unknown\n"));
	assert_non_null(strstr(kit_run(&udp, parts, 4, 0, SIZE_MAX), "16161 success\n"));
}

/* In a bind of LDAP. */
static void test_ticket(void **state)
{
	static const struct proto_flow_info ldap = { .ip_proto = 6, .port = { 4000, 389 } };
	struct bytes how = TLV(0x30, TLV(0xa0, number(18)), TLV(0xa2, string(4, "secret")));
	struct bytes ticket =
		TLV(0x61, TLV(0x30, TLV(0xa0, number(5)), TLV(0xa1, string(0x1b, "R.ORG")),
				  TLV(0xa2, name("ldap", "dc.r.org")), TLV(0xa3, how)));
	struct bytes request = TLV(0x6e, TLV(0x30, TLV(0xa0, number(5)), TLV(0xa1, number(14)),
						 TLV(0xa3, ticket), TLV(0xa4, how)));
	struct bytes begin = { 0 }, token, said;
	struct kit_part part = { 0 };

	(void)state;
	put(&begin, "\6\x09\x2a\x86\x48\x86\xf7\x12\1\2\2\1\0", 13);
	token = TLV(0xa3, string(4, "GSS-SPNEGO"), TLV(4, TLV(0x60, begin, request)));
	said = TLV(0x30, number(1), TLV(0x60, number(3), string(4, ""), token));
	part.bytes = said.at;
	part.len = said.len;
	kit_check(&ldap, &part, 1, NULL);
	assert_non_null(strstr(kit_run(&ldap, &part, 1, 0, SIZE_MAX),
		"\"sasl\":{\"mechanism\":\"GSS-SPNEGO\",\"kerberos\":{\"realm\":\"R.ORG\","
		"\"sname\":\"ldap/dc.r.org\"}}"));
}

/* Every byte of it changed. */
static void test_broken(void **state)
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0x84, 0xff };
	struct bytes messages[] = { as_req(23), as_rep(), error(24) };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct kit_part part = { i > 0, messages[i].at, messages[i].len };

		for (unsigned at = 0; at < messages[i].len; at++) {
			uint8_t was = messages[i].at[at];

			for (unsigned v = 0; v < sizeof(values); v++) {
				messages[i].at[at] = values[v];
				kit_run(&udp, &part, 1, 0, SIZE_MAX);
			}
			messages[i].at[at] = was;
		}
	}
}

/* One that is too long is left out; what follows is read. */
static void test_long(void **state)
{
	static uint8_t zeros[60030];
	struct bytes first = as_req(0), head = { 0 }, said = framed(&first);
	const struct kit_part parts[] = { { 0, said.at, said.len }, { 0, head.at, 4 },
		{ 0, zeros, sizeof(zeros) }, { 0, said.at, said.len } };

	(void)state;
	put32(&head, sizeof(zeros));
	for (size_t piece = 0; piece < 3000; piece += 999)
		assert_string_equal(kit_run(&tcp, parts, 4, piece, SIZE_MAX), ASKED ASKED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_own_answer),
		cmocka_unit_test(test_ticket),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
