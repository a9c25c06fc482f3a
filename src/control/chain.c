/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chain of data control: what a honeypot sends goes from row to row, and the first row that stops
 * it gives the reason. A new control is a new row: a reason and a function.
 */
#include "control/inside.h"

#define BIT(id) ((uint64_t)1 << FRAME_ANOMALY_##id)

enum {
	EACH = 1,     /* asked for every frame that leaves */
	INSIDE = 2,   /* also for frames between honeypots */
	BEGINNING = 4 /* asked for what begins a conversation */
};

enum {
	ETHERTYPE_MIN = 0x600,
	ETHERTYPE_IP4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_IP6 = 0x86dd,
	ETHERTYPE_LLDP = 0x88cc
};
enum { PROTO_ICMP = 1, PROTO_IGMP = 2, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMPV6 = 58 };
enum { ICMP6_RA = 134, ICMP6_REDIRECT = 137, ICMP4_REDIRECT = 5, ICMP4_RA = 9 };
enum {
	IGMP_QUERY = 0x11,
	IGMP1_REPORT = 0x12,
	IGMP2_REPORT = 0x16,
	IGMP_LEAVE = 0x17,
	IGMP3_REPORT = 0x22
};
enum { MLD_QUERY = 130, MLD_REPORT = 131, MLD_DONE = 132, MLD2_REPORT = 143, NEVER = 255 };
enum { SYN = 2, ACK = 16 };

static const struct ip any4 = { .byte = { [10] = 0xff, [11] = 0xff } };
static const struct ip all4 = { .byte = { [10] = 0xff, [11] = 0xff, 0xff, 0xff, 0xff, 0xff } };

struct row {
	enum reason reason;
	unsigned when;
	bool (*stops)(struct judge *j, enum reason reason);
};

static bool is_icmp(const struct judge *j, uint8_t type4, uint8_t type6)
{
	const struct frame_packet *p = j->packet;

	if (!p || !p->has_transport)
		return false;
	return (p->proto == PROTO_ICMP && p->icmp_type == type4) ||
	       (p->proto == PROTO_ICMPV6 && p->icmp_type == type6);
}

static bool is_igmp(const struct judge *j, uint8_t type)
{
	const struct frame_packet *p = j->packet;

	return p && p->has_transport && p->version == 4 && p->proto == PROTO_IGMP &&
	       p->icmp_type == type;
}

static bool is_group_report(const struct judge *j)
{
	return is_igmp(j, IGMP1_REPORT) || is_igmp(j, IGMP2_REPORT) || is_igmp(j, IGMP3_REPORT) ||
	       is_igmp(j, IGMP_LEAVE) || is_icmp(j, NEVER, MLD_REPORT) ||
	       is_icmp(j, NEVER, MLD_DONE) || is_icmp(j, NEVER, MLD2_REPORT);
}

static bool is_udp(const struct judge *j, uint16_t sport, uint16_t dport)
{
	const struct frame_packet *p = j->packet;

	return p && p->has_transport && p->proto == PROTO_UDP && p->sport == sport &&
	       p->dport == dport;
}

static bool wrong_mac(struct judge *j, enum reason reason)
{
	(void)reason;
	return !j->mac_ok;
}

/* Groups of bridges (01:80:c2:00:00:0x: STP, LLDP, pause, 802.1X) and of Cisco's protocols. */
static bool is_bridge_group(const struct mac *mac)
{
	static const struct mac bridges = { { 0x01, 0x80, 0xc2, 0, 0, 0 } };
	static const struct mac cisco = { { 0x01, 0x00, 0x0c, 0xcc, 0xcc, 0 } };

	return memcmp(mac, &bridges, 5) == 0 || memcmp(mac, &cisco, 5) == 0;
}

static bool unhygienic(struct judge *j, enum reason reason)
{
	(void)reason;
	if (is_bridge_group(&j->frame->dst_mac) || j->frame->ethertype == ETHERTYPE_LLDP)
		return true;
	return is_icmp(j, ICMP4_RA, ICMP6_RA) || is_icmp(j, ICMP4_REDIRECT, ICMP6_REDIRECT) ||
	       is_icmp(j, NEVER, MLD_QUERY) || is_igmp(j, IGMP_QUERY) || is_udp(j, 67, 68) ||
	       is_udp(j, 547, 546);
}

