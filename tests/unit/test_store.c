/* SPDX-License-Identifier: Apache-2.0 */
/* Journal, databases, queries, and the intake that feeds them: also killed, also on a full disk. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/out.h"
#include "base/ring.h"
#include "event/event.h"
#include "incident/incident.h"
#include "random_record.h"
#include "store/checkpoint.h"
#include "store/intake.h"
#include "store/journal.h"
#include "store/line.h"
#include "store/query.h"
#include "sys/chan.h"

enum { RING_DATA = 1 << 20, N_SOURCES = 3 };

static const char *const origins[N_SOURCES] = { "gate", "tap", "supervisor" };
static const int64_t noon_ns = 1769860800000000000; /* 2026-01-31 12:00 */
static const int64_t day_ns = 86400000000000;

static char state_dir[64];
static int journal_fd, db_fd;
static size_t ring_size;
static void *ring_memory[N_SOURCES];
static struct ring *producer[N_SOURCES];
static struct counts_store *counts;
static struct ring *consumer[256]; /* opened in this test */
static size_t n_consumers;

static int shell(const char *command)
{
	char line[256];
	char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, line, NULL };
	int status = -1;
	pid_t pid;

	snprintf(line, sizeof(line), "cd %s && %s", state_dir, command);
	if (posix_spawnp(&pid, "sh", NULL, NULL, argv, environ) == 0)
		waitpid(pid, &status, 0);
	return status;
}

static void run_command(const char *command)
{
	int status = shell(command);

	if (status != 0)
		print_message("%s: %d\n", command, status);
	assert_int_equal(status, 0);
}

static void open_dirs(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/journal", state_dir);
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
	journal_fd = open(path, O_RDONLY | O_DIRECTORY);
	snprintf(path, sizeof(path), "%s/db", state_dir);
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
	db_fd = open(path, O_RDONLY | O_DIRECTORY);
	assert_true(journal_fd >= 0 && db_fd >= 0);
}

static void *shared_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

static int set_up(void **state)
{
	(void)state;
	snprintf(state_dir, sizeof(state_dir), "/tmp/test-store-XXXXXX");
	if (!mkdtemp(state_dir))
		return -1;
	open_dirs();
	ring_size = ring_memory_size(RING_DATA);
	for (int i = 0; i < N_SOURCES; i++) {
		ring_memory[i] = shared_memory(ring_size);
		ring_format(ring_memory[i], ring_size, 1);
		if (ring_open(ring_memory[i], ring_size, &producer[i]) < 0)
			return -1;
	}
	counts = shared_memory(4096);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(journal_fd);
	close(db_fd);
	while (n_consumers > 0)
		ring_free(consumer[--n_consumers]);
	for (int i = 0; i < N_SOURCES; i++) {
		ring_free(producer[i]);
		munmap(ring_memory[i], ring_size);
	}
	munmap(counts, 4096);
	return shell("rm -rf \"$PWD\"");
}

static struct intake *new_intake_with(uint64_t journal_budget, uint64_t database_budget)
{
	struct intake_setup setup = { .journal_dir_fd = journal_fd,
		.db_dir_fd = db_fd,
		.capture_dir_fd = -1,
		.journal_budget = journal_budget,
		.database_budget = database_budget,
		.honeynet = "test",
		.boot = 1,
		.n_sources = N_SOURCES,
		.counts = counts };
	struct intake *intake;

	for (int i = 0; i < N_SOURCES; i++) {
		setup.source[i].origin = origins[i];
		assert_int_equal(ring_open(ring_memory[i], ring_size, &setup.source[i].ring), 0);
		assert_in_range(n_consumers, 0, 255);
		consumer[n_consumers++] = setup.source[i].ring;
	}
	assert_int_equal(intake_new(&setup, &intake), 0);
	return intake;
}

static struct intake *new_intake(void)
{
	return new_intake_with(1u << 30, 1u << 30);
}

