/* SPDX-License-Identifier: Apache-2.0 */
/* Logins of protocols that are about more than that: HTTP, LDAP, SIP, SMB. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "packets.h"
#include "proto_kit.h"

static const struct proto_flow_info http = { .ip_proto = 6, .port = { 4000, 8000 } };
static const struct proto_flow_info ldap = { .ip_proto = 6, .port = { 4000, 389 } };
static const struct proto_flow_info sip = { .ip_proto = 6, .port = { 4000, 5060 } };
static const struct proto_flow_info smb = { .ip_proto = 6, .port = { 4000, 445 } };

/* What was told of logins alone: their place among the transactions is nobody's concern. */
static const char *logins_of(const char *told)
{
	return kit_lines(told, "login ");
}

static void check_logins(const struct proto_flow_info *info, const struct kit_part *parts, size_t n,
	const char *expected)
{
	kit_check_lines(info, parts, n, "login ", expected);
}

static void test_http_basic(void **state)
{
	static const struct kit_part parts[] = {
		C("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YWRtaW46czNjOnJldA==\r\n\r\n"),
		S("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"),
		C("GET / HTTP/1.1\r\nHost: h\r\nauthorization: basic  cm9vdDo=\r\n"
		  "Proxy-Authorization: Basic eDp5\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n"
		  "Proxy-Authorization: Basic eDp5\r\n\r\n"),
		S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
		  "HTTP/1.1 407 Proxy\r\nContent-Length: 0\r\n\r\n"),
		C("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Basic bm9jb2xvbg==\r\n\r\n"
		  "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer abc\r\n\r\n"
		  "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Basic\r\n\r\n"
		  "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YTpi\r\n\r\n"),
	};

	(void)state;
	check_logins(&http, parts, 5,
		"login basic admin s3c:ret - failure\nlogin basic root - - success\n"
		"login basic x y - failure\nlogin basic a b - unknown\n");
}

