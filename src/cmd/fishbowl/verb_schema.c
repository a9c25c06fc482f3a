/* SPDX-License-Identifier: Apache-2.0 */
/* fishbowl schema - the published JSON schema of the records. */
#include "cmd/fishbowl/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/out.h"
#include "event/event.h"

static void print_anomalies(struct out *o)
{
	out_str(o, "# ANOMALIES\n\n");
#define ANOMALY(id, name, text) out_str(o, "*" name "*\n\t" text ".\n\n");
#include "frame/anomaly.def"
#undef ANOMALY
}

int verb_schema(int argc, char **argv)
{
	enum { SIZE = 1 << 18 };
	char *buf = malloc(SIZE);
	struct out o = out_make(buf, SIZE);

	if (!buf)
		return 1;
	/* For the build: the records' part of fishbowl-events(7). */
	if (argc > 1 && strcmp(argv[1], "--manual") == 0) {
		event_print_manual(&o);
		print_anomalies(&o);
	} else {
		event_print_schema(&o);
	}
	puts(o.at);
	free(buf);
	return 0;
}
