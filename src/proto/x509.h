/* SPDX-License-Identifier: Apache-2.0 */
/* x509 - what a certificate says, as fields of a transaction. libcrypto reads it. Private to
 * src/proto. */
#pragma once

#include "proto/fields.h"

#define X509_DER_MAX  (32u << 10) /* bytes of a certificate that is read */
#define X509_NAME_MAX 2048        /* of a subject or issuer as text */
#define X509_SANS_MAX 256         /* alternative names */

struct x509_times {
	int64_t not_before, not_after; /* seconds since 1970 UTC */
};

/* Adds the subject, issuer, serial, fingerprint and alternative names. False: it cannot be read,
 * nothing but the fingerprint is added. */
bool x509_read(
	struct proto_fields *fields, const uint8_t *der, size_t len, struct x509_times *ret_times);
void x509_time_text(struct out *o, int64_t time_s); /* 2015-02-12T18:07:27 */
enum hash_kind { HASH_MD5, HASH_SHA1, HASH_SHA256, HASH_KINDS };
/* A hash as lower case hex; false: libcrypto does not have it. */
bool hash_hex(enum hash_kind kind, const void *bytes, size_t len, char between, struct out *o);
