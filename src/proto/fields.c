/* SPDX-License-Identifier: Apache-2.0 */
/* Everything grows by doubling, in memory charged to the connection. */
#include "proto/fields.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Room for `need` elements of `size` bytes in all. */
static bool grow(struct proto_conn *conn, void **memory, uint32_t *room, size_t need, size_t size)
{
	uint32_t more = *room ? *room : 16;
	void *bigger;

	if (need <= *room)
		return true;
	if (need > PROTO_CONN_BYTES_MAX)
		return false;
	while (more < need)
		more *= 2;
	bigger = proto_alloc(conn, more * size);
	if (!bigger)
		return false;
	if (*room)
		memcpy(bigger, *memory, *room * size);
	proto_free(conn, *memory, *room * size);
	*memory = bigger;
	*room = more;
	return true;
}

struct proto_fields *proto_fields_new(struct proto_conn *conn, const char *name)
{
	struct proto_fields *f = proto_alloc(conn, sizeof(*f));

	if (f)
		*f = (struct proto_fields){ .conn = conn, .name = name, .close = "}" };
	return f;
}

void proto_fields_free(void *fields)
{
	struct proto_fields *f = fields;

	if (!f)
		return;
	while (f->files) {
		struct proto_fields_file *file = f->files;

		f->files = file->next;
		proto_body_free(f->conn, &file->body);
		proto_free(f->conn, file, sizeof(*file));
	}
	proto_free(f->conn, f->bytes, f->bytes_room);
	proto_free(f->conn, f->field, f->fields_room * sizeof(*f->field));
	proto_free(f->conn, f->number, f->numbers_room * sizeof(*f->number));
	proto_free(f->conn, f->text, f->text_room);
	proto_free(f->conn, f->sub, f->sub_room);
	proto_free(f->conn, f, sizeof(*f));
}

struct proto_tx *proto_fields_tx(struct proto_conn *conn, const char *name)
{
	struct proto_fields *f = proto_fields_new(conn, name);
	struct proto_tx *tx = f ? proto_tx_new(conn, f) : NULL;

	if (!tx)
		proto_fields_free(f);
	return tx;
}

static bool add_bytes(struct proto_fields *f, const void *bytes, size_t len)
{
	if (!grow(f->conn, (void **)&f->bytes, &f->bytes_room, f->bytes_len + len, 1))
		return false;
	if (len)
		memcpy(f->bytes + f->bytes_len, bytes, len);
	f->bytes_len += (uint32_t)len;
	return true;
}

bool proto_fields_add(
	struct proto_fields *f, enum proto_buffer_id id, const void *bytes, size_t len)
{
	uint32_t at = f->bytes_len;

	if (f->n_fields == FIELDS_MAX ||
		!grow(f->conn, (void **)&f->field, &f->fields_room, f->n_fields + 1,
			sizeof(*f->field)) ||
		!add_bytes(f, bytes, len))
		return false;
	f->field[f->n_fields++] = (struct proto_field){ .buffer = (uint16_t)id,
		.sides = f->sides ? f->sides : proto_buffer_info(id)->sides,
		.at = at,
		.len = (uint32_t)len };
	return true;
}

void proto_fields_add_text(struct proto_fields *f, enum proto_buffer_id id, const char *text)
{
	proto_fields_add(f, id, text, strlen(text));
}

void proto_fields_add_number(struct proto_fields *f, enum proto_number_id id, uint64_t value)
{
	if (f->n_numbers == FIELDS_MAX || !grow(f->conn, (void **)&f->number, &f->numbers_room,
						  f->n_numbers + 1, sizeof(*f->number)))
		return;
	f->number[f->n_numbers++] =
		(struct proto_field_number){ .id = (uint16_t)id, .value = value };
}

static struct proto_field *find(
	const struct proto_fields *f, enum proto_buffer_id id, unsigned n, uint8_t sides)
{
	for (uint32_t i = 0; i < f->n_fields; i++)
		if (f->field[i].buffer == id && f->field[i].sides & sides && n-- == 0)
			return &f->field[i];
	return NULL;
}

void proto_fields_append(
	struct proto_fields *f, enum proto_buffer_id id, const void *bytes, size_t len)
{
	struct proto_field *field = find(f, id, 0, f->sides ? f->sides : 3);
	uint32_t at = f->bytes_len;

