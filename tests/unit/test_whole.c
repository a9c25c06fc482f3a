/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "packets.h"
#include "whole_check.h"

#define SECOND 1000000000ll

enum { MAC_AT = 11, FRAME_MAX = 70000, PARTS = 80 };

/* A whole frame, and where it may be cut. */
struct big {
	uint32_t len, l3_at, data_at,
		next_at; /* next_at: IPv6, the byte that names what is at data_at */
	uint8_t at[FRAME_MAX];
};

/* What to make. */
struct plan {
	unsigned version, tags, proto, len; /* len: of the data, transport header included */
	unsigned before, behind; /* IPv6: extension headers; IPv4: `before` words of options */
	unsigned id;
};

static struct whole *whole;
static struct gate_time now;
static const struct whole_set *set;
static struct big packet, part;
static uint64_t seed, n_given;
static struct {
	uint8_t *data;
	uint32_t len;
} given[1 << 16];     /* copies of all that was given, by number; the first few of a test only */
static uint8_t *last; /* the frame given last, in memory of its own size */

static uint32_t any(uint32_t n)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(seed >> 33) % n;
}

static int set_up(void **state)
{
	(void)state;
	seed = 7;
	n_given = 0;
	now = (struct gate_time){ .wall_ns = 1700000000 * SECOND, .steady_ns = 0 };
	return whole_new(&whole);
}

static int tear_down(void **state)
{
	(void)state;
	whole = whole_free(whole);
	for (uint64_t i = 0; i < n_given && i < 1 << 16; i++)
		free(given[i].data);
	free(last);
	last = NULL;
	return 0;
}

/* ---- making packets and parts ---- */

static void big16(uint32_t at, uint32_t v, struct big *to)
{
	to->at[at] = (uint8_t)(v >> 8);
	to->at[at + 1] = (uint8_t)v;
}

static void big_put(struct big *to, const void *bytes, uint32_t n)
{
	memcpy(to->at + to->len, bytes, n);
	to->len += n;
}

