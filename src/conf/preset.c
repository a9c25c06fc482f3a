/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of limits to start from: presets.def. */
#include <assert.h>
#include <stddef.h>

#include "conf/conf.h"
#include "conf/table.h"
#include "conf/value.h"

static const struct {
	enum conf_preset preset;
	size_t offset; /* of the row */
	const char *value;
} values[] = {
#define PRESET_VALUE(id, member, value) \
	{ CONF_PRESET_##id, offsetof(struct conf_limit, member), value },
#include "conf/presets.def"
};

const struct conf_preset_row conf_presets[CONF_PRESETS] = {
#define PRESET(id, name, text) { name, text },
#include "conf/presets.def"
};

const char *conf_preset_name(enum conf_preset preset)
{
	return conf_presets[preset].name;
}

const char *conf_preset_value(enum conf_preset preset, const struct conf_row *row)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (values[i].preset == preset && values[i].offset == row->offset)
			return values[i].value;
	return row->value;
}

void conf_preset_limit(enum conf_preset preset, struct conf_limit *ret_limit)
{
	char why[CONF_FAULT_MAX];

	for (size_t i = 0; i < conf_n_rows; i++) {
		const struct conf_row *row = &conf_rows[i];
		int r;

		if (row->section != CONF_SECTION_limit)
			continue;
		r = conf_value_set(
			row, (char *)ret_limit + row->offset, conf_preset_value(preset, row), why);
		assert(r == 0); /* a test sets them all; no kind of a limit needs memory */
		(void)r;
	}
}