static int64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool produce_record(int source, const struct record *record)
{
	struct ring_entry *entry;
	void *at = ring_reserve(producer[source], RECORD_PACKED_MAX, &entry);
	int n;

	if (!at)
		return false;
	entry->kind = RECORD_KIND_DATA;
	n = record_pack(record, at, RECORD_PACKED_MAX);
	assert_true(n > 0);
	ring_commit(producer[source], (uint32_t)n);
	return true;
}

/* A plain flow; many things follow from `n`. */
static struct record flow_record(uint64_t n)
{
	struct record record = { .type = EVENT_FLOW,
		.head = { .time_ns = noon_ns + (int64_t)n * 1000000,
			.flow_id = n + 1,
			.src = ip_from_v4((uint8_t[]){ 192, 0, 2, (uint8_t)(n % 50) }),
			.sport = (uint16_t)(40000 + n % 1000),
			.dst = ip_from_v4((uint8_t[]){ 10, 0, 0, 5 }),
			.dport = n % 2 ? 22 : 80,
			.proto = 6,
			.honeypot = text_of(n % 3 ? "web" : "mail"),
			.direction = DIRECTION_INBOUND,
			.reason = REASON_INBOUND },
		.flow = { .pkts_toserver = 3,
			.pkts_toclient = 2,
			.bytes_toserver = 300,
			.bytes_toclient = 200,
			.state = text_of("closed"),
			.end_reason = text_of("closed") } };

	record.flow.start_ns = record.head.time_ns - 1000000000;
	record.flow.end_ns = record.head.time_ns;
	return record;
}

static void step_until_drained(struct intake *intake)
{
	for (int64_t until = monotonic_ns() + 20000000000; monotonic_ns() < until;) {
		bool more = intake_step(intake, monotonic_ns());

		if (!more && intake_is_drained(intake))
			return;
	}
	fail_msg("not drained");
}

static void ignore_fault(void *context, const struct journal_fault *fault)
{
	if (context)
		*(struct journal_fault *)context = *fault;
	else
		print_message(
			"%s:%llu %s\n", fault->file, (unsigned long long)fault->line, fault->what);
}

static struct journal_verdict verify(void)
{
	struct journal_verdict verdict;

	assert_int_equal(journal_verify(journal_fd, NULL, ignore_fault, NULL, &verdict), 0);
	assert_int_equal(verdict.faults, 0);
	return verdict;
}

/* Everything the journal should hold: each source's numbers without gap, each record once, and the
 * database the same lines. */
struct comparing {
	uint64_t next_seq;
	uint64_t next_origin_seq[N_SOURCES];
	uint64_t lines;
	uint64_t incident_lines;
	struct incidents *
		incidents; /* fed with the lines: what follows must be there, once, and at its place */
	sqlite3_stmt *statement[4];
	sqlite3 *sqlite[4];
	uint32_t date[4];
};

static sqlite3_stmt *statement_of(struct comparing *c, uint32_t date)
{
	for (int i = 0; i < 4; i++) {
		char path[128];

		if (c->date[i] == date)
			return c->statement[i];
		if (c->date[i] != 0)
			continue;
		c->date[i] = date;
		snprintf(path, sizeof(path), "%s/db/ev-%08u.db", state_dir, date);
		assert_int_equal(
			sqlite3_open_v2(path, &c->sqlite[i], SQLITE_OPEN_READONLY, NULL), 0);
		assert_int_equal(sqlite3_prepare_v2(c->sqlite[i],
					 "SELECT json FROM evd JOIN ev ON ev.seq = evd.seq WHERE "
					 "evd.seq = ?",
					 -1, &c->statement[i], NULL),
			0);
		return c->statement[i];
	}
	fail_msg("more days than expected");
	return NULL;
}

