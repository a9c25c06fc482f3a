/* SPDX-License-Identifier: Apache-2.0 */
/* Options that look for bytes: content and what modifies it, pcre, buffers and their transforms. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

#include "rules/reader.h"

/* ---- bytes ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct bytes {
	uint8_t at[RULE_CONTENT_MAX];
	size_t len;
};

/* |41 42|: from behind the first bar; `*i` moves to the second. */
static int read_hex(struct rule_reader *reader, struct span s, size_t *i, struct bytes *bytes)
{
	int high = -1;

	for (; *i < s.len && s.at[*i] != '|'; ++*i) {
		int digit = hex_digit(s.at[*i]);

		if (span_is_space(s.at[*i]))
			continue;
		if (digit < 0)
			return reader_refuse(reader, span_from(s, *i), "bad-hex",
				"between bars are hexadecimal digits only");
		if (high >= 0)
			bytes->at[bytes->len++] = (uint8_t)(high << 4 | digit);
		high = high < 0 ? digit : -1;
		if (bytes->len >= RULE_CONTENT_MAX)
			return 0;
	}
	if (*i == s.len)
		return reader_refuse(reader, s, "bad-hex", "the second | is missing");
	if (high >= 0)
		return reader_refuse(
			reader, span_from(s, *i), "bad-hex", "an odd number of hexadecimal digits");
	return 0;
}

static int read_escape(struct rule_reader *reader, struct span s, size_t *i, char *ret_c)
{
	if (*i + 1 >= s.len || !strchr("\\\";:|", s.at[*i + 1]) || s.at[*i + 1] == 0)
		return reader_refuse(reader, span_from(s, *i), "bad-escape",
			"a backslash stands before one of \\ \" ; : | only; write others as |hex|");
	*ret_c = s.at[++*i];
	return 0;
}

static int read_bytes(struct rule_reader *reader, struct span s, struct bytes *bytes)
{
	int r = 0;

	for (size_t i = 0; i < s.len && r == 0; i++) {
		char c = s.at[i];

		if (bytes->len >= RULE_CONTENT_MAX)
			return reader_refuse(reader, s, "too-long",
				"a content has at most %d bytes", RULE_CONTENT_MAX);
		if (c == '|') {
			i++;
			r = read_hex(reader, s, &i, bytes);
			continue;
		}
		if (c == '\\')
			r = read_escape(reader, s, &i, &c);
		bytes->at[bytes->len++] = (uint8_t)c;
	}
	if (r == 0 && bytes->len == 0)
		r = reader_refuse(reader, s, "bad-value", "there is nothing to look for");
	return r;
}

/* The part in quotes; `rest` is what follows. */
static int take_quoted(struct rule_reader *reader, struct span *rest, struct span *ret_text)
{
	struct span s = span_skip_space(*rest);
	size_t end = s.len;

	if (s.len == 0 || s.at[0] != '"')
		return reader_bad_value(reader, s, "text in quotes");
	for (size_t i = 1; i < s.len; i++) {
		if (s.at[i] == '\\')
			i++;
		else if (s.at[i] == '"')
			end = i;
		else if (s.at[i] == ',' && end == i - 1)
			break;
	}
	if (end >= s.len)
		return reader_refuse(reader, s, "bad-quotes", "the second quote is missing");
	*ret_text = span_make(s.at + 1, end - 1);
	*rest = span_skip_space(span_from(s, end + 1));
	return 0;
}

/* ---- content ---- */

static int add_content(struct rule_reader *reader, struct span s, struct rule_option **ret_option)
{
	struct bytes bytes = { .len = 0 };
	struct rule_option *option;
	int r = read_bytes(reader, s, &bytes);

	if (r == 0)
		r = reader_add(reader, RULE_CONTENT, true, &option);
	if (r < 0)
		return r;
	option->content.bytes = malloc(bytes.len);
	if (!option->content.bytes)
		return -ENOMEM;
	memcpy(option->content.bytes, bytes.at, bytes.len);
	option->content.len = (uint16_t)bytes.len;
	reader->last_content = reader->rule->n_options - 1;
	*ret_option = option;
	return 0;
}

static bool modifies_content(const struct rule_word *word)
{
	static int (*const readers[])(
		struct rule_reader *, const struct rule_word *) = { rule_read_content_flag,
		rule_read_position, rule_read_fast_pattern, rule_read_modifier };

	for (size_t i = 0; word && i < sizeof(readers) / sizeof(readers[0]); i++)
		if (word->read == readers[i])
			return true;
	return false;
}

