/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http - HTTP/1 by libhtp (RFC 9112, and what is said instead of it). libhtp reads the lines,
 * headers and chunks; here are the transactions, buffers, files and limits around it.
 * Private to http*.c.
 *
 * libhtp allocates for itself: it is charged to the connection by what it can need (HTTP_..._COST),
 * and its lists that only grow are emptied, see http.c. A htp_tx_t lives as long as the struct
 * http_tx that belongs to it.
 */
#pragma once

#include <htp/htp.h>

#include "proto/inside.h"
#include "proto/ntlm.h"

/* Named limits. */
#define HTTP_LINE_MAX       18000u     /* a line or a folded header */
#define HTTP_HEADERS_MAX    1024u      /* of one message */
#define HTTP_LAYERS_MAX     3          /* content encodings one in another */
#define HTTP_INFLATE_KEEP   512u       /* first bytes of a layer, which may be something else */
#define HTTP_INFLATED_MAX   (8u << 20) /* decompressed bytes of a connection; then at most ... */
#define HTTP_INFLATE_FACTOR 200        /* ... times the bytes received */
#define HTTP_INFLATE_US_MAX 1000000    /* spent inflating one body, whatever comes of it */
#define HTTP_FILES_MAX      32         /* of one transaction */
#define HTTP_FILE_NAME_MAX  255        /* bytes; the rest is cut off */
#define HTTP_WHOLES_MAX     4          /* files that come in parts, at a time */
#define HTTP_WHOLE_KEY      512 /* bytes of what tells them apart; with more they are not put together */
#define HTTP_LEAVE_MAX      (32u << 10) /* bytes of a request that HTTP/2 gets to know */
#define HTTP_TX_COST        2048        /* of libhtp, a transaction without its headers */
#define HTTP_INFLATE_COST   (44 << 10)  /* of zlib, a layer */
#define HTTP_INFLATES_MAX   (PROTO_CONN_BYTES_MAX / 2) /* for all bodies of a connection at a time */
#define HTTP_RENEW_AFTER \
	512 /* transactions, after which libhtp's connection is made anew when idle */

struct http_file {
	struct http_file *next;
	uint64_t id, size, carried;
	uint64_t missing;         /* bytes behind them that were not seen */
	struct http_whole *whole; /* it is a part of this one ... */
	uint64_t at;              /* ... and its next byte belongs here */
	unsigned side;
	bool ended, cut;
	bool whole_body;           /* its bytes are the body's: they are not kept twice */
	struct proto_body content; /* of a part of a multipart body */
	uint32_t name_len;
	char called[HTTP_FILE_NAME_MAX];
};

/* A file that comes in parts. */
struct http_whole {
	uint64_t id, size, carried, used_at;
	uint64_t holes; /* bytes that were left out when they should have come */
	int64_t total;  /* as the server says; -1: it does not */
	unsigned users; /* parts that are coming */
	bool ended;     /* that has been told */
	uint32_t name_len, key_len;
	char called[HTTP_FILE_NAME_MAX];
	uint8_t key[HTTP_WHOLE_KEY];
};

enum http_text {
	HTTP_TEXT_HEADERS, /* "Name: value\r\n", without cookies */
	HTTP_TEXT_NAMES,   /* "\r\nName\r\n...\r\n\r\n" */
	HTTP_TEXT_START,   /* first line and all headers */
	HTTP_TEXTS
};

struct http_side {
	struct proto_body body;             /* decoded */
	struct proto_body raw;              /* headers and trailers as sent */
	struct proto_body text[HTTP_TEXTS]; /* made when asked for */
	bool made[HTTP_TEXTS];
	bool line, headers;           /* have been seen whole */
	uint64_t told;                /* bytes of the body when its news were last told */
	uint64_t charged;             /* for libhtp's copy of line and headers */
	struct http_inflate *inflate; /* NULL: the body is as it is sent */
	bool gap;                     /* bytes of the body were never seen */
	bool hole;                    /* nor these, but it is known where they belong */
	bool cut;                     /* it has ended before its end */
	bool over;                    /* what comes is behind its end */
};

