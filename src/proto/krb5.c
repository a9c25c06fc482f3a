/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kerberos 5 (RFC 4120) over UDP and TCP: requests to a KDC, its answers and errors. Each message is a transaction. A
 * request that proves to know the password (PA-ENC-TIMESTAMP, 5.2.7.2) is a login: good when a ticket is given.
 */
#include "proto/krb5.h"

#include "proto/ber.h"
#include "proto/talk.h"

#define KRB5_MESSAGE_MAX 60000u /* a longer one (TCP) is not looked at */
#define KRB5_ETYPES_MAX  16u    /* of a request that are shown */
#define KRB5_NAMES_MAX   16u    /* components of a name */
#define KRB5_PADATA_MAX  32u    /* of a request that are looked at */
#define KRB5_JSON_MAX    8192
#define KRB5_CIPHER_MAX  512u /* bytes of what proves the password */
#define KRB5_MD5_LEN     16u  /* of RC4's cipher (RFC 4757, 4), in front of it */

enum { AS_REQ = 10, AS_REP, TGS_REQ, TGS_REP, AP_REQ, ERROR = 30 };
enum { PA_ENC_TIMESTAMP = 2, RC4_HMAC = 23, PREAUTH_FAILED = 24, PREAUTH_REQUIRED = 25 };

struct krb5 {
	struct proto_conn *conn;
	struct proto_login login;
	uint8_t asked;    /* kind of the last request */
	uint64_t left[2]; /* bytes of a message that is not looked at */
};

struct message {
	uint8_t kind;
	struct text_name cname, sname, realm, ticket_realm;
	struct ber reply, ticket; /* EncryptedData; tag 0: none */
	struct cur etypes, padata;
	int64_t error;
};

static const char *kind_name(uint8_t kind)
{
	static const char *const names[] = { "KRB_AS_REQ", "KRB_AS_REP", "KRB_TGS_REQ",
		"KRB_TGS_REP" };

	return kind == ERROR ? "KRB_ERROR" : kind ? names[kind - AS_REQ] : NULL;
}

static const char *etype_name(int64_t etype)
{
	static const char *const names[] = { [1] = "des-cbc-crc",
		[2] = "des-cbc-md4",
		[3] = "des-cbc-md5",
		[5] = "des3-cbc-md5",
		[7] = "des3-cbc-sha1",
		[16] = "des3-cbc-sha1-kd",
		[17] = "aes128-cts-hmac-sha1-96",
		[18] = "aes256-cts-hmac-sha1-96",
		[19] = "aes128-cts-hmac-sha256-128",
		[20] = "aes256-cts-hmac-sha384-192",
		[RC4_HMAC] = "rc4-hmac",
		[24] = "rc4-hmac-exp",
		[25] = "camellia128-cts-cmac",
		[26] = "camellia256-cts-cmac" };

	return etype >= 0 && (size_t)etype < sizeof(names) / sizeof(names[0]) ? names[etype] : NULL;
}

/* RFC 6649, RFC 8429. */
static bool is_weak(int64_t etype)
{
	return (etype >= 0 && etype <= 16) || etype == RC4_HMAC || etype == 24;
}

static const char *error_name(int64_t error)
{
	static const struct {
		int64_t error;
		const char *name;
	} names[] = {
#define KRB5_ERROR(number, name) { number, name },
#include "proto/krb5_error.def"
#undef KRB5_ERROR
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].error == error)
			return names[i].name;
	return NULL;
}

/* ---- reading ---- */

/* The body of the one element in it. */
static struct cur inner(struct cur c)
{
	struct ber element;

	return ber_next(&c, &element) ? element.body : cur_make(NULL, 0);
}

/* PrincipalName: the parts of the name, with slashes. */
static void read_name(struct cur c, struct text_name *ret_name)
{
	struct out o = out_make(ret_name->text, sizeof(ret_name->text));
	struct ber element, part;

	c = inner(c);
	while (ber_next(&c, &element)) {
		struct cur parts = inner(element.body);

		if (element.tag != 0xa1)
			continue;
		for (unsigned n = 0; n < KRB5_NAMES_MAX && ber_next(&parts, &part); n++) {
			out_str(&o, n ? "/" : "");
			out_bytes(&o, (const char *)part.body.at, cur_left(&part.body));
		}
	}
	ret_name->len = (uint32_t)o.len;
}

static void read_text(struct cur c, struct text_name *ret_text)
{
	struct out o = out_make(ret_text->text, sizeof(ret_text->text));

	c = inner(c);
	cur_limit(&c, sizeof(ret_text->text) - 1);
	out_bytes(&o, (const char *)c.at, cur_left(&c));
	ret_text->len = (uint32_t)o.len;
}

