/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Microsoft SQL Server: Tabular Data Stream 7.x ([MS-TDS]), and what came before it and Sybase still
 * speaks, 4.2 and 5.0, as those log in who try many passwords. A transaction is a message of the
 * client and the beginning of the answer. TLS, which is inside of PRELOGIN messages (2.2.6.5), is
 * left alone.
 */
#include "proto/sql_file.h"
#include "proto/sql_password.h"
#include "proto/talk.h"

#define TDS_HEAD           8u
#define TDS_TOKENS_MAX     64 /* of an answer that are looked at */
#define TDS_OPTIONS_MAX    16
#define TDS_HEADERS_MAX    512 /* bytes of ALL_HEADERS; no text begins with a number so small */
#define TDS_NAME_MAX       512 /* bytes of a name in UTF-8; it has up to 128 characters */
#define TDS_PASSWORD_MAX   256 /* bytes, two a character */
#define TDS_END_OF_MESSAGE 1u

enum {
	TDS_BATCH = 1,
	TDS_OLD_LOGIN,
	TDS_RPC = 3,
	TDS_ANSWER,
	TDS_ATTENTION = 6,
	TDS_BULK,
	TDS_FEDAUTH,
	TDS_TRANSACTION = 14,
	TDS_LOGIN = 16,
	TDS_SSPI,
	TDS_PRELOGIN
};

enum {
	TOKEN_ERROR = 0xaa,
	TOKEN_INFO,
	TOKEN_LOGINACK = 0xad,
	TOKEN_ENVCHANGE = 0xe3,
	TOKEN_SSPI = 0xed
};

/* Where LOGIN7 says where what is (2.2.6.4). */
enum {
	LOGIN_HOST = 36,
	LOGIN_USER = 40,
	LOGIN_PASSWORD = 44,
	LOGIN_APP = 48,
	LOGIN_SERVER = 52,
	LOGIN_LIBRARY = 60,
	LOGIN_DATABASE = 68
};

/* Where the login of 4.2 and 5.0 has what: names of fixed size, with their length behind them. */
enum { OLD_HOST = 0, OLD_USER = 31, OLD_PASSWORD = 62, OLD_APP = 140, OLD_SERVER = 171 };
#define OLD_NAME_LEN 30u

/* What LOGINACK of 5.0 has for an interface. */
#define OLD_REFUSED 6u

struct mssql {
	struct proto_conn *conn;
	struct talk_queue queue;
	struct proto_login login;
	uint64_t skip[2];
	struct sql_file sql;
	bool goes_on[2]; /* the next packet belongs to the same message */
	bool prelogin;   /* and the answer to it has no tokens */
	bool narrow;     /* a character is a byte: 4.2, 5.0 */
	bool unreadable;
};

static void say_text(const struct mssql *m, struct out *o, const char *name, struct cur c)
{
	char text[3 * TALK_KEEP_MAX];
	struct out wide = out_make(text, sizeof(text));

	text_wide(&wide, c, !m->narrow);
	json_text(o, name, text, wide.len);
}

static void say_query(const struct mssql *m, struct out *o, struct cur c)
{
	char text[3 * TALK_KEEP_MAX];
	struct out wide = out_make(text, sizeof(text));

	text_wide(&wide, c, !m->narrow);
	json_text(o, "query", text, wide.len);
	sql_passwords(m->conn, cur_make((const uint8_t *)text, wide.len));
}

static size_t bytes_of(const struct mssql *m, unsigned chars)
{
	return m->narrow ? chars : 2 * (size_t)chars;
}

static struct cur login_field(struct cur whole, unsigned place)
{
	struct cur c = whole;
	uint16_t offset, chars;

	cur_skip(&c, place);
	offset = cur_le16(&c);
	chars = cur_le16(&c);
	cur_skip(&whole, offset);
	return cur_sub(&whole, 2 * (size_t)chars);
}

static void take_user(struct mssql *m, struct cur c)
{
	char text[TDS_NAME_MAX];
	struct out o = out_make(text, sizeof(text));

	text_wide(&o, c, true);
	proto_login_user(&m->login, (const uint8_t *)text, o.len);
}

/* Each byte was turned by four bits, and then changed by 0xa5. */
static void take_password(struct mssql *m, struct cur c)
{
	char text[TDS_NAME_MAX], wide[TDS_PASSWORD_MAX];
	struct out o = out_make(text, sizeof(text));
	size_t n = 0;

	while (cur_left(&c) && n < sizeof(wide)) {
		uint8_t byte = cur_u8(&c) ^ 0xa5;

		wide[n++] = (char)(byte << 4 | byte >> 4);
	}
	text_wide(&o, cur_make(wide, n), true);
	proto_login_password(&m->login, (const uint8_t *)text, o.len);
}

