/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP that leaves: in order, equal to what left before, and not before it was looked at (doc/design/rules.md).
 *
 * A side has two lists of held frames. `queue` are those that were looked at, in order: the first waits because what
 * it ends with may be the beginning of what a rule replaces, those behind it because of it. `early` are those before
 * which bytes are missing, by offset; they are looked at when these have come. What left cannot be changed; `left`
 * is where it ends. Whatever a frame is made of when it comes, it leaves with the bytes of the stream.
 */
#include <string.h>

#include "base/inet_sum.h"
#include "inspect/inside.h"

struct held {
	struct held *next;                /* in the queue, among the early ones, or ready */
	struct held *due_next, *due_prev; /* by kind */
	struct talk *talk;
	struct inspect_frame frame;
	struct frame parsed;
	struct inspect_answer answer;
	int64_t due_ns;
	uint64_t offset, end; /* in the stream; end 0: there is nothing in it to wait for */
	uint8_t *before, *tag;
	uint8_t side, kind;
};

static struct side *now_side(struct inspect *in)
{
	return &in->now.talk->side[in->now.side];
}

static void due_add(struct inspect *in, struct held *h, enum held_kind kind, int64_t due_ns)
{
	struct held_list *list = &in->due[kind];

	h->kind = (uint8_t)kind;
	h->due_ns = due_ns;
	h->due_next = NULL;
	h->due_prev = list->last;
	*(list->last ? &list->last->due_next : &list->first) = h;
	list->last = h;
}

static void due_remove(struct inspect *in, struct held *h)
{
	struct held_list *list = &in->due[h->kind];

	if (h->kind == HELD_NOT)
		return;
	*(h->due_prev ? &h->due_prev->due_next : &list->first) = h->due_next;
	*(h->due_next ? &h->due_next->due_prev : &list->last) = h->due_prev;
	h->kind = HELD_NOT;
}

static void list_append(struct held_list *list, struct held *h)
{
	h->next = NULL;
	*(list->first ? &list->last->next : &list->first) = h;
	list->last = h;
}

static struct held *list_pop(struct held_list *list)
{
	struct held *h = list->first;

	list->first = h->next;
	if (!list->first)
		list->last = NULL;
	return h;
}

static struct inspect_answer dropped(enum reason reason, uint32_t rule)
{
	return (struct inspect_answer){ .verdict = INSPECT_DROP, .reason = reason, .rule = rule };
}

/* `before` is NULL if nothing was written to it. */
static struct inspect_answer passed(
	const struct side *s, const uint8_t *before, const uint8_t *bytes, uint32_t len)
{
	if (!before || memcmp(before, bytes, len) == 0)
		return (struct inspect_answer){ .verdict = INSPECT_PASS, .rule = UINT32_MAX };
	return (struct inspect_answer){ .verdict = INSPECT_CHANGED,
		.reason = REASON_RULE_REPLACED,
		.rule = s->rule,
		.before = before };
}

/* It waits for nothing any more. */
static void make_ready(struct inspect *in, struct held *h, struct inspect_answer answer)
{
	due_remove(in, h);
	h->talk->side[h->side].n_held--;
	h->answer = answer;
	list_append(&in->ready, h);
	in->counts.changed += answer.verdict == INSPECT_CHANGED;
	in->counts.dropped += answer.verdict == INSPECT_DROP || answer.verdict == INSPECT_REJECT;
}

static bool can_hold(const struct inspect *in, const struct side *s)
{
	return in->counts.held < INSPECT_HELD_MAX && s->n_held < INSPECT_HELD_SIDE;
}

/* A copy of what is being looked at; NULL: there is no room. */
static struct held *hold(struct inspect *in)
{
	const struct now *now = &in->now;
	struct side *s = now_side(in);
	uint32_t len = now->frame->len;
	struct held *h;
	size_t room;

