/* SPDX-License-Identifier: Apache-2.0 */
/* quic_kit - Initial packets of QUIC for tests, sealed by libcrypto (RFC 9001, section 5). */
#pragma once

#include <openssl/evp.h>
#include <stdlib.h>

#include "packets.h"
#include "proto/quic_keys.h"

#define QUIC_ID "\x83\x94\xc8\xf0\x3e\x51\x57\x08" /* of the RFCs */

static const struct quic_version *version_of(uint32_t number)
{
	const struct quic_version *version = quic_version_find(number);

	if (!version)
		abort();
	return version;
}

static void must(int fine)
{
	if (fine <= 0)
		abort();
}

static void encrypt(const EVP_CIPHER *cipher, const uint8_t *key, const uint8_t *nonce,
	struct bytes *aad, const uint8_t *bytes, size_t len, uint8_t *ret_bytes, uint8_t *ret_tag)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int n;

	must(EVP_EncryptInit_ex(context, cipher, NULL, key, nonce));
	if (aad)
		must(EVP_EncryptUpdate(context, NULL, &n, aad->at, (int)aad->len));
	must(EVP_EncryptUpdate(context, ret_bytes, &n, bytes, (int)len));
	if (ret_tag) {
		must(EVP_EncryptFinal_ex(context, ret_bytes + n, &n));
		must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, ret_tag));
	}
	EVP_CIPHER_CTX_free(context);
}

/* An Initial of `side` with these frames, its number two bytes long. */
static void put_initial(struct bytes *b, uint32_t version, const char *id, unsigned side,
	unsigned number, const struct bytes *frames)
{
	static struct bytes packet;
	struct quic_keys keys;
	uint8_t nonce[12], mask[32], body[2048], tag[16];
	size_t at;

	must(quic_keys_make(version_of(version), cur_make(QUIC_ID, 8), side, &keys));
	if (memcmp(id, QUIC_ID, 8) != 0 && side == 0)
		must(quic_keys_make(version_of(version), cur_make(id, 8), side, &keys));
	packet.len = 0;
	put8(&packet, 0xc1 | (unsigned)version_of(version)->initial << 4);
	put32(&packet, version);
	put8(&packet, side ? 0 : 8);
	put(&packet, id, side ? 0 : 8);
	put16(&packet, side ? 0x0433 : 0); /* the server's own id, or none; no token */
	if (side)
		put(&packet, "444", 3);
	if (side)
		put8(&packet, 0);
	put16(&packet, 0x4000 | (unsigned)(2 + frames->len + 16));
	at = packet.len;
	put16(&packet, number);
	memcpy(nonce, keys.iv, 12);
	nonce[10] ^= (uint8_t)(number >> 8);
	nonce[11] ^= (uint8_t)number;
	encrypt(EVP_aes_128_gcm(), keys.key, nonce, &packet, frames->at, frames->len, body, tag);
	put(&packet, body, frames->len);
	put(&packet, tag, 16);
	encrypt(EVP_aes_128_ecb(), keys.hp, NULL, NULL, packet.at + at + 4, 16, mask, NULL);
	packet.at[0] ^= mask[0] & 15;
	packet.at[at] ^= mask[1];
	packet.at[at + 1] ^= mask[2];
	put(b, packet.at, packet.len);
}
