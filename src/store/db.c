/* SPDX-License-Identifier: Apache-2.0 */
#include "store/db.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/cur.h"
#include "capture/index.h"
#include "capture/reader.h"
#include "capture/segment.h"
#include "capture/zfile.h"
#include "store/day.h"
#include "store/line.h"

/* Of one step of indexing: packets read, rows written. */
enum { OPEN_MAX_DAYS = 2, DAYS_MAX = 4096, READ_STEP = 32768, WRITE_STEP = 4000 };

static const char days_name[] = "days", days_new[] = "days.new";

struct slot {
	struct day *day;
	int64_t used; /* by db->clock, which counts additions; and by seconds: */
	int64_t used_s;
	bool touched; /* in this transaction */
};

struct db {
	int dir_fd;
	int journal_dir_fd;
	uint64_t budget;
	uint64_t bytes;
	struct slot slot[OPEN_MAX_DAYS];
	int64_t clock;
	int64_t now_s;
	uint32_t days[DAYS_MAX]; /* ascending */
	size_t n_days;
	uint32_t removed; /* newest day that retention removed */
	bool live;
	int error;
	struct journal_place place; /* before it everything is in */
	uint64_t seq;
	struct indexing *work; /* NULL: none */
};

static struct indexing *indexing_free(struct indexing *work);

static bool days_find(const struct db *db, uint32_t date, size_t *ret_at)
{
	size_t at = 0;

	while (at < db->n_days && db->days[at] < date)
		at++;
	*ret_at = at;
	return at < db->n_days && db->days[at] == date;
}

static void days_insert(struct db *db, uint32_t date)
{
	size_t at;

	if (days_find(db, date, &at) || db->n_days == DAYS_MAX)
		return;
	memmove(db->days + at + 1, db->days + at, (db->n_days - at) * sizeof(db->days[0]));
	db->days[at] = date;
	db->n_days++;
}

static void days_drop(struct db *db, uint32_t date)
{
	size_t at;

	if (!days_find(db, date, &at))
		return;
	db->n_days--;
	memmove(db->days + at, db->days + at + 1, (db->n_days - at) * sizeof(db->days[0]));
}

