/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: a length (2), a byte whose bit 0 says that the checksums are to be made right, its bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/merge_check.h"
#include "../unit/merge_frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct merge_check check;
	uint8_t frame[MERGE_FRAME_MAX];

	check.merge.n = 0;
	while (size >= 3) {
		size_t len = ((size_t)data[0] << 8 | data[1]) % (MERGE_FRAME_MAX + 1);
		bool make_right = data[2] & 1;

		data += 3;
		size -= 3;
		len = len < size ? len : size;
		memcpy(frame, data, len);
		if (make_right)
			merge_frame_sums(frame, len);
		if (!merge_check_take(&check, frame, len))
			abort();
		data += len;
		size -= len;
	}
	if (!merge_check_end(&check))
		abort();
	return 0;
}
