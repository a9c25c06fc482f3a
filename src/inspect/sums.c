/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums of changed frames, from the change alone (RFC 1624): one that was wrong stays wrong. */
#include "inspect/inside.h"

enum { ICMP = 1, ICMP6 = 58 };

/* From an even offset of what the checksum covers. */
uint32_t sum_of(const uint8_t *bytes, uint32_t len)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	if (len % 2)
		sum += (uint32_t)bytes[len - 1] << 8;
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint32_t)sum;
}

static uint32_t field_of(const struct frame_packet *p)
{
	switch (p->proto) {
	case IP_PROTO_TCP:
		return p->l4_at + 16;
	case IP_PROTO_UDP:
		return p->l4_at + 6;
	case ICMP:
	case ICMP6:
		return p->l4_at + 2;
	default:
		return 0;
	}
}

bool sum_known(const struct frame_packet *p)
{
	return p->has_transport && !p->is_fragment && field_of(p) > 0;
}

void sum_update(uint8_t *frame, const struct frame_packet *p, uint32_t before, uint32_t after)
{
	uint8_t *field = frame + field_of(p);
	uint32_t sum = (uint32_t)field[0] << 8 | field[1];

	if (p->proto == IP_PROTO_UDP && sum == 0)
		return; /* RFC 768: there is none */
	sum = (~sum & UINT16_MAX) + (~before & UINT16_MAX) + after;
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = ~sum & UINT16_MAX;
	if (p->proto == IP_PROTO_UDP && sum == 0)
		sum = UINT16_MAX;
	field[0] = (uint8_t)(sum >> 8);
	field[1] = (uint8_t)sum;
}
