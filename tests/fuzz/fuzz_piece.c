/* SPDX-License-Identifier: Apache-2.0 */
/* An entry of the ring of pieces, as fb-vault reads it: whatever is taken is the same when it is written again, and
 * its record can be packed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vault/piece.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(void *context, const struct piece *piece)
{
	size_t *bytes = context;

	if (piece->len > PIECE_BYTES_MAX)
		abort();
	*bytes += piece->len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[PIECE_MAX], packed[PIECE_RECORD_MAX];
	struct piece piece, copy;
	size_t bytes = 0;

	if (piece_read(data, size, &piece) < 0)
		return 0;
	if (piece_size(&piece) != size || size > sizeof(again))
		abort();
	copy = piece;
	if (piece_pack(&copy, packed) < 0)
		abort();
	piece_write(&copy, again);
	if (piece_read(again, piece_size(&copy), &copy) < 0 || copy.offset != piece.offset ||
		copy.len != piece.len ||
		(copy.len && memcmp(copy.bytes, piece.bytes, copy.len) != 0))
		abort();
	if (piece_cut(&piece, count, &bytes) < 0 || bytes != piece.len)
		abort();
	return 0;
}
