/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>

#include "sys/port_offload.h"

enum { FRAME_MAX = 1518, SUPER_MAX = 65000 };

struct super {
	uint8_t data[SUPER_MAX + 200];
	size_t len, l3, l4, payload;
	int version;
	bool udp;
	uint8_t flags;
	uint32_t seq;
	uint16_t id;
};

static void put(uint8_t *at, uint32_t n, int bytes)
{
	while (bytes--) {
		at[bytes] = (uint8_t)n;
		n >>= 8;
	}
}

static uint32_t get(const uint8_t *at, int bytes)
{
	uint32_t n = 0;

	while (bytes--)
		n = n << 8 | *at++;
	return n;
}

/* Plainly, one big-endian word at a time: not how the code under test does it. */
static uint32_t sum16(const uint8_t *at, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? at[i] : (uint32_t)at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t transport_sum(const struct super *s, const uint8_t *frame, size_t len)
{
	uint8_t tail[4] = { 0, s->udp ? 17 : 6 };
	uint32_t sum;

	put(tail + 2, (uint32_t)(len - s->l4), 2);
	sum = sum16(tail, 4) + sum16(frame + s->l4, len - s->l4);
	sum += s->version == 4 ? sum16(frame + s->l3 + 12, 8) : sum16(frame + s->l3 + 8, 32);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void add_ip4(struct super *s, int options)
{
	uint8_t *ip = s->data + s->l3;

	s->id = (uint16_t)random();
	ip[0] = (uint8_t)(0x45 + options);
	put(ip + 4, s->id, 2);
	put(ip + 6, 0x4000, 2);
	ip[9] = s->udp ? 17 : 6;
	s->l4 = s->l3 + 20 + (size_t)options * 4;
}

static void add_ip6(struct super *s, int extensions)
{
	uint8_t *ip = s->data + s->l3;
	uint8_t *next = ip + 6;

	ip[0] = 0x60;
	s->l4 = s->l3 + 40;
	for (int i = 0; i < extensions; i++) {
		*next = i ? 60 : 0;
		next = s->data + s->l4;
		next[1] = (uint8_t)(random() % 3);
		s->l4 += (size_t)next[1] * 8 + 8;
	}
	*next = s->udp ? 17 : 6;
}

static void make_super(struct super *s)
{
	int tags = (int)(random() % 3);

	for (size_t i = 0; i < sizeof(s->data); i++)
		s->data[i] = (uint8_t)random();
	s->version = random() & 1 ? 4 : 6;
	s->udp = random() & 1;
	for (int i = 0; i < tags; i++)
		put(s->data + 12 + i * 4, i ? 0x8100 : 0x88a8, 2);
	s->l3 = 14 + (size_t)tags * 4;
	put(s->data + s->l3 - 2, s->version == 4 ? 0x0800 : 0x86dd, 2);
	if (s->version == 4)
		add_ip4(s, (int)(random() % 11));
	else
		add_ip6(s, (int)(random() % 3));
	s->payload = s->l4 + 8;
	if (!s->udp) {
		int words = 5 + (int)(random() % 11);

		s->data[s->l4 + 12] = (uint8_t)(words << 4);
		s->flags = s->data[s->l4 + 13];
		s->seq = get(s->data + s->l4 + 4, 4);
		s->payload = s->l4 + (size_t)words * 4;
	}
	s->len = s->payload + 1 + (size_t)random() % (SUPER_MAX - s->payload);
}

static void check_ip(const struct super *s, const uint8_t *frame, size_t len, unsigned n)
{
	if (s->version == 6) {
		assert_int_equal(get(frame + s->l3 + 4, 2), len - s->l3 - 40);
		return;
	}
	assert_int_equal(get(frame + s->l3 + 2, 2), len - s->l3);
	assert_int_equal(get(frame + s->l3 + 4, 2), (uint16_t)(s->id + n));
	assert_int_equal(sum16(frame + s->l3, s->l4 - s->l3), 0xffff);
}

static void check_tcp(const struct super *s, const uint8_t *frame, size_t at, bool last)
{
	uint8_t flags = s->flags;

	if (at != s->payload)
		flags &= 0x7f;
	if (!last)
		flags &= (uint8_t)~0x09;
	assert_int_equal(frame[s->l4 + 13], flags);
	assert_int_equal(get(frame + s->l4 + 4, 4), s->seq + (uint32_t)(at - s->payload));
}

static enum port_gso gso_of(const struct super *s)
{
	if (s->udp)
		return PORT_GSO_UDP;
	return s->version == 4 ? PORT_GSO_TCP4 : PORT_GSO_TCP6;
}

static void check_segments(const struct super *s, size_t size)
{
	struct port_segmenter segmenter;
	uint8_t frame[FRAME_MAX];
	size_t at = s->payload, len;
	unsigned n = 0;

	assert_int_equal(
		port_segment_begin(s->data, s->len, gso_of(s), s->l4, size, FRAME_MAX, &segmenter),
		0);
	while ((len = port_segment_next(&segmenter, frame))) {
		size_t take = len - s->payload;
		bool last = at + take == s->len;

		assert_true(take == size || last);
		assert_memory_equal(frame, s->data, s->l3);
		assert_memory_equal(frame + s->payload, s->data + at, take);
		check_ip(s, frame, len, n++);
		if (s->udp)
			assert_int_equal(get(frame + s->l4 + 4, 2), len - s->l4);
		else
			check_tcp(s, frame, at, last);
		assert_int_equal(transport_sum(s, frame, len), 0xffff);
		at += take;
	}
	assert_int_equal(at, s->len);
}

static void test_segments(void **state)
{
	struct super *s = malloc(sizeof(*s));

	(void)state;
	assert_non_null(s);
	srandom(1);
	for (int round = 0; round < 300; round++) {
		make_super(s);
		check_segments(s, 1 + (size_t)random() % (FRAME_MAX - s->payload));
	}
	free(s);
}

/* What cannot be cut faithfully is refused: tunnels, fragments, other versions, too large, cut. */
static void test_refusals(void **state)
{
	struct super *s = malloc(sizeof(*s));
	struct port_segmenter seg;

	(void)state;
	assert_non_null(s);
	srandom(2);
	do
		make_super(s);
	while (s->version != 4 || s->udp);
#define BEGIN(len, gso, start, size) \
	port_segment_begin(s->data, len, gso, start, size, FRAME_MAX, &seg)
	assert_int_equal(BEGIN(s->len, PORT_GSO_TCP4, s->l4, 500), 0);
	assert_int_equal(BEGIN(s->len, PORT_GSO_TCP4, s->l4 + 20, 500), -EBADMSG);
	assert_int_equal(BEGIN(s->len, PORT_GSO_TCP6, s->l4, 500), -EBADMSG);
	assert_int_equal(BEGIN(s->len, PORT_GSO_UDP, s->l4, 500), -EBADMSG);
	assert_int_equal(BEGIN(s->len, PORT_GSO_TCP4, s->l4, 0), -EBADMSG);
	assert_int_equal(BEGIN(s->payload, PORT_GSO_TCP4, s->l4, 500), -EBADMSG);
	assert_int_equal(BEGIN(s->payload + 1500, PORT_GSO_TCP4, s->l4, 1500), -EMSGSIZE);
	s->data[s->l3 + 6] = 0x20; /* more fragments */
	assert_int_equal(BEGIN(s->len, PORT_GSO_TCP4, s->l4, 500), -EBADMSG);
#undef BEGIN
	free(s);
}

static void test_checksum(void **state)
{
	uint8_t data[300], zero[10] = { 0 };

	(void)state;
	srandom(3);
	for (int round = 0; round < 5000; round++) {
		size_t len = 20 + (size_t)random() % 280;
		size_t start = (size_t)random() % 10;
		size_t at = (size_t)(random() % 3) * 2 + 2; /* not 8 */

		for (size_t i = 0; i < len; i++)
			data[i] = (uint8_t)random();
		if (round & 1)
			put(data + start + at, 0, 2);
		if (sum16(data + start + at, 2) == 0 && sum16(data + start, len - start) == 0)
			continue;
		{
			uint32_t pseudo = get(data + start + at, 2);

			assert_int_equal(port_checksum_complete(data, len, start, at), 0);
			/* What a receiver sums: header with checksum, plus the pseudo header. */
			pseudo += sum16(data + start, len - start);
			assert_int_equal((pseudo & 0xffff) + (pseudo >> 16), 0xffff);
		}
	}
	assert_int_equal(port_checksum_complete(zero, 10, 0, 6), 0);
	assert_int_equal(get(zero + 6, 2), 0xffff);
}

static uint32_t crc_bitwise(const uint8_t *data, size_t len)
{
	uint32_t crc = ~0U;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void test_sctp(void **state)
{
	uint8_t data[64], copy[64];

	(void)state;
	srandom(4);
	assert_int_equal(crc_bitwise((const uint8_t *)"123456789", 9), 0xe3069283);
	for (int round = 0; round < 1000; round++) {
		size_t len = 12 + (size_t)random() % 52;
		uint32_t crc;

		for (size_t i = 0; i < len; i++)
			data[i] = (uint8_t)random();
		memcpy(copy, data, len);
		memset(copy + 8, 0, 4);
		crc = crc_bitwise(copy, len);
		assert_int_equal(port_checksum_complete(data, len, 0, 8), 0);
		for (int i = 0; i < 4; i++)
			assert_int_equal(data[8 + i], (uint8_t)(crc >> 8 * i));
	}
}

static void test_checksum_bounds(void **state)
{
	uint8_t data[20] = { 0 };

	(void)state;
	assert_int_equal(port_checksum_complete(data, 20, 21, 0), -EBADMSG);
	assert_int_equal(port_checksum_complete(data, 20, 0, 19), -EBADMSG);
	assert_int_equal(port_checksum_complete(data, 20, 10, SIZE_MAX - 5), -EBADMSG);
	assert_int_equal(port_checksum_complete(data, 20, 9, 8), -EBADMSG);
	assert_int_equal(port_checksum_complete(data, 20, 0, 18), 0);
	assert_int_equal(port_checksum_complete(data, 20, 8, 8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_sctp),
		cmocka_unit_test(test_checksum_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
