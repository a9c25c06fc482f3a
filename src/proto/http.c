/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP as a parser of src/proto: whose bytes they are, and libhtp's connection. */
#include "proto/http.h"

#include <stdlib.h>
#include <threads.h>

/* Methods that need no "HTTP/1." behind them: HTTP/0.9, and lines that have not been seen whole. */
static const char *const methods[] = { "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE",
	"CONNECT", "PATCH", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK",
	"SEARCH", "CHECKOUT", "CHECKIN", "REPORT", "MERGE" };

#define METHODS (sizeof(methods) / sizeof(methods[0]))

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool is_token(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_' ||
	       (c >= '0' && c <= '9');
}

/* Whether the bytes contain the text, up to the end of their first line; PROTO_MAY_BE: the line
 * has not ended. */
static enum proto_guess line_contains(struct cur c, const char *text)
{
	size_t len = strlen(text);
	struct cur line = c;
	const uint8_t *stop = memchr(c.at, '\n', cur_left(&c));

	if (stop)
		cur_limit(&line, (size_t)(stop - c.at));
	if (memmem(line.at, cur_left(&line), text, len))
		return PROTO_IS;
	return stop ? PROTO_IS_NOT : PROTO_MAY_BE;
}

/* `c` begins with the method, or may yet. */
static enum proto_guess begins_with(struct cur c, const char *method)
{
	size_t len = strlen(method), have = cur_left(&c);

	if (memcmp(c.at, method, have < len ? have : len) != 0)
		return PROTO_IS_NOT;
	cur_skip(&c, have < len ? have : len);
	if (!cur_left(&c))
		return PROTO_MAY_BE;
	return is_space(cur_u8(&c)) ? PROTO_IS : PROTO_IS_NOT;
}

/* OPTIONS: what follows does not say yet that it is not one of the two others. */
static bool may_be_sip(struct cur c)
{
	cur_skip(&c, strlen("OPTIONS "));
	return !cur_left(&c) || *c.at == 's' || *c.at == 'r' || *c.at == 't';
}

static enum proto_guess guess_request(struct cur c)
{
	enum proto_guess best = PROTO_IS_NOT;
	struct cur word = c;
	uint8_t last = 0;

	for (unsigned i = 0; i < METHODS; i++) {
		enum proto_guess answer = begins_with(c, methods[i]);

		/* SIP and RTSP share some methods. */
		if (answer == PROTO_IS && (line_contains(c, " SIP/2.0") == PROTO_IS ||
						  line_contains(c, " RTSP/1.0") == PROTO_IS))
			return PROTO_IS_NOT;
		if (answer == PROTO_IS && methods[i][0] == 'O' &&
			!memchr(c.at, '\n', cur_left(&c)) && may_be_sip(c))
			answer = PROTO_MAY_BE;
		if (answer > best)
			best = answer;
	}
	if (best == PROTO_IS)
		return best;
	while (cur_left(&word) && is_token(last = cur_u8(&word)))
		;
	if (is_token(last))
		return PROTO_MAY_BE;
	return is_space(last) ? line_contains(word, " HTTP/1.") : PROTO_IS_NOT;
}

static enum proto_guess guess_response(struct cur c)
{
	static const char start[] = "HTTP/";
	size_t have = cur_left(&c), len = strlen(start);

	if (memcmp(c.at, start, have < len ? have : len) != 0)
		return PROTO_IS_NOT;
	return have < len ? PROTO_MAY_BE : PROTO_IS;
}

static enum proto_guess guess(
	const struct proto_flow_info *info, unsigned side, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);

	(void)info;
	if (side == 1)
		return guess_response(c);
	while (cur_left(&c) && (*c.at == '\r' || *c.at == '\n'))
		cur_skip(&c, 1);
	return cur_left(&c) ? guess_request(c) : PROTO_MAY_BE;
}

/* libhtp as Suricata has it by default, so that rules written for one see the same here. */
static htp_cfg_t *make_config(void)
{
	htp_cfg_t *cfg = htp_config_create();

	if (!cfg)
		return NULL;
	htp_config_set_server_personality(cfg, HTP_SERVER_IDS);
	htp_config_set_convert_lowercase(cfg, HTP_DECODER_URL_PATH, 0);
	htp_config_set_plusspace_decode(cfg, HTP_DECODER_URL_PATH, 0);
	htp_config_set_allow_space_uri(cfg, 1);
	htp_config_set_parse_request_cookies(cfg, 0);
	htp_config_set_parse_request_auth(cfg, 1);
	htp_config_set_field_limits(cfg, HTTP_LINE_MAX / 2, HTTP_LINE_MAX);
	htp_config_set_number_headers_limit(cfg, HTTP_HEADERS_MAX);
	htp_config_set_request_decompression(cfg, 0);
	htp_config_set_response_decompression(cfg, 0);
	htp_config_register_log(cfg, http_event_log);
	http_tx_register(cfg);
	return cfg;
}

