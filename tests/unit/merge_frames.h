/* SPDX-License-Identifier: Apache-2.0 */
/* merge_frames - segments of TCP to merge, and their checksums. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/inet_sum.h"

static inline void merge_put(uint8_t *at, uint64_t n, int bytes)
{
	while (bytes--) {
		at[bytes] = (uint8_t)n;
		n >>= 8;
	}
}

/* Checksums of IPv4 without options or IPv6 without extensions, and of the TCP behind it; else nothing. */
static inline void merge_frame_sums(uint8_t *frame, size_t len)
{
	size_t l4 = frame[14] >> 4 == 4 ? 34 : 54, from = l4 == 34 ? 26 : 22;
	uint64_t sum;

	if (len < l4 + 20)
		return;
	if (l4 == 34) {
		merge_put(frame + 24, 0, 2);
		merge_put(frame + 24, (uint16_t)~inet_sum(frame + 14, 20), 2);
	}
	merge_put(frame + l4 + 16, 0, 2);
	sum = (uint64_t)inet_sum(frame + from, l4 - from) + 6 + (len - l4) +
	      inet_sum(frame + l4, len - l4);
	merge_put(frame + l4 + 16, (uint16_t)~inet_sum_fold(sum), 2);
}

struct merge_flow {
	uint8_t version;
	unsigned option_words;
	uint32_t seq;
	uint16_t id;
};

/* The next segment of the flow: ACK, `flags` too, and `size` bytes of payload. Returns its length. */
static inline size_t merge_frame(
	struct merge_flow *flow, uint8_t flags, size_t size, uint8_t *ret_frame)
{
	size_t l4 = flow->version == 4 ? 34 : 54, header = 20 + flow->option_words * 4;
	size_t len = l4 + header + size;
	uint8_t *ip = ret_frame + 14, *tcp = ret_frame + l4;

	memset(ret_frame, 2, len);
	merge_put(ret_frame + 12, flow->version == 4 ? 0x0800 : 0x86dd, 2);
	if (flow->version == 4) {
		merge_put(ip, 0x4500, 2);
		merge_put(ip + 2, len - 14, 2);
		merge_put(ip + 4, flow->id++, 2);
		merge_put(ip + 6, 0x4000, 2);
		ip[9] = 6;
	} else {
		merge_put(ip, 0x60012345, 4);
		merge_put(ip + 4, len - l4, 2);
		ip[6] = 6;
	}
	merge_put(tcp + 4, flow->seq, 4);
	merge_put(tcp + 12, header / 4 << 12 | 0x10 | flags, 2);
	for (size_t i = 0; i < size; i++)
		tcp[header + i] = (uint8_t)(flow->seq + i);
	flow->seq += (uint32_t)size;
	merge_frame_sums(ret_frame, len);
	return len;
}
