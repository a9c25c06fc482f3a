/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inet_sum - the Internet checksum (RFC 1071). A checksum field holds the complement of the sum of the
 * bytes that it covers, itself left out; the sum of all of them is 0xffff when it is right.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Sums may be added; this makes 16 bits of them again. */
static inline uint16_t inet_sum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Of the bytes as big-endian 16-bit words, a last odd one with zero behind it. What is added to it must begin
 * at an even offset of what the checksum covers. */
static inline uint16_t inet_sum(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint64_t sum = 0, carries = 0, word;
	uint16_t folded;
	uint8_t big[2];

	/* The order of the bytes of a word is that of the bytes of the sum (RFC 1071, 2.B); what is carried
	 * out of a wide word counts as one (2.C). */
	for (; len >= 8; at += 8, len -= 8) {
		memcpy(&word, at, 8);
		sum += word;
		carries += sum < word;
	}
	word = 0;
	if (len > 0)
		memcpy(&word, at, len);
	folded = inet_sum_fold(
		(sum & 0xffffffff) + (sum >> 32) + (word & 0xffffffff) + (word >> 32) + carries);
	memcpy(big, &folded, 2);
	return (uint16_t)(big[0] << 8 | big[1]);
}
