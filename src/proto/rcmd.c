/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rlogin (RFC 1282), rsh and rexec (rcmd(3), rexec(3)): texts that end with NUL say who comes and
 * what for.
 *
 * rsh and rexec look the same, but the second text is a user of the client here and a password
 * there. It is rsh if the port says so, or the port for stderr, or else the client's is one that
 * only root gets: what may be a password is not shown as a name.
 */
#include "proto/fields.h"
#include "proto/shell.h"

#include <ctype.h>

#define RCMD_HEAD_MAX 8192u /* bytes of all texts */
#define RCMD_NAME_MAX 128u  /* bytes of a name */
#define RCMD_SURE     256u  /* a head so long is one, even if its end is not here */
#define COMMAND_SHOWN 4096u /* bytes of a command */
#define ANSWER_SHOWN  4096u /* bytes of what it printed, or why it was refused */

#define RCMD_PORT_EXEC     512
#define RCMD_PORT_SHELL    514
#define RCMD_RESERVED_PORT 1024

/* Up to the next NUL, which is skipped; false: it is not here. */
static bool take_text(struct cur *c, struct cur *ret_text)
{
	struct cur text = *c;

	while (cur_left(c) && c->at[0])
		cur_skip(c, 1);
	text.end = c->at;
	*ret_text = text;
	if (!cur_left(c))
		return false;
	cur_skip(c, 1);
	return true;
}

/* Of what is here of it. */
static bool may_be_name(struct cur c, bool whole)
{
	if (cur_left(&c) > RCMD_NAME_MAX || (whole && !cur_left(&c)))
		return false;
	while (cur_left(&c))
		if (!isgraph(cur_u8(&c)))
			return false;
	return true;
}

static bool may_be_command(struct cur c, bool whole)
{
	if (whole && !cur_left(&c))
		return false;
	while (cur_left(&c)) {
		uint8_t byte = cur_u8(&c);

		if (byte < ' ' && !isspace(byte))
			return false;
	}
	return true;
}

/* Where stderr goes; it may be empty. */
static bool read_port(struct cur c, unsigned *ret_port)
{
	unsigned port = 0, digits = 0;

	while (cur_left(&c) && digits++ < 5 && isdigit(c.at[0]))
		port = port * 10 + cur_u8(&c) - '0';
	*ret_port = port;
	return !cur_left(&c) && port <= UINT16_MAX;
}

static bool may_be_port(struct cur c)
{
	unsigned port;

	return read_port(c, &port);
}

/* "xterm/38400" */
static bool is_terminal(struct cur c)
{
	size_t digits = 0;

	while (cur_left(&c) && isdigit(c.end[-1]) && ++digits)
		c.end--;
	return digits && cur_left(&c) > 1 && c.end[-1] == '/' && may_be_name(c, true);
}

static enum proto_guess rlogin_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len), text;

	(void)info;
	if (side || cur_u8(&c) != 0)
		return PROTO_IS_NOT;
	for (unsigned i = 0; i < 3; i++) {
		bool whole = take_text(&c, &text);

		if (!may_be_name(text, whole))
			return PROTO_IS_NOT;
		if (!whole)
			return PROTO_MAY_BE;
	}
	return is_terminal(text) ? PROTO_IS : PROTO_IS_NOT;
}

static enum proto_guess rsh_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len), text;
	bool whole = true;

	(void)info;
	if (side)
		return PROTO_IS_NOT;
	for (unsigned i = 0; i < 4 && whole; i++) {
		whole = take_text(&c, &text);
		if (i == 0 ? !may_be_port(text)
			   : !(i == 3 ? may_be_command : may_be_name)(text, whole))
			return PROTO_IS_NOT;
		if (i == 3 && (whole || len >= RCMD_SURE))
			return PROTO_IS;
	}
	return PROTO_MAY_BE;
}

struct rlogin {
	struct proto_conn *conn;
	bool begun;        /* the texts have been read */
	uint8_t matched;   /* bytes of the window's size (RFC 1282, Window Size) */
	uint8_t window[4]; /* rows, columns */
	struct shell shell;
};

/* Returns how many bytes it used; 0: they are not all here. */
static size_t take_names(struct rlogin *r, struct cur c)
{
	const size_t all = cur_left(&c);
	struct cur text[4], terminal;

	for (unsigned i = 0; i < 4; i++)
		if (!take_text(&c, &text[i]))
			return all > RCMD_HEAD_MAX ? SIZE_MAX : 0;
	r->begun = true;
	shell_user(&r->shell, text[2].at, cur_left(&text[2]), "rhosts", false);
	terminal = text[3];
	text[3] = text_until(&terminal, '/');
	proto_conn_text(r->conn, 0, PROTO_TEXT_TERMINAL, text[3].at, cur_left(&text[3]));
	return all - cur_left(&c);
}

