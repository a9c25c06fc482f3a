/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFB, which VNC speaks (RFC 6143, chapter 7), up to the first picture: versions, security, VNC
 * authentication, VeNCrypt (version 0.2) with a password in clear or up to its TLS, and what the
 * screen is called. Each side waits for its turn; a connection is one transaction.
 */
#include "proto/fields.h"

#include <ctype.h>
#include <stdio.h>

#define RFB_VERSION_LEN 12
#define RFB_TEXT_MAX    256u /* of a reason, of a name; the rest is cut */
#define RFB_SECRET_LEN  16
#define RFB_PLAIN_MAX   1024u /* bytes of a user, of a password */

enum security { SECURITY_INVALID, SECURITY_NONE, SECURITY_VNC, SECURITY_VENCRYPT = 19 };

/* What VeNCrypt goes on with; all behind Plain is in TLS. */
enum vencrypt { VENCRYPT_PLAIN = 256, VENCRYPT_TLS_LAST = 262 };

/* The message that comes next. */
enum rfb_turn {
	SERVER_VERSION,
	CLIENT_VERSION,
	SECURITY_33,
	SECURITY,
	CHOICE,
	CHALLENGE,
	RESPONSE,
	VENCRYPT_VERSION,
	VENCRYPT_CLIENT_VERSION,
	VENCRYPT_TYPES,
	VENCRYPT_CHOICE,
	VENCRYPT_PASSWORD,
	VENCRYPT_TLS,
	RESULT,
	REASON,
	CLIENT_INIT,
	SERVER_INIT,
	NOTHING /* that is read */
};

struct rfb_text {
	uint16_t len;
	uint8_t at[RFB_TEXT_MAX];
};

struct rfb {
	struct proto_conn *conn;
	struct proto_tx *tx;
	enum rfb_turn turn;
	struct proto_login login;
	char version[2][8]; /* "003.008" */
	unsigned minor;     /* that both speak: 3, 7, 8 */
	bool over;          /* TLS begins */
	bool has_type, has_vencrypt, has_challenge, has_response, has_result, has_shared,
		has_screen, bad;
	uint32_t type, vencrypt, result;
	uint8_t challenge[RFB_SECRET_LEN], response[RFB_SECRET_LEN];
	uint8_t shared;
	struct rfb_text reason, name;
	uint16_t width, height, max[3];
	uint8_t bits, depth, big_endian, true_color, shift[3];
};

static bool is_version(struct cur c)
{
	static const char form[] = "RFB 000.000\n";

	for (size_t i = 0; cur_left(&c) && i < RFB_VERSION_LEN; i++) {
		uint8_t byte = cur_u8(&c);

		if (form[i] == '0' ? !isdigit(byte) : byte != (uint8_t)form[i])
			return false;
	}
	return true;
}

static bool read_version(struct rfb *rfb, unsigned side, struct cur *c)
{
	struct cur version = cur_sub(c, RFB_VERSION_LEN);

	if (!cur_ok(c))
		return false;
	rfb->bad = !is_version(version);
	cur_skip(&version, 4);
	cur_copy(&version, rfb->version[side], 7);
	return true;
}

static bool take_version(struct rfb *rfb, struct cur *c)
{
	rfb->turn = CLIENT_VERSION;
	return read_version(rfb, 1, c);
}

/* RFC 6143, 7.1.1: a number that nobody knows means 3.3. */
static bool take_client_version(struct rfb *rfb, struct cur *c)
{
	const char *version = rfb->version[0];

	if (!read_version(rfb, 0, c))
		return false;
	rfb->minor = memcmp(version, "003.007", 7) < 0 ? 3 : memcmp(version, "003.007", 7) ? 8 : 7;
	rfb->turn = rfb->minor == 3 ? SECURITY_33 : SECURITY;
	return true;
}

static void set_type(struct rfb *rfb, uint32_t type)
{
	rfb->has_type = true;
	rfb->type = type;
	if (type == SECURITY_VNC)
		rfb->turn = CHALLENGE;
	else if (type == SECURITY_NONE)
		rfb->turn = rfb->minor == 8 ? RESULT : CLIENT_INIT;
	else if (type == SECURITY_VENCRYPT)
		rfb->turn = VENCRYPT_VERSION;
	else
		rfb->turn = type == SECURITY_INVALID ? REASON : NOTHING;
}

static bool take_security_33(struct rfb *rfb, struct cur *c)
{
	uint32_t type = cur_be32(c);

	if (cur_ok(c))
		set_type(rfb, type);
	return cur_ok(c);
}

