/* SPDX-License-Identifier: Apache-2.0 */
/* Ways to write bytes that cannot be typed. */
#include "proto/paste.h"

#define ZLIB_CONST
#include <ctype.h>
#include <strings.h>
#include <zlib.h>

#include "proto/mime.h"

static int hex_value(uint8_t byte)
{
	if (isdigit(byte))
		return byte - '0';
	return isxdigit(byte) ? tolower(byte) - 'a' + 10 : -1;
}

/* Up to `max` digits of that base. */
static unsigned take_number(struct cur *c, unsigned base, unsigned max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < max && cur_left(c); i++) {
		int digit = hex_value(cur_ahead(*c, 0));

		if (digit < 0 || digit >= (int)base)
			break;
		n = n * base + (unsigned)digit;
		cur_skip(c, 1);
	}
	return n & 0xff;
}

/* Behind a backslash; false: \c. busybox takes octal numbers with and without a zero in front. */
static bool take_escape(struct cur *c, struct out *o)
{
	static const char from[] = "abefnrtv", to[] = "\a\b\x1b\f\n\r\t\v";
	uint8_t byte = cur_ahead(*c, 0);
	const char *at = byte ? strchr(from, byte) : NULL;

	if (!cur_left(c)) {
		out_char(o, '\\');
	} else if (byte >= '0' && byte <= '7') {
		out_char(o, (char)take_number(c, 8, byte == '0' ? 4 : 3));
	} else if (byte == 'x' && hex_value(cur_ahead(*c, 1)) >= 0) {
		cur_skip(c, 1);
		out_char(o, (char)take_number(c, 16, 2));
	} else if (byte == 'c') {
		return false;
	} else if (at) {
		cur_skip(c, 1);
		out_char(o, to[at - from]);
	} else if (memchr("\\'\"", byte, 3)) {
		out_char(o, (char)cur_u8(c));
	} else {
		out_char(o, '\\');
	}
	return true;
}

bool paste_echo(struct cur text, struct out *o)
{
	while (cur_left(&text)) {
		uint8_t byte = cur_u8(&text);

		if (byte != '\\')
			out_char(o, (char)byte);
		else if (!take_escape(&text, o))
			return false;
	}
	return true;
}

/* One conversion behind '%'; false: it is none that gives bytes. */
static bool take_conversion(struct cur *c, struct cur arg, struct out *o, bool *ret_used)
{
	uint8_t kind = cur_u8(c);

	*ret_used = kind == 's' || kind == 'b' || kind == 'c';
	if (kind == '%')
		out_char(o, '%');
	else if (kind == 's' && cur_left(&arg))
		out_bytes(o, (const char *)arg.at, cur_left(&arg));
	else if (kind == 'c' && cur_left(&arg))
		out_char(o, (char)cur_u8(&arg));
	else if (kind == 'b')
		return paste_echo(arg, o);
	else
		return *ret_used;
	return true;
}

void paste_printf(const struct cur *args, unsigned n, struct out *o)
{
	static const struct cur none = { .at = (const uint8_t *)"", .end = (const uint8_t *)"" };
	unsigned next = 1;
	bool used = true;

	while (n > 0 && used && (next == 1 || next < n)) {
		struct cur format = args[0];

		used = false;
		while (cur_left(&format)) {
			uint8_t byte = cur_u8(&format);
			bool one = false, good = true;

			if (byte == '\\')
				good = take_escape(&format, o);
			else if (byte == '%')
				good = take_conversion(
					&format, next < n ? args[next] : none, o, &one);
			else
				out_char(o, (char)byte);
			if (!good)
				return;
			next += one;
			used |= one;
		}
	}
}

/* Line ends and blanks are skipped. */
bool paste_base64(struct cur text, struct out *o)
{
	unsigned bits = 0, n = 0, padding = 0;

	while (cur_left(&text)) {
		uint8_t byte = cur_u8(&text);
		int value = mime_base64_value(byte);

		if (isspace(byte))
			continue;
		padding += byte == '=';
		if (byte != '=' && (value < 0 || padding))
			return false;
		if (byte == '=')
			continue;
		bits = (bits << 6 | (unsigned)value) & 0xffffff;
		n += 6;
		if (n >= 8) {
			n -= 8;
			out_char(o, (char)(bits >> n & 0xff));
		}
	}
	return padding <= 2;
}

bool paste_hex(struct cur text, struct out *o)
{
	unsigned half = 0, n = 0;

	while (cur_left(&text)) {
		uint8_t byte = cur_u8(&text);
		int value = hex_value(byte);

		if (isspace(byte))
			continue;
		if (value < 0)
			return false;
		half = half << 4 | (unsigned)value;
		if (++n % 2 == 0)
			out_char(o, (char)(half & 0xff));
	}
	return n > 0;
}

/* POSIX, uuencode: the number of bytes, and four characters for each three of them. */
bool paste_uu_line(struct cur line, struct out *o, bool *ret_last)
{
	unsigned left;

	while (cur_left(&line) && isspace(line.end[-1]) && line.end[-1] != ' ')
		line.end--;
	left = (cur_u8(&line) - (unsigned)' ') & 63;
	if (!cur_ok(&line) || (left + 2) / 3 * 4 > cur_left(&line) + 3)
		return false;
	*ret_last = left == 0;
	while (left > 0) {
		unsigned bits = 0;

		for (unsigned i = 0; i < 4; i++) {
			uint8_t byte = cur_left(&line) ? cur_u8(&line) : ' '; /* blanks get lost */

			if (byte < ' ' || byte > '`')
				return false;
			bits = bits << 6 | ((byte - (unsigned)' ') & 63);
		}
		for (unsigned i = 0; i < 3 && left > 0; i++, left--)
			out_char(o, (char)(bits >> (16 - 8 * i) & 0xff));
	}
	return true;
}

bool paste_uu_begin(struct cur line, struct cur *ret_name, bool *ret_base64)
{
	struct cur word = text_until(&line, ' '), mode = text_until(&line, ' ');

	*ret_base64 = text_is(word, "begin-base64");
	if (!*ret_base64 && !text_is(word, "begin"))
		return false;
	if (cur_left(&mode) != 3 && cur_left(&mode) != 4)
		return false;
	while (cur_left(&mode))
		if (cur_ahead(mode, 0) < '0' || cur_u8(&mode) > '7')
			return false;
	*ret_name = text_trim(line);
	return cur_left(ret_name);
}

bool paste_gunzip(struct cur text, struct out *o)
{
	z_stream z = { .next_in = text.at, .avail_in = (uInt)cur_left(&text) };
	uint8_t piece[1024];
	int status;

	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) /* with a header of gzip */
		return false;
	do {
		z.next_out = piece;
		z.avail_out = sizeof(piece);
		status = inflate(&z, Z_NO_FLUSH);
		out_bytes(o, (const char *)piece, sizeof(piece) - z.avail_out);
	} while (status == Z_OK && out_ok(o));
	inflateEnd(&z);
	return status == Z_STREAM_END || status == Z_OK;
}
