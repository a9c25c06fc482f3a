/* SPDX-License-Identifier: Apache-2.0 */
#include "control/attempts.h"

static bool is_half_open(struct flow_table *table, const struct attempt *a)
{
	const struct flow *flow = flow_get(table, a->slot);

	return flow->id == a->flow_id && flow->tally.status == FLOW_LIVE &&
	       flow->tally.state == FLOW_NEW;
}

bool attempts_allow(struct attempts *a, struct flow_table *table, unsigned n, uint64_t limit)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < a->n; i++)
		if (is_half_open(table, &a->attempt[i]))
			a->attempt[kept++] = a->attempt[i];
	a->n = kept;
	return a->n + n <= limit && a->n + n <= ATTEMPTS_MAX;
}

void attempts_note(struct attempts *a, uint32_t slot, uint64_t flow_id)
{
	if (a->n < ATTEMPTS_MAX)
		a->attempt[a->n++] = (struct attempt){ .slot = slot, .flow_id = flow_id };
}
