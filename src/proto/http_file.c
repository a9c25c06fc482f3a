/* SPDX-License-Identifier: Apache-2.0 */
/* Files: bodies of requests and responses, and parts of multipart bodies. */
#include "proto/http.h"

#include <strings.h>

void http_file_rename(
	struct http_tx *tx, struct http_file *file, const uint8_t *name, size_t name_len)
{
	if (name_len > HTTP_FILE_NAME_MAX) {
		proto_tx_add_event(tx->tx, "http.file_name_too_long");
		name_len = HTTP_FILE_NAME_MAX;
	}
	if (name_len)
		memcpy(file->called, name, name_len);
	file->name_len = (uint32_t)name_len;
}

struct http_file *http_file_open(
	struct http_tx *tx, unsigned side, const uint8_t *name, size_t name_len, bool whole_body)
{
	struct http_file *file;

	if (tx->n_files == HTTP_FILES_MAX) {
		proto_conn_limit(tx->http->conn);
		return NULL;
	}
	file = proto_alloc(tx->http->conn, sizeof(*file));
	if (!file)
		return NULL;
	http_file_rename(tx, file, name, name_len);
	file->whole = side ? http_whole_of(tx, &file->at) : NULL;
	file->id = file->whole ? file->whole->id : tx->http->next_file++;
	file->side = side;
	file->whole_body = whole_body;
	tx->n_files++;
	*tx->last_file = file;
	tx->last_file = &file->next;
	return file;
}

static void tell(struct http_tx *tx, const struct http_file *file, const uint8_t *bytes, size_t len)
{
	const struct proto_file piece = { .id = file->id,
		.tx = tx->tx,
		.name = file->called,
		.name_len = file->name_len,
		.side = file->side,
		.offset = (file->whole ? file->at : file->size) - len,
		.size = file->whole ? file->whole->size : file->size,
		.carried = file->whole ? file->whole->carried : file->carried,
		.end = file->ended,
		.cut = file->cut };

	proto_tx_file(tx->tx, &piece, bytes, len);
}

static void add_part(struct http_tx *tx, struct http_file *file, struct cur c)
{
	uint64_t at = file->at;
	bool fits;

	file->at += cur_left(&c);
	fits = http_whole_take(file->whole, &at, &c);
	if (fits)
		tell(tx, file, c.at, cur_left(&c));
}

void http_file_add(struct http_tx *tx, struct http_file *file, const uint8_t *bytes, size_t len)
{
	if (!file || file->ended || !len)
		return;
	if (file->whole) {
		add_part(tx, file, cur_make(bytes, len));
		return;
	}
	if (!file->whole_body)
		proto_body_add(tx->http->conn, &file->content, bytes, len);
	file->size += file->missing + len;
	file->carried += len;
	file->missing = 0;
	tell(tx, file, bytes, len);
}

void http_file_skip(struct http_file *file, uint64_t len)
{
	if (!file)
		return;
	file->missing += len;
	file->at += len;
}

/* The name is that of the first part. */
static void end_part(struct http_tx *tx, struct http_file *file)
{
	struct http_whole *whole = file->whole;

	if (!whole->name_len) {
		memcpy(whole->called, file->called, file->name_len);
		whole->name_len = file->name_len;
	}
	file->at = whole->size;
	file->cut = false;
	if (http_whole_leave(whole))
		tell(tx, file, NULL, 0);
	file->whole = NULL;
}

void http_file_end(struct http_tx *tx, struct http_file *file, bool cut)
{
	if (!file || file->ended)
		return;
	file->ended = file->content.complete = true;
	file->cut = cut || file->missing;
	if (file->whole)
		end_part(tx, file);
	else
		tell(tx, file, NULL, 0);
}

void http_file_free_all(struct http_tx *tx)
{
	while (tx->files) {
		struct http_file *file = tx->files;

		tx->files = file->next;
		if (file->whole)
			file->whole->users--;
		proto_body_free(tx->http->conn, &file->content);
		proto_free(tx->http->conn, file, sizeof(*file));
	}
}

static bool take_word(struct cur *c, const char *word)
{
	size_t len = strlen(word);

	if (cur_left(c) < len || strncasecmp((const char *)c->at, word, len) != 0)
		return false;
	cur_skip(c, len);
	return true;
}

static void skip_spaces(struct cur *c)
{
	while (cur_left(c) && (*c->at == ' ' || *c->at == '\t'))
		cur_skip(c, 1);
}

/* A value in quotes, or up to the next `;`. */
static struct cur take_value(struct cur *c)
{
	bool quoted = cur_left(c) && *c->at == '"';
	const uint8_t *stop;
	struct cur value;

	if (quoted)
		cur_skip(c, 1);
	stop = memchr(c->at, quoted ? '"' : ';', cur_left(c));
	value = cur_sub(c, stop ? (size_t)(stop - c->at) : cur_left(c));
	if (!quoted)
		while (cur_left(&value) && (value.end[-1] == ' ' || value.end[-1] == '\t'))
			cur_limit(&value, cur_left(&value) - 1);
	return value;
}

bool http_file_param(struct cur value, const char *param, struct cur *ret_value)
{
	while (cur_left(&value)) {
		const uint8_t *next;

		skip_spaces(&value);
		if (take_word(&value, param)) {
			skip_spaces(&value);
			if (take_word(&value, "=")) {
				skip_spaces(&value);
				*ret_value = take_value(&value);
				return true;
			}
		}
		next = memchr(value.at, ';', cur_left(&value));
		cur_skip(&value, next ? (size_t)(next - value.at) + 1 : cur_left(&value));
	}
	return false;
}

bool http_file_name(struct cur value, const uint8_t **ret_name, size_t *ret_len)
{
	struct cur name;

	if (!http_file_param(value, "filename", &name))
		return false;
	*ret_name = name.at;
	*ret_len = cur_left(&name);
	return true;
}
