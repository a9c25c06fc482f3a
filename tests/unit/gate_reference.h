/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_reference - what doc/design/control.md and fishbowl.conf(5) say, once more: slow, with plain lists and
 * linear searches, and without the gate's code. Shared with it are the parser, plain data, the form of a DNS
 * question, and what one TCP connection is (flow_tcp_...(), which has tests of its own).
 *
 * It knows conversations by addresses as the packets have them; asks every list for every packet; and counts
 * what is in a window by counting. The caller gives it the same frames, times and policies as the gate.
 */
#pragma once

#include "control/dns.h"
#include "control/ntp.h"
#include "control/peers.h"
#include "flow/flow.h"
#include "gate_bench.h"

enum { REF_POTS = 3, REF_FLOWS_MAX = 8192, REF_LINK_LOCALS = 4, REF_OUTSIDERS = 64 };
enum { REF_TCP, REF_UDP, REF_ICMP, REF_OTHER, REF_DNS, REF_NTP, REF_DHCP, REF_NEIGHBOUR, REF_ALL };
enum { REF_LOGS = REF_ALL + 1, REF_VOLUMES = 6, REF_NET_MEMORY = 512 };
enum { REF_FIN = 1, REF_SYN = 2, REF_RST = 4, REF_ACK = 16 };

/* Something that happened, and of what kind (an address, a port), or how much. */
struct ref_event {
	int64_t at;
	struct ip what;
	uint64_t amount;
};

struct ref_list {
	struct ref_event *event;
	size_t n, max;
};

struct ref_volume {
	struct ref_list slice; /* at: the slice's number */
	int64_t period;
};

/* A honeypot's, or, behind them, all honeypots' together. */
struct ref_account {
	struct ref_list log[REF_LOGS], destination, port, net;
	struct ref_volume volume[REF_VOLUMES];
};

struct ref_end {
	struct ip ip;
	uint16_t port;
};

struct ref_flow {
	uint64_t id, parent, gate_id;
	struct ref_end starter, other;
	uint8_t version, proto, icmp, direction;
	uint16_t vlan[2];
	unsigned pot;
	bool refused, killed, half_open;
	enum reason reason;
	int64_t last;
	uint64_t frames[2], bytes[2];
	unsigned errors_sent;
	int64_t debt;    /* what the honeypot sent without an answer: packets, of TCP bytes */
	bool gone;       /* ended in this frame */
	struct flow tcp; /* for flow_tcp_...() only */
};

struct ref_pot {
	struct mac mac;
	bool mac_known;
	struct ip link_local[REF_LINK_LOCALS];
	unsigned n_link_locals;
};

struct ref_peer {
	int64_t filled;
	uint64_t tokens, earned;
};

struct ref {
	struct bench
		*bench; /* for configuration, lists, time; the gate only to be asked its secret */
	struct ref_pot pot[REF_POTS];
	struct ip outsider[REF_OUTSIDERS];
	unsigned n_outsiders;
	struct ref_account account[REF_POTS + 1];
	int64_t budget_offset, budget_last;
	struct ref_flow *flow;
	size_t n_flows;
	uint64_t ids;
	struct ref_peer peer[PEERS];
	struct peer numbering[PEERS]; /* addresses only: which account is a peer's */
};

/* One packet of a frame in the terms of a conversation. */
struct ref_talk {
	struct ref_end src, dst;
	const struct frame_packet *packet;
	struct ref_flow *flow; /* live; NULL */
	bool from_starter;
	bool stale; /* `flow` ends before this packet: */
	bool over;  /* by time; else because something new begins */
};

struct ref_item {
	int class;
	bool has_port;
	uint16_t port;
	struct ip dst;
};

/* One frame, or a datagram of several. */
struct ref_case {
	const struct frame *frame;
	const struct frame_packet *p; /* the outer one; NULL */
	bool inbound, leaves, whole;
	uint32_t frames, bytes;
	unsigned pot; /* REF_POTS: none */
	bool mac_ok;
	struct ref_talk talk;
	struct ref_flow *quoted;
	bool begins, reply, white, stray, refused_new, neighbour;
	int class;
	struct ref_item item[FRAME_DEPTH_MAX + 1];
	unsigned n_items;
	enum reason reason;
};

/* ---- lists of events ---- */

__attribute__((unused)) static void ref_add(
	struct ref_list *l, int64_t at, const struct ip *what, uint64_t amount)
{
	if (l->n == l->max) {
		l->max = l->max ? 2 * l->max : 64;
		l->event = realloc(l->event, l->max * sizeof(*l->event));
		if (!l->event)
			abort();
	}
	l->event[l->n] = (struct ref_event){ .at = at, .amount = amount };
	if (what)
		l->event[l->n].what = *what;
	l->n++;
}

/* Forgets what is not after `since`: nobody will ask again. */
static void ref_forget(struct ref_list *l, int64_t since)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->event[i].at > since)
			l->event[kept++] = l->event[i];
	l->n = kept;
}

static size_t ref_count(const struct ref_list *l, int64_t since, const struct ip *what)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += l->event[i].at > since && (!what || ip_equal(what, &l->event[i].what));
	return n;
}

/* Different ones. */
static size_t ref_different(const struct ref_list *l, int64_t since)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		size_t k = i + 1;

		if (l->event[i].at <= since)
			continue;
		while (k < l->n && !ip_equal(&l->event[k].what, &l->event[i].what))
			k++;
		n += k == l->n;
	}
	return n;
}

/* ---- what policy says ---- */

static const struct conf_a_honeypot *ref_conf(const struct ref *r, const struct ref_case *c)
{
	return &r->bench->honeypot[c->pot];
}

static const struct conf_limit *ref_limit(const struct ref *r, const struct ref_case *c)
{
	return &ref_conf(r, c)->limit;
}

static bool ref_in_net(const struct ip *ip, const struct ip_prefix *net)
{
	for (unsigned i = 0; i < net->bits; i++)
		if ((ip->byte[i / 8] ^ net->ip.byte[i / 8]) & 0x80 >> i % 8)
			return false;
	return !ip_is_v4(ip) || net->bits >= 96;
}

static bool ref_has_rule(
	const struct ref *r, enum list_kind kind, const struct ip *ip, uint8_t proto, uint16_t port)
{
	const struct list *list = &r->bench->list[kind];

	for (size_t i = 0; i < list->n; i++) {
		const struct list_rule *rule = &list->rule[i];

		if (ref_in_net(ip, &rule->net) && (!rule->proto || rule->proto == proto) &&
			port >= rule->port_low && port <= rule->port_high)
			return true;
	}
	return false;
}

/* Also addresses inside addresses. */
static bool ref_has(const struct ref *r, enum list_kind kind, const struct ip *ip,
	const struct frame_packet *p, uint16_t port)
{
	struct ip inner[IP_EMBEDDED_MAX];
	unsigned n = ip_is_v4(ip) ? 0 : ip_embedded_v4(ip, inner);
	bool has = ref_has_rule(r, kind, ip, p->proto, port);

	for (unsigned i = 0; i < n; i++)
		has |= ref_has_rule(r, kind, &inner[i], p->proto, port);
	return has;
}

static bool ref_has_ports(const struct frame_packet *p)
{
	return p->has_transport && (p->proto == 6 || p->proto == 17 || p->proto == 132 ||
					   p->proto == 33 || p->proto == 136);
}

