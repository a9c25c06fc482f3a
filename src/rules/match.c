/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rule asks about bytes: its options one after another, and back to another place of an earlier one when
 * a later one that is relative to it does not match. Places are counted from the area's first byte; the whole that
 * the area is part of begins at -area->offset.
 */
#include <string.h>

#include "proto/proto.h"
#include "rules/engine.h"

#define RAREST_OF  16 /* bytes of a content among which the rarest is chosen */
#define MISSES_MIN 8  /* places that were not it until memmem() is asked ... */
#define MISSES_PER 32 /* and one more for so many bytes */

/* From where to where a content may stand. */
struct window {
	int64_t from, to;
	bool bounded; /* `to` is said by the rule, not by the end of what there is */
	bool varies; /* depends on a variable, or on where the option before ended in both directions */
};

uint64_t match_value(const struct look *look, const struct rule_value *value)
{
	return value->is_var ? look->var[value->var] : (uint64_t)value->number;
}

/* A value that moves a place: beyond any buffer it is all the same. */
static int64_t shift_of(const struct look *look, const struct rule_value *value)
{
	int64_t number = (int64_t)match_value(look, value);
	const int64_t far = INT64_C(1) << 40;

	return number > far ? far : number < -far ? -far : number;
}

static bool spend(struct look *look, uint64_t bytes)
{
	uint64_t steps = look->steps + 1 + bytes / 512;

	look->steps = steps > RULES_STEPS_MAX ? RULES_STEPS_MAX + 1 : (uint32_t)steps;
	look->tired |= look->steps > RULES_STEPS_MAX;
	return !look->tired;
}

void match_want_more(struct look *look, const struct image_option *option)
{
	uint32_t number = (uint32_t)(option - look->rules->option);

	look->more = true;
	if (look->stuck == IMAGE_NONE || number > look->stuck)
		look->stuck = number;
}

/* ------------------------------------------------------------------ finding */

static uint8_t lower(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte;
}

static bool equal_nocase(const uint8_t *bytes, const uint8_t *wanted, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (lower(bytes[i]) != wanted[i])
			return false;
	return true;
}

/* How often a byte is met in what is looked at: the rarest of a content is looked for. */
static unsigned commonness(uint8_t byte)
{
	static const char common[] = "etaoinsr ";

	if (byte == 0)
		return 3;
	if (memchr(common, lower(byte), sizeof(common) - 1))
		return 2;
	return byte == 0xff || (lower(byte) >= 'a' && lower(byte) <= 'z');
}

static uint32_t rarest_of(const uint8_t *wanted, uint32_t len)
{
	uint32_t best = 0;
	unsigned least = commonness(wanted[0]);

	for (uint32_t i = 1; least > 0 && i < len && i < RAREST_OF; i++)
		if (commonness(wanted[i]) < least) {
			least = commonness(wanted[i]);
			best = i;
		}
	return best;
}

static const uint8_t *next_of(const uint8_t *at, const uint8_t *end, uint8_t byte)
{
	const uint8_t *found = at < end ? memchr(at, byte, (size_t)(end - at)) : NULL;

	return found ? found : end;
}

/* Both cases of the rarest byte are looked for, each as far as needed. */
static const uint8_t *find_nocase(
	const uint8_t *at, const uint8_t *end, const uint8_t *wanted, uint32_t len)
{
	uint32_t pivot = rarest_of(wanted, len);
	uint8_t small = wanted[pivot];
	uint8_t large = small >= 'a' && small <= 'z' ? small - 32 : small;
	const uint8_t *next[2];

	end -= len - 1 - pivot;
	next[0] = next_of(at + pivot, end, small);
	next[1] = small == large ? end : next_of(at + pivot, end, large);
	for (;;) {
		unsigned which = next[1] < next[0];
		const uint8_t *place = next[which];

		if (place >= end)
			return NULL;
		if (equal_nocase(place - pivot, wanted, len))
			return place - pivot;
		next[which] = next_of(place + 1, end, which ? large : small);
	}
}

/* memmem() is not quick with short ones, but is where the rarest byte is not rare. */
static const uint8_t *find_exact(
	const uint8_t *at, const uint8_t *end, const uint8_t *wanted, uint32_t len)
{
	uint32_t pivot = rarest_of(wanted, len), misses = 0;
	const uint8_t *last = end - (len - 1 - pivot);
	const uint8_t *place = next_of(at + pivot, last, wanted[pivot]);

	for (; place < last && misses <= MISSES_MIN + (uint32_t)(place - at) / MISSES_PER;
		misses++) {
		if (memcmp(place - pivot, wanted, len) == 0)
			return place - pivot;
		place = next_of(place + 1, last, wanted[pivot]);
	}
	if (place >= last)
		return NULL;
	place -= pivot;
	return memmem(place, (size_t)(end - place), wanted, len);
}

