/* SPDX-License-Identifier: Apache-2.0 */
#include "store/intake.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/out.h"
#include "base/ring.h"
#include "capture/segment.h"
#include "event/event.h"
#include "incident/incident.h"
#include "store/checkpoint.h"
#include "store/db.h"
#include "store/journal.h"
#include "store/line.h"
#include "store/query.h"
#include "store/sinks.h"
#include "sys/chan.h"

enum {
	BATCH_MAX = 5000,
	CATCH_UP_LINES = 2000,
	MARKER_MAX = 512,
	SEGMENTS_MAX = 8192,
	IDLE_DAY_S = 600,
	RETAIN_S = 10,
	TELL_LOST_S = 600,
	INDEX_REST_S = 3,
	CHECKPOINT_S = 15,
};

static const int64_t second_ns = 1000000000;
static const char own_origin[] = "store";
static const char incident_origin[] = "incident";

struct source {
	const char *origin;
	struct ring *ring; /* NULL: our own records */
	uint64_t last_seq; /* origin_seq up to which the journal has this source */
	bool known;        /* ... if it has any */
	bool broken;
	bool has_marker;
	uint8_t marker[MARKER_MAX];
	uint32_t marker_size;
};

struct intake {
	struct intake_setup set;
	struct source
		source[INTAKE_SOURCES_MAX + 2]; /* the last two are our own, and the incidents */
	size_t n_sources;
	struct journal *journal;
	struct db *db;
	struct incidents *incidents;
	bool incidents_wait; /* more may follow from the records that were taken */
	uint64_t checkpoint_seq;
	int64_t checkpoint_at_ns;
	int64_t now_ns;
	int64_t next_try_ns; /* after a failure */
	int64_t next_db_try_ns;
	int64_t second_at_ns;
	int64_t retain_at_ns;
	int64_t tell_lost_ns;
	unsigned batch;       /* records in the journal's buffer */
	unsigned uncommitted; /* rows in the database's transaction */
	uint64_t batch_frames;
	int failed_errno; /* the journal cannot be written since ... */
	int64_t failed_time_ns;
	bool db_failed;
	uint64_t missing;                  /* lines gone from the journal's end, not yet recorded */
	uint64_t refused;                  /* not yet recorded */
	uint64_t sink_dropped;             /* not yet recorded */
	char (*segment)[SEGMENT_NAME_MAX]; /* closed, to be indexed */
	size_t n_segments;
	char (*removed)[SEGMENT_NAME_MAX]; /* to be taken out of the index */
	size_t n_removed;
	bool segments_listed;
	char line[RECORD_JSON_MAX];
	uint8_t packed[RECORD_PACKED_MAX];
};

static int64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * second_ns + now.tv_nsec;
}

static struct source *own_source(struct intake *in)
{
	return &in->source[in->n_sources];
}

static struct source *incident_source(struct intake *in)
{
	return &in->source[in->n_sources + 1];
}

int intake_new(const struct intake_setup *setup, struct intake **ret_intake)
{
	struct intake *in = calloc(1, sizeof(*in));

	if (!in)
		return -ENOMEM;
	in->set = *setup;
	in->segment = calloc(SEGMENTS_MAX, sizeof(*in->segment));
	in->removed = calloc(SEGMENTS_MAX, sizeof(*in->removed));
	if (!in->segment || !in->removed || incidents_new(&in->incidents) < 0) {
		intake_close(in);
		return -ENOMEM;
	}
	in->n_sources = setup->n_sources;
	for (size_t i = 0; i < in->n_sources; i++) {
		in->source[i].origin = setup->source[i].origin;
		in->source[i].ring = setup->source[i].ring;
	}
	own_source(in)->origin = own_origin;
	incident_source(in)->origin = incident_origin;
	*ret_intake = in;
	return 0;
}

/* --- after a start: what the journal has already --- */

static uint64_t frames_of(const struct record *record)
{
	/* A conversation inside a tunnel is made of the tunnel's frames. */
	if (record->type != EVENT_FLOW || record->flow.parent_id != 0)
		return 0;
	return record->flow.pkts_toserver + record->flow.pkts_toclient + record->flow.icmp_errors;
}

