/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/fishbowl/replay_top.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct top {
	uint32_t room, n, slots; /* slots: a power of two, at least twice the room */
	uint64_t gone;
	bool sorted;
	struct top_entry *entry;
	struct top_entry **by_weight; /* when sorted: heaviest first */
	uint32_t *slot;               /* number of an entry and 1; 0: free */
};

int top_new(uint32_t room, struct top **ret_top)
{
	struct top *top = calloc(1, sizeof(*top));

	if (!top)
		return -ENOMEM;
	top->room = room;
	for (top->slots = 4; top->slots < 2 * room;)
		top->slots *= 2;
	top->entry = calloc(room, sizeof(*top->entry));
	top->by_weight = calloc(room, sizeof(*top->by_weight));
	top->slot = calloc(top->slots, sizeof(*top->slot));
	if (!top->entry || !top->by_weight || !top->slot) {
		top_free(top);
		return -ENOMEM;
	}
	*ret_top = top;
	return 0;
}

struct top *top_free(struct top *top)
{
	if (top) {
		free(top->entry);
		free(top->by_weight);
		free(top->slot);
		free(top);
	}
	return NULL;
}

/* FNV-1a. Names that collide make it slow, within its room. */
static uint32_t hash(const uint8_t *key, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ key[i]) * 16777619u;
	return h;
}

/* Where the name stands, or a free place for it. */
static uint32_t find(const struct top *top, const uint8_t *key, size_t len)
{
	uint32_t at = hash(key, len) & (top->slots - 1);

	while (top->slot[at]) {
		const struct top_entry *e = &top->entry[top->slot[at] - 1];

		if (e->key_len == len && memcmp(e->key, key, len) == 0)
			break;
		at = (at + 1) & (top->slots - 1);
	}
	return at;
}

/* Heaviest first; of equal ones the name decides. */
static int compare(const struct top_entry *a, const struct top_entry *b)
{
	size_t len = a->key_len < b->key_len ? a->key_len : b->key_len;
	int order;

	if (a->weight != b->weight)
		return a->weight > b->weight ? -1 : 1;
	order = memcmp(a->key, b->key, len);
	return order ? order : (int)a->key_len - (int)b->key_len;
}

static int compare_entries(const void *a, const void *b)
{
	return compare(a, b);
}

static int compare_pointers(const void *a, const void *b)
{
	const struct top_entry *const *one = a, *const *other = b;

	return compare(*one, *other);
}

static void make_room(struct top *top)
{
	uint32_t kept = top->room / 2;

	qsort(top->entry, top->n, sizeof(*top->entry), compare_entries);
	top->gone += top->n - kept;
	top->n = kept;
	memset(top->slot, 0, top->slots * sizeof(*top->slot));
	for (uint32_t i = 0; i < kept; i++)
		top->slot[find(top, top->entry[i].key, top->entry[i].key_len)] = i + 1;
}

struct top_entry *top_add(struct top *top, const void *key, size_t len, uint64_t weight)
{
	struct top_entry *e;
	uint32_t at;

	if (len > TOP_KEY_MAX)
		len = TOP_KEY_MAX;
	top->sorted = false;
	at = find(top, key, len);
	if (!top->slot[at] && top->n == top->room) {
		make_room(top);
		at = find(top, key, len);
	}
	if (!top->slot[at]) {
		e = &top->entry[top->n++];
		*e = (struct top_entry){ .key_len = (uint16_t)len };
		memcpy(e->key, key, len);
		top->slot[at] = top->n;
	}
	e = &top->entry[top->slot[at] - 1];
	e->weight += weight;
	return e;
}

void top_note(struct top_entry *entry, const char *text, size_t len)
{
	entry->note_len = (uint16_t)(len < TOP_NOTE_MAX ? len : TOP_NOTE_MAX);
	if (entry->note_len)
		memcpy(entry->note, text, entry->note_len);
}

uint32_t top_count(const struct top *top)
{
	return top->n;
}

uint64_t top_gone(const struct top *top)
{
	return top->gone;
}

const struct top_entry *top_heaviest(struct top *top, uint32_t n)
{
	if (!top->sorted) {
		for (uint32_t i = 0; i < top->n; i++)
			top->by_weight[i] = &top->entry[i];
		qsort(top->by_weight, top->n, sizeof(*top->by_weight), compare_pointers);
		top->sorted = true;
	}
	return n < top->n ? top->by_weight[n] : NULL;
}
