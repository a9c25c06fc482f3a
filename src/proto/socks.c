/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SOCKS 4 and 4A, and 5 (RFC 1928, RFC 1929): the request and its answer are a transaction. Each
 * side waits for its turn; behind a request that was granted another protocol begins. Who asks may
 * be the side that was connected to: bots behind a NAT call their master, who then asks.
 */
#include <ctype.h>

#include "base/ip.h"
#include "proto/fields.h"

#define SOCKS_METHODS_MAX 16u  /* offered ones, for which a greeting is taken for one */
#define SOCKS_NAME_MAX    255u /* of a user or a host */

enum { CONNECT = 1, BIND, ASSOCIATE, RESOLVE = 0xf0, RESOLVE_PTR };
enum { NO_METHOD, USER_METHOD = 2 };
enum { GRANTED_4 = 90, NO_IDENT_4 = 92, OTHER_USER_4 = 93 };

/* The message that comes next. */
enum socks_turn {
	BEGIN,
	METHOD,
	USER,
	USER_ANSWER,
	REQUEST,
	ANSWER,
	ANSWER_4,
	NOTHING /* that is read */
};

struct socks {
	struct proto_conn *conn;
	struct proto_tx *tx;
	struct proto_login login;
	enum socks_turn turn;
	unsigned asker; /* side */
	uint8_t command;
	bool begun, bound, bad, over;
	char host[256]; /* that was asked for, as text */
	uint16_t port;
};

static bool is_text(struct cur c)
{
	while (cur_left(&c))
		if (!isprint(cur_u8(&c)))
			return false;
	return true;
}

static const char *command_name(uint8_t command)
{
	switch (command) {
	case CONNECT:
		return "connect";
	case BIND:
		return "bind";
	case ASSOCIATE:
		return "udp associate";
	case RESOLVE:
		return "resolve";
	case RESOLVE_PTR:
		return "resolve ptr";
	default:
		return "unknown";
	}
}

/* A name is cut where it has a NUL. */
static void write_host(uint8_t kind, struct cur c, char ret_host[static 256])
{
	struct out o = out_make(ret_host, 256);
	char text[IP_TEXT_MAX];
	uint8_t v4[4];
	struct ip ip;

	if (kind == 3) {
		out_fmt(&o, "%.*s", (int)cur_left(&c), (const char *)c.at);
		return;
	}
	if (kind == 1) {
		cur_copy(&c, v4, sizeof(v4));
		ip = ip_from_v4(v4);
	} else {
		cur_copy(&c, ip.byte, sizeof(ip.byte));
	}
	out_fmt(&o, "%s", ip_text(&ip, text));
}

/* `kind`: of the address, as version 5 counts. */
static void request(
	struct socks *socks, unsigned version, uint8_t kind, struct cur host, uint16_t port)
{
	char text[2048];
	struct out o = out_make(text, sizeof(text));

	write_host(kind, host, socks->host);
	socks->port = port;
	socks->tx = proto_fields_tx(socks->conn, "socks");
	if (!socks->tx)
		return;
	json_u64(&o, "version", version);
	json_str(&o, "command", command_name(socks->command));
	if (kind == 3)
		json_text(&o, "host", host.at, cur_left(&host));
	else
		json_str(&o, "host", socks->host);
	json_u64(&o, "port", port);
	proto_fields_say(socks->tx->data, &o);
	proto_tx_done(socks->tx, socks->asker);
}

static void answered(struct socks *socks, const char *status, bool granted)
{
	char text[128];
	struct out o = out_make(text, sizeof(text));
	bool twice = granted && socks->command == BIND && !socks->bound;

	if (twice) {
		socks->bound = true; /* the next answer tells of who came */
		return;
	}
	if (socks->tx) {
		out_char(&o, ',');
		json_str(&o, "status", status);
		proto_fields_say(socks->tx->data, &o);
		proto_tx_done(socks->tx, !socks->asker);
		socks->tx = NULL;
	}
	socks->turn = NOTHING;
	if (granted && socks->command == CONNECT)
		proto_conn_tunnel(
			socks->conn, &(struct proto_tunnel){ .host = (const uint8_t *)socks->host,
					     .host_len = (uint32_t)strlen(socks->host),
					     .port = socks->port });
	socks->over = granted && (socks->command == CONNECT || socks->command == BIND);
	if (socks->over && socks->asker)
		proto_conn_start_over_turned(socks->conn);
	else if (socks->over)
		proto_conn_start_over(socks->conn);
}

