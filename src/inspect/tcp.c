/* SPDX-License-Identifier: Apache-2.0 */
/* TCP as a bystander puts it together: handshake, both streams in order, gaps. */
#include <string.h>

#include "decode/decode.h"
#include "inspect/inside.h"

enum {
	OUTSIDE_MAX = 8, /* then the numbers that we knew are not those of the receiver */
	TRIM_MAX = 1024  /* conversations looked at for memory, for one segment */
};

static void follow(struct inspect *in, struct talk *t)
{
	for (unsigned i = 0; i < 2; i++)
		if (stream_new(in->pool, &t->side[i].stream) < 0)
			t->side[i].stream = NULL;
	t->followed = t->side[0].stream && t->side[1].stream;
}

static void begin(struct inspect *in, struct talk *t, const struct frame_packet *p)
{
	if (!(p->tcp_flags & TH_SYN)) {
		t->midstream = true;
		t->established = in->setup.midstream || in->setup.is_inline;
	}
	if (!t->midstream || in->setup.midstream || in->setup.is_inline)
		follow(in, t);
}

/* RFC 9293, 3.4: the first number is that of the SYN. Another one counts only as long as the first was not answered:
 * who has answered it does not change his mind. */
static void see_syn(struct side *s, const struct frame_packet *p, bool answered, bool midstream)
{
	if (s->syn && (answered || s->isn == p->tcp_seq))
		return;
	if (midstream && s->stream && stream_started(s->stream))
		return;
	if (s->stream && (stream_end(s->stream) > 0 || stream_early(s->stream) > 0))
		return;
	s->syn = true;
	s->isn = s->seq_end = p->tcp_seq;
	if (s->stream)
		stream_start(s->stream, p->tcp_seq + 1);
}

uint32_t tcp_data_seq(const struct frame_packet *p)
{
	return p->tcp_seq + ((p->tcp_flags & TH_SYN) != 0);
}

/* Behind a FIN comes nothing that would have to be looked at with what was before it. Behind a RST there may: its
 * receiver ignores it if the number is not exactly right (RFC 5961, 3). */
static void let_go(struct side *s)
{
	if (s->stream && stream_started(s->stream) && stream_end(s->stream) >= s->fin_at)
		stream_trim(s->stream, 0);
}

/* What was acknowledged need not be kept. */
static void see_ack(struct side *s, uint32_t ack)
{
	int64_t offset = stream_offset(s->stream, ack);

	if (s->fin_at != UINT64_MAX && offset == (int64_t)s->fin_at + 1)
		offset--; /* the FIN has a number of its own (RFC 9293, 3.4), and no byte */
	if (!s->guarded || offset <= (int64_t)s->left)
		stream_acked(s->stream, ack - (uint32_t)(stream_offset(s->stream, ack) - offset));
	let_go(s);
}

static void see_numbers(struct talk *t, unsigned side, const struct frame_packet *p, uint32_t len)
{
	struct side *s = &t->side[side], *peer = &t->side[!side];
	uint32_t end = tcp_data_seq(p) + len + ((p->tcp_flags & TH_FIN) != 0);

	if (p->tcp_flags & TH_SYN)
		see_syn(s, p, side == 0 ? peer->syn : t->established, t->midstream);
	else if (s->packets == 1)
		s->isn = s->seq_end = p->tcp_seq;
	if (s->stream && !stream_started(s->stream) && !(p->tcp_flags & TH_RST))
		stream_start(s->stream, tcp_data_seq(p));
	if ((int32_t)(end - s->seq_end) > 0)
		s->seq_end = end;
	if (!(p->tcp_flags & TH_ACK))
		return;
	if (side == 0 && s->syn && peer->syn && !(p->tcp_flags & TH_SYN))
		t->established = true;
	if (!peer->ack_seen || (int32_t)(p->tcp_ack - peer->ack_seq) > 0)
		peer->ack_seq = p->tcp_ack;
	peer->ack_seen = true;
	if (peer->stream && stream_started(peer->stream))
		see_ack(peer, p->tcp_ack);
}

