/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a connection begins in networks to share files: Gnutella (0.4, 0.6), eDonkey and eMule,
 * Direct Connect (NMDC, ADC). What both sides greet each other with is one transaction; what
 * follows is not read.
 */
#include "proto/talk.h"

#define P2P_HELLO_MAX 4096 /* bytes of a greeting; a longer one is cut */
#define P2P_TEXT_MAX  255  /* of a text that is shown */
#define P2P_JSON_MAX  8192

struct network {
	const char *name;
	enum proto_guess (*guess)(unsigned side, struct cur c);
	/* How many bytes the greeting has; 0: it is not whole yet. */
	size_t (*size)(unsigned side, struct cur c);
	void (*say)(struct out *o, struct cur hello);
};

struct p2p {
	struct proto_conn *conn;
	struct proto_tx *tx;
	const struct network *network;
	bool over;
};

static void say_text(struct out *o, const char *name, struct cur text)
{
	cur_limit(&text, P2P_TEXT_MAX);
	talk_text(o, name, text);
}

static enum proto_guess guess_word(struct cur c, const char *word)
{
	size_t all = strlen(word), n = cur_left(&c) < all ? cur_left(&c) : all;

	if (!n || memcmp(c.at, word, n) != 0)
		return PROTO_IS_NOT;
	return n == all ? PROTO_IS : PROTO_MAY_BE;
}

/* Behind the first `stop` of at least one byte; 0: there is none. */
static size_t size_until(struct cur c, const char *stop)
{
	size_t n = strlen(stop);
	const uint8_t *at = cur_left(&c) ? memmem(c.at, cur_left(&c), stop, n) : NULL;

	return at ? (size_t)(at - c.at) + n : 0;
}

/* ---- Gnutella ---- */

static enum proto_guess gnutella_guess(unsigned side, struct cur c)
{
	return guess_word(c, side ? "GNUTELLA/0." : "GNUTELLA CONNECT/0.");
}

static size_t gnutella_size(unsigned side, struct cur c)
{
	size_t size = size_until(c, "\r\n\r\n"), old = size_until(c, "\n\n");

	(void)side;
	return !old || (size && size < old) ? size : old;
}

static void gnutella_say(struct out *o, struct cur hello)
{
	say_text(o, "greeting", text_trim(text_until(&hello, '\n')));
	while (cur_left(&hello)) {
		struct cur value = text_until(&hello, '\n'), name = text_until(&value, ':');

		if (text_is(name, "User-Agent")) {
			say_text(o, "user_agent", text_trim(value));
			return;
		}
	}
}

/* ---- eDonkey ---- */

#define ED_PROTOCOL   0xe3
#define ED_HELLO      0x01 /* to a peer, behind the length of the user's hash; to a server: login */
#define ED_ANSWER     0x4c
#define ED_HEADER     5 /* protocol, length */
#define ED_HASH       16
#define ED_TAGS_MAX   32
#define ED_TAG_NAME   0x01
#define ED_SIZE_MAX   512
#define ED_STRING     0x02
#define ED_NUMBER     0x03
#define ED_SHORT      0x80 /* the tag's name has one byte and no length (Lugdunum's extension) */
#define ED_SHORT_TEXT 0x11 /* a text of a byte, and so on up to 16 */

struct ed_hello {
	bool server; /* it is said to a server */
	struct cur hash, nick;
	uint32_t client;
	uint16_t port;
};

static bool read_tag(struct cur *c, uint8_t *ret_name, struct cur *ret_text)
{
	uint8_t type = cur_u8(c);
	struct cur name = cur_sub(c, type & ED_SHORT ? 1 : cur_le16(c));

	*ret_name = cur_left(&name) == 1 ? cur_u8(&name) : 0;
	type &= ED_SHORT - 1;
	*ret_text = (struct cur){ 0 };
	if (type == ED_STRING)
		*ret_text = cur_sub(c, cur_le16(c));
	else if (type >= ED_SHORT_TEXT && type < ED_SHORT_TEXT + 16)
		*ret_text = cur_sub(c, type - ED_SHORT_TEXT + 1u);
	else if (type == ED_NUMBER || type == 8 || type == 9) /* also of 2 bytes, of 1 */
		cur_skip(c, type == ED_NUMBER ? 4 : 10u - type);
	else
		return false;
	return cur_ok(c);
}