static void make_ip4(const struct plan *plan, struct big *to)
{
	struct bytes b = { 0 };
	uint32_t sum = 0, header = 20 + 4 * plan->before;

	put_ip4(&b, "10.0.0.1", "192.0.2.9", plan->proto, plan->len + 4 * plan->before, plan->id,
		0);
	for (unsigned i = 0; i < 4 * plan->before; i++)
		put8(&b, 1);
	b.at[0] = (uint8_t)(0x40 | header / 4);
	big_put(to, b.at, b.len);
	for (uint32_t i = 0; i < header; i += 2)
		sum += (uint32_t)(b.at[i] << 8 | b.at[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	big16(to->l3_at + 10, ~(sum + (sum >> 16)), to);
}

/* Extension headers of random kind and length, each of which names the next. */
static void make_extensions(unsigned n, bool behind, struct big *to, uint32_t *next_at)
{
	static const uint8_t kinds[] = { 60, 43, 51, 60 };

	for (unsigned i = 0; i < n; i++) {
		uint8_t kind = i == 0 && !behind ? 0 : kinds[any(4)];
		uint8_t body[64] = { 0 };
		uint32_t len = 8 * (1 + any(4));

		body[1] = (uint8_t)(kind == 51 ? len / 4 - 2 : len / 8 - 1);
		to->at[*next_at] = kind;
		*next_at = to->len;
		big_put(to, body, len);
	}
}

static void make_ip6(const struct plan *plan, struct big *to)
{
	struct bytes b = { 0 };
	uint32_t next_at = to->l3_at + 6;

	put_ip6(&b, "2001:db8::1", "2001:db8::9", 0, 0, 64);
	big_put(to, b.at, b.len);
	make_extensions(plan->before, false, to, &next_at);
	to->next_at = next_at;
	to->data_at = to->len;
	make_extensions(plan->behind, true, to, &next_at);
	to->at[next_at] = (uint8_t)plan->proto;
}

static void make(const struct plan *plan, struct big *to)
{
	struct bytes b;
	uint32_t at;

	put_ethernet(&b, 2, 1, plan->tags ? 0x8100 : plan->version == 4 ? 0x800 : 0x86dd);
	for (unsigned i = 1; i <= plan->tags; i++) {
		put16(&b, i << 13 | i);
		put16(&b, i < plan->tags ? 0x8100 : plan->version == 4 ? 0x800 : 0x86dd);
	}
	to->len = 0;
	big_put(to, b.at, b.len);
	to->l3_at = to->len;
	if (plan->version == 4) {
		make_ip4(plan, to);
		to->data_at = to->len;
	} else {
		make_ip6(plan, to);
	}
	at = to->len;
	for (unsigned i = 0; i < plan->len; i++)
		to->at[to->len++] = (uint8_t)any(256);
	if (plan->proto == 17)
		big16(at + 4, plan->len, to);
	if (plan->proto == 6)
		big16(at + 12, 0x5010, to);
	if (plan->version == 6)
		big16(to->l3_at + 4, to->len - to->l3_at - 40, to);
}

/* One part of `packet` into `part`. */
static void cut(const struct plan *plan, uint32_t at, uint32_t len, bool is_last)
{
	uint8_t header[8] = { packet.at[packet.next_at], 0, (uint8_t)(at >> 8),
		(uint8_t)(at | !is_last), 0, 0, (uint8_t)(plan->id >> 8), (uint8_t)plan->id };

	part = (struct big){ .l3_at = packet.l3_at, .next_at = packet.next_at };
	big_put(&part, packet.at, packet.data_at);
	if (plan->version == 6) {
		part.at[part.next_at] = 44;
		big_put(&part, header, 8);
	}
	part.data_at = part.len;
	big_put(&part, packet.at + packet.data_at + at, len);
	if (plan->version == 6) {
		big16(part.l3_at + 4, part.len - part.l3_at - 40, &part);
	} else {
		big16(part.l3_at + 2, part.len - part.l3_at, &part);
		big16(part.l3_at + 4, plan->id, &part);
		big16(part.l3_at + 6, at / 8 | (is_last ? 0 : 0x2000), &part);
		big16(part.l3_at + 10, 0, &part);
	}
}

/* Later parts of IPv4 need not have the options. */
static void lose_options(void)
{
	uint32_t options = (part.at[part.l3_at] & 15) * 4u - 20;

	memmove(part.at + part.l3_at + 20, part.at + part.l3_at + 20 + options,
		part.len - part.l3_at - 20 - options);
	part.len -= options;
	part.at[part.l3_at] = 0x45;
	big16(part.l3_at + 2, part.len - part.l3_at, &part);
}

/* ---- giving them ---- */

static uint8_t *copy(const void *bytes, uint32_t len)
{
	uint8_t *own = malloc(len);

	memcpy(own, bytes, len);
	return own;
}

/* All of a set came in this order and with these bytes. */
static void check_set(void)
{
	assert_true(whole_set_holds(set));
	for (unsigned i = 0; i < set->n; i++) {
		const struct whole_part *p = &set->part[i];

		assert_true(i == 0 || p->packet > set->part[i - 1].packet);
		assert_true(p->packet < n_given);
		if (p->packet >= 1 << 16)
			continue;
		assert_int_equal(p->len, given[p->packet].len);
		assert_memory_equal(p->data, given[p->packet].data, p->len);
	}
}

static enum whole_result give_cut(uint32_t missing)
{
	struct frame f;
	enum whole_result result;

	free(last);
	last = copy(part.at, part.len);
	if (n_given < 1 << 16) {
		given[n_given].data = copy(part.at, part.len);
		given[n_given].len = part.len;
	}
	frame_parse(last, part.len, FRAME_LINK_ETHERNET, &f);
	f.wire_len += missing;
	result = whole_take(whole, 1, &f, &now, n_given++, &set);
	if (result == WHOLE_SET)
		check_set();
	return result;
}

static enum whole_result give(void)
{
	return give_cut(0);
}

static void assert_bad(enum whole_result result, enum whole_fault fault, unsigned n)
{
	assert_int_equal(result, WHOLE_SET);
	assert_int_equal(set->fault, fault);
	assert_int_equal(set->n, n);
}

static void assert_is_packet(enum whole_result result)
{
	assert_int_equal(result, WHOLE_SET);
	assert_int_equal(set->fault, WHOLE_COMPLETE);
	assert_int_equal(set->datagram_len, packet.len);
	assert_memory_equal(set->datagram, packet.at, packet.len);
}

static unsigned expire(int64_t steady_ns)
{
	unsigned n = 0;

	for (; (set = whole_expired(whole, steady_ns)); n++) {
		assert_int_equal(set->fault, WHOLE_LATE);
		check_set();
	}
	return n;
}

/* ---- tests ---- */

static void test_others_are_not_held(void **state)
{
	struct plan plan = { .version = 6, .proto = 17, .len = 40 };

	(void)state;
	make(&plan, &packet);
	part = packet;
	assert_int_equal(give(), WHOLE_NOT);
	cut(&plan, 0, 40, true); /* atomic */
	assert_int_equal(give(), WHOLE_NOT);
	part.len = 10;
	assert_int_equal(give(), WHOLE_NOT);
	assert_int_equal(whole_held(whole).frames, 0);
}

enum twist {
	PLAIN,
	TTL,
	TOS,
	RECEIVER, /* another destination MAC */
	TAG,
	CUT,
	SNAP,
	MPLS,
	SOURCE_ROUTE,
	NEXT,        /* another next header in the fragment header */
	NESTED,      /* one that says fragment header */
	EXTENSION,   /* one byte of the headers before it */
	SHORT,       /* the packet longer than the frame */
	PADDING,     /* which is no fault */
	NOTHING,     /* no data */
	WRONG_FLAGS, /* TCP SYN and FIN */
};

struct piece {
	unsigned at, len;
	bool last;
	enum twist twist;
};

struct story {
	const char *name;
	unsigned version;
	enum whole_fault fault;
	struct piece piece[4]; /* ends with one of no length */
};

/* The packet has 64 bytes of data. All but the last piece are held. */
static const struct story stories[] = {
	{ "two", 4, WHOLE_COMPLETE, { { 0, 32 }, { 32, 32, true } } },
	{ "three backwards", 6, WHOLE_COMPLETE, { { 40, 24, true }, { 16, 24 }, { 0, 16 } } },
	{ "padding", 4, WHOLE_COMPLETE, { { 0, 8, .twist = PADDING }, { 8, 56, true, PADDING } } },
	{ "copy", 4, WHOLE_OVERLAP, { { 0, 32 }, { 0, 32 } } },
	{ "copy of the end", 6, WHOLE_OVERLAP, { { 32, 32, true }, { 32, 32, true } } },
	{ "over the begin", 4, WHOLE_OVERLAP, { { 16, 16 }, { 8, 16 } } },
	{ "over the end", 6, WHOLE_OVERLAP, { { 16, 16 }, { 24, 16 } } },
	{ "around", 4, WHOLE_OVERLAP, { { 16, 8 }, { 0, 64 } } },
	{ "inside", 6, WHOLE_OVERLAP, { { 0, 56 }, { 16, 8 } } },
	{ "by one byte", 4, WHOLE_OVERLAP, { { 8, 49, true }, { 56, 8 } } },
	{ "an end before a part", 4, WHOLE_END, { { 48, 16 }, { 16, 16, true } } },
	{ "a part behind the end", 6, WHOLE_END, { { 16, 16, true }, { 48, 16 } } },
	{ "a part at the end", 6, WHOLE_END, { { 16, 16, true }, { 32, 16 } } },
	{ "two ends", 4, WHOLE_END, { { 16, 16, true }, { 32, 16, true } } },
	{ "two ends, the first later", 4, WHOLE_END, { { 32, 16, true }, { 16, 16, true } } },
	{ "not by 8", 4, WHOLE_MALFORMED, { { 8, 8 }, { 16, 9 } } },
	{ "not by 8", 6, WHOLE_MALFORMED, { { 8, 8 }, { 16, 15 } } },
	{ "no data", 4, WHOLE_TINY, { { 8, 8 }, { 16, 0, .twist = NOTHING } } },
	{ "no data at the end", 6, WHOLE_TINY, { { 8, 8 }, { 16, 0, true, NOTHING } } },
	{ "cut", 4, WHOLE_CUT, { { 8, 8 }, { 16, 8, .twist = CUT } } },
	{ "longer than the frame", 4, WHOLE_MALFORMED, { { 8, 8 }, { 16, 8, .twist = SHORT } } },
	{ "longer than the frame", 6, WHOLE_MALFORMED, { { 8, 8 }, { 16, 8, .twist = SHORT } } },
	{ "SNAP", 4, WHOLE_LINK, { { 8, 8 }, { 16, 8, .twist = SNAP } } },
	{ "MPLS", 4, WHOLE_LINK, { { 8, 8 }, { 16, 8, .twist = MPLS } } },
	{ "TTL", 4, WHOLE_DIFFERS, { { 8, 8 }, { 16, 8, .twist = TTL } } },
	{ "hop limit", 6, WHOLE_DIFFERS, { { 8, 8 }, { 16, 8, .twist = TTL } } },
	{ "TOS", 4, WHOLE_DIFFERS, { { 8, 8 }, { 16, 8, .twist = TOS } } },
	{ "traffic class", 6, WHOLE_DIFFERS, { { 8, 8 }, { 16, 8, .twist = TOS } } },
	{ "destination MAC", 4, WHOLE_DIFFERS, { { 8, 8 }, { 16, 8, .twist = RECEIVER } } },
	{ "tag", 6, WHOLE_DIFFERS, { { 8, 8 }, { 16, 8, .twist = TAG } } },
	{ "source route", 4, WHOLE_MALFORMED, { { 8, 8 }, { 16, 8, .twist = SOURCE_ROUTE } } },
	{ "next header", 6, WHOLE_DIFFERS, { { 8, 8 }, { 16, 8, .twist = NEXT } } },
	{ "extension", 6, WHOLE_DIFFERS, { { 8, 8 }, { 16, 8, .twist = EXTENSION } } },
	{ "nested", 6, WHOLE_MALFORMED, { { 8, 8 }, { 16, 8, .twist = NESTED } } },
	{ "nested first", 6, WHOLE_MALFORMED, { { 32, 8 }, { 0, 32, .twist = NESTED } } },
	{ "tiny", 4, WHOLE_TINY, { { 24, 40, true }, { 0, 16 } } },
	{ "tiny", 6, WHOLE_TINY, { { 0, 16 } } },
	{ "flags", 4, WHOLE_MALFORMED, { { 24, 40, true }, { 0, 24, .twist = WRONG_FLAGS } } },
};

static void insert(uint32_t at, const void *bytes, uint32_t len)
{
	memmove(part.at + at + len, part.at + at, part.len - at);
	memcpy(part.at + at, bytes, len);
	part.len += len;
}

static void apply(unsigned version, enum twist twist)
{
	uint8_t *ip = part.at + part.l3_at;

	switch (twist) {
	case TTL:
		ip[version == 4 ? 8 : 7]--;
		break;
	case TOS:
		ip[1] ^= 0x10;
		break;
	case RECEIVER:
		part.at[5]++;
		break;
	case TAG:
		insert(12, "\x81\x00\x00\x05", 4);
		break;
	case SNAP:
		insert(14, "\xaa\xaa\x03\0\0\0\x08\0", 8);
		big16(12, part.len - 14, &part);
		break;
	case MPLS:
		insert(14, "\0\0\x11\x40", 4);
		big16(12, 0x8847, &part);
		break;
	case SOURCE_ROUTE:
		insert(34, "\x01\x83\x03\x04", 4);
		ip[0] = 0x46;
		big16(part.l3_at + 2, part.len - part.l3_at, &part);
		break;
	case NEXT:
		part.at[part.data_at - 8] = 17;
		break;
	case NESTED:
		part.at[part.data_at - 8] = 44;
		memcpy(part.at + part.data_at, "\x3b\0\0\0\0\0\0\5", 8);
		break;
	case EXTENSION:
		part.at[part.data_at - 10]++;
		break;
	case SHORT:
		part.len -= 4;
		break;
	case PADDING:
		memset(part.at + part.len, 0x55, 7);
		part.len += 7;
		break;
	case WRONG_FLAGS:
		part.at[part.data_at + 13] = 3;
		break;
	default:
		break;
	}
}

static bool is_piece(const struct piece *p)
{
	return p->len > 0 || p->twist == NOTHING;
}

/* What comes later with the same key is bad, for the whole time. */
static void tell_more(const struct plan *plan, enum whole_fault fault)
{
	bool complete = fault == WHOLE_COMPLETE;

	cut(plan, 24, 8, false);
	for (unsigned i = 0; i < 2; i++) {
		assert_bad(give(), complete ? WHOLE_REUSED : fault, 1);
		if (i == 0)
			now.steady_ns += (complete ? WHOLE_REUSE_S : WHOLE_S) * SECOND - 1;
	}
	now.steady_ns++;
	assert_int_equal(give(), WHOLE_HELD);
	now.steady_ns += WHOLE_S * SECOND;
	assert_int_equal(expire(now.steady_ns), 1);
}

static void tell(const struct story *s)
{
	/* A first part without a whole TCP header is tiny; with UDP 8 bytes do. */
	struct plan plan = { .version = s->version, .len = 64, .id = 5 };
	const struct piece *p = s->piece;

	plan.before = s->version == 6;
	plan.proto = s->fault == WHOLE_COMPLETE ? 17 : 6;
	make(&plan, &packet);
	for (;; p++) {
		enum whole_result result;

		cut(&plan, p->at, p->len, p->last);
		apply(s->version, p->twist);
		result = give_cut(p->twist == CUT);
		if (!is_piece(p + 1)) {
			assert_bad(result, s->fault, (unsigned)(p - s->piece) + 1);
			break;
		}
		assert_int_equal(result, WHOLE_HELD);
	}
	assert_int_equal(whole_held(whole).datagrams, 0);
	tell_more(&plan, s->fault);
}

static void test_stories(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		print_message("  %s (IPv%u)\n", stories[i].name, stories[i].version);
		tell(&stories[i]);
	}
}

/* The n-th order of `n` things. */
static void order(unsigned n, unsigned number, unsigned *ret_order)
{
	for (unsigned i = 0; i < n; i++)
		ret_order[i] = i;
	for (unsigned i = n; i > 1; number /= i, i--) {
		unsigned j = number % i, keep = ret_order[i - 1];

		ret_order[i - 1] = ret_order[j];
		ret_order[j] = keep;
	}
}

static void test_every_order(void **state)
{
	unsigned at[PARTS], orders = 1;

	(void)state;
	for (unsigned n = 2; n <= 6; n++) {
		orders *= n;
		for (unsigned i = 0; i < 2 * orders; i++) {
			struct plan plan = { .version = i % 2 ? 4 : 6, .proto = 17, .id = i };

			plan.len = 8 * n - i % 3;
			make(&plan, &packet);
			order(n, i / 2, at);
			for (unsigned k = 0; k < n; k++) {
				bool end = at[k] == n - 1;

				cut(&plan, 8 * at[k], end ? plan.len - 8 * at[k] : 8, end);
				if (k < n - 1)
					assert_int_equal(give(), WHOLE_HELD);
			}
			assert_is_packet(give());
		}
		now.steady_ns += WHOLE_REUSE_S * SECOND;
	}
}

/* Cuts the packet at random places, `least` bytes or more first; the parts go in random order. */
static void give_in_pieces(const struct plan *plan, uint32_t least)
{
	uint32_t len, at[PARTS], all = packet.len - packet.data_at, most = all / 20 + 9;
	unsigned turn[PARTS], n = 0;

	for (uint32_t next = 0; next < all; n++) {
		at[n] = next;
		next += (n ? 8 : least) + (any(most) & ~7u);
		if (n == PARTS - 1 || next > all)
			next = all;
	}
	if (n < 2 || n > WHOLE_PARTS_MAX)
		return;
	order(n, any(1 << 30), turn);
	for (unsigned k = 0; k < n; k++) {
		unsigned i = turn[k];

		len = (i == n - 1 ? all : at[i + 1]) - at[i];
		cut(plan, at[i], len, i == n - 1);
		if (plan->version == 4 && i > 0 && any(2))
			lose_options();
		if (k < n - 1)
			assert_int_equal(give(), WHOLE_HELD);
	}
	assert_is_packet(give());
	assert_int_equal(set->n, n);
}

static void test_random_cuts(void **state)
{
	static const uint8_t protos[] = { 17, 6, 132, 136, 253 };

	(void)state;
	for (unsigned i = 0; i < 1500; i++) {
		struct plan plan = {
			.version = any(2) ? 4 : 6, .tags = any(3), .proto = protos[any(5)], .id = i
		};
		uint32_t least;

		plan.len = 20 + any(i % 50 ? 2000 : 60000);
		plan.before = any(plan.version == 4 ? 11 : 4);
		plan.behind = any(4);
		make(&plan, &packet);
		least = (packet.len - plan.len - packet.data_at + 20 + 7) & ~7u;
		give_in_pieces(&plan, least);
		assert_int_equal(whole_held(whole).frames, 0);
		now.steady_ns += SECOND / 10;
	}
}

static void test_longest(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct plan plan = { .version = i % 2 ? 6 : 4, .proto = 17, .id = i };
		unsigned over = i / 2, all,
			 at = 0; /* fits, one byte too many, more than there can be */

		plan.len = (over == 2 ? 65536 : 65535 + over) - (i % 2 || over == 2 ? 0 : 20);
		make(&plan, &packet);
		all = packet.len - packet.data_at;
		for (; at + 1400 < all; at += 1400) {
			cut(&plan, at, 1400, false);
			assert_int_equal(give(), WHOLE_HELD);
		}
		cut(&plan, at, all - at, true);
		if (over == 0)
			assert_is_packet(give());
		else
			assert_bad(give(), WHOLE_LONG, at / 1400 + 1);
	}
}

