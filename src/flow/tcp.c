/* SPDX-License-Identifier: Apache-2.0 */
/* States and windows of a connection as far as a bystander sees them (RFC 9293, 3.3.2, 3.10.7). */
#include <netinet/tcp.h>

#include "flow/table.h"
#include "frame/frame.h"

enum { BOTH = 3 };
enum {
	KIB = 1024,
	WSCALE_MAX = 14, /* RFC 7323, 2.3 */
	PROBE = 1,       /* a window probe is beyond the window */
	SEGMENT_MAX = 65535,
	LATE = 128 * KIB /* keep-alives, what was overtaken: that far behind the window */
};

/* struct flow_tally, loose. */
enum {
	LOOSE_ISN = 1, /* a side has sent SYN-ACKs with two numbers; the acknowledgement chooses */
	LOOSE_ALL      /* the handshake was not seen: numbers are guessed, windows not known */
};

struct segment {
	uint32_t seq, end, ack; /* end: SYN and FIN counted, as they are numbered */
	uint32_t len;           /* data */
	uint16_t window;
	uint8_t flags, wscale;
};

static struct segment segment_of(const struct frame_packet *p)
{
	struct segment s = { .seq = p->tcp_seq,
		.ack = p->tcp_ack,
		.window = p->tcp_window,
		.wscale = p->tcp_wscale,
		.flags = p->tcp_flags & (TH_FIN | TH_SYN | TH_RST | TH_ACK) };

	if (p->end_at > p->payload_at)
		s.len = p->end_at - p->payload_at;
	s.end = s.seq + s.len + ((s.flags & TH_SYN) != 0) + ((s.flags & TH_FIN) != 0);
	return s;
}

static bool after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static bool has(uint8_t bits, unsigned side)
{
	return bits >> side & 1;
}

bool flow_tcp_begins(
	const struct flow *flow, const struct frame_packet *packet, unsigned side, bool strict)
{
	const struct flow_tally *t = &flow->tally;

	if ((packet->tcp_flags & (TH_SYN | TH_ACK)) != TH_SYN)
		return false;
	/* The attacker chooses his sequence numbers; only a SYN without success is sent again. */
	if (strict && (side == 1 || t->syn_acked == BOTH))
		return true;
	if (side == 1 && t->state == FLOW_ESTABLISHED)
		return false;
	if (t->state == FLOW_CLOSED && t->syn_acked == BOTH)
		return true;
	return has(t->isn_known, side) && packet->tcp_seq != t->isn[side];
}

/* How far back one of two sides may go: as much as the other's window let be under way. */
static uint32_t reach(const struct flow_tally *t, unsigned receiver)
{
	return (uint32_t)t->window[receiver] * KIB + LATE;
}

/* `last` is where it ends, or where it begins for one who need not cut at the window's end. What was sent
 * may be sent again: the data of a SYN (RFC 7413) was not within any window. */
static bool seq_fits(const struct flow_tally *t, unsigned side, uint32_t seq, uint32_t last)
{
	return !after(t->seq_end[side] - reach(t, !side), seq) &&
	       (!after(last, t->seq_max[side] + PROBE) || !after(last, t->seq_end[side]));
}

/* The first acknowledgement teaches what was not seen, or which of two numbers is the right one. */
static bool ack_is_free(const struct flow_tally *t, unsigned side)
{
	bool guessed =
		t->loose == LOOSE_ISN || (t->loose == LOOSE_ALL && !(t->tcp_flags[!side] & TH_SYN));

	return !has(t->isn_known, !side) || (guessed && !has(t->syn_acked, !side));
}

static bool ack_fits(const struct flow_tally *t, unsigned side, uint32_t ack)
{
	uint32_t sent = t->seq_end[!side];

	if (ack_is_free(t, side))
		return true;
	if (t->loose != LOOSE_ALL && !has(t->syn_acked, !side) && !after(ack, t->isn[!side]))
		return false;
	return !after(sent - reach(t, side), ack) &&
	       !after(ack, sent + (t->loose == LOOSE_ALL ? FLOW_IN_FLIGHT_MAX : 0));
}

