/* SPDX-License-Identifier: Apache-2.0 */
/* LDAP, SIP and LLMNR. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto_kit.h"

/* An anonymous bind, and its answer. */
#define BIND  "\x30\x0c\2\1\1\x60\7\2\1\3\4\0\x80\0"
#define BOUND "\x30\x0c\2\1\1\x61\7\x0a\1\0\4\0\4\0"
#define SAID_BIND                                                                           \
	"ldap \"ldap\":{\"request\":{\"message_id\":1,\"operation\":\"bind_request\","      \
	"\"bind_request\":{\"version\":3,\"name\":\"\"}},\"responses\":[{\"message_id\":1," \
	"\"operation\":\"bind_response\",\"bind_response\":{\"result_code\":\"success\","   \
	"\"matched_dn\":\"\",\"message\":\"\"}}]}\n"

static void test_ldap(void **state)
{
	static const struct proto_flow_info tcp = { .ip_proto = 6, .port = { 4000, 389 } };
	static const struct kit_part parts[] = {
		C(BIND "\x30\x29\2\1\2\x63\x24\4\4dc=x\x0a\1\2\x0a\1\0\2\1\5\2\1\0\1\1\0"
		       "\x87\x0bobjectclass\x30\0"),
		S(BOUND "\x30\x14\2\1\2\x64\x0f\4\4dc=x\x30\7\x30\5\4\1o\x31\0"
			"\x30\x0c\2\1\2\x65\7\x0a\1\0\4\0\4\0"),
		C("\x30\5\2\1\3\x42\0")
	};

	(void)state;
	kit_check(&tcp, parts, 3,
		SAID_BIND
		"ldap \"ldap\":{\"request\":{\"message_id\":2,\"operation\":\"search_request\","
		"\"search_request\":{\"base_object\":\"dc=x\",\"scope\":2,\"deref_alias\":0,"
		"\"size_limit\":5,\"time_limit\":0,\"types_only\":false,\"attributes\":[]}},"
		"\"responses\":[{\"message_id\":2,\"operation\":\"search_result_entry\","
		"\"search_result_entry\":{\"base_object\":\"dc=x\",\"attributes\":[{\"type\":\"o\","
		"\"values\":[]}]}},{\"message_id\":2,\"operation\":\"search_result_done\","
		"\"search_result_done\":{\"result_code\":\"success\",\"matched_dn\":\"\","
		"\"message\":\"\"}}]}\n"
		"ldap "
		"\"ldap\":{\"request\":{\"message_id\":3,\"operation\":\"unbind_request\"}}\n");
	assert_true(kit_has(&tcp, parts, 3, "ldap.request.dn=dc=x\n"));
	assert_true(kit_has(&tcp, parts, 3, "ldap.responses.attribute_type=o\n"));
}

/* What JNDI asks a server of an attacker's choice, and what it is not. */
static void test_ldap_any_port(void **state)
{
	static const struct proto_flow_info tcp = { .ip_proto = 6, .port = { 4000, 1389 } };
	static const struct kit_part parts[] = { C(BIND), S(BOUND), C("\x30\5\2\1\2\x42\0") };
	static const struct kit_part search[] = { C(
		"\x30\x25\2\1\2\x63\x20\4\0\x0a\1\0\x0a\1\0\2\1\5\2\1\0"
		"\1\1\0\x87\x0bobjectclass\x30\0") };
	static const struct kit_part others[] = {
		C("\x30\x0c\2\1\1\x60\7\2\1\7\4\0\x80\0"), /* of no version */
		C("\x30\x0c\2\1\0\x60\7\2\1\3\4\0\x80\0"), /* without a number */
		C("\x30\x0c\2\1\1\x70\7\2\1\3\4\0\x80\0"), /* another operation */
		C("\x30\x84\x7f\xff\xff\xff\2\1\1\x60"),
	};

	(void)state;
	kit_check(&tcp, parts, 3,
		SAID_BIND
		"ldap "
		"\"ldap\":{\"request\":{\"message_id\":2,\"operation\":\"unbind_request\"}}\n");
	kit_check(&tcp, search, 1, NULL);
	assert_non_null(
		strstr(kit_run(&tcp, search, 1, 0, SIZE_MAX), "\"operation\":\"search_request\""));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		kit_check(&tcp, &others[i], 1, "");
}

/* More than is kept of a message: servers take some megabytes. What follows is read, with zeros in front of its
 * length, too. */