static void test_one_too_many(void **state)
{
	struct plan plan = { .version = 4, .proto = 17, .len = 8 * 70 };

	(void)state;
	make(&plan, &packet);
	for (unsigned i = 0; i < WHOLE_PARTS_MAX; i++) {
		cut(&plan, 8 * i, 8, false);
		assert_int_equal(give(), WHOLE_HELD);
	}
	assert_int_equal(whole_held(whole).frames, WHOLE_PARTS_MAX);
	cut(&plan, 8 * WHOLE_PARTS_MAX, 8, true);
	assert_bad(give(), WHOLE_MANY, WHOLE_PARTS_MAX + 1);
	assert_int_equal(whole_held(whole).frames, 0);
}

/* A little data in long frames. */
static void test_padding_counts(void **state)
{
	struct plan plan = { .version = 4, .proto = 17, .len = 8 * 70, .id = 1 };
	unsigned n = 0;

	(void)state;
	make(&plan, &packet);
	for (;; n++) {
		cut(&plan, 8 * n, 8, false);
		part.len = 1514;
		if ((n + 1) * 1514 > WHOLE_BYTES_MAX)
			break;
		assert_int_equal(give(), WHOLE_HELD);
	}
	assert_bad(give(), WHOLE_LONG, n + 1);
}

