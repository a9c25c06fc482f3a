/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS and SSLv3 (RFC 8446, 5246, 6101): records, and of the handshake what is not encrypted. A
 * connection is one transaction. A handshake message is put together from records up to
 * TLS_MESSAGE_MAX bytes; of a longer one the rest is skipped. Of SSLv2 only that it is one.
 */
#include "proto/tls_hello.h"
#include "proto/x509.h"

#include <stdlib.h>

#define TLS_RECORD_MAX  (16384u + 2048u)
#define TLS_MESSAGE_MAX (40u << 10)
#define TLS_CERTS_MAX   16

enum { RECORD_CHANGE_CIPHER = 20, RECORD_ALERT, RECORD_HANDSHAKE, RECORD_DATA, RECORD_HEARTBEAT };
enum {
	STATE_CLIENT_HELLO = 1,
	STATE_SERVER_HELLO = 2,
	STATE_CLIENT_KEYX = 4,
	STATE_SERVER_KEYX = 8
};

struct tls_side {
	struct proto_body message;
	uint32_t skip; /* bytes of a record still to come that nobody needs */
	bool encrypted;
};

struct tls {
	struct proto_conn *conn;
	struct proto_tx *tx;
	struct tls_side side[2];
	uint16_t version;
	unsigned states;
	bool resumed, over; /* over: the transaction was, and is not any more */
	uint8_t session[32];
	uint8_t session_len;
};

static void add_random(struct proto_fields *f, struct cur random)
{
	proto_fields_add(f, BUFFER_TLS_RANDOM, random.at, 32);
	proto_fields_add(f, BUFFER_TLS_RANDOM_TIME, cur_take(&random, 4), 4);
	proto_fields_add(f, BUFFER_TLS_RANDOM_BYTES, cur_take(&random, 28), 28);
}

static const char *version_name(uint16_t version)
{
	switch (version) {
	case 0x0002:
		return "SSLv2";
	case 0x0300:
		return "SSLv3";
	case 0x0301:
		return "TLSv1";
	case 0x0302:
		return "TLS 1.1";
	case 0x0303:
		return "TLS 1.2";
	case 0x0304:
		return "TLS 1.3";
	default:
		return version >> 8 == 0x7f ? "TLS 1.3" : "UNDETERMINED";
	}
}

static void json_list(struct out *o, const char *name, const struct tls_list *list)
{
	json_open(o, name, '[');
	for (unsigned i = 0; i < list->n; i++)
		if (!tls_is_grease(list->at[i]))
			json_u64(o, NULL, list->at[i]);
	json_close(o, ']');
}

/* The whole of a hello, for people who look for what is unusual. */
static void say_hello(struct proto_fields *f, const struct tls_hello *h, bool client)
{
	char text[8192];
	struct out o = out_make(text, sizeof(text));

	if (f->text_len)
		out_char(&o, ',');
	json_open(&o, client ? "client_handshake" : "server_handshake", '{');
	json_str(&o, "version", version_name(h->version));
	if (client)
		json_list(&o, "ciphers", &h->ciphers);
	else
		json_u64(&o, "cipher", h->ciphers.at[0]);
	json_list(&o, "exts", &h->extensions);
	if (client)
		json_list(&o, "sig_algs", &h->signatures);
	json_close(&o, '}');
	proto_fields_say(f, &o);
}

static void note_session(struct tls *tls, unsigned side, struct cur session)
{
	size_t len = cur_left(&session);

	if (side == 0) {
		tls->session_len = len <= sizeof(tls->session) ? (uint8_t)len : 0;
		cur_copy(&session, tls->session, tls->session_len);
	} else if (len && len == tls->session_len && tls->version < 0x0304) {
		tls->resumed = memcmp(session.at, tls->session, len) == 0;
	}
}

static void take_hello(struct tls *tls, unsigned side, struct cur body)
{
	struct proto_fields *f = tls->tx->data;
	struct tls_hello h;

	if (!tls_hello_read(body, side == 0, &h)) {
		proto_tx_add_event(tls->tx, "tls.handshake_invalid_length");
		return;
	}
	tls->states |= side ? STATE_SERVER_HELLO : STATE_CLIENT_HELLO;
	tls->version = h.version;
	note_session(tls, side, h.session);
	add_random(f, h.random);
	proto_fields_add_text(f, BUFFER_TLS_VERSION, version_name(h.version));
	tls_hello_add(f, &h, side == 0, 't');
	say_hello(f, &h, side == 0);
}

