/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/port_offload.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cur.h"
#include "base/inet_sum.h"

enum {
	TAGS_MAX = 4,
	EXT_MAX = 8,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	SCTP_CHECKSUM_AT = 8,
	TCP_FIN = 0x01,
	TCP_PSH = 0x08,
	TCP_CWR = 0x80,
};

static void put16(uint8_t *at, uint16_t n)
{
	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
}

static void put32(uint8_t *at, uint32_t n)
{
	put16(at, (uint16_t)(n >> 16));
	put16(at + 2, (uint16_t)n);
}

/* CRC32c, reflected, bit by bit a nibble at a time: SCTP over an offload is rare. */
static uint32_t crc32c(const uint8_t *data, size_t len)
{
	static const uint32_t table[16] = {
		0x00000000,
		0x105ec76f,
		0x20bd8ede,
		0x30e349b1,
		0x417b1dbc,
		0x5125dad3,
		0x61c69362,
		0x7198540d,
		0x82f63b78,
		0x92a8fc17,
		0xa24bb5a6,
		0xb21572c9,
		0xc38d26c4,
		0xd3d3e1ab,
		0xe330a81a,
		0xf36e6f75,
	};
	uint32_t crc = ~0U;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

static void complete_sctp(uint8_t *header, size_t len)
{
	uint8_t *at = header + SCTP_CHECKSUM_AT;
	uint32_t crc;

	memset(at, 0, 4);
	crc = crc32c(header, len);
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(crc >> 8 * i);
}

int port_checksum_complete(uint8_t *data, size_t len, size_t start, size_t offset)
{
	size_t width = offset == SCTP_CHECKSUM_AT ? 4 : 2;
	uint16_t sum;

	if (start > len || offset > len - start || width > len - start - offset)
		return -EBADMSG;
	if (width == 4) {
		complete_sctp(data + start, len - start);
		return 0;
	}
	sum = (uint16_t)~inet_sum(data + start, len - start);
	/* Zero would mean "no checksum" in UDP (RFC 768). */
	put16(data + start + offset, sum ? sum : 0xffff);
	return 0;
}

/* Skips the Ethernet header and its tags; the ethertype. */
static uint16_t read_ethernet(struct cur *c)
{
	uint16_t type;

	cur_skip(c, 12);
	type = cur_be16(c);
	for (int i = 0; i < TAGS_MAX && (type == 0x8100 || type == 0x88a8 || type == 0x9100); i++) {
		cur_skip(c, 2);
		type = cur_be16(c);
	}
	return type;
}

/* Leaves the cursor at the transport header; its protocol, -1 for a fragment. */
static int read_ip4(struct cur *c, uint16_t *ret_id)
{
	uint8_t first = cur_u8(c);
	uint16_t fragment;
	uint8_t proto;

	cur_skip(c, 3);
	*ret_id = cur_be16(c);
	fragment = cur_be16(c);
	cur_skip(c, 1);
	proto = cur_u8(c);
	cur_skip(c, 10);
	if (first >> 4 != 4 || (first & 15) < 5 || fragment & 0x3fff)
		return -1;
	cur_skip(c, (size_t)((first & 15) - 5) * 4);
	return proto;
}

static int read_ip6(struct cur *c)
{
	uint8_t first = cur_u8(c);
	uint8_t proto;

	cur_skip(c, 5);
	proto = cur_u8(c);
	cur_skip(c, 33);
	/* Hop-by-hop and destination options (RFC 8200): a segment repeats them. Not a routing header:
	 * behind one the checksum is for another destination than the header's. */
	for (int i = 0; i < EXT_MAX && (proto == 0 || proto == 60); i++) {
		proto = cur_u8(c);
		cur_skip(c, (size_t)cur_u8(c) * 8 + 6);
	}
	return first >> 4 == 6 ? proto : -1;
}

/* Reads the transport header; false when it is not one that can be segmented. */
static bool read_transport(struct cur *c, int proto, struct port_segmenter *s)
{
	uint8_t words;

	if (proto != (s->gso == PORT_GSO_UDP ? PROTO_UDP : PROTO_TCP))
		return false;
	if (proto == PROTO_UDP) {
		cur_skip(c, 8);
		return true;
	}
	cur_skip(c, 4);
	s->seq = cur_be32(c);
	cur_skip(c, 4);
	words = cur_u8(c) >> 4;
	cur_skip(c, 7);
	if (words < 5)
		return false;
	cur_skip(c, (size_t)(words - 5) * 4);
	return true;
}

static bool version_fits(enum port_gso gso, uint16_t ethertype)
{
	if (ethertype == 0x0800)
		return gso != PORT_GSO_TCP6;
	return ethertype == 0x86dd && gso != PORT_GSO_TCP4;
}

int port_segment_begin(const uint8_t *data, size_t len, enum port_gso gso, size_t start,
	size_t size, size_t frame_max, struct port_segmenter *ret_segmenter)
{
	struct port_segmenter s = { .data = data, .len = len, .gso = gso, .size = size };
	struct cur c = cur_make(data, len);
	uint16_t ethertype = read_ethernet(&c);
	int proto;

	if (!version_fits(gso, ethertype))
		return -EBADMSG;
	s.version = ethertype == 0x0800 ? 4 : 6;
	s.l3 = len - cur_left(&c);
	proto = s.version == 4 ? read_ip4(&c, &s.id) : read_ip6(&c);
	s.l4 = len - cur_left(&c);
	if (s.l4 != start || !read_transport(&c, proto, &s) || !cur_ok(&c) || !cur_left(&c) ||
		!size)
		return -EBADMSG;
	s.payload = len - cur_left(&c);
	if (s.payload > frame_max ||
		(cur_left(&c) < size ? cur_left(&c) : size) > frame_max - s.payload)
		return -EMSGSIZE;
	s.at = s.payload;
	*ret_segmenter = s;
	return 0;
}

static void patch_ip(struct port_segmenter *s, uint8_t *frame, size_t frame_len)
{
	uint8_t *ip = frame + s->l3;

	if (s->version == 6) {
		put16(ip + 4, (uint16_t)(frame_len - s->l3 - 40));
		return;
	}
	put16(ip + 2, (uint16_t)(frame_len - s->l3));
	put16(ip + 4, s->id++);
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~inet_sum(ip, s->l4 - s->l3));
}