static void test_late(void **state)
{
	struct plan plan = { .version = 6, .proto = 17, .len = 64 };

	(void)state;
	make(&plan, &packet);
	cut(&plan, 0, 32, false);
	assert_int_equal(give(), WHOLE_HELD);
	now.steady_ns += WHOLE_S * SECOND - 1;
	assert_int_equal(expire(now.steady_ns), 0);
	cut(&plan, 32, 8, false);
	assert_int_equal(give(), WHOLE_HELD); /* the time is from the first part */
	now.steady_ns++;
	cut(&plan, 40, 24, true);
	assert_bad(give(), WHOLE_LATE, 3);
	for (unsigned i = 0; i < 5; i++, now.steady_ns += SECOND / 2) {
		plan.id = i;
		cut(&plan, 8, 24, false);
		assert_int_equal(give(), WHOLE_HELD);
	}
	now.steady_ns += 3 * SECOND;
	for (unsigned i = 0; i < 2; i++) { /* the oldest first */
		set = whole_expired(whole, now.steady_ns);
		assert_non_null(set);
		assert_int_equal(set->part[0].packet, 3 + i);
	}
	assert_null(whole_expired(whole, now.steady_ns));
	assert_int_equal(whole_held(whole).datagrams, 3);
	plan.id = 0; /* nothing of it was sent: it may come again */
	cut(&plan, 0, 32, false);
	assert_int_equal(give(), WHOLE_HELD);
	assert_int_equal(expire(INT64_MAX), 4);
	assert_int_equal(whole_held(whole).frames, 0);
}

