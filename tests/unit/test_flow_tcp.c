/* SPDX-License-Identifier: Apache-2.0 */
/* Which TCP packets of a honeypot fit. The honeypot is H, its peer P; numbers count from 0 at the initial
 * sequence number of each, which is close to the wrap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "flow/flow.h"
#include "frame/frame.h"

enum { F = 1, S = 2, R = 4, PSH = 8, A = 16, U = 32, TCP = 6 };
enum { BEGINS = 100, MIB = 1 << 20 };
/* The rows' way to say number 0. */
enum { ZERO_H = 51, ZERO_P = -(0x7fffffff - 20) };
static const uint32_t isn_h = UINT32_MAX - 50, isn_p = 0x7fffffff - 20;

struct row {
	char who;
	uint8_t flags;
	int32_t seq, ack; /* from the sender's and the other's initial number */
	uint32_t len;
	uint16_t window;
	int8_t wscale;
	int want; /* of H: enum flow_fit, or BEGINS a new conversation */
	unsigned times;
};

static struct flow flow;

static void start(bool by_honeypot)
{
	memset(&flow, 0, sizeof(flow));
	flow.key.proto = TCP;
	flow.direction = by_honeypot ? DIRECTION_OUTBOUND : DIRECTION_INBOUND;
}

static unsigned side_of(char who)
{
	return (who == 'H') != (flow.direction == DIRECTION_OUTBOUND);
}

static struct frame_packet packet_of(const struct row *r)
{
	struct frame_packet p = { .version = 4, .proto = TCP, .has_transport = true };

	p.tcp_flags = r->flags;
	p.tcp_seq = (uint32_t)r->seq + (r->who == 'H' ? isn_h : isn_p);
	p.tcp_ack = r->flags & A ? (uint32_t)r->ack + (r->who == 'H' ? isn_p : isn_h) : 0;
	p.tcp_window = r->window;
	p.tcp_wscale = r->wscale ? (uint8_t)(r->wscale - 1) : TCP_WSCALE_NONE;
	p.end_at = r->len;
	return p;
}

/* What becomes of it; a packet that passes is counted. */
static int send_it(const struct row *r, bool first)
{
	struct frame_packet p = packet_of(r);
	bool is_h = r->who == 'H';
	int got = FLOW_FITS;

	if (!first && flow_tcp_begins(&flow, &p, side_of(r->who), is_h)) {
		start(is_h);
		got = BEGINS;
	} else if (!first && is_h) {
		got = flow_tcp_fits(&flow, &p, side_of('H'));
	}
	if (got == FLOW_FITS || got == BEGINS)
		flow_tcp_step(&flow, &p, side_of(r->who));
	return got;
}

static void play(const char *name, const struct row *row, size_t n)
{
	start(row[0].who == 'H');
	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0; k < (row[i].times ? row[i].times : 1); k++) {
			int got = send_it(&row[i], i == 0 && k == 0);

			if (got != row[i].want && (row[i].who == 'H' || row[i].want == BEGINS))
				fail_msg("%s, row %zu (%u): %d, not %d", name, i, k, got,
					row[i].want);
		}
}

#define PLAY(...)                                                        \
	do {                                                             \
		static const struct row rows_[] = { __VA_ARGS__ };       \
		play(__func__, rows_, sizeof(rows_) / sizeof(rows_[0])); \
	} while (0)

#define NOT  .want = FLOW_FITS_NOT
#define MANY .want = FLOW_FIT_TOO_MANY
#define H(f, s, ...)                                                     \
	{                                                                \
		.who = 'H', .flags = (f), .seq = (s), .ack = __VA_ARGS__ \
	}
#define P(f, s, ...)                                                     \
	{                                                                \
		.who = 'P', .flags = (f), .seq = (s), .ack = __VA_ARGS__ \
	}
