/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody who is root on a honeypot may try, with or without a friend outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gate_bench.h"

enum { SYN = 2, RST = 4, PSH = 8, ACK = 16, FIN = 1 };

static struct bench *b;
static struct bytes f;

static int set_up(void **state)
{
	(void)state;
	b = bench_new(3, 4096);
	bench_open(b, true);
	for (unsigned n = 1; n <= 3; n++) { /* their MAC addresses are known */
		char text[16];

		snprintf(text, sizeof(text), "10.0.0.%u", n);
		arp_frame(&f, 255, n, 1, text, "10.0.0.200");
		bench_send(b, 1, &f);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_true(bench_counts_hold(b));
	bench_free(b);
	return 0;
}

static void reopen(void)
{
	b->gate = gate_free(b->gate);
	bench_open(b, true);
}

static void send_it(unsigned port, enum reason reason)
{
	struct gate_answer answer = bench_send(b, port, &f);

	assert_string_equal(reason_name(answer.reason), reason_name(reason));
	assert_int_equal(answer.verdict, reason_verdict(reason));
}

static void waits(void)
{
	struct gate_answer answer = bench_send(b, 1, &f);

	assert_int_equal(answer.verdict, VERDICT_DROP);
	assert_int_equal(answer.reason, REASON_NONE);
}

/* Part of a UDP datagram with 24 bytes of data. */
static void fragment4(unsigned to, unsigned id, unsigned field, unsigned len)
{
	put_ethernet(&f, to, 1, 0x0800);
	put_ip4(&f, "10.0.0.1", "192.0.2.9", 17, len, id, field);
	if (field & 0x1fff) {
		put_zero(&f, len);
		return;
	}
	put_udp(&f, 1000, 4000, 24);
	put_zero(&f, len - 8);
}

static void fragment6(unsigned to, unsigned next, unsigned id, unsigned field, unsigned len)
{
	put_ethernet(&f, to, 1, 0x86dd);
	put_ip6(&f, "2001:db8::1", "2001:db8:9::9", 44, 8 + len, 64);
	put8(&f, next);
	put8(&f, 0);
	put16(&f, field);
	put32(&f, id);
}

/* The first fragment goes to another honeypot, or to itself; the others to the router. */
static void test_fragments_of_inner_datagrams_stay(void **state)
{
	(void)state;
	b->honeypot[0].set.roach_motel = true;
	reopen();
	fragment4(ROUTER, 1, 0x2000, 16);
	waits();
	fragment4(ROUTER, 1, 2, 16);
	send_it(1, REASON_ROACH_MOTEL);
	fragment4(1, 2, 0x2000, 16);
	send_it(1, REASON_INTERNAL);
	fragment4(ROUTER, 2, 2, 16);
	waits();
	fragment6(1, 17, 2, 1, 16);
	put_udp(&f, 1, 2, 8);
	put_zero(&f, 8);
	send_it(1, REASON_INTERNAL);
	fragment6(ROUTER, 17, 2, 16, 16);
	put_zero(&f, 16);
	waits();
	assert_int_equal(bench_expire(b, INT64_MAX), 2);
	assert_int_equal(b->part[0].reason, REASON_FRAGMENT);
}

/* What was refused, sent once more to another honeypot or to itself, was let through then. */
static void test_inner_frames_lift_no_refusal(void **state)
{
	(void)state;
	b->honeypot[0].set.roach_motel = true;
	reopen();
	for (unsigned to = 1; to <= 3; to++) {
		tcp_frame(&f, ROUTER, 1, "10.0.0.1", to, "192.0.2.9", 80, 1, SYN);
		send_it(1, REASON_ROACH_MOTEL);
		tcp_frame(&f, to, 1, "10.0.0.1", to, "192.0.2.9", 80, 1, SYN);
		send_it(1, REASON_INTERNAL);
		tcp_frame(&f, ROUTER, 1, "10.0.0.1", to, "192.0.2.9", 80, 1, SYN);
		send_it(1, REASON_ROACH_MOTEL);
		udp_frame(&f, ROUTER, 1, "2001:db8::1", to, "2001:db8:9::9", 80, 10);
		send_it(1, REASON_ROACH_MOTEL);
		udp_frame(&f, to, 1, "2001:db8::1", to, "2001:db8:9::9", 80, 10);
		send_it(1, REASON_INTERNAL);
		udp_frame(&f, ROUTER, 1, "2001:db8::1", to, "2001:db8:9::9", 80, 10);
		send_it(1, REASON_ROACH_MOTEL);
	}
}

/* What an operator ended stays ended, whatever is sent to another honeypot. */
static void test_inner_frames_lift_no_kill(void **state)
{
	struct gate_answer answer;

	(void)state;
	udp_frame(&f, ROUTER, 1, "10.0.0.1", 5, "192.0.2.9", 4000, 10);
	answer = bench_send(b, 1, &f);
	assert_int_equal(answer.reason, REASON_WITHIN_BUDGET);
	assert_int_equal(gate_kill_flow(b->gate, answer.flow_id), 0);
	send_it(1, REASON_KILLED);
	udp_frame(&f, 2, 1, "10.0.0.1", 5, "192.0.2.9", 4000, 10);
	send_it(1, REASON_INTERNAL);
	udp_frame(&f, ROUTER, 1, "10.0.0.1", 5, "192.0.2.9", 4000, 10);
	send_it(1, REASON_KILLED);
	udp_frame(&f, 1, ROUTER, "192.0.2.9", 4000, "10.0.0.1", 5, 10);
	send_it(GATE_OUTSIDE, REASON_KILLED);
}

static void tunnel_frame(unsigned to, const char *src, unsigned sport, const char *dst)
{
	put_ethernet(&f, to, 1, 0x0800);
	put_ip4(&f, "10.0.0.1", "192.0.2.9", 4, 38, 7, 0);
	put_ip4(&f, src, dst, 17, 18, 7, 0);
	put_udp(&f, sport, 4000, 10);
	put_zero(&f, 10);
}

/* The conversation inside has a name too. */
static uint64_t id_inside(void)
{
	uint64_t outer = bench_send(b, 1, &f).flow_id;

	return outer + 1; /* made with the tunnel's */
}

static void test_kill_inside_a_tunnel(void **state)
{
	uint64_t id;

	(void)state;
	tunnel_frame(ROUTER, "10.0.0.1", 5, "198.51.100.7");
	id = id_inside();
	send_it(1, REASON_ESTABLISHED);
	assert_int_equal(gate_kill_flow(b->gate, id), 0);
	send_it(1, REASON_KILLED);
	tunnel_frame(ROUTER, "10.0.0.1", 6, "198.51.100.7");
	send_it(1, REASON_ESTABLISHED);
}

/* A packet inside a tunnel to another honeypot, as if from outside, permits no answer out of it. */
static void test_inner_frames_permit_nothing_inside(void **state)
{
	(void)state;
	b->honeypot[0].limit.udp.count = 1;
	reopen();
	tunnel_frame(ROUTER, "10.0.0.1", 5, "198.51.100.7");
	send_it(1, REASON_WITHIN_BUDGET);
	put_ethernet(&f, 2, 1, 0x0800);
	put_ip4(&f, "10.0.0.1", "192.0.2.9", 4, 38, 7, 0);
	put_ip4(&f, "198.51.100.9", "10.0.0.1", 17, 18, 7, 0);
	put_udp(&f, 4000, 6, 10);
	put_zero(&f, 10);
	send_it(1, REASON_INTERNAL);
	tunnel_frame(ROUTER, "10.0.0.1", 6, "198.51.100.9");
	send_it(1, REASON_UDP_LIMIT);
}

/* Two honeypots: what one may begin with the other permits nothing to the other, who was refused it. */
static void test_other_end_of_a_refusal(void **state)
{
	(void)state;
	b->honeypot[0].limit.udp.count = 0;
	reopen();
	udp_frame(&f, ROUTER, 1, "10.0.0.1", 5, "10.0.0.2", 5, 10);
	send_it(1, REASON_UDP_LIMIT);
	udp_frame(&f, ROUTER, 2, "10.0.0.2", 5, "10.0.0.1", 5, 10);
	send_it(1, REASON_WITHIN_BUDGET);
	udp_frame(&f, ROUTER, 1, "10.0.0.1", 5, "10.0.0.2", 5, 10);
	send_it(1, REASON_UDP_LIMIT);
}

/* Part of a datagram that came in with a honeypot's address as its source. */
static void test_fragments_of_forged_datagrams_stay(void **state)
{
	(void)state;
	fragment4(ROUTER, 1, 0x2000, 16);
	send_it(GATE_OUTSIDE, REASON_INBOUND);
	fragment4(ROUTER, 1, 2, 16);
	waits();
	assert_int_equal(bench_expire(b, INT64_MAX), 1);
	assert_int_equal(b->part[0].reason, REASON_FRAGMENT);
}

/* What was judged is not written over by what comes later, or came before. */
static void test_fragments_do_not_overlap(void **state)
{
	(void)state;
	fragment6(ROUTER, 60, 3, 1, 56); /* destination options, then the UDP header */
	put8(&f, 17);
	put8(&f, 4);
	put8(&f, 1);
	put8(&f, 36);
	put_zero(&f, 36);
	put_udp(&f, 1, 2, 24);
	put_zero(&f, 8);
	waits();
	fragment6(ROUTER, 60, 3, 40, 16); /* on the UDP header */
	put_udp(&f, 1, 666, 100);
	put_zero(&f, 8);
	send_it(1, REASON_FRAGMENT);
	fragment6(ROUTER, 60, 3, 56, 16);
	put_zero(&f, 16);
	send_it(1, REASON_FRAGMENT);
	fragment4(ROUTER, 4, 0x2000, 24);
	waits();
	fragment4(ROUTER, 4, 2, 16);
	send_it(1, REASON_FRAGMENT);
	fragment4(ROUTER, 4, 3, 8);
	send_it(1, REASON_FRAGMENT);
}

/* A part of an IPv4 packet in an IPv4 packet: bytes `at`.. of the packet inside. */
static void tunnel_part(
	unsigned id, const struct bytes *inner, unsigned at, unsigned len, bool more)
{
	put_ethernet(&f, ROUTER, 1, 0x0800);
	put_ip4(&f, "10.0.0.1", "192.0.2.9", 4, len, id, at / 8 | (more ? 0x2000 : 0));
	put(&f, inner->at + at, len);
}

/* No part shows the packet inside; the whole does. */
static void test_fragments_hide_no_tunnel(void **state)
{
	struct bytes inner = { 0 };

	(void)state;
	bench_list(b, LIST_FENCE, "172.16.0.0/12 udp/4001");
	reopen();
	put_ip4(&inner, "10.0.0.1", "172.31.255.255", 17, 12, 7, 0);
	put_udp(&inner, 1, 4001, 4);
	put_zero(&inner, 4);
	tunnel_part(1, &inner, 24, 8, false);
	waits();
	tunnel_part(1, &inner, 16, 8, true);
	waits();
	tunnel_part(1, &inner, 0, 16, true);
	send_it(1, REASON_FENCE);
	inner.at[23] = 2; /* port 4002, if ports were read at the right place */
	inner.at[22] = 0;
	tunnel_part(2, &inner, 24, 8, false);
	waits();
	tunnel_part(2, &inner, 0, 24, true);
	send_it(1, REASON_WITHIN_BUDGET);
}

static void tcp(bool in, uint32_t seq, unsigned flags, enum reason reason)
{
	if (in)
		tcp_frame(&f, 1, ROUTER, "192.0.2.9", 80, "10.0.0.1", 1000, seq, flags);
	else
		tcp_frame(&f, ROUTER, 1, "10.0.0.1", 1000, "192.0.2.9", 80, seq, flags);
	if (flags & ACK) /* the honeypot's initial number is 5, the peer's 9 */
		set_ack(&f, in ? 6 : 10);
	send_it(in ? GATE_OUTSIDE : 1, reason);
}

/* Source port and initial sequence number are the attacker's choice. */
static void test_same_sequence_number_is_a_new_connection(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		tcp(false, 5, SYN, i < 10 ? REASON_WITHIN_BUDGET : REASON_TCP_LIMIT);
		if (i >= 10)
			continue;
		tcp(false, 5, SYN, REASON_ESTABLISHED); /* sent again */
		tcp(true, 9, SYN | ACK, REASON_INBOUND);
		tcp(false, 6, ACK, REASON_ESTABLISHED);
		if (i % 2) {
			tcp(false, 6, FIN | ACK, REASON_ESTABLISHED);
			tcp(true, 10, FIN | ACK, REASON_INBOUND);
			tcp(false, 7, ACK, REASON_ESTABLISHED);
		} else if (i % 4) {
			tcp(true, 10, RST, REASON_INBOUND);
		}
	}
}

