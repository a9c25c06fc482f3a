/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/pcapng.h"
#include "capture/reader.h"

enum { FILE_MAX = 1 << 16 };

static uint8_t file[FILE_MAX];
static size_t file_len;
static bool big;

static void add(const void *bytes, size_t len)
{
	assert_true(file_len + len <= sizeof(file));
	memcpy(file + file_len, bytes, len);
	file_len += len;
}

static void add16(uint16_t n)
{
	n = big ? __builtin_bswap16(n) : n;
	add(&n, sizeof(n));
}

static void add32(uint32_t n)
{
	n = big ? __builtin_bswap32(n) : n;
	add(&n, sizeof(n));
}

static void add_block(uint32_t type, const void *body, size_t len)
{
	add32(type);
	add32((uint32_t)len + 12);
	add(body, len);
	add32((uint32_t)len + 12);
}

static void add_section(void)
{
	uint32_t words[4] = { PCAPNG_BYTE_ORDER, 1, UINT32_MAX, UINT32_MAX };

	if (big) {
		words[0] = __builtin_bswap32(words[0]);
		words[1] = 0x00000100;
	}
	add_block(PCAPNG_SHB, words, sizeof(words));
}

/* Interface with an if_tsresol and an if_tsoffset of 10 s. */
static void add_interface(uint16_t linktype, uint8_t tsresol)
{
	size_t start = file_len;

	add32(PCAPNG_IDB);
	add32(0);
	add16(linktype);
	add16(0);
	add32(96); /* snap length */
	add16(9);
	add16(1);
	add((uint8_t[4]){ tsresol }, 4);
	add16(14);
	add16(8);
	add32(big ? 0 : 10);
	add32(big ? 10 : 0);
	add32(0);
	add32((uint32_t)(file_len + 4 - start));
	memcpy(file + start + 4, file + file_len - 4, 4);
}

static struct capture_reader *read_all(
	const uint8_t *bytes, size_t len, unsigned *ret_n, int *ret_end)
{
	struct capture_reader *r;
	struct capture_packet packet;
	unsigned n = 0;
	int result;

	assert_int_equal(capture_reader_new_memory(bytes, len, &r), 0);
	while ((result = capture_reader_next(r, &packet)) == 1) {
		volatile uint8_t sum = 0;

		n++;
		assert_int_equal(packet.number, n);
		for (uint32_t i = 0; i < packet.len; i++)
			sum ^= packet.data[i];
		for (uint32_t i = 0; i < packet.comment.len; i++)
			sum ^= (uint8_t)packet.comment.at[i];
		(void)sum;
	}
	*ret_n = n;
	*ret_end = result;
	return r;
}

/* What pcapng_put_packet writes is read back field by field. */
static void test_own_blocks(void **state)
{
	static const uint8_t data[61] = { 1, 2, 3 };
	struct pcapng_section section = {
		.hardware = "h", .os = "o", .program = "fishbowl", .comment = "c"
	};
	struct pcapng_interface outside = {
		.name = "eth0", .description = "outside", .has_mac = true
	};
	struct pcapng_packet out = { .interface = 0,
		.time_ns = 1700000000123456789,
		.data = data,
		.len = sizeof(data),
		.kept = sizeof(data),
		.arrived = true,
		.packet = 77,
		.flow = 0x1a2b,
		.verdict = VERDICT_DROP,
		.reason = REASON_TCP_LIMIT };
	struct pcapng_statistics statistics = { .interface = 0, .delivered = 1, .comment = "x" };
	struct capture_reader *r;
	struct capture_packet packet;

	(void)state;
	file_len = pcapng_put_section(file, &section);
	file_len += pcapng_put_interface(file + file_len, &outside);
	file_len += pcapng_put_packet(file + file_len, &out);
	out.flow = 0;
	out.verdict = VERDICT_PASS;
	out.len = out.kept = 0;
	out.packet = UINT64_MAX;
	file_len += pcapng_put_packet(file + file_len, &out);
	file_len += pcapng_put_statistics(file + file_len, &statistics);
	assert_int_equal(capture_reader_new_memory(file, file_len, &r), 0);
	assert_int_equal(capture_reader_next(r, &packet), 1);
	assert_int_equal(packet.time_ns, 1700000000123456789);
	assert_int_equal(packet.len, sizeof(data));
	assert_int_equal(packet.orig_len, sizeof(data));
	assert_memory_equal(packet.data, data, sizeof(data));
	assert_int_equal(packet.id, 77);
	assert_int_equal(packet.flags, 1);
	assert_int_equal(packet.link, CAPTURE_LINK_ETHERNET);
	assert_int_equal(packet.comment.len, strlen("drop tcp-limit flow 1a2b"));
	assert_memory_equal(packet.comment.at, "drop tcp-limit flow 1a2b", packet.comment.len);
	assert_int_equal(pcapng_comment_flow(packet.comment.at, packet.comment.len), 0x1a2b);
	assert_memory_equal(file + packet.offset, packet.block, packet.block_len);
	assert_string_equal(capture_reader_interface(r, 0)->name, "eth0");
	assert_string_equal(capture_reader_interface(r, 0)->description, "outside");
	assert_int_equal(capture_reader_next(r, &packet), 1);
	assert_int_equal(packet.len, 0);
	assert_int_equal(packet.id, 0); /* no record can have the number that it says */
	assert_int_equal(pcapng_comment_flow(packet.comment.at, packet.comment.len), 0);
	assert_int_equal(capture_reader_next(r, &packet), 0);
	assert_int_equal(capture_reader_good_end(r), file_len);
	capture_reader_free(r);
}

