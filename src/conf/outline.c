/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/outline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The longest name or value shown in a fault. */
enum { WORD_MAX = 64, DEPTH_MAX = 3, NAMES_MAX = 64 };

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

enum kind { WORD, EQUALS, OPEN, CLOSE, COMMA, OTHER, END, UNCLOSED };

struct token {
	enum kind kind;
	unsigned line; /* where it begins */
	char *at;
	bool quoted;         /* a WORD in quotes */
	bool first;          /* the first of its line */
	char text[WORD_MAX]; /* cut if longer */
};

struct reader {
	char *at;
	unsigned line;
	bool line_begun;
	struct conf_faults *faults;
	struct conf_outline *outline;
	bool no_memory;
};

/* What was set in the section that is open, to find it set twice. */
struct scope {
	enum conf_section
		section; /* CONF_SECTIONS: an unknown one, whose names are not looked at */
	char title[WORD_MAX];
	unsigned line;
	struct {
		char name[WORD_MAX];
		unsigned line;
	} set[NAMES_MAX];
	size_t n_set;
};

/* ---- tokens: the lexical rules of libConfuse ---- */

static void advance(struct reader *r)
{
	if (*r->at == '\n') {
		r->line++;
		r->line_begun = false;
	}
	r->at++;
}

static void skip_line(struct reader *r)
{
	while (*r->at && *r->at != '\n')
		advance(r);
}

static bool skip_comment(struct reader *r)
{
	while (*r->at && strncmp(r->at, "*/", 2) != 0)
		advance(r);
	if (!*r->at)
		return false;
	r->at += 2;
	return true;
}

/* False at a comment that is not closed. */
static bool skip_blank(struct reader *r, unsigned *ret_line)
{
	for (;;) {
		*ret_line = r->line;
		if (*r->at && strchr(" \t\r\n\f\v", *r->at)) {
			advance(r);
		} else if (*r->at == '#' || strncmp(r->at, "//", 2) == 0) {
			skip_line(r);
		} else if (strncmp(r->at, "/*", 2) == 0) {
			r->at += 2;
			if (!skip_comment(r))
				return false;
		} else {
			return true;
		}
	}
}

static void take_char(struct reader *r, struct token *token, size_t *len)
{
	if (*len + 1 < WORD_MAX)
		token->text[(*len)++] = *r->at;
	advance(r);
}

/* A string ends at its quote. One that spans lines has almost always lost it. */
static void read_quoted(struct reader *r, struct token *token)
{
	char quote = *r->at;
	size_t len = 0;

	token->quoted = true;
	r->at++;
	while (*r->at && *r->at != '\n' && *r->at != quote) {
		if (*r->at == '\\' && r->at[1] && r->at[1] != '\n')
			r->at++;
		take_char(r, token, &len);
	}
	if (*r->at == quote)
		r->at++;
	else
		token->kind = UNCLOSED;
}

static void read_word(struct reader *r, struct token *token)
{
	size_t len = 0;

	while (*r->at && !strchr(" \t\r\n\f\v\"'={}()+,#", *r->at))
		take_char(r, token, &len);
}

static void read_mark(struct reader *r, struct token *token)
{
	static const struct {
		char c;
		enum kind kind;
	} marks[] = { { '=', EQUALS }, { '{', OPEN }, { '}', CLOSE }, { ',', COMMA } };

	token->kind = OTHER;
	token->text[0] = *r->at;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (marks[i].c == *r->at)
			token->kind = marks[i].kind;
	if (r->at[0] == '+' && r->at[1] == '=') {
		token->kind = EQUALS;
		token->text[1] = '=';
		r->at++;
	}
	r->at++;
}

static struct token next_token(struct reader *r)
{
	struct token token = { .kind = WORD };

	if (!skip_blank(r, &token.line)) {
		conf_fault_add(r->faults, token.line,
			"the comment that begins here is never closed; close it with */");
		token.kind = UNCLOSED;
		return token;
	}
	token.at = r->at;
	token.first = !r->line_begun;
	r->line_begun = true;
	if (!*r->at)
		token.kind = END;
	else if (*r->at == '"' || *r->at == '\'')
		read_quoted(r, &token);
	else if (strchr("={}()+,", *r->at))
		read_mark(r, &token);
	else
		read_word(r, &token);
	if (token.kind == UNCLOSED)
		conf_fault_add(r->faults, token.line,
			"the text that begins with \"%.20s has no closing quote; close it on the "
			"same line",
			token.text);
	return token;
}

