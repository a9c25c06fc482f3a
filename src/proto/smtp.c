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

#define SMTP_LINE_MAX   2048 /* of commands and replies; of the message SMTP_TEXT_MAX */
#define SMTP_TEXT_MAX   4096 /* a longer line is taken in pieces */
#define SMTP_QUEUE_MAX  128  /* commands without an answer; those behind them are only counted */
#define SMTP_LOGINS_MAX 16   /* attempts without an answer; the oldest one stays unknown */
#define SMTP_LIST_JSON  (12u << 10) /* of the list of recipients */

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
	C_AUTH
};
enum mode { M_COMMAND, M_MAYBE_DATA, M_DATA, M_CHUNK };

static const struct {
	const char *word;
	enum command command;
} words[] = { { "HELO", C_HELO }, { "EHLO", C_EHLO }, { "MAIL", C_MAIL }, { "RCPT", C_RCPT },
	{ "DATA", C_DATA }, { "BDAT", C_BDAT }, { "RSET", C_RSET }, { "STARTTLS", C_STARTTLS },
	{ "QUIT", C_QUIT }, { "AUTH", C_AUTH } };

struct smtp {
	struct proto_conn *conn;
	struct proto_tx *tx;
	enum mode mode;
	uint64_t chunk; /* bytes of a BDAT still to come */
	bool chunk_last;
	bool in_message, message_done, welcomed, has_mail, partial;
	bool gives_up; /* the next envelope is another one: this one was given up, if the server agrees */
	bool over; /* TLS begins */
	char helo[256];
	uint32_t helo_len;
	uint8_t queue[SMTP_QUEUE_MAX];
	unsigned first, n;
	uint64_t beyond; /* commands behind the queue */
	struct sasl sasl;
	struct proto_login login;
	bool waits; /* that has no answer yet */
	bool asked; /* the server has asked for the next line of it */
	/* Attempts before it, the oldest first: of `n_untold` before those the answers are to come, too. */
	struct proto_login *ahead; /* SMTP_LOGINS_MAX; NULL: there was none */
	unsigned n_ahead, n_untold;
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

/* False: its answer will not be known from others. */
static bool put_command(struct smtp *s, enum command command)
{
	if (s->beyond || s->n == SMTP_QUEUE_MAX) {
		s->beyond++;
		return false;
	}
	s->queue[(s->first + s->n++) % SMTP_QUEUE_MAX] = (uint8_t)command;
	return true;
}

static void drop_ahead(struct smtp *s)
{
	s->n_ahead--;
	memmove(s->ahead, s->ahead + 1, s->n_ahead * sizeof(s->ahead[0]));
}

/* Another attempt: the one before waits for its answer. */
static void take_auth(struct smtp *s, struct cur rest, bool answered)
{
	if (s->waits && s->n_ahead == SMTP_LOGINS_MAX) {
		proto_login_end(s->conn, &s->ahead[0], PROTO_LOGIN_UNKNOWN);
		drop_ahead(s);
		s->n_untold++;
	}
	if (s->waits && !s->ahead)
		s->ahead = proto_alloc(s->conn, SMTP_LOGINS_MAX * sizeof(s->ahead[0]));
	if (s->waits && s->ahead) {
		s->ahead[s->n_ahead++] = s->login;
		s->login = (struct proto_login){ 0 };
	}
	sasl_begin(s->conn, &s->sasl, &s->login, rest);
	s->waits = answered;
	if (!answered)
		proto_login_end(s->conn, &s->login, PROTO_LOGIN_UNKNOWN);
}

static void auth_answered(struct smtp *s, bool good)
{
	enum proto_login_result result = good ? PROTO_LOGIN_SUCCESS : PROTO_LOGIN_FAILURE;

	s->sasl.expects = s->asked = false;
	if (s->n_untold) {
		s->n_untold--;
	} else if (s->n_ahead) {
		proto_login_end(s->conn, &s->ahead[0], result);
		drop_ahead(s);
	} else {
		proto_login_end(s->conn, &s->login, result);
		s->waits = false;
	}
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

/* BDAT size [LAST] */
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
	return begin_message(s);
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

static void take_command(struct smtp *s, struct cur line)
{
	struct cur rest = line;
	enum command command = command_of(text_trim(line), &rest);
	bool answered;

	if (s->sasl.expects && (s->asked || command == C_OTHER)) {
		s->asked = false;
		sasl_line(&s->sasl, &s->login, line);
		return;
	}
	s->sasl.expects = false;
	answered = put_command(s, command);
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
	case C_AUTH:
		take_auth(s, rest, answered);
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
	put_command(s, C_END);
	s->mode = M_COMMAND;
}

/* A line of the message: a dot alone ends it, a dot in front of another is not part of it. */
static void take_text(struct smtp *s, struct cur c, struct cur raw, bool whole)
{
	bool whole_before = !s->partial;

	s->partial = !whole;
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
	if (s->chunk == 0) {
		s->mode = M_COMMAND;
		if (s->chunk_last)
			end_message(s, false);
	}
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
	used = text_line(
		bytes, len, s->mode == M_DATA ? SMTP_TEXT_MAX : SMTP_LINE_MAX, end, &line, &whole);
	if (!used)
		return 0;
	if (s->mode == M_DATA) {
		if (begin_message(s))
			take_text(s, line, cur_make(bytes, used), whole);
		return used;
	}
	if (!whole && !s->partial && !end)
		event(s, 0, "smtp.max_command_line_len_exceeded");
	if (!s->partial)
		take_command(s, line);
	s->partial = !whole;
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
	case C_AUTH:
		auth_answered(s, code / 100 == 2);
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

static void take_reply(struct smtp *s, struct cur line)
{
	enum command command;
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
	if (!s->welcomed && s->n == 0 && (code == 220 || code == 554)) {
		s->welcomed = true;
		return;
	}
	if (s->n == 0 && s->beyond) {
		s->beyond--;
		return;
	}
	if (s->n == 0) {
		if (code != 421)
			event(s, 1, "smtp.unable_to_match_reply_with_request");
		return;
	}
	command = (enum command)s->queue[s->first];
	if (command == C_AUTH && code == 334) {
		s->sasl.expects = s->asked = true;
		cur_skip(&line, 3);
		sasl_asked(&s->sasl, line);
		return;
	}
	s->first = (s->first + 1) % SMTP_QUEUE_MAX;
	s->n--;
	take_answer(s, command, code);
}

static size_t take_server(struct smtp *s, const uint8_t *bytes, size_t len, bool end)
{
	struct cur line = { 0 };
	bool whole = false;
	size_t used;

	used = text_line(bytes, len, SMTP_LINE_MAX, end, &line, &whole);
	if (used && !whole && !end)
		event(s, 1, "smtp.max_reply_line_len_exceeded");
	if (used)
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

/* Files of a message of which bytes were not seen are cut; commands are found again at the next
 * line. */
static void smtp_gap(struct proto_conn *conn, void *state, unsigned side, uint64_t len)
{
	struct smtp *s = state;

	(void)conn;
	if (side == 0 && s->in_message)
		mime_gap(&s->mime);
	if (side == 0 && s->mode == M_CHUNK) {
		s->chunk -= len < s->chunk ? len : s->chunk;
		if (!s->chunk)
			s->mode = M_COMMAND;
	}
	if (side == 0)
		s->partial = true;
}

static void *smtp_open(struct proto_conn *conn)
{
	struct smtp *s = proto_alloc(conn, sizeof(*s));

	if (s)
		s->conn = conn;
	return s;
}

static void smtp_close(void *state)
{
	struct smtp *s = state;

	for (unsigned i = 0; i < s->n_ahead; i++)
		proto_login_end(s->conn, &s->ahead[i], PROTO_LOGIN_UNKNOWN);
	proto_login_end(s->conn, &s->login, PROTO_LOGIN_UNKNOWN);
	proto_free(s->conn, s->ahead, SMTP_LOGINS_MAX * sizeof(s->ahead[0]));
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
