/* SPDX-License-Identifier: Apache-2.0 */
#include "store/day.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store/schema.h"
#include "store/sql.h"
#include "store/tally.h"

enum { NAMES_MAX = 2048, QUICK_CHECK_MAX = 256 << 20, OTHER_PORT = -1 };

enum statement {
	ADD_EV,
	ADD_EVD,
	ADD_FLOW,
	ADD_NAME,
	ADD_HOURLY,
	ADD_SRC,
	ADD_META,
	ADD_SEGMENT,
	ADD_PACKETS,
	DROP_PACKETS,
	DROP_SEGMENT,
	DROP_SOME,
	DROP_UNFINISHED,
	BEGIN,
	COMMIT,
	ROLLBACK,
	STATEMENTS
};

static const char *const statement_sql[STATEMENTS] = {
	[ADD_EV] = "INSERT OR IGNORE INTO ev VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	[ADD_EVD] = "INSERT INTO evd VALUES(?,?)",
	[ADD_FLOW] = "INSERT INTO flow VALUES(?,?,?,?,?,?)",
	[ADD_NAME] = "INSERT INTO name(id, text) VALUES(?,?)",
	[ADD_HOURLY] =
		"INSERT INTO hourly VALUES(?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET"
		" records = records + excluded.records, packets = packets + excluded.packets,"
		" bytes = bytes + excluded.bytes",
	[ADD_SRC] = "INSERT INTO src VALUES(?,?,?,?,?,?) ON CONFLICT DO UPDATE SET"
		    " records = records + excluded.records, packets = packets + excluded.packets,"
		    " bytes = bytes + excluded.bytes, first = min(first, excluded.first),"
		    " last = max(last, excluded.last)",
	[ADD_META] = "INSERT OR REPLACE INTO meta VALUES(?,?)",
	[ADD_SEGMENT] = "INSERT INTO segment VALUES(?,?,?,?,?)",
	[ADD_PACKETS] = "INSERT INTO packet_index(flow, segment, n, offsets) VALUES(?,?,?,?)",
	[DROP_PACKETS] = ("DELETE FROM packet_index WHERE segment ="
			  " (SELECT id FROM segment WHERE name = ?)"),
	[DROP_SEGMENT] = "DELETE FROM segment WHERE name = ?",
	[DROP_SOME] = "DELETE FROM packet_index WHERE id IN (SELECT id FROM packet_index"
		      " WHERE segment = (SELECT id FROM segment WHERE name = ?) LIMIT ?)",
	[DROP_UNFINISHED] = "DELETE FROM packet_index INDEXED BY packet_index_segment"
			    " WHERE segment >= ?",
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
};

struct day {
	int dir_fd;
	uint32_t date;
	sqlite3 *sqlite;
	sqlite3_stmt *statement[STATEMENTS];
	bool in_transaction;
	struct journal_place place;
	uint64_t seq;
	char *name[NAMES_MAX]; /* [i] is row i + 1 of table name */
	int n_names;
	int committed_names;
	struct tally hourly, src;
};

void day_file_name(uint32_t date, char ret_name[static DAY_NAME_MAX])
{
	snprintf(ret_name, DAY_NAME_MAX, "ev-%08u.db", date);
}

bool day_file_parse(const char *name, uint32_t *ret_date)
{
	char again[DAY_NAME_MAX];
	unsigned date;

	if (sscanf(name, "ev-%8u.db", &date) != 1)
		return false;
	day_file_name(date, again);
	if (strcmp(name, again) != 0)
		return false;
	*ret_date = date;
	return true;
}

