/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/shell.h"

#include <ctype.h>

#include "proto/fields.h"
#include "proto/paste.h"

enum {
	ESCAPE = 0x1b,
	TO_BEGINNING = 'A' & 31,
	TO_END = 'E' & 31,
	BACKSPACE = 0x08,
	DELETE = 0x7f,
	INTERRUPT = 'C' & 31,
	KILL_LINE = 'U' & 31,
	KILL_WORD = 'W' & 31
};

struct shell_tx {
	struct shell *shell;
	uint16_t len;
	bool cut;
	uint8_t command[];
};

static bool has_word(struct cur c, const char *word)
{
	while (cur_left(&c) && !text_begins(c, word))
		cur_skip(&c, 1);
	return cur_left(&c);
}

static bool ends_with(struct cur c, const char *word)
{
	size_t len = strlen(word);

	if (cur_left(&c) < len)
		return false;
	cur_skip(&c, cur_left(&c) - len);
	return text_begins(c, word);
}

/* ESC [ and a last byte from 0x40 on, or ESC and one from 0x30 on. */
static void skip_escape(struct shell_prompt *prompt, uint8_t byte)
{
	if (prompt->escape == 1 && byte == '[')
		prompt->escape = 2;
	else if (byte >= (prompt->escape == 1 ? 0x30 : 0x40))
		prompt->escape = 0;
}

void shell_prompt_add(struct shell_prompt *prompt, uint8_t byte)
{
	if (prompt->escape) {
		skip_escape(prompt, byte);
	} else if (byte == ESCAPE) {
		prompt->escape = 1;
	} else if (byte == '\r' || byte == '\n') {
		prompt->over = true;
	} else if (byte > ' ' || (byte == ' ' && !prompt->over)) {
		if (prompt->over)
			prompt->len = 0;
		prompt->over = false;
		if (prompt->len == SHELL_PROMPT_MAX) {
			prompt->len = SHELL_PROMPT_MAX / 2;
			memmove(prompt->at, prompt->at + SHELL_PROMPT_MAX / 2, prompt->len);
		}
		prompt->at[prompt->len++] = byte;
	}
}

static struct cur prompt_text(const struct shell_prompt *prompt)
{
	return text_trim(cur_make(prompt->at, prompt->len));
}

bool shell_prompt_asks_nick(const struct shell_prompt *prompt)
{
	return ends_with(prompt_text(prompt), "enter your nickname.");
}

bool shell_prompt_asks_user(const struct shell_prompt *prompt)
{
	struct cur text = prompt_text(prompt);

	if (ends_with(text, "last login:"))
		return false;
	return ends_with(text, "login:") || ends_with(text, "username:") ||
	       ends_with(text, "user:") || shell_prompt_asks_nick(prompt);
}

static bool ends_with_one_of(const struct shell_prompt *prompt, const char *ends)
{
	struct cur text = prompt_text(prompt);

	return cur_left(&text) && memchr(ends, text.end[-1], strlen(ends));
}

static bool at_shell(const struct shell *s)
{
	return ends_with_one_of(&s->prompt, "$#>%");
}

static bool has_one_of(struct cur c, const char *const *words)
{
	while (*words && !has_word(c, *words))
		words++;
	return *words;
}

/* "[sudo] password for bob:", and then his name; else empty. */
static struct cur asked_by_sudo(const struct shell *s)
{
	struct cur text = prompt_text(&s->prompt);

	while (cur_left(&text) && !text_begins(text, "password for "))
		cur_skip(&text, 1);
	cur_skip(&text, cur_left(&text) ? strlen("password for ") : 0);
	return ends_with(text, ":") ? text_until(&text, ':') : (struct cur){ 0 };
}

/* "bob@host's password:", and then his name; else empty. */
static struct cur asked_by_ssh(const struct shell *s)
{
	struct cur text = prompt_text(&s->prompt);