static bool take_request_4(struct socks *socks, struct cur *c)
{
	uint16_t port;
	struct cur address, user, host;
	bool named;

	cur_skip(c, 1);
	socks->command = cur_u8(c);
	port = cur_be16(c);
	host = address = cur_sub(c, 4);
	user = text_zero(c);
	named = cur_be32(&address) - 1 < 255; /* 0.0.0.x: 4A */
	if (named)
		host = text_zero(c);
	if (!cur_ok(c))
		return false;
	if (cur_left(&user)) {
		socks->login.method = "userid";
		proto_login_user(&socks->login, user.at, cur_left(&user));
	}
	request(socks, 4, named ? 3 : 1, host, port);
	socks->turn = ANSWER_4;
	return true;
}

static bool take_begin(struct socks *socks, struct cur *c)
{
	if (cur_ahead(*c, 0) == 4)
		return take_request_4(socks, c);
	cur_skip(c, 1);
	cur_skip(c, cur_u8(c));
	socks->turn = METHOD;
	return cur_ok(c);
}

static bool take_method(struct socks *socks, struct cur *c)
{
	uint8_t version = cur_u8(c), method = cur_u8(c);

	socks->bad = cur_ok(c) && version != 5;
	socks->turn = method == NO_METHOD ? REQUEST : method == USER_METHOD ? USER : NOTHING;
	return cur_ok(c);
}

static bool take_user(struct socks *socks, struct cur *c)
{
	uint8_t version = cur_u8(c);
	struct cur user = cur_sub(c, cur_u8(c)), password = cur_sub(c, cur_u8(c));

	if (!cur_ok(c))
		return false;
	socks->bad = version != 1;
	socks->login.method = "password";
	proto_login_user(&socks->login, user.at, cur_left(&user));
	proto_login_password(&socks->login, password.at, cur_left(&password));
	socks->turn = USER_ANSWER;
	return true;
}

static bool take_user_answer(struct socks *socks, struct cur *c)
{
	uint8_t version = cur_u8(c), status = cur_u8(c);

	if (!cur_ok(c))
		return false;
	socks->bad = version != 1;
	proto_login_end(
		socks->conn, &socks->login, status ? PROTO_LOGIN_FAILURE : PROTO_LOGIN_SUCCESS);
	socks->turn = status ? NOTHING : REQUEST;
	return true;
}

/* An address of version 5 by its kind. */
static struct cur take_address(struct cur *c, uint8_t kind, bool *ret_bad)
{
	*ret_bad = cur_ok(c) && kind != 1 && kind != 3 && kind != 4;
	return cur_sub(c, kind == 1 ? 4 : kind == 4 ? 16 : kind == 3 ? cur_u8(c) : 0);
}

/* Version, command or status, nothing, an address, a port. */
static bool take_request(struct socks *socks, struct cur *c)
{
	uint8_t version = cur_u8(c), command = cur_u8(c), kind;
	struct cur host;
	uint16_t port;
	bool bad;

	cur_skip(c, 1);
	kind = cur_u8(c);
	host = take_address(c, kind, &bad);
	port = cur_be16(c);
	if (!cur_ok(c))
		return false;
	socks->bad = bad || version != 5;
	socks->command = command;
	socks->turn = ANSWER;
	if (!socks->bad)
		request(socks, 5, kind, host, port);
	return true;
}

static bool take_answer(struct socks *socks, struct cur *c)
{
	static const char *const texts[] = { "succeeded", "general failure", "not allowed",
		"network unreachable", "host unreachable", "connection refused", "TTL expired",
		"command not supported", "address type not supported" };
	uint8_t version = cur_u8(c), status = cur_u8(c), kind;
	bool bad;

	cur_skip(c, 1);
	kind = cur_u8(c);
	take_address(c, kind, &bad);
	cur_skip(c, 2);
	if (!cur_ok(c))
		return false;
	socks->bad = bad || version != 5;
	if (!socks->bad)
		answered(socks,
			status < sizeof(texts) / sizeof(texts[0]) ? texts[status] : "unknown",
			status == 0);
	return true;
}

