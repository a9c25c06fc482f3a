/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inline: what reaches the receiver. Of receivers there are two in one: one keeps the first copy of a byte, one the
 * last. Neither may ever have the text that a rule replaces.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inspect_fake.h"
#include "inspect_receiver.h"

#define ORIGINAL "ATTACK/bin/sh"
#define REPLACED "AXTACK/ben/sh"
#define BEFORE   "GET / this is "
#define BEHIND   " and more of it, some bytes"
static const char text[] = BEFORE ORIGINAL BEHIND;
static const char wanted[] = BEFORE REPLACED BEHIND;
enum { TEXT = sizeof(text) - 1, AT = sizeof(BEFORE) - 1, LEN = sizeof(ORIGINAL) - 1 };

static void start_with(uint32_t flows_max, size_t pool_bytes)
{
	memset(&b, 0, sizeof(b));
	rules = (struct rules){ .text = ORIGINAL, .replace = REPLACED };
	plan.text = text;
	plan.len = TEXT;
	plan.never = ORIGINAL;
	plan.never_len = LEN;
	bench_open(&b, &(struct inspect_setup){ .is_inline = true,
			       .rules = &rules,
			       .flows_max = flows_max,
			       .pool_bytes = pool_bytes });
	start_flow(1, 0xfffffff0);
}

static void start(void)
{
	start_with(64, 0);
}

static void assert_text(const char *expected)
{
	assert_int_equal(got.next, TEXT);
	assert_string_equal(got.first, expected);
	assert_string_equal(got.last, expected);
}

static void test_whole(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		start();
		b.v6 = v6;
		handshake();
		assert_int_equal(send_part(0, TEXT), INSPECT_CHANGED);
		assert_text(wanted);
		assert_int_equal(b.told.hits, 1);
		assert_string_equal(b.told.before, ORIGINAL);
		assert_string_equal(b.told.after, REPLACED);
		assert_int_equal(b.told.changed_at, AT);
		assert_false(b.told.dropped);
		/* and each time it is sent again */
		assert_int_equal(send_part(0, TEXT), INSPECT_CHANGED);
		assert_int_equal(send_part(AT + 1, AT + 3), INSPECT_CHANGED);
		acknowledge();
		assert_int_equal(send_part(0, TEXT), INSPECT_CHANGED);
		assert_int_equal(b.told.hits, 1);
		assert_text(wanted);
		stop();
	}
}

static void test_split(void **state)
{
	(void)state;
	for (uint32_t at = AT + 1; at < AT + LEN; at++) {
		start();
		handshake();
		assert_int_equal(send_part(0, at), INSPECT_HELD);
		assert_int_equal(got.next, 0);
		send_part(at, TEXT);
		assert_text(wanted);
		assert_int_equal(b.told.hits, 1);
		stop();
	}
}

/* No rule can stop anything: nothing is held, whatever the order. Then there are others, and what follows is guarded. */
static void test_only_told(void **state)
{
	(void)state;
	start();
	rules.only_tells = true;
	rules.replace = NULL;
	plan.never = "-";
	plan.never_len = 1;
	handshake();
	assert_int_equal(send_part(AT + 1, AT + LEN), INSPECT_PASS);
	assert_int_equal(send_part(0, AT + 1), INSPECT_PASS);
	assert_int_equal(b.told.hits, 1);
	rules.only_tells = false;
	inspect_set_rules(b.inspect, &rules);
	assert_int_equal(send_part(AT + LEN + 1, TEXT), INSPECT_HELD);
	send_part(AT + LEN, AT + LEN + 1);
	assert_text(text);
	stop();
}

static void test_bytes(void **state)
{
	(void)state;
	start();
	handshake();
	for (uint32_t i = 0; i < TEXT; i++)
		send_part(i, i + 1);
	assert_text(wanted);
	assert_false(got.overtaken);
	assert_int_equal(got.dropped, 0);
	stop();
}

