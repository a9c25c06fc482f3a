/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger - what is kept, and where it came from: a SQLite file `index.db` in the directory of files. One process
 * writes; others may read at the same time.
 *
 * What one file leads to is one transaction, under a key that the same file has when it is taken again: doing
 * it twice changes nothing, and gives the answer of the first time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "vault/look.h"

struct ledger;

#define LEDGER_NAME          "index.db"
#define LEDGER_VERSION       1
#define LEDGER_SIGHTINGS_MAX 1000000 /* the oldest go first */
#define LEDGER_KNOWN_MAX     2000000 /* contents that are known; those that are not kept go first */

/* 0, -EBADMSG: it is damaged or of another version, -EROFS, -ENOSPC, -ENOMEM, -EIO. */
int ledger_open(int dir_fd, struct ledger **ret_ledger);
/* For questions only; -ENOENT: nothing was ever kept there. */
int ledger_open_read(int dir_fd, struct ledger **ret_ledger);
struct ledger *ledger_close(struct ledger *ledger);

int ledger_begin(struct ledger *ledger);
int ledger_commit(struct ledger *ledger);
void ledger_rollback(struct ledger *ledger);

/* ---- what is written ---- */

/* One file that was carried. */
struct ledger_sighting {
	uint64_t flow_id, file_id;
	unsigned side;
	int64_t begun_ns, time_ns; /* first and last piece */
	const uint8_t *sha256;     /* 32 bytes; NULL: lost */
	uint64_t size;
	const struct record *record; /* head and name */
	bool is_new, stored;
	unsigned why;  /* the caller's: why it is not stored */
	unsigned told; /* the caller's: what was told with it */
	uint8_t found_sha256[32];
};
/* 1 and what was noted under that key (is_new, stored, why, told, found_sha256), or 0. */
int ledger_find_sighting(struct ledger *ledger, struct ledger_sighting *sighting);
int ledger_add_sighting(struct ledger *ledger, const struct ledger_sighting *sighting);

struct ledger_file {
	uint8_t sha256[32], sha1[20], md5[16];
	uint64_t size;
	uint32_t entropy;
	const char *magic; /* read: borrowed until the next call */
	int64_t first_ns, last_ns;
	uint64_t times;
	bool stored, pinned;
};
/* 1 and the row (without `magic`), or 0: never seen. */
int ledger_find_file(struct ledger *ledger, const uint8_t *sha256, struct ledger_file *ret_file);
/* Adds it, or one more sighting of it; `stored` sticks. */
int ledger_add_file(struct ledger *ledger, const struct ledger_file *file);
int ledger_set_stored(struct ledger *ledger, const uint8_t *sha256, bool stored);
/* 1, or 0: there is no such file. */
int ledger_set_pinned(struct ledger *ledger, const uint8_t *sha256, bool pinned);
/* The one that was seen last longest ago, is kept and not pinned, and is not `but` (may be NULL): 1, or 0. */
int ledger_oldest(struct ledger *ledger, const uint8_t *but, uint8_t ret_sha256[static 32],
	uint64_t *ret_size);
int ledger_total(struct ledger *ledger, uint64_t *ret_files, uint64_t *ret_bytes);
/* New content kept of a sender, an address or network, on a day (days since 1970). */
int ledger_spent(struct ledger *ledger, const struct ip *source, int64_t day, uint64_t *ret_files,
	uint64_t *ret_bytes);
int ledger_spend(struct ledger *ledger, const struct ip *source, int64_t day, uint64_t bytes);
int64_t ledger_number(struct ledger *ledger, const char *name, int64_t otherwise);
int ledger_set_number(struct ledger *ledger, const char *name, int64_t value);
/* Removes what is beyond the limits above, and what was spent on days before this one. */
int ledger_trim(struct ledger *ledger, int64_t day);

/* ---- questions ---- */

struct ledger_filter {
	int64_t from_ns;      /* seen at or after; INT64_MIN: any */
	const char *honeypot; /* NULL: any */
	const uint8_t *sha256;
	size_t sha256_len; /* bytes of it that count; 0: any */
};

/* What is known of a content; texts are valid during the call. */
struct ledger_answer {
	struct ledger_file file;
	/* Of the last sighting that the filter lets through; the name may be hostile. */
	struct text name;
	const char *source, *destination, *honeypot, *app_proto;
};
/* Newest first. 0, what `fn` returned, or -errno. */
int ledger_ask(struct ledger *ledger, const struct ledger_filter *filter,
	int (*fn)(void *context, const struct ledger_answer *answer), void *context);

/* One sighting, for people. */
struct ledger_seen {
	int64_t time_ns;
	uint64_t flow_id;
	struct text name;
	const char *source, *destination, *honeypot, *app_proto;
	unsigned sport, dport;
};
int ledger_sightings(struct ledger *ledger, const uint8_t *sha256, uint64_t limit,
	int (*fn)(void *context, const struct ledger_seen *seen), void *context);
/* Each kept content; the callback may call ledger_set_stored() for it, and writes nothing else. */
int ledger_each_stored(
	struct ledger *ledger, int (*fn)(void *context, const uint8_t *sha256), void *context);
