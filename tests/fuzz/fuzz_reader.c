/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "capture/pcapng.h"
#include "capture/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink;

static void touch(const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sink ^= ((const uint8_t *)bytes)[i];
}

static void on_block(void *context, const struct capture_block *block)
{
	(void)context;
	touch(block->block, block->block_len);
	touch(block->comment.at, block->comment.len);
}

struct growing {
	const uint8_t *data;
	size_t len;
};

static ssize_t read_growing(void *context, uint64_t offset, void *buf, size_t n)
{
	const struct growing *g = context;
	size_t left = offset < g->len ? g->len - (size_t)offset : 0;

	n = n < left ? n : left;
	if (n > 0)
		memcpy(buf, g->data + offset, n);
	return (ssize_t)n;
}

/* Written piece by piece it holds the same packets. */
static void check_growing(const uint8_t *data, size_t size, uint64_t packets)
{
	struct growing g = { .data = data };
	struct capture_reader *r;
	struct capture_packet packet;
	size_t step = size > 0 ? 1 + data[size - 1] % 64u : 1;
	int result = 0;

	if (capture_reader_new_growing(read_growing, &g, &r) < 0)
		return;
	while (result == 0 && g.len < size) {
		g.len = g.len + step < size ? g.len + step : size;
		while ((result = capture_reader_next(r, &packet)) == 1)
			packets--;
	}
	if (packets != 0)
		abort();
	capture_reader_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t packets = 0;
	struct capture_reader *r;
	struct capture_packet packet;

	if (capture_reader_new_memory(data, size, &r) < 0)
		return 0;
	capture_reader_on_block(r, on_block, NULL);
	while (capture_reader_next(r, &packet) == 1) {
		packets++;
		touch(packet.block, packet.block_len);
		touch(packet.data, packet.len);
		(void)pcapng_comment_flow(packet.comment.at, packet.comment.len);
		if (!capture_reader_interface(r, packet.interface))
			abort();
	}
	if (capture_reader_good_end(r) > size)
		abort();
	capture_reader_free(r);
	if (size >= 4 && memcmp(data, "\x0a\x0d\x0d\x0a", 4) == 0)
		check_growing(data, size, packets);
	return 0;
}