	return ends_with(text, "'s password:") && memchr(text.at, '@', cur_left(&text))
		       ? text_until(&text, '@')
		       : (struct cur){ 0 };
}

static enum shell_asked asks(const struct shell *s)
{
	static const char *const again[] = { "retype ", "re-type ", "re-enter ", "reenter ",
		"repeat ", "confirm ", "verify ", NULL };
	struct cur text = prompt_text(&s->prompt), sudo_user = asked_by_sudo(s);

	if (shell_prompt_asks_user(&s->prompt))
		return SHELL_USER;
	if (cur_left(&sudo_user))
		return SHELL_PASSWORD;
	if (!ends_with(text, "password:") && !ends_with(text, "enter your password."))
		return SHELL_COMMAND;
	if (has_one_of(text, again))
		return SHELL_SAME_PASSWORD;
	return has_word(text, "new ") ? SHELL_NEW_PASSWORD : SHELL_PASSWORD;
}

/* White space is left out at both ends when it comes: this is asked for with every byte. */
static struct cur said_text(const struct shell *s)
{
	return cur_make(s->said, s->said_text_len);
}

/* Nothing has been said to the last line but its echo. */
static bool is_quiet(const struct shell *s)
{
	struct cur said = said_text(s);

	return !cur_left(&said) ||
	       (cur_left(&said) <= s->line_len &&
		       text_same(said, text_trim(cur_make(s->line, s->line_len))));
}

static bool has_refused(const struct shell *s)
{
	static const char *const words[] = { "incorrect", "failed", "denied", "invalid",
		"negative on that" /* eggdrop */, NULL };

	return has_one_of(said_text(s), words);
}

/* What su(1), passwd(1), ssh(1) and the like say, in a line of its own, before they go back to the shell that they were
 * called from. */
static bool has_gone_back(const struct shell *s)
{
	static const char *const words[] = { "authentication fail", "incorrect password",
		"login incorrect", "login failed", "access denied", "permission denied (",
		"permission denied, ", "su: permission denied", "su: sorry", "token manipulation",
		"logon_failure", NULL };
	struct cur text = text_trim(said_text(s)), line = text_until(&text, '\n');

	return cur_left(&text) && has_one_of(line, words);
}

/* Whoever has come to a shell was let in, whatever was said before ("last failed login: ..."), but one who was in
 * one already. */
static enum proto_login_result judge(const struct shell *s, bool goes_on)
{
	enum shell_asked asked = asks(s);

	if (asked == SHELL_USER || (asked == SHELL_PASSWORD && s->took != SHELL_USER))
		return PROTO_LOGIN_FAILURE;
	if (at_shell(s))
		return s->in_shell && has_gone_back(s) ? PROTO_LOGIN_FAILURE : PROTO_LOGIN_SUCCESS;
	if (has_refused(s))
		return PROTO_LOGIN_FAILURE;
	return goes_on ? PROTO_LOGIN_SUCCESS : PROTO_LOGIN_UNKNOWN;
}

static void end_login(struct shell *s, bool goes_on)
{
	enum proto_login_result result = judge(s, goes_on);
	struct proto_login_text user = s->login.user;

	proto_login_end(s->conn, &s->login, result);
	if (result == PROTO_LOGIN_SUCCESS) {
		s->who = user;
		s->user.len = 0;
	}
	s->took = SHELL_COMMAND;
}

/* Who is asked for another one has given one that was not taken. */
static enum proto_login_result judge_fresh(const struct shell *s, enum shell_asked asked)
{
	static const char *const bad[] = { "unchanged", "match", "not changed", "fail", "error",
		"denied", "incorrect", "invalid", "unable", NULL };
	static const char *const good[] = { "success", "updated", "changed", NULL };

	if (asked == SHELL_NEW_PASSWORD || has_one_of(said_text(s), bad))
		return PROTO_LOGIN_FAILURE;
	return has_one_of(said_text(s), good) ? PROTO_LOGIN_SUCCESS : PROTO_LOGIN_UNKNOWN;
}

