/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring_kind - what fb-gate puts into the frame ring for fb-tap (kind and flags of a ring_entry).
 *
 * RING_FRAME:  payload = one whole Enhanced Packet Block (capture/pcapng.h) whose packet id is the
 *              entry's seq; flags = number of the interface; flow and time_ns as in the block.
 * RING_MARKER: payload = one struct ring_marker; time_ns = its time. fb-tap answers with its own
 *              counts at that place (capture/tap_counts.h), so that the layers can be compared
 *              exactly whatever the traffic.
 */
#pragma once

#include <stdint.h>

#define RING_INTERFACES_MAX 17 /* the outside and up to 16 inside interfaces */

enum ring_kind {
	RING_FRAME = 1,
	RING_MARKER = 2,
};

/* Counts of one interface since the gate's first start in this boot. */
struct ring_marker_interface {
	uint64_t received; /* frames the gate took from the kernel */
	uint64_t captured; /* frames the gate put into the frame ring */
	uint64_t missed;   /* frames the kernel could not hand over */
	uint64_t unseen;   /* frames the gate dropped because the ring was full */
};

struct ring_marker {
	uint64_t marker; /* number of the audit, from 1 */
	uint64_t n_interfaces;
	struct ring_marker_interface interface[RING_INTERFACES_MAX];
};
