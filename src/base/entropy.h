/* SPDX-License-Identifier: Apache-2.0 */
/* entropy - how much information bytes hold (Shannon, order 0). */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Thousandths of a bit in each of `len` bytes, of which `count[c]` are c: 0 to 8000; 0 when there are none. */
uint32_t entropy_of_counts(const uint64_t count[static 256], uint64_t len);
uint32_t entropy_of_bytes(const void *bytes, size_t len);
