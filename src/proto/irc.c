/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IRC (RFC 1459, 2812; tags in front of a line as IRCv3 has them). What is said in it is a
 * transaction of one side: messages, and who comes, goes, or changes what. What the server only
 * repeats of what the client asked for is not told twice. A password is told as a login, and
 * not as a message. An offer of a file or a talk (CTCP, DCC SEND and CHAT) is told as an expectation.
 */
#include "proto/chat.h"

#include <ctype.h>
#include <strings.h>

#define IRC_LINE_MAX    (8191u + 512u) /* with tags; RFC 2812, 2.3 allows 512 without */
#define IRC_PARAMS_MAX  15             /* the last one takes all the rest */
#define IRC_TARGETS_MAX 16             /* of one message; the last one takes all the rest */
#define IRC_ASKED_MAX   255

enum irc_kind {
	IRC_MESSAGE,
	IRC_NOTICE,
	IRC_JOIN,
	IRC_PART,
	IRC_NICK,
	IRC_TOPIC,
	IRC_KICK,
	IRC_QUIT,
	IRC_MODE,
	IRC_INVITE,
	IRC_KINDS
};

static const struct {
	const char *command, *name;
	unsigned params; /* with fewer it says nothing: a question, or nonsense */
} kinds[IRC_KINDS] = {
	{ "PRIVMSG", "message", 2 },
	{ "NOTICE", "notice", 2 },
	{ "JOIN", "join", 1 },
	{ "PART", "part", 1 },
	{ "NICK", "nick", 1 },
	{ "TOPIC", "topic", 2 },
	{ "KICK", "kick", 2 },
	{ "QUIT", "quit", 0 },
	{ "MODE", "mode", 2 },
	{ "INVITE", "invite", 2 },
};

struct irc_line {
	struct cur nick; /* of the prefix, or the server's name; empty: there was none */
	struct cur command, param[IRC_PARAMS_MAX];
	unsigned n;
	bool trailing; /* the last one was marked with a colon */
	bool cut;
};

struct irc {
	struct proto_conn *conn;
	bool registered, over;
	bool wants_tls; /* asked for */
	struct text_lines lines[2];
	struct proto_login_text nick, password;
	struct proto_login login, oper, nickserv;
	uint8_t asked[IRC_KINDS];       /* by the client: the server will repeat it */
	struct proto_expect offered[2]; /* the last file of each side; port 0: none */
	uint64_t goes_on_at; /* the file that is offered next: agreed before it had a port */
};

/* Up to the next `stop`, of which all that follow each other are skipped. */
static struct cur before(struct cur *c, uint8_t stop)
{
	struct cur part = *c;

	while (cur_left(c) && c->at[0] != stop)
		cur_skip(c, 1);
	part.end = c->at;
	while (cur_left(c) && c->at[0] == stop)
		cur_skip(c, 1);
	return part;
}

/* nick!user@host, or a server's name */
static struct cur nick_of(struct cur prefix)
{
	prefix = before(&prefix, '!');
	return before(&prefix, '@');
}

/* RFC 2812, 2.3.1 */
static struct irc_line read_line(struct cur c)
{
	struct irc_line line = { 0 };

	if (cur_ahead(c, 0) == '@')
		before(&c, ' ');
	if (cur_ahead(c, 0) == ':') {
		cur_skip(&c, 1);
		line.nick = nick_of(before(&c, ' '));
	}
	line.command = before(&c, ' ');
	while (cur_left(&c) && !line.trailing) {
		line.trailing = c.at[0] == ':';
		cur_skip(&c, line.trailing);
		if (line.trailing || line.n == IRC_PARAMS_MAX - 1) {
			line.param[line.n++] = c;
			break;
		}
		line.param[line.n++] = before(&c, ' ');
	}
	return line;
}

/* The parameters from this one on, as they were sent. */
static struct cur from_param(const struct irc_line *line, unsigned n)
{
	struct cur c = line->param[n];

	if (n < line->n)
		c.end = line->param[line->n - 1].end;
	return c;
}

