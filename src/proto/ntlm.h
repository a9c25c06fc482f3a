/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ntlm - who logs in by NTLMSSP ([MS-NLMP] 2.2.1), whatever protocol carries its messages and whatever they are
 * wrapped in (SPNEGO, RFC 4178): each is found by its beginning. Whether it was good is the protocol's own matter.
 * Private to src/proto.
 */
#pragma once

#include "proto/fields.h"

#define NTLM_CHALLENGE_LEN 8u

/* What the server asked last; zero at first. */
struct ntlm {
	uint8_t challenge[NTLM_CHALLENGE_LEN];
};

struct ntlm_who {
	struct text_name domain, user, host;
	bool has_version;
	uint8_t version[8]; /* 2.2.2.10 */
};

/* A CHALLENGE_MESSAGE anywhere in `c` is kept. False: there is none. */
bool ntlm_challenged(struct ntlm *ntlm, struct cur c);
/* An AUTHENTICATE_MESSAGE anywhere in `c` begins a login, unless it is nobody's; one that is under way is told. False:
 * there is none. */
bool ntlm_authenticate(struct proto_conn *conn, struct proto_login *login, const struct ntlm *ntlm,
	struct cur c, struct ntlm_who *ret_who);
/* The same of answers that came without NTLMSSP: becomes the login's user and hash. */
void ntlm_answered(struct proto_login *login, const struct ntlm *ntlm, const struct text_name *user,
	const struct text_name *domain, struct cur lm, struct cur nt);
