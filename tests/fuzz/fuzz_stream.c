/* SPDX-License-Identifier: Apache-2.0 */
/* A stream is what its model says, whatever bytes throw the dice (tests/unit/stream_model.h). */
#include "stream_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct walk w;

	walk_begin(&w, &(struct dice){ .bytes = data, .n = size });
	while (w.dice.n > 0)
		walk_step(&w);
	walk_end(&w);
	return 0;
}