/* 0: it is none */
static unsigned numeric_of(struct cur c)
{
	unsigned n = 0;

	if (cur_left(&c) != 3)
		return 0;
	while (cur_left(&c) && isdigit(c.at[0]))
		n = n * 10 + cur_u8(&c) - '0';
	return cur_left(&c) ? 0 : n;
}

static enum irc_kind kind_of(const struct irc_line *line)
{
	enum irc_kind kind = 0;

	while (kind < IRC_KINDS && !text_is(line->command, kinds[kind].command))
		kind++;
	return kind < IRC_KINDS && line->n < kinds[kind].params ? IRC_KINDS : kind;
}

/* RFC 2812, 1.3; in front of it, to whom of the channel. */
static bool is_channel(struct cur c)
{
	uint8_t first = cur_ahead(c, 0);

	if (first == '@' || first == '%' || first == '~')
		first = cur_ahead(c, 1);
	return first && strchr("#&+!", first);
}

/* ---- what is said ---- */

/* What a line says. */
struct parts {
	struct cur nick, target, to, text;
};

static void say(struct irc *irc, unsigned side, enum irc_kind kind, struct parts p, bool cut)
{
	const struct chat_parts parts = { .nick = p.nick,
		.channel = is_channel(p.target) ? p.target : (struct cur){ 0 },
		.to = is_channel(p.target) || cur_left(&p.to) ? p.to : p.target,
		.text = p.text };

	chat_say(irc->conn, side, kinds[kind].name, parts, cut);
}

static struct cur text_of(const struct proto_login_text *text)
{
	return cur_make(text->text, text->len);
}

static void set_text(struct proto_login_text *text, struct cur c)
{
	cur_limit(&c, sizeof(text->text));
	text->len = (uint16_t)cur_left(&c);
	cur_copy(&c, text->text, text->len);
}

static bool is_own(const struct irc *irc, struct cur nick)
{
	struct cur own = text_of(&irc->nick);

	return cur_left(&own) == cur_left(&nick) && cur_left(&nick) &&
	       strncasecmp((const char *)own.at, (const char *)nick.at, cur_left(&nick)) == 0;
}

/* Whether the server only says that what the client asked for was done. Messages are never taken
 * for that: orders could be hidden so. */
static bool is_repeated(struct irc *irc, unsigned side, enum irc_kind kind, struct cur nick)
{
	if (kind == IRC_MESSAGE || kind == IRC_NOTICE)
		return false;
	if (side == 0) {
		if (irc->asked[kind] < IRC_ASKED_MAX)
			irc->asked[kind]++;
		return false;
	}
	if (!is_own(irc, nick) || irc->asked[kind] == 0)
		return false;
	irc->asked[kind]--;
	return true;
}

static struct parts parts_of(
	const struct irc *irc, unsigned side, enum irc_kind kind, const struct irc_line *line)
{
	struct parts p = { .nick = side ? line->nick : text_of(&irc->nick) };

	switch (kind) {
	case IRC_QUIT:
		p.text = line->param[0];
		break;
	case IRC_NICK:
		p.to = line->param[0];
		break;
	case IRC_KICK:
		p.target = line->param[0];
		p.to = line->param[1];
		p.text = line->param[2];
		break;
	case IRC_INVITE:
		p.to = line->param[0];
		p.target = line->param[1];
		break;
	case IRC_MODE:
		p.target = line->param[0];
		p.text = from_param(line, 1);
		break;
	default:
		p.target = line->param[0];
		if (kind != IRC_JOIN || side == 0) /* of others it is who they are */
			p.text = line->param[1];
	}
	return p;
}

/* One transaction for each whom it is said to. */
static void take_said(
	struct irc *irc, unsigned side, enum irc_kind kind, const struct irc_line *line)
{
	struct parts p = parts_of(irc, side, kind, line);
	struct cur targets = p.target;
	unsigned n = 0;

	do {
		p.target = ++n < IRC_TARGETS_MAX ? before(&targets, ',') : targets;
		if (!is_repeated(irc, side, kind, p.nick))
			say(irc, side, kind, p, line->cut);
	} while (cur_left(&targets) && n < IRC_TARGETS_MAX);
}

/* ---- logins ---- */

