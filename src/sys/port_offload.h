/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port_offload - does in software what a virtual NIC expects of hardware: checksums and TCP/UDP
 * segmentation. Works on hostile bytes (a honeypot's kernel may be anybody's); no system calls.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum port_gso {
	PORT_GSO_TCP4,
	PORT_GSO_TCP6,
	PORT_GSO_UDP, /* UDP_SEGMENT: one datagram each segment, either IP version */
};

/* Fills in the checksum of [start, len) at start + offset, which holds the folded sum of the pseudo
 * header. Offset 8 is SCTP's, a CRC32c (RFC 9260, appendix A). -EBADMSG: outside the frame. */
int port_checksum_complete(uint8_t *data, size_t len, size_t start, size_t offset);

/* A super-frame while it is cut up. Borrows the bytes. */
struct port_segmenter {
	const uint8_t *data;
	size_t len;
	enum port_gso gso;
	size_t l3, l4, payload; /* offsets */
	size_t size;            /* payload bytes of a segment */
	size_t at;              /* offset of the next payload byte */
	uint8_t version;        /* 4 or 6 */
	uint32_t seq;           /* TCP */
	uint16_t id;            /* IPv4 identification of the next segment */
};

/* `start` is the offset of the transport header as the offload states it, `size` the payload of a
 * segment. -EBADMSG: not what `gso` says (a tunnel, a fragment, cut headers); nothing is faithful
 * then. -EMSGSIZE: segments would be longer than frame_max. */
int port_segment_begin(const uint8_t *data, size_t len, enum port_gso gso, size_t start,
	size_t size, size_t frame_max, struct port_segmenter *ret_segmenter);

/* Writes the next segment, at most frame_max bytes. Returns its length, 0 at the end. */
size_t port_segment_next(struct port_segmenter *s, uint8_t *ret_frame);