/* KDC-REQ-BODY */
static void read_request(struct message *m, struct cur c)
{
	struct ber e;

	c = inner(c);
	while (ber_next(&c, &e)) {
		if (e.tag == 0xa1)
			read_name(e.body, &m->cname);
		else if (e.tag == 0xa2)
			read_text(e.body, &m->realm);
		else if (e.tag == 0xa3)
			read_name(e.body, &m->sname);
		else if (e.tag == 0xa8)
			m->etypes = inner(e.body);
	}
}

static void read_ticket(struct message *m, struct cur c)
{
	struct ber e;

	c = inner(inner(c));
	while (ber_next(&c, &e)) {
		if (e.tag == 0xa1)
			read_text(e.body, &m->ticket_realm);
		else if (e.tag == 0xa2)
			read_name(e.body, &m->sname);
		else if (e.tag == 0xa3)
			m->ticket = e;
	}
}

static void read_reply(struct message *m, const struct ber *e)
{
	if (e->tag == 0xa3)
		read_text(e->body, &m->realm);
	else if (e->tag == 0xa4)
		read_name(e->body, &m->cname);
	else if (e->tag == 0xa5)
		read_ticket(m, e->body);
	else if (e->tag == 0xa6)
		m->reply = *e;
}

static void read_error(struct message *m, const struct ber *e)
{
	if (e->tag == 0xa6)
		m->error = ber_number(inner(e->body));
	else if (e->tag == 0xa7)
		read_text(e->body, &m->realm);
	else if (e->tag == 0xa8)
		read_name(e->body, &m->cname);
	else if (e->tag == 0xaa)
		read_name(e->body, &m->sname);
}

/* False: it is none. */
static bool read_message(struct cur c, struct message *ret_message)
{
	struct message *m = ret_message;
	struct ber all, e;

	*m = (struct message){ .kind = 0 };
	if (!ber_next(&c, &all) || !ber_next(&all.body, &e) || e.tag != 0x30)
		return false;
	m->kind = all.tag & 0x1f;
	c = e.body;
	while (ber_next(&c, &e)) {
		if (m->kind == AS_REP || m->kind == TGS_REP)
			read_reply(m, &e);
		else if (m->kind == ERROR)
			read_error(m, &e);
		else if (e.tag == 0xa3)
			m->padata = inner(e.body);
		else if (e.tag == 0xa4)
			read_request(m, e.body);
	}
	return true;
}

/* EncryptedData: how, and what. */
static int64_t read_encrypted(struct cur c, struct cur *ret_cipher)
{
	int64_t etype = -1;
	struct ber e;

	*ret_cipher = cur_make(NULL, 0);
	c = inner(c);
	while (ber_next(&c, &e)) {
		if (e.tag == 0xa0)
			etype = ber_number(inner(e.body));
		else if (e.tag == 0xa2)
			*ret_cipher = inner(e.body);
	}
	return etype;
}

/* ---- logins ---- */

/* $krb5pa$etype$user$realm$cipher; of RC4 with an empty salt, and the checksum at the end. */
static void keep_hash(struct krb5 *k, const struct message *m, int64_t etype, struct cur cipher)
{
	char text[2 * TEXT_NAME_MAX + 2 * KRB5_CIPHER_MAX + 64];
	struct out o = out_make(text, sizeof(text));
	struct cur sum = cur_make(NULL, 0);

	if (!cur_left(&cipher) || cur_left(&cipher) > KRB5_CIPHER_MAX)
		return;
	out_fmt(&o, "$krb5pa$%lld$", (long long)etype);
	out_bytes(&o, m->cname.text, m->cname.len);
	out_char(&o, '$');
	out_bytes(&o, m->realm.text, m->realm.len);
	out_str(&o, etype == RC4_HMAC ? "$$" : "$");
	if (etype == RC4_HMAC && cur_left(&cipher) > KRB5_MD5_LEN)
		sum = cur_sub(&cipher, KRB5_MD5_LEN);
	out_hex(&o, cipher.at, cur_left(&cipher));
	out_hex(&o, sum.at, cur_left(&sum));
	proto_login_hash(&k->login, (const uint8_t *)text, o.len);
}

static void begin_login(
	struct krb5 *k, unsigned side, const struct message *m, struct cur timestamp)
{
	char text[2 * TEXT_NAME_MAX + 2];
	struct out o = out_make(text, sizeof(text));
	struct cur cipher;
	/* A PA-DATA's value is an EncryptedData without a tag of its own around it. */
	int64_t etype = read_encrypted(timestamp, &cipher);

	proto_login_begin(k->conn, &k->login, "kerberos");
	k->login.side = (uint8_t)side;
	out_bytes(&o, m->cname.text, m->cname.len);
	out_char(&o, '@');
	out_bytes(&o, m->realm.text, m->realm.len);
	proto_login_user(&k->login, (const uint8_t *)text, o.len);
	keep_hash(k, m, etype, cipher);
}

