/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IMAP4 (RFC 3501, 9051), with LITERAL+ (RFC 7888) and SASL-IR (RFC 4959). A transaction is a
 * command, the untagged answers meanwhile and the one with its tag; or a mail that the server sends
 * (FETCH). Mails are read as SMTP's are.
 */
#include "proto/mime.h"
#include "proto/sasl.h"

#include <ctype.h>
#include <strings.h>

#define IMAP_LINE_MAX   8192       /* without literals; a longer one is cut */
#define IMAP_TEXT_MAX   4096       /* a longer line of a mail is taken in pieces */
#define IMAP_ARG_MAX    1024       /* of an argument in quotes or a literal; the rest is left out */
#define IMAP_TAG_MAX    32         /* bytes of a tag that are kept, and shown */
#define IMAP_WORD_MAX   20         /* the same for the word of a command */
#define IMAP_QUEUE_MAX  192        /* commands without an answer; the oldest ones get none */
#define IMAP_JSON_MAX   (8u << 10) /* of a command, of untagged answers; more is left out */
#define IMAP_DIGITS_MAX 18         /* of the size of a literal */
#define IMAP_PART_MAX   24   /* bytes of the number of a part; of longer ones no headers are kept */
#define IMAP_HEADS_MAX  1024 /* of the headers of a part; of longer ones none are kept */

enum command { C_OTHER, C_LOGIN, C_AUTHENTICATE, C_APPEND, C_STARTTLS };

static const struct {
	const char *word;
	enum command command;
} words[] = { { "LOGIN", C_LOGIN }, { "AUTHENTICATE", C_AUTHENTICATE }, { "APPEND", C_APPEND },
	{ "STARTTLS", C_STARTTLS } };

struct asked {
	struct proto_tx *tx; /* NULL: it has been ended from outside */
	struct proto_login
		*login; /* while another one is being read; NULL: it is the connection's, or none */
	enum command command;
	uint16_t tag_len; /* of all of it */
	char tag[IMAP_TAG_MAX];
};

/* What a literal of FETCH is (RFC 9051, 7.5.2). */
enum content {
	CONTENT_OTHER,
	CONTENT_MAIL,    /* or its headers */
	CONTENT_HEADERS, /* of a mail, alone */
	CONTENT_HEADS,   /* of a part */
	CONTENT_PART     /* or TEXT: a mail without its headers */
};

/* A part's headers, which the server has sent before it; of a mail those that begin with Content-. */
struct heads {
	uint64_t message;    /* its number */
	uint8_t part_len;    /* 0: there are none */
	bool comes;          /* they are the literal */
	bool within, counts; /* a mail's header: its line goes on, and is kept */
	char part[IMAP_PART_MAX];
	uint32_t len;
	uint8_t text[IMAP_HEADS_MAX];
};

/* Bytes that a line announced. */
struct literal {
	uint64_t left;
	bool waits;            /* none has come: the other side may still refuse them */
	bool part;             /* of a mail, not all that there is */
	struct proto_tx *mail; /* they are a mail of this one; NULL: they are not looked at */
	struct mime mime;
};

struct imap {
	struct proto_conn *conn;
	struct asked queue[IMAP_QUEUE_MAX];
	unsigned n;
	struct literal literal[2];
	bool goes_on[2]; /* what stood before the literal, behind it */
	struct text_lines lines[2];
	bool greeted, over;
	bool fetch; /* the untagged answer tells of a mail, of this number */
	uint64_t message;
	struct heads heads;
	bool asked; /* AUTHENTICATE: the server has asked for the next line */
	/* The command that is being read: the last one of the queue. */
	unsigned n_args;
	size_t arg_len;
	uint8_t arg[IMAP_ARG_MAX];
	struct sasl sasl;
	struct proto_login login;
	struct proto_tx *login_tx; /* whose answer decides */
	struct out request, data;
	char request_text[IMAP_JSON_MAX], data_text[IMAP_JSON_MAX];
};