static void compare_incidents(struct comparing *c, const struct journal_line *got,
	const struct line *line, struct record *record)
{
	static char expected[RECORD_JSON_MAX];
	struct record_identity identity = { .honeynet = "test",
		.boot = 1,
		.seq = got->seq,
		.origin = "incident",
		.origin_seq = c->incident_lines + 1 };
	struct out o = out_make(expected, sizeof(expected));
	struct record follows;

	if (strcmp(line_origin(line), "incident") == 0) {
		assert_true(incidents_next(c->incidents, &follows));
		record_json(&o, &follows, &identity);
		assert_string_equal(got->json, expected);
		c->incident_lines++;
	} else if (record->type != EVENT_CONTROL) {
		assert_false(incidents_next(c->incidents, &follows));
		(void)incidents_take(
			c->incidents, record, (struct text){ got->json, (uint32_t)got->len });
	}
}

static int compare_line(void *context, const struct journal_line *got)
{
	struct comparing *c = context;
	struct record record;
	struct line *line;
	sqlite3_stmt *s;

	assert_int_equal(got->seq, c->next_seq++);
	assert_int_equal(line_parse(got->json, got->len, &line, &record), 0);
	for (int i = 0; i < N_SOURCES; i++)
		if (strcmp(line_origin(line), origins[i]) == 0)
			assert_int_equal(line_origin_seq(line), c->next_origin_seq[i]++);
	s = statement_of(c, journal_day(record.head.time_ns));
	compare_incidents(c, got, line, &record);
	sqlite3_reset(s);
	sqlite3_bind_int64(s, 1, (sqlite3_int64)got->seq);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(s, 0), got->json);
	c->lines++;
	line_free(line);
	return 0;
}

static uint64_t rows_in_file(const char *name, const char *sql)
{
	sqlite3_stmt *statement;
	char path[384];
	sqlite3 *sqlite;
	uint64_t n;

	snprintf(path, sizeof(path), "%s/db/%s", state_dir, name);
	assert_int_equal(sqlite3_open_v2(path, &sqlite, SQLITE_OPEN_READONLY, NULL), 0);
	assert_int_equal(sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL), 0);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	n = (uint64_t)sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(sqlite);
	return n;
}

static uint64_t rows_in(const char *sql)
{
	DIR *dir = fdopendir(openat(db_fd, ".", O_RDONLY | O_DIRECTORY));
	struct dirent *entry;
	uint64_t sum = 0;

	while ((entry = readdir(dir)))
		if (strncmp(entry->d_name, "ev-", 3) == 0 &&
			strcmp(entry->d_name + strlen("ev-20260131"), ".db") == 0)
			sum += rows_in_file(entry->d_name, sql);
	closedir(dir);
	return sum;
}

static uint64_t compare_all(const uint64_t made[static N_SOURCES])
{
	struct comparing c = { .next_seq = 1, .next_origin_seq = { 1, 1, 1 } };
	struct journal_place place = { 0 };
	struct record unused;

	assert_int_equal(incidents_new(&c.incidents), 0);
	assert_int_equal(journal_read(journal_fd, &place, 0, compare_line, &c), 0);
	assert_false(incidents_next(c.incidents, &unused));
	print_message("%llu lines, of them %llu about incidents and sources\n",
		(unsigned long long)c.lines, (unsigned long long)c.incident_lines);
	incidents_free(c.incidents);
	for (int i = 0; i < N_SOURCES; i++)
		assert_int_equal(c.next_origin_seq[i], made[i] + 1);
	for (int i = 0; i < 4; i++) {
		sqlite3_finalize(c.statement[i]);
		sqlite3_close(c.sqlite[i]);
	}
	assert_int_equal(rows_in("SELECT count(*) FROM ev"), c.lines);
	assert_int_equal(rows_in("SELECT count(*) FROM evd"), c.lines);
	assert_int_equal(rows_in("SELECT sum(records) FROM hourly"), c.lines);
	return c.lines;
}

static void produce_flows(uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n < to; n++) {
		struct record record = flow_record(n);

		assert_true(produce_record(0, &record));
	}
}

