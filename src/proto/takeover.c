/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who breaks into a server may get a shell in the very connection that he did it with: the program that spoke FTP,
 * HTTP or TLS there is none any more. What the client says last is kept while it may have been typed, and with the
 * first bytes of what the server says to it, a parser may be sure that the connection is its own from here.
 */
#include "proto/conn.h"
#include "proto/fields.h"

#define TYPED_MAX 1024u /* bytes of lines without an answer */

void takeover_forget(struct proto_conn *conn)
{
	if (conn->typed)
		proto_free(conn, conn->typed, conn->typed_len);
	conn->typed = NULL;
	conn->typed_len = 0;
}

/* No more room than it needs: many conversations may wait for an answer. */
static void add_typed(struct proto_conn *conn, struct cur c)
{
	uint16_t len = (uint16_t)(conn->typed_len + cur_left(&c));
	char *lines = proto_alloc(conn, len);

	if (!lines)
		return;
	if (conn->typed)
		memcpy(lines, conn->typed, conn->typed_len);
	memcpy(lines + conn->typed_len, c.at, cur_left(&c));
	takeover_forget(conn);
	conn->typed = (uint8_t *)lines;
	conn->typed_len = len;
}

static void see_typed(struct proto_conn *conn, struct cur c)
{
	if (cur_left(&c) > TYPED_MAX + 1)
		cur_skip(&c, cur_left(&c) - TYPED_MAX - 1);
	c = c.end[-1] == '\n' ? text_behind_code(c) : cur_make(c.end, 0);
	if (!cur_left(&c) || cur_left(&c) + conn->typed_len > TYPED_MAX)
		takeover_forget(conn);
	if (cur_left(&c) > 0 && cur_left(&c) <= TYPED_MAX)
		add_typed(conn, c);
}

/* What leaves is read as what it began as: who can choose what both sides say must not choose by it which rules see it.
 * What is a terminal's already is nobody's to take. */
static bool is_watched(const struct proto_conn *conn)
{
	return conn->info.ip_proto == IPPROTO_TCP && !conn->info.doubted && !conn->overrun &&
	       (!conn->parser || !conn->parser->tells_text);
}

/* Nor is what may still be claimed. */
static bool may_be_taken(const struct proto_conn *conn)
{
	return conn->typed && is_watched(conn) &&
	       (conn->parser || (conn->side[0].lost && conn->side[1].lost));
}

static const struct proto_parser *find(struct proto_conn *conn, struct cur shown)
{
	struct cur typed = cur_make(conn->typed, conn->typed_len);

	for (unsigned i = 0; proto_parsers[i]; i++)
		if (proto_parsers[i]->takes_over && proto_parsers[i]->takes_over(typed, shown))
			return proto_parsers[i];
	takeover_forget(conn);
	return NULL;
}

const struct proto_parser *takeover_see(
	struct proto_conn *conn, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);

	if (side == 0 && is_watched(conn))
		see_typed(conn, c);
	else if (may_be_taken(conn))
		return find(conn, c);
	else
		takeover_forget(conn);
	return NULL;
}

const struct proto_parser *takeover_end(struct proto_conn *conn)
{
	return may_be_taken(conn) ? find(conn, cur_make(NULL, 0)) : NULL;
}
