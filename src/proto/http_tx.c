/* SPDX-License-Identifier: Apache-2.0 */
/* What libhtp reads becomes transactions. */
#include <ctype.h>

#include "proto/fields.h"
#include "proto/http.h"

/* Bytes of a body that may come before those before them have been told. */
#define TELL_AFTER (PROTO_BODY_KEEP / 2)

struct http_tx *http_tx_of(htp_tx_t *htp)
{
	return htp_tx_get_user_data(htp);
}

static void link_tx(struct http *http, struct http_tx *tx)
{
	tx->next = http->txs;
	tx->before = &http->txs;
	if (tx->next)
		tx->next->before = &tx->next;
	http->txs = tx;
}

struct http_tx *http_tx_new(htp_tx_t *htp)
{
	struct http *http = htp_connp_get_user_data(htp->connp);
	struct http_tx *tx;

	if (!proto_charge(http->conn, HTTP_TX_COST))
		return NULL;
	tx = proto_alloc(http->conn, sizeof(*tx));
	if (tx)
		tx->tx = proto_tx_new(http->conn, tx);
	if (!tx || !tx->tx) {
		proto_free(http->conn, tx, sizeof(*tx));
		proto_charge(http->conn, -HTTP_TX_COST);
		return NULL;
	}
	tx->http = http;
	tx->htp = htp;
	tx->last_file = &tx->files;
	link_tx(http, tx);
	http->n_txs++;
	htp_tx_set_user_data(htp, tx);
	return tx;
}

/* libhtp would begin for ever if its start failed (0.5.42): what has no place is refused with
 * its first line. */
static int tx_start(htp_tx_t *htp)
{
	if (!http_tx_of(htp))
		http_tx_new(htp);
	return HTP_OK;
}

void http_tx_free(void *data)
{
	struct http_tx *tx = data;
	struct proto_conn *conn = tx->http->conn;

	http_login(tx, PROTO_LOGIN_UNKNOWN);
	http_login_form(tx, true);
	*tx->before = tx->next;
	if (tx->next)
		tx->next->before = tx->before;
	http_file_free_all(tx);
	http_multipart_free(conn, tx->multipart);
	for (unsigned side = 0; side < 2; side++) {
		struct http_side *s = &tx->side[side];

		http_inflate_free(conn, s->inflate);
		proto_body_free(conn, &s->body);
		proto_body_free(conn, &s->raw);
		for (unsigned i = 0; i < HTTP_TEXTS; i++)
			proto_body_free(conn, &s->text[i]);
		proto_charge(conn, -(int64_t)s->charged);
	}
	proto_body_free(conn, &tx->uri);
	proto_body_free(conn, &tx->host);
	htp_tx_set_user_data(tx->htp, NULL);
	htp_tx_destroy(
		tx->htp); /* refused when not complete: then it stays until the connection goes */
	proto_charge(conn, -HTTP_TX_COST);
	proto_free(conn, tx, sizeof(*tx));
}

bool http_tx_charge(struct http_tx *tx, unsigned side, size_t bytes)
{
	if (!proto_charge(tx->http->conn, (int64_t)bytes))
		return false;
	tx->side[side].charged += bytes;
	return true;
}

static void forget_texts(struct http_tx *tx, unsigned side)
{
	for (unsigned i = 0; i < HTTP_TEXTS; i++)
		tx->side[side].made[i] = false;
}

static bool add_part(struct http_tx *tx, const char *before, bstr *part)
{
	struct proto_bytes bytes = http_bytes(part);

	return !part ||
	       (proto_body_add(tx->http->conn, &tx->uri, (const uint8_t *)before, strlen(before)) &&
		       proto_body_add(tx->http->conn, &tx->uri, bytes.at, bytes.len));
}

static bool make_uri(struct http_tx *tx)
{
	/* Without a request it has a name of libhtp's own. */
	const htp_uri_t *uri = tx->htp->request_line ? tx->htp->parsed_uri : NULL;

	return !uri || (add_part(tx, "", uri->path) && add_part(tx, "?", uri->query) &&
			       add_part(tx, "#", uri->fragment));
}

