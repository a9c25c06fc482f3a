/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a file becomes a struct conf: the outline finds faults of form, libConfuse reads the values,
 * value.c turns each into its type, check.c looks at the whole. Each step goes on as far as it can,
 * so that one run shows as many faults as possible.
 */
#include "conf/conf.h"

#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/check.h"
#include "conf/fault.h"
#include "conf/file.h"
#include "conf/outline.h"
#include "conf/table.h"
#include "conf/value.h"

/* The line of one value, as libConfuse read it. */
struct mark {
	const cfg_opt_t *opt;
	unsigned index;
	unsigned line;
};

struct conf_lines {
	cfg_t *cfg;
	struct mark *mark;
	size_t n;
	struct conf_outline outline;
	struct conf_faults *faults;
	bool no_memory;
};

/* libConfuse hands no context to its callbacks. */
static _Thread_local struct conf_lines *reading;

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct mark *more = reallocarray(reading->mark, reading->n + 1, sizeof(*more));

	if (!more) {
		reading->no_memory = true;
		return -1;
	}
	reading->mark = more;
	more[reading->n++] =
		(struct mark){ opt, opt->nvalues ? opt->nvalues - 1 : 0, (unsigned)cfg->line };
	*(const char **)result = value;
	return 0;
}

/* What the outline let pass and libConfuse does not take. */
__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char text[CONF_FAULT_MAX];

	vsnprintf(text, sizeof(text), fmt, ap);
	conf_fault_add(reading->faults, cfg ? (unsigned)cfg->line : 1,
		"%s; see fishbowl.conf(5) for the form", text);
}

/* ---- libConfuse's tables ---- */

enum { OPTS_MAX = 64 };

static size_t add_settings(cfg_opt_t *opts, enum conf_section section)
{
	size_t n = 0;

	for (size_t i = 0; i < conf_n_rows; i++) {
		const struct conf_row *row = &conf_rows[i];

		if (row->section != section)
			continue;
		if (row->kind == CONF_TEXTS)
			opts[n++] = (cfg_opt_t)CFG_STR_LIST_CB(
				row->name, NULL, CFGF_NODEFAULT, on_value);
		else
			opts[n++] =
				(cfg_opt_t)CFG_STR_CB(row->name, NULL, CFGF_NODEFAULT, on_value);
	}
	return n;
}

static cfg_t *make_cfg(void)
{
	cfg_opt_t opts[CONF_SECTIONS][OPTS_MAX];

	/* Backwards: an inner section's table is complete before an outer one points at it. */
	for (unsigned s = CONF_SECTIONS; s-- > 0;) {
		size_t n = add_settings(opts[s], s);

		for (unsigned inner = 0; inner < CONF_SECTIONS; inner++)
			if (conf_section_allowed(s, inner))
				opts[s][n++] = (cfg_opt_t)CFG_SEC(conf_sections[inner].name,
					opts[inner],
					conf_sections[inner].titled ? CFGF_MULTI | CFGF_TITLE
								    : CFGF_NONE);
		opts[s][n] = (cfg_opt_t)CFG_END();
	}
	return cfg_init(opts[CONF_SECTION_top], CFGF_NONE);
}

/* ---- lines ---- */

static cfg_t *section_cfg(cfg_t *cfg, enum conf_section section, size_t honeypot)
{
	if (section == CONF_SECTION_top)
		return cfg;
	if (section == CONF_SECTION_honeypot)
		return honeypot < cfg_size(cfg, "honeypot")
			       ? cfg_getnsec(cfg, "honeypot", (unsigned)honeypot)
			       : NULL;
	return cfg_getsec(cfg, conf_sections[section].name);
}

/* From the end: memory of a section that was given twice may have been used again. */
static unsigned mark_line(const struct conf_lines *lines, const cfg_opt_t *opt, size_t index)
{
	for (size_t i = lines->n; opt && i-- > 0;)
		if (lines->mark[i].opt == opt && lines->mark[i].index == index)
			return lines->mark[i].line;
	return 0;
}

unsigned conf_line(const struct conf_lines *lines, enum conf_section section, size_t honeypot,
	const char *name, size_t n)
{
	cfg_t *cfg = section_cfg(lines->cfg, section, honeypot);
	unsigned line = 0;

	if (!cfg)
		return 1;
	if (*name)
		line = mark_line(lines, cfg_getopt(cfg, name), n);
	if (line)
		return line;
	return conf_outline_line(&lines->outline, section, cfg_title(cfg) ? cfg_title(cfg) : "");
}

/* ---- values ---- */

static int set_value(const struct conf_row *row, void *base, const char *text, unsigned line,
	struct conf_faults *faults)
{
	char why[CONF_FAULT_MAX];
	int r = conf_value_set(row, (char *)base + row->offset, text, why);

	if (r == -EINVAL) {
		conf_fault_add(faults, line, "%s", why);
		return 0;
	}
	return r;
}