/* Destinations of a honeypot; both ends for the black list. */
static bool ref_packet_listed(const struct ref *r, const struct ref_case *c, enum list_kind kind,
	const struct frame_packet *p)
{
	uint16_t sport = ref_has_ports(p) ? p->sport : 0, dport = ref_has_ports(p) ? p->dport : 0;

	if (c->inbound)
		return ref_has(r, kind, &p->src, p, dport) || ref_has(r, kind, &p->src, p, sport);
	if (ref_has(r, kind, &p->dst, p, dport))
		return true;
	return kind == LIST_BLACK && p != c->p && ref_has(r, kind, &p->src, p, dport);
}

static bool ref_listed(const struct ref *r, const struct ref_case *c, enum list_kind kind)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->frame->n_packets; i++)
		n += ref_packet_listed(r, c, kind, &c->frame->packet[i]);
	return kind == LIST_WHITE ? n > 0 && n == c->frame->n_packets : n > 0;
}

/* ---- conversations ---- */

static uint8_t ref_icmp_kind(const struct frame_packet *p)
{
	if (!p->has_transport || (p->proto != 1 && p->proto != 58))
		return 0;
	if (p->version == 6)
		return p->icmp_type == 129 ? 128 : p->icmp_type;
	if (p->icmp_type == 14 || p->icmp_type == 16 || p->icmp_type == 18)
		return (uint8_t)(p->icmp_type - 1);
	return p->icmp_type == 0 ? 8 : p->icmp_type;
}

static bool ref_same_end(const struct ref_end *a, const struct ref_end *b)
{
	return ip_equal(&a->ip, &b->ip) && a->port == b->port;
}

static uint16_t ref_vlan(const struct frame *f, unsigned i)
{
	return i < f->n_tags ? f->tag[i] & 0xfff : 0;
}

static bool ref_is_of(const struct ref_flow *f, const struct ref_case *c, const struct ref_talk *t,
	uint64_t parent)
{
	const struct frame_packet *p = t->packet;

	return !f->gone && f->parent == parent && f->version == p->version &&
	       f->proto == p->proto && f->icmp == ref_icmp_kind(p) &&
	       f->vlan[0] == ref_vlan(c->frame, 0) && f->vlan[1] == ref_vlan(c->frame, 1) &&
	       ((ref_same_end(&f->starter, &t->src) && ref_same_end(&f->other, &t->dst)) ||
		       (ref_same_end(&f->starter, &t->dst) && ref_same_end(&f->other, &t->src)));
}

static int64_t ref_timeout(const struct ref *r, const struct ref_flow *f)
{
	const struct conf_flow *t = &r->bench->conf->flow;

	switch (f->proto) {
	case 6:
		if (f->tcp.tally.state == FLOW_CLOSED)
			return SECOND * (int64_t)t->tcp_closed;
		return SECOND *
		       (int64_t)(f->tcp.tally.state == FLOW_NEW || f->tcp.tally.fin_seen == 3
					 ? t->tcp_new
					 : t->tcp_established);
	case 17:
		return SECOND * (int64_t)t->udp;
	case 1:
	case 58:
		return SECOND * (int64_t)t->icmp;
	default:
		return SECOND * (int64_t)t->other;
	}
}

/* Whether the conversation found is not this packet's. */
static void ref_outdate(const struct ref *r, const struct ref_case *c, struct ref_talk *t)
{
	struct ref_flow *f = t->flow;

	t->over = r->bench->now.steady_ns > f->last + ref_timeout(r, f);
	t->stale = t->over || (f->refused && !f->killed && !c->leaves) ||
		   (t->packet->proto == 6 && t->packet->has_transport &&
			   flow_tcp_begins(&f->tcp, t->packet, !t->from_starter, !c->inbound));
}

static struct ref_talk ref_find(
	struct ref *r, const struct ref_case *c, const struct frame_packet *p, uint64_t parent)
{
	struct ref_talk t = { .packet = p, .src.ip = p->src, .dst.ip = p->dst };

	if (p->has_transport) {
		t.src.port = p->sport;
		t.dst.port = p->dport;
	}
	for (size_t i = 0; i < r->n_flows && !t.flow; i++)
		if (ref_is_of(&r->flow[i], c, &t, parent))
			t.flow = &r->flow[i];
	t.from_starter = !t.flow || ref_same_end(&t.flow->starter, &t.src);
	if (t.flow)
		ref_outdate(r, c, &t);
	return t;
}

static struct ref_flow *ref_current(const struct ref_talk *t)
{
	return t->stale ? NULL : t->flow;
}

/* Inner packet `i`, below the conversation around it. */
static struct ref_talk ref_find_inner(
	struct ref *r, const struct ref_case *c, unsigned i, const struct ref_flow *around)
{
	return ref_find(r, c, &c->frame->packet[i], around ? around->id : UINT64_MAX);
}

/* ---- the frame alone ---- */

static unsigned ref_pot_of(const struct ref *r, const struct ip *ip)
{
	for (unsigned i = 0; i < REF_POTS; i++)
		for (size_t k = 0; k < r->bench->honeypot[i].n_addresses; k++)
			if (ip_equal(ip, &r->bench->honeypot[i].address[k]))
				return i;
	return REF_POTS;
}

static unsigned ref_pot_by_mac(const struct ref *r, const struct mac *mac)
{
	for (unsigned i = 0; i < REF_POTS; i++)
		if (r->pot[i].mac_known && mac_equal(&r->pot[i].mac, mac))
			return i;
	return REF_POTS;
}

static bool ref_is_any4(const struct ip *ip)
{
	struct ip any = address("0.0.0.0");

	return ip_equal(ip, &any);
}

static const struct ip *ref_claim(const struct ref_case *c)
{
	const struct frame *f = c->frame;

	if (f->is_arp)
		return ref_is_any4(&f->arp_sender) ? &f->arp_target : &f->arp_sender;
	if (f->is_nd && ip_is_unset(&c->p->src))
		return &f->nd_target;
	return c->p ? &c->p->src : NULL;
}

/* A MAC address that nobody told is that of the first frame. */
static void ref_identify(struct ref *r, struct ref_case *c)
{
	const struct mac *mac = &c->frame->src_mac;
	unsigned by_mac = ref_pot_by_mac(r, mac);
	unsigned by_ip = ref_claim(c) ? ref_pot_of(r, ref_claim(c)) : REF_POTS;

	c->pot = by_mac < REF_POTS ? by_mac : by_ip;
	c->mac_ok = by_mac < REF_POTS;
	if (c->mac_ok || by_ip == REF_POTS || r->pot[by_ip].mac_known || mac->byte[0] & 1)
		return;
	r->pot[by_ip].mac = *mac;
	r->pot[by_ip].mac_known = c->mac_ok = true;
}

static int ref_link_local(const struct ref_pot *pot, const struct ip *ip)
{
	for (unsigned i = 0; i < pot->n_link_locals; i++)
		if (ip_equal(&pot->link_local[i], ip))
			return (int)i;
	return -1;
}

static bool ref_heard(const struct ref *r, const struct ip *ip)
{
	for (unsigned i = 0; i < r->n_outsiders; i++)
		if (ip_equal(&r->outsider[i], ip))
			return true;
	return false;
}

