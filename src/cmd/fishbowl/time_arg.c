/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/time_arg.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DAY_S = 86400 };

static const int64_t second_ns = 1000000000;

/* -1h */
static bool parse_ago(const char *text, int64_t now_s, int64_t *ret_s)
{
	static const char units[] = "smhd";
	static const int64_t seconds[] = { 1, 60, 3600, DAY_S };
	const char *unit;
	char *end;
	int64_t n;

	errno = 0;
	n = strtoll(text + 1, &end, 10);
	if (text[1] < '0' || text[1] > '9' || errno != 0 || n > 100000 || *end == '\0' || end[1])
		return false;
	unit = strchr(units, *end);
	if (!unit)
		return false;
	*ret_s = now_s - n * seconds[unit - units];
	return true;
}

/* "", ".123456789": moves *at behind it. */
static int64_t parse_fraction(const char **at)
{
	int64_t ns = 0, digit = second_ns / 10;

	if (**at != '.')
		return 0;
	for ((*at)++; **at >= '0' && **at <= '9'; (*at)++, digit /= 10)
		ns += (**at - '0') * digit;
	return ns;
}

/* "", "Z", "+02:00", "+0000" */
static bool parse_offset(const char *text, int64_t *ret_s)
{
	struct tm tm = { 0 };
	const char *end;

	*ret_s = 0;
	if (*text == '\0' || strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return true;
	if (*text != '+' && *text != '-')
		return false;
	end = strptime(text + 1, strchr(text, ':') ? "%H:%M" : "%H%M", &tm);
	if (!end || *end != '\0')
		return false;
	*ret_s = (tm.tm_hour * 60 + tm.tm_min) * 60 * (*text == '-' ? -1 : 1);
	return true;
}

static bool parse_date(const char *text, int64_t *ret_ns)
{
	struct tm tm = { 0 };
	const char *at = strptime(text, "%Y-%m-%d", &tm), *clock;
	int64_t offset_s, ns = 0;

	if (!at || at - text < (ptrdiff_t)strlen("2026-01-31"))
		return false;
	if (*at == 'T' || *at == 't' || *at == ' ') {
		clock = strptime(at + 1, "%H:%M", &tm);
		if (!clock)
			return false;
		at = *clock == ':' ? strptime(clock, ":%S", &tm) : clock;
		if (!at)
			return false;
		ns = parse_fraction(&at);
	}
	if (!parse_offset(at, &offset_s))
		return false;
	*ret_ns = ((int64_t)timegm(&(struct tm){ .tm_year = tm.tm_year,
			   .tm_mon = tm.tm_mon,
			   .tm_mday = tm.tm_mday,
			   .tm_hour = tm.tm_hour,
			   .tm_min = tm.tm_min,
			   .tm_sec = tm.tm_sec }) -
			  offset_s) *
			  second_ns +
		  ns;
	return true;
}

bool time_arg_parse(const char *text, int64_t *ret_ns)
{
	struct timespec now;
	int64_t s;

	clock_gettime(CLOCK_REALTIME, &now);
	s = now.tv_sec;
	if (strcmp(text, "today") == 0)
		s -= s % DAY_S;
	else if (strcmp(text, "yesterday") == 0)
		s -= s % DAY_S + DAY_S;
	else if (*text == '-' && !parse_ago(text, s, &s))
		return false;
	else if (*text != '-' && strcmp(text, "now") != 0)
		return parse_date(text, ret_ns);
	*ret_ns = s * second_ns;
	return true;
}
