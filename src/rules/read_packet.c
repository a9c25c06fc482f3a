/* SPDX-License-Identifier: Apache-2.0 */
/* Options about a packet's headers, and numbers of protocols. */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <time.h>

#include "rules/reader.h"

int rule_read_plain(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule_option *option;

	if (reader->value.at && reader->value.len > 0)
		return reader_bad_value(reader, reader->value, "no value");
	return reader_add(reader, (enum rule_keyword)word->argument, true, &option);
}

int rule_read_compare(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule_option *option;
	int r = reader_add(reader, (enum rule_keyword)word->argument, false, &option);

	if (r < 0)
		return r;
	return reader_compare(
		reader, reader->value, word->argument == RULE_DSIZE, &option->compare);
}

/* 2015, 2015-03, 2015-03-09, 2015-03-09T12:30:00: seconds since 1970. */
static bool read_date(struct span s, int64_t *ret_seconds)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d",
		"%Y-%m", "%Y" };
	char text[32];

	if (s.len < 4 || s.len >= sizeof(text))
		return false;
	memcpy(text, s.at, s.len);
	text[s.len] = 0;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm when = { .tm_mday = 1 };
		const char *end = strptime(text, forms[i], &when);

		if (!end || end != text + s.len)
			continue;
		*ret_seconds = timegm(&when);
		return true;
	}
	return false;
}

/* <DATE, >DATE, or DATE<>DATE. */
static int read_dates(struct rule_reader *reader, struct span s, struct rule_compare *compare)
{
	const char *between = s.len ? memmem(s.at, s.len, "<>", 2) : NULL;
	struct span first = s;

	compare->op = RULE_EQ;
	if (between) {
		compare->op = RULE_RANGE;
		first.len = (size_t)(between - s.at);
		if (!read_date(span_trim(span_from(s, first.len + 2)), &compare->b.number))
			return reader_bad_value(reader, s, "DATE<>DATE");
	} else if (span_take(&first, '<')) {
		compare->op = RULE_LT;
	} else if (span_take(&first, '>')) {
		compare->op = RULE_GT;
	}
	if (!read_date(span_trim(first), &compare->a.number))
		return reader_bad_value(reader, s, "a date: <2025-01-31, >2025, 2024<>2025");
	return 0;
}

static bool is_date(int number)
{
	return number == NUMBER_TLS_NOT_BEFORE || number == NUMBER_TLS_NOT_AFTER ||
	       number == NUMBER_TLS_CLIENT_NOT_BEFORE || number == NUMBER_TLS_CLIENT_NOT_AFTER;
}

/* WORD or !WORD, where the values of a number have names. */
static bool read_word(int number, struct span s, struct rule_compare *compare)
{
	uint64_t value;
	bool negated;

	s = span_trim(reader_unquote(s));
	negated = span_take(&s, '!');
	if (!proto_number_value((enum proto_number_id)number, s.at, s.len, &value))
		return false;
	compare->op = negated ? RULE_NE : RULE_EQ;
	compare->a.number = (int64_t)value;
	return true;
}

int rule_read_number(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule_option *option;
	int r = reader_add(reader, RULE_NUMBER, false, &option);

	if (r < 0)
		return r;
	option->buffer = (uint16_t)word->argument;
	option->list = ++reader->lists;
	if (read_word(word->argument, reader->value, &option->compare))
		return 0;
	if (is_date(word->argument))
		return read_dates(reader, reader_unquote(reader->value), &option->compare);
	if (reader->value.len && memchr(reader->value.at, ',', reader->value.len))
		return reader_refuse(reader, reader->value, "unsupported-value",
			"one comparison: lists and positions are not supported; write a rule for "
			"each");
	return reader_compare(reader, reader->value, false, &option->compare);
}

/* client|server|both|either before a comparison, or the side in the word. */
int rule_read_flow_side(struct rule_reader *reader, const struct rule_word *word)
{
	static const char *const sides[] = { "toserver", "toclient", "both", "either" };
	struct span rest = reader_unquote(reader->value), side;
	struct rule_option *option;
	int r = reader_add(reader, (enum rule_keyword)word->argument, false, &option);

	if (r < 0)
		return r;
	if (strchr(word->name, '_')) {
		option->list = strstr(word->name, "toclient") != NULL;
		return reader_compare(reader, rest, false, &option->compare);
	}
	if (!span_next(&rest, ',', &side) || !rest.at)
		return reader_bad_value(reader, reader->value, "SIDE,NUMBER");
	for (uint16_t i = 0; i < 4; i++)
		if (span_is(side, sides[i])) {
			option->list = i;
			return reader_compare(reader, rest, false, &option->compare);
		}
	return reader_bad_value(reader, side, "toserver, toclient, both or either");
}

/* ---- flags ---- */

struct letter {
	char letter;
	uint8_t bit;
};
static const struct letter tcp_letters[] = { { 'F', 1 }, { 'S', 2 }, { 'R', 4 }, { 'P', 8 },
	{ 'A', 16 }, { 'U', 32 }, { 'E', 64 }, { '2', 64 }, { 'C', 128 }, { '1', 128 }, { '0', 0 },
	{ 0 } };
static const struct letter fragment_letters[] = { { 'M', 1 }, { 'D', 2 }, { 'R', 4 }, { 0 } };

