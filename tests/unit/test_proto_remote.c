/* SPDX-License-Identifier: Apache-2.0 */
/* What carries a screen or a connection from afar: RFB, RDP, SOCKS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto_kit.h"

#define N(parts) (sizeof(parts) / sizeof((parts)[0]))

static const struct proto_flow_info tcp = { .ip_proto = 6, .port = { 4000, 7777 } };

#define CHALLENGE "0123456789abcdef"
#define RESPONSE  "ABCDEFGHIJKLMNOP"
#define HASH      "$vnc$*30313233343536373839616263646566*4142434445464748494a4b4c4d4e4f50"
#define SCREEN    "\3\x20\2\x58\x20\x18\0\1\0\xff\0\xff\0\xff\x10\x08\0\0\0\0\0\0\0\3a\xa0z"
#define VERSIONS(minor)                                                     \
	"\"server_protocol_version\":{\"major\":\"003\",\"minor\":\"" minor \
	"\"},\"client_protocol_version\":{\"major\":\"003\",\"minor\":\"" minor "\"},"
#define SAID_VNC                                                                         \
	"\"authentication\":{\"security_type\":2,\"vnc\":{\"challenge\":"                \
	"\"30313233343536373839616263646566\",\"response\":\"4142434445464748494a4b4c4d" \
	"4e4f50\"},\"security_result\":"
#define SAID_SCREEN                                                                           \
	"\"screen_shared\":true,\"framebuffer\":{\"width\":800,\"height\":600,\"name\":"      \
	"\"a\\\\xa0z\",\"pixel_format\":{\"bits_per_pixel\":32,\"depth\":24,\"big_endian\":"  \
	"false,\"true_color\":true,\"red_max\":255,\"green_max\":255,\"blue_max\":255,\"red_" \
	"shift\":16,\"green_shift\":8,\"blue_shift\":0}}}\n"

/* What a connection carries inside of another. */
#define INNER        "GET / HTTP/1.1\r\nHost: i\r\n\r\n"
#define INNER_ANSWER "HTTP/1.1 204 Fine\r\n\r\n"
#define SAID_INNER                                                                 \
	"http \"http\":{\"hostname\":\"i\",\"url\":\"/\",\"http_method\":\"GET\"," \
	"\"protocol\":\"HTTP/1.1\",\"status\":204,\"length\":0}\n"

static void test_rfb_success(void **state)
{
	static const struct kit_part v3[] = { S("RFB 003.003\n"), C("RFB 003.003\n"),
		S("\0\0\0\2" CHALLENGE), C(RESPONSE), S("\0\0\0\0"), C("\1"),
		S(SCREEN "pictures") };
	static const struct kit_part v8[] = { S("RFB 003.889\n"), C("RFB 003.008\n"), S("\2\2\x10"),
		C("\2"), S(CHALLENGE), C(RESPONSE), S("\0\0\0\0"), C("\1"), S(SCREEN), C("more") };

	(void)state;
	kit_check(&tcp, v3, N(v3),
		"login vnc - - " HASH " success\n"
		"rfb \"rfb\":{" VERSIONS("003") SAID_VNC "\"OK\"}," SAID_SCREEN);
	kit_check(&tcp, v8, N(v8), NULL);
	assert_non_null(strstr(kit_text, "login vnc - - $vnc$*30313233"));
	assert_true(kit_has(&tcp, v8, N(v8), "rfb.name=a\\xa0z\n"));
	assert_true(kit_has(&tcp, v8, N(v8), "rfb.sectype=2\n"));
	assert_true(kit_has(&tcp, v8, N(v8), "rfb.secresult=0\n"));
}

