/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POP3 (RFC 1939), with AUTH (RFC 1734, 5034), CAPA (RFC 2449) and STLS (RFC 2595). A transaction
 * is a command and the answer to it; a mail in the answer is read as SMTP's are.
 */
#include "proto/mime.h"
#include "proto/sasl.h"

#include <strings.h>

#define POP3_LINE_MAX 1024 /* of commands and answers; the rest is left out */
#define POP3_TEXT_MAX 4096 /* a longer line of a mail is taken in pieces */
#define POP3_QUEUE_MAX \
	512 /* commands without an answer; beyond it no answer is looked at any more */
#define POP3_WAIT_MAX \
	(16u << 10) /* of a client that waits for no answer to AUTH; see must_wait() */
#define POP3_JSON_MAX (12u << 10) /* of a command, of an answer; lines beyond are left out */

enum command {
	C_OTHER,
	C_USER,
	C_PASS,
	C_APOP,
	C_AUTH,
	C_STLS,
	C_LISTS,
	C_MAY_LIST,
	C_MAIL,
	C_KNOWN /* nothing else about it matters */
};

static const struct {
	const char *word;
	enum command command;
} words[] = {
	{ "USER", C_USER },
	{ "PASS", C_PASS },
	{ "APOP", C_APOP },
	{ "AUTH", C_AUTH },
	{ "STLS", C_STLS },
	{ "CAPA", C_LISTS },
	{ "LIST", C_MAY_LIST }, /* without arguments it lists all */
	{ "UIDL", C_MAY_LIST },
	{ "LANG", C_MAY_LIST },
	{ "RETR", C_MAIL },
	{ "TOP", C_MAIL },
	{ "QUIT", C_KNOWN },
	{ "STAT", C_KNOWN },
	{ "DELE", C_KNOWN },
	{ "NOOP", C_KNOWN },
	{ "RSET", C_KNOWN },
};

struct pop3 {
	struct proto_conn *conn;
	struct proto_asked_queue queue;
	struct proto_asked asked[POP3_QUEUE_MAX]; /* its room; `command` is an enum command */
	bool greeted;
	struct proto_asked now; /* whose answer is being read */
	bool lists;             /* more lines of it come, until a dot */
	bool list_begun;        /* one of them is in the reply */
	bool partial;           /* of such a line, there was a piece */
	struct text_lines lines[2];
	bool over; /* TLS begins */
	struct sasl sasl;
	bool asks; /* the server waits for another line of AUTH's */
	bool held; /* there is something of the client that waits for what the server says */
	bool gap;  /* there was one: what it says to AUTH may not be waited for */
	struct proto_attempt *by_user,
		*by_auth; /* the last ones: by USER and PASS, by APOP or AUTH */
	struct mime mime;
	struct out reply;
	char reply_text[POP3_JSON_MAX];
};

static enum command command_of(struct cur word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (text_is(word, words[i].word))
			return words[i].command;
	return C_OTHER;
}

/* A password may have spaces. */
static void say_request(struct proto_tx *tx, enum command command, struct cur word, struct cur rest)
{
	char text[POP3_JSON_MAX];
	struct out o = out_make(text, sizeof(text));

	json_open(&o, "request", '{');
	json_upper(&o, "command", word);
	json_open(&o, "args", '[');
	while (cur_left(&rest)) {
		struct cur arg = command == C_PASS ? cur_sub(&rest, cur_left(&rest))
						   : text_until(&rest, ' ');

		if (cur_left(&arg))
			json_item(&o, arg);
	}
	json_close(&o, ']');
	json_close(&o, '}');
	proto_fields_say(tx->data, &o);
}

static void take_apop(struct proto_login *login, struct cur rest)
{
	struct cur user = text_word(&rest);

	rest = text_trim(rest);
	login->method = "apop";
	proto_login_user(login, user.at, cur_left(&user));
	proto_login_hash(login, rest.at, cur_left(&rest));
}

static bool has_args(struct cur rest)
{
	struct cur text = text_trim(text_until(&rest, '\0'));

	return cur_left(&text);
}

/* PASS goes on with what USER began, whatever else was tried in between. */
static struct proto_attempt *begin_attempt(struct pop3 *p, enum command command)
{
	bool by_user = command == C_USER || command == C_PASS;
	struct proto_attempt **last = by_user ? &p->by_user : &p->by_auth;