int64_t match_find(const struct rules *rules, const struct image_content *content,
	const struct area *area, int64_t from, int64_t to)
{
	const uint8_t *wanted = image_bytes(rules, content->bytes), *found;
	uint32_t len = content->bytes.len;

	from = from < 0 ? 0 : from;
	to = to > area->len ? area->len : to;
	if (from > to || to - from < len)
		return -1;
	if (len == 0)
		return from;
	if (content->nocase)
		found = find_nocase(area->at + from, area->at + to, wanted, len);
	else
		found = find_exact(area->at + from, area->at + to, wanted, len);
	return found ? found - area->at : -1;
}

/* ------------------------------------------------------------------ content */

static void limit_to(struct window *window, int64_t to)
{
	if (!window->bounded || to < window->to)
		window->to = to;
	window->bounded = true;
}

static struct window window_of(const struct look *look, const struct image_content *content,
	const struct area *area, int64_t cursor)
{
	int64_t start = -(int64_t)area->offset;
	struct window window = { .from = start, .to = area->len };
	bool relative = content->has_distance || content->has_within;
	int64_t from = relative ? cursor : start;

	if (content->fast_only)
		return window;
	if (content->has_offset)
		window.from = start + shift_of(look, &content->offset);
	if (content->has_depth)
		limit_to(&window, window.from + shift_of(look, &content->depth));
	if (content->has_distance)
		from += shift_of(look, &content->distance);
	if (relative && from > window.from)
		window.from = from;
	if (content->has_within)
		limit_to(&window, from + shift_of(look, &content->within));
	if (content->startswith)
		limit_to(&window, start + content->bytes.len);
	window.varies = content->offset.is_var || content->depth.is_var ||
			content->distance.is_var || content->within.is_var;
	return window;
}

/* The next place in the window, at or behind `from`. */
static int64_t next_place(struct look *look, const struct image_content *content,
	const struct area *area, const struct window *window, int64_t from)
{
	int64_t at, to, passed;

	if (content->endswith) {
		int64_t last = (int64_t)area->len - content->bytes.len;

		from = from > last ? from : last;
	}
	to = window->to < area->len ? window->to : area->len;
	at = match_find(look->rules, content, area, from, to);
	passed = (at < 0 ? to : at) - (from < 0 ? 0 : from);
	if (!spend(look, passed < 0 ? 0 : (uint64_t)passed))
		return -1;
	return at;
}

/* Not found: whether more bytes, or another place of what came before, may change that. */
static enum answer not_found(struct look *look, const struct image_option *option,
	const struct area *area, const struct window *window)
{
	const struct image_content *content = &option->content;
	bool relative = content->has_distance || content->has_within;

	if (!area->complete && (!window->bounded || window->to > area->len))
		match_want_more(look, option);
	if (window->varies || (relative && window->bounded))
		return ANSWER_NO;
	/* From a later place there is only less to be found in; an absolute one never moves. */
	return ANSWER_NEVER;
}

static bool is_anchor(const struct look *look, const struct image_option *option)
{
	return look->rule->anchor == (uint32_t)(option - look->rules->option);
}

static int64_t first_from(const struct look *look, const struct image_option *option,
	const struct area *area, int64_t from)
{
	int64_t floor = look->from - (int64_t)area->offset;

	return is_anchor(look, option) && floor > from ? floor : from;
}

static void add_edit(
	struct look *look, const struct image_content *content, const struct area *area, int64_t at)
{
	uint32_t base =
		area->at >= look->unit->bytes ? (uint32_t)(area->at - look->unit->bytes) : 0;

	if (!content->replace.at || look->n_edits == RULES_EDITS_MAX)
		return;
	look->edit[look->n_edits++] = (struct rules_edit){ base + (uint32_t)at,
		content->replace.len, image_bytes(look->rules, content->replace) };
}

static enum answer walk(struct look *look, const struct image_section *section,
	const struct area *area, uint32_t i, int64_t cursor);