static struct asked *last_asked(struct imap *m)
{
	return m->n ? &m->queue[m->n - 1] : NULL;
}

static bool starts(struct cur c, const char *word)
{
	cur_limit(&c, strlen(word));
	return text_is(c, word);
}

/* {n} or {n+} at the end of the line, which is cut off. */
static bool cut_literal(struct cur *line, uint64_t *ret_size, bool *ret_waits)
{
	const uint8_t *open = cur_left(line) ? memrchr(line->at, '{', cur_left(line)) : NULL;
	struct cur c = *line;
	uint64_t size = 0;
	unsigned digits = 0;

	if (!open || c.end[-1] != '}')
		return false;
	cur_skip(&c, (size_t)(open - c.at) + 1);
	while (cur_left(&c) && isdigit(c.at[0]) && digits++ < IMAP_DIGITS_MAX)
		size = size * 10 + cur_u8(&c) - '0';
	*ret_waits = cur_ahead(c, 0) != '+';
	cur_skip(&c, *ret_waits ? 0 : 1);
	if (!digits || cur_left(&c) != 1)
		return false;
	line->end = open;
	*line = text_trim(*line);
	*ret_size = size;
	return true;
}

static void take_arg(struct imap *m, struct cur arg)
{
	const struct asked *asked = last_asked(m);

	if (asked && asked->command == C_LOGIN && m->n_args == 0)
		proto_login_user(&m->login, arg.at, cur_left(&arg));
	else if (asked && asked->command == C_LOGIN && m->n_args == 1)
		proto_login_password(&m->login, arg.at, cur_left(&arg));
	m->n_args++;
	json_item(&m->request, arg);
}

/* RFC 9051, 4.3: a backslash stands before a quote or a backslash. */
static void take_quoted(struct imap *m, struct cur *c)
{
	uint8_t byte;

	m->arg_len = 0;
	cur_skip(c, 1);
	while (cur_left(c) && (byte = cur_u8(c)) != '"') {
		if (byte == '\\')
			byte = cur_u8(c);
		if (m->arg_len < sizeof(m->arg))
			m->arg[m->arg_len++] = byte;
	}
	take_arg(m, cur_make(m->arg, m->arg_len));
}

/* An atom, or a list in brackets as it stands. */
static void take_atom(struct imap *m, struct cur *c)
{
	struct cur arg = *c;
	unsigned depth = 0;
	bool quoted = false;

	while (cur_left(c) && (depth || quoted || c->at[0] != ' ')) {
		uint8_t byte = cur_u8(c);

		if (byte == '"')
			quoted = !quoted;
		else if (!quoted && (byte == '(' || byte == '['))
			depth++;
		else if (!quoted && (byte == ')' || byte == ']'))
			depth -= depth > 0;
	}
	arg.end = c->at;
	take_arg(m, arg);
}

static void take_args(struct imap *m, struct cur c)
{
	while (cur_left(&c)) {
		if (c.at[0] == ' ')
			cur_skip(&c, 1);
		else if (c.at[0] == '"')
			take_quoted(m, &c);
		else
			take_atom(m, &c);
	}
}

static void end_command(struct imap *m)
{
	struct proto_tx *tx = m->n ? last_asked(m)->tx : NULL;

	m->goes_on[0] = false;
	if (!tx)
		return;
	json_close(&m->request, ']');
	json_close(&m->request, '}');
	proto_fields_say(tx->data, &m->request);
	proto_tx_done(tx, 0);
}

/* What is not printed is no command: it is compressed, or we are lost in the stream. */
static bool is_name(struct cur c, size_t max)
{
	if (!cur_left(&c) || cur_left(&c) > max)
		return false;
	while (cur_left(&c))
		if (!isgraph(cur_u8(&c)))
			return false;
	return true;
}