static bool take_answer_4(struct socks *socks, struct cur *c)
{
	static const char *const texts[] = { "granted", "rejected", "no identd", "other user" };
	uint8_t version = cur_u8(c), status = cur_u8(c);
	bool other = status == NO_IDENT_4 || status == OTHER_USER_4;

	cur_skip(c, 6);
	if (!cur_ok(c))
		return false;
	socks->bad = version != 0;
	if (socks->bad)
		return true;
	proto_login_end(socks->conn, &socks->login,
		status == GRANTED_4 ? PROTO_LOGIN_SUCCESS
		: other             ? PROTO_LOGIN_FAILURE
				    : PROTO_LOGIN_UNKNOWN);
	answered(socks,
		status >= GRANTED_4 && status <= OTHER_USER_4 ? texts[status - GRANTED_4]
							      : "unknown",
		status == GRANTED_4);
	return true;
}

/* Whose turn it is (0: who asks), and what takes the message; false: it is not whole. */
static const struct {
	uint8_t role;
	bool (*take)(struct socks *socks, struct cur *c);
} turns[NOTHING] = { [BEGIN] = { 0, take_begin },
	[METHOD] = { 1, take_method },
	[USER] = { 0, take_user },
	[USER_ANSWER] = { 1, take_user_answer },
	[REQUEST] = { 0, take_request },
	[ANSWER] = { 1, take_answer },
	[ANSWER_4] = { 1, take_answer_4 } };

static bool is_command_4(uint8_t command)
{
	return command == CONNECT || command == BIND;
}

static enum proto_guess guess_4(struct cur c)
{
	uint8_t command;
	struct cur user, host;
	uint32_t address;

	cur_skip(&c, 1);
	if (cur_left(&c) < 7)
		return !cur_left(&c) || is_command_4(cur_ahead(c, 0)) ? PROTO_MAY_BE : PROTO_IS_NOT;
	command = cur_u8(&c);
	cur_skip(&c, 2);
	address = cur_be32(&c);
	user = text_zero(&c);
	host = address - 1 < 255 && cur_ok(&c) ? text_zero(&c) : user;
	if (!is_command_4(command) || !address || !is_text(user) || !is_text(host) ||
		cur_left(&user) > SOCKS_NAME_MAX || cur_left(&host) > SOCKS_NAME_MAX)
		return PROTO_IS_NOT;
	return cur_ok(&c) ? PROTO_IS : PROTO_MAY_BE;
}

/* Behind a greeting stands nothing, or what could follow it. */
static enum proto_guess guess_5(struct cur c)
{
	uint8_t n;

	cur_skip(&c, 1);
	if (!cur_left(&c))
		return PROTO_MAY_BE;
	n = cur_u8(&c);
	if (!n || n > SOCKS_METHODS_MAX)
		return PROTO_IS_NOT;
	for (; n && cur_left(&c); n--) {
		uint8_t method = cur_u8(&c);

		if (method > 9 && method < 0x80)
			return PROTO_IS_NOT;
	}
	if (n)
		return PROTO_MAY_BE;
	return !cur_left(&c) || c.at[0] == 5 || c.at[0] == 1 ? PROTO_IS : PROTO_IS_NOT;
}

/* An answer alone proves nothing; of version 5 it is claimed with its greeting. */
static bool may_be_answer(struct cur c)
{
	uint8_t version = cur_u8(&c), status = cur_u8(&c);

	if (!cur_ok(&c))
		return true;
	return !version && status >= GRANTED_4 && status <= OTHER_USER_4;
}

static enum proto_guess guess_asker(struct cur c)
{
	if (!cur_left(&c))
		return PROTO_MAY_BE;
	return c.at[0] == 4 ? guess_4(c) : c.at[0] == 5 ? guess_5(c) : PROTO_IS_NOT;
}

static enum proto_guess socks_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);
	enum proto_guess guess = guess_asker(c);

	(void)info;
	return guess == PROTO_IS_NOT && side && may_be_answer(c) ? PROTO_MAY_BE : guess;
}

