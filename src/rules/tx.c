/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions and the rules. What has been looked for in which buffer, which rules wait for more of the
 * transaction and which have matched is kept with the transaction.
 */
#include <stdlib.h>
#include <string.h>

#include "rules/engine.h"

#define TX_SAID 64 /* rules that matched a transaction and are not told again */

struct scanned {
	uint16_t instances; /* looked at to their end */
	uint32_t at_low;    /* bytes of the next one, as an offset in the whole: its low bits */
};

struct tx_memory {
	struct waiting_list waiting;
	uint32_t said[TX_SAID];
	uint32_t n_said;
	struct scanned scanned[]; /* by group */
};

static void memory_free(void *at)
{
	struct tx_memory *memory = at;

	free(memory->waiting.at);
	free(memory);
}

static struct tx_memory *memory_of(struct rules *rules, struct proto_tx *tx)
{
	void **user = proto_tx_user(tx, memory_free);

	if (!*user)
		*user = calloc(1,
			sizeof(struct tx_memory) + rules->head->groups.n * sizeof(struct scanned));
	return *user;
}

/* Instance `n` of a buffer as `side` said it. */
static bool area_of(const struct rules_unit *unit, uint16_t buffer, unsigned side, unsigned n,
	struct area *ret_area)
{
	uint8_t sides = proto_buffer_info((enum proto_buffer_id)buffer)->sides;
	struct proto_tx_state state = proto_tx_state(unit->tx);
	struct proto_bytes bytes = { 0 };

	if (!(sides >> side & 1) || !proto_tx_buffer(unit->tx, (enum proto_buffer_id)buffer,
					    sides == 3 ? 2 * n + side : n, &bytes))
		return false;
	*ret_area = (struct area){ .at = bytes.at,
		.len = bytes.len,
		.offset = bytes.offset,
		.complete = bytes.complete || state.done[side] };
	return true;
}

/* ------------------------------------------------------------------ one section */

/* Whether the section is true without the buffer: `absent`. */
static enum answer without(const struct look *look, const struct image_section *section)
{
	for (uint32_t i = 0; i < section->n; i++)
		if (look->rules->option[section->first + i].keyword == RULE_ABSENT)
			return ANSWER_YES;
	return ANSWER_NO;
}

static bool section_side(
	struct look *look, const struct image_section *section, unsigned side, bool *found)
{
	struct area area;

	for (unsigned n = 0; n < LOOK_INSTANCES; n++) {
		if (!area_of(look->unit, section->buffer, side, n, &area))
			return false;
		*found = true;
		if (section->transforms.n && !transform_area(look, section, &area))
			continue;
		if (match_section(look, section, &area))
			return true;
		if (!section->every)
			return false;
	}
	look->tired |= area_of(look->unit, section->buffer, side, LOOK_INSTANCES, &area);
	return false;
}

bool tx_section(struct look *look, const struct image_section *section)
{
	uint8_t sides = proto_buffer_info((enum proto_buffer_id)section->buffer)->sides;
	struct proto_tx_state state;
	bool found = false, done = true;

	if (!look->unit->tx)
		return false;
	state = proto_tx_state(look->unit->tx);
	if (sides == 3 && look->rule->sides != 3)
		sides = look->rule->sides;
	for (unsigned side = 0; side < 2; side++) {
		if (!(sides >> side & 1))
			continue;
		if (section_side(look, section, side, &found))
			return true;
		done &= state.done[side];
	}
	/* It may still come, or another instance of it. */
	look->more |= !done;
	return !found && done && without(look, section) == ANSWER_YES;
}

/* ------------------------------------------------------------------ checks */

static bool has_event(const struct look *look, const struct image_option *option)
{
	const char *text = (const char *)image_bytes(look->rules, option->word.text), *event;

	for (unsigned n = 0; (event = proto_tx_event(look->unit->tx, n)); n++)
		if (strcmp(event, text) == 0)
			return true;
	return false;
}

static bool has_number(const struct look *look, const struct image_option *option)
{
	uint64_t number;

	for (unsigned n = 0; n < LOOK_INSTANCES; n++) {
		if (!proto_tx_number(
			    look->unit->tx, (enum proto_number_id)option->buffer, n, &number))
			return false;
		if (head_compare(&option->compare, look->var, number) != option->negated)
			return true;
	}
	return false;
}