static int64_t pragma(struct day *day, const char *sql, int64_t otherwise)
{
	sqlite3_stmt *statement;
	int64_t value = otherwise;

	if (sqlite3_prepare_v2(day->sqlite, sql, -1, &statement, NULL) != SQLITE_OK)
		return otherwise;
	if (sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

static int exec(struct day *day, const char *sql)
{
	return sql_error(sqlite3_exec(day->sqlite, sql, NULL, NULL, NULL));
}

/* A crash of the machine can tear a file; small ones are looked through, large ones by their size. */
static int check_file(struct day *day)
{
	int64_t pages = pragma(day, "PRAGMA page_count", -1);
	sqlite3_stmt *statement;
	bool good;

	if (pages < 0)
		return -EBADMSG;
	if (pages * 8192 > QUICK_CHECK_MAX)
		return 0;
	if (sqlite3_prepare_v2(day->sqlite, "PRAGMA quick_check(1)", -1, &statement, NULL))
		return -EBADMSG;
	good = sqlite3_step(statement) == SQLITE_ROW &&
	       strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
	sqlite3_finalize(statement);
	return good ? 0 : -EBADMSG;
}

static int set_up_file(struct day *day)
{
	int64_t version = pragma(day, "PRAGMA user_version", -1);
	char sql[64];
	int error;

	if (version == DAY_VERSION)
		return check_file(day);
	if (version != 0 || pragma(day, "SELECT count(*) FROM sqlite_master", -1) != 0)
		return -EBADMSG;
	snprintf(sql, sizeof(sql), ";PRAGMA user_version=%d;COMMIT", DAY_VERSION);
	error = exec(day, "BEGIN;" DAY_SCHEMA);
	return error ? error : exec(day, sql);
}

static int load_names(struct day *day)
{
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(
		day->sqlite, "SELECT id, text FROM name ORDER BY id", -1, &statement, NULL);

	while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		if (sqlite3_column_int(statement, 0) != day->n_names + 1 ||
			day->n_names == NAMES_MAX) {
			code = SQLITE_CORRUPT;
			break;
		}
		day->name[day->n_names] = strdup((const char *)sqlite3_column_text(statement, 1));
		if (!day->name[day->n_names++])
			code = SQLITE_NOMEM;
		else
			code = SQLITE_OK;
	}
	sqlite3_finalize(statement);
	day->committed_names = day->n_names;
	return sql_error(code);
}

static uint64_t meta(struct day *day, const char *key)
{
	char sql[80];

	snprintf(sql, sizeof(sql), "SELECT value FROM meta WHERE key='%s'", key);
	return (uint64_t)pragma(day, sql, 0);
}

static int prepare(struct day *day)
{
	for (int i = 0; i < STATEMENTS; i++) {
		int code = sqlite3_prepare_v3(day->sqlite, statement_sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &day->statement[i], NULL);

		if (code != SQLITE_OK)
			return sql_error(code);
	}
	return 0;
}

static int open_file(struct day *day)
{
	char name[DAY_NAME_MAX];
	int error;

	day_file_name(day->date, name);
	if (fchmodat(day->dir_fd, name, 0640, 0) < 0 && errno != ENOENT)
		return -errno;
	error = sql_open(
		day->dir_fd, name, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &day->sqlite);
	if (error)
		return error;
	sqlite3_busy_timeout(day->sqlite, 200);
	error = exec(day, "PRAGMA page_size=8192;PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;"
			  "PRAGMA temp_store=MEMORY;PRAGMA cache_size=-12288;"
			  "PRAGMA wal_autocheckpoint=1000;PRAGMA journal_size_limit=16777216");
	if (!error)
		error = set_up_file(day);
	if (!error)
		error = prepare(day);
	if (!error)
		error = load_names(day);
	if (error)
		return error;
	day->place = (struct journal_place){ .day = (uint32_t)meta(day, "day"),
		.number = (uint32_t)meta(day, "number"),
		.offset = meta(day, "offset") };
	day->seq = meta(day, "seq");
	return 0;
}

int day_open(int dir_fd, uint32_t date, struct day **ret_day)
{
	struct day *day = calloc(1, sizeof(*day));
	int error;

	if (!day)
		return -ENOMEM;
	day->dir_fd = dir_fd;
	day->date = date;
	error = open_file(day);
	if (error) {
		day_close(day, false);
		return error;
	}
	*ret_day = day;
	return 0;
}

struct day *day_close(struct day *day, bool finish)
{
	char name[DAY_NAME_MAX];

	if (!day)
		return NULL;
	day_rollback(day);
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(day->statement[i]);
	if (finish && exec(day, "PRAGMA journal_mode=DELETE") == 0) {
		day_file_name(day->date, name);
		if (fchmodat(day->dir_fd, name, 0440, 0) < 0)
			finish = false; /* stays writable: no harm */
	}
	sqlite3_close(day->sqlite);
	for (int i = 0; i < day->n_names; i++)
		free(day->name[i]);
	tally_free(&day->hourly);
	tally_free(&day->src);
	free(day);
	return NULL;
}

uint32_t day_date(const struct day *day)
{
	return day->date;
}

struct journal_place day_place(const struct day *day, uint64_t *ret_seq)
{
	*ret_seq = day->seq;
	return day->place;
}

static int run(struct day *day, enum statement which)
{
	sqlite3_stmt *statement = day->statement[which];
	int code = sqlite3_step(statement);

	sqlite3_reset(statement);
	return sql_error(code);
}

int day_begin(struct day *day)
{
	int error = day->in_transaction ? 0 : run(day, BEGIN);

	if (!error)
		day->in_transaction = true;
	return error;
}

/* Names come from our tables and the configuration. What a corrupt producer makes up gets no number,
 * so that it can neither fill the table nor make it differ from one made out of the journal. */
static bool is_name(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] <= 0x20 || text[i] >= 0x7f)
			return false;
	return len > 0 && len < 64;
}

