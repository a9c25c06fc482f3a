/* SPDX-License-Identifier: Apache-2.0 */
/* What a honeypot sees instead of what was refused, read by frame_parse() and by sums.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "control/refuse.h"
#include "packets.h"
#include "sums.h"

enum { SEED = 42, POT = 1, WORLD = 200, SYN = 2, RST = 4, PSH = 8, ACK = 16, FIN = 1 };

static const char POT4[] = "10.0.0.1", FAR4[] = "192.0.2.9";
static const char POT6[] = "2001:db8::1", FAR6[] = "2001:db8:f::9";

static struct bytes b;
static struct frame asked, answer;
static uint8_t out[REFUSE_FRAME_MAX];

static uint32_t refuse_by(enum refuse_how how, const struct ip *router, uint64_t seed)
{
	uint32_t len;

	frame_parse(b.at, b.len, FRAME_LINK_ETHERNET, &asked);
	len = refuse_build(how, &asked, router, seed, out);
	frame_parse(out, len, FRAME_LINK_ETHERNET, &answer);
	return len;
}

static uint32_t refuse(enum refuse_how how)
{
	sums_fix(b.at, b.len);
	return refuse_by(how, NULL, SEED);
}

/* There is an answer, and it is well-formed and addressed to the sender. */
static void expect_answer(enum refuse_how how)
{
	uint32_t len = refuse(how);

	assert_true(len >= 60);
	assert_int_equal(answer.anomalies, 0);
	assert_int_equal(answer.n_packets, 1);
	assert_int_equal(sums_wrong(&answer), 0);
	assert_true(mac_equal(&answer.dst_mac, &asked.src_mac));
	assert_true(mac_equal(&answer.src_mac, &asked.dst_mac));
	assert_int_equal(answer.n_tags, asked.n_tags);
	assert_memory_equal(out + 12, b.at + 12, 4u * asked.n_tags + 2);
	assert_int_equal(answer.packet[0].version, asked.packet[0].version);
	assert_true(ip_equal(&answer.packet[0].dst, &asked.packet[0].src));
}

static void expect_silence(void)
{
	assert_int_equal(refuse(REFUSE_RESET), 0);
	assert_int_equal(refuse(REFUSE_UNREACHABLE), 0);
}

static void expect_reset(uint32_t seq, uint32_t ack, unsigned flags)
{
	const struct frame_packet *p = &answer.packet[0];

	expect_answer(REFUSE_RESET);
	assert_int_equal(p->proto, 6);
	assert_true(ip_equal(&p->src, &asked.packet[0].dst));
	assert_int_equal(p->sport, asked.packet[0].dport);
	assert_int_equal(p->dport, asked.packet[0].sport);
	assert_int_equal(p->tcp_seq, seq);
	assert_int_equal(p->tcp_ack, ack);
	assert_int_equal(p->tcp_flags, flags);
	assert_int_equal(p->end_at - p->l4_at, 20);
}

/* Routers on the way, by what is left of one of the usual first TTLs. */
static unsigned hops(void)
{
	unsigned ttl = answer.packet[0].ttl;

	return (ttl > 128 ? 255 : ttl > 64 ? 128 : 64) - ttl;
}

/* The quoted packet is the refused one but for its TTL and header checksum. */
static void expect_quote(void)
{
	const struct frame_packet *p = &asked.packet[0];
	uint32_t at = answer.packet[0].l4_at + 8, len = answer.packet[0].end_at - at;
	uint32_t header = p->l4_at - p->l3_at;
	uint8_t *copy = b.at + p->l3_at;

	assert_true(answer.has_quoted);
	assert_true(len <= p->end_at - p->l3_at);
	if (p->version == 4) {
		assert_int_equal(sums_of(out + at, header, 0), 0);
		assert_int_equal(out[at + 8], p->ttl - hops());
		assert_memory_equal(out + at, copy, 8);
		assert_int_equal(out[at + 9], copy[9]);
		assert_memory_equal(out + at + 12, copy + 12, len - 12);
	} else {
		assert_int_equal(out[at + 7], p->ttl - hops());
		assert_memory_equal(out + at, copy, 7);
		assert_memory_equal(out + at + 8, copy + 8, len - 8);
	}
}

