/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting. All that one frame changes in the shared memory is saved before (struct undo), so that after
 * a crash at any instruction the frame has been counted whole or not at all.
 */
#include <netinet/tcp.h>
#include <stdatomic.h>

#include "control/inside.h"

static void order_stores(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

static void undo_arm(struct gate *gate, enum reason reason)
{
	struct undo *u = &gate->shared->undo;

	u->n = 0;
	u->tallies = gate->shared->tallies;
	u->reason = reason;
	u->reason_count = gate->shared->by_reason[reason];
	order_stores();
	u->armed = 1;
	order_stores();
}

static void undo_disarm(struct gate *gate)
{
	order_stores();
	gate->shared->undo.armed = 0;
	order_stores();
}

/* Must come before the first change of a slot. */
static struct flow *touch(struct gate *gate, uint32_t slot)
{
	struct undo *u = &gate->shared->undo;
	struct flow *flow = flow_get(gate->table, slot);

	for (uint32_t i = 0; i < u->n; i++)
		if (u->flow[i].slot == slot)
			return flow;
	u->flow[u->n].slot = slot;
	u->flow[u->n].tally = flow->tally;
	order_stores();
	u->n++;
	order_stores();
	return flow;
}

void account_undo(struct gate *gate)
{
	struct shared *s = gate->shared;
	struct undo *u = &s->undo;
	struct flow *flow = flow_memory_slots(s->flow_memory);

	if (u->armed != 1 || u->n > sizeof(u->flow) / sizeof(u->flow[0]) ||
		u->reason >= REASON_COUNT)
		return;
	for (uint32_t i = u->n; i-- > 0;)
		if (u->flow[i].slot < s->slots)
			flow[u->flow[i].slot].tally = u->flow[i].tally;
	s->tallies = u->tallies;
	s->by_reason[u->reason] = u->reason_count;
	undo_disarm(gate);
}

/* Whether a live flow with this key ends before this packet, and why. */
static enum flow_end end_before(const struct judge *j, const struct flow *flow,
	const struct frame_packet *packet, uint8_t source)
{
	unsigned side = source != flow->starter;

	if (flow_timed_out(j->gate->table, flow, j->now.steady_ns))
		return flow->tally.state == FLOW_CLOSED ? FLOW_END_CLOSED : FLOW_END_TIMEOUT;
	/* Nothing of it was let out, so a frame from outside begins something of its own; one between
	 * honeypots too: as a part of this it would turn the refusal into a permission. What an operator
	 * ended was let out once: it stays ended. */
	if (flow->tally.verdict == VERDICT_DROP && flow->tally.reason != REASON_KILLED &&
		j->answer.direction != DIRECTION_OUTBOUND)
		return FLOW_END_REUSED;
	if (packet->proto == IPPROTO_TCP && packet->has_transport &&
		flow_tcp_begins(
			flow, packet, side, j->in_port != GATE_OUTSIDE && !j->gate->observe))
		return FLOW_END_REUSED;
	return FLOW_END_NONE;
}

static uint32_t find_quoted(const struct judge *j)
{
	struct flow_key key;
	uint8_t source;

	if (!j->frame->has_quoted || !j->frame->quoted.has_transport ||
		!flow_key_make(j->frame, &j->frame->quoted, 0, &key, &source))
		return FLOW_NONE;
	return flow_find(j->gate->table, &key);
}

void account_look_up(struct judge *j)
{
	const struct flow *flow;
	uint32_t slot;

	j->slot = j->old = j->quoted = FLOW_NONE;
	if (!j->packet)
		return;
	j->has_key = flow_key_make(j->frame, j->packet, 0, &j->key, &j->source);
	j->quoted = find_quoted(j);
	slot = flow_find(j->gate->table, &j->key);
	if (slot == FLOW_NONE)
		return;
	flow = flow_get(j->gate->table, slot);
	j->old_end = end_before(j, flow, j->packet, j->source);
	if (j->old_end == FLOW_END_NONE)
		j->slot = slot;
	else
		j->old = slot;
}

static bool may_add_refused(const struct judge *j)
{
	return j->honeypot != NO_HONEYPOT && j->gate->pot[j->honeypot].refused < GATE_REFUSED_MAX;
}

/* 53 bits, so that every reader of JSON reads it exactly. */
uint64_t account_next_id(const struct gate *gate)
{
	return (gate->boot & 0xffff) << 37 | ((gate->shared->last_id + 1) & 0x1fffffffff);
}

/* Honeypots may talk to each other as they like, but not crowd out what comes in from outside. */
static bool may_add_internal(const struct judge *j)
{
	return j->answer.direction != DIRECTION_INTERNAL || j->honeypot == NO_HONEYPOT ||
	       j->gate->pot[j->honeypot].internal <
		       flow_slots(j->gate->table) / GATE_INTERNAL_SHARE;
}

/* A TCP connection that was let out just now. The white list knows no limits. */
static void note_attempt(struct judge *j, uint32_t slot, const struct frame_packet *packet)
{
	struct gate *gate = j->gate;

	if (packet->proto == IPPROTO_TCP && j->answer.verdict == VERDICT_PASS &&
		j->answer.direction == DIRECTION_OUTBOUND && j->honeypot != NO_HONEYPOT &&
		!gate->observe && !(j->listed >> LIST_WHITE & 1))
		attempts_note(
			&gate->pot[j->honeypot].attempts, slot, flow_get(gate->table, slot)->id);
}

/* Where nothing is controlled it is told as it was, though the answer came before what it answers. */
static void read_sides(
	const struct gate *gate, struct flow *flow, const struct frame_packet *packet)
{
	uint8_t starter = flow_starter(packet, flow->starter);

	if (!gate->observe || starter == flow->starter)
		return;
	flow->starter = starter;
	flow->direction = (uint8_t)direction_turned((enum direction)flow->direction);
	flow->tally.reason = (uint16_t)gate_observed_reason((enum direction)flow->direction);
}

/* A new flow, live but without frames; FLOW_NONE when there is no room for it. */
static uint32_t add_flow(struct judge *j, const struct flow_key *key, uint8_t source,
	const struct frame_packet *packet)
{
	struct gate *gate = j->gate;
	uint32_t slot = may_add_internal(j) ? flow_reserve(gate->table, key) : FLOW_NONE;
	struct flow *flow;

	if (slot == FLOW_NONE)
		return FLOW_NONE;
	flow = touch(gate, slot);
	flow->id = account_next_id(gate);
	gate->shared->last_id++;
	flow->first_wall_ns = j->now.wall_ns;
	flow->first_packet = j->packet_id;
	flow->honeypot = j->honeypot;
	flow->direction = (uint8_t)j->answer.direction;
	flow->starter = source;
	flow->in_port = (uint8_t)j->in_port;
	flow->icmp_type = packet->icmp_type;
	flow->icmp_code = packet->icmp_code;
	flow->tally.verdict = (uint8_t)j->answer.verdict;
	flow->tally.reason = (uint16_t)j->answer.reason;
	flow->tally.last_wall_ns = j->now.wall_ns;
	flow->tally.last_steady_ns = j->now.steady_ns;
	read_sides(gate, flow, packet);
	if (j->answer.verdict == VERDICT_DROP && j->honeypot != NO_HONEYPOT)
		gate->pot[j->honeypot].refused++;
	if (j->answer.direction == DIRECTION_INTERNAL && j->honeypot != NO_HONEYPOT)
		gate->pot[j->honeypot].internal++;
	gate->shared->tallies.flows_total++;
	order_stores();
	flow_begin(gate->table, slot);
	note_attempt(j, slot, packet);
	return slot;
}

static void step_state(struct gate *gate, uint32_t slot, struct flow *flow,
	const struct frame_packet *packet, unsigned side)
{
	bool changed;

	if (packet->proto == IPPROTO_TCP) /* a later fragment says nothing of its own */
		changed = packet->has_transport && flow_tcp_step(flow, packet, side);
	else
		changed = flow_answer_step(flow, side);
	if (changed)
		flow_reschedule(gate->table, slot);
}

static void tally_frame(
	struct judge *j, uint32_t slot, const struct frame_packet *packet, uint8_t source)
{
	struct gate *gate = j->gate;
	struct flow *flow = touch(gate, slot);
	unsigned side = source != flow->starter;
	struct flow_tally *t = &flow->tally;

	t->frames[side]++;
	t->bytes[side] += j->wire_len;
	t->last_wall_ns = j->now.wall_ns;
	t->last_steady_ns = j->now.steady_ns;
	t->last_packet = j->packet_id;
	if (j->answer.verdict == VERDICT_DROP) {
		t->dropped++;
		if (t->verdict == VERDICT_DROP && packet->proto == IPPROTO_TCP)
			t->tcp_flags[side] |= packet->tcp_flags;
		return;
	}
	if (t->reason == REASON_KILLED && t->verdict == VERDICT_DROP)
		return;                   /* what goes on between honeypots does not lift it */
	if (t->verdict == VERDICT_DROP) { /* refused before, let out now */
		if (flow->honeypot != NO_HONEYPOT)
			gate->pot[flow->honeypot].refused--;
		t->verdict = VERDICT_PASS;
		t->reason = (uint16_t)j->answer.reason;
		note_attempt(j, slot, packet);
	}
	flow_credit_step(flow, side, j->wire_len);
	if (!j->again)
		step_state(gate, slot, flow, packet, side);
}

uint32_t account_inner(const struct judge *j, unsigned i, uint64_t parent, uint8_t *ret_source)
{
	const struct frame_packet *p = &j->frame->packet[i];
	struct flow_key key;
	uint32_t slot;

	if (!flow_key_make(j->frame, p, parent, &key, ret_source))
		return FLOW_NONE;
	slot = flow_find(j->gate->table, &key);
	if (slot != FLOW_NONE &&
		end_before(j, flow_get(j->gate->table, slot), p, *ret_source) != FLOW_END_NONE)
		return FLOW_NONE;
	return slot;
}

/* What leaves makes a conversation of its own, though there is one with its addresses: something else was let
 * through with them, or the other end's was refused, which must not become a permission. */
static bool is_another(const struct judge *j, const struct flow *flow, uint8_t source, bool began)
{
	const struct flow_tally *t = &flow->tally;

	if (j->answer.verdict == VERDICT_DROP || j->answer.direction != DIRECTION_OUTBOUND)
		return false;
	if (t->verdict == VERDICT_PASS)
		return began;
	return t->reason != REASON_KILLED && source != flow->starter;
}

/* The flow of an inner packet, made if need be. A refused frame ends no conversation, but time does. */
static uint32_t inner_flow_of(
	struct judge *j, const struct flow_key *key, uint8_t source, const struct frame_packet *p)
{
	bool pass = j->answer.verdict == VERDICT_PASS;
	uint32_t slot = flow_find(j->gate->table, key);

	if (slot != FLOW_NONE) {
		const struct flow *flow = flow_get(j->gate->table, slot);
		enum flow_end end = end_before(j, flow, p, source);

		if (end == FLOW_END_NONE && is_another(j, flow, source, false))
			end = FLOW_END_REUSED;
		if (end == FLOW_END_NONE || (end == FLOW_END_REUSED && !pass))
			return slot;
		touch(j->gate, slot);
		flow_end(j->gate->table, slot, end);
	}
	return pass || may_add_refused(j) ? add_flow(j, key, source, p) : FLOW_NONE;
}

/* A conversation inside a tunnel: in the flow log, but its frames are counted with the tunnel's. */
static void tally_inner(struct judge *j, uint64_t parent)
{
	const struct frame *f = j->frame;

	for (unsigned i = 1; i < f->n_packets; i++) {
		const struct frame_packet *p = &f->packet[i];
		struct flow_key key;
		uint8_t source;
		uint32_t slot;

		if (!flow_key_make(f, p, parent, &key, &source))
			return;
		slot = inner_flow_of(j, &key, source, p);
		if (slot == FLOW_NONE)
			return;
		tally_frame(j, slot, p, source);
		parent = flow_get(j->gate->table, slot)->id;
	}
}

/* The flow that this frame counts with, made if need be; FLOW_NONE for a frame without a flow. */
static uint32_t flow_of(struct judge *j)
{
	bool pass = j->answer.verdict == VERDICT_PASS;

	if (j->old != FLOW_NONE) {
		/* A refused frame ends no conversation, but time does. */
		if (!pass && j->old_end == FLOW_END_REUSED)
			return j->old;
		touch(j->gate, j->old);
		flow_end(j->gate->table, j->old, j->old_end);
	}
	if (j->slot != FLOW_NONE &&
		is_another(j, flow_get(j->gate->table, j->slot), j->source, j->began)) {
		touch(j->gate, j->slot);
		flow_end(j->gate->table, j->slot, FLOW_END_REUSED);
		j->slot = FLOW_NONE;
	}
	if (j->slot != FLOW_NONE)
		return j->slot;
	if (!pass && !(j->refused_new && may_add_refused(j)))
		return FLOW_NONE;
	j->slot = add_flow(j, &j->key, j->source, j->packet);
	j->first = true;
	return j->slot;
}

static uint32_t flow_of_fragment(struct judge *j)
{
	struct fragment *fragment = fragment_find(j);

	if (!fragment || flow_get(j->gate->table, fragment->slot)->id != fragment->flow_id ||
		flow_get(j->gate->table, fragment->slot)->tally.status != FLOW_LIVE)
		return FLOW_NONE;
	return fragment->slot;
}

/* The packet's own flow, not the quoted one, unless it was let out for the quoted one's sake or came in. */
static bool counts_with_quoted(const struct judge *j)
{
	return j->quoted != FLOW_NONE && j->answer.verdict == VERDICT_PASS &&
	       (j->answer.reason == REASON_ICMP_ERROR || j->in_port == GATE_OUTSIDE ||
		       j->gate->observe || j->answer.direction == DIRECTION_INTERNAL);
}

static bool account_quoted(struct judge *j)
{
	struct flow *flow;

	if (!counts_with_quoted(j))
		return false;
	flow = touch(j->gate, j->quoted);
	flow->tally.errors++;
	if (j->answer.reason == REASON_ICMP_ERROR)
		flow->tally.errors_sent++;
	j->answer.flow_id = flow->id;
	return true;
}

static void answer_flow(struct judge *j, const struct flow *flow)
{
	j->answer.flow_id = flow->id;
	j->answer.side = j->source != flow->starter;
	j->answer.midstream =
		flow->key.proto == IPPROTO_TCP && !(flow->tally.tcp_flags[0] & TH_SYN);
}

static bool account_packet(struct judge *j)
{
	const struct frame_packet *p = j->packet;
	uint32_t slot = FLOW_NONE;

	if (!j->has_key)
		return false;
	if (account_quoted(j))
		return true;
	if (p->is_fragment && !p->first_fragment)
		slot = flow_of_fragment(j);
	if (slot != FLOW_NONE && slot != j->slot) {
		/* Its ports are the first fragment's; who sent it is told by the addresses. */
		const struct flow *flow = flow_get(j->gate->table, slot);

		j->source = !ip_equal(&flow->key.ip[0], &p->src);
	} else if (slot == FLOW_NONE) {
		slot = flow_of(j);
	}
	if (slot == FLOW_NONE)
		return false;
	tally_frame(j, slot, p, j->source);
	answer_flow(j, flow_get(j->gate->table, slot));
	if (j->answer.verdict == VERDICT_PASS) {
		lists_note(j, slot);
		if (p->is_fragment && p->first_fragment)
			fragment_note(j, slot);
	}
	if (j->frame->n_packets > 1 && !j->again)
		tally_inner(j, j->answer.flow_id);
	return true;
}

void account_frame(struct judge *j)
{
	struct gate *gate = j->gate;
	struct tallies *t = &gate->shared->tallies;
	bool in_flow;

	undo_arm(gate, j->answer.reason);
	in_flow = account_packet(j);
	t->received++;
	t->bytes += j->wire_len;
	t->dropped += j->answer.verdict == VERDICT_DROP;
	t->in_flows += in_flow;
	gate->shared->by_reason[j->answer.reason]++;
	undo_disarm(gate);
	gate->open_frames += in_flow;
}