static void test_plain(void **state)
{
	uint64_t made[N_SOURCES] = { 500 };
	struct intake *intake = new_intake();

	(void)state;
	produce_flows(0, 500);
	step_until_drained(intake);
	intake_close(intake);
	assert_int_equal(verify().lines, 500);
	assert_int_equal(compare_all(made), 500);
	assert_int_equal(counts->flow_frames, 2500);
	assert_int_equal(counts->records, 500);
	assert_int_equal(rows_in("SELECT sum(packets) FROM hourly"), 2500);
	assert_int_equal(rows_in("SELECT sum(records) FROM src"), 500);
}

static void test_refused(void **state)
{
	struct intake *intake = new_intake();
	struct ring_entry *entry;
	uint8_t *at;

	(void)state;
	produce_flows(0, 3);
	at = ring_reserve(producer[0], 50, &entry);
	memset(at, 0xff, 50);
	entry->kind = RECORD_KIND_DATA;
	ring_commit(producer[0], 50);
	at = ring_reserve(producer[0], 8, &entry);
	memset(at, 0, 8);
	entry->kind = 77;
	ring_commit(producer[0], 8);
	produce_flows(3, 6);
	step_until_drained(intake);
	intake_close(intake);
	assert_int_equal(counts->refused, 2);
	assert_int_equal(verify().lines, 7); /* and a control record */
	assert_int_equal(counts->flow_frames, 30);
}

static unsigned markers_seen;
static uint64_t frames_at_marker;

static void on_marker(void *context, const void *payload, uint32_t size)
{
	(void)context;
	assert_int_equal(size, 8);
	assert_memory_equal(payload, "marker..", 8);
	markers_seen++;
	frames_at_marker = counts->flow_frames;
}

static void test_marker(void **state)
{
	struct intake_setup setup = { .journal_dir_fd = journal_fd,
		.db_dir_fd = db_fd,
		.capture_dir_fd = -1,
		.journal_budget = 1 << 30,
		.database_budget = 1 << 30,
		.honeynet = "test",
		.n_sources = 1,
		.counts = counts,
		.marker = on_marker };
	struct ring_entry *entry;
	struct intake *intake;
	void *at;

	(void)state;
	markers_seen = 0;
	setup.source[0].origin = "gate";
	assert_int_equal(ring_open(ring_memory[0], ring_size, &setup.source[0].ring), 0);
	assert_int_equal(intake_new(&setup, &intake), 0);
	produce_flows(0, 10);
	at = ring_reserve(producer[0], 8, &entry);
	memcpy(at, "marker..", 8);
	entry->kind = RECORD_KIND_MARKER;
	ring_commit(producer[0], 8);
	produce_flows(10, 20);
	step_until_drained(intake);
	assert_int_equal(markers_seen, 1);
	assert_int_equal(frames_at_marker, 50);
	assert_int_equal(counts->flow_frames, 100);
	intake_close(intake);
	ring_free(setup.source[0].ring);
}

/* Without its checkpoint, or with a damaged one, a store knows the incidents from the journal's last files. */
static void test_checkpoint(void **state)
{
	uint64_t made[N_SOURCES] = { 0 };
	static const char *const harm[] = { "true", "rm journal/" CHECKPOINT_NAME,
		"printf x >> journal/" CHECKPOINT_NAME, "truncate -s 100 journal/" CHECKPOINT_NAME,
		"printf x | dd of=journal/" CHECKPOINT_NAME
		" bs=1 seek=200 conv=notrunc status=none" };

	(void)state;
	for (size_t i = 0; i < sizeof(harm) / sizeof(harm[0]); i++) {
		struct intake *intake;

		if (i > 0)
			run_command(harm[i]);
		intake = new_intake();
		for (int n = 0; n < 100; n++, made[0]++) {
			struct record record = flow_record(made[0]);
			int64_t later_ns = (int64_t)i * day_ns / 12;

			record.head.time_ns +=
				later_ns; /* all who were there before have gone quiet */
			record.flow.start_ns += later_ns;
			record.flow.end_ns += later_ns;
			assert_true(produce_record(0, &record));
		}
		step_until_drained(intake);
		intake_close(intake);
		run_command("test -s journal/" CHECKPOINT_NAME);
		compare_all(made);
	}
	verify();
}