static struct source *find_source(struct intake *in, const char *origin)
{
	for (size_t i = 0; i <= in->n_sources + 1; i++)
		if (strcmp(in->source[i].origin, origin) == 0)
			return &in->source[i];
	return NULL;
}

static int recover_line(void *context, const struct journal_line *got)
{
	struct intake *in = context;
	struct counts_store *counts = in->set.counts;
	struct record record;
	struct source *source;
	struct line *line;

	if (line_parse(got->json, got->len, &line, &record) < 0)
		return 0;
	source = find_source(in, line_origin(line));
	/* Our own numbers go on for ever, those of rings as long as the rings. */
	if (source && (got->seq >= counts->since_seq || source >= own_source(in))) {
		source->last_seq = line_origin_seq(line);
		source->known = true;
		if (source == &in->source[0] && source->last_seq > counts->last_seq_gate) {
			counts->flow_frames += frames_of(&record);
			counts->last_seq_gate = source->last_seq;
		}
	}
	line_free(line);
	return 0;
}

/* The incidents as of the journal's lines: what follows from them is known by its number, and what the journal does
 * not have yet follows again. */
struct following {
	struct intake *in;
	uint64_t told;     /* the journal has them up to this number */
	uint64_t next_seq; /* of the next line, where it must be that one; else 0 */
};

static bool is_incidents(const struct line *line)
{
	return strcmp(line_origin(line), incident_origin) == 0;
}

static int follow_line(void *context, const struct journal_line *got)
{
	struct following *f = context;
	struct incidents *incidents = f->in->incidents;
	struct record record, unused;
	struct line *line;
	int result = 0;

	if (f->next_seq != 0 && got->seq != f->next_seq++)
		return -EBADMSG;
	if (line_parse(got->json, got->len, &line, &record) < 0)
		return 0;
	if (!is_incidents(line) && record.type != EVENT_CONTROL) {
		while (result == 0 && incidents_next(incidents, &unused))
			if (f->next_seq != 0 && incidents_told(incidents) > f->told)
				result = -EBADMSG; /* it would be there */
		if (result == 0)
			incidents_take(
				incidents, &record, (struct text){ got->json, (uint32_t)got->len });
	}
	line_free(line);
	return result;
}

/* The rest of what the journal has; what it does not have comes next. */
static void settle(struct following *f)
{
	struct record unused;

	while (incidents_told(f->in->incidents) < f->told &&
		incidents_next(f->in->incidents, &unused))
		;
}

static int follow_checkpoint(struct following *f)
{
	struct intake *in = f->in;
	struct checkpoint checkpoint;
	int error = checkpoint_read(in->set.journal_dir_fd, in->incidents, &checkpoint);

	if (error)
		return error;
	if (checkpoint.seq > journal_last_seq(in->journal) ||
		(incident_source(in)->known && incidents_told(in->incidents) > f->told))
		return -EBADMSG;
	if (!incident_source(in)->known)
		f->told = incidents_told(in->incidents);
	f->next_seq = checkpoint.seq + 1;
	error = journal_read(in->set.journal_dir_fd, &checkpoint.place, 0, follow_line, f);
	if (!error && f->next_seq != journal_last_seq(in->journal) + 1)
		error = -EBADMSG;
	if (!error)
		settle(f);
	return !error && incidents_told(in->incidents) < f->told ? -EBADMSG : error;
}

/* Without a checkpoint: what the last files tell; nothing of it is told again. */
static int follow_tail(struct following *f, struct journal_place place)
{
	struct intake *in = f->in;
	struct record unused;
	int error;

	incidents_free(in->incidents);
	in->incidents = NULL;
	error = incidents_new(&in->incidents);
	if (error)
		return error;
	f->next_seq = 0;
	error = journal_read(in->set.journal_dir_fd, &place, 0, follow_line, f);
	while (incidents_next(in->incidents, &unused))
		;
	incidents_renumber(in->incidents, f->told);
	return error;
}

