/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_walk - a random walk of a gate and its reference model (gate_reference.h) through frames of a small
 * world, so that addresses, ports and conversations meet again and again, and through what operators and fate
 * do: other limits, lists, isolation, kills, ticks, restarts, reboots. Dice are a seed, or a fuzzer's bytes.
 */
#pragma once

#include "dice.h"
#include "gate_reference.h"

enum { WALK_RECENT = 16 };

/* One packet in indexes of the tables below. */
struct walk_packet {
	bool v6, inbound;
	uint8_t pot, peer; /* whose addresses */
	uint8_t kind, sport, dport, flags, data, inner;
};

struct walk {
	struct bench *bench;
	struct ref *ref;
	uint64_t seed;
	const uint8_t *bytes; /* instead of the seed, until there are no more */
	size_t n_bytes;
	struct walk_packet recent[WALK_RECENT];
	unsigned n_recent;
	unsigned fragment_id;
	uint64_t frames;
	uint64_t by_reason[REASON_COUNT];
	bool failed;
	char story[200]; /* of a failure */
};

enum walk_kind {
	WALK_TCP,
	WALK_UDP,
	WALK_ECHO,
	WALK_ERROR,
	WALK_RAW,
	WALK_ARP,
	WALK_ND,
	WALK_REPORT,
	WALK_DHCP,
	WALK_TUNNEL,
	WALK_ODD,
	WALK_KINDS
};

static const char *const walk_peer4[] = { "192.0.2.9", "192.0.2.10", "198.51.100.7", "10.0.0.53",
	"10.0.0.123", "172.16.5.5", "198.51.100.66", "203.0.113.80", "10.0.0.1", "10.0.0.2" };
static const char *const walk_peer6[] = { "2001:db8:9::9", "2001:db8:9::a", "2001:db8:8::7",
	"2001:db8::53", "2001:db8::123", "2002:ac10:505::1", "64:ff9b::c633:6442",
	"2001:db8:77::80", "2001:db8::1", "2001:db8::2" };
enum { WALK_PEERS = sizeof(walk_peer4) / sizeof(walk_peer4[0]) };
static const char *const walk_link_local[] = { "fe80::1", "fe80::2", "fe80::3", "fe80::4",
	"fe80::5", "fe80::6" };
static const uint16_t walk_client_port[] = { 1000, 1001, 1002, 53 };
static const uint16_t walk_server_port[] = { 80, 4500, 53, 123, 4000 };
static const uint8_t walk_flags[] = { REF_SYN, REF_SYN, REF_SYN | REF_ACK, REF_ACK, REF_ACK,
	REF_FIN | REF_ACK, REF_RST, REF_RST | REF_ACK };

static unsigned walk_pick(struct walk *w, unsigned n)
{
	if (!w->bytes)
		return (unsigned)(dice_next(&w->seed) >> 33) % n;
	if (w->n_bytes == 0)
		return 0;
	w->n_bytes--;
	return *w->bytes++ % n;
}

static bool walk_chance(struct walk *w, unsigned of)
{
	return walk_pick(w, of) == of - 1;
}

/* ---- frames ---- */

static const char *walk_pot_address(unsigned pot, bool v6)
{
	static const char *const address[2][REF_POTS] = { { "10.0.0.1", "10.0.0.2", "10.0.0.3" },
		{ "2001:db8::1", "2001:db8::2", "2001:db8::3" } };

	return address[v6][pot % REF_POTS];
}

static const char *walk_peer_address(unsigned peer, bool v6)
{
	return (v6 ? walk_peer6 : walk_peer4)[peer % WALK_PEERS];
}

/* The numbers that a simple exchange has, each way. */
static void walk_put_tcp(
	struct bytes *f, uint16_t sport, uint16_t dport, unsigned flags, bool from_client)
{
	uint32_t mine = from_client ? 100 : 500, others = from_client ? 501 : 101;

