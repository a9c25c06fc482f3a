/* SPDX-License-Identifier: Apache-2.0 */
/* Small protocols over UDP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto_kit.h"

static const struct proto_flow_info udp = { .ip_proto = 17, .port = { 4000, 7777 } };

/* Logins of a conversation, a line each. */
static char logins[4096];

static void on_login(void *context, enum proto_id proto, const struct proto_login *login)
{
	static const char *const results[] = { "unknown", "success", "failure" };
	size_t len = strlen(logins);

	(void)context;
	snprintf(logins + len, sizeof(logins) - len, "%s %s %.*s %s\n", proto_name(proto),
		login->method, (int)login->password.len, (const char *)login->password.text,
		results[login->result]);
}

static const char *logins_of(
	const struct proto_flow_info *info, const struct kit_part *parts, size_t n)
{
	static const struct proto_setup setup = { .on_login = on_login };
	struct proto_conn *conn;

	logins[0] = '\0';
	assert_int_equal(proto_conn_new(&setup, info, &conn), 0);
	for (size_t i = 0; i < n; i++)
		kit_feed(conn, parts[i].side, parts[i].bytes, parts[i].len);
	proto_end(conn, 0);
	proto_end(conn, 1);
	proto_conn_free(conn);
	return logins;
}

/* ---- SNMP ---- */

#define SNMP_PDU                                                   \
	"\x19\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x0e\x30\x0c" \
	"\x06\x08+\x06\x01\x02\x01\x01\x01\x00\x05\x00"
#define SNMP_USM                            \
	"\x04\x16\x30\x14\x04\x01"          \
	"e\x02\x01\x00\x02\x01\x00\x04\x05" \
	"admin\x04\x00\x04\x00"
#define SNMP_PUBLIC C("0&\x02\x01\x01\x04\x06public\xa0" SNMP_PDU)

static const struct kit_part snmp[] = { SNMP_PUBLIC,
	C("0'\x02\x01\x01\x04\x07private\xa1" SNMP_PDU),
	S("0'\x02\x01\x01\x04\x07private\xa2\x19\x02\x01\x01\x02\x01\x02\x02\x01\x00\x30\x0e\x30"
	  "\x0c\x06\x08+\x06\x01\x02\x01\x01\x01\x00\x05\x00"),
	SNMP_PUBLIC,
	C("0!\x02\x01\x00\x04\x01t\xa4\x19\x06\x06+\x06\x01\x04\x01\x09@\x04\x0a\x00\x00\x01"
	  "\x02\x01\x06\x02\x01\x01\x43\x01\x01\x30\x00"),
	C("0L\x02\x01\x03\x30\x0d\x02\x01\x01\x02\x02\x05\xdc\x04\x01\x00\x02\x01\x03" SNMP_USM
	  "\x30\x20\x04\x01"
	  "e\x04\x00\xa5" SNMP_PDU),
	C("0/\x02\x01\x03\x30\x0d\x02\x01\x01\x02\x02\x05\xdc\x04\x01\x03\x02\x01\x03" SNMP_USM
	  "\x04\x03xyz"),
	C("0 nothing of ours") };
#define SNMP_N (sizeof(snmp) / sizeof(snmp[0]))