static void test_ldap_long(void **state)
{
	static const struct proto_flow_info tcp = { .ip_proto = 6, .port = { 4000, 389 } };
	static char bytes[100000 + 6];
	const struct kit_part parts[] = { C(BIND), { 0, bytes, sizeof(bytes) }, S(BOUND),
		C("\x30\x88\0\0\0\0\0\0\0\x0e\2\1\3\x60\x09\2\1\3\4\1u\x80\1p"),
		S("\x30\x0c\2\1\3\x61\7\x0a\1\0\4\0\4\0"), C("\x30\5\2\1\3\x42\0") };

	(void)state;
	memcpy(bytes, "\x30\x84\0\1\x86\xa0\2\1\2\x63", 10);
	for (size_t piece = 0; piece < 4000; piece += 1300) {
		kit_run(&tcp, parts, 6, piece, SIZE_MAX);
		assert_non_null(strstr(kit_text, "\"version\":3,\"name\":\"u\"}},\"responses\":["));
		assert_non_null(strstr(kit_text, "\"operation\":\"unbind_request\""));
	}
}

static void test_sip(void **state)
{
	static const struct proto_flow_info tcp = { .ip_proto = 6, .port = { 4000, 5060 } };
	static const struct kit_part parts[] = {
		C("OPTIONS sip:a@b SIP/2.0\r\nv: SIP/2.0/TCP h\r\nFrom: <sip:x>\r\nl: 4\r\n\r\nbody"
		  "BYE sip:a@b SIP/2.0\r\nTo: y\r\n\r\n"),
		S("SIP/2.0 200 All right\r\nUser-Agent: z\r\n\r\n")
	};

	(void)state;
	kit_check(&tcp, parts, 2,
		"sip \"sip\":{\"method\":\"OPTIONS\",\"uri\":\"sip:a@b\",\"version\":\"SIP/2.0\","
		"\"request_line\":\"OPTIONS sip:a@b SIP/2.0\"}\n"
		"sip \"sip\":{\"method\":\"BYE\",\"uri\":\"sip:a@b\",\"version\":\"SIP/2.0\","
		"\"request_line\":\"BYE sip:a@b SIP/2.0\"}\n"
		"sip \"sip\":{\"version\":\"SIP/2.0\",\"code\":\"200\",\"reason\":\"All right\","
		"\"response_line\":\"SIP/2.0 200 All right\"}\n");
	assert_true(kit_has(&tcp, parts, 2, "sip.via=SIP/2.0/TCP h\n"));
	assert_true(kit_has(&tcp, parts, 2, "sip.from=<sip:x>\n"));
	assert_true(kit_has(&tcp, parts, 2, "sip.stat_msg=All right\n"));
}

static void test_llmnr(void **state)
{
	static const struct proto_flow_info udp = { .ip_proto = 17, .port = { 4000, 5355 } };
	static const struct kit_part part = C("\0\1\x38\0\0\1\0\0\0\0\0\0\1w\0\0\1\0\1");

	(void)state;
	kit_check(&udp, &part, 1,
		"llmnr \"llmnr\":{\"type\":\"request\",\"tx_id\":0,\"id\":1,\"flags\":\"3800\","
		"\"opcode\":7,\"rcode\":\"NOERROR\",\"queries\":[{\"rrname\":\"w\",\"rrtype\":"
		"\"a\"}]} !llmnr.invalid_opcode\n");
	assert_true(kit_has(&udp, &part, 1, "llmnr.queries.rrname=w\n"));
}

#define FINGER(members) "finger \"finger\":{" members "}\n"

static void test_finger(void **state)
{
	static const struct proto_flow_info port = { .ip_proto = 6, .port = { 4000, 79 } };
	static const struct proto_flow_info other = { .ip_proto = 6, .port = { 4000, 4001 } };
	static const struct kit_part asks[] = { C("bob\r\nmore\r\n"), S("Login: bob\r\n"),
		S("No plan.\r\n") };
	static const struct kit_part all[] = { C("\r\n"), S("nobody") };
	static const struct kit_part forwards[] = { C("/w  al@in.example@out.example\r\n") };
	static const struct kit_part word[] = { C("/World\r\n"), S("?") };
	static const struct kit_part answer[] = { S("no question was seen") };
	static const struct kit_part binary[] = { C("\1\2\3\r\n"), S("x") };

	(void)state;
	kit_check(&port, PARTS(asks),
		FINGER("\"query\":\"bob\",\"long\":false,\"user\":\"bob\",\"answer\":\"Login: "
		       "bob\\r\\nNo "
		       "plan.\\r\\n\",\"answer_bytes\":22"));
	kit_check(&port, PARTS(all),
		FINGER("\"query\":\"\",\"long\":false,\"user\":\"\",\"answer\":\"nobody\",\"answer_"
		       "bytes\":6"));
	kit_check(&other, PARTS(forwards),
		FINGER("\"query\":\"/w  al@in.example@out.example\",\"long\":true,\"user\":\"al\","
		       "\"hosts\":[\"in.example\",\"out.example\"]"));
	kit_check(&port, PARTS(word),
		FINGER("\"query\":\"/World\",\"long\":false,\"user\":\"/World\",\"answer\":\"?\","
		       "\"answer_bytes\":1"));
	kit_check(&port, PARTS(binary), "");
	kit_check(&port, PARTS(answer), "");
	assert_string_equal(kit_run(&other, PARTS(word), 0, SIZE_MAX), "");
	assert_string_equal(kit_run(&other, PARTS(asks), 0, SIZE_MAX), "");
}

