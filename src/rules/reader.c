/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers of those that read options: faults, numbers, variables, new options. */
#include "rules/reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int reader_refuse(
	struct rule_reader *reader, struct span at, const char *reason, const char *why, ...)
{
	va_list arguments;

	va_start(arguments, why);
	vsnprintf(reader->why, sizeof(reader->why), why, arguments);
	va_end(arguments);
	reader->at = at.at;
	reader->reason = reason;
	return -EINVAL;
}

static int shown(struct span s)
{
	return s.len > 60 ? 60 : (int)s.len;
}

int reader_bad_value(struct rule_reader *reader, struct span at, const char *wanted)
{
	struct span name = reader->name;

	if (!at.at || at.len == 0)
		return reader_refuse(reader, at.at ? at : name, "missing-value",
			"%.*s wants %s, and there is nothing", shown(name), name.at, wanted);
	return reader_refuse(reader, at, "bad-value", "%.*s wants %s, not \"%.*s\"", shown(name),
		name.at, wanted, shown(at), at.at);
}

static int copy_transforms(struct rule_reader *reader, struct rule_option *option)
{
	size_t n = reader->n_transforms;

	if (n == 0)
		return 0;
	option->transform = calloc(n, sizeof(*option->transform));
	if (!option->transform)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		option->transform[i] = reader->transform[i];
		option->n_transforms++;
		if (!reader->transform[i].pattern)
			continue;
		option->transform[i].pattern = strdup(reader->transform[i].pattern);
		if (!option->transform[i].pattern)
			return -ENOMEM;
	}
	return 0;
}

static int grow(struct rule_reader *reader)
{
	struct rule *rule = reader->rule;
	struct rule_option *more;

	if (rule->n_options >= RULE_OPTIONS_MAX)
		return reader_refuse(reader, reader->name, "too-long",
			"a rule has at most %d options that are evaluated", RULE_OPTIONS_MAX);
	if (rule->n_options < reader->room)
		return 0;
	more = reallocarray(rule->option, reader->room ? 2U * reader->room : 4, sizeof(*more));
	if (!more)
		return -ENOMEM;
	rule->option = more;
	reader->room = (uint16_t)(reader->room ? 2 * reader->room : 4);
	return 0;
}

int reader_add(struct rule_reader *reader, enum rule_keyword keyword, bool looks,
	struct rule_option **ret_option)
{
	struct rule *rule = reader->rule;
	struct rule_option *option;
	int r = grow(reader);

	if (r < 0)
		return r;
	option = &rule->option[rule->n_options++];
	*option = (struct rule_option){ .keyword = keyword,
		.column = (uint16_t)(reader->name.at - reader->all.at + 1) };
	if (looks) {
		option->buffer = reader->buffer;
		option->list = reader->list;
		reader->buffer_idle = false;
		r = copy_transforms(reader, option);
		if (r < 0)
			return r;
	}
	*ret_option = option;
	return 0;
}

struct rule_option *reader_content(struct rule_reader *reader)
{
	return reader->last_content < 0 ? NULL : &reader->rule->option[reader->last_content];
}

int reader_number(
	struct rule_reader *reader, struct span s, int64_t low, int64_t high, int64_t *ret_number)
{
	char wanted[80] = "a number";
	int64_t number;

	if (span_number(s, &number) && number >= low && number <= high) {
		*ret_number = number;
		return 0;
	}
	if (high != INT64_MAX)
		snprintf(wanted, sizeof(wanted), "a number from %lld to %lld", (long long)low,
			(long long)high);
	return reader_bad_value(reader, s, wanted);
}

static bool is_name(struct span s)
{
	if (s.len == 0 || s.len > 64)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!isalnum((unsigned char)s.at[i]) && !strchr("_.-", s.at[i]))
			return false;
	return !isdigit((unsigned char)s.at[0]) && s.at[0] != '-';
}

int reader_variable(struct rule_reader *reader, struct span name, bool make, uint8_t *ret_var)
{
	struct rule *rule = reader->rule;

	for (uint8_t i = 0; i < rule->n_vars; i++) {
		struct span var = reader->var[i];

		if (var.len == name.len && memcmp(var.at, name.at, name.len) == 0) {
			*ret_var = i;
			return 0;
		}
	}
	if (!is_name(name))
		return reader_bad_value(reader, name, "a number or the name of a variable");
	if (!make)
		return reader_refuse(reader, name, "unknown-variable",
			"no byte_extract or byte_math before this makes %.*s", shown(name),
			name.at);
	if (rule->n_vars >= RULE_VARS_MAX)
		return reader_refuse(reader, name, "too-long",
			"a rule has at most %d byte variables", RULE_VARS_MAX);
	reader->var[rule->n_vars] = name;
	*ret_var = rule->n_vars++;
	return 0;
}

int reader_value(struct rule_reader *reader, struct span s, struct rule_value *ret_value)
{
	struct rule_value value = { 0 };

	if (!span_number(s, &value.number)) {
		int r = reader_variable(reader, s, false, &value.var);

		if (r < 0)
			return r;
		value.is_var = true;
	}
	*ret_value = value;
	return 0;
}

