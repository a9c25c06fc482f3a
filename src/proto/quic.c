/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QUIC (RFC 9000, 9001, 9369; draft 29 to 32): Initial packets are opened, the hellos of TLS in their CRYPTO
 * frames are put together and read. A hello is a transaction. Nothing else of a connection can be read.
 *
 * An Initial is protected by what its first destination id makes known. A client that is sent elsewhere
 * (Retry) begins again with another id: so an id that is new is tried when the keys at hand do not fit, at most
 * QUIC_KEYS_MAX times, and a connection has no more than QUIC_TRIES_MAX packets opened.
 */
#include "proto/quic.h"

#include "proto/quic_keys.h"
#include "proto/tls_hello.h"

#define QUIC_ID_MAX      20u
#define QUIC_KEYS_MAX    8u          /* ids of a connection whose keys are made */
#define QUIC_TRIES_MAX   64u         /* packets of a connection that are tried to open */
#define QUIC_HELLOS_MAX  16u         /* of a connection that are told */
#define QUIC_PACKETS_MAX 16u         /* in one datagram */
#define QUIC_FRAMES_MAX  256u        /* in one packet, padding apart */
#define QUIC_CRYPTO_MAX  (16u << 10) /* bytes of a side's handshake that are put together */
#define QUIC_GUESS_MIN   64u /* bytes of an Initial, far below what clients send (RFC 9000, 14.1) */

enum { LONG_HEADER = 0x80, FIXED_BIT = 0x40 };
enum { FRAME_PADDING, FRAME_PING, FRAME_ACK, FRAME_ACK_ECN, FRAME_CRYPTO = 6, FRAME_CLOSE = 0x1c };
enum { CLIENT_HELLO = 1, SERVER_HELLO = 2 };

struct quic_bytes {
	uint8_t at[QUIC_CRYPTO_MAX];
	uint8_t has[QUIC_CRYPTO_MAX / 8]; /* a bit for each that has come */
};

/* What a side says in CRYPTO frames. */
struct quic_crypto {
	struct quic_bytes *bytes;
	uint32_t ready; /* bytes from the beginning that have come */
	uint32_t used;  /* of them, messages that have been read */
};

struct quic_side {
	struct quic_keys keys;
	struct quic_crypto crypto;
};

struct quic {
	struct proto_conn *conn;
	bool keyed;
	uint8_t id[QUIC_ID_MAX], id_len; /* that the keys are of */
	unsigned n_keys, n_tries, n_hellos;
	struct quic_side side[2];
};

/* A long header, taken apart. */
struct header {
	const struct quic_version *version;
	struct cur id; /* the destination's */
	bool initial;
	size_t number_at; /* from the packet's beginning */
	size_t len;       /* of the packet */
};

static uint64_t read_varint(struct cur *c)
{
	unsigned more = 1u << (cur_ahead(*c, 0) >> 6);
	uint64_t n = cur_u8(c) & 63;

	while (--more)
		n = n << 8 | cur_u8(c);
	return n;
}

/* False: it is none that we know, or ends the datagram (Retry, which has no length). */
static bool read_header(struct cur c, struct header *ret_header)
{
	struct header h = { .version = NULL };
	const uint8_t *begin = c.at;
	uint8_t first = cur_u8(&c), type = first >> 4 & 3;
	uint64_t len;

	h.version = quic_version_find(cur_be32(&c));
	if ((first & (LONG_HEADER | FIXED_BIT)) != (LONG_HEADER | FIXED_BIT) || !h.version)
		return false;
	h.id = cur_sub(&c, cur_u8(&c));
	cur_skip(&c, cur_u8(&c));
	if (!cur_ok(&c) || cur_left(&h.id) > QUIC_ID_MAX || type == h.version->retry)
		return false;
	h.initial = type == h.version->initial;
	if (h.initial) {
		len = read_varint(&c);
		cur_skip(&c, len < SIZE_MAX ? (size_t)len : SIZE_MAX);
	}
	len = read_varint(&c);
	if (!cur_ok(&c) || len > cur_left(&c))
		return false;
	h.number_at = (size_t)(c.at - begin);
	h.len = h.number_at + (size_t)len;
	*ret_header = h;
	return true;
}

static bool has_byte(const struct quic_crypto *crypto, uint32_t at)
{
	return crypto->bytes->has[at / 8] & 1u << at % 8;
}

