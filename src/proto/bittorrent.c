/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How two BitTorrent peers begin (BEP 3), over TCP and over uTP (BEP 29). What both say is one
 * transaction; what follows is not read.
 */
#include "proto/talk.h"

#define BT_MAGIC \
	"\x13"   \
	"BitTorrent protocol"
#define BT_MAGIC_LEN  20
#define BT_RESERVED   8
#define BT_HASH       20
#define BT_HELLO      (BT_MAGIC_LEN + BT_RESERVED + 2 * BT_HASH)
#define UTP_HEADER    20
#define UTP_VERSION   1
#define UTP_EXTENSION 2 /* the last that is known */

enum { UTP_DATA, UTP_FIN, UTP_STATE, UTP_RESET, UTP_SYN };

struct bittorrent {
	struct proto_conn *conn;
	struct proto_tx *tx;
	bool said[2], over;
};

/* What clients write into their number to say who they are (BEP 20): "-UT3530-". */
static void say_client(struct out *o, struct cur peer)
{
	cur_limit(&peer, 8);
	if (cur_ahead(peer, 0) != '-' || cur_ahead(peer, 7) != '-')
		return;
	talk_text(o, "client", peer);
}

/* BEP 4: a bit each. */
static void say_extensions(struct out *o, struct cur reserved)
{
	static const struct {
		uint8_t byte, bit;
		const char *name;
	} known[] = { { 0, 0x80, "azureus_messaging" }, { 5, 0x10, "extension_protocol" },
		{ 7, 0x04, "fast" }, { 7, 0x01, "dht" } };

	json_open(o, "extensions", '[');
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (cur_ahead(reserved, known[i].byte) & known[i].bit)
			json_str(o, NULL, known[i].name);
	json_close(o, ']');
}

static void take_hello(struct bittorrent *b, unsigned side, struct cur c)
{
	char text[1024];
	struct out o;
	struct cur reserved, hash;
	bool utp = proto_conn_info(b->conn)->ip_proto == IPPROTO_UDP;

	if (!b->tx && !b->over)
		b->tx = proto_fields_tx(b->conn, "bittorrent");
	if (!b->tx || b->said[side])
		return;
	o = talk_out(b->tx->data, text, sizeof(text));
	cur_skip(&c, BT_MAGIC_LEN);
	reserved = cur_sub(&c, BT_RESERVED);
	hash = cur_sub(&c, BT_HASH);
	if (!b->said[!side]) {
		json_str(&o, "transport", utp ? "utp" : "tcp");
		json_hex(&o, "info_hash", hash.at, BT_HASH, 0);
	}
	json_open(&o, side ? "server" : "client", '{');
	cur_limit(&c, BT_HASH);
	if (cur_left(&c) == BT_HASH)
		json_hex(&o, "peer_id", c.at, BT_HASH, 0);
	say_client(&o, c);
	say_extensions(&o, reserved);
	json_close(&o, '}');
	talk_say(b->tx->data, &o);
	b->said[side] = true;
	proto_tx_done(b->tx, side);
}

static enum proto_guess guess_hello(struct cur c)
{
	size_t n = cur_left(&c) < BT_MAGIC_LEN ? cur_left(&c) : BT_MAGIC_LEN;

	if (!n || memcmp(c.at, BT_MAGIC, n) != 0)
		return PROTO_IS_NOT;
	return n == BT_MAGIC_LEN ? PROTO_IS : PROTO_MAY_BE;
}

/* The number of a peer may come later (BEP 3); there is none when the side ends. */
static size_t take_bytes(
	struct bittorrent *b, unsigned side, const uint8_t *bytes, size_t len, bool end)
{
	struct cur c = cur_make(bytes, len);

	if (guess_hello(c) == PROTO_IS_NOT)
		return len ? SIZE_MAX : 0;
	if (len < BT_HELLO && !(end && len >= BT_HELLO - BT_HASH))
		return 0;
	take_hello(b, side, c);
	return SIZE_MAX;
}

/* ---- uTP ---- */

/* What follows the header and its extensions. */
static bool read_utp(struct cur c, uint8_t *ret_type, struct cur *ret_payload)
{
	uint8_t first = cur_u8(&c), extension = cur_u8(&c);

	*ret_type = first >> 4;
	if ((first & 15) != UTP_VERSION || *ret_type > UTP_SYN)
		return false;
	cur_skip(&c, UTP_HEADER - 2);
	while (extension && cur_ok(&c)) {
		if (extension > UTP_EXTENSION)
			return false;
		extension = cur_u8(&c);
		cur_skip(&c, cur_u8(&c));
	}
	*ret_payload = c;
	return cur_ok(&c);
}

/* Nothing was received yet: no time to compare with, no packet to acknowledge. */
static bool is_utp_syn(struct cur c)
{
	uint8_t type;
	struct cur payload, at = c;
	uint32_t difference, window;

	if (!read_utp(c, &type, &payload) || type != UTP_SYN || cur_left(&payload) ||
		cur_ahead(c, 1) != 0)
		return false;
	cur_skip(&at, 8);
	difference = cur_be32(&at);
	window = cur_be32(&at);
	cur_skip(&at, 2);
	return difference == 0 && window > 0 && window <= 64u << 20 && cur_be16(&at) == 0;
}

static bool read_utp_hello(struct cur c, struct cur *ret_hello)
{
	uint8_t type;

	return read_utp(c, &type, ret_hello) && type == UTP_DATA &&
	       cur_left(ret_hello) >= BT_HELLO - BT_HASH && guess_hello(*ret_hello) == PROTO_IS;
}

static size_t bittorrent_feed(struct proto_conn *conn, void *state, unsigned side,
	const uint8_t *bytes, size_t len, bool end)
{
	struct bittorrent *b = state;
	struct cur hello;

	if (proto_conn_info(conn)->ip_proto == IPPROTO_TCP)
		return take_bytes(b, side, bytes, len, end);
	if (read_utp_hello(cur_make(bytes, len), &hello))
		take_hello(b, side, hello);
	return len;
}

static void *bittorrent_open(struct proto_conn *conn)
{
	struct bittorrent *b = proto_alloc(conn, sizeof(*b));

	if (b)
		*b = (struct bittorrent){ .conn = conn };
	return b;
}

static void bittorrent_close(void *state)
{
	struct bittorrent *b = state;

	proto_free(b->conn, b, sizeof(*b));
}

static void bittorrent_free_tx(void *data)
{
	struct bittorrent *b = proto_conn_state(((struct proto_fields *)data)->conn);

	if (b && b->tx && b->tx->data == data) {
		b->tx = NULL;
		b->over = true;
	}
	proto_fields_free(data);
}

static enum proto_guess bittorrent_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len), hello;

	(void)side;
	if (info->ip_proto == IPPROTO_TCP)
		return guess_hello(c);
	return is_utp_syn(c) || read_utp_hello(c, &hello) ? PROTO_IS : PROTO_IS_NOT;
}

const struct proto_parser proto_bittorrent = { .id = PROTO_BITTORRENT,
	.guess = bittorrent_guess,
	.open = bittorrent_open,
	.close = bittorrent_close,
	.feed = bittorrent_feed,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = bittorrent_free_tx };