static bool take_security(struct rfb *rfb, struct cur *c)
{
	uint8_t n = cur_u8(c);

	cur_skip(c, n);
	rfb->turn = n ? CHOICE : REASON;
	return cur_ok(c);
}

static bool take_choice(struct rfb *rfb, struct cur *c)
{
	set_type(rfb, cur_u8(c));
	return true;
}

static bool take_challenge(struct rfb *rfb, struct cur *c)
{
	cur_copy(c, rfb->challenge, RFB_SECRET_LEN);
	rfb->has_challenge = cur_ok(c);
	rfb->turn = RESPONSE;
	return cur_ok(c);
}

/* The hash is in the form that password crackers read. */
static bool take_response(struct rfb *rfb, struct cur *c)
{
	char text[PROTO_LOGIN_MAX];
	struct out o = out_make(text, sizeof(text));

	cur_copy(c, rfb->response, RFB_SECRET_LEN);
	rfb->turn = RESULT;
	if (!cur_ok(c))
		return false;
	rfb->has_response = true;
	out_str(&o, "$vnc$*");
	out_hex(&o, rfb->challenge, RFB_SECRET_LEN);
	out_char(&o, '*');
	out_hex(&o, rfb->response, RFB_SECRET_LEN);
	rfb->login.method = "vnc";
	proto_login_hash(&rfb->login, (const uint8_t *)text, o.len);
	return true;
}

static bool take_vencrypt_version(struct rfb *rfb, struct cur *c)
{
	rfb->turn = cur_be16(c) == 2 ? VENCRYPT_CLIENT_VERSION : NOTHING;
	return cur_ok(c);
}

static bool take_vencrypt_client_version(struct rfb *rfb, struct cur *c)
{
	rfb->turn = cur_be16(c) == 2 ? VENCRYPT_TYPES : NOTHING;
	return cur_ok(c);
}

/* Behind a zero, which says that the version is fine. */
static bool take_vencrypt_types(struct rfb *rfb, struct cur *c)
{
	bool fine = cur_u8(c) == 0;

	cur_skip(c, 4 * (fine ? cur_u8(c) : 0));
	rfb->turn = fine ? VENCRYPT_CHOICE : NOTHING;
	return cur_ok(c);
}

static bool take_vencrypt_choice(struct rfb *rfb, struct cur *c)
{
	rfb->vencrypt = cur_be32(c);
	rfb->has_vencrypt = cur_ok(c);
	rfb->turn = rfb->vencrypt == VENCRYPT_PLAIN ? VENCRYPT_PASSWORD
		    : rfb->vencrypt > VENCRYPT_PLAIN && rfb->vencrypt <= VENCRYPT_TLS_LAST
			    ? VENCRYPT_TLS
			    : NOTHING;
	return cur_ok(c);
}

static bool take_vencrypt_password(struct rfb *rfb, struct cur *c)
{
	uint32_t user_len = cur_be32(c), password_len = cur_be32(c);
	struct cur user, password;

	if (user_len > RFB_PLAIN_MAX || password_len > RFB_PLAIN_MAX) {
		rfb->turn = NOTHING;
		return true;
	}
	user = cur_sub(c, user_len);
	password = cur_sub(c, password_len);
	if (!cur_ok(c))
		return false;
	rfb->login.method = "plain";
	proto_login_user(&rfb->login, user.at, user_len);
	proto_login_password(&rfb->login, password.at, password_len);
	rfb->turn = RESULT;
	return true;
}

static bool take_vencrypt_tls(struct rfb *rfb, struct cur *c)
{
	rfb->over = cur_u8(c) == 1;
	rfb->turn = NOTHING;
	return true;
}

static bool take_result(struct rfb *rfb, struct cur *c)
{
	rfb->result = cur_be32(c);
	if (!cur_ok(c))
		return false;
	rfb->has_result = true;
	proto_login_end(
		rfb->conn, &rfb->login, rfb->result ? PROTO_LOGIN_FAILURE : PROTO_LOGIN_SUCCESS);
	if (!rfb->result)
		rfb->turn = CLIENT_INIT;
	else
		rfb->turn = rfb->minor == 8 ? REASON : NOTHING;
	return true;
}

/* A length and so many bytes, of which the first are kept. */
static bool read_text(struct cur *c, struct rfb_text *ret_text)
{
	uint32_t len = cur_be32(c);
	size_t kept = len < RFB_TEXT_MAX ? len : RFB_TEXT_MAX;

	cur_copy(c, ret_text->at, kept);
	ret_text->len = cur_ok(c) ? (uint16_t)kept : 0;
	return cur_ok(c);
}

