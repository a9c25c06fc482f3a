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

unsigned proto_conn_role(const struct proto_conn *conn)
{
	return conn->role;
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

void proto_conn_start_over_turned(struct proto_conn *conn)
{
	conn->start_over = conn->swap = true;
}

void proto_conn_expect(struct proto_conn *conn, const struct proto_expect *expect)
{
	struct proto_expect told = *expect;

	if (!conn->setup.on_expect)
		return;
	if (conn->swapped && !told.elsewhere) {
		told.listens ^= 1;
		told.sender ^= 1;
	}
	conn->setup.on_expect(conn->setup.context, &told);
}

void proto_conn_tunnel(struct proto_conn *conn, const struct proto_tunnel *tunnel)
{
	if (conn->setup.on_tunnel)
		conn->setup.on_tunnel(conn->setup.context, tunnel);
}

void proto_conn_wait(struct proto_conn *conn, unsigned side)
{
	conn->side[side].waits = true;
}

struct cur proto_conn_left(const struct proto_conn *conn, unsigned side)
{
	return cur_make(conn->side[side].pending, conn->side[side].len);
}

void proto_conn_give_up(struct proto_conn *conn)
{
	conn->overrun = true;
}

void proto_conn_limit(struct proto_conn *conn)
{
	conn->limited = true;
}

static void pending_drop(struct proto_conn *conn, struct conn_side *side)
{
	proto_free(conn, side->pending, side->room);
	side->pending = NULL;
	side->len = side->room = 0;
}

static void conn_text(struct proto_conn *conn, const struct proto_text *text)
{
	struct proto_text told = *text;

	if (!conn->setup.on_text)
		return;
	told.side ^= conn->swapped;
	told.time_ns = conn->time_ns;
	told.proto = conn->parser ? conn->parser->id : PROTO_FAILED;
	conn->setup.on_text(conn->setup.context, &told);
}

void proto_conn_text(struct proto_conn *conn, unsigned side, enum proto_text_kind kind,
	const uint8_t *bytes, size_t len)
{
	const struct proto_text text = { .kind = kind, .side = side, .bytes = bytes, .len = len };

	if (len)
		conn_text(conn, &text);
}

void proto_conn_window(struct proto_conn *conn, unsigned side, unsigned columns, unsigned rows)
{
	const struct proto_text text = { .kind = PROTO_TEXT_WINDOW,
		.side = side,
		.columns = (uint16_t)columns,
		.rows = (uint16_t)rows };

	if (columns && rows)
		conn_text(conn, &text);
}

/* Of a protocol whose parser does not say what of it is text. */
static void tell_plain(struct proto_conn *conn, unsigned side, const uint8_t *bytes, size_t len)
{
	if (conn->setup.on_text && (!conn->parser || !conn->parser->tells_text))
		proto_conn_text(conn, side, side ? PROTO_TEXT_SHOWN : PROTO_TEXT_TYPED, bytes, len);
}

static void turns_drop(struct proto_conn *conn)
{
	proto_free(conn, conn->turn, conn->turns_room * sizeof(*conn->turn));
	conn->turn = NULL;
	conn->n_turns = conn->turns_room = 0;
}

static bool turns_grow(struct proto_conn *conn)
{
	uint32_t room = conn->turns_room ? 2 * conn->turns_room : 4;
	struct conn_turn *more = proto_alloc(conn, room * sizeof(*more));

	if (!more)
		return false;
	if (conn->n_turns)
		memcpy(more, conn->turn, conn->n_turns * sizeof(*more));
	proto_free(conn, conn->turn, conn->turns_room * sizeof(*more));
	conn->turn = more;
	conn->turns_room = room;
	return true;
}

/* Two that follow each other become one, at the time of the first. False: the sides take turns. */
static bool turns_join(struct proto_conn *conn)
{
	for (uint32_t i = conn->n_turns - 1; i > 0; i--) {
		struct conn_turn *turn = &conn->turn[i - 1];

		if (turn[0].side != turn[1].side || turn[0].told != turn[1].told)
			continue;
		turn[0].len += turn[1].len;
		conn->n_turns--;
		memmove(turn + 1, turn + 2, (conn->n_turns - i) * sizeof(*turn));
		return true;
	}
	return false;
}

/* The last one of the side: where they take turns there is one. */
static struct conn_turn *last_turn(struct proto_conn *conn, unsigned side)
{
	struct conn_turn *turn = &conn->turn[conn->n_turns - 1];

	return turn->side == side ? turn : turn - 1;
}

static bool turn_add(struct proto_conn *conn, unsigned side, size_t len, bool told)
{
	struct conn_turn *last = conn->n_turns ? &conn->turn[conn->n_turns - 1] : NULL;

	if (conn->info.ip_proto == IPPROTO_TCP && last && last->side == side &&
		last->time_ns == conn->time_ns && last->told == told) {
		last->len += (uint32_t)len;
		return true;
	}
	if (conn->n_turns == CONN_TURNS_MAX && !turns_join(conn)) {
		last_turn(conn, side)->len += (uint32_t)len;
		return true;
	}
	if (conn->n_turns == conn->turns_room && !turns_grow(conn))
		return false;
	conn->turn[conn->n_turns++] = (struct conn_turn){
		.time_ns = conn->time_ns, .len = (uint32_t)len, .side = (uint8_t)side, .told = told
	};
	return true;
}

/* What nobody knows is told as it is. `sides`: a bit of each. */
static void turns_tell_of(struct proto_conn *conn, unsigned sides)
{
	struct cur said[2] = { cur_make(conn->side[0].pending, conn->side[0].len),
		cur_make(conn->side[1].pending, conn->side[1].len) };
	int64_t now_ns = conn->time_ns;

	for (uint32_t i = 0; i < conn->n_turns; i++) {
		struct conn_turn *turn = &conn->turn[i];
		struct cur c = cur_sub(&said[turn->side], turn->len);

		if (!(sides >> turn->side & 1))
			continue;
		conn->time_ns = turn->time_ns;
		if (!turn->told)
			tell_plain(conn, turn->side, c.at, cur_left(&c));
		turn->told = true;
	}
	conn->time_ns = now_ns;
}

static void turns_tell(struct proto_conn *conn)
{
	turns_tell_of(conn, 3);
}

static void turns_forget(struct proto_conn *conn, unsigned side)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < conn->n_turns; i++)
		if (conn->turn[i].side != side)
			conn->turn[kept++] = conn->turn[i];
	conn->n_turns = kept;
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
		conn->limited = true;
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
	struct proto_conn *conn, unsigned n, const uint8_t *bytes, size_t len, bool *ret_may)
{
	enum proto_guess answer;

