/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/table.h"

#include <string.h>

const struct conf_section_row conf_sections[CONF_SECTIONS] = {
#define SECTION(id, name, titled, text) { name, titled, text },
#include "conf/settings.def"
};

/* A default is kept as text: a string as it is, a number or flag as it is spelt in the table. */
const struct conf_row conf_rows[] = {
#define SETTING(section, KIND, member, name, value, unit, text) \
	{ CONF_SECTION_##section, CONF_##KIND, name,                  \
		_Generic((value), const char *: (value), char *: (value), default: #value), \
		unit, text, offsetof(struct conf_##section, member) },
#include "conf/settings.def"
};

const size_t conf_n_rows = sizeof(conf_rows) / sizeof(conf_rows[0]);

static const struct {
	enum conf_section section;
	size_t offset;
	struct conf_range range;
} ranges[] = {
#define RANGE(section, member, min, max) \
	{ CONF_SECTION_##section, offsetof(struct conf_##section, member), { min, max, false } },
#define RANGE_OR_0(section, member, min, max) \
	{ CONF_SECTION_##section, offsetof(struct conf_##section, member), { min, max, true } },
#include "conf/settings.def"
};

const struct conf_row *conf_row_find(enum conf_section section, const char *name)
{
	for (size_t i = 0; i < conf_n_rows; i++)
		if (conf_rows[i].section == section && strcmp(conf_rows[i].name, name) == 0)
			return &conf_rows[i];
	return NULL;
}

enum conf_section conf_section_find(const char *name)
{
	unsigned i = CONF_SECTION_top + 1;

	while (i < CONF_SECTIONS && strcmp(conf_sections[i].name, name) != 0)
		i++;
	return i;
}

bool conf_section_allowed(enum conf_section outer, enum conf_section inner)
{
	if (outer == CONF_SECTION_top)
		return inner != CONF_SECTION_top && inner != CONF_SECTIONS;
	return outer == CONF_SECTION_honeypot && inner == CONF_SECTION_limit;
}

struct conf_range conf_row_range(const struct conf_row *row)
{
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (ranges[i].section == row->section && ranges[i].offset == row->offset)
			return ranges[i].range;
	return (struct conf_range){ 0, UINT64_MAX, false };
}
