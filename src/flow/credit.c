/* SPDX-License-Identifier: Apache-2.0 */
/* How much a honeypot may send without hearing from its peer. */
#include "flow/table.h"

bool flow_credit_allows(const struct flow *flow, unsigned side, uint32_t frames, uint32_t bytes,
	const struct flow_credit *limits)
{
	if (flow->key.proto == IPPROTO_TCP)
		return (int64_t)flow->tally.debt + bytes <= FLOW_CREDIT_START;
	return side == 1 || (int64_t)flow->tally.debt + frames <= (int64_t)limits->unanswered;
}

static int32_t within(int64_t value, int32_t min)
{
	return value < min ? min : value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

void flow_credit_step(struct flow *flow, unsigned side, uint32_t bytes)
{
	bool tcp = flow->key.proto == IPPROTO_TCP;
	int64_t debt = flow->tally.debt;

	if (flow_is_honeypot(flow, side))
		debt += tcp ? bytes : 1;
	else
		debt -= tcp ? (int64_t)bytes * FLOW_CREDIT_FACTOR : FLOW_ANSWER_WORTH;
	flow->tally.debt = within(debt, tcp ? FLOW_CREDIT_START - FLOW_CREDIT_MAX : INT32_MIN);
}
