/* SPDX-License-Identifier: Apache-2.0 */
/* fb-lens as a process of its own, behind a writer that writes pieces of blocks, killed at
 * random moments. */
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
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/ring.h"
#include "capture/zfile.h"
#include "cmd/fb-lens/lens.h"
#include "segment_kit.h"
#include "sys/chan.h"
#include "vault/piece.h"

enum { RING_DATA = 1 << 16, RUN = 7, FRAME = 300, KILLS = 200, SEGMENT_PACKETS = 40 };

struct shared {
	_Atomic int order;
	_Atomic uint64_t open; /* number of the segment that is written; 0: none */
	_Atomic uint64_t looked, cold, last_seen;
	_Atomic uint64_t deadly; /* packet that ends the process */
	_Atomic bool busy;       /* the supervisor: it answers later */
	struct lens_state state;
	struct counts_lens counts;
};

struct bench {
	struct segments segments;
	uint64_t packet; /* written so far */
	struct shared *shared;
	void *ring;
	size_t ring_size;
	struct ring *consumer, *taker;
	void *pieces;
	uint64_t kept, last_piece; /* pieces; of which packet the last one was */
	uint64_t last_part;
	uint64_t expected; /* next packet that must be told of */
	unsigned expected_part;
	uint64_t told, unread, poison;
	/* of the child */
	struct lens *lens;
	uint64_t wanted;
	bool wants;
	uint64_t seen;
};

static struct bench b;

/* ---- the lens's side ---- */

static void want(void *context, uint64_t number)
{
	(void)context;
	b.wanted = number;
	b.wants = true;
}

/* As the supervisor does: the first one of that number or above, if its header is whole. */
static bool hand_over(void)
{
	struct segment *segment;
	size_t n, i = 0;
	bool done = false;

	if (atomic_load(&b.shared->busy))
		return false;
	assert_int_equal(segment_list(b.segments.dir_fd, &segment, &n), 0);
	while (i < n && segment[i].number < b.wanted)
		i++;
	if (i < n && segment[i].number <= atomic_load(&b.shared->open)) {
		struct lens_segment give = { .number = segment[i].number,
			.compressed = !segment[i].plain };
		char name[SEGMENT_NAME_MAX + 8];

		snprintf(
			name, sizeof(name), "%s%s", segment[i].name, give.compressed ? ".zst" : "");
		give.fd = openat(b.segments.dir_fd, name, O_RDONLY | O_CLOEXEC);
		done = give.fd >= 0;
		if (done)
			lens_give(b.lens, &give);
	}
	free(segment);
	return done;
}

static enum lens_order wait_order(void *context, int ms)
{
	(void)context;
	if (b.wants && hand_over())
		b.wants = false;
	else if (ms > 0)
		usleep(500);
	return (enum lens_order)atomic_load(&b.shared->order);
}

static unsigned records_of(uint64_t packet)
{
	return (unsigned)(packet % 4);
}

static unsigned pieces_of(uint64_t packet)
{
	return (unsigned)((packet + 1) % 3);
}

static void keep_piece(void *context, const struct piece *piece)
{
	(void)context;
	lens_keep(b.lens, piece);
}

static void keep(uint64_t packet, unsigned part)
{
	struct piece piece = { .file_id = packet,
		.offset = part,
		.bytes = (const uint8_t *)"piece",
		.len = 5,
		.record = { .type = EVENT_FILE } };

	assert_int_equal(piece_cut(&piece, keep_piece, NULL), 0);
}

/* So many records a packet, none for each fourth, and pieces of files. */
static void look(void *context, const struct capture_packet *packet,
	const struct capture_interface *interface)
{
	char detail[64];
	struct record record = { .type = EVENT_CONTROL, .head = { .time_ns = packet->time_ns } };

	(void)context;
	assert_non_null(interface);
	assert_int_equal(packet->len, FRAME);
	atomic_fetch_add(&b.shared->looked, 1);
	if (packet->id == atomic_load(&b.shared->deadly))
		raise(SIGKILL);
	if (packet->id > 1 && b.seen + 1 != packet->id)
		atomic_fetch_add(&b.shared->cold, 1);
	b.seen = packet->id;
	for (unsigned i = 0; i < records_of(packet->id); i++) {
		snprintf(detail, sizeof(detail), "packet %llu part %u",
			(unsigned long long)packet->id, i);
		record.control.detail = text_of(detail);
		lens_emit(b.lens, &record);
	}
	for (unsigned i = 0; i < pieces_of(packet->id); i++)
		keep(packet->id, i);
	atomic_store(&b.shared->last_seen, packet->id);
}

