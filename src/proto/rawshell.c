/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shells over TCP connections that no protocol claims: one side types lines, the other answers as a shell does. With
 * a shell that was bound to a port the client types; with one that connects back, the server. Points are given for
 * what only shells say, for prompts where the other side goes on, for lines that are commands, and for answers that
 * fit them; a few of them together are no chance.
 */
#include "proto/fields.h"
#include "proto/shell.h"

#include <ctype.h>

#define RAW_LOOK_MAX    8192u /* bytes of both sides; a shell has shown itself by then */
#define RAW_PROMPT_MAX  260u  /* of a prompt: a path of Windows */
#define RAW_HINT_MIN    4u    /* bytes of the shortest hint */
#define RAW_SHOWN_MAX   4u    /* lines of the answer that shows that it is one now */
#define RAW_COMMAND_MAX 4u    /* lines that count as commands */

enum raw_points {
	POINTS_COMMAND = 1,
	POINTS_PROMPT = 2,
	POINTS_HINT = 2,
	POINTS_USER_PROMPT = 3, /* it names a user and a host */
	POINTS_PROOF = 4,
	POINTS_SHELL = 4,      /* with a line that was typed */
	POINTS_SHELL_ALONE = 6 /* without one */
};

static bool begins_with(struct cur c, const char *text)
{
	size_t len = strlen(text);

	return cur_left(&c) >= len && memcmp(c.at, text, len) == 0;
}

/* "bash: x: command not found", "/bin/sh: 1: x: not found" */
static bool is_complaint(struct cur line)
{
	struct cur who = text_until(&line, ':');

	return cur_left(&who) >= 2 && cur_left(&who) < 32 && memcmp(who.end - 2, "sh", 2) == 0 &&
	       (text_has(line, "not found") || text_has(line, "o such file or directory") ||
		       text_has(line, "ermission denied"));
}

/* What only shells, and the first things that are asked of them, say. */
static unsigned points_of_line(struct cur line)
{
	static const char *const proofs[] = { "no job control in this shell",
		"cannot set terminal process group", "job control turned off",
		"is not recognized as an internal or external command" };

	if (cur_left(&line) < RAW_HINT_MIN)
		return 0;
	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++)
		if (text_has(line, proofs[i]))
			return POINTS_PROOF;
	if ((text_has(line, "uid=") && text_has(line, ") gid=")) || is_complaint(line))
		return POINTS_PROOF;
	if (begins_with(line, "Microsoft Windows") && text_has(line, " ["))
		return POINTS_PROOF;
	if (begins_with(line, "Linux ") && (text_has(line, "GNU/Linux") || text_has(line, " #")))
		return POINTS_PROOF;
	if ((begins_with(line, "root:") && text_has(line, ":0:0:")) || begins_with(line, "drwx") ||
		begins_with(line, "-rwx") || begins_with(line, "-rw-") ||
		begins_with(line, " Volume in drive ") || begins_with(line, " Directory of ") ||
		begins_with(line, "Windows IP Configuration") || begins_with(line, "SunOS ") ||
		begins_with(line, "FreeBSD ") || begins_with(line, "Darwin "))
		return POINTS_HINT;
	return 0;
}

/* C:\Windows> */
static bool is_windows_prompt(struct cur line)
{
	if (begins_with(line, "PS "))
		cur_skip(&line, 3);
	if (!isalpha(cur_u8(&line)) || cur_u8(&line) != ':' || cur_u8(&line) != '\\')
		return false;
	return cur_left(&line) && memchr(line.at, '>', cur_left(&line)) == line.end - 1;
}

/* "$", "# ", "sh-4.4$ ", "[root@host tmp]# ", "user@host:~$ " */
static unsigned points_of_prompt(struct cur line)
{
	bool at = false;
	uint8_t last;

	line = text_trim(line);
	if (!cur_left(&line) || cur_left(&line) > RAW_PROMPT_MAX)
		return 0;
	if (is_windows_prompt(line))
		return POINTS_PROOF;
	last = line.end[-1];
	if (last != '$' && last != '#')
		return 0;
	line.end--;
	while (cur_left(&line)) {
		uint8_t byte = cur_u8(&line);

		at |= byte == '@';
		if (!isalnum(byte) && !memchr("@:~/.-_[]() +", byte, 13))
			return 0;
	}
	return at ? POINTS_USER_PROMPT : POINTS_PROMPT;
}

