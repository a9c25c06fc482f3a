/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/build.h"

#include <stdlib.h>
#include <string.h>

/* A place behind everything, aligned; NULL when there is no memory or the image would be too
 * large. */
static uint8_t *heap_room(struct heap *heap, size_t len)
{
	size_t at = (heap->len + 7) & ~(size_t)7;

	if (heap->failed || len > UINT32_MAX - 16 || at + len + 1 > UINT32_MAX) {
		heap->failed = true;
		return NULL;
	}
	if (at + len + 1 > heap->room) {
		size_t room = 2 * (at + len + 1);
		uint8_t *more = realloc(heap->at, room);

		if (!more) {
			heap->failed = true;
			return NULL;
		}
		memset(more + heap->room, 0, room - heap->room);
		heap->at = more;
		heap->room = room;
	}
	heap->len = at;
	return heap->at + at;
}

uint32_t heap_add(struct heap *heap, const void *bytes, size_t len)
{
	uint8_t *at = heap_room(heap, len);
	uint32_t offset = (uint32_t)heap->len;

	if (!at)
		return 0;
	if (len)
		memcpy(at, bytes, len);
	heap->len += len;
	return offset;
}

uint32_t array_add(struct build *b, struct array *array, const void *entry, size_t size)
{
	if (array->n == array->room) {
		uint32_t room = array->room ? 2 * array->room : 64;
		uint8_t *more = reallocarray(array->at, room, size);

		if (!more) {
			b->heap.failed = true;
			return 0;
		}
		array->at = more;
		array->room = room;
	}
	memcpy(array->at + (size_t)array->n * size, entry, size);
	return array->n++;
}

void array_sort(struct array *array, size_t size, int (*order)(const void *, const void *))
{
	if (array->n > 1)
		qsort(array->at, array->n, size, order);
}

struct image_list array_lay(struct build *b, const struct array *array, size_t size)
{
	return (struct image_list){ heap_add(&b->heap, array->at, (size_t)array->n * size),
		array->n };
}

/* FNV-1a; the rules' author may make it slow, not wrong. */
static uint32_t hash_of(const uint8_t *bytes, size_t len)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return hash ^ hash >> 15;
}

struct known {
	uint32_t hash, at, len;
};

static struct known *known_slot(struct build *b, uint32_t hash, const void *bytes, size_t len)
{
	struct known *known = (struct known *)(void *)b->known;

	for (uint32_t i = hash;; i++) {
		struct known *slot = &known[i & (b->known_room - 1)];

		if (!slot->at || (slot->hash == hash && slot->len == len &&
					 memcmp(b->heap.at + slot->at, bytes, len) == 0))
			return slot;
	}
}

static bool known_grow(struct build *b)
{
	struct known *old = (struct known *)(void *)b->known;
	uint32_t old_room = b->known_room;

	if (b->n_known < old_room / 2)
		return true;
	b->known_room = old_room ? 2 * old_room : 4096;
	b->known = calloc(b->known_room, sizeof(struct known));
	for (uint32_t i = 0; b->known && i < old_room; i++)
		if (old[i].at)
			*known_slot(b, old[i].hash, b->heap.at + old[i].at, old[i].len) = old[i];
	free(old);
	b->heap.failed |= !b->known;
	return b->known;
}

struct image_text build_text(struct build *b, const void *bytes, size_t len)
{
	uint32_t hash = hash_of(bytes, len);
	struct known *slot;

	if (b->heap.failed || !known_grow(b))
		return (struct image_text){ 0 };
	slot = known_slot(b, hash, bytes, len);
	if (!slot->at) {
		*slot = (struct known){ hash, heap_add(&b->heap, bytes, len), (uint32_t)len };
		b->heap.len += !b->heap.failed; /* the NUL: room was kept for it */
		b->n_known++;
	}
	return (struct image_text){ slot->at, (uint32_t)len };
}

uint32_t build_string(struct build *b, const char *string)
{
	return string && string[0] ? build_text(b, string, strlen(string)).at : 0;
}

struct image_text build_lower(struct build *b, struct image_text text)
{
	uint8_t *lower = malloc(text.len + 1);
	struct image_text made = { 0 };

	for (uint32_t i = 0; lower && i < text.len; i++) {
		uint8_t byte = b->heap.at[text.at + i];

		lower[i] = byte >= 'A' && byte <= 'Z' ? byte + 32 : byte;
	}
	if (lower)
		made = build_text(b, lower, text.len);
	else
		b->heap.failed = true;
	free(lower);
	return made;
}
