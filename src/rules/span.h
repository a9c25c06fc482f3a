/* SPDX-License-Identifier: Apache-2.0 */
/*
 * span - a piece of a rule's text, borrowed: not terminated, never read beyond its end. What these
 * return is always inside what they were given.
 */
#pragma once

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct span {
	const char *at;
	size_t len;
};

static inline struct span span_make(const char *at, size_t len)
{
	return (struct span){ at, len };
}

static inline struct span span_from(struct span s, size_t n)
{
	if (n > s.len)
		n = s.len;
	if (n == 0) /* what is missing is NULL, and NULL + 0 is undefined */
		return s;
	return span_make(s.at + n, s.len - n);
}

static inline bool span_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static inline struct span span_skip_space(struct span s)
{
	while (s.len > 0 && span_is_space(s.at[0]))
		s = span_from(s, 1);
	return s;
}

static inline struct span span_trim(struct span s)
{
	s = span_skip_space(s);
	while (s.len > 0 && span_is_space(s.at[s.len - 1]))
		s.len--;
	return s;
}

static inline bool span_is(struct span s, const char *word)
{
	return strlen(word) == s.len && memcmp(s.at, word, s.len) == 0;
}

static inline bool span_is_any_case(struct span s, const char *word)
{
	return strlen(word) == s.len && strncasecmp(s.at, word, s.len) == 0;
}

/* Whether it begins with `c`, which is then taken. */
static inline bool span_take(struct span *s, char c)
{
	if (s->len == 0 || s->at[0] != c)
		return false;
	*s = span_from(*s, 1);
	return true;
}

/* The next piece up to `separator`, trimmed; false, and an empty one, when nothing is left. */
static inline bool span_next(struct span *rest, char separator, struct span *ret_piece)
{
	const char *end;
	size_t n;

	*ret_piece = (struct span){ 0 };
	if (!rest->at)
		return false;
	end = rest->len ? memchr(rest->at, separator, rest->len) : NULL;
	n = end ? (size_t)(end - rest->at) : rest->len;
	*ret_piece = span_trim(span_make(rest->at, n));
	*rest = end ? span_from(*rest, n + 1) : span_make(NULL, 0);
	return true;
}

/* The next piece up to white space; false when nothing is left. */
static inline bool span_next_word(struct span *rest, struct span *ret_word)
{
	size_t n = 0;

	*rest = span_skip_space(*rest);
	while (n < rest->len && !span_is_space(rest->at[n]))
		n++;
	*ret_word = span_make(rest->at, n);
	*rest = span_from(*rest, n);
	return n > 0;
}

/* Whole number: decimal, 0x hexadecimal, with a sign; all of it. */
bool span_number(struct span s, int64_t *ret_number);
/* A copy that the caller frees; NULL: no memory. */
char *span_copy(struct span s);