static struct cur behind_last(struct cur c, char stop)
{
	while (cur_left(&c) && memchr(c.at, stop, cur_left(&c)))
		text_until(&c, stop);
	return c;
}

static bool is_command(struct cur line)
{
	static const char *const words[] = { "id", "uname", "whoami", "pwd", "ls", "cd", "cat",
		"wget", "curl", "tftp", "chmod", "ps", "kill", "killall", "unset", "export",
		"ifconfig", "netstat", "hostname", "w", "uptime", "rm", "cp", "mv", "mkdir", "tar",
		"gcc", "make", "su", "sudo", "passwd", "useradd", "adduser", "crontab", "iptables",
		"python", "python3", "perl", "nohup", "history", "busybox", "lscpu", "nproc",
		"free", "df", "mount", "echo", "sh", "bash", "dir", "ipconfig", "systeminfo",
		"powershell", "cmd", "start", "ftp", "lynx", "exec", "source", "gzip", "gunzip",
		"net", "tasklist", "taskkill", "certutil", "reg", "del", "copy", "chcp" };
	struct cur word;

	line = text_trim(line);
	word = text_until(&line, ' ');
	if (cur_left(&word) > 2 && cur_ahead(word, 0) == '.' && cur_ahead(word, 1) == '/')
		return true;
	if (cur_ahead(word, 0) == '/')
		word = behind_last(word, '/'); /* /bin/ls */
	if (cur_left(&word) && word.end[-1] == ';')
		word.end--;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if ((cur_ahead(word, 0) | 0x20) == words[i][0] && text_is(word, words[i]))
			return true;
	return false;
}

/* A program is fetched: what is asked of shells first, and of nothing else. */
static bool fetches(struct cur part)
{
	static const char *const begins[] = { "tftp ", "ftp -s:", "ftp -n", "wget ", "curl ",
		"lynx -source ", "lynx -dump ", "echo open ", "fetch http", "ftpget ",
		"certutil -urlcache", "bitsadmin /" };

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		if (text_begins(part, begins[i]))
			return true;
	return false;
}

/* "cd /tmp; wget http://host/kit", "ls | wc" */
static struct cur next_part(struct cur *typed)
{
	struct cur part;
	size_t n = 0;

	while (n < cur_left(typed) && !memchr(";&|\n", typed->at[n], 4))
		n++;
	part = cur_sub(typed, n);
	cur_skip(typed, cur_left(typed) > 0);
	return text_trim(part);
}

static bool has(struct cur c, struct cur part)
{
	return memmem(c.at, cur_left(&c), part.at, cur_left(&part));
}

static bool has_command(struct cur typed)
{
	while (cur_left(&typed))
		if (is_command(next_part(&typed)))
			return true;
	return false;
}

/* NAME=value: whose line says nothing about the next ones. */
static bool is_setting(struct cur line)
{
	struct cur name = text_until(&line, '=');

	if (!cur_left(&line) || !cur_left(&name) || isdigit(cur_ahead(name, 0)))
		return false;
	while (cur_left(&name)) {
		uint8_t byte = cur_u8(&name);

		if (!isalnum(byte) && byte != '_')
			return false;
	}
	return true;
}

/* Nobody answers: the first line begins with a command, and there is a program to be fetched, or they are many. */
static bool is_typed_blindly(struct cur typed)
{
	unsigned commands = 0;
	bool fetched = false, first = true;

	if (!text_is_all(typed))
		return false;
	while (cur_left(&typed)) {
		struct cur line = text_trim(text_until(&typed, '\n'));

		if (first && !is_command(line) && !is_setting(line))
			return false;
		first = first && is_setting(line);
		while (cur_left(&line)) {
			struct cur part = next_part(&line);

			commands += is_command(part);
			fetched |= fetches(part);
		}
	}
	return fetched || commands >= RAW_COMMAND_MAX;
}