static pid_t start_lens(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		const struct lens_setup setup = { .state = &b.shared->state,
			.counts = &b.shared->counts,
			.records = b.ring,
			.records_size = b.ring_size,
			.pieces = b.pieces,
			.pieces_size = b.ring_size,
			.run = RUN,
			.want = want,
			.wait = wait_order,
			.look = look };
		int r = lens_new(&setup, &b.lens);

		if (r == 0)
			r = lens_run(b.lens);
		lens_free(b.lens);
		_exit(r < 0);
	}
	assert_true(pid > 0);
	return pid;
}

/* ---- the writer's side ---- */

static void start_bench(void)
{
	b = (struct bench){ .expected = 1, .ring_size = ring_memory_size(RING_DATA) };
	segments_make(&b.segments);
	b.shared = kit_share(sizeof(*b.shared));
	b.ring = kit_share(b.ring_size);
	assert_int_equal(ring_format(b.ring, b.ring_size, 1), 0);
	assert_int_equal(ring_open(b.ring, b.ring_size, &b.consumer), 0);
	b.pieces = kit_share(b.ring_size);
	assert_int_equal(ring_format(b.pieces, b.ring_size, 1), 0);
	assert_int_equal(ring_open(b.pieces, b.ring_size, &b.taker), 0);
	srandom(11);
}

static void end_bench(void)
{
	segments_remove(&b.segments);
	ring_free(b.consumer);
	ring_free(b.taker);
	munmap(b.pieces, b.ring_size);
	munmap(b.ring, b.ring_size);
	munmap(b.shared, sizeof(*b.shared));
}

static void name_of(uint64_t number, char name[static SEGMENT_NAME_MAX])
{
	segment_name(KIT_BOOT, number, name);
}

static void next_segment(void)
{
	segments_next(&b.segments);
	atomic_store(&b.shared->open, b.segments.number);
}

/* A packet, in pieces if it comes so; now and then statistics before it. */
static void write_packet(bool pieces)
{
	static uint8_t buf[2 * PCAPNG_BLOCK_MAX];
	static const uint8_t data[FRAME];
	uint64_t id = ++b.packet;
	struct pcapng_packet packet = { .time_ns = (int64_t)id * 1000000,
		.data = data,
		.len = FRAME,
		.kept = FRAME,
		.arrived = true,
		.packet = id,
		.reason = REASON_INBOUND };
	struct pcapng_statistics mark = { .comment = "fishbowl mark" };
	size_t len = 0, at = 0;

	if (id % 7 == 0)
		len = pcapng_put_statistics(buf, &mark);
	len += pcapng_put_packet(buf + len, &packet);
	while (at < len) {
		size_t part = pieces ? 1 + (size_t)random() % len : len;

		part = part < len - at ? part : len - at;
		segments_put(&b.segments, buf + at, part);
		at += part;
		if (pieces && random() % 4 == 0)
			usleep(200);
	}
}

static void write_packets(unsigned n, bool pieces)
{
	for (unsigned i = 0; i < n; i++) {
		if (b.packet % SEGMENT_PACKETS == 0)
			next_segment();
		write_packet(pieces);
	}
}

/* ---- the store's side ---- */

/* The next record that has to come: of the packet that is next and has any. */
static void expect_record(const struct text *detail)
{
	char text[64];

	while (b.expected_part >= records_of(b.expected)) {
		b.expected++;
		b.expected_part = 0;
	}
	snprintf(text, sizeof(text), "packet %llu part %u", (unsigned long long)b.expected,
		b.expected_part++);
	assert_int_equal(detail->len, strlen(text));
	assert_memory_equal(detail->at, text, detail->len);
	b.told++;
}