/* Whose answer comes first is nobody's server: who sent it began, and the honeypot's SYN is one of its own. */
static void test_answers_without_a_question_permit_nothing(void **state)
{
	(void)state;
	tcp(false, 5, SYN | ACK, REASON_NO_FLOW);
	for (unsigned i = 0; i < 12; i++) {
		tcp_frame(&f, 1, ROUTER, "192.0.2.9", 80, "10.0.0.1", 2000 + i, 9, SYN | ACK);
		set_ack(&f, 6);
		send_it(GATE_OUTSIDE, REASON_INBOUND);
		tcp_frame(&f, ROUTER, 1, "10.0.0.1", 2000 + i, "192.0.2.9", 80, 5, SYN);
		send_it(1, i < 10 ? REASON_WITHIN_BUDGET : REASON_TCP_LIMIT);
	}
}

static void nd_frame(
	unsigned port, unsigned from, unsigned type, const char *src, const char *target)
{
	struct ip ip = address(target);

	put_ethernet(&f, 255, from, 0x86dd);
	put_ip6(&f, src, "ff02::1", 58, 32, 255);
	put8(&f, type);
	put_zero(&f, 7);
	put(&f, &ip, 16);
	put8(&f, type == 136 ? 2 : 1);
	put8(&f, 1);
	put_mac(&f, from);
	bench_send(b, port, &f);
}

