/* SPDX-License-Identifier: Apache-2.0 */
/* proto_kit - a connection for tests of parsers: what its transactions and files were, as one
 * text, so that the same bytes whole, in pieces and cut off can be compared. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/out.h"
#include "dice.h"
#include "proto/proto.h"

#define KIT_TEXT (2u << 20)

struct kit_part {
	unsigned side;
	const void *bytes;
	size_t len;
};

/* What the client says, what the server says; a list of parts and how many they are. */
#define C(text)                           \
	{                                 \
		0, text, sizeof(text) - 1 \
	}
#define S(text)                           \
	{                                 \
		1, text, sizeof(text) - 1 \
	}
/* Bytes of the server, of the client that were never seen. */
#define LOST               \
	{                  \
		1, NULL, 0 \
	}
#define LOST_C             \
	{                  \
		0, NULL, 0 \
	}
#define PARTS(parts) parts, sizeof(parts) / sizeof((parts)[0])

static char kit_text[KIT_TEXT];
static struct out kit_out;
static bool kit_show_buffers;
static bool
	kit_show_logins; /* as lines `login METHOD USER PASSWORD HASH RESULT`, `set` in place of `login` */

/* What files hold, with gaps as zeros, and whether it was told in order. */
#define KIT_FILES    16
#define KIT_CONTENTS 128
static bool kit_show_contents;
static struct kit_file {
	uint64_t id, next;
	bool used, odd;
	uint8_t at[KIT_CONTENTS];
} kit_files[KIT_FILES];

static struct kit_file *kit_file_of(const struct proto_file *file)
{
	unsigned i = 0, place = KIT_FILES;

	for (; i < KIT_FILES; i++) {
		if (kit_files[i].used && kit_files[i].id == file->id)
			return &kit_files[i];
		if (!kit_files[i].used)
			place = i;
	}
	if (place == KIT_FILES)
		abort();
	kit_files[place] = (struct kit_file){ .used = true, .id = file->id };
	return &kit_files[place];
}

static void kit_file_piece(const struct proto_file *file, const uint8_t *bytes, size_t len)
{
	struct kit_file *f = kit_file_of(file);

	f->odd |= file->offset != f->next;
	for (size_t i = 0; i < len && file->offset + i < KIT_CONTENTS; i++)
		f->at[file->offset + i] = bytes[i];
	f->next = file->size;
	if (!file->end)
		return;
	out_fmt(&kit_out, "%s ", f->odd ? " odd" : "");
	out_quoted(&kit_out, (const char *)f->at,
		file->size < KIT_CONTENTS ? (size_t)file->size : KIT_CONTENTS);
	f->used = false;
}

static void kit_buffers(struct proto_tx *tx, unsigned side)
{
	struct proto_bytes b;
	uint64_t number;

	for (unsigned id = 1; id < BUFFER_COUNT; id++) {
		const struct proto_buffer_info *info = proto_buffer_info(id);
		bool both = info->sides == 3;

		for (unsigned n = 0;
			n < 2000 && proto_tx_buffer(tx, id, both ? 2 * n + side : n, &b); n++) {
			if (b.len && b.at[b.len - 1] == 255)
				kit_out.full |= kit_out.full; /* the last byte can be read */
			if (!kit_show_buffers || !(info->sides & 1u << side))
				continue;
			out_fmt(&kit_out, "%s=", info->name);
			out_quoted(&kit_out, (const char *)b.at, b.len);
			out_char(&kit_out, '\n');
		}
	}
	for (unsigned id = 1; id < NUMBER_COUNT; id++)
		for (unsigned n = 0; n < 2000 && proto_tx_number(tx, id, n, &number); n++)
			if (kit_show_buffers && proto_number_info(id)->sides & 1u << side)
				out_fmt(&kit_out, "%s=%llu\n", proto_number_info(id)->name,
					(unsigned long long)number);
}

