/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FTP (RFC 959, 2428). A transaction is a command and the answers to it. What a command says about
 * the data connection (PORT, EPRT, PASV, EPSV, and then RETR, STOR ...) is told as an expectation:
 * the caller knows it again by its address and port, and gives it to the connection that comes
 * (data.c).
 */
#include "proto/fields.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>

#define FTP_LINE_MAX 4096u
#define FTP_QUEUE_MAX \
	1024 /* commands without an answer; beyond it no answer is looked at any more */
#define FTP_REPLY_MAX          (64u << 10) /* bytes of one; lines beyond are not looked at */
#define FTP_RESTART_DIGITS_MAX 18
#define FTP_LATER_MAX          8 /* transfers that wait for a port; of more it is not known */
#define FTP_CODES_JSON         (3u << 10) /* of the list of codes, and of that of replies */
#define FTP_REPLY_JSON         (24u << 10)

enum { TELNET_SE = 240, TELNET_WILL = 251, TELNET_DONT = 254, TELNET_IAC = 255 }; /* RFC 854 */

/* struct proto_asked, command */
enum {
	ASKED_OTHER,
	ASKED_NOTHING, /* an empty line: not all servers answer it */
	ASKED_USER,
	ASKED_PASS,
	ASKED_ACCT,
	ASKED_AUTH,
	ASKED_PASV,
	ASKED_EPSV,
	ASKED_PORT
};
static const struct {
	const char *word;
	uint8_t command;
} words[] = {
	{ "", ASKED_NOTHING },
	{ "USER", ASKED_USER },
	{ "PASS", ASKED_PASS },
	{ "ACCT", ASKED_ACCT },
	{ "AUTH", ASKED_AUTH },
	{ "PASV", ASKED_PASV },
	{ "EPSV", ASKED_EPSV },
	{ "PORT", ASKED_PORT },
	{ "EPRT", ASKED_PORT },
};

struct port {
	uint16_t number; /* 0: none */
	bool active;
	struct ip host; /* unset: on the same host */
};

/* A transfer that was asked for before the answer to PASV or EPSV came. */
struct later {
	struct proto_expect expect;
	unsigned passive; /* which of these */
};

struct ftp {
	struct proto_conn *conn;
	struct proto_asked_queue queue;
	struct proto_asked asked[FTP_QUEUE_MAX]; /* its room */
	bool greeted, greets; /* the first reply has begun; it is the one that comes now */
	struct proto_tx *greeting;
	struct port data;   /* the one that was said last; none: used, or not said */
	struct port before; /* what stays if the server refuses the last PORT or EPRT */
	unsigned ports;     /* PORT and EPRT without an answer */
	struct text_lines lines[2];
	bool over;
	bool reply_lost; /* of the answer of several lines that is under way, the last one may be */
	unsigned passives, passives_answered; /* PASV and EPSV */
	struct later later[FTP_LATER_MAX];    /* in the order of the commands */
	unsigned n_later;
	uint64_t restart;              /* where in the file the next transfer begins */
	uint16_t reply;                /* of several lines: its code */
	struct proto_attempt *attempt; /* the last one */
};

/* Up to three digits. */
static bool read_number(struct cur *c, unsigned max, unsigned *ret_number)
{
	unsigned n = 0, digits = 0;

	while (cur_left(c) && isdigit(c->at[0]) && digits++ < 5)
		n = n * 10 + cur_u8(c) - '0';
	*ret_number = n;
	return digits && n <= max;
}

/* h1,h2,h3,h4,p1,p2 */
static uint16_t port_of_six(struct cur c, struct ip *ret_host)
{
	unsigned n[6];
	uint8_t host[4];

	for (unsigned i = 0; i < 6; i++) {
		if (i && cur_u8(&c) != ',')
			return 0;
		if (!read_number(&c, 255, &n[i]))
			return 0;
	}
	for (unsigned i = 0; i < 4; i++)
		host[i] = (uint8_t)n[i];
	*ret_host = ip_from_v4(host);
	return (uint16_t)(n[4] << 8 | n[5]);
}