static void test_rfb_failure(void **state)
{
	static const struct kit_part v8[] = { S("RFB 003.008\n"), C("RFB 003.008\n"), S("\2\2\x10"),
		C("\2"), S(CHALLENGE), C(RESPONSE), S("\0\0\0\1\0\0\0\2no"), C("\1") };
	static const struct kit_part v7[] = { S("RFB 003.008\n"), C("RFB 003.007\n"), S("\1\2"),
		C("\2"), S(CHALLENGE), C(RESPONSE), S("\0\0\0\2") };
	static const struct kit_part silent[] = { S("RFB 003.003\n"), C("RFB 003.003\n"),
		S("\0\0\0\2" CHALLENGE), C(RESPONSE) };

	(void)state;
	kit_check(&tcp, v8, N(v8),
		"login vnc - - " HASH " failure\n"
		"rfb \"rfb\":{" VERSIONS("008") SAID_VNC
		"\"FAIL\"},\"server_security_failure_reason\":\"no\"}\n");
	kit_check(&tcp, v7, N(v7), NULL);
	assert_true(kit_has(&tcp, v7, N(v7), "\"security_result\":\"TOOMANY\"}}\n"));
	kit_check(&tcp, silent, N(silent), NULL);
	assert_true(kit_has(&tcp, silent, N(silent), HASH " unknown\n"));
}

static void test_rfb_other(void **state)
{
	static const struct kit_part none[] = { S("RFB 003.007\n"), C("RFB 003.007\n"), S("\1\1"),
		C("\1\1"), S(SCREEN) };
	static const struct kit_part refused[] = { S("RFB 003.008\n"), C("RFB 003.008\n"),
		S("\0\xff\xff\xff\xff" CHALLENGE) };
	static const struct kit_part tls[] = { S("RFB 003.008\n"), C("RFB 003.008\n"), S("\1\x13"),
		C("\x13"), S("\0\2"), C("\0\2") };
	static const struct kit_part bad[] = { S("RFB 003.008\n"), C("GET / HTTP/1.0\r\n\r\n") };

	(void)state;
	kit_check(&tcp, none, N(none),
		"rfb \"rfb\":{" VERSIONS(
			"007") "\"authentication\":{\"security_type\":1}," SAID_SCREEN);
	kit_check(&tcp, refused, N(refused),
		"rfb \"rfb\":{" VERSIONS("008") "\"authentication\":{}}\n");
	kit_check(&tcp, tls, N(tls),
		"rfb \"rfb\":{" VERSIONS("008") "\"authentication\":{\"security_type\":19}}\n");
	kit_check(&tcp, bad, N(bad), NULL);
}

#define VENCRYPT                                                                                \
	S("RFB 003.008\n"), C("RFB 003.008\n"), S("\2\x13\2"), C("\x13"), S("\0\2"), C("\0\2"), \
		S("\0\3\0\0\1\2\0\0\1\1\0\0\1\0")
#define SAID_VENCRYPT "\"authentication\":{\"security_type\":19,\"vencrypt_type\":"

