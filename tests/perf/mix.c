/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mix PACKETS CAPTURE... - a capture (pcap) on standard output: the frames of all captures, one of each in turn, again
 * and again with other addresses until there are PACKETS. So as many conversations are open at a time as there are
 * captures. Addresses in payloads stay; checksums are made right. Frames that are not Ethernet are left out.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/inet_sum.h"
#include "capture/reader.h"
#include "frame/frame.h"

#define CAPTURES_MAX 64
#define PASSES_MAX   (1 << 15)
#define STEP_NS      10000 /* between two frames */

struct kept {
	uint8_t *bytes;
	uint32_t len;
};

struct source {
	struct kept *frame;
	size_t n, room;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void keep(struct source *s, const struct capture_packet *packet)
{
	if (packet->link != CAPTURE_LINK_ETHERNET || packet->len < packet->orig_len)
		return;
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 256;
		s->frame = reallocarray(s->frame, s->room, sizeof(*s->frame));
	}
	if (!s->frame || !(s->frame[s->n].bytes = malloc(packet->len + 1)))
		die("memory");
	memcpy(s->frame[s->n].bytes, packet->data, packet->len);
	s->frame[s->n++].len = packet->len;
}

static void load(const char *path, struct source *ret_source)
{
	struct capture_reader *reader = NULL;
	struct capture_packet packet;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || capture_reader_new(fd, &reader) < 0)
		die(path);
	while (capture_reader_next(reader, &packet) == 1)
		keep(ret_source, &packet);
	capture_reader_free(reader);
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint16_t n)
{
	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
}

/* RFC 1624: one word that a checksum covers was `before`. */
static void update(uint8_t *field, uint16_t before, uint16_t after)
{
	put16(field, (uint16_t)~inet_sum_fold(
			     (uint16_t)~get16(field) + (uint16_t)~before + (uint32_t)after));
}

/* The checksum that has the addresses in its pseudo header; NULL: there is none here. */
static uint8_t *transport_sum(uint8_t *bytes, const struct frame *frame)
{
	const struct frame_packet *p = &frame->packet[0];
	uint32_t at = p->proto == IPPROTO_TCP ? 16 : p->proto == IPPROTO_UDP ? 6 : 2;

	if (!p->has_transport || p->l4_at + at + 2 > frame->len ||
		(p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP && p->proto != IPPROTO_ICMPV6))
		return NULL;
	if (p->proto == IPPROTO_UDP && get16(bytes + p->l4_at + 6) == 0)
		return NULL;
	return bytes + p->l4_at + at;
}

/* Other hosts for each pass: two bytes of both addresses. */
static void move(uint8_t *bytes, uint32_t len, uint16_t turn)
{
	struct frame frame;
	const struct frame_packet *p = &frame.packet[0];
	uint8_t *sum, *address;

	frame_parse(bytes, len, FRAME_LINK_ETHERNET, &frame);
	if (frame.n_packets == 0)
		return;
	sum = transport_sum(bytes, &frame);
	address = bytes + p->l3_at + (p->version == 4 ? 14 : 22);
	for (unsigned i = 0; i < 2; i++, address += p->version == 4 ? 4 : 16) {
		uint16_t before = get16(address), after = before ^ turn;

		put16(address, after);
		if (p->version == 4)
			update(bytes + p->l3_at + 10, before, after);
		if (sum)
			update(sum, before, after);
	}
}

/* Hosts that leave checksums to their NIC are captured without them. */
static void mend(uint8_t *bytes, uint32_t len)
{
	struct frame frame;
	const struct frame_packet *p = &frame.packet[0];
	uint32_t addresses, n;
	uint8_t *sum;

	frame_parse(bytes, len, FRAME_LINK_ETHERNET, &frame);
	if (frame.n_packets == 0 || p->is_fragment || p->end_at > len ||
		frame_sums_right(&frame, p))
		return;
	sum = transport_sum(bytes, &frame);
	if (!sum)
		return;
	n = p->end_at - p->l4_at;
	addresses = p->version == 4 ? 8 : 32;
	put16(sum, 0);
	put16(sum, (uint16_t)~inet_sum_fold(
			   (uint64_t)inet_sum(
				   bytes + p->l3_at + (p->version == 4 ? 12 : 8), addresses) +
			   p->proto + n + inet_sum(bytes + p->l4_at, n)));
}

static void put(const void *bytes, size_t len)
{
	if (fwrite(bytes, 1, len, stdout) != len)
		die("standard output");
}

static void put_frame(const struct kept *frame, uint16_t turn, uint64_t number)
{
	static uint8_t bytes[1 << 18];
	uint64_t ns = number * STEP_NS;
	uint32_t head[4] = { 1770000000 + (uint32_t)(ns / 1000000000), (uint32_t)(ns % 1000000000),
		frame->len, frame->len };

	if (frame->len > sizeof(bytes))
		return;
	memcpy(bytes, frame->bytes, frame->len);
	mend(bytes, frame->len);
	move(bytes, frame->len, turn);
	put(head, sizeof(head));
	put(bytes, frame->len);
}

static uint64_t pass(
	const struct source *source, int n, uint16_t turn, uint64_t number, uint64_t end)
{
	bool more = true;

	for (size_t i = 0; more; i++) {
		more = false;
		for (int s = 0; s < n && number < end; s++)
			if (i < source[s].n) {
				put_frame(&source[s].frame[i], turn, number++);
				more = true;
			}
	}
	return number;
}

int main(int argc, char **argv)
{
	/* pcap with nanoseconds, in the byte order of the machine; version 2.4. */
	static const uint32_t head[6] = { 0xa1b23c4d, 4 << 16 | 2, 0, 0, 1 << 18, 1 };
	static struct source source[CAPTURES_MAX];
	uint64_t end = argc > 2 ? strtoull(argv[1], NULL, 10) : 0, number = 0, before = UINT64_MAX;
	int n = argc - 2;

	if (n < 1 || n > CAPTURES_MAX) {
		fprintf(stderr, "usage: mix PACKETS CAPTURE... (at most %d)\n", CAPTURES_MAX);
		return 2;
	}
	for (int i = 0; i < n; i++)
		load(argv[i + 2], &source[i]);
	put(head, sizeof(head));
	for (unsigned turn = 0; turn < PASSES_MAX && number != before; turn++) {
		before = number;
		number = pass(source, n, (uint16_t)(turn << 8 | turn >> 8), number, end);
	}
	return fflush(stdout) ? 1 : 0;
}