static void test_comment_flow(void **state)
{
	static const struct {
		const char *text;
		uint64_t flow;
	} rows[] = {
		{ "pass inbound flow 7fffffffffffffff", RECORD_U64_MAX },
		{ "pass inbound flow 8000000000000000", 0 },
		{ "pass inbound flow ffffffffffffffff", 0 },
		{ "pass inbound flow 1ffffffffffffffff", 0 },
		{ "pass inbound flow 1x", 0 },
		{ "pass inbound flow ", 0 },
		{ "pass inbound", 0 },
		{ "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
			pcapng_comment_flow(rows[i].text, strlen(rows[i].text)), rows[i].flow);
}

/* Every reason and the largest flow id fit into the size that is promised. */
static void test_packet_size(void **state)
{
	static const uint8_t data[8];
	static uint8_t at[512];

	(void)state;
	for (uint32_t len = 0; len < 8; len++)
		for (enum reason reason = 0; reason < REASON_COUNT; reason++) {
			struct pcapng_packet packet = { .data = data,
				.len = len,
				.kept = len,
				.flow = UINT64_MAX,
				.reason = reason,
				.verdict = VERDICT_DROP };
			size_t n = pcapng_put_packet(at, &packet);

			assert_true(n <= pcapng_packet_size(len));
			assert_int_equal(n % 4, 0);
		}
}

static void make_pcapng(void)
{
	static const uint32_t other[3] = { 1, 2, 3 };
	uint8_t simple[4 + 100] = { 0 };

	file_len = 0;
	for (unsigned section = 0; section < 2; section++) {
		uint32_t at;

		add_section();
		add_interface(1, 9);
		add_interface(276, 0x80 | 1); /* half seconds */
		add_block(0x0bad, other, sizeof(other));
		at = (uint32_t)file_len; /* EPB of interface 1 at 3 ticks */
		add32(PCAPNG_EPB);
		add32(32 + 4);
		add32(1);
		add32(0);
		add32(3);
		add32(2);
		add32(1000);
		add("ab\0", 4);
		add32(32 + 4);
		assert_int_equal(file_len - at, 36);
		simple[0] = big ? 0 : 100;
		simple[3] = big ? 100 : 0;
		add_block(PCAPNG_SPB, simple, sizeof(simple)); /* cut to 96 by the snap length */
		add32(PCAPNG_PB);
		add32(36);
		add16(0);
		add16(7);
		add32(0);
		add32(5);
		add32(4);
		add32(4);
		add("abcd", 4);
		add32(36);
		big = !big;
	}
}

static void check_section(struct capture_reader *r, uint32_t base)
{
	struct capture_packet packet;

	assert_int_equal(capture_reader_next(r, &packet), 1);
	assert_int_equal(packet.interface, base + 1);
	assert_int_equal(packet.link, CAPTURE_LINK_COOKED2);
	assert_int_equal(packet.time_ns, 11500000000);
	assert_int_equal(packet.len, 2);
	assert_int_equal(packet.orig_len, 1000);
	assert_int_equal(capture_reader_next(r, &packet), 1);
	assert_int_equal(packet.interface, base);
	assert_int_equal(packet.len, 96);
	assert_int_equal(packet.orig_len, 100);
	assert_int_equal(capture_reader_next(r, &packet), 1);
	assert_int_equal(packet.interface, base);
	assert_int_equal(packet.time_ns, 10000000005);
	assert_memory_equal(packet.data, "abcd", 4);
}

static void test_pcapng_forms(void **state)
{
	struct capture_reader *r;
	struct capture_packet packet;

	(void)state;
	big = false;
	make_pcapng();
	assert_int_equal(capture_reader_new_memory(file, file_len, &r), 0);
	check_section(r, 0);
	check_section(r, 2);
	assert_int_equal(capture_reader_next(r, &packet), 0);
	assert_int_equal(capture_reader_next(r, &packet), 0);
	assert_int_equal(capture_reader_interfaces(r), 4);
	capture_reader_free(r);
}

static void make_pcap(uint32_t magic, uint32_t linktype)
{
	file_len = 0;
	add32(magic);
	add16(2);
	add16(4);
	add32(0);
	add32(0);
	add32(65535);
	add32(linktype);
	for (uint32_t i = 0; i < 3; i++) {
		add32(1000);
		add32(i);
		add32(i);
		add32(60);
		add("xyz", i);
	}
}

static void test_pcap_forms(void **state)
{
	static const struct {
		uint32_t linktype;
		enum capture_link link;
	} links[] = { { 1, CAPTURE_LINK_ETHERNET }, { 101, CAPTURE_LINK_RAW_IP },
		{ 12, CAPTURE_LINK_RAW_IP }, { 113, CAPTURE_LINK_COOKED },
		{ 276, CAPTURE_LINK_COOKED2 }, { 0, CAPTURE_LINK_NULL }, { 108, CAPTURE_LINK_LOOP },
		{ 9, CAPTURE_LINK_HDLC }, { 50, CAPTURE_LINK_HDLC }, { 104, CAPTURE_LINK_HDLC },
		{ 105, CAPTURE_LINK_WIFI }, { 127, CAPTURE_LINK_RADIOTAP },
		{ 147, CAPTURE_LINK_OTHER } };

	(void)state;
	for (size_t i = 0; i < 4 * sizeof(links) / sizeof(links[0]); i++) {
		bool ns = i & 1;
		struct capture_reader *r;
		struct capture_packet packet;

		big = i & 2;
		make_pcap(ns ? 0xa1b23c4d : 0xa1b2c3d4, links[i / 4].linktype);
		assert_int_equal(capture_reader_new_memory(file, file_len, &r), 0);
		for (uint32_t n = 0; n < 3; n++) {
			assert_int_equal(capture_reader_next(r, &packet), 1);
			assert_int_equal(packet.time_ns, 1000000000000 + n * (ns ? 1 : 1000));
			assert_int_equal(packet.len, n);
			assert_int_equal(packet.orig_len, 60);
			assert_int_equal(packet.link, links[i / 4].link);
			assert_memory_equal(packet.data, "xyz", n);
		}
		assert_int_equal(capture_reader_next(r, &packet), 0);
		capture_reader_free(r);
	}
}

/* Every prefix, in memory of its own size: an error with its place, or a clean end at a boundary;
 * never fewer packets than a shorter prefix gave. */
static void check_prefixes(unsigned n_all)
{
	unsigned n_before = 0;

	for (size_t len = 0; len <= file_len; len++) {
		uint8_t *copy = malloc(len ? len : 1);
		struct capture_reader *r;
		unsigned n;
		int end;

		assert_non_null(copy);
		memcpy(copy, file, len);
		r = read_all(copy, len, &n, &end);
		assert_true(n >= n_before);
		assert_true(capture_reader_good_end(r) <= len);
		if (end == 0) {
			assert_int_equal(capture_reader_good_end(r), len);
		} else {
			assert_int_equal(end, -EBADMSG);
			assert_memory_equal(capture_reader_error(r), "at byte ", 8);
		}
		n_before = n;
		capture_reader_free(r);
		free(copy);
	}
	assert_int_equal(n_before, n_all);
}

static void test_prefixes(void **state)
{
	(void)state;
	big = false;
	make_pcapng();
	check_prefixes(6);
	make_pcap(0xa1b2c3d4, 1);
	check_prefixes(3);
}

static void test_random_damage(void **state)
{
	(void)state;
	srandom(3);
	for (unsigned round = 0; round < 20000; round++) {
		unsigned n;
		int end;

		big = round & 1;
		if (round & 2)
			make_pcap(0xa1b2c3d4, 1);
		else
			make_pcapng();
		for (unsigned i = 0; i <= round % 3; i++)
			file[(size_t)random() % file_len] = (uint8_t)random();
		capture_reader_free(read_all(file, file_len, &n, &end));
	}
}

/* The same from a pipe, in small pieces. */
static ssize_t read_slowly(void *context, void *buf, size_t n)
{
	size_t *at = context;
	size_t left = file_len - *at;

	n = n < 5 ? n : 5;
	n = n < left ? n : left;
	memcpy(buf, file + *at, n);
	*at += n;
	return (ssize_t)n;
}

static void test_source(void **state)
{
	size_t at = 0;
	struct capture_reader *r;
	struct capture_packet packet;

	(void)state;
	big = false;
	make_pcapng();
	assert_int_equal(capture_reader_new_source(read_slowly, &at, &r), 0);
	check_section(r, 0);
	check_section(r, 2);
	assert_int_equal(capture_reader_next(r, &packet), 0);
	capture_reader_free(r);
}

static void test_read_error(void **state)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY);
	struct capture_reader *r;
	struct capture_packet packet;

	(void)state;
	assert_int_equal(capture_reader_new(fd, &r), 0);
	assert_int_equal(capture_reader_next(r, &packet), -EISDIR);
	assert_string_equal(capture_reader_error(r), "at byte 0: cannot read: Is a directory");
	capture_reader_free(r);
	close(fd);
}