static bool ref_owns(struct ref *r, const struct ref_case *c, const struct ip *ip)
{
	struct ref_pot *pot = &r->pot[c->pot];

	if (ref_pot_of(r, ip) == c->pot || (!ip_is_v4(ip) && ref_link_local(pot, ip) >= 0))
		return true;
	if (ip_is_v4(ip) || !ip_is_link_local(ip) || ref_pot_of(r, ip) < REF_POTS ||
		pot->n_link_locals == REF_LINK_LOCALS || ref_heard(r, ip))
		return false;
	for (unsigned i = 0; i < REF_POTS; i++)
		if (ref_link_local(&r->pot[i], ip) >= 0)
			return false;
	pot->link_local[pot->n_link_locals++] = *ip;
	return true;
}

/* A link-local address that somebody outside uses is nobody's here. */
static void ref_hear_address(struct ref *r, const struct ref_case *c)
{
	const struct frame *f = c->frame;
	const struct ip *ip;

	if (!c->p || c->p->version != 6 || ref_pot_by_mac(r, &f->src_mac) < REF_POTS)
		return;
	ip = f->is_nd && (c->p->icmp_type == 136 ||
				 (c->p->icmp_type == 135 && ip_is_unset(&c->p->src)))
		     ? &f->nd_target
		     : &c->p->src;
	if (ip_is_v4(ip) || !ip_is_link_local(ip) || ref_heard(r, ip))
		return;
	if (r->n_outsiders == REF_OUTSIDERS)
		abort(); /* of this few addresses */
	r->outsider[r->n_outsiders++] = *ip;
	for (unsigned i = 0; i < REF_POTS; i++) {
		int at = ref_link_local(&r->pot[i], ip);

		if (at >= 0)
			r->pot[i].link_local[at] = r->pot[i].link_local[--r->pot[i].n_link_locals];
	}
}

static bool ref_udp(const struct frame_packet *p, unsigned sport, unsigned dport)
{
	return p && p->has_transport && p->proto == 17 && p->sport == sport && p->dport == dport;
}

static bool ref_type(const struct frame_packet *p, unsigned proto, unsigned type)
{
	return p && p->has_transport && p->proto == proto && p->icmp_type == type;
}

static bool ref_is_report(const struct frame_packet *p)
{
	bool igmp = p->version == 4 && (ref_type(p, 2, 0x12) || ref_type(p, 2, 0x16) ||
					       ref_type(p, 2, 0x17) || ref_type(p, 2, 0x22));

	return igmp || ref_type(p, 58, 131) || ref_type(p, 58, 132) || ref_type(p, 58, 143);
}

/* RFC 2131, 4.1; duplicate address detection; RFC 3590. */
static bool ref_needs_no_address(const struct ref_case *c)
{
	struct ip all = address("255.255.255.255");

	if (c->p->version == 4)
		return ref_udp(c->p, 68, 67) && ref_is_any4(&c->p->src) &&
		       ip_equal(&c->p->dst, &all);
	return ip_is_unset(&c->p->src) && ip_is_multicast(&c->p->dst) &&
	       (c->frame->is_nd || ref_type(c->p, 58, 131) || ref_type(c->p, 58, 143));
}

static enum reason ref_spoof(struct ref *r, struct ref_case *c)
{
	const struct frame *f = c->frame;
	bool for_target = f->is_nd && (c->p->icmp_type == 136 ||
					      (c->p->icmp_type == 135 && ip_is_unset(&c->p->src)));

	if (!c->mac_ok)
		return REASON_SPOOF_MAC;
	if (c->p && !ref_needs_no_address(c) &&
		((c->p->version == 4) != ip_is_v4(&c->p->src) || !ref_owns(r, c, &c->p->src)))
		return REASON_SPOOF_IP;
	if (f->is_arp &&
		(!mac_equal(&f->arp_sender_mac, &f->src_mac) ||
			!ref_owns(r, c,
				ref_is_any4(&f->arp_sender) ? &f->arp_target : &f->arp_sender)))
		return REASON_SPOOF_ARP;
	if (f->is_nd && ((f->has_nd_mac && !mac_equal(&f->nd_mac, &f->src_mac)) ||
				(for_target && !ref_owns(r, c, &f->nd_target))))
		return REASON_SPOOF_ND;
	return REASON_NONE;
}

static bool ref_is_group_of_bridges(const struct mac *mac)
{
	static const uint8_t ieee[] = { 1, 0x80, 0xc2, 0, 0 }, cisco[] = { 1, 0, 0x0c, 0xcc, 0xcc };

	return memcmp(mac, ieee, 5) == 0 || memcmp(mac, cisco, 5) == 0;
}

static enum reason ref_form(const struct ref_case *c)
{
	const struct frame *f = c->frame;
	const struct frame_packet *p = c->p;
	unsigned type = f->ethertype;

	if (ref_is_group_of_bridges(&f->dst_mac) || type == 0x88cc || ref_udp(p, 67, 68) ||
		ref_udp(p, 547, 546) || ref_type(p, 1, 5) || ref_type(p, 1, 9) ||
		ref_type(p, 58, 134) || ref_type(p, 58, 137) || ref_type(p, 58, 130) ||
		(ref_type(p, 2, 0x11) && p->version == 4))
		return REASON_HYGIENE;
	if (type != 0x0800 && type != 0x86dd && type != 0x0806)
		return REASON_ETHERTYPE;
	if (f->n_tags > 1)
		return REASON_NESTED_TAG;
	if (!p && !f->is_arp)
		return REASON_MALFORMED;
	for (unsigned i = 0; i < f->n_packets; i++)
		if (f->packet[i].is_fragment)
			return REASON_FRAGMENT;
	return REASON_NONE;
}

/* ---- budgets ---- */

static int64_t ref_budget_now(struct ref *r)
{
	int64_t now = r->bench->now.steady_ns + r->budget_offset;

	if (now > r->budget_last)
		r->budget_last = now;
	return r->budget_last;
}

static const struct conf_rate *ref_rate(const struct conf_limit *l, int class)
{
	const struct conf_rate *rate[] = { &l->tcp, &l->udp, &l->icmp, &l->other, &l->dns, &l->ntp,
		&l->dhcp, &l->neighbour, &l->all };

	return rate[class];
}

static const struct conf_rate *ref_honeynet_rate(const struct conf_honeynet *l, int class)
{
	const struct conf_rate *rate[REF_LOGS] = { &l->tcp, &l->udp, &l->icmp, &l->other };

	return class == REF_ALL ? &l->all : rate[class];
}

static bool ref_rate_allows(const struct ref_list *log, const struct conf_rate *rate, int64_t now)
{
	return rate->count == CONF_RATE_UNLIMITED ||
	       ref_count(log, now - rate->period_s * SECOND, NULL) < rate->count;
}

/* A known one, or one more. */
static bool ref_kinds_allow(const struct ref_list *kinds, const struct conf_rate *rate,
	const struct ip *what, int64_t now)
{
	int64_t since = now - rate->period_s * SECOND;

	if (rate->count == CONF_RATE_UNLIMITED)
		return true;
	return rate->count > 0 &&
	       (ref_count(kinds, since, what) > 0 || ref_different(kinds, since) < rate->count);
}

static bool ref_net_allows(const struct ref_list *nets, const struct conf_rate *rate,
	const struct ip *net, int64_t now)
{
	int64_t since = now - rate->period_s * SECOND;
	size_t room = rate->count < REF_NET_MEMORY ? REF_NET_MEMORY : rate->count;

	if (rate->count == CONF_RATE_UNLIMITED)
		return true;
	return ref_count(nets, since, net) < rate->count && ref_count(nets, since, NULL) < room;
}

