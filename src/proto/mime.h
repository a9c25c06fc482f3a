/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mime - a message (RFC 5322, 2045 to 2047), line by line: headers that people ask for become
 * fields of the transaction, as they are; the message as it is becomes a file, named by its
 * subject, and so do parts with a file name, decoded; links are found in the text. Names and
 * records are without encoded words. Private to src/proto.
 */
#pragma once

#include "proto/fields.h"

#define MIME_DEPTH_MAX    10 /* multiparts in multiparts */
#define MIME_BOUNDARY_MAX 254
#define MIME_HEADER_MAX   4096 /* of a header, continuation lines joined; the rest is left out */
#define MIME_LINE_MAX     998  /* RFC 5322: longer ones are an event */
#define MIME_ENCODED_MAX  76   /* RFC 2045: the same for encoded ones */
#define MIME_URLS_MAX     64

enum mime_state { MIME_HEADERS, MIME_BODY, MIME_IGNORE };
enum mime_encoding { MIME_PLAIN, MIME_BASE64, MIME_QUOTED };

struct mime {
	struct proto_tx *tx;
	uint8_t side; /* who sends the message */
	enum mime_state state;
	bool top; /* in the headers of the message itself */
	bool bad;
	bool guess;         /* whether it is Base64, by its first line */
	bool alone;         /* headers without what they are of: no file */
	bool gap, part_gap; /* not all of it, of the part was seen */
	uint8_t depth;
	struct mime_level {
		uint8_t len;
		char boundary[MIME_BOUNDARY_MAX];
	} level[MIME_DEPTH_MAX];
	/* The header that is being put together. */
	uint32_t header_len;
	char header[MIME_HEADER_MAX];
	/* The part that is being read. */
	enum mime_encoding encoding;
	bool is_multipart, is_message, is_text, has_name, has_boundary;
	bool is_attachment; /* a file, with a name or without */
	bool name_goes_on;  /* the name has come in pieces until now (RFC 2231, 3) */
	char boundary[MIME_BOUNDARY_MAX];
	uint8_t boundary_len;
	char name[FIELDS_NAME_MAX];
	uint32_t name_len;
	struct proto_fields_file *file;  /* NULL: it is none */
	struct proto_fields_file *whole; /* the message; NULL: no room */
	struct proto_fields_file *uu;    /* uuencoded in the text; NULL: none, or no room */
	bool in_uu, uu_base64;
	bool line_end; /* of the last line, not written yet: it may belong to the boundary */
	uint32_t bits;
	uint8_t n_bits;
	unsigned urls, text_len;
	uint8_t text[1024]; /* the line of the decoded text */
};

void mime_begin(struct mime *mime, struct proto_tx *tx, unsigned side);
/* A part of a message alone, which is a file, too. `own`: its own headers; empty: they are not known, and it is
 * decoded if it looks like Base64. */
void mime_begin_part(struct mime *mime, struct proto_tx *tx, unsigned side, struct cur own);
/* A line as it was sent; `whole`: its end, LF or CR LF, is there. */
void mime_line(struct mime *mime, struct cur line, bool whole);
/* Some bytes were never seen. */
void mime_gap(struct mime *mime);
void mime_end(struct mime *mime, bool cut);
/* The object: `"email":{...}`, if there was a message that has ended. */
void mime_json(const struct proto_fields *fields, struct out *o);
/* For `json` of a parser: the fields' own object, then that one. */
bool mime_tx_json(struct proto_tx *tx, struct out *o);
/* mime_word.c: a header's text, with the encoded words in it decoded; what has no room is cut off. */
void mime_words(struct cur text, struct out *o);
int mime_base64_value(uint8_t c); /* 0 to 63; -1: it is none */
