/* SPDX-License-Identifier: Apache-2.0 */
/* NetBIOS: the name service, the datagram service, and what sessions begin with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto_kit.h"

static const struct proto_flow_info udp = { .ip_proto = 17, .port = { 4000, 7777 } };
static const struct proto_flow_info tcp = { .ip_proto = 6, .port = { 4000, 7777 } };

#define FRED " EGFCEFEECACACACACACACACACACACACA" /* FRED<20> */
#define NODE " EOEPEEEFCACACACACACACACACACACAAA" /* NODE<00> */
#define GRP  " EHFCFACACACACACACACACACACACACABO" /* GRP<1e> */
#define ALL  " CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" /* "*", to whom it may concern */
#define BROW " ABACFPFPENFDECFCEPFHFDEFFPFPACAB" /* every browser */
#define ODD  " DMNIAADMCACACACACACACACACACACACA" /* "<", D8, NUL, "<" */

/* ---- names ---- */

static void test_names(void **state)
{
	static const struct kit_part parts[] = { C("\0\1\1\x10\0\1\0\0\0\0\0\0" FRED
						   "\0\0\x20\0\1"),
		S("\0\1\x85\0\0\0\0\1\0\0\0\0" FRED "\0\0\x20\0\1\0\0\0\x3c\0\x0c\xe0\0\x0a\0\0\1"
		  "\x20\0\x0a\0\0\2"),
		C("\0\2\x29\x10\0\1\0\0\0\0\0\1" GRP
		  "\3one\3two\0\0\x20\0\1\xc0\x0c\0\x20\0\1\0\4\x93"
		  "\xe0\0\6\x80\0\x0a\0\0\1"),
		S("\0\2\xad\x86\0\0\0\1\0\0\0\0" GRP "\0\0\x20\0\1\0\0\0\0\0\0"),
		C("\0\3\x30\0\0\1\0\0\0\0\0\0" ODD "\0\0\x20\0\1"),
		C("\0\4\0\0\0\1\0\0\0\0\0\0" ALL "\0\0\x21\0\1"),
		S("\0\4\x84\0\0\0\0\1\0\0\0\0" ALL "\0\0\x21\0\1\0\0\0\0\0\x2b\2"
		  "FRED           \x20\4\0GRP            \x1e\x8c\0\2\0\0\0\0\5"),
		S("\0\5\xb0\x0b\0\0\0\1\0\0\0\0" FRED "\0\0\x0a\0\1\0\0\0\5\0\0"),
		C("nothing of ours") };

	(void)state;
	kit_check(&udp, PARTS(parts),
		"netbios "
		"\"netbios\":{\"service\":\"name\",\"type\":\"request\",\"id\":1,\"opcode\":"
		"\"query\","
		"\"broadcast\":true,\"queries\":[{\"name\":\"FRED<20>\",\"type\":\"NB\"}]}\n"
		"netbios "
		"\"netbios\":{\"service\":\"name\",\"type\":\"response\",\"id\":1,\"opcode\":"
		"\"query\","
		"\"broadcast\":false,\"rcode\":\"NO_ERR\",\"answers\":[{\"name\":\"FRED<20>\","
		"\"type\":\"NB\","
		"\"ttl\":60,\"addresses\":[{\"address\":\"10.0.0.1\",\"group\":true,\"node\":\"H\"}"
		","
		"{\"address\":\"10.0.0.2\",\"group\":false,\"node\":\"P\"}]}]}\n"
		"netbios "
		"\"netbios\":{\"service\":\"name\",\"type\":\"request\",\"id\":2,\"opcode\":"
		"\"registration\",\"broadcast\":true,\"queries\":[{\"name\":\"GRP<1e>\",\"scope\":"
		"\"one.two\","
		"\"type\":\"NB\"}],\"additionals\":[{\"name\":\"GRP<1e>\",\"scope\":\"one.two\","
		"\"type\":\"NB\","
		"\"ttl\":300000,\"addresses\":[{\"address\":\"10.0.0.1\",\"group\":true,\"node\":"
		"\"B\"}]}]}\n"
		"netbios "
		"\"netbios\":{\"service\":\"name\",\"type\":\"response\",\"id\":2,\"opcode\":"
		"\"registration\",\"broadcast\":false,\"rcode\":\"ACT_ERR\",\"answers\":[{\"name\":"
		"\"GRP<1e>\","
		"\"type\":\"NB\",\"ttl\":0,\"addresses\":[]}]}\n"
		"netbios "
		"\"netbios\":{\"service\":\"name\",\"type\":\"request\",\"id\":3,\"opcode\":"
		"\"release\","
		"\"broadcast\":false,\"queries\":[{\"name\":\"<3c><d8><00><3c><20>\",\"type\":"
		"\"NB\"}]}\n"
		"netbios "
		"\"netbios\":{\"service\":\"name\",\"type\":\"request\",\"id\":4,\"opcode\":"
		"\"query\","
		"\"broadcast\":false,\"queries\":[{\"name\":\"*<00>\",\"type\":\"NBSTAT\"}]}\n"
		"netbios "
		"\"netbios\":{\"service\":\"name\",\"type\":\"response\",\"id\":4,\"opcode\":"
		"\"query\","
		"\"broadcast\":false,\"rcode\":\"NO_ERR\",\"answers\":[{\"name\":\"*<00>\","
		"\"type\":\"NBSTAT\","
		"\"ttl\":0,\"names\":[{\"name\":\"FRED<20>\",\"group\":false,\"active\":true,"
		"\"conflict\":false},"
		"{\"name\":\"GRP<1e>\",\"group\":true,\"active\":true,\"conflict\":true}],"
		"\"mac\":\"02:00:00:00:00:05\"}]}\n"
		"netbios "
		"\"netbios\":{\"service\":\"name\",\"type\":\"response\",\"id\":5,\"opcode\":"
		"\"release\","
		"\"broadcast\":false,\"rcode\":11,\"answers\":[{\"name\":\"FRED<20>\",\"type\":"
		"\"NULL\","
		"\"ttl\":5}]}\n");
	kit_spoil(&udp, PARTS(parts));
}

