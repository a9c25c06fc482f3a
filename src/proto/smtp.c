/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMTP (RFC 5321), with PIPELINING, CHUNKING (BDAT), STARTTLS (RFC 3207) and AUTH (RFC 4954). A
 * transaction is an envelope and its message: from MAIL FROM, or the greeting before it, to the
 * answer to the message.
 */
#include "proto/mime.h"
#include "proto/sasl.h"

#include <ctype.h>
#include <strings.h>

#define SMTP_LINE_MAX  2048 /* of commands and replies; of the message SMTP_TEXT_MAX */
#define SMTP_TEXT_MAX  4096 /* a longer line is taken in pieces */
#define SMTP_QUEUE_MAX 128  /* commands without an answer; those behind them are only counted */
#define SMTP_LIST_JSON (12u << 10) /* of the list of recipients */

enum command {
	C_OTHER,
	C_HELO,
	C_EHLO,
	C_MAIL,
	C_RCPT,
	C_DATA,
	C_END,
	C_BDAT,
	C_RSET,
	C_STARTTLS,
	C_QUIT,
	C_AUTH,
	C_KNOWN /* nothing else about it matters */
};
enum mode {
	M_COMMAND,
	M_CHUNK,
	M_MAYBE_TEXT, /* a command that was not seen may have been DATA */
	M_MAYBE_DATA,
	M_DATA
};

static const struct {
	const char *word;
	enum command command;
} words[] = { { "HELO", C_HELO }, { "EHLO", C_EHLO }, { "MAIL", C_MAIL }, { "RCPT", C_RCPT },
	{ "DATA", C_DATA }, { "BDAT", C_BDAT }, { "RSET", C_RSET }, { "STARTTLS", C_STARTTLS },
	{ "QUIT", C_QUIT }, { "AUTH", C_AUTH }, { "NOOP", C_KNOWN }, { "HELP", C_KNOWN },
	{ "VRFY", C_KNOWN }, { "EXPN", C_KNOWN } };

struct smtp {
	struct proto_conn *conn;
	struct proto_tx *tx;
	enum mode mode;
	uint64_t chunk; /* bytes of a BDAT still to come */
	bool chunk_last;
	bool in_message, message_done, welcomed, has_mail;
	bool gives_up; /* the next envelope is another one: this one was given up, if the server agrees */
	bool over; /* TLS begins */
	char helo[256];
	uint32_t helo_len;
	struct proto_asked_queue queue;
	struct proto_asked asked[SMTP_QUEUE_MAX]; /* its room; `command` is an enum command */
	uint64_t beyond;                          /* commands behind the queue */
	struct text_lines lines;                  /* the client's */
	uint16_t unasked; /* of the last answer to nobody, behind which nothing has come; 0: none */
	bool commands_lost; /* of the client, bytes were never seen */
	bool reply_lost; /* of the server: what comes may be the rest of a line that was not seen */
	struct sasl sasl;
	struct proto_attempt *attempt; /* the last one; NULL: none, or no room */
	bool asks;                     /* the server has asked for the next line of it */
	struct mime mime;
};

static bool need_tx(struct smtp *s)
{
	if (s->tx)
		return true;
	s->tx = proto_fields_tx(s->conn, NULL);
	if (s->tx && s->helo_len)
		proto_fields_add(s->tx->data, BUFFER_SMTP_HELO, s->helo, s->helo_len);
	s->has_mail = s->message_done = false;
	return s->tx;
}

static void event(struct smtp *s, unsigned side, const char *name)
{
	if (!need_tx(s))
		return;
	proto_tx_add_event(s->tx, name);
	proto_tx_news(s->tx, side);
}

static void end_message(struct smtp *s, bool cut)
{
	if (!s->in_message)
		return;
	s->in_message = false;
	mime_end(&s->mime, cut);
	s->message_done = true;
	proto_tx_news(s->tx, 0);
}

static void finish(struct smtp *s, unsigned side)
{
	if (!s->tx)
		return;
	if (s->in_message) /* of which there is news */
		proto_tx_done(s->tx, 0);
	end_message(s, true);
	s->tx->state.done[!side] = true;
	proto_tx_done(s->tx, side);
	s->tx = NULL;
}