struct http_tx {
	struct http *http;
	struct proto_tx *tx;
	htp_tx_t *htp;
	struct http_tx *next, **before;
	struct http_side side[2];
	struct proto_body uri;  /* normalised; made when the request line is there */
	struct proto_body host; /* lowercase */
	struct http_file *files, **last_file;
	struct http_file *open_file[2];
	struct http_multipart *multipart; /* NULL: the request's body is none */
	bool multipart_checked;
	bool login_told, form_told;
	unsigned n_files;
	uint32_t stream;   /* of HTTP/2 */
	uint32_t error[2]; /* why a side of it was ended, if `reset` has its bit */
	uint8_t reset;
};

struct http {
	struct proto_conn *conn;
	htp_connp_t *connp;
	struct http_tx *txs;
	struct ntlm ntlm;
	unsigned side;    /* that is being fed */
	bool tunnel;      /* CONNECT was granted: what follows is another protocol */
	bool upgraded;    /* HTTP/2 was granted: it is what follows */
	bool connecting;  /* CONNECT has no answer yet: what the client says waits */
	bool lf_missing;  /* of the last line before it */
	bool between;     /* no response has begun, or the last one is complete */
	bool closing;     /* that side says nothing more */
	bool head_cut[2]; /* there was a gap in the first line or the headers */
	uint64_t next_file;
	struct http_whole *whole[HTTP_WHOLES_MAX];
	uint64_t clock;              /* for them */
	unsigned n_txs;              /* since connp was made */
	uint64_t inflated, received; /* bytes of bodies, in messages that were compressed */
	size_t inflates;             /* bytes of memory for that */
};

/* http_tx.c: libhtp's callbacks. */
void http_tx_register(htp_cfg_t *cfg);
struct http_tx *http_tx_of(htp_tx_t *htp);
/* For libhtp's transaction, whose connection has a struct http. NULL: no room. */
struct http_tx *http_tx_new(htp_tx_t *htp);
void http_tx_free(void *data);
bool http_tx_charge(struct http_tx *tx, unsigned side, size_t bytes); /* until it is freed */
/* The headers of the side are whole; the first bytes of its body, or so many that were never seen; its end.
 * False: no memory, or it cannot go on. */
bool http_tx_headers(struct http_tx *tx, unsigned side);
bool http_tx_data(struct http_tx *tx, unsigned side, struct cur bytes);
void http_tx_gap(struct http_tx *tx, unsigned side);
bool http_tx_complete(struct http_tx *tx, unsigned side);
/* The side was cut off: files that are open end there. */
void http_tx_cut(struct http_tx *tx, unsigned side);

/* Decoded bytes of the body; false: it cannot go on. */
bool http_tx_body(struct http_tx *tx, unsigned side, struct cur bytes);

/* http_inflate.c: content encodings of a body. What comes out goes to http_tx_body(). */
/* Makes side[].inflate if the headers ask for it; false: no memory. */
bool http_inflate_start(struct http_tx *tx, unsigned side);
/* False: it cannot go on, or is a bomb. */
bool http_inflate_add(struct http_inflate *inflate, struct cur bytes);
void http_inflate_gap(struct http_inflate *inflate); /* nothing behind it can be decoded */
bool http_inflate_end(struct http_inflate *inflate);
void http_inflate_free(struct proto_conn *conn, struct http_inflate *inflate);

/* http_file.c */
struct http_file *http_file_open(
	struct http_tx *tx, unsigned side, const uint8_t *name, size_t name_len, bool whole_body);
void http_file_rename(
	struct http_tx *tx, struct http_file *file, const uint8_t *name, size_t name_len);
