/* SPDX-License-Identifier: Apache-2.0 */
/* merge_check - whatever port_merge takes together, cutting it gives exactly those frames. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "sys/port_merge.h"
#include "sys/port_offload.h"

enum { MERGE_FRAME_MAX = 1518 };

struct merge_check {
	struct port_merge merge;
	uint8_t kept[PORT_MERGE_SEGMENTS][MERGE_FRAME_MAX];
	size_t len[PORT_MERGE_SEGMENTS];
	unsigned long merged; /* frames that went with others */
};

/* Ends what was taken. False: it would not leave as it came. */
static inline bool merge_check_end(struct merge_check *c)
{
	struct port_merge *m = &c->merge;
	struct port_segmenter segmenter;
	uint8_t frame[MERGE_FRAME_MAX];
	unsigned n = m->n;
	size_t len, l4;
	bool right = true;

	m->n = 0;
	if (n == 1)
		return m->len == c->len[0] && memcmp(m->frame, c->kept[0], m->len) == 0;
	if (n == 0)
		return true;
	c->merged += n;
	port_merge_end(m, &l4);
	if (port_segment_begin(m->frame, m->len, m->version == 4 ? PORT_GSO_TCP4 : PORT_GSO_TCP6,
		    l4, m->size, sizeof(frame), &segmenter) < 0)
		return false;
	for (unsigned i = 0; i < n && right; i++) {
		len = port_segment_next(&segmenter, frame);
		right = len == c->len[i] && memcmp(frame, c->kept[i], len) == 0;
	}
	return right && port_segment_next(&segmenter, frame) == 0;
}

static inline bool merge_check_keep(struct merge_check *c, const uint8_t *frame, size_t len)
{
	if (!port_merge_take(&c->merge, frame, len))
		return false;
	memcpy(c->kept[c->merge.n - 1], frame, len);
	c->len[c->merge.n - 1] = len;
	return true;
}

/* The next frame, of at most MERGE_FRAME_MAX bytes. */
static inline bool merge_check_take(struct merge_check *c, const uint8_t *frame, size_t len)
{
	if (merge_check_keep(c, frame, len))
		return true;
	if (!merge_check_end(c))
		return false;
	(void)merge_check_keep(c, frame, len);
	return true;
}
