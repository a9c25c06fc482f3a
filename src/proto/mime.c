/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/mime.h"
#include "proto/paste.h"

#include <ctype.h>
#include <strings.h>

#define MIME_LIST_JSON 3072 /* of each list in the record */

/* Headers that become fields. */
static const struct header {
	const char *name;
	enum proto_buffer_id buffer;
	bool list; /* addresses, divided by commas */
} headers[] = {
	{ "From", BUFFER_EMAIL_FROM, false },
	{ "To", BUFFER_EMAIL_TO, true },
	{ "Cc", BUFFER_EMAIL_CC, true },
	{ "Subject", BUFFER_EMAIL_SUBJECT, false },
	{ "Date", BUFFER_EMAIL_DATE, false },
	{ "Message-ID", BUFFER_EMAIL_MESSAGE_ID, false },
	{ "X-Mailer", BUFFER_EMAIL_X_MAILER, false },
	{ "Received", BUFFER_EMAIL_RECEIVED, false },
};

static const char unnamed[] = "message.eml", suffix[] = ".eml";

static void event(struct mime *m, const char *name)
{
	proto_tx_add_event(m->tx, name);
}

static void begin_part(struct mime *m)
{
	m->state = MIME_HEADERS;
	m->header_len = 0;
	m->encoding = MIME_PLAIN;
	m->is_multipart = m->is_message = m->has_name = m->has_boundary = false;
	m->is_attachment = m->name_goes_on = m->in_uu = false;
	m->uu = NULL;
	m->is_text = true;
	m->name_len = m->boundary_len = 0;
	m->line_end = false;
	m->bits = m->n_bits = 0;
	m->part_gap = false;
	m->file = NULL;
}

static void begin(struct mime *m, struct proto_tx *tx, unsigned side)
{
	m->tx = tx;
	m->side = (uint8_t)side;
	m->depth = 0;
	m->urls = m->text_len = 0;
	m->bad = m->gap = m->guess = m->top = m->alone = false;
	m->whole = NULL;
	begin_part(m);
}

void mime_begin(struct mime *m, struct proto_tx *tx, unsigned side)
{
	begin(m, tx, side);
	m->top = true;
	m->whole = proto_fields_file_around(tx, side);
	if (m->whole)
		proto_fields_file_name(m->whole, unnamed, strlen(unnamed));
}

static bool same(const char *a, size_t len, const char *b)
{
	return len == strlen(b) && strncasecmp(a, b, len) == 0;
}

/* Everything before the next `stop` outside of quotes, which is skipped. */
static struct cur cut_at(struct cur *c, char stop)
{
	struct cur part = *c;
	bool quoted = false;

	while (cur_left(c) && (quoted || c->at[0] != (uint8_t)stop)) {
		if (c->at[0] == '"')
			quoted = !quoted;
		else if (quoted && c->at[0] == '\\' && cur_left(c) > 1)
			c->at++;
		c->at++;
	}
	part.end = c->at;
	if (cur_left(c))
		c->at++;
	return part;
}

static struct cur unquote(struct cur c)
{
	c = text_trim(c);
	if (cur_left(&c) && c.at[0] == '"')
		c.at++;
	if (cur_left(&c) && c.end[-1] == '"')
		c.end--;
	return c;
}

/* `name=value` of a parameter. */
static bool parameter(struct cur part, struct cur *ret_name, struct cur *ret_value)
{
	*ret_name = text_trim(cut_at(&part, '='));
	*ret_value = unquote(part);
	return cur_left(ret_name) > 0;
}

static void set_boundary(struct mime *m, struct cur value)
{
	size_t len = cur_left(&value);

	if (len > MIME_BOUNDARY_MAX) {
		event(m, "smtp.mime_long_boundary");
		return;
	}
	m->has_boundary = len > 0;
	m->boundary_len = (uint8_t)len;
	cur_copy(&value, m->boundary, len);
}

/* No more than has room, and no piece of a character. */
static size_t words(struct cur value, char *ret_text, size_t size)
{
	struct out o = out_make(ret_text, size);

	mime_words(value, &o);
	return o.full ? o.len - out_utf8_open(ret_text, o.len) : o.len;
}

static void set_name(struct mime *m, struct cur value)
{
	char name[FIELDS_NAME_MAX + 1];
	size_t len = words(value, name, sizeof(name));

	if (cur_left(&value) > FIELDS_NAME_MAX)
		event(m, "smtp.mime_long_filename");
	if (!len)
		return;
	m->has_name = true;
	m->name_len = (uint32_t)len;
	memcpy(m->name, name, len);
}