/* Modifiers behind the quotes, as Snort 3 writes them: `, nocase, depth 8`. */
static int read_inline_modifiers(struct rule_reader *reader, struct span rest)
{
	struct span piece;
	int r = 0;

	if (rest.len > 0 && !span_take(&rest, ','))
		return reader_bad_value(reader, rest, "nothing behind the quotes but modifiers");
	while (rest.len > 0 && r == 0 && span_next(&rest, ',', &piece)) {
		const struct rule_word *word;
		struct span value = piece;

		span_next_word(&value, &reader->name);
		word = rule_word_find(reader->name);
		reader->value = span_trim(value);
		if (reader->value.len == 0)
			reader->value.at = NULL;
		if (!modifies_content(word))
			return reader_refuse(reader, piece, "unknown-keyword",
				"%.*s does not modify a content",
				piece.len > 60 ? 60 : (int)piece.len, piece.at);
		r = word->read(reader, word);
	}
	return r;
}

int rule_read_content(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader->value, text;
	struct rule_option *option;
	bool negated;
	int r;

	(void)word;
	negated = span_take(&rest, '!');
	r = take_quoted(reader, &rest, &text);
	if (r == 0)
		r = add_content(reader, text, &option);
	if (r < 0)
		return r;
	option->negated = negated;
	return read_inline_modifiers(reader, rest);
}

int rule_read_uricontent(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule_option *option;
	int r = rule_read_content(reader, word);

	if (r < 0)
		return r;
	option = reader_content(reader);
	option->buffer = BUFFER_HTTP_URI;
	option->list = 0;
	return 0;
}

static int need_content(struct rule_reader *reader, struct rule_option **ret_option)
{
	*ret_option = reader_content(reader);
	if (!*ret_option)
		return reader_refuse(reader, reader->name, "no-content",
			"%.*s modifies the content before it, and there is none",
			(int)reader->name.len, reader->name.at);
	return 0;
}

static int need_no_value(struct rule_reader *reader)
{
	if (reader->value.at && reader->value.len > 0)
		return reader_refuse(reader, reader->value, "bad-value", "%.*s has no value",
			(int)reader->name.len, reader->name.at);
	return 0;
}

/* nocase, rawbytes, startswith, endswith, by their first letters. */
int rule_read_content_flag(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule_option *option;
	int r = need_content(reader, &option);

	if (r == 0)
		r = need_no_value(reader);
	if (r < 0)
		return r;
	option->content.nocase |= word->argument == 'n';
	option->content.raw |= word->argument == 'r';
	option->content.startswith |= word->argument == 's';
	option->content.endswith |= word->argument == 'e';
	return 0;
}

static int check_position(struct rule_reader *reader, int which, const struct rule_value *value,
	const struct rule_content *content)
{
	if (value->is_var)
		return 0;
	if (value->number < (which == 'D' ? -RULE_TEXT_MAX : 0) || value->number > INT32_MAX)
		return reader_bad_value(reader, reader->value, "a number of bytes");
	if ((which == 'd' || which == 'w') && value->number < content->len)
		return reader_refuse(reader, reader->value, "too-narrow",
			"%u bytes cannot be found within %lld: the rule could never match",
			content->len, (long long)value->number);
	return 0;
}

int rule_read_position(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule_option *option;
	struct rule_content *content;
	struct rule_value value;
	bool *has;
	struct rule_value *place;
	int r = need_content(reader, &option);

	if (r == 0)
		r = reader_value(reader, reader_unquote(reader->value), &value);
	if (r < 0)
		return r;
	content = &option->content;
	r = check_position(reader, word->argument, &value, content);
	if (r < 0)
		return r;
	has = word->argument == 'o'   ? &content->has_offset
	      : word->argument == 'd' ? &content->has_depth
	      : word->argument == 'D' ? &content->has_distance
				      : &content->has_within;
	place = word->argument == 'o'   ? &content->offset
		: word->argument == 'd' ? &content->depth
		: word->argument == 'D' ? &content->distance
					: &content->within;
	if (*has)
		return reader_refuse(reader, reader->name, "bad-combination",
			"%s is said twice of one content", word->name);
	*has = true;
	*place = value;
	return 0;
}

