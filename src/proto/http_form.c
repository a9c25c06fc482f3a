/* SPDX-License-Identifier: Apache-2.0 */
/* What a form gave to be let in, by the names that such fields have. */
#include <ctype.h>

#include "proto/fields.h"
#include "proto/http.h"

#define FORM_NAME_MAX 64u /* bytes of a field's name; a longer one is none of these */

/* Those that say it best first: a button may be called `login`, too, and who signs up gives an address beside the name. */
static const char *const user_words[] = { "username", "user_name", "user", "userid", "uname", "usr",
	"uid", "loginname", "account", "login", "log", "email", "mail", NULL };
static const char *const password_words[] = { "password", "passwd", "pass", "pwd", "passwort",
	"passphrase", "userpass", "passw", "pswd", "psw", NULL };

/* Of `user[email]` or `ctl00$Main$UserName` what stands last. */
static struct cur last_word(struct cur name)
{
	struct cur word;

	if (cur_left(&name) && name.end[-1] == ']')
		cur_limit(&name, cur_left(&name) - 1);
	word = name;
	while (cur_left(&name))
		if (strchr("[$.:", cur_u8(&name)))
			word = name;
	return word;
}

/* Behind letters of another word, as in `pma_username` and `txtPassword`, only long ones are no part of it. */
static bool ends_with(struct cur name, const char *word)
{
	size_t len = strlen(word), before;

	if (cur_left(&name) <= len)
		return text_is(name, word);
	before = cur_left(&name) - len;
	if (!isalpha(name.at[before - 1]) || len >= strlen("password")) {
		cur_skip(&name, before);
		return text_is(name, word);
	}
	return false;
}

/* 0: none of them; the best has the greatest. */
static uint8_t rank(struct cur name, const char *const *words)
{
	uint8_t n = 0;

	while (words[n] && !ends_with(name, words[n]))
		n++;
	return words[n] ? UINT8_MAX - n : 0;
}

static bool is_better(uint8_t *best, uint8_t rank)
{
	if (rank <= *best)
		return false;
	*best = rank;
	return true;
}

struct proto_login_text *http_form_field(struct http_form *form, struct cur name)
{
	struct proto_login_text *text = NULL;

	name = last_word(name);
	if (is_better(&form->best_user, rank(name, user_words)))
		text = &form->user;
	else if (is_better(&form->best_password, rank(name, password_words)))
		text = &form->password;
	if (text)
		text->len = 0;
	return text;
}

void http_form_add(struct proto_login_text *text, struct cur bytes)
{
	size_t room = sizeof(text->text) - text->len;

	cur_limit(&bytes, room);
	room = cur_left(&bytes);
	if (!room)
		return;
	cur_copy(&bytes, text->text + text->len, room);
	text->len += (uint16_t)room;
}

static uint8_t decoded(struct cur *c)
{
	uint8_t byte = cur_u8(c);

	if (byte == '+')
		return ' ';
	if (byte != '%' || cur_left(c) < 2 || text_hex_digit(c->at[0]) < 0 ||
		text_hex_digit(c->at[1]) < 0)
		return byte;
	byte = (uint8_t)(text_hex_digit(c->at[0]) << 4 | text_hex_digit(c->at[1]));
	cur_skip(c, 2);
	return byte;
}

static void read_value(struct proto_login_text *text, struct cur c)
{
	while (cur_left(&c) && text->len < sizeof(text->text))
		text->text[text->len++] = decoded(&c);
}

static void read_field(struct http_form *form, struct cur c)
{
	struct cur encoded = text_until(&c, '=');
	struct proto_login_text *text;
	uint8_t name[FORM_NAME_MAX];
	size_t len = 0;

	while (cur_left(&encoded) && len < sizeof(name))
		name[len++] = decoded(&encoded);
	text = cur_left(&encoded) ? NULL : http_form_field(form, cur_make(name, len));
	if (text)
		read_value(text, c);
}

void http_form_read(struct http_form *form, struct cur body, bool whole)
{
	while (cur_left(&body)) {
		struct cur field = text_until(&body, '&');

		if (field.end != body.end || whole)
			read_field(form, field);
	}
}

bool http_form_login(const struct http_form *form, struct proto_login *login, const char *method)
{
	if (!form->best_user || !form->best_password)
		return false;
	login->method = method;
	proto_login_user(login, form->user.text, form->user.len);
	proto_login_password(login, form->password.text, form->password.len);
	return true;
}
