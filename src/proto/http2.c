/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of HTTP/2 (RFC 9113, sections 3.4, 4 and 6), read as they come: none is put together. */
#include "proto/http2.h"

#include "proto/fields.h"

enum frame {
	FRAME_DATA,
	FRAME_HEADERS,
	FRAME_PRIORITY,
	FRAME_RST_STREAM,
	FRAME_SETTINGS,
	FRAME_PUSH_PROMISE,
	FRAME_PING,
	FRAME_GOAWAY,
	FRAME_WINDOW_UPDATE,
	FRAME_CONTINUATION
};
enum { FLAG_END_STREAM = 0x01, FLAG_END_HEADERS = 0x04, FLAG_PADDED = 0x08, FLAG_PRIORITY = 0x20 };

#define FRAME_HEADER   9u
#define STREAM_BITS    0x7fffffffu
#define PRIORITY_BYTES 5u
#define SETTING_BYTES  6u

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#define PREFACE_LEN (sizeof(preface) - 1)

/* Of the newest stream, if there is one: what is wrong with a connection has no place of its own. */
static void note(struct http2 *http2, unsigned side, const char *event)
{
	if (!http2->http.txs)
		return;
	proto_tx_add_event(http2->http.txs->tx, event);
	proto_tx_news(http2->http.txs->tx, side);
}

static void cut_all(struct http2 *http2, unsigned side)
{
	for (struct http_tx *tx = http2->http.txs; tx; tx = tx->next)
		http_tx_cut(tx, side);
}

/* A stream that is new: the client's requests, the server's promises, and answers to what was not seen. */
static struct http_tx *begin_stream(struct http2 *http2, uint32_t id)
{
	struct http_tx *tx = http2_stream_find(http2, id);

	if (tx || id == 0 || id <= http2->last_stream)
		return tx;
	http2->last_stream = id;
	return http2_stream_new(http2, id);
}

static void begin_block(struct http2 *http2, unsigned side, uint32_t stream, bool promise)
{
	struct http2_side *s = &http2->side[side];
	struct http_tx *tx = begin_stream(http2, stream);
	unsigned says = promise ? 0 : side;

	s->in_block = true;
	s->block_stream = stream;
	s->block_side = (uint8_t)says;
	s->block_ends = promise || s->flags & FLAG_END_STREAM;
	s->block_trailer = tx && tx->side[says].headers;
	s->n_continuations = s->n_headers = s->block_bytes = s->list_bytes = 0;
}

static bool has_flag(const struct http2_side *s, unsigned flag)
{
	return s->flags & flag;
}

/* Bytes in front of what a frame carries. */
static uint32_t fields_len(const struct http2_side *s)
{
	uint32_t padded = has_flag(s, FLAG_PADDED) ? 1 : 0;

	switch (s->type) {
	case FRAME_DATA:
		return padded;
	case FRAME_HEADERS:
		return padded + (has_flag(s, FLAG_PRIORITY) ? PRIORITY_BYTES : 0);
	case FRAME_PUSH_PROMISE:
		return padded + 4;
	case FRAME_RST_STREAM:
		return 4;
	default:
		return 0;
	}
}

static bool is_padded(const struct http2_side *s)
{
	return has_flag(s, FLAG_PADDED) &&
	       (s->type == FRAME_DATA || s->type == FRAME_HEADERS || s->type == FRAME_PUSH_PROMISE);
}

/* A stream that is reset is over for both. */
static void reset_stream(struct http2 *http2, unsigned side, uint32_t stream, uint32_t error)
{
	struct http_tx *tx = http2_stream_find(http2, stream);

	if (!tx)
		return;
	tx->error[side] = error;
	tx->reset |= (uint8_t)(1u << side);
	for (unsigned i = 0; i < 2; i++)
		if (!http2_stream_is_over(tx, i)) {
			http_tx_cut(tx, i);
			proto_tx_done(tx->tx, i);
		}
}

/* Takes the fields in front, all of which are there. False: the frame is broken. */
static bool begin_body(struct http2 *http2, unsigned side, struct cur fields)
{
	struct http2_side *s = &http2->side[side];
	uint32_t len = (uint32_t)cur_left(&fields);

	s->padding = is_padded(s) ? cur_u8(&fields) : 0;
	if (s->left < len + s->padding) {
		note(http2, side, "http2.invalid_frame_length");
		return false;
	}
	s->left -= len + s->padding;
	s->in_body = true;
	if (s->type == FRAME_HEADERS)
		begin_block(http2, side, s->stream, false);
	else if (s->type == FRAME_PUSH_PROMISE)
		begin_block(http2, side, cur_be32(&fields) & STREAM_BITS, true);
	else if (s->type == FRAME_RST_STREAM)
		reset_stream(http2, side, s->stream, cur_be32(&fields));
	return true;
}

