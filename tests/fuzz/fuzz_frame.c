/* SPDX-License-Identifier: Apache-2.0 */
/* First byte: the link type; the rest: a frame. What frame_parse() says must lie inside the frame. */
#include <stdlib.h>

#include "frame/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_packet(const struct frame *f, const struct frame_packet *p)
{
	if ((p->version != 4 && p->version != 6) || p->end_at > f->len || p->l3_at > p->end_at)
		abort();
	if (p->l4_at > f->len || p->payload_at > f->len || p->payload_at < p->l4_at)
		abort();
	if (p->first_fragment && p->fragment_offset != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame f;

	if (size < 1)
		return 0;
	frame_parse(data + 1, (uint32_t)size - 1, data[0] % (FRAME_LINK_RADIOTAP + 1), &f);
	if (f.n_packets > FRAME_DEPTH_MAX || f.n_tags > FRAME_TAGS_MAX || f.l3_at > f.len)
		abort();
	for (unsigned i = 0; i < f.n_packets; i++)
		check_packet(&f, &f.packet[i]);
	if (f.opaque_tunnel && f.n_packets == 0)
		abort();
	if (f.has_quoted && f.quoted.version == 0)
		abort();
	if (f.anomalies >> FRAME_ANOMALY_COUNT || (f.anomalies & 1))
		abort();
	return 0;
}
