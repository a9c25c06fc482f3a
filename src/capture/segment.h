/* SPDX-License-Identifier: Apache-2.0 */
/*
 * segment - the files of the capture directory: fb-BOOT-NNNNNNNN.pcapng, BOOT in hex, NNNNNNNN a
 * decimal number that grows over all boots; with ".zst" behind it when compressed. A file NAME.pcapng.pin
 * beside it keeps it from being removed for the budget.
 *
 * Each segment begins with SHB, IDBs and one statistics block an interface ("open"), and ends, when
 * it was closed, with one statistics block an interface ("close"). The comments of these blocks carry
 * the writer's account, so that a segment alone tells where to go on after a crash.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/ring_kind.h"

#define SEGMENT_NAME_MAX 48 /* with ".pcapng.zst" and NUL */
#define SEGMENT_PIN      ".pin"

struct segment {
	char name[SEGMENT_NAME_MAX]; /* without ".zst" */
	uint64_t boot;
	uint64_t number;
	bool plain;      /* NAME is there */
	bool compressed; /* NAME.zst is there */
	bool pinned;
	uint64_t bytes; /* of both on the disk */
};

void segment_name(uint64_t boot, uint64_t number, char ret_name[static SEGMENT_NAME_MAX]);
/* Whether `file` is the name of a segment; fills name, boot, number, plain, compressed. */
bool segment_parse(const char *file, struct segment *ret_segment);

/* All segments in order of their numbers; free(*ret_segments). The last one may still be open. */
int segment_list(int dir_fd, struct segment **ret_segments, size_t *ret_n);

/* Which one to remove next: the oldest that is not pinned and not the last, when all together are
 * larger than `budget` or `free_bytes` is below `keep_free`. -1: none. */
int segment_to_remove(const struct segment *segments, size_t n, uint64_t budget,
	uint64_t free_bytes, uint64_t keep_free);

/* The writer's account: blocks and bytes of blocks written for each interface since the counts were
 * fresh. */
struct segment_account {
	uint64_t frames[RING_INTERFACES_MAX];
	uint64_t bytes[RING_INTERFACES_MAX];
};

/* Where the writer is in the ring: the entry (packet or marker) that was written last. */
struct segment_place {
	uint64_t seq;
	int64_t time_ns;
	bool known; /* false: nothing was written yet */
};

/* Comment of a statistics block. `what`: "open", "mark", "close". */
#define SEGMENT_COMMENT_MAX 160
void segment_comment(const char *what, uint64_t frames, uint64_t bytes,
	const struct segment_place *place, char ret_comment[static SEGMENT_COMMENT_MAX]);

struct segment_scan {
	bool usable;       /* header, interfaces and "open" blocks are whole */
	bool closed;       /* the last block is the "close" of the last interface */
	uint64_t good_end; /* end of the last whole block */
	uint64_t n_interfaces;
	uint64_t packets; /* in this file */
	uint64_t first_id, last_id;
	int64_t first_ns, last_ns;      /* of the first and last packet as they stand */
	struct segment_place place;     /* after the last whole block */
	struct segment_account account; /* after the last whole block */
};

struct capture_reader;

/* Reads it all. 0 also for damaged ones (good_end tells), or -errno. */
int segment_scan(struct capture_reader *reader, struct segment_scan *ret_scan);