	if (!can_hold(in, s))
		return NULL;
	h = pool_get(in->held_pool, sizeof(*h) + in->tag_len + 2 * (size_t)len, &room);
	if (!h)
		return NULL;
	*h = (struct held){ .talk = now->talk,
		.frame = *now->frame,
		.parsed = *now->parsed,
		.side = (uint8_t)now->side,
		.tag = (uint8_t *)(h + 1) };
	h->before = h->tag + in->tag_len;
	h->frame.bytes = h->before + len;
	h->frame.frame = &h->parsed;
	h->frame.events = NULL;
	h->parsed.data = h->frame.bytes;
	if (in->tag_len > 0)
		memcpy(h->tag, in->tag, in->tag_len);
	memcpy(h->before, now->before ? now->before : now->frame->bytes, len);
	memcpy(h->frame.bytes, now->frame->bytes, len);
	s->n_held++;
	in->counts.held++;
	return h;
}

void guard_forget(struct inspect *in)
{
	if (!in->returned)
		return;
	in->counts.held--;
	pool_put(in->held_pool, in->returned);
	in->returned = NULL;
}

/* Before the first change: as it came. */
void guard_touch(struct inspect *in)
{
	struct now *now = &in->now;

	now->changed = true;
	if (now->before)
		return;
	memcpy(in->original, now->frame->bytes, now->frame->len);
	now->before = in->original;
}

/* Makes a frame's payload equal to the stream. */
static void overlay(const struct stream *s, uint8_t *bytes, const struct frame *parsed)
{
	const struct frame_packet *p = &parsed->packet[0];
	struct now now = { .parsed = parsed, .packet = p };
	uint32_t len = look_payload(&now).len, before;
	uint8_t *at = bytes + p->payload_at;

	if (len == 0)
		return;
	before = inet_sum(at, len);
	if (stream_overlay(s, tcp_data_seq(p), at, len))
		sum_update(bytes, p, before, inet_sum(at, len));
}

static void overlay_now(struct inspect *in)
{
	guard_touch(in);
	overlay(now_side(in)->stream, in->now.frame->bytes, in->now.parsed);
}

static void leave(struct side *s, uint64_t end)
{
	if (end > s->left)
		s->left = end;
}

/* The first of the queue leaves. */
static void release_first(struct inspect *in, struct side *s)
{
	struct held *h = list_pop(&s->queue);

	overlay(s->stream, h->frame.bytes, &h->parsed);
	leave(s, h->end);
	make_ready(in, h, passed(s, h->before, h->frame.bytes, h->frame.len));
}

/* What need not wait any more. */
static void release(struct inspect *in, struct side *s)
{
	while (s->queue.first && s->queue.first->end <= s->safe)
		release_first(in, s);
}

static void drop_all(struct inspect *in, struct held_list *list, struct inspect_answer answer)
{
	while (list->first)
		make_ready(in, list_pop(list), answer);
}

static void drop_early(struct inspect *in, struct side *s)
{
	uint64_t before = in->counts.dropped;

	drop_all(in, &s->early, dropped(REASON_RULE_UNDECIDED, UINT32_MAX));
	in->counts.early_dropped += in->counts.dropped - before;
}

void guard_flush(struct inspect *in, struct side *s)
{
	while (s->queue.first)
		release_first(in, s);
	drop_early(in, s);
}

/* Nothing that has not left will. */
static void close_side(struct inspect *in, struct side *s)
{
	struct inspect_answer answer = dropped(in->now.answer.reason, in->now.answer.rule);

	s->closed = true;
	s->rule = answer.rule;
	s->closed_by = (uint16_t)answer.reason;
	drop_all(in, &s->queue, answer);
	drop_all(in, &s->early, answer);
}

static bool stopped(const struct inspect *in)
{
	return in->now.answer.verdict == INSPECT_DROP || in->now.answer.verdict == INSPECT_REJECT;
}

static bool is_beyond(const struct inspect *in, const struct side *s)
{
	return in->setup.depth > 0 && stream_end(s->stream) >= in->setup.depth;
}

