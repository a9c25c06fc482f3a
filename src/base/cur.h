/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cur - a cursor over hostile bytes: the only place that does arithmetic on input pointers.
 *
 * A cursor is passed by value and borrows the bytes; it never owns them. Reading past the end
 * sets `bad`, empties the cursor and yields zero, so a decoder reads straight on and asks
 * cur_ok() once, before it publishes anything. For every length field that the input states,
 * take a sub-cursor: a lying inner length cannot reach outer bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cur {
	const uint8_t *at;
	const uint8_t *end;
	bool bad; /* sticky: some read went past the end */
};

static inline struct cur cur_make(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	return (struct cur){ .at = at, .end = len ? at + len : at };
}

static inline bool cur_ok(const struct cur *c)
{
	return !c->bad;
}

static inline size_t cur_left(const struct cur *c)
{
	return (size_t)(c->end - c->at);
}

static inline void cur_fail(struct cur *c)
{
	c->bad = true;
	c->at = c->end;
}

/* n bytes, borrowed; NULL (and bad) when fewer are left. */
static inline const uint8_t *cur_take(struct cur *c, size_t n)
{
	const uint8_t *at = c->at;

	if (n > cur_left(c)) {
		cur_fail(c);
		return NULL;
	}
	if (n > 0) /* an empty cursor may be NULL, and NULL + 0 is undefined */
		c->at += n;
	return at;
}

static inline void cur_skip(struct cur *c, size_t n)
{
	(void)cur_take(c, n);
}

static inline uint8_t cur_u8(struct cur *c)
{
	const uint8_t *p = cur_take(c, 1);

	return p ? p[0] : 0;
}

/* The byte `n` bytes further on, which stays there; 0 when there is none. */
static inline uint8_t cur_ahead(struct cur c, size_t n)
{
	cur_skip(&c, n);
	return cur_u8(&c);
}

static inline uint16_t cur_be16(struct cur *c)
{
	const uint8_t *p = cur_take(c, 2);

	return (uint16_t)(p ? (p[0] << 8) | p[1] : 0);
}

static inline uint32_t cur_be32(struct cur *c)
{
	const uint8_t *p = cur_take(c, 4);

	return p ? ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3]
		 : 0;
}

static inline uint64_t cur_be64(struct cur *c)
{
	uint64_t high = cur_be32(c);

	return (high << 32) | cur_be32(c);
}

static inline uint16_t cur_le16(struct cur *c)
{
	const uint8_t *p = cur_take(c, 2);

	return (uint16_t)(p ? p[0] | (p[1] << 8) : 0);
}

static inline uint32_t cur_le32(struct cur *c)
{
	const uint8_t *p = cur_take(c, 4);

	return p ? p[0] | ((uint32_t)p[1] << 8) | ((uint32_t)p[2] << 16) | ((uint32_t)p[3] << 24)
		 : 0;
}

static inline uint64_t cur_le64(struct cur *c)
{
	uint64_t low = cur_le32(c);

	return low | ((uint64_t)cur_le32(c) << 32);
}

/* Copies n bytes out; zero-fills the target when fewer are left. */
static inline void cur_copy(struct cur *c, void *ret_bytes, size_t n)
{
	const uint8_t *p = cur_take(c, n);

	if (p)
		memcpy(ret_bytes, p, n);
	else
		memset(ret_bytes, 0, n);
}

/* A cursor over the next n bytes, which are skipped here; an empty bad one when fewer are left. */
static inline struct cur cur_sub(struct cur *c, size_t n)
{
	const uint8_t *p = cur_take(c, n);

	if (!p)
		return (struct cur){ .at = c->end, .end = c->end, .bad = true };
	return cur_make(p, n);
}

/* The cursor ends after the next n bytes, if it reaches that far: what a length field leaves over. */
static inline void cur_limit(struct cur *c, size_t n)
{
	if (n < cur_left(c))
		c->end = c->at + n;
}
