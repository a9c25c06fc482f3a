/* SPDX-License-Identifier: Apache-2.0 */
/*
 * day - the database of one UTC day, open for writing: ev-YYYYMMDD.db.
 *
 * One transaction is open from the first day_add() to day_commit() or day_rollback(). Adding a record
 * that is there already changes nothing, rollups included, so the journal may be fed twice.
 * All functions: 0 or -errno; -EBADMSG: the file is damaged (make it again from the journal).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "store/journal.h"

#define DAY_NAME_MAX 24

struct day;

/* Creates the file when it is not there. Damage that shows at once is -EBADMSG. */
int day_open(int dir_fd, uint32_t date, struct day **ret_day);
/* Ends the transaction by rolling back; with `finish` the file gets the form in which it stays: no
 * WAL, read-only (unless a reader holds it: then at the next chance). */
struct day *day_close(struct day *day, bool finish);

uint32_t day_date(const struct day *day);
/* Opens the transaction, when it is not; the others do this themselves. */
int day_begin(struct day *day);
/* 1: added, 0: was there. */
int day_add(
	struct day *day, uint64_t seq, const struct record *record, const char *json, size_t len);
/* The database holds what its day has in the journal before `place`. */
int day_commit(struct day *day, const struct journal_place *place, uint64_t seq);
void day_rollback(struct day *day);
struct journal_place day_place(const struct day *day, uint64_t *ret_seq);

struct day_segment {
	const char *name;
	int64_t first_ns, last_ns;
	uint64_t packets;
};
/* A segment's packets come in several transactions; it is there for readers only with the last one.
 * Begin: its number; what was there under that name, or of a segment that never came to its end, goes.
 * Then packets, then the segment itself. Within the transaction. */
int day_begin_segment(struct day *day, const char *name, int64_t *ret_id);
int day_add_packets(struct day *day, int64_t segment_id, uint64_t flow, uint64_t n,
	const void *blob, size_t len);
int day_end_segment(struct day *day, int64_t segment_id, const struct day_segment *segment);
/* Takes at most `max` rows of a segment out; with the last ones the segment. 1: there are more, 0: it is
 * out, or was not there. */
int day_forget_segment(struct day *day, const char *name, int max);

void day_file_name(uint32_t date, char ret_name[static DAY_NAME_MAX]);
bool day_file_parse(const char *name, uint32_t *ret_date);
