/* SPDX-License-Identifier: Apache-2.0 */
/* Ethernet, tags, ARP, and the way from packet to packet through tunnels. */
#include "frame/frame.h"

#include <assert.h>

#include "frame/reader.h"

enum {
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_MPLS = 0x8847,
	ETHERTYPE_MPLS_MULTICAST = 0x8848,
	ETHERTYPE_PPPOE = 0x8864,
	MPLS_LABELS_MAX = 8,
	STEPS_MAX = 5 * FRAME_DEPTH_MAX, /* link, Ethernet, type, IP, transport of each packet */
};

static_assert(FRAME_ANOMALY_COUNT <= 64, "anomalies are bits of 64");

static bool is_tag(uint16_t type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

uint16_t reader_tags(struct reader *r, uint16_t type, bool outer)
{
	for (unsigned n = 0; is_tag(type); n++) {
		uint16_t tag;

		if (n == FRAME_TAGS_MAX) {
			reader_anomaly(r, FRAME_ANOMALY_TAG_DEPTH);
			return type;
		}
		tag = cur_be16(&r->c);
		type = cur_be16(&r->c);
		if (!cur_ok(&r->c)) {
			reader_anomaly(r, FRAME_ANOMALY_TAG_SHORT);
			return 0;
		}
		if (outer)
			r->f->tag[r->f->n_tags++] = tag;
	}
	return type;
}

static void read_arp(struct reader *r)
{
	struct frame *f = r->f;
	struct cur c = cur_sub(&r->c, 28);
	uint8_t v4[4];
	struct mac target;

	if (!cur_ok(&c)) {
		reader_anomaly(r, FRAME_ANOMALY_ARP_SHORT);
		return;
	}
	if (cur_be32(&c) != 0x00010800 || cur_be16(&c) != 0x0604) {
		reader_anomaly(r, FRAME_ANOMALY_ARP_FORM);
		return;
	}
	f->arp_op = cur_be16(&c);
	cur_copy(&c, &f->arp_sender_mac, sizeof(f->arp_sender_mac));
	cur_copy(&c, v4, sizeof(v4));
	f->arp_sender = ip_from_v4(v4);
	cur_copy(&c, &target, sizeof(target));
	cur_copy(&c, v4, sizeof(v4));
	f->arp_target = ip_from_v4(v4);
	f->is_arp = true;
}

/* 802.2 with SNAP can carry IP too (RFC 1042). */
static enum step read_llc(struct reader *r)
{
	struct cur c;

	if (r->type > cur_left(&r->c))
		reader_anomaly(r, FRAME_ANOMALY_LLC_LENGTH);
	cur_limit(&r->c, r->type);
	c = r->c;
	if (cur_be64(&c) >> 16 != 0xaaaa03000000)
		return STEP_NONE;
	cur_skip(&r->c, 6);
	r->type = cur_be16(&r->c);
	return r->type >= FRAME_ETHERTYPE_MIN ? STEP_ETHERTYPE : STEP_NONE;
}

enum step reader_by_nibble(const struct reader *r)
{
	struct cur look = r->c;
	uint8_t version = cur_u8(&look) >> 4;

	return version == 4 ? STEP_IP4 : version == 6 ? STEP_IP6 : STEP_NONE;
}

/* RFC 3032: no type after the last label; IP is told by its version. */
static enum step read_mpls(struct reader *r)
{
	for (unsigned n = 0; n < MPLS_LABELS_MAX; n++) {
		uint32_t label = cur_be32(&r->c);

		if (!cur_ok(&r->c))
			break;
		if (label & 0x100)
			return reader_by_nibble(r);
	}
	reader_anomaly(r, FRAME_ANOMALY_MPLS_STACK);
	return STEP_NONE;
}

static enum step read_pppoe(struct reader *r)
{
	uint32_t head = cur_be32(&r->c);
	uint16_t len = cur_be16(&r->c), proto;

	if (!cur_ok(&r->c) || head >> 16 != 0x1100 || len < 2 || len > cur_left(&r->c)) {
		reader_anomaly(r, FRAME_ANOMALY_PPPOE_SHORT);
		return STEP_NONE;
	}
	cur_limit(&r->c, len);
	proto = cur_be16(&r->c);
	return proto == 0x0021 ? STEP_IP4 : proto == 0x0057 ? STEP_IP6 : STEP_NONE;
}

static enum step read_ethertype(struct reader *r)
{
	switch (r->type) {
	case ETHERTYPE_IP4:
		return STEP_IP4;
	case ETHERTYPE_IP6:
		return STEP_IP6;
	case ETHERTYPE_ARP:
		if (r->f->n_packets == 0)
			read_arp(r);
		return STEP_NONE;
	case ETHERTYPE_MPLS:
	case ETHERTYPE_MPLS_MULTICAST:
		return read_mpls(r);
	case ETHERTYPE_PPPOE:
		return read_pppoe(r);
	}
	return STEP_NONE;
}

static enum step read_inner_ethernet(struct reader *r)
{
	cur_skip(&r->c, 12);
	r->type = cur_be16(&r->c);
	if (!cur_ok(&r->c)) {
		reader_anomaly(r, FRAME_ANOMALY_VXLAN_SHORT);
		return STEP_NONE;
	}
	r->type = reader_tags(r, r->type, false);
	return STEP_ETHERTYPE;
}

/* Is there an IP header that a receiver would accept? In a frame that is cut off, of any length. */
static bool looks_like_ip(const struct reader *r, enum step step)
{
	const uint64_t cut =
		(uint64_t)1 << FRAME_ANOMALY_IP4_CUT | (uint64_t)1 << FRAME_ANOMALY_IP6_CUT;
	struct cur c = r->c;
	size_t left = r->f->anomalies & cut ? SIZE_MAX : cur_left(&c), len;
	uint32_t head = cur_be32(&c), header = (head >> 24 & 15) * 4;

	if (step == STEP_IP4) {
		cur_skip(&c, 16);
		return cur_ok(&c) && head >> 28 == 4 && header >= 20 && (head & 0xffff) >= header &&
		       (head & 0xffff) <= left;
	}
	len = cur_be16(&c) + (size_t)40;
	cur_skip(&c, 34);
	return cur_ok(&c) && head >> 28 == 6 && len <= left;
}

static enum step read_packet(struct reader *r, enum step step)
{
	struct frame *f = r->f;

	if (r->tunnel == TUNNEL_GUESSED) {
		if (!looks_like_ip(r, step))
			return STEP_NONE;
		r->tunnel = TUNNEL_SURE;
	}
	if (f->n_packets == FRAME_DEPTH_MAX) {
		reader_anomaly(r, FRAME_ANOMALY_TUNNEL_DEPTH);
		return STEP_NONE;
	}
	r->p = &f->packet[f->n_packets];
	*r->p = (struct frame_packet){ 0 };
	f->n_packets++;
	step = step == STEP_IP4 ? reader_ip4(r) : reader_ip6(r);
	if (r->p->version == 0)
		f->n_packets--;
	else
		r->tunnel = TUNNEL_NONE;
	return step;
}

static void read_packets(struct reader *r, enum step step)
{
	for (unsigned n = 0; step != STEP_NONE; n++) {
		if (n == STEPS_MAX) {
			reader_anomaly(r, FRAME_ANOMALY_TUNNEL_DEPTH);
			return;
		}
		switch (step) {
		case STEP_ETHERTYPE:
			step = read_ethertype(r);
			break;
		case STEP_ETHERNET:
			step = read_inner_ethernet(r);
			break;
		case STEP_IP4:
		case STEP_IP6:
			step = read_packet(r, step);
			break;
		case STEP_TRANSPORT:
			step = reader_transport(r);
			break;
		case STEP_NONE:
			break;
		}
	}
}

static enum step read_ethernet(struct reader *r)
{
	struct frame *f = r->f;
	struct cur h = cur_sub(&r->c, 14);

	if (!cur_ok(&h)) {
		reader_anomaly(r, FRAME_ANOMALY_ETHERNET_SHORT);
		return STEP_NONE;
	}
	cur_copy(&h, &f->dst_mac, sizeof(f->dst_mac));
	cur_copy(&h, &f->src_mac, sizeof(f->src_mac));
	r->type = f->ethertype = reader_tags(r, cur_be16(&h), true);
	f->l3_at = reader_at(r);
	return r->type < FRAME_ETHERTYPE_MIN ? read_llc(r) : STEP_ETHERTYPE;
}

void frame_parse(const uint8_t *data, uint32_t len, enum frame_link link, struct frame *ret_frame)
{
	struct reader r = { .f = ret_frame, .c = cur_make(data, len) };

	memset(ret_frame, 0, offsetof(struct frame, packet));
	ret_frame->data = data;
	ret_frame->len = ret_frame->wire_len = len;
	read_packets(&r, link == FRAME_LINK_ETHERNET ? read_ethernet(&r) : reader_link(&r, link));
	ret_frame->opaque_tunnel = r.tunnel != TUNNEL_NONE;
}

const char *frame_anomaly_name(enum frame_anomaly anomaly)
{
	static const char *const names[FRAME_ANOMALY_COUNT] = {
		[FRAME_ANOMALY_NONE] = "none",
#define ANOMALY(id, name, text) [FRAME_ANOMALY_##id] = name,
#include "frame/anomaly.def"
#undef ANOMALY
	};

	return names[anomaly < FRAME_ANOMALY_COUNT ? anomaly : FRAME_ANOMALY_NONE];
}