static int name_id(struct day *day, const char *text, size_t len, int *ret_id)
{
	sqlite3_stmt *statement = day->statement[ADD_NAME];
	int error;

	for (int i = 0; i < day->n_names; i++)
		if (strlen(day->name[i]) == len && memcmp(day->name[i], text, len) == 0) {
			*ret_id = i + 1;
			return 0;
		}
	if (day->n_names == NAMES_MAX)
		return 0;
	day->name[day->n_names] = strndup(text, len);
	if (!day->name[day->n_names])
		return -ENOMEM;
	sqlite3_bind_int(statement, 1, day->n_names + 1);
	sqlite3_bind_text(statement, 2, day->name[day->n_names], -1, SQLITE_STATIC);
	error = run(day, ADD_NAME);
	if (error) {
		free(day->name[day->n_names]);
		return error;
	}
	*ret_id = ++day->n_names;
	return 0;
}

static void bind_number(sqlite3_stmt *statement, int column, uint64_t number, bool present)
{
	if (present)
		sqlite3_bind_int64(statement, column, (sqlite3_int64)number);
	else
		sqlite3_bind_null(statement, column);
}

static void bind_ip(sqlite3_stmt *statement, int column, const struct ip *ip, bool present)
{
	if (present)
		sqlite3_bind_blob(statement, column, ip, sizeof(*ip), SQLITE_STATIC);
	else
		sqlite3_bind_null(statement, column);
}

/* What the JSON form would leave out is no value here either: a database made from the journal must
 * be the same. */
static int bind_ev(struct day *day, uint64_t seq, const struct record *record, int type)
{
	sqlite3_stmt *s = day->statement[ADD_EV];
	const struct record_head *h = &record->head;
	bool addresses = !ip_is_unset(&h->src) || !ip_is_unset(&h->dst);
	bool ports = h->proto == 6 || h->proto == 17 || h->proto == 132;
	const char *reason = reason_name((enum reason)h->reason);
	int honeypot_id = 0, reason_id = 0, error = 0;

	if (h->reason != REASON_NONE)
		error = name_id(day, reason, strlen(reason), &reason_id);
	if (!error && is_name(h->honeypot.at, h->honeypot.len))
		error = name_id(day, h->honeypot.at, h->honeypot.len, &honeypot_id);
	sqlite3_bind_int64(s, 1, (sqlite3_int64)seq);
	sqlite3_bind_int64(s, 2, h->time_ns / 1000 - (h->time_ns % 1000 < 0));
	sqlite3_bind_int(s, 3, type);
	sqlite3_bind_int(s, 4, (int)record_severity(record));
	bind_number(s, 5, (uint64_t)honeypot_id, honeypot_id > 0);
	bind_number(s, 6, h->direction, h->direction != DIRECTION_NONE);
	bind_number(s, 7, h->verdict, h->reason != REASON_NONE);
	bind_number(s, 8, (uint64_t)reason_id, reason_id > 0);
	bind_number(s, 9, h->proto, addresses);
	bind_ip(s, 10, &h->src, addresses);
	bind_number(s, 11, h->sport, ports);
	bind_ip(s, 12, &h->dst, addresses);
	bind_number(s, 13, h->dport, ports);
	bind_number(s, 14, h->flow_id, h->flow_id != 0);
	bind_number(s, 15, h->packet, h->packet != 0);
	return error;
}

/* Ports that have a row of their own in the rollup: a port that an attacker makes up must not make
 * rows. */
static int rollup_port(const struct record_head *head)
{
	static const uint16_t known[] = { 1080, 1433, 1521, 1723, 1883, 2049, 2222, 2323, 2375,
		3128, 3306, 3389, 4444, 5060, 5432, 5555, 5900, 5985, 6379, 6667, 7547, 8000, 8080,
		8081, 8088, 8291, 8443, 8888, 9000, 9200, 11211, 27017, 37215, 52869 };

	if (head->proto != 6 && head->proto != 17 && head->proto != 132)
		return OTHER_PORT;
	if (head->dport < 1024)
		return head->dport;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i] == head->dport)
			return head->dport;
	return OTHER_PORT;
}