/* Any of the numbers, as bits, is among those asked for. */
static bool has_bits(const struct look *look, const struct image_option *option)
{
	bool version = option->keyword == RULE_SSL_VERSION;
	uint64_t number;

	for (unsigned n = 0; n < LOOK_INSTANCES; n++) {
		if (!proto_tx_number(look->unit->tx,
			    version ? NUMBER_TLS_VERSION : NUMBER_TLS_STATES, n, &number))
			return false;
		if (version) /* RFC 8446, D: 0x0300 is SSL 3, 0x0304 TLS 1.3; 2 is SSL 2 */
			number = number >> 8 == 3 ? UINT64_C(2) << (number & 31) : number == 2;
		if (number & option->word.value)
			return true;
	}
	return false;
}

static bool version_fits(const struct look *look, const struct image_word *word, unsigned interface)
{
	const uint32_t *ask =
		(const uint32_t *)(const void *)(look->rules->base + word->numbers.at);
	struct rule_compare compare;
	uint64_t version;

	if (word->numbers.n < 2)
		return true;
	if (!proto_tx_number(look->unit->tx, NUMBER_DCE_IFACE_VERSION, interface, &version))
		return false;
	compare = (struct rule_compare){ .op = (enum rule_op)ask[0], .a = { .number = ask[1] } };
	return head_compare(&compare, NULL, version);
}

static bool has_interface(const struct look *look, const struct image_option *option)
{
	struct image_text wanted = option->word.text;

	for (unsigned n = 0; n < LOOK_INSTANCES; n++)
		for (unsigned side = 0; side < 2; side++) {
			struct area area;

			if (area_of(look->unit, BUFFER_DCE_IFACE, side, n, &area) &&
				area.len == wanted.len &&
				memcmp(area.at, image_bytes(look->rules, wanted), area.len) == 0 &&
				version_fits(look, &option->word, n))
				return true;
		}
	return false;
}

static bool is_true(const struct look *look, const struct image_option *option)
{
	switch (option->keyword) {
	case RULE_APP_EVENT:
		return has_event(look, option) != option->negated;
	case RULE_NUMBER:
		return has_number(look, option);
	case RULE_SSL_VERSION:
	case RULE_SSL_STATE:
		return has_bits(look, option) != option->negated;
	case RULE_DCE_IFACE:
		return has_interface(look, option) != option->negated;
	default:
		return false;
	}
}

bool tx_check(struct look *look, const struct image_option *option)
{
	struct proto_tx_state state;
	bool is;

	if (!look->unit->tx)
		return false;
	state = proto_tx_state(look->unit->tx);
	is = is_true(look, option);
	look->more |= !is && !(state.done[0] && state.done[1]);
	return is;
}

/* ------------------------------------------------------------------ candidates */

/* What of a buffer has not been looked at by this group, with what a literal may have begun in. */
static void scan_area(
	struct rules *rules, uint32_t group, const struct area *area, struct scanned *scanned)
{
	uint32_t end = (uint32_t)(area->offset + area->len);
	uint32_t back = end - scanned->at_low + IMAGE_LITERAL_MAX - 1;

	if (back > area->len)
		back = area->len;
	if (end != scanned->at_low)
		look_tx_group(rules, group, area->at + area->len - back, back);
	scanned->at_low = end;
}

static void scan_group(struct rules *rules, const struct rules_unit *unit, uint32_t number,
	struct scanned *scanned)
{
	const struct image_group *group = &rules->group[number];
	bool multi = proto_buffer_info((enum proto_buffer_id)group->buffer)->flags & BUFFER_MULTI;
	struct area area;

	if (!rules->prefilter)
		look_tx_group(rules, number, NULL, 0);
	while (scanned->instances < (multi ? LOOK_SCANNED : 1) &&
		area_of(unit, group->buffer, group->side, scanned->instances, &area)) {
		scan_area(rules, number, &area, scanned);
		if (!area.complete)
			return;
		scanned->instances++;
		scanned->at_low = 0;
	}
}

static bool of_proto(const struct image_group *group, enum proto_id proto)
{
	enum proto_id of = proto_buffer_info((enum proto_buffer_id)group->buffer)->proto;

	/* QUIC's hellos have the fingerprints of TLS. */
	return of == PROTO_NONE || proto_includes(of, proto) ||
	       (of == PROTO_TLS && proto == PROTO_QUIC);
}

