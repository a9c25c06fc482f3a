/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What begins a tunnel.
 * By IP protocol: IPIP (RFC 2003), 6in4 (RFC 4213), GRE (RFC 2784, 2890, 2637), EtherIP (RFC 3378),
 * MPLS (RFC 4023), Ethernet (RFC 8986).
 * By UDP port: L2TPv2 (RFC 2661), GTP-U (3GPP TS 29.281), Teredo (RFC 4380), GRE (RFC 8086), VXLAN (RFC
 * 7348), VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe), GENEVE (RFC 8926), MPLS (RFC 7510).
 */
#include "frame/reader.h"

enum {
	PROTO_L2TP3 = 115,  /* RFC 3931: what its header holds is agreed on out of our sight */
	PROTO_MINIMAL = 55, /* RFC 2004 */
	PROTO_KA9Q_IPIP = 94,
	PROTO_ETHERIP = 97,
	PORT_L2TP = TUNNEL_PORT_FIRST, /* 1701 */
	PORT_GTP = 2152,
	PORT_TEREDO = 3544,
	PORT_ESP = 4500, /* RFC 3948 */
	PORT_GRE = 4754,
	PORT_VXLAN = 4789,
	PORT_VXLAN_GPE = 4790,
	PORT_GENEVE = 6081,
	PORT_MPLS = 6635,
	PORT_VXLAN_LINUX = TUNNEL_PORT_LAST, /* 8472: what Linux takes unless told otherwise */
	ETHERTYPE_TEB = 0x6558,
	ETHERTYPE_MPLS = 0x8847,
	ETHERTYPE_PPP = 0x880b,
	GTP_EXTENSIONS_MAX = 8,
};

static enum step by_ethertype(struct reader *r, uint16_t type)
{
	r->type = type;
	return type == ETHERTYPE_TEB ? STEP_ETHERNET : STEP_ETHERTYPE;
}

/* Address, control and the protocol's first byte may be compressed away (RFC 1661, 6.5, 6.6). */
static enum step read_ppp(struct reader *r)
{
	struct cur look = r->c;
	uint16_t proto;

	if (cur_be16(&look) == 0xff03)
		r->c = look;
	proto = cur_u8(&r->c);
	if (!(proto & 1))
		proto = (uint16_t)(proto << 8 | cur_u8(&r->c));
	return proto == 0x0021 ? STEP_IP4 : proto == 0x0057 ? STEP_IP6 : STEP_NONE;
}

/* PPTP's GRE carries PPP (RFC 2637). Without a sequence number it only acknowledges. */
static enum step find_pptp(struct reader *r, uint16_t flags)
{
	struct cur start = r->c;
	enum step step;

	cur_skip(&r->c, 4u + (flags & 0x1000 ? 4u : 0) + (flags & 0x0080 ? 4u : 0));
	if (!(flags & 0x1000))
		return STEP_NONE;
	step = read_ppp(r);
	if (cur_ok(&r->c))
		return step;
	r->c = start;
	return STEP_NONE;
}

static enum step find_gre(struct reader *r)
{
	uint16_t flags = cur_be16(&r->c), type = cur_be16(&r->c);

	if (cur_ok(&r->c) && (flags & 7) == 1 && type == ETHERTYPE_PPP)
		return find_pptp(r, flags);
	if (flags & 7)
		reader_anomaly(r, FRAME_ANOMALY_GRE_VERSION);
	cur_skip(&r->c,
		(flags & 0xc000 ? 4u : 0) + (flags & 0x2000 ? 4u : 0) + (flags & 0x1000 ? 4u : 0));
	/* Version 0 without the source routes of RFC 1701, which RFC 2784 withdrew. */
	return flags & 0x4007 ? STEP_NONE : by_ethertype(r, type);
}

static enum step read_gre(struct reader *r)
{
	enum step step;

	if (r->p->is_fragment)
		return STEP_NONE;
	step = find_gre(r);
	if (!cur_ok(&r->c))
		reader_anomaly(r, FRAME_ANOMALY_GRE_SHORT);
	return step;
}

static enum step find_l2tp(struct reader *r)
{
	uint16_t flags = cur_be16(&r->c), len;

	if ((flags & 0x800f) != 2) /* control, or another version */
		return STEP_NONE;
	if (flags & 0x4000) {
		len = cur_be16(&r->c);
		cur_limit(&r->c, len > 4 ? len - 4u : 0);
	}
	cur_skip(&r->c, 4u + (flags & 0x0800 ? 4u : 0));
	if (flags & 0x0200) {
		len = cur_be16(&r->c);
		cur_skip(&r->c, len);
	}
	return read_ppp(r);
}

static enum step find_gtp(struct reader *r)
{
	uint16_t head = cur_be16(&r->c), len = cur_be16(&r->c);
	uint8_t next = 0;

