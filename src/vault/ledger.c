/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/sql.h"

enum { SHA = 32 };

static const char schema[] =
	"CREATE TABLE file(sha256 BLOB PRIMARY KEY, sha1 BLOB, md5 BLOB, size INTEGER, entropy "
	"INTEGER,"
	" magic TEXT, first INTEGER, last INTEGER, times INTEGER, stored INTEGER, pinned INTEGER"
	") WITHOUT ROWID;"
	"CREATE INDEX file_last ON file(last) WHERE stored AND NOT pinned;"
	"CREATE INDEX file_gone ON file(last) WHERE NOT stored;"
	"CREATE TABLE sighting(id INTEGER PRIMARY KEY, flow INTEGER, file INTEGER, side INTEGER,"
	" begun INTEGER, time INTEGER, sha256 BLOB, size INTEGER, name BLOB, source TEXT,"
	" destination TEXT, sport INTEGER, dport INTEGER, app TEXT, honeypot TEXT, is_new INTEGER,"
	" stored INTEGER, why INTEGER, told INTEGER, UNIQUE(flow, file, side, begun));"
	"CREATE INDEX sighting_sha256 ON sighting(sha256, time);"
	"CREATE TABLE spent(source TEXT, day INTEGER, files INTEGER, bytes INTEGER,"
	" PRIMARY KEY(source, day)) WITHOUT ROWID;"
	"CREATE TABLE total(one INTEGER PRIMARY KEY, files INTEGER, bytes INTEGER);"
	"INSERT INTO total VALUES(1, 0, 0);"
	/* The sum of what is kept goes with every change of it. */
	"CREATE TRIGGER file_in AFTER INSERT ON file WHEN NEW.stored BEGIN"
	" UPDATE total SET files = files + 1, bytes = bytes + NEW.size; END;"
	"CREATE TRIGGER file_on AFTER UPDATE OF stored ON file WHEN NEW.stored AND NOT OLD.stored "
	"BEGIN"
	" UPDATE total SET files = files + 1, bytes = bytes + NEW.size; END;"
	"CREATE TRIGGER file_off AFTER UPDATE OF stored ON file WHEN OLD.stored AND NOT NEW.stored "
	"BEGIN"
	" UPDATE total SET files = files - 1, bytes = bytes - NEW.size; END;"
	"CREATE TRIGGER file_out AFTER DELETE ON file WHEN OLD.stored BEGIN"
	" UPDATE total SET files = files - 1, bytes = bytes - OLD.size; END;"
	"CREATE TABLE number(name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;";

enum statement {
	FIND_SIGHTING,
	ADD_SIGHTING,
	FIND_FILE,
	ADD_FILE,
	SET_STORED,
	SET_PINNED,
	OLDEST,
	TOTAL,
	SPENT,
	SPEND,
	NUMBER,
	SET_NUMBER,
	TRIM_SIGHTINGS,
	TRIM_FILES,
	TRIM_SPENT,
	BEGIN,
	COMMIT,
	ROLLBACK,
	STATEMENTS
};

static const char *const statement_sql[STATEMENTS] = {
	[FIND_SIGHTING] =
		"SELECT is_new, stored, why, told, sha256 FROM sighting WHERE flow = ? AND file = ?"
		" AND side = ? AND begun = ?",
	[ADD_SIGHTING] =
		"INSERT INTO sighting(flow, file, side, begun, time, sha256, size, name,"
		" source, destination, sport, dport, app, honeypot, is_new, stored, why, told)"
		" VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	[FIND_FILE] = "SELECT sha256, sha1, md5, size, entropy, magic, first, last, times, stored,"
		      " pinned FROM file WHERE sha256 = ?",
	[ADD_FILE] = "INSERT INTO file VALUES(?,?,?,?,?,?,?,?,1,?,0) ON CONFLICT DO UPDATE SET"
		     " first = min(first, excluded.first), last = max(last, excluded.last),"
		     " times = times + 1, stored = stored OR excluded.stored",
	[SET_STORED] = "UPDATE file SET stored = ?1, pinned = pinned AND ?1 WHERE sha256 = ?2",
	[SET_PINNED] = "UPDATE file SET pinned = ? WHERE sha256 = ? AND stored",
	[OLDEST] = "SELECT sha256, size FROM file WHERE stored AND NOT pinned AND sha256 <> ?"
		   " ORDER BY last, sha256 LIMIT 1",
	[TOTAL] = "SELECT files, bytes FROM total",
	[SPENT] = "SELECT files, bytes FROM spent WHERE source = ? AND day = ?",
	[SPEND] = "INSERT INTO spent VALUES(?,?,1,?) ON CONFLICT DO UPDATE SET files = files + 1,"
		  " bytes = bytes + excluded.bytes",
	[NUMBER] = "SELECT value FROM number WHERE name = ?",
	[SET_NUMBER] = "INSERT OR REPLACE INTO number VALUES(?,?)",
	[TRIM_SIGHTINGS] = "DELETE FROM sighting WHERE id <= (SELECT max(id) FROM sighting) - ?",
	[TRIM_FILES] = "DELETE FROM file WHERE sha256 IN (SELECT sha256 FROM file WHERE NOT stored"
		       " ORDER BY last LIMIT max(0, (SELECT count(*) FROM file) - ?))",
	[TRIM_SPENT] = "DELETE FROM spent WHERE day < ?",
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
};

