/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL, protocol 3 (PostgreSQL's manual, "Frontend/Backend Protocol"). A transaction is a
 * request and what comes until the server wants the next one; records are as Suricata's, passwords
 * left out.
 */
#include "proto/sql_password.h"
#include "proto/talk.h"

#include <ctype.h>

#define PG_STARTUP_MAX    10000u /* of the server */
#define PG_PARAMETER_MAX  256u   /* bytes of a name, of a value */
#define PG_PARAMETERS_MAX 4096u  /* JSON text of the parameters that the server tells */
#define PG_TAG_MAX        64u
#define PG_USER_MAX       63u /* of the server */
#define PG_SALT           4u

enum { CODE_CANCEL = 80877102, CODE_TLS, CODE_GSS };

enum {
	AUTH_OK = 0,
	AUTH_CLEARTEXT = 3,
	AUTH_MD5 = 5,
	AUTH_GSS = 7,
	AUTH_SSPI = 9,
	AUTH_SASL,
	AUTH_SASL_CONTINUE,
	AUTH_SASL_FINAL
};

enum phase {
	STARTUP,   /* the client's next message has no type */
	ASKED_TLS, /* the server's answer is one byte */
	TALKING
};

/* What the answer to a request has come to. */
struct answer {
	uint64_t rows, bytes;
	uint16_t fields;
	uint8_t tag_len;
	uint8_t tag[PG_TAG_MAX];
	bool failed;
};

struct pgsql {
	struct proto_conn *conn;
	struct talk_queue queue;
	struct proto_login login;
	struct answer answer;
	enum phase phase;
	uint64_t skip[2];
	uint32_t auth; /* asked for by the server */
	uint8_t salt[PG_SALT];
	bool in_batch; /* of the extended query protocol, which ends with Sync */
	bool over, unreadable;
};

static const char *const error_names[128] = { ['S'] = "severity_localizable",
	['V'] = "severity_non_localizable",
	['C'] = "code",
	['M'] = "message",
	['D'] = "detail",
	['H'] = "hint",
	['P'] = "position",
	['p'] = "internal_position",
	['q'] = "internal_query",
	['W'] = "where",
	['s'] = "schema_name",
	['t'] = "table_name",
	['c'] = "column_name",
	['d'] = "data_type_name",
	['n'] = "constraint_name",
	['F'] = "file",
	['L'] = "line",
	['R'] = "routine" };

static bool is_text(struct cur c, const char *text)
{
	return cur_left(&c) == strlen(text) && memcmp(c.at, text, cur_left(&c)) == 0;
}

static struct proto_tx *new_tx(struct pgsql *p, bool answered)
{
	struct proto_tx *tx = proto_fields_tx(p->conn, "pgsql");

	if (!tx)
		return NULL;
	if (answered)
		talk_queue_add(&p->queue, tx);
	else
		tx->state.done[1] = true;
	return tx;
}

/* A request of one member. */
static void simple_request(struct pgsql *p, bool answered, const char *name, struct cur text)
{
	char json[TALK_JSON_MAX];
	struct out o = out_make(json, sizeof(json));
	struct proto_tx *tx = new_tx(p, answered);

	if (!tx)
		return;
	talk_text(&o, name, text);
	talk_say(tx->data, &o);
	proto_tx_done(tx, 0);
}

static void take_query(struct pgsql *p, bool answered, const char *name, struct cur text)
{
	simple_request(p, answered, name, text);
	sql_passwords(p->conn, text);
}

static struct cur text_of(const char *text)
{
	return cur_make(text, strlen(text));
}

/* {"name":"value"}; three of the names are written as Suricata does. */
static void say_parameter(struct out *o, struct cur name, struct cur value)
{
	static const char *const other[][2] = { { "DateStyle", "date_style" },
		{ "IntervalStyle", "interval_style" }, { "TimeZone", "time_zone" } };

	for (unsigned i = 0; i < 3; i++)
		if (is_text(name, other[i][0]))
			name = text_of(other[i][1]);
	cur_limit(&name, PG_PARAMETER_MAX);
	cur_limit(&value, PG_PARAMETER_MAX);
	json_open(o, NULL, '{');
	out_json_text(o, (const char *)name.at, cur_left(&name));
	out_char(o, ':');
	out_json_text(o, (const char *)value.at, cur_left(&value));
	json_close(o, '}');
}

/* Names and values in turn, up to an empty name. */
static void say_parameters(struct pgsql *p, struct out *o, struct cur c)
{
	struct cur user = cur_make(NULL, 0);
	struct cur name, value;

	for (struct cur each = c; cur_left(&each);) {
		name = text_until(&each, 0);
		value = text_until(&each, 0);
		if (is_text(name, "user"))
			user = value;
	}
	proto_login_user(&p->login, user.at, cur_left(&user));
	json_open(o, "startup_parameters", '{');
	talk_text(o, "user", user);
	json_open(o, "optional_parameters", '[');
	while (cur_left(&c)) {
		name = text_until(&c, 0);
		value = text_until(&c, 0);
		if (cur_left(&name) && !is_text(name, "user"))
			say_parameter(o, name, value);
	}
	json_close(o, ']');
	json_close(o, '}');
}

static void take_startup(struct pgsql *p, uint32_t version, struct cur c)
{
	char json[TALK_JSON_MAX], text[16];
	struct out o = out_make(json, sizeof(json));
	struct out number = out_make(text, sizeof(text));
	struct proto_tx *tx = new_tx(p, true);

	p->phase = TALKING;
	if (!tx)
		return;
	out_fmt(&number, "%u.%u", version >> 16, version & 0xffff);
	json_str(&o, "protocol_version", text);
	say_parameters(p, &o, c);
	talk_say(tx->data, &o);
	proto_tx_done(tx, 0);
}

static void take_cancel(struct pgsql *p, struct cur c)
{
	char json[128];
	struct out o = out_make(json, sizeof(json));
	struct proto_tx *tx = new_tx(p, false);

	if (!tx)
		return;
	json_str(&o, "message", "cancel_request");
	json_u64(&o, "process_id", cur_be32(&c));
	json_u64(&o, "secret_key", cur_be32(&c));
	talk_say(tx->data, &o);
	proto_tx_done(tx, 0);
}

static void take_first(struct pgsql *p, struct cur c)
{
	uint32_t code = cur_be32(&c);

	if (code == CODE_TLS || code == CODE_GSS) {
		p->phase = ASKED_TLS;
		simple_request(p, true, "message",
			text_of(code == CODE_TLS ? "SSL Request" : "GSSENC Request"));
	} else if (code == CODE_CANCEL) {
		take_cancel(p, c);
	} else if (code >> 16 == 3 && cur_ok(&c)) {
		take_startup(p, code, c);
	} else {
		p->unreadable = true;
	}
}

/* "$postgres$USER*SALT*MD5"; the client sends "md5" and the MD5 in hex. */
static void take_md5(struct pgsql *p, struct cur c)
{
	char text[PROTO_LOGIN_MAX + 1];
	struct out o = out_make(text, sizeof(text));

	if (cur_left(&c) >= 3 && memcmp(c.at, "md5", 3) == 0)
		cur_skip(&c, 3);
	out_str(&o, "$postgres$");
	out_bytes(&o, (const char *)p->login.user.text,
		p->login.user.len < PG_USER_MAX ? p->login.user.len : PG_USER_MAX);
	out_char(&o, '*');
	out_hex(&o, p->salt, sizeof(p->salt));
	out_char(&o, '*');
	cur_limit(&c, o.size - 1 - o.len);
	out_bytes(&o, (const char *)c.at, cur_left(&c));
	proto_login_hash(&p->login, (const uint8_t *)text, o.len);
}

/* RFC 5802: the last message of the client has all of the nonce, and the proof. */
static void take_sasl(struct pgsql *p, struct out *o, struct cur c)
{
	if (p->auth == AUTH_SASL) {
		struct cur mechanism = text_until(&c, 0);

		cur_skip(&c, 4); /* length of the rest */
		talk_text(o, "sasl_authentication_mechanism", mechanism);
		talk_text(o, "sasl_param", c);
	} else {
		json_bool(o, "password_redacted", true);
	}
	proto_login_hash(&p->login, c.at, cur_left(&c));
}

static void take_password(struct pgsql *p, struct cur c)
{
	char json[TALK_JSON_MAX];
	struct out o = out_make(json, sizeof(json));
	struct proto_tx *tx = new_tx(p, true);
	struct cur text = c;

	if (!tx)
		return;
	text = text_until(&text, 0);
	if (p->auth == AUTH_SASL || p->auth == AUTH_SASL_CONTINUE) {
		take_sasl(p, &o, c);
	} else {
		json_bool(&o, "password_redacted", true);
		if (p->auth == AUTH_MD5)
			take_md5(p, text);
		else if (p->auth == AUTH_CLEARTEXT)
			proto_login_password(&p->login, text.at, cur_left(&text));
	}
	talk_say(tx->data, &o);
	proto_tx_done(tx, 0);
}

/* One answer comes to all from the first message of a batch to its Sync. */
static void take_extended(struct pgsql *p, uint8_t type, struct cur c)
{
	bool first = !p->in_batch;

	p->in_batch = type != 'S';
	if (type == 'P') {
		text_until(&c, 0); /* name of the statement */
		take_query(p, first, "extended_query", text_until(&c, 0));
	} else if (first) {
		simple_request(p, true, "message",
			text_of(type == 'S'   ? "sync"
				: type == 'B' ? "bind"
					      : "extended"));
	}
}

static void take_client(struct pgsql *p, uint8_t type, struct cur c)
{
	switch (type) {
	case 'p':
		take_password(p, c);
		break;
	case 'Q':
		take_query(p, true, "simple_query", text_until(&c, 0));
		break;
	case 'P':
	case 'B':
	case 'D':
	case 'E':
	case 'C':
	case 'S':
		take_extended(p, type, c);
		break;
	case 'X':
		simple_request(p, false, "message", text_of("termination_message"));
		break;
	}
}

/* Members of the answer to the oldest request. */
static struct out answer_out(struct proto_fields *f, char *json, size_t size)
{
	f->in_sub = true;
	return talk_out(f, json, size);
}

static void answer_say(struct proto_tx *tx, const struct out *o)
{
	struct proto_fields *f = tx->data;

	talk_say(f, o);
	f->in_sub = false;
	proto_tx_news(tx, 1);
}

static void next(struct pgsql *p)
{
	talk_queue_next(&p->queue);
	p->answer = (struct answer){ 0 };
}

/* Bytes that are no ASCII as \xNN. */
static void say_salt(struct out *o, const char *name, struct cur c)
{
	char text[4 * PG_SALT + 1];
	struct out t = out_make(text, sizeof(text));

	while (cur_left(&c)) {
		uint8_t byte = cur_u8(&c);

		if (byte & 0x80)
			out_fmt(&t, "\\x%02x", byte);
		else
			out_char(&t, (char)byte);
	}
	json_text(o, name, text, t.len);
}

static void say_auth(struct out *o, uint32_t auth, struct cur c)
{
	switch (auth) {
	case AUTH_OK:
		json_str(o, "message", "authentication_ok");
		break;
	case AUTH_CLEARTEXT:
		json_str(o, "message", "authentication_cleartext_password");
		break;
	case AUTH_MD5:
		cur_limit(&c, PG_SALT);
		say_salt(o, "authentication_md5_password", c);
		break;
	case AUTH_SASL:
		talk_text(o, "authentication_sasl", text_until(&c, 0));
		break;
	case AUTH_SASL_CONTINUE:
		talk_text(o, "authentication_sasl_continue", c);
		break;
	case AUTH_SASL_FINAL:
		talk_text(o, "authentication_sasl_final", c);
		break;
	default:
		json_u64(o, "authentication", auth);
	}
}

static const char *method_of(uint32_t auth)
{
	switch (auth) {
	case AUTH_OK:
		return "trust";
	case AUTH_CLEARTEXT:
		return "password";
	case AUTH_MD5:
		return "md5";
	case AUTH_GSS:
		return "gss";
	case AUTH_SSPI:
		return "sspi";
	}
	return auth >= AUTH_SASL ? "scram-sha-256" : NULL;
}

static void take_auth(struct pgsql *p, struct cur c)
{
	char json[TALK_JSON_MAX];
	struct proto_tx *tx = talk_queue_first(&p->queue);
	uint32_t auth = cur_be32(&c);

	if (!cur_ok(&c))
		return;
	p->auth = auth;
	if (!p->login.method)
		p->login.method = method_of(auth);
	if (auth == AUTH_MD5)
		cur_copy(&(struct cur){ c.at, c.end, c.bad }, p->salt, sizeof(p->salt));
	if (tx) {
		struct out o = answer_out(tx->data, json, sizeof(json));

		say_auth(&o, auth, c);
		answer_say(tx, &o);
	}
	if (auth == AUTH_OK)
		proto_login_end(p->conn, &p->login, PROTO_LOGIN_SUCCESS);
	else if (auth != AUTH_SASL_FINAL)
		next(p);
}

/* Each kind of text once. A login that was good has a message already. */
static void say_error(struct out *o, struct cur c, bool message)
{
	bool said[128] = { 0 };

	for (uint8_t type = cur_u8(&c); type; type = cur_u8(&c)) {
		struct cur text = text_until(&c, 0);

		if (type >= 128 || !error_names[type] || said[type])
			continue;
		said[type] = true;
		talk_text(o, type == 'M' && message ? "error" : error_names[type], text);
	}
}

static void take_error(struct pgsql *p, struct cur c)
{
	char json[TALK_JSON_MAX];
	struct proto_tx *tx = talk_queue_first(&p->queue);
	bool in_login = p->login.begun || p->phase != TALKING;

	if (tx && !p->answer.failed) {
		struct out o = answer_out(tx->data, json, sizeof(json));

		say_error(&o, c, o.len > 0);
		answer_say(tx, &o);
	}
	p->answer.failed = true;
	proto_login_end(p->conn, &p->login, PROTO_LOGIN_FAILURE);
	if (in_login)
		next(p);
}

/* Kept as bytes of the transaction that no rule asks for, since other members come between. */
static void take_parameter(struct pgsql *p, struct cur c)
{
	char json[2 * 6 * PG_PARAMETER_MAX + 16];
	struct out o = out_make(json, sizeof(json));
	struct proto_tx *tx = talk_queue_first(&p->queue);
	struct proto_fields *f = tx ? tx->data : NULL;
	struct cur name = text_until(&c, 0);

	if (!f || f->bytes_len > PG_PARAMETERS_MAX)
		return;
	if (f->bytes_len)
		out_char(&o, ',');
	say_parameter(&o, name, text_until(&c, 0));
	if (out_ok(&o)) {
		f->sides = 2;
		proto_fields_append(f, BUFFER_NONE, json, o.len);
	}
}

static void take_key(struct pgsql *p, struct cur c)
{
	char json[128];
	struct proto_tx *tx = talk_queue_first(&p->queue);
	struct out o;

	if (!tx)
		return;
	o = answer_out(tx->data, json, sizeof(json));
	json_u64(&o, "process_id", cur_be32(&c));
	json_u64(&o, "secret_key", cur_be32(&c));
	answer_say(tx, &o);
}

/* ReadyForQuery. */
static void take_ready(struct pgsql *p)
{
	char json[1024];
	const struct answer *a = &p->answer;
	struct proto_tx *tx = talk_queue_first(&p->queue);

	if (tx) {
		struct out o = answer_out(tx->data, json, sizeof(json));

		if (a->fields)
			json_u64(&o, "field_count", a->fields);
		if (a->rows) {
			json_u64(&o, "data_rows", a->rows);
			json_u64(&o, "data_size", a->bytes);
		}
		if (a->tag_len)
			json_text(&o, "command_completed", a->tag, a->tag_len);
		answer_say(tx, &o);
	}
	next(p);
}

/* DataRow: number of values, then of each its length and bytes. */
static void take_row(struct pgsql *p, size_t size, struct cur c)
{
	size_t heads = 2 + 4 * (size_t)cur_be16(&c);

	p->answer.rows++;
	p->answer.bytes += size > heads ? size - heads : 0;
}

static void take_tag(struct pgsql *p, struct cur c)
{
	c = text_until(&c, 0);
	cur_limit(&c, PG_TAG_MAX);
	p->answer.tag_len = (uint8_t)cur_left(&c);
	cur_copy(&c, p->answer.tag, p->answer.tag_len);
}

static void take_server(struct pgsql *p, uint8_t type, size_t size, struct cur c)
{
	switch (type) {
	case 'R':
		take_auth(p, c);
		break;
	case 'E':
		take_error(p, c);
		break;
	case 'S':
		take_parameter(p, c);
		break;
	case 'K':
		take_key(p, c);
		break;
	case 'T':
		p->answer.fields = cur_be16(&c);
		break;
	case 'D':
		take_row(p, size, c);
		break;
	case 'C':
		take_tag(p, c);
		break;
	case 'Z':
		take_ready(p);
		break;
	}
}

/* One byte, or an error of a server that does not know the question. */
static bool take_tls_answer(struct pgsql *p, struct cur *c)
{
	char json[64];
	struct proto_tx *tx = talk_queue_first(&p->queue);
	uint8_t said = cur_ahead(*c, 0);

	if (said == 'E')
		return false;
	cur_skip(c, 1);
	p->phase = STARTUP;
	p->over = said == 'S';
	p->unreadable = said != 'S' && said != 'N';
	if (tx) {
		struct out o = answer_out(tx->data, json, sizeof(json));

		json_bool(&o, "ssl_accepted", p->over);
		answer_say(tx, &o);
	}
	next(p);
	if (p->over)
		proto_conn_start_over(p->conn);
	return true;
}

/* A message, or as much of it as is looked at; false: not here yet. */
static bool take_message(struct pgsql *p, unsigned side, struct cur *c)
{
	struct cur rest = *c, body;
	bool first = side == 0 && p->phase == STARTUP;
	uint8_t type = first ? 0 : cur_u8(&rest);
	size_t size = cur_be32(&rest), kept;

	if (!cur_ok(&rest))
		return false;
	if (size < 4 || (first && size > PG_STARTUP_MAX)) {
		p->unreadable = true;
		return false;
	}
	size -= 4;
	kept = size < TALK_KEEP_MAX ? size : TALK_KEEP_MAX;
	if (cur_left(&rest) < kept)
		return false;
	body = cur_sub(&rest, kept);
	*c = rest;
	p->skip[side] = size - kept;
	if (first)
		take_first(p, body);
	else if (side)
		take_server(p, type, size, body);
	else
		take_client(p, type, body);
	return true;
}

static size_t pgsql_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct pgsql *p = state;
	struct cur c = cur_make(bytes, len);

	(void)end;
	while (cur_left(&c) && !p->over && !p->unreadable) {
		talk_skip(&p->skip[side], &c);
		if (p->phase == ASKED_TLS && side == 0) {
			proto_conn_wait(conn, side);
			break;
		}
		if (p->phase == ASKED_TLS && cur_left(&c) && take_tls_answer(p, &c))
			continue;
		if (!take_message(p, side, &c))
			break;
	}
	return p->unreadable ? SIZE_MAX : len - cur_left(&c);
}

