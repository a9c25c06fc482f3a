/* SPDX-License-Identifier: Apache-2.0 */
/* By offset and by scan the same packets come out, whatever is asked. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/index.h"
#include "capture/pcapng.h"
#include "capture/reader.h"
#include "capture/zfile.h"
#include "cmd/fishbowl/cut.h"

enum { SEGMENTS = 3, PACKETS = 3000, FLOWS = 40, LEN = 60 };

static char dir[] = "/tmp/fb-test-cut-XXXXXX";
static int dir_fd;

/* Flow n: TCP from 198.18.0.n port 1000+n to 10.0.0.(n % 4), port 22. */
static void make_frame(uint8_t *at, unsigned flow)
{
	static const uint8_t head[] = { 2, 0, 0, 0, 0, 5, 2, 0, 0, 0, 0, 9, 8, 0, 0x45, 0, 0, 46, 0,
		0, 0, 0, 64, 6, 0, 0 };

	memset(at, 0, LEN);
	memcpy(at, head, sizeof(head));
	memcpy(at + 26, (uint8_t[4]){ 198, 18, 0, (uint8_t)flow }, 4);
	memcpy(at + 30, (uint8_t[4]){ 10, 0, 0, (uint8_t)(flow % 4) }, 4);
	at[34] = (uint8_t)((1000 + flow) >> 8);
	at[35] = (uint8_t)(1000 + flow);
	at[37] = 22;
	at[46] = 0x50;
}

static void make_segment(uint64_t number)
{
	static uint8_t buf[PACKETS * (LEN + 128) + 4096];
	struct pcapng_section section = { 0 };
	/* The second interface of segment 2 is new to the output. */
	struct pcapng_interface interface[2] = { { .name = "eth0", .description = "outside" },
		{ .name = number == 2 ? "eth9" : "eth1", .description = "inside" } };
	char name[SEGMENT_NAME_MAX];
	size_t len = pcapng_put_section(buf, &section);
	int fd;

	len += pcapng_put_interface(buf + len, &interface[0]);
	len += pcapng_put_interface(buf + len, &interface[1]);
	for (unsigned i = 0; i < PACKETS; i++) {
		uint64_t id = number * PACKETS + i;
		uint8_t frame[LEN];
		struct pcapng_packet packet = { .interface = i & 1,
			.data = frame,
			.len = LEN,
			.kept = LEN,
			.packet = id,
			.flow = id % FLOWS + 1,
			.time_ns = (int64_t)id * 1000 };

		make_frame(frame, (unsigned)(id % FLOWS + 1));
		len += pcapng_put_packet(buf + len, &packet);
	}
	segment_name(1, number, name);
	fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, buf, len), len);
	if (number == 1) { /* one of them compressed */
		char packed[SEGMENT_NAME_MAX + 8];
		int to;

		snprintf(packed, sizeof(packed), "%s.zst", name);
		to = openat(dir_fd, packed, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		assert_int_equal(zfile_compress(fd, to, NULL, NULL), 0);
		close(to);
		assert_int_equal(unlinkat(dir_fd, name, 0), 0);
	}
	close(fd);
}

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (uint64_t number = 1; number <= SEGMENTS; number++)
		make_segment(number);
	return 0;
}

static int tear_down(void **state)
{
	DIR *entries = fdopendir(dup(dir_fd));
	const struct dirent *entry;

	(void)state;
	while ((entry = readdir(entries)))
		unlinkat(dir_fd, entry->d_name, 0);
	closedir(entries);
	close(dir_fd);
	return rmdir(dir);
}

struct planning {
	struct cut_plan *plan;
	uint64_t number;
};

/* What the databases would say: the places of the flows in the plan. */
static int add_entry(void *context, const struct capture_index_entry *entry)
{
	struct planning *p = context;
	struct capture_index_cursor at = { .blob = entry->blob, .len = entry->blob_len };
	bool wanted = false;

	for (size_t i = 0; i < p->plan->n_flows; i++)
		wanted |= p->plan->flow[i] == entry->flow;
	while (wanted && capture_index_decode(&at) == 1) {
		struct cut_place place = { p->number, at.offset };

		assert_int_equal(cut_plan_add((void **)&p->plan->place, &p->plan->n_places,
					 &p->plan->places_room, &place, sizeof(place)),
			0);
	}
	return 0;
}

static void index_segment(struct cut_plan *plan, uint64_t number)
{
	struct planning planning = { plan, number };
	struct capture_reader *reader;
	struct zfile *file;
	char name[SEGMENT_NAME_MAX];

	segment_name(1, number, name);
	assert_int_equal(zfile_open(dir_fd, name, &file), 0);
	assert_int_equal(capture_reader_new_source(zfile_read, file, &reader), 0);
	assert_int_equal(capture_index_reader(reader, add_entry, &planning, NULL), 0);
	capture_reader_free(reader);
	zfile_close(file);
	assert_int_equal(cut_plan_add((void **)&plan->indexed, &plan->n_indexed,
				 &plan->indexed_room, &number, sizeof(number)),
		0);
}

