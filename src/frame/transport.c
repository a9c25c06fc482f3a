/* SPDX-License-Identifier: Apache-2.0 */
/* TCP (RFC 9293), UDP, UDP-Lite, SCTP, DCCP ports; ICMP (RFC 792, 4443), neighbour
 * discovery (RFC 4861). */
#include <netinet/tcp.h>

#include "frame/reader.h"

enum {
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_WSCALE = 3,
};

static void cut_off(struct reader *r, enum frame_anomaly anomaly)
{
	reader_anomaly(r, r->p->is_fragment ? FRAME_ANOMALY_FRAGMENT_TINY : anomaly);
}

static void read_ports(struct reader *r, struct cur *h)
{
	r->p->sport = cur_be16(h);
	r->p->dport = cur_be16(h);
}

/* A quotation holds the first 8 bytes at least (RFC 792): ports and sequence number. */
static enum step read_quoted(struct reader *r)
{
	struct cur h = r->c;

	read_ports(r, &h);
	if (r->p->proto == IPPROTO_TCP)
		r->p->tcp_seq = cur_be32(&h);
	if (cur_ok(&h))
		reader_done(r);
	return STEP_NONE;
}

/* At most 40 bytes (RFC 9293, 3.1), so at most as many options. */
static void read_tcp_options(struct frame_packet *p, struct cur options)
{
	while (cur_left(&options) > 0) {
		uint8_t kind = cur_u8(&options), len;
		struct cur body;

		if (kind == OPTION_END)
			return;
		if (kind == OPTION_NOP)
			continue;
		len = cur_u8(&options);
		body = cur_sub(&options, len < 2 ? SIZE_MAX : len - 2u);
		if (kind == OPTION_WSCALE && cur_left(&body) == 1)
			p->tcp_wscale = cur_u8(&body);
	}
}

static enum step read_tcp(struct reader *r)
{
	struct frame_packet *p = r->p;
	struct cur h = cur_sub(&r->c, 20), options = { 0 };
	uint8_t header, odd;

	if (!cur_ok(&h)) {
		cut_off(r, FRAME_ANOMALY_TCP_SHORT);
		return STEP_NONE;
	}
	read_ports(r, &h);
	p->tcp_seq = cur_be32(&h);
	p->tcp_ack = cur_be32(&h);
	header = (uint8_t)((cur_u8(&h) >> 4) * 4);
	p->tcp_flags = cur_u8(&h);
	p->tcp_window = cur_be16(&h);
	p->tcp_wscale = TCP_WSCALE_NONE;
	odd = p->tcp_flags & (TH_FIN | TH_SYN | TH_RST);
	if (odd & (odd - 1))
		reader_anomaly(r, FRAME_ANOMALY_TCP_FLAGS);
	if (header < 20)
		reader_anomaly(r, FRAME_ANOMALY_TCP_OFFSET);
	else if (header - 20u > cur_left(&r->c))
		cut_off(r, FRAME_ANOMALY_TCP_OFFSET);
	else
		options = cur_sub(&r->c, header - 20u);
	if (p->tcp_flags & TH_SYN)
		read_tcp_options(p, options);
	reader_done(r);
	return STEP_NONE;
}

static enum step read_udp(struct reader *r)
{
	struct frame_packet *p = r->p;
	size_t whole = cur_left(&r->c);
	struct cur h = cur_sub(&r->c, 8);
	uint16_t len;

	if (!cur_ok(&h)) {
		cut_off(r, FRAME_ANOMALY_UDP_SHORT);
		return STEP_NONE;
	}
	read_ports(r, &h);
	len = cur_be16(&h);
	reader_done(r);
	if (p->proto != IPPROTO_UDP)
		return STEP_NONE;
	if (!p->is_fragment && (len < 8 || len > whole))
		reader_anomaly(r, FRAME_ANOMALY_UDP_LENGTH);
	else if (!p->is_fragment)
		cur_limit(&r->c, len - 8u);
	if (!reader_maybe_tunnel_port(p->dport) && !reader_maybe_tunnel_port(p->sport))
		return STEP_NONE;
	return reader_udp_tunnel(r);
}

static enum step read_12_bytes(struct reader *r, enum frame_anomaly anomaly)
{
	struct cur h = cur_sub(&r->c, 12);

	if (!cur_ok(&h)) {
		cut_off(r, anomaly);
		return STEP_NONE;
	}
	read_ports(r, &h);
	reader_done(r);
	return STEP_NONE;
}

/* Link-layer address options are 8 bytes on Ethernet; types 1 (source) and 2 (target). Of several the
 * one that is not the sender's counts: it is what somebody might believe. */