/* In front of what only shells say may be what nearly only they do, and what they were told to say. */
static bool raw_takes_over(struct cur typed, struct cur shown)
{
	if (!cur_left(&shown))
		return is_typed_blindly(typed);
	for (unsigned i = 0; i < RAW_SHOWN_MAX && cur_left(&shown); i++) {
		struct cur line = text_trim(text_until(&shown, '\n'));
		unsigned points = text_is_all(line) ? points_of_line(line) : 0;

		if (points == POINTS_PROOF)
			return has_command(typed);
		if (points == 0 && cur_left(&line) && !has(typed, line))
			return false;
	}
	return false;
}

static unsigned points_of_typed(struct cur c, unsigned *ret_lines)
{
	unsigned commands = 0;
	bool by_lf = true;

	*ret_lines = 0;
	while (cur_left(&c)) {
		struct cur line;

		by_lf = by_lf && memchr(c.at, '\n', cur_left(&c));
		if (!by_lf && !memchr(c.at, '\r', cur_left(&c)))
			break;
		line = text_trim(text_until(&c, by_lf ? '\n' : '\r'));
		if (!cur_left(&line))
			continue;
		++*ret_lines;
		commands += is_command(line) + fetches(line);
	}
	return commands * POINTS_COMMAND;
}

/* The last line of what is shown, without control sequences. */
static unsigned points_where_it_waits(struct cur shown)
{
	struct shell_prompt prompt = { 0 };

	while (cur_left(&shown))
		shell_prompt_add(&prompt, cur_u8(&shown));
	return prompt.over ? 0 : points_of_prompt(cur_make(prompt.at, prompt.len));
}

static unsigned points_of_prompts(const struct proto_unclaimed *u, unsigned shower)
{
	struct cur rest = u->said[shower], last = { 0 };
	unsigned points = 0, waits = 0;

	for (uint32_t i = 0; i <= u->n_turns && waits < 2; i++) {
		if (i < u->n_turns && u->turn[i].side == shower) {
			struct cur more = cur_sub(&rest, u->turn[i].len);

			if (!cur_left(&last))
				last = more;
			last.end = more.end;
			continue;
		}
		if (cur_left(&last)) {
			unsigned found = points_where_it_waits(last);

			points += found;
			waits += found > 0;
		}
		last = (struct cur){ 0 };
	}
	return points;
}

/* `typed`: something was. What is a hint as an answer may be a list of files without a question. */
static unsigned points_of_shown(const struct proto_unclaimed *u, unsigned shower, bool typed)
{
	struct cur c = u->said[shower];
	unsigned points = points_of_prompts(u, shower), hints = 0;

	while (cur_left(&c)) {
		unsigned found = points_of_line(text_until(&c, '\n'));

		if (found == POINTS_HINT)
			hints = found;
		else
			points += found;
	}
	return points + (typed ? hints : 0);
}

/* As whoami(1) says it: "root", "nt authority\\system". */
static bool is_user(struct cur line)
{
	if (!cur_left(&line) || cur_left(&line) > 64)
		return false;
	while (cur_left(&line)) {
		uint8_t byte = cur_u8(&line);

		if (!isalnum(byte) && !memchr("_-.$\\ ", byte, 6))
			return false;
	}
	return true;
}

static unsigned points_of_answer(struct cur typed, struct cur shown)
{
	struct cur line = text_trim(text_until(&shown, '\n'));

	typed = text_trim(typed);
	if (text_is(typed, "pwd") && begins_with(line, "/") &&
		!memchr(line.at, ' ', cur_left(&line)))
		return POINTS_PROOF;
	return text_is(typed, "whoami") && is_user(line) ? POINTS_HINT : 0;
}