static bool make_host(struct http_tx *tx)
{
	struct proto_bytes host = http_bytes(tx->htp->request_hostname);
	struct cur c = cur_make(host.at, host.len);

	while (cur_left(&c)) {
		uint8_t lower = (uint8_t)tolower(cur_u8(&c));

		if (!proto_body_add(tx->http->conn, &tx->host, &lower, 1))
			return false;
	}
	return true;
}

static int request_line(htp_tx_t *htp)
{
	struct http_tx *tx = http_tx_of(htp);

	if (!tx)
		return HTP_ERROR;
	tx->side[0].line = true;
	proto_tx_news(tx->tx, 0);
	if (!http_tx_charge(tx, 0, 4 * (htp->request_line ? bstr_len(htp->request_line) : 0)) ||
		!make_uri(tx))
		return HTP_ERROR;
	return HTP_OK;
}

static int header_data(htp_tx_data_t *data, unsigned side)
{
	struct http_tx *tx = http_tx_of(data->tx);

	if (!data->len)
		return HTP_OK;
	if (!tx || !http_tx_charge(tx, side, data->len) ||
		!proto_body_add(tx->http->conn, &tx->side[side].raw, data->data, data->len))
		return HTP_ERROR;
	return HTP_OK;
}

static int request_header_data(htp_tx_data_t *data)
{
	return header_data(data, 0);
}

static int response_header_data(htp_tx_data_t *data)
{
	return header_data(data, 1);
}

/* CONNECT was granted: what follows is another protocol (RFC 9110, section 9.3.6). */
static void look_for_tunnel(struct http_tx *tx)
{
	struct proto_bytes host = http_bytes(tx->htp->request_hostname);
	const struct proto_tunnel tunnel = { .host = host.at,
		.host_len = host.len,
		.port = (uint16_t)tx->htp->request_port_number };

	tx->http->connecting = false;
	if (tx->htp->request_method_number != HTP_M_CONNECT ||
		tx->htp->response_status_number < 200 || tx->htp->response_status_number > 299)
		return;
	tx->http->tunnel = true;
	proto_conn_tunnel(tx->http->conn, &tunnel);
}

static bool leave(struct proto_conn *conn, struct proto_bytes text)
{
	uint16_t len = (uint16_t)(text.len < HTTP_LEAVE_MAX / 4 ? text.len : HTTP_LEAVE_MAX / 4);
	uint8_t head[2] = { (uint8_t)(len >> 8), (uint8_t)len };

	return proto_conn_leave(conn, head, sizeof(head)) && proto_conn_leave(conn, text.at, len);
}

static bool leave_named(struct proto_conn *conn, const char *name, struct proto_bytes value)
{
	const struct proto_bytes bytes = { .at = (const uint8_t *)name,
		.len = (uint32_t)strlen(name) };
	struct cur left = proto_conn_legacy(conn);

	return cur_left(&left) > HTTP_LEAVE_MAX / 2 || (leave(conn, bytes) && leave(conn, value));
}

/* What HTTP/2 would have said in place of this request, for its parser. */
static bool leave_request(const struct http_tx *tx)
{
	static const char *const names[] = { "user-agent", "referer", "cookie", "authorization",
		"proxy-authorization", "accept", "accept-language", "accept-encoding",
		"content-type", "content-length" };
	struct proto_conn *conn = tx->http->conn;
	struct proto_bytes value;

	if (!leave_named(conn, ":method", http_bytes(tx->htp->request_method)) ||
		!leave_named(conn, ":path", http_bytes(tx->htp->request_uri)))
		return false;
	if (http_header(tx, 0, "host", &value) && !leave_named(conn, ":authority", value))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (http_header(tx, 0, names[i], &value) && !leave_named(conn, names[i], value))
			return false;
	return true;
}