/* Looks at what is in order and new, if anything, and at the packet. False: it does not leave. */
static bool look_at(struct inspect *in, struct now_bytes payload)
{
	const struct frame_packet *p = in->now.packet;
	struct side *s = now_side(in);
	uint64_t end = stream_end(s->stream);
	bool overlaps = stream_offset(s->stream, tcp_data_seq(p)) < (int64_t)end ||
			stream_early(s->stream) > 0;
	enum stream_result result;

	result = tcp_take_bytes(in, s->stream, tcp_data_seq(p), payload);
	if (result == STREAM_NO_ROOM) {
		in->counts.no_room++;
		in->now.answer = dropped(REASON_RULE_UNDECIDED, UINT32_MAX);
		return false;
	}
	if (payload.len > 0 && overlaps)
		overlay_now(in);
	tcp_look_new(in, s->stream, true);
	if (stopped(in)) {
		close_side(in, s);
		return false;
	}
	tcp_see_end(in, in->now.side, p, payload.len);
	if (stream_end(s->stream) > end || in->now.edited)
		s->safe = stream_end(s->stream) - look_tail(in);
	if (stream_end(s->stream) >= s->fin_at)
		s->safe = stream_end(s->stream);
	return true;
}

static void queue_up(struct inspect *in, struct held *h, uint64_t end)
{
	h->end = end;
	list_append(&h->talk->side[h->side].queue, h);
	due_add(in, h, HELD_QUEUE, in->now.frame->steady_ns + in->setup.hold_ns);
}

/*
 * What a sender's stack does not send: another beginning, bytes before it (but a keep-alive's one), or behind the end.
 * An acknowledgement after the FIN stands behind that, which has a number of its own (RFC 9293, 3.4).
 */
static bool is_odd(const struct talk *t, const struct side *s, const struct frame_packet *p,
	int64_t offset, uint32_t len)
{
	return (p->tcp_flags & TH_SYN && offset != 0) ||
	       (offset < -1 && len > 0 && !t->midstream) ||
	       (s->fin_at != UINT64_MAX && offset + len > (int64_t)s->fin_at + (len == 0));
}

static void look_at_held(struct inspect *in, struct held *h)
{
	struct now_bytes payload;

	in->now = (struct now){ .frame = &h->frame,
		.parsed = &h->parsed,
		.packet = &h->parsed.packet[0],
		.side = h->side,
		.talk = h->talk,
		.before = h->before,
		.may_stop = true,
		.answer = { .rule = UINT32_MAX } };
	payload = look_payload(&in->now);
	if (is_odd(h->talk, now_side(in), in->now.packet, (int64_t)h->offset, payload.len)) {
		in->counts.undecided++; /* the end came meanwhile, and it is behind that */
		make_ready(in, h, dropped(REASON_RULE_UNDECIDED, UINT32_MAX));
	} else if (look_at(in, payload)) {
		queue_up(in, h, h->offset + payload.len);
	} else {
		make_ready(in, h, in->now.answer);
	}
}

/* The gap is filled: the early ones that follow are looked at, as if they came now. */
static void look_at_early(struct inspect *in, struct side *s)
{
	struct now now = in->now;

	while (s->early.first && s->early.first->offset <= stream_end(s->stream)) {
		struct held *h = list_pop(&s->early);

		due_remove(in, h);
		h->frame.steady_ns = now.frame->steady_ns;
		look_at_held(in, h);
		release(in, s);
	}
	in->now = now;
}

static void drop_now(struct inspect *in, uint64_t *count)
{
	(*count)++;
	in->now.answer = dropped(REASON_RULE_UNDECIDED, UINT32_MAX);
}

static void keep_early(struct inspect *in, struct side *s, uint64_t offset)
{
	struct held **link = &s->early.first, *h;

	while (*link && (*link)->offset <= offset)
		link = &(*link)->next;
	h = offset - stream_end(s->stream) > STREAM_EARLY_MAX ? NULL : hold(in);
	if (!h) {
		drop_now(in, &in->counts.early_dropped);
		return;
	}
	h->offset = offset;
	h->next = *link;
	*link = h;
	if (!h->next)
		s->early.last = h;
	due_add(in, h, HELD_EARLY, in->now.frame->steady_ns + INSPECT_GAP_NS);
	in->now.answer.verdict = INSPECT_HELD;
}

