/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far from the start of the payload a content can end, as its rule says: what is behind need not be
 * searched for it. Half of the rules that are held against packets say so. Where a byte has to be is asked before a
 * rule is evaluated.
 */
#include <ctype.h>

#include "proto/proto.h"
#include "rules/build.h"

#define REACH_MAX     (1 << 20) /* numbers beyond say nothing */
#define PROBE_END_MAX 64        /* bytes: to search more costs more than it saves */

static bool is_number(const struct rule_value *value)
{
	return !value->is_var && value->number > -REACH_MAX && value->number < REACH_MAX;
}

static int64_t less_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Where the content ends at most, if the match before it ends at `before` at most (match.c, window_of()). */
static int64_t end_of(const struct image_content *content, int64_t before)
{
	static const struct rule_value none;
	const struct rule_value *offset = content->has_offset ? &content->offset : &none;
	const struct rule_value *distance = content->has_distance ? &content->distance : &none;
	int64_t end = REACH_MAX;

	if (content->fast_only)
		return end;
	if (content->has_depth && is_number(&content->depth) && is_number(offset))
		end = offset->number + content->depth.number;
	if (content->has_within && is_number(&content->within) && is_number(distance) &&
		before < REACH_MAX)
		end = less_of(end, before + distance->number + content->within.number);
	if (content->startswith)
		end = less_of(end, content->bytes.len);
	return end;
}

/* The largest payload of a packet that the rule can be about. */
static int64_t payload_of(const struct build *b, const struct image_rule *rule)
{
	int64_t most = REACH_MAX;

	for (uint32_t i = 0; i < rule->checks.n; i++) {
		const struct image_option *option = build_option(b, rule->checks.at + i);
		const struct rule_compare *compare = &option->compare;

		if (option->keyword != RULE_DSIZE || option->negated || !is_number(&compare->a) ||
			!is_number(&compare->b))
			continue;
		if (compare->op == RULE_EQ || compare->op == RULE_LT || compare->op == RULE_LE)
			most = less_of(most, compare->a.number);
		else if (compare->op == RULE_RANGE || compare->op == RULE_RANGE_INCLUSIVE)
			most = less_of(most, compare->b.number);
	}
	return most;
}

uint32_t build_reach(const struct build *b, const struct image_rule *rule,
	const struct image_section *section, uint32_t option)
{
	int64_t end = REACH_MAX;

	for (uint32_t i = section->first; i <= option; i++) {
		const struct image_option *at = build_option(b, i);

		if (at->keyword != RULE_CONTENT)
			end = REACH_MAX;
		else if (!at->negated && (i == option || !at->content.fast_only))
			end = end_of(&at->content, end);
	}
	end = less_of(end, payload_of(b, rule));
	return end >= REACH_MAX ? IMAGE_NONE : end < 0 ? 0 : (uint32_t)end;
}

/* ------------------------------------------------------------------ what is asked first */

static struct image_probe probe_of(const struct build *b, const struct image_content *content)
{
	const uint8_t *first = b->heap.at + content->bytes.at;
	int64_t from = content->has_offset ? content->offset.number : 0;
	int64_t to = end_of(content, REACH_MAX) - content->bytes.len + 1;

	if (content->has_distance || content->has_within || content->fast_only ||
		content->bytes.len == 0 || (content->has_offset && !is_number(&content->offset)))
		return (struct image_probe){ 0 };
	if (from < 0 || to <= from || to > PROBE_END_MAX)
		return (struct image_probe){ 0 };
	return (struct image_probe){ (uint16_t)from, (uint16_t)to,
		{ first[0], content->nocase ? (uint8_t)toupper(first[0]) : first[0] } };
}

static bool is_narrower(const struct image_probe *probe, const struct image_probe *other)
{
	return probe->to && (!other->to || probe->to - probe->from < other->to - other->from);
}

void build_probe(const struct build *b, struct image_rule *rule)
{
	int64_t most = payload_of(b, rule);

	rule->most_payload = most < 0 ? 0 : most > UINT16_MAX ? UINT16_MAX : (uint16_t)most;
	for (uint32_t s = 0; rule->where != IMAGE_TX && s < rule->sections.n; s++) {
		const struct image_section *section = build_section(b, rule->sections.at + s);

		if (section->buffer != BUFFER_PAYLOAD || section->nested || section->transforms.n)
			continue;
		for (uint32_t i = section->first; i < section->first + section->n; i++) {
			const struct image_option *option = build_option(b, i);
			struct image_probe probe;

			if (option->keyword != RULE_CONTENT || option->negated)
				continue;
			probe = probe_of(b, &option->content);
			if (is_narrower(&probe, &rule->probe))
				rule->probe = probe;
		}
	}
}
