/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NetBIOS over IP (RFC 1001, 1002). Over UDP a message of the name service or the datagram service
 * is a transaction, and so it is without IP. Over TCP it is what a session begins with: who is called, who calls, and the
 * answer; then another protocol begins (SMB), which is found by what it says.
 */
#include "proto/netbios.h"
#include "proto/talk.h"

#define SESSION_PORT        139
#define SESSION_HEADER      4
#define SESSION_REQUEST_MAX 512 /* two names with scopes; a longer one is none */

enum { SESSION_MESSAGE, SESSION_REQUEST = 0x81, SESSION_YES, SESSION_NO, SESSION_RETARGET };

struct netbios {
	struct proto_conn *conn;
	bool asked;          /* there was a request for a session, or the answer to one */
	struct proto_tx *tx; /* of the request, while there is no answer */
};

static bool is_message(const struct proto_flow_info *info, struct cur c)
{
	return info->ip_proto == IPPROTO_UDP ? netbios_is_name_message(c) || netbios_is_datagram(c)
					     : netbios_is_frame(c);
}

static void take_message(struct proto_conn *conn, unsigned side, struct cur message)
{
	char text[NETBIOS_JSON_MAX];
	struct out o = out_make(text, sizeof(text));
	struct proto_tx *tx;

	if (proto_conn_info(conn)->ip_proto != IPPROTO_UDP)
		netbios_say_frame(message, &o);
	else if (netbios_is_name_message(message))
		netbios_say_name_message(message, &o);
	else
		netbios_say_datagram(message, &o);
	tx = o.len ? proto_fields_tx(conn, "netbios") : NULL;
	if (!tx)
		return;
	proto_fields_say(tx->data, &o);
	tx->state.done[!side] = true;
	proto_tx_done(tx, side);
}

/* ---- sessions (RFC 1002, 4.3) ---- */

/* The whole frame; *ret_type and an empty one: it is not there yet. */
static struct cur next_frame(struct cur *c, uint8_t *ret_type)
{
	struct cur at = *c, body;
	size_t len;

	*ret_type = cur_u8(&at);
	len = (size_t)(cur_u8(&at) & 1) << 16;
	len |= cur_be16(&at);
	body = cur_sub(&at, len);
	if (cur_ok(&body) && cur_ok(&at))
		*c = at;
	else
		body = (struct cur){ .bad = true };
	return body;
}

static void take_request(struct netbios *n, struct cur body)
{
	char text[NETBIOS_JSON_ROOM];
	struct out o = out_make(text, sizeof(text));
	struct netbios_name called, calling;
	struct cur c = body;

	n->tx = proto_fields_tx(n->conn, "netbios");
	if (!n->tx)
		return;
	json_str(&o, "service", "session");
	if (netbios_name_read(body, &c, &called))
		netbios_name_say(&o, "called", &called);
	if (cur_left(&c) && netbios_name_read(body, &c, &calling)) {
		netbios_name_say(&o, "calling", &calling);
		netbios_scope_say(&o, &calling);
	}
	proto_fields_say(n->tx->data, &o);
	proto_tx_done(n->tx, 0);
}

static const char *error_text(uint8_t error)
{
	switch (error) {
	case 0x80:
		return "not listening on called name";
	case 0x81:
		return "not listening for calling name";
	case 0x82:
		return "called name not present";
	case 0x83:
		return "insufficient resources";
	}
	return "unspecified";
}

static void say_answer(struct netbios *n, uint8_t type, struct cur body)
{
	char text[256];
	struct out o;

	if (!n->tx)
		return;
	o = talk_out(n->tx->data, text, sizeof(text));
	if (type == SESSION_YES) {
		json_str(&o, "result", "accepted");
	} else if (type == SESSION_NO) {
		json_str(&o, "result", "refused");
		json_str(&o, "error", error_text(cur_u8(&body)));
	} else {
		json_str(&o, "result", "retargeted");
		json_ip(&o, "retarget_ip", &body, 4);
		json_u64(&o, "retarget_port", cur_be16(&body));
	}
	talk_say(n->tx->data, &o);
	proto_tx_done(n->tx, 1);
	n->tx = NULL;
}