/* PA-DATA: type, value. */
static struct cur find_timestamp(struct cur list)
{
	struct ber one, e;

	for (unsigned n = 0; n < KRB5_PADATA_MAX && ber_next(&list, &one); n++) {
		int64_t type = -1;

		while (ber_next(&one.body, &e)) {
			if (e.tag == 0xa1)
				type = ber_number(inner(e.body));
			else if (e.tag == 0xa2 && type == PA_ENC_TIMESTAMP)
				return inner(e.body);
		}
	}
	return cur_make(NULL, 0);
}

static void follow_login(struct krb5 *k, unsigned side, const struct message *m)
{
	struct cur timestamp = find_timestamp(m->padata);

	if (m->kind == AS_REQ && cur_left(&timestamp))
		begin_login(k, side, m, timestamp);
	else if (m->kind == AS_REP)
		proto_login_answer(k->conn, &k->login, side, PROTO_LOGIN_SUCCESS);
	else if (m->kind == ERROR && m->error != PREAUTH_REQUIRED)
		proto_login_answer(k->conn, &k->login, side,
			m->error == PREAUTH_FAILED ? PROTO_LOGIN_FAILURE : PROTO_LOGIN_UNKNOWN);
}

/* ---- telling ---- */

static void say_name(struct out *o, const char *name, const struct text_name *text)
{
	if (text->len)
		json_text(o, name, text->text, text->len);
	else
		json_str(o, name, "<empty>");
}

static void say_etype(struct out *o, const char *name, int64_t etype)
{
	const char *known = etype_name(etype);

	json_name(o, name);
	if (known)
		out_fmt(o, "\"%s\"", known);
	else
		out_fmt(o, "\"%lld\"", (long long)etype);
}

static void say_encryption(struct out *o, const struct message *m)
{
	struct cur cipher;
	int64_t etype;

	if (!m->reply.tag) {
		json_str(o, "encryption", "<none>");
		json_bool(o, "weak_encryption", false);
	} else {
		etype = read_encrypted(m->reply.body, &cipher);
		say_etype(o, "encryption", etype);
		json_bool(o, "weak_encryption", is_weak(etype));
	}
	if (m->ticket.tag) {
		etype = read_encrypted(m->ticket.body, &cipher);
		say_etype(o, "ticket_encryption", etype);
		json_bool(o, "ticket_weak_encryption", is_weak(etype));
	}
}

static void say_etypes(struct out *o, struct cur list)
{
	struct ber e;

	if (!cur_left(&list))
		return;
	json_open(o, "etypes", '[');
	for (unsigned n = 0; n < KRB5_ETYPES_MAX && ber_next(&list, &e); n++)
		say_etype(o, NULL, ber_number(e.body));
	json_close(o, ']');
}

static void say_message(struct krb5 *k, struct proto_fields *f, const struct message *m)
{
	char text[KRB5_JSON_MAX];
	struct out o = out_make(text, sizeof(text));
	const char *name = error_name(m->error);

	json_str(&o, "msg_type", kind_name(m->kind));
	if (m->kind == ERROR) {
		json_str(&o, "failed_request", k->asked ? kind_name(k->asked) : "<unknown>");
		json_name(&o, "error_code");
		if (name)
			out_fmt(&o, "\"%s\"", name);
		else
			out_fmt(&o, "\"%lld\"", (long long)m->error);
		proto_fields_add_number(f, NUMBER_KRB5_ERR_CODE, (uint64_t)m->error);
	}
	say_name(&o, "cname", &m->cname);
	say_name(&o, "realm", &m->realm);
	say_name(&o, "sname", &m->sname);
	say_encryption(&o, m);
	say_etypes(&o, m->etypes);
	proto_fields_say(f, &o);
	proto_fields_add_number(f, NUMBER_KRB5_MSG_TYPE, m->kind);
	if (m->cname.len)
		proto_fields_add(f, BUFFER_KRB5_CNAME, m->cname.text, m->cname.len);
	if (m->sname.len)
		proto_fields_add(f, BUFFER_KRB5_SNAME, m->sname.text, m->sname.len);
}

static bool is_kind(uint8_t tag)
{
	return tag >= 0x60 + AS_REQ && (tag <= 0x60 + TGS_REP || tag == 0x60 + ERROR);
}

static void take_message(struct krb5 *k, unsigned side, struct cur c)
{
	struct proto_tx *tx;
	struct message m;

	if (!is_kind(cur_ahead(c, 0)))
		return;
	tx = proto_fields_tx(k->conn, "krb5");
	if (!tx)
		return;
	((struct proto_fields *)tx->data)->sides = (uint8_t)(1u << side);
	if (read_message(c, &m)) {
		say_message(k, tx->data, &m);
		follow_login(k, side, &m);
		if (m.kind == AS_REQ || m.kind == TGS_REQ)
			k->asked = m.kind;
	} else {
		proto_tx_add_event(tx, "krb5.malformed_data");
	}
	tx->state.done[!side] = true;
	proto_tx_done(tx, side);
}

