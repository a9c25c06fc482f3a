/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of headers (RFC 9113, section 4.3). libnghttp2 takes its memory from the connection's. */
#include "proto/http2.h"

/* In front of what libnghttp2 gets: how much it is. */
#define HEAD sizeof(max_align_t)

static void *take_memory(size_t size, void *conn)
{
	size_t *at = size < SIZE_MAX - HEAD ? proto_alloc(conn, HEAD + size) : NULL;

	if (!at)
		return NULL;
	*at = size;
	return (char *)at + HEAD;
}

static size_t *head_of(void *memory)
{
	return (size_t *)(void *)((char *)memory - HEAD);
}

static void give_memory(void *memory, void *conn)
{
	if (memory)
		proto_free(conn, head_of(memory), HEAD + *head_of(memory));
}

static void *take_zeroed(size_t n, size_t size, void *conn)
{
	return size && n > SIZE_MAX / size ? NULL : take_memory(n * size, conn);
}

static void *take_more(void *memory, size_t size, void *conn)
{
	size_t before = memory ? *head_of(memory) : 0;
	void *more = take_memory(size, conn);

	if (more && memory)
		memcpy(more, memory, before < size ? before : size);
	if (more)
		give_memory(memory, conn);
	return more;
}

/* A side may tell the other one by SETTINGS how large a table it keeps; we keep what anybody does, so that
 * it does not matter when that was heard. */
static bool open_side(struct http2 *http2, struct http2_side *side)
{
	return nghttp2_hd_inflate_new2(&side->inflater, &http2->memory) == 0 &&
	       nghttp2_hd_inflate_change_table_size(side->inflater, HTTP2_TABLE_MAX) == 0;
}

bool http2_header_open(struct http2 *http2)
{
	http2->memory = (nghttp2_mem){ .mem_user_data = http2->http.conn,
		.malloc = take_memory,
		.free = give_memory,
		.calloc = take_zeroed,
		.realloc = take_more };
	return open_side(http2, &http2->side[0]) && open_side(http2, &http2->side[1]);
}

void http2_header_close(struct http2 *http2)
{
	for (unsigned i = 0; i < 2; i++)
		nghttp2_hd_inflate_del(http2->side[i].inflater);
}

/* What is too much has been decoded, since the table is of it, and is not kept. */
static bool has_room(struct http2_side *s, size_t len)
{
	s->n_headers++;
	s->list_bytes += (uint32_t)(len < HTTP2_LIST_MAX ? len : HTTP2_LIST_MAX);
	if (s->list_bytes > 2 * HTTP2_LIST_MAX)
		s->list_bytes = 2 * HTTP2_LIST_MAX;
	return s->n_headers <= HTTP2_HEADERS_MAX && s->list_bytes <= HTTP2_LIST_MAX;
}

static bool take_header(struct http2 *http2, struct http2_side *s, const nghttp2_nv *nv)
{
	struct http_tx *tx = http2_stream_find(http2, s->block_stream);
	struct cur name = cur_make(nv->name, nv->namelen),
		   value = cur_make(nv->value, nv->valuelen);

	if (!tx || http2_stream_is_over(tx, s->block_side))
		return true;
	if (!has_room(s, nv->namelen + nv->valuelen) || !nv->namelen ||
		nv->namelen > HTTP2_NAME_MAX) {
		proto_tx_add_event(tx->tx, "http2.extra_header_data");
		proto_conn_limit(http2->http.conn);
		return true;
	}
	if (nv->valuelen > HTTP2_VALUE_MAX)
		proto_conn_limit(http2->http.conn);
	cur_limit(&value, HTTP2_VALUE_MAX);
	return http2_stream_header(tx, s->block_side, name, value);
}

/* The stream may have been told and freed meanwhile. */
static bool end_block(struct http2 *http2, struct http2_side *s)
{
	struct http_tx *tx = http2_stream_find(http2, s->block_stream);

	s->in_block = false;
	if (!tx || http2_stream_is_over(tx, s->block_side))
		return true;
	http2_stream_make_room(http2); /* what the body is decoded with is large */
	if (!(s->block_trailer ? http2_stream_trailer(tx, s->block_side)
			       : http2_stream_headers(tx, s->block_side)))
		return false;
	return !s->block_ends || http_tx_complete(tx, s->block_side);
}

static bool fail(struct http2 *http2, const struct http2_side *s)
{
	struct http_tx *tx = http2_stream_find(http2, s->block_stream);

	if (tx) {
		proto_tx_add_event(tx->tx, "http2.failed_decompression");
		proto_tx_news(tx->tx, s->block_side);
	}
	return false;
}

bool http2_header_add(struct http2 *http2, unsigned side, struct cur bytes, bool last)
{
	struct http2_side *s = &http2->side[side];

	s->block_bytes += (uint32_t)cur_left(&bytes);
	if (s->block_bytes > HTTP2_BLOCK_MAX)
		return fail(http2, s);
	for (;;) {
		nghttp2_nv nv;
		int flags = 0;
		ssize_t used = nghttp2_hd_inflate_hd2(
			s->inflater, &nv, &flags, bytes.at, cur_left(&bytes), last);

		if (used < 0 || (size_t)used > cur_left(&bytes))
			return fail(http2, s);
		cur_skip(&bytes, (size_t)used);
		if (flags & NGHTTP2_HD_INFLATE_EMIT && !take_header(http2, s, &nv))
			return false;
		if (flags & NGHTTP2_HD_INFLATE_FINAL) {
			nghttp2_hd_inflate_end_headers(s->inflater);
			return end_block(http2, s);
		}
		if (!(flags & NGHTTP2_HD_INFLATE_EMIT) && !cur_left(&bytes))
			return !last || fail(http2, s);
	}
}