static void test_reversed(void **state)
{
	(void)state;
	start();
	handshake();
	for (uint32_t i = TEXT; i > 0; i--) {
		assert_int_equal(got.next, 0);
		assert_int_equal(send_part(i - 1, i) == INSPECT_HELD, i > 1);
	}
	assert_text(wanted);
	assert_int_equal(got.dropped, 0);
	stop();
}

/* The time to wait is over: what has left cannot be changed, the rest is enough. */
static void test_late(void **state)
{
	(void)state;
	for (uint32_t at = AT + 1; at < AT + LEN; at++) {
		start();
		handshake();
		assert_int_equal(send_part(0, at), INSPECT_HELD);
		assert_int_equal(inspect_next_ns(b.inspect), b.now_ns + 30 * MS);
		later(31 * MS);
		assert_int_equal(got.next, at);
		send_part(at, TEXT);
		assert_int_equal(got.next, TEXT);
		assert_int_equal(b.told.hits, 1);
		assert_int_equal(got.dropped, 0);
		/* nothing but the text itself */
		assert_memory_equal(got.first + AT + LEN, BEHIND, sizeof(BEHIND) - 1);
		assert_memory_equal(got.first, BEFORE, AT);
		stop();
	}
}

/* Held is not lost: a beginning that comes to nothing leaves as it was, in order, with what came behind it. */
static void test_beginning_only(void **state)
{
	static const char other[] = "say ATTACK";

	(void)state;
	start();
	handshake();
	assert_int_equal(send_data(0, ACK, other, 10), INSPECT_HELD);
	assert_int_equal(
		send_data(10, ACK, "", 0), INSPECT_HELD); /* an acknowledgement waits behind it */
	assert_int_equal(send_data(0, ACK, other, 10), INSPECT_HELD);
	later(29 * MS);
	assert_int_equal(got.next, 0);
	later(2 * MS);
	assert_string_equal(got.last, other);
	assert_false(got.overtaken);
	assert_int_equal(got.changed + got.dropped, 0);
	assert_int_equal(send_data(10, ACK, "", 0), INSPECT_PASS);
	assert_int_equal(send_data(10, ACK, "x", 1), INSPECT_PASS);
	/* nothing is held when nothing more can come */
	assert_int_equal(send_data(11, ACK | FIN, "ATT", 3), INSPECT_PASS);
	stop();
}

static void test_early(void **state)
{
	(void)state;
	start();
	handshake();
	assert_int_equal(send_part(20, TEXT), INSPECT_HELD);
	assert_int_equal(send_data(TEXT, ACK, "", 0), INSPECT_PASS);
	later(900 * MS);
	assert_int_equal(got.next, 0);
	send_part(0, 20);
	assert_text(wanted);
	stop();
	start();
	handshake();
	assert_int_equal(send_part(20, TEXT), INSPECT_HELD);
	assert_int_equal(send_part(15, 22), INSPECT_HELD);
	later(1001 * MS);
	assert_int_equal(got.dropped, 2);
	assert_int_equal(inspect_next_ns(b.inspect), INT64_MAX);
	finish_as_sender();
	assert_text(wanted);
	stop();
}

static void test_differing_retransmissions(void **state)
{
	(void)state;
	/* harmless first: that stands */
	start();
	handshake();
	assert_int_equal(send_data(0, ACK, "................................", 32), INSPECT_PASS);
	send_part(0, TEXT);
	assert_memory_equal(got.last, "................................", 32);
	assert_int_equal(got.next, TEXT);
	stop();
	/* harmless last, while the first is held or has left */
	for (int wait = 0; wait < 2; wait++) {
		start();
		handshake();
		send_part(0, AT + 5);
		if (wait)
			later(31 * MS);
		send_data(2, ACK, "................................", 32);
		send_part(0, TEXT);
		finish_as_sender();
		assert_int_equal(got.next, TEXT);
		assert_memory_equal(got.last, text, AT);
		assert_string_equal(got.first, got.last);
		stop();
	}
}

