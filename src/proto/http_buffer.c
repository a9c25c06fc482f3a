/* SPDX-License-Identifier: Apache-2.0 */
/* What rules can look into, as Suricata presents it. */
#include "proto/http.h"

struct proto_bytes http_bytes(bstr *text)
{
	struct proto_bytes bytes = { .complete = true };

	if (text) {
		bytes.at = bstr_ptr(text);
		bytes.len = (uint32_t)bstr_len(text);
	}
	return bytes;
}

static htp_table_t *headers_of(const struct http_tx *tx, unsigned side)
{
	return side ? tx->htp->response_headers : tx->htp->request_headers;
}

static const htp_header_t *header_at(const struct http_tx *tx, unsigned side, size_t n)
{
	htp_table_t *table = headers_of(tx, side);

	return n < htp_table_size(table) ? htp_table_get_index(table, n, NULL) : NULL;
}

bool http_header(
	const struct http_tx *tx, unsigned side, const char *name, struct proto_bytes *ret_value)
{
	const htp_header_t *header = htp_table_get_c(headers_of(tx, side), name);

	if (!header)
		return false;
	*ret_value = http_bytes(header->value);
	return true;
}

static bool is_cookie(const htp_header_t *header, unsigned side)
{
	return bstr_cmp_c_nocase(header->name, side ? "set-cookie" : "cookie") == 0;
}

static bool add(struct http_tx *tx, struct proto_body *text, struct proto_bytes bytes)
{
	return proto_body_add(tx->http->conn, text, bytes.at, bytes.len);
}

static bool add_text(struct http_tx *tx, struct proto_body *text, const char *str)
{
	return proto_body_add(tx->http->conn, text, (const uint8_t *)str, strlen(str));
}

static bool add_header(struct http_tx *tx, struct proto_body *text, const htp_header_t *header)
{
	return add(tx, text, http_bytes(header->name)) && add_text(tx, text, ": ") &&
	       add(tx, text, http_bytes(header->value)) && add_text(tx, text, "\r\n");
}

static bool make_headers(struct http_tx *tx, unsigned side, struct proto_body *text, bool cookies)
{
	const htp_header_t *header;

	for (size_t i = 0; (header = header_at(tx, side, i)); i++)
		if ((cookies || !is_cookie(header, side)) && !add_header(tx, text, header))
			return false;
	return true;
}

static bool make_names(struct http_tx *tx, unsigned side, struct proto_body *text)
{
	const htp_header_t *header;

	if (!add_text(tx, text, "\r\n"))
		return false;
	for (size_t i = 0; (header = header_at(tx, side, i)); i++)
		if (!add(tx, text, http_bytes(header->name)) || !add_text(tx, text, "\r\n"))
			return false;
	return add_text(tx, text, "\r\n");
}

static struct proto_bytes first_line(const struct http_tx *tx, unsigned side)
{
	return http_bytes(side ? tx->htp->response_line : tx->htp->request_line);
}

static bool make_start(struct http_tx *tx, unsigned side, struct proto_body *text)
{
	return add(tx, text, first_line(tx, side)) && add_text(tx, text, "\r\n") &&
	       make_headers(tx, side, text, true) && add_text(tx, text, "\r\n");
}

static bool make_text(struct http_tx *tx, unsigned side, enum http_text which)
{
	struct proto_body *text = &tx->side[side].text[which];

	text->len = 0;
	text->offset = 0;
	text->complete = true;
	switch (which) {
	case HTTP_TEXT_HEADERS:
		return make_headers(tx, side, text, false);
	case HTTP_TEXT_NAMES:
		return make_names(tx, side, text);
	default:
		return make_start(tx, side, text);
	}
}

static bool text_of(
	struct http_tx *tx, unsigned side, enum http_text which, struct proto_bytes *ret_bytes)
{
	struct http_side *s = &tx->side[side];

	if (!s->headers || !htp_table_size(headers_of(tx, side)))
		return false;
	if (!s->made[which] && !make_text(tx, side, which))
		return false;
	s->made[which] = true;
	*ret_bytes = proto_body_bytes(&s->text[which]);
	ret_bytes->offset = 0;
	return true;
}