static bool take_reason(struct rfb *rfb, struct cur *c)
{
	rfb->turn = NOTHING;
	return read_text(c, &rfb->reason);
}

static bool take_client_init(struct rfb *rfb, struct cur *c)
{
	rfb->shared = cur_u8(c);
	rfb->has_shared = true;
	rfb->turn = SERVER_INIT;
	return true;
}

static bool take_server_init(struct rfb *rfb, struct cur *c)
{
	rfb->width = cur_be16(c);
	rfb->height = cur_be16(c);
	rfb->bits = cur_u8(c);
	rfb->depth = cur_u8(c);
	rfb->big_endian = cur_u8(c);
	rfb->true_color = cur_u8(c);
	for (unsigned i = 0; i < 3; i++)
		rfb->max[i] = cur_be16(c);
	for (unsigned i = 0; i < 3; i++)
		rfb->shift[i] = cur_u8(c);
	cur_skip(c, 3);
	rfb->has_screen = read_text(c, &rfb->name);
	rfb->turn = NOTHING;
	return rfb->has_screen;
}

/* Whose turn it is, and what takes the message; false: it is not whole. */
static const struct {
	uint8_t side;
	bool (*take)(struct rfb *rfb, struct cur *c);
} turns[NOTHING] = { [SERVER_VERSION] = { 1, take_version },
	[CLIENT_VERSION] = { 0, take_client_version },
	[SECURITY_33] = { 1, take_security_33 },
	[SECURITY] = { 1, take_security },
	[CHOICE] = { 0, take_choice },
	[CHALLENGE] = { 1, take_challenge },
	[RESPONSE] = { 0, take_response },
	[VENCRYPT_VERSION] = { 1, take_vencrypt_version },
	[VENCRYPT_CLIENT_VERSION] = { 0, take_vencrypt_client_version },
	[VENCRYPT_TYPES] = { 1, take_vencrypt_types },
	[VENCRYPT_CHOICE] = { 0, take_vencrypt_choice },
	[VENCRYPT_PASSWORD] = { 0, take_vencrypt_password },
	[VENCRYPT_TLS] = { 1, take_vencrypt_tls },
	[RESULT] = { 1, take_result },
	[REASON] = { 1, take_reason },
	[CLIENT_INIT] = { 0, take_client_init },
	[SERVER_INIT] = { 1, take_server_init } };

/* What is missing of a message comes later: then all of it is read anew. */
static bool take_message(struct rfb *rfb, struct cur *c)
{
	const enum rfb_turn turn = rfb->turn;
	struct cur rest = *c;

	if (!cur_left(c) || !turns[turn].take(rfb, &rest)) {
		rfb->turn = turn;
		return false;
	}
	*c = rest;
	if (turn == SERVER_VERSION && !rfb->bad)
		rfb->tx = proto_tx_new(rfb->conn, rfb);
	if (rfb->tx)
		proto_tx_news(rfb->tx, turns[turn].side);
	return !rfb->bad;
}

static void finish(struct rfb *rfb)
{
	if (!rfb->tx)
		return;
	proto_tx_done(rfb->tx, 0);
	proto_tx_done(rfb->tx, 1);
	rfb->tx = NULL;
}

static size_t rfb_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct rfb *rfb = state;
	struct cur c = cur_make(bytes, len);

	(void)end;
	while (rfb->turn != NOTHING && turns[rfb->turn].side == side && take_message(rfb, &c))
		;
	if (rfb->bad)
		return SIZE_MAX;
	if (rfb->turn == NOTHING) {
		finish(rfb);
		if (!rfb->over)
			return len;
		proto_conn_start_over(conn);
		return len - cur_left(&c);
	}
	if (turns[rfb->turn].side != side)
		proto_conn_wait(conn, side);
	return len - cur_left(&c);
}

static void *rfb_open(struct proto_conn *conn)
{
	struct rfb *rfb = proto_alloc(conn, sizeof(*rfb));

	if (rfb)
		rfb->conn = conn;
	return rfb;
}

static void rfb_close(void *state)
{
	struct rfb *rfb = state;

	proto_login_end(rfb->conn, &rfb->login, PROTO_LOGIN_UNKNOWN);
	proto_free(rfb->conn, rfb, sizeof(*rfb));
}

/* The transaction's data is the state, which is still needed. */
static void rfb_free_tx(void *data)
{
	((struct rfb *)data)->tx = NULL;
}

static enum proto_guess rfb_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	(void)info;
	(void)side;
	if (!is_version(cur_make(bytes, len)))
		return PROTO_IS_NOT;
	return len >= RFB_VERSION_LEN ? PROTO_IS : PROTO_MAY_BE;
}