static enum whole_result give_of(const struct plan *plan, uint8_t mac, bool second)
{
	cut(plan, second ? 16 : 0, 16, second);
	part.at[MAC_AT] = mac;
	return give();
}

static void test_flood_of_datagrams(void **state)
{
	struct plan plan = { .version = 4, .proto = 17, .len = 32 };
	unsigned share = WHOLE_DATAGRAMS_MAX / WHOLE_SHARE, n_held = 0;

	(void)state;
	make(&plan, &packet);
	for (unsigned mac = 1; mac <= WHOLE_SHARE; mac++) {
		for (plan.id = 0; plan.id < share; plan.id++)
			assert_int_equal(give_of(&plan, (uint8_t)mac, false), WHOLE_HELD);
		for (; plan.id < 1000; plan.id++)
			assert_bad(give_of(&plan, (uint8_t)mac, false), WHOLE_NO_ROOM, 1);
		n_held = whole_held(whole).datagrams;
		assert_int_equal(n_held, mac * share);
	}
	assert_bad(give_of(&plan, 99, false), WHOLE_NO_ROOM, 1);
	for (unsigned mac = 1; mac <= WHOLE_SHARE; mac++) { /* none of them was given up */
		for (plan.id = 0; plan.id < share; plan.id++) {
			assert_int_equal(give_of(&plan, (uint8_t)mac, true), WHOLE_SET);
			assert_int_equal(set->fault, WHOLE_COMPLETE);
		}
	}
	assert_int_equal(whole_held(whole).datagrams, 0);
	assert_int_equal(give_of(&plan, 99, false), WHOLE_HELD);
}