static void take_login(struct mssql *m, struct out *o, struct cur c)
{
	static const struct {
		unsigned place;
		const char *name;
	} fields[] = { { LOGIN_HOST, "hostname" }, { LOGIN_USER, "user" },
		{ LOGIN_APP, "app_name" }, { LOGIN_SERVER, "server" }, { LOGIN_LIBRARY, "library" },
		{ LOGIN_DATABASE, "database" } };
	struct cur version = c, user = login_field(c, LOGIN_USER);

	cur_skip(&version, 4 + 3);
	if (cur_left(&version)) {
		uint8_t byte = cur_u8(&version);

		json_name(o, "tds_version");
		out_fmt(o, "\"%u.%u\"", byte >> 4, byte & 15);
	}
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		struct cur field = login_field(c, fields[i].place);

		if (cur_left(&field))
			say_text(m, o, fields[i].name, field);
	}
	m->login.method = cur_left(&user) ? "password" : "sspi";
	take_user(m, user);
	take_password(m, login_field(c, LOGIN_PASSWORD));
}

/* False: it cannot be one, it is too long, or not followed by zeros. */
static bool old_field(struct cur whole, unsigned place, struct cur *ret_name)
{
	struct cur name;
	uint8_t len;

	cur_skip(&whole, place);
	name = cur_sub(&whole, OLD_NAME_LEN);
	len = cur_u8(&whole);
	if (!cur_ok(&whole) || len > OLD_NAME_LEN)
		return false;
	*ret_name = cur_sub(&name, len);
	while (cur_left(&name))
		if (cur_u8(&name))
			return false;
	return true;
}

static void take_old_login(struct mssql *m, struct out *o, struct cur c)
{
	static const struct {
		unsigned place;
		const char *name;
	} fields[] = { { OLD_HOST, "hostname" }, { OLD_USER, "user" }, { OLD_APP, "app_name" },
		{ OLD_SERVER, "server" } };
	struct cur field;

	m->narrow = true;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (old_field(c, fields[i].place, &field) && cur_left(&field))
			say_text(m, o, fields[i].name, field);
	m->login.method = "password";
	if (old_field(c, OLD_USER, &field))
		proto_login_user(&m->login, field.at, cur_left(&field));
	if (old_field(c, OLD_PASSWORD, &field))
		proto_login_password(&m->login, field.at, cur_left(&field));
}

/* PRELOGIN (2.2.6.5): of each option where it is; 0 is the version, 1 encryption, 2 the name. */
static void say_options(struct out *o, struct cur whole)
{
	static const char *const encryption[] = { "off", "on", "not_supported", "required" };
	struct cur c = whole;

	for (unsigned n = 0; cur_left(&c) && cur_ahead(c, 0) < 3 && n < TDS_OPTIONS_MAX; n++) {
		uint8_t option = cur_u8(&c), major, minor;
		uint16_t offset = cur_be16(&c), len = cur_be16(&c);
		struct cur value = whole;

		cur_skip(&value, offset);
		value = cur_sub(&value, len);
		if (option == 0 && cur_left(&value) >= 4) {
			major = cur_u8(&value);
			minor = cur_u8(&value);
			json_name(o, "version");
			out_fmt(o, "\"%u.%u.%u\"", major, minor, cur_be16(&value));
		} else if (option == 1 && cur_ahead(value, 0) < 4 && cur_left(&value)) {
			json_str(o, "encryption", encryption[cur_u8(&value)]);
		} else if (option == 2 && cur_ahead(value, 0)) {
			talk_text(o, "instance", text_until(&value, 0));
		}
	}
}

/* Since 7.2, headers go before the text and before procedures. */
static void skip_headers(struct cur *c)
{
	struct cur size = *c;
	uint32_t n = cur_le32(&size);

	if (n >= 4 && n <= TDS_HEADERS_MAX)
		cur_skip(c, n);
}

static void say_procedure(const struct mssql *m, struct out *o, struct cur c)
{
	uint16_t chars = cur_le16(&c);

	if (chars == 0xffff)
		json_u64(o, "procedure_id", cur_le16(&c));
	else
		say_text(m, o, "procedure", cur_sub(&c, bytes_of(m, chars)));
}

static void say_request(struct mssql *m, struct out *o, uint8_t type, struct cur c)
{
	switch (type) {
	case TDS_BATCH:
		json_str(o, "command", "batch");
		if (!m->narrow)
			skip_headers(&c);
		say_query(m, o, c);
		break;
	case TDS_RPC:
		json_str(o, "command", "rpc");
		skip_headers(&c);
		say_procedure(m, o, c);
		break;
	case TDS_LOGIN:
		json_str(o, "command", "login");
		take_login(m, o, c);
		break;
	case TDS_OLD_LOGIN:
		json_str(o, "command", "login");
		take_old_login(m, o, c);
		break;
	case TDS_PRELOGIN:
		json_str(o, "command", "prelogin");
		say_options(o, c);
		break;
	default:
		json_str(o, "command",
			type == TDS_BULK          ? "bulk_load"
			: type == TDS_SSPI        ? "sspi"
			: type == TDS_TRANSACTION ? "transaction"
						  : "other");
	}
}

