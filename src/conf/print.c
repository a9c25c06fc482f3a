/* SPDX-License-Identifier: Apache-2.0 */
/* The table of settings as text for people. */
#include <string.h>

#include "base/out.h"
#include "conf/conf.h"
#include "conf/table.h"

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

void conf_print_manual(struct out *o)
{
	for (unsigned s = 0; s < CONF_SECTIONS; s++)
		print_manual_section(o, s);
}

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

void conf_print_example(struct out *o)
{
	out_str(o, "# fishbowl.conf: every setting with its default. See fishbowl.conf(5).\n"
		   "# The first three lines are all that a honeynet needs.\n\n"
		   "outside = \"eth0\"\n"
		   "inside = {\"eth1\"}\n"
		   "honeypot \"web\" { address = {\"10.0.0.5\", \"2001:db8::5\"} }\n\n");
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