static bool is_of_block(const struct http2_side *s)
{
	return s->type == FRAME_HEADERS || s->type == FRAME_PUSH_PROMISE ||
	       s->type == FRAME_CONTINUATION;
}

/* A block may be continued, and must not be left (RFC 9113, 6.10). */
static bool fits_block(struct http2 *http2, unsigned side)
{
	struct http2_side *s = &http2->side[side];

	if (s->in_block == (s->type == FRAME_CONTINUATION) &&
		(!s->in_block || ++s->n_continuations <= HTTP2_CONTINUATIONS_MAX))
		return true;
	note(http2, side,
		s->in_block ? "http2.reassembly_limit_reached" : "http2.invalid_frame_header");
	return false;
}

/* False: not enough of it is there, or, if `broken`, it cannot be read. */
static bool begin_frame(struct http2 *http2, unsigned side, struct cur *c, bool *ret_broken)
{
	struct http2_side *s = &http2->side[side];
	uint32_t len;

	if (cur_left(c) < FRAME_HEADER)
		return false;
	len = (uint32_t)cur_u8(c) << 16;
	s->left = len | cur_be16(c);
	s->type = cur_u8(c);
	s->flags = cur_u8(c);
	s->stream = cur_be32(c) & STREAM_BITS;
	s->in_frame = true;
	s->in_body = false;
	*ret_broken = !fits_block(http2, side) || fields_len(s) > s->left;
	return !*ret_broken;
}

static bool take_data(struct http2 *http2, unsigned side, struct cur bytes)
{
	struct http2_side *s = &http2->side[side];
	struct http_tx *tx;

	http2_stream_make_room(http2);
	tx = http2_stream_find(http2, s->stream);
	if (!tx || http2_stream_is_over(tx, side))
		return true;
	if (side)
		tx->htp->response_message_len += (int64_t)cur_left(&bytes);
	else
		tx->htp->request_message_len += (int64_t)cur_left(&bytes);
	if (cur_left(&bytes) && !http_tx_data(tx, side, bytes))
		return false;
	return s->left || !has_flag(s, FLAG_END_STREAM) || http_tx_complete(tx, side);
}

/* Some of what the frame carries; its last bytes if `left` is 0 then. */
static bool take_body(struct http2 *http2, unsigned side, struct cur bytes)
{
	struct http2_side *s = &http2->side[side];

	s->left -= (uint32_t)cur_left(&bytes);
	if (s->type == FRAME_DATA)
		return take_data(http2, side, bytes);
	if (is_of_block(s) && s->in_block)
		return http2_header_add(
			http2, side, bytes, !s->left && has_flag(s, FLAG_END_HEADERS));
	return true;
}

/* What is there of the frame that has begun. False: more must come, or it is broken. */
static bool go_on(struct http2 *http2, unsigned side, struct cur *c, bool *ret_broken)
{
	struct http2_side *s = &http2->side[side];
	size_t n;

	if (!s->in_body) {
		if (cur_left(c) < fields_len(s))
			return false;
		*ret_broken = !begin_body(http2, side, cur_sub(c, fields_len(s))) ||
			      (!s->left && !take_body(http2, side, cur_make("", 0)));
		return !*ret_broken;
	}
	if (s->left) {
		n = cur_left(c) < s->left ? cur_left(c) : s->left;
		*ret_broken = n && !take_body(http2, side, cur_sub(c, n));
		return n && !*ret_broken;
	}
	n = cur_left(c) < s->padding ? cur_left(c) : s->padding;
	cur_skip(c, n);
	s->padding -= (uint32_t)n;
	s->in_frame = s->padding;
	return !s->in_frame;
}

static size_t give_up(struct http2 *http2, unsigned side)
{
	cut_all(http2, side);
	return SIZE_MAX;
}