/* 0xff 0xff s s and four numbers of two bytes. */
static bool is_window_size(struct rlogin *r, uint8_t byte)
{
	static const uint8_t magic[] = { 0xff, 0xff, 's', 's' };

	if (r->matched >= sizeof(magic) && r->matched < sizeof(magic) + sizeof(r->window))
		r->window[r->matched - sizeof(magic)] = byte;
	if (r->matched == sizeof(magic) + 7)
		proto_conn_window(r->conn, 0, r->window[2] << 8 | r->window[3],
			r->window[0] << 8 | r->window[1]);
	if (r->matched >= sizeof(magic) || byte == magic[r->matched])
		r->matched = (uint8_t)((r->matched + 1) % (sizeof(magic) + 8));
	else if (r->matched)
		r->matched = 0;
	else
		return false;
	return true;
}

static void take_byte(struct rlogin *r, unsigned side, uint8_t byte)
{
	if (!side && !is_window_size(r, byte))
		shell_typed(&r->shell, byte);
	else if (side && (r->shell.heard || byte < 0x80)) /* 0x80: it asks for the window's size */
		shell_said(&r->shell, byte);
}

static size_t rlogin_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct rlogin *r = state;
	struct cur c = cur_make(bytes, len);

	(void)conn;
	if (!side && !r->begun) {
		size_t used = take_names(r, c);

		if (!r->begun)
			return used;
		cur_skip(&c, used);
	}
	while (cur_left(&c))
		take_byte(r, side, cur_u8(&c));
	if (side)
		shell_said_all(&r->shell);
	else
		shell_typed_all(&r->shell);
	if (side && end)
		shell_said_end(&r->shell);
	return len;
}

static void rlogin_gap(struct proto_conn *conn, void *state, unsigned side, uint64_t len)
{
	struct rlogin *r = state;

	(void)conn;
	(void)len;
	r->matched = 0;
	shell_lost(&r->shell, side);
}

static void *rlogin_open(struct proto_conn *conn)
{
	struct rlogin *r = proto_alloc(conn, sizeof(*r));

	if (!r)
		return NULL;
	r->conn = conn;
	shell_init(&r->shell, conn, "password", 0);
	return r;
}

static void rlogin_close(void *state)
{
	struct rlogin *r = state;

	shell_close(&r->shell);
	proto_free(r->conn, r, sizeof(*r));
}

struct rsh {
	struct proto_conn *conn;
	struct proto_tx *tx; /* NULL: not yet, or it is over */
	bool begun, answered, refused;
	struct proto_login login;
	size_t answer_len;
	uint8_t answer[ANSWER_SHOWN];
};

static bool is_rexec(const struct proto_flow_info *info, struct cur stderr_port)
{
	unsigned port;

	if (info->port[1] == RCMD_PORT_EXEC || info->port[1] == RCMD_PORT_SHELL)
		return info->port[1] == RCMD_PORT_EXEC;
	if (!read_port(stderr_port, &port) || !port)
		port = info->port[0];
	return port >= RCMD_RESERVED_PORT;
}

static void say(
	struct rsh *rsh, bool rexec, struct cur client, struct cur server, struct cur command)
{
	char text[6 * (COMMAND_SHOWN + 2 * RCMD_NAME_MAX) + 128];
	struct out o = out_make(text, sizeof(text));

	cur_limit(&client, RCMD_NAME_MAX);
	cur_limit(&server, RCMD_NAME_MAX);
	cur_limit(&command, COMMAND_SHOWN);
	if (!rexec)
		json_text(&o, "client_user", client.at, cur_left(&client));
	json_text(&o, "server_user", server.at, cur_left(&server));
	json_text(&o, "command", command.at, cur_left(&command));
	proto_fields_say(rsh->tx->data, &o);
}

