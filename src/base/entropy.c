/* SPDX-License-Identifier: Apache-2.0 */
#include "base/entropy.h"

#include <math.h>

uint32_t entropy_of_counts(const uint64_t count[static 256], uint64_t len)
{
	double bits = 0;

	for (unsigned i = 0; i < 256; i++)
		if (count[i] > 0)
			bits -= (double)count[i] * log2((double)count[i] / (double)len);
	return len > 0 ? (uint32_t)(bits * 1000 / (double)len + 0.5) : 0;
}

uint32_t entropy_of_bytes(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint64_t count[256] = { 0 };

	for (size_t i = 0; i < len; i++)
		count[at[i]]++;
	return entropy_of_counts(count, len);
}