static void name_add(struct mime *m, uint8_t byte)
{
	if (m->name_len < FIELDS_NAME_MAX)
		m->name[m->name_len++] = (char)byte;
}

/* A piece of a name, or one with a charset and %xx in it (RFC 2231): name*0=, name*1*=, name*=. */
static void add_to_name(struct mime *m, struct cur number, struct cur value)
{
	bool one = !cur_left(&number); /* behind the star */
	bool extended = one || number.end[-1] == '*';
	bool first = one || number.at[0] == '0';

	if (first == m->name_goes_on)
		return;
	if (first)
		m->name_len = 0;
	if (extended && first)
		for (unsigned quotes = 0; quotes < 2 && cur_left(&value);)
			quotes += cur_u8(&value) == '\'';
	while (cur_left(&value)) {
		uint8_t byte = cur_u8(&value);

		if (extended && byte == '%' && cur_left(&value) >= 2 &&
			text_hex_digit(value.at[0]) >= 0 && text_hex_digit(value.at[1]) >= 0) {
			byte = (uint8_t)(text_hex_digit(cur_u8(&value)) << 4);
			byte = (uint8_t)(byte | text_hex_digit(cur_u8(&value)));
		}
		name_add(m, byte);
	}
	m->name_goes_on = true;
	m->has_name = m->name_len > 0;
}

/* `word`: the parameter that is the name of a file. */
static void name_parameter(struct mime *m, const char *word, struct cur name, struct cur value)
{
	size_t len = strlen(word);
	struct cur number = name;

	if (same((const char *)name.at, cur_left(&name), word)) {
		set_name(m, value);
		return;
	}
	if (cur_left(&name) < len + 1 || !text_begins(name, word) || name.at[len] != '*')
		return;
	cur_skip(&number, len + 1);
	add_to_name(m, number, value);
}

static void content_type(struct mime *m, struct cur value)
{
	struct cur type = text_trim(cut_at(&value, ';')), name, part;

	m->is_multipart = text_begins(type, "multipart/");
	m->is_message = text_begins(type, "message/rfc822");
	m->is_text = text_begins(type, "text/");
	m->is_attachment |= text_begins(type, "application/");
	while (cur_left(&value)) {
		struct cur next = cut_at(&value, ';');

		if (!parameter(next, &name, &part))
			continue;
		if (same((const char *)name.at, cur_left(&name), "boundary"))
			set_boundary(m, part);
		else
			name_parameter(m, "name", name, part);
	}
}

static void content_disposition(struct mime *m, struct cur value)
{
	struct cur name, part;

	m->is_attachment |= text_begins(text_trim(cut_at(&value, ';')), "attachment");
	m->name_goes_on = false;
	while (cur_left(&value)) {
		struct cur next = cut_at(&value, ';');

		if (parameter(next, &name, &part))
			name_parameter(m, "filename", name, part);
	}
}

static void transfer_encoding(struct mime *m, struct cur value)
{
	value = text_trim(value);
	m->encoding = text_begins(value, "base64")             ? MIME_BASE64
		      : text_begins(value, "quoted-printable") ? MIME_QUOTED
							       : MIME_PLAIN;
}

static void add_list(struct mime *m, enum proto_buffer_id id, struct cur value)
{
	while (cur_left(&value)) {
		struct cur one = text_trim(cut_at(&value, ','));

		if (cur_left(&one))
			proto_fields_add(m->tx->data, id, one.at, cur_left(&one));
	}
}

/* The message is a file by the name of its subject. */
static void name_whole(struct mime *m, struct cur subject)
{
	char name[FIELDS_NAME_MAX];
	size_t len = words(subject, name, sizeof(name) - strlen(suffix));

	if (!m->whole || !len)
		return;
	memcpy(name + len, suffix, strlen(suffix));
	proto_fields_file_name(m->whole, name, len + strlen(suffix));
}

static void known_header(struct mime *m, struct cur name, struct cur value)
{
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		if (!same((const char *)name.at, cur_left(&name), headers[i].name))
			continue;
		if (headers[i].buffer == BUFFER_EMAIL_SUBJECT)
			name_whole(m, value);
		if (headers[i].list)
			add_list(m, headers[i].buffer, value);
		else
			proto_fields_add(
				m->tx->data, headers[i].buffer, value.at, cur_left(&value));
	}
}

