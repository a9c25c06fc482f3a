/* SPDX-License-Identifier: Apache-2.0 */
#include "control/parts.h"

static struct gate_whole whole_of(const struct parts *parts, const struct whole_set *set)
{
	struct gate_whole whole = { .frame = &parts->whole, .frames = set->n };

	for (unsigned i = 0; i < set->n; i++)
		whole.bytes += set->part[i].wire_len;
	return whole;
}

void parts_judge(struct parts *parts, struct gate *gate, const struct whole_set *set, unsigned i,
	const struct gate_time *now, uint64_t packet)
{
	const struct whole_part *part = &set->part[i];
	struct gate_answer before = parts->answer;
	struct gate_whole whole;

	frame_parse(part->data, part->len, FRAME_LINK_ETHERNET, &parts->frame);
	parts->frame.wire_len = part->wire_len;
	if (!set->datagram) {
		parts->answer = gate_judge(gate, set->in_port, &parts->frame, now, packet);
		return;
	}
	if (i == 0)
		frame_parse(set->datagram, set->datagram_len, FRAME_LINK_ETHERNET, &parts->whole);
	whole = whole_of(parts, set);
	parts->answer = gate_judge_part(
		gate, set->in_port, &whole, &parts->frame, i ? &before : NULL, now, packet);
}
