/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fields - what a message says, as named bytes, numbers and JSON text. It is the data of a
 * transaction for protocols whose messages are decoded when they come; its functions are the
 * parser's `buffer`, `number`, `json` and `free_tx`. Memory is the connection's: what does not fit
 * any more is left out.
 */
#pragma once

#include "proto/inside.h"

#define FIELDS_MAX      1024        /* of one transaction, bytes and numbers each */
#define FIELDS_JSON_MAX (32u << 10) /* JSON text of one transaction */

#define FIELDS_HOLE_MAX  (16u << 20) /* bytes that a connection may miss in a file; then it is cut */
#define FIELDS_FILES_MAX 65          /* of one transaction; more are not looked at */
#define FIELDS_NAME_MAX  255         /* of a file's name */
/* Of the connection's memory; beyond it, what files need for rules is not given more: many may be carried at a time. */
#define FIELDS_FILES_BYTES (PROTO_CONN_BYTES_MAX / 2)

struct proto_field {
	uint16_t buffer; /* enum proto_buffer_id */
	uint8_t sides;   /* who said it, as in buffer.def */
	uint32_t at, len;
};
struct proto_field_number {
	uint16_t id; /* enum proto_number_id */
	uint64_t value;
};

/* A file in a transaction: what rules see of it. */
struct proto_fields_file {
	struct proto_fields_file *next;
	struct proto_body body;
	uint64_t size, carried;
	uint64_t missing; /* bytes behind them that were not seen */
	uint8_t side, number;
	bool open, hidden; /* hidden: from rules */
	uint32_t name_len;
	char name[FIELDS_NAME_MAX];
};

struct proto_fields {
	struct proto_conn *conn;
	const char *name;  /* of the JSON object; NULL: `text` is whole */
	const char *close; /* what ends it: "}" */
	uint8_t sides;     /* who says what is added next: 1, 2; 0: as the buffer's row says */
	uint8_t *bytes;
	struct proto_fields_file *files;
	uint8_t n_files;
	struct proto_field *field;
	struct proto_field_number *number;
	char *text;
	/* An object inside of the object, whose members come at other times: what is said goes
	 * there while `in_sub`. */
	const char *sub_name;
	char *sub;
	bool in_sub;
	bool cut; /* something had no room in the text */
	uint32_t sub_len, sub_room;
	uint32_t bytes_len, bytes_room, n_fields, fields_room, n_numbers, numbers_room, text_len,
		text_room;
};

struct proto_fields *proto_fields_new(
	struct proto_conn *conn, const char *name); /* NULL: no room */
void proto_fields_free(void *fields);
/* A transaction with new fields for its data. NULL: no room. */
struct proto_tx *proto_fields_tx(struct proto_conn *conn, const char *name);

bool proto_fields_add(
	struct proto_fields *fields, enum proto_buffer_id id, const void *bytes, size_t len);
void proto_fields_add_text(struct proto_fields *fields, enum proto_buffer_id id, const char *text);
void proto_fields_add_number(struct proto_fields *fields, enum proto_number_id id, uint64_t value);
/* The bytes of a field grow at their end. Makes the first one if there is none. */
void proto_fields_append(
	struct proto_fields *fields, enum proto_buffer_id id, const void *bytes, size_t len);
/* Whether there is an `n`th. */
bool proto_fields_get(const struct proto_fields *fields, enum proto_buffer_id id, unsigned n,
	struct proto_bytes *ret_bytes);
/* The `n`th that one of `sides` said. */
bool proto_fields_get_side(const struct proto_fields *fields, enum proto_buffer_id id, unsigned n,
	uint8_t sides, struct proto_bytes *ret_bytes);
/* Adds to the JSON text what `o` holds, if all of it fitted; else the text has the member `cut` instead. */
void proto_fields_say(struct proto_fields *fields, const struct out *o);
bool proto_fields_said(const struct proto_fields *fields); /* something, where it goes now */

/* A file of the transaction begins, grows and ends (`cut`: its end was not seen). NULL: no room;
 * the other two take it. What a transaction leaves open is ended with it. */
struct proto_fields_file *proto_fields_file(
	struct proto_tx *tx, unsigned side, const void *name, size_t name_len);
/* What it is called from now on. */
void proto_fields_file_name(struct proto_fields_file *file, const void *name, size_t len);
/* For one that is made of others and their surroundings: rules see those, and it is not kept. Its name may
 * come later. */
struct proto_fields_file *proto_fields_file_around(struct proto_tx *tx, unsigned side);
void proto_fields_file_add(
	struct proto_tx *tx, struct proto_fields_file *file, const uint8_t *bytes, size_t len);
