/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sasl - what a client says to log in by SASL (RFC 4422) in the protocols of mail (RFC 4954, 5034;
 * RFC 9051, 6.2.2): lines of Base64, of PLAIN (RFC 4616), LOGIN and CRAM-MD5 (RFC 2195). Whether it
 * was good is the protocol's own matter. Private to src/proto.
 */
#pragma once

#include "proto/inside.h"

#define SASL_BYTES_MAX     1024 /* of a line, decoded; the rest is left out */
#define SASL_CHALLENGE_MAX 256  /* bytes, as it is sent; a longer one is not kept */

enum sasl_mechanism { SASL_OTHER, SASL_PLAIN, SASL_LOGIN, SASL_CRAM_MD5 };

struct sasl {
	enum sasl_mechanism mechanism;
	bool has_user; /* LOGIN: the password comes next */
	/* The client's next line belongs here. The parser sets it when the server asks, and clears
	 * it when the server has decided. */
	bool expects;
	uint16_t challenge_len; /* 0: none was seen */
	uint8_t challenge[SASL_CHALLENGE_MAX];
};

/* Another attempt. `args`: the mechanism, and perhaps the first line. */
void sasl_begin(
	struct proto_conn *conn, struct sasl *sasl, struct proto_login *login, struct cur args);
/* What the server sends when it asks: of CRAM-MD5 the challenge, in Base64. */
void sasl_asked(struct sasl *sasl, struct cur challenge);
/* PLAIN, decoded: [who to act as] NUL user NUL password; with one NUL only, the first is missing. */
void sasl_plain(struct proto_login *login, struct cur bytes);
/* Of what is not Base64, the line itself becomes the login's hash. That of CRAM-MD5 is as hashcat reads it (mode 10200) if
 * the challenge is known, else what the client made of it. */
void sasl_line(struct sasl *sasl, struct proto_login *login, struct cur line);
