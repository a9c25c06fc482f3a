/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gQUIC, versions Q039 to Q046 ("QUIC Wire Layout Specification" and "QUIC Crypto", Google, 2016): a CHLO is a
 * list of tags in the packet's first stream frame. CYU is its fingerprint (github salesforce/GQUIC_Protocol_Analyzer).
 */
#include "proto/quic.h"
#include "proto/x509.h"

#define TAGS_MAX 128
#define HASH_SIZE \
	12 /* in front of the frames: they are not encrypted, but protected against chance */

enum { FLAG_VERSION = 0x01, FLAG_NONCE = 0x04, FLAG_ID = 0x08, FLAG_LONG = 0x80 };
enum { FRAME_STREAM = 0x80, FRAME_HAS_LENGTH = 0x20 };

/* Q039, Q043 to Q046: the last two digits; 0: something else. */
static unsigned version_of(struct cur c)
{
	unsigned tens = cur_ahead(c, 2) - '0', ones = cur_ahead(c, 3) - '0', number;

	if (cur_left(&c) < 4 || memcmp(c.at, "Q0", 2) != 0 || tens > 9 || ones > 9)
		return 0;
	number = 10 * tens + ones;
	return number == 39 || (number >= 43 && number <= 46) ? number : 0;
}

/* Up to the version, which follows. */
static bool skip_to_version(struct cur *c, uint8_t *ret_flags)
{
	uint8_t flags = cur_u8(c);

	if (!(flags & FLAG_LONG)) {
		if (!(flags & FLAG_VERSION))
			return false;
		cur_skip(c, flags & FLAG_ID ? 8 : flags & FLAG_NONCE ? 32 : 0);
	}
	*ret_flags = flags;
	return cur_ok(c) && version_of(*c);
}

/* How long an id is: half a byte says it. */
static unsigned id_len(unsigned code)
{
	return code ? code + 3 : 0;
}

/* Up to the frames. */
static bool skip_header(struct cur *c, struct cur *ret_version)
{
	uint8_t flags, lengths;

	if (!skip_to_version(c, &flags))
		return false;
	*ret_version = cur_sub(c, 4);
	if (flags & FLAG_LONG) {
		lengths = cur_u8(c);
		cur_skip(c, id_len(lengths >> 4) + id_len(lengths & 15) + 4);
	} else {
		cur_skip(c, 1u + (flags >> 4 & 3));
	}
	cur_skip(c, HASH_SIZE);
	return cur_ok(c);
}

/* What a stream frame carries, if that is the first one and begins a CHLO. */
static bool find_hello(struct cur *c)
{
	uint8_t type = cur_u8(c);
	unsigned offset = type >> 2 & 7;

	if (!(type & FRAME_STREAM))
		return false;
	cur_skip(c, 1u + (type & 3) + (offset ? offset + 1 : 0));
	if (type & FRAME_HAS_LENGTH)
		cur_limit(c, cur_be16(c));
	return cur_left(c) > 4 && memcmp(cur_take(c, 4), "CHLO", 4) == 0;
}

static void say_cyu(struct proto_fields *f, const struct out *text)
{
	char hash[40];
	struct out hex = out_make(hash, sizeof(hash));

	proto_fields_add(f, BUFFER_QUIC_CYU_STRING, text->at, text->len);
	if (hash_hex(HASH_MD5, text->at, text->len, 0, &hex))
		proto_fields_add(f, BUFFER_QUIC_CYU_HASH, hash, hex.len);
}

/* The tags first, each with where its value ends; then the values. */
static void read_tags(struct cur c, struct cur version, struct proto_fields *f)
{
	char text[16 + 5 * TAGS_MAX];
	struct out o = out_make(text, sizeof(text));
	unsigned n = cur_le16(&c), begin = 0;
	struct cur tags, values;

	cur_skip(&c, 2);
	tags = cur_sub(&c, 8 * (n < TAGS_MAX ? n : TAGS_MAX));
	cur_skip(&c, n > TAGS_MAX ? 8 * (n - TAGS_MAX) : 0);
	out_bytes(&o, (const char *)version.at + 2, 2);
	for (unsigned i = 0; cur_left(&tags) >= 8; i++) {
		struct cur tag = cur_sub(&tags, 4);
		uint32_t end = cur_le32(&tags);
		struct cur value = c;

		while (cur_left(&tag) && tag.end[-1] == 0)
			cur_limit(&tag, cur_left(&tag) - 1);
		out_char(&o, i ? '-' : ',');
		out_bytes(&o, (const char *)tag.at, cur_left(&tag));
		cur_skip(&value, begin);
		values = end >= begin ? cur_sub(&value, end - begin) : cur_make(NULL, 0);
		begin = end;
		if (text_is(tag, "SNI"))
			proto_fields_add(f, BUFFER_QUIC_SNI, values.at, cur_left(&values));
		else if (text_is(tag, "UAID"))
			proto_fields_add(f, BUFFER_QUIC_UA, values.at, cur_left(&values));
	}
	say_cyu(f, &o);
}

bool quic_google_is(struct cur packet)
{
	uint8_t flags;

	return skip_to_version(&packet, &flags);
}

bool quic_google_read(struct cur packet, struct proto_fields *fields)
{
	struct cur version;

	if (!skip_header(&packet, &version) || !find_hello(&packet))
		return false;
	proto_fields_add(fields, BUFFER_QUIC_VERSION, version.at, 4);
	read_tags(packet, version, fields);
	return true;
}
