/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of addresses and ports as sorted ranges; equal ones are in the image once. */
#include <stdlib.h>
#include <string.h>

#include "rules/build.h"

__extension__ typedef unsigned __int128 point;

struct span {
	point first, last;
};

static point point_of(const struct ip *ip)
{
	point p = 0;

	for (unsigned i = 0; i < 16; i++)
		p = p << 8 | ip->byte[i];
	return p;
}

static struct ip ip_of(point p)
{
	struct ip ip;

	for (unsigned i = 16; i-- > 0; p >>= 8)
		ip.byte[i] = (uint8_t)p;
	return ip;
}

static struct span span_of(const struct ip_prefix *prefix)
{
	point host = prefix->bits >= 128 ? 0 : ~(point)0 >> prefix->bits;
	point first = point_of(&prefix->ip) & ~host;

	return (struct span){ first, first | host };
}

static int by_first(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* Sorted, and what overlaps or touches joined; returns how many are left. */
static uint32_t tidy(struct span *span, uint32_t n)
{
	uint32_t kept = 0;

	qsort(span, n, sizeof(*span), by_first);
	for (uint32_t i = 0; i < n; i++) {
		struct span *last = kept ? &span[kept - 1] : NULL;

		if (!last || (last->last != ~(point)0 && span[i].first > last->last + 1))
			span[kept++] = span[i];
		else if (span[i].last > last->last)
			last->last = span[i].last;
	}
	return kept;
}

static uint32_t read_spans(const struct ip_prefix *prefix, uint32_t n, struct span *ret_span)
{
	for (uint32_t i = 0; i < n; i++)
		ret_span[i] = span_of(&prefix[i]);
	return tidy(ret_span, n);
}

/* `in` without `out`, both tidy. `ret` has room for the sum of both and one more. */
static uint32_t subtract(const struct span *in, uint32_t n_in, const struct span *out,
	uint32_t n_out, struct span *ret)
{
	uint32_t n = 0, o = 0;

	for (uint32_t i = 0; i < n_in; i++) {
		point first = in[i].first;
		bool rest = true;

		while (o < n_out && out[o].last < first)
			o++;
		for (uint32_t at = o; rest && at < n_out && out[at].first <= in[i].last; at++) {
			if (out[at].first > first)
				ret[n++] = (struct span){ first, out[at].first - 1 };
			rest = out[at].last < in[i].last;
			first = out[at].last + 1;
		}
		if (rest)
			ret[n++] = (struct span){ first, in[i].last };
	}
	return n;
}

static struct image_list lay_spans(struct build *b, const struct span *span, uint32_t n)
{
	struct image_range *range = calloc(n ? n : 1, sizeof(*range));
	struct image_list list = { 0, n };

	if (!range) {
		b->heap.failed = true;
		return (struct image_list){ 0 };
	}
	for (uint32_t i = 0; i < n; i++)
		range[i] = (struct image_range){ ip_of(span[i].first), ip_of(span[i].last) };
	list.at = build_text(b, range, n * sizeof(*range)).at;
	free(range);
	return list;
}

static uint32_t same_nets(struct build *b, const struct image_nets *nets)
{
	const struct image_nets *known = (const struct image_nets *)(const void *)b->nets.at;

	for (uint32_t i = 0; i < b->nets.n; i++)
		if (known[i].any == nets->any && known[i].ranges.at == nets->ranges.at &&
			known[i].ranges.n == nets->ranges.n)
			return i;
	return array_add(b, &b->nets, nets, sizeof(*nets));
}

uint32_t build_nets(struct build *b, const struct rule_nets *nets)
{
	uint32_t n_in = nets->n_in, n_out = nets->n_out;
	struct image_nets out = { 0 };
	struct span *in, *rest;

	if (nets->any && n_out == 0)
		return same_nets(b, &(struct image_nets){ .any = true });
	in = calloc(2 * ((size_t)n_in + n_out + 1), sizeof(*in));
	if (!in) {
		b->heap.failed = true;
		return 0;
	}
	rest = in + n_in + n_out + 1;
	n_out = read_spans(nets->out, n_out, in + n_in + 1);
	n_in = nets->any ? 1 : read_spans(nets->in, n_in, in);
	if (nets->any)
		in[0] = (struct span){ 0, ~(point)0 };
	n_in = subtract(in, n_in, in + nets->n_in + 1, n_out, rest);
	out.ranges = lay_spans(b, rest, n_in);
	free(in);
	return same_nets(b, &out);
}

uint32_t build_ports(struct build *b, const struct rule_ports *ports)
{
	struct image_ports out = { .any = ports->any };
	const struct image_ports *known = (const struct image_ports *)(const void *)b->ports.at;

	if (!out.any)
		out.ranges = (struct image_list){
			build_text(b, ports->range, ports->n * sizeof(*ports->range)).at, ports->n
		};
	for (uint32_t i = 0; i < b->ports.n; i++)
		if (known[i].any == out.any && known[i].ranges.at == out.ranges.at &&
			known[i].ranges.n == out.ranges.n)
			return i;
	return array_add(b, &b->ports, &out, sizeof(out));
}

/* ------------------------------------------------------------------ index */

#define INDEX_BITS_MAX  29 /* sets of more IPv4 addresses than 2 to this are not worth an index */
#define INDEX_PAIRS_MAX (1u << 23) /* entries of an index */

static const struct image_range *ranges_of(const struct build *b, uint32_t set, uint32_t *ret_n)
{
	const struct image_nets *nets = (const struct image_nets *)(const void *)b->nets.at + set;

	*ret_n = nets->ranges.n;
	return (const struct image_range *)(const void *)(b->heap.at + nets->ranges.at);
}

uint32_t build_nets_size(const struct build *b, uint32_t set)
{
	uint32_t n, bits = 0;
	const struct image_range *range = ranges_of(b, set, &n);
	point size = 0;

	if (((const struct image_nets *)(const void *)b->nets.at)[set].any)
		return IMAGE_NONE;
	for (uint32_t i = 0; i < n; i++) {
		point more = point_of(&range[i].last) - point_of(&range[i].first);

		/* An IPv6 network of the usual size counts as a few addresses. */
		size += ip_is_v4(&range[i].first) ? more + 1 : (more >> 64) + 1;
	}
	while (size >>= 1)
		bits++;
	return bits <= INDEX_BITS_MAX ? bits : IMAGE_NONE;
}

bool build_nets_meet(const struct build *b, uint32_t set, uint32_t other, bool outside)
{
	const struct image_range all = { ip_of(0), ip_of(~(point)0) };
	bool any = ((const struct image_nets *)(const void *)b->nets.at)[set].any;
	uint32_t n, n_others;
	const struct image_range *range = ranges_of(b, set, &n);
	const struct image_range *others = ranges_of(b, other, &n_others);

	if (any) {
		range = &all;
		n = 1;
	}
	for (uint32_t i = 0; i < n;
		i++) { /* ranges do not touch: what is inside is so within one */
		const struct ip *first = &range[i].first, *last = &range[i].last;
		const struct image_range *at =
			image_range_before(others, n_others, outside ? first : last);

		if (outside ? !at || memcmp(&at->last, last, sizeof(*last)) < 0
			    : at && memcmp(&at->last, first, sizeof(*first)) >= 0)
			return true;
	}
	return false;
}

struct pair {
	uint32_t span, rule;
};

static int by_point(const void *a, const void *b)
{
	point x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

static int by_span(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->span != y->span)
		return x->span < y->span ? -1 : 1;
	return x->rule < y->rule ? -1 : x->rule > y->rule;
}

static uint32_t set_of(const struct build *b, uint32_t rule, bool source)
{
	return source ? build_rule(b, rule)->src : build_rule(b, rule)->dst;
}

/* Where any of the rules' ranges begins or has ended. */
static void collect_bounds(
	struct build *b, bool source, const uint32_t *rule, uint32_t n_rules, struct array *bounds)
{
	uint32_t kept = 0;
	point *bound;

	for (uint32_t r = 0; r < n_rules; r++) {
		uint32_t n;
		const struct image_range *range = ranges_of(b, set_of(b, rule[r], source), &n);

		for (uint32_t i = 0; i < n; i++) {
			point first = point_of(&range[i].first), last = point_of(&range[i].last);

			array_add(b, bounds, &first, sizeof(first));
			if (++last)
				array_add(b, bounds, &last, sizeof(last));
		}
	}
	if (b->heap.failed || !bounds->n)
		return;
	array_sort(bounds, sizeof(point), by_point);
	bound = (point *)(void *)bounds->at;
	for (uint32_t i = 0; i < bounds->n; i++)
		if (kept == 0 || bound[i] != bound[kept - 1])
			bound[kept++] = bound[i];
	bounds->n = kept;
}

static uint32_t bound_at(const struct array *bounds, point p)
{
	const point *at = bsearch(&p, bounds->at, bounds->n, sizeof(point), by_point);

	return at ? (uint32_t)(at - (const point *)(const void *)bounds->at) : bounds->n;
}

static void collect_pairs(struct build *b, bool source, const uint32_t *rule, uint32_t n_rules,
	const struct array *bounds, struct array *pairs)
{
	for (uint32_t r = 0; r < n_rules && !b->heap.failed; r++) {
		uint32_t n;
		const struct image_range *range = ranges_of(b, set_of(b, rule[r], source), &n);

		for (uint32_t i = 0; i < n; i++) {
			uint32_t at = bound_at(bounds, point_of(&range[i].first));
			uint32_t end = bound_at(bounds, point_of(&range[i].last) + 1);

			for (; at < end && pairs->n < INDEX_PAIRS_MAX; at++)
				array_add(b, pairs, &(struct pair){ at, rule[r] },
					sizeof(struct pair));
		}
	}
	b->heap.failed |= pairs->n == INDEX_PAIRS_MAX;
}

static struct image_list lay_bounds(struct build *b, const struct array *bounds)
{
	struct ip *ip = calloc(bounds->n + 1, sizeof(*ip));
	struct image_list list = { 0 };

	b->heap.failed |= !ip;
	for (uint32_t i = 0; ip && i < bounds->n; i++)
		ip[i] = ip_of(((const point *)(const void *)bounds->at)[i]);
	if (ip)
		list = (struct image_list){ heap_add(&b->heap, ip, bounds->n * sizeof(*ip)),
			bounds->n };
	free(ip);
	return list;
}

static struct image_list lay_index_spans(struct build *b, struct array *pairs, uint32_t n_spans)
{
	struct image_list *span = calloc(n_spans + 1, sizeof(*span)), list = { 0 };
	uint32_t *rules = calloc(pairs->n + 1, sizeof(*rules)), at;
	const struct pair *pair;

	if (span && rules) {
		array_sort(pairs, sizeof(struct pair), by_span);
		pair = (const struct pair *)(const void *)pairs->at;
		for (uint32_t i = 0; i < pairs->n; i++)
			rules[i] = pair[i].rule;
		at = heap_add(&b->heap, rules, pairs->n * sizeof(*rules));
		for (uint32_t i = 0; i < pairs->n; i++)
			if (span[pair[i].span].n++ == 0)
				span[pair[i].span].at = at + i * (uint32_t)sizeof(*rules);
		list = (struct image_list){ heap_add(&b->heap, span, n_spans * sizeof(*span)),
			n_spans };
	} else {
		b->heap.failed = true;
	}
	free(span);
	free(rules);
	return list;
}

void build_index(struct build *b, struct image_index *index, const uint32_t *rule, uint32_t n_rules)
{
	struct array bounds = { 0 }, pairs = { 0 };
	bool source = index->source;

	collect_bounds(b, source, rule, n_rules, &bounds);
	if (!b->heap.failed)
		collect_pairs(b, source, rule, n_rules, &bounds, &pairs);
	if (!b->heap.failed && bounds.n && pairs.n) {
		index->bounds = lay_bounds(b, &bounds);
		index->spans = lay_index_spans(b, &pairs, bounds.n);
		array_add(b, &b->indexes, index, sizeof(*index));
	}
	free(bounds.at);
	free(pairs.at);
}