static void add_times(struct tls *tls, unsigned side, const struct x509_times *times)
{
	proto_fields_add_number(tls->tx->data,
		side ? NUMBER_TLS_NOT_BEFORE : NUMBER_TLS_CLIENT_NOT_BEFORE,
		(uint64_t)times->not_before);
	proto_fields_add_number(tls->tx->data,
		side ? NUMBER_TLS_NOT_AFTER : NUMBER_TLS_CLIENT_NOT_AFTER,
		(uint64_t)times->not_after);
}

static void take_certificates(struct tls *tls, unsigned side, struct cur body)
{
	struct proto_fields *f = tls->tx->data;
	struct x509_times times;
	uint64_t n = 0;
	struct cur list;

	cur_skip(&body, 1);
	list = cur_sub(&body, cur_be16(&body));
	while (cur_left(&list) > 3 && n < TLS_CERTS_MAX) {
		struct cur der;

		cur_skip(&list, 1);
		der = cur_sub(&list, cur_be16(&list));
		if (!cur_ok(&der) || !cur_left(&der)) {
			proto_tx_add_event(tls->tx, "tls.certificate_invalid_length");
			break;
		}
		if (n == 0 && x509_read(f, der.at, cur_left(&der), &times))
			add_times(tls, side, &times);
		else if (n == 0)
			proto_tx_add_event(tls->tx, "tls.certificate_invalid_der");
		proto_fields_add(f, BUFFER_TLS_CERTS, der.at, cur_left(&der));
		n++;
	}
	proto_fields_add_number(f, NUMBER_TLS_CERT_CHAIN_LEN, n);
}

static void take_message(struct tls *tls, unsigned side, uint8_t type, struct cur body)
{
	switch (type) {
	case 1:
	case 2:
		if ((type == 1) == (side == 0))
			take_hello(tls, side, body);
		break;
	case 11:
		if (!tls->side[side].encrypted)
			take_certificates(tls, side, body);
		break;
	case 12:
		tls->states |= STATE_SERVER_KEYX;
		break;
	case 16:
		tls->states |= STATE_CLIENT_KEYX;
		break;
	default:
		break;
	}
}

/* Whole messages out of what has been put together. */
static void take_messages(struct tls *tls, unsigned side)
{
	struct proto_body *body = &tls->side[side].message;
	struct cur c = cur_make(body->at, body->len);
	size_t used = 0;

	while (cur_left(&c) >= 4) {
		uint8_t type = cur_u8(&c);
		size_t len = (size_t)cur_u8(&c) << 16;

		len |= cur_be16(&c);
		if (cur_left(&c) < len) {
			if (len > TLS_MESSAGE_MAX) {
				proto_tx_add_event(tls->tx, "tls.invalid_handshake_message");
				tls->side[side].encrypted = true;
				used = body->len;
			}
			break;
		}
		take_message(tls, side, type, cur_sub(&c, len));
		used = body->len - cur_left(&c);
	}
	if (used == 0) /* nothing may be there at all, and NULL + 0 is undefined */
		return;
	memmove(body->at, body->at + used, body->len - used);
	body->len -= (uint32_t)used;
}

/* Nothing readable follows from this side. */
static void now_encrypted(struct tls *tls, unsigned side)
{
	tls->side[side].encrypted = true;
	proto_body_free(tls->conn, &tls->side[side].message);
	if (!tls->tx->state.done[side])
		proto_tx_done(tls->tx, side);
}

static void take_heartbeat(struct tls *tls, struct cur c, uint16_t record)
{
	uint8_t type = cur_u8(&c);
	uint16_t payload = cur_be16(&c);

	if (!cur_ok(&c) || type < 1 || type > 2)
		proto_tx_add_event(tls->tx, "tls.invalid_heartbeat_message");
	else if ((uint32_t)payload + 3 > record)
		proto_tx_add_event(tls->tx, "tls.overflow_heartbeat_message");
}

static void take_record(struct tls *tls, unsigned side, uint8_t type, struct cur body)
{
	struct tls_side *s = &tls->side[side];

	((struct proto_fields *)tls->tx->data)->sides = (uint8_t)(1u << side);
	switch (type) {
	case RECORD_HANDSHAKE:
		if (s->encrypted || tls->tx->state.done[side])
			return;
		if (s->message.len + cur_left(&body) > PROTO_BODY_KEEP ||
			!proto_body_add(tls->conn, &s->message, body.at, cur_left(&body)))
			return;
		take_messages(tls, side);
		proto_tx_news(tls->tx, side);
		return;
	case RECORD_HEARTBEAT:
		if (!s->encrypted)
			take_heartbeat(tls, body, (uint16_t)cur_left(&body));
		proto_tx_news(tls->tx, side);
		return;
	default:
		now_encrypted(tls, side);
	}
}

