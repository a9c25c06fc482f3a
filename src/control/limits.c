/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the chain that count: what a honeypot began, how much it sent, whether anybody answered. */
#include <netinet/tcp.h>

#include "control/dns.h"
#include "control/ntp.h"
#include "control/rows.h"

enum { PORT_DNS = 53, PORT_NTP = 123 };

static const struct conf_limit *limit_of(const struct judge *j)
{
	return &policy_pot(j->gate->policy, j->honeypot)->limit;
}

/* ---- what is it? ---- */

static bool goes_to(const struct frame_packet *p, uint8_t proto, uint16_t port)
{
	return p->has_transport && p->proto == proto && p->dport == port;
}

static bool is_dns(const struct frame_packet *p)
{
	return goes_to(p, IPPROTO_UDP, PORT_DNS) || goes_to(p, IPPROTO_TCP, PORT_DNS);
}

static bool is_ntp(const struct frame_packet *p)
{
	return goes_to(p, IPPROTO_UDP, PORT_NTP);
}

static enum budget_class class_by_protocol(const struct frame_packet *p)
{
	switch (p->proto) {
	case IPPROTO_TCP:
		return BUDGET_TCP;
	case IPPROTO_UDP:
		return BUDGET_UDP;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return BUDGET_ICMP;
	default:
		return BUDGET_OTHER;
	}
}

/* Servers are on the honeypot's network, or a relay is. */
static bool is_dhcp(const struct judge *j, const struct frame_packet *p)
{
	return (frame_is_udp(p, 68, 67) || frame_is_udp(p, 546, 547)) &&
	       (ip_equal(&p->dst, &ip_broadcast4) || ip_is_multicast(&p->dst) ||
		       ip_is_link_local(&p->dst) || pots_is_near(j->gate, j->honeypot, &p->dst));
}

enum budget_class limits_class(const struct judge *j)
{
	const struct policy *policy = j->gate->policy;
	const struct conf_limit *limit = limit_of(j);
	const struct frame_packet *p = j->packet;

	if (!p)
		return BUDGET_OTHER;
	/* Their form is looked at, so their source port may be one of a tunnel. */
	if (is_dns(p) && (limit->dns_anywhere || policy_is_resolver(policy, &p->dst)))
		return BUDGET_DNS;
	if (is_ntp(p) && (limit->ntp_anywhere || policy_is_ntp_server(policy, &p->dst)))
		return BUDGET_NTP;
	if (is_dhcp(j, p))
		return BUDGET_DHCP;
	return class_by_protocol(p);
}

static uint32_t payload_len(const struct frame_packet *p)
{
	return p->has_transport && p->end_at > p->payload_at ? p->end_at - p->payload_at : 0;
}

static bool is_stray(const struct frame_packet *p)
{
	return p->proto == IPPROTO_TCP && (p->tcp_flags & (TH_SYN | TH_ACK)) != TH_SYN;
}

static void add_item(struct judge *j, enum budget_class class, const struct frame_packet *p)
{
	j->item[j->n_items++] = (struct budget_item){ .class = class,
		.has_port =
			p->has_transport && (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP),
		.port = p->dport,
		.dst = p->dst };
}

/* Let through before, and from the side that may speak. What went on between honeypots gives no permission. */
static bool is_known_inside(const struct flow *flow, uint8_t source)
{
	bool began = source == flow->starter;

	return flow->tally.verdict == VERDICT_PASS &&
	       flow->direction == (began ? DIRECTION_OUTBOUND : DIRECTION_INBOUND);
}

static bool goes_on(const struct judge *j, const struct flow *flow, const struct frame_packet *p,
	uint8_t source)
{
	const struct flow_credit limits = { .unanswered = (uint32_t)limit_of(j)->unanswered };
	unsigned side = source != flow->starter;

	return (p->proto != IPPROTO_TCP || flow_tcp_fits(flow, p, side) == FLOW_FITS) &&
	       flow_credit_allows(flow, side, 1, j->bytes, &limits);
}