/* What was asked before had no answer. */
static void begin(struct irc *irc, struct proto_login *login, const char *method, struct cur user,
	struct cur password)
{
	proto_login_end(irc->conn, login, PROTO_LOGIN_UNKNOWN);
	login->method = method;
	proto_login_user(login, user.at, cur_left(&user));
	proto_login_password(login, password.at, cur_left(&password));
}

/* IDENTIFY [account] password */
static bool take_identify(struct irc *irc, struct cur text)
{
	struct cur command = before(&text, ' '), one = before(&text, ' ');
	struct cur two = before(&text, ' ');

	if (!text_is(command, "IDENTIFY") || !cur_left(&one))
		return false;
	if (cur_left(&two))
		begin(irc, &irc->nickserv, "nickserv", one, two);
	else
		begin(irc, &irc->nickserv, "nickserv", text_of(&irc->nick), one);
	return true;
}

static bool is_nickserv(struct cur c)
{
	return text_is(before(&c, '@'), "NickServ");
}

/* RFC 2812, 3.1: PASS and NICK in any order; a new NICK when the first was refused. */
static void register_as(struct irc *irc, const struct irc_line *line)
{
	bool password = text_is(line->command, "PASS");

	set_text(password ? &irc->password : &irc->nick, line->param[0]);
	if (irc->nick.len)
		proto_login_user(&irc->login, irc->nick.text, irc->nick.len);
	if (irc->password.len)
		proto_login_password(&irc->login, irc->password.text, irc->password.len);
}

/* True: it was for the server alone. */
static bool take_login(struct irc *irc, const struct irc_line *line)
{
	if (!irc->registered &&
		(text_is(line->command, "PASS") || text_is(line->command, "NICK"))) {
		register_as(irc, line);
		return true;
	}
	if (text_is(line->command, "OPER") && line->n >= 2)
		begin(irc, &irc->oper, "oper", line->param[0], line->param[1]);
	else if (text_is(line->command, "PRIVMSG") && is_nickserv(line->param[0]))
		return take_identify(irc, line->param[1]);
	else if (text_is(line->command, "NICKSERV") || text_is(line->command, "NS"))
		return take_identify(irc, from_param(line, 0));
	return false;
}