/* Returns how many bytes it used; 0: they are not all here. */
static size_t take_head(struct rsh *rsh, struct cur c)
{
	const size_t all = cur_left(&c);
	struct cur text[4];
	bool rexec;

	for (unsigned i = 0; i < 4; i++)
		if (!take_text(&c, &text[i]))
			return all > RCMD_HEAD_MAX ? SIZE_MAX : 0;
	rsh->begun = true;
	rexec = is_rexec(proto_conn_info(rsh->conn), text[0]);
	/* rexec: user, password; rsh: user there, user here */
	proto_login_user(&rsh->login, text[rexec ? 1 : 2].at, cur_left(&text[rexec ? 1 : 2]));
	if (rexec)
		proto_login_password(&rsh->login, text[2].at, cur_left(&text[2]));
	rsh->login.method = rexec ? "password" : "rhosts";
	proto_conn_text(rsh->conn, 0, PROTO_TEXT_TYPED, text[3].at, cur_left(&text[3]));
	proto_conn_text(rsh->conn, 0, PROTO_TEXT_TYPED, (const uint8_t *)"\n", 1);
	rsh->tx = proto_fields_tx(rsh->conn, "rsh");
	if (rsh->tx) {
		say(rsh, rexec, text[1], text[rexec ? 1 : 2], text[3]);
		proto_tx_done(rsh->tx, 0);
	}
	return all - cur_left(&c);
}

static void take_status(struct rsh *rsh, uint8_t byte)
{
	proto_login_end(rsh->conn, &rsh->login,
		byte == 0   ? PROTO_LOGIN_SUCCESS
		: byte == 1 ? PROTO_LOGIN_FAILURE
			    : PROTO_LOGIN_UNKNOWN);
	rsh->answered = true;
	rsh->refused = byte != 0;
}

/* All of the answer that is told is here. */
static void tell_answer(struct rsh *rsh)
{
	char text[6 * ANSWER_SHOWN + 64];
	struct out o = out_make(text, sizeof(text));

	if (!rsh->tx)
		return;
	if (rsh->answer_len) {
		out_char(&o, ',');
		json_text(&o, "answer", rsh->answer, rsh->answer_len);
		proto_fields_say(rsh->tx->data, &o);
	}
	proto_tx_done(rsh->tx, 1);
	rsh->tx = NULL;
}

/* Behind the status stands what the command printed; if it was refused, a line that says why. */
static void take_answer(struct rsh *rsh, struct cur c, bool end)
{
	const uint8_t *lf = cur_left(&c) ? memchr(c.at, '\n', cur_left(&c)) : NULL;
	size_t here;

	if (rsh->refused && lf)
		cur_limit(&c, (size_t)(lf - c.at) + 1);
	cur_limit(&c, ANSWER_SHOWN - rsh->answer_len);
	here = cur_left(&c);
	cur_copy(&c, rsh->answer + rsh->answer_len, here);
	rsh->answer_len += here;
	if (end || (rsh->refused && lf) || rsh->answer_len == ANSWER_SHOWN)
		tell_answer(rsh);
}

static size_t rsh_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct rsh *rsh = state;
	struct cur c = cur_make(bytes, len);

	if (!side && !rsh->begun)
		return take_head(rsh, c);
	if (!rsh->begun) {
		proto_conn_wait(conn, side);
		return 0;
	}
	if (side && len && !rsh->answered)
		take_status(rsh, cur_u8(&c));
	proto_conn_text(conn, side, side ? PROTO_TEXT_SHOWN : PROTO_TEXT_TYPED, c.at, cur_left(&c));
	if (side && (cur_left(&c) || end))
		take_answer(rsh, c, end);
	return len;
}

static void *rsh_open(struct proto_conn *conn)
{
	struct rsh *rsh = proto_alloc(conn, sizeof(*rsh));

	if (rsh)
		rsh->conn = conn;
	return rsh;
}

static void rsh_close(void *state)
{
	struct rsh *rsh = state;

	proto_login_end(rsh->conn, &rsh->login, PROTO_LOGIN_UNKNOWN);
	proto_free(rsh->conn, rsh, sizeof(*rsh));
}

static void rsh_free_tx(void *fields)
{
	struct rsh *rsh = proto_conn_state(((struct proto_fields *)fields)->conn);

	rsh->tx = NULL; /* there is one only */
	proto_fields_free(fields);
}

const struct proto_parser proto_rlogin = { .id = PROTO_RLOGIN,
	.ip_proto = 6,
	.tells_text = true,
	.guess = rlogin_guess,
	.open = rlogin_open,
	.close = rlogin_close,
	.feed = rlogin_feed,
	.gap = rlogin_gap,
	.json = shell_json,
	.free_tx = shell_free_tx };

const struct proto_parser proto_rsh = { .id = PROTO_RSH,
	.ip_proto = 6,
	.tells_text = true,
	.guess = rsh_guess,
	.open = rsh_open,
	.close = rsh_close,
	.feed = rsh_feed,
	.json = proto_fields_json,
	.free_tx = rsh_free_tx };