	if ((head & 0xf0ff) != 0x30ff) /* version 1, user data */
		return STEP_NONE;
	cur_skip(&r->c, 4);
	cur_limit(&r->c, len);
	if (head & 0x0700) {
		cur_skip(&r->c, 3);
		next = cur_u8(&r->c);
	}
	for (unsigned n = 0; (head & 0x0400) && next != 0; n++) {
		size_t words = cur_u8(&r->c);

		if (words == 0 || n == GTP_EXTENSIONS_MAX)
			return STEP_NONE;
		cur_skip(&r->c, words * 4 - 2);
		next = cur_u8(&r->c);
	}
	return reader_by_nibble(r);
}

/* Authentication and origin indications may precede the packet (RFC 4380, 5.1.1). */
static enum step find_teredo(struct reader *r)
{
	struct cur c = r->c;
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
	return STEP_IP6;
}

/* Bits that a receiver is to ignore are ignored, but not the one that GPE gave a meaning to. */
static enum step find_vxlan(struct reader *r)
{
	uint32_t flags = cur_be32(&r->c);

	cur_skip(&r->c, 4);
	return (flags & 0x0c000000) == 0x08000000 ? STEP_ETHERNET : STEP_NONE;
}

static enum step find_vxlan_gpe(struct reader *r)
{
	uint32_t flags = cur_be32(&r->c);

	cur_skip(&r->c, 4);
	if (flags & 0x30000000) /* version */
		return STEP_NONE;
	if (!(flags & 0x04000000))
		return STEP_ETHERNET;
	switch (flags & 0xff) {
	case 1:
		return STEP_IP4;
	case 2:
		return STEP_IP6;
	case 3:
		return STEP_ETHERNET;
	case 5:
		return by_ethertype(r, ETHERTYPE_MPLS);
	}
	return STEP_NONE;
}

static enum step find_geneve(struct reader *r)
{
	uint16_t head = cur_be16(&r->c), type = cur_be16(&r->c);

	if (head & 0xc000) /* version */
		return STEP_NONE;
	cur_skip(&r->c, 4u + (head >> 8) * 4u);
	return by_ethertype(r, type);
}

static enum step find_by_proto(struct reader *r)
{
	r->tunnel = TUNNEL_SURE;
	switch (r->p->proto) {
	case IPPROTO_IPIP:
	case PROTO_KA9Q_IPIP:
		return STEP_IP4;
	case IPPROTO_IPV6:
		return STEP_IP6;
	case IPPROTO_GRE:
		return read_gre(r);
	case PROTO_ETHERIP:
		return cur_be16(&r->c) == 0x3000 ? STEP_ETHERNET : STEP_NONE;
	case IPPROTO_ETHERNET:
		return STEP_ETHERNET;
	case IPPROTO_MPLS: /* also Ethernet, with nothing that says so */
		r->tunnel = TUNNEL_GUESSED;
		return by_ethertype(r, ETHERTYPE_MPLS);
	case IPPROTO_ESP:
	case PROTO_MINIMAL:
	case IPPROTO_ENCAP:
	case IPPROTO_COMP:
	case PROTO_L2TP3:
		return STEP_NONE;
	}
	r->tunnel = TUNNEL_NONE;
	return STEP_NONE;
}

enum step reader_tunnel(struct reader *r)
{
	enum step step = find_by_proto(r);

	if (cur_ok(&r->c))
		reader_done(r);
	return cur_ok(&r->c) && !r->p->is_fragment ? step : STEP_NONE;
}

static enum step find_by_port(struct reader *r, uint16_t port)
{
	r->tunnel = TUNNEL_GUESSED;
	switch (port) {
	case PORT_L2TP:
		return find_l2tp(r);
	case PORT_GTP:
		return find_gtp(r);
	case PORT_TEREDO:
		return find_teredo(r);
	case PORT_ESP:
		return STEP_NONE;
	case PORT_GRE:
		return find_gre(r);
	case PORT_VXLAN:
	case PORT_VXLAN_LINUX:
		return find_vxlan(r);
	case PORT_VXLAN_GPE:
		return find_vxlan_gpe(r);
	case PORT_GENEVE:
		return find_geneve(r);
	case PORT_MPLS:
		return by_ethertype(r, ETHERTYPE_MPLS);
	}
	r->tunnel = TUNNEL_NONE;
	return STEP_NONE;
}

bool frame_tunnel_is_one_way(uint16_t port)
{
	switch (port) {
	case PORT_GTP:
	case PORT_GRE:
	case PORT_VXLAN:
	case PORT_VXLAN_LINUX:
	case PORT_VXLAN_GPE:
	case PORT_GENEVE:
	case PORT_MPLS:
		return true;
	}
	return false;
}

enum step reader_udp_tunnel(struct reader *r)
{
	enum step step = find_by_port(r, r->p->dport);

	if (r->tunnel == TUNNEL_NONE)
		step = find_by_port(r, r->p->sport);
	return cur_ok(&r->c) && !r->p->is_fragment ? step : STEP_NONE;
}
