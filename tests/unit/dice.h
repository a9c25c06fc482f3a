/* SPDX-License-Identifier: Apache-2.0 */
/* dice - random numbers that are the same in each run: xorshift64* (S. Vigna, 2014). `seed` is not 0. */
#pragma once

#include <stdint.h>

static inline uint64_t dice_next(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * 0x2545f4914f6cdd1d;
}