/* `len` bytes were not seen: a hole, if others follow; else its end was not seen. */
void proto_fields_file_skip(struct proto_fields_file *file, uint64_t len);
/* The same of bytes that belong at `offset`, wherever the last ones ended. */
void proto_fields_file_put(struct proto_tx *tx, struct proto_fields_file *file, uint64_t offset,
	const uint8_t *bytes, size_t len);
void proto_fields_file_end(struct proto_tx *tx, struct proto_fields_file *file, bool cut);

/* For parsers without a state of their own. */
void *proto_no_state_open(struct proto_conn *conn);
void proto_no_state_close(void *state);

bool proto_fields_buffer(
	struct proto_tx *tx, enum proto_buffer_id id, unsigned n, struct proto_bytes *ret_bytes);
bool proto_fields_number(
	struct proto_tx *tx, enum proto_number_id id, unsigned n, uint64_t *ret_number);
bool proto_fields_json(struct proto_tx *tx, struct out *o);

struct cur text_trim(struct cur c);               /* without white space at both ends */
bool text_is(struct cur c, const char *word);     /* in any case of letters */
bool text_begins(struct cur c, const char *word); /* so, too */
bool text_same(struct cur a, struct cur b);
int text_hex_digit(uint8_t c); /* 0 to 15, -1: it is none */
bool text_has(struct cur c, const char *text);
/* Everything before the next `stop`, which is skipped. */
struct cur text_until(struct cur *c, char stop);
bool text_is_all(struct cur c); /* every byte may be of text on a terminal */
/* The lines behind the one in which shellcode and the like ends: all of it, if it is text. */
struct cur text_behind_code(struct cur c);
void text_skip_blanks(struct cur *c); /* white space and NULs in front */
/* The next word, behind such: it ends with white space, of which one character is skipped, or in front of a NUL. */
struct cur text_word(struct cur *c);
/* As text_until(), up to a NUL; without one it fails. */
struct cur text_zero(struct cur *c);
/* A line of at most `max` bytes, its end cut off; `whole`: the end was there, else the line goes
 * on. Returns how many bytes it used; 0: not there yet, unless this is the `end`. */
size_t text_line(const uint8_t *bytes, size_t len, size_t max, bool end, struct cur *ret_line,
	bool *ret_whole);
/* Which lines of a side are left out: the rest of one that was too long, or incomplete. What was never seen are lines
 * more often than parts of one: what comes is another if it looks like one. */
struct text_lines {
	bool skips; /* the rest of a line */
	bool lost;  /* what comes may be the rest of one that was not seen */
};
void text_lines_gap(struct text_lines *lines); /* bytes were never seen */
/* Whether the next one is taken; asked once for each. `looks`: like one, which counts only when some were lost; `whole`:
 * its end was there. */
bool text_lines_take(struct text_lines *lines, bool looks, bool whole);
/* Characters of two bytes (UTF-16LE; `wide`) or one as UTF-8, up to a zero or what has room; what
 * is no character becomes a question mark. */
void text_wide(struct out *o, struct cur c, bool wide);
/* A name of such characters; what has no room is cut off. */
#define TEXT_NAME_MAX 255 /* bytes of UTF-8 */
struct text_name {
	uint32_t len;
	char text[TEXT_NAME_MAX];
};
void text_name_read(struct cur c, bool wide, struct text_name *ret_name);

/* JSON: each writes the comma that is missing before it. A `name` of NULL: in an array. */
void json_name(struct out *o, const char *name);
void json_open(struct out *o, const char *name, char bracket);
void json_close(struct out *o, char bracket);
void json_text(struct out *o, const char *name, const void *bytes, size_t len); /* hostile */
void json_str(struct out *o, const char *name, const char *str);
void json_upper(struct out *o, const char *name, struct cur word); /* a word, in capitals */
/* In an array, unless it might not leave room to close what is open. */
void json_item(struct out *o, struct cur text);
void json_u64(struct out *o, const char *name, uint64_t n);
void json_bool(struct out *o, const char *name, bool value);
/* An address of `len` bytes, 4 or 16, that are taken; of fewer zeros are made. */
void json_ip(struct out *o, const char *name, struct cur *c, size_t len);
void json_hex(struct out *o, const char *name, const uint8_t *bytes, size_t len,
	char between); /* 0: none */
/* A field as text, if there is one. */
void json_field(struct out *o, const char *name, const struct proto_fields *fields,
	enum proto_buffer_id id);
/* All of its fields as a list, if there are any: as many as need `room` bytes, and if there are more how many there are, as
 * NAME_count. */
void json_fields(struct out *o, const char *name, const struct proto_fields *fields,
	enum proto_buffer_id id, size_t room);