static bool begin_message(struct smtp *s)
{
	if (!need_tx(s))
		return false;
	if (!s->in_message)
		mime_begin(&s->mime, s->tx, 0);
	s->in_message = true;
	return true;
}

/* Their answers were not seen. */
static void pass_first(struct smtp *s, unsigned n)
{
	while (n--)
		proto_attempt_release(s->conn, proto_asked_take(&s->queue).attempt);
}

/* Who sends the next command when the answer has come has had those to all before it. */
static void answers_lost(struct smtp *s)
{
	pass_first(s, proto_asked_answered(&s->queue));
}

static void put_command(struct smtp *s, enum command command, struct proto_attempt *attempt)
{
	const struct proto_asked asked = { .command = (uint8_t)command, .attempt = attempt };

	if (s->beyond || s->queue.n == SMTP_QUEUE_MAX) {
		s->beyond++;
		return;
	}
	proto_asked_add(&s->queue, &asked);
	answers_lost(s);
	proto_asked_heard(&s->queue);
}

/* Another attempt: the one before may wait for its answer. */
static struct proto_attempt *begin_attempt(struct smtp *s, struct cur rest)
{
	proto_attempt_release(s->conn, s->attempt);
	s->attempt = proto_attempt_new(s->conn);
	if (s->attempt)
		sasl_begin(s->conn, &s->sasl, &s->attempt->login, rest);
	return s->attempt;
}

static void auth_answered(struct smtp *s, struct proto_attempt *attempt, bool good)
{
	s->sasl.expects = s->asks = false;
	if (attempt)
		proto_attempt_end(
			s->conn, attempt, good ? PROTO_LOGIN_SUCCESS : PROTO_LOGIN_FAILURE);
	proto_attempt_release(s->conn, attempt);
}

/* FROM:<x> SIZE=7: the address, as it stands. */
static struct cur address(struct cur c)
{
	struct cur rest;

	while (cur_left(&c) && c.at[0] != ':')
		c.at++;
	cur_skip(&c, cur_left(&c) ? 1 : 0);
	c = text_trim(c);
	rest = c;
	if (cur_left(&c) && c.at[0] == '<')
		while (cur_left(&rest) && rest.at[0] != '>')
			rest.at++;
	while (cur_left(&rest) && !isspace(rest.at[0]))
		rest.at++;
	c.end = rest.at;
	return c;
}

static void take_helo(struct smtp *s, struct cur c)
{
	size_t len = cur_left(&c) < sizeof(s->helo) ? cur_left(&c) : sizeof(s->helo);
	struct proto_bytes had;

	s->helo_len = (uint32_t)len;
	cur_copy(&c, s->helo, len);
	if (s->tx && proto_fields_get(s->tx->data, BUFFER_SMTP_HELO, 0, &had))
		event(s, 0, "smtp.duplicate_fields");
	else if (s->tx)
		proto_fields_add(s->tx->data, BUFFER_SMTP_HELO, s->helo, s->helo_len);
	else
		need_tx(s);
}

static void take_mail(struct smtp *s, struct cur c)
{
	struct cur from = address(c);

	if (s->message_done || (s->gives_up && s->has_mail))
		finish(s, 0);
	s->gives_up = false;
	if (!need_tx(s))
		return;
	if (s->has_mail)
		event(s, 0, "smtp.duplicate_fields");
	else
		proto_fields_add(s->tx->data, BUFFER_SMTP_MAIL_FROM, from.at, cur_left(&from));
	s->has_mail = true;
}

static void take_rcpt(struct smtp *s, struct cur c)
{
	struct cur to = address(c);

	if (need_tx(s))
		proto_fields_add(s->tx->data, BUFFER_SMTP_RCPT_TO, to.at, cur_left(&to));
}

static void chunk_end(struct smtp *s)
{
	s->mode = M_COMMAND;
	if (s->chunk_last)
		end_message(s, false);
}