/* ---- a file that grows ---- */

struct growing {
	size_t len; /* so much is written */
	size_t calls;
};

static ssize_t read_growing(void *context, uint64_t offset, void *buf, size_t n)
{
	struct growing *g = context;
	size_t left = offset < g->len ? g->len - (size_t)offset : 0;

	g->calls++;
	n = n < left ? n : left;
	memcpy(buf, file + offset, n);
	return (ssize_t)n;
}

static struct capture_reader *open_growing(struct growing *g)
{
	struct capture_reader *r;

	assert_int_equal(capture_reader_new_growing(read_growing, g, &r), 0);
	return r;
}

enum { GROWN_MAX = 8 };

/* What a reader of the whole file says of each packet. */
static unsigned note_packets(struct capture_packet ret[GROWN_MAX])
{
	struct capture_reader *r;
	unsigned n = 0;

	assert_int_equal(capture_reader_new_memory(file, file_len, &r), 0);
	while (capture_reader_next(r, &ret[n]) == 1)
		n++;
	capture_reader_free(r);
	return n;
}

static void check_same(const struct capture_packet *a, const struct capture_packet *b)
{
	assert_int_equal(a->offset, b->offset);
	assert_int_equal(a->interface, b->interface);
	assert_int_equal(a->link, b->link);
	assert_int_equal(a->time_ns, b->time_ns);
	assert_int_equal(a->block_len, b->block_len);
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->block, file + b->offset, b->block_len);
}

