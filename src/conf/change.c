/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/change.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/out.h"
#include "conf/table.h"
#include "conf/value.h"

static_assert(CONF_WHY_MAX >= CONF_FAULT_MAX, "every fault fits");

/* ---- limits by name ---- */

static const struct conf_row *limit_row(size_t n)
{
	for (size_t i = 0; i < conf_n_rows; i++)
		if (conf_rows[i].section == CONF_SECTION_limit && n-- == 0)
			return &conf_rows[i];
	return NULL;
}

static void name_limits(const char *wrong, char why[static CONF_WHY_MAX])
{
	struct out o = out_make(why, CONF_WHY_MAX);
	const char *name;

	out_fmt(&o, "there is no limit \"%.40s\"; the limits are", wrong);
	for (size_t n = 0; (name = conf_limit_name(n)); n++)
		out_fmt(&o, "%s %s", n ? "," : "", name);
}

int conf_limit_set(struct conf_limit *limit, const char *name, const char *value,
	char why[static CONF_WHY_MAX])
{
	const struct conf_row *row = conf_row_find(CONF_SECTION_limit, name);

	if (!row) {
		name_limits(name, why);
		return -EINVAL;
	}
	return conf_value_set(row, (char *)limit + row->offset, value, why);
}

const char *conf_limit_name(size_t n)
{
	const struct conf_row *row = limit_row(n);

	return row ? row->name : NULL;
}

const char *conf_limit_text(
	const struct conf_limit *limit, size_t n, char buf[static CONF_VALUE_TEXT_MAX])
{
	struct out o = out_make(buf, CONF_VALUE_TEXT_MAX);
	const struct conf_row *row = limit_row(n);

	if (row)
		conf_value_text(row, (const char *)limit + row->offset, &o);
	return buf;
}

/* ---- presets by name ---- */

int conf_preset_find(const char *name, enum conf_preset *ret_preset, char why[static CONF_WHY_MAX])
{
	struct out o = out_make(why, CONF_WHY_MAX);

	for (enum conf_preset p = 0; p < CONF_PRESETS; p++)
		if (strcmp(conf_preset_name(p), name) == 0) {
			*ret_preset = p;
			return 0;
		}
	out_fmt(&o, "there is no preset \"%.40s\"; the presets are", name);
	for (enum conf_preset p = 0; p < CONF_PRESETS; p++)
		out_fmt(&o, "%s %s", p ? "," : "", conf_preset_name(p));
	return -EINVAL;
}

/* ---- two configurations ---- */

struct compare {
	conf_difference_fn *fn;
	void *context;
	const char *honeypot;
};

static void put_text(
	const struct conf_row *row, const void *at, char buf[static CONF_VALUE_TEXT_MAX])
{
	struct out o = out_make(buf, CONF_VALUE_TEXT_MAX);

	conf_value_text(row, at, &o);
}

static void compare_section(
	const struct compare *c, enum conf_section section, const void *from, const void *to)
{
	for (size_t i = 0; i < conf_n_rows; i++) {
		const struct conf_row *row = &conf_rows[i];
		const void *a = (const char *)from + row->offset;
		const void *b = (const char *)to + row->offset;
		struct conf_difference d = { .section = conf_sections[section].name,
			.setting = row->name,
			.honeypot = c->honeypot };

		if (row->section != section || conf_value_equal(row, a, b))
			continue;
		put_text(row, a, d.from);
		put_text(row, b, d.to);
		c->fn(c->context, &d);
	}
}

static const struct conf_a_honeypot *find_honeypot(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->n_honeypots; i++)
		if (strcmp(conf->honeypot[i].name, name) == 0)
			return &conf->honeypot[i];
	return NULL;
}

static void only_in(const struct compare *c, const char *name, bool is_new)
{
	struct conf_difference d = { .section = conf_sections[CONF_SECTION_honeypot].name,
		.setting = "",
		.honeypot = name };

	snprintf(is_new ? d.to : d.from, CONF_VALUE_TEXT_MAX, "there");
	c->fn(c->context, &d);
}

static void compare_honeypots(struct compare *c, const struct conf *from, const struct conf *to)
{
	for (size_t i = 0; i < from->n_honeypots; i++) {
		const struct conf_a_honeypot *a = &from->honeypot[i];
		const struct conf_a_honeypot *b = find_honeypot(to, a->name);

		if (!b) {
			only_in(c, a->name, false);
			continue;
		}
		c->honeypot = a->name;
		compare_section(c, CONF_SECTION_honeypot, &a->set, &b->set);
		compare_section(c, CONF_SECTION_limit, &a->limit, &b->limit);
	}
	for (size_t i = 0; i < to->n_honeypots; i++)
		if (!find_honeypot(from, to->honeypot[i].name))
			only_in(c, to->honeypot[i].name, true);
}

void conf_compare(
	const struct conf *from, const struct conf *to, conf_difference_fn *fn, void *context)
{
	struct compare c = { .fn = fn, .context = context };
	static const size_t offset[] = {
#define SECTION(id, name, titled, text) offsetof(struct conf, id),
#include "conf/settings.def"
	};

	for (enum conf_section s = 0; s < CONF_SECTIONS; s++)
		if (!conf_sections[s].titled && s != CONF_SECTION_limit)
			compare_section(&c, s, (const char *)from + offset[s],
				(const char *)to + offset[s]);
	compare_honeypots(&c, from, to);
}
