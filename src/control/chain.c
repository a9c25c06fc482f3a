/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chain of data control: what a honeypot sends goes from row to row, and the first row that has an
 * opinion decides. A new control is a new row: when it is asked, what it asks, its reason.
 * doc/design/control.md tells what the rows share.
 */
#include "control/rows.h"

/* When a row is asked. */
enum {
	EACH = 1,      /* for every frame that leaves */
	INSIDE = 2,    /* also for frames between honeypots */
	NEIGHBOUR = 4, /* ARP, neighbour discovery, group reports */
	BEGINNING = 8, /* what begins a conversation */
	ONGOING = 16, /* what belongs to one that was let through, or answers it by an ICMP error */
};
enum { TALK = BEGINNING | ONGOING };

struct row {
	unsigned when;
	enum reason reason;                     /* of a guard */
	bool (*guard)(struct judge *j);         /* either: stops it */
	enum reason (*decide)(struct judge *j); /* or: gives the reason itself */
};

static bool is_fenced(struct judge *j)
{
	return lists_have(j, LIST_FENCE);
}

static bool is_black(struct judge *j)
{
	return lists_have(j, LIST_BLACK);
}

static bool is_white(struct judge *j)
{
	return lists_have(j, LIST_WHITE);
}

static const struct policy_pot *pot_policy(const struct judge *j)
{
	return policy_pot(j->gate->policy, j->honeypot);
}

static bool is_isolated(struct judge *j)
{
	return pot_policy(j)->isolate;
}

static bool in_roach_motel(struct judge *j)
{
	return pot_policy(j)->roach_motel;
}

/* Ended by an operator: the conversation, or one inside it. */
static bool is_killed(struct judge *j)
{
	uint32_t slot = j->slot;

	for (unsigned i = 1; slot != FLOW_NONE; i++) {
		const struct flow *flow = flow_get(j->gate->table, slot);
		uint8_t source;

		if (flow->tally.verdict == VERDICT_DROP && flow->tally.reason == REASON_KILLED)
			return true;
		if (i >= j->frame->n_packets)
			return false;
		slot = account_inner(j, i, flow->id, &source);
	}
	return false;
}

/* The incident record must exist before the conversation does. */
static bool records_full(struct judge *j)
{
	return j->n_items > 0 && (j->gate->records_full || !report_incident(j));
}

/* What every frame is asked, */
static const struct row each[] = {
	{ EACH | INSIDE, REASON_SPOOF_MAC, row_wrong_mac, NULL },
	{ EACH | INSIDE, REASON_SPOOF_IP, row_wrong_ip, NULL },
	{ EACH | INSIDE, REASON_SPOOF_ARP, row_wrong_arp, NULL },
	{ EACH | INSIDE, REASON_SPOOF_ND, row_wrong_nd, NULL },
	{ EACH, REASON_HYGIENE, row_unhygienic, NULL },
	{ EACH, REASON_ETHERTYPE, row_foreign_ethertype, NULL },
	{ EACH, REASON_NESTED_TAG, row_nested_tag, NULL },
	{ EACH, REASON_MALFORMED, row_malformed, NULL },
	{ EACH, REASON_FRAGMENT, row_fragment, NULL },
	{ EACH, REASON_FENCE, is_fenced, NULL },
	{ EACH, REASON_BLACK_LIST, is_black, NULL },
	{ EACH, REASON_ISOLATED, is_isolated, NULL },
	{ EACH, REASON_KILLED, is_killed, NULL },
	{ 0 },
};
/* and then what belongs to a conversation, or makes a host one of a link. */
static const struct row talk[] = {
	{ BEGINNING, REASON_ROACH_MOTEL, in_roach_motel, NULL },
	{ BEGINNING, REASON_FLOW_TABLE_FULL, row_table_full, NULL },
	{ TALK, REASON_WHITE_LIST, is_white, NULL },
	{ TALK, REASON_NO_FLOW, row_no_flow, NULL },
	{ ONGOING, REASON_NONE, NULL, row_tcp_misfit },
	{ ONGOING, REASON_UNANSWERED, row_unanswered, NULL },
	{ ONGOING, REASON_FLOW_VOLUME, row_flow_volume, NULL },
	{ ONGOING, REASON_REFLECTION, row_reflection, NULL },
	{ TALK, REASON_NONE, NULL, row_question },
	{ TALK | NEIGHBOUR, REASON_NONE, NULL, row_budget },
	{ TALK, REASON_HALF_OPEN, row_half_open, NULL },
	{ TALK, REASON_NONE, NULL, row_volume },
	{ TALK, REASON_RECORDS_FULL, records_full, NULL },
	{ TALK, REASON_LINE_FULL, row_line_full, NULL },
	{ 0 },
};

