/* SPDX-License-Identifier: Apache-2.0 */
/* BitTorrent's DHT (BEP 5; IPv6: BEP 32): bencoded dictionaries (BEP 3) over UDP on any port. A
 * message is a transaction. */
#include "proto/fields.h"

#include <ctype.h>

#define DHT_DEPTH_MAX 16 /* of lists and dictionaries in each other */
#define DHT_LIST_MAX  32 /* nodes or peers that are shown */
#define DHT_BYTES_MAX 64 /* of a number or token that are shown */
#define DHT_TEXT_MAX  255
#define DHT_ID        20
#define DHT_JSON_MAX  16384

enum kind { BEN_NUMBER = 'i', BEN_LIST = 'l', BEN_DICTIONARY = 'd', BEN_BYTES = 's' };

struct ben {
	enum kind kind;
	int64_t number;
	struct cur body; /* bytes, or what is in a list or dictionary */
};

/* Digits up to `stop`, and at most nine of them. */
static bool read_digits(struct cur *c, char stop, int64_t *ret_number)
{
	int64_t n = 0;
	unsigned digits = 0;

	for (; isdigit(cur_ahead(*c, 0)) && digits < 10; digits++)
		n = n * 10 + cur_u8(c) - '0';
	*ret_number = n;
	return digits && digits < 10 && cur_u8(c) == stop;
}

static bool read_number(struct cur *c, int64_t *ret_number)
{
	bool negative = cur_ahead(*c, 0) == '-';

	cur_skip(c, negative);
	if (!read_digits(c, 'e', ret_number))
		return false;
	*ret_number *= negative ? -1 : 1;
	return true;
}

static bool read_bytes(struct cur *c, struct cur *ret_bytes)
{
	int64_t len;

	if (!read_digits(c, ':', &len))
		return false;
	*ret_bytes = cur_sub(c, (size_t)len);
	return cur_ok(ret_bytes);
}

/* Up to the end of a list or dictionary that has begun. */
static bool skip_rest(struct cur *c)
{
	unsigned depth = 1;
	struct cur ignored;
	int64_t number;

	while (depth && cur_left(c)) {
		uint8_t kind = cur_ahead(*c, 0);

		if (isdigit(kind)) {
			if (!read_bytes(c, &ignored))
				return false;
			continue;
		}
		cur_skip(c, 1);
		if (kind == BEN_LIST || kind == BEN_DICTIONARY)
			depth++;
		else if (kind == 'e')
			depth--;
		else if (kind != BEN_NUMBER || !read_number(c, &number))
			return false;
		if (depth > DHT_DEPTH_MAX)
			return false;
	}
	return depth == 0;
}

static bool ben_next(struct cur *c, struct ben *ret)
{
	uint8_t kind = cur_ahead(*c, 0);

	if (isdigit(kind)) {
		ret->kind = BEN_BYTES;
		return read_bytes(c, &ret->body);
	}
	cur_skip(c, 1);
	ret->kind = kind;
	if (kind == BEN_NUMBER)
		return read_number(c, &ret->number);
	ret->body = *c;
	return (kind == BEN_LIST || kind == BEN_DICTIONARY) && skip_rest(c);
}

/* The value of a key, if it is of that kind. */
static bool ben_find(struct cur dictionary, const char *key, enum kind kind, struct ben *ret)
{
	struct ben name;

	while (cur_left(&dictionary) && ben_next(&dictionary, &name) && name.kind == BEN_BYTES &&
		ben_next(&dictionary, ret))
		if (cur_left(&name.body) == strlen(key) &&
			memcmp(name.body.at, key, strlen(key)) == 0)
			return ret->kind == kind;
	return false;
}

struct message {
	char kind; /* q, r, e */
	bool has_id;
	struct cur all;
	struct ben id, body, query;
};

static bool read_message(struct cur c, struct message *ret)
{
	struct ben all, kind;

	if (cur_ahead(c, 0) != BEN_DICTIONARY || !ben_next(&c, &all) ||
		!ben_find(all.body, "y", BEN_BYTES, &kind) || cur_left(&kind.body) != 1)
		return false;
	ret->all = all.body;
	ret->has_id = ben_find(all.body, "t", BEN_BYTES, &ret->id);
	ret->kind = (char)cur_u8(&kind.body);
	switch (ret->kind) {
	case 'q':
		return ben_find(all.body, "q", BEN_BYTES, &ret->query) &&
		       ben_find(all.body, "a", BEN_DICTIONARY, &ret->body);
	case 'r':
		return ben_find(all.body, "r", BEN_DICTIONARY, &ret->body);
	case 'e':
		return ben_find(all.body, "e", BEN_LIST, &ret->body);
	}
	return false;
}

static void say_bytes(struct out *o, const char *name, struct cur c)
{
	cur_limit(&c, DHT_BYTES_MAX);
	json_hex(o, name, c.at, cur_left(&c), 0);
}