static void begin_line(struct shell *s)
{
	enum shell_asked asked = asks(s);

	/* However a password is asked for, it must not become a line. */
	if (asked == SHELL_COMMAND && s->took == SHELL_USER && !at_shell(s))
		asked = SHELL_PASSWORD;
	if (s->login.begun && !is_quiet(s) && !(asked == SHELL_PASSWORD && s->took == SHELL_USER))
		end_login(s, true);
	if (s->fresh.begun && !is_quiet(s) && asked != SHELL_SAME_PASSWORD)
		proto_login_end(s->conn, &s->fresh, judge_fresh(s, asked));
	s->asked = asked;
	s->typing = true;
	s->edits = asked == SHELL_COMMAND && (at_shell(s) || s->pastes);
	s->in_key = false;
	s->line_len = s->line_at = 0;
	s->line_cut = false;
}

static void end_tx(struct shell *s)
{
	if (!s->tx)
		return;
	proto_tx_done(s->tx, !s->typist);
	proto_tx_tell(s->tx); /* `said` is used again */
	s->tx = NULL;
}

static void new_tx(struct shell *s)
{
	uint16_t len = s->line_len < SHELL_LINE_MAX ? s->line_len : SHELL_LINE_MAX;
	struct shell_tx *data = proto_alloc(s->conn, sizeof(*data) + len);

	if (!data)
		return;
	*data = (struct shell_tx){
		.shell = s, .len = len, .cut = s->line_cut || len < s->line_len
	};
	memcpy(data->command, s->line, len);
	s->tx = proto_tx_new(s->conn, data);
	if (s->tx)
		proto_tx_done(s->tx, s->typist);
	else
		proto_free(s->conn, data, sizeof(*data) + data->len);
}

static void keep_user(struct shell *s, const uint8_t *bytes, size_t len)
{
	proto_login_user(&s->login, bytes, len);
	s->user = s->login.user;
	s->login.side = s->typist;
}

static void take_password(struct shell *s)
{
	struct cur user = asked_by_sudo(s);

	if (!cur_left(&user))
		user = asked_by_ssh(s);
	if (!s->login.begun && s->user.len)
		proto_login_user(&s->login, s->user.text, s->user.len);
	else if (cur_left(&user))
		proto_login_user(&s->login, user.at, cur_left(&user));
	proto_login_password(&s->login, s->line, s->line_len);
	s->login.method = s->by_password;
	s->login.side = s->typist;
}

static void take_new_password(struct shell *s)
{
	const struct proto_login_text *user = s->whom.len ? &s->whom : &s->who;

	proto_login_begin(s->conn, &s->fresh, "passwd");
	if (!s->line_len)
		return;
	proto_login_user(&s->fresh, user->text, user->len);
	proto_login_password(&s->fresh, s->line, s->line_len);
	s->fresh.side = s->typist;
	s->fresh.sets = true;
}

static void paste(struct shell *s, struct cur line)
{
	const struct paste_setter by = {
		.conn = s->conn, .side = s->typist, .who = cur_make(s->who.text, s->who.len)
	};

	paste_line(&s->paste, &by, line);
}

static void take_command(struct shell *s)
{
	struct cur line = cur_make(s->line, s->line_len), whom = paste_passwd_user(line);

	cur_limit(&whom, sizeof(s->whom.text));
	s->whom.len = (uint16_t)cur_left(&whom);
	cur_copy(&whom, s->whom.text, s->whom.len);
	new_tx(s);
	if (!s->line_cut)
		paste(s, line);
}