/* A password in clear, or TLS, in which something else begins; what is refused; names longer than there are. */
static void test_rfb_vencrypt(void **state)
{
	static const struct kit_part plain[] = { VENCRYPT, C("\0\0\1\0"),
		C("\0\0\0\4\0\0\0\4roottoor"), S("\0\0\0\0"), C("\1"), S(SCREEN) };
	static const struct kit_part wrong[] = { VENCRYPT, C("\0\0\1\0\0\0\0\1\0\0\0\0a"),
		S("\0\0\0\1\0\0\0\2no") };
	static const struct kit_part tls[] = { VENCRYPT, C("\0\0\1\2"), S("\1"), C(INNER),
		S(INNER_ANSWER) };
	static const struct kit_part no_tls[] = { VENCRYPT, C("\0\0\1\2"), S("\0"), C(INNER) };
	static const struct kit_part refused[] = { S("RFB 003.008\n"), C("RFB 003.008\n"),
		S("\1\x13"), C("\x13"), S("\0\2"), C("\0\2"), S("\1") };
	static const struct kit_part old[] = { S("RFB 003.008\n"), C("RFB 003.008\n"), S("\1\x13"),
		C("\x13"), S("\0\1") };
	static const struct kit_part endless[] = { VENCRYPT,
		C("\0\0\1\0\xff\xff\xff\xff\0\0\0\4ro") };
	static const struct kit_part unknown[] = { VENCRYPT, C("\0\0\1\7") };

	(void)state;
	kit_check(&tcp, plain, N(plain),
		"login plain root toor - success\nrfb \"rfb\":{" VERSIONS("008") SAID_VENCRYPT
		"256,\"security_result\":\"OK\"}," SAID_SCREEN);
	kit_check(&tcp, wrong, N(wrong),
		"login plain a - - failure\nrfb \"rfb\":{" VERSIONS("008") SAID_VENCRYPT
		"256,\"security_result\":\"FAIL\"},\"server_security_failure_reason\":\"no\"}\n");
	kit_check(&tcp, tls, N(tls),
		"rfb \"rfb\":{" VERSIONS("008") SAID_VENCRYPT "258}}\n" SAID_INNER);
	kit_check(&tcp, no_tls, N(no_tls), "rfb \"rfb\":{" VERSIONS("008") SAID_VENCRYPT "258}}\n");
	kit_check(&tcp, refused, N(refused),
		"rfb \"rfb\":{" VERSIONS("008") "\"authentication\":{\"security_type\":19}}\n");
	kit_check(&tcp, old, N(old),
		"rfb \"rfb\":{" VERSIONS("008") "\"authentication\":{\"security_type\":19}}\n");
	kit_check(
		&tcp, endless, N(endless), "rfb \"rfb\":{" VERSIONS("008") SAID_VENCRYPT "256}}\n");
	kit_check(
		&tcp, unknown, N(unknown), "rfb \"rfb\":{" VERSIONS("008") SAID_VENCRYPT "263}}\n");
	kit_spoil(&tcp, plain, N(plain));
	kit_spoil(&tcp, tls, N(tls));
}

static void test_socks_5(void **state)
{
	static const struct kit_part parts[] = { C("\5\2\0\2"), S("\5\2"), C("\1\3joe\4pass"),
		S("\1\0"), C("\5\1\0\3\7h.local\0\x50"), S("\5\0\0\1\1\2\3\4\0\x50"), C(INNER),
		S(INNER_ANSWER) };

	(void)state;
	kit_check(&tcp, parts, N(parts),
		"login password joe pass - success\n"
		"socks \"socks\":{\"version\":5,\"command\":\"connect\",\"host\":\"h.local\","
		"\"port\":80,\"status\":\"succeeded\"}\n" SAID_INNER);
}

/* The request does not wait for the answer; what is in it does not wait either. */
static void test_socks_5_at_once(void **state)
{
	static const struct kit_part parts[] = {
		C("\5\1\0\5\1\0\4\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\x50" INNER),
		S("\5\0\5\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" INNER_ANSWER)
	};

	(void)state;
	kit_check(&tcp, parts, N(parts),
		"socks \"socks\":{\"version\":5,\"command\":\"connect\",\"host\":\"2001:db8::1\","
		"\"port\":80,\"status\":\"succeeded\"}\n" SAID_INNER);
}

static void test_socks_5_refused(void **state)
{
	static const struct kit_part user[] = { C("\5\1\2"), S("\5\2"), C("\1\1a\0"), S("\1\5"),
		C("\5\1\0\1\1\2\3\4\0\x50") };
	static const struct kit_part silent[] = { C("\5\1\2"), S("\5\2"), C("\1\1a\1b") };
	static const struct kit_part host[] = { C("\5\1\0"), S("\5\0"), C("\5\3\0\1\1\2\3\4\0\x35"),
		S("\5\2\0\1\0\0\0\0\0\0"), C(INNER) };
	static const struct kit_part bind[] = { C("\5\1\0"), S("\5\0"), C("\5\2\0\1\1\2\3\4\0\x15"),
		S("\5\0\0\1\0\0\0\0\1\1"), S("\5\0\0\1\1\2\3\4\0\x14"), C(INNER), S(INNER_ANSWER) };
	static const struct kit_part bad[] = { C("\5\1\0"), S("\5\0"),
		C("\5\1\0\7\1\2\3\4\0\x35") };

	(void)state;
	kit_check(&tcp, user, N(user), "login password a - - failure\n");
	kit_check(&tcp, silent, N(silent), "login password a b - unknown\n");
	kit_check(&tcp, host, N(host),
		"socks \"socks\":{\"version\":5,\"command\":\"udp associate\",\"host\":\"1.2.3.4\","
		"\"port\":53,\"status\":\"not allowed\"}\n");
	kit_check(&tcp, bind, N(bind),
		"socks \"socks\":{\"version\":5,\"command\":\"bind\",\"host\":\"1.2.3.4\","
		"\"port\":21,\"status\":\"succeeded\"}\n" SAID_INNER);
	kit_check(&tcp, bad, N(bad), "");
}

