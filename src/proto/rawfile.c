/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files over TCP connections that no protocol claims, as `nc` sends them: all that a side says, if it begins as files
 * of a known type do (rawfile_type.def), or does so behind one line of text, or behind its size as a number of four
 * bytes (the stages of Metasploit's programs). What is of no such type is a file if its receiver says nothing at all
 * until both have ended: text, or much of anything else.
 */
#include "proto/fields.h"

#include <ctype.h>

#define RAW_SIZE_MIN   64u       /* of a file behind its size */
#define RAW_SIZE_MAX   0xffffffu /* so that one of its bytes is 0 */
#define RAW_HEAD_MAX   256u      /* bytes of a line in front of the file */
#define RAW_SCRIPT_MAX 256u      /* bytes of the line that names a script's interpreter */
#define RAW_TEXT_MIN   64u       /* bytes of a file without a type: text of more than a line */
#define RAW_DATA_MIN   1024u     /* and others: less may be an attack that has failed */
#define RAW_SILENT_MAX (PROTO_PENDING_MAX / 2) /* with so much, the end is not waited for */
#define RAW_PE_MAX     1024u /* where the second header of a PE file is, at most */

/* Of what is here of a file, whose magic fits. */
typedef enum proto_guess raw_check(struct cur c);

static enum proto_guess guess_of(const struct cur *c, bool is)
{
	return !cur_ok(c) ? PROTO_MAY_BE : is ? PROTO_IS : PROTO_IS_NOT;
}

/* System V ABI: class, byte order, version. */
static enum proto_guess is_elf(struct cur c)
{
	uint8_t class, order, version;

	cur_skip(&c, 4);
	class = cur_u8(&c);
	order = cur_u8(&c);
	version = cur_u8(&c);
	return guess_of(
		&c, (class == 1 || class == 2) && (order == 1 || order == 2) && version == 1);
}

/* Behind the program for DOS comes another one (PE/COFF, 2.2). */
static enum proto_guess is_pe(struct cur c)
{
	struct cur at = c;
	uint32_t offset;
	uint8_t second[2];

	cur_skip(&at, 0x3c);
	offset = cur_le32(&at);
	if (!cur_ok(&at))
		return PROTO_MAY_BE;
	if (offset < 0x40 || offset > RAW_PE_MAX)
		return PROTO_IS_NOT;
	cur_skip(&c, offset);
	cur_copy(&c, second, sizeof(second));
	return guess_of(&c, memcmp(second, "PE", 2) == 0 || memcmp(second, "NE", 2) == 0 ||
				    memcmp(second, "LE", 2) == 0);
}

/* JVMS, 4.1: the version; less is the number of programs in a Mach-O file. */
static enum proto_guess is_class(struct cur c)
{
	uint32_t version;

	cur_skip(&c, 4);
	version = cur_be32(&c);
	return guess_of(&c, (version & 0xffff) >= 45 && (version & 0xffff) < 100);
}

static enum proto_guess is_fat(struct cur c)
{
	uint32_t programs;

	cur_skip(&c, 4);
	programs = cur_be32(&c);
	return guess_of(&c, programs > 0 && programs < 20);
}

static enum proto_guess is_script(struct cur c)
{
	cur_skip(&c, 2);
	while (cur_ahead(c, 0) == ' ')
		cur_skip(&c, 1);
	if (!cur_left(&c))
		return PROTO_MAY_BE;
	if (cur_u8(&c) != '/')
		return PROTO_IS_NOT;
	for (unsigned i = 0; cur_left(&c) && i < RAW_SCRIPT_MAX; i++) {
		uint8_t byte = cur_u8(&c);

		if (byte == '\n')
			return PROTO_IS;
		if (byte < ' ' && byte != '\t' && byte != '\r')
			return PROTO_IS_NOT;
	}
	return cur_left(&c) ? PROTO_IS_NOT : PROTO_MAY_BE;
}

/* RFC 1952, 2.3.1: flags without the reserved ones. */
static enum proto_guess is_gzip(struct cur c)
{
	uint8_t flags;

	cur_skip(&c, 3);
	flags = cur_u8(&c);
	return guess_of(&c, flags < 0x20);
}

/* A block, or the end. */
static enum proto_guess is_bzip2(struct cur c)
{
	uint8_t level, magic[6];

	cur_skip(&c, 3);
	level = cur_u8(&c);
	cur_copy(&c, magic, sizeof(magic));
	return guess_of(&c, level >= '1' && level <= '9' &&
				    (memcmp(magic, "1AY&SY", 6) == 0 ||
					    memcmp(magic, "\x17\x72\x45\x38\x50\x90", 6) == 0));
}

static enum proto_guess is_compress(struct cur c)
{
	uint8_t bits;

	cur_skip(&c, 2);
	bits = cur_u8(&c);
	return guess_of(&c, (bits & 0x60) == 0 && (bits & 0x1f) >= 9 && (bits & 0x1f) <= 16);
}

/* The name of its first member. */
static enum proto_guess is_jar(struct cur c)
{
	uint8_t name[9];

	cur_skip(&c, 30);
	cur_copy(&c, name, sizeof(name));
	return guess_of(&c, memcmp(name, "META-INF/", sizeof(name)) == 0);
}

static enum proto_guess is_lha(struct cur c)
{
	uint8_t method, dash;

	cur_skip(&c, 5);
	method = cur_u8(&c);
	dash = cur_u8(&c);
	return guess_of(&c, isdigit(method) && dash == '-');
}

static enum proto_guess is_cpio(struct cur c)
{
	uint8_t kind, next;

	cur_skip(&c, 5);
	kind = cur_u8(&c);
	next = cur_u8(&c);
	return guess_of(&c, (kind == '1' || kind == '2' || kind == '7') && isxdigit(next));
}

static enum proto_guess is_jpeg(struct cur c)
{
	uint8_t marker;

	cur_skip(&c, 3);
	marker = cur_u8(&c);
	return guess_of(&c, marker >= 0xc0 && marker != 0xff && marker != 0xd8);
}

/* Two reserved words, and the size of the second header. */
static enum proto_guess is_bmp(struct cur c)
{
	uint32_t reserved, size;

	cur_skip(&c, 6);
	reserved = cur_le32(&c);
	cur_skip(&c, 4);
	size = cur_le32(&c);
	return guess_of(&c, reserved == 0 && (size == 12 || size == 40 || size == 64 ||
						     size == 108 || size == 124));
}

static enum proto_guess is_riff(struct cur c)
{
	uint8_t magic[4];

	cur_copy(&c, magic, sizeof(magic));
	return guess_of(&c, memcmp(magic, "RIFF", 4) == 0);
}

static enum proto_guess is_id3(struct cur c)
{
	uint8_t version, revision;

	cur_skip(&c, 3);
	version = cur_u8(&c);
	revision = cur_u8(&c);
	return guess_of(&c, version >= 2 && version <= 4 && revision == 0);
}

/* The size of the first box, which holds names of four letters only. */
static enum proto_guess is_mp4(struct cur c)
{
	uint32_t size = cur_be32(&c);

	return guess_of(&c, size >= 16 && size <= 256 && size % 4 == 0);
}

static enum proto_guess is_pcapng(struct cur c)
{
	uint8_t magic[4];

	cur_copy(&c, magic, sizeof(magic));
	return guess_of(&c, memcmp(magic, "\n\r\r\n", 4) == 0);
}

static const struct raw_type {
	const char *name, *magic;
	raw_check *check;
	uint16_t offset, len;
	bool sure;
} types[] = {
#define RAW_FILE(name, offset, magic, check, sure) \
	{ name, magic, check, offset, sizeof(magic) - 1, sure },
#include "proto/rawfile_type.def"
#undef RAW_FILE
};

#define N_TYPES (sizeof(types) / sizeof(types[0]))

static enum proto_guess guess_type(const struct raw_type *type, struct cur c)
{
	struct cur at = c;
	size_t n;

	if (cur_left(&c) <= type->offset)
		return PROTO_MAY_BE;
	cur_skip(&at, type->offset);
	n = cur_left(&at) < type->len ? cur_left(&at) : type->len;
	if (memcmp(at.at, type->magic, n) != 0)
		return PROTO_IS_NOT;
	if (n < type->len)
		return PROTO_MAY_BE;
	return type->check ? type->check(c) : PROTO_IS;
}

/* *ret_type: of PROTO_IS. A type further down must not win as long as one above may be it; at the `end` none may. */
static enum proto_guess find_type(
	struct cur c, bool sure, bool end, const struct raw_type **ret_type)
{
	bool may = false;

	for (size_t i = 0; i < N_TYPES; i++) {
		enum proto_guess answer = PROTO_IS_NOT;

		if (types[i].sure || !sure)
			answer = guess_type(&types[i], c);
		if (answer == PROTO_IS)
			*ret_type = &types[i];
		if (answer == PROTO_IS || (answer == PROTO_MAY_BE && !end && types[i].offset == 0))
			return answer;
		may |= answer == PROTO_MAY_BE;
	}
	return may && !end ? PROTO_MAY_BE : PROTO_IS_NOT;
}

/* The line in front, its end included. */
static enum proto_guess take_head(struct cur *c)
{
	for (unsigned i = 0; i < RAW_HEAD_MAX && cur_left(c); i++) {
		uint8_t byte = cur_u8(c);

		if (byte == '\n')
			return i > 0 ? PROTO_IS : PROTO_IS_NOT;
		if (!isprint(byte) && byte != '\t' && byte != '\r')
			return PROTO_IS_NOT;
	}
	return cur_left(c) ? PROTO_IS_NOT : PROTO_MAY_BE;
}

/* In either byte order, that of Metasploit first; 0: it is none. */
static uint32_t read_size(struct cur *c)
{
	struct cur other = *c;
	uint32_t little = cur_le32(c), big = cur_be32(&other);

	if (little >= RAW_SIZE_MIN && little <= RAW_SIZE_MAX)
		return little;
	return big >= RAW_SIZE_MIN && big <= RAW_SIZE_MAX ? big : 0;
}

/* The size in front. */
static enum proto_guess take_size(struct cur *c)
{
	uint32_t size = read_size(c);

	if (!cur_ok(c))
		return PROTO_MAY_BE;
	return size ? PROTO_IS : PROTO_IS_NOT;
}

static enum proto_guess find_behind(struct cur *c, enum proto_guess take(struct cur *c), bool end,
	const struct raw_type **ret_type)
{
	enum proto_guess head = take(c);

	return head == PROTO_IS ? find_type(*c, true, end, ret_type) : head;
}

/* What stands in front of a file: a line, or its size. */
struct raw_head {
	size_t len;
	bool is_size;
};

/* What a side's first bytes are. */
static enum proto_guess look_at(
	struct cur c, bool end, const struct raw_type **ret_type, struct raw_head *ret_head)
{
	enum proto_guess whole, behind, sized;
	struct cur body = c, sized_body = c;

	*ret_head = (struct raw_head){ 0 };
	whole = find_type(c, false, end, ret_type);
	if (whole == PROTO_IS)
		return PROTO_IS;
	behind = find_behind(&body, take_head, end, ret_type);
	sized = find_behind(&sized_body, take_size, end, ret_type);
	if (behind != PROTO_IS && sized == PROTO_IS) {
		behind = sized;
		body = sized_body;
		ret_head->is_size = true;
	}
	if (behind == PROTO_IS && (whole == PROTO_IS_NOT || end)) {
		ret_head->len = cur_left(&c) - cur_left(&body);
		return PROTO_IS;
	}
	return end || (whole == PROTO_IS_NOT && behind == PROTO_IS_NOT && sized == PROTO_IS_NOT)
		       ? PROTO_IS_NOT
		       : PROTO_MAY_BE;
}

struct raw_side {
	struct proto_tx *tx;
	struct proto_fields_file *file;
	uint64_t left; /* of it, as far as is known */
	bool over;     /* it is none, or has ended */
};

struct raw {
	struct proto_conn *conn;
	struct raw_side side[2];
	const struct raw_type *plain; /* of none that is known; NULL: of one that is */
};

/* Roles. */
enum plain { PLAIN_NOT, PLAIN_TEXT, PLAIN_DATA };
static const struct raw_type plain_types[] = {
	[PLAIN_TEXT] = { .name = "text" }, [PLAIN_DATA] = { .name = "data" }
};

static enum plain plain_of(struct cur c)
{
	if (cur_left(&c) >= RAW_TEXT_MIN && text_is_all(c))
		return memchr(c.at, '\n', cur_left(&c) - 1) ? PLAIN_TEXT : PLAIN_NOT;
	return cur_left(&c) >= RAW_DATA_MIN ? PLAIN_DATA : PLAIN_NOT;
}

static enum proto_guess plain_claim(
	const struct proto_flow_info *info, struct proto_unclaimed *unclaimed)
{
	unsigned sender = cur_left(&unclaimed->said[1]) > 0;
	struct cur c = unclaimed->said[sender];

	if (info->midstream || cur_left(&unclaimed->said[!sender]))
		return PROTO_IS_NOT;
	if (cur_left(&c) < RAW_SILENT_MAX && !(unclaimed->ended[0] && unclaimed->ended[1]))
		return PROTO_MAY_BE;
	unclaimed->role = (uint8_t)plain_of(c);
	return unclaimed->role == PLAIN_NOT ? PROTO_IS_NOT : PROTO_IS;
}

static enum proto_guess raw_claim(
	const struct proto_flow_info *info, struct proto_unclaimed *unclaimed)
{
	enum proto_guess best = PROTO_IS_NOT;

	for (unsigned side = 0; side < 2 && !info->midstream; side++) {
		const struct raw_type *type;
		enum proto_guess answer;
		struct raw_head head;

		if (!cur_left(&unclaimed->said[side]))
			continue;
		answer = look_at(unclaimed->said[side], unclaimed->ended[side], &type, &head);
		if (answer > best)
			best = answer;
	}
	return best;
}

static void *raw_open(struct proto_conn *conn)
{
	struct raw *raw = proto_alloc(conn, sizeof(*raw));
	unsigned role = proto_conn_role(conn);

	if (raw)
		*raw = (struct raw){ .conn = conn,
			.plain = role == PLAIN_NOT ? NULL : &plain_types[role] };
	return raw;
}

static void raw_close(void *state)
{
	struct raw *raw = state;

	proto_free(raw->conn, raw, sizeof(*raw));
}

static void begin(struct raw *raw, unsigned side, const struct raw_type *type, struct cur head)
{
	struct raw_side *s = &raw->side[side];
	char text[6 * RAW_HEAD_MAX + 64];
	struct out o = out_make(text, sizeof(text));

	s->tx = proto_fields_tx(raw->conn, "raw_file");
	if (!s->tx)
		return;
	s->left = UINT64_MAX;
	json_str(&o, "type", type->name);
	if (cur_left(&head) && !memchr(head.at, 0, cur_left(&head)))
		head = text_trim(head);
	else
		head = cur_make(NULL, 0);
	if (cur_left(&head))
		json_text(&o, "header", head.at, cur_left(&head));
	proto_fields_say(s->tx->data, &o);
	s->tx->state.done[!side] = true;
	s->file = proto_fields_file(s->tx, side, NULL, 0);
}

static void finish(struct raw *raw, unsigned side, bool cut)
{
	struct raw_side *s = &raw->side[side];

	s->over = true;
	if (!s->tx)
		return;
	proto_fields_file_end(s->tx, s->file, cut);
	proto_tx_done(s->tx, side);
}

/* Behind a stage of Metasploit comes TLS, for instance. */
static bool may_start_over(const struct raw *raw, unsigned side)
{
	const struct raw_side *other = &raw->side[!side];

	return (!other->tx || other->over) && !proto_conn_info(raw->conn)->doubted;
}

static size_t raw_feed(struct proto_conn *conn, void *state, unsigned side, const uint8_t *bytes,
	size_t len, bool end)
{
	struct raw *raw = state;
	struct raw_side *s = &raw->side[side];
	struct cur c = cur_make(bytes, len);

	if (!s->tx && !s->over && raw->plain) {
		if (cur_left(&c) && !raw->side[!side].tx && !raw->side[!side].over)
			begin(raw, side, raw->plain, cur_make(NULL, 0));
	} else if (!s->tx && !s->over) {
		const struct raw_type *type;
		struct raw_head head;
		enum proto_guess answer = look_at(c, end, &type, &head);

		if (answer == PROTO_MAY_BE)
			return 0;
		if (answer == PROTO_IS) {
			struct cur in_front = cur_sub(&c, head.len);

			begin(raw, side, type, in_front);
			if (head.is_size)
				s->left = read_size(&in_front);
		}
	}
	if (!s->tx || s->over)
		return SIZE_MAX;
	cur_limit(&c, s->left);
	s->left -= cur_left(&c);
	proto_fields_file_add(s->tx, s->file, c.at, cur_left(&c));
	if (end || !s->left)
		finish(raw, side, false);
	if (end || !s->over)
		return len;
	if (!may_start_over(raw, side))
		return SIZE_MAX;
	proto_conn_start_over(conn);
	return (size_t)(c.end - bytes);
}

static void raw_gap(struct proto_conn *conn, void *state, unsigned side, uint64_t len)
{
	struct raw_side *s = &((struct raw *)state)->side[side];

	if (s->tx && !s->over && len <= FIELDS_HOLE_MAX && len < s->left) {
		s->left -= len;
		proto_fields_file_skip(s->file, len);
		return;
	}
	finish(state, side, true);
	proto_conn_lose(conn, side);
}

/* A transaction may be ended from outside. */
static void raw_free_tx(void *fields)
{
	struct raw *raw = proto_conn_state(((struct proto_fields *)fields)->conn);

	for (unsigned side = 0; side < 2; side++)
		if (raw->side[side].tx && raw->side[side].tx->data == fields) {
			raw->side[side].tx = NULL;
			raw->side[side].over = true;
		}
	proto_fields_free(fields);
}

const struct proto_parser proto_raw_file = { .id = PROTO_RAW_FILE,
	.ip_proto = IPPROTO_TCP,
	.unnamed = true,
	.claim = raw_claim,
	.open = raw_open,
	.close = raw_close,
	.feed = raw_feed,
	.gap = raw_gap,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = raw_free_tx };

const struct proto_parser proto_raw_plain = { .id = PROTO_RAW_FILE,
	.ip_proto = IPPROTO_TCP,
	.unnamed = true,
	.claim = plain_claim,
	.open = raw_open,
	.close = raw_close,
	.feed = raw_feed,
	.gap = raw_gap,
	.buffer = proto_fields_buffer,
	.json = proto_fields_json,
	.free_tx = raw_free_tx };