/* The request of HTTP/1 that asked for HTTP/2 is stream 1 (RFC 7540, 3.2). */
static bool take_upgrade(struct http2 *http2)
{
	struct cur c = proto_conn_legacy(http2->http.conn);
	struct http_tx *tx;

	if (http2->begun || !cur_left(&c))
		return true;
	tx = begin_stream(http2, 1);
	while (tx && cur_left(&c)) {
		struct cur name = cur_sub(&c, cur_be16(&c)), value = cur_sub(&c, cur_be16(&c));

		if (!cur_ok(&value) || !http2_stream_header(tx, 0, name, value))
			return false;
	}
	return tx && http2_stream_headers(tx, 0) && http_tx_complete(tx, 0);
}

/* The client's preface. False: it is not there yet, or, if `broken`, something else is. */
static bool begin_side(struct http2 *http2, unsigned side, struct cur *c, bool *ret_broken)
{
	struct http2_side *s = &http2->side[side];
	size_t n = cur_left(c) < PREFACE_LEN ? cur_left(c) : PREFACE_LEN;

	if (s->begun || side) {
		s->begun = true;
		return true;
	}
	*ret_broken = n && memcmp(c->at, preface, n) != 0;
	if (*ret_broken || n < PREFACE_LEN)
		return false;
	cur_skip(c, n);
	s->begun = true;
	return true;
}

static size_t feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct http2 *http2 = state;
	struct cur c = cur_make(bytes, len);
	bool broken = false;

	(void)conn;
	if (!take_upgrade(http2))
		return give_up(http2, side);
	http2->begun = true;
	if (begin_side(http2, side, &c, &broken))
		while (http2->side[side].in_frame ? go_on(http2, side, &c, &broken)
						  : begin_frame(http2, side, &c, &broken))
			;
	if (broken)
		return give_up(http2, side);
	if (end)
		cut_all(http2, side);
	return len - cur_left(&c);
}

/* Bytes of a body may be missing; of anything else it is not known what they were. */
static void gap(struct proto_conn *conn, void *state, unsigned side, uint64_t len)
{
	struct http2 *http2 = state;
	struct http2_side *s = &http2->side[side];
	struct http_tx *tx = http2_stream_find(http2, s->stream);

	if (!s->in_body || s->type != FRAME_DATA || len >= s->left) {
		cut_all(http2, side);
		proto_conn_lose(conn, side);
		return;
	}
	s->left -= (uint32_t)len;
	if (tx && !http2_stream_is_over(tx, side))
		http_tx_gap(tx, side);
}

static void close_state(void *state)
{
	struct http2 *http2 = state;

	http_wholes_end(&http2->http);
	http2_header_close(http2);
	proto_free(http2->http.conn, http2, sizeof(*http2));
}

static void *open_state(struct proto_conn *conn)
{
	struct http2 *http2 = proto_alloc(conn, sizeof(*http2));

	if (!http2)
		return NULL;
	http2->http.conn = conn;
	http2->http.between = true;
	if (http2_header_open(http2))
		return http2;
	close_state(http2);
	return NULL;
}

/* A server begins with settings, which are few; it may do so without waiting for its client, who decides. */
static enum proto_guess guess_server(struct cur c)
{
	static const uint8_t head[] = { FRAME_SETTINGS, 0, 0, 0, 0, 0 }; /* no flags, stream 0 */
	struct cur rest = c;
	size_t n;

	if (cur_ahead(c, 0) || cur_ahead(c, 1) || cur_ahead(c, 2) % SETTING_BYTES)
		return PROTO_IS_NOT;
	cur_skip(&rest, 3);
	n = cur_left(&rest) < sizeof(head) ? cur_left(&rest) : sizeof(head);
	return n && memcmp(rest.at, head, n) != 0 ? PROTO_IS_NOT : PROTO_MAY_BE;
}

static enum proto_guess guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	size_t n = len < PREFACE_LEN ? len : PREFACE_LEN;

	(void)info;
	if (side)
		return guess_server(cur_make(bytes, len));
	if (memcmp(bytes, preface, n) != 0)
		return PROTO_IS_NOT;
	return n == PREFACE_LEN ? PROTO_IS : PROTO_MAY_BE;
}

const struct proto_parser proto_http2 = { .id = PROTO_HTTP2,
	.ip_proto = IPPROTO_TCP,
	.guess = guess,
	.open = open_state,
	.close = close_state,
	.feed = feed,
	.gap = gap,
	.buffer = http_buffer,
	.number = http_number,
	.json = http2_json,
	.free_tx = http2_stream_free };
