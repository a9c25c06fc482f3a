/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gate_bench.h"

enum { SYN = 2, RST = 4, ACK = 16, FIN = 1 };

static struct bench *b;
static struct bytes f;

static int set_up(void **state)
{
	(void)state;
	b = bench_new(3, 4096);
	bench_open(b, true);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_true(bench_counts_hold(b));
	bench_free(b);
	return 0;
}

static void check(struct gate_answer answer, enum reason reason)
{
	assert_string_equal(reason_name(answer.reason), reason_name(reason));
	assert_int_equal(answer.verdict, reason_verdict(reason));
	assert_int_equal(answer.out_ports != 0, answer.verdict == VERDICT_PASS);
}

static void out_tcp(
	const char *src, unsigned sport, uint32_t seq, unsigned flags, enum reason reason)
{
	bool v6 = strchr(src, ':');

	tcp_frame(&f, ROUTER, 1, src, sport, v6 ? "2001:db8:9::9" : "192.0.2.9", 80, seq, flags);
	check(bench_send(b, 1, &f), reason);
}

/* The same, to a peer whose last byte was ack - 1. */
static void out_ack(const char *src, unsigned sport, uint32_t seq, uint32_t ack, unsigned flags,
	enum reason reason)
{
	tcp_frame(&f, ROUTER, 1, src, sport, "192.0.2.9", 80, seq, flags);
	set_ack(&f, ack);
	check(bench_send(b, 1, &f), reason);
}

static void test_budget_and_established(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++)
		out_tcp(i % 2 ? "2001:db8::1" : "10.0.0.1", 1000 + i, i, SYN,
			i < 10 ? REASON_WITHIN_BUDGET : REASON_TCP_LIMIT);
	out_tcp("10.0.0.1", 1000, 1, ACK, REASON_OUT_OF_WINDOW); /* nobody answered */
	tcp_frame(&f, 1, ROUTER, "192.0.2.9", 80, "10.0.0.1", 1000, 70, SYN | ACK);
	set_ack(&f, 1);
	check(bench_send(b, GATE_OUTSIDE, &f), REASON_INBOUND);
	out_ack("10.0.0.1", 1000, 1, 71, ACK, REASON_ESTABLISHED);
	out_tcp("10.0.0.1", 2000, 1, ACK, REASON_NO_FLOW);
	bench_wait(b, 3600 * SECOND);
	out_tcp("10.0.0.1", 3000, 1, SYN, REASON_WITHIN_BUDGET);
	assert_int_equal(b->by_type[EVENT_INCIDENT], 1);
}

static void test_replies_are_free(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		tcp_frame(&f, 1, ROUTER, "192.0.2.9", 5000 + i, "10.0.0.1", 22, i, SYN);
		check(bench_send(b, 0, &f), REASON_INBOUND);
		tcp_frame(&f, ROUTER, 1, "10.0.0.1", 22, "192.0.2.9", 5000 + i, 9, SYN | ACK);
		set_ack(&f, i + 1);
		check(bench_send(b, 1, &f), REASON_REPLY);
	}
	assert_int_equal(b->by_type[EVENT_INCIDENT], 0);
}

static void inbound(
	const char *src, unsigned sport, const char *dst, unsigned dport, unsigned flags)
{
	tcp_frame(&f, 1, ROUTER, src, sport, dst, dport, 1, flags);
	check(bench_send(b, GATE_OUTSIDE, &f), REASON_INBOUND);
}

static void reopen(void)
{
	b->gate = gate_free(b->gate);
	bench_open(b, true);
}

static void send_it(unsigned port, enum reason reason)
{
	check(bench_send(b, port, &f), reason);
}

static void test_roach_motel_and_isolation(void **state)
{
	(void)state;
	b->honeypot[0].set.roach_motel = true;
	reopen();
	inbound("192.0.2.9", 80, "10.0.0.1", 22, SYN);
	out_ack("10.0.0.1", 22, 5, 2, SYN | ACK, REASON_REPLY);
	out_tcp("10.0.0.1", 1000, 5, SYN, REASON_ROACH_MOTEL);
	arp_frame(&f, 255, 1, 1, "10.0.0.1", "10.0.0.200");
	send_it(1, REASON_NEIGHBOUR);
	b->honeypot[0].set.isolate = true;
	reopen();
	out_tcp("10.0.0.1", 22, 5, ACK, REASON_ISOLATED);
	send_it(1, REASON_ISOLATED);
	inbound("192.0.2.9", 80, "10.0.0.1", 22, ACK);
	assert_int_equal(b->by_type[EVENT_INCIDENT], 1);
}

