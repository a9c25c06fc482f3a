/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http2 - HTTP/2 in clear text (RFC 9113): frames are read here, headers by libnghttp2 (RFC 7541), and a stream
 * is a struct http_tx, so that what is known of HTTP/1 (buffers, bodies, files, logins) is of HTTP/2, too: its
 * libhtp transaction is filled in by hand. Private to http2*.c.
 */
#pragma once

#include <nghttp2/nghttp2.h>

#include "proto/http.h"

/* Named limits. */
#define HTTP2_STREAMS_MAX       48u         /* at a time; more are not followed */
#define HTTP2_TABLE_MAX         (64u << 10) /* bytes of a side's header table */
#define HTTP2_LIST_MAX          (64u << 10) /* bytes of the headers of one message that are kept */
#define HTTP2_HEADERS_MAX       256u        /* of one message that are kept */
#define HTTP2_VALUE_MAX         8192u       /* bytes of a header's value; the rest is cut */
#define HTTP2_NAME_MAX          256u        /* bytes of a header's name; a longer one is left out */
#define HTTP2_BLOCK_MAX         (256u << 10) /* bytes of a block of headers before it is decoded */
#define HTTP2_CONTINUATIONS_MAX 64u          /* frames that continue one block */
#define HTTP2_KEEP_MAX          (PROTO_CONN_BYTES_MAX / 8 * 5) /* held: then bodies are told and not kept */
#define HTTP2_FORGET_MIN        (16u << 10) /* bytes of bodies that are worth to be told for */
#define HTTP2_STREAM_COST       2048        /* of libhtp, a stream without its headers */
#define HTTP2_HEADER_COST       192         /* of libhtp, a header without its bytes */

struct http2_side {
	nghttp2_hd_inflater *inflater;
	bool begun; /* of the client: its preface is behind us */
	/* The frame that is being read. */
	bool in_frame, in_body;
	uint8_t type, flags;
	uint32_t stream;
	uint32_t left;    /* of it, without padding */
	uint32_t padding; /* behind that */
	/* The block of headers that is being read: frames of others may not come between. */
	bool in_block;
	uint32_t block_stream; /* whose headers they are */
	uint8_t block_side;    /* who says them: a promised request is not the server's */
	bool block_ends;       /* the side says no more than these */
	bool block_trailer;    /* there have been headers before */
	uint32_t n_continuations, n_headers, block_bytes, list_bytes;
};

struct http2 {
	struct http http; /* first: what HTTP/1 and HTTP/2 share */
	struct http2_side side[2];
	nghttp2_mem memory;
	bool begun;           /* what HTTP/1 left has been taken */
	uint32_t last_stream; /* the highest so far */
	unsigned n_streams;
};

/* http2_header.c: blocks of headers. */
bool http2_header_open(struct http2 *http2); /* false: no memory */
void http2_header_close(struct http2 *http2);
/* The next bytes of the side's block; `last`: its end. False: nothing the side says can be read any more. */
bool http2_header_add(struct http2 *http2, unsigned side, struct cur bytes, bool last);

/* http2_stream.c: streams. */
struct http_tx *http2_stream_find(struct http2 *http2, uint32_t id);
/* NULL: there are too many, or no memory. */
struct http_tx *http2_stream_new(struct http2 *http2, uint32_t id);
void http2_stream_free(void *data);
/* One header; false: no memory. */
bool http2_stream_header(struct http_tx *tx, unsigned side, struct cur name, struct cur value);
bool http2_stream_headers(struct http_tx *tx, unsigned side); /* they are whole */
bool http2_stream_trailer(struct http_tx *tx, unsigned side);
bool http2_stream_is_over(const struct http_tx *tx, unsigned side);
/* Bytes of bodies are told and forgotten if the connection holds much. */
void http2_stream_make_room(struct http2 *http2);
/* EVE's "http" object. */
bool http2_json(struct proto_tx *tx, struct out *o);
