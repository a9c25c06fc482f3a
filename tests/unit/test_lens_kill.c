/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real conversations through fb-lens, killed at random moments: its records are those of one that nobody disturbed,
 * none missing, none twice. It is done again until it was killed FISHBOWL_LENS_KILLS times (100 if not; once with
 * FISHBOWL_QUICK).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/ring.h"
#include "cmd/fb-lens/lens.h"
#include "cmd/fb-lens/watch.h"
#include "conf/conf.h"
#include "fingerprint/signatures.h"
#include "noted.h"
#include "proto/proto.h"
#include "segment_kit.h"
#include "sys/chan.h"

enum {
	RING_DATA = 1 << 18,
	RUN = 7,
	SEGMENT_BYTES = 256 << 10,
	STEP_MS = 40, /* so that all conversations of a group fit into LENS_WARM_NS */
	KILL_AFTER_US_MAX = 4000,
	LONG_US = 600000000,
	FRAMES_PER_CAPTURE = 800,
	KILLS = 100,
};

struct shared {
	_Atomic int order;
	struct lens_state state;
	struct counts_lens counts;
};

/* Records as they were packed, one behind the other. */
struct told {
	uint8_t *bytes;
	size_t len, room;
	uint32_t n;
};

static struct {
	struct segments segments;
	uint64_t packets;
	struct shared *shared;
	void *ring;
	size_t ring_size;
	struct ring *consumer;
	/* of the child */
	struct lens *lens;
	struct watch *watch;
	uint64_t wanted;
	bool wants;
} b;

/* ---- the segments ---- */

static const char *captures_dir(void)
{
	const char *shared = getenv("FISHBOWL_SHARED");
	static char path[512];

	snprintf(path, sizeof(path), "%s/data/pcaps", shared ? shared : SHARED_DIR);
	return access(path, R_OK) == 0 ? path : NULL;
}

static int by_name(const struct dirent **left, const struct dirent **right)
{
	return strcmp((*left)->d_name, (*right)->d_name);
}

static int is_capture(const struct dirent *entry)
{
	return strstr(entry->d_name, ".pcap") || strstr(entry->d_name, ".cap");
}

static void write_frame(const struct kept *k, uint64_t id)
{
	static uint8_t block[(1 << 18) + PCAPNG_BLOCK_MAX];
	struct pcapng_packet packet = { .interface = k->answers,
		.time_ns = 1770000000000000000 + (int64_t)id * STEP_MS * 1000000,
		.data = k->bytes,
		.len = k->len,
		.kept = k->len,
		.direction = k->answers ? DIRECTION_OUTBOUND : DIRECTION_INBOUND,
		.arrived = true,
		.packet = id,
		.flow = k->flow,
		.reason = k->answers ? REASON_REPLY : REASON_INBOUND };

	if (b.segments.fd < 0 || lseek(b.segments.fd, 0, SEEK_CUR) > SEGMENT_BYTES)
		segments_next(&b.segments);
	assert_true(k->len < (1 << 18));
	segments_put(&b.segments, block, pcapng_put_packet(block, &packet));
}

/* The first frames of every capture, those of three at a time mixed. */
static void write_segments(const char *dir)
{
	enum { TOGETHER = 3 };
	struct dirent **entry;
	int n = scandir(dir, &entry, is_capture, by_name);

	assert_true(n > 0);
	for (int first = 0; first < n; first += TOGETHER) {
		struct load load[TOGETHER] = { 0 };
		char path[1024];

		for (int i = first; i < n && i < first + TOGETHER; i++) {
			snprintf(path, sizeof(path), "%s/%s", dir, entry[i]->d_name);
			load_capture(path, &load[i - first]);
		}
		for (size_t at = 0; at < FRAMES_PER_CAPTURE; at++)
			for (int i = 0; i < TOGETHER; i++)
				if (at < load[i].n)
					write_frame(&load[i].frame[at], ++b.packets);
		for (int i = 0; i < TOGETHER; i++) {
			for (size_t at = 0; at < load[i].n; at++)
				free(load[i].frame[at].bytes);
			free(load[i].frame);
		}
	}
	while (n > 0)
		free(entry[--n]);
	free(entry);
}

/* ---- the lens's side ---- */

static void want(void *context, uint64_t number)
{
	(void)context;
	b.wanted = number ? number : 1;
	b.wants = true;
}

static enum lens_order wait_order(void *context, int ms)
{
	char name[SEGMENT_NAME_MAX];

	(void)context;
	if (b.wants && b.wanted <= b.segments.number) {
		struct lens_segment give = { .number = b.wanted };

		segment_name(KIT_BOOT, b.wanted, name);
		give.fd = openat(b.segments.dir_fd, name, O_RDONLY | O_CLOEXEC);
		lens_give(b.lens, &give);
		b.wants = false;
	} else if (ms > 0) {
		usleep(200);
	}
	return (enum lens_order)atomic_load(&b.shared->order);
}

static void look(void *context, const struct capture_packet *packet,
	const struct capture_interface *interface)
{
	(void)context;
	watch_packet(b.watch, packet, interface);
}

static void emit(void *context, const struct record *record)
{
	(void)context;
	lens_emit(b.lens, record);
}

