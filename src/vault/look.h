/* SPDX-License-Identifier: Apache-2.0 */
/*
 * look - what a file is: sums, entropy, type (libmagic), members of an archive (libarchive), rules that match
 * (libyara). Bounded in time and memory, whatever the bytes are.
 *
 * Types of libmagic and rules of YARA are loaded once, before the process gives up its rights.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct look;
struct out;

#define LOOK_MAGIC_BYTES     (1u << 20)  /* what libmagic sees, the first ones */
#define LOOK_MAGIC_MAX       512         /* bytes of a type's name */
#define LOOK_MEMBERS_MAX     256         /* members of an archive that are listed */
#define LOOK_MEMBER_NAME_MAX 200         /* bytes of a member's name */
#define LOOK_UNPACKED_MAX    (64u << 20) /* bytes unpacked on the way from one member to the next */
#define LOOK_YARA_S          4           /* for each file of rules */
#define LOOK_YARA_MAX        64          /* rules that are named */
#define LOOK_JSON_MAX        32768       /* of archive and rules together */

struct look_setup {
	bool magic;         /* false: types are not looked for (tests) */
	const int *yara_fd; /* files of YARA rules, opened for reading; they stay the caller's */
	const char *const *yara_name; /* for messages */
	size_t n_yara;
	/* What of the rules cannot be used, in words; the others are. */
	void (*fault)(void *context, const char *what);
	/* Called between long parts. May be NULL. */
	void (*beat)(void *context);
	void *context;
};

struct look_sums {
	uint8_t sha256[32], sha1[20], md5[16];
	uint32_t entropy; /* thousandths of a bit a byte */
};

/* -ENOMEM, -EIO: the sums cannot be computed here at all. Without the database of types there are no types,
 * which is a fault as of rules. */
int look_new(const struct look_setup *setup, struct look **ret_look);
struct look *look_free(struct look *look);

int look_sums(struct look *look, const uint8_t *bytes, size_t len, struct look_sums *ret_sums);
/* What libmagic says; "" when nothing. Borrowed until the next call. */
const char *look_magic(struct look *look, const uint8_t *bytes, size_t len);
/* Adds members of a JSON object, each followed by a comma: "yara":[...],"archive":{...}. */
void look_members(struct look *look, const uint8_t *bytes, size_t len, struct out *o);
