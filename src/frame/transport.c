/* SPDX-License-Identifier: Apache-2.0 */
/* TCP (RFC 9293), UDP, UDP-Lite, SCTP, DCCP ports; ICMP (RFC 792, 4443), neighbour discovery (RFC 4861);
 * what begins a tunnel: IPIP, 6in4, GRE (RFC 2784, 2890, 2637), Teredo (RFC 4380), VXLAN (RFC 7348). */
#include "frame/reader.h"

enum {
	PROTO_ICMP = 1,
	PROTO_IGMP = 2,
	PROTO_IPIP = 4,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_DCCP = 33,
	PROTO_IPV6 = 41,
	PROTO_GRE = 47,
	PROTO_ICMPV6 = 58,
	PROTO_SCTP = 132,
	PROTO_UDPLITE = 136,
	PORT_TEREDO = 3544,
	PORT_VXLAN = 4789,
	ETHERTYPE_TEB = 0x6558,
	ETHERTYPE_PPP = 0x880b,
	FIN = 1,
	SYN = 2,
	RST = 4,
};

static void done(struct reader *r)
{
	r->p->has_transport = true;
	r->p->payload_at = reader_at(r);
}

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
	if (r->p->proto == PROTO_TCP)
		r->p->tcp_seq = cur_be32(&h);
	if (cur_ok(&h))
		done(r);
	return STEP_NONE;
}

static enum step read_tcp(struct reader *r)
{
	struct frame_packet *p = r->p;
	struct cur h = cur_sub(&r->c, 20);
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
	odd = p->tcp_flags & (FIN | SYN | RST);
	if (odd & (odd - 1))
		reader_anomaly(r, FRAME_ANOMALY_TCP_FLAGS);
	if (header < 20)
		reader_anomaly(r, FRAME_ANOMALY_TCP_OFFSET);
	else if (header - 20u > cur_left(&r->c))
		cut_off(r, FRAME_ANOMALY_TCP_OFFSET);
	else
		cur_skip(&r->c, header - 20u);
	done(r);
	return STEP_NONE;
}

/* Authentication and origin indications may precede the packet (RFC 4380, 5.1.1). Other things use
 * the port too, so what does not look like IPv6 is not a tunnel and no anomaly. */
static enum step find_teredo(struct reader *r)
{
	struct cur c = r->c, look;
	uint16_t first = cur_be16(&c);

	if (first == 1) {
		size_t id = cur_u8(&c), auth = cur_u8(&c);

		cur_skip(&c, id + auth + 9);
		r->c = c;
		first = cur_be16(&c);
	}
	if (first == 0) {
		cur_skip(&c, 6);
		r->c = c;
	}
	look = r->c;
	if (cur_be32(&look) >> 28 != 6 || cur_be16(&look) + (size_t)34 != cur_left(&look))
		return STEP_NONE;
	return STEP_IP6;
}

/* The flags of VXLAN are fixed, so another use of the port is not mistaken for it. */
static enum step find_vxlan(struct reader *r)
{
	struct cur c = r->c;

	if (cur_be32(&c) != 0x08000000)
		return STEP_NONE;
	cur_skip(&c, 4);
	if (!cur_ok(&c))
		return STEP_NONE;
	r->c = c;
	return STEP_ETHERNET;
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
	done(r);
	if (p->is_fragment || p->proto != PROTO_UDP)
		return STEP_NONE;
	if (len < 8 || len > whole)
		reader_anomaly(r, FRAME_ANOMALY_UDP_LENGTH);
	else
		cur_limit(&r->c, len - 8u);
	if (p->sport == PORT_TEREDO || p->dport == PORT_TEREDO)
		return find_teredo(r);
	return p->dport == PORT_VXLAN ? find_vxlan(r) : STEP_NONE;
}

static enum step read_12_bytes(struct reader *r, enum frame_anomaly anomaly)
{
	struct cur h = cur_sub(&r->c, 12);

	if (!cur_ok(&h)) {
		cut_off(r, anomaly);
		return STEP_NONE;
	}
	read_ports(r, &h);
	done(r);
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
	done(r);
	if ((p->version == 6) != (p->proto == PROTO_ICMPV6)) {
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

/* PPTP's GRE carries PPP; its address and control bytes may be compressed away (RFC 2637, 1661). */
static enum step read_gre_ppp(struct reader *r, uint16_t flags)
{
	struct cur c = r->c;
	uint16_t proto;

	cur_skip(&c, 4u + (flags & 0x1000 ? 4u : 0) + (flags & 0x0080 ? 4u : 0));
	if (!(flags & 0x1000))
		return STEP_NONE;
	proto = cur_be16(&c);
	if (proto == 0xff03)
		proto = cur_be16(&c);
	if (!cur_ok(&c))
		return STEP_NONE;
	r->c = c;
	return proto == 0x0021 ? STEP_IP4 : proto == 0x0057 ? STEP_IP6 : STEP_NONE;
}

static enum step read_gre(struct reader *r)
{
	uint16_t flags = cur_be16(&r->c), type = cur_be16(&r->c);

	if (cur_ok(&r->c) && (flags & 7) == 1 && type == ETHERTYPE_PPP) {
		done(r);
		return read_gre_ppp(r, flags);
	}
	if (flags & 7)
		reader_anomaly(r, FRAME_ANOMALY_GRE_VERSION);
	cur_skip(&r->c,
		(flags & 0xc000 ? 4u : 0) + (flags & 0x2000 ? 4u : 0) + (flags & 0x1000 ? 4u : 0));
	if (!cur_ok(&r->c)) {
		cut_off(r, FRAME_ANOMALY_GRE_SHORT);
		return STEP_NONE;
	}
	done(r);
	/* Version 0 without the source routes of RFC 1701, which RFC 2784 withdrew. */
	if (flags & 0x4007)
		return STEP_NONE;
	r->type = type;
	return type == ETHERTYPE_TEB ? STEP_ETHERNET : STEP_ETHERTYPE;
}

enum step reader_transport(struct reader *r)
{
	uint8_t proto = r->p->proto;

	if (proto == PROTO_ICMP || proto == PROTO_ICMPV6)
		return read_icmp(r);
	if (r->quoted)
		return read_quoted(r);
	switch (proto) {
	case PROTO_TCP:
		return read_tcp(r);
	case PROTO_UDP:
	case PROTO_UDPLITE:
		return read_udp(r);
	case PROTO_SCTP:
		return read_12_bytes(r, FRAME_ANOMALY_SCTP_SHORT);
	case PROTO_DCCP:
		return read_12_bytes(r, FRAME_ANOMALY_DCCP_SHORT);
	}
	if (r->p->is_fragment) { /* a tunnel's packet in fragments cannot be read */
		done(r);
		return STEP_NONE;
	}
	switch (proto) {
	case PROTO_IGMP:
		r->p->icmp_type = cur_u8(&r->c);
		break;
	case PROTO_GRE:
		return read_gre(r);
	case PROTO_IPIP:
		done(r);
		return STEP_IP4;
	case PROTO_IPV6:
		done(r);
		return STEP_IP6;
	}
	done(r);
	return STEP_NONE;
}