/* Returns how many of `n` datagrams of one sender, all within WHOLE_REUSE_S, find room. */
static unsigned send_many(struct plan *plan, uint8_t mac, unsigned n)
{
	unsigned good = 0;

	for (plan->id = 0; plan->id < n; plan->id++) {
		if (give_of(plan, mac, false) == WHOLE_HELD) {
			assert_int_equal(give_of(plan, mac, true), WHOLE_SET);
			assert_int_equal(set->fault, WHOLE_COMPLETE);
			good++;
		} else {
			assert_int_equal(set->fault, WHOLE_NO_ROOM);
		}
	}
	return good;
}

static void test_flood_of_keys(void **state)
{
	struct plan plan = { .version = 4, .proto = 17, .len = 32 };
	unsigned share = WHOLE_KEYS_MAX / WHOLE_SHARE;

	(void)state;
	make(&plan, &packet);
	for (uint8_t mac = 1; mac <= 2; mac++)
		assert_in_range(send_many(&plan, mac, 10000), share * 3 / 4, share);
	assert_int_equal(send_many(&plan, 3, 500), 500);
	now.steady_ns += WHOLE_REUSE_S * SECOND;
	assert_in_range(send_many(&plan, 1, 10000), share * 3 / 4, share);
}

/* ---- random parts against a slow model ---- */