static htp_cfg_t *config; /* never changed once made */
static once_flag config_once = ONCE_FLAG_INIT;

static void config_init(void)
{
	config = make_config();
}

htp_connp_t *http_connp_new(struct http *http)
{
	const struct proto_flow_info *info = proto_conn_info(http->conn);
	htp_connp_t *connp;

	call_once(&config_once, config_init);
	connp = config ? htp_connp_create(config) : NULL;
	if (!connp)
		return NULL;
	htp_connp_set_user_data(connp, http);
	htp_connp_open(connp, NULL, info->port[0], NULL, info->port[1], NULL);
	return connp;
}

static void *open_state(struct proto_conn *conn)
{
	struct http *http = proto_alloc(conn, sizeof(*http));

	if (!http)
		return NULL;
	http->conn = conn;
	http->between = true;
	http->connp = http_connp_new(http);
	if (!http->connp) {
		proto_free(conn, http, sizeof(*http));
		return NULL;
	}
	return http;
}

static void close_state(void *state)
{
	struct http *http = state;

	http_wholes_end(http);
	htp_connp_destroy_all(http->connp);
	proto_free(http->conn, http, sizeof(*http));
}

/* libhtp keeps every message for ever; each has been made an event by now. */
static void forget_messages(struct http *http)
{
	htp_list_t *messages = htp_connp_get_connection(http->connp)->messages;
	htp_log_t *log;

	htp_connp_clear_error(http->connp);
	while ((log = htp_list_pop(messages))) {
		free((void *)(uintptr_t)log->msg);
		free(log);
	}
}

/* libhtp keeps a place for every transaction there was; between two it can begin anew. */
static void renew_when_idle(struct http *http)
{
	htp_connp_t *connp;

	if (http->n_txs < HTTP_RENEW_AFTER || http->txs || htp_connp_get_in_tx(http->connp) ||
		htp_connp_get_out_tx(http->connp))
		return;
	connp = http_connp_new(http);
	if (!connp)
		return;
	htp_connp_destroy_all(http->connp);
	http->connp = connp;
	http->n_txs = 0;
}

static void cut_all(struct http *http, unsigned side)
{
	for (struct http_tx *tx = http->txs; tx; tx = tx->next)
		http_tx_cut(tx, side);
}

/* NULL bytes: so many were never seen. */
static size_t give(struct http *http, unsigned side, const uint8_t *bytes, size_t len)
{
	int64_t ns = proto_conn_time_ns(http->conn);
	htp_time_t now = { .tv_sec = ns / 1000000000, .tv_usec = ns % 1000000000 / 1000 };
	int answer;

	http->side = side;
	answer = side ? htp_connp_res_data(http->connp, &now, bytes, len)
		      : htp_connp_req_data(http->connp, &now, bytes, len);
	forget_messages(http);
	if (http->tunnel && side && bytes)
		http->lf_missing = cur_make(bytes, len).end[-1] == '\r';
	switch (answer) {
	case HTP_STREAM_ERROR:
	case HTP_STREAM_STOP:
		cut_all(http, side);
		return SIZE_MAX;
	case HTP_STREAM_TUNNEL:
		if (!http->upgraded)
			return len;
		proto_conn_start_as(http->conn, PROTO_HTTP2);
		return side ? htp_connp_res_data_consumed(http->connp) : 0;
	case HTP_STREAM_DATA_OTHER:
		proto_conn_wait(http->conn, side);
		return side ? htp_connp_res_data_consumed(http->connp)
			    : htp_connp_req_data_consumed(http->connp);
	default:
		return len;
	}
}

/* What stands behind the last LF. */
static struct cur last_line(struct cur c)
{
	const uint8_t *lf = memrchr(c.at, '\n', cur_left(&c));

	if (lf)
		cur_skip(&c, (size_t)(lf - c.at) + 1);
	return c;
}

/* How many of the last bytes may begin a status line that is not whole. */
static size_t last_may_begin(struct cur c)
{
	static const char word[] = "HTTP";
	struct cur line = last_line(c);

	if (cur_left(&line) > HTTP_LINE_MAX)
		return 0;
	while (cur_left(&line)) {
		size_t n = cur_left(&line) < strlen(word) ? cur_left(&line) : strlen(word);

		if (memcmp(line.at, word, n) == 0)
			break;
		cur_skip(&line, 1);
	}
	return cur_left(&line);
}