static void test_fin_between(void **state)
{
	(void)state;
	start();
	handshake();
	send_data(0, ACK | FIN, text, AT + 5);
	assert_int_equal(got.next, AT + 5);
	assert_int_equal(send_part(AT + 5, TEXT), INSPECT_DROP);
	assert_int_equal(send_part(0, TEXT), INSPECT_DROP);
	assert_int_equal(send_data(0, ACK | FIN, text, AT + 5), INSPECT_PASS);
	assert_int_equal(send_data(AT + 5, ACK | FIN, "", 0), INSPECT_PASS);
	/* The peer's end is acknowledged from behind our own. */
	assert_int_equal(send_data(AT + 6, ACK, "", 0), INSPECT_PASS);
	assert_int_equal(send_data(AT + 6, ACK, "x", 1), INSPECT_DROP);
	assert_int_equal(send_data(AT + 7, ACK, "", 0), INSPECT_DROP);
	stop();
}

/* The last acknowledgement of a connection stands behind its sender's FIN. */
static void test_behind_fin(void **state)
{
	(void)state;
	start();
	handshake();
	assert_int_equal(send_data(0, ACK | FIN, BEFORE, strlen(BEFORE)), INSPECT_PASS);
	assert_int_equal(send_data(strlen(BEFORE) + 1, ACK, "", 0), INSPECT_PASS);
	assert_int_equal(send_data(strlen(BEFORE), ACK | FIN, "", 0), INSPECT_PASS);
	assert_int_equal(send_data(strlen(BEFORE) + 1, ACK, "x", 1), INSPECT_DROP);
	assert_int_equal(send_data(strlen(BEFORE) + 2, ACK, "", 0), INSPECT_DROP);
	stop();
}

static void test_data_in_syn(void **state)
{
	(void)state;
	start();
	assert_int_equal(send_data(0, SYN, text, AT + 3), INSPECT_HELD);
	send_part(AT + 3, TEXT);
	assert_text(wanted);
	assert_int_equal(send_data(0, SYN, text, TEXT), INSPECT_CHANGED);
	assert_text(wanted);
	b.seq[0] += 5; /* another beginning, when something was sent */
	assert_int_equal(send_data(0, SYN, text, TEXT), INSPECT_DROP);
	b.seq[0] -= 5;
	stop();
	start(); /* or when the first was answered: the peer stays with that */
	handshake();
	b.seq[0] += 100;
	assert_int_equal(send_data(0, SYN, "", 0), INSPECT_DROP);
	b.seq[0] -= 100;
	send_part(0, TEXT);
	assert_text(wanted);
	stop();
}

static void test_urgent(void **state)
{
	(void)state;
	start();
	handshake();
	tcp_of(&b, &f, 0, 0, ACK | URG, text, TEXT);
	f.at[14 + 20 + 19] = AT + 3;
	sums_fix(f.at, f.len);
	assert_int_equal(give_now(0), INSPECT_CHANGED);
	assert_int_equal(got.urgent, 0);
	assert_text(wanted);
	stop();
}

static void test_rst(void **state)
{
	(void)state;
	start();
	handshake();
	assert_int_equal(send_part(0, AT + 5), INSPECT_HELD);
	assert_int_equal(send_part(TEXT - 1, TEXT), INSPECT_HELD);
	assert_int_equal(send_data(AT + 5, RST, "", 0), INSPECT_HELD);
	assert_int_equal(got.next, AT + 5);
	assert_int_equal(got.rst, 1);
	assert_int_equal(got.dropped, 1);
	assert_false(got.overtaken);
	assert_int_equal(send_data(AT + 5, RST, text, TEXT), INSPECT_DROP);
	stop();
}