static int run_lens(void)
{
	const struct lens_setup setup = { .state = &b.shared->state,
		.counts = &b.shared->counts,
		.records = b.ring,
		.records_size = b.ring_size,
		.run = RUN,
		.want = want,
		.wait = wait_order,
		.look = look };
	struct watch_setup watch = { .counts = &b.shared->counts, .emit = emit };
	struct signatures *signatures;
	struct conf *conf;
	int r = conf_default(&conf);

	if (r < 0)
		return r;
	r = signatures_new(&signatures);
	if (r < 0) {
		conf_free(conf);
		return r;
	}
	watch.signatures = signatures; /* none: hosts are told of all the same, as not known */
	watch.conf = conf;
	r = watch_new(&watch, &b.watch);
	if (r == 0)
		r = lens_new(&setup, &b.lens);
	if (r == 0)
		r = lens_run(b.lens);
	lens_free(b.lens);
	watch_free(b.watch);
	signatures_free(signatures);
	conf_free(conf);
	return r;
}

static pid_t start_lens(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(run_lens() < 0);
	}
	assert_true(pid > 0);
	return pid;
}

/* ---- the store's side ---- */

static void take(struct told *told, const void *bytes, uint32_t len)
{
	if (told->len + sizeof(len) + len > told->room) {
		told->room = 2 * told->room + sizeof(len) + len;
		told->bytes = realloc(told->bytes, told->room);
		assert_non_null(told->bytes);
	}
	memcpy(told->bytes + told->len, &len, sizeof(len));
	memcpy(told->bytes + told->len + sizeof(len), bytes, len);
	told->len += sizeof(len) + len;
	told->n++;
}

static void drain(struct told *told)
{
	struct ring_entry entry;
	const void *payload;

	while (ring_peek(b.consumer, &entry, &payload) == 1)
		take(told, payload, entry.size);
	ring_release(b.consumer);
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The last packet that was dealt with. */
static uint64_t done_so_far(void)
{
	volatile struct lens_state *state = &b.shared->state;

	return state->place[state->current & 1].packet;
}

/* For so long from where it does what was not done before; `early`: from its start on. True: it has ended by
 * itself. */
static bool drain_until(struct told *told, pid_t pid, int64_t us, bool early)
{
	int64_t end = early ? now_us() + us : INT64_MAX;
	uint64_t before = done_so_far();
	int status;

	while (now_us() < end) {
		drain(told);
		if (waitpid(pid, &status, WNOHANG) == pid) {
			assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
			drain(told);
			return true;
		}
		if (end == INT64_MAX && done_so_far() > before)
			end = now_us() + us;
		if (done_so_far() == b.packets)
			atomic_store(&b.shared->order, LENS_DRAIN);
		usleep(100);
	}
	return false;
}

static void begin_run(void)
{
	memset(b.shared, 0, sizeof(*b.shared));
	atomic_store(&b.shared->order, LENS_GO);
	ring_free(b.consumer);
	assert_int_equal(ring_format(b.ring, b.ring_size, 1), 0);
	assert_int_equal(ring_open(b.ring, b.ring_size, &b.consumer), 0);
}

/* Returns how often it was killed. */
static unsigned run_killed(struct told *told, unsigned kills)
{
	unsigned done = 0;

	begin_run();
	for (;;) {
		pid_t pid = start_lens();

		if (drain_until(told, pid, done < kills ? random() % KILL_AFTER_US_MAX : LONG_US,
			    done % 4 == 0))
			return done;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		done++;
	}
}

static void show_difference(const struct told *want, const struct told *got)
{
	size_t at = 0;
	uint32_t len;

	for (uint32_t n = 0; at + sizeof(len) <= want->len && at + sizeof(len) <= got->len; n++) {
		struct record record;

		memcpy(&len, want->bytes + at, sizeof(len));
		if (at + sizeof(len) + len > got->len ||
			memcmp(want->bytes + at, got->bytes + at, sizeof(len) + len) != 0) {
			assert_int_equal(
				record_unpack(want->bytes + at + sizeof(len), len, &record), 0);
			fail_msg("record %u of %u (%s, packet %llu) is another one or missing; %u "
				 "came",
				n, want->n, event_type_name(record.type),
				(unsigned long long)record.head.packet, got->n);
		}
		at += sizeof(len) + len;
	}
}

static void test_kill(void **state)
{
	const char *dir = captures_dir(), *number = getenv("FISHBOWL_LENS_KILLS");
	unsigned kills = number ? (unsigned)strtoul(number, NULL, 10) : KILLS, done = 0, runs = 0;
	struct told undisturbed = { 0 };

	(void)state;
	if (!dir) {
		print_message("skipped: the shared captures are not here\n");
		skip();
	}
	proto_prepare();
	segments_make(&b.segments);
	b.ring_size = ring_memory_size(RING_DATA);
	b.shared = kit_share(sizeof(*b.shared));
	b.ring = kit_share(b.ring_size);
	srandom(11);
	write_segments(dir);
	assert_int_equal(run_killed(&undisturbed, 0), 0);
	assert_true(undisturbed.n > 300);
	do {
		struct told killed = { 0 };
		unsigned more = run_killed(&killed, kills - done);

		show_difference(&undisturbed, &killed);
		assert_int_equal(killed.n, undisturbed.n);
		assert_true(more > 0);
		free(killed.bytes);
		done += more;
		runs++;
	} while (done < kills && !getenv("FISHBOWL_QUICK"));
	print_message("%u kills in %u runs; %u records in each\n", done, runs, undisturbed.n);
	free(undisturbed.bytes);
	segments_remove(&b.segments);
	ring_free(b.consumer);
	munmap(b.ring, b.ring_size);
	munmap(b.shared, sizeof(*b.shared));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
