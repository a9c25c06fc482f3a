/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of HTTP/2, as transactions of HTTP. */
#include <strings.h>

#include "proto/fields.h"
#include "proto/http2.h"

struct http_tx *http2_stream_find(struct http2 *http2, uint32_t id)
{
	for (struct http_tx *tx = http2->http.txs; tx; tx = tx->next)
		if (tx->stream == id)
			return tx;
	return NULL;
}

bool http2_stream_is_over(const struct http_tx *tx, unsigned side)
{
	return tx->tx->finished & 1u << side || tx->tx->state.done[side];
}

/* A connection of libhtp for each, since its lists only grow. */
struct http_tx *http2_stream_new(struct http2 *http2, uint32_t id)
{
	struct proto_conn *conn = http2->http.conn;
	htp_connp_t *connp;
	htp_tx_t *htp;
	struct http_tx *tx;

	if (http2->n_streams == HTTP2_STREAMS_MAX) {
		proto_tx_add_event(http2->http.txs->tx, "http2.too_many_streams");
		proto_conn_limit(conn);
		return NULL;
	}
	if (!proto_charge(conn, HTTP2_STREAM_COST))
		return NULL;
	connp = http_connp_new(&http2->http);
	htp = connp ? htp_connp_tx_create(connp) : NULL;
	tx = htp ? http_tx_new(htp) : NULL;
	if (!tx) {
		if (connp)
			htp_connp_destroy_all(connp);
		proto_charge(conn, -HTTP2_STREAM_COST);
		return NULL;
	}
	tx->stream = id;
	http2->n_streams++;
	return tx;
}

void http2_stream_free(void *data)
{
	struct http_tx *tx = data;
	struct http2 *http2 = (struct http2 *)(void *)tx->http;
	struct proto_conn *conn = tx->http->conn;
	htp_connp_t *connp = tx->htp->connp;

	tx->htp->request_progress = HTP_REQUEST_COMPLETE;
	tx->htp->response_progress = HTP_RESPONSE_COMPLETE;
	http_tx_free(tx);
	htp_connp_destroy_all(connp);
	http2->n_streams--;
	proto_charge(conn, -HTTP2_STREAM_COST);
}

static bool add_raw(struct http_tx *tx, unsigned side, const void *bytes, size_t len)
{
	return proto_body_add(tx->http->conn, &tx->side[side].raw, bytes, len);
}

/* Parts of a cookie may come apart (RFC 9113, 8.2.3); of others there is a list (RFC 9110, 5.3). */
static bool add_value(htp_header_t *header, struct cur name, struct cur value)
{
	bstr *both = bstr_add_mem(header->value, text_is(name, "cookie") ? "; " : ", ", 2);

	if (both)
		header->value = both;
	both = both ? bstr_add_mem(both, value.at, cur_left(&value)) : NULL;
	if (both)
		header->value = both;
	return both;
}

bool http2_stream_header(struct http_tx *tx, unsigned side, struct cur name, struct cur value)
{
	htp_table_t *table = side ? tx->htp->response_headers : tx->htp->request_headers;
	size_t name_len = cur_left(&name), len = cur_left(&value);
	htp_header_t *before = htp_table_get_mem(table, name.at, name_len);

	if (!http_tx_charge(tx, side, name_len + len + HTTP2_HEADER_COST) ||
		!add_raw(tx, side, name.at, name_len) || !add_raw(tx, side, ": ", 2) ||
		!add_raw(tx, side, value.at, len) || !add_raw(tx, side, "\r\n", 2))
		return false;
	if (before && *name.at == ':') /* the first one counts */
		return true;
	if (before && !text_is(name, "set-cookie"))
		return add_value(before, name, value);
	return (side ? htp_tx_res_set_header : htp_tx_req_set_header)(tx->htp,
		       (const char *)name.at, name_len, (const char *)value.at, len,
		       HTP_ALLOC_COPY) == HTP_OK;
}