static void expect_error(enum refuse_how how, unsigned code4, unsigned code6)
{
	const struct frame_packet *p = &answer.packet[0];

	expect_answer(how);
	assert_int_equal(p->proto, p->version == 4 ? 1 : 58);
	assert_int_equal(p->icmp_type, p->version == 4 ? 3 : 1);
	assert_int_equal(p->icmp_code, p->version == 4 ? code4 : code6);
	assert_true(p->end_at - p->l3_at <= (p->version == 4 ? 576 : 1280));
	expect_quote();
}

static void expect_port_unreachable(void)
{
	expect_error(REFUSE_RESET, 3, 4);
	assert_true(ip_equal(&answer.packet[0].src, &asked.packet[0].dst));
}

static void expect_by_router(enum refuse_how how)
{
	expect_error(how, 1, 3);
	assert_false(ip_equal(&answer.packet[0].src, &asked.packet[0].dst));
	assert_memory_equal(&answer.packet[0].src, &asked.packet[0].dst,
		answer.packet[0].version == 4 ? 15 : 8);
}

static void tag(unsigned type)
{
	memmove(b.at + 16, b.at + 12, b.len - 12);
	b.len += 4;
	b.at[12] = (uint8_t)(type >> 8);
	b.at[13] = (uint8_t)(type & 0xff);
	b.at[14] = 0x60;
	b.at[15] = 7;
}

static void tcp(bool v6, uint32_t seq, unsigned flags, unsigned data)
{
	put_ethernet(&b, WORLD, POT, v6 ? 0x86dd : 0x0800);
	put_ip(&b, v6 ? POT6 : POT4, v6 ? FAR6 : FAR4, 6, 20 + data);
	put_tcp(&b, 1000, 80, seq, flags);
	b.at[b.len - 10] = 0x99; /* acknowledgement 0x99 << 8 */
	put_zero(&b, data);
}

static void udp_to(const char *dst, unsigned len)
{
	udp_frame(&b, WORLD, POT, strchr(dst, ':') ? POT6 : POT4, 1000, dst, 99, len);
}

static void test_reset(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		bool v6 = i & 1, tagged = i & 2;

		tcp(v6, 77, SYN, 0);
		if (tagged)
			tag(0x8100);
		expect_reset(0, 78, RST | ACK);
		tcp(v6, 0xfffffffe, SYN | PSH, 10);
		expect_reset(0, 9, RST | ACK);
		tcp(v6, 77, FIN, 3);
		expect_reset(0, 81, RST | ACK);
		tcp(v6, 77, 0, 0);
		if (tagged)
			tag(0x88a8);
		expect_reset(0, 77, RST | ACK);
		tcp(v6, 77, ACK | PSH, 100);
		expect_reset(0x9900, 0, RST);
		tcp(v6, 77, SYN | ACK, 0);
		expect_reset(0x9900, 0, RST);
	}
}

/* As from the sender, at the place in his stream where the packet would have been. */
static void test_reset_onward(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		const struct frame_packet *a = &asked.packet[0], *p = &answer.packet[0];
		uint32_t len;

		tcp(v6, 77, ACK | PSH, 100);
		sums_fix(b.at, b.len);
		frame_parse(b.at, b.len, FRAME_LINK_ETHERNET, &asked);
		len = refuse_build_onward(&asked, out);
		assert_true(len >= 60);
		frame_parse(out, len, FRAME_LINK_ETHERNET, &answer);
		assert_int_equal(answer.anomalies, 0);
		assert_int_equal(sums_wrong(&answer), 0);
		assert_true(mac_equal(&answer.dst_mac, &asked.dst_mac));
		assert_true(mac_equal(&answer.src_mac, &asked.src_mac));
		assert_true(ip_equal(&p->src, &a->src) && ip_equal(&p->dst, &a->dst));
		assert_int_equal(p->ttl, a->ttl);
		assert_int_equal(p->sport, a->sport);
		assert_int_equal(p->dport, a->dport);
		assert_int_equal(p->tcp_seq, 77);
		assert_int_equal(p->tcp_flags, RST);
		udp_to(v6 ? FAR6 : FAR4, 8);
		frame_parse(b.at, b.len, FRAME_LINK_ETHERNET, &asked);
		assert_int_equal(refuse_build_onward(&asked, out), 0);
	}
}

