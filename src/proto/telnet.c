/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telnet (RFC 854, 855): options are taken out on both sides, the rest is a shell's. Of the options
 * only the user's name is looked at, which may come in the environment (RFC 1408, 1572). Servers
 * that negotiate nothing are known by their prompt.
 */
#include "proto/fields.h"
#include "proto/shell.h"

#define TELNET_SUB_KEPT   256u  /* bytes of a subnegotiation */
#define TELNET_SUB_MAX    8192u /* of a longer one, what follows is text again */
#define TELNET_OPTION_MAX 40u   /* the highest option that begins a conversation */

enum {
	SE = 240,
	INTERRUPT_PROCESS = 244,
	ERASE_CHARACTER = 247,
	ERASE_LINE = 248,
	SB = 250,
	WILL = 251,
	WONT = 252,
	DO = 253,
	DONT = 254,
	IAC = 255
};
enum { OPTION_TERMINAL = 24, OPTION_WINDOW = 31, OPTION_ENVIRON = 36, OPTION_NEW_ENVIRON = 39 };
enum {
	ENVIRON_IS = 0,
	ENVIRON_INFO = 2,
	ENVIRON_USERVAR = 3
}; /* and 0, 1: VAR, VALUE or VALUE, VAR */

enum { TERMINAL_IS = 0 };

enum telnet_at { AT_TEXT, AT_COMMAND, AT_OPTION, AT_SUB, AT_SUB_COMMAND };

struct telnet_side {
	enum telnet_at at;
	uint16_t sub_len;
	uint8_t sub[TELNET_SUB_KEPT];
};

struct telnet {
	struct proto_conn *conn;
	struct telnet_side side[2];
	struct shell shell;
};

/* A name or value: up to the next code. */
static struct cur environ_text(struct cur *c)
{
	struct cur text = *c;

	while (cur_left(c) && c->at[0] > ENVIRON_USERVAR)
		cur_skip(c, 1);
	text.end = c->at;
	return text;
}

/* RFC 1408, 2. What is a VALUE to one is a VAR to others (RFC 1571): a text behind USER it is. */
static void take_environ(struct telnet *t, struct cur c)
{
	uint8_t option = cur_u8(&c), what = cur_u8(&c);
	bool user = false;

	if (option != OPTION_ENVIRON && option != OPTION_NEW_ENVIRON)
		return;
	if (what != ENVIRON_IS && what != ENVIRON_INFO)
		return;
	while (cur_left(&c)) {
		struct cur text;

		cur_skip(&c, 1);
		text = environ_text(&c);
		if (user)
			shell_user(&t->shell, text.at, cur_left(&text), NULL, true);
		user = !user && cur_left(&text) == 4 && memcmp(text.at, "USER", 4) == 0;
	}
}

/* RFC 1073, RFC 1091 */
static void take_terminal(struct telnet *t, struct cur c)
{
	uint8_t option = cur_u8(&c);

	if (option == OPTION_WINDOW) {
		unsigned columns = cur_be16(&c), rows = cur_be16(&c);

		if (cur_ok(&c))
			proto_conn_window(t->conn, 0, columns, rows);
	} else if (option == OPTION_TERMINAL && cur_u8(&c) == TERMINAL_IS) {
		proto_conn_text(t->conn, 0, PROTO_TEXT_TERMINAL, c.at, cur_left(&c));
	}
}

/* Behind IAC. Returns the byte of text that comes of it; -1: none. */
static int take_command(struct telnet_side *side, uint8_t byte)
{
	side->at = AT_TEXT;
	switch (byte) {
	case IAC:
		return IAC;
	case SB:
		side->at = AT_SUB;
		side->sub_len = 0;
		return -1;
	case WILL:
	case WONT:
	case DO:
	case DONT:
		side->at = AT_OPTION;
		return -1;
	case INTERRUPT_PROCESS: /* as the keys that terminals have for them */
		return 'C' & 31;
	case ERASE_CHARACTER:
		return '\b';
	case ERASE_LINE:
		return 'U' & 31;
	default:
		return -1;
	}
}

static void add_sub(struct telnet_side *side, uint8_t byte)
{
	side->at = side->sub_len < TELNET_SUB_MAX ? AT_SUB : AT_TEXT;
	if (side->sub_len < TELNET_SUB_KEPT)
		side->sub[side->sub_len] = byte;
	side->sub_len++;
}