static struct ip ref_net(struct ip ip)
{
	if (ip_is_v4(&ip))
		ip.byte[15] = 0;
	else
		memset(ip.byte + 8, 0, 8);
	return ip;
}

static struct ip ref_port(uint16_t port)
{
	return (struct ip){ .byte = { (uint8_t)(port >> 8), (uint8_t)port } };
}

static enum reason ref_item_refused(
	struct ref *r, const struct ref_case *c, const struct ref_item *item)
{
	static const enum reason reason[] = { REASON_TCP_LIMIT, REASON_UDP_LIMIT, REASON_ICMP_LIMIT,
		REASON_OTHER_LIMIT, REASON_DNS_LIMIT, REASON_NTP_LIMIT, REASON_DHCP_LIMIT,
		REASON_NEIGHBOUR_LIMIT };
	const struct conf_limit *l = ref_limit(r, c);
	const struct conf_honeynet *h = &r->bench->conf->honeynet;
	struct ref_account *own = &r->account[c->pot], *all = &r->account[REF_POTS];
	struct ip net = ref_net(item->dst), port = ref_port(item->port);
	int64_t now = ref_budget_now(r);

	if (!ref_rate_allows(&own->log[item->class], ref_rate(l, item->class), now))
		return reason[item->class];
	if (item->class >= REF_DNS)
		return REASON_NONE;
	if (!ref_rate_allows(&own->log[REF_ALL], &l->all, now))
		return REASON_ALL_LIMIT;
	if (!ref_rate_allows(&all->log[item->class], ref_honeynet_rate(h, item->class), now) ||
		!ref_rate_allows(&all->log[REF_ALL], &h->all, now))
		return REASON_HONEYNET_LIMIT;
	if (!ref_kinds_allow(&own->destination, &l->destinations, &item->dst, now))
		return REASON_DESTINATION_LIMIT;
	if (item->has_port && !ref_kinds_allow(&own->port, &l->ports, &port, now))
		return REASON_PORT_LIMIT;
	return ref_net_allows(&own->net, &l->net, &net, now) ? REASON_NONE : REASON_NET_LIMIT;
}

static void ref_item_take(struct ref *r, const struct ref_case *c, const struct ref_item *item)
{
	struct ref_account *own = &r->account[c->pot], *all = &r->account[REF_POTS];
	struct ip net = ref_net(item->dst), port = ref_port(item->port);
	int64_t now = ref_budget_now(r);

	ref_add(&own->log[item->class], now, NULL, 0);
	if (item->class >= REF_DNS)
		return;
	ref_add(&own->log[REF_ALL], now, NULL, 0);
	ref_add(&all->log[item->class], now, NULL, 0);
	ref_add(&all->log[REF_ALL], now, NULL, 0);
	ref_add(&own->destination, now, &item->dst, 0);
	ref_add(&own->net, now, &net, 0);
	if (item->has_port)
		ref_add(&own->port, now, &port, 0);
}

static enum reason ref_budgets(struct ref *r, const struct ref_case *c)
{
	enum reason reason = REASON_NONE;

	for (unsigned i = 0; i < c->n_items && reason == REASON_NONE; i++)
		reason = ref_item_refused(r, c, &c->item[i]);
	return reason;
}

/* One frame that begins several: the last place may be gone. */
static bool ref_take(struct ref *r, const struct ref_case *c)
{
	for (unsigned i = 0; i < c->n_items; i++) {
		if (ref_item_refused(r, c, &c->item[i]) != REASON_NONE)
			return false;
		ref_item_take(r, c, &c->item[i]);
	}
	return true;
}

/* ---- volumes ---- */

static void ref_volume_begin(struct ref_volume *v, const struct conf_volume *limit, int64_t now)
{
	int64_t period = limit->period_s * SECOND;
	uint64_t used = 0;

	if (limit->amount == CONF_VOLUME_UNLIMITED)
		return;
	if (v->period == period) {
		ref_forget(&v->slice, now / (period / 32) - 33);
		return;
	}
	for (size_t i = 0; i < v->slice.n; i++)
		used += v->slice.event[i].amount;
	v->slice.n = 0;
	v->period = period;
	if (used > 0)
		ref_add(&v->slice, now / (period / 32), NULL, used);
}

static bool ref_volume_allows(
	struct ref_volume *v, const struct conf_volume *limit, uint64_t amount, int64_t now)
{
	uint64_t used = amount;

	if (limit->amount == CONF_VOLUME_UNLIMITED)
		return true;
	ref_volume_begin(v, limit, now);
	for (size_t i = 0; i < v->slice.n; i++)
		used += v->slice.event[i].amount;
	return used <= limit->amount;
}

static void ref_volume_take(
	struct ref_volume *v, const struct conf_volume *limit, uint64_t amount, int64_t now)
{
	int64_t slice;

	if (limit->amount == CONF_VOLUME_UNLIMITED)
		return;
	slice = now / (v->period / 32);
	if (v->slice.n > 0 && v->slice.event[v->slice.n - 1].at == slice)
		v->slice.event[v->slice.n - 1].amount += amount;
	else
		ref_add(&v->slice, slice, NULL, amount);
}

/* Packets and bytes, each in a short and a long window; of answers in one. */
static void ref_volume_limits(const struct ref *r, unsigned account,
	const struct conf_volume *ret_limit[static REF_VOLUMES])
{
	static const struct conf_volume none = { .amount = CONF_VOLUME_UNLIMITED, .period_s = 1 };
	const struct conf_limit *l = &r->bench->honeypot[account % REF_POTS].limit;
	const struct conf_honeynet *h = &r->bench->conf->honeynet;
	bool all = account == REF_POTS;

	ret_limit[0] = all ? &h->packets : &l->packets;
	ret_limit[1] = all ? &h->packets_sum : &l->packets_sum;
	ret_limit[2] = all ? &h->bytes : &l->bytes;
	ret_limit[3] = all ? &h->bytes_sum : &l->bytes_sum;
	ret_limit[4] = all ? &none : &l->reply_packets;
	ret_limit[5] = all ? &none : &l->reply_bytes;
}

/* All of them allow it, or nothing is taken. */
static enum reason ref_volumes(struct ref *r, const struct ref_case *c)
{
	static const enum reason reason[REF_VOLUMES] = { REASON_PACKET_RATE, REASON_PACKET_RATE,
		REASON_BYTE_RATE, REASON_BYTE_RATE, REASON_PACKET_RATE, REASON_BYTE_RATE };
	const struct conf_volume *limit[2][REF_VOLUMES];
	const uint64_t amount[] = { c->frames, c->frames, c->bytes, c->bytes, c->frames, c->bytes };
	const unsigned who[] = { c->pot, REF_POTS }, from = c->reply ? 4 : 0, to = c->reply ? 6 : 4;
	int64_t now = ref_budget_now(r);

	for (unsigned a = 0; a < 2; a++) {
		ref_volume_limits(r, who[a], limit[a]);
		for (unsigned i = from; i < to; i++)
			if (!ref_volume_allows(
				    &r->account[who[a]].volume[i], limit[a][i], amount[i], now))
				return a ? REASON_HONEYNET_RATE : reason[i];
	}
	for (unsigned a = 0; a < 2; a++)
		for (unsigned i = from; i < to; i++)
			ref_volume_take(&r->account[who[a]].volume[i], limit[a][i], amount[i], now);
	return REASON_NONE;
}