#define MANY "\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2"
#define SAID_SOCKS                                                                     \
	"socks \"socks\":{\"version\":5,\"command\":\"connect\",\"host\":\"h.local\"," \
	"\"port\":80,\"status\":\"succeeded\"}\n"

/* Methods that nobody has given a number, or more of them than anybody has: a server takes what it knows. */
static void test_socks_5_odd(void **state)
{
	static const struct kit_part odd[] = { C("\5\2\x55\0"), S("\5\0"),
		C("\5\1\0\3\7h.local\0\x50"), S("\5\0\0\1\1\2\3\4\0\x50"), C(INNER),
		S(INNER_ANSWER) };
	static const struct kit_part many[] = { C("\5\x28" MANY "\0"), S("\5\0"),
		C("\5\1\0\3\7h.local\0\x50"), S("\5\0\0\1\1\2\3\4\0\x50"), C(INNER),
		S(INNER_ANSWER) };
	static const struct kit_part turned[] = { S("\5\2\x55\0"), C("\5\0"),
		S("\5\1\0\3\7h.local\0\x50"), C("\5\0\0\1\1\2\3\4\0\x50"), S(INNER),
		C(INNER_ANSWER) };
	static const struct kit_part other[] = { C("\5\2\x55\0"), S("\5\1"), C("\5\1\0\1"),
		S("\5\0") };

	(void)state;
	kit_check(&tcp, odd, N(odd), SAID_SOCKS SAID_INNER);
	kit_check(&tcp, many, N(many), SAID_SOCKS SAID_INNER);
	kit_check(&tcp, turned, N(turned), SAID_SOCKS SAID_INNER);
	kit_check(&tcp, other, N(other), "");
}

static void test_socks_4(void **state)
{
	static const struct kit_part named[] = { C("\4\1\0\x50\0\0\0\1me\0h.local\0"),
		S("\0\x5a\0\0\0\0\0\0"), C(INNER), S(INNER_ANSWER) };
	static const struct kit_part refused[] = { C("\4\1\0\x50\1\2\3\4me\0"),
		S("\0\x5d\0\0\0\0\0\0") };
	static const struct kit_part closed[] = { C("\4\1\0\x50\1\2\3\4\0"),
		S("\0\x5b\0\0\0\0\0\0") };

	(void)state;
	kit_check(&tcp, named, N(named),
		"login userid me - - success\n"
		"socks \"socks\":{\"version\":4,\"command\":\"connect\",\"host\":\"h.local\","
		"\"port\":80,\"status\":\"granted\"}\n" SAID_INNER);
	kit_check(&tcp, refused, N(refused),
		"login userid me - - failure\n"
		"socks \"socks\":{\"version\":4,\"command\":\"connect\",\"host\":\"1.2.3.4\","
		"\"port\":80,\"status\":\"other user\"}\n");
	kit_check(&tcp, closed, N(closed),
		"socks \"socks\":{\"version\":4,\"command\":\"connect\",\"host\":\"1.2.3.4\","
		"\"port\":80,\"status\":\"rejected\"}\n");
}

/* A bot says its name, and is asked. */
static void test_socks_reverse(void **state)
{
	static const struct kit_part parts[] = { C("NZ\x8d\x08\x87N"), S("\5\1\0"),
		S("\5\1\0\1\x4a\x7d\x83\x67\0\x50"), C("\5\0"), C("\5\0\0\1\x4a\x7d\x83\x67\0\x50"),
		S("GET /x HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YTpi\r\n\r\n"),
		C("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi") };

	(void)state;
	kit_check(&tcp, parts, N(parts),
		"socks "
		"\"socks\":{\"version\":5,\"command\":\"connect\",\"host\":\"74.125.131.103\","
		"\"port\":80,\"status\":\"succeeded\"}\n"
		"login basic a b - success\n"
		"file /x 2\n"
		"http \"http\":{\"hostname\":\"h\",\"url\":\"/x\",\"http_method\":\"GET\","
		"\"protocol\":\"HTTP/1.1\",\"status\":200,\"length\":2}\n");
}

