/* SPDX-License-Identifier: Apache-2.0 */
/* BitTorrent's peers and DHT, and the greetings of other networks to share files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto_kit.h"

static const struct proto_flow_info udp = { .ip_proto = 17, .port = { 4000, 7777 } };
static const struct proto_flow_info tcp = { .ip_proto = 6, .port = { 4000, 7777 } };

#define HASH_A   "aaaaaaaaaaaaaaaaaaaa"
#define HASH_A16 "6161616161616161616161616161616161616161"
#define PEER_B   "-UT3530-bbbbbbbbbbbb"
#define PEER_B16 "2d5554333533302d626262626262626262626262"
#define PEER_C   "cccccccccccccccccccc"
#define PEER_C16 "6363636363636363636363636363636363636363"
#define GREETING \
	"\x13"   \
	"BitTorrent protocol"
#define HELLO_B GREETING "\x80\0\0\0\0\x10\0\5" HASH_A PEER_B
#define HELLO_C GREETING "\0\0\0\0\0\0\0\0" HASH_A PEER_C
#define SAID(transport) \
	"bittorrent \"bittorrent\":{\"transport\":\"" transport "\",\"info_hash\":\"" HASH_A16 "\","
#define SAID_B                                                                             \
	"\"client\":{\"peer_id\":\"" PEER_B16 "\",\"client\":\"-UT3530-\",\"extensions\":" \
	"[\"azureus_messaging\",\"extension_protocol\",\"fast\",\"dht\"]}"
#define SAID_C "\"server\":{\"peer_id\":\"" PEER_C16 "\",\"extensions\":[]}"

static void test_peers(void **state)
{
	static const struct kit_part both[] = { C(HELLO_B), S(HELLO_C), C("\0\0\0\1\2"),
		S("\0\0\0\0") };
	static const struct kit_part no_id[] = { C(GREETING "\0\0\0\0\0\0\0\0" HASH_A "short") };
	static const struct kit_part cut[] = { C(GREETING "\0\0\0\0") };
	static const struct kit_part other[] = { C(HELLO_B), S("HTTP/1.1 200 OK\r\n") };

	(void)state;
	kit_check(&tcp, PARTS(both), SAID("tcp") SAID_B "," SAID_C "}\n");
	kit_check(&tcp, PARTS(no_id), SAID("tcp") "\"client\":{\"extensions\":[]}}\n");
	kit_check(&tcp, PARTS(cut), "");
	kit_check(&tcp, PARTS(other), SAID("tcp") SAID_B "}\n");
}

#define UTP(first, difference, more) first "\x12\x34\0\0\0\1" difference "\0\x10\0\0\0\1" more

static void test_utp(void **state)
{
	static const struct kit_part parts[] = { C(UTP("\x41\0", "\0\0\0\0", "\0\0")),
		S(UTP("\x21\0", "\0\0\0\5", "\0\1")),
		C(UTP("\1\1", "\0\0\0\5", "\0\1\0\4abcd") HELLO_B),
		S(UTP("\1\0", "\0\0\0\5", "\0\1") HELLO_C),
		S(UTP("\1\0", "\0\0\0\5", "\0\1") HELLO_C) };
	static const struct kit_part are_not[] = { C(UTP("\x41\0", "\0\0\0\1", "\0\0")),
		C(UTP("\x41\0", "\0\0\0\0", "\0\1")), C(UTP("\x41\0", "\0\0\0\0", "\0\0x")),
		C(UTP("\x42\0", "\0\0\0\0", "\0\0")),
		C(UTP("\1\0", "\0\0\0\0", "\0\0") "not " HELLO_B),
		C(UTP("\1\3", "\0\0\0\0", "\0\0\0\0") HELLO_B) };

	(void)state;
	kit_check(&udp, PARTS(parts), SAID("utp") SAID_B "," SAID_C "}\n");
	kit_check(&udp, &parts[2], 2, SAID("utp") SAID_B "," SAID_C "}\n");
	kit_spoil(&udp, PARTS(parts));
	for (size_t i = 0; i < sizeof(are_not) / sizeof(are_not[0]); i++) {
		struct proto_conn *conn = kit_open(&udp);

		kit_feed(conn, 0, are_not[i].bytes, are_not[i].len);
		assert_int_equal(proto_conn_id(conn, 0), PROTO_FAILED);
		proto_conn_free(conn);
	}
}

/* ---- DHT ---- */

