/* SPDX-License-Identifier: Apache-2.0 */
/* record_unpack: what it takes packs to the same bytes and can be printed. */
#include <stdlib.h>
#include <string.h>

#include "base/out.h"
#include "event/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[RECORD_PACKED_MAX];
	static char line[RECORD_JSON_MAX];
	struct out o = out_make(line, sizeof(line));
	struct record record;

	if (record_unpack(data, size, &record) < 0)
		return 0;
	if (record_pack(&record, again, sizeof(again)) != (int)size ||
		memcmp(again, data, size) != 0)
		abort();
	record_json(&o, &record, NULL);
	if (!out_ok(&o))
		abort();
	return 0;
}