static void test_link_local_addresses_of_others(void **state)
{
	(void)state;
	nd_frame(1, 1, 135, "fe80::1:1", "fe80::99"); /* its own */
	send_it(1, REASON_NEIGHBOUR);
	nd_frame(GATE_OUTSIDE, ROUTER, 136, "fe80::99", "fe80::99");
	nd_frame(1, 1, 136, "fe80::99", "fe80::99");
	send_it(1, REASON_SPOOF_IP);
	nd_frame(1, 1, 136, "2001:db8::1", "fe80::99");
	send_it(1, REASON_SPOOF_ND);
	/* Another honeypot's. */
	nd_frame(1, 2, 135, "fe80::1:2", "fe80::99");
	send_it(1, REASON_NEIGHBOUR);
	nd_frame(1, 1, 136, "fe80::1:2", "fe80::1:2");
	send_it(1, REASON_SPOOF_IP);
	/* Claimed before its owner was heard: it is the owner's from then on. */
	nd_frame(1, 1, 136, "fe80::55", "fe80::55");
	send_it(1, REASON_NEIGHBOUR);
	nd_frame(GATE_OUTSIDE, ROUTER, 135, "::", "fe80::55");
	nd_frame(1, 1, 136, "fe80::55", "fe80::55");
	send_it(1, REASON_SPOOF_IP);
	nd_frame(1, 1, 135, "fe80::1:1", "fe80::99");
	send_it(1, REASON_NEIGHBOUR);
}