static int read_fast_part(struct rule_reader *reader, struct rule_content *content)
{
	struct span rest = reader->value, piece;
	int64_t at, len;
	int r;

	span_next(&rest, ',', &piece);
	r = reader_number(reader, piece, 0, content->len - 1, &at);
	if (r < 0)
		return r;
	if (!span_next(&rest, ',', &piece))
		return reader_bad_value(reader, reader->value, "only, or AT,LENGTH");
	r = reader_number(reader, piece, 1, content->len - at, &len);
	if (r < 0)
		return r;
	content->fast_at = (uint16_t)at;
	content->fast_len = (uint16_t)len;
	return 0;
}

int rule_read_fast_pattern(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule_option *option;
	int r = need_content(reader, &option);

	(void)word;
	if (r < 0)
		return r;
	if (reader->value.at && span_is(reader->value, "only"))
		option->content.fast_only = true;
	else if (reader->value.at)
		r = read_fast_part(reader, &option->content);
	option->content.fast = true;
	return r;
}

int rule_read_replace(struct rule_reader *reader, const struct rule_word *word)
{
	struct bytes bytes = { .len = 0 };
	struct span rest = reader->value, text;
	struct rule_option *option;
	int r = need_content(reader, &option);

	(void)word;
	if (r == 0)
		r = take_quoted(reader, &rest, &text);
	if (r == 0 && rest.len > 0)
		r = reader_bad_value(reader, rest, "nothing behind the quotes");
	if (r == 0)
		r = read_bytes(reader, text, &bytes);
	if (r < 0)
		return r;
	if (option->negated)
		return reader_refuse(reader, reader->name, "replace-on-negated",
			"what must not be there cannot be replaced");
	if (option->content.replace)
		return reader_refuse(reader, reader->name, "bad-combination",
			"this content is replaced already");
	if (bytes.len != option->content.len)
		return reader_refuse(reader, reader->value, "replace-length",
			"replace has %zu bytes, the content %u: they must be equal", bytes.len,
			option->content.len);
	option->content.replace = malloc(bytes.len);
	if (!option->content.replace)
		return -ENOMEM;
	memcpy(option->content.replace, bytes.at, bytes.len);
	reader->replace = reader->name;
	return 0;
}

/* ---- buffers ---- */

int rule_read_modifier(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule_option *option;
	int r = need_content(reader, &option);

	if (r == 0)
		r = need_no_value(reader);
	if (r < 0)
		return r;
	option->buffer = (uint16_t)word->argument;
	option->list = 0;
	return 0;
}

static void drop_transforms(struct rule_reader *reader)
{
	for (unsigned i = 0; i < reader->n_transforms; i++)
		free(reader->transform[i].pattern);
	reader->n_transforms = 0;
}

int rule_read_sticky(struct rule_reader *reader, const struct rule_word *word)
{
	int r = need_no_value(reader);

	if (r < 0)
		return r;
	drop_transforms(reader);
	reader->buffer = (uint16_t)word->argument;
	reader->list = ++reader->lists;
	if (word->argument == BUFFER_PAYLOAD)
		reader->list = 0;
	reader->buffer_idle = word->argument != BUFFER_PAYLOAD;
	reader->buffer_word = reader->name;
	reader->last_content = -1;
	return 0;
}

/* KEYWORD:"text" of the time before sticky buffers. */
static int read_legacy(
	struct rule_reader *reader, const struct rule_word *word, struct rule_option **ret_option)
{
	struct span s = reader->value;
	uint16_t buffer = reader->buffer, list = reader->list;
	struct rule_option *option;
	bool negated, idle = reader->buffer_idle;
	int r;

	if (!s.at)
		return reader_bad_value(reader, s, "text in quotes");
	negated = span_take(&s, '!');
	reader->buffer = (uint16_t)word->argument;
	reader->list = ++reader->lists;
	r = add_content(reader, reader_unquote(s), &option);
	reader->buffer = buffer;
	reader->list = list;
	reader->buffer_idle = idle;
	if (r < 0)
		return r;
	option->negated = negated;
	reader->last_content = -1;
	*ret_option = option;
	return 0;
}

int rule_read_legacy_part(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule_option *option;

	return read_legacy(reader, word, &option);
}

int rule_read_legacy_nocase(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule_option *option;
	int r = read_legacy(reader, word, &option);

	if (r == 0)
		option->content.nocase = true;
	return r;
}

int rule_read_legacy_whole(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule_option *option;
	int r = read_legacy(reader, word, &option);

	if (r == 0) {
		option->content.nocase = true;
		option->content.startswith = option->content.endswith = true;
	}
	return r;
}