struct hour_key {
	uint32_t hour; /* since 1970 */
	int32_t port;
	uint32_t type;
	uint32_t direction;
};
static_assert(sizeof(struct hour_key) == TALLY_KEY_SIZE, "a key of the tally");

static int add_rollups(struct day *day, const struct record *record, int type)
{
	const struct record_head *head = &record->head;
	int64_t us = head->time_ns / 1000 - (head->time_ns % 1000 < 0);
	struct hour_key key = { .hour = (uint32_t)(us / 3600000000),
		.port = rollup_port(head),
		.type = (uint32_t)type,
		.direction = head->direction };
	uint64_t packets = 0, bytes = 0;
	uint8_t bytes_of_key[TALLY_KEY_SIZE];
	int error;

	if (record->type == EVENT_FLOW) {
		packets = record->flow.pkts_toserver + record->flow.pkts_toclient;
		bytes = record->flow.bytes_toserver + record->flow.bytes_toclient;
	} else if (record->type == EVENT_DROP) {
		packets = record->drop.count;
	}
	memcpy(bytes_of_key, &key, sizeof(key));
	error = tally_add(&day->hourly, bytes_of_key, packets, bytes, us);
	if (!error && !ip_is_unset(&head->src))
		error = tally_add(&day->src, head->src.byte, packets, bytes, us);
	return error;
}

static int add_flow(struct day *day, uint64_t seq, const struct record *record)
{
	sqlite3_stmt *s = day->statement[ADD_FLOW];
	const struct event_flow *flow = &record->flow;

	sqlite3_bind_int64(s, 1, (sqlite3_int64)seq);
	sqlite3_bind_int64(s, 2, (sqlite3_int64)record->head.flow_id);
	sqlite3_bind_int64(s, 3, flow->start_ns / 1000);
	sqlite3_bind_int64(s, 4, flow->end_ns / 1000);
	sqlite3_bind_int64(s, 5, (sqlite3_int64)(flow->pkts_toserver + flow->pkts_toclient));
	sqlite3_bind_int64(s, 6, (sqlite3_int64)(flow->bytes_toserver + flow->bytes_toclient));
	return run(day, ADD_FLOW);
}

int day_add(
	struct day *day, uint64_t seq, const struct record *record, const char *json, size_t len)
{
	sqlite3_stmt *evd = day->statement[ADD_EVD];
	const char *name = event_type_name(record->type);
	int type = 0, error = day_begin(day);

	if (!error)
		error = name_id(day, name, strlen(name), &type);
	if (!error)
		error = bind_ev(day, seq, record, type);
	if (!error)
		error = run(day, ADD_EV);
	if (error || sqlite3_changes(day->sqlite) == 0)
		return error;
	sqlite3_bind_int64(evd, 1, (sqlite3_int64)seq);
	sqlite3_bind_text(evd, 2, json, (int)len, SQLITE_STATIC);
	error = run(day, ADD_EVD);
	if (!error && record->type == EVENT_FLOW)
		error = add_flow(day, seq, record);
	if (!error)
		error = add_rollups(day, record, type);
	return error ? error : 1;
}

static int write_hourly(struct day *day)
{
	sqlite3_stmt *s = day->statement[ADD_HOURLY];
	int error = 0;

	for (size_t i = 0; i < day->hourly.size && !error; i++) {
		const struct tally_row *row = &day->hourly.row[i];
		struct hour_key key;

		if (row->records == 0)
			continue;
		memcpy(&key, row->key, sizeof(key));
		sqlite3_bind_int64(s, 1, (sqlite3_int64)key.hour * 3600000000);
		sqlite3_bind_int(s, 2, (int)key.type);
		sqlite3_bind_int(s, 3, (int)key.direction);
		sqlite3_bind_int(s, 4, key.port);
		sqlite3_bind_int64(s, 5, (sqlite3_int64)row->records);
		sqlite3_bind_int64(s, 6, (sqlite3_int64)row->packets);
		sqlite3_bind_int64(s, 7, (sqlite3_int64)row->bytes);
		error = run(day, ADD_HOURLY);
	}
	return error;
}