void http_file_add(struct http_tx *tx, struct http_file *file, const uint8_t *bytes, size_t len);
/* `len` bytes of it were not seen: a hole, if others follow. */
void http_file_skip(struct http_file *file, uint64_t len);
void http_file_end(struct http_tx *tx, struct http_file *file, bool cut);
void http_file_free_all(struct http_tx *tx);
/* The file name of a Content-Disposition (RFC 6266); false: it has none. */
bool http_file_name(struct cur value, const uint8_t **ret_name, size_t *ret_len);
/* The same of another of its parameters, by its name. */
bool http_file_param(struct cur value, const char *param, struct cur *ret_value);

/* http_multipart.c: multipart/form-data (RFC 7578), piece by piece. */
struct http_multipart *http_multipart_new(struct http_tx *tx, struct cur content_type);
void http_multipart_add(struct http_multipart *multipart, const uint8_t *bytes, size_t len);
void http_multipart_end(struct http_multipart *multipart, bool cut);
void http_multipart_free(struct proto_conn *conn, struct http_multipart *multipart);
const struct http_form *http_multipart_form(const struct http_multipart *multipart);

/* http_range.c: Content-Range, and files that come in parts. */
struct http_range {
	bool has_part, has_size;
	int64_t start, end, size;
};
struct http_range http_range_read(struct proto_bytes value);
/* The file that the response is a part of, and where it begins in it; NULL: none, or there is no place. Each part leaves
 * it again. */
struct http_whole *http_whole_of(struct http_tx *tx, uint64_t *ret_start);
/* Takes away what was there before; false: nothing is left, or there is no place for it. */
bool http_whole_take(struct http_whole *whole, uint64_t *offset, struct cur *c);
bool http_whole_leave(struct http_whole *whole); /* true: it has ended, and this part tells so */
void http_wholes_end(struct http *http);         /* those that have not */

/* http_form.c: user and password among the fields of a form. */
struct http_form {
	struct proto_login_text user, password;
	uint8_t best_user, best_password; /* how well their names say it; 0: there was none */
};
/* Where the value of the field goes, emptied; NULL: it is neither, or there is a better one. */
struct proto_login_text *http_form_field(struct http_form *form, struct cur name);
void http_form_add(struct proto_login_text *text, struct cur bytes); /* as far as there is room */
/* application/x-www-form-urlencoded; of one that is not `whole` the last field may be a part. */
void http_form_read(struct http_form *form, struct cur body, bool whole);
/* False: not both are there. */
bool http_form_login(const struct http_form *form, struct proto_login *login, const char *method);
/* http_form_json.c: strings and whole numbers in an object, or in objects in it. One that is too long, or too deep, is
 * left out. */
void http_form_read_json(struct http_form *form, struct cur body);

/* http_buffer.c */
bool http_buffer(
	struct proto_tx *tx, enum proto_buffer_id id, unsigned n, struct proto_bytes *ret_bytes);
bool http_number(struct proto_tx *tx, enum proto_number_id id, unsigned n, uint64_t *ret_number);
struct proto_bytes http_bytes(bstr *text);
/* The value of a header; false: it is not there. */
bool http_header(
	const struct http_tx *tx, unsigned side, const char *name, struct proto_bytes *ret_value);

/* http_login.c: what the request gave to be let in is told, once. */
void http_login(struct http_tx *tx, enum proto_login_result result);
void http_login_answered(struct http_tx *tx);
/* What its form, JSON or URL gave, once: when it and the answer are there, or (`last`) nothing more comes. */
void http_login_form(struct http_tx *tx, bool last);

/* http_json.c */
bool http_json(struct proto_tx *tx, struct out *o);
/* The members alone, behind others of the object if not `first`. */
void http_json_members(struct out *o, const struct http_tx *tx, bool first);

/* http.c: libhtp's side of a connection. NULL: no memory. */
htp_connp_t *http_connp_new(struct http *http);

/* http_event.c */
int http_event_log(htp_log_t *log);
void http_event_request(
	struct http_tx *tx); /* what libhtp notes in flags, when the headers are there */
