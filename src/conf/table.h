/* SPDX-License-Identifier: Apache-2.0 */
/* table - settings.def as data. Private to conf. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

enum conf_section {
#define SECTION(id, name, titled, text) CONF_SECTION_##id,
#include "conf/settings.def"
	CONF_SECTIONS
};

enum conf_kind {
	CONF_TEXT,
	CONF_TEXTS,
	CONF_FLAG,
	CONF_NUMBER,
	CONF_SIZE,
	CONF_TIME,
	CONF_RATE,
	CONF_VOLUME,
	CONF_CHOICE,
};

struct conf_section_row {
	const char *name;
	bool titled;
	const char *text;
};

struct conf_row {
	enum conf_section section;
	enum conf_kind kind;
	const char *name;
	const char *value; /* the default */
	const char *unit;
	const char *text;
	size_t offset; /* in the section's struct */
};

struct conf_range {
	uint64_t min, max;
	bool or_0; /* 0 as well */
};

struct conf_preset_row {
	const char *name;
	const char *text;
};

extern const struct conf_preset_row conf_presets[CONF_PRESETS];
extern const struct conf_section_row conf_sections[CONF_SECTIONS];
extern const struct conf_row conf_rows[];
extern const size_t conf_n_rows;

/* NULL when the section has no such setting. */
const struct conf_row *conf_row_find(enum conf_section section, const char *name);
/* CONF_SECTIONS when there is none of that name. */
enum conf_section conf_section_find(const char *name);
/* Whether section `inner` may stand in section `outer`. */
bool conf_section_allowed(enum conf_section outer, enum conf_section inner);
/* Everything, for a row without RANGE. */
struct conf_range conf_row_range(const struct conf_row *row);
/* What a preset says about a row of section limit: the default if it says nothing. */
const char *conf_preset_value(enum conf_preset preset, const struct conf_row *row);
