/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a line of Python, Perl or PHP says or writes into files, if it is put together of literals, Base64 and hex:
 * `print`, `open(...).write(...)`, `file_put_contents(...)`. Names are looked at by their last part. What else there is in
 * the code is passed over.
 */
#include "proto/paste.h"

#include <ctype.h>

#define CODE_DEPTH_MAX 8 /* of parentheses and functions in one expression */

struct code {
	const struct paste_code *to;
	struct cur c;   /* what is left */
	struct out *o;  /* where expressions are worked out, behind what is said */
	bool decoded;   /* some of the last one was hidden */
	unsigned depth; /* of it */
	bool opened, append;
	uint32_t file_len;
	uint8_t file[PASTE_NAME_MAX]; /* opened last */
};

enum undo { UNDO_NONE, UNDO_BASE64, UNDO_HEX };

static const struct {
	const char *name;
	enum undo undo;
} functions[] = { { "b64decode", UNDO_BASE64 }, { "decode_base64", UNDO_BASE64 },
	{ "base64_decode", UNDO_BASE64 }, { "a2b_base64", UNDO_BASE64 },
	{ "decodestring", UNDO_BASE64 }, { "decodebytes", UNDO_BASE64 }, { "unhexlify", UNDO_HEX },
	{ "fromhex", UNDO_HEX }, { "a2b_hex", UNDO_HEX }, { "hex2bin", UNDO_HEX },
	{ "bytes", UNDO_NONE }, { "bytearray", UNDO_NONE } };

static bool expression(struct code *k);

static void skip_blanks(struct code *k)
{
	while (cur_left(&k->c) && isspace(*k->c.at))
		cur_skip(&k->c, 1);
}

/* Behind blanks, which are left where they are if it is not there. */
static bool take(struct code *k, char byte)
{
	struct cur before = k->c;

	skip_blanks(k);
	if (cur_left(&k->c) && *k->c.at == (uint8_t)byte) {
		cur_skip(&k->c, 1);
		return true;
	}
	k->c = before;
	return false;
}

static bool is_end_of_statement(struct cur c)
{
	while (cur_left(&c) && (*c.at == ' ' || *c.at == '\t'))
		cur_skip(&c, 1);
	return !cur_left(&c) || memchr(";,)}#\r\n", *c.at, 7);
}

static bool is_name_byte(uint8_t byte)
{
	return isalnum(byte) || (byte && strchr("_.:$", byte));
}

/* With what stands in front of its last part; empty: there is none. */
static struct cur take_name(struct code *k)
{
	struct cur name = k->c;

	while (cur_left(&k->c) && is_name_byte(*k->c.at))
		cur_skip(&k->c, 1);
	name.end = k->c.at;
	return name;
}

static struct cur last_part(struct cur name)
{
	struct cur part = name;

	while (cur_left(&name)) {
		uint8_t byte = cur_u8(&name);

		if (byte == '.' || byte == ':')
			part = name;
	}
	return part;
}

/* Perl and PHP have escapes and variables in double quotes only. */
static bool unquote(struct code *k, struct cur text, uint8_t quote, bool raw)
{
	bool python = k->to->language == PASTE_PYTHON;

	if (!raw && (python || quote == '"'))
		return (python || !text_has(text, "$")) && paste_echo(text, k->o);
	out_bytes(k->o, (const char *)text.at, cur_left(&text));
	return true;
}

static bool is_quote(struct cur c)
{
	return cur_left(&c) && (*c.at == '\'' || *c.at == '"');
}

/* b'...', r"..." */
static bool literal(struct code *k)
{
	struct cur c = k->c, text;
	bool raw = false;
	uint8_t quote;

	for (unsigned n = 0; n < 2 && cur_left(&c) && strchr("bBrRuU", *c.at); n++)
		raw |= tolower(cur_u8(&c)) == 'r';
	if (!is_quote(c))
		return false;
	quote = cur_u8(&c);
	text = c;
	while (cur_left(&c) && *c.at != quote)
		cur_skip(&c, *c.at == '\\' && cur_left(&c) > 1 ? 2 : 1);
	if (!cur_left(&c))
		return false;
	text.end = c.at;
	cur_skip(&c, 1);
	k->c = c;
	return unquote(k, text, quote, raw);
}

