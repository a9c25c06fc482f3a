/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "frame/frame.h"
#include "packets.h"

static struct bytes b;
static struct frame f;

/* In memory of its own size, so that a sanitizer sees a read past the end. */
static void parse_len(uint32_t len, enum frame_link link)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	memcpy(copy, b.at, len);
	frame_parse(copy, len, link, &f);
	free(copy);
}

static void parse(void)
{
	parse_len(b.len, FRAME_LINK_ETHERNET);
}

static void expect_packet(
	unsigned n, unsigned version, unsigned proto, unsigned sport, unsigned dport)
{
	assert_true(f.n_packets > n);
	assert_int_equal(f.packet[n].version, version);
	assert_int_equal(f.packet[n].proto, proto);
	assert_true(f.packet[n].has_transport);
	assert_int_equal(f.packet[n].sport, sport);
	assert_int_equal(f.packet[n].dport, dport);
}

static void expect_anomaly(enum frame_anomaly anomaly)
{
	assert_string_equal(frame_anomaly_name((enum frame_anomaly)__builtin_ctzll(f.anomalies)),
		frame_anomaly_name(anomaly));
}

static void options(unsigned flags, const char *bytes, unsigned len, uint8_t want)
{
	tcp_frame(&b, 2, 1, "10.0.0.1", 1000, "192.0.2.9", 80, 77, flags);
	b.at[16] = 0;
	b.at[17] = (uint8_t)(40 + len);
	b.at[46] = (uint8_t)((20 + len) / 4 << 4);
	put(&b, bytes, len);
	parse();
	assert_int_equal(f.packet[0].tcp_wscale, want);
	assert_int_equal(f.packet[0].payload_at, 54 + len);
}

static void test_window_scale(void **state)
{
	(void)state;
	options(2, "", 0, TCP_WSCALE_NONE);
	options(2, "\2\4\5\264\1\3\3\7", 8, 7);
	options(2, "\1\3\3\7", 4, 7);
	options(16, "\1\3\3\7", 4, TCP_WSCALE_NONE); /* no SYN */
	options(2, "\1\1\3\3", 4, TCP_WSCALE_NONE);  /* cut off */
	options(2, "\3\0\3\7", 4, TCP_WSCALE_NONE);  /* of no length */
	options(2, "\0\3\3\7", 4, TCP_WSCALE_NONE);  /* behind the end */
	options(2, "\2\377\3\3\7\0\0\0", 8, TCP_WSCALE_NONE);
	options(2, "\3\4\7\7", 4, TCP_WSCALE_NONE);
}

static void test_plain(void **state)
{
	(void)state;
	tcp_frame(&b, 2, 1, "10.0.0.1", 1000, "192.0.2.9", 80, 77, 2);
	put_zero(&b, 6); /* padding */
	parse();
	expect_packet(0, 4, 6, 1000, 80);
	assert_int_equal(f.packet[0].tcp_seq, 77);
	assert_int_equal(f.packet[0].tcp_flags, 2);
	assert_int_equal(f.packet[0].l3_at, 14);
	assert_int_equal(f.packet[0].l4_at, 34);
	assert_int_equal(f.packet[0].payload_at, 54);
	assert_int_equal(f.packet[0].end_at, 54);
	assert_int_equal(f.anomalies, 0);
	udp_frame(&b, 2, 1, "2001:db8::1", 1000, "2001:db8::9", 53, 5);
	parse();
	expect_packet(0, 6, 17, 1000, 53);
	icmp_frame(&b, 2, 1, "2001:db8::1", "2001:db8::9", 128, 0, 0x1234);
	parse();
	expect_packet(0, 6, 58, 0x1234, 0x1234);
	assert_int_equal(f.anomalies, 0);
}

static void test_tags_and_llc(void **state)
{
	(void)state;
	put_ethernet(&b, 2, 1, 0x88a8);
	put32(&b, 0x00058100);
	put32(&b, 0x60060800);
	put_ip4(&b, "10.0.0.1", "192.0.2.9", 17, 8, 7, 0);
	put_udp(&b, 1, 2, 0);
	parse();
	expect_packet(0, 4, 17, 1, 2);
	assert_int_equal(f.n_tags, 2);
	assert_int_equal(f.tag[1], 0x6006);
	put_ethernet(&b, 2, 1, 3);
	put32(&b, 0x42420300);
	parse();
	assert_int_equal(f.ethertype, 3);
	assert_int_equal(f.n_packets, 0);
	assert_int_equal(f.anomalies, 0);
	put_ethernet(&b, 2, 1, 300);
	parse();
	expect_anomaly(FRAME_ANOMALY_LLC_LENGTH);
}