int rule_read_tls_version(struct rule_reader *reader, const struct rule_word *word)
{
	return reader->value.at ? rule_read_legacy_whole(reader, word)
				: rule_read_sticky(reader, word);
}

int rule_read_ftpdata_command(struct rule_reader *reader, const struct rule_word *word)
{
	return reader->value.at ? rule_read_legacy_whole(reader, word)
				: rule_read_sticky(reader, word);
}

int rule_read_fileext(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule_option *option;
	struct rule_content *content;
	uint8_t *longer;
	int r = read_legacy(reader, word, &option);

	if (r < 0)
		return r;
	content = &option->content;
	longer = realloc(content->bytes, content->len + 1U);
	if (!longer)
		return -ENOMEM;
	memmove(longer + 1, longer, content->len);
	longer[0] = '.';
	content->bytes = longer;
	content->len++;
	content->nocase = content->endswith = true;
	return 0;
}

int rule_read_bsize(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule_option *option;
	int r;

	(void)word;
	r = reader_add(reader, RULE_BSIZE, true, &option);
	return r < 0 ? r : reader_compare(reader, reader->value, false, &option->compare);
}

int rule_read_absent(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule_option *option;
	int r;

	(void)word;
	if (reader->buffer == BUFFER_PAYLOAD)
		return reader_refuse(reader, reader->name, "bad-combination",
			"absent stands behind the buffer that is not there");
	r = reader_add(reader, RULE_ABSENT, true, &option);
	if (r < 0)
		return r;
	if (reader->value.at && !span_is(reader->value, "or_else"))
		return reader_bad_value(reader, reader->value, "or_else or nothing");
	option->word.value = reader->value.at != NULL;
	return 0;
}

int rule_read_urilen(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader_unquote(reader->value), number, how;
	struct rule_option *option;
	int r;

	(void)word;
	r = reader_add(reader, RULE_URILEN, false, &option);
	if (r < 0)
		return r;
	option->buffer = BUFFER_HTTP_URI;
	span_next(&rest, ',', &number);
	if (span_next(&rest, ',', &how)) {
		if (span_is(how, "raw"))
			option->buffer = BUFFER_HTTP_RAW_URI;
		else if (!span_is(how, "norm"))
			return reader_bad_value(reader, how, "raw or norm");
	}
	return reader_compare(reader, number, false, &option->compare);
}

/* ---- transforms ---- */

static int add_transform(struct rule_reader *reader, int how, struct rule_transform **ret_transform)
{
	if (reader->buffer == BUFFER_PAYLOAD && reader->list == 0 && reader->lists == 0 &&
		reader->buffer_word.len == 0)
		return reader_refuse(reader, reader->name, "bad-combination",
			"%.*s stands behind the buffer that it transforms", (int)reader->name.len,
			reader->name.at);
	if (reader->n_transforms >= RULE_TRANSFORMS_MAX)
		return reader_refuse(reader, reader->name, "too-long",
			"a buffer has at most %d transforms", RULE_TRANSFORMS_MAX);
	*ret_transform = &reader->transform[reader->n_transforms++];
	**ret_transform = (struct rule_transform){ 0 };
	memcpy(&(*ret_transform)->how, &how, sizeof(how));
	return 0;
}

int rule_read_transform(struct rule_reader *reader, const struct rule_word *word)
{
	struct rule_transform *transform;
	int r = need_no_value(reader);

	return r < 0 ? r : add_transform(reader, word->argument, &transform);
}

int rule_read_xor(struct rule_reader *reader, const struct rule_word *word)
{
	struct span s = reader_unquote(reader->value);
	struct rule_transform *transform;
	int r;

	if (s.len > 0 && memmem(s.at, s.len, "extract", 7))
		return reader_refuse(reader, s, "unsupported-value",
			"a key that is taken from the bytes is not supported: write the key");
	if (s.len == 0 || s.len % 2 != 0 || s.len / 2 > sizeof(transform->key))
		return reader_bad_value(reader, s, "a key of 1 to 64 bytes in hexadecimal");
	r = add_transform(reader, word->argument, &transform);
	for (size_t i = 0; i < s.len && r == 0; i += 2) {
		int high = hex_digit(s.at[i]), low = hex_digit(s.at[i + 1]);

		if (high < 0 || low < 0)
			return reader_bad_value(reader, s, "a key in hexadecimal");
		transform->key[transform->key_len++] = (uint8_t)(high << 4 | low);
	}
	return r;
}