static void begin_request(struct imap *m, struct cur tag, struct cur word, struct cur *rest)
{
	char name[IMAP_WORD_MAX + 1 + IMAP_WORD_MAX];
	struct out o = out_make(name, sizeof(name));
	struct cur next = *rest, second;

	out_bytes(&o, (const char *)word.at, cur_left(&word));
	second = text_until(&next, ' ');
	if (text_is(word, "UID") && is_name(second, IMAP_WORD_MAX - 1)) {
		out_char(&o, ' ');
		out_bytes(&o, (const char *)second.at, cur_left(&second));
		*rest = next;
	}
	m->request = out_make(m->request_text, sizeof(m->request_text));
	json_open(&m->request, "request", '{');
	json_text(&m->request, "tag", tag.at, cur_left(&tag));
	json_upper(&m->request, "command", cur_make(name, o.len));
	json_open(&m->request, "args", '[');
}

/* Its result is known, or will not be. */
static void end_kept_login(struct imap *m, struct asked *asked, enum proto_login_result result)
{
	if (!asked->login)
		return;
	proto_login_end(m->conn, asked->login, result);
	proto_free(m->conn, asked->login, sizeof(*asked->login));
	asked->login = NULL;
}

/* Many attempts may be sent before the first one is answered. */
static void keep_login(struct imap *m)
{
	for (unsigned i = 0; m->login_tx && i < m->n; i++) {
		struct asked *asked = &m->queue[i];

		if (asked->tx != m->login_tx || asked->command != C_LOGIN)
			continue;
		asked->login = proto_alloc(m->conn, sizeof(*asked->login));
		if (!asked->login)
			return;
		*asked->login = m->login;
		m->login = (struct proto_login){ 0 };
		m->login_tx = NULL;
	}
}

static void begin_login(struct imap *m, const struct asked *asked, struct cur rest)
{
	if (asked->command == C_LOGIN || asked->command == C_AUTHENTICATE)
		keep_login(m);
	if (asked->command == C_LOGIN)
		proto_login_begin(m->conn, &m->login, "password");
	else if (asked->command == C_AUTHENTICATE)
		sasl_begin(m->conn, &m->sasl, &m->login, rest);
	else
		return;
	m->login_tx = asked->tx;
}

static struct asked take_from_queue(struct imap *m, unsigned i)
{
	struct asked asked = m->queue[i];

	m->n--;
	memmove(m->queue + i, m->queue + i + 1, (m->n - i) * sizeof(m->queue[0]));
	return asked;
}

/* Room for another command: the one that has waited longest gets no answer. */
static void make_room(struct imap *m)
{
	struct asked asked;

	if (m->n < IMAP_QUEUE_MAX)
		return;
	asked = take_from_queue(m, 0);
	end_kept_login(m, &asked, PROTO_LOGIN_UNKNOWN);
	if (asked.tx)
		proto_tx_done(asked.tx, 1);
}