static void test_arp(void **state)
{
	(void)state;
	arp_frame(&b, 255, 1, 1, "10.0.0.1", "10.0.0.2");
	parse();
	assert_true(f.is_arp);
	assert_int_equal(f.arp_op, 1);
	assert_true(mac_equal(&f.arp_sender_mac, &f.src_mac));
	parse_len(41, FRAME_LINK_ETHERNET);
	expect_anomaly(FRAME_ANOMALY_ARP_SHORT);
	b.at[15] = 6;
	parse();
	assert_false(f.is_arp);
	expect_anomaly(FRAME_ANOMALY_ARP_FORM);
}

static void test_extension_chain(void **state)
{
	(void)state;
	for (unsigned n = 0; n <= FRAME_EXT_MAX + 1; n++) {
		put_ethernet(&b, 2, 1, 0x86dd);
		put_ip6(&b, "2001:db8::1", "2001:db8::9", n ? 60 : 6, n * 8 + 20, 64);
		for (unsigned i = n; i > 0; i--) {
			put8(&b, i > 1 ? 60 : 6);
			put_zero(&b, 7);
		}
		put_tcp(&b, 1, 2, 3, 2);
		parse();
		if (n <= FRAME_EXT_MAX)
			expect_packet(0, 6, 6, 1, 2);
		else
			expect_anomaly(FRAME_ANOMALY_IP6_CHAIN);
	}
}

static void fragment6(unsigned field)
{
	put_ethernet(&b, 2, 1, 0x86dd);
	put_ip6(&b, "2001:db8::1", "2001:db8::9", 44, 24, 64);
	put16(&b, 17 << 8);
	put16(&b, field);
	put32(&b, 0xdeadbeef);
	put_udp(&b, 1, 2, 8);
	put_zero(&b, 8);
}

static void test_fragments(void **state)
{
	(void)state;
	fragment6(0); /* atomic */
	parse();
	assert_false(f.packet[0].is_fragment);
	expect_packet(0, 6, 17, 1, 2);
	fragment6(1);
	parse();
	assert_true(f.packet[0].is_fragment && f.packet[0].first_fragment);
	assert_int_equal(f.packet[0].fragment_id, 0xdeadbeef);
	expect_packet(0, 6, 17, 1, 2);
	fragment6(16);
	parse();
	assert_true(f.packet[0].last_fragment && !f.packet[0].has_transport);
	assert_int_equal(f.packet[0].fragment_offset, 16);
	put_ethernet(&b, 2, 1, 0x0800);
	put_ip4(&b, "10.0.0.1", "192.0.2.9", 6, 16, 7, 0x2000);
	put_zero(&b, 16);
	parse();
	expect_anomaly(FRAME_ANOMALY_FRAGMENT_TINY);
	put_ethernet(&b, 2, 1, 0x0800);
	put_ip4(&b, "10.0.0.1", "192.0.2.9", 6, 16, 7, 0x1fff);
	put_zero(&b, 16);
	parse();
	expect_anomaly(FRAME_ANOMALY_FRAGMENT_RANGE);
}

static void put_inner(void)
{
	put_ip4(&b, "172.16.0.1", "172.16.0.2", 17, 8, 7, 0);
	put_udp(&b, 5, 6, 0);
}