static void test_dht(void **state)
{
	static const struct kit_part parts[] = {
		C("d1:ad2:id20:" PEER_C "12:implied_porti1e9:info_hash20:" HASH_A
		  "4:porti6881e5:token2:\1\2e1:q13:announce_peer1:t2:aa1:v4:UT\1\2"
		  "1:y1:qe"),
		C("d1:ad2:id20:" PEER_C "6:target20:" HASH_A "e1:q9:find_node1:t1:b1:y1:qe"),
		S("d1:rd2:id20:" PEER_C "5:nodes27:" HASH_A "\x0a\0\0\1\x1a\xe1x6:nodes638:" HASH_A
		  "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\1"
		  "5:token1:x6:valuesl6:\x0a\0\0\2\0\2"
		  "3:bad18:\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2"
		  "\0\3ee1:t2:aa1:y1:re"),
		S("d1:eli201e13:A Bad Messagee1:t2:aa1:y1:ee"), S("d1:eli-1e1:xe1:t2:aa1:y1:ee"),
		C("d1:ad2:id1:xe1:q4:ping1:y1:qe")
	};

	(void)state;
	kit_check(&udp, PARTS(parts),
		"bittorrent-dht \"bittorrent_dht\":{\"transaction_id\":\"6161\",\"client_version\":"
		"\"55540102\",\"request_type\":\"announce_peer\",\"request\":{\"id\":\"" PEER_C16
		"\",\"info_hash\":\"" HASH_A16
		"\",\"token\":\"0102\",\"implied_port\":1,\"port\":6881}}\n"
		"bittorrent-dht \"bittorrent_dht\":{\"transaction_id\":\"62\",\"request_type\":"
		"\"find_node\",\"request\":{\"id\":\"" PEER_C16 "\",\"target\":\"" HASH_A16 "\"}}\n"
		"bittorrent-dht "
		"\"bittorrent_dht\":{\"transaction_id\":\"6161\",\"response\":{\"id\":\"" PEER_C16
		"\",\"nodes\":[{\"id\":\"" HASH_A16
		"\",\"ip\":\"10.0.0.1\",\"port\":6881}],\"nodes6\":[{\"id\":\"" HASH_A16
		"\",\"ip\":\"2001:db8::1\",\"port\":1}],\"values\":[{\"ip\":\"10.0.0.2\",\"port\":"
		"2},"
		"{\"ip\":\"2001:db8::2\",\"port\":3}],\"token\":\"78\"}}\n"
		"bittorrent-dht "
		"\"bittorrent_dht\":{\"transaction_id\":\"6161\",\"error\":{\"num\":201,\"msg\":"
		"\"A Bad Message\"}}\n"
		"bittorrent-dht \"bittorrent_dht\":{\"transaction_id\":\"6161\"}\n"
		"bittorrent-dht "
		"\"bittorrent_dht\":{\"transaction_id\":\"\",\"request_type\":\"ping\","
		"\"request\":{\"id\":\"78\"}} !bittorrent-dht.malformed_packet\n");
	kit_spoil(&udp, PARTS(parts));
}

