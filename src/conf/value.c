/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/out.h"

struct unit {
	char letter;
	uint64_t factor;
};

static const struct unit no_units[] = { { '\0', 1 } };
static const struct unit size_units[] = {
	{ 'T', UINT64_C(1) << 40 },
	{ 'G', UINT64_C(1) << 30 },
	{ 'M', UINT64_C(1) << 20 },
	{ 'K', UINT64_C(1) << 10 },
	{ '\0', 1 },
};
static const struct unit packet_units[] = {
	{ 'M', 1000000 },
	{ 'K', 1000 },
	{ '\0', 1 },
};
static const struct unit time_units[] = {
	{ 'd', 86400 },
	{ 'h', 3600 },
	{ 'm', 60 },
	{ 's', 1 },
	{ '\0', 1 },
};

/* Digits at the start of *text, which moves behind them. False without one, or beyond 64 bits. */
static bool take_digits(const char **text, uint64_t *ret_n)
{
	uint64_t n = 0;
	const char *at = *text;

	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *at - '0', &n))
			return false;
	if (at == *text)
		return false;
	*text = at;
	*ret_n = n;
	return true;
}

/* The factor of the unit letter at *text, which moves behind it; 1 when there is none. */
static uint64_t take_unit(const char **text, const struct unit *units)
{
	while (units->letter && units->letter != **text)
		units++;
	*text += units->letter != '\0';
	return units->factor;
}

static bool read_measure(const char *text, const struct unit *units, uint64_t *ret_n)
{
	uint64_t n;

	if (!take_digits(&text, &n))
		return false;
	return !__builtin_mul_overflow(n, take_unit(&text, units), ret_n) && !*text;
}

static const char *measure_text(uint64_t n, const struct unit *units, char buf[static 32])
{
	while (units->factor > 1 && (n == 0 || n % units->factor))
		units++;
	snprintf(buf, 32, "%" PRIu64 "%.1s", n / units->factor, &units->letter);
	return buf;
}

const char *conf_size_text(uint64_t bytes, char buf[static 32])
{
	return measure_text(bytes, size_units, buf);
}

const char *conf_time_text(uint64_t seconds, char buf[static 32])
{
	return measure_text(seconds, time_units, buf);
}

static const char *kind_text(enum conf_kind kind, uint64_t n, char buf[static 32])
{
	if (kind == CONF_SIZE)
		return conf_size_text(n, buf);
	if (kind == CONF_TIME)
		return conf_time_text(n, buf);
	snprintf(buf, 32, "%" PRIu64, n);
	return buf;
}

static int set_number(const struct conf_row *row, uint64_t *at, const char *text, char *why)
{
	const struct unit *units = row->kind == CONF_SIZE   ? size_units
				   : row->kind == CONF_TIME ? time_units
							    : no_units;
	static const char *const forms[] = {
		[CONF_SIZE] = "a size: a whole number with K, M, G or T, such as \"128M\"",
		[CONF_TIME] = "a time: a whole number with s, m, h or d, such as \"10m\"",
		[CONF_NUMBER] = "a whole number",
	};
	struct conf_range range = conf_row_range(row);
	char min[32], max[32];
	uint64_t n;

	if (!read_measure(text, units, &n)) {
		snprintf(why, CONF_FAULT_MAX, "%s = \"%.60s\" is not %.20s; write %s", row->name,
			text,
			row->kind == CONF_SIZE   ? "a size"
			: row->kind == CONF_TIME ? "a time"
						 : "a number",
			forms[row->kind]);
		return -EINVAL;
	}
	if ((n < range.min || n > range.max) && !(n == 0 && range.or_0)) {
		snprintf(why, CONF_FAULT_MAX, "%s = %.60s is out of range; give %s%s to %s",
			row->name, text, range.or_0 ? "0 or " : "",
			kind_text(row->kind, range.min, min), kind_text(row->kind, range.max, max));
		return -EINVAL;
	}
	*at = n;
	return 0;
}