static bool is_of_session(unsigned side, uint8_t type)
{
	return side == 0 ? type == SESSION_REQUEST
			 : type >= SESSION_YES && type <= SESSION_RETARGET;
}

/* One frame; false: there is no more for us. */
static bool take_frame(struct netbios *n, unsigned side, struct cur *c)
{
	uint8_t type = cur_ahead(*c, 0);
	struct cur body;

	if (!is_of_session(side, type)) {
		proto_conn_start_over(n->conn);
		return false;
	}
	body = next_frame(c, &type);
	if (!cur_ok(&body))
		return false;
	if (type == SESSION_REQUEST)
		take_request(n, body);
	else
		say_answer(n, type, body);
	n->asked = true;
	if (type == SESSION_YES)
		proto_conn_start_over(n->conn);
	return type != SESSION_YES;
}

/* What follows the answer that accepts, or stands where a frame of ours should, is another
 * protocol's. */
static size_t take_frames(struct netbios *n, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);

	if (len && !n->asked && !is_of_session(side, cur_ahead(c, 0)))
		return SIZE_MAX; /* what was said before */
	while (cur_left(&c) && take_frame(n, side, &c))
		;
	return len - cur_left(&c);
}

static size_t netbios_feed(struct proto_conn *conn, void *state, unsigned side,
	const uint8_t *bytes, size_t len, bool end)
{
	(void)end;
	if (proto_conn_info(conn)->ip_proto == IPPROTO_TCP)
		return take_frames(state, side, bytes, len);
	if (len)
		take_message(conn, side, cur_make(bytes, len));
	return len;
}

static void *netbios_open(struct proto_conn *conn)
{
	struct netbios *n = proto_alloc(conn, sizeof(*n));

	if (n)
		*n = (struct netbios){ .conn = conn };
	return n;
}

static void netbios_close(void *state)
{
	struct netbios *n = state;

	proto_free(n->conn, n, sizeof(*n));
}

static void netbios_free_tx(void *data)
{
	struct netbios *n = proto_conn_state(((struct proto_fields *)data)->conn);

	if (n && n->tx && n->tx->data == data)
		n->tx = NULL;
	proto_fields_free(data);
}

/* Elsewhere than on its port both names must be some. */
static enum proto_guess guess_session(const struct proto_flow_info *info, struct cur c)
{
	struct cur at = c, body;
	struct netbios_name name;
	uint8_t type = cur_u8(&at);
	size_t size;

	if (type != SESSION_REQUEST)
		return PROTO_IS_NOT;
	if (cur_left(&c) < SESSION_HEADER)
		return PROTO_MAY_BE;
	size = (size_t)cur_u8(&at) << 16;
	size |= cur_be16(&at);
	if (size > SESSION_REQUEST_MAX - SESSION_HEADER)
		return PROTO_IS_NOT;
	body = next_frame(&c, &type);
	if (!cur_ok(&body))
		return PROTO_MAY_BE;
	at = body;
	return info->port[1] == SESSION_PORT || (netbios_name_read(body, &at, &name) &&
							netbios_name_read(body, &at, &name))
		       ? PROTO_IS
		       : PROTO_IS_NOT;
}

/* One that accepts says too little. */
static enum proto_guess guess_answer(struct cur c)
{
	static const uint8_t no[] = { SESSION_NO, 0, 0, 1 },
			     retarget[] = { SESSION_RETARGET, 0, 0, 6 };
	size_t n = cur_left(&c) < sizeof(no) ? cur_left(&c) : sizeof(no);

	if (!n || (memcmp(c.at, no, n) != 0 && memcmp(c.at, retarget, n) != 0))
		return PROTO_IS_NOT;
	return n == sizeof(no) ? PROTO_IS : PROTO_MAY_BE;
}

static enum proto_guess netbios_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);

	if (info->ip_proto == IPPROTO_TCP)
		return side == 0 ? guess_session(info, c) : guess_answer(c);
	return is_message(info, c) ? PROTO_IS : PROTO_IS_NOT;
}

const struct proto_parser proto_netbios = { .id = PROTO_NETBIOS,
	.guess = netbios_guess,
	.open = netbios_open,
	.close = netbios_close,
	.feed = netbios_feed,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = netbios_free_tx };