static void test_snmp(void **state)
{
	(void)state;
	kit_check(&udp, snmp, SNMP_N,
		"snmp "
		"\"snmp\":{\"version\":2,\"community\":\"public\",\"pdu_type\":\"get_request\","
		"\"vars\":[\"1.3.6.1.2.1.1.1.0\"]}\n"
		"snmp \"snmp\":{\"version\":2,\"community\":\"private\",\"pdu_type\":"
		"\"get_next_request\",\"vars\":[\"1.3.6.1.2.1.1.1.0\"]}\n"
		"snmp \"snmp\":{\"version\":2,\"community\":\"private\",\"pdu_type\":\"response\","
		"\"error\":\"NoSuchName\",\"vars\":[\"1.3.6.1.2.1.1.1.0\"]}\n"
		"snmp "
		"\"snmp\":{\"version\":2,\"community\":\"public\",\"pdu_type\":\"get_request\","
		"\"vars\":[\"1.3.6.1.2.1.1.1.0\"]}\n"
		"snmp \"snmp\":{\"version\":1,\"community\":\"t\",\"pdu_type\":\"trap_v1\","
		"\"trap_type\":\"EnterpriseSpecific\",\"trap_oid\":\"1.3.6.1.4.1.9\","
		"\"trap_address\":\"10.0.0.1\",\"vars\":[]}\n"
		"snmp \"snmp\":{\"version\":3,\"pdu_type\":\"get_bulk_request\",\"vars\":"
		"[\"1.3.6.1.2.1.1.1.0\"],\"usm\":\"admin\"}\n"
		"snmp \"snmp\":{\"version\":3,\"pdu_type\":\"encrypted\",\"usm\":\"admin\"}\n"
		"snmp - !snmp.malformed_data\n");
	assert_true(kit_has(&udp, snmp, SNMP_N, "snmp.community=private\n"));
	assert_true(kit_has(&udp, snmp, SNMP_N, "snmp.usm=admin\n"));
	assert_true(kit_has(&udp, snmp, SNMP_N, "snmp.trap_oid=1.3.6.1.4.1.9\n"));
	assert_true(kit_has(&udp, snmp, SNMP_N, "snmp.trap_address=10.0.0.1\n"));
	assert_true(kit_has(&udp, snmp, SNMP_N, "snmp.pdu_type=5\n"));
	assert_true(kit_has(&udp, snmp, SNMP_N, "snmp.version=3\n"));
	kit_spoil(&udp, snmp, SNMP_N);
}

/* A trap asks for nothing; a community is told once. */
static void test_snmp_logins(void **state)
{
	(void)state;
	assert_string_equal(logins_of(&udp, snmp, SNMP_N),
		"snmp community private success\nsnmp community public unknown\n");
}

/* Who asks and answers himself was not let in. */
static void test_snmp_own_answer(void **state)
{
	static const struct kit_part parts[] = { SNMP_PUBLIC,
		C("0&\x02\x01\x01\x04\x06public\xa2" SNMP_PDU) };

	(void)state;
	assert_string_equal(logins_of(&udp, parts, 2), "snmp community public unknown\n");
}

/* Beyond the limit nothing is kept, and the others are told. */
static void test_snmp_many_communities(void **state)
{
	char message[] = "0(\x02\x01\x01\x04\x08........\xa0" SNMP_PDU;
	static const struct proto_setup setup = { .on_login = on_login };
	struct proto_conn *conn;
	size_t bytes = 0;

	(void)state;
	logins[0] = '\0';
	assert_int_equal(proto_conn_new(&setup, &udp, &conn), 0);
	for (unsigned i = 0; i < 3000; i++) {
		char digits[9];

		snprintf(digits, sizeof(digits), "%08u", i);
		memcpy(message + 7, digits, 8);
		kit_feed(conn, 0, (const uint8_t *)message, sizeof(message) - 1);
		if (i == 1500)
			bytes = proto_conn_bytes(conn);
	}
	assert_int_equal(proto_conn_bytes(conn), bytes);
	proto_end(conn, 0);
	proto_conn_free(conn);
	assert_non_null(strstr(logins, "snmp community 00000001 unknown\n"));
}

/* Names of objects whose numbers do not fit are left out. */
static void test_snmp_hostile_names(void **state)
{
	static const struct kit_part parts[] = {
		C("0%\x02\x01\x01\x04\x01x\xa2\x1d\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x12\x30"
		  "\x10\x06\x0c\x88\x37\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x05\x00"),
		C("0 \x02\x01\x01\x04\x01x\xa0\x18\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x0d\x30"
		  "\x0b\x06\x07\x88\x37\x8f\xff\xff\xff\x7f\x05\x00")
	};

	(void)state;
	kit_check(&udp, parts, 2,
		"snmp \"snmp\":{\"version\":2,\"community\":\"x\",\"pdu_type\":\"response\","
		"\"vars\":[]}\n"
		"snmp \"snmp\":{\"version\":2,\"community\":\"x\",\"pdu_type\":\"get_request\","
		"\"vars\":[\"2.999.4294967295\"]}\n");
}

/* ---- TFTP ---- */

#define TFTP_READ                 \
	"\0\1f\0octet\0blksize\0" \
	"8\0"
#define TFTP_EXPECT "expect tftp 4000 0 1 RRQ f\n"
#define TFTP_RECORD "tftp \"tftp\":{\"packet\":\"read\",\"file\":\"f\",\"mode\":\"octet\"}\n"
#define TFTP_OPTIONS      \
	S("\0\6blksize\0" \
	  "8\0")