static struct token peek_token(struct reader *r)
{
	struct reader ahead = *r;
	struct conf_faults ignored = { 0 };
	struct token token;

	ahead.faults = &ignored;
	token = next_token(&ahead);
	conf_fault_done(&ignored);
	return token;
}

/* ---- names ---- */

/* Levenshtein's edit distance. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[WORD_MAX + 1];
	size_t n = strnlen(b, WORD_MAX);

	for (unsigned i = 0; i <= n; i++)
		row[i] = i;
	for (; *a; a++) {
		unsigned diagonal = row[0]++;

		for (size_t i = 0; i < n; i++) {
			unsigned best = diagonal + (*a != b[i]);

			diagonal = row[i + 1];
			if (row[i] + 1 < best)
				best = row[i] + 1;
			if (row[i + 1] + 1 < best)
				best = row[i + 1] + 1;
			row[i + 1] = best;
		}
	}
	return row[n];
}

static const char *nearest_name(enum conf_section section, const char *name)
{
	unsigned best = (unsigned)strlen(name) / 3 + 2;
	const char *nearest = NULL;

	for (size_t i = 0; i < conf_n_rows + CONF_SECTIONS; i++) {
		const char *known;
		unsigned d;

		if (i < conf_n_rows && conf_rows[i].section == section)
			known = conf_rows[i].name;
		else if (i >= conf_n_rows &&
			 conf_section_allowed(section, (enum conf_section)(i - conf_n_rows)))
			known = conf_sections[i - conf_n_rows].name;
		else
			continue;
		d = distance(name, known);
		if (d < best) {
			best = d;
			nearest = known;
		}
	}
	return nearest;
}

static enum conf_section section_with(const char *name)
{
	for (size_t i = 0; i < conf_n_rows; i++)
		if (strcmp(conf_rows[i].name, name) == 0)
			return conf_rows[i].section;
	return CONF_SECTIONS;
}

static const char *where_text(enum conf_section section, char buf[static WORD_MAX])
{
	if (section == CONF_SECTION_top)
		return "at the top level";
	snprintf(buf, WORD_MAX, "in section %s", conf_sections[section].name);
	return buf;
}

static void fault_unknown(
	struct reader *r, const struct scope *scope, const struct token *name, const char *what)
{
	const char *nearest = nearest_name(scope->section, name->text);
	enum conf_section other = section_with(name->text);
	char buf[WORD_MAX], there[WORD_MAX];
	const char *here = where_text(scope->section, buf);

	if (strcmp(what, "section") == 0 && conf_section_find(name->text) != CONF_SECTIONS)
		conf_fault_add(r->faults, name->line,
			"section %s cannot stand %s, which began on line %u; close that one before "
			"it",
			name->text, here, scope->line);
	else if (other != CONF_SECTIONS)
		conf_fault_add(r->faults, name->line, "%s is not a setting %s; it belongs %s",
			name->text, here, where_text(other, there));
	else if (nearest)
		conf_fault_add(r->faults, name->line, "there is no %s %s %s; did you mean %s?",
			what, name->text, here, nearest);
	else
		conf_fault_add(r->faults, name->line,
			"there is no %s %s %s; `fishbowl check-config --settings` lists all", what,
			name->text, here);
}

/* What no table knows is a fault by now. Without it libConfuse reads on. */
static void blank_out(struct reader *r, const struct token *name)
{
	for (char *at = name->at; at < r->at; at++)
		if (*at != '\n')
			*at = ' ';
}

/* ---- structure ---- */

static void note_set(struct reader *r, struct scope *scope, const struct token *name, bool adds)
{
	for (size_t i = 0; i < scope->n_set; i++) {
		if (strcmp(scope->set[i].name, name->text) != 0)
			continue;
		if (!adds)
			conf_fault_add(r->faults, name->line,
				"%s is already set on line %u; keep one of the two", name->text,
				scope->set[i].line);
		return;
	}
	if (scope->n_set == NAMES_MAX)
		return;
	memcpy(scope->set[scope->n_set].name, name->text, WORD_MAX);
	scope->set[scope->n_set++].line = name->line;
}

