/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/index.h"
#include "capture/pcapng.h"
#include "capture/reader.h"

enum { PACKETS = 300000, FLOWS = 977, FIRST_ID = 5000 };

static uint8_t *file;
static size_t file_len;
static uint64_t *offsets;

static uint64_t flow_of(uint64_t n)
{
	return n * 7919 % FLOWS;
}

static int set_up(void **state)
{
	static const uint8_t data[60];
	struct pcapng_section section = { 0 };
	struct pcapng_interface interface = { .name = "eth0" };

	(void)state;
	file = malloc(PACKETS * pcapng_packet_size(sizeof(data)) + 2 * PCAPNG_BLOCK_MAX);
	offsets = calloc(PACKETS, sizeof(*offsets));
	if (!file || !offsets)
		return -1;
	file_len = pcapng_put_section(file, &section);
	file_len += pcapng_put_interface(file + file_len, &interface);
	for (uint64_t n = 0; n < PACKETS; n++) {
		struct pcapng_packet packet = { .data = data,
			.len = sizeof(data),
			.kept = sizeof(data),
			.flow = flow_of(n),
			.packet = FIRST_ID + n,
			.time_ns = (int64_t)n * 1000 };

		offsets[n] = file_len;
		file_len += pcapng_put_packet(file + file_len, &packet);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(file);
	free(offsets);
	return 0;
}

static int check_entry(void *context, const struct capture_index_entry *entry)
{
	struct capture_index_cursor at = { .blob = entry->blob, .len = entry->blob_len };
	uint64_t *seen = context, n = 0;
	int result;

	while ((result = capture_index_decode(&at)) == 1) {
		if (n++ == 0)
			assert_int_equal(at.id, entry->first_id);
		assert_int_equal(at.offset, offsets[at.id - FIRST_ID]);
		assert_int_equal(flow_of(at.id - FIRST_ID), entry->flow);
	}
	assert_int_equal(result, 0);
	assert_int_equal(n, entry->n_packets);
	assert_int_equal(at.id, entry->last_id);
	assert_int_equal(entry->last_ns, (int64_t)(at.id - FIRST_ID) * 1000);
	*seen += n;
	return 0;
}

/* More packets than a run holds: each is in exactly one entry, at its place. */
static void test_index(void **state)
{
	struct capture_reader *reader;
	struct capture_index_total total;
	uint64_t seen = 0;

	(void)state;
	assert_int_equal(capture_reader_new_memory(file, file_len, &reader), 0);
	assert_int_equal(capture_index_reader(reader, check_entry, &seen, &total), 0);
	capture_reader_free(reader);
	assert_int_equal(seen, PACKETS);
	assert_int_equal(total.packets, PACKETS);
	assert_int_equal(total.first_id, FIRST_ID);
	assert_int_equal(total.last_id, FIRST_ID + PACKETS - 1);
	assert_int_equal(total.last_ns, (PACKETS - 1) * 1000);
}

static void test_damaged(void **state)
{
	struct capture_reader *reader;
	struct capture_index_total total;
	uint64_t seen = 0;

	(void)state;
	assert_int_equal(capture_reader_new_memory(file, offsets[1000] + 7, &reader), 0);
	assert_int_equal(capture_index_reader(reader, check_entry, &seen, &total), -EBADMSG);
	capture_reader_free(reader);
	assert_int_equal(seen, 1000);
	assert_int_equal(total.packets, 1000);
}

static void test_bad_blob(void **state)
{
	static const uint8_t blobs[][12] = { { 0x80 }, { 1 },
		{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1 },
		{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1 } };
	static const size_t lens[] = { 1, 1, 12, 11 };

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct capture_index_cursor at = { .blob = blobs[i], .len = lens[i] };

		assert_int_equal(capture_index_decode(&at), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_bad_blob),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