static bool is_sslv2(struct cur c)
{
	uint16_t size = cur_be16(&c);
	uint8_t type = cur_u8(&c), major = cur_u8(&c), minor = cur_u8(&c);

	return cur_ok(&c) && size & 0x8000 && type == 1 &&
	       ((major == 3 && minor < 4) || (major == 0 && minor == 2));
}

static bool has_tx(struct tls *tls)
{
	if (!tls->tx && !tls->over)
		tls->tx = proto_fields_tx(tls->conn, NULL);
	return tls->tx;
}

static size_t refuse(struct tls *tls, unsigned side, const char *event)
{
	proto_tx_add_event(tls->tx, event);
	proto_tx_news(tls->tx, side);
	return SIZE_MAX;
}

/* One record at `c`: false when not enough of it is there; an event ends it all. */
static bool next_record(struct tls *tls, unsigned side, struct cur *c, const char **ret_event)
{
	struct cur at = *c, body;
	uint8_t type = cur_u8(&at);
	uint16_t version = cur_be16(&at), len = cur_be16(&at);

	if (!cur_ok(&at))
		return false;
	if (type < RECORD_CHANGE_CIPHER || type > RECORD_HEARTBEAT)
		*ret_event = "tls.invalid_record_type";
	else if (version >> 8 != 3 || (version & 255) > 4)
		*ret_event = "tls.invalid_record_version";
	else if (len > TLS_RECORD_MAX)
		*ret_event = "tls.invalid_record_length";
	if (*ret_event)
		return false;
	if (tls->side[side].encrypted || type == RECORD_DATA) {
		if (type == RECORD_DATA && !tls->side[side].encrypted)
			now_encrypted(tls, side);
		tls->side[side].skip = len;
		*c = at;
		return true;
	}
	body = cur_sub(&at, len);
	if (!cur_ok(&body))
		return false;
	take_record(tls, side, type, body);
	*c = at;
	return true;
}

static void skip_some(struct tls_side *side, struct cur *c)
{
	size_t n = side->skip < cur_left(c) ? side->skip : cur_left(c);

	cur_skip(c, n);
	side->skip -= (uint32_t)n;
}

static size_t tls_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct tls *tls = state;
	struct cur c = cur_make(bytes, len);
	const char *event = NULL;

	(void)conn;
	(void)end;
	if (!has_tx(tls))
		return SIZE_MAX;
	if (side == 0 && !tls->states && is_sslv2(c)) {
		tls->version = 2;
		return refuse(tls, side, "tls.invalid_sslv2_header");
	}
	do
		skip_some(&tls->side[side], &c);
	while (next_record(tls, side, &c, &event));
	if (event)
		return refuse(tls, side, event);
	return len - cur_left(&c);
}

static void tls_free_tx(void *data)
{
	struct tls *tls = proto_conn_state(((struct proto_fields *)data)->conn);

	tls->tx = NULL;
	tls->over = true;
	proto_fields_free(data);
}

static void *tls_open(struct proto_conn *conn)
{
	struct tls *tls = proto_alloc(conn, sizeof(*tls));

	if (tls)
		*tls = (struct tls){ .conn = conn };
	return tls;
}

static void tls_close(void *state)
{
	struct tls *tls = state;

	proto_body_free(tls->conn, &tls->side[0].message);
	proto_body_free(tls->conn, &tls->side[1].message);
	proto_free(tls->conn, tls, sizeof(*tls));
}

static enum proto_guess tls_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);
	uint8_t type = cur_ahead(c, 0);
	bool old = side == 0 && type & 0x80;

	(void)info;
	if (len && (type < RECORD_CHANGE_CIPHER || type > RECORD_HEARTBEAT) && !old)
		return PROTO_IS_NOT;
	if (len < 3)
		return PROTO_MAY_BE;
	if (old)
		return len < 5 ? PROTO_MAY_BE : is_sslv2(c) ? PROTO_IS : PROTO_IS_NOT;
	if (cur_ahead(c, 1) != 3 || cur_ahead(c, 2) > 4)
		return PROTO_IS_NOT;
	return PROTO_IS;
}