	put_tcp(f, sport, dport, flags & REF_SYN ? mine : mine + 1, flags);
	if (!(flags & REF_ACK))
		return;
	f->at[f->len - 12] = 0;
	f->at[f->len - 11] = 0;
	f->at[f->len - 10] = (uint8_t)(others >> 8);
	f->at[f->len - 9] = (uint8_t)others;
}

static void walk_put_data(struct bytes *f, unsigned data)
{
	static const uint8_t ntp[48] = { 0x23 };

	switch (data) {
	case 0:
		put_question(f);
		break;
	case 1:
		put(f, ntp, sizeof(ntp));
		break;
	case 2:
		put_zero(f, 10);
		break;
	case 3:
		put_zero(f, 700);
		break;
	}
}

static void walk_put_transport(struct bytes *f, const struct walk_packet *p)
{
	uint16_t client = walk_client_port[p->sport % 4], server = walk_server_port[p->dport % 5];
	bool from_client = !(p->flags & 64) != p->inbound;
	uint16_t sport = from_client ? client : server, dport = from_client ? server : client;
	struct bytes data = { 0 };

	walk_put_data(&data, p->data);
	switch (p->kind) {
	case WALK_TCP:
		walk_put_tcp(f, sport, dport, walk_flags[p->flags % 8], from_client);
		if (p->data == 0 && dport == 53)
			put16(f, data.len);
		break;
	case WALK_UDP:
		put_udp(f, sport, dport, data.len);
		break;
	case WALK_ECHO:
		put8(f, from_client ? (p->v6 ? 128 : 8) : (p->v6 ? 129 : 0));
		put_zero(f, 3);
		put32(f, 1000u + p->sport % 4u);
		break;
	}
	put(f, data.at, data.len);
}

static uint8_t walk_proto(const struct walk_packet *p)
{
	static const uint8_t raw[] = { 11, 50, 132 };

	switch (p->kind) {
	case WALK_TCP:
		return 6;
	case WALK_UDP:
		return 17;
	case WALK_ECHO:
		return p->v6 ? 58 : 1;
	default:
		return raw[p->sport % 3];
	}
}

/* A packet with its IP header; the parts that stand for it are `p`'s ends. */
static void walk_put_packet(struct bytes *f, const struct walk_packet *p)
{
	const char *pot = walk_pot_address(p->pot, p->v6),
		   *peer = walk_peer_address(p->peer, p->v6);
	struct bytes body = { 0 };

	walk_put_transport(&body, p);
	put_ip(f, p->inbound ? peer : pot, p->inbound ? pot : peer, walk_proto(p), body.len);
	put(f, body.at, body.len);
}

/* An ICMP error about `about`, with that one's ends turned round. */
static void walk_put_error(
	struct bytes *f, const struct walk_packet *p, const struct walk_packet *about)
{
	const char *pot = walk_pot_address(p->pot, p->v6),
		   *peer = walk_peer_address(p->peer, p->v6);
	struct bytes quoted = { 0 };

	walk_put_packet(&quoted, about);
	put_ip(f, p->inbound ? peer : pot, p->inbound ? pot : peer, p->v6 ? 58 : 1, 8 + quoted.len);
	put32(f, p->v6 ? 0x01040000 : 0x03030000);
	put32(f, 0);
	put(f, quoted.at, quoted.len);
}

static void walk_put_tunnel(struct bytes *f, const struct walk_packet *p, struct walk_packet inner)
{
	const char *pot = walk_pot_address(p->pot, p->v6),
		   *peer = walk_peer_address(p->peer, p->v6);
	bool gre = p->sport % 3 == 2;
	struct bytes body = { 0 };

	inner.v6 = p->dport & 1;
	if (gre)
		put32(&body, inner.v6 ? 0x86dd : 0x0800);
	walk_put_packet(&body, &inner);
	put_ip(f, p->inbound ? peer : pot, p->inbound ? pot : peer,
		gre        ? 47
		: inner.v6 ? 41
			   : 4,
		body.len);
	put(f, body.at, body.len);
}