uint64_t tcp_shown_end(const struct inspect *in, const struct side *s)
{
	uint64_t end = stream_end(s->stream), shown = s->shown;
	int64_t acked = s->ack_seen ? stream_offset(s->stream, s->ack_seq) : 0;

	if (!in->setup.when_acked)
		return end;
	if (acked > 0 && (uint64_t)acked > shown)
		shown = (uint64_t)acked;
	if (shown < stream_read(s->stream))
		shown = stream_read(s->stream);
	return shown < end ? shown : end;
}

/* Bytes in order that were not looked at; `packet`: and the packet that brought them. */
void tcp_look_new(struct inspect *in, struct stream *s, bool packet)
{
	uint64_t read = stream_read(s);
	uint64_t end = tcp_shown_end(in, &in->now.talk->side[in->now.side]);
	bool looks = in->setup.depth == 0 || read < in->setup.depth;

	if (looks && end > read)
		look_feed(in, stream_bytes(s, read), end - read);
	if (packet)
		look_packet(in);
	if (looks)
		look_stream(in, packet);
	else
		stream_keep(s, 0);
	stream_read_to(s, end);
	if (end >= DECODE_TRY_BYTES)
		unveil_side(in, in->now.side);
}

/* What the peer does not acknowledge is looked at all the same. */
static void show_all(struct inspect *in, struct stream *s)
{
	if (stream_end(s) == stream_read(s))
		return;
	in->now.talk->side[in->now.side].shown = stream_end(s);
	tcp_look_new(in, s, false);
}

void tcp_give_up_gap(struct inspect *in, struct stream *s)
{
	uint64_t gap;

	show_all(in, s);
	gap = stream_skip(s);
	in->counts.missed += gap;
	if (in->now.talk->conn)
		proto_gap(in->now.talk->conn, in->now.side, gap);
	tcp_look_new(in, s, false);
}

/* One ahead of bytes that have not come may be beyond what its receiver takes: until he has acknowledged it. */
static bool fin_counts(const struct side *s)
{
	return !s->fin_early ||
	       (s->ack_seen && stream_offset(s->stream, s->ack_seq) > (int64_t)s->fin_at);
}

static void see_fin(struct side *s, int64_t offset)
{
	if (s->fin_early &&
		stream_end(s->stream) > s->fin_at) /* what goes on behind it had none there */
		s->fin_at = UINT64_MAX;
	if (offset < 0 || s->fin_at != UINT64_MAX)
		return;
	s->fin_at = (uint64_t)offset;
	s->fin_early = s->fin_at > stream_end(s->stream);
}

/* Bytes behind the last one that was seen, which both sides speak of: who sent them counts on behind them, and who got
 * them has acknowledged them. Where no FIN was seen, one of the numbers is taken for its. */
static uint64_t lost_at_end(const struct side *s)
{
	int64_t end, sent, acked;

	if (!s->stream || !stream_started(s->stream) || !s->ack_seen)
		return 0;
	end = (int64_t)stream_end(s->stream);
	sent = stream_offset(s->stream, s->seq_end);
	acked = stream_offset(s->stream, s->ack_seq);
	if (acked < sent)
		sent = acked;
	return sent - 1 > end ? (uint64_t)(sent - 1 - end) : 0;
}

static void end_side(struct inspect *in, unsigned side)
{
	struct talk *t = in->now.talk;
	struct side *s = &t->side[side];

	if (s->ended)
		return;
	s->ended = true;
	if (t->conn) {
		proto_cut(t->conn, side, lost_at_end(s));
		proto_end(t->conn, side);
	}
	unveil_side(in, side);
	let_go(s);
}