/* kb, mb, gb, with an i or without: taken from the end of `s`, as bits to shift. */
static unsigned take_unit(struct span *s)
{
	static const struct {
		const char *text;
		unsigned bits;
	} units[] = { { "kb", 10 }, { "kib", 10 }, { "mb", 20 }, { "mib", 20 }, { "gb", 30 },
		{ "gib", 30 } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t len = strlen(units[i].text);

		if (s->len <= len || (s->at[1] | 0x20) == 'x' ||
			!span_is_any_case(span_from(*s, s->len - len), units[i].text) ||
			!isdigit((unsigned char)s->at[s->len - len - 1]))
			continue;
		s->len -= len;
		return units[i].bits;
	}
	return 0;
}

/* A number of a comparison, with its unit. */
static int compare_value(struct rule_reader *reader, struct span s, struct rule_value *ret_value)
{
	struct span number = span_trim(s);
	unsigned bits = take_unit(&number);
	int r;

	*ret_value = (struct rule_value){ 0 };
	r = reader_number(reader, number, INT64_MIN / 2, bits ? INT64_MAX >> bits : INT64_MAX,
		&ret_value->number);
	if (r == 0)
		ret_value->number *= (int64_t)1 << bits;
	return r;
}

static const struct {
	const char *text;
	enum rule_op op;
} operators[] = { { "<=", RULE_LE }, { ">=", RULE_GE }, { "!=", RULE_NE }, { "==", RULE_EQ },
	{ "<", RULE_LT }, { ">", RULE_GT }, { "=", RULE_EQ }, { "!", RULE_NE } };

static enum rule_op take_operator(struct span *s)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		size_t len = strlen(operators[i].text);

		if (s->len >= len && memcmp(s->at, operators[i].text, len) == 0) {
			*s = span_skip_space(span_from(*s, len));
			return operators[i].op;
		}
	}
	return RULE_EQ;
}

static int read_range(struct rule_reader *reader, struct span s, size_t at, size_t width,
	enum rule_op op, struct rule_compare *ret)
{
	struct rule_compare range = { .op = op };
	int r = compare_value(reader, span_make(s.at, at), &range.a);

	if (r == 0)
		r = compare_value(reader, span_from(s, at + width), &range.b);
	if (r < 0)
		return r;
	if (range.a.number > range.b.number)
		return reader_refuse(reader, s, "bad-value", "write the smaller number first");
	*ret = range;
	return 0;
}

/* All but a range. Where its ends are not part of it, they are of this. */
static int read_outside(struct rule_reader *reader, struct span s, size_t at, size_t width,
	bool inclusive, struct rule_compare *ret)
{
	int r = read_range(reader, s, at, width, RULE_OUTSIDE, ret);

	if (r == 0 && !inclusive && ret->b.number > ret->a.number) {
		ret->a.number++;
		ret->b.number--;
	}
	return r;
}

/* Where the two ends of a range part: "<>" or a dash behind the first number. */
static size_t find_range(struct span s, size_t *ret_width)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.at[i] == '<' && i + 1 < s.len && s.at[i + 1] == '>') {
			*ret_width = 2;
			return i;
		}
		if (s.at[i] == '-' && isxdigit((unsigned char)s.at[i - 1])) {
			*ret_width = 1;
			return i;
		}
	}
	return 0;
}

int reader_compare(
	struct rule_reader *reader, struct span s, bool inclusive, struct rule_compare *ret_compare)
{
	struct rule_compare compare = { 0 };
	size_t width = 0, at;
	struct span rest;
	int r;

	s = span_trim(reader_unquote(s));
	at = find_range(s, &width);
	if (at > 0 && span_take(&s, '!'))
		return read_outside(reader, s, at - 1, width, inclusive, ret_compare);
	if (at > 0)
		return read_range(reader, s, at, width,
			inclusive ? RULE_RANGE_INCLUSIVE : RULE_RANGE, ret_compare);
	rest = s;
	compare.op = take_operator(&rest);
	if (rest.len == 0)
		return reader_bad_value(reader, s, "a number, <N, >N, or N<>M");
	r = compare_value(reader, rest, &compare.a);
	if (r == 0)
		*ret_compare = compare;
	return r;
}

struct span reader_unquote(struct span s)
{
	s = span_trim(s);
	if (s.len >= 2 && s.at[0] == '"' && s.at[s.len - 1] == '"')
		return span_make(s.at + 1, s.len - 2);
	return s;
}

int reader_track(struct rule_reader *reader, struct span s, enum rule_track *ret_track)
{
	static const struct {
		const char *name;
		enum rule_track track;
	} tracks[] = { { "by_src", RULE_TRACK_SRC }, { "by_dst", RULE_TRACK_DST },
		{ "by_rule", RULE_TRACK_RULE }, { "by_both", RULE_TRACK_PAIR },
		{ "by_flow", RULE_TRACK_FLOW }, { "ip_src", RULE_TRACK_SRC },
		{ "ip_dst", RULE_TRACK_DST }, { "ip_pair", RULE_TRACK_PAIR },
		{ "tx", RULE_TRACK_TX } };

	for (size_t i = 0; i < sizeof(tracks) / sizeof(tracks[0]); i++)
		if (span_is(s, tracks[i].name)) {
			*ret_track = tracks[i].track;
			return 0;
		}
	return reader_bad_value(reader, s, "by_src, by_dst, by_both, by_rule or by_flow");
}

int reader_text(struct span s, char **ret_text)
{
	char *text = span_copy(s);
	size_t n = 0;

	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < s.len; i++) {
		if (text[i] == '\\' && i + 1 < s.len)
			i++;
		text[n++] = text[i];
	}
	text[n] = 0;
	free(*ret_text);
	*ret_text = text;
	return 0;
}