static void test_drop(void **state)
{
	(void)state;
	for (int reject = 0; reject < 2; reject++) {
		start();
		rules.replace = NULL;
		rules.action = reject ? RULE_REJECT : RULE_DROP;
		handshake();
		assert_int_equal(send_part(0, AT + 5), INSPECT_HELD);
		assert_int_equal(send_part(AT + 5, TEXT), reject ? INSPECT_REJECT : INSPECT_DROP);
		assert_int_equal(got.next, 0);
		assert_int_equal(got.dropped, 2);
		assert_true(b.told.dropped);
		assert_int_equal(send_part(0, TEXT), INSPECT_DROP);
		assert_int_equal(send_data(0, ACK, "", 0), INSPECT_DROP);
		tcp_of(&b, &f, 1, 0, ACK, "answer", 6);
		assert_int_equal(give_now(1), INSPECT_PASS);
		stop();
	}
}

/* Nothing is left to be changed when the rule matches: what is left does not leave. */
static void test_too_late(void **state)
{
	(void)state;
	start();
	rules.text = "-";
	plan.never = "word";
	plan.never_len = 4;
	handshake();
	send_part(0, TEXT);
	rules.text = ORIGINAL;
	rules.old = true;
	assert_int_equal(send_data(TEXT, ACK, " last word", 10), INSPECT_DROP);
	assert_int_equal(send_data(TEXT, ACK, " last word", 10), INSPECT_DROP);
	memset(&got, 0, sizeof(got));
	stop();
}

static void test_udp(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 4; v6++) {
		start();
		udp_frame(&f, 2, 1, v6 % 2 ? "2001:db8::1" : "10.0.0.1", 1000,
			v6 % 2 ? "2001:db8::9" : "192.0.2.9", 53, TEXT);
		memcpy(f.at + f.len - TEXT, text, TEXT);
		sums_fix(f.at, f.len);
		if (v6 == 2)
			memset(f.at + 14 + 20 + 6, 0, 2); /* no checksum */
		assert_int_equal(give(&b, &f, 0, &parsed).verdict, INSPECT_CHANGED);
		assert_memory_equal(f.at + f.len - TEXT, wanted, TEXT);
		frame_parse(f.at, f.len, FRAME_LINK_ETHERNET, &parsed);
		if (v6 == 2)
			assert_memory_equal(f.at + 14 + 20 + 6, "\0\0", 2);
		else
			assert_int_equal(sums_wrong(&parsed), 0);
		assert_string_equal(b.told.after, REPLACED);
		b.leaves = false;
		udp_frame(&f, 2, 1, "10.0.0.1", 1000, "192.0.2.9", 53, TEXT);
		memcpy(f.at + f.len - TEXT, text, TEXT);
		assert_int_equal(give(&b, &f, 0, &parsed).verdict, INSPECT_PASS);
		assert_memory_equal(f.at + f.len - TEXT, text, TEXT);
		stop();
	}
}

/* A conversation that was there before us: what the peer lacks is looked at, although what is behind it has left. */
static void test_midstream(void **state)
{
	(void)state;
	for (uint32_t at = AT + 1; at < AT + LEN; at++) {
		start();
		assert_int_equal(send_part(at, TEXT), INSPECT_PASS);
		assert_int_equal(send_part(0, at), INSPECT_DROP); /* who knows whether he has it */
		acknowledge();
		assert_int_equal(send_part(0, at), INSPECT_DROP); /* the rest has left */
		stop();
	}
	start();
	assert_int_equal(send_part(5, 9), INSPECT_PASS);
	acknowledge();
	assert_int_equal(send_part(0, 5), INSPECT_PASS);
	assert_int_equal(send_part(9, TEXT), INSPECT_CHANGED);
	assert_text(wanted);
	acknowledge();
	assert_int_equal(send_part(0, TEXT), INSPECT_CHANGED);
	assert_text(wanted);
	stop();
}

/* Frames of other sides and of flows that do not leave are never touched. */
static void test_inbound(void **state)
{
	(void)state;
	start();
	handshake();
	tcp_of(&b, &f, 1, 0, ACK, text, TEXT);
	assert_int_equal(give_now(1), INSPECT_PASS);
	assert_int_equal(b.told.hits, 1);
	assert_memory_equal(f.at + f.len - TEXT, text, TEXT);
	stop();
}