/* Services have no numbers, only words. */
static void nickserv_answered(struct irc *irc, struct cur text)
{
	static const char *const good[] = { "now identified", "now recognized", "accepted" };
	static const char *const bad[] = { "nvalid", "ncorrect", "denied", "n't registered",
		"not registered" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (text_has(text, good[i]))
			proto_login_end(irc->conn, &irc->nickserv, PROTO_LOGIN_SUCCESS);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (text_has(text, bad[i]))
			proto_login_end(irc->conn, &irc->nickserv, PROTO_LOGIN_FAILURE);
}

/* RFC 2812, 5.1, 5.2; 900 is of IRCv3. */
static void login_answered(struct irc *irc, unsigned code)
{
	if (code == 1)
		proto_login_end(irc->conn, &irc->login, PROTO_LOGIN_SUCCESS);
	else if (code == 381)
		proto_login_end(irc->conn, &irc->oper, PROTO_LOGIN_SUCCESS);
	else if (code == 900)
		proto_login_end(irc->conn, &irc->nickserv, PROTO_LOGIN_SUCCESS);
	else if (code == 491 || (code == 464 && irc->oper.begun))
		proto_login_end(irc->conn, &irc->oper, PROTO_LOGIN_FAILURE);
	else if (code / 10 == 43 || code == 464 || code == 465)
		proto_login_end(irc->conn, &irc->login, PROTO_LOGIN_FAILURE);
}

/* ---- files ---- */

static struct ip address_of(struct cur c)
{
	char text[IP_TEXT_MAX] = "";
	struct ip ip = { 0 };
	uint64_t n = 0;

	if (cur_left(&c) >= sizeof(text))
		return ip;
	cur_copy(&c, text, cur_left(&c));
	if (ip_parse(text, &ip) == 0)
		return ip;
	for (const char *at = text; isdigit((unsigned char)*at) && n <= UINT32_MAX; at++)
		n = n * 10 + (uint64_t)(*at - '0');
	return n == 0 || n > UINT32_MAX
		       ? (struct ip){ 0 }
		       : ip_from_v4((const uint8_t[]){ (uint8_t)(n >> 24), (uint8_t)(n >> 16),
				 (uint8_t)(n >> 8), (uint8_t)n });
}

static uint16_t port_of(struct cur c)
{
	unsigned n = 0;

	while (cur_left(&c) && isdigit(c.at[0]) && n <= UINT16_MAX)
		n = n * 10 + cur_u8(&c) - '0';
	return cur_left(&c) || n > UINT16_MAX ? 0 : (uint16_t)n;
}

/* name, or "name with spaces" */
static struct cur file_name(struct cur *c)
{
	struct cur name;

	if (cur_ahead(*c, 0) != '"')
		return before(c, ' ');
	cur_skip(c, 1);
	name = before(c, '"');
	before(c, ' ');
	return name;
}

static bool skip_word(struct cur *c, const char *word)
{
	size_t len = strlen(word);

	if (cur_left(c) < len || memcmp(c->at, word, len) != 0)
		return false;
	cur_skip(c, len);
	return true;
}

static void set_name(char *to, size_t size, uint32_t *ret_len, struct cur name)
{
	cur_limit(&name, size);
	*ret_len = (uint32_t)cur_left(&name);
	cur_copy(&name, to, *ret_len);
}

/* DCC SEND name address port [size [token]]: who offers listens, and sends the file. Port 0 asks
 * the other one to listen, who answers with the same line, a port and the token. The client's own
 * address is known better than what it says of it. DCC CHAT chat address port [token] is the same
 * without a size; what is told of it is who the two are. */
static void take_offer(struct irc *irc, unsigned side, const struct irc_line *line)
{
	struct proto_expect e = { .proto = PROTO_DCC,
		.ip_proto = IPPROTO_TCP,
		.command = "SEND",
		.listens = (uint8_t)side,
		.elsewhere = true };
	struct cur c = line->param[1], name, address, size = { 0 };
	bool chat;

	if (!skip_word(&c, "\001DCC "))
		return;
	chat = skip_word(&c, "CHAT ");
	if (!chat && !skip_word(&c, "SEND "))
		return;
	c = before(&c, 1);
	name = file_name(&c);
	address = before(&c, ' ');
	e.port = port_of(before(&c, ' '));
	if (!chat)
		size = before(&c, ' ');
	e.sender = (uint8_t)(cur_left(&size) && cur_left(&c) ? !side : side);
	if (side)
		e.other = address_of(address);
	if (e.port == 0 || (side && ip_is_unset(&e.other)))
		return;
	if (chat) {
		memcpy(e.command, PROTO_DCC_CHAT, sizeof(PROTO_DCC_CHAT));
		name = side ? line->nick : text_of(&irc->nick);
		set_name(e.peer, sizeof(e.peer), &e.peer_len, line->param[0]);
	} else {
		e.offset = irc->goes_on_at;
		irc->goes_on_at = 0;
	}
	set_name(e.name, sizeof(e.name), &e.name_len, name);
	proto_conn_expect(irc->conn, &e);
	if (!chat)
		irc->offered[side] = e;
}

/* DCC ACCEPT name port position [token]: the answer to DCC RESUME; the file goes on there. Port 0: of the offer that
 * is to come. */
static void take_accept(struct irc *irc, unsigned side, const struct irc_line *line)
{
	struct proto_expect *offered = &irc->offered[side];
	struct cur c = line->param[1], port, position;
	uint64_t offset = 0;

	if (!skip_word(&c, "\001DCC ACCEPT "))
		return;
	c = before(&c, 1);
	file_name(&c);
	port = before(&c, ' ');
	position = before(&c, ' ');
	while (cur_left(&position) && isdigit(position.at[0]) && offset <= UINT32_MAX)
		offset = offset * 10 + cur_u8(&position) - '0';
	if (cur_left(&position) || offset > UINT32_MAX)
		return;
	if (cur_left(&port) == 1 && port.at[0] == '0') {
		irc->goes_on_at = offset;
	} else if (offered->port && port_of(port) == offered->port) {
		offered->offset = offset;
		proto_conn_expect(irc->conn, offered);
	}
}

/* ---- lines ---- */

static void take_numeric(struct irc *irc, const struct irc_line *line, unsigned code)
{
	struct parts topic = {
		.nick = line->nick, .target = line->param[1], .text = line->param[2]
	};

	login_answered(irc, code);
	irc->registered |= code == 1;
	if (code == 1 || irc->nick.len == 0)
		set_text(&irc->nick, line->param[0]);
	if (code == 332 && line->n >= 3) {
		say(irc, 1, IRC_TOPIC, topic, line->cut); /* bots take orders from it */
	} else if (code == 670 && irc->wants_tls) {
		irc->over = true;
		proto_conn_start_over(irc->conn); /* STARTTLS */
	} else if (code / 100 == 4 || code / 100 == 5) {
		memset(irc->asked, 0, sizeof(irc->asked));
	}
}

static void take_line(struct irc *irc, unsigned side, struct cur c, bool cut)
{
	struct irc_line line = read_line(c);
	enum irc_kind kind = kind_of(&line);
	unsigned code = side ? numeric_of(line.command) : 0;
	bool own = side == 1 && is_own(irc, line.nick);

	line.cut = cut;
	if (side == 0 && take_login(irc, &line))
		return;
	irc->wants_tls |= side == 0 && text_is(line.command, "STARTTLS");
	if (kind == IRC_MESSAGE && !own)
		take_offer(irc, side, &line);
	take_accept(irc, side, &line);
	if (side == 1 && kind == IRC_NOTICE && is_nickserv(line.nick))
		nickserv_answered(irc, line.param[1]);
	if (kind < IRC_KINDS)
		take_said(irc, side, kind, &line);
	else if (cut)
		chat_too_long(irc->conn, side);
	if (code)
		take_numeric(irc, &line, code);
	else if (side == 1 && text_is(line.command, "ERROR"))
		proto_login_end(irc->conn, &irc->login, PROTO_LOGIN_FAILURE);
	if (kind == IRC_NICK && own)
		set_text(&irc->nick, line.param[0]);
}

/* What was never seen are lines more often than parts of one. */
static bool is_line(unsigned side, struct cur c)
{
	struct irc_line line = read_line(c);

	if (side == 1 && !cur_left(&line.nick))
		return false;
	return kind_of(&line) < IRC_KINDS ||
	       (side == 1 && numeric_of(line.command) && line.n > 0) ||
	       (side == 0 && text_is(line.command, "USER") && line.n >= 4);
}

/* A line; one that is too long is cut, and the rest of it left out. 0: not whole yet. */
static size_t take_next(struct irc *irc, unsigned side, struct cur c, bool end)
{
	const uint8_t *stop = memchr(c.at, '\n', cur_left(&c));
	size_t len = stop ? (size_t)(stop - c.at) : cur_left(&c);
	bool cut = len > IRC_LINE_MAX, looks;
	size_t used = stop ? len + 1 : len;
	struct text_lines *lines = &irc->lines[side];

	if (!stop && !cut && !end && (!lines->skips || lines->lost))
		return 0;
	cur_limit(&c, cut ? IRC_LINE_MAX : len);
	looks = lines->lost && is_line(side, c);
	if (text_lines_take(lines, looks, stop)) {
		while (cur_left(&c) && c.end[-1] == '\r')
			c.end--;
		take_line(irc, side, c, cut);
	}
	return used;
}

static size_t irc_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct irc *irc = state;
	struct cur c = cur_make(bytes, len);

	(void)conn;
	while (cur_left(&c) && !irc->over) {
		size_t used = take_next(irc, side, c, end);

		if (!used)
			break;
		cur_skip(&c, used);
	}
	return len - cur_left(&c);
}

