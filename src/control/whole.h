/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whole - the waiting room for fragments that leave a honeypot. A datagram goes on when all of it is
 * there and every receiver can put it together in one way only; what does not become such a whole is
 * handed back as bad, and never sent.
 *
 * Stricter than RFC 791 and RFC 8200, which no sender of datagrams in fragments notices: parts must not
 * overlap (RFC 5722, for IPv4 and copies as well), the first holds all headers up to the transport's
 * (RFC 1858, 7112), none has an anomaly (frame.h), and all have the same link header, TOS or traffic
 * class, TTL, and for IPv6 the same headers before the data. One bad part spoils the datagram.
 *
 * Datagrams are told apart by port, source MAC, addresses, identification and IPv4 protocol. VLAN tags
 * and the destination MAC are not among these: the receiver does not ask for them, so parts that differ
 * there are bad rather than of another datagram. The identification of a datagram that went on cannot
 * be used again as long as a receiver may still wait for a part of it that got lost: else parts of two
 * datagrams, each judged good, could become a third that nobody judged.
 *
 * It asks no clock, allocates only in whole_new(), and never gives up one datagram for another: what
 * finds no room is bad. Shares are by source MAC; the caller sees to it that a sender has only one.
 * Work a call is bounded by the limits below, and the copying of one datagram.
 */
#pragma once

#include <stdint.h>

#include "control/gate.h"

#define WHOLE_DATAGRAMS_MAX 64         /* waiting at a time */
#define WHOLE_PARTS_MAX     64         /* of one datagram */
#define WHOLE_BYTES_MAX     (72 << 10) /* frames of one datagram, with their headers */
#define WHOLE_KEYS_MAX      16384      /* identifications remembered */
#define WHOLE_SHARE         4          /* one source MAC has at most 1/4 of datagrams and keys */
#define WHOLE_S             5          /* from the first part, for a datagram; bad ones as long */
#define WHOLE_REUSE_S       60         /* RFC 8200, 4.5: how long a receiver waits */

struct whole;

enum whole_fault {
	WHOLE_COMPLETE,  /* no fault */
	WHOLE_LATE,      /* not complete in time */
	WHOLE_NO_ROOM,   /* too many datagrams, or the sender's share is used up */
	WHOLE_REUSED,    /* identification of a datagram that went on */
	WHOLE_CUT,       /* the capture holds less of the frame than was sent */
	WHOLE_LINK,      /* something between link header and IP: SNAP, MPLS, PPPoE */
	WHOLE_MALFORMED, /* an anomaly, or one fragment header behind another */
	WHOLE_TINY,      /* an empty part, or a first one without all headers */
	WHOLE_DIFFERS,   /* parts with different headers */
	WHOLE_OVERLAP,
	WHOLE_END,  /* two ends, or a part behind the end */
	WHOLE_LONG, /* beyond 65535 bytes, or frames beyond WHOLE_BYTES_MAX */
	WHOLE_MANY, /* more than WHOLE_PARTS_MAX parts */
};

/* A frame as it was given. */
struct whole_part {
	const uint8_t *data;
	uint32_t len, wire_len;
	int64_t time_ns; /* wall */
	uint64_t packet; /* the caller's number for it */
};

struct whole_set {
	enum whole_fault fault;
	unsigned in_port;
	unsigned n;                    /* 1 and more */
	const struct whole_part *part; /* in the order in which they came */
	/* If complete: an Ethernet frame, with the tags of the parts, that holds the packet as it was before
	 * it was cut. For judging, not for sending. Else NULL. */
	const uint8_t *datagram;
	uint32_t datagram_len;
};

enum whole_result {
	WHOLE_NOT,  /* not a fragment: nothing was done */
	WHOLE_HELD, /* copied; it will be in a set */
	WHOLE_SET,  /* *ret_set has it as its last part, pointing to the frame given */
};

int whole_new(struct whole **ret_whole); /* -ENOMEM */
struct whole *whole_free(struct whole *whole);

/* A frame that arrived on `in_port`. Steady time is not negative. Sets are valid until the next call and
 * as long as the frame given is. Fragments inside tunnels are WHOLE_NOT: the packet around them is whole. */
enum whole_result whole_take(struct whole *whole, unsigned in_port, const struct frame *frame,
	const struct gate_time *now, uint64_t packet, const struct whole_set **ret_set);

/* The oldest datagram whose time is over, or NULL; INT64_MAX ends the time of all. Call it until NULL. */
const struct whole_set *whole_expired(struct whole *whole, int64_t steady_ns);

/* What waits now. */
struct whole_held {
	unsigned datagrams, frames;
};
struct whole_held whole_held(const struct whole *whole);
