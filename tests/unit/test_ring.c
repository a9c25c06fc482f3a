/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/ring.h"

enum { DATA_SIZE = 8192, ENTRY_MAX = 700, FIRST_SEQ = 7 };

static size_t memory_size;
static void *memory;

static int set_up(void **state)
{
	(void)state;
	memory_size = ring_memory_size(DATA_SIZE);
	memory = aligned_alloc(64, (memory_size + 63) / 64 * 64);
	return memory ? ring_format(memory, memory_size, FIRST_SEQ) : -1;
}

static int tear_down(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

static struct ring *open_side(void)
{
	struct ring *ring;

	assert_int_equal(ring_open(memory, memory_size, &ring), 0);
	return ring;
}

static bool produce(struct ring *ring, uint64_t seq, uint32_t size)
{
	struct ring_entry *entry;
	uint8_t *payload = ring_reserve(ring, size, &entry);

	if (!payload)
		return false;
	entry->kind = 1;
	memset(payload, (int)(uint8_t)seq, size);
	assert_int_equal(ring_commit(ring, size), seq);
	return true;
}

static void check_entry(const struct ring_entry *entry, const uint8_t *payload, uint64_t seq)
{
	assert_int_equal(entry->seq, seq);
	for (uint32_t i = 0; i < entry->size; i++)
		assert_int_equal(payload[i], (uint8_t)seq);
}

/* Both sides come and go at random; every entry arrives once, in order, whole. */
static void test_random(void **state)
{
	struct ring *producer = open_side(), *consumer = open_side();
	uint64_t made = FIRST_SEQ, seen = FIRST_SEQ, released = FIRST_SEQ;

	(void)state;
	srandom(1);
	for (int round = 0; round < 300000; round++) {
		long r = random();
		struct ring_entry entry;
		const void *payload;

		if (r % 1000 == 0) {
			producer = ring_free(producer);
			producer = open_side();
			assert_int_equal(ring_next_seq(producer), made);
		}
		if (r % 1777 == 0) { /* dies without releasing: sees the entries again */
			consumer = ring_free(consumer);
			consumer = open_side();
			seen = released;
		}
		if (r & 1) {
			made += produce(producer, made, (uint32_t)(r >> 8) % ENTRY_MAX);
		} else if (ring_peek(consumer, &entry, &payload) == 1) {
			check_entry(&entry, payload, seen++);
			if ((r >> 5) % 50 == 0) {
				ring_unpeek(consumer);
				released = --seen;
			}
		} else {
			assert_int_equal(seen, made);
		}
		if ((r >> 4) % 3 == 0) {
			ring_release(consumer);
			released = seen;
		}
	}
	ring_free(producer);
	ring_free(consumer);
}

static void test_full(void **state)
{
	struct ring *producer = open_side(), *consumer = open_side();
	struct ring_entry *entry;
	uint64_t made = FIRST_SEQ;

	(void)state;
	while (produce(producer, made, 100))
		made++;
	assert_true(made > FIRST_SEQ + DATA_SIZE / 140);
	assert_null(ring_reserve(producer, DATA_SIZE, &entry));
	for (uint64_t seq = FIRST_SEQ; seq < made; seq++) {
		struct ring_entry got;
		const void *payload;

		assert_int_equal(ring_peek(consumer, &got, &payload), 1);
		check_entry(&got, payload, seq);
	}
	assert_false(produce(producer, made, 100));
	ring_release(consumer);
	assert_true(produce(producer, made, 100));
	ring_free(producer);
	ring_free(consumer);
}

/* Any single changed word of the shared memory ends in an error or a wrong entry, never in a read
 * outside the memory (a sanitizer build would tell). */
static void test_hostile_memory(void **state)
{
	(void)state;
	srandom(2);
	for (int round = 0; round < 20000; round++) {
		struct ring *producer, *consumer;
		struct ring_entry entry;
		const void *payload;

		assert_int_equal(ring_format(memory, memory_size, 0), 0);
		producer = open_side();
		for (uint64_t seq = 0; seq < 8; seq++)
			produce(producer, seq, (uint32_t)random() % ENTRY_MAX);
		consumer = open_side();
		((uint32_t *)memory)[(size_t)random() % (memory_size / 4)] = (uint32_t)random();
		while (ring_peek(consumer, &entry, &payload) == 1)
			assert_in_range((uintptr_t)payload + entry.size, (uintptr_t)memory,
				(uintptr_t)memory + memory_size);
		ring_free(producer);
		ring_free(consumer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hostile_memory, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
