/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode - payloads that somebody made unreadable with a key of a byte or a usual encoding: all methods of
 * decode/method.def, each with all its keys and base64 and gzip also with another one inside, and which of the
 * results is text, commands or a program.
 *
 * The measure is how many bits likelier a stretch of the result is as text than as random bytes, less the bits that
 * trying so many keys costs. Random bytes so reach a score of n with a probability of about 2^-n. A stretch may
 * begin anywhere: headers in clear before it do no harm.
 *
 * Nothing here does I/O or asks a clock; the same bytes give the same results. Work is bounded: of a payload
 * DECODE_TRY_BYTES are tried, what unpacks to more is cut. Where longer payloads look random under every key they
 * are not tried with each; text in them is found from DECODE_BLOCK bytes on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DECODE_MAX         (64u << 10) /* bytes of a payload, and of a result */
#define DECODE_TRY_BYTES   1024        /* of a payload that are tried */
#define DECODE_MIN         8           /* shorter ones are not tried */
#define DECODE_BLOCK       64
#define DECODE_STEPS_MAX   2
#define DECODE_RESULTS_MAX 16
#define DECODE_NAME_MAX    64
#define DECODE_CLEAR       60 /* a score of this and more is told without being asked for */

enum decode_method_id {
#define METHOD(ID, name, first, last, text) DECODE_##ID,
#include "decode/method.def"
#undef METHOD
	DECODE_METHODS
};

struct decode_method {
	const char *name, *text;
	uint8_t first, last; /* keys that are tried; both 0: it has no key */
};
extern const struct decode_method decode_methods[DECODE_METHODS];

struct decode_step {
	uint8_t method, key;
};

struct decode_result {
	struct decode_step step[DECODE_STEPS_MAX]; /* in the order in which they are undone */
	uint8_t n_steps;
	bool is_file;    /* a program (ELF, PE) begins at `at` */
	bool is_clear;   /* nobody would take it for chance */
	uint8_t n_words; /* different ones that are known */
	int32_t score;
	uint32_t at, len; /* the text, in the bytes decoded so far */
};

struct decode;

int decode_new(struct decode **ret_decode); /* -ENOMEM */
struct decode *decode_free(struct decode *decode);

/* The method of that name; DECODE_METHODS: none. */
enum decode_method_id decode_method_find(const char *name);

/* The best results first, at most `max`; returns how many. Of a payload that is text already only what is packed in
 * it is one. */
size_t decode_try(struct decode *decode, const uint8_t *bytes, size_t len, size_t max,
	struct decode_result ret_results[static 1]);

/* One method, with one key (any: its best). False: nothing comes of it. The score may be anything. */
bool decode_with(struct decode *decode, enum decode_method_id method, int key, const uint8_t *bytes,
	size_t len, struct decode_result *ret_result);
#define DECODE_ANY_KEY (-1)

/* All bytes of a result, borrowed until the next call. */
const uint8_t *decode_bytes(struct decode *decode, const struct decode_result *result,
	const uint8_t *bytes, size_t len, size_t *ret_len);

/* "base64, xor 0x17" */
void decode_name(const struct decode_result *result, char ret_name[static DECODE_NAME_MAX]);