	if (!field) {
		proto_fields_add(f, id, bytes, len);
		return;
	}
	/* Bytes in the middle move to the end: only the last field grows in place. */
	if (field->at + field->len != at) {
		if (!grow(f->conn, (void **)&f->bytes, &f->bytes_room, at + field->len, 1))
			return;
		memcpy(f->bytes + at, f->bytes + field->at, field->len);
		f->bytes_len += field->len;
		field->at = at;
	}
	if (add_bytes(f, bytes, len))
		field->len += (uint32_t)len;
}

bool proto_fields_get_side(const struct proto_fields *f, enum proto_buffer_id id, unsigned n,
	uint8_t sides, struct proto_bytes *ret_bytes)
{
	const struct proto_field *field = find(f, id, n, sides);

	if (!field)
		return false;
	*ret_bytes =
		(struct proto_bytes){ .at = field->len ? f->bytes + field->at : (const uint8_t *)"",
			.len = field->len,
			.complete = true };
	return true;
}

bool proto_fields_get(const struct proto_fields *f, enum proto_buffer_id id, unsigned n,
	struct proto_bytes *ret_bytes)
{
	return proto_fields_get_side(f, id, n, 3, ret_bytes);
}

void proto_fields_say(struct proto_fields *f, const struct out *o)
{
	char **text = f->in_sub ? &f->sub : &f->text;
	uint32_t *len = f->in_sub ? &f->sub_len : &f->text_len;
	uint32_t *room = f->in_sub ? &f->sub_room : &f->text_room;

	if (!out_ok(o) || f->text_len + f->sub_len + o->len > FIELDS_JSON_MAX ||
		!grow(f->conn, (void **)text, room, *len + o->len, 1)) {
		f->cut = true;
		return;
	}
	if (o->len)
		memcpy(*text + *len, o->at, o->len);
	*len += (uint32_t)o->len;
}

bool proto_fields_said(const struct proto_fields *f)
{
	return f->in_sub ? f->sub_len : f->text_len;
}

void proto_fields_file_name(struct proto_fields_file *file, const void *name, size_t len)
{
	if (!file)
		return;
	file->name_len = len < FIELDS_NAME_MAX ? (uint32_t)len : FIELDS_NAME_MAX;
	if (file->name_len)
		memcpy(file->name, name, file->name_len);
}

/* Files that have ended are told of and forgotten if the connection holds much. */
static void make_room(struct proto_tx *tx)
{
	struct proto_fields *f = tx->data;

	if (proto_conn_bytes(f->conn) < FIELDS_FILES_BYTES)
		return;
	proto_tx_tell(tx);
	for (struct proto_fields_file *file = f->files; file; file = file->next) {
		struct proto_body rest = { .offset = file->body.offset + file->body.len,
			.complete = true };

		if (file->open)
			continue;
		proto_body_free(f->conn, &file->body);
		file->body = rest;
	}
}

struct proto_fields_file *proto_fields_file(
	struct proto_tx *tx, unsigned side, const void *name, size_t name_len)
{
	struct proto_fields *f = tx->data;
	struct proto_fields_file *file = NULL, **last = &f->files;

	make_room(tx);
	if (f->n_files < FIELDS_FILES_MAX)
		file = proto_alloc(f->conn, sizeof(*file));
	else
		proto_conn_limit(f->conn);
	if (!file)
		return NULL;
	*file = (struct proto_fields_file){ .side = (uint8_t)side, .number = f->n_files++ };
	file->open = true;
	proto_fields_file_name(file, name, name_len);
	while (*last)
		last = &(*last)->next;
	*last = file;
	return file;
}

struct proto_fields_file *proto_fields_file_around(struct proto_tx *tx, unsigned side)
{
	struct proto_fields_file *file = proto_fields_file(tx, side, NULL, 0);

	if (file)
		file->hidden = true;
	return file;
}

static void file_news(struct proto_tx *tx, struct proto_fields_file *file, uint64_t offset,
	const uint8_t *bytes, size_t len, bool end, bool cut)
{
	struct proto_file news = { .id = tx->state.id * FIELDS_FILES_MAX + file->number,
		.tx = tx,
		.name = file->name,
		.name_len = file->name_len,
		.side = file->side,
		.offset = offset,
		.size = file->size,
		.carried = file->carried,
		.end = end,
		.cut = cut };

	proto_tx_file(tx, &news, bytes, len);
	proto_tx_news(tx, file->side);
}

