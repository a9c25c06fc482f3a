/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape - a slow line: when a frame has been clocked out behind the frames before it. There is no
 * burst: in any time t no more than rate * t and one frame leave. A frame counts as long as it is
 * on the wire: preamble, padding, FCS and gap (IEEE 802.3, 3.1.1 and 4.4.2) included.
 */
#pragma once

#include <stdint.h>

#define SHAPE_QUEUE_MS     400
#define SHAPE_QUEUE_FRAMES 2 /* of full length fit at any rate, else a slow line would pass none */

/* All zero: an idle line. */
struct shape_line {
	int64_t free_ns; /* when the last frame put on it has left */
};

/* -1: the queue is full, drop the frame (nothing changes). An idle line takes any frame. A rate
 * of 0 does not shape, but what a slower rate holds back still goes first. */
int64_t shape_due_ns(
	struct shape_line *line, uint64_t bytes_per_second, uint32_t len, int64_t now_ns);