/* Frames that a stack sends a few times after the end, or out of a connection that ended unseen. */
static bool is_stray(const struct flow_tally *t, unsigned side, const struct segment *s)
{
	return !(s->flags & (TH_SYN | TH_RST)) &&
	       (t->state == FLOW_CLOSED || (!has(t->syn_acked, side) && s->len == 0));
}

static enum flow_fit at_most(bool fits, int counted, int max)
{
	return !fits ? FLOW_FITS_NOT : counted < max ? FLOW_FITS : FLOW_FIT_TOO_MANY;
}

/* A SYN is only ever sent again. So is a SYN-ACK, but a listener that forgot the first one, or has
 * forgotten all by design (SYN cookies), chooses another number for the second. When both begin at
 * once, what is acknowledged may have come before this flow. */
static enum flow_fit syn_fits(const struct flow_tally *t, unsigned side, const struct segment *s)
{
	bool again = has(t->isn_known, side) && s->seq == t->isn[side], fits;

	if (!(s->flags & TH_ACK))
		fits = again && side == 0 && t->syn_acked != BOTH;
	else if (side == 0)
		fits = again && ack_fits(t, side, s->ack);
	else
		fits = has(t->isn_known, 0) && (again || t->tcp_flags[0] & TH_SYN) &&
		       (s->ack == t->isn[0] + 1 || ack_fits(t, side, s->ack));
	return at_most(fits && !(s->flags & TH_FIN), t->syns, FLOW_SYN_MAX + 1);
}

/* Fast open: a SYN that brought data may be answered with data at once (RFC 7413, 3.1). */
static bool may_send_early(const struct flow_tally *t, unsigned side)
{
	return side == 1 && t->isn_known == BOTH && t->seq_end[0] != t->isn[0] + 1 &&
	       (t->tcp_flags[0] & (TH_SYN | TH_ACK)) == TH_SYN;
}

/* A bare ACK out of a connection that ended unseen, as an answer to a SYN (RFC 9293, 3.10.7.4). */
static bool is_challenge(const struct flow_tally *t, unsigned side, const struct segment *s)
{
	return is_stray(t, side, s) && s->end == s->seq &&
	       (has(t->isn_known, !side) || t->tcp_flags[side] & TH_ACK);
}

static enum flow_fit data_fits(const struct flow_tally *t, unsigned side, const struct segment *s)
{
	bool fits = seq_fits(t, side, s->seq, s->end) && ack_fits(t, side, s->ack);

	if (!has(t->syn_acked, side) && !may_send_early(t, side))
		fits = false;
	if (has(t->fin_seen, side) && after(s->end, t->seq_end[side]))
		fits = false;
	fits = (fits || is_challenge(t, side, s)) && (s->flags & TH_ACK);
	return at_most(fits, is_stray(t, side, s) ? t->strays : 0, FLOW_CLOSED_MAX);
}

/* In a connection that stands it takes its number from what it answers, which was within the window. */
static enum flow_fit rst_fits(const struct flow_tally *t, unsigned side, const struct segment *s)
{
	bool stands = t->state == FLOW_ESTABLISHED && !t->loose;

	return at_most(!stands || seq_fits(t, side, s->seq, s->end) ||
			       (s->seq == 0 && (s->flags & TH_ACK)),
		t->rsts, FLOW_RST_MAX);
}

bool flow_tcp_is_proven(const struct flow *flow)
{
	return flow->key.proto == IPPROTO_TCP && has(flow->tally.syn_acked, 1) &&
	       flow->tally.loose != LOOSE_ALL;
}

enum flow_fit flow_tcp_fits(
	const struct flow *flow, const struct frame_packet *packet, unsigned side)
{
	struct segment s = segment_of(packet);

	if (s.flags & TH_RST) /* its number is that of what it answers, which may be anything */
		return rst_fits(&flow->tally, side, &s);
	if (s.flags & TH_SYN)
		return syn_fits(&flow->tally, side, &s);
	return data_fits(&flow->tally, side, &s);
}

static void forget(struct flow_tally *t)
{
	t->isn_known = t->syn_acked = t->fin_seen = t->fin_acked = 0;
	t->loose = t->wscale = 0;
	t->window[0] = t->window[1] = 0;
}