/* One header as `Name: value`: a piece of the text that has all of them. */
static bool one_header(struct http_tx *tx, unsigned side, unsigned n, struct proto_bytes *ret_bytes)
{
	const htp_header_t *header = header_at(tx, side, n);
	struct proto_bytes all;
	struct cur c;

	if (!header || !text_of(tx, side, HTTP_TEXT_START, &all) ||
		tx->side[side].text[HTTP_TEXT_START].offset)
		return false;
	c = cur_make(all.at, all.len);
	cur_skip(&c, first_line(tx, side).len + 2u);
	for (unsigned i = 0; i < n; i++) {
		const htp_header_t *before = header_at(tx, side, i);

		if (!before)
			return false;
		cur_skip(&c, bstr_len(before->name) + bstr_len(before->value) + 4);
	}
	all.len = (uint32_t)(bstr_len(header->name) + bstr_len(header->value) + 2);
	all.at = cur_take(&c, all.len);
	*ret_bytes = all;
	return all.at;
}

/* The host of the URI, or else what the Host header says, port and all. */
static bool raw_host(const struct http_tx *tx, struct proto_bytes *ret_bytes)
{
	const htp_uri_t *uri = tx->htp->parsed_uri;

	if (uri && uri->hostname) {
		*ret_bytes = http_bytes(uri->hostname);
		return true;
	}
	return http_header(tx, 0, ":authority", ret_bytes) || http_header(tx, 0, "host", ret_bytes);
}

static const struct http_file *file_at(const struct http_tx *tx, unsigned side, unsigned n)
{
	for (const struct http_file *file = tx->files; file; file = file->next)
		if (file->side == side && n-- == 0)
			return file;
	return NULL;
}

static bool file_name(
	const struct http_tx *tx, unsigned side, unsigned n, struct proto_bytes *ret_bytes)
{
	const struct http_file *file = file_at(tx, side, n);

	if (!file || !file->name_len)
		return false;
	*ret_bytes = (struct proto_bytes){
		.at = (const uint8_t *)file->called, .len = file->name_len, .complete = true
	};
	return true;
}

static bool grown(const struct http_tx *tx, unsigned side, const struct proto_body *body,
	struct proto_bytes *ret_bytes)
{
	*ret_bytes = proto_body_bytes(body);
	ret_bytes->complete |= tx->tx->state.done[side];
	return ret_bytes->len || ret_bytes->offset;
}

static bool file_data(
	const struct http_tx *tx, unsigned side, unsigned n, struct proto_bytes *ret_bytes)
{
	const struct http_file *file = file_at(tx, side, n);

	if (!file)
		return false;
	return grown(tx, side, file->whole_body ? &tx->side[side].body : &file->content, ret_bytes);
}

static bool text(bstr *from, struct proto_bytes *ret_bytes)
{
	*ret_bytes = http_bytes(from);
	return from;
}

static bool body_bytes(const struct proto_body *body, struct proto_bytes *ret_bytes)
{
	*ret_bytes = proto_body_bytes(body);
	ret_bytes->complete = true;
	return ret_bytes->len;
}

/* Buffers that are the value of a header. The first of two names is a request's. */
static const struct {
	enum proto_buffer_id id;
	const char *name[2];
} by_header[] = {
	{ BUFFER_HTTP_COOKIE, { "cookie", "set-cookie" } },
	{ BUFFER_HTTP_RAW_COOKIE, { "cookie", "set-cookie" } },
	{ BUFFER_HTTP_USER_AGENT, { "user-agent", NULL } },
	{ BUFFER_HTTP_REFERER, { "referer", NULL } },
	{ BUFFER_HTTP_ACCEPT, { "accept", NULL } },
	{ BUFFER_HTTP_ACCEPT_LANG, { "accept-language", NULL } },
	{ BUFFER_HTTP_ACCEPT_ENC, { "accept-encoding", NULL } },
	{ BUFFER_HTTP_CONNECTION, { "connection", "connection" } },
	{ BUFFER_HTTP_CONTENT_TYPE, { "content-type", "content-type" } },
	{ BUFFER_HTTP_CONTENT_LEN, { "content-length", "content-length" } },
	{ BUFFER_HTTP_SERVER, { NULL, "server" } },
	{ BUFFER_HTTP_LOCATION, { NULL, "location" } },
};