/* Also one that was refused before, and one inside a tunnel. */
static void test_half_open(void **state)
{
	(void)state;
	b->honeypot[0].limit.tcp.count = 100;
	b->honeypot[0].limit.half_open = 4;
	reopen();
	for (unsigned i = 0; i < 8; i++)
		out_tcp("10.0.0.1", 1000 + i, 1, SYN,
			i < 4 ? REASON_WITHIN_BUDGET : REASON_HALF_OPEN);
	for (unsigned i = 0; i < 2; i++) {
		tcp_frame(&f, 1, ROUTER, "192.0.2.9", 80, "10.0.0.1", 1000 + i, 9, RST | ACK);
		set_ack(&f, 2);
		send_it(GATE_OUTSIDE, REASON_INBOUND);
	}
	for (unsigned i = 4; i < 8; i++)
		out_tcp("10.0.0.1", 1000 + i, 1, SYN,
			i < 6 ? REASON_WITHIN_BUDGET : REASON_HALF_OPEN);
	put_ethernet(&f, ROUTER, 1, 0x0800);
	put_ip4(&f, "10.0.0.1", "192.0.2.9", 4, 40, 7, 0);
	put_ip4(&f, "10.0.0.1", "192.0.2.8", 6, 20, 7, 0);
	put_tcp(&f, 1, 2, 3, SYN);
	send_it(1, REASON_HALF_OPEN);
	reopen();
	send_it(1, REASON_HALF_OPEN);
}

/* A tunnel's port makes no more of the UDP budget, and the tunnels not more than the others may be. */
static void test_udp_tunnels(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		udp_frame(&f, ROUTER, 1, "10.0.0.1", 1701 + i % 2 * 451, "192.0.2.9", 4000 + i, 20);
		send_it(1, i < 5    ? REASON_WITHIN_BUDGET
			   : i < 15 ? REASON_OTHER_LIMIT
				    : REASON_UDP_LIMIT);
		udp_frame(&f, ROUTER, 1, "10.0.0.1", 1000, "192.0.2.9", 4000 + i, 20);
		send_it(1, i < 15 ? REASON_WITHIN_BUDGET : REASON_UDP_LIMIT);
	}
}

static void test_white_list(void **state)
{
	(void)state;
	bench_list(b, LIST_WHITE, "192.0.2.9 tcp/80");
	bench_list(b, LIST_BLACK, "192.0.2.9 tcp/81");
	reopen();
	for (unsigned i = 0; i < 100; i++)
		out_tcp("10.0.0.1", 1000 + i, i, SYN, REASON_WHITE_LIST);
	out_tcp("10.0.0.1", 2000, 1, ACK, REASON_WHITE_LIST); /* it began before the gate did */
	out_tcp("10.0.0.1", 2000, 1, ACK, REASON_ESTABLISHED);
	tcp_frame(&f, ROUTER, 1, "10.0.0.1", 1, "192.0.2.9", 81, 1, SYN);
	send_it(1, REASON_BLACK_LIST);
	b->honeypot[0].set.roach_motel = true;
	reopen();
	out_tcp("10.0.0.1", 3000, 1, SYN, REASON_ROACH_MOTEL);
}

static void test_spoofing(void **state)
{
	(void)state;
	out_tcp("10.0.0.1", 1, 1, SYN, REASON_WITHIN_BUDGET); /* learns MAC 1 */
	out_tcp("10.0.0.99", 1, 1, SYN, REASON_SPOOF_IP);
	out_tcp("10.0.0.2", 1, 1, SYN, REASON_SPOOF_IP);
	out_tcp("2001:db8::2", 1, 1, SYN, REASON_SPOOF_IP);
	tcp_frame(&f, ROUTER, 7, "10.0.0.1", 1, "192.0.2.9", 80, 1, SYN);
	send_it(1, REASON_SPOOF_MAC);
	tcp_frame(&f, ROUTER, 7, "10.9.9.9", 1, "192.0.2.9", 80, 1, SYN);
	send_it(1, REASON_SPOOF_MAC);
	arp_frame(&f, 255, 1, 2, "10.0.0.200", "10.0.0.2");
	send_it(1, REASON_SPOOF_ARP);
	arp_frame(&f, 255, 1, 1, "0.0.0.0", "10.0.0.1");
	send_it(1, REASON_NEIGHBOUR);
	udp_frame(&f, 255, 1, "0.0.0.0", 68, "255.255.255.255", 67, 30);
	send_it(1, REASON_DHCP);
	udp_frame(&f, 255, 1, "0.0.0.0", 69, "255.255.255.255", 67, 30);
	send_it(1, REASON_SPOOF_IP);
}

