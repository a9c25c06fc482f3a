/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of a resource (206; RFC 9110, sections 14.4 and 15.3.7) that come one after another in a connection are put
 * together: one file, told piece by piece as the parts come, that ends when all of it was there, or with the connection.
 */
#include "proto/fields.h"
#include "proto/http.h"

static bool take_number(struct cur *c, int64_t *ret_number)
{
	int64_t number = 0;
	unsigned digits = 0;

	for (; digits < 18 && cur_left(c) && *c->at >= '0' && *c->at <= '9'; digits++)
		number = 10 * number + (cur_u8(c) - '0');
	if (digits)
		*ret_number = number;
	return digits;
}

static bool take_char(struct cur *c, char wanted)
{
	if (!cur_left(c) || *c->at != (uint8_t)wanted)
		return false;
	cur_skip(c, 1);
	return true;
}

struct http_range http_range_read(struct proto_bytes value)
{
	static const char unit[] = "bytes ";
	struct http_range range = { .has_part = false };
	struct cur c = cur_make(value.at, value.len);
	int64_t start, end, size;

	if (cur_left(&c) <= strlen(unit) || memcmp(c.at, unit, strlen(unit)) != 0)
		return range;
	cur_skip(&c, strlen(unit));
	range.has_part = take_number(&c, &start) && take_char(&c, '-') && take_number(&c, &end);
	if (range.has_part) {
		range.start = start;
		range.end = end;
	} else {
		take_char(&c, '*');
	}
	range.has_size = take_char(&c, '/') && take_number(&c, &size);
	if (range.has_size)
		range.size = size;
	return range;
}

/* ---- wholes ---- */

static void add_key(struct http_whole *whole, struct cur c)
{
	size_t len = cur_left(&c);

	if (len >= sizeof(whole->key) - whole->key_len) {
		whole->key_len = sizeof(whole->key); /* too long: it is never taken for another */
		return;
	}
	if (len)
		cur_copy(&c, whole->key + whole->key_len, len);
	whole->key_len += (uint32_t)len;
	whole->key[whole->key_len++] = '\0';
}

static void add_header(struct http_whole *whole, const struct http_tx *tx, const char *name)
{
	struct proto_bytes value = { .at = NULL };

	http_header(tx, 1, name, &value);
	add_key(whole, cur_make(value.at, value.len));
}

/* What it is, and which edition of it. */
static void describe(struct http_whole *whole, const struct http_tx *tx)
{
	struct proto_bytes uri = http_bytes(tx->htp->request_uri);

	add_key(whole, cur_make(tx->host.at, tx->host.len));
	add_key(whole, cur_make(uri.at, uri.len));
	add_header(whole, tx, "etag");
	add_header(whole, tx, "last-modified");
}

static bool same(const struct http_whole *a, const struct http_whole *b)
{
	return a->total == b->total && a->key_len == b->key_len && a->key_len < sizeof(a->key) &&
	       memcmp(a->key, b->key, a->key_len) == 0;
}

/* What lies between is a hole, if it is not too large. */
static bool fits(const struct http_whole *whole, uint64_t start)
{
	return start <= whole->size || start - whole->size <= FIELDS_HOLE_MAX - whole->holes;
}

static bool is_all(const struct http_whole *whole)
{
	return whole->total >= 0 && whole->size >= (uint64_t)whole->total &&
	       whole->carried >= (uint64_t)whole->total;
}

static void release(struct http *http, unsigned i)
{
	struct http_whole *whole = http->whole[i];
	const struct proto_file end = { .id = whole->id,
		.name = whole->called,
		.name_len = whole->name_len,
		.side = 1,
		.offset = whole->size,
		.size = whole->size,
		.carried = whole->carried,
		.end = true,
		.cut = !is_all(whole) };

	if (!whole->ended)
		proto_conn_file(http->conn, &end, NULL, 0);
	http->whole[i] = NULL;
	proto_free(http->conn, whole, sizeof(*whole));
}

void http_wholes_end(struct http *http)
{
	for (unsigned i = 0; i < HTTP_WHOLES_MAX; i++)
		if (http->whole[i])
			release(http, i);
}

/* The place of what was used last the longest time ago; HTTP_WHOLES_MAX: all are in use. */
static unsigned make_place(struct http *http)
{
	unsigned idle = HTTP_WHOLES_MAX;

	for (unsigned i = 0; i < HTTP_WHOLES_MAX; i++) {
		const struct http_whole *whole = http->whole[i];

		if (!whole)
			return i;
		if (!whole->users &&
			(idle == HTTP_WHOLES_MAX || whole->used_at < http->whole[idle]->used_at))
			idle = i;
	}
	if (idle < HTTP_WHOLES_MAX)
		release(http, idle);
	return idle;
}

static struct http_whole *find_or_keep(
	struct http *http, const struct http_whole *wanted, uint64_t start)
{
	unsigned i;

	for (i = 0; i < HTTP_WHOLES_MAX; i++)
		if (http->whole[i] && !http->whole[i]->ended && same(http->whole[i], wanted))
			return fits(http->whole[i], start) ? http->whole[i] : NULL;
	i = fits(wanted, start) ? make_place(http) : HTTP_WHOLES_MAX;
	if (i == HTTP_WHOLES_MAX)
		return NULL;
	http->whole[i] = proto_alloc(http->conn, sizeof(*http->whole[i]));
	if (http->whole[i]) {
		*http->whole[i] = *wanted;
		http->whole[i]->id = http->next_file++;
	}
	return http->whole[i];
}

/* Ranges are of what is sent: of a compressed body it is not known where in the file its bytes belong. */
struct http_whole *http_whole_of(struct http_tx *tx, uint64_t *ret_start)
{
	struct http_whole wanted = { .total = -1 }, *whole;
	struct proto_bytes value;
	struct http_range range;

	if (!tx->side[1].headers || tx->htp->response_status_number != 206 || tx->side[1].inflate ||
		!http_header(tx, 1, "content-range", &value))
		return NULL;
	range = http_range_read(value);
	if (!range.has_part)
		return NULL;
	if (range.has_size)
		wanted.total = range.size;
	describe(&wanted, tx);
	whole = find_or_keep(tx->http, &wanted, (uint64_t)range.start);
	if (!whole)
		return NULL;
	whole->users++;
	whole->used_at = ++tx->http->clock;
	*ret_start = (uint64_t)range.start;
	return whole;
}

bool http_whole_take(struct http_whole *whole, uint64_t *offset, struct cur *c)
{
	uint64_t again = *offset < whole->size ? whole->size - *offset : 0;
	size_t skip = again < cur_left(c) ? (size_t)again : cur_left(c);

	if (*offset > UINT64_MAX - cur_left(c))
		return false;
	if (!whole->holes) { /* read again */
		cur_skip(c, skip);
		*offset += skip;
	}
	if (!cur_left(c) || !fits(whole, *offset))
		return false;
	if (*offset > whole->size)
		whole->holes += *offset - whole->size;
	if (whole->size < *offset + cur_left(c))
		whole->size = *offset + cur_left(c);
	whole->carried += cur_left(c);
	return true;
}

bool http_whole_leave(struct http_whole *whole)
{
	whole->users--;
	whole->ended |= is_all(whole) && !whole->users;
	return whole->ended;
}
