/* SPDX-License-Identifier: Apache-2.0 */
/* Options that read numbers out of the payload: byte_test, byte_jump, byte_extract, byte_math,
 * and others that look at a place in it. */
#include <errno.h>
#include <stdlib.h>

#include "rules/reader.h"

/* What may follow the fixed arguments; 0 when it is one of those common to all, 1 when it is
 * not. */
static int read_common(
	struct rule_reader *reader, struct span name, struct span rest, struct rule_bytes *bytes)
{
	static const struct {
		const char *name;
		uint8_t base;
	} bases[] = { { "hex", 16 }, { "dec", 10 }, { "oct", 8 } };
	int64_t number;
	int r;

	for (size_t i = 0; i < 3; i++)
		if (span_is(name, bases[i].name)) {
			bytes->base = bases[i].base;
			bytes->string = true;
			return 0;
		}
	if (span_is(name, "relative"))
		bytes->relative = true;
	else if (span_is(name, "big"))
		bytes->endian = RULE_BIG;
	else if (span_is(name, "little"))
		bytes->endian = RULE_LITTLE;
	else if (span_is(name, "dce"))
		bytes->endian = RULE_DCE;
	else if (span_is(name, "string"))
		bytes->string = true;
	else if (span_is(name, "bitmask")) {
		r = reader_number(reader, rest, 1, UINT32_MAX, &number);
		if (r == 0)
			bytes->bitmask = (uint64_t)number;
		return r;
	} else
		return 1;
	return 0;
}

static int unknown(struct rule_reader *reader, struct span piece)
{
	return reader_refuse(reader, piece, "bad-value", "%.*s does not know \"%.*s\"",
		(int)reader->name.len, reader->name.at, piece.len > 40 ? 40 : (int)piece.len,
		piece.at);
}

/* The next argument, which must be there. */
static int next(struct rule_reader *reader, struct span *rest, struct span *ret_piece)
{
	if (!span_next(rest, ',', ret_piece) || ret_piece->len == 0)
		return reader_refuse(reader, reader->name, "missing-value",
			"%.*s has fewer arguments than it wants", (int)reader->name.len,
			reader->name.at);
	return 0;
}

static int read_count(struct rule_reader *reader, struct span *rest, struct rule_value *ret_count)
{
	struct span piece = { 0 };
	int r = next(reader, rest, &piece);

	if (r == 0)
		r = reader_value(reader, piece, ret_count);
	if (r == 0 && !ret_count->is_var && (ret_count->number < 0 || ret_count->number > 23))
		r = reader_bad_value(reader, piece, "a number of bytes");
	return r;
}

static int read_value(struct rule_reader *reader, struct span *rest, struct rule_value *ret_value)
{
	struct span piece = { 0 };
	int r = next(reader, rest, &piece);

	return r < 0 ? r : reader_value(reader, piece, ret_value);
}

static int check_count(
	struct rule_reader *reader, const struct rule_bytes *bytes, int least, int most)
{
	const struct rule_value *count = &bytes->count;

	if (!count->is_var && !bytes->string && (count->number < least || count->number > most))
		return reader_refuse(reader, reader->value, "bad-value",
			"%.*s reads %d to %d bytes, not %lld", (int)reader->name.len,
			reader->name.at, least, most, (long long)count->number);
	if (bytes->string && bytes->endian == RULE_DCE)
		return reader_refuse(reader, reader->value, "bad-combination",
			"a number that is text has no byte order");
	return 0;
}

static int start(
	struct rule_reader *reader, enum rule_keyword keyword, struct rule_option **ret_option)
{
	int r;

	if (!reader->value.at || reader->value.len == 0)
		return reader_bad_value(reader, reader->value, "arguments");
	r = reader_add(reader, keyword, true, ret_option);
	if (r == 0)
		(*ret_option)->bytes.multiplier = 1;
	return r;
}

/* ---- byte_test ---- */