/* "10/30m"; the amount takes `units`. */
static bool read_per_period(const char *text, const struct unit *units, uint64_t max,
	uint64_t *ret_amount, uint32_t *ret_period_s)
{
	uint64_t amount, n = 1, factor;

	if (!take_digits(&text, &amount) ||
		__builtin_mul_overflow(amount, take_unit(&text, units), &amount) || amount > max)
		return false;
	if (*text++ != '/' || (*text >= '0' && *text <= '9' && !take_digits(&text, &n)))
		return false;
	if (!*text)
		return false;
	factor = take_unit(&text, time_units);
	if (*text || n == 0 || n > 604800 / factor)
		return false;
	*ret_amount = amount;
	*ret_period_s = (uint32_t)(n * factor);
	return true;
}

static int set_rate(const struct conf_row *row, struct conf_rate *at, const char *text, char *why)
{
	uint64_t count;
	uint32_t period_s;

	if (strcmp(text, "unlimited") == 0) {
		*at = (struct conf_rate){ CONF_RATE_UNLIMITED, 1 };
		return 0;
	}
	if (read_per_period(text, no_units, CONF_RATE_MAX, &count, &period_s)) {
		*at = (struct conf_rate){ (uint32_t)count, period_s };
		return 0;
	}
	snprintf(why, CONF_FAULT_MAX,
		"%s = \"%.60s\" is not a rate; write count/period with a count of 0 to %d and a "
		"period of s, m, h or d (at most 7d), such as \"10/h\" or \"5/30m\", or unlimited",
		row->name, text, CONF_RATE_MAX);
	return -EINVAL;
}

static bool is_bytes(const struct conf_row *row)
{
	return strncmp(row->unit, "bytes", 5) == 0;
}

static int set_volume(
	const struct conf_row *row, struct conf_volume *at, const char *text, char *why)
{
	const struct unit *units = is_bytes(row) ? size_units : packet_units;

	if (strcmp(text, "unlimited") == 0) {
		*at = (struct conf_volume){ CONF_VOLUME_UNLIMITED, 1 };
		return 0;
	}
	if (read_per_period(text, units, CONF_VOLUME_MAX, &at->amount, &at->period_s))
		return 0;
	snprintf(why, CONF_FAULT_MAX,
		units == size_units
			? "%s = \"%.60s\" is not an amount of bytes in a period; write "
			  "bytes/period "
			  "with K, M, G or T (at most 1024T) and a period of s, m, h or d (at most "
			  "7d), "
			  "such as \"4M/s\" or \"1G/h\", or unlimited"
			: "%s = \"%.60s\" is not a number of packets in a period; write "
			  "packets/period with K or M for thousands and millions and a period of "
			  "s, "
			  "m, h "
			  "or d (at most 7d), such as \"2000/s\" or \"1M/h\", or unlimited",
		row->name, text);
	return -EINVAL;
}

static int set_flag(const struct conf_row *row, bool *at, const char *text, char *why)
{
	static const char *const yes[] = { "true", "yes", "on" };
	static const char *const no[] = { "false", "no", "off" };

	for (size_t i = 0; i < 3; i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*at = strcmp(text, yes[i]) == 0;
			return 0;
		}
	}
	snprintf(why, CONF_FAULT_MAX,
		"%s = \"%.60s\" is neither true nor false; write %s = true or %s = false",
		row->name, text, row->name, row->name);
	return -EINVAL;
}

/* The words of a choice are those of its unit: "trap, log or kill" is 0, 1, 2. */
static int set_choice(const struct conf_row *row, int *at, const char *text, char *why)
{
	char words[128], *save = NULL;
	int n = 0;

	snprintf(words, sizeof(words), "%s", row->unit);
	for (char *word = strtok_r(words, ", ", &save); word; word = strtok_r(NULL, ", ", &save)) {
		if (strcmp(word, "or") == 0)
			continue;
		if (strcmp(word, text) == 0) {
			*at = n;
			return 0;
		}
		n++;
	}
	snprintf(why, CONF_FAULT_MAX, "%s = \"%.60s\" is no choice; write %s", row->name, text,
		row->unit);
	return -EINVAL;
}

static int set_text(char **at, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*at);
	*at = copy;
	return 0;
}

