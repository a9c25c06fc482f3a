/* SPDX-License-Identifier: Apache-2.0 */
/* One method after another: what undoes it. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "decode/inside.h"

enum {
	BASE64_MIN = 24,    /* characters that are not taken for a word */
	PACKED_AT_MAX = 64, /* bytes before a gzip header */
	PACKED_MIN = 8,     /* bytes that come out of what is none */
	WINDOW_ANY = MAX_WBITS + 32
};

const struct decode_method decode_methods[DECODE_METHODS] = {
#define METHOD(ID, name, first, last, text) [DECODE_##ID] = { name, text, first, last },
#include "decode/method.def"
#undef METHOD
};

typedef void run_method(uint8_t key, struct cur in, size_t max, struct decode_buffer *ret_out);

static void put(struct decode_buffer *out, unsigned byte)
{
	out->at[out->len++] = (uint8_t)byte;
}

static void run_XOR(uint8_t key, struct cur in, size_t max, struct decode_buffer *out)
{
	(void)max;
	while (cur_left(&in) > 0)
		put(out, cur_u8(&in) ^ key);
}

static void run_SUB(uint8_t key, struct cur in, size_t max, struct decode_buffer *out)
{
	(void)max;
	while (cur_left(&in) > 0)
		put(out, cur_u8(&in) - key);
}

static void run_ADD(uint8_t key, struct cur in, size_t max, struct decode_buffer *out)
{
	run_SUB((uint8_t)-key, in, max, out);
}

static void run_ROLLING(uint8_t key, struct cur in, size_t max, struct decode_buffer *out)
{
	uint8_t before = 0;

	(void)max;
	while (cur_left(&in) > 0) {
		uint8_t byte = cur_u8(&in);

		put(out, byte - before - key);
		before = byte;
	}
}

static void run_ROLLING_BACK(uint8_t key, struct cur in, size_t max, struct decode_buffer *out)
{
	(void)max;
	while (cur_left(&in) > 0) {
		uint8_t byte = cur_u8(&in);

		put(out, byte - cur_ahead(in, 0) - key);
	}
}

static void run_ROLLING_SUM(uint8_t key, struct cur in, size_t max, struct decode_buffer *out)
{
	uint8_t sum = key;

	(void)max;
	while (cur_left(&in) > 0) {
		sum = (uint8_t)(sum + cur_u8(&in));
		put(out, sum);
	}
}

static void run_ROLLING_XOR(uint8_t key, struct cur in, size_t max, struct decode_buffer *out)
{
	uint8_t before = 0;

	(void)max;
	while (cur_left(&in) > 0) {
		uint8_t byte = cur_u8(&in);

		put(out, byte ^ before ^ key);
		before = byte;
	}
}

/* ---- base64 ---- */

static int base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

/* Lines of it are one stretch. */
static struct cur longest_stretch(struct cur in, size_t *ret_characters)
{
	struct cur best = cur_make(NULL, 0);

	*ret_characters = 0;
	while (cur_left(&in) > 0) {
		struct cur begin = in;
		size_t n = 0, characters = 0;

		for (uint8_t c; cur_left(&in) > 0; n++, cur_skip(&in, 1)) {
			c = cur_ahead(in, 0);
			if (base64_value(c) >= 0)
				characters++;
			else if (characters == 0 || (c != '\r' && c != '\n'))
				break;
		}
		if (characters > *ret_characters) {
			*ret_characters = characters;
			best = cur_sub(&begin, n);
		}
		if (n == 0)
			cur_skip(&in, 1);
	}
	return best;
}

static void run_BASE64(uint8_t key, struct cur in, size_t max, struct decode_buffer *out)
{
	size_t characters;
	struct cur text = longest_stretch(in, &characters);
	uint32_t bits = 0;
	unsigned n = 0;

	(void)key;
	if (characters < BASE64_MIN)
		return;
	while (cur_left(&text) > 0 && out->len < max) {
		int value = base64_value(cur_u8(&text));

		if (value < 0)
			continue;
		bits = bits << 6 | (unsigned)value;
		n += 6;
		if (n >= 8) {
			n -= 8;
			put(out, bits >> n);
		}
	}
}

/* ---- gzip ---- */

/* zlib's memory, of which a process without rights has enough. It inflates what there is room for, no more. */
static bool inflate_at(struct cur in, size_t max, struct decode_buffer *out)
{
	size_t len = cur_left(&in);
	const uint8_t *bytes = cur_take(&in, len);
	z_stream z = { .next_in = (Bytef *)(uintptr_t)bytes,
		.avail_in = (uInt)len,
		.next_out = out->at,
		.avail_out = (uInt)max };

	if (inflateInit2(&z, WINDOW_ANY) != Z_OK)
		return false;
	(void)inflate(&z, Z_SYNC_FLUSH);
	out->len = (uint32_t)z.total_out;
	inflateEnd(&z);
	if (out->len < PACKED_MIN)
		out->len = 0;
	return out->len > 0;
}

static bool is_packed(struct cur in)
{
	uint8_t a = cur_u8(&in), b = cur_u8(&in), c = cur_u8(&in);

	if (!cur_ok(&in))
		return false;
	if (a == 0x1f && b == 0x8b)
		return c == 8;
	return a == 0x78 && (b == 0x01 || b == 0x5e || b == 0x9c || b == 0xda);
}

static void run_GZIP(uint8_t key, struct cur in, size_t max, struct decode_buffer *out)
{
	(void)key;
	for (unsigned at = 0; at <= PACKED_AT_MAX && cur_left(&in) > 0; at++, cur_skip(&in, 1))
		if (is_packed(in) && inflate_at(in, max, out))
			return;
}

void decode_run(struct decode_step step, struct cur in, size_t max, struct decode_buffer *out)
{
	static run_method *const runs[DECODE_METHODS] = {
#define METHOD(ID, name, first, last, text) [DECODE_##ID] = run_##ID,
#include "decode/method.def"
#undef METHOD
	};

	if (max > DECODE_MAX)
		max = DECODE_MAX;
	if (decode_methods[step.method].last > 0)
		cur_limit(&in, max);
	out->len = 0;
	runs[step.method](step.key, in, max, out);
}
