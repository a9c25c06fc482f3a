/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/span.h"

#include <stdlib.h>

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

bool span_number(struct span s, int64_t *ret_number)
{
	bool minus = span_take(&s, '-');
	int base = 10;
	int64_t n = 0;

	if (!minus)
		span_take(&s, '+');
	if (s.len > 2 && s.at[0] == '0' && (s.at[1] | 0x20) == 'x') {
		base = 16;
		s = span_from(s, 2);
	}
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		int d = digit(s.at[i]);

		if (d >= base || __builtin_mul_overflow(n, base, &n) ||
			__builtin_add_overflow(n, d, &n))
			return false;
	}
	*ret_number = minus ? -n : n;
	return true;
}

char *span_copy(struct span s)
{
	char *copy = malloc(s.len + 1);

	if (copy) {
		if (s.len)
			memcpy(copy, s.at, s.len);
		copy[s.len] = 0;
	}
	return copy;
}