static int read_test(struct rule_reader *reader, struct span s, struct rule_option *option)
{
	static const struct {
		const char *text;
		int test;
	} tests[] = { { "<", RULE_TEST_LT }, { ">", RULE_TEST_GT }, { "=", RULE_TEST_EQ },
		{ "==", RULE_TEST_EQ }, { "<=", RULE_TEST_LE }, { ">=", RULE_TEST_GE },
		{ "&", RULE_TEST_AND }, { "^", RULE_TEST_OR }, { "|", RULE_TEST_OR } };
	struct span sign = s;

	option->negated = span_take(&sign, '!');
	sign = span_skip_space(sign);
	if (option->negated && sign.len == 0)
		sign = span_make("=", 1);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (span_is(sign, tests[i].text)) {
			memcpy(&option->bytes.test, &tests[i].test, sizeof(int));
			return 0;
		}
	return reader_bad_value(reader, s, "an sign: < > = <= >= & ^, or one with ! before it");
}

int rule_read_byte_test(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader->value, piece = { 0 }, name;
	struct rule_option *option;
	struct rule_bytes *bytes;
	int r;

	(void)word;
	r = start(reader, RULE_BYTE_TEST, &option);
	if (r < 0)
		return r;
	bytes = &option->bytes;
	r = read_count(reader, &rest, &bytes->count);
	if (r == 0)
		r = next(reader, &rest, &piece);
	if (r == 0)
		r = read_test(reader, piece, option);
	if (r == 0)
		r = read_value(reader, &rest, &bytes->value);
	if (r == 0)
		r = read_value(reader, &rest, &bytes->offset);
	while (r == 0 && span_next(&rest, ',', &piece)) {
		struct span more = piece;

		span_next_word(&more, &name);
		r = read_common(reader, name, span_trim(more), bytes);
		if (r > 0)
			r = unknown(reader, piece);
	}
	return r < 0 ? r : check_count(reader, bytes, 1, 8);
}

/* ---- byte_jump ---- */

static int read_jump_word(struct rule_reader *reader, struct span piece, struct rule_bytes *bytes)
{
	struct span rest = piece, name;
	int64_t number;
	int r;

	span_next_word(&rest, &name);
	rest = span_trim(rest);
	if (span_is(name, "align"))
		bytes->align = true;
	else if (span_is(name, "from_beginning"))
		bytes->from_beginning = true;
	else if (span_is(name, "from_end"))
		bytes->from_end = true;
	else if (span_is(name, "post_offset"))
		return reader_value(reader, rest, &bytes->post_offset);
	else if (span_is(name, "multiplier")) {
		r = reader_number(reader, rest, 1, UINT16_MAX, &number);
		if (r == 0)
			bytes->multiplier = (uint32_t)number;
		return r;
	} else {
		r = read_common(reader, name, rest, bytes);
		return r > 0 ? unknown(reader, piece) : r;
	}
	return 0;
}

int rule_read_byte_jump(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader->value, piece = { 0 };
	struct rule_option *option;
	struct rule_bytes *bytes;
	int r;

	(void)word;
	r = start(reader, RULE_BYTE_JUMP, &option);
	if (r < 0)
		return r;
	bytes = &option->bytes;
	r = read_count(reader, &rest, &bytes->count);
	if (r == 0)
		r = read_value(reader, &rest, &bytes->offset);
	while (r == 0 && span_next(&rest, ',', &piece))
		r = read_jump_word(reader, piece, bytes);
	if (r == 0 && bytes->from_beginning && bytes->from_end)
		r = reader_refuse(reader, reader->value, "bad-combination",
			"from_beginning and from_end exclude each other");
	return r < 0 ? r : check_count(reader, bytes, 0, 8);
}

/* ---- byte_extract ---- */

static int read_extract_word(
	struct rule_reader *reader, struct span piece, struct rule_bytes *bytes)
{
	struct span rest = piece, name;
	int64_t number;
	int r;

	span_next_word(&rest, &name);
	rest = span_trim(rest);
	if (span_is(name, "align")) {
		r = reader_number(reader, rest, 2, 4, &number);
		if (r == 0 && number == 3)
			r = reader_bad_value(reader, rest, "2 or 4");
		if (r == 0)
			bytes->extract_align = (uint8_t)number;
		return r;
	}
	if (span_is(name, "multiplier")) {
		r = reader_number(reader, rest, 1, UINT16_MAX, &number);
		if (r == 0)
			bytes->multiplier = (uint32_t)number;
		return r;
	}
	r = read_common(reader, name, rest, bytes);
	return r > 0 ? unknown(reader, piece) : r;
}

