/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vault - the files that were carried: puts them together from their pieces, keeps each content once under its
 * SHA-256, examines it, and tells of it with a record of type `file`. fb-vault (live) and `fishbowl replay
 * --files` both do it with this, so that they find the same. It asks no clock: time is that of the pieces.
 *
 *	DIR/ab/abcd...	a content by its SHA-256, mode 0440
 *	DIR/open/	files that are being carried (spool.h)
 *	DIR/index.db	what is known of them (ledger.h)
 *
 * Exactly once: a file that ends is looked at, noted in the ledger under a key of its own, put in its place, and
 * told of in the ring of records; then the place in `state` moves behind it. After a death in between the same
 * steps are done again: the ledger gives the answers of the first time, and what was told is not told again.
 *
 * Budgets are settings of the section files. Reaching one is told with a control record, each once a day (UTC).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/counts.h"
#include "vault/look.h"
#include "vault/spool.h"

struct conf_files;
struct ring;
struct vault;

#define VAULT_STATE_MAGIC 0x3254554156424600 /* "\0FBVAUT2" */
#define VAULT_POISON      4                  /* deaths while a file was examined: then without */

/* Behind a piece. */
struct vault_place {
	uint64_t seq;    /* of the last piece that is done */
	uint64_t record; /* number of the next record when the step that goes on began */
	uint64_t
		finishing; /* 1 + slot of the file that has ended and is not told of yet; 0: none */
	uint64_t then;     /* what `seq` becomes when it is */
	uint64_t failed;   /* errno: it could not be noted, and that will be told; 0: not yet */
	uint64_t told;     /* what is told with it then */
	uint64_t freed;    /* 1 + slot of the file that was told of last */
};

/* Outlives the process, in state_dir/vault.state. Zeroed memory is a fresh one. */
struct vault_state {
	uint64_t magic;
	uint64_t run; /* in whose rings the numbers count */
	uint64_t current;
	struct vault_place place[2];
	uint64_t trying; /* 1: a file is being examined */
	uint64_t died;   /* so often in that */
	struct spool_table table;
};

struct vault_setup {
	const struct conf_files *limits;
	int dir_fd; /* vault_prepare() was called for it */
	struct vault_state *state;
	uint64_t run;
	struct ring *records; /* the caller's; NULL: for orders only */
	struct counts_vault *counts;
	struct look *look;
	/* Called while the ring of records is full, and between parts of long work (ms 0). False: the process
	 * must end; what is not done is done again by the next one. */
	bool (*wait)(void *context, int ms);
	void *context;
};

/* Makes the directories. 0 or -errno. */
int vault_prepare(int dir_fd);
/* Finishes what an earlier process has begun, and compares the ledger with what is there. -ENOMEM, -errno of the
 * disk. A damaged ledger is set aside and made anew. */
int vault_new(const struct vault_setup *setup, struct vault **ret_vault);
struct vault *vault_free(struct vault *vault);

/* Takes what is in the ring of pieces: 1 when something was taken, 0 when there is nothing (or the process must
 * end), -EBADMSG: the ring makes no sense. */
int vault_serve(struct vault *vault, struct ring *pieces);
/* Ends all files that are open: no more will come. */
void vault_end(struct vault *vault);

/* A record: something needed to examine files cannot be used. Between two calls of vault_serve(). */
void vault_tell_fault(struct vault *vault, int64_t time_ns, const char *what);

/* Orders. 1, 0: no such file is kept, or -errno. */
int vault_pin(struct vault *vault, const uint8_t sha256[static 32], bool pinned);
int vault_purge(struct vault *vault, const uint8_t sha256[static 32]);

/* A SHA-256, or its beginning, in hex: how many bytes there are; 0: it is none. */
size_t vault_sha256_read(const char *text, uint8_t ret_sha256[static 32]);
/* Where a content is: "ab/abcd...". */
#define VAULT_PATH_MAX 72
void vault_path(const uint8_t sha256[static 32], char ret_path[static VAULT_PATH_MAX]);