/* BDAT size [LAST]. Of none there is nothing to wait for (RFC 3030, 2: BDAT 0 LAST). */
static bool take_bdat(struct smtp *s, struct cur c)
{
	uint64_t size = 0;
	unsigned digits = 0;

	while (cur_left(&c) && isdigit(c.at[0]) && digits++ < 18)
		size = size * 10 + cur_u8(&c) - '0';
	c = text_trim(c);
	s->chunk_last = text_is(c, "LAST");
	if (!digits || (cur_left(&c) && !s->chunk_last)) {
		event(s, 0, "smtp.invalid_bdat");
		return false;
	}
	s->chunk = size;
	s->mode = M_CHUNK;
	if (!begin_message(s))
		return false;
	if (size == 0)
		chunk_end(s);
	return true;
}

static enum command command_of(struct cur line, struct cur *ret_rest)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i].word);

		if (cur_left(&line) >= len &&
			strncasecmp((const char *)line.at, words[i].word, len) == 0 &&
			(cur_left(&line) == len || !isalnum(line.at[len]))) {
			cur_skip(&line, len);
			*ret_rest = text_trim(line);
			return words[i].command;
		}
	}
	return C_OTHER;
}

/* Not a word that begins like one, or the rest of a line. */
static bool is_command(struct cur line)
{
	struct cur word = text_word(&line), rest = word;

	return command_of(word, &rest) != C_OTHER && !cur_left(&rest);
}

/* A line that the server has not asked for is a command, if it can be one. It may have asked where bytes were not
 * seen. */
static bool is_for_auth(const struct smtp *s, enum command command)
{
	const struct proto_asked *last =
		s->queue.n ? proto_asked_at(&s->queue, s->queue.n - 1) : NULL;

	if (s->sasl.expects)
		return s->asks || command == C_OTHER;
	return command == C_OTHER && s->sasl.mechanism == SASL_OTHER && s->queue.gap && last &&
	       last->command == C_AUTH;
}

static void take_command(struct smtp *s, struct cur line)
{
	struct cur rest = line;
	enum command command = command_of(text_trim(line), &rest);

	if (is_for_auth(s, command)) {
		s->asks = false;
		if (s->attempt && !s->attempt->over)
			sasl_line(&s->sasl, &s->attempt->login, line);
		proto_asked_heard(&s->queue);
		return;
	}
	s->sasl.expects = false;
	put_command(s, command, command == C_AUTH ? begin_attempt(s, rest) : NULL);
	switch (command) {
	case C_HELO:
	case C_EHLO:
		take_helo(s, rest);
		s->gives_up = true;
		break;
	case C_RSET:
		s->gives_up = true;
		break;
	case C_MAIL:
		take_mail(s, rest);
		break;
	case C_RCPT:
		take_rcpt(s, rest);
		break;
	case C_DATA:
		s->mode = M_MAYBE_DATA;
		break;
	case C_BDAT:
		take_bdat(s, rest);
		break;
	default:
		break;
	}
	if (s->tx)
		proto_tx_news(s->tx, 0);
}

static void message_end(struct smtp *s)
{
	end_message(s, false);
	put_command(s, C_END, NULL);
	s->mode = M_COMMAND;
}

/* A line of the message: a dot alone ends it, a dot in front of another is not part of it. Where bytes were not seen, one
 * begins with its dot. */
static void take_text(struct smtp *s, struct cur c, struct cur raw, bool whole)
{
	bool whole_before = text_lines_take(&s->lines, cur_ahead(c, 0) == '.', whole);

	if (whole && whole_before && cur_left(&c) == 1 && cur_ahead(c, 0) == '.') {
		message_end(s);
		return;
	}
	if (whole_before && cur_left(&c) > 1 && cur_ahead(c, 0) == '.')
		cur_skip(&raw, 1);
	mime_line(&s->mime, raw, whole);
	proto_tx_news(s->tx, 0);
}