/* Every tag must be one: there is little else to know it by. */
static bool read_hello(unsigned side, struct cur c, struct ed_hello *ret)
{
	uint32_t tags;
	uint8_t code;

	cur_skip(&c, ED_HEADER);
	code = cur_u8(&c);
	ret->server = code == ED_HELLO && cur_ahead(c, 0) != ED_HASH;
	if (code != (side ? ED_ANSWER : ED_HELLO))
		return false;
	cur_skip(&c, code == ED_HELLO && !ret->server);
	ret->hash = cur_sub(&c, ED_HASH);
	ret->client = cur_le32(&c);
	ret->port = cur_le16(&c);
	tags = cur_le32(&c);
	ret->nick = (struct cur){ 0 };
	if (!cur_ok(&c) || !tags || tags > ED_TAGS_MAX)
		return false;
	while (tags--) {
		struct cur text;
		uint8_t name;

		if (!read_tag(&c, &name, &text))
			return false;
		if (name == ED_TAG_NAME)
			ret->nick = text;
	}
	return ret->server ? !cur_left(&c) : cur_left(&c) == 6 || cur_left(&c) == 10;
}

static size_t ed_size(unsigned side, struct cur c)
{
	size_t size;

	(void)side;
	cur_skip(&c, 1);
	size = ED_HEADER + (size_t)cur_le32(&c);
	return cur_ok(&c) && cur_left(&c) >= size - ED_HEADER ? size : 0;
}

static enum proto_guess ed_guess(unsigned side, struct cur c)
{
	struct ed_hello hello;
	struct cur head = c;
	uint32_t len;

	if (cur_u8(&head) != ED_PROTOCOL)
		return PROTO_IS_NOT;
	len = cur_le32(&head);
	if (!cur_ok(&head))
		return PROTO_MAY_BE;
	if (len > ED_SIZE_MAX - ED_HEADER)
		return PROTO_IS_NOT;
	if (!ed_size(side, c))
		return PROTO_MAY_BE;
	cur_limit(&c, ED_HEADER + len);
	return read_hello(side, c, &hello) ? PROTO_IS : PROTO_IS_NOT;
}

static void ed_say(struct out *o, struct cur c)
{
	struct ed_hello hello;

	if (!read_hello(cur_ahead(c, ED_HEADER) == ED_ANSWER, c, &hello))
		return;
	json_hex(o, "user_hash", hello.hash.at, ED_HASH, 0);
	say_text(o, "nick", hello.nick);
	json_u64(o, "id", hello.client);
	json_u64(o, "port", hello.port);
	if (hello.server)
		json_bool(o, "login", true);
}

/* ---- Direct Connect ---- */

static enum proto_guess dc_guess(unsigned side, struct cur c)
{
	struct cur command = text_until(&c, '|');
	enum proto_guess lock = guess_word(command, "$Lock "),
			 nick = guess_word(command, "$MyNick ");

	if (lock == PROTO_IS)
		return memmem(command.at, cur_left(&command), " Pk=", 4) ? PROTO_IS : PROTO_MAY_BE;
	if (nick == PROTO_IS)
		return cur_left(&c) ? guess_word(c, "$Lock ") : PROTO_MAY_BE;
	if (lock == PROTO_MAY_BE || nick == PROTO_MAY_BE)
		return PROTO_MAY_BE;
	return side == 0 ? guess_word(command, "$Supports ") : PROTO_IS_NOT; /* to a hub */
}

/* Up to the lock, or the nick of a client of a hub. */
static size_t dc_size(unsigned side, struct cur c)
{
	struct cur all = c;

	(void)side;
	while (cur_left(&c)) {
		struct cur command = c;
		size_t n = size_until(c, "|");

		if (!n)
			return 0;
		cur_skip(&c, n);
		if (guess_word(command, "$Lock ") == PROTO_IS ||
			guess_word(command, "$ValidateNick ") == PROTO_IS)
			return cur_left(&all) - cur_left(&c);
	}
	return 0;
}