static int recover_incidents(struct intake *in, const struct journal_place *tail)
{
	struct following f = { .in = in, .told = incident_source(in)->last_seq };
	int error = follow_checkpoint(&f);

	f.told = incident_source(in)->last_seq;
	if (error)
		error = follow_tail(&f, *tail);
	in->incidents_wait = true;
	in->checkpoint_seq = 0;
	return error;
}

static int recover(struct intake *in)
{
	struct counts_store *counts = in->set.counts;
	struct journal_place place, tail;
	int error;

	if (counts->next_seq_gate > counts->last_seq_gate) {
		counts->flow_frames = counts->next_flow_frames;
		counts->last_seq_gate = counts->next_seq_gate;
	}
	if (counts->since_seq == 0 || counts->since_seq > journal_last_seq(in->journal) + 1)
		counts->since_seq = journal_last_seq(in->journal) + 1;
	error = journal_tail(in->set.journal_dir_fd, &place);
	tail = place;
	if (!error)
		error = journal_read(in->set.journal_dir_fd, &place, 0, recover_line, in);
	return error ? error : recover_incidents(in, &tail);
}

static int open_journal(struct intake *in)
{
	int error = journal_open(
		in->set.journal_dir_fd, in->set.journal_budget, in->set.journal_key, &in->journal);

	if (!error)
		error = recover(in);
	if (error < 0)
		in->journal = journal_close(in->journal);
	in->missing = in->journal ? journal_missing(in->journal) : 0;
	return error;
}

/* --- records into the batch --- */

static void queue(struct intake *in, char (*names)[SEGMENT_NAME_MAX], size_t *n, struct text name)
{
	struct segment segment;
	char text[SEGMENT_NAME_MAX];

	if (in->set.capture_dir_fd < 0 || *n == SEGMENTS_MAX || name.len >= sizeof(text))
		return;
	memcpy(text, name.at, name.len);
	text[name.len] = '\0';
	if (strlen(text) == name.len && segment_parse(text, &segment))
		memcpy(names[(*n)++], segment.name, sizeof(segment.name));
}

static void note_segment(struct intake *in, const struct event_capture *capture)
{
	if (text_is_word(capture->action, "closed"))
		queue(in, in->segment, &in->n_segments, capture->segment);
	else if (text_is_word(capture->action, "removed"))
		queue(in, in->removed, &in->n_removed, capture->segment);
}

/* Prints it into `line`. */
static size_t print_record(
	struct intake *in, struct source *source, uint64_t origin_seq, const struct record *record)
{
	struct record_identity identity = { .honeynet = in->set.honeynet,
		.boot = in->set.boot,
		.seq = journal_last_seq(in->journal) + 1,
		.origin = source->origin,
		.origin_seq = origin_seq };
	struct out o = out_make(in->line, sizeof(in->line));

	record_json(&o, record, &identity);
	return out_ok(&o) ? o.len : 0;
}

/* The line that was printed, of this record. */
static void add_line(
	struct intake *in, const struct source *source, const struct record *record, size_t len)
{
	/* Cannot fail: room was asked for, and every record that can be packed can be printed. */
	if (len == 0 || journal_add(in->journal, record->head.time_ns, in->line, len) < 0) {
		in->set.counts->refused++;
		in->refused++;
		return;
	}
	in->batch++;
	in->uncommitted++;
	if (source == &in->source[0])
		in->batch_frames += frames_of(record);
	db_add(in->db, journal_last_seq(in->journal), record, in->line, len);
	sinks_add(in->set.sinks, record, in->line, len);
	if (record->type == EVENT_CAPTURE)
		note_segment(in, &record->capture);
}

/* Types of which the incidents look at no text that an attacker wrote: these are as they will be read back. */
static bool is_as_printed(const struct record *record)
{
	struct text name = record->head.honeypot;

	for (uint32_t i = 0; i < name.len; i++)
		if (name.at[i] <= ' ' || name.at[i] > '~')
			return false;
	return record->type == EVENT_FLOW || record->type == EVENT_DROP ||
	       record->type == EVENT_STATS || record->type == EVENT_AUDIT ||
	       record->type == EVENT_CAPTURE || record->type == EVENT_ANOMALY;
}