/* As many nodes and peers as are shown. */
static void test_much_dht(void **state)
{
	static char text[8000];
	struct out o = out_make(text, sizeof(text));
	struct kit_part part = { 1, text, 0 };
	const char *said;
	unsigned n = 0;

	(void)state;
	out_str(&o, "d1:rd2:id20:" PEER_C "5:nodes1040:");
	for (unsigned i = 0; i < 1040; i++)
		out_char(&o, '\xff');
	out_str(&o, "6:nodes61520:");
	for (unsigned i = 0; i < 1520; i++)
		out_char(&o, '\xff');
	out_str(&o, "6:valuesl");
	for (unsigned i = 0; i < 80; i++)
		out_fmt(&o, "18:%018u", i);
	out_str(&o, "ee1:t2:aa1:y1:re");
	part.len = o.len;
	said = kit_run(&udp, &part, 1, 0, SIZE_MAX);
	for (const char *at = said; (at = strstr(at, "\"port\"")); at++)
		n++;
	assert_int_equal(n, 3 * 32);
}

/* Not whole, without what each message has, in too many lists; numbers that are none. */
static void test_is_no_dht(void **state)
{
	static const struct kit_part parts[] = { C("d1:ad2:id1:xe1:q4:ping1:t2:aa1:y1:q"),
		C("d1:ad2:id1:xe1:q4:ping1:y1:qe"), C("d1:q4:ping1:t2:aa1:y1:qe"),
		C("d1:ad2:id1:xe1:q4:ping1:t2:aa1:y1:ze"), C("d1:ale1:q4:ping1:t2:aa1:y1:qe"),
		C("d1:ad2:id99999999999:xe1:q4:ping1:t2:aa1:y1:qe"),
		C("d1:adi-ei1ee1:q4:ping1:t2:aa1:y1:qe"),
		C("d1:adllllllllllllllllleeeeeeeeeeeeeeeeeee1:q4:ping1:t2:aa1:y1:qe"), C("de"),
		C("d"), C("l1:ad2:id1:xe1:q4:ping1:t2:aa1:y1:qe") };

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		assert_string_equal(kit_run(&udp, &parts[i], 1, 0, SIZE_MAX), "");
}

/* ---- other networks ---- */

static void test_gnutella(void **state)
{
	static const struct kit_part parts[] = {
		C("GNUTELLA CONNECT/0.6\r\nX-Ultrapeer: False\r\nuser-agent: "
		  "LimeWire/4.0\r\n\r\n\x01\x02"),
		S("GNUTELLA/0.6 503 Full\r\nUser-Agent: a \"b\"\r\n\r\n")
	};
	static const struct kit_part old[] = { C("GNUTELLA CONNECT/0.4\n\n"),
		S("GNUTELLA OK\n\n") };

	(void)state;
	kit_check(&tcp, PARTS(parts),
		"p2p \"p2p\":{\"network\":\"gnutella\",\"client\":{\"greeting\":\"GNUTELLA "
		"CONNECT/0.6\","
		"\"user_agent\":\"LimeWire/4.0\"},\"server\":{\"greeting\":\"GNUTELLA/0.6 503 "
		"Full\","
		"\"user_agent\":\"a \\\"b\\\"\"}}\n");
	kit_check(&tcp, PARTS(old),
		"p2p \"p2p\":{\"network\":\"gnutella\",\"client\":{\"greeting\":\"GNUTELLA "
		"CONNECT/0.4\"},"
		"\"server\":{\"greeting\":\"GNUTELLA OK\"}}\n");
}

#define ED_USER        HASH_A16_BYTES "\4\3\2\1\x36\x12"
#define HASH_A16_BYTES "aaaaaaaaaaaaaaaa"
#define ED_TAGS        "\3\0\0\0\2\1\0\1\3\0bob\3\1\0\x11\x3c\0\0\0\x89\x0f\5"