/* [127, 0x45, ...] behind the bracket. */
static bool numbers(struct code *k)
{
	while (!take(k, ']')) {
		struct cur digits;
		unsigned n = 0;
		bool hex;

		skip_blanks(k);
		digits = take_name(k);
		hex = text_begins(digits, "0x");
		cur_skip(&digits, hex ? 2 : 0);
		if (!cur_left(&digits) || cur_left(&digits) > 3)
			return false;
		while (cur_left(&digits)) {
			uint8_t byte = cur_u8(&digits);

			if (!(hex ? isxdigit(byte) : isdigit(byte)))
				return false;
			n = n * (hex ? 16 : 10) +
			    (isdigit(byte) ? byte - (unsigned)'0'
					   : (byte | 0x20) - (unsigned)'a' + 10);
		}
		if (n > UINT8_MAX)
			return false;
		out_char(k->o, (char)n);
		take(k, ',');
	}
	return true;
}

/* What was worked out since `start` is undone where it is: it gets shorter. */
static bool undo_since(struct code *k, size_t start, enum undo undo)
{
	struct cur text = cur_make(k->o->at + start, k->o->len - start);
	struct out o = { .at = k->o->at + start, .size = k->o->size - start };

	if (undo == UNDO_NONE)
		return true;
	if (k->o->full || !(undo == UNDO_HEX ? paste_hex : paste_base64)(text, &o))
		return false;
	k->o->len = start + o.len;
	k->decoded = true;
	return true;
}

/* "hex", 'base64': what a text is undone by; of characters it stays as it is. */
static enum undo codec(struct code *k)
{
	size_t start = k->o->len;
	struct cur name;
	enum undo undo = UNDO_NONE;

	if (literal(k)) {
		name = cur_make(k->o->at + start, k->o->len - start);
		undo = text_begins(name, "hex")      ? UNDO_HEX
		       : text_begins(name, "base64") ? UNDO_BASE64
						     : UNDO_NONE;
	}
	k->o->len = start;
	return undo;
}

/* pack("H*", ...), with or without parentheses. */
static bool pack(struct code *k)
{
	bool open = take(k, '(');
	size_t start = k->o->len;
	bool hex;

	skip_blanks(k);
	if (!literal(k))
		return false;
	hex = k->o->len == start + 2 && text_same(cur_make(k->o->at + start, 2), cur_make("H*", 2));
	k->o->len = start;
	return hex && take(k, ',') && expression(k) && (!open || take(k, ')')) &&
	       undo_since(k, start, UNDO_HEX);
}

/* name(...), whose last part says how what is in it is undone; decode(..., 'hex') says it behind that. */
static bool call(struct code *k)
{
	size_t i = 0, n = sizeof(functions) / sizeof(functions[0]), start = k->o->len;
	struct cur whole = take_name(k), name;
	enum undo undo;

	if (text_is(whole, "__import__") && take(k, '(')) {
		codec(k);
		if (!take(k, ')'))
			return false;
		whole = take_name(k);
	}
	name = last_part(whole);
	if (text_is(name, "pack"))
		return pack(k);
	while (i < n && !text_is(name, functions[i].name))
		i++;
	if ((i == n && !text_is(name, "decode")) || !take(k, '(') || !expression(k))
		return false;
	undo = i < n ? functions[i].undo : text_has(whole, "ase64") ? UNDO_BASE64 : UNDO_NONE;
	if (take(k, ',')) {
		skip_blanks(k);
		if (i == n)
			undo = codec(k);
		else
			codec(k);
	}
	return take(k, ')') && undo_since(k, start, undo);
}

