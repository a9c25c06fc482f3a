/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody gave to be let in, kept until the other side says whether it was good. */
#include <stdlib.h>
#include <string.h>

#include "proto/conn.h"
#include "proto/fields.h"

static void keep(struct proto_login_text *to, const uint8_t *bytes, size_t len)
{
	to->len = (uint16_t)(len < sizeof(to->text) ? len : sizeof(to->text));
	if (to->len > 0)
		memcpy(to->text, bytes, to->len);
}

void proto_login_user(struct proto_login *login, const uint8_t *bytes, size_t len)
{
	keep(&login->user, bytes, len);
	login->begun = true;
}

void proto_login_password(struct proto_login *login, const uint8_t *bytes, size_t len)
{
	keep(&login->password, bytes, len);
	login->begun = true;
}

void proto_login_hash(struct proto_login *login, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);

	cur_limit(&c, PROTO_LOGIN_HASH_MAX);
	login->begun = true;
	free(login->hash.bytes);
	login->hash = (struct proto_login_hash){ .bytes = NULL };
	if (cur_left(&c))
		login->hash.bytes = malloc(cur_left(&c));
	if (!login->hash.bytes)
		return;
	login->hash.len = (uint16_t)cur_left(&c);
	cur_copy(&c, login->hash.bytes, login->hash.len);
}

void proto_login_end(
	struct proto_conn *conn, struct proto_login *login, enum proto_login_result result)
{
	login->result = result;
	login->side ^= conn->swapped;
	if (login->begun && conn->setup.on_login)
		conn->setup.on_login(
			conn->setup.context, conn->parser ? conn->parser->id : PROTO_NONE, login);
	free(login->hash.bytes);
	memset(login, 0, sizeof(*login));
}

void proto_login_answer(struct proto_conn *conn, struct proto_login *login, unsigned side,
	enum proto_login_result result)
{
	if (login->side != side)
		proto_login_end(conn, login, result);
}

static struct cur param_value(struct cur *c)
{
	struct cur value = text_until(c, ','), rest;

	if (!cur_left(&value) || *value.at != '"')
		return text_trim(value);
	rest = cur_make(value.at, (size_t)(c->end - value.at)); /* a comma may be in it */
	cur_skip(&rest, 1);
	value = text_until(&rest, '"');
	text_until(&rest, ',');
	*c = rest;
	return value;
}

void proto_login_digest(struct proto_login *login, struct cur c)
{
	login->method = "digest";
	while (cur_left(&c)) {
		struct cur name = text_trim(text_until(&c, '='));
		struct cur value = param_value(&c);

		if (text_is(name, "username"))
			proto_login_user(login, value.at, cur_left(&value));
		else if (text_is(name, "response"))
			proto_login_hash(login, value.at, cur_left(&value));
	}
}

void proto_login_begin(struct proto_conn *conn, struct proto_login *login, const char *method)
{
	proto_login_end(conn, login, PROTO_LOGIN_UNKNOWN);
	login->method = method;
}

struct proto_attempt *proto_attempt_new(struct proto_conn *conn)
{
	return proto_attempt_hold(proto_alloc(conn, sizeof(struct proto_attempt)));
}

void proto_attempt_end(
	struct proto_conn *conn, struct proto_attempt *attempt, enum proto_login_result result)
{
	if (!attempt->over)
		proto_login_end(conn, &attempt->login, result);
	attempt->over = true;
}

struct proto_attempt *proto_attempt_hold(struct proto_attempt *attempt)
{
	if (attempt)
		attempt->held++;
	return attempt;
}

struct proto_attempt *proto_attempt_release(struct proto_conn *conn, struct proto_attempt *attempt)
{
	if (!attempt || --attempt->held)
		return NULL;
	proto_attempt_end(conn, attempt, PROTO_LOGIN_UNKNOWN);
	proto_free(conn, attempt, sizeof(*attempt));
	return NULL;
}
