/* SPDX-License-Identifier: Apache-2.0 */
/* Link headers that only captures have: loopback, Linux cooked, PPP, HDLC, Wi-Fi. */
#include "frame/reader.h"

/* Linux cooked capture: v1 has the protocol at its end, v2 at its start. */
static enum step read_cooked(struct reader *r, bool v2)
{
	struct frame *f = r->f;
	struct cur h = cur_sub(&r->c, v2 ? 20 : 16);
	uint16_t type = 0;
	size_t address;

	if (!cur_ok(&h)) {
		reader_anomaly(r, FRAME_ANOMALY_LINK_SHORT);
		return STEP_NONE;
	}
	if (v2) {
		type = cur_be16(&h);
		cur_skip(&h, 9);
		address = cur_u8(&h);
	} else {
		cur_skip(&h, 4);
		address = cur_be16(&h);
	}
	if (address == sizeof(f->src_mac)) {
		cur_copy(&h, &f->src_mac, sizeof(f->src_mac));
		cur_skip(&h, 2);
	} else {
		cur_skip(&h, 8);
	}
	if (!v2)
		type = cur_be16(&h);
	r->type = f->ethertype = reader_tags(r, type, true);
	f->l3_at = reader_at(r);
	return STEP_ETHERTYPE;
}

/* AF_INET is 2 everywhere; AF_INET6 differs by system: 10, 24, 28, 30. */
static enum step read_family(struct reader *r, enum frame_link link)
{
	struct cur look = r->c;
	uint32_t family = cur_be32(&r->c);

	if (link == FRAME_LINK_NULL && family > 0xffff)
		family = cur_le32(&look);
	r->f->l3_at = reader_at(r);
	if (cur_ok(&r->c) && family == 2)
		return STEP_IP4;
	if (cur_ok(&r->c) && (family == 10 || family == 24 || family == 28 || family == 30))
		return STEP_IP6;
	reader_anomaly(r, cur_ok(&r->c) ? FRAME_ANOMALY_LINK_FAMILY : FRAME_ANOMALY_LINK_SHORT);
	return STEP_NONE;
}

static enum step read_raw(struct reader *r)
{
	enum step step = reader_by_nibble(r);

	if (step == STEP_NONE)
		reader_anomaly(
			r, cur_left(&r->c) ? FRAME_ANOMALY_LINK_FAMILY : FRAME_ANOMALY_LINK_SHORT);
	return step;
}

/* What an Ethernet type behind the header says; 0: it holds no packet, as LCP. */
static enum step by_ethertype(struct reader *r, const struct cur *header, uint16_t type)
{
	if (!cur_ok(header)) {
		reader_anomaly(r, FRAME_ANOMALY_LINK_SHORT);
		return STEP_NONE;
	}
	r->type = r->f->ethertype = type;
	r->f->l3_at = reader_at(r);
	return STEP_ETHERTYPE;
}

/* RFC 1661 section 2: a protocol field of one byte when that is odd (compressed). */
static enum step read_ppp(struct reader *r)
{
	uint16_t proto = cur_u8(&r->c);

	if (!(proto & 1))
		proto = (uint16_t)(proto << 8 | cur_u8(&r->c));
	return by_ethertype(r, &r->c,
		proto == 0x0021   ? ETHERTYPE_IP4
		: proto == 0x0057 ? ETHERTYPE_IP6
				  : 0);
}

/* RFC 1662 section 3.1: address and control, which may be left out (RFC 1661 section 6.6); or Cisco's, with an
 * Ethernet type. */
static enum step read_hdlc(struct reader *r)
{
	struct cur look = r->c;
	uint16_t head = cur_be16(&look);

	if (head == 0xff03) {
		r->c = look;
		return read_ppp(r);
	}
	if (head != 0x0f00 && head != 0x8f00)
		return read_ppp(r);
	head = cur_be16(&look);
	r->c = look;
	return by_ethertype(r, &look, head);
}

enum {
	WIFI_TYPE = 0x0c,
	WIFI_DATA = 8,
	WIFI_NULL = 0x40,
	WIFI_QOS = 0x80,
	WIFI_TO_DS = 0x100,
	WIFI_FROM_DS = 0x200,
	WIFI_PROTECTED = 0x4000,
	WIFI_ORDER = 0x8000,
	WIFI_QOS_AMSDU = 0x80
};

/* IEEE 802.11-2016 section 9.2.4: the addresses that are the ends' of Ethernet. */
static void read_wifi_addresses(struct reader *r, struct cur *c, uint16_t control)
{
	struct mac address[4] = { 0 };
	unsigned to = control & WIFI_TO_DS ? 2 : 0, from = control & WIFI_FROM_DS ? 2 : 1;

	for (unsigned i = 0; i < 3; i++)
		cur_copy(c, &address[i], sizeof(address[i]));
	cur_skip(c, 2); /* sequence control */
	if ((control & WIFI_TO_DS) && (control & WIFI_FROM_DS)) {
		cur_copy(c, &address[3], sizeof(address[3]));
		from = 3;
	}
	r->f->dst_mac = address[to];
	r->f->src_mac = address[from];
}

/* A data frame that is not encrypted holds LLC with SNAP (RFC 1042), or some in one, which are not read. */
static enum step read_wifi(struct reader *r)
{
	uint16_t control = cur_le16(&r->c), type, qos = 0;

	cur_skip(&r->c, 2);
	if (cur_ok(&r->c) &&
		((control & WIFI_TYPE) != WIFI_DATA || (control & (WIFI_NULL | WIFI_PROTECTED))))
		return STEP_NONE;
	read_wifi_addresses(r, &r->c, control);
	if (control & WIFI_QOS)
		qos = cur_le16(&r->c);
	if ((control & WIFI_QOS) && (control & WIFI_ORDER))
		cur_skip(&r->c, 4);
	if (qos & WIFI_QOS_AMSDU)
		return STEP_NONE;
	if (cur_be16(&r->c) != 0xaaaa && cur_ok(&r->c))
		return STEP_NONE;
	cur_skip(&r->c, 4);
	type = cur_be16(&r->c);
	return by_ethertype(r, &r->c, type);
}

/* radiotap.org: version, pad, length of all of it, little-endian. */
static enum step read_radiotap(struct reader *r)
{
	struct cur look = r->c;

	cur_skip(&look, 2);
	cur_skip(&r->c, cur_le16(&look));
	return read_wifi(r);
}

enum step reader_link(struct reader *r, enum frame_link link)
{
	enum step step;

	switch (link) {
	case FRAME_LINK_COOKED:
		return read_cooked(r, false);
	case FRAME_LINK_COOKED2:
		return read_cooked(r, true);
	case FRAME_LINK_HDLC:
		return read_hdlc(r);
	case FRAME_LINK_WIFI:
		return read_wifi(r);
	case FRAME_LINK_RADIOTAP:
		return read_radiotap(r);
	case FRAME_LINK_RAW_IP:
		step = read_raw(r);
		break;
	default:
		step = read_family(r, link);
		break;
	}
	r->f->ethertype = step == STEP_IP4 ? ETHERTYPE_IP4 : step == STEP_IP6 ? ETHERTYPE_IP6 : 0;
	return step;
}
