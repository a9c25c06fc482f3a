/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redis: RESP2 and 3 ("Redis serialization protocol specification"), and commands as plain lines. A
 * transaction is a command and its reply. What AUTH and HELLO say is in logins alone. Long values that are set are
 * files, and so is what a master sends its replica: rogue ones send programs.
 */
#include "proto/talk.h"

#include <ctype.h>
#include <strings.h>

#define REDIS_LINE_MAX      4096u /* of a command as a line, the rest of which is left out; of a reply */
#define REDIS_ARGUMENTS_MAX 64        /* of a command, its name among them, that are kept */
#define REDIS_KEEP_MAX      4096u     /* bytes of all of them */
#define REDIS_REPLY_MAX     1024u     /* bytes of a reply that are kept */
#define REDIS_FILE_MIN      512u      /* bytes of an argument that is a file, too */
#define REDIS_LOGINS_MAX    16        /* attempts without a reply; the oldest gets none */
#define REDIS_COUNT_MAX     (1 << 20) /* arguments, elements still to come; as of the server */

/* A file whose bytes come. */
struct carried {
	struct proto_tx *tx; /* NULL: it has been ended from outside */
	struct proto_fields_file *file;
	uint64_t left;
};

/* An attempt to log in. */
struct attempt {
	struct proto_login login;
	const struct proto_tx *tx; /* whose reply says whether it was good; NULL: none will */
};

struct redis {
	struct proto_conn *conn;
	struct talk_queue queue;
	struct attempt *attempt; /* REDIS_LOGINS_MAX, the oldest first; NULL: there was none */
	unsigned n_attempts;
	bool cut_line; /* the rest of a line is left out */
	uint64_t skip[2];
	struct carried carried[2];
	const struct proto_tx *sync; /* SYNC or PSYNC: all that the master has is in the reply */
	/* The command that comes. */
	struct proto_tx *tx; /* if it has a file */
	uint64_t arguments_left;
	unsigned n_arguments, n_dropped;
	uint16_t at[REDIS_ARGUMENTS_MAX + 1];
	uint8_t kept[REDIS_KEEP_MAX];
	/* The reply that comes. */
	uint64_t elements_left;
	bool answers; /* and belongs to a command */
};

/* A number that a line says, -1 for none; of one that is too large, the first digits. */
static int64_t number_of(struct cur c)
{
	int64_t n = 0;

	if (!cur_left(&c))
		return -1;
	while (cur_left(&c)) {
		uint8_t digit = cur_u8(&c);

		if (!isdigit(digit))
			return -1;
		if (n <= INT32_MAX)
			n = n * 10 + digit - '0';
	}
	return n;
}

/* Up to the end of the line, which is skipped; false: it is not here yet. */
static bool read_line(struct cur *c, struct cur *ret_line)
{
	if (!memchr(c->at, '\n', cur_left(c)))
		return false;
	*ret_line = text_until(c, '\n');
	if (cur_left(ret_line) && ret_line->end[-1] == '\r')
		ret_line->end--;
	return true;
}

/* The same of what announces strings: as the server reads it, up to a carriage return and any byte behind it. */
static bool read_head(struct cur *c, struct cur *ret_line)
{
	struct cur rest = *c, line = text_until(&rest, '\r');

	if (!cur_left(&rest)) /* not the end, or not what is behind it */
		return false;
	*ret_line = line;
	cur_skip(&rest, 1);
	*c = rest;
	return true;
}

static struct cur argument(const struct redis *r, unsigned n)
{
	struct cur c = cur_make(r->kept, sizeof(r->kept));

	if (n >= r->n_arguments)
		return cur_make(NULL, 0);
	cur_skip(&c, r->at[n]);
	return cur_sub(&c, (size_t)(r->at[n + 1] - r->at[n]));
}

static size_t room_left(const struct redis *r)
{
	return r->n_arguments < REDIS_ARGUMENTS_MAX ? REDIS_KEEP_MAX - r->at[r->n_arguments] : 0;
}

static void add_argument(struct redis *r, struct cur c)
{
	uint16_t at = r->at[r->n_arguments];

	if (r->n_arguments == REDIS_ARGUMENTS_MAX) {
		r->n_dropped++;
		return;
	}
	cur_limit(&c, room_left(r));
	r->at[++r->n_arguments] = (uint16_t)(at + cur_left(&c));
	if (cur_left(&c))
		memcpy(&r->kept[at], c.at, cur_left(&c));
}

