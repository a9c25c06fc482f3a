/* SPDX-License-Identifier: Apache-2.0 */
/* Prints random records as EVE lines: what check_schema.py holds against the published schema. */
#include <stdio.h>
#include <stdlib.h>

#include "base/out.h"
#include "event/event.h"
#include "random_record.h"

int main(void)
{
	static char line[RECORD_JSON_MAX];
	struct record_identity identity = { .honeynet = "net", .origin = "gate" };

	srandom(7);
	for (int i = 0; i < 2000; i++) {
		struct out o = out_make(line, sizeof(line));
		struct record record;

		random_record(&record);
		identity.seq = (uint64_t)i + 1;
		record_json(&o, &record, i % 3 ? &identity : NULL);
		puts(line);
	}
	return 0;
}