static enum answer walk_content(struct look *look, const struct image_section *section,
	const struct area *area, uint32_t i, int64_t cursor)
{
	const struct image_option *option = &look->rules->option[section->first + i];
	const struct image_content *content = &option->content;
	struct window window = window_of(look, content, area, cursor);
	int64_t at = next_place(
		look, content, area, &window, first_from(look, option, area, window.from));
	uint8_t n_edits = look->n_edits;

	while (at >= 0) {
		int64_t end = at + content->bytes.len;
		enum answer answer;

		add_edit(look, content, area, at);
		if (is_anchor(look, option))
			look->anchor_end = end + (int64_t)area->offset;
		answer = walk(look, section, area, i + 1, content->fast_only ? cursor : end);
		if (answer == ANSWER_YES || answer == ANSWER_NEVER || !option->leads)
			return answer;
		look->n_edits = n_edits;
		at = next_place(look, content, area, &window, at + 1);
	}
	return look->tired ? ANSWER_NEVER : not_found(look, option, area, &window);
}

/* A negated content: absent from its window, as far as that can be known. */
static enum answer check_absent(struct look *look, const struct image_option *option,
	const struct area *area, int64_t cursor)
{
	const struct image_content *content = &option->content;
	struct window window = window_of(look, content, area, cursor);
	bool relative = content->has_distance || content->has_within;

	if (next_place(look, content, area, &window, window.from) >= 0)
		return relative || window.varies ? ANSWER_NO : ANSWER_NEVER;
	if (look->tired)
		return ANSWER_NEVER;
	if (area->complete || (window.bounded ? window.to <= area->len : area->stream))
		return ANSWER_YES;
	match_want_more(look, option);
	return ANSWER_NO;
}

/* ------------------------------------------------------------------ the others */

static enum answer check_isdataat(struct look *look, const struct image_option *option,
	const struct area *area, int64_t cursor)
{
	int64_t at = shift_of(look, &option->isdataat.at);
	bool is = option->isdataat.relative ? cursor + at <= area->len
					    : at - (int64_t)area->offset < area->len;

	if (is)
		return option->negated ? ANSWER_NO : ANSWER_YES;
	if (!area->complete && (!option->negated || !area->stream)) {
		match_want_more(look, option);
		return ANSWER_NO;
	}
	return option->negated ? ANSWER_YES : ANSWER_NO;
}

static void keep_captures(struct look *look, const struct image_pcre *pcre, const uint8_t *subject)
{
	const PCRE2_SIZE *place = pcre2_get_ovector_pointer(look->rules->pcre_data);
	uint32_t n = pcre2_get_ovector_count(look->rules->pcre_data);

	for (unsigned i = 0; i < pcre->n_captures && i < sizeof(pcre->capture_var); i++) {
		uint64_t number = 0;

		if (i + 1 >= n || place[2 * i + 2] == PCRE2_UNSET ||
			pcre->capture_var[i] >= RULE_VARS_MAX)
			continue;
		for (size_t at = place[2 * i + 2]; at < place[2 * i + 3]; at++)
			if (subject[at] >= '0' && subject[at] <= '9')
				number = number * 10 + (subject[at] - '0');
		look->var[pcre->capture_var[i]] = number;
	}
}

static enum answer pcre_not_found(
	struct look *look, const struct image_option *option, const struct area *area)
{
	if (option->negated) {
		if (area->complete || area->stream)
			return ANSWER_YES;
		match_want_more(look, option);
		return ANSWER_NO;
	}
	if (!area->complete)
		match_want_more(look, option);
	return option->pcre.relative ? ANSWER_NO : ANSWER_NEVER;
}

static enum answer walk_pcre(struct look *look, const struct image_section *section,
	const struct area *area, uint32_t i, int64_t cursor)
{
	const struct image_option *option = &look->rules->option[section->first + i];
	const struct image_pcre *pcre = &option->pcre;
	int64_t base = pcre->relative ? (cursor < 0 ? 0 : cursor) : 0;
	int64_t start = first_from(look, option, area, base) - base;

	if (base > area->len)
		return ANSWER_NO;
	for (;;) {
		size_t from = 0, to = 0;
		enum answer answer;
		int found;

		if (start > (int64_t)area->len - base)
			return pcre_not_found(look, option, area);
		if (!spend(look, 512 * LOOK_PCRE_STEPS + area->len - (uint64_t)(base + start)))
			return ANSWER_NEVER;
		found = pcre_run(look->rules, pcre, area->at + base, area->len - (uint32_t)base,
			(uint32_t)start, area->offset > 0 && base == 0, &from, &to);
		if (found < 0) {
			look->tired = true;
			return ANSWER_NEVER;
		}
		if (!found)
			return pcre_not_found(look, option, area);
		if (option->negated)
			return ANSWER_NO;
		keep_captures(look, pcre, area->at + base);
		if (is_anchor(look, option))
			look->anchor_end = base + (int64_t)to + (int64_t)area->offset;
		answer = walk(look, section, area, i + 1, base + (int64_t)to);
		if (answer != ANSWER_NO || !option->leads)
			return answer;
		start = (int64_t)from + 1;
	}
}