static bool crypto_add(
	struct quic *quic, struct quic_crypto *crypto, uint64_t offset, struct cur bytes)
{
	if (!crypto->bytes)
		crypto->bytes = proto_alloc(quic->conn, sizeof(*crypto->bytes));
	if (!crypto->bytes || offset > QUIC_CRYPTO_MAX ||
		cur_left(&bytes) > QUIC_CRYPTO_MAX - offset)
		return false;
	for (uint32_t at = (uint32_t)offset; cur_left(&bytes); at++) {
		uint8_t byte = cur_u8(&bytes);

		if (!has_byte(crypto, at)) /* who says a byte first is right */
			crypto->bytes->at[at] = byte;
		crypto->bytes->has[at / 8] |= (uint8_t)(1u << at % 8);
	}
	while (crypto->ready < QUIC_CRYPTO_MAX && has_byte(crypto, crypto->ready))
		crypto->ready++;
	return true;
}

static void crypto_free(struct quic *quic, struct quic_crypto *crypto)
{
	proto_free(quic->conn, crypto->bytes, sizeof(struct quic_bytes));
	*crypto = (struct quic_crypto){ .bytes = NULL };
}

/* Extensions as Suricata names them. */
static const char *extension_name(uint16_t type)
{
	static const char *const names[] = { "server_name", "max_fragment_length",
		"client_certificate_url", "trusted_ca_keys", "truncated_hmac", "status_request",
		"user_mapping", "client_authz", "server_authz", "cert_type", "supported_groups",
		"ec_point_formats", "srp", "signature_algorithms", "use_srtp", "heartbeat", "alpn",
		"status_request_v2", "signed_certificate_timestamp", "client_certificate_type",
		"server_certificate_type", "padding", "encrypt_then_mac", "extended_master_secret",
		"token_binding", "cached_info", "tls_lts", "compress_certificate",
		"record_size_limit", "pwd_protect", "pwd_clear", "password_salt", "ticket_pinning",
		"tls_cert_with_extern_psk", "delegated_credentials", "session_ticket", "TLMSP",
		"TLMSP_proxying", "TLMSP_delegate", "supported_ekt_ciphers", NULL, "pre_shared_key",
		"early_data", "supported_versions", "cookie", "psk_key_exchange_modes", NULL,
		"certificate_authorities", "oid_filters", "post_handshake_auth",
		"signature_algorithms_cert", "key_share", "transparency_info", NULL,
		"connection_id", "external_id_hash", "external_session_id",
		"quic_transport_parameters", "ticket_request", "dnssec_chain" };

	if (type < sizeof(names) / sizeof(names[0]))
		return names[type];
	return type == 0xff01 ? "renegotiation_info" : NULL;
}

static void say_extensions(struct proto_fields *f, const struct tls_hello *h, uint8_t sides)
{
	char text[24 << 10];
	struct out o = out_make(text, sizeof(text));

	json_open(&o, "extensions", '[');
	for (unsigned i = 0; i < h->extensions.n; i++) {
		uint16_t type = h->extensions.at[i];
		const char *name = extension_name(type);

		json_open(&o, NULL, '{');
		if (name)
			json_str(&o, "name", name);
		json_u64(&o, "type", type);
		if (type == 0)
			tls_json_all(&o, "values", f, BUFFER_TLS_SNI, sides);
		else if (type == 16)
			tls_json_all(&o, "values", f, BUFFER_TLS_ALPN, sides);
		json_close(&o, '}');
	}
	json_close(&o, ']');
	proto_fields_say(f, &o);
}

/* A transaction that is whole when it begins. */
static void tell(struct quic *quic, unsigned side, struct proto_fields *f)
{
	bool few = quic->n_hellos++ < QUIC_HELLOS_MAX;
	struct proto_tx *tx = few ? proto_tx_new(quic->conn, f) : NULL;

	if (!few)
		proto_conn_limit(quic->conn);
	if (!tx) {
		proto_fields_free(f);
		return;
	}
	tx->state.done[!side] = true; /* never says anything in it */
	proto_tx_done(tx, side);
}

static void take_hello(
	struct quic *quic, unsigned side, const struct quic_version *version, struct cur body)
{
	struct proto_fields *f;
	struct tls_hello h;
	struct cur sni;

