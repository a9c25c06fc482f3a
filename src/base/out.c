/* SPDX-License-Identifier: Apache-2.0 */
#include "base/out.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct out out_make(char *buf, size_t size)
{
	if (size > 0)
		buf[0] = '\0';
	return (struct out){ .at = buf, .size = size };
}

bool out_ok(const struct out *o)
{
	return !o->full;
}

void out_bytes(struct out *o, const char *bytes, size_t len)
{
	if (o->full || len >= o->size - o->len) {
		o->full = true;
		return;
	}
	if (len > 0) /* `bytes` may be NULL then */
		memcpy(o->at + o->len, bytes, len);
	o->len += len;
	o->at[o->len] = '\0';
}

void out_char(struct out *o, char c)
{
	out_bytes(o, &c, 1);
}

void out_str(struct out *o, const char *str)
{
	out_bytes(o, str, strlen(str));
}

void out_u64(struct out *o, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	out_bytes(o, digits + at, sizeof(digits) - at);
}

void out_i64(struct out *o, int64_t n)
{
	if (n < 0)
		out_char(o, '-');
	out_u64(o, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

static const char hex_digits[] = "0123456789abcdef";

void out_hex(struct out *o, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char pair[2] = { hex_digits[bytes[i] >> 4], hex_digits[bytes[i] & 15] };

		out_bytes(o, pair, sizeof(pair));
	}
}

void out_fmt(struct out *o, const char *fmt, ...)
{
	size_t room = o->size - o->len;
	va_list args;
	int n;

	if (o->full)
		return;
	va_start(args, fmt);
	n = vsnprintf(o->at + o->len, room, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room) {
		o->full = true;
		if (room > 0)
			o->at[o->len] = '\0';
		return;
	}
	o->len += (size_t)n;
}

/* Length of the valid UTF-8 sequence (RFC 3629, section 4) at s, 0 if there is none. */
static size_t utf8_len(const uint8_t *s, size_t left)
{
	size_t n = s[0] < 0x80   ? 1
		   : s[0] < 0xc2 ? 0
		   : s[0] < 0xe0 ? 2
		   : s[0] < 0xf0 ? 3
		   : s[0] < 0xf5 ? 4
				 : 0;

	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if (n == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)))
		return 0; /* overlong, surrogate */
	if (n == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)))
		return 0; /* overlong, above U+10FFFF */
	return n;
}

bool out_is_utf8(const char *bytes, size_t len)
{
	const uint8_t *s = (const uint8_t *)bytes;

	for (size_t i = 0, n; i < len; i += n) {
		n = utf8_len(s + i, len - i);
		if (n == 0)
			return false;
	}
	return true;
}

size_t out_utf8_open(const char *bytes, size_t len)
{
	const uint8_t *s = (const uint8_t *)bytes;

	for (size_t n = 1; n <= 3 && n <= len; n++) {
		uint8_t first = s[len - n];

		if ((first & 0xc0) == 0x80)
			continue;
		return (first >= 0xc2 && n < 2) || (first >= 0xe0 && n < 3) ||
				       (first >= 0xf0 && first < 0xf5)
			       ? n
			       : 0;
	}
	return 0;
}

static void json_char(struct out *o, uint8_t c)
{
	switch (c) {
	case '"':
		out_str(o, "\\\"");
		break;
	case '\\':
		out_str(o, "\\\\");
		break;
	case '\n':
		out_str(o, "\\n");
		break;
	case '\r':
		out_str(o, "\\r");
		break;
	case '\t':
		out_str(o, "\\t");
		break;
	default:
		if (c < 0x20 || c == 0x7f) {
			out_str(o, "\\u00");
			out_hex(o, &c, 1);
		} else {
			out_char(o, (char)c);
		}
	}
}

/* Length of the run that needs no escape. */
static size_t plain_len(const uint8_t *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
		n++;
	return n;
}

