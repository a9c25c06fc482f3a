/* SPDX-License-Identifier: Apache-2.0 */
#include "fingerprint/http.h"

#include "base/out.h"
#include "fingerprint/inside.h"
#include "proto/fields.h"

/* What p0f's signatures say of some headers, by side. */
enum {
	SOMETIMES = 1, /* they are there or not, and their values are the request's: "?Name" */
	NO_VALUE = 2,  /* the value is not part of a signature */
	USUAL = 4,     /* that they are missing is worth saying */
};
static const struct {
	const char *name;
	uint8_t side[2]; /* request, response */
} known[] = {
	/* Those that are usual stand in p0f's order. */
	{ "Host", { USUAL | NO_VALUE, 0 } },
	{ "User-Agent", { USUAL | NO_VALUE, 0 } },
	{ "Content-Type", { 0, USUAL | NO_VALUE } },
	{ "Connection", { USUAL, USUAL } },
	{ "Accept", { USUAL, 0 } },
	{ "Accept-Encoding", { USUAL, 0 } },
	{ "Accept-Language", { USUAL, 0 } },
	{ "Accept-Charset", { USUAL, 0 } },
	{ "Keep-Alive", { USUAL, USUAL } },
	{ "Accept-Ranges", { 0, USUAL } },
	{ "Date", { 0, USUAL | NO_VALUE } },
	{ "Authorization", { SOMETIMES, 0 } },
	{ "Cache-Control", { SOMETIMES, SOMETIMES } },
	{ "Content-Disposition", { 0, SOMETIMES } },
	{ "Content-Length", { 0, SOMETIMES } },
	{ "Content-Range", { 0, SOMETIMES } },
	{ "Cookie", { SOMETIMES, 0 } },
	{ "ETag", { 0, SOMETIMES } },
	{ "Expires", { 0, SOMETIMES } },
	{ "If-Modified-Since", { SOMETIMES, 0 } },
	{ "If-None-Match", { SOMETIMES, 0 } },
	{ "Last-Modified", { 0, SOMETIMES } },
	{ "Location", { 0, SOMETIMES } },
	{ "Origin", { SOMETIMES, 0 } },
	{ "Pragma", { 0, SOMETIMES } },
	{ "Proxy-Authorization", { SOMETIMES, 0 } },
	{ "Range", { SOMETIMES, 0 } },
	{ "Referer", { SOMETIMES, 0 } },
	{ "Refresh", { 0, SOMETIMES } },
	{ "Server", { 0, NO_VALUE } },
	{ "Set-Cookie", { 0, SOMETIMES } },
	{ "Vary", { 0, SOMETIMES } },
	{ "Via", { SOMETIMES, 0 } },
	{ "X-Forwarded-For", { SOMETIMES, 0 } },
};

static uint8_t known_as(struct text name, bool response)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (words_same(name, text_of(known[i].name)))
			return known[i].side[response];
	return 0;
}

/* ---- reading ---- */

static void read_header(struct cur line, struct http_look *look)
{
	struct cur name = text_trim(text_until(&line, ':'));
	struct signature_header *header = &look->header[look->n];

	header->name = text_of_cur(name);
	if (header->name.len == 0)
		return;
	header->value = text_of_cur(text_trim(line));
	header->optional = known_as(header->name, look->response) & SOMETIMES;
	look->n++;
	if (text_is(name, look->response ? "server" : "user-agent") && look->software.len == 0)
		look->software = header->value;
	if (text_is(name, "via") || text_is(name, "x-forwarded-for"))
		look->forwarded = true;
}

bool http_look_read(struct cur headers, bool response, int8_t version, struct http_look *ret_look)
{
	*ret_look = (struct http_look){ .response = response, .version = version };
	while (cur_left(&headers) > 0 && ret_look->n < HTTP_LOOK_HEADERS_MAX) {
		struct cur line = text_until(&headers, '\n');
		uint8_t first = cur_ahead(line, 0);

		cur_limit(&line, HTTP_LOOK_LINE_MAX);
		if (cur_left(&line) > 0 && first != ' ' &&
			first != '\t') /* it goes on (RFC 9112, 5.2) */
			read_header(line, ret_look);
	}
	return ret_look->n > 0;
}

/* ---- matching ---- */

static bool is_in(const struct http_look *look, struct text name)
{
	for (unsigned i = 0; i < look->n; i++)
		if (words_same(look->header[i].name, name))
			return true;
	return false;
}