static void nd_frame(
	unsigned type, const char *src, const char *dst, const char *target, unsigned mac)
{
	struct ip ip = address(target);

	put_ethernet(&f, 255, 1, 0x86dd);
	put_ip6(&f, src, dst, 58, 32, 255);
	put8(&f, type);
	put_zero(&f, 7);
	put(&f, &ip, 16);
	put8(&f, type == 136 ? 2 : 1);
	put8(&f, 1);
	put_mac(&f, mac);
}

static void test_neighbour_discovery(void **state)
{
	(void)state;
	nd_frame(135, "2001:db8::1", "ff02::1:ff00:9", "2001:db8::9", 1);
	send_it(1, REASON_NEIGHBOUR);
	nd_frame(135, "2001:db8::1", "ff02::1:ff00:9", "2001:db8::9", 2);
	send_it(1, REASON_SPOOF_ND);
	nd_frame(136, "2001:db8::1", "ff02::1", "2001:db8::9", 1);
	send_it(1, REASON_SPOOF_ND);
	nd_frame(136, "2001:db8::1", "ff02::1", "2001:db8::1", 1);
	send_it(1, REASON_NEIGHBOUR);
	nd_frame(135, "2001:db8::1", "2001:db8:77::1", "2001:db8:77::1", 1); /* beyond the link */
	send_it(1, REASON_WITHIN_BUDGET);
	nd_frame(134, "fe80::1", "ff02::1", "::", 1);
	send_it(1, REASON_HYGIENE);
	assert_int_equal(b->by_type[EVENT_INCIDENT], 1);
}

static void test_hygiene(void **state)
{
	static const struct mac stp = { { 0x01, 0x80, 0xc2, 0, 0, 0 } };

	(void)state;
	out_tcp("10.0.0.1", 1, 1, SYN, REASON_WITHIN_BUDGET);
	udp_frame(&f, ROUTER, 1, "10.0.0.1", 67, "192.0.2.9", 68, 30);
	send_it(1, REASON_HYGIENE);
	put_ethernet(&f, ROUTER, 1, 0x88cc);
	put_zero(&f, 40);
	send_it(1, REASON_HYGIENE);
	put_ethernet(&f, ROUTER, 1, 38);
	memcpy(f.at, &stp, sizeof(stp));
	put_zero(&f, 40);
	send_it(1, REASON_HYGIENE);
	put_ethernet(&f, ROUTER, 1, 0x88b5);
	put_zero(&f, 40);
	send_it(1, REASON_ETHERTYPE);
	put_ethernet(&f, ROUTER, 1, 0x8100);
	put32(&f, 0x00058100);
	put32(&f, 0x00060800);
	put_ip4(&f, "10.0.0.1", "192.0.2.9", 6, 20, 7, 0);
	put_tcp(&f, 1, 2, 3, SYN);
	send_it(1, REASON_NESTED_TAG);
}

/* Part of a UDP datagram with 24 bytes of data; `field` as in the IPv4 header. */
static void fragment(unsigned id, unsigned field)
{
	put_ethernet(&f, ROUTER, 1, 0x0800);
	put_ip4(&f, "10.0.0.1", "192.0.2.9", 17, 16, id, field);
	if (field & 0x1fff) {
		put_zero(&f, 16);
		return;
	}
	put_udp(&f, 1000, 4000, 24);
	put_zero(&f, 8);
}

/* It has no answer yet. */
static void waits(unsigned id, unsigned field)
{
	struct gate_answer answer;

	fragment(id, field);
	answer = bench_send(b, 1, &f);
	assert_int_equal(answer.verdict, VERDICT_DROP);
	assert_int_equal(answer.reason, REASON_NONE);
}

/* It makes a datagram of two parts whole, or spoils it. */
static void ends(unsigned id, unsigned field, enum reason reason)
{
	fragment(id, field);
	send_it(1, reason);
	assert_int_equal(b->n_parts, reason_verdict(reason) == VERDICT_PASS ? 2 : b->n_parts);
	for (unsigned i = 0; i < b->n_parts; i++)
		check(b->part[i], reason);
}