/* The header that was put together is complete. */
static void take_header(struct mime *m)
{
	struct cur c = cur_make(m->header, m->header_len), name, value;

	if (!m->header_len)
		return;
	m->header_len = 0;
	name = c;
	while (cur_left(&c) && c.at[0] != ':')
		c.at++;
	name.end = c.at;
	name = text_trim(name);
	if (!cur_left(&c) || !cur_left(&name)) {
		event(m, "smtp.mime_malformed_msg");
		return;
	}
	c.at++;
	value = text_trim(c);
	if (same((const char *)name.at, cur_left(&name), "Content-Type"))
		content_type(m, value);
	else if (same((const char *)name.at, cur_left(&name), "Content-Disposition"))
		content_disposition(m, value);
	else if (same((const char *)name.at, cur_left(&name), "Content-Transfer-Encoding"))
		transfer_encoding(m, value);
	else if (m->top)
		known_header(m, name, value);
}

static void header_add(struct mime *m, const uint8_t *bytes, size_t len)
{
	if (len > MIME_HEADER_MAX - m->header_len) {
		event(m, "smtp.mime_long_header_value");
		len = MIME_HEADER_MAX - m->header_len;
	}
	memcpy(m->header + m->header_len, bytes, len);
	m->header_len += (uint32_t)len;
}

/* The headers of a part have ended. */
static void begin_body(struct mime *m)
{
	take_header(m);
	if (m->is_multipart && m->has_boundary) {
		if (m->depth == MIME_DEPTH_MAX) {
			event(m, "smtp.mime_malformed_msg");
		} else {
			memcpy(m->level[m->depth].boundary, m->boundary, m->boundary_len);
			m->level[m->depth++].len = m->boundary_len;
		}
		m->top = false;
		m->state = MIME_IGNORE;
		return;
	}
	m->top = false;
	if (m->is_message && !m->has_name) {
		begin_part(m);
		return;
	}
	m->state = MIME_BODY;
	if (!m->has_name && !m->is_attachment)
		return;
	if (!m->alone)
		m->file = proto_fields_file(m->tx, m->side, m->name, m->name_len);
	if (m->has_name)
		proto_fields_add(m->tx->data, BUFFER_EMAIL_ATTACHMENT, m->name, m->name_len);
}

static void header_line(struct mime *m, const uint8_t *line, size_t len)
{
	struct cur c = cur_make(line, len);

	if (len == 0) {
		begin_body(m);
	} else if (cur_ahead(c, 0) == ' ' || cur_ahead(c, 0) == '\t') {
		c = text_trim(c);
		header_add(m, c.at, cur_left(&c));
	} else {
		take_header(m);
		header_add(m, line, len);
	}
}

static bool is_url_byte(uint8_t c)
{
	return c > 0x20 && c < 0x7f && c != '"' && c != '<' && c != '>' && c != '\'';
}

static void find_urls(struct mime *m, const uint8_t *bytes, size_t len)
{
	static const char *const schemes[] = { "http://", "https://", "ftp://" };
	struct cur c = cur_make(bytes, len);

	while (cur_left(&c) >= 6 && m->urls < MIME_URLS_MAX) {
		bool found = false;
		struct cur url;

		for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
			found |= text_begins(c, schemes[i]);
		if (!found) {
			c.at++;
			continue;
		}
		url = c;
		while (cur_left(&c) && is_url_byte(c.at[0]))
			c.at++;
		url.end = c.at;
		proto_fields_add(m->tx->data, BUFFER_EMAIL_URL, url.at, cur_left(&url));
		m->urls++;
	}
}

static void end_text(struct mime *m)
{
	find_urls(m, m->text, m->text_len);
	m->text_len = 0;
}

/* Decoded text is put together to lines: a link may be anywhere in the encoded ones. */
static void text_bytes(struct mime *m, struct cur c)
{
	while (cur_left(&c)) {
		uint8_t byte = cur_u8(&c);

		m->text[m->text_len++] = byte;
		if (byte == '\n' || m->text_len == sizeof(m->text))
			end_text(m);
	}
}

static void body_bytes(struct mime *m, const uint8_t *bytes, size_t len)
{
	if (m->file)
		proto_fields_file_add(m->tx, m->file, bytes, len);
	if (m->is_text || !m->has_name)
		text_bytes(m, cur_make(bytes, len));
}

