/* SPDX-License-Identifier: Apache-2.0 */
/* inside - what the parts of the reader of signatures share. Private to src/fingerprint. */
#pragma once

#include "base/cur.h"
#include "fingerprint/signatures.h"

struct text text_of_cur(struct cur c);
/* A decimal number that is all of the text and at most `max`. */
bool text_number(struct cur c, uint32_t max, uint32_t *ret_number);
/* Exactly this, capitals and all. */
bool words_same(struct text a, struct text b);
bool text_equals(struct cur c, const char *word);
/* Whether `part` is somewhere in `all`. */
bool words_hold(struct text all, struct text part);

/* What stands behind "sig =". NULL, or why not: a literal. */
const char *signature_read_tcp(struct cur line, struct signature_tcp *ret_signature);
/* Headers go to `ret_headers`, first those that must be there, then those that may not. */
const char *signature_read_http(struct cur line, struct signature_http *ret_signature,
	struct signature_header ret_headers[static 2 * SIGNATURES_HEADERS_MAX]);
