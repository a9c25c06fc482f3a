/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of a connection, counted, and bytes that grow in it. */
#include <stdlib.h>

#include "proto/conn.h"

#define BODY_ROOM_MIN 128u
#define BODY_WINDOW \
	(64u << 10) /* what rules see of a body at least, beyond a limit: more than comes at a time */

bool proto_charge(struct proto_conn *conn, int64_t bytes)
{
	if (bytes > 0 && (uint64_t)bytes > PROTO_CONN_BYTES_MAX - conn->bytes) {
		conn->overrun = true;
		return false;
	}
	conn->bytes = (size_t)((int64_t)conn->bytes + bytes);
	return true;
}

void *proto_alloc(struct proto_conn *conn, size_t size)
{
	void *memory;

	if (size > PROTO_CONN_BYTES_MAX || !proto_charge(conn, (int64_t)size))
		return NULL;
	memory = calloc(1, size ? size : 1);
	if (!memory) {
		proto_charge(conn, -(int64_t)size);
		conn->overrun = true;
	}
	return memory;
}

void proto_free(struct proto_conn *conn, void *memory, size_t size)
{
	if (!memory)
		return;
	proto_charge(conn, -(int64_t)size);
	free(memory);
}

/* Drops the oldest bytes, so that `len` more leave the last PROTO_BODY_KEEP; not with each small piece, which would move
 * everything. */
static void make_place(struct proto_body *body, uint32_t len)
{
	uint32_t keep = PROTO_BODY_KEEP - len;
	uint32_t drop = body->len > keep ? body->len - keep : 0;

	if (body->len + len <= PROTO_BODY_ROOM_MAX || drop == 0)
		return;
	memmove(body->at, body->at + drop, body->len - drop);
	body->len -= drop;
	body->offset += drop;
}

static bool grow(struct proto_conn *conn, struct proto_body *body, uint32_t need)
{
	uint32_t room = body->room ? body->room : BODY_ROOM_MIN;
	uint8_t *more;

	if (need <= body->room)
		return true;
	while (room < need)
		room *= 2;
	if (room > PROTO_BODY_ROOM_MAX)
		room = PROTO_BODY_ROOM_MAX;
	more = proto_alloc(conn, room);
	if (!more)
		return false;
	if (body->len)
		memcpy(more, body->at, body->len);
	proto_free(conn, body->at, body->room);
	body->at = more;
	body->room = room;
	return true;
}

bool proto_body_add(
	struct proto_conn *conn, struct proto_body *body, const uint8_t *bytes, size_t len)
{
	struct cur from = cur_make(bytes, len);
	uint32_t add;

	if (!len)
		return true;
	if (len > PROTO_BODY_KEEP) {
		body->offset += body->len + (len - PROTO_BODY_KEEP);
		body->len = 0;
		cur_skip(&from, len - PROTO_BODY_KEEP);
	}
	add = (uint32_t)cur_left(&from);
	make_place(body, add);
	if (!grow(conn, body, body->len + add))
		return false;
	cur_copy(&from, body->at + body->len, add);
	body->len += add;
	return true;
}

void proto_body_add_within(struct proto_conn *conn, struct proto_body *body, const uint8_t *bytes,
	size_t len, size_t limit)
{
	struct cur from = cur_make(bytes, len);
	size_t drop;

	if (conn->bytes < limit) {
		proto_body_add(conn, body, bytes, len);
		return;
	}
	if (body->room < BODY_WINDOW && conn->bytes < limit + limit / 2)
		grow(conn, body,
			body->len + len < BODY_WINDOW ? body->len + (uint32_t)len : BODY_WINDOW);
	if (len > body->room) {
		body->offset += body->len + (len - body->room);
		body->len = 0;
		cur_skip(&from, len - body->room);
	}
	drop = body->len + cur_left(&from) > body->room ? body->len + cur_left(&from) - body->room
							: 0;
	if (cur_left(&from) < len || (drop && body->room < BODY_WINDOW))
		proto_conn_limit(conn);
	if (drop)
		memmove(body->at, body->at + drop, body->len - drop);
	body->len -= (uint32_t)drop;
	body->offset += drop;
	len = cur_left(&from);
	if (len)
		cur_copy(&from, body->at + body->len, len);
	body->len += (uint32_t)len;
}

void proto_body_free(struct proto_conn *conn, struct proto_body *body)
{
	proto_free(conn, body->at, body->room);
	*body = (struct proto_body){ 0 };
}

struct proto_bytes proto_body_bytes(const struct proto_body *body)
{
	return (struct proto_bytes){
		.at = body->at, .len = body->len, .offset = body->offset, .complete = body->complete
	};
}
