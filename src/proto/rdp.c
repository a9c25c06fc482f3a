/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RDP ([MS-RDPBCGR] 2.2.1.1 to 2.2.1.3): the connection request and its confirmation, in TPKT
 * (RFC 1006) and X.224, and what the client says of itself then. Each is a transaction. When the
 * server chooses a security that is TLS, that begins behind the first two; else the rest is left
 * alone.
 */
#include "proto/rdp.h"

#define RDP_HEADER_LEN 11u  /* TPKT, and X.224 up to its class */
#define RDP_LEN_MAX    260u /* of a message, whose X.224 header counts to 255 */
#define NEG_LEN        8

enum { X224_REQUEST = 0xe0, X224_CONFIRM = 0xd0 };
enum { NEG_REQUEST = 1, NEG_RESPONSE, NEG_FAILURE };

struct rdp {
	struct proto_conn *conn;
	bool said[2], connected, over;
};

static bool is_type(unsigned side, uint8_t byte)
{
	return byte == (side ? X224_CONFIRM : X224_REQUEST);
}

/* What may stand behind the header: a cookie, a negotiation. Other protocols have parameters there. */
static enum proto_guess guess_rest(unsigned side, struct cur c)
{
	static const char cookie[] = "Cookie: ";
	size_t n = cur_left(&c) < strlen(cookie) ? cur_left(&c) : strlen(cookie);

	if (!n)
		return PROTO_MAY_BE;
	if (side == 0 && memcmp(c.at, cookie, n) == 0)
		return n == strlen(cookie) ? PROTO_IS : PROTO_MAY_BE;
	if (side == 0)
		return c.at[0] == NEG_REQUEST ? PROTO_IS : PROTO_IS_NOT;
	return c.at[0] == NEG_RESPONSE || c.at[0] == NEG_FAILURE ? PROTO_IS : PROTO_IS_NOT;
}

static enum proto_guess rdp_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);
	uint16_t size;

	(void)info;
	if ((len && cur_ahead(c, 0) != 3) || (len > 1 && cur_ahead(c, 1)))
		return PROTO_IS_NOT;
	if (len < RDP_HEADER_LEN)
		return len < 6 || is_type(side, cur_ahead(c, 5)) ? PROTO_MAY_BE : PROTO_IS_NOT;
	cur_skip(&c, 2);
	size = cur_be16(&c);
	if (size < RDP_HEADER_LEN || size > RDP_LEN_MAX || cur_u8(&c) != size - 5 ||
		!is_type(side, cur_u8(&c)) || cur_ahead(c, 4))
		return PROTO_IS_NOT;
	cur_skip(&c, 5);
	return size == RDP_HEADER_LEN ? PROTO_IS : guess_rest(side, c);
}

static void json_bits(
	struct out *o, const char *name, uint32_t bits, const char *const names[], unsigned n)
{
	json_open(o, name, '[');
	for (unsigned i = 0; i < n; i++)
		if (bits >> i & 1 && names[i])
			json_str(o, NULL, names[i]);
	json_close(o, ']');
}

/* Cookie: mstshash=NAME CR LF */
static void take_cookie(struct rdp *rdp, struct cur *c, struct out *o)
{
	static const char start[] = "Cookie: mstshash=";
	const uint8_t *stop = memmem(c->at, cur_left(c), "\r\n", 2);
	struct proto_login login = { .method = "rdp-cookie" };
	struct cur line;

	if (!stop)
		return;
	line = cur_sub(c, (size_t)(stop - c->at));
	cur_skip(c, 2);
	if (cur_left(&line) <= strlen(start) || memcmp(line.at, start, strlen(start)) != 0)
		return;
	cur_skip(&line, strlen(start));
	json_text(o, "cookie", line.at, cur_left(&line));
	proto_login_user(&login, line.at, cur_left(&line));
	proto_login_end(rdp->conn, &login, PROTO_LOGIN_UNKNOWN);
}

static void take_request(struct rdp *rdp, struct cur c, struct out *o)
{
	static const char *const flags[] = { "restricted_admin_mode_required",
		"redirected_authentication_mode_required", NULL, "correlation_info_present" };
	static const char *const protocols[] = { "ssl", "hybrid", "rds_tls", "hybrid_ex",
		"rds_aad" };
	uint8_t type, bits;

	json_str(o, "event_type", "initial_request");
	take_cookie(rdp, &c, o);
	type = cur_u8(&c);
	bits = cur_u8(&c);
	cur_skip(&c, 2);
	if (type != NEG_REQUEST || cur_left(&c) < NEG_LEN - 4)
		return;
	if (bits)
		json_bits(o, "flags", bits, flags, 4);
	json_bits(o, "requested_protocols", cur_le32(&c), protocols, 5);
}

static void say_failure(struct out *o, uint32_t code)
{
	static const char *const reasons[] = { NULL, "ssl required by server",
		"ssl not allowed by server", "ssl cert not on server", "inconsistent flags",
		"hybrid required by server", "ssl with user auth required by server" };

	json_u64(o, "error_code", code);
	json_str(o, "reason",
		code && code < sizeof(reasons) / sizeof(reasons[0]) ? reasons[code] : "unknown");
}

