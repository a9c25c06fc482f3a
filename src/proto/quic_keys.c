/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/quic_keys.h"

#include <stdio.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#define SALT_BYTES   20
#define SECRET_BYTES 32 /* of SHA-256 */
#define LABEL_MAX    64
#define SAMPLE_AT    4 /* behind the packet number's beginning (RFC 9001, 5.4.2) */
#define SAMPLE_BYTES 16

/* RFC 9001, 5.2; RFC 9369, 3.3.1; draft-ietf-quic-tls-29, 5.2. */
#define SALT_1  "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a"
#define SALT_2  "\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9"
#define SALT_29 "\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99"

static EVP_KDF *hkdf;
static EVP_CIPHER *ecb, *gcm;

void quic_keys_prepare(void)
{
	hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	ecb = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
	gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
}

const struct quic_version *quic_version_find(uint32_t number)
{
	static const struct quic_version versions[] = { { 1, "1", SALT_1, "quic ", 0, 3 },
		{ 0x6b3343cf, "6b3343cf", SALT_2, "quicv2 ", 1, 0 },
		{ 0xff00001d, "ff00001d", SALT_29, "quic ", 0, 3 },
		{ 0xff00001e, "ff00001e", SALT_29, "quic ", 0, 3 },
		{ 0xff00001f, "ff00001f", SALT_29, "quic ", 0, 3 },
		{ 0xff000020, "ff000020", SALT_29, "quic ", 0, 3 } };

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (versions[i].number == number)
			return &versions[i];
	return NULL;
}

/* One half of HKDF (RFC 5869): with a salt it extracts, with an info it expands. */
static bool derive(struct cur from, struct cur salt, struct cur info, uint8_t *ret_key, size_t len)
{
	int mode = cur_left(&salt) ? EVP_KDF_HKDF_MODE_EXTRACT_ONLY : EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	char digest[] = "SHA256";
	struct cur *with = cur_left(&salt) ? &salt : &info;
	OSSL_PARAM params[] = { OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)from.at, cur_left(&from)),
		OSSL_PARAM_construct_octet_string(
			cur_left(&salt) ? OSSL_KDF_PARAM_SALT : OSSL_KDF_PARAM_INFO,
			(void *)(uintptr_t)with->at, cur_left(with)),
		OSSL_PARAM_construct_end() };
	EVP_KDF_CTX *context = hkdf ? EVP_KDF_CTX_new(hkdf) : NULL;
	bool fine = context && EVP_KDF_derive(context, ret_key, len, params) > 0;

	EVP_KDF_CTX_free(context);
	return fine;
}

/* HKDF-Expand-Label without a context (RFC 8446, 7.1). */
static bool expand(
	struct cur secret, const char *prefix, const char *label, uint8_t *ret_key, size_t len)
{
	uint8_t info[LABEL_MAX] = { 0, (uint8_t)len };
	int n = snprintf((char *)info + 3, sizeof(info) - 4, "tls13 %s%s", prefix, label);

	info[2] = (uint8_t)n;
	return derive(secret, cur_make(NULL, 0), cur_make(info, (size_t)n + 4), ret_key, len);
}

bool quic_keys_make(const struct quic_version *version, struct cur id, unsigned side,
	struct quic_keys *ret_keys)
{
	uint8_t initial[SECRET_BYTES], secret[SECRET_BYTES];
	struct cur all = cur_make(initial, sizeof(initial));
	struct cur own = cur_make(secret, sizeof(secret));
	struct quic_keys keys;

	if (!derive(id, cur_make(version->salt, SALT_BYTES), cur_make(NULL, 0), initial,
		    sizeof(initial)) ||
		!expand(all, "", side ? "server in" : "client in", secret, sizeof(secret)) ||
		!expand(own, version->prefix, "key", keys.key, sizeof(keys.key)) ||
		!expand(own, version->prefix, "iv", keys.iv, sizeof(keys.iv)) ||
		!expand(own, version->prefix, "hp", keys.hp, sizeof(keys.hp)))
		return false;
	*ret_keys = keys;
	return true;
}

static bool make_mask(
	const struct quic_keys *keys, struct cur sample, uint8_t ret_mask[SAMPLE_BYTES])
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int n;
	bool fine = context && ecb && EVP_EncryptInit_ex2(context, ecb, keys->hp, NULL, NULL) > 0 &&
		    EVP_EncryptUpdate(context, ret_mask, &n, sample.at, SAMPLE_BYTES) > 0;

	EVP_CIPHER_CTX_free(context);
	return fine;
}

/* `len` bytes behind the header, in place; the tag is behind them. */
static bool decrypt(const struct quic_keys *keys, const uint8_t nonce[QUIC_IV_BYTES],
	struct quic_packet *packet, size_t header, size_t len)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int n;
	bool fine = context && gcm &&
		    EVP_DecryptInit_ex2(context, gcm, keys->key, nonce, NULL) > 0 &&
		    EVP_DecryptUpdate(context, NULL, &n, packet->at, (int)header) > 0 &&
		    EVP_DecryptUpdate(
			    context, &packet->at[header], &n, &packet->at[header], (int)len) > 0 &&
		    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, QUIC_TAG_BYTES,
			    &packet->at[header + len]) > 0 &&
		    EVP_DecryptFinal_ex(context, &packet->at[header + len], &n) > 0;

	EVP_CIPHER_CTX_free(context);
	return fine;
}

bool quic_keys_open(
	const struct quic_keys *keys, struct quic_packet *packet, struct cur *ret_payload)
{
	struct cur sample = cur_make(packet->at, packet->len);
	uint8_t mask[SAMPLE_BYTES], nonce[QUIC_IV_BYTES];
	size_t number, header, len;

	cur_skip(&sample, packet->number_at);
	cur_skip(&sample, SAMPLE_AT);
	if (cur_left(&sample) < SAMPLE_BYTES || !make_mask(keys, sample, mask))
		return false;
	packet->at[0] ^= mask[0] & 0x0f;
	number = (packet->at[0] & 3u) + 1;
	header = packet->number_at + number;
	memcpy(nonce, keys->iv, sizeof(nonce));
	for (size_t i = 0; i < number; i++) {
		packet->at[packet->number_at + i] ^= mask[1 + i];
		nonce[QUIC_IV_BYTES - number + i] ^= packet->at[packet->number_at + i];
	}
	/* The sample reaches at least as far as header and tag. */
	len = packet->len - header - QUIC_TAG_BYTES;
	if (!decrypt(keys, nonce, packet, header, len))
		return false;
	*ret_payload = cur_make(&packet->at[header], len);
	return true;
}