/* tag SP word [SP arguments]; false: it is no command. */
static bool begin_command(struct imap *m, struct cur *line)
{
	struct cur tag = text_until(line, ' '), word = text_until(line, ' ');
	struct asked asked = { .command = C_OTHER };

	if (!is_name(tag, IMAP_LINE_MAX) || !is_name(word, IMAP_WORD_MAX))
		return false;
	make_room(m);
	asked.tx = proto_fields_tx(m->conn, "imap");
	if (!asked.tx) {
		proto_conn_give_up(m->conn);
		return false;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (text_is(word, words[i].word))
			asked.command = words[i].command;
	asked.tag_len = (uint16_t)cur_left(&tag);
	cur_limit(&tag, IMAP_TAG_MAX);
	begin_request(m, tag, word, line);
	cur_copy(&tag, asked.tag, cur_left(&tag));
	m->queue[m->n++] = asked;
	m->n_args = 0;
	begin_login(m, &asked, *line);
	return true;
}

static void end_literal(struct imap *m, unsigned side, bool cut)
{
	struct literal *l = &m->literal[side];

	l->left = 0;
	if (side == 1 && cut && m->heads.comes)
		m->heads.part_len = 0;
	if (side == 1)
		m->heads.comes = false;
	if (l->mail)
		mime_end(&l->mime, cut || l->part);
	if (l->mail && side == 1)
		proto_tx_done(l->mail, 1);
	else if (!l->mail && side == 0 && m->goes_on[0])
		take_arg(m, cur_make(m->arg, m->arg_len));
	l->mail = NULL;
}

/* `mail`: whose mail it is, if it is one; it has begun. */
static void begin_literal(
	struct imap *m, unsigned side, uint64_t size, bool waits, struct proto_tx *mail)
{
	struct literal *l = &m->literal[side];

	m->goes_on[side] = true;
	l->left = size;
	l->waits = waits;
	l->mail = mail;
	if (side == 0)
		m->arg_len = 0;
	if (!size)
		end_literal(m, side, false);
}

/* The mail of APPEND stands behind the name of a mailbox. */
static void take_command(struct imap *m, struct cur line, bool whole)
{
	uint64_t size = 0;
	bool waits = false, literal;
	const struct asked *asked;
	struct proto_tx *mail;

	if (m->sasl.expects && (m->asked || !text_has(line, " "))) {
		m->asked = false;
		sasl_line(&m->sasl, &m->login, line);
		return;
	}
	m->sasl.expects = false; /* Base64 has no blanks: it goes on with something else */
	literal = whole && cut_literal(&line, &size, &waits);
	if (!m->goes_on[0] && !begin_command(m, &line))
		return;
	take_args(m, line);
	asked = last_asked(m);
	mail = literal && asked && asked->command == C_APPEND && m->n_args ? asked->tx : NULL;
	if (mail)
		mime_begin(&m->literal[0].mime, mail, 0);
	if (literal)
		begin_literal(m, 0, size, waits, mail);
	else
		end_command(m);
}

/* The answer is in the record; what has been collected until now belongs to it. */
static void say_response(struct imap *m, struct proto_tx *tx, struct cur status, struct cur header)
{
	char text[2 * IMAP_JSON_MAX];
	struct out o = out_make(text, sizeof(text));

	out_str(&o, proto_fields_said(tx->data) ? ",\"response\":{" : "\"response\":{");
	json_bool(&o, "success", text_is(status, "OK") || text_is(status, "PREAUTH"));
	json_upper(&o, "status", status);
	cur_limit(&header, IMAP_ARG_MAX);
	json_text(&o, "header", header.at, cur_left(&header));
	if (m->data.len) {
		json_open(&o, "data", '[');
		out_bytes(&o, m->data.at, m->data.len);
		json_close(&o, ']');
	}
	json_close(&o, '}');
	proto_fields_say(tx->data, &o);
	m->data = out_make(m->data_text, sizeof(m->data_text));
}

static void greet(struct imap *m, struct cur line)
{
	struct proto_tx *tx = proto_fields_tx(m->conn, "imap");
	struct cur status = text_until(&line, ' ');

	m->greeted = true;
	if (!tx)
		return;
	say_response(m, tx, status, line);
	tx->state.done[0] = true;
	proto_tx_done(tx, 1);
}

/* `* 1 FETCH (...` */
static bool is_fetch(struct cur line)
{
	struct cur number = text_until(&line, ' ');

	return cur_left(&number) && isdigit(number.at[0]) && starts(line, "FETCH ");
}

static void take_untagged(struct imap *m, struct cur line)
{
	struct cur c = line;

	m->fetch = is_fetch(line);
	m->message = 0;
	for (unsigned n = 0; n < IMAP_DIGITS_MAX && isdigit(cur_ahead(c, 0)); n++)
		m->message = m->message * 10 + cur_u8(&c) - '0';
	if (m->n)
		json_item(&m->data, line);
	else if (!m->greeted)
		greet(m, line);
}

static void login_answered(struct imap *m, struct asked *asked, bool good)
{
	enum proto_login_result result = good ? PROTO_LOGIN_SUCCESS : PROTO_LOGIN_FAILURE;

	end_kept_login(m, asked, result);
	if (asked->command == C_AUTHENTICATE)
		m->sasl.expects = m->asked = false;
	if (!asked->tx || asked->tx != m->login_tx)
		return;
	m->login_tx = NULL;
	proto_login_end(m->conn, &m->login, result);
}

/* A command that is answered before all of it is there: its literal is refused. */
static void refuse_literal(struct imap *m)
{
	struct literal *l = &m->literal[0];

	if (l->waits)
		l->left = 0;
	if (l->mail)
		mime_end(&l->mime, true);
	l->mail = NULL;
	end_command(m);
}

static struct asked *find_asked(struct imap *m, struct cur tag)
{
	const size_t len = cur_left(&tag);

	cur_limit(&tag, IMAP_TAG_MAX);
	for (unsigned i = 0; i < m->n; i++)
		if (m->queue[i].tag_len == len &&
			memcmp(m->queue[i].tag, tag.at, cur_left(&tag)) == 0)
			return &m->queue[i];
	return NULL;
}

static void take_tagged(struct imap *m, struct cur tag, struct cur line)
{
	struct cur status = text_until(&line, ' ');
	struct asked *asked = find_asked(m, tag), was;
	bool good = text_is(status, "OK");

	if (!asked || (!good && !text_is(status, "NO") && !text_is(status, "BAD")))
		return;
	if (m->goes_on[0] && asked == last_asked(m))
		refuse_literal(m);
	was = take_from_queue(m, (unsigned)(asked - m->queue));
	login_answered(m, &was, good);
	if (was.tx) {
		say_response(m, was.tx, status, line);
		proto_tx_done(was.tx, 1);
	}
	if (good && was.command == C_STARTTLS) {
		m->over = true;
		proto_conn_start_over(m->conn);
	}
}

/* Asks for more: of AUTHENTICATE, or for a literal. */
static void take_continuation(struct imap *m, struct cur text)
{
	for (unsigned i = 0; i < m->n; i++)
		m->asked |= m->queue[i].command == C_AUTHENTICATE;
	m->sasl.expects |= m->asked;
	if (m->asked)
		sasl_asked(&m->sasl, text);
}

/* Digits and dots. */
static struct cur part_number(struct cur *name)
{
	struct cur number = *name;

	while (isdigit(cur_ahead(*name, 0)) || cur_ahead(*name, 0) == '.')
		cur_skip(name, 1);
	number.end = name->at;
	return number;
}

/* Stands for the number of TEXT. */
static const uint8_t text_alone[] = "TEXT";

static enum content content_of_part(struct cur name, struct cur *ret_number)
{
	*ret_number = part_number(&name);
	if (!cur_left(ret_number) && text_is(name, "TEXT]")) {
		*ret_number = cur_make(text_alone, sizeof(text_alone) - 1);
		return CONTENT_PART;
	}
	if (!cur_left(ret_number))
		return CONTENT_OTHER;
	if (text_is(name, "]"))
		return CONTENT_PART;
	ret_number->end--;
	return *ret_number->end == '.' && text_is(name, "MIME]") ? CONTENT_HEADS : CONTENT_OTHER;
}

/* By what stands before the literal (RFC 9051, 7.5.2); a part of it that does not begin at 0 is none. */
static enum content content_of(struct cur line, bool *ret_part, struct cur *ret_number)
{
	const uint8_t *at;
	struct cur name = text_trim(line);
	bool body;

	*ret_part = cur_left(&name) > 3 && memcmp(name.end - 3, "<0>", 3) == 0;
	name.end -= *ret_part ? 3 : 0;
	at = cur_left(&name) ? memrchr(name.at, name.end[-1] == ']' ? '[' : ' ', cur_left(&name))
			     : NULL;
	body = at && at - name.at >= 4 && text_is(cur_make(at - 4, 4), "BODY");
	cur_skip(&name, at ? (size_t)(at - name.at) + 1 : 0);
	if (starts(name, "("))
		cur_skip(&name, 1);
	if (text_is(name, "RFC822") || text_is(name, "]"))
		return CONTENT_MAIL;
	if (text_is(name, "RFC822.HEADER") || (starts(name, "HEADER") && name.end[-1] == ']')) {
		*ret_number = cur_make(text_alone, sizeof(text_alone) - 1);
		return CONTENT_HEADERS;
	}
	if (text_is(name, "RFC822.TEXT"))
		return content_of_part(cur_make((const uint8_t *)"TEXT]", 5), ret_number);
	return body ? content_of_part(name, ret_number) : CONTENT_OTHER;
}

/* A mail is a transaction of its own: a command may bring many of them. */
static struct proto_tx *mail_tx(struct imap *m, struct cur line)
{
	struct proto_tx *tx = proto_fields_tx(m->conn, "imap");
	char text[IMAP_JSON_MAX];
	struct out o = out_make(text, sizeof(text));

	if (!tx)
		return NULL;
	tx->state.done[0] = true;
	json_open(&o, "response", '{');
	json_open(&o, "data", '[');
	cur_limit(&line, IMAP_ARG_MAX);
	json_item(&o, line);
	json_close(&o, ']');
	json_close(&o, '}');
	proto_fields_say(tx->data, &o);
	return tx;
}

static void begin_heads(struct imap *m, struct cur number)
{
	struct heads *h = &m->heads;

	h->message = m->message;
	h->comes = true;
	h->within = h->counts = false;
	h->len = 0;
	h->part_len = cur_left(&number) <= IMAP_PART_MAX ? (uint8_t)cur_left(&number) : 0;
	cur_copy(&number, h->part, h->part_len);
}

static void add_heads(struct heads *h, struct cur bytes)
{
	uint32_t len = (uint32_t)cur_left(&bytes);

	if (len > IMAP_HEADS_MAX - h->len) {
		h->part_len = 0;
		return;
	}
	cur_copy(&bytes, h->text + h->len, len);
	h->len += len;
}

static void add_header_line(struct heads *h, struct cur line, bool whole)
{
	const uint8_t first = cur_ahead(line, 0);

	if (!h->within)
		h->counts =
			starts(line, "Content-") || (h->counts && (first == ' ' || first == '\t'));
	h->within = !whole;
	if (h->counts)
		add_heads(h, line);
}

/* Empty: they are not known. */
static struct cur heads_of(const struct imap *m, struct cur number)
{
	const struct heads *h = &m->heads;
	bool are = h->part_len > 0 && h->message == m->message &&
		   text_same(cur_make(h->part, h->part_len), number);

	return cur_make(h->text, are ? h->len : 0);
}

/* The server sends what FETCH asked for. */
static void begin_content(struct imap *m, struct cur line, struct cur rest, uint64_t size)
{
	struct literal *l = &m->literal[1];
	struct cur number = { 0 };
	enum content content = m->fetch ? content_of(line, &l->part, &number) : CONTENT_OTHER;
	struct proto_tx *tx = NULL;

	if (content == CONTENT_HEADS || content == CONTENT_HEADERS)
		begin_heads(m, number);
	if (content != CONTENT_OTHER && content != CONTENT_HEADS)
		tx = mail_tx(m, rest);
	if (tx && content == CONTENT_PART)
		mime_begin_part(&l->mime, tx, 1, heads_of(m, number));
	else if (tx)
		mime_begin(&l->mime, tx, 1);
	l->mime.alone = content == CONTENT_HEADERS;
	begin_literal(m, 1, size, false, tx);
}

static void take_answer(struct imap *m, struct cur line, bool whole)
{
	uint64_t size = 0;
	bool waits = false, literal = whole && cut_literal(&line, &size, &waits);
	struct cur rest = line, tag = text_until(&rest, ' ');

	if (m->goes_on[1])
		rest = line;
	else if (text_is(tag, "*"))
		take_untagged(m, rest);
	else if (text_is(tag, "+"))
		take_continuation(m, rest);
	else
		take_tagged(m, tag, rest);
	m->goes_on[1] = false;
	if (literal)
		begin_content(m, line, rest, size);
}

static size_t take_mail(struct imap *m, unsigned side, const uint8_t *bytes, size_t len, bool end)
{
	struct literal *l = &m->literal[side];
	struct cur line;
	bool whole;
	size_t used = text_line(bytes, len, IMAP_TEXT_MAX, end || len == l->left, &line, &whole);

	if (used) {
		mime_line(&l->mime, cur_make(bytes, used), whole);
		if (side == 1 && m->heads.comes)
			add_header_line(&m->heads, cur_make(bytes, used), whole);
		proto_tx_news(l->mail, side);
	}
	return used;
}

static size_t take_literal(
	struct imap *m, unsigned side, const uint8_t *bytes, size_t len, bool end)
{
	struct literal *l = &m->literal[side];
	struct cur c = cur_make(bytes, len);
	size_t used = len < l->left ? len : (size_t)l->left, keep;

	l->waits = false;
	if (l->mail) {
		used = take_mail(m, side, bytes, used, end);
	} else if (side == 0) {
		keep = sizeof(m->arg) - m->arg_len;
		keep = used < keep ? used : keep;
		cur_copy(&c, m->arg + m->arg_len, keep);
		m->arg_len += keep;
	} else if (m->heads.comes) {
		add_heads(&m->heads, cur_make(bytes, used));
	}
	l->left -= used;
	if (!l->left)
		end_literal(m, side, false);
	return used;
}

/* A tag has a digit, or is a letter: others have two words, too. It may not be whole yet. */
static bool is_tag(struct cur tag, bool whole)
{
	bool digit = !whole || cur_left(&tag) == 1;

	if (!is_name(tag, IMAP_TAG_MAX))
		return false;
	while (cur_left(&tag)) {
		uint8_t byte = cur_u8(&tag);

		if (!isalnum(byte) && byte != '.' && byte != '_' && byte != '-')
			return false;
		digit |= isdigit(byte) != 0;
	}
	return digit;
}

/* Not the rest of one. */
static bool is_line(struct imap *m, unsigned side, struct cur line)
{
	struct cur tag = text_until(&line, ' '), word = text_until(&line, ' ');

	if (side == 0)
		return is_tag(tag, true) && cur_left(&word) && isalpha(word.at[0]);
	return text_is(tag, "*") || text_is(tag, "+") || find_asked(m, tag);
}

static size_t take_line(struct imap *m, unsigned side, const uint8_t *bytes, size_t len, bool end)
{
	struct cur line;
	bool whole, looks;
	size_t used = text_line(bytes, len, IMAP_LINE_MAX, end, &line, &whole);

	if (!used)
		return 0;
	looks = m->lines[side].lost && is_line(m, side, line);
	if (!text_lines_take(&m->lines[side], looks, whole))
		return used;
	if (side == 0)
		take_command(m, line, whole);
	else
		take_answer(m, line, whole);
	return used;
}

/* No more comes. */
static void end_side(struct imap *m, unsigned side)
{
	if (m->literal[side].left)
		end_literal(m, side, true);
	if (side == 0 && m->goes_on[0])
		end_command(m);
}

static size_t imap_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct imap *m = state;
	struct cur c = cur_make(bytes, len);

	(void)conn;
	while (cur_left(&c) && !m->over) {
		size_t used = m->literal[side].left ? take_literal(m, side, c.at, cur_left(&c), end)
						    : take_line(m, side, c.at, cur_left(&c), end);

		if (!used)
			break;
		cur_skip(&c, used);
	}
	if (end)
		end_side(m, side);
	return len - cur_left(&c);
}

