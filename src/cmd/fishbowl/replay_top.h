/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay_top - what weighs most of very many: a table of named things with room for so many. When it is full, the
 * lighter half goes; one that comes again then begins anew. So what is heavy is right or a little too low, and memory
 * is bounded. The same additions give the same table.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TOP_KEY_MAX  288 /* bytes of a name; the rest does not count */
#define TOP_NOTE_MAX 256

struct top_entry {
	uint64_t weight;
	uint64_t n[4]; /* the caller's */
	uint16_t key_len, note_len;
	uint8_t key[TOP_KEY_MAX];
	char note[TOP_NOTE_MAX]; /* the caller's */
};

struct top;

int top_new(uint32_t room, struct top **ret_top); /* -ENOMEM; `room`: at least 2 */
struct top *top_free(struct top *top);

/* The thing of this name, heavier by `weight`; valid until the next call. A new one is zero but for name and weight. */
struct top_entry *top_add(struct top *top, const void *key, size_t len, uint64_t weight);
void top_note(struct top_entry *entry, const char *text, size_t len); /* cut to what has room */

/* How many there are, and how many have gone. */
uint32_t top_count(const struct top *top);
uint64_t top_gone(const struct top *top);
/* The n-th heaviest, from 0; NULL: there is none. Between two calls of top_add() only. */
const struct top_entry *top_heaviest(struct top *top, uint32_t n);