#define TFTP_FIRST   \
	S("\0\3\0\1" \
	  "abcdefgh")

/* A block that comes again counts once, one that comes too early when it comes again. */
static void test_tftp(void **state)
{
	static const struct kit_part parts[] = { C(TFTP_READ), TFTP_OPTIONS, C("\0\4\0\0"),
		TFTP_FIRST, C("\0\4\0\1"), TFTP_FIRST,
		S("\0\3\0\3"
		  "qr"),
		S("\0\3\0\2"
		  "ijklmnop"),
		C("\0\4\0\2"),
		S("\0\3\0\3"
		  "qr"),
		S("\0\3\0\4"
		  "not of it"),
		C("\0\4\0\3") };
	const size_t n = sizeof(parts) / sizeof(parts[0]);

	(void)state;
	kit_check(&udp, parts, n, TFTP_EXPECT TFTP_RECORD "file f 18\ntftp -\n");
	assert_true(kit_has(&udp, parts, n, "file.data=abcdefghijklmnopqr\n"));
	assert_true(kit_has(&udp, parts, n, "file.name=f\n"));
	kit_spoil(&udp, parts, n);
}

/* What was acknowledged and not seen, an error and the end of the conversation cut a file. */
static void test_tftp_cut(void **state)
{
	static const struct kit_part lost[] = { C(TFTP_READ), TFTP_OPTIONS, TFTP_FIRST,
		C("\0\4\0\2"), S("\0\3\0\3z") };
	static const struct kit_part error[] = { C(TFTP_READ), TFTP_OPTIONS, TFTP_FIRST,
		S("\0\5\0\3full\0") };
	static const char cut[] = TFTP_EXPECT TFTP_RECORD "file f 8 cut\ntftp -\n";

	(void)state;
	kit_check(&udp, lost, 5, cut);
	kit_check(&udp, error, 4, cut);
	kit_check(&udp, error, 3, cut);
}

/* The answer with the options was not seen, or there was none. */
static void test_tftp_block_size(void **state)
{
	static char first[4 + 600] = "\0\3\0\1", second[4 + 600] = "\0\3\0\2";
	const struct kit_part large[] = { C(TFTP_READ), { 1, first, 604 }, { 1, second, 604 },
		S("\0\3\0\3") };
	const struct kit_part usual[] = { C(TFTP_READ), { 1, first, 516 }, { 1, second, 515 } };

	(void)state;
	kit_check(&udp, large, 4, TFTP_EXPECT TFTP_RECORD "file f 1200\ntftp -\n");
	kit_check(&udp, usual, 3, TFTP_EXPECT TFTP_RECORD "file f 1023\ntftp -\n");
}

/* The conversation that was announced: its side 0 answers from a port of its own. */
static void test_tftp_announced(void **state)
{
	static const struct proto_expect announced = { .proto = PROTO_TFTP,
		.ip_proto = 17,
		.listens = 0,
		.sender = 0,
		.name_len = 1,
		.name = "x" };
	static const struct proto_flow_info info = { .ip_proto = 17, .expected = &announced };
	static const struct kit_part parts[] = { C("\0\4\0\0"), S("\0\3\0\1GET / HTTP/1.0"),
		C("\0\4\0\1") };

	(void)state;
	kit_check(&info, parts, 3, "file x 14\ntftp -\n");
}

static void test_tftp_is_not(void **state)
{
	static const struct kit_part parts[] = { C("\0\1f\0octets\0"), C("\0\2\0octet\0"),
		C("\0\1f\0octet"), C("\0\3\0\1data") };

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		assert_string_equal(kit_run(&udp, &parts[i], 1, 0, SIZE_MAX), "");
}

/* ---- DHCP ---- */

static struct kit_part dhcp(uint8_t *bytes, uint8_t op, const char *options, size_t len)
{
	static const uint8_t head[] = { 0, 1, 6, 0, 0, 0, 0, 1, 0, 0, 0, 0, 10, 0, 0, 1, 10, 0, 0,
		2, 10, 0, 0, 3, 10, 0, 0, 4, 2, 0, 0, 0, 0, 5 };
	static const uint8_t cookie[] = { 0x63, 0x82, 0x53, 0x63 };