/* On another port the answer says what was asked for. */
static void test_finger_any_port(void **state)
{
	static const struct proto_flow_info other = { .ip_proto = 6, .port = { 4000, 4001 } };
	static const struct kit_part user[] = { C("bob\r\n"),
		S("Login: bob           \t\t\tName: Bob\r\nNo Plan.\r\n") };
	static const struct kit_part list[] = { C("\r\n"),
		S("Login     Name       Tty      Idle  Login Time\r\nbob\r\n") };
	static const struct kit_part nobody[] = { C("x@h\r\n"),
		S("[h]\r\nfinger: x: no such user.\r\n") };
	static const struct kit_part empty_line[] = { C("bob\r\n"), S("\r\n"),
		S("Login: bob\tName: Bob\r\n") };
	static const struct kit_part no[][2] = { { C("bob\r\n"),
							 S("Login: bob\r\nPassword: \r\n") },
		{ C("bob\r\nal\r\n"), S("No one logged on\r\n") },
		{ C("bob"), S("No one logged on\r\n") }, { C("bob\r\n"), S("[No one logged on") } };

	(void)state;
	/* In smaller pieces it may begin like a prompt. */
	assert_string_equal(kit_run(&other, PARTS(user), 16, SIZE_MAX),
		FINGER("\"query\":\"bob\",\"long\":false,\"user\":\"bob\",\"answer\":\"Login: bob  "
		       "  "
		       "       \\t\\t\\tName: Bob\\r\\nNo Plan.\\r\\n\",\"answer_bytes\":45"));
	kit_check(&other, PARTS(list),
		FINGER("\"query\":\"\",\"long\":false,\"user\":\"\",\"answer\":\"Login     Name    "
		       "   "
		       "Tty      Idle  Login Time\\r\\nbob\\r\\n\",\"answer_bytes\":53"));
	assert_string_equal(kit_run(&other, PARTS(empty_line), 16, SIZE_MAX),
		FINGER("\"query\":\"bob\",\"long\":false,\"user\":\"bob\",\"answer\":\"\\r\\nLogin:"
		       " bob\\tName: "
		       "Bob\\r\\n\",\"answer_bytes\":24"));
	kit_check(&other, PARTS(nobody),
		FINGER("\"query\":\"x@h\",\"long\":false,\"user\":\"x\",\"hosts\":[\"h\"],"
		       "\"answer\":\"[h]\\r\\nfinger: x: no such "
		       "user.\\r\\n\",\"answer_bytes\":31"));
	for (unsigned i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_null(strstr(kit_run(&other, no[i], 2, 0, SIZE_MAX), "finger"));
}

/* Of a long answer the beginning is kept, of one with a gap what was before it. */
static void test_finger_long(void **state)
{
	static const struct proto_flow_info port = { .ip_proto = 6, .port = { 4000, 79 } };
	static char text[3000];
	const struct kit_part parts[] = { C("x\r\n"), { 1, text, sizeof(text) } };
	struct proto_conn *conn;

	(void)state;
	memset(text, 'a', sizeof(text));
	kit_check(&port, PARTS(parts), NULL);
	assert_int_equal(strspn(strchr(strstr(kit_text, "\"answer\":"), 'a') + 9, "a"), 1024);
	assert_non_null(strstr(kit_run(&port, PARTS(parts), 0, SIZE_MAX), "\"answer_bytes\":3000"));

	conn = kit_open(&port);
	kit_out = out_make(kit_text, sizeof(kit_text));
	kit_feed(conn, 0, (const uint8_t *)"x\r\n", 3);
	kit_feed(conn, 1, (const uint8_t *)"one", 3);
	proto_gap(conn, 1, 10);
	kit_feed(conn, 1, (const uint8_t *)"two", 3);
	proto_end(conn, 0);
	proto_end(conn, 1);
	proto_conn_free(conn);
	assert_string_equal(
		kit_text, FINGER("\"query\":\"x\",\"long\":false,\"user\":\"x\",\"answer\":"
				 "\"one\",\"answer_bytes\":16"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ldap),
		cmocka_unit_test(test_ldap_any_port),
		cmocka_unit_test(test_ldap_long),
		cmocka_unit_test(test_sip),
		cmocka_unit_test(test_llmnr),
		cmocka_unit_test(test_finger),
		cmocka_unit_test(test_finger_any_port),
		cmocka_unit_test(test_finger_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