int mime_base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static void base64_line(struct mime *m, struct cur c)
{
	uint8_t decoded[1024];
	size_t n = 0;

	while (cur_left(&c)) {
		uint8_t byte = cur_u8(&c);
		int value = mime_base64_value(byte);

		if (value < 0) {
			if (byte == '=')
				m->n_bits = 0;
			else if (!isspace(byte))
				event(m, "smtp.mime_invalid_base64");
			continue;
		}
		m->bits = m->bits << 6 | (uint32_t)value;
		m->n_bits += 6;
		if (m->n_bits >= 8) {
			m->n_bits -= 8;
			decoded[n++] = (uint8_t)(m->bits >> m->n_bits);
		}
		if (n == sizeof(decoded)) {
			body_bytes(m, decoded, n);
			n = 0;
		}
	}
	body_bytes(m, decoded, n);
}

/* True: the line goes on, its end does not count. */
static bool quoted_line(struct mime *m, struct cur c)
{
	uint8_t decoded[1024];
	size_t n = 0;
	bool soft = false;

	while (cur_left(&c)) {
		uint8_t byte = cur_u8(&c);

		if (byte == '=' && !cur_left(&c)) {
			soft = true;
			break;
		}
		if (byte == '=' && cur_left(&c) >= 2 && text_hex_digit(c.at[0]) >= 0 &&
			text_hex_digit(c.at[1]) >= 0) {
			int high = text_hex_digit(cur_u8(&c));

			byte = (uint8_t)(high << 4 | text_hex_digit(cur_u8(&c)));
		} else if (byte == '=') {
			event(m, "smtp.mime_invalid_qp");
		}
		decoded[n++] = byte;
		if (n == sizeof(decoded)) {
			body_bytes(m, decoded, n);
			n = 0;
		}
	}
	body_bytes(m, decoded, n);
	return soft;
}

static void end_uu(struct mime *m, bool cut)
{
	if (m->uu)
		proto_fields_file_end(m->tx, m->uu, cut);
	m->uu = NULL;
	m->in_uu = false;
}

/* A file in the text, as mailers did it before there was MIME (POSIX, uuencode). */
static void uu_line(struct mime *m, struct cur line)
{
	uint8_t decoded[MIME_LINE_MAX];
	struct out o = out_make((char *)decoded, sizeof(decoded));
	struct cur name;
	bool last = false, fine;

	if (!m->in_uu) {
		m->in_uu = paste_uu_begin(line, &name, &m->uu_base64);
		if (!m->in_uu)
			return;
		m->uu = proto_fields_file(m->tx, m->side, name.at, cur_left(&name));
		proto_fields_add(m->tx->data, BUFFER_EMAIL_ATTACHMENT, name.at, cur_left(&name));
		return;
	}
	if (text_is(line, m->uu_base64 ? "====" : "end")) {
		end_uu(m, false);
		return;
	}
	fine = m->uu_base64 ? paste_base64(line, &o) : paste_uu_line(line, &o, &last);
	if (!fine)
		end_uu(m, true);
	else if (m->uu)
		proto_fields_file_add(m->tx, m->uu, decoded, o.len);
}

/* As long as those who encode make their lines. */
static bool is_base64(struct cur c)
{
	bool is = cur_left(&c) == MIME_ENCODED_MAX || cur_left(&c) == MIME_ENCODED_MAX - 4;

	while (is && cur_left(&c))
		is = mime_base64_value(cur_u8(&c)) >= 0;
	return is;
}

static void body_line(struct mime *m, const uint8_t *line, size_t len, bool whole)
{
	struct cur c = cur_make(line, len);

	if (m->guess && is_base64(c))
		m->encoding = MIME_BASE64;
	m->guess = false;
	if (m->encoding == MIME_PLAIN && !m->file && m->is_text && whole)
		uu_line(m, c);

	if (m->encoding != MIME_PLAIN && len > MIME_ENCODED_MAX)
		event(m, "smtp.mime_long_enc_line");
	if (m->encoding == MIME_BASE64) {
		base64_line(m, c);
		return;
	}
	if (m->line_end)
		body_bytes(m, (const uint8_t *)"\r\n", 2);
	m->line_end = whole;
	if (m->encoding == MIME_PLAIN)
		body_bytes(m, line, len);
	else if (quoted_line(m, c))
		m->line_end = false;
}

static void end_part(struct mime *m, bool cut)
{
	if (m->state == MIME_HEADERS)
		take_header(m);
	end_text(m);
	end_uu(m, true);
	if (m->file)
		proto_fields_file_end(m->tx, m->file, cut || m->part_gap);
	m->file = NULL;
	m->state = MIME_IGNORE;
}