/* Padding is no data, options are none either. */
static void test_reset_counts(void **state)
{
	(void)state;
	tcp(false, 77, SYN, 0);
	put_zero(&b, 6);
	expect_reset(0, 78, RST | ACK);
	tcp(false, 77, SYN, 8);
	b.at[14 + 20 + 12] = 0x60;
	expect_reset(0, 77 + 1 + 4, RST | ACK);
}

static void test_port_unreachable(void **state)
{
	static const unsigned lens[] = { 0, 1, 7, 100, 519, 520, 521, 1183, 1184, 1185, 1400 };

	(void)state;
	for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		udp_to(FAR4, lens[i]);
		expect_port_unreachable();
		udp_to(FAR6, lens[i]);
		tag(0x8100);
		expect_port_unreachable();
	}
}

static void test_no_udp_checksum(void **state)
{
	(void)state;
	udp_to(FAR4, 8);
	sums_fix(b.at, b.len);
	memset(b.at + 14 + 20 + 6, 0, 2);
	assert_true(refuse_by(REFUSE_RESET, NULL, SEED) > 0);
	udp_to(FAR6, 8);
	assert_int_equal(refuse_by(REFUSE_RESET, NULL, SEED), 0);
}

static void test_unreachable(void **state)
{
	(void)state;
	tcp(false, 1, SYN, 0);
	expect_by_router(REFUSE_UNREACHABLE);
	tcp(true, 1, ACK, 1300);
	expect_by_router(REFUSE_UNREACHABLE);
	assert_int_equal(answer.packet[0].end_at - answer.packet[0].l3_at, 1280);
	udp_to(FAR4, 900);
	tag(0x8100);
	expect_by_router(REFUSE_UNREACHABLE);
	icmp_frame(&b, WORLD, POT, POT4, FAR4, 8, 0, 5);
	expect_by_router(REFUSE_UNREACHABLE);
	expect_by_router(REFUSE_RESET);
	icmp_frame(&b, WORLD, POT, POT6, FAR6, 128, 0, 5);
	expect_by_router(REFUSE_RESET);
	for (unsigned proto = 47; proto < 255; proto += 85) { /* GRE, 132 SCTP, 217 */
		put_ethernet(&b, WORLD, POT, 0x0800);
		put_ip(&b, POT4, FAR4, proto, 40);
		put_zero(&b, 40);
		expect_by_router(REFUSE_RESET);
	}
}

/* Options and extension headers are quoted, and the header's length is right. */
static void test_long_headers(void **state)
{
	(void)state;
	put_ethernet(&b, WORLD, POT, 0x0800);
	put_ip(&b, POT4, FAR4, 17, 4 + 8 + 30);
	b.at[14] = 0x46;
	put32(&b, 0x01010101);
	put_udp(&b, 1, 2, 30);
	put_zero(&b, 30);
	expect_port_unreachable();
	expect_by_router(REFUSE_UNREACHABLE);
	put_ethernet(&b, WORLD, POT, 0x86dd);
	put_ip(&b, POT6, FAR6, 60, 8 + 20);
	put32(&b, 0x06000104);
	put32(&b, 0);
	put_tcp(&b, 1, 2, 9, SYN);
	expect_reset(0, 10, RST | ACK);
	expect_by_router(REFUSE_UNREACHABLE);
}

static void test_fragments(void **state)
{
	(void)state;
	put_ethernet(&b, WORLD, POT, 0x0800);
	put_ip4(&b, POT4, FAR4, 17, 48, 7, 0x2000);
	put_udp(&b, 1, 2, 90);
	put_zero(&b, 40);
	expect_by_router(REFUSE_UNREACHABLE);
	expect_by_router(REFUSE_RESET); /* the host waits for the rest */
	b.at[14 + 7] = 1;
	expect_silence();
}