/* Of shells without a prompt. */
static unsigned points_of_answers(const struct proto_unclaimed *u, unsigned typist)
{
	struct cur rest[2] = { u->said[0], u->said[1] }, typed = { 0 };
	unsigned points = 0;

	for (uint32_t i = 0; i < u->n_turns; i++) {
		struct cur said = cur_sub(&rest[u->turn[i].side], u->turn[i].len);

		if (u->turn[i].side == typist) {
			typed = said;
			continue;
		}
		points += points_of_answer(typed, said);
		typed = (struct cur){ 0 };
	}
	return points;
}

/* 0: `typist` is none. */
static unsigned points_of(const struct proto_unclaimed *u, unsigned typist)
{
	unsigned lines, typed, shown;

	if (!cur_left(&u->said[!typist]) && u->ended[0] && u->ended[1])
		return is_typed_blindly(u->said[typist]) ? POINTS_SHELL : 0;
	if (!cur_left(&u->said[!typist]) || !text_is_all(u->said[!typist]))
		return 0;
	typed = points_of_typed(u->said[typist], &lines);
	shown = points_of_shown(u, !typist, lines > 0) + points_of_answers(u, typist);
	if (!lines)
		return shown >= POINTS_SHELL_ALONE ? shown : 0;
	/* Lines alone are no proof if some are no commands. */
	if (shown == 0 && typed < lines * POINTS_COMMAND)
		return 0;
	return shown + typed >= POINTS_SHELL ? shown + typed : 0;
}

/* -1: none; else who types. */
static int typist_of(const struct proto_unclaimed *u)
{
	unsigned client = points_of(u, 0), server = points_of(u, 1);

	if (!client && !server)
		return -1;
	return server > client;
}

static enum proto_guess raw_claim(const struct proto_flow_info *info, struct proto_unclaimed *u)
{
	size_t len = cur_left(&u->said[0]) + cur_left(&u->said[1]);
	struct proto_unclaimed first = *u;
	int typist;

	(void)info;
	for (unsigned side = 0; side < 2; side++)
		cur_limit(&first.said[side], RAW_LOOK_MAX);
	if (!text_is_all(first.said[0]) &&
		!text_is_all(first.said[1])) /* what is typed may be anything */
		return PROTO_IS_NOT;
	typist = typist_of(&first);
	if (typist >= 0) {
		u->role = (uint8_t)typist;
		return PROTO_IS;
	}
	return len > RAW_LOOK_MAX || (u->ended[0] && u->ended[1]) ? PROTO_IS_NOT : PROTO_MAY_BE;
}

struct raw {
	struct proto_conn *conn;
	struct shell shell;
};

static void *raw_open(struct proto_conn *conn)
{
	struct raw *raw = proto_alloc(conn, sizeof(*raw));

	if (!raw)
		return NULL;
	raw->conn = conn;
	shell_init(&raw->shell, conn, "password", proto_conn_role(conn));
	raw->shell.took = SHELL_COMMAND; /* nobody asks who it is */
	return raw;
}

static void raw_close(void *state)
{
	struct raw *raw = state;

	shell_close(&raw->shell);
	proto_free(raw->conn, raw, sizeof(*raw));
}

static size_t raw_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct shell *s = &((struct raw *)state)->shell;
	struct cur c = cur_make(bytes, len);

	(void)conn;
	if (side == s->typist && !s->heard)
		c = text_behind_code(c);
	while (cur_left(&c) && side == s->typist)
		shell_typed(s, cur_u8(&c));
	while (cur_left(&c))
		shell_said(s, cur_u8(&c));
	if (side == s->typist)
		shell_typed_all(s);
	else
		shell_said_all(s);
	if (side != s->typist && end)
		shell_said_end(s);
	return len;
}

static void raw_gap(struct proto_conn *conn, void *state, unsigned side, uint64_t len)
{
	(void)conn;
	(void)len;
	shell_lost(&((struct raw *)state)->shell, side);
}

const struct proto_parser proto_raw_shell = { .id = PROTO_SHELL,
	.ip_proto = IPPROTO_TCP,
	.tells_text = true,
	.claim = raw_claim,
	.takes_over = raw_takes_over,
	.open = raw_open,
	.close = raw_close,
	.feed = raw_feed,
	.gap = raw_gap,
	.json = shell_json,
	.free_tx = shell_free_tx };