	memset(bytes, 0, 240);
	memcpy(bytes, head, sizeof(head));
	bytes[0] = op;
	memcpy(bytes + 236, cookie, 4);
	memcpy(bytes + 240, options, len);
	return (struct kit_part){ op == 2, bytes, 240 + len };
}

#define DHCP_REQUEST                                                                  \
	"\x35\1\3\x3d\7\1\2\0\0\0\0\5\x0c\3pot\x32\4\x0a\0\0\2\x37\3\1\3\xfc\x3c\2v1" \
	"\x0c\5twice\0\xff\x0c"
#define DHCP_ANSWER                                                                      \
	"\x35\1\5\x33\4\0\0\x0e\x10\x3a\4\0\0\7\x08\x3b\4\0\0\x0c\x4e\1\4\xff\xff\xff\0" \
	"\3\x08\x0a\0\0\1\x0a\0\0\xfe\6\4\x0a\0\0\1\xff"

static void test_dhcp(void **state)
{
	uint8_t bytes[2][400];
	const struct kit_part parts[] = { dhcp(bytes[0], 1, DHCP_REQUEST, sizeof(DHCP_REQUEST) - 1),
		dhcp(bytes[1], 2, DHCP_ANSWER, sizeof(DHCP_ANSWER) - 1) };

	(void)state;
	kit_check(&udp, parts, 2,
		"dhcp \"dhcp\":{\"type\":\"request\",\"id\":1,\"client_mac\":"
		"\"02:00:00:00:00:05\",\"assigned_ip\":\"10.0.0.2\",\"client_ip\":\"10.0.0.1\","
		"\"dhcp_type\":\"request\",\"client_id\":\"02:00:00:00:00:05\",\"hostname\":"
		"\"pot\",\"requested_ip\":\"10.0.0.2\",\"params\":[\"subnet_mask\",\"router\"],"
		"\"param_codes\":[1,3,252],\"vendor_class_identifier\":\"v1\"}\n"
		"dhcp \"dhcp\":{\"type\":\"reply\",\"id\":1,\"client_mac\":"
		"\"02:00:00:00:00:05\",\"assigned_ip\":\"10.0.0.2\",\"client_ip\":\"10.0.0.1\","
		"\"next_server_ip\":\"10.0.0.3\",\"relay_ip\":\"10.0.0.4\",\"dhcp_type\":\"ack\","
		"\"lease_time\":3600,\"renewal_time\":1800,\"rebinding_time\":3150,"
		"\"subnet_mask\":\"255.255.255.0\",\"routers\":[\"10.0.0.1\",\"10.0.0.254\"],"
		"\"dns_servers\":[\"10.0.0.1\"]}\n");
	assert_true(kit_has(&udp, parts, 2, "dhcp.leasetime=3600\n"));
	assert_true(kit_has(&udp, parts, 2, "dhcp.renewal_time=1800\n"));
	assert_true(kit_has(&udp, parts, 2, "dhcp.rebinding_time=3150\n"));
	kit_spoil(&udp, parts, 2);
}

/* Options in the fields of other things; such that end too early, or are too short. */
static void test_dhcp_odd_options(void **state)
{
	static const char over[] = "\x34\1\3\xff", cut[] = "\x0c\x09"
							   "abc";
	static const char wrong[] = "\x33\2\0\1\x35\1\x63\3\3\1\2\3\x0c\1h\xff";
	uint8_t bytes[400];
	struct kit_part part = dhcp(bytes, 1, over, sizeof(over) - 1);

	(void)state;
	memcpy(bytes + 44, "\x0c\5sname\xff", 8);
	memcpy(bytes + 108,
		"\x3c\4"
		"file\xff",
		7);
	assert_true(kit_has(
		&udp, &part, 1, "\"vendor_class_identifier\":\"file\",\"hostname\":\"sname\"}\n"));
	part = dhcp(bytes, 1, cut, sizeof(cut) - 1);
	assert_true(
		kit_has(&udp, &part, 1, "\"client_ip\":\"10.0.0.1\"} !dhcp.truncated_options\n"));
	part = dhcp(bytes, 1, wrong, sizeof(wrong) - 1);
	assert_true(kit_has(&udp, &part, 1, "\"hostname\":\"h\"} !dhcp.malformed_options\n"));
}

/* ---- NTP ---- */