static void end_line(struct shell *s)
{
	if (!s->line_len && (s->asked == SHELL_COMMAND || s->asked == SHELL_USER)) {
		s->typing = false;
		if (s->asked == SHELL_COMMAND && s->paste) /* of a file it is a line, too */
			paste(s, (struct cur){ 0 });
		return;
	}
	end_tx(s);
	s->typing = false;
	if (s->asked == SHELL_USER || s->asked == SHELL_COMMAND)
		s->in_shell = s->asked == SHELL_COMMAND;
	if (s->asked == SHELL_USER)
		keep_user(s, s->line, s->line_len);
	else if (s->asked == SHELL_PASSWORD)
		take_password(s);
	else if (s->asked == SHELL_NEW_PASSWORD)
		take_new_password(s);
	else if (s->asked == SHELL_COMMAND)
		take_command(s);
	s->took = s->asked;
	s->said_len = s->said_text_len = 0;
	s->said_cut = false;
	s->prompt = (struct shell_prompt){ 0 };
}

static void cut_out(struct shell *s, uint16_t from, uint16_t end)
{
	if (from == end)
		return;
	memmove(s->line + from, s->line + end, (size_t)(s->line_len - end));
	s->line_len = (uint16_t)(s->line_len - (end - from));
	s->line_at = from;
}

/* Where the character before that place begins, and the one at that place ends, in UTF-8. */
static uint16_t to_left(const struct shell *s, uint16_t at)
{
	while (at && (s->line[at - 1] & 0xc0) == 0x80)
		at--;
	return at ? (uint16_t)(at - 1) : 0;
}

static uint16_t to_right(const struct shell *s, uint16_t at)
{
	at = (uint16_t)(at + (at < s->line_len));
	while (at < s->line_len && (s->line[at] & 0xc0) == 0x80)
		at++;
	return at;
}

static void erase(struct shell *s)
{
	cut_out(s, to_left(s, s->line_at), s->line_at);
}

static void erase_word(struct shell *s)
{
	uint16_t from = s->line_at;

	while (from && s->line[from - 1] == ' ')
		from--;
	while (from && s->line[from - 1] != ' ')
		from--;
	cut_out(s, from, s->line_at);
}

static bool line_grow(struct shell *s)
{
	uint16_t room = s->line_room ? (uint16_t)(2 * s->line_room) : 64;
	uint8_t *more;

	if (s->line_room == SHELL_LONG_MAX)
		return false;
	more = proto_alloc(s->conn, room);
	if (!more)
		return false;
	if (s->line_len)
		memcpy(more, s->line, s->line_len);
	proto_free(s->conn, s->line, s->line_room);
	s->line = more;
	s->line_room = room;
	return true;
}

static void interrupt(struct shell *s)
{
	s->line_len = s->line_at = 0;
	paste_stop(s->paste);
}

static void insert(struct shell *s, uint8_t byte)
{
	if (s->line_len == s->line_room && !line_grow(s)) {
		s->line_cut = true;
		return;
	}
	memmove(s->line + s->line_at + 1, s->line + s->line_at, (size_t)(s->line_len - s->line_at));
	s->line[s->line_at++] = byte;
	s->line_len++;
}

static bool is_key(const struct shell *s, const char *key)
{
	return s->n_key == strlen(key) && memcmp(s->key, key, s->n_key) == 0;
}

/* By what keys say behind ESC (xterm, "PC-Style Function Keys", "Bracketed Paste Mode"). */
static bool do_key(struct shell *s)
{
	if (is_key(s, "[D") || is_key(s, "OD"))
		s->line_at = to_left(s, s->line_at);
	else if (is_key(s, "[C") || is_key(s, "OC"))
		s->line_at = to_right(s, s->line_at);
	else if (is_key(s, "[H") || is_key(s, "OH") || is_key(s, "[1~"))
		s->line_at = 0;
	else if (is_key(s, "[F") || is_key(s, "OF") || is_key(s, "[4~"))
		s->line_at = s->line_len;
	else if (is_key(s, "[3~"))
		cut_out(s, s->line_at, to_right(s, s->line_at));
	else if (is_key(s, "[200~") || is_key(s, "[201~"))
		s->pastes = is_key(s, "[200~");
	else
		return false;
	return true;
}