/* The incidents are told what the journal's line says, since that is all there is after a crash. True: the record got
 * something from them. */
static bool look_at_line(struct intake *in, struct record *record, size_t len)
{
	struct record printed, as_taken = *record;
	struct line *line;
	bool changed;

	in->incidents_wait = true;
	if (is_as_printed(record)) {
		incidents_take(in->incidents, &as_taken, (struct text){ 0 });
		return false;
	}
	if (record->type == EVENT_CONTROL || line_parse(in->line, len, &line, &printed) < 0)
		return false;
	changed = incidents_take(in->incidents, &printed, (struct text){ in->line, (uint32_t)len });
	if (changed && record->type == EVENT_INCIDENT)
		record->incident = printed.incident;
	if (changed && record->type == EVENT_FILEINFO)
		record->app_FILEINFO.is_new = printed.app_FILEINFO.is_new;
	line_free(line);
	return changed;
}

/* What follows from the records so far. True: all of it is in the batch. */
static bool take_incidents(struct intake *in)
{
	struct source *source = incident_source(in);
	struct record record;

	while (in->incidents_wait && journal_has_room(in->journal)) {
		if (!incidents_next(in->incidents, &record)) {
			in->incidents_wait = false;
			break;
		}
		source->last_seq = incidents_told(in->incidents);
		add_line(in, source, &record, print_record(in, source, source->last_seq, &record));
	}
	return !in->incidents_wait;
}

static void take_record(
	struct intake *in, struct source *source, uint64_t origin_seq, struct record *record)
{
	size_t len = print_record(in, source, origin_seq, record);

	if (len > 0 && look_at_line(in, record, len))
		len = print_record(in, source, origin_seq, record);
	add_line(in, source, record, len);
	(void)take_incidents(in);
}

static void take_own(struct intake *in, enum reason reason, int64_t time_ns, const char *detail)
{
	struct record record = { .type = EVENT_CONTROL,
		.head = { .time_ns = time_ns, .reason = (uint16_t)reason },
		.control = { .process = text_of("fb-store"), .detail = text_of(detail) } };
	struct source *own = own_source(in);

	if (!journal_has_room(in->journal))
		return;
	own->last_seq++;
	add_line(in, own, &record, print_record(in, own, own->last_seq, &record));
}

static void refuse(struct intake *in)
{
	in->set.counts->refused++;
	in->refused++;
}

/* The payload may change under us: it is copied once, and only the copy is looked at. */
static void take_entry(struct intake *in, struct source *source, const struct ring_entry *entry,
	const void *payload)
{
	struct record record;

	if (source->known && entry->seq <= source->last_seq)
		return;
	if (entry->kind == RECORD_KIND_MARKER && entry->size <= MARKER_MAX) {
		memcpy(source->marker, payload, entry->size);
		source->marker_size = entry->size;
		source->has_marker = true;
		return;
	}
	source->last_seq = entry->seq;
	source->known = true;
	if (entry->kind != RECORD_KIND_DATA || entry->size > RECORD_PACKED_MAX) {
		refuse(in);
		return;
	}
	memcpy(in->packed, payload, entry->size);
	if (record_unpack(in->packed, entry->size, &record) < 0)
		refuse(in);
	else
		take_record(in, source, entry->seq, &record);
}

/* Until the ring is empty, the batch is full, or a marker waits for its answer. True: empty. */
static bool take_source(struct intake *in, struct source *source)
{
	while (!source->broken && !source->has_marker) {
		struct ring_entry entry;
		const void *payload;
		int got;

		if (in->batch >= BATCH_MAX || !take_incidents(in) || !journal_has_room(in->journal))
			return false;
		got = ring_peek(source->ring, &entry, &payload);
		if (got == 0)
			return true;
		if (got < 0) {
			char detail[128];

			source->broken = true;
			snprintf(detail, sizeof(detail),
				"the record ring of %s is damaged; nothing is read from it any "
				"more",
				source->origin);
			take_own(in, REASON_REFUSED, wall_ns(), detail);
			return true;
		}
		take_entry(in, source, &entry, payload);
	}
	return source->broken;
}