/* A frame of one's own address that comes back, or is replayed outside, takes nothing away. */
static void test_own_link_local_comes_back(void **state)
{
	(void)state;
	nd_frame(1, 1, 135, "fe80::1:1", "fe80::99");
	send_it(1, REASON_NEIGHBOUR);
	nd_frame(GATE_OUTSIDE, 1, 135, "fe80::1:1", "fe80::99");
	nd_frame(1, 1, 135, "fe80::1:1", "fe80::99");
	send_it(1, REASON_NEIGHBOUR);
}

static void test_no_address_is_for_dhcp_only(void **state)
{
	(void)state;
	udp_frame(&f, 255, 1, "0.0.0.0", 68, "255.255.255.255", 67, 30);
	send_it(1, REASON_DHCP);
	udp_frame(&f, ROUTER, 1, "0.0.0.0", 68, "192.0.2.9", 67, 30);
	send_it(1, REASON_SPOOF_IP);
}

/* Neither the MAC address nor the address is anybody's. */
static void test_neighbour_discovery_of_nobody(void **state)
{
	(void)state;
	nd_frame(1, 77, 135, "2001:db8:aaaa::77", "2001:db8::1");
	send_it(1, REASON_SPOOF_MAC);
	memset(f.at, 0, 6); /* to a MAC address, not a group */
	send_it(1, REASON_SPOOF_MAC);
}