#define WIN(w) .window = (w)
/* Shift of the option; the row's field is one more. */
#define SHIFT(n) .wscale = (n) + 1
#define OUT      H(S, 0, 0, WIN(8000)), P(S | A, 0, 1, WIN(4000)), H(A, 1, 1, WIN(8000))
#define IN       P(S, 0, 0, WIN(4000)), H(S | A, 0, 1, WIN(8000)), P(A, 1, 1, WIN(4000))
#define LAG      (128 * 1024)

static void test_handshakes(void **state)
{
	(void)state;
	PLAY(OUT, H(A | PSH, 1, 1, .len = 100), P(A, 1, 101), H(A | U, 101, 1, .len = 5));
	PLAY(IN, P(A, 1, 1, .len = 300), H(A, 1, 301), H(A, 1, 301, .len = 4000));
	assert_int_equal(flow.tally.state, FLOW_ESTABLISHED);
	/* Before the other side has answered. */
	PLAY(H(S, 0, 0), H(A, 1, 1, NOT), H(A, 1, 1, .len = 9, NOT), H(F | A, 1, 1, NOT),
		H(S, 0, 0), H(R, 1, 0), H(S | A, 0, 1), H(S, 0, 0), H(S, 1, 0, .want = BEGINS));
	PLAY(P(S, 0, 0, WIN(4000)), H(S | A, 0, 2, NOT), H(S | A, 0, 1), H(A, 1, 1, .len = 9, NOT),
		H(F | A, 1, 1, NOT), H(S, 0, 0, .want = BEGINS));
	/* An acknowledgement of something else is no answer. */
	PLAY(H(S, 0, 0), P(S | A, 0, 2), H(A, 1, 1, NOT), H(R, 2, 0), P(A, 0, 0), H(A, 1, 1, NOT),
		P(S | A, 77, 1), H(A, 1, 78));
	PLAY(P(S, 0, 0), H(S | A, 0, 1), P(A, 1, 7), H(A, 1, 1, .len = 1, NOT));
	assert_int_equal(flow.tally.state, FLOW_NEW);
}

static void test_simultaneous_open(void **state)
{
	(void)state;
	PLAY(H(S, 0, 0), P(S, 0, 0), H(S | A, 0, 1), P(S | A, 0, 1, WIN(100)), H(A, 1, 1),
		H(A, 1, 1, .len = 100));
	assert_int_equal(flow.tally.state, FLOW_ESTABLISHED);
	/* Its own SYN is a conversation of its own; the other's was before it. */
	PLAY(P(S, 0, 0), H(S, 0, 0, .want = BEGINS), H(S | A, 0, 1), H(A, 1, 1, .len = 1, NOT),
		P(S | A, 0, 1, WIN(100)), H(A, 1, 1, .len = 100), H(A, 1, 1, .len = 200, NOT));
}

static void test_fast_open(void **state)
{
	(void)state;
	PLAY(H(S, 0, 0, .len = 1000), H(S, 0, 0), P(S | A, 0, 1, WIN(3000)),
		H(A, 1, 1, .len = 1000), P(A, 1, 1001));
	PLAY(P(S, 0, 0, .len = 500, WIN(3000)), H(S | A, 0, 501), H(A, 1, 501, .len = 3000),
		H(A, 1, 501, .len = 5000, NOT), P(A, 501, 3001), H(A, 3001, 501));
	PLAY(P(S, 0, 0, .len = 500), H(S | A, 0, 1), H(S | A, 0, 502, NOT));
}