/* Another one; if there are too many, the first gets no reply. NULL: no room. */
static struct proto_login *new_attempt(struct redis *r, const struct proto_tx *tx)
{
	if (!r->attempt)
		r->attempt = proto_alloc(r->conn, REDIS_LOGINS_MAX * sizeof(r->attempt[0]));
	if (!r->attempt)
		return NULL;
	if (r->n_attempts == REDIS_LOGINS_MAX) {
		proto_login_end(r->conn, &r->attempt[0].login, PROTO_LOGIN_UNKNOWN);
		memmove(r->attempt, r->attempt + 1, --r->n_attempts * sizeof(r->attempt[0]));
	}
	r->attempt[r->n_attempts] = (struct attempt){ .tx = tx };
	return &r->attempt[r->n_attempts++].login;
}

/* AUTH [user] password; HELLO version AUTH user password ... */
static bool take_login(struct redis *r, const struct proto_tx *tx)
{
	struct cur command = argument(r, 0), user = cur_make(NULL, 0), password;
	struct proto_login *login;
	unsigned first = 1;

	if (text_is(command, "HELLO"))
		first = text_is(argument(r, 2), "AUTH") ? 3 : 0;
	else if (!text_is(command, "AUTH"))
		first = 0;
	if (!first || r->n_arguments <= first)
		return false;
	login = new_attempt(r, tx);
	if (!login)
		return true;
	if (r->n_arguments > first + 1)
		user = argument(r, first++);
	password = argument(r, first);
	proto_login_user(login, user.at, cur_left(&user));
	proto_login_password(login, password.at, cur_left(&password));
	return true;
}

static void say_command(const struct redis *r, struct out *o, bool login)
{
	talk_text(o, "command", argument(r, 0));
	if (r->n_arguments < 2 || login)
		return;
	json_open(o, "arguments", '[');
	for (unsigned i = 1; i < r->n_arguments; i++)
		talk_text(o, NULL, argument(r, i));
	json_close(o, ']');
	if (r->n_dropped)
		json_u64(o, "arguments_left_out", r->n_dropped);
}

static struct proto_tx *command_tx(struct redis *r)
{
	if (!r->tx && r->n_arguments)
		r->tx = proto_fields_tx(r->conn, "redis");
	return r->tx;
}

static void take_command(struct redis *r)
{
	char json[TALK_JSON_MAX];
	struct out o = out_make(json, sizeof(json));
	struct proto_tx *tx = command_tx(r);
	struct cur command = argument(r, 0);
	bool login = take_login(r, tx);

	if (tx) {
		talk_queue_add(&r->queue, tx);
		say_command(r, &o, login);
		talk_say(tx->data, &o);
		proto_tx_done(tx, 0);
	}
	if (text_is(command, "SYNC") || text_is(command, "PSYNC"))
		r->sync = tx;
	r->tx = NULL;
	r->n_arguments = r->n_dropped = 0;
}

enum took { TOOK, WAITS, CANNOT };

static struct cur next_word(struct cur *line)
{
	struct cur word = *line, rest = *line;

	while (cur_left(&rest) && !isspace(rest.at[0]))
		cur_skip(&rest, 1);
	word.end = rest.at;
	cur_skip(&rest, 1);
	*line = rest;
	return word;
}

static void take_plain(struct redis *r, struct cur line)
{
	cur_limit(&line, REDIS_LINE_MAX);
	while (cur_left(&line)) {
		struct cur word = next_word(&line);

		if (cur_left(&word))
			add_argument(r, word);
	}
	take_command(r);
}

/* A command in a line. */
static enum took take_line(struct redis *r, struct cur *c)
{
	struct cur line = *c;
	bool whole = read_line(c, &line);

	if (!whole && !r->cut_line && cur_left(c) <= REDIS_LINE_MAX)
		return WAITS;
	if (!whole)
		cur_skip(c, cur_left(c));
	if (!r->cut_line)
		take_plain(r, line);
	r->cut_line = !whole;
	return TOOK;
}

static void begin_file(
	struct redis *r, unsigned side, struct proto_tx *tx, struct cur name, uint64_t len)
{
	r->carried[side] = (struct carried){ .tx = tx, .left = len };
	if (tx)
		r->carried[side].file = proto_fields_file(tx, side, name.at, cur_left(&name));
}