static void test_socks_or_not(void **state)
{
	static const struct kit_part others[] = { C("\5\0\x0b\3\x10\0\0\0"), C("\5\1\x30"),
		C("\4\1\0\x50\0\0\0\0\0"), C("\4\3\0\x50\1\2\3\4\0"), C("\4\1\0\x50\1\2\3\4\1\0"),
		C("\5\1\0\7") };

	(void)state;
	for (size_t i = 0; i < N(others); i++)
		assert_null(strstr(kit_run(&tcp, &others[i], 1, 0, SIZE_MAX), "socks"));
}

#define ZEROS_4  "\0\0\0\0"
#define ZEROS_28 ZEROS_4 ZEROS_4 ZEROS_4 ZEROS_4 ZEROS_4 ZEROS_4 ZEROS_4
#define ZEROS_60 ZEROS_28 ZEROS_28 ZEROS_4
#define RDP_ASK  C("\3\0\0\x0b\6\xe0\0\0\0\0\0"), S("\3\0\0\x0b\6\xd0\0\0\x12\x34\0")
#define RDP_ASKED                                                        \
	"rdp \"rdp\":{\"tx_id\":0,\"event_type\":\"initial_request\"}\n" \
	"rdp \"rdp\":{\"tx_id\":1,\"event_type\":\"initial_response\"}\n"
#define RDP_CORE                                                                               \
	"\1\xc0\xd8\0\4\0\x08\0\0\4\0\3\1\xca\3\xaa\x19\4\1\0\x28\x0a\0\0P\0C\0" ZEROS_28      \
	"\4\0\0\0" ZEROS_4 "\x0c\0\0\0" ZEROS_60 ZEROS_4 "\1\xca\1\0" ZEROS_4 "\x10\0\7\0\1\0" \
	"4\0"                                                                                  \
	"2\0" ZEROS_60 "\0\0" ZEROS_4
#define RDP_NET "\3\xc0\x20\0\2\0\0\0rdpdr\0\0\0" ZEROS_4 "cliprdr\0" ZEROS_4
#define MCS_CONNECT                                                                    \
	"\3\0\1\x2e\2\xf0\x80\x7f\x65\x82\1\x22\4\1\1\4\1\1\1\1\xff\x30\0\x30\0\x30\0" \
	"\4\x82\1\x0f\0\5\0\x14\x7c\0\1\x81\6\0\x08\0\x10\0\1\xc0\0Duca\x80\xf8"

/* Without TLS the client says who it is; what is not whole, or something else, says nothing. */
static void test_rdp_connect(void **state)
{
	static const struct kit_part parts[] = { RDP_ASK, C(MCS_CONNECT RDP_CORE RDP_NET),
		S("more"), C("more") };
	static const struct kit_part large[] = { RDP_ASK, C("\3\0\xff\xff\2\xf0\x80\x7f\x65") };
	static const struct kit_part other[] = { RDP_ASK, C("\3\0\0\x0c\2\xf0\x80\4\1\0\1\0") };

	(void)state;
	kit_check(&tcp, parts, N(parts),
		RDP_ASKED
		"rdp \"rdp\":{\"tx_id\":2,\"event_type\":\"connect_request\",\"client\":{"
		"\"version\":\"v5\",\"desktop_width\":1024,\"desktop_height\":768,"
		"\"keyboard_layout\":\"ru-RU\",\"build\":\"Windows XP\",\"client_name\":\"PC\","
		"\"keyboard_type\":\"enhanced\",\"function_keys\":12,\"color_depth\":16,"
		"\"capabilities\":[\"support_errinfo_pdf\"],\"id\":\"42\"},"
		"\"channels\":[\"rdpdr\",\"cliprdr\"]}\n");
	kit_check(&tcp, large, N(large), RDP_ASKED);
	kit_check(&tcp, other, N(other), RDP_ASKED);
	kit_spoil(&tcp, parts, N(parts));
}