static void patch_tcp(struct port_segmenter *s, uint8_t *tcp, bool first, bool last)
{
	put32(tcp + 4, s->seq);
	if (!first)
		tcp[13] &= (uint8_t)~TCP_CWR;
	if (!last)
		tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
}

/* Addresses, protocol and length (RFC 9293, 3.1; RFC 8200, 8.1), into the checksum field. */
static void patch_pseudo(
	const struct port_segmenter *s, uint8_t *frame, size_t frame_len, size_t field)
{
	const uint8_t *ip = frame + s->l3;
	uint8_t tail[4] = { 0, s->gso == PORT_GSO_UDP ? PROTO_UDP : PROTO_TCP };
	uint32_t sum;

	put16(tail + 2, (uint16_t)(frame_len - s->l4));
	sum = inet_sum(tail, 4) + (s->version == 4 ? inet_sum(ip + 12, 8) : inet_sum(ip + 8, 32));
	put16(frame + s->l4 + field, inet_sum_fold(sum));
}

size_t port_segment_next(struct port_segmenter *s, uint8_t *ret_frame)
{
	size_t left = s->len - s->at;
	size_t take = left < s->size ? left : s->size;
	size_t frame_len = s->payload + take;
	size_t field = s->gso == PORT_GSO_UDP ? 6 : 16;

	if (!left)
		return 0;
	memcpy(ret_frame, s->data, s->payload);
	memcpy(ret_frame + s->payload, s->data + s->at, take);
	patch_ip(s, ret_frame, frame_len);
	if (s->gso == PORT_GSO_UDP)
		put16(ret_frame + s->l4 + 4, (uint16_t)(frame_len - s->l4));
	else
		patch_tcp(s, ret_frame + s->l4, s->at == s->payload, take == left);
	patch_pseudo(s, ret_frame, frame_len, field);
	port_checksum_complete(ret_frame, frame_len, s->l4, field);
	s->seq += (uint32_t)take;
	s->at += take;
	return frame_len;
}