/* HTTP/2 was asked for, as far as we know, and granted (RFC 7540, 3.2). */
static void look_for_upgrade(struct http_tx *tx)
{
	bool alone = !tx->htp->request_line; /* the capture begins behind the request */
	struct proto_bytes asked, granted;

	if (tx->htp->response_status_number != 101 ||
		(!alone && !http_header(tx, 0, "upgrade", &asked)) ||
		!http_header(tx, 1, "upgrade", &granted) ||
		!text_is(cur_make(granted.at, granted.len), "h2c"))
		return;
	tx->http->upgraded = alone || leave_request(tx);
}

static int response_line(htp_tx_t *htp)
{
	struct http_tx *tx = http_tx_of(htp);

	if (!tx)
		return HTP_ERROR;
	tx->side[1].line = true;
	/* Lines after a 100 come once more. */
	forget_texts(tx, 1);
	proto_tx_news(tx->tx, 1);
	if (!http_tx_charge(tx, 1, 2 * (htp->response_line ? bstr_len(htp->response_line) : 0)))
		return HTP_ERROR;
	return HTP_OK;
}

/* The name that the response gives it; else the URI's path. */
static void find_body_name(
	const struct http_tx *tx, unsigned side, const uint8_t **ret_name, size_t *ret_len)
{
	const htp_uri_t *uri = tx->htp->parsed_uri;
	struct proto_bytes value, path = http_bytes(uri ? uri->path : NULL);

	if (side && http_header(tx, 1, "content-disposition", &value) &&
		http_file_name(cur_make(value.at, value.len), ret_name, ret_len))
		return;
	*ret_name = path.at;
	*ret_len = path.len;
}

static struct http_file *open_body_file(struct http_tx *tx, unsigned side)
{
	const uint8_t *name;
	size_t len;

	find_body_name(tx, side, &name, &len);
	return http_file_open(tx, side, name, len, true);
}

/* What came before the status line is body too (libhtp): by now its name may be known. */
static void rename_body_file(struct http_tx *tx)
{
	const uint8_t *name;
	size_t len;

	if (!tx->open_file[1])
		return;
	find_body_name(tx, 1, &name, &len);
	http_file_rename(tx, tx->open_file[1], name, len);
}

bool http_tx_headers(struct http_tx *tx, unsigned side)
{
	if ((side == 0 && !make_host(tx)) || !http_inflate_start(tx, side))
		return false;
	tx->side[side].headers = true;
	if (side) {
		http_login_answered(tx);
		rename_body_file(tx);
	}
	forget_texts(tx, side);
	proto_tx_news(tx->tx, side);
	return true;
}

static int request_headers(htp_tx_t *htp)
{
	struct http_tx *tx = http_tx_of(htp);

	if (!tx)
		return HTP_ERROR;
	http_event_request(tx);
	tx->http->connecting = htp->request_method_number == HTP_M_CONNECT;
	return http_tx_headers(tx, 0) ? HTP_OK : HTP_ERROR;
}

static int response_headers(htp_tx_t *htp)
{
	struct http_tx *tx = http_tx_of(htp);

	if (!tx || !http_tx_headers(tx, 1))
		return HTP_ERROR;
	look_for_tunnel(tx);
	look_for_upgrade(tx);
	return HTP_OK;
}

static void start_multipart(struct http_tx *tx)
{
	struct proto_bytes type;

	tx->multipart_checked = true;
	if (tx->htp->request_method_number == HTP_M_POST &&
		http_header(tx, 0, "content-type", &type))
		tx->multipart = http_multipart_new(tx, cur_make(type.at, type.len));
}

/* Whatever the method: scanners send bodies with GET, WebDAV with its own. */
static void request_file(struct http_tx *tx, const uint8_t *bytes, size_t len)
{
	if (!tx->multipart_checked)
		start_multipart(tx);
	if (tx->multipart) {
		http_multipart_add(tx->multipart, bytes, len);
		return;
	}
	if (!tx->open_file[0])
		tx->open_file[0] = open_body_file(tx, 0);
	http_file_add(tx, tx->open_file[0], bytes, len);
}

