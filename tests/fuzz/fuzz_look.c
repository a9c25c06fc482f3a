/* SPDX-License-Identifier: Apache-2.0 */
/* A file, as fb-vault looks at it: sums, type, members of an archive. What is said of it may stand in a record. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/out.h"
#include "event/event.h"
#include "vault/look.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_fault(void *context, const char *what)
{
	(void)context;
	fprintf(stderr, "%s\n", what);
	abort();
}

static const struct field_info *members_field(void)
{
	const struct event_info info = event_info(EVENT_FILE);

	for (size_t i = 0; i < info.n_fields; i++)
		if (info.fields[i].kind == KIND_MEMBERS)
			return &info.fields[i];
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct look *look;
	static char text[LOOK_JSON_MAX];
	const struct look_setup setup = { .magic = true, .fault = on_fault };
	struct out o = out_make(text, sizeof(text));
	struct look_sums sums;

	if (!look && look_new(&setup, &look) < 0)
		abort();
	if (look_sums(look, data, size, &sums) < 0 || sums.entropy > 8000)
		abort();
	if (strlen(look_magic(look, data, size)) >= LOOK_MAGIC_MAX)
		abort();
	look_members(look, data, size, &o);
	if (!out_ok(&o) || strlen(text) != o.len || (o.len > 0 && text[o.len - 1] != ','))
		abort();
	if (o.len > 0 && !record_members_ok(EVENT_FILE, members_field(), text, o.len - 1))
		abort();
	return 0;
}
