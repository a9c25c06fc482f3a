/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two honest TCP stacks, a honeypot and its peer, over a net that loses, doubles and reorders, and the gate
 * between them: nothing that the honeypot sends may be refused. Nothing here has a clock: what happens
 * next, a delivery, a timer, a whim of the application, is thrown with dice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/flow.h"
#include "frame/frame.h"

enum { F = 1, S = 2, R = 4, PSH = 8, A = 16, TCP = 6 };
enum { CONNECTIONS = 100000, WIRE_MAX = 32, HEADERS = 54, SYN_TRIES = 5, GSO_MAX = 65000 };
enum { POT, PEER };

enum state { GONE, LISTEN, SYN_SENT, SYN_RCVD, OPEN, TIME_WAIT };

struct stack {
	enum state state;
	bool server, used, fast_open, shut, got_fin, closed_first;
	uint32_t iss, una, nxt, edge, wl1, wl2; /* RFC 9293, 3.3.1; edge: SND.UNA + SND.WND */
	uint32_t data_end;                      /* what the application has written so far */
	uint32_t irs, rcv, announced, space;    /* announced: the right edge told */
	uint32_t ooo_from, ooo_to;              /* one piece out of order */
	uint8_t scale, snd_shift, rcv_shift;    /* scale: what it offers */
	unsigned tries;
};

/* One after the other: POT to gate, PEER to gate, gate to POT, gate to PEER. */
struct wire {
	unsigned n;
	struct frame_packet packet[WIRE_MAX];
};

static struct stack stack[2];
static struct wire wire[4];
static struct flow flow;
static bool gate_runs, started_late, has_flow, pot_was_busy;
static uint64_t seed = 1, connection, packets_judged;

static uint32_t dice(uint32_t sides)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return sides ? (uint32_t)(seed >> 33) % sides : 0;
}