/* As many names as fit, of a host that states more; the rest of the message is not there. */
static void test_many_names(void **state)
{
	static uint8_t bytes[12 + 34 + 10 + 1 + 255 * 18] =
		"\0\4\x84\0\0\0\0\1\0\0\0\0" ALL "\0\0\x21\0\1\0\0\0\0\x11\xef\xff";
	const struct kit_part part = { 1, bytes, sizeof(bytes) };
	const char *said;
	unsigned n = 0;

	(void)state;
	memset(bytes + 57, '"', sizeof(bytes) - 57);
	said = kit_run(&udp, &part, 1, 0, SIZE_MAX);
	for (const char *at = said; (at = strstr(at, "\"conflict\"")); at++)
		n++;
	assert_int_equal(n, 64);
	assert_non_null(strstr(said, "}]}]}\n"));
}

/* What is no name, points outside of the message, or asks for something else. */
static void test_are_no_names(void **state)
{
	static const struct kit_part parts[] = {
		C("\0\1\1\x10\0\1\0\0\0\0\0\0 EGFCEFEECACACACACACACACACACACACQ\0\0\x20\0\1"),
		C("\0\1\1\x10\0\1\0\0\0\0\0\0" FRED "\0\0\x01\0\1"),
		C("\0\1\1\x10\0\1\0\0\0\0\0\0" FRED "\0\0\x20\0\3"),
		C("\0\1\x19\x10\0\1\0\0\0\0\0\0" FRED "\0\0\x20\0\1"),
		C("\0\1\1\x10\0\2\0\0\0\0\0\0" FRED "\0\0\x20\0\1"),
		C("\0\1\1\x10\0\0\0\0\0\0\0\0" FRED "\0\0\x20\0\1"),
		C("\0\1\1\x10\0\1\0\0\0\0\0\0\xff\xff\0\x20\0\1"),
		C("\0\1\1\x10\0\1\0\0\0\0\0\0\xc0\x0c\0\x20\0\1"),
		C("\0\1\1\x10\0\1\0\0\0\0\0\0" FRED "\x40\0\0\x20\0\1"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		assert_string_equal(kit_run(&udp, &parts[i], 1, 0, SIZE_MAX), "");
}

/* ---- datagrams ---- */

#define TO_GROUP "\x11\2\0\7\x0a\0\0\1\0\x8a\0\xff\0\0" NODE "\0" GRP "\0"
/* A transaction of SMB with the slot's name (and its NUL) and `len` bytes of data behind it. */
#define SLOT(name_len, len)                                                             \
	"\xffSMB\x25\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x11\0\0" len \
	"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" len "\0" name_len "\0\3\0\1\0\1\0\2\0\0\0"
#define BROWSE(len) SLOT("\x56", len) "\\MAILSLOT\\BROWSE\0"
#define SAYS                                                                                 \
	"netbios "                                                                           \
	"\"netbios\":{\"service\":\"datagram\",\"type\":\"direct_group\",\"id\":7,\"node\":" \
	"\"B\",\"source\":\"NODE<00>\",\"source_ip\":\"10.0.0.1\",\"source_port\":138,"      \
	"\"destination\":\"GRP<1e>\""
#define SAYS_BROWSER SAYS ",\"mailslot\":\"\\\\MAILSLOT\\\\BROWSE\",\"browser\":{"

static void test_browsers(void **state)
{
	static const struct kit_part parts[] = {
		C(TO_GROUP BROWSE(
			"\x27") "\1\0\x60\xea\0\0NODE\0xxxxxxxxxxx\5\1\3\x10\1\0\x0f\1\x55\xaa"
				"a host\0"),
		C(TO_GROUP BROWSE(
			"\x27") "\x0c\0\x60\xea\0\0GRP\0xxxxxxxxxxxx\4\0\0\x20\0\x80\0\0\x55\xaa"
				"MASTER\0"),
		C(TO_GROUP BROWSE(
			"\x27") "\x0f\0\x60\xea\0\0ABCDEFGHIJKLMNOP\4\0\0\0\4\0\0\0\x55\xaa"),
		C(TO_GROUP BROWSE("\x14") "\x08\1\3\0\0\1\1\0\0\0\0\0\0\0NODE\0"),
		C(TO_GROUP BROWSE("\7") "\2\0NODE\0"),
		C(TO_GROUP BROWSE("\x0b") "\x0a\2\1\0\0\0A\0B\0C"),
		C(TO_GROUP BROWSE("\6") "\x0bNODE\0"),
		C(TO_GROUP BROWSE("\6") "\x09\1\1\0\0\0"),
		C(TO_GROUP BROWSE("\6") "\x63none\0"),
	};

	(void)state;
	kit_check(&udp, PARTS(parts),
		SAYS_BROWSER
		"\"command\":\"host_announcement\",\"server\":\"NODE\",\"period_ms\":60000,"
		"\"os_version\":\"5.1\",\"server_type\":[\"workstation\",\"server\",\"nt_"
		"workstation\","
		"\"potential_browser\"],\"browser_version\":\"15.1\",\"comment\":\"a "
		"host\"}}\n" SAYS_BROWSER
		"\"command\":\"domain_announcement\",\"server\":\"GRP\",\"period_ms\":60000,"
		"\"os_version\":\"4.0\",\"server_type\":[\"windows_for_workgroups\",\"domain_list_"
		"only\"],"
		"\"browser_version\":\"0.0\",\"master\":\"MASTER\"}}\n" SAYS_BROWSER
		"\"command\":\"local_master_announcement\",\"server\":\"ABCDEFGHIJKLMNOP\","
		"\"period_ms\":"
		"60000,\"os_version\":\"4.0\",\"server_type\":[\"master_browser\"],\"browser_"
		"version\":"
		"\"0.0\",\"comment\":\"\"}}\n" SAYS_BROWSER
		"\"command\":\"election_request\",\"election_version\":1,\"criteria\":16777219,"
		"\"uptime_ms\":1,\"server\":\"NODE\"}}\n" SAYS_BROWSER
		"\"command\":\"announcement_request\",\"server\":\"NODE\"}}\n" SAYS_BROWSER
		"\"command\":\"get_backup_list_response\",\"backup_servers\":[\"A\",\"B\"]}}"
		"\n" SAYS_BROWSER
		"\"command\":\"become_backup\",\"server\":\"NODE\"}}\n" SAYS_BROWSER
		"\"command\":\"get_backup_list_request\"}}\n" SAYS
		",\"mailslot\":\"\\\\MAILSLOT\\\\BROWSE\"}\n");
	kit_spoil(&udp, PARTS(parts));
}

/* Messages to people, slots of others, no slot at all; later parts, and answers of who relays. */
static void test_datagrams(void **state)
{
	static const struct kit_part parts[] = {
		C(TO_GROUP SLOT("\x57", "\x0f") "\\MAILSLOT\\MESSNGR\0EVE\0AL\0buy now!"),
		C(TO_GROUP SLOT("\x55", "\1") "\\MAILSLOT\\other\0x"),
		C(TO_GROUP "\xffSMB\x72 not"),
		C("\x10\x0c\0\7\x0a\0\0\1\0\x8a\0\xff\2\0" FRED "\1s\0" BROW
		  "\1s\0" BROWSE("\1") "\1"),
		C("\x14\0\0\7\x0a\0\0\1\0\x8a" FRED "\0"), S("\x13\0\0\7\x0a\0\0\1\0\x8a\x82"),
		S("\x13\0\0\7\x0a\0\0\1\0\x8a\x89")
	};

	(void)state;
	kit_check(&udp, PARTS(parts),
		SAYS
		",\"mailslot\":\"\\\\MAILSLOT\\\\MESSNGR\",\"message\":{\"from\":\"EVE\",\"to\":"
		"\"AL\","
		"\"text\":\"buy now!\"}}\n" SAYS ",\"mailslot\":\"\\\\MAILSLOT\\\\other\"}\n" SAYS
		"}\n"
		"netbios \"netbios\":{\"service\":\"datagram\",\"type\":\"direct_unique\",\"id\":7,"
		"\"node\":\"H\",\"source\":\"FRED<20>\",\"scope\":\"s\",\"source_ip\":\"10.0.0.1\","
		"\"source_port\":138,\"destination\":\"<01><02>__MSBROWSE__<02><01>\",\"offset\":"
		"512}\n"
		"netbios "
		"\"netbios\":{\"service\":\"datagram\",\"type\":\"query\",\"id\":7,\"node\":\"B\","
		"\"source_ip\":\"10.0.0.1\",\"source_port\":138,\"destination\":\"FRED<20>\"}\n"
		"netbios "
		"\"netbios\":{\"service\":\"datagram\",\"type\":\"error\",\"id\":7,\"node\":\"B\","
		"\"source_ip\":\"10.0.0.1\",\"source_port\":138,\"error\":"
		"\"destination name not present\"}\n"
		"netbios "
		"\"netbios\":{\"service\":\"datagram\",\"type\":\"error\",\"id\":7,\"node\":\"B\","
		"\"source_ip\":\"10.0.0.1\",\"source_port\":138,\"error\":137}\n");
	kit_spoil(&udp, PARTS(parts));
	assert_string_equal(
		kit_run(&udp, &parts[5], 1, 0, SIZE_MAX), ""); /* alone it is too little */
}

#define LEN_AT (sizeof(TO_GROUP) - 1 + 32 + 1 + 23) /* of the data's length the higher byte */

/* Whatever texts hold, the record is whole. */
static void test_long_texts(void **state)
{
	static const char head[] = TO_GROUP SLOT("\x57", "\xff") "\\MAILSLOT\\MESSNGR",
			  list[] = TO_GROUP BROWSE("\xff") "\x0a\xff\0\0\0";
	uint8_t bytes[4096];
	struct kit_part part = { 0, bytes, sizeof(bytes) };

	(void)state;
	memset(bytes, 1, sizeof(bytes));
	memcpy(bytes, head, sizeof(head)); /* with the end of the slot's name */
	bytes[LEN_AT] = 0x0e;
	bytes[sizeof(head) + 70] = bytes[sizeof(head) + 140] = '\0';
	assert_non_null(strstr(kit_run(&udp, &part, 1, 0, SIZE_MAX), "\\u0001\"}}\n"));
	memset(bytes, 1, sizeof(bytes));
	memcpy(bytes, list, sizeof(list) - 1);
	bytes[LEN_AT] = 0x0e;
	assert_non_null(strstr(kit_run(&udp, &part, 1, 0, SIZE_MAX), "\\u0001\"]}}\n"));
}

/* ---- without IP ---- */

#define NBF(command, to, from) "\xf0\xf0\x03\x2c\0\xff\xef" command "\0\0\0\0\0\0\0" to from
#define NONE                   "\0\0\0\0\0\0\0\0\0\0\2\0\0\0\0\5"
#define POT                    "POT            \x20"
#define NET                    "NET            \0"

static void test_frames(void **state)
{
	static const struct proto_flow_info link = { .ip_proto = 0 };
	static const struct kit_part parts[] = { C(NBF("\1", NONE, POT)), C(NBF("\x0a", POT, NET)),
		C("\xf0\xf1\x13\x2c\0\xff\xef\x0d\0\0\0\0\0\0\0" POT POT),
		C(NBF("\x08", NET, POT) BROWSE("\7") "\2\0NODE\0"), C(NBF("\x09", NONE, POT) "x") };
	static const struct kit_part are_not[] = { C(NBF("\4", POT, POT)), C(NBF("\x10", POT, POT)),
		C("\xf0\xf0\0\0\x2c\0\xff\xef\1\0\0\0\0\0\0\0" NONE POT),
		C("\xaa\xaa\x03\x2c\0\xff\xef\1\0\0\0\0\0\0\0" NONE POT) };

	(void)state;
	kit_check(&link, PARTS(parts),
		"netbios "
		"\"netbios\":{\"service\":\"name\",\"type\":\"add_name_query\",\"link\":\"llc\","
		"\"source\":\"POT<20>\"}\n"
		"netbios "
		"\"netbios\":{\"service\":\"name\",\"type\":\"name_query\",\"link\":\"llc\","
		"\"source\":\"NET<00>\",\"destination\":\"POT<20>\"}\n"
		"netbios "
		"\"netbios\":{\"service\":\"name\",\"type\":\"add_name_response\",\"link\":\"llc\","
		"\"destination\":\"POT<20>\"}\n"
		"netbios "
		"\"netbios\":{\"service\":\"datagram\",\"type\":\"datagram\",\"link\":\"llc\","
		"\"source\":\"POT<20>\",\"destination\":\"NET<00>\",\"mailslot\":"
		"\"\\\\MAILSLOT\\\\BROWSE\",\"browser\":{\"command\":\"announcement_request\","
		"\"server\":"
		"\"NODE\"}}\n"
		"netbios "
		"\"netbios\":{\"service\":\"datagram\",\"type\":\"datagram_broadcast\",\"link\":"
		"\"llc\",\"source\":\"POT<20>\"}\n");
	kit_spoil(&link, PARTS(parts));
	for (size_t i = 0; i < sizeof(are_not) / sizeof(are_not[0]); i++)
		assert_string_equal(kit_run(&link, &are_not[i], 1, 0, SIZE_MAX), "");
	assert_string_equal(kit_run(&udp, parts, 1, 0, SIZE_MAX), "");
}

/* ---- sessions ---- */

#define CALL "\x81\0\0\x44" FRED "\0" NODE "\0"
#define CALLED     \
	"netbios " \
	"\"netbios\":{\"service\":\"session\",\"called\":\"FRED<20>\",\"calling\":\"NODE<00>\""
#define SMB_ASKS                                                                                  \
	"\0\0\0\x2f\xffSMB\x72\0\0\0\0\x18\x01\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xfe\0\0\0\0\0" \
	"\0"                                                                                      \
	"\0\x0c\0\2NT LM 0.12"
#define SMB_RECORD                                                                        \
	"smb "                                                                            \
	"\"smb\":{\"id\":1,\"dialect\":\"unknown\",\"command\":\"SMB1_COMMAND_NEGOTIATE_" \
	"PROTOCOL\""

static void starts_with(const char *text, const char *start)
{
	if (strncmp(text, start, strlen(start)) != 0)
		fail_msg("not at the beginning: %s\nof: %s", start, text);
}

static void test_sessions(void **state)
{
	static const struct kit_part yes[] = { C(CALL), S("\x82\0\0\0"), C(SMB_ASKS) };
	static const struct kit_part no[] = { C(CALL), S("\x83\0\0\1\x82"), C(CALL),
		S("\x83\0\0\1\x8f") };
	static const struct kit_part other[] = { C(CALL), S("\x84\0\0\6\x0a\0\0\x09\1\xbd") };

	(void)state;
	kit_check(&tcp, PARTS(yes), NULL);
	starts_with(kit_run(&tcp, PARTS(yes), 0, SIZE_MAX),
		CALLED ",\"result\":\"accepted\"}\n" SMB_RECORD);
	kit_check(&tcp, PARTS(no),
		CALLED ",\"result\":\"refused\",\"error\":\"called name not present\"}\n" CALLED
		       ",\"result\":\"refused\",\"error\":\"unspecified\"}\n");
	kit_check(&tcp, PARTS(other),
		CALLED
		",\"result\":\"retargeted\",\"retarget_ip\":\"10.0.0.9\",\"retarget_port\":445}\n");
}

/* A scope of bytes that are escapes in JSON. */
static void test_long_scope(void **state)
{
	static char call[4 + 34 + 34 + 256] = "\x81\0\1\x44" FRED "\0" NODE;
	const struct kit_part parts[] = { { 0, call, sizeof(call) } };

	(void)state;
	for (size_t at = 4 + 34 + 33; at + 64 < sizeof(call); at += 64) {
		call[at] = 63;
		memset(call + at + 1, 1, 63);
	}
	call[sizeof(call) - 1] = 0;
	starts_with(kit_run(&tcp, PARTS(parts), 0, SIZE_MAX), CALLED ",\"scope\":\"\\u0001");
}

/* Only one side was seen, or the other does not answer in our language. */
static void test_half_sessions(void **state)
{
	static const struct kit_part client[] = { C(CALL SMB_ASKS) };
	static const struct kit_part server[] = { C(CALL), S("220 something else\r\n") };
	static const struct kit_part answer[] = { S("\x84\0\0\6\x0a\0\0\x09\1\xbd"), C(CALL) };
	static const struct kit_part before[] = { S("hello"), C(CALL), C(SMB_ASKS) };
	static const struct proto_flow_info port = { .ip_proto = 6, .port = { 4000, 139 } };
	static const struct kit_part empty[] = { C("\x81\0\0\2no"), S("\x83\0\0\1\x80") };

	(void)state;
	kit_check(&tcp, PARTS(client), NULL);
	starts_with(kit_run(&tcp, PARTS(client), 0, SIZE_MAX), CALLED "}\n" SMB_RECORD);
	kit_check(&tcp, PARTS(server), CALLED "}\n");
	kit_check(&tcp, PARTS(answer), CALLED "}\n");
	starts_with(kit_run(&tcp, PARTS(before), 0, SIZE_MAX), CALLED "}\n" SMB_RECORD);
	assert_string_equal(
		kit_run(&tcp, empty, 1, 0, SIZE_MAX), ""); /* the answer gives it away */
	kit_check(&port, PARTS(empty),
		"netbios "
		"\"netbios\":{\"service\":\"session\",\"result\":\"refused\",\"error\":\"not "
		"listening on called name\"}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_many_names),
		cmocka_unit_test(test_are_no_names),
		cmocka_unit_test(test_browsers),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_long_scope),
		cmocka_unit_test(test_half_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