/* A key stands in the line until it is whole. There it stays if it is not known here, such as the one for the line
 * before: what is edited from there on is not what was typed. */
static void add_key(struct shell *s, uint8_t byte)
{
	bool goes_on = s->n_key == 0 ? byte == '[' || byte == 'O' : isdigit(byte) || byte == ';';
	uint16_t at;

	insert(s, byte);
	s->key[s->n_key++] = byte;
	s->edits = !s->line_cut && (!goes_on || s->n_key < SHELL_KEY_MAX);
	s->in_key = s->edits && goes_on;
	if (!s->edits || goes_on)
		return;
	at = s->line_at;
	cut_out(s, (uint16_t)(at - s->n_key - 1), at);
	if (do_key(s))
		return;
	s->edits = false;
	insert(s, ESCAPE);
	for (unsigned i = 0; i < s->n_key; i++)
		insert(s, s->key[i]);
}

static void begin_key(struct shell *s)
{
	insert(s, ESCAPE);
	s->n_key = 0;
	s->in_key = !s->line_cut;
}

static void edit(struct shell *s, uint8_t byte)
{
	if (s->in_key && (byte < ' ' || byte == DELETE))
		s->in_key = s->edits = false;
	if (s->in_key)
		add_key(s, byte);
	else if (s->edits && byte == ESCAPE)
		begin_key(s);
	else if (s->edits && byte == TO_BEGINNING)
		s->line_at = 0;
	else if (s->edits && byte == TO_END)
		s->line_at = s->line_len;
	else if (byte == BACKSPACE || byte == DELETE)
		erase(s);
	else if (byte == KILL_WORD)
		erase_word(s);
	else if (byte == KILL_LINE)
		cut_out(s, 0, s->line_at);
	else if (byte == INTERRUPT)
		interrupt(s);
	else
		insert(s, byte);
	s->typing = s->line_len; /* an empty line has not begun: what is asked may change */
}

static void type(struct shell *s, uint8_t byte)
{
	bool ended = s->cr && byte == '\n';

	s->cr = byte == '\r';
	if (ended || !byte)
		return;
	if (!s->typing)
		begin_line(s);
	if (byte == '\r' || byte == '\n')
		end_line(s);
	else
		edit(s, byte);
}

/* Before a line: whether the question to it may still come. */
static bool must_wait(const struct shell *s)
{
	if (s->typing || s->over || s->took == SHELL_COMMAND || s->took == SHELL_SAME_PASSWORD)
		return false;
	return is_quiet(s) || (s->n_ahead && !ends_with_one_of(&s->prompt, ":?$#>%"));
}

/* `all`: nothing waits any more. */
static void go_on(struct shell *s, bool all)
{
	struct cur c = cur_make(s->ahead, s->n_ahead);

	while (cur_left(&c) && (all || !must_wait(s)))
		type(s, cur_u8(&c));
	s->n_ahead = (uint16_t)cur_left(&c);
	memmove(s->ahead, c.at, s->n_ahead);
}

static void tell_text(struct shell *s, unsigned side)
{
	proto_conn_text(s->conn, side, side == s->typist ? PROTO_TEXT_TYPED : PROTO_TEXT_SHOWN,
		s->text, s->text_len);
	s->text_len = 0;
}

static void add_text(struct shell *s, unsigned side, uint8_t byte)
{
	if (byte)
		s->text[s->text_len++] = byte;
	if (s->text_len == SHELL_TEXT_MAX)
		tell_text(s, side);
}

void shell_typed(struct shell *s, uint8_t byte)
{
	bool of_line_end = !byte || (s->cr && byte == '\n');
	/* Whoever has read an answer and types on does not wait for a question. */
	bool reacts = s->n_ahead && s->took != SHELL_NOTHING && !is_quiet(s);

	add_text(s, s->typist, byte);
	if (reacts || s->n_ahead == SHELL_AHEAD_MAX)
		go_on(s, true);
	if (s->n_ahead || (!of_line_end && must_wait(s)))
		s->ahead[s->n_ahead++] = byte;
	else
		type(s, byte);
}