struct ledger {
	sqlite3 *sqlite;
	sqlite3_stmt *statement[STATEMENTS];
};

/* ---- open ---- */

static int exec(struct ledger *l, const char *sql)
{
	return sql_error(sqlite3_exec(l->sqlite, sql, NULL, NULL, NULL));
}

static int64_t version_of(struct ledger *l)
{
	sqlite3_stmt *statement = NULL;
	int64_t version = -1;

	if (sqlite3_prepare_v2(l->sqlite, "PRAGMA user_version", -1, &statement, NULL) ==
			SQLITE_OK &&
		sqlite3_step(statement) == SQLITE_ROW)
		version = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return version;
}

static int make_tables(struct ledger *l)
{
	char end[64];
	int r = exec(l, "BEGIN IMMEDIATE");

	if (r == 0)
		r = exec(l, schema);
	snprintf(end, sizeof(end), "PRAGMA user_version=%d;COMMIT", LEDGER_VERSION);
	return r < 0 ? r : exec(l, end);
}

static int prepare(struct ledger *l)
{
	int code = SQLITE_OK;

	for (int i = 0; i < STATEMENTS && code == SQLITE_OK; i++)
		code = sqlite3_prepare_v3(l->sqlite, statement_sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &l->statement[i], NULL);
	return sql_error(code);
}

static int open_file(struct ledger *l, int dir_fd)
{
	int64_t version;
	int r = sql_open(
		dir_fd, LEDGER_NAME, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &l->sqlite);

	if (r < 0)
		return r;
	sqlite3_busy_timeout(l->sqlite, 2000);
	r = exec(l, "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA temp_store=MEMORY;"
		    "PRAGMA journal_size_limit=16777216");
	version = r == 0 ? version_of(l) : -1;
	if (version == 0)
		r = make_tables(l);
	else if (version != LEDGER_VERSION)
		r = r < 0 ? r : -EBADMSG;
	return r < 0 ? r : prepare(l);
}

int ledger_open(int dir_fd, struct ledger **ret_ledger)
{
	struct ledger *l = calloc(1, sizeof(*l));
	int r = l ? open_file(l, dir_fd) : -ENOMEM;

	if (r < 0)
		ledger_close(l);
	else
		*ret_ledger = l;
	return r;
}

int ledger_open_read(int dir_fd, struct ledger **ret_ledger)
{
	struct ledger *l;
	int r;

	if (faccessat(dir_fd, LEDGER_NAME, F_OK, 0) < 0)
		return -errno;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	r = sql_open(dir_fd, LEDGER_NAME, SQLITE_OPEN_READONLY, &l->sqlite);
	if (r == 0) {
		sqlite3_busy_timeout(l->sqlite, 2000);
		r = version_of(l) == LEDGER_VERSION ? 0 : -EBADMSG;
	}
	if (r < 0)
		ledger_close(l);
	else
		*ret_ledger = l;
	return r;
}

struct ledger *ledger_close(struct ledger *l)
{
	if (!l)
		return NULL;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(l->statement[i]);
	sqlite3_close(l->sqlite);
	free(l);
	return NULL;
}

/* ---- running statements ---- */

/* 1: a row, 0: none. The statement is to be reset. */
static int step(sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);

	return code == SQLITE_ROW ? 1 : sql_error(code);
}

static int finish(sqlite3_stmt *statement, int r)
{
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return r;
}

static int run(struct ledger *l, enum statement which)
{
	return finish(l->statement[which], step(l->statement[which]));
}

int ledger_begin(struct ledger *l)
{
	return run(l, BEGIN);
}

int ledger_commit(struct ledger *l)
{
	return run(l, COMMIT);
}

void ledger_rollback(struct ledger *l)
{
	if (!sqlite3_get_autocommit(l->sqlite))
		(void)run(l, ROLLBACK);
}

