/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that set passwords: passwd(1), chpasswd(8), useradd(8), usermod(8), mysqladmin(1), net user. */
#include "proto/paste.h"

#include <ctype.h>

#define PASSWD_USERS_MAX 32u /* of what chpasswd reads; the rest is left out */
#define PASSWD_ID_MAX    8u  /* bytes of the name of a kind of hash */
#define PASSWD_MADE_MAX \
	512u /* bytes of the words of a command that makes a hash, and of those behind it */
#define PASSWD_WORDS_MAX 16u /* behind it */

/* A command, with the words behind it. */
struct command {
	const struct paste_setter *by;
	const struct cur *word;
	unsigned n;
};

/* $6$salt$hash (crypt(5)) */
static bool is_hash(struct cur c)
{
	unsigned n = 0;

	if (cur_u8(&c) != '$')
		return false;
	while (isdigit(cur_ahead(c, n)) || islower(cur_ahead(c, n)))
		n++;
	return n > 0 && n <= PASSWD_ID_MAX && cur_ahead(c, n) == '$';
}

static void tell(const struct command *c, const char *method, struct cur user, struct cur secret)
{
	struct proto_login login = { .method = method, .side = (uint8_t)c->by->side, .sets = true };

	if (!cur_left(&secret))
		return;
	proto_login_user(&login, user.at, cur_left(&user));
	if (is_hash(secret))
		proto_login_hash(&login, secret.at, cur_left(&secret));
	else
		proto_login_password(&login, secret.at, cur_left(&secret));
	proto_login_end(c->by->conn, &login, PROTO_LOGIN_UNKNOWN);
}

static struct cur next_line(struct cur *input)
{
	struct cur line = text_until(input, '\n');

	if (cur_left(&line) && line.end[-1] == '\r')
		line.end--;
	return line;
}

/* Lines of user:password. */
static void run_chpasswd(const struct command *c, struct cur input)
{
	for (unsigned i = 0; i < PASSWD_USERS_MAX && cur_left(&input); i++) {
		struct cur password = next_line(&input), user = text_until(&password, ':');

		tell(c, "chpasswd", user, password);
	}
}

/* -l locks a user, and so on. */
static bool asks_nothing(struct cur option)
{
	return cur_left(&option) == 2 && cur_u8(&option) == '-' && memchr("delSu", *option.at, 5);
}

/* Whose it is, or else his own. What is asked for last is the new one, again. */
static void run_passwd(const struct command *c, struct cur input)
{
	struct cur user = c->by->who, password = { 0 };

	for (unsigned i = c->n; i-- > 1;) {
		if (asks_nothing(c->word[i]))
			return;
		if (cur_ahead(c->word[i], 0) != '-')
			user = c->word[i];
	}
	while (cur_left(&input)) {
		struct cur line = next_line(&input);

		if (cur_left(&line))
			password = line;
	}
	tell(c, "passwd", user, password);
}