static enum answer check_base64(struct look *look, const struct image_option *option,
	const struct area *area, int64_t cursor)
{
	struct rules *rules = look->rules;
	int64_t at = (option->base64.relative ? cursor : -(int64_t)area->offset) +
		     shift_of(look, &option->base64.offset);
	int64_t count = shift_of(look, &option->base64.count);
	const struct image_section *inner;
	struct area made = { .at = rules->decoded, .complete = true };
	int64_t left;

	if (at < 0 || at >= area->len) {
		if (!area->complete)
			match_want_more(look, option);
		return ANSWER_NO;
	}
	left = (int64_t)area->len - at;
	if (count > 0 && count < left)
		left = count;
	else if (!area->complete)
		match_want_more(look, option);
	spend(look, (uint64_t)left);
	made.len = oddity_base64(
		area->at + at, (uint32_t)left, option->base64.mode, rules->decoded, LOOK_SCRATCH);
	if (made.len == 0)
		return ANSWER_NO;
	if (option->nested == IMAGE_NONE)
		return ANSWER_YES;
	inner = &rules->section[option->nested];
	/* A section inside Base64 inside the same: not compiled, and not followed. */
	for (uint32_t i = 0; i < inner->n; i++)
		if (rules->option[inner->first + i].keyword == RULE_BASE64_DECODE)
			return ANSWER_NO;
	return walk(look, inner, &made, 0, 0) == ANSWER_YES ? ANSWER_YES : ANSWER_NO;
}

static enum answer check_size(
	struct look *look, const struct image_option *option, const struct area *area)
{
	bool is = head_compare(&option->compare, look->var, area->offset + area->len);

	if (!area->complete) {
		match_want_more(look, option);
		return ANSWER_NEVER;
	}
	return is != option->negated ? ANSWER_YES : ANSWER_NEVER;
}

static enum answer say(bool is)
{
	return is ? ANSWER_YES : ANSWER_NO;
}

/* One that does not branch; it may move the cursor. */
static enum answer check_one(struct look *look, const struct image_option *option,
	const struct area *area, int64_t *cursor)
{
	switch (option->keyword) {
	case RULE_CONTENT:
		return check_absent(look, option, area, *cursor);
	case RULE_BYTE_TEST:
	case RULE_BYTE_JUMP:
	case RULE_BYTE_EXTRACT:
	case RULE_BYTE_MATH:
		return number_take(look, option, area, cursor);
	case RULE_ISDATAAT:
		return check_isdataat(look, option, area, *cursor);
	case RULE_BASE64_DECODE:
		return check_base64(look, option, area, *cursor);
	case RULE_BSIZE:
	case RULE_URILEN:
		return check_size(look, option, area);
	case RULE_ASN1:
		return say(oddity_asn1(option, area, *cursor) != option->negated);
	case RULE_RPC:
		return say(oddity_rpc(option, area) != option->negated);
	case RULE_FTPBOUNCE:
		return say(oddity_ftpbounce(look, area, *cursor) != option->negated);
	case RULE_ABSENT: /* of a buffer that is there */
		return say(option->word.value);
	default:
		return ANSWER_NEVER;
	}
}

static enum answer walk(struct look *look, const struct image_section *section,
	const struct area *area, uint32_t i, int64_t cursor)
{
	for (; i < section->n; i++) {
		const struct image_option *option = &look->rules->option[section->first + i];
		enum answer answer;

		if (look->tired)
			return ANSWER_NEVER;
		if (option->keyword == RULE_CONTENT && !option->negated)
			return walk_content(look, section, area, i, cursor);
		if (option->keyword == RULE_PCRE)
			if (!option->negated)
				return walk_pcre(look, section, area, i, cursor);
		answer = option->keyword == RULE_PCRE
				 ? walk_pcre(look,
					   &(struct image_section){
						   .first = section->first + i, .n = 1 },
					   area, 0, cursor)
				 : check_one(look, option, area, &cursor);
		if (answer != ANSWER_YES)
			return answer;
	}
	return ANSWER_YES;
}

bool match_section(struct look *look, const struct image_section *section, const struct area *area)
{
	/* What is relative and comes first is so to the start of the whole. */
	return walk(look, section, area, 0, -(int64_t)area->offset) == ANSWER_YES;
}