static void test_held_limits(void **state)
{
	struct inspect_counts counts;
	unsigned flows = INSPECT_HELD_MAX / INSPECT_HELD_SIDE + 2;

	(void)state;
	start();
	for (unsigned i = 1; i <= flows; i++) {
		start_flow(i, 1000);
		handshake();
		for (unsigned k = 0; k < INSPECT_HELD_SIDE + 10; k++)
			send_data(2 + 2 * k, ACK, "x", 1);
		assert_int_equal(got.next, 0);
		assert_int_equal(got.dropped,
			i <= INSPECT_HELD_MAX / INSPECT_HELD_SIDE ? 10 : INSPECT_HELD_SIDE + 10);
	}
	inspect_counts(b.inspect, &counts);
	assert_int_equal(counts.held, INSPECT_HELD_MAX);
	/* no room to hold: what would be held leaves, and is disarmed nevertheless */
	send_part(0, 0);
	assert_int_equal(send_data(0, ACK, text, AT + 4), INSPECT_PASS);
	send_part(AT + 4, TEXT);
	assert_int_equal(got.next, TEXT);
	later(2 * SECOND);
	for (unsigned i = 1; i <= flows; i++)
		inspect_end_flow(b.inspect, i, NULL);
	stop();
}

/* Each keeps a text that lacks its last byte, for as long as it may. */
static void test_many_flows(void **state)
{
	enum { FLOWS = 10000 };
	struct inspect_counts counts;

	(void)state;
	start_with(FLOWS, 0);
	for (unsigned i = 1; i <= FLOWS; i++) {
		start_flow(i, 1000);
		handshake();
		send_part(0, AT + LEN - 1);
	}
	inspect_counts(b.inspect, &counts);
	assert_int_equal(counts.flows, FLOWS);
	assert_true(counts.held <= INSPECT_HELD_MAX);
	assert_true(counts.held_bytes <= INSPECT_HELD_BYTES);
	assert_true(counts.pool_used <= INSPECT_POOL_BYTES / 2);
	for (unsigned i = 1; i <= FLOWS; i++) {
		start_flow(i, 1000);
		receive_payload(
			&(struct frame_packet){ .tcp_seq = 1000 }, (const uint8_t *)text, 0);
		send_part(AT + LEN - 1, TEXT);
		assert_int_equal(b.told.hits, 1);
		inspect_end_flow(b.inspect, i, NULL);
	}
	later(SECOND);
	stop();
}

/* Memory that is not there: frames are dropped, the sender sends them again, and the rule holds. */
static void test_memory(void **state)
{
	(void)state;
	start_with(64, 1024);
	start_flow(1, 1000);
	handshake();
	send_data(0, ACK, "x", 1); /* takes it all */
	start_flow(2, 1000);
	handshake();
	assert_int_equal(send_part(0, TEXT), INSPECT_DROP);
	inspect_end_flow(b.inspect, 1, NULL);
	finish_as_sender();
	assert_text(wanted);
	stop();
}

static void send_bulk(unsigned flow)
{
	static char bulk[1000];

	memset(bulk, 'x', sizeof(bulk));
	start_flow(flow, 1000);
	handshake();
	for (uint32_t i = 0; i < 4; i++) {
		send_data(i * sizeof(bulk), ACK, bulk, sizeof(bulk));
		acknowledge();
	}
}

/* Other conversations want memory: what this one has to be looked at again with stays. */
static void test_memory_of_others(void **state)
{
	(void)state;
	start_with(400, 1 << 20);
	for (unsigned i = 1; i < 50; i++)
		send_bulk(i);
	start_flow(50, 1000);
	handshake();
	send_part(0, AT + 8);
	later(31 * MS);
	acknowledge();
	for (unsigned i = 51; i < 350; i++)
		send_bulk(i);
	start_flow(50, 1000);
	send_part(AT + 8, TEXT);
	assert_int_equal(b.told.hits, 1);
	for (unsigned i = 1; i < 350; i++)
		inspect_end_flow(b.inspect, i, NULL);
	stop();
}