/* A tunnel multiplies nothing: each conversation inside it counts like one outside it. */
static void collect_inside(struct judge *j)
{
	struct flow_table *table = j->gate->table;
	uint64_t parent = j->slot != FLOW_NONE ? flow_get(table, j->slot)->id : 0;

	for (unsigned i = 1; i < j->frame->n_packets; i++) {
		const struct frame_packet *p = &j->frame->packet[i];
		uint8_t source;
		uint32_t slot = parent ? account_inner(j, i, parent, &source) : FLOW_NONE;

		parent = slot != FLOW_NONE ? flow_get(table, slot)->id : 0;
		if (slot != FLOW_NONE && is_known_inside(flow_get(table, slot), source)) {
			j->stray |= !goes_on(j, flow_get(table, slot), p, source);
			continue;
		}
		j->stray |= is_stray(p);
		add_item(j, class_by_protocol(p), p);
	}
}

/* A packet of a conversation with a place in the budget for each question. */
static void add_questions(struct judge *j, const struct frame_packet *p)
{
	bool tcp = p->proto == IPPROTO_TCP, cut = j->frame->wire_len > j->frame->len;
	unsigned n = j->class == BUDGET_DNS && tcp && !cut
			     ? dns_question_count(j->frame->data + p->payload_at, payload_len(p))
			     : 1;

	while (n--)
		add_item(j, j->class, p);
}

void limits_collect(struct judge *j, bool begins)
{
	const struct frame_packet *p = j->packet;

	if (begins) {
		j->stray = is_stray(p);
		add_item(j, j->class, p);
		/* A tunnel that cannot be read inside has a place among the others as well. */
		if (j->frame->opaque_tunnel && j->class == BUDGET_UDP)
			add_item(j, BUDGET_OTHER, p);
	} else if (!j->reply && j->class >= BUDGET_DNS &&
		   (p->proto != IPPROTO_TCP || payload_len(p) > 0)) {
		add_questions(j, p);
	}
	collect_inside(j);
}

/* ---- conversations ---- */

/* The conversation that the frame belongs to. An ICMP error's own is none of them. */
static const struct flow *flow_of(const struct judge *j)
{
	return j->permission == REASON_ICMP_ERROR ? NULL : flow_get(j->gate->table, j->slot);
}

bool row_no_flow(struct judge *j)
{
	return j->stray;
}

enum reason row_tcp_misfit(struct judge *j)
{
	const struct flow *flow = flow_of(j);

	if (!flow || j->packet->proto != IPPROTO_TCP || !j->packet->has_transport)
		return REASON_NONE;
	switch (flow_tcp_fits(flow, j->packet, j->source != flow->starter)) {
	case FLOW_FITS:
		return REASON_NONE;
	case FLOW_FIT_TOO_MANY:
		return REASON_REPEATED;
	default:
		return REASON_OUT_OF_WINDOW;
	}
}

bool row_unanswered(struct judge *j)
{
	const struct flow_credit limits = { .unanswered = (uint32_t)limit_of(j)->unanswered };
	const struct flow *flow = flow_of(j);

	if (j->class >= BUDGET_DNS && j->packet->proto != IPPROTO_TCP)
		return false; /* each packet has its own place in a budget */
	return flow &&
	       !flow_credit_allows(flow, j->source != flow->starter, j->frames, j->bytes, &limits);
}

bool row_flow_volume(struct judge *j)
{
	const struct conf_limit *limit = limit_of(j);
	const struct flow *flow = flow_of(j);
	const struct flow_tally *t;

	if (!flow || j->reply)
		return false;
	t = &flow->tally;
	return (limit->flow_packets && t->frames[0] + j->frames > limit->flow_packets) ||
	       (limit->flow_bytes && t->bytes[0] + j->bytes > limit->flow_bytes);
}

static struct peer *peer_of(const struct judge *j, const struct ip *ip)
{
	return peers_find(j->gate->shared->peer, j->gate->shared->secret, j->honeypot, ip);
}

static struct peers_limit peers_limit(const struct judge *j)
{
	const struct conf_limit *limit = limit_of(j);

	return (struct peers_limit){ .amplification = limit->amplification,
		.allowance = limit->peer_allowance };
}

bool row_reflection(struct judge *j)
{
	const struct flow *flow = flow_of(j);
	const struct peers_limit limit = peers_limit(j);

	if (!j->reply || (flow && flow_tcp_is_proven(flow)))
		return false;
	return !peers_answer(peer_of(j, &j->packet->dst), &limit, j->bytes, j->now.steady_ns);
}

