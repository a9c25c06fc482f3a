/* SPDX-License-Identifier: Apache-2.0 */
/* The capture writer as a process of its own, fed by a producer and killed at random moments. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/ring.h"
#include "capture/reader.h"
#include "capture/verify.h"
#include "capture/zfile.h"
#include "cmd/fb-tap/tap.h"

enum {
	RING_DATA = 1 << 20,
	RECORDS_DATA = 1 << 20,
	KILLS = 300,
	KILLS_QUICK = 20,
	FIRST_SEQ = 41,
	FRAME_MAX = 1514
};

struct shared {
	_Atomic int stop;
	_Atomic uint64_t marker, marker_frames;
	struct counts_tap counts;
};

struct bench {
	char dir[64];
	struct shared *shared;
	void *ring, *records;
	size_t ring_size, records_size;
	struct ring *producer;
	uint64_t frames; /* committed */
	struct tap_setup setup;
};

static struct bench b;

static enum tap_order order(void *context)
{
	const struct bench *bench = context;

	return atomic_load(&bench->shared->stop) ? TAP_DRAIN : TAP_GO;
}

static void marked(void *context, uint64_t marker, uint64_t frames)
{
	const struct bench *bench = context;

	atomic_store(&bench->shared->marker_frames, frames);
	atomic_store(&bench->shared->marker, marker);
}

static void *share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED);
	return memory;
}

static void start_bench(const char *dir)
{
	b = (struct bench){ .ring_size = ring_memory_size(RING_DATA),
		.records_size = ring_memory_size(RECORDS_DATA) };
	snprintf(b.dir, sizeof(b.dir), "%s",
		dir                             ? dir
		: access("/dev/shm", W_OK) == 0 ? "/dev/shm/fb-test-tap-XXXXXX"
						: "/tmp/fb-test-tap-XXXXXX");
	if (!dir)
		assert_non_null(mkdtemp(b.dir));
	b.shared = share(sizeof(*b.shared));
	b.ring = share(b.ring_size);
	b.records = share(b.records_size);
	assert_int_equal(ring_format(b.ring, b.ring_size, FIRST_SEQ), 0);
	assert_int_equal(ring_format(b.records, b.records_size, 0), 0);
	assert_int_equal(ring_open(b.ring, b.ring_size, &b.producer), 0);
	b.setup = (struct tap_setup){
		.dir_fd = open(b.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.wake_fd = -1,
		.order_fd = -1,
		.ring = b.ring,
		.ring_size = b.ring_size,
		.records = b.records,
		.records_size = b.records_size,
		.counts = &b.shared->counts,
		.segment_size = 1 << 20,
		.segment_time_s = 600,
		.budget = UINT64_MAX,
		.boot = 0xb007,
		.honeynet = "test",
		.n_interfaces = 2,
		.interface = { { .name = "eth0", .description = "outside" },
			{ .name = "eth1", .description = "inside" } },
		.order = order,
		.marked = marked,
		.context = &b,
	};
	assert_true(b.setup.dir_fd >= 0);
	assert_int_equal(manifest_key_create(b.setup.dir_fd, MANIFEST_SECRET, MANIFEST_PUBLIC), 0);
	int key = openat(b.setup.dir_fd, MANIFEST_SECRET, O_RDONLY | O_CLOEXEC);

	assert_int_equal(manifest_key_read(key, &b.setup.key), 0);
	close(key);
	b.setup.has_key = true;
}

static void remove_tree(int dir_fd, const char *path)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	const struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		unlinkat(dir_fd, entry->d_name, 0);
	closedir(dir);
	assert_int_equal(rmdir(path), 0);
}

static void end_bench(bool remove)
{
	if (remove)
		remove_tree(b.setup.dir_fd, b.dir);
	close(b.setup.dir_fd);
	ring_free(b.producer);
	munmap(b.ring, b.ring_size);
	munmap(b.records, b.records_size);
	munmap(b.shared, sizeof(*b.shared));
}

static pid_t start_tap(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(tap_run(&b.setup) < 0);
	assert_true(pid > 0);
	return pid;
}