static void end_file(struct redis *r, unsigned side)
{
	struct carried *f = &r->carried[side];

	if (f->tx)
		proto_fields_file_end(f->tx, f->file, false);
	if (side == 0 && !r->arguments_left)
		take_command(r);
	else if (side == 1 && f->tx)
		talk_queue_next(&r->queue);
	*f = (struct carried){ 0 };
}

static void take_file(struct redis *r, unsigned side, struct cur *c)
{
	struct carried *f = &r->carried[side];
	struct cur piece;

	if (!f->left || !cur_left(c))
		return;
	piece = cur_sub(c, f->left < cur_left(c) ? (size_t)f->left : cur_left(c));
	if (f->tx)
		proto_fields_file_add(f->tx, f->file, piece.at, cur_left(&piece));
	f->left -= cur_left(&piece);
	if (!f->left)
		end_file(r, side);
}

/* A bulk string: what fits is kept, the rest is skipped. A long one is a file by the name of its key. false: not here
 * yet. */
static bool take_argument(struct redis *r, struct cur *c, size_t len)
{
	size_t kept = len < room_left(r) ? len : room_left(r);
	struct cur bytes = *c;

	if (cur_left(c) < kept)
		return false;
	add_argument(r, cur_sub(&bytes, kept));
	r->arguments_left--;
	if (len >= REDIS_FILE_MIN && r->n_arguments > 2) {
		begin_file(r, 0, command_tx(r), argument(r, 1), len);
		r->skip[0] = 2; /* behind it */
		return true;
	}
	*c = bytes;
	r->skip[0] = len - kept + 2;
	if (!r->arguments_left)
		take_command(r);
	return true;
}

/* A command's head, one of its arguments, or all of it in a line. */
static enum took take_client(struct redis *r, struct cur *c)
{
	struct cur rest = *c, line;
	int64_t n;
	uint8_t type = cur_ahead(*c, 0);

	if (r->cut_line || (!r->arguments_left && type != '*'))
		return take_line(r, c);
	if (!read_head(&rest, &line))
		return cur_left(c) > REDIS_LINE_MAX ? CANNOT : WAITS;
	cur_skip(&line, cur_left(&line) ? 1 : 0);
	n = number_of(line);
	if (r->arguments_left) {
		if (type != '$' || n < 0)
			return CANNOT;
		if (!take_argument(r, &rest, (size_t)n))
			return WAITS;
	} else if (n > REDIS_COUNT_MAX) {
		return CANNOT;
	} else {
		r->arguments_left = n > 0 ? (uint64_t)n : 0;
	}
	*c = rest;
	return TOOK;
}

static void say_reply(struct redis *r, const char *name, struct cur text)
{
	char json[TALK_JSON_MAX];
	struct proto_tx *tx = talk_queue_first(&r->queue);
	struct out o;

	if (!tx || !r->answers)
		return;
	o = talk_out(tx->data, json, sizeof(json));
	cur_limit(&text, REDIS_REPLY_MAX);
	talk_text(&o, name, text);
	talk_say(tx->data, &o);
}

static void login_answered(struct redis *r, const struct proto_tx *tx, bool good)
{
	unsigned n = 0;

	while (n < r->n_attempts && r->attempt[n].tx != tx)
		n++;
	if (n == r->n_attempts)
		return;
	proto_login_end(
		r->conn, &r->attempt[n].login, good ? PROTO_LOGIN_SUCCESS : PROTO_LOGIN_FAILURE);
	r->n_attempts--;
	memmove(r->attempt + n, r->attempt + n + 1, (r->n_attempts - n) * sizeof(r->attempt[0]));
}

/* The reply to a command has begun: its first byte says whether it was good. */
static void begin_reply(struct redis *r, uint8_t type)
{
	const struct proto_tx *tx = talk_queue_first(&r->queue);

	r->elements_left = 1;
	r->answers = type != '>'; /* nobody asked */
	if (r->answers && tx)
		login_answered(r, tx, type != '-' && type != '!');
}

/* How many elements follow that one of this type has. */
static uint64_t elements_of(uint8_t type, int64_t n)
{
	if (n <= 0)
		return 0;
	if (type == '*' || type == '~' || type == '>')
		return (uint64_t)n;
	if (type == '%')
		return 2 * (uint64_t)n;
	return type == '|' ? 2 * (uint64_t)n + 1 : 0;
}