/* As the one who has sent what is shown now: with the headers of its last packet. */
static void show_as(struct inspect *in, unsigned side, uint64_t shown)
{
	const struct now now = in->now;
	struct side *s = &now.talk->side[side];
	struct inspect_frame frame = *now.frame;
	struct frame parsed = { .n_packets = 1, .n_tags = now.parsed->n_tags };

	if (shown > s->shown)
		s->shown = shown;
	if (!s->last.version)
		return;
	memcpy(parsed.tag, now.parsed->tag, sizeof(parsed.tag));
	parsed.packet[0] = s->last;
	parsed.packet[0].payload_at = parsed.packet[0].end_at = 0;
	frame.frame = &parsed;
	if (frame.side != side)
		frame.direction = direction_turned(frame.direction);
	frame.side = side;
	frame.events = NULL;
	in->now.frame = &frame;
	in->now.parsed = &parsed;
	in->now.packet = &parsed.packet[0];
	in->now.side = side;
	tcp_look_new(in, s->stream, false);
	if (stream_read(s->stream) >= s->fin_at && fin_counts(s))
		end_side(in, side);
	in->now = now;
}

/* What the other side has by this packet. */
static void show_acked(struct inspect *in)
{
	unsigned side = !in->now.side;
	struct side *s = &in->now.talk->side[side];

	if (in->now.talk->followed && s->fin_early && stream_started(s->stream) &&
		stream_read(s->stream) >= s->fin_at)
		show_as(in, side, 0);
	if (in->setup.when_acked && in->now.talk->followed && stream_started(s->stream) &&
		tcp_shown_end(in, s) > stream_read(s->stream))
		show_as(in, side, 0);
}

static void end_both(struct inspect *in, unsigned side)
{
	for (unsigned i = 0; i < 2; i++, side = !side) {
		if (in->setup.when_acked && stream_started(in->now.talk->side[side].stream))
			show_as(in, side, stream_end(in->now.talk->side[side].stream));
		end_side(in, side);
	}
}

/* Other numbers than the next one a receiver does not believe (RFC 5961, 3.2). */
static bool is_next(const struct side *s, int64_t offset)
{
	int64_t end = (int64_t)stream_end(s->stream);

	return offset == end || (offset == end + 1 && s->fin_at == (uint64_t)end);
}

/* Who goes on behind his own RST has reached one who has not believed it, or does not himself: what follows is read as
 * that of a conversation whose beginning was not seen. */
static void go_on(struct inspect *in)
{
	struct talk *t = in->now.talk;

	if (t->reset_by != 1 + in->now.side || in->now.packet->tcp_flags & TH_RST)
		return;
	t->reset_by = 0;
	t->goes_on = true;
	t->app_before = t->conn ? proto_conn_app(t->conn) : PROTO_NONE;
	t->conn = proto_conn_free(t->conn);
	for (unsigned i = 0; i < 2; i++)
		t->side[i].ended = stream_read(t->side[i].stream) >= t->side[i].fin_at;
}

void tcp_see_end(struct inspect *in, unsigned side, const struct frame_packet *p, uint32_t len)
{
	struct talk *t = in->now.talk;
	struct side *s = &t->side[side];
	int64_t offset = stream_offset(s->stream, tcp_data_seq(p) + len);

	see_fin(s, p->tcp_flags & TH_FIN ? offset : -1);
	if ((in->setup.when_acked ? stream_read(s->stream) : stream_end(s->stream)) >= s->fin_at &&
		fin_counts(s))
		end_side(in, side);
	/* Inline nothing is told at once, and all is read as long as something comes. */
	if (p->tcp_flags & TH_RST && is_next(s, offset) && !in->setup.is_inline) {
		t->reset_by = (uint8_t)(1 + side);
		end_both(in, side);
	}
}

/* Far beyond what was acknowledged: it is lost, or nonsense. */
static void see_outside(struct inspect *in, struct side *s, uint32_t seq, struct now_bytes payload)
{
	if (++s->outside < OUTSIDE_MAX)
		return;
	show_all(in, s->stream);
	if (in->now.talk->conn)
		proto_gap(in->now.talk->conn, in->now.side, seq - s->seq_end);
	stream_start(s->stream, seq);
	stream_take(s->stream, seq, payload.at, payload.len);
}

