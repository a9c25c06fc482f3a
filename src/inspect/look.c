/* SPDX-License-Identifier: Apache-2.0 */
/* What is looked at is put into units for the rules, and what they say is told. */
#include <assert.h>
#include <string.h>

#include "base/cur.h"
#include "inspect/inside.h"
#include "rules/rule.h"

#define FEED_MAX (16u << 10) /* bytes a protocol gets at a time: it may have to keep them */

static const char *const no_events[] = { NULL };

struct now_bytes look_payload(const struct now *now)
{
	const struct frame_packet *p = now->packet;
	uint32_t end = p->end_at < now->parsed->len ? p->end_at : now->parsed->len;

	if (p->payload_at >= end)
		return (struct now_bytes){ NULL, 0 };
	return (struct now_bytes){ now->parsed->data + p->payload_at, end - p->payload_at };
}

static void set_talk(struct rules_unit *unit, const struct talk *t)
{
	unit->established = t->established;
	unit->flow = t->marks;
	unit->flow_start_ns = t->start_ns;
	unit->app = t->conn ? proto_conn_app(t->conn) : PROTO_NONE;
	for (unsigned i = 0; i < 2; i++) {
		const struct side *s = &t->side[i];

		unit->flow_packets[i] = s->packets;
		unit->flow_bytes[i] = s->bytes;
		unit->stream_bytes[i] = s->seq_end - s->isn;
	}
}

static void set_no_talk(struct rules_unit *unit)
{
	static const struct talk none;

	set_talk(unit, &none);
}

/* Member by member: zeroing it all three times a frame is a third of what a frame costs here. */
static void set_unit(struct inspect *in, enum rules_kind kind, struct rules_unit *unit)
{
	const struct now *now = &in->now;

	static_assert(sizeof(*unit) == 176, "a new member is to be set here");
	unit->repeats = false;
	unit->kind = kind;
	unit->frame = now->parsed;
	unit->packet = now->packet;
	unit->wall_ns = now->frame->wall_ns;
	unit->steady_ns = now->frame->steady_ns;
	unit->side = now->side;
	unit->reassembled = now->frame->reassembled;
	unit->quiet = now->frame->quiet;
	unit->stream_events = unit->decode_events_unused = 0;
	unit->events = now->frame->events ? now->frame->events : no_events;
	unit->bytes = NULL;
	unit->len = unit->fresh = 0;
	unit->offset = 0;
	unit->tx = NULL;
	if (now->talk && !now->talk->marks)
		now->talk->marks = rules_flow_new();
	if (now->talk)
		set_talk(unit, now->talk);
	else
		set_no_talk(unit);
}

static void note_hit(struct inspect_flow_facts *facts, const struct rules_hit *hit)
{
	facts->alerted |= hit->alert && !hit->tired;
	facts->passed |= hit->action == RULE_PASS;
	facts->dropped |=
		hit->action == RULE_DROP || hit->action == RULE_SDROP || hit->action == RULE_REJECT;
}

static void tell(struct inspect *in, const struct rules_unit *unit, const struct rules_hit *hit)
{
	struct inspect_hit told = { .frame = in->now.frame,
		.parsed = in->now.parsed,
		.inner = in->now.inner,
		.hit = hit,
		.unit = unit,
		.info = rules_info(in->setup.rules, hit->rule),
		.tx = unit->tx,
		.app = unit->app,
		.payload = unit->bytes,
		.payload_len = unit->len };

	in->counts.hits += !hit->tired;
	in->counts.undecided += hit->tired;
	if (in->now.may_stop)
		change_by_hit(in, unit, hit, &told);
	if (in->now.talk)
		note_hit(&in->now.talk->facts, hit);
	if (in->setup.on_hit)
		in->setup.on_hit(in->setup.context, &told);
}

static void look(struct inspect *in, const struct rules_unit *unit)
{
	struct rules_hit hits[RULES_HITS_MAX];
	size_t n = rules_look(in->setup.rules, unit, hits);

	for (size_t i = 0; i < n; i++)
		tell(in, unit, &hits[i]);
}

