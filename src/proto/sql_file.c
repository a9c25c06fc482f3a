/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/sql_file.h"

#include <ctype.h>

static void hand_on(struct sql_file *s)
{
	if (s->file)
		proto_fields_file_add(s->tx, s->file, s->bytes, s->n);
	s->n = 0;
}

static void end_file(struct sql_file *s, bool cut)
{
	if (s->file)
		proto_fields_file_end(s->tx, s->file, cut);
	s->file = NULL;
}

static void begin_number(struct sql_file *s)
{
	s->place = SQL_HEX;
	s->digits = 0;
	s->n = 0;
}

static void take_digit(struct sql_file *s, uint8_t digit)
{
	if (s->digits++ % 2 == 0) {
		s->high = digit;
		return;
	}
	s->bytes[s->n++] = (uint8_t)(s->high << 4 | digit);
	if (s->digits == 2 * SQL_FILE_MIN) {
		end_file(s, false); /* one before, which has no name */
		s->file = proto_fields_file(s->tx, 0, NULL, 0);
	}
	if (s->n == SQL_FILE_BATCH)
		hand_on(s);
}

/* The file stays open: its name comes. */
static void end_number(struct sql_file *s)
{
	if (s->digits >= 2 * SQL_FILE_MIN)
		hand_on(s);
	s->place = SQL_BETWEEN;
	s->in_word = false;
}

static bool is_word(const struct sql_file *s, const char *word)
{
	return s->word_len == strlen(word) && memcmp(s->word, word, s->word_len) == 0;
}

static void end_word(struct sql_file *s)
{
	s->place = is_word(s, "dumpfile") || is_word(s, "outfile") ? SQL_FILE_WORD : SQL_BETWEEN;
	s->in_word = false;
	s->word_len = 0;
}

static void add_to_word(struct sql_file *s, uint8_t byte)
{
	if (!s->in_word && byte == '0')
		s->place = SQL_ZERO;
	s->in_word = true;
	if (s->word_len < sizeof(s->word))
		s->word[s->word_len++] = (char)tolower(byte);
}

static void take_text(struct sql_file *s, uint8_t byte)
{
	bool quote = byte == '\'' || byte == '"';

	if (isalnum(byte) || byte == '_') {
		s->place = SQL_BETWEEN;
		add_to_word(s, byte);
		return;
	}
	if (s->in_word)
		end_word(s);
	if (quote && s->place == SQL_FILE_WORD) {
		s->place = SQL_FILE_IS;
		s->quote = byte;
		s->name_len = 0;
	} else if (quote) {
		begin_number(s);
	} else if (!isspace(byte)) {
		s->place = SQL_BETWEEN;
	}
}

static void take_name(struct sql_file *s, uint8_t byte)
{
	if (s->place == SQL_FILE_IS && byte == s->quote) {
		proto_fields_file_name(s->file, s->name, s->name_len);
		s->place = SQL_BETWEEN;
		return;
	}
	s->place = s->place == SQL_FILE_IS && byte == '\\' ? SQL_FILE_ESCAPED : SQL_FILE_IS;
	if (s->place == SQL_FILE_IS && s->name_len < SQL_FILE_NAME)
		s->name[s->name_len++] = (char)byte;
}

static void take_byte(struct sql_file *s, uint8_t byte)
{
	int digit = s->place == SQL_HEX ? text_hex_digit(byte) : -1;

	if (digit >= 0) {
		take_digit(s, (uint8_t)digit);
	} else if (s->place == SQL_ZERO && (byte | 0x20) == 'x') {
		s->word_len = 0;
		begin_number(s);
	} else if (s->place == SQL_FILE_IS || s->place == SQL_FILE_ESCAPED) {
		take_name(s, byte);
	} else {
		if (s->place == SQL_HEX)
			end_number(s);
		take_text(s, byte);
	}
}

static void end(struct sql_file *s, bool cut)
{
	if (s->tx && s->place == SQL_HEX)
		end_number(s);
	end_file(s, cut);
	s->tx = NULL;
}

void sql_file_begin(struct sql_file *s, struct proto_tx *tx)
{
	end(s, true);
	s->tx = tx;
	s->place = SQL_BETWEEN;
	s->in_word = false;
	s->word_len = 0;
}

void sql_file_take(struct sql_file *s, struct cur text)
{
	while (s->tx && cur_left(&text)) {
		uint8_t byte = cur_u8(&text);

		if (byte) /* there is none but in UTF-16 */
			take_byte(s, byte);
	}
}

void sql_file_skip(struct sql_file *s, uint64_t *left, struct cur *c)
{
	struct cur skipped = *c;

	talk_skip(left, c);
	skipped.end = c->at;
	if (!s->tx || !cur_left(&skipped))
		return;
	sql_file_take(s, skipped);
	proto_tx_news(s->tx, 0);
}

void sql_file_done(struct sql_file *s)
{
	struct proto_tx *tx = s->tx;

	end(s, false);
	if (tx)
		proto_tx_done(tx, 0);
}

void sql_file_cut(struct sql_file *s)
{
	end(s, true);
}

void sql_file_forget(struct sql_file *s, const void *data)
{
	if (!s->tx || s->tx->data != data)
		return;
	s->tx = NULL;
	s->file = NULL;
}
