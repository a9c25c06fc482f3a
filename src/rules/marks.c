/* SPDX-License-Identifier: Apache-2.0 */
/* What a conversation remembers for its rules. */
#include <stdlib.h>
#include <string.h>

#include "rules/engine.h"

#define MARKS_BITS   1024 /* names of flowbits set, one conversation */
#define MARKS_INTS   64   /* numbers of flowint */
#define MARKS_PLACES 64   /* matches in a stream whose place is remembered */
#define MARKS_HITS   64   /* rules that matched the packet at hand, or once for all */

struct number {
	uint16_t name;
	int64_t value;
};

struct place {
	uint32_t rule;
	uint64_t end;
};

struct hit {
	uint32_t rule;
	uint64_t packets; /* of the conversation, when it was; UINT64_MAX: once for all */
};

struct rules_flow {
	uint16_t *bit; /* names, sorted */
	uint32_t n_bits, bits_room;
	struct number *number;
	uint32_t n_numbers;
	struct place *place[2]; /* rings */
	uint32_t n_places[2];
	struct hit *hit;
	uint32_t n_hits;
	struct waiting_list waiting[2];
	bool passed;
};

struct rules_flow *rules_flow_new(void)
{
	return calloc(1, sizeof(struct rules_flow));
}

struct rules_flow *rules_flow_free(struct rules_flow *flow)
{
	if (!flow)
		return NULL;
	for (unsigned side = 0; side < 2; side++) {
		free(flow->place[side]);
		free(flow->waiting[side].at);
	}
	free(flow->bit);
	free(flow->number);
	free(flow->hit);
	free(flow);
	return NULL;
}

/* ------------------------------------------------------------------ flowbits */