	if (!len)
		bytes = (const uint8_t *)""; /* may be NULL, which memcmp() does not like */
	*ret_may = conn->side[n].may_be = false;
	for (unsigned i = 0; proto_parsers[i]; i++) {
		if (!proto_parsers[i]->guess || !parser_fits(proto_parsers[i], conn))
			continue;
		answer = proto_parsers[i]->guess(&conn->info, n, bytes, len);
		if (answer == PROTO_IS)
			return proto_parsers[i];
		*ret_may |= answer == PROTO_MAY_BE;
		conn->side[n].may_be |= answer == PROTO_MAY_BE && !proto_parsers[i]->yields;
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
	else if (!len && conn->before)
		return NULL; /* it has said what it was, and nothing since */
	else if (!may || end || len >= PROTO_GUESS_MAX || conn->info.ip_proto != IPPROTO_TCP)
		side->id = PROTO_FAILED;
	return parser;
}

/* Bytes of a side for the parser at work, behind those that it left. */
static void give(struct proto_conn *conn, unsigned n, const uint8_t *bytes, size_t len, bool end)
{
	struct conn_side *side = &conn->side[n];

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

/* What was said before a parser was known. */
struct early {
	struct conn_side side[2]; /* pending bytes: owned here */
	struct conn_turn *turn;
	uint32_t n_turns, turns_room;
};

static void early_take(struct proto_conn *conn, struct early *ret_early)
{
	*ret_early = (struct early){ .side = { conn->side[0], conn->side[1] },
		.turn = conn->turn,
		.n_turns = conn->n_turns,
		.turns_room = conn->turns_room };
	conn->turn = NULL;
	conn->n_turns = conn->turns_room = 0;
	for (unsigned n = 0; n < 2; n++) {
		conn->side[n].pending = NULL;
		conn->side[n].len = conn->side[n].room = 0;
	}
}

static void early_free(struct proto_conn *conn, struct early *early)
{
	proto_free(conn, early->turn, early->turns_room * sizeof(*early->turn));
	for (unsigned n = 0; n < 2; n++)
		proto_free(conn, early->side[n].pending, early->side[n].room);
}

/* Once a parser is known, it gets what both sides have said so far, as it came. When another protocol begins in
 * that, the rest waits for its parser. */
static void catch_up(struct proto_conn *conn)
{
	int64_t now_ns = conn->time_ns;
	struct early early;
	struct cur said[2];

	early_take(conn, &early);
	for (unsigned n = 0; n < 2; n++)
		said[n] = cur_make(early.side[n].pending, early.side[n].len);
	for (uint32_t i = 0; i < early.n_turns; i++) {
		const struct conn_turn *turn = &early.turn[i];
		struct cur c = cur_sub(&said[turn->side], turn->len);

		conn->time_ns = turn->time_ns;
		if (!turn->told)
			tell_plain(conn, turn->side, c.at, cur_left(&c));
		if (conn->side[turn->side].lost || conn->overrun)
			continue;
		if (conn->start_over) {
			if (!pending_add(conn, &conn->side[turn->side], c.at, cur_left(&c)))
				conn->overrun = true;
			continue;
		}
		give(conn, turn->side, c.at, cur_left(&c), false);
		feed_waiting(conn, turn->side);
	}
	conn->time_ns = now_ns;
	for (unsigned n = 0; n < 2; n++)
		if (conn->side[n].ended && early.side[n].len && !conn->side[n].lost &&
			!conn->start_over && !conn->overrun)
			give(conn, n, NULL, 0, true);
	early_free(conn, &early);
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

/* Nobody is sure, or may be, of any side that has said something. */
static bool is_unclaimed(const struct proto_conn *conn)
{
	if (conn->info.ip_proto != IPPROTO_TCP)
		return false;
	for (unsigned n = 0; n < 2; n++) {
		const struct conn_side *side = &conn->side[n];

		if ((side->lost && !side->ended) ||
			(side->id != PROTO_FAILED && side->len > 0 && side->may_be))
			return false;
	}
	return conn->side[0].len + conn->side[1].len > 0;
}

/* Whose a connection is that no guess was made about. */
static const struct proto_parser *claim(struct proto_conn *conn, bool *ret_may)
{
	struct proto_unclaimed unclaimed = { .n_turns = conn->n_turns };
	struct proto_turn turn[CONN_TURNS_MAX];

	for (uint32_t i = 0; i < conn->n_turns; i++)
		turn[i] =
			(struct proto_turn){ .side = conn->turn[i].side, .len = conn->turn[i].len };
	unclaimed.turn = turn;
	for (unsigned n = 0; n < 2; n++) {
		unclaimed.said[n] = cur_make(conn->side[n].pending, conn->side[n].len);
		unclaimed.ended[n] = conn->side[n].ended;
	}
	for (unsigned i = 0; proto_parsers[i]; i++) {
		enum proto_guess answer;

		if (!proto_parsers[i]->claim)
			continue;
		unclaimed.role = 0;
		answer = proto_parsers[i]->claim(&conn->info, &unclaimed);
		conn->role = unclaimed.role;
		if (answer == PROTO_IS)
			return proto_parsers[i];
		*ret_may |= answer == PROTO_MAY_BE;
	}
	return NULL;
}

static bool is_claim_due(struct proto_conn *conn, bool end)
{
	uint32_t bytes = (uint32_t)(conn->side[0].len + conn->side[1].len);

	if (!end && conn->claims_bytes >= CONN_CLAIMS_BYTES &&
		bytes < conn->claimed_bytes + conn->claimed_bytes / CONN_CLAIMS_PART)
		return false;
	conn->claims_bytes += bytes;
	conn->claimed_bytes = bytes;
	return true;
}

static const struct proto_parser *claim_if_nobody_else(
	struct proto_conn *conn, bool end, bool *ret_may)
{
	const struct proto_parser *parser;

	if (!is_unclaimed(conn))
		return NULL;
	*ret_may = !is_claim_due(conn, end);
	parser = *ret_may ? NULL : claim(conn, ret_may);
	for (unsigned n = 0; n < 2 && parser && !parser->unnamed; n++)
		conn->side[n].id = parser->id;
	return parser;
}

/* A side that has ended may have said nothing since the connection started over. */
static bool is_nobodys(const struct conn_side *side)
{
	return side->id == PROTO_FAILED || (!side->id && side->ended);
}

/* What was said is of nobody. */
static void forget_unclaimed(struct proto_conn *conn)
{
	turns_tell(conn);
	turns_drop(conn);
	pending_drop(conn, &conn->side[0]);
	pending_drop(conn, &conn->side[1]);
}

/* Each datagram may be the first of a protocol: what is in front of it its receiver has left out. What the sides said
 * before is its parser's, too, if it is little. */
static void find_parser_of_datagram(
	struct proto_conn *conn, unsigned n, const uint8_t *bytes, size_t len)
{
	const struct proto_parser *parser = recognise(conn, n, bytes, len, false);
	bool failed = conn->side[0].id == PROTO_FAILED && conn->side[1].id == PROTO_FAILED;

	if (conn->side[0].len + conn->side[1].len > CONN_DATAGRAMS_BYTES ||
		conn->n_turns == CONN_TURNS_MAX)
		forget_unclaimed(conn);
	if (!pending_add(conn, &conn->side[n], bytes, len) || !turn_add(conn, n, len, false))
		lose_all(conn);
	else if (parser && set_parser(conn, parser))
		catch_up(conn);
	else if (!parser && failed)
		forget_unclaimed(conn);
}

static void swap_sides(struct proto_conn *conn)
{
	struct conn_side side = conn->side[0];
	uint16_t port = conn->info.port[0];

	conn->swap = false;
	conn->swapped = !conn->swapped;
	conn->side[0] = conn->side[1];
	conn->side[1] = side;
	conn->info.port[0] = conn->info.port[1];
	conn->info.port[1] = port;
}

static void turn_round(struct proto_conn *conn)
{
	swap_sides(conn);
	for (uint32_t i = 0; i < conn->n_turns; i++)
		conn->turn[i].side ^= 1;
}

/* Who spoke first in the capture need not have begun: nobody knows the two as they are, and somebody may the other way
 * round. */
static const struct proto_parser *recognise_turned(struct proto_conn *conn)
{
	const struct proto_parser *parser = NULL;
	bool may;

	if (!conn->info.midstream || conn->gapped || conn->swapped || conn->before ||
		conn->n_turns > CONN_TURNED_MAX || !is_unclaimed(conn) || !conn->side[0].len ||
		!conn->side[1].len)
		return NULL;
	turn_round(conn);
	for (unsigned n = 0; n < 2 && !parser; n++)
		parser = guess(conn, n, conn->side[n].pending, conn->side[n].len, &may);
	if (!parser)
		turn_round(conn);
	for (unsigned n = 0; n < 2 && parser; n++)
		conn->side[n].id = parser->id;
	return parser;
}

static void find_parser(
	struct proto_conn *conn, unsigned n, const uint8_t *bytes, size_t len, bool end)
{
	struct conn_side *side = &conn->side[n];
	const struct proto_parser *parser = NULL;
	bool may = false;

	if (side->len + len > PROTO_PENDING_MAX || !pending_add(conn, side, bytes, len) ||
		(len && !turn_add(conn, n, len, false))) {
		side->id = PROTO_FAILED;
		turns_tell(conn);
		tell_plain(conn, n, bytes, len);
		lose(conn, n);
		return;
	}
	if (!side->id)
		parser = recognise(conn, n, side->pending, side->len, end);
	if (!parser)
		parser = recognise_turned(conn);
	if (!parser)
		parser = claim_if_nobody_else(conn, end, &may);
	if (parser) {
		if (set_parser(conn, parser))
			catch_up(conn);
	} else if (is_nobodys(&conn->side[0]) && is_nobodys(&conn->side[1]) && !may) {
		turns_tell(conn);
		turns_drop(conn);
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
	conn_txs_free(conn); /* of files that it told when it was closed */
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
	conn->before = conn->parser ? conn->parser->id : PROTO_NONE;
	conn->next_id = 0; /* as Suricata counts: anew */
	conn->claims_bytes = conn->claimed_bytes = 0;
	conn->role = 0;
	if (conn->state)
		conn->parser->close(conn->state);
	conn->parser = NULL;
	conn->state = NULL;
	if (conn->swap)
		swap_sides(conn);
	for (unsigned n = 0; n < 2; n++) {
		conn->side[n].id = PROTO_NONE;
		conn->side[n].lost = conn->side[n].ended;
		conn->side[n].waits = false;
		if (conn->side[n].len && !turn_add(conn, n, conn->side[n].len, true))
			conn->overrun = true;
	}
	if (conn->next) {
		start_as(conn, proto_parser_of(conn->next));
		return;
	}
	for (unsigned n = 0; n < 2 && !conn->parser; n++)
		if (conn->side[n].len && !conn->side[n].lost)
			find_parser(conn, n, NULL, 0, false);
}

/* A datagram that is not of the protocol at work, and surely of another one: that begins. */
static void change_parser(struct proto_conn *conn, unsigned n, const uint8_t *bytes, size_t len)
{
	const struct proto_parser *now = conn->parser, *parser;
	bool may;

	if (now->guess && now->guess(&conn->info, n, bytes, len) == PROTO_IS)
		return;
	parser = guess(conn, n, bytes, len, &may);
	if (!parser || parser == now)
		return;
	conn->next = parser->id;
	start_over(conn);
}

static void take(struct proto_conn *conn, unsigned n, const uint8_t *bytes, size_t len, bool end)
{
	struct conn_side *side = &conn->side[n];

	if (!conn->parser && len && conn->info.ip_proto != IPPROTO_TCP) {
		find_parser_of_datagram(conn, n, bytes, len);
		return;
	}
	if (!conn->parser) {
		find_parser(conn, n, bytes, len, end);
		return;
	}
	if (len && conn->info.ip_proto != IPPROTO_TCP)
		change_parser(conn, n, bytes, len);
	if (!conn->state) /* no memory */
		return;
	if (!side->id && (len || side->len))
		recognise(conn, n, bytes, len, end);
	tell_plain(conn, n, bytes, len);
	give(conn, n, bytes, len, end);
}

/* What the parser before has left is not of the next one, which begins with what was typed. */
static void take_over(struct proto_conn *conn, const struct proto_parser *parser)
{
	pending_drop(conn, &conn->side[0]);
	pending_drop(conn, &conn->side[1]);
	conn->next = parser->id;
	start_over(conn);
	if (conn->state)
		give(conn, 0, conn->typed, conn->typed_len, false);
	takeover_forget(conn);
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
	const struct proto_parser *next;

	side ^= conn->swapped;
	conn->time_ns = time_ns;
	if (conn->side[side].ended || !len)
		return;
	next = takeover_see(conn, side, bytes, len);
	if (next)
		take_over(conn, next);
	if (conn->side[side].lost) {
		tell_plain(conn, side, bytes, len);
		return;
	}
	take(conn, side, bytes, len, false);
	feed_waiting(conn, side);
	settle(conn);
}

/* Bytes are missing before anybody knows whose they are: what this side says behind them may tell, as in a capture
 * that begins there. */
static void begin_anew(struct proto_conn *conn, unsigned n)
{
	turns_tell_of(conn, 1u << n);
	turns_forget(conn, n);
	pending_drop(conn, &conn->side[n]);
	conn->side[n].id = PROTO_NONE;
	conn->side[n].may_be = false;
	conn->info.midstream = conn->gapped = true;
}

void proto_gap(struct proto_conn *conn, unsigned of, uint64_t len)
{
	const unsigned n = of ^ conn->swapped;
	struct conn_side *side = &conn->side[n];
	uint64_t all = len + side->len;

	if (side->lost || side->ended || !len)
		return;
	if (!conn->parser) {
		begin_anew(conn, n);
	} else if (!conn->parser->gap) {
		lose(conn, n);
	} else {
		conn->parser->gap(conn, conn->state, n, all);
		pending_drop(conn, side);
		feed_waiting(conn, n); /* what the other side waits for may never come */
	}
	settle(conn);
}

void proto_cut(struct proto_conn *conn, unsigned side, uint64_t len)
{
	if (conn->parser && conn->parser->gap && !conn->side[side ^ conn->swapped].len)
		proto_gap(conn, side, len);
}

static bool both_ended(const struct proto_conn *conn)
{
	return conn->side[0].ended && conn->side[1].ended;
}

static void end_both(struct proto_conn *conn)
{
	const struct proto_parser *next = takeover_end(conn);

	if (next) {
		take_over(conn, next);
		conn_txs_done(conn, 0);
		conn_txs_done(conn, 1);
		settle(conn);
	}
	close_parser(conn);
}

void proto_end(struct proto_conn *conn, unsigned side)
{
	side ^= conn->swapped;
	if (conn->side[side].ended)
		return;
	conn->side[side].ended = true;
	if (!conn->side[side].lost)
		take(conn, side, NULL, 0, true);
	feed_waiting(conn, side);
	if (both_ended(conn)) {
		conn_txs_done(conn, 0);
		conn_txs_done(conn, 1);
	}
	settle(conn);
	if (both_ended(conn))
		end_both(conn);
}

enum proto_id proto_conn_id(const struct proto_conn *conn, unsigned side)
{
	return conn->side[side ^ conn->swapped].id;
}

enum proto_id proto_conn_app(const struct proto_conn *conn)
{
	if (conn->parser)
		return conn->parser->unnamed ? PROTO_FAILED : conn->parser->id;
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

bool proto_conn_limited(const struct proto_conn *conn)
{
	return conn->overrun || conn->limited;
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
	conn->setup.on_text = NULL;
	close_parser(conn);
	turns_drop(conn);
	pending_drop(conn, &conn->side[0]);
	pending_drop(conn, &conn->side[1]);
	takeover_forget(conn);
	proto_body_free(conn, &conn->legacy);
	free(conn);
	return NULL;
}