static struct cur header(const struct http_tx *tx, unsigned side, const char *name)
{
	struct proto_bytes value;

	return http_header(tx, side, name, &value) ? cur_make(value.at, value.len)
						   : cur_make("", 0);
}

/* `a` and, behind a space, `b` and `c`; what is NULL is left out. */
static bstr *make_line(struct cur a, const struct cur *b, const char *c)
{
	bstr *line = bstr_alloc(cur_left(&a) + (b ? cur_left(b) + 1 : 0) + strlen(c) + 1);

	if (!line)
		return NULL;
	bstr_add_mem_noex(line, a.at, cur_left(&a));
	if (b) {
		bstr_add_mem_noex(line, " ", 1);
		bstr_add_mem_noex(line, b->at, cur_left(b));
	}
	if (*c) {
		bstr_add_mem_noex(line, " ", 1);
		bstr_add_mem_noex(line, c, strlen(c));
	}
	return line;
}

static bool same(struct cur a, struct cur b)
{
	return cur_left(&a) == cur_left(&b) &&
	       strncasecmp((const char *)a.at, (const char *)b.at, cur_left(&a)) == 0;
}

/* The name without the port, which is what stands behind the last colon, unless that is in brackets. */
static struct cur take_port(struct cur host, int *ret_port)
{
	const uint8_t *colon = memrchr(host.at, ':', cur_left(&host));
	struct cur port = host;
	int number = 0;

	if (!colon || memchr(colon, ']', (size_t)(host.end - colon)))
		return host;
	cur_skip(&port, (size_t)(colon - host.at) + 1);
	cur_limit(&host, (size_t)(colon - host.at));
	while (cur_left(&port) && number <= UINT16_MAX && *port.at >= '0' && *port.at <= '9')
		number = 10 * number + (cur_u8(&port) - '0');
	if (number > 0 && number <= UINT16_MAX && !cur_left(&port))
		*ret_port = number;
	return host;
}

/* Who is asked: :authority, or Host. */
static bool read_host(struct http_tx *tx)
{
	struct cur authority = header(tx, 0, ":authority"), host = header(tx, 0, "host");

	if (cur_left(&authority) && cur_left(&host) && !same(authority, host))
		proto_tx_add_event(tx->tx, "http2.authority_host_mismatch");
	if (cur_left(&authority))
		host = authority;
	if (!cur_left(&host))
		return true;
	host = take_port(host, &tx->htp->request_port_number);
	tx->htp->request_hostname = bstr_dup_mem(host.at, cur_left(&host));
	return tx->htp->request_hostname;
}

/* libhtp takes the URI apart, and says that the line is there. */
static bool request(struct http_tx *tx)
{
	htp_tx_t *htp = tx->htp;
	struct cur method = header(tx, 0, ":method"), path = header(tx, 0, ":path");

	htp->request_line = make_line(method, &path, "HTTP/2");
	htp->request_protocol = bstr_dup_c("HTTP/2");
	htp->request_method_number = text_is(method, "POST")  ? HTP_M_POST
				     : text_is(method, "PUT") ? HTP_M_PUT
							      : HTP_M_UNKNOWN;
	return htp->request_line && htp->request_protocol &&
	       htp_tx_req_set_method(
		       htp, (const char *)method.at, cur_left(&method), HTP_ALLOC_COPY) == HTP_OK &&
	       htp_tx_req_set_uri(htp, (const char *)path.at, cur_left(&path), HTP_ALLOC_COPY) ==
		       HTP_OK &&
	       htp_tx_state_request_line(htp) == HTP_OK && read_host(tx) && http_tx_headers(tx, 0);
}

/* Of 1xx another answer follows (RFC 9113, 8.1). */
static bool forget_headers(struct http_tx *tx)
{
	proto_body_free(tx->http->conn, &tx->side[1].raw);
	return htp_tx_res_set_headers_clear(tx->htp) == HTP_OK;
}