/* Written so many bytes at a time, each packet comes once, as soon as it is whole. */
static void grow(size_t step)
{
	struct growing g = { 0 };
	struct capture_packet all[GROWN_MAX], packet;
	struct capture_reader *r = open_growing(&g);
	unsigned n_all = note_packets(all), n = 0;

	for (g.len = 0; g.len <= file_len; g.len += step)
		while (capture_reader_next(r, &packet) == 1) {
			assert_true(n < n_all);
			check_same(&packet, &all[n++]);
			assert_true(packet.offset + packet.block_len <= g.len);
			assert_true(packet.offset + packet.block_len + step > g.len);
			assert_int_equal(
				capture_reader_good_end(r), packet.offset + packet.block_len);
		}
	if (step == 1)
		assert_int_equal(n, n_all);
	g.len = file_len;
	while (capture_reader_next(r, &packet) == 1)
		check_same(&packet, &all[n++]);
	assert_int_equal(n, n_all);
	assert_int_equal(capture_reader_next(r, &packet), 0);
	capture_reader_free(r);
}

static void test_growing(void **state)
{
	(void)state;
	for (int start_big = 0; start_big < 2; start_big++)
		for (size_t step = 1; step < 300; step += step < 8 ? 1 : 37) {
			big = start_big;
			make_pcapng();
			grow(step);
		}
}

