/* SPDX-License-Identifier: Apache-2.0 */
/* inside - what the files of src/decode share. Private to it. */
#pragma once

#include "base/cur.h"
#include "decode/decode.h"

struct decode_buffer {
	uint32_t len;
	uint8_t at[DECODE_MAX];
};

/* What of some bytes is text. */
struct decode_score {
	int32_t bits;
	uint32_t at, len;
	uint8_t words;
	bool is_dense; /* all along, as text is */
	bool is_file;
	bool is_padded; /* NULs follow, to the end or for long */
};

#define DECODE_CLASSES 40
struct decode_scale {
	uint8_t class_of[256];
	int8_t gain[DECODE_CLASSES][DECODE_CLASSES]; /* bits, by the class of the byte before */
};

/* method.c: undoes one step of at most `max` bytes. Nothing came of it: len 0. */
void decode_run(struct decode_step step, struct cur in, size_t max, struct decode_buffer *ret_out);

/* score.c */
void decode_scale_make(struct decode_scale *ret_scale);
struct decode_score decode_score(const struct decode_scale *scale, const struct decode_buffer *b);
/* Whether some block has bytes that are more alike than random ones are. */
bool decode_is_uneven(const struct decode_buffer *b);

/* words.c: how many different words of the list are in the text. */
unsigned decode_words(struct cur text);
