/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "flow/flow.h"
#include "frame/frame.h"
#include "packets.h"

enum { SLOTS = 1000, FIN = 1, SYN = 2, RST = 4, ACK = 16 };
#define SECOND 1000000000ll

static const int64_t timeout_ns[FLOW_TIMEOUTS] = {
	[FLOW_TIMEOUT_TCP_NEW] = 60 * SECOND,
	[FLOW_TIMEOUT_TCP_ESTABLISHED] = 7200 * SECOND,
	[FLOW_TIMEOUT_TCP_CLOSED] = 10 * SECOND,
	[FLOW_TIMEOUT_UDP] = 180 * SECOND,
	[FLOW_TIMEOUT_ICMP] = 60 * SECOND,
	[FLOW_TIMEOUT_OTHER] = 60 * SECOND,
};
static void *memory;
static struct flow_table *table;
static struct bytes b;

static void open_table(void)
{
	uint32_t lost;

	assert_int_equal(flow_table_open(memory, SLOTS, timeout_ns, &table, &lost), 0);
	assert_int_equal(lost, 0);
}

static int set_up(void **state)
{
	(void)state;
	memory = calloc(1, flow_table_size(SLOTS));
	open_table();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	table = flow_table_close(table);
	free(memory);
	return 0;
}

static struct flow_key key_of(unsigned port, uint8_t *ret_source)
{
	struct frame f;
	struct flow_key key;

	udp_frame(&b, 2, 1, "10.0.0.1", port, "192.0.2.9", 53, 0);
	frame_parse(b.at, b.len, FRAME_LINK_ETHERNET, &f);
	assert_true(flow_key_make(&f, &f.packet[0], 0, &key, ret_source));
	return key;
}

static uint32_t add(unsigned port, int64_t steady_ns)
{
	uint8_t source;
	struct flow_key key = key_of(port, &source);
	uint32_t slot = flow_reserve(table, &key);

	if (slot == FLOW_NONE)
		return slot;
	flow_get(table, slot)->id = port;
	flow_get(table, slot)->starter = source;
	flow_get(table, slot)->tally.last_steady_ns = steady_ns;
	flow_begin(table, slot);
	return slot;
}

static uint32_t find(unsigned port)
{
	uint8_t source;
	struct flow_key key = key_of(port, &source);

	return flow_find(table, &key);
}

static void test_key_is_of_both_directions(void **state)
{
	struct frame f;
	struct flow_key one, two;
	uint8_t from_one, from_two;

	(void)state;
	tcp_frame(&b, 2, 1, "10.0.0.1", 1000, "192.0.2.9", 80, 1, SYN);
	frame_parse(b.at, b.len, FRAME_LINK_ETHERNET, &f);
	flow_key_make(&f, &f.packet[0], 0, &one, &from_one);
	tcp_frame(&b, 1, 2, "192.0.2.9", 80, "10.0.0.1", 1000, 1, SYN | ACK);
	frame_parse(b.at, b.len, FRAME_LINK_ETHERNET, &f);
	flow_key_make(&f, &f.packet[0], 0, &two, &from_two);
	assert_memory_equal(&one, &two, sizeof(one));
	assert_int_not_equal(from_one, from_two);
	flow_key_make(&f, &f.packet[0], 77, &two, &from_two);
	assert_memory_not_equal(&one, &two, sizeof(one));
}

static bool sender_began(unsigned flags, unsigned sport, unsigned dport)
{
	struct frame f;
	struct flow_key key;
	uint8_t source;

	tcp_frame(&b, 1, 2, "192.0.2.9", sport, "10.0.0.1", dport, 1, flags);
	frame_parse(b.at, b.len, FRAME_LINK_ETHERNET, &f);
	assert_true(flow_key_make(&f, &f.packet[0], 0, &key, &source));
	return flow_starter(&f.packet[0], source) == source;
}