static void bind_number(sqlite3_stmt *statement, int at, uint64_t value)
{
	sqlite3_bind_int64(statement, at, (sqlite3_int64)value);
}

static void bind_blob(sqlite3_stmt *statement, int at, const void *bytes, size_t len)
{
	sqlite3_bind_blob(statement, at, bytes ? bytes : "", (int)len, SQLITE_TRANSIENT);
}

static void bind_text(sqlite3_stmt *statement, int at, struct text text)
{
	sqlite3_bind_text(statement, at, text.at ? text.at : "", (int)text.len, SQLITE_TRANSIENT);
}

static void bind_ip(sqlite3_stmt *statement, int at, const struct ip *ip)
{
	char text[IP_TEXT_MAX];

	bind_text(statement, at, text_of(ip_is_unset(ip) ? "" : ip_text(ip, text)));
}

static void get_blob(sqlite3_stmt *statement, int column, uint8_t *to, size_t len)
{
	memset(to, 0, len);
	if (sqlite3_column_bytes(statement, column) == (int)len)
		memcpy(to, sqlite3_column_blob(statement, column), len);
}

/* ---- sightings ---- */

static void bind_key(sqlite3_stmt *statement, const struct ledger_sighting *s)
{
	bind_number(statement, 1, s->flow_id);
	bind_number(statement, 2, s->file_id);
	bind_number(statement, 3, s->side);
	bind_number(statement, 4, (uint64_t)s->begun_ns);
}

int ledger_find_sighting(struct ledger *l, struct ledger_sighting *s)
{
	sqlite3_stmt *statement = l->statement[FIND_SIGHTING];
	int r;

	bind_key(statement, s);
	r = step(statement);
	if (r == 1) {
		s->is_new = sqlite3_column_int(statement, 0);
		s->stored = sqlite3_column_int(statement, 1);
		s->why = (unsigned)sqlite3_column_int(statement, 2);
		s->told = (unsigned)sqlite3_column_int(statement, 3);
		get_blob(statement, 4, s->found_sha256, SHA);
	}
	return finish(statement, r);
}

int ledger_add_sighting(struct ledger *l, const struct ledger_sighting *s)
{
	sqlite3_stmt *statement = l->statement[ADD_SIGHTING];
	const struct record_head *head = &s->record->head;
	const struct text name = s->record->file.name;

	bind_key(statement, s);
	bind_number(statement, 5, (uint64_t)s->time_ns);
	if (s->sha256)
		bind_blob(statement, 6, s->sha256, SHA);
	bind_number(statement, 7, s->size);
	bind_blob(statement, 8, name.at, name.len);
	bind_ip(statement, 9, &head->src);
	bind_ip(statement, 10, &head->dst);
	bind_number(statement, 11, head->sport);
	bind_number(statement, 12, head->dport);
	bind_text(statement, 13, head->app_proto);
	bind_text(statement, 14, head->honeypot);
	bind_number(statement, 15, s->is_new);
	bind_number(statement, 16, s->stored);
	bind_number(statement, 17, s->why);
	bind_number(statement, 18, s->told);
	return run(l, ADD_SIGHTING);
}

/* ---- contents ---- */

/* The columns of FIND_FILE, from this one on. */
static void get_file(sqlite3_stmt *statement, struct ledger_file *file)
{
	const char *magic = (const char *)sqlite3_column_text(statement, 5);

	get_blob(statement, 0, file->sha256, sizeof(file->sha256));
	get_blob(statement, 1, file->sha1, sizeof(file->sha1));
	get_blob(statement, 2, file->md5, sizeof(file->md5));
	file->size = (uint64_t)sqlite3_column_int64(statement, 3);
	file->entropy = (uint32_t)sqlite3_column_int64(statement, 4);
	file->magic = magic ? magic : "";
	file->first_ns = sqlite3_column_int64(statement, 6);
	file->last_ns = sqlite3_column_int64(statement, 7);
	file->times = (uint64_t)sqlite3_column_int64(statement, 8);
	file->stored = sqlite3_column_int(statement, 9);
	file->pinned = sqlite3_column_int(statement, 10);
}

int ledger_find_file(struct ledger *l, const uint8_t *sha256, struct ledger_file *ret_file)
{
	sqlite3_stmt *statement = l->statement[FIND_FILE];
	int r;

	bind_blob(statement, 1, sha256, SHA);
	r = step(statement);
	if (r == 1) {
		get_file(statement, ret_file);
		ret_file->magic = "";
	}
	return finish(statement, r);
}

