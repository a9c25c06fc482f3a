/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/sql_password.h"

#include <ctype.h>

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_MARK };

struct token {
	enum token_kind kind;
	struct cur text; /* without its quotes */
};

enum verb { VERB_OTHER, VERB_SETS, VERB_UPDATE, VERB_ADD_LOGIN, VERB_PASSWORD };

enum wanted { WANTED_NOTHING, WANTED_USER, WANTED_PASSWORD, WANTED_HASH };

struct statement {
	struct proto_conn *conn;
	enum verb verb;
	enum wanted wanted;
	struct token user;
	struct cur password;
	bool has_password, is_hash;
	bool identified;  /* the word has been said */
	bool of_mysql;    /* UPDATE: its own table of users */
	bool before_user; /* SET PASSWORD FOR somebody = it */
	bool host;        /* what follows is that of the user */
	unsigned argument;
	unsigned told; /* of all statements */
};

static uint8_t end_of(uint8_t quote)
{
	return quote == '[' ? ']' : quote;
}

/* Up to the quote that is not doubled; what is escaped in it stays as it was written. */
static struct cur take_string(struct cur *c)
{
	uint8_t end = end_of(cur_u8(c));
	struct cur text = *c;

	while (cur_left(c)) {
		uint8_t byte = cur_u8(c);

		if ((byte == '\\' && end != ']' && cur_left(c)) ||
			(byte == end && cur_left(c) && cur_ahead(*c, 0) == end)) {
			cur_skip(c, 1);
		} else if (byte == end) {
			text.end = c->at - 1;
			return text;
		}
	}
	text.end = text.at; /* not closed: it may not be all of it */
	return text;
}

static bool is_word(uint8_t byte)
{
	return isalnum(byte) || byte == '_' || byte >= 0x80;
}

static bool is_quote(uint8_t byte)
{
	return byte == '\'' || byte == '"' || byte == '`' || byte == '[';
}

static struct token next_token(struct cur *c)
{
	struct token t = { .text = *c };

	while (cur_left(c) && (isspace(cur_ahead(*c, 0)) || cur_ahead(*c, 0) == 0))
		cur_skip(c, 1);
	t.text = *c;
	if (!cur_left(c))
		return t;
	if ((cur_ahead(*c, 0) | 0x20) == 'n' && cur_ahead(*c, 1) == '\'')
		cur_skip(c, 1); /* of SQL Server: its characters are wide */
	if (is_quote(cur_ahead(*c, 0)))
		return (struct token){ TOKEN_STRING, take_string(c) };
	t.kind = is_word(cur_ahead(*c, 0)) ? TOKEN_WORD : TOKEN_MARK;
	do
		cur_skip(c, 1);
	while (t.kind == TOKEN_WORD && cur_left(c) && is_word(cur_ahead(*c, 0)));
	t.text.end = c->at;
	return t;
}

static bool says(const struct token *t, const char *word)
{
	return t->kind == TOKEN_WORD && text_is(t->text, word);
}

static bool says_one(const struct token *t, const char *const *words)
{
	while (*words && !says(t, *words))
		words++;
	return *words;
}

static bool is_mark(const struct token *t, char mark)
{
	return t->kind == TOKEN_MARK && cur_ahead(t->text, 0) == (uint8_t)mark;
}

static void tell(struct statement *s)
{
	struct proto_login login = { .method = "sql", .sets = true };

	bool sets = s->has_password && cur_left(&s->password) &&
		    (s->verb != VERB_UPDATE || s->of_mysql);

	if (sets && s->told++ < SQL_PASSWORDS_MAX) {
		proto_login_user(&login, s->user.text.at, cur_left(&s->user.text));
		if (s->is_hash)
			proto_login_hash(&login, s->password.at, cur_left(&s->password));
		else
			proto_login_password(&login, s->password.at, cur_left(&s->password));
		proto_login_end(s->conn, &login, PROTO_LOGIN_UNKNOWN);
	}
	s->has_password = s->is_hash = s->identified = false;
}

static void take_user(struct statement *s, const struct token *t)
{
	if (s->user.kind != TOKEN_END)
		tell(s); /* of the one before */
	s->user = *t;
	s->wanted = s->before_user ? WANTED_PASSWORD : WANTED_NOTHING;
	s->before_user = false;
}