static void walk_put_nd(struct walk *w, struct bytes *f, const struct walk_packet *p)
{
	const char *own = p->flags & 1   ? walk_link_local[p->sport % 6]
			  : p->flags & 2 ? "::"
					 : walk_pot_address(p->pot, true);
	struct ip target = address(p->data & 1 ? own : walk_link_local[p->dport % 6]);
	unsigned type = p->flags & 4 ? 136 : 135;

	if (ip_is_unset(&target))
		target = address(walk_pot_address(p->pot, true));
	put_ip6(f, own, p->flags & 8 ? walk_peer_address(p->peer, true) : "ff02::1", 58, 32, 255);
	put8(f, type);
	put_zero(f, 7);
	put(f, &target, 16);
	put8(f, type == 136 ? 2 : 1);
	put8(f, 1);
	put_mac(f, p->inbound ? ROUTER : walk_chance(w, 16) ? 9 : p->pot + 1u);
}

static void walk_put_report(struct bytes *f, const struct walk_packet *p)
{
	static const uint8_t igmp[] = { 0x16, 0x22, 0x17, 0x11 }, mld[] = { 131, 143, 132, 130 };
	unsigned ttl = p->data & 1 ? 1 : 64;

	if (p->v6) {
		put_ip6(f, walk_pot_address(p->pot, true), "ff02::16", 58, 24, ttl);
		put8(f, mld[p->sport % 4]);
		put_zero(f, 23);
		return;
	}
	put_ip4(f, walk_pot_address(p->pot, false), "224.0.0.22", 2, 8, 7, 0);
	f->at[f->len - 12] = (uint8_t)ttl;
	put8(f, igmp[p->sport % 4]);
	put_zero(f, 7);
}

static void walk_put_dhcp(struct bytes *f, const struct walk_packet *p)
{
	bool first = p->data & 1, server = p->flags % 8 == 7;

	if (p->v6)
		put_ip6(f, first ? walk_link_local[p->sport % 6] : walk_pot_address(p->pot, true),
			"ff02::1:2", 17, 38, 1);
	else
		put_ip4(f, first ? "0.0.0.0" : walk_pot_address(p->pot, false), "255.255.255.255",
			17, 38, 7, 0);
	if (p->v6)
		put_udp(f, server ? 547 : 546, server ? 546 : 547, 30);
	else
		put_udp(f, server ? 67 : 68, server ? 68 : 67, 30);
	put_zero(f, 30);
}

static void walk_put_arp(struct bytes *f, const struct walk_packet *p)
{
	const char *sender = p->flags & 1 ? "0.0.0.0" : walk_pot_address(p->pot, false);
	struct ip s = address(sender), t = address(walk_peer_address(p->peer, false));

	put32(f, 0x00010800);
	put16(f, 0x0604);
	put16(f, 1 + (p->data & 1));
	put_mac(f, p->inbound ? ROUTER : p->pot + 1u);
	put(f, s.byte + 12, 4);
	put_mac(f, 0);
	put(f, t.byte + 12, 4);
}

static void walk_random_packet(struct walk *w, struct walk_packet *ret_packet)
{
	static const uint8_t kinds[] = { WALK_TCP, WALK_TCP, WALK_TCP, WALK_TCP, WALK_UDP, WALK_UDP,
		WALK_UDP, WALK_UDP, WALK_ECHO, WALK_ERROR, WALK_RAW, WALK_ARP, WALK_ND, WALK_REPORT,
		WALK_DHCP, WALK_TUNNEL, WALK_TUNNEL, WALK_TUNNEL, WALK_TUNNEL, WALK_ODD };

	*ret_packet = (struct walk_packet){ .v6 = walk_pick(w, 2),
		.inbound = walk_chance(w, 4),
		.pot = (uint8_t)walk_pick(w, REF_POTS),
		.peer = (uint8_t)walk_pick(w, WALK_PEERS),
		.kind = kinds[walk_pick(w, sizeof(kinds))],
		.sport = (uint8_t)walk_pick(w, 12),
		.dport = (uint8_t)walk_pick(w, 10),
		.flags = (uint8_t)walk_pick(w, 128),
		.data = (uint8_t)walk_pick(w, 5),
		.inner = (uint8_t)walk_pick(w, WALK_RECENT) };
}