static void report_own(struct intake *in)
{
	char detail[160];

	if (in->missing > 0) {
		snprintf(detail, sizeof(detail),
			"the last %llu lines of the journal are gone: they were there when it was "
			"last "
			"signed",
			(unsigned long long)in->missing);
		in->missing = 0;
		take_own(in, REASON_TAMPERED, wall_ns(), detail);
	}
	if (in->refused > 0) {
		snprintf(detail, sizeof(detail), "%llu ill-formed records refused",
			(unsigned long long)in->refused);
		in->refused = 0;
		take_own(in, REASON_REFUSED, wall_ns(), detail);
	}
	/* Told at once and then seldom: the telling is a line that can be lost, too. */
	if (in->sink_dropped > 0 && in->now_ns >= in->tell_lost_ns) {
		in->tell_lost_ns = in->now_ns + TELL_LOST_S * second_ns;
		snprintf(detail, sizeof(detail), "%llu lines for eve_file, eve_socket or syslog",
			(unsigned long long)in->sink_dropped);
		in->sink_dropped = 0;
		take_own(in, REASON_OUTPUT_LOST, wall_ns(), detail);
	}
}

/* --- the batch into the journal --- */

static void journal_failed(struct intake *in, int error)
{
	if (in->failed_errno == 0)
		in->failed_time_ns = wall_ns();
	in->failed_errno = -error;
	in->set.counts->write_errno = (uint64_t)-error;
	in->next_try_ns = in->now_ns + second_ns;
	if (in->db)
		db_rollback(in->db);
	in->uncommitted = 0;
}

static void journal_works(struct intake *in)
{
	char detail[160];

	if (in->failed_errno == 0)
		return;
	snprintf(detail, sizeof(detail), "journal could not be written: %s",
		strerror(in->failed_errno));
	in->failed_errno = 0;
	in->set.counts->write_errno = 0;
	take_own(in, REASON_DISK_FULL, in->failed_time_ns, detail);
	take_own(in, REASON_DISK_BACK, wall_ns(), "journal can be written again");
}

static void answer_markers(struct intake *in)
{
	for (size_t i = 0; i < in->n_sources; i++) {
		struct source *source = &in->source[i];

		if (source->has_marker && in->set.marker)
			in->set.marker(in->set.marker_context, source->marker, source->marker_size);
		source->has_marker = false;
	}
}

static void count_batch(struct intake *in)
{
	struct counts_store *counts = in->set.counts;
	const struct source *gate = &in->source[0];

	counts->records += in->batch;
	if (gate->known && gate->last_seq > counts->last_seq_gate) {
		counts->next_flow_frames = counts->flow_frames + in->batch_frames;
		__atomic_thread_fence(__ATOMIC_RELEASE);
		counts->next_seq_gate = gate->last_seq;
		__atomic_thread_fence(__ATOMIC_RELEASE);
		counts->flow_frames = counts->next_flow_frames;
		__atomic_thread_fence(__ATOMIC_RELEASE);
		counts->last_seq_gate = gate->last_seq;
	}
	counts->journal_bytes = journal_bytes(in->journal);
	in->batch = 0;
	in->batch_frames = 0;
}

/* False: the journal cannot be written now, everything stays where it is. */
static bool commit(struct intake *in)
{
	int error = journal_commit(in->journal);

	if (error) {
		journal_failed(in, error);
		return false;
	}
	for (size_t i = 0; i < in->n_sources; i++)
		if (!in->source[i].broken)
			ring_release(in->source[i].ring);
	count_batch(in);
	answer_markers(in);
	journal_works(in);
	sinks_flush(in->set.sinks, in->now_ns / second_ns);
	return true;
}

/* --- the database --- */

static void commit_db(struct intake *in)
{
	struct journal_place end = journal_end(in->journal);

	/* Lines of ours may wait in the buffer: they are not in the journal yet. */
	if (in->uncommitted == 0 ||
		journal_committed_seq(in->journal) != journal_last_seq(in->journal))
		return;
	db_commit(in->db, &end, journal_committed_seq(in->journal));
	in->uncommitted = 0;
}