/* .decode('hex') and what does not change it. */
static bool methods(struct code *k, size_t start)
{
	while (k->to->language == PASTE_PYTHON && take(k, '.')) {
		struct cur name = take_name(k);
		enum undo undo;

		if (!take(k, '('))
			return false;
		undo = codec(k);
		if (!take(k, ')') || !(text_is(name, "decode") || text_is(name, "encode") ||
					     text_is(name, "strip")))
			return false;
		if (text_is(name, "decode") && !undo_since(k, start, undo))
			return false;
	}
	return true;
}

static bool term(struct code *k)
{
	size_t start = k->o->len;
	bool good;

	skip_blanks(k);
	if (take(k, '('))
		good = expression(k) && take(k, ')');
	else if (take(k, '['))
		good = numbers(k);
	else
		good = literal(k) || call(k);
	return good && methods(k, start);
}

static bool is_next_quote(struct code k)
{
	skip_blanks(&k);
	return is_quote(k.c) && k.to->language == PASTE_PYTHON;
}

/* Terms one behind the other, as each of the languages joins them. */
static bool terms(struct code *k)
{
	if (!term(k))
		return false;
	while (take(k, k->to->language == PASTE_PYTHON ? '+' : '.') || is_next_quote(*k))
		if (!term(k))
			return false;
	return true;
}

static bool expression(struct code *k)
{
	bool good;

	if (k->depth == CODE_DEPTH_MAX)
		return false;
	k->depth++;
	good = terms(k);
	k->depth--;
	return good;
}

static bool work_out(struct code *k)
{
	k->decoded = false;
	k->depth = 0;
	return expression(k) && !k->o->full;
}

/* To the file that was opened last; what was worked out is not said. */
static void write_it(struct code *k, size_t start)
{
	if (k->opened)
		k->to->write(k->to->context, cur_make(k->file, k->file_len), k->append,
			cur_make(k->o->at + start, k->o->len - start));
	k->append = true;
	k->o->len = start;
}

static void set_file(struct code *k, size_t start)
{
	struct cur name = cur_make(k->o->at + start, k->o->len - start);

	cur_limit(&name, sizeof(k->file));
	k->file_len = (uint32_t)cur_left(&name);
	cur_copy(&name, k->file, k->file_len);
	k->o->len = start;
	k->opened = true;
	k->append = false;
}

/* Perl: F, or my $f, and the comma. */
static bool take_handle(struct code *k)
{
	skip_blanks(k);
	if (text_is(take_name(k), "my")) {
		skip_blanks(k);
		take_name(k);
	}
	return take(k, ',');
}

/* open(name, mode), Perl's open(F, ">name") and open(F, ">", "name"). */
static void open_file(struct code *k)
{
	size_t start = k->o->len;
	struct cur mode, name;

	k->opened = false;
	take(k, '(');
	if (k->to->language == PASTE_PERL && !take_handle(k))
		return;
	if (!work_out(k))
		return;
	set_file(k, start);
	name = cur_make(k->file, k->file_len);
	mode = cur_make("", 0);
	if (k->to->language == PASTE_PERL) {
		k->append = text_begins(name, ">>");
		k->opened = text_begins(name, ">");
		while (cur_ahead(name, 0) == '>' || cur_ahead(name, 0) == ' ')
			cur_skip(&name, 1);
	}
	if (take(k, ',') && work_out(k))
		mode = cur_make(k->o->at + start, k->o->len - start);
	if (k->to->language == PASTE_PERL && cur_left(&mode)) {
		name = mode;
	} else if (k->to->language != PASTE_PERL) {
		k->opened = text_begins(mode, "w") || text_begins(mode, "a");
		k->append = text_begins(mode, "a");
	}
	cur_limit(&name, sizeof(k->file));
	k->file_len = (uint32_t)cur_left(&name);
	memmove(k->file, name.at, k->file_len);
	k->o->len = start;
}