static int read_base64_word(
	struct rule_reader *reader, struct span piece, struct rule_transform *transform)
{
	static const char *const modes[] = { "rfc4648", "rfc2045", "strict" };
	struct span rest = piece, name;
	int64_t number;
	int r;

	span_next_word(&rest, &name);
	rest = span_trim(rest);
	if (span_is(name, "mode")) {
		for (uint8_t i = 0; i < 3; i++)
			if (span_is_any_case(rest, modes[i])) {
				transform->mode = i;
				return 0;
			}
		return reader_bad_value(reader, rest, "rfc4648, rfc2045 or strict");
	}
	if (!span_is(name, "bytes") && !span_is(name, "offset"))
		return reader_bad_value(reader, piece, "bytes N, offset N, mode M");
	r = reader_number(reader, rest, 0, UINT16_MAX, &number);
	if (r < 0)
		return r;
	if (span_is(name, "bytes"))
		transform->bytes = (uint32_t)number;
	else
		transform->offset = (uint32_t)number;
	return 0;
}

int rule_read_from_base64(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader->value, piece;
	struct rule_transform *transform;
	int r = add_transform(reader, word->argument, &transform);

	while (r == 0 && span_next(&rest, ',', &piece))
		r = read_base64_word(reader, piece, transform);
	return r;
}

/* ---- regular expressions ---- */

static const struct {
	char letter;
	uint32_t option;
	uint16_t buffer;
} pcre_flags[] = {
	{ 'i', PCRE2_CASELESS, 0 }, { 's', PCRE2_DOTALL, 0 }, { 'm', PCRE2_MULTILINE, 0 },
	{ 'x', PCRE2_EXTENDED, 0 }, { 'A', PCRE2_ANCHORED, 0 }, { 'E', PCRE2_DOLLAR_ENDONLY, 0 },
	{ 'G', PCRE2_UNGREEDY, 0 }, { 'U', 0, BUFFER_HTTP_URI }, { 'I', 0, BUFFER_HTTP_RAW_URI },
	{ 'P', 0, BUFFER_HTTP_REQUEST_BODY }, { 'Q', 0, BUFFER_HTTP_RESPONSE_BODY },
	{ 'H', 0, BUFFER_HTTP_HEADER }, { 'D', 0, BUFFER_HTTP_RAW_HEADER },
	{ 'M', 0, BUFFER_HTTP_METHOD }, { 'C', 0, BUFFER_HTTP_COOKIE },
	{ 'K', 0, BUFFER_HTTP_RAW_COOKIE }, { 'S', 0, BUFFER_HTTP_STAT_CODE },
	{ 'Y', 0, BUFFER_HTTP_STAT_MSG }, { 'V', 0, BUFFER_HTTP_USER_AGENT },
	{ 'W', 0, BUFFER_HTTP_HOST }, { 'Z', 0, BUFFER_HTTP_RAW_HOST },
	{ 'B', 0, 0 }, /* payload as it came: it is never decoded */
	{ 'O', 0, 0 }, /* limits are not for a rule to lift */
};

static int read_pcre_flag(struct rule_reader *reader, struct span at, struct rule_option *option)
{
	if (at.at[0] == 'R') {
		option->pcre.relative = true;
		return 0;
	}
	for (size_t i = 0; i < sizeof(pcre_flags) / sizeof(pcre_flags[0]); i++) {
		if (pcre_flags[i].letter != at.at[0])
			continue;
		option->pcre.pcre2_flags |= pcre_flags[i].option;
		if (pcre_flags[i].buffer) {
			option->buffer = pcre_flags[i].buffer;
			option->list = 0;
		}
		return 0;
	}
	return reader_refuse(reader, at, "bad-pcre-flag", "%c is not a flag of pcre",
		isprint((unsigned char)at.at[0]) ? at.at[0] : '?');
}

static int compile(struct rule_reader *reader, struct span pattern, uint32_t flags)
{
	PCRE2_UCHAR message[120] = "";
	PCRE2_SIZE at = 0;
	pcre2_code *code;
	int error;

	if (pattern.len > RULE_PCRE_MAX)
		return reader_refuse(reader, pattern, "too-long",
			"a regular expression has at most %d bytes", RULE_PCRE_MAX);
	code = pcre2_compile(
		(PCRE2_SPTR)pattern.at, pattern.len, flags | PCRE2_NEVER_UTF, &error, &at, NULL);
	if (!code) {
		pcre2_get_error_message(error, message, sizeof(message));
		return reader_refuse(
			reader, span_from(pattern, at), "bad-pcre", "%s", (const char *)message);
	}
	pcre2_code_free(code);
	return 0;
}

