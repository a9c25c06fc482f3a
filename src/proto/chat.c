/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/chat.h"

/* The data of a transaction. */
struct said {
	struct proto_conn *conn;
	size_t size;
	struct proto_chat chat; /* points into `kept` */
	uint8_t kept[];
};

static struct proto_bytes keep(struct said *said, struct cur c, size_t max)
{
	struct proto_bytes kept = { .at = said->kept + said->size, .complete = true };

	said->chat.cut |= cur_left(&c) > max;
	cur_limit(&c, max);
	kept.len = (uint32_t)cur_left(&c);
	said->size += kept.len;
	cur_copy(&c, said->kept + said->size - kept.len, kept.len);
	return kept;
}

static size_t room_of(struct cur c, size_t max)
{
	return cur_left(&c) < max ? cur_left(&c) : max;
}

static void tell(struct proto_conn *conn, unsigned side, struct said *said, bool cut)
{
	struct proto_tx *tx = proto_tx_new(conn, said);

	if (!tx) {
		if (said)
			proto_free(conn, said, sizeof(*said) + said->size);
		return;
	}
	if (cut)
		proto_tx_add_event(tx, "irc.line_too_long");
	tx->state.done[!side] = true;
	proto_tx_done(tx, side);
}

void chat_say(
	struct proto_conn *conn, unsigned side, const char *kind, struct chat_parts p, bool cut)
{
	size_t room = room_of(p.nick, CHAT_NAME_MAX) + room_of(p.channel, CHAT_NAME_MAX) +
		      room_of(p.to, CHAT_NAME_MAX) + room_of(p.text, CHAT_TEXT_MAX);
	struct said *said = proto_alloc(conn, sizeof(*said) + room);

	if (!said)
		return;
	*said = (struct said){ .conn = conn };
	said->chat = (struct proto_chat){ .kind = kind, .cut = cut };
	said->chat.nick = keep(said, p.nick, CHAT_NAME_MAX);
	said->chat.channel = keep(said, p.channel, CHAT_NAME_MAX);
	said->chat.to = keep(said, p.to, CHAT_NAME_MAX);
	said->chat.text = keep(said, p.text, CHAT_TEXT_MAX);
	tell(conn, side, said, said->chat.cut);
}

void chat_too_long(struct proto_conn *conn, unsigned side)
{
	tell(conn, side, NULL, true);
}

void chat_free_tx(void *data)
{
	struct said *said = data;

	proto_free(said->conn, said, sizeof(*said) + said->size);
}

bool chat_of_tx(const struct proto_tx *tx, struct proto_chat *ret_chat)
{
	const struct said *said = tx->data;

	if (said)
		*ret_chat = said->chat;
	return said;
}

static void json_part(struct out *o, const char *name, struct proto_bytes bytes)
{
	if (bytes.len)
		json_text(o, name, bytes.at, bytes.len);
}

bool chat_json(struct proto_tx *tx, struct out *o)
{
	struct proto_chat chat;

	if (!chat_of_tx(tx, &chat))
		return false;
	out_str(o, "\"chat\":{");
	json_str(o, "kind", chat.kind);
	json_part(o, "nick", chat.nick);
	json_part(o, "channel", chat.channel);
	json_part(o, "to", chat.to);
	json_part(o, "text", chat.text);
	if (chat.cut)
		json_bool(o, "cut", true);
	json_close(o, '}');
	return true;
}