void proto_fields_file_add(
	struct proto_tx *tx, struct proto_fields_file *file, const uint8_t *bytes, size_t len)
{
	uint64_t missing = file ? file->missing : 0;

	if (!file || !len)
		return;
	file->missing = 0;
	proto_fields_file_put(tx, file, file->size + missing, bytes, len);
}

void proto_fields_file_skip(struct proto_fields_file *file, uint64_t len)
{
	if (file)
		file->missing += len;
}

void proto_fields_file_put(struct proto_tx *tx, struct proto_fields_file *file, uint64_t offset,
	const uint8_t *bytes, size_t len)
{
	if (!file || !file->open || !len || offset > UINT64_MAX - len)
		return;
	file->carried += len;
	if (file->size < offset + len)
		file->size = offset + len;
	if (!file->hidden)
		proto_body_add_within(tx->conn, &file->body, bytes, len, FIELDS_FILES_BYTES);
	file_news(tx, file, offset, bytes, len, false, false);
}

void proto_fields_file_end(struct proto_tx *tx, struct proto_fields_file *file, bool cut)
{
	if (!file || !file->open)
		return;
	file->open = false;
	file->body.complete = true;
	file_news(tx, file, file->size, NULL, 0, true, cut || file->missing);
}

/* Files that the side whose news are told has sent. */
static const struct proto_fields_file *find_file(const struct proto_tx *tx, unsigned n)
{
	const struct proto_fields *f = tx->data;

	for (const struct proto_fields_file *file = f->files; file; file = file->next)
		if (file->side == tx->side && !file->hidden && n-- == 0)
			return file;
	return NULL;
}

static bool file_buffer(
	struct proto_tx *tx, enum proto_buffer_id id, unsigned n, struct proto_bytes *ret_bytes)
{
	const struct proto_fields_file *file = find_file(tx, n);

	if (!file)
		return false;
	if (id == BUFFER_FILE_DATA)
		*ret_bytes = proto_body_bytes(&file->body);
	else
		*ret_bytes = (struct proto_bytes){
			.at = (const uint8_t *)file->name, .len = file->name_len, .complete = true
		};
	return true;
}

void *proto_no_state_open(struct proto_conn *conn)
{
	return conn;
}

void proto_no_state_close(void *state)
{
	(void)state;
}

bool proto_fields_buffer(
	struct proto_tx *tx, enum proto_buffer_id id, unsigned n, struct proto_bytes *ret_bytes)
{
	if (id == BUFFER_FILE_DATA || id == BUFFER_FILE_NAME)
		return file_buffer(tx, id, n, ret_bytes);
	return proto_fields_get_side(tx->data, id, n, (uint8_t)(1u << tx->side), ret_bytes);
}

bool proto_fields_number(
	struct proto_tx *tx, enum proto_number_id id, unsigned n, uint64_t *ret_number)
{
	const struct proto_fields *f = tx->data;

	for (uint32_t i = 0; i < f->n_numbers; i++)
		if (f->number[i].id == id && n-- == 0) {
			*ret_number = f->number[i].value;
			return true;
		}
	return false;
}

/* What was to stand in front may have had no room: commas stand between what is there. */
static void put_text(struct out *o, struct cur text, bool behind)
{
	if (cur_left(&text) && cur_ahead(text, 0) == ',')
		cur_skip(&text, 1);
	if (behind && cur_left(&text))
		out_char(o, ',');
	out_bytes(o, (const char *)text.at, cur_left(&text));
}

bool proto_fields_json(struct proto_tx *tx, struct out *o)
{
	const struct proto_fields *f = tx->data;
	struct cur text = cur_make(f->text, f->text_len), sub = cur_make(f->sub, f->sub_len);
	bool cut = f->cut && f->name;

	if (!f->text_len && !cut)
		return false;
	if (f->name)
		out_fmt(o, "\"%s\":{", f->name);
	if (cut)
		json_bool(o, "cut", true);
	put_text(o, text, cut);
	if (f->sub_len) {
		json_open(o, f->sub_name, '{');
		put_text(o, sub, false);
		json_close(o, '}');
	}
	if (f->name)
		out_str(o, f->text_len ? f->close : "}");
	return true;
}