int ledger_add_file(struct ledger *l, const struct ledger_file *file)
{
	sqlite3_stmt *statement = l->statement[ADD_FILE];

	bind_blob(statement, 1, file->sha256, sizeof(file->sha256));
	bind_blob(statement, 2, file->sha1, sizeof(file->sha1));
	bind_blob(statement, 3, file->md5, sizeof(file->md5));
	bind_number(statement, 4, file->size);
	bind_number(statement, 5, file->entropy);
	bind_text(statement, 6, text_of(file->magic));
	bind_number(statement, 7, (uint64_t)file->first_ns);
	bind_number(statement, 8, (uint64_t)file->last_ns);
	bind_number(statement, 9, file->stored);
	return run(l, ADD_FILE);
}

int ledger_set_stored(struct ledger *l, const uint8_t *sha256, bool stored)
{
	bind_number(l->statement[SET_STORED], 1, stored);
	bind_blob(l->statement[SET_STORED], 2, sha256, SHA);
	return run(l, SET_STORED);
}

int ledger_set_pinned(struct ledger *l, const uint8_t *sha256, bool pinned)
{
	int r;

	bind_number(l->statement[SET_PINNED], 1, pinned);
	bind_blob(l->statement[SET_PINNED], 2, sha256, SHA);
	r = run(l, SET_PINNED);
	return r < 0 ? r : sqlite3_changes(l->sqlite) > 0;
}

int ledger_oldest(
	struct ledger *l, const uint8_t *but, uint8_t ret_sha256[static 32], uint64_t *ret_size)
{
	sqlite3_stmt *statement = l->statement[OLDEST];
	int r;

	bind_blob(statement, 1, but, but ? SHA : 0);
	r = step(statement);
	if (r == 1) {
		get_blob(statement, 0, ret_sha256, SHA);
		*ret_size = (uint64_t)sqlite3_column_int64(statement, 1);
	}
	return finish(statement, r);
}

static int two_numbers(sqlite3_stmt *statement, uint64_t *ret_a, uint64_t *ret_b)
{
	int r = step(statement);

	*ret_a = r == 1 ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
	*ret_b = r == 1 ? (uint64_t)sqlite3_column_int64(statement, 1) : 0;
	return finish(statement, r < 0 ? r : 0);
}

int ledger_total(struct ledger *l, uint64_t *ret_files, uint64_t *ret_bytes)
{
	return two_numbers(l->statement[TOTAL], ret_files, ret_bytes);
}

int ledger_spent(struct ledger *l, const struct ip *source, int64_t day, uint64_t *ret_files,
	uint64_t *ret_bytes)
{
	bind_ip(l->statement[SPENT], 1, source);
	bind_number(l->statement[SPENT], 2, (uint64_t)day);
	return two_numbers(l->statement[SPENT], ret_files, ret_bytes);
}

int ledger_spend(struct ledger *l, const struct ip *source, int64_t day, uint64_t bytes)
{
	bind_ip(l->statement[SPEND], 1, source);
	bind_number(l->statement[SPEND], 2, (uint64_t)day);
	bind_number(l->statement[SPEND], 3, bytes);
	return run(l, SPEND);
}

int64_t ledger_number(struct ledger *l, const char *name, int64_t otherwise)
{
	sqlite3_stmt *statement = l->statement[NUMBER];
	int64_t value = otherwise;

	bind_text(statement, 1, text_of(name));
	if (step(statement) == 1)
		value = sqlite3_column_int64(statement, 0);
	finish(statement, 0);
	return value;
}

int ledger_set_number(struct ledger *l, const char *name, int64_t value)
{
	bind_text(l->statement[SET_NUMBER], 1, text_of(name));
	bind_number(l->statement[SET_NUMBER], 2, (uint64_t)value);
	return run(l, SET_NUMBER);
}

int ledger_trim(struct ledger *l, int64_t day)
{
	int r;

	bind_number(l->statement[TRIM_SIGHTINGS], 1, LEDGER_SIGHTINGS_MAX);
	bind_number(l->statement[TRIM_FILES], 1, LEDGER_KNOWN_MAX);
	bind_number(l->statement[TRIM_SPENT], 1, (uint64_t)day);
	r = run(l, TRIM_SIGHTINGS);
	if (r == 0)
		r = run(l, TRIM_FILES);
	return r < 0 ? r : run(l, TRIM_SPENT);
}

/* ---- questions ---- */

/* The row's cells as texts; NULL is "". */
static const char *cell(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);

	return text ? text : "";
}

static struct text blob_text(sqlite3_stmt *statement, int column)
{
	const char *at = sqlite3_column_blob(statement, column);