static void test_given_router(void **state)
{
	struct ip router = address("198.51.100.77"), dst = address(FAR4);
	unsigned ttl;

	(void)state;
	udp_to(FAR4, 10);
	sums_fix(b.at, b.len);
	assert_true(refuse_by(REFUSE_UNREACHABLE, &router, SEED) > 0);
	assert_true(ip_equal(&answer.packet[0].src, &router));
	expect_quote();
	ttl = answer.packet[0].ttl;
	udp_to("203.0.113.5", 10); /* the same router is equally far away then */
	sums_fix(b.at, b.len);
	assert_true(refuse_by(REFUSE_UNREACHABLE, &router, SEED) > 0);
	assert_int_equal(answer.packet[0].ttl, ttl);
	udp_to(FAR6, 10); /* of the other version: not used */
	sums_fix(b.at, b.len);
	assert_true(refuse_by(REFUSE_UNREACHABLE, &router, SEED) > 0);
	assert_int_equal(answer.packet[0].version, 6);
	udp_to(FAR4, 10); /* nobody says that he cannot reach himself */
	sums_fix(b.at, b.len);
	assert_true(refuse_by(REFUSE_UNREACHABLE, &dst, SEED) > 0);
	assert_false(ip_equal(&answer.packet[0].src, &dst));
}

static void test_router_is_not_destination(void **state)
{
	static const char *const dsts[] = { "192.0.2.1", "192.0.2.254", "2001:db8:f::1" };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		udp_to(dsts[i], 10);
		expect_by_router(REFUSE_UNREACHABLE);
	}
}

/* Hosts of one net are equally far away, its router one hop less; other nets and seeds differ. */
static void test_distance(void **state)
{
	unsigned seen = 0, host = 0, brief = 0;

	(void)state;
	for (unsigned n = 3; n < 200; n++) {
		char dst[32];

		snprintf(dst, sizeof(dst), "198.51.%u.%u", n / 3, n);
		udp_to(dst, 600);
		expect_port_unreachable();
		assert_in_range(hops(), 5, 22);
		assert_true(n % 3 == 0 || hops() == host);
		host = hops();
		seen |= 1u << host;
		expect_by_router(REFUSE_UNREACHABLE);
		assert_int_equal(hops(), host - 1);
		brief += answer.packet[0].end_at - answer.packet[0].l4_at == 36;
	}
	assert_in_range(__builtin_popcount(seen), 10, 18);
	assert_in_range(brief, 60, 140);
}

static void test_same_each_time(void **state)
{
	uint8_t before[REFUSE_FRAME_MAX];
	unsigned ttl, other = 0;

	(void)state;
	tcp(false, 1, SYN, 0);
	expect_answer(REFUSE_RESET);
	memcpy(before, out, sizeof(out));
	ttl = answer.packet[0].ttl;
	expect_answer(REFUSE_RESET);
	assert_memory_equal(before, out, 60);
	for (unsigned seed = 0; seed < 20; seed++)
		if (refuse_by(REFUSE_RESET, NULL, seed) > 0)
			other += answer.packet[0].ttl != ttl;
	assert_true(other > 10);
}

/* What would have died on the way is not answered from its end. */
static void test_short_ttl(void **state)
{
	unsigned far;

	(void)state;
	udp_to(FAR4, 10);
	expect_port_unreachable();
	far = hops();
	for (unsigned ttl = 0; ttl < 40; ttl++) {
		b.at[14 + 8] = (uint8_t)ttl;
		if (ttl <= far) {
			expect_silence();
			continue;
		}
		expect_port_unreachable();
		assert_int_equal(answer.quoted.ttl, ttl - far);
		expect_by_router(REFUSE_UNREACHABLE);
		assert_int_equal(answer.quoted.ttl, ttl - far + 1);
	}
}

static void test_wrong_checksums(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		tcp(v6, 1, SYN, 5);
		sums_fix(b.at, b.len);
		b.at[b.len - 1] ^= 1; /* hosts see it, routers do not */
		assert_int_equal(refuse_by(REFUSE_RESET, NULL, SEED), 0);
		assert_true(refuse_by(REFUSE_UNREACHABLE, NULL, SEED) > 0);
	}
	tcp(false, 1, SYN, 5);
	sums_fix(b.at, b.len);
	b.at[14 + 1] ^= 4;
	assert_int_equal(refuse_by(REFUSE_RESET, NULL, SEED), 0);
	assert_int_equal(refuse_by(REFUSE_UNREACHABLE, NULL, SEED), 0);
}