/* Some things are rare by chance: questions to servers, errors about what came in. */
static void walk_make_sense(struct walk *w, struct walk_packet *p)
{
	const struct walk_packet *about = &w->recent[p->inner];

	if ((p->kind == WALK_UDP || p->kind == WALK_TCP) && walk_chance(w, 6)) {
		p->data = (uint8_t)walk_pick(w, 2);
		p->peer = 3 + p->data;
		p->dport = 2 + p->data;
	}
	if (p->kind == WALK_ERROR && w->n_recent > p->inner && about->kind <= WALK_UDP) {
		p->pot = about->pot;
		p->peer = about->peer;
		p->v6 = about->v6;
		p->inbound = !about->inbound;
	}
}

/* A new one; one of the last again; the answer to one of them, or what follows it. */
static struct walk_packet walk_next_packet(struct walk *w)
{
	struct walk_packet p;
	unsigned what = walk_pick(w, 8);

	if (w->n_recent == 0 || what < 3) {
		walk_random_packet(w, &p);
		walk_make_sense(w, &p);
	} else {
		unsigned n = w->n_recent < WALK_RECENT ? w->n_recent : WALK_RECENT;

		p = w->recent[walk_pick(w, n)];
		if (what < 6) {
			p.inbound = !p.inbound;
			p.flags ^= 64;
		}
		if (what != 7)
			p.flags = (uint8_t)((p.flags & 64) | walk_pick(w, 64));
		if (what == 4)
			p.data = (uint8_t)walk_pick(w, 5);
	}
	w->recent[w->n_recent++ % WALK_RECENT] = p;
	return p;
}

static void walk_put_body(struct walk *w, struct bytes *f, const struct walk_packet *p)
{
	struct walk_packet other = w->recent[p->inner];

	if (w->n_recent <= p->inner)
		other = *p;
	switch (p->kind) {
	case WALK_ERROR:
		other.v6 = p->v6;
		walk_put_error(f, p, &other);
		break;
	case WALK_ARP:
		walk_put_arp(f, p);
		break;
	case WALK_ND:
		walk_put_nd(w, f, p);
		break;
	case WALK_REPORT:
		walk_put_report(f, p);
		break;
	case WALK_DHCP:
		walk_put_dhcp(f, p);
		break;
	case WALK_TUNNEL:
		walk_put_tunnel(f, p, other);
		break;
	default:
		walk_put_packet(f, p);
		break;
	}
}

/* From the honeypot to the router, mostly. */
static void walk_put_link(struct walk *w, struct bytes *f, const struct walk_packet *p)
{
	unsigned type = p->kind == WALK_ARP           ? 0x0806
			: p->kind == WALK_ND || p->v6 ? 0x86dd
						      : 0x0800;
	unsigned own = p->pot + 1u, far = ROUTER;

	if (walk_chance(w, 10))
		far = (unsigned[]){ 1, 2, 3, 255 }[walk_pick(w, 4)];
	if (walk_chance(w, 100))
		own = walk_pick(w, 8);
	put_ethernet(f, p->inbound ? own : far, p->inbound ? ROUTER : own, type);
	if (walk_chance(w, 50)) {
		f->len -= 2;
		put32(f, 0x81000005);
		if (walk_chance(w, 8))
			put32(f, 0x81000006);
		put16(f, type);
	}
}