/* Bytes of a BDAT chunk are lines of the message, too; it may end within one. */
static size_t take_chunk(struct smtp *s, const uint8_t *bytes, size_t len, bool end)
{
	size_t here = len < s->chunk ? len : (size_t)s->chunk, used = 0;
	struct cur line = { 0 };
	bool whole = false;

	if (here)
		used = text_line(
			bytes, here, SMTP_TEXT_MAX, end || here == s->chunk, &line, &whole);
	if (here && !used)
		return 0;
	if (here) {
		mime_line(&s->mime, cur_make(bytes, used), whole);
		proto_tx_news(s->tx, 0);
	}
	s->chunk -= used;
	if (s->chunk == 0)
		chunk_end(s);
	return used;
}

static size_t take_client(struct smtp *s, const uint8_t *bytes, size_t len, bool end)
{
	struct cur line = { 0 };
	bool whole = false;
	size_t used;

	if (s->mode == M_MAYBE_DATA)
		s->mode = M_DATA; /* not refused so far: it goes ahead */
	if (s->mode == M_CHUNK && begin_message(s))
		return take_chunk(s, bytes, len, end);
	used = text_line(bytes, len, s->mode == M_COMMAND ? SMTP_LINE_MAX : SMTP_TEXT_MAX, end,
		&line, &whole);
	if (!used)
		return 0;
	s->unasked = 0;
	if (s->mode == M_MAYBE_TEXT)
		s->mode = is_command(line) ? M_COMMAND : M_DATA;
	if (s->mode == M_DATA) {
		if (begin_message(s))
			take_text(s, line, cur_make(bytes, used), whole);
		return used;
	}
	if (!text_lines_take(&s->lines, is_command(line), whole))
		return used;
	if (!whole && !end)
		event(s, 0, "smtp.max_command_line_len_exceeded");
	take_command(s, line);
	s->queue.pipelines |= used < len && s->mode == M_COMMAND && !s->commands_lost;
	return used;
}

/* The answer may come late: an envelope or a message that has begun is not what was given up. */
static void reset(struct smtp *s)
{
	if (s->gives_up && s->tx && s->has_mail && !s->in_message)
		finish(s, 1);
}

static void take_answer(struct smtp *s, enum command command, unsigned code)
{
	bool fine = code < 400;

	switch (command) {
	case C_DATA:
		if (code != 354 && s->mode == M_MAYBE_DATA) {
			s->mode = M_COMMAND;
			event(s, 1, "smtp.data_command_rejected");
		} else if (code == 354 && s->mode == M_MAYBE_DATA) {
			s->mode = M_DATA;
		}
		break;
	case C_HELO:
	case C_EHLO:
	case C_RSET:
		if (fine)
			reset(s);
		s->gives_up = false;
		break;
	case C_END:
	case C_BDAT:
		if (s->message_done)
			finish(s, 1);
		break;
	case C_STARTTLS:
		s->over = code == 220;
		if (s->over)
			proto_conn_start_over(s->conn);
		else
			event(s, 1, "smtp.tls_rejected");
		break;
	default:
		break;
	}
}

static bool read_code(struct cur c, unsigned *ret_code, bool *ret_last)
{
	unsigned code = 0;

	for (int i = 0; i < 3; i++) {
		uint8_t digit = cur_u8(&c);

		if (!cur_ok(&c) || !isdigit(digit))
			return false;
		code = code * 10 + digit - '0';
	}
	*ret_code = code;
	*ret_last = !cur_left(&c) || c.at[0] != '-';
	return true;
}

/* Whether a command can have that answer. Lines that belong to AUTH are taken for others if that one was not seen. */
static bool is_about(enum command command, unsigned code)
{
	switch (code) {
	case 220:
		return command == C_STARTTLS;
	case 221:
		return command == C_QUIT;
	case 235:
	case 334:
	case 535:
		return command == C_AUTH || command == C_OTHER;
	case 354:
		return command == C_DATA;
	default:
		return code >= 400 || (command != C_AUTH && command != C_DATA &&
					      command != C_STARTTLS && command != C_QUIT);
	}
}

static bool is_lossy(const struct smtp *s)
{
	return s->commands_lost || s->queue.gap;
}

/* Whether it answers the oldest command. Where bytes were not seen, it is the oldest one that it can be about. */
static bool is_answer(struct smtp *s, unsigned code)
{
	unsigned n = 0;

	while (is_lossy(s) && n < s->queue.n &&
		!is_about(proto_asked_at(&s->queue, n)->command, code))
		n++;
	if (n == s->queue.n)
		return false;
	pass_first(s, n);
	return true;
}