/* A greeting with any methods, and the choice of one of them. */
static enum proto_guess claim_of(struct cur greeting, struct cur choice)
{
	struct cur methods;
	uint8_t version = cur_u8(&greeting), method;

	methods = cur_sub(&greeting, cur_u8(&greeting));
	if (version != 5 || (cur_left(&choice) && choice.at[0] != 5))
		return PROTO_IS_NOT;
	cur_skip(&choice, 1);
	method = cur_u8(&choice);
	if (!cur_ok(&methods) || !cur_ok(&choice))
		return PROTO_MAY_BE;
	return (method == NO_METHOD || method == USER_METHOD) && cur_left(&methods) &&
			       memchr(methods.at, method, cur_left(&methods))
		       ? PROTO_IS
		       : PROTO_IS_NOT;
}

/* Role 1 or 2: the client or the server asks. */
static enum proto_guess socks_claim(
	const struct proto_flow_info *info, struct proto_unclaimed *unclaimed)
{
	enum proto_guess best = PROTO_IS_NOT;

	(void)info;
	for (unsigned side = 0; side < 2 && best != PROTO_IS; side++) {
		bool ended = unclaimed->ended[0] && unclaimed->ended[1];
		enum proto_guess answer = claim_of(unclaimed->said[side], unclaimed->said[!side]);

		if (answer == PROTO_IS)
			unclaimed->role = (uint8_t)(1 + side);
		if (answer > best && (answer == PROTO_IS || !ended))
			best = answer;
	}
	return best;
}

/* What is missing of a message comes later: then all of it is read anew. */
static bool take_message(struct socks *socks, struct cur *c)
{
	const enum socks_turn turn = socks->turn;
	struct cur rest = *c;

	if (!cur_left(c) || !turns[turn].take(socks, &rest)) {
		socks->turn = turn;
		return false;
	}
	*c = rest;
	return !socks->bad && !socks->over;
}

static void begin(struct socks *socks, unsigned asker)
{
	socks->begun = true;
	socks->asker = asker;
	socks->login.side = (uint8_t)asker;
}

/* Whether this side asks. What the other says before that is left out. */
static bool find_asker(struct socks *socks, unsigned side, struct cur *c)
{
	enum proto_guess guess = guess_asker(*c);

	if (guess == PROTO_IS) {
		begin(socks, side);
	} else if (guess == PROTO_IS_NOT) {
		cur_skip(c, cur_left(c));
	}
	return socks->begun;
}

static size_t socks_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct socks *socks = state;
	struct cur c = cur_make(bytes, len);
	unsigned role;

	(void)end;
	if (!socks->begun && !find_asker(socks, side, &c)) {
		proto_conn_wait(conn, side);
		return len - cur_left(&c);
	}
	role = side ^ socks->asker;
	while (socks->turn != NOTHING && turns[socks->turn].role == role && take_message(socks, &c))
		;
	if (socks->bad || (socks->turn == NOTHING && !socks->over))
		return SIZE_MAX;
	if (socks->over || turns[socks->turn].role != role)
		proto_conn_wait(conn, side);
	return len - cur_left(&c);
}

static void *socks_open(struct proto_conn *conn)
{
	struct socks *socks = proto_alloc(conn, sizeof(*socks));

	if (!socks)
		return NULL;
	socks->conn = conn;
	if (proto_conn_role(conn))
		begin(socks, proto_conn_role(conn) - 1);
	return socks;
}

static void socks_close(void *state)
{
	struct socks *socks = state;

	proto_login_end(socks->conn, &socks->login, PROTO_LOGIN_UNKNOWN);
	proto_free(socks->conn, socks, sizeof(*socks));
}

/* A transaction may be ended from outside. */
static void socks_free_tx(void *data)
{
	struct socks *socks = proto_conn_state(((struct proto_fields *)data)->conn);

	if (socks->tx && socks->tx->data == data)
		socks->tx = NULL;
	proto_fields_free(data);
}

const struct proto_parser proto_socks = { .id = PROTO_SOCKS,
	.ip_proto = 6,
	.guess = socks_guess,
	.claim = socks_claim,
	.open = socks_open,
	.close = socks_close,
	.feed = socks_feed,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = socks_free_tx };