void limits_hear(struct judge *j)
{
	struct peers_limit limit;

	if (!j->packet || j->honeypot == NO_HONEYPOT ||
		(j->slot != FLOW_NONE && flow_tcp_is_proven(flow_get(j->gate->table, j->slot))))
		return;
	limit = peers_limit(j);
	peers_heard(peer_of(j, &j->packet->src), &limit, j->wire_len, j->now.steady_ns);
}

/* ---- questions ---- */

static bool dns_is_fine(const struct judge *j)
{
	const struct conf_dns *conf = &j->gate->policy->dns;
	const struct dns_guard guard = { .name_max = (uint16_t)conf->name_max,
		.entropy_tenths = (uint8_t)(conf->entropy ? conf->entropy : DNS_ENTROPY_OFF) };
	const struct frame_packet *p = j->packet;
	uint32_t len = payload_len(p);

	if (p->proto == IPPROTO_TCP && len == 0)
		return true;
	return dns_question_look(j->frame->data + p->payload_at, len, p->proto == IPPROTO_TCP,
		       &guard) == DNS_FINE;
}

enum reason row_question(struct judge *j)
{
	const struct frame_packet *p = j->packet;
	bool cut = j->frame->wire_len > j->frame->len; /* in a capture file */

	if (j->reply || (!is_dns(p) && !is_ntp(p)))
		return REASON_NONE;
	if (is_dns(p)) {
		if (j->class != BUDGET_DNS)
			return REASON_DNS_SERVER;
		return cut || dns_is_fine(j) ? REASON_NONE : REASON_DNS_FORM;
	}
	if (j->class != BUDGET_NTP)
		return REASON_NTP_SERVER;
	return cut || ntp_request_fine(j->frame->data + p->payload_at, payload_len(p))
		       ? REASON_NONE
		       : REASON_NTP_FORM;
}

/* ---- budgets ---- */

bool row_table_full(struct judge *j)
{
	return j->slot == FLOW_NONE && flow_used(j->gate->table) == flow_slots(j->gate->table);
}

enum reason row_budget(struct judge *j)
{
	for (unsigned i = 0; i < j->n_items; i++) {
		enum reason reason =
			budget_refuses(j->gate->budget, j->honeypot, &j->item[i], j->now.steady_ns);

		if (reason != REASON_NONE)
			return reason;
	}
	return REASON_NONE;
}

/* Several things that one frame begins may want the same last place. */
bool limits_take(struct judge *j)
{
	for (unsigned i = 0; i < j->n_items; i++) {
		if (i > 0 && budget_refuses(j->gate->budget, j->honeypot, &j->item[i],
				     j->now.steady_ns) != REASON_NONE)
			return false;
		budget_take(j->gate->budget, j->honeypot, &j->item[i], j->now.steady_ns);
	}
	return true;
}

/* TCP connections that the frame begins, those inside it among them. */
static unsigned connections(const struct judge *j)
{
	unsigned n = j->permission == REASON_NONE && j->packet->proto == IPPROTO_TCP &&
		     j->class != BUDGET_TCP;

	for (unsigned i = 0; i < j->n_items; i++)
		n += j->item[i].class == BUDGET_TCP;
	return n;
}

bool row_half_open(struct judge *j)
{
	unsigned n = connections(j);

	return n > 0 && !attempts_allow(&j->gate->pot[j->honeypot].attempts, j->gate->table, n,
				limit_of(j)->half_open);
}

enum reason row_volume(struct judge *j)
{
	return budget_send(j->gate->budget, j->honeypot, j->reply ? BUDGET_REPLY : BUDGET_BEGUN,
		j->frames, j->bytes, j->now.steady_ns);
}

bool row_line_full(struct judge *j)
{
	uint64_t rate = limit_of(j)->bandwidth;

	j->answer.due_ns = 0;
	if (rate == 0)
		return false;
	j->answer.due_ns =
		shape_due_ns(&j->gate->pot[j->honeypot].line, rate, j->bytes, j->now.steady_ns);
	return j->answer.due_ns < 0;
}
