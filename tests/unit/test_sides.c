/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd/fb-lens/sides.h"
#include "frame/frame.h"

enum { TCP = 6, UDP = 17, SYN = 2, ACK = 16, CLIENT = 1, SERVER = 2 };

static struct frame frame_of(uint8_t from, uint8_t to, uint8_t proto, uint8_t flags)
{
	struct frame f = { .n_packets = 1 };
	struct frame_packet *p = &f.packet[0];

	p->src.byte[15] = from;
	p->dst.byte[15] = to;
	p->proto = proto;
	p->has_transport = true;
	p->sport = from == CLIENT ? 40000 : 80;
	p->dport = from == CLIENT ? 80 : 40000;
	p->tcp_flags = flags;
	return f;
}

static void expect(struct sides *s, uint64_t flow, const struct frame *f, bool answers,
	unsigned side, bool midstream)
{
	struct sides_answer got = sides_of(s, flow, f, answers);

	assert_int_equal(got.side, side);
	assert_int_equal(got.midstream, midstream);
}

static void test_who_began(void **state)
{
	const struct frame syn = frame_of(CLIENT, SERVER, TCP, SYN),
			   syn_ack = frame_of(SERVER, CLIENT, TCP, SYN | ACK),
			   there = frame_of(CLIENT, SERVER, TCP, ACK),
			   back = frame_of(SERVER, CLIENT, TCP, ACK),
			   ask = frame_of(CLIENT, SERVER, UDP, 0),
			   answer = frame_of(SERVER, CLIENT, UDP, 0);
	struct sides *s;

	(void)state;
	assert_int_equal(sides_new(100, &s), 0);
	/* From its beginning; what the gate says does not matter then. */
	expect(s, 1, &syn, false, 0, false);
	expect(s, 1, &syn_ack, true, 1, false);
	expect(s, 1, &there, false, 0, false);
	/* The first that is seen is the answer. */
	expect(s, 2, &syn_ack, false, 1, false);
	expect(s, 2, &there, false, 0, false);
	/* Under way: who answers did not begin. */
	expect(s, 3, &back, true, 1, true);
	expect(s, 3, &there, false, 0, true);
	expect(s, 4, &there, false, 0, true);
	expect(s, 4, &back, true, 1, true);
	expect(s, 5, &answer, true, 1, false);
	expect(s, 5, &ask, false, 0, false);
	expect(s, 6, &ask, false, 0, false);
	expect(s, 6, &answer, true, 1, false);
	/* No conversation, no packet. */
	expect(s, 0, &back, true, 0, false);
	expect(s, 7, &(struct frame){ 0 }, true, 0, false);
	sides_free(s);
}

/* A part of a datagram has no ports. */
static void test_fragment(void **state)
{
	struct frame first = frame_of(CLIENT, SERVER, UDP, 0), later = first,
		     back = frame_of(SERVER, CLIENT, UDP, 0);
	struct sides *s;

	(void)state;
	later.packet[0].has_transport = back.packet[0].has_transport = false;
	later.packet[0].sport = back.packet[0].sport = 0;
	assert_int_equal(sides_new(100, &s), 0);
	expect(s, 1, &first, false, 0, false);
	expect(s, 1, &later, false, 0, false);
	expect(s, 1, &back, true, 1, false);
	sides_free(s);
}

/* More than there is room for: the oldest are forgotten, those in use are not. */
static void test_full(void **state)
{
	const struct frame syn = frame_of(CLIENT, SERVER, TCP, SYN),
			   back = frame_of(SERVER, CLIENT, TCP, ACK);
	struct sides *s;

	(void)state;
	assert_int_equal(sides_new(64, &s), 0);
	expect(s, 1, &syn, false, 0, false);
	for (uint64_t flow = 2; flow < 5000; flow++) {
		expect(s, flow, &syn, false, 0, false);
		expect(s, 1, &back, true, 1, false);
	}
	expect(s, 2, &back, false, 0, true);
	sides_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_began),
		cmocka_unit_test(test_fragment),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