static void ref_volumes_begin(struct ref *r)
{
	const struct conf_volume *limit[REF_VOLUMES];
	int64_t now = ref_budget_now(r);

	for (unsigned a = 0; a <= REF_POTS; a++) {
		ref_volume_limits(r, a, limit);
		for (unsigned i = 0; i < REF_VOLUMES; i++)
			ref_volume_begin(&r->account[a].volume[i], limit[i], now);
	}
}

/* ---- peers that have not proved themselves ---- */

/* Half of the allowance is there, half of it comes within a minute; what was earned is good for a minute. */
static struct ref_peer *ref_peer(struct ref *r, const struct ref_case *c, const struct ip *ip)
{
	uint64_t secret = gate_secret(r->bench->gate), half = ref_limit(r, c)->peer_allowance / 2;
	struct ref_peer *peer =
		&r->peer[peers_find(r->numbering, secret, c->pot, ip) - r->numbering];
	int64_t now = r->bench->now.steady_ns, since = now - peer->filled;
	uint64_t more = since > 0 ? half * (uint64_t)(since / 1000000) / 60000 : 0;

	if (peer->filled == 0 || since < 0 || since >= 60 * SECOND) {
		peer->tokens = half;
		peer->earned = peer->filled && since < 0 ? peer->earned : 0;
		peer->filled = now;
	} else if (more > 0) {
		peer->tokens = peer->tokens + more < half ? peer->tokens + more : half;
		peer->filled = now;
	}
	return peer;
}

static void ref_hear(struct ref *r, const struct ref_case *c)
{
	const struct ref_flow *f = ref_current(&c->talk);
	struct ref_peer *peer;

	if (!c->p || c->pot == REF_POTS || (f && flow_tcp_is_proven(&f->tcp)))
		return;
	peer = ref_peer(r, c, &c->p->src);
	peer->earned += ref_limit(r, c)->amplification * c->bytes;
	if (peer->earned > PEERS_EARNED_MAX)
		peer->earned = PEERS_EARNED_MAX;
}

static bool ref_reflects(struct ref *r, const struct ref_case *c, const struct ref_flow *f)
{
	struct ref_peer *peer;

	if (!c->reply || (f && flow_tcp_is_proven(&f->tcp)))
		return false;
	peer = ref_peer(r, c, &c->p->dst);
	if (c->bytes > peer->earned + peer->tokens)
		return true;
	peer->tokens -= c->bytes > peer->earned ? c->bytes - peer->earned : 0;
	peer->earned -= c->bytes > peer->earned ? peer->earned : c->bytes;
	return false;
}

/* ---- what a frame begins ---- */

static int ref_class_by_protocol(const struct frame_packet *p)
{
	return p->proto == 6                     ? REF_TCP
	       : p->proto == 17                  ? REF_UDP
	       : p->proto == 1 || p->proto == 58 ? REF_ICMP
						 : REF_OTHER;
}

static bool ref_to_port(const struct frame_packet *p, uint8_t proto, uint16_t port)
{
	return p->has_transport && p->proto == proto && p->dport == port;
}

static bool ref_is_among(const struct ip *among, size_t n, const struct ip *ip)
{
	for (size_t i = 0; i < n; i++)
		if (ip_equal(&among[i], ip))
			return true;
	return false;
}

/* To everybody, or to somebody on the honeypot's own network. */
static bool ref_may_serve_dhcp(const struct ref *r, const struct ref_case *c)
{
	const struct conf_a_honeypot *h = &r->bench->conf->honeypot[c->pot];
	const struct ip *dst = &c->p->dst;
	struct ip all = address("255.255.255.255");

	if (ip_equal(dst, &all) || ip_is_multicast(dst) || ip_is_link_local(dst))
		return true;
	for (size_t i = 0; i < h->n_addresses; i++)
		if (memcmp(&h->address[i], dst, ip_is_v4(dst) ? 15 : 8) == 0)
			return true;
	return false;
}

static int ref_class(const struct ref *r, const struct ref_case *c)
{
	const struct conf *conf = r->bench->conf;
	const struct frame_packet *p = c->p;

	if ((ref_to_port(p, 17, 53) || ref_to_port(p, 6, 53)) &&
		(ref_limit(r, c)->dns_anywhere ||
			ref_is_among(conf->resolver, conf->n_resolvers, &p->dst)))
		return REF_DNS;
	if (ref_to_port(p, 17, 123) &&
		(ref_limit(r, c)->ntp_anywhere ||
			ref_is_among(conf->ntp_server, conf->n_ntp_servers, &p->dst)))
		return REF_NTP;
	if ((ref_udp(p, 68, 67) || ref_udp(p, 546, 547)) && ref_may_serve_dhcp(r, c))
		return REF_DHCP;
	return ref_class_by_protocol(p);
}

static uint32_t ref_payload(const struct frame_packet *p)
{
	return p->has_transport && p->end_at > p->payload_at ? p->end_at - p->payload_at : 0;
}

static void ref_add_item(struct ref_case *c, int class, const struct frame_packet *p)
{
	c->item[c->n_items++] = (struct ref_item){ .class = class,
		.dst = p->dst,
		.port = p->dport,
		.has_port = p->has_transport && (p->proto == 6 || p->proto == 17) };
}

static bool ref_is_opening(const struct frame_packet *p)
{
	return p->proto != 6 || (p->tcp_flags & (REF_SYN | REF_ACK)) == REF_SYN;
}

/* May this honeypot go on with what is inside, without asking? */
static bool ref_goes_on_inside(const struct ref_talk *t)
{
	const struct ref_flow *f = ref_current(t);

	if (!f || f->refused)
		return false;
	return (f->direction == DIRECTION_OUTBOUND && t->from_starter) ||
	       (f->direction == DIRECTION_INBOUND && !t->from_starter);
}

/* More than a peer who does not answer may get. */
static bool ref_is_unanswered(
	struct ref *r, const struct ref_case *c, const struct ref_talk *t, unsigned frames)
{
	if (t->packet->proto == 6)
		return t->flow->debt + c->bytes > FLOW_CREDIT_START;
	return t->from_starter && t->flow->debt + frames > (int64_t)ref_limit(r, c)->unanswered;
}

static bool ref_fits_inside(struct ref *r, const struct ref_case *c, const struct ref_talk *t)
{
	return (t->packet->proto != 6 ||
		       flow_tcp_fits(&t->flow->tcp, t->packet, !t->from_starter) == FLOW_FITS) &&
	       !ref_is_unanswered(r, c, t, 1);
}

static void ref_collect(struct ref *r, struct ref_case *c, bool begins)
{
	const struct ref_flow *around = ref_current(&c->talk);

	c->n_items = 0;
	c->stray = begins && !ref_is_opening(c->p);
	if (begins ||
		(!c->reply && c->class >= REF_DNS && (c->p->proto != 6 || ref_payload(c->p) > 0)))
		ref_add_item(c, c->class, c->p);
	if (begins && c->frame->opaque_tunnel && c->class == REF_UDP)
		ref_add_item(c, REF_OTHER, c->p);
	for (unsigned i = 1; i < c->frame->n_packets; i++) {
		struct ref_talk t = ref_find_inner(r, c, i, around);

		around = ref_current(&t);
		c->stray |= ref_goes_on_inside(&t) ? !ref_fits_inside(r, c, &t)
						   : !ref_is_opening(t.packet);
		if (!ref_goes_on_inside(&t))
			ref_add_item(c, ref_class_by_protocol(t.packet), t.packet);
	}
}