/* |1|address|port| */
static uint16_t port_between_bars(struct cur c, unsigned bars)
{
	uint8_t bar = cur_u8(&c);
	unsigned n;

	for (unsigned i = 1; i < bars && cur_left(&c);)
		if (cur_u8(&c) == bar)
			i++;
	return read_number(&c, 65535, &n) ? (uint16_t)n : 0;
}

static struct cur behind(struct cur c, uint8_t stop)
{
	while (cur_left(&c) && c.at[0] != stop)
		cur_skip(&c, 1);
	cur_skip(&c, 1);
	return c;
}

static void set_port(
	struct ftp *ftp, struct proto_tx *tx, uint16_t port, const struct ip *host, bool active)
{
	ftp->data = (struct port){ port, active, *host };
	if (!port || !tx)
		return;
	proto_fields_add_number(tx->data, NUMBER_FTP_DYNAMIC_PORT, port);
	proto_fields_add_number(tx->data, NUMBER_FTP_ACTIVE, active);
}

/* The first of those that wait may be refused, and so may all of them. */
static void client_port(struct ftp *ftp, struct proto_tx *tx, uint16_t port, const struct ip *host)
{
	if (!ftp->ports++)
		ftp->before = ftp->data;
	set_port(ftp, tx, port, host, true);
}

static void port_answered(struct ftp *ftp, bool good)
{
	ftp->ports -= ftp->ports > 0;
	if (!good && !ftp->ports)
		ftp->data = ftp->before;
	if (good || !ftp->ports)
		ftp->before.number = 0;
}

static bool is_passive(const struct proto_asked *asked)
{
	return asked->command == ASKED_PASV || asked->command == ASKED_EPSV;
}

static void expect_at(struct ftp *ftp, struct port *port, struct proto_expect *e)
{
	if (!port->number)
		return;
	e->listens = port->active ? 0 : 1;
	e->port = port->number;
	e->also = port->host;
	port->number = 0;
	proto_conn_expect(ftp->conn, e);
}

/* Which of them it will be is not known before the server has answered. */
static void expect_now(struct ftp *ftp, struct proto_expect *e)
{
	expect_at(ftp, &ftp->data, e);
	expect_at(ftp, &ftp->before, e);
}

static bool passive_waits(const struct ftp *ftp)
{
	return !ftp->queue.lost && ftp->passives != ftp->passives_answered;
}

static void expect_later(struct ftp *ftp, const struct proto_expect *e)
{
	if (ftp->n_later == FTP_LATER_MAX)
		proto_conn_limit(ftp->conn);
	else
		ftp->later[ftp->n_later++] =
			(struct later){ .expect = *e, .passive = ftp->passives };
}

/* The oldest PASV or EPSV is: the first transfer behind it has the port, if there is one. */
static void passive_answered(struct ftp *ftp)
{
	unsigned n = 0;

	ftp->passives_answered++;
	for (; n < ftp->n_later && ftp->later[n].passive == ftp->passives_answered; n++)
		expect_now(ftp, &ftp->later[n].expect);
	ftp->n_later -= n;
	memmove(ftp->later, ftp->later + n, ftp->n_later * sizeof(ftp->later[0]));
}

/* The data connection of a command that has one. */
static void expect(struct ftp *ftp, struct proto_tx *tx, struct cur command, struct cur name)
{
	static const char *const transfers[] = { "RETR", "STOR", "STOU", "APPE", "LIST", "NLST",
		"MLSD" };
	struct proto_expect e = { .proto = PROTO_FTP_DATA, .ip_proto = IPPROTO_TCP };
	size_t i = 0;

	while (i < sizeof(transfers) / sizeof(transfers[0]) && !text_is(command, transfers[i]))
		i++;
	if (i == sizeof(transfers) / sizeof(transfers[0]))
		return;
	if (!ftp->data.number && !ftp->before.number && !passive_waits(ftp)) {
		proto_tx_add_event(tx, "ftp.file_before_port");
		return;
	}
	e.sender = i >= 1 && i <= 3 ? 0 : 1;
	snprintf(e.command, sizeof(e.command), "%s", transfers[i]);
	if (i <= 3) {
		e.name_len = cur_left(&name) < sizeof(e.name) ? (uint32_t)cur_left(&name)
							      : (uint32_t)sizeof(e.name);
		cur_copy(&name, e.name, e.name_len);
		e.offset = ftp->restart;
	}
	ftp->restart = 0;
	if (passive_waits(ftp))
		expect_later(ftp, &e);
	else
		expect_now(ftp, &e);
}