/* What was not read, and what is before it. */
static void set_stream(struct inspect *in, struct rules_unit *unit, const struct side *side)
{
	const struct stream *s = side->stream;
	uint64_t read = stream_read(s);

	unit->offset = read - (read < STREAM_LOOK_BACK ? read : STREAM_LOOK_BACK);
	if (unit->offset < stream_kept(s))
		unit->offset = stream_kept(s);
	unit->bytes = stream_bytes(s, unit->offset);
	unit->len = (uint32_t)(tcp_shown_end(in, side) - unit->offset);
	unit->fresh = (uint32_t)(read - unit->offset);
}

static void set_payload(struct rules_unit *unit, const struct now *now)
{
	struct now_bytes payload = look_payload(now);

	unit->bytes = payload.at;
	unit->len = payload.len;
}

/* A part of a datagram is only looked at as IP: what is in it is looked at when it is whole. */
void look_packet(struct inspect *in)
{
	struct frame_packet part;
	struct rules_unit unit;

	if (!in->setup.rules)
		return;
	set_unit(in, RULES_PACKET, &unit);
	if (in->now.packet && in->now.packet->is_fragment) {
		part = *in->now.packet;
		part.has_transport = false;
		part.sport = part.dport = 0;
		unit.packet = &part;
	} else if (in->now.packet) {
		set_payload(&unit, &in->now);
	}
	if (in->now.talk) {
		const struct stream *s = in->now.talk->side[in->now.side].stream;

		unit.streamed = s && stream_started(s);
	}
	look(in, &unit);
}

static bool have_conn(struct inspect *in)
{
	struct proto_setup setup = { .on_tx = look_on_tx,
		.on_file = in->setup.on_file ? look_on_file : NULL,
		.on_expect = expect_on_told,
		.on_tunnel = in->setup.on_tunnel ? look_on_tunnel : NULL,
		.on_login = in->setup.on_login ? look_on_login : NULL,
		.on_text = in->setup.on_text ? look_on_text : NULL,
		.context = in };
	const struct now *now = &in->now;
	struct proto_flow_info info = { .ip_proto = now->packet->proto,
		.midstream = now->talk->midstream || now->talk->goes_on };

	if (now->talk->conn)
		return true;
	info.port[now->side] = now->packet->sport;
	info.port[!now->side] = now->packet->dport;
	info.expected = expect_take(in, &info.doubted);
	return proto_conn_new(&setup, &info, &now->talk->conn) == 0;
}

/* A frame of 802.2 belongs to no conversation: its transactions are those of this frame alone. */
static void on_link_tx(void *context, struct proto_tx *tx, unsigned side)
{
	struct inspect *in = context;

	(void)side;
	in->setup.on_tx(in->setup.context, in->now.frame, tx);
}

void look_link(struct inspect *in)
{
	static const struct proto_flow_info info = { .ip_proto = 0 };
	const struct proto_setup setup = { .on_tx = on_link_tx, .context = in };
	const struct frame *f = in->now.parsed;
	struct cur c = cur_make(f->data, f->len);
	struct proto_conn *conn;

	cur_skip(&c, f->l3_at);
	cur_limit(&c, f->ethertype);
	if (!in->setup.on_tx || !f->l3_at || f->ethertype >= FRAME_ETHERTYPE_MIN || !cur_left(&c) ||
		proto_conn_new(&setup, &info, &conn) < 0)
		return;
	proto_feed(conn, 0, c.at, cur_left(&c), in->now.frame->wall_ns);
	proto_conn_free(conn);
}

/* What a limit keeps from being read may be what a rule is there to stop. */
static bool must_read(struct inspect *in)
{
	struct talk *t = in->now.talk;
	struct rules_unit unit;

	if (!t->asked_unread) {
		set_unit(in, RULES_PACKET, &unit);
		t->must_read = rules_may_stop_tx(in->setup.rules, &unit);
		t->asked_unread = true;
	}
	return t->must_read;
}