/* A transaction is written down when both sides are done with it. */
static void kit_on_tx(void *context, struct proto_tx *tx, unsigned side)
{
	struct proto_tx_state state = proto_tx_state(tx);
	const char *event;

	(void)context;
	kit_buffers(tx, side);
	if (!state.done[0] || !state.done[1])
		return;
	out_fmt(&kit_out, "%s ", proto_name(state.proto));
	if (!proto_tx_json(tx, &kit_out))
		out_str(&kit_out, "-");
	for (unsigned i = 0; (event = proto_tx_event(tx, i)); i++)
		out_fmt(&kit_out, " !%s", event);
	out_char(&kit_out, '\n');
}

static void kit_on_file(
	void *context, const struct proto_file *file, const uint8_t *bytes, size_t len)
{
	(void)context;
	if (len && bytes[len - 1] == 255)
		kit_out.full |= kit_out.full;
	if (!file->end) {
		if (kit_show_contents)
			kit_file_piece(file, bytes, len);
		return;
	}
	out_str(&kit_out, "file ");
	out_quoted(&kit_out, file->name, file->name_len);
	out_fmt(&kit_out, " %llu%s", (unsigned long long)file->size, file->cut ? " cut" : "");
	if (kit_show_contents)
		kit_file_piece(file, bytes, len);
	out_char(&kit_out, '\n');
}

static void kit_on_expect(void *context, const struct proto_expect *e)
{
	(void)context;
	out_fmt(&kit_out, "expect %s %u %u %u %s ", proto_name(e->proto), e->port, e->listens,
		e->sender, e->command);
	out_quoted(&kit_out, e->name, e->name_len);
	if (e->offset)
		out_fmt(&kit_out, " from %llu", (unsigned long long)e->offset);
	out_char(&kit_out, '\n');
}

static void kit_on_login(void *context, enum proto_id proto, const struct proto_login *login)
{
	static const char *const results[] = { "unknown", "success", "failure" };
	const struct kit_part texts[] = { { 0, login->user.text, login->user.len },
		{ 0, login->password.text, login->password.len },
		{ 0, login->hash.bytes, login->hash.len } };

	(void)context;
	(void)proto;
	if (!kit_show_logins)
		return;
	out_fmt(&kit_out, "%s %s", login->sets ? "set" : "login",
		login->method ? login->method : "-");
	for (unsigned i = 0; i < 3; i++) {
		out_char(&kit_out, ' ');
		out_quoted(&kit_out, texts[i].len ? texts[i].bytes : "-",
			texts[i].len ? texts[i].len : 1);
	}
	out_fmt(&kit_out, " %s\n", results[login->result]);
}

static uint64_t kit_seed; /* not 0: pieces are of random sizes, up to KIT_PIECE_MAX */
#define KIT_PIECE_MAX 40

static inline size_t kit_piece(size_t piece, size_t left)
{
	if (kit_seed)
		piece = dice_next(&kit_seed) % KIT_PIECE_MAX + 1;
	return piece && piece < left ? piece : left;
}

static struct proto_conn *kit_open(const struct proto_flow_info *info)
{
	static const struct proto_setup setup = { .on_tx = kit_on_tx,
		.on_file = kit_on_file,
		.on_expect = kit_on_expect,
		.on_login = kit_on_login };
	struct proto_conn *conn;

	if (proto_conn_new(&setup, info, &conn))
		abort();
	return conn;
}

/* In memory of its own size, so that a sanitizer sees a read past the end. */
static void kit_feed(struct proto_conn *conn, unsigned side, const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	if (len)
		memcpy(copy, bytes, len);
	proto_feed(conn, side, copy, len, 1000000000);
	free(copy);
}

/* What comes of the parts: each in pieces of `piece` bytes (0: whole), no more than `limit`
 * bytes in all. */