static void stop_tap(pid_t pid)
{
	int status;

	atomic_store(&b.shared->stop, 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	atomic_store(&b.shared->stop, 0);
}

static uint32_t frame_len(uint64_t seq)
{
	return (uint32_t)(14 + seq * 2654435761u % (FRAME_MAX - 14));
}

/* False when the ring is full. */
static bool produce_frame(void)
{
	static const uint8_t data[FRAME_MAX];
	uint64_t seq = ring_next_seq(b.producer);
	struct pcapng_packet packet = { .interface = seq & 1,
		.time_ns = (int64_t)seq * 1000,
		.data = data,
		.len = frame_len(seq),
		.kept = frame_len(seq),
		.arrived = true,
		.packet = seq,
		.flow = seq % 100,
		.reason = REASON_INBOUND };
	struct ring_entry *entry;
	uint8_t *payload =
		ring_reserve(b.producer, (uint32_t)pcapng_packet_size(packet.len), &entry);

	if (!payload)
		return false;
	entry->kind = RING_FRAME;
	entry->flags = (uint16_t)packet.interface;
	entry->time_ns = packet.time_ns;
	ring_commit(b.producer, (uint32_t)pcapng_put_packet(payload, &packet));
	b.frames++;
	return true;
}

static bool produce_marker(uint64_t number)
{
	struct ring_entry *entry;
	struct ring_marker *marker = ring_reserve(b.producer, sizeof(*marker), &entry);

	if (!marker)
		return false;
	*marker = (struct ring_marker){ .marker = number, .n_interfaces = 2 };
	entry->kind = RING_MARKER;
	entry->time_ns = (int64_t)ring_next_seq(b.producer) * 1000;
	ring_commit(b.producer, sizeof(*marker));
	return true;
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void produce_for(int64_t us, uint64_t *marker)
{
	int64_t end = now_us() + us;

	while (now_us() < end) {
		bool full = false;

		for (int i = 0; i < 20 && !full; i++)
			full = !produce_frame();
		if (random() % 50 == 0 && produce_marker(*marker))
			++*marker;
		if (full)
			usleep(200);
	}
}

/* All segments in order: each committed frame once, nothing else. Returns the frames. */
static uint64_t count_files(bool gaps_allowed, unsigned *ret_segments)
{
	struct segment *segment;
	size_t n;
	uint64_t frames = 0, last = 0;

	assert_int_equal(segment_list(b.setup.dir_fd, &segment, &n), 0);
	for (size_t i = 0; i < n; i++) {
		struct capture_reader *reader;
		struct capture_packet packet;
		struct zfile *file;
		int result;

		assert_int_equal(zfile_open(b.setup.dir_fd, segment[i].name, &file), 0);
		assert_int_equal(capture_reader_new_source(zfile_read, file, &reader), 0);
		while ((result = capture_reader_next(reader, &packet)) == 1) {
			assert_true(packet.id > last || frames == 0);
			assert_int_equal(packet.len, frame_len(packet.id));
			last = packet.id;
			frames++;
		}
		/* Right after a kill the newest segment may end in the middle of a block. */
		if (!gaps_allowed || i + 1 < n)
			assert_string_equal(capture_reader_error(reader), "");
		capture_reader_free(reader);
		zfile_close(file);
	}
	free(segment);
	if (!gaps_allowed)
		assert_int_equal(frames, b.frames);
	*ret_segments = (unsigned)n;
	return frames;
}

struct seen {
	const char *file; /* what was changed, and where */
	uint64_t at;
	bool named; /* a fault of that file whose range covers the place */
	unsigned kinds[VERIFY_LEFTOVER + 1];
};

static void see(void *context, const struct verify_finding *f)
{
	struct seen *seen = context;

	seen->kinds[f->kind]++;
	if (f->fault && seen->file && strcmp(f->file, seen->file) == 0 &&
		(f->to < f->from || (seen->at >= f->from && seen->at <= f->to)))
		seen->named = true;
	if (f->has_packets)
		assert_true(f->first_packet <= f->last_packet);
}

static struct verify_totals verify(struct seen *seen)
{
	struct verify_setup setup = { .dir_fd = b.setup.dir_fd, .finding = see, .context = seen };
	struct verify_totals totals;

	memcpy(setup.public, b.setup.key.public, sizeof(setup.public));
	assert_int_equal(verify_run(&setup, &totals), 0);
	return totals;
}

static void test_killed(void **state)
{
	struct seen seen = { 0 };
	uint64_t marker = 1;
	unsigned n_segments;
	pid_t pid;

	(void)state;
	srandom(7);
	start_bench(NULL);
	b.setup.compress = true;
	for (int i = 0; i < (getenv("FISHBOWL_QUICK") ? KILLS_QUICK : KILLS); i++) {
		int status;

		pid = start_tap();
		produce_for(random() % (i % 10 ? 12000 : 60000), &marker);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
	}
	pid = start_tap();
	while (!produce_marker(marker))
		usleep(1000);
	stop_tap(pid);
	count_files(false, &n_segments);
	assert_true(n_segments > 1);
	assert_int_equal(verify(&seen).faults, 0);
	assert_int_equal(b.shared->counts.frames, b.frames);
	assert_int_equal(atomic_load(&b.shared->marker), marker);
	assert_int_equal(atomic_load(&b.shared->marker_frames), b.frames);
	end_bench(!getenv("FISHBOWL_KEEP"));
}

static uint64_t wait_for_frames(uint64_t frames)
{
	for (int i = 0; i < 500 && b.shared->counts.frames < frames; i++)
		usleep(10000);
	return b.shared->counts.frames;
}

/* Another run of the gateway with a ring of its own goes on in the same directory. */
static void test_new_boot(void **state)
{
	unsigned n_segments;
	uint64_t marker = 1, frames;
	pid_t pid;

	(void)state;
	start_bench(NULL);
	pid = start_tap();
	produce_for(20000, &marker);
	assert_true(wait_for_frames(1) > 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	frames = count_files(true, &n_segments);
	b.producer = ring_free(b.producer);
	assert_int_equal(ring_format(b.ring, b.ring_size, 1), 0);
	assert_int_equal(ring_open(b.ring, b.ring_size, &b.producer), 0);
	memset(&b.shared->counts, 0, sizeof(b.shared->counts));
	b.setup.boot++;
	pid = start_tap();
	for (int i = 0; i < 10; i++)
		assert_true(produce_frame());
	stop_tap(pid);
	assert_int_equal(b.shared->counts.frames, 10);
	assert_true(frames > 0);
	end_bench(true);
}

/* A disk that fills up: the oldest segments go, nothing that is kept is torn, writing goes on. */
static void test_disk_full(void **state)
{
	char dir[] = "/tmp/fb-test-full-XXXXXX";
	unsigned n_segments;
	uint64_t frames;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(dir));
	if (mount("tmpfs", dir, "tmpfs", 0, "size=4m") < 0) {
		rmdir(dir);
		print_message("needs root to mount a small disk\n");
		skip();
	}
	start_bench(dir);
	b.setup.segment_size = 256 * 1024;
	pid = start_tap();
	while (b.frames < 12000)
		if (!produce_frame())
			usleep(1000);
	assert_int_equal(wait_for_frames(12000), 12000);
	assert_int_equal(b.shared->counts.write_errno, 0);
	stop_tap(pid);
	assert_true(b.shared->counts.removed > 0);
	frames = count_files(true, &n_segments);
	assert_true(frames > 1000 && frames < 12000);
	end_bench(false);
	assert_int_equal(umount(dir), 0);
	rmdir(dir);
}

/* Nothing can be removed: what does not fit stays in the ring, and comes when there is room. */
static void test_disk_full_waits(void **state)
{
	char dir[] = "/tmp/fb-test-wait-XXXXXX", path[64];
	unsigned n_segments;
	int fd;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(dir));
	if (mount("tmpfs", dir, "tmpfs", 0, "size=3m") < 0) {
		rmdir(dir);
		skip();
	}
	start_bench(dir);
	b.setup.segment_size = 64 << 20;
	snprintf(path, sizeof(path), "%s/filler", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(posix_fallocate(fd, 0, 1500 * 1024), 0);
	close(fd);
	pid = start_tap();
	for (int i = 0; i < 500 && b.shared->counts.write_errno != ENOSPC; i++) {
		while (produce_frame())
			;
		usleep(10000);
	}
	assert_int_equal(b.shared->counts.write_errno, ENOSPC);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(wait_for_frames(b.frames), b.frames);
	assert_int_equal(b.shared->counts.write_errno, 0);
	stop_tap(pid);
	count_files(false, &n_segments);
	end_bench(false);
	assert_int_equal(umount(dir), 0);
	rmdir(dir);
}

static unsigned hold_all(int *fd, unsigned max)
{
	int own = openat(b.setup.dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(own);
	const struct dirent *entry;
	unsigned n = 0;

	assert_non_null(dir);
	while (n < max && (entry = readdir(dir)))
		if (entry->d_type == DT_REG)
			fd[n++] = openat(b.setup.dir_fd, entry->d_name, O_RDONLY | O_CLOEXEC);
	closedir(dir);
	return n;
}

/* What is removed makes no room, as somebody has it open: little is removed, and writing goes on when
 * there is room. */
static void test_disk_full_and_held(void **state)
{
	char dir[] = "/tmp/fb-test-held-XXXXXX";
	unsigned n_segments, n_held;
	int held[64];
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(dir));
	if (mount("tmpfs", dir, "tmpfs", 0, "size=4m") < 0) {
		rmdir(dir);
		skip();
	}
	start_bench(dir);
	b.setup.segment_size = 256 * 1024;
	pid = start_tap();
	while (b.frames < 3000)
		if (!produce_frame())
			usleep(1000);
	wait_for_frames(b.frames);
	assert_int_equal(b.shared->counts.removed, 0);
	n_held = hold_all(held, 64);
	assert_in_range(n_held, 10, 63);
	for (unsigned ms = 0; ms < 1500; ms++) {
		while (produce_frame())
			;
		usleep(1000);
	}
	assert_int_equal(b.shared->counts.write_errno, ENOSPC);
	assert_in_range(b.shared->counts.removed, 1, 3);
	while (n_held > 0)
		close(held[--n_held]);
	assert_int_equal(wait_for_frames(b.frames), b.frames);
	assert_int_equal(b.shared->counts.write_errno, 0);
	stop_tap(pid);
	count_files(true, &n_segments);
	end_bench(false);
	assert_int_equal(umount(dir), 0);
	rmdir(dir);
}

/* Nonsense in the ring ends the process; it does not get into a segment. */
static void test_bad_ring(void **state)
{
	struct ring_entry *entry;
	unsigned n_segments;
	int status;
	pid_t pid;

	(void)state;
	start_bench(NULL);
	assert_true(produce_frame());
	assert_non_null(ring_reserve(b.producer, 30, &entry));
	entry->kind = RING_FRAME;
	ring_commit(b.producer, 30);
	pid = start_tap();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	assert_int_equal(count_files(true, &n_segments), 1);
	end_bench(true);
}

static void fill_and_seal(bool compress, uint64_t frames)
{
	pid_t pid;

	start_bench(NULL);
	b.setup.segment_size = 3 << 19;
	b.setup.compress = compress;
	pid = start_tap();
	while (b.frames < frames)
		if (!produce_frame())
			usleep(1000);
	if (compress)
		sleep(1); /* the last but one is compressed beside */
	stop_tap(pid);
}

/* A sealed file, or the manifest, at random. */
static const char *pick_file(char name[static 64])
{
	struct segment *segment;
	size_t n, i;

	assert_int_equal(segment_list(b.setup.dir_fd, &segment, &n), 0);
	i = (size_t)random() % (n + 1);
	if (i == n)
		snprintf(name, 64, "%s", MANIFEST_FILE);
	else
		snprintf(name, 64, "%s%s", segment[i].name, segment[i].plain ? "" : ".zst");
	free(segment);
	return name;
}

static void test_changed_byte(void **state)
{
	(void)state;
	srandom(11);
	for (int compress = 0; compress < 2; compress++) {
		struct seen clean = { 0 };
		struct verify_totals totals;

		fill_and_seal(compress, 5000);
		totals = verify(&clean);
		assert_int_equal(totals.faults, 0);
		assert_int_equal(totals.unsealed, 0);
		assert_int_equal(totals.packets, b.frames);
		for (int i = 0; i < 100; i++) {
			char name[64];
			struct seen seen = { .file = pick_file(name) };
			int fd = openat(b.setup.dir_fd, name, O_RDWR | O_CLOEXEC);
			uint8_t old, changed;
			struct stat st;

			assert_int_equal(fstat(fd, &st), 0);
			seen.at = ((uint64_t)random() << 16 ^ (uint64_t)random()) %
				  (uint64_t)st.st_size;
			assert_int_equal(pread(fd, &old, 1, (off_t)seen.at), 1);
			changed = old ^ (uint8_t)(1 + random() % 255);
			assert_int_equal(pwrite(fd, &changed, 1, (off_t)seen.at), 1);
			verify(&seen);
			if (!seen.named)
				print_message("%s at %lu: %02x -> %02x\n", name,
					(unsigned long)seen.at, old, changed);
			assert_true(seen.named);
			assert_int_equal(pwrite(fd, &old, 1, (off_t)seen.at), 1);
			close(fd);
		}
		end_bench(true);
	}
}

/* Files that are gone, too many, longer, and lines that are. */
static void test_missing_and_extra(void **state)
{
	struct seen seen = { 0 };
	char name[SEGMENT_NAME_MAX];
	int fd;

	(void)state;
	fill_and_seal(false, 6000);
	segment_name(b.setup.boot, 2, name);
	assert_int_equal(unlinkat(b.setup.dir_fd, name, 0), 0);
	fd = openat(b.setup.dir_fd, "notes.txt", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	segment_name(b.setup.boot, 1, name);
	fd = openat(b.setup.dir_fd, name, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(verify(&seen).faults, 3);
	assert_int_equal(seen.kinds[VERIFY_MISSING], 1);
	assert_int_equal(seen.kinds[VERIFY_EXTRA], 1);
	assert_int_equal(seen.kinds[VERIFY_CHANGED], 1);
	end_bench(true);
}

static void test_line_taken_out(void **state)
{
	static char text[1 << 16];
	struct seen seen = { 0 };
	char *second, *third;
	ssize_t n;
	int fd;

	(void)state;
	fill_and_seal(false, 8000);
	fd = openat(b.setup.dir_fd, MANIFEST_FILE, O_RDWR | O_CLOEXEC);
	n = read(fd, text, sizeof(text));
	assert_true(n > 0);
	second = (char *)memchr(text, '\n', (size_t)n) + 1;
	third = (char *)memchr(second, '\n', (size_t)(text + n - second)) + 1;
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, text, (size_t)(second - text), 0), second - text);
	assert_int_equal(
		pwrite(fd, third, (size_t)(text + n - third), second - text), text + n - third);
	close(fd);
	verify(&seen);
	assert_int_equal(seen.kinds[VERIFY_CHAIN], 1);
	assert_int_equal(seen.kinds[VERIFY_EXTRA], 1);
	end_bench(true);
}

/* Retention is no break of the chain, and a pinned segment stays. */
static void test_retention(void **state)
{
	struct seen seen = { 0 };
	struct verify_totals totals;
	char pin[SEGMENT_NAME_MAX + 8], name[SEGMENT_NAME_MAX];
	pid_t pid;
	int fd;

	(void)state;
	start_bench(NULL);
	b.setup.budget = 4 << 20;
	segment_name(b.setup.boot, 2, name);
	snprintf(pin, sizeof(pin), "%s" SEGMENT_PIN, name);
	fd = openat(b.setup.dir_fd, pin, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	pid = start_tap();
	while (b.frames < 20000)
		if (!produce_frame())
			usleep(1000);
	for (int i = 0; i < 500 && b.shared->counts.stored > b.setup.budget; i++)
		usleep(10000);
	usleep(500000);
	stop_tap(pid);
	totals = verify(&seen);
	assert_int_equal(totals.faults, 0);
	assert_true(totals.removed > 3);
	assert_int_equal(faccessat(b.setup.dir_fd, name, F_OK, 0), 0);
	end_bench(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_new_boot),
		cmocka_unit_test(test_disk_full),
		cmocka_unit_test(test_disk_full_waits),
		cmocka_unit_test(test_disk_full_and_held),
		cmocka_unit_test(test_bad_ring),
		cmocka_unit_test(test_changed_byte),
		cmocka_unit_test(test_missing_and_extra),
		cmocka_unit_test(test_line_taken_out),
		cmocka_unit_test(test_retention),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
