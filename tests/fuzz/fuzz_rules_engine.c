/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules made of the input's first bytes, held against segments made of the rest: with the prefilter
 * and without it, whole and in pieces, the same rules must be hit; and when nobody wants to hear of hits,
 * those that leave marks. The alphabet is small, so that things match.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "rules_kit.h"

#define RULES  4
#define PIECES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at;
	size_t len;
};

static unsigned take(struct input *in, unsigned below)
{
	unsigned byte = in->len ? in->at[0] : 0;

	if (in->len) {
		in->at++;
		in->len--;
	}
	return byte % below;
}

/* What depends on where the bytes end now is not the same in pieces. */
struct made {
	char text[4096];
	size_t len;
	bool pieces_differ;
	uint32_t acts; /* rules that leave marks, as hits_of() counts them */
};

static void add(struct made *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct made *m, const char *format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(m->text + m->len, sizeof(m->text) - m->len, format, arguments);
	va_end(arguments);
	if (n > 0 && (size_t)n < sizeof(m->text) - m->len)
		m->len += (size_t)n;
}

static void add_word(struct made *m, struct input *in)
{
	for (unsigned n = 1 + take(in, 5); n > 0; n--)
		add(m, "%c", "abcAB1"[take(in, 6)]);
}

static void add_place(struct made *m, struct input *in, bool first)
{
	switch (take(in, first ? 4 : 8)) {
	case 1:
		add(m, "offset:%u; ", take(in, 8));
		break;
	case 2:
		add(m, "offset:%u; depth:%u; ", take(in, 8), 5 + take(in, 20));
		break;
	case 3:
		add(m, "nocase; ");
		break;
	case 4:
		add(m, "distance:%d; ", (int)take(in, 12) - 4);
		break;
	case 5:
		add(m, "distance:%d; within:%u; ", (int)take(in, 12) - 4, 5 + take(in, 20));
		break;
	case 6:
		add(m, "within:%u; ", 5 + take(in, 20));
		break;
	case 7:
		add(m, "distance:0; nocase; ");
		break;
	default:
		break;
	}
}

static void add_number(struct made *m, struct input *in)
{
	switch (take(in, 4)) {
	case 0:
		add(m, "byte_test:1,%c,%u,%u,relative; ", "<>=&"[take(in, 4)], 48 + take(in, 60),
			take(in, 4));
		break;
	case 1:
		add(m, "byte_jump:1,%u,relative,string,dec; ", take(in, 3));
		break;
	case 2:
		add(m,
			"byte_extract:1,%u,v,relative,string,dec; content:\"a\"; distance:v; "
			"within:3; ",
			take(in, 3));
		break;
	default:
		add(m, "isdataat:%u,relative; ", take(in, 12));
		break;
	}
}

static void add_option(struct made *m, struct input *in, bool first)
{
	unsigned kind = first ? 0 : take(in, 8);

	switch (kind) {
	case 4:
		add_number(m, in);
		break;
	case 5:
		add(m, "pcre:\"/%s/%s\"; ",
			(const char *[]){ "a+b", "^.?b", "[ab]c", "a.{0,3}c" }[take(in, 4)],
			take(in, 2) ? "R" : "");
		break;
	case 6:
		m->pieces_differ = true;
		add(m, "content:!\"");
		add_word(m, in);
		add(m, "\"; ");
		add_place(m, in, false);
		break;
	case 7:
		m->pieces_differ = true;
		add(m, take(in, 2) ? "isdataat:!%u,relative; " : "isdataat:!%u; ", 1 + take(in, 9));
		break;
	default:
		add(m, "content:\"");
		add_word(m, in);
		add(m, "\"; ");
		add_place(m, in, first);
		break;
	}
}

/* What it is about: the stream, packets, or both. */
static void add_about(struct made *m, struct input *in)
{
	unsigned about = take(in, 6);

	m->pieces_differ |= about > 2;
	if (about <= 2)
		add(m, "flow:only_stream; ");
	else if (about == 3)
		add(m, "dsize:%u<>%u; ", take(in, 8), 8 + take(in, 60));
	else if (about == 4)
		add(m, take(in, 2) ? "dsize:<%u; " : "dsize:%u; ", 1 + take(in, 60));
}

