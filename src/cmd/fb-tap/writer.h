/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer - the open segment. Nothing here looks into a frame. After a failed write the file is as
 * long as what was taken, perhaps with a part of a block behind it, which the next try overwrites.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "capture/segment.h"
#include "cmd/fb-tap/tap.h"

struct writer {
	const struct tap_setup *setup;
	int fd; /* -1: no segment is open */
	char name[SEGMENT_NAME_MAX];
	uint64_t number;
	uint64_t size; /* all of it whole blocks */
	uint64_t packets;
	uint64_t first_id, last_id;
	struct segment_place place; /* the ring entry that was written last */
	int64_t opened_mono_ns;
	int64_t start_ns; /* wall time: since when the account counts */
	struct segment_account account;
	struct ring_marker marker; /* the last one seen */
};

/* Finds out where to go on: reads the newest segment that has anything, cuts off a partial block,
 * opens it for writing when it is of this boot and not closed, closes it otherwise. `fresh`: the
 * account starts at zero. 0 or -errno. */
int writer_resume(
	struct writer *writer, const struct tap_setup *setup, uint64_t last_number, bool fresh);
/* A new segment. Nothing stays behind on failure. */
int writer_open(struct writer *writer, int64_t mono_ns);
/* Appends the blocks at iov[*at] and on; *at and that iov move with what was written. 0 when all
 * is, -errno. */
int writer_append(struct writer *writer, struct iovec *iov, size_t n, size_t *at);
/* Statistics blocks of all interfaces into `buf` (n_interfaces * PCAPNG_BLOCK_MAX is enough). */
size_t writer_statistics(
	const struct writer *writer, const char *what, int64_t time_ns, uint8_t *buf);
/* Ends the segment with its statistics. On failure it stays open. */
int writer_close(struct writer *writer);
