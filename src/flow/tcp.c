/* SPDX-License-Identifier: Apache-2.0 */
/* States of a conversation as far as a bystander sees them (RFC 9293, 3.3.2). */
#include "flow/flow.h"
#include "frame/frame.h"

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

bool flow_tcp_begins(
	const struct flow *flow, const struct frame_packet *packet, unsigned side, bool strict)
{
	if ((packet->tcp_flags & (SYN | ACK)) != SYN)
		return false;
	/* The attacker chooses his sequence numbers; only an unanswered SYN is sent again. */
	if (strict && (side == 1 || flow->tally.state != FLOW_NEW))
		return true;
	return (flow->tally.isn_known >> side & 1) && packet->tcp_seq != flow->tally.isn[side];
}

static void learn_isn(struct flow_tally *t, const struct frame_packet *packet, unsigned side)
{
	if (t->isn_known >> side & 1)
		return;
	t->isn_known |= (uint8_t)(1u << side);
	t->isn[side] = packet->tcp_flags & SYN ? packet->tcp_seq : packet->tcp_seq - 1;
}

/* A handshake that was seen must be completed by the side that began; of a connection that was there
 * before us both sides must have spoken. */
static bool is_established(
	const struct flow_tally *t, const struct frame_packet *packet, unsigned side)
{
	if (packet->tcp_flags & SYN)
		return false;
	if (t->tcp_flags[0] & SYN)
		return side == 0 ? (t->tcp_flags[1] & SYN) != 0 : (t->tcp_flags[1] & SYN) == 0;
	return t->tcp_flags[0] != 0 && t->tcp_flags[1] != 0;
}

bool flow_tcp_step(struct flow *flow, const struct frame_packet *packet, unsigned side)
{
	struct flow_tally *t = &flow->tally;
	uint8_t before = t->state;

	learn_isn(t, packet, side);
	t->tcp_flags[side] |= packet->tcp_flags;
	if (packet->tcp_flags & FIN)
		t->fin_seen |= (uint8_t)(1u << side);
	if (packet->tcp_flags & RST || t->fin_seen == 3)
		t->state = FLOW_CLOSED;
	else if (t->state == FLOW_NEW && is_established(t, packet, side))
		t->state = FLOW_ESTABLISHED;
	return t->state != before;
}

bool flow_answer_step(struct flow *flow, unsigned side)
{
	if (side == 0 || flow->tally.state != FLOW_NEW)
		return false;
	flow->tally.state = FLOW_ESTABLISHED;
	return true;
}