static bool header_buffer(
	struct http_tx *tx, unsigned side, enum proto_buffer_id id, struct proto_bytes *ret_bytes)
{
	for (unsigned i = 0; i < sizeof(by_header) / sizeof(by_header[0]); i++)
		if (by_header[i].id == id)
			return tx->side[side].headers && by_header[i].name[side] &&
			       http_header(tx, side, by_header[i].name[side], ret_bytes);
	return false;
}

static bool line_buffer(
	struct http_tx *tx, unsigned side, enum proto_buffer_id id, struct proto_bytes *ret_bytes)
{
	const htp_tx_t *htp = tx->htp;

	if (!tx->side[side].line)
		return false;
	switch (id) {
	case BUFFER_HTTP_URI:
		return body_bytes(&tx->uri, ret_bytes);
	case BUFFER_HTTP_RAW_URI:
		return text(htp->request_uri, ret_bytes);
	case BUFFER_HTTP_METHOD:
		return text(htp->request_method, ret_bytes);
	case BUFFER_HTTP_PROTOCOL:
		return text(side ? htp->response_protocol : htp->request_protocol, ret_bytes);
	case BUFFER_HTTP_REQUEST_LINE:
		return text(htp->request_line, ret_bytes);
	case BUFFER_HTTP_RESPONSE_LINE:
		return text(htp->response_line, ret_bytes);
	case BUFFER_HTTP_STAT_CODE:
		return text(htp->response_status, ret_bytes);
	case BUFFER_HTTP_STAT_MSG:
		return text(htp->response_message, ret_bytes);
	default:
		return false;
	}
}

bool http_buffer(struct proto_tx *proto_tx, enum proto_buffer_id id, unsigned n,
	struct proto_bytes *ret_bytes)
{
	struct http_tx *tx = proto_tx->data;
	unsigned side = proto_tx->side;

	switch (id) { /* those that may occur often */
	case BUFFER_FILE_DATA:
		return file_data(tx, side, n, ret_bytes);
	case BUFFER_FILE_NAME:
		return file_name(tx, side, n, ret_bytes);
	case BUFFER_HTTP_REQUEST_HEADER:
	case BUFFER_HTTP_RESPONSE_HEADER:
		return one_header(tx, side, n, ret_bytes);
	default:
		break;
	}
	if (n)
		return false;
	switch (id) {
	case BUFFER_HTTP_REQUEST_BODY:
	case BUFFER_HTTP_RESPONSE_BODY:
		return grown(tx, side, &tx->side[side].body, ret_bytes);
	case BUFFER_HTTP_HEADER:
		return text_of(tx, side, HTTP_TEXT_HEADERS, ret_bytes) && ret_bytes->len;
	case BUFFER_HTTP_HEADER_NAMES:
		return text_of(tx, side, HTTP_TEXT_NAMES, ret_bytes);
	case BUFFER_HTTP_START:
		return text_of(tx, side, HTTP_TEXT_START, ret_bytes);
	case BUFFER_HTTP_RAW_HEADER:
		return tx->side[side].headers && body_bytes(&tx->side[side].raw, ret_bytes);
	case BUFFER_HTTP_HOST:
		return tx->side[0].headers && body_bytes(&tx->host, ret_bytes);
	case BUFFER_HTTP_RAW_HOST:
		return tx->side[0].headers && raw_host(tx, ret_bytes);
	default:
		return line_buffer(tx, side, id, ret_bytes) ||
		       header_buffer(tx, side, id, ret_bytes);
	}
}

bool http_number(
	struct proto_tx *proto_tx, enum proto_number_id id, unsigned n, uint64_t *ret_number)
{
	const struct http_tx *tx = proto_tx->data;

	if (id != NUMBER_HTTP_STAT_NUMBER || n || !tx->side[1].line ||
		tx->htp->response_status_number <= 0)
		return false;
	*ret_number = (uint64_t)tx->htp->response_status_number;
	return true;
}