/* Of a command that was not seen: DATA, or of the message there was the end. */
static void lost_command_answered(struct smtp *s)
{
	if (s->mode == M_DATA) {
		s->mode = M_COMMAND;
		finish(s, 1);
	}
	if (s->unasked == 354 && s->mode == M_COMMAND)
		s->mode = M_MAYBE_TEXT;
}

static void answers_nobody(struct smtp *s, unsigned code)
{
	s->unasked = (uint16_t)code;
	if (is_lossy(s))
		lost_command_answered(s);
	if (s->queue.n == 0 && s->beyond)
		s->beyond--;
	else if (code != 421 && !is_lossy(s))
		event(s, 1, "smtp.unable_to_match_reply_with_request");
}

/* Who does not wait for it has asked before it comes. */
static bool is_welcome(struct smtp *s, unsigned code)
{
	if (s->queue.n == 0)
		return code == 220 || code == 554;
	return code == 220 && !is_about(proto_asked_at(&s->queue, 0)->command, code);
}

static void take_reply(struct smtp *s, struct cur line)
{
	struct proto_asked asked;
	unsigned code;
	bool last;

	if (!read_code(line, &code, &last)) {
		event(s, 1, "smtp.invalid_reply");
		return;
	}
	if (s->tx)
		proto_tx_news(s->tx, 1);
	if (!last)
		return;
	if (!s->welcomed && is_welcome(s, code)) {
		s->welcomed = true;
		return;
	}
	if (!is_answer(s, code)) {
		answers_nobody(s, code);
		return;
	}
	if (proto_asked_at(&s->queue, 0)->command == C_AUTH && code == 334) {
		s->sasl.expects = s->asks = true;
		cur_skip(&line, 3);
		sasl_asked(&s->sasl, line);
		return;
	}
	asked = proto_asked_take(&s->queue);
	if (asked.command == C_AUTH)
		auth_answered(s, asked.attempt, code / 100 == 2);
	else
		take_answer(s, asked.command, code);
}

static bool is_reply(struct cur line)
{
	unsigned code;
	bool last;

	return read_code(line, &code, &last) && code >= 200 && code < 600 &&
	       (cur_left(&line) == 3 || cur_ahead(line, 3) == ' ' || !last);
}

static size_t take_server(struct smtp *s, const uint8_t *bytes, size_t len, bool end)
{
	struct cur line = { 0 };
	bool whole = false, rest;
	size_t used;

	used = text_line(bytes, len, SMTP_LINE_MAX, end, &line, &whole);
	if (!used)
		return 0;
	rest = s->reply_lost && !is_reply(line);
	s->reply_lost = false;
	if (rest)
		return used;
	if (!whole && !end)
		event(s, 1, "smtp.max_reply_line_len_exceeded");
	proto_asked_heard(&s->queue);
	take_reply(s, line);
	return used;
}

static size_t smtp_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct smtp *s = state;
	struct cur c = cur_make(bytes, len);

	(void)conn;
	while (cur_left(&c) && !s->over) {
		size_t used = side ? take_server(s, c.at, cur_left(&c), end)
				   : take_client(s, c.at, cur_left(&c), end);

		if (!used)
			break;
		cur_skip(&c, used);
	}
	if (end && side == 0 && s->tx)
		end_message(s, true);
	return len - cur_left(&c);
}

/* Files of a message of which bytes were not seen are cut. What was in a chunk has cost no command. */
static void client_gap(struct smtp *s, uint64_t len)
{
	uint64_t here = s->mode != M_CHUNK ? 0 : len < s->chunk ? len : s->chunk;

	s->commands_lost = true;
	if (s->mode >= M_MAYBE_TEXT)
		s->mode = M_DATA;
	if ((s->in_message || s->mode != M_COMMAND) && begin_message(s))
		mime_gap(&s->mime);
	s->chunk -= here;
	if (s->mode == M_CHUNK && !s->chunk)
		chunk_end(s);
	if (here < len)
		text_lines_gap(&s->lines);
	if (s->unasked)
		lost_command_answered(s);
}