	if (command == C_PASS && *last && !(*last)->over)
		return *last;
	proto_attempt_release(p->conn, *last);
	*last = proto_attempt_new(p->conn);
	if (*last)
		(*last)->login.method = "password";
	return *last;
}

/* What it belongs to; NULL: nothing. To servers that read it as a string, what is given ends with a NUL. */
static struct proto_attempt *take_login(struct pop3 *p, enum command command, struct cur text)
{
	struct proto_attempt *attempt;
	struct proto_login *login;
	struct cur rest;

	if (command < C_USER || command > C_AUTH)
		return NULL;
	if (command == C_AUTH && !has_args(text)) /* it asks which mechanisms there are */
		return NULL;
	attempt = begin_attempt(p, command);
	if (!attempt)
		return NULL;
	login = &attempt->login;
	rest = text_until(&text, '\0');
	if (command == C_USER)
		proto_login_user(login, rest.at, cur_left(&rest));
	else if (command == C_PASS)
		proto_login_password(login, rest.at, cur_left(&rest));
	else if (command == C_APOP)
		take_apop(login, rest);
	else
		sasl_begin(p->conn, &p->sasl, login, text_trim(rest));
	return attempt;
}

/* The last command is AUTH with a mechanism, and not answered. */
static bool in_auth(const struct pop3 *p)
{
	const struct proto_asked *last =
		p->queue.n ? proto_asked_at(&p->queue, p->queue.n - 1) : NULL;

	return last && last->command == C_AUTH && last->args;
}

/* RFC 5034: a line behind AUTH belongs to it if the server has asked for one with `+ `, else it is the next command. A
 * client that does not wait for that must. */
static bool must_wait(const struct pop3 *p, size_t len)
{
	return in_auth(p) && !p->asks && !p->gap && len <= POP3_WAIT_MAX;
}

/* When what the server says is not known, a command is known by its name. */
static bool is_for_auth(const struct pop3 *p, struct cur line)
{
	return p->asks || ((p->sasl.expects || (p->queue.gap && in_auth(p))) &&
				  command_of(text_word(&line)) == C_OTHER);
}

static void attempt_answered(struct pop3 *p, bool good)
{
	if (p->now.command == C_AUTH)
		p->sasl.expects = p->asks = false;
	if (p->now.attempt && !(good && p->now.command == C_USER)) /* it asks for the password */
		proto_attempt_end(
			p->conn, p->now.attempt, good ? PROTO_LOGIN_SUCCESS : PROTO_LOGIN_FAILURE);
	p->now.attempt = proto_attempt_release(p->conn, p->now.attempt);
}

/* What there is of the answer goes into the record. */
static void say_reply(struct pop3 *p, bool cut)
{
	struct proto_tx *tx = p->now.tx;

	if (p->list_begun)
		json_close(&p->reply, ']');
	json_close(&p->reply, '}');
	if (tx && p->lists && p->now.command == C_MAIL)
		mime_end(&p->mime, cut);
	if (tx) {
		proto_fields_say(tx->data, &p->reply);
		proto_tx_done(tx, 1);
	}
	p->lists = p->list_begun = false;
	p->now.tx = NULL;
}

/* Nobody asked for what greets: who does not wait for it has sent commands by then. */
static struct proto_asked next_asked(struct pop3 *p)
{
	struct proto_asked asked = { .tx = NULL };

	if (p->queue.n && p->greeted)
		return proto_asked_take(&p->queue);
	p->greeted = true;
	asked.tx = proto_fields_tx(p->conn, "pop3");
	if (asked.tx)
		asked.tx->state.done[0] = true;
	return asked;
}

static bool is_list(const struct proto_asked *asked)
{
	return asked->command == C_LISTS || asked->command == C_MAIL ||
	       ((asked->command == C_MAY_LIST || asked->command == C_AUTH) && !asked->args);
}

static void begin_reply(struct pop3 *p, bool good, struct cur header)
{
	p->now = next_asked(p);
	p->reply = out_make(p->reply_text, sizeof(p->reply_text));
	out_str(&p->reply, p->now.tx && proto_fields_said(p->now.tx->data) ? ",\"response\":{"
									   : "\"response\":{");
	json_bool(&p->reply, "success", good);
	json_str(&p->reply, "status", good ? "OK" : "ERR");
	json_text(&p->reply, "header", header.at, cur_left(&header));
	attempt_answered(p, good);
	p->lists = good && is_list(&p->now);
	if (p->now.tx && p->lists && p->now.command == C_MAIL)
		mime_begin(&p->mime, p->now.tx, 1);
}

