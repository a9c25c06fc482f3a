/* SPDX-License-Identifier: Apache-2.0 */
/* A connection: whose bytes they are, and who reads them. */
#include "proto/proto.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/conn.h"

static bool parser_fits(const struct proto_parser *parser, const struct proto_conn *conn)
{
	return !parser->ip_proto || parser->ip_proto == conn->info.ip_proto;
}

const struct proto_parser *proto_parser_of(enum proto_id id)
{
	for (unsigned i = 0; proto_parsers[i]; i++)
		if (proto_parsers[i]->id == id)
			return proto_parsers[i];
	return NULL;
}

const struct proto_flow_info *proto_conn_info(const struct proto_conn *conn)
{
	return &conn->info;
}

int64_t proto_conn_time_ns(const struct proto_conn *conn)
{
	return conn->time_ns;
}

void *proto_conn_state(struct proto_conn *conn)
{
	return conn->state;
}

void proto_conn_start_over(struct proto_conn *conn)
{
	conn->start_over = true;
}

bool proto_conn_leave(struct proto_conn *conn, const void *bytes, size_t len)
{
	return proto_body_add(conn, &conn->legacy, bytes, len);
}

struct cur proto_conn_legacy(const struct proto_conn *conn)
{
	return cur_make(conn->legacy.at, conn->legacy.len);
}

void proto_conn_start_as(struct proto_conn *conn, enum proto_id next)
{
	conn->start_over = true;
	conn->next = next;
}

void proto_conn_expect(struct proto_conn *conn, const struct proto_expect *expect)
{
	if (conn->setup.on_expect)
		conn->setup.on_expect(conn->setup.context, expect);
}

void proto_conn_wait(struct proto_conn *conn, unsigned side)
{
	conn->side[side].waits = true;
}

void proto_conn_give_up(struct proto_conn *conn)
{
	conn->overrun = true;
}

static void pending_drop(struct proto_conn *conn, struct conn_side *side)
{
	proto_free(conn, side->pending, side->room);
	side->pending = NULL;
	side->len = side->room = 0;
}

/* The side is not looked at any more. */
static void lose(struct proto_conn *conn, unsigned side)
{
	conn->side[side].lost = true;
	pending_drop(conn, &conn->side[side]);
	conn_txs_done(conn, side);
}

void proto_conn_lose(struct proto_conn *conn, unsigned side)
{
	lose(conn, side);
}

static void lose_all(struct proto_conn *conn)
{
	lose(conn, 0);
	lose(conn, 1);
}

static bool pending_add(
	struct proto_conn *conn, struct conn_side *side, const uint8_t *bytes, size_t len)
{
	size_t room = side->len + len;
	uint8_t *more;

	if (room > side->room) {
		room = room > 2 * side->room ? room : 2 * side->room;
		more = proto_alloc(conn, room);
		if (!more)
			return false;
		if (side->len)
			memcpy(more, side->pending, side->len);
		proto_free(conn, side->pending, side->room);
		side->pending = more;
		side->room = room;
	}
	if (len)
		memcpy(side->pending + side->len, bytes, len);
	side->len += len;
	return true;
}

/* What the parser left of the bytes, which may be those pending. */
static void pending_keep(struct proto_conn *conn, unsigned n, const uint8_t *bytes, size_t len)
{
	struct conn_side *side = &conn->side[n];

	if (len > PROTO_PENDING_MAX) {
		lose(conn, n);
	} else if (side->pending && len) {
		memmove(side->pending, bytes, len);
		side->len = len;
	} else if (!len) {
		pending_drop(conn, side);
	} else if (!pending_add(conn, side, bytes, len)) {
		lose(conn, n);
	}
}

static void hand_over(
	struct proto_conn *conn, unsigned n, const uint8_t *bytes, size_t len, bool end)
{
	struct cur rest = cur_make(bytes, len);
	size_t used = conn->parser->feed(conn, conn->state, n, bytes, len, end);

	if (conn->overrun || used == SIZE_MAX)
		lose(conn, n);
	else if (conn->info.ip_proto != IPPROTO_TCP || end)
		pending_drop(conn, &conn->side[n]);
	else {
		cur_skip(&rest, used);
		pending_keep(conn, n, rest.at, cur_left(&rest));
	}
}