static bool foreign_ethertype(struct judge *j, enum reason reason)
{
	uint16_t type = j->frame->ethertype;

	(void)reason;
	return type != ETHERTYPE_IP4 && type != ETHERTYPE_IP6 && type != ETHERTYPE_ARP;
}

static bool nested_tag(struct judge *j, enum reason reason)
{
	(void)reason;
	return j->frame->n_tags > 1;
}

/* Sender 0.0.0.0 is a probe for one's own address (RFC 5227). */
static bool wrong_arp(struct judge *j, enum reason reason)
{
	const struct frame *f = j->frame;

	(void)reason;
	if (!f->is_arp)
		return false;
	if (!mac_equal(&f->arp_sender_mac, &f->src_mac))
		return true;
	if (ip_equal(&f->arp_sender, &any4))
		return !pots_owns(j, &f->arp_target);
	return !pots_owns(j, &f->arp_sender);
}

/* A solicitation names its sender's MAC; an advertisement speaks for its target (RFC 4861, 4.3, 4.4). */
static bool wrong_nd(struct judge *j, enum reason reason)
{
	const struct frame *f = j->frame;

	(void)reason;
	if (!f->is_nd)
		return false;
	if (f->has_nd_mac && !mac_equal(&f->nd_mac, &f->src_mac))
		return true;
	if (j->packet->icmp_type == 136 ||
		(j->packet->icmp_type == 135 && ip_is_unset(&j->packet->src)))
		return !pots_owns(j, &f->nd_target);
	return false;
}

/* Without an address yet: DHCP, which is broadcast then (RFC 2131, 4.1), duplicate address detection,
 * its MLD report (RFC 3590). */
static bool may_have_no_address(const struct judge *j)
{
	const struct frame_packet *p = j->packet;

	if (p->version == 4)
		return is_udp(j, 68, 67) && ip_equal(&p->src, &any4) && ip_equal(&p->dst, &all4);
	return ip_is_unset(&p->src) && ip_is_multicast(&p->dst) &&
	       (j->frame->is_nd || is_icmp(j, NEVER, MLD_REPORT) || is_icmp(j, NEVER, MLD2_REPORT));
}

static bool wrong_ip(struct judge *j, enum reason reason)
{
	(void)reason;
	if (!j->packet || may_have_no_address(j))
		return false;
	if ((j->packet->version == 4) != ip_is_v4(&j->packet->src))
		return true;
	return !pots_owns(j, &j->packet->src);
}

/* What would be read differently by whoever receives it, or not at all. */
static const uint64_t misleading =
	BIT(IP4_SOURCE_ROUTE) | BIT(IP4_OPTION) | BIT(IP6_ROUTING) | BIT(IP6_CHAIN) |
	BIT(IP6_ORDER) | BIT(IP6_JUMBO) | BIT(FRAGMENT_RANGE) | BIT(FRAGMENT_LENGTH) |
	BIT(TCP_OFFSET) | BIT(TCP_FLAGS) | BIT(ICMP_FAMILY) | BIT(ND_OPTION) | BIT(TUNNEL_DEPTH) |
	BIT(ADDRESS_MAPPED) | BIT(LAND) | BIT(TAG_DEPTH) | BIT(ND_FRAGMENT) | BIT(IP4_VERSION) |
	BIT(IP6_VERSION) | BIT(IP4_HEADER) | BIT(IP4_TOTAL) | BIT(ARP_FORM);
static const uint64_t cut_off = BIT(ETHERNET_SHORT) | BIT(TAG_SHORT) | BIT(ARP_SHORT) |
				BIT(IP4_SHORT) | BIT(IP4_CUT) | BIT(IP6_SHORT) | BIT(IP6_CUT) |
				BIT(IP6_EXTENSION) | BIT(AH_SHORT) | BIT(TCP_SHORT) |
				BIT(UDP_SHORT) | BIT(UDP_LENGTH) | BIT(SCTP_SHORT) |
				BIT(DCCP_SHORT) | BIT(ICMP_SHORT) | BIT(ND_SHORT) | BIT(GRE_SHORT);

static bool malformed(struct judge *j, enum reason reason)
{
	const struct frame *f = j->frame;

	(void)reason;
	if ((f->anomalies & misleading) || (!j->packet && !f->is_arp))
		return true;
	/* A capture file may hold less than was sent. */
	return f->wire_len == f->len && (f->anomalies & cut_off);
}

