/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that know a format: ASN.1 that is built to hurt, Sun RPC, FTP bounce, and Base64. */
#include <string.h>

#include "base/cur.h"
#include "frame/frame.h"
#include "rules/engine.h"

#define ASN1_ELEMENTS 256 /* looked at in one evaluation */

/* ------------------------------------------------------------------ ASN.1 (X.690, 8.1) */

struct element {
	uint8_t class, tag;
	bool constructed, indefinite;
	uint64_t len;
};

static bool read_element(struct cur *c, struct element *ret)
{
	uint8_t first = cur_u8(c), len;

	*ret = (struct element){
		.class = first >> 6, .tag = first & 31, .constructed = first & 32
	};
	while (ret->tag == 31 && cur_left(c) > 0 && cur_u8(c) & 0x80)
		;
	len = cur_u8(c);
	if (len < 0x80) {
		ret->len = len;
	} else if (len == 0x80) {
		ret->indefinite = true;
	} else {
		for (unsigned i = 0; i < (len & 0x7fu); i++)
			ret->len =
				ret->len > UINT64_MAX >> 8 ? UINT64_MAX : ret->len << 8 | cur_u8(c);
	}
	return cur_ok(c);
}

static bool is_odd(const struct image_option *option, const struct element *element, struct cur c)
{
	if (option->asn1.oversize && element->len > option->asn1.oversize)
		return true;
	if (element->class != 0 || element->constructed || element->len == 0)
		return false;
	/* A bit string whose unused bits are more than a byte has. */
	if (option->asn1.bitstring && element->tag == 3 && cur_left(&c) > 0 && c.at[0] > 7)
		return true;
	/* A real number as text, too long for the usual buffer. */
	return option->asn1.overflow && element->tag == 9 && element->len > 256 &&
	       cur_left(&c) > 0 && (c.at[0] & 0xc0) == 0;
}

bool oddity_asn1(const struct image_option *option, const struct area *area, int64_t cursor)
{
	int64_t at = option->asn1.has_offset || option->asn1.relative ? option->asn1.offset : 0;
	struct cur c;

	if (option->asn1.relative)
		at += cursor;
	if (at < 0 || at >= area->len)
		return false;
	c = cur_make(area->at + at, area->len - (size_t)at);
	for (unsigned n = 0; n < ASN1_ELEMENTS && cur_left(&c) > 0; n++) {
		struct element element;

		if (!read_element(&c, &element))
			return false;
		if (is_odd(option, &element, c))
			return true;
		if (!element.constructed) /* of those that are, the elements inside come next */
			cur_skip(&c, element.len);
	}
	return false;
}

/* ------------------------------------------------------------------ Sun RPC (RFC 5531, 9) */

static bool is_call(const struct image_option *option, struct cur c)
{
	uint32_t message, rpc, program, version, procedure;

	cur_skip(&c, 4); /* xid */
	message = cur_be32(&c);
	rpc = cur_be32(&c);
	program = cur_be32(&c);
	version = cur_be32(&c);
	procedure = cur_be32(&c);
	return cur_ok(&c) && message == 0 && rpc == 2 && program == option->rpc.program &&
	       (option->rpc.any_version || version == option->rpc.version) &&
	       (option->rpc.any_procedure || procedure == option->rpc.procedure);
}

bool oddity_rpc(const struct image_option *option, const struct area *area)
{
	struct cur c = cur_make(area->at, area->len);

	if (is_call(option, c))
		return true;
	cur_skip(&c, 4); /* over TCP a record mark comes first */
	return is_call(option, c);
}

/* ------------------------------------------------------------------ FTP bounce (RFC 2577) */

static bool read_octets(struct cur *c, uint8_t ret_octet[static 4])
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned octet = 0, digits = 0;

		while (cur_left(c) > 0 && *c->at >= '0' && *c->at <= '9' && digits++ < 3)
			octet = octet * 10 + (cur_u8(c) - '0');
		if (digits == 0 || octet > 255 || cur_u8(c) != ',')
			return false;
		ret_octet[i] = (uint8_t)octet;
	}
	return true;
}

/* PORT's argument stands at the cursor: is the address in it not that of who sends it? */
bool oddity_ftpbounce(const struct look *look, const struct area *area, int64_t cursor)
{
	uint8_t octet[4];
	struct ip named;
	struct cur c;

	if (cursor < 0 || cursor > area->len || !look->unit->packet)
		return false;
	c = cur_make(area->at + cursor, area->len - (size_t)cursor);
	while (cur_left(&c) > 0 && *c.at == ' ')
		cur_skip(&c, 1);
	if (!read_octets(&c, octet))
		return false;
	named = ip_from_v4(octet);
	return !ip_equal(&named, &look->unit->packet->src);
}

/* ------------------------------------------------------------------ Base64 (RFC 4648) */

static int value_of(uint8_t byte)
{
	if (byte >= 'A' && byte <= 'Z')
		return byte - 'A';
	if (byte >= 'a' && byte <= 'z')
		return byte - 'a' + 26;
	if (byte >= '0' && byte <= '9')
		return byte - '0' + 52;
	return byte == '+' ? 62 : byte == '/' ? 63 : -1;
}

uint32_t oddity_base64(
	const uint8_t *bytes, uint32_t len, bool rfc2045, uint8_t *ret, uint32_t room)
{
	uint32_t bits = 0, n_bits = 0, made = 0;

	for (uint32_t i = 0; i < len && made < room; i++) {
		int value = value_of(bytes[i]);

		if (value < 0) {
			if (rfc2045 && bytes[i] != '=') /* RFC 2045, 6.8: others are passed over */
				continue;
			break;
		}
		bits = bits << 6 | (uint32_t)value;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			ret[made++] = (uint8_t)(bits >> n_bits);
		}
	}
	return made;
}
