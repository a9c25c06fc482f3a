/* SPDX-License-Identifier: Apache-2.0 */
/*
 * piece - a piece of a file that is carried, on its way through a ring from who reads the packets (fb-lens,
 * replay) to who keeps the files (fb-vault). The reader treats every byte as hostile.
 *
 * Each piece says all about its file that is known so far, as a packed record of type `file`: so whoever takes
 * it needs to remember nothing about protocols, and a writer that dies leaves nothing half said.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"

struct ring;

#define PIECE_NAME_MAX   255   /* bytes of a file's name */
#define PIECE_RECORD_MAX 1024  /* of the packed record */
#define PIECE_BYTES_MAX  16384 /* of the file; what is longer becomes several pieces */
#define PIECE_HEAD       32
#define PIECE_MAX        (PIECE_HEAD + PIECE_RECORD_MAX + PIECE_BYTES_MAX)

/* `kind` of entries in a ring of pieces. */
enum piece_kind {
	PIECE_PADDING, /* never seen */
	PIECE_DATA,
	PIECE_CLOCK, /* the packets' time is that of the entry; no payload */
};

struct piece {
	uint64_t file_id; /* in its conversation, of that side; record.head.flow_id names that */
	uint64_t offset;  /* of the bytes in the file */
	uint8_t side;
	bool end;              /* nothing more will come: the file is so large as these bytes end */
	bool cut;              /* the end was not seen */
	struct record record;  /* EVENT_FILE: head and name; its texts are in the payload */
	const uint8_t *packed; /* the same, packed */
	uint32_t packed_len;
	const uint8_t *bytes;
	uint32_t len;
};

/* Bytes that it needs in a ring. -E2BIG: its record is too large. `packed` has PIECE_RECORD_MAX bytes; the
 * record goes there, and `piece` points to it. */
int piece_pack(struct piece *piece, uint8_t *packed);
/* The same for bytes of any number: hands over one piece after another, each with at most PIECE_BYTES_MAX of them.
 * -E2BIG, ... as above, then nothing is handed over. */
int piece_cut(const struct piece *whole, void (*take)(void *context, const struct piece *piece),
	void *context);
size_t piece_size(const struct piece *piece);
/* `to` has piece_size() bytes. */
void piece_write(const struct piece *piece, void *to);
/* -EBADMSG: nothing that piece_write() writes. Pointers are into `from`, which must not change. */
int piece_read(const void *from, size_t size, struct piece *ret_piece);

/* The packets' time, told so often. True when it has to be told between two packets. */
#define PIECE_CLOCK_NS INT64_C(60000000000)
bool piece_clock_due(int64_t before_ns, int64_t now_ns);