static void put_address_option(unsigned type, unsigned mac)
{
	put8(&f, type);
	put8(&f, 1);
	put_mac(&f, mac);
}

static void test_advertisement_with_two_addresses(void **state)
{
	struct ip ip = address("2001:db8::1");

	(void)state;
	put_ethernet(&f, 255, 1, 0x86dd);
	put_ip6(&f, "2001:db8::1", "ff02::1", 58, 40, 255);
	put32(&f, 0x88000000);
	put_zero(&f, 4);
	put(&f, &ip, 16);
	put_address_option(1, 1);
	put_address_option(2, ROUTER);
	send_it(1, REASON_SPOOF_ND);
}

/* RFC 6980: what is checked here would be put together otherwise there. */
static void test_neighbour_discovery_in_fragments(void **state)
{
	struct ip ip = address("2001:db8::1");

	(void)state;
	put_ethernet(&f, 255, 1, 0x86dd);
	put_ip6(&f, "2001:db8::1", "ff02::1", 44, 8 + 24, 255);
	put32(&f, 0x3a000001);
	put32(&f, 77);
	put32(&f, 0x88000000);
	put_zero(&f, 4);
	put(&f, &ip, 16);
	send_it(1, REASON_MALFORMED);
}

/* The length is read out of the frame then, but no receiver would do that. */
static void test_packet_without_length(void **state)
{
	(void)state;
	tcp_frame(&f, ROUTER, 1, "10.0.0.1", 1, "192.0.2.9", 80, 1, SYN);
	f.at[16] = f.at[17] = 0;
	send_it(1, REASON_MALFORMED);
}

/* A capture file may end a frame anywhere. */
static void test_cut_frames(void **state)
{
	(void)state;
	tcp_frame(&f, ROUTER, 1, "10.0.0.1", 1, "192.0.2.9", 80, 1, SYN);
	send_it(1, REASON_WITHIN_BUDGET);
	for (unsigned type = 0; type < 3; type++)
		for (uint32_t len = 0; len <= f.len; len++) {
			struct frame frame;
			struct gate_answer answer;

			f.at[12] = type == 2 ? 0x86 : 8;
			f.at[13] = type == 2 ? 0xdd : type == 1 ? 6 : 0;
			f.at[14] = type == 2 ? 0x60 : type == 1 ? 0 : 0x45;
			frame_parse(f.at, len, FRAME_LINK_ETHERNET, &frame);
			frame.wire_len = f.len;
			answer = gate_judge(b->gate, 1, &frame, &b->now, 1);
			if (len < 34)
				assert_int_equal(answer.verdict, VERDICT_DROP);
		}
}

static void check_incident(uint64_t flow_id)
{
	assert_int_equal(b->by_type[EVENT_INCIDENT], 1);
	for (unsigned i = 0; i < b->n_records; i++)
		if (b->record[i].type == EVENT_INCIDENT)
			assert_int_equal(b->record[i].head.flow_id, flow_id);
}

/* The alarm names the conversation that began outside, not the one with its addresses before. */
static void test_incident_names_the_conversation(void **state)
{
	uint64_t inner, outer;

	(void)state;
	udp_frame(&f, 2, 1, "10.0.0.1", 5, "192.0.2.9", 4000, 10);
	inner = bench_send(b, 1, &f).flow_id;
	udp_frame(&f, ROUTER, 1, "10.0.0.1", 5, "192.0.2.9", 4000, 10);
	outer = bench_send(b, 1, &f).flow_id;
	assert_int_not_equal(inner, outer);
	check_incident(outer);
}