static void test_windows(void **state)
{
	(void)state;
	PLAY(OUT, H(A, 1, 1, .len = 4000), H(A, 4001, 1, .len = 1), /* a window probe */
		H(A, 4001, 1, .len = 2, NOT), H(A, 1, 1, .len = 4002, NOT), P(A, 1, 4001, WIN(0)),
		H(A, 4001, 1, .len = 1), H(A, 4000, 1), H(A, 4001, 1, .len = 9, NOT),
		P(A, 1, 4001, WIN(9)), H(A, 4001, 1, .len = 9));
	/* Scaled only if both offer it, and not in SYNs. */
	PLAY(H(S, 0, 0, SHIFT(7)), P(S | A, 0, 1, SHIFT(14), WIN(1000)),
		H(A, 1, 1, .len = 1002, NOT), P(A, 1, 1, WIN(60)), H(A, 1, 1, .len = 60000),
		H(A, 1 + 60 * 16384 - 60000, 1, .len = 60000),
		H(A, 1 + 60 * 16384, 1, .len = 2, NOT));
	PLAY(H(S, 0, 0), P(S | A, 0, 1, SHIFT(14), WIN(1000)), H(A, 1, 1), P(A, 1, 1, WIN(1000)),
		H(A, 1, 1, .len = 1002, NOT));
	/* Bounded, whatever the peer says. */
	PLAY(H(S, 0, 0, SHIFT(7)), P(S | A, 0, 1, SHIFT(60), WIN(65535)), P(A, 1, 1, WIN(65535)),
		H(A, 16 * MIB + 1, 1, .len = 1), H(A, 16 * MIB + 1, 1, .len = 2, NOT));
	PLAY(OUT, P(A, 1, 2, WIN(9000)), H(A, 4001, 1, .len = 9, NOT)); /* of what was not sent */
	/* Long before what was sent. */
	PLAY(OUT, H(A, 1, 1, .len = 4000), H(A, 4001 - 4096 - LAG, 1, .len = 1),
		H(A, 4001 - 4096 - LAG - 1, 1, .len = 1, NOT), H(A, 1, 1 - 8192 - LAG),
		H(A, 1, 1 - 8192 - LAG - 1, NOT), H(A, 1, 2, NOT), P(A, 1, 1, .len = 9),
		H(A, 1, 10), H(A, 1, 11, NOT));
}

static void test_odd_flags(void **state)
{
	static const uint8_t odd[] = { 0, F, U, PSH, F | PSH | U, 0xff & ~(S | R | A), S | F,
		S | F | A };

	(void)state;
	for (size_t i = 0; i < sizeof(odd); i++) {
		struct row r = H(odd[i], 1, 1);

		PLAY(OUT);
		assert_int_equal(
			send_it(&r, false), r.flags & S && !(r.flags & A) ? BEGINS : FLOW_FITS_NOT);
		PLAY(IN);
		assert_int_equal(
			send_it(&r, false), r.flags & S && !(r.flags & A) ? BEGINS : FLOW_FITS_NOT);
	}
}

static void test_keep_alive(void **state)
{
	(void)state;
	PLAY(OUT, H(A, 0, 1), H(A, 0, 1, .len = 1), P(A, 0, 1), P(A, 0, 1, .len = 1), H(A, 1, 1));
}

static void test_closing(void **state)
{
	(void)state;
	PLAY(OUT, H(F | A, 1, 1), H(F | A, 1, 1), P(A, 1, 2), P(A, 1, 2, .len = 500), H(A, 2, 501),
		H(A, 2, 501, .len = 1, NOT), P(F | A, 501, 2), H(A, 2, 502));
	assert_int_equal(flow.tally.state, FLOW_CLOSED);
	/* In TIME_WAIT: an answer to each FIN, and a few of its own. */
	PLAY(OUT, H(F | A, 1, 1), P(F | A, 1, 2), H(A, 2, 2), P(F | A, 1, 2, .times = 50),
		H(A, 2, 2, .times = 50), H(A, 2, 2, .times = 10), H(A, 2, 2, MANY));
	/* What was lost is sent again after both FINs. */
	PLAY(IN, P(F | A, 1, 1), H(A, 1, 2, .len = 2000), H(F | A, 2001, 2),
		H(A, 1, 2, .len = 2000, .times = 30), H(F | A, 2001, 2, .times = 30));
	assert_int_equal(flow.tally.state, FLOW_ESTABLISHED);
	/* The peer's RSTs call for nothing. */
	PLAY(OUT, P(R, 1, 0), H(A, 1, 1, .times = 9), H(A, 1, 1, MANY), P(R, 1, 0, .times = 50),
		H(A, 1, 1, .len = 100, MANY));
	assert_int_equal(flow.tally.state, FLOW_CLOSED);
}