static void loosen(struct flow_tally *t)
{
	t->loose = LOOSE_ALL;
	for (unsigned side = 0; side < 2; side++) {
		t->window[side] = FLOW_IN_FLIGHT_MAX / KIB;
		t->seq_max[side] = t->seq_end[side] + FLOW_IN_FLIGHT_MAX;
	}
}

static void start_side(struct flow_tally *t, unsigned side, uint32_t isn, uint32_t end)
{
	unsigned bit = 1u << side;

	t->isn_known = (t->isn_known | bit) & BOTH;
	t->syn_acked &= ~bit & BOTH;
	t->fin_seen &= ~bit & BOTH;
	t->fin_acked &= ~bit & BOTH;
	t->isn[side] = isn;
	t->seq_end[side] = end;
	t->seq_max[side] = isn + 1 + (uint32_t)t->window[!side] * KIB;
}

static uint32_t window_of(const struct flow_tally *t, unsigned side, const struct segment *s)
{
	unsigned mine = t->wscale >> 4 * side & 15, other = t->wscale >> 4 * !side & 15;
	uint32_t window = s->window;

	if (t->loose == LOOSE_ALL)
		return FLOW_IN_FLIGHT_MAX;
	if (!(s->flags & TH_SYN) && mine && other)
		window <<= mine - 1;
	return window < FLOW_IN_FLIGHT_MAX ? window : FLOW_IN_FLIGHT_MAX;
}

static void learn_wscale(struct flow_tally *t, unsigned side, uint8_t wscale)
{
	unsigned shift = wscale < WSCALE_MAX ? wscale : WSCALE_MAX;

	if (wscale != TCP_WSCALE_NONE && shift + 1 > (t->wscale >> 4 * side & 15u))
		t->wscale =
			(uint8_t)((t->wscale & (0xf0u >> 4 * side)) | ((shift + 1) << (4 * side)));
}

static void learn_ack(struct flow_tally *t, unsigned side, const struct segment *s, uint32_t window)
{
	unsigned other = !side, bit = 1u << other;

	if (ack_is_free(t, side)) {
		if (!has(t->isn_known, other)) {
			loosen(t);
			window = FLOW_IN_FLIGHT_MAX;
		}
		start_side(t, other, s->ack - 1, s->ack);
		t->seq_max[other] = s->ack;
	}
	if (after(s->ack, t->seq_end[other]))
		t->seq_end[other] = s->ack;
	if (after(s->ack + window, t->seq_max[other]))
		t->seq_max[other] = s->ack + window;
	t->syn_acked = (t->syn_acked | bit) & BOTH;
	if (has(t->fin_seen, other) && !after(t->seq_end[other], s->ack))
		t->fin_acked = (t->fin_acked | bit) & BOTH;
}

/* Its numbers fit. */
static void learn(struct flow_tally *t, unsigned side, const struct segment *s)
{
	uint32_t window = window_of(t, side, s), kib = (window + KIB - 1) / KIB;

	if (after(s->end, t->seq_end[side]))
		t->seq_end[side] = s->end;
	if (kib > t->window[side])
		t->window[side] = (uint16_t)kib;
	if (s->flags & TH_FIN)
		t->fin_seen = (t->fin_seen | 1u << side) & BOTH;
	if (s->flags & TH_ACK)
		learn_ack(t, side, s, window);
}

static bool step_syn(struct flow_tally *t, unsigned side, struct segment *s)
{
	bool known = has(t->isn_known, side), again = known && s->seq == t->isn[side];

	if ((s->flags & TH_ACK) && !ack_fits(t, side, s->ack))
		return false;
	if (known && !again && (!(s->flags & TH_ACK) || t->syn_acked == BOTH))
		return false;
	if (known && !again && !t->loose)
		t->loose = LOOSE_ISN;
	if (!again)
		start_side(t, side, s->seq, s->end);
	/* Both began at once, and what it acknowledges was before this flow. */
	if (again && !has(t->isn_known, !side))
		s->flags &= ~TH_ACK & 0xff;
	learn_wscale(t, side, s->wscale);
	learn(t, side, s);
	return true;
}

/* The handshake was not seen. */
static void start_in_the_middle(struct flow_tally *t, unsigned side, const struct segment *s)
{
	start_side(t, side, s->seq - 1, s->end);
	loosen(t);
}

