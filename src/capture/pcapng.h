/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pcapng - writing blocks of the pcapng format (IETF draft-ietf-opsawg-pcapng), little endian.
 *
 * Writers put a whole block at `at` and return its length (a multiple of 4); the caller made sure
 * of the room with the _size function. Times are nanoseconds since 1970 UTC (if_tsresol 9).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "event/event.h"

#define PCAPNG_SHB 0x0a0d0d0au
#define PCAPNG_IDB 0x00000001u
#define PCAPNG_SPB 0x00000003u
#define PCAPNG_ISB 0x00000005u
#define PCAPNG_EPB 0x00000006u

struct pcapng_packet {
	uint32_t interface;
	int64_t time_ns;
	const uint8_t *data;
	uint32_t len; /* captured = original: frames are never cut */
	enum direction direction;
	bool arrived; /* epb_flags: inbound on that interface (true) or outbound (a rewritten copy) */
	uint64_t packet; /* epb_packetid */
	uint64_t flow;
	enum verdict verdict;
	enum reason reason;
};

/* Room that pcapng_put_packet needs for a frame of `len` bytes, at most. */
size_t pcapng_packet_size(uint32_t len);
/* An Enhanced Packet Block with epb_flags, epb_packetid and the comment "pass inbound flow 1a2b". */
size_t pcapng_put_packet(uint8_t *at, const struct pcapng_packet *packet);