static void read_nd_options(struct reader *r, struct cur *c)
{
	struct frame *f = r->f;

	while (cur_left(c) > 0) {
		uint8_t type = cur_u8(c);
		size_t len = cur_u8(c) * 8u;
		struct cur body = cur_sub(c, len ? len - 2 : 0);

		if (len == 0 || !cur_ok(&body)) {
			reader_anomaly(r, FRAME_ANOMALY_ND_OPTION);
			return;
		}
		if ((type == 1 || type == 2) &&
			(!f->has_nd_mac || mac_equal(&f->nd_mac, &f->src_mac))) {
			cur_copy(&body, &f->nd_mac, sizeof(f->nd_mac));
			f->has_nd_mac = cur_ok(&body);
		}
	}
}

/* The fixed parts: RS 8 bytes, RA 16, NS and NA 8 + target, redirect 8 + target + destination. */
static void read_nd(struct reader *r)
{
	struct cur c = r->c;
	struct frame *f = r->f;
	uint8_t type = r->p->icmp_type;
	struct ip target = { 0 };

	if (r->p->is_fragment)
		reader_anomaly(r, FRAME_ANOMALY_ND_FRAGMENT);
	if (r->p->ttl != 255) {
		reader_anomaly(r, FRAME_ANOMALY_ND_HOP_LIMIT);
		return;
	}
	if (type == 134)
		cur_skip(&c, 8);
	if (type >= 135)
		cur_copy(&c, &target, sizeof(target));
	if (type == 137)
		cur_skip(&c, sizeof(struct ip));
	if (!cur_ok(&c)) {
		reader_anomaly(r, FRAME_ANOMALY_ND_SHORT);
		return;
	}
	f->is_nd = true;
	f->nd_target = target;
	read_nd_options(r, &c);
}

static void read_quotation(struct reader *r)
{
	struct reader q = { .f = r->f, .c = r->c, .p = &r->f->quoted, .quoted = true };
	enum step step;

	*q.p = (struct frame_packet){ 0 };
	step = r->p->version == 4 ? reader_ip4(&q) : reader_ip6(&q);
	if (step == STEP_TRANSPORT)
		reader_transport(&q);
	r->f->has_quoted = q.p->version != 0;
	if (!r->f->has_quoted)
		reader_anomaly(r, FRAME_ANOMALY_ICMP_QUOTE);
}

static bool icmp_has_id(const struct frame_packet *p)
{
	if (p->version == 6)
		return p->icmp_type == 128 || p->icmp_type == 129;
	return p->icmp_type == 0 || p->icmp_type == 8 || (p->icmp_type >= 13 && p->icmp_type <= 18);
}

static bool icmp_is_error(const struct frame_packet *p)
{
	if (p->version == 6)
		return p->icmp_type >= 1 && p->icmp_type <= 4;
	return p->icmp_type == 3 || p->icmp_type == 4 || p->icmp_type == 5 || p->icmp_type == 11 ||
	       p->icmp_type == 12;
}

static enum step read_icmp(struct reader *r)
{
	struct frame_packet *p = r->p;
	struct cur h = cur_sub(&r->c, 8);

	if (!cur_ok(&h)) {
		cut_off(r, FRAME_ANOMALY_ICMP_SHORT);
		return STEP_NONE;
	}
	p->icmp_type = cur_u8(&h);
	p->icmp_code = cur_u8(&h);
	cur_skip(&h, 2);
	if (icmp_has_id(p))
		p->sport = p->dport = cur_be16(&h);
	reader_done(r);
	if ((p->version == 6) != (p->proto == IPPROTO_ICMPV6)) {
		reader_anomaly(r, FRAME_ANOMALY_ICMP_FAMILY);
		return STEP_NONE;
	}
	if (r->quoted || r->f->n_packets > 1)
		return STEP_NONE;
	if (icmp_is_error(p))
		read_quotation(r);
	else if (p->version == 6 && p->icmp_type >= 133 && p->icmp_type <= 137)
		read_nd(r);
	return STEP_NONE;
}

enum step reader_transport(struct reader *r)
{
	uint8_t proto = r->p->proto;

	if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		return read_icmp(r);
	if (r->quoted)
		return read_quoted(r);
	switch (proto) {
	case IPPROTO_TCP:
		return read_tcp(r);
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return read_udp(r);
	case IPPROTO_SCTP:
		return read_12_bytes(r, FRAME_ANOMALY_SCTP_SHORT);
	case IPPROTO_DCCP:
		return read_12_bytes(r, FRAME_ANOMALY_DCCP_SHORT);
	}
	if (proto == IPPROTO_IGMP && !r->p->is_fragment)
		r->p->icmp_type = cur_u8(&r->c);
	return reader_tunnel(r);
}