static void dc_say(struct out *o, struct cur hello)
{
	while (cur_left(&hello)) {
		struct cur rest = text_until(&hello, '|'), word = text_until(&rest, ' ');
		const uint8_t *key =
			cur_left(&rest) ? memmem(rest.at, cur_left(&rest), "Pk=", 3) : NULL;

		if (text_is(word, "$MyNick") || text_is(word, "$ValidateNick"))
			say_text(o, "nick", rest);
		if (!text_is(word, "$Lock") || !key)
			continue;
		cur_skip(&rest, (size_t)(key - rest.at) + 3);
		say_text(o, "software", rest);
	}
}

static enum proto_guess adc_guess(unsigned side, struct cur c)
{
	return guess_word(c, side ? "ISUP ADBAS" : "HSUP ADBAS");
}

static size_t adc_size(unsigned side, struct cur c)
{
	(void)side;
	return size_until(c, "\n");
}

static void adc_say(struct out *o, struct cur hello)
{
	cur_skip(&hello, 5);
	say_text(o, "features", text_trim(hello));
}

/* ---- the parser ---- */

static const struct network networks[] = { { "gnutella", gnutella_guess, gnutella_size,
						   gnutella_say },
	{ "edonkey", ed_guess, ed_size, ed_say }, { "direct_connect", dc_guess, dc_size, dc_say },
	{ "adc", adc_guess, adc_size, adc_say } };
#define NETWORKS (sizeof(networks) / sizeof(networks[0]))

/* The network whose greeting this is; NULL, and whether it may still be one. */
static const struct network *network_of(unsigned side, struct cur c, bool *ret_may)
{
	*ret_may = false;
	for (size_t i = 0; i < NETWORKS; i++) {
		enum proto_guess guess = networks[i].guess(side, c);

		if (guess == PROTO_IS)
			return &networks[i];
		*ret_may |= guess == PROTO_MAY_BE;
	}
	return NULL;
}

static void take_hello(struct p2p *p, unsigned side, struct cur hello)
{
	char text[P2P_JSON_MAX];
	struct out o;

	if (!p->tx && !p->over)
		p->tx = proto_fields_tx(p->conn, "p2p");
	if (!p->tx)
		return;
	o = talk_out(p->tx->data, text, sizeof(text));
	if (!proto_fields_said(p->tx->data))
		json_str(&o, "network", p->network->name);
	json_open(&o, side ? "server" : "client", '{');
	p->network->say(&o, hello);
	json_close(&o, '}');
	talk_say(p->tx->data, &o);
	proto_tx_done(p->tx, side);
}

static size_t p2p_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct cur c = cur_make(bytes, len);
	struct p2p *p = state;
	size_t size = len;
	bool may;

	(void)conn;
	if (!p->network)
		p->network = network_of(side, c, &may);
	if (p->network)
		size = p->network->size(side, c);
	if (!size && len < P2P_HELLO_MAX && !end)
		return 0;
	if (!p->network || !len)
		return SIZE_MAX;
	size = size ? size : len;
	cur_limit(&c, size < P2P_HELLO_MAX ? size : P2P_HELLO_MAX);
	take_hello(p, side, c);
	return SIZE_MAX;
}

static void *p2p_open(struct proto_conn *conn)
{
	struct p2p *p = proto_alloc(conn, sizeof(*p));

	if (p)
		*p = (struct p2p){ .conn = conn };
	return p;
}

static void p2p_close(void *state)
{
	struct p2p *p = state;

	proto_free(p->conn, p, sizeof(*p));
}

static void p2p_free_tx(void *data)
{
	struct p2p *p = proto_conn_state(((struct proto_fields *)data)->conn);

	if (p && p->tx && p->tx->data == data) {
		p->tx = NULL;
		p->over = true;
	}
	proto_fields_free(data);
}

static enum proto_guess p2p_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	bool may;

	(void)info;
	if (network_of(side, cur_make(bytes, len), &may))
		return PROTO_IS;
	return may ? PROTO_MAY_BE : PROTO_IS_NOT;
}

const struct proto_parser proto_p2p = { .id = PROTO_P2P,
	.ip_proto = IPPROTO_TCP,
	.guess = p2p_guess,
	.open = p2p_open,
	.close = p2p_close,
	.feed = p2p_feed,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = p2p_free_tx };