/* Nothing of side 0 was answered yet: a SYN or a stray frame that somebody else forged must not keep
 * its real connection from being learnt. */
static bool may_start_over(const struct flow *flow, unsigned side)
{
	return side == 0 && !has(flow->tally.syn_acked, 0) && !flow_is_honeypot(flow, side);
}

static bool step_data(struct flow *flow, unsigned side, const struct segment *s)
{
	struct flow_tally *t = &flow->tally;
	bool ack_ok = (s->flags & TH_ACK) && ack_fits(t, side, s->ack);

	if (!has(t->isn_known, side)) {
		if (has(t->isn_known, !side) && !ack_ok)
			return false;
		start_in_the_middle(t, side, s);
	} else if (!ack_ok || !seq_fits(t, side, s->seq, s->seq)) {
		if (!(s->flags & TH_ACK) || !may_start_over(flow, side))
			return false;
		forget(t);
		start_in_the_middle(t, side, s);
	}
	learn(t, side, s);
	return true;
}

/* One that the receiver would believe (RFC 9293, 3.10.7.3, 3.10.7.4). */
static bool step_rst(const struct flow_tally *t, unsigned side, const struct segment *s)
{
	if (has(t->isn_known, side))
		return seq_fits(t, side, s->seq, s->seq);
	return s->flags & TH_ACK ? ack_fits(t, side, s->ack) : !has(t->isn_known, !side);
}

static uint8_t state_after(const struct flow *flow, unsigned side, const struct segment *s)
{
	const struct flow_tally *t = &flow->tally;

	if ((s->flags & TH_RST) || t->fin_acked == BOTH)
		return FLOW_CLOSED;
	/* A peer that goes on has not sent, or not believed, the RST. */
	if (t->state == FLOW_CLOSED && flow_is_honeypot(flow, side))
		return FLOW_CLOSED;
	return t->syn_acked == BOTH ? FLOW_ESTABLISHED : FLOW_NEW;
}

static void count(int8_t *counter, int by)
{
	int sum = *counter + by;

	if (sum >= -FLOW_EARNED_MAX && sum <= INT8_MAX)
		*counter = (int8_t)sum;
}

static void count_sent(struct flow_tally *t, unsigned side, const struct segment *s)
{
	count(&t->rsts, (s->flags & TH_RST) != 0);
	count(&t->syns, (s->flags & (TH_SYN | TH_RST)) == TH_SYN);
	count(&t->strays, is_stray(t, side, s));
}

/* Anything but an RST calls for an answer, a SYN that is sent again for another SYN-ACK. */
static void count_heard(struct flow_tally *t, unsigned side, const struct segment *s)
{
	if (s->flags & TH_RST)
		return;
	count(&t->rsts, -1);
	count(&t->strays, -1);
	if ((s->flags & (TH_SYN | TH_ACK)) == TH_SYN && (side == 1 || has(t->isn_known, 0)))
		count(&t->syns, -1);
}

static bool step(struct flow *flow, unsigned side, struct segment *s)
{
	if (s->flags & TH_RST)
		return step_rst(&flow->tally, side, s);
	if (s->flags & TH_SYN)
		return step_syn(&flow->tally, side, s);
	return step_data(flow, side, s);
}

bool flow_tcp_step(struct flow *flow, const struct frame_packet *packet, unsigned side)
{
	struct flow_tally *t = &flow->tally;
	struct segment s = segment_of(packet);
	uint8_t state = t->state, fins = t->fin_seen;

	(flow_is_honeypot(flow, side) ? count_sent : count_heard)(t, side, &s);
	/* How much follows in other fragments is not known. */
	if (packet->is_fragment && !packet->last_fragment)
		s.end += SEGMENT_MAX;
	if (t->state == FLOW_CLOSED && s.flags == TH_SYN) /* refused once, and tried again */
		t->state = FLOW_NEW;
	if (step(flow, side, &s))
		t->state = state_after(flow, side, &s);
	t->tcp_flags[side] |= packet->tcp_flags;
	return t->state != state || t->fin_seen != fins;
}

bool flow_answer_step(struct flow *flow, unsigned side)
{
	if (side == 0 || flow->tally.state != FLOW_NEW)
		return false;
	flow->tally.state = FLOW_ESTABLISHED;
	return true;
}