/* Where the next transfer begins (RFC 3659, 5). */
static uint64_t restart_of(struct cur text)
{
	uint64_t number = 0;

	for (unsigned digits = 0; digits < FTP_RESTART_DIGITS_MAX && isdigit(cur_ahead(text, 0));
		digits++)
		number = 10 * number + cur_u8(&text) - '0';
	return number;
}

/* To servers that read it as a string, what is given ends with a NUL. */
static void take_attempt(struct ftp *ftp, struct cur command, struct cur rest)
{
	struct cur text = text_until(&rest, '\0');
	bool user = text_is(command, "USER");

	if (user || !ftp->attempt || ftp->attempt->over) {
		proto_attempt_release(ftp->conn, ftp->attempt);
		ftp->attempt = proto_attempt_new(ftp->conn);
	}
	if (ftp->attempt && user)
		proto_login_user(&ftp->attempt->login, text.at, cur_left(&text));
	else if (ftp->attempt && text_is(command, "PASS"))
		proto_login_password(&ftp->attempt->login, text.at, cur_left(&text));
}

static void remember(struct ftp *ftp, struct proto_tx *tx, struct cur command, struct cur rest)
{
	struct proto_asked asked = { .tx = tx, .command = ASKED_OTHER };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (text_is(command, words[i].word))
			asked.command = words[i].command;
	if (asked.command >= ASKED_USER && asked.command <= ASKED_ACCT) {
		take_attempt(ftp, command, rest);
		asked.attempt = ftp->attempt;
	}
	proto_asked_add(&ftp->queue, &asked);
	if (is_passive(&asked) && !ftp->queue.lost)
		ftp->passives++;
}

/* Blanks in front of a command some servers skip and others refuse, and each of them takes another set of characters
 * for blanks (ProFTPD all of C's). */
static void take_command(struct ftp *ftp, struct cur line, bool cut)
{
	struct cur rest = line, command = text_word(&rest);
	struct ip host = { 0 };
	struct proto_tx *tx;

	proto_asked_make_room(&ftp->queue);
	tx = proto_fields_tx(ftp->conn, NULL);
	if (!tx)
		return;
	rest = text_trim(rest);
	proto_fields_add(tx->data, BUFFER_FTP_COMMAND, command.at, cur_left(&command));
	if (cur_left(&rest))
		proto_fields_add(tx->data, BUFFER_FTP_COMMAND_DATA, rest.at, cur_left(&rest));
	proto_fields_add_number(tx->data, NUMBER_FTP_COMMAND_CUT, cut);
	if (cut)
		proto_tx_add_event(tx, "ftp.request_command_too_long");
	if (text_is(command, "PORT"))
		client_port(ftp, tx, port_of_six(rest, &host), &host);
	else if (text_is(command, "EPRT"))
		client_port(ftp, tx, port_between_bars(rest, 3), &host);
	else if (text_is(command, "REST"))
		ftp->restart = restart_of(rest);
	remember(ftp, tx, command, rest);
	expect(ftp, tx, command, rest);
	proto_tx_done(tx, 0);
}

/* Some replies can be about one command alone; an empty line is not understood (500), or not answered. */
static bool is_about(const struct proto_asked *asked, unsigned code)
{
	switch (code) {
	case 331:
		return asked->command == ASKED_USER;
	case 230:
	case 232:
	case 332:
		return asked->command >= ASKED_USER && asked->command <= ASKED_ACCT;
	case 234:
		return asked->command == ASKED_AUTH;
	case 227:
		return asked->command == ASKED_PASV;
	case 229:
		return asked->command == ASKED_EPSV;
	default:
		return asked->command != ASKED_NOTHING || code == 500;
	}
}