static const char *kit_run(const struct proto_flow_info *info, const struct kit_part *parts,
	size_t n, size_t piece, size_t limit)
{
	struct proto_conn *conn = kit_open(info);

	kit_out = out_make(kit_text, sizeof(kit_text));
	memset(kit_files, 0, sizeof(kit_files));
	for (size_t i = 0; i < n; i++) {
		const uint8_t *bytes = parts[i].bytes;
		size_t len = parts[i].len < limit ? parts[i].len : limit;

		limit -= len;
		for (size_t at = 0; at < len;) {
			size_t take = kit_piece(piece, len - at);

			kit_feed(conn, parts[i].side, bytes + at, take);
			at += take;
		}
	}
	proto_end(conn, 0);
	proto_end(conn, 1);
	proto_conn_free(conn);
	if (!out_ok(&kit_out))
		abort();
	return kit_text;
}

/* The lines that begin so alone. */
static inline const char *kit_lines(const char *told, const char *begin)
{
	static char text[KIT_TEXT];
	struct out o = out_make(text, sizeof(text));

	while (*told) {
		size_t len = strcspn(told, "\n") + 1;

		if (strncmp(told, begin, strlen(begin)) == 0)
			out_bytes(&o, told, len);
		told += len;
	}
	return text;
}

/* With its logins. */
static inline const char *kit_run_lossy(
	const struct proto_flow_info *info, const struct kit_part *parts, size_t n)
{
	struct proto_conn *conn = kit_open(info);

	kit_show_logins = true;
	kit_out = out_make(kit_text, sizeof(kit_text));
	for (size_t i = 0; i < n; i++)
		if (parts[i].bytes)
			kit_feed(conn, parts[i].side, parts[i].bytes, parts[i].len);
		else
			proto_gap(conn, parts[i].side, 10);
	proto_end(conn, 0);
	proto_end(conn, 1);
	proto_conn_free(conn);
	kit_show_logins = false;
	return kit_text;
}

static size_t kit_size(const struct kit_part *parts, size_t n)
{
	size_t size = 0;

	for (size_t i = 0; i < n; i++)
		size += parts[i].len;
	return size;
}

/* Whole; the same in pieces of several sizes (TCP); and every prefix, which must only be safe. */
static inline void kit_check(const struct proto_flow_info *info, const struct kit_part *parts,
	size_t n, const char *expected)
{
	static char whole[KIT_TEXT];
	static const size_t pieces[] = { 1, 2, 3, 7, 64 };

	kit_show_buffers = false;
	snprintf(whole, sizeof(whole), "%s", kit_run(info, parts, n, 0, SIZE_MAX));
	if (expected && strcmp(whole, expected) != 0) {
		fprintf(stderr, "expected:\n%s\nhave:\n%s\n", expected, whole);
		abort();
	}
	for (size_t i = 0; info->ip_proto == 6 && i < sizeof(pieces) / sizeof(pieces[0]); i++)
		if (strcmp(whole, kit_run(info, parts, n, pieces[i], SIZE_MAX)) != 0) {
			fprintf(stderr, "whole:\n%s\nin pieces of %zu:\n%s\n", whole, pieces[i],
				kit_text);
			abort();
		}
	for (size_t limit = 0; limit < kit_size(parts, n); limit++)
		kit_run(info, parts, n, 0, limit);
}

/* The lines in the order of the alphabet. */
#define KIT_LINES 256
static inline int kit_line_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}
static inline void kit_sort(const char *told, char *ret_sorted, size_t size)
{
	static char text[KIT_TEXT];
	struct out o = out_make(ret_sorted, size);
	char *line[KIT_LINES], *rest;
	size_t n = 0;

	snprintf(text, sizeof(text), "%s", told);
	for (char *at = strtok_r(text, "\n", &rest); at; at = strtok_r(NULL, "\n", &rest)) {
		if (n == KIT_LINES)
			abort();
		line[n++] = at;
	}
	qsort(line, n, sizeof(line[0]), kit_line_order);
	for (size_t i = 0; i < n; i++)
		out_fmt(&o, "%s\n", line[i]);
}

