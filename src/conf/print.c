/* SPDX-License-Identifier: Apache-2.0 */
/* The table of settings as text for people. */
#include <string.h>

#include "base/out.h"
#include "conf/conf.h"
#include "conf/table.h"
#include "conf/value.h"

enum { LINE_WIDTH = 96 };

/* An example value as it is written in the file. */
static void print_value(struct out *o, const struct conf_row *row)
{
	if (row->kind == CONF_TEXTS)
		out_str(o, "{}");
	else if (row->kind == CONF_NUMBER || row->kind == CONF_FLAG)
		out_str(o, row->value);
	else
		out_fmt(o, "\"%s\"", row->value);
}

static void print_manual_section(struct out *o, unsigned section)
{
	const struct conf_section_row *head = &conf_sections[section];

	if (section == CONF_SECTION_top)
		out_fmt(o, "# SETTINGS AT THE TOP LEVEL\n\n");
	else
		out_fmt(o, "# SECTION %s%s\n\n%s.\n\n", head->name, head->titled ? " \"NAME\"" : "",
			head->text);
	for (size_t i = 0; i < conf_n_rows; i++) {
		const struct conf_row *row = &conf_rows[i];

		if (row->section != section)
			continue;
		out_fmt(o, "*%s* = _%s_\n\t%s.", row->name, row->unit, row->text);
		if (*row->value)
			out_fmt(o, " Default: *%s*.", row->value);
		out_str(o, "\n\n");
	}
}

static void print_manual_preset(struct out *o, enum conf_preset preset)
{
	const char *comma = "";

	out_fmt(o, "*%s*\n\t%s", conf_presets[preset].name, conf_presets[preset].text);
	for (size_t i = 0; i < conf_n_rows; i++) {
		const struct conf_row *row = &conf_rows[i];
		const char *value = conf_preset_value(preset, row);

		if (row->section != CONF_SECTION_limit || strcmp(value, row->value) == 0)
			continue;
		out_fmt(o, "%s%s _%s_", *comma ? comma : ": ", row->name, value);
		comma = ", ";
	}
	out_str(o, ".\n\n");
}

void conf_print_manual(struct out *o)
{
	for (unsigned s = 0; s < CONF_SECTIONS; s++)
		print_manual_section(o, s);
	out_str(o,
		"# PRESETS\n\n"
		"A preset sets every limit; what is not listed here is as by default. Where it "
		"stands in a\nsection honeypot, it sets also those that section limit of the file "
		"changed.\n\n");
	for (unsigned p = 0; p < CONF_PRESETS; p++)
		print_manual_preset(o, p);
}

/* ---- presets ---- */

static void print_preset_row(struct out *o, const struct conf_row *row)
{
	out_fmt(o, "%-15s", row->name);
	for (unsigned p = 0; p < CONF_PRESETS; p++)
		out_fmt(o, " %-12s", conf_preset_value(p, row));
	while (o->len && o->at[o->len - 1] == ' ')
		o->len--;
	out_char(o, '\n');
}

void conf_print_presets(struct out *o)
{
	for (unsigned p = 0; p < CONF_PRESETS; p++)
		out_fmt(o, "%s: %s\n", conf_presets[p].name, conf_presets[p].text);
	out_fmt(o, "\n%-15s", "");
	for (unsigned p = 0; p < CONF_PRESETS; p++)
		out_fmt(o, p + 1 < CONF_PRESETS ? " %-12s" : " %s\n", conf_presets[p].name);
	for (size_t i = 0; i < conf_n_rows; i++)
		if (conf_rows[i].section == CONF_SECTION_limit)
			print_preset_row(o, &conf_rows[i]);
}

/* ---- values ---- */

/* "name value, name value" in lines of a bearable length. */
static void print_values(
	struct out *o, enum conf_section section, const void *base, const char *indent)
{
	size_t begin = o->len;

	out_str(o, indent);
	for (size_t i = 0; i < conf_n_rows; i++) {
		const struct conf_row *row = &conf_rows[i];
		char buf[64];
		struct out value = out_make(buf, sizeof(buf));

		if (row->section != section || row->kind == CONF_TEXT)
			continue;
		conf_value_text(row, (const char *)base + row->offset, &value);
		if (o->len > begin + strlen(indent))
			out_str(o, ", ");
		if (o->len - begin + strlen(row->name) + value.len > LINE_WIDTH) {
			o->len--; /* the space behind the comma */
			out_char(o, '\n');
			begin = o->len;
			out_str(o, indent);
		}
		out_fmt(o, "%s %s", row->name, buf);
	}
	out_char(o, '\n');
}

const char *conf_privacy_name(int policy)
{
	static const char *const name[] = { "full", "minimise", "banner-only" };

	return name[policy];
}

void conf_print_limit(struct out *o, const struct conf_limit *limit, const char *indent)
{
	print_values(o, CONF_SECTION_limit, limit, indent);
}

void conf_print_general(struct out *o, const struct conf *conf, const char *indent)
{
	const struct {
		enum conf_section section;
		const void *base;
	} general[] = { { CONF_SECTION_honeynet, &conf->honeynet },
		{ CONF_SECTION_refuse, &conf->refuse }, { CONF_SECTION_dns, &conf->dns } };

	for (size_t i = 0; i < sizeof(general) / sizeof(general[0]); i++) {
		out_fmt(o, "%s:\n", conf_sections[general[i].section].text);
		print_values(o, general[i].section, general[i].base, indent);
	}
}

/* ---- the example ---- */

static void print_example_settings(struct out *o, unsigned section, const char *indent)
{
	for (size_t i = 0; i < conf_n_rows; i++) {
		const struct conf_row *row = &conf_rows[i];

		if (row->section != section)
			continue;
		out_fmt(o, "%s# %s (%s)\n%s# %s = ", indent, row->text, row->unit, indent,
			row->name);
		print_value(o, row);
		out_str(o, "\n\n");
	}
}

void conf_print_example(struct out *o, const char *rules)
{
	out_str(o, "# fishbowl.conf: every setting with its default. See fishbowl.conf(5).\n"
		   "# The first lines are all that a honeynet needs.\n\n"
		   "outside = \"eth0\"\n"
		   "inside = {\"eth1\"}\n"
		   "honeypot \"web\" { address = {\"10.0.0.5\", \"2001:db8::5\"} }\n");
	if (rules)
		out_fmt(o,
			"# What comes with Fishbowl: attacks that leave are disarmed.\n"
			"rules = {\"%s\"}\n",
			rules);
	out_char(o, '\n');
	for (unsigned s = 0; s < CONF_SECTIONS; s++) {
		const struct conf_section_row *section = &conf_sections[s];

		out_fmt(o, "# ---- %s ----\n\n", section->text);
		if (s != CONF_SECTION_top)
			out_fmt(o, "# %s%s {\n", section->name, section->titled ? " \"NAME\"" : "");
		print_example_settings(o, s, s == CONF_SECTION_top ? "" : "\t");
		if (s != CONF_SECTION_top)
			out_str(o, "# }\n\n");
	}
}
