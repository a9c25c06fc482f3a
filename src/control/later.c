/* SPDX-License-Identifier: Apache-2.0 */
#include "control/later.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

/* Most refusals and bare acknowledgements are small; frames above 2 KiB are rare. */
enum {
	SIZES = 3,
	SMALL = 128,
	MIDDLE = 2048,
	LARGE = LATER_FRAME_MAX,
	N_SMALL = 8192,
	N_MIDDLE = 3328,
	N_LARGE = 32,
	SHARE = 4,
	OWNERS = CONF_HONEYPOTS_MAX + 1, /* the last: whoever is no honeypot */
};

static_assert(N_SMALL + N_MIDDLE + N_LARGE == LATER_FRAMES_MAX, "frames");
static_assert(SMALL * N_SMALL + MIDDLE * N_MIDDLE + LARGE * N_LARGE == LATER_BYTES_MAX, "bytes");

static const struct size {
	uint32_t bytes, count;
} sizes[SIZES] = { { SMALL, N_SMALL }, { MIDDLE, N_MIDDLE }, { LARGE, N_LARGE } };

struct waiting {
	int64_t due_ns;
	uint64_t seq; /* of later_put() */
	uint32_t slot;
};

struct later {
	uint64_t seq;
	uint32_t n; /* waiting */
	struct waiting heap[LATER_FRAMES_MAX];
	/* By slot: those of the first size, then those of the next. */
	struct later_frame frame[LATER_FRAMES_MAX];
	uint8_t size_of[LATER_FRAMES_MAX];
	uint8_t *bytes_of[LATER_FRAMES_MAX];
	struct free_slots {
		uint32_t n;
		uint32_t slot[N_SMALL];
	} free[SIZES];
	uint32_t used[OWNERS][SIZES];
	uint8_t bytes[LATER_BYTES_MAX];
};

static void give_back(struct later *later, uint32_t slot)
{
	struct free_slots *f = &later->free[later->size_of[slot]];

	f->slot[f->n++] = slot;
}

int later_new(struct later **ret_later)
{
	struct later *later = calloc(1, sizeof(*later));
	uint32_t slot = 0, at = 0;

	if (!later)
		return -ENOMEM;
	for (uint8_t size = 0; size < SIZES; size++)
		for (uint32_t i = 0; i < sizes[size].count; i++, slot++) {
			later->size_of[slot] = size;
			later->bytes_of[slot] = later->bytes + at;
			at += sizes[size].bytes;
			give_back(later, slot);
		}
	*ret_later = later;
	return 0;
}

struct later *later_free(struct later *later)
{
	free(later);
	return NULL;
}

static bool comes_before(const struct waiting *a, const struct waiting *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->seq < b->seq;
}

/* Puts `w` where there is a hole at `at`, or above it. */
static void sift_up(struct later *later, uint32_t at, struct waiting w)
{
	while (at > 0 && comes_before(&w, &later->heap[(at - 1) / 2])) {
		later->heap[at] = later->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	later->heap[at] = w;
}

/* The same downwards. */
static void sift_down(struct later *later, uint32_t at, struct waiting w)
{
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < later->n &&
			comes_before(&later->heap[child + 1], &later->heap[child]))
			child++;
		if (child >= later->n || comes_before(&w, &later->heap[child]))
			break;
		later->heap[at] = later->heap[child];
		at = child;
	}
	later->heap[at] = w;
}

static uint32_t *used_by(struct later *later, uint16_t honeypot)
{
	return later->used[honeypot < CONF_HONEYPOTS_MAX ? honeypot : CONF_HONEYPOTS_MAX];
}

int later_put(struct later *later, int64_t due_ns, uint32_t out_ports, unsigned in_port,
	uint16_t honeypot, const uint8_t *data, uint32_t len)
{
	uint32_t *used = used_by(later, honeypot), slot;
	uint8_t size = 0;

	if (len > LATER_FRAME_MAX)
		return -EMSGSIZE;
	while (len > sizes[size].bytes)
		size++;
	if (later->free[size].n == 0 || used[size] >= sizes[size].count / SHARE)
		return -ENOSPC;
	slot = later->free[size].slot[--later->free[size].n];
	used[size]++;
	memcpy(later->bytes_of[slot], data, len);
	later->frame[slot] = (struct later_frame){
		.due_ns = due_ns,
		.data = later->bytes_of[slot],
		.len = len,
		.out_ports = out_ports,
		.in_port = in_port,
		.honeypot = honeypot,
	};
	sift_up(later, later->n++, (struct waiting){ due_ns, later->seq++, slot });
	return 0;
}

const struct later_frame *later_due(const struct later *later, int64_t now_ns)
{
	if (later->n == 0 || later->heap[0].due_ns > now_ns)
		return NULL;
	return &later->frame[later->heap[0].slot];
}

void later_pop(struct later *later)
{
	uint32_t slot;

	assert(later->n > 0);
	slot = later->heap[0].slot;
	used_by(later, later->frame[slot].honeypot)[later->size_of[slot]]--;
	give_back(later, slot);
	later->n--;
	if (later->n > 0)
		sift_down(later, 0, later->heap[later->n]);
}

int64_t later_next_ns(const struct later *later)
{
	return later->n ? later->heap[0].due_ns : INT64_MAX;
}
