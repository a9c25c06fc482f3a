/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/propose.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/out.h"

enum { CANDIDATES_MAX = 512, LETTERS = 256 };

/* ---- a suffix automaton of one payload ---- */

/* States of a payload of n bytes: at most 2n. `next` of 0: none, since the root is nobody's
 * successor. */
struct state {
	uint32_t next[LETTERS];
	uint32_t link;
	uint32_t len;    /* of the longest string that ends here */
	uint32_t match;  /* longest match of the sample that is being walked */
	uint32_t common; /* shortest of these over all samples */
};

struct automaton {
	struct state *state;
	uint32_t n, last;
};

static uint32_t add_state(struct automaton *a, uint32_t len)
{
	a->state[a->n] = (struct state){ .len = len };
	return a->n++;
}

static uint32_t clone_state(struct automaton *a, uint32_t from, uint32_t len)
{
	a->state[a->n] = a->state[from];
	a->state[a->n].len = len;
	return a->n++;
}

#define NO_LINK UINT32_MAX

/* From `p` up the links: transitions to `from` become ones to `to`. */
static void redirect(struct automaton *a, uint32_t p, uint8_t c, uint32_t from, uint32_t to)
{
	for (; p != NO_LINK && a->state[p].next[c] == from; p = a->state[p].link)
		a->state[p].next[c] = to;
}

static void extend(struct automaton *a, uint8_t c)
{
	uint32_t p = a->last, now = add_state(a, a->state[p].len + 1), q, clone;

	for (; p != NO_LINK && a->state[p].next[c] == 0; p = a->state[p].link)
		a->state[p].next[c] = now;
	a->last = now;
	if (p == NO_LINK) {
		a->state[now].link = 0;
		return;
	}
	q = a->state[p].next[c];
	if (a->state[q].len == a->state[p].len + 1) {
		a->state[now].link = q;
		return;
	}
	clone = clone_state(a, q, a->state[p].len + 1);
	redirect(a, p, c, q, clone);
	a->state[q].link = a->state[now].link = clone;
}

static int automaton_make(const struct propose_sample *s, struct automaton *ret_automaton)
{
	struct automaton a = { .state = calloc(2 * s->len + 2, sizeof(*a.state)) };

	if (!a.state)
		return -ENOMEM;
	add_state(&a, 0);
	a.state[0].link = NO_LINK;
	for (size_t i = 0; i < s->len; i++)
		extend(&a, s->bytes[i]);
	for (uint32_t i = 0; i < a.n; i++)
		a.state[i].common = a.state[i].len;
	*ret_automaton = a;
	return 0;
}

/* Longest match of `s` that ends in each state. */
static void walk(struct automaton *a, const struct propose_sample *s)
{
	uint32_t at = 0, len = 0;

	for (size_t i = 0; i < s->len; i++) {
		uint8_t c = s->bytes[i];

		while (at != 0 && a->state[at].next[c] == 0) {
			at = a->state[at].link;
			len = a->state[at].len;
		}
		if (a->state[at].next[c] != 0) {
			at = a->state[at].next[c];
			len++;
		}
		if (len > a->state[at].match)
			a->state[at].match = len;
	}
}

/* States by length, longest first: what a state has its link has whole. */
static int fold(struct automaton *a, uint32_t longest)
{
	uint32_t *count = calloc(longest + 2, sizeof(*count)),
		 *order = calloc(a->n, sizeof(*order));

	if (!count || !order) {
		free(count);
		free(order);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < a->n; i++)
		count[a->state[i].len + 1]++;
	for (uint32_t len = 1; len <= longest + 1; len++)
		count[len] += count[len - 1];
	for (uint32_t i = 0; i < a->n; i++)
		order[count[a->state[i].len]++] = i;
	for (uint32_t i = a->n; i-- > 1;) {
		struct state *s = &a->state[order[i]];

		if (s->match > 0)
			a->state[s->link].match = a->state[s->link].len;
	}
	for (uint32_t i = 0; i < a->n; i++) {
		struct state *s = &a->state[i];

		s->common = s->match < s->common ? s->match : s->common;
		s->match = 0;
	}
	free(count);
	free(order);
	return 0;
}

/* ---- tokens ---- */

static const uint8_t *find(
	const struct propose_sample *s, size_t from, const uint8_t *bytes, size_t len)
{
	return from <= s->len ? memmem(s->bytes + from, s->len - from, bytes, len) : NULL;
}

