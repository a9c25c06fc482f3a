/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes made from bytes before they are looked at. */
#include <openssl/evp.h>
#include <string.h>

#include "rules/engine.h"

/* Input and room for the result, which do not overlap. */
struct making {
	const uint8_t *in;
	uint32_t len;
	uint8_t *out;
	uint32_t made;
};

static void put(struct making *m, uint8_t byte)
{
	if (m->made < LOOK_SCRATCH)
		m->out[m->made++] = byte;
}

static bool is_space(uint8_t byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static uint8_t lower(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte;
}

static uint8_t upper(uint8_t byte)
{
	return byte >= 'a' && byte <= 'z' ? byte - 32 : byte;
}

static int hex(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte |= 0x20;
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static void digest(struct making *m, const EVP_MD *kind)
{
	unsigned len = 0;

	if (EVP_Digest(m->in, m->len, m->out, &len, kind, NULL))
		m->made = len;
}

static void strip_whitespace(struct making *m)
{
	for (uint32_t i = 0; i < m->len; i++)
		if (!is_space(m->in[i]))
			put(m, m->in[i]);
}

/* Of several spaces the last one stays. */
static void compress_whitespace(struct making *m)
{
	for (uint32_t i = 0; i < m->len; i++)
		if (!is_space(m->in[i]) || i + 1 == m->len || !is_space(m->in[i + 1]))
			put(m, m->in[i]);
}

static void url_decode(struct making *m)
{
	for (uint32_t i = 0; i < m->len; i++) {
		int high = i + 2 < m->len ? hex(m->in[i + 1]) : -1;
		int low = i + 2 < m->len ? hex(m->in[i + 2]) : -1;

		if (m->in[i] == '%' && high >= 0 && low >= 0) {
			put(m, (uint8_t)(high << 4 | low));
			i += 2;
		} else {
			put(m, m->in[i] == '+' ? ' ' : m->in[i]);
		}
	}
}

static void header_lowercase(struct making *m)
{
	bool name = true;

	for (uint32_t i = 0; i < m->len; i++) {
		if (m->in[i] == ':')
			name = false;
		else if (m->in[i] == '\n')
			name = true;
		put(m, name ? lower(m->in[i]) : m->in[i]);
	}
}

static void strip_pseudo_headers(struct making *m)
{
	bool start = true, skip = false;

	for (uint32_t i = 0; i < m->len; i++) {
		if (start)
			skip = m->in[i] == ':';
		start = m->in[i] == '\n';
		if (!skip)
			put(m, m->in[i]);
	}
}

/* The last `labels` labels of a name: what a registry has given, for names directly under a top
 * level. */
static void last_labels(struct making *m, unsigned labels)
{
	uint32_t from = m->len;

	while (from > 0 && (m->in[from - 1] != '.' || --labels))
		from--;
	for (; from < m->len; from++)
		put(m, m->in[from]);
}

enum { BASE64_RFC4648, BASE64_RFC2045, BASE64_STRICT }; /* as read_content.c numbers them */

static void from_base64(struct making *m, const struct image_transform *transform)
{
	uint32_t from = transform->offset < m->len ? transform->offset : m->len;
	uint32_t len = m->len - from;

	if (transform->bytes && transform->bytes < len)
		len = transform->bytes;
	m->made = oddity_base64(
		m->in + from, len, transform->mode == BASE64_RFC2045, m->out, LOOK_SCRATCH);
	/* Strict: all of it, or nothing. */
	if (transform->mode == BASE64_STRICT && (len % 4 || m->made < len / 4 * 3 - (len ? 2 : 0)))
		m->made = 0;
}

/* The first group of an expression; all of it without a group. */
static void pcrexform(struct making *m, struct look *look, const struct image_transform *transform)
{
	const struct rules *rules = look->rules;
	int error;
	PCRE2_SIZE at, *place;
	pcre2_code *code = pcre2_compile(image_bytes(rules, transform->pattern),
		transform->pattern.len, PCRE2_AUTO_CALLOUT, &error, &at, rules->pcre_compile);
	unsigned group;
	int found;

	if (!code)
		return;
	found = pcre2_match(code, m->in, m->len, 0, 0, rules->pcre_data, rules->pcre_match);
	pcre2_code_free(code);
	look->tired |= found < 0 && found != PCRE2_ERROR_NOMATCH;
	if (found < 1)
		return;
	group = found > 1 ? 1 : 0;
	place = pcre2_get_ovector_pointer(rules->pcre_data) + 2 * group;
	for (size_t i = place[0]; place[0] != PCRE2_UNSET && i < place[1]; i++)
		put(m, m->in[i]);
}

static void apply(struct making *m, struct look *look, const struct image_transform *transform)
{
	switch (transform->how) {
	case RULE_TO_LOWERCASE:
		for (uint32_t i = 0; i < m->len; i++)
			put(m, lower(m->in[i]));
		break;
	case RULE_TO_UPPERCASE:
		for (uint32_t i = 0; i < m->len; i++)
			put(m, upper(m->in[i]));
		break;
	case RULE_TO_MD5:
		digest(m, EVP_md5());
		break;
	case RULE_TO_SHA1:
		digest(m, EVP_sha1());
		break;
	case RULE_TO_SHA256:
		digest(m, EVP_sha256());
		break;
	case RULE_STRIP_WHITESPACE:
		strip_whitespace(m);
		break;
	case RULE_COMPRESS_WHITESPACE:
		compress_whitespace(m);
		break;
	case RULE_DOT_PREFIX:
		put(m, '.');
		for (uint32_t i = 0; i < m->len; i++)
			put(m, m->in[i]);
		break;
	case RULE_URL_DECODE:
		url_decode(m);
		break;
	case RULE_XOR:
		for (uint32_t i = 0; transform->key_len && i < m->len; i++)
			put(m, m->in[i] ^ transform->key[i % transform->key_len]);
		break;
	case RULE_HEADER_LOWERCASE:
		header_lowercase(m);
		break;
	case RULE_STRIP_PSEUDO_HEADERS:
		strip_pseudo_headers(m);
		break;
	case RULE_DOMAIN:
		last_labels(m, 2);
		break;
	case RULE_TLD:
		last_labels(m, 1);
		break;
	case RULE_FROM_BASE64:
		from_base64(m, transform);
		break;
	case RULE_PCREXFORM:
		pcrexform(m, look, transform);
		break;
	}
}

bool transform_area(struct look *look, const struct image_section *section, struct area *area)
{
	struct rules *rules = look->rules;

	for (uint32_t i = 0; i < section->transforms.n; i++) {
		struct making m = { .in = area->at ? area->at : (const uint8_t *)"",
			.len = area->len,
			.out = rules->made[i % 2] };

		apply(&m, look, &rules->transform[section->transforms.at + i]);
		area->at = m.out;
		area->len = m.made;
	}
	area->offset = 0;
	return true;
}