/* Of SYNC, or PSYNC: `+FULLRESYNC`, and as a bulk string without an end of line what the master has. */
static enum took take_sync(struct redis *r, struct cur *c, struct cur rest, struct cur line)
{
	uint8_t type = cur_ahead(*c, 0);
	int64_t n = number_of(line);
	struct cur word = line;

	*c = rest;
	r->elements_left = 0;
	if (type == '+' && text_is(text_until(&word, ' '), "FULLRESYNC")) {
		say_reply(r, "reply", line);
		return TOOK;
	}
	r->sync = NULL;
	if (type == '$' && n > 0) {
		begin_file(r, 1, talk_queue_first(&r->queue), cur_make(NULL, 0), (uint64_t)n);
		return TOOK;
	}
	say_reply(r, "reply", line);
	talk_queue_next(&r->queue);
	return TOOK;
}

/* One element of a reply; of an array only its length is shown. */
static enum took take_server(struct redis *r, struct cur *c)
{
	static const char types[] = "+-:$*_,#!=(%~>|";
	struct cur rest = *c, line;
	uint8_t type = cur_ahead(*c, 0);
	bool bulk = type == '$' || type == '!' || type == '=';
	bool first = !r->elements_left;
	int64_t n;
	size_t kept;

	if (type == '\n' && r->sync) { /* the master is still at it */
		cur_skip(c, 1);
		return TOOK;
	}
	if (!type || !strchr(types, type))
		return CANNOT;
	if (!read_line(&rest, &line))
		return cur_left(c) > REDIS_LINE_MAX ? CANNOT : WAITS;
	cur_skip(&line, 1);
	n = number_of(line);
	kept = bulk && n > 0 ? (size_t)(n < REDIS_REPLY_MAX ? n : REDIS_REPLY_MAX) : 0;
	if (cur_left(&rest) < kept)
		return WAITS;
	if (first)
		begin_reply(r, type);
	if (first && r->answers && r->sync && r->sync == talk_queue_first(&r->queue))
		return take_sync(r, c, rest, line);
	if (bulk)
		line = n < 0 ? cur_make("(nil)", 5) : cur_sub(&rest, kept);
	if (bulk && n >= 0)
		r->skip[1] = (uint64_t)n - kept + 2;
	if (first)
		say_reply(r, elements_of(type, 1) ? "reply_elements" : "reply", line);
	r->elements_left += elements_of(type, n) - 1;
	*c = rest;
	if (!r->elements_left && r->answers)
		talk_queue_next(&r->queue);
	return r->elements_left > REDIS_COUNT_MAX ? CANNOT : TOOK;
}

static size_t redis_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct redis *r = state;
	struct cur c = cur_make(bytes, len);
	enum took took = TOOK;

	(void)conn;
	(void)end;
	while (took == TOOK) {
		take_file(r, side, &c);
		talk_skip(&r->skip[side], &c);
		if (!cur_left(&c))
			break;
		took = side ? take_server(r, &c) : take_client(r, &c);
	}
	return took == CANNOT ? SIZE_MAX : len - cur_left(&c);
}

static void *redis_open(struct proto_conn *conn)
{
	struct redis *r = proto_alloc(conn, sizeof(*r));

	if (r)
		r->conn = conn;
	return r;
}

static void redis_close(void *state)
{
	struct redis *r = state;

	for (unsigned i = 0; i < r->n_attempts; i++)
		proto_login_end(r->conn, &r->attempt[i].login, PROTO_LOGIN_UNKNOWN);
	proto_free(r->conn, r->attempt, REDIS_LOGINS_MAX * sizeof(r->attempt[0]));
	proto_free(r->conn, r, sizeof(*r));
}

static void redis_free_tx(void *data)
{
	struct redis *r = proto_conn_state(((struct proto_fields *)data)->conn);

	for (unsigned i = 0; i < r->n_attempts; i++)
		if (r->attempt[i].tx && r->attempt[i].tx->data == data)
			r->attempt[i].tx = NULL;
	if (r->sync && r->sync->data == data)
		r->sync = NULL;
	if (r->tx && r->tx->data == data)
		r->tx = NULL;
	for (unsigned side = 0; side < 2; side++)
		if (r->carried[side].tx && r->carried[side].tx->data == data)
			r->carried[side].tx = NULL;
	talk_queue_forget(&r->queue, data);
	proto_fields_free(data);
}

static void skip_blanks(struct cur *c)
{
	while (cur_left(c) && isspace(c->at[0]))
		cur_skip(c, 1);
}

