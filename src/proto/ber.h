/* SPDX-License-Identifier: Apache-2.0 */
/* ber - elements of BER (X.690) as LDAP and SNMP use it: one byte of tag, definite lengths. */
#pragma once

#include "base/cur.h"

#define BER_LENGTH_MAX 8u /* bytes of a length, as servers take it: zeros may stand in front */

struct ber {
	uint8_t tag;
	struct cur body;
};

/* The next element; false: there is none, or it is not whole. */
static inline bool ber_next(struct cur *c, struct ber *ret_element)
{
	uint8_t tag = cur_u8(c);
	size_t len = cur_u8(c);

	if (len & 0x80) {
		unsigned n = len & 0x7f;

		len = 0;
		if (n == 0 || n > BER_LENGTH_MAX)
			cur_fail(c);
		while (n-- && cur_ok(c))
			len = len << 8 | cur_u8(c);
	}
	ret_element->tag = tag;
	ret_element->body = cur_sub(c, len);
	return cur_ok(c) && cur_ok(&ret_element->body);
}

/* An INTEGER, ENUMERATED or BOOLEAN of up to 8 bytes. */
static inline int64_t ber_number(struct cur body)
{
	int64_t n = cur_ahead(body, 0) & 0x80 ? -1 : 0;

	if (cur_left(&body) > 8)
		return 0;
	while (cur_left(&body))
		n = (int64_t)((uint64_t)n << 8 | cur_u8(&body));
	return n;
}

/* How many bytes the element at the beginning has; 0: not known yet; SIZE_MAX: it cannot be one. */
static inline size_t ber_size(const uint8_t *bytes, size_t len)
{
	struct cur c = cur_make(bytes, len);
	size_t size, n;

	cur_skip(&c, 1);
	size = cur_u8(&c);
	if (size & 0x80) {
		n = size & 0x7f;
		if (cur_ok(&c) && (n == 0 || n > BER_LENGTH_MAX))
			return SIZE_MAX;
		for (size = 0; n; n--)
			size = size << 8 | cur_u8(&c);
	}
	if (size > SIZE_MAX / 2)
		return SIZE_MAX;
	return cur_ok(&c) ? size + len - cur_left(&c) : 0;
}