static int write_src(struct day *day)
{
	sqlite3_stmt *s = day->statement[ADD_SRC];
	int error = 0;

	for (size_t i = 0; i < day->src.size && !error; i++) {
		const struct tally_row *row = &day->src.row[i];

		if (row->records == 0)
			continue;
		sqlite3_bind_blob(s, 1, row->key, TALLY_KEY_SIZE, SQLITE_STATIC);
		sqlite3_bind_int64(s, 2, (sqlite3_int64)row->records);
		sqlite3_bind_int64(s, 3, (sqlite3_int64)row->packets);
		sqlite3_bind_int64(s, 4, (sqlite3_int64)row->bytes);
		sqlite3_bind_int64(s, 5, row->first);
		sqlite3_bind_int64(s, 6, row->last);
		error = run(day, ADD_SRC);
	}
	return error;
}

static int write_meta(struct day *day, const char *key, uint64_t value)
{
	sqlite3_stmt *s = day->statement[ADD_META];

	sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 2, (sqlite3_int64)value);
	return run(day, ADD_META);
}

int day_commit(struct day *day, const struct journal_place *place, uint64_t seq)
{
	int error = day_begin(day);

	error = error ? error : write_hourly(day);
	error = error ? error : write_src(day);
	error = error ? error : write_meta(day, "day", place->day);
	error = error ? error : write_meta(day, "number", place->number);
	error = error ? error : write_meta(day, "offset", place->offset);
	error = error ? error : write_meta(day, "seq", seq);
	error = error ? error : run(day, COMMIT);
	if (error)
		return error;
	day->in_transaction = false;
	day->place = *place;
	day->seq = seq;
	day->committed_names = day->n_names;
	tally_clear(&day->hourly);
	tally_clear(&day->src);
	return 0;
}

void day_rollback(struct day *day)
{
	if (day->in_transaction && !sqlite3_get_autocommit(day->sqlite))
		(void)run(day, ROLLBACK);
	day->in_transaction = false;
	while (day->n_names > day->committed_names)
		free(day->name[--day->n_names]);
	tally_clear(&day->hourly);
	tally_clear(&day->src);
}

static int run_with_name(struct day *day, enum statement which, const char *name)
{
	sqlite3_bind_text(day->statement[which], 1, name, -1, SQLITE_STATIC);
	return run(day, which);
}

int day_begin_segment(struct day *day, const char *name, int64_t *ret_id)
{
	int error = day_begin(day);
	int64_t id = 0;

	error = error ? error : run_with_name(day, DROP_PACKETS, name);
	error = error ? error : run_with_name(day, DROP_SEGMENT, name);
	if (!error) {
		id = pragma(day, "SELECT coalesce(max(id), 0) + 1 FROM segment", 0);
		sqlite3_bind_int64(day->statement[DROP_UNFINISHED], 1, id);
		error = id > 0 ? run(day, DROP_UNFINISHED) : -EIO;
	}
	if (!error)
		*ret_id = id;
	return error;
}

int day_end_segment(struct day *day, int64_t segment_id, const struct day_segment *segment)
{
	sqlite3_stmt *s = day->statement[ADD_SEGMENT];
	int error = day_begin(day);

	sqlite3_bind_int64(s, 1, segment_id);
	sqlite3_bind_text(s, 2, segment->name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 3, segment->first_ns);
	sqlite3_bind_int64(s, 4, segment->last_ns);
	sqlite3_bind_int64(s, 5, (sqlite3_int64)segment->packets);
	return error ? error : run(day, ADD_SEGMENT);
}

int day_forget_segment(struct day *day, const char *name, int max)
{
	int error = day_begin(day);

	sqlite3_bind_int(day->statement[DROP_SOME], 2, max);
	error = error ? error : run_with_name(day, DROP_SOME, name);
	if (error)
		return error;
	if (sqlite3_changes(day->sqlite) == max)
		return 1;
	return run_with_name(day, DROP_SEGMENT, name);
}

int day_add_packets(struct day *day, int64_t segment_id, uint64_t flow, uint64_t n,
	const void *blob, size_t len)
{
	sqlite3_stmt *s = day->statement[ADD_PACKETS];

	sqlite3_bind_int64(s, 1, (sqlite3_int64)flow);
	sqlite3_bind_int64(s, 2, segment_id);
	sqlite3_bind_int64(s, 3, (sqlite3_int64)n);
	sqlite3_bind_blob(s, 4, blob, (int)len, SQLITE_STATIC);
	return run(day, ADD_PACKETS);
}