static void find_candidates(
	struct rules *rules, const struct rules_unit *unit, struct tx_memory *memory)
{
	enum proto_id proto = proto_tx_state(unit->tx).proto;

	look_begin(rules);
	for (uint32_t i = 0; i < rules->head->groups.n; i++)
		if (rules->group[i].tx && of_proto(&rules->group[i], proto))
			scan_group(rules, unit, i, &memory->scanned[i]);
	for (uint32_t i = 0; i < rules->head->plains.n; i++) {
		const struct image_plain *plain = &rules->plain[i];
		const uint32_t *rule =
			(const uint32_t *)(const void *)(rules->base + plain->rules.at);

		if (plain->where != IMAGE_TX || (plain->app && !app_fits(plain->app, proto)))
			continue;
		for (uint32_t r = 0; r < plain->rules.n; r++)
			look_add(rules, rule[r]);
	}
	for (uint32_t i = 0; i < memory->waiting.n; i++)
		look_add(rules, memory->waiting.at[i].rule);
	look_sort(rules);
}

/* ------------------------------------------------------------------ one rule */

/* By what is remembered that a rule was told: what is told of both sides, by side. */
static uint32_t said_as(const struct look *look)
{
	bool second = look->rule->flags & IMAGE_EACH_SIDE && look->unit->side == 1;

	return look->number | (second ? UINT32_C(1) << 31 : 0);
}

static bool was_said(const struct tx_memory *memory, uint32_t rule)
{
	for (uint32_t i = 0; i < memory->n_said && i < TX_SAID; i++)
		if (memory->said[i] == rule)
			return true;
	return false;
}

static void wait_for_more(
	struct look *look, struct tx_memory *memory, const struct waiting *kept, enum answer answer)
{
	struct waiting *waiting;

	/* What does not fit this side's packets may fit the other's. */
	if (answer == ANSWER_NEVER &&
		(look->rule->sides == 3 || !(look->rule->sides >> look->unit->side & 1)))
		look->more = true;
	if (!look->rules->prefilter || look->rule->flags & IMAGE_PLAIN)
		return; /* a candidate again anyway */
	if (answer == ANSWER_YES || !look->more) {
		waiting_drop(&memory->waiting, look->number);
		return;
	}
	waiting = waiting_add(&memory->waiting, look->number);
	if (waiting)
		waiting->payload = kept->payload;
	else
		look->tired = true;
}

static size_t look_at(struct look *look, struct tx_memory *memory, struct rules_hit *hits, size_t n)
{
	const struct waiting *known = waiting_find(&memory->waiting, look->number);
	struct waiting kept = { .payload = known && known->payload };
	enum answer answer = look_rule(look, &kept);

	wait_for_more(look, memory, &kept, answer);
	if (answer == ANSWER_YES) {
		memory->said[memory->n_said++ % TX_SAID] = said_as(look);
		if (look->rule->action == RULE_PASS)
			marks_pass(look->unit->flow);
		return look_report(look, hits, n);
	}
	if (look->tired && n < RULES_HITS_MAX)
		hits[n++] = (struct rules_hit){
			.rule = look->number, .action = look->rule->action, .tired = true
		};
	return n;
}

size_t tx_look(struct rules *rules, const struct rules_unit *unit, struct rules_hit *hits)
{
	struct tx_memory *memory = memory_of(rules, unit->tx);
	size_t n = 0;

	if (!memory)
		return 0;
	find_candidates(rules, unit, memory);
	for (uint32_t i = 0; i < rules->n_candidates && !marks_passed(unit->flow); i++) {
		struct look look;

		look_start(&look, rules, unit, rules->candidate[i]);
		if (!was_said(memory, said_as(&look)))
			n = look_at(&look, memory, hits, n);
	}
	return n;
}

bool rules_may_stop_tx(struct rules *rules, const struct rules_unit *unit)
{
	head_new_unit(rules);
	for (uint32_t i = 0; i < rules->n_stoppers; i++) {
		const struct image_rule *rule = &rules->rule[rules->stopper[i]];

		if (rule->where == IMAGE_TX && (!rule->app || app_fits(rule->app, unit->app)) &&
			head_may_fit(rules, unit, rule))
			return true;
	}
	return false;
}
