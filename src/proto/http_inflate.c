/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content encodings of a body (RFC 9110, section 8.4): gzip, and deflate with a zlib header or
 * without, whichever of them is named. The headers are read here and the rest is raw deflate, so
 * that no header is too odd for us and not for a client, and no cut between segments matters.
 *
 * The first bytes of a layer are kept: when they turn out to be something else, they are looked at
 * anew. Until HTTP_INFLATE_KEEP bytes have come they are given to zlib apart from those behind
 * them, so that it does not depend on the segments either whether that is possible.
 */
#define ZLIB_CONST
#include <limits.h>
#include <time.h>
#include <zlib.h>

#include "proto/http.h"

#define OUT_SIZE     8192
#define ENCODING_MAX 64 /* bytes of its name that are looked at */

/* A gzip header and its flags (RFC 1952, section 2.3.1). */
#define MAGIC_1      0x1f
#define MAGIC_2      0x8b
#define GZIP_HCRC    0x02
#define GZIP_EXTRA   0x04
#define GZIP_NAME    0x08
#define GZIP_COMMENT 0x10
#define GZIP_FIXED   8 /* bytes of the header behind the magic */

enum step {
	FIRST,  /* nothing has come */
	SECOND, /* one byte has: it may begin a header */
	GZIP,   /* the fixed part of its header */
	EXTRA,  /* length of that field */
	SKIP,   /* so many bytes of a header */
	TEXT,   /* up to a zero */
	DEFLATED,
	TRAILER,
	MEMBER, /* another may follow (RFC 1952, section 2.2) */
	AS_IS,  /* to the end of the body */
};

struct layer {
	z_stream z;
	struct cur in;    /* what has come and is to be looked at */
	struct cur again; /* of `kept`: before that */
	enum step step;
	enum { RAW = 0, ZLIB = 4, MEMBERS = 8 } kind; /* and the bytes of its trailer */
	uint8_t flags;                                /* of the gzip header: fields yet to come */
	uint8_t n;                                    /* bytes of the step that have come */
	uint16_t skip;                                /* that are to be skipped */
	uint16_t kept_len;
	bool more; /* zlib has more than had room */
	bool came; /* some of it is out */
	uint8_t kept[HTTP_INFLATE_KEEP];
	uint8_t out[OUT_SIZE];
};

struct http_inflate {
	struct http_tx *tx;
	unsigned side, n;
	int64_t spent_ns;
	struct layer layer[];
};

static size_t size_of(unsigned n)
{
	return sizeof(struct http_inflate) + n * sizeof(struct layer);
}

static size_t cost_of(unsigned n)
{
	return size_of(n) + n * HTTP_INFLATE_COST;
}

void http_inflate_free(struct proto_conn *conn, struct http_inflate *inflate)
{
	if (!inflate)
		return;
	for (unsigned i = 0; i < inflate->n; i++)
		inflateEnd(&inflate->layer[i].z);
	inflate->tx->http->inflates -= cost_of(inflate->n);
	proto_charge(conn, -(int64_t)inflate->n * HTTP_INFLATE_COST);
	proto_free(conn, inflate, size_of(inflate->n));
}

static void note(struct http_tx *tx, unsigned side, const char *event)
{
	proto_tx_add_event(tx->tx, event);
	proto_tx_news(tx->tx, side);
}

/* What stands behind the last comma; the list is what stands in front of it. */
static struct cur take_last(struct cur *list)
{
	const uint8_t *comma = memrchr(list->at, ',', cur_left(list));
	struct cur all = *list;

	cur_limit(list, comma ? (size_t)(comma - list->at) : 0);
	if (comma)
		cur_skip(&all, (size_t)(comma - all.at) + 1);
	return all;
}