/* What the first row with an opinion says, or REASON_NONE. */
static enum reason ask(struct judge *j, const struct row *row, unsigned when)
{
	for (; row->when; row++) {
		enum reason reason = row->reason;

		if (!(row->when & when))
			continue;
		if (row->decide)
			reason = row->decide(j);
		else if (!row->guard(j))
			reason = REASON_NONE;
		if (reason != REASON_NONE)
			return reason;
	}
	return REASON_NONE;
}

static bool same_link(const struct judge *j, const struct ip *ip)
{
	return ip_is_link_local(ip) || (ip_is_multicast(ip) && (ip->byte[1] & 15) == 2) ||
	       pots_is_near(j->gate, j->honeypot, ip);
}

/* What a host does to be on a link at all; none of it goes beyond the next router. */
static enum reason neighbourly(const struct judge *j)
{
	const struct frame_packet *p = j->packet;

	if (j->frame->is_arp)
		return REASON_NEIGHBOUR;
	if (!p)
		return REASON_NONE;
	if (j->frame->is_nd && same_link(j, &p->dst))
		return REASON_NEIGHBOUR;
	if (p->ttl != 1 || !ip_is_multicast(&p->dst) || j->whole)
		return REASON_NONE;
	return frame_is_group_report(j) ? REASON_MULTICAST_JOIN : REASON_NONE;
}

/* It must be about a packet that came to this honeypot in a conversation that may be answered. */
static bool is_answer_by_error(const struct judge *j)
{
	const struct frame *f = j->frame;
	const struct flow *flow;
	unsigned side;

	if (j->quoted == FLOW_NONE || !ip_equal(&f->quoted.src, &j->packet->dst) ||
		!ip_equal(&f->quoted.dst, &j->packet->src))
		return false;
	flow = flow_get(j->gate->table, j->quoted);
	side = !ip_equal(&flow->key.ip[flow->starter], &f->quoted.src);
	return flow->tally.verdict == VERDICT_PASS && flow->direction != DIRECTION_INTERNAL &&
	       flow->tally.frames[side] > 0 && flow->tally.errors_sent < GATE_ICMP_ERRORS_MAX;
}

/* Why a frame of a conversation that was let through may leave; REASON_NONE: it was not. Who began must
 * be who the conversation's direction says: somebody outside may forge a honeypot's address, and frames
 * between honeypots were never judged. */
static enum reason belongs(const struct judge *j)
{
	const struct flow *flow;

	if (j->slot == FLOW_NONE)
		return REASON_NONE;
	flow = flow_get(j->gate->table, j->slot);
	if (flow->tally.verdict != VERDICT_PASS)
		return REASON_NONE;
	if (flow->direction == DIRECTION_INBOUND && j->source != flow->starter)
		return REASON_REPLY;
	if (flow->direction == DIRECTION_OUTBOUND && j->source == flow->starter &&
		flow->tally.reason != REASON_MULTICAST_JOIN &&
		flow->tally.reason != REASON_NEIGHBOUR)
		return REASON_ESTABLISHED;
	return REASON_NONE;
}

