/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody gave to be let in, kept until the other side says whether it was good; and the commands that wait for
 * such answers. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "proto/conn.h"
#include "proto/fields.h"

#define DIGEST_VALUE_MAX PROTO_LOGIN_HASH_MAX /* bytes of a quoted value; the rest is left out */

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

static void skip_between(struct cur *c)
{
	while (cur_left(c) && (isspace(c->at[0]) || c->at[0] == ',' || c->at[0] == ';'))
		cur_skip(c, 1);
}

/* Up to the quote, or all there is. A comma may be in it, and behind a backslash anything. */
static struct cur quoted_value(struct cur *c, uint8_t quote, struct out *o)
{
	while (cur_left(c) && c->at[0] != quote) {
		if (c->at[0] == '\\' && cur_left(c) > 1)
			cur_skip(c, 1);
		out_char(o, (char)cur_u8(c));
	}
	cur_skip(c, cur_left(c) > 0);
	return cur_make(o->at, o->len);
}

/* Those who make their requests by hand quote as they like, or forget to, and forget commas, too. */
static struct cur param_value(struct cur *c, struct out *o)
{
	struct cur value;

	while (cur_left(c) && isspace(c->at[0]))
		cur_skip(c, 1);
	if (cur_left(c) && (c->at[0] == '"' || c->at[0] == '\''))
		return quoted_value(c, cur_u8(c), o);
	value = *c;
	while (cur_left(c) && !isspace(c->at[0]) && c->at[0] != ',' && c->at[0] != ';')
		cur_skip(c, 1);
	value.end = c->at;
	return value;
}

/* Up to what ends it, which stays: of a word without a value this is no `=`. */
static struct cur param_name(struct cur *c)
{
	struct cur name = *c;

	while (cur_left(c) && !isspace(c->at[0]) && !memchr(",;=", c->at[0], 3))
		cur_skip(c, 1);
	name.end = c->at;
	while (cur_left(c) && isspace(c->at[0]))
		cur_skip(c, 1);
	return name;
}

/* UTF-8'en'J%C3%A4s%C3%B8n (RFC 8187, 3.2): as it is, without what it begins with. */
static struct cur extended_value(struct cur value)
{
	struct cur rest = value;

	text_until(&rest, '\'');
	text_until(&rest, '\'');
	return cur_left(&rest) ? rest : value;
}

/* RFC 7616, 3.4 */
void proto_login_digest(struct proto_login *login, struct cur c)
{
	char text[DIGEST_VALUE_MAX + 1];

	login->method = "digest";
	for (skip_between(&c); cur_left(&c); skip_between(&c)) {
		struct out o = out_make(text, sizeof(text));
		struct cur name = param_name(&c), value;

		if (cur_ahead(c, 0) != '=')
			continue;
		cur_skip(&c, 1);
		value = param_value(&c, &o);
		if (text_is(name, "username"))
			proto_login_user(login, value.at, cur_left(&value));
		else if (text_is(name, "username*")) {
			value = extended_value(value);
			proto_login_user(login, value.at, cur_left(&value));
		} else if (text_is(name, "response")) {
			proto_login_hash(login, value.at, cur_left(&value));
		}
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

static struct proto_asked *asked_at(const struct proto_asked_queue *q, unsigned i)
{
	return &q->at[(q->first + i) % q->max];
}

struct proto_asked *proto_asked_at(const struct proto_asked_queue *q, unsigned i)
{
	return i < q->n ? asked_at(q, i) : NULL;
}

struct proto_asked proto_asked_take(struct proto_asked_queue *q)
{
	struct proto_asked asked = *asked_at(q, 0);

	q->pipelines |= q->n > 1 && !q->gap;
	q->bytes -= asked.bytes;
	q->first = (q->first + 1) % q->max;
	q->n--;
	return asked;
}

void proto_asked_lose(struct proto_asked_queue *q)
{
	q->lost = true;
	while (q->n)
		proto_attempt_release(q->conn, proto_asked_take(q).attempt);
}

void proto_asked_gap(struct proto_asked_queue *q)
{
	q->gap = q->doubt = true;
}

void proto_asked_heard(struct proto_asked_queue *q)
{
	q->doubt = false;
}

unsigned proto_asked_answered(const struct proto_asked_queue *q)
{
	return q->n && q->doubt && !q->pipelines ? q->n - 1 : 0;
}

static void asked_forget(struct proto_asked_queue *q, struct proto_asked *asked)
{
	q->bytes -= asked->bytes;
	asked->bytes = 0;
	asked->tx = NULL;
}

static void asked_tell(struct proto_asked_queue *q, struct proto_asked *late)
{
	if (late->tx)
		proto_tx_done(late->tx, 1);
	asked_forget(q, late);
}

void proto_asked_make_room(struct proto_asked_queue *q)
{
	unsigned i = q->n >= PROTO_ASKED_TXS_MAX ? q->n - PROTO_ASKED_TXS_MAX : 0;
	bool much = q->bytes > PROTO_ASKED_BYTES_MAX;

	if (q->n >= PROTO_ASKED_TXS_MAX)
		asked_tell(q, asked_at(q, i));
	for (; i < q->n && q->bytes > PROTO_ASKED_BYTES_MAX; i++)
		asked_tell(q, asked_at(q, i));
	if (much)
		conn_tell(q->conn); /* which gives their memory back */
	if (q->n == q->max)
		proto_asked_lose(q);
	q->before = proto_conn_bytes(q->conn);
}

/* The new transaction may have pushed out others. */
static uint32_t bytes_since(const struct proto_asked_queue *q)
{
	size_t now = proto_conn_bytes(q->conn);

	return now > q->before ? (uint32_t)(now - q->before) : 0;
}

void proto_asked_add(struct proto_asked_queue *q, const struct proto_asked *asked)
{
	if (q->lost) {
		if (asked->tx)
			proto_tx_done(asked->tx, 1);
		return;
	}
	proto_attempt_hold(asked->attempt);
	*asked_at(q, q->n) = *asked;
	asked_at(q, q->n)->bytes = asked->tx ? bytes_since(q) : 0;
	q->bytes += asked_at(q, q->n++)->bytes;
}

void proto_asked_forget(struct proto_asked_queue *q, const void *data)
{
	for (unsigned i = 0; i < q->n; i++) {
		struct proto_asked *asked = asked_at(q, i);

		if (asked->tx && asked->tx->data == data)
			asked_forget(q, asked);
	}
}
