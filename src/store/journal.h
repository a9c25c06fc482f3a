/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal - every record once, in order, as EVE JSON lines in state_dir/journal/.
 *
 * Files are journal-YYYYMMDD-NNN.jsonl (day of their first record, never going back). Each line ends
 * with "link": BLAKE2b-256 over the link of the line before (32 bytes; zeros before the first line)
 * and this line without its link member. So nobody can change, remove or insert a line without all
 * later links failing. Sequence numbers ("seq") grow by one from 1 on. The file `head`, signed, names the
 * last line that is safe on the disk and the last one that retention removed, so that lines cut off either
 * end are missed as well. A journal that lacks lines at its end goes on behind the line that head names:
 * the gap stays visible.
 *
 * Lines are added to a buffer and committed together. A commit that fails (disk full, read-only)
 * keeps the buffer and can be repeated; nothing is written twice.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOURNAL_FILE_SIZE   (64u << 20)
#define JOURNAL_BUFFER_SIZE (8u << 20)
#define JOURNAL_LINK_SIZE   32
#define JOURNAL_NAME_MAX    40
#define JOURNAL_HEAD        "head"
#define JOURNAL_SECRET      "journal.key" /* as capture.key and capture.pub */
#define JOURNAL_PUBLIC      "journal.pub"

struct journal;
struct manifest_key;

/* A place in the journal: file and byte. All zero: its begin. */
struct journal_place {
	uint32_t day; /* 20261121 */
	uint32_t number;
	uint64_t offset;
};

/* Opens for appending and recovers: a partial last line is cut off. `dir_fd` and `key` stay the caller's;
 * `key` NULL: head is not signed.
 * One process at a time; others may read. -EROFS, -EACCES: nothing was changed, try again later. */
int journal_open(
	int dir_fd, uint64_t budget, const struct manifest_key *key, struct journal **ret_journal);
struct journal *journal_close(struct journal *journal); /* what is not committed is lost */

/* How many lines that were safe on the disk journal_open did not find any more. */
uint64_t journal_missing(const struct journal *journal);
/* Number of the last line, the buffer's included. */
uint64_t journal_last_seq(const struct journal *journal);
uint64_t journal_committed_seq(const struct journal *journal);
/* Behind the last committed line. */
struct journal_place journal_end(const struct journal *journal);
uint64_t journal_bytes(const struct journal *journal); /* of all files */

/* Is there room for one more line in the buffer? */
bool journal_has_room(const struct journal *journal);
/* Adds the record with number journal_last_seq() + 1: `json` is one line "{...}" without newline.
 * `time_ns` decides the file's day. -ENOSPC when the buffer has no room. */
int journal_add(struct journal *journal, int64_t time_ns, const char *json, size_t len);
/* Writes the buffer; 0 or -errno (then the buffer is kept). Not yet on the disk for power loss. */
int journal_commit(struct journal *journal);
/* fdatasync and a new head, when something was written since the last one. */
int journal_sync(struct journal *journal);
/* Removes the oldest files beyond the budget, never the one being written; how many, or -errno. */
int journal_retain(struct journal *journal);

/* One committed line: valid until the callback returns. `json` is without link member, NUL-terminated. */
struct journal_line {
	uint64_t seq;
	const char *json;
	size_t len;
	struct journal_place next; /* behind it */
};
typedef int journal_line_fn(void *context, const struct journal_line *line);

/* Lines from `*place` on, at most `max` (0: all); *place moves behind the last one given. A place in a
 * file that is gone moves on to the next one. Ill-formed lines are skipped. 0 at the end, 1 when there
 * may be more, what the callback returned, or -errno. */
int journal_read(
	int dir_fd, struct journal_place *place, uint64_t max, journal_line_fn *fn, void *context);
/* Where the last two files begin: what a crash can have left unfinished is behind it. */
int journal_tail(int dir_fd, struct journal_place *ret_place);

/* A fault found by journal_verify. `line` counts from 1 in `file`; 0: the whole file. from..to: numbers of
 * lines that are missing; 0: none. */
struct journal_fault {
	const char *file;
	uint64_t line;
	uint64_t from, to;
	const char *what;
};
typedef void journal_fault_fn(void *context, const struct journal_fault *fault);

struct journal_verdict {
	uint64_t files;
	uint64_t lines;
	uint64_t faults;
	uint64_t first_seq;
	uint64_t last_seq;
	uint64_t
		unsigned_lines; /* behind the one that head names: the chain alone vouches for them */
	bool partial;           /* the last line is being written (or was when its writer died) */
};

/* Checks every line of all files (link, number, form) and both ends against head. `public` NULL: not the
 * signature. May run beside the writer. 0 (whatever was found) or -errno. */
int journal_verify(int dir_fd, const uint8_t *public, journal_fault_fn *fn, void *context,
	struct journal_verdict *ret_verdict);

/* The value of `,"name":` in a line of our own making, as a number; false when it has none. */
bool journal_line_number(const char *json, const char *name, uint64_t *ret_number);

/* 20261121 of a time; used for the names of journal files and day databases. */
uint32_t journal_day(int64_t time_ns);