void look_feed(struct inspect *in, const uint8_t *bytes, size_t len)
{
	const struct now *now = &in->now;
	bool datagram = now->packet->proto != IPPROTO_TCP;

	if (len == 0 || !have_conn(in))
		return;
	for (size_t at = 0, n; at < len; at += n) {
		n = datagram || len - at < FEED_MAX ? len - at : FEED_MAX;
		proto_feed(now->talk->conn, now->side, bytes + at, n, now->frame->wall_ns);
	}
	if (now->may_stop && proto_conn_limited(now->talk->conn) && must_read(in))
		change_undecided(in);
}

/* Whether the packet that was looked at has the new bytes of the stream, and no others. */
static bool packet_has(const struct inspect *in, const struct rules_unit *stream)
{
	struct now_bytes payload = look_payload(&in->now);

	return payload.len > 0 && payload.len == stream->len - stream->fresh &&
	       memcmp(payload.at, stream->bytes + stream->fresh, payload.len) == 0;
}

void look_stream(struct inspect *in, bool packet)
{
	const struct side *s = &in->now.talk->side[in->now.side];
	struct rules_unit unit;

	if (!in->setup.rules || tcp_shown_end(in, s) == stream_read(s->stream))
		return;
	set_unit(in, RULES_STREAM, &unit);
	set_stream(in, &unit, s);
	unit.repeats = packet && packet_has(in, &unit);
	look(in, &unit);
}

bool look_may_stop(struct inspect *in)
{
	struct talk *t = in->now.talk;
	struct rules_unit unit;

	if (!t->asked) {
		set_unit(in, RULES_PACKET, &unit);
		t->may_stop = rules_may_stop(in->setup.rules, &unit);
		t->asked = true;
	}
	return t->may_stop;
}

uint32_t look_tail(struct inspect *in)
{
	struct rules_unit unit;

	if (in->setup.hold_ns <= 0)
		return 0;
	set_unit(in, RULES_STREAM, &unit);
	set_stream(in, &unit, &in->now.talk->side[in->now.side]);
	return rules_tail(in->setup.rules, &unit);
}

void look_end(struct inspect *in)
{
	struct rules_unit unit;

	if (!in->setup.rules)
		return;
	set_unit(in, RULES_FLOW_END, &unit);
	if (in->now.talk->side[in->now.side].stream)
		set_stream(in, &unit, &in->now.talk->side[in->now.side]);
	look(in, &unit);
}

void look_on_tx(void *context, struct proto_tx *tx, unsigned side)
{
	struct inspect *in = context;
	struct proto_tx_state state = proto_tx_state(tx);

	if (in->setup.rules) {
		struct rules_unit unit;
		const struct side *said = &in->now.talk->side[side];

		set_unit(in, RULES_TX, &unit);
		unit.side = side;
		unit.tx = tx;
		if (said->stream)
			set_stream(in, &unit, said);
		else if (side == in->now.side)
			set_payload(&unit, &in->now);
		if (side != in->now.side && said->last.version)
			unit.packet = &said->last; /* its addresses are the other way round */
		look(in, &unit);
	}
	in->now.talk->facts.transactions += state.done[0] && state.done[1];
	if (in->setup.on_tx && state.done[0] && state.done[1])
		in->setup.on_tx(in->setup.context, in->now.frame, tx);
}

void look_on_file(void *context, const struct proto_file *file, const uint8_t *bytes, size_t len)
{
	struct inspect *in = context;
	struct proto_file own = *file;

	own.id |= in->now.talk->number << 40;
	in->setup.on_file(in->setup.context, in->now.frame, &own, bytes, len);
}

void look_on_login(void *context, enum proto_id proto, const struct proto_login *login)
{
	struct inspect *in = context;

	in->setup.on_login(in->setup.context, in->now.frame, proto, login);
}

void look_on_tunnel(void *context, const struct proto_tunnel *tunnel)
{
	struct inspect *in = context;

	in->setup.on_tunnel(in->setup.context, in->now.frame, tunnel);
}

void look_on_text(void *context, const struct proto_text *text)
{
	struct inspect *in = context;

	in->setup.on_text(in->setup.context, in->now.frame, text);
}