/* A store in a process of its own, until it is killed. */
static pid_t start_store(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct intake *intake = new_intake();
		struct timespec pause = { .tv_nsec = 500000 };

		for (;;)
			if (!intake_step(intake, monotonic_ns()))
				nanosleep(&pause, NULL);
	}
	assert_true(pid > 0);
	return pid;
}

static void test_killed(void **state)
{
	unsigned rounds =
		getenv("STORE_KILLS") ? (unsigned)strtoul(getenv("STORE_KILLS"), NULL, 10) : 60;
	uint64_t made[N_SOURCES] = { 0 }, frames = 0;
	struct intake *intake;

	(void)state;
	srandom(11);
	for (unsigned round = 0; round < rounds; round++) {
		pid_t pid = start_store();
		int64_t until = monotonic_ns() + random() % 40000000;

		while (monotonic_ns() < until) {
			struct record record;
			int source = (int)(random() % N_SOURCES);

			random_record(&record);
			record.head.time_ns = noon_ns + (int64_t)(random() % 2) * day_ns;
			if (source == 0)
				record = flow_record(made[0]);
			if (!produce_record(source, &record))
				continue;
			made[source]++;
			frames += source == 0 ? 5 : 0;
		}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	intake = new_intake();
	step_until_drained(intake);
	intake_close(intake);
	print_message("%u kills, %llu records\n", rounds, (unsigned long long)compare_all(made));
	verify();
	assert_int_equal(counts->flow_frames, frames);
}

static void produce_and_store(uint64_t from, uint64_t to)
{
	struct intake *intake = new_intake();

	produce_flows(from, to);
	step_until_drained(intake);
	intake_close(intake);
}

static void test_rebuild(void **state)
{
	uint64_t made[N_SOURCES] = { 400 };

	(void)state;
	produce_and_store(0, 100);
	run_command("rm db/ev-*.db");
	produce_and_store(100, 200);
	run_command("rm -rf db/*");
	produce_and_store(200, 300);
	run_command(
		"chmod u+w db/ev-*.db && dd if=/dev/urandom of=db/ev-20260131.db bs=1000 seek=9 "
		"count=30 conv=notrunc status=none");
	produce_and_store(300, 350);
	run_command("chmod u+w db/ev-*.db && truncate -s 5000 db/ev-20260131.db");
	produce_and_store(350, 400);
	compare_all(made);
	verify();
}

static void test_partial_line(void **state)
{
	uint64_t made[N_SOURCES] = { 200 };

	(void)state;
	produce_and_store(0, 100);
	run_command("printf '{\"timestamp\":\"2026' >> journal/journal-20260131-000.jsonl");
	produce_and_store(100, 200);
	compare_all(made);
	verify();
}

/* Fresh rings and counts (after a reboot) begin with 1 again: these are no old records. */
static void test_fresh_rings(void **state)
{
	(void)state;
	produce_and_store(0, 50);
	for (int i = 0; i < N_SOURCES; i++) {
		ring_free(producer[i]);
		ring_format(ring_memory[i], ring_size, 1);
		assert_int_equal(ring_open(ring_memory[i], ring_size, &producer[i]), 0);
	}
	memset(counts, 0, sizeof(*counts));
	produce_and_store(50, 80);
	produce_and_store(80, 90);
	assert_int_equal(verify().lines, 90);
	assert_int_equal(counts->flow_frames, 200);
}

static struct journal_fault fault_after(const char *command, uint64_t want_faults)
{
	struct journal_fault last = { 0 };
	struct journal_verdict verdict;

	run_command("rm -rf saved; cp -a journal saved");
	run_command(command);
	assert_int_equal(journal_verify(journal_fd, NULL, ignore_fault, &last, &verdict), 0);
	assert_int_equal(verdict.faults, want_faults);
	run_command("cp -a saved/. journal");
	return last;
}

/* Lines cut off an end leave a good chain; head knows better. */
static void check_ends(void)
{
	struct journal_fault f = fault_after("sed -i '$d' journal/journal-*.jsonl", 1);

	assert_int_equal(f.line, 199);
	assert_int_equal(f.from, 200);
	assert_int_equal(f.to, 200);
	f = fault_after("sed -i 1,3d journal/journal-*.jsonl", 1);
	assert_int_equal(f.line, 1);
	assert_int_equal(f.from, 1);
	assert_int_equal(f.to, 3);
	f = fault_after("rm journal/journal-*.jsonl", 1);
	assert_int_equal(f.to, 200);
	f = fault_after("rm journal/head", 1);
	assert_string_equal(f.file, "head");
}

/* A writer that finds less than was signed says so, and the gap stays. */
static void test_cut_end(void **state)
{
	struct journal_fault last = { 0 };
	struct journal_verdict verdict;

	(void)state;
	produce_and_store(0, 100);
	run_command("sed -i 91,100d journal/journal-20260131-000.jsonl");
	produce_and_store(100, 120);
	run_command("grep -q tampered journal/*.jsonl");
	assert_int_equal(journal_verify(journal_fd, NULL, ignore_fault, &last, &verdict), 0);
	assert_int_equal(verdict.faults, 1);
	assert_int_equal(last.line, 91);
	assert_int_equal(last.from, 91);
	assert_int_equal(last.to, 100);
	assert_int_equal(verdict.last_seq, 121);
}

static void test_tampered(void **state)
{
	struct journal_verdict verdict;
	char path[128];
	uint8_t *bytes;
	struct stat st;
	int fd;

	(void)state;
	produce_and_store(0, 200);
	snprintf(path, sizeof(path), "%s/journal/journal-20260131-000.jsonl", state_dir);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(bytes, MAP_FAILED);
	srandom(12);
	for (int round = 0; round < 500; round++) {
		off_t at = random() % st.st_size;
		struct journal_fault last = { 0 };
		uint64_t line = 1;
		uint8_t byte, changed;

		for (off_t i = 0; i < at; i++)
			line += bytes[i] == '\n';
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		do
			changed = (uint8_t)(round % 5 ? byte ^ (1u << (random() % 8))
						      : (unsigned)"\n\"}0"[random() % 4]);
		while (changed == byte);
		assert_int_equal(pwrite(fd, &changed, 1, at), 1);
		assert_int_equal(
			journal_verify(journal_fd, NULL, ignore_fault, &last, &verdict), 0);
		/* The very last newline makes the last line look unfinished. */
		if (at == st.st_size - 1)
			assert_true(verdict.partial);
		else if (verdict.faults == 0 || last.line < line || last.line > line + 1)
			fail_msg("byte %ld of line %lu: %lu faults, line %lu", (long)at,
				(unsigned long)line, (unsigned long)verdict.faults,
				(unsigned long)last.line);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	munmap(bytes, (size_t)st.st_size);
	close(fd);
	assert_int_equal(verify().lines, 200);
	check_ends();
	run_command("sed -i 100d journal/journal-20260131-000.jsonl");
	assert_int_equal(journal_verify(journal_fd, NULL, ignore_fault,
				 &(struct journal_fault){ 0 }, &verdict),
		0);
	assert_int_equal(verdict.faults, 1);
}

static void test_retention(void **state)
{
	struct intake *intake = new_intake_with(1 << 20, 3 << 20);
	int64_t now_ns = monotonic_ns();

	(void)state;
	for (uint64_t day = 0; day < 8; day++) {
		for (uint64_t n = 0; n < 1500; n++) {
			struct record record = flow_record(n);

			record.head.time_ns += (int64_t)day * day_ns;
			record.flow.start_ns += (int64_t)day * day_ns;
			record.flow.end_ns += (int64_t)day * day_ns;
			while (!produce_record(0, &record))
				intake_step(intake, now_ns);
		}
		step_until_drained(intake);
		now_ns += 20000000000;
		intake_step(intake, now_ns);
		intake_step(intake, now_ns + 11000000000);
	}
	step_until_drained(intake);
	intake_close(intake);
	verify();
	run_command("test $(ls journal/*.jsonl | wc -l) -le 2");
	run_command("test $(du -sb db | cut -f1) -le 4500000");
	run_command("test ! -e db/ev-20260131.db");
	run_command("test -e db/ev-20260207.db -a ! -w db/ev-20260207.db -o $(id -u) = 0");
	run_command("test ! -e db/ev-20260206.db-wal");
	/* What retention removed is not made again. */
	produce_and_store(0, 1);
	run_command("test ! -e db/ev-20260201.db");
}

static void test_disk_full(void **state)
{
	uint64_t made[N_SOURCES] = { 0 };
	struct intake *intake;

	(void)state;
	close(journal_fd);
	close(db_fd);
	if (mount("none", state_dir, "tmpfs", 0, "size=1500k") < 0) {
		open_dirs();
		print_message("skipped: may not mount a tmpfs\n");
		skip();
	}
	open_dirs();
	intake = new_intake();
	for (uint64_t n = 0; n < 3000; n++) {
		struct record record = flow_record(n);

		if (produce_record(0, &record))
			made[0]++;
		if (n % 50 == 0)
			intake_step(intake, monotonic_ns());
	}
	intake_step(intake, monotonic_ns());
	assert_int_equal(counts->write_errno, ENOSPC);
	assert_false(intake_is_drained(intake));
	assert_int_equal(mount("none", state_dir, "tmpfs", MS_REMOUNT, "size=100m"), 0);
	for (int i = 0; i < 60 && !intake_is_drained(intake); i++) {
		usleep(100000);
		intake_step(intake, monotonic_ns());
	}
	step_until_drained(intake);
	usleep(1100000);
	step_until_drained(intake);
	intake_close(intake);
	assert_int_equal(counts->write_errno, 0);
	verify();
	compare_all(made);
	umount2(state_dir, MNT_DETACH);
}

static uint64_t seen;

static int count_event(void *context, const struct store_event *event)
{
	uint64_t *last = context;

	assert_true(event->json_len > 100);
	seen++;
	*last = event->seq;
	return 0;
}

static int count_flow(void *context, const struct store_flow *flow)
{
	struct store_flow *last = context;

	*last = *flow;
	seen++;
	return 0;
}

static uint64_t count_of(struct store_query *query, const struct store_filter *filter)
{
	uint64_t n = UINT64_MAX, last;

	seen = 0;
	assert_int_equal(store_query_events(query, filter, count_event, &last), 0);
	if (filter->limit == 0) {
		assert_int_equal(store_query_count(query, filter, &n), 0);
		assert_int_equal(n, seen);
	}
	return seen;
}

static void test_queries(void **state)
{
	struct store_filter f;
	struct store_flow flow;
	struct store_query *query;
	struct record drop = { .type = EVENT_DROP,
		.head = { .time_ns = noon_ns + day_ns,
			.reason = REASON_TCP_LIMIT,
			.verdict = VERDICT_DROP,
			.flow_id = 12345,
			.src = ip_from_v4((uint8_t[]){ 10, 0, 0, 5 }),
			.dst = ip_from_v4((uint8_t[]){ 203, 0, 113, 1 }),
			.proto = 17,
			.dport = 53 },
		.drop = { .count = 4 } };
	struct intake *intake = new_intake();
	uint64_t last;

	(void)state;
	/* Of 50 addresses; a day later there is a record about each of them. */
	produce_flows(0, 300);
	assert_true(produce_record(0, &drop));
	step_until_drained(intake);
	usleep(1100000);
	step_until_drained(intake); /* the writer stays open: WAL */
	assert_int_equal(store_query_open(state_dir, &query), 0);
	store_filter_init(&f);
	assert_int_equal(count_of(query, &f), 351);
	f.limit = 10;
	assert_int_equal(count_of(query, &f), 10);
	f.newest_first = true;
	f.limit = 1;
	assert_int_equal(store_query_events(query, &f, count_event, &last), 0);
	assert_int_equal(last, 301); /* the newest by time */
	store_filter_init(&f);
	f.type = EVENT_SOURCE;
	assert_int_equal(count_of(query, &f), 50);
	f.type = EVENT_DROP;
	assert_int_equal(count_of(query, &f), 1);
	store_filter_init(&f);
	f.has_host = true;
	assert_int_equal(ip_prefix_parse("192.0.2.7/32", &f.host), 0);
	assert_int_equal(count_of(query, &f), 7);
	assert_int_equal(ip_prefix_parse("192.0.2.0/24", &f.host), 0);
	assert_int_equal(count_of(query, &f), 350);
	assert_int_equal(ip_prefix_parse("10.0.0.5/32", &f.host), 0);
	assert_int_equal(count_of(query, &f), 351);
	f.has_peer = true;
	assert_int_equal(ip_prefix_parse("203.0.113.0/24", &f.peer), 0);
	assert_int_equal(count_of(query, &f), 1);
	store_filter_init(&f);
	f.port = 22;
	assert_int_equal(count_of(query, &f), 175);
	f.honeypot = "mail";
	assert_int_equal(count_of(query, &f), 50);
	f.honeypot = "none";
	assert_int_equal(count_of(query, &f), 0);
	store_filter_init(&f);
	f.reason = REASON_TCP_LIMIT;
	assert_int_equal(count_of(query, &f), 1);
	store_filter_init(&f);
	f.proto = 17;
	assert_int_equal(count_of(query, &f), 1);
	store_filter_init(&f);
	f.min_severity = SEVERITY_NOTICE;
	assert_int_equal(count_of(query, &f), 1);
	store_filter_init(&f);
	f.flow = 17;
	assert_int_equal(count_of(query, &f), 1);
	store_filter_init(&f);
	f.from_ns = noon_ns + 100000000;
	f.to_ns = noon_ns + 200000000;
	assert_int_equal(count_of(query, &f), 100);
	seen = 0;
	assert_int_equal(store_query_flows(query, &f, count_flow, &flow), 0);
	assert_int_equal(seen, 200); /* those that ended later began before `to` */
	store_filter_init(&f);
	f.flow = 17;
	assert_int_equal(store_query_flows(query, &f, count_flow, &flow), 0);
	assert_int_equal(flow.id, 17);
	assert_int_equal(flow.packets, 5);
	assert_int_equal(flow.dport, 80);
	assert_int_equal(flow.reason, REASON_INBOUND);
	assert_int_equal(store_query_last_seq(query, &last), 0);
	assert_int_equal(last, 351);
	store_query_close(query);
	intake_close(intake);
}

/* Not a gate: prints how many records a second go the whole way. */
static void test_speed(void **state)
{
	struct intake *intake = new_intake();
	int64_t spent = 0, from;
	enum { ROUNDS = 50, EACH = 3000 };

	(void)state;
	intake_step(intake, monotonic_ns());
	for (uint64_t round = 0; round < ROUNDS; round++) {
		produce_flows(round * EACH, round * EACH + EACH);
		from = monotonic_ns();
		step_until_drained(intake);
		spent += monotonic_ns() - from;
	}
	from = monotonic_ns();
	intake_close(intake);
	spent += monotonic_ns() - from;
	print_message("%.0f records a second\n", ROUNDS * EACH / ((double)spent / 1e9));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_plain),
		TEST(test_refused),
		TEST(test_marker),
		TEST(test_checkpoint),
		TEST(test_killed),
		TEST(test_rebuild),
		TEST(test_partial_line),
		TEST(test_fresh_rings),
		TEST(test_tampered),
		TEST(test_cut_end),
		TEST(test_retention),
		TEST(test_disk_full),
		TEST(test_queries),
		TEST(test_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