static void irc_gap(struct proto_conn *conn, void *state, unsigned side, uint64_t len)
{
	struct irc *irc = state;

	(void)conn;
	(void)len;
	text_lines_gap(&irc->lines[side]);
}

static void *irc_open(struct proto_conn *conn)
{
	struct irc *irc = proto_alloc(conn, sizeof(*irc));

	if (irc)
		*irc = (struct irc){ .conn = conn };
	return irc;
}

static void irc_close(void *state)
{
	struct irc *irc = state;

	proto_login_end(irc->conn, &irc->login, PROTO_LOGIN_UNKNOWN);
	proto_login_end(irc->conn, &irc->oper, PROTO_LOGIN_UNKNOWN);
	proto_login_end(irc->conn, &irc->nickserv, PROTO_LOGIN_UNKNOWN);
	proto_free(irc->conn, irc, sizeof(*irc));
}

/* ---- whose the bytes are ---- */

/* PASS alone may be of other protocols: the next line tells. USER is FTP's and POP3's, too, but
 * not with four parameters. */
static enum proto_guess guess_client(const struct irc_line *line)
{
	static const char *const caps[] = { "LS", "REQ", "LIST", "END" };
	struct cur command = line->command;

	if (text_is(command, "PASS") && line->n > 0)
		return PROTO_MAY_BE;
	if (text_is(command, "USER"))
		return line->n >= 4 ? PROTO_IS : PROTO_IS_NOT;
	if (text_is(command, "NICK"))
		return line->n == 1 || line->n == 2 ? PROTO_IS : PROTO_IS_NOT;
	if (text_is(command, "JOIN"))
		return is_channel(line->param[0]) ? PROTO_IS : PROTO_IS_NOT;
	if (text_is(command, "PRIVMSG"))
		return line->n == 2 ? PROTO_IS : PROTO_IS_NOT;
	if (text_is(command, "PONG"))
		return line->trailing ? PROTO_IS : PROTO_IS_NOT;
	for (size_t i = 0; text_is(command, "CAP") && i < sizeof(caps) / sizeof(caps[0]); i++)
		if (text_is(line->param[0], caps[i]))
			return PROTO_IS;
	return PROTO_IS_NOT;
}