static void test_fragments(void **state)
{
	struct gate_counts c;

	(void)state;
	waits(1, 2);
	gate_counts(b->gate, &c);
	assert_int_equal(c.received, 0); /* counted when it is judged, and once */
	ends(1, 0x2000, REASON_WITHIN_BUDGET);
	waits(2, 0x2000);
	ends(2, 2, REASON_ESTABLISHED);
	ends(1, 2, REASON_FRAGMENT); /* a receiver may still wait for that one's parts */
	waits(3, 0x2000);
	ends(3, 0x2000, REASON_FRAGMENT);
	waits(4, 2);
	bench_wait(b, (WHOLE_S + 1) * SECOND);
	assert_int_equal(bench_expire(b, b->now.steady_ns), 1);
	check(b->part[0], REASON_FRAGMENT);
	put_ethernet(&f, ROUTER, 1, 0x0800);
	put_ip4(&f, "10.0.0.1", "192.0.2.9", 6, 8, 9, 0x2000);
	put_zero(&f, 8);
	send_it(1, REASON_FRAGMENT); /* a first fragment without the whole TCP header */
	gate_counts(b->gate, &c);
	assert_int_equal(c.received, 9);
	assert_int_equal(c.passed, 4);
}

static void test_fence_and_tunnels(void **state)
{
	(void)state;
	bench_list(b, LIST_FENCE, "172.16.0.0/12");
	reopen();
	tcp_frame(&f, ROUTER, 1, "10.0.0.1", 1, "172.17.0.1", 80, 1, SYN);
	send_it(1, REASON_FENCE);
	put_ethernet(&f, ROUTER, 1, 0x0800);
	put_ip4(&f, "10.0.0.1", "192.0.2.9", 4, 40, 7, 0);
	put_ip4(&f, "10.0.0.1", "172.31.255.255", 6, 20, 7, 0);
	put_tcp(&f, 1, 2, 3, SYN);
	send_it(1, REASON_FENCE);
	put_ethernet(&f, ROUTER, 1, 0x0800);
	put_ip4(&f, "10.0.0.1", "192.0.2.9", 41, 60, 7, 0);
	put_ip6(&f, "2001:db8::7", "2001:db8::8", 6, 20, 64);
	put_tcp(&f, 1, 2, 3, SYN);
	send_it(1, REASON_WITHIN_BUDGET);
	while (!gate_finish(b->gate, &b->now))
		continue;
	for (unsigned i = 0; i < b->n_records; i++)
		if (b->record[i].type == EVENT_FLOW && b->record[i].head.proto == 6 &&
			b->record[i].flow.parent_id != 0 &&
			b->record[i].head.verdict == VERDICT_PASS)
			return;
	fail_msg("no record of the conversation inside the tunnel");
}

/* The error quotes `src`:`sport` -> 10.0.0.1:`dport`, which came in before. */
static void port_unreachable(unsigned sport, unsigned dport)
{
	put_ethernet(&f, ROUTER, 1, 0x0800);
	put_ip4(&f, "10.0.0.1", "192.0.2.9", 1, 36, 7, 0);
	put32(&f, 0x03030000);
	put32(&f, 0);
	put_ip4(&f, "192.0.2.9", "10.0.0.1", 17, 8, 7, 0);
	put_udp(&f, sport, dport, 0);
}

static void test_icmp_errors(void **state)
{
	uint64_t flow;

	(void)state;
	udp_frame(&f, 1, ROUTER, "192.0.2.9", 5000, "10.0.0.1", 161, 10);
	flow = bench_send(b, GATE_OUTSIDE, &f).flow_id;
	for (unsigned i = 0; i < GATE_ICMP_ERRORS_MAX; i++) {
		port_unreachable(5000, 161);
		assert_int_equal(bench_send(b, 1, &f).flow_id, flow);
	}
	port_unreachable(5000, 161);
	send_it(1, REASON_WITHIN_BUDGET);
	port_unreachable(5001, 161);
	send_it(1, REASON_ESTABLISHED); /* the ICMP conversation that was just let out */
}

