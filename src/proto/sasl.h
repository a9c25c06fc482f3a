/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sasl - what a client says to log in by SASL (RFC 4422) in the protocols of mail (RFC 4954, 5034;
 * RFC 9051, 6.2.2): lines of Base64, of PLAIN (RFC 4616), LOGIN and CRAM-MD5 (RFC 2195). Whether it
 * was good is the protocol's own matter. Private to src/proto.
 */
#pragma once

#include "proto/inside.h"

#define SASL_BYTES_MAX 1024 /* of a line, decoded; the rest is left out */

enum sasl_mechanism { SASL_OTHER, SASL_PLAIN, SASL_LOGIN, SASL_CRAM_MD5 };

struct sasl {
	enum sasl_mechanism mechanism;
	bool has_user; /* LOGIN: the password comes next */
	/* The client's next line belongs here. The parser sets it when the server asks, and clears
	 * it when the server has decided. */
	bool expects;
};

/* Another attempt. `args`: the mechanism, and perhaps the first line. */
void sasl_begin(
	struct proto_conn *conn, struct sasl *sasl, struct proto_login *login, struct cur args);
/* PLAIN, decoded: [who to act as] NUL user NUL password; with one NUL only, the first is missing. */
void sasl_plain(struct proto_login *login, struct cur bytes);
/* Of what is not Base64, the line itself becomes the login's hash. */
void sasl_line(struct sasl *sasl, struct proto_login *login, struct cur line);