static bool after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static uint32_t min_of(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t len_of(const struct frame_packet *p)
{
	return p->end_at - p->payload_at;
}

/* A full queue drops. */
static void push(unsigned to, const struct frame_packet *p)
{
	if (wire[to].n < WIRE_MAX)
		wire[to].packet[wire[to].n++] = *p;
}

static struct frame_packet pull(unsigned from, unsigned at)
{
	struct wire *w = &wire[from];
	struct frame_packet p = w->packet[at];

	w->n--;
	memmove(&w->packet[at], &w->packet[at + 1], (w->n - at) * sizeof(w->packet[0]));
	return p;
}

static unsigned id_of(const struct stack *s)
{
	return s == &stack[PEER] ? PEER : POT;
}

/* The window never shrinks; Linux rounds it up then (RFC 7323, 2.4). */
static uint16_t announce(struct stack *s, bool syn)
{
	uint32_t shift = syn ? 0 : s->rcv_shift, space = s->space;
	uint32_t open = after(s->announced, s->rcv) ? s->announced - s->rcv : 0;
	uint32_t field = space >> shift;

	if (space <= open || (field << shift) < open)
		field = (open + (1u << shift) - 1) >> shift;
	field = min_of(field, 65535);
	if (after(s->rcv + (field << shift), s->announced))
		s->announced = s->rcv + (field << shift);
	return (uint16_t)field;
}

static void emit(struct stack *s, unsigned flags, uint32_t seq, uint32_t len)
{
	struct frame_packet p = { .version = 4, .proto = TCP, .has_transport = true };

	p.tcp_flags = (uint8_t)flags;
	p.tcp_seq = seq;
	p.tcp_ack = flags & A ? s->rcv : 0;
	p.tcp_window = flags & R ? 0 : announce(s, flags & S);
	p.tcp_wscale = flags & S ? s->scale : TCP_WSCALE_NONE;
	p.end_at = len;
	push(id_of(s), &p);
}

static void emit_rst_for(struct stack *s, const struct frame_packet *in)
{
	struct frame_packet p = { .version = 4, .proto = TCP, .has_transport = true };

	if (in->tcp_flags & R)
		return;
	p.tcp_wscale = TCP_WSCALE_NONE;
	p.tcp_flags = in->tcp_flags & A ? R : R | A;
	p.tcp_seq = in->tcp_flags & A ? in->tcp_ack : 0;
	if (!(in->tcp_flags & A))
		p.tcp_ack =
			in->tcp_seq + len_of(in) + (in->tcp_flags & S) / S + (in->tcp_flags & F);
	push(id_of(s), &p);
}

static void ack_now(struct stack *s)
{
	emit(s, A, after(s->nxt, s->edge) ? s->edge : s->nxt, 0);
}

static bool fin_sent(const struct stack *s)
{
	return s->shut && s->nxt == s->data_end + 1;
}

static void emit_syn(struct stack *s)
{
	uint32_t early = s->nxt - s->iss - 1;

	s->tries++;
	if (s->state == SYN_SENT)
		emit(s, S, s->iss, s->tries == 1 || dice(2) ? early : 0);
	else
		emit(s, S | A, s->iss, 0);
}

/* Segments from `seq`, up to `end`, with the FIN if it is due there. */
static void emit_data(struct stack *s, uint32_t seq, uint32_t end)
{
	uint32_t len = min_of(end - seq, 1 + dice(dice(4) ? 1460 : GSO_MAX));
	bool fin =
		s->shut && seq + len == s->data_end && (fin_sent(s) || after(s->edge, s->data_end));

	if (len == 0 && !fin)
		return;
	emit(s, A | PSH | (fin ? F : 0), seq, len);
	if (after(seq + len + fin, s->nxt))
		s->nxt = seq + len + fin;
}

static void send_new(struct stack *s)
{
	uint32_t end = after(s->data_end, s->edge) ? s->edge : s->data_end;

	if (!fin_sent(s) && !after(s->nxt, end))
		emit_data(s, s->nxt, end);
}

static void retransmit(struct stack *s)
{
	uint32_t end = fin_sent(s) ? s->nxt - 1 : s->nxt, from = s->una;

	if (s->state == SYN_SENT || s->state == SYN_RCVD) {
		if (s->tries <= SYN_TRIES)
			emit_syn(s);
		return;
	}
	if (s->state != OPEN || s->una == s->nxt)
		return;
	if (after(end, from) && dice(2))
		from += dice(end - from); /* with SACK */
	if (after(from, end))
		return;
	emit_data(s, from, end);
}

/* Of the kinds of Linux (nothing, before what was sent), Windows (a byte there), BSD (beyond the window). */
static void probe(struct stack *s)
{
	bool stuck = s->nxt == s->edge && after(s->data_end, s->nxt);

	if (s->state != OPEN || s->una != s->nxt)
		return;
	if (stuck && dice(2))
		emit(s, A | PSH, s->nxt++, 1);
	else
		emit(s, A, s->una - 1, fin_sent(s) ? 0 : dice(2));
}

static void forget(struct stack *s)
{
	s->state = s->server ? LISTEN : GONE;
}

/* A new connection on the same ports. */
static void begin(struct stack *s, enum state state)
{
	s->state = state;
	s->iss = dice(3) ? dice(UINT32_MAX / 2) * 2 + dice(2) : -dice(70000);
	s->una = s->iss;
	s->nxt = s->iss + 1;
	s->edge = s->nxt;
	s->data_end = s->nxt + dice(dice(3) ? 3000 : 300000);
	s->shut = s->got_fin = s->closed_first = false;
	s->ooo_from = s->ooo_to = 0;
	s->snd_shift = s->rcv_shift = 0;
	s->tries = 0;
	s->scale = dice(3) ? (uint8_t)dice(15) : TCP_WSCALE_NONE;
	s->space = dice(3) ? 1000 + dice(100000) : dice(8 << 20);
	s->fast_open = !s->used && dice(4) == 0; /* a doubled SYN would begin a second one */
	s->used = true;
	if (state == SYN_SENT) {
		s->rcv = s->announced = 0;
		if (s->fast_open)
			s->nxt += min_of(s->data_end - s->nxt, dice(1400));
		emit_syn(s);
	}
}

static void use_scale(struct stack *s, const struct frame_packet *p)
{
	if (p->tcp_wscale == TCP_WSCALE_NONE || s->scale == TCP_WSCALE_NONE) {
		s->scale = TCP_WSCALE_NONE;
		return;
	}
	s->snd_shift = p->tcp_wscale;
	s->rcv_shift = s->scale;
}

static void take_syn(struct stack *s, const struct frame_packet *p)
{
	s->irs = p->tcp_seq;
	s->rcv = s->announced = p->tcp_seq + 1;
	use_scale(s, p);
	s->edge = s->iss + 1 + p->tcp_window;
	s->wl1 = p->tcp_seq;
	s->wl2 = s->iss;
}

static void in_listen(struct stack *s, const struct frame_packet *p)
{
	if (p->tcp_flags & R)
		return;
	if (p->tcp_flags & A || !(p->tcp_flags & S)) {
		emit_rst_for(s, p);
		return;
	}
	begin(s, SYN_RCVD);
	take_syn(s, p);
	if (s->fast_open && len_of(p) > 0 && len_of(p) <= s->space) {
		s->rcv += len_of(p);
		s->announced = s->rcv;
		s->space -= len_of(p);
	} else {
		s->fast_open = false;
	}
	emit_syn(s);
}

static void in_syn_sent(struct stack *s, const struct frame_packet *p)
{
	bool ack = p->tcp_flags & A;

	if (ack && (!after(p->tcp_ack, s->iss) || after(p->tcp_ack, s->nxt))) {
		emit_rst_for(s, p);
		return;
	}
	if (p->tcp_flags & R) {
		if (ack)
			forget(s);
		return;
	}
	if (!(p->tcp_flags & S))
		return;
	take_syn(s, p);
	if (!ack) {
		s->state = SYN_RCVD;
		s->fast_open = false;
		emit_syn(s);
		return;
	}
	s->una = p->tcp_ack;
	s->edge = s->una + p->tcp_window;
	s->state = OPEN;
	ack_now(s);
}

static bool acceptable(const struct stack *s, const struct frame_packet *p)
{
	uint32_t end = p->tcp_seq + len_of(p) + (p->tcp_flags & F);

	return !after(p->tcp_seq, s->announced) && !after(s->rcv, end) &&
	       !(end == s->rcv && p->tcp_seq != s->rcv);
}

static void take_ack(struct stack *s, const struct frame_packet *p)
{
	if (after(p->tcp_ack, s->una))
		s->una = p->tcp_ack;
	else if (p->tcp_ack != s->una)
		return;
	if (after(p->tcp_seq, s->wl1) || (p->tcp_seq == s->wl1 && !after(s->wl2, p->tcp_ack))) {
		s->wl1 = p->tcp_seq;
		s->wl2 = p->tcp_ack;
		s->edge = p->tcp_ack + ((uint32_t)p->tcp_window << s->snd_shift);
	}
}

static void receive_up_to(struct stack *s, uint32_t end)
{
	end = after(end, s->announced) ? s->announced : end;
	if (after(end, s->rcv)) {
		s->space -= min_of(s->space, end - s->rcv);
		s->rcv = end;
	}
}

static void take_data(struct stack *s, const struct frame_packet *p)
{
	uint32_t seq = p->tcp_seq, end = seq + len_of(p);

	if (s->got_fin)
		return;
	if (after(seq, s->rcv)) {
		if (s->ooo_from == s->ooo_to && after(s->announced, end)) {
			s->ooo_from = seq;
			s->ooo_to = end;
		}
		return;
	}
	receive_up_to(s, end);
	if (!after(s->ooo_from, s->rcv) && after(s->ooo_to, s->rcv))
		receive_up_to(s, s->ooo_to);
	if (!after(s->ooo_to, s->rcv))
		s->ooo_from = s->ooo_to = s->rcv;
	if ((p->tcp_flags & F) && s->rcv == end) {
		s->rcv++;
		s->got_fin = true;
	}
}

static void end_if_done(struct stack *s)
{
	if (!s->got_fin || !fin_sent(s) || s->una != s->nxt)
		return;
	if (s->closed_first)
		s->state = TIME_WAIT;
	else
		forget(s);
}

static void in_open(struct stack *s, const struct frame_packet *p)
{
	if (s->state == SYN_RCVD && p->tcp_flags == S && p->tcp_seq == s->irs) {
		emit(s, S | A, s->iss, 0);
		return;
	}
	if (!acceptable(s, p)) {
		if (!(p->tcp_flags & R))
			ack_now(s);
		return;
	}
	if (p->tcp_flags & R) {
		if (p->tcp_seq == s->rcv)
			forget(s);
		else
			ack_now(s);
		return;
	}
	if (p->tcp_flags & S && !(s->state == SYN_RCVD && p->tcp_flags & A)) {
		ack_now(s);
		return;
	}
	if (s->state == SYN_RCVD) {
		if (!after(p->tcp_ack, s->iss) || after(p->tcp_ack, s->nxt)) {
			emit_rst_for(s, p);
			return;
		}
		s->state = OPEN;
	}
	if (after(p->tcp_ack, s->nxt)) {
		ack_now(s);
		return;
	}
	take_ack(s, p);
	take_data(s, p);
	if (len_of(p) > 0 || p->tcp_flags & (F | S))
		if (p->tcp_flags & F || dice(3))
			ack_now(s);
	end_if_done(s);
}

static void receive(struct stack *s, const struct frame_packet *p)
{
	switch (s->state) {
	case GONE:
		emit_rst_for(s, p);
		break;
	case LISTEN:
		in_listen(s, p);
		break;
	case SYN_SENT:
		in_syn_sent(s, p);
		break;
	case SYN_RCVD:
	case OPEN:
		in_open(s, p);
		break;
	case TIME_WAIT:
		if (p->tcp_flags & R)
			break;
		if (p->tcp_flags == S && after(p->tcp_seq, s->rcv) && s->server)
			in_listen(s, p);
		else
			ack_now(s);
		break;
	}
}

static void close_side(struct stack *s)
{
	if (s->shut || s->state != OPEN)
		return;
	s->shut = true;
	s->closed_first = !s->got_fin;
	/* What the application has not written yet it never will. */
	if (!after(s->una, s->nxt) && dice(2))
		s->data_end = s->nxt;
}

static void read_some(struct stack *s)
{
	s->space += dice(dice(2) ? 2000 : 200000);
	if (s->space > 12 << 20)
		s->space = 12 << 20;
	if (s->state == OPEN && dice(2))
		ack_now(s);
}

static void abort_side(struct stack *s)
{
	if (s->state == SYN_RCVD)
		return; /* no application has it yet */
	if (s->state == OPEN)
		emit(s, R | A, s->nxt, 0);
	forget(s);
}

static void new_flow(bool by_pot)
{
	memset(&flow, 0, sizeof(flow));
	flow.key.proto = TCP;
	flow.direction = by_pot ? DIRECTION_OUTBOUND : DIRECTION_INBOUND;
	has_flow = true;
	pot_was_busy = stack[POT].state == OPEN || stack[POT].state == SYN_RCVD || wire[POT].n > 0;
}

static void refused(const struct frame_packet *p, int fit)
{
	fail_msg("connection %lu: refused (%d): flags %u seq %u ack %u len %u; state %u, sent to "
		 "%u of "
		 "%u, peer to %u, isn %u %u, acked %u, strays %d rsts %d syns %d loose %u debt %d",
		(unsigned long)connection, fit, p->tcp_flags, p->tcp_seq, p->tcp_ack, len_of(p),
		flow.tally.state, flow.tally.seq_end[flow.direction == DIRECTION_INBOUND],
		flow.tally.seq_max[flow.direction == DIRECTION_INBOUND],
		flow.tally.seq_end[flow.direction != DIRECTION_INBOUND], flow.tally.isn[0],
		flow.tally.isn[1], flow.tally.syn_acked, flow.tally.strays, flow.tally.rsts,
		flow.tally.syns, flow.tally.loose, flow.tally.debt);
}

/* A refusal that hurts nobody, because the peer has no such connection any more, or because the gate was
 * started in the middle of the handshake. */
static bool harmless(const struct frame_packet *p, unsigned side)
{
	bool other = pot_was_busy || stack[POT].irs != stack[PEER].iss;

	if (started_late && (flow.tally.syn_acked != 3 || p->tcp_flags & (S | R) || side == 0))
		return true;
	if (flow.tally.syn_acked != 3 && other && (len_of(p) > 0 || p->tcp_flags & (F | S)))
		return true;
	/* Both began at once, and the peer's SYNs came before the flow. */
	if (p->tcp_flags & S && !stack[POT].server && !stack[PEER].server)
		return true;
	return flow.tally.state == FLOW_CLOSED && stack[PEER].state != OPEN &&
	       flow.tally.tcp_flags[!side] & R;
}

/* As the gate does it: control/account.c. False: does not pass. */
static bool judge(unsigned from, const struct frame_packet *p)
{
	bool pot = from == POT;
	unsigned side = pot != (flow.direction == DIRECTION_OUTBOUND);
	int fit;

	if (!has_flow || flow_tcp_begins(&flow, p, side, pot)) {
		if (pot && p->tcp_flags != S)
			return false; /* a conversation that the gate does not know */
		new_flow(pot);
		side = 0;
	} else if (pot) {
		fit = flow_tcp_fits(&flow, p, side);
		if (fit != FLOW_FITS && harmless(p, side))
			return false;
		if (fit != FLOW_FITS)
			refused(p, fit);
		if (!flow_credit_allows(
			    &flow, side, 1, HEADERS + len_of(p), &(struct flow_credit){ 0 }))
			refused(p, -1);
	}
	flow_tcp_step(&flow, p, side);
	flow_credit_step(&flow, side, HEADERS + len_of(p));
	return true;
}

/* Between honeypot and gate all comes in order, if it comes; beyond the gate is the Internet. */
static void carry(unsigned which)
{
	bool far = which == PEER || which == 2 + PEER;
	unsigned at = far && dice(5) == 0 ? dice(wire[which].n) : 0;
	struct frame_packet p;

	if (far && dice(20) == 0)
		push(which, &wire[which].packet[at]);
	p = pull(which, at);
	if (dice(far ? 12 : 100) == 0 && (far || !(p.tcp_flags & (R | S))))
		return;
	if (which >= 2) {
		receive(&stack[which - 2], &p);
		return;
	}
	packets_judged++;
	if (!gate_runs || judge(which, &p))
		push(which == POT ? 2 + PEER : 2 + POT, &p);
}

/* The honeypot's own wire is short. */
static void settle(void)
{
	while (wire[2 + POT].n > 0)
		carry(2 + POT);
	while (wire[POT].n > 0)
		carry(POT);
}

/* To a snapshot; it takes longer than anything is under way. */
static void revert(struct stack *s)
{
	settle();
	wire[PEER].n = wire[2 + PEER].n = 0;
	forget(s);
}

/* True: it wants to connect again. */
static bool go_on(struct stack *s)
{
	uint32_t what = dice(100);
	bool again = false;

	if (what < 55) {
		if (s->state == OPEN || (s->state == SYN_RCVD && s->fast_open))
			send_new(s);
	} else if (what < 70) {
		retransmit(s);
	} else if (what < 76) {
		probe(s);
	} else if (what < 88) {
		read_some(s);
	} else if (what < 94) {
		if (!s->shut && s->state == OPEN)
			s->data_end += dice(20000);
	} else if (what < 98) {
		close_side(s);
	} else if (dice(8) == 0) {
		settle();
		abort_side(s);
		settle();
	} else if (dice(16) == 0) {
		revert(s);
	} else if (!s->server && (s->state == GONE || s->state == TIME_WAIT) &&
		   wire[2 + id_of(s)].n == 0) {
		again = true; /* the same ports, when nothing is left on the own wire */
	}

	return again;
}

static void start_connection(void)
{
	for (unsigned i = 0; i < 4; i++)
		wire[i].n = 0;
	has_flow = false;
	gate_runs = dice(10) != 0;
	started_late = !gate_runs;
	for (unsigned i = 0; i < 2; i++) {
		stack[i] = (struct stack){ .server = dice(2) };
		forget(&stack[i]);
	}
	if (stack[POT].server == stack[PEER].server)
		stack[PEER].server = !stack[POT].server;
	for (unsigned i = 0; i < 2; i++)
		if (!stack[i].server)
			begin(&stack[i], SYN_SENT);
	if (dice(20) == 0) { /* both at once */
		unsigned other = stack[POT].server ? POT : PEER;

		stack[other].server = false;
		begin(&stack[other], SYN_SENT);
	}
}

/* A new SYN is at the gate before anything else comes. The peer keeps quiet until what
 * it has sent before has arrived (RFC 9293, 3.4.3). */
static void go_on_with(unsigned which)
{
	if (!go_on(&stack[which]))
		return;
	wire[PEER].n = 0;
	settle();
	begin(&stack[which], SYN_SENT);
	if (which == POT)
		settle();
}

/* A gate that is started then takes an old SYN for the beginning. */
static bool syn_under_way(void)
{
	for (unsigned which = POT; which <= PEER; which++)
		for (unsigned i = 0; i < wire[which].n; i++)
			if (wire[which].packet[i].tcp_flags & S)
				return true;
	return false;
}

static void run_connection(void)
{
	unsigned steps = dice(10) ? 20 + dice(100) : dice(1500);

	start_connection();
	for (unsigned i = 0; i < steps; i++) {
		unsigned which = dice(4);

		if (wire[which].n > 0 && dice(4))
			carry(which);
		else
			go_on_with(dice(2));
		if (!gate_runs && dice(50) == 0 && !syn_under_way())
			gate_runs = true;
	}
}

static void test_honest_stacks(void **state)
{
	const char *from = getenv("FLOW_STACKS_FROM"); /* more of them, or one that failed */
	uint64_t first = from ? strtoull(from, NULL, 10) : 0;

	(void)state;
	for (connection = first; connection < first + CONNECTIONS; connection++) {
		seed = connection * 0x9e3779b97f4a7c15;
		run_connection();
	}
	print_message("%lu packets of %u connections\n", (unsigned long)packets_judged,
		(unsigned)CONNECTIONS);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_honest_stacks) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
