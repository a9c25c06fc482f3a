/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quic_keys - what protects Initial packets of QUIC (RFC 9001, section 5; RFC 9369, section 3.3): keys that
 * follow from a connection id that everybody sees. libcrypto computes. Private to src/proto.
 */
#pragma once

#include "base/cur.h"

#define QUIC_KEY_BYTES 16 /* AES-128 */
#define QUIC_IV_BYTES  12
#define QUIC_TAG_BYTES 16 /* at the end of a packet */

struct quic_version {
	uint32_t number;
	const char *name;       /* as EVE has it */
	const char *salt;       /* 20 bytes */
	const char *prefix;     /* of the labels */
	uint8_t initial, retry; /* types of long headers */
};
/* NULL: its Initials cannot be read. */
const struct quic_version *quic_version_find(uint32_t number);

struct quic_keys {
	uint8_t key[QUIC_KEY_BYTES], iv[QUIC_IV_BYTES], hp[QUIC_KEY_BYTES];
};
/* Keys of what `side` (0: the client) sends, by the first destination id of the client. False: libcrypto cannot. */
bool quic_keys_make(const struct quic_version *version, struct cur id, unsigned side,
	struct quic_keys *ret_keys);
/* A packet, to be opened in its place. */
#define QUIC_PACKET_MAX 4096u /* bytes of one that is opened */
struct quic_packet {
	size_t len, number_at; /* of all; where the packet number begins */
	uint8_t at[QUIC_PACKET_MAX];
};
/* Takes the protection off; what is inside is borrowed from the packet. False: it is not of these keys, and the
 * bytes are spoilt. */
bool quic_keys_open(
	const struct quic_keys *keys, struct quic_packet *packet, struct cur *ret_payload);

void quic_keys_prepare(void); /* part of proto_prepare() */