static int days_write(const struct db *db)
{
	int fd = openat(db->dir_fd, days_new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	if (!file)
		return -errno;
	fprintf(file, "removed %u\n", db->removed);
	for (size_t i = 0; i < db->n_days; i++)
		fprintf(file, "%u\n", db->days[i]);
	if (fflush(file) != 0 || fdatasync(fd) < 0) {
		int error = -errno;

		fclose(file);
		return error;
	}
	fclose(file);
	return renameat(db->dir_fd, days_new, db->dir_fd, days_name) < 0 ? -errno : 0;
}

/* False when there is no such file: then nobody knows which days there should be. */
static bool days_read(struct db *db)
{
	int fd = openat(db->dir_fd, days_name, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	char text[64];
	unsigned date;

	if (!file)
		return false;
	while (fgets(text, sizeof(text), file))
		if (sscanf(text, "removed %u", &date) == 1)
			db->removed = date;
		else if (sscanf(text, "%u", &date) == 1)
			days_insert(db, date);
	fclose(file);
	return true;
}

static void rollback_slots(struct db *db)
{
	for (int i = 0; i < OPEN_MAX_DAYS; i++) {
		if (db->slot[i].day)
			day_rollback(db->slot[i].day);
		db->slot[i].touched = false;
	}
}

static void fall_behind(struct db *db, int error)
{
	rollback_slots(db);
	db->live = false;
	db->error = error;
}

/* Everything has to be read again: a day is missing. What is there already stays as it is. */
static void start_over(struct db *db)
{
	db->live = false;
	db->place = (struct journal_place){ 0 };
	db->seq = 0;
}

static void set_aside(struct db *db, uint32_t date)
{
	static const char *const tails[] = { "", "-wal", "-shm", "-journal" };
	char name[DAY_NAME_MAX], from[64], to[64];

	day_file_name(date, name);
	for (int i = 0; i < 4; i++) {
		snprintf(from, sizeof(from), "%s%s", name, tails[i]);
		snprintf(to, sizeof(to), "%s.damaged%s", name, tails[i]);
		(void)renameat(db->dir_fd, from, db->dir_fd, to);
	}
}

static int open_slot(struct db *db, uint32_t date, struct slot *slot)
{
	int error = day_open(db->dir_fd, date, &slot->day);
	size_t at;

	if (error == -EBADMSG) {
		set_aside(db, date);
		days_insert(db, date);
		start_over(db);
		return -EAGAIN;
	}
	if (error)
		return error;
	slot->touched = false;
	if (!days_find(db, date, &at)) {
		days_insert(db, date);
		return days_write(db);
	}
	return 0;
}

/* The open database of that day. Opening a third one closes the one that was not used for longest,
 * which ends the transaction: with the old place, so nothing is promised that is not in. */
static int find_slot(struct db *db, uint32_t date, struct slot **ret_slot)
{
	struct slot *oldest = &db->slot[0];

	for (int i = 0; i < OPEN_MAX_DAYS; i++) {
		struct slot *slot = &db->slot[i];

		if (slot->day && day_date(slot->day) == date) {
			*ret_slot = slot;
			return 0;
		}
		if (!slot->day || (oldest->day && slot->used < oldest->used))
			oldest = slot;
	}
	if (oldest->day) {
		int error = oldest->touched ? day_commit(oldest->day, &db->place, db->seq) : 0;

		if (error)
			return error;
		oldest->day = day_close(oldest->day, true);
	}
	*ret_slot = oldest;
	return open_slot(db, date, oldest);
}

static int add(
	struct db *db, uint64_t seq, const struct record *record, const char *json, size_t len)
{
	struct slot *slot;
	int error = find_slot(db, journal_day(record->head.time_ns), &slot);

	if (error)
		return error;
	slot->used = ++db->clock;
	slot->used_s = db->now_s;
	slot->touched = true;
	error = day_add(slot->day, seq, record, json, len);
	if (error == -EBADMSG) {
		uint32_t date = day_date(slot->day);

		slot->day = day_close(slot->day, false);
		set_aside(db, date);
		start_over(db);
	}
	return error < 0 ? error : 0;
}

void db_add(struct db *db, uint64_t seq, const struct record *record, const char *json, size_t len)
{
	int error = db->live ? add(db, seq, record, json, len) : 0;

	if (error)
		fall_behind(db, error);
}

/* All touched days; only the last one may say that everything up to `end` is in. */
static int commit_slots(struct db *db, const struct journal_place *end, uint64_t seq)
{
	struct slot *last = NULL;
	int error = 0;

	for (int i = 0; i < OPEN_MAX_DAYS; i++)
		if (db->slot[i].day && db->slot[i].touched)
			last = &db->slot[i];
	for (int i = 0; i < OPEN_MAX_DAYS && !error; i++) {
		struct slot *slot = &db->slot[i];

		if (!slot->day || !slot->touched)
			continue;
		error = slot == last ? day_commit(slot->day, end, seq)
				     : day_commit(slot->day, &db->place, db->seq);
		slot->touched = error != 0;
	}
	if (!error) {
		db->place = *end;
		db->seq = seq;
	}
	return error;
}

void db_commit(struct db *db, const struct journal_place *end, uint64_t seq)
{
	int error = db->live ? commit_slots(db, end, seq) : 0;

	if (error)
		fall_behind(db, error);
}

void db_rollback(struct db *db)
{
	rollback_slots(db);
	db->live = false;
}

bool db_is_live(const struct db *db)
{
	return db->live;
}

int db_error(struct db *db)
{
	int error = db->error;

	db->error = 0;
	return error;
}

struct catching {
	struct db *db;
	uint64_t seq;
};

static int catch_line(void *context, const struct journal_line *got)
{
	struct catching *c = context;
	struct record record;
	struct line *line;
	int error = 0;

	/* A changed line is a matter for journal_verify; here it is passed over. */
	if (line_parse(got->json, got->len, &line, &record) == 0) {
		if (journal_day(record.head.time_ns) > c->db->removed)
			error = add(c->db, got->seq, &record, got->json, got->len);
		line_free(line);
	}
	c->seq = got->seq;
	return error;
}

static bool place_reached(const struct journal_place *place, const struct journal_place *end)
{
	return place->day == end->day && place->number == end->number &&
	       place->offset >= end->offset;
}

int db_catch_up(struct db *db, const struct journal_place *end, uint64_t max)
{
	struct catching c = { .db = db, .seq = db->seq };
	struct journal_place place = db->place;
	int result;

	if (db->live)
		return 0;
	result = journal_read(db->journal_dir_fd, &place, max, catch_line, &c);
	if (result >= 0)
		result = commit_slots(db, &place, c.seq) ? -EIO : result;
	if (result < 0) {
		fall_behind(db, result);
		return result;
	}
	db->live = place_reached(&place, end) || (result == 0 && end->offset == 0);
	return 0;
}

/* Sizes, and days that are there but not in the list. */
static int look_around(struct db *db, bool *ret_missing)
{
	int fd = openat(db->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	size_t found = 0;
	struct stat st;
	uint32_t date;

	if (!dir)
		return -errno;
	db->bytes = 0;
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "ev-", 3) != 0 ||
			fstatat(db->dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		db->bytes += (uint64_t)st.st_size;
		if (day_file_parse(entry->d_name, &date)) {
			days_insert(db, date);
			found++;
		}
	}
	closedir(dir);
	*ret_missing = found < db->n_days;
	return 0;
}

/* An older day was finished: its header and size tell whether it is whole. */
static bool looks_whole(struct db *db, uint32_t date)
{
	char name[DAY_NAME_MAX], wal[64];
	uint8_t head[32] = { 0 };
	struct cur c;
	struct stat st;
	bool whole;
	int fd;

	day_file_name(date, name);
	snprintf(wal, sizeof(wal), "%s-wal", name);
	fd = openat(db->dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	whole = pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) && fstat(fd, &st) == 0 &&
		memcmp(head, "SQLite format 3", 16) == 0 && faccessat(db->dir_fd, wal, F_OK, 0) < 0;
	c = cur_make(head + 28, 4); /* size in pages: sqlite.org/fileformat2.html, 1.3 */
	whole = whole && (uint64_t)cur_be32(&c) * 8192 == (uint64_t)st.st_size;
	close(fd);
	return whole;
}

static int look_into(struct db *db, uint32_t date)
{
	struct journal_place place;
	uint64_t seq;
	struct day *day;
	int error = day_open(db->dir_fd, date, &day);

	if (error)
		return error;
	place = day_place(day, &seq);
	if (seq > db->seq) {
		db->seq = seq;
		db->place = place;
	}
	day_close(day, true);
	return 0;
}

/* Where to go on: the furthest place that one of the last days tells, or one that a crash left open.
 * Too early a place costs time only: records that are there are not added again. */
static int find_place(struct db *db)
{
	for (size_t i = 0; i < db->n_days; i++) {
		int error;

		if (i + OPEN_MAX_DAYS < db->n_days && looks_whole(db, db->days[i]))
			continue;
		error = look_into(db, db->days[i]);
		if (error == -EBADMSG) {
			set_aside(db, db->days[i]);
			start_over(db);
			return 0;
		}
		if (error)
			return error;
	}
	return 0;
}

int db_open(int dir_fd, int journal_dir_fd, uint64_t budget, struct db **ret_db)
{
	struct db *db = calloc(1, sizeof(*db));
	bool known, missing = false;
	int error;

	if (!db)
		return -ENOMEM;
	db->dir_fd = dir_fd;
	db->journal_dir_fd = journal_dir_fd;
	db->budget = budget;
	known = days_read(db);
	error = look_around(db, &missing);
	if (!error && known && !missing)
		error = find_place(db);
	if (!error && !known)
		error = days_write(db);
	if (error) {
		free(db);
		return error;
	}
	*ret_db = db;
	return 0;
}

struct db *db_close(struct db *db)
{
	if (!db)
		return NULL;
	indexing_free(db->work);
	for (int i = 0; i < OPEN_MAX_DAYS; i++)
		day_close(db->slot[i].day, true);
	free(db);
	return NULL;
}

uint64_t db_bytes(const struct db *db)
{
	return db->bytes;
}

void db_tick(struct db *db, int64_t now_s, int64_t idle_s)
{
	uint32_t newest = 0;

	db->now_s = now_s;
	for (int i = 0; i < OPEN_MAX_DAYS; i++)
		if (db->slot[i].day && day_date(db->slot[i].day) > newest)
			newest = day_date(db->slot[i].day);
	for (int i = 0; i < OPEN_MAX_DAYS; i++) {
		struct slot *slot = &db->slot[i];

		if (slot->day && !slot->touched && day_date(slot->day) != newest &&
			now_s - slot->used_s >= idle_s)
			slot->day = day_close(slot->day, true);
	}
}

static bool is_open(const struct db *db, uint32_t date)
{
	for (int i = 0; i < OPEN_MAX_DAYS; i++)
		if (db->slot[i].day && day_date(db->slot[i].day) == date)
			return true;
	return false;
}

static int remove_day(struct db *db, uint32_t date)
{
	static const char *const tails[] = { "-wal", "-shm", "-journal", ".damaged", "" };
	char name[DAY_NAME_MAX], path[64];
	int error;

	day_file_name(date, name);
	days_drop(db, date);
	db->removed = date > db->removed ? date : db->removed;
	error = days_write(db);
	for (int i = 0; i < 5 && !error; i++) {
		snprintf(path, sizeof(path), "%s%s", name, tails[i]);
		if (unlinkat(db->dir_fd, path, 0) < 0 && errno != ENOENT)
			error = -errno;
	}
	return error;
}

int db_retain(struct db *db)
{
	bool missing;
	int removed = 0, error = look_around(db, &missing);

	while (!error && db->bytes > db->budget && db->n_days > 1 && !is_open(db, db->days[0])) {
		error = remove_day(db, db->days[0]);
		if (!error)
			error = look_around(db, &missing);
		removed += !error;
	}
	return error ? error : removed;
}

/* Entries of one segment, kept until its last packet's time tells the day. */
struct entries {
	struct capture_index_entry *entry;
	size_t n;
	size_t room;
};

static int keep_entry(void *context, const struct capture_index_entry *entry)
{
	struct entries *e = context;
	uint8_t *blob;

	if (e->n == e->room) {
		size_t room = e->room * 2 + 256;
		struct capture_index_entry *more = realloc(e->entry, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		e->entry = more;
		e->room = room;
	}
	blob = malloc(entry->blob_len ? entry->blob_len : 1);
	if (!blob)
		return -ENOMEM;
	memcpy(blob, entry->blob, entry->blob_len);
	e->entry[e->n] = *entry;
	e->entry[e->n++].blob = blob;
	return 0;
}

/* The segment that is being indexed. */
struct indexing {
	char name[SEGMENT_NAME_MAX];
	struct zfile *file;
	struct capture_reader *reader;
	struct capture_index *index;
	struct entries entries;
	struct day_segment segment;
	int64_t id; /* in the day; 0: it was read, nothing is written */
	uint32_t day;
	size_t written; /* entries */
	bool was_read;
};

static struct indexing *indexing_free(struct indexing *work)
{
	if (!work)
		return NULL;
	for (size_t i = 0; i < work->entries.n; i++)
		free((void *)(uintptr_t)work->entries.entry[i].blob);
	free(work->entries.entry);
	capture_index_free(work->index);
	if (work->reader)
		capture_reader_free(work->reader);
	if (work->file)
		zfile_close(work->file);
	free(work);
	return NULL;
}

static int indexing_begin(struct db *db, int capture_dir_fd, const char *name)
{
	struct indexing *work = calloc(1, sizeof(*work));
	int error = work ? zfile_open(capture_dir_fd, name, &work->file) : -ENOMEM;

	if (error) {
		free(work);
		return error;
	}
	snprintf(work->name, sizeof(work->name), "%s", name);
	error = capture_reader_new_source(zfile_read, work->file, &work->reader);
	if (!error)
		error = capture_index_new(work->reader, keep_entry, &work->entries, &work->index);
	if (error)
		indexing_free(work);
	else
		db->work = work;
	return error;
}

static int indexing_read(struct indexing *work)
{
	struct capture_index_total total;
	int result = capture_index_step(work->index, READ_STEP);

	if (result != 0)
		return result;
	total = capture_index_sum(work->index);
	work->segment = (struct day_segment){ .name = work->name,
		.first_ns = total.first_ns,
		.last_ns = total.last_ns,
		.packets = total.packets };
	work->day = journal_day(total.last_ns);
	work->was_read = true;
	return total.packets > 0;
}

static int write_some(struct indexing *work, struct day *day)
{
	size_t end = work->entries.n - work->written < WRITE_STEP ? work->entries.n
								  : work->written + WRITE_STEP;
	int error = work->id ? day_begin(day) : day_begin_segment(day, work->name, &work->id);

	for (; work->written < end && !error; work->written++) {
		const struct capture_index_entry *e = &work->entries.entry[work->written];

		error = day_add_packets(day, work->id, e->flow, e->n_packets, e->blob, e->blob_len);
	}
	if (!error && end == work->entries.n)
		error = day_end_segment(day, work->id, &work->segment);
	return error ? error : end < work->entries.n;
}

/* Between transactions of records; the place in the journal stays where it is. */
static int indexing_write(struct db *db, struct indexing *work)
{
	struct slot *slot = NULL;
	int result = find_slot(db, work->day, &slot), error = 0;

	if (result == 0)
		result = write_some(work, slot->day);
	if (result >= 0) {
		slot->used_s = db->now_s;
		error = day_commit(slot->day, &db->place, db->seq);
	}
	if (error)
		result = error;
	if (result < 0 && slot && slot->day)
		day_rollback(slot->day);
	return result;
}

int db_index_step(struct db *db, int capture_dir_fd, const char *name)
{
	int result = 0;

	if (!db->live)
		return -EAGAIN;
	if (db->work && strcmp(db->work->name, name) != 0)
		db->work = indexing_free(db->work);
	if (!db->work)
		result = indexing_begin(db, capture_dir_fd, name);
	if (result == 0)
		result =
			db->work->was_read ? indexing_write(db, db->work) : indexing_read(db->work);
	if (result != 1)
		db->work = indexing_free(db->work);
	return result;
}

int db_forget_step(struct db *db, const char *name)
{
	int result = 0;

	if (!db->live)
		return -EAGAIN;
	for (int i = 0; i < OPEN_MAX_DAYS && result == 0; i++) {
		struct day *day = db->slot[i].day;
		int error;

		if (!day)
			continue;
		result = day_forget_segment(day, name, WRITE_STEP);
		error = result < 0 ? 0 : day_commit(day, &db->place, db->seq);
		result = error ? error : result;
		if (result < 0)
			day_rollback(day);
	}
	return result;
}