/* Whose the pending bytes of a side are: the parser that is sure; else whether one may be. */
static const struct proto_parser *guess(
	const struct proto_conn *conn, unsigned n, const uint8_t *bytes, size_t len, bool *ret_may)
{
	enum proto_guess answer;

	if (!len)
		bytes = (const uint8_t *)""; /* may be NULL, which memcmp() does not like */
	*ret_may = false;
	for (unsigned i = 0; proto_parsers[i]; i++) {
		if (!parser_fits(proto_parsers[i], conn))
			continue;
		answer = proto_parsers[i]->guess(&conn->info, n, bytes, len);
		if (answer == PROTO_IS)
			return proto_parsers[i];
		*ret_may |= answer == PROTO_MAY_BE;
	}
	return NULL;
}

/* Guesses a side from all its bytes so far. What it says has no influence on a parser that is
 * already at work; it is what the side is called. */
static const struct proto_parser *recognise(
	struct proto_conn *conn, unsigned n, const uint8_t *bytes, size_t len, bool end)
{
	struct conn_side *side = &conn->side[n];
	bool may = false;
	const struct proto_parser *parser = len ? guess(conn, n, bytes, len, &may) : NULL;

	if (parser)
		side->id = parser->id;
	else if (!may || end || len >= PROTO_GUESS_MAX || conn->info.ip_proto != IPPROTO_TCP)
		side->id = PROTO_FAILED;
	return parser;
}

/* Once a parser is known, it gets what both sides have said so far, in the order in which they
 * began. */
static void catch_up(struct proto_conn *conn)
{
	for (unsigned i = 0; i < 2; i++) {
		unsigned n = conn->first ^ i;
		struct conn_side *side = &conn->side[n];

		if (side->len && !side->lost && !conn->start_over)
			hand_over(conn, n, side->pending, side->len, side->ended);
	}
}

static bool set_parser(struct proto_conn *conn, const struct proto_parser *parser)
{
	conn->parser = parser;
	conn->state = parser->open(conn);
	if (!conn->state) {
		conn->overrun = true;
		lose_all(conn);
	}
	return conn->state;
}

static void find_parser(
	struct proto_conn *conn, unsigned n, const uint8_t *bytes, size_t len, bool end)
{
	struct conn_side *side = &conn->side[n];
	const struct proto_parser *parser;

	if (!conn->side[!n].len)
		conn->first = (uint8_t)n;
	if (side->len + len > PROTO_PENDING_MAX || !pending_add(conn, side, bytes, len)) {
		side->id = PROTO_FAILED;
		lose(conn, n);
		return;
	}
	if (side->id)
		return; /* failed: only the other side can still tell */
	parser = recognise(conn, n, side->pending, side->len, end);
	if (parser) {
		if (set_parser(conn, parser))
			catch_up(conn);
	} else if (conn->side[0].id == PROTO_FAILED && conn->side[1].id == PROTO_FAILED) {
		lose_all(conn);
	}
}

/* What it has not told yet it tells now. */
static void close_parser(struct proto_conn *conn)
{
	conn_txs_free(conn);
	if (conn->state)
		conn->parser->close(conn->state);
	conn->state = NULL;
}

static void start_as(struct proto_conn *conn, const struct proto_parser *parser)
{
	conn->next = PROTO_NONE;
	conn->side[0].id = conn->side[1].id = parser->id;
	if (set_parser(conn, parser))
		catch_up(conn);
}

static void start_over(struct proto_conn *conn)
{
	conn->start_over = false;
	conn_txs_done(conn, 0);
	conn_txs_done(conn, 1);
	conn_tell(conn);
	conn->before = conn->parser->id;
	conn->next_id = 0; /* as Suricata counts: anew */
	conn->parser->close(conn->state);
	conn->parser = NULL;
	conn->state = NULL;
	for (unsigned n = 0; n < 2; n++) {
		conn->side[n].id = PROTO_NONE;
		conn->side[n].lost = conn->side[n].ended;
		conn->side[n].waits = false;
	}
	if (conn->next) {
		start_as(conn, proto_parser_of(conn->next));
		return;
	}
	for (unsigned n = 0; n < 2 && !conn->parser; n++)
		if (conn->side[n].len && !conn->side[n].lost)
			find_parser(conn, n, NULL, 0, false);
}