	if (!tls_hello_read(body, side == 0, &h))
		return;
	f = proto_fields_new(quic->conn, NULL);
	if (!f)
		return;
	f->sides = (uint8_t)(1u << side);
	sni = h.sni;
	proto_fields_add_text(f, BUFFER_QUIC_VERSION, version->name);
	if (cur_left(&sni))
		proto_fields_add(f, BUFFER_QUIC_SNI, sni.at, cur_left(&sni));
	tls_hello_add(f, &h, side == 0, 'q');
	say_extensions(f, &h, f->sides);
	tell(quic, side, f);
}

/* Messages that have come whole. */
static void take_messages(struct quic *quic, unsigned side, const struct quic_version *version)
{
	struct quic_crypto *crypto = &quic->side[side].crypto;
	struct cur c = cur_make(crypto->bytes ? crypto->bytes->at : NULL, crypto->ready);

	cur_skip(&c, crypto->used);
	while (cur_left(&c) >= 4) {
		uint8_t type = cur_u8(&c);
		size_t len = (size_t)cur_u8(&c) << 16;
		struct cur body;

		len |= cur_be16(&c);
		body = cur_sub(&c, len);
		if (!cur_ok(&body))
			return;
		if (type == (side ? SERVER_HELLO : CLIENT_HELLO))
			take_hello(quic, side, version, body);
		crypto->used += (uint32_t)len + 4;
	}
}

/* The next block of numbers; the ranges are counted by one of them. */
static void skip_ack(struct cur *c, bool ecn)
{
	uint64_t ranges;

	read_varint(c);
	read_varint(c);
	ranges = read_varint(c);
	read_varint(c);
	for (ranges = 2 * ranges + (ecn ? 3 : 0); ranges && cur_left(c); ranges--)
		read_varint(c);
}

/* False: what follows cannot be read. */
static bool take_frame(struct quic *quic, unsigned side, struct cur *c)
{
	uint64_t type = read_varint(c), offset;
	struct cur bytes;

	switch (type) {
	case FRAME_PING:
		return true;
	case FRAME_ACK:
	case FRAME_ACK_ECN:
		skip_ack(c, type == FRAME_ACK_ECN);
		return cur_ok(c);
	case FRAME_CRYPTO:
		offset = read_varint(c);
		bytes = cur_sub(c, (size_t)read_varint(c));
		return cur_ok(&bytes) && crypto_add(quic, &quic->side[side].crypto, offset, bytes);
	default: /* FRAME_CLOSE, and what may not be here */
		return false;
	}
}

static void take_frames(struct quic *quic, unsigned side, struct cur c)
{
	for (unsigned n = 0; n < QUIC_FRAMES_MAX; n++) {
		while (cur_left(&c) && *c.at == FRAME_PADDING)
			cur_skip(&c, 1);
		if (!cur_left(&c) || !take_frame(quic, side, &c))
			return;
	}
}

static bool same_id(const struct quic *quic, struct cur id)
{
	return quic->keyed && cur_left(&id) == quic->id_len &&
	       (quic->id_len == 0 || memcmp(quic->id, id.at, quic->id_len) == 0);
}

/* The client has begun, or begun again. */
static void begin(struct quic *quic, struct cur id, const struct quic_keys keys[2])
{
	quic->keyed = true;
	quic->id_len = (uint8_t)cur_left(&id);
	cur_copy(&id, quic->id, quic->id_len);
	for (unsigned i = 0; i < 2; i++) {
		crypto_free(quic, &quic->side[i].crypto);
		quic->side[i].keys = keys[i];
	}
}

/* A copy of it, with `keys`. */
static bool try_to_open(struct quic *quic, const struct quic_keys *keys, struct cur bytes,
	const struct header *h, struct quic_packet *packet, struct cur *ret_payload)
{
	packet->len = cur_left(&bytes);
	packet->number_at = h->number_at;
	if (packet->len > QUIC_PACKET_MAX || quic->n_tries == QUIC_TRIES_MAX) {
		proto_conn_limit(quic->conn);
		return false;
	}
	quic->n_tries++;
	cur_copy(&bytes, packet->at, packet->len);
	return quic_keys_open(keys, packet, ret_payload);
}

/* With the keys of its own destination. */
static bool open_anew(struct quic *quic, struct cur bytes, const struct header *h,
	struct quic_packet *packet, struct cur *ret_payload)
{
	struct quic_keys keys[2];