/* From the end of any packet of the first section, as after a restart. */
static void test_growing_go_on(void **state)
{
	struct capture_packet all[GROWN_MAX], packet;
	unsigned n_all;

	(void)state;
	big = false;
	make_pcapng();
	n_all = note_packets(all);
	for (unsigned from = 0; from < 3; from++) {
		struct growing g = { .len = file_len };
		struct capture_reader *r = open_growing(&g);

		assert_int_equal(capture_reader_next(r, &packet), 1);
		capture_reader_go_on(r, all[from].offset + all[from].block_len);
		for (unsigned i = from + 1; i < n_all; i++) {
			assert_int_equal(capture_reader_next(r, &packet), 1);
			check_same(&packet, &all[i]);
		}
		assert_int_equal(capture_reader_next(r, &packet), 0);
		capture_reader_free(r);
	}
}

/* A killed writer's part of a block, and even whole statistics, become something else. */
static void test_growing_rewritten(void **state)
{
	static const uint32_t other[40];
	struct growing g = { 0 };
	struct capture_packet packet;

	(void)state;
	for (size_t cut = 0; cut < 3 * sizeof(other); cut++) {
		struct capture_reader *r;
		size_t end;

		big = false;
		make_pcapng();
		end = file_len;
		/* Behind the last packet, in its byte order: blocks that will not stay. */
		big = true;
		add_block(PCAPNG_ISB, other, sizeof(other));
		add_block(PCAPNG_ISB, other, sizeof(other));
		g.len = end + cut < file_len ? end + cut : file_len;
		r = open_growing(&g);
		for (unsigned i = 0; i < 6; i++)
			assert_int_equal(capture_reader_next(r, &packet), 1);
		assert_int_equal(capture_reader_next(r, &packet), 0);
		/* Now another section begins there. */
		memcpy(file + end, file, end);
		g.len = 2 * end;
		for (unsigned i = 0; i < 6; i++) {
			assert_int_equal(capture_reader_next(r, &packet), 1);
			assert_true(packet.offset > end);
		}
		assert_int_equal(capture_reader_next(r, &packet), 0);
		capture_reader_free(r);
	}
}

/* No input makes it read beyond what is there, or spin. */
static void test_growing_garbage(void **state)
{
	struct capture_packet packet;

	(void)state;
	srandom(5);
	for (unsigned round = 0; round < 5000; round++) {
		struct growing g = { 0 };
		struct capture_reader *r = open_growing(&g);
		unsigned n = 0;
		int result = 0;

		big = round & 1;
		make_pcapng();
		for (unsigned i = 0; i <= round % 3; i++)
			file[(size_t)random() % file_len] = (uint8_t)random();
		while (g.len < file_len && result >= 0) {
			g.len += 1 + (size_t)random() % 64;
			g.len = g.len < file_len ? g.len : file_len;
			while ((result = capture_reader_next(r, &packet)) == 1)
				n++;
		}
		assert_true(result == 0 || result == -EBADMSG);
		if (result < 0)
			assert_int_equal(capture_reader_next(r, &packet), result);
		assert_true(n <= file_len / 12);
		capture_reader_free(r);
	}
	big = false;
	make_pcap(0xa1b2c3d4, 1);
	struct growing g = { .len = file_len };
	struct capture_reader *r = open_growing(&g);

	assert_int_equal(capture_reader_next(r, &packet), -EBADMSG);
	assert_string_equal(capture_reader_error(r), "at byte 0: no pcapng (begins with d4c3b2a1)");
	capture_reader_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_blocks),
		cmocka_unit_test(test_comment_flow),
		cmocka_unit_test(test_packet_size),
		cmocka_unit_test(test_pcapng_forms),
		cmocka_unit_test(test_pcap_forms),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_random_damage),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_read_error),
		cmocka_unit_test(test_growing),
		cmocka_unit_test(test_growing_go_on),
		cmocka_unit_test(test_growing_rewritten),
		cmocka_unit_test(test_growing_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