/* An answer comes from who was asked, also when it is seen first. */
static void test_starter(void **state)
{
	struct frame f;
	struct flow_key key;
	uint8_t source;

	(void)state;
	assert_true(sender_began(SYN, 80, 40000));
	assert_false(sender_began(SYN | ACK, 80, 40000));
	assert_false(sender_began(SYN | ACK, 40000, 80));
	assert_true(sender_began(SYN | ACK | RST, 80, 40000));
	assert_true(sender_began(RST | ACK, 80, 40000));
	/* Under way. */
	assert_false(sender_began(ACK, 80, 40000));
	assert_true(sender_began(ACK, 40000, 80));
	assert_true(sender_began(ACK, 80, 1000));
	assert_true(sender_began(ACK, 5000, 40000));
	udp_frame(&b, 2, 1, "10.0.0.1", 1000, "192.0.2.9", 53, 0);
	frame_parse(b.at, b.len, FRAME_LINK_ETHERNET, &f);
	assert_true(flow_key_make(&f, &f.packet[0], 0, &key, &source));
	assert_int_equal(flow_starter(&f.packet[0], source), source);
}

/* Random additions and removals against what must be found. */
static void test_index(void **state)
{
	static uint32_t where[5000];
	uint64_t seed = 3;

	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		where[i] = FLOW_NONE;
	for (unsigned i = 0; i < 100000; i++) {
		unsigned port;

		seed = seed * 6364136223846793005 + 1442695040888963407;
		port = (unsigned)(seed >> 33) % 5000;
		assert_int_equal(find(port), where[port]);
		if (where[port] == FLOW_NONE) {
			where[port] = add(port, 1);
			assert_int_equal(where[port] == FLOW_NONE,
				flow_used(table) == SLOTS && where[port] == FLOW_NONE);
			continue;
		}
		flow_end(table, where[port], FLOW_END_REUSED);
		assert_int_equal(flow_first_ended(table), where[port]);
		flow_free_ended(table);
		where[port] = FLOW_NONE;
	}
}

static unsigned drain(void)
{
	unsigned n = 0;

	for (; flow_first_ended(table) != FLOW_NONE; n++)
		flow_free_ended(table);
	return n;
}

static void test_timeouts(void **state)
{
	int64_t now = 5000 * SECOND;

	(void)state;
	for (unsigned i = 1; i <= 500; i++)
		add(i, now);
	flow_expire(table, now + 179 * SECOND, UINT32_MAX);
	assert_int_equal(drain(), 0);
	for (unsigned i = 1; i <= 100; i++)
		flow_get(table, find(i))->tally.last_steady_ns = now + 100 * SECOND;
	flow_expire(table, now + 183 * SECOND, 50); /* bounded work */
	assert_true(drain() <= 50);
	flow_expire(table, now + 183 * SECOND, UINT32_MAX);
	drain();
	assert_int_equal(flow_used(table), 100);
	flow_expire(table, now + 283 * SECOND, UINT32_MAX);
	assert_int_equal(drain(), 100);
	add(1, now + 300 * SECOND);
	flow_expire(table, now + 365 * 86400 * SECOND, UINT32_MAX); /* a year later */
	assert_int_equal(drain(), 1);
}

static void test_reopened(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 500; i++)
		add(i, SECOND);
	for (unsigned i = 1; i <= 10; i++)
		flow_end(table, find(i), FLOW_END_TIMEOUT);
	table = flow_table_close(table);
	open_table();
	assert_int_equal(flow_used(table), 500);
	for (unsigned i = 1; i <= 500; i++)
		assert_int_equal(find(i) == FLOW_NONE, i <= 10);
	assert_int_equal(drain(), 10);
	flow_expire(table, 400 * SECOND, UINT32_MAX);
	assert_int_equal(drain(), 490);
}

/* Steady time begins anew. */
static void test_timeouts_after_a_reboot(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 10; i++)
		add(i, 1000000 * SECOND);
	table = flow_table_close(table);
	open_table();
	for (unsigned i = 1; i <= 10; i++)
		flow_end(table, find(i), FLOW_END_FORCED);
	assert_int_equal(drain(), 10);
	add(1, 5 * SECOND);
	flow_expire(table, 200 * SECOND, UINT32_MAX);
	assert_int_equal(drain(), 1);
}

/* Nobody asked for hours: what came last still ends in time. */
static void test_timeouts_after_a_pause(void **state)
{
	int64_t now = 100000 * SECOND;

	(void)state;
	add(1, now);
	add(2, now + 20000 * SECOND);
	flow_expire(table, now + 20001 * SECOND, UINT32_MAX);
	assert_int_equal(drain(), 1);
	flow_expire(table, now + 20183 * SECOND, UINT32_MAX);
	assert_int_equal(drain(), 1);
}

