/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint - what the incidents were after a line of the journal, in the file CHECKPOINT_NAME of its directory: so
 * that after a crash only the lines behind it have to be read again.
 *
 * Replaced as a whole, and on the disk before it takes the place of the one before. It names no line that is not on
 * the disk yet, if it is written behind journal_sync(). Losing it costs memory of what came before the journal's
 * last files, no record.
 */
#pragma once

#include <stdint.h>

#include "store/journal.h"

#define CHECKPOINT_NAME "incidents"

struct incidents;

struct checkpoint {
	struct journal_place place; /* behind the line ... */
	uint64_t seq;               /* ... of this number */
};

/* 0 or -errno. */
int checkpoint_write(
	int dir_fd, const struct checkpoint *checkpoint, const struct incidents *incidents);
/* -ENOENT; -EBADMSG: damaged, or of another version; then `incidents` may have been emptied. */
int checkpoint_read(int dir_fd, struct incidents *incidents, struct checkpoint *ret_checkpoint);
