/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool - memory of one size for many: pieces whose size is a power of two, out of one mapping
 * (buddies: Knuth, TAOCP 1, 2.5). Nothing else is allocated after pool_new(); what a piece is used
 * for is the caller's. A page that was never used costs nothing.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define POOL_PIECE_MIN 1024u
#define POOL_PIECE_MAX (32u << 20)

struct pool;

/* `size`: rounded up to POOL_PIECE_MIN. -EINVAL: 0, or 2^32 pieces and more; -ENOMEM. */
int pool_new(size_t size, struct pool **ret_pool);
/* All pieces have been given back. */
struct pool *pool_free(struct pool *pool);

/* At least `size` bytes (of undefined contents), *ret_room of them; NULL: there is none. */
void *pool_get(struct pool *pool, size_t size, size_t *ret_room);
/* NULL is fine. */
void pool_put(struct pool *pool, void *piece);

size_t pool_size(const struct pool *pool);
size_t pool_used(const struct pool *pool); /* as rounded up */