static void response_file(struct http_tx *tx, const uint8_t *bytes, size_t len)
{
	if (tx->side[1].over)
		return;
	if (!tx->open_file[1])
		tx->open_file[1] = open_body_file(tx, 1);
	http_file_add(tx, tx->open_file[1], bytes, len);
}

static void tell_body(struct http_tx *tx, unsigned side)
{
	struct http_side *s = &tx->side[side];
	uint64_t size = s->body.offset + s->body.len;

	proto_tx_news(tx->tx, side);
	if (size - s->told < TELL_AFTER)
		return;
	s->told = size;
	proto_tx_tell(tx->tx);
}

/* At most TELL_AFTER bytes. */
static bool body_piece(struct http_tx *tx, unsigned side, struct cur c)
{
	struct http_side *s = &tx->side[side];
	size_t len = cur_left(&c);

	if (!proto_body_add(tx->http->conn, &s->body, c.at, len))
		return false;
	if (side)
		response_file(tx, c.at, len);
	else
		request_file(tx, c.at, len);
	tell_body(tx, side);
	return true;
}

bool http_tx_body(struct http_tx *tx, unsigned side, struct cur bytes)
{
	while (cur_left(&bytes)) {
		size_t len = cur_left(&bytes) < TELL_AFTER ? cur_left(&bytes) : TELL_AFTER;

		if (!body_piece(tx, side, cur_sub(&bytes, len)))
			return false;
	}
	return true;
}

bool http_tx_data(struct http_tx *tx, unsigned side, struct cur bytes)
{
	struct http_inflate *inflate = tx->side[side].inflate;

	return inflate ? http_inflate_add(inflate, bytes) : http_tx_body(tx, side, bytes);
}

void http_tx_gap(struct http_tx *tx, unsigned side)
{
	tx->side[side].gap = true;
	if (tx->open_file[side] &&
		tx->open_file[side]->whole) /* where what follows belongs is not known */
		http_file_end(tx, tx->open_file[side], true);
	if (tx->side[side].inflate)
		http_inflate_gap(tx->side[side].inflate);
}

/* Where every byte of the body is one of the file, what was not seen is a hole in it. */
static bool leave_hole(struct http_tx *tx, unsigned side, size_t len)
{
	const htp_tx_t *htp = tx->htp;
	enum htp_transfer_coding_t coding =
		side ? htp->response_transfer_coding : htp->request_transfer_coding;

	if (coding != HTP_CODING_IDENTITY || tx->side[side].inflate || len > FIELDS_HOLE_MAX)
		return false;
	if (!side && !tx->multipart_checked)
		start_multipart(tx);
	if (!side && tx->multipart)
		return false;
	if (!tx->open_file[side])
		tx->open_file[side] = open_body_file(tx, side);
	http_file_skip(tx->open_file[side], len);
	tx->side[side].hole = true;
	return true;
}

/* Bytes behind a response are body to libhtp, and so to rules; nobody who asked for a file has them in it. */
static bool is_over(const htp_tx_t *htp)
{
	switch (htp->response_transfer_coding) {
	case HTP_CODING_IDENTITY:
		return htp->response_content_length >= 0 &&
		       htp->response_message_len > htp->response_content_length;
	case HTP_CODING_CHUNKED:
		return htp->response_progress == HTP_RESPONSE_TRAILER;
	default:
		return false;
	}
}

static int body_data(htp_tx_data_t *data, unsigned side)
{
	struct http_tx *tx = http_tx_of(data->tx);

	if (!tx || !data->len)
		return HTP_OK;
	if (side)
		tx->side[1].over |= is_over(data->tx);
	if (data->data)
		return http_tx_data(tx, side, cur_make(data->data, data->len)) ? HTP_OK : HTP_ERROR;
	if (!leave_hole(tx, side, data->len)) /* never seen */
		http_tx_gap(tx, side);
	return HTP_OK;
}