/* libhtp 0.5.42 says the beginning of a status line twice if it comes in two pieces, the first
 * together with the end of another response; so between responses it gets the line whole. */
static size_t give_response(struct http *http, struct cur c, bool end)
{
	size_t last = end ? 0 : last_may_begin(c), used = 0, more;

	if (cur_left(&c) > last) {
		used = give(http, 1, c.at, cur_left(&c) - last);
		if (used != cur_left(&c) - last)
			return used;
	}
	if (!last || http->between || http->tunnel)
		return used;
	cur_skip(&c, used);
	more = give(http, 1, c.at, last);
	return more == SIZE_MAX ? more : used + more;
}

static void end_side(struct http *http, unsigned side)
{
	http->side = side;
	http->closing = true;
	if (side)
		htp_connp_close(http->connp, NULL);
	else
		htp_connp_req_close(http->connp, NULL);
	forget_messages(http);
	http->closing = false;
	cut_all(http, side);
}

/* libhtp takes a CR for the end of a response's headers: the LF may come after all. */
static size_t feed_tunnel(struct http *http, unsigned side, struct cur c)
{
	size_t used = 0;

	if (side && cur_left(&c)) {
		used = http->lf_missing && *c.at == '\n';
		http->lf_missing = false;
	}
	if (http->lf_missing)
		proto_conn_wait(http->conn, side);
	else
		proto_conn_start_over(http->conn);
	return used;
}

/* Behind the rest of a line: whether another header begins, or they end. */
static bool is_head(struct cur c)
{
	const uint8_t *lf = memchr(c.at, '\n', cur_left(&c));
	uint8_t byte = 0;

	cur_skip(&c, lf ? (size_t)(lf - c.at) + 1 : cur_left(&c));
	if (cur_left(&c) && (*c.at == '\r' || *c.at == '\n'))
		return true;
	while (cur_left(&c) && is_token(byte = cur_u8(&c)))
		;
	return lf && (byte == ':' || !cur_left(&c));
}

/* Behind a gap in the headers there are more of them, or the body. */
static void bridge(struct http *http, unsigned side, struct cur c)
{
	static const uint8_t end[] = { '\r', '\n', '\r', '\n' };

	http->head_cut[side] = false;
	give(http, side, end, is_head(c) ? 2 : 4);
}

static size_t feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct http *http = state;
	size_t used = 0;

	if (http->tunnel)
		return feed_tunnel(http, side, cur_make(bytes, len));
	if (http->connecting && side == 0 && !end) {
		proto_conn_wait(conn, side);
		return 0;
	}
	renew_when_idle(http);
	if (len && http->head_cut[side])
		bridge(http, side, cur_make(bytes, len));
	if (len)
		used = side ? give_response(http, cur_make(bytes, len), end)
			    : give(http, 0, bytes, len);
	if (end && used != SIZE_MAX)
		end_side(http, side);
	return used;
}

/* Whether the first line or headers are not at their end. */
static bool is_in_head(const struct http *http, unsigned side)
{
	const htp_tx_t *tx =
		side ? htp_connp_get_out_tx(http->connp) : htp_connp_get_in_tx(http->connp);

	if (!tx)
		return false;
	return side ? tx->response_progress == HTP_RESPONSE_LINE ||
			       tx->response_progress == HTP_RESPONSE_HEADERS
		    : tx->request_progress == HTP_REQUEST_LINE ||
			       tx->request_progress == HTP_REQUEST_HEADERS;
}

/* The line that was cut ends there; what is left of it behind the gap is a header of its own, if there are more
 * headers, which what comes next must show. */
static bool cut_head(struct http *http, unsigned side, struct cur left)
{
	bool begins = side && cur_left(&left) && guess_response(left) == PROTO_IS;

	if (!is_in_head(http, side) && !begins)
		return false;
	if (cur_left(&left))
		give(http, side, left.at, cur_left(&left));
	http->head_cut[side] = true;
	return true;
}

static void gap(struct proto_conn *conn, void *state, unsigned side, uint64_t len)
{
	struct http *http = state;

	if (cut_head(http, side, proto_conn_left(conn, side)))
		return;
	if (give(http, side, NULL, len > SIZE_MAX / 2 ? SIZE_MAX / 2 : (size_t)len) == SIZE_MAX)
		proto_conn_lose(conn, side);
}

const struct proto_parser proto_http = { .id = PROTO_HTTP,
	.ip_proto = IPPROTO_TCP,
	.guess = guess,
	.open = open_state,
	.close = close_state,
	.feed = feed,
	.gap = gap,
	.buffer = http_buffer,
	.number = http_number,
	.json = http_json,
	.free_tx = http_tx_free };
