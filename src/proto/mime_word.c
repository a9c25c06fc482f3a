/* SPDX-License-Identifier: Apache-2.0 */
/* Encoded words in headers (RFC 2047): =?charset?encoding?text?=, as UTF-8. */
#include "proto/mime.h"
#include "proto/paste.h"

#include <ctype.h>

static bool take_until(struct cur *c, char stop, struct cur *ret_part)
{
	if (!cur_left(c) || !memchr(c->at, stop, cur_left(c)))
		return false;
	*ret_part = text_until(c, stop);
	return true;
}

/* As quoted-printable, and an underscore is a space. */
static bool decode_quoted(struct cur c, struct out *o)
{
	while (cur_left(&c)) {
		uint8_t byte = cur_u8(&c);

		if (byte == '=') {
			struct cur digits = cur_sub(&c, cur_left(&c) < 2 ? cur_left(&c) : 2);

			if (cur_left(&digits) < 2 || !paste_hex(digits, o))
				return false;
			continue;
		}
		out_char(o, byte == '_' ? ' ' : (char)byte);
	}
	return true;
}

static bool is_ascii(struct cur c)
{
	while (cur_left(&c))
		if (!isascii(cur_u8(&c)))
			return false;
	return true;
}

static bool is_latin(struct cur charset)
{
	static const char *const names[] = { "iso-8859-1", "iso-8859-15", "windows-1252",
		"latin1" };
	size_t i = 0;

	while (i < sizeof(names) / sizeof(names[0]) && !text_is(charset, names[i]))
		i++;
	return i < sizeof(names) / sizeof(names[0]);
}

/* Each byte is the character of that number (ISO 8859-1). */
static void write_latin(struct cur c, struct out *o)
{
	while (cur_left(&c)) {
		uint8_t byte = cur_u8(&c);

		if (!isascii(byte))
			out_char(o, (char)(0xc0 | byte >> 6));
		out_char(o, (char)(isascii(byte) ? byte : 0x80 | (byte & 0x3f)));
	}
}

/* False: it is none, or of a charset that is not read: then it stays as it is. */
static bool take_word(struct cur *c, struct out *o)
{
	char text[MIME_HEADER_MAX];
	struct out decoded = out_make(text, sizeof(text));
	struct cur rest = *c, charset, encoding, encoded, bytes;

	if (cur_u8(&rest) != '=' || cur_u8(&rest) != '?' || !take_until(&rest, '?', &charset) ||
		!take_until(&rest, '?', &encoding) || !take_until(&rest, '?', &encoded) ||
		cur_u8(&rest) != '=')
		return false;
	if (!(text_is(encoding, "B")         ? paste_base64(encoded, &decoded)
		    : text_is(encoding, "Q") ? decode_quoted(encoded, &decoded)
					     : false))
		return false;
	charset = text_until(&charset, '*'); /* the language is behind it (RFC 2231, 5) */
	bytes = cur_make(text, decoded.len);
	if (is_latin(charset))
		write_latin(bytes, o);
	else if (text_is(charset, "utf-8") || is_ascii(bytes))
		out_bytes(o, text, decoded.len);
	else
		return false;
	*c = rest;
	return true;
}

void mime_words(struct cur text, struct out *o)
{
	bool behind_word = false;

	while (cur_left(&text) && !o->full) {
		struct cur next = text;

		while (behind_word && cur_left(&next) &&
			isspace(*next.at)) /* that is none between two words */
			cur_skip(&next, 1);
		behind_word = take_word(&next, o);
		if (behind_word)
			text = next;
		else
			out_char(o, (char)cur_u8(&text));
	}
}