static void test_tunnels(void **state)
{
	(void)state;
	put_ethernet(&b, 2, 1, 0x0800); /* IPIP, four deep and one more */
	for (unsigned i = FRAME_DEPTH_MAX; i > 0; i--)
		put_ip4(&b, "10.0.0.1", "192.0.2.9", 4, i * 20 + 8, 7, 0);
	put_inner();
	parse();
	assert_int_equal(f.n_packets, FRAME_DEPTH_MAX);
	expect_anomaly(FRAME_ANOMALY_TUNNEL_DEPTH);
	assert_true(f.opaque_tunnel);
	put_ethernet(&b, 2, 1, 0x0800); /* GRE with key and sequence number */
	put_ip4(&b, "10.0.0.1", "192.0.2.9", 47, 12 + 28, 7, 0);
	put32(&b, 0x30000800);
	put_zero(&b, 8);
	put_inner();
	parse();
	expect_packet(1, 4, 17, 5, 6);
	put_ethernet(&b, 2, 1, 0x0800); /* VXLAN */
	put_ip4(&b, "10.0.0.1", "192.0.2.9", 17, 8 + 8 + 14 + 28, 7, 0);
	put_udp(&b, 1, 4789, 8 + 14 + 28);
	put32(&b, 0x08000000);
	put_zero(&b, 4 + 12);
	put16(&b, 0x0800);
	put_inner();
	parse();
	expect_packet(0, 4, 17, 1, 4789);
	expect_packet(1, 4, 17, 5, 6);
	put_ethernet(&b, 2, 1, 0x0800); /* Teredo with an origin indication */
	put_ip4(&b, "10.0.0.1", "192.0.2.9", 17, 8 + 8 + 48, 7, 0);
	put_udp(&b, 3544, 9, 8 + 48);
	put_zero(&b, 8);
	put_ip6(&b, "2001::1", "2001::2", 17, 8, 21);
	put_udp(&b, 5, 6, 0);
	parse();
	expect_packet(1, 6, 17, 5, 6);
	assert_false(f.opaque_tunnel);
	assert_int_equal(f.anomalies, 0);
}

/* UDP to `dport` holding these bytes, then an IPv4 packet of `total` bytes by its header. */
static void udp_tunnel(unsigned dport, const void *head, unsigned len, unsigned total)
{
	put_ethernet(&b, 2, 1, 0x0800);
	put_ip4(&b, "10.0.0.1", "192.0.2.9", 17, 8 + len + 28, 7, 0);
	put_udp(&b, 1, dport, len + 28);
	put(&b, head, len);
	put_ip4(&b, "172.16.0.1", "172.16.0.2", 17, total - 20, 7, 0);
	put_udp(&b, 5, 6, 0);
}

