/* SPDX-License-Identifier: Apache-2.0 */
/* The files that were carried: pieces in any order, holes, the same content twice, budgets, a full disk, hostile
 * names, and a process that is killed at random moments. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/out.h"
#include "base/ring.h"
#include "conf/conf.h"
#include "sys/chan.h"
#include "vault/ledger.h"
#include "vault/vault.h"

enum { PIECES_DATA = 1 << 17, RECORDS_DATA = 1 << 21, RUN = 7, ROUNDS = 16, FILES = 24 };
static const int64_t T0 = INT64_C(1700000000000000000), SECOND = 1000000000;

struct shared {
	_Atomic int stop;
	struct counts_vault counts;
	struct vault_state state;
};

static struct bench {
	char dir[64];
	int dir_fd;
	struct conf *conf;
	struct shared *shared;
	void *pieces_memory, *records_memory;
	struct ring *pieces, *records; /* producer of the one, consumer of the other */
	struct ring *serving, *telling;
	struct look *look;
	struct vault *vault;
	int64_t now_ns;
	struct record record; /* the last one taken */
	uint8_t packed[RECORD_PACKED_MAX];
	uint64_t files, controls;
	char faults[1024];
} b;

static void *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED);
	return memory;
}

static void on_fault(void *context, const char *what)
{
	(void)context;
	snprintf(b.faults + strlen(b.faults), sizeof(b.faults) - strlen(b.faults), "%s\n", what);
}

static bool on_wait(void *context, int ms)
{
	(void)context;
	if (ms > 0)
		usleep(500);
	return !atomic_load(&b.shared->stop);
}

static int new_vault(void)
{
	const struct vault_setup setup = { .limits = &b.conf->files,
		.dir_fd = b.dir_fd,
		.state = &b.shared->state,
		.run = RUN,
		.records = b.telling,
		.counts = &b.shared->counts,
		.look = b.look,
		.wait = on_wait };

	return vault_new(&setup, &b.vault);
}

static void open_vault(void)
{
	assert_int_equal(new_vault(), 0);
}