void out_json_text(struct out *o, const char *bytes, size_t len)
{
	const uint8_t *s = (const uint8_t *)bytes;

	out_char(o, '"');
	for (size_t i = 0; i < len;) {
		size_t n = plain_len(s + i, len - i);

		if (n > 0) {
			out_bytes(o, bytes + i, n);
			i += n;
			continue;
		}
		n = utf8_len(s + i, len - i);
		if (n == 0)
			out_str(o, "\\ufffd");
		else if (n == 1)
			json_char(o, s[i]);
		else if (n == 2 && s[i] == 0xc2 && s[i + 1] < 0xa0)
			out_fmt(o, "\\u00%02x", s[i + 1]); /* C1: terminals obey them */
		else if (n == 3 && s[i] == 0xe2 && s[i + 1] == 0x80 && (s[i + 2] & 0xfe) == 0xa8)
			out_fmt(o, "\\u20%02x", s[i + 2] - 0x80); /* line separators */
		else
			out_bytes(o, bytes + i, n);
		i += n ? n : 1;
	}
	out_char(o, '"');
}

void out_quoted(struct out *o, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)bytes[i];

		if (c >= 0x20 && c < 0x7f && c != '\\') {
			out_char(o, (char)c);
		} else {
			out_str(o, "\\x");
			out_hex(o, &c, 1);
		}
	}
}

/* Splits time into whole seconds and the rest, also before 1970. */
static int64_t split_time(int64_t time_ns, int64_t *ret_rest_ns)
{
	int64_t s = time_ns / 1000000000, rest = time_ns % 1000000000;

	if (rest < 0) {
		s--;
		rest += 1000000000;
	}
	*ret_rest_ns = rest;
	return s;
}

static void put_digits(char *at, unsigned n, size_t digits)
{
	while (digits-- > 0) {
		at[digits] = (char)('0' + n % 10);
		n /= 10;
	}
}

/* Without gmtime and printf: records carry up to three times each. The civil date of a day count
 * goes by 400-year eras that begin in March. 64-bit nanoseconds reach the years 1677 to 2262. */
static void out_date_time(struct out *o, int64_t s)
{
	int64_t days = s / 86400 - (s % 86400 < 0), rest = s - days * 86400;
	int64_t era_day = days + 719468, era = (era_day - (era_day < 0 ? 146096 : 0)) / 146097;
	unsigned doe = (unsigned)(era_day - era * 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), month = (5 * doy + 2) / 153;
	char text[] = "YYYY-MM-DDThh:mm:ss";

	put_digits(text, (unsigned)(yoe + era * 400) + (month >= 10), 4);
	put_digits(text + 5, month < 10 ? month + 3 : month - 9, 2);
	put_digits(text + 8, doy - (153 * month + 2) / 5 + 1, 2);
	put_digits(text + 11, (unsigned)(rest / 3600), 2);
	put_digits(text + 14, (unsigned)(rest / 60 % 60), 2);
	put_digits(text + 17, (unsigned)(rest % 60), 2);
	out_bytes(o, text, sizeof(text) - 1);
}

void out_time_eve(struct out *o, int64_t time_ns)
{
	char text[] = ".ffffff+0000";
	int64_t rest;

	out_date_time(o, split_time(time_ns, &rest));
	put_digits(text + 1, (unsigned)(rest / 1000), 6);
	out_bytes(o, text, sizeof(text) - 1);
}

void out_time_rfc3339(struct out *o, int64_t time_ns)
{
	int64_t rest;

	out_date_time(o, split_time(time_ns, &rest));
	out_fmt(o, ".%09dZ", (int)rest);
}

void out_base64(struct out *o, const uint8_t *bytes, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (; len > 0; bytes += 3, len -= len < 3 ? len : 3) {
		uint32_t v = (uint32_t)bytes[0] << 16 | (len > 1 ? (uint32_t)bytes[1] << 8 : 0) |
			     (len > 2 ? bytes[2] : 0);
		char four[4] = { digits[v >> 18], digits[v >> 12 & 63],
			len > 1 ? digits[v >> 6 & 63] : '=', len > 2 ? digits[v & 63] : '=' };

		out_bytes(o, four, sizeof(four));
	}
}