/* The first `n` have no answer, or not one that was seen. */
static void pass_first(struct ftp *ftp, unsigned n)
{
	while (n--) {
		struct proto_asked asked = proto_asked_take(&ftp->queue);

		if (asked.tx)
			proto_tx_done(asked.tx, 1);
		proto_attempt_release(ftp->conn, asked.attempt);
		if (is_passive(&asked))
			passive_answered(ftp);
	}
}

/* Servers pass over lines in silence: vsftpd those that are empty, ProFTPD those that are too long, and to that one a
 * line feed alone ends none. What is in front of the command that a reply must be about has no answer. */
static void pass_over(struct ftp *ftp, unsigned code)
{
	unsigned n = 0;

	while (n < ftp->queue.n && !is_about(proto_asked_at(&ftp->queue, n), code))
		n++;
	if (n < ftp->queue.n)
		pass_first(ftp, n);
}

/* Whom a reply answers: the oldest command, or nobody: the greeting. NULL: that is told by now. */
static struct proto_tx *answered_tx(struct ftp *ftp)
{
	if (ftp->queue.n && !ftp->greets)
		return proto_asked_at(&ftp->queue, 0)->tx;
	if (!ftp->greeting)
		ftp->greeting = proto_fields_tx(ftp->conn, NULL);
	return ftp->greeting;
}

/* 227: six numbers, mostly in parentheses. RFC 1123, 4.1.2.6: else they begin with the first digit. */
static uint16_t port_of_passive(struct cur c, struct ip *ret_host)
{
	uint16_t port = port_of_six(behind(c, '('), ret_host);

	if (port)
		return port;
	while (cur_left(&c) && !isdigit(c.at[0]))
		cur_skip(&c, 1);
	return port_of_six(c, ret_host);
}

static void passive_port(struct ftp *ftp, struct proto_tx *tx, unsigned code, struct cur text)
{
	struct ip host = { 0 };

	if (code == 227)
		set_port(ftp, tx, port_of_passive(text, &host), &host, false);
	else if (code == 229)
		set_port(ftp, tx, port_between_bars(behind(text, '('), 3), &host, false);
	else
		return;
	if (tx)
		proto_tx_news(tx, 0); /* the port belongs to the command, too */
}

/* RFC 959, 5.4: 331 asks for a password, 332 for an account; what is good is 230 or 202. */
static void attempt_answered(struct ftp *ftp, struct proto_attempt *attempt, unsigned code)
{
	if (attempt && code / 100 != 3)
		proto_attempt_end(ftp->conn, attempt,
			code / 100 == 2 ? PROTO_LOGIN_SUCCESS : PROTO_LOGIN_FAILURE);
	proto_attempt_release(ftp->conn, attempt);
}

/* The reply is complete; of 1xx another follows. */
static void answered(struct ftp *ftp, unsigned code)
{
	struct proto_asked asked = { .tx = ftp->greeting };

	if (code < 200)
		return;
	if (ftp->queue.n && !ftp->greets) {
		asked = proto_asked_take(&ftp->queue);
	} else {
		ftp->greeting = NULL;
		ftp->greets = false;
		if (asked.tx)
			asked.tx->state.done[0] = true;
	}
	attempt_answered(ftp, asked.attempt, code);
	if (asked.tx)
		proto_tx_done(asked.tx, 1);
	if (is_passive(&asked))
		passive_answered(ftp);
	if (asked.command == ASKED_PORT)
		port_answered(ftp, code < 300);
	if (asked.command == ASKED_AUTH && code == 234) {
		ftp->over = true;
		proto_conn_start_over(ftp->conn);
	}
}

/* `code`: empty, if the line is none that begins or ends a reply. */
static void say_reply(struct proto_tx *tx, struct cur code, struct cur text, bool cut)
{
	struct proto_fields *f = tx ? tx->data : NULL;

	if (!tx)
		return;
	if (f->bytes_len > FTP_REPLY_MAX) {
		proto_conn_limit(f->conn);
		return;
	}
	proto_tx_news(tx, 1);
	if (cut) {
		proto_fields_add_number(f, NUMBER_FTP_REPLY_CUT, 1);
		proto_tx_add_event(tx, "ftp.response_command_too_long");
	}
	if (cur_left(&code))
		proto_fields_add(f, BUFFER_FTP_COMPLETION_CODE, code.at, cur_left(&code));
	text = text_trim(text);
	if (!proto_fields_add(f, BUFFER_FTP_REPLY, text.at, cur_left(&text)))
		proto_conn_limit(f->conn);
}

