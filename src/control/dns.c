/* SPDX-License-Identifier: Apache-2.0 */
#include "control/dns.h"

#include <string.h>

#include "base/cur.h"

enum {
	NAME_MAX_BYTES = 255, /* RFC 1035, 2.3.4 */
	LABELS_MAX = NAME_MAX_BYTES / 2,
	DOMAIN_LABELS = 2, /* taken for the registered domain: nobody tunnels in it */
	TYPE_NULL = 10,
	TYPE_OPT = 41,
	TYPE_TSIG = 250,
	CLASS_IN = 1,
	CLASS_ANY = 255,
	OPTION_PADDING = 12, /* RFC 7830 */
	FLAG_RESPONSE = 0x8000,
	FLAG_OPCODE = 0x7800,
	FLAG_DO = 0x8000,
};

/* Chosen with the names and the tunnels of tests/unit/test_dns.c. */
enum {
	FRONT_MIN = 24, /* characters; fewer are not judged */
	ODD_MAX = 31,   /* characters in pieces that are neither words nor hexadecimal */
	HEX_MAX = 40,   /* characters in hexadecimal pieces; a GUID has 32 */
	HEX_PIECE_MAX = 31,
	SELECTOR_MAX = 32, /* of a DKIM key (RFC 6376), which is often a hash */
};

struct label {
	uint8_t at, len;
};

/* In lower case: the case of letters says nothing, and some resolvers vary it. */
struct name {
	char text[NAME_MAX_BYTES];
	unsigned n, n_text;
	struct label label[LABELS_MAX];
};

/* How often each character is there. */
struct sample {
	unsigned n;
	uint8_t count[128];
};

/* What stands in front of the registered domain. */
struct front {
	struct sample odd;
	unsigned n, hex, hex_piece;
};

/* log2 in 1/65536 bit, rounded down, by repeated squaring; n > 0. */
static uint32_t log2_of(uint32_t n)
{
	uint32_t result = 31 - (uint32_t)__builtin_clz(n);
	uint64_t x = (uint64_t)n << (31 - result);

	for (unsigned i = 0; i < 16; i++) {
		x = x * x >> 31;
		result = result << 1 | (uint32_t)(x >> 32);
		x >>= x >> 32;
	}
	return result;
}

/* More than so many 1/10 bit a character (Shannon)? Not for an empty sample. */
static bool has_entropy(const struct sample *s, unsigned tenths)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < sizeof(s->count); i++)
		if (s->count[i] > 1)
			sum += (uint64_t)s->count[i] * log2_of(s->count[i]);
	return ((uint64_t)s->n * log2_of(s->n) - sum) * 10 > (uint64_t)s->n * tenths << 16;
}

static void add(struct sample *s, char c)
{
	s->n++;
	s->count[(unsigned char)c & 127]++;
}

/* The 180 most frequent pairs of letters in English and in file names: 85 of 100 pairs there, 27 of
 * 100 in random letters. */