static void smtp_gap(struct proto_conn *conn, void *state, unsigned side, uint64_t len)
{
	struct smtp *s = state;

	(void)conn;
	if (side == 0) {
		client_gap(s, len);
		return;
	}
	s->reply_lost = true;
	proto_asked_gap(&s->queue);
	answers_lost(s);
}

static void *smtp_open(struct proto_conn *conn)
{
	struct smtp *s = proto_alloc(conn, sizeof(*s));

	if (!s)
		return NULL;
	s->conn = conn;
	s->queue =
		(struct proto_asked_queue){ .conn = conn, .at = s->asked, .max = SMTP_QUEUE_MAX };
	return s;
}

static void smtp_close(void *state)
{
	struct smtp *s = state;

	proto_asked_lose(&s->queue);
	proto_attempt_release(s->conn, s->attempt);
	proto_free(s->conn, s, sizeof(*s));
}

static void smtp_free_tx(void *data)
{
	struct smtp *s = proto_conn_state(((struct proto_fields *)data)->conn);

	if (s && s->tx && s->tx->data == data) {
		s->tx = NULL;
		s->in_message = false;
	}
	proto_fields_free(data);
}

static enum proto_guess guess_client(const uint8_t *bytes, size_t len)
{
	static const char *const first[] = { "EHLO ", "HELO ", "MAIL FROM:", "RCPT TO:", "BDAT " };
	enum proto_guess best = PROTO_IS_NOT;

	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		size_t n = strlen(first[i]) < len ? strlen(first[i]) : len;

		if (strncasecmp((const char *)bytes, first[i], n) == 0)
			best = n == strlen(first[i]) ? PROTO_IS : PROTO_MAY_BE;
		if (best == PROTO_IS)
			break;
	}
	return best;
}

/* FTP greets with 220 too. */
static enum proto_guess guess_server(
	const struct proto_flow_info *info, const uint8_t *bytes, size_t len)
{
	const uint8_t *stop = memchr(bytes, '\n', len);
	size_t n = stop ? (size_t)(stop - bytes) : len;
	uint8_t after = cur_ahead(cur_make(bytes, len), 3);

	if (memcmp(bytes, "220 ", len < 3 ? len : 3) != 0)
		return PROTO_IS_NOT;
	if (len >= 4 && after != ' ' && after != '-')
		return PROTO_IS_NOT;
	if (!stop)
		return PROTO_MAY_BE;
	if (memmem(bytes, n, "SMTP", 4))
		return PROTO_IS;
	return info->port[1] == 25 || info->port[1] == 587 ? PROTO_IS : PROTO_IS_NOT;
}

static enum proto_guess smtp_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	if (!len)
		return PROTO_MAY_BE;
	return side ? guess_server(info, bytes, len) : guess_client(bytes, len);
}

static bool smtp_json(struct proto_tx *tx, struct out *o)
{
	const struct proto_fields *f = tx->data;
	struct proto_bytes bytes;

	if (!proto_fields_get(f, BUFFER_SMTP_HELO, 0, &bytes) &&
		!proto_fields_get(f, BUFFER_SMTP_MAIL_FROM, 0, &bytes) &&
		!proto_fields_get(f, BUFFER_EMAIL_STATUS, 0, &bytes))
		return false;
	out_str(o, "\"smtp\":{");
	json_field(o, "helo", f, BUFFER_SMTP_HELO);
	json_field(o, "mail_from", f, BUFFER_SMTP_MAIL_FROM);
	json_fields(o, "rcpt_to", f, BUFFER_SMTP_RCPT_TO, SMTP_LIST_JSON);
	json_close(o, '}');
	mime_json(f, o);
	return true;
}

const struct proto_parser proto_smtp = { .id = PROTO_SMTP,
	.ip_proto = IPPROTO_TCP,
	.guess = smtp_guess,
	.open = smtp_open,
	.close = smtp_close,
	.feed = smtp_feed,
	.gap = smtp_gap,
	.buffer = proto_fields_buffer,
	.json = smtp_json,
	.free_tx = smtp_free_tx };
