/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums of changed frames, from the change alone (RFC 1624): one that was wrong stays wrong. */
#include <netinet/in.h>

#include "inspect/inside.h"

static uint32_t field_of(const struct frame_packet *p)
{
	switch (p->proto) {
	case IPPROTO_TCP:
		return p->l4_at + 16;
	case IPPROTO_UDP:
		return p->l4_at + 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
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

	if (p->proto == IPPROTO_UDP && sum == 0)
		return; /* RFC 768: there is none */
	sum = (~sum & UINT16_MAX) + (~before & UINT16_MAX) + after;
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = ~sum & UINT16_MAX;
	if (p->proto == IPPROTO_UDP && sum == 0)
		sum = UINT16_MAX;
	field[0] = (uint8_t)(sum >> 8);
	field[1] = (uint8_t)sum;
}
