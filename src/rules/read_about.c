/* SPDX-License-Identifier: Apache-2.0 */
/* Options about the rule itself. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "rules/reader.h"

#define VERSION_CLAIMED 9000000 /* of Suricata's language: what `requires` is held against; 9.0.0 */

static int need_value(struct rule_reader *reader, const char *wanted)
{
	if (!reader->value.at || reader_unquote(reader->value).len == 0)
		return reader_bad_value(reader, span_make(NULL, 0), wanted);
	return 0;
}

int rule_read_msg(struct rule_reader *reader, const struct rule_word *word)
{
	(void)word;
	if (!reader->value.at)
		return reader_bad_value(reader, reader->value, "text in quotes");
	return reader_text(reader_unquote(reader->value), &reader->rule->msg);
}

static int read_u32(struct rule_reader *reader, int64_t low, uint32_t *ret_number)
{
	int64_t number;
	int r = reader_number(reader, reader_unquote(reader->value), low, UINT32_MAX, &number);

	if (r == 0)
		*ret_number = (uint32_t)number;
	return r;
}

int rule_read_sid(struct rule_reader *reader, const struct rule_word *word)
{
	(void)word;
	if (reader->has_sid)
		return reader_refuse(reader, reader->name, "bad-combination", "a rule has one sid");
	reader->has_sid = true;
	return read_u32(reader, 1, &reader->rule->sid);
}

int rule_read_gid(struct rule_reader *reader, const struct rule_word *word)
{
	(void)word;
	return read_u32(reader, 0, &reader->rule->gid);
}

int rule_read_rev(struct rule_reader *reader, const struct rule_word *word)
{
	(void)word;
	return read_u32(reader, 0, &reader->rule->rev);
}

/* A class that nobody has told us is kept by its name: the rule finds what it finds. */
int rule_read_classtype(struct rule_reader *reader, const struct rule_word *word)
{
	struct span name = reader_unquote(reader->value);
	const struct rules_class *class;
	struct rule *rule = reader->rule;
	int r = need_value(reader, "the name of a class");

	(void)word;
	if (r < 0)
		return r;
	class = rules_text_class(reader->text, name);
	if (class && !reader->has_priority)
		rule->priority = class->priority;
	r = reader_text(name, &rule->classtype);
	if (r == 0 && class)
		r = reader_text(span_make(class->text, strlen(class->text)), &rule->category);
	return r;
}

int rule_read_priority(struct rule_reader *reader, const struct rule_word *word)
{
	int64_t number;
	int r = reader_number(reader, reader_unquote(reader->value), 1, 255, &number);

	(void)word;
	if (r < 0)
		return r;
	reader->rule->priority = (uint8_t)number;
	reader->has_priority = true;
	return 0;
}

int rule_read_reference(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader_unquote(reader->value), system = { 0 };
	struct rule *rule = reader->rule;
	struct rule_reference *more, *last;

	(void)word;
	span_next(&rest, ',', &system);
	rest = span_trim(rest);
	if (system.len == 0 || rest.len == 0)
		return reader_bad_value(reader, reader->value, "SYSTEM,ID");
	if (rule->n_references >= 1024)
		return reader_refuse(reader, reader->name, "too-long", "at most 1024 references");
	more = reallocarray(rule->reference, rule->n_references + 1U, sizeof(*more));
	if (!more)
		return -ENOMEM;
	rule->reference = more;
	last = &more[rule->n_references++];
	*last = (struct rule_reference){ 0 };
	if (reader_text(system, &last->system) < 0 || reader_text(rest, &last->id) < 0)
		return -ENOMEM;
	return 0;
}

int rule_read_metadata(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule *rule = reader->rule;
	char *longer;
	struct span value = reader_unquote(reader->value);

	(void)word;
	if (!reader->value.at)
		return reader_bad_value(reader, reader->value, "KEY VALUE, ...");
	if (asprintf(&longer, "%s%s%.*s", rule->metadata ? rule->metadata : "",
		    rule->metadata ? ", " : "", (int)value.len, value.at ? value.at : "") < 0)
		return -ENOMEM;
	free(rule->metadata);
	rule->metadata = longer;
	return 0;
}