static void test_ntp(void **state)
{
	static const struct proto_flow_info port = { .ip_proto = 17, .port = { 4000, 123 } };
	static uint8_t client[48] = { 0x23, [47] = 1 },
		       server[48] = { 0x24, 2, [12] = 'G', 'P', 'S' };
	const struct kit_part parts[] = { { 0, client, 48 }, { 1, server, 48 },
		C("\x16\2\0\1\0\0\0\0\0\0\0\0"), C("\x17\0\3\x2a\0\0\0\0"), C("\x17\0") };
	static const char expected[] =
		"ntp \"ntp\":{\"version\":4,\"mode\":3,\"stratum\":0,\"reference_id\":"
		"\"00:00:00:00\"}\n"
		"ntp \"ntp\":{\"version\":4,\"mode\":4,\"stratum\":2,\"reference_id\":"
		"\"47:50:53:00\"}\n"
		"ntp \"ntp\":{\"version\":2,\"mode\":6}\n"
		"ntp \"ntp\":{\"version\":2,\"mode\":7}\n";

	(void)state;
	kit_check(&port, parts, 5, expected);
	kit_check(&udp, parts, 5, expected); /* known by the client's first words */
	assert_true(kit_has(&port, parts, 5, "ntp.stratum=2\n"));
	assert_true(kit_has(&port, parts, 5, "ntp.mode=7\n"));
	assert_string_equal(kit_run(&udp, &parts[1], 1, 0, SIZE_MAX), "");
	kit_spoil(&port, parts, 5);
}

/* ---- syslog ---- */

static void test_syslog(void **state)
{
	static const struct proto_flow_info port = { .ip_proto = 17, .port = { 4000, 514 } };
	static const struct kit_part parts[] = { C("<34>Oct 11 22:14:15 host su: failed\n"),
		C("<165>1 2003-10-11T22:14:15.003Z host app - ID47 - text"), C("<0>x"), C("<192>x"),
		C("<01>x"), C("<1x>x") };
	static const char expected[] =
		"syslog \"syslog\":{\"priority\":34,\"facility\":\"auth\",\"severity\":\"crit\","
		"\"text\":\"Oct 11 22:14:15 host su: failed\"}\n"
		"syslog \"syslog\":{\"priority\":165,\"facility\":\"local4\",\"severity\":"
		"\"notice\",\"text\":\"1 2003-10-11T22:14:15.003Z host app - ID47 - text\"}\n"
		"syslog \"syslog\":{\"priority\":0,\"facility\":\"kern\",\"severity\":\"emerg\","
		"\"text\":\"x\"}\n";

	(void)state;
	kit_check(&udp, parts, 6, expected);
	kit_check(&port, parts, 6, expected);
	assert_string_equal(kit_run(&udp, &parts[2], 4, 0, SIZE_MAX), "");
	assert_string_not_equal(kit_run(&port, &parts[2], 4, 0, SIZE_MAX), "");
	assert_string_equal(kit_run(&port, &parts[3], 3, 0, SIZE_MAX), "");
	kit_spoil(&port, parts, 6);
}

/* ---- Back Orifice ---- */

/* As FakeBO's keys are: any 24 bits. */
static struct kit_part bo(
	uint8_t *bytes, unsigned side, uint32_t seed, uint8_t type, const char *data, size_t len)
{
	memcpy(bytes, "*!*QWTY?", 8);
	memset(bytes + 8, 0, 9);
	bytes[8] = (uint8_t)(17 + len);
	bytes[12] = 5;
	bytes[16] = type;
	memcpy(bytes + 17, data, len);
	for (size_t i = 0; i < 17 + len; i++) {
		seed = seed * 214013 + 2531011;
		bytes[i] ^= (uint8_t)(seed >> 16);
	}
	return (struct kit_part){ side, bytes, 17 + len };
}