static bool starts(struct cur c, const char *word)
{
	cur_limit(&c, strlen(word));
	return text_is(c, word);
}

/* RFC 5034: `+ ` asks for the next line. */
static void take_status(struct pop3 *p, struct cur line)
{
	bool good = starts(line, "+OK");

	if (!good && !starts(line, "-ERR")) {
		if (!starts(line, "+") || !in_auth(p))
			return;
		p->asks = true;
		cur_skip(&line, 1);
		sasl_asked(&p->sasl, line);
		return;
	}
	cur_skip(&line, good ? 3 : 4);
	begin_reply(p, good, text_trim(line));
	if (p->lists)
		return;
	if (good && p->now.command == C_STLS) {
		p->over = true;
		proto_conn_start_over(p->conn);
	}
	say_reply(p, false);
}

static void take_item(struct pop3 *p, struct cur line)
{
	if (!p->list_begun)
		json_open(&p->reply, "data", '[');
	p->list_begun = true;
	json_item(&p->reply, line);
}

/* A dot alone ends what has several lines, a dot in front of another is not part of it. */
static void take_text(struct pop3 *p, struct cur line, struct cur raw, bool whole)
{
	bool begins = !p->partial;

	p->partial = !whole;
	if (begins && starts(line, ".")) {
		cur_skip(&line, 1);
		cur_skip(&raw, 1);
		if (whole && !cur_left(&line)) {
			say_reply(p, false);
			return;
		}
	}
	if (p->now.tx && p->now.command == C_MAIL) {
		mime_line(&p->mime, raw, whole);
		proto_tx_news(p->now.tx, 1);
	} else if (begins) {
		take_item(p, line);
	}
}

/* Who sends the next command when the answer has come has had those to all but the last one. A mail is cut where bytes
 * were not seen. */
static void answers_lost(struct pop3 *p)
{
	p->partial = false;
	if (p->lists && p->now.tx && p->now.command == C_MAIL)
		mime_end(&p->mime, true);
	if (p->queue.pipelines || !p->queue.n)
		return;
	p->greeted = true;
	if (p->lists)
		say_reply(p, true);
	for (unsigned n = proto_asked_answered(&p->queue); n > 0; n--) {
		p->now = proto_asked_take(&p->queue);
		p->now.attempt = proto_attempt_release(p->conn, p->now.attempt);
		if (p->now.tx)
			proto_tx_done(p->now.tx, 1);
		p->now.tx = NULL;
	}
}

static void take_command(struct pop3 *p, struct cur line)
{
	struct proto_asked asked = { .tx = NULL };
	struct cur rest = line, word;
	bool unsure = p->queue.doubt &&
		      !in_auth(p); /* what was not seen may have been no answer, but `+ ` */

	if (is_for_auth(p, line)) {
		p->asks = false;
		if (p->by_auth)
			sasl_line(&p->sasl, &p->by_auth->login, line);
		return;
	}
	p->sasl.expects = false;
	proto_asked_make_room(&p->queue);
	asked.tx = proto_fields_tx(p->conn, "pop3");
	if (!asked.tx) {
		proto_conn_give_up(p->conn);
		return;
	}
	word = text_word(&rest);
	asked.command = (uint8_t)command_of(word);
	asked.args = has_args(rest);
	say_request(asked.tx, asked.command, word, rest);
	asked.attempt = take_login(p, asked.command, rest);
	proto_tx_done(asked.tx, 0);
	proto_asked_add(&p->queue, &asked);
	if (unsure)
		answers_lost(p);
	proto_asked_heard(&p->queue);
}

static bool is_line(const struct pop3 *p, unsigned side, struct cur line)
{
	if (side == 0)
		return command_of(text_word(&line)) != C_OTHER;
	return p->lists || starts(line, "+OK") || starts(line, "-ERR");
}

static void take_line(struct pop3 *p, unsigned side, struct cur line, struct cur raw, bool whole)
{
	bool looks = p->lines[side].lost && is_line(p, side, line);

	if (!text_lines_take(&p->lines[side], looks, whole))
		return;
	if (side == 1)
		proto_asked_heard(&p->queue);
	if (side == 0) {
		p->held = false;
		take_command(p, line);
	} else if (p->queue.lost) {
		return;
	} else if (p->lists) {
		p->lines[1].skips = false;
		take_text(p, line, raw, whole);
	} else {
		take_status(p, line);
	}
}