static void say_hex(struct out *o, struct cur dictionary, const char *key, const char *name)
{
	struct ben value;

	if (ben_find(dictionary, key, BEN_BYTES, &value))
		say_bytes(o, name, value.body);
}

static void say_number(struct out *o, struct cur dictionary, const char *key)
{
	struct ben value;

	if (ben_find(dictionary, key, BEN_NUMBER, &value) && value.number >= 0)
		json_u64(o, key, (uint64_t)value.number);
}

/* An address of 4 or 16 bytes, and a port. */
static void say_peer(struct out *o, struct cur c)
{
	json_ip(o, "ip", &c, cur_left(&c) - 2);
	json_u64(o, "port", cur_be16(&c));
}

static void say_nodes(struct out *o, struct cur dictionary, const char *key, size_t peer)
{
	struct ben nodes;

	if (!ben_find(dictionary, key, BEN_BYTES, &nodes))
		return;
	json_open(o, key, '[');
	for (unsigned n = 0; n < DHT_LIST_MAX && cur_left(&nodes.body) >= DHT_ID + peer; n++) {
		json_open(o, NULL, '{');
		say_bytes(o, "id", cur_sub(&nodes.body, DHT_ID));
		say_peer(o, cur_sub(&nodes.body, peer));
		json_close(o, '}');
	}
	json_close(o, ']');
}

static void say_values(struct out *o, struct cur dictionary)
{
	struct ben list, value;

	if (!ben_find(dictionary, "values", BEN_LIST, &list))
		return;
	json_open(o, "values", '[');
	for (unsigned n = 0; n < DHT_LIST_MAX && ben_next(&list.body, &value); n++) {
		size_t len = value.kind == BEN_BYTES ? cur_left(&value.body) : 0;

		if (len != 6 && len != 18)
			continue;
		json_open(o, NULL, '{');
		say_peer(o, value.body);
		json_close(o, '}');
	}
	json_close(o, ']');
}

static void say_query(struct out *o, const struct message *m)
{
	struct cur query = m->query.body, a = m->body.body;

	cur_limit(&query, DHT_TEXT_MAX);
	json_text(o, "request_type", query.at, cur_left(&query));
	json_open(o, "request", '{');
	say_hex(o, a, "id", "id");
	say_hex(o, a, "target", "target");
	say_hex(o, a, "info_hash", "info_hash");
	say_hex(o, a, "token", "token");
	say_number(o, a, "implied_port");
	say_number(o, a, "port");
	json_close(o, '}');
}

static void say_response(struct out *o, const struct message *m)
{
	struct cur r = m->body.body;

	json_open(o, "response", '{');
	say_hex(o, r, "id", "id");
	say_nodes(o, r, "nodes", 6);
	say_nodes(o, r, "nodes6", 18);
	say_values(o, r);
	say_hex(o, r, "token", "token");
	json_close(o, '}');
}

static void say_error(struct out *o, const struct message *m)
{
	struct cur list = m->body.body;
	struct ben number, text;

	if (!ben_next(&list, &number) || number.kind != BEN_NUMBER || number.number < 0 ||
		!ben_next(&list, &text) || text.kind != BEN_BYTES)
		return;
	cur_limit(&text.body, DHT_TEXT_MAX);
	json_open(o, "error", '{');
	json_u64(o, "num", (uint64_t)number.number);
	json_text(o, "msg", text.body.at, cur_left(&text.body));
	json_close(o, '}');
}

static size_t dht_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	char text[DHT_JSON_MAX];
	struct out o = out_make(text, sizeof(text));
	struct message m;
	struct proto_tx *tx;

	(void)state;
	(void)end;
	if (!read_message(cur_make(bytes, len), &m))
		return len;
	tx = proto_fields_tx(conn, "bittorrent_dht");
	if (!tx)
		return len;
	if (!m.has_id)
		proto_tx_add_event(tx, "bittorrent-dht.malformed_packet");
	say_bytes(&o, "transaction_id", m.has_id ? m.id.body : cur_make(NULL, 0));
	say_hex(&o, m.all, "v", "client_version");
	if (m.kind == 'q')
		say_query(&o, &m);
	else if (m.kind == 'r')
		say_response(&o, &m);
	else
		say_error(&o, &m);
	proto_fields_say(tx->data, &o);
	tx->state.done[!side] = true;
	proto_tx_done(tx, side);
	return len;
}

static enum proto_guess dht_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct message m;

	(void)info;
	(void)side;
	return read_message(cur_make(bytes, len), &m) && m.has_id ? PROTO_IS : PROTO_IS_NOT;
}

const struct proto_parser proto_bittorrent_dht = { .id = PROTO_BITTORRENT_DHT,
	.ip_proto = IPPROTO_UDP,
	.guess = dht_guess,
	.open = proto_no_state_open,
	.close = proto_no_state_close,
	.feed = dht_feed,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = proto_fields_free };
