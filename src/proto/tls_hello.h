/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_hello - ClientHello and ServerHello (RFC 8446, 4.1.2 and 4.1.3; RFC 5246, 7.4.1), as TLS over TCP and
 * QUIC carry them, and their fingerprints: JA3 and JA3S (github salesforce/ja3), JA4 of the client
 * (github FoxIO-LLC/ja4). Private to src/proto.
 */
#pragma once

#include "proto/fields.h"

#define TLS_LIST_MAX 256 /* ciphers, extensions ... of a hello that are looked at */

struct tls_list {
	uint16_t at[TLS_LIST_MAX];
	unsigned n;
};

/* A hello, taken apart. */
struct tls_hello {
	uint16_t version; /* the one that counts */
	uint16_t legacy;
	struct tls_list ciphers, extensions, groups, signatures, versions;
	struct cur random, formats, alpn, sni, session;
	bool has_sni; /* the extension is there, whatever is in it */
};

/* `c`: the message without its type and length, borrowed by what it returns. False: it is not whole. */
bool tls_hello_read(struct cur c, bool client, struct tls_hello *ret_hello);
bool tls_is_grease(uint16_t n); /* RFC 8701 */
/* Adds the server's name, protocols and fingerprints. `transport`: 't' TCP, 'q' QUIC, as JA4 begins. */
void tls_hello_add(
	struct proto_fields *f, const struct tls_hello *hello, bool client, char transport);
/* EVE's object of a fingerprint, if there is one. */
void tls_json_ja3(struct out *o, const char *name, const struct proto_fields *f,
	enum proto_buffer_id hash, enum proto_buffer_id string);
/* An array of all that one of `sides` said, if there is any. */
void tls_json_all(struct out *o, const char *name, const struct proto_fields *f,
	enum proto_buffer_id id, uint8_t sides);