static void look_after_db(struct intake *in)
{
	struct journal_place end = journal_end(in->journal);
	char detail[160];
	int error;

	if (in->now_ns >= in->next_db_try_ns && !db_is_live(in->db) &&
		journal_committed_seq(in->journal) == journal_last_seq(in->journal) &&
		db_catch_up(in->db, &end, CATCH_UP_LINES) < 0)
		in->next_db_try_ns = in->now_ns + second_ns;
	error = db_error(in->db);
	if (error && error != -EAGAIN && !in->db_failed) {
		in->db_failed = true;
		snprintf(detail, sizeof(detail),
			"database could not be written (%s); it is made up for from the journal",
			strerror(-error));
		take_own(in, REASON_DISK_FULL, wall_ns(), detail);
	} else if (in->db_failed && db_is_live(in->db)) {
		in->db_failed = false;
		take_own(in, REASON_DISK_BACK, wall_ns(), "database is complete again");
	}
}

static int know_segment(void *context, const struct store_segment *segment)
{
	struct intake *in = context;

	for (size_t i = 0; i < in->n_segments; i++)
		if (strcmp(in->segment[i], segment->name) == 0) {
			memmove(in->segment[i], in->segment[in->n_segments - 1], SEGMENT_NAME_MAX);
			in->n_segments--;
			break;
		}
	return 0;
}

/* Segments that were closed while nobody indexed. The newest one may still be written: its record
 * will tell when it is closed. */
static void list_segments(struct intake *in)
{
	int fd = openat(in->set.capture_dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct segment segment, newest = { 0 };
	struct store_query *query;
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		queue(in, in->segment, &in->n_segments, text_of(entry->d_name));
		if (segment_parse(entry->d_name, &segment) && segment.number >= newest.number)
			newest = segment;
	}
	closedir(dir);
	know_segment(in, &(struct store_segment){ .name = newest.name });
	if (store_query_open_at(in->set.db_dir_fd, &query) == 0) {
		(void)store_query_segments(query, know_segment, in);
		store_query_close(query);
	}
}

static bool is_disk_error(int error)
{
	return error == -ENOSPC || error == -EROFS || error == -EBUSY || error == -EIO;
}

/* The first segment of the queue, one step; what is gone or damaged is left to `fishbowl cut`, which
 * scans. */
static void index_step(struct intake *in)
{
	int result = db_index_step(in->db, in->set.capture_dir_fd, in->segment[0]);

	if (is_disk_error(result))
		in->next_db_try_ns = in->now_ns + second_ns;
	else if (result <= 0 && result != -EAGAIN)
		memmove(in->segment, in->segment + 1, --in->n_segments * sizeof(*in->segment));
}

static void forget_step(struct intake *in)
{
	int result = db_forget_step(in->db, in->removed[0]);

	if (is_disk_error(result))
		in->next_db_try_ns = in->now_ns + second_ns;
	else if (result <= 0 && result != -EAGAIN)
		memmove(in->removed, in->removed + 1, --in->n_removed * sizeof(*in->removed));
}

/* A short step a round, between transactions. */
static void look_after_index(struct intake *in)
{
	if (in->segments_listed && in->n_segments == 0 && in->n_removed == 0)
		return;
	commit_db(in);
	if (!db_is_live(in->db) || in->uncommitted > 0 || in->now_ns < in->next_db_try_ns)
		return;
	if (!in->segments_listed && in->set.capture_dir_fd >= 0)
		list_segments(in);
	in->segments_listed = true;
	if (in->n_removed > 0)
		forget_step(in);
	else if (in->n_segments > 0)
		index_step(in);
}

/* --- each second --- */

/* Behind journal_sync(): its line is on the disk. */
static void write_checkpoint(struct intake *in)
{
	struct checkpoint checkpoint = { .place = journal_end(in->journal),
		.seq = journal_committed_seq(in->journal) };

	if (in->incidents_wait || checkpoint.seq != journal_last_seq(in->journal) ||
		checkpoint.seq == in->checkpoint_seq)
		return;
	/* A failure costs a longer look back; what is wrong shows in the journal soon enough. */
	if (checkpoint_write(in->set.journal_dir_fd, &checkpoint, in->incidents) == 0)
		in->checkpoint_seq = checkpoint.seq;
}