static void test_rdp(void **state)
{
	static const struct kit_part parts[] = {
		C("\3\0\0\x2b\x26\xe0\0\0\0\0\0Cookie: mstshash=admin\r\n\1\1\x08\0\3\0\0\0"),
		S("\3\0\0\x13\x0e\xd0\0\0\x12\x34\0\2\1\x08\0\2\0\0\0"),
		C(INNER), /* stands for TLS */
		S(INNER_ANSWER)
	};

	(void)state;
	kit_check(&tcp, parts, N(parts),
		"login rdp-cookie admin - - unknown\n"
		"rdp \"rdp\":{\"tx_id\":0,\"event_type\":\"initial_request\",\"cookie\":\"admin\","
		"\"flags\":[\"restricted_admin_mode_required\"],\"requested_protocols\":[\"ssl\","
		"\"hybrid\"]}\n"
		"rdp \"rdp\":{\"tx_id\":1,\"event_type\":\"initial_response\",\"server_supports\":"
		"[\"extended_client_data\"],\"protocol\":\"hybrid\"}\n" SAID_INNER);
}

static void test_rdp_without(void **state)
{
	static const struct kit_part plain[] = { C("\3\0\0\x0b\6\xe0\0\0\0\0\0"),
		S("\3\0\0\x0b\6\xd0\0\0\x12\x34\0"), C("\3\0\0\x0c\2\xf0\x80\4\1\0\1\0"),
		S("\3\0\0\x08\2\xf0\x80\x28") };
	static const struct kit_part refused[] = {
		C("\3\0\0\x13\x0e\xe0\0\0\0\0\0\1\0\x08\0\0\0\0\0"),
		S("\3\0\0\x13\x0e\xd0\0\0\x12\x34\0\3\0\x08\0\5\0\0\0")
	};
	static const struct kit_part s7 =
		C("\3\0\0\x16\x11\xe0\0\0\0\1\0\xc1\2\1\0\xc2\2\1\2\xc0\1\x0a");
	static const struct kit_part cut = C("\3\0\0\x15\x10\xe0\0\0\0\0\0Cookie: ms");

	(void)state;
	kit_check(&tcp, plain, N(plain),
		"rdp \"rdp\":{\"tx_id\":0,\"event_type\":\"initial_request\"}\n"
		"rdp \"rdp\":{\"tx_id\":1,\"event_type\":\"initial_response\"}\n");
	kit_check(&tcp, refused, N(refused),
		"rdp "
		"\"rdp\":{\"tx_id\":0,\"event_type\":\"initial_request\",\"requested_protocols\":"
		"[]}\n"
		"rdp \"rdp\":{\"tx_id\":1,\"event_type\":\"initial_response\",\"error_code\":5,"
		"\"reason\":\"hybrid required by server\"}\n");
	kit_check(&tcp, &s7, 1, "");
	kit_check(&tcp, &cut, 1, "rdp \"rdp\":{\"tx_id\":0,\"event_type\":\"initial_request\"}\n");
}

static int show_logins(void **state)
{
	(void)state;
	kit_show_logins = true;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfb_success),
		cmocka_unit_test(test_rfb_failure),
		cmocka_unit_test(test_rfb_other),
		cmocka_unit_test(test_rfb_vencrypt),
		cmocka_unit_test(test_socks_5),
		cmocka_unit_test(test_socks_5_at_once),
		cmocka_unit_test(test_socks_5_refused),
		cmocka_unit_test(test_socks_5_odd),
		cmocka_unit_test(test_socks_4),
		cmocka_unit_test(test_socks_reverse),
		cmocka_unit_test(test_socks_or_not),
		cmocka_unit_test(test_rdp),
		cmocka_unit_test(test_rdp_connect),
		cmocka_unit_test(test_rdp_without),
	};

	return cmocka_run_group_tests(tests, show_logins, NULL);
}