static bool unjudged_fragment(struct judge *j, enum reason reason)
{
	const struct frame_packet *p = j->packet;

	(void)reason;
	if (!p || !p->is_fragment)
		return false;
	if (p->first_fragment)
		return !p->has_transport ||
		       frame_has_anomaly(j->frame, FRAME_ANOMALY_FRAGMENT_TINY);
	j->fragment = fragment_find(j);
	return !j->fragment || p->fragment_offset < j->fragment->min_offset;
}

static bool fenced(struct judge *j, enum reason reason)
{
	const struct frame *f = j->frame;

	(void)reason;
	for (unsigned i = 0; i < f->n_packets; i++)
		if (nets_have(&j->gate->fence, &f->packet[i].dst))
			return true;
	return false;
}

static bool isolated(struct judge *j, enum reason reason)
{
	(void)reason;
	return j->gate->pot[j->honeypot].isolate;
}

static bool roach_motel(struct judge *j, enum reason reason)
{
	(void)reason;
	return j->gate->pot[j->honeypot].roach_motel;
}

static bool begins_nothing(struct judge *j, enum reason reason)
{
	const struct frame_packet *p = j->packet;

	(void)reason;
	return p->proto == PROTO_TCP && (p->tcp_flags & (SYN | ACK)) != SYN;
}

/* The incident record must exist before the conversation does. */
static bool records_full(struct judge *j, enum reason reason)
{
	(void)reason;
	return j->gate->records_full || !report_incident(j);
}

static bool table_full(struct judge *j, enum reason reason)
{
	(void)reason;
	return j->slot == FLOW_NONE && flow_used(j->gate->table) == flow_slots(j->gate->table);
}

static bool over_limit(struct judge *j, enum reason reason)
{
	static const enum reason limit[BUDGET_CLASSES] = { [BUDGET_TCP] = REASON_TCP_LIMIT,
		[BUDGET_UDP] = REASON_UDP_LIMIT,
		[BUDGET_ICMP] = REASON_ICMP_LIMIT,
		[BUDGET_OTHER] = REASON_OTHER_LIMIT,
		[BUDGET_DNS] = REASON_DNS_LIMIT };

	return limit[j->class] == reason &&
	       !budget_allows(j->gate->budget, j->honeypot, j->class, j->now.steady_ns);
}

static const struct row chain[] = {
	{ REASON_SPOOF_MAC, EACH | INSIDE, wrong_mac },
	{ REASON_SPOOF_IP, EACH | INSIDE, wrong_ip },
	{ REASON_SPOOF_ARP, EACH | INSIDE, wrong_arp },
	{ REASON_SPOOF_ND, EACH | INSIDE, wrong_nd },
	{ REASON_HYGIENE, EACH, unhygienic },
	{ REASON_ETHERTYPE, EACH, foreign_ethertype },
	{ REASON_NESTED_TAG, EACH, nested_tag },
	{ REASON_MALFORMED, EACH, malformed },
	{ REASON_FRAGMENT, EACH, unjudged_fragment },
	{ REASON_FENCE, EACH, fenced },
	{ REASON_ISOLATED, EACH, isolated },
	{ REASON_ROACH_MOTEL, BEGINNING, roach_motel },
	{ REASON_NO_FLOW, BEGINNING, begins_nothing },
	{ REASON_FLOW_TABLE_FULL, BEGINNING, table_full },
	{ REASON_TCP_LIMIT, BEGINNING, over_limit },
	{ REASON_UDP_LIMIT, BEGINNING, over_limit },
	{ REASON_ICMP_LIMIT, BEGINNING, over_limit },
	{ REASON_OTHER_LIMIT, BEGINNING, over_limit },
	{ REASON_DNS_LIMIT, BEGINNING, over_limit },
	{ REASON_RECORDS_FULL, BEGINNING, records_full },
};

/* First row that stops it, or REASON_NONE. */
static enum reason ask(struct judge *j, unsigned when)
{
	for (size_t i = 0; i < sizeof(chain) / sizeof(chain[0]); i++)
		if ((chain[i].when & when) && chain[i].stops(j, chain[i].reason))
			return chain[i].reason;
	return REASON_NONE;
}