/* Where the name is, or would be. */
static uint32_t bit_at(const struct rules_flow *flow, uint16_t name)
{
	uint32_t low = 0, high = flow->n_bits;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (flow->bit[middle] < name)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool has_bit(const struct rules_flow *flow, uint16_t name)
{
	uint32_t at = bit_at(flow, name);

	return at < flow->n_bits && flow->bit[at] == name;
}

static void set_bit(struct rules_flow *flow, uint16_t name)
{
	uint32_t at = bit_at(flow, name);

	if (has_bit(flow, name) || flow->n_bits == MARKS_BITS)
		return;
	if (flow->n_bits == flow->bits_room) {
		uint32_t room = flow->bits_room ? 2 * flow->bits_room : 4;
		uint16_t *more = reallocarray(flow->bit, room, sizeof(*more));

		if (!more)
			return;
		flow->bit = more;
		flow->bits_room = room;
	}
	memmove(flow->bit + at + 1, flow->bit + at, (flow->n_bits - at) * sizeof(*flow->bit));
	flow->bit[at] = name;
	flow->n_bits++;
}

static void unset_bit(struct rules_flow *flow, uint16_t name)
{
	uint32_t at = bit_at(flow, name);

	if (!has_bit(flow, name))
		return;
	flow->n_bits--;
	memmove(flow->bit + at, flow->bit + at + 1, (flow->n_bits - at) * sizeof(*flow->bit));
}

bool marks_check_bits(const struct rules_flow *flow, const struct rule_bits *bits)
{
	bool want = bits->command == RULE_BIT_ISSET;

	if (!flow)
		return false;
	for (unsigned i = 0; i < bits->n; i++) {
		bool is = has_bit(flow, bits->name[i]) == want;

		if (is != bits->all)
			return is;
	}
	return bits->all;
}

void marks_change_bits(struct rules_flow *flow, const struct rule_bits *bits)
{
	for (unsigned i = 0; flow && i < bits->n; i++) {
		bool set = bits->command == RULE_BIT_SET ||
			   (bits->command == RULE_BIT_TOGGLE && !has_bit(flow, bits->name[i]));

		if (set)
			set_bit(flow, bits->name[i]);
		else
			unset_bit(flow, bits->name[i]);
	}
}

/* ------------------------------------------------------------------ flowint */

static struct number *number_of(const struct rules_flow *flow, uint16_t name)
{
	for (uint32_t i = 0; i < flow->n_numbers; i++)
		if (flow->number[i].name == name)
			return &flow->number[i];
	return NULL;
}

static struct number *number_add(struct rules_flow *flow, uint16_t name)
{
	struct number *number = number_of(flow, name);

	if (number || flow->n_numbers == MARKS_INTS)
		return number;
	if (!flow->number)
		flow->number = calloc(MARKS_INTS, sizeof(*flow->number));
	if (!flow->number)
		return NULL;
	number = &flow->number[flow->n_numbers++];
	*number = (struct number){ .name = name };
	return number;
}

/* The other side; false: it is a variable that has no value. */
static bool other_of(const struct rules_flow *flow, const struct rule_int *rule, int64_t *ret)
{
	const struct number *other;

	*ret = rule->number;
	if (!rule->by_name)
		return true;
	other = number_of(flow, rule->other);
	if (other)
		*ret = other->value;
	return other;
}

bool marks_check_int(const struct rules_flow *flow, const struct rule_int *rule)
{
	const struct number *number = flow ? number_of(flow, rule->name) : NULL;
	struct rule_compare compare = rule->compare;
	int64_t other;

	if (!flow)
		return false;
	if (rule->is_set || rule->is_not_set)
		return rule->is_set == (number != NULL);
	if (!number)
		return false;
	if (rule->by_name) {
		if (!other_of(flow, rule, &other))
			return false;
		compare.a = (struct rule_value){ .number = other };
	}
	return head_compare(&compare, NULL, (uint64_t)number->value);
}

void marks_change_int(struct rules_flow *flow, const struct rule_int *rule)
{
	struct number *number;
	int64_t other;

	if (!flow || !other_of(flow, rule, &other))
		return;
	number = number_add(flow, rule->name);
	if (!number)
		return;
	if (rule->action == RULE_INT_ASSIGN)
		number->value = other;
	else if (rule->action == RULE_INT_ADD)
		number->value = (int64_t)((uint64_t)number->value + (uint64_t)other);
	else
		number->value = (int64_t)((uint64_t)number->value - (uint64_t)other);
}

/* ------------------------------------------------------------------ hits */

bool marks_was_hit(const struct rules_flow *flow, uint32_t rule, uint64_t packets, bool once)
{
	uint64_t when = once ? UINT64_MAX : packets;

	for (uint32_t i = 0; flow && i < flow->n_hits; i++)
		if (flow->hit[i].rule == rule && flow->hit[i].packets == when)
			return true;
	return false;
}

/* What is of an earlier packet makes room. */
static struct hit *hit_room(struct rules_flow *flow, uint64_t packets)
{
	for (uint32_t i = 0; i < flow->n_hits; i++)
		if (flow->hit[i].packets != packets && flow->hit[i].packets != UINT64_MAX)
			return &flow->hit[i];
	if (flow->n_hits == MARKS_HITS)
		return NULL;
	if (!flow->hit)
		flow->hit = calloc(MARKS_HITS, sizeof(*flow->hit));
	return flow->hit ? &flow->hit[flow->n_hits++] : NULL;
}

bool marks_first_hit(struct rules_flow *flow, uint32_t rule, uint64_t packets, bool once)
{
	struct hit *hit;

	if (!flow)
		return true;
	if (marks_was_hit(flow, rule, packets, once))
		return false;
	hit = hit_room(flow, packets);
	if (hit)
		*hit = (struct hit){ rule, once ? UINT64_MAX : packets };
	return true;
}

static struct place *place_of(const struct rules_flow *flow, unsigned side, uint32_t rule)
{
	uint32_t n = flow->n_places[side];

	for (uint32_t i = 0; i < n && i < MARKS_PLACES; i++)
		if (flow->place[side][i].rule == rule)
			return &flow->place[side][i];
	return NULL;
}

uint64_t marks_place(const struct rules_flow *flow, unsigned side, uint32_t rule)
{
	const struct place *place = flow ? place_of(flow, side, rule) : NULL;

	return place ? place->end : 0;
}

void marks_set_place(struct rules_flow *flow, unsigned side, uint32_t rule, uint64_t end)
{
	struct place *place = flow ? place_of(flow, side, rule) : NULL;

	if (!flow)
		return;
	if (!flow->place[side])
		flow->place[side] = calloc(MARKS_PLACES, sizeof(**flow->place));
	if (!flow->place[side])
		return;
	if (!place)
		place = &flow->place[side][flow->n_places[side]++ % MARKS_PLACES];
	*place = (struct place){ rule, end };
}

bool marks_passed(const struct rules_flow *flow)
{
	return flow && flow->passed;
}

void marks_pass(struct rules_flow *flow)
{
	if (flow)
		flow->passed = true;
}

/* ------------------------------------------------------------------ waiting */

struct waiting_list *marks_waiting(struct rules_flow *flow, unsigned side)
{
	return flow ? &flow->waiting[side] : NULL;
}

struct waiting *waiting_find(const struct waiting_list *list, uint32_t rule)
{
	for (uint32_t i = 0; i < list->n; i++)
		if (list->at[i].rule == rule)
			return &list->at[i];
	return NULL;
}

struct waiting *waiting_add(struct waiting_list *list, uint32_t rule)
{
	struct waiting *waiting = waiting_find(list, rule);

	if (waiting)
		return waiting;
	if (list->n == RULES_CANDIDATES_MAX)
		return NULL;
	if (list->n == list->room) {
		uint32_t room = list->room ? 2 * list->room : 8;
		struct waiting *more = reallocarray(list->at, room, sizeof(*more));

		if (!more)
			return NULL;
		list->at = more;
		list->room = room;
	}
	waiting = &list->at[list->n++];
	*waiting = (struct waiting){ .rule = rule, .stuck = IMAGE_NONE };
	return waiting;
}

void waiting_drop(struct waiting_list *list, uint32_t rule)
{
	struct waiting *waiting = waiting_find(list, rule);

	if (waiting)
		*waiting = list->at[--list->n];
}