static void retain(struct intake *in)
{
	int days = db_retain(in->db), files = journal_retain(in->journal);
	char detail[160];

	if (days > 0 || files > 0) {
		snprintf(detail, sizeof(detail), "%d journal files and %d day databases removed",
			files > 0 ? files : 0, days > 0 ? days : 0);
		take_own(in, REASON_RETENTION, wall_ns(), detail);
	}
	in->set.counts->journal_bytes = journal_bytes(in->journal);
	in->set.counts->database_bytes = db_bytes(in->db);
}

static void each_second(struct intake *in)
{
	int error = journal_sync(in->journal);

	if (error)
		in->set.counts->write_errno = (uint64_t)-error;
	else if (in->failed_errno == 0)
		in->set.counts->write_errno = 0;
	if (!error && in->now_ns >= in->checkpoint_at_ns) {
		in->checkpoint_at_ns = in->now_ns + CHECKPOINT_S * second_ns;
		write_checkpoint(in);
	}
	commit_db(in);
	db_tick(in->db, in->now_ns / second_ns, IDLE_DAY_S);
	in->sink_dropped += sinks_dropped(in->set.sinks);
	if (in->now_ns >= in->retain_at_ns) {
		in->retain_at_ns = in->now_ns + RETAIN_S * second_ns;
		retain(in);
	}
	sinks_flush(in->set.sinks, in->now_ns / second_ns);
}

static bool is_open(struct intake *in)
{
	int error = 0;

	if (in->now_ns < in->next_try_ns && (in->failed_errno != 0 || !in->journal || !in->db))
		return false;
	if (!in->journal)
		error = open_journal(in);
	if (!error && !in->db)
		error = db_open(in->set.db_dir_fd, in->set.journal_dir_fd, in->set.database_budget,
			&in->db);
	if (error)
		journal_failed(in, error);
	return error == 0;
}

bool intake_step(struct intake *in, int64_t now_ns)
{
	bool empty = true;

	in->now_ns = now_ns;
	if (!is_open(in))
		return false;
	/* What an earlier commit could not write comes first. */
	if (in->failed_errno != 0 && !commit(in))
		return false;
	empty = take_incidents(in);
	for (size_t i = 0; i < in->n_sources; i++)
		empty = take_source(in, &in->source[i]) && empty;
	report_own(in);
	if (!commit(in))
		return false;
	if (in->uncommitted >= BATCH_MAX)
		commit_db(in);
	look_after_db(in);
	look_after_index(in);
	if (now_ns >= in->second_at_ns) {
		in->second_at_ns = now_ns + second_ns;
		each_second(in);
	}
	return !empty || !db_is_live(in->db) || in->n_segments + in->n_removed > 0;
}

bool intake_is_drained(const struct intake *in)
{
	if (!in->journal || in->incidents_wait ||
		journal_committed_seq(in->journal) != journal_last_seq(in->journal))
		return false;
	for (size_t i = 0; i < in->n_sources; i++)
		if (!in->source[i].broken && ring_used(in->source[i].ring) > 0)
			return false;
	return true;
}

/* The segments of the last moments; what takes too long is found by the next start. */
static void index_rest(struct intake *in)
{
	time_t until = time(NULL) + INDEX_REST_S;

	while (in->n_segments + in->n_removed > 0 && in->next_db_try_ns <= in->now_ns &&
		db_is_live(in->db) && time(NULL) < until)
		look_after_index(in);
}

struct intake *intake_close(struct intake *in)
{
	if (!in)
		return NULL;
	if (in->journal && in->db && journal_commit(in->journal) == 0) {
		commit_db(in);
		if (journal_sync(in->journal) == 0)
			write_checkpoint(in);
		index_rest(in);
	}
	db_close(in->db);
	journal_close(in->journal);
	incidents_free(in->incidents);
	free(in->segment);
	free(in->removed);
	free(in);
	return NULL;
}
