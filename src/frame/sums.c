/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums of a packet as it came (RFC 1071). */
#include "frame/frame.h"

#include <netinet/in.h>

#include "base/cur.h"
#include "base/inet_sum.h"

static uint64_t sum_of(struct cur c)
{
	return inet_sum(c.at, cur_left(&c));
}

static bool is_right(uint64_t sum)
{
	return inet_sum_fold(sum) == 0xffff;
}

/* An IPv4-mapped address has 0xffff before it, which changes no checksum. */
static uint64_t sum_pseudo(const struct frame_packet *p, uint32_t len)
{
	if (p->proto == IPPROTO_ICMP)
		return 0;
	return sum_of(cur_make(&p->src, sizeof(p->src))) +
	       sum_of(cur_make(&p->dst, sizeof(p->dst))) + p->proto + (len >> 16) + (len & 0xffff);
}

static bool transport_right(const struct frame_packet *p, struct cur c)
{
	struct cur head = c;
	uint16_t len;

	if (p->proto == IPPROTO_UDP) {
		cur_skip(&head, 4);
		len = cur_be16(&head);
		if (cur_be16(&head) == 0)
			return p->version == 4;
		cur_limit(&c, len);
	} else if (p->proto != IPPROTO_TCP && p->proto != IPPROTO_ICMP &&
		   p->proto != IPPROTO_ICMPV6) {
		return true;
	}
	return is_right(sum_of(c) + sum_pseudo(p, (uint32_t)cur_left(&c)));
}

bool frame_sums_right(const struct frame *f, const struct frame_packet *p)
{
	struct cur c = cur_make(f->data, f->len);

	if (f->len < f->wire_len || p->end_at > f->len || p->l4_at > p->end_at ||
		p->l3_at > p->l4_at)
		return true;
	if (p->version == 4) {
		struct cur head = c;

		cur_skip(&head, p->l3_at);
		if (!is_right(sum_of(cur_sub(&head, (size_t)(c.at[p->l3_at] & 15) * 4))))
			return false;
	}
	if (!p->has_transport || p->is_fragment)
		return true;
	cur_skip(&c, p->l4_at);
	return transport_right(p, cur_sub(&c, p->end_at - p->l4_at));
}