/* What was not seen may have been the rest of a literal; then all is found again at the next line.
 * */
static void imap_gap(struct proto_conn *conn, void *state, unsigned side, uint64_t len)
{
	struct imap *m = state;
	struct literal *l = &m->literal[side];

	(void)conn;
	if (side == 1 && m->heads.comes)
		m->heads.part_len = 0;
	if (l->left > len) {
		l->left -= len;
		if (l->mail)
			mime_end(&l->mime, true);
		return;
	}
	if (l->left)
		end_literal(m, side, true);
	if (side == 0 && m->goes_on[0])
		end_command(m); /* what comes next is another one */
	m->goes_on[side] = false;
	text_lines_gap(&m->lines[side]);
}

static void *imap_open(struct proto_conn *conn)
{
	struct imap *m = proto_alloc(conn, sizeof(*m));

	if (!m)
		return NULL;
	m->conn = conn;
	m->data = out_make(m->data_text, sizeof(m->data_text));
	m->request = out_make(m->request_text, sizeof(m->request_text));
	return m;
}

static void imap_close(void *state)
{
	struct imap *m = state;

	for (unsigned i = 0; i < m->n; i++)
		end_kept_login(m, &m->queue[i], PROTO_LOGIN_UNKNOWN);
	proto_login_end(m->conn, &m->login, PROTO_LOGIN_UNKNOWN);
	proto_free(m->conn, m, sizeof(*m));
}

