/* SPDX-License-Identifier: Apache-2.0 */
/* A manifest line, and the blob of the index: both are read from files that somebody may have changed. */
#include <stdint.h>
#include <stdlib.h>

#include "capture/index.h"
#include "capture/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[MANIFEST_PUBLIC_LEN] = { 1 };
	struct capture_index_cursor at = { .blob = data, .len = size };
	struct manifest_line line;

	while (capture_index_decode(&at) == 1)
		continue;
	if (manifest_line_signed((const char *)data, size, key))
		abort();
	if (manifest_line_parse((const char *)data, size, &line) < 0)
		return 0;
	if (line.kind != MANIFEST_REMOVED &&
		line.n_pieces != (line.bytes + MANIFEST_PIECE - 1) / MANIFEST_PIECE)
		abort();
	manifest_line_done(&line);
	return 0;
}