static void add_rule(struct made *m, struct input *in, unsigned sid)
{
	static const char *const heads[] = { "any any -> any any",
		"10.0.0.0/8 any -> !10.0.0.0/8 any", "!10.0.0.0/8 any -> 10.0.0.0/8 any",
		"10.0.0.0/8 any <> any any", "any any -> [10.0.0.0/8,198.51.100.7] any",
		"198.51.100.7 any -> any any", "[9.0.0.0/8,10.0.0.1] any -> 198.51.100.0/24 80",
		"any 80 <> any any" };
	unsigned n = 1 + take(in, 5);

	add(m, "alert tcp %s (", heads[take(in, sizeof(heads) / sizeof(*heads))]);
	add_about(m, in);
	for (unsigned i = 0; i < n; i++)
		add_option(m, in, i == 0);
	if (take(in, 3) == 1) {
		m->acts |= 1u << sid;
		add(m, "flowbits:set,mark; ");
	}
	add(m, "sid:%u;)\n", sid);
}

static uint32_t hits_of(struct kit *kit)
{
	uint32_t set = 0;

	for (unsigned i = 0; i < kit->n_hits; i++)
		set |= kit->hit[i].tired ? 0x80000000u : 1u << kit->sid[i];
	return set;
}

/* Feeds the bytes cut at `cut`, which is sorted. */
static uint32_t feed(
	struct kit *kit, const uint8_t *bytes, uint32_t len, const uint32_t *cut, unsigned n_cuts)
{
	uint32_t from = 0;

	kit_restart(kit);
	for (unsigned i = 0; i <= n_cuts; i++) {
		uint32_t to = i == n_cuts ? len : cut[i];

		if (to > from)
			kit_segment(kit, 0, bytes + from, to - from);
		from = to > from ? to : from;
	}
	return hits_of(kit);
}

static void compare(struct kit *kit, const struct made *m, const uint8_t *bytes, uint32_t len,
	const uint32_t *cut)
{
	uint32_t whole, whole_all, pieces, pieces_all, quiet;

	kit->quiet = true;
	quiet = feed(kit, bytes, len, cut, PIECES);
	kit->quiet = false;
	whole = feed(kit, bytes, len, cut, 0);
	pieces = feed(kit, bytes, len, cut, PIECES);
	rules_set_prefilter(kit->rules, false);
	whole_all = feed(kit, bytes, len, cut, 0);
	pieces_all = feed(kit, bytes, len, cut, PIECES);
	if ((whole | whole_all | pieces | pieces_all | quiet) & 0x80000000u)
		return;
	if (whole != whole_all || pieces != pieces_all || quiet != (pieces & m->acts) ||
		(!m->pieces_differ && whole != pieces)) {
		fprintf(stderr, "%s%.*s\nwhole %x %x pieces %x %x quiet %x of %x\n", m->text,
			(int)len, (const char *)bytes, whole, whole_all, pieces, pieces_all, quiet,
			m->acts);
		for (unsigned i = 0; i < PIECES; i++)
			fprintf(stderr, "%u ", cut[i]);
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct kit kit;
	static uint8_t bytes[4096];
	struct input in = { data, size };
	struct made m = { .len = 0 };
	uint32_t cut[PIECES] = { 0 }, len;

	for (unsigned n = take(&in, RULES), i = 0; i <= n; i++)
		add_rule(&m, &in, i + 1);
	for (unsigned i = 0; i < PIECES; i++)
		cut[i] = (i ? cut[i - 1] : 0) + take(&in, 32);
	len = in.len < sizeof(bytes) ? (uint32_t)in.len : (uint32_t)sizeof(bytes);
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (uint8_t) "abcABC1234ababc-"[take(&in, 16)];
	for (unsigned i = 0; i < PIECES; i++)
		cut[i] = cut[i] < len ? cut[i] : len;
	if (kit_open(&kit, m.text, m.len))
		compare(&kit, &m, bytes, len, cut);
	kit_close(&kit);
	return 0;
}