static bool same_link(const struct judge *j, const struct ip *ip)
{
	const struct conf_a_honeypot *h = &j->gate->conf->honeypot[j->honeypot];

	if (ip_is_link_local(ip) || (ip_is_multicast(ip) && (ip->byte[1] & 15) == 2))
		return true;
	for (size_t i = 0; i < h->n_addresses; i++)
		if (!ip_is_v4(&h->address[i]) && memcmp(&h->address[i], ip, 8) == 0)
			return true;
	return false;
}

/* What a host does to be on a link at all; none of it goes beyond the next router. */
static enum reason exempt(const struct judge *j)
{
	const struct frame_packet *p = j->packet;

	if (j->frame->is_arp)
		return REASON_NEIGHBOUR;
	if (!p)
		return REASON_NONE;
	if (j->frame->is_nd && same_link(j, &p->dst))
		return REASON_NEIGHBOUR;
	if (p->ttl != 1 || !ip_is_multicast(&p->dst) || p->is_fragment)
		return REASON_NONE;
	return is_group_report(j) ? REASON_MULTICAST_JOIN : REASON_NONE;
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
	uint32_t slot = j->fragment ? j->fragment->slot : j->slot;
	const struct flow *flow;

	if (slot == FLOW_NONE)
		return REASON_NONE;
	flow = flow_get(j->gate->table, slot);
	if (j->fragment && (flow->id != j->fragment->flow_id || flow->tally.status != FLOW_LIVE))
		return REASON_NONE;
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

static bool is_resolver(const struct gate *gate, const struct ip *ip)
{
	for (size_t i = 0; i < gate->conf->n_resolvers; i++)
		if (ip_equal(&gate->conf->resolver[i], ip))
			return true;
	return false;
}

static enum budget_class class_of(const struct judge *j)
{
	const struct frame_packet *p = j->packet;

	switch (p->proto) {
	case PROTO_TCP:
	case PROTO_UDP:
		if (p->dport == 53 && is_resolver(j->gate, &p->dst))
			return BUDGET_DNS;
		return p->proto == PROTO_TCP ? BUDGET_TCP : BUDGET_UDP;
	case PROTO_ICMP:
	case PROTO_ICMPV6:
		return BUDGET_ICMP;
	default:
		return BUDGET_OTHER;
	}
}

static void judge_beginning(struct judge *j)
{
	enum reason reason;

	j->class = class_of(j);
	reason = ask(j, BEGINNING);
	if (reason != REASON_NONE) {
		j->refused_new = true;
		/* An attempt tells as much as a success; a stray packet of an old conversation nothing. */
		if (reason != REASON_NO_FLOW)
			report_incident(j);
		j->answer.reason = reason;
		return;
	}
	budget_take(j->gate->budget, j->honeypot, j->class, j->now.steady_ns);
	j->answer.reason = j->class == BUDGET_DNS ? REASON_RESOLVER : REASON_WITHIN_BUDGET;
}

static void judge_leaving(struct judge *j)
{
	enum reason reason = ask(j, EACH);

	if (reason != REASON_NONE) {
		j->answer.reason = reason;
		j->refused_new = (reason == REASON_FENCE || reason == REASON_ISOLATED) &&
				 exempt(j) == REASON_NONE && belongs(j) == REASON_NONE &&
				 j->packet && !j->fragment;
		if (j->refused_new) {
			j->class = class_of(j);
			if (!begins_nothing(j, REASON_NO_FLOW))
				report_incident(j);
		}
		return;
	}
	reason = exempt(j);
	if (reason == REASON_NONE)
		reason = belongs(j);
	if (reason == REASON_NONE && is_answer_by_error(j))
		reason = REASON_ICMP_ERROR;
	if (reason != REASON_NONE)
		j->answer.reason = reason;
	else if (j->fragment)
		j->answer.reason = REASON_FRAGMENT;
	else
		judge_beginning(j);
}

void chain_judge(struct judge *j)
{
	if (judge_leaves(j)) {
		judge_leaving(j);
	} else {
		enum reason reason = ask(j, INSIDE);

		j->answer.reason = reason != REASON_NONE ? reason : REASON_INTERNAL;
	}
	j->answer.verdict = reason_verdict(j->answer.reason);
}