static enum reason ref_question(struct ref *r, const struct ref_case *c)
{
	const struct conf_dns *dns = &r->bench->conf->dns;
	const struct dns_guard guard = { (uint16_t)dns->name_max,
		(uint8_t)(dns->entropy ? dns->entropy : 80) };
	const struct frame_packet *p = c->p;
	const uint8_t *payload = c->frame->data + p->payload_at;

	if (c->reply)
		return REASON_NONE;
	if (ref_to_port(p, 17, 53) || ref_to_port(p, 6, 53)) {
		if (c->class != REF_DNS)
			return REASON_DNS_SERVER;
		if (p->proto == 6 && ref_payload(p) == 0)
			return REASON_NONE;
		return dns_question_look(payload, ref_payload(p), p->proto == 6, &guard) == DNS_FINE
			       ? REASON_NONE
			       : REASON_DNS_FORM;
	}
	if (!ref_to_port(p, 17, 123))
		return REASON_NONE;
	if (c->class != REF_NTP)
		return REASON_NTP_SERVER;
	return ntp_request_fine(payload, ref_payload(p)) ? REASON_NONE : REASON_NTP_FORM;
}

static unsigned ref_connections(const struct ref_case *c)
{
	unsigned n = c->begins && c->p->proto == 6;

	for (unsigned i = c->begins; i < c->n_items; i++)
		n += c->item[i].class == REF_TCP;
	return n;
}

/* One that was found answered stays so, even when it is refused then and tried again. */
static bool ref_too_many_half_open(struct ref *r, const struct ref_case *c)
{
	unsigned begins = ref_connections(c), open = 0;

	if (begins == 0)
		return false;
	for (size_t i = 0; i < r->n_flows; i++) {
		struct ref_flow *f = &r->flow[i];

		if (f->pot != c->pot || f->gone)
			continue;
		f->half_open &= f->tcp.tally.state == FLOW_NEW;
		open += f->half_open;
	}
	return open + begins > ref_limit(r, c)->half_open;
}

/* ---- the chain ---- */

static bool ref_is_killed(struct ref *r, const struct ref_case *c)
{
	const struct ref_flow *around = ref_current(&c->talk);

	for (unsigned i = 1; around; i++) {
		struct ref_talk t;

		if (around->killed)
			return true;
		if (i >= c->frame->n_packets)
			return false;
		t = ref_find_inner(r, c, i, around);
		around = ref_current(&t);
	}
	return false;
}

static bool ref_is_near(const struct ref *r, const struct ref_case *c)
{
	const struct ip *dst = &c->p->dst;
	const struct conf_a_honeypot *h = ref_conf(r, c);
	bool near = ip_is_link_local(dst) || (ip_is_multicast(dst) && (dst->byte[1] & 15) == 2);

	for (size_t i = 0; i < h->n_addresses; i++)
		near |= !ip_is_v4(&h->address[i]) && memcmp(&h->address[i], dst, 8) == 0;
	return near;
}

static enum reason ref_neighbourly(const struct ref *r, const struct ref_case *c)
{
	if (c->frame->is_arp || (c->frame->is_nd && ref_is_near(r, c)))
		return REASON_NEIGHBOUR;
	if (!c->whole && c->p->ttl == 1 && ip_is_multicast(&c->p->dst) && ref_is_report(c->p))
		return REASON_MULTICAST_JOIN;
	return REASON_NONE;
}

static bool ref_answers_by_error(const struct ref_case *c)
{
	const struct frame_packet *q = &c->frame->quoted;
	const struct ref_flow *f = c->quoted;

	if (!f || f->refused || f->direction == DIRECTION_INTERNAL || f->errors_sent >= 16 ||
		!ip_equal(&q->src, &c->p->dst) || !ip_equal(&q->dst, &c->p->src))
		return false;
	return f->frames[!ip_equal(&f->starter.ip, &q->src)] > 0;
}

/* Why it may leave without being new. */
static enum reason ref_permission(const struct ref_case *c)
{
	const struct ref_flow *f = ref_current(&c->talk);

	if (f && !f->refused && f->direction == DIRECTION_INBOUND && !c->talk.from_starter)
		return REASON_REPLY;
	if (f && !f->refused && f->direction == DIRECTION_OUTBOUND && c->talk.from_starter &&
		f->reason != REASON_NEIGHBOUR && f->reason != REASON_MULTICAST_JOIN)
		return REASON_ESTABLISHED;
	return ref_answers_by_error(c) ? REASON_ICMP_ERROR : REASON_NONE;
}

static enum reason ref_tcp_truth(const struct ref_case *c, const struct ref_flow *f)
{
	if (c->stray)
		return REASON_NO_FLOW;
	if (c->begins || !f || c->p->proto != 6 || !c->p->has_transport)
		return REASON_NONE;
	switch (flow_tcp_fits(&f->tcp, c->p, !c->talk.from_starter)) {
	case FLOW_FITS:
		return REASON_NONE;
	case FLOW_FIT_TOO_MANY:
		return REASON_REPEATED;
	default:
		return REASON_OUT_OF_WINDOW;
	}
}

static bool ref_flow_too_large(struct ref *r, const struct ref_case *c, const struct ref_flow *f)
{
	const struct conf_limit *l = ref_limit(r, c);

	if (c->begins || c->reply || !f)
		return false;
	return (l->flow_packets && f->frames[0] + c->frames > l->flow_packets) ||
	       (l->flow_bytes && f->bytes[0] + c->bytes > l->flow_bytes);
}

/* What is neither forbidden as such nor free of limits. */
static enum reason ref_limits(struct ref *r, struct ref_case *c, enum reason permission)
{
	const struct ref_flow *f = permission == REASON_ICMP_ERROR ? NULL : ref_current(&c->talk);
	enum reason reason = ref_tcp_truth(c, f);

	if (reason != REASON_NONE)
		return reason;
	if (!c->begins && f && (c->class < REF_DNS || c->p->proto == 6) &&
		ref_is_unanswered(r, c, &c->talk, c->frames))
		return REASON_UNANSWERED;
	if (ref_flow_too_large(r, c, f))
		return REASON_FLOW_VOLUME;
	if (ref_reflects(r, c, f))
		return REASON_REFLECTION;
	reason = ref_question(r, c);
	if (reason == REASON_NONE)
		reason = ref_budgets(r, c);
	if (reason == REASON_NONE && ref_too_many_half_open(r, c))
		reason = REASON_HALF_OPEN;
	if (reason == REASON_NONE)
		reason = ref_volumes(r, c);
	if (reason == REASON_NONE && !ref_take(r, c))
		reason = REASON_HONEYNET_LIMIT;
	return reason;
}

static enum reason ref_let_out(const struct ref_case *c)
{
	return c->white               ? REASON_WHITE_LIST
	       : c->class == REF_DNS  ? REASON_RESOLVER
	       : c->class == REF_NTP  ? REASON_NTP
	       : c->class == REF_DHCP ? REASON_DHCP
				      : REASON_WITHIN_BUDGET;
}

static enum reason ref_talks(struct ref *r, struct ref_case *c)
{
	enum reason permission = ref_permission(c), reason = REASON_NONE;