static const char *protocol_name(uint32_t protocol)
{
	switch (protocol) {
	case 0:
		return "rdp";
	case 1:
		return "ssl";
	case 2:
		return "hybrid";
	case 4:
		return "rds_tls";
	case 8:
		return "hybrid_ex";
	case 16:
		return "rds_aad";
	default:
		return "unknown";
	}
}

/* Returns whether TLS follows. */
static bool take_confirm(struct cur c, struct out *o)
{
	static const char *const flags[] = { "extended_client_data", "dynvc_gfx", NULL,
		"restricted_admin", "redirected_authentication" };
	uint8_t type = cur_u8(&c), bits = cur_u8(&c);
	uint32_t value;

	cur_skip(&c, 2);
	value = cur_le32(&c);
	json_str(o, "event_type", "initial_response");
	if (!cur_ok(&c) || (type != NEG_RESPONSE && type != NEG_FAILURE))
		return false;
	if (type == NEG_FAILURE) {
		say_failure(o, value);
		return false;
	}
	if (bits)
		json_bits(o, "server_supports", bits, flags, 5);
	json_str(o, "protocol", protocol_name(value));
	return value != 0;
}

static void take_message(struct rdp *rdp, unsigned side, struct cur c)
{
	char text[4096];
	struct out o = out_make(text, sizeof(text));
	struct proto_tx *tx = proto_fields_tx(rdp->conn, "rdp");

	rdp->said[side] = true;
	if (!tx)
		return;
	json_u64(&o, "tx_id", tx->state.id);
	cur_skip(&c, RDP_HEADER_LEN);
	if (side)
		rdp->over = take_confirm(c, &o);
	else
		take_request(rdp, c, &o);
	proto_fields_say(tx->data, &o);
	tx->state.done[!side] = true;
	proto_tx_done(tx, side);
	if (rdp->over)
		proto_conn_start_over(rdp->conn);
}

static void tell_connect(struct rdp *rdp, const struct out *said)
{
	struct proto_tx *tx = proto_fields_tx(rdp->conn, "rdp");
	char text[32];
	struct out o = out_make(text, sizeof(text));

	if (!tx)
		return;
	json_u64(&o, "tx_id", tx->state.id);
	out_char(&o, ',');
	proto_fields_say(tx->data, &o);
	proto_fields_say(tx->data, said);
	tx->state.done[1] = true;
	proto_tx_done(tx, 0);
}

/* Of an X.224 that carries data the header has no more than three bytes. */
static size_t take_connect(struct rdp *rdp, struct cur c)
{
	static const uint8_t data[] = { 2, 0xf0, 0x80 };
	char text[4096];
	struct out o = out_make(text, sizeof(text));
	struct cur begin = c;
	uint16_t version = cur_be16(&begin), size = cur_be16(&begin);

	if (cur_left(&c) < 4)
		return 0;
	if (version != 0x300 || size > RDP_CONNECT_MAX || size < 4)
		return SIZE_MAX;
	if (cur_left(&c) < size)
		return 0;
	rdp->connected = true;
	cur_limit(&begin, size - 4u);
	if (cur_left(&begin) < sizeof(data) || memcmp(begin.at, data, sizeof(data)) != 0)
		return SIZE_MAX;
	cur_skip(&begin, sizeof(data));
	if (rdp_say_connect(&o, begin))
		tell_connect(rdp, &o);
	return size;
}

static size_t rdp_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct rdp *rdp = state;
	struct cur c = cur_make(bytes, len);
	enum proto_guess guess = rdp_guess(proto_conn_info(conn), side, bytes, len);
	uint16_t size;

	(void)end;
	if (side == 0 && rdp->said[0] && !rdp->said[1]) {
		proto_conn_wait(conn, 0);
		return 0;
	}
	if (side == 0 && rdp->said[0] && !rdp->connected)
		return len ? take_connect(rdp, c) : 0;
	if (rdp->said[side] || guess == PROTO_IS_NOT)
		return SIZE_MAX;
	cur_skip(&c, 2);
	size = cur_be16(&c);
	if (guess == PROTO_MAY_BE || len < size)
		return 0;
	take_message(rdp, side, cur_make(bytes, size));
	return size;
}

static void *rdp_open(struct proto_conn *conn)
{
	struct rdp *rdp = proto_alloc(conn, sizeof(*rdp));

	if (rdp)
		rdp->conn = conn;
	return rdp;
}

static void rdp_close(void *state)
{
	struct rdp *rdp = state;

	proto_free(rdp->conn, rdp, sizeof(*rdp));
}

const struct proto_parser proto_rdp = { .id = PROTO_RDP,
	.ip_proto = 6,
	.guess = rdp_guess,
	.open = rdp_open,
	.close = rdp_close,
	.feed = rdp_feed,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = proto_fields_free };