static void json_number_time(
	struct out *o, const char *name, struct proto_tx *tx, enum proto_number_id id)
{
	uint64_t seconds;

	if (!proto_fields_number(tx, id, 0, &seconds))
		return;
	json_name(o, name);
	out_char(o, '"');
	x509_time_text(o, (int64_t)seconds);
	out_char(o, '"');
}

static void json_side_field(struct out *o, const char *name, const struct proto_fields *f,
	enum proto_buffer_id id, uint8_t sides)
{
	struct proto_bytes bytes;

	if (proto_fields_get_side(f, id, 0, sides, &bytes))
		json_text(o, name, bytes.at, bytes.len);
}

static void json_certificate(struct out *o, struct proto_tx *tx, unsigned side)
{
	const struct proto_fields *f = tx->data;
	uint8_t sides = (uint8_t)(1u << side);

	json_side_field(o, "subject", f, BUFFER_TLS_CERT_SUBJECT, sides);
	json_side_field(o, "issuerdn", f, BUFFER_TLS_CERT_ISSUER, sides);
	json_side_field(o, "serial", f, BUFFER_TLS_CERT_SERIAL, sides);
	json_side_field(o, "fingerprint", f, BUFFER_TLS_CERT_FINGERPRINT, sides);
	json_number_time(
		o, "notbefore", tx, side ? NUMBER_TLS_NOT_BEFORE : NUMBER_TLS_CLIENT_NOT_BEFORE);
	json_number_time(
		o, "notafter", tx, side ? NUMBER_TLS_NOT_AFTER : NUMBER_TLS_CLIENT_NOT_AFTER);
}

static void json_client(struct out *o, struct proto_tx *tx)
{
	struct proto_bytes bytes;

	if (!proto_fields_get_side(tx->data, BUFFER_TLS_CERT_FINGERPRINT, 0, 1, &bytes))
		return;
	json_open(o, "client", '{');
	json_certificate(o, tx, 0);
	json_close(o, '}');
}

static bool tls_json(struct proto_tx *tx, struct out *o)
{
	const struct proto_fields *f = tx->data;
	const struct tls *tls = proto_conn_state(tx->conn);
	enum proto_id before = proto_conn_before(tx->conn);

	if (!tls->version)
		return false;
	out_str(o, "\"tls\":{");
	json_certificate(o, tx, 1);
	tls_json_all(o, "subjectaltname", f, BUFFER_TLS_SUBJECTALTNAME, 2);
	json_field(o, "sni", f, BUFFER_TLS_SNI);
	json_str(o, "version", version_name(tls->version));
	if (tls->resumed)
		json_bool(o, "session_resumed", true);
	if (before)
		json_str(o, "from_proto", proto_name(before));
	tls_json_ja3(o, "ja3", f, BUFFER_JA3_HASH, BUFFER_JA3_STRING);
	tls_json_ja3(o, "ja3s", f, BUFFER_JA3S_HASH, BUFFER_JA3S_STRING);
	json_field(o, "ja4", f, BUFFER_JA4_HASH);
	tls_json_all(o, "client_alpns", f, BUFFER_TLS_ALPN, 1);
	json_side_field(o, "server_alpn", f, BUFFER_TLS_ALPN, 2);
	json_client(o, tx);
	if (f->text_len) {
		json_name(o, NULL);
		out_bytes(o, f->text, f->text_len);
	}
	json_close(o, '}');
	return true;
}

static bool tls_number(
	struct proto_tx *tx, enum proto_number_id id, unsigned n, uint64_t *ret_number)
{
	const struct tls *tls = proto_conn_state(tx->conn);

	if (id == NUMBER_TLS_VERSION && n == 0 && tls->version) {
		*ret_number = tls->version;
		return true;
	}
	if (id == NUMBER_TLS_STATES && n == 0) {
		*ret_number = tls->states;
		return true;
	}
	return proto_fields_number(tx, id, n, ret_number);
}

const struct proto_parser proto_tls = { .id = PROTO_TLS,
	.ip_proto = IPPROTO_TCP,
	.guess = tls_guess,
	.open = tls_open,
	.close = tls_close,
	.feed = tls_feed,
	.buffer = proto_fields_buffer,
	.number = tls_number,
	.json = tls_json,
	.free_tx = tls_free_tx };