static uint32_t count_foreign(
	const struct propose_token *t, const struct propose_sample *background, size_t n)
{
	uint32_t foreign = 0;

	for (size_t i = 0; i < n; i++)
		foreign += find(&background[i], 0, t->bytes, t->len) != NULL;
	return foreign;
}

/* All maximal pieces of `s` that every sample has, from left to right. */
static size_t collect(
	const struct automaton *a, const struct propose_sample *s, struct propose_token *token)
{
	uint32_t at = 0, len = 0, before = 0;
	size_t n = 0;

	for (size_t i = 0; i <= s->len && n < CANDIDATES_MAX; i++, before = len) {
		if (i < s->len) {
			at = a->state[at].next[s->bytes[i]];
			/* The state of a prefix; its longest common suffix may be that of a
			 * state above. */
			uint32_t above = at;

			while (above != 0 && a->state[above].common == 0)
				above = a->state[above].link;
			len = a->state[above].common;
		} else {
			len = 0;
		}
		if (before >= PROPOSE_TOKEN_MIN && len <= before)
			token[n++] = (struct propose_token){ .bytes = s->bytes + i - before,
				.len = before };
	}
	return n;
}

/* Pieces of `t` that few others have, of at most PROPOSE_TOKEN_MAX bytes, replace it. */
static size_t cut(const struct propose_token *t, const struct propose_sample *background,
	size_t n_background, struct propose_token *to, size_t room)
{
	size_t n = 0;

	for (uint32_t at = 0; at + PROPOSE_TOKEN_MIN <= t->len && n < room;
		at += PROPOSE_TOKEN_MAX) {
		uint32_t left = t->len - at;

		to[n] = (struct propose_token){ .bytes = t->bytes + at,
			.len = left < PROPOSE_TOKEN_MAX ? left : PROPOSE_TOKEN_MAX };
		to[n].foreign = count_foreign(&to[n], background, n_background);
		n++;
	}
	return n;
}

