/* SPDX-License-Identifier: Apache-2.0 */
/* tally - sums by key, kept in memory for one transaction so that a rollup costs one row a key. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TALLY_KEY_SIZE 16

struct tally_row {
	uint8_t key[TALLY_KEY_SIZE];
	uint64_t records; /* 0: the place is free */
	uint64_t packets;
	uint64_t bytes;
	int64_t first, last;
};

struct tally {
	struct tally_row *row;
	size_t size; /* power of two */
	size_t used;
};

/* Adds one record. 0 or -ENOMEM. */
int tally_add(struct tally *tally, const uint8_t key[static TALLY_KEY_SIZE], uint64_t packets,
	uint64_t bytes, int64_t t);
void tally_clear(struct tally *tally);
void tally_free(struct tally *tally);