static bool read_how(struct span *s, struct rule_flags *flags)
{
	if (span_take(s, '+'))
		flags->how = RULE_FLAGS_ALL;
	else if (span_take(s, '*'))
		flags->how = RULE_FLAGS_ANY;
	else if (span_take(s, '!'))
		flags->how = RULE_FLAGS_NONE;
	else
		return false;
	return true;
}

static int read_letters(struct rule_reader *reader, struct span *s, const struct letter *letters,
	const char *wanted, uint8_t *ret_bits)
{
	uint8_t bits = 0;

	for (; s->len > 0 && !strchr("+*!", s->at[0]); *s = span_from(*s, 1)) {
		const struct letter *l = letters;

		if (span_is_space(s->at[0]))
			continue;
		while (l->letter && l->letter != toupper((unsigned char)s->at[0]))
			l++;
		if (!l->letter)
			return reader_bad_value(reader, *s, wanted);
		bits |= l->bit;
	}
	*ret_bits = bits;
	return 0;
}

static int read_flags(struct rule_reader *reader, struct span s, const struct letter *letters,
	const char *wanted, struct rule_flags *flags)
{
	struct span all = s;
	bool said;
	int r;

	if (s.len == 0)
		return reader_bad_value(reader, s, wanted);
	said = read_how(&s, flags);
	s = span_skip_space(s);
	if (said && s.len > 0 && (span_take(&s, ':') || span_take(&s, '=')))
		s = span_skip_space(s);
	if (s.len == 0)
		return reader_bad_value(reader, all, wanted);
	r = read_letters(reader, &s, letters, wanted, &flags->bits);
	if (r == 0 && s.len > 0 && (said || !read_how(&s, flags) || s.len > 0))
		r = reader_bad_value(reader, all, wanted);
	return r;
}

int rule_read_flags(struct rule_reader *reader, const struct rule_word *word)
{
	static const char wanted[] = "letters of FSRPAUCE120, with ! * or + and a ,MASK";
	struct span rest = reader_unquote(reader->value), piece = { 0 };
	struct rule_option *option;
	int r = reader_add(reader, RULE_FLAGS, false, &option);

	(void)word;
	if (r < 0)
		return r;
	span_next(&rest, ',', &piece);
	r = read_flags(reader, piece, tcp_letters, wanted, &option->flags);
	if (r == 0 && span_next(&rest, ',', &piece)) {
		r = read_letters(reader, &piece, tcp_letters, wanted, &option->flags.ignore);
		if (r == 0 && piece.len > 0)
			r = reader_bad_value(reader, piece, wanted);
	}
	return r;
}

int rule_read_fragbits(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule_option *option;
	int r = reader_add(reader, RULE_FRAGBITS, false, &option);

	(void)word;
	if (r < 0)
		return r;
	return read_flags(reader, reader_unquote(reader->value), fragment_letters,
		"letters of MDR, with ! * or +", &option->flags);
}

/* ---- IP ---- */

static const struct {
	const char *name;
	int number;
} ip_protocols[] = { { "icmp", 1 }, { "igmp", 2 }, { "ipip", 4 }, { "ipencap", 4 }, { "tcp", 6 },
	{ "egp", 8 }, { "igrp", 9 }, { "udp", 17 }, { "ipv6", 41 }, { "rsvp", 46 }, { "gre", 47 },
	{ "esp", 50 }, { "ah", 51 }, { "icmpv6", 58 }, { "ipv6-icmp", 58 }, { "eigrp", 88 },
	{ "ospf", 89 }, { "pim", 103 }, { "vrrp", 112 }, { "l2tp", 115 }, { "sctp", 132 },
	{ "udplite", 136 } };

int rule_read_ip_proto(struct rule_reader *reader, const struct rule_word *word)
{
	struct span s = reader_unquote(reader->value), name = s;
	struct rule_option *option;
	bool negated;
	int r = reader_add(reader, RULE_IP_PROTO, false, &option);

	(void)word;
	if (r < 0)
		return r;
	negated = span_take(&name, '!');
	name = span_skip_space(name);
	for (size_t i = 0; i < sizeof(ip_protocols) / sizeof(ip_protocols[0]); i++)
		if (span_is_any_case(name, ip_protocols[i].name)) {
			option->compare.op = negated ? RULE_NE : RULE_EQ;
			option->compare.a.number = ip_protocols[i].number;
			return 0;
		}
	r = reader_compare(reader, s, false, &option->compare);
	if (r == 0 && (option->compare.a.number < 0 || option->compare.a.number > 255))
		r = reader_bad_value(reader, s, "a number from 0 to 255 or the name of a protocol");
	return r;
}

int rule_read_ipopts(struct rule_reader *reader, const struct rule_word *word)
{
	static const struct {
		const char *name;
		uint16_t value;
	} options[] = { { "any", 0 }, { "eol", RULE_IPOPTS_EOL }, { "nop", 1 }, { "rr", 7 },
		{ "ts", 68 }, { "sec", 130 }, { "lsrr", 131 }, { "lsrre", 131 }, { "esec", 133 },
		{ "satid", 136 }, { "ssrr", 137 } };
	struct span s = reader_unquote(reader->value);
	struct rule_option *option;
	int r = reader_add(reader, RULE_IPOPTS, false, &option);

	(void)word;
	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (span_is_any_case(s, options[i].name)) {
			option->word.value = options[i].value;
			return 0;
		}
	return reader_bad_value(
		reader, s, "one of rr eol nop ts sec esec lsrr lsrre ssrr satid any");
}