static void test_backorifice(void **state)
{
	uint8_t bytes[6][64];
	const struct kit_part parts[] = { bo(bytes[0], 0, 31337, 1, "", 0),
		bo(bytes[1], 1, 31337, 0x81, "  !PONG!1.20!A\"B!\0x", 19),
		bo(bytes[2], 0, 31337, 0x3f, "C:\\\0D\0\0", 7),
		bo(bytes[3], 0, 77, 0x38, "\0b\0\0", 4), bo(bytes[4], 1, 31337, 0xc5, "x", 1),
		C("no magic in this one, and long enough") };

	(void)state;
	kit_check(&udp, PARTS(parts),
		"backorifice "
		"\"backorifice\":{\"key\":31337,\"id\":5,\"code\":1,\"command\":\"ping\"}\n"
		"backorifice "
		"\"backorifice\":{\"key\":31337,\"id\":5,\"code\":1,\"command\":\"ping\","
		"\"partial\":true,\"text\":\"  !PONG!1.20!A\\\"B!\"}\n"
		"backorifice \"backorifice\":{\"key\":31337,\"id\":5,\"code\":63,\"command\":"
		"\"application_list\",\"arguments\":[\"C:\\\\\",\"D\"]}\n"
		"backorifice "
		"\"backorifice\":{\"key\":77,\"id\":5,\"code\":56,\"command\":\"file_copy\","
		"\"arguments\":[\"\",\"b\"]}\n"
		"backorifice \"backorifice\":{\"key\":31337,\"id\":5,\"code\":5,\"command\":"
		"\"view_console\",\"partial\":true,\"continued\":true,\"text\":\"x\"}\n");
	kit_spoil(&udp, PARTS(parts));
}

/* Whatever the password, the key is found. */
static void test_backorifice_keys(void **state)
{
	uint32_t seed = 1;
	uint8_t bytes[64];

	(void)state;
	for (unsigned i = 0; i < 4096; i++, seed = seed * 1664525 + 1013904223) {
		uint32_t key = i < 8 ? i << 21 | (i & 1) * 0x1fffff : seed >> 8;
		struct kit_part part = bo(bytes, 0, key, 1, "", 0);
		char expected[64];

		snprintf(expected, sizeof(expected), "\"key\":%u,", key);
		assert_non_null(strstr(kit_run(&udp, &part, 1, 0, SIZE_MAX), expected));
		bytes[i % 8] ^= 1; /* what is nearly magic is none */
		assert_string_equal(kit_run(&udp, &part, 1, 0, SIZE_MAX), "");
	}
}

/* What is longer than it says, or than what is looked at; what ends in the middle of the head. */
static void test_backorifice_lengths(void **state)
{
	uint8_t bytes[2048];
	char data[2000];
	struct kit_part part;
	const char *said;

	(void)state;
	memset(data, 1, sizeof(data));
	part = bo(bytes, 1, 5, 4, data, 40);
	part.len = 30;
	said = kit_run(&udp, &part, 1, 0, SIZE_MAX);
	assert_non_null(strstr(said, "\"text\":\"\\u0001\\u0001"));
	part.len = 16;
	assert_string_equal(kit_run(&udp, &part, 1, 0, SIZE_MAX), "");
	part = bo(bytes, 1, 5, 4, data, 231); /* it says 248, */
	part.len = 240;                       /* and has less */
	assert_non_null(strstr(kit_run(&udp, &part, 1, 0, SIZE_MAX), "list_passwords"));
	part = bo(bytes, 1, 5, 4, data, sizeof(data)); /* it says 225 */
	said = kit_run(&udp, &part, 1, 0, SIZE_MAX);
	assert_int_equal(strlen(strstr(said, "\\u0001")), (225 - 17) * 6 + strlen("\"}\n"));
}

/* ---- DHCPv6 ---- */

#define DUID "\0\1\0\x0e\0\1\0\1\x11\x22\x33\x44\2\0\0\0\0\5" /* option 1 */
#define DUID_TEXT                                                                                \
	"\"client_id\":\"00:01:00:01:11:22:33:44:02:00:00:00:00:05\",\"client_mac\":\"02:00:00:" \
	"00:00:05\""
#define V6(last) "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0" last