static void forget(struct proto_tx **tx, const void *data)
{
	if (*tx && (*tx)->data == data)
		*tx = NULL;
}

static void imap_free_tx(void *data)
{
	struct imap *m = proto_conn_state(((struct proto_fields *)data)->conn);

	for (unsigned i = 0; m && i < m->n; i++)
		forget(&m->queue[i].tx, data);
	if (m) {
		forget(&m->literal[0].mail, data);
		forget(&m->literal[1].mail, data);
		forget(&m->login_tx, data);
	}
	proto_fields_free(data);
}

static enum proto_guess guess_client(struct cur c)
{
	static const char *const first[] = { "LOGIN ", "CAPABILITY\r\n", "AUTHENTICATE ",
		"STARTTLS\r\n", "ID (", "ID NIL" };
	const uint8_t *space = memchr(c.at, ' ', cur_left(&c));
	struct cur tag = text_until(&c, ' ');
	enum proto_guess best = PROTO_IS_NOT;

	if (!is_tag(tag, space))
		return PROTO_IS_NOT;
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]) && best != PROTO_IS; i++) {
		size_t all = strlen(first[i]), n = all < cur_left(&c) ? all : cur_left(&c);

		if (strncasecmp((const char *)c.at, first[i], n) == 0)
			best = n == all ? PROTO_IS : PROTO_MAY_BE;
	}
	return best;
}

static enum proto_guess imap_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	static const char *const greetings[] = { "* OK ", "* PREAUTH ", "* BYE " };
	enum proto_guess best = PROTO_IS_NOT;

	(void)info;
	if (!len)
		return PROTO_MAY_BE;
	if (side == 0)
		return guess_client(cur_make(bytes, len));
	for (size_t i = 0; i < sizeof(greetings) / sizeof(greetings[0]) && best != PROTO_IS; i++) {
		size_t all = strlen(greetings[i]), n = all < len ? all : len;

		if (strncasecmp((const char *)bytes, greetings[i], n) == 0)
			best = n == all ? PROTO_IS : PROTO_MAY_BE;
	}
	return best;
}

const struct proto_parser proto_imap = { .id = PROTO_IMAP,
	.ip_proto = 6,
	.guess = imap_guess,
	.open = imap_open,
	.close = imap_close,
	.feed = imap_feed,
	.gap = imap_gap,
	.buffer = proto_fields_buffer,
	.json = mime_tx_json,
	.free_tx = imap_free_tx };