	if (quic->n_keys == QUIC_KEYS_MAX) {
		proto_conn_limit(quic->conn);
		return false;
	}
	quic->n_keys++;
	if (!quic_keys_make(h->version, h->id, 0, &keys[0]) ||
		!quic_keys_make(h->version, h->id, 1, &keys[1]) ||
		!try_to_open(quic, &keys[0], bytes, h, packet, ret_payload))
		return false;
	begin(quic, h->id, keys);
	return true;
}

static void take_initial(struct quic *quic, unsigned side, struct cur bytes, const struct header *h)
{
	const struct quic_keys *keys = &quic->side[side].keys;
	struct quic_packet packet;
	struct cur payload;
	bool fine = quic->keyed && try_to_open(quic, keys, bytes, h, &packet, &payload);

	if (!fine && side == 0 && !same_id(quic, h->id))
		fine = open_anew(quic, bytes, h, &packet, &payload);
	if (!fine)
		return;
	take_frames(quic, side, payload);
	take_messages(quic, side, h->version);
}

static void take_google(struct quic *quic, struct cur packet)
{
	struct proto_fields *f = proto_fields_new(quic->conn, NULL);

	if (f && quic_google_read(packet, f))
		tell(quic, 0, f);
	else
		proto_fields_free(f);
}

static size_t quic_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct quic *quic = state;
	struct cur c = cur_make(bytes, len);
	struct header h;

	(void)conn;
	(void)end;
	if (len && side == 0 && quic_google_is(c)) {
		take_google(quic, c);
		return len;
	}
	for (unsigned n = 0; n < QUIC_PACKETS_MAX && cur_left(&c) && read_header(c, &h); n++) {
		struct cur packet = cur_sub(&c, h.len);

		if (h.initial)
			take_initial(quic, side, packet, &h);
	}
	return len;
}

static enum proto_guess quic_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);
	struct header h;

	(void)info;
	if (side == 0 && quic_google_is(c))
		return PROTO_IS;
	return len >= QUIC_GUESS_MIN && read_header(c, &h) ? PROTO_IS : PROTO_IS_NOT;
}

static void *quic_open(struct proto_conn *conn)
{
	struct quic *quic = proto_alloc(conn, sizeof(*quic));

	if (quic)
		quic->conn = conn;
	return quic;
}

static void quic_close(void *state)
{
	struct quic *quic = state;

	for (unsigned i = 0; i < 2; i++)
		crypto_free(quic, &quic->side[i].crypto);
	proto_free(quic->conn, quic, sizeof(*quic));
}

static void json_cyu(struct out *o, const struct proto_fields *f)
{
	struct proto_bytes hash;

	if (!proto_fields_get(f, BUFFER_QUIC_CYU_HASH, 0, &hash))
		return;
	json_open(o, "cyu", '[');
	json_open(o, NULL, '{');
	json_text(o, "hash", hash.at, hash.len);
	json_field(o, "string", f, BUFFER_QUIC_CYU_STRING);
	json_close(o, '}');
	json_close(o, ']');
}

static bool quic_json(struct proto_tx *tx, struct out *o)
{
	const struct proto_fields *f = tx->data;

	out_str(o, "\"quic\":{");
	json_field(o, "version", f, BUFFER_QUIC_VERSION);
	json_field(o, "sni", f, BUFFER_QUIC_SNI);
	json_field(o, "ua", f, BUFFER_QUIC_UA);
	json_cyu(o, f);
	tls_json_ja3(o, "ja3", f, BUFFER_JA3_HASH, BUFFER_JA3_STRING);
	tls_json_ja3(o, "ja3s", f, BUFFER_JA3S_HASH, BUFFER_JA3S_STRING);
	json_field(o, "ja4", f, BUFFER_JA4_HASH);
	if (f->text_len) {
		json_name(o, NULL);
		out_bytes(o, f->text, f->text_len);
	}
	json_close(o, '}');
	return true;
}

const struct proto_parser proto_quic = { .id = PROTO_QUIC,
	.ip_proto = IPPROTO_UDP,
	.guess = quic_guess,
	.open = quic_open,
	.close = quic_close,
	.feed = quic_feed,
	.buffer = proto_fields_buffer,
	.json = quic_json,
	.free_tx = proto_fields_free };