int rule_read_target(struct rule_reader *reader, const struct rule_word *word)
{
	(void)word;
	if (span_is(reader->value, "src_ip"))
		reader->rule->target = 1;
	else if (span_is(reader->value, "dest_ip"))
		reader->rule->target = 2;
	else
		return reader_bad_value(reader, reader->value, "src_ip or dest_ip");
	return 0;
}

int rule_read_noalert(struct rule_reader *reader, const struct rule_word *word)
{
	(void)word;
	reader->rule->noalert = true;
	return 0;
}

int rule_read_alert(struct rule_reader *reader, const struct rule_word *word)
{
	(void)word;
	reader->rule->noalert = false;
	reader->rule->alert = true;
	return 0;
}

int rule_read_prefilter(struct rule_reader *reader, const struct rule_word *word)
{
	(void)word;
	reader->rule->prefilter = true;
	return 0;
}

int rule_read_filestore(struct rule_reader *reader, const struct rule_word *word)
{
	(void)word;
	reader->rule->filestore = true;
	return 0;
}

int rule_read_ignore(struct rule_reader *reader, const struct rule_word *word)
{
	(void)reader;
	(void)word;
	return 0;
}

int rule_read_unsupported(struct rule_reader *reader, const struct rule_word *word)
{
	return reader_refuse(
		reader, reader->name, "unsupported-keyword", "%s: %s", word->name, word->text);
}

/* ---- requires ---- */

/* 7.0.3 as 7000003. */
static bool read_version(struct span s, int64_t *ret_version)
{
	int64_t version = 0, number;
	struct span piece;
	unsigned n = 0;

	while (span_next(&s, '.', &piece)) {
		if (++n > 3 || !span_number(piece, &number) || number < 0 || number > 999)
			return false;
		version = version * 1000 + number;
	}
	for (; n < 3; n++)
		version *= 1000;
	*ret_version = version;
	return true;
}

static bool holds(struct span sign, int64_t version, bool *ret_known)
{
	*ret_known = true;
	if (span_is(sign, ">="))
		return VERSION_CLAIMED >= version;
	if (span_is(sign, ">"))
		return VERSION_CLAIMED > version;
	if (span_is(sign, "<"))
		return VERSION_CLAIMED < version;
	if (span_is(sign, "<="))
		return VERSION_CLAIMED <= version;
	*ret_known = false;
	return false;
}

/* ">= 7.0.3 < 8": all of them. */
static int read_version_range(struct rule_reader *reader, struct span s, bool *ret_holds)
{
	struct span sign, number;
	bool all = true, known;
	int64_t version;

	while (span_next_word(&s, &sign)) {
		size_t n = 0;

		while (n < sign.len && strchr("<>=", sign.at[n]) && sign.at[n])
			n++;
		number = span_from(sign, n);
		sign = span_make(sign.at, n);
		if (number.len == 0)
			span_next_word(&s, &number);
		if (number.len == 0 || !read_version(number, &version))
			return reader_bad_value(reader, sign, "a version: >= 7.0.3");
		all &= holds(sign, version, &known);
		if (!known)
			return reader_bad_value(reader, sign, "one of < <= > >=");
	}
	*ret_holds = all;
	return 0;
}

static int read_requirement(struct rule_reader *reader, struct span piece, bool *ret_holds)
{
	struct span rest = piece, kind, range;
	bool some = false, one = false;
	int r = 0;

	span_next_word(&rest, &kind);
	rest = span_trim(rest);
	if (span_is(kind, "version")) {
		while (r == 0 && span_next(&rest, '|', &range)) {
			r = read_version_range(reader, range, &one);
			if (r == 0)
				some |= one;
		}
		*ret_holds = some;
		return r;
	}
	if (span_is(kind, "keyword")) {
		const struct rule_word *word = rule_word_find(rest);

		*ret_holds = word && word->read != rule_read_unsupported;
	} else if (span_is(kind, "feature")) {
		*ret_holds = false;
	} else {
		return reader_bad_value(reader, piece, "version, keyword or feature");
	}
	return 0;
}

int rule_read_requires(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader->value, piece;
	bool met;
	int r = need_value(reader, "version, keyword or feature");

	(void)word;
	while (r == 0 && span_next(&rest, ',', &piece)) {
		r = read_requirement(reader, piece, &met);
		if (r == 0 && !met)
			r = reader_refuse(reader, piece, "requires",
				"the rule asks for %.*s, which is not there",
				piece.len > 60 ? 60 : (int)piece.len, piece.at);
	}
	return r;
}