/* AP-REQ (RFC 4120, 5.5.1) behind the mechanism and its kind of token. */
void krb5_say_ticket(struct out *o, struct cur c)
{
	static const uint8_t begins[] = { 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2, 1, 0 };
	const uint8_t *at =
		cur_left(&c) ? memmem(c.at, cur_left(&c), begins, sizeof(begins)) : NULL;
	struct message m = { .kind = 0 };
	struct ber all, e;

	cur_skip(&c, at ? (size_t)(at - c.at) + sizeof(begins) : cur_left(&c));
	if (!ber_next(&c, &all) || all.tag != 0x60 + AP_REQ)
		return;
	c = inner(all.body);
	while (ber_next(&c, &e))
		if (e.tag == 0xa3)
			read_ticket(&m, e.body);
	if (!m.ticket.tag)
		return;
	json_open(o, "kerberos", '{');
	json_text(o, "realm", m.ticket_realm.text, m.ticket_realm.len);
	json_text(o, "sname", m.sname.text, m.sname.len);
	json_close(o, '}');
}

/* ---- the parser ---- */

/* RFC 4120, 7.2.2: in TCP, the length of each in front of it. */
static bool take_framed(struct krb5 *k, unsigned side, struct cur *c)
{
	struct cur at = *c;
	uint32_t len = cur_be32(&at);

	if (!cur_ok(&at) || (len <= KRB5_MESSAGE_MAX && cur_left(&at) < len))
		return false;
	if (len > KRB5_MESSAGE_MAX)
		k->left[side] = len;
	else
		take_message(k, side, cur_sub(&at, len));
	*c = at;
	return true;
}

static size_t krb5_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct krb5 *k = state;
	struct cur c = cur_make(bytes, len);

	(void)end;
	if (proto_conn_info(conn)->ip_proto != IPPROTO_TCP) {
		take_message(k, side, c);
		return len;
	}
	do
		talk_skip(&k->left[side], &c);
	while (take_framed(k, side, &c));
	return len - cur_left(&c);
}

static void *krb5_open(struct proto_conn *conn)
{
	struct krb5 *k = proto_alloc(conn, sizeof(*k));

	if (k)
		k->conn = conn;
	return k;
}

static void krb5_close(void *state)
{
	struct krb5 *k = state;

	proto_login_end(k->conn, &k->login, PROTO_LOGIN_UNKNOWN);
	proto_free(k->conn, k, sizeof(*k));
}

static void skip_len(struct cur *c)
{
	uint8_t len = cur_u8(c);

	if (len == 0x80 || len > 0x84)
		cur_fail(c);
	else if (len & 0x80)
		cur_skip(c, len & 0x7f);
}

/* How a message begins: an application's tag, a sequence, version 5. */
static enum proto_guess guess_message(struct cur c)
{
	uint8_t tag = cur_u8(&c);
	bool asks = tag == 0x60 + AS_REQ || tag == 0x60 + TGS_REQ;
	const uint8_t version[] = { asks ? 0xa1 : 0xa0, 3, 2, 1, 5 };

	if (!cur_ok(&c))
		return PROTO_MAY_BE;
	if (!is_kind(tag))
		return PROTO_IS_NOT;
	skip_len(&c);
	if (cur_ok(&c) && cur_left(&c) && cur_u8(&c) != 0x30)
		return PROTO_IS_NOT;
	skip_len(&c);
	if (!cur_ok(&c) || cur_left(&c) < sizeof(version))
		return PROTO_MAY_BE;
	return memcmp(c.at, version, sizeof(version)) == 0 ? PROTO_IS : PROTO_IS_NOT;
}

static enum proto_guess krb5_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);
	enum proto_guess answer;

	(void)side;
	if (info->ip_proto != IPPROTO_TCP) {
		answer = guess_message(c);
		return answer == PROTO_IS ? PROTO_IS : PROTO_IS_NOT;
	}
	if (cur_ahead(c, 0) || cur_ahead(c, 1) > 1) /* no message is that long */
		return PROTO_IS_NOT;
	cur_skip(&c, len < 4 ? len : 4);
	return guess_message(c);
}

const struct proto_parser proto_krb5 = { .id = PROTO_KRB5,
	.guess = krb5_guess,
	.open = krb5_open,
	.close = krb5_close,
	.feed = krb5_feed,
	.buffer = proto_fields_buffer,
	.number = proto_fields_number,
	.json = proto_fields_json,
	.free_tx = proto_fields_free };
