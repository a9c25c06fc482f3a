/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multipart/form-data, line by line. A line longer than is kept cannot be a delimiter or a header:
 * its bytes are data as they come. The line break before a delimiter belongs to it (RFC 2046,
 * section 5.1.1), so it waits.
 */
#include "proto/http.h"

#define BOUNDARY_MAX 200 /* RFC 2046 allows 70 */
#define LINE_KEEP    1024
#define HEADER_MAX   4096 /* bytes of a part's headers that are looked at */

struct http_multipart {
	struct http_tx *tx;
	struct http_file *file;         /* NULL: a field, or nothing yet */
	struct proto_login_text *field; /* its value; NULL: it is of no interest */
	struct http_form form;
	enum { BEFORE, HEADERS, DATA, AFTER } state;
	bool within;        /* the line's beginning has been seen and was not special */
	uint8_t breaks;     /* line break that waits: 0 none, 1 LF, 2 CRLF */
	uint32_t n_headers; /* bytes of them, of this part */
	uint32_t len;       /* of the line so far */
	uint32_t boundary_len;
	uint8_t line[LINE_KEEP];
	char boundary[BOUNDARY_MAX + 2]; /* with the two dashes */
};

static bool ends_boundary(uint8_t c, bool quoted)
{
	return quoted ? c == '"' : c == ';' || c == ',' || c == ' ';
}

/* The boundary in a Content-Type, or an empty cursor. */
static struct cur find_boundary(struct cur type)
{
	static const char word[] = "boundary=";
	struct cur none = { 0 };
	struct cur rest;
	bool quoted;

	if (!text_begins(type, "multipart/form-data"))
		return none;
	while (cur_left(&type) >= strlen(word) && !text_begins(type, word))
		cur_skip(&type, 1);
	if (cur_left(&type) < strlen(word))
		return none;
	cur_skip(&type, strlen(word));
	quoted = cur_left(&type) && *type.at == '"';
	if (quoted)
		cur_skip(&type, 1);
	rest = type;
	while (cur_left(&rest) && !ends_boundary(*rest.at, quoted))
		cur_skip(&rest, 1);
	cur_limit(&type, cur_left(&type) - cur_left(&rest));
	return type;
}

struct http_multipart *http_multipart_new(struct http_tx *tx, struct cur content_type)
{
	struct cur boundary = find_boundary(content_type);
	size_t len = cur_left(&boundary);
	struct http_multipart *m;

	if (!len || len > BOUNDARY_MAX)
		return NULL;
	m = proto_alloc(tx->http->conn, sizeof(*m));
	if (!m)
		return NULL;
	m->tx = tx;
	memcpy(m->boundary, "--", 2);
	cur_copy(&boundary, &m->boundary[2], len);
	m->boundary_len = (uint32_t)len + 2;
	return m;
}

void http_multipart_free(struct proto_conn *conn, struct http_multipart *multipart)
{
	proto_free(conn, multipart, sizeof(*multipart));
}

const struct http_form *http_multipart_form(const struct http_multipart *multipart)
{
	return &multipart->form;
}

static void end_file(struct http_multipart *m, bool cut)
{
	if (m->file && m->file->size == 0)
		proto_tx_add_event(m->tx->tx, "http.multipart_no_filedata");
	http_file_end(m->tx, m->file, cut);
	m->file = NULL;
}

static void begin_part(struct http_multipart *m, struct cur rest)
{
	bool last = cur_left(&rest) >= 2 && memcmp(rest.at, "--", 2) == 0;

	end_file(m, false);
	m->field = NULL;
	m->state = last ? AFTER : HEADERS;
	m->n_headers = 0;
	m->breaks = 0;
}

static void header_line(struct http_multipart *m, struct cur line)
{
	static const char word[] = "content-disposition:";
	const uint8_t *name;
	struct cur field;
	size_t len;

	if (!cur_left(&line)) {
		m->state = DATA;
		return;
	}
	m->n_headers += (uint32_t)cur_left(&line);
	if (m->n_headers > HEADER_MAX || !memchr(line.at, ':', cur_left(&line))) {
		proto_tx_add_event(m->tx->tx, "http.multipart_invalid_header");
		return;
	}
	if (m->file || !text_begins(line, word))
		return;
	cur_skip(&line, strlen(word));
	if (http_file_name(line, &name, &len))
		m->file = http_file_open(m->tx, 0, name, len, false);
	else if (http_file_param(line, "name", &field))
		m->field = http_form_field(&m->form, field);
}

static void data(struct http_multipart *m, struct cur line)
{
	static const char *const breaks[] = { "", "\n", "\r\n" };

	if (m->field) {
		http_form_add(m->field, cur_make(breaks[m->breaks], m->breaks));
		http_form_add(m->field, line);
	}
	http_file_add(m->tx, m->file, (const uint8_t *)breaks[m->breaks], m->breaks);
	m->breaks = 0;
	http_file_add(m->tx, m->file, line.at, cur_left(&line));
}

/* The line so far: all of it if `breaks`, else a piece of a long one. */
static void line_seen(struct http_multipart *m, uint8_t breaks)
{
	struct cur line = cur_make(m->line, m->len);

	if (!m->within && m->len >= m->boundary_len &&
		memcmp(m->line, m->boundary, m->boundary_len) == 0) {
		cur_skip(&line, m->boundary_len);
		begin_part(m, line);
	} else if (m->state == HEADERS) {
		header_line(m, line);
	} else if (m->state == DATA) {
		data(m, line);
		m->breaks = breaks;
	}
	m->within = !breaks;
	m->len = 0;
}

static void byte_seen(struct http_multipart *m, uint8_t c)
{
	if (c == '\n') {
		uint8_t breaks = m->len && m->line[m->len - 1] == '\r' ? 2 : 1;

		m->len -= breaks - 1u;
		line_seen(m, breaks);
		return;
	}
	if (m->len == LINE_KEEP) {
		/* A CR at its end may belong to a line break. */
		bool cr = m->line[m->len - 1] == '\r';

		m->len -= cr;
		line_seen(m, 0);
		if (cr)
			m->line[m->len++] = '\r';
	}
	m->line[m->len++] = c;
}

void http_multipart_add(struct http_multipart *multipart, const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);

	while (cur_left(&c))
		byte_seen(multipart, cur_u8(&c));
}

void http_multipart_end(struct http_multipart *multipart, bool cut)
{
	if (multipart->len || multipart->within)
		line_seen(multipart, 0);
	end_file(multipart, cut || multipart->state != AFTER);
	multipart->state = AFTER;
}