	return (struct text){ at, (uint32_t)sqlite3_column_bytes(statement, column) };
}

static int get_answer(sqlite3_stmt *statement,
	int (*fn)(void *context, const struct ledger_answer *answer), void *context)
{
	struct ledger_answer answer;

	get_file(statement, &answer.file);
	answer.name = blob_text(statement, 11);
	answer.source = cell(statement, 12);
	answer.destination = cell(statement, 13);
	answer.honeypot = cell(statement, 14);
	answer.app_proto = cell(statement, 15);
	return fn(context, &answer);
}

/* The greatest SHA-256 that begins as the filter says. */
static void last_of(const struct ledger_filter *filter, uint8_t ret_last[static SHA])
{
	memset(ret_last, 0xff, SHA);
	memcpy(ret_last, filter->sha256, filter->sha256_len);
}

int ledger_ask(struct ledger *l, const struct ledger_filter *filter,
	int (*fn)(void *context, const struct ledger_answer *answer), void *context)
{
	/* Of max(id)'s row SQLite takes the other columns, too. */
	static const char sql[] =
		"SELECT f.sha256, sha1, md5, f.size, entropy, magic, first, last, times, f.stored,"
		" pinned, name, source, destination, honeypot, app, max(id) FROM file f"
		" LEFT JOIN sighting s ON s.sha256 = f.sha256"
		" WHERE (?1 IS NULL OR s.time >= ?1 OR (s.id IS NULL AND f.last >= ?1))"
		" AND (?2 IS NULL OR honeypot = ?2)"
		" AND (?3 IS NULL OR f.sha256 BETWEEN ?3 AND ?4)"
		" GROUP BY f.sha256 ORDER BY last DESC, f.sha256";
	sqlite3_stmt *statement;
	uint8_t last[SHA];
	int r = sql_error(sqlite3_prepare_v2(l->sqlite, sql, -1, &statement, NULL));

	if (r < 0)
		return r;
	if (filter->from_ns != INT64_MIN)
		sqlite3_bind_int64(statement, 1, filter->from_ns);
	if (filter->honeypot)
		bind_text(statement, 2, text_of(filter->honeypot));
	if (filter->sha256_len > 0) {
		last_of(filter, last);
		bind_blob(statement, 3, filter->sha256, filter->sha256_len);
		bind_blob(statement, 4, last, SHA);
	}
	while (r == 0 && (r = step(statement)) == 1)
		r = get_answer(statement, fn, context);
	sqlite3_finalize(statement);
	return r;
}

static int get_seen(sqlite3_stmt *statement,
	int (*fn)(void *context, const struct ledger_seen *seen), void *context)
{
	const struct ledger_seen seen = { .time_ns = sqlite3_column_int64(statement, 0),
		.flow_id = (uint64_t)sqlite3_column_int64(statement, 1),
		.name = blob_text(statement, 2),
		.source = cell(statement, 3),
		.destination = cell(statement, 4),
		.honeypot = cell(statement, 5),
		.app_proto = cell(statement, 6),
		.sport = (unsigned)sqlite3_column_int(statement, 7),
		.dport = (unsigned)sqlite3_column_int(statement, 8) };

	return fn(context, &seen);
}

int ledger_sightings(struct ledger *l, const uint8_t *sha256, uint64_t limit,
	int (*fn)(void *context, const struct ledger_seen *seen), void *context)
{
	sqlite3_stmt *statement;
	int r = sql_error(sqlite3_prepare_v2(l->sqlite,
		"SELECT time, flow, name, source, destination, honeypot, app, sport, dport"
		" FROM sighting WHERE sha256 = ? ORDER BY time DESC, id DESC LIMIT ?",
		-1, &statement, NULL));

	if (r < 0)
		return r;
	bind_blob(statement, 1, sha256, SHA);
	bind_number(statement, 2, limit);
	while (r == 0 && (r = step(statement)) == 1)
		r = get_seen(statement, fn, context);
	sqlite3_finalize(statement);
	return r;
}

int ledger_each_stored(
	struct ledger *l, int (*fn)(void *context, const uint8_t *sha256), void *context)
{
	sqlite3_stmt *statement;
	uint8_t sha256[SHA];
	int r = sql_error(sqlite3_prepare_v2(
		l->sqlite, "SELECT sha256 FROM file WHERE stored", -1, &statement, NULL));

	while (r == 0 && (r = step(statement)) == 1) {
		get_blob(statement, 0, sha256, sizeof(sha256));
		r = fn(context, sha256);
	}
	sqlite3_finalize(statement);
	return r;
}