static struct cut_query everything(void)
{
	return (struct cut_query){
		.from_ns = INT64_MIN, .to_ns = INT64_MAX, .port = -1, .proto = -1
	};
}

/* Cuts with the first `n_indexed` segments indexed; ids in order, interfaces kept. */
static uint64_t cut(const struct cut_query *query, const uint64_t *flows, size_t n_flows,
	uint64_t n_indexed, uint64_t *ret_sum)
{
	struct cut_plan plan = { 0 };
	struct cut_result result;
	struct capture_reader *reader;
	struct capture_packet packet;
	FILE *out = tmpfile();
	uint64_t n = 0, last = 0;

	for (size_t i = 0; i < n_flows; i++)
		cut_plan_add((void **)&plan.flow, &plan.n_flows, &plan.flows_room, &flows[i],
			sizeof(flows[i]));
	for (uint64_t number = 1; number <= n_indexed; number++)
		index_segment(&plan, number);
	assert_int_equal(cut_run(dir_fd, query, &plan, out, &result), 0);
	rewind(out);
	*ret_sum = 0;
	assert_int_equal(capture_reader_new(fileno(out), &reader), 0);
	while (capture_reader_next(reader, &packet) == 1) {
		const char *name = capture_reader_interface(reader, packet.interface)->name;

		assert_true(packet.id > last);
		assert_string_equal(name, packet.id % 2 == 0         ? "eth0"
					  : packet.id / PACKETS == 2 ? "eth9"
								     : "eth1");
		last = packet.id;
		*ret_sum += packet.id;
		n++;
	}
	assert_string_equal(capture_reader_error(reader), "");
	assert_int_equal(result.packets, n);
	capture_reader_free(reader);
	fclose(out);
	cut_plan_done(&plan);
	cut_result_done(&result);
	return n;
}

static void check(
	const struct cut_query *query, const uint64_t *flows, size_t n_flows, uint64_t want)
{
	uint64_t sum, sum_scanned, n = cut(query, flows, n_flows, 0, &sum_scanned);

	assert_int_equal(n, want);
	for (uint64_t indexed = 1; indexed <= SEGMENTS; indexed++) {
		assert_int_equal(cut(query, flows, n_flows, indexed, &sum), want);
		assert_int_equal(sum, sum_scanned);
	}
}

static void test_by_flow(void **state)
{
	struct cut_query query = everything();
	uint64_t flow = 7;

	(void)state;
	query.flow = flow;
	check(&query, &flow, 1, SEGMENTS * PACKETS / FLOWS);
}

static void test_by_address(void **state)
{
	static const uint64_t flows[] = { 3, 7, 11, 15, 19, 23, 27, 31, 35, 39 };
	struct cut_query query = everything();

	(void)state;
	query.has_host = true;
	assert_int_equal(ip_prefix_parse("10.0.0.3", &query.host), 0);
	check(&query, flows, 10, SEGMENTS * PACKETS / 4);
	query.has_peer = true;
	assert_int_equal(ip_prefix_parse("198.18.0.7", &query.peer), 0);
	query.port = 1007;
	query.proto = 6;
	check(&query, flows + 1, 1, SEGMENTS * PACKETS / FLOWS);
	query.proto = 17;
	check(&query, NULL, 0, 0);
}

static void test_by_time(void **state)
{
	struct cut_query query = everything();
	uint64_t sum;

	(void)state;
	query.from_ns = (PACKETS + 10) * 1000;
	query.to_ns = (2 * PACKETS + 10) * 1000;
	assert_int_equal(cut(&query, NULL, 0, 0, &sum), PACKETS);
}

/* Flows without a record are found by the frames of segments that are not indexed. */
static void test_live_flows(void **state)
{
	struct cut_query query = everything();
	struct cut_plan plan = { 0 };
	uint64_t number = 1;

	(void)state;
	query.port = 1012;
	cut_plan_add((void **)&plan.indexed, &plan.n_indexed, &plan.indexed_room, &number,
		sizeof(number));
	assert_int_equal(cut_plan_live_flows(dir_fd, &query, &plan), 0);
	assert_int_equal(plan.n_flows, 1);
	assert_int_equal(plan.flow[0], 12);
	cut_plan_done(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_flow),
		cmocka_unit_test(test_by_address),
		cmocka_unit_test(test_by_time),
		cmocka_unit_test(test_live_flows),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