static void note_loss(const struct text *detail)
{
	char text[128];
	unsigned long long id;

	snprintf(text, sizeof(text), "%.*s", (int)detail->len, detail->at);
	if (sscanf(text, "packet %llu ended fb-lens", &id) == 1) {
		b.poison++;
		b.expected = id + 1;
	} else {
		b.unread++;
		if (sscanf(text, "segment %llu cannot be read on", &id) == 1)
			b.expected = id * SEGMENT_PACKETS + 1;
	}
	b.expected_part = 0;
}

/* In the order of packets, those of one packet one behind the other. */
static void take_pieces(void)
{
	struct ring_entry entry;
	const void *payload;
	struct piece piece;

	while (ring_peek(b.taker, &entry, &payload) == 1) {
		if (entry.kind == PIECE_DATA) {
			assert_int_equal(piece_read(payload, entry.size, &piece), 0);
			if (piece.file_id == b.last_piece) {
				assert_int_equal(piece.offset, b.last_part + 1);
			} else {
				assert_true(piece.file_id > b.last_piece);
				assert_int_equal(piece.offset, 0);
			}
			b.last_piece = piece.file_id;
			b.last_part = piece.offset;
			b.kept++;
		}
		ring_release(b.taker);
	}
}

static uint64_t pieces_until(uint64_t packet)
{
	uint64_t n = 0;

	for (uint64_t i = 1; i <= packet; i++)
		n += pieces_of(i);
	return n;
}

static void drain_ring(void)
{
	struct ring_entry entry;
	const void *payload;
	struct record record;

	while (ring_peek(b.consumer, &entry, &payload) == 1) {
		assert_int_equal(entry.kind, RECORD_KIND_DATA);
		assert_int_equal(record_unpack(payload, entry.size, &record), 0);
		if (record.head.reason == REASON_UNREAD)
			note_loss(&record.control.detail);
		else
			expect_record(&record.control.detail);
		ring_release(b.consumer);
	}
	take_pieces();
}

/* Until the lens is done with all that was written. What it saw last may be long before: it
 * warms up. */
static void settle(void)
{
	const volatile struct lens_state *state = &b.shared->state;

	for (unsigned i = 0; state->place[state->current].packet < b.packet; i++) {
		assert_true(i < 20000);
		drain_ring();
		usleep(1000);
	}
}

static void stop_lens(pid_t pid)
{
	int status;

	atomic_store(&b.shared->order, LENS_DRAIN);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		drain_ring();
		usleep(1000);
	}
	drain_ring();
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	atomic_store(&b.shared->order, LENS_GO);
}

static uint64_t records_until(uint64_t packet)
{
	uint64_t n = 0;

	for (uint64_t id = 1; id <= packet; id++)
		n += records_of(id);
	return n;
}

/* ---- tests ---- */

static void test_follow(void **state)
{
	pid_t pid;

	(void)state;
	start_bench();
	pid = start_lens();
	for (unsigned i = 0; i < 10; i++) {
		write_packets(35, true);
		drain_ring();
	}
	settle();
	stop_lens(pid);
	assert_int_equal(b.told, records_until(350));
	assert_int_equal(b.shared->counts.packets, 350);
	assert_int_equal(b.shared->counts.last_packet, 350);
	assert_int_equal(b.shared->counts.segment, 9);
	assert_int_equal(b.shared->counts.behind, 0);
	assert_int_equal(b.shared->counts.unread, 0);
	assert_int_equal(b.shared->looked, 350);
	end_bench();
}

/* While it waits for its first segment nobody may think that it has read all. */
static void test_not_known(void **state)
{
	pid_t pid;

	(void)state;
	start_bench();
	write_packets(5, false);
	atomic_store(&b.shared->busy, true);
	pid = start_lens();
	usleep(50000);
	assert_int_equal(b.shared->counts.behind, 1);
	atomic_store(&b.shared->busy, false);
	settle();
	stop_lens(pid);
	assert_int_equal(b.shared->counts.packets, 5);
	assert_int_equal(b.shared->counts.behind, 0);
	end_bench();
}