/* "/EXPRESSION/FLAGS" or "m#EXPRESSION#FLAGS". */
static int split_pcre(
	struct rule_reader *reader, struct span s, struct span *ret_pattern, struct span *ret_flags)
{
	char delimiter = '/';
	size_t end;

	if (s.len > 2 && s.at[0] == 'm' && !isalnum((unsigned char)s.at[1])) {
		delimiter = s.at[1];
		s = span_from(s, 1);
	}
	for (end = s.len; end > 1 && s.at[end - 1] != delimiter; end--)
		;
	if (s.len < 2 || s.at[0] != delimiter || end <= 1)
		return reader_refuse(reader, s, "bad-value", "pcre wants \"/EXPRESSION/FLAGS\"");
	*ret_pattern = span_make(s.at + 1, end - 2);
	*ret_flags = span_from(s, end);
	return 0;
}

static int read_captures(struct rule_reader *reader, struct span rest, struct rule_pcre *pcre)
{
	struct span name;
	int r = 0;

	if (rest.len > 0 && !span_take(&rest, ','))
		return reader_bad_value(reader, rest, "names of variables behind the quotes");
	while (rest.len > 0 && r == 0 && span_next(&rest, ',', &name)) {
		if (name.len > 4 &&
			(memcmp(name.at, "flow:", 5) == 0 || memcmp(name.at, "pkt:", 4) == 0))
			continue; /* only records of other programs would show it */
		if (pcre->n_captures >= sizeof(pcre->capture_var))
			return reader_refuse(reader, name, "too-long", "too many variables");
		r = reader_variable(reader, name, true, &pcre->capture_var[pcre->n_captures]);
		pcre->n_captures++;
	}
	return r;
}

static int fill_pcre(
	struct rule_reader *reader, struct span text, struct span rest, struct rule_option *option)
{
	struct span pattern, flags = { 0 };
	int r = split_pcre(reader, text, &pattern, &flags);
	const char *comma = flags.len ? memchr(flags.at, ',', flags.len) : NULL;

	if (comma && rest.len == 0) { /* names of variables may stand in the quotes, too */
		rest = span_from(flags, (size_t)(comma - flags.at));
		flags.len -= rest.len;
	}
	for (size_t i = 0; r == 0 && i < flags.len; i++)
		r = read_pcre_flag(reader, span_from(flags, i), option);
	if (r == 0)
		r = compile(reader, pattern, option->pcre.pcre2_flags);
	if (r == 0)
		r = read_captures(reader, rest, &option->pcre);
	if (r < 0)
		return r;
	option->pcre.pattern = span_copy(pattern);
	option->pcre.len = (uint16_t)pattern.len;
	return option->pcre.pattern ? 0 : -ENOMEM;
}

/* The quotes may be missing. */
static int take_pcre(struct rule_reader *reader, struct span *rest, struct span *ret_text)
{
	*rest = span_skip_space(*rest);
	if (rest->len == 0 || rest->at[0] != '/')
		return take_quoted(reader, rest, ret_text);
	*ret_text = *rest;
	*rest = span_make(rest->at + rest->len, 0);
	return 0;
}

int rule_read_pcre(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader->value, text;
	struct rule_option *option;
	bool negated;
	int r;

	(void)word;
	negated = span_take(&rest, '!');
	r = take_pcre(reader, &rest, &text);
	if (r == 0)
		r = reader_add(reader, RULE_PCRE, true, &option);
	if (r < 0)
		return r;
	option->negated = negated;
	return fill_pcre(reader, text, rest, option);
}

int rule_read_pcrexform(struct rule_reader *reader, const struct rule_word *word)
{
	struct span rest = reader->value, text;
	struct rule_transform *transform;
	int r = take_quoted(reader, &rest, &text);

	if (r == 0)
		r = compile(reader, text, 0);
	if (r == 0)
		r = add_transform(reader, word->argument, &transform);
	if (r < 0)
		return r;
	transform->pattern = span_copy(text);
	return transform->pattern ? 0 : -ENOMEM;
}