/* In small letters, without what readers of headers skip. */
static void read_name(struct cur item, char ret_name[ENCODING_MAX])
{
	unsigned len = 0;

	while (cur_left(&item) && len < ENCODING_MAX - 1) {
		uint8_t c = cur_u8(&item);

		if (c > ' ')
			ret_name[len++] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	ret_name[len] = 0;
}

static bool is_ordinary(const char *name)
{
	static const char *const names[] = { "", "gzip", "x-gzip", "deflate", "x-deflate",
		"inflate" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* Layers to take off, the outermost (which is named last) first, up to one that we cannot. */
static unsigned count_layers(struct http_tx *tx, unsigned side, struct cur list)
{
	char name[ENCODING_MAX];
	unsigned n = 0;

	while (cur_left(&list)) {
		read_name(take_last(&list), name);
		if (!is_ordinary(name))
			note(tx, side, "http.abnormal_ce_header");
		if (!*name || strcmp(name, "identity") == 0 || strcmp(name, "inflate") == 0)
			continue;
		if (!strstr(name, "gzip") && !strstr(name, "deflate"))
			break;
		if (n == HTTP_LAYERS_MAX) {
			note(tx, side, "http.too_many_encoding_layers");
			break;
		}
		n++;
	}
	return n;
}

static struct http_inflate *make(struct http_tx *tx, unsigned side, unsigned n)
{
	struct proto_conn *conn = tx->http->conn;
	struct http_inflate *inflate = proto_alloc(conn, size_of(n));

	if (!inflate)
		return NULL;
	if (!proto_charge(conn, (int64_t)n * HTTP_INFLATE_COST)) {
		proto_free(conn, inflate, size_of(n));
		return NULL;
	}
	inflate->tx = tx;
	inflate->side = side;
	inflate->n = n;
	tx->http->inflates += cost_of(n);
	for (unsigned i = 0; i < n; i++)
		if (inflateInit2(&inflate->layer[i].z, -MAX_WBITS) != Z_OK) {
			http_inflate_free(conn, inflate);
			return NULL;
		}
	return inflate;
}

bool http_inflate_start(struct http_tx *tx, unsigned side)
{
	struct http_inflate **inflate = &tx->side[side].inflate;
	struct proto_bytes list;
	unsigned n;

	http_inflate_free(tx->http->conn, *inflate);
	*inflate = NULL;
	if (!http_header(tx, side, "content-encoding", &list))
		return true;
	n = count_layers(tx, side, cur_make(list.at, list.len));
	if (n && tx->http->inflates + cost_of(n) > HTTP_INFLATES_MAX) {
		note(tx, side, "http.too_many_compressed_bodies"); /* it is taken as it is */
		proto_conn_limit(tx->http->conn);
		return true;
	}
	if (n)
		*inflate = make(tx, side, n);
	return !n || *inflate;
}

/* Bytes to look at now. As long as there is room, they are kept. */
static struct cur *next_bytes(struct layer *l)
{
	size_t room = HTTP_INFLATE_KEEP - l->kept_len;
	size_t len = cur_left(&l->in) < room ? cur_left(&l->in) : room;

	if (!cur_left(&l->again) && len) {
		struct cur kept = cur_make(l->kept, l->kept_len + len);

		cur_copy(&l->in, l->kept + l->kept_len, len);
		cur_skip(&kept, l->kept_len);
		l->again = kept;
		l->kept_len = (uint16_t)(l->kept_len + len);
	}
	return cur_left(&l->again) ? &l->again : &l->in;
}

static void look_again(struct layer *l, enum step step)
{
	l->step = step;
	l->again = cur_make(l->kept, l->kept_len);
}

static void begin_deflated(struct layer *l)
{
	inflateReset(&l->z);
	l->step = DEFLATED;
}

/* It is not what it was taken for, or broken. */
static void fail(struct http_inflate *inflate, struct layer *l, const struct cur *from)
{
	bool anew = from == &l->again && (!l->came || l->kind == RAW);

	note(inflate->tx, inflate->side, "http.gzip_decompression_failed");
	l->more = false;
	if (anew && l->kind == ZLIB) {
		l->kind = RAW;
		begin_deflated(l);
		look_again(l, DEFLATED);
	} else if (anew) {
		look_again(l, AS_IS);
	} else {
		l->step = AS_IS;
	}
}

/* RFC 1950, section 2.2; what is no header of any kind is deflate without one. */
static void guess_kind(struct layer *l)
{
	uint8_t first = l->kept[0], second = l->kept[1];

	if (first == MAGIC_1 && second == MAGIC_2) {
		l->kind = MEMBERS;
		l->step = GZIP;
		l->n = 0;
	} else if (first != MAGIC_1 && (first << 8 | second) % 31 == 0) {
		l->kind = ZLIB;
		begin_deflated(l);
	} else {
		begin_deflated(l);
		look_again(l, DEFLATED);
	}
}

static void first_byte(struct layer *l, uint8_t byte)
{
	if (byte == MAGIC_1 || (byte & 0x8f) == 0x08)
		l->step = SECOND;
	else
		look_again(l, DEFLATED);
}

static bool take_flag(struct layer *l, uint8_t flag)
{
	bool has = l->flags & flag;

	l->flags &= (uint8_t)~flag;
	return has;
}

/* The next field that the gzip header says it has, in the order in which they come. */
static void next_field(struct layer *l)
{
	l->n = 0;
	l->skip = 0;
	if (take_flag(l, GZIP_EXTRA)) {
		l->step = EXTRA;
	} else if (take_flag(l, GZIP_NAME) || take_flag(l, GZIP_COMMENT)) {
		l->step = TEXT;
	} else if (take_flag(l, GZIP_HCRC)) {
		l->step = SKIP;
		l->skip = 2;
	} else {
		begin_deflated(l);
	}
}

/* Another member, or what is none: that is given as it is, since whoever decodes nothing sees it. */
static struct cur next_member(struct layer *l, struct cur *from)
{
	l->out[0] = MAGIC_1;
	if (cur_ahead(*from, 0) != (l->n ? MAGIC_2 : MAGIC_1)) {
		l->step = AS_IS;
		return cur_make(l->out, l->n);
	}
	cur_skip(from, 1);
	if (l->n++) {
		l->kind = MEMBERS;
		l->step = GZIP;
		l->n = 0;
	}
	return cur_make(NULL, 0);
}

/* A byte of what stands around the deflated data. */
static void take_byte(struct layer *l, uint8_t byte)
{
	switch (l->step) {
	case FIRST:
		first_byte(l, byte);
		break;
	case SECOND:
		guess_kind(l);
		break;
	case GZIP:
		if (l->n == 1) /* behind the method */
			l->flags = byte;
		if (++l->n == GZIP_FIXED)
			next_field(l);
		break;
	case EXTRA:
		l->skip = (uint16_t)(l->skip | byte << 8 * l->n);
		if (++l->n == 2) {
			l->step = SKIP;
			if (!l->skip)
				next_field(l);
		}
		break;
	case SKIP:
		if (--l->skip == 0)
			next_field(l);
		break;
	case TEXT:
		if (!byte)
			next_field(l);
		break;
	default: /* TRAILER */
		if (--l->skip == 0)
			l->step = MEMBER;
		break;
	}
}

static struct cur inflate_some(struct http_inflate *body, struct layer *l, struct cur *from)
{
	size_t len = cur_left(from) < UINT_MAX ? cur_left(from) : UINT_MAX;
	struct timespec start, end;
	struct cur out;
	int answer;

	l->z.next_in = from->at;
	l->z.avail_in = (uInt)len;
	l->z.next_out = l->out;
	l->z.avail_out = OUT_SIZE;
	clock_gettime(CLOCK_MONOTONIC, &start);
	answer = inflate(&l->z, Z_NO_FLUSH);
	clock_gettime(CLOCK_MONOTONIC, &end);
	body->spent_ns += (end.tv_sec - start.tv_sec) * 1000000000 + end.tv_nsec - start.tv_nsec;
	cur_skip(from, len - l->z.avail_in);
	out = cur_make(l->out, OUT_SIZE - l->z.avail_out);
	l->more = answer == Z_OK && !l->z.avail_out;
	if (cur_left(&out))
		l->came = true;
	if (answer == Z_STREAM_END) {
		l->skip = (uint16_t)l->kind;
		l->step = l->skip ? TRAILER : MEMBER;
		l->n = 0;
	} else if (answer != Z_OK && answer != Z_BUF_ERROR) {
		fail(body, l, from);
	}
	return out;
}

/* Looks at some of what has come; returns what comes out of it. */
static struct cur layer_step(struct http_inflate *inflate, struct layer *l)
{
	struct cur *from = next_bytes(l);

	switch (l->step) {
	case DEFLATED:
		return inflate_some(inflate, l, from);
	case AS_IS:
		l->came = true;
		return cur_sub(from, cur_left(from));
	case MEMBER:
		return next_member(l, from);
	default:
		take_byte(l, cur_u8(from));
		return cur_make(NULL, 0);
	}
}

static bool is_busy(const struct layer *l)
{
	return cur_left(&l->in) || cur_left(&l->again) || l->more;
}

/* What comes out of any layer counts, since it costs as much. */
static bool is_bomb(const struct http_inflate *inflate, size_t len)
{
	struct http *http = inflate->tx->http;

	http->inflated += len;
	if (inflate->spent_ns / 1000 > HTTP_INFLATE_US_MAX)
		return true;
	return http->inflated > HTTP_INFLATED_MAX &&
	       http->inflated / HTTP_INFLATE_FACTOR > http->received;
}

/* Each layer has given all it has to the next one before it goes on, so that what it gave need not
 * be copied. */
static bool work(struct http_inflate *inflate)
{
	for (;;) {
		unsigned i = inflate->n;
		struct cur out;

		while (i && !is_busy(&inflate->layer[i - 1]))
			i--;
		if (!i)
			return true;
		out = layer_step(inflate, &inflate->layer[i - 1]);
		if (is_bomb(inflate, cur_left(&out))) {
			note(inflate->tx, inflate->side, "http.compression_bomb");
			proto_conn_give_up(inflate->tx->http->conn);
			return false;
		}
		if (i < inflate->n)
			inflate->layer[i].in = out;
		else if (!http_tx_body(inflate->tx, inflate->side, out))
			return false;
	}
}

bool http_inflate_add(struct http_inflate *inflate, struct cur bytes)
{
	inflate->tx->http->received += cur_left(&bytes);
	inflate->layer[0].in = bytes;
	return work(inflate);
}

void http_inflate_gap(struct http_inflate *inflate)
{
	inflate->layer[0].step = AS_IS;
}

/* What has ended before anything came out of it is given as it is. */
bool http_inflate_end(struct http_inflate *inflate)
{
	for (unsigned i = 0; i < inflate->n; i++) {
		struct layer *l = &inflate->layer[i];

		if (l->came || l->kept_len == HTTP_INFLATE_KEEP)
			continue;
		look_again(l, AS_IS);
		if (!work(inflate))
			return false;
	}
	return true;
}
