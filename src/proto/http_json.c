/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EVE's "http" object. A client or server that makes its texts long must not have them push out the record: each has a
 * room of its own, and what is cut is cut in the middle of nothing but itself.
 */
#include "proto/http.h"

/* Bytes of JSON text. Their sum leaves a record (RECORD_MEMBERS_MAX) room for what stands around. */
enum room {
	ROOM_URL = 10240,
	ROOM_LONG = 4096, /* User-Agent, Referer, Location */
	ROOM_SHORT = 1280,
};
#define ESCAPED 6 /* bytes that one may take */

static void member(struct out *o, bool *first, const char *name)
{
	if (!*first)
		out_char(o, ',');
	*first = false;
	out_fmt(o, "\"%s\":", name);
}

/* What stands for itself is one byte; of others the most is taken. */
static struct cur cut(struct proto_bytes value, size_t room)
{
	struct cur c = cur_make(value.at, value.len), rest = c;
	size_t len = 0;

	if (ESCAPED * (size_t)value.len <= room)
		return c;
	while (cur_left(&rest)) {
		uint8_t byte = cur_u8(&rest);

		len += byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\' ? 1 : ESCAPED;
		if (len > room) {
			cur_limit(&c, cur_left(&c) - cur_left(&rest) - 1);
			break;
		}
	}
	return c;
}

static void text(
	struct out *o, bool *first, const char *name, struct proto_bytes value, enum room room)
{
	struct cur c;

	if (!value.at)
		return;
	c = cut(value, room);
	member(o, first, name);
	out_json_text(o, (const char *)c.at, cur_left(&c));
}

static void header(struct out *o, bool *first, const struct http_tx *tx, unsigned side,
	const char *header_name, const char *name, enum room room)
{
	struct proto_bytes value;

	if (http_header(tx, side, header_name, &value))
		text(o, first, name, value, room);
}

static void number(struct out *o, bool *first, const char *name, int64_t value)
{
	member(o, first, name);
	out_i64(o, value);
}

static void request(struct out *o, bool *first, const struct http_tx *tx)
{
	const htp_tx_t *htp = tx->htp;

	text(o, first, "hostname", http_bytes(htp->request_hostname), ROOM_SHORT);
	if (htp->request_port_number > 0)
		number(o, first, "http_port", htp->request_port_number);
	if (htp->request_line) /* else it has a name of the parser's own */
		text(o, first, "url", http_bytes(htp->request_uri), ROOM_URL);
	header(o, first, tx, 0, "user-agent", "http_user_agent", ROOM_LONG);
	header(o, first, tx, 1, "server", "server", ROOM_SHORT);
}

/* A range of bytes and the size of the whole, either of which may be a `*` (RFC 9110, section
 * 14.4). */
static void content_range(struct out *o, bool *first, const struct http_tx *tx)
{
	struct proto_bytes value;
	struct http_range range;
	bool none = true;

	if (!http_header(tx, 1, "content-range", &value))
		return;
	range = http_range_read(value);
	member(o, first, "content_range");
	out_char(o, '{');
	text(o, &none, "raw", value, ROOM_SHORT);
	if (range.has_part) {
		number(o, &none, "start", range.start);
		number(o, &none, "end", range.end);
	}
	if (range.has_size)
		number(o, &none, "size", range.size);
	out_char(o, '}');
}

static void content_type(struct out *o, bool *first, const struct http_tx *tx)
{
	struct proto_bytes value;
	const uint8_t *stop;

	if (!http_header(tx, 1, "content-type", &value))
		return;
	stop = memchr(value.at, ';', value.len);
	if (stop)
		value.len = (uint32_t)(stop - value.at);
	text(o, first, "http_content_type", value, ROOM_SHORT);
}

static void status(struct out *o, bool *first, const struct http_tx *tx)
{
	const htp_tx_t *htp = tx->htp;

	if (!htp->response_status)
		return;
	if (htp->response_status_number > 0)
		number(o, first, "status", htp->response_status_number);
	else
		text(o, first, "status_string", http_bytes(htp->response_status), ROOM_SHORT);
	if (htp->response_status_number > 300 && htp->response_status_number < 400)
		header(o, first, tx, 1, "location", "redirect", ROOM_LONG);
}

void http_json_members(struct out *o, const struct http_tx *tx, bool first)
{
	const htp_tx_t *htp = tx->htp;

	request(o, &first, tx);
	content_type(o, &first, tx);
	content_range(o, &first, tx);
	header(o, &first, tx, 0, "referer", "http_refer", ROOM_LONG);
	text(o, &first, "http_method", http_bytes(htp->request_method), ROOM_SHORT);
	text(o, &first, "protocol", http_bytes(htp->request_protocol), ROOM_SHORT);
	status(o, &first, tx);
	number(o, &first, "length", htp->response_message_len);
}

bool http_json(struct proto_tx *proto_tx, struct out *o)
{
	out_str(o, "\"http\":{");
	http_json_members(o, proto_tx->data, true);
	out_char(o, '}');
	return true;
}
