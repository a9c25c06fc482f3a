/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refuse - the answer to a honeypot whose frame was refused, as if the destination or a router on
 * the way had refused it.
 *
 * Who answers, how far away he is and what his IP stack is like follow from a hash of the seed and
 * of his address or network, so that the same place always looks the same. Nothing is remembered.
 */
#pragma once

#include <stdint.h>

#include "base/ip.h"

struct frame;

#define REFUSE_FRAME_MAX 1298 /* Ethernet with a tag, and 1280 bytes (RFC 4443, 2.4 c) */

enum refuse_how {
	REFUSE_SILENCE,
	REFUSE_RESET, /* by the destination: TCP reset, UDP port unreachable; else by a router */
	REFUSE_UNREACHABLE, /* by a router: host (IPv4) or address (IPv6) unreachable */
};

/* Writes the Ethernet frame that goes to the honeypot and returns its length; 0: none, because
 * nobody would answer (RFC 1122, 3.2.2; RFC 1812, 4.3.2.7; RFC 4443, 2.4 e), `how` says so, or
 * the frame is of a kind that is better not answered: more than one tag, any anomaly, a wrong
 * checksum, a TTL that does not reach so far. `frame` was parsed as FRAME_LINK_ETHERNET.
 * `router` is who answers for unreachable hosts of its IP version; NULL: one in the
 * destination's network. */
uint32_t refuse_build(enum refuse_how how, const struct frame *frame, const struct ip *router,
	uint64_t seed, uint8_t ret_frame[static REFUSE_FRAME_MAX]);

/* To the receiver of a TCP packet that a rule rejected: a reset in its place, as from its sender. 0: none, as
 * above. */
uint32_t refuse_build_onward(const struct frame *frame, uint8_t ret_frame[static REFUSE_FRAME_MAX]);

/* How long after `frame` its answer should come: a round trip to the destination's network, 15
 * to 180 ms, and up to a tenth more that differs with `n`, which the caller counts. For frames
 * that refuse_build() answered. */
int64_t refuse_delay_ns(const struct frame *frame, uint64_t seed, uint64_t n);