static bool read_list(struct reader *r, const struct token *name)
{
	bool comma = true;

	for (;;) {
		struct token next = peek_token(r);

		if (next.kind == UNCLOSED) {
			next_token(r);
			return false;
		}
		if (next.kind == END || next.kind == EQUALS || next.kind == OPEN ||
			next.kind == OTHER) {
			conf_fault_add(r->faults, name->line,
				"the list %s is never closed; end it with }", name->text);
			return false;
		}
		if (next.kind == WORD && !comma) {
			conf_fault_add(r->faults, next.line,
				next.first ? "before \"%s\" a comma is missing, or the list %s is "
					     "not closed; "
					     "put a comma between entries and } at the end"
					   : "before \"%s\" a comma is missing; put one between "
					     "the entries of %s",
				next.text, name->text);
			return false;
		}
		comma = next.kind == COMMA;
		next_token(r);
		if (next.kind == CLOSE)
			return true;
	}
}

static bool read_value(struct reader *r, struct scope *scope, const struct token *name)
{
	const struct conf_row *row =
		scope->section < CONF_SECTIONS ? conf_row_find(scope->section, name->text) : NULL;
	struct token value = next_token(r);

	if (value.kind == UNCLOSED)
		return false;
	if (value.kind == OPEN) {
		if (row && row->kind != CONF_TEXTS) {
			conf_fault_add(r->faults, value.line,
				"%s takes one value, not a list; write it without { }", name->text);
			return false;
		}
		return read_list(r, name);
	}
	if (value.kind != WORD || (value.first && !value.quoted)) {
		conf_fault_add(r->faults, name->line, "%s has no value; write %s = %s", name->text,
			name->text, row && row->kind == CONF_TEXTS ? "{\"...\"}" : "\"...\"");
		return false;
	}
	return true;
}

static bool read_scope(struct reader *r, struct scope *scope, unsigned depth);

static void note_opening(
	struct reader *r, enum conf_section section, const struct token *name, const char *title)
{
	struct conf_outline *outline = r->outline;
	struct conf_opening *more;

	for (size_t i = 0; i < outline->n; i++) {
		const struct conf_opening *opening = &outline->opening[i];

		if (opening->section != section || strcmp(opening->title, title) != 0)
			continue;
		if (conf_sections[section].titled)
			conf_fault_add(r->faults, name->line,
				"%s \"%s\" is already defined on line %u; give each its own name",
				name->text, title, opening->line);
		else
			conf_fault_add(r->faults, name->line,
				"section %s is already given on line %u; join the two", name->text,
				opening->line);
		return;
	}
	more = reallocarray(outline->opening, outline->n + 1, sizeof(*more));
	if (!more) {
		r->no_memory = true;
		return;
	}
	outline->opening = more;
	more += outline->n++;
	more->section = section;
	more->line = name->line;
	snprintf(more->title, sizeof(more->title), "%s", title);
}

/* The section that `name` opens, in *ret_section; CONF_SECTIONS for an unknown one. */
static bool enter_section(struct reader *r, struct scope *outer, const struct token *name,
	const char *title, enum conf_section *ret_section)
{
	enum conf_section section = conf_section_find(name->text);

	*ret_section = CONF_SECTIONS;
	if (outer->section == CONF_SECTIONS)
		return true;
	if (conf_row_find(outer->section, name->text)) {
		conf_fault_add(r->faults, name->line,
			"%s is a setting, not a section; write %s = ...", name->text, name->text);
		return false;
	}
	if (!conf_section_allowed(outer->section, section)) {
		fault_unknown(r, outer, name, "section");
		return true;
	}
	if (conf_sections[section].titled != (title != NULL)) {
		conf_fault_add(r->faults, name->line,
			title ? "section %s takes no name; write %s { ... }"
			      : "this %s has no name; write %s \"name\" { ... }",
			name->text, name->text);
		return false;
	}
	if (outer->section == CONF_SECTION_top)
		note_opening(r, section, name, title ? title : "");
	else
		note_set(r, outer, name, false);
	*ret_section = section;
	return true;
}

static bool read_section(struct reader *r, struct scope *outer, const struct token *name,
	const char *title, unsigned depth)
{
	struct scope scope = { .line = name->line };

	if (!enter_section(r, outer, name, title, &scope.section))
		return false;
	snprintf(scope.title, sizeof(scope.title), "%.30s%s%.30s", name->text, title ? " " : "",
		title ? title : "");
	if (depth == DEPTH_MAX) {
		conf_fault_add(r->faults, name->line,
			"section %s is nested too deeply; close the sections around it",
			name->text);
		return false;
	}
	if (!read_scope(r, &scope, depth + 1))
		return false;
	if (scope.section == CONF_SECTIONS)
		blank_out(r, name);
	return true;
}