/* What was refused is counted with the conversation of before: so the alarm names that one. */
static void test_incident_names_the_refused(void **state)
{
	struct gate_answer answer;

	(void)state;
	udp_frame(&f, 2, 1, "10.0.0.1", 5, "192.0.2.9", 53, 10);
	bench_send(b, 1, &f);
	udp_frame(&f, ROUTER, 1, "10.0.0.1", 5, "192.0.2.9", 53, 10);
	answer = bench_send(b, 1, &f);
	assert_int_equal(answer.reason, REASON_DNS_SERVER);
	check_incident(answer.flow_id);
}

static unsigned pick(unsigned n)
{
	static uint64_t state = 88172645463325252;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 33) % n;
}

static void random_packet(unsigned to, const char *src, const char *dst)
{
	static const uint8_t flags[] = { SYN, SYN, SYN | ACK, ACK, FIN | ACK, RST };
	bool v6 = strchr(src, ':');

	switch (pick(6)) {
	case 0:
		tcp_frame(&f, to, 1, src, pick(3), dst, pick(3), pick(3), flags[pick(6)]);
		break;
	case 1:
		udp_frame(&f, to, 1, src, pick(3), dst, pick(3), 10);
		break;
	case 2:
		icmp_frame(&f, to, 1, src, dst, v6 ? 128 + pick(2) : 8 * pick(2), 0, pick(3));
		break;
	case 3: /* an error, about itself or about nothing */
		put_ethernet(&f, to, 1, type_of(src));
		put_ip(&f, src, dst, v6 ? 58 : 1, 8 + (v6 ? 48 : 28));
		put32(&f, v6 ? 0x01040000 : 0x03030000);
		put32(&f, 0);
		put_ip(&f, pick(2) ? src : dst, pick(2) ? src : dst, 17, 8);
		put_udp(&f, pick(3), pick(3), 0);
		break;
	case 4:
		put_ethernet(&f, to, 1, type_of(src));
		if (v6) {
			put_ip(&f, src, dst, 44, 8 + 24);
			put16(&f, 0x1100);
			put16(&f, pick(2) ? pick(2) : 8 * pick(5) + pick(2));
			put32(&f, pick(3));
		} else {
			put_ip4(&f, src, dst, 17, 24, pick(3), pick(2) << 13 | pick(5));
		}
		put_udp(&f, pick(3), pick(3), 16);
		put_zero(&f, 16);
		break;
	default:
		put_ethernet(&f, to, 1, type_of(src));
		put_ip(&f, src, dst, 11 + pick(3), 8);
		put_zero(&f, 8);
	}
}

/* A roach motel that nobody speaks to, or only with its own address as the sender, says nothing. */
static void test_nothing_leaves_a_roach_motel(void **state)
{
	static const uint8_t macs[] = { 1, 2, 3, ROUTER, ROUTER, 255 };

	(void)state;
	b->honeypot[0].set.roach_motel = true;
	reopen();
	for (unsigned i = 0; i < 200000; i++) {
		bool v6 = pick(2), forged = pick(8) == 0;
		struct gate_answer answer;

		random_packet(forged ? ROUTER : macs[pick(6)], v6 ? "2001:db8::1" : "10.0.0.1",
			v6 ? "2001:db8:9::9" : "192.0.2.9");
		for (unsigned n = pick(16) ? 0 : 1 + pick(3); n > 0; n--)
			f.at[12 + pick(f.len - 12)] = (uint8_t)pick(256);
		answer = bench_send(b, forged ? GATE_OUTSIDE : 1, &f);
		if (forged)
			continue;
		if (answer.out_ports & 1 && answer.reason != REASON_NEIGHBOUR)
			fail_msg("frame %u leaves: %s", i, reason_name(answer.reason));
		bench_wait(b, pick(50) ? SECOND / 1000 : SECOND * pick(100));
		if (pick(1000) == 0)
			gate_tick(b->gate, &b->now);
	}
}