static int append_text(struct conf_texts *at, const char *text)
{
	char **more = reallocarray(at->text, at->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	at->text = more;
	more[at->n] = strdup(text);
	if (!more[at->n])
		return -ENOMEM;
	at->n++;
	return 0;
}

int conf_value_set(
	const struct conf_row *row, void *at, const char *text, char why[static CONF_FAULT_MAX])
{
	switch (row->kind) {
	case CONF_TEXT:
		return set_text(at, text);
	case CONF_TEXTS:
		return append_text(at, text);
	case CONF_FLAG:
		return set_flag(row, at, text, why);
	case CONF_RATE:
		return set_rate(row, at, text, why);
	case CONF_VOLUME:
		return set_volume(row, at, text, why);
	case CONF_CHOICE:
		return set_choice(row, at, text, why);
	case CONF_NUMBER:
	case CONF_SIZE:
	case CONF_TIME:
		break;
	}
	return set_number(row, at, text, why);
}

/* ---- and back ---- */

/* "/h", "/30m" */
static void put_period(struct out *o, uint32_t period_s)
{
	char text[32];

	conf_time_text(period_s, text);
	out_fmt(o, "/%s", text[0] == '1' && (text[1] < '0' || text[1] > '9') ? text + 1 : text);
}

static void put_rate(struct out *o, const struct conf_rate *rate)
{
	if (rate->count == CONF_RATE_UNLIMITED) {
		out_str(o, "unlimited");
		return;
	}
	out_u64(o, rate->count);
	put_period(o, rate->period_s);
}

static void put_volume(const struct conf_row *row, struct out *o, const struct conf_volume *volume)
{
	char text[32];

	if (volume->amount == CONF_VOLUME_UNLIMITED) {
		out_str(o, "unlimited");
		return;
	}
	out_str(o, measure_text(volume->amount, is_bytes(row) ? size_units : packet_units, text));
	put_period(o, volume->period_s);
}

static void put_choice(const struct conf_row *row, struct out *o, int choice)
{
	char words[128], *save = NULL;
	int n = 0;

	snprintf(words, sizeof(words), "%s", row->unit);
	for (char *word = strtok_r(words, ", ", &save); word; word = strtok_r(NULL, ", ", &save))
		if (strcmp(word, "or") != 0 && n++ == choice)
			out_str(o, word);
}

void conf_value_text(const struct conf_row *row, const void *at, struct out *o)
{
	const struct conf_texts *texts = at;
	char text[32];

	switch (row->kind) {
	case CONF_TEXT:
		out_str(o, *(char *const *)at);
		return;
	case CONF_TEXTS:
		for (size_t i = 0; i < texts->n; i++)
			out_fmt(o, "%s%s", i ? ", " : "", texts->text[i]);
		return;
	case CONF_FLAG:
		out_str(o, *(const bool *)at ? "true" : "false");
		return;
	case CONF_RATE:
		put_rate(o, at);
		return;
	case CONF_VOLUME:
		put_volume(row, o, at);
		return;
	case CONF_CHOICE:
		put_choice(row, o, *(const int *)at);
		return;
	case CONF_NUMBER:
	case CONF_SIZE:
	case CONF_TIME:
		break;
	}
	out_str(o, kind_text(row->kind, *(const uint64_t *)at, text));
}

static bool texts_equal(const struct conf_texts *a, const struct conf_texts *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->text[i], b->text[i]) != 0)
			return false;
	return true;
}

bool conf_value_equal(const struct conf_row *row, const void *a, const void *b)
{
	const struct conf_volume *left = a, *right = b;

	switch (row->kind) {
	case CONF_TEXT:
		return strcmp(*(char *const *)a, *(char *const *)b) == 0;
	case CONF_TEXTS:
		return texts_equal(a, b);
	case CONF_FLAG:
		return *(const bool *)a == *(const bool *)b;
	case CONF_RATE:
		return memcmp(a, b, sizeof(struct conf_rate)) == 0;
	case CONF_VOLUME: /* which has padding */
		return left->amount == right->amount && left->period_s == right->period_s;
	case CONF_CHOICE:
		return *(const int *)a == *(const int *)b;
	case CONF_NUMBER:
	case CONF_SIZE:
	case CONF_TIME:
		break;
	}
	return *(const uint64_t *)a == *(const uint64_t *)b;
}

void conf_value_free(const struct conf_row *row, void *at)
{
	struct conf_texts *texts = at;

	if (row->kind == CONF_TEXT) {
		free(*(char **)at);
	} else if (row->kind == CONF_TEXTS) {
		for (size_t i = 0; i < texts->n; i++)
			free(texts->text[i]);
		free(texts->text);
	}
}
