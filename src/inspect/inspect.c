/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/inspect.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/inside.h"

int inspect_new(const struct inspect_setup *setup, struct inspect **ret_inspect)
{
	struct inspect *in = calloc(1, sizeof(*in));
	int error;

	if (!in)
		return -ENOMEM;
	in->setup = *setup;
	error = pool_new(setup->pool_bytes ? setup->pool_bytes : INSPECT_POOL_BYTES, &in->pool);
	if (error == 0 && setup->is_inline)
		error = pool_new(INSPECT_HELD_BYTES, &in->held_pool);
	if (error == 0 && setup->on_decoded)
		error = unveil_new(&in->unveil);
	if (error == 0)
		error = talks_new(in);
	if (error < 0) {
		inspect_free(in);
		return error;
	}
	*ret_inspect = in;
	return 0;
}

/* What is held is lost: the caller is leaving. */
static void forget_held(struct inspect *in)
{
	struct inspect_released released;

	for (uint32_t i = in->newest; i != TALK_NONE; i = in->talk[i].older)
		for (unsigned side = 0; side < 2; side++)
			guard_flush(in, &in->talk[i].side[side]);
	while (guard_next(in, &released))
		;
}

struct inspect *inspect_free(struct inspect *in)
{
	if (!in)
		return NULL;
	if (in->talk && in->free && in->bucket) {
		forget_held(in);
		talks_free(in);
	}
	pool_free(in->pool);
	pool_free(in->held_pool);
	unveil_free(in->unveil);
	free(in);
	return NULL;
}

void inspect_set_rules(struct inspect *in, struct rules *rules)
{
	for (uint32_t i = in->newest; i != TALK_NONE; i = in->talk[i].older) {
		struct talk *t = &in->talk[i];

		t->marks = rules_flow_free(t->marks);
		t->asked = t->asked_unread = false;
		for (unsigned side = 0; side < 2 && !rules; side++)
			guard_flush(in, &t->side[side]);
	}
	in->setup.rules = rules;
}

/* What inner conversations belong to: the outer one, or both of them where each way is one. */
static uint64_t parent_of(const struct inspect *in, const struct now *now)
{
	const struct frame_packet *outer = &now->parsed->packet[0];
	struct flow_key key;
	uint8_t source;

	if (outer->proto != IPPROTO_UDP || !outer->has_transport ||
		!frame_tunnel_is_one_way(outer->dport) ||
		!flow_key_make(now->parsed, outer, 0, &key, &source))
		return now->frame->parent_of_inner;
	key.port[0] = key.port[1] = outer->dport;
	return talk_inner_id(in, &key);
}

/* A packet inside another belongs to a conversation of its own; who is seen first began it. */
static struct talk *inner_talk(struct inspect *in, struct now *now)
{
	struct flow_key key;
	struct talk *outer, *t;
	uint8_t source;
	bool is_new;

	if (now->frame->parent_of_inner == 0 ||
		!flow_key_make(now->parsed, now->packet, parent_of(in, now), &key, &source))
		return NULL;
	talk_get(in, now->frame->flow_id, &is_new);
	t = talk_get(in, talk_inner_id(in, &key), &is_new);
	if (is_new) {
		outer = talk_find(in, now->frame->flow_id); /* may have made room for it */
		if (outer)
			talk_put_inside(outer, t);
		t->first_end = flow_starter(now->packet, source);
		t->flow_id = now->frame->flow_id;
		t->number = ++in->n_inner;
	}
	now->side = t->first_end != source;
	return t;
}

static struct talk *talk_of(struct inspect *in, struct now *now)
{
	bool is_new;

	if (now->inner > 0)
		return inner_talk(in, now);
	now->side = now->frame->side;
	return talk_get(in, now->frame->flow_id, &is_new);
}

static void see_packet(const struct now *now)
{
	struct talk *t = now->talk;
	struct side *s = &t->side[now->side];

	if (!t->seen) {
		t->seen = true;
		t->start_ns = now->frame->wall_ns;
		t->direction = now->side == 0 ? now->frame->direction
					      : direction_turned(now->frame->direction);
	}
	t->wall_ns = now->frame->wall_ns;
	t->steady_ns = now->frame->steady_ns;
	t->packet = now->frame->packet;
	s->last = *now->packet;
	s->packets++;
	s->bytes += now->parsed->wire_len;
}

static bool is_whole(const struct frame_packet *p)
{
	return p->has_transport && !p->is_fragment;
}

static void take_packet(struct inspect *in)
{
	const struct now *now = &in->now;
	struct talk *t = now->talk;

	if (!t || !is_whole(now->packet)) {
		look_packet(in);
		unveil_packet(in);
	} else if (now->packet->proto == IPPROTO_TCP) {
		tcp_take(in);
	} else {
		t->established |= t->side[0].packets > 0 && t->side[1].packets > 0;
		if (now->packet->proto == IPPROTO_UDP) {
			struct now_bytes payload = look_payload(now);

			look_feed(in, payload.at, payload.len);
		}
		look_packet(in);
		unveil_packet(in);
	}
}

static bool stopped(const struct inspect_answer *answer)
{
	return answer->verdict == INSPECT_DROP || answer->verdict == INSPECT_REJECT;
}