/* The settings of one section. What is not set keeps what is there. */
static int read_section(struct conf_lines *lines, cfg_t *cfg, enum conf_section section, void *base)
{
	for (size_t i = 0; i < conf_n_rows; i++) {
		const struct conf_row *row = &conf_rows[i];
		cfg_opt_t *opt;

		if (row->section != section)
			continue;
		opt = cfg_getopt(cfg, row->name);
		for (unsigned n = 0; opt && n < cfg_opt_size(opt); n++) {
			const char *text = cfg_opt_getnstr(opt, n);

			if (text && set_value(row, base, text, mark_line(lines, opt, n),
					    lines->faults) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

static int set_defaults(enum conf_section section, void *base)
{
	char why[CONF_FAULT_MAX];

	for (size_t i = 0; i < conf_n_rows; i++) {
		const struct conf_row *row = &conf_rows[i];
		int r;

		if (row->section != section || row->kind == CONF_TEXTS)
			continue;
		r = conf_value_set(row, (char *)base + row->offset, row->value, why);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Where the struct of a section lies; of honeypot, of which there are many, the list. */
static const size_t section_offset[] = {
#define SECTION(id, name, titled, text) offsetof(struct conf, id),
#include "conf/settings.def"
};

static void *section_base(struct conf *conf, unsigned section)
{
	return (char *)conf + section_offset[section];
}

/* ---- honeypots ---- */

static int read_honeypot(struct conf_lines *lines, struct conf *conf, cfg_t *cfg)
{
	struct conf_a_honeypot *honeypot = &conf->honeypot[conf->n_honeypots++];
	const char *title = cfg_title(cfg);
	int r;

	conf_check_name(lines->faults,
		conf_outline_line(&lines->outline, CONF_SECTION_honeypot, title), "honeypot",
		title);
	snprintf(honeypot->name, sizeof(honeypot->name), "%s", title);
	honeypot->limit = conf->limit;
	r = set_defaults(CONF_SECTION_honeypot, &honeypot->set);
	if (r == 0)
		r = read_section(lines, cfg, CONF_SECTION_honeypot, &honeypot->set);
	if (honeypot->set.preset > 0)
		conf_preset_limit(honeypot->set.preset - 1, &honeypot->limit);
	if (r == 0)
		r = read_section(
			lines, cfg_getsec(cfg, "limit"), CONF_SECTION_limit, &honeypot->limit);
	return r;
}

static int read_honeypots(struct conf_lines *lines, struct conf *conf)
{
	unsigned n = cfg_size(lines->cfg, "honeypot");
	int r = 0;

	conf->honeypot = calloc(n + 1u, sizeof(*conf->honeypot));
	if (!conf->honeypot)
		return -ENOMEM;
	for (unsigned i = 0; i < n && r == 0; i++)
		r = read_honeypot(lines, conf, cfg_getnsec(lines->cfg, "honeypot", i));
	return r;
}

static int read_values(struct conf_lines *lines, struct conf *conf)
{
	int r = read_section(lines, lines->cfg, CONF_SECTION_top, &conf->top);

	conf_preset_limit(conf->top.preset, &conf->limit);
	for (unsigned s = CONF_SECTION_top + 1; s < CONF_SECTIONS && r == 0; s++)
		if (!conf_sections[s].titled)
			r = read_section(
				lines, section_cfg(lines->cfg, s, 0), s, section_base(conf, s));
	return r < 0 ? r : read_honeypots(lines, conf);
}

/* ---- the whole ---- */

int conf_default(struct conf **ret_conf)
{
	struct conf *conf = calloc(1, sizeof(*conf));
	int r = 0;

	if (!conf)
		return -ENOMEM;
	for (unsigned s = 0; s < CONF_SECTIONS && r == 0; s++)
		if (!conf_sections[s].titled)
			r = set_defaults(s, section_base(conf, s));
	conf->path = strdup("");
	if (r < 0 || !conf->path) {
		conf_free(conf);
		return r < 0 ? r : -ENOMEM;
	}
	*ret_conf = conf;
	return 0;
}

static void free_section(unsigned section, void *base)
{
	for (size_t i = 0; i < conf_n_rows; i++)
		if (conf_rows[i].section == section)
			conf_value_free(&conf_rows[i], (char *)base + conf_rows[i].offset);
}

struct conf *conf_free(struct conf *conf)
{
	if (!conf)
		return NULL;
	for (unsigned s = 0; s < CONF_SECTIONS; s++)
		if (!conf_sections[s].titled)
			free_section(s, section_base(conf, s));
	for (size_t i = 0; i < conf->n_honeypots; i++) {
		free_section(CONF_SECTION_honeypot, &conf->honeypot[i].set);
		free(conf->honeypot[i].address);
	}
	free(conf->honeypot);
	free(conf->resolver);
	free(conf->ntp_server);
	free(conf->path);
	free(conf);
	return NULL;
}

bool conf_honeypot_has(const struct conf_a_honeypot *honeypot, const struct ip *ip)
{
	for (size_t i = 0; i < honeypot->n_addresses; i++)
		if (ip_equal(&honeypot->address[i], ip))
			return true;
	return false;
}

const struct conf_a_honeypot *conf_honeypot_of(const struct conf *conf, const struct ip *ip)
{
	for (size_t i = 0; i < conf->n_honeypots; i++)
		if (conf_honeypot_has(&conf->honeypot[i], ip))
			return &conf->honeypot[i];
	return NULL;
}

static int parse(struct conf_lines *lines, const char *text)
{
	int r;

	lines->cfg = make_cfg();
	if (!lines->cfg)
		return -ENOMEM;
	cfg_set_error_function(lines->cfg, on_error);
	reading = lines;
	r = cfg_parse_buf(lines->cfg, text);
	reading = NULL;
	if (lines->no_memory)
		return -ENOMEM;
	if (r != CFG_SUCCESS && !conf_fault_any(lines->faults))
		conf_fault_add(lines->faults, 1, "this cannot be read; see fishbowl.conf(5)");
	return 0;
}

/* Everything but the end. 0 also when there are faults. */
static int read_text(char *text, struct conf *conf, struct conf_faults *faults)
{
	struct conf_lines lines = { .faults = faults };
	int r = conf_outline_read(text, faults, &lines.outline);

	if (r == 0 && lines.outline.well_formed) {
		r = parse(&lines, text);
		if (r == 0)
			r = read_values(&lines, conf);
		if (r == 0)
			r = conf_check(conf, &lines, faults);
	}
	if (lines.cfg)
		cfg_free(lines.cfg);
	free(lines.mark);
	conf_outline_done(&lines.outline);
	return r;
}

/* A configuration is text: no control characters, no NUL, valid lines. */
static void check_bytes(const char *text, size_t len, struct conf_faults *faults)
{
	unsigned line = 1;
	bool empty = true;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		conf_fault_add(faults, 1,
			"the file begins with a byte order mark; save it as UTF-8 without one");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		line += c == '\n';
		empty &= strchr(" \t\r\n\f\v", c) != NULL;
		if ((c < ' ' && !strchr("\t\r\n\f\v", c)) || c == '\0' || c == 0x7f) {
			conf_fault_add(faults, line,
				"byte 0x%02x is not text; this is not a configuration file", c);
			return;
		}
	}
	if (empty)
		conf_fault_add(faults, 1,
			"the file is empty; `fishbowl check-config --settings` prints one to start "
			"from");
}

int conf_load_text(
	const char *text, size_t len, const char *name, struct conf **ret_conf, char **ret_faults)
{
	struct conf_faults faults = { 0 };
	struct conf *conf;
	int r = conf_default(&conf);
	char *copy;

	if (r < 0)
		return r;
	free(conf->path);
	conf->path = strdup(name);
	copy = strndup(text, len);
	if (!copy || !conf->path)
		r = -ENOMEM;
	check_bytes(text, len, &faults);
	if (r == 0 && !conf_fault_any(&faults))
		r = read_text(copy, conf, &faults);
	free(copy);
	if (r == 0 && conf_fault_any(&faults)) {
		*ret_faults = conf_fault_text(&faults, name);
		r = *ret_faults ? -EINVAL : -ENOMEM;
	}
	conf_fault_done(&faults);
	if (r < 0)
		conf_free(conf);
	else
		*ret_conf = conf;
	return r;
}

/* ---- files ---- */

static int refuse_file(const char *name, int r, char **ret_faults)
{
	static const struct {
		int error;
		const char *text;
	} remedies[] = {
		{ ENOENT, "there is no such file; `fishbowl check-config --settings` prints one to "
			  "start from" },
		{ EACCES, "it may not be read by this user; run as root, or change its mode" },
		{ EISDIR, "it is a directory; name the file in it" },
		{ EFBIG, "it is larger than 1 MiB; this is not a configuration file" },
		{ ESPIPE, "it is not a regular file; name a file" },
	};
	const char *text = strerror(-r);

	for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++)
		if (remedies[i].error == -r)
			text = remedies[i].text;
	if (asprintf(ret_faults, "%s: %s", name, text) < 0)
		return -ENOMEM;
	return r;
}

int conf_load_fd(int fd, const char *name, struct conf **ret_conf, char **ret_faults)
{
	char *text;
	size_t len;
	int r = conf_file_read_fd(fd, CONF_FILE_MAX, &text, &len);

	if (r < 0)
		return refuse_file(name, r, ret_faults);
	r = conf_load_text(text, len, name, ret_conf, ret_faults);
	free(text);
	return r;
}

int conf_load(const char *path, struct conf **ret_conf, char **ret_faults)
{
	char *text;
	size_t len;
	int r = conf_file_read(path, CONF_FILE_MAX, &text, &len);

	if (r < 0)
		return refuse_file(path, r, ret_faults);
	r = conf_load_text(text, len, path, ret_conf, ret_faults);
	free(text);
	return r;
}