static bool is_common(char a, char b)
{
	static const char *const follow[26] = { "bcdgilmnprstux", "aelou", "aehiklortu", "aeios",
		"acdefglmnprstvx", "aefio", "ehilr", "aeiot", "abcdefglmnoprstvz", "", "e",
		"adeilostuy", "aeiop", "acdefgiostv", "cdlmnoprstuw", "aeiloprst", "u",
		"acdeimnorsty", "acehiopstu", "acehilorstuy", "belmnprst", "aei", "i", "t", "p",
		"e" };

	return a >= 'a' && a <= 'z' && b >= 'a' && b <= 'z' && strchr(follow[a - 'a'], b);
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Words, if half of its pairs are common ones. */
static void look_at_piece(struct front *f, const char *piece, unsigned len)
{
	unsigned common = 0, hex = 0;

	for (unsigned i = 0; i < len; i++) {
		hex += is_hex(piece[i]);
		common += i > 0 && is_common(piece[i - 1], piece[i]);
	}
	if (len > 1 && common * 2 >= len - 1)
		return;
	if (hex < len) {
		for (unsigned i = 0; i < len; i++)
			add(&f->odd, piece[i]);
		return;
	}
	f->hex += len;
	if (len > f->hex_piece)
		f->hex_piece = len;
}

static void look_at_label(struct front *f, const char *label, unsigned len)
{
	unsigned start = 0;

	f->n += len;
	for (unsigned i = 0; i <= len; i++)
		if (i == len || label[i] == '-' || label[i] == '_') {
			look_at_piece(f, label + start, i - start);
			start = i + 1;
		}
}

static bool is_selector(const struct name *name)
{
	static const char below[] = "_domainkey";
	const struct label *l = &name->label[1];

	return name->n > 1 && name->label[0].len <= SELECTOR_MAX && l->len == sizeof(below) - 1 &&
	       memcmp(name->text + l->at, below, l->len) == 0;
}

static bool is_tunnel(const struct name *name, unsigned tenths)
{
	struct front f = { 0 };

	for (unsigned i = is_selector(name); i + DOMAIN_LABELS < name->n; i++)
		look_at_label(&f, name->text + name->label[i].at, name->label[i].len);
	if (f.n < FRONT_MIN)
		return false;
	return f.hex > HEX_MAX || f.hex_piece > HEX_PIECE_MAX || f.odd.n > ODD_MAX ||
	       (f.odd.n >= FRONT_MIN && has_entropy(&f.odd, tenths));
}

static enum dns_fault read_label(struct cur *c, unsigned len, struct name *name)
{
	struct cur text = cur_sub(c, len);

	if (!cur_ok(&text))
		return DNS_SHORT;
	name->label[name->n++] = (struct label){ (uint8_t)name->n_text, (uint8_t)len };
	while (cur_left(&text)) {
		uint8_t byte = cur_u8(&text);

		if (byte < ' ' || byte > '~')
			return DNS_BYTES;
		name->text[name->n_text++] = (char)(byte >= 'A' && byte <= 'Z' ? byte | 32 : byte);
	}
	return DNS_FINE;
}

/* As sent a name has a length byte for each label and one of zero. */
static enum dns_fault read_name(struct cur *c, unsigned max, struct name *ret_name)
{
	enum dns_fault fault = DNS_FINE;

	if (max > NAME_MAX_BYTES)
		max = NAME_MAX_BYTES;
	ret_name->n = ret_name->n_text = 0;
	while (fault == DNS_FINE) {
		uint8_t len = cur_u8(c);

		if (!cur_ok(c))
			return DNS_SHORT;
		if (len == 0)
			break;
		if (len & 0xc0)
			return DNS_LABEL;
		if (ret_name->n_text + ret_name->n + 1u + len + 1u > max)
			return DNS_NAME_LONG;
		fault = read_label(c, len, ret_name);
	}
	return fault;
}

static enum dns_fault look_at_head(struct cur *c, unsigned *ret_extra)
{
	uint16_t flags, extra;
	uint64_t counts;

	cur_skip(c, 2);
	flags = cur_be16(c);
	counts = cur_be32(c);
	counts = counts << 16 | cur_be16(c);
	extra = cur_be16(c);
	if (!cur_ok(c))
		return DNS_SHORT;
	if (flags & FLAG_RESPONSE)
		return DNS_RESPONSE;
	if (flags & FLAG_OPCODE)
		return DNS_OPCODE;
	if (flags & 0x06cf) /* AA, TC, RA, Z, RCODE; of a query are RD, AD, CD */
		return DNS_FLAGS;
	if (counts != (uint64_t)1 << 32 || extra > 2)
		return DNS_COUNTS;
	*ret_extra = extra;
	return DNS_FINE;
}

/* Data types; RFC 6895, 3.1: from 128 on meta types, which are questions only, and from 65280 on
 * private ones. URI, CAA and their neighbours are 256..261, TA and DLV 32768 and 32769. */
static bool is_type(uint16_t type)
{
	if (type == TYPE_NULL || type == TYPE_OPT)
		return false;
	return (type >= 1 && type < 128) || (type >= 256 && type <= 261) ||
	       (type >= 32768 && type <= 32769);
}

static enum dns_fault look_at_question(struct cur *c, const struct dns_guard *guard)
{
	struct name name;
	enum dns_fault fault = read_name(c, guard->name_max, &name);
	uint16_t type, class;

	if (fault != DNS_FINE)
		return fault;
	type = cur_be16(c);
	class = cur_be16(c);
	if (!cur_ok(c))
		return DNS_SHORT;
	if (!is_type(type))
		return DNS_TYPE;
	if (class != CLASS_IN)
		return DNS_CLASS;
	return is_tunnel(&name, guard->entropy_tenths) ? DNS_TUNNEL : DNS_FINE;
}

static enum dns_fault look_at_options(struct cur c)
{
	if (cur_left(&c) > DNS_OPTIONS_MAX)
		return DNS_OPTION;
	while (cur_left(&c)) {
		uint16_t code = cur_be16(&c), len = cur_be16(&c);
		struct cur data = cur_sub(&c, len);

		if (!cur_ok(&c))
			return DNS_EXTRA;
		while (code == OPTION_PADDING && cur_left(&data))
			if (cur_u8(&data) != 0)
				return DNS_OPTION;
	}
	return DNS_FINE;
}

/* EDNS, then a signature; each once. */
static enum dns_fault look_at_extra(
	struct cur *c, const struct dns_guard *guard, bool last, bool first)
{
	struct name owner;
	enum dns_fault fault = read_name(c, guard->name_max, &owner);
	uint16_t type = cur_be16(c), class = cur_be16(c);
	uint32_t ttl = cur_be32(c);
	struct cur data = cur_sub(c, cur_be16(c));

	if (fault != DNS_FINE)
		return fault;
	if (!cur_ok(c))
		return DNS_SHORT;
	if (type == TYPE_OPT && first && owner.n == 0 && (ttl & ~(uint32_t)FLAG_DO) == 0)
		return look_at_options(data);
	if (type == TYPE_TSIG && last && class == CLASS_ANY && ttl == 0)
		return cur_left(&data) > DNS_TSIG_MAX ? DNS_OPTION : DNS_FINE;
	return DNS_EXTRA;
}

static enum dns_fault look_at_message(struct cur c, const struct dns_guard *guard)
{
	unsigned extra = 0;
	enum dns_fault fault = look_at_head(&c, &extra);

	if (fault == DNS_FINE)
		fault = look_at_question(&c, guard);
	for (unsigned i = 0; fault == DNS_FINE && i < extra; i++)
		fault = look_at_extra(&c, guard, i + 1 == extra, i == 0);
	if (fault == DNS_FINE && cur_left(&c))
		fault = DNS_TRAILING;
	return fault;
}

static struct cur next_message(struct cur *c)
{
	return cur_sub(c, cur_be16(c));
}

static enum dns_fault look_at_segment(struct cur c, const struct dns_guard *guard)
{
	enum dns_fault fault = DNS_LENGTH;
	unsigned n = 0;

	do {
		struct cur message = next_message(&c);

		if (!cur_ok(&c) || n++ == DNS_PIPELINE_MAX)
			return DNS_LENGTH;
		fault = look_at_message(message, guard);
	} while (fault == DNS_FINE && cur_left(&c));
	return fault;
}

enum dns_fault dns_question_look(
	const uint8_t *payload, size_t len, bool tcp, const struct dns_guard *guard)
{
	struct cur c = cur_make(payload, len);

	return tcp ? look_at_segment(c, guard) : look_at_message(c, guard);
}

unsigned dns_question_count(const uint8_t *payload, size_t len)
{
	struct cur c = cur_make(payload, len);
	unsigned n = 1;

	for (next_message(&c); cur_ok(&c) && cur_left(&c) && n < DNS_PIPELINE_MAX; n++)
		next_message(&c);
	return n;
}

const char *dns_fault_name(enum dns_fault fault)
{
	static const char *const names[DNS_FAULT_COUNT] = { "fine", "short", "length", "response",
		"opcode", "flags", "counts", "label", "name-long", "bytes", "type", "class",
		"extra", "option", "trailing", "tunnel" };

	return names[fault < DNS_FAULT_COUNT ? fault : DNS_FINE];
}