/* Whether the rest waits for the other side: what the server says behind its word to AUTH is about what the client has
 * sent by then. */
static bool stays(struct pop3 *p, unsigned side, size_t len, bool end)
{
	bool stays = must_wait(p, len);

	if (side == 1)
		stays = p->held && (p->asks || !in_auth(p)) && len <= POP3_WAIT_MAX;
	stays = stays && !end;
	if (side == 0)
		p->held |= stays;
	if (stays)
		proto_conn_wait(p->conn, side);
	return stays;
}

static size_t pop3_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct pop3 *p = state;
	struct cur c = cur_make(bytes, len), line;
	bool whole;

	(void)conn;
	while (cur_left(&c) && !p->over && !stays(p, side, cur_left(&c), end)) {
		size_t used = text_line(c.at, cur_left(&c),
			side && p->lists ? POP3_TEXT_MAX : POP3_LINE_MAX, end, &line, &whole);

		if (!used)
			break;
		take_line(p, side, line, cur_make(c.at, used), whole);
		cur_skip(&c, used);
	}
	if (end && side == 1 && p->lists)
		say_reply(p, true);
	return len - cur_left(&c);
}

/* All else is found again at the next line. */
static void pop3_gap(struct proto_conn *conn, void *state, unsigned side, uint64_t len)
{
	struct pop3 *p = state;

	(void)conn;
	(void)len;
	p->gap = true;
	p->held = false;
	if (side == 1) {
		proto_asked_gap(&p->queue);
		answers_lost(p);
	}
	text_lines_gap(&p->lines[side]);
}

static void *pop3_open(struct proto_conn *conn)
{
	struct pop3 *p = proto_alloc(conn, sizeof(*p));

	if (!p)
		return NULL;
	p->conn = conn;
	p->queue =
		(struct proto_asked_queue){ .conn = conn, .at = p->asked, .max = POP3_QUEUE_MAX };
	p->greeted = proto_conn_info(conn)->midstream;
	return p;
}

static void pop3_close(void *state)
{
	struct pop3 *p = state;

	proto_asked_lose(&p->queue);
	proto_attempt_release(p->conn, p->by_auth);
	proto_attempt_release(p->conn, p->by_user);
	proto_free(p->conn, p, sizeof(*p));
}

static void pop3_free_tx(void *data)
{
	struct pop3 *p = proto_conn_state(((struct proto_fields *)data)->conn);

	if (p)
		proto_asked_forget(&p->queue, data);
	if (p && p->now.tx && p->now.tx->data == data)
		p->now.tx = NULL;
	proto_fields_free(data);
}

/* FTP knows many of the words; the port must speak for the others. */
static enum proto_guess guess_client(bool port, const uint8_t *bytes, size_t len)
{
	static const char *const first[] = { "APOP ", "CAPA\r\n", "STLS\r\n", "UIDL\r\n", "USER ",
		"PASS ", "AUTH", "QUIT\r\n", "STAT\r\n", "LIST", "RETR ", "TOP ", "NOOP\r\n" };
	const size_t n_first = port ? sizeof(first) / sizeof(first[0]) : 4;
	enum proto_guess best = PROTO_IS_NOT;
	struct cur c = cur_make(bytes, len);

	if (port)
		text_skip_blanks(&c);
	for (size_t i = 0; i < n_first && best != PROTO_IS; i++) {
		size_t all = strlen(first[i]), n = all < cur_left(&c) ? all : cur_left(&c);

		if (strncasecmp((const char *)c.at, first[i], n) == 0)
			best = n == all ? PROTO_IS : PROTO_MAY_BE;
	}
	return best;
}

/* Others answer with a bare +OK, Redis for one. */
static enum proto_guess pop3_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	const char *greeting = info->port[1] == 110 ? "+OK" : "+OK ";
	size_t all = strlen(greeting), n = all < len ? all : len;

	if (side == 0)
		return guess_client(info->port[1] == 110, bytes, len);
	if (memcmp(bytes, greeting, n) != 0)
		return PROTO_IS_NOT;
	return n == all ? PROTO_IS : PROTO_MAY_BE;
}

const struct proto_parser proto_pop3 = { .id = PROTO_POP3,
	.ip_proto = 6,
	.guess = pop3_guess,
	.open = pop3_open,
	.close = pop3_close,
	.feed = pop3_feed,
	.gap = pop3_gap,
	.buffer = proto_fields_buffer,
	.json = mime_tx_json,
	.free_tx = pop3_free_tx };
