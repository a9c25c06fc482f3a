/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4 (RFC 791) and IPv6 (RFC 8200) headers, options, extension headers, fragments. */
#include "frame/reader.h"

enum {
	IP4_HEADER_MIN = 20,
	IP4_MORE = 0x2000,
	IP4_OFFSET = 0x1fff,
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_LSRR = 131,
	OPTION_SSRR = 137,
	EXT_HOP_BY_HOP = 0,
	EXT_ROUTING = 43,
	EXT_FRAGMENT = 44,
	EXT_AH = 51,
	EXT_DESTINATION = 60,
};

static void set_fragment(struct reader *r, uint16_t offset, bool more, uint32_t id)
{
	struct frame_packet *p = r->p;
	size_t len = cur_left(&r->c);

	p->fragment_id = id;
	if (offset == 0 && !more)
		return;
	p->is_fragment = true;
	p->fragment_offset = offset;
	p->fragment_len = (uint16_t)len;
	p->first_fragment = offset == 0;
	p->last_fragment = !more;
	if (offset + len > 65535)
		reader_anomaly(r, FRAME_ANOMALY_FRAGMENT_RANGE);
	if (more && len % 8)
		reader_anomaly(r, FRAME_ANOMALY_FRAGMENT_LENGTH);
}

static void read_options(struct reader *r, struct cur options)
{
	while (cur_left(&options)) {
		uint8_t type = cur_u8(&options), len;

		if (type == OPTION_END)
			return;
		if (type == OPTION_NOP)
			continue;
		len = cur_u8(&options);
		if (len < 2 || len - 2u > cur_left(&options)) {
			reader_anomaly(r, FRAME_ANOMALY_IP4_OPTION);
			return;
		}
		if (type == OPTION_LSRR || type == OPTION_SSRR)
			reader_anomaly(r, FRAME_ANOMALY_IP4_SOURCE_ROUTE);
		cur_skip(&options, len - 2u);
	}
}

/* RFC 4302: next header, length in 4-byte units minus 2, for both versions. */
static bool skip_ah(struct reader *r)
{
	uint8_t next = cur_u8(&r->c);
	size_t len = (cur_u8(&r->c) + 2u) * 4u;

	cur_skip(&r->c, len - 2);
	if (!cur_ok(&r->c)) {
		reader_anomaly(r, FRAME_ANOMALY_AH_SHORT);
		return false;
	}
	r->p->proto = next;
	return true;
}

static void check_addresses(struct reader *r)
{
	if (ip_equal(&r->p->src, &r->p->dst))
		reader_anomaly(r, FRAME_ANOMALY_LAND);
}

/* Narrows the cursor to what the header says is the packet, so that padding is not read. */
static void narrow(struct reader *r, size_t len, enum frame_anomaly cut)
{
	if (len > cur_left(&r->c))
		reader_anomaly(r, cut);
	cur_limit(&r->c, len);
}

static enum step read_ip4_rest(
	struct reader *r, uint8_t header, uint16_t total, uint16_t fragment, uint16_t id)
{
	struct frame_packet *p = r->p;

	if (header < IP4_HEADER_MIN || header > total) {
		reader_anomaly(r, header < IP4_HEADER_MIN ? FRAME_ANOMALY_IP4_HEADER
							  : FRAME_ANOMALY_IP4_TOTAL);
		p->end_at = reader_at(r);
		return STEP_NONE;
	}
	narrow(r, total - (size_t)IP4_HEADER_MIN, FRAME_ANOMALY_IP4_CUT);
	p->end_at = reader_at(r) + (uint32_t)cur_left(&r->c);
	if (header > IP4_HEADER_MIN) {
		struct cur options = cur_sub(&r->c, header - (size_t)IP4_HEADER_MIN);

		if (!cur_ok(&options)) {
			reader_anomaly(r, FRAME_ANOMALY_IP4_HEADER);
			return STEP_NONE;
		}
		read_options(r, options);
	}
	p->l4_at = p->payload_at = reader_at(r);
	if (fragment & (IP4_MORE | IP4_OFFSET)) {
		set_fragment(r, (uint16_t)((fragment & IP4_OFFSET) * 8), fragment & IP4_MORE, id);
		if (!p->first_fragment)
			return STEP_NONE;
	}
	p->fragment_id = id;
	if (p->proto == EXT_AH && !skip_ah(r))
		return STEP_NONE;
	return STEP_TRANSPORT;
}

enum step reader_ip4(struct reader *r)
{
	struct frame_packet *p = r->p;
	uint32_t l3_at = reader_at(r);
	struct cur h = cur_sub(&r->c, IP4_HEADER_MIN);
	uint8_t first, v4[8];
	uint16_t total, id, fragment;