/* Whatever a sender does: cuts, order, copies, other copies, pauses. */
struct deed {
	uint32_t from, to;
	bool differs;
};

static uint64_t seed;
static uint32_t dice(uint32_t sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % sides;
}

static unsigned cut(struct deed *deed, unsigned max)
{
	uint32_t most = 1 + dice(dice(2) ? 4 : 40);
	unsigned n = 0;

	for (uint32_t at = 0; at < TEXT && n < max; n++) {
		uint32_t to = at + 1 + dice(most);

		deed[n] = (struct deed){ at, to < TEXT ? to : TEXT, false };
		at = deed[n].to;
	}
	return n;
}

static unsigned add_copies(struct deed *deed, unsigned n, unsigned max, bool differ)
{
	for (unsigned more = dice(6); more > 0 && n < max; more--, n++) {
		uint32_t from = dice(TEXT);

		deed[n] = (struct deed){ from, from + 1 + dice(TEXT - from), differ && dice(2) };
	}
	return n;
}

static void shuffle(struct deed *deed, unsigned n)
{
	uint32_t reach = dice(3) ? 1 + dice(4) : n;

	for (unsigned i = 0; i + 1 < n; i++) {
		uint32_t with = i + dice(reach);
		struct deed d = deed[i];

		if (with >= n)
			continue;
		deed[i] = deed[with];
		deed[with] = d;
	}
}

static void do_deeds(const struct deed *deed, unsigned n, bool slow)
{
	static char nothing[TEXT];

	memset(nothing, '.', sizeof(nothing));
	for (unsigned i = 0; i < n; i++) {
		if (deed[i].differs)
			send_data(deed[i].from, ACK, nothing, deed[i].to - deed[i].from);
		else
			send_part(deed[i].from, deed[i].to);
		if (dice(4) == 0)
			acknowledge();
		if (dice(8) == 0)
			send_data(got.next, ACK, "", 0);
		if (slow && dice(3) == 0)
			later(dice(60) * MS);
	}
}

static void test_random(void **state)
{
	static struct deed deed[512];
	const char *runs = getenv("GUARD_RUNS");
	uint64_t n_runs = runs                       ? strtoull(runs, NULL, 10)
			  : getenv("FISHBOWL_QUICK") ? 20000
						     : 100000;

	(void)state;
	start();
	for (uint64_t run = 1; run <= n_runs; run++) {
		bool slow = run % 3 == 0, differ = run % 2 == 0;
		unsigned n;

		seed = run;
		start_flow(run, 0u - dice(2) * dice(60));
		handshake();
		n = cut(deed, 256);
		n = add_copies(deed, n, 512, differ);
		shuffle(deed, n);
		do_deeds(deed, n, slow);
		if (!slow && !differ && got.next == TEXT)
			assert_string_equal(got.last, wanted);
		finish_as_sender();
		assert_int_equal(got.next, TEXT);
		assert_string_equal(got.first, got.last);
		if (!slow && !differ)
			assert_text(wanted);
		if (slow && !differ) {
			assert_memory_equal(got.first, BEFORE, AT);
			assert_memory_equal(got.first + AT + LEN, BEHIND, sizeof(BEHIND) - 1);
		}
		inspect_end_flow(b.inspect, b.flow, NULL);
		pump();
	}
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_reversed),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_beginning_only),
		cmocka_unit_test(test_early),
		cmocka_unit_test(test_differing_retransmissions),
		cmocka_unit_test(test_fin_between),
		cmocka_unit_test(test_behind_fin),
		cmocka_unit_test(test_data_in_syn),
		cmocka_unit_test(test_urgent),
		cmocka_unit_test(test_rst),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_too_late),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_midstream),
		cmocka_unit_test(test_inbound),
		cmocka_unit_test(test_held_limits),
		cmocka_unit_test(test_many_flows),
		cmocka_unit_test(test_only_told),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_memory_of_others),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
