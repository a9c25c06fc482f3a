/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 1024 };

/* FNV-1a. Keys that an attacker chooses (source addresses) can collide; the table then gets slow for
 * one transaction, never wrong. */
static size_t hash(const uint8_t *key)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < TALLY_KEY_SIZE; i++)
		h = (h ^ key[i]) * 0x100000001b3u;
	return (size_t)(h ^ h >> 29);
}

static struct tally_row *find(struct tally *tally, const uint8_t *key)
{
	for (size_t i = hash(key);; i++) {
		struct tally_row *row = &tally->row[i & (tally->size - 1)];

		if (row->records == 0 || memcmp(row->key, key, TALLY_KEY_SIZE) == 0)
			return row;
	}
}

static int grow(struct tally *tally)
{
	struct tally larger = { .size = tally->size ? tally->size * 2 : FIRST_SIZE,
		.used = tally->used };

	larger.row = calloc(larger.size, sizeof(*larger.row));
	if (!larger.row)
		return -ENOMEM;
	for (size_t i = 0; i < tally->size; i++)
		if (tally->row[i].records > 0)
			*find(&larger, tally->row[i].key) = tally->row[i];
	free(tally->row);
	*tally = larger;
	return 0;
}

int tally_add(struct tally *tally, const uint8_t key[static TALLY_KEY_SIZE], uint64_t packets,
	uint64_t bytes, int64_t t)
{
	struct tally_row *row;

	if (tally->used * 2 >= tally->size && grow(tally) < 0)
		return -ENOMEM;
	row = find(tally, key);
	if (row->records == 0) {
		memcpy(row->key, key, TALLY_KEY_SIZE);
		row->first = row->last = t;
		tally->used++;
	}
	row->records++;
	row->packets += packets;
	row->bytes += bytes;
	row->first = t < row->first ? t : row->first;
	row->last = t > row->last ? t : row->last;
	return 0;
}

void tally_clear(struct tally *tally)
{
	if (tally->used > 0)
		memset(tally->row, 0, tally->size * sizeof(*tally->row));
	tally->used = 0;
}

void tally_free(struct tally *tally)
{
	free(tally->row);
	*tally = (struct tally){ 0 };
}