/* What a new conversation is let out as. */
static enum reason admission(enum budget_class class)
{
	switch (class) {
	case BUDGET_DNS:
		return REASON_RESOLVER;
	case BUDGET_NTP:
		return REASON_NTP;
	case BUDGET_DHCP:
		return REASON_DHCP;
	default:
		return REASON_WITHIN_BUDGET;
	}
}

/* Stopped before it was asked what it begins. Whose it is is known then. */
static void note_attempt(struct judge *j, enum reason reason)
{
	if (reason != REASON_FENCE && reason != REASON_BLACK_LIST && reason != REASON_ISOLATED)
		return;
	if (!j->packet || j->packet->is_fragment || neighbourly(j) != REASON_NONE ||
		belongs(j) != REASON_NONE)
		return;
	j->refused_new = true;
	limits_collect(j, true);
	if (!j->stray)
		report_incident(j);
}

static enum reason judge_beginning(struct judge *j)
{
	enum reason reason;

	limits_collect(j, true);
	reason = ask(j, talk, BEGINNING);
	if (reason == REASON_NONE && !limits_take(j))
		reason = REASON_HONEYNET_LIMIT;
	if (reason == REASON_NONE)
		reason = admission(j->class);
	j->began = reason_verdict(reason) == VERDICT_PASS;
	if (j->began)
		return reason;
	j->refused_new = true;
	/* An attempt tells as much as a success; a stray packet of an old conversation nothing. */
	if (reason != REASON_NO_FLOW)
		report_incident(j);
	return reason;
}

static enum reason judge_ongoing(struct judge *j, enum reason permission)
{
	enum reason reason;

	j->permission = permission;
	j->reply = permission != REASON_ESTABLISHED;
	limits_collect(j, false);
	reason = ask(j, talk, ONGOING);
	if (reason == REASON_WHITE_LIST)
		return permission;
	if (reason == REASON_NONE && !limits_take(j))
		reason = REASON_HONEYNET_LIMIT;
	return reason == REASON_NONE ? permission : reason;
}

static enum reason judge_neighbour(struct judge *j, enum reason permission)
{
	enum reason reason;

	j->class = BUDGET_NEIGHBOUR;
	j->item[j->n_items++] = (struct budget_item){ .class = BUDGET_NEIGHBOUR };
	reason = ask(j, talk, NEIGHBOUR);
	if (reason == REASON_NONE)
		(void)limits_take(j);
	return reason == REASON_NONE ? permission : reason;
}

static enum reason judge_leaving(struct judge *j)
{
	enum reason reason = ask(j, each, EACH), permission;

	if (reason != REASON_NONE) {
		if (j->honeypot != NO_HONEYPOT)
			j->class = limits_class(j);
		note_attempt(j, reason);
		return reason;
	}
	permission = neighbourly(j);
	if (permission != REASON_NONE)
		return judge_neighbour(j, permission);
	j->class = limits_class(j);
	permission = belongs(j);
	if (permission == REASON_NONE && is_answer_by_error(j))
		permission = REASON_ICMP_ERROR;
	return permission != REASON_NONE ? judge_ongoing(j, permission) : judge_beginning(j);
}

void chain_judge(struct judge *j)
{
	if (judge_leaves(j)) {
		j->answer.reason = judge_leaving(j);
	} else {
		enum reason reason = ask(j, each, INSIDE);

		j->answer.reason = reason != REASON_NONE ? reason : REASON_INTERNAL;
	}
	j->answer.verdict = reason_verdict(j->answer.reason);
}

void chain_judge_inbound(struct judge *j)
{
	j->answer.reason = is_killed(j)  ? REASON_KILLED
			   : is_black(j) ? REASON_BLACK_LIST
					 : REASON_INBOUND;
	j->answer.verdict = reason_verdict(j->answer.reason);
	if (j->answer.verdict == VERDICT_PASS)
		limits_hear(j);
}