enum { KEYS = 8, DATA = 64 };

struct model {
	bool waits, over, there[2 * DATA];
	int64_t until_ns;
	unsigned n, end, reach;
};

static bool model_takes(struct model *m, const struct piece *p)
{
	unsigned end = p->at + p->len;

	if ((!p->last && p->len % 8) || (p->at == 0 && p->len < 8))
		return false;
	for (unsigned i = p->at; i < end; i++) {
		if (m->there[i])
			return false;
		m->there[i] = true;
	}
	if (p->last ? m->end || m->reach > end : m->end && end > m->end)
		return false;
	if (p->last)
		m->end = end;
	m->reach = end > m->reach ? end : m->reach;
	return true;
}

static bool model_is_whole(const struct model *m)
{
	for (unsigned i = 0; i < m->end; i++)
		if (!m->there[i])
			return false;
	return m->end > 0;
}

/* What whole_take() must say, and how many parts the set has. */
static enum whole_result model_step(
	struct model *m, const struct piece *p, bool *ret_whole, unsigned *ret_n)
{
	*ret_whole = false;
	*ret_n = 1;
	if (m->over && m->until_ns > now.steady_ns)
		return WHOLE_SET;
	if (!m->waits)
		*m = (struct model){ .waits = true, .until_ns = now.steady_ns + WHOLE_S * SECOND };
	*ret_n = ++m->n;
	if (m->until_ns > now.steady_ns && model_takes(m, p)) {
		*ret_whole = model_is_whole(m);
		if (!*ret_whole)
			return WHOLE_HELD;
		m->until_ns = now.steady_ns + WHOLE_REUSE_S * SECOND;
	}
	m->waits = false;
	m->over = true;
	return WHOLE_SET;
}