static void leave_now(struct inspect *in, struct side *s, uint64_t end)
{
	struct now *now = &in->now;

	if (now->edited)
		overlay_now(in);
	leave(s, end);
	now->answer = passed(s, now->before, now->frame->bytes, now->frame->len);
	in->counts.changed += now->answer.verdict == INSPECT_CHANGED;
}

static void wait_or_drop(struct inspect *in, uint64_t end)
{
	struct held *h = hold(in);

	if (!h) {
		drop_now(in, &in->counts.no_room);
		return;
	}
	queue_up(in, h, end);
	in->now.answer.verdict = INSPECT_HELD;
}

/* There is no gap before it. If it cannot be held it leaves: what is to be replaced does not leave whole anyway. */
static void take_next(struct inspect *in, struct side *s, struct now_bytes payload, int64_t offset)
{
	bool first = !s->queue.first;
	int64_t end = payload.len > 0 ? offset + payload.len : 0;

	if (end < 0)
		end = 0;
	if (!look_at(in, payload))
		return;
	if (first ? (uint64_t)end <= s->safe || !can_hold(in, s)
		  : end > 0 && (uint64_t)end <= s->left)
		leave_now(in, s, (uint64_t)end);
	else
		wait_or_drop(in, (uint64_t)end);
	release(in, s);
	look_at_early(in, s);
}

/* Behind the depth that is looked at. */
static void pass_beyond(struct inspect *in, struct side *s)
{
	if (s->queue.first)
		wait_or_drop(in, 0);
	else
		in->now.answer =
			passed(s, in->now.before, in->now.frame->bytes, in->now.frame->len);
}

/* Nothing follows: what is held leaves before it. Bytes in it are no part of the stream (RFC 9293, 3.10.7.4). */
static void take_rst(struct inspect *in, struct side *s, struct now_bytes payload)
{
	look_packet(in);
	if (stopped(in)) {
		close_side(in, s);
		return;
	}
	drop_early(in, s);
	if (payload.len > 0)
		drop_now(in, &in->counts.undecided);
	else if (s->queue.first)
		wait_or_drop(in, 0);
	while (s->queue.first)
		release_first(in, s);
	tcp_see_end(in, in->now.side, in->now.packet, 0);
}

/* A byte that is urgent is left out by some receivers (RFC 6093): all shall read it in its place. */
static void clear_urgent(struct inspect *in)
{
	const struct frame_packet *p = in->now.packet;
	uint8_t *header = in->now.frame->bytes + p->l4_at;
	uint8_t old[4], new[4];

	if (!(p->tcp_flags & TH_URG))
		return;
	guard_touch(in);
	memcpy(old, (uint8_t[4]){ header[12], header[13], header[18], header[19] }, 4);
	header[13] &= (uint8_t)~TH_URG;
	header[18] = header[19] = 0;
	memcpy(new, (uint8_t[4]){ header[12], header[13], 0, 0 }, 4);
	sum_update(in->now.frame->bytes, p, inet_sum(old, 4), inet_sum(new, 4));
}

static void begin_guard(struct inspect *in, struct side *s)
{
	while (stream_early(s->stream) > 0)
		tcp_give_up_gap(in, s->stream);
	stream_keep_unacked(s->stream);
	s->left = s->safe = stream_end(s->stream);
	s->guarded = true;
}

/*
 * A conversation that was there before us: a segment from before the first one that we saw. If the peer has it,
 * nothing can come of it. If the peer lacks it, the stream begins there, and what we saw first is behind a gap: it
 * has left. False: that is not known yet, or cannot be done. The sender sends it again.
 */