/* An orderly end and a new start go on behind the last packet, knowing what came before. */
static void test_go_on(void **state)
{
	(void)state;
	start_bench();
	for (unsigned i = 0; i < 12; i++) {
		pid_t pid = start_lens();

		write_packets(25, i % 2);
		if (i % 3 == 0)
			settle();
		stop_lens(pid);
		assert_int_equal(b.shared->last_seen, b.packet);
	}
	assert_int_equal(b.kept, pieces_until(300));
	assert_int_equal(b.told, records_until(300));
	assert_int_equal(b.shared->counts.packets, 300);
	assert_int_equal(b.shared->cold, 0);
	assert_true(b.shared->looked > 300);
	end_bench();
}

/* What was compressed while nobody looked is read all the same. */
static void test_compressed(void **state)
{
	char name[SEGMENT_NAME_MAX], packed[SEGMENT_NAME_MAX + 8];
	pid_t pid;

	(void)state;
	start_bench();
	write_packets(3 * SEGMENT_PACKETS + 5, false);
	for (uint64_t number = 1; number <= 3; number++) {
		int from, to;

		name_of(number, name);
		snprintf(packed, sizeof(packed), "%s.zst", name);
		from = openat(b.segments.dir_fd, name, O_RDONLY);
		to = openat(b.segments.dir_fd, packed, O_RDWR | O_CREAT, 0600);
		assert_int_equal(zfile_compress(from, to, NULL, NULL), 0);
		close(from);
		close(to);
		unlinkat(b.segments.dir_fd, name, 0);
	}
	pid = start_lens();
	settle();
	stop_lens(pid);
	assert_int_equal(b.told, records_until(b.packet));
	assert_int_equal(b.shared->counts.unread, 0);
	end_bench();
}

/* No record is lost or doubled, whatever the instruction at which it dies. */
static void test_kill(void **state)
{
	unsigned kills = 0;
	pid_t pid;

	(void)state;
	start_bench();
	pid = start_lens();
	while (kills < KILLS) {
		write_packets((unsigned)random() % 8, true);
		drain_ring();
		if (random() % 3 > 0)
			usleep((unsigned)random() % 3000);
		else
			continue;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		kills++;
		pid = start_lens();
	}
	settle();
	stop_lens(pid);
	assert_int_equal(b.kept, pieces_until(b.packet));
	assert_int_equal(b.told, records_until(b.packet));
	assert_int_equal(b.poison + b.unread, 0);
	print_message("%u kills, %llu packets, %llu records\n", kills, (unsigned long long)b.packet,
		(unsigned long long)b.told);
	end_bench();
}