/* Rare before frequent, then long before short. */
static int by_worth(const void *a, const void *b)
{
	const struct propose_token *x = a, *y = b;

	if (x->foreign != y->foreign)
		return x->foreign < y->foreign ? -1 : 1;
	return x->len != y->len ? (x->len > y->len ? -1 : 1)
				: (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int by_place(const void *a, const void *b)
{
	const struct propose_token *x = a, *y = b;

	return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

bool propose_matches(
	const struct propose_token *tokens, size_t n, const struct propose_sample *sample)
{
	size_t from = 0;

	for (size_t i = 0; i < n; i++) {
		const uint8_t *at = find(sample, from, tokens[i].bytes, tokens[i].len);

		if (!at || (tokens[i].fixed && (size_t)(at - sample->bytes) != tokens[i].at))
			return false;
		from = (size_t)(at - sample->bytes) + tokens[i].len;
	}
	return n > 0;
}

static bool all_match(const struct propose_token *tokens, size_t n,
	const struct propose_sample *chosen, size_t n_chosen)
{
	for (size_t i = 0; i < n_chosen; i++)
		if (!propose_matches(tokens, n, &chosen[i]))
			return false;
	return true;
}

/* The best ones that keep an order that all samples have. */
static size_t choose(struct propose_token *candidate, size_t n, const struct propose_sample *chosen,
	size_t n_chosen, struct propose_token *ret_tokens)
{
	struct propose_token tokens[PROPOSE_TOKENS_MAX];
	size_t n_tokens = 0;

	qsort(candidate, n, sizeof(*candidate), by_worth);
	for (size_t i = 0; i < n && n_tokens < PROPOSE_TOKENS_MAX; i++) {
		memcpy(tokens, ret_tokens, n_tokens * sizeof(*tokens));
		tokens[n_tokens] = candidate[i];
		qsort(tokens, n_tokens + 1, sizeof(*tokens), by_place);
		if (all_match(tokens, n_tokens + 1, chosen, n_chosen))
			memcpy(ret_tokens, tokens, ++n_tokens * sizeof(*tokens));
	}
	return n_tokens;
}

/* What stands at the same place in all samples. */
static void fix_places(struct propose_token *tokens, size_t n, const struct propose_sample *chosen,
	size_t n_chosen)
{
	for (size_t i = 0; i < n; i++) {
		const uint8_t *at = find(&chosen[0], 0, tokens[i].bytes, tokens[i].len);

		tokens[i].at = (uint32_t)(at - chosen[0].bytes);
		tokens[i].fixed = n_chosen > 1;
		if (!all_match(tokens, n, chosen, n_chosen))
			tokens[i].fixed = false;
	}
}

static int find_common(const struct propose_sample *chosen, size_t n_chosen, size_t shortest,
	struct propose_token *candidate)
{
	struct automaton a = { 0 };
	int r = automaton_make(&chosen[shortest], &a);

	for (size_t i = 0; i < n_chosen && r == 0; i++) {
		if (i == shortest)
			continue;
		walk(&a, &chosen[i]);
		r = fold(&a, (uint32_t)chosen[shortest].len);
	}
	if (r == 0)
		r = (int)collect(&a, &chosen[shortest], candidate);
	free(a.state);
	return r;
}

static size_t find_shortest(const struct propose_sample *chosen, size_t n)
{
	size_t shortest = 0;

	for (size_t i = 1; i < n; i++)
		if (chosen[i].len < chosen[shortest].len)
			shortest = i;
	return shortest;
}

int propose_tokens(const struct propose_sample *chosen, size_t n_chosen,
	const struct propose_sample *background, size_t n_background,
	struct propose_token ret_tokens[static PROPOSE_TOKENS_MAX])
{
	struct propose_sample sample[PROPOSE_SAMPLES_MAX];
	struct propose_token *candidate, *piece;
	size_t n = 0;
	int r;

	if (n_chosen == 0)
		return -EINVAL;
	n_chosen = n_chosen < PROPOSE_SAMPLES_MAX ? n_chosen : PROPOSE_SAMPLES_MAX;
	n_background =
		n_background < PROPOSE_BACKGROUND_MAX ? n_background : PROPOSE_BACKGROUND_MAX;
	for (size_t i = 0; i < n_chosen; i++)
		sample[i] = (struct propose_sample){ chosen[i].bytes,
			chosen[i].len < PROPOSE_SAMPLE_MAX ? chosen[i].len : PROPOSE_SAMPLE_MAX };
	candidate = calloc(CANDIDATES_MAX, sizeof(*candidate));
	piece = calloc(CANDIDATES_MAX, sizeof(*piece));
	r = candidate && piece
		    ? find_common(sample, n_chosen, find_shortest(sample, n_chosen), candidate)
		    : -ENOMEM;
	for (int i = 0; i < r; i++)
		n += cut(&candidate[i], background, n_background, piece + n, CANDIDATES_MAX - n);
	if (r >= 0) {
		n = choose(piece, n, sample, n_chosen, ret_tokens);
		fix_places(ret_tokens, n, sample, n_chosen);
		r = (int)n;
	}
	free(candidate);
	free(piece);
	return r;
}

/* ---- the rule ---- */

static bool is_plain(uint8_t c)
{
	return c >= ' ' && c < 127 && !strchr("\"\\;:|", c);
}

/* As a rule writes bytes: text, and hexadecimal between bars. */
static void write_content(struct out *o, const struct propose_token *t)
{
	bool hex = false;

	out_str(o, "content:\"");
	for (uint32_t i = 0; i < t->len; i++) {
		bool plain = is_plain(t->bytes[i]);

		if (hex == plain)
			out_char(o, '|');
		else if (hex)
			out_char(o, ' ');
		if (plain)
			out_char(o, (char)t->bytes[i]);
		else
			out_fmt(o, "%02X", t->bytes[i]);
		hex = !plain;
	}
	out_str(o, hex ? "|\"; " : "\"; ");
}

void propose_write(struct out *o, const struct propose_rule *rule,
	const struct propose_token *tokens, size_t n)
{
	char port[8] = "any";

	if (rule->port) {
		struct out p = out_make(port, sizeof(port));

		out_u64(&p, rule->port);
	}
	out_fmt(o, "alert %s %s %s -> %s %s (msg:\"", rule->proto, rule->source,
		rule->to_server ? "any" : port, rule->destination, rule->to_server ? port : "any");
	for (const char *at = rule->msg; *at; at++)
		out_char(o, is_plain((uint8_t)*at) ? *at : '.');
	out_str(o, "\"; ");
	if (strcmp(rule->proto, "tcp") == 0)
		out_fmt(o, "flow:established,%s; ", rule->to_server ? "to_server" : "to_client");
	for (size_t i = 0; i < n; i++) {
		write_content(o, &tokens[i]);
		if (tokens[i].fixed)
			out_fmt(o, "offset:%u; depth:%u; ", tokens[i].at, tokens[i].len);
		else if (i > 0)
			out_str(o, "distance:0; ");
	}
	out_fmt(o, "classtype:misc-attack; sid:%u; rev:1;)", rule->sid);
}