/* Who does not wait for it has sent commands by then. */
static void look_for_greeting(struct ftp *ftp, unsigned code)
{
	ftp->greets |= !ftp->greeted && (code == 120 || code == 220);
	ftp->greeted = true;
}

/* Of the answers, bytes were never seen. */
static void replies_lost(struct ftp *ftp)
{
	unsigned n = ftp->greets ? 0 : proto_asked_answered(&ftp->queue);

	if (n && ftp->reply) {
		answered(ftp, ftp->reply);
		ftp->reply = 0;
		n = proto_asked_answered(&ftp->queue);
	}
	pass_first(ftp, n);
}

static bool is_reply(struct cur line)
{
	unsigned code;

	return cur_left(&line) > 4 && (line.at[3] == ' ' || line.at[3] == '-') &&
	       read_number(&line, 599, &code) && code >= 100;
}

static void take_reply(struct ftp *ftp, struct cur line, bool cut)
{
	struct proto_tx *tx;
	struct cur c = line, digits = line;
	unsigned code = 0;
	bool has_code = cur_left(&line) >= 3 && read_number(&c, 999, &code) && c.at == line.at + 3;
	bool goes_on = has_code && cur_left(&c) && c.at[0] == '-';

	if (ftp->queue.lost)
		return;
	if (ftp->reply_lost && has_code && code != ftp->reply && is_reply(line)) {
		answered(ftp, ftp->reply); /* this is the next one */
		ftp->reply = 0;
	}
	ftp->reply_lost &= ftp->reply != 0;
	if (has_code)
		look_for_greeting(ftp, code);
	if (has_code && !ftp->reply && !ftp->greets)
		pass_over(ftp, code);
	tx = answered_tx(ftp);
	if (!has_code || (ftp->reply && code != ftp->reply)) {
		cur_limit(&digits, 0);
		say_reply(tx, digits, line, cut);
		return;
	}
	cur_limit(&digits, 3);
	cur_skip(&c, cur_left(&c) ? 1 : 0);
	say_reply(tx, digits, c, cut);
	ftp->reply = goes_on ? (uint16_t)code : 0;
	if (goes_on)
		return;
	passive_port(ftp, tx, code, c);
	answered(ftp, code);
}

/* Behind IAC. `name`: it is in front of a line, where some servers leave out every command, known or not; behind that it
 * may be text of another character set, as others have it everywhere. */
static void take_telnet(struct cur *c, bool name, struct out *o)
{
	bool last = !cur_left(c);
	uint8_t what = cur_u8(c);

	if (what >= TELNET_WILL && what <= TELNET_DONT)
		cur_skip(c, 1);
	if (what == TELNET_IAC || (what < TELNET_SE && !name))
		out_char(o, (char)TELNET_IAC);
	if (what < TELNET_SE && !name && !last)
		out_char(o, (char)what);
}

/* RFC 959, 4.1.3: the connection is Telnet's, so its commands may stand anywhere in a line; ABOR comes behind two of
 * them. And a server refuses options in front of its reply. The end of a line is one even there: to many servers these
 * bytes mean nothing. */
static struct cur without_telnet(struct cur line, char room[static FTP_LINE_MAX + 1])
{
	struct out o = out_make(room, FTP_LINE_MAX + 1);
	bool begun = false, behind_name = false;

	if (!cur_left(&line) || !memchr(line.at, TELNET_IAC, cur_left(&line)))
		return line;
	while (cur_left(&line)) {
		uint8_t byte = cur_u8(&line);

		if (byte == TELNET_IAC) {
			take_telnet(&line, !behind_name, &o);
			continue;
		}
		behind_name |= begun && isspace(byte);
		begun |= !isspace(byte);
		out_char(&o, (char)byte);
	}
	return cur_make(room, o.len);
}