static void walk_make_frame(struct walk *w, struct bytes *f, const struct walk_packet *p)
{
	static const uint8_t odd[][6] = { { 1, 0x80, 0xc2, 0, 0, 0 },
		{ 1, 0, 0x0c, 0xcc, 0xcc, 0xcc } };

	walk_put_link(w, f, p);
	if (p->kind == WALK_ODD && p->data == 0)
		memcpy(f->at, odd[p->sport % 2], 6);
	if (p->kind == WALK_ODD && p->data == 1)
		f->at[f->len - 1] = (uint8_t)p->flags;
	walk_put_body(w, f, p);
	if (p->kind == WALK_ODD && p->data == 2)
		f->at[14 + walk_pick(w, f->len - 14)] = (uint8_t)walk_pick(w, 256);
}

/* ---- both judge ---- */

static void walk_fail(struct walk *w, const struct frame *f, enum reason expected, bool same,
	const struct gate_answer *answer)
{
	char src[IP_TEXT_MAX] = "", dst[IP_TEXT_MAX] = "";

	if (f->n_packets) {
		ip_text(&f->packet[0].src, src);
		ip_text(&f->packet[0].dst, dst);
	}
	w->failed = true;
	snprintf(w->story, sizeof(w->story),
		"frame %llu, protocol %u from %s to %s: gate %s, model %s%s",
		(unsigned long long)w->frames, f->n_packets ? f->packet[0].proto : 0, src, dst,
		reason_name(answer->reason), reason_name(expected),
		same ? "" : ", of another conversation");
}

static void walk_compare(struct walk *w, unsigned port, const struct frame *f, unsigned frames,
	uint32_t bytes, const struct gate_answer *answer)
{
	bool same;
	enum reason expected = ref_judge(w->ref, port, f, frames, bytes, answer, &same);

	w->by_reason[expected]++;
	if (answer->reason != expected || answer->verdict != reason_verdict(expected) || !same)
		walk_fail(w, f, expected, same, answer);
}

static void walk_judge(struct walk *w, unsigned port, const struct bytes *bytes)
{
	struct frame f;
	struct gate_answer answer;

	w->frames++;
	frame_parse(bytes->at, bytes->len, FRAME_LINK_ETHERNET, &f);
	if (gate_wants_whole(w->bench->gate, port, &f))
		return; /* somebody's random byte: it would wait */
	answer = gate_judge(w->bench->gate, port, &f, &w->bench->now, ++w->bench->packets);
	walk_compare(w, port, &f, 1, f.wire_len, &answer);
}

/* ---- datagrams in parts ---- */

static void walk_put_part(struct bytes *f, const struct bytes *whole, unsigned id, unsigned at,
	unsigned end, bool last)
{
	f->len = 0;
	put(f, whole->at, 34);
	f->at[16] = (uint8_t)((20 + end - at) >> 8);
	f->at[17] = (uint8_t)(20 + end - at);
	f->at[18] = (uint8_t)(id >> 8);
	f->at[19] = (uint8_t)id;
	f->at[20] = (uint8_t)(at / 8 >> 8 | (last ? 0 : 0x20));
	f->at[21] = (uint8_t)(at / 8);
	put(f, whole->at + 34 + at, end - at);
}

/* An IPv4 datagram of a honeypot in two parts; the second one first. */
static void walk_judge_parts(struct walk *w, const struct bytes *whole)
{
	unsigned id = ++w->fragment_id & 0xffff, len = whole->len - 34,
		 cut = 24 + 8 * walk_pick(w, (len - 25) / 8);
	struct bytes part;
	struct frame f;
	struct gate_answer answer;

	frame_parse(whole->at, whole->len, FRAME_LINK_ETHERNET, &f);
	walk_put_part(&part, whole, id, cut, len, true);
	answer = bench_send(w->bench, 1, &part);
	if (answer.verdict != VERDICT_DROP)
		w->failed = true;
	walk_put_part(&part, whole, id, 0, cut, false);
	bench_send(w->bench, 1, &part);
	w->frames += 2;
	walk_compare(w, 1, &f, 2, whole->len + 34, &w->bench->part[0]);
	if (w->bench->part[1].reason != w->bench->part[0].reason)
		w->failed = true;
}