	c->class = ref_class(r, c);
	c->begins = permission == REASON_NONE;
	c->reply = permission == REASON_REPLY || permission == REASON_ICMP_ERROR;
	c->white = ref_listed(r, c, LIST_WHITE);
	ref_collect(r, c, c->begins);
	if (c->begins && ref_conf(r, c)->set.roach_motel)
		reason = REASON_ROACH_MOTEL;
	else if (!c->white)
		reason = ref_limits(r, c, permission);
	c->refused_new = c->begins && reason != REASON_NONE;
	if (reason != REASON_NONE)
		return reason;
	return c->begins ? ref_let_out(c) : permission;
}

static enum reason ref_neighbour(struct ref *r, struct ref_case *c, enum reason permission)
{
	enum reason reason;

	c->neighbour = true;
	c->item[c->n_items++] = (struct ref_item){ .class = REF_NEIGHBOUR };
	reason = ref_budgets(r, c);
	if (reason != REASON_NONE)
		return reason;
	ref_take(r, c);
	return permission;
}

/* Stopped as such, whatever was let out before. */
static enum reason ref_forbidden(struct ref *r, struct ref_case *c)
{
	bool new = c->p && !c->p->is_fragment &&ref_neighbourly(r, c) == REASON_NONE;
	enum reason reason = ref_listed(r, c, LIST_FENCE)   ? REASON_FENCE
			     : ref_listed(r, c, LIST_BLACK) ? REASON_BLACK_LIST
			     : ref_conf(r, c)->set.isolate  ? REASON_ISOLATED
							    : REASON_NONE;
	const struct ref_flow *f = ref_current(&c->talk);
	bool known = f && !f->refused &&
		     (c->talk.from_starter ? f->direction == DIRECTION_OUTBOUND &&
						     f->reason != REASON_NEIGHBOUR &&
						     f->reason != REASON_MULTICAST_JOIN
					   : f->direction == DIRECTION_INBOUND);

	c->refused_new = reason != REASON_NONE && new && !known;
	return reason == REASON_NONE && ref_is_killed(r, c) ? REASON_KILLED : reason;
}

/* `malformed`: the gate says so; whether headers are readable is the parser's and has tests of its own. */
static enum reason ref_leaving(struct ref *r, struct ref_case *c, bool malformed)
{
	enum reason reason = ref_spoof(r, c);

	if (!c->leaves)
		return reason != REASON_NONE ? reason : REASON_INTERNAL;
	if (reason == REASON_NONE)
		reason = ref_form(c);
	if (malformed && c->frame->anomalies &&
		(reason == REASON_NONE || reason == REASON_FRAGMENT))
		reason = REASON_MALFORMED;
	if (reason == REASON_NONE)
		reason = ref_forbidden(r, c);
	if (reason != REASON_NONE)
		return reason;
	reason = ref_neighbourly(r, c);
	return reason != REASON_NONE ? ref_neighbour(r, c, reason) : ref_talks(r, c);
}

static enum reason ref_inbound(struct ref *r, struct ref_case *c)
{
	enum reason reason = ref_is_killed(r, c)            ? REASON_KILLED
			     : ref_listed(r, c, LIST_BLACK) ? REASON_BLACK_LIST
							    : REASON_INBOUND;

	if (reason == REASON_INBOUND)
		ref_hear(r, c);
	ref_hear_address(r, c);
	return reason;
}

/* ---- what is kept of a frame ---- */

static bool ref_passes(const struct ref_case *c)
{
	return reason_verdict(c->reason) == VERDICT_PASS;
}

static uint8_t ref_direction(const struct ref_case *c)
{
	return c->inbound ? DIRECTION_INBOUND : c->leaves ? DIRECTION_OUTBOUND : DIRECTION_INTERNAL;
}

/* A bound on what refused conversations may take of the table. */
static bool ref_may_keep_refused(const struct ref *r, const struct ref_case *c)
{
	unsigned n = 0;

	for (size_t i = 0; i < r->n_flows; i++)
		n += r->flow[i].refused && r->flow[i].pot == c->pot;
	return c->pot < REF_POTS && n < GATE_REFUSED_MAX;
}

static struct ref_flow *ref_begin(
	struct ref *r, const struct ref_case *c, const struct ref_talk *t, uint64_t parent)
{
	struct ref_flow *f = &r->flow[r->n_flows];

	if (r->n_flows == REF_FLOWS_MAX)
		abort();
	r->n_flows++;
	*f = (struct ref_flow){ .id = ++r->ids,
		.parent = parent,
		.starter = t->src,
		.other = t->dst,
		.version = t->packet->version,
		.proto = t->packet->proto,
		.icmp = ref_icmp_kind(t->packet),
		.direction = ref_direction(c),
		.vlan = { ref_vlan(c->frame, 0), ref_vlan(c->frame, 1) },
		.pot = c->pot,
		.refused = !ref_passes(c),
		.reason = c->reason };
	f->tcp.key.proto = f->proto;
	f->tcp.direction = f->direction;
	return f;
}

static void ref_count_debt(struct ref_flow *f, bool side, uint32_t frames, uint32_t bytes)
{
	bool by_pot = f->direction == (side ? DIRECTION_INBOUND : DIRECTION_OUTBOUND),
	     tcp = f->proto == 6;
	int64_t amount = tcp ? bytes : frames;

	f->debt += by_pot ? amount : -amount * (tcp ? FLOW_CREDIT_FACTOR : FLOW_ANSWER_WORTH);
	if (tcp && f->debt < FLOW_CREDIT_START - (int64_t)FLOW_CREDIT_MAX)
		f->debt = FLOW_CREDIT_START - (int64_t)FLOW_CREDIT_MAX;
}

static void ref_count_frames(struct ref *r, const struct ref_case *c, struct ref_flow *f,
	const struct ref_talk *t, uint32_t frames, uint32_t bytes)
{
	bool side = !ref_same_end(&f->starter, &t->src);
	bool begins = f->refused || f->frames[0] + f->frames[1] == 0;

	f->frames[side] += frames;
	f->bytes[side] += bytes;
	f->last = r->bench->now.steady_ns;
	if (!ref_passes(c)) {
		if (f->refused && f->proto == 6)
			f->tcp.tally.tcp_flags[side] |= t->packet->tcp_flags;
		return;
	}
	if (f->killed)
		return;
	if (begins) {
		f->refused = false;
		f->reason = c->reason;
		f->half_open = f->proto == 6 && c->leaves && !c->white && c->pot < REF_POTS;
	}
	ref_count_debt(f, side, frames, bytes);
	if (f->proto != 6)
		flow_answer_step(&f->tcp, side);
	else if (t->packet->has_transport)
		flow_tcp_step(&f->tcp, t->packet, side);
}

/* Whether a packet that leaves makes a conversation of its own, though there is one with its addresses: as
 * something else was let through with them, or the other end was refused. */
static bool ref_is_another(const struct ref_case *c, const struct ref_talk *t, bool began)
{
	const struct ref_flow *f = ref_current(t);

	return f && !f->killed && ref_passes(c) && c->leaves &&
	       (f->refused ? !t->from_starter : began);
}

/* The conversation that packet `t` counts with from now on; NULL: none. */
static struct ref_flow *ref_settle(struct ref *r, const struct ref_case *c,
	const struct ref_talk *t, uint64_t parent, bool began, bool may_keep)
{
	struct ref_flow *f = t->flow;

	if (f && t->stale && !t->over && !ref_passes(c)) /* a refused frame ends nothing */
		return f;
	if (f && !t->stale && !ref_is_another(c, t, began))
		return f;
	if (f)
		f->gone = true;
	if (!ref_passes(c) && !(may_keep && ref_may_keep_refused(r, c)))
		return NULL;
	return ref_begin(r, c, t, parent);
}