/* The words of others stand behind those that are FTP's alone, as many as `sure` says. */
enum sure { SURE_BY_WORD = 6, SURE_MIDSTREAM = 13, SURE_BY_PORT = 17 };
static enum proto_guess guess_client(const uint8_t *bytes, size_t len, enum sure sure)
{
	static const char *const first[SURE_BY_PORT] = { "USER ", "AUTH ", "FEAT\r\n", "PORT ",
		"PASV\r\n", "EPSV\r\n", "RETR ", "STOR ", "CWD ", "TYPE ", "SYST\r\n", "EPRT ",
		"SIZE ", "PASS ", "QUIT\r\n", "LIST", "NLST" };
	const bool port = sure == SURE_BY_PORT;
	enum proto_guess best = PROTO_IS_NOT;
	struct cur c = cur_make(bytes, len);
	char plain[FTP_LINE_MAX + 1];

	if (port) {
		cur_limit(&c, FTP_LINE_MAX);
		c = without_telnet(c, plain);
		text_skip_blanks(&c);
	}
	for (size_t i = 0; i < sure; i++) {
		size_t all = strlen(first[i]), n = all < cur_left(&c) ? all : cur_left(&c);

		if (strncasecmp((const char *)c.at, first[i], n) == 0)
			best = n == all ? PROTO_IS : PROTO_MAY_BE;
		if (best == PROTO_IS)
			break;
	}
	/* IRC has another USER. */
	return best == PROTO_IS && !port && !memchr(bytes, '\n', len) ? PROTO_MAY_BE : best;
}

static bool is_line(unsigned side, struct cur c)
{
	return side ? is_reply(c) : guess_client(c.at, cur_left(&c), SURE_BY_PORT) == PROTO_IS;
}

/* A line; one that is too long is cut, and the rest of it left out. 0: not whole yet. */
static size_t take_line(struct ftp *ftp, unsigned side, struct cur c, bool end)
{
	const uint8_t *stop = memchr(c.at, '\n', cur_left(&c));
	size_t len = stop ? (size_t)(stop - c.at) : cur_left(&c);
	size_t used = stop ? len + 1 : len;
	bool cut = len > FTP_LINE_MAX || (!stop && len == FTP_LINE_MAX), looks;
	char plain[FTP_LINE_MAX + 1];

	if (!stop && !cut && !end)
		return 0;
	if (cut) {
		len = FTP_LINE_MAX;
		used = stop ? used : len;
	}
	looks = ftp->lines[side].lost && !cut && is_line(side, cur_make(c.at, used));
	if (text_lines_take(&ftp->lines[side], looks, stop)) {
		cur_limit(&c, len);
		while (cur_left(&c) && c.end[-1] == '\r')
			c.end--;
		c = without_telnet(c, plain);
		if (side)
			take_reply(ftp, c, cut);
		else
			take_command(ftp, c, cut);
		if (!side)
			replies_lost(ftp);
		proto_asked_heard(&ftp->queue);
	}
	return used;
}

static size_t ftp_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct ftp *ftp = state;
	struct cur c = cur_make(bytes, len);

	(void)conn;
	while (cur_left(&c) && !ftp->over) {
		size_t used = take_line(ftp, side, c, end);

		if (!used)
			break;
		cur_skip(&c, used);
	}
	return len - cur_left(&c);
}

static void ftp_gap(struct proto_conn *conn, void *state, unsigned side, uint64_t len)
{
	struct ftp *ftp = state;

	(void)conn;
	(void)len;
	text_lines_gap(&ftp->lines[side]);
	if (side == 0)
		return;
	proto_asked_gap(&ftp->queue);
	ftp->reply_lost |= ftp->reply != 0;
	replies_lost(ftp);
}

static void *ftp_open(struct proto_conn *conn)
{
	struct ftp *ftp = proto_alloc(conn, sizeof(*ftp));

	if (!ftp)
		return NULL;
	ftp->conn = conn;
	ftp->queue =
		(struct proto_asked_queue){ .conn = conn, .at = ftp->asked, .max = FTP_QUEUE_MAX };
	return ftp;
}