static bool reach_back(struct inspect *in, struct side *s)
{
	struct stream *stream = s->stream;
	uint32_t len = (uint32_t)stream_end(stream);
	int64_t acked = stream_offset(stream, s->ack_seq);
	uint32_t seq = s->ack_seq - (uint32_t)acked;

	if (!s->ack_seen || acked >= 0)
		return s->ack_seen;
	if (stream_kept(stream) > 0 || stream_end(stream) > sizeof(in->original) ||
		-acked > STREAM_EARLY_MAX)
		return false;
	guard_flush(in, s);
	if (len > 0)
		memcpy(in->original, stream_bytes(stream, 0), len);
	stream_start(stream, s->ack_seq);
	if (len > 0 && stream_take(stream, seq, in->original, len) != STREAM_EARLY) {
		in->now.answer = dropped(REASON_RULE_UNDECIDED, UINT32_MAX);
		close_side(in, s);
		return false;
	}
	s->left = s->safe = (uint64_t)-acked + len;
	s->fin_at += s->fin_at == UINT64_MAX ? 0 : (uint64_t)-acked;
	return true;
}

void guard_take(struct inspect *in)
{
	const struct frame_packet *p = in->now.packet;
	struct now_bytes payload = look_payload(&in->now);
	struct side *s = now_side(in);
	int64_t offset;

	if (!s->guarded)
		begin_guard(in, s);
	offset = stream_offset(s->stream, tcp_data_seq(p));
	if (s->closed) {
		in->now.answer = dropped(s->closed_by, s->rule);
		return;
	}
	if (offset < 0 && payload.len > 0 && in->now.talk->midstream) {
		if (!reach_back(in, s)) {
			drop_now(in, &in->counts.early_dropped);
			return;
		}
		offset = stream_offset(s->stream, tcp_data_seq(p));
	}
	if (is_odd(in->now.talk, s, p, offset, payload.len) ||
		in->now.frame->len > sizeof(in->original)) {
		drop_now(in, &in->counts.undecided);
		return;
	}
	if (p->tcp_flags & TH_SYN)
		drop_early(in, s);
	clear_urgent(in);
	if (p->tcp_flags & TH_RST)
		take_rst(in, s, payload);
	else if (is_beyond(in, s) && offset >= (int64_t)stream_end(s->stream))
		pass_beyond(in, s);
	else if (offset > (int64_t)stream_end(s->stream) &&
		 (payload.len > 0 || p->tcp_flags & TH_FIN))
		keep_early(in, s, (uint64_t)offset);
	else
		take_next(in, s, payload, offset);
}

void guard_expire(struct inspect *in, int64_t steady_ns)
{
	struct held *h;

	while ((h = in->due[HELD_QUEUE].first) && h->due_ns <= steady_ns)
		release_first(
			in, &h->talk->side[h->side]); /* it is the first: the others came later */
	while ((h = in->due[HELD_EARLY].first) && h->due_ns <= steady_ns) {
		struct held_list *early = &h->talk->side[h->side].early;
		struct held **link = &early->first, *before = NULL;

		for (; *link != h; link = &(*link)->next)
			before = *link;
		*link = h->next;
		if (early->last == h)
			early->last = before;
		make_ready(in, h, dropped(REASON_RULE_UNDECIDED, UINT32_MAX));
		in->counts.early_dropped++;
	}
}

int64_t guard_due_ns(const struct inspect *in)
{
	int64_t due = INT64_MAX;

	if (in->ready.first)
		return INT64_MIN;
	for (unsigned i = 0; i < HELD_KINDS; i++)
		if (in->due[i].first && in->due[i].first->due_ns < due)
			due = in->due[i].first->due_ns;
	return due;
}

bool guard_next(struct inspect *in, struct inspect_released *ret_released)
{
	struct held *h;

	guard_forget(in);
	if (!in->ready.first)
		return false;
	h = in->returned = list_pop(&in->ready);
	*ret_released = (struct inspect_released){ .answer = h->answer,
		.before = h->before,
		.bytes = h->frame.bytes,
		.len = h->frame.len,
		.tag = h->tag };
	return true;
}