static bool walk_can_cut(const struct walk *w, const struct walk_packet *p, const struct bytes *f)
{
	struct frame parsed;

	frame_parse(f->at, f->len, FRAME_LINK_ETHERNET, &parsed);
	return !p->inbound && !p->v6 &&
	       (p->kind == WALK_UDP || p->kind == WALK_RAW || p->kind == WALK_TUNNEL) &&
	       f->len > 34 + 32 && parsed.n_tags == 0 && parsed.packet[0].proto != 132 &&
	       parsed.anomalies == 0 && ref_pot_by_mac(w->ref, &parsed.src_mac) == p->pot &&
	       ref_pot_by_mac(w->ref, &parsed.dst_mac) == REF_POTS;
}

/* ---- operators and fate ---- */

static struct conf_rate walk_rate(struct walk *w)
{
	static const uint32_t period[] = { 10, 60, 600, 3600 };
	struct conf_rate rate = { .count = walk_pick(w, 12), .period_s = period[walk_pick(w, 4)] };

	if (walk_chance(w, 2))
		rate.count = walk_chance(w, 2) ? CONF_RATE_UNLIMITED : 60;
	return rate;
}

static struct conf_volume walk_volume(struct walk *w, uint64_t unit)
{
	static const uint32_t period[] = { 1, 10, 60, 3600 };
	struct conf_volume v = { .amount = unit * (1 + walk_pick(w, 60)),
		.period_s = period[walk_pick(w, 4)] };

	if (walk_chance(w, 2))
		v.amount = CONF_VOLUME_UNLIMITED;
	return v;
}

static void walk_change_rate(struct walk *w, struct conf_limit *l)
{
	struct conf_rate *rate[] = { &l->tcp, &l->udp, &l->icmp, &l->other, &l->dns, &l->ntp,
		&l->dhcp, &l->neighbour, &l->all };

	*rate[walk_pick(w, 9)] = walk_rate(w);
}

static void walk_change_volume(struct walk *w, struct conf_limit *l)
{
	struct conf_volume *volume[] = { &l->packets, &l->packets_sum, &l->reply_packets, &l->bytes,
		&l->bytes_sum, &l->reply_bytes };
	unsigned n = walk_pick(w, 6);

	*volume[n] = walk_volume(w, n < 3 ? 1 : 100);
}

static void walk_change_number(struct walk *w, struct conf_limit *l)
{
	static const uint64_t flow[] = { 0, 0, 5, 50 };

	switch (walk_pick(w, 7)) {
	case 6:
		l->unanswered = 1 + walk_pick(w, 10);
		break;
	case 0:
		l->half_open = 1 + walk_pick(w, 8);
		break;
	case 1:
		l->flow_packets = flow[walk_pick(w, 4)];
		break;
	case 2:
		l->flow_bytes = 100 * flow[walk_pick(w, 4)];
		break;
	case 3:
		l->amplification = walk_pick(w, 4);
		break;
	case 4:
		l->peer_allowance = 500 * walk_pick(w, 17);
		break;
	case 5:
		l->dns_anywhere = walk_chance(w, 4);
		l->ntp_anywhere = walk_chance(w, 4);
		break;
	}
}