static void model_expire(struct model *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < KEYS; i++) {
		if (m[i].waits && m[i].until_ns <= now.steady_ns) {
			m[i].waits = false;
			n++;
		}
	}
	assert_int_equal(expire(now.steady_ns), n);
}

static struct piece random_piece(void)
{
	struct piece p = { .at = 8 * any(5), .last = any(3) == 0 };

	p.len = p.last ? 1 + any(24) : 8 * (1 + any(3)) - (any(20) == 0);
	return p.at == 0 && p.last ? (struct piece){ .len = 8 } : p;
}

static void test_attacker(void **state)
{
	static struct model model[KEYS];
	unsigned wholes = 0;

	(void)state;
	memset(model, 0, sizeof(model));
	for (unsigned i = 0; i < 60000; i++) {
		unsigned key = any(KEYS), n;
		struct plan plan = { .version = key % 2 ? 4 : 6, .proto = 17, .len = DATA };
		struct piece p = random_piece();
		bool is_whole;
		enum whole_result result;

		plan.id = key;
		now.steady_ns += any(8) ? 0 : any(6) * SECOND;
		if (any(4) == 0)
			model_expire(model);
		make(&plan, &packet);
		cut(&plan, p.at, p.len, p.last);
		result = model_step(&model[key], &p, &is_whole, &n);
		assert_int_equal(give(), result);
		if (result == WHOLE_SET) {
			assert_int_equal(set->fault == WHOLE_COMPLETE, is_whole);
			assert_int_equal(set->n, n);
		}
		wholes += is_whole;
	}
	assert_true(wholes > 200);
}

#define WHOLE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WHOLE_TEST(test_others_are_not_held),
		WHOLE_TEST(test_stories),
		WHOLE_TEST(test_every_order),
		WHOLE_TEST(test_random_cuts),
		WHOLE_TEST(test_longest),
		WHOLE_TEST(test_one_too_many),
		WHOLE_TEST(test_padding_counts),
		WHOLE_TEST(test_late),
		WHOLE_TEST(test_flood_of_datagrams),
		WHOLE_TEST(test_flood_of_keys),
		WHOLE_TEST(test_attacker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
