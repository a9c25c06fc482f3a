/* SPDX-License-Identifier: Apache-2.0 */
/* Whether members of a record, which come from another process, are JSON that may stand in its
 * line. Stricter than RFC 8259 where readers differ: numbers that fit everywhere, no escaped
 * surrogates, one line. */
#include "event/event.h"

#include <string.h>

#include "base/cur.h"

enum { NAME_MAX_BYTES = 64, DIGITS_MAX = 18 };

/* What the journal adds to a line. */
static const char journal_name[] = "\"link\":";

static uint8_t next_byte(const struct cur *c)
{
	return cur_left(c) > 0 ? *c->at : 0;
}

static bool take_byte(struct cur *c, uint8_t byte)
{
	if (next_byte(c) != byte)
		return false;
	cur_skip(c, 1);
	return true;
}

static bool take_word(struct cur *c, const char *word)
{
	size_t len = strlen(word);
	const uint8_t *at = cur_take(c, len);

	return at && memcmp(at, word, len) == 0;
}

/* How many digits there are, at most DIGITS_MAX + 1. */
static unsigned take_digits(struct cur *c)
{
	unsigned n = 0;

	while (n <= DIGITS_MAX && next_byte(c) >= '0' && next_byte(c) <= '9') {
		cur_skip(c, 1);
		n++;
	}
	return n;
}

static bool is_count(unsigned digits, unsigned max)
{
	return digits > 0 && digits <= max;
}

static bool take_number(struct cur *c)
{
	bool zero;

	take_byte(c, '-');
	zero = next_byte(c) == '0';
	if (zero)
		cur_skip(c, 1);
	else if (!is_count(take_digits(c), DIGITS_MAX))
		return false;
	if (take_byte(c, '.') && !is_count(take_digits(c), DIGITS_MAX))
		return false;
	if (!take_byte(c, 'e') && !take_byte(c, 'E'))
		return true;
	if (!take_byte(c, '-'))
		take_byte(c, '+');
	return is_count(take_digits(c), 2);
}

static bool take_escape(struct cur *c)
{
	uint8_t byte = cur_u8(c);
	const uint8_t *hex;

	if (byte != 'u')
		return byte != 0 && strchr("\"\\/bfnrt", byte);
	hex = cur_take(c, 4);
	for (int i = 0; hex && i < 4; i++)
		if (hex[i] == 0 || !strchr("0123456789abcdefABCDEF", hex[i]))
			return false;
	return hex && !((hex[0] == 'd' || hex[0] == 'D') && hex[1] >= '8');
}

/* RFC 3629; the first byte, 0x80 and more, has been taken. */
static bool take_utf8(struct cur *c, uint8_t first)
{
	unsigned more = first < 0xc2   ? 0
			: first < 0xe0 ? 1
			: first < 0xf0 ? 2
			: first < 0xf5 ? 3
				       : 0;
	uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

	if (more == 0)
		return false;
	for (; more > 0; more--, low = 0x80, high = 0xbf) {
		uint8_t byte = cur_u8(c);

		if (byte < low || byte > high)
			return false;
	}
	return true;
}

static bool take_string(struct cur *c)
{
	if (!take_byte(c, '"'))
		return false;
	while (cur_left(c) > 0) {
		uint8_t byte = cur_u8(c);

		if (byte == '"')
			return true;
		if (byte < 0x20 || (byte == '\\' && !take_escape(c)) ||
			(byte >= 0x80 && !take_utf8(c, byte)))
			return false;
	}
	return false;
}

static bool take_value(struct cur *c, unsigned depth);

static bool take_member(struct cur *c, unsigned depth)
{
	return take_string(c) && take_byte(c, ':') && take_value(c, depth);
}

/* Behind the bracket. */
static bool take_many(struct cur *c, uint8_t end, unsigned depth)
{
	if (depth == 0)
		return false;
	if (take_byte(c, end))
		return true;
	do {
		if (end == '}' ? !take_member(c, depth - 1) : !take_value(c, depth - 1))
			return false;
	} while (take_byte(c, ','));
	return take_byte(c, end);
}

static bool take_value(struct cur *c, unsigned depth)
{
	switch (next_byte(c)) {
	case '"':
		return take_string(c);
	case '{':
		cur_skip(c, 1);
		return take_many(c, '}', depth);
	case '[':
		cur_skip(c, 1);
		return take_many(c, ']', depth);
	case 't':
		return take_word(c, "true");
	case 'f':
		return take_word(c, "false");
	case 'n':
		return take_word(c, "null");
	default:
		return take_number(c);
	}
}

/* Where the members of this field stand: behind its object's opening, or at the start. */
static const struct layout *object_of(const struct layout *l, const struct field_info *field)
{
	const struct layout *open[LAYOUT_DEPTH_MAX + 1] = { l };
	unsigned depth = 0;

	for (; l->field != field || l->step != LAYOUT_MEMBERS; l++) {
		if (l->step == LAYOUT_OPEN)
			open[++depth] = l + 1;
		else if (l->step == LAYOUT_CLOSE)
			depth--;
	}
	return open[depth];
}

/* `name` is `"name":`; escapes in it would make two spellings of one name, so there are none. */
static bool name_is_free(const struct layout *l, const uint8_t *name, size_t len)
{
	unsigned depth = 0;

	if (len > NAME_MAX_BYTES || memchr(name, '\\', len) ||
		(len == strlen(journal_name) && memcmp(name, journal_name, len) == 0))
		return false;
	for (; depth > 0 || l->step != LAYOUT_MEMBERS; l++) {
		if (depth == 0 && strlen(l->key) == len && memcmp(l->key, name, len) == 0)
			return false;
		depth += (l->step == LAYOUT_OPEN) - (l->step == LAYOUT_CLOSE);
	}
	return true;
}

struct text *record_members(struct record *record)
{
	struct event_info info = event_info(record->type);

	for (size_t i = 0; i < info.n_fields; i++)
		if (info.fields[i].kind == KIND_MEMBERS && strcmp(info.fields[i].path, "*") == 0)
			return (struct text *)(void *)((char *)record + info.fields[i].offset);
	return NULL;
}

bool record_members_ok(
	enum event_type type, const struct field_info *field, const char *at, size_t len)
{
	const struct layout *object = object_of(event_layout(type), field);
	struct cur c = cur_make(at, len);

	if (len > RECORD_MEMBERS_MAX)
		return false;
	if (len == 0)
		return true;
	do {
		const uint8_t *name = c.at;

		if (!take_string(&c) || !take_byte(&c, ':') ||
			!name_is_free(object, name, (size_t)(c.at - name)) ||
			!take_value(&c, RECORD_MEMBERS_DEPTH_MAX))
			return false;
	} while (take_byte(&c, ','));
	return !c.bad && cur_left(&c) == 0;
}