static void take_password(struct statement *s, const struct token *t)
{
	if (s->has_password)
		tell(s);
	s->password = t->text;
	s->has_password = true;
	s->is_hash = s->wanted == WANTED_HASH;
	s->wanted = WANTED_NOTHING;
}

static enum verb verb_of(const struct token *t)
{
	static const char *const setters[] = { "create", "alter", "grant", "set", NULL };

	return says_one(t, setters)     ? VERB_SETS
	       : says(t, "update")      ? VERB_UPDATE
	       : says(t, "sp_addlogin") ? VERB_ADD_LOGIN
	       : says(t, "sp_password") ? VERB_PASSWORD
					: VERB_OTHER;
}

/* sp_addlogin user, password; sp_password old, new, user. */
static void take_argument(struct statement *s, const struct token *t)
{
	if (is_mark(t, ','))
		s->argument++;
	else if (t->kind != TOKEN_STRING)
		return;
	else if (s->argument == 1)
		take_password(s, t);
	else if (s->argument == (s->verb == VERB_ADD_LOGIN ? 0u : 2u))
		s->user = *t;
}

/* Behind it comes whose password it is. */
static bool names_user(const struct statement *s, const struct token *t)
{
	static const char *const words[] = { "user", "role", "login", "to", "for", NULL };

	return s->user.kind == TOKEN_END &&
	       (s->verb == VERB_UPDATE ? says(t, "user") : says_one(t, words));
}

static void take_word(struct statement *s, const struct token *t)
{
	static const char *const aside[] = { "if", "not", "exists", "or", "replace", NULL };
	static const char *const own[] = { "set", "with", "where", "on", "and", "host", NULL };

	if (names_user(s, t)) {
		s->before_user = s->wanted == WANTED_PASSWORD && says(t, "for");
		s->wanted = WANTED_USER;
	} else if (says(t, "identified")) {
		s->identified = true;
		s->wanted = WANTED_NOTHING;
	} else if (says(t, "password")) {
		s->wanted = s->wanted == WANTED_PASSWORD && s->identified ? WANTED_HASH
									  : WANTED_PASSWORD;
	} else if (s->identified && says(t, "by")) {
		s->wanted = WANTED_PASSWORD;
	} else if (s->identified && (says(t, "as") || says(t, "using"))) {
		s->wanted = WANTED_HASH;
	} else if (s->wanted == WANTED_USER && !says_one(t, own)) {
		if (!says_one(t, aside))
			take_user(s, t);
	} else {
		s->wanted = WANTED_NOTHING;
	}
}

static void take_token(struct statement *s, const struct token *t)
{
	bool host = s->host;

	s->host = is_mark(t, '@');
	if (s->verb == VERB_ADD_LOGIN || s->verb == VERB_PASSWORD) {
		take_argument(s, t);
	} else if (host || s->host) {
		return;
	} else if (s->verb == VERB_UPDATE && s->argument++ == 0) {
		/* USE mysql came before, or it is said. */
		s->of_mysql = text_is(t->text, "user") || text_is(t->text, "mysql");
	} else if (t->kind == TOKEN_WORD) {
		take_word(s, t);
	} else if (t->kind == TOKEN_STRING && s->wanted == WANTED_USER) {
		take_user(s, t);
	} else if (t->kind == TOKEN_STRING && s->wanted != WANTED_NOTHING) {
		take_password(s, t);
	} else if (is_mark(t, ',') && s->identified) {
		s->wanted = WANTED_USER; /* another one */
	} else if (!is_mark(t, '=') && !is_mark(t, '(')) {
		s->wanted = WANTED_NOTHING;
	}
}

static void end_statement(struct statement *s)
{
	tell(s);
	*s = (struct statement){ .conn = s->conn, .told = s->told };
}

void sql_passwords(struct proto_conn *conn, struct cur text)
{
	struct statement s = { .conn = conn };
	struct token t;
	bool begins = true;

	while (t = next_token(&text), t.kind != TOKEN_END) {
		if (is_mark(&t, ';')) {
			end_statement(&s);
			begins = true;
		} else if (begins) {
			s.verb = verb_of(&t);
			begins = says(&t, "exec") || says(&t, "execute");
		} else if (s.verb != VERB_OTHER) {
			take_token(&s, &t);
		}
	}
	end_statement(&s);
}