static bool read_setting(struct reader *r, struct scope *scope, const struct token *name, bool adds)
{
	bool known = scope->section == CONF_SECTIONS || conf_row_find(scope->section, name->text);

	if (scope->section != CONF_SECTIONS) {
		if (conf_section_allowed(scope->section, conf_section_find(name->text))) {
			conf_fault_add(r->faults, name->line,
				"%s is a section; write it without =", name->text);
			return false;
		}
		if (!known)
			fault_unknown(r, scope, name, "setting");
		note_set(r, scope, name, adds);
	}
	if (!read_value(r, scope, name))
		return false;
	if (!known)
		blank_out(r, name);
	return true;
}

/* Neither = nor { after a name, and not `name "title" {`. */
static bool fault_form(struct reader *r, const struct token *name, const struct token *next)
{
	enum conf_section section = conf_section_find(name->text);
	int len = (int)strcspn(name->text, ":");
	bool same_line = next->kind == WORD && next->line == name->line;

	if (section != CONF_SECTIONS)
		conf_fault_add(r->faults, name->line, "%s has no opening brace; write %s%s { ... }",
			name->text, name->text, conf_sections[section].titled ? " \"name\"" : "");
	else if (strspn(name->text, NAME_CHARS) < (size_t)len || len == 0)
		conf_fault_add(r->faults, name->line,
			"\"%s\" cannot be the name of a setting; write name = value", name->text);
	else if (same_line || name->text[len] == ':')
		conf_fault_add(r->faults, name->line,
			"after %.*s an equals sign is missing; write %.*s = ...", len, name->text,
			len, name->text);
	else
		conf_fault_add(r->faults, name->line, "%s has no value; write %s = ...", name->text,
			name->text);
	return false;
}

static bool read_entry(
	struct reader *r, struct scope *scope, const struct token *name, unsigned depth)
{
	struct token next = peek_token(r);

	if (next.kind == UNCLOSED) {
		next_token(r);
		return false;
	}
	if (next.kind == EQUALS) {
		next_token(r);
		return read_setting(r, scope, name, next.text[0] == '+');
	}
	if (next.kind == OPEN) {
		next_token(r);
		return read_section(r, scope, name, NULL, depth);
	}
	if (next.kind == WORD && next.line == name->line) {
		next_token(r);
		if (peek_token(r).kind == OPEN) {
			next_token(r);
			return read_section(r, scope, name, next.text, depth);
		}
	}
	return fault_form(r, name, &next);
}

/* False at the first fault of form: what follows it could only be guessed. */
static bool read_scope(struct reader *r, struct scope *scope, unsigned depth)
{
	for (;;) {
		struct token token = next_token(r);

		if (token.kind == UNCLOSED)
			return false;
		if (token.kind == END && depth > 0)
			conf_fault_add(r->faults, scope->line,
				"section %s is opened here and never closed; add a } at its end",
				scope->title);
		if (token.kind == END)
			return depth == 0;
		if (token.kind == CLOSE && depth > 0)
			return true;
		if (token.kind == CLOSE)
			conf_fault_add(r->faults, token.line,
				"this } closes nothing; remove it, or add the { that it should "
				"close");
		else if (token.kind == WORD && strcmp(token.text, ";") == 0)
			conf_fault_add(r->faults, token.line,
				"a setting does not end with a semicolon; remove it");
		else if (token.kind != WORD || token.quoted)
			conf_fault_add(r->faults, token.line,
				"%s\"%s\" stands where the name of a setting should be; write name "
				"= value",
				token.quoted ? "the text " : "", token.text);
		else if (read_entry(r, scope, &token, depth))
			continue;
		return false;
	}
}

int conf_outline_read(char *text, struct conf_faults *faults, struct conf_outline *ret_outline)
{
	struct conf_outline outline = { 0 };
	struct reader reader = { .at = text, .line = 1, .faults = faults, .outline = &outline };
	struct scope top = { .section = CONF_SECTION_top, .line = 1 };

	outline.well_formed = read_scope(&reader, &top, 0);
	if (reader.no_memory) {
		conf_outline_done(&outline);
		return -ENOMEM;
	}
	*ret_outline = outline;
	return 0;
}

void conf_outline_done(struct conf_outline *outline)
{
	free(outline->opening);
	*outline = (struct conf_outline){ 0 };
}

unsigned conf_outline_line(
	const struct conf_outline *outline, enum conf_section section, const char *title)
{
	for (size_t i = 0; i < outline->n; i++)
		if (outline->opening[i].section == section &&
			strncmp(outline->opening[i].title, title, WORD_MAX - 1) == 0)
			return outline->opening[i].line;
	return 1;
}