/* Every row is read; cut off anywhere it is opaque, whatever else is wrong. */
static void test_udp_tunnels(void **state)
{
	static const uint8_t teb[14] = { [12] = 0x08 };
	static const struct {
		unsigned port, len;
		uint8_t head[32];
		bool ethernet;
	} row[] = {
		{ 1701, 8, { 0, 2, 0, 1, 0, 2, 0, 0x21 }, false },
		{ 1701, 7, { 0, 2, 0, 1, 0, 2, 0x21 }, false },
		{ 1701, 18, { 0x4a, 2, 0, 46, 0, 1, 0, 2, 0, 3, 0, 4, 0, 2, 9, 9, 0, 0x21 },
			false },
		{ 1701, 10, { 0, 2, 0, 1, 0, 2, 0xff, 3, 0, 0x21 }, false },
		{ 2152, 8, { 0x30, 255, 0, 28, 0, 0, 0, 1 }, false },
		{ 2152, 12, { 0x32, 255, 0, 32, 0, 0, 0, 1, 0, 1, 0, 0xff }, false },
		{ 2152, 20,
			{ 0x34, 255, 0, 40, 0, 0, 0, 1, 0, 1, 0, 0x85, 1, 0x10, 2, 0x85, 1, 7, 7,
				0 },
			false },
		{ 4754, 8, { 0x20, 0, 8, 0, 0, 0, 0, 7 }, false },
		{ 4754, 4, { 0, 0, 0x65, 0x58 }, true },
		{ 4789, 8, { 8, 0, 0, 0, 0, 0, 1, 0 }, true },
		{ 4789, 8, { 0x88, 0, 0, 5, 0, 0, 1, 0 }, true }, /* with a group policy */
		{ 8472, 8, { 8, 0, 0, 0, 0, 0, 1, 0 }, true },
		{ 4790, 8, { 0x0c, 0, 0, 1, 0, 0, 1, 0 }, false },
		{ 4790, 8, { 0x0c, 0, 0, 3, 0, 0, 1, 0 }, true },
		{ 4790, 12, { 0x0c, 0, 0, 5, 0, 0, 1, 0, 0, 0, 0x11, 0x40 }, false },
		{ 6081, 8, { 0, 0, 0x08, 0, 0, 0, 1, 0 }, false },
		{ 6081, 16, { 2, 0, 0x65, 0x58, 0, 0, 1, 0, 1, 2, 3, 1, 4, 5, 6, 7 }, true },
		{ 6635, 8, { 0, 0, 0x10, 0x40, 0, 0, 0x11, 0x40 }, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		unsigned len = row[i].len + (row[i].ethernet ? 14 : 0);
		uint8_t head[sizeof(row[i].head) + sizeof(teb)];

		memcpy(head, row[i].head, row[i].len);
		memcpy(head + row[i].len, teb, sizeof(teb));
		udp_tunnel(row[i].port, head, len, 28);
		parse();
		expect_packet(0, 4, 17, 1, row[i].port);
		expect_packet(1, 4, 17, 5, 6);
		assert_false(f.opaque_tunnel);
		assert_int_equal(f.anomalies, 0);
		memcpy(b.at + 34,
			(uint8_t[]){ (uint8_t)(row[i].port >> 8), (uint8_t)row[i].port, 0, 53 }, 4);
		parse();
		expect_packet(1, 4, 17, 5, 6); /* the same by its source port */
		udp_tunnel(row[i].port, head, len, 29);
		parse();
		assert_true(f.opaque_tunnel && f.n_packets == 1);
		assert_int_equal(f.anomalies, 0);
		for (unsigned n = 0; n < len + 20; n++) {
			udp_tunnel(row[i].port, head, len, 28);
			b.at[17] = (uint8_t)(28 + n);
			b.at[39] = (uint8_t)(8 + n);
			parse_len(42 + n, FRAME_LINK_ETHERNET);
			assert_true(f.opaque_tunnel && f.n_packets == 1);
			assert_int_equal(f.anomalies, 0);
		}
	}
}

/* What goes over the port and is not the tunnel, or not readable. */
static void test_opaque_ports(void **state)
{
	static const struct {
		unsigned port;
		uint8_t head[12];
	} row[] = {
		{ 1701, { 0xc8, 2, 0, 40, 0, 1, 0, 0, 0, 0, 0, 0 } }, /* control */
		{ 1701, { 0, 3, 0, 0, 0, 0, 0, 1 } },                 /* L2TPv3 */
		{ 1701, { 0, 2, 0, 1, 0, 2, 0, 0xfd } },              /* compressed */
		{ 2152, { 0x32, 1, 0, 4 } },                          /* echo request */
		{ 2152, { 0x34, 255, 0, 40, 0, 0, 0, 1, 0, 1, 0, 0x85 } },
		{ 3544, { 0x45 } },
		{ 4500, { 0, 0, 0, 0 } },
		{ 4500, { 1, 2, 3, 4, 0, 0, 0, 1 } },
		{ 4754, { 0x40, 0, 8, 0 } },
		{ 4754, { 0, 3, 8, 0 } },
		{ 4789, { 12, 0, 0, 1 } },
		{ 4790, { 0x0c, 0, 0, 4 } }, /* NSH */
		{ 4790, { 0x1c, 0, 0, 1 } },
		{ 6081, { 0x40, 0, 8, 0 } },
		{ 6081, { 0, 0, 8, 6 } },
		{ 6635, { 0, 0, 0x10, 0x40, 0, 0, 0x10, 0x40 } },
		{ 6635, { 0, 0, 0x11, 0x40, 0, 0, 0, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		udp_tunnel(row[i].port, row[i].head, sizeof(row[i].head), 28);
		parse();
		assert_true(f.opaque_tunnel);
		assert_int_equal(f.n_packets, 1);
		assert_int_equal(f.anomalies, 0);
		b.at[20] = 0x20; /* a first fragment */
		parse();
		assert_true(f.opaque_tunnel);
		b.at[23] = 136; /* UDP-Lite has no tunnels */
		parse();
		assert_false(f.opaque_tunnel);
	}
	udp_frame(&b, 2, 1, "10.0.0.1", 1000, "192.0.2.9", 500, 20);
	parse();
	assert_false(f.opaque_tunnel);
}

static void proto_tunnel(unsigned proto, const void *head, unsigned len)
{
	put_ethernet(&b, 2, 1, 0x0800);
	put_ip4(&b, "10.0.0.1", "192.0.2.9", proto, len + 28, 7, 0);
	put(&b, head, len);
	put_inner();
	parse();
}

static void test_protocol_tunnels(void **state)
{
	static const uint8_t opaque[] = { 50, 55, 98, 108, 115 };
	static const uint8_t ether[16] = { 0x30, [14] = 0x08 };

	(void)state;
	proto_tunnel(94, "", 0);
	expect_packet(1, 4, 17, 5, 6);
	proto_tunnel(97, ether, 16);
	expect_packet(1, 4, 17, 5, 6);
	proto_tunnel(137, (uint8_t[]){ 0, 0, 0x11, 0x40 }, 4);
	expect_packet(1, 4, 17, 5, 6);
	proto_tunnel(143, ether + 2, 14);
	expect_packet(1, 4, 17, 5, 6);
	/* PPTP with the protocol field compressed */
	proto_tunnel(47, (uint8_t[]){ 0x30, 1, 0x88, 0x0b, 0, 29, 0, 1, 0, 0, 0, 1, 0x21 }, 13);
	expect_packet(1, 4, 17, 5, 6);
	assert_false(f.opaque_tunnel);
	assert_int_equal(f.anomalies, 0);
	for (size_t i = 0; i < sizeof(opaque); i++) {
		proto_tunnel(opaque[i], "", 0);
		assert_true(f.opaque_tunnel && f.n_packets == 1);
		proto_tunnel(51, (uint8_t[12]){ opaque[i], 1 }, 12); /* behind an AH */
		assert_true(f.opaque_tunnel && f.n_packets == 1);
		proto_tunnel(4, "", 0);
		b.at[34 + 9] = opaque[i]; /* inside IPIP */
		parse();
		assert_true(f.opaque_tunnel && f.n_packets == 2);
	}
	proto_tunnel(97, "\0\0", 2);
	assert_true(f.opaque_tunnel);
	proto_tunnel(137, (uint8_t[]){ 0, 0, 0x11, 0x40, 0, 0, 0, 0 }, 8);
	assert_true(f.opaque_tunnel && !f.anomalies);
	proto_tunnel(47, (uint8_t[]){ 0, 0, 0x88, 0xbe }, 4);
	assert_true(f.opaque_tunnel && !f.anomalies);
	proto_tunnel(47, (uint8_t[]){ 0, 2, 8, 0 }, 4);
	assert_true(f.opaque_tunnel);
	expect_anomaly(FRAME_ANOMALY_GRE_VERSION);
	proto_tunnel(4, "\x65", 1);
	assert_true(f.opaque_tunnel && f.n_packets == 1);
	expect_anomaly(FRAME_ANOMALY_IP4_VERSION);
}

/* A snapshot length cuts the inside too: it is read as far as it goes. */
static void test_cut_tunnel(void **state)
{
	(void)state;
	udp_tunnel(6081, (uint8_t[]){ 0, 0, 8, 0, 0, 0, 1, 0 }, 8, 28);
	parse_len(b.len - 5, FRAME_LINK_ETHERNET);
	assert_int_equal(f.n_packets, 2);
	assert_false(f.opaque_tunnel);
	expect_anomaly(FRAME_ANOMALY_IP4_CUT);
}

static void test_quoted(void **state)
{
	(void)state;
	put_ethernet(&b, 2, 1, 0x0800);
	put_ip4(&b, "10.0.0.1", "192.0.2.9", 1, 36, 7, 0);
	put32(&b, 0x03030000);
	put32(&b, 0);
	put_ip4(&b, "192.0.2.9", "10.0.0.1", 6, 1000, 7, 0); /* cut off after 8 bytes, as a rule */
	put16(&b, 11);
	put16(&b, 12);
	put32(&b, 13);
	parse();
	assert_true(f.has_quoted && f.quoted.has_transport);
	assert_int_equal(f.quoted.sport, 11);
	assert_int_equal(f.quoted.tcp_seq, 13);
	assert_int_equal(f.anomalies, 0);
}

static void test_malformed(void **state)
{
	(void)state;
	tcp_frame(&b, 2, 1, "10.0.0.1", 1000, "192.0.2.9", 80, 77, 2);
	b.at[14] = 0x44;
	parse();
	expect_anomaly(FRAME_ANOMALY_IP4_HEADER);
	b.at[14] = 0x65;
	parse();
	expect_anomaly(FRAME_ANOMALY_IP4_VERSION);
	tcp_frame(&b, 2, 1, "10.0.0.1", 1000, "192.0.2.9", 80, 77, 3);
	parse();
	expect_anomaly(FRAME_ANOMALY_TCP_FLAGS);
	b.at[17] = 200;
	parse();
	expect_anomaly(FRAME_ANOMALY_IP4_CUT);
	tcp_frame(&b, 2, 1, "10.0.0.1", 1000, "10.0.0.1", 80, 77, 2);
	parse();
	expect_anomaly(FRAME_ANOMALY_LAND);
	tcp_frame(&b, 2, 1, "2001:db8::1", 1000, "::ffff:10.0.0.1", 80, 77, 2);
	b.at[12] = 0x86;
	b.at[13] = 0xdd;
	parse();
	expect_anomaly(FRAME_ANOMALY_ADDRESS_MAPPED);
}

static void check_bounds(uint32_t len)
{
	for (unsigned i = 0; i < f.n_packets; i++)
		assert_true(f.packet[i].end_at <= len && f.packet[i].payload_at <= len);
	assert_true(f.n_packets <= FRAME_DEPTH_MAX && f.n_tags <= FRAME_TAGS_MAX);
	assert_int_equal(f.anomalies >> FRAME_ANOMALY_COUNT, 0);
}

/* Every prefix of a deep frame, and a million mutations of it, under every link type. */
static void test_prefixes_and_mutations(void **state)
{
	uint64_t seed = 1;
	struct bytes whole;

	(void)state;
	put_ethernet(&b, 2, 1, 0x8100);
	put32(&b, 0x00050800);
	put_ip4(&b, "10.0.0.1", "192.0.2.9", 47, 4 + 40 + 16 + 28 + 8 + 28, 7, 0);
	put32(&b, 0x000086dd);
	put_ip6(&b, "2001:db8::1", "2001:db8::9", 60, 16 + 28 + 8 + 28, 64);
	put32(&b, 0x2c000000);
	put32(&b, 0);
	put32(&b, 0x04000000);
	put32(&b, 7);
	put_ip4(&b, "10.0.0.1", "192.0.2.9", 1, 8 + 28, 7, 0);
	put32(&b, 0x03030000);
	put32(&b, 0);
	put_inner();
	whole = b;
	for (uint32_t len = 0; len <= whole.len; len++)
		for (enum frame_link link = 0; link <= FRAME_LINK_RADIOTAP; link++) {
			parse_len(len, link);
			check_bounds(len);
		}
	for (unsigned i = 0; i < 1000000; i++) {
		seed = seed * 6364136223846793005 + 1442695040888963407;
		if (i % 8 == 0)
			b = whole;
		b.at[(seed >> 33) % whole.len] = (uint8_t)(seed >> 25);
		frame_parse(b.at, whole.len, (enum frame_link)(i % (FRAME_LINK_RADIOTAP + 1)), &f);
		check_bounds(whole.len);
	}
}

static void test_links(void **state)
{
	(void)state;
	b.len = 0;
	put_inner();
	parse_len(b.len, FRAME_LINK_RAW_IP);
	expect_packet(0, 4, 17, 5, 6);
	b.len = 0;
	put32(&b, 0x02000000); /* AF_INET of a little-endian host */
	put_inner();
	parse_len(b.len, FRAME_LINK_NULL);
	expect_packet(0, 4, 17, 5, 6);
	b.len = 0;
	put32(&b, 24);
	put_ip6(&b, "2001::1", "2001::2", 17, 8, 21);
	put_udp(&b, 5, 6, 0);
	parse_len(b.len, FRAME_LINK_LOOP);
	expect_packet(0, 6, 17, 5, 6);
	b.len = 0;
	put32(&b, 1);
	put16(&b, 6);
	put_mac(&b, 9);
	put32(&b, 0x00000800);
	put_inner();
	parse_len(b.len, FRAME_LINK_COOKED);
	expect_packet(0, 4, 17, 5, 6);
	assert_int_equal(f.src_mac.byte[5], 9);
}

static void expect_inner(const void *head, unsigned len, enum frame_link link)
{
	b.len = 0;
	put(&b, head, len);
	put_inner();
	parse_len(b.len, link);
	expect_packet(0, 4, 17, 5, 6);
	assert_int_equal(f.l3_at, len);
	assert_int_equal(f.anomalies, 0);
	parse_len(len - 1, link);
	assert_int_equal(f.n_packets, 0);
}

static void test_hdlc(void **state)
{
	(void)state;
	expect_inner("\xff\3\0\x21", 4, FRAME_LINK_HDLC);
	expect_inner("\xff\3\x21", 3, FRAME_LINK_HDLC);
	expect_inner("\0\x21", 2, FRAME_LINK_HDLC);
	expect_inner("\x21", 1, FRAME_LINK_HDLC);
	expect_inner("\x0f\0\x08\0", 4, FRAME_LINK_HDLC);
	b.len = 0;
	put(&b, "\xff\3\xc0\x21\1\1\0\4", 8); /* LCP */
	parse_len(b.len, FRAME_LINK_HDLC);
	assert_int_equal(f.n_packets, 0);
	assert_int_equal(f.anomalies, 0);
}

#define WIFI_HEAD "\0\0\2\0\0\0\0\1\2\0\0\0\0\2\2\0\0\0\0\3\x10\0"
#define SNAP      "\xaa\xaa\3\0\0\0\x08\0"

static void expect_macs(unsigned dst, unsigned src)
{
	assert_int_equal(f.dst_mac.byte[5], dst);
	assert_int_equal(f.src_mac.byte[5], src);
}

static void expect_nothing(const void *bytes, unsigned len)
{
	b.len = 0;
	put(&b, bytes, len);
	put_inner();
	parse_len(b.len, FRAME_LINK_WIFI);
	assert_int_equal(f.n_packets, 0);
	assert_int_equal(f.anomalies, 0);
}

static void test_wifi(void **state)
{
	(void)state;
	expect_inner("\x08\0" WIFI_HEAD SNAP, 32, FRAME_LINK_WIFI);
	expect_inner("\x08\1" WIFI_HEAD SNAP, 32, FRAME_LINK_WIFI); /* to the access point */
	expect_inner("\x08\2" WIFI_HEAD SNAP, 32, FRAME_LINK_WIFI);
	expect_inner("\x08\3" WIFI_HEAD "\2\0\0\0\0\4" SNAP, 38, FRAME_LINK_WIFI);
	expect_inner("\x88\2" WIFI_HEAD "\0\0" SNAP, 34, FRAME_LINK_WIFI);
	expect_inner("\x88\x82" WIFI_HEAD "\0\0\0\0\0\0" SNAP, 38, FRAME_LINK_WIFI);
	expect_inner("\0\0\x0a\0\0\0\0\0\1\1\x08\2" WIFI_HEAD SNAP, 42, FRAME_LINK_RADIOTAP);
	expect_nothing("\x08\x42" WIFI_HEAD SNAP, 32);        /* encrypted */
	expect_nothing("\x48\2" WIFI_HEAD SNAP, 32);          /* no data */
	expect_nothing("\x80\0" WIFI_HEAD SNAP, 32);          /* a beacon */
	expect_nothing("\x88\2" WIFI_HEAD "\x80\0" SNAP, 34); /* some in one */
}

static void test_wifi_addresses(void **state)
{
	static const struct {
		const char *head;
		unsigned dst, src;
	} row[] = { { "\x08\0" WIFI_HEAD "\2\0\0\0\0\4", 1, 2 },
		{ "\x08\1" WIFI_HEAD "\2\0\0\0\0\4", 3, 2 },
		{ "\x08\2" WIFI_HEAD "\2\0\0\0\0\4", 1, 3 },
		{ "\x08\3" WIFI_HEAD "\2\0\0\0\0\4", 3, 4 } };

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		b.len = 0;
		put(&b, row[i].head, 30);
		parse_len(b.len, FRAME_LINK_WIFI);
		expect_macs(row[i].dst, row[i].src);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_window_scale),
		cmocka_unit_test(test_tags_and_llc),
		cmocka_unit_test(test_arp),
		cmocka_unit_test(test_extension_chain),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_tunnels),
		cmocka_unit_test(test_udp_tunnels),
		cmocka_unit_test(test_opaque_ports),
		cmocka_unit_test(test_protocol_tunnels),
		cmocka_unit_test(test_cut_tunnel),
		cmocka_unit_test(test_quoted),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_prefixes_and_mutations),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_hdlc),
		cmocka_unit_test(test_wifi),
		cmocka_unit_test(test_wifi_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