static void walk_change_honeynet(struct walk *w)
{
	struct conf_honeynet *h = &w->bench->conf->honeynet;
	struct conf_rate *rate[] = { &h->tcp, &h->udp, &h->icmp, &h->other, &h->all };
	struct conf_volume *volume[] = { &h->packets, &h->packets_sum, &h->bytes, &h->bytes_sum };
	unsigned n = walk_pick(w, 4);

	if (walk_chance(w, 2)) {
		h->tcp = h->udp = h->icmp = h->other = h->all =
			(struct conf_rate){ .count = CONF_RATE_UNLIMITED, .period_s = 60 };
		return;
	}
	if (walk_chance(w, 2))
		*rate[walk_pick(w, 5)] = walk_rate(w);
	else
		*volume[n] = walk_volume(w, n < 2 ? 3 : 300);
}

static void walk_change_lists(struct walk *w)
{
	static const char *const entry[] = { "172.16.0.0/12", "198.51.100.66", "203.0.113.0/24",
		"2001:db8:77::/48", "192.0.2.10 tcp/80", "2001:db8:9::/64 udp/4000-5000",
		"192.0.2.0/24 icmp", "0.0.0.0/0 22", "::/0 tcp/22", "2001:db8:8::7 1000" };
	enum list_kind kind = walk_pick(w, LIST_COUNT);

	if (w->bench->list[kind].n > 2)
		w->bench->list[kind].n = walk_pick(w, 2);
	bench_list(w->bench, kind, entry[walk_pick(w, sizeof(entry) / sizeof(entry[0]))]);
}

/* What an order or a reload would do. */
static void walk_change_policy(struct walk *w)
{
	struct conf_a_honeypot *h = &w->bench->honeypot[walk_pick(w, REF_POTS)];

	w->bench->lockdown = false;
	switch (walk_pick(w, 8)) {
	case 0:
	case 1:
		walk_change_rate(w, &h->limit);
		break;
	case 2:
		walk_change_volume(w, &h->limit);
		break;
	case 3:
		walk_change_number(w, &h->limit);
		break;
	case 4:
		walk_change_honeynet(w);
		break;
	case 5:
		walk_change_lists(w);
		break;
	case 6:
		for (unsigned i = 0; i < REF_POTS; i++)
			w->bench->honeypot[i].set.roach_motel = w->bench->honeypot[i].set.isolate =
				false;
		h->set.roach_motel = walk_chance(w, 2);
		h->set.isolate = walk_chance(w, 3);
		break;
	case 7:
		w->bench->lockdown = walk_chance(w, 3);
		break;
	}
}

static void walk_tick(struct walk *w)
{
	while (ref_is_uncertain(w->ref))
		bench_wait(w->bench, SECOND / 2);
	gate_tick(w->bench->gate, &w->bench->now);
	gate_tick(w->bench->gate, &w->bench->now);
	ref_tick(w->ref);
}

static void walk_restart(struct walk *w)
{
	bool reboot = walk_chance(w, 3);
	struct bench *b = w->bench;

	walk_tick(w);
	b->gate = gate_free(b->gate);
	if (walk_chance(w, 2))
		walk_change_policy(w);
	if (reboot) {
		b->now.steady_ns = SECOND * (1 + walk_pick(w, 100));
		whole_free(b->whole);
		if (whole_new(&b->whole) < 0)
			abort();
	}
	bench_open(b, !reboot);
	ref_restart(w->ref, reboot);
	walk_tick(w);
}

static void walk_kill(struct walk *w)
{
	uint64_t id = ref_kill(w->ref, walk_pick(w, 64));

	if (id && gate_kill_flow(w->bench->gate, id) < 0) {
		w->failed = true;
		snprintf(w->story, sizeof(w->story),
			"frame %llu: the gate does not know conversation %llx",
			(unsigned long long)w->frames, (unsigned long long)id);
	}
}

/* Seldom long enough that everything is over. */
static void walk_wait(struct walk *w)
{
	static const int64_t unit[] = { 0, 1000000, 50000000, SECOND, 20 * SECOND, 300 * SECOND };
	unsigned dice = walk_pick(w, 256), which = 4;

	if (dice < 254)
		which = dice < 80 ? 0 : dice < 200 ? 1 : dice < 244 ? 2 : 3;
	else if (walk_chance(w, 16))
		which = 5;
	if (unit[which])
		bench_wait(w->bench, unit[which] * (1 + walk_pick(w, 16)));
}