static void take_at(struct inspect *in, const struct inspect_frame *frame, unsigned inner)
{
	const struct frame *parsed = frame->frame;
	struct inspect_frame own;

	in->now.packet = parsed->n_packets > 0 ? &parsed->packet[inner] : NULL;
	in->now.inner = inner;
	in->now.talk = in->now.packet ? talk_of(in, &in->now) : NULL;
	if (in->now.talk)
		see_packet(&in->now);
	if (in->now.talk && inner > 0) {
		own = *frame;
		own.flow_id = in->now.talk->flow_id;
		own.side = in->now.side;
		in->now.frame = &own;
	}
	if (in->now.packet) {
		take_packet(in);
	} else {
		look_packet(in);
		look_link(in);
	}
	in->now.frame = frame;
}

/* The inner packets first: what they hold decides for the whole frame, which the outer may hold back. */
struct inspect_answer inspect_take(
	struct inspect *in, struct inspect_frame *frame, const void *tag, size_t tag_len)
{
	in->now = (struct now){ .frame = frame,
		.parsed = frame->frame,
		.may_stop = in->setup.is_inline && frame->leaves && in->setup.rules,
		.answer = { .rule = UINT32_MAX } };
	in->tag = tag;
	in->tag_len = tag_len < INSPECT_TAG_MAX ? tag_len : INSPECT_TAG_MAX;
	guard_forget(in);
	for (unsigned i = frame->frame->n_packets; i > 1 && !stopped(&in->now.answer); i--)
		take_at(in, frame, i - 1);
	if (!stopped(&in->now.answer))
		take_at(in, frame, 0);
	in->counts.dropped +=
		in->now.answer.verdict == INSPECT_DROP || in->now.answer.verdict == INSPECT_REJECT;
	return in->now.answer;
}

/* With a frame that has the headers of the side's last one. */
static void end_side_of(struct inspect *in, struct talk *t, unsigned side)
{
	struct inspect_frame frame = { .flow_id = t->flow_id,
		.side = side,
		.direction = side == 0 ? t->direction : direction_turned(t->direction),
		.midstream = t->midstream,
		.wall_ns = t->wall_ns,
		.steady_ns = t->steady_ns,
		.packet = t->packet };
	struct frame parsed = { .n_packets = 1 };

	frame.frame = &parsed;
	parsed.packet[0] = t->side[side].last;
	parsed.packet[0].payload_at = parsed.packet[0].end_at = 0;
	in->now = (struct now){ .frame = &frame,
		.parsed = &parsed,
		.packet = &parsed.packet[0],
		.side = side,
		.talk = t };
	tcp_finish(in, side);
	look_end(in);
}

void inspect_end_talk(struct inspect *in, struct talk *t)
{
	struct now now = in->now;

	for (unsigned side = 0; side < 2; side++) {
		guard_flush(in, &t->side[side]);
		if (t->side[side].last.version)
			end_side_of(in, t, side);
	}
	in->now = now;
}

static struct inspect_flow_facts facts_of(const struct talk *t)
{
	struct inspect_flow_facts facts = t->facts;

	facts.app = t->app_before;
	if (t->conn) {
		enum proto_id app = proto_conn_app(t->conn);

		if (!t->app_before || (app && app != PROTO_FAILED))
			facts.app = app;
		for (unsigned side = 0; side < 2; side++)
			facts.side_app[side] = proto_conn_id(t->conn, side);
	}
	return facts;
}

void inspect_end_flow(struct inspect *in, uint64_t flow_id, struct inspect_flow_facts *ret_facts)
{
	struct talk *t = talk_find(in, flow_id);

	if (ret_facts)
		*ret_facts = (struct inspect_flow_facts){ .app = PROTO_NONE };
	if (!t)
		return;
	while (t->inner) {
		struct talk *inner = t->inner;

		inspect_end_talk(in, inner);
		talk_drop(in, inner);
	}
	inspect_end_talk(in, t);
	if (ret_facts)
		*ret_facts = facts_of(t);
	talk_drop(in, t);
}

struct inspect_flow_facts inspect_facts(const struct inspect *in, uint64_t flow_id)
{
	const struct talk *t = talk_find(in, flow_id);

	return t ? facts_of(t) : (struct inspect_flow_facts){ .app = PROTO_NONE };
}

enum proto_id inspect_app(const struct inspect *in, uint64_t flow_id)
{
	const struct talk *t = talk_find(in, flow_id);

	return t && t->conn ? proto_conn_app(t->conn) : PROTO_NONE;
}

bool inspect_next(struct inspect *in, int64_t steady_ns, struct inspect_released *ret_released)
{
	guard_expire(in, steady_ns);
	return guard_next(in, ret_released);
}

int64_t inspect_next_ns(const struct inspect *in)
{
	return guard_due_ns(in);
}

void inspect_counts(const struct inspect *in, struct inspect_counts *ret_counts)
{
	*ret_counts = in->counts;
	ret_counts->flows = in->setup.flows_max - in->n_free;
	ret_counts->flows_max = in->setup.flows_max;
	ret_counts->pool_used = pool_used(in->pool);
	ret_counts->held_bytes = in->held_pool ? pool_used(in->held_pool) : 0;
}
