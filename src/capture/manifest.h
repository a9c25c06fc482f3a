/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest - manifest.jsonl in the capture directory: one JSON line for each segment that was sealed,
 * compressed or removed. Each line has the SHA-256 of the line before it (without its newline) and
 * ends in an Ed25519 signature over all of the line before `,"sig":`. A file is described by its
 * SHA-256 and that of each MiB of it, with the first packet that begins there, so that a change can be
 * placed even where it cannot be read any more.
 *
 * Keys: capture.key (secret, 128 hex digits) and capture.pub (64 hex digits).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "capture/segment.h"

struct out;

#define MANIFEST_FILE       "manifest.jsonl"
#define MANIFEST_HEAD       "manifest.head"
#define MANIFEST_SECRET     "capture.key"
#define MANIFEST_PUBLIC     "capture.pub"
#define MANIFEST_PIECE      (1024 * 1024)
#define MANIFEST_HASH       32
#define MANIFEST_PUBLIC_LEN 32
#define MANIFEST_NAME_MAX   (SEGMENT_NAME_MAX + 8)
#define MANIFEST_LINE_MAX   (64 * 1024 * 1024)

struct manifest_key {
	uint8_t secret[64];
	uint8_t public[MANIFEST_PUBLIC_LEN];
};

/* Makes both files in the directory unless they are there (0600 and 0644). 0 or -errno. */
int manifest_key_create(int keys_dir_fd, const char *secret_name, const char *public_name);
/* Reads from the descriptor's start. -EBADMSG: not a key. */
int manifest_key_read(int fd, struct manifest_key *ret_key);
int manifest_key_read_public(int fd, uint8_t ret_public[static MANIFEST_PUBLIC_LEN]);

struct manifest_piece {
	uint8_t sha256[MANIFEST_HASH];
	bool has_packet;
	uint64_t first_packet; /* the first whose block begins in this piece */
};

enum manifest_kind { MANIFEST_SEALED = 1, MANIFEST_COMPRESSED = 2, MANIFEST_REMOVED = 4 };

/* One line as data. */
struct manifest_line {
	enum manifest_kind kind;
	char name[MANIFEST_NAME_MAX]; /* of the segment; COMPRESSED: with ".zst" */
	int64_t time_ns;              /* when the line was written */
	uint64_t bytes;
	uint8_t sha256[MANIFEST_HASH]; /* not of REMOVED */
	struct manifest_piece *piece;  /* owned */
	size_t n_pieces;
	uint64_t packets, first_packet, last_packet; /* SEALED */
	int64_t first_ns, last_ns;                   /* SEALED */
	bool was_sealed;                             /* REMOVED */
	uint8_t prev[MANIFEST_HASH];
};
void manifest_line_done(struct manifest_line *line);

/* Reads a file to its end: bytes, hashes and pieces of *ret_line. `stop` (may be NULL) is asked before
 * each piece; when it is true the result is -ECANCELED. */
typedef ssize_t manifest_read_fn(void *context, void *buf, size_t n);
int manifest_describe(manifest_read_fn *read, void *context, bool (*stop)(void *),
	void *stop_context, struct manifest_line *ret_line);

/* The text of a line without newline: malloc'd. `key` NULL: an empty signature. */
int manifest_line_text(const struct manifest_line *line, const struct manifest_key *key,
	char **ret_text, size_t *ret_len);
/* -EBADMSG: not such a line. */
int manifest_line_parse(const char *text, size_t len, struct manifest_line *ret_line);
/* Ends a JSON object in `o` (which must begin the buffer and lack only its closing brace) with the
 * signature, as in a line. */
void manifest_put_signature(struct out *o, const struct manifest_key *key);
/* Whether the line carries a valid signature of that key, in the one way to write it. */
bool manifest_line_signed(
	const char *text, size_t len, const uint8_t public[static MANIFEST_PUBLIC_LEN]);
void manifest_sha256(const void *bytes, size_t len, uint8_t ret_sha256[static MANIFEST_HASH]);

/* Calls fn with each line, without its newline; `whole` is false for a last one that has none.
 * 0, what fn returned, or -errno; -EMSGSIZE for a line longer than MANIFEST_LINE_MAX. */
typedef int manifest_line_fn(void *context, const char *text, size_t len, bool whole);
int manifest_walk(int fd, manifest_line_fn *fn, void *context);

/* How far the file goes, in MANIFEST_HEAD (a note): brought up to date behind each line. */
struct manifest_head {
	uint64_t lines;
	uint8_t last[MANIFEST_HASH]; /* SHA-256 of the last line */
};
/* `public` NULL: the signature is not looked at. -ENOENT; -EBADMSG: it was changed. */
int manifest_head_read(int dir_fd, const uint8_t *public, struct manifest_head *ret_head);

/* The writer. */
struct manifest;

/* Opens or creates the file, cuts off a line that a crash left unfinished. When lines are missing at its
 * end, the next one follows those: the gap stays visible. `dir_fd` and `key` stay the caller's. */
int manifest_open(int dir_fd, const struct manifest_key *key, struct manifest **ret_manifest);
struct manifest *manifest_close(struct manifest *manifest);
/* The enum manifest_kind bits said about the segment of that number. */
unsigned manifest_state(const struct manifest *manifest, uint64_t number);
/* Greatest number that is named; 0 when there is none. */
uint64_t manifest_last_number(const struct manifest *manifest);
/* Appends the line (prev and time are filled in) and brings it to the disk. */
int manifest_add(struct manifest *manifest, struct manifest_line *line);