/* Whether the line divides parts of a multipart; the innermost first. */
static bool take_boundary(struct mime *m, const uint8_t *line, size_t len)
{
	struct cur c = cur_make(line, len);

	if (len < 3 || cur_u8(&c) != '-' || cur_u8(&c) != '-')
		return false;
	for (unsigned i = m->depth; i-- > 0;) {
		size_t size = m->level[i].len;

		if (cur_left(&c) < size || memcmp(c.at, m->level[i].boundary, size) != 0)
			continue;
		end_part(m, false);
		if (cur_ahead(c, size) == '-' && cur_ahead(c, size + 1) == '-') {
			m->depth = (uint8_t)i;
		} else {
			m->depth = (uint8_t)(i + 1);
			begin_part(m);
		}
		return true;
	}
	return false;
}

static struct cur without_end(struct cur line)
{
	if (cur_left(&line))
		cur_limit(&line, cur_left(&line) - 1);
	if (cur_left(&line) && line.end[-1] == '\r')
		cur_limit(&line, cur_left(&line) - 1);
	return line;
}

void mime_line(struct mime *m, struct cur raw, bool whole)
{
	struct cur line = whole ? without_end(raw) : raw;
	size_t len = cur_left(&line);

	proto_fields_file_add(m->tx, m->whole, raw.at, cur_left(&raw));
	if (len > MIME_LINE_MAX)
		event(m, "smtp.mime_long_line");
	if (take_boundary(m, line.at, len))
		return;
	if (m->state == MIME_HEADERS)
		header_line(m, line.at, len);
	else if (m->state == MIME_BODY)
		body_line(m, line.at, len, whole);
}

void mime_begin_part(struct mime *m, struct proto_tx *tx, unsigned side, struct cur own)
{
	begin(m, tx, side);
	m->is_attachment = true;
	m->guess = !cur_left(&own);
	while (cur_left(&own)) {
		struct cur line;
		bool whole;

		cur_skip(&own,
			text_line(own.at, cur_left(&own), MIME_HEADER_MAX, true, &line, &whole));
		if (cur_left(&line))
			header_line(m, line.at, cur_left(&line));
	}
	begin_body(m);
}

void mime_gap(struct mime *m)
{
	m->gap = m->part_gap = true;
}

void mime_end(struct mime *m, bool cut)
{
	end_part(m, cut);
	proto_fields_file_end(m->tx, m->whole, cut || m->gap);
	m->whole = NULL;
	proto_fields_add_text(m->tx->data, BUFFER_EMAIL_STATUS, "PARSE_DONE");
}

static void json_words(
	struct out *o, const char *name, const struct proto_fields *f, enum proto_buffer_id id)
{
	char text[2 * MIME_HEADER_MAX];
	struct proto_bytes bytes;

	if (proto_fields_get(f, id, 0, &bytes))
		json_text(o, name, text, words(cur_make(bytes.at, bytes.len), text, sizeof(text)));
}

void mime_json(const struct proto_fields *f, struct out *o)
{
	struct proto_bytes status;

	if (!proto_fields_get(f, BUFFER_EMAIL_STATUS, 0, &status))
		return;
	json_open(o, "email", '{');
	json_field(o, "status", f, BUFFER_EMAIL_STATUS);
	json_words(o, "from", f, BUFFER_EMAIL_FROM);
	json_fields(o, "to", f, BUFFER_EMAIL_TO, MIME_LIST_JSON);
	json_fields(o, "cc", f, BUFFER_EMAIL_CC, MIME_LIST_JSON);
	json_words(o, "subject", f, BUFFER_EMAIL_SUBJECT);
	json_field(o, "date", f, BUFFER_EMAIL_DATE);
	json_field(o, "message_id", f, BUFFER_EMAIL_MESSAGE_ID);
	json_field(o, "x_mailer", f, BUFFER_EMAIL_X_MAILER);
	json_fields(o, "received", f, BUFFER_EMAIL_RECEIVED, MIME_LIST_JSON);
	json_fields(o, "attachment", f, BUFFER_EMAIL_ATTACHMENT, MIME_LIST_JSON);
	json_fields(o, "url", f, BUFFER_EMAIL_URL, MIME_LIST_JSON);
	json_close(o, '}');
}

bool mime_tx_json(struct proto_tx *tx, struct out *o)
{
	if (!proto_fields_json(tx, o))
		return false;
	mime_json(tx->data, o);
	return true;
}