/* The head of an array; *ret_empty: of no strings, which is no command. */
static enum proto_guess guess_head(struct cur *c, bool *ret_empty)
{
	unsigned digits = 0;

	cur_skip(c, 1);
	*ret_empty = cur_ahead(*c, 0) == '-';
	cur_skip(c, *ret_empty);
	for (uint8_t digit; isdigit(digit = cur_ahead(*c, 0)); digits++) {
		*ret_empty |= digit == '0' && !digits;
		cur_skip(c, 1);
	}
	if (digits > 10 || (cur_left(c) && (!digits || c->at[0] != '\r')))
		return PROTO_IS_NOT;
	if (cur_left(c) < 2)
		return PROTO_MAY_BE;
	cur_skip(c, 2);
	return PROTO_IS;
}

/* "*3\r\n$": an array of strings. */
static enum proto_guess guess_array(struct cur c)
{
	bool empty;

	do {
		enum proto_guess head = guess_head(&c, &empty);

		if (head != PROTO_IS)
			return head;
		if (empty)
			skip_blanks(&c);
	} while (empty && cur_ahead(c, 0) == '*');
	if (!cur_left(&c))
		return PROTO_MAY_BE;
	return !empty && c.at[0] == '$' ? PROTO_IS : PROTO_IS_NOT;
}

/* Words of other protocols, too, are believed on its own port. */
static enum proto_guess guess_plain(struct cur c, bool port)
{
	static const char *const first[] = { "CONFIG GET ", "CONFIG SET ", "SLAVEOF ", "REPLICAOF ",
		"FLUSHALL\r\n", "FLUSHDB\r\n", "CLIENT LIST", "CLUSTER ", "INFO\r\n", "PING\r\n",
		"AUTH ", "COMMAND\r\n", "KEYS ", "SET ", "GET ", "EVAL ", "MODULE ", "QUIT\r\n" };
	const size_t n_first = port ? sizeof(first) / sizeof(first[0]) : 8;
	enum proto_guess best = PROTO_IS_NOT;

	for (size_t i = 0; i < n_first; i++) {
		size_t all = strlen(first[i]), n = all < cur_left(&c) ? all : cur_left(&c);

		if (strncasecmp((const char *)c.at, first[i], n) != 0)
			continue;
		if (n == all)
			return PROTO_IS;
		best = PROTO_MAY_BE;
	}
	return best;
}

/* ":5", "$5": a line that is a number, as those of others that begin so are not. */
static enum proto_guess guess_number(struct cur c)
{
	unsigned digits = 0;

	cur_skip(&c, cur_ahead(c, 1) == '-' ? 2 : 1);
	for (; isdigit(cur_ahead(c, 0)); digits++)
		cur_skip(&c, 1);
	if (cur_left(&c) < 2)
		return !cur_left(&c) || (digits && c.at[0] == '\r') ? PROTO_MAY_BE : PROTO_IS_NOT;
	return digits && c.at[0] == '\r' && cur_ahead(c, 1) == '\n' ? PROTO_IS : PROTO_IS_NOT;
}

/* A server speaks second: on its own port it is known by how it answers what nobody knows, elsewhere by some answers. */
static enum proto_guess guess_server(struct cur c, bool port)
{
	static const char *const first[] = { "-NOAUTH ", "-WRONGPASS ", "+PONG\r\n",
		"-ERR unknown command " };

	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		if (cur_left(&c) >= strlen(first[i]) &&
			memcmp(c.at, first[i], strlen(first[i])) == 0)
			return PROTO_IS;
	if (cur_ahead(c, 0) == '$' || cur_ahead(c, 0) == ':')
		return guess_number(c);
	if (!cur_ahead(c, 0) || !strchr("+-*", cur_ahead(c, 0)))
		return PROTO_IS_NOT;
	return port && memchr(c.at, '\n', cur_left(&c)) ? PROTO_IS : PROTO_MAY_BE;
}

static enum proto_guess redis_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);
	bool port = info->port[1] == 6379;

	if (side)
		return guess_server(c, port);
	skip_blanks(&c);
	if (!cur_left(&c))
		return PROTO_MAY_BE;
	return c.at[0] == '*' ? guess_array(c) : guess_plain(c, port);
}

const struct proto_parser proto_redis = { .id = PROTO_REDIS,
	.ip_proto = 6,
	.guess = redis_guess,
	.open = redis_open,
	.close = redis_close,
	.feed = redis_feed,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = redis_free_tx };