static bool rfb_buffer(
	struct proto_tx *tx, enum proto_buffer_id id, unsigned n, struct proto_bytes *ret_bytes)
{
	const struct rfb *rfb = tx->data;

	if (id != BUFFER_RFB_NAME || n || !rfb->has_screen)
		return false;
	*ret_bytes =
		(struct proto_bytes){ .at = rfb->name.at, .len = rfb->name.len, .complete = true };
	return true;
}

static bool rfb_number(
	struct proto_tx *tx, enum proto_number_id id, unsigned n, uint64_t *ret_number)
{
	const struct rfb *rfb = tx->data;

	if (id == NUMBER_RFB_SECTYPE && rfb->has_type)
		*ret_number = rfb->type;
	else if (id == NUMBER_RFB_SECRESULT && rfb->has_result)
		*ret_number = rfb->result;
	else
		return false;
	return n == 0;
}

static void say_version(struct out *o, const char *name, const char *version)
{
	struct cur c = cur_make(version, 7);
	struct cur major = cur_sub(&c, 3);

	if (!version[0])
		return;
	cur_skip(&c, 1);
	json_open(o, name, '{');
	json_text(o, "major", major.at, 3);
	json_text(o, "minor", c.at, 3);
	json_close(o, '}');
}

static void say_authentication(const struct rfb *rfb, struct out *o)
{
	static const char *const results[] = { "OK", "FAIL", "TOOMANY" };

	json_open(o, "authentication", '{');
	if (rfb->has_type)
		json_u64(o, "security_type", rfb->type);
	if (rfb->has_vencrypt)
		json_u64(o, "vencrypt_type", rfb->vencrypt);
	if (rfb->has_challenge) {
		json_open(o, "vnc", '{');
		json_hex(o, "challenge", rfb->challenge, RFB_SECRET_LEN, 0);
		if (rfb->has_response)
			json_hex(o, "response", rfb->response, RFB_SECRET_LEN, 0);
		json_close(o, '}');
	}
	if (rfb->has_result) {
		json_name(o, "security_result");
		if (rfb->result < 3)
			out_fmt(o, "\"%s\"", results[rfb->result]);
		else
			out_fmt(o, "\"UNKNOWN (%u)\"", rfb->result);
	}
	json_close(o, '}');
}

static void say_quoted(struct out *o, const char *name, const struct rfb_text *text)
{
	char quoted[4 * RFB_TEXT_MAX + 1];
	struct out q = out_make(quoted, sizeof(quoted));

	out_quoted(&q, (const char *)text->at, text->len);
	json_text(o, name, quoted, q.len);
}

static void say_screen(const struct rfb *rfb, struct out *o)
{
	static const char *const colors[] = { "red", "green", "blue" };
	char name[16];

	json_open(o, "framebuffer", '{');
	json_u64(o, "width", rfb->width);
	json_u64(o, "height", rfb->height);
	say_quoted(o, "name", &rfb->name);
	json_open(o, "pixel_format", '{');
	json_u64(o, "bits_per_pixel", rfb->bits);
	json_u64(o, "depth", rfb->depth);
	json_bool(o, "big_endian", rfb->big_endian);
	json_bool(o, "true_color", rfb->true_color);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s_max", colors[i]);
		json_u64(o, name, rfb->max[i]);
	}
	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s_shift", colors[i]);
		json_u64(o, name, rfb->shift[i]);
	}
	json_close(o, '}');
	json_close(o, '}');
}

static bool rfb_json(struct proto_tx *tx, struct out *o)
{
	const struct rfb *rfb = tx->data;

	out_str(o, "\"rfb\":{");
	say_version(o, "server_protocol_version", rfb->version[1]);
	say_version(o, "client_protocol_version", rfb->version[0]);
	say_authentication(rfb, o);
	if (rfb->reason.len)
		say_quoted(o, "server_security_failure_reason", &rfb->reason);
	if (rfb->has_shared)
		json_bool(o, "screen_shared", rfb->shared);
	if (rfb->has_screen)
		say_screen(rfb, o);
	json_close(o, '}');
	return true;
}

const struct proto_parser proto_rfb = { .id = PROTO_RFB,
	.ip_proto = 6,
	.guess = rfb_guess,
	.open = rfb_open,
	.close = rfb_close,
	.feed = rfb_feed,
	.buffer = rfb_buffer,
	.number = rfb_number,
	.json = rfb_json,
	.free_tx = rfb_free_tx };