/* What was allowed between honeypots, or made up outside, is no permission to leave. */
static void test_borrowed_flows(void **state)
{
	(void)state;
	tcp_frame(&f, ROUTER, 2, "10.0.0.2", 9, "192.0.2.1", 80, 1, SYN);
	send_it(1, REASON_WITHIN_BUDGET); /* MAC 2 is known */
	for (unsigned i = 0; i < 12; i++) {
		udp_frame(&f, 2, 1, "10.0.0.1", 100 + i, "192.0.2.9", 4000, 10);
		assert_int_equal(bench_send(b, 1, &f).reason, REASON_INTERNAL);
		udp_frame(&f, 1, ROUTER, "10.0.0.1", 200 + i, "192.0.2.9", 4000, 10);
		send_it(GATE_OUTSIDE, REASON_INBOUND);
		udp_frame(&f, ROUTER, 1, "10.0.0.1", 100 + i, "192.0.2.9", 4000, 10);
		send_it(1, i < 10 ? REASON_WITHIN_BUDGET : REASON_UDP_LIMIT);
		udp_frame(&f, ROUTER, 1, "10.0.0.1", 200 + i, "192.0.2.9", 4000, 10);
		send_it(1, i < 10 ? REASON_WITHIN_BUDGET : REASON_UDP_LIMIT);
	}
	/* A SYN on the 5-tuple of a connection that came in is a connection of its own. */
	inbound("192.0.2.9", 80, "10.0.0.1", 7000, SYN);
	out_tcp("10.0.0.1", 7000, 5, SYN, REASON_WITHIN_BUDGET);
	out_tcp("10.0.0.1", 7000, 6, SYN, REASON_WITHIN_BUDGET);
	out_tcp("10.0.0.1", 7000, 6, SYN, REASON_ESTABLISHED);
}

/* What a flow was cleared by is not asked for each frame, but after each change, and by a new gate. */
static void test_lists_change(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		out_tcp("10.0.0.1", 1000 + i, 1, SYN, REASON_WITHIN_BUDGET);
		out_tcp("10.0.0.1", 1000 + i, 1, SYN, REASON_ESTABLISHED);
		if (i == 0)
			bench_list(b, LIST_FENCE, "192.0.2.0/24");
		if (i == 1)
			bench_list(b, LIST_BLACK, "192.0.2.9 tcp/80");
		if (i < 2)
			bench_apply(b);
		else
			break;
		out_tcp("10.0.0.1", 1000 + i, 1, SYN, i ? REASON_BLACK_LIST : REASON_FENCE);
		b->list[i].n = 0;
		bench_apply(b);
		out_tcp("10.0.0.1", 1000 + i, 1, SYN, REASON_ESTABLISHED);
	}
	bench_list(b, LIST_BLACK, "192.0.2.9");
	b->generation = 0; /* as a supervisor that counts from the start again */
	reopen();
	out_tcp("10.0.0.1", 1002, 1, SYN, REASON_BLACK_LIST);
	tcp_frame(&f, 1, ROUTER, "192.0.2.9", 80, "10.0.0.1", 1002, 70, SYN | ACK);
	check(bench_send(b, GATE_OUTSIDE, &f), REASON_BLACK_LIST);
}

static void test_table_full(void **state)
{
	(void)state;
	inbound("192.0.2.9", 80, "10.0.0.1", 22, SYN);
	for (unsigned i = 0; i < 6000; i++)
		inbound("198.51.100.7", 1 + i, "10.0.0.2", 22, SYN);
	out_ack("10.0.0.1", 22, 5, 2, SYN | ACK, REASON_REPLY);
	out_tcp("10.0.0.1", 1000, 5, SYN, REASON_FLOW_TABLE_FULL);
	for (unsigned i = 0; i < 100; i++) {
		bench_wait(b, SECOND);
		gate_tick(b->gate, &b->now);
	}
	out_tcp("10.0.0.1", 1000, 5, SYN, REASON_WITHIN_BUDGET);
}

static void test_records_full(void **state)
{
	uint64_t before;

	(void)state;
	b->full = true;
	out_tcp("10.0.0.1", 1000, 5, SYN, REASON_RECORDS_FULL);
	inbound("192.0.2.9", 80, "10.0.0.1", 22, SYN);
	out_tcp("10.0.0.1", 22, 5, RST, REASON_REPLY);
	bench_wait(b, 100 * SECOND);
	gate_tick(b->gate, &b->now);
	assert_int_equal(b->n_records, 0);
	b->full = false;
	gate_tick(b->gate, &b->now);
	before = b->by_type[EVENT_FLOW];
	assert_true(before >= 1);
	out_tcp("10.0.0.1", 1000, 5, SYN, REASON_WITHIN_BUDGET);
	assert_int_equal(b->by_type[EVENT_INCIDENT], 1);
}