static bool has_value(struct cur option)
{
	static const char *const names[] = { "--password", "--shell", "--home-dir", "--home",
		"--groups", "--gid", "--uid", "--comment" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (text_is(option, names[i]))
			return true;
	return cur_left(&option) == 2 && cur_ahead(option, 0) == '-' &&
	       memchr("bcdefgGkKlpPRsuZ", cur_ahead(option, 1), 16);
}

/* Of -pVALUE and --password=VALUE; empty: it is none of these. */
static struct cur attached(struct cur word, const char *brief, const char *name)
{
	if (text_begins(word, name) && cur_ahead(word, strlen(name)) == '=')
		cur_skip(&word, strlen(name) + 1);
	else if (cur_left(&word) > 2 && memcmp(word.at, brief, 2) == 0)
		cur_skip(&word, 2);
	else
		return (struct cur){ 0 };
	return word;
}

/* The shell would put what another command says there: `command`, $(command). */
static bool is_made(struct cur c)
{
	return cur_ahead(c, 0) == '`' || (cur_left(&c) == 1 && *c.at == '$') ||
	       text_begins(c, "$(");
}

static void read_useradd(const struct command *c, struct cur *user, struct cur *password)
{
	for (unsigned i = 1; i < c->n && !is_made(*password); i++) {
		struct cur word = c->word[i], value = attached(word, "-p", "--password");

		if (cur_left(&value)) {
			*password = value;
		} else if (has_value(word) && i + 1 < c->n) {
			i++;
			if (text_is(word, "--password") || memcmp(word.at, "-p", 2) == 0)
				*password = c->word[i];
		} else if (cur_ahead(word, 0) != '-' && !cur_left(user)) {
			*user = word;
		}
	}
}

/* The next word of a line, kept in `o`; false: there is an operator, or the end. */
static bool read_word(struct cur *line, struct out *o, struct cur *ret_word)
{
	size_t at = o->len;
	unsigned fd;
	bool is = paste_next(line, o, &fd) == PASTE_WORD && out_ok(o);

	*ret_word = is ? cur_make(o->at + at, o->len - at) : (struct cur){ 0 };
	return is;
}

/* openssl passwd [-6] [-salt S] PASSWORD, which makes a hash; *line: what is behind it. Empty: it is another. */
static struct cur read_openssl(struct cur *line, struct out *o)
{
	struct cur word, last = { 0 };
	bool ends = false;
	unsigned n = 0;

	for (; !ends && read_word(line, o, &word); n++) {
		ends = cur_left(&word) && word.end[-1] == '`';
		word.end -= ends;
		if ((n == 0 && !text_is(word, "openssl")) || (n == 1 && !text_is(word, "passwd")))
			return (struct cur){ 0 };
		if (text_is(word, "-salt"))
			read_word(line, o, &word);
		else
			last = word;
	}
	if (n < 3 || cur_ahead(last, 0) == '-')
		return (struct cur){ 0 };
	ends |= line->at[-1] == ')';
	if (cur_ahead(*line, 0) == '"') /* it stood in one */
		cur_skip(line, 1);
	return ends ? last : (struct cur){ 0 };
}

/* `line`: the command, as it was typed. */
static void run_useradd(const struct command *c, const char *method, struct cur line)
{
	char room[PASSWD_MADE_MAX];
	struct out o = out_make(room, sizeof(room));
	struct cur user = { 0 }, password = { 0 }, word[PASSWD_WORDS_MAX];
	struct command rest = { .by = c->by, .word = word, .n = 1 };

	read_useradd(c, &user, &password);
	if (is_made(password)) {
		while (cur_left(&line) && cur_ahead(line, 0) != '`' && !text_begins(line, "$("))
			cur_skip(&line, 1);
		cur_skip(&line, cur_ahead(line, 0) == '`' ? 1 : 2);
		password = read_openssl(&line, &o);
		while (rest.n < PASSWD_WORDS_MAX && read_word(&line, &o, &word[rest.n]))
			rest.n++;
		read_useradd(&rest, &user, &(struct cur){ 0 });
	}
	tell(c, method, user, password);
}

static void run_mysqladmin(const struct command *c)
{
	struct cur user = { 0 };

	for (unsigned i = 1; i + 1 < c->n; i++) {
		struct cur value = attached(c->word[i], "-u", "--user");

		if (text_is(c->word[i], "-u") || text_is(c->word[i], "--user"))
			value = c->word[++i];
		if (cur_left(&value)) {
			user = value;
		} else if (text_is(c->word[i], "password")) {
			tell(c, "mysqladmin", user, c->word[i + 1]);
			return;
		}
	}
}

/* Windows: net user NAME PASSWORD [/add] */
static void run_net(const struct command *c)
{
	if (c->n >= 4 && text_is(c->word[1], "user") && !memchr("/*", cur_ahead(c->word[3], 0), 2))
		tell(c, "net user", c->word[2], c->word[3]);
}

bool paste_sets_password(struct cur name)
{
	static const char *const names[] = { "passwd", "chpasswd", "useradd", "usermod",
		"mysqladmin", "net", "net.exe", "net1" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (text_is(name, names[i]))
			return true;
	return false;
}

void paste_passwd(const struct paste_setter *by, struct cur name, const struct cur *words,
	unsigned n, struct cur line, struct cur input)
{
	const struct command c = { .by = by, .word = words, .n = n };

	if (text_is(name, "passwd"))
		run_passwd(&c, input);
	else if (text_is(name, "chpasswd"))
		run_chpasswd(&c, input);
	else if (text_is(name, "mysqladmin"))
		run_mysqladmin(&c);
	else if (text_begins(name, "net"))
		run_net(&c);
	else
		run_useradd(&c, text_is(name, "useradd") ? "useradd" : "usermod", line);
}

struct cur paste_passwd_user(struct cur line)
{
	while (cur_left(&line)) {
		struct cur word = text_until(&line, ' '), user = line;

		if (cur_left(&word) < 6 || memcmp(word.end - 6, "passwd", 6) != 0 ||
			(cur_left(&word) > 6 && word.end[-7] != '/'))
			continue;
		user = text_trim(user);
		user = text_until(&user, ' ');
		if (cur_left(&user) && !memchr("-;&|<>", *user.at, 6))
			return user;
	}
	return (struct cur){ 0 };
}
