/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers among the bytes: byte_test, byte_jump, byte_extract, byte_math. */
#include <string.h>

#include "base/cur.h"
#include "rules/engine.h"

#define COUNT_MAX 23 /* digits of a string, as an octal 64-bit number has */

static int64_t small(uint64_t number)
{
	const int64_t far = INT64_C(1) << 40;
	int64_t n = (int64_t)number;

	return n > far ? far : n < -far ? -far : n;
}

static int digit_of(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	if (byte >= 'a' && byte <= 'f')
		return byte - 'a' + 10;
	if (byte >= 'A' && byte <= 'F')
		return byte - 'A' + 10;
	return 99;
}

/* As strtoull() reads it; false: no digit. */
static bool read_string(struct cur c, unsigned base, uint64_t *ret_number, size_t *ret_used)
{
	size_t size = cur_left(&c), digits = 0;
	uint64_t number = 0;
	bool minus;

	while (cur_left(&c) > 0 && (*c.at == ' ' || (*c.at >= '\t' && *c.at <= '\r')))
		cur_skip(&c, 1);
	minus = cur_left(&c) > 0 && *c.at == '-';
	if (cur_left(&c) > 0 && (*c.at == '-' || *c.at == '+'))
		cur_skip(&c, 1);
	if ((base == 16 || base == 0) && cur_left(&c) > 2 && c.at[0] == '0' &&
		(c.at[1] | 0x20) == 'x' && digit_of(c.at[2]) < 16) {
		cur_skip(&c, 2);
		base = 16;
	} else if (base == 0) {
		base = cur_left(&c) > 0 && *c.at == '0' ? 8 : 10;
	}
	for (; cur_left(&c) > 0 && (unsigned)digit_of(*c.at) < base; digits++)
		number = number * base + (uint64_t)digit_of(cur_u8(&c));
	*ret_number = minus ? -number : number;
	*ret_used = size - cur_left(&c);
	return digits > 0;
}

static uint64_t read_binary(struct cur c, bool little)
{
	uint64_t number = 0;
	size_t n = cur_left(&c);

	for (size_t i = 0; i < n; i++) {
		uint64_t byte = cur_u8(&c);

		number = little ? number | byte << 8 * i : number << 8 | byte;
	}
	return number;
}

/* DCE/RPC says in its header how its numbers are written (C706, 14.1); almost always little
 * endian. */
static bool is_little(const struct look *look, const struct rule_bytes *bytes)
{
	uint64_t little = 1;

	if (bytes->endian != RULE_DCE)
		return bytes->endian == RULE_LITTLE;
	if (look->unit->tx)
		proto_tx_number(look->unit->tx, NUMBER_DCE_LITTLE, 0, &little);
	return little;
}

static uint64_t masked(const struct rule_bytes *bytes, uint64_t number)
{
	if (!bytes->bitmask)
		return number;
	return (number & bytes->bitmask) >> __builtin_ctzll(bytes->bitmask);
}

/* The number and the place behind it. */
static bool read_number(struct look *look, const struct image_option *option,
	const struct area *area, int64_t cursor, uint64_t *ret_number, int64_t *ret_end)
{
	const struct rule_bytes *bytes = &option->bytes;
	int64_t at = (bytes->relative ? cursor : -(int64_t)area->offset) +
		     small(match_value(look, &bytes->offset));
	uint64_t count = match_value(look, &bytes->count);
	size_t used;
	struct cur c;

	if (at < 0 || count > COUNT_MAX || (!bytes->string && count > 8))
		return false;
	if (bytes->string && count == 0 && at < area->len) {
		int64_t left = (int64_t)area->len - at;

		count = left < COUNT_MAX ? (uint64_t)left : COUNT_MAX;
	}
	if (at + (int64_t)count > area->len) {
		if (!area->complete)
			match_want_more(look, option);
		return false;
	}
	c = cur_make(area->at + at, count);
	*ret_end = at + (int64_t)count;
	if (bytes->string) {
		if (!read_string(c, bytes->base, ret_number, &used))
			return false;
		*ret_end = at + (int64_t)used;
	} else {
		*ret_number = read_binary(c, is_little(look, bytes));
	}
	*ret_number = masked(bytes, *ret_number);
	return true;
}

static bool test(const struct rule_bytes *bytes, uint64_t number, uint64_t value)
{
	switch (bytes->test) {
	case RULE_TEST_LT:
		return number < value;
	case RULE_TEST_GT:
		return number > value;
	case RULE_TEST_EQ:
		return number == value;
	case RULE_TEST_LE:
		return number <= value;
	case RULE_TEST_GE:
		return number >= value;
	case RULE_TEST_AND:
		return number & value;
	case RULE_TEST_OR:
		return number ^ value;
	}
	return false;
}

static int64_t jump(struct look *look, const struct rule_bytes *bytes, const struct area *area,
	uint64_t number, int64_t end)
{
	int64_t start = -(int64_t)area->offset, to;

	number *= bytes->multiplier ? bytes->multiplier : 1;
	to = small(number) + small(match_value(look, &bytes->post_offset));
	if (bytes->align && to % 4)
		to += 4 - to % 4;
	if (bytes->from_beginning)
		return start + to;
	if (bytes->from_end)
		return (int64_t)area->len + to;
	return end + to;
}

static enum answer take_jump(struct look *look, const struct image_option *option,
	const struct area *area, uint64_t number, int64_t end, int64_t *cursor)
{
	int64_t to = jump(look, &option->bytes, area, number, end);

	if (to > area->len && !area->complete)
		match_want_more(look, option);
	if (to > area->len)
		return ANSWER_NO;
	/* Before the beginning is the beginning. */
	*cursor = to < -(int64_t)area->offset ? -(int64_t)area->offset : to;
	return ANSWER_YES;
}

static bool compute(const struct rule_bytes *bytes, uint64_t number, uint64_t value, uint64_t *ret)
{
	switch (bytes->math) {
	case RULE_MATH_ADD:
		*ret = number + value;
		return true;
	case RULE_MATH_SUB:
		*ret = number - value;
		return true;
	case RULE_MATH_MUL:
		*ret = number * value;
		return true;
	case RULE_MATH_DIV:
		*ret = value ? number / value : 0;
		return value;
	case RULE_MATH_SHL:
		*ret = value < 64 ? number << value : 0;
		return true;
	case RULE_MATH_SHR:
		*ret = value < 64 ? number >> value : 0;
		return true;
	}
	return false;
}

enum answer number_take(struct look *look, const struct image_option *option,
	const struct area *area, int64_t *cursor)
{
	const struct rule_bytes *bytes = &option->bytes;
	uint64_t number = 0, result = 0;
	uint32_t align = bytes->extract_align;
	int64_t end = 0;

	if (!read_number(look, option, area, *cursor, &number, &end))
		return ANSWER_NO;
	switch (option->keyword) {
	case RULE_BYTE_TEST:
		return test(bytes, number, match_value(look, &bytes->value)) != option->negated
			       ? ANSWER_YES
			       : ANSWER_NO;
	case RULE_BYTE_JUMP:
		return take_jump(look, option, area, number, end, cursor);
	case RULE_BYTE_EXTRACT:
		number *= bytes->multiplier ? bytes->multiplier : 1;
		if (align && number % align)
			number += align - number % align;
		look->var[bytes->result] = number;
		*cursor = end;
		return ANSWER_YES;
	default:
		if (!compute(bytes, number, match_value(look, &bytes->value), &result))
			return ANSWER_NO;
		look->var[bytes->result] = result;
		*cursor = end;
		return ANSWER_YES;
	}
}
