/* SPDX-License-Identifier: Apache-2.0 */
/* Hellos of TLS: what is in them, and what they are known by. */
#include "proto/tls_hello.h"

#include <stdlib.h>

#include "proto/x509.h"

bool tls_is_grease(uint16_t n)
{
	return (n & 0x0f0f) == 0x0a0a && n >> 8 == (n & 255);
}

static void list_add(struct tls_list *list, uint16_t n)
{
	if (list->n < TLS_LIST_MAX)
		list->at[list->n++] = n;
}

static void read_list(struct cur c, struct tls_list *ret_list)
{
	while (cur_left(&c) >= 2)
		list_add(ret_list, cur_be16(&c));
}

/* server_name: a list of one type-0 name. */
static void read_sni(struct cur c, struct tls_hello *hello)
{
	struct cur list = cur_sub(&c, cur_be16(&c));
	uint8_t type = cur_u8(&list);
	struct cur name = cur_sub(&list, cur_be16(&list));

	if (cur_ok(&name) && type == 0)
		hello->sni = name;
}

static void read_versions(struct cur c, bool client, struct tls_hello *hello)
{
	struct cur list = client ? cur_sub(&c, cur_u8(&c)) : c;
	uint16_t best = 0;

	read_list(list, &hello->versions);
	for (unsigned i = 0; i < hello->versions.n; i++)
		if (!tls_is_grease(hello->versions.at[i]) && hello->versions.at[i] > best)
			best = hello->versions.at[i];
	if (best)
		hello->version = best;
}

static void read_extension(struct cur c, uint16_t type, bool client, struct tls_hello *hello)
{
	switch (type) {
	case 0:
		if (client)
			read_sni(c, hello);
		hello->has_sni = client;
		break;
	case 10:
		read_list(cur_sub(&c, cur_be16(&c)), &hello->groups);
		break;
	case 11:
		hello->formats = cur_sub(&c, cur_u8(&c));
		break;
	case 13:
		read_list(cur_sub(&c, cur_be16(&c)), &hello->signatures);
		break;
	case 16:
		hello->alpn = cur_sub(&c, cur_be16(&c));
		break;
	case 43:
		read_versions(c, client, hello);
		break;
	default:
		break;
	}
}

bool tls_hello_read(struct cur c, bool client, struct tls_hello *ret_hello)
{
	struct tls_hello h = { .legacy = cur_be16(&c) };
	struct cur extensions;

	h.version = h.legacy;
	h.random = cur_sub(&c, 32);
	h.session = cur_sub(&c, cur_u8(&c));
	if (client) {
		read_list(cur_sub(&c, cur_be16(&c)), &h.ciphers);
		cur_skip(&c, cur_u8(&c));
	} else {
		list_add(&h.ciphers, cur_be16(&c));
		cur_skip(&c, 1);
	}
	if (!cur_ok(&c) || !cur_ok(&h.session))
		return false;
	if (cur_left(&c) >= 2) {
		extensions = cur_sub(&c, cur_be16(&c));
		while (cur_left(&extensions) >= 4) {
			uint16_t type = cur_be16(&extensions);
			struct cur body = cur_sub(&extensions, cur_be16(&extensions));

			if (!cur_ok(&body))
				break;
			list_add(&h.extensions, type);
			read_extension(body, type, client, &h);
		}
	}
	*ret_hello = h;
	return true;
}

static void ja3_list(struct out *o, const struct tls_list *list)
{
	bool first = true;

	for (unsigned i = 0; i < list->n; i++) {
		if (tls_is_grease(list->at[i]))
			continue;
		out_fmt(o, first ? "%u" : "-%u", list->at[i]);
		first = false;
	}
}

static void ja3_formats(struct out *o, struct cur formats)
{
	for (bool first = true; cur_left(&formats); first = false)
		out_fmt(o, first ? "%u" : "-%u", cur_u8(&formats));
}

/* JA3 (github salesforce/ja3): five fields of the hello; JA3S: three. */
static void add_ja3(struct proto_fields *f, const struct tls_hello *h, bool client)
{
	char text[8192], hash[40];
	struct out o = out_make(text, sizeof(text)), hex = out_make(hash, sizeof(hash));

	out_fmt(&o, "%u,", h->legacy);
	ja3_list(&o, &h->ciphers);
	out_char(&o, ',');
	ja3_list(&o, &h->extensions);
	if (client) {
		out_char(&o, ',');
		ja3_list(&o, &h->groups);
		out_char(&o, ',');
		ja3_formats(&o, h->formats);
	}
	proto_fields_add(f, client ? BUFFER_JA3_STRING : BUFFER_JA3S_STRING, text, o.len);
	if (hash_hex(HASH_MD5, text, o.len, 0, &hex))
		proto_fields_add(f, client ? BUFFER_JA3_HASH : BUFFER_JA3S_HASH, hash, hex.len);
}