/* HTTP/0.9 has none: who types a request by hand sends an empty line behind it, which libhtp calls one if it comes at
 * once. */
static int request_body_data(htp_tx_data_t *data)
{
	return data->tx->is_protocol_0_9 ? HTP_OK : body_data(data, 0);
}

static int response_body_data(htp_tx_data_t *data)
{
	return body_data(data, 1);
}

/* Whether a body that ends because the connection does is all there is of it. */
static bool is_whole(const struct http_tx *tx, unsigned side)
{
	const htp_tx_t *htp = tx->htp;

	if (tx->side[side].gap)
		return false;
	if (!tx->http->closing)
		return true;
	return side && (tx->side[1].over || (htp->response_transfer_coding == HTP_CODING_IDENTITY &&
						    htp->response_content_length < 0));
}

static void end_files(struct http_tx *tx, unsigned side, bool cut)
{
	if (tx->open_file[side])
		http_file_end(tx, tx->open_file[side], cut);
	tx->open_file[side] = NULL;
	if (!side && tx->multipart)
		http_multipart_end(tx->multipart, cut);
}

/* Of a body that libhtp has come to the end of. */
static bool end_inflate(struct http_tx *tx, unsigned side)
{
	struct http_side *s = &tx->side[side];
	bool fine = !s->inflate || http_inflate_end(s->inflate);

	http_inflate_free(tx->http->conn, s->inflate);
	s->inflate = NULL;
	return fine;
}

bool http_tx_complete(struct http_tx *tx, unsigned side)
{
	if (!end_inflate(tx, side))
		return false;
	tx->side[side].line = tx->side[side].headers = true;
	tx->side[side].body.complete = true;
	forget_texts(tx, side);
	tx->side[side].cut = !is_whole(tx, side);
	end_files(tx, side, tx->side[side].cut);
	http_login_form(tx, false);
	proto_tx_done(tx->tx, side);
	return true;
}

static int complete(htp_tx_t *htp, unsigned side)
{
	struct http_tx *tx = http_tx_of(htp);

	return !tx || http_tx_complete(tx, side) ? HTP_OK : HTP_ERROR;
}

static int request_complete(htp_tx_t *htp)
{
	return complete(htp, 0);
}

/* A response without a request: libhtp has made one up. */
static int response_start(htp_tx_t *htp)
{
	struct http *http = htp_connp_get_user_data(htp->connp);
	bool alone = !http_tx_of(htp);
	struct http_tx *tx;

	http->between = false;
	tx_start(htp);
	tx = http_tx_of(htp);
	if (!alone || !tx)
		return HTP_OK;
	proto_tx_add_event(tx->tx, "http.unable_to_match_response_to_request");
	make_uri(tx);
	return complete(htp, 0);
}

static int response_complete(htp_tx_t *htp)
{
	struct http *http = htp_connp_get_user_data(htp->connp);

	http->between = true;
	return complete(htp, 1);
}

void http_tx_cut(struct http_tx *tx, unsigned side)
{
	end_files(tx, side, true);
}

void http_tx_register(htp_cfg_t *cfg)
{
	htp_config_register_request_start(cfg, tx_start);
	htp_config_register_request_line(cfg, request_line);
	htp_config_register_request_header_data(cfg, request_header_data);
	htp_config_register_request_headers(cfg, request_headers);
	htp_config_register_request_trailer_data(cfg, request_header_data);
	htp_config_register_request_body_data(cfg, request_body_data);
	htp_config_register_request_complete(cfg, request_complete);
	htp_config_register_response_start(cfg, response_start);
	htp_config_register_response_line(cfg, response_line);
	htp_config_register_response_header_data(cfg, response_header_data);
	htp_config_register_response_headers(cfg, response_headers);
	htp_config_register_response_trailer_data(cfg, response_header_data);
	htp_config_register_response_body_data(cfg, response_body_data);
	htp_config_register_response_complete(cfg, response_complete);
}