	if (!cur_ok(&h)) {
		reader_anomaly(r, FRAME_ANOMALY_IP4_SHORT);
		return STEP_NONE;
	}
	first = cur_u8(&h);
	if (first >> 4 != 4) {
		reader_anomaly(r, FRAME_ANOMALY_IP4_VERSION);
		return STEP_NONE;
	}
	cur_skip(&h, 1);
	total = cur_be16(&h);
	id = cur_be16(&h);
	fragment = cur_be16(&h);
	p->ttl = cur_u8(&h);
	p->proto = cur_u8(&h);
	cur_skip(&h, 2);
	cur_copy(&h, v4, sizeof(v4));
	p->version = 4;
	p->l3_at = l3_at;
	p->src = ip_from_v4(v4);
	p->dst = ip_from_v4(v4 + 4);
	check_addresses(r);
	return read_ip4_rest(r, (uint8_t)((first & 15) * 4), total, fragment, id);
}

/* One extension header of the common form; what follows it is in r->p->proto then. */
static bool skip_extension(struct reader *r, uint8_t kind)
{
	struct cur body;
	uint8_t next = cur_u8(&r->c);
	size_t len = cur_u8(&r->c) * 8u + 6u;

	body = cur_sub(&r->c, len);
	if (!cur_ok(&body)) {
		reader_anomaly(r, FRAME_ANOMALY_IP6_EXTENSION);
		return false;
	}
	if (kind == EXT_ROUTING) {
		cur_skip(&body, 1);
		if (cur_u8(&body) != 0)
			reader_anomaly(r, FRAME_ANOMALY_IP6_ROUTING);
	}
	r->p->proto = next;
	return true;
}

static bool read_fragment_header(struct reader *r)
{
	struct cur h = cur_sub(&r->c, 8);
	uint8_t next = cur_u8(&h);
	uint16_t field;

	if (!cur_ok(&h)) {
		reader_anomaly(r, FRAME_ANOMALY_IP6_EXTENSION);
		return false;
	}
	cur_skip(&h, 1);
	field = cur_be16(&h);
	set_fragment(r, field & 0xfff8, field & 1, cur_be32(&h));
	r->p->proto = next;
	return true;
}

static enum step read_chain(struct reader *r)
{
	struct frame_packet *p = r->p;

	for (unsigned n = 0; n <= FRAME_EXT_MAX; n++) {
		bool ok;

		switch (p->proto) {
		case EXT_HOP_BY_HOP:
			if (n > 0)
				reader_anomaly(r, FRAME_ANOMALY_IP6_ORDER);
			__attribute__((fallthrough));
		case EXT_ROUTING:
		case EXT_DESTINATION:
			ok = skip_extension(r, p->proto);
			break;
		case EXT_AH:
			ok = skip_ah(r);
			break;
		case EXT_FRAGMENT:
			ok = read_fragment_header(r);
			break;
		default:
			p->l4_at = p->payload_at = reader_at(r);
			return STEP_TRANSPORT;
		}
		p->l4_at = p->payload_at = reader_at(r);
		if (!ok || (p->is_fragment && !p->first_fragment))
			return STEP_NONE;
	}
	reader_anomaly(r, FRAME_ANOMALY_IP6_CHAIN);
	return STEP_NONE;
}

enum step reader_ip6(struct reader *r)
{
	struct frame_packet *p = r->p;
	uint32_t l3_at = reader_at(r);
	struct cur h = cur_sub(&r->c, 40);
	uint16_t len;

	if (!cur_ok(&h)) {
		reader_anomaly(r, FRAME_ANOMALY_IP6_SHORT);
		return STEP_NONE;
	}
	if (cur_be32(&h) >> 28 != 6) {
		reader_anomaly(r, FRAME_ANOMALY_IP6_VERSION);
		return STEP_NONE;
	}
	len = cur_be16(&h);
	p->proto = cur_u8(&h);
	p->ttl = cur_u8(&h);
	cur_copy(&h, &p->src, sizeof(p->src));
	cur_copy(&h, &p->dst, sizeof(p->dst));
	p->version = 6;
	p->l3_at = l3_at;
	if (len == 0 && p->proto == EXT_HOP_BY_HOP)
		reader_anomaly(r, FRAME_ANOMALY_IP6_JUMBO);
	if (ip_is_v4(&p->src) || ip_is_v4(&p->dst))
		reader_anomaly(r, FRAME_ANOMALY_ADDRESS_MAPPED);
	check_addresses(r);
	narrow(r, len, FRAME_ANOMALY_IP6_CUT);
	p->end_at = reader_at(r) + (uint32_t)cur_left(&r->c);
	return read_chain(r);
}