static void test_resets(void **state)
{
	(void)state;
	PLAY(P(S, 0, 0), H(R | A, ZERO_H, 1)); /* a closed port, seq = 0 */
	assert_int_equal(flow.tally.state, FLOW_CLOSED);
	PLAY(P(S, 0, 0), H(R | A, ZERO_H, 1, .times = 5), H(R | A, 5, 1, MANY),
		P(S, 0, 0, .times = 40), H(R | A, 5, 1, .times = 40), H(R | A, 5, 1, MANY));
	PLAY(H(S, 0, 0), P(R | A, ZERO_P, 1), H(R, 1, 0));
	assert_int_equal(flow.tally.state, FLOW_CLOSED);
	PLAY(H(S, 0, 0), P(R, 9, 0)); /* nobody believes that (RFC 9293, 3.10.7.3) */
	assert_int_equal(flow.tally.state, FLOW_NEW);
	PLAY(P(A, 5, 5), H(R, 5, 0)); /* ACK scan */
	PLAY(OUT, H(R | A, 1000000, 1, NOT), H(R | A, 1, 1, .times = 5), H(R | A, 1, 1, MANY));
	/* A reset that the honeypot does not believe ends nothing. */
	PLAY(OUT, P(R, 2000000, 0), P(R, 3000, 0), H(A, 1, 1), P(A, 1, 1, .len = 100),
		H(A, 1, 101, .len = 50));
	assert_int_equal(flow.tally.state, FLOW_ESTABLISHED);
}

static void test_sent_again(void **state)
{
	(void)state;
	PLAY(H(S, 0, 0), H(S, 0, 0, .times = 8), H(S, 0, 0, MANY), H(S, 1, 0, .want = BEGINS));
	PLAY(P(S, 0, 0), H(S | A, 0, 1, .times = 9), H(S | A, 0, 1, MANY), P(S, 0, 0),
		H(S | A, 0, 1), H(S | A, 0, 1, MANY));
	/* A listener that does not remember chooses another number; the peer may answer either. */
	PLAY(P(S, 0, 0), H(S | A, 0, 1), P(S, 0, 0), H(S | A, 70000000, 1),
		P(A, 1, 70000001, WIN(100)), H(A, 70000001, 1, .len = 100),
		H(A, 70000101, 1, .len = 2, NOT));
	PLAY(P(S, 0, 0), H(S | A, 0, 1), P(S, 0, 0), H(S | A, 70000000, 1), P(A, 1, 1, WIN(100)),
		H(A, 1, 1, .len = 100), H(A, 101, 1, .len = 2, NOT), H(S | A, 70000000, 1),
		H(A, 70000001, 1, NOT));
	PLAY(H(S, 0, 0), P(S | A, 0, 1), H(S, 0, 0), P(S | A, 70000000, 1), H(A, 1, 1));
	PLAY(H(S, 0, 0), P(S | A, 0, 1), H(S, 0, 0), P(S | A, 70000000, 1), H(A, 1, 70000001));
	/* Refused, and tried again with the same number. */
	PLAY(P(S, 0, 0), H(R | A, 0, 1), P(S, 0, 0), H(S | A, 0, 1), P(A, 1, 1, WIN(100)),
		H(A, 1, 1, .len = 100));
	assert_int_equal(flow.tally.state, FLOW_ESTABLISHED);
	PLAY(H(S, 0, 0), P(R | A, ZERO_P, 1), H(S, 0, 0), P(S | A, 0, 1), H(A, 1, 1),
		H(S, 0, 0, .want = BEGINS));
}