static void test_refused_are_bounded(void **state)
{
	struct gate_counts c;
	uint64_t frames = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		out_tcp("10.0.0.1", 1000 + i, i, SYN,
			i < 10 ? REASON_WITHIN_BUDGET : REASON_TCP_LIMIT);
	gate_counts(b->gate, &c);
	assert_int_equal(c.flows_active, 10 + GATE_REFUSED_MAX);
	assert_int_equal(b->by_type[EVENT_DROP], GATE_DROPS_MAX);
	while (!gate_finish(b->gate, &b->now))
		continue;
	for (unsigned i = 0; i < b->n_records; i++)
		if (b->record[i].type == EVENT_DROP)
			frames += b->record[i].drop.count;
	assert_int_equal(frames, 990);
}

static void fill(void *memory, size_t size)
{
	memset(memory, 0x5a, size);
}

/* Conversations and volumes are used up for as long as their periods are. */
static void test_spoilt_memory(void **state)
{
	(void)state;
	b->gate = gate_free(b->gate);
	fill(b->flow_memory, gate_flow_memory_size(b->conf));
	fill(b->budget_memory, gate_budget_memory_size(b->conf));
	bench_open(b, true);
	out_tcp("10.0.0.1", 1000, 5, SYN, REASON_TCP_LIMIT);
	bench_wait(b, 3599 * SECOND);
	out_tcp("10.0.0.1", 1000, 5, SYN, REASON_TCP_LIMIT);
	bench_wait(b, SECOND);
	out_tcp("10.0.0.1", 1000, 5, SYN, REASON_PACKET_RATE);
	bench_wait(b, 3600 * SECOND / 32);
	out_tcp("10.0.0.1", 1000, 5, SYN, REASON_WITHIN_BUDGET);
}

static void test_restart_keeps(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++)
		out_tcp("10.0.0.1", 1000 + i, i, SYN, REASON_WITHIN_BUDGET);
	inbound("192.0.2.9", 80, "10.0.0.1", 22, SYN);
	reopen();
	out_tcp("10.0.0.1", 1000, 0, SYN, REASON_ESTABLISHED); /* sent again */
	out_ack("10.0.0.1", 22, 5, 2, SYN | ACK, REASON_REPLY);
	out_tcp("10.0.0.1", 2000, 5, SYN, REASON_TCP_LIMIT);
	b->gate = gate_free(b->gate);
	b->now.steady_ns = 0; /* a reboot: the flows end, the budgets stay */
	bench_open(b, false);
	out_tcp("10.0.0.1", 2000, 5, SYN, REASON_TCP_LIMIT);
	out_tcp("10.0.0.1", 22, 5, ACK, REASON_NO_FLOW);
	bench_wait(b, 3600 * SECOND);
	out_tcp("10.0.0.1", 2000, 5, SYN, REASON_WITHIN_BUDGET);
	assert_int_equal(b->by_type[EVENT_INCIDENT], 1);
}

static void test_failed(void **state)
{
	struct gate_counts c;
	struct frame parsed;

	(void)state;
	inbound("192.0.2.9", 80, "10.0.0.1", 22, SYN);
	frame_parse(f.at, f.len, FRAME_LINK_ETHERNET, &parsed);
	gate_failed(b->gate, GATE_OUTSIDE, REASON_RING_FULL, &parsed, &b->now);
	gate_counts(b->gate, &c);
	assert_int_equal(c.dropped, 1);
	assert_int_equal(c.passed, 0);
	assert_int_equal(c.by_reason[REASON_RING_FULL], 1);
	while (!gate_finish(b->gate, &b->now))
		continue;
	assert_int_equal(b->by_type[EVENT_DROP], 1);
}

#define GATE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		GATE_TEST(test_budget_and_established),
		GATE_TEST(test_replies_are_free),
		GATE_TEST(test_roach_motel_and_isolation),
		GATE_TEST(test_half_open),
		GATE_TEST(test_udp_tunnels),
		GATE_TEST(test_white_list),
		GATE_TEST(test_spoofing),
		GATE_TEST(test_neighbour_discovery),
		GATE_TEST(test_hygiene),
		GATE_TEST(test_fragments),
		GATE_TEST(test_fence_and_tunnels),
		GATE_TEST(test_icmp_errors),
		GATE_TEST(test_borrowed_flows),
		GATE_TEST(test_lists_change),
		GATE_TEST(test_table_full),
		GATE_TEST(test_records_full),
		GATE_TEST(test_refused_are_bounded),
		GATE_TEST(test_spoilt_memory),
		GATE_TEST(test_restart_keeps),
		GATE_TEST(test_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