struct cur text_trim(struct cur c)
{
	while (cur_left(&c) && isspace(c.at[0]))
		c.at++;
	while (cur_left(&c) && isspace(c.end[-1]))
		c.end--;
	return c;
}

int text_hex_digit(uint8_t c)
{
	return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

bool text_is(struct cur c, const char *word)
{
	return cur_left(&c) == strlen(word) &&
	       strncasecmp((const char *)c.at, word, strlen(word)) == 0;
}

bool text_begins(struct cur c, const char *word)
{
	size_t len = strlen(word);

	return cur_left(&c) >= len && strncasecmp((const char *)c.at, word, len) == 0;
}

bool text_same(struct cur a, struct cur b)
{
	return cur_left(&a) == cur_left(&b) &&
	       (!cur_left(&a) || memcmp(a.at, b.at, cur_left(&a)) == 0);
}

bool text_has(struct cur c, const char *text)
{
	return cur_left(&c) && memmem(c.at, cur_left(&c), text, strlen(text));
}

struct cur text_until(struct cur *c, char stop)
{
	const uint8_t *end = cur_left(c) ? memchr(c->at, stop, cur_left(c)) : NULL;
	struct cur part = cur_sub(c, end ? (size_t)(end - c->at) : cur_left(c));

	cur_skip(c, end ? 1 : 0);
	return part;
}

static bool is_text_byte(uint8_t byte)
{
	return byte >= ' ' || memchr("\a\b\t\n\v\f\r\x1b\3\4", byte, 10);
}

bool text_is_all(struct cur c)
{
	while (cur_left(&c))
		if (!is_text_byte(cur_u8(&c)))
			return false;
	return true;
}

/* Terminals send NULs, and other character sets are text as a whole only. */
struct cur text_behind_code(struct cur c)
{
	struct cur rest = cur_make(c.end, 0);

	while (rest.at > c.at && rest.at[-1] < 0x80 && (!rest.at[-1] || is_text_byte(rest.at[-1])))
		rest.at--;
	if (rest.at == c.at || (text_is_all(c) && out_is_utf8((const char *)c.at, cur_left(&c))))
		return c;
	text_until(&rest, '\n');
	return rest;
}

void text_skip_blanks(struct cur *c)
{
	while (cur_left(c) && (!c->at[0] || isspace(c->at[0])))
		cur_skip(c, 1);
}

struct cur text_word(struct cur *c)
{
	struct cur word;

	text_skip_blanks(c);
	word = *c;
	while (cur_left(c) && c->at[0] && !isspace(c->at[0]))
		cur_skip(c, 1);
	word.end = c->at;
	if (cur_left(c) && c->at[0])
		cur_skip(c, 1);
	return word;
}

struct cur text_zero(struct cur *c)
{
	const uint8_t *end = cur_left(c) ? memchr(c->at, '\0', cur_left(c)) : NULL;
	struct cur part = cur_sub(c, end ? (size_t)(end - c->at) : cur_left(c));

	cur_skip(c, 1);
	return part;
}

size_t text_line(const uint8_t *bytes, size_t len, size_t max, bool end, struct cur *ret_line,
	bool *ret_whole)
{
	const uint8_t *stop = len ? memchr(bytes, '\n', len) : NULL;
	size_t n = stop ? (size_t)(stop - bytes) : len;

	*ret_whole = stop && n <= max;
	if (n > max)
		n = max;
	else if (!stop && !end)
		return 0;
	*ret_line = cur_make(bytes, n);
	if (!*ret_whole)
		return n;
	if (n && ret_line->end[-1] == '\r')
		ret_line->end--;
	return n + 1;
}

void text_lines_gap(struct text_lines *lines)
{
	lines->lost |= !lines->skips;
	lines->skips = true;
}

bool text_lines_take(struct text_lines *lines, bool looks, bool whole)
{
	bool takes = lines->lost ? looks : !lines->skips;

	lines->lost = false;
	lines->skips = !whole;
	return takes;
}

void text_wide(struct out *o, struct cur c, bool wide)
{
	while (cur_left(&c) && o->len + 4 < o->size) {
		unsigned u = wide ? cur_le16(&c) : cur_u8(&c);

		if (!cur_ok(&c) || u == 0)
			break;
		if (u < 0x80) {
			out_char(o, (char)u);
		} else if (u < 0x800) {
			out_char(o, (char)(0xc0 | u >> 6));
			out_char(o, (char)(0x80 | (u & 63)));
		} else if (u >= 0xd800 && u < 0xe000) {
			out_char(o, '?');
		} else {
			out_char(o, (char)(0xe0 | u >> 12));
			out_char(o, (char)(0x80 | (u >> 6 & 63)));
			out_char(o, (char)(0x80 | (u & 63)));
		}
	}
}

void text_name_read(struct cur c, bool wide, struct text_name *ret_name)
{
	struct out o = out_make(ret_name->text, sizeof(ret_name->text));

	text_wide(&o, c, wide);
	ret_name->len = (uint32_t)o.len;
}

void json_name(struct out *o, const char *name)
{
	char last = o->len ? o->at[o->len - 1] : '{';

	if (last != '{' && last != '[' && last != ',')
		out_char(o, ',');
	if (name) {
		out_json_text(o, name, strlen(name));
		out_char(o, ':');
	}
}

void json_open(struct out *o, const char *name, char bracket)
{
	json_name(o, name);
	out_char(o, bracket);
}

void json_close(struct out *o, char bracket)
{
	out_char(o, bracket);
}

void json_text(struct out *o, const char *name, const void *bytes, size_t len)
{
	json_name(o, name);
	out_json_text(o, bytes, len);
}

void json_str(struct out *o, const char *name, const char *str)
{
	json_text(o, name, str, strlen(str));
}

void json_upper(struct out *o, const char *name, struct cur word)
{
	char text[32];
	size_t len = 0;

	while (cur_left(&word) && len < sizeof(text))
		text[len++] = (char)toupper(cur_u8(&word));
	json_text(o, name, text, len);
}

#define ITEM_ESCAPED 6  /* a byte of it as \uXXXX */
#define ITEM_ROOM    32 /* quotes, a comma, and brackets to come */

void json_item(struct out *o, struct cur text)
{
	if (ITEM_ESCAPED * cur_left(&text) + ITEM_ROOM < o->size - o->len)
		json_text(o, NULL, text.at, cur_left(&text));
}

void json_u64(struct out *o, const char *name, uint64_t n)
{
	json_name(o, name);
	out_u64(o, n);
}

void json_bool(struct out *o, const char *name, bool value)
{
	json_name(o, name);
	out_str(o, value ? "true" : "false");
}

void json_ip(struct out *o, const char *name, struct cur *c, size_t len)
{
	char text[IP_TEXT_MAX];
	uint8_t v4[4];
	struct ip ip;

	if (len == 4) {
		cur_copy(c, v4, 4);
		ip = ip_from_v4(v4);
	} else {
		cur_copy(c, ip.byte, sizeof(ip.byte));
	}
	json_str(o, name, ip_text(&ip, text));
}

void json_hex(struct out *o, const char *name, const uint8_t *bytes, size_t len, char between)
{
	struct cur c = cur_make(bytes, len);

	json_name(o, name);
	out_char(o, '"');
	while (cur_left(&c)) {
		out_hex(o, cur_take(&c, 1), 1);
		if (cur_left(&c) && between)
			out_char(o, between);
	}
	out_char(o, '"');
}

void json_field(
	struct out *o, const char *name, const struct proto_fields *f, enum proto_buffer_id id)
{
	struct proto_bytes bytes;

	if (proto_fields_get(f, id, 0, &bytes))
		json_text(o, name, bytes.at, bytes.len);
}

void json_fields(struct out *o, const char *name, const struct proto_fields *f,
	enum proto_buffer_id id, size_t room)
{
	struct proto_bytes bytes;
	size_t begin = o->len;
	unsigned n = 0, told = 0;
	char count[64];

	if (!proto_fields_get(f, id, 0, &bytes))
		return;
	json_open(o, name, '[');
	for (; proto_fields_get(f, id, n, &bytes); n++)
		if (told == n && o->len - begin + ITEM_ESCAPED * (size_t)bytes.len < room) {
			json_text(o, NULL, bytes.at, bytes.len);
			told++;
		}
	json_close(o, ']');
	if (told == n)
		return;
	snprintf(count, sizeof(count), "%s_count", name);
	json_u64(o, count, n);
}
