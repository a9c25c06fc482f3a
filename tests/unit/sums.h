/* SPDX-License-Identifier: Apache-2.0 */
/* sums - checksums of a test frame's outer packet, filled in and checked, by other code than
 * src/. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "frame/frame.h"

/* RFC 1071, byte by byte. */
__attribute__((unused)) static uint16_t sums_of(const uint8_t *at, size_t n, uint64_t more)
{
	for (size_t i = 0; i < n; i++)
		more += (uint64_t)at[i] << (i % 2 ? 0 : 8);
	while (more > 0xffff)
		more = more % 0x10000 + more / 0x10000;
	return (uint16_t)~more;
}

__attribute__((unused)) static uint64_t sums_pseudo(const struct frame_packet *p, size_t n)
{
	unsigned skip = p->version == 4 ? 12 : 0;
	uint64_t sum = p->proto + n;

	if (p->version == 4 && p->proto == 1)
		return 0;
	for (unsigned i = skip; i < 16; i++)
		sum += (uint64_t)(p->src.byte[i] + p->dst.byte[i]) << (i % 2 ? 0 : 8);
	return sum;
}

/* Where the transport's checksum is, from its header; 0: it has none that is known here. */
__attribute__((unused)) static unsigned sums_field(const struct frame_packet *p)
{
	if (!p->has_transport || p->is_fragment)
		return 0;
	return p->proto == 6 ? 16 : p->proto == 17 ? 6 : p->proto == 1 || p->proto == 58 ? 2 : 0;
}

/* 0 where all checksums are right. */
__attribute__((unused)) static unsigned sums_wrong(const struct frame *f)
{
	const struct frame_packet *p = &f->packet[0];
	size_t n = p->end_at - p->l4_at;
	unsigned wrong = 0;

	if (p->version == 4 && sums_of(f->data + p->l3_at, p->l4_at - p->l3_at, 0) != 0)
		wrong |= 1;
	if (sums_field(p) && sums_of(f->data + p->l4_at, n, sums_pseudo(p, n)) != 0)
		wrong |= 2;
	return wrong;
}

__attribute__((unused)) static void sums_put(
	uint8_t *field, const uint8_t *at, size_t n, uint64_t more)
{
	uint16_t sum;

	field[0] = field[1] = 0;
	sum = sums_of(at, n, more);
	field[0] = (uint8_t)(sum >> 8);
	field[1] = (uint8_t)(sum & 0xff);
}

/* Fills them in, in the frame at `data`. */
__attribute__((unused)) static void sums_fix(uint8_t *data, uint32_t len)
{
	struct frame f;
	const struct frame_packet *p = &f.packet[0];
	size_t n;

	frame_parse(data, len, FRAME_LINK_ETHERNET, &f);
	if (f.n_packets == 0 || f.anomalies)
		return;
	n = p->end_at - p->l4_at;
	if (p->version == 4)
		sums_put(data + p->l3_at + 10, data + p->l3_at, p->l4_at - p->l3_at, 0);
	if (sums_field(p))
		sums_put(data + p->l4_at + sums_field(p), data + p->l4_at, n, sums_pseudo(p, n));
}
