/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First byte: 1 = make the frame's checksums right, 2 and 4 = a router is given; second byte: the
 * seed; the rest: the refused frame. An answer must be well-formed, go to the sender only, and not
 * be answered itself.
 */
#include <stdlib.h>

#include "control/refuse.h"
#include "packets.h"
#include "sums.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answer(const struct frame *asked, const uint8_t *out, uint32_t len)
{
	struct frame f;

	frame_parse(out, len, FRAME_LINK_ETHERNET, &f);
	if (len < 60 || f.anomalies || f.n_packets != 1 || sums_wrong(&f))
		abort();
	if (!mac_equal(&f.dst_mac, &asked->src_mac) || !mac_equal(&f.src_mac, &asked->dst_mac) ||
		f.n_tags != asked->n_tags || !ip_equal(&f.packet[0].dst, &asked->packet[0].src))
		abort();
}

static void refuse(
	enum refuse_how how, const struct frame *f, const struct ip *router, uint8_t seed)
{
	uint8_t out[REFUSE_FRAME_MAX], again[REFUSE_FRAME_MAX];
	uint32_t len = refuse_build(how, f, router, seed, out);
	struct frame answer;

	if (len == 0)
		return;
	check_answer(f, out, len);
	frame_parse(out, len, FRAME_LINK_ETHERNET, &answer);
	if (how == REFUSE_SILENCE || refuse_build(how, &answer, router, seed, again) != 0)
		abort();
	if (refuse_delay_ns(f, seed, len) < 15000000)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ip router4 = address("198.51.100.7"), router6 = address("2001:db8:7::7");
	struct frame f;
	uint8_t *frame;
	uint32_t len;

	if (size < 2 || size > 1 << 16)
		return 0;
	len = (uint32_t)size - 2;
	frame = malloc(len ? len : 1);
	if (!frame)
		abort();
	memcpy(frame, data + 2, len);
	if (data[0] & 1)
		sums_fix(frame, len);
	frame_parse(frame, len, FRAME_LINK_ETHERNET, &f);
	for (enum refuse_how how = REFUSE_SILENCE; how <= REFUSE_UNREACHABLE; how++)
		refuse(how, &f, data[0] & 2 ? &router4 : data[0] & 4 ? &router6 : NULL, data[1]);
	free(frame);
	return 0;
}