/* A conversation of random words, whole and in random pieces: the same comes of it, though perhaps in another order. What
 * one side says at a time is up to KIT_WORDS. */
#define KIT_WORDS 6
#define KIT_TURNS 8
static inline void kit_check_words(const struct proto_flow_info *info, const char *const *words[2],
	const size_t n_words[2], uint64_t seed)
{
	static char whole[KIT_TEXT], pieces[KIT_TEXT], said[KIT_TURNS][KIT_WORDS * 64];
	struct kit_part parts[KIT_TURNS];

	for (unsigned i = 0; i < KIT_TURNS; i++) {
		unsigned side = !(i & 1);
		struct out o = out_make(said[i], sizeof(said[i]));

		for (uint64_t n = dice_next(&seed) % KIT_WORDS; n > 0; n--)
			out_str(&o, words[side][dice_next(&seed) % n_words[side]]);
		parts[i] = (struct kit_part){ side, said[i], o.len };
	}
	kit_sort(kit_run(info, parts, KIT_TURNS, 0, SIZE_MAX), whole, sizeof(whole));
	kit_seed = seed;
	kit_sort(kit_run(info, parts, KIT_TURNS, 0, SIZE_MAX), pieces, sizeof(pieces));
	kit_seed = 0;
	if (strcmp(whole, pieces) != 0) {
		for (unsigned i = 0; i < KIT_TURNS; i++)
			fprintf(stderr, "%u: %s\n", parts[i].side, said[i]);
		fprintf(stderr, "whole:\n%s\nin pieces:\n%s\n", whole, pieces);
		abort();
	}
}

/* The same of the lines that begin so alone: their place among the others is nobody's concern. */
static inline void kit_check_lines(const struct proto_flow_info *info, const struct kit_part *parts,
	size_t n, const char *begin, const char *expected)
{
	for (size_t piece = 0; piece < 8; piece++) {
		const char *lines = kit_lines(kit_run(info, parts, n, piece, SIZE_MAX), begin);

		if (strcmp(lines, expected) != 0) {
			fprintf(stderr, "expected:\n%s\nin pieces of %zu:\n%s\n", expected, piece,
				lines);
			abort();
		}
	}
	for (size_t limit = 0; limit < kit_size(parts, n); limit++)
		kit_run(info, parts, n, 0, limit);
}

/* Whether a line of buffers and numbers is among what was told. */
static inline bool kit_has(const struct proto_flow_info *info, const struct kit_part *parts,
	size_t n, const char *line)
{
	bool has;

	kit_show_buffers = true;
	has = strstr(kit_run(info, parts, n, 0, SIZE_MAX), line);
	if (!has)
		fprintf(stderr, "not there: %s\nhave:\n%s\n", line, kit_text);
	kit_show_buffers = false;
	return has;
}

/* Every byte of each part in turn says something else: it must only be safe. */
static inline void kit_spoil(
	const struct proto_flow_info *info, const struct kit_part *parts, size_t n)
{
	static const uint8_t values[] = { 0, 1, 0x30, 0x7f, 0x80, 0x84, 0xff };
	struct kit_part copy[16];
	uint8_t bytes[1024];

	if (n > 16)
		abort();
	for (size_t i = 0; i < n; i++) {
		memcpy(copy, parts, n * sizeof(*parts));
		if (parts[i].len > sizeof(bytes))
			abort();
		memcpy(bytes, parts[i].bytes, parts[i].len);
		copy[i].bytes = bytes;
		for (size_t at = 0; at < parts[i].len; at++) {
			uint8_t was = bytes[at];

			for (size_t v = 0; v < sizeof(values); v++) {
				bytes[at] = values[v];
				kit_run(info, copy, n, 0, SIZE_MAX);
			}
			bytes[at] = was;
		}
	}
}