static void test_dhcpv6(void **state)
{
	static const struct kit_part parts[] = {
		C("\1\0\0\7" DUID "\0\6\0\4\0\x17\0\x18\0\x10\0\x0e\0\0\1\x37\0\x08MSFT 5.0"
		  "\0\x27\0\x0c\0\3pot\5local\0\0\3\0\x0c\0\0\0\1\0\0\0\0\0\0\0\0"),
		S("\7\0\0\7" DUID "\0\2\0\x0a\0\3\0\1\2\0\0\0\0\1\0\x17\0\x20" V6("\1") V6(
			"\2") "\0\x18\0\x0f\1a\2bc\0\3def\3ghi\0"
			      "\0\3\0\x28\0\0\0\1\0\0\0\0\0\0\0\0\0\5\0\x18" V6(
				      "\x64") "\0\0\0\x3c\0\0\0\x78"
					      "\0\x19\0\x29\0\0\0\2\0\0\0\0\0\0\0\0\0\x1a\0\x19\0\0"
					      "\0\5\0\0\0\6\x38" V6("\0") "\0\x0d\0\5\0\2no!"),
		C("\x0c\1" V6("\1") V6("\x64") "\0\x09\0\x0a\x0b\0\0\x08\0\x0d\0\2\0\x63"),
		C("\5\0\0\7\0\1\0\2xx")
	};

	(void)state;
	kit_check(&udp, PARTS(parts),
		"dhcpv6 \"dhcpv6\":{\"type\":\"solicit\",\"id\":7," DUID_TEXT
		",\"requested_options\":[23,24],"
		"\"vendor\":311,\"vendor_class\":\"MSFT "
		"5.0\",\"fqdn\":\"pot.local\",\"leases\":[]}\n"
		"dhcpv6 \"dhcpv6\":{\"type\":\"reply\",\"id\":7," DUID_TEXT ",\"server_id\":"
		"\"00:03:00:01:02:00:00:00:00:01\",\"dns_servers\":[\"2001:db8::1\",\"2001:db8::"
		"2\"],"
		"\"domains\":[\"a.bc\",\"def.ghi\"],\"status\":\"no_addresses_available\","
		"\"status_message\":\"no!\",\"leases\":[{\"address\":\"2001:db8::64\",\"preferred_"
		"lifetime\":60,"
		"\"valid_lifetime\":120},{\"prefix\":\"2001:db8::\",\"prefix_length\":56,"
		"\"preferred_lifetime\":5,\"valid_lifetime\":6}]}\n"
		"dhcpv6 "
		"\"dhcpv6\":{\"relays\":[{\"link\":\"2001:db8::1\",\"peer\":\"2001:db8::64\"}],"
		"\"type\":"
		"\"information_request\",\"id\":8,\"status\":99,\"leases\":[]}\n"); /* the last has no DUID that can be one */
	kit_spoil(&udp, PARTS(parts));
}

/* Elsewhere than on its port it must say who asks; options must be whole everywhere. */
static void test_dhcpv6_is(void **state)
{
	static const struct proto_flow_info port = { .ip_proto = 17, .port = { 546, 547 } };
	static const struct kit_part ours = C("\x0b\0\0\7\0\6\0\2\0\x17"),
				     cut = C("\x0b\0\0\7\0\6\0\3\0\x17"), empty = C("\1\0\0\7"),
				     odd = C("\x0e\0\0\7" DUID),
				     relay = C("\x0c\0" V6("") "\0\6\0\2\0\1");

	(void)state;
	assert_string_equal(kit_run(&udp, &ours, 1, 0, SIZE_MAX), "");
	kit_check(&port, &ours, 1,
		"dhcpv6 "
		"\"dhcpv6\":{\"type\":\"information_request\",\"id\":7,\"requested_options\":[23],"
		"\"leases\":[]}\n");
	assert_string_equal(kit_run(&port, &cut, 1, 0, SIZE_MAX), "");
	assert_string_equal(kit_run(&port, &empty, 1, 0, SIZE_MAX), "");
	assert_string_equal(kit_run(&port, &odd, 1, 0, SIZE_MAX), "");
	assert_string_equal(kit_run(&port, &relay, 1, 0, SIZE_MAX), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_snmp),
		cmocka_unit_test(test_snmp_logins),
		cmocka_unit_test(test_snmp_own_answer),
		cmocka_unit_test(test_snmp_many_communities),
		cmocka_unit_test(test_snmp_hostile_names),
		cmocka_unit_test(test_tftp),
		cmocka_unit_test(test_tftp_cut),
		cmocka_unit_test(test_tftp_block_size),
		cmocka_unit_test(test_tftp_announced),
		cmocka_unit_test(test_tftp_is_not),
		cmocka_unit_test(test_dhcp),
		cmocka_unit_test(test_dhcp_odd_options),
		cmocka_unit_test(test_ntp),
		cmocka_unit_test(test_syslog),
		cmocka_unit_test(test_backorifice),
		cmocka_unit_test(test_backorifice_keys),
		cmocka_unit_test(test_backorifice_lengths),
		cmocka_unit_test(test_dhcpv6),
		cmocka_unit_test(test_dhcpv6_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