static int take_sub_command(struct telnet *t, unsigned n, uint8_t byte)
{
	struct telnet_side *side = &t->side[n];

	if (byte == IAC) {
		add_sub(side, IAC);
		return -1;
	}
	if (byte == SE && n == 0 && side->sub_len <= TELNET_SUB_KEPT) {
		take_environ(t, cur_make(side->sub, side->sub_len));
		take_terminal(t, cur_make(side->sub, side->sub_len));
	}
	return take_command(side, byte);
}

/* The byte of text that comes of it; -1: none. */
static int text_of(struct telnet *t, unsigned n, uint8_t byte)
{
	struct telnet_side *side = &t->side[n];

	switch (side->at) {
	case AT_COMMAND:
		return take_command(side, byte);
	case AT_OPTION:
		side->at = AT_TEXT;
		return -1;
	case AT_SUB:
		if (byte == IAC)
			side->at = AT_SUB_COMMAND;
		else
			add_sub(side, byte);
		return -1;
	case AT_SUB_COMMAND:
		return take_sub_command(t, n, byte);
	default:
		if (byte != IAC)
			return byte;
		side->at = AT_COMMAND;
		return -1;
	}
}

static size_t telnet_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct telnet *t = state;
	struct cur c = cur_make(bytes, len);

	(void)conn;
	while (cur_left(&c)) {
		int text = text_of(t, side, cur_u8(&c));

		if (text >= 0 && side)
			shell_said(&t->shell, (uint8_t)text);
		else if (text >= 0)
			shell_typed(&t->shell, (uint8_t)text);
	}
	if (side)
		shell_said_all(&t->shell);
	else
		shell_typed_all(&t->shell);
	if (side && end)
		shell_said_end(&t->shell);
	return len;
}

static void telnet_gap(struct proto_conn *conn, void *state, unsigned side, uint64_t len)
{
	struct telnet *t = state;

	(void)conn;
	(void)len;
	t->side[side].at = AT_TEXT;
	shell_lost(&t->shell, side);
}

static void *telnet_open(struct proto_conn *conn)
{
	struct telnet *t = proto_alloc(conn, sizeof(*t));

	if (!t)
		return NULL;
	t->conn = conn;
	shell_init(&t->shell, conn, NULL, 0);
	return t;
}

static void telnet_close(void *state)
{
	struct telnet *t = state;

	shell_close(&t->shell);
	proto_free(t->conn, t, sizeof(*t));
}

/* It begins with IAC. A refusal alone may be the mark of a text in UTF-16, too: another must follow
 * it. */
static enum proto_guess guess_negotiation(struct cur c)
{
	while (cur_left(&c)) {
		size_t left = cur_left(&c);
		uint8_t iac = cur_u8(&c), what = cur_u8(&c), option = cur_u8(&c);

		if (iac != IAC || (left > 1 && (what < SB || what > DONT)) ||
			(left > 2 && option > TELNET_OPTION_MAX))
			return PROTO_IS_NOT;
		if (left > 2 && what != DONT)
			return PROTO_IS;
	}
	return PROTO_MAY_BE;
}

#define FTP_PORT \
	21 /* its clients may say the same (RFC 959, 4.1.3): what the server says decides */

static bool is_text(uint8_t byte)
{
	return byte >= ' ' || memchr("\0\a\b\t\n\v\f\r\x1b", byte, 9);
}

static enum proto_guess telnet_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct shell_prompt prompt = { 0 };
	struct cur c = cur_make(bytes, len);

	while (cur_left(&c) && c.at[0] != IAC) {
		if (side == 0 || !is_text(c.at[0]))
			return PROTO_IS_NOT;
		shell_prompt_add(&prompt, cur_u8(&c));
	}
	if (cur_left(&c)) {
		enum proto_guess guess = guess_negotiation(c);

		return side == 0 && info->port[1] == FTP_PORT && guess == PROTO_IS ? PROTO_MAY_BE
										   : guess;
	}
	return shell_prompt_asks_nick(&prompt) || (shell_prompt_asks_user(&prompt) && !prompt.over)
		       ? PROTO_IS
		       : PROTO_MAY_BE;
}

const struct proto_parser proto_telnet = { .id = PROTO_TELNET,
	.ip_proto = 6,
	.yields = true,
	.tells_text = true,
	.guess = telnet_guess,
	.open = telnet_open,
	.close = telnet_close,
	.feed = telnet_feed,
	.gap = telnet_gap,
	.json = shell_json,
	.free_tx = shell_free_tx };