static void igmp(unsigned type)
{
	put_ethernet(&f, 255, 1, 0x0800);
	put_ip4(&f, "10.0.0.1", "224.0.0.1", 2, 8, 7, 0);
	f.at[22] = 1;
	put8(&f, type);
	put_zero(&f, 7);
}

/* Who asks is the querier of the whole segment. */
static void test_only_reports_of_groups(void **state)
{
	(void)state;
	igmp(0x22);
	send_it(1, REASON_MULTICAST_JOIN);
	igmp(0x11);
	send_it(1, REASON_HYGIENE);
	put_ethernet(&f, 255, 1, 0x86dd);
	put_ip6(&f, "2001:db8::1", "ff02::1", 58, 24, 1);
	put8(&f, 130);
	put_zero(&f, 23);
	send_it(1, REASON_HYGIENE);
}

static void questions(unsigned n, uint32_t seq, enum reason reason)
{
	put_ethernet(&f, ROUTER, 1, 0x0800);
	put_ip(&f, "10.0.0.1", "10.0.0.53", 6, 20 + n * (2 + QUESTION_LEN));
	put_tcp(&f, 1000, 53, seq, ACK);
	set_ack(&f, 10);
	for (unsigned i = 0; i < n; i++) {
		put16(&f, QUESTION_LEN);
		put_question(&f);
	}
	send_it(1, reason);
}

/* Each question in a segment has its own place in the budget: one for the connection and four. */
static void test_questions_over_tcp_count_each(void **state)
{
	static struct ip resolver;

	(void)state;
	resolver = address("10.0.0.53");
	b->conf->resolver = &resolver;
	b->conf->n_resolvers = 1;
	b->honeypot[0].limit.dns.count = 5;
	reopen();
	tcp_frame(&f, ROUTER, 1, "10.0.0.1", 1000, "10.0.0.53", 53, 5, SYN);
	send_it(1, REASON_RESOLVER);
	tcp_frame(&f, 1, ROUTER, "10.0.0.53", 53, "10.0.0.1", 1000, 9, SYN | ACK);
	set_ack(&f, 6);
	send_it(GATE_OUTSIDE, REASON_INBOUND);
	questions(2, 6, REASON_ESTABLISHED);
	questions(2, 6 + 2 * (2 + QUESTION_LEN), REASON_ESTABLISHED);
	questions(1, 6 + 4 * (2 + QUESTION_LEN), REASON_DNS_LIMIT);
}

#define GATE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		GATE_TEST(test_questions_over_tcp_count_each),
		GATE_TEST(test_inner_frames_lift_no_refusal),
		GATE_TEST(test_inner_frames_lift_no_kill),
		GATE_TEST(test_kill_inside_a_tunnel),
		GATE_TEST(test_other_end_of_a_refusal),
		GATE_TEST(test_inner_frames_permit_nothing_inside),
		GATE_TEST(test_fragments_of_inner_datagrams_stay),
		GATE_TEST(test_fragments_of_forged_datagrams_stay),
		GATE_TEST(test_fragments_do_not_overlap),
		GATE_TEST(test_fragments_hide_no_tunnel),
		GATE_TEST(test_same_sequence_number_is_a_new_connection),
		GATE_TEST(test_answers_without_a_question_permit_nothing),
		GATE_TEST(test_link_local_addresses_of_others),
		GATE_TEST(test_own_link_local_comes_back),
		GATE_TEST(test_neighbour_discovery_of_nobody),
		GATE_TEST(test_no_address_is_for_dhcp_only),
		GATE_TEST(test_advertisement_with_two_addresses),
		GATE_TEST(test_neighbour_discovery_in_fragments),
		GATE_TEST(test_packet_without_length),
		GATE_TEST(test_cut_frames),
		GATE_TEST(test_incident_names_the_conversation),
		GATE_TEST(test_incident_names_the_refused),
		GATE_TEST(test_nothing_leaves_a_roach_motel),
		GATE_TEST(test_only_reports_of_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