static void test_addresses_without_answer(void **state)
{
	static const char *const no[] = { "0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1",
		"239.1.1.1", "255.255.255.255", "240.0.0.1", "169.254.1.1", "::", "::1", "ff02::1",
		"fe80::9", "::ffff:192.0.2.9" };

	(void)state;
	for (unsigned i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		bool v6 = strchr(no[i], ':');

		udp_to(no[i], 10);
		expect_silence();
		udp_frame(&b, WORLD, POT, no[i], 1000, v6 ? FAR6 : FAR4, 99, 10);
		expect_silence();
	}
	udp_frame(&b, WORLD, POT, FAR4, 1000, FAR4, 99, 10); /* land */
	expect_silence();
	udp_frame(&b, WORLD, POT, "192.0.2.1", 1000, FAR4, 99, 10); /* the router himself? */
	refuse(REFUSE_UNREACHABLE);
	assert_true(
		answer.n_packets == 0 || !ip_equal(&answer.packet[0].src, &answer.packet[0].dst));
}

static void test_frames_without_answer(void **state)
{
	static const unsigned errors4[] = { 3, 4, 5, 11, 12, 9, 10, 40 };
	static const unsigned no6[] = { 1, 2, 3, 4, 100, 130, 131, 132, 133, 134, 135, 136, 137,
		143, 200 };

	(void)state;
	tcp(false, 1, RST, 0);
	expect_silence();
	tcp(true, 1, RST | ACK, 0);
	expect_silence();
	for (unsigned i = 0; i < sizeof(errors4) / sizeof(errors4[0]); i++) {
		icmp_frame(&b, WORLD, POT, POT4, FAR4, errors4[i], 0, 1);
		expect_silence();
	}
	for (unsigned i = 0; i < sizeof(no6) / sizeof(no6[0]); i++) {
		icmp_frame(&b, WORLD, POT, POT6, FAR6, no6[i], 0, 1);
		expect_silence();
	}
	put_ethernet(&b, WORLD, POT, 0x0800);
	put_ip(&b, POT4, FAR4, 2, 8); /* IGMP */
	put_zero(&b, 8);
	expect_silence();
	arp_frame(&b, WORLD, POT, 1, POT4, FAR4);
	expect_silence();
}

static void test_link_without_answer(void **state)
{
	(void)state;
	udp_to(FAR4, 10);
	assert_int_equal(refuse(REFUSE_SILENCE), 0);
	tag(0x8100);
	tag(0x8100);
	expect_silence();
	udp_frame(&b, 255, POT, POT4, 1, FAR4, 2, 10); /* to all */
	expect_silence();
	udp_frame(&b, WORLD, 255, POT4, 1, FAR4, 2, 10);
	expect_silence();
	put_ethernet(&b, WORLD, POT, 0x8847); /* IP behind a label */
	put32(&b, 0x00001140);
	put_ip(&b, POT4, FAR4, 17, 8);
	put_udp(&b, 1, 2, 0);
	expect_silence();
	udp_to(FAR4, 10); /* cut off */
	b.len -= 3;
	expect_silence();
	for (b.len = 0; b.len < 42; b.len++)
		expect_silence();
}

static void test_delay(void **state)
{
	const int64_t ms = 1000000;
	int64_t low = INT64_MAX, high = 0;

	(void)state;
	for (unsigned net = 1; net < 200; net++) {
		char dst[32];
		int64_t first;

		snprintf(dst, sizeof(dst), "198.51.%u.9", net);
		udp_to(dst, 1);
		refuse(REFUSE_UNREACHABLE);
		first = refuse_delay_ns(&asked, SEED, 0);
		assert_true(refuse_delay_ns(&asked, SEED, 0) == first);
		for (uint64_t n = 0; n < 50; n++) {
			int64_t delay = refuse_delay_ns(&asked, SEED, n);

			assert_true(delay >= 15 * ms && delay <= 198 * ms);
			assert_true(delay <= first * 11 / 10 && first <= delay * 11 / 10);
		}
		low = first < low ? first : low;
		high = first > high ? first : high;
	}
	assert_true(low < 30 * ms && high > 150 * ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_reset_onward),
		cmocka_unit_test(test_reset_counts),
		cmocka_unit_test(test_port_unreachable),
		cmocka_unit_test(test_no_udp_checksum),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_long_headers),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_given_router),
		cmocka_unit_test(test_router_is_not_destination),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_same_each_time),
		cmocka_unit_test(test_short_ttl),
		cmocka_unit_test(test_wrong_checksums),
		cmocka_unit_test(test_addresses_without_answer),
		cmocka_unit_test(test_frames_without_answer),
		cmocka_unit_test(test_link_without_answer),
		cmocka_unit_test(test_delay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