/* Others may stand between; one that is optional may be missing, but stand nowhere else. */
static bool order_fits(
	const struct signature_header *wanted, unsigned n, const struct http_look *look)
{
	unsigned at = 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned found = at;

		while (found < look->n && !words_same(look->header[found].name, wanted[i].name))
			found++;
		if (found < look->n) {
			if (!words_hold(look->header[found].value, wanted[i].value))
				return false;
			at = found + 1;
		} else if (!wanted[i].optional || is_in(look, wanted[i].name)) {
			return false;
		}
	}
	return true;
}

static bool fits(
	const struct signatures *set, const struct signature_http *s, const struct http_look *look)
{
	const struct signature_header *header = signatures_headers(set);

	if (s->version >= 0 && s->version != look->version)
		return false;
	if (header) /* there may be no signature with headers at all */
		header += s->first_header;
	if (!order_fits(header, s->n_headers, look))
		return false;
	for (unsigned i = 0; i < s->n_absent; i++)
		if (is_in(look, header[s->n_headers + i].name))
			return false;
	return true;
}

static bool is_honest(const struct signature_http *s, const struct http_look *look)
{
	return look->software.len == 0 || words_hold(look->software, s->software);
}

/* The first that fits, a specific one before a generic one. Of several, one that says what it is counts before one
 * that would be lying: many programs send the same headers (p0f takes the first). */
static const struct signature_http *choose(
	const struct signatures *set, const struct http_look *look)
{
	size_t n = signatures_count(set, look->response ? SIGNATURE_RESPONSE : SIGNATURE_REQUEST);
	const struct signature_http *all = signatures_http(set, look->response);
	const struct signature_http *found[2][2] = { 0 }; /* generic, dishonest */

	for (size_t i = 0; i < n; i++) {
		const struct signature_http **at;

		if (!fits(set, &all[i], look))
			continue;
		at = &found[signatures_label(set, all[i].label)->generic]
			   [!is_honest(&all[i], look)];
		if (!*at)
			*at = &all[i];
	}
	for (unsigned i = 0; i < 4; i++)
		if (found[i / 2][i % 2])
			return found[i / 2][i % 2];
	return NULL;
}

void http_match(
	const struct signatures *set, const struct http_look *look, struct http_match *ret_match)
{
	struct http_match m = { .signature = choose(set, look) };

	if (m.signature) {
		m.label = signatures_label(set, m.signature->label);
		m.dishonest = !is_honest(m.signature, look);
	}
	*ret_match = m;
}

struct text http_named_system(const struct signatures *set, const struct http_look *look)
{
	struct text all = signatures_named_systems(set);
	struct cur c = cur_make(all.at, all.len);

	while (cur_left(&c) > 0) {
		struct cur item = text_trim(text_until(&c, ','));
		struct cur name = text_until(&item, '=');
		size_t len = cur_left(&item);

		/* "iOS=[iPad]": behind the name, how it is written. */
		if (len > 2) {
			cur_limit(&item, len - 1);
			cur_skip(&item, 1);
		} else {
			item = name;
		}
		if (words_hold(look->software, text_of_cur(item)))
			return text_of_cur(name);
	}
	return (struct text){ 0 };
}

/* ---- text ---- */

static void put_header(struct out *o, const struct signature_header *header, bool response)
{
	if (header->optional)
		out_char(o, '?');
	out_bytes(o, header->name.at, header->name.len);
	if (header->optional || header->value.len == 0 ||
		known_as(header->name, response) & NO_VALUE)
		return;
	out_str(o, "=[");
	out_bytes(o, header->value.at, header->value.len);
	out_char(o, ']');
}

static void put_missing(struct out *o, const struct http_look *look)
{
	bool first = true;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!(known[i].side[look->response] & USUAL) || is_in(look, text_of(known[i].name)))
			continue;
		if (!first)
			out_char(o, ',');
		out_str(o, known[i].name);
		first = false;
	}
}

void http_look_text(struct out *o, const struct http_look *look)
{
	out_fmt(o, "%d:", look->version);
	for (unsigned i = 0; i < look->n; i++) {
		if (i > 0)
			out_char(o, ',');
		put_header(o, &look->header[i], look->response);
	}
	out_char(o, ':');
	put_missing(o, look);
	out_char(o, ':');
	if (look->software.len > 0)
		out_bytes(o, look->software.at, look->software.len);
}
