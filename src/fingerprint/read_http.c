/* SPDX-License-Identifier: Apache-2.0 */
/* ver:horder:habsent:expsw */
#include <ctype.h>

#include "fingerprint/inside.h"

static bool is_name_byte(uint8_t byte)
{
	return isalnum(byte) || byte == '-' || byte == '_';
}

static struct cur take_name(struct cur *c)
{
	struct cur rest = *c;
	size_t n = 0;

	while (cur_left(&rest) > 0 && is_name_byte(cur_u8(&rest)))
		n++;
	return cur_sub(c, n);
}

static bool take_byte(struct cur *c, uint8_t byte)
{
	if (cur_left(c) == 0 || cur_ahead(*c, 0) != byte)
		return false;
	cur_skip(c, 1);
	return true;
}

/* "[...]"; colons and commas may stand in it. */
static bool take_value(struct cur *c, struct text *ret_value)
{
	struct cur rest;
	size_t n = 0;

	if (!take_byte(c, '['))
		return false;
	rest = *c;
	while (cur_left(&rest) > 0 && cur_u8(&rest) != ']')
		n++;
	*ret_value = text_of_cur(cur_sub(c, n));
	return take_byte(c, ']');
}

static bool take_header(struct cur *c, bool plain, struct signature_header *ret_header)
{
	*ret_header = (struct signature_header){ .optional = !plain && take_byte(c, '?') };
	ret_header->name = text_of_cur(take_name(c));
	if (ret_header->name.len == 0)
		return false;
	return plain || !take_byte(c, '=') || take_value(c, &ret_header->value);
}

/* Up to a colon, which is taken. */
static const char *take_headers(
	struct cur *c, bool plain, struct signature_header *headers, uint8_t *ret_n)
{
	uint8_t n = 0;

	while (!take_byte(c, ':')) {
		if (n == SIGNATURES_HEADERS_MAX)
			return "too many headers";
		if (n > 0 && !take_byte(c, ','))
			return "headers that are not names, each with its =[value] if any, with "
			       "commas "
			       "between, and a colon behind";
		if (!take_header(c, plain, &headers[n++]))
			return "a header that is no name, with its =[value] if any";
	}
	*ret_n = n;
	return NULL;
}

static bool take_version(struct cur *c, struct signature_http *s)
{
	s->version = (int8_t)(take_byte(c, '*')   ? -1
			      : take_byte(c, '1') ? 1
			      : take_byte(c, '0') ? 0
						  : 2);
	return s->version != 2 && take_byte(c, ':');
}

const char *signature_read_http(struct cur line, struct signature_http *ret_signature,
	struct signature_header ret_headers[static 2 * SIGNATURES_HEADERS_MAX])
{
	struct signature_http s = { 0 };
	const char *why;

	if (!take_version(&line, &s))
		return "the version is not 0, 1 or *";
	why = take_headers(&line, false, ret_headers, &s.n_headers);
	if (!why)
		why = take_headers(&line, true, &ret_headers[s.n_headers], &s.n_absent);
	if (why)
		return why;
	s.software = text_of_cur(line);
	*ret_signature = s;
	return NULL;
}