static enum proto_guess guess_server(const struct irc_line *line)
{
	struct cur command = line->command;
	bool is = false;

	if (cur_left(&line->nick))
		is = kind_of(line) < IRC_KINDS || (numeric_of(command) && line->n) ||
		     text_is(command, "CAP") || text_is(command, "PING") ||
		     text_is(command, "PONG");
	else if (text_is(command, "NOTICE"))
		is = line->n == 2 && line->trailing;
	else if (text_is(command, "PING") || text_is(command, "ERROR"))
		is = line->n == 1 && line->trailing;
	return is ? PROTO_IS : PROTO_IS_NOT;
}

/* Of a line that has not ended. */
static enum proto_guess guess_beginning(unsigned side, struct cur c)
{
	static const char *const words[2][8] = { { "PASS ", "USER ", "NICK ", "JOIN ", "PRIVMSG ",
							 "PONG ", "CAP ", "" },
		{ ":", "@", "NOTICE ", "PING :", "ERROR :", "", "", "" } };

	for (size_t i = 0; words[side][i][0]; i++) {
		size_t n = strlen(words[side][i]);

		n = n < cur_left(&c) ? n : cur_left(&c);
		if (n == 0 || strncasecmp((const char *)c.at, words[side][i], n) == 0)
			return PROTO_MAY_BE;
	}
	return PROTO_IS_NOT;
}

static enum proto_guess irc_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);
	enum proto_guess answer = PROTO_MAY_BE;

	(void)info;
	while (answer == PROTO_MAY_BE && cur_left(&c)) {
		const uint8_t *stop = memchr(c.at, '\n', cur_left(&c));
		struct irc_line line;

		if (!stop)
			return guess_beginning(side, c);
		line = read_line(text_trim(cur_sub(&c, (size_t)(stop - c.at) + 1)));
		answer = side ? guess_server(&line) : guess_client(&line);
	}
	return answer;
}

const struct proto_parser proto_irc = { .id = PROTO_IRC,
	.ip_proto = IPPROTO_TCP,
	.guess = irc_guess,
	.open = irc_open,
	.close = irc_close,
	.feed = irc_feed,
	.gap = irc_gap,
	.json = chat_json,
	.chat = chat_of_tx,
	.free_tx = chat_free_tx };