static int compare(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void ja4_hex(struct out *o, const struct tls_list *list)
{
	for (unsigned i = 0; i < list->n; i++)
		out_fmt(o, i ? ",%04x" : "%04x", list->at[i]);
}

/* 12 digits of the SHA-256 of a text. */
static void ja4_hash(struct out *o, const struct out *text)
{
	char hash[80];
	struct out hex = out_make(hash, sizeof(hash));

	if (text->len == 0)
		out_str(o, "000000000000");
	else if (hash_hex(HASH_SHA256, text->at, text->len, 0, &hex))
		out_bytes(o, hash, 12);
}

static bool is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Without GREASE; of extensions, without those that say where to (`names`): server_name and ALPN. */
static struct tls_list without(const struct tls_list *list, bool names)
{
	struct tls_list rest = { .n = 0 };

	for (unsigned i = 0; i < list->n; i++)
		if (!tls_is_grease(list->at[i]) &&
			(names || (list->at[i] != 0 && list->at[i] != 16)))
			list_add(&rest, list->at[i]);
	return rest;
}

/* First and last character of the first protocol; if one of them is no letter or digit, of its bytes in hex. */
static void ja4_alpn(struct out *o, struct cur alpn)
{
	struct cur first = cur_sub(&alpn, cur_u8(&alpn));
	size_t len = cur_left(&first);
	uint8_t begin = cur_ahead(first, 0), end = cur_ahead(first, len - 1);

	if (!len)
		out_str(o, "00");
	else if (is_alnum(begin) && is_alnum(end))
		out_fmt(o, "%c%c", begin, end);
	else
		out_fmt(o, "%x%x", begin >> 4, end & 15);
}

static const char *ja4_version(uint16_t version)
{
	switch (version) {
	case 0x0304:
		return "13";
	case 0x0303:
		return "12";
	case 0x0302:
		return "11";
	case 0x0301:
		return "10";
	case 0x0300:
		return "s3";
	case 0x0002:
		return "s2";
	default:
		return "00";
	}
}

/* JA4: transport, version, whether a name is asked for, how many ciphers and extensions, protocol; the ciphers,
 * sorted; the extensions, sorted, and the signature algorithms as they come. */
static void add_ja4(struct proto_fields *f, const struct tls_hello *h, char transport)
{
	char text[64], sorted[4096];
	struct out o = out_make(text, sizeof(text)), list = out_make(sorted, sizeof(sorted));
	struct tls_list ciphers = without(&h->ciphers, true);
	struct tls_list extensions = without(&h->extensions, true);
	struct tls_list bare = without(&h->extensions, false);
	struct tls_list signatures = without(&h->signatures, true);

	out_fmt(&o, "%c%s%c%02u%02u", transport, ja4_version(h->version), h->has_sni ? 'd' : 'i',
		ciphers.n < 99 ? ciphers.n : 99, extensions.n < 99 ? extensions.n : 99);
	ja4_alpn(&o, h->alpn);
	qsort(ciphers.at, ciphers.n, sizeof(ciphers.at[0]), compare);
	qsort(bare.at, bare.n, sizeof(bare.at[0]), compare);
	ja4_hex(&list, &ciphers);
	out_char(&o, '_');
	ja4_hash(&o, &list);
	list = out_make(sorted, sizeof(sorted));
	ja4_hex(&list, &bare);
	if (signatures.n) {
		out_char(&list, '_');
		ja4_hex(&list, &signatures);
	}
	out_char(&o, '_');
	ja4_hash(&o, &list);
	proto_fields_add(f, BUFFER_JA4_HASH, text, o.len);
}

static void add_alpn(struct proto_fields *f, struct cur alpn)
{
	while (cur_left(&alpn)) {
		struct cur name = cur_sub(&alpn, cur_u8(&alpn));
		size_t len = cur_left(&name);

		if (!cur_ok(&name))
			break;
		proto_fields_add(f, BUFFER_TLS_ALPN, cur_take(&name, len), len);
	}
}

void tls_hello_add(struct proto_fields *f, const struct tls_hello *h, bool client, char transport)
{
	add_alpn(f, h->alpn);
	if (cur_left(&h->sni))
		proto_fields_add(f, BUFFER_TLS_SNI, h->sni.at, cur_left(&h->sni));
	add_ja3(f, h, client);
	if (client)
		add_ja4(f, h, transport);
}

void tls_json_all(struct out *o, const char *name, const struct proto_fields *f,
	enum proto_buffer_id id, uint8_t sides)
{
	struct proto_bytes bytes;

	if (!proto_fields_get_side(f, id, 0, sides, &bytes))
		return;
	json_open(o, name, '[');
	for (unsigned n = 0; proto_fields_get_side(f, id, n, sides, &bytes); n++)
		json_text(o, NULL, bytes.at, bytes.len);
	json_close(o, ']');
}

void tls_json_ja3(struct out *o, const char *name, const struct proto_fields *f,
	enum proto_buffer_id hash, enum proto_buffer_id string)
{
	struct proto_bytes bytes;

	if (!proto_fields_get(f, hash, 0, &bytes))
		return;
	json_open(o, name, '{');
	json_field(o, "hash", f, hash);
	json_field(o, "string", f, string);
	json_close(o, '}');
}
