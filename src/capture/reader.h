/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader - packets out of pcap and pcapng files (draft-ietf-opsawg-pcap, -pcapng), read forward only.
 *
 * Reads both byte orders, microseconds and nanoseconds, several sections and interfaces, Enhanced,
 * Simple and the obsolete Packet Block; other blocks are skipped. The input is hostile: sizes are
 * bounded by the limits below, the file is read into a buffer and never mapped (a file that shrinks
 * under a mapping kills its reader). Whatever comes before a fault is delivered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "event/event.h"

#define CAPTURE_PACKET_MAX     (256 * 1024)       /* captured bytes of one packet */
#define CAPTURE_BLOCK_MAX      (16 * 1024 * 1024) /* of a block that is kept in memory */
#define CAPTURE_INTERFACES_MAX 4096               /* in all sections together */
#define CAPTURE_NAME_MAX       64                 /* kept of an interface's name, with NUL */

/* Link types that are understood; a packet of another one is CAPTURE_LINK_OTHER. */
enum capture_link {
	CAPTURE_LINK_OTHER,
	CAPTURE_LINK_ETHERNET,
	CAPTURE_LINK_RAW_IP,  /* LINKTYPE_RAW, _IPV4, _IPV6 and the old DLT_RAW numbers 12, 14 */
	CAPTURE_LINK_COOKED,  /* LINKTYPE_LINUX_SLL */
	CAPTURE_LINK_COOKED2, /* LINKTYPE_LINUX_SLL2 */
	CAPTURE_LINK_NULL,    /* family in the byte order of the capturing host */
	CAPTURE_LINK_LOOP,    /* family in network byte order */
	CAPTURE_LINK_HDLC,    /* LINKTYPE_PPP, _PPP_HDLC, _C_HDLC */
	CAPTURE_LINK_WIFI,    /* LINKTYPE_IEEE802_11 */
	CAPTURE_LINK_RADIOTAP /* LINKTYPE_IEEE802_11_RADIOTAP */
};

struct capture_interface {
	uint16_t linktype; /* number of the file format */
	enum capture_link link;
	uint32_t snaplen; /* 0: unlimited */
	uint8_t tsresol;  /* as in if_tsresol; pcap: 6 or 9 */
	int64_t tsoffset_s;
	char name[CAPTURE_NAME_MAX];
	char description[CAPTURE_NAME_MAX];
};

struct capture_packet {
	const uint8_t *data; /* borrowed until the next call */
	uint32_t len;        /* captured */
	uint32_t orig_len;   /* on the wire; larger when the capture cut it */
	int64_t time_ns;     /* since 1970 UTC; a Simple Packet Block has that of the one before */
	uint64_t number;     /* from 1 */
	uint32_t interface;  /* counted over all sections */
	enum capture_link link;
	struct text comment;  /* first one; borrowed, hostile */
	uint32_t flags;       /* epb_flags, 0 when absent */
	uint64_t id;          /* epb_packetid; 0 when absent, or more than a record can name */
	uint64_t offset;      /* of its record or block in the file */
	const uint8_t *block; /* whole record or block, borrowed */
	uint32_t block_len;
};

/* Sums and differences of times must fit, whatever a capture says: the years 1896 to 2116. */
static inline int64_t capture_sane_time(int64_t time_ns)
{
	const int64_t first = -(INT64_C(1) << 61), last = INT64_C(1) << 62;

	return time_ns < first ? first : time_ns > last ? last : time_ns;
}

/* A pcapng block that is not a packet, for who asks for it. */
struct capture_block {
	uint32_t type;
	uint64_t offset;
	const uint8_t *block; /* whole, borrowed for the call */
	uint32_t block_len;
	bool swapped;        /* big endian */
	uint32_t interface;  /* of an ISB */
	struct text comment; /* of SHB, IDB, ISB: the first one */
};
typedef void capture_block_fn(void *context, const struct capture_block *block);

/* As read(2): up to n bytes, 0 at the end, -errno. */
typedef ssize_t capture_read_fn(void *context, void *buf, size_t n);

struct capture_reader;

/* 0, -ENOMEM. The descriptor stays the caller's and is read from where it stands (a pipe will do).
 * Faults of the content show with capture_reader_next. */
int capture_reader_new(int fd, struct capture_reader **ret_reader);
int capture_reader_new_memory(const void *bytes, size_t len, struct capture_reader **ret_reader);
int capture_reader_new_source(
	capture_read_fn *fn, void *context, struct capture_reader **ret_reader);
struct capture_reader *capture_reader_free(struct capture_reader *reader);

/* As pread(2): up to n bytes at that place, 0 when there is nothing yet, -errno. */
typedef ssize_t capture_read_at_fn(void *context, uint64_t offset, void *buf, size_t n);

/* A pcapng file that still grows. Where it ends, also within a block, capture_reader_next() says 0 for "not
 * yet": called again it looks again. What follows the last packet or description is then read anew, since a
 * writer that was killed may have begun it anew. No block may be longer than CAPTURE_BLOCK_MAX. */
int capture_reader_new_growing(
	capture_read_at_fn *fn, void *context, struct capture_reader **ret_reader);
/* Goes on at `offset`: the end of a packet, known from an earlier look at the same file. The descriptions of
 * its interfaces must have been read: call it after the first packet was. Growing ones only. */
void capture_reader_go_on(struct capture_reader *reader, uint64_t offset);

/* Call `fn` for section, interface and statistics blocks too. */
void capture_reader_on_block(struct capture_reader *reader, capture_block_fn *fn, void *context);

/* 1 and a packet; 0 at a clean end (of a growing file: 0 is not the end); -EBADMSG (not a capture, truncated, corrupt) or -errno of the
 * input. After anything but 1 every further call answers the same. */
int capture_reader_next(struct capture_reader *reader, struct capture_packet *ret_packet);

/* After an error: what and where, "at byte 1234: ...". Empty without one. */
const char *capture_reader_error(const struct capture_reader *reader);

/* End of the last whole record or block: where a writer may go on. */
uint64_t capture_reader_good_end(const struct capture_reader *reader);
/* Bytes taken from the input so far (for a progress line). */
uint64_t capture_reader_position(const struct capture_reader *reader);

size_t capture_reader_interfaces(const struct capture_reader *reader);
/* NULL when there is no such interface; valid until the next call of _next. */
const struct capture_interface *capture_reader_interface(
	const struct capture_reader *reader, uint32_t number);