static bool response(struct http_tx *tx)
{
	htp_tx_t *htp = tx->htp;
	struct cur status = header(tx, 1, ":status"), digits = status;
	int number = 0;

	while (cur_left(&digits) && number < 1000 && *digits.at >= '0' && *digits.at <= '9')
		number = 10 * number + (cur_u8(&digits) - '0');
	if (number >= 100 && number < 200)
		return forget_headers(tx);
	htp->response_status_number = number && number < 1000 ? number : HTP_STATUS_INVALID;
	htp->response_status = bstr_dup_mem(status.at, cur_left(&status));
	htp->response_protocol = bstr_dup_c("HTTP/2");
	htp->response_line = make_line(cur_make("HTTP/2", 6), &status, "");
	tx->side[1].line = true;
	return htp->response_status && htp->response_protocol && htp->response_line &&
	       http_tx_headers(tx, 1);
}

bool http2_stream_headers(struct http_tx *tx, unsigned side)
{
	return side ? response(tx) : request(tx);
}

bool http2_stream_trailer(struct http_tx *tx, unsigned side)
{
	for (unsigned i = 0; i < HTTP_TEXTS; i++)
		tx->side[side].made[i] = false;
	proto_tx_news(tx->tx, side);
	return true;
}

static void forget_body(struct proto_conn *conn, struct proto_body *body)
{
	struct proto_body rest = { .offset = body->offset + body->len, .complete = body->complete };

	proto_body_free(conn, body);
	*body = rest;
}

static size_t bytes_of_bodies(const struct http2 *http2)
{
	size_t bytes = 0;

	for (const struct http_tx *tx = http2->http.txs; tx; tx = tx->next) {
		bytes += tx->side[0].body.len + tx->side[1].body.len;
		for (const struct http_file *file = tx->files; file; file = file->next)
			bytes += file->content.len;
	}
	return bytes;
}

void http2_stream_make_room(struct http2 *http2)
{
	struct proto_conn *conn = http2->http.conn;

	if (proto_conn_bytes(conn) < HTTP2_KEEP_MAX || bytes_of_bodies(http2) < HTTP2_FORGET_MIN)
		return;
	for (struct http_tx *tx = http2->http.txs; tx; tx = tx->next) {
		proto_tx_tell(tx->tx);
		forget_body(conn, &tx->side[0].body);
		forget_body(conn, &tx->side[1].body);
		for (struct http_file *file = tx->files; file; file = file->next)
			forget_body(conn, &file->content);
	}
}

/* RFC 9113, section 7, as EVE writes them. */
static void json_side(struct out *o, const char *name, const struct http_tx *tx, unsigned side)
{
	static const char *const errors[] = { "NOERROR", "PROTOCOLERROR", "INTERNALERROR",
		"FLOWCONTROLERROR", "SETTINGSTIMEOUT", "STREAMCLOSED", "FRAMESIZEERROR",
		"REFUSEDSTREAM", "CANCEL", "COMPRESSIONERROR", "CONNECTERROR", "ENHANCEYOURCALM",
		"INADEQUATESECURITY", "HTTP11REQUIRED" };
	uint32_t error = tx->error[side];

	json_open(o, name, '{');
	if (tx->reset & 1u << side) {
		if (error < sizeof(errors) / sizeof(errors[0]))
			json_str(o, "error_code", errors[error]);
		else
			json_u64(o, "error_code", error);
	}
	json_close(o, '}');
}

bool http2_json(struct proto_tx *proto_tx, struct out *o)
{
	const struct http_tx *tx = proto_tx->data;

	out_str(o, "\"http\":{\"version\":\"2\"");
	http_json_members(o, tx, false);
	json_open(o, "http2", '{');
	json_u64(o, "stream_id", tx->stream);
	json_side(o, "request", tx, 0);
	json_side(o, "response", tx, 1);
	json_close(o, '}');
	json_close(o, '}');
	return true;
}