static void take_client(struct mssql *m, uint8_t type, struct cur c)
{
	char json[TALK_JSON_MAX];
	struct out o = out_make(json, sizeof(json));
	struct proto_tx *tx;

	m->unreadable = type == TDS_PRELOGIN && cur_ahead(c, 0) != 0; /* TLS */
	if (m->unreadable || type == TDS_ATTENTION)
		return;
	tx = proto_fields_tx(m->conn, "mssql");
	if (!tx)
		return;
	m->prelogin = type == TDS_PRELOGIN;
	talk_queue_add(&m->queue, tx);
	say_request(m, &o, type, c);
	talk_say(tx->data, &o);
	if (type != TDS_BATCH) {
		proto_tx_done(tx, 0);
		return;
	}
	sql_file_begin(&m->sql, tx);
	sql_file_take(&m->sql, c);
}

/* Not before all of its packets are here. */
static void end_batch(struct mssql *m)
{
	if (!m->skip[0] && !m->goes_on[0])
		sql_file_done(&m->sql);
}

/* A token that has a length (2.2.7); false: it is another, and all behind it is not read. */
static bool next_token(struct cur *c, uint8_t *ret_type, struct cur *ret_body)
{
	uint8_t type = cur_u8(c);

	if (type != TOKEN_ERROR && type != TOKEN_INFO && type != TOKEN_LOGINACK &&
		type != TOKEN_ENVCHANGE && type != TOKEN_SSPI)
		return false;
	*ret_type = type;
	*ret_body = cur_sub(c, cur_le16(c));
	return cur_ok(ret_body);
}

static void say_error(const struct mssql *m, struct out *o, struct cur c)
{
	json_str(o, "response", "error");
	json_u64(o, "error_code", cur_le32(&c));
	cur_skip(&c, 1);
	json_u64(o, "severity", cur_u8(&c));
	say_text(m, o, "error", cur_sub(&c, bytes_of(m, cur_le16(&c))));
}

/* LOGINACK: interface, version, name of the server's program. */
static void say_program(const struct mssql *m, struct out *o, struct cur c)
{
	cur_skip(&c, 1 + 4);
	say_text(m, o, "program", cur_sub(&c, bytes_of(m, cur_u8(&c))));
}

static bool refuses(const struct mssql *m, struct cur ack)
{
	return m->narrow && cur_ahead(ack, 0) == OLD_REFUSED;
}

static void take_tokens(struct mssql *m, struct out *o, struct cur c)
{
	bool failed = false, let_in = false, challenged = false;
	struct cur body;
	uint8_t type;

	for (unsigned n = 0; n < TDS_TOKENS_MAX && next_token(&c, &type, &body); n++) {
		if (type == TOKEN_ERROR && !failed)
			say_error(m, o, body);
		if (type == TOKEN_LOGINACK && !let_in)
			say_program(m, o, body);
		failed |= type == TOKEN_ERROR || (type == TOKEN_LOGINACK && refuses(m, body));
		let_in |= type == TOKEN_LOGINACK && !refuses(m, body);
		challenged |= type == TOKEN_SSPI;
	}
	if (!failed)
		json_str(o, "response", challenged && !let_in ? "challenge" : "ok");
	if (let_in)
		proto_login_end(m->conn, &m->login, PROTO_LOGIN_SUCCESS);
	else if (failed)
		proto_login_end(m->conn, &m->login, PROTO_LOGIN_FAILURE);
}

static void take_server(struct mssql *m, uint8_t type, struct cur c)
{
	char json[TALK_JSON_MAX];
	struct proto_tx *tx = talk_queue_first(&m->queue);
	struct out o;

	m->unreadable = type != TDS_ANSWER;
	if (m->unreadable)
		return;
	o = tx ? talk_out(tx->data, json, sizeof(json)) : out_make(json, sizeof(json));
	if (m->prelogin) {
		json_open(&o, "server", '{');
		say_options(&o, c);
		json_close(&o, '}');
	} else {
		take_tokens(m, &o, c);
	}
	m->prelogin = false;
	if (tx)
		talk_say(tx->data, &o);
	talk_queue_next(&m->queue);
}