static int begin(void **state)
{
	const struct look_setup look = { .magic = true, .fault = on_fault };
	size_t n = ring_memory_size(PIECES_DATA), m = ring_memory_size(RECORDS_DATA);

	(void)state;
	memset(&b, 0, sizeof(b));
	snprintf(b.dir, sizeof(b.dir), "%s/fb-vault-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(b.dir));
	b.dir_fd = open(b.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(vault_prepare(b.dir_fd), 0);
	assert_int_equal(conf_default(&b.conf), 0);
	b.shared = map(sizeof(*b.shared));
	b.pieces_memory = map(n);
	b.records_memory = map(m);
	assert_int_equal(ring_format(b.pieces_memory, n, 1), 0);
	assert_int_equal(ring_format(b.records_memory, m, 1), 0);
	assert_int_equal(ring_open(b.pieces_memory, n, &b.pieces), 0);
	assert_int_equal(ring_open(b.pieces_memory, n, &b.serving), 0);
	assert_int_equal(ring_open(b.records_memory, m, &b.records), 0);
	assert_int_equal(ring_open(b.records_memory, m, &b.telling), 0);
	assert_int_equal(look_new(&look, &b.look), 0);
	b.now_ns = T0;
	open_vault();
	return 0;
}

static int end(void **state)
{
	(void)state;
	vault_free(b.vault);
	look_free(b.look);
	ring_free(b.pieces);
	ring_free(b.serving);
	ring_free(b.records);
	ring_free(b.telling);
	munmap(b.pieces_memory, ring_memory_size(PIECES_DATA));
	munmap(b.records_memory, ring_memory_size(RECORDS_DATA));
	munmap(b.shared, sizeof(*b.shared));
	conf_free(b.conf);
	close(b.dir_fd);
	if (fork() == 0)
		execlp("rm", "rm", "-rf", b.dir, (char *)NULL);
	wait(NULL);
	return 0;
}

/* ---- pieces in, records out ---- */

struct carried {
	uint64_t flow, id, offset;
	const void *bytes;
	size_t len;
	bool end, cut;
	const char *name;
	const char *from;
};

static bool try_to_put(const struct carried *c)
{
	struct piece piece = { .file_id = c->id,
		.offset = c->offset,
		.end = c->end,
		.cut = c->cut,
		.bytes = c->bytes,
		.len = (uint32_t)c->len,
		.record = { .type = EVENT_FILE,
			.head = { .time_ns = b.now_ns,
				.flow_id = c->flow,
				.proto = 6,
				.sport = 4321,
				.dport = 21 },
			.file = { .name = text_of(c->name ? c->name : "") } } };
	uint8_t packed[PIECE_RECORD_MAX];
	struct ring_entry *entry;
	void *payload;

	assert_int_equal(ip_parse(c->from ? c->from : "192.0.2.7", &piece.record.head.src), 0);
	assert_int_equal(ip_parse("10.0.0.5", &piece.record.head.dst), 0);
	assert_int_equal(piece_pack(&piece, packed), 0);
	payload = ring_reserve(b.pieces, (uint32_t)piece_size(&piece), &entry);
	if (!payload)
		return false;
	piece_write(&piece, payload);
	entry->kind = PIECE_DATA;
	ring_commit(b.pieces, (uint32_t)piece_size(&piece));
	return true;
}

static bool take_record(void)
{
	struct ring_entry entry;
	const void *payload;
	int r = ring_peek(b.records, &entry, &payload);

	assert_true(r >= 0);
	if (r == 0)
		return false;
	memcpy(b.packed, payload, entry.size);
	assert_int_equal(record_unpack(b.packed, entry.size, &b.record), 0);
	ring_release(b.records);
	b.files += b.record.type == EVENT_FILE;
	b.controls += b.record.type == EVENT_CONTROL;
	return true;
}

static void serve(void)
{
	int r;

	while ((r = vault_serve(b.vault, b.serving)) == 1)
		;
	assert_int_equal(r, 0);
}

static void put(const struct carried *c)
{
	assert_true(try_to_put(c));
	serve();
}

/* A whole file in one piece; its record is b.record. */
static void carry(uint64_t flow, const void *bytes, size_t len, const char *from)
{
	put(&(struct carried){
		.flow = flow, .bytes = bytes, .len = len, .end = true, .name = "f", .from = from });
}

static void expect_file(void)
{
	do
		assert_true(take_record());
	while (b.record.type != EVENT_FILE);
}

static bool says(struct text text, const char *word)
{
	return text.len == strlen(word) && memcmp(text.at, word, text.len) == 0;
}

static bool has(struct text text, const char *word)
{
	return memmem(text.at, text.len, word, strlen(word)) != NULL;
}

static void path_of(struct text sha256, char *path, size_t size)
{
	snprintf(path, size, "%s/%.2s/%.64s", b.dir, sha256.at, sha256.at);
}

static bool is_kept(struct text sha256)
{
	char path[256];

	path_of(sha256, path, sizeof(path));
	return access(path, F_OK) == 0;
}

static size_t read_kept(struct text sha256, void *to, size_t size, mode_t *ret_mode)
{
	char path[256];
	struct stat st;
	int fd;
	ssize_t n;

	path_of(sha256, path, sizeof(path));
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	*ret_mode = st.st_mode & 07777;
	n = read(fd, to, size);
	assert_true(n >= 0);
	close(fd);
	return (size_t)n;
}

static unsigned count_in(const char *subdir)
{
	char path[128];
	struct dirent *entry;
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", b.dir, subdir);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static unsigned count_kept(void)
{
	unsigned n = 0;
	char name[4];

	for (unsigned i = 0; i < 256; i++) {
		snprintf(name, sizeof(name), "%02x", i);
		n += count_in(name);
	}
	return n;
}

/* ---- tests ---- */

static void test_whole(void **state)
{
	static const char hello[] = "#!/bin/sh\necho hello\n";
	char back[64];
	mode_t mode;

	(void)state;
	put(&(struct carried){ .flow = 1, .bytes = hello, .len = 10, .name = "a.sh" });
	put(&(struct carried){
		.flow = 1, .bytes = hello + 10, .len = 11, .offset = 10, .name = "a.sh" });
	assert_false(take_record());
	put(&(struct carried){ .flow = 1, .offset = 21, .end = true, .name = "a.sh" });
	expect_file();
	assert_true(says(b.record.file.name, "a.sh"));
	assert_int_equal(b.record.file.size, 21);
	assert_true(b.record.file.is_new && b.record.file.stored && !b.record.file.cut);
	assert_true(has(b.record.file.magic, "shell script"));
	assert_int_equal(b.record.file.more.len, 0);
	assert_int_equal(b.record.head.flow_id, 1);
	assert_int_equal(read_kept(b.record.file.sha256, back, sizeof(back), &mode), 21);
	assert_memory_equal(back, hello, 21);
	assert_int_equal(mode, 0440);
	assert_int_equal(count_in("open"), 0);
}

/* RFC 6234, 8.5 and RFC 1321, A.5: "abc". */
static void test_sums(void **state)
{
	(void)state;
	carry(1, "abc", 3, NULL);
	expect_file();
	assert_true(says(b.record.file.sha256,
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
	assert_true(says(b.record.file.sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"));
	assert_true(says(b.record.file.md5, "900150983cd24fb0d6963f7d28e17f72"));
	assert_int_equal(b.record.file.entropy, 1585); /* log2(3) */
	carry(2, "", 0, NULL);
	expect_file();
	assert_true(says(b.record.file.sha256,
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
	assert_int_equal(b.record.file.size, 0);
}

static void test_same_twice(void **state)
{
	struct text sha;
	char copy[65];

	(void)state;
	carry(1, "twice", 5, NULL);
	expect_file();
	assert_true(b.record.file.is_new);
	memcpy(copy, b.record.file.sha256.at, 64);
	sha = (struct text){ copy, 64 };
	b.now_ns += SECOND;
	carry(2, "twice", 5, NULL);
	expect_file();
	assert_false(b.record.file.is_new);
	assert_true(b.record.file.stored && is_kept(sha));
	assert_int_equal(count_kept(), 1);
	assert_int_equal(count_in("open"), 0);
	assert_int_equal(b.shared->counts.files, 1);
	assert_int_equal(b.shared->counts.bytes, 5);
	assert_int_equal(b.shared->counts.seen, 2);
}

static void test_holes(void **state)
{
	uint8_t back[64], want[40] = { 0 };
	mode_t mode;

	(void)state;
	memset(want + 10, 'B', 10);
	memset(want + 30, 'D', 5);
	put(&(struct carried){ .flow = 1, .bytes = want + 30, .len = 5, .offset = 30 });
	put(&(struct carried){ .flow = 1, .bytes = want + 10, .len = 10, .offset = 10 });
	put(&(struct carried){ .flow = 1, .bytes = want + 12, .len = 3, .offset = 12 });
	put(&(struct carried){ .flow = 1, .offset = 40, .end = true, .cut = true });
	expect_file();
	assert_true(says(b.record.file.more, "\"holes\":[[0,10],[20,30],[35,40]]"));
	assert_true(b.record.file.cut && b.record.file.stored);
	assert_int_equal(read_kept(b.record.file.sha256, back, sizeof(back), &mode), 40);
	assert_memory_equal(back, want, 40);
}

static void test_many_holes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		put(&(struct carried){ .flow = 1, .bytes = "x", .len = 1, .offset = 3 * i });
	put(&(struct carried){ .flow = 1, .bytes = "x", .len = 1, .offset = 300, .end = true });
	expect_file();
	assert_true(has(b.record.file.more, "\"more_holes\":true"));
	assert_true(b.record.file.more.len < 1024);
	assert_int_equal(b.record.file.size, 301);
}

static void test_names(void **state)
{
	static const char *const names[] = { "../../../../etc/passwd", "/etc/shadow",
		"a\nb\r\x1b[2J", "\xff\xfe\xfd", "..", "", "%n%n%s", "\"},{\"x\":\"" };
	char line[RECORD_JSON_MAX];

	(void)state;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct out o = out_make(line, sizeof(line));

		put(&(struct carried){ .flow = i + 1,
			.bytes = &i,
			.len = sizeof(i),
			.end = true,
			.name = names[i] });
		expect_file();
		assert_true(says(b.record.file.name, names[i]));
		assert_true(is_kept(b.record.file.sha256));
		record_json(&o, &b.record, NULL);
		assert_true(out_ok(&o) && !strchr(line, '\n') && !strchr(line, '\x1b'));
	}
	assert_int_equal(count_kept(), sizeof(names) / sizeof(names[0]));
}

static void test_largest(void **state)
{
	static uint8_t bytes[PIECE_BYTES_MAX];

	(void)state;
	b.conf->files.largest = 20000;
	vault_free(b.vault);
	open_vault();
	for (unsigned round = 0; round < 2; round++) {
		put(&(struct carried){ .flow = round + 1, .bytes = bytes, .len = sizeof(bytes) });
		put(&(struct carried){ .flow = round + 1,
			.bytes = bytes,
			.len = sizeof(bytes),
			.offset = sizeof(bytes),
			.end = true });
	}
	/* Told once, and no file. */
	assert_true(take_record());
	assert_int_equal(b.record.head.reason, REASON_FILES_BUDGET);
	assert_false(take_record());
	assert_int_equal(count_kept() + count_in("open"), 0);
	assert_int_equal(b.shared->counts.unstored, 2);
	/* Far away is large, too. */
	put(&(struct carried){ .flow = 9, .bytes = "x", .len = 1, .offset = UINT64_C(1) << 60 });
	assert_int_equal(count_in("open"), 0);
	/* The next day it is told again. */
	b.now_ns += 86400 * SECOND;
	put(&(struct carried){ .flow = 9, .bytes = "x", .len = 1, .end = true });
	assert_true(take_record());
	assert_int_equal(b.record.type, EVENT_CONTROL);
}

static void fill(uint8_t *bytes, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		bytes[i] = (uint8_t)(seed >> 16);
	}
}

static void carry_block(unsigned n, size_t len, const char *from)
{
	static uint8_t bytes[PIECE_BYTES_MAX];

	b.now_ns += SECOND;
	fill(bytes, len, n);
	carry(n, bytes, len, from);
}

/* Files that never end do not take more than there is for all. */
static void test_open(void **state)
{
	static uint8_t bytes[PIECE_BYTES_MAX];

	(void)state;
	b.conf->files.budget = 3 * sizeof(bytes);
	vault_free(b.vault);
	open_vault();
	for (unsigned i = 1; i <= 10; i++)
		put(&(struct carried){ .flow = i, .bytes = bytes, .len = sizeof(bytes) });
	assert_int_equal(count_in("open"), 3);
	vault_free(b.vault);
	open_vault();
	assert_int_equal(count_in("open"), 3);
	put(&(struct carried){ .flow = 9, .end = true, .offset = sizeof(bytes) });
	assert_true(take_record());
	assert_int_equal(b.record.head.reason, REASON_FILES_BUDGET);
	put(&(struct carried){ .flow = 1, .end = true, .offset = sizeof(bytes) });
	expect_file();
	assert_true(b.record.file.stored);
}

/* The oldest go, but not the pinned one; then there is room no more. */
static void test_budget(void **state)
{
	uint8_t sha[32];
	char pinned[65] = "";

	(void)state;
	b.conf->files.budget = 40000;
	for (unsigned i = 1; i <= 3; i++) {
		carry_block(i, 10000, NULL);
		expect_file();
		if (i == 1)
			memcpy(pinned, b.record.file.sha256.at, 64);
	}
	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(sscanf(pinned + 2 * i, "%2hhx", &sha[i]), 1);
	assert_int_equal(vault_pin(b.vault, sha, true), 1);
	assert_int_equal(b.controls, 0);
	for (unsigned i = 4; i <= 8; i++) {
		carry_block(i, 10000, NULL);
		expect_file();
		assert_true(b.record.file.stored);
	}
	assert_int_equal(b.controls, 1);
	assert_int_equal(count_kept(), 4);
	assert_int_equal(b.shared->counts.removed, 4);
	assert_true(is_kept((struct text){ pinned, 64 }));
	assert_int_equal(vault_purge(b.vault, sha), 1);
	assert_int_equal(vault_purge(b.vault, sha), 0);
	assert_false(is_kept((struct text){ pinned, 64 }));
	/* It is known, and kept anew when it comes again. */
	carry_block(1, 10000, NULL);
	expect_file();
	assert_true(b.record.file.stored);
}

static void test_all_pinned(void **state)
{
	uint8_t sha[32];

	(void)state;
	b.conf->files.count = 1;
	carry(1, "abc", 3, NULL);
	expect_file();
	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(sscanf(b.record.file.sha256.at + 2 * i, "%2hhx", &sha[i]), 1);
	assert_int_equal(vault_pin(b.vault, sha, true), 1);
	carry(2, "abcd", 4, NULL);
	expect_file();
	assert_false(b.record.file.stored);
	assert_true(says(b.record.file.why, "count"));
	assert_int_equal(count_kept(), 1);
	assert_int_equal(count_in("open"), 0);
}

static void test_source(void **state)
{
	(void)state;
	b.conf->files.source_files = 3;
	b.conf->files.source_bytes = 25000;
	for (unsigned i = 1; i <= 4; i++) {
		carry_block(i, 10000, "192.0.2.7");
		expect_file();
		assert_int_equal(b.record.file.stored, i <= 2);
	}
	assert_true(says(b.record.file.why, "source_bytes"));
	for (unsigned i = 11; i <= 14; i++) {
		carry_block(i, 100, "2001:db8::7");
		expect_file();
		assert_int_equal(b.record.file.stored, i <= 13);
	}
	assert_true(says(b.record.file.why, "source_files"));
	assert_int_equal(b.controls, 2);
	b.now_ns += 86400 * SECOND;
	carry_block(15, 100, "2001:db8::7");
	expect_file();
	assert_true(b.record.file.stored);
}

/* Who has a network of IPv6 has one budget. */
static void test_source_network(void **state)
{
	char from[64];

	(void)state;
	b.conf->files.source_files = 3;
	for (unsigned i = 1; i <= 5; i++) {
		snprintf(from, sizeof(from), "2001:db8::%x:1:2:3", i);
		carry_block(i, 100, from);
		expect_file();
		assert_int_equal(b.record.file.stored, i <= 3);
	}
	carry_block(6, 100, "2001:db8:0:1::1");
	expect_file();
	assert_true(b.record.file.stored);
}

/* Once in a period. */
static void test_alarms(void **state)
{
	(void)state;
	b.conf->files.growth = (struct conf_volume){ .amount = 25000, .period_s = 3600 };
	b.conf->files.uploads = (struct conf_rate){ .count = 5, .period_s = 3600 };
	b.now_ns = T0 - T0 % (3600 * SECOND);
	for (unsigned i = 1; i <= 8; i++) {
		carry_block(i, 10000, NULL);
		expect_file();
		assert_int_equal(b.controls, (i >= 3) + (i >= 6));
	}
	b.now_ns += 3600 * SECOND;
	for (unsigned i = 11; i <= 13; i++)
		carry_block(i, 10000, NULL);
	for (unsigned i = 11; i <= 13; i++)
		expect_file();
	assert_int_equal(b.controls, 3);
}

static void on_nothing(int sig)
{
	(void)sig;
}

/* Files may not grow beyond this: as if the disk were full. */
static void test_disk_full(void **state)
{
	struct rlimit old, none;
	static uint8_t bytes[PIECE_BYTES_MAX];

	(void)state;
	signal(SIGXFSZ, on_nothing);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = old;
	none.rlim_cur = 1000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	carry(1, bytes, sizeof(bytes), NULL);
	carry(2, bytes, sizeof(bytes), NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	while (take_record())
		;
	assert_int_equal(b.files, 0);
	assert_true(b.controls >= 1);
	assert_int_equal(b.record.head.reason, REASON_DISK_FULL);
	assert_int_equal(count_kept() + count_in("open"), 0);
	carry(3, "later", 5, NULL);
	expect_file();
	assert_true(b.record.file.stored);
}

/* Until there is room for a control record alone. */
static void fill_records(void)
{
	const struct record record = { .type = EVENT_CONTROL,
		.control = { .process = text_of("test"), .detail = text_of("fills the ring") } };
	int size = record_pack(&record, b.packed, sizeof(b.packed));
	struct ring_entry *entry;
	void *payload;

	while ((payload = ring_reserve(b.telling, (uint32_t)size, &entry))) {
		memcpy(payload, b.packed, (size_t)size);
		entry->kind = RECORD_KIND_DATA;
		ring_commit(b.telling, (uint32_t)size);
	}
	while (!ring_reserve(b.telling, 300, &entry))
		assert_true(take_record());
	assert_null(ring_reserve(b.telling, 500, &entry));
}

/* It dies between the two records of a file that could not be noted: both are told, each once. */
static void test_disk_full_and_killed(void **state)
{
	struct rlimit old, none;
	static uint8_t bytes[900];

	(void)state;
	signal(SIGXFSZ, on_nothing);
	fill_records();
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = old;
	none.rlim_cur = 1000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	atomic_store(&b.shared->stop, 1);
	carry(1, bytes, sizeof(bytes), NULL);
	b.vault = vault_free(b.vault);
	while (take_record())
		;
	assert_int_equal(b.record.head.reason, REASON_DISK_FULL);
	assert_int_equal(b.files, 0);
	atomic_store(&b.shared->stop, 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	open_vault();
	expect_file();
	assert_false(b.record.file.stored);
	assert_false(take_record());
}

/* 0 or -errno, as fb-vault begins. */
static int try_to_open(void)
{
	int r = vault_prepare(b.dir_fd);

	return r < 0 ? r : new_vault();
}

static void mount_disk(const char *options, unsigned long flags)
{
	assert_int_equal(mount("none", b.dir, "tmpfs", flags, options), 0);
	close(b.dir_fd);
	b.dir_fd = open(b.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(b.dir_fd >= 0);
}

/* A disk that is full at the very first start, however far that gets, is what is said; and it goes on from there when
 * there is room. */
static void test_disk_full_from_the_start(void **state)
{
	unsigned full = 0;

	(void)state;
	if (unshare(CLONE_NEWNS) < 0)
		skip();
	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	for (unsigned step = 0; step < 60; step++) {
		char options[64];
		int r;

		b.vault = vault_free(b.vault);
		if (step < 30)
			snprintf(options, sizeof(options), "size=%uk", 4 + 4 * step);
		else
			snprintf(options, sizeof(options), "size=1m,nr_inodes=%u", 220 + step);
		mount_disk(options, 0);
		r = try_to_open();
		if (r < 0)
			assert_true(r == -ENOSPC || r == -EIO);
		full += r < 0;
		if (r < 0) {
			mount_disk("size=1m,nr_inodes=1000", MS_REMOUNT);
			assert_int_equal(try_to_open(), 0);
		}
		carry(step + 1, "first", 5, NULL);
		if (r < 0) {
			expect_file();
			assert_true(b.record.file.stored);
		}
		while (take_record())
			;
		b.vault = vault_free(b.vault);
		assert_int_equal(umount2(b.dir, MNT_DETACH), 0);
	}
	assert_true(full > 20);
}

static void tick(int64_t ns)
{
	struct ring_entry *entry;

	b.now_ns += ns;
	assert_non_null(ring_reserve(b.pieces, 0, &entry));
	entry->kind = PIECE_CLOCK;
	entry->time_ns = b.now_ns;
	ring_commit(b.pieces, 0);
	serve();
}

static void test_idle(void **state)
{
	(void)state;
	put(&(struct carried){ .flow = 1, .bytes = "begun", .len = 5, .name = "never-ended" });
	tick(SPOOL_IDLE_NS);
	assert_false(take_record());
	tick(2 * SECOND);
	expect_file();
	assert_true(b.record.file.cut && says(b.record.file.name, "never-ended"));
	/* Too many at a time: the one idle longest goes. */
	for (unsigned i = 0; i <= SPOOL_FILES_MAX; i++)
		put(&(struct carried){ .flow = 100 + i, .bytes = &i, .len = sizeof(i) });
	expect_file();
	assert_int_equal(b.record.head.flow_id, 100);
	assert_false(take_record());
	b.files = 0;
	for (unsigned i = 0; i < 4; i++) {
		vault_free(b.vault);
		open_vault();
	}
	vault_end(b.vault);
	while (take_record())
		;
	assert_int_equal(b.files, SPOOL_FILES_MAX);
}

/* The ledger is damaged or gone: what lies there is known again. */
static void test_ledger_lost(void **state)
{
	char path[128];
	int fd;

	(void)state;
	carry(1, "abc", 3, NULL);
	expect_file();
	for (unsigned round = 0; round < 2; round++) {
		vault_free(b.vault);
		snprintf(path, sizeof(path), "%s/index.db", b.dir);
		fd = open(path, O_WRONLY | (round ? O_TRUNC : 0));
		assert_true(fd >= 0 && pwrite(fd, "damaged damaged damaged", 23, 0) == 23);
		close(fd);
		open_vault();
		assert_int_equal(count_kept(), 1);
		carry(2 + round, "abc", 3, NULL);
		expect_file();
		assert_false(b.record.file.is_new);
		assert_true(b.record.file.stored);
	}
}

static void test_yara(void **state)
{
	static const char good[] = "rule has_evil { strings: $a = \"evil\" condition: $a }";
	static const char bad[] = "rule broken { strings: $a = condition }";
	static const char *const names[] = { "bad.yar", "good.yar" };
	int fd[2] = { memfd_create("bad", 0), memfd_create("good", 0) };
	const struct look_setup setup = {
		.fault = on_fault, .yara_fd = fd, .yara_name = names, .n_yara = 2
	};
	char text[LOOK_JSON_MAX];
	struct out o = out_make(text, sizeof(text));
	struct look *look;

	(void)state;
	assert_int_equal(write(fd[0], bad, strlen(bad)), strlen(bad));
	assert_int_equal(write(fd[1], good, strlen(good)), strlen(good));
	lseek(fd[0], 0, SEEK_SET);
	lseek(fd[1], 0, SEEK_SET);
	assert_int_equal(look_new(&setup, &look), 0);
	assert_non_null(strstr(b.faults, "bad.yar: line 1:"));
	assert_null(strstr(b.faults, "good.yar"));
	look_members(look, (const uint8_t *)"an evil thing", 13, &o);
	assert_string_equal(text, "\"yara\":[\"has_evil\"],");
	look_free(look);
	close(fd[0]);
	close(fd[1]);
}

/* A ZIP archive of empty members: long names that are all escapes, then short ones, which fill what there is for the
 * list. */
static size_t make_long_list(uint8_t *zip, unsigned members)
{
	size_t len = 0;

	for (unsigned i = 0; i < members; i++) {
		uint8_t name = i < 26 ? LOOK_MEMBER_NAME_MAX : 2;
		const uint8_t head[30] = { 'P', 'K', 3, 4, 10, [26] = name };

		memcpy(zip + len, head, sizeof(head));
		len += sizeof(head);
		memset(zip + len, 1, name);
		zip[len] = (uint8_t)('A' + i % 26);
		len += name;
	}
	return len;
}

/* However long the list of members is, the rules that match are told, and the record can be made. */
static void test_yara_behind_long_list(void **state)
{
	static const char rules[] =
		"rule is_zip { strings: $a = \"PK\" condition: $a }\n"
		"rule "
		"has_a_name_that_is_so_long_that_it_does_not_fit_behind_a_list_of_members_that_"
		"fills "
		"{ condition: is_zip }\n"
		"rule "
		"has_another_name_that_is_so_long_that_it_does_not_fit_behind_a_list_of_members "
		"{ condition: is_zip }\n";
	static const char *const names[] = { "zip.yar" };
	static uint8_t zip[LOOK_MEMBERS_MAX * 64];
	int fd[1] = { memfd_create("zip", 0) };
	const struct look_setup setup = {
		.fault = on_fault, .yara_fd = fd, .yara_name = names, .n_yara = 1
	};
	size_t len = make_long_list(zip, LOOK_MEMBERS_MAX);

	(void)state;
	assert_int_equal(write(fd[0], rules, strlen(rules)), strlen(rules));
	lseek(fd[0], 0, SEEK_SET);
	vault_free(b.vault);
	look_free(b.look);
	assert_int_equal(look_new(&setup, &b.look), 0);
	assert_string_equal(b.faults, "");
	open_vault();
	for (size_t at = 0; at < len; at += PIECE_BYTES_MAX)
		put(&(struct carried){ .flow = 1,
			.offset = at,
			.bytes = zip + at,
			.len = len - at < PIECE_BYTES_MAX ? len - at : PIECE_BYTES_MAX,
			.end = len - at <= PIECE_BYTES_MAX });
	expect_file();
	assert_true(has(b.record.file.more, "\"archive\":{\"members\":[{\"name\":\"A\\u0001"));
	assert_true(has(b.record.file.more, "\"is_zip\",\"has_a_name"));
	assert_int_equal(b.shared->counts.refused, 0);
	close(fd[0]);
}

static void test_bad_pieces(void **state)
{
	struct ring_entry *entry;
	uint8_t good[PIECE_MAX], copy[PIECE_MAX];
	uint8_t packed[PIECE_RECORD_MAX];
	struct piece piece = { .bytes = (const uint8_t *)"bytes",
		.len = 5,
		.record = { .type = EVENT_FILE, .file = { .name = text_of("n") } } },
		     back;
	size_t size;
	void *payload;

	(void)state;
	assert_int_equal(piece_pack(&piece, packed), 0);
	size = piece_size(&piece);
	piece_write(&piece, good);
	assert_int_equal(piece_read(good, size, &back), 0);
	assert_int_equal(back.len, 5);
	/* Every prefix, and every byte changed: never beyond the end, and whatever is taken can be written. */
	for (size_t n = 0; n < size; n++) {
		uint8_t *exact = malloc(n ? n : 1);

		memcpy(exact, good, n);
		assert_int_equal(piece_read(exact, n, &back), -EBADMSG);
		free(exact);
	}
	for (size_t n = 0; n < size * 8; n++) {
		memcpy(copy, good, size);
		copy[n / 8] ^= (uint8_t)(1u << n % 8);
		if (piece_read(copy, size, &back) == 0)
			assert_int_equal(piece_size(&back), size);
	}
	for (unsigned kind = 0; kind < 4; kind++) {
		payload = ring_reserve(b.pieces, 7, &entry);
		assert_non_null(payload);
		memset(payload, 0xa5, 7);
		entry->kind = (uint16_t)(kind == 0 ? PIECE_DATA : kind + 2);
		ring_commit(b.pieces, 7);
	}
	serve();
	assert_int_equal(b.shared->counts.refused, 4);
	carry(1, "abc", 3, NULL);
	expect_file();
}

/* ---- killed at random moments ---- */

static void child_run(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	assert_int_equal(ring_open(b.pieces_memory, ring_memory_size(PIECES_DATA), &b.serving), 0);
	assert_int_equal(
		ring_open(b.records_memory, ring_memory_size(RECORDS_DATA), &b.telling), 0);
	open_vault();
	while (!atomic_load(&b.shared->stop)) {
		int r = vault_serve(b.vault, b.serving);

		if (r < 0)
			_exit(3);
		if (r == 0)
			usleep(200);
	}
	_exit(0);
}

static pid_t start_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		child_run();
	assert_true(pid > 0);
	return pid;
}

/* Now and then, if it has got on since the last time, it is killed. */
static void put_killing(
	const struct carried *c, pid_t *pid, unsigned *seed, unsigned *kills, uint64_t *before)
{
	*seed = *seed * 1103515245 + 12345;
	while (!try_to_put(c))
		usleep(500);
	if ((*seed >> 16) % 12 == 0 && b.shared->counts.pieces > *before) {
		usleep((*seed >> 8) % 3000);
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
		*pid = start_child();
		*before = b.shared->counts.pieces;
		(*kills)++;
	}
}

static unsigned seen_of[ROUNDS * FILES];

static void take_all(void)
{
	while (take_record()) {
		if (b.record.type != EVENT_FILE)
			continue;
		assert_true(b.record.head.flow_id < ROUNDS * FILES);
		seen_of[b.record.head.flow_id]++;
		assert_true(b.record.file.stored);
		assert_true(is_kept(b.record.file.sha256));
		assert_int_equal(b.record.file.more.len, 0);
		/* Of each three one is the same content. */
		if (b.record.file.is_new)
			assert_int_equal(seen_of[b.record.head.flow_id], 1);
	}
}

static void test_killed(void **state)
{
	static uint8_t bytes[FILES][9000];
	unsigned seed = 4711, kills = 0, fresh = 0;
	uint64_t before = 0;
	pid_t pid;

	(void)state;
	memset(seen_of, 0, sizeof(seen_of));
	vault_free(b.vault);
	b.vault = NULL;
	pid = start_child();
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < FILES; i++)
			fill(bytes[i], sizeof(bytes[i]), i % 3 == 0 ? 1 : round * FILES + i + 2);
		/* Three pieces each, in turn. */
		for (unsigned part = 0; part < 3; part++)
			for (unsigned i = 0; i < FILES; i++) {
				const struct carried c = { .flow = round * FILES + i,
					.bytes = bytes[i] + 3000 * part,
					.len = 3000,
					.offset = 3000 * part,
					.end = part == 2,
					.name = "killed" };

				put_killing(&c, &pid, &seed, &kills, &before);
				take_all();
			}
	}
	while (ring_used(b.pieces) > 0) {
		usleep(1000);
		take_all();
	}
	usleep(50000);
	atomic_store(&b.shared->stop, 1);
	waitpid(pid, NULL, 0);
	take_all();
	for (unsigned i = 0; i < ROUNDS * FILES; i++)
		assert_int_equal(seen_of[i], 1);
	atomic_store(&b.shared->stop, 0);
	open_vault();
	for (unsigned i = 0; i < ROUNDS * FILES; i++)
		fresh += i % FILES % 3 != 0;
	assert_int_equal(count_kept(), fresh + 1);
	assert_int_equal(count_in("open"), 0);
	assert_true(kills > 30);
	print_message("%u kills, %u files\n", kills, ROUNDS * FILES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole, begin, end),
		cmocka_unit_test_setup_teardown(test_sums, begin, end),
		cmocka_unit_test_setup_teardown(test_same_twice, begin, end),
		cmocka_unit_test_setup_teardown(test_holes, begin, end),
		cmocka_unit_test_setup_teardown(test_many_holes, begin, end),
		cmocka_unit_test_setup_teardown(test_names, begin, end),
		cmocka_unit_test_setup_teardown(test_largest, begin, end),
		cmocka_unit_test_setup_teardown(test_open, begin, end),
		cmocka_unit_test_setup_teardown(test_budget, begin, end),
		cmocka_unit_test_setup_teardown(test_all_pinned, begin, end),
		cmocka_unit_test_setup_teardown(test_source, begin, end),
		cmocka_unit_test_setup_teardown(test_source_network, begin, end),
		cmocka_unit_test_setup_teardown(test_alarms, begin, end),
		cmocka_unit_test_setup_teardown(test_disk_full, begin, end),
		cmocka_unit_test_setup_teardown(test_disk_full_and_killed, begin, end),
		cmocka_unit_test_setup_teardown(test_disk_full_from_the_start, begin, end),
		cmocka_unit_test_setup_teardown(test_idle, begin, end),
		cmocka_unit_test_setup_teardown(test_ledger_lost, begin, end),
		cmocka_unit_test_setup_teardown(test_yara, begin, end),
		cmocka_unit_test_setup_teardown(test_yara_behind_long_list, begin, end),
		cmocka_unit_test_setup_teardown(test_bad_pieces, begin, end),
		cmocka_unit_test_setup_teardown(test_killed, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
