/* SPDX-License-Identifier: Apache-2.0 */
/* inspect_fake - one rule that looks for a text, in place of the engine: linked instead of it. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "frame/frame.h"
#include "rules/rule.h"
#include "rules/rules.h"

/* A rule set of one. Found in packets of all but TCP, and in streams where it ends in what is new. */
struct rules {
	const char *text, *replace; /* replace may be NULL */
	enum rule_action action;
	bool in_packets; /* of TCP too */
	bool only_tells; /* nothing can keep a frame from leaving */
	bool old;        /* also where nothing is new */
	unsigned looks[RULES_FLOW_END + 1];
	struct rules_unit last, last_stream;
};
struct rules_flow {
	unsigned nothing;
};

struct rules_flow *rules_flow_new(void)
{
	return calloc(1, sizeof(struct rules_flow));
}

struct rules_flow *rules_flow_free(struct rules_flow *flow)
{
	free(flow);
	return NULL;
}

size_t rules_look(struct rules *rules, const struct rules_unit *unit,
	struct rules_hit ret_hits[static RULES_HITS_MAX])
{
	uint32_t len = (uint32_t)strlen(rules->text);
	size_t n = 0;

	rules->looks[unit->kind]++;
	rules->last = *unit;
	if (unit->kind == RULES_STREAM)
		rules->last_stream = *unit;
	if (unit->kind == RULES_PACKET
			? unit->packet && unit->packet->proto == 6 && !rules->in_packets
			: unit->kind != RULES_STREAM)
		return 0;
	for (uint32_t at = 0; at + len <= unit->len && n < RULES_HITS_MAX; at++) {
		if ((at + len <= unit->fresh && !rules->old) ||
			memcmp(unit->bytes + at, rules->text, len) != 0)
			continue;
		ret_hits[n] = (struct rules_hit){
			.rule = 0, .action = (uint8_t)rules->action, .alert = true
		};
		if (rules->replace) {
			ret_hits[n].n_edits = 1;
			ret_hits[n].edit[0] =
				(struct rules_edit){ at, len, (const uint8_t *)rules->replace };
		}
		n++;
	}
	return n;
}

bool rules_may_stop(struct rules *rules, const struct rules_unit *unit)
{
	return unit->packet && !rules->only_tells;
}

bool rules_may_stop_tx(struct rules *rules, const struct rules_unit *unit)
{
	return unit->packet && !rules->only_tells;
}

uint32_t rules_tail(struct rules *rules, const struct rules_unit *unit)
{
	uint32_t len = (uint32_t)strlen(rules->text) - 1;

	for (; len > 0; len--)
		if (len <= unit->len &&
			memcmp(unit->bytes + unit->len - len, rules->text, len) == 0)
			return len;
	return 0;
}

struct rules_info rules_info(const struct rules *rules, uint32_t rule)
{
	return (struct rules_info){ .sid = 1000 + rule, .action = (uint8_t)rules->action };
}

static struct rules rules;