static void test_spoilt_slots(void **state)
{
	uint32_t lost;

	(void)state;
	table = flow_table_close(table);
	memset(memory, 0xa5, flow_table_size(SLOTS));
	assert_int_equal(flow_table_open(memory, SLOTS, timeout_ns, &table, &lost), 0);
	assert_int_equal(lost, SLOTS);
	assert_int_equal(flow_used(table), 0);
}

static enum flow_state step(
	struct flow *flow, unsigned side, uint32_t seq, uint32_t ack, uint8_t flags)
{
	struct frame_packet p = { .proto = 6, .tcp_seq = seq, .tcp_ack = ack, .tcp_flags = flags };

	flow_tcp_step(flow, &p, side);
	return flow->tally.state;
}

static bool begins(const struct flow *flow, unsigned side, uint32_t seq, uint8_t flags, bool strict)
{
	struct frame_packet p = { .proto = 6, .tcp_seq = seq, .tcp_flags = flags };

	return flow_tcp_begins(flow, &p, side, strict);
}

static void test_tcp(void **state)
{
	struct flow f = { 0 }, old = { 0 };

	(void)state;
	assert_int_equal(step(&f, 0, 100, 0, SYN), FLOW_NEW);
	assert_false(begins(&f, 0, 100, SYN, true)); /* sent again */
	assert_true(begins(&f, 0, 101, SYN, true));
	assert_true(begins(&f, 1, 500, SYN, true));
	assert_false(begins(&f, 1, 500, SYN, false)); /* both at once */
	assert_int_equal(step(&f, 1, 500, 101, SYN | ACK), FLOW_NEW);
	assert_int_equal(step(&f, 0, 101, 501, ACK), FLOW_ESTABLISHED);
	assert_true(begins(&f, 0, 100, SYN, true));
	assert_false(begins(&f, 0, 100, SYN, false));
	assert_true(begins(&f, 0, 101, SYN, false));
	assert_true(begins(&f, 1, 500, SYN, true));
	assert_false(begins(&f, 1, 501, SYN, false)); /* forged */
	assert_int_equal(step(&f, 0, 101, 501, FIN | ACK), FLOW_ESTABLISHED);
	assert_int_equal(step(&f, 1, 501, 102, FIN | ACK), FLOW_ESTABLISHED);
	assert_int_equal(step(&f, 0, 102, 502, ACK), FLOW_CLOSED);
	assert_int_equal(f.tally.tcp_flags[0], SYN | FIN | ACK);
	assert_true(begins(&f, 0, 100, SYN, false));
	assert_true(begins(&f, 1, 501, SYN, false));
	/* There before us. */
	assert_int_equal(step(&old, 0, 7, 8, ACK), FLOW_NEW);
	assert_int_equal(step(&old, 1, 8, 7, ACK), FLOW_ESTABLISHED);
	assert_int_equal(step(&old, 1, 8, 7, RST), FLOW_CLOSED);
}

static int64_t tcp_timeout(enum flow_state state, uint8_t fin_seen)
{
	struct flow f = { .key.proto = 6, .tally = { .state = (uint8_t)state } };
	int64_t s = 0;

	f.tally.fin_seen = fin_seen & 3u;
	while (!flow_timed_out(table, &f, s * SECOND + 1))
		s++;
	return s;
}

static void test_tcp_timeouts(void **state)
{
	(void)state;
	assert_int_equal(tcp_timeout(FLOW_NEW, 0), 60);
	assert_int_equal(tcp_timeout(FLOW_ESTABLISHED, 0), 7200);
	assert_int_equal(tcp_timeout(FLOW_ESTABLISHED, 1), 7200); /* half closed may last */
	assert_int_equal(tcp_timeout(FLOW_ESTABLISHED, 3), 60);   /* the last acknowledgement */
	assert_int_equal(tcp_timeout(FLOW_CLOSED, 3), 10);
}

#define FLOW_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(test_key_is_of_both_directions),
		FLOW_TEST(test_starter),
		FLOW_TEST(test_index),
		FLOW_TEST(test_timeouts),
		FLOW_TEST(test_timeouts_after_a_reboot),
		FLOW_TEST(test_timeouts_after_a_pause),
		FLOW_TEST(test_reopened),
		FLOW_TEST(test_spoilt_slots),
		FLOW_TEST(test_tcp),
		FLOW_TEST(test_tcp_timeouts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