static void test_port_reuse(void **state)
{
	(void)state;
	/* One side has forgotten the connection (RFC 9293, 3.5.1). */
	PLAY(IN, P(S, 1000000, 0, .want = BEGINS), H(A, 1, 1), P(R, 1, 0), P(S, 1000000, 0),
		H(S | A, 900, 1000001), P(A, 1000001, 901), H(A, 901, 1000001));
	PLAY(P(S, 0, 0), H(A, 500, 500, .times = 9), H(A, 500, 500, MANY));
	PLAY(OUT, H(S, 1000000, 0, .want = BEGINS), P(A, 1, 1), H(R, 1, 0), H(S, 1000000, 0));
	PLAY(OUT, H(F | A, 1, 1), P(F | A, 1, 2), H(A, 2, 2), H(S, 0, 0, .want = BEGINS));
	PLAY(IN, P(F | A, 1, 1), H(F | A, 1, 2), P(A, 2, 2), P(S, 0, 0, .want = BEGINS),
		H(S | A, 77, 1));
	/* Somebody else's SYN ends no connection of the honeypot, nor hides one of the peer for long. */
	PLAY(OUT, P(S, 50000000, 0), H(A, 1, 1), P(A, 1, 1, .len = 10), H(A, 1, 11, .len = 10));
	PLAY(IN, P(S, 50000000, 0, .want = BEGINS), H(A, 1, 1), P(A, 1, 1, .len = 10),
		H(A, 1, 11, .len = 10));
}

static void test_from_the_middle(void **state)
{
	(void)state;
	PLAY(P(A, 5000, 700, .len = 1460), H(A, 700, 6460), H(A, 700, 6460, .len = 65000),
		H(A, 700 + 8 * MIB, 6460, .len = 100), H(A, 700 + 17 * MIB, 6460, NOT),
		P(A, 900000, 700 + 9 * MIB), H(A, 700 + 17 * MIB, 900000));
	assert_int_equal(flow.tally.state, FLOW_ESTABLISHED);
	PLAY(P(A, 5000, 700, .len = 10), H(A, 900, 90000, .len = 10),
		H(A, 900, 90000 + 17 * MIB, NOT));
	PLAY(P(S | A, 0, 1), H(A, 1, 1, .len = 10)); /* started between SYN and SYN-ACK */
	PLAY(P(A, 1, 1), H(S | A, 0, 1), H(A, 1, 1));
	PLAY(P(F | PSH | U, 5, 0), H(A, 1, 1, .len = 1, NOT), H(R | A, 0, 6));
	/* The last that it says before it is answered counts: others may have forged what came first. */
	PLAY(P(A, 700000000, 800000000), P(A, 1, 1), H(A, 1, 1, .len = 10),
		P(A, 700000000, 800000000), H(A, 11, 1, .len = 10));
}

/* The rest of a datagram in fragments is not seen here. */
static void test_fragments(void **state)
{
	struct row r = P(A, 1, 1, .len = 1000);
	struct frame_packet p = packet_of(&r);

	(void)state;
	PLAY(OUT);
	p.is_fragment = p.first_fragment = true;
	flow_tcp_step(&flow, &p, side_of('P'));
	r = (struct row)H(A, 1, 9001);
	assert_int_equal(send_it(&r, false), FLOW_FITS);
}

static void pay(unsigned side, uint32_t bytes, unsigned times)
{
	while (times--)
		flow_credit_step(&flow, side, bytes);
}