static void *pgsql_open(struct proto_conn *conn)
{
	struct pgsql *p = proto_alloc(conn, sizeof(*p));

	if (p)
		p->conn = conn;
	return p;
}

static void pgsql_close(void *state)
{
	struct pgsql *p = state;

	proto_login_end(p->conn, &p->login, PROTO_LOGIN_UNKNOWN);
	proto_free(p->conn, p, sizeof(*p));
}

static void pgsql_free_tx(void *data)
{
	struct pgsql *p = proto_conn_state(((struct proto_fields *)data)->conn);

	talk_queue_forget(&p->queue, data);
	proto_fields_free(data);
}

/* The first message of a client: its length and what it is. */
static enum proto_guess guess_client(struct cur c)
{
	bool zeros = cur_ahead(c, 0) == 0 && cur_ahead(c, 1) == 0;
	uint32_t size = cur_be32(&c);
	uint32_t code = cur_be32(&c);

	if (!zeros)
		return PROTO_IS_NOT;
	if (!cur_ok(&c))
		return PROTO_MAY_BE;
	if (code == CODE_TLS || code == CODE_GSS)
		return size == 8 ? PROTO_IS : PROTO_IS_NOT;
	if (code == CODE_CANCEL)
		return size >= 16 && size <= PG_STARTUP_MAX ? PROTO_IS : PROTO_IS_NOT;
	if (code >> 16 != 3 || (code & 0xffff) > 2 || size < 9 || size > PG_STARTUP_MAX)
		return PROTO_IS_NOT;
	if (!cur_left(&c))
		return PROTO_MAY_BE;
	return size == 9 || isalpha(cur_ahead(c, 0)) ? PROTO_IS : PROTO_IS_NOT;
}