void shell_said(struct shell *s, uint8_t byte)
{
	if (!byte)
		return;
	add_text(s, !s->typist, byte);
	s->heard |= byte > ' ';
	shell_prompt_add(&s->prompt, byte);
	if (!s->said_len && isspace(byte))
		return;
	if (s->said_len < SHELL_OUTPUT_MAX)
		s->said[s->said_len++] = byte;
	else
		s->said_cut = true;
	if (!isspace(byte))
		s->said_text_len = s->said_len;
}

void shell_typed_all(struct shell *s)
{
	tell_text(s, s->typist);
}

void shell_said_all(struct shell *s)
{
	tell_text(s, !s->typist);
	go_on(s, false);
}

void shell_said_end(struct shell *s)
{
	s->over = true;
	go_on(s, true);
	if (s->login.begun)
		end_login(s, false);
	if (s->fresh.begun)
		proto_login_end(s->conn, &s->fresh, judge_fresh(s, asks(s)));
	end_tx(s);
}

void shell_lost(struct shell *s, unsigned side)
{
	if (side != s->typist)
		return;
	s->typing = false;
	s->line_len = s->line_at = s->n_ahead = 0;
	s->in_key = false;
}

void shell_user(struct shell *s, const uint8_t *bytes, size_t len, const char *method, bool asks)
{
	if (s->heard || !len)
		return;
	keep_user(s, bytes, len);
	s->login.method = method;
	s->took = asks ? SHELL_USER : SHELL_NOTHING;
}

void shell_init(struct shell *s, struct proto_conn *conn, const char *by_password, unsigned typist)
{
	*s = (struct shell){ .conn = conn, .typist = (uint8_t)typist, .by_password = by_password };
}

void shell_close(struct shell *s)
{
	paste_end(&s->paste, s->conn);
	proto_free(s->conn, s->line, s->line_room);
	proto_login_end(s->conn, &s->login, PROTO_LOGIN_UNKNOWN);
	proto_login_end(s->conn, &s->fresh, PROTO_LOGIN_UNKNOWN);
}

/* What was said, without the echo of this line in front and of the next one behind. */
static struct cur output(const struct shell *s, const struct shell_tx *data)
{
	struct cur said = said_text(s), first = said, last = said;
	struct cur command = text_trim(cur_make(data->command, data->len));
	struct cur next = cur_make(s->line, s->line_len);

	cur_limit(&first, cur_left(&command));
	if (text_same(first, command) && cur_ahead(said, cur_left(&first)) < ' ')
		cur_skip(&said, cur_left(&first));
	if (s->typing && cur_left(&said) > cur_left(&next)) {
		cur_skip(&last, cur_left(&last) - cur_left(&next));
		if (text_same(last, next))
			said.end = last.at;
	}
	return text_trim(said);
}

bool shell_json(struct proto_tx *tx, struct out *o)
{
	const struct shell_tx *data = tx->data;
	const struct shell *s;
	struct cur said;

	if (!data)
		return false; /* it only carries a file */
	s = data->shell;
	said = tx == s->tx ? output(s, data) : cur_make(s->said, 0);
	out_fmt(o, "\"%s\":{", proto_name(tx->state.proto));
	json_text(o, "command", data->command, data->len);
	json_text(o, "output", said.at, cur_left(&said));
	if (data->cut || (tx == s->tx && s->said_cut))
		json_bool(o, "truncated", true);
	if (s->typist)
		json_bool(o, "reverse", true); /* the server types */
	json_close(o, '}');
	return true;
}

/* A transaction may be ended from outside. */
void shell_free_tx(void *memory)
{
	struct shell_tx *data = memory;
	struct shell *s = data->shell;

	if (s->tx && s->tx->data == data)
		s->tx = NULL;
	proto_free(s->conn, data, sizeof(*data) + data->len);
}