static void test_credit(void **state)
{
	const struct flow_credit limits = { .unanswered = 8 };

	(void)state;
	start(true);
	pay(0, 1024, FLOW_CREDIT_START / 1024);
	assert_false(flow_credit_allows(&flow, 0, 1, 1, &limits));
	pay(1, 60, 1);
	assert_true(flow_credit_allows(&flow, 0, 1, 120000, &limits));
	assert_false(flow_credit_allows(&flow, 0, 1, 120001, &limits));
	pay(1, 1500, 1000000);
	assert_true(flow_credit_allows(&flow, 0, 1, 16 * MIB, &limits));
	assert_false(flow_credit_allows(&flow, 0, 1, 16 * MIB + 1, &limits));
	pay(0, UINT32_MAX, 3);
	assert_false(flow_credit_allows(&flow, 0, 1, 1, &limits));
	start(false);
	pay(1, MIB, 1);
	assert_false(flow_credit_allows(&flow, 1, 1, 1, &limits));

	start(true);
	flow.key.proto = 17;
	for (unsigned i = 0; i < 8; i++, pay(0, 1500, 1))
		assert_true(flow_credit_allows(&flow, 0, 1, 1500, &limits));
	assert_false(flow_credit_allows(&flow, 0, 1, 1500, &limits));
	pay(1, 60, 2);
	pay(0, 1500, 7);
	assert_true(flow_credit_allows(&flow, 0, 1, 1500, &limits));
	assert_false(flow_credit_allows(&flow, 0, 2, 3000, &limits)); /* fragments */
	pay(0, 1500, 1);
	assert_false(flow_credit_allows(&flow, 0, 1, 1500, &limits));
	start(false);
	flow.key.proto = 17;
	pay(1, 1500, 100);
	assert_true(flow_credit_allows(&flow, 1, 1, 1500, &limits));
}

static uint64_t seed = 7;

static uint32_t dice(void)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(seed >> 32);
}

/* Garbage with numbers of the right size passes by chance only; a peer that keeps silent, or closes the
 * connection, gets no more than said in flow.h. */
static void test_attacker(void **state)
{
	const struct flow_credit limits = { 0 };
	unsigned passed = 0, bytes = 0, n = 0;

	(void)state;
	PLAY(OUT);
	for (unsigned i = 0; i < 1000000; i++) {
		struct frame_packet p = { .tcp_flags = dice() & 0xff,
			.tcp_seq = dice(),
			.tcp_ack = dice(),
			.end_at = dice() % 1460 };

		if (!flow_tcp_begins(&flow, &p, 0, true) &&
			flow_tcp_fits(&flow, &p, 0) == FLOW_FITS) {
			passed++;
			flow_tcp_step(&flow, &p, 0);
		}
	}
	print_message("%u of 1000000 packets of garbage passed\n", passed);
	assert_true(passed <= FLOW_RST_MAX + FLOW_CLOSED_MAX + 2);
	PLAY(OUT);
	for (; n < 100000; n++) { /* right numbers */
		struct row r = H(A, 1 + (int32_t)(dice() % 1000), 1, .len = dice() % 1460);

		if (!flow_credit_allows(&flow, 0, 1, 54 + r.len, &limits))
			break;
		assert_int_equal(send_it(&r, false), FLOW_FITS);
		flow_credit_step(&flow, 0, 54 + r.len);
		bytes += 54 + r.len;
	}
	assert_true(bytes <= FLOW_CREDIT_START && bytes > FLOW_CREDIT_START - 1514);
	PLAY(OUT, P(R, 1, 0));
	for (n = passed = 0; n < 100000; n++) {
		struct row r = H(A, 1 + (int32_t)(dice() % 1000), 1, .len = dice() % 1460);
		struct row rst = P(R, 1, 0);

		passed += send_it(&r, false) == FLOW_FITS;
		send_it(&rst, false);
	}
	assert_true(passed <= FLOW_CLOSED_MAX + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshakes),
		cmocka_unit_test(test_simultaneous_open),
		cmocka_unit_test(test_fast_open),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_odd_flags),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_closing),
		cmocka_unit_test(test_resets),
		cmocka_unit_test(test_sent_again),
		cmocka_unit_test(test_port_reuse),
		cmocka_unit_test(test_from_the_middle),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_credit),
		cmocka_unit_test(test_attacker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