static void test_edonkey(void **state)
{
	static const struct kit_part peers[] = { C("\xe3\x36\0\0\0\1\x10" ED_USER ED_TAGS
						   "\1\2\3\4\5\6"),
		S("\xe3\x2c\0\0\0\x4c" ED_USER "\1\0\0\0\x95\1"
		  "alice"
		  "\1\2\3\4\5\6\7\x08\x09\x0a") };
	static const struct kit_part login[] = { C("\xe3\x2f\0\0\0\1" ED_USER ED_TAGS),
		S("\xe3\5\0\0\0\x40\1\0\0\0") };
	static const struct kit_part none[] = {
		C("\xe3\x2f\0\0\0\1" ED_USER
		  "\3\0\0\0\2\1\0\1\4\0bob\3\1\0\x11\x3c\0\0\0\x89\x0f\5"),
		C("\xe3\xff\xff\xff\xff\1\x10"), C("\xe3\x1b\0\0\0\1" ED_USER "\0\0\0\0")
	};

	(void)state;
	kit_check(&tcp, PARTS(peers),
		"p2p \"p2p\":{\"network\":\"edonkey\",\"client\":{\"user_hash\":"
		"\"61616161616161616161616161616161\",\"nick\":\"bob\",\"id\":16909060,\"port\":"
		"4662},"
		"\"server\":{\"user_hash\":\"61616161616161616161616161616161\",\"nick\":\"alice\","
		"\"id\":16909060,\"port\":4662}}\n");
	kit_check(&tcp, PARTS(login),
		"p2p \"p2p\":{\"network\":\"edonkey\",\"client\":{\"user_hash\":"
		"\"61616161616161616161616161616161\",\"nick\":\"bob\",\"id\":16909060,\"port\":"
		"4662,"
		"\"login\":true},\"server\":{}}\n");
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		kit_check(&tcp, &none[i], 1, "");
}

static void test_direct_connect(void **state)
{
	static const struct kit_part hub[] = { S("$Lock EXTENDED Pk=Hub1.0|$HubName x|"),
		C("$Supports UserIP2 |$Key k|$ValidateNick bob|$Version 1|") };
	static const struct kit_part peers[] = { C("$MyNick bob|$Lock EXT Pk=DC++0.7|$Supports x|"),
		S("$MyNick al|$Lock EXT Pk=q|") };
	static const struct kit_part adc[] = { C("HSUP ADBASE ADTIGR\n"),
		S("ISUP ADBASE\nISID x\n") };
	static const struct kit_part none[] = { C("$MyNick bob|$Look EXT Pk=q|") };

	(void)state;
	kit_check(&tcp, PARTS(hub),
		"p2p \"p2p\":{\"network\":\"direct_connect\",\"server\":{\"software\":\"Hub1.0\"},"
		"\"client\":{\"nick\":\"bob\"}}\n");
	kit_check(&tcp, PARTS(peers),
		"p2p "
		"\"p2p\":{\"network\":\"direct_connect\",\"client\":{\"nick\":\"bob\",\"software\":"
		"\"DC++0.7\"},\"server\":{\"nick\":\"al\",\"software\":\"q\"}}\n");
	kit_check(&tcp, PARTS(adc),
		"p2p \"p2p\":{\"network\":\"adc\",\"client\":{\"features\":\"ADBASE "
		"ADTIGR\"},\"server\":"
		"{\"features\":\"ADBASE\"}}\n");
	kit_check(&tcp, PARTS(none), "");
}

/* One that does not end is cut. */
static void test_a_long_greeting(void **state)
{
	static char text[6000] = "GNUTELLA CONNECT/0.6\r\n";
	const struct kit_part part = { 0, text, sizeof(text) };

	(void)state;
	memset(text + 22, 'x', sizeof(text) - 22);
	assert_string_equal(kit_run(&tcp, &part, 1, 0, SIZE_MAX),
		"p2p \"p2p\":{\"network\":\"gnutella\",\"client\":{\"greeting\":\"GNUTELLA "
		"CONNECT/0.6\"}}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_peers),
		cmocka_unit_test(test_utp),
		cmocka_unit_test(test_dht),
		cmocka_unit_test(test_much_dht),
		cmocka_unit_test(test_is_no_dht),
		cmocka_unit_test(test_gnutella),
		cmocka_unit_test(test_edonkey),
		cmocka_unit_test(test_direct_connect),
		cmocka_unit_test(test_a_long_greeting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