/* The store is slow: the lens waits, and is killed while it does. */
static void test_full_ring(void **state)
{
	pid_t pid;

	(void)state;
	start_bench();
	write_packets(1200, false);
	for (unsigned i = 0; i < 20; i++) {
		pid = start_lens();
		usleep(30000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		if (i % 2)
			drain_ring();
	}
	pid = start_lens();
	settle();
	stop_lens(pid);
	assert_int_equal(b.told, records_until(b.packet));
	/* Nobody empties it: an end that was asked for does not wait for ever, and loses
	 * nothing. */
	write_packets(1200, false);
	pid = start_lens();
	usleep(300000);
	atomic_store(&b.shared->order, LENS_END);
	waitpid(pid, NULL, 0);
	assert_true(b.shared->last_seen < b.packet);
	atomic_store(&b.shared->order, LENS_GO);
	pid = start_lens();
	settle();
	stop_lens(pid);
	assert_int_equal(b.told, records_until(b.packet));
	end_bench();
}

/* Until it has seen the last packet, begun again when it dies: how often it did. */
static unsigned see_all(void)
{
	unsigned deaths = 0;
	pid_t pid = start_lens();
	int status;

	while (atomic_load(&b.shared->last_seen) < b.packet) {
		drain_ring();
		if (waitpid(pid, &status, WNOHANG) == pid) {
			deaths++;
			assert_true(deaths < 10);
			pid = start_lens();
		}
		usleep(500);
	}
	stop_lens(pid);
	return deaths;
}

/* A packet that ends the process is tried twice, and then left out and told of. */
static void test_poison(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	start_bench();
	write_packets(150, false);
	atomic_store(&b.shared->deadly, 78);
	assert_int_equal(see_all(), 2);
	assert_int_equal(b.poison, 1);
	assert_int_equal(b.shared->counts.poison, 1);
	assert_int_equal(b.told, records_until(150) - records_of(78));
	/* In what is read again it is deadly as well: then nothing is read again. */
	pid = start_lens();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	write_packets(10, false);
	assert_int_equal(see_all(), 1);
	assert_int_equal(b.told, records_until(b.packet) - records_of(78));
	end_bench();
}

/* What retention took before anybody looked is told of, once, and the rest goes on. */
static void test_unread(void **state)
{
	char name[SEGMENT_NAME_MAX];
	pid_t pid;

	(void)state;
	start_bench();
	write_packets(SEGMENT_PACKETS + 10, false);
	pid = start_lens();
	settle();
	stop_lens(pid);
	write_packets(4 * SEGMENT_PACKETS, false);
	for (uint64_t number = 2; number <= 3; number++) {
		name_of(number, name);
		assert_int_equal(unlinkat(b.segments.dir_fd, name, 0), 0);
	}
	b.expected = 3 * SEGMENT_PACKETS + 1;
	b.expected_part = 0;
	pid = start_lens();
	settle();
	stop_lens(pid);
	assert_int_equal(b.unread, 1);
	assert_int_equal(b.shared->counts.unread, 2);
	assert_int_equal(b.told, records_until(SEGMENT_PACKETS + 10) + records_until(b.packet) -
					 records_until(3 * SEGMENT_PACKETS));
	end_bench();
}

/* A segment that somebody spoilt is left where it cannot be read, when the next one is there. */
static void test_damaged(void **state)
{
	static uint8_t ones[1000];
	char name[SEGMENT_NAME_MAX];
	pid_t pid;
	int fd;

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	start_bench();
	write_packets(3 * SEGMENT_PACKETS, false);
	name_of(2, name);
	fd = openat(b.segments.dir_fd, name, O_WRONLY);
	assert_int_equal(pwrite(fd, ones, sizeof(ones), 400), sizeof(ones));
	close(fd);
	pid = start_lens();
	settle();
	stop_lens(pid);
	assert_int_equal(b.unread, 1);
	end_bench();
}

/* The capture directory was made anew: numbers begin again. */
static void test_begins_anew(void **state)
{
	pid_t pid;

	(void)state;
	start_bench();
	b.shared->state = (struct lens_state){ .magic = LENS_STATE_MAGIC,
		.place = { { .segment = 900, .offset = 4000, .packet = 77, .bytes = 1 << 20 } } };
	write_packets(50, false);
	/* The supervisor sees that there is no such number, and gives the first. */
	pid = fork();
	if (pid == 0) {
		const struct lens_setup setup = { .state = &b.shared->state,
			.counts = &b.shared->counts,
			.records = b.ring,
			.records_size = b.ring_size,
			.run = RUN,
			.want = want,
			.wait = wait_order,
			.look = look };

		assert_int_equal(lens_new(&setup, &b.lens), 0);
		b.wanted = 1;
		assert_true(hand_over());
		_exit(lens_run(b.lens) < 0);
	}
	settle();
	stop_lens(pid);
	assert_int_equal(b.told, records_until(50));
	assert_int_equal(b.unread, 0);
	end_bench();
}

/* Whatever lies in its state, it begins somewhere. */
static void test_spoilt_state(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 40; round++) {
		uint8_t *at;
		pid_t pid;

		start_bench();
		srandom(round);
		write_packets(50, false);
		at = (uint8_t *)&b.shared->state;
		for (size_t i = 8; i < sizeof(b.shared->state); i++)
			at[i] = (uint8_t)(random() >> (random() % 8));
		b.shared->state.magic = LENS_STATE_MAGIC;
		b.shared->state.current = round % 3;
		pid = start_lens();
		usleep(3000);
		atomic_store(&b.shared->order, LENS_END);
		assert_int_equal(waitpid(pid, &(int){ 0 }, 0), pid);
		end_bench();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_not_known),
		cmocka_unit_test(test_go_on),
		cmocka_unit_test(test_compressed),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_full_ring),
		cmocka_unit_test(test_poison),
		cmocka_unit_test(test_unread),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_begins_anew),
		cmocka_unit_test(test_spoilt_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