static void take(struct proto_conn *conn, unsigned n, const uint8_t *bytes, size_t len, bool end)
{
	struct conn_side *side = &conn->side[n];

	if (!conn->parser) {
		find_parser(conn, n, bytes, len, end);
		return;
	}
	if (!side->id && (len || side->len))
		recognise(conn, n, bytes, len, end);
	if (!side->len)
		hand_over(conn, n, bytes, len, end);
	else if (pending_add(conn, side, bytes, len))
		hand_over(conn, n, side->pending, side->len, end);
	else
		lose(conn, n);
}

/* The sides in turn, while what one has said lets the other go on. */
static void feed_waiting(struct proto_conn *conn, unsigned n)
{
	bool more = true;

	while (more && conn->parser && !conn->start_over && !conn->overrun) {
		struct conn_side *side = &conn->side[n = !n];
		size_t before = side->len;

		if (!side->waits || side->lost || !side->len)
			return;
		side->waits = false;
		hand_over(conn, n, side->pending, side->len, side->ended);
		more = side->len < before;
	}
}

static void settle(struct proto_conn *conn)
{
	if (conn->overrun)
		lose_all(conn);
	else if (conn->start_over)
		start_over(conn);
	conn_tell(conn);
}

void proto_feed(
	struct proto_conn *conn, unsigned side, const uint8_t *bytes, size_t len, int64_t time_ns)
{
	conn->time_ns = time_ns;
	if (conn->side[side].lost || conn->side[side].ended || !len)
		return;
	take(conn, side, bytes, len, false);
	feed_waiting(conn, side);
	settle(conn);
}

void proto_gap(struct proto_conn *conn, unsigned n, uint64_t len)
{
	struct conn_side *side = &conn->side[n];
	uint64_t all = len + side->len;

	if (side->lost || side->ended || !len)
		return;
	if (!conn->parser) {
		side->id = PROTO_FAILED;
		lose(conn, n);
	} else if (!conn->parser->gap) {
		lose(conn, n);
	} else {
		pending_drop(conn, side);
		conn->parser->gap(conn, conn->state, n, all);
	}
	settle(conn);
}

void proto_end(struct proto_conn *conn, unsigned side)
{
	if (conn->side[side].ended)
		return;
	conn->side[side].ended = true;
	if (!conn->side[side].lost)
		take(conn, side, NULL, 0, true);
	feed_waiting(conn, side);
	if (conn->side[!side].ended) {
		conn_txs_done(conn, 0);
		conn_txs_done(conn, 1);
	}
	settle(conn);
	if (conn->side[!side].ended)
		close_parser(conn);
}

enum proto_id proto_conn_id(const struct proto_conn *conn, unsigned side)
{
	return conn->side[side].id;
}

enum proto_id proto_conn_app(const struct proto_conn *conn)
{
	if (conn->parser)
		return conn->parser->id;
	if (conn->before)
		return conn->before;
	return conn->side[0].id == PROTO_FAILED && conn->side[1].id == PROTO_FAILED ? PROTO_FAILED
										    : PROTO_NONE;
}

enum proto_id proto_conn_before(const struct proto_conn *conn)
{
	return conn->before;
}

bool proto_conn_overrun(const struct proto_conn *conn)
{
	return conn->overrun;
}

size_t proto_conn_bytes(const struct proto_conn *conn)
{
	return conn->bytes;
}

int proto_conn_new(const struct proto_setup *setup, const struct proto_flow_info *info,
	struct proto_conn **ret_conn)
{
	struct proto_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return -ENOMEM;
	conn->setup = *setup;
	conn->info = *info;
	if (info->expected) {
		conn->expected = *info->expected;
		conn->info.expected = &conn->expected;
	}
	*ret_conn = conn;
	return 0;
}

struct proto_conn *proto_conn_free(struct proto_conn *conn)
{
	if (!conn)
		return NULL;
	conn->setup.on_login = NULL; /* who frees it wants to hear nothing */
	conn->setup.on_file = NULL;
	close_parser(conn);
	pending_drop(conn, &conn->side[0]);
	pending_drop(conn, &conn->side[1]);
	proto_body_free(conn, &conn->legacy);
	free(conn);
	return NULL;
}
