/* SPDX-License-Identifier: Apache-2.0 */
#include "store/query.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/out.h"
#include "capture/index.h"
#include "store/day.h"
#include "store/schema.h"

enum { SQL_MAX = 4096, PATH_SIZE = 64, NS_PER_US = 1000 };

struct store_query {
	int dir_fd;     /* of the databases; -1: there are none */
	uint32_t *days; /* ascending */
	size_t n_days;
};

void store_filter_init(struct store_filter *ret_filter)
{
	*ret_filter = (struct store_filter){
		.from_ns = INT64_MIN, .to_ns = INT64_MAX, .port = -1, .proto = -1, .reason = -1
	};
}

int store_query_open_at(int db_dir_fd, struct store_query **ret_query)
{
	struct store_query *query = calloc(1, sizeof(*query));

	if (!query)
		return -ENOMEM;
	query->dir_fd = fcntl(db_dir_fd, F_DUPFD_CLOEXEC, 3);
	if (query->dir_fd < 0) {
		int error = -errno;

		free(query);
		return error;
	}
	*ret_query = query;
	return 0;
}

int store_query_open(const char *state_dir, struct store_query **ret_query)
{
	char path[4096];
	int fd, error;

	if (snprintf(path, sizeof(path), "%s/db", state_dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return -errno;
	if (fd < 0) {
		*ret_query = calloc(1, sizeof(**ret_query));
		if (!*ret_query)
			return -ENOMEM;
		(*ret_query)->dir_fd = -1;
		return 0;
	}
	error = store_query_open_at(fd, ret_query);
	close(fd);
	return error;
}

struct store_query *store_query_close(struct store_query *query)
{
	if (query && query->dir_fd >= 0)
		close(query->dir_fd);
	if (query)
		free(query->days);
	free(query);
	return NULL;
}

static int compare_days(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

/* The list is read anew for each question: days come and go. */
static int list_days(struct store_query *query)
{
	int fd = query->dir_fd < 0 ? -1 : openat(query->dir_fd, ".", O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	size_t room = 0;
	uint32_t date;

	query->n_days = 0;
	if (!dir)
		return query->dir_fd < 0 ? 0 : -errno;
	while ((entry = readdir(dir))) {
		if (!day_file_parse(entry->d_name, &date))
			continue;
		if (query->n_days == room) {
			uint32_t *more;

			room += 64;
			more = realloc(query->days, room * sizeof(*more));
			if (!more) {
				closedir(dir);
				return -ENOMEM;
			}
			query->days = more;
		}
		query->days[query->n_days++] = date;
	}
	closedir(dir);
	if (query->n_days > 1)
		qsort(query->days, query->n_days, sizeof(query->days[0]), compare_days);
	return 0;
}

static bool file_exists(const struct store_query *query, const char *name, const char *tail)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s%s", name, tail);
	return faccessat(query->dir_fd, path, F_OK, 0) == 0;
}

/* A finished day has no WAL and cannot change: immutable needs no lock and no -shm. A day being written
 * is read with its -shm, if need be read-only (another user), or with a private one when its writer
 * died. */
static int open_day(const struct store_query *query, uint32_t date, sqlite3 **ret_sqlite)
{
	char name[DAY_NAME_MAX], uri[128];
	sqlite3 *sqlite = NULL;
	sqlite3_stmt *statement = NULL;
	int code;

	day_file_name(date, name);
	snprintf(uri, sizeof(uri), "file:/proc/self/fd/%d/%s?%s", query->dir_fd, name,
		file_exists(query, name, "-wal") ? "readonly_shm=1" : "immutable=1");
	code = sqlite3_open_v2(
		uri, &sqlite, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
	if (code == SQLITE_OK) {
		sqlite3_busy_timeout(sqlite, 2000);
		code = sqlite3_prepare_v2(sqlite, "PRAGMA user_version", -1, &statement, NULL);
	}
	if (code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW &&
		sqlite3_column_int(statement, 0) == DAY_VERSION) {
		sqlite3_finalize(statement);
		*ret_sqlite = sqlite;
		return 0;
	}
	sqlite3_finalize(statement);
	sqlite3_close(sqlite);
	return -EIO;
}

/* One question, asked of one day after another. */
struct asking {
	struct store_query *query;
	const struct store_filter *filter;
	uint64_t left; /* answers still wanted */
	int (*row)(struct asking *a, sqlite3_stmt *statement);
	const void *fn; /* address of the callback's variable */
	void *context;
	int result; /* of the callback */
};

static void bind_text(sqlite3_stmt *s, const char *name, const char *text)
{
	int i = sqlite3_bind_parameter_index(s, name);

	if (i > 0)
		sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC);
}

static void bind_int(sqlite3_stmt *s, const char *name, int64_t number)
{
	int i = sqlite3_bind_parameter_index(s, name);

	if (i > 0)
		sqlite3_bind_int64(s, i, number);
}

static void bind_bytes(sqlite3_stmt *s, const char *name, const struct ip *ip)
{
	int i = sqlite3_bind_parameter_index(s, name);

	if (i > 0)
		sqlite3_bind_blob(s, i, ip, sizeof(*ip), SQLITE_TRANSIENT);
}

/* First and last address of a prefix: blobs compare by bytes. */
static void prefix_range(const struct ip_prefix *prefix, struct ip *ret_low, struct ip *ret_high)
{
	*ret_low = *ret_high = prefix->ip;
	for (unsigned bit = prefix->bits; bit < 128; bit++) {
		uint8_t mask = (uint8_t)(0x80u >> bit % 8);

		ret_low->byte[bit / 8] &= (uint8_t)~mask;
		ret_high->byte[bit / 8] |= mask;
	}
}

static void bind_prefix(sqlite3_stmt *s, const char *low_name, const char *high_name,
	const struct ip_prefix *prefix)
{
	struct ip low, high;

	prefix_range(prefix, &low, &high);
	bind_bytes(s, low_name, &low);
	bind_bytes(s, high_name, &high);
}

static int64_t floor_us(int64_t ns)
{
	return ns / NS_PER_US - (ns % NS_PER_US < 0);
}

static int64_t ceil_us(int64_t ns)
{
	return ns / NS_PER_US + (ns % NS_PER_US > 0);
}

static void bind_filter(sqlite3_stmt *s, const struct store_filter *f)
{
	bind_int(s, ":from", f->from_ns == INT64_MIN ? INT64_MIN : ceil_us(f->from_ns));
	bind_int(s, ":to", f->to_ns == INT64_MAX ? INT64_MAX : ceil_us(f->to_ns));
	bind_int(s, ":from_floor", f->from_ns == INT64_MIN ? INT64_MIN : floor_us(f->from_ns));
	bind_int(s, ":port", f->port);
	bind_int(s, ":proto", f->proto);
	bind_int(s, ":flow", (int64_t)f->flow);
	bind_int(s, ":severity", f->min_severity);
	bind_int(s, ":after", (int64_t)f->after_seq);
	bind_text(s, ":type", event_type_name(f->type));
	bind_text(s, ":honeypot", f->honeypot);
	if (f->reason >= 0)
		bind_text(s, ":reason", reason_name((enum reason)f->reason));
	if (f->has_host)
		bind_prefix(s, ":host_low", ":host_high", &f->host);
	if (f->has_peer)
		bind_prefix(s, ":peer_low", ":peer_high", &f->peer);
}

/* Host and peer on opposite sides; one of them alone on either side. */
static void where_addresses(struct out *o, const struct store_filter *f)
{
	static const char either[] = " AND ((ev.src BETWEEN :%s_low AND :%s_high) OR"
				     " (ev.dst BETWEEN :%s_low AND :%s_high))";

	if (f->has_host && f->has_peer)
		out_str(o, " AND ((ev.src BETWEEN :host_low AND :host_high AND"
			   " ev.dst BETWEEN :peer_low AND :peer_high) OR"
			   " (ev.dst BETWEEN :host_low AND :host_high AND"
			   " ev.src BETWEEN :peer_low AND :peer_high))");
	else if (f->has_host)
		out_fmt(o, either, "host", "host", "host", "host");
	else if (f->has_peer)
		out_fmt(o, either, "peer", "peer", "peer", "peer");
}

#define NAME_IS(column, parameter) \
	" AND ev." column " = (SELECT id FROM name WHERE text = " parameter ")"

static void where(struct out *o, const struct store_filter *f)
{
	where_addresses(o, f);
	if (f->port >= 0)
		out_str(o, " AND (ev.sport = :port OR ev.dport = :port)");
	if (f->proto >= 0)
		out_str(o, " AND ev.proto = :proto");
	if (f->honeypot)
		out_str(o, NAME_IS("honeypot", ":honeypot"));
	if (f->reason >= 0)
		out_str(o, NAME_IS("reason", ":reason"));
	if (f->flow)
		out_str(o, " AND ev.flow = :flow");
	if (f->after_seq)
		out_str(o, " AND ev.seq > :after");
}

static void where_records(struct out *o, const struct store_filter *f)
{
	out_str(o, " WHERE ev.t >= :from AND ev.t < :to");
	where(o, f);
	if (f->type != EVENT_NONE)
		out_str(o, NAME_IS("type", ":type"));
	if (f->min_severity > SEVERITY_DEBUG)
		out_str(o, " AND ev.severity >= :severity");
}

/* 0: go on with the next day; -ECANCELED: enough. */
static int ask_day(struct asking *a, uint32_t date, const char *sql)
{
	sqlite3 *sqlite;
	sqlite3_stmt *statement = NULL;
	int code, error = open_day(a->query, date, &sqlite);

	if (error)
		return error;
	code = sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL);
	if (code == SQLITE_OK) {
		if (a->filter)
			bind_filter(statement, a->filter);
		bind_int(statement, ":limit", a->left > INT64_MAX ? -1 : (int64_t)a->left);
	}
	while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		code = SQLITE_OK;
		a->left--;
		a->result = a->row(a, statement);
		if (a->result != 0 || a->left == 0)
			error = -ECANCELED;
		if (error)
			break;
	}
	sqlite3_finalize(statement);
	sqlite3_close(sqlite);
	if (error)
		return error;
	return code == SQLITE_OK || code == SQLITE_DONE ? 0 : -EIO;
}

static uint32_t first_day(const struct store_filter *f)
{
	return f && f->from_ns > 0 ? journal_day(f->from_ns) : 0;
}

static uint32_t last_day(const struct store_filter *f)
{
	return f && f->to_ns < INT64_MAX ? journal_day(f->to_ns) : UINT32_MAX;
}

static int ask(struct asking *a, const char *sql, uint32_t first, uint32_t last, bool newest_first)
{
	int error = list_days(a->query);
	bool failed = false;

	for (size_t i = 0; i < a->query->n_days && !error; i++) {
		uint32_t date = a->query->days[newest_first ? a->query->n_days - 1 - i : i];

		if (date < first || date > last)
			continue;
		error = ask_day(a, date, sql);
		if (error == -EIO) {
			failed = true;
			error = 0;
		}
	}
	if (a->result != 0)
		return a->result;
	if (error && error != -ECANCELED)
		return error;
	return failed ? -EIO : 0;
}

static uint64_t limit_of(const struct store_filter *filter)
{
	return filter->limit ? filter->limit : UINT64_MAX;
}

static int event_row(struct asking *a, sqlite3_stmt *s)
{
	struct store_event event = {
		.seq = (uint64_t)sqlite3_column_int64(s, 0),
		.time_ns = sqlite3_column_int64(s, 1) * NS_PER_US,
		.severity = (enum severity)sqlite3_column_int(s, 2),
	};
	const char *type = (const char *)sqlite3_column_text(s, 3);
	store_event_fn *fn;

	event.json = (const char *)sqlite3_column_text(s, 4);
	if (!type || !event.json)
		return 0;
	event.type = event_type_find(type);
	event.json_len = (size_t)sqlite3_column_bytes(s, 4);
	memcpy(&fn, a->fn, sizeof(fn));
	return fn(a->context, &event);
}

int store_query_events(struct store_query *query, const struct store_filter *filter,
	store_event_fn *fn, void *context)
{
	struct asking a = { .query = query,
		.filter = filter,
		.left = limit_of(filter),
		.row = event_row,
		.fn = &fn,
		.context = context };
	char sql[SQL_MAX];
	struct out o = out_make(sql, sizeof(sql));
	const char *order = filter->newest_first ? "DESC" : "ASC";

	out_str(&o, "SELECT ev.seq, ev.t, ev.severity, kind.text, evd.json FROM ev"
		    " JOIN name AS kind ON kind.id = ev.type JOIN evd ON evd.seq = ev.seq");
	where_records(&o, filter);
	out_fmt(&o, " ORDER BY ev.t %s, ev.seq %s LIMIT :limit", order, order);
	assert(out_ok(&o));
	return ask(&a, sql, first_day(filter), last_day(filter), filter->newest_first);
}

static struct ip column_ip(sqlite3_stmt *s, int column)
{
	struct ip ip = { 0 };

	if (sqlite3_column_bytes(s, column) == (int)sizeof(ip))
		memcpy(&ip, sqlite3_column_blob(s, column), sizeof(ip));
	return ip;
}

static int flow_row(struct asking *a, sqlite3_stmt *s)
{
	const char *honeypot = (const char *)sqlite3_column_text(s, 13);
	const char *name = (const char *)sqlite3_column_text(s, 14);
	int reason = name ? reason_find(name) : -1;
	struct store_flow flow = {
		.id = (uint64_t)sqlite3_column_int64(s, 0),
		.seq = (uint64_t)sqlite3_column_int64(s, 1),
		.start_ns = sqlite3_column_int64(s, 2) * NS_PER_US,
		.end_ns = sqlite3_column_int64(s, 3) * NS_PER_US,
		.packets = (uint64_t)sqlite3_column_int64(s, 4),
		.bytes = (uint64_t)sqlite3_column_int64(s, 5),
		.src = column_ip(s, 6),
		.sport = (uint16_t)sqlite3_column_int(s, 7),
		.dst = column_ip(s, 8),
		.dport = (uint16_t)sqlite3_column_int(s, 9),
		.proto = (uint8_t)sqlite3_column_int(s, 10),
		.direction = (enum direction)sqlite3_column_int(s, 11),
		.verdict = (enum verdict)sqlite3_column_int(s, 12),
		.honeypot = honeypot ? honeypot : "",
		.reason = reason >= 0 ? (enum reason)reason : REASON_NONE,
	};
	store_flow_fn *fn;

	memcpy(&fn, a->fn, sizeof(fn));
	return fn(a->context, &flow);
}

/* A flow that overlaps with the time asked for may be recorded on any later day: no last day. */
int store_query_flows(struct store_query *query, const struct store_filter *filter,
	store_flow_fn *fn, void *context)
{
	struct asking a = { .query = query,
		.filter = filter,
		.left = limit_of(filter),
		.row = flow_row,
		.fn = &fn,
		.context = context };
	char sql[SQL_MAX];
	struct out o = out_make(sql, sizeof(sql));
	const char *order = filter->newest_first ? "DESC" : "ASC";

	out_str(&o, "SELECT flow.id, flow.seq, flow.first, flow.last, flow.packets, flow.bytes,"
		    " ev.src, ev.sport, ev.dst, ev.dport, ev.proto, ev.direction, ev.verdict,"
		    " pot.text, why.text FROM ev JOIN flow ON flow.seq = ev.seq"
		    " LEFT JOIN name AS pot ON pot.id = ev.honeypot"
		    " LEFT JOIN name AS why ON why.id = ev.reason"
		    " WHERE flow.first < :to AND flow.last >= :from_floor");
	where(&o, filter);
	out_fmt(&o, " ORDER BY flow.first %s, flow.seq %s LIMIT :limit", order, order);
	assert(out_ok(&o));
	return ask(&a, sql, first_day(filter), UINT32_MAX, filter->newest_first);
}

static int packets_row(struct asking *a, sqlite3_stmt *s)
{
	struct store_packets packets = { .segment = (const char *)sqlite3_column_text(s, 0),
		.n = (size_t)sqlite3_column_int64(s, 1) };
	struct capture_index_cursor cursor = { .blob = sqlite3_column_blob(s, 2),
		.len = (size_t)sqlite3_column_bytes(s, 2) };
	uint64_t *offset;
	store_packets_fn *fn;
	size_t n = 0;
	int result;

	/* Each packet takes two bytes at least. */
	if (!packets.segment || packets.n > cursor.len / 2)
		return 0;
	offset = calloc(packets.n + 1, sizeof(*offset));
	if (!offset)
		return -ENOMEM;
	while (n < packets.n && capture_index_decode(&cursor) == 1)
		offset[n++] = cursor.offset;
	packets.n = n;
	packets.offset = offset;
	memcpy(&fn, a->fn, sizeof(fn));
	result = fn(a->context, &packets);
	free(offset);
	return result;
}

int store_query_packets(
	struct store_query *query, uint64_t flow, store_packets_fn *fn, void *context)
{
	struct store_filter filter = { .flow = flow };
	struct asking a = { .query = query,
		.filter = &filter,
		.left = UINT64_MAX,
		.row = packets_row,
		.fn = &fn,
		.context = context };

	return ask(&a,
		"SELECT segment.name, n, offsets FROM packet_index"
		" JOIN segment ON segment.id = packet_index.segment WHERE flow = :flow"
		" ORDER BY segment.name, packet_index.id",
		0, UINT32_MAX, false);
}

static int segment_row(struct asking *a, sqlite3_stmt *s)
{
	struct store_segment segment = {
		.name = (const char *)sqlite3_column_text(s, 0),
		.first_ns = sqlite3_column_int64(s, 1),
		.last_ns = sqlite3_column_int64(s, 2),
		.packets = (uint64_t)sqlite3_column_int64(s, 3),
	};
	store_segment_fn *fn;

	memcpy(&fn, a->fn, sizeof(fn));
	return segment.name ? fn(a->context, &segment) : 0;
}

int store_query_segments(struct store_query *query, store_segment_fn *fn, void *context)
{
	struct asking a = { .query = query,
		.left = UINT64_MAX,
		.row = segment_row,
		.fn = &fn,
		.context = context };

	return ask(&a, "SELECT name, first_ns, last_ns, packets FROM segment ORDER BY name", 0,
		UINT32_MAX, false);
}

static int hour_row(struct asking *a, sqlite3_stmt *s)
{
	const char *type = (const char *)sqlite3_column_text(s, 1);
	struct store_hour hour = {
		.hour_ns = sqlite3_column_int64(s, 0) * NS_PER_US,
		.type = type ? event_type_find(type) : EVENT_NONE,
		.direction = (enum direction)sqlite3_column_int(s, 2),
		.port = sqlite3_column_int(s, 3),
		.records = (uint64_t)sqlite3_column_int64(s, 4),
		.packets = (uint64_t)sqlite3_column_int64(s, 5),
		.bytes = (uint64_t)sqlite3_column_int64(s, 6),
	};
	store_hour_fn *fn;

	memcpy(&fn, a->fn, sizeof(fn));
	return fn(a->context, &hour);
}

int store_query_hours(
	struct store_query *query, int64_t from_ns, int64_t to_ns, store_hour_fn *fn, void *context)
{
	struct store_filter filter = { .from_ns = from_ns, .to_ns = to_ns };
	struct asking a = { .query = query,
		.filter = &filter,
		.left = UINT64_MAX,
		.row = hour_row,
		.fn = &fn,
		.context = context };

	return ask(&a,
		"SELECT hour, name.text, direction, port, records, packets, bytes FROM hourly"
		" JOIN name ON name.id = hourly.type"
		" WHERE hour > :from_floor - 3600000000 AND hour < :to ORDER BY hour",
		first_day(&filter), last_day(&filter), false);
}

static int sum_row(struct asking *a, sqlite3_stmt *s)
{
	uint64_t *sum = a->context;

	*sum += (uint64_t)sqlite3_column_int64(s, 0);
	return 0;
}

int store_query_count(struct store_query *query, const struct store_filter *filter, uint64_t *ret_n)
{
	uint64_t sum = 0;
	struct asking a = { .query = query,
		.filter = filter,
		.left = UINT64_MAX,
		.row = sum_row,
		.context = &sum };
	char sql[SQL_MAX];
	struct out o = out_make(sql, sizeof(sql));
	int error;

	out_str(&o, "SELECT count(*) FROM ev");
	where_records(&o, filter);
	assert(out_ok(&o));
	error = ask(&a, sql, first_day(filter), last_day(filter), false);
	if (!error)
		*ret_n = sum;
	return error;
}

static int max_row(struct asking *a, sqlite3_stmt *s)
{
	uint64_t *max = a->context, seq = (uint64_t)sqlite3_column_int64(s, 0);

	*max = seq > *max ? seq : *max;
	return 0;
}

int store_query_last_seq(struct store_query *query, uint64_t *ret_seq)
{
	uint64_t max = 0;
	struct asking a = { .query = query, .left = UINT64_MAX, .row = max_row, .context = &max };
	int error = ask(&a, "SELECT max(seq) FROM ev", 0, UINT32_MAX, false);

	if (!error)
		*ret_seq = max;
	return error;
}