/* Once for a request, whatever is said before its answer. */
static void test_http_continue(void **state)
{
	static const struct kit_part parts[] = {
		C("PUT / HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YTpi\r\nContent-Length: 3\r\n"
		  "Expect: 100-continue\r\n\r\n"),
		S("HTTP/1.1 100 Continue\r\n\r\n"), C("abc"),
		S("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
	};

	(void)state;
	check_logins(&http, parts, 4, "login basic a b - failure\n");
}

#define FORM(len, fields)                     \
	"POST /in HTTP/1.1\r\nContent-Type: " \
	"application/x-www-form-urlencoded\r\nContent-Length: " len "\r\n\r\n" fields

/* A button called as a name may be, two names, names in brackets; and forms where nobody logs in. */
static void test_http_form(void **state)
{
	static const struct kit_part parts[] = {
		C(FORM("40", "log=in&pwd=s%26c%3a+r%zz%4&username=adm%")),
		S("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"),
		C(FORM("72", "Login=Go&mail=a%40b&ctl00%24x%24UserName=bob&s%5Bpassword%5D=&"
			     "password=x")),
		S("HTTP/1.1 302 Go\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"),
		C(FORM("28", "pma_username=root&blog=1&x=y") FORM("11", "password=xy") FORM(
			"17", "bypass=1&user=bob") "POST / HTTP/1.1\r\nContent-Type: "
						   "text/plain\r\nContent-Length: 13\r\n\r\n"
						   "user=a&pass=b"
						   "GET /?user=a&bypass=b HTTP/1.1\r\nHost: "
						   "h\r\n\r\n" FORM("99",
							   "user=me&txtPassword=secret&pin=4")),
	};

	(void)state;
	check_logins(&http, parts, 5,
		"login form adm% s&c: r%zz%4 - failure\nlogin form bob - - unknown\n"
		"login form me secret - unknown\n");
}

/* Of what is cut the last field is not whole. */
static void test_http_form_cut(void **state)
{
	static const struct kit_part early[] = { C(FORM("99", "user=me&pass=sec")) },
				     answered[] = { C(FORM("99", "user=me&pass=sec&")),
					     S("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n") };
	struct proto_conn *conn;
	static const char form[] = FORM("30", "user=me&");

	(void)state;
	check_logins(&http, early, 1, "");
	check_logins(&http, answered, 2, "login form me sec - failure\n");
	conn = kit_open(&http);
	kit_out = out_make(kit_text, sizeof(kit_text));
	kit_feed(conn, 0, (const uint8_t *)form, sizeof(form) - 1);
	proto_gap(conn, 0, 10);
	kit_feed(conn, 0, (const uint8_t *)"&password=se", 12);
	proto_end(conn, 0);
	proto_end(conn, 1);
	proto_conn_free(conn);
	assert_string_equal(logins_of(kit_text), "");
}

static void test_http_form_parts(void **state)
{
	static const struct kit_part parts[] = {
		C("POST /in HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=\"x\"\r\n"
		  "Content-Length: 198\r\n\r\n"
		  "--x\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nada\r\n"
		  "--x\r\nContent-Disposition: form-data; name=user; filename=\"a\"\r\n\r\nfile\r\n"
		  "--x\r\nContent-Disposition: form-data; "
		  "name=passwd\r\n\r\ntwo\r\nlines\r\n--x--\r\n"),
		S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	};

	(void)state;
	check_logins(&http, parts, 2, "login form ada two\\x0d\\x0alines - unknown\n");
}

/* In the URL, whatever the method; what is posted comes first. A URL that is not whole is none. */
static void test_http_query(void **state)
{
	static const struct kit_part parts[] = {
		C("GET /cgi?x=1&user=adm%69n&password=a+b&y HTTP/1.1\r\nHost: h\r\n\r\n"),
		S("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"),
		C("GET http://h/?loginuser=a&loginpwd=&user=a&pwd= HTTP/1.0\r\n"
		  "Connection: keep-alive\r\n\r\n"),
		S("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"),
		C("POST /?user=x&pass=y HTTP/1.1\r\nContent-Length: 1\r\n\r\nz"
		  "POST /?user=x&pass=y HTTP/1.1\r\nContent-Type: "
		  "application/x-www-form-urlencoded\r\nContent-Length: 17\r\n\r\n"
		  "user=bob&pass=two"
		  "GET /user=a&pass=b HTTP/1.1\r\n\r\n"
		  "GET /?user=a&pass HTTP/1.1\r\n\r\n"),
	};
	static const struct kit_part cut[] = { C("GET /?user=me&pass=sec") };

	(void)state;
	check_logins(&http, parts, 5,
		"login query admin a b - failure\nlogin query a - - unknown\n"
		"login query x y - unknown\nlogin form bob two - unknown\n"
		"login query a - - unknown\n");
	check_logins(&http, cut, 1, "");
}

#define JSON(len, text)                                                                \
	"POST /api HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: " len \
	"\r\n\r\n" text

static void test_http_json(void **state)
{
	static const struct kit_part parts[] = {
		C(JSON("48", "{ \"username\":\"\\u0061d\\\"m\",\n\"password\":\"s\\u00e9\"}")),
		S("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"),
		C(JSON("59",
			"{\"id\":1,\"params\":{\"user\":\"root\",\"password\":-12345,\"x\":[1]}}")),
		S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
		/* Too deep, a list, no strings, one of the two, no JSON, and cut off. */
		C(JSON("36", "{\"a\":{\"b\":{\"user\":\"x\",\"pass\":\"y\"}}} ") JSON(
			"26", "[{\"user\":\"x\",\"pass\":\"y\"}] ") JSON("25",
			"{\"user\":true,\"pass\":null}") JSON("13", "{\"user\":\"xy\"}")
				JSON("24", "{\"user\":\"x\",\"pass\":\"y\"}}")
					JSON("99", "{\"user\":\"x\",\"pass\":\"y\"}")),
	};

	(void)state;
	check_logins(&http, parts, 5,
		"login json ad\"m s\\xc3\\xa9 - failure\nlogin json root -12345 - unknown\n");
}

/* Longer, or deeper, than it is looked at; and the longest and deepest that is. */
static void test_http_json_limits(void **state)
{
	static const char head[] = "POST / HTTP/1.1\r\nContent-Type: application/json\r\n"
				   "Content-Length: %zu\r\n\r\n";
	static const char login[] = "{\"user\":\"x\",\"pass\":\"y\",\"z\":%*s%.*s%.*s}";
	static const char opens[] = "[[[[[[[[[[[[[[[[[[[[", closes[] = "]]]]]]]]]]]]]]]]]]]]";
	static const struct {
		int blanks, depth;
		const char *told;
	} cases[] = { { 1, 15, "login json x y - unknown\n" }, { 1, 16, "" },
		{ 8192 - 28 - 2, 1, "login json x y - unknown\n" }, { 8193 - 28 - 2, 1, "" } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static char text[9000], request[10000];
		struct kit_part part = { 0, request, 0 };
		int len = snprintf(text, sizeof(text), login, cases[i].blanks, "", cases[i].depth,
			opens, cases[i].depth, closes);

		part.len = (size_t)snprintf(request, sizeof(request), head, (size_t)len);
		memcpy(request + part.len, text, (size_t)len);
		part.len += (size_t)len;
		assert_string_equal(
			logins_of(kit_run(&http, &part, 1, 0, SIZE_MAX)), cases[i].told);
	}
}

static void test_http_digest(void **state)
{
	static const struct kit_part parts[] = {
		C("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Digest realm=\"a, username=no\", "
		  "username=\"Mufasa\", qop=auth, response=\"8ca523f5e9506fed\"\r\n\r\n"),
		S("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"),
		C("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Digest username=\"open, "
		  "response\r\n\r\n"),
		S("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
	};

	(void)state;
	check_logins(&http, parts, 4,
		"login digest Mufasa - 8ca523f5e9506fed success\n"
		"login digest open, response - - failure\n");
}

/* Without a nonce, without quotes or with others, without commas, in any order and case; one half alone. */
static void test_http_digest_odd(void **state)
{
#define DIGEST(text) "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: " text "\r\n\r\n"
	static const struct kit_part parts[] = {
		C(DIGEST("dIGEST\tRESPONSE=F00 , UserName = admin;nonce=\"\"") DIGEST(
			"Digest stale, username='it, me', response=\"f\\\"1\"x=1")
				DIGEST("Digest username=\"a\\\\b\" response=\"f2\" uri=/")
					DIGEST("Digest username*=UTF-8''J%C3%A4, response=f3")
						DIGEST("Digest username=\"\", response=\"f4\"")
							DIGEST("Digest ,=,;\"= username")
								DIGEST("Digest nonce=\"n\"")),
	};

	(void)state;
	check_logins(&http, parts, 1,
		"login digest admin - F00 unknown\nlogin digest it, me - f\"1 unknown\n"
		"login digest a\\x5cb - f2 unknown\nlogin digest J%C3%A4 - f3 unknown\n"
		"login digest - - f4 unknown\n");
}

/* A quoted value that is longer than is kept. */
static void test_digest_long(void **state)
{
	static char request[5000] = "GET / HTTP/1.1\r\nAuthorization: Digest username=\"";
	const struct kit_part parts[] = { { 0, request, sizeof(request) },
		C("\", response=\"f0\"\r\n\r\n") };
	char expected[PROTO_LOGIN_MAX + 64];

	(void)state;
	memset(request + strlen(request), 'a', sizeof(request) - strlen(request));
	snprintf(expected, sizeof(expected), "login digest %.*s - f0 unknown\n", PROTO_LOGIN_MAX,
		request + sizeof(request) - PROTO_LOGIN_MAX);
	assert_string_equal(logins_of(kit_run(&http, parts, 2, 0, SIZE_MAX)), expected);
}

static void test_ldap(void **state)
{
	static const struct kit_part parts[] = {
		C("\x30\x14\2\1\1\x60\x0f\2\1\3\4\4cn=a\x80\4pass"), /* refused: 49 */
		S("\x30\x0c\2\1\1\x61\7\x0a\1\x31\4\0\4\0"),
		C("\x30\x14\2\1\2\x60\x0f\2\1\3\4\4cn=b\x80\4word"),
		S("\x30\x0c\2\1\2\x61\7\x0a\1\0\4\0\4\0"),
		C("\x30\x0c\2\1\3\x60\7\2\1\3\4\0\x80\0"), /* anonymous */
		S("\x30\x0c\2\1\3\x61\7\x0a\1\0\4\0\4\0"),
		C("\x30\x14\2\1\4\x60\x0f\2\1\3\4\4cn=c\x80\4last"),
		S("\x30\x0c\2\1\5\x61\7\x0a\1\0\4\0\4\0") /* of another message */
	};

	(void)state;
	check_logins(&ldap, parts, 8,
		"login simple cn=a pass - failure\nlogin simple cn=b word - success\n"
		"login simple cn=c last - unknown\n");
}

/* One right behind another: each has its own answer. */
static void test_ldap_ahead(void **state)
{
	static const struct kit_part parts[] = {
		C("\x30\x14\2\1\1\x60\x0f\2\1\3\4\4cn=a\x80\4pass"
		  "\x30\x14\2\1\2\x60\x0f\2\1\3\4\4cn=b\x80\4word"),
		S("\x30\x0c\2\1\1\x61\7\x0a\1\0\4\0\4\0"
		  "\x30\x0c\2\1\2\x61\7\x0a\1\x31\4\0\4\0"),
	};

	(void)state;
	check_logins(&ldap, parts, 2,
		"login simple cn=a pass - success\nlogin simple cn=b word - failure\n");
}

static void test_sip(void **state)
{
	static const struct kit_part parts[] = { C("REGISTER sip:h SIP/2.0\r\n\r\n"),
		S("SIP/2.0 401 Who\r\n\r\n"),
		C("REGISTER sip:h SIP/2.0\r\nAuthorization: Digest "
		  "username=\"100\",response=\"f00\""
		  "\r\n\r\n"),
		S("SIP/2.0 100 Trying\r\n\r\nSIP/2.0 403 No\r\n\r\n"),
		C("REGISTER sip:h SIP/2.0\r\nAuthorization: Digest response=\"f01\", "
		  "username=\"101\"\r\n\r\n"),
		S("SIP/2.0 200 OK\r\n\r\n") };

	(void)state;
	check_logins(
		&sip, parts, 6, "login digest 100 - f00 failure\nlogin digest 101 - f01 success\n");
}

/* In lines that are folded (RFC 3261, 7.3.1); without a nonce; quoted in other ways. */
static void test_sip_odd(void **state)
{
	static const struct kit_part parts[] = {
		C("REGISTER sip:h SIP/2.0\r\nAuthorization: digest\r\n username='100',\r\n"
		  "\tresponse=f00\r\nCSeq: 1 REGISTER\r\n\r\n"),
		S("SIP/2.0 403 No\r\nCSeq: 1 REGISTER\r\n\r\n"),
		C("REGISTER sip:h SIP/2.0\r\nProxy-Authorization: Digest\tresponse=\"f01\";"
		  "USERNAME=\"101\" nonce=\"\r\n\r\n"),
		S("SIP/2.0 200 OK\r\n\r\n"),
		C("REGISTER sip:h SIP/2.0\r\nAuthorization: Digested username=\"102\"\r\n\r\n"
		  "REGISTER sip:h SIP/2.0\r\nAuthorization: Digest\r\n\r\n"),
	};

	(void)state;
	check_logins(
		&sip, parts, 5, "login digest 100 - f00 failure\nlogin digest 101 - f01 success\n");
}

/* As those who guess passwords send them: each has its own answer, in any order. */
static void test_sip_ahead(void **state)
{
#define REGISTER(n)                                                                       \
	"REGISTER sip:h SIP/2.0\r\nCall-ID: a\r\nCSeq: " n " REGISTER\r\nAuthorization: " \
	"Digest username=\"" n "\",response=\"f0\"\r\n\r\n"
#define ANSWER(code, n) "SIP/2.0 " code " x\r\nCSeq: " n " REGISTER\r\ni: a\r\n\r\n"
	static const struct kit_part parts[] = { C(REGISTER("1") REGISTER("2") REGISTER("3")),
		S(ANSWER("100", "3") ANSWER("403", "2") ANSWER("200", "1")) };

	(void)state;
	check_logins(&sip, parts, 2,
		"login digest 2 - f0 failure\nlogin digest 1 - f0 success\n"
		"login digest 3 - f0 unknown\n");
}

/* Who asks to be let in and says himself that he is has not been. */
static void test_own_answer(void **state)
{
	static const struct kit_part bind[] = {
		C("\x30\x14\2\1\1\x60\x0f\2\1\3\4\4cn=a\x80\4pass"),
		C("\x30\x0c\2\1\1\x61\7\x0a\1\0\4\0\4\0"),  /* his own */
		S("\x30\x0c\2\1\1\x61\7\x0a\1\x31\4\0\4\0") /* refused: 49 */
	};
	static const struct kit_part registered[] = {
		C("REGISTER sip:h SIP/2.0\r\nAuthorization: Digest response=\"f01\", "
		  "username=\"101\"\r\n\r\n"),
		C("SIP/2.0 200 OK\r\n\r\n")
	};

	(void)state;
	check_logins(&ldap, bind, 2, "login simple cn=a pass - unknown\n");
	check_logins(&ldap, bind, 3, "login simple cn=a pass - failure\n");
	check_logins(&sip, registered, 2, "login digest 101 - f01 unknown\n");
}

/* What is too long to be said does not take the rest with it: a bind with a name of 6000 bytes, and its answer. */
static void test_too_long_to_be_said(void **state)
{
	static uint8_t bind[4 + 3 + 4 + 3 + 4 + 6000 + 2] =
		"\x30\x82\x17\x80\2\1\1\x60\x82\x17\x79\2\1\3\4\x82\x17\x70";
	const struct kit_part parts[] = { { 0, bind, sizeof(bind) },
		S("\x30\x0c\2\1\1\x61\7\x0a\1\x31\4\0\4\0") };

	char invite[8000] = "INVITE sip:";
	const struct kit_part call[] = { { 0, invite, sizeof(invite) },
		C(" SIP/2.0\r\nFrom: me\r\n\r\n") };

	(void)state;
	bind[sizeof(bind) - 2] = 0x80; /* and no password */
	memset(bind + 18, 1, 6000);
	assert_non_null(strstr(kit_run(&ldap, parts, 2, 0, SIZE_MAX),
		"ldap \"ldap\":{\"cut\":true,\"responses\":[{\"message_id\":1,"));
	assert_non_null(
		strstr(kit_run(&ldap, parts, 1, 0, SIZE_MAX), "ldap \"ldap\":{\"cut\":true}\n"));
	memset(invite + 11, 'a', sizeof(invite) - 11);
	assert_non_null(
		strstr(kit_run(&sip, call, 2, 0, SIZE_MAX), "sip \"sip\":{\"cut\":true}\n"));
}

/* A request and its answers together are no more than a record has room for. */
static void test_many_answers(void **state)
{
	static uint8_t asks[4 + 3 + 4 + 3 + 4 + 2000 + 2] =
		"\x30\x82\x07\xe0\2\1\1\x60\x82\x07\xd9\2\1\3\4\x82\x07\xd0";
	static uint8_t entry[4 + 3 + 4 + 4 + 1200 + 2] =
		"\x30\x82\x04\xbd\2\1\1\x64\x82\x04\xb6\4\x82\x04\xb0";
	struct kit_part parts[26];
	const char *told;

	(void)state;
	memset(asks + 18, 1, 2000);
	asks[sizeof(asks) - 2] = 0x80;
	memset(entry + 15, 'e', 1200);
	entry[sizeof(entry) - 2] = 0x30;
	parts[0] = (struct kit_part){ 0, asks, sizeof(asks) };
	for (unsigned i = 1; i < 26; i++)
		parts[i] = (struct kit_part){ 1, entry, sizeof(entry) };
	told = strstr(kit_run(&ldap, parts, 26, 0, SIZE_MAX), "ldap \"ldap\":{\"cut\":true,");
	assert_non_null(told);
	assert_in_range(strcspn(told, "\n"), 30000, (32 << 10) + 100);
}

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

/* A session setup of SMB2 that carries `blob`. */
static struct bytes setup(unsigned side, unsigned id, uint32_t status, const struct bytes *blob)
{
	struct bytes b = { 0 };

	put32(&b, 64 + blob->len);
	put(&b, "\xfeSMB\x40\0\0\0", 8);
	le32(&b, status);
	le16(&b, 1);
	le16(&b, 1);
	le32(&b, side);
	le32(&b, 0);
	le32(&b, id);
	put_zero(&b, 4 + 8 + 8 + 16);
	put(&b, blob->at, blob->len);
	return b;
}

static struct bytes challenge(void)
{
	struct bytes b = { 0 };

	put(&b, "NTLMSSP\0\2\0\0\0", 12);
	put_zero(&b, 12);
	put(&b, "\1\2\3\4\5\6\7\x8", 8);
	return b;
}

static void put_field(struct bytes *b, unsigned len, unsigned *offset)
{
	le16(b, len);
	le16(b, len);
	le32(b, *offset);
	*offset += len;
}

/* An authentication of user "me" in domain "D", with an answer of `len` bytes. */
static struct bytes authenticate(const char *user, unsigned len)
{
	struct bytes b = { 0 };
	unsigned offset = 64;

	put(&b, "NTLMSSP\0\3\0\0\0", 12);
	put_field(&b, 24, &offset);
	put_field(&b, len, &offset);
	put_field(&b, 1, &offset);
	put_field(&b, (unsigned)strlen(user), &offset);
	put_field(&b, 0, &offset);
	put_field(&b, 0, &offset);
	le32(&b, 2); /* no UTF-16 */
	for (unsigned i = 0; i < 24; i++)
		put8(&b, 0xaa);
	for (unsigned i = 0; i < len; i++)
		put8(&b, i);
	put(&b, "D", 1);
	put(&b, user, strlen(user));
	return b;
}

static void check_ntlm(const char *user, unsigned len, uint32_t status, const char *expected)
{
	struct bytes type2 = challenge(), type3 = authenticate(user, len), none = { 0 };
	struct bytes said[] = { setup(0, 1, 0, &none), setup(1, 1, 0xc0000016, &type2),
		setup(0, 2, 0, &type3), setup(1, 2, status, &none) };
	struct kit_part parts[4];

	for (unsigned i = 0; i < 4; i++)
		parts[i] = (struct kit_part){ i & 1, said[i].at, said[i].len };
	check_logins(&smb, parts, 4, expected);
}

static void test_smb(void **state)
{
	(void)state;
	check_ntlm("me", 15, 0xc000006d, "login ntlm D\\x5cme - - failure\n");
	check_ntlm("me", 28, 0xc000006d,
		"login ntlm D\\x5cme - me::D:0102030405060708:000102030405060708090a0b0c0d0e0f:"
		"101112131415161718191a1b failure\n");
	check_ntlm("me", 24, 0,
		"login ntlm D\\x5cme - me::D:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:"
		"000102030405060708090a0b0c0d0e0f1011121314151617:0102030405060708 success\n");
	check_ntlm("", 24, 0, "");
	check_ntlm("me", 28, 0xc0000016,
		"login ntlm D\\x5cme - me::D:0102030405060708:000102030405060708090a0b0c0d0e0f:"
		"101112131415161718191a1b unknown\n");
}

/* SessionFlags say that his password was not asked for. */
static void test_guest(void **state)
{
	struct bytes type2 = challenge(), type3 = authenticate("me", 15), none = { 0 },
		     guest = { 0 }, said[4];
	struct kit_part parts[4];

	(void)state;
	put(&guest, "\x09\0\1\0\x48\0\0\0", 8);
	said[0] = setup(0, 1, 0, &none);
	said[1] = setup(1, 1, 0xc0000016, &type2);
	said[2] = setup(0, 2, 0, &type3);
	said[3] = setup(1, 2, 0, &guest);
	for (unsigned i = 0; i < 4; i++)
		parts[i] = (struct kit_part){ i & 1, said[i].at, said[i].len };
	check_logins(&smb, parts, 4, "login guest D\\x5cme - - success\n");
}

static int show_logins(void **state)
{
	(void)state;
	kit_show_logins = true;
	return 0;
}

/* "WORD BASE64", framed by a head and the end of it. */
static struct bytes with_token(const char *head, const char *scheme, const struct bytes *token)
{
	struct bytes b = { 0 };
	char text[1500];
	struct out o = out_make(text, sizeof(text));

	out_fmt(&o, "%s%s ", head, scheme);
	out_base64(&o, token->at, token->len);
	out_str(&o, "\r\nContent-Length: 0\r\n\r\n");
	assert_true(out_ok(&o));
	put(&b, text, o.len);
	return b;
}

#define NTLM_HASH                                                  \
	"me::D:0102030405060708:000102030405060708090a0b0c0d0e0f:" \
	"101112131415161718191a1b"

static void check_http_ntlm(const char *scheme, bool proxy)
{
	struct bytes one = { 0 }, two = challenge(), three = authenticate("me", 28);
	const char *ask = proxy ? "GET / HTTP/1.1\r\nHost: h\r\nProxy-Authorization: "
				: "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: ";
	struct bytes said[4];
	struct kit_part parts[4];

	put(&one, "NTLMSSP\0\1\0\0\0\0\0\0\0", 16);
	said[0] = with_token(ask, scheme, &one);
	said[1] = with_token(proxy ? "HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
				     "Proxy-Authenticate: "
				   : "HTTP/1.1 401 Who\r\nWWW-Authenticate: ",
		scheme, &two);
	said[2] = with_token(ask, scheme, &three);
	said[3] = with_token("HTTP/1.1 200 OK\r\nX: ", "y", &one);
	for (unsigned i = 0; i < 4; i++)
		parts[i] = (struct kit_part){ i & 1, said[i].at, said[i].len };
	check_logins(&http, parts, 4, "login ntlm D\\x5cme - " NTLM_HASH " success\n");
}

static void test_http_ntlm(void **state)
{
	(void)state;
	check_http_ntlm("NTLM", false);
	check_http_ntlm("Negotiate", false);
	check_http_ntlm("NTLM", true);
}

/* A message of LDAP: an operation, and what it holds. */
static struct bytes ldap_message(unsigned id, unsigned operation, const struct bytes *body)
{
	struct bytes b = { 0 };

	put(&b, "\x30\x82", 2);
	put16(&b, 3 + 4 + body->len);
	put(&b, "\2\1", 2);
	put8(&b, id);
	put8(&b, operation);
	put8(&b, 0x82);
	put16(&b, body->len);
	put(&b, body->at, body->len);
	return b;
}

static struct bytes bind_sasl(unsigned id, const char *mechanism, const struct bytes *token)
{
	struct bytes body = { 0 };

	put(&body, "\2\1\3\4\0\xa3\x82", 7);
	put16(&body, 2 + (unsigned)strlen(mechanism) + 4 + token->len);
	put8(&body, 4);
	put8(&body, (unsigned)strlen(mechanism));
	put(&body, mechanism, strlen(mechanism));
	put(&body, "\4\x82", 2);
	put16(&body, token->len);
	put(&body, token->at, token->len);
	return ldap_message(id, 0x60, &body);
}

static struct bytes bind_answer(unsigned id, unsigned result, const struct bytes *token)
{
	struct bytes body = { 0 };

	put(&body, "\x0a\1", 2);
	put8(&body, result);
	put(&body, "\4\0\4\0\x87\x82", 6);
	put16(&body, token->len);
	put(&body, token->at, token->len);
	return ldap_message(id, 0x61, &body);
}

static void test_ldap_sasl(void **state)
{
	struct bytes one = { 0 }, two = challenge(), three = authenticate("me", 28), none = { 0 },
		     plain = { 0 };
	struct bytes said[6];
	struct kit_part parts[6];

	(void)state;
	put(&one, "NTLMSSP\0\1\0\0\0\0\0\0\0", 16);
	put(&plain, "\0joe\0pass", 9);
	said[0] = bind_sasl(1, "GSS-SPNEGO", &one);
	said[1] = bind_answer(1, 14, &two);
	said[2] = bind_sasl(2, "GSS-SPNEGO", &three);
	said[3] = bind_answer(2, 49, &none);
	said[4] = bind_sasl(3, "PLAIN", &plain);
	said[5] = bind_answer(3, 0, &none);
	for (unsigned i = 0; i < 6; i++)
		parts[i] = (struct kit_part){ i & 1, said[i].at, said[i].len };
	check_logins(&ldap, parts, 6,
		"login ntlm D\\x5cme - " NTLM_HASH " failure\nlogin plain joe pass - success\n");
}

/* An answer as long as those of a Windows domain. */
static void test_long_answer(void **state)
{
	struct bytes type2 = challenge(), type3 = authenticate("me", 600), none = { 0 };
	struct bytes said[] = { setup(0, 1, 0, &none), setup(1, 1, 0xc0000016, &type2),
		setup(0, 2, 0, &type3), setup(1, 2, 0, &none) };
	struct kit_part parts[4];
	const char *told;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		parts[i] = (struct kit_part){ i & 1, said[i].at, said[i].len };
	told = logins_of(kit_run(&smb, parts, 4, 0, SIZE_MAX));
	assert_int_equal(strlen(strstr(told, "me::D:")),
		strlen("me::D:") + 16 + 1 + 32 + 1 + 2 * (600 - 16) + strlen(" success\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_basic),
		cmocka_unit_test(test_http_continue),
		cmocka_unit_test(test_http_form),
		cmocka_unit_test(test_http_form_cut),
		cmocka_unit_test(test_http_form_parts),
		cmocka_unit_test(test_http_query),
		cmocka_unit_test(test_http_json),
		cmocka_unit_test(test_http_json_limits),
		cmocka_unit_test(test_http_digest_odd),
		cmocka_unit_test(test_digest_long),
		cmocka_unit_test(test_sip_odd),
		cmocka_unit_test(test_http_digest),
		cmocka_unit_test(test_ldap),
		cmocka_unit_test(test_ldap_ahead),
		cmocka_unit_test(test_sip),
		cmocka_unit_test(test_sip_ahead),
		cmocka_unit_test(test_own_answer),
		cmocka_unit_test(test_too_long_to_be_said),
		cmocka_unit_test(test_many_answers),
		cmocka_unit_test(test_smb),
		cmocka_unit_test(test_guest),
		cmocka_unit_test(test_http_ntlm),
		cmocka_unit_test(test_ldap_sasl),
		cmocka_unit_test(test_long_answer),
	};

	return cmocka_run_group_tests(tests, show_logins, NULL);
}