/* Perl: print F "...": whose it is. */
static bool is_to_file(struct code *k)
{
	struct code ahead = *k;
	struct cur name;

	if (k->to->language != PASTE_PERL)
		return false;
	take(&ahead, '{');
	skip_blanks(&ahead);
	name = take_name(&ahead);
	take(&ahead, '}');
	if (!cur_left(&name) || !isspace(cur_ahead(ahead.c, 0)) || text_is(name, "pack") ||
		text_is(name, "STDERR"))
		return false;
	skip_blanks(&ahead);
	if (!is_quote(ahead.c) && !isalpha(cur_ahead(ahead.c, 0)))
		return false;
	k->c = ahead.c;
	return !text_is(name, "STDOUT");
}

/* Python's print ends with a line: but for `print x,` and print(x, end=''). */
static bool is_line(struct code *k)
{
	if (k->to->language != PASTE_PYTHON)
		return false;
	if (!take(k, ','))
		return true;
	skip_blanks(k);
	if (text_is(take_name(k), "end") && take(k, '='))
		codec(k);
	return false;
}

static void print(struct code *k)
{
	size_t start = k->o->len;
	bool open = take(k, '('), to_file, line;

	skip_blanks(k);
	to_file = is_to_file(k);
	if (!work_out(k) || !is_end_of_statement(k->c)) {
		k->o->len = start;
		return;
	}
	line = is_line(k);
	if (open && !take(k, ')')) {
		k->o->len = start;
		return;
	}
	if (line)
		out_char(k->o, '\n');
	if (to_file)
		write_it(k, start);
}

static void write_call(struct code *k, struct cur name)
{
	size_t start = k->o->len;
	bool said = text_has(name, "stdout");
	bool open = take(k, '(');

	if (text_is(name, "fwrite")) { /* PHP's has the file in front */
		skip_blanks(k);
		if (text_is(take_name(k), "fopen")) {
			open_file(k);
			take(k, ')');
		}
		open &= take(k, ',');
	}
	if (!open || !work_out(k) || !take(k, ')'))
		k->o->len = start;
	else if (!said)
		write_it(k, start);
}

/* file_put_contents(name, data [, FILE_APPEND]) */
static void put_contents(struct code *k)
{
	size_t start = k->o->len;

	if (!take(k, '(') || !work_out(k) || !take(k, ',')) {
		k->o->len = start;
		return;
	}
	set_file(k, start);
	if (!work_out(k) || !is_end_of_statement(k->c)) {
		k->o->len = start;
		return;
	}
	if (take(k, ',')) {
		skip_blanks(k);
		k->append = text_is(take_name(k), "FILE_APPEND");
	}
	write_it(k, start);
}

/* What was hidden and is run has no name. */
static void run(struct code *k)
{
	size_t start = k->o->len;

	if (work_out(k) && k->decoded)
		k->to->write(k->to->context, cur_make("", 0), false,
			cur_make(k->o->at + start, k->o->len - start));
	k->o->len = start;
}

static void statement(struct code *k)
{
	struct cur whole = take_name(k), name = last_part(whole);

	if (text_is(name, "print") || text_is(name, "echo"))
		print(k);
	else if (text_is(name, "write") || text_is(name, "fwrite"))
		write_call(k, whole);
	else if (text_is(name, "open") || text_is(name, "fopen"))
		open_file(k);
	else if (text_is(name, "file_put_contents"))
		put_contents(k);
	else if (text_is(name, "exec") || text_is(name, "eval"))
		run(k);
}

void paste_code(const struct paste_code *code, struct cur text, struct out *o)
{
	struct code k = { .to = code, .c = text, .o = o };

	while (cur_left(&k.c) && !o->full) {
		const uint8_t *at = k.c.at;
		size_t start = o->len;

		if (is_name_byte(*at)) {
			statement(&k);
		} else if (!is_quote(k.c)) {
			cur_skip(&k.c, 1);
		} else {
			literal(&k);
			o->len = start;
			if (k.c.at == at) /* it has no end */
				return;
		}
	}
}
