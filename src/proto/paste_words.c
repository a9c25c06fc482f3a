/* SPDX-License-Identifier: Apache-2.0 */
/* Words and operators of a shell's command line (POSIX, Shell Command Language, 2.3). */
#include "proto/paste.h"

#include <ctype.h>

static bool is_operator(uint8_t byte)
{
	return memchr(";&|<>()\n", byte, 8);
}

/* Behind ">" or "<". */
static enum paste_token take_redirection(struct cur *c, bool out, unsigned *ret_fd)
{
	if (out) {
		uint8_t next = cur_ahead(*c, 0);

		if (next == '>' || next == '|' || next == '&')
			cur_skip(c, 1);
		if (next == '&') /* of two descriptors */
			*ret_fd = PASTE_FD_NONE;
		return next == '>' ? PASTE_APPEND : PASTE_OUT;
	}
	if (cur_ahead(*c, 0) != '<')
		return PASTE_IN;
	cur_skip(c, 1);
	if (cur_ahead(*c, 0) == '<' || cur_ahead(*c, 0) == '-')
		return cur_u8(c) == '<' ? PASTE_HERE_TEXT : PASTE_HERE_TABS;
	return PASTE_HERE;
}

static enum paste_token take_operator(struct cur *c, unsigned *ret_fd)
{
	uint8_t byte = cur_u8(c);

	if (byte == '>' || byte == '<') {
		*ret_fd = byte == '>';
		return take_redirection(c, byte == '>', ret_fd);
	}
	if (byte == '&' && cur_ahead(*c, 0) == '>') { /* &>file */
		cur_skip(c, 1);
		*ret_fd = 1;
		return take_redirection(c, true, ret_fd);
	}
	if ((byte == '&' || byte == '|') && cur_ahead(*c, 0) == byte) {
		cur_skip(c, 1);
		return PASTE_NEXT;
	}
	return byte == '|' ? PASTE_PIPE : PASTE_NEXT;
}

/* False: the quote does not end here. */
static bool take_single(struct cur *c, struct out *o)
{
	while (cur_left(c)) {
		uint8_t byte = cur_u8(c);

		if (byte == '\'')
			return true;
		out_char(o, (char)byte);
	}
	return false;
}

static bool take_double(struct cur *c, struct out *o)
{
	while (cur_left(c)) {
		uint8_t byte = cur_u8(c);

		if (byte == '"')
			return true;
		if (byte == '\\') {
			if (!cur_left(c))
				return false;
			byte = cur_u8(c);
			if (byte == '\n')
				continue;
			if (!memchr("$`\"\\", byte, 4))
				out_char(o, '\\');
		}
		out_char(o, (char)byte);
	}
	return false;
}

/* $'...': its escapes are those of echo. */
static bool take_dollar(struct cur *c, struct out *o)
{
	struct cur text = *c;

	while (cur_left(c)) {
		uint8_t byte = cur_u8(c);

		if (byte == '\'') {
			text.end = c->at - 1;
			paste_echo(text, o);
			return true;
		}
		if (byte == '\\' && cur_left(c))
			cur_skip(c, 1);
	}
	return false;
}

/* A part of a word, whose first byte was taken; false: it is not whole. */
static bool take_part(struct cur *c, uint8_t byte, struct out *o)
{
	if (byte == '\'')
		return take_single(c, o);
	if (byte == '"')
		return take_double(c, o);
	if (byte == '$' && cur_ahead(*c, 0) == '\'') {
		cur_skip(c, 1);
		return take_dollar(c, o);
	}
	if (byte == '\\') {
		if (!cur_left(c))
			return false;
		byte = cur_u8(c);
		if (byte == '\n')
			return true;
	}
	out_char(o, (char)byte);
	return true;
}

static void skip_blanks(struct cur *c)
{
	while (cur_left(c) && (c->at[0] == ' ' || c->at[0] == '\t' || c->at[0] == '\r'))
		cur_skip(c, 1);
}

/* What is left of a word; false: it goes on, inside of what *ret_quote began. */
static bool take_word(struct cur *c, struct out *o, uint8_t *ret_quote)
{
	while (cur_left(c) && !is_operator(c->at[0]) && c->at[0] != ' ' && c->at[0] != '\t' &&
		c->at[0] != '\r') {
		uint8_t byte = cur_u8(c);

		if (!take_part(c, byte, o)) {
			*ret_quote = byte;
			return false;
		}
	}
	return true;
}

static enum paste_token next_token(
	struct cur *c, struct out *o, unsigned *ret_fd, uint8_t *ret_quote)
{
	skip_blanks(c);
	if (!cur_left(c) || c->at[0] == '#')
		return PASTE_END;
	if (isdigit(c->at[0]) && (cur_ahead(*c, 1) == '>' || cur_ahead(*c, 1) == '<')) {
		unsigned fd = cur_u8(c) - (unsigned)'0';
		enum paste_token token = take_operator(c, ret_fd);

		if (*ret_fd != PASTE_FD_NONE)
			*ret_fd = fd;
		return token;
	}
	if (is_operator(c->at[0]))
		return take_operator(c, ret_fd);
	return take_word(c, o, ret_quote) ? PASTE_WORD : PASTE_OPEN;
}

enum paste_token paste_next(struct cur *c, struct out *o, unsigned *ret_fd)
{
	uint8_t quote;

	return next_token(c, o, ret_fd, &quote);
}

/* False: the quote does not end here. A backslash has held the lines together, and no more. */
static bool end_quote(struct cur *c, uint8_t quote, struct out *o)
{
	switch (quote) {
	case '\'':
		return take_single(c, o);
	case '"':
		return take_double(c, o);
	case '$':
		return take_dollar(c, o);
	default:
		return true;
	}
}

bool paste_goes_on(struct cur line, uint8_t *quote)
{
	struct out nowhere = out_make(NULL, 0);
	enum paste_token token = PASTE_WORD;
	unsigned fd;

	if (*quote && (!end_quote(&line, *quote, &nowhere) || !take_word(&line, &nowhere, quote)))
		return true;
	*quote = 0;
	while (token != PASTE_END && token != PASTE_OPEN)
		token = next_token(&line, &nowhere, &fd, quote);
	return token == PASTE_OPEN;
}