int rule_read_byte_extract(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader->value, piece, result = { 0 };
	struct rule_option *option;
	struct rule_bytes *bytes;
	int r;

	(void)word;
	r = start(reader, RULE_BYTE_EXTRACT, &option);
	if (r < 0)
		return r;
	bytes = &option->bytes;
	r = read_count(reader, &rest, &bytes->count);
	if (r == 0)
		r = read_value(reader, &rest, &bytes->offset);
	if (r == 0)
		r = next(reader, &rest, &result);
	while (r == 0 && span_next(&rest, ',', &piece))
		r = read_extract_word(reader, piece, bytes);
	if (r == 0)
		r = check_count(reader, bytes, 1, 8);
	return r < 0 ? r : reader_variable(reader, result, true, &bytes->result);
}

/* ---- byte_math ---- */

static int read_math_operator(struct rule_reader *reader, struct span s, struct rule_bytes *bytes)
{
	static const struct {
		const char *text;
		int math;
	} operators[] = { { "+", RULE_MATH_ADD }, { "-", RULE_MATH_SUB }, { "*", RULE_MATH_MUL },
		{ "/", RULE_MATH_DIV }, { "<<", RULE_MATH_SHL }, { ">>", RULE_MATH_SHR } };

	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		if (span_is(s, operators[i].text)) {
			memcpy(&bytes->math, &operators[i].math, sizeof(int));
			return 0;
		}
	return reader_bad_value(reader, s, "an sign: + - * / << >>");
}

struct math {
	struct rule_bytes *bytes;
	struct span result;
	bool has_bytes, has_offset, has_operator, has_value;
};

static int read_math_word(struct rule_reader *reader, struct span piece, struct math *math)
{
	struct rule_bytes *bytes = math->bytes;
	struct span rest = piece, name;
	int r;

	span_next_word(&rest, &name);
	rest = span_trim(rest);
	if (span_is(name, "bytes")) {
		math->has_bytes = true;
		return reader_value(reader, rest, &bytes->count);
	}
	if (span_is(name, "offset")) {
		math->has_offset = true;
		return reader_value(reader, rest, &bytes->offset);
	}
	if (span_is(name, "oper")) {
		math->has_operator = true;
		return read_math_operator(reader, rest, bytes);
	}
	if (span_is(name, "rvalue")) {
		math->has_value = true;
		return reader_value(reader, rest, &bytes->value);
	}
	if (span_is(name, "result")) {
		math->result = rest;
		return 0;
	}
	if (span_is(name, "endian") || span_is(name, "string"))
		name = span_is(name, "string") && rest.len == 0 ? name : rest;
	r = read_common(reader, name, rest, bytes);
	return r > 0 ? unknown(reader, piece) : r;
}

static int check_math(struct rule_reader *reader, const struct math *math)
{
	const struct rule_bytes *bytes = math->bytes;

	if (!math->has_bytes || !math->has_offset || !math->has_operator || !math->has_value ||
		!math->result.at)
		return reader_refuse(reader, reader->value, "missing-value",
			"byte_math wants bytes, offset, oper, rvalue and result");
	if (bytes->math == RULE_MATH_DIV && !bytes->value.is_var && bytes->value.number == 0)
		return reader_refuse(
			reader, reader->value, "bad-value", "byte_math cannot divide by 0");
	return check_count(reader, bytes, 1, 8);
}

int rule_read_byte_math(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader->value, piece = { 0 };
	struct math math = { 0 };
	struct rule_option *option;
	int r;

	(void)word;
	r = start(reader, RULE_BYTE_MATH, &option);
	if (r < 0)
		return r;
	math.bytes = &option->bytes;
	while (r == 0 && span_next(&rest, ',', &piece))
		r = read_math_word(reader, piece, &math);
	if (r == 0)
		r = check_math(reader, &math);
	return r < 0 ? r : reader_variable(reader, math.result, true, &math.bytes->result);
}

/* ---- places ---- */