/* The answer to a question for TLS; a first question for a password; an error. */
static enum proto_guess guess_server(struct cur c)
{
	uint8_t type = cur_u8(&c);
	uint32_t size = cur_be32(&c);

	if ((type == 'S' || type == 'N') && !cur_ok(&c))
		return PROTO_MAY_BE;
	if (type != 'R' && type != 'E')
		return PROTO_IS_NOT;
	if (!cur_ok(&c))
		return PROTO_MAY_BE;
	if (size < 8 || size > TALK_KEEP_MAX)
		return PROTO_IS_NOT;
	if (type == 'E')
		return !cur_left(&c) ? PROTO_MAY_BE : cur_u8(&c) == 'S' ? PROTO_IS : PROTO_IS_NOT;
	if (cur_left(&c) < 4)
		return PROTO_MAY_BE;
	return cur_be32(&c) <= AUTH_SASL_FINAL ? PROTO_IS : PROTO_IS_NOT;
}

static enum proto_guess pgsql_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);

	(void)info;
	return side ? guess_server(c) : guess_client(c);
}

static bool pgsql_json(struct proto_tx *tx, struct out *o)
{
	const struct proto_fields *f = tx->data;
	struct proto_bytes parameters;

	out_str(o, "\"pgsql\":{");
	json_u64(o, "tx_id", tx->state.id + 1);
	if (f->text_len) {
		json_open(o, "request", '{');
		out_bytes(o, f->text, f->text_len);
		json_close(o, '}');
	}
	if (f->sub_len) {
		json_open(o, "response", '{');
		out_bytes(o, f->sub, f->sub_len);
		if (proto_fields_get(f, BUFFER_NONE, 0, &parameters)) {
			json_open(o, "parameter_status", '[');
			out_bytes(o, (const char *)parameters.at, parameters.len);
			json_close(o, ']');
		}
		json_close(o, '}');
	}
	json_close(o, '}');
	return true;
}

const struct proto_parser proto_pgsql = { .id = PROTO_PGSQL,
	.ip_proto = 6,
	.guess = pgsql_guess,
	.open = pgsql_open,
	.close = pgsql_close,
	.feed = pgsql_feed,
	.buffer = proto_fields_buffer,
	.json = pgsql_json,
	.free_tx = pgsql_free_tx };
