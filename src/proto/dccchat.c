/* SPDX-License-Identifier: Apache-2.0 */
/* DCC CHAT: two who met over IRC talk over a connection of their own, which one of them has announced there. What
 * each says is lines; who they are is known from the announcement. */
#include "proto/chat.h"

#define DCC_LINE_MAX 8192u

struct dcc_chat {
	struct proto_conn *conn;
	bool skips[2]; /* the rest of a line that was too long, or incomplete */
};

static enum proto_guess dcc_guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	(void)side;
	(void)bytes;
	(void)len;
	return proto_expects_chat(info) ? PROTO_IS : PROTO_IS_NOT;
}

static void *dcc_open(struct proto_conn *conn)
{
	struct dcc_chat *dcc = proto_alloc(conn, sizeof(*dcc));

	if (dcc)
		*dcc = (struct dcc_chat){ .conn = conn };
	return dcc;
}

static void dcc_close(void *state)
{
	struct dcc_chat *dcc = state;

	proto_free(dcc->conn, dcc, sizeof(*dcc));
}

/* Who announced it listens: the server. */
static void take_line(struct dcc_chat *dcc, unsigned side, struct cur line, bool cut)
{
	const struct proto_expect *e = proto_conn_info(dcc->conn)->expected;
	const struct cur nick[2] = { cur_make(e->peer, e->peer_len),
		cur_make(e->name, e->name_len) };
	struct chat_parts parts = {
		.nick = nick[side], .to = nick[!side], .text = text_trim(line)
	};

	if (cur_left(&parts.text))
		chat_say(dcc->conn, side, "message", parts, cut);
}

static size_t dcc_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct dcc_chat *dcc = state;
	struct cur c = cur_make(bytes, len);

	(void)conn;
	while (cur_left(&c)) {
		struct cur line;
		bool whole;
		size_t used = text_line(c.at, cur_left(&c), DCC_LINE_MAX, end, &line, &whole);

		if (!used)
			break;
		if (!dcc->skips[side])
			take_line(dcc, side, line, !whole && !end);
		dcc->skips[side] = !whole;
		cur_skip(&c, used);
	}
	return len - cur_left(&c);
}

static void dcc_gap(struct proto_conn *conn, void *state, unsigned side, uint64_t len)
{
	(void)conn;
	(void)len;
	((struct dcc_chat *)state)->skips[side] = true;
}

const struct proto_parser proto_dcc_chat = { .id = PROTO_DCC,
	.ip_proto = IPPROTO_TCP,
	.guess = dcc_guess,
	.open = dcc_open,
	.close = dcc_close,
	.feed = dcc_feed,
	.gap = dcc_gap,
	.json = chat_json,
	.chat = chat_of_tx,
	.free_tx = chat_free_tx };
