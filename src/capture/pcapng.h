/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pcapng - writing blocks of the pcapng format (IETF draft-ietf-opsawg-pcapng), little endian.
 *
 * Writers put a whole block at `at` and return its length (a multiple of 4); the caller made sure
 * of the room with the _size function or PCAPNG_BLOCK_MAX. Times are nanoseconds since 1970 UTC
 * (if_tsresol 9).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"

#define PCAPNG_SHB 0x0a0d0d0au
#define PCAPNG_IDB 0x00000001u
#define PCAPNG_PB  0x00000002u /* obsolete, read only */
#define PCAPNG_SPB 0x00000003u
#define PCAPNG_ISB 0x00000005u
#define PCAPNG_EPB 0x00000006u

#define PCAPNG_BYTE_ORDER 0x1a2b3c4du

/* Longest option text written (longer ones are cut), and longest block but a packet's. */
#define PCAPNG_TEXT_MAX  1024
#define PCAPNG_BLOCK_MAX 8192

struct pcapng_packet {
	uint32_t interface;
	int64_t time_ns;
	const uint8_t *data;
	uint32_t len;
	uint32_t kept; /* bytes of it that are captured */
	enum direction direction;
	bool arrived; /* epb_flags: inbound on that interface (true) or outbound (a rewritten copy) */
	uint64_t packet; /* epb_packetid */
	uint64_t flow;
	enum verdict verdict;
	enum reason reason;
};

/* Room that pcapng_put_packet needs for `len` bytes of a frame, at most. */
size_t pcapng_packet_size(uint32_t len);
/* An Enhanced Packet Block with epb_flags, epb_packetid and the comment "pass inbound flow 1a2b"
 * (verdict, reason, flow id in hex; without the flow when it is 0). */
size_t pcapng_put_packet(uint8_t *at, const struct pcapng_packet *packet);

/* Reads back the flow id of such a comment; 0 when it names none that a record can. */
uint64_t pcapng_comment_flow(const char *comment, size_t len);

/* Section header. Texts may be NULL. */
struct pcapng_section {
	const char *hardware;
	const char *os;
	const char *program;
	const char *comment;
};
size_t pcapng_put_section(uint8_t *at, const struct pcapng_section *section);

/* Interface description: Ethernet, no snap length, nanoseconds. */
struct pcapng_interface {
	const char *name;
	const char *description; /* "outside", "inside" */
	bool has_mac;
	struct mac mac;
};
size_t pcapng_put_interface(uint8_t *at, const struct pcapng_interface *interface);

/* Interface statistics. Counts since `start_ns`. */
struct pcapng_statistics {
	uint32_t interface;
	int64_t time_ns;
	int64_t start_ns, end_ns;
	uint64_t received;  /* isb_ifrecv */
	uint64_t nic_drops; /* isb_ifdrop */
	uint64_t accepted;  /* isb_filteraccept: what the gate took */
	uint64_t os_drops;  /* isb_osdrop */
	uint64_t delivered; /* isb_usrdeliv: what is in the files */
	const char *comment;
};
size_t pcapng_put_statistics(uint8_t *at, const struct pcapng_statistics *statistics);