int rule_read_isdataat(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader_unquote(reader->value), piece;
	struct rule_option *option;
	bool negated;
	int r;

	(void)word;
	r = start(reader, RULE_ISDATAAT, &option);
	if (r < 0)
		return r;
	negated = span_take(&rest, '!');
	option->isdataat = (struct rule_isdataat){ 0 };
	option->negated = negated;
	r = read_value(reader, &rest, &option->isdataat.at);
	if (r == 0 && !option->isdataat.at.is_var &&
		(option->isdataat.at.number < 0 || option->isdataat.at.number > UINT16_MAX))
		r = reader_bad_value(reader, reader->value, "a number from 0 to 65535");
	while (r == 0 && span_next(&rest, ',', &piece)) {
		if (span_is(piece, "relative"))
			option->isdataat.relative = true;
		else if (span_is(piece, "rawbytes"))
			option->isdataat.raw = true;
		else
			r = unknown(reader, piece);
	}
	return r;
}

static int read_base64_word(
	struct rule_reader *reader, struct span piece, struct rule_option *option)
{
	struct span rest = piece, name;

	span_next_word(&rest, &name);
	rest = span_trim(rest);
	if (span_is(name, "relative")) {
		option->base64.relative = true;
		return 0;
	}
	if (span_is(name, "bytes"))
		return reader_value(reader, rest, &option->base64.count);
	if (span_is(name, "offset"))
		return reader_value(reader, rest, &option->base64.offset);
	return unknown(reader, piece);
}

int rule_read_base64_decode(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader->value, piece = { 0 };
	struct rule_option *option;
	int r;

	(void)word;
	r = reader_add(reader, RULE_BASE64_DECODE, true, &option);
	if (rest.len == 0)
		return r;
	while (r == 0 && span_next(&rest, ',', &piece))
		r = read_base64_word(reader, piece, option);
	return r;
}

static int read_asn1_word(
	struct rule_reader *reader, struct span *rest, struct span name, struct rule_option *option)
{
	int64_t number;
	bool size = span_is(name, "oversize_length");
	struct span value;
	int r;

	if (span_is(name, "bitstring_overflow")) {
		option->asn1.bitstring = true;
		return 0;
	}
	if (span_is(name, "double_overflow")) {
		option->asn1.overflow = true;
		return 0;
	}
	if (!size && !span_is(name, "absolute_offset") && !span_is(name, "relative_offset"))
		return unknown(reader, name);
	span_next_word(rest, &value);
	r = reader_number(
		reader, value, size ? 1 : -UINT16_MAX, size ? UINT32_MAX : UINT16_MAX, &number);
	if (r < 0)
		return r;
	if (size) {
		option->asn1.oversize = (uint32_t)number;
		return 0;
	}
	option->asn1.has_offset = true;
	option->asn1.relative = span_is(name, "relative_offset");
	option->asn1.offset = (int32_t)number;
	return 0;
}

int rule_read_asn1(struct rule_reader *reader, const struct rule_word *word)
{
	struct span all = reader->value, piece, name;
	struct rule_option *option;
	int r;

	(void)word;
	r = start(reader, RULE_ASN1, &option);
	if (r < 0)
		return r;
	memset(&option->asn1, 0, sizeof(option->asn1));
	while (r == 0 && span_next(&all, ',', &piece))
		while (r == 0 && span_next_word(&piece, &name))
			r = read_asn1_word(reader, &piece, name, option);
	return r;
}

static int read_rpc_number(
	struct rule_reader *reader, struct span *rest, uint32_t *ret_number, bool *ret_any)
{
	struct span piece = { 0 };
	int64_t number;
	int r;

	*ret_any = true;
	if (!span_next(rest, ',', &piece) || span_is(piece, "*") || piece.len == 0)
		return 0;
	*ret_any = false;
	r = reader_number(reader, piece, 0, UINT32_MAX, &number);
	if (r == 0)
		*ret_number = (uint32_t)number;
	return r;
}

int rule_read_rpc(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader->value;
	struct rule_option *option;
	bool any;
	int r;

	(void)word;
	r = start(reader, RULE_RPC, &option);
	if (r < 0)
		return r;
	memset(&option->rpc, 0, sizeof(option->rpc));
	r = read_rpc_number(reader, &rest, &option->rpc.program, &any);
	if (r == 0 && any)
		r = reader_bad_value(reader, reader->value, "the number of a program");
	if (r == 0)
		r = read_rpc_number(reader, &rest, &option->rpc.version, &option->rpc.any_version);
	if (r == 0)
		r = read_rpc_number(
			reader, &rest, &option->rpc.procedure, &option->rpc.any_procedure);
	return r;
}
