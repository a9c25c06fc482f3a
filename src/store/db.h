/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db - the day databases together, fed from the journal.
 *
 * While all goes well records come directly (db_add) just before they are committed to the journal.
 * Whenever the database is behind - after a crash, an error, a lost or damaged file - db_add does
 * nothing and db_catch_up() reads the journal on from the last place that is safely in, until the end
 * is reached. So an error of the database never stops the journal, and a deleted or damaged day is
 * made again. The file `days` lists the days that should exist and the last one that retention
 * removed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "store/journal.h"

struct db;

/* The descriptors stay the caller's. Damaged files are renamed to *.damaged-N and made again. */
int db_open(int dir_fd, int journal_dir_fd, uint64_t budget, struct db **ret_db);
/* Finishes the open days (no WAL, read-only). */
struct db *db_close(struct db *db);

/* False: behind the journal; call db_catch_up. */
bool db_is_live(const struct db *db);
/* One record of the coming journal lines. Errors show in db_is_live only. */
void db_add(struct db *db, uint64_t seq, const struct record *record, const char *json, size_t len);
/* The records added since the last call are in the journal, up to `end`. */
void db_commit(struct db *db, const struct journal_place *end, uint64_t seq);
/* They are not yet: forget them; db_catch_up will find them in the journal. */
void db_rollback(struct db *db);
/* Takes up to `max` lines from the journal, which ends at `end`. 0 or -errno (try again later). */
int db_catch_up(struct db *db, const struct journal_place *end, uint64_t max);
/* The last error that put the database behind, 0 when there was none; reading it clears it. */
int db_error(struct db *db);

/* Indexes a closed segment, compressed or not, in steps of some 20 ms: call it with the same name until it
 * does not say 1 (more). 0: done. -EAGAIN while behind; -errno of the file or the database: the work done
 * so far is forgotten. `name` is without ".zst". */
int db_index_step(struct db *db, int capture_dir_fd, const char *name);
/* The same for a segment that is gone: takes it out of the open days. Finished ones stay as they are. */
int db_forget_step(struct db *db, const char *name);

/* Removes the oldest days beyond the budget, never an open one; how many, or -errno. */
int db_retain(struct db *db);
/* Finishes days that nothing was added to for `idle_s` seconds and that are not the newest. */
void db_tick(struct db *db, int64_t now_s, int64_t idle_s);
uint64_t db_bytes(const struct db *db); /* as of the last db_retain or db_open */
