/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http - the headers of a request or response (HTTP/1): which program sends them in that order, as p0f 3.09b decides
 * it. Pure. Values stay where they were: a look is valid as long as its bytes.
 */
#pragma once

#include "fingerprint/signatures.h"

struct cur;
struct out;

#define HTTP_LOOK_HEADERS_MAX 48   /* of a message; those behind are not looked at */
#define HTTP_LOOK_LINE_MAX    4096 /* bytes of a header; the rest is not looked at */

struct http_look {
	bool response;
	int8_t version; /* of HTTP/1 */
	unsigned n;
	struct signature_header
		header[HTTP_LOOK_HEADERS_MAX]; /* optional: usually depends on what is asked */
	struct text software;                  /* User-Agent, Server */
	bool forwarded;                        /* it says itself that it comes through a proxy */
};

/* `headers`: the lines behind the first one. False: there is no header. */
bool http_look_read(struct cur headers, bool response, int8_t version, struct http_look *ret_look);

struct http_match {
	const struct signature_http *signature; /* NULL: none fits */
	const struct signature_label *label;
	bool dishonest; /* it names another program than the one it is */
};
void http_match(
	const struct signatures *set, const struct http_look *look, struct http_match *ret_match);

/* The system that the program says it runs on, by the names of "ua_os"; empty: none. */
struct text http_named_system(const struct signatures *set, const struct http_look *look);

/* As p0f writes signatures. Hostile text; what has no room is left out. */
#define HTTP_RAW_MAX 1024
void http_look_text(struct out *o, const struct http_look *look);
