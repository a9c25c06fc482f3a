/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port_merge - segments of one TCP stream that come one after the other, as one super-frame, which the
 * kernel cuts into exactly these frames again: one system call, one walk through its stack. Works on
 * hostile bytes; no system calls. doc/design/port.md has the reasons and the figures.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORT_MERGE_SIZE     (62 << 10) /* bytes of a super-frame, at most */
#define PORT_MERGE_SEGMENTS 40

struct port_merge {
	uint8_t frame[PORT_MERGE_SIZE]; /* the first one whole, and the payloads of the others */
	size_t len;
	unsigned n;      /* frames in it; 0: none */
	size_t payload;  /* offset of it in each of them */
	size_t size;     /* payload bytes of the first: of a segment */
	uint32_t seq;    /* of what may follow */
	uint16_t id;     /* the same, of IPv4 */
	bool checked;    /* the first one's checksums are right */
	bool ended;      /* nothing may follow: shorter than the others, or with PSH */
	uint8_t version; /* 4 or 6 */
};

/* Takes a copy of a frame that begins, or goes on exactly as the kernel would cut. False: not such a frame;
 * nothing has changed. */
bool port_merge_take(struct port_merge *m, const uint8_t *frame, size_t len);

/* Makes one frame of those taken (two at least): with their length, and the sum of the pseudo header where
 * the TCP checksum is. What a virtio_net_hdr has to say of it: *ret_l4 is the offset of the TCP header. */
void port_merge_end(struct port_merge *m, size_t *ret_l4);