static void ftp_close(void *state)
{
	struct ftp *ftp = state;

	proto_asked_lose(&ftp->queue);
	proto_attempt_release(ftp->conn, ftp->attempt);
	proto_free(ftp->conn, ftp, sizeof(*ftp));
}

static void ftp_free_tx(void *data)
{
	struct ftp *ftp = proto_conn_state(((struct proto_fields *)data)->conn);

	if (ftp->greeting && ftp->greeting->data == data)
		ftp->greeting = NULL;
	proto_asked_forget(&ftp->queue, data);
	proto_fields_free(data);
}

/* On its port, Telnet's commands in front are its own. The last ones are words of other protocols too. */
/* Who gives a password first may be of IRC or POP3, too: the next line tells. */
static enum proto_guess guess_midstream(struct cur c)
{
	if (text_begins(c, "PASS "))
		text_until(&c, '\n');
	return cur_left(&c) ? guess_client(c.at, cur_left(&c), SURE_MIDSTREAM) : PROTO_MAY_BE;
}

/* SMTP greets with 220 too, and POP3 knows USER and PASS: the words, or the port, must speak for
 * FTP. */
static enum proto_guess ftp_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	const uint8_t *stop = len ? memchr(bytes, '\n', len) : NULL;
	size_t n = stop ? (size_t)(stop - bytes) : len;
	bool port = info->port[1] == 21;

	if (!len)
		return PROTO_MAY_BE;
	if (side == 0 && info->port[1] == 110)
		return PROTO_IS_NOT;
	if (side == 0 && info->midstream && !port)
		return guess_midstream(cur_make(bytes, len));
	if (side == 0)
		return guess_client(bytes, len, port ? SURE_BY_PORT : SURE_BY_WORD);
	if (memcmp(bytes, "220", len < 3 ? len : 3) != 0)
		return PROTO_IS_NOT;
	if (!stop)
		return PROTO_MAY_BE;
	if (memmem(bytes, n, "SMTP", 4))
		return PROTO_IS_NOT;
	return port || memmem(bytes, n, "FTP", 3) ? PROTO_IS : PROTO_MAY_BE;
}

static bool ftp_json(struct proto_tx *tx, struct out *o)
{
	const struct proto_fields *f = tx->data;
	struct proto_bytes bytes;
	uint64_t n = 0, active = 0;
	bool replied = proto_fields_get(f, BUFFER_FTP_REPLY, 0, &bytes);

	if (!replied && !proto_fields_get(f, BUFFER_FTP_COMMAND, 0, &bytes))
		return false;
	out_str(o, "\"ftp\":{");
	json_field(o, "command", f, BUFFER_FTP_COMMAND);
	json_field(o, "command_data", f, BUFFER_FTP_COMMAND_DATA);
	if (proto_fields_number(tx, NUMBER_FTP_COMMAND_CUT, 0, &n))
		json_bool(o, "command_truncated", n);
	json_fields(o, "completion_code", f, BUFFER_FTP_COMPLETION_CODE, FTP_CODES_JSON);
	json_fields(o, "reply", f, BUFFER_FTP_REPLY, FTP_REPLY_JSON);
	if (proto_fields_number(tx, NUMBER_FTP_DYNAMIC_PORT, 0, &n)) {
		json_u64(o, "dynamic_port", n);
		proto_fields_number(tx, NUMBER_FTP_ACTIVE, 0, &active);
		json_str(o, "mode", active ? "active" : "passive");
	}
	json_str(o, "reply_received", replied ? "yes" : "no");
	json_bool(o, "reply_truncated", proto_fields_number(tx, NUMBER_FTP_REPLY_CUT, 0, &n));
	json_close(o, '}');
	return true;
}

const struct proto_parser proto_ftp = { .id = PROTO_FTP,
	.ip_proto = IPPROTO_TCP,
	.guess = ftp_guess,
	.open = ftp_open,
	.close = ftp_close,
	.feed = ftp_feed,
	.gap = ftp_gap,
	.buffer = proto_fields_buffer,
	.number = proto_fields_number,
	.json = ftp_json,
	.free_tx = ftp_free_tx };
