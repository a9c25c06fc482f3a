/* SPDX-License-Identifier: Apache-2.0 */
#include "control/shape.h"

enum {
	NS_PER_S = 1000000000,
	NS_PER_MS = 1000000,
	ON_WIRE = 24, /* preamble 8, FCS 4, gap 12 */
	ON_WIRE_MIN = 84,
	FULL = 1514,
};

/* Rounded up: a line is never faster than its rate. */
static int64_t clocking_ns(uint64_t bytes_per_second, uint32_t len)
{
	uint64_t bytes = (uint64_t)len + ON_WIRE, time;

	if (bytes < ON_WIRE_MIN)
		bytes = ON_WIRE_MIN;
	time = bytes * NS_PER_S;
	return (int64_t)(time / bytes_per_second + (time % bytes_per_second != 0));
}

static int64_t queue_max_ns(uint64_t bytes_per_second)
{
	int64_t time = (int64_t)SHAPE_QUEUE_MS * NS_PER_MS;
	int64_t frames = SHAPE_QUEUE_FRAMES * clocking_ns(bytes_per_second, FULL);

	return frames > time ? frames : time;
}

int64_t shape_due_ns(
	struct shape_line *line, uint64_t bytes_per_second, uint32_t len, int64_t now_ns)
{
	int64_t start = line->free_ns > now_ns ? line->free_ns : now_ns, due;

	if (bytes_per_second == 0)
		return start;
	due = start + clocking_ns(bytes_per_second, len);
	if (start > now_ns && due - now_ns > queue_max_ns(bytes_per_second))
		return -1;
	line->free_ns = due;
	return due;
}