static void walk_fate(struct walk *w)
{
	unsigned dice = walk_pick(w, 256);

	if (dice < 8) {
		walk_tick(w);
	} else if (dice < 12) {
		walk_change_policy(w);
		bench_apply(w->bench);
		ref_policy(w->ref);
	} else if (dice == 12) {
		if (walk_chance(w, 8))
			walk_restart(w);
	} else if (dice == 13) {
		walk_kill(w);
	} else if (dice == 14) {
		w->bench->now.wall_ns +=
			(int64_t)walk_pick(w, 200) * 3600 * SECOND - 360000 * SECOND;
	}
	walk_wait(w);
}

/* One frame, or a datagram, after whatever happened. */
__attribute__((unused)) static void walk_step(struct walk *w)
{
	struct walk_packet p;
	struct bytes f = { 0 };

	walk_fate(w);
	p = walk_next_packet(w);
	walk_make_frame(w, &f, &p);
	if (walk_can_cut(w, &p, &f) && walk_chance(w, 3))
		walk_judge_parts(w, &f);
	else
		walk_judge(w, p.inbound ? GATE_OUTSIDE : 1, &f);
	if (!w->failed && !bench_counts_hold(w->bench)) {
		w->failed = true;
		snprintf(w->story, sizeof(w->story), "the gate's counts do not add up");
	}
}

/* ---- a walk ---- */

static void walk_configure(struct walk *w)
{
	static struct ip resolver[2], server[2];
	struct bench *b = w->bench;

	resolver[0] = address("10.0.0.53");
	resolver[1] = address("2001:db8::53");
	server[0] = address("10.0.0.123");
	server[1] = address("2001:db8::123");
	b->conf->resolver = resolver;
	b->conf->ntp_server = server;
	b->conf->n_resolvers = b->conf->n_ntp_servers = 2;
	for (unsigned i = 0; i < REF_POTS; i++) {
		struct conf_limit *l = &b->honeypot[i].limit;

		b->honeypot[i].has_mac = i < 2; /* the third one's is learnt */
		b->honeypot[i].mac = (struct mac){ { 2, 0, 0, 0, 0, (uint8_t)(i + 1) } };
		/* What is remembered of these while there is no limit is less than everything. */
		l->destinations = (struct conf_rate){ .count = 5 + i, .period_s = 600 };
		l->ports = (struct conf_rate){ .count = 3, .period_s = 60 };
		l->net = (struct conf_rate){ .count = 8, .period_s = 600 };
		if (i == 2)
			l->destinations = l->ports = l->net =
				(struct conf_rate){ .count = CONF_RATE_UNLIMITED, .period_s = 1 };
	}
	bench_list(b, LIST_FENCE, "172.16.0.0/12");
	bench_list(b, LIST_BLACK, "198.51.100.66");
	bench_list(b, LIST_WHITE, "203.0.113.80");
	bench_list(b, LIST_WHITE, "2001:db8:77::/48");
}

/* `bench`: bench_new(REF_POTS, ...), with zeroed memory. */
__attribute__((unused)) static void walk_begin(struct walk *w, struct bench *bench)
{
	struct bytes f = { 0 };

	w->bench = bench;
	walk_configure(w);
	bench_open(bench, true);
	w->ref = ref_new(bench);
	if (walk_pick(w, 2)) { /* before somebody else takes its address */
		arp_frame(&f, 255, REF_POTS, 1, "10.0.0.3", "10.0.0.200");
		walk_judge(w, 1, &f);
	}
}

__attribute__((unused)) static void walk_end(struct walk *w)
{
	ref_free(w->ref);
	bench_free(w->bench);
}