static bool ref_counts_with_quoted(const struct ref_case *c)
{
	return c->quoted && ref_passes(c) && (c->reason == REASON_ICMP_ERROR || !c->leaves);
}

static void ref_count_inside(struct ref *r, const struct ref_case *c, struct ref_flow *around)
{
	for (unsigned i = 1; around && i < c->frame->n_packets; i++) {
		struct ref_talk t = ref_find_inner(r, c, i, around);
		struct ref_flow *f = ref_settle(r, c, &t, around->id, false, true);

		if (f)
			ref_count_frames(r, c, f, &t, 1, c->frame->wire_len);
		around = f;
	}
}

static void ref_clear_gone(struct ref *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->n_flows; i++)
		if (!r->flow[i].gone)
			r->flow[kept++] = r->flow[i];
	r->n_flows = kept;
}

/* `gate_id`: what the gate calls the conversation. False: it means another one. */
static bool ref_account(struct ref *r, struct ref_case *c, uint64_t gate_id)
{
	bool same = true;

	if (!c->p) {
		same = gate_id == 0;
	} else if (ref_counts_with_quoted(c)) {
		c->quoted->errors_sent += c->reason == REASON_ICMP_ERROR;
		same = c->quoted->gate_id == gate_id;
	} else {
		bool began = c->begins && ref_passes(c);
		struct ref_flow *f = ref_settle(r, c, &c->talk, 0, began, c->refused_new);

		if (f)
			ref_count_frames(r, c, f, &c->talk, c->frames, c->bytes);
		if (f && !f->gate_id)
			f->gate_id = gate_id;
		same = (f ? f->gate_id : 0) == gate_id;
		ref_count_inside(r, c, f);
	}
	ref_clear_gone(r);
	return same;
}

/* ---- what the caller does ---- */

__attribute__((unused)) static struct ref *ref_new(struct bench *b)
{
	struct ref *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->bench = b;
	r->flow = calloc(REF_FLOWS_MAX, sizeof(*r->flow));
	for (unsigned i = 0; i < REF_POTS; i++) {
		r->pot[i].mac = b->honeypot[i].mac;
		r->pot[i].mac_known = b->honeypot[i].has_mac;
	}
	ref_volumes_begin(r);
	return r;
}

static struct ref_case ref_case(
	struct ref *r, unsigned port, const struct frame *frame, unsigned frames, uint32_t bytes)
{
	struct ref_case c = { .frame = frame,
		.p = frame->n_packets ? &frame->packet[0] : NULL,
		.inbound = port == GATE_OUTSIDE,
		.whole = frames > 1,
		.frames = frames,
		.bytes = bytes,
		.pot = REF_POTS };

	c.leaves = !c.inbound &&
		   (frame->dst_mac.byte[0] & 1 || ref_pot_by_mac(r, &frame->dst_mac) == REF_POTS);
	if (c.p)
		c.talk = ref_find(r, &c, c.p, 0);
	if (c.p && frame->has_quoted && frame->quoted.has_transport)
		c.quoted = ref_find(r, &c, &frame->quoted, 0).flow;
	if (!c.inbound)
		ref_identify(r, &c);
	else if (c.p)
		c.pot = ref_pot_of(r, &c.p->dst);
	return c;
}

/* The answer that the gate should have given. `answer` is what it gave: to a datagram of several frames,
 * to the first of them. */
__attribute__((unused)) static enum reason ref_judge(struct ref *r, unsigned port,
	const struct frame *frame, unsigned frames, uint32_t bytes,
	const struct gate_answer *answer, bool *ret_same_flow)
{
	struct ref_case c = ref_case(r, port, frame, frames, bytes);

	if (r->bench->lockdown)
		c.reason = REASON_LOCKDOWN;
	else if (c.inbound)
		c.reason = ref_inbound(r, &c);
	else
		c.reason = ref_leaving(r, &c, answer->reason == REASON_MALFORMED);
	*ret_same_flow = ref_account(r, &c, answer->flow_id);
	return c.reason;
}

/* An hour is the longest window, two hours after other limits were set. */
static void ref_prune(struct ref *r)
{
	for (unsigned a = 0; a <= REF_POTS; a++) {
		struct ref_account *account = &r->account[a];
		int64_t since = r->budget_last - 2 * 3600 * SECOND;

		for (unsigned i = 0; i < REF_LOGS; i++)
			ref_forget(&account->log[i], since);
		ref_forget(&account->destination, since);
		ref_forget(&account->port, since);
		ref_forget(&account->net, since);
	}
}

/* A conversation whose time was over less than two seconds ago may have ended or not: a tick is no place to
 * ask about it. */
__attribute__((unused)) static bool ref_is_uncertain(const struct ref *r)
{
	int64_t now = r->bench->now.steady_ns;

	for (size_t i = 0; i < r->n_flows; i++) {
		int64_t over = r->flow[i].last + ref_timeout(r, &r->flow[i]);

		if (over < now && over / SECOND + 1 >= now / SECOND)
			return true;
	}
	return false;
}

/* gate_tick(). */
__attribute__((unused)) static void ref_tick(struct ref *r)
{
	for (size_t i = 0; i < r->n_flows; i++)
		r->flow[i].gone =
			r->flow[i].last + ref_timeout(r, &r->flow[i]) < r->bench->now.steady_ns;
	ref_clear_gone(r);
	ref_prune(r);
}

/* gate_set_policy(). */
__attribute__((unused)) static void ref_policy(struct ref *r)
{
	ref_volumes_begin(r);
}

/* A new gate on the old one's memory. Call it before its first frame, and ref_tick() after it. */
__attribute__((unused)) static void ref_restart(struct ref *r, bool reboot)
{
	r->n_outsiders = 0;
	if (reboot) {
		r->n_flows = 0;
		r->budget_offset = r->budget_last - r->bench->now.steady_ns;
	}
	for (size_t i = 0; i < r->n_flows; i++) {
		struct ref_flow *f = &r->flow[i];

		f->half_open = f->proto == 6 && !f->refused && f->pot < REF_POTS &&
			       f->tcp.tally.state == FLOW_NEW &&
			       f->direction == DIRECTION_OUTBOUND && f->reason != REASON_WHITE_LIST;
	}
	ref_volumes_begin(r);
}

/* gate_kill_flow(), of the n-th conversation that has a name; 0: there is none. */
__attribute__((unused)) static uint64_t ref_kill(struct ref *r, unsigned n)
{
	for (size_t i = 0; i < r->n_flows; i++) {
		struct ref_flow *f = &r->flow[(i + n) % r->n_flows];

		if (!f->gate_id)
			continue;
		f->killed = f->refused = true;
		return f->gate_id;
	}
	return 0;
}

__attribute__((unused)) static void ref_free(struct ref *r)
{
	for (unsigned a = 0; a <= REF_POTS; a++) {
		struct ref_account *account = &r->account[a];

		for (unsigned i = 0; i < REF_LOGS; i++)
			free(account->log[i].event);
		for (unsigned i = 0; i < REF_VOLUMES; i++)
			free(account->volume[i].slice.event);
		free(account->destination.event);
		free(account->port.event);
		free(account->net.event);
	}
	free(r->flow);
	free(r);
}