static bool must_skip(const struct side *s, enum stream_result result)
{
	if (stream_early(s->stream) == 0)
		return false;
	return stream_missed(s->stream) || stream_early(s->stream) > INSPECT_SKIP_BYTES ||
	       result == STREAM_NO_ROOM ||
	       (result == STREAM_OUTSIDE && s->outside + 1 >= OUTSIDE_MAX);
}

/* What leaves is not looked at with less behind it: memory must be no way past a rule. */
static size_t trim(struct talk *t)
{
	size_t before = 0, after = 0;

	for (unsigned i = 0; i < 2; i++) {
		struct stream *s = t->side[i].stream;

		if (!s)
			continue;
		before += stream_room(s);
		stream_trim(s, t->side[i].guarded ? STREAM_LOOK_BACK : 0);
		after += stream_room(s);
	}
	return before - after;
}

/* When there is no memory, conversations lose what is only looked back at, one after another;
 * those that leave, what is more than that. */
enum stream_result tcp_take_bytes(
	struct inspect *in, struct stream *s, uint32_t seq, struct now_bytes payload)
{
	enum stream_result result = stream_take(s, seq, payload.at, payload.len);

	for (unsigned i = 0; i < TRIM_MAX && result == STREAM_NO_ROOM; i++) {
		if (++in->trimmed >= in->setup.flows_max)
			in->trimmed = 0;
		if (trim(&in->talk[in->trimmed]) > 0)
			result = stream_take(s, seq, payload.at, payload.len);
	}
	return result;
}

/* Takes the payload; when there is no room for it behind a gap, the gap is given up. */
static void take(struct inspect *in, struct side *s, uint32_t seq, struct now_bytes payload)
{
	enum stream_result result = tcp_take_bytes(in, s->stream, seq, payload);

	tcp_look_new(in, s->stream, true);
	while (must_skip(s, result)) {
		tcp_give_up_gap(in, s->stream);
		if (result == STREAM_NO_ROOM || result == STREAM_OUTSIDE)
			result = stream_take(s->stream, seq, payload.at, payload.len);
	}
	if (result == STREAM_OUTSIDE)
		see_outside(in, s, seq, payload);
	else
		s->outside = 0;
	in->counts.no_room += result == STREAM_NO_ROOM;
	s->left = stream_end(s->stream);
	if (s->left - stream_read(s->stream) > INSPECT_SKIP_BYTES)
		show_all(in, s->stream);
	tcp_look_new(in, s->stream, false);
}

void tcp_take(struct inspect *in)
{
	const struct frame_packet *p = in->now.packet;
	struct now_bytes payload = look_payload(&in->now);
	struct talk *t = in->now.talk;
	struct side *s = &t->side[in->now.side];

	if (s->packets + t->side[!in->now.side].packets == 1)
		begin(in, t, p);
	see_numbers(t, in->now.side, p, payload.len);
	go_on(in);
	show_acked(in);
	if (in->now.may_stop && t->followed && stream_started(s->stream) && in->now.inner == 0 &&
		(s->guarded || look_may_stop(in))) {
		guard_take(in);
		return;
	}
	if (!t->followed || !stream_started(s->stream) || p->tcp_flags & TH_RST)
		look_packet(in);
	else
		take(in, s, tcp_data_seq(p), payload);
	if (t->followed && stream_started(s->stream))
		tcp_see_end(in, in->now.side, p, payload.len);
}

void tcp_finish(struct inspect *in, unsigned side)
{
	struct side *s = &in->now.talk->side[side];

	if (s->stream)
		show_all(in, s->stream);
	while (s->stream && stream_early(s->stream) > 0)
		tcp_give_up_gap(in, s->stream);
	end_side(in, side);
	if (!in->now.talk->side[!side].last.version) /* it never said anything, and will not */
		end_side(in, !side);
}
