/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool - files that are being carried: their pieces are written to where they belong in a file of the directory
 * `open`, and what is known of each is in a table of fixed size, in memory that outlives the process.
 *
 * The process may die at any instruction. A slot is changed by writing its other half and then one word, so it is
 * as it was before or as it is after; and doing the same piece again changes nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vault/piece.h"

#define SPOOL_FILES_MAX 1024 /* carried at a time; of more, the one idle longest is ended */
#define SPOOL_RANGES_MAX \
	33 /* parts of one file with holes between; closer ones are then taken for one */
#define SPOOL_IDLE_NS INT64_C(3600000000000) /* by the packets' time: its end will not come */

struct spool_range {
	uint64_t from, to;
};

/* What is known of a file. */
struct spool_file {
	uint64_t used; /* 0: the slot is free */
	uint64_t flow_id, file_id;
	uint64_t touched; /* number of the last piece, of all files' */
	int64_t begun_ns, last_ns;
	uint64_t size; /* where its last byte ends, or more if the end was told */
	uint32_t side;
	uint32_t ended;  /* 1: whole, as far as it will be; 2: and its end was not seen */
	uint32_t lost;   /* enum spool_lost */
	uint32_t merged; /* 1: there were more holes than can be told */
	uint32_t n_ranges, packed_len;
	struct spool_range range[SPOOL_RANGES_MAX]; /* ascending, apart */
	uint8_t packed[PIECE_RECORD_MAX];           /* the record of the last piece */
};

enum spool_lost { SPOOL_WHOLE, SPOOL_TOO_LARGE, SPOOL_NO_DISK, SPOOL_NO_ROOM };

struct spool_slot {
	uint64_t current; /* which half holds */
	struct spool_file file[2];
};

/* All zero: no file is open. */
struct spool_table {
	uint64_t touches;
	struct spool_slot slot[SPOOL_FILES_MAX];
};

/* What is looked for, in memory of the process's own: the table's slots are far from each other. */
struct spool_key {
	uint64_t flow_id, file_id, touched;
	uint64_t bytes; /* on the disk */
	bool used;
	uint8_t side;
};

struct spool {
	struct spool_table *table;
	int dir_fd;               /* `open` */
	uint64_t largest, budget; /* bytes of a file, and of all that are open */
	uint64_t bytes;           /* of all that are open */
	unsigned n_used;
	struct spool_key key[SPOOL_FILES_MAX];
};

/* Takes the table up as somebody left it; slots that make no sense are freed, and bytes of none removed. `table` and `dir_fd` are the
 * caller's. */
void spool_open(struct spool *ret_spool, struct spool_table *table, int dir_fd, uint64_t largest,
	uint64_t budget);

/* The n-th file; `used` 0: none there. */
const struct spool_file *spool_file(const struct spool *spool, unsigned n);
/* The slot of a file that is open; -1: none. */
int spool_find(const struct spool *spool, uint64_t flow_id, uint64_t file_id, unsigned side);
/* The one idle longest; -1: there is a free slot still. */
int spool_full(const struct spool *spool);
/* One that had no piece for SPOOL_IDLE_NS; -1: none. */
int spool_idle(const struct spool *spool, int64_t now_ns);
/* Takes a piece; its slot. There must be room (spool_full). What cannot be written makes the file lost, and is no
 * failure of the others. */
int spool_take(struct spool *spool, const struct piece *piece);
/* Its end will not come. */
void spool_end(struct spool *spool, unsigned n);
/* Forgets it, its bytes too if they are there still. */
void spool_free(struct spool *spool, unsigned n);
/* Name of its bytes in the directory. */
void spool_name(unsigned n, char ret_name[static 8]);
/* The n-th hole of a file; false: there are no more. */
bool spool_hole(const struct spool_file *file, unsigned n, struct spool_range *ret_hole);
