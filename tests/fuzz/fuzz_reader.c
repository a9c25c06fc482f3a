/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct capture_reader *r;
	struct capture_packet packet;

	if (capture_reader_new_memory(data, size, &r) < 0)
		return 0;
	capture_reader_on_block(r, on_block, NULL);
	while (capture_reader_next(r, &packet) == 1) {
		touch(packet.block, packet.block_len);
		touch(packet.data, packet.len);
		(void)pcapng_comment_flow(packet.comment.at, packet.comment.len);
		if (!capture_reader_interface(r, packet.interface))
			abort();
	}
	if (capture_reader_good_end(r) > size)
		abort();
	capture_reader_free(r);
	return 0;
}
