/* SPDX-License-Identifier: Apache-2.0 */
/* Input: gso, start (2), size (2), checksum offset (2), then the frame. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sys/port_offload.h"

enum { HEAD = 7, FRAME_MAX = 1518, SEGMENTS_MAX = 70000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t frame[FRAME_MAX];
	struct port_segmenter s;
	size_t start, gso_size, offset, len, at, n = 0;
	uint8_t *copy;

	if (size < HEAD)
		return 0;
	start = (size_t)data[1] << 8 | data[2];
	gso_size = (size_t)data[3] << 8 | data[4];
	offset = (size_t)data[5] << 8 | data[6];
	if (!port_segment_begin(data + HEAD, size - HEAD, (enum port_gso)(data[0] % 3), start,
		    gso_size, FRAME_MAX, &s)) {
		for (at = s.payload; (len = port_segment_next(&s, frame)); at += len - s.payload)
			if (len > FRAME_MAX || ++n > SEGMENTS_MAX)
				abort();
		if (at != size - HEAD)
			abort();
	}
	copy = malloc(size);
	if (!copy)
		abort();
	memcpy(copy, data, size);
	port_checksum_complete(copy + HEAD, size - HEAD, start, offset);
	free(copy);
	return 0;
}