/* A packet, or as much of it as is looked at; false: not here yet. */
static bool take_packet(struct mssql *m, unsigned side, struct cur *c)
{
	struct cur rest = *c, body;
	uint8_t type = cur_u8(&rest), status = cur_u8(&rest);
	size_t size = cur_be16(&rest), kept;
	bool begins = !m->goes_on[side];

	cur_skip(&rest, 4); /* process, number, window */
	if (!cur_ok(&rest))
		return false;
	m->unreadable = size < TDS_HEAD;
	if (m->unreadable)
		return false;
	size -= TDS_HEAD;
	kept = size < TALK_KEEP_MAX ? size : TALK_KEEP_MAX;
	if (cur_left(&rest) < kept)
		return false;
	body = cur_sub(&rest, kept);
	*c = rest;
	m->skip[side] = size - kept;
	m->goes_on[side] = !(status & TDS_END_OF_MESSAGE);
	if (begins && side)
		take_server(m, type, body);
	else if (begins)
		take_client(m, type, body);
	else if (!side)
		sql_file_take(&m->sql, body);
	if (!side)
		end_batch(m);
	return true;
}

static size_t mssql_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct mssql *m = state;
	struct cur c = cur_make(bytes, len);

	(void)conn;
	while (cur_left(&c) && !m->unreadable) {
		if (side) {
			talk_skip(&m->skip[side], &c);
		} else {
			sql_file_skip(&m->sql, &m->skip[0], &c);
			end_batch(m);
		}
		if (!take_packet(m, side, &c))
			break;
	}
	if (end && side == 0)
		sql_file_cut(&m->sql);
	return m->unreadable ? SIZE_MAX : len - cur_left(&c);
}

static void *mssql_open(struct proto_conn *conn)
{
	struct mssql *m = proto_alloc(conn, sizeof(*m));

	if (m)
		m->conn = conn;
	return m;
}

static void mssql_close(void *state)
{
	struct mssql *m = state;

	proto_login_end(m->conn, &m->login, PROTO_LOGIN_UNKNOWN);
	proto_free(m->conn, m, sizeof(*m));
}

static void mssql_free_tx(void *data)
{
	struct mssql *m = proto_conn_state(((struct proto_fields *)data)->conn);

	talk_queue_forget(&m->queue, data);
	sql_file_forget(&m->sql, data);
	proto_fields_free(data);
}

/* LOGIN7: its own length, and a version 7. */
static enum proto_guess guess_login(struct cur c, size_t size)
{
	uint32_t len = cur_le32(&c);
	uint32_t version = cur_le32(&c);

	if (!cur_ok(&c))
		return PROTO_MAY_BE;
	return len >= 86 && size <= len && version >> 28 == 7 ? PROTO_IS : PROTO_IS_NOT;
}

static enum proto_guess guess_old_login(struct cur c)
{
	static const unsigned places[] = { OLD_HOST, OLD_USER, OLD_PASSWORD };
	struct cur name = { .at = NULL };

	for (unsigned i = 0; i < 3; i++) {
		if (cur_left(&c) < places[i] + OLD_NAME_LEN + 1)
			return PROTO_MAY_BE;
		if (!old_field(c, places[i], &name) || (places[i] == OLD_USER && !cur_left(&name)))
			return PROTO_IS_NOT;
	}
	return PROTO_IS;
}

/* The first option is the version, of six bytes. */
static enum proto_guess guess_options(struct cur c)
{
	uint8_t option = cur_u8(&c);
	uint16_t offset = cur_be16(&c), len = cur_be16(&c);

	if (option != 0 || offset >= TDS_HEADERS_MAX)
		return PROTO_IS_NOT;
	if (!cur_ok(&c))
		return PROTO_MAY_BE;
	return offset >= 6 && len == 6 ? PROTO_IS : PROTO_IS_NOT;
}

static enum proto_guess mssql_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);
	uint8_t type = cur_u8(&c), status = cur_u8(&c);
	uint16_t size = cur_be16(&c);

	(void)info;
	if (side ? type != TDS_ANSWER
		 : type != TDS_PRELOGIN && type != TDS_LOGIN && type != TDS_OLD_LOGIN)
		return PROTO_IS_NOT;
	if (status > TDS_END_OF_MESSAGE)
		return PROTO_IS_NOT;
	cur_skip(&c, 4);
	if (!cur_ok(&c))
		return PROTO_MAY_BE;
	if (size <= TDS_HEAD)
		return PROTO_IS_NOT;
	if (type == TDS_OLD_LOGIN && side == 0)
		return guess_old_login(c);
	return type == TDS_LOGIN ? guess_login(c, size - TDS_HEAD) : guess_options(c);
}

const struct proto_parser proto_mssql = { .id = PROTO_MSSQL,
	.ip_proto = 6,
	.guess = mssql_guess,
	.open = mssql_open,
	.close = mssql_close,
	.feed = mssql_feed,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = mssql_free_tx };
